#!/usr/bin/env bash
# Fuzzes every reader of files for so many seconds each (default 60), two at a time, under ASan and UBSan, from the
# seeds in tests/fuzz/corpus. Needs clang (LETHE_DEV=1 scripts/setup.sh). A crash leaves its input in build-fuzz/
# and its report on the terminal, and ends with 1.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

seconds=${1:-60}
[[ $seconds =~ ^[0-9]+$ ]] || die "'$seconds' is no number of seconds; usage: scripts/fuzz.sh [SECONDS]"
clang=$(command -v clang++ || command -v clang++-14 || true)
[[ -n $clang ]] || die "clang is missing: LETHE_DEV=1 scripts/setup.sh installs it"
say "building the fuzzers into build-fuzz/"
cmake -S . -B build-fuzz -G Ninja -DLETHE_FUZZ=ON -DLETHE_WERROR=OFF -DCMAKE_CXX_COMPILER="$clang" >/dev/null
cmake --build build-fuzz --parallel "${LETHE_JOBS:-$(jobs_that_fit)}" --target fuzzers

run_one() {
  local program=$1 reader
  reader=$(basename "$program" _fuzz)
  mkdir -p "build-fuzz/corpus/$reader"
  if "$program" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -seed=1 -print_final_stats=1 \
    -artifact_prefix="build-fuzz/$reader-" "build-fuzz/corpus/$reader" "tests/fuzz/corpus/$reader" \
    >"build-fuzz/$reader.log" 2>&1; then
    echo "$reader: $(awk '/number_of_executed_units/ { print $2 }' "build-fuzz/$reader.log") inputs, no crash"
  else
    tail -n 60 "build-fuzz/$reader.log"
    echo "$reader: crashed; the input is build-fuzz/$reader-*"
    return 1
  fi
}
export -f run_one
export seconds
say "fuzzing for $seconds s each"
printf '%s\0' build-fuzz/*_fuzz | xargs -0 -n 1 -P 2 bash -c 'run_one "$0"'
