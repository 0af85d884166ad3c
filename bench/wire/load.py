#!/usr/bin/env python3
"""wcx-bench wire against an appliance of its own: everything behind the options of this script goes to it as it is.

usage: load.py [--durable] [--sessions 1] [--over sockets|af_xdp|memif] [--kill PROCESS | --snapshot] [--at 2] [-- OPTIONS of wcx-bench wire]     root; stops what it starts
Sessions 1 to N trade: kernel sockets, or a DPDK port of the load's own, at the clients' end of a veth to af_xdp; or over a memif. What either end drops is counted. The poll loop and the load have a CPU each, at D1 (--durable) the journal worker shares that of the load. What the
appliance counted beside its answers while it was up follows on stderr, as JSON. The exit status is that of wcx-bench wire.
--kill: kill -9 of the appliance's journal, replica, auth, api, controld or dataplane --at seconds after the load began (sign-on and warm-up are part of that); --snapshot: one is asked for
then, of everything durable. What that costs stands in the corrected delays; a run during which the data plane dies is invalid.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import time

from stage import ROOT, SESSIONS_MAX, Stage

FAVOURED = ["setsid", "-w", "bash", "-c", 'echo -20 >/proc/self/autogroup; exec "$@"', "load"]  # as the runner starts the data plane
PROCESSES = ("journal", "replica", "auth", "api", "controld", "dataplane")
DROPS = ("wcx_rx_", "wcx_throttle", "wcx_not_applied", "wcx_egress")


def ends(stage, over):
    """Options of wcx-bench wire that name both ends of the wire."""
    appliance = stage.appliance
    if over == "memif":
        return ["--dpdk", stage.memif]
    port = ["--dpdk", f"af_xdp:{appliance.client_if}"] if over == "af_xdp" else []
    return [*port, "--interface", appliance.client_if, "--far", f"{appliance.pid('dataplane')}:{appliance.dp_if}"]


def load(stage, sessions, over, options, event=None, at_s=0.0):
    """Run wcx-bench wire among the clients of a stage; its standard output is ours. event(appliance) happens at_s later. Returns its exit status."""
    command = stage.appliance.command(ROOT / "build" / "bin" / "wcx-bench", "wire", "--secrets", stage.secrets, "--key-prefix", "BENCH-", "--first", 1, "--sessions", sessions, "--cpu", stage.cpu,
                                      *ends(stage, over), *options)
    child = subprocess.Popen([*FAVOURED, *map(str, command)], stdin=subprocess.DEVNULL)
    if event is not None:
        time.sleep(at_s)
        event(stage.appliance)
    return child.wait()


def main():
    parser = argparse.ArgumentParser(description="wcx-bench wire against an appliance of its own")
    parser.add_argument("--durable", action="store_true", help="at D1 (D0)")
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--over", choices=("sockets", "af_xdp", "memif"), default="sockets", help="what carries it (kernel sockets)")
    parser.add_argument("options", nargs="*", help="of wcx-bench wire")
    events = parser.add_mutually_exclusive_group()
    events.add_argument("--kill", choices=PROCESSES)
    events.add_argument("--snapshot", action="store_true")
    parser.add_argument("--at", type=float, default=2.0)
    asked = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("load.py: needs root: network namespaces and huge pages")
    if not 1 <= asked.sessions <= SESSIONS_MAX:
        sys.exit(f"load.py: --sessions {asked.sessions}: 1 to {SESSIONS_MAX}")
    # Few sessions: a window for each that holds what a mass cancel of 100,000 orders says, or its TCP binding is one that reads too slowly.
    room = {"sessions_max": 16, "retain_session_msgs": 131072} if asked.sessions < 16 else {}
    with Stage("load", asked.sessions, durable=asked.durable, memif=asked.over == "memif", **room) as stage:
        event = None
        if asked.kill:
            event = lambda appliance: os.kill(appliance.pid(asked.kill), signal.SIGKILL)
        elif asked.snapshot:
            event = lambda appliance: appliance.wcxctl("snapshot", "take")
        status = load(stage, asked.sessions, asked.over, asked.options, event, asked.at)
        counted = stage.appliance.metrics()
    print(json.dumps({name: int(value) for name, value in counted.items() if value and name.startswith(DROPS)}), file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
