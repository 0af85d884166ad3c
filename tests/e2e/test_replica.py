#!/usr/bin/env python3
"""Snapshots and starts from them, under load: the replica is killed (WCX_KILLS times, 6), while it follows and while it takes one; the data plane is killed as often
and begins with a snapshot; a damaged snapshot is passed over, and a cold start finds what there is.

A client that shares no code with the appliance watches that no number ever carries two contents; the digests that the live engine published are those of a
replay of the journal.
"""
import json
import os
import random
import re
import signal
import subprocess
import time

from wcxlib import ROOT, Appliance, Feed, Session, Tap, Witness, require, summary_of

KILLS = int(os.environ.get("WCX_KILLS", "6"))
RECOVER_S = 15.0


class Trader:
    """Trades a little, sees every number, and signs on again when the server falls silent."""

    def __init__(self, app, feed, witness):
        self.session = Session(app, 3, witness)
        self.feed = feed
        self.sent_at = self.beat = 0.0
        self.acked, self.seen = 0, 0

    def sign_on(self):
        return self.session.establish(timeout=1.0, Flags=4, KeepAliveInterval=200, CODTimeoutWindow=20000)

    def step(self):
        now = time.monotonic()
        if now - self.sent_at > 0.004 and self.session.mold_session:
            self.sent_at = now
            self.session.order("Buy", 50, 1, tif="IOC")
        if now - self.beat > 0.1:
            self.beat = now
            self.session.heartbeat()
        self.session.pump(0.002)
        self.feed.pump()
        for _, name, fields in self.session.messages[self.seen:]:
            if name == "ExecutionReport_New":
                self.acked = max(self.acked, fields["ClOrdID"])
        self.seen = len(self.session.messages)
        if now - self.session.last_rx > 0.7:
            self.sign_on()

    def trades(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.step()

    def trades_on(self):
        """Until an order sent after this call is acknowledged."""
        last, until = self.session.cl_ord_id, time.monotonic() + RECOVER_S
        while time.monotonic() < until:
            self.step()
            if self.acked > last:
                return True
        return False

    def until(self, predicate, seconds=RECOVER_S):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.step()
            if predicate():
                return True
        return False


def shard(app):
    return app.wcxctl("status")[0]["Status"]["Shards"][0]


def verified_snapshots(app):
    """One that the replica replaces meanwhile is passed over."""
    return [line["SnapshotVerify"]["Good"] for line in app.wcxctl("snapshot", "verify")]


def snapshots(app):
    return [line["Snapshot"] for line in app.wcxctl("snapshot", "list")]


def begun_with(app):
    """The snapshot that the newest data plane began with."""
    lines = re.findall(r"serves on .* (\d+) of them from a snapshot", "".join(path.read_text() for path in (app.run / "log").glob("dataplane*.log")))
    return int(lines[-1]) if lines else -1


def kill_the_replica(tap, app, trader, dice):
    bad, took = [], []
    for n in range(KILLS):
        trader.trades(0.1 + dice.random() * 0.3)
        taking = None
        if n % 2:
            taking = subprocess.Popen([str(ROOT / "build/bin/wcxctl"), "--control-dir", str(app.run / "control"), "--state-dir", str(app.state), "snapshot", "take"],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            app.children.append(taking)
            trader.trades(0.01 + dice.random() * 0.2)
        start = time.monotonic()
        old = app.kill("replica")
        fresh = app.wait_pid("replica", old)
        released = shard(app)["ReleaseSeq"]
        if fresh is None or not trader.until(lambda: shard(app)["ReplicaSeq"] >= released):
            bad.append((n, old, fresh, shard(app)))
        took.append(time.monotonic() - start)
        if taking is not None and taking.wait(timeout=70) != 0:
            bad.append((n, "the snapshot that was asked for never came"))
    took.sort()
    tap.ok(not bad, f"{KILLS} x kill -9 of the replica, half of them while it takes a snapshot: it follows again", (bad, app.logs()))
    tap.note(f"replica: caught up after p50 {took[len(took) // 2]:.2f} s, worst {took[-1]:.2f} s")


def kill_the_dataplane(tap, app, trader, dice):
    stuck, begun, took = [], [], []
    for n in range(KILLS):
        trader.trades(0.1 + dice.random() * 0.3)
        if n % 3 == 0:
            app.wcxctl("snapshot", "take")
        newest = snapshots(app)[0]["Seq"]
        start = time.monotonic()
        old = app.kill("dataplane")
        if not trader.trades_on() or app.wait_pid("dataplane", old) is None:
            stuck.append((n, app.logs()))
            break
        took.append(time.monotonic() - start)
        begun.append(begun_with(app) >= newest > 0)
    took.sort()
    tap.ok(not stuck and all(begun), f"{KILLS} x kill -9 of the data plane: it begins with the newest snapshot and trades", (stuck, begun))
    tap.note(f"data plane: trading again after p50 {took[len(took) // 2]:.2f} s, worst {took[-1]:.2f} s")


def damage_the_newest(tap, app, trader):
    app.wcxctl("snapshot", "take")
    trader.trades(0.2)
    app.wcxctl("snapshot", "take")
    kept = snapshots(app)
    path = app.state / "snapshot" / "shard-00001" / f"snap-{kept[0]['Seq']:016x}.wcs"
    with open(path, "r+b") as file:
        file.seek(5000)
        byte = file.read(1)[0]
        file.seek(5000)
        file.write(bytes([byte ^ 1]))
    app.kill("dataplane")
    traded = trader.trades_on()
    log = "".join(p.read_text() for p in (app.run / "log").glob("*.log"))
    said = f"snapshot {kept[0]['Seq']} cannot be used, trying the next older" in log
    tap.ok(traded and said and begun_with(app) == kept[1]["Seq"], "a damaged snapshot is named in an alarm and the one before is used", (traded, said, begun_with(app), kept))
    refused = subprocess.run([str(ROOT / "build/bin/wcxctl"), "--control-dir", str(app.run / "control"), "--state-dir", str(app.state), "snapshot", "verify"],
                             capture_output=True, text=True, timeout=60, check=False)
    tap.ok(refused.returncode == 1 and "CRC32C" in refused.stdout, "wcxctl snapshot verify finds it", refused.stdout + refused.stderr)
    trader.trades(0.2)
    app.wcxctl("snapshot", "take")
    trader.trades(0.2)
    app.wcxctl("snapshot", "take")


def main():
    require()
    tap = Tap()
    witness = Witness()
    seed = int(os.environ.get("WCX_SEED", time.time_ns() % 10**9))
    dice = random.Random(seed)
    tap.note(f"WCX_SEED={seed} WCX_KILLS={KILLS}")
    with Appliance("replica", WCX_SET="durability.snapshot_every_inputs=2000") as app:
        load = app.spawn(*app.mm("--seconds", 0, "--rate", 600, "--window", 32), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        trader = Trader(app, Feed(app, witness), witness)
        tap.ok(trader.trades_on(), "trading", app.logs())
        tap.ok(trader.until(lambda: shard(app)["Snapshots"] >= 2, 60), "snapshots come by themselves", shard(app))
        tap.ok(len(snapshots(app)) == 2 and all(s["Header"] == "Good" for s in snapshots(app)), "two are kept", snapshots(app))
        tap.ok(trader.until(lambda: shard(app)["DigestSeq"] > 0), "digests of replica and live engine are compared", shard(app))
        kill_the_replica(tap, app, trader, dice)
        kill_the_dataplane(tap, app, trader, dice)
        damage_the_newest(tap, app, trader)
        load.send_signal(signal.SIGINT)
        tail = load.communicate(timeout=60)[0]
        summary = summary_of(tail)
        tap.ok(load.returncode == 0 and summary["lost"] == 0 and summary["gaps"] == 0 and summary["conflicts"] == 0, "the market makers: nothing lost, no gap, no conflict",
               tail.decode(errors="replace")[-1500:])
        verified = app.wcxctl("journal", "verify", "--marks", app.region)
        tap.ok(verified[0]["JournalVerify"]["MarksDifferent"] == 0, "digests published between the kills equal those of a replay", verified)
        tap.ok(trader.until(lambda: verified_snapshots(app) == [True, True]), "both snapshots are good", verified_snapshots(app))
        tap.ok(shard(app)["ReplicaHalted"] == 0, "and the replica has not halted", shard(app))
        released = shard(app)["ReleaseSeq"]
        app.wcxctl("snapshot", "take")
        newest = snapshots(app)[0]["Seq"]
        trader.session.terminate()
        trader.session.close()
        trader.feed.close()
        app.down()
        app.up(keep=True)
        again = Trader(app, Feed(app, witness), witness)
        tap.ok(again.trades_on() and begun_with(app) == newest and shard(app)["ReleaseSeq"] > released, "a cold start begins with it", (begun_with(app), newest, app.logs()))
        tap.ok(again.until(lambda: shard(app)["ReplicaSeq"] > released), "and so does the replica", shard(app))
        tap.ok(not witness.conflicts, f"{len(witness.seen)} numbers: none carried two contents", witness.conflicts[:5])
        tap.note(json.dumps(snapshots(app)))
    tap.done()


if __name__ == "__main__":
    main()
