#!/usr/bin/env python3
"""wcx-bench wire against wcx-gateway over loopback, the appliance's loop behind kernel sockets: what is measured, what makes a run invalid, a server that is stopped. Owns a poll core. Prints TAP.

Times are compared with the schedule where a stall of the server dwarfs what else runs on this machine; nothing is said about how fast anything is.
"""
import contextlib
import csv
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import taplib

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("WCX_BUILD", ROOT / "build")) / "bin"
sys.path.insert(0, str(ROOT / "bench" / "wire"))
from journal_flow import Flow  # noqa: E402  (its folder had to be named first)

SECRETS = ROOT / "configs/development/secrets.yaml"
STALL_S = 0.4
STALL_PER_S, STALL_RUN_S = 50, 2  # so few that one at a time keeps up with them on a machine that is busy


def free_port():
    """Of two neighbours that nobody has."""
    for _ in range(50):
        with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as other:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                other.bind(("127.0.0.1", port + 1))
                return port
    raise RuntimeError("no two free ports")


def favoured():
    """In a process about to begin: before others, where we may, so that what is measured is the server and not who else is there."""
    os.setsid()
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("-20")


@contextlib.contextmanager
def gateway(port):
    child = subprocess.Popen([BIN / "wcx-gateway", "--secrets", SECRETS, "--port", str(port)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, preexec_fn=favoured)
    try:
        if child.stdout.readline() != "ready\n":
            raise RuntimeError("wcx-gateway does not serve")
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGCONT)
            child.terminate()
            child.wait()
        child.stdout.close()


def command(port, *args, server="127.0.0.1"):
    return [str(part) for part in (BIN / "wcx-bench", "wire", "--secrets", SECRETS, "--server", server, "--port", port, *args)]


def run(port, *args, **kwargs):
    return subprocess.run(command(port, *args, **kwargs), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=60)


def profiles(_):
    """every profile and mix is answered whole and traded as by the engine alone; figures rise, and late and uncorrected make up corrected"""
    runs = (("constant", "pair", 1), ("poisson", "cross", 3), ("burst", "storm", 2), ("soak", "hot", 4), ("poisson", "sweep", 4))
    port = free_port()
    with gateway(port):
        for profile, mix, sessions in runs:
            done = run(port, "--profile", profile, "--mix", mix, "--sessions", sessions, "--rate", 2000, "--seconds", 1, "--json")
            told = json.loads(done.stdout)
            hists = [told[name] for name in ("corrected", "uncorrected", "late")]
            rising = all(0 <= h["min_ns"] <= h["p50_ns"] <= h["p99_ns"] <= h["p999_ns"] and h["count"] == 2000 for h in hists)
            summed = abs(told["corrected"]["mean_ns"] - told["uncorrected"]["mean_ns"] - told["late"]["mean_ns"]) <= 0.001 * told["corrected"]["mean_ns"] + 2
            good = done.returncode == 0 and told["valid"] and told["requests"] == told["answered"] == 2000 and told["gaps"] == told["not_applied"] == 0 and isinstance(told["port_drops"], int)
            same = told["trade_hash"] == told["reference_trade_hash"] and (told["trades"] > 0) == (mix in ("cross", "hot", "sweep"))
            if not (good and rising and summed and same) or ("drift_p99" in told) != (profile == "soak") or "software" not in told["timestamps"]:
                print(f"# {profile} {mix}: {done.stdout}{done.stderr}")
                return False
    return True


def mass(_):
    """one mass cancel ends everything that rested, amid the load of others; it takes a second session"""
    port = free_port()
    with gateway(port):
        done = run(port, "--mix", "mass", "--resting", 3000, "--sessions", 3, "--rate", 2000, "--seconds", 1, "--json")
        alone = run(port, "--mix", "mass", "--sessions", 1)
    told = json.loads(done.stdout)
    return (done.returncode == 0 and told["requests"] == told["answered"] == 2000 and told["mass_cancel"]["orders"] == 3000 and told["mass_cancel"]["ns"] > 0
            and alone.returncode == 2 and "two sessions" in alone.stderr)


def sleeping(_):
    """--sleep leaves the CPU to others between requests"""
    port, spent = free_port(), {}
    with gateway(port):
        for option in ("--sleep", "--json"):
            child = subprocess.Popen(command(port, "--rate", 100, "--seconds", 2, "--json", option), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = status
            spent[option] = usage.ru_utime + usage.ru_stime
    print(f"# {spent['--sleep']:.2f} s of CPU, polled {spent['--json']:.2f} s")
    return spent["--sleep"] < 0.5 * spent["--json"]


def folder(scratch):
    """a run folder with all files; histograms of the log, percentiles and result say the same; two of them can be compared"""
    port = free_port()
    with gateway(port):
        for _ in range(2):
            done = run(port, "--rate", 4000, "--seconds", 1, "--out", scratch / "out", "--json")
    told, latest = json.loads(done.stdout), scratch / "out/latest"
    rows = {(row["tag"], float(row["percentile"])): int(row["value_ns"]) for row in csv.DictReader((latest / "percentiles.csv").open())}
    for tag in ("corrected", "uncorrected", "late"):
        hist = json.loads(subprocess.run([BIN / "wcx-bench", "hist", "--hlog", latest / "hist.hlog", "--tag", tag, "--json"], stdout=subprocess.PIPE, check=True).stdout)
        if hist["count"] != 4000 or any(not hist[key] == told[tag][key] == rows[tag, at] for key, at in (("p50_ns", 50.0), ("p99_ns", 99.0), ("p999_ns", 99.9))):
            print(f"# {tag}: {hist} {told[tag]}")
            return False
    page = (latest / "report.html").read_text()
    samples = len((latest / "samples.csv").read_text().splitlines()) - 1
    a, b = sorted(path for path in (scratch / "out").iterdir() if not path.is_symlink())
    verdict = json.loads(subprocess.run([BIN / "wcx-bench", "compare", a, b, "--json"], stdout=subprocess.PIPE, check=False).stdout)
    env = json.loads((latest / "env.json").read_text())
    return (json.loads((latest / "result.json").read_text()) == told and env["valid"] and samples == verdict["pairs"] == 80 and page.count("<svg") == 4
            and all((latest / f"{name}.svg").read_text() in page for name in ("percentiles", "histogram", "parts", "samples")) and "demo-secret" not in page + json.dumps(env))


def stalled(port, *args):
    """The run's result with the server stopped for STALL_S in its middle, and how long it was stopped at least and at most."""
    with gateway(port) as child:
        load = subprocess.Popen(command(port, "--profile", "constant", "--rate", STALL_PER_S, "--seconds", STALL_RUN_S, "--json", *args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, preexec_fn=favoured)
        time.sleep(0.9)
        before = time.monotonic()
        child.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        time.sleep(STALL_S)
        going = time.monotonic()
        child.send_signal(signal.SIGCONT)
        after = time.monotonic()
        out, _ = load.communicate(timeout=60)
    return json.loads(out), going - stopped, after - before


def coordinated(_):
    """a client that waits for its answers and a server that is stopped: the corrected percentiles are what the schedule says, the uncorrected ones saw one slow request"""
    told, least_s, most_s = stalled(free_port(), "--window", 1)
    if not told["valid"] or told["answered"] != STALL_PER_S * STALL_RUN_S:
        print(f"# {told}")
        return False
    for key, percentile in (("p90_ns", 0.90), ("p99_ns", 0.99)):
        # Of all requests (1 - percentile) were delayed more: they were due before this one in the stall, which therefore had so much less left for it.
        left_s = (1 - percentile) * STALL_RUN_S
        corrected_s = told["corrected"][key] / 1e9
        print(f"# {key}: corrected {corrected_s:.3f} s, by the schedule {least_s - left_s:.3f} s; uncorrected {told['uncorrected'][key] / 1e9:.3f} s")
        if not least_s - left_s - 1.5 / STALL_PER_S <= corrected_s <= max(most_s - left_s, 0) + 0.2:
            return False
    return told["uncorrected"]["p99_ns"] < 1e9 * STALL_S / 2 < 1e9 * 0.9 * least_s < told["uncorrected"]["max_ns"] and told["held_back"] > 0


def on_time(_):
    """a client that sends whatever is out: the same stop, and both histograms show it"""
    told, least_s, _ = stalled(free_port())
    print(f"# p99: corrected {told['corrected']['p99_ns'] / 1e9:.3f} s, uncorrected {told['uncorrected']['p99_ns'] / 1e9:.3f} s of {least_s:.3f} s")
    return told["valid"] and told["uncorrected"]["p99_ns"] / 1e9 > least_s - 0.1 and abs(told["corrected"]["p99_ns"] - told["uncorrected"]["p99_ns"]) < 0.1e9


class Proxy:
    """Between 127.0.0.2 and 127.0.0.1, the same ports; loses one datagram with an order in it, or one with answers."""

    def __init__(self, port, loses_order):
        self.port, self.loses_order, self.lost, self.orders = port, loses_order, 0, 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.serve)

    def __enter__(self):
        self.near = [self.bound("127.0.0.2", self.port + i) for i in (0, 1)]
        self.far = [self.bound("127.0.0.1", 0)] * 2
        self.client = None
        self.thread.start()
        return self

    @staticmethod
    def bound(address, port):
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.bind((address, port))
        return sock

    def serve(self):
        while not self.done.is_set():
            for sock in select.select([*self.near, self.far[0]], [], [], 0.05)[0]:
                data, sender = sock.recvfrom(2048)
                is_up = sock in self.near
                numbered = data[:10] != b" " * 10 and data[18:20] != b"\0\0"
                self.orders += is_up and numbered
                if numbered and self.orders >= 10 and not self.lost and is_up == self.loses_order:  # a busy machine sends many orders in a datagram
                    self.lost += 1
                elif is_up:
                    self.client = sender
                    self.far[0].sendto(data, ("127.0.0.1", self.port + self.near.index(sock)))
                else:
                    self.near[sender[1] - self.port].sendto(data, self.client)

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        for sock in (*self.near, self.far[0]):
            sock.close()


def invalid(scratch):
    """an order lost on the way, answers lost on the way, a server that dies: the run says so, in its folder too, and ends with status 1"""
    port = free_port()
    with gateway(port):
        for loses_order, text in ((True, "NotApplied"), (False, "asked for again")):
            with Proxy(port, loses_order) as proxy:
                done = run(port, "--rate", 200, "--seconds", 1, "--warm-ms", 0, "--json", server="127.0.0.2")
            told = json.loads(done.stdout)
            if done.returncode != 1 or told["valid"] or text not in told["fault"] or text not in done.stderr or proxy.lost != 1:
                print(f"# {done.stdout}{done.stderr}")
                return False
    with gateway(port) as child:
        load = subprocess.Popen(command(port, "--rate", 500, "--seconds", 3, "--json", "--out", scratch / "out"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(1.5)
        child.kill()
        out, err = load.communicate(timeout=60)
    told, latest = json.loads(out), scratch / "out/latest"
    return (load.returncode == 1 and not told["valid"] and "not answered" in told["fault"] and "not answered" in err and 0 < told["answered"] < told["requests"]
            and json.loads((latest / "env.json").read_text())["fault"] == told["fault"] and "invalid: " in (latest / "report.html").read_text())


def own_udp_port(pid):
    """Of the one UDP socket of a process."""
    inodes = {os.readlink(path)[8:-1] for path in Path(f"/proc/{pid}/fd").iterdir() if os.readlink(path).startswith("socket:")}
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[9] in inodes:
            return int(fields[1].rsplit(":", 1)[1], 16)
    raise RuntimeError("the load has no UDP socket")


def dropped(_):
    """datagrams that found the client's socket full make the run invalid, whether an answer was among them or not"""
    port = free_port()
    with gateway(port), socket.socket(type=socket.SOCK_DGRAM) as stranger:
        load = subprocess.Popen(command(port, "--rate", 100, "--seconds", 3, "--json"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(1.5)
        to = own_udp_port(load.pid)
        load.send_signal(signal.SIGSTOP)
        for _ in range(40000):
            stranger.sendto(bytes(1000), ("127.0.0.1", to))
        load.send_signal(signal.SIGCONT)
        out, err = load.communicate(timeout=60)
    told = json.loads(out)
    print(f"# {told['drops']}, {told['answered']} of {told['requests']} answered")
    return load.returncode == 1 and not told["valid"] and told["port_drops"] >= told["drops"]["client_port"] > 0 and "client's port dropped" in told["fault"] and told["fault"] in err


def knee(_):
    """a ramp rises until a bound is left, then looks between; the knee is the highest rate that held"""
    port = free_port()
    with gateway(port):
        done = run(port, "--profile", "ramp", "--rate", 500, "--to-rate", 1100, "--p99-us", 2000000, "--step-ms", 100, "--json")
        free = json.loads(done.stdout)
        done_never = run(port, "--profile", "ramp", "--rate", 500, "--p99-us", 1, "--step-ms", 100, "--json")
        # a window of one and a server that needs its time: beyond what one at a time can be, the bound is left
        done_found = run(port, "--profile", "ramp", "--rate", 200, "--p99-us", 100000, "--step-ms", 100, "--window", 1, "--json")
        found = json.loads(done_found.stdout)
    held = [step["per_s"] for step in found["steps"] if step["held"]]
    missed = [step["per_s"] for step in found["steps"] if not step["held"]]
    print(f"# knee with a window of one: {found['knee_per_s']} of {len(found['steps'])} steps")
    return (done.returncode == 0 and [step["per_s"] for step in free["steps"]] == [500, 625, 781, 977] and free["knee_per_s"] == 977 and done_never.returncode == 1
            and "not even the first rate" in done_never.stderr and done_found.returncode == 0 and found["knee_per_s"] == max(held) < min(missed) and held[:1] == [200])


def replay(scratch):
    """a flow file is replayed: as many requests as records, N times as fast; moves and cancels name what is there"""
    flow = scratch / "a.flow"
    subprocess.run([BIN / "wcx-bench", "engine", "--profile", "a", "--ops", "1000", "--pass", "throughput", "--save", flow], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    records = flow.stat().st_size // 32
    port = free_port()
    with gateway(port):
        done = run(port, "--profile", "replay", "--flow", flow, "--rate", 2000, "--times", 4, "--seconds", 60, "--sessions", 3, "--json")
        wrong = run(port, "--profile", "replay", "--flow", SECRETS, "--json")
    told = json.loads(done.stdout)
    return done.returncode == 0 and told["requests"] == told["answered"] == records and told["rate"] == 8000 and told["mix"] == "flow" and wrong.returncode == 1 and str(SECRETS) in wrong.stderr


def reference(scratch):
    """the trades and what rests at the end are those of a run without a wire, with one session or four whose requests race; a book that was not empty is noticed"""
    flow, sells = scratch / "a.flow", scratch / "sells.flow"
    subprocess.run([BIN / "wcx-bench", "engine", "--profile", "b", "--ops", "2000", "--pass", "throughput", "--save", flow], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    sells.write_bytes(b"".join(struct.pack("<BBBBIQqQ", 0, 1, 0, 0, 1, i, 100, 1) for i in range(1, 51)))
    engine = json.loads(subprocess.run([BIN / "wcx-bench", "engine", "--flow", flow, "--pass", "throughput", "--json"], stdout=subprocess.PIPE, check=True).stdout)
    port = free_port()
    with gateway(port):
        done = run(port, "--profile", "replay", "--flow", flow, "--rate", 3000, "--json")
        raced = run(port, "--profile", "replay", "--flow", flow, "--rate", 3000, "--sessions", 4, "--json")
        stranger = subprocess.Popen(command(port, "--first", 6, "--mix", "storm", "--rate", 500, "--seconds", 3, "--json"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1.0)
        mixed = run(port, "--profile", "replay", "--flow", sells, "--rate", 100, "--json")
        stranger.wait()
    told, four = json.loads(done.stdout), json.loads(raced.stdout)
    print(f"# {told['trades']} trades, {told['live_orders']} live orders; of four sessions {four['trades']}, {four['live_orders']}, {four['cancels_rejected']} cancels too late")
    return (done.returncode == 0 and raced.returncode == 0 and four["sessions"] == 4 and four["trades"] > 100 and four["trade_hash"] == four["reference_trade_hash"] and four["live_orders"] > 0 and told["trades"] == engine["trades"] > 100 and told["trade_hash"] == told["reference_trade_hash"] == engine["trade_hash"]
            and told["live_orders"] == engine["live_orders"] > 0 and mixed.returncode == 1 and "reference" in mixed.stderr)


def journal(scratch):
    """lines of a journal as a flow: moves keep their order, what a flow cannot say is left out and counted; replayed at the journal's times, N times as fast"""
    flow = Flow(1)
    order = dict(Price=100, OrderQty=5, SecurityID=1, Side="Buy", OrdType="Limit", TimeInForce="GTC", ExecInst=[], DisplayQty=None, MinQty=None)
    said = ((7, "NewOrderSingle", dict(order, ClOrdID=1)), (7, "OrderCancelReplaceRequest", dict(ClOrdID=2, OrigClOrdID=1, SecurityID=1, Price=110, OrderQty=5)),
            (8, "NewOrderSingle", dict(order, ClOrdID=1, Side="Sell", TimeInForce="IOC", Price=120)), (7, "NewOrderSingle", dict(order, ClOrdID=3, OrdType="Market", Price=None)),
            (7, "OrderCancelRequest", dict(ClOrdID=4, OrigClOrdID=3, SecurityID=1)), (7, "NewOrderSingle", dict(order, ClOrdID=5, SecurityID=2)),
            (7, "OrderCancelRequest", dict(ClOrdID=6, OrigClOrdID=2, SecurityID=1)))
    for i, (session, name, body) in enumerate(said):
        flow.take({"Stamp": 10**18 + i * 400_000_000, "SessionID": session, name: body})
    got = [struct.unpack("<BBBBIQqQ", record) for record in flow.records]
    wanted = [(0, 0, 0, 0, 5, 1, 100, 7), (2, 0, 0, 0, 5, 1, 110, 7 | 100 << 32), (0, 1, 1, 0, 5, 2, 120, 8), (1, 0, 0, 0, 5, 1, 110, 7 | 110 << 32)]
    if got != wanted or flow.left_out != {"order types": 1, "names an order that is not in the flow": 1}:
        print(f"# {got} {flow.left_out}")
        return False
    (scratch / "j.flow").write_bytes(b"".join(flow.records))
    (scratch / "j.due").write_bytes(b"".join(struct.pack("<Q", stamp - flow.stamps[0]) for stamp in flow.stamps))
    port = free_port()
    with gateway(port):
        args = ("--profile", "replay", "--flow", scratch / "j.flow", "--sessions", 2, "--json")
        done = run(port, *args, "--due", scratch / "j.due", "--times", 2)
        part = run(port, *args, "--due", scratch / "j.due", "--seconds", 1)
        short = run(port, *args, "--due", scratch / "j.flow")
    told = json.loads(done.stdout)
    # four records in 2.4 s, twice as fast: 4 / 1.2 s
    return (done.returncode == 0 and told["requests"] == told["answered"] == 4 and told["rate"] == 3 and json.loads(part.stdout)["requests"] == 3 and short.returncode == 1
            and "never fall" in short.stderr)


def wrong(scratch):
    """wrong command lines end with 2, what cannot be had with 1 and what to do"""
    port = free_port()
    two = (["--profile", "often"], ["--mix", "odd"], ["--transport", "pigeon"], ["--rate", "0"], ["--profile", "replay"], ["--flow", "x"], ["--rate", "10000000", "--seconds", "86400"], ["more"])
    for args in two:
        done = run(port, *args)
        if done.returncode != 2 or not done.stderr or done.stdout:
            print(f"# {args}: {done.returncode} {done.stderr}")
            return False
    nobody = subprocess.run([BIN / "wcx-bench", "wire"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    keys = scratch / "keys"
    keys.write_text("DEMO-MM-5: not-the-secret\n")
    with gateway(port):
        stranger = subprocess.run([BIN / "wcx-bench", "wire", "--secrets", keys, "--server", "127.0.0.1", "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        keyless = run(port, "--first", 500)
    missing = run(port, "--secrets", scratch / "nothing")
    return (nobody.returncode == 2 and "--secrets" in nobody.stderr and stranger.returncode == 1 and re.search(r"reject code [1-9]", stranger.stderr) is not None and keyless.returncode == 1
            and "DEMO-MM-500" in keyless.stderr and missing.returncode == 1 and "No such file" in missing.stderr)


if __name__ == "__main__":
    sys.exit(taplib.run([profiles, mass, sleeping, folder, coordinated, on_time, invalid, dropped, knee, replay, reference, journal, wrong]))
