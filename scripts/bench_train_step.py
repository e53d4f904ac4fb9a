#!/usr/bin/env python3
"""Times training steps of Lethe against a program on transformers and peft, interleaved, one thread each.

    scripts/bench_train_step.py --peer ../shared/peers/train_step.py --python PYTHON [--pairs 5]

PYTHON is an interpreter with torch, transformers and peft. One pair runs the same steps (random tokens of the same
shape, AdamW) of one model under one method on both sides, a process each, peer first in even pairs and Lethe
(build/step_bench) first in odd ones; a side's time is its median step. Lethe measures its bound, the dense products of
the step alone, before and after its own steps. Prints a Markdown table: median, minimum and maximum of the pairwise
ratios; the last column is what a step of nothing but products would reach.
"""
import json
import sys

from timing import ROOT, SHARED, in_turns, output, parser, spread

MODELS = ["gpt2", "llama", "t5"]
# Lethe's case, the peer's method, and the ratio that is aimed at.
CASES = [("finetune", "full", 1.3), ("lora", "lora", 1.6), ("ewc", "ewc", 1.5), ("si", "si", 1.5),
         ("distill", "lwf", 1.5), ("recorded", "lwf", 2.0), ("lora+ewc", "lora+ewc", 1.6)]


def rows(command):
    return [json.loads(line) for line in output(command).splitlines() if line.startswith("{")]


def peer_step(args, model, method):
    command = [args.python, args.peer, "--model", model, "--methods", method, "--threads", "1",
               "--steps", str(args.steps), "--warmup", "3"]
    return rows(command)[0]["ms_per_step"]


def lethe_step(args, model, case):
    row = rows([args.lethe, model, case, str(args.steps)])[0]
    return row["ms_per_step"], row["gemm_ms"]


def compare(args, model, case, method):
    """The ratios of all pairs: peer over Lethe, Lethe over its bound, peer over that bound."""
    ratios = [], [], []
    for pair in range(args.pairs):
        sides = in_turns(pair, {"peer": lambda: peer_step(args, model, method),
                                "lethe": lambda: lethe_step(args, model, case)})
        peer, (step, bound) = sides["peer"], sides["lethe"]
        for ratio, values in zip((peer / step, step / bound, peer / bound), ratios):
            values.append(ratio)
        print(f"{model} {case} pair {pair + 1}/{args.pairs}: peer {peer:.0f} ms, lethe {step:.0f} ms, "
              f"bound {bound:.0f} ms", file=sys.stderr, flush=True)
    return ratios


def main():
    options = parser(__doc__)
    options.add_argument("--peer", default=str(SHARED / "peers/train_step.py"))
    options.add_argument("--python", default=sys.executable)
    options.add_argument("--lethe", default=str(ROOT / "build/step_bench"))
    options.add_argument("--models", default=",".join(MODELS))
    options.add_argument("--cases", default=",".join(case for case, _, _ in CASES))
    options.add_argument("--steps", type=int, default=30)
    args = options.parse_args()
    print("| model | method | peer / Lethe | aimed at | Lethe / bound | peer / bound |\n|---|---|---|---|---|---|", flush=True)
    cases = [one for one in CASES if one[0] in args.cases.split(",")]
    for model in args.models.split(","):
        for case, method, aim in cases:
            won, over, most = map(spread, compare(args, model, case, method))
            print(f"| {model} | {case} | {won} | {aim} | {over} | {most} |", flush=True)
    print(f"\n{args.pairs} pairs; {args.steps} steps; one thread.")


if __name__ == "__main__":
    main()
