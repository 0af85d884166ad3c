#!/usr/bin/env python3
"""Equal inputs, equal bytes: a random history replayed twice, and by four builds of the engine (gcc and clang, without and with optimisation), gives the same messages and
the same output and state digests. Prints TAP; the seed is printed and WCX_SEED=n repeats it.
"""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INPUTS = 6000
TREE = ROOT / os.environ.get("WCX_BUILD", "build") / "bin" / "wcx-play"  # the fourth build: what the Makefile makes, gcc -O3
BUILDS = (("gcc", 0, 2), ("clang", 0, 2), ("clang", 3, 3))  # compiler, level of optimisation, level of instruction set


def build(compiler, level, isa):
    """The program by another compiler, in a tree of its own that the next run finds: make compiles what has changed since."""
    tree = f"build/replay/{compiler}-O{level}"
    target = f"{tree}/bin/wcx-play"
    done = subprocess.run(["make", f"-j{os.cpu_count() or 1}", f"B={tree}", f"CC={compiler}", f"OPT=-O{level}", f"MARCH=x86-64-v{isa}", target], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{target}: {done.stdout[-400:]}{done.stderr[-2000:]}")
    return ROOT / target


class Flow:
    """Three sessions on three instruments around one price; most requests are sound, some are not."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.next_id = {session: 1 for session in (1, 2, 3)}
        self.live = {session: [] for session in (1, 2, 3)}

    def new(self, session, cl_ord_id):
        r = self.random
        body = {"Side": r.choice(("Buy", "Sell")), "Price": r.choice((r.randint(95, 105), r.randint(1, 10 ** 12), 0)) if r.random() < 0.1 else r.randint(95, 105),
                "OrderQty": r.randint(1, 50), "SecurityID": r.choice((1, 2, 3)), "Account": r.choice((1, 2, 3, 4, 99) if r.random() < 0.1 else (session,)),
                "TimeInForce": r.choices(("GTC", "IOC", "FOK", "Day"), (80, 10, 9, 1))[0]}
        if r.random() < 0.1:
            body["ExecInst"] = ["CancelOnDisconnect"]
        self.live[session].append((cl_ord_id, body["SecurityID"]))
        return "NewOrderSingle", body

    def cancel(self, session):
        orig, security = self.pick(session, remove=True)
        return "OrderCancelRequest", {"OrigClOrdID": orig, "SecurityID": security}

    def replace(self, session, cl_ord_id):
        orig, security = self.pick(session, remove=True)
        self.live[session].append((cl_ord_id, security))
        body = {"OrigClOrdID": orig, "SecurityID": security, "OrderQty": self.random.randint(-1, 60)}
        if self.random.random() < 0.6:
            body["Price"] = self.random.randint(95, 105)
        return "OrderCancelReplaceRequest", body

    def pick(self, session, remove):
        live = self.live[session]
        if not live:
            return 1, 1
        place = self.random.randrange(max(0, len(live) - 40), len(live))
        return live.pop(place) if remove else live[place]

    def request(self):
        r = self.random
        session = r.choice((1, 2, 3))
        cl_ord_id = self.next_id[session]
        self.next_id[session] += r.choice((1, 1, 1, 2))
        kind = r.choices(("new", "cancel", "replace"), (55, 20, 25))[0]
        name, body = self.new(session, cl_ord_id) if kind == "new" else self.cancel(session) if kind == "cancel" else self.replace(session, cl_ord_id)
        body.update(SessionID=session, ClOrdID=max(1, cl_ord_id - r.choice((0,) * 30 + (1,))))
        return name, body

    def rare(self):
        r = self.random
        session = r.choice((1, 2, 3))
        return r.choice((
            ("SecurityStatus", {"SecurityID": r.choice((1, 2)), "SecurityTradingStatus": r.choice(("TradingHalt", "ReadyToTrade", "ReadyToTrade", "CancelOnly"))}),
            ("Tick", {"TransactTime": r.randint(0, 10 ** 7)}),
            ("SessionOpened", {"SessionID": session, "UUID": r.randint(1, 10 ** 9), "Flags": r.choice((0, 1)), "KeepAliveInterval": 1000, "CODTimeoutWindow": 1, "DurabilityLevel": 1,
                               "MoldSession": "abcdefghij", "Transport": 2}),
            ("SessionClosed", {"SessionID": session, "Reason": "Finished", "Transport": 2, "CancelOrders": r.choice((0, 1, 2)), "Terminate": r.choice((0, 1)), "TerminateCode": "Finished"}),
        ))

    def lines(self):
        yield {"SecurityDefinition": {"SecurityID": 2, "PriceExponent": -2, "QtyExponent": -6, "AmtExponent": -8}}
        yield {"SecurityDefinition": {"SecurityID": 3, "RoundLot": 2, "MinPriceIncrement": 3, "MinNotional": 300}}
        for _ in range(INPUTS):
            name, body = self.request() if self.random.random() < 0.99 else self.rare()
            yield {name: body}
        yield {"Book": {"SecurityID": 1}}
        yield {"Book": {"SecurityID": 2}}


def replay(exe, script):
    done = subprocess.run([str(exe), "--md", "--digest", str(script)], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{exe.name}: status {done.returncode}: {done.stderr or done.stdout[:400]}")
    return done.stdout


class Report:
    def __init__(self):
        self.number = self.failed = 0

    def point(self, fine, name, text=""):
        self.number += 1
        self.failed += not fine
        print(f"{'ok' if fine else 'not ok'} {self.number} - {name}")
        if not fine and text:
            print("\n".join("# " + line for line in text.splitlines()))


def first_difference(one, two):
    for number, (a, b) in enumerate(zip(one.splitlines(), two.splitlines()), 1):
        if a != b:
            return f"line {number}:\n{a}\n{b}"
    return f"{len(one.splitlines())} and {len(two.splitlines())} lines"


def main():
    seed = int(os.environ.get("WCX_SEED", str(time.time_ns() % 10 ** 9)))
    print(f"# seed {seed}")
    report = Report()
    with tempfile.TemporaryDirectory() as temp:
        flow = [json.dumps(line) for line in Flow(seed).lines()]
        script, changed = Path(temp, "flow.jsonl"), Path(temp, "changed.jsonl")
        script.write_text("\n".join(flow) + "\n")
        place = next(i for i in range(INPUTS // 2, INPUTS) if '"NewOrderSingle"' in flow[i])
        changed.write_text("\n".join(flow[:place] + flow[place + 1:]) + "\n")
        reference = replay(TREE, script)
        trades = reference.count('{"OrderExecuted"')
        report.point(trades > INPUTS // 20, f"{TREE.name}: {reference.count(chr(10))} messages, {trades} fills")
        report.point(replay(TREE, script) == reference, f"{TREE.name}: a second run is equal")
        report.point(replay(TREE, changed).splitlines()[-1] != reference.splitlines()[-1], f"{TREE.name}: one input less shows in the digests")
        for compiler, level, isa in BUILDS:
            name = f"{compiler} -O{level}"
            if shutil.which(compiler) is None:
                report.point(False, f"{name}: built", f"{compiler} is not installed: make deps")
                continue
            out = replay(build(compiler, level, isa), script)
            report.point(out == reference, f"{name}: equal to {TREE.name}", first_difference(reference, out))
    print(f"1..{report.number}")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
