#!/usr/bin/env python3
"""Times Split MNIST trials of Lethe against a plain PyTorch program, interleaved, one thread each.

    scripts/bench_split_mnist.py --peer ../shared/peers/split_mnist.py --python PYTHON [--pairs 5]

PYTHON is an interpreter with torch and numpy. One pair runs the same trial (10,000 steps: five tasks of
2,000) on both sides, peer first in even pairs and Lethe first in odd ones, and the bound in between. Both sides take
the digits in order (Lethe's seed 0). Prints a Markdown table: median, minimum and maximum of the pairwise ratios of training seconds, importances included
and evaluation left out on both sides; and Lethe's seconds over the bound, which is the time of the steps' GEMMs
plus a copy of the bytes that the update must touch (build/split_mnist_bound).
"""
import json
import pathlib
import sqlite3
import statistics
import sys
import tempfile

from timing import ROOT, SHARED, in_turns, output, parser, spread

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


def peer_seconds(args, name, seed, fused):
    command = [args.python, args.peer, "--data", args.data, "--methods", name, "--iterations", str(args.steps),
               "--seed", str(seed), "--threads", "1"] + (["--fused"] if fused else [])
    row = json.loads(output(command))
    return row["train_s"], row["accuracy"]


def lethe_seconds(args, method, options):
    with tempfile.TemporaryDirectory() as folder:
        sweep, store = pathlib.Path(folder, "bench.toml"), pathlib.Path(folder, "bench.db")
        sweep.write_text(SWEEP.format(data=pathlib.Path(args.data).resolve(), steps=args.steps,
                                      method=method, options=options))
        output([args.lethe, "run", sweep, "--db", store, "--jobs", "1", "--quiet"])
        with sqlite3.connect(store) as db:
            wall = dict(db.execute("SELECT phase, wall FROM timing"))
            cpu, isa = db.execute("SELECT cpu, cpu_capability FROM environment").fetchone()
            (score,) = db.execute("SELECT final_average FROM final_metrics").fetchone()
    return wall["train"] + wall.get("importance", 0.0), 100 * score, f"{cpu}, {isa}"


def bound_seconds(args):
    row = json.loads(output([args.bound, str(args.steps * 5)]))
    return row["gemm_s"], row["copy_s"]


def compare(args, name, method, options, fused):
    rows = []
    for pair in range(args.pairs):
        sides = in_turns(pair, {"peer": lambda: peer_seconds(args, name, pair + 1, fused),
                                "bound": lambda: bound_seconds(args),
                                "lethe": lambda: lethe_seconds(args, method, options)})
        gemm, copy = sides["bound"]
        rows.append((sides["peer"], sides["lethe"], gemm, copy))
        print(f"{name}{' fused' if fused else ''} pair {pair + 1}/{args.pairs}: peer {sides['peer'][0]:.1f} s "
              f"({sides['peer'][1]:.1f} %), lethe {sides['lethe'][0]:.1f} s ({sides['lethe'][1]:.1f} %), "
              f"bound {gemm + copy:.1f} s", file=sys.stderr, flush=True)
    return rows


def main():
    options = parser(__doc__)
    options.add_argument("--peer", default=str(SHARED / "peers/split_mnist.py"))
    options.add_argument("--python", default=sys.executable)
    options.add_argument("--data", default=str(SHARED / "data/images/mnist"))
    options.add_argument("--lethe", default=str(ROOT / "build/lethe"))
    options.add_argument("--bound", default=str(ROOT / "build/split_mnist_bound"))
    options.add_argument("--methods", default="none,si,lwf,ewc")
    options.add_argument("--steps", type=int, default=2000, help="a task")
    options.add_argument("--fused", action="store_true", help="the peer also with PyTorch's fused Adam")
    args = options.parse_args()
    wanted = args.methods.split(",")
    print("| method | peer / Lethe | Lethe / bound | GEMM share of the bound | final average %, peer | Lethe |")
    print("|---|---|---|---|---|---|")
    machine = ""
    for name, method, strengths in CASES:
        if name not in wanted:
            continue
        for fused in (False, True) if args.fused else (False,):
            rows = compare(args, name, method, strengths, fused)
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
