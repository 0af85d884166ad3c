#!/usr/bin/env python3
"""Each patch in mutants/ breaks one rule of durability in a copy of the source; the simulation, or the test the patch names, must notice.

Above the diff of a patch stand `Rule: section.bullet` of the durability rules, `Breaks: the rule in words`, and, where wcx-sim is not what notices,
`Test: folder/program`; an end-to-end test (.py) also `Program: what it runs of the patched source`. A patch that no longer applies, or a mutant that no longer
compiles, fails as loudly as one that survives. Words on the command line choose patches by name; without any, a part has its turn (tests/tools/mutants.py).
"""
import concurrent.futures
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
import mutants

PATCHES = sorted((Path(__file__).resolve().parent / "mutants").glob("*.patch"))
SECTIONS = ["1", "2", "3", "4", "9"]
SIM = [["run", "--seeds", "1..2500", "--jobs", "1"], ["exhaust", "--seeds", "3..4", "--jobs", "1"]]
SIM_BINARY = "bin/wcx-sim"
CPU_MAX_S = 60
CPU_MEDIAN_S = 10
WORKERS = 2
points = []
took_s = []
lock = threading.Lock()


def point(ok, name, detail=""):
    with lock:
        points.append(ok)
        print(f"{'ok' if ok else 'not ok'} {len(points)} - {name}", flush=True)
        if not ok and detail:
            print("\n".join("# " + line for line in detail.splitlines()[-20:]), flush=True)


def copy(place):
    mutants.copy_tree(place, ["engine", "dataplane", "persist", "control", "configs", "tests"], ["obj/**/*", "lib/*", "bin/*", "tests/e2e/*", "tests/fuzz/seeds/**/*"])


def run(place, cpu_s, program, args):
    """Exit status, CPU seconds, last words."""
    start = ["python3", str(place / program)] if program.endswith(".py") else [str(place / "build" / program)]
    command = ["sh", "-c", 'ulimit -t "$0"; exec "$@"', str(max(1, int(cpu_s))), *start, *args]
    with tempfile.TemporaryFile(dir=place) as out:
        proc = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=place, env=dict(os.environ, WCX_FIRST_FAILURE="1"))
        _, status, used = os.wait4(proc.pid, 0)
        proc.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return proc.returncode, used.ru_utime + used.ru_stime, out.read().decode(errors="replace")


def program_of(patch):
    """What must be made of the patched source."""
    said = mutants.header(patch)
    return said.get("Program") or (f"tests/{said['Test']}" if "Test" in said else "wcx-sim")


def hunt(place, test, sim=None, words=()):
    """CPU seconds until the mutant is noticed, and what said so; None when nothing did."""
    runs = [(SIM_BINARY, args) for args in sim or SIM] if test is None else [(f"tests/{test}", words)]
    used_s = 0.0
    for program, args in runs:
        status, used, said = run(place, CPU_MAX_S - used_s, program, args)
        used_s += used
        if status != 0 and (status, program) != (2, SIM_BINARY):  # 2: the command line is wrong
            lines = [line for line in said.splitlines() if line.startswith(("wcx: ", "seed ", "not ok ")) or "ERROR" in line or "failed" in line]
            return used_s, (lines or [f"status {status}"])[0]
    return used_s, None


def check(places, patch):
    place = places.get()
    test = mutants.header(patch).get("Test")
    copy(place)
    applied = mutants.apply(place, patch)
    made = mutants.make(place, program_of(patch)) if applied.returncode == 0 else None
    if made is None:
        point(False, f"{patch.stem}: the patch applies", applied.stderr)
    elif made.returncode != 0:
        point(False, f"{patch.stem}: the mutant compiles", made.stdout + made.stderr)
    else:
        used_s, said = hunt(place, test, words=mutants.header(patch).get("Points", "").split())
        with lock:
            took_s.append(used_s)
            print(f"# {patch.stem}: {used_s:.2f} CPU seconds of {test or 'wcx-sim'} until: {(said or 'survived')[:150]}")
        point(said is not None and used_s <= CPU_MAX_S, f"{patch.stem} is noticed")
    places.put(place)


def check_harness(places, test, program):
    """What is not mutated is not noticed, in the very copy that mutants are made in."""
    place = places.get()
    copy(place)
    made = mutants.make(place, program)
    said = hunt(place, test, [["run", "--seeds", "1..200"]])[1] if made.returncode == 0 else made.stdout + made.stderr
    point(said is None, f"{test or 'wcx-sim'} finds nothing in the source as it is", said)
    places.put(place)


def by_script(test):
    """Of a list sorted by it the scripts come first: they wait for processes, and what computes runs beside them."""
    return not (test or "").endswith(".py")


def main():
    chosen = mutants.chosen(PATCHES, sys.argv[1:])
    rules = [mutants.header(patch).get("Rule", "") for patch in PATCHES]
    missing = [section for section in SECTIONS if not any(rule.startswith(section + ".") for rule in rules)]
    page = (Path(__file__).resolve().parent / "MUTANTS.md").read_text()
    unlisted = [patch.stem for patch in PATCHES if f"`{patch.stem}`" not in page]
    point(not unlisted, "MUTANTS.md lists every patch beside its rule", f"not listed: {unlisted}")
    point(not missing and all(rules) and len(PATCHES) >= 40, f"{len(PATCHES)} patches, each names its rule", f"no patch for section {missing}")
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=mutants.BUILD) as scratch:
        places = queue.Queue()
        for worker in range(WORKERS):
            place = Path(scratch) / str(worker)
            place.mkdir()
            places.put(place)
        harness = {(mutants.header(patch).get("Test"), program_of(patch)) for patch in chosen}
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            runs = [pool.submit(check_harness, places, *pair) for pair in sorted(harness, key=lambda pair: (by_script(pair[0]), str(pair)))]
            runs += [pool.submit(check, places, patch) for patch in sorted(chosen, key=lambda patch: by_script(mutants.header(patch).get("Test")))]
            for done in runs:
                done.result()
    median = statistics.median(took_s) if took_s else 0.0
    point(median <= CPU_MEDIAN_S, f"half of {len(took_s)} mutants are noticed within {median:.2f} CPU seconds (at most {max(took_s, default=0.0):.2f})")
    print(f"1..{len(points)}")
    return 0 if all(points) else 1


if __name__ == "__main__":
    sys.exit(main())
