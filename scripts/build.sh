#!/usr/bin/env bash
# Configures and builds into build/ (Ninja, Release). Arguments go to cmake's configuration, such as
# -DLETHE_CUDA=ON. LETHE_JOBS limits the compilers at work at once; LETHE_TARGET=lethe builds the program alone.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

jobs=${LETHE_JOBS:-$(jobs_that_fit)}
say "configuring into build/"
cmake -S . -B build -G Ninja "$@"
say "building ${LETHE_TARGET:-everything} with $jobs jobs"
cmake --build build --parallel "$jobs" ${LETHE_TARGET:+--target "$LETHE_TARGET"}
