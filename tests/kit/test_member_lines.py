#!/usr/bin/env python3
"""The command lines of what members are given, wcx-mm and wcx-conform: --help is an answer, a wrong line ends with 2 before anything is sent. Prints TAP."""
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("WCX_BUILD", ROOT / "build")) / "bin"
WRONG = {
    "wcx-mm": (["--sessions", "3,3"], ["--sessions", "0"], ["--sessions", "4294967296"], ["--rate", "x"], ["--seconds", "nan"], ["--window", "0"], ["--transport", "pigeon"], ["--nothing"], ["more"]),
    "wcx-conform": (["--sessions", "3,3"], ["--sessions", "4294967297,5"], ["--sessions", "4,5x"], ["--security", "99999999999"], ["--price", "0"], ["--seed", "-1"], ["--patience", "601"],
                    ["--nothing"], ["more"]),
}


def run(program, *args):
    return subprocess.run([BIN / program, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=20)


def helps(program):
    """answers --help"""
    done = run(program, "--help")
    return done.returncode == 0 and done.stdout.startswith(f"usage: {program} ") and not done.stderr


def refuses(program):
    """refuses a wrong line"""
    dones = [run(program, *line) for line in WRONG[program]]
    return all(done.returncode == 2 and done.stderr and not done.stdout for done in dones)


def main():
    points = [(program, test, test(program)) for program in WRONG for test in (helps, refuses)]
    for number, (program, test, good) in enumerate(points, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {program} {test.__doc__}", flush=True)
    print(f"1..{len(points)}")
    return 0 if all(good for _, _, good in points) else 1


if __name__ == "__main__":
    sys.exit(main())
