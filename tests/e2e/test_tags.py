#!/usr/bin/env python3
"""Datagram tags (dataplane/client/PROTOCOL.md 3.6) on the real appliance, against a SipHash-2-4 and a key derivation written apart from ours.

    session 3 agrees on tags: acks, messages, heartbeats and re-requests carry them both ways
    datagrams from its own address, in its own session, with a wrong tag or none change nothing
"""
import hashlib
import hmac
import struct
import subprocess
import time

from wcxlib import NO_SESSION, REREQUEST_PORT, SCHEMA, Appliance, Session, Tap, mold, require, summary_of

MASK = (1 << 64) - 1
TAGS = 8


def rotl(x, by):
    return (x << by | x >> (64 - by)) & MASK


def siphash(key, message):
    """SipHash-2-4, after the paper."""
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573]

    def rounds(count):
        a, b, c, d = v
        for _ in range(count):
            a, c = (a + b) & MASK, (c + d) & MASK
            b, d = rotl(b, 13) ^ a, rotl(d, 16) ^ c
            a, c = (rotl(a, 32) + d) & MASK, (c + b) & MASK
            b, d = rotl(b, 17) ^ c, rotl(d, 21) ^ a
            c = rotl(c, 32)
        v[:] = a, b, c, d

    padded = message + bytes(-(len(message) + 1) % 8) + bytes([len(message) & 0xff])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xff
    rounds(4)
    return struct.pack("<Q", v[0] ^ v[1] ^ v[2] ^ v[3])


class TaggedSocket:
    """The socket of a session that agreed on tags: what has a session string leaves with one; what comes without its own is kept apart."""

    def __init__(self, sock, session):
        self.sock, self.session, self.good, self.bad = sock, session, 0, []

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def key(self):
        return hmac.new(self.session.secret.encode(), b"wcx-tag" + struct.pack("<Q", self.session.uuid), hashlib.sha256).digest()[:16]

    def sendto(self, datagram, to):
        tag = b"" if datagram[:10] == NO_SESSION else siphash(self.key(), datagram)
        self.sock.sendto(datagram + tag, to)

    def recvfrom(self, size):
        while True:
            datagram, sender = self.sock.recvfrom(size)
            if len(datagram) >= 28 and datagram[-8:] == siphash(self.key(), datagram[:-8]):
                self.good += 1
                return datagram[:-8], sender
            self.bad.append(datagram)


def attack(app, session, tap):
    """Everything a stranger on the segment could send, who sees session string and numbers: none of it does anything."""
    raw = session.sock.sock
    counters = "requests_sequenced", "internal_sequenced", "requests_gap", "sessions_closed", "rerequests"
    before, dropped = [app.counter(name) for name in counters], app.counter("rx_drop_tag")
    order = SCHEMA.encode("NewOrderSingle", ClOrdID=session.cl_ord_id + 1, Price=100, OrderQty=1, SecurityID=1, Account=session.id, Side="Buy", OrdType="Limit", TimeInForce="GTC",
                          SelfMatchPreventionInst="None", ExecInst=0, MmpGroup=0, SelfMatchPreventionID=0)
    goodbye = SCHEMA.encode("Terminate", UUID=session.uuid, Code="Finished")
    datagrams = [mold(session.mold_session, session.next_client, [message]) for message in (order, goodbye)] + [mold(session.mold_session, session.next_client + 70000)]
    wrong = [datagram + tail for datagram in datagrams for tail in (b"", bytes(8), siphash(bytes(16), datagram), siphash(session.sock.key(), datagram)[:7])]
    for datagram in wrong:
        raw.sendto(datagram, ("10.77.0.2", 7002))
    raw.sendto(mold(session.mold_session, 1, count=5), ("10.77.0.2", REREQUEST_PORT))
    heard = len(session.messages)
    session.wait(lambda: False, 0.5)
    after = [app.counter(name) for name in counters]
    tap.ok(app.counter("rx_drop_tag") == dropped + len(wrong) + 1, "each is dropped and counted", app.counter("rx_drop_tag") - dropped)
    tap.ok(len(session.messages) == heard and after == before, "no answer, no input", (session.messages[heard:], before, after))


def main():
    require()
    tap = Tap()
    tap.ok(siphash(bytes(range(16)), bytes(range(15))).hex() == "e545be4961ca29a1", "this SipHash gives the example of the paper")
    with Appliance("tags") as app:
        session = Session(app, 3)
        session.sock = TaggedSocket(session.sock, session)
        answer = session.establish(Flags=TAGS)
        tap.ok(answer and answer[0] == "EstablishAck" and session.sock.good == 1 and not session.sock.bad, "the ack of a sign-on that asks for tags has one", (answer, session.sock.bad))
        order = session.order("Buy", 100, 10)
        tap.ok(session.expect("ExecutionReport_New", ClOrdID=order), "an order with its tag is taken, the answer has one", session.messages)
        attack(app, session, tap)
        cancel = session.cancel(order)
        tap.ok(session.expect("ExecutionReport_Cancel", RequestClOrdID=cancel), "and the session lives on", session.messages[-3:])
        session.store.clear()
        known, session.next_server, session.messages = session.next_server, session.next_server - 2, []
        session.end = known
        tap.ok(session.wait(lambda: session.next_server == known, 3), "re-requests with a tag are answered with tags", session.messages)
        good = session.sock.good
        time.sleep(1.2)
        session.pump(0.1)
        tap.ok(session.sock.good > good and not session.sock.bad, "heartbeats have tags, and nothing came without", session.sock.bad)
        answer = session.establish(Flags=0, timeout=1, repeat=0)
        tap.ok(answer is None and session.sock.bad, "a newer sign-on without the flag has none: its ack comes plain", (answer, session.sock.bad))
        session.sock.close()
        dropped = app.counter("rx_drop_tag")
        done = subprocess.run([str(a) for a in app.command(*app.mm("--seconds", 2, "--rate", 1000, "--tags"))], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=60, check=False)
        tap.ok(done.returncode == 0 and summary_of(done.stdout)["trades"] > 0, "the sample market makers trade with tags, and their audit agrees", done.stdout.decode()[-800:])
        tap.ok(app.counter("rx_drop_tag") == dropped, "none of their datagrams was dropped", app.counter("rx_drop_tag"))
    tap.done()


if __name__ == "__main__":
    main()
