#!/usr/bin/env python3
"""A million orders through the appliance over memif: what the poll thread allocates and which system calls it makes, counted from outside.

strace counts the calls of that one thread, a preloaded shim its allocations; the market maker sits at the other end of the memif, so no driver of the
kernel is in between. The same on the simulated port: tests/unit/test_loop_calls.c.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from wcxlib import ROOT, Appliance, Tap, require

ORDERS = 1_000_000
LOAD = ROOT / "build/tests/e2e/memif_load"
SHIM = ROOT / "build/tests/tools/liballoc_count.so"
QUIET_CALLS = {"futex"}


def write_config(folder):
    """The development configuration without a throttle: a million orders must not take ten seconds for that reason alone."""
    text = (ROOT / "configs/wcx.yaml").read_text()
    text, changed = re.subn(r"(throttle|cancel)_per_s: \d+, (throttle|cancel)_burst: \d+", r"\1_per_s: 10000000, \2_burst: 1000000", text)
    assert changed > 0
    path = folder / "wcx.yaml"
    path.write_text(text)
    (folder / "development").symlink_to(ROOT / "configs/development")
    return path


def poll_thread(pid):
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == "wcx-shard-1":
            return int(task.name)
    return None


def allocations(path):
    """{thread id: calls}"""
    data = path.read_bytes()
    found = {}
    for at in range(0, len(data), 16):
        tid = int.from_bytes(data[at:at + 4], sys.byteorder)
        if tid:
            found[tid] = int.from_bytes(data[at + 8:at + 16], sys.byteorder)
    return found


class Strace:
    """Counts the system calls of one thread."""

    def __init__(self, tid, path):
        self.path = path
        self.proc = subprocess.Popen(["strace", "-c", "-p", str(tid), "-o", str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.attached = b"attached" in self.proc.stderr.readline()

    def stop(self):
        """{system call: times}"""
        self.proc.send_signal(signal.SIGINT)
        self.proc.communicate(timeout=30)
        calls = {}
        for line in self.path.read_text().splitlines():
            fields = line.split()
            if len(fields) >= 5 and fields[3].isdigit() and fields[-1] != "total":
                calls[fields[-1]] = int(fields[3])
        return calls


def wakes(app):
    return app.counter("journal_wakes") + app.counter("auth_wakes")


def run(tap, app, folder, shim_file):
    pid = app.pid("dataplane")
    tid = poll_thread(pid)
    tap.ok(tid is not None and tid != pid, "the poll loop runs in a thread of its own", pid)
    cpus = os.sched_getaffinity(tid)
    tap.ok(len(cpus) == 1, "which is pinned to one CPU", cpus)
    seccomp = re.search(r"^Seccomp:\s+(\d)", Path(f"/proc/{pid}/task/{tid}/status").read_text(), re.M)
    tap.ok(seccomp and seccomp.group(1) == "2", "and has given up all system calls but a few", seccomp and seccomp.group(0))

    other = min(os.sched_getaffinity(0) - cpus, default=min(cpus))
    load = subprocess.Popen([str(LOAD), f"client:{folder}/wire", str(other), str(ORDERS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        tap.ok(load.stdout.readline() == b"connected\n", "a market maker is connected by memif")
        time.sleep(1.5)  # the publication of counters, and whatever connecting still causes
        strace = Strace(tid, folder / "strace")
        tap.ok(strace.attached, "strace counts the calls of the poll thread")
        before = allocations(shim_file)
        wakes_before = wakes(app)
        out, err = load.communicate(b"go\n", timeout=180)
        calls = strace.stop()
        wakes_after = wakes(app)
        after = allocations(shim_file)
    finally:
        if load.poll() is None:
            load.kill()
            load.wait()
    result = json.loads(out or b"{}")
    tap.note(f"{result}; system calls {calls}; wake-ups {wakes_after - wakes_before}; allocations by thread {after}")
    tap.ok(load.returncode == 0 and result.get("answered") == ORDERS and result.get("lost") == 0, f"{ORDERS} orders were answered", (result, err.decode()[-500:]))
    tap.ok(result.get("trades") == ORDERS, "and traded, two reports a pair", result)
    tap.ok(set(calls) <= QUIET_CALLS, "no system call but the doorbell's", calls)
    tap.ok(calls.get("futex", 0) == wakes_after - wakes_before > 0, "each of them a wake-up of a sleeping worker", (calls, wakes_before, wakes_after))
    tap.ok(after.get(tid, 0) == before.get(tid, 0), "no allocation", (before.get(tid, 0), after.get(tid, 0)))
    tap.ok(after.get(pid, 0) > 100, "(the allocation counter is alive: set-up made some)", after)
    tap.ok(app.pid("dataplane") == pid, "the data plane is still the same process")


def main():
    require("strace")
    for program in (LOAD, SHIM):
        if not program.exists():
            print(f"ok 1 - test_quiet_loop # SKIP {program} is missing: make tests\n1..1")
            sys.exit(0)
    tap = Tap()
    folder = Path(tempfile.mkdtemp(prefix="wcx-quiet-"))
    try:
        shim_file = folder / "allocations"
        with Appliance("quiet-loop", WCX_CONFIG=str(write_config(folder)), WCX_PROBE="0", WCX_SET=f"network.port_kind=memif network.device=server:{folder}/wire",
                       LD_PRELOAD=str(SHIM), WCX_ALLOC_COUNT_PROGRAM="wcx-dataplane", WCX_ALLOC_COUNT_FILE=str(shim_file)) as app:
            run(tap, app, folder, shim_file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tap.done()


if __name__ == "__main__":
    main()
