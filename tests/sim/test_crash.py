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
    done = subprocess.run([str(binary), "run", *args], capture_output=True, text=True, check=False, timeout=380)
    return done.returncode, done.stdout, done.stderr


def check_seeds(binary, seeds, name):
    status, out, err = run(binary, "--seeds", seeds, "--json")
    try:
        result = json.loads(out.splitlines()[-1])
    except (IndexError, ValueError):
        point(False, name, f"status {status}\n{out}\n{err}")
        return
    clean = all(result[key] == 0 for key in ("lost", "phantom", "duplicated", "divergences", "stuck"))
    busy = result["told"] > 1000 and result["requests"] > 1000
    print(f"# {out.strip()}")
    point(status == 0 and clean and busy, name, out + err)


def main():
    check_seeds(SIM, "1..200", "200 seeds: 0 lost, 0 phantom, 0 duplicated, 0 divergences")
    first, again, other = (run(SIM, "--seed", seed, "--trace") for seed in ("7", "7", "8"))
    point(first == again and first[0] == 0, "a seed repeats byte for byte", first[1] + again[1])
    point(first[1] != other[1], "another seed does something else", first[1])
    check_seeds(SANITIZED, "201..220", "20 seeds under AddressSanitizer and UndefinedBehaviorSanitizer")
    print(f"1..{len(points)}")
    return 0 if all(points) else 1


if __name__ == "__main__":
    sys.exit(main())
