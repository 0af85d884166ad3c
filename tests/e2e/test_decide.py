#!/usr/bin/env python3
"""A journal that no crash explains: its worker refuses, two operators decide where it ends, and the next start cuts there, once, and keeps what it cuts away.

wcx-controld with its workers and a load in place of the data plane: no root, no namespaces. Owns no poll core."""
import shutil
import struct
import sys
import tempfile
from pathlib import Path

from journallib import ROOT, Journal, ctl, flip, make_operators, run_points, wait_for

BLOCK_MAGIC = b"wcxblock"
RECORDS = 400


class Appliance(Journal):
    def __init__(self, folder):
        self.operators, self.keys = make_operators(folder)
        super().__init__(folder / "run", f"paths.operators_file={self.operators}")

    def start(self, wait=True):
        self.stop()
        super().start(wait)

    def blocks(self):
        """(segment path, offset, block_no, last seq) of every whole block by its header."""
        found = []
        for path in sorted(self.dir.glob("seg-*.wcj")):
            data = path.read_bytes()
            offset = 4096
            while offset < len(data) and data[offset:offset + 8] == BLOCK_MAGIC:
                block_no, first_seq, count, _, size = struct.unpack_from("<QQIII", data, offset + 24)
                found.append((path, offset, block_no, first_seq + count - 1))
                offset += size
        return found

    def ask(self, *args):
        return ctl("--state-dir", self.state, "--region", self.region, "journal", *args)

    def finding(self):
        status, lines, err = self.ask("finding")
        assert status == 0, err
        return lines[0]["JournalFinding"]

    def sign(self, name, *args, reason="a sector rotted"):
        status, lines, err = self.ask("sign", "--operator", name, "--key", self.keys[name], "--reason", reason, *args)
        assert status == 0, err
        return lines[0]["JournalSignature"]["Approval"]

    def decide(self, *approvals, args=(), reason="a sector rotted"):
        given = [part for one in approvals for part in ("--approve", one)]
        return self.ask("decide", "--operators", self.operators, "--reason", reason, *given, *args)

    def digests(self, seq=None):
        args = () if seq is None else ("--at", seq)
        status, lines, err = self.ctl("journal", "verify", *args)
        assert status == 0, err
        verify = lines[0]["JournalVerify"]
        decisions = [line["JournalDecision"] for line in lines[1:]]
        return (verify["Last"] if seq is None else verify["At"][0]), decisions

    def refuses(self, text):
        """The worker ends again and again with that."""
        wait_for(text, lambda: self.said(text), 30)
        assert not self.shard().get("JournalReady", False)

    def forget(self):
        """The log of the start before is no evidence of this one."""
        self.log.unlink(missing_ok=True)


def a_sound_journal_is_not_decided(app):
    app.start()
    app.load(RECORDS)
    status, _, err = app.ask("sign", "--operator", "anna", "--key", app.keys["anna"], "--reason", "x")
    assert status == 3 and "its journal worker runs" in err, (status, err)
    app.stop()
    assert app.finding()["ToDecide"] is False
    status, _, err = app.ask("sign", "--operator", "anna", "--key", app.keys["anna"], "--reason", "x")
    assert status == 3 and "there is nothing to decide" in err, (status, err)


def a_halt_that_loses_nothing_is_told(app):
    app.before, _ = app.digests()
    app.spare = sorted(app.dir.glob("seg-*.wcj"))[-1]
    app.kept = app.spare.read_bytes()
    flip(app.spare, 5)
    app.forget()
    app.start(wait=False)
    app.refuses("two persons decide that nothing is in it")
    found = app.finding()
    assert found["Verdict"] == "halt" and found["Row"] == 5 and found["ToDecide"] and not found["Decided"], found
    assert found["LastSeq"] == app.before["Seq"] and found["LosesTo"] == 0 and found["RegionSeq"] == app.before["Seq"], found


def one_person_is_not_two(app):
    anna = app.sign("anna")
    carla = app.sign("carla")
    other = app.sign("berta", reason="another reason")
    for approvals, says in (((anna,), "two --approve"), ((anna, anna), "two persons must sign"), ((anna, carla), "'carla'"), ((anna, "berta" + anna[4:]), "'berta' does not hold"),
                            ((anna, other), "'berta' does not hold")):
        status, _, err = app.decide(*approvals)
        assert status in (2, 3) and says in err, (says, status, err)
        assert status == 3 or len(approvals) == 1, (status, approvals)
    assert not (app.dir / "decisions").exists()


def of_exactly_those_bytes(app):
    """Signatures on what was found do not serve for what is found now."""
    signed = [app.sign(name) for name in ("anna", "berta")]
    flip(app.spare, 9000)
    status, _, err = app.decide(*signed)
    assert status == 3 and "does not hold" in err, (status, err)
    flip(app.spare, 9000)


def of_exactly_that_journal(app):
    """The same damage in a journal of the same making: another journal_id."""
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder, Journal(Path(folder) / "run") as other:
        other.start()
        other.load(RECORDS)
        other.stop()
        flip(sorted(other.dir.glob("seg-*.wcj"))[-1], 5)
        signed = [part for name in ("anna", "berta") for part in ("--approve", app.sign(name))]
        status, _, err = other.ctl("journal", "decide", "--operators", app.operators, "--reason", "a sector rotted", *signed)
        assert status == 3 and "does not hold" in err, (status, err)
        assert not (other.dir / "decisions").exists()


def two_persons_decide_and_the_next_start_obeys(app):
    status, _, err = app.decide(app.sign("anna"), app.sign("berta"))
    assert status == 0, err
    wait_for("the worker", lambda: app.shard().get("FlushedSeq") == app.before["Seq"] and app.said("by a decision of two operators"))
    status, _, err = app.ask("finding")
    assert status == 3 and "its journal worker runs" in err
    after, decisions = app.digests()
    assert after == app.before, (after, app.before)
    assert len(decisions) == 1 and decisions[0]["State"] == "done" and decisions[0]["InChain"] and decisions[0]["CutSeq"] == app.before["Seq"] and decisions[0]["LosesTo"] == 0, decisions
    assert decisions[0]["Operators"] == ["anna", "berta"], decisions
    assert next(app.dir.glob("cut-00-*")).stat().st_size == len(app.kept)
    assert app.load(RECORDS)["Released"] == app.before["Seq"] + RECORDS
    app.stop()
    app.forget()
    app.start()
    assert not app.said("by a decision of two operators"), "it is carried out once"
    app.digests()


def what_was_acknowledged_is_typed_out(app):
    app.load(RECORDS)
    app.stop()
    path, offset, _, last = app.blocks()[-1]
    while app.blocks()[-1][3] == app.blocks()[-2][3]:  # a RECOVERY block holds nothing to lose
        raise AssertionError("the last block holds no record")
    app.cut = app.blocks()[-2][3]
    app.at_cut, _ = app.digests(app.cut)
    flip(path, offset + 3)
    found = app.finding()
    assert (found["LastSeq"], found["LosesFrom"], found["LosesTo"]) == (app.cut, app.cut + 1, last), found
    app.lose = ("--lose-acknowledged", f"{app.cut + 1}..{last}")
    for args in ((), ("--lose-acknowledged", f"{app.cut + 1}..{last - 1}"), ("--lose-acknowledged", f"{app.cut + 2}..{last}")):
        status, _, err = app.ask("sign", "--operator", "anna", "--key", app.keys["anna"], "--reason", "x", *args)
        assert status == 3 and f"--lose-acknowledged {app.cut + 1}..{last}" in err, (args, status, err)
    signed = [app.sign(name, *app.lose) for name in ("anna", "berta")]
    status, _, err = app.decide(*signed)
    assert status == 3 and "loses what was acknowledged" in err, (status, err)
    status, _, err = app.decide(*signed, args=("--lose-acknowledged", f"{app.cut + 1}..{last + 1}"))
    assert status == 3 and "does not hold" in err, (status, err)
    status, _, err = app.decide(*signed, args=app.lose)
    assert status == 0 and "remove the region" in err, (status, err)
    status, _, err = app.decide(*signed, args=app.lose)
    assert status == 3 and "decided already" in err, (status, err)


def a_region_that_remembers_more_is_believed(app):
    app.forget()
    app.start(wait=False)
    app.refuses("stop everything and remove the region")
    app.stop()
    pages = (app.dir / "decisions").read_bytes()
    assert app.finding()["Decided"], "nothing was changed"
    assert pages[-4096:] == bytes(4096), "nothing was begun"


def a_changed_decision_is_not_obeyed(app):
    kept = (app.dir / "decisions").read_bytes()
    shutil.move(app.region, app.region.with_suffix(".old"))
    flip(app.dir / "decisions", len(kept) - 8192 + 200)
    app.forget()
    app.start(wait=False)
    app.refuses("does not serve")
    app.stop()
    (app.dir / "decisions").write_bytes(kept)
    app.operators.write_text(app.operators.read_text().replace("berta", "bertha"))
    app.forget()
    app.start(wait=False)
    wait_for("the alarm", lambda: app.said("decision refused"))
    app.refuses("has not found its signatures good")
    app.stop()
    app.operators.write_text(app.operators.read_text().replace("bertha", "berta"))


def then_it_is_lost_and_said(app):
    app.forget()
    app.start()
    wait_for("the worker", lambda: app.said("by a decision of two operators"))
    after, decisions = app.digests()
    assert after == app.at_cut, (after, app.at_cut)
    assert decisions[1]["State"] == "done" and decisions[1]["InChain"] and decisions[1]["LosesFrom"] == app.cut + 1, decisions
    assert decisions[0]["InChain"], decisions
    assert app.load(RECORDS)["Released"] == app.cut + RECORDS
    app.stop()
    status, _, err = app.ctl("verify", "integrity")
    assert status == 0, err
    status, _, err = app.ctl("backup", "--into", app.run.parent / "backup")
    assert status == 0, err
    status, _, err = ctl("--state-dir", app.run.parent / "restored", "restore", "--backup", app.run.parent / "backup")
    assert status == 0, err
    status, lines, err = ctl("--state-dir", app.run.parent / "restored", "journal", "verify")
    assert status == 0 and len(lines) == 3, (lines, err)


def main():
    with tempfile.TemporaryDirectory(prefix="test-decide-", dir=ROOT / "build") as folder, Appliance(Path(folder)) as app:
        return run_points([a_sound_journal_is_not_decided, a_halt_that_loses_nothing_is_told, one_person_is_not_two, of_exactly_those_bytes, of_exactly_that_journal,
                           two_persons_decide_and_the_next_start_obeys, what_was_acknowledged_is_typed_out, a_region_that_remembers_more_is_believed, a_changed_decision_is_not_obeyed,
                           then_it_is_lost_and_said], app)


sys.exit(main())
