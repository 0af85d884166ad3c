#!/usr/bin/env python3
"""`wcx-bench durable` alone, with a replica, and with replica and both sinks, each beside a PostgreSQL and a Redis of its own: throughput, then acks at 100,000 requests/s.

    python3 bench/durable_sinks.py [--quick]      one JSON line each
"""
import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from dblib import Postgres, Redis  # noqa: E402


def measure(what, *more):
    # In a session of its own with the best autogroup, as control/dev/runner.sh starts the data plane.
    folder = Path(tempfile.mkdtemp(prefix="bench-durable-", dir=ROOT / "build"))
    words = [str(ROOT / "build/bin/wcx-bench"), "durable", "--dir", str(folder / "state"), "--json", *more, *what]
    try:
        subprocess.run(["setsid", "-w", "bash", "-c", 'echo -20 >/proc/self/autogroup; exec "$@"', "bench-durable", *words], check=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description="wcx-bench durable alone, with a replica, and with replica, PostgreSQL and Redis")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, to see that it runs")
    quick = parser.parse_args().quick
    throughput = ["--runs", "1", "--rounds", "0", "--ops", "200000" if quick else "2000000"]
    acks = ["--runs", "0", "--rounds", "1" if quick else "10"]
    for what in (throughput, acks):
        measure(what)
        measure(what, "--replica")
        with Postgres() as pg, Redis() as redis:
            measure(what, "--replica", "--postgresql", str(pg.connection), "--redis", str(redis.connection))
    return 0


if __name__ == "__main__":
    sys.exit(main())
