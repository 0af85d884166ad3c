#!/usr/bin/env python3
"""Sinks against databases of the test's own, over a journal that a load fills: rows exactly once over kill -9 of the sink and of the database; what the tables hold is what
the journal says; what a sink needs of the journal is kept. Fences: test_sink_fence.py.

The oracle is the drop copy that wcxctl regenerates from the journal: every report once, in order. Owns no poll core.
"""
import os
import random
import signal
import subprocess
import sys
import time

from dblib import PASSWORD, Postgres, Redis
from journallib import BIN, LOAD, Journal, run_points, wait_for

LIMIT_S = 120
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
    try:
        wait_for(f"the mark at {wanted}", lambda: pg.mark() >= wanted, LIMIT_S)
    except AssertionError as error:
        said = "".join(path.read_text()[-1500:] for path in journal.run.glob("wcx-sink-*.log"))
        raise AssertionError(f"{error}; it is at {pg.mark()}; {said}; {pg.log.read_text()[-1500:]}") from None


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


def killed_databases_are_written_on(folder):
    """synchronous_commit is off, so a killed PostgreSQL forgets its last commits, mark and rows together."""
    dice = random.Random(int(os.environ.get("WCX_SEED", "2")))
    with Journal(folder) as journal, Postgres() as pg, Sink(journal, "wcx-sink-pg", pg.connection) as sink:
        journal.start()
        sink.start()
        back = 0
        with subprocess.Popen([str(LOAD), str(journal.region), "30000", "6000"], stdout=subprocess.DEVNULL) as load:
            for n in range(3):
                time.sleep(0.4 + dice.random() * 0.5)
                before = pg.mark()
                pg.kill()
                pg.start()
                back += pg.mark() < before
            assert load.wait(timeout=60) == 0, "a load is not held up by a database that is away"
        caught_up(pg, journal)
        assert_rows(pg, journal)
        assert sink.process.poll() is None, sink.said()
        print(f"# {back} of 3 kills took commits back", flush=True)


def redis_trades(redis):
    """[(seq, SecurityID, px, qty, TrdMatchID)] of the stream."""
    lines = redis.call("XRANGE", "{wcx:1}:trades", "-", "+")
    size = 13  # the id, six names and their values
    out = []
    for at in range(0, len(lines), size):
        entry = dict(zip(lines[at + 1:at + size:2], lines[at + 2:at + size:2]))
        out.append(tuple(map(int, (lines[at].split("-")[0], entry["security_id"], entry["px"], entry["qty"], entry["trd_match_id"]))))
    return out


def assert_cache(redis, journal, after=0):
    fills = sorted({(int(r[9]), int(r[0]), int(r[5]), int(r[6])) for r in reports_of(journal) if r[1] == "203"})
    wanted = [(seq, 1, px, qty, match) for match, seq, px, qty in fills if seq > after]
    assert_equal("trades", redis_trades(redis), wanted)
    if wanted:
        last = redis.hash("{wcx:1}:last:1")
        assert (int(last["seq"]), int(last["px"]), int(last["qty"]), int(last["trd_match_id"])) == (wanted[-1][0], *wanted[-1][2:]), (last, wanted[-1])
    _, lines, err = journal.ctl("book", "show")
    book = lines[0]["Book"]
    top = redis.hash("{wcx:1}:top:1")
    for side, key in (("bid", "Bids"), ("ask", "Asks")):
        best = [str(number) for number in book[key][0]] if book[key] else ["", "", "0"]
        assert [top[f"{side}_px"], top[f"{side}_qty"], top[f"{side}_cnt"]] == best, (top, book[key][:1], err)


def a_cache_is_what_the_journal_says(folder):
    with Journal(folder) as journal, Redis() as redis, Sink(journal, "wcx-sink-redis", redis.connection) as sink:
        journal.start()
        sink.start()
        with subprocess.Popen([str(LOAD), str(journal.region), "12000", "6000"], stdout=subprocess.DEVNULL) as load:
            for _ in range(4):
                time.sleep(0.3)
                sink.kill()
                sink.start()
            assert load.wait(timeout=60) == 0
        wait_for("the mark", lambda: redis.mark() >= released(journal), LIMIT_S)
        assert_cache(redis, journal)
        assert PASSWORD not in sink.said()


def a_cache_that_is_lost_is_begun_anew(folder):
    with Journal(folder) as journal, Redis() as redis, Sink(journal, "wcx-sink-redis", redis.connection) as sink:
        journal.start()
        sink.start()
        journal.load(3000)
        wait_for("the mark", lambda: redis.mark() >= released(journal), LIMIT_S)
        journal.snapshot()
        journal.load(500)
        redis.kill()
        journal.load(500)
        redis.start()
        wait_for("the mark again", lambda: redis.mark() >= released(journal), LIMIT_S)
        begun = int(redis.hash("{wcx:1}:mark")["from_seq"])
        assert begun >= 3000, "behind the snapshot"
        assert_cache(redis, journal, begun)
        assert sink.process.poll() is None


def what_a_sink_needs_is_kept(folder):
    """Supervised: a database that is away holds the journal, until it has it, or is too far behind."""
    with Postgres() as pg:
        pg.kill()
        sets = ("archive.dir=archive", f"sinks.postgresql_connection_file={pg.connection}", "sinks.hold_inputs_max=60000", "durability.snapshot_every_inputs=1000000")
        with Journal(folder, *sets) as journal:
            journal.start()

            def snapshots(cnt):
                for _ in range(cnt):
                    journal.load(8000)
                    journal.snapshot()

            snapshots(5)
            wait_for("the archive", lambda: journal.shard()["ArchivedSegment"] >= 2, 30)
            time.sleep(0.5)
            assert journal.shard()["FirstSegment"] == 1 and journal.shard()["KeepSegment"] == 0, journal.shard()
            pg.start()
            caught_up(pg, journal)
            assert_rows(pg, journal)
            wait_for("what is held", lambda: journal.shard()["PostgresqlHeldSeq"] >= released(journal), 30)
            snapshots(1)
            wait_for("the journal to be cut", lambda: journal.shard()["FirstSegment"] > 1, 30)
            mark = pg.mark()
            pg.kill()
            first = journal.shard()["FirstSegment"]
            snapshots(3)
            held = [line["Snapshot"]["Seq"] for line in journal.ctl("snapshot", "list")[1]]
            assert len(held) == 3 and min(held) <= mark, (held, mark)
            snapshots(6)
            assert journal.said("kept for it no longer"), "too far behind: it is said"
            held = [line["Snapshot"]["Seq"] for line in journal.ctl("snapshot", "list")[1]]
            assert len(held) == 2, held
            wait_for("the journal to be cut again", lambda: journal.shard()["FirstSegment"] > first, 30)


def main():
    return run_points([rows_are_what_the_journal_says, killed_at_random_it_writes_nothing_twice, killed_databases_are_written_on,
                       a_cache_is_what_the_journal_says, a_cache_that_is_lost_is_begun_anew, what_a_sink_needs_is_kept])


if __name__ == "__main__":
    sys.exit(main())
