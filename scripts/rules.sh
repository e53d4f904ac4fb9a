#!/usr/bin/env bash
# The checks that need no build: format (where clang-format 14 is installed), layers, sizes, big files.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

say "layers and sizes"
scripts/layers.sh
scripts/caps.sh

say "no file above 300 KB"
big=$(git ls-files -z | xargs -0 -r stat -c '%s %n' 2>/dev/null | awk '$1 > 300000')
if [[ -n $big ]]; then die "too large for the repository: $big"; fi

format=$(command -v clang-format-14 || command -v clang-format || true)
if [[ -z $format ]]; then
  say "format: not checked, clang-format is missing (LETHE_DEV=1 scripts/setup.sh installs it)"
else
  say "format"
  git ls-files -z '*.cc' '*.h' '*.cu' | xargs -0 "$format" --dry-run -Werror
fi
say "rules: all kept"
