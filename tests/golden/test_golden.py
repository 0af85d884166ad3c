#!/usr/bin/env python3
"""Scripts for wcx-play with the answers PROTOCOL.md demands, written from the contract, not from the program. Prints TAP, one point a script.

A script (*.play) is read line by line:
  # text              a comment
  ! --md              options of wcx-play
  > {...}             an input line; "$A" in it stands for the OrderID bound to "A"
  {...}               what must come out next: the message's name and the named fields must be equal, other fields are not looked at.
                      The entries of a group are looked at in the same way.
                      An OrderID written as a name ("A") is bound to the number at its first appearance and must be that number afterwards.
  = {...}             the same, but every field must be named, in the schema's order
Nothing else may come out, and the exit status must be 1 exactly when an Error line is expected. Every script runs with --verify: after each input the engine
checks its invariants and its state digest. WCX_BUILD names the build tree.
"""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PLAY = Path(os.environ.get("WCX_BUILD", ROOT / "build")) / "bin" / "wcx-play"
ID_FIELDS = ("OrderID", "NewOrderID", "SecondaryOrderID", "BidOrderID", "OfferOrderID")


class Mismatch(Exception):
    pass


def run(options, lines):
    done = subprocess.run([str(PLAY), "--verify", *options], input="".join(line + "\n" for line in lines), capture_output=True, text=True, timeout=60, check=False)
    if done.returncode not in (0, 1) or done.stderr:
        raise Mismatch(f"wcx-play ended with status {done.returncode}: {done.stderr.strip()}")
    return done.stdout.splitlines(), done.returncode


class Names:
    def __init__(self):
        self.ids = {}

    def fits(self, field, want, have):
        if field in ID_FIELDS and isinstance(want, str):
            if want in self.ids or have in self.ids.values():
                return self.ids.get(want) == have
            self.ids[want] = have
            return isinstance(have, int)
        if isinstance(want, list) and all(isinstance(entry, dict) for entry in want):
            return len(want) == len(have) and all(self.entry_fits(*pair) for pair in zip(want, have))
        return type(want) is type(have) and want == have

    def entry_fits(self, want, have):
        return all(field in have and self.fits(field, value, have[field]) for field, value in want.items())

    def fill_in(self, line):
        def number(match):
            if match.group(1) not in self.ids:
                raise Mismatch(f'"${match.group(1)}" is not bound yet')
            return str(self.ids[match.group(1)])
        return re.sub(r'"\$(\w+)"', number, line)


def compare(expected, have_text, names):
    exact, want_text = expected
    want, have = json.loads(want_text), json.loads(have_text)
    (want_name, want_fields), (have_name, have_fields) = next(iter(want.items())), next(iter(have.items()))
    if want_name != have_name:
        raise Mismatch(f"expected {want_text}\n     but {have_text}")
    for field, value in want_fields.items():
        if field not in have_fields or not names.fits(field, value, have_fields[field]):
            raise Mismatch(f"{field}: expected {want_text}\n     but {have_text}")
    if exact and list(want_fields) != list(have_fields):
        raise Mismatch(f"fields: expected {want_text}\n     but {have_text}")


def parse(path):
    options, steps = [], []
    for line in path.read_text().splitlines():
        if line.startswith("! "):
            options += line[2:].split()
        elif line.startswith("> "):
            steps.append(("input", line[2:]))
        elif line.startswith("= "):
            steps.append(("output", (True, line[2:])))
        elif line.strip() and not line.startswith("#"):
            steps.append(("output", (False, line)))
    return options, steps


def check(path):
    """Inputs that name an OrderID need the numbers of the run so far: the engine is deterministic, so a prefix is simply run first."""
    options, steps = parse(path)
    inputs, expected, names = [], [], Names()
    compared = 0

    def judge(prefix):
        nonlocal compared
        outputs, status = run(options, inputs)
        for want, have in zip(expected[compared:], outputs[compared:]):
            compare(want, have, names)
        compared = len(expected)
        if len(outputs) != len(expected):
            more = "\n     ".join(outputs[len(expected):]) or "nothing more, and expected " + expected[len(outputs)][1]
            raise Mismatch(f"after {len(expected)} expected lines came\n     {more}")
        any_error = any('"Error"' in text for _, text in expected)
        if not prefix and status != int(any_error):
            raise Mismatch(f"exit status {status}")

    for kind, what in steps:
        if kind == "output":
            expected.append(what)
            continue
        if '"$' in what:
            judge(True)
            what = names.fill_in(what)
        inputs.append(what)
    judge(False)


def main():
    if not PLAY.exists():
        print(f"1..0 # {PLAY} is missing: make build", file=sys.stderr)
        return 1
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    scripts = sorted(path for path in HERE.glob("*.play") if only in path.name)
    print(f"1..{len(scripts)}")
    failed = 0
    for number, path in enumerate(scripts, 1):
        try:
            check(path)
            print(f"ok {number} - {path.stem}")
        except (Mismatch, json.JSONDecodeError, subprocess.TimeoutExpired) as problem:
            failed += 1
            print(f"not ok {number} - {path.stem}")
            print("\n".join("# " + line for line in str(problem).splitlines()))
    return 1 if failed or not scripts else 0


if __name__ == "__main__":
    sys.exit(main())
