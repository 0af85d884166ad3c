#!/usr/bin/env python3
"""kill -9 of the data plane, the journal worker and the supervisor in turn, under load (WCX_KILLS times each, 20).

Watched from outside by a client that shares no code with the appliance: every number of every stream keeps its content, and every order it saw
acknowledged is in the journal exactly once. The same is checked by wcx-mm for its own thousands of orders.
"""
import json
import os
import random
import signal
import subprocess
import time

from wcxlib import ROOT, Appliance, Feed, Session, Tap, Witness, require, summary_of

KILLS = int(os.environ.get("WCX_KILLS", "20"))
RECOVER_S = 15.0


class Watcher:
    """A trading client that survives restarts: signs on again when the server falls silent."""

    def __init__(self, app, session_id, witness):
        self.app, self.witness = app, witness
        self.session = Session(app, session_id, witness)
        self.acked = set()
        self.seen = 0
        self.sent_at = 0.0
        self.beat = 0.0
        self.rebinds = 0

    def sign_on(self, timeout=RECOVER_S):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            answer = self.session.establish(timeout=1.0, Flags=4, KeepAliveInterval=200, CODTimeoutWindow=20000)
            if answer and answer[0] == "EstablishAck":
                self.rebinds += 1
                return True
            time.sleep(0.05)
        return False

    def step(self):
        now = time.monotonic()
        session = self.session
        if now - self.sent_at > 0.004 and session.mold_session:
            self.sent_at = now
            session.order("Buy", 50, 1, tif="IOC")
        if now - self.beat > 0.1:
            self.beat = now
            session.heartbeat()
        session.pump(0.002)
        for _, name, fields in session.messages[self.seen:]:
            if name == "ExecutionReport_New":
                self.acked.add(fields["ClOrdID"])
        self.seen = len(session.messages)
        if now - session.last_rx > 0.7:
            self.sign_on()

    def progress(self, feed, timeout):
        """Trade until an order sent after this call was acknowledged and the feed has moved."""
        deadline = time.monotonic() + timeout
        last, moved = self.session.cl_ord_id, feed.raw_count
        while time.monotonic() < deadline:
            self.step()
            feed.pump()
            if max(self.acked, default=0) > last and feed.raw_count > moved:
                return True
        return False


def main():
    require()
    tap = Tap()
    witness = Witness()
    seed = int(os.environ.get("WCX_SEED", time.time_ns() % 10**9))
    dice = random.Random(seed)
    tap.note(f"WCX_SEED={seed} WCX_KILLS={KILLS}")
    with Appliance("kill") as app:
        load = app.spawn(*app.mm("--seconds", 0, "--rate", 600, "--window", 32), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        feed = Feed(app, witness)
        watcher = Watcher(app, 3, witness)
        tap.ok(watcher.sign_on() and watcher.progress(feed, RECOVER_S), "trading before the first kill", app.logs())
        times = {"dataplane": [], "journal": [], "controld": []}
        stuck = []
        for n in range(KILLS):
            for role in times:
                until = time.monotonic() + 0.05 + dice.random() * 0.3
                while time.monotonic() < until:
                    watcher.step()
                    feed.pump()
                start = time.monotonic()
                old = app.kill(role)
                back = old is not None and watcher.progress(feed, RECOVER_S)
                times[role].append(time.monotonic() - start)
                fresh = app.wait_pid(role, old)
                if not back or fresh is None:
                    stuck.append((n, role, old, back, fresh))
                    tap.note(f"round {n}, {role}: pid {old} -> {fresh}, trading again: {back}\n# " + app.logs().replace("\n", "\n# "))
            if stuck:
                break
        for role, took in times.items():
            took.sort()
            tap.ok(len(took) == KILLS and not any(s[1] == role for s in stuck), f"{KILLS} x kill -9 of the {role}: trading again every time", stuck)
            if took:
                tap.note(f"{role}: trading again after p50 {took[len(took) // 2]:.2f} s, worst {took[-1]:.2f} s")
        for _ in range(200):
            watcher.step()
        watcher.session.wait(lambda: False, 0.5)
        load.send_signal(signal.SIGINT)
        tail = load.communicate(timeout=60)[0]
        summary = summary_of(tail)
        tap.ok(load.returncode == 0 and summary["lost"] == 0 and summary["gaps"] == 0, "the market makers: what they saw acknowledged is in the journal, nothing is undecided, no gap stayed", tail.decode(errors="replace")[-1500:])
        tap.ok(summary["conflicts"] == 0 and summary["wrong_fates"] == 0 and summary["contradictions"] == 0, "nothing they were told was taken back", summary)
        tap.note("market makers: " + json.dumps(summary))
        feed.settle()
        tap.ok(feed.next >= feed.end and not feed.rejects, "the feed is whole", (feed.next, feed.end, feed.rejects[:3]))
        watcher.session.terminate()
        tap.ok(not witness.conflicts, f"{len(witness.seen)} numbers: none carried two contents", witness.conflicts[:5])
        found = {}
        dump = subprocess.Popen([str(ROOT / "build/bin/wcxctl"), "--state-dir", str(app.state), "journal", "dump", "-o", "json"], stdout=subprocess.PIPE)
        app.children.append(dump)
        for line in dump.stdout:
            if b'"SessionID":3,' in line and b"NewOrderSingle" in line:
                order = json.loads(line)
                if order["SessionID"] == 3:
                    found[order["NewOrderSingle"]["ClOrdID"]] = found.get(order["NewOrderSingle"]["ClOrdID"], 0) + 1
        tap.ok(dump.wait() == 0, "the journal can be dumped by a fresh process")
        wrong = [c for c in watcher.acked if found.get(c) != 1]
        tap.ok(watcher.acked and not wrong, f"{len(watcher.acked)} orders were seen acknowledged: each is in the journal exactly once", wrong[:10])
        verified = app.wcxctl("journal", "verify", "--marks", app.region)
        tap.ok(verified, "digests published before the kills equal those of a replay")
        tap.note(json.dumps(verified)[:600])
    tap.done()


if __name__ == "__main__":
    main()
