#!/usr/bin/env bash
# Installs what the build needs: Debian packages (as root or through sudo) and libtorch, into .prefix/.
# A second call finds everything there and does nothing. LETHE_TORCH=folder uses a libtorch that exists.
# LETHE_DEV=1 adds clang, for the fuzzers, clang-format and clang-tidy. LETHE_CUDA=1 adds what a build with -DLETHE_CUDA=ON loads.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

torch_version=2.11.0
packages=(
  g++ cmake make git ninja-build ccache python3 python3-pip ca-certificates gnuplot-nox
  libfmt-dev catch2 nlohmann-json3-dev libtomlplusplus-dev libcli11-dev libsqlitecpp-dev libsqlite3-dev
  librapidcheck-dev libbenchmark-dev zlib1g-dev libssl-dev
  libsentencepiece-dev libpcre2-dev libutf8proc-dev
)
if [[ ${LETHE_DEV:-0} == 1 ]]; then packages+=(clang-format clang-tidy clang libclang-rt-dev); fi

is_installed() { [[ $(dpkg-query -W -f '${Status}' "$1" 2>/dev/null) == "install ok installed" ]]; }

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo --preserve-env=DEBIAN_FRONTEND "$@"
  else
    die "'$*' needs root: run scripts/setup.sh as root, or install sudo"
  fi
}

install_packages() {
  command -v apt-get >/dev/null || die "no apt-get here: these scripts are for Debian 12; install by hand: ${packages[*]}"
  local missing=() package
  for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    say "Debian packages: all ${#packages[@]} are installed"
    return
  fi
  say "Debian packages: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  as_root apt-get update -q </dev/null
  as_root apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null
}

# Downloads into a folder of its own and renames it: an interrupted download is never taken for whole.
install_libtorch() {
  if [[ -n ${LETHE_TORCH:-} ]]; then
    [[ -e $LETHE_TORCH/lib/libtorch_cpu.so ]] ||
      die "LETHE_TORCH=$LETHE_TORCH has no lib/libtorch_cpu.so: name the folder with include/ and lib/"
    say "libtorch: using $LETHE_TORCH"
    return
  fi
  if [[ -d .prefix/python/torch-$torch_version.dist-info ]]; then
    say "libtorch $torch_version: in .prefix/python"
    return
  fi
  say "libtorch $torch_version: downloading (some hundred MB) into .prefix/python"
  mkdir -p .prefix
  rm -rf .prefix/python.part
  python3 -m pip install --quiet --no-deps --no-compile --no-input --disable-pip-version-check \
    --root-user-action=ignore --target .prefix/python.part \
    "torch==$torch_version" 'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cupti==13.0.*' </dev/null
  rm -rf .prefix/python
  mv .prefix/python.part .prefix/python
}

# The libraries that libtorch_cuda loads at start (2 GB and more): the wheel names them.
install_cuda_libraries() {
  if [[ ${LETHE_CUDA:-0} != 1 || -n ${LETHE_TORCH:-} ]]; then return; fi
  if [[ -e .prefix/python/nvidia/all-of-torch-$torch_version ]]; then
    say "CUDA libraries: in .prefix/python"
    return
  fi
  local needed
  mapfile -t needed < <(sed -nE 's/^Requires-Dist: ((cuda-toolkit|nvidia-)[^;]*);.*/\1/p' \
    ".prefix/python/torch-$torch_version.dist-info/METADATA")
  ((${#needed[@]} > 0)) || die "the libtorch in .prefix/python is not a build for CUDA"
  say "CUDA libraries: downloading ${needed[*]}"
  rm -rf .prefix/cuda.part
  python3 -m pip install --quiet --no-compile --no-input --disable-pip-version-check \
    --root-user-action=ignore --target .prefix/cuda.part "${needed[@]}" </dev/null
  cp -r --remove-destination .prefix/cuda.part/nvidia/. .prefix/python/nvidia/
  rm -rf .prefix/cuda.part
  touch ".prefix/python/nvidia/all-of-torch-$torch_version"
}

install_packages
install_libtorch
install_cuda_libraries
