#!/usr/bin/env python3
"""Times the exact Fisher information of the Split MNIST perceptron against PyTorch's batch-1 loops.

    PYTHON scripts/bench_fisher.py [--pairs 5]

PYTHON is an interpreter with torch. PyTorch's side takes one row and one of 10 classes at a time through
autograd, as public code does; Lethe's side is build/engine_bench, which sums over rows and classes at once. 64
rows, one thread each, in turns. Prints the median, minimum and maximum of the pairwise ratios.
"""
import time

import torch
import torch.nn.functional as F
from torch import nn

from timing import ROOT, in_turns, output, parser, spread

ROWS, CLASSES = 64, 10


def fisher(net, params, x):
    total = [torch.zeros_like(p) for p in params]
    for row in x:
        logits = net(row[None])
        weights = F.softmax(logits, 1).detach()
        for k in range(CLASSES):
            grads = torch.autograd.grad(F.cross_entropy(logits, torch.tensor([k])), params, retain_graph=True)
            for f, g in zip(total, grads):
                f += weights[0, k] * g ** 2
    return [f / len(x) for f in total]


def peer_seconds(net, params, x):
    start = time.perf_counter()
    fisher(net, params, x)
    return time.perf_counter() - start


def lethe_seconds(bench):
    return float(output([bench, "fisher_seconds", "21"]))


def main():
    options = parser(__doc__)
    options.add_argument("--bench", default=str(ROOT / "build/engine_bench"))
    args = options.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 400), nn.ReLU(), nn.Linear(400, CLASSES))
    params = list(net.parameters())
    x = torch.rand(ROWS, 784) * (torch.rand(ROWS, 784) < 0.2)  # as many bright pixels as in engine_bench
    peer_seconds(net, params, x)
    ratios = []
    for pair in range(args.pairs):
        seconds = in_turns(pair, {"peer": lambda: peer_seconds(net, params, x),
                                  "lethe": lambda: lethe_seconds(args.bench)})
        ratios.append(seconds["peer"] / seconds["lethe"])
    print(f"exact Fisher, {ROWS} rows, {CLASSES} classes: PyTorch's batch-1 loop / Lethe: "
          f"{spread(ratios, 1)}, {args.pairs} pairs, one thread")


if __name__ == "__main__":
    main()
