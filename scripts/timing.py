"""What the scripts that time two sides have in common."""
import argparse
import os
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


def parser(doc, pairs=5):
    """Of a script whose text is `doc`, with --pairs."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--pairs", type=int, default=pairs)
    return made


def output(command, stdin=None, **more):
    """What a program prints that runs on one thread; `more` is added to its environment."""
    one = dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"], "1")
    env = dict(os.environ, TOKENIZERS_PARALLELISM="false", **one, **more)
    return subprocess.run(command, check=True, stdin=stdin, stdout=subprocess.PIPE, text=True, env=env).stdout


def in_turns(pair, sides):
    """By name what each of `sides` (name: function) gives: in their order in even pairs, else from the last."""
    names = list(sides) if pair % 2 == 0 else list(sides)[::-1]
    return {name: sides[name]() for name in names}


def spread(values, digits=2):
    return "%.*f (%.*f to %.*f)" % (digits, statistics.median(values), digits, min(values), digits, max(values))
