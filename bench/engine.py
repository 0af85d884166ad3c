#!/usr/bin/env python3
"""What `make bench-engine` runs: the engine alone, in some minutes. Flows a, b, c beside their floors, kill switch, memory, snapshot, the parts, cost against resting orders.

Progress goes to stderr, the tables to stdout.
"""
import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = ROOT / "build" / "bin"


def measure(folder, name, *command):
    """Run a command, keep its JSON as folder/name.json and return it."""
    print(f"  RUN  {' '.join(command)}", file=sys.stderr, flush=True)
    start = time.monotonic()
    text = subprocess.run([BIN / command[0], *command[1:]], stdout=subprocess.PIPE, text=True, check=True).stdout
    (folder / f"{name}.json").write_text(text)
    print(f"       {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return json.loads(text)


def print_flows(flows):
    print(f"{'flow':8}{'ns per op':>12}{'median':>10}{'floor touch':>13}{'floor hash':>12}{'x hash':>9}{'p99 ns':>9}{'p999 ns':>9}")
    for name, flow in flows.items():
        print(f"{name:8}{flow['ns_per_op']:>12.1f}{flow['median_ns_per_op']:>10.1f}{flow['floor_touch_ns']:>13.1f}{flow['floor_hash_ns']:>12.1f}{flow['ratio_hash']:>9.2f}"
              f"{flow['p99_ns']:>9.0f}{flow['p999_ns']:>9.0f}")


def print_scale(scale):
    sizes = scale["sizes"]
    ops = [key for key, value in sizes[0].items() if isinstance(value, dict)]
    print(f"\n{'ns (bare misses)':18}" + "".join(f"{size['orders']:>18,}" for size in sizes) + f"{'growth':>10}{'beyond':>10}{'.. loads':>10}")
    for op in ops:
        cells = "".join(f"{size[op]['ns']:>10.0f} ({size[op]['bare_ns']:>5.0f})" for size in sizes)
        print(f"{op:18}{cells}{max(size[op]['growth'] for size in sizes):>10.2f}{max(size[op]['beyond'] for size in sizes):>10.2f}{max(size[op]['beyond_loads'] for size in sizes):>10.2f}")
    print(f"growth beyond misses that overlap: at most x {scale['worst_beyond']:.2f}; beyond misses that do not: at most x {scale['worst_beyond_loads']:.2f} (wanted: {scale['wanted']:.1f})")


def print_kill(kill):
    for name, key in (("kill switch", "kill"), ("mass cancel", "mass_cancel")):
        wanted = f", wanted {kill['wanted_ms']:.1f}" if key == "kill" else ""
        print(f"\n{name}, {kill['orders']:,} orders: {kill[key + '_ms']:.2f} ms (cold caches {kill[key + '_cold_ms']:.2f}{wanted})", end="")
    print()


def print_memory(memory):
    print(f"\nmemory: an idle instrument {memory['instrument_bytes']:.0f} bytes, an order {memory['order_bytes']:.0f}, a level {memory['level_bytes']:.0f}")
    print(f"        65,535 instruments, 1,000,000 orders: {memory['wide_bytes'] / 2**30:.2f} GiB (wanted: {memory['wanted_wide_bytes'] / 2**30:.0f}); "
          f"10,000,000 orders: {memory['deep_bytes'] / 2**30:.2f} GiB")


def print_micro(micro):
    print(f"\n{'part':40}{'ns of CPU time':>16}")
    for case in micro["benchmarks"]:
        print(f"{case['name']:40}{case['cpu_time']:>16.1f}")


def print_snapshot(snapshot):
    print(f"\nsnapshot, one book of {snapshot['orders']:,} orders at {snapshot['prices']:,} prices a side: {snapshot['copy_us'] / 1e3:.2f} ms "
          f"(cold caches {snapshot['cold_us'] / 1e3:.2f}, an array of as many blocks {snapshot['flat_us'] / 1e3:.2f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "bench", help="for every measurement's JSON and the plot (%(default)s)")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    flows = {name: measure(folder, f"engine-{name}", "wcx-bench", "engine", "--profile", name, "--json") for name in "abc"}
    kill = measure(folder, "kill", "wcx-bench", "kill", "--json")
    memory = measure(folder, "memory", "wcx-bench", "memory", "--json")
    snapshot = measure(folder, "snapshot", "wcx-bench", "snapshot", "--json")
    micro = measure(folder, "micro", "wcx-micro", "--benchmark_min_time=0.1", "--benchmark_format=json")
    scale = measure(folder, "scale", "wcx-bench", "scale", "--json", "--svg", str(folder / "scale.svg"))
    print(scale["host"] + "\n")
    print_flows(flows)
    print_scale(scale)
    print_kill(kill)
    print_memory(memory)
    print_snapshot(snapshot)
    print_micro(micro)
    print(f"\nkept in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
