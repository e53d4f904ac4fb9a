#!/usr/bin/env bash
# What a contributor runs before a commit (it installs clang-format too): format, layers, sizes, file sizes, then all tests.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

LETHE_DEV=1 scripts/setup.sh
scripts/rules.sh
LETHE_DEV=1 scripts/test.sh "$@"
