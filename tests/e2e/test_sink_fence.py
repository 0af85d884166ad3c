#!/usr/bin/env python3
"""Who may write to the database of a journal: of two sinks each input once, nobody of a lower epoch, nobody of another journal. Owns no poll core."""
import contextlib
import os
import shutil
import signal
import sys
import time

from dblib import Postgres
from journallib import Journal, run_points, wait_for
from test_sinks import Sink, assert_rows, caught_up, released


STOPPED_AFTER_S = 2  # instead of 10


def stop_in_a_copy(sink, pg):
    """The server waits for its rows, and there obeys no timeout: only who ends the connection frees the mark's row. Returns the server's process."""
    waits = "SELECT pid FROM pg_stat_activity WHERE usename = 'wcx_sink' AND state = 'active' AND wait_event = 'ClientRead' AND query LIKE 'COPY wcx.execution %'"
    while True:
        sink.process.send_signal(signal.SIGSTOP)
        time.sleep(0.05)
        if (pid := pg.one(waits)) is not None:
            time.sleep(0.2)  # what was sent is taken
            if pg.one(waits) == pid:
                return pid[0]
        sink.process.send_signal(signal.SIGCONT)
        time.sleep(0.01)


@contextlib.contextmanager
def journal_and_copy(folder, records):
    """As after a fail-over that left the old machine running, with a sink for each of them that writes to one database."""
    with Journal(folder) as journal, Journal(folder.parent / (folder.name + "-copy")) as copy, Postgres() as pg:
        try:
            journal.start()
            journal.load(records)
            journal.stop()
            shutil.copytree(journal.state, copy.state)
            shutil.rmtree(copy.state / "snapshot", ignore_errors=True)
            journal.start()
            copy.start()
            with Sink(journal, "wcx-sink-pg", pg.connection) as first, Sink(copy, "wcx-sink-pg", pg.connection) as second:
                yield journal, first, second, pg
                assert_rows(pg, journal)
                for sink in (first, second):
                    assert sink.process.poll() is None and "duplicate key" not in sink.said(), sink.said()
        finally:
            shutil.rmtree(copy.run, ignore_errors=True)


def one_that_is_stopped_holds_nobody_up(folder):
    """Stopped in the middle of a COPY it keeps the row of the mark: the other ends its transaction and goes on, and when it wakes up it writes nothing of what it held."""
    with journal_and_copy(folder, 16000) as (journal, first, second, pg):
        pg.sql(f"ALTER ROLE wcx_sink SET wcx.sink_stopped_after = '{STOPPED_AFTER_S}s'", "wcx")
        first.start()
        held_by = stop_in_a_copy(first, pg)
        stood_at = pg.mark()
        assert stood_at < released(journal), "there is something left to write"
        second.start()
        wait_for("the end of the stopped one's transaction", lambda: pg.mark() > stood_at, 30)
        assert pg.one(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {held_by}") == ("0",)
        caught_up(pg, journal)
        assert "trying again" not in first.said()
        first.process.send_signal(signal.SIGCONT)
        wait_for("the late one to see it", lambda: journal.shard()["PostgresqlFailing"] == 0 and "trying again" in first.said(), 60)
        time.sleep(0.5)


def two_sinks_write_no_row_twice(folder):
    """Each batch is written by the one that comes first."""
    with journal_and_copy(folder, 24000) as (journal, first, second, pg):
        first.start()
        second.start()
        caught_up(pg, journal)
        wait_for("one to come second", lambda: "another sink writes there" in first.said() + second.said(), 30)


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
    return run_points([one_that_is_stopped_holds_nobody_up, two_sinks_write_no_row_twice, a_lower_epoch_writes_nothing, another_journal_is_refused])


if __name__ == "__main__":
    sys.exit(main())
