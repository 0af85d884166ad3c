#!/usr/bin/env python3
"""File systems of 64 MiB that run full under the journal worker: ext4, xfs, btrfs, each in a file.

The worker must warn while there is room for its last segments (on btrfs it may not: COPY_ON_WRITE), halt when there is none, release nothing that is not in the journal, start again when
there is room, and go on with the same data plane. Last, both are killed, and what is there is compared with what was told.

  python3 tests/fault/test_full_disks.py [--kinds ext4,xfs,btrfs] [--seed S]

The last line is JSON.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import time

import host
from lives import Lives

IMAGE_MIB = 64
COPY_ON_WRITE = ("btrfs",)  # a segment that was written before reserves no room for its blocks there: one of them may be the first that finds none, with no alarm before
FULL_S = 180
BACK_S = 60
FREED_MIB = 12
SEGMENT = 1 << 20


def halted(pair):
    """The worker has ended by itself."""
    return pair.worker.poll() is not None


def fill(path, mib):
    with open(path, "wb") as out:
        out.write(b"\x5a" * (mib << 20))
        out.flush()
        subprocess.run(["sync", "-f", str(path)], check=True)


def one(kind, seed, place, points):
    """Returns problems."""
    dice = random.Random(seed)
    image = place / f"{kind}.img"
    with open(image, "wb") as out:
        out.truncate(IMAGE_MIB << 20)
    subprocess.run(host.MKFS[kind] + [str(image)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lives, problems = Lives(), []
    with host.mounted(image, place / "state", kind) as state:
        fill(state / "ballast", FREED_MIB)
        fill(state / "more", 16 + dice.randrange(12))
        pair = host.Pair(state, place / "region", seed, 1, segment=SEGMENT, pause_us=60)
        try:
            if pair.hear(lives, lambda line: line == "halted", FULL_S) is None:
                problems.append(f"bad: never full: {lives.released} released, the worker said {pair.said()[-2:]}")
            pair.worker.wait(timeout=BACK_S)
            before = lives.released
            points["released_full"] += before
            pair.hear(lives, lambda _: False, 0.3)
            if lives.released != before:
                problems.append(f"bad: {lives.released - before} records were released after the worker had halted")
            room = os.statvfs(state).f_bavail * os.statvfs(state).f_frsize
            copied = kind in COPY_ON_WRITE and room < SEGMENT and any("write of block" in line for line in pair.said())
            if not copied and not any("no segment is left" in line or "No space left" in line for line in pair.said()):
                problems.append(f"bad: the worker does not say that the disk is full ({room} bytes free): {pair.said()[-2:]}")
            if not copied and not any("alarm: room for" in line or "alarm: cannot prepare" in line for line in pair.said()):
                problems.append(f"bad: no alarm before the disk was full: {pair.said()[-3:]}")
            problems += lives.check(host.check(state, seed))
            (state / "ballast").unlink()
            subprocess.run(["sync", "-f", str(state)], check=True)
            start = time.monotonic()
            pair.start_worker()
            if pair.hear(lives, lambda line: line.startswith("r ") and int(line.split()[1]) > before, BACK_S) is None:
                problems.append(f"bad: with {FREED_MIB} MiB of room nothing is released: {pair.said()[-2:]}")
            points["back_ms"].append(round((time.monotonic() - start) * 1e3))
        finally:
            pair.kill(lives)
        problems += lives.problems + lives.check(host.check(state, seed))
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", default="ext4,xfs,btrfs")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    args = parser.parse_args()
    kinds = args.kinds.split(",")
    total = {"fault": "full_disks", "seed_first": args.seed, "seed_last": args.seed, "kinds": [], "released_full": 0, "back_ms": [], "lost": 0, "phantom": 0, "failures": 0}
    count = 0
    for kind in kinds:
        count += 1
        why = host.missing([host.MKFS[kind][0]]) or (None if host.mounts(kind) else f"this kernel does not mount {kind}")
        if why:
            print(f"ok {count} - a full disk with {kind} # SKIP {why}")
            continue
        with host.scratch() as place:
            problems = one(kind, args.seed, place, total)
        for problem in problems:
            print(f"# --seed {args.seed} --kinds {kind}: {problem}")
        total["kinds"].append(kind)
        total["failures"] += len(problems)
        for what in ("lost", "phantom"):
            total[what] += sum(p.startswith(what) for p in problems)
        print(f"{'not ok' if problems else 'ok'} {count} - a full disk with {kind}: alarm, halt, nothing false, and on again when there is room", flush=True)
    print(f"1..{count}")
    print(json.dumps(total))
    return 1 if total["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
