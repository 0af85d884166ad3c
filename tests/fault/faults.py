#!/usr/bin/env python3
"""The campaigns of real faults one after another, and the ledger of what they have shown.

  python3 tests/fault/faults.py                 the closing run: counts that the campaigns know by themselves
  python3 tests/fault/faults.py --hours 8       so long in all, each campaign its share
  python3 tests/fault/faults.py --short         the part of `make test-long` (what needs QEMU); nothing is written down
  python3 tests/fault/faults.py --totals        what the ledger adds up to for the source as it is now

A row of ledger.csv: commit; source (a digest of persist/, engine/shm/ and the gate: rows add up only while it is the same); host, a label from
WCX_HOST_LABEL or "local"; the fault; seeds; counts; failures. A checkout with changes that are not committed is marked and never counted.
"""
import argparse
import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LEDGER = HERE / "ledger.csv"
COLUMNS = ["commit", "source", "host", "fault", "seed_first", "seed_last", "counts", "lost", "phantom", "failures"]
WITNESSED = ["persist", "engine/shm", "dataplane/gate.c", "dataplane/gate.h"]
DAMAGE = [str(ROOT / "build/tests/fault/test_damage"), "--flips", "{f}", "--truncations", "{t}", "--swaps", "{t}", "--seed", "{seed}"]


def script(name, *arguments):
    return [sys.executable, str(HERE / name), *arguments]


def damage(flips, others):
    return [word.replace("{f}", str(flips)).replace("{t}", str(others)) for word in DAMAGE]


# name: (closing run, short run, command of the long run, whether that one takes --hours, share of the time)
CAMPAIGNS = {
    "kills": (script("kills.py", "--kills", "100", "--stops", "50"), None, script("kills.py"), True, 0.30),
    "power_cuts": (script("power_cuts.py", "--cuts", "20"), script("power_cuts.py", "--cuts", "4"), script("power_cuts.py"), True, 0.20),
    "crash_images": (script("crash_images.py", "--images", "1000"), script("crash_images.py", "--images", "60"), script("crash_images.py"), True, 0.30),
    "disk_errors": (script("disk_errors.py", "--errors", "12"), script("disk_errors.py", "--errors", "3"), script("disk_errors.py"), True, 0.10),
    "damage": (damage(100000, 10000), None, damage(20000, 2000), False, 0.08),
    "full_disks": (script("test_full_disks.py"), None, script("test_full_disks.py"), False, 0.02),
}


# Harnesses that must notice what is wrong, or nothing they say counts.
CANARIES = [script("power_cuts.py", "--cuts", "3", "--liar"), script("crash_images.py", "--images", "60", "--liar")]


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode()


def source():
    return hashlib.sha256(git("ls-tree", "-r", "HEAD", *WITNESSED).encode()).hexdigest()[:12]


def commit():
    changed = git("status", "--porcelain", "--untracked-files=no", "--", *WITNESSED, "engine", "dataplane", "control")
    return git("rev-parse", "--short=12", "HEAD").strip() + ("+changes" if changed.strip() else "")


def run(command):
    """The campaign's own lines go on to ours; its last JSON line is the result. A campaign without one has failed."""
    proc = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP"))
    result, skipped = None, False
    try:
        for raw in proc.stdout:
            line = raw.decode(errors="replace").rstrip()
            if line.startswith("{"):
                result = json.loads(line)
            else:
                skipped |= "# SKIP" in line
                print("  " + line, flush=True)
        status = proc.wait()
    except BaseException:
        proc.send_signal(signal.SIGTERM)
        proc.wait()
        raise
    if result is None and skipped and status == 0:
        return None
    result = result or {"fault": Path(command[1] if len(command) > 1 else command[0]).stem, "failures": 1}
    if status != 0 and not result["failures"]:
        result["failures"] = 1
    return result


def flat(result):
    out = {}
    for name, value in result.items():
        if name in ("fault", "seed_first", "seed_last", "lost", "phantom", "failures"):
            continue
        if isinstance(value, dict):
            out.update({f"{name}_{key}": cnt for key, cnt in value.items()})
        else:
            out[name] = len(value) if isinstance(value, list) else value
    return out


def write_down(result, row_commit, row_source):
    fresh = not LEDGER.exists()
    counts = " ".join(f"{name}={cnt}" for name, cnt in sorted(flat(result).items()))
    row = {"commit": row_commit, "source": row_source, "host": os.environ.get("WCX_HOST_LABEL", "local"), "counts": counts}
    row.update({name: result.get(name, 0) for name in ("fault", "seed_first", "seed_last", "lost", "phantom", "failures")})
    with open(LEDGER, "a", newline="", encoding="ascii") as out:
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(row)


def totals():
    now, sums = source(), {}
    if LEDGER.exists():
        with open(LEDGER, newline="", encoding="ascii") as rows:
            for row in csv.DictReader(rows):
                if row["source"] != now or "+" in row["commit"]:
                    continue
                its = sums.setdefault(row["fault"], {})
                for word in row["counts"].split():
                    name, cnt = word.split("=")
                    its[name] = its.get(name, 0) + int(cnt)
                for name in ("lost", "phantom", "failures"):
                    its[name] = its.get(name, 0) + int(row[name])
    print(json.dumps({"source": now, "totals": sums}))


def campaign(name, command, until, takes_hours):
    """One result after another until the time is over; once when `until` is None."""
    seed = time.time_ns() % 10**9
    while True:
        left = None if until is None else max(until - time.monotonic(), 60) / 3600
        full = [word.replace("{seed}", str(seed)) for word in command] + (["--hours", f"{left:.4f}"] if left and takes_hours else [])
        print(f"# {name}: {' '.join(full[-4:])}", flush=True)
        result = run(full)
        if result is None:
            print(f"# {name}: skipped", flush=True)
            return
        yield result
        if until is None or takes_hours or result["failures"] or time.monotonic() >= until:
            return
        seed += 1


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # the campaign is ended with us: run()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=0)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--totals", action="store_true")
    parser.add_argument("--only", default="", help="names of campaigns, separated by commas")
    args = parser.parse_args()
    if args.totals:
        totals()
        return 0
    row_commit, row_source, failures, results = commit(), source(), 0, 0
    for canary in CANARIES if args.short else ():
        result = run(canary)
        failures += result is not None and result["lost"] == 0
    for name, (closing, short, long, takes_hours, share) in CAMPAIGNS.items():
        command = short if args.short else long if args.hours else closing
        if command is None or (args.only and name not in args.only.split(",")):
            continue
        until = time.monotonic() + args.hours * share * 3600 if args.hours else None
        for result in campaign(name, command, until, takes_hours):
            results += 1
            failures += result["failures"]
            print(f"# {json.dumps(result)}", flush=True)
            if not args.short:
                write_down(result, row_commit, row_source)
    print(f"{'not ok' if failures or not results else 'ok'} - {results} results of campaigns, {failures} failures")
    return 1 if failures or not results else 0


if __name__ == "__main__":
    sys.exit(main())
