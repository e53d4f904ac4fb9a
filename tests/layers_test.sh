#!/usr/bin/env bash
# scripts/layers.sh and scripts/caps.sh name every wrong include and every overlong thing of a bad tree.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

expect() { # what, the text that is expected, the text that came
  if [[ $2 != "$3" ]]; then
    printf 'FAILED: %s\nexpected:\n%s\ngot:\n%s\n' "$1" "$2" "$3"
    failures=$((failures + 1))
  fi
}

write() { # path; content from stdin
  mkdir -p "$tree/$(dirname "$1")"
  cat >"$tree/$1"
}

run() { "$@" 2>&1 && echo "exit 0" || echo "exit $?"; }

write core/torch.h <<<'#include <ATen/core/Tensor.h>'
write core/model.h <<<'#include "core/torch.h"'
write core/trial.h <<<'#include <string>'
write core/memory.cc <<<'#include <c10/core/Allocator.h>'
write core/cuda_device.cc <<<'#include <c10/cuda/CUDAStream.h>'
write results/store.h <<<'#include "core/trial.h"'
write experiments/main.cc <<<'#include "methods/methods.h"'
expect "a good tree passes" "layers: 7 includes, all allowed
exit 0" "$(run scripts/layers.sh "$tree")"

write core/arena.cc <<<'#include "results/store.h"'
write core/linear.cc <<<'#include <ATen/ops/mm.h>'
write methods/ewc.cc <<<'#include "methods/si.h"'
write results/store.cc <<<'#include "core/model.h"'
write analysis/report.cc <<<'#include "experiments/sweep.h"'
write experiments/run.cc <<<'#include "methods/ewc.h"'
expect "a bad tree is refused, each include by name" \
  'analysis/report.cc:1: includes experiments/sweep.h: analysis includes core, results and analysis
core/arena.cc:1: includes results/store.h: core includes core alone
core/linear.cc:1: includes ATen/ops/mm.h: libtorch comes through core/torch.h alone
experiments/run.cc:1: includes methods/ewc.h: of methods, experiments include methods/methods.h alone
methods/ewc.cc:1: includes methods/si.h: methods include core, never one another
results/store.cc:1: includes core/model.h: it brings in libtorch, which results does without
exit 1' "$(run scripts/layers.sh "$tree")"

lines() { # how many
  local i
  for ((i = 0; i < $1; i++)); do printf '  step(%d);\n' "$i"; done
}
{ echo 'void short_enough() {'; lines 48; echo '}'; } | write methods/ewc.cc
expect "a function of 50 lines passes" "sizes: all within the caps
exit 0" "$(run scripts/caps.sh "$tree")"

{ echo 'namespace lethe {'; echo 'int too_long(int a,'; echo '             int b) {'; lines 48; echo '}'; echo '}'; } |
  write methods/ewc.cc
{ echo 'class A {'; echo '  void inside() const {'; echo '    if (x) {'; lines 49; echo '    }'; echo '  }'; echo '};'; } |
  write methods/si.cc
lines 151 | write core/model.h
lines 301 | write core/model.cc
expect "overlong things are named with their length" \
  'core/model.cc:1: 301 lines; at most 300: split it by concept
core/model.h:1: 151 lines; at most 150: split it by concept
methods/ewc.cc:2: a function of 51 lines; at most 50: split it
methods/si.cc:2: a function of 53 lines; at most 50: split it
exit 1' "$(run scripts/caps.sh "$tree")"

if ((failures > 0)); then exit 1; fi
echo "layers and caps: every case as expected"
