#!/usr/bin/env python3
"""wcx-bench gather: what several measurements found becomes one run folder, and what is not sound makes it invalid. Prints TAP.

The page in a browser: long_report.py.
"""
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import taplib

ROOT = Path(__file__).resolve().parents[2]
BENCH = Path(os.environ.get("WCX_BUILD", ROOT / "build")) / "bin" / "wcx-bench"
FIGURE = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><text>drawn elsewhere</text></svg>'


def gather(scratch, *lines):
    return subprocess.run([BENCH, "gather", "--out", scratch / "out", "--name", "several"], input="".join("\t".join(map(str, line)) + "\n" for line in lines), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)


def log(scratch, name, values, tag=None):
    """An HDR log of these durations."""
    (scratch / "values").write_text("".join(f"{value}\n" for value in values))
    path = scratch / f"{name}.hlog"
    subprocess.run([BENCH, "hist", "--values", scratch / "values", "--hlog", path, *(["--tag", tag] if tag else [])], stdout=subprocess.DEVNULL, check=True)
    return path


def env(scratch):
    return json.loads((scratch / "out/latest/env.json").read_text())


def whole(scratch):
    """logs, rows, a figure and a result of others become one folder, tags of a group share their plots, parts are drawn over time"""
    (scratch / "figure.svg").write_text(FIGURE)
    fast, slow, alone = log(scratch, "fast", range(100, 200)), log(scratch, "slow", range(1000, 2000), "timed"), log(scratch, "alone", [5000] * 10)
    done = gather(scratch, ("hist", "wire/fast", fast), ("hist", "wire/slow", slow, "timed"), ("hist", "wire/fast", fast), ("hist", "wire/fast", fast), ("hist", "engine/alone", alone),
                  ("row", "round trip", "10 <us>", "2 x", "make it"), ("row", "another", "5 s", "", "make it", "missed"), ("figure", "flame", scratch / "figure.svg"), ("result", '{"a":1}'), ("end",))
    latest = scratch / "out/latest"
    names = {path.name for path in latest.iterdir()}
    wanted = {"config.json", "env.json", "figures.tsv", "hist.hlog", "percentiles.csv", "report.html", "result.json", "flame.svg", "wire-percentiles.svg", "wire-histogram.svg", "wire-parts.svg",
              "engine-percentiles.svg", "engine-histogram.svg"}
    page = (latest / "report.html").read_text()
    rows = {(row["tag"], float(row["percentile"])): row for row in csv.DictReader((latest / "percentiles.csv").open())}
    return (done.returncode == 0 and Path(done.stdout.strip()).resolve() == latest.resolve() and names == wanted and env(scratch)["valid"] and json.loads((latest / "result.json").read_text()) == {"a": 1}
            and rows["wire/fast", 100.0]["count"] == "300" and rows["wire/slow", 100.0]["count"] == "1000" and rows["engine/alone", 50.0]["value_ns"] == "5003" and FIGURE in page
            and "10 &lt;us&gt;" in page and page.count("<code>make it</code>") == 1 and page.count(">not held<") == 1 and ">0 of 1 targets held<" in page)


def runs(scratch):
    """run folders of others become part of it: figures with their verdicts below the command given, charts, and as a group their histograms"""
    for name, args in (("kill", ["--orders", "500", "--repeats", "3"]), ("snapshot", ["--orders", "500", "--prices", "10", "--repeats", "3"]), ("memory", [])):
        subprocess.run([BENCH, name, *args, "--out", scratch / name], stdout=subprocess.DEVNULL, check=True)
    done = gather(scratch, *[("run", scratch / name / "latest", f"measure {name}", *group) for name, group in (("kill", ["k"]), ("snapshot", ["shot"]), ("memory", []))], ("end",))
    latest = scratch / "out/latest"
    figures = (latest / "figures.tsv").read_text().splitlines()
    kept = [line.split("\t") for name in ("kill", "snapshot", "memory") for line in (scratch / name / "latest/figures.tsv").read_text().splitlines()]
    wanted = [line[:4] + [f"measure {name}"] + line[5:] for name, line in zip(["kill"] * 4 + ["snapshot"] * 3 + ["memory"] * 7, [line for line in kept if line[0] == "row"])]
    tags = {row["tag"] for row in csv.DictReader((latest / "percentiles.csv").open())}
    page = (latest / "report.html").read_text()
    return (done.returncode == 0 and [line.split("\t") for line in figures if line.startswith("row")] == wanted and "figure\tmemory\tmemory.svg" in figures
            and tags == {"kill-switch/warm", "kill-switch/cold", "mass-cancel/warm", "mass-cancel/cold", "shot/copy", "shot/cold", "shot/flat"}
            and (latest / "memory.svg").read_text() == (scratch / "memory/latest/memory.svg").read_text() and all(page.count(f"<code>measure {name}</code>") == 1 for name in ("kill", "snapshot", "memory")))


def unfinished(scratch):
    """who ends without saying so leaves a folder that says it is invalid, and so does who says it"""
    done = gather(scratch, ("row", "a", "b", "c", "d"))
    first = done.returncode == 1 and not env(scratch)["valid"] and "invalid" in (scratch / "out/latest/report.html").read_text()
    done = gather(scratch, ("invalid", "an answer was lost"), ("end",))
    return first and done.returncode == 1 and not env(scratch)["valid"] and "an answer was lost" in done.stderr


def wrong(scratch):
    """a line that is none, a log that is not there or holds nothing of the tag, a figure that is none, one row too many: said, and invalid"""
    (scratch / "text").write_text("hello")
    (scratch / "torn.hlog").write_text("0.0,0.0,0.0,nothing\n")
    good = log(scratch, "good", [1, 2, 3])
    lines = [("hist", "a"), ("nothing",), ("row", "a", "b"), ("hist", "a", scratch / "missing"), ("hist", "a", scratch / "torn.hlog"), ("hist", "a", good, "other"),
             ("row", "a", "b", "c", "d", "perhaps"), ("run", scratch, "no folder"), ("figure", "f", scratch / "text"), ("figure", "f", scratch / "missing")]
    for line in lines:
        done = gather(scratch, line, ("end",))
        if done.returncode != 1 or not done.stderr or env(scratch)["valid"]:
            return False
    many = gather(scratch, *[("row", "a", "b", "c", "d")] * 97, ("end",))
    lines = [subprocess.run([BENCH, *args], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode for args in (["gather"], ["gather", "--out"], ["gather", "x"])]
    return many.returncode == 1 and "one row too many" in many.stderr and lines == [2, 2, 2]


if __name__ == "__main__":
    sys.exit(taplib.run([whole, runs, unfinished, wrong]))
