#!/usr/bin/env python3
"""bench/standard.py, what `make bench` runs, with the parts that need no root and so few of everything that only the way is tried. Prints TAP.

All parts, and the page in a browser: long_report.py.
"""
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import taplib

ROOT = Path(__file__).resolve().parents[2]
STANDARD = ROOT / "bench/standard.py"
# One part of it fails: as a measurement does that ends with a bad status.
BROKEN = f"""
import sys
sys.path.insert(0, {str(ROOT / 'bench')!r})
import standard
def capacity(*_):
    raise RuntimeError("a measurement that cannot be made")
standard.PARTS["capacity"] = capacity
sys.exit(standard.main())
"""


def run(*args):
    return subprocess.run([sys.executable, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def short(scratch):
    """one folder, latest leads to it; its table is what is printed: a command beside every figure, held or missed beside every target"""
    done = run(STANDARD, "--only", "engine,capacity", "--short", "--out", scratch / "out")
    made = [path for path in (scratch / "out").iterdir() if not path.is_symlink()]
    if done.returncode != 0 or len(made) != 1 or (scratch / "out/latest").resolve() != made[0].resolve() or not made[0].name.endswith("-engine-capacity"):
        return False
    env, result = (json.loads((made[0] / name).read_text()) for name in ("env.json", "result.json"))
    rows = [line.split("\t")[1:] for line in (made[0] / "figures.tsv").read_text().splitlines() if line.startswith("row")]
    table = [line[2:-2].split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][1:]
    tags = {row["tag"] for row in csv.DictReader((made[0] / "percentiles.csv").open())}
    return (env["valid"] and set(result) == {"engine", "capacity"} and set(result["engine"]) == set("abc") and set(result["capacity"]) == {"scale", "kill", "snapshot", "memory", "replay"}
            and [[what, value, against, f"`{command}`"] for what, value, against, command, _ in rows] == [[*row[:3], row[4]] for row in table] and all(row[3] and row[1] for row in rows)
            and all((verdict != "") == ("wanted" in against) for _, _, against, _, verdict in rows) and {"engine/a", "engine/b", "engine/c", "kill-switch/warm", "snapshot/copy"} <= tags)


def parts(scratch):
    """wcx-micro's cases are rows as well; a part that there is not is a wrong command line"""
    micro = Path(os.environ.get("WCX_BUILD", ROOT / "build")) / "bin" / "wcx-micro"
    done = run(STANDARD, "--only", "micro", "--short", "--out", scratch / "out")
    good = done.returncode == 0 and done.stdout.count("of CPU time") >= 10 if micro.exists() else done.returncode == 1
    return good and run(STANDARD, "--only", "nothing", "--out", scratch / "none").returncode == 2 and not (scratch / "none").exists()


def failed(scratch):
    """a part that fails is said, the others are measured, and the folder is invalid: exit status 1"""
    done = run("-c", BROKEN, "--only", "engine,capacity", "--short", "--out", scratch / "out")
    env = json.loads((scratch / "out/latest/env.json").read_text())
    return done.returncode == 1 and not env["valid"] and "capacity: a measurement that cannot be made" in env["fault"] and "the run is invalid" in done.stdout and "profile c" in done.stdout


if __name__ == "__main__":
    sys.exit(taplib.run([short, parts, failed]))
