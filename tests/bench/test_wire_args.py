#!/usr/bin/env python3
"""The command lines of the programs of bench/wire: --help is an answer, and a wrong one measures nothing and says so with exit status 2 (bench/wire/args.h)."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / os.environ.get("WCX_BUILD", "build") / "bin"

# Of each program: a line that leaves out what it needs, and one with a number that is none, or out of its range.
WRONG = {
    "wcx-crowd": ([], ["--fast", "0"]),
    "wcx-flood": (["--secrets", "x", "--mac", "02:00:00:00:00:01"], ["--rate", "many"]),
    "wcx-fill": (["--secrets", "x"], ["--orders", "-1"]),
    "wcx-gateway": ([], ["--port", "65535"]),
    "wcx-memif-rtt": (["echo"], ["--count", "10x"]),
    "wcx-rtt": ([], ["--count", "99999999999999999999"]),
}


def run(program, *args):
    return subprocess.run([BIN / program, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=20)


def helps(program):
    done = run(program, "--help")
    return done.returncode == 0 and done.stdout.startswith(f"usage: {program} ") and not done.stderr


def refuses(program):
    lacking, number = WRONG[program]
    lines = {"usage: ": (lacking, ["--nothing"], ["a", "b"]), f"--{number[0][2:]} {number[1]}: a number from ": (number,)}
    dones = [(text, run(program, *line)) for text, group in lines.items() for line in group]
    return all(done.returncode == 2 and text in done.stderr and not done.stdout for text, done in dones)


def main():
    there = [program for program in WRONG if (BIN / program).exists()]  # a build with a sanitizer has no DPDK, and so no wcx-memif-rtt
    print(f"1..{2 * len(there)}")
    failed = 0
    for number, (test, program) in enumerate(((test, program) for program in there for test in (helps, refuses)), 1):
        good = test(program)
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {program} {'answers --help' if test is helps else 'refuses a wrong line'}", flush=True)
    sys.exit(1 if failed or len(there) < 5 else 0)


if __name__ == "__main__":
    main()
