#!/usr/bin/env python3
"""1,000 TCP connections to the appliance at D0, 100 of them slow readers: round trips of 20 fast ones alone, then among all of them.

usage: crowd.py [--json] [--fast 20] [--slow 100] [--idle 880] [--count 20000] [--rounds 3]     root; some minutes; stops what it starts
Each round is an appliance of its own; shown is the round with the median ratio of p99 (wanted: at most 2). One JSON line a round goes to stderr, --json prints them all as one list.
"""
import argparse
import json
import sys

from stage import Stage


def measure(options):
    with Stage("crowd", options.fast + options.slow + options.idle, establish_per_source_per_s=100000) as stage:
        status, text = stage.run("wcx-crowd", "--fast", options.fast, "--slow", options.slow, "--idle", options.idle, "--count", options.count)
        if status != 0:
            print(stage.appliance.logs(), file=sys.stderr)
            sys.exit(f"crowd.py: wcx-crowd ended with status {status}: {text}")
        counted = stage.appliance.metrics()
    told = json.loads(text)
    told["slow_ended"] = int(counted.get("wcx_tcp_slow_total", 0))
    return told


def main():
    parser = argparse.ArgumentParser(description="fast TCP clients alone and in a crowd with slow readers")
    parser.add_argument("--json", action="store_true")
    for name, value in (("fast", 20), ("slow", 100), ("idle", 880), ("count", 20000), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    rounds = []
    for _ in range(options.rounds):
        rounds.append(measure(options))
        print(json.dumps(rounds[-1]), file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps(rounds))
        return
    middle = sorted(rounds, key=lambda told: told["p99_ratio"])[len(rounds) // 2]
    print(f"{'order to ack over TCP, us':<56} {'min':>9} {'p50':>9} {'p99':>9}")
    for title, key in ((f"{middle['fast']} fast ones alone", "alone"), (f"the same among {middle['idle']} idle ones and {middle['slow']} that do not read", "among")):
        print(f"{title:<56} {middle[key]['min_us']:9.2f} {middle[key]['p50_us']:9.2f} {middle[key]['p99_us']:9.2f}")
    print(f"{'ratio (wanted: p99 at most 2)':<56} {'':>9} {middle['p50_ratio']:9.2f} {middle['p99_ratio']:9.2f}    of {len(rounds)} rounds the one in the middle")


if __name__ == "__main__":
    main()
