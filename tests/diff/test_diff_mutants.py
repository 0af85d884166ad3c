#!/usr/bin/env python3
"""Each patch in mutants/ breaks one rule of the protocol in a copy of the engine; the comparison with the reference must notice within a minute.

A patch names the rule it breaks and the profile of wcx-diff that should notice: that one is run first, then all of them. A patch that no longer
applies, or a mutant that no longer compiles, fails as loudly as one that survives.
"""
import concurrent.futures
import os
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
import mutants

PATCHES = sorted((Path(__file__).resolve().parent / "mutants").glob("*.patch"))
PROFILES = ["plain", "deep", "iceberg", "stops", "auctions", "volatility", "money", "mismatch", "limits", "quotes", "expiry", "sessions", "purge", "invalid", "everything", "cascade", "entitled"]
RULES = ["Output order", "Market", "Replace", "Cancel/replace", "Public ids", "Self-match", "AllOrNone", "Stops", "Mass cancel", "Quotes", "Risk", "Time"]  # section 3
CPU_MAX_S = 60
WORKERS = 2
points = []
lock = threading.Lock()


def point(ok, name, detail=""):
    with lock:
        points.append(ok)
        print(f"{'ok' if ok else 'not ok'} {len(points)} - {name}", flush=True)
        if not ok and detail:
            print("\n".join("# " + line for line in detail.splitlines()[-20:]), flush=True)


def run(place, cpu_s, *args):
    """Exit status of wcx-diff, which ends after cpu_s at the latest, the CPU seconds it took, and what it said."""
    command = ["sh", "-c", 'ulimit -t "$0"; exec "$@"', str(max(1, int(cpu_s))), str(place / "build" / "bin" / "wcx-diff"), "--jobs", "1", *args]
    with tempfile.TemporaryFile(dir=place) as out:
        proc = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(proc.pid, 0)
        proc.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return proc.returncode, used.ru_utime + used.ru_stime, out.read().decode(errors="replace")


def noticed(said):
    """The line that tells a difference, or the engine's own last words."""
    for line in said.splitlines():
        if line.startswith(("difference:", "aborted:")):
            return line
    return None


def hunt(place, profile):
    """CPU seconds until the mutant in `place` is noticed, the line that says so or None, and by which profile or everything that was said."""
    took = 0.0
    for args in (["--profile", profile, "--seeds", "1..6"], ["--profile", "all", "--seeds", "1..600"]):
        status, used, said = run(place, CPU_MAX_S - took, *args, "--ops", "20000")
        took += used
        if status == 1 and noticed(said) is not None:
            return took, noticed(said), args[1]
    return took, None, said


def copy(place):
    mutants.copy_tree(place, ["engine", "tests/diff"], ["obj/engine/**/*", "obj/tests/diff/*", "lib/libwcx-engine.a", "bin/wcx-diff"])


def check(places, patch):
    place = places.get()
    copy(place)
    applied = mutants.apply(place, patch)
    made = mutants.make(place, "wcx-diff") if applied.returncode == 0 else None
    if made is None:
        point(False, f"{patch.stem}: the patch applies", applied.stderr)
    elif made.returncode != 0:
        point(False, f"{patch.stem}: the mutant compiles", made.stdout + made.stderr)
    else:
        took, line, by = hunt(place, mutants.header(patch)["Profile"])
        with lock:
            print(f"# {patch.stem}: {took:.2f} CPU seconds, {by if line else 'all profiles'}: {(line or 'survived')[:150]}")
        point(line is not None and took <= CPU_MAX_S, f"{patch.stem} is noticed", by)
    places.put(place)


def check_harness(place):
    """What is not mutated is not noticed, in the very copy that mutants are made in."""
    made = mutants.make(place, "wcx-diff")
    status, _, said = run(place, CPU_MAX_S, "--profile", "all", "--seeds", f"1..{len(PROFILES)}", "--ops", "5000") if made.returncode == 0 else (None, 0, made.stdout + made.stderr)
    point(status == 0, "the engine as it is shows no difference", said)


def main():
    chosen = mutants.chosen(PATCHES, sys.argv[1:])
    broken = [mutants.header(patch).get("Breaks", "") for patch in PATCHES]
    missing = [rule for rule in RULES if not any(line.startswith(rule) for line in broken)]
    point(not missing and len(PATCHES) >= 20, f"{len(PATCHES)} patches, every rule of section 3 is broken by one", f"no patch for: {missing}")
    wrong = [patch.name for patch in PATCHES if mutants.header(patch).get("Profile") not in PROFILES]
    point(not wrong, "every patch names the profile that notices it", f"{wrong}")
    with tempfile.TemporaryDirectory(prefix="diff-mutants-", dir=mutants.BUILD) as scratch:
        places = queue.Queue()
        for worker in range(WORKERS):
            place = Path(scratch) / str(worker)
            place.mkdir()
            copy(place)
            places.put(place)
        check_harness(Path(scratch) / "0")
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for done in [pool.submit(check, places, patch) for patch in chosen]:
                done.result()
    print(f"1..{len(points)}")
    return 0 if all(points) else 1


if __name__ == "__main__":
    sys.exit(main())
