#!/usr/bin/env python3
"""wcx-bench scale, kill, memory, snapshot, burst, durable, replay and digests on small worlds: they measure, their figures hang together, wrong command lines are refused. Prints TAP."""
import csv
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = Path(os.environ.get("WCX_BUILD", ROOT / "build")) / "bin" / "wcx-bench"
OPS = ("new", "cancel", "cancel_id", "move", "fill", "reduce")


def run(*args):
    return subprocess.run([BENCH, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def scale():
    """Three small sizes: each operation did what it is meant to (the program checks), and the ratios follow from the figures beside them."""
    with tempfile.TemporaryDirectory() as scratch:
        svg = Path(scratch) / "scale.svg"
        done = run("scale", "--orders", "1000,5000,20000", "--batches", "20", "--rounds", "1", "--svg", str(svg), "--json")
        if done.returncode != 0:
            return False
        lines = [e.get("d") for e in ET.parse(svg).getroot().iter() if e.tag.endswith("path")]
    told = json.loads(done.stdout)
    sizes = told["sizes"]
    first = sizes[0]
    good = [s["orders"] for s in sizes] == [1000, 5000, 20000] and len(lines) == 2 * len(OPS) and all(line[0] == "M" and line.count("L") == 2 for line in lines)
    for size in sizes:
        for op in OPS:
            at, base = size[op], first[op]
            beyond = (at["ns"] - (at["bare_ns"] - base["bare_ns"])) / base["ns"]
            good = good and at["ns"] > 0 and at["bare_ns"] > 0 and abs(at["beyond"] - beyond) < 0.05 and abs(at["growth"] - at["ns"] / base["ns"]) < 0.05
    return good and abs(told["worst_beyond"] - max(s[op]["beyond"] for s in sizes for op in OPS)) < 0.011


def kill():
    done = run("kill", "--orders", "2000", "--repeats", "3", "--json")
    told = json.loads(done.stdout) if done.returncode == 0 else {}
    return told.get("orders") == 2000 and all(told[key] > 0 for key in ("kill_ms", "kill_cold_ms", "mass_cancel_ms", "mass_cancel_cold_ms"))


def memory():
    """What an engine of 65,535 instruments and a million orders may take, and an idle instrument."""
    done = run("memory", "--json")
    told = json.loads(done.stdout) if done.returncode == 0 else {}
    return told.get("wide_bytes", 1 << 40) <= 2 << 30 and told["instrument_bytes"] <= 512


def snapshot():
    """A small book is copied (the program checks that it is whole and in order), and wrong command lines are refused."""
    done = run("snapshot", "--orders", "3000", "--prices", "40", "--repeats", "3", "--json")
    told = json.loads(done.stdout) if done.returncode == 0 else {}
    return told.get("orders") == 3000 and told["prices"] == 40 and all(told[key] > 0 for key in ("copy_us", "cold_us", "flat_us")) and run("snapshot", "--orders", "0").returncode == 2


def burst():
    """Requests come singly and together (the program checks that each is answered as it must be), and wrong command lines are refused."""
    told = {}
    for over in ([], ["--tcp"]):
        done = run("burst", "--orders", "3000", "--batches", "3", "--json", *over)
        told = json.loads(done.stdout) if done.returncode == 0 else {}
        if told.get("over") != ("tcp" if over else "udp"):
            return False
    return told["orders"] == 3000 and all(told[f"burst_{cnt}{kind}_ns"] > 0 for cnt in (1, 2, 4, 8, 16, 32) for kind in ("", "_unasked")) and run("burst", "--orders", "9").returncode == 2


def credit():
    """Accounts with balances that cover everything trade as those that need none do."""
    unlimited = run("engine", "--profile", "a", "--ops", "2000", "--pass", "throughput", "--credit", "unlimited", "--json")
    checked = run("engine", "--profile", "a", "--ops", "2000", "--pass", "throughput", "--credit", "checked", "--json")
    if unlimited.returncode != 0 or checked.returncode != 0:
        return False
    told = [json.loads(done.stdout) for done in (unlimited, checked)]
    return [each["credit"] for each in told] == ["unlimited", "checked"] and told[0]["trade_hash"] == told[1]["trade_hash"] and told[1]["rejects"] == told[0]["rejects"] == 0


def durable():
    """A small flow becomes durable and is acknowledged (the program checks that every request is answered in its order); nothing is left of it but the run's folder."""
    with tempfile.TemporaryDirectory() as scratch:
        journal = Path(scratch) / "journal"
        done = run("durable", "--dir", str(journal), "--ops", "5000", "--runs", "2", "--rounds", "1", "--segment-mib", "1", "--json", "--out", str(Path(scratch) / "out"))
        left = journal.exists()
        folder = Path(scratch) / "out/latest"
        kept = json.loads((folder / "result.json").read_text()) if folder.exists() else {}
        percentiles = list(csv.DictReader((folder / "percentiles.csv").open())) if folder.exists() else []
    told = json.loads(done.stdout) if done.returncode == 0 else {}
    keys = ("best_per_s", "records_per_block", "ack_p50_ns", "ack_p99_ns", "write_p50_ns", "write_p99_ns", "p50_ratio", "p99_ratio")
    median = {row["tag"]: int(row["value_ns"]) for row in percentiles if float(row["percentile"]) == 50 and int(row["count"]) > 0}
    same = kept == told and all(abs(median[tag] - told[f"{tag}_p50_ns"]) <= 0.002 * median[tag] for tag in ("ack", "write"))
    return same and not left and told.get("requests") == 50000 and all(told[key] > 0 for key in keys) and told["worst_per_s"] <= told["median_per_s"] <= told["best_per_s"]


def replay():
    """Journals in memory and in files become the same engine (the program compares digests)."""
    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch) / "journal"
        done = run("replay", "--ops", "20000", "--passes", "1", "--dir", str(files), "--json")
        left = files.exists()
    told = json.loads(done.stdout) if done.returncode == 0 else {}
    return not left and told.get("records", 0) > 20000 and all(told[part + "_ns"] > 0 for part in ("walk", "apply", "replay", "file", "read"))


def digests():
    """Live engine, the process wcx-replica, a replay and one with restarts agree on a small journal (the program compares)."""
    with tempfile.TemporaryDirectory() as scratch:
        state = Path(scratch) / "state"
        done = run("digests", "--dir", str(state), "--inputs", "50000", "--restart-every", "10000", "--segment-mib", "1", "--json")
        left = state.exists()
    told = json.loads(done.stdout) if done.returncode == 0 else {}
    return not left and told.get("inputs", 0) >= 50000 and told["restarts"] == told["inputs"] // 10000 and told["replica_seq"] == told["inputs"] // 1024 * 1024 > 0


def wrong():
    lines = (["scale", "--orders", "5000,1000"], ["scale", "--batches", "0"], ["scale", "more"], ["kill", "--orders", "0"], ["kill", "more"], ["memory", "more"],
             ["engine", "--profile", "a", "--credit", "some"], ["durable"], ["durable", "--dir", "x", "--rounds", "many"], ["replay", "--block", "5000"], ["digests"], ["nothing"], [])
    return all(done.returncode == 2 and done.stderr and not done.stdout for done in (run(*line) for line in lines))


def main():
    tests = [scale, kill, memory, snapshot, burst, credit, durable, replay, digests, wrong]
    print(f"1..{len(tests)}")
    failed = 0
    for number, test in enumerate(tests, 1):
        good = test()
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {test.__name__}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
