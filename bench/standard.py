#!/usr/bin/env python3
"""What `make bench` runs: the standard set, in under ten minutes, into one run folder below bench/out (bench/out/latest leads to it).

  engine    flows a, b, c through the engine, beside both memory floors of the same process
  capacity  cost against the number of resting orders, kill switch, a book copied for a snapshot, bytes, replay of a journal
  wire      round trips at D0 and D1 beside the port's own echo, the kernel's TCP and a bare durable write
  load      open-loop load at D0 and D1, delays from due beside delays from sent; the knee
  durable   journal and engine: throughput, acks at 100,000 requests a second beside bare durable writes
  profile   a flame graph of the engine, where perf can record

  micro     only with --only: the parts of the engine by themselves (wcx-micro, which needs a C++ library)

usage: standard.py [--only PART,..] [--whole] [--short] [--out DIR]     wire and load need root

`make bench-engine` is --only engine,capacity,micro --whole: the engine alone, with up to 10,000,000 resting orders.

Progress goes to stderr; the table, every figure beside the command that measures it alone, to stdout. Exit status 1: a part failed, and the folder says that the run is invalid.
"""
import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench" / "wire"), str(ROOT / "tests")]
import flame  # noqa: E402  (their folders had to be named first)
from rtt import ROWS as ROUND_TRIPS  # noqa: E402
from run import machine_lock  # noqa: E402

BENCH = "build/bin/wcx-bench"
PROFILED = "apply_untimed"  # the pass alone, without its set-up
JOURNAL = "build/bench-durable"
FAVOURED = ["setsid", "-w", "bash", "-c", 'echo -20 >/proc/self/autogroup; exec "$@"', "bench-durable"]  # as control/dev/runner.sh starts the data plane
GROUPS = {"testpmd": "wire-D0", "gateway": "wire-D0", "port_echo": "wire-D0", "order_d0": "wire-D0", "tcp_echo": "wire-TCP", "order_tcp": "wire-TCP", "write_4k": "wire-D1", "order_d1": "wire-D1"}


class Gather:
    """The run folder, made by a process that waits for what is found (bench/gather.h). In a session of its own: a Ctrl-C here leaves a folder that says it is invalid."""

    def __init__(self, out, name):
        self.child = subprocess.Popen([ROOT / BENCH, "gather", "--out", str(out), "--name", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.valid = True

    def say(self, *fields):
        self.child.stdin.write("\t".join(str(field) for field in fields) + "\n")
        self.child.stdin.flush()

    def row(self, what, result, against, command, held=None):
        self.say("row", what, result, against, command, {None: "", True: "held", False: "missed"}[held])

    def run(self, command, out, *also, group=None, before=()):
        """A command with a run folder of its own: its figures, its charts, and as GROUP its histograms. Returns what it prints."""
        found = measure(command, "--out", out, *also, before=before)
        self.say("run", out / "latest", command, *([group] if group else []))
        return found

    def invalid(self, reason):
        self.valid = False
        self.say("invalid", reason)

    def close(self, found):
        """The folder, and whether everything in it is sound."""
        self.say("result", json.dumps(found))
        self.say("end")
        folder = self.child.communicate()[0].strip()
        return folder, self.child.returncode == 0


def measure(command, *also, before=()):
    """The JSON that a part prints; `also` is what is asked of it beside the command that anybody would type."""
    done = subprocess.run([*before, *command.split(), *map(str, also)], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command} ended with status {done.returncode}")
    return json.loads(done.stdout)


def engine(gather, scratch, options):
    short = options.short
    found = {}
    for profile in "abc":
        found[profile] = gather.run(f"{BENCH} engine --profile {profile} --json", scratch / profile, *(["--ops", 20000] if short else []))
        gather.say("hist", f"engine/{profile}", scratch / profile / "latest/hist.hlog", "apply")
    return found


def capacity(gather, scratch, options):
    short = options.short
    few = {"kill": ["--orders", 2000, "--repeats", 3], "snapshot": ["--orders", 2000, "--repeats", 20]} if short else {"kill": [], "snapshot": []}
    sizes = "" if options.whole else " --orders 10000,100000,1000000 --rounds 1 --batches 200"
    return {
        "scale": gather.run(f"{BENCH} scale{sizes} --json", scratch / "scale", *(["--orders", "1000,2000,5000", "--batches", 20] if short else [])),
        "kill": gather.run(f"{BENCH} kill --json", scratch / "kill", *few["kill"], group="kill"),
        "snapshot": gather.run(f"{BENCH} snapshot --json", scratch / "snapshot", *few["snapshot"], group="snapshot"),
        "memory": gather.run(f"{BENCH} memory --json", scratch / "memory"),
        "replay": gather.run(f"{BENCH} replay --json", scratch / "replay", *(["--ops", 20000] if short else [])),
    }


def micro(gather, _, options):
    command = "build/bin/wcx-micro --benchmark_format=json --benchmark_min_time=0.1"
    found = measure(command, *(["--benchmark_min_time=0.001"] if options.short else []))
    for case in found["benchmarks"]:
        gather.row(case["name"], f"{case['cpu_time']:.1f} {case['time_unit']} of CPU time", "", command)
    return found


def wire(gather, scratch, options):
    short = options.short
    command = "python3 bench/wire/rtt.py --json"
    logs = scratch / "rtt"
    logs.mkdir()
    found = measure(command, "--hlog", logs, *(["--count", 300, "--rounds", 5] if short else []))
    for name, group in GROUPS.items():
        for log in sorted(logs.glob(f"{name}-*.hlog")):
            gather.say("hist", f"{group}/{name}", log)
    for name, title, base, *wanted in ROUND_TRIPS:
        p50, p99 = (statistics.median(row[key] for row in found[name]) for key in ("p50_us", "p99_us"))
        ratios = sorted(row["p50_us"] / other["p50_us"] for row, other in zip(found[name], found[base]))
        against = "" if name == base else f"p50 {statistics.median(ratios):.2f} x {base} of the same round ({ratios[0]:.2f} .. {ratios[-1]:.2f}{f'; wanted {wanted[0]}' if wanted else ''})"
        gather.row(title, f"p50 {p50:.1f} us, p99 {p99:.1f}", against, command, statistics.median(ratios) <= wanted[0] if wanted else None)
    for name, rounds in found.items():
        if not name.startswith("stages_") and any(row["lost"] or row["refused"] for row in rounds):
            gather.invalid(f"{name}: a round trip was lost or refused")
    for level in ("d0", "d1"):
        stages = found[f"stages_{level}"]
        parts = ", ".join(f"{stage} {row['P50Ns']}" for stage, row in stages.items() if stage != "total")
        gather.row(f"inside the appliance at {level.upper()}, p50 of {stages['total']['Count']:,} requests, ns", parts, f"all of it {stages['total']['P50Ns']}, p99 {stages['total']['P99Ns']}", command)
    return found


def load(gather, scratch, options):
    short = options.short
    found = {}
    for level, command in (("D0", "python3 bench/wire/load.py -- --rate 10000 --json"), ("D1", "python3 bench/wire/load.py --durable -- --rate 10000 --sleep --json")):
        told = found[level] = measure(command, "--out", scratch / f"load-{level}", *(["--seconds", 1, "--rate", 2000] if short else []))
        corrected, uncorrected = told["corrected"], told["uncorrected"]
        for tag in ("corrected", "uncorrected"):
            gather.say("hist", f"load-{level}/{tag}", scratch / f"load-{level}/latest/hist.hlog", tag)
        gather.row(f"{told['rate']:,} requests/s, Poisson, {level}, from due to answered", f"p50 {corrected['p50_ns'] / 1e3:.0f} us, p99 {corrected['p99_ns'] / 1e3:.0f}",
                   f"from sent (uncorrected): p50 {uncorrected['p50_ns'] / 1e3:.0f}, p99 {uncorrected['p99_ns'] / 1e3:.0f}", command)
    command = "python3 bench/wire/load.py -- --profile ramp --rate 20000 --p99-us 10000 --json"
    ramp = found["ramp"] = measure(command, *(["--step-ms", 100, "--to-rate", 40000] if short else []))
    gather.row("the knee at D0 over UDP, one session", f"{ramp['knee_per_s']:,} requests/s", f"corrected p99 within {ramp['bound_ns'] / 1e6:.0f} ms; what ended it: {ramp['limit']}", command)
    return found


def durable(gather, scratch, options):
    short = options.short
    command = f"{BENCH} durable --dir {JOURNAL} --json"
    shutil.rmtree(ROOT / JOURNAL, ignore_errors=True)
    return gather.run(command, scratch / "durable", *(["--ops", 5000, "--runs", 2, "--rounds", 4, "--segment-mib", 1] if short else []), group="durable", before=FAVOURED)


def profile(gather, scratch, options):
    """Where the engine's time goes. A machine without perf has a page that says so, and is no worse for it."""
    command = f"{BENCH} engine --profile a --pass throughput" + (" --ops 1000000" if options.short else "")
    told = f"python3 bench/flame.py --root {PROFILED} {command}"
    try:
        (scratch / "flame.svg").write_text(flame.flame(command.split(), PROFILED, cwd=ROOT), encoding="utf-8")
    except RuntimeError as error:
        gather.row("flame graph of the engine, profile a", f"none: {error}", "", told)
        return {"none": str(error)}
    gather.say("figure", "flame", scratch / "flame.svg")
    gather.row("flame graph of the engine, profile a", "flame.svg in the run's folder", "", told)
    return {"figure": "flame.svg"}


STANDARD = (engine, capacity, wire, load, durable, profile)
PARTS = {part.__name__: part for part in (*STANDARD, micro)}


def run_parts(gather, scratch, options):
    found = {}
    for number, part in enumerate(options.only, 1):
        start = time.monotonic()
        print(f"  RUN  {part.__name__} ({number} of {len(options.only)})", file=sys.stderr, flush=True)
        try:
            found[part.__name__] = part(gather, scratch, options)
        except (RuntimeError, OSError, KeyError, json.JSONDecodeError) as error:
            gather.invalid(f"{part.__name__}: {error}")
            print(f"       failed: {error}", file=sys.stderr, flush=True)
        print(f"       {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return found


def named(text):
    """The parts that a command line names."""
    if not set(text.split(",")) <= set(PARTS):
        raise argparse.ArgumentTypeError(f"{text}: is not of {', '.join(PARTS)}")
    return tuple(PARTS[name] for name in text.split(","))


def print_table(folder):
    print("| What | Result | Compared with | Target | Command |\n|---|---|---|---|---|")
    for line in (Path(folder) / "figures.tsv").read_text(encoding="utf-8").splitlines():
        kind, *cells = line.split("\t")
        if kind == "row":
            what, result, against, command, verdict = cells
            print(f"| {what} | {result} | {against} | {verdict} | `{command}` |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", type=named, default=STANDARD, metavar="PART,..", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--whole", action="store_true", help="up to 10,000,000 resting orders: some minutes more, 6 GiB")
    parser.add_argument("--short", action="store_true", help="so few of everything that only the way is tried")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "out", help="where the run's folder is made (%(default)s)")
    options = parser.parse_args()
    if os.geteuid() != 0 and {wire, load} & set(options.only):
        sys.exit("standard.py: needs root: network namespaces, raw sockets, huge pages")
    build = ROOT / "build"
    lock = None  # held until the end: nobody measures beside a test that owns a poll core
    if {wire, load} & set(options.only):
        with contextlib.redirect_stdout(sys.stderr):
            lock = machine_lock()
    with tempfile.TemporaryDirectory(dir=build, prefix="bench-standard-") as scratch:
        gather = Gather(options.out, "standard" if options.only == STANDARD else "-".join(part.__name__ for part in options.only))
        found = run_parts(gather, Path(scratch), options)
        folder, sound = gather.close(found)
    if lock:
        lock.close()
    print_table(folder)
    print(f"\nkept in {folder}" + ("" if sound and gather.valid else "; the run is invalid"))
    return 0 if sound and gather.valid else 1


if __name__ == "__main__":
    sys.exit(main())
