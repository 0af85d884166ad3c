#!/usr/bin/env python3
"""Ten times: an engine that is 5 % slower is found by `wcx-bench compare`, and the same binary twice is called equal. Exit status 0: ten of ten, and nine of ten.

The slower one is build/tests/bench/wcx-bench-slow (`make build/tests/bench/wcx-bench-slow`): the same objects, and a pause after every 256 calls of
wcx_engine_apply that, with the wrapper around them, is a twentieth of their time (tests/bench/slow_apply.c).
"""
import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BENCH, SLOW = ROOT / "build/bin/wcx-bench", ROOT / "build/tests/bench/wcx-bench-slow"


def compare(other, args):
    done = subprocess.run([BENCH, "compare", BENCH, other, "--json", *args], stdout=subprocess.PIPE, text=True, check=False)
    if not done.stdout:
        sys.exit(f"{BENCH} compare: status {done.returncode}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="a line of JSON at the end instead of the counts")
    args, more = parser.parse_known_args()
    counts = {"slower": 0, "equal": 0}
    for number in range(1, args.times + 1):
        for wanted, other in (("slower", SLOW), ("equal", BENCH)):
            told = compare(other, more)
            counts[wanted] += told["verdict"] == wanted
            print(f"{number:3} {wanted:6} wanted: {told['verdict']:7} B/A {told['ratio']:.4f} ({told['low']:.4f} .. {told['high']:.4f}), A/A {told['noise_ratio']:.4f} "
                  f"({told['noise_low']:.4f} .. {told['noise_high']:.4f}), load {os.getloadavg()[0]:.1f}", file=sys.stderr if args.json else sys.stdout, flush=True)
    if args.json:
        print(json.dumps({"times": args.times, "slower_found": counts["slower"], "equal_found": counts["equal"]}))
    else:
        print(f"5 % slower found in {counts['slower']} of {args.times}, the same binary called equal in {counts['equal']} of {args.times}")
    return 0 if counts["slower"] == args.times and counts["equal"] * 10 >= args.times * 9 else 1


if __name__ == "__main__":
    sys.exit(main())
