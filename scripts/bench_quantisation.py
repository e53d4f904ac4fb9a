#!/usr/bin/env python3
"""Times the quantised kernels against bitsandbytes on the CPU, interleaved, one thread each on one core.

    scripts/bench_quantisation.py --peer PEER --python PYTHON [--pairs 5] [--core 0]

PEER is a program that prints one JSON line per primitive of bitsandbytes and torch, {"primitive", "ms"}; PYTHON an
interpreter with both. Lethe's side is build/nf4_bench (Google Benchmark). Each side of a pair is a process of its
own and gives medians; bitsandbytes is first in even pairs, Lethe in odd ones. A weight is 4096 x 4096 float32, a
product has 128 tokens.

bitsandbytes makes its results and temporaries anew each time, and so pays page faults, where Lethe writes into what
is given: each pair therefore also has a run of the peer whose malloc keeps large blocks, kernel against kernel.

Prints a Markdown table of pairwise ratios, median (min to max): bitsandbytes over Lethe (above 1, Lethe is faster),
as it is and with memory kept; Lethe over the float32 product, the fastest of that pair, torch's and Lethe's own;
and Lethe over a bound measured in the same process: a copy of as many bytes as are read and written at least, or
the multiply-adds of a product at the rate of a loop in registers.
"""
import json
import os
import pathlib
import statistics
import sys

import timing
from timing import ROOT, in_turns, output, parser

SIDE, TOKENS = 4096, 128
VALUES = SIDE * SIDE
FLOAT = "float32 product"
# What, the peer's name, Lethe's benchmark, and what its bound counts: bytes a value, or a product.
CASES = [
    ("NF4 quantise", "nf4_quantize", f"BM_Quantize<FourBit::nf4>/{VALUES}", 4 + 0.5 + 4 / 64),
    ("NF4 dequantise", "nf4_dequantize", f"BM_Dequantize<FourBit::nf4>/{VALUES}", 4 + 0.5 + 4 / 64),
    ("NF4 product", "nf4_matmul", "BM_Nf4Product/0", "product"),
    ("int8 product", "int8_matmul", "BM_Int8Linear", "product"),
    (FLOAT, "float32_matmul", "BM_FloatProduct/0", "product"),
    ("8-bit quantise", "blockwise8_quantize", f"BM_Quantize8/{VALUES}", 4 + 1 + 4 / 256),
    ("8-bit AdamW step", "adamw8bit_step", f"BM_AdamW8/{VALUES}", 4 + 8 + 2 * 2 + 4 * 4 / 256),
]
COPY, FUSED = f"BM_Copy/{VALUES}", "BM_FusedMultiplyAdds"
KEPT = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}


def peer_times(args, more):
    lines = output([args.python, args.peer, "--size", str(SIDE), "--tokens", str(TOKENS), "--threads", "1",
                    "--runs", str(args.runs)], **more).splitlines()
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    return {row["primitive"]: row["ms"] / 1e3 for row in rows}


def lethe_times(args):
    names = [case[2] for case in CASES] + [COPY, FUSED]
    out = json.loads(output([args.lethe, "--benchmark_filter=^(" + "|".join(names) + ")$", "--benchmark_format=json",
                             "--benchmark_min_time=0.05", f"--benchmark_repetitions={args.runs}",
                             "--benchmark_enable_random_interleaving=true"]))
    unit = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3}
    rows = [row for row in out["benchmarks"] if row.get("aggregate_name") == "median"]
    times = {row["run_name"]: row["real_time"] * unit[row["time_unit"]] for row in rows}
    rates = {row["run_name"]: row for row in rows}
    return times, rates[COPY]["bytes_per_second"], rates[FUSED]["items_per_second"]


def spread(values):
    return timing.spread(values, 2 if statistics.median(values) < 10 else 1)


def measure(args, pair):
    times = in_turns(pair, {"peer": lambda: peer_times(args, {}), "kept": lambda: peer_times(args, KEPT),
                            "lethe": lambda: lethe_times(args)})
    peer, kept, (lethe, copied, fused) = times["peer"], times["kept"], times["lethe"]
    _, theirs, ours, _ = next(case for case in CASES if case[0] == FLOAT)
    product = min(peer[theirs], kept[theirs], lethe[ours])
    rows = {}
    for name, theirs, ours, count in CASES:
        bound = TOKENS * VALUES / fused if count == "product" else VALUES * count / copied
        mine = lethe[ours]
        rows[name] = (peer[theirs] / mine, kept[theirs] / mine, mine / product, mine / bound)
    print(f"pair {pair + 1}/{args.pairs}: " + ", ".join(f"{name} {row[0]:.2f}" for name, row in rows.items()) +
          f"; copying {copied / 1e9:.1f} GB/s, {fused / 1e9:.1f} G multiply-adds/s; fastest float32 product: "
          + ("Lethe's" if product == lethe["BM_FloatProduct/0"] else "torch's"), file=sys.stderr, flush=True)
    return rows


def processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    wide = any("avx512vl" in line for line in lines)
    return (models or ["unknown processor"])[0] + (", AVX-512" if wide else ", AVX2")


def main():
    options = parser(__doc__)
    options.add_argument("--peer", required=True)
    options.add_argument("--python", required=True)
    options.add_argument("--lethe", default=str(ROOT / "build/nf4_bench"))
    options.add_argument("--runs", type=int, default=5, help="timed runs of a primitive in a process")
    options.add_argument("--core", type=int, default=0, help="where both sides run")
    args = options.parse_args()
    os.sched_setaffinity(0, {args.core})
    pairs = [measure(args, pair) for pair in range(args.pairs)]
    print("| 4096 x 4096, one thread | bitsandbytes / Lethe | memory kept | Lethe / float32 product | Lethe / bound |")
    print("|---|---|---|---|---|")
    for name, _, _, count in CASES:
        peer, kept, product, bound = [spread([pair[name][i] for pair in pairs]) for i in range(4)]
        what = name + (", torch's" if name == FLOAT else "")
        print(f"| {what} | {peer} | {kept} | {product if count == 'product' else ''} | {bound} |")
    print(f"\n{processor()}; {args.pairs} pairs; one thread on core {args.core}.")


if __name__ == "__main__":
    main()
