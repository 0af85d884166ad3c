#!/usr/bin/env python3
"""`make up`, `make down` and `make run` as people and accidents use them: twice, interrupted, killed, with what they need taken or wrong.

Whatever happens, nothing may be left: namespaces, mounts, the region, processes, pages set aside."""
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from wcxlib import ROOT, Appliance, Tap, require

UP, DOWN, RUN = (str(ROOT / "control/dev" / name) for name in ("up.sh", "down.sh", "run.sh"))


def left_over(app):
    """What of the instance still exists, as text; empty when it is clean."""
    found = [f"namespace {ns}" for ns in (app.netns, app.client_netns) if os.path.exists(f"/run/netns/{ns}")]
    found += [f"mount {line.split()[1]}" for line in Path("/proc/mounts").read_text().splitlines() if str(app.run) in line]
    found += [f"file {path}" for path in (app.run / "environment", app.run / "runner.pid", app.run / "huge/region") if path.exists()]
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            command = (proc / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(app.run) in command and "test_lifecycle" not in command:
            found.append(f"process {proc.name} {command}")
    return "\n".join(found)


def call(app, command, **environment):
    return subprocess.run(command, env=dict(app.env, **environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120)


def interrupted(app, ready, signals=1):
    """Start run.sh as a terminal would, send Ctrl-C to its group once `ready()`, and return its output and status."""
    proc = subprocess.Popen([RUN, "0"], env=app.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    end = time.monotonic() + 60
    while not ready() and time.monotonic() < end and proc.poll() is None:
        time.sleep(0.02)
    for _ in range(signals):
        if proc.poll() is None:
            os.killpg(proc.pid, signal.SIGINT)
        time.sleep(0.1)
    return proc.communicate(timeout=90)[0], proc.returncode


def last_json(output):
    try:
        return json.loads(output.splitlines()[-1])
    except (ValueError, IndexError):
        return None


def twice(tap, app):
    again = call(app, UP)
    tap.ok(again.returncode == 1 and again.stdout.count("\n") == 1 and "runs already" in again.stdout, "a second up is refused with one line", again.stdout)
    run = call(app, [RUN, "1"])
    tap.ok(run.returncode == 1 and "runs already" in run.stdout and app.wcxctl("status")[0]["Status"]["Ready"], "run beside up is refused and leaves the appliance alone", run.stdout)
    first, second = call(app, DOWN), call(app, DOWN)
    tap.ok(first.returncode == 0 and second.returncode == 0 and "nothing to stop" in second.stdout, "down, and down again", first.stdout + second.stdout)
    tap.ok(left_over(app) == "", "nothing is left", left_over(app))


def ctrl_c(tap, app):
    output, status = interrupted(app, lambda: (app.run / "runner.pid").exists(), signals=3)
    tap.ok(status != 0 and "interrupted while starting" in output and left_over(app) == "", "Ctrl-C three times while it starts: nothing is left", output + left_over(app))
    output, status = interrupted(app, lambda: (app.run / "log/probe.log").exists() and "wcx-mm" in trading(app), signals=2)
    summary = last_json(output)
    tap.ok(status == 0 and summary is not None and summary["lost"] == 0, "Ctrl-C while it trades: orderly end, JSON on the last line, exit 0", f"status {status}\n{output[-1500:]}")
    tap.ok(left_over(app) == "", "nothing is left", left_over(app))


def trading(app):
    """The command of the market makers that trade in the clients' namespace, empty before they do."""
    done = subprocess.run(["pgrep", "-af", f"wcx-mm --seconds 0 .*--interface {app.client_if}"], stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout


def killed(tap, app):
    app.up(keep=True)
    before = app.wcxctl("status")[0]["Status"]["Shards"][0]["AppliedSeq"]
    for delay_s in (0.01, 0.04, 0.08):  # the second dies while the runner is busy with the first
        old = {role: app.pid(role) for role in ("dataplane", "controld")}
        for role in old:
            os.kill(old[role], signal.SIGKILL)
            time.sleep(delay_s)
        new = {role: app.wait_pid(role, old[role]) for role in old}
        tap.ok(all(new.values()), f"data plane and supervisor killed {delay_s} s after each other: both are started again", (old, new))
    pids = [int((app.run / "runner.pid").read_text()), *(app.pid(role) for role in ("controld", "dataplane", "journal", "auth", "api"))]
    bystander = subprocess.Popen(["sleep", "60"])
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    (app.run / "controld.pid").write_text(f"{bystander.pid}\n")
    done = call(app, DOWN)
    tap.ok(done.returncode == 0 and left_over(app) == "", "everything killed: down leaves nothing", done.stdout + left_over(app))
    tap.ok(bystander.poll() is None, "a process that only has a number of ours is left alone")
    bystander.kill()
    bystander.wait()
    app.up(keep=True)
    after = app.wcxctl("status")[0]["Status"]["Shards"][0]["AppliedSeq"]
    tap.ok(after >= before, "KEEP=1 recovers the journal", f"{before} before, {after} after")
    with open(app.region, "rb"):
        done = call(app, DOWN)
    tap.ok(done.returncode == 0 and left_over(app) == "", "down while somebody reads the region: nothing is left", done.stdout + left_over(app))


def wrong(tap, app):
    """Each is refused with the value and what to do, and leaves nothing."""
    config = app.run / "wrong.yaml"
    text = (ROOT / "configs/wcx.yaml").read_text().replace("_file: development", f"_file: {ROOT}/configs/development")
    cases = [("an unknown key", text.replace("production:", "productoin:"), {}, "unknown key 'productoin'"),
             ("a value out of range", text.replace("order_udp_port: 7002", "order_udp_port: 70000"), {}, "70000"),
             ("a key that is there twice", text.replace("  level: D1", "  level: D1\n  level: D1"), {}, "stands there twice"),
             ("D0 without WCX_UNSAFE", text.replace("level: D1", "level: D0"), {}, "--unsafe"),
             ("no secrets", text.replace("configs/development/secrets.yaml", "configs/absent.yaml"), {}, "configs/absent.yaml"),
             ("no such interface", text, {"WCX_SET": "network.device=wcx-absent"}, "wcx-absent")]
    for name, content, environment, expected in cases:
        config.write_text(content)
        done = call(app, UP, WCX_CONFIG=str(config), **environment)
        said = [line for line in done.stdout.splitlines() if "error:" in line]
        tap.ok(done.returncode == 1 and said and expected in said[-1] and left_over(app) == "", f"{name}: refused by name, nothing left", done.stdout + left_over(app))
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", app.http_port))
        busy.listen()
        done = call(app, UP)
        tap.ok(done.returncode == 1 and f"port {app.http_port}" in done.stdout and left_over(app) == "", "a busy port: refused by name", done.stdout)


def main():
    require("ethtool", "pgrep")
    tap = Tap()
    pages = Path("/proc/sys/vm/nr_hugepages")
    with Appliance("lifecycle") as app:
        twice(tap, app)
        ctrl_c(tap, app)
        killed(tap, app)
        wrong(tap, app)
    tap.note(f"pages set aside on this machine now: {pages.read_text().strip()}")
    tap.done()


if __name__ == "__main__":
    main()
