#!/usr/bin/env python3
"""The folder of a run: everything is there, the files say the same, plots are sound XML, and wcx-bench compare reads it. Prints TAP.

The page in a browser: long_report.py.
"""
import csv
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import taplib

ROOT = Path(__file__).resolve().parents[2]
BENCH = Path(os.environ.get("WCX_BUILD", ROOT / "build")) / "bin" / "wcx-bench"
FILES = ["config.json", "env.json", "figures.tsv", "hist.hlog", "histogram.svg", "percentiles.csv", "percentiles.svg", "report.html", "result.json", "samples.csv", "samples.svg"]


def run(*args):
    return subprocess.run([BENCH, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def engine(scratch, *args):
    return run("engine", "--profile", "a", "--ops", "5000", "--passes", "25", "--out", str(scratch / "out"), "--json", *args)


def complete(scratch):
    """a run makes one folder, latest leads to it, and it holds every file"""
    done = engine(scratch)
    folders = [path for path in (scratch / "out").iterdir() if not path.is_symlink()]
    return done.returncode == 0 and len(folders) == 1 and (scratch / "out/latest").resolve() == folders[0].resolve() and sorted(path.name for path in folders[0].iterdir()) == FILES


def same(scratch):
    """result, histogram, percentiles and samples say the same"""
    done = engine(scratch)
    latest = scratch / "out/latest"
    result, rows = json.loads(done.stdout), list(csv.DictReader((latest / "percentiles.csv").open()))
    samples = [float(row["value"]) for row in csv.DictReader((latest / "samples.csv").open())]
    hist = json.loads(run("hist", "--hlog", str(latest / "hist.hlog"), "--tag", "apply", "--json").stdout)
    at = {float(row["percentile"]): int(row["value_ns"]) for row in rows}
    return (json.loads((latest / "result.json").read_text()) == result and hist["count"] == result["ops"] == 5000 and len(samples) == 25 and abs(min(samples) - result["ns_per_op"]) < 0.011
            and at[50.0] == hist["p50_ns"] and abs(at[99.0] - result["p99_ns"]) <= 1 + 0.01 * result["p99_ns"] and at[100.0] >= at[99.9] >= at[99.0] >= at[50.0])


def environment(scratch):
    """env.json tells commit, program, host, command and whether the host is fit"""
    engine(scratch)
    env = json.loads((scratch / "out/latest/env.json").read_text())
    digest = subprocess.run(["sha256sum", BENCH], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[0]
    head = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    return (env["program_sha256"] == digest and (not head or len(env["commit"].removesuffix("-dirty")) == 40) and env["command"][:4] == ["wcx-bench", "engine", "--profile", "a"]
            and env["valid"] and env["fit"] == env["preflight"]["fit"] and len(env["preflight"]["items"]) == 12 and env["ended_utc_ns"] > env["started_utc_ns"]
            and ("not fit" in (scratch / "out/latest/report.html").read_text()) != env["fit"])


def plots(scratch):
    """every plot is sound XML with something drawn, and stands in the page as it is; the page asks for nothing from elsewhere"""
    engine(scratch)
    latest = scratch / "out/latest"
    page = (latest / "report.html").read_text()
    for name in ("percentiles.svg", "histogram.svg", "samples.svg"):
        text = (latest / name).read_text()
        paths = [e for e in ET.fromstring(text).iter() if e.tag.endswith("path")]
        if len(paths) != 1 or len(paths[0].get("d")) < 50 or "nan" in text or "inf" in text or text not in page:
            return False
    return "src=" not in page and "<script" not in page and "url(" not in page and "://" not in page.replace("http://www.w3.org/2000/svg", "")


def compared(scratch):
    """compare reads two of them, says that they were not measured in turn, and has a verdict"""
    for _ in range(2):
        engine(scratch)
    a, b = sorted(path for path in (scratch / "out").iterdir() if not path.is_symlink())[-2:]
    done = run("compare", str(a), str(b), "--json")
    told = json.loads(done.stdout)
    return told["pairs"] == 25 and not told["interleaved"] and {"slower": 1, "unclear": 3}.get(told["verdict"], 0) == done.returncode and "noise_ratio" in told


def wrong(scratch):
    """a folder that cannot be made is said"""
    (scratch / "file").write_text("")
    done = run("engine", "--profile", "a", "--ops", "1000", "--out", str(scratch / "file"))
    return done.returncode == 1 and "Not a directory" in done.stderr


if __name__ == "__main__":
    sys.exit(taplib.run([complete, same, environment, plots, compared, wrong]))
