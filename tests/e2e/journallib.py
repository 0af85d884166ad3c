"""A supervisor with its journal worker and nothing on the wire, and the tools that work on what it writes. No root, no namespaces."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / "build/bin"
LOAD = ROOT / "build/tests/e2e/journal_load"
LIMIT_S = 120


def wait_for(what, condition, limit_s=LIMIT_S):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {limit_s} s in vain for: {what}")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def ctl(*args):
    """wcxctl: (status, objects of stdout, stderr)."""
    done = subprocess.run([str(BIN / "wcxctl"), "--control-dir", "/nonexistent", "-o", "json", *map(str, args)], capture_output=True, text=True, check=False, timeout=300)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def make_operators(folder):
    """Keys of anna, berta and carla, and the file that names the first two: carla has a key, but nobody knows her. (path of the file, name -> path of the key)"""
    keys, lines = {}, []
    for name in ("anna", "berta", "carla"):
        key = keys[name] = folder / f"{name}.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, stderr=subprocess.DEVNULL)
        key.chmod(0o600)
        der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
        lines.append(f"{name}: {der[-32:].hex()}\n")
    operators = folder / "operators.yaml"
    operators.write_text("".join(lines[:2]))
    return operators, keys


class Journal:
    """One shard's worker below wcx-controld."""

    def __init__(self, folder, *sets):
        self.run = Path(folder)
        self.run.mkdir(exist_ok=True)
        self.state = self.run / "state"
        self.dir = self.state / "journal/shard-00001"
        self.region = self.run / "region"
        self.log = self.run / "controld.log"
        self.sets = sets
        self.daemon = None

    def start(self, wait=True):
        args = [str(BIN / "wcx-controld"), "--config", str(ROOT / "configs/wcx.yaml")]
        for one in (f"paths.run_dir={self.run}", "paths.region=region", f"http.listen_tcp_port={free_port()}", "durability.journal_segment_mib=1", *self.sets):
            args += ["--set", one]
        with open(self.log, "ab") as log:
            self.daemon = subprocess.Popen(args, stderr=log, stdin=subprocess.DEVNULL)
        if wait:
            wait_for("the worker", lambda: self.region.exists() and (self.dir / "superblock").exists() and self.shard())

    def stop(self):
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
            self.daemon.wait(timeout=LIMIT_S)
        self.daemon = None

    def load(self, records, *rate):
        done = subprocess.run([str(LOAD), str(self.region), str(records), *map(str, rate)], capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def ctl(self, *args):
        return ctl("--state-dir", self.state, *args)

    def status(self):
        done = subprocess.run([str(BIN / "wcxctl"), "--control-dir", str(self.run / "control"), "status", "-o", "json"], capture_output=True, text=True, check=False)
        return json.loads(done.stdout)["Status"] if done.returncode == 0 else None

    def shard(self):
        status = self.status()
        return status["Shards"][0] if status else {}

    def pid(self, worker):
        return int((self.run / "control" / f"{worker}.pid").read_text())

    def snapshot(self):
        """Asks the replica for one and waits for it; it may be starting again."""
        def take():
            args = [str(BIN / "wcxctl"), "--control-dir", str(self.run / "control"), "snapshot", "take"]
            return subprocess.run(args, capture_output=True, text=True, check=False).returncode == 0
        wait_for("a snapshot", take)

    def segments(self):
        return sorted(int(path.name[4:20], 16) for path in self.dir.glob("seg-*.wcj"))

    def said(self, text):
        return text in self.log.read_text()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
            try:
                self.daemon.wait(timeout=LIMIT_S)
            except subprocess.TimeoutExpired:
                self.daemon.kill()


def flip(path, offset, mask=1):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ mask]))
        file.flush()
        os.fsync(file.fileno())


def run_points(points, shared=None):
    """Prints TAP; returns the exit status. Of the points those whose names hold a word of the command line, without one all. Each point gets a folder of its own, or all of them `shared`, which they use in turn. WCX_FIRST_FAILURE=1: the first that fails
    is the last, for whoever asks no more than whether one does."""
    failed, words = 0, sys.argv[1:]
    points = [point for point in points if not words or any(word in point.__name__ for word in words)]
    for number, point in enumerate(points, 1):
        folder = tempfile.mkdtemp(prefix="test-journal-tools-", dir=ROOT / "build") if shared is None else None
        try:
            point(Path(folder) if shared is None else shared)
            print(f"ok {number} - {point.__name__.replace('_', ' ')}", flush=True)
        except AssertionError as error:
            failed += 1
            print(f"not ok {number} - {point.__name__.replace('_', ' ')}\n# {error!r}", flush=True)
            for log in (Path(folder).rglob("controld.log") if shared is None else [shared.log]):
                print("\n".join("# " + line for line in log.read_text().splitlines()[-15:]), flush=True)
        finally:
            if shared is None:
                shutil.rmtree(folder, ignore_errors=True)
        if failed and os.environ.get("WCX_FIRST_FAILURE"):
            break
    print(f"1..{len(points)}", flush=True)
    return 1 if failed else 0
