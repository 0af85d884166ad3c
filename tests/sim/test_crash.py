#!/usr/bin/env python3
"""Crash cycles of the whole appliance: nothing told is lost, nothing unsent appears, and a seed repeats byte for byte."""
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SIM = Path(os.environ.get("WCX_BUILD", ROOT / "build")) / "bin" / "wcx-sim"
SANITIZED = ROOT / "build" / "address-undefined" / "bin" / "wcx-sim"
points = []


def point(ok, name, detail=""):
    points.append(ok)
    print(f"{'ok' if ok else 'not ok'} {len(points)} - {name}", flush=True)
    if not ok and detail:
        print("\n".join("# " + line for line in detail.splitlines()[-30:]), flush=True)


def run(binary, *args):
    done = subprocess.run([str(binary), *args], capture_output=True, text=True, check=False, timeout=580)
    return done.returncode, done.stdout, done.stderr


def check(binary, args, name):
    status, out, err = run(binary, *args, "--json")
    try:
        result = json.loads(out.splitlines()[-1])
    except (IndexError, ValueError):
        point(False, name, f"status {status}\n{out}\n{err}")
        return {}
    clean = all(result[key] == 0 for key in ("lost", "phantom", "duplicated", "divergences", "stuck", "failed"))
    busy = result["told"] > 1000 and result["requests"] > 1000 and result["cycles"] > 20
    print(f"# {out.strip()}")
    point(status == 0 and clean and busy, name, out + err)
    return result


def main():
    result = check(SIM, ("run", "--seeds", "1..1000"), "1,000 seeds: 0 lost, 0 phantom, 0 duplicated, 0 divergences")
    reached = result.get("in_flight", 0) > 0.9 * result.get("cycles", 1) and result.get("power_losses", 0) > 0 and result.get("disk_failures", 0) > 0 and result.get("snapshots", 0) > 0
    point(reached, "with requests in flight, power losses, failing disks and snapshots of the replica", str(result))
    first, again, other = (run(SIM, "run", "--seed", seed, "--trace") for seed in ("7", "7", "8"))
    point(first == again and first[0] == 0, "a seed repeats byte for byte", first[1] + again[1])
    point(first[1] != other[1] and first[1].startswith("plan "), "another seed does something else, and each says its plan", first[1])
    one, two = (run(SIM, "run", "--seeds", "1..60", "--jobs", jobs)[1].split(" jobs ")[0] for jobs in ("1", "2"))
    point(one == two and one != "", "how many processes share the seeds changes nothing", one + two)
    check(SIM, ("exhaust", "--seed", "3"), "a short workload, crashed at every call of the environment, and its recoveries again")
    check(SANITIZED, ("run", "--seeds", "1..200"), "200 seeds under AddressSanitizer and UndefinedBehaviorSanitizer")
    print(f"1..{len(points)}")
    return 0 if all(points) else 1


if __name__ == "__main__":
    sys.exit(main())
