#!/usr/bin/env python3
"""wcx-bench wire over DPDK ports of its own against the appliance: memif and af_xdp are answered whole, whatever was dropped at either end makes the run invalid, and it says whose
clock an answer was stamped by. Nothing is said about how fast anything is."""
import json
import os
import signal
import subprocess
import sys
import time

from wcxlib import ROOT, Tap, require

sys.path.insert(0, str(ROOT / "bench" / "wire"))
from load import ends  # noqa: E402  (its folder had to be named first)
from stage import Stage  # noqa: E402

BENCH = ROOT / "build" / "bin" / "wcx-bench"
STAMPS = ROOT / "build" / "tests" / "e2e" / "wire_stamps"  # wcx-wire, its port with a clock that is 5 ms ahead
AHEAD_NS = 5_000_000
ROOM = {"sessions_max": 16, "retain_session_msgs": 131072}


def start(stage, over, *options, program=(BENCH, "wire")):
    line = [*program, "--secrets", stage.secrets, "--key-prefix", "BENCH-", "--first", 1, "--cpu", stage.cpu, *ends(stage, over), "--json", *options]
    return subprocess.Popen(stage.appliance.command(*line), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(child):
    out, err = child.communicate(timeout=120)
    return child.returncode, json.loads(out or "{}"), err


def whole(tap, stage, over):
    """One session, then three that race for the same orders."""
    for options in (["--rate", 3000], ["--sessions", 3, "--mix", "hot", "--rate", 3000, "--profile", "burst"]):
        status, told, err = finish(start(stage, over, "--seconds", 1, *options))
        what = f"{over}, {told.get('sessions')} of {told.get('mix')}"
        tap.ok(status == 0 and told["valid"] and told["requests"] == told["answered"] == 3000 and told["port_drops"] == told["not_applied"] == 0, f"every request is answered: {what}", (told, err))
        if over == "memif":
            tap.ok(told.get("drops", {}).get("server_interface", 0) is None, "a memif has no interface of the kernel at its other end", told)
        else:
            tap.ok(told.get("drops", {}).get("server_interface") == told["drops"]["client_interface"] == 0, "both kernel interfaces tell, and dropped nothing", told)
        tap.ok(told.get("timestamps", "").startswith(f"software (port {told.get('port')}: it has none)"), "the port was asked for stamps, and has none", told)


def planted(tap, stage, over, key, text):
    """The data plane stands still for a while, under more than its port has room for."""
    before, until = stage.appliance.counter("rx_orders"), time.monotonic() + 30
    child = start(stage, over, "--seconds", 3, "--sessions", 3, "--rate", 150000, "--profile", "constant")
    while stage.appliance.counter("rx_orders") - before < 5000 and time.monotonic() < until:
        time.sleep(0.05)
    pid = stage.appliance.pid("dataplane")
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(0.8)
    finally:
        os.kill(pid, signal.SIGCONT)
    status, told, err = finish(child)
    tap.ok(status == 1 and not told["valid"] and told["drops"][key] > 0 and told["port_drops"] >= told["drops"][key], f"{over}: frames dropped make the run invalid, exit status 1", (status, told, err))
    tap.ok(text in told.get("fault", "") and text in err, f"and it says so: {text}", (told, err))


def stamped(tap, stage):
    status, told, err = finish(start(stage, "memif", "--seconds", 1, "--rate", 2000, program=(STAMPS,)))
    tap.ok(status == 0 and told["answered"] == told["requests"] == 2000 and told["timestamps"].startswith(f"hardware: an answer by the clock of port {stage.memif}"),
           "a port that stamps is believed, and the result says whose clock it is", (told, err))
    least = told.get("uncorrected", {}).get("min_ns", 0)
    tap.ok(AHEAD_NS <= least + AHEAD_NS / 100 and least < 2 * AHEAD_NS, f"an answer came when the port says, brought to our clock: the soonest after {least} ns", told)


def refused(tap, stage):
    keys = ["--secrets", stage.secrets, "--key-prefix", "BENCH-", "--first", 1]
    for options, status, text in ((["--dpdk", "net_nothing0", "--cpu", stage.cpu], 1, "net_nothing0"), (["--dpdk", stage.memif], 2, "--cpu"),
                                  (["--dpdk", stage.memif, "--cpu", stage.cpu, "--transport", "tcp"], 2, "UDP only"), (["--far", "1"], 2, "PID:INTERFACE"),
                                  (["--dpdk", stage.memif, "--cpu", stage.cpu, "--server", "10.77.0.9"], 1, "10.77.0.9")):
        done = subprocess.run([str(part) for part in (BENCH, "wire", *keys, *options)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
        tap.ok(done.returncode == status and text in done.stderr and not done.stdout, f"refused: {' '.join(str(part) for part in options if part != stage.memif)}", done.stderr)


def main():
    require("ethtool")
    tap = Tap()
    with Stage("wire-port", 3, memif=True, **ROOM) as stage:
        whole(tap, stage, "memif")
        stamped(tap, stage)
        planted(tap, stage, "memif", "unsent", "did not take a datagram")
        refused(tap, stage)
    with Stage("wire-port", 3, **ROOM) as stage:
        whole(tap, stage, "af_xdp")
        planted(tap, stage, "sockets", "server_interface", "the appliance's port dropped")
    tap.done()


if __name__ == "__main__":
    main()
