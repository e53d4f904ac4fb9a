#!/usr/bin/env python3
"""Times Split MNIST trials of Lethe against a plain PyTorch program, interleaved, one thread each.

    scripts/bench_split_mnist.py --peer ../shared/peers/split_mnist.py --python PYTHON [--pairs 5]

PYTHON is an interpreter with torch and numpy. One pair runs the same trial (10,000 steps: five tasks of
2,000) on both sides, peer first in even pairs and Lethe first in odd ones, and the bound in between. Both sides take
the digits in order (Lethe's seed 0). Prints a Markdown table: median, minimum and maximum of the pairwise ratios of training seconds, importances included
and evaluation left out on both sides; and Lethe's seconds over the bound, which is the time of the steps' GEMMs
plus a copy of the bytes that the update must touch (build/split_mnist_bound).
"""
import argparse
import json
import os
import pathlib
import sqlite3
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Peer's name, Lethe's method and its options; strengths are those of the peer's task-incremental defaults.
CASES = [
    ("none", "finetune", ""),
    ("si", "si", "si.c = 10"),
    ("lwf", "distill", 'distill.units = "all"'),
    ("ewc", "ewc", "ewc.lambda = 1e5\newc.rows = 1000"),
]
SWEEP = """name = "bench"
seeds = [0]
[stream]
name = "split"
data = "{data}"
scenario = "task"
validation = 1
[model]
name = "mlp"
[train]
optimizer = "adam"
lr = 1e-3
batch = 128
steps = {steps}
reset_optimizer = false
eval_batch = 1000
[[method]]
name = "{method}"
{options}
"""


def one_thread():
    return dict(os.environ, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")


def peer_seconds(args, name, seed, fused):
    command = [args.python, args.peer, "--data", args.data, "--methods", name, "--iterations", str(args.steps),
               "--seed", str(seed), "--threads", "1"] + (["--fused"] if fused else [])
    out = subprocess.run(command, check=True, capture_output=True, text=True, env=one_thread()).stdout
    row = json.loads(out)
    return row["train_s"], row["accuracy"]


def lethe_seconds(args, method, options):
    with tempfile.TemporaryDirectory() as folder:
        sweep, store = pathlib.Path(folder, "bench.toml"), pathlib.Path(folder, "bench.db")
        sweep.write_text(SWEEP.format(data=pathlib.Path(args.data).resolve(), steps=args.steps,
                                      method=method, options=options))
        subprocess.run([args.lethe, "run", sweep, "--db", store, "--jobs", "1", "--quiet"], check=True,
                       stdout=subprocess.DEVNULL, env=one_thread())
        with sqlite3.connect(store) as db:
            wall = dict(db.execute("SELECT phase, wall FROM timing"))
            cpu, isa = db.execute("SELECT cpu, cpu_capability FROM environment").fetchone()
            (score,) = db.execute("SELECT final_average FROM final_metrics").fetchone()
    return wall["train"] + wall.get("importance", 0.0), 100 * score, f"{cpu}, {isa}"


def bound_seconds(args):
    out = subprocess.run([args.bound, str(args.steps * 5)], check=True, capture_output=True, text=True,
                         env=one_thread()).stdout
    row = json.loads(out)
    return row["gemm_s"], row["copy_s"]


def spread(values, digits=2):
    return "%.*f (%.*f to %.*f)" % (digits, statistics.median(values), digits, min(values), digits, max(values))


def compare(args, name, method, options, fused):
    rows = []
    for pair in range(args.pairs):
        seed = pair + 1
        sides = {}
        for side in ("peer", "lethe") if pair % 2 == 0 else ("lethe", "peer"):
            if side == "peer":
                sides[side] = peer_seconds(args, name, seed, fused)
            else:
                sides[side] = lethe_seconds(args, method, options)
            if len(sides) == 1:
                gemm, copy = bound_seconds(args)
        rows.append((sides["peer"], sides["lethe"], gemm, copy))
        print(f"{name}{' fused' if fused else ''} pair {pair + 1}/{args.pairs}: peer {sides['peer'][0]:.1f} s "
              f"({sides['peer'][1]:.1f} %), lethe {sides['lethe'][0]:.1f} s ({sides['lethe'][1]:.1f} %), "
              f"bound {gemm + copy:.1f} s", file=sys.stderr, flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=str(ROOT / "../shared/peers/split_mnist.py"))
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--data", default=str(ROOT / "../shared/data/images/mnist"))
    parser.add_argument("--lethe", default=str(ROOT / "build/lethe"))
    parser.add_argument("--bound", default=str(ROOT / "build/split_mnist_bound"))
    parser.add_argument("--methods", default="none,si,lwf,ewc")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2000, help="a task")
    parser.add_argument("--fused", action="store_true", help="the peer also with PyTorch's fused Adam")
    args = parser.parse_args()
    wanted = args.methods.split(",")
    print("| method | peer / Lethe | Lethe / bound | GEMM share of the bound | final average %, peer | Lethe |")
    print("|---|---|---|---|---|---|")
    machine = ""
    for name, method, options in CASES:
        if name not in wanted:
            continue
        for fused in (False, True) if args.fused else (False,):
            rows = compare(args, name, method, options, fused)
            machine = rows[0][1][2]
            print("| %s%s | %s | %s | %.2f | %.1f | %.1f |" % (
                name, " (peer with fused Adam)" if fused else "",
                spread([peer[0] / lethe[0] for peer, lethe, _, _ in rows]),
                spread([lethe[0] / (gemm + copy) for _, lethe, gemm, copy in rows]),
                statistics.median([gemm / (gemm + copy) for _, _, gemm, copy in rows]),
                statistics.mean([peer[1] for peer, _, _, _ in rows]),
                statistics.mean([lethe[1] for _, lethe, _, _ in rows])), flush=True)
    print(f"\n{machine}; {args.pairs} pairs; {args.steps} steps a task; one thread.")


if __name__ == "__main__":
    main()
