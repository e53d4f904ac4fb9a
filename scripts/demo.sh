#!/usr/bin/env bash
# From a fresh Debian 12 to the comparison table: sets up, builds, runs the default sweep into
# out/demo.db, prints the table and writes out/report.html. A second call runs only what is missing.
# Arguments go to `lethe run`, such as --jobs 4.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scripts/setup.sh
LETHE_TARGET=lethe scripts/build.sh  # without the tests: half the time
mkdir -p out
say "running the default sweep into out/demo.db"
code=0
build/lethe run --db out/demo.db "$@" || code=$?
if ((code > 1)); then exit "$code"; fi  # failed trials (1) are told of in the report
build/lethe report --db out/demo.db --format html -o out/report.html
say "the same with figures, matrices and samples: out/report.html"
exit "$code"
