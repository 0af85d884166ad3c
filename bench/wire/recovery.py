#!/usr/bin/env python3
"""How soon an appliance answers again, its real processes killed under a client's eyes: make bench-recovery.

One appliance at D1 whose book is full of resting orders (wcx-fill). A client of its own, which shares no code with it, sends an order every 2 ms and signs on every
50 ms while it is not signed on; a time is from the kill to the first acknowledgement of an order sent after it. The data plane has huge pages, as in
production: up.sh sets aside what it needs. Median and most of --rounds each:

  journal    kill -9 of the journal worker (wanted: at most 100 ms)
  dataplane  kill -9 of the data plane (wanted: at most 500 ms)
  cold       everything ended and its shared memory gone, as after a loss of power: from the command that starts it (control/dev/up.sh) to the first
             acknowledgement; the set-up of namespaces and interfaces, which a machine has done before, is in it
"""
import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from stage import Stage  # noqa: E402  (its folder had to be named first)
from wcxlib import Session  # noqa: E402

WANTED_MS = {"journal": 100, "dataplane": 500}
PATIENCE_S = 60.0
SETTLE_S = 2.5  # so long a data plane lives before it is killed: the runner starts one that died within a second later, and counts whole seconds
ORDER_SZ, PAGES_BESIDE = 400, 256  # bytes of the engine's tables an order, generously; pages of 2 MiB for region, frames and the rest
ORDER_S, SIGN_ON_S, RENEW_S, BEAT_S = 0.002, 0.05, 1.0, 0.1


class Client:
    """Session 2 of the stage; times are those of its own clock."""

    def __init__(self, stage):
        self.session = Session(stage.appliance, 2)
        self.session.key = "BENCH-2"
        self.session.secret = dict(line.split(": ") for line in stage.secrets.read_text(encoding="ascii").split("\n") if line)["BENCH-2"]
        self.sent = {}
        self.establish, self.made_at = None, 0.0
        self.establish_at = self.order_at = self.beat_at = 0.0
        self.seen = self.uuid_seen = 0

    def step(self, silent):
        """One turn. silent: the binding is believed dead. Returns (when, sent when) of an acknowledgement that came, or None."""
        session, now = self.session, time.monotonic()
        if silent and now - self.establish_at > SIGN_ON_S:
            self.establish_at = now
            if now - self.made_at > RENEW_S:  # an answer to the same bytes is still ours, however late
                self.made_at, self.establish = now, session.establish_message(Flags=4, KeepAliveInterval=1000, CODTimeoutWindow=60000)
            session.establish(timeout=0.0001, message=self.establish, repeat=0)
        elif session.mold_session and now - self.order_at > ORDER_S:
            self.order_at = now
            self.sent[session.order("Buy", 1, 1, tif="IOC")] = now
        if session.mold_session and now - self.beat_at > BEAT_S:
            self.beat_at = now
            session.heartbeat()
        session.pump(0.0005)
        came = None
        for _, name, fields in session.messages[self.seen:]:
            if name == "ExecutionReport_New" and fields["ClOrdID"] in self.sent:
                came = (time.monotonic(), self.sent.pop(fields["ClOrdID"]))
        self.seen = len(session.messages)
        return came

    def first_ack_after(self, start, rebind):
        """Seconds from `start` to the first acknowledgement of an order sent after it; None: there was none."""
        acked = len(self.session.unsequenced)
        signed = not rebind
        self.made_at = 0.0
        while time.monotonic() - start < PATIENCE_S:
            came = self.step(silent=not signed)
            signed = signed or any(name == "EstablishAck" for name, _ in self.session.unsequenced[acked:])
            if came is not None and came[1] > start and signed:
                return came[0] - start
        return None

    def trade(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.step(silent=self.session.mold_session is None)


def kill(stage, client, role):
    client.trade(SETTLE_S)
    if client.session.mold_session is None:
        sys.exit(f"the client does not sign on:\n{stage.appliance.logs()}")
    old = stage.appliance.pid(role)
    start = time.monotonic()
    if stage.appliance.kill(role) is None:
        sys.exit(f"no {role} lives:\n{stage.appliance.logs()}")
    took = client.first_ack_after(start, rebind=role == "dataplane")
    if took is None or stage.appliance.wait_pid(role, old) is None:
        sys.exit(f"{role} was killed, and no order is acknowledged:\n{stage.appliance.logs()}")
    return took


def cold(stage, client):
    stage.appliance.down()
    start = time.monotonic()
    stage.appliance.up(keep=True)
    again = Client(stage)
    again.session.cl_ord_id, again.session.uuid = client.session.cl_ord_id, client.session.uuid
    client.session.close()
    client.__dict__ = again.__dict__
    took = client.first_ack_after(start, rebind=True)
    if took is None:
        sys.exit(f"started again, and no order is acknowledged:\n{stage.appliance.logs()}")
    return took


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=1000000, help="resting orders (1000000)")
    parser.add_argument("--rounds", type=int, default=20, help="kills of each kind, and cold starts (20)")
    parser.add_argument("--only", choices=("journal", "dataplane", "cold"), help="one kind")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    options = parser.parse_args()
    log_mib = 256
    while log_mib << 20 < options.orders * 2000 + (2 << 20):
        log_mib *= 2
    values = {"orders_max": options.orders + 1000, "output_log_mib": log_mib, "snapshot_cycle_ms": 0, "sessions_max": 16, "accounts_max": 16}
    pages = (log_mib + options.orders * ORDER_SZ // (1 << 20)) // 2 + PAGES_BESIDE
    with Stage("recovery", 2, durable=True, hugepages=pages, **values) as stage:
        status, told = stage.run("wcx-fill", "--orders", options.orders)
        if status != 0:
            sys.exit(f"the book could not be filled: {told}\n{stage.appliance.logs()}")
        client = Client(stage)
        took = {"journal": [], "dataplane": [], "cold": []}
        for _ in range(options.rounds):
            for role in ("journal", "dataplane"):
                if options.only in (None, role):
                    took[role].append(kill(stage, client, role))
        for _ in range(options.rounds if options.only in (None, "cold") else 0):
            took["cold"].append(cold(stage, client))
    took = {what: times for what, times in took.items() if times}
    figures = {"orders": options.orders, "rounds": options.rounds, "fill": json.loads(told)}
    for what, times in took.items():
        times.sort()
        figures[what] = {"median_ms": round(times[len(times) // 2] * 1e3, 1), "max_ms": round(times[-1] * 1e3, 1), "wanted_ms": WANTED_MS.get(what)}
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{options.orders} resting orders, {options.rounds} rounds; ms from the kill to the first acknowledgement of an order sent after it")
    for what in took:
        figure = figures[what]
        held = "" if figure["wanted_ms"] is None else f"   wanted {figure['wanted_ms']}: {'held' if figure['max_ms'] <= figure['wanted_ms'] else 'not held'}"
        print(f"{what:10} median {figure['median_ms']:9.1f}   most {figure['max_ms']:9.1f}{held}")


if __name__ == "__main__":
    main()
