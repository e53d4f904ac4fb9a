#!/usr/bin/env bash
# What a contributor runs before a commit: format, layers, sizes, file sizes, then all tests.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scripts/rules.sh
scripts/test.sh "$@"
