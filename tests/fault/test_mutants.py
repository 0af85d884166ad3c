#!/usr/bin/env python3
"""Each patch in mutants/ breaks one rule of durability in a copy of the source; the crash simulation must notice.

A patch that no longer applies, or a mutant that no longer compiles, fails as loudly as one that survives.
"""
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("WCX_BUILD", ROOT / "build"))
PATCHES = sorted((Path(__file__).resolve().parent / "mutants").glob("*.patch"))
SEEDS = "1..40"
points = []


def point(ok, name, detail=""):
    points.append(ok)
    print(f"{'ok' if ok else 'not ok'} {len(points)} - {name}", flush=True)
    if not ok and detail:
        print("\n".join("# " + line for line in detail.splitlines()[-20:]), flush=True)


def copy_tree(place):
    """The tracked source and the objects of the last build, times kept, so that make compiles what the patch touches and nothing else."""
    files = subprocess.run(["git", "ls-files", "Makefile", "engine", "dataplane", "persist", "control", "tests/sim"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in files:
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    for part in ("obj", "lib"):
        if (BUILD / part).exists():
            shutil.copytree(BUILD / part, place / "build" / part, ignore=shutil.ignore_patterns("port_dpdk*"))


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def apply(place, patch, *flags):
    # inside the checkout git would take the paths for the checkout's own and skip them in silence
    env = dict(os.environ, GIT_CEILING_DIRECTORIES=str(place.parent))
    return subprocess.run(["git", "apply", "-p1", *flags, str(patch)], cwd=place, env=env, capture_output=True, text=True, check=False)


def check(place, patch):
    applied = apply(place, patch)
    if applied.returncode != 0:
        point(False, f"{patch.stem}: the patch applies", applied.stderr)
        return
    made = subprocess.run(["make", "build/bin/wcx-sim"], cwd=place, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        point(False, f"{patch.stem}: the mutant compiles", made.stdout + made.stderr)
    else:
        before = cpu_seconds()
        run = subprocess.run([place / "build" / "bin" / "wcx-sim", "run", "--seeds", SEEDS], capture_output=True, text=True, check=False, timeout=300)
        print(f"# {patch.stem}: {cpu_seconds() - before:.2f} CPU seconds until: {(run.stderr.strip().splitlines() or ['nothing'])[-1][:160]}")
        point(run.returncode in (1, -6), f"{patch.stem} is noticed", run.stdout + run.stderr)
    apply(place, patch, "-R").check_returncode()


def main():
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=BUILD) as scratch:
        place = Path(scratch)
        copy_tree(place)
        for patch in PATCHES:
            check(place, patch)
    print(f"1..{len(points)}")
    return 0 if points and all(points) else 1


if __name__ == "__main__":
    sys.exit(main())
