#!/usr/bin/env python3
"""Run every test and report one line at the end: `N passed, N failed, N skipped`.

Each program prints TAP; its points are what is counted. A program that dies, times out, prints no plan or exits
non-zero without a failed point counts as one failure more. A skip that is not in tests/allowed-skips.txt fails.
Those that own a poll core run one at a time, under one lock for the whole machine: all of e2e/ but those that say in their text that they own no poll core, and of the others those that
say that they own one. Beside them what starts no server has the time that they leave (nice and autogroup 19). When they have ended the rest runs side by side, as many programs as there
are CPUs. What takes longest comes first, so that no CPU is idle at the end.
"""
import argparse
import collections
import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
POINT = re.compile(r"^(not )?ok\b\s*(\d+)?\s*(?:-\s*)?(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)")
SLOWEST = 10
LIMIT_S = 900  # of a program; a machine that others use takes its time
GRACE_S = 20  # between SIGTERM and SIGKILL
TICKS = os.sysconf("SC_CLK_TCK")
# The longest first; what is not named follows in the order of its kind.
LONGEST = ("fault/test_mutants", "e2e/test_sinks", "e2e/test_archive", "alone/test_alone", "property/test_replay_builds", "bench/test_commands", "e2e/test_sink_fence", "diff/test_diff_mutants",
           "property/test_property_mutants", "bench/test_wire", "e2e/test_replica", "e2e/test_lifecycle")


STANDING_BACK = ["sh", "-c", 'echo 19 2>/dev/null >/proc/self/autogroup; exec nice -n 19 "$@"', "standing back"]


class Totals:
    def __init__(self, allowed):
        self.passed = self.failed = self.skipped = 0
        self.failures, self.times = [], []  # (seconds, CPU seconds, program)
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


class Test(NamedTuple):
    name: str
    command: list
    owns_poll_core: bool = False
    lint: bool = False  # one point, judged by its exit status; all others speak TAP

    def starts_servers(self):
        """They would compete with those of a test that owns a poll core: they leave the session that was told to stand back."""
        return self.name.startswith(("e2e/", "bench/"))


living = set()             # of the programs that run now
counting = threading.Lock()  # what is printed of a program, and what is counted
ending = threading.Event()


def end_group(proc, number):
    try:
        os.killpg(proc.pid, number)
    except ProcessLookupError:
        pass


def end_all(number):
    for proc in list(living):
        end_group(proc, number)


def run_test(test, totals, env, standing_back=False):
    program, start = test.name, time.monotonic()
    print(f"  {'LINT' if test.lint else 'TEST'} {program}", flush=True)
    proc = subprocess.Popen([*STANDING_BACK, *test.command] if standing_back else test.command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, start_new_session=True)
    living.add(proc)
    late = [threading.Timer(LIMIT_S, end_group, (proc, signal.SIGTERM)), threading.Timer(LIMIT_S + GRACE_S, end_group, (proc, signal.SIGKILL))]
    for timer in late:
        timer.start()
    output = proc.stdout.read().decode(errors="replace")
    proc.stdout.close()
    _, status, used = os.wait4(proc.pid, 0)
    proc.returncode = os.waitstatus_to_exitcode(status)
    took = time.monotonic() - start
    living.discard(proc)
    for timer in late:
        timer.cancel()
    with counting:
        before = totals.failed
        if took >= LIMIT_S:
            totals.fail(program, f"still running after {LIMIT_S} s")
        totals.times.append((took, used.ru_utime + used.ru_stime, program))
        tap = f"1..1\n{'ok' if proc.returncode == 0 else 'not ok'} 1 - finds nothing" if test.lint else output
        count_points(program, tap, 1 if took >= LIMIT_S else proc.returncode, totals)
        if totals.failed > before:
            print(f"  FAILED {program}\n" + "\n".join("       " + line for line in output.splitlines()[-120:]), flush=True)


def run_lane(queue, totals, env, broken, standing_back=None):
    """One after another until none is left, or what is beside it has ended (`standing_back`, an event); what owns a poll core below the machine's lock."""
    try:
        while not ending.is_set() and not (standing_back and standing_back.is_set()):
            try:
                test = queue.popleft()
            except IndexError:
                return
            lock = machine_lock() if test.owns_poll_core else None
            if not ending.is_set():
                run_test(test, totals, env, standing_back is not None)
            del lock
    except Exception as error:  # the run must say so instead of ending as if all had been run
        broken.append(error)


def stand_up():
    """What stood back need not any more."""
    for proc in list(living):
        try:
            os.setpriority(os.PRIO_PGRP, proc.pid, 0)
            Path(f"/proc/{proc.pid}/autogroup").write_text("0")
        except OSError:  # it has ended, nobody may, or the kernel has no autogroups
            pass


def run_lanes(lanes):
    """Threads: daemons, since one may wait for the lock."""
    threads = [threading.Thread(target=lane, args=args, daemon=True) for lane, args in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def run_phases(tests, totals, env):
    cpus, broken, owners_ended = os.cpu_count() or 1, [], threading.Event()
    owners = collections.deque(test for test in tests if test.owns_poll_core)
    quiet = collections.deque(test for test in tests if not test.owns_poll_core and not test.starts_servers())
    servers = [test for test in tests if not test.owns_poll_core and test.starts_servers()]

    def own():
        run_lane(owners, totals, env, broken)
        owners_ended.set()
        stand_up()
    run_lanes([(own, ())] + [(run_lane, (quiet, totals, env, broken, owners_ended))] * (cpus - 1))
    rest = collections.deque(sorted([*servers, *quiet], key=longest_first))
    run_lanes([(run_lane, (rest, totals, env, broken))] * cpus)
    if broken:
        raise broken[0]


def run_tests(tests, totals, env):
    """Until all have ended; an interruption ends those that run and starts no more."""
    try:
        run_phases(tests, totals, env)
    except BaseException:
        ending.set()
        end_all(signal.SIGTERM)
        end = time.monotonic() + GRACE_S
        while living and time.monotonic() < end:
            time.sleep(0.05)
        end_all(signal.SIGKILL)
        raise


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


def every_test(args, build):
    """Lints first, then everything that speaks TAP, cheapest kinds first."""
    for lint in sorted((ROOT / "tests" / "lint").glob("*.py")):
        yield Test(f"lint/{lint.stem}", [sys.executable, str(lint)], lint=True)
    trees = [("", build)] + ([("sanitized:", ROOT / args.sanitized)] if args.sanitized else [])
    for folder in ("unit", "property", "race", "golden", "fault", "fuzz"):
        for prefix, tree in trees:
            for binary in sorted((tree / "tests" / folder).glob("test_*")):
                if binary.suffix == "" and os.access(binary, os.X_OK):
                    yield Test(f"{prefix}{folder}/{binary.name}", [str(binary)])
    for folder in ("property", "alone", "diff", "bench", "sim", "fault", "kit", "e2e"):
        for path in sorted((ROOT / "tests" / folder).glob("test_*.py")):
            if folder != "e2e" or not args.no_e2e:
                text = path.read_text()
                owns = "Owns no poll core." not in text if folder == "e2e" else "Owns a poll core." in text
                yield Test(f"{folder}/{path.stem}", [sys.executable, str(path)], owns)


def longest_first(test):
    return LONGEST.index(test.name) if test.name in LONGEST else len(LONGEST)


def busy_seconds():
    """Of all CPUs since the machine started, and of all CPUs in all."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / TICKS, sum(ticks) / TICKS


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
    started, started_at = time.monotonic(), busy_seconds()

    check_canary(build, totals, env)
    run_tests(sorted((test for test in every_test(args, build) if args.only in test.name), key=longest_first), totals, env)

    print(f"\nslowest {SLOWEST}:{'':6}CPU")
    for took, used, program in sorted(totals.times, reverse=True)[:SLOWEST]:
        print(f"  {took:7.1f} s  {used:7.1f} s  {program}")
    busy, whole = (now - then for now, then in zip(busy_seconds(), started_at))
    print(f"  {time.monotonic() - started:7.1f} s  {sum(used for _, used, _ in totals.times):7.1f} s  in all; the machine's CPUs were busy {100 * busy / max(whole, 1):.0f} % of the time", flush=True)
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
