#!/usr/bin/env python3
"""wcxctl journal verify, dump and replay over the state directory of a journal that a real worker wrote: offline, and what they refuse. Owns no poll core."""
import shutil
import sys

from journallib import Journal, ctl, flip, run_points, wait_for

RECORDS = 6000


def written(folder):
    with Journal(folder) as journal:
        journal.start()
        load = journal.load(RECORDS)
        journal.stop()
    return journal, load["Committed"]


def replays_to_the_same_digests_as_verify(folder):
    journal, last = written(folder)
    middle = last // 2
    status, lines, err = journal.ctl("journal", "verify", "--at", middle, "--at", last)
    assert status == 0, err
    wanted = lines[0]["JournalVerify"]
    assert wanted["Verdict"] == "clean" and wanted["LastSeq"] == last, wanted
    for seq, digests in ((middle, wanted["At"][0]), (last, wanted["At"][1])):
        status, lines, err = journal.ctl("journal", "replay", "--until", seq)
        assert status == 0 and lines[0]["JournalReplay"]["At"] == digests, (err, lines)
    status, lines, err = journal.ctl("journal", "replay")
    assert status == 0 and lines[0]["JournalReplay"]["At"] == wanted["At"][1], (err, lines)
    assert wanted["At"][0]["StateDigest"] != wanted["At"][1]["StateDigest"]


def refuses_beyond_the_end(folder):
    journal, last = written(folder)
    status, lines, err = journal.ctl("journal", "replay", "--until", last + 1)
    assert status == 3 and not lines and f"the journal ends at {last}" in err, (status, lines, err)


def dumps_every_record_once(folder):
    journal, last = written(folder)
    status, lines, err = journal.ctl("journal", "dump")
    assert status == 0, err
    assert len(lines) == last
    status, part, _ = journal.ctl("journal", "dump", "--from", 100, "--to", 110)
    assert status == 0 and part == lines[99:110]


def says_when_there_is_nothing_to_show(folder):
    journal, _ = written(folder)
    status, lines, err = journal.ctl("drop-copy", "show", "--session", 1)
    assert status == 0 and lines and not err, err
    for noun, line, text in (("drop-copy", ("--session", 99), "session 99 has no report of "), ("feed", ("--from", 10, "--to", 5), "has no message in 10..5"),
                             ("feed", ("--date", 20990101), "the feed of 20990101")):
        status, lines, err = journal.ctl(noun, "show", *line)
        assert status == 0 and not lines and text in err, (status, lines, err)


def names_what_is_damaged(folder):
    journal, last = written(folder)
    flip(journal.dir / "seg-0000000000000001.wcj", 300000)
    for verb in ("verify", "dump", "replay"):
        status, _, err = journal.ctl("journal", verb)
        assert status == 1 and "acknowledged data is damaged" in err and "segment 1" in err, (verb, status, err)
    first = (journal.dir / "seg-0000000000000001.wcj").stat().st_size
    assert first == 1 << 20, "nothing was changed"
    assert last > 0


def names_what_is_missing(folder):
    journal, _ = written(folder)
    (journal.dir / "superblock").unlink()
    status, _, err = journal.ctl("journal", "verify")
    assert status == 1 and "there is no journal yet" in err, err
    shutil.rmtree(journal.dir)
    status, _, err = journal.ctl("journal", "replay")
    assert status == 1 and "holds no journal" in err, err
    status, _, err = ctl("journal", "replay", "--until", "x")
    assert status == 2 and "not a number" in err, err


def refusals(journal):
    return journal.log.read_text().count("acknowledged inputs are missing")


def does_not_start_behind_its_snapshots(folder):
    """An older backup put back beside newer snapshots, and no journal at all: the worker says what is missing and writes nothing."""
    with Journal(folder) as journal:
        journal.start()
        journal.load(RECORDS)
        journal.stop()
        status, _, err = journal.ctl("backup", "--into", folder / "backup")
        assert status == 0, err
        journal.start()
        journal.load(RECORDS)
        journal.snapshot()
        journal.stop()
        shutil.rmtree(journal.dir)
        journal.region.unlink()  # another boot
        for restored in (False, True):
            if restored:
                shutil.rmtree(journal.dir, ignore_errors=True)
                status, _, err = journal.ctl("restore", "--backup", folder / "backup")
                assert status == 0, err
            before = {path.name: path.read_bytes() for path in journal.dir.glob("*")}
            said = refusals(journal)
            journal.start(wait=False)
            wait_for("the refusal", lambda: refusals(journal) > said)
            journal.stop()
            names = set(before) | {"superblock", "anchors"} if restored else {"superblock"}
            for name in names:
                path = journal.dir / name
                assert (path.read_bytes() if path.exists() else None) == before.get(name), name
        for path in (journal.state / "snapshot/shard-00001").glob("snap-*.wcs"):
            path.unlink()
        journal.start()  # with the snapshots away it is the operator's decision


def refuses_a_wrong_line(folder):
    """Before anything is looked at, with what is wrong in its words, and exit status 2."""
    lines = ((("--nothing",), "--help"), (("foo", "bar"), "'foo bar'"), (("status", "more"), "'status more'"), (("-o", "xml", "status"), "'xml'"), (("-o", "raw", "status"), "-o raw"),
             (("journal", "dump", "--from", "99999999999999999999"), "'99999999999999999999'"), (("book", "show", "--at", "-1"), "'-1'"), (("book", "show", "--shard", "65536"), "0..65535"),
             (("journal", "sign", "--lose-acknowledged", "2..1"), "'2..1'"), (("drop-copy", "show"), "--session ID"), (("backup",), "--into DIR"), (("backup", "--into", ""), "''"),
             (("backup", "--into", "x" * 256), "255 characters"), (("restore", "--backup", "x" * 256), "255 characters"), (("restore",), "--backup DIR"),
             (("quarantine", "override", *3 * ("--approve", "a:b")), "two --approve"))
    for line, text in lines:
        status, shown, err = ctl("--state-dir", folder, *line)
        assert status == 2 and text in err and not shown, (line, status, err)


sys.exit(run_points([replays_to_the_same_digests_as_verify, refuses_beyond_the_end, dumps_every_record_once, says_when_there_is_nothing_to_show, names_what_is_damaged, names_what_is_missing,
            does_not_start_behind_its_snapshots, refuses_a_wrong_line]))
