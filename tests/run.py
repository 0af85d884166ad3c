#!/usr/bin/env python3
"""Run every test and report one line at the end: `N passed, N failed, N skipped`.

Each program prints TAP; its points are what is counted. A program that dies, times out, prints no plan or exits
non-zero without a failed point counts as one failure more. A skip that is not in tests/allowed-skips.txt fails.
Programs run side by side, as many as there are CPUs; those that own a poll core come last and run one at a time, under one lock for the whole machine: all of e2e/ but
those that say in their text that they own no poll core.
"""
import argparse
import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
POINT = re.compile(r"^(not )?ok\b\s*(\d+)?\s*(?:-\s*)?(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)")
SLOWEST = 10


class Totals:
    def __init__(self, allowed):
        self.passed = self.failed = self.skipped = 0
        self.failures, self.times = [], []
        self.allowed = allowed

    def skip(self, program, point, reason):
        self.skipped += 1
        if f"{program}: {point}" not in self.allowed and f"{program}: *" not in self.allowed:
            self.fail(program, f"{point}: skipped ({reason}), and tests/allowed-skips.txt does not allow it")

    def fail(self, program, text):
        self.failed += 1
        self.failures.append(f"{program}: {text}")


def read_allowed():
    path = ROOT / "tests" / "allowed-skips.txt"
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return {line for line in lines if line}


def count_points(program, output, status, totals):
    """Count the TAP points of one program."""
    points = failed = 0
    plan = None
    for line in output.splitlines():
        planned = PLAN.match(line)
        if planned:
            plan = (plan or 0) + int(planned.group(1))
            continue
        point = POINT.match(line)
        if not point:
            continue
        points += 1
        text = point.group(3)
        skip = re.search(r"#\s*SKIP\b\s*(.*)$", text, re.I)
        if point.group(1):
            failed += 1
            totals.fail(program, text)
        elif skip:
            totals.skip(program, text[:skip.start()].strip() or skip.group(1), skip.group(1))
        else:
            totals.passed += 1
    if status != 0 and failed == 0:
        totals.fail(program, f"ended with {'signal ' + str(-status) if status < 0 else 'status ' + str(status)}")
    elif plan is None or plan != points:
        totals.fail(program, f"planned {plan} points, reported {points}")


living = set()             # of the programs that run now
counting = threading.Lock()  # what is printed of a program, and what is counted


def end_all(number):
    for proc in list(living):
        if proc.poll() is None:
            os.killpg(proc.pid, number)


def run_program(program, command, totals, timeout_s, env):
    start = time.monotonic()
    print(f"  TEST {program}", flush=True)
    proc = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, start_new_session=True)
    living.add(proc)
    late = False
    try:
        output = proc.communicate(timeout=timeout_s)[0]
    except subprocess.TimeoutExpired:
        late = True
        os.killpg(proc.pid, signal.SIGTERM)
        try:
            output = proc.communicate(timeout=20)[0]
        except subprocess.TimeoutExpired:
            os.killpg(proc.pid, signal.SIGKILL)
            output = proc.communicate()[0]
    living.discard(proc)
    output = output.decode(errors="replace")
    with counting:
        before = totals.failed
        if late:
            totals.fail(program, f"still running after {timeout_s} s")
        totals.times.append((time.monotonic() - start, program))
        count_points(program, output, 1 if late else proc.returncode, totals)
        if totals.failed > before:
            print(f"  FAILED {program}\n" + "\n".join("       " + line for line in output.splitlines()[-120:]), flush=True)


def run_programs(tests, at_once, totals, env):
    """Until all have ended; an interruption ends those that run and starts no more."""
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        runs = [pool.submit(run_program, name, command, totals, 420, env) for name, command, _ in tests]
        try:
            for run in runs:
                run.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            end_all(signal.SIGTERM)
            raise


def run_check(program, command, totals):
    """A lint: one point, judged by its exit code."""
    start = time.monotonic()
    print(f"  LINT {program}", flush=True)
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    totals.times.append((time.monotonic() - start, program))
    if done.returncode == 0:
        totals.passed += 1
    else:
        totals.fail(program, f"status {done.returncode}")
        print(done.stdout.decode(errors="replace")[-4000:], flush=True)


def check_canary(build, totals, env):
    """The planted failure must be seen, or nothing this harness says can be trusted."""
    dead = Totals(set())
    done = subprocess.run([build / "tests" / "unit" / "canary"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, check=False)
    count_points("canary", done.stdout.decode(errors="replace"), done.returncode, dead)
    if dead.failed == 1 and dead.passed == 1:
        totals.passed += 1
    else:
        totals.fail("canary", "the planted failure was not seen: the harness is dead")


def machine_lock():
    """One lock for everything on this machine that owns a poll core."""
    path = "/run/lock/wcx-poll-core" if os.access("/run/lock", os.W_OK) else f"/tmp/wcx-poll-core.{os.getuid()}"
    handle = open(path, "w", encoding="ascii")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("  WAIT for another test run on this machine", flush=True)
        fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def programs(args, build):
    """(name, command, owns a poll core) of everything that speaks TAP, cheapest kinds first."""
    trees = [("", build)] + ([("sanitized:", ROOT / args.sanitized)] if args.sanitized else [])
    for folder in ("unit", "property", "race", "fault", "fuzz"):
        for prefix, tree in trees:
            for binary in sorted((tree / "tests" / folder).glob("test_*")):
                if binary.suffix == "" and os.access(binary, os.X_OK):
                    yield f"{prefix}{folder}/{binary.name}", [str(binary)], False
    for folder in ("property", "golden", "diff", "bench", "sim", "fault", "kit", "e2e"):
        for path in sorted((ROOT / "tests" / folder).glob("test_*.py")):
            if folder != "e2e" or not args.no_e2e:
                yield f"{folder}/{path.stem}", [sys.executable, str(path)], folder == "e2e" and "Owns no poll core." not in path.read_text()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", help="build tree of the plain programs")
    parser.add_argument("--sanitized", default=None, help="build tree whose programs run too")
    parser.add_argument("--only", default="", help="run only programs whose name contains this")
    parser.add_argument("--no-e2e", action="store_true", help="leave out what needs root and a network")
    args = parser.parse_args()
    build = ROOT / args.build
    totals = Totals(read_allowed())
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", WCX_BUILD=str(build))
    started = time.monotonic()

    check_canary(build, totals, env)
    for lint in sorted((ROOT / "tests" / "lint").glob("*.py")):
        if args.only in f"lint/{lint.stem}":
            run_check(f"lint/{lint.stem}", [sys.executable, str(lint)], totals)
    tests = [test for test in programs(args, build) if args.only in test[0]]
    run_programs([test for test in tests if not test[2]], os.cpu_count() or 1, totals, env)
    alone = [test for test in tests if test[2]]
    lock = machine_lock() if alone else None
    run_programs(alone, 1, totals, env)
    del lock

    print(f"\nslowest {SLOWEST}:")
    for took, program in sorted(totals.times, reverse=True)[:SLOWEST]:
        print(f"  {took:7.1f} s  {program}")
    print(f"  {time.monotonic() - started:7.1f} s  in all")
    for failure in totals.failures:
        print(f"FAILED {failure}")
    print(f"{totals.passed} passed, {totals.failed} failed, {totals.skipped} skipped", flush=True)
    return 1 if totals.failed or totals.passed == 0 else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
