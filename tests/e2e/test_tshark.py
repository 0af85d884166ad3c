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
ERROR = 0x800000  # severity of an expert's remark


def decoded(path, *names, decode):
    """One pass of tshark: a dict for each UDP datagram of ours; a field that it does not have is an empty string."""
    command = ["tshark", "-n", "-r", str(path), *decode, "-Y", "udp.port in {7002, 7003, 7101, 7102}", "-T", "fields", *(arg for name in names for arg in ("-e", name))]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode())
    return [dict(zip(names, line.split("\t"))) for line in done.stdout.decode().splitlines()]


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
        packets = decoded(path, "frame.number", "udp.srcport", "udp.dstport", "moldudp64.session", "moldudp64.count", "_ws.malformed", "_ws.expert.severity", "_ws.expert.message", decode=DECODE)
        for name, end, port, least in (("orders to the appliance", "udp.dstport", "7002", 300), ("answers of the appliance", "udp.srcport", "7002", 300), ("re-requests", "udp.dstport", "7003", 1),
                                       ("what was asked for again", "udp.srcport", "7003", 1), ("feed, line A", "udp.dstport", "7101", 100), ("feed, line B", "udp.dstport", "7102", 100)):
            every = [packet for packet in packets if packet[end] == port]
            sound = [packet for packet in every if packet["moldudp64.session"] and not packet["_ws.malformed"]]
            tap.ok(len(every) >= least and len(sound) == len(every), f"{name}: {len(every)} packets, all decoded as moldudp64", f"decoded {len(sound)} of {len(every)}")
        bad = [packet for packet in packets if packet["_ws.malformed"] or any(int(level, 0) >= ERROR for level in packet["_ws.expert.severity"].split(",") if level)]
        tap.ok(not bad, "no malformed packet and no expert error", bad[:5])
        feed_a = [packet for packet in packets if packet["udp.dstport"] == "7101"]
        heartbeats, sessions = sum(packet["moldudp64.count"] == "0" for packet in feed_a), {packet["moldudp64.session"] for packet in feed_a}
        tap.ok(heartbeats >= 1 and len(sessions) == 1 and next(iter(sessions)).startswith("M001"), "heartbeats and the day's session string are read", (heartbeats, sessions))
        tap.ok(trades > 10, f"{trades} trades are in the capture")
        complaints = ("wcx.unknown_template", "wcx.unknown_schema", "wcx.short", "wcx.trailing")
        named = decoded(path, "wcx_mold", "wcx.message", *complaints, decode=DISSECTOR)
        odd = [packet for packet in named if not packet["wcx_mold"] or any(packet[name] for name in complaints)]
        tap.ok(len(named) == len(packets) and not odd, f"the dissector reads all {len(packets)} datagrams without a complaint", odd[:5])
        counts = collections.Counter(name for packet in named for name in packet["wcx.message"].split(",") if name)
        tap.ok(all(counts[name] for name in ("Establish", "EstablishAck", "NewOrderSingle", "ExecutionReport_New", "AddOrder", "OrderExecuted", "Terminate")), "messages have their names", counts)
    tap.done()


if __name__ == "__main__":
    main()
