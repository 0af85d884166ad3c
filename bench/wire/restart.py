#!/usr/bin/env python3
"""How long nobody is served when the data plane dies with many resting orders: kill -9 to the first acknowledged order of a client that tries all the time.

    python3 bench/wire/restart.py [--orders 1000000] [--tail 1000] [--rounds 20] [--hugepages 1500] [--without]

The appliance runs as `make up` starts it, on a veth, at D1, its runner starts what has died at once. `--tail` orders follow the snapshot and are replayed behind it;
--without removes the snapshots before each round, so that the whole journal is replayed. The last line is JSON: milliseconds from the kill, by round and by part:
the new process runs, it says that it serves, the session is signed on, the order is acknowledged.
"""
import argparse
import json
import os
import re
import struct
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from wcxlib import NO_SESSION, ORDER_PORT, SCHEMA, SERVER, Appliance, Session, mold, require  # noqa: E402

PACKED = 12  # orders a datagram
WINDOW = 6000
PRICES = 1000


def write_config(folder, orders):
    text = (ROOT / "configs" / "wcx.yaml").read_text(encoding="utf-8")
    log_mib = 1
    while log_mib << 20 < 1900 * orders + (8 << 20):
        log_mib *= 2
    for key, value in {"secrets_file": ROOT / "configs/development/secrets.yaml", "orders_max": orders, "output_log_mib": log_mib, "journal_segment_mib": 64,
                       "establish_per_source_per_s": 100000}.items():
        text, found = re.subn(rf"(?m)^(\s*{key}:) \S+", rf"\1 {value}", text)
        if found != 1:
            sys.exit(f"configs/wcx.yaml: {found} keys {key}, wanted one")
    path = Path(folder) / "wcx.yaml"
    path.write_text(text, encoding="utf-8")
    return path


class Filler(Session):
    """Orders that rest, by the datagram; answers are counted by their numbers and not looked at."""

    def fill(self, cnt):
        self.sock.setblocking(False)
        template = bytearray(SCHEMA.encode("NewOrderSingle", ClOrdID=0, Price=0, OrderQty=1, SecurityID=1, Account=self.id, Side="Buy", OrdType="Limit", TimeInForce="GTC",
                                           SelfMatchPreventionInst="None", ExecInst=0, MmpGroup=0, SelfMatchPreventionID=0))
        begun, sent, heard, beat = self.end, 0, 0, time.monotonic()
        last = beat  # something was heard; a datagram that was lost is never answered
        while heard < cnt and (sent < cnt or time.monotonic() - last < 1.0):
            try:
                while True:
                    session, sequence, count = struct.unpack_from(">10sQH", self.sock.recv(2048))
                    if session == self.mold_session and count != 0xFFFF and sequence + count > self.end:
                        self.end = sequence + count
                        last = time.monotonic()
            except BlockingIOError:
                pass
            heard = self.end - begun
            if sent >= cnt or (sent - heard > WINDOW and time.monotonic() - last < 0.2):
                if time.monotonic() - beat > 0.3:
                    self.heartbeat()  # the answer says how far the numbers are
                    beat = time.monotonic()
                time.sleep(0.0005)
                continue
            blocks = []
            for _ in range(min(PACKED, cnt - sent)):
                struct.pack_into("<qq", template, 8, self.next_id(), 1 + self.cl_ord_id * 7 % PRICES)
                blocks.append(bytes(template))
                sent += 1
            self.send(*blocks)
        self.next_server = self.end


def check_layout():
    """ClOrdID and Price stand first in a NewOrderSingle; fill() writes there."""
    block = SCHEMA.encode("NewOrderSingle", ClOrdID=0x1122, Price=0x3344, OrderQty=1, SecurityID=1, Account=1, Side="Buy", OrdType="Limit", TimeInForce="GTC",
                          SelfMatchPreventionInst="None", ExecInst=0, MmpGroup=0, SelfMatchPreventionID=0)
    assert struct.unpack_from("<qq", block, 8) == (0x1122, 0x3344), "the schema has moved"


def shard(app):
    return app.wcxctl("status")[0]["Status"]["Shards"][0]


def served_lines(app):
    return re.findall(r"serves on .*? (\d+) inputs in its history, (\d+) of them from a snapshot, (\d+) live orders", (app.run / "log" / "dataplane.log").read_text(errors="replace"))


def one_round(app, session):
    """Kill, then knock until an order is acknowledged. Milliseconds of each part."""
    served = len(served_lines(app))
    start = time.monotonic()
    old = app.kill("dataplane")
    fresh, serves, signed = None, None, None
    message = session.establish_message(Flags=4, KeepAliveInterval=1000, CODTimeoutWindow=20000)
    uuid = session.uuid
    knock = 0.0
    while True:
        now = time.monotonic()
        if now - start > 60:
            sys.exit("no acknowledgement within 60 s\n" + app.logs())
        if fresh is None and app.pid("dataplane") not in (None, old):
            fresh = now
        if fresh is not None and serves is None and len(served_lines(app)) > served:
            serves = now
        if now - knock > 0.002:
            session.sock.sendto(mold(NO_SESSION, 0, [message]), (SERVER, ORDER_PORT))
            knock = now
        session.pump(0.0005)
        if any(name == "EstablishAck" and fields["UUID"] == uuid for name, fields in session.unsequenced):
            signed = time.monotonic()
            break
    session.unsequenced.clear()
    last = session.order("Buy", 1, 1)
    while session.find("ExecutionReport_New", ClOrdID=last) is None:
        session.pump(0.0005)
    done = time.monotonic()
    serves = serves or signed
    session.messages.clear()
    return {"process": (fresh or serves) - start, "serving": serves - start, "signed_on": signed - start, "acknowledged": done - start}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=1000000)
    parser.add_argument("--tail", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--without", action="store_true")
    parser.add_argument("--hugepages", type=int, default=0, help="of 2 MiB, for the data plane's memory; 0: ordinary pages")
    options = parser.parse_args()
    require()
    check_layout()
    with tempfile.TemporaryDirectory(prefix="wcx-restart-") as folder:
        config = write_config(folder, options.orders + options.tail + 1000)
        with Appliance("restart", WCX_CONFIG=str(config), WCX_HUGEPAGES=str(options.hugepages), WCX_REGION_MIB="128") as app:
            filler = Filler(app, 1)
            answer = filler.establish(Flags=0, KeepAliveInterval=10000)
            assert answer and answer[0] == "EstablishAck", answer
            begun = time.monotonic()
            while shard(app)["OrdersLive"] < options.orders:
                filler.fill(min(options.orders - shard(app)["OrdersLive"], 50000))
            print(f"# {shard(app)['OrdersLive']} orders rest after {time.monotonic() - begun:.0f} s", flush=True)
            app.wcxctl("snapshot", "take")
            taken = shard(app)
            filler.fill(options.tail)
            session = Session(app, 2)
            session.establish(Flags=4, KeepAliveInterval=1000, CODTimeoutWindow=20000)
            rounds = []
            for _ in range(options.rounds):
                if options.without:
                    app.kill("replica", 19)  # stopped, so that it takes no new one
                    for path in (app.state / "snapshot").glob("*/snap-*"):
                        path.unlink()
                rounds.append(one_round(app, session))
                time.sleep(2.5)  # the runner waits before it starts again what has lived for less than that
            history, from_snapshot, live = map(int, served_lines(app)[-1])
            listed = app.wcxctl("snapshot", "list") if not options.without else []
            if options.without:
                app.kill("replica", 18)
            out = {"orders_live": live, "inputs": history, "from_snapshot": from_snapshot, "replayed": history - from_snapshot, "rounds": options.rounds,
                   "snapshot_bytes": max((s["Snapshot"]["Bytes"] for s in listed), default=0), "snapshot_taken_ms": round(taken["SnapshotNs"] / 1e6)}
            for part in rounds[0]:
                values = sorted(1000 * r[part] for r in rounds)
                out[f"{part}_ms"] = {"median": round(values[len(values) // 2], 1), "max": round(values[-1], 1), "min": round(values[0], 1)}
            print(json.dumps(out))


if __name__ == "__main__":
    main()
