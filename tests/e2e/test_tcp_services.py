#!/usr/bin/env python3
"""The TCP ports beside order entry on the real appliance: purge (7004), drop copy (7005), market-data replay (7006).

    Sessions 3 and 4 trade for accounts 3 and 4 of firm 9; session 5, of firm 5, reads the drop copy of itself, 4 of its firm, 3 of its account.
"""
import re
import subprocess
import time

from souplib import DROP_COPY_PORT, PURGE_PORT, REPLAY_PORT, SoupSession, soup
from wcxlib import ROOT, SCHEMA, Appliance, Feed, Session, Tap, require

DROP_COPY = 2  # Establish.Flags


def config():
    text = (ROOT / "configs/wcx.yaml").read_text()
    for account in (3, 4):
        text = text.replace(f"self_match_prevention_id: 0, firm: {account}}}", "self_match_prevention_id: 0, firm: 9}")
    text = re.sub(r"(session: 3,.*)drop_copy: session", r"\1drop_copy: account", text)
    text = re.sub(r"(session: 4,.*)drop_copy: session", r"\1drop_copy: firm", text)
    path = ROOT / "build/e2e-services.yaml"
    path.write_text(text.replace("_file: development", f"_file: {ROOT}/configs/development"))
    return path


def purge(app, tap):
    udp, s = Session(app, 6), SoupSession(app, 6, PURGE_PORT)
    udp.establish(CODTimeoutWindow=60000)
    for price in (100, 101, 102):
        order = udp.order("Buy", price, 10)
        udp.expect("ExecutionReport_New", ClOrdID=order)
    answer = s.open()
    tap.ok(answer and answer[0] == "EstablishAck" and answer[1]["NextServerSeqNo"] == 1 and s.accepted == ("S000000006", 1), "a purge link signs on beside the session; its numbers are its own",
           (answer, s.accepted))
    s.cl_ord_id = udp.cl_ord_id
    fields = dict(ClOrdID=s.next_id(), Account=6, MassCancelRequestType="CancelForAccount", Side="Both", MmpGroup=0, LockTrading=0)
    s.send(SCHEMA.encode("OrderMassCancelRequest", **fields))
    report = s.expect("OrderMassCancelReport")
    tap.ok(report and report["TotalAffectedOrders"] == 3 and s.messages[-1][0] == 1, "a mass cancel is answered on it, message 1", s.messages)
    udp.expect("OrderMassCancelReport", ClOrdID=s.cl_ord_id)
    tap.ok(len([1 for _, name, _ in udp.messages if name == "ExecutionReport_Cancel"]) == 3, "and on the session's stream, with each order", udp.messages[-4:])
    s.send(s.order_message("Buy", 100, 1))
    reject = s.expect("BusinessMessageReject")
    tap.ok(reject and reject["BusinessRejectReason"] == "UnsupportedMessageType" and s.messages[-1][0] == 2, "an order is refused there, message 2", reject)
    last = udp.messages[-1][0]
    udp.wait(lambda: False, 0.3)
    tap.ok(udp.messages[-1][0] == last, "which the session does not hear of", udp.messages[-1])
    other = SoupSession(app, 6, PURGE_PORT)
    answer = other.open()
    tap.ok(answer and answer[1].get("Code") == "AlreadyEstablished", "one purge link a session", answer)
    answer = other.open(Flags=4)
    s.wait(lambda: s.ended, 3)
    tap.ok(answer[0] == "EstablishAck" and s.ended and s.find("Terminate", Code="NewLogin"), "unless it takes over", (answer, s.messages[-1:]))
    order = udp.order("Buy", 100, 10)
    udp.expect("ExecutionReport_New", ClOrdID=order)
    other.close()
    time.sleep(0.2)
    udp.pump(0.2)
    tap.ok(not udp.find("ExecutionReport_Cancel", ClOrdID=order), "its end cancels nothing")
    udp.terminate()
    udp.close()


def read_all(app, session_id, number=1):
    s = SoupSession(app, session_id, DROP_COPY_PORT)
    answer = s.open(number=number, Flags=DROP_COPY)
    while s.pump(0.3):
        pass
    return s, answer


def command(app, noun, *args):
    return subprocess.run([str(ROOT / "build/bin/wcxctl"), "--control-dir", str(app.run / "control"), "--state-dir", str(app.state), noun, "show", *args, "-o", "raw"],
                          capture_output=True, check=True).stdout


def drop_copy(app, tap):
    three, four, five = Session(app, 3), Session(app, 4), Session(app, 5)
    for s in (three, four, five):
        s.establish(CODTimeoutWindow=60000)
    for _ in range(3):
        for s, side in ((three, "Buy"), (four, "Sell"), (five, "Buy")):
            order = s.order(side, 100, 10)
            s.expect("ExecutionReport_New", ClOrdID=order)
    for s in (three, four, five):
        s.wait(lambda: False, 0.2)
    seen = {s.id: [name for _, name, _ in s.messages if name.startswith("ExecutionReport")] for s in (three, four, five)}
    for session_id, text, ids in ((5, "s005", [5]), (3, "a003", [3]), (4, "f009", [3, 4])):
        s, answer = read_all(app, session_id)
        want = sum(len(seen[i]) for i in ids)
        owners = {SCHEMA.decode(block)[1]["SessionID"] for _, block in s.raw}
        tap.ok(answer and answer[0] == "EstablishAck" and s.accepted[0].startswith(text) and len(s.raw) == want and owners == set(ids),
               f"{text}: {want} reports of sessions {ids} from the start of the day", (answer, s.accepted, len(s.raw), owners))
        again = command(app, "drop-copy", *{"s005": ("--session", "5"), "a003": ("--account", "3"), "f009": ("--firm", "9")}[text])
        tap.ok(again == b"".join(soup("S", block) for _, block in s.raw), f"{text}: wcxctl regenerates it from the journal, byte for byte", (len(again), len(s.raw)))
        if session_id == 4:
            order = three.order("Buy", 90, 10)
            found = s.expect("ExecutionReport_New", ClOrdID=order)
            tap.ok(found and s.messages[-1][0] == want + 1, "what comes next follows under the next number", s.messages[-1:])
            late, answer = read_all(app, 4, number=want)
            tap.ok(answer and answer[1].get("Code") == "AlreadyEstablished", "one drop copy a session", answer)
            s.close()
            time.sleep(0.2)
            late, answer = read_all(app, 4, number=want)
            tap.ok([n for n, _ in late.raw] == [want, want + 1] and late.raw[-1][1] == s.raw[-1][1], "and from any number on", [n for n, _ in late.raw])
            late.sock.sendall(soup("U", late.order_message("Buy", 1, 1)))
            late.wait(lambda: late.ended, 2)
            tap.ok(late.ended and late.find("Terminate", Code="ProtocolError"), "who sends a request there is sent away", late.messages[-1:])
        s.close()
    s = SoupSession(app, 5, DROP_COPY_PORT)
    answer = s.open(number=1)
    tap.ok(answer and answer[1].get("Code") == "Unspecified", "a drop copy needs its flag", answer)
    s = SoupSession(app, 5)
    answer = s.open(Flags=DROP_COPY)
    tap.ok(answer and answer[1].get("Code") == "Unspecified", "and order entry does not take it", answer)
    raw = {i: command(app, "drop-copy", "--session", str(i)) for i in (3, 4, 5)}
    pid = app.kill("dataplane")
    app.wait_pid("dataplane", pid)
    deadline, answer = time.monotonic() + 20, None
    while answer is None and time.monotonic() < deadline:
        try:
            s, answer = read_all(app, 5)
        except OSError:
            time.sleep(0.2)
    tap.ok(answer and answer[0] == "EstablishAck" and b"".join(soup("S", block) for _, block in s.raw).startswith(raw[5]), "a restart numbers them alike", (answer, len(s.raw)))
    for each in (s, three, four, five):
        each.close()


def replay(app, tap):
    feed = Feed(app, on_message=lambda block: blocks.append(block))
    blocks = []
    trader = Session(app, 7)
    trader.establish(CODTimeoutWindow=60000)
    for price in range(50, 80):
        order = trader.order("Buy", price, 10)
        trader.expect("ExecutionReport_New", ClOrdID=order)
    feed.settle()
    s = SoupSession(app, 7, REPLAY_PORT)
    answer = s.open(number=1)
    while s.pump(0.3):
        pass
    tap.ok(answer[0] == "EstablishAck" and s.accepted[0] == feed.session.decode() and [block for _, block in s.raw] == blocks and len(blocks) > 30,
           f"the replay of the feed from number 1 is the multicast, byte for byte ({len(blocks)} messages)", (answer, s.accepted, feed.session, len(s.raw), len(blocks)))
    order = trader.order("Buy", 81, 10)
    trader.expect("ExecutionReport_New", ClOrdID=order)
    tap.ok(s.expect("AddOrder", Price=81), "and it goes on", s.messages[-1:])
    s.close()
    time.sleep(0.2)
    answer = s.open(number=10 ** 9)
    tap.ok(answer and answer[1].get("Code") == "SequenceOutOfRange", "a number that is to come is refused", answer)
    s.forget()
    s.connect()
    s.log_in(session="M001200101")
    tap.ok(s.rejected == "S", "and so is the feed of another day", s.rejected)
    trader.close()
    feed.settle()
    feed.close()
    again = command(app, "feed")
    tap.ok(again == b"".join(soup("S", block) for block in blocks), "wcxctl regenerates it from the journal, byte for byte", (len(again), len(blocks)))
    some = command(app, "feed", "--from", "7", "--to", "19")
    tap.ok(some == b"".join(soup("S", block) for block in blocks[6:19]), "and a part of it by numbers", len(some))


def main():
    require("ethtool")
    tap = Tap()
    with Appliance("services", WCX_CONFIG=str(config())) as app:
        try:
            purge(app, tap)
            replay(app, tap)
            drop_copy(app, tap)
        except BaseException:
            print(app.logs())
            raise
    tap.done()


if __name__ == "__main__":
    main()
