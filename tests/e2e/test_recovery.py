#!/usr/bin/env python3
"""bench/wire/recovery.py below a small book: every order rests, each kind of death and the cold start are survived, and the figures hang together."""
import json
import subprocess
import sys

from wcxlib import ROOT, Tap, require


def main():
    require()
    tap = Tap()
    done = subprocess.run([sys.executable, str(ROOT / "bench/wire/recovery.py"), "--orders", "3000", "--rounds", "2", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False, timeout=300)
    told = json.loads(done.stdout) if done.returncode == 0 else {}
    tap.ok(done.returncode == 0 and told["fill"]["orders"] == 3000 and told["fill"]["refused"] == 0, "a book of 3,000 orders, killed twice below a client's eyes", done.stderr)
    for kind in ("journal", "dataplane", "cold"):
        figure = told.get(kind, {"median_ms": 0, "max_ms": 0})
        tap.ok(0 < figure["median_ms"] <= figure["max_ms"] < 60000, f"{kind}: an order is acknowledged again after {figure['median_ms']} ms", figure)
    tap.done()


if __name__ == "__main__":
    main()
