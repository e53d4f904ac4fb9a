#!/usr/bin/env bash
# Installs the build tree ($1) into a folder of its own, builds tests/plugins there as a user would, and loads
# the plugin into the installed program.
set -euo pipefail
build=$1
plugins=$(cd "$(dirname "${BASH_SOURCE[0]}")/plugins" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"
mkdir "$work/outside"
cp "$plugins/CMakeLists.txt" "$plugins/tether.cc" "$work/outside/"
cmake -S "$work/outside" -B "$work/outside/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/configure.log"
cmake --build "$work/outside/build" >"$work/build.log" || { cat "$work/build.log" && exit 1; }

listed=$(env -u LD_LIBRARY_PATH "$work/prefix/bin/lethe" list methods --plugin "$work/outside/build/tether.so")
if ! grep -q '^tether$' <<<"$listed"; then
  printf 'FAILED: the installed program does not list the plugin tether:\n%s\n' "$listed"
  exit 1
fi
echo "installed; a plugin built outside the tree loads"
