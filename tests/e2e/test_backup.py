#!/usr/bin/env python3
"""wcxctl backup, restore and verify integrity: full, into the same directory again, increments, of a living and a dead appliance, and what they refuse. Owns no poll core."""
import filecmp
import os
import shutil
import sys

from journallib import Journal, ctl, flip, run_points, wait_for

RECORDS = 20000


def last(state_dir):
    status, lines, err = ctl("--state-dir", state_dir, "journal", "verify")
    assert status == 0, err
    return lines[0]["JournalVerify"]["Last"]


def sound(state_dir, *more):
    status, lines, err = ctl("--state-dir", state_dir, "verify", "integrity", *more)
    assert status == 0, err
    return lines[0]["Integrity"]


def backup(state_dir, into, *more):
    status, lines, err = ctl("--state-dir", state_dir, "backup", "--into", into, *more)
    assert status == 0, err
    return lines[0]["Backup"]


def restore(state_dir, *froms):
    args = [part for one in froms for part in ("--backup", one)]
    return ctl("--state-dir", state_dir, "restore", *args)


def a_full_one_comes_back(folder):
    with Journal(folder / "run") as journal:
        journal.start()
        load = journal.load(RECORDS)
        journal.stop()
        done = backup(journal.state, folder / "backup")
        assert done["LastSeq"] == load["Committed"], done
        wanted = last(journal.state)
        assert last(folder / "backup") == wanted
        assert sound(folder / "backup")["Replayed"]
        shutil.rmtree(journal.state)
        status, lines, err = restore(journal.state, folder / "backup")
        assert status == 0 and lines[0]["Restore"]["LastSeq"] == load["Committed"], err
        assert last(journal.state) == wanted
        journal.region.unlink()  # another boot: what the region knew is gone
        journal.start()
        again = journal.load(1000)
        assert again["Cut"] == load["Committed"] and again["Released"] == load["Committed"] + 1000, again
        journal.stop()
        assert sound(journal.state)["LastSeq"] == again["Released"]


def a_restored_journal_is_written_whole(folder):
    with Journal(folder / "run") as journal:
        journal.start()
        journal.load(RECORDS)
        journal.stop()
    backup(journal.state, folder / "backup")
    status, _, err = restore(folder / "new", folder / "backup")
    assert status == 0, err
    for path in (folder / "new/journal/shard-00001").glob("seg-*.wcj"):
        assert path.stat().st_blocks * 512 >= path.stat().st_size, "a hole: its blocks would be allocated while orders wait"


def a_living_appliance_is_backed_up(folder):
    with Journal(folder / "run") as journal:
        journal.start()
        journal.load(RECORDS)
        status, lines, err = ctl("--state-dir", journal.state, "--region", journal.region, "backup", "--into", folder / "backup")
        assert status == 0, err
        first = lines[0]["Backup"]["LastSeq"]
        assert sound(folder / "backup")["LastSeq"] == first
        load = journal.load(RECORDS)
        status, lines, err = ctl("--state-dir", journal.state, "--region", journal.region, "backup", "--into", folder / "backup", "--incremental")
        assert status == 0 and lines[0]["Backup"]["LastSeq"] == load["Released"] > first, (lines, err)
        journal.stop()
    assert last(folder / "backup") == ctl("--state-dir", journal.state, "journal", "replay", "--until", load["Released"])[1][0]["JournalReplay"]["At"]


def increments_add_up(folder):
    with Journal(folder / "run") as journal:
        made = []
        for name in ("full", "first", "second"):
            journal.start()
            journal.load(RECORDS)
            journal.stop()
            since = ("--since", made[-1]) if made else ()
            done = backup(journal.state, folder / name, *since)
            assert (done["FirstSegment"] == 1) == (not made), done
            made.append(folder / name)
    status, _, err = restore(folder / "new", *made)
    assert status == 0, err
    assert last(folder / "new") == last(journal.state)
    whole = sum(path.stat().st_blocks for path in (folder / "full").rglob("*.wcj"))
    part = sum(path.stat().st_blocks for path in (folder / "second").rglob("*.wcj"))
    assert part < 2 * whole, (part, whole)
    status, _, err = restore(folder / "gap", made[0], made[2])
    assert status == 1, "an increment is missing"
    assert not (folder / "gap/journal/shard-00001").exists()
    status, _, err = restore(folder / "order", made[1], made[0])
    assert status == 1 or not ctl("--state-dir", folder / "order", "journal", "replay")[1], err


def a_journal_from_before_is_not_added(folder):
    """A backup that goes further than the journal has what the journal lost."""
    with Journal(folder / "run") as journal:
        journal.start()
        journal.load(1000)
        journal.stop()
        backup(journal.state, folder / "old")
        journal.start()
        journal.load(6000)  # into the second segment: the shorter journal ends where the target goes on
        journal.stop()
    done = backup(journal.state, folder / "new")
    status, _, err = restore(folder / "back", folder / "old")
    assert status == 0, err
    status, _, err = ctl("--state-dir", folder / "back", "backup", "--into", folder / "new", "--incremental")
    assert status == 1 and "goes on to block" in err, err
    assert last(folder / "new") == last(journal.state) and sound(folder / "new")["LastSeq"] == done["LastSeq"]


def refuses_to_write_over(folder):
    with Journal(folder / "run") as journal:
        journal.start()
        journal.load(1000)
        journal.stop()
    backup(journal.state, folder / "backup")
    status, _, err = restore(journal.state, folder / "backup")
    assert status == 3 and "never writes over a journal" in err, err
    status, _, err = ctl("--state-dir", journal.state, "backup", "--into", folder / "backup")
    assert status == 3 and "holds a backup" in err, err
    status, _, err = ctl("--state-dir", journal.state, "backup", "--into", folder / "none", "--incremental")
    assert status == 3 and "holds no backup" in err, err
    status, _, err = ctl("--state-dir", journal.state, "backup")
    assert status == 2 and "--into" in err, err
    with Journal(folder / "other") as other:
        other.start()
        other.load(1000)
        other.stop()
    status, _, err = ctl("--state-dir", other.state, "backup", "--into", folder / "backup", "--incremental")
    assert status == 1 and "holds another journal" in err, err


def a_damaged_backup_is_not_restored(folder):
    with Journal(folder / "run") as journal:
        journal.start()
        journal.load(RECORDS)
        journal.stop()
    backup(journal.state, folder / "backup")
    flip(folder / "backup/journal/shard-00001/seg-0000000000000001.wcj", 200000)
    status, _, err = restore(folder / "new", folder / "backup")
    assert status == 1 and "not a whole journal" in err, err
    assert not (folder / "new/journal/shard-00001").exists()
    flip(folder / "backup/journal/shard-00001/seg-0000000000000001.wcj", 200000)
    status, _, err = restore(folder / "new", folder / "backup")
    assert status == 0, err


def the_shorter_source_does_not_win(folder):
    """The open segment of an old backup is the last that the archive has: taken after it, the copy walks, and is shorter."""
    archive = folder / "archive"
    with Journal(folder / "run", f"archive.dir={archive}") as journal:
        journal.start()
        journal.load(1000)
        journal.stop()
        backup(journal.state, folder / "old")
        journal.start()
        load = journal.load(1000)
        journal.snapshot()
        load = journal.load(100)
        wait_for("the tail", lambda: journal.shard().get("ShippedSeq") == load["Released"])
        journal.stop()
    shutil.copytree(journal.state / "snapshot", folder / "old/snapshot", dirs_exist_ok=True)
    status, _, err = restore(folder / "new", archive, folder / "old")
    assert status == 1 and f"says {load['Released']}" in err, err
    assert not (folder / "new/journal/shard-00001").exists() and not list((folder / "new").rglob("*.wcs")), "nothing that looks like a state"
    status, lines, err = restore(folder / "new", folder / "old", archive)
    assert status == 0 and lines[0]["Restore"]["LastSeq"] == load["Released"] and lines[0]["Restore"]["Snapshots"] > 0, (lines, err)
    status, lines, err = restore(folder / "short", folder / "old")
    assert status == 0 and lines[0]["Restore"]["Snapshots"] < len(list((folder / "old/snapshot").rglob("*.wcs"))), "no snapshot that the journal does not reach"


def a_cut_backup_is_not_restored(folder):
    """What its last blocks vouch for is gone with them: only the manifest knows."""
    with Journal(folder / "run") as journal:
        journal.start()
        journal.load(RECORDS)
        journal.stop()
    done = backup(journal.state, folder / "backup")
    dir_ = folder / "backup/journal/shard-00001"
    for path in dir_.glob("seg-*.wcj"):
        if int(path.name[4:20], 16) > 1:
            path.unlink()
    status, _, err = restore(folder / "new", folder / "backup")
    assert status == 1 and f"the backup says {done['LastSeq']}" in err, err


def integrity_sees_damage_anywhere(folder):
    archive = folder / "archive"
    with Journal(folder / "run", f"archive.dir={archive}") as journal:
        journal.start()
        load = journal.load(2 * RECORDS)
        shard = journal.shard()
        while shard["ShippedSeq"] < load["Released"]:
            shard = journal.shard()
        journal.stop()
    found = sound(journal.state, "--archive", archive)
    assert found["ArchiveSegments"] >= 3 and found["Replayed"] and found["LastSeq"] == load["Released"], found
    copy = archive / "journal/shard-00001/seg-0000000000000002.wcj"
    flip(copy, 77777)
    status, _, err = ctl("--state-dir", journal.state, "verify", "integrity", "--archive", archive)
    assert status == 1 and "segment 2" in err, err
    flip(copy, 77777)
    assert filecmp.cmp(copy, journal.dir / copy.name, shallow=False)
    snapshot = journal.state / "snapshot/shard-00001"
    snapshot.mkdir(parents=True, exist_ok=True)
    (snapshot / "snap-0000000000000010.wcs").write_bytes(os.urandom(8192))
    status, _, err = ctl("--state-dir", journal.state, "verify", "integrity")
    assert status == 1 and "snap-0000000000000010.wcs" in err, err
    shutil.rmtree(snapshot)
    flip(journal.dir / "seg-0000000000000001.wcj", 77777)
    status, _, err = ctl("--state-dir", journal.state, "verify", "integrity")
    assert status == 1 and "segment 1" in err, err


def snapshots_go_along_and_equal_the_replay(folder):
    with Journal(folder / "run") as journal:
        journal.start()
        journal.load(RECORDS)
        journal.snapshot()
        journal.load(1000)
        journal.stop()
    done = backup(journal.state, folder / "backup")
    assert done["Snapshots"] >= 1, done
    found = sound(folder / "backup")
    assert found["Snapshots"] == found["SnapshotsCompared"] == done["Snapshots"], found
    path = next((folder / "backup/snapshot/shard-00001").glob("snap-*.wcs"))
    flip(path, 5000)
    status, _, err = ctl("--state-dir", folder / "backup", "verify", "integrity")
    assert status == 1 and path.name in err, err


sys.exit(run_points([a_full_one_comes_back, a_restored_journal_is_written_whole, a_living_appliance_is_backed_up, increments_add_up, a_journal_from_before_is_not_added, refuses_to_write_over, a_damaged_backup_is_not_restored,
            the_shorter_source_does_not_win, a_cut_backup_is_not_restored, integrity_sees_damage_anywhere, snapshots_go_along_and_equal_the_replay]))
