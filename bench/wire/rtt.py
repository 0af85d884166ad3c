#!/usr/bin/env python3
"""Round trips of the appliance beside what bounds them, on one machine, in one run: make bench-rtt, and part of make bench.

  udp    testpmd 5tswap | our port's echo | the appliance at D0, order in -> ack out        each over a veth and af_xdp
         wcx-gateway, the same loop and engine behind kernel sockets, order in -> ack out   over a veth
  memif  our port's echo | the appliance at D0, order in -> ack out                        no kernel in between
  tcp    the kernel's TCP echoing, polled | the appliance at D0, order in -> ack out        each over a veth
  d1     a bare durable write of 4 KiB | the appliance at D1, order in -> ack out

usage: rtt.py [--json] [--count 20000] [--rounds 11] [--only udp,memif,d1] [--hlog DIR]     root; more than a minute; stops what it starts
All that answer are up at once, each behind a veth of its own, on the poll loop's CPU and with its priority; only the one that is measured runs, the others are stopped. A
round measures each of them once within three seconds, since this machine's speed drifts by a third within a minute: a ratio is one of the same round, and shown is the median of
the rounds with the least and the most beside it. The client polls a kernel socket without sleeping; at D1 it sleeps, so that the journal worker has its CPU.
"""
import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from wcxlib import Appliance  # noqa: E402  (its folder had to be named first)

RTT = ROOT / "build/bin/wcx-rtt"
MEMIF_RTT = ROOT / "build/bin/wcx-memif-rtt"
GATEWAY = ROOT / "build/bin/wcx-gateway"
PORT_ECHO = ROOT / "build/tests/e2e/port_echo"
SERVER = "10.77.0.2"
FAVOURED = ["setsid", "bash", "-c", 'echo -20 >/proc/self/autogroup; exec "$@"', "answers"]  # as control/dev/runner.sh starts the data plane
AWAIT_S = 10.0
SIGN_ON_TRIES = 3
# What is measured, its title, what it is divided by, the ratio that is wanted.
ROWS = (("testpmd", "testpmd 5tswap, af_xdp", "testpmd"), ("port_echo", "our port's echo, af_xdp", "testpmd"), ("order_d0", "appliance D0, order to ack", "testpmd", 1.15),
        ("gateway", "wcx-gateway D0, kernel sockets", "testpmd"), ("order_d0", "appliance D0 beside that", "gateway", 0.6),
        ("memif_echo", "our port's echo, memif", "memif_echo"), ("memif_order", "appliance D0 over memif", "memif_echo", 2.0),
        ("tcp_echo", "kernel TCP echo, busy poll", "tcp_echo"), ("order_tcp", "appliance D0 over TCP", "tcp_echo"),
        ("write_4k", "bare durable 4 KiB write", "write_4k"), ("order_d1", "appliance D1, order to ack", "write_4k", 1.3))


def progress(text):
    """One line that replaces the one before it, for whoever watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def hlog(options, name, number):
    """Where a round's round trips go, if anybody wants them."""
    return ["--hlog", options.hlog / f"{name}-{number:03}.hlog"] if options.hlog else []


def run(*command, **kwargs):
    return subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL, **kwargs)


class Veth:
    """A link of the clients' namespace to one of its own, as control/dev/up.sh makes the appliance's; both ends and the namespace go with it."""

    def __init__(self, app, number):
        self.netns, self.near, self.far = f"{app.netns}{number}", f"wcxn{number}", f"wcxf{number}"
        self.client = app.client_netns
        run("ip", "netns", "add", self.netns)
        run(*self.among_clients(), "ip", "link", "add", self.near, "type", "veth", "peer", "name", self.far, "netns", self.netns)
        run(*self.among_clients(), "ip", "addr", "add", f"10.77.0.{10 + number}/24", "dev", self.near)
        run(*self.among_clients(), "ip", "link", "set", self.near, "up")
        run(*self.inside(), "ip", "link", "set", self.far, "up")
        for where, interface in ((self.among_clients(), self.near), (self.inside(), self.far)):
            run(*where, "ethtool", "-K", interface, "tx", "off", stdout=subprocess.DEVNULL)

    def among_clients(self):
        return ["nsenter", f"--net=/run/netns/{self.client}"]

    def inside(self):
        return ["nsenter", f"--net=/run/netns/{self.netns}"]

    def mac(self):
        return run(*self.inside(), "ip", "-br", "link", "show", "dev", self.far, stdout=subprocess.PIPE, text=True).stdout.split()[2]

    def close(self):
        subprocess.run(["ip", "netns", "del", self.netns], check=False)


class Answerer:
    """A process that answers, stopped unless it is measured. measure() is one round of it."""

    def __init__(self, pid, command, child=None):
        self.pid, self.command, self.child = pid, [str(part) for part in command], child

    def let(self, go):
        with contextlib.suppress(ProcessLookupError):  # it has ended: whoever asks it gets no answer, and the others still end
            os.kill(self.pid, signal.SIGCONT if go else signal.SIGSTOP)

    def try_once(self):
        """Whether it answers."""
        done = subprocess.run([*self.command, "--count", "1"], check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return '"lost":0' in done.stdout

    def measure(self, *options):
        """One round. Where a machine has so much else to do that nobody signs on in time, nothing was measured: tried again."""
        for tries_left in range(SIGN_ON_TRIES - 1, -1, -1):
            self.let(True)
            try:
                done = subprocess.run([*self.command, *map(str, options)], check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            finally:
                self.let(False)
            if done.returncode == 0:
                return json.loads(done.stdout)
            said = f"rtt.py: {' '.join(self.command)} ended with status {done.returncode}: {done.stdout.strip()} {done.stderr.strip()}"
            if tries_left == 0 or "does not sign on or off" not in done.stderr:
                sys.exit(said)
            print(f"{said}; once more", file=sys.stderr, flush=True)

    def end(self):
        if self.child is None:
            self.let(True)
        elif self.child.poll() is None:
            self.child.terminate()
            self.let(True)
            self.child.wait()


def start(veth, log, command, client, answerers, name):
    """Start `command` behind `veth` as answerers[name]; wcx-rtt with the arguments `client` measures it. Without a veth `client` is the whole command. Stopped, once it answers."""
    inside, client = ([], client) if veth is None else (veth.inside(), [*veth.among_clients(), RTT, *client, "--interface", veth.near])
    child = subprocess.Popen([*inside, *FAVOURED, *map(str, command)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(os.environ, LIBXDP_SKIP_DISPATCHER="1"))
    answerer = answerers[name] = Answerer(child.pid, client, child)
    until = time.monotonic() + AWAIT_S
    while time.monotonic() < until and child.poll() is None:
        if answerer.try_once():
            answerer.let(False)
            return
        time.sleep(0.2)
    sys.exit(f"rtt.py: {Path(command[0]).name} does not answer: {Path(log.name).read_text(encoding='utf-8', errors='replace')[-400:]}")


def cpus(app):
    """The poll loop's and the one that is left."""
    poll_cpu = int(re.findall(r"shards\.lcore=(\d+)", (app.run / "environment").read_text(encoding="utf-8"))[-1])
    return poll_cpu, 1 if poll_cpu == 0 else 0


def measure_memif(options, folder):
    found, answerers = {}, {}
    wires = tempfile.mkdtemp(prefix="wcx-memif-")  # a socket's path must be short
    try:
        with Appliance("bench-memif", WCX_UNSAFE="1", WCX_PROBE="0", WCX_SET=f"durability.level=D0 network.port_kind=memif network.device=server:{wires}/order") as app:
            poll_cpu, cpu = cpus(app)
            on_cpu = ["--cpu", cpu]
            try:
                answerers["memif_order"] = Answerer(int((app.run / "dataplane.pid").read_text(encoding="ascii")), [MEMIF_RTT, "order", "--device", f"client:{wires}/order", *on_cpu])
                answerers["memif_order"].let(False)
                with open(folder / "memif.log", "w", encoding="utf-8") as log:
                    start(None, log, [PORT_ECHO, "memif", f"server:{wires}/echo", poll_cpu], [MEMIF_RTT, "echo", "--device", f"client:{wires}/echo", *on_cpu], answerers, "memif_echo")
                    for number in range(options.rounds):
                        progress(f"memif: round {number + 1} of {options.rounds}")
                        for name in ("memif_echo", "memif_order"):
                            found.setdefault(name, []).append(answerers[name].measure("--count", options.count))
            finally:
                for answerer in answerers.values():
                    answerer.end()
    finally:
        shutil.rmtree(wires, ignore_errors=True)
    return found


def measure_d0(options, folder):
    found = {}
    veths, answerers = [], {}
    with Appliance("bench-rtt", WCX_UNSAFE="1", WCX_SET="durability.level=D0") as app:
        poll_cpu, cpu = cpus(app)
        on_cpu = ["--server", SERVER, "--cpu", cpu]
        dataplane = int((app.run / "dataplane.pid").read_text(encoding="ascii"))
        order = [*app.command(RTT), "order", *on_cpu, "--interface", app.client_if]
        try:
            answerers["order_d0"] = Answerer(dataplane, order)
            answerers["order_tcp"] = Answerer(dataplane, [*order, "--transport", "tcp"])
            os.kill(dataplane, signal.SIGSTOP)
            with open(folder / "answerers.log", "w", encoding="utf-8") as log:
                for number in (1, 2, 3, 4):
                    veths.append(Veth(app, number))
                veth = veths[0]
                run(*veth.among_clients(), "ip", "neigh", "replace", SERVER, "lladdr", veth.mac(), "dev", veth.near, "nud", "permanent")
                start(veth, log, ["dpdk-testpmd", "--lcores", f"0@{cpu},1@{poll_cpu}", "--no-pci", "--no-huge", "--no-shconf", "-m", 128, "--iova-mode=va",
                                                         "--vdev", f"net_af_xdp0,iface={veth.far},start_queue=0,queue_count=1,busy_budget=0", "--", "--forward-mode=5tswap", "--nb-cores=1",
                                                         "--total-num-mbufs=16383", "--stats-period=3600"], ["echo", *on_cpu], answerers, "testpmd")
                start(veths[1], log, [PORT_ECHO, "af_xdp", veths[1].far, poll_cpu], ["echo", *on_cpu], answerers, "port_echo")
                run(*veths[2].inside(), "ip", "addr", "add", f"{SERVER}/24", "dev", veths[2].far)
                start(veths[2], log, [RTT, "tcp-echo-server", "--server", SERVER, "--cpu", poll_cpu], ["tcp-echo", *on_cpu], answerers, "tcp_echo")
                run(*veths[3].inside(), "ip", "addr", "add", f"{SERVER}/24", "dev", veths[3].far)
                start(veths[3], log, [GATEWAY, "--secrets", ROOT / "configs/development/secrets.yaml", "--address", SERVER, "--sessions", 1, "--cpu", poll_cpu], ["order", *on_cpu], answerers, "gateway")
                for number in range(options.rounds):
                    progress(f"D0: round {number + 1} of {options.rounds}")
                    for name in ("order_tcp", "tcp_echo", "testpmd", "port_echo", "order_d0", "gateway"):
                        found.setdefault(name, []).append(answerers[name].measure("--count", options.count, *hlog(options, name, number)))
            found["stages_d0"] = app.stages()
        finally:
            for answerer in answerers.values():
                answerer.end()
            for veth in veths:
                veth.close()
    return found


def measure_d1(options, _):
    found = {}
    count = max(options.count // 10, 1)
    with Appliance("bench-rtt") as app:
        for number in range(options.rounds):
            progress(f"D1: round {number + 1} of {options.rounds}")
            for name, command in (("order_d1", [*app.command(RTT), "order", "--sleep", "--interface", app.client_if]), ("write_4k", [RTT, "write", "--file", app.run / "bare-write"])):
                done = subprocess.run([*map(str, [*command, "--count", count, *hlog(options, name, number)])], check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
                if done.returncode != 0:
                    sys.exit(f"rtt.py: {name} ended with status {done.returncode}: {done.stdout.strip()}")
                found.setdefault(name, []).append(json.loads(done.stdout))
        found["stages_d1"] = app.stages()
    return found


def print_stages(found, level):
    print(f"\ninside the appliance at {level.upper()}, ns" + "".join(f"{name:>10}" for name in found))
    for key in ("P50Ns", "P99Ns"):
        print(f"{key[:-2].lower():<32}" + "".join(f"{row[key]:>10}" for row in found.values()))


PARTS = {"udp": measure_d0, "memif": measure_memif, "d1": measure_d1}


def main():
    parser = argparse.ArgumentParser(description="round trips of the appliance beside what bounds them")
    parser.add_argument("--json", action="store_true", help="the rounds, and how long the appliance's stages took, and nothing else")
    parser.add_argument("--count", type=int, default=20000, help="round trips of a measurement")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--hlog", type=Path, metavar="DIR", help="keep the round trips of every round here as NAME-NUMBER.hlog")
    parser.add_argument("--only", default=",".join(PARTS), help="parts of the table, with commas between")
    options = parser.parse_args()
    parts, found = options.only.split(","), {}
    if not set(parts) <= set(PARTS):
        parser.error(f"--only {options.only}: of {', '.join(PARTS)}")
    if os.geteuid() != 0:
        sys.exit("rtt.py: needs root: network namespaces and raw sockets")
    for program in (RTT, MEMIF_RTT, GATEWAY, PORT_ECHO):
        if not program.exists():
            sys.exit(f"rtt.py: {program.relative_to(ROOT)} is missing: make bench builds it")
    if "udp" in parts and not shutil.which("dpdk-testpmd"):
        sys.exit("rtt.py: dpdk-testpmd is missing: make deps-wire")
    folder = ROOT / "build" / "bench-rtt"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for part in parts:
            found.update(PARTS[part](options, folder))
    finally:
        progress("")
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print(json.dumps(found))
        return
    print(f"{'round trip, us; medians of ' + str(options.rounds) + ' rounds':<38} {'min':>8} {'p50':>8} {'p99':>9}   p50 of the same round: median (least .. most)")
    for name, title, base, *wanted in (row for row in ROWS if row[0] in found):
        least, p50, p99 = (statistics.median(row[key] for row in found[name]) for key in ("min_us", "p50_us", "p99_us"))
        ratios = sorted(row["p50_us"] / other["p50_us"] for row, other in zip(found[name], found[base]))
        spread = "" if name == base else f"({ratios[0]:.2f} .. {ratios[-1]:.2f}{f', wanted: {wanted[0]}' if wanted else ''})"
        print(f"{title:<38} {least:8.2f} {p50:8.2f} {p99:9.2f}   {statistics.median(ratios):.2f} x {base} {spread}")
    for level in ("d0", "d1"):
        if f"stages_{level}" in found:
            print_stages(found[f"stages_{level}"], level)


if __name__ == "__main__":
    main()
