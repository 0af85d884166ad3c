#!/usr/bin/env python3
"""wcx-conform, what a new member runs before going live: every rule holds against the appliance, and a planted fault is found by the rule that speaks of it.

Faults are planted in a relay between the program and the appliance, so that the program itself is the one that members run:

    program --10.77.0.1:7002,7003--> relay --10.77.0.2:7002,7003--> appliance
"""
import re
import select
import socket
import struct
import subprocess
import threading

from wcxlib import ORDER_PORT, REREQUEST_PORT, ROOT, SCHEMA, SERVER, Appliance, Tap, mold, require, unmold

PROGRAM = ROOT / "build" / "bin" / "wcx-conform"
INT64_MAX = (1 << 63) - 1
IN_VAIN = ("--patience", 1)  # where an answer is waited for that does not come


class Relay:
    """UDP both ways. fault(block) gives what is passed on of each message of the server; deaf: re-requests of a session's stream are not passed on."""

    def __init__(self, app, fault=None, deaf=False):
        self.fault, self.deaf, self.upstream, self.stop = fault, deaf, {}, False
        self.app, self.changed = app, 0
        with app.clients():
            self.ports = {}
            for port in (ORDER_PORT, REREQUEST_PORT):
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                sock.bind(("10.77.0.1", port))
                self.ports[sock] = port
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        self.thread.join()
        for sock in [*self.ports, *self.upstream.values()]:
            sock.close()

    def _up(self, sender):
        if sender not in self.upstream:
            with self.app.clients():
                self.upstream[sender] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                self.upstream[sender].bind(("10.77.0.1", 0))
        return self.upstream[sender]

    def _run(self):
        down = {port: sock for sock, port in self.ports.items()}
        while not self.stop:
            readable, _, _ = select.select([*self.ports, *self.upstream.values()], [], [], 0.05)
            for sock in readable:
                datagram, sender = sock.recvfrom(2048)
                if sock in self.ports:
                    if not self.deaf or self.ports[sock] != REREQUEST_PORT or datagram[:1] == b"M":
                        self._up(sender).sendto(datagram, (SERVER, self.ports[sock]))
                    continue
                client = next(address for address, up in self.upstream.items() if up is sock)
                down[sender[1]].sendto(self._changed(datagram), client)

    def _changed(self, datagram):
        if self.fault is None:
            return datagram
        session, sequence, blocks = unmold(datagram)
        told = [self.fault(bytearray(block)) for block in blocks]
        self.changed += told != blocks
        return mold(session, sequence, told) if told else datagram


def falsify(name, field, change):
    """A fault: the field of each such message says something else."""
    offset, fmt, *_ = SCHEMA.by_name[name].fields[field]

    def fault(block):
        if struct.unpack_from("<H", block, 2)[0] == SCHEMA.by_name[name].template:
            struct.pack_into("<" + fmt, block, 8 + offset, change(struct.unpack_from("<" + fmt, block, 8 + offset)[0]))
        return bytes(block)
    return fault


def advice(text):
    """{rule: what it says a member can change}, of the rules that failed."""
    return dict(re.findall(r"^FAIL  (\S+) .*\n      change: (.*)$", text, re.M))


def conform(app, *args):
    """(status, {rule: (held, text)}, output)"""
    done = subprocess.run(app.command(PROGRAM, *args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180)
    text = done.stdout.decode(errors="replace")
    rules = {name: (verdict == "pass", rest) for verdict, name, rest in re.findall(r"^(pass|FAIL)  (\S+) +[\d.]+ s  (.*)$", text, re.M)}
    return done.returncode, rules, text


def main():
    require()
    tap = Tap()
    with Appliance("conform") as app:
        status, rules, text = conform(app, "--sessions", "4,5")
        tap.ok(status == 0 and len(rules) > 25 and all(held for held, _ in rules.values()), f"the appliance conforms: {len(rules)} rules, status 0", text)
        tap.ok(app.wcxctl("journal", "verify", "--marks", app.region), "journal verify: chain and digests")
        lines = app.wcxctl("journal", "dump")
        seen = {line["NewOrderSingle"].get("OrdType") for line in lines if "NewOrderSingle" in line}
        tap.ok(seen == {"Limit", "Market", "Stop", "StopLimit", "MarketToLimit"}, "every order type was among what it sent", seen)
        forged(app, tap)
        usage(app, tap)
    tap.done()


def forged(app, tap):
    with Relay(app):
        status, rules, text = conform(app, "--server", "10.77.0.1", "--only", "limit")
        tap.ok(status == 0 and rules["limit"][0], "through an honest relay the rule 'limit' holds", text)
    for name, message, field, change, told in (("limit", "ExecutionReport_New", "LeavesQty", lambda value: value + 1, "ExecutionReport_New says 1001 of 1000"),
                                               ("trade", "ExecutionReport_Trade", "LastPx", lambda value: value - 1, "ExecutionReport_Trade of 1000 at 19999"),
                                               ("fok", "ExecutionReport_Cancel", "CancelReason", lambda value: 2, r"Cancel\(TimeInForceIOC\) of 3000, expected \(TimeInForceFOK\) of 3000")):
        with Relay(app, falsify(message, field, change)) as relay:
            status, rules, text = conform(app, "--server", "10.77.0.1", *IN_VAIN, "--only", name)
            held, why = rules.get(name, (True, ""))
            tap.ok(status == 1 and not held and re.search(told, why) and relay.changed, f"a falsified {message}.{field} is found by the rule '{name}'", text)
            tap.ok("--price and --qty must suit" in advice(text).get(name, ""), f"and '{name}' says what a member can change", text)
    with Relay(app, deaf=True):
        status, rules, text = conform(app, "--server", "10.77.0.1", *IN_VAIN, "--only", "loses-received")
        tap.ok(status == 1 and not rules["loses-received"][0], "without re-requests the rule 'loses-received' fails", text)


def usage(app, tap):
    status, rules, text = conform(app, "--only", "tcp-trade")
    tap.ok(status == 0 and set(rules) == {"sign-on", "tcp-trade"}, "a rule runs alone, too", text)
    status, _, text = conform(app, "--sessions", "4,4")
    tap.ok(status != 0 and "two different session numbers" in text, "a session cannot trade with itself", text)
    status, rules, text = conform(app, *IN_VAIN, "--sessions", "4,99")
    told = "EstablishReject code 1 (Credentials)" in text and "SECRET of --credentials" in advice(text).get("sign-on", "")
    tap.ok(status == 1 and not rules["sign-on"][0] and told and "not run" in text, "an unknown session fails the sign-on, is told what to change, and nothing else is run", text)
    status, rules, text = conform(app, *IN_VAIN, "--qty", INT64_MAX // 8, "--only", "limit")
    tap.ok(status == 1 and not rules["limit"][0] and "ExecutionReport_Reject(" in rules["limit"][1], "the reason for which an order was refused is told by its name", text)
    status, _, text = conform(app, *IN_VAIN, "--security", "77")
    tap.ok(status == 1 and "instrument 77" in text, "an unknown instrument is named", text)


if __name__ == "__main__":
    main()
