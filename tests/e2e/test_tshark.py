#!/usr/bin/env python3
"""tshark as it comes from Debian decodes order entry, re-requests and feed as MoldUDP64, without a malformed packet; with the dissector every message has its name."""
import collections
import os
import signal
import subprocess
import time

from wcxlib import ROOT, Appliance, Feed, Session, Tap, require, summary_of

DISSECTOR = ["-X", f"lua_script:{ROOT / 'dataplane' / 'dissector' / 'wcx.lua'}"]
DECODE = [arg for port in (7002, 7003, 7101, 7102) for arg in ("-d", f"udp.port=={port},moldudp64")]


def fields(path, query, *names, decode=()):
    command = ["tshark", "-n", "-r", str(path), *(decode or DECODE), "-Y", query, "-T", "fields"] + [arg for name in names for arg in ("-e", name)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode())
    return done.stdout.decode().splitlines()


def main():
    require("tshark", "dumpcap")
    tap = Tap()
    with Appliance("tshark") as app:
        path = app.run / "traffic.pcapng"
        path.unlink(missing_ok=True)
        capture = app.spawn("dumpcap", "-q", "-i", app.client_if, "-f", "udp", "-w", path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        session = Session(app, 3)
        answer = session.establish(Flags=0)
        tap.ok(answer and answer[0] == "EstablishAck", "signed on", answer)
        session.order("Buy", 100, 1)
        done = subprocess.run([str(a) for a in app.command(*app.mm("--seconds", 3, "--rate", 400))], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        tap.ok(done.returncode == 0, "market makers traded", done.stdout.decode()[-800:])
        trades = summary_of(done.stdout)["trades"]
        feed = Feed(app)  # a late joiner: re-requests in the capture
        feed.settle(timeout=4, quiet=1.1)
        session.terminate()
        capture.send_signal(signal.SIGINT)
        capture.wait(timeout=10)
        os.chmod(path, 0o644)
        for name, query, least in (("orders to the appliance", "udp.dstport == 7002", 300), ("answers of the appliance", "udp.srcport == 7002", 300), ("re-requests", "udp.port == 7003", 2),
                                   ("feed, line A", "udp.dstport == 7101", 100), ("feed, line B", "udp.dstport == 7102", 100)):
            every = len(fields(path, query, "frame.number"))
            decoded = len(fields(path, f"({query}) && moldudp64 && !_ws.malformed", "frame.number"))
            tap.ok(every >= least and decoded == every, f"{name}: {every} packets, all decoded as moldudp64", f"decoded {decoded} of {every}")
        bad = fields(path, "_ws.malformed || _ws.expert.severity >= 0x800000", "frame.number", "udp.port", "_ws.expert.message")
        tap.ok(not bad, "no malformed packet and no expert error", bad[:5])
        heartbeats = len(fields(path, "udp.dstport == 7101 && moldudp64.count == 0", "frame.number"))
        sessions = set(fields(path, "udp.dstport == 7101", "moldudp64.session"))
        tap.ok(heartbeats >= 1 and len(sessions) == 1 and next(iter(sessions)).startswith("M001"), "heartbeats and the day's session string are read", (heartbeats, sessions))
        tap.ok(trades > 10, f"{trades} trades are in the capture")
        every = len(fields(path, "udp.port in {7002, 7003, 7101, 7102}", "frame.number"))
        named = len(fields(path, "wcx_mold && !wcx.unknown_template && !wcx.unknown_schema && !wcx.short && !wcx.trailing", "frame.number", decode=DISSECTOR))
        tap.ok(named == every, f"the dissector reads all {every} datagrams without a complaint", f"{named} of {every}")
        counts = collections.Counter(name for line in fields(path, "wcx.message", "wcx.message", decode=DISSECTOR) for name in line.split(","))
        tap.ok(all(counts[name] for name in ("Establish", "EstablishAck", "NewOrderSingle", "ExecutionReport_New", "AddOrder", "OrderExecuted", "Terminate")), "messages have their names", counts)
    tap.done()


if __name__ == "__main__":
    main()
