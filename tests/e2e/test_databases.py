#!/usr/bin/env python3
"""`make up` with a PostgreSQL and a Redis beside it: market makers trade, both databases hold what the journal says, and `make down` leaves neither process nor file."""
import json
import os
import subprocess
import time
from pathlib import Path

from dblib import bin_of
from wcxlib import Appliance, Tap, require, summary_of


def processes_of(folder):
    """Those that have it in their command line or as working directory."""
    found = []
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (proc / "cmdline").read_bytes() or os.readlink(proc / "cwd").startswith(str(folder)):
                found.append(proc.name)
        except OSError:
            pass
    return found


def main():
    require("redis-server", "psql")
    tap = Tap()
    with Appliance("databases", WCX_DATABASES="1") as app:
        folder = Path(app.environment["WCX_DB_DIR"])
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in processes_of(folder)}
        tap.ok(owners and 0 not in owners, "both servers run, none of them as root", owners)

        def rows(text):
            done = subprocess.run([bin_of("psql"), "-X", "-A", "-t", "-h", str(folder), "-U", "wcx_reader", "-d", "wcx", "-c", text], capture_output=True, text=True, check=False)
            return done.stdout.split() or [done.stderr]

        load = app.spawn(*app.mm("--seconds", 3, "--rate", 300), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        tail = load.communicate(timeout=60)[0]
        trades = summary_of(tail)["trades"]

        def shard():
            return app.wcxctl("status")[0]["Status"]["Shards"][0]

        end = time.monotonic() + 60
        there = False
        while not there and time.monotonic() < end:
            now = shard()
            there = min(now["PostgresqlSeq"], now["RedisSeq"]) >= now["ReleaseSeq"] > 0
            time.sleep(0.1)
        tap.ok(there, "both are where the journal is", (shard(), app.logs()))
        tap.ok(trades > 0 and rows("SELECT count(*) FROM wcx.trade") == [str(trades)], "PostgreSQL holds every trade", (trades, rows("SELECT count(*) FROM wcx.trade")))
        refused = subprocess.run([bin_of("psql"), "-X", "-h", str(folder), "-U", "wcx_reader", "-d", "wcx", "-c", "DELETE FROM wcx.trade"], capture_output=True, text=True, check=False)
        tap.ok(refused.returncode != 0 and "permission denied" in refused.stderr, "a reader cannot change it", refused.stderr)
        modes = [oct(os.stat(app.run / f"{name}.connection").st_mode & 0o777) for name in ("postgresql", "redis")]
        tap.ok(modes == ["0o600", "0o600"], "passwords are for their owner alone", modes)
        app.down()
        tap.ok(not folder.exists() and not processes_of(folder) and not list(app.run.glob("*.connection")), "make down leaves nothing of them", (processes_of(folder), json.dumps(app.environment)))
    tap.done()


if __name__ == "__main__":
    main()
