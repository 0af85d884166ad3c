#!/usr/bin/env python3
"""Late joiners of the market data: books from snapshot and feed equal `wcxctl book show`, without asking for the past, while orders change them.

Two joiners that share no code: the C client (wcx-mm --late), and the one here, order by order, with its own CRC32C. Both come while a load runs; neither asks
for a message before the first it heard.
"""
import json
import os
import signal
import socket
import struct
import subprocess
import time

from wcxlib import REREQUEST_PORT, SCHEMA, SERVER, Appliance, Books, Feed, Session, Tap, mold, require, summary_of, unmold

ORDERS = int(os.environ.get("WCX_ORDERS", "40000"))
SNAPSHOT_GROUPS = (("239.77.0.3", 7103), ("239.77.0.4", 7104))
CYCLE_S = 1.0  # snapshot_cycle_ms of configs/wcx.yaml

TABLE = []
for index in range(256):
    value = index
    for _ in range(8):
        value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    TABLE.append(value)


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


class Late(Feed):
    """The feed from the first message heard on, and the snapshot channel beside it."""

    def __init__(self, app, lines=(0, 1)):
        super().__init__(app, on_message=self._feed)
        self.first, self.books = None, Books()
        self.held, self.live, self.whole = {}, {}, 0
        self.problems, self.taken, self.cycles = [], 0, 0
        self.book, self.snap_session, self.snap_next, self.snap_store = None, None, None, {}
        self.snap_socks = []
        with app.clients():
            interface = socket.if_nametoindex(app.client_if)
            for line in lines:
                group, port = SNAPSHOT_GROUPS[line]
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
                sock.bind((group, port))
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("4s4si", socket.inet_aton(group), bytes(4), interface))
                sock.setblocking(False)
                self.snap_socks.append(sock)

    def close(self):
        super().close()
        for sock in self.snap_socks:
            sock.close()

    def _datagram(self, datagram):
        session, sequence, _ = unmold(datagram)
        if self.session is None and session[:1] == b"M":
            self.session, self.next, self.end, self.first = session, sequence, sequence, sequence
        return super()._datagram(datagram)

    def _feed(self, block):
        number = self.next - 1
        security = SCHEMA.decode(block)[1].get("SecurityID")
        if security not in self.live:
            self.held.setdefault(security, []).append((number, block))
        elif number > self.live[security]:
            self.books.apply(block)

    def pump(self):
        """A bounded look at every socket: a feed that never pauses must not keep the snapshots waiting."""
        copies = 0
        for sock in self.socks + self.snap_socks:
            take = self._datagram if sock in self.socks else self._snapshot_datagram
            for _ in range(100):
                try:
                    datagram = sock.recv(2048)
                except BlockingIOError:
                    break
                copies += take(datagram) or 0
        if self.session and self.next < self.end and time.monotonic() - self.asked > 0.05:
            self.asked = time.monotonic()
            hole = min(min(self.store, default=self.end), self.end)
            self.socks[2].sendto(mold(self.session, self.next, count=min(hole - self.next, 1000)), (SERVER, REREQUEST_PORT))
        return copies

    def _snapshot_datagram(self, datagram):
        session, sequence, blocks = unmold(datagram)
        if session != self.snap_session:
            self.snap_session, self.snap_next, self.book = session, sequence, None
        if sequence > self.snap_next + 2000:  # both lines lost it
            self.snap_next, self.book, self.snap_store = sequence, None, {}
        for i, block in enumerate(blocks):
            if sequence + i >= self.snap_next:
                self.snap_store[sequence + i] = block
        while self.snap_next in self.snap_store:
            self._snapshot(self.snap_store.pop(self.snap_next))
            self.snap_next += 1

    def _snapshot(self, block):
        name, f = SCHEMA.decode(block)
        if name == "SnapshotStart":
            self.book = (f, [])
        elif name == "SnapshotOrder" and self.book:
            self.book[1].append((f, block[8:48]))
        elif name == "SnapshotEnd" and self.book:
            start, orders = self.book
            self.book = None
            if not start["TotNumOrders"] == f["TotNumOrders"] == len(orders) or start["SnapshotID"] != f["SnapshotID"]:
                self.problems.append(("count", start, f, len(orders)))
            elif f["Checksum"] != crc32c(b"".join(raw for _, raw in orders)):
                self.problems.append(("checksum", start, f))
            else:
                self._take(start, [order for order, _ in orders])
        elif name == "EndOfCycle":
            self.cycles += 1
        elif name not in ("SnapshotStart", "SnapshotOrder", "SnapshotEnd"):
            self.problems.append(("unexpected", name))

    def _take(self, start, orders):
        security, valid = start["SecurityID"], start["LastMsgSeqNumProcessed"]
        if self.first is None or security in self.live or valid + 1 < self.first or self.snap_session[1:] != self.session[1:]:
            return
        self.books.sides.setdefault(security, {"Buy": {}, "Sell": {}})
        for order in orders:
            self.books._add(order["OrderID"], security, order["Side"], order["Price"], order["DisplayQty"])
        ranks = [(0 if o["Side"] == "Buy" else 1, -o["Price"] if o["Side"] == "Buy" else o["Price"], o["PriorityTime"]) for o in orders]
        if ranks != sorted(ranks):
            self.problems.append(("not in price-time order", security))
        for number, block in self.held.pop(security, []):
            if number > valid:
                self.books.apply(block)
        self.live[security] = valid
        self.taken += 1

    def join(self, securities, timeout):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and not all(s in self.live for s in securities):
            self.pump()
            time.sleep(0.002)
        return all(s in self.live for s in securities)


def hidden_and_icebergs(app):
    """Orders that no snapshot may show, and some it shows in part."""
    session = Session(app, 3)
    session.establish()
    for i in range(5):
        session.order("Buy", 100 + i, 1000, ExecInst=1 << 4)
        session.order("Sell", 900000 + i, 1000, DisplayQty=10 + i)
        session.order("Buy", 200 + i, 50)
    session.order("Buy", 950000, 7, OrdType="StopLimit", StopPx=940000)
    session.order("Buy", 150, 9, tif="AtTheOpening")
    last = session.order("Sell", 910000, 3)
    return session, session.expect("ExecutionReport_New", ClOrdID=last) is not None


def compare(tap, shown, books, what):
    for security in sorted(shown):
        truth = (shown[security]["Bids"], shown[security]["Asks"])
        tap.ok(books(security) == truth and truth[0] and truth[1], f"{what}: instrument {security}, {len(truth[0])} + {len(truth[1])} levels equal the engine's",
               (books(security), truth) if len(str(truth)) < 3000 else "")


def late_mm(app, session, path):
    return app.spawn(*app.mm("--late", "--sessions", session, "--rate", 0, "--dump-books", path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish_mm(tap, late, path):
    """End a late wcx-mm in order; its books by instrument."""
    late.send_signal(signal.SIGINT)
    output = late.communicate(timeout=60)[0]
    summary = summary_of(output)
    tap.ok(late.returncode == 0 and summary["books_joined"] and summary["snapshots_taken"] == 3 and summary["contradictions"] == 0 and summary["snapshots_bad"] == 0,
           "wcx-mm --late took three snapshots and nothing contradicts", output.decode()[-1500:])
    return {b["Book"]["SecurityID"]: b["Book"] for b in map(json.loads, path.read_text().splitlines())}


def faster_than_python(tap, app, seed):
    """As many requests a second as this machine makes; two late C clients."""
    load = app.spawn(*app.mm("--late", "--random-orders", 3 * ORDERS, "--seed", seed + 1, "--no-cod", "--rate", 30000, "--window", 2048, audit=False), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    paths = [app.run / f"late-{session}.json" for session in (4, 5)]
    late = []
    for session, path in zip((4, 5), paths):
        time.sleep(0.7)
        late.append(late_mm(app, session, path))
    output = load.communicate(timeout=150)[0]
    summary = summary_of(output)
    tap.ok(load.returncode == 0 and summary["orders"] >= 3 * ORDERS and summary["gaps"] == 0, f"{3 * ORDERS} more, {summary['orders'] / summary['seconds']:.0f} a second", summary)
    time.sleep(1.5)  # a cycle, for those that came late
    live = [finish_mm(tap, child, path) for child, path in zip(late, paths)]
    shown = {b["Book"]["SecurityID"]: b["Book"] for b in app.wcxctl("book", "show")}
    for books in live:
        compare(tap, shown, lambda s, b=books: (b[s]["Bids"], b[s]["Asks"]), "wcx-mm --late, in a rush")


def main():
    require()
    tap = Tap()
    seed = int(os.environ.get("WCX_SEED", time.time_ns() % 10**9))
    tap.note(f"WCX_SEED={seed} WCX_ORDERS={ORDERS}")
    with Appliance("late-join") as app:
        session, entered = hidden_and_icebergs(app)
        tap.ok(entered, "hidden orders, icebergs, a stop and an auction order stand")
        load = app.spawn(*app.mm("--random-orders", ORDERS, "--seed", seed, "--no-cod", "--rate", 4000, "--window", 256, audit=False), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        time.sleep(1.0)
        path = app.run / "late.json"
        late = late_mm(app, 4, path)
        joiners, times = [], []
        for lines in ((0, 1), (0,), (1,)):  # the snapshot's side A alone, side B alone
            joiner = Late(app, lines)
            begun = time.monotonic()
            tap.ok(joiner.join((1, 2, 3), 15), f"a joiner with snapshot sides {lines} has every book", (joiner.live, joiner.problems[:2]))
            times.append(round(time.monotonic() - begun, 2))
            joiners.append(joiner)
            session.heartbeat()
        tap.note(f"seconds until every book was there (a cycle begins every {CYCLE_S} s): {times}; still under load: {load.poll() is None}")
        while load.poll() is None:
            for joiner in joiners:
                joiner.pump()
            session.heartbeat()
        summary = summary_of(load.stdout.read())
        tap.ok(load.returncode == 0 and summary["orders"] >= ORDERS and summary["gaps"] == 0, f"{ORDERS} random requests", summary)
        for joiner in joiners:
            tap.ok(joiner.settle(timeout=30, quiet=1.2) and not joiner.problems and not joiner.books.errors and joiner.first > 1 and joiner.taken == 3,
                   f"nothing was missing from number {joiner.first} on, nothing contradicts", (joiner.next, joiner.end, joiner.problems[:3], joiner.books.errors[:3], joiner.rejects[:2]))
        live = finish_mm(tap, late, path)
        shown = {b["Book"]["SecurityID"]: b["Book"] for b in app.wcxctl("book", "show")}
        tap.ok(sorted(shown) == [1, 2, 3] == sorted(live), "all know the same instruments", (sorted(shown), sorted(live)))
        compare(tap, shown, lambda s: (live[s]["Bids"], live[s]["Asks"]), "wcx-mm --late")
        for joiner in joiners:
            compare(tap, shown, lambda s, j=joiner: (j.books.levels(s, "Buy"), j.books.levels(s, "Sell")), f"joined at {joiner.first}")
            joiner.close()
        session.terminate()
        session.close()
        faster_than_python(tap, app, seed)
        counters = {name: app.counter(name) for name in ("snapshot_cycles", "messages_snapshot", "snapshot_too_deep")}
        tap.ok(counters["snapshot_cycles"] > 3 and counters["snapshot_too_deep"] == 0, "cycles are counted", counters)
        tap.note(json.dumps(counters))
    tap.done()


if __name__ == "__main__":
    main()
