#!/usr/bin/env python3
"""The keeper: continuous shipping to a directory, storing by commands, retention behind it, scrub and repair. Owns no poll core."""
import filecmp
import os
import shutil
import signal
import sys
import time

from journallib import Journal, ctl, flip, run_points, wait_for

RECORDS = 30000  # about six segments of 1 MiB


def name(segment):
    return f"seg-{segment:016x}.wcj"


def digests(state_dir):
    status, lines, err = ctl("--state-dir", state_dir, "journal", "verify")
    assert status == 0, err
    found = lines[0]["JournalVerify"]
    return found["Last"], found["LastSeq"]


def archived(journal):
    """Waits until every closed segment is in the archive; its number."""
    def all_of_it():
        shard = journal.shard()
        return shard and shard["ClosedSegment"] > 0 and shard["ArchivedSegment"] == shard["ClosedSegment"] and shard["ArchivedSegment"]
    return wait_for("the archive", all_of_it)


def the_archive_is_the_journal(folder):
    archive = folder / "archive"
    with Journal(folder / "run", f"archive.dir={archive}") as journal:
        journal.start()
        for _ in range(2):
            load = journal.load(RECORDS)
        closed = archived(journal)
        assert closed > 5, closed
        wait_for("the tail", lambda: journal.shard()["ShippedSeq"] == load["Released"])
        journal.stop()
    assert digests(journal.state) == digests(archive)
    for segment in range(1, closed + 1):
        assert filecmp.cmp(journal.dir / name(segment), archive / "journal/shard-00001" / name(segment), shallow=False), segment
    assert journal.segments()[0] == 1, "nothing is removed without two snapshots"


def let_go(journal):
    """Two snapshots: what is below the older one and archived goes. The first segment that stays."""
    journal.snapshot()
    journal.load(100)
    journal.snapshot()
    first = wait_for("the removal", lambda: journal.shard()["FirstSegment"] > 2 and journal.shard()["FirstSegment"])
    wait_for("the sweep", lambda: journal.segments()[0] == first)
    assert first <= journal.shard()["ArchivedSegment"] + 1
    return first


def what_everybody_let_go_of_is_removed(folder):
    archive = folder / "archive"
    with Journal(folder / "run", f"archive.dir={archive}") as journal:
        journal.start()
        journal.load(2 * RECORDS)
        assert journal.segments()[0] == 1, "no two snapshots, nothing is removed"
        first = let_go(journal)
        load = journal.load(RECORDS)
        assert archived(journal) >= first
        os.kill(journal.pid("wcx-journal-0"), signal.SIGKILL)
        assert journal.load(100)["Cut"] >= load["Released"], "the next worker recovers from what is left"
        wait_for("the tail", lambda: journal.shard()["ShippedSeq"] == journal.shard()["ReleaseSeq"])
        journal.stop()
    _, last = digests(archive)
    assert last >= load["Released"] + 100
    status, lines, _ = journal.ctl("journal", "dump")
    assert status == 0 and 0 < len(lines) < last
    status, _, err = journal.ctl("journal", "replay")
    assert status == 1 and "the archive" in err, err
    what_is_left_shows_the_end(journal, archive, last)


def what_is_left_shows_the_end(journal, archive, last):
    """Without the first segments, from a snapshot on, tools show what they show from the first input on."""
    older = journal.ctl("snapshot", "list")[1][-1]["Snapshot"]["Seq"]
    for command in (("book", "show"), ("session", "list"), ("instrument", "list"), ("book", "show", "--at", older + 10)):
        shown = journal.ctl(*command)
        assert shown == ctl("--state-dir", archive, *command) and shown[0] == 0 and len(shown[1]) > 0, (command, shown)
        assert shown[1][0]["as_of_seq"] == (older + 10 if "--at" in command else last), shown[1]
    status, _, err = journal.ctl("book", "show", "--at", older - 1)
    assert status == 1 and "give the archive as --state-dir" in err, err
    _, whole, _ = ctl("--state-dir", archive, "feed", "show")
    numbers = [line["Number"] for line in whole]
    assert numbers == list(range(1, len(whole) + 1)) and len(whole) > RECORDS
    late = next(line["Number"] for line in whole if line["Seq"] > older)
    status, shown, err = journal.ctl("feed", "show", "--from", late, "--to", late + 99)
    assert status == 0 and shown == whole[late - 1 : late + 99], (status, shown[:2], err)
    status, _, err = journal.ctl("feed", "show", "--from", 1)
    assert status == 1 and "no snapshot goes back that far" in err, err


def deaths_leave_the_archive_equal(folder):
    archive = folder / "archive"
    with Journal(folder / "run", f"archive.dir={archive}") as journal:
        journal.start()
        for victim in ("wcx-keeper-0", "wcx-journal-0", "wcx-keeper-0"):
            journal.load(RECORDS // 3)
            os.kill(journal.pid(victim), signal.SIGKILL)
            load = journal.load(RECORDS // 3)
        wait_for("the tail", lambda: journal.shard().get("ShippedSeq") == load["Released"])
        journal.stop()
    assert digests(journal.state) == digests(archive)


def commands(store, **more):
    return ("archive.command=" + more.get("command", f'cp "$WCX_FILE" {store}/"$WCX_NAME"'), "archive.fetch_command=" + more.get("fetch", f'cp {store}/"$WCX_NAME" "$WCX_FILE"'))


def commands_store_and_give_back(folder):
    store = folder / "store"
    store.mkdir()
    with Journal(folder / "run", *commands(store)) as journal:
        journal.start()
        journal.load(2 * RECORDS)
        closed = archived(journal)
        journal.stop()
    assert len(list(store.iterdir())) == closed
    assert filecmp.cmp(journal.dir / name(2), store / f"shard-00001-{name(2)}", shallow=False)


def a_store_is_read_again(folder):
    """What the commands have stored is fetched and walked; damage in it is told, counted, and taken back when the store has the segment again."""
    store = folder / "store"
    store.mkdir()
    with Journal(folder / "run", *commands(store), "archive.scrub_mib_per_s=200") as journal:
        journal.start()
        journal.load(2 * RECORDS)
        closed = archived(journal)
        wait_for("a pass", lambda: journal.said("the archive was read again, up to segment"))
        assert journal.shard()["SegmentsDamaged"] == 0 and closed >= 2
        kept = store / f"shard-00001-{name(2)}"
        flip(kept, 400000)
        wait_for("the alarm", lambda: journal.said("alarm: damage in the archive: segment 2"))
        assert journal.shard()["SegmentsDamaged"] == 1
        for _ in range(2):
            journal.load(100)
            journal.snapshot()
        time.sleep(0.5)
        assert journal.segments()[0] == 1, "nothing is removed that the archive holds damaged"
        flip(kept, 400000)
        wait_for("the end of it", lambda: journal.shard()["SegmentsDamaged"] == 0)
        assert journal.said("is as it was stored again")
        let_go(journal)


def a_command_that_fails_keeps_the_segment(folder):
    store = folder / "store"
    with Journal(folder / "run", *commands(store)) as journal:  # the folder does not exist
        journal.start()
        journal.load(2 * RECORDS)
        wait_for("the alarm", lambda: journal.said("alarm: cannot archive: the archive command ended with status 1"))
        shard = journal.shard()
        assert shard["ArchiveFailing"] == 1 and shard["ArchivedSegment"] == 0 and journal.segments()[0] == 1, shard
        store.mkdir()
        archived(journal)
        let_go(journal)
        assert journal.shard()["ArchiveFailing"] == 0 and journal.said("archiving goes on")


def what_does_not_come_back_is_not_archived(folder):
    store = folder / "store"
    store.mkdir()
    lie = f'cp {store}/"$WCX_NAME" "$WCX_FILE" && printf nonsense | dd of="$WCX_FILE" bs=1 seek=500000 conv=notrunc 2>/dev/null'
    with Journal(folder / "run", *commands(store, fetch=lie)) as journal:
        journal.start()
        journal.load(2 * RECORDS)
        journal.snapshot()
        journal.load(100)
        journal.snapshot()
        wait_for("the alarm", lambda: journal.said("alarm: cannot archive: segment 1 in"))
        assert journal.shard()["ArchivedSegment"] == 0 and journal.segments()[0] == 1


def replica_has_read_it(journal):
    """A replica that meets damage halts, as it should: it has to be past the place."""
    wait_for("the replica", lambda: journal.shard()["ReplicaSeq"] >= 2 * RECORDS)


def damage_is_found_and_repaired(folder):
    archive = folder / "archive"
    with Journal(folder / "run", f"archive.dir={archive}", "archive.scrub_mib_per_s=200") as journal:
        journal.start()
        journal.load(2 * RECORDS)
        archived(journal)
        replica_has_read_it(journal)
        flip(journal.dir / name(2), 400000)
        wait_for("the repair", lambda: journal.shard()["SegmentsRepaired"] == 1)
        (journal.dir / name(3)).unlink()
        wait_for("the second repair", lambda: journal.shard()["SegmentsRepaired"] == 2)
        passes = journal.shard()["ScrubPasses"]
        wait_for("another pass", lambda: journal.shard()["ScrubPasses"] > passes + 1)
        assert journal.shard()["SegmentsDamaged"] == 0 and journal.said("alarm: damage: segment 2") and journal.said("segment 3 is repaired from the archive")
        journal.stop()
    for segment in (2, 3):
        assert filecmp.cmp(journal.dir / name(segment), archive / "journal/shard-00001" / name(segment), shallow=False)
    assert digests(journal.state) == digests(archive)


def scrubbing_keeps_its_pace(folder):
    """Closed segments are read for ever, and the disk belongs to who commits."""
    mib_per_s, seconds = 20, 3
    with Journal(folder / "run", f"archive.scrub_mib_per_s={mib_per_s}") as journal:
        journal.start()
        journal.load(2 * RECORDS)
        wait_for("the first pass", lambda: journal.shard()["ScrubPasses"] > 0)
        before, since = journal.shard(), time.monotonic()
        time.sleep(seconds)
        after, took = journal.shard(), time.monotonic() - since
        passed_mib = (after["ScrubPasses"] - before["ScrubPasses"]) * after["ClosedSegment"]
        assert seconds * mib_per_s / 4 < passed_mib < (took + 0.2) * mib_per_s + after["ClosedSegment"], f"{passed_mib} MiB in {took:.1f} s"


def damage_without_an_archive_is_told_and_left(folder):
    with Journal(folder / "run", "archive.scrub_mib_per_s=200") as journal:
        journal.start()
        journal.load(2 * RECORDS)
        replica_has_read_it(journal)
        before = (journal.dir / name(2)).read_bytes()
        flip(journal.dir / name(2), 400000)
        wait_for("the alarm", lambda: journal.shard()["SegmentsDamaged"] == 1)
        time.sleep(0.3)
        journal.load(100)  # the appliance goes on
        assert journal.shard()["SegmentsRepaired"] == 0
        flip(journal.dir / name(2), 400000)
        assert (journal.dir / name(2)).read_bytes() == before


def a_damaged_copy_repairs_nothing(folder):
    archive = folder / "archive"
    with Journal(folder / "run", f"archive.dir={archive}", "archive.scrub_mib_per_s=200") as journal:
        journal.start()
        journal.load(2 * RECORDS)
        archived(journal)
        replica_has_read_it(journal)
        flip(archive / "journal/shard-00001" / name(2), 700000)
        flip(journal.dir / name(2), 400000)
        wait_for("the alarm", lambda: journal.shard()["SegmentsDamaged"] == 1)
        for _ in range(2):
            journal.load(100)
            journal.snapshot()
        time.sleep(0.5)
        assert journal.shard()["SegmentsRepaired"] == 0 and journal.segments()[0] == 1, "and nothing is removed while it stands"
        assert not (journal.dir / "repair.tmp").exists()


def tree(archive):
    return {path.relative_to(archive): path.read_bytes() for path in archive.rglob("*") if path.is_file() and path.name != "lock"}


def lose_and_restore(folder, lost):
    """Back up, run on for `lost` records, lose the state, restore the backup, run on: the archive has the only copy of what was lost."""
    archive = folder / "archive"
    with Journal(folder / "run", f"archive.dir={archive}", "archive.scrub_mib_per_s=200") as journal:
        journal.start()
        journal.load(RECORDS)
        journal.stop()
        status, _, err = journal.ctl("backup", "--into", folder / "old")
        assert status == 0, err
        journal.start()
        load = journal.load(lost)
        wait_for("the tail", lambda: journal.shard().get("ShippedSeq") == load["Released"])
        journal.stop()
        before, wanted = tree(archive), digests(archive)
        shutil.rmtree(journal.state)
        journal.region.unlink()
        status, _, err = journal.ctl("restore", "--backup", folder / "old")
        assert status == 0, err
        journal.start()
        assert journal.load(2 * RECORDS)["Cut"] < load["Released"]
        wait_for("the alarm", lambda: journal.said("alarm: cannot archive"))
        for _ in range(2):
            journal.snapshot()
            journal.load(100)
        time.sleep(0.5)
        assert journal.shard()["ArchiveFailing"] == 1 and journal.segments()[0] == 1, "nothing is removed: no copy of it is in the archive"
        journal.stop()
        digests(journal.state)
    assert tree(archive) == before and digests(archive) == wanted
    status, lines, err = ctl("--state-dir", folder / "again", "restore", "--backup", archive)
    assert status == 0 and lines[0]["Restore"]["LastSeq"] == load["Released"], (lines, err)


def a_restore_from_before_leaves_the_open_segment(folder):
    lose_and_restore(folder, 100)


def a_restore_from_before_leaves_closed_segments(folder):
    lose_and_restore(folder, RECORDS)


sys.exit(run_points([the_archive_is_the_journal, what_everybody_let_go_of_is_removed, deaths_leave_the_archive_equal, commands_store_and_give_back, a_store_is_read_again, a_command_that_fails_keeps_the_segment,
            what_does_not_come_back_is_not_archived, damage_is_found_and_repaired, scrubbing_keeps_its_pace, damage_without_an_archive_is_told_and_left, a_damaged_copy_repairs_nothing,
            a_restore_from_before_leaves_the_open_segment, a_restore_from_before_leaves_closed_segments]))
