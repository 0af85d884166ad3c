#!/usr/bin/env python3
"""A journal as something wcx-bench wire can replay: PREFIX.flow, its orders (bench/flow.h), and PREFIX.due, when each came: u64 little-endian, ns after the first.

usage: journal_flow.py --state-dir DIR --out PREFIX [--security 1]
       wcx-bench wire --profile replay --flow PREFIX.flow --due PREFIX.due --times N ..     N times as fast as it was
Limit orders (good till canceled, or immediate or cancel) of one instrument, their cancels and their moves; the owner of an order is its session, brought into 1..1000. What a flow
cannot say is left out, and counted in the line that is printed: other order types, changed quantities, cancels by OrderID, and what names an order that was left out.
"""
import argparse
import json
import struct
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEW, CANCEL, MOVE = 0, 1, 2
IOC = 1
OWNER_MAX = 1000


class Flow:
    def __init__(self, security):
        self.security = security
        self.records, self.stamps = [], []
        self.orders = {}  # (session, ClOrdID) -> [id, side, qty, px, owner]
        self.new_cnt, self.left_out = 0, {}

    def leave_out(self, why):
        self.left_out[why] = self.left_out.get(why, 0) + 1

    def put(self, stamp, op, flags, order, px):
        number, side, qty, old_px, owner = order
        self.records.append(struct.pack("<BBBBIQqQ", op, side, flags, 0, qty, number, px, owner | (old_px << 32 if op != NEW else 0)))
        self.stamps.append(stamp)

    def new(self, stamp, session, body):
        plain = body["OrdType"] == "Limit" and body["TimeInForce"] in ("GTC", "IOC") and not body["ExecInst"] and body["DisplayQty"] is None and body["MinQty"] is None
        if not plain or not (0 < body["Price"] < 1 << 31 and 0 < body["OrderQty"] < 1 << 32):
            self.leave_out("order types")
            return
        self.new_cnt += 1
        order = [self.new_cnt, 0 if body["Side"] == "Buy" else 1, body["OrderQty"], body["Price"], (session - 1) % OWNER_MAX + 1]
        self.orders[session, body["ClOrdID"]] = order
        self.put(stamp, NEW, IOC if body["TimeInForce"] == "IOC" else 0, order, order[3])

    def other(self, stamp, session, op, body):
        order = self.orders.pop((session, body["OrigClOrdID"]), None)
        if order is None:
            self.leave_out("names an order that is not in the flow")
        elif op == CANCEL:
            self.put(stamp, CANCEL, 0, order, order[3])
        elif body["OrderQty"] != order[2] or body["Price"] is None:
            self.leave_out("changed quantities")
        else:
            self.put(stamp, MOVE, 0, order, body["Price"])
            order[3] = body["Price"]
            self.orders[session, body["ClOrdID"]] = order

    def take(self, line):
        for name, op in (("NewOrderSingle", NEW), ("OrderCancelRequest", CANCEL), ("OrderCancelReplaceRequest", MOVE)):
            body = line.get(name)
            if body is None or body["SecurityID"] != self.security:
                continue
            if op == NEW:
                self.new(line["Stamp"], line["SessionID"], body)
            else:
                self.other(line["Stamp"], line["SessionID"], op, body)


def main():
    parser = argparse.ArgumentParser(description="a journal as a flow file and the times of its records")
    parser.add_argument("--state-dir", required=True)
    parser.add_argument("--out", required=True, help="prefix of the two files")
    parser.add_argument("--security", type=int, default=1)
    asked = parser.parse_args()
    flow = Flow(asked.security)
    with subprocess.Popen([ROOT / "build/bin/wcxctl", "journal", "dump", "--state-dir", asked.state_dir, "-o", "json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as dump:
        for line in dump.stdout:
            flow.take(json.loads(line))
    if dump.returncode != 0:
        sys.exit(f"journal_flow.py: wcxctl journal dump ended with status {dump.returncode}")
    if not flow.records:
        sys.exit(f"journal_flow.py: no order of instrument {asked.security} in {asked.state_dir}")
    Path(f"{asked.out}.flow").write_bytes(b"".join(flow.records))
    Path(f"{asked.out}.due").write_bytes(b"".join(struct.pack("<Q", stamp - flow.stamps[0]) for stamp in flow.stamps))
    print(json.dumps({"records": len(flow.records), "seconds": (flow.stamps[-1] - flow.stamps[0]) / 1e9, "left_out": flow.left_out}))


if __name__ == "__main__":
    main()
