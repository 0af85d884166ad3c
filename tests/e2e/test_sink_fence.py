#!/usr/bin/env python3
"""Who may write to the database of a journal: of two sinks each input once, nobody of a lower epoch, nobody of another journal. Owns no poll core."""
import os
import shutil
import signal
import sys
import time

from dblib import Postgres
from journallib import Journal, run_points, wait_for
from test_sinks import Sink, assert_rows, caught_up


def stop_outside_a_copy(sink, pg):
    """Whose COPY stands still keeps the mark's row: a server that waits for a client's rows obeys no timeout, only its keepalives (README, what is not built)."""
    while True:
        sink.process.send_signal(signal.SIGSTOP)
        time.sleep(0.2)  # what was sent is taken
        if pg.one("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY %'") == ("0",):
            return
        sink.process.send_signal(signal.SIGCONT)
        time.sleep(0.05)


def two_sinks_write_no_row_twice(folder):
    """A journal and its copy, as after a fail-over that left the old machine running: two sinks write to one database, one of them wakes up late. Where it is stopped within its
    transaction, the server ends that."""
    with Journal(folder) as journal, Journal(folder.parent / (folder.name + "-copy")) as copy, Postgres() as pg:
        try:
            journal.start()
            journal.load(24000)
            journal.stop()
            shutil.copytree(journal.state, copy.state)
            shutil.rmtree(copy.state / "snapshot", ignore_errors=True)
            journal.start()
            copy.start()
            with Sink(journal, "wcx-sink-pg", pg.connection) as first, Sink(copy, "wcx-sink-pg", pg.connection) as second:
                first.start()
                second.start()
                wait_for("a beginning", lambda: pg.mark() > 0)
                stop_outside_a_copy(first, pg)
                caught_up(pg, copy)
                first.process.send_signal(signal.SIGCONT)
                wait_for("the late one to see it", lambda: journal.shard()["PostgresqlFailing"] == 0 and ("another sink writes there" in first.said() + second.said() or "trying again" in first.said()), 60)
                time.sleep(0.5)
                assert_rows(pg, journal)
                for sink in (first, second):
                    assert sink.process.poll() is None and "duplicate key" not in sink.said(), sink.said()
        finally:
            shutil.rmtree(copy.run, ignore_errors=True)


def a_lower_epoch_writes_nothing(folder):
    with Journal(folder) as journal, Postgres() as pg, Sink(journal, "wcx-sink-pg", pg.connection) as sink:
        journal.start()
        journal.load(1000)
        sink.start()
        caught_up(pg, journal)
        seq = pg.mark()
        pg.sql("UPDATE wcx.watermark SET epoch = 1000000", "wcx")
        journal.load(1000)
        wait_for("the refusal", lambda: "of a later epoch" in sink.said(), 30)
        time.sleep(0.5)
        assert pg.mark() == seq and pg.one(f"SELECT count(*) FROM wcx.execution WHERE seq > {seq}") == ("0",)
        pg.sql("UPDATE wcx.watermark SET epoch = 0", "wcx")
        caught_up(pg, journal)
        assert_rows(pg, journal)


def another_journal_is_refused(folder):
    with Journal(folder / "one") as one, Journal(folder / "two") as two, Postgres() as pg:
        one.start()
        one.load(2000)
        with Sink(one, "wcx-sink-pg", pg.connection).start():
            caught_up(pg, one)
        two.start()
        two.load(3000)
        with Sink(two, "wcx-sink-pg", pg.connection).start() as sink:
            wait_for("the refusal", lambda: two.shard()["PostgresqlStuck"] == 1, 30)
            assert "belongs to another journal" in sink.said()
            two.load(1000)
        assert_rows(pg, one)
        os.chmod(pg.connection, 0o644)
        with Sink(two, "wcx-sink-pg", pg.connection).start() as sink:
            wait_for("what is wrong with the file", lambda: "others may read it" in sink.said(), 10)


def main():
    return run_points([two_sinks_write_no_row_twice, a_lower_epoch_writes_nothing, another_journal_is_refused])


if __name__ == "__main__":
    sys.exit(main())
