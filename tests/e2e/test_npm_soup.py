#!/usr/bin/env python3
"""A SoupBinTCP client no one here wrote: npm's `soupbintcp` signs on, enters and cancels orders, and receives the answers byte for byte.

The package comes from the npm registry into build/npm, pinned by version and integrity (tests/e2e/npm). The bytes it hands over are compared with what the
schema says they must be, and with what the re-request port gives for the same numbers over UDP.
"""
import json
import queue
import shutil
import subprocess
import sys
import threading
import time

from tcplife import TCP_PORT
from wcxlib import ROOT, REREQUEST_PORT, SCHEMA, SERVER, Appliance, Session, Tap, mold, require

SESSION = 4
PACKAGE = ROOT / "build" / "npm"


def install(tap):
    """The pinned package in build/npm; its integrity is checked by npm. A registry out of reach is a failure that says so."""
    wanted = ROOT / "tests" / "e2e" / "npm"
    have = PACKAGE / "package-lock.json"
    if have.exists() and have.read_bytes() == (wanted / "package-lock.json").read_bytes() and (PACKAGE / "node_modules" / "soupbintcp").exists():
        return
    shutil.rmtree(PACKAGE, ignore_errors=True)
    shutil.copytree(wanted, PACKAGE)
    command = ["npm", "ci", "--prefix", str(PACKAGE), "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    if done.returncode != 0:
        shutil.rmtree(PACKAGE, ignore_errors=True)
        tap.ok(False, "npm installs the pinned soupbintcp", f"{' '.join(command)} failed: is the npm registry reachable (npm ping)?\n" + done.stdout.decode(errors="replace"))
        tap.done()


class NpmClient:
    def __init__(self, app):
        self.child = app.spawn("node", ROOT / "tests/e2e/soup_client.js", PACKAGE / "node_modules", SERVER, TCP_PORT, stdout=subprocess.PIPE, stderr=sys.stderr, stdin=subprocess.PIPE)
        self.events = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            self.events.put(json.loads(line))

    def tell(self, **command):
        self.child.stdin.write(json.dumps(command).encode() + b"\n")
        self.child.stdin.flush()

    def send(self, message):
        self.tell(send=message.hex())

    def next(self, timeout=5.0):
        """(kind, value) of the next event, (None, None) when none comes."""
        try:
            return next(iter(self.events.get(timeout=timeout).items()))
        except queue.Empty:
            return None, None

    def message(self):
        """The next message as bytes."""
        kind, value = self.next()
        return bytes.fromhex(value) if kind == "message" else b""

    def end(self):
        self.child.stdin.close()
        return self.child.wait(timeout=10)


def expected(raw, name, opaque, **values):
    """Whether the bytes are exactly that message, whatever the fields named in `opaque` hold."""
    if len(raw) < 8 or SCHEMA.by_name[name].template != int.from_bytes(raw[2:4], "little"):
        return False
    fields = SCHEMA.decode(raw)[1]
    return raw == SCHEMA.encode(name, **values, **{key: fields[key] for key in opaque})


def order_life(client, tap, raws):
    order = dict(ClOrdID=1001, Price=4321, OrderQty=5000, SecurityID=2, Account=SESSION, Side="Buy", OrdType="Limit", TimeInForce="GTC", SelfMatchPreventionInst="None",
                 ExecInst=0, MmpGroup=0, SelfMatchPreventionID=0)
    client.send(SCHEMA.encode("NewOrderSingle", **order))
    raws.append(client.message())
    said = {key: order[key] for key in ("ClOrdID", "SecurityID", "Account", "Side", "OrdType", "TimeInForce", "Price", "OrderQty", "ExecInst", "SelfMatchPreventionInst")}
    opaque = ("TransactTime", "ExecID", "OrderID", "ReceiveTime")
    tap.ok(expected(raws[-1], "ExecutionReport_New", opaque, SessionID=SESSION, OrdStatus="New", LeavesQty=5000, SelfMatchPreventionID=0, **said),
           "a new order is answered, byte for byte", SCHEMA.decode(raws[-1]) if raws[-1] else "nothing")
    order_id = SCHEMA.decode(raws[-1])[1]["OrderID"]
    client.send(SCHEMA.encode("OrderCancelRequest", ClOrdID=1002, OrigClOrdID=1001, SecurityID=2))
    raws.append(client.message())
    tap.ok(expected(raws[-1], "ExecutionReport_Cancel", ("TransactTime", "ExecID", "ReceiveTime"), OrderID=order_id, ClOrdID=1001, RequestClOrdID=1002, SecurityID=2,
                    Account=SESSION, SessionID=SESSION, Side="Buy", OrdStatus="Canceled", CancelReason="UserRequested", Flags=0, CumQty=0, CanceledQty=5000),
           "its cancel is answered, byte for byte", SCHEMA.decode(raws[-1]) if raws[-1] else "nothing")
    client.send(SCHEMA.encode("OrderCancelRequest", ClOrdID=1003, OrigClOrdID=1001, SecurityID=2))
    raws.append(client.message())
    told = SCHEMA.decode(raws[-1]) if raws[-1] else None
    tap.ok(told and told[0] == "OrderCancelReject" and told[1]["ClOrdID"] == 1003 and told[1]["OrigClOrdID"] == 1001, "what is gone cannot be canceled again", told)
    client.send(SCHEMA.encode("NewOrderSingle", **dict(order, ClOrdID=1004, Side=9)))
    raws.append(client.message())
    told = SCHEMA.decode(raws[-1]) if raws[-1] else None
    tap.ok(told and told[0] == "BusinessMessageReject" and told[1]["BusinessRejectRefID"] == 1004 and told[1]["BusinessRejectReason"] == "InvalidField" and told[1]["RefTagID"] == 54,
           "over TCP a malformed request is refused with a number", told)


def main():
    require("node", "npm")
    tap = Tap()
    install(tap)
    tap.ok(True, "npm installs the pinned soupbintcp")
    with Appliance("npm-soup") as app:
        signer = Session(app, SESSION)
        client = NpmClient(app)
        tap.ok(client.next()[0] == "connect", "it connects")
        client.tell(login=dict(username=f"mm{SESSION}", password="any", requestedSession=f"S{SESSION:09}", requestedSequenceNumber=0))
        kind, accept = client.next()
        tap.ok(kind == "accept" and accept["session"] == f"S{SESSION:09}" and accept["sequenceNumber"] >= 1, "Login Accepted: its session and the next number", (kind, accept))
        number = accept["sequenceNumber"]
        tap.ok(client.next(0.3)[0] is None, "nothing comes before Establish")
        establish = signer.establish_message(transport=1, port=TCP_PORT, Flags=0)
        client.send(establish)
        raws = [client.message()]
        asked = SCHEMA.decode(establish)[1]
        tap.ok(expected(raws[0], "EstablishAck", ("MoldSession", "DurabilityLevel", "CODTimeoutWindow"), UUID=asked["UUID"], RequestTimestamp=asked["RequestTimestamp"],
                        NextServerSeqNo=number + 1, NextClientSeqNo=1, LastClOrdID=0, KeepAliveInterval=asked["KeepAliveInterval"]),
               "a signed Establish as first message is answered with EstablishAck, the first message of the stream", SCHEMA.decode(raws[0]) if raws[0] else "nothing")
        order_life(client, tap, raws)
        time.sleep(2.5)  # heartbeats of both sides, which the package keeps to itself
        client.send(SCHEMA.encode("NewOrderSingle", ClOrdID=1005, Price=1, OrderQty=1, SecurityID=1, Account=SESSION, Side="Buy", OrdType="Limit", TimeInForce="GTC",
                                  SelfMatchPreventionInst="None", ExecInst=0, MmpGroup=0, SelfMatchPreventionID=0))
        raws.append(client.message())
        tap.ok(raws[-1] and SCHEMA.decode(raws[-1])[0] == "ExecutionReport_New", "after seconds of heartbeats it trades on")
        same_over_udp(app, tap, signer, number, raws)
        again(app, tap, client, signer, number, raws, asked["UUID"])
        signer.close()
    tap.done()


def same_over_udp(app, tap, signer, number, raws):
    """The same numbers, asked for over UDP."""
    signer.establish(Flags=0)
    copies = {}
    signer._put = lambda at, block: copies.setdefault(at, block)
    signer.raw(mold(signer.mold_session, number, count=len(raws)), REREQUEST_PORT)
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline and len([n for n in copies if n < number + len(raws)]) < len(raws):
        signer.pump(0.05)
    tap.ok([copies.get(number + i) for i in range(len(raws))] == raws, "the re-request port gives the same bytes for the same numbers", (number, sorted(copies)))
    signer.send(SCHEMA.encode("Terminate", UUID=signer.uuid, Code="Finished"))
    signer.wait(lambda: False, 0.3)


def again(app, tap, client, signer, number, raws, uuid):
    """It ends in order; a second one logs in with the first number and gets everything again."""
    while client.next(0.3)[0] is not None:
        pass  # what the UDP binding of the same session did
    client.send(SCHEMA.encode("Terminate", UUID=uuid, Code="Finished"))
    last = client.message()
    tap.ok(last == SCHEMA.encode("Terminate", UUID=uuid, Code="Finished"), "Terminate is answered with Terminate, byte for byte", last)
    tap.ok(client.next()[0] == "end", "and the server closes the connection")
    client.end()
    second = NpmClient(app)
    second.next()
    second.tell(login=dict(username=f"mm{SESSION}", password="any", requestedSession=f"S{SESSION:09}", requestedSequenceNumber=number))
    kind, accept = second.next()
    tap.ok(kind == "accept" and accept["sequenceNumber"] == number, "a login may ask for an old number", (kind, accept))
    second.send(signer.establish_message(transport=1, port=TCP_PORT, Flags=4))
    tap.ok([second.message() for _ in raws] == raws, "and gets every message again, byte for byte, before its EstablishAck")
    tap.ok(second.end() == 0, "the package saw no error")


if __name__ == "__main__":
    main()
