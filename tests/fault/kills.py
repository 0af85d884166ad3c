#!/usr/bin/env python3
"""kill -9 and SIGSTOP of every process of the appliance under load, at random moments.

Watched from outside by a client that shares no code with the appliance: every number of every stream keeps its content, and every order it saw
acknowledged is in the journal exactly once. wcx-mm checks the same for its own thousands of orders, and the digests published before the kills are
compared with those of a replay. A campaign is a row of episodes, each on a fresh appliance, so that none grows without end.

  python3 tests/fault/kills.py --kills 100 --stops 50          each process kind 100 times, 50 stops over the kinds
  python3 tests/fault/kills.py --hours 8                       episodes until the time is over

The last line is JSON. --seed repeats the choices, not the moments of the machine.
"""
import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "e2e"), str(Path(__file__).resolve().parents[1])]
from run import machine_lock  # noqa: E402
from wcxlib import ROOT, Appliance, Feed, Session, Tap, Witness, require, summary_of  # noqa: E402

RECOVER_S = 15.0
GRACE_S = 0.3  # what was released just before a stop is still on its way
KINDS = ("dataplane", "journal", "controld", "auth", "api", "replica", "keeper")
EPISODE_KILLS = 20


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

    def step(self, rebind=True):
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
        if rebind and now - session.last_rx > 0.7:
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


class Episode:
    """One appliance, its load, and what is done to it."""

    def __init__(self, app, dice, tap):
        self.app, self.dice, self.tap = app, dice, tap
        self.witness = Witness()
        self.load = app.spawn(*app.mm("--seconds", 0, "--rate", 600, "--window", 32), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.feed = Feed(app, self.witness)
        self.watcher = Watcher(app, 3, self.witness)
        self.stuck = []
        self.times = {}

    def kinds(self):
        return [kind for kind in KINDS if self.app.pid(kind) is not None]

    def trade(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.watcher.step()
            self.feed.pump()

    def works(self, kind):
        """Beyond trading: what only this process does."""
        if kind == "auth":
            return self.watcher.sign_on()
        deadline = time.monotonic() + RECOVER_S
        while kind == "api" and time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.app.http_port}/healthz", timeout=1).read()
                return True
            except OSError:
                self.trade(0.05)
        return kind != "api"

    def fail(self, what, kind, *facts):
        self.stuck.append((what, kind, *facts))
        self.tap.note(f"{what} {kind}: {facts}\n# " + self.app.logs().replace("\n", "\n# "))

    def kill(self, kind):
        self.trade(0.02 + self.dice.random() * 0.3)
        start = time.monotonic()
        old = self.app.kill(kind)
        back = old is not None and self.watcher.progress(self.feed, RECOVER_S)
        self.times.setdefault(kind, []).append(time.monotonic() - start)
        fresh = self.app.wait_pid(kind, old)
        if not back or fresh is None or not self.works(kind):
            self.fail("kill", kind, old, fresh, back)

    def stop(self, kind):
        """SIGSTOP for a while. With the journal worker stopped nothing may leave; with the data plane stopped its journal worker may die meanwhile."""
        self.trade(0.02 + self.dice.random() * 0.3)
        pid = self.app.kill(kind, signal.SIGSTOP)
        if pid is None:
            return self.fail("stop", kind, pid)
        silent = kind == "journal"
        leaked = None
        try:
            until = time.monotonic() + GRACE_S + self.dice.random() * (0.35 if silent else 1.5)
            grace = time.monotonic() + GRACE_S
            while time.monotonic() < grace:
                self.watcher.step(rebind=False)
                self.feed.pump()
            before = (self.feed.raw_count, self.feed.end, len(self.watcher.session.messages))
            if kind == "dataplane" and self.dice.random() < 0.34:
                self.app.kill("journal")
            while time.monotonic() < until:
                self.watcher.step(rebind=kind != "dataplane")
                self.feed.pump()
            after = (self.feed.raw_count, self.feed.end, len(self.watcher.session.messages))
            leaked = (before, after) if kind in ("journal", "dataplane") and after != before else None
        finally:
            os.kill(pid, signal.SIGCONT)
        back = self.watcher.progress(self.feed, RECOVER_S)
        if leaked or not back or self.app.wait_pid(kind, None) != pid:
            self.fail("stop", kind, pid, self.app.pid(kind), back, leaked)

    def finish(self):
        """What clients saw against the journal."""
        app, tap, watcher, witness = self.app, self.tap, self.watcher, self.witness
        for _ in range(200):
            watcher.step()
        watcher.session.wait(lambda: False, 0.5)
        self.load.send_signal(signal.SIGINT)
        tail = self.load.communicate(timeout=60)[0]
        summary = summary_of(tail)
        ok = tap.ok(self.load.returncode == 0 and summary["lost"] == 0 and summary["gaps"] == 0, "the market makers: what they saw acknowledged is in the journal, nothing is undecided, no gap stayed",
                    tail.decode(errors="replace")[-1500:])
        ok &= tap.ok(summary["conflicts"] == 0 and summary["wrong_fates"] == 0 and summary["contradictions"] == 0, "nothing they were told was taken back", summary)
        tap.note("market makers: " + json.dumps(summary))
        self.feed.settle()
        ok &= tap.ok(self.feed.next >= self.feed.end and not self.feed.rejects, "the feed is whole", (self.feed.next, self.feed.end, self.feed.rejects[:3]))
        watcher.session.terminate()
        ok &= tap.ok(not witness.conflicts, f"{len(witness.seen)} numbers: none carried two contents", witness.conflicts[:5])
        found = {}
        dump = subprocess.Popen([str(ROOT / "build/bin/wcxctl"), "--state-dir", str(app.state), "journal", "dump", "-o", "json"], stdout=subprocess.PIPE)
        app.children.append(dump)
        for line in dump.stdout:
            if b'"SessionID":3,' in line and b"NewOrderSingle" in line:
                order = json.loads(line)
                if order["SessionID"] == 3:
                    found[order["NewOrderSingle"]["ClOrdID"]] = found.get(order["NewOrderSingle"]["ClOrdID"], 0) + 1
        ok &= tap.ok(dump.wait() == 0, "the journal can be dumped by a fresh process")
        wrong = [c for c in watcher.acked if found.get(c) != 1]
        ok &= tap.ok(watcher.acked and not wrong, f"{len(watcher.acked)} orders were seen acknowledged: each is in the journal exactly once", wrong[:10])
        verified = app.wcxctl("journal", "verify", "--marks", app.region, check=False)
        sound = bool(verified) and verified[0]["JournalVerify"]["MarksDifferent"] == 0
        ok &= tap.ok(sound, "digests published before the kills equal those of a replay", verified)
        tap.note(json.dumps(verified)[:600])
        numbers = {"lost": summary["lost"] + len(wrong), "phantom": len(witness.conflicts) + summary["conflicts"] + summary["wrong_fates"] + summary["contradictions"],
                   "acked": len(watcher.acked), "numbers": len(witness.seen)}
        return ok, numbers


def run_episode(tap, seed, kills, stops):
    """`kills` of each kind that exists, `stops` over the kinds, in random order. Returns the counts."""
    dice = random.Random(seed)
    counts = {"kills": {}, "stops": {}, "lost": 0, "phantom": 0, "acked": 0, "numbers": 0, "failures": 0}
    with Appliance("kill") as app:
        episode = Episode(app, dice, tap)
        tap.ok(episode.watcher.sign_on() and episode.watcher.progress(episode.feed, RECOVER_S), "trading before the first kill", app.logs())
        kinds = episode.kinds()
        plan = [("kills", kind) for kind in kinds for _ in range(kills)] + [("stops", kinds[i % len(kinds)]) for i in range(stops)]
        dice.shuffle(plan)
        for what, kind in plan:
            (episode.kill if what == "kills" else episode.stop)(kind)
            counts[what][kind] = counts[what].get(kind, 0) + 1
            if episode.stuck:
                break
        tap.ok(not episode.stuck, f"kill -9 {counts['kills']}, SIGSTOP {counts['stops']}: trading again every time, nothing leaves past a stopped journal worker", episode.stuck)
        for kind, took in episode.times.items():
            took.sort()
            tap.note(f"{kind}: trading again after p50 {took[len(took) // 2]:.2f} s, worst {took[-1]:.2f} s")
        ok, numbers = episode.finish()
        counts.update(numbers)
        counts["failures"] = len(episode.stuck) + (not ok)
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="of each process kind")
    parser.add_argument("--stops", type=int, default=50, help="over all kinds")
    parser.add_argument("--hours", type=float, default=0, help="go on for so long instead of counting")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    args = parser.parse_args()
    require()
    tap = Tap()
    end = time.monotonic() + args.hours * 3600
    total = {"fault": "kills", "seed_first": args.seed, "seed_last": args.seed, "kills": {}, "stops": {}, "lost": 0, "phantom": 0, "acked": 0, "numbers": 0, "failures": 0}
    kills, stops, seed = args.kills, args.stops, args.seed
    while time.monotonic() < end if args.hours else kills > 0 or stops > 0:
        now_kills = min(EPISODE_KILLS, kills) if not args.hours else EPISODE_KILLS
        now_stops = -(-stops * now_kills // kills) if not args.hours and kills > 0 else 10 if args.hours else stops
        tap.note(f"episode --seed {seed} --kills {now_kills} --stops {now_stops}")
        with machine_lock():
            counts = run_episode(tap, seed, now_kills, now_stops)
        for what in ("kills", "stops"):
            for kind, cnt in counts[what].items():
                total[what][kind] = total[what].get(kind, 0) + cnt
        for name in ("lost", "phantom", "acked", "numbers", "failures"):
            total[name] += counts[name]
        total["seed_last"] = seed
        kills, stops, seed = kills - now_kills, stops - now_stops, seed + 1
        if counts["failures"]:
            break
    print(f"1..{tap.count}")
    print(json.dumps(total))
    sys.exit(1 if tap.failed else 0)


if __name__ == "__main__":
    main()
