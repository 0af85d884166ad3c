#!/usr/bin/env python3
"""wcx-bench wire against an appliance of its own: everything behind the options of this script goes to it as it is.

usage: load.py [--durable] [--sessions 1] [-- OPTIONS of wcx-bench wire]     root; stops what it starts
Sessions 1 to N trade, from the clients' end of a veth to af_xdp; the poll loop and the load have a CPU each, at D1 (--durable) the journal worker shares that of the load. What the
appliance counted beside its answers while it was up follows on stderr, as JSON. The exit status is that of wcx-bench wire.
"""
import argparse
import json
import os
import subprocess
import sys

from stage import ROOT, SESSIONS_MAX, Stage

FAVOURED = ["setsid", "-w", "bash", "-c", 'echo -20 >/proc/self/autogroup; exec "$@"', "load"]  # as the runner starts the data plane
DROPS = ("wcx_rx_", "wcx_throttle", "wcx_not_applied", "wcx_egress")


def load(stage, sessions, options):
    """Run wcx-bench wire among the clients of a stage; its standard output is ours. Returns its exit status."""
    command = stage.appliance.command(ROOT / "build" / "bin" / "wcx-bench", "wire", "--secrets", stage.secrets, "--key-prefix", "BENCH-", "--first", 1, "--sessions", sessions, "--interface",
                                      stage.appliance.client_if, "--cpu", stage.cpu, *options)
    return subprocess.run([*FAVOURED, *command], stdin=subprocess.DEVNULL, check=False).returncode


def main():
    parser = argparse.ArgumentParser(description="wcx-bench wire against an appliance of its own")
    parser.add_argument("--durable", action="store_true", help="at D1 (D0)")
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("options", nargs="*", help="of wcx-bench wire")
    asked = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("load.py: needs root: network namespaces and huge pages")
    if not 1 <= asked.sessions <= SESSIONS_MAX:
        sys.exit(f"load.py: --sessions {asked.sessions}: 1 to {SESSIONS_MAX}")
    with Stage("load", asked.sessions, durable=asked.durable) as stage:
        status = load(stage, asked.sessions, asked.options)
        counted = stage.appliance.metrics()
    print(json.dumps({name: int(value) for name, value in counted.items() if value and name.startswith(DROPS)}), file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
