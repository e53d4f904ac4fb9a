#!/usr/bin/env bash
# What Lethe exports, loaded by transformers and peft, and what they write, loaded by Lethe: equal logits.
# LETHE_PYTHON names a Python that has torch, transformers, peft, bitsandbytes and safetensors; without it one is made under
# .prefix/interop from PyPI. Arguments are names of cases (scripts/interop.py); without any, all run.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

python=${LETHE_PYTHON:-.prefix/interop/bin/python}
if [[ -z ${LETHE_PYTHON:-} && ! -x $python ]]; then
  say "a Python with transformers and peft, into .prefix/interop"
  python3 -m venv .prefix/interop
  .prefix/interop/bin/pip install --quiet 'torch==2.11.*' 'transformers==4.57.*' 'peft==0.21.*' 'bitsandbytes==0.50.*' safetensors
fi
"$python" -c 'import bitsandbytes, peft, safetensors, torch, transformers' ||
  die "$python lacks torch, transformers, peft, bitsandbytes or safetensors; install them, or leave LETHE_PYTHON unset"
if [[ ! -x build/lethe ]]; then scripts/build.sh; fi
"$python" -B scripts/interop.py "$PWD/build/lethe" "$@"
