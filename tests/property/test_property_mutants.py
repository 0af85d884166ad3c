#!/usr/bin/env python3
"""Each patch in mutants/ breaks one rule of the wire or of snapshots in a copy of the source; the test it names must notice.

`Test: NAME` above the diff names the program of tests/property, `Test: unit/NAME` one of tests/unit, `Arguments: ...` what it is run with. A patch that no longer applies, or a mutant that
no longer compiles, fails as loudly as one that survives. Words on the command line choose patches by name; without any, a part has its turn (tests/tools/mutants.py).
"""
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
import mutants

PATCHES = sorted((Path(__file__).resolve().parent / "mutants").glob("*.patch"))
points = []


def point(ok, name, detail=""):
    points.append(ok)
    print(f"{'ok' if ok else 'not ok'} {len(points)} - {name}", flush=True)
    if not ok and detail:
        print("\n".join("# " + line for line in detail.splitlines()[-20:]), flush=True)


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def check(place, patch):
    said = mutants.header(patch)
    program = f"tests/{said['Test']}" if "/" in said["Test"] else f"tests/property/{said['Test']}"
    mutants.copy_tree(place, ["engine", "dataplane", "persist", "control", "tests/sim", "tests/unit", "tests/property"], ["obj/**/*", "lib/*", program])
    applied = mutants.apply(place, patch)
    if applied.returncode != 0:
        point(False, f"{patch.stem}: the patch applies", applied.stderr)
        return
    made = mutants.make(place, program)
    if made.returncode != 0:
        point(False, f"{patch.stem}: the mutant compiles", made.stdout + made.stderr)
        return
    before = cpu_seconds()
    run = subprocess.run([place / "build" / program, *said.get("Arguments", "").split()], capture_output=True, text=True, check=False, timeout=300)
    heard = [line for line in run.stderr.splitlines() if "ERROR" in line or "check" in line]
    print(f"# {patch.stem}: {cpu_seconds() - before:.2f} CPU seconds until: {(heard or ['nothing'])[0][:160]}")
    point(run.returncode != 0, f"{patch.stem} is noticed", run.stdout + run.stderr)


def main():
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=mutants.BUILD) as scratch:
        for patch in mutants.chosen(PATCHES, sys.argv[1:]):
            check(Path(scratch), patch)
    print(f"1..{len(points)}")
    return 0 if points and all(points) else 1


if __name__ == "__main__":
    sys.exit(main())
