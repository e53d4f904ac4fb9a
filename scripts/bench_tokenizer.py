#!/usr/bin/env python3
"""Times encoding of a text by Lethe against the `tokenizers` package, interleaved, one thread each.

    scripts/bench_tokenizer.py --python PYTHON [--tokenizer DIR] [--text FILE] [--pairs 7]

PYTHON is an interpreter with tokenizers. Each side of a pair is a process of its own that loads the tokenizer
and encodes the text several times; the package is first in even pairs, Lethe (build/tokenizer_bench) in odd
ones. "warm" is the time of an encoding whose words were seen before, "first" of the first one after loading,
which is not in it. Times are those of the processor, so that other programs disturb less. Checks first that
both give the same ids; prints the median, minimum and maximum of the pairwise ratios: above 1, Lethe is
faster.
"""
import json
import os
import statistics
import sys

from timing import ROOT, SHARED, in_turns, output, parser, spread

PEER = """
import json, sys, time, tokenizers
text = open(sys.argv[2], encoding="utf-8", newline="").read()
seconds = []
tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
for _ in range(4):
    start = time.process_time()
    encoded = tokenizer.encode(text, add_special_tokens=False)
    seconds.append(time.process_time() - start)
ids = encoded.ids if sys.argv[3] == "ids" else None
print(json.dumps({"version": tokenizers.__version__, "seconds": seconds, "ids": ids}))
"""


def peer(args, ids="none"):
    return json.loads(output([args.python, "-c", PEER, args.tokenizer, args.text, ids]))


def peer_seconds(args):
    seconds = peer(args)["seconds"]
    return {"first": seconds[0], "warm": statistics.median(seconds[1:])}


def lethe_seconds(args):
    out = json.loads(output([args.build + "/tokenizer_bench", "--benchmark_format=json", "--benchmark_filter=Encode",
                          "--benchmark_min_time=0.3", "--tokenizer", args.tokenizer, "--text", args.text]))
    rows = {row["name"].split("/")[0]: row["cpu_time"] / 1e3 for row in out["benchmarks"]}
    return {"first": rows["BM_EncodeFirst"], "warm": rows["BM_Encode"]}


def check_ids(args):
    theirs = peer(args, "ids")
    with open(args.text, "rb") as text:
        ours = output([args.build + "/lethe", "tokenizer", "encode", "--tokenizer", args.tokenizer], stdin=text)
    if theirs["ids"] != [int(word) for word in ours.split()]:
        sys.exit("the two give different ids")
    return theirs["version"], len(theirs["ids"])


def main():
    options = parser(__doc__, pairs=7)
    options.add_argument("--python", required=True)
    options.add_argument("--tokenizer", default=str(SHARED / "data/tokenizers/gpt2"))
    options.add_argument("--text", default=str(SHARED / "data/text/tinyshakespeare/input.txt"))
    options.add_argument("--build", default=str(ROOT / "build"))
    args = options.parse_args()
    version, count = check_ids(args)
    sides = {"tokenizers": lambda: peer_seconds(args), "lethe": lambda: lethe_seconds(args)}
    pairs = [in_turns(pair, sides) for pair in range(args.pairs)]
    size = os.path.getsize(args.text)
    print(f"tokenizers {version}, {args.pairs} pairs, {size} bytes of text, {count} tokens, equal ids\n")
    print("| encoding | tokenizers | Lethe | ratio: median (min to max) |\n|---|---|---|---|")
    for kind in ("warm", "first"):
        ratios = [pair["tokenizers"][kind] / pair["lethe"][kind] for pair in pairs]
        times = [statistics.median(pair[name][kind] for pair in pairs) * 1e3 for name in ("tokenizers", "lethe")]
        print(f"| {kind} | {times[0]:.1f} ms | {times[1]:.1f} ms | "
              f"{spread(ratios, 1)} |")


if __name__ == "__main__":
    main()
