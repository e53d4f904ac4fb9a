#!/usr/bin/env bash
# Sets up, builds and runs all tests. Arguments go to ctest, such as -R ewc.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scripts/setup.sh
scripts/build.sh
say "testing"
ctest --test-dir build --output-on-failure --parallel "$(nproc)" "$@"
