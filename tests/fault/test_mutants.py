#!/usr/bin/env python3
"""Each patch in mutants/ breaks one rule of durability in a copy of the source; the crash simulation must notice.

A patch that no longer applies, or a mutant that no longer compiles, fails as loudly as one that survives.
"""
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
import mutants

PATCHES = sorted((Path(__file__).resolve().parent / "mutants").glob("*.patch"))
SEEDS = "1..40"
points = []


def point(ok, name, detail=""):
    points.append(ok)
    print(f"{'ok' if ok else 'not ok'} {len(points)} - {name}", flush=True)
    if not ok and detail:
        print("\n".join("# " + line for line in detail.splitlines()[-20:]), flush=True)


def copy(place):
    mutants.copy_tree(place, ["engine", "dataplane", "persist", "control", "tests/sim"], ["obj/**/*", "lib/*", "bin/wcx-sim"])


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def check(place, patch):
    copy(place)
    applied = mutants.apply(place, patch)
    if applied.returncode != 0:
        point(False, f"{patch.stem}: the patch applies", applied.stderr)
        return
    made = mutants.make(place, "wcx-sim")
    if made.returncode != 0:
        point(False, f"{patch.stem}: the mutant compiles", made.stdout + made.stderr)
    else:
        before = cpu_seconds()
        run = subprocess.run([place / "build" / "bin" / "wcx-sim", "run", "--seeds", SEEDS], capture_output=True, text=True, check=False, timeout=300)
        print(f"# {patch.stem}: {cpu_seconds() - before:.2f} CPU seconds until: {(run.stderr.strip().splitlines() or ['nothing'])[-1][:160]}")
        point(run.returncode in (1, -6), f"{patch.stem} is noticed", run.stdout + run.stderr)


def main():
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=mutants.BUILD) as scratch:
        place = Path(scratch)
        for patch in PATCHES:
            check(place, patch)
    print(f"1..{len(points)}")
    return 0 if points and all(points) else 1


if __name__ == "__main__":
    sys.exit(main())
