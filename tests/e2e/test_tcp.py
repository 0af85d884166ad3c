#!/usr/bin/env python3
"""Order entry over TCP on the real appliance (dataplane/client/PROTOCOL.md 3.4), spoken by the kernel's TCP.

    client namespace                          appliance namespace
    kernel TCP, SoupBinTCP in Python  <--veth, af_xdp-->  lwIP in the poll loop, 10.77.0.2:7001
"""
import socket
import struct
import time

from souplib import SoupSession, soup
from wcxlib import SCHEMA, Appliance, Session, Tap, require


def silence_before_establish(app, tap):
    s = SoupSession(app, 4)
    s.connect()
    accepted = s.log_in()
    tap.ok(accepted == ("S000000004", 1), "a login is accepted with the session string and the next number", accepted)
    time.sleep(1.3)
    s.pump(0.1)
    tap.ok(not s.heartbeats and not s.messages and not s.ended, "nothing is sent before a valid Establish, not even a heartbeat")
    t = time.monotonic()
    s.wait(lambda: s.ended, 8)
    tap.ok(s.ended and time.monotonic() - t < 7, "five seconds without an Establish close the connection")
    for what, data in (("an order", soup("U", s.order_message("Buy", 100, 1))), ("a packet of no type", soup("X", b"abc")), ("a length of zero", b"\0\0"), ("a length beyond all", b"\xff\xff")):
        s.forget()
        s.connect()
        s.log_in()
        s.sock.sendall(data)
        s.wait(lambda: s.ended, 3)
        tap.ok(s.ended and not s.messages, f"{what} before the Establish closes the connection without a word")


def refusals(app, tap):
    s = SoupSession(app, 4)
    for user, session, code in (("nobody", "", "A"), ("mm99", "", "A"), ("mm4x", "", "A"), ("mm4", "S000000005", "S"), ("mm4", "yesterday", "S")):
        s.forget()
        s.connect()
        s.log_in(user=user, session=session)
        s.wait(lambda: s.ended, 2)
        tap.ok(s.rejected == code and s.ended and not s.messages, f"login of {user!r} to {session!r} is rejected with {code}", (s.rejected, s.ended))
    cases = [("a wrong secret", dict(secret="wrong"), "Credentials"),
             ("a signature for UDP", dict(transport=2), "Credentials"),
             ("a signature for another port", dict(port=7002), "Credentials"),
             ("an old timestamp", dict(RequestTimestamp=time.time_ns() - 6_000_000_000), "RequestTimestamp"),
             ("a keep-alive of 99 ms", dict(KeepAliveInterval=99), "KeepAliveInterval"),
             ("a schema to come", dict(SchemaVersion=9), "SchemaVersion"),
             ("a number that is not there yet", dict(NextServerSeqNo=77), "SequenceOutOfRange")]
    for what, values, code in cases:
        answer = s.open(**values)
        s.wait(lambda: s.ended, 2)
        tap.ok(answer and answer[0] == "EstablishReject" and answer[1]["Code"] == code and s.ended, f"{what}: EstablishReject({code}) as a last S", (answer, s.ended))
    other = SoupSession(app, 5)
    s.forget()
    s.connect()
    s.log_in()
    answer = s.establish(message=other.establish_message())
    tap.ok(answer is None and s.ended and s.messages[-1][2]["Code"] == "Credentials", "an Establish for another session than the login's: Credentials", s.messages)


def orders(app, tap):
    s = SoupSession(app, 4)
    answer = s.open(Flags=1)
    tap.ok(answer and answer[0] == "EstablishAck" and answer[1]["NextServerSeqNo"] == s.next, "the EstablishAck is a message of the stream", (answer, s.next))
    order = s.order("Buy", 100, 10)
    tap.ok(s.expect("ExecutionReport_New", ClOrdID=order), "an order is acknowledged")
    s.cancel(order)
    tap.ok(s.expect("ExecutionReport_Cancel", ClOrdID=order), "and canceled")
    s.send(SCHEMA.encode("SessionStatusRequest", RequestID=5))
    status = s.expect("SessionStatusResponse", RequestID=5)
    tap.ok(status and status["NextServerSeqNo"] == s.next and status["LastClOrdID"] == s.cl_ord_id, "a status is a numbered message", (status, s.next))
    before = s.next
    s.send(s.order_message("Buy", 100, 10, TimeInForce=99))
    reject = s.expect("BusinessMessageReject")
    tap.ok(reject and reject["BusinessRejectReason"] == "InvalidField" and reject["RefTagID"] == 59 and reject["RefSeqNum"] == 4 and reject["BusinessRejectRefID"] == s.cl_ord_id
           and s.next == before + 1, "a bad field is refused with a number, the fourth request", reject)
    for what, message, reason in (("an unknown template", SCHEMA.encode("NewOrderSingle", template=999), "UnsupportedMessageType"),
                                  ("another schema", SCHEMA.encode("NewOrderSingle", schema=7), "InvalidSchema"),
                                  ("a short block", SCHEMA.encode("NewOrderSingle")[:-8], "InvalidBlockLength")):
        s.send(message)
        tap.ok(s.expect("BusinessMessageReject", BusinessRejectReason=reason), f"{what}: {reason}")
    packets = b"".join(soup("U", s.order_message("Buy", 100 + i, 10)) for i in range(50))
    first = s.next
    for at in range(0, len(packets), 7):
        s.sock.sendall(packets[at:at + 7])
    s.wait(lambda: s.next >= first + 50, 3)
    tap.ok([name for _, name, _ in s.messages[-50:]] == ["ExecutionReport_New"] * 50, "packets in pieces of seven bytes, several in a segment: all taken", s.messages[-3:])
    s.sock.sendall(soup("U", b"short"))
    s.wait(lambda: s.ended, 3)
    names = [name for _, name, _ in s.messages]
    tap.ok(s.ended and s.find("Terminate", Code="ProtocolError") and names[-50:] == ["ExecutionReport_Cancel"] * 50,
           "a malformed message: sequenced Terminate(ProtocolError), cancel-on-disconnect, close", names[-3:])
    return s


def recovery(app, s, tap):
    old = list(s.raw)
    s.close()
    answer = s.open(number=1)
    tap.ok(answer and answer[0] == "EstablishAck" and s.raw[:len(old)] == old, "a login from number 1 brings every message again, byte for byte, before the new ack",
           (answer, len(s.raw), len(old)))
    s.forget_from = s.next
    s.sock.sendall(soup("O"))
    s.wait(lambda: s.ended, 3)
    tap.ok(s.ended, "a logout ends the connection")


def two_transports(app, tap):
    tcp, udp = SoupSession(app, 5), Session(app, 5)
    answer = udp.establish(Flags=1)
    tap.ok(answer and answer[0] == "EstablishAck", "a session signs on over UDP")
    answer = tcp.open(Flags=1)
    tap.ok(answer and answer[0] == "EstablishAck", "and over TCP beside it", answer)
    order = tcp.order("Buy", 90, 10)
    tcp.expect("ExecutionReport_New", ClOrdID=order)
    udp.expect("ExecutionReport_New", ClOrdID=order)
    udp.cl_ord_id = tcp.cl_ord_id
    second = udp.order("Buy", 91, 10)
    udp.expect("ExecutionReport_New", ClOrdID=second)
    tcp.expect("ExecutionReport_New", ClOrdID=second)
    by_udp, by_tcp = [(n, name) for n, name, _ in udp.messages], [(n, name) for n, name, _ in tcp.messages]
    tap.ok(by_udp[-3:] == by_tcp[-3:] and len(by_tcp) == 3, "both get the same messages under the same numbers", (by_udp, by_tcp))
    tap.ok(not udp.unsequenced or all(name != "NotApplied" for name, _ in udp.unsequenced), "requests over TCP leave no gap in the flow over UDP", udp.unsequenced)
    other = SoupSession(app, 5)
    answer = other.open()
    tap.ok(answer and answer[1].get("Code") == "AlreadyEstablished", "a second TCP binding is refused", answer)
    answer = other.open(Flags=5)
    tcp.wait(lambda: tcp.ended, 3)
    udp.expect("Terminate", Code="NewLogin")
    tap.ok(answer and answer[0] == "EstablishAck" and tcp.ended and tcp.find("Terminate", Code="NewLogin"), "unless it takes over: the old one gets Terminate(NewLogin)", (answer, tcp.messages[-2:]))
    other.reset()
    time.sleep(0.3)
    udp.pump(0.3)
    tap.ok(not udp.find("ExecutionReport_Cancel"), "a lost link cancels nothing while the session lives over UDP", udp.messages[-2:])
    udp.terminate()
    cancels = [f["ClOrdID"] for _, name, f in udp.messages if name == "ExecutionReport_Cancel"]
    udp.pump(0.3)
    answer = other.open(number=1)
    cancels = [f["ClOrdID"] for _, name, f in other.messages if name == "ExecutionReport_Cancel" and f["CancelReason"] == "Disconnect"]
    tap.ok(sorted(cancels) == [order, second], "the last binding gone, its orders are canceled", cancels)
    other.close()
    udp.close()


def lost_link(app, tap):
    for what, leave in (("FIN", SoupSession.close), ("RST", SoupSession.reset)):
        s = SoupSession(app, 6)
        s.open(Flags=1)
        order = s.order("Sell", 200, 10)
        s.expect("ExecutionReport_New", ClOrdID=order)
        leave(s)
        time.sleep(0.3)
        answer = s.open(number=1)
        tap.ok(answer and s.find("ExecutionReport_Cancel", ClOrdID=order, CancelReason="Disconnect"), f"{what}: cancel-on-disconnect, and the session signs on again", (answer, s.messages[-3:]))
        s.close()
        time.sleep(0.2)
    s = SoupSession(app, 6)
    s.open(KeepAliveInterval=100)
    t = time.monotonic()
    s.sock.settimeout(3)
    while not s.ended and time.monotonic() - t < 3:
        s.pump(0.1)
    tap.ok(s.ended and s.find("Terminate", Code="KeepAliveExpired"), "silence ends in Terminate(KeepAliveExpired)", s.messages[-2:])


def restart(app, tap):
    s = SoupSession(app, 7)
    s.open()
    order = s.order("Buy", 50, 10)
    s.expect("ExecutionReport_New", ClOrdID=order)
    old = list(s.raw)
    pid = app.kill("dataplane")
    app.wait_pid("dataplane", pid)
    s.close()
    answer, deadline = None, time.monotonic() + 20
    while answer is None and time.monotonic() < deadline:
        try:
            answer = s.open(number=1)
        except OSError:
            time.sleep(0.2)
    tap.ok(answer and answer[0] == "EstablishAck" and s.raw[:len(old)] == old, "after kill -9 of the data plane the stream is there again from number 1, byte for byte", (answer, s.messages[:3]))
    s.cancel(order)
    tap.ok(s.expect("ExecutionReport_Cancel", ClOrdID=order), "and trading goes on", s.messages[-2:])
    s.close()


def slow_reader(app, tap):
    """Who does not read is cut off once its next message is no longer kept; another client never waits for it."""
    slow, udp, fast = SoupSession(app, 1), Session(app, 1), SoupSession(app, 2)
    slow.connect(receive_buffer=4096)
    slow.log_in()
    slow.establish(CODTimeoutWindow=60000)
    udp.establish(CODTimeoutWindow=60000)
    fast.open(CODTimeoutWindow=60000)
    fields = dict(Price=10, OrderQty=10, SecurityID=1, Account=1, Side="Buy", OrdType="Limit", TimeInForce="IOC", SelfMatchPreventionInst="None", ExecInst=0, MmpGroup=0, SelfMatchPreventionID=0)
    sent, worst, deadline = 0, 0.0, time.monotonic() + 60
    while not app.counter("tcp_slow") and time.monotonic() < deadline:
        for _ in range(50):
            udp.send(*[SCHEMA.encode("NewOrderSingle", ClOrdID=udp.next_id(), **fields) for _ in range(15)])
            sent += 15
            time.sleep(0.0002)
        t = time.monotonic()
        order = fast.order("Buy", 20, 10, tif="IOC")
        fast.expect("ExecutionReport_Cancel", ClOrdID=order)
        worst = max(worst, time.monotonic() - t)
    tap.ok(app.counter("tcp_slow") == 1 and sent > 30000, f"a link that is not read is closed once its next message is kept no more ({sent} orders)", (sent, app.counter("tcp_slow")))
    tap.ok(fast.find("ExecutionReport_Cancel", ClOrdID=fast.cl_ord_id), f"the other client was answered all the while (worst {worst * 1000:.0f} ms)")
    slow.close()
    answer = slow.open(number=1)
    tap.ok(answer and answer[0] == "EstablishReject" and answer[1]["Code"] == "SequenceOutOfRange", "what is kept no more cannot be asked for", answer)
    slow.close()
    answer = slow.open()
    tap.ok(answer and answer[0] == "EstablishAck", "a login from now on can", answer)
    for each in (slow, fast, udp):
        each.close()


def odd_segments(app, tap):
    """Connections that never log in, and ports nobody listens on."""
    with app.clients():
        idle = []
        for _ in range(60):
            sock = socket.create_connection(("10.77.0.2", 7001), timeout=3)
            idle.append(sock)
        probe = socket.socket()
        probe.settimeout(3)
        try:
            probe.connect(("10.77.0.2", 7999))
            refused = False
        except ConnectionRefusedError:
            refused = True
    tap.ok(refused, "a port nobody listens on refuses")
    s = SoupSession(app, 8)
    answer = s.open()
    tap.ok(answer and answer[0] == "EstablishAck", "sixty connections that say nothing are in nobody's way", answer)
    for sock in idle:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    s.close()


def main():
    require("ethtool")
    tap = Tap()
    with Appliance("tcp") as app:
        try:
            silence_before_establish(app, tap)
            refusals(app, tap)
            before = app.stages()["total"]["Count"]
            ordered = orders(app, tap)
            after = app.stages()["total"]["Count"]
            tap.ok(after > before, "orders over TCP are followed through the stages, too", (before, after))
            recovery(app, ordered, tap)
            two_transports(app, tap)
            lost_link(app, tap)
            odd_segments(app, tap)
            slow_reader(app, tap)
            restart(app, tap)
        except BaseException:
            print(app.logs())
            raise
    tap.done()


if __name__ == "__main__":
    main()
