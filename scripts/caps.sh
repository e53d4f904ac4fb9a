#!/usr/bin/env bash
# Sizes: a function at most 50 lines, a source 300, a header 150. Names each thing over its cap, as
# file:line, and fails. The root of the tree to look at may be given.
#
# Functions are found in clang-formatted code: an opening line ends in `{` and a closing line is `}` alone at
# the same indentation. Namespaces, types, braced values and control flow are no functions.
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"

sources() {
  find core methods results analysis experiments tests -type f \
    \( -name '*.cc' -o -name '*.cu' -o -name '*.h' \) 2>/dev/null | sort || true
}

long_files() {
  local file lines cap
  while read -r file; do
    lines=$(wc -l <"$file")
    cap=300
    if [[ $file == *.h ]]; then cap=150; fi
    if ((lines > cap)); then echo "$file:1: $lines lines; at most $cap: split it by concept"; fi
  done < <(sources)
}

long_functions() {
  sources | xargs -r awk '
    FNR == 1 { depth = 0; raw = 0; text = "" }
    /R"[a-z]*\(/ && !/\)[a-z]*"/ { raw = 1; next }      # raw strings hold other languages
    raw { if (/\)[a-z]*"/) raw = 0; next }
    /^[ ]*(\/\/|$)/ { next }
    {
      match($0, /^ */); indent = RLENGTH
      # A head may run over several lines: it starts where the text before ended a statement.
      if (text == "") { text = $0; start = FNR; start_indent = indent } else text = text " " $0
    }
    /\{$/ {
      kind = "function"
      if (text ~ /^ *(inline )?namespace|^ *extern "C"/) kind = "namespace"
      else if (text ~ /^ *(template *<.*> *)?(class|struct|enum|union) / && text !~ /\)[a-z ]*\{$/) kind = "type"
      else if (text !~ /\)[^()]*\{$/) kind = "value"
      else if (text ~ /^ *(\} *)?(if|for|while|switch|else|catch|do|try)[ ({]/) kind = "flow"
      depth++
      where[depth] = start; column[depth] = start_indent; kinds[depth] = kind
      text = ""
      next
    }
    /^ *\}/ {
      while (depth > 0 && column[depth] > indent) depth--
      if (depth > 0 && column[depth] == indent) {
        lines = FNR - where[depth] + 1
        if (kinds[depth] == "function" && lines > 50)
          printf "%s:%d: a function of %d lines; at most 50: split it\n", FILENAME, where[depth], lines
        depth--
      }
      text = ""
      next
    }
    /[;:,]$/ && !/,$/ { text = "" }
    /^ *#/ { text = "" }
  '
}

found=$(long_files; long_functions)
if [[ -n $found ]]; then
  echo "$found"
  exit 1
fi
echo "sizes: all within the caps"
