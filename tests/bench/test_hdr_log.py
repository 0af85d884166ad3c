#!/usr/bin/env python3
"""The logs of HDR histograms that wcx-bench writes, read by a library no one here wrote (npm's hdr-histogram-js): counts, percentiles, times, tags. Prints TAP."""
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from npmlib import install

ROOT = Path(__file__).resolve().parents[2]
BENCH = Path(os.environ.get("WCX_BUILD", ROOT / "build")) / "bin" / "wcx-bench"
SEED = int(os.environ.get("WCX_SEED", time.time()))


def run(*args):
    return subprocess.run([BENCH, "hist", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def slot_begin(value):
    """The least value that three digits do not tell apart from this one."""
    shift = max(0, value.bit_length() - 11)
    return value >> shift << shift


def written(scratch, values, *args):
    """(what wcx-bench says, what the library reads in its log)"""
    (scratch / "values").write_text("".join(f"{value}\n" for value in values), encoding="ascii")
    said = run("--values", str(scratch / "values"), "--hlog", str(scratch / "x.hlog"), "--json", *args)
    read = subprocess.run(["node", ROOT / "tests/bench/hlog_read.js", ROOT / "build/npm-bench/node_modules", scratch / "x.hlog"], stdout=subprocess.PIPE, text=True, check=False)
    return json.loads(said.stdout or "{}"), [json.loads(line) for line in read.stdout.splitlines()]


def agree(said, read, values):
    """The library sees every value in its slot, and the same percentiles as we do."""
    slots = {}
    for value in values:
        slots[slot_begin(value)] = slots.get(slot_begin(value), 0) + 1
    one = read[0] if len(read) == 1 else {}
    return (one.get("count") == said["count"] == len(values) and sorted(slots.items()) == [tuple(slot) for slot in one["slots"]]
            and (one["digits"], one["lowest"], one["highest"]) == (3, 1, 3600 * 10**9)
            and [one["percentiles"][p] for p in ("50", "90", "99", "99.9", "99.99")] == [said[p] for p in ("p50_ns", "p90_ns", "p99_ns", "p999_ns", "p9999_ns")]
            and slot_begin(one["percentiles"]["100"]) == slot_begin(said["max_ns"]))


def spread(scratch):
    """50,000 values of every magnitude up to an hour"""
    chance = random.Random(SEED)
    values = [int(2 ** chance.uniform(0, 41.7)) for _ in range(50000)]
    return agree(*written(scratch, values), values)


def few(scratch):
    """one value; an hour; 100 times the same"""
    return all(agree(*written(scratch, values), values) for values in ([0], [1], [2048], [3600 * 10**9], [12345] * 100))


def corrected(scratch):
    """a stall that a waiting client leaves out comes back by the expected interval"""
    values = [100] * 1000 + [1000000]
    filled = [100] * 1000 + list(range(1000000, 999, -1000))
    return agree(*written(scratch, values, "--interval", "1000"), filled)


def named(scratch):
    """tags and times are read, and wcx-bench reads its own log"""
    said, read = written(scratch, [5, 6, 7], "--tag", "corrected")
    again, other = run("--hlog", str(scratch / "x.hlog"), "--tag", "corrected", "--json"), run("--hlog", str(scratch / "x.hlog"), "--json")
    return (len(read) == 1 and read[0]["tag"] == "corrected" and abs(read[0]["from"] / 1000 - time.time()) < 60 and json.loads(again.stdout) == said
            and json.loads(other.stdout)["count"] == 0)


def wrong(scratch):
    """what is no number, no log, no command line is refused"""
    (scratch / "bad").write_text("12\nx\n", encoding="ascii")
    (scratch / "bad.hlog").write_text("0.0,1.0,2.0,HISTFAAA\n", encoding="ascii")
    (scratch / "none").write_text("", encoding="ascii")
    lines = ([], ["--values", str(scratch / "bad")], ["--hlog", str(scratch / "bad.hlog")], ["--hlog", str(scratch / "absent")], ["--interval", "x"],
             ["--values", str(scratch / "none")], ["--values", str(scratch)], ["--hlog", str(scratch / "none")], ["--hlog", str(scratch / "bad")])
    dones = [run(*line) for line in lines]
    return all(done.returncode != 0 and done.stderr and not done.stdout for done in dones) and dones[0].returncode == 2


def main():
    tests = [spread, few, corrected, named, wrong]
    print(f"1..{len(tests)}\n# seed {SEED}")
    failed = 0
    try:
        install(ROOT / "tests/bench/npm", ROOT / "build/npm-bench", "hdr-histogram-js")
    except RuntimeError as error:
        print(f"# {error}".replace("\n", "\n# "))
    with tempfile.TemporaryDirectory() as scratch:
        for number, test in enumerate(tests, 1):
            good = test(Path(scratch))
            failed += not good
            print(f"{'ok' if good else 'not ok'} {number} - {test.__doc__}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
