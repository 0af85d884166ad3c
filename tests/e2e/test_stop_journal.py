#!/usr/bin/env python3
"""SIGSTOP of the journal worker under load: nothing leaves that is not durable, and afterwards everything does."""
import os
import signal
import subprocess
import time

from wcxlib import Appliance, Feed, Session, Tap, Witness, require, summary_of

STOP_S = 2.0
GRACE_S = 0.3  # what was released just before is still on its way


def main():
    require()
    tap = Tap()
    witness = Witness()
    with Appliance("stop-journal") as app:
        load = app.spawn(*app.mm("--seconds", 7, "--rate", 1500), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        feed = Feed(app, witness)
        session = Session(app, 3, witness)
        answer = session.establish(Flags=0)
        tap.ok(answer and answer[0] == "EstablishAck", "signed on", answer)
        deadline = time.monotonic() + 4
        while feed.raw_count < 2000 and time.monotonic() < deadline:
            feed.pump()
            time.sleep(0.01)
        tap.ok(feed.raw_count >= 2000, "the load shows on the feed", feed.raw_count)
        pid = app.pid("journal")
        os.kill(pid, signal.SIGSTOP)
        sent = []
        try:
            grace = time.monotonic() + GRACE_S
            while time.monotonic() < grace:
                feed.pump()
                session.pump(0.01)
            feed_before, end_before, private_before = feed.raw_count, feed.end, len(session.messages)
            until = time.monotonic() + STOP_S - GRACE_S
            beat = 0.0
            while time.monotonic() < until:
                if len(sent) < 50:
                    sent.append(session.order("Buy", 100, 1))
                feed.pump()
                session.pump(0.01)
                if time.monotonic() > beat:
                    session.heartbeat()
                    beat = time.monotonic() + 0.3
            feed.pump()
            tap.ok(feed.raw_count == feed_before, "no market data leaves while the journal worker is stopped", f"{feed.raw_count - feed_before} copies left")
            tap.ok(feed.end == end_before, "feed heartbeats do not advertise what is not released", (end_before, feed.end))
            tap.ok(len(session.messages) == private_before, "no ack leaves", session.messages[private_before:][:3])
            tap.ok(session.last_rx > until - 1.5, "the session's heartbeats go on: they depend on nothing", session.last_rx - until)
        finally:
            os.kill(pid, signal.SIGCONT)
        tap.ok(session.wait(lambda: all(session.find("ExecutionReport_New", ClOrdID=c) for c in sent), 5), "after SIGCONT every order is acknowledged", len(sent))
        tap.ok(app.pid("journal") == pid, "the worker that was stopped was left alone")
        output = load.communicate(timeout=60)[0]
        summary = summary_of(output)
        tap.ok(load.returncode == 0 and summary["lost"] == 0 and summary["gaps"] == 0 and summary["conflicts"] == 0, "the market makers lost nothing", output.decode()[-1500:])
        tap.ok(summary["rebinds"] == 0, "and kept their sessions", summary)
        tap.ok(feed.settle(), "the feed is whole", (feed.next, feed.end))
        tap.ok(not witness.conflicts, "no number carried two contents", witness.conflicts[:5])
        session.terminate()
    tap.done()


if __name__ == "__main__":
    main()
