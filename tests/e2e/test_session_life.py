#!/usr/bin/env python3
"""The life of a session on the real appliance (dataplane/client/PROTOCOL.md 3.5): silence on either side, what ends it, what goes on afterwards, and a restart between.

    Session 5 falls silent, comes back, is open when the data plane is killed and stays away: cancel-on-disconnect after its window
    Session 6 is open too, but signs on again in time: its order stays
"""
import time

from wcxlib import REREQUEST_PORT, SCHEMA, Appliance, Session, Tap, Witness, mold, require, unmold


def silence(session, tap):
    """Sign on with a short window, listen to the server's heartbeats, then say nothing."""
    answer = session.establish(Flags=1, KeepAliveInterval=400)
    tap.ok(answer and answer[0] == "EstablishAck" and answer[1]["CODTimeoutWindow"] == 1200, "CODTimeoutWindow 0 is three keep-alives", answer)
    number = answer[1]["NextServerSeqNo"] - 1
    heartbeats, wrong = 0, []
    session.sock.settimeout(0.05)
    until, beat = time.monotonic() + 1.5, 0.0
    while time.monotonic() < until:
        if time.monotonic() > beat:
            session.heartbeat()
            beat = time.monotonic() + 0.2
        try:
            name, sequence, blocks = unmold(session.sock.recv(2048))
        except TimeoutError:
            continue
        heartbeats += name == session.mold_session and not blocks
        wrong += [sequence] if sequence != number + 1 else []
    tap.ok(heartbeats >= 3 and not wrong, "the server's heartbeats come within the interval and advertise the next number", (heartbeats, wrong))
    session.raw(mold(session.mold_session, number, count=1), REREQUEST_PORT)
    session.sock.settimeout(2)
    blocks = []
    while not blocks:  # heartbeats may come first
        name, sequence, blocks = unmold(session.sock.recv(2048))
    tap.ok((name, sequence) == (session.mold_session, number) and SCHEMA.decode(blocks[0])[0] == "EstablishAck", "the EstablishAck is a numbered message of the stream", blocks)
    order = session.order("Buy", 100, 10)
    session.expect("ExecutionReport_New", ClOrdID=order)
    until = time.monotonic() + 10
    while time.monotonic() < until and not session.find("ExecutionReport_Cancel"):
        session.pump(0.05)
    tap.ok(session.find("Terminate", Code="KeepAliveExpired") is not None, "silence ends in Terminate(KeepAliveExpired)", session.messages[-3:])
    cancel = session.find("ExecutionReport_Cancel", CancelReason="Disconnect")
    tap.ok(cancel and cancel["RequestClOrdID"] is None and cancel["ReceiveTime"] is None and cancel["CanceledQty"] == 10, "and in cancel-on-disconnect", session.messages[-3:])
    return order


def numbers_go_on(session, order, tap):
    """Refused and skipped requests and the Terminate have consumed client sequences: the next Ack knows."""
    last, client = session.messages[-1][0], session.next_client
    answer = session.establish(Flags=1)
    fine = answer and answer[1]["NextServerSeqNo"] == last + 2 and answer[1]["NextClientSeqNo"] == client and answer[1]["LastClOrdID"] == order
    tap.ok(fine, "a new binding goes on with both sequences and tells LastClOrdID", (answer, last, client))
    session.order(3, 100, 10)
    session.expect_unsequenced("BusinessMessageReject", RefSeqNum=client)
    session.terminate()
    answer = session.establish(Flags=1)
    tap.ok(answer and answer[1]["NextClientSeqNo"] == client + 2, "a refused request and the Terminate have consumed their sequences", (answer, client))


def restart(app, away, back, tap):
    """Both open with an order in the book; one signs on again."""
    for session, side, price in ((away, "Buy", 100), (back, "Sell", 500)):
        order = session.order(side, price, 10)
        session.expect("ExecutionReport_New", ClOrdID=order)
    old = app.kill("dataplane")
    tap.ok(app.wait_pid("dataplane", old), "the data plane is back after kill -9")
    copy = back.establish_bytes
    answer = back.establish(message=copy, timeout=10)
    tap.ok(answer and answer[1].get("Code") == "StaleUUID", "the old Establish is stale after a restart", answer)
    answer = back.establish(Flags=1)
    tap.ok(answer and answer[0] == "EstablishAck", "a new one is accepted: no binding lives", answer)
    shown = {}

    def cancelled():
        shown.update(app.wcxctl("book", "show", "--security", 1)[0]["Book"])
        return shown["Bids"] == []
    tap.ok(back.wait(cancelled, 10) and shown["Asks"] == [[500, 10, 1]], "who stays away loses its orders after the window, who is back keeps them", shown)
    lines = app.wcxctl("journal", "dump")
    closed = [line["Stamp"] for line in lines if line["SessionID"] == away.id and line.get("SessionClosed", {}).get("Reason") == "Restart"]
    ticks = [line["Stamp"] for line in lines if "Tick" in line]
    tap.ok(closed and any(tick - closed[-1] >= 3 * 10**9 for tick in ticks), "and not a nanosecond of journaled time before", (closed, ticks))


def main():
    require()
    tap, witness = Tap(), Witness()
    with Appliance("session-life") as app:
        away, back = Session(app, 5, witness), Session(app, 6, witness)
        numbers_go_on(away, silence(away, tap), tap)
        back.establish(Flags=1)
        restart(app, away, back, tap)
        tap.ok(app.wcxctl("journal", "verify", "--marks", app.region), "journal verify: chain and digests")
        tap.ok(not witness.conflicts, "no number carried two contents", witness.conflicts[:5])
        away.close()
        back.close()
    tap.done()


if __name__ == "__main__":
    main()
