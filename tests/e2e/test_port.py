#!/usr/bin/env python3
"""The DPDK port against the kernel's own network: echo over af_xdp and af_packet, memif between two processes, restart after kill -9, set-up errors."""
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from wcxlib import Namespace, Tap

BUILD = Path(os.environ.get("WCX_BUILD", Path(__file__).resolve().parent.parent.parent / "build"))
ECHO, PING = BUILD / "tests/e2e/port_echo", BUILD / "tests/e2e/port_ping"
SERVER = ("10.77.0.2", 7002)
ROUNDS = 200
QUEUE_CNT = 4
QUEUES = f"numtxqueues {QUEUE_CNT} numrxqueues {QUEUE_CNT}"


class Veth:
    """A namespace of clients with 10.77.0.1 on one end of a veth, a namespace without any address on the other."""

    def __init__(self):
        tag = f"{os.getpid():x}"
        self.clients, self.port = f"wcxt-mm-{tag}", f"wcxt-dp-{tag}"

    def __enter__(self):
        # nsenter, not `ip -n` or `ip netns exec`: those remount / and /sys for themselves and cannot in a chroot
        inside = "nsenter --net=/run/netns/"
        for line in (f"ip netns add {self.clients}", f"ip netns add {self.port}", f"{inside}{self.clients} ip link add mm0 {QUEUES} type veth peer name dp0 {QUEUES} netns {self.port}",
                     f"{inside}{self.clients} ip addr add 10.77.0.1/24 dev mm0", f"{inside}{self.clients} ip link set mm0 up",
                     f"{inside}{self.port} sysctl -qw net.ipv6.conf.all.disable_ipv6=1", f"{inside}{self.port} ip link set dp0 up",
                     f"{inside}{self.clients} ethtool -K mm0 tx off"):
            subprocess.run(line.split(), check=True, stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        for name in (self.clients, self.port):
            subprocess.run(["ip", "netns", "del", name], check=False)


class Echo:
    """One port_echo. `inside` is the namespace it runs in, None for this one."""

    def __init__(self, kind, device, lcore, inside=None):
        prefix = ["nsenter", f"--net=/run/netns/{inside}"] if inside else []
        self.proc = subprocess.Popen([*prefix, str(ECHO), kind, device, str(lcore)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.ready = self.proc.stdout.readline().decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)

    def end(self, number=signal.SIGTERM):
        if self.proc.poll() is None:
            self.proc.send_signal(number)
        out, err = self.proc.communicate(timeout=30)
        return self.proc.returncode, out.decode(), err.decode()


def exchange(veth, seed):
    """Send ROUNDS datagrams of random size and content, ten a socket, so that they spread over the receive queues; returns how many came back whole."""
    rng = random.Random(seed)
    whole = 0
    for _ in range(ROUNDS // 10):
        with Namespace(veth.clients):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            sock.settimeout(1.0)
            sock.bind(("10.77.0.1", 0))
            for _ in range(10):
                data = rng.randbytes(rng.randint(18, 1472))
                sock.sendto(data, SERVER)
                try:
                    whole += sock.recv(2048) == data
                except socket.timeout:
                    return whole
    return whole


def queues_used(veth):
    """How many receive queues of the port's interface have handed frames to af_xdp since it was made."""
    told = subprocess.run(["nsenter", f"--net=/run/netns/{veth.port}", "ethtool", "-S", "dp0"], check=True, stdout=subprocess.PIPE).stdout.decode()
    return sum(int(line.split(":")[1]) > 0 for line in told.splitlines() if "_xdp_redirect:" in line)


def refused(*args, inside=None):
    """The complaint of a port_echo that must not start."""
    prefix = ["nsenter", f"--net=/run/netns/{inside}"] if inside else []
    done = subprocess.run([*prefix, str(ECHO), *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30, check=False)
    return done.returncode, done.stderr.decode()


def test_veth(tap, veth, lcore, seed):
    for kind in ("af_xdp", "af_packet"):
        with Echo(kind, "dp0", lcore, veth.port) as echo:
            tap.ok(echo.ready.startswith("ready"), f"{kind} starts", echo.ready)
            whole = exchange(veth, seed)
            tap.ok(whole == ROUNDS, f"{kind} echoes every datagram of 18 to 1,472 bytes unchanged", f"seed {seed}: {whole} of {ROUNDS}")
            if kind == "af_xdp":
                tap.ok(queues_used(veth) == QUEUE_CNT, f"af_xdp receives from all {QUEUE_CNT} queues of the interface", queues_used(veth))
            affinity = [os.sched_getaffinity(int(task)) for task in os.listdir(f"/proc/{echo.proc.pid}/task")]
            tap.ok(sum(a == {lcore} for a in affinity) == 1 or os.cpu_count() == 1, f"{kind}: one thread has the poll core, all others stay off it", affinity)
            status, out, err = echo.end()
            tap.ok(status == 0 and "echoed" in out, f"{kind} ends in order", (status, out, err))

    for kind in ("af_xdp", "af_packet"):
        for attempt in range(2):
            with Echo(kind, "dp0", lcore, veth.port) as killed:
                exchange(veth, seed)
                killed.end(signal.SIGKILL)
            with Echo(kind, "dp0", lcore, veth.port) as echo:
                whole = exchange(veth, seed + attempt)
                tap.ok(whole == ROUNDS, f"{kind}: after kill -9 the next one starts and echoes ({attempt + 1})", f"seed {seed}: {whole} of {ROUNDS}\n{echo.ready}")


def test_refusals(tap, veth, lcore):
    with Echo("af_xdp", "dp0", lcore, veth.port):
        status, text = refused("af_xdp", "dp0", lcore, inside=veth.port)
        tap.ok(status == 1 and "another process" in text, "a queue that is taken: says so and how to free it", text)
    status, text = refused("af_xdp", "absent0", lcore, inside=veth.port)
    tap.ok(status == 1 and "no interface 'absent0'" in text, "a missing interface: says so", text)
    status, text = refused("af_xdp", "dp0", 4095, inside=veth.port)
    tap.ok(status == 1 and "CPU 4095" in text, "a CPU that is not ours: says so", text)
    subprocess.run(["nsenter", f"--net=/run/netns/{veth.port}", "ip", "link", "set", "dp0", "down"], check=True)
    status, text = refused("af_packet", "dp0", lcore, inside=veth.port)
    tap.ok(status == 1 and "ip link set dev dp0 up" in text, "an interface that is down: names the command", text)
    status, text = refused("memif", "server:relative", lcore)
    tap.ok(status == 1 and "'server:/path'" in text, "a bad memif device: shows the form", text)


def test_memif(tap, folder, lcore):
    path = f"{folder}/wire"
    other = min(os.sched_getaffinity(0) - {lcore}, default=lcore)
    for after in ("", " after kill -9 of the server"):
        with Echo("memif", f"server:{path}", lcore) as echo:
            status, text = refused("memif", f"server:{path}", lcore)
            tap.ok(status == 1 and "in use by another server" in text, f"a second memif server is refused{after}", text)
            done = subprocess.run([str(PING), "memif", f"client:{path}", str(other), "5000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
            result = json.loads(done.stdout or b"{}")
            tap.ok(done.returncode == 0 and result.get("echoed") == 5000, f"memif: every frame comes back between two processes{after}", (result, done.stderr.decode()))
            tap.note(f"memif round trip: {result}")
            echo.end(signal.SIGKILL)


def main():
    reason = "needs root: network namespaces and raw sockets" if os.geteuid() != 0 else None
    reason = reason or next((f"{tool} is not installed: make deps" for tool in ("ip", "ethtool") if shutil.which(tool) is None), None)
    reason = reason or next((f"{program} is missing: make tests" for program in (ECHO, PING) if not program.exists()), None)
    if reason:
        print(f"ok 1 - test_port # SKIP {reason}\n1..1")
        sys.exit(0)
    tap = Tap()
    seed = int(os.environ.get("WCX_SEED", time.time_ns() & 0xFFFFFFFF))
    tap.note(f"WCX_SEED={seed}")
    lcore = max(os.sched_getaffinity(0))
    with Veth() as veth:
        test_veth(tap, veth, lcore, seed)
        test_refusals(tap, veth, lcore)
    with tempfile.TemporaryDirectory(prefix="wcx-memif-") as folder:
        test_memif(tap, folder, lcore)
    tap.done()


if __name__ == "__main__":
    main()
