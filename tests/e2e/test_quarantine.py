#!/usr/bin/env python3
"""An input that ends every program which replays it: counted, quarantined at the third start, signed away by two persons, and then passed over by everybody.

The data plane runs on a memif nobody is at the other end of: no root, no namespaces. The input is an order of a session that was never defined; the journal takes
it, each engine fails a check on it."""
import json
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from journallib import BIN, LIMIT_S, LOAD, ROOT, Journal, ctl, flip, make_operators, run_points, wait_for

POISON = 999
RECORDS = 200


class Appliance(Journal):
    def __init__(self, folder):
        self.socket = tempfile.mktemp(prefix="wcx-quarantine-", suffix=".sock", dir="/tmp")
        self.operators, self.keys = make_operators(folder)
        super().__init__(folder / "run", "network.port_kind=memif", f"network.device=server:{self.socket}", "memory.hugepages=false", f"paths.operators_file={self.operators}", f"archive.dir={folder / 'archive'}")

    def dataplane(self, until="serves"):
        """Starts a data plane; ends it once it serves. (status, what it said)"""
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen([str(BIN / "wcx-dataplane"), "--region", str(self.region), "--shard-idx", "0"], stdout=out, stderr=subprocess.STDOUT)
            end = time.monotonic() + LIMIT_S
            text = ""
            while process.poll() is None and time.monotonic() < end:
                out.seek(0)
                text = out.read().decode(errors="replace")
                if until in text:
                    process.send_signal(signal.SIGTERM)
                    process.wait(timeout=LIMIT_S)
                time.sleep(0.02)
            if process.poll() is None:
                process.kill()
                process.wait()
            out.seek(0)
            return process.returncode, out.read().decode(errors="replace")

    def poison(self):
        done = subprocess.run([str(LOAD), str(self.region), "1", "0", str(POISON)], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["Committed"]

    def sign(self, name, seq, hash_, reason="a session that is not there", key=None):
        status, lines, err = self.ctl("quarantine", "sign", "--seq", seq, "--hash", hash_, "--reason", reason, "--operator", name, "--key", key or self.keys[name])
        assert status == 0, err
        return lines[0]["QuarantineSignature"]["Approval"]

    def override(self, seq, hash_, *approvals, reason="a session that is not there"):
        args = [part for one in approvals for part in ("--approve", one)]
        return self.ctl("quarantine", "override", "--seq", seq, "--hash", hash_, "--reason", reason, "--operators", self.operators, *args)


class Case:
    seq = hash = None


def an_input_that_ends_two_replays_is_quarantined(app):
    app.start()
    status, text = app.dataplane()
    assert status == 0 and "serves" in text, text
    app.load(RECORDS)
    Case.seq = app.poison()
    app.load(RECORDS)
    for _ in range(2):
        status, text = app.dataplane()
        assert status == -signal.SIGABRT and "is not defined" in text, (status, text)
    for _ in range(2):
        status, text = app.dataplane()
        found = re.search(r"quarantine: input seq (\d+) hash ([0-9a-f]{32})", text)
        assert status == 1 and found and int(found.group(1)) == Case.seq, (status, text)
    Case.hash = found.group(2)


def one_person_is_not_two(app):
    seq, hash_ = Case.seq, Case.hash
    anna = app.sign("anna", seq, hash_)
    for approvals, says in (((anna,), "two --approve"), ((anna, anna), "two persons must sign"), ((anna, app.sign("carla", seq, hash_)), "'carla'"),
                            ((anna, "berta" + anna[4:]), "'berta' does not hold"), ((anna, app.sign("berta", seq, hash_, "another reason")), "'berta' does not hold")):
        status, _, err = app.override(seq, hash_, *approvals)
        assert status in (2, 3) and says in err, (says, status, err)
    assert not (app.dir / "overrides").exists()


def it_is_of_exactly_one_input(app):
    other = ("0" if Case.hash[0] != "0" else "1") + Case.hash[1:]
    args = ("--reason", "x", "--operator", "anna", "--key", app.keys["anna"])
    for at, of, says in ((Case.seq, other, f"has hash {Case.hash}"), (Case.seq - 1, Case.hash, "exactly one input"), (10**9, Case.hash, "is not in the journal")):
        status, _, err = app.ctl("quarantine", "sign", "--seq", at, "--hash", of, *args)
        assert status == 3 and says in err, (says, err)


def an_input_that_can_be_applied_is_not_signed_away(app):
    """The one before it was acknowledged: with its true hash and both signatures it is refused, at the signing and at the override."""
    seq, wrong = Case.seq - 1, "0" * 32
    status, _, err = app.ctl("quarantine", "sign", "--seq", seq, "--hash", wrong, "--reason", "x", "--operator", "anna", "--key", app.keys["anna"])
    hash_ = re.search(r"has hash ([0-9a-f]{32})", err).group(1)
    status, _, err = app.ctl("quarantine", "sign", "--seq", seq, "--hash", hash_, "--reason", "x", "--operator", "anna", "--key", app.keys["anna"])
    assert status == 3 and "is not in quarantine" in err, (status, err)
    page = app.dir / "poison"
    kept = page.read_bytes()
    page.write_bytes(kept[:8] + struct.pack("<Q", seq) + kept[16:])
    signatures = [app.sign(name, seq, hash_, "x") for name in ("anna", "berta")]
    page.write_bytes(kept)
    status, _, err = app.override(seq, hash_, *signatures, reason="x")
    assert status == 3 and "is not in quarantine" in err, (status, err)
    assert not (app.dir / "overrides").exists()


def the_replica_ends_at_it_too(app):
    wait_for("its end", lambda: any("wcx-replica-0" in line and "signal 6" in line for line in app.log.read_text().splitlines()))


def two_signatures_let_everybody_go_on(app):
    seq, hash_ = Case.seq, Case.hash
    status, _, err = app.override(seq, hash_, app.sign("anna", seq, hash_), app.sign("berta", seq, hash_))
    assert status == 0, err
    app.snapshot()  # the replica
    wait_for("the data plane", lambda: "serves" in app.dataplane()[1])
    status, lines, err = app.ctl("quarantine", "list")
    assert status == 0 and lines[0]["QuarantineOverride"]["Operators"] == ["anna", "berta"] and lines[0]["QuarantineOverride"]["Seq"] == seq, (lines, err)
    load = app.load(10)
    wait_for("the archive", lambda: app.shard().get("ShippedSeq") == load["Released"])
    status, lines, err = app.ctl("verify", "integrity")
    assert status == 0 and lines[0]["Integrity"]["Replayed"] and lines[0]["Integrity"]["SnapshotsCompared"] >= 1, (lines, err)
    status, lines, err = app.ctl("journal", "dump", "--from", seq, "--to", seq)
    assert status == 0 and "Tick" in json.dumps(lines), lines


def archive_and_backup_pass_over_it(app):
    folder = app.run.parent
    status, lines, err = ctl("--state-dir", folder / "archive", "journal", "replay", "--until", Case.seq)
    assert status == 0 and lines[0]["JournalReplay"]["At"]["Seq"] == Case.seq, err
    status, _, err = app.ctl("backup", "--into", folder / "backup")
    assert status == 0, err
    status, _, err = ctl("--state-dir", folder / "restored", "restore", "--backup", folder / "backup")
    assert status == 0, err
    status, lines, err = ctl("--state-dir", folder / "restored", "verify", "integrity")
    assert status == 0 and lines[0]["Integrity"]["Replayed"], err


def a_forged_file_is_refused(app):
    """Who can write the state directory cannot sign: with another key for berta, the page that is there counts for nothing."""
    app.operators.write_text(app.operators.read_text().replace("berta", "bertha"))
    os.kill(app.daemon.pid, signal.SIGKILL)
    app.daemon.wait()
    app.start()
    wait_for("the alarm", lambda: app.said("overrides refused"))
    status, text = app.dataplane()
    assert status == 1 and "has not found good" in text, text
    app.stop()
    flip(app.dir / "overrides", 100)
    status, _, err = app.ctl("journal", "replay")
    assert status == 1 and "`overrides` does not serve" in err, err


def main():
    with tempfile.TemporaryDirectory(prefix="test-quarantine-", dir=ROOT / "build") as folder, Appliance(Path(folder)) as app:
        return run_points([an_input_that_ends_two_replays_is_quarantined, one_person_is_not_two, it_is_of_exactly_one_input, an_input_that_can_be_applied_is_not_signed_away, the_replica_ends_at_it_too, two_signatures_let_everybody_go_on,
                           archive_and_backup_pass_over_it, a_forged_file_is_refused], app)


sys.exit(main())
