#!/usr/bin/env python3
"""wcx-bench compare: run folders whose difference is known, programs that take turns, what cannot be compared. No time is asserted. Prints TAP."""
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WCX_BUILD", ROOT / "build"))
BENCH, SLOW = BUILD / "bin" / "wcx-bench", BUILD / "tests" / "bench" / "wcx-bench-slow"


def run(*args):
    return subprocess.run([BENCH, "compare", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def folder(path, values):
    path.mkdir(exist_ok=True)
    (path / "samples.csv").write_text("sample,at_s,value\n" + "".join(f"{i},{i}.000,{value:.2f}\n" for i, value in enumerate(values)), encoding="ascii")
    return str(path)


def folders(scratch):
    """samples whose ratio is known: slower, faster, equal and unclear, each with its exit status"""
    chance = random.Random(5)
    noisy = lambda scale, spread: [scale * (1 + chance.uniform(-spread, spread)) for _ in range(60)]  # noqa: E731
    base = folder(scratch / "a", noisy(100, 0.01))
    for name, scale, spread, wanted in (("s", 105, 0.01, ("slower", 1)), ("f", 95, 0.01, ("faster", 0)), ("e", 100, 0.01, ("equal", 0)), ("u", 100, 0.5, ("unclear", 3))):
        done = run(base, folder(scratch / name, noisy(scale, spread)), "--json")
        told = json.loads(done.stdout)
        if (told["verdict"], done.returncode) != wanted or told["interleaved"] or not told["low"] <= told["ratio"] <= told["high"] or (spread < 0.1 and abs(told["ratio"] * 100 - scale) > 1):
            return False
    return True


def programs(_scratch):
    """two programs take turns: figures, interval and noise line are there and hang together"""
    done = run(BENCH, SLOW, "--blocks", "10", "--passes", "5", "--ops", "1000", "--json")
    told = json.loads(done.stdout or "{}")
    return (done.returncode in (0, 1, 3) and told["interleaved"] and told["pairs"] in (10, 20, 30, 40) and 0 < told["low"] <= told["ratio"] <= told["high"]
            and 0 < told["noise_low"] <= told["noise_ratio"] <= told["noise_high"] and told["a_median"] > 0 and told["b_median"] > 0)


def wrong(scratch):
    """what cannot be compared is said: a program that is none, a folder without samples, other trades, one of each"""
    few = folder(scratch / "few", [1] * 5)
    bad = folder(scratch / "bad", [0] * 20)
    other = scratch / "other"
    other.write_text(f"#!/bin/sh\nexec {BENCH} \"$@\" --seed 2\n", encoding="ascii")
    other.chmod(0o755)
    small = ("--blocks", "10", "--passes", "1", "--ops", "1000")
    cases = ((4, BENCH, "/bin/false", *small), (4, BENCH, scratch / "absent"), (4, few, few), (4, bad, bad), (4, BENCH, other, *small), (2, BENCH, few), (2, BENCH), (2,), (2, few, few, "--blocks", "1"))
    return all(done.returncode == status and done.stderr and not done.stdout for status, done in ((status, run(*args)) for status, *args in cases))


def main():
    tests = [folders, programs, wrong]
    print(f"1..{len(tests)}")
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for number, test in enumerate(tests, 1):
            good = test(Path(scratch))
            failed += not good
            print(f"{'ok' if good else 'not ok'} {number} - {test.__doc__}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
