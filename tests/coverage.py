#!/usr/bin/env python3
"""Lines and branches of the engine that its own tests reach. `make coverage` builds build/coverage and calls this with the test programs.

Runs the tests given, each golden script and a short wcx-diff of each profile, as many at once as there are CPUs and always with the same random inputs; prints line and
branch coverage of every file of engine/, then what is not reached of GUARDED, the files that carry the rules. Exit 1 when that is a line, or a branch, that
tests/coverage-exceptions.txt does not explain, when an exception explains nothing any more, or when a program failed.

A WCX_CHECK is one line without branches: its failure cannot be reached, or it is a bug.
"""
import concurrent.futures
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "coverage"
EXCEPTIONS = ROOT / "tests" / "coverage-exceptions.txt"
GUARDED = ("match", "auction", "uncross", "trade_break", "risk", "risk_define", "risk_verify", "balance", "stops", "timers", "plain", "plain_take", "plain_say", "plain_book",
           "enter", "book", "ladder", "terms", "request", "replace", "mass_cancel", "purge", "mmp", "quote")
SEED = "1"  # of tests that draw one
SEEDS, OPS = "1..2", "4000"
LIMIT_S = 300  # for one program


def run(command):
    """Whether it ended well."""
    env = dict(os.environ, WCX_BUILD=str(BUILD), WCX_SEED=SEED)
    try:
        return subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT_S, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def run_all(programs):
    """Everything that exercises the engine; returns the names of what failed."""
    for old in BUILD.rglob("*.gcda"):
        old.unlink()
    diff = str(BUILD / "bin" / "wcx-diff")
    profiles = re.findall(r"^  (\w+) ", subprocess.run([diff, "--help"], capture_output=True, text=True, check=True).stdout, re.M)
    commands = {program: [str(ROOT / program)] for program in programs}
    for script in sorted((ROOT / "tests" / "golden").glob("*.play")):
        commands[f"golden {script.name}"] = [str(BUILD / "tests" / "golden" / "test_golden"), script.name]
    for profile in profiles:
        commands[f"wcx-diff {profile}"] = [diff, "--profile", profile, "--seeds", SEEDS, "--ops", OPS, "--snapshot-every", "97"]
    failed = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, well in zip(commands, pool.map(run, commands.values())):
            print(f"  {'RAN ' if well else 'FAIL'} {name}", flush=True)
            if not well:
                failed.append(name)
    return failed


def measure():
    report = BUILD / "coverage.json"
    subprocess.run(["gcovr", "--root", ".", "--object-directory", str(BUILD), "--filter", "engine/", "--json", "--output", str(report)], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return {entry["file"]: entry["lines"] for entry in json.loads(report.read_text())["files"]}


def checks_of(source):
    """Line numbers where a WCX_CHECK begins, and those it goes on over."""
    begin, inside, depth = set(), set(), 0
    for number, line in enumerate(source, 1):
        if depth > 0:
            inside.add(number)
        elif re.search(r"\bWCX_CHECK\(", line) and not line.startswith("#"):
            begin.add(number)
        else:
            continue
        code = re.sub(r'"(\\.|[^"\\])*"', "", line)
        depth += code.count("(") - code.count(")")
    return begin, inside


class Coverage:
    """Of one file."""

    def __init__(self, name, lines):
        self.name, self.source = name, (ROOT / name).read_text().splitlines()
        begin, inside = checks_of(self.source)
        lines = [line for line in lines if not line.get("gcovr/noncode") and line["line_number"] not in inside]
        self.missed = [line["line_number"] for line in lines if line["count"] == 0]
        self.line_cnt = len(lines)
        branches = [branch["count"] for line in lines if line["line_number"] not in begin for branch in line["branches"]]
        self.partial = [line["line_number"] for line in lines if line["count"] != 0 and line["line_number"] not in begin and 0 in [b["count"] for b in line["branches"]]]
        self.branch_cnt, self.branches_missed = len(branches), branches.count(0)

    def text(self, number):
        return self.source[number - 1].strip()


def percent(missed, cnt):
    return f"{100 * (cnt - missed) / cnt:6.1f} %" if cnt else "      -"


def read_exceptions():
    """{(file, line text): reason}; a line of the file: file | text | reason."""
    exceptions = {}
    for line in EXCEPTIONS.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, rest = line.split(" | ", 1)
            text, reason = rest.rsplit(" | ", 1)
            exceptions[name, text] = reason
    return exceptions


def main():
    failed = run_all(sys.argv[1:])
    files = [Coverage(name, lines) for name, lines in sorted(measure().items())]
    print(f"\n{'file':36}{'lines':>8}{'reached':>10}{'branches':>10}{'reached':>10}")
    for file in files:
        print(f"{file.name:36}{file.line_cnt:8}{percent(len(file.missed), file.line_cnt):>10}{file.branch_cnt:10}{percent(file.branches_missed, file.branch_cnt):>10}")
    totals = [sum(values) for values in zip(*((len(f.missed), f.line_cnt, f.branches_missed, f.branch_cnt) for f in files))]
    print(f"{'all':36}{totals[1]:8}{percent(totals[0], totals[1]):>10}{totals[3]:10}{percent(totals[2], totals[3]):>10}\n")
    exceptions, used, bad = read_exceptions(), set(), 0
    for file in files:
        stem, suffix = Path(file.name).stem, Path(file.name).suffix
        if stem not in GUARDED or suffix not in (".c", ".h") or Path(file.name).parent != Path("engine"):
            continue
        for number in sorted(file.missed + file.partial):
            key = (file.name, file.text(number))
            used.add(key)
            explained = key in exceptions
            bad += not explained
            what = "a branch" if number in file.partial else "line"
            print(f"{'not reached' if explained else 'NOT REACHED'}: {what} {file.name}:{number}: {key[1]}" + (f"  [{exceptions[key]}]" if explained else ""))
    for name, text in sorted(set(exceptions) - used):
        bad += 1
        print(f"STALE EXCEPTION {name}: {text}")
    for name in failed:
        print(f"FAILED {name}")
    print(f"{bad} lines of {', '.join(GUARDED)} to be reached or explained, {len(exceptions)} explained, {len(failed)} programs failed")
    return 1 if bad or failed else 0


if __name__ == "__main__":
    sys.exit(main())
