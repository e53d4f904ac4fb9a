#!/usr/bin/env bash
# Compiles the CUDA code where nvcc is: the kernels and the files that talk to the GPU, which takes a minute and
# no GPU. With --full builds everything with -DLETHE_CUDA=ON into build-cuda/ and runs its GPU tests, which
# report SKIPPED without a GPU. Where nvcc is missing it says so and does nothing.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

nvcc=$(command -v nvcc || true)
if [[ -z $nvcc && -x /usr/local/cuda/bin/nvcc ]]; then nvcc=/usr/local/cuda/bin/nvcc; fi
if [[ -z $nvcc ]]; then
  say "CUDA code: skipped: no nvcc"
  exit 0
fi
torch=${LETHE_TORCH:-.prefix/python/torch}
[[ -e $torch/include/c10/cuda/CUDAStream.h ]] ||
  die "no libtorch with CUDA headers in $torch: run scripts/setup.sh, or set LETHE_TORCH"

if [[ ${1:-} == --full ]]; then
  cmake -S . -B build-cuda -G Ninja -DLETHE_CUDA=ON -DCMAKE_CUDA_COMPILER="$nvcc"
  cmake --build build-cuda --parallel "${LETHE_JOBS:-$(jobs_that_fit)}"
  ctest --test-dir build-cuda --output-on-failure -R '^cuda_'
  exit 0
fi

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
say "CUDA code: kernels with $("$nvcc" --version | tail -n 1)"
for file in core/kernels/*.cu; do
  "$nvcc" -std=c++17 -I. --gpu-architecture=sm_90 -Xcompiler=-fPIC -Werror=all-warnings \
    -c "$file" -o "$out/$(basename "$file").o"
done
say "CUDA code: the files that talk to the GPU, and its tests"
# The system's fmt comes before libtorch's newer one.
mkdir "$out/fmt_first"
ln -s /usr/include/fmt "$out/fmt_first/fmt"
toolkit=$(dirname "$(dirname "$(readlink -f "$nvcc")")")
printf '#include "%s"\n' tests/cuda/cuda_*_test.cc >"$out/gpu_tests.cc"
for file in core/cuda_device.cc core/cuda_layers.cc core/memory_cuda.cc "$out/gpu_tests.cc"; do
  "${CXX:-g++}" -std=c++20 -fPIC -Wall -Wextra -Werror -Wno-missing-field-initializers -DAT_PER_OPERATOR_HEADERS \
    -I"$out/fmt_first" -I. -isystem "$torch/include" -isystem "$torch/include/torch/csrc/api/include" \
    -isystem "$toolkit/include" -fsyntax-only "$file"
done
say "CUDA code: compiles; it was not run"
