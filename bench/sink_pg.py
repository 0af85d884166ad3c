#!/usr/bin/env python3
"""How fast wcx-sink-pg fills a PostgreSQL of its own from a journal that is there already, and what of it is the server's CPU.

    python3 bench/sink_pg.py [INPUTS [SINK...]]     one JSON line for each SINK, which must leave the same contents as the first
"""
import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from dblib import Postgres  # noqa: E402
from journallib import Journal  # noqa: E402

CONTENTS = ("SELECT * FROM wcx.execution ORDER BY shard, seq, ord", "SELECT * FROM wcx.trade ORDER BY shard, seq, ord", "SELECT * FROM wcx.orders ORDER BY shard, order_id",
            "SELECT * FROM wcx.instrument ORDER BY shard, security_id", "SELECT shard, epoch, seq, stamp_ns FROM wcx.watermark")


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fill(sink, journal):
    wanted = journal.shard()["ReleaseSeq"]
    with Postgres() as pg:
        command = [sink, "--region", str(journal.region), "--shard-idx", "0", "--connection-file", str(pg.connection)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                while (first := pg.mark()) == 0:
                    time.sleep(0.05)
                begun_s = time.monotonic()
                server = pg.one("SELECT pid FROM pg_stat_activity WHERE usename = 'wcx_sink'")[0]
                before_s = cpu_s(server), cpu_s(process.pid)
                while pg.mark() < wanted:
                    time.sleep(0.05)
                inputs = wanted - first
                line = {"Sink": sink, "Inputs": inputs, "InputsPerS": round(inputs / (time.monotonic() - begun_s)), "ServerUs": round((cpu_s(server) - before_s[0]) * 1e6 / inputs, 1),
                        "SinkUs": round((cpu_s(process.pid) - before_s[1]) * 1e6 / inputs, 1), "LoadAverage": os.getloadavg()[0]}
            finally:
                process.kill()
        return line, [hashlib.sha256(pg.sql(text, "wcx").encode()).hexdigest() for text in CONTENTS]


def main():
    parser = argparse.ArgumentParser(description="how fast wcx-sink-pg fills a PostgreSQL of its own from a journal")
    parser.add_argument("inputs", nargs="?", type=int, default=60000, help="that the journal has (%(default)s)")
    parser.add_argument("sinks", nargs="*", default=[str(ROOT / "build/bin/wcx-sink-pg")], metavar="sink", help="programs to be measured in turn (build/bin/wcx-sink-pg)")
    options = parser.parse_args()
    contents = None
    with tempfile.TemporaryDirectory(prefix="bench-sink-pg-", dir=ROOT / "build") as folder, Journal(folder) as journal:
        journal.start()
        journal.load(options.inputs)
        for sink in options.sinks:
            line, found = fill(sink, journal)
            contents = contents or found
            print(json.dumps(dict(line, Same=found == contents)), flush=True)
            if found != contents:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
