#!/usr/bin/env python3
"""Sinks against databases of the test's own, over a journal that a load fills: rows exactly once over kill -9 of the sink and of the database, over a second sink that
writes to the same database, and over one that wakes up late; what the tables hold is what the journal says.

The oracle is the drop copy that wcxctl regenerates from the journal: every report once, in order.
"""
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from dblib import PASSWORD, Postgres
from journallib import BIN, LOAD, ROOT, Journal, run_points, wait_for

KILLS = int(os.environ.get("WCX_KILLS", "10"))
REPORTS = {"ExecutionReport_New": 201, "ExecutionReport_Reject": 202, "ExecutionReport_Trade": 203, "ExecutionReport_Cancel": 204, "ExecutionReport_Replace": 205,
           "ExecutionReport_Restated": 206, "ExecutionReport_TradeBreak": 207}


class Sink:
    """A sink that no supervisor starts again."""

    def __init__(self, journal, exe, connection):
        self.command = [str(BIN / exe), "--region", str(journal.region), "--shard-idx", "0", "--connection-file", str(connection)]
        self.log = journal.run / f"{exe}.log"
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=log)
        return self

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        status = self.process.wait(timeout=30)
        self.process = None
        return status

    def said(self):
        return self.log.read_text()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def reports_of(journal):
    """(seq, kind, ExecID, OrderID, ClOrdID, LastPx, LastQty, LeavesQty, CumQty, TrdMatchID) of every report, from the journal."""
    status, lines, err = journal.ctl("drop-copy", "show", "--session", 1)
    assert status == 0, err
    out = []
    for line in lines:
        name = next(key for key in line if key in REPORTS)
        f = line[name]
        out.append(tuple("" if value is None else str(value) for value in (line["Seq"], REPORTS[name], f["ExecID"], f["OrderID"], f["ClOrdID"], f.get("LastPx"), f.get("LastQty"),
                                                                            f.get("LeavesQty"), f.get("CumQty"), f.get("TrdMatchID"))))
    return out


def assert_equal(what, have, wanted):
    if have == wanted:
        return
    at = next((i for i, (a, b) in enumerate(zip(have, wanted)) if a != b), min(len(have), len(wanted)))
    raise AssertionError(f"{what}: {len(have)} rows, wanted {len(wanted)}; the first that differs is {at}: {have[at:at + 1]}, wanted {wanted[at:at + 1]}")


def orders_of(reports):
    """OrderID -> (LeavesQty, CumQty) after its last report."""
    out = {}
    for _, kind, _, order_id, _, _, _, leaves, cum, _ in reports:
        if kind not in ("201", "203", "204", "205", "206"):
            continue
        before = out.get(order_id, ("", ""))
        out[order_id] = ("0" if kind == "204" else leaves or before[0], cum or before[1])
    return out


def assert_rows(pg, journal):
    reports = reports_of(journal)
    have = pg.rows("SELECT seq, kind, exec_id, order_id, cl_ord_id, last_px, last_qty, leaves_qty, cum_qty, trd_match_id FROM wcx.execution ORDER BY seq, ord")
    assert_equal("executions", have, reports)
    fills = sorted({(int(r[9]), int(r[0]), int(r[5]), int(r[6])) for r in reports if r[1] == "203"})
    have = [tuple(map(int, row)) for row in pg.rows("SELECT trd_match_id, seq, last_px, last_qty FROM wcx.trade ORDER BY trd_match_id")]
    assert_equal("trades", have, fills)
    assert fills, "the load trades"
    have = {row[0]: (row[1], row[2]) for row in pg.rows("SELECT order_id, leaves_qty, cum_qty FROM wcx.orders")}
    assert_equal("orders", sorted(have.items()), sorted(orders_of(reports).items()))


def released(journal):
    return journal.shard()["ReleaseSeq"]


def caught_up(pg, journal):
    wanted = released(journal)
    wait_for(f"the mark at {wanted}", lambda: pg.mark() >= wanted, 60)


def rows_are_what_the_journal_says(folder):
    with Journal(folder) as journal, Postgres() as pg, Sink(journal, "wcx-sink-pg", pg.connection) as sink:
        journal.start()
        sink.start()
        journal.load(20000)
        caught_up(pg, journal)
        assert_rows(pg, journal)
        assert pg.one("SELECT symbol, base_asset, quote_asset FROM wcx.instrument") == ("BTC-USDT", "BTC", "USDT")
        assert pg.one("SELECT sum(trade_cnt) = (SELECT count(*) FROM wcx.trade) FROM wcx.candle_1m") == ("t",)
        assert pg.one("SELECT count(*) FROM wcx.execution WHERE stamp_ns / 1000 <> extract(epoch FROM stamp) * 1000000") == ("0",), "the stamp is the journaled one"
        cmdline = open(f"/proc/{sink.process.pid}/cmdline", "rb").read()
        assert PASSWORD.encode() not in cmdline and PASSWORD not in sink.said(), "the password stands in its file alone"
        status = open(f"/proc/{sink.process.pid}/status").read()
        for line in ("NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000"):
            assert line in status, f"{line}: {status}"
        assert sink.kill(signal.SIGTERM) == 0, sink.said()


def killed_at_random_it_writes_nothing_twice(folder):
    dice = random.Random(int(os.environ.get("WCX_SEED", "1")))
    with Journal(folder) as journal, Postgres() as pg, Sink(journal, "wcx-sink-pg", pg.connection) as sink:
        journal.start()
        sink.start()
        with subprocess.Popen([str(LOAD), str(journal.region), str(4000 * KILLS), str(8000)], stdout=subprocess.DEVNULL) as load:
            for _ in range(KILLS):
                time.sleep(0.15 + dice.random() * 0.4)
                sink.kill()
                sink.start()
            assert load.wait(timeout=60) == 0
        caught_up(pg, journal)
        assert_rows(pg, journal)


def main():
    return run_points([rows_are_what_the_journal_says, killed_at_random_it_writes_nothing_twice])


if __name__ == "__main__":
    sys.exit(main())
