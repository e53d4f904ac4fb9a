#!/usr/bin/env bash
# Who may include whom. Names file, line and include of every one that the table forbids, and fails.
# The root of the tree to look at may be given.
#
#   core         itself; libtorch only in core/torch.h, autograd_function.h, gradient_hook.h and saved_hook.h, the allocators below the memory meter and the door to CUDA
#   methods      core, and what adapters share (adapters.h, task_adapters.h); never another method
#   results      the libtorch-free headers of core
#   analysis     results, and what results may
#   experiments  core, results, analysis, and of methods only methods/methods.h
#   tests        everything
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"

mapfile -t files < <(find core methods results analysis experiments -type f \
  \( -name '*.cc' -o -name '*.cu' -o -name '*.h' \) 2>/dev/null | sort)
if ((${#files[@]} == 0)); then
  echo "layers: no sources under $PWD" >&2
  exit 1
fi

awk '
  function report(file, line, name, why) {
    printf "%s:%d: includes %s: %s\n", file, line, name, why
    bad = 1
  }
  function reaches_libtorch(header,    i, parts, n) {
    if (header in known) return known[header]
    known[header] = 0
    if (header == "core/torch.h") return known[header] = 1
    n = split(includes[header], parts, " ")
    for (i = 1; i <= n; i++) if (is_libtorch(parts[i]) || reaches_libtorch(parts[i])) known[header] = 1
    return known[header]
  }
  function is_libtorch(name) { return name ~ /^(ATen|torch|c10)\// }
  function may_name_libtorch(file) { return file ~ /^core\/(torch\.h|autograd_function\.h|gradient_hook\.h|saved_hook\.h|cuda_device\.cc|cuda_queue\.h|memory[a-z_]*\.cc)$/ }

  match($0, /^[ \t]*#[ \t]*include[ \t]*[<"][^>"]+[>"]/) {
    name = $0
    sub(/^[^<"]*[<"]/, "", name)
    sub(/[>"].*/, "", name)
    count++
    at_file[count] = FILENAME; at_line[count] = FNR; at_name[count] = name
    includes[FILENAME] = includes[FILENAME] " " name
  }
  END {
    for (i = 1; i <= count; i++) {
      file = at_file[i]; line = at_line[i]; name = at_name[i]
      folder = file; sub(/\/.*/, "", folder)
      target = name; sub(/\/.*/, "", target)
      if (is_libtorch(name)) {
        if (!may_name_libtorch(file)) report(file, line, name, "libtorch comes through core/torch.h alone")
        continue
      }
      if (target !~ /^(core|methods|results|analysis|experiments|tests)$/) continue
      if (folder == "core" && target != "core")
        report(file, line, name, "core includes core alone")
      shared = name ~ /^methods\/(methods|adapters|task_adapters)\.h$/
      if (folder == "methods" && target != "core" && !shared)
        report(file, line, name, "methods include core, never one another")
      if (folder == "results" && target !~ /^(core|results)$/)
        report(file, line, name, "results include core and results")
      if (folder == "analysis" && target !~ /^(core|results|analysis)$/)
        report(file, line, name, "analysis includes core, results and analysis")
      if (folder == "experiments" && target == "methods" && name != "methods/methods.h")
        report(file, line, name, "of methods, experiments include methods/methods.h alone")
      if (folder == "experiments" && target == "tests")
        report(file, line, name, "nothing includes tests")
      if (folder ~ /^(results|analysis)$/ && target == "core" && reaches_libtorch(name))
        report(file, line, name, "it brings in libtorch, which " folder " does without")
    }
    if (bad) exit 1
    print "layers: " count " includes, all allowed"
  }
' "${files[@]}"
