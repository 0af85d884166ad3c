#!/usr/bin/env python3
"""wcx-bench preflight on this host: every item is told, the exit status is its verdict, the table says the same. What it finds is the host's own affair. Prints TAP."""
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = Path(os.environ.get("WCX_BUILD", ROOT / "build")) / "bin" / "wcx-bench"
ITEMS = ["isolation", "nohz_full", "governor", "smt", "irqs", "numa", "pages", "huge_pages", "clock", "noise", "kernel_command_line", "mitigations"]


def run(*args):
    return subprocess.run([BENCH, "preflight", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def told():
    """every item with state, wanted and, when unfit, a fix; the exit status is the verdict"""
    done = run("--noise-ms", "50", "--json")
    said = json.loads(done.stdout)
    items = {item["name"]: item for item in said["items"]}
    return (list(items) == ITEMS and done.returncode == (0 if said["fit"] else 1) and said["fit"] == all(item["fitness"] != "unfit" for item in items.values())
            and all(item["wanted"] and (item["fitness"] == "unfit") == bool(item["fix"]) for item in items.values())
            and items["noise"]["fitness"] in ("fit", "unfit") and items["kernel_command_line"]["state"] == Path("/proc/cmdline").read_text().strip()[:511])


def table():
    """the table names every item, and --noise-ms 0 leaves the noise out"""
    done = run("--noise-ms", "0")
    return all(any(line.split()[1:2] == [item] for line in done.stdout.splitlines()) for item in ITEMS) and "unknown  noise" in done.stdout


def wrong():
    """a CPU that is none, a word too many"""
    dones = [run(*line) for line in (["--cpu", "x"], ["more"])]
    absent = run("--cpu", "1023", "--noise-ms", "1")
    return all(done.returncode == 2 and done.stderr and not done.stdout for done in dones) and absent.returncode == 1 and "CPU 1023 is not to be had" in absent.stdout


def main():
    tests = [told, table, wrong]
    print(f"1..{len(tests)}")
    failed = 0
    for number, test in enumerate(tests, 1):
        good = test()
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {test.__doc__}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
