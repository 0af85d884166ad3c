#!/usr/bin/env python3
"""wcx-controld and its workers: started, restarted, adopted, left alone when stopped, stopped in order. No data plane, no namespaces.

Every wait has a limit but no test asserts a time."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = ROOT / "build" / "bin"
WORKERS = ("wcx-journal-0", "wcx-replica-0", "wcx-keeper-0", "wcx-auth", "wcx-api")
LIMIT_S = 20


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_for(what, condition):
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {LIMIT_S} s in vain for: {what}")


class Appliance:
    def __init__(self, folder):
        self.run = Path(folder)
        self.region = self.run / "region"
        self.port = free_port()
        self.log = self.run / "controld.log"
        self.daemon = None

    def command(self, *sets):
        args = [str(BIN / "wcx-controld"), "--config", str(ROOT / "configs/wcx.yaml")]
        for one in (f"paths.run_dir={self.run}", f"paths.region={self.region}", f"http.listen_tcp_port={self.port}", "durability.journal_segment_mib=1", *sets):
            args += ["--set", one]
        return args

    def start(self, *sets):
        with open(self.log, "ab") as log:
            self.daemon = subprocess.Popen(self.command(*sets), stderr=log, stdin=subprocess.DEVNULL)

    def pid(self, worker):
        try:
            pid = int((self.run / "control" / f"{worker}.pid").read_text())
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            exe = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        except (OSError, ValueError):
            return None
        return pid if state != "Z" and exe == worker.removesuffix("-0") else None

    def pids(self):
        return [self.pid(worker) for worker in WORKERS]

    def status(self):
        done = subprocess.run([str(BIN / "wcxctl"), "--control-dir", str(self.run / "control"), "status", "-o", "json"], capture_output=True, text=True, check=False)
        return json.loads(done.stdout)["Status"] if done.returncode == 0 else None

    def all_up(self):
        status = self.status()
        return status and all(status["Processes"].get(name) == "Up" for name in (*WORKERS, "wcx-controld")) and all(self.pids())

    def events(self, event):
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["Event"] == event]

    def http(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def end(self):
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()
        for pid in filter(None, self.pids()):
            os.kill(pid, signal.SIGKILL)


def starts_every_worker(app):
    app.start()
    wait_for("all workers", app.all_up)
    assert not app.status()["Ready"], "ready without a data plane"
    assert oct((app.run / "control").stat().st_mode & 0o7777) == "0o750"


def answers_http(app):
    wait_for("http", lambda: app.events("http open"))
    assert app.http("/healthz")[0] == 200
    code, text = app.http("/readyz")
    assert code == 503 and "wcx-dataplane is not running" in text, (code, text)
    code, text = app.http("/metrics")
    assert code == 200 and 'wcx_process_up{process="wcx-journal-0"} 1' in text and 'wcx_rx_frames_total{shard="1"} 0' in text
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names)), "a metric has two TYPE lines"
    assert app.http("/elsewhere")[0] == 404


def answers_every_line(app):
    """Whatever a line holds: who asks must not wait for an answer that does not come."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(LIMIT_S)
        sock.connect(str(app.run / "control" / "control.sock"))
        answers = sock.makefile("r")
        for line, name in ((b'{"Stages":{}}', "Stages"), (b"", "Error"), (b"\xff", "Error"), (b"{}", "Error"), (b'{"Status":{}}\0', "Status"), (b"\0", "Error"), (b'{"Status":{}}', "Status")):
            sock.sendall(line + b"\n")
            answer = json.loads(answers.readline())
            assert list(answer) == [name], (line, answer)


def restarts_what_was_killed(app):
    for worker in WORKERS:
        before = app.pid(worker)
        os.kill(before, signal.SIGKILL)
        wait_for(f"a new {worker}", lambda w=worker, b=before: app.pid(w) not in (None, b))
    wait_for("all workers", app.all_up)


def refuses_a_second_supervisor(app):
    done = subprocess.run(app.command(), capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert done.returncode == 1 and "another wcx-controld runs" in done.stderr, done.stderr
    assert app.all_up()


def adopts_the_living(app):
    before = app.pids()
    app.daemon.kill()
    app.daemon.wait()
    assert app.pids() == before, "a worker died with its supervisor"
    app.start()
    wait_for("all workers", app.all_up)
    wait_for("the adoption", lambda: len(app.events("worker adopted")) == len(WORKERS))
    assert app.pids() == before, "an adopted worker was replaced"


def restarts_the_adopted(app):
    before = app.pid("wcx-journal-0")
    os.kill(before, signal.SIGKILL)
    wait_for("a new worker", lambda: app.pid("wcx-journal-0") not in (None, before))
    wait_for("all workers", app.all_up)


def leaves_the_stopped_alone(app):
    before = app.pid("wcx-auth")
    os.kill(before, signal.SIGSTOP)
    wait_for("the alarm", lambda: app.events("worker stopped"))
    time.sleep(1)
    assert app.pid("wcx-auth") == before
    os.kill(before, signal.SIGCONT)
    wait_for("the all-clear", lambda: app.events("worker continued"))
    assert app.pid("wcx-auth") == before


def refuses_another_configuration(app):
    app.daemon.kill()
    app.daemon.wait()
    done = subprocess.run(app.command("network.device=other0"), capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert done.returncode == 1 and "the configuration differs" in done.stderr, done.stderr
    app.start()
    wait_for("all workers", app.all_up)


def stops_in_order(app):
    app.daemon.terminate()
    app.daemon.wait(timeout=LIMIT_S)
    assert app.daemon.returncode == 0
    assert app.pids() == [None] * len(WORKERS)
    assert not (app.run / "control" / "control.sock").exists()
    order = [line["Text"].split(",")[0] for line in app.events("worker stopped")][-len(WORKERS):]
    assert order == list(reversed(WORKERS)), order


def takes_another_configuration_when_nobody_lives(app):
    app.start("network.device=other0")
    wait_for("all workers", app.all_up)
    assert app.events("region made")[-1]["Text"].endswith("nobody used the old one")
    stops_in_order(app)


def keeps_trying_a_busy_port(app):
    with socket.socket() as busy:
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        busy.bind(("127.0.0.1", app.port))
        busy.listen()
        opened = len(app.events("http open"))
        app.start()
        wait_for("all workers", app.all_up)
        wait_for("the message", lambda: app.events("http closed"))
        time.sleep(2.5)
        closed = app.events("http closed")
        assert len(closed) == 1 and "set http.listen_tcp_port to a free port" in closed[0]["Text"], closed
    wait_for("http", lambda: len(app.events("http open")) > opened)
    assert app.http("/healthz")[0] == 200
    stops_in_order(app)


def refuses_d0(app):
    done = subprocess.run(app.command("durability.level=D0"), capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert done.returncode == 1 and "--unsafe" in done.stderr, done.stderr


def keeps_what_it_is_not_told_to_remove(app):
    """control/dev/up.sh removes the last state only when it is told so in the words that it knows."""
    state = app.run / "dev" / "state"
    state.mkdir(parents=True)
    for name, value in (("KEEP", "yes"), ("KEEP", "2"), ("WCX_HUGEPAGES", "many"), ("WCX_REGION_MIB", "1G")):
        done = subprocess.run([str(ROOT / "control/dev/up.sh")], env=dict(os.environ, WCX_RUN_DIR=str(state.parent), WCX_CONFIG="/nonexistent", **{name: value}), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, timeout=LIMIT_S)
        assert done.returncode == 1 and f"{name}={value}" in done.stderr and state.is_dir() and not (state.parent / "environment").exists(), (name, value, done.stderr)


def main():
    steps = (starts_every_worker, answers_http, answers_every_line, restarts_what_was_killed, refuses_a_second_supervisor, adopts_the_living, restarts_the_adopted, leaves_the_stopped_alone,
             refuses_another_configuration, stops_in_order, takes_another_configuration_when_nobody_lives, keeps_trying_a_busy_port, refuses_d0,
             keeps_what_it_is_not_told_to_remove)
    bad = 0
    folder = tempfile.mkdtemp(prefix="wcx-control-", dir=ROOT / "build")
    app = Appliance(folder)
    try:
        for n, step in enumerate(steps, 1):
            try:
                step(app)
                print(f"ok {n} - {step.__name__}", flush=True)
            except (AssertionError, OSError, subprocess.SubprocessError, KeyError, IndexError) as error:
                bad += 1
                print(f"not ok {n} - {step.__name__}: {error}", flush=True)
    finally:
        app.end()
        if bad == 0:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"1..{len(steps)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
