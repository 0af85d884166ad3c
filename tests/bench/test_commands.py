#!/usr/bin/env python3
"""What every command of wcx-bench has alike: the run's folder, JSON, exit statuses, bars, and what becomes of a run that is not right or does not end. Prints TAP.

The page in a browser: long_report.py. wcx-bench wire: test_wire.py.
"""
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import taplib

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WCX_BUILD", ROOT / "build"))
BENCH, WRONG = BUILD / "bin" / "wcx-bench", BUILD / "tests" / "bench" / "wcx-bench-wrong"
HISTOGRAMS = {"hist.hlog", "percentiles.csv"}
DRAWN = {"percentiles.svg", "histogram.svg"}
TARGETS = {"engine": 2, "kill": 1, "memory": 1, "replay": 1, "digests": 1, "durable": 3, "scale": 6}  # figures with a verdict
# Each on a small world, and what its folder holds beside what every folder holds.
COMMANDS = {
    "engine": (["--profile", "a", "--ops", "5000", "--passes", "3"], HISTOGRAMS | DRAWN | {"samples.csv", "samples.svg"}),
    "scale": (["--orders", "1000,2000", "--batches", "10", "--rounds", "1"],
              HISTOGRAMS | {"samples.csv", "scale.svg", "scale-beyond.svg"} | {f"{op}-{plot}" for op in ("new", "cancel", "cancel_id", "move", "fill", "reduce") for plot in DRAWN}),
    "kill": (["--orders", "1000", "--repeats", "3"], HISTOGRAMS | {"samples.csv", "samples.svg"} | {f"{what}-{plot}" for what in ("kill-switch", "mass-cancel") for plot in DRAWN | {"parts.svg"}}),
    "memory": ([], {"memory.svg"}),
    "snapshot": (["--orders", "1000", "--prices", "20", "--repeats", "3"], HISTOGRAMS | DRAWN | {"parts.svg", "samples.csv", "samples.svg"}),
    "burst": (["--orders", "1000", "--batches", "3"], {"samples.csv", "samples.svg"}),
    "replay": (["--ops", "5000", "--passes", "2"], {"replay.svg", "samples.csv", "samples.svg"}),
    "digests": (["--dir", "STATE", "--inputs", "20000", "--segment-mib", "1"], {"pace.svg", "samples.csv", "samples.svg"}),
    "durable": (["--dir", "STATE", "--ops", "5000", "--runs", "1", "--rounds", "3", "--segment-mib", "1"], HISTOGRAMS | DRAWN | {"parts.svg", "samples.csv", "samples.svg"}),
}
ALWAYS = {"config.json", "env.json", "figures.tsv", "report.html", "result.json"}
STATUSES = [  # the command line and its exit status, bench/cli.h
    (["--help"], 0), (["memory"], 0), (["memory", "--help"], 0), (["engine", "--profile", "a", "--ops", "100"], 0), (["snapshot", "--orders", "100", "--prices", "5", "--repeats", "1"], 0),
    (["engine", "--flow", "/nowhere"], 1), (["replay", "--ops", "100", "--dir", "/nowhere/below"], 1), (["digests", "--dir", "/nowhere/below"], 1), (["memory", "--out", "/dev/null"], 1),
    (["scale", "--orders", "1000", "--batches", "1", "--svg", "/nowhere/below"], 1), (["hist", "--values", "/nowhere"], 1), (["wire", "--secrets", "/nowhere"], 1),
    ([], 2), (["nothing"], 2), *((command.split(), 2) for command in (
        "engine", "engine --profile d", "scale --orders 2,1", "kill --orders 0", "memory more", "snapshot --prices 0", "burst --batches 0", "replay --block 5000", "digests", "durable", "hist", "compare", "gather", "preflight --cpu x",
        "wire")),
    (["compare", "/nowhere", "/nowhere"], 4),
]


def run(name, scratch, program=BENCH, *more):
    """A command as it stands above; STATE becomes a new directory."""
    args = [str(scratch / "state") if arg == "STATE" else arg for arg in COMMANDS[name][0]]
    return subprocess.run([program, name, *args, *more], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def complain(*what):
    print("#", *what, flush=True)
    return False


def is_plot(path):
    """Sound XML, a line in it, what both axes say with their units, and no more than numbers in its paths."""
    found = list(ET.parse(path).getroot().iter())
    axes = [e.text for e in found if e.get("class") == "axis"]
    lines = [e.get("d") for e in found if e.tag.endswith("path")]
    return len(axes) == 2 and all(axes) and lines and all(re.fullmatch(r"[MLHV0-9., -]+", line) for line in lines)


def keeps(name, scratch):
    done = run(name, scratch, BENCH, "--json", "--out", str(scratch / "out"))
    if done.returncode != 0:
        return complain(name, "ended with", done.returncode, done.stderr)
    latest = scratch / "out/latest"
    files = {path.name for path in latest.iterdir()}
    if files != ALWAYS | COMMANDS[name][1]:
        return complain(name, "keeps", files ^ (ALWAYS | COMMANDS[name][1]))
    told, env, config = (json.loads(text) for text in (done.stdout, (latest / "env.json").read_text(), (latest / "config.json").read_text()))
    page = (latest / "report.html").read_text()
    rows = [line.split("\t") for line in (latest / "figures.tsv").read_text().splitlines() if line.startswith("row\t")]
    options = set(re.findall(r"--([a-z-]+)(?: [A-Z])", subprocess.run([BENCH, name, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout))
    checks = {
        "result.json is what it printed": json.loads((latest / "result.json").read_text()) == told and (told["command"], told["valid"], told["fault"]) == (name, True, ""),
        "env.json": env["valid"] and env["fault"] == "" and env["command"][:2] == ["wcx-bench", name] and env["preflight"]["items"],
        "config.json has every option": options <= set(config) and config["json"] is True and config["out"] == str(scratch / "out"),
        "plots": all(is_plot(path) for path in latest.glob("*.svg")) and page.count("<svg ") == len(list(latest.glob("*.svg"))),
        "links": all(link[0] == "#" and f'id="{link[1:]}"' in page or (latest / link).exists() for link in re.findall(r'href="([^"]*)"', page)),
        "nothing from elsewhere": not re.search(r"src=|<script|url\(|https?://(?!www\.w3\.org/2000/svg)", page),
        "targets": sum(row[5] != "" for row in rows) == TARGETS.get(name, 0) and page.count(">held<") + page.count(">not held<") == TARGETS.get(name, 0),
        "figures stand in the page": rows and all(row[1] in page and row[2] in page for row in rows),
        "and the command": f"wcx-bench {name}" in page,
    }
    return all(checks.values()) or complain(name, [what for what, good in checks.items() if not good])


def folders(scratch):
    """every command keeps its folder: what it has is there, files say the same, axes have names, links lead somewhere"""
    return all([keeps(name, scratch / name) for name in COMMANDS if not (scratch / name).mkdir()])


def statuses(scratch):
    """exit statuses are those of bench/cli.h: good, bad, a wrong command line (nothing on stdout), unmeasured"""
    good = True
    for args, wanted in STATUSES:
        done = subprocess.run([BENCH, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, cwd=scratch)
        fine = done.returncode == wanted and bool(done.stdout) == (wanted == 0 or "--svg" in args) and (wanted == 0 or done.stderr)
        good = (fine or complain(args, "ended with", done.returncode, done.stderr)) and good
    return good


def invalid(scratch):
    """an engine that goes wrong makes kill, engine, replay and digests invalid: status 1, the reason in JSON, env.json and page"""
    for name in ("wcx-journal", "wcx-replica"):
        (scratch / name).symlink_to(BUILD / "bin" / name)
    program = Path(shutil.copy(WRONG, scratch / "wcx-bench"))
    for name in ("kill", "engine", "replay", "digests"):
        done = run(name, scratch, program, "--json", "--out", str(scratch / "out"))
        latest = scratch / "out/latest"
        told, env, page = json.loads(done.stdout or "{}"), json.loads((latest / "env.json").read_text()), (latest / "report.html").read_text()
        if done.returncode != 1 or told.get("valid") is not False or not told["fault"] or (env["valid"], env["fault"]) != (False, told["fault"]) or env["command"][1] != name:
            return complain(name, done.returncode, told.get("fault"), done.stderr)
        if "This run is invalid: " + told["fault"] not in page or told["fault"] not in done.stderr:
            return complain(name, "the page does not say why")
        plain = run(name, scratch, program)
        if plain.returncode != 1 or "INVALID: " not in plain.stdout:
            return complain(name, "the table does not say so")
    return True


def unfinished(scratch):
    """a run that is killed leaves a folder that says it is invalid, and latest leads to the one before"""
    run("memory", scratch, BENCH, "--out", str(scratch / "out"))
    before = (scratch / "out/latest").resolve()
    child = subprocess.Popen([BENCH, "scale", "--orders", "1000,1000000", "--out", str(scratch / "out")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    env = []
    until = time.monotonic() + 60
    while not env and child.poll() is None and time.monotonic() < until:
        env = list((scratch / "out").glob("*-scale*/config.json"))
        time.sleep(0.01)
    child.kill()
    child.wait()
    told = json.loads((env[0].parent / "env.json").read_text())
    return child.returncode == -9 and told["valid"] is False and told["fault"] and (scratch / "out/latest").resolve() == before


def bars(scratch):
    """every command that takes its time draws a bar where stderr is a terminal, clears it, and draws none elsewhere"""
    for name in COMMANDS:
        if name == "memory":
            continue
        leader, terminal = pty.openpty()
        args = [str(scratch / "state") if arg == "STATE" else arg for arg in COMMANDS[name][0]]
        child = subprocess.Popen([BENCH, name, *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=terminal)
        os.close(terminal)
        said = b""
        try:
            while part := os.read(leader, 65536):
                said += part
        except OSError:  # nobody has the other end any more
            pass
        child.wait()
        os.close(leader)
        drawn = re.findall(rb"\[#* *\] +(\d+) %", said)
        last = said.rsplit(b"\r\033[K", 1)[-1]
        if not drawn or b"[" in last or b"%" in run(name, scratch).stderr.encode():
            return complain(name, "draws", said[-200:])
    return True


if __name__ == "__main__":
    sys.exit(taplib.run([folders, statuses, *([invalid] if WRONG.exists() else []), unfinished, bars]))
