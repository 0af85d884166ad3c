#!/usr/bin/env python3
"""The micro-benchmarks: no case has disappeared, none has come unnoticed, and each of them runs. Prints TAP."""
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MICRO = Path(os.environ.get("WCX_BUILD", ROOT / "build")) / "bin" / "wcx-micro"
CASES = (
    ["pool/alloc_free"]
    + [f"ladder/{what}/{shape}/{levels}" for what in ("find", "insert_remove", "next") for shape in ("dense", "sparse") for levels in (1, 100, 10000)]
    + [f"index/{what}/{size}" for what in ("find", "add_remove") for size in (1000, 100000, 1000000)]
    + ["codec/encode_new_order", "codec/emit_er_new", "codec/decode_er_new", "jring/commit_take", "digest/output/240", "digest/order_hash", "digest/crc32c/4096"]
)


def output(*args):
    return subprocess.run([MICRO, *args], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout


def main():
    listed = output("--benchmark_list_tests").split()
    ran = {run["name"]: run for run in json.loads(output("--benchmark_min_time=0.001", "--benchmark_format=json"))["benchmarks"]}
    differ = sorted(set(listed) ^ set(CASES))
    points = [(sorted(listed) == sorted(CASES), "the cases are those of this list" + (f": not {', '.join(differ)}" if differ else ""))]
    points += [(name in ran and ran[name]["iterations"] > 0 and 0 < ran[name]["cpu_time"] < 1e6, name) for name in CASES]
    print(f"1..{len(points)}")
    for number, (good, name) in enumerate(points, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {name}")
    return 0 if all(good for good, _ in points) else 1


if __name__ == "__main__":
    sys.exit(main())
