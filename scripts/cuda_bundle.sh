#!/usr/bin/env bash
# Packs a CUDA build for a GPU machine without a network or packages: programs, tests, sweeps and the Debian
# libraries that they load go into build-cuda/bundle/ (a few MiB). That machine needs a driver, Python with
# torch 2.11 for CUDA 13, and glibc and libstdc++ no older than these. There:
#   bundle/run lethe run sweep.toml --device cuda
#   LETHE_REQUIRE_CUDA=1 bundle/run lethe_device_tests
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

build=build-cuda
bundle=$build/bundle
[[ -x $build/lethe ]] || die "no $build/lethe: build with -DLETHE_CUDA=ON first (docs/building.md)"
rm -rf "$bundle"
mkdir -p "$bundle/lib"
for file in lethe lethe_device_tests device_bench liblethe_base.so liblethe_core.so; do
  [[ -e $build/$file ]] || continue
  strip -o "$bundle/${file}" "$build/$file"
done
mv "$bundle"/*.so "$bundle/lib/"
cp -r sweeps "$bundle/sweeps"

# What comes with libtorch, with the driver or with every system is not packed.
left_out='libtorch|libc10|libcu|libnv|libnccl|libshm|/(libc|libm|libdl|librt|libpthread|libutil|libgcc_s|libstdc\+\+)\.so|ld-linux'
ldd "$build/lethe" "$build/lethe_device_tests" 2>/dev/null | awk '$3 ~ /^\// { print $3 }' | sort -u |
  grep -Ev "$left_out|liblethe|$PWD" | while read -r library; do cp -L "$library" "$bundle/lib/"; done

cat >"$bundle/run" <<'RUN'
#!/usr/bin/env bash
# run PROGRAM ARGUMENTS: a program of this folder with the libtorch of the machine's Python (or of LETHE_TORCH).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
torch=${LETHE_TORCH:-$(python3 -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])')}
export LD_LIBRARY_PATH="$here/lib:$torch/lib:$torch/../nvidia/cu13/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
program=$1
shift
exec "$here/$program" "$@"
RUN
chmod +x "$bundle/run"
say "$bundle: $(du -sh "$bundle" | cut -f1)"
