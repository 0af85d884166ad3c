"""The journal worker and its load on this machine, over a directory or over a file system in a file."""
import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RING_LOAD = ROOT / "build/tests/fault/ring_load"
JOURNAL = ROOT / "build/bin/wcx-journal"
MKFS = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"],
    "xfs": ["mkfs.xfs", "-q", "-f", "--unsupported"],  # below 300 MB it wants to be told
    "btrfs": ["mkfs.btrfs", "-q", "-f", "--mixed"],    # below 109 MiB it must be mixed
}


def missing(tools=()):
    """Why no file system can be mounted here, or None."""
    if os.geteuid() != 0:
        return "root is needed to mount a file system"
    if not Path("/dev/loop-control").exists():
        return "this kernel has no loop devices"
    for tool in tools:
        if shutil.which(tool) is None:
            return f"{tool} is not installed: make deps-fault"
    return None


def mounts(kind):
    """Whether the running kernel knows the file system."""
    return any(line.split()[-1] == kind for line in Path("/proc/filesystems").read_text().splitlines())


@contextlib.contextmanager
def scratch():
    """A directory in memory where there is one. A signal that ends us lets what is mounted there be unmounted first."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="wcx-fault-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as place:
        yield Path(place)


def unmount(place):
    """The io_uring of a killed worker holds its files a moment longer than the process lives."""
    for _ in range(100):
        if subprocess.run(["umount", str(place)], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return
        time.sleep(0.05)
    subprocess.run(["umount", str(place)], check=True)


@contextlib.contextmanager
def mounted(image, place, kind="ext4"):
    """An ext4 superblock is two sectors: where a crash has torn it, its file system is repaired first, as whoever boots such a disk must. So small a file system has no
    other copy of it, which e2fsck would need: debugfs takes it as it is and writes it with the checksum that it should have."""
    place.mkdir(exist_ok=True)
    mount = ["mount", "-t", kind, "-o", "loop", str(image), str(place)]
    if subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        if kind == "ext4":
            for repair in (["debugfs", "-n", "-w", "-R", "set_super_value mnt_count 1", str(image)], ["e2fsck", "-f", "-y", str(image)]):
                subprocess.run(repair, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        subprocess.run(mount, check=True)
    try:
        yield place
    finally:
        unmount(place)


def check(state_dir, seed):
    """The lines of `ring_load check`."""
    return subprocess.run([str(RING_LOAD), "check", "--state-dir", str(state_dir), "--seed", str(seed)], stdout=subprocess.PIPE, check=False).stdout.decode().splitlines()


class Pair:
    """`ring_load serve` and wcx-journal. Lines of the load come from next_line(); what the worker says last is in said()."""

    def __init__(self, state_dir, region, seed, life, segment=256 << 10, pause_us=500):
        self.region = region
        self.worker_log = tempfile.TemporaryFile()
        self.worker = None
        self.load = subprocess.Popen([str(RING_LOAD), "serve", "--region", str(region), "--state-dir", str(state_dir), "--seed", str(seed), "--life", str(life),
                                      "--segment", str(segment), "--pause-us", str(pause_us)], stdout=subprocess.PIPE)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.start_worker()

    def _read(self):
        for raw in self.load.stdout:
            self.lines.put(raw.decode().strip())

    def start_worker(self):
        self.worker = subprocess.Popen([str(JOURNAL), "--region", str(self.region), "--shard-idx", "0"], stderr=self.worker_log)

    def said(self):
        self.worker_log.seek(0)
        return self.worker_log.read().decode(errors="replace").splitlines()

    def hear(self, lives, until, timeout):
        """Tell `lives` every line up to and with the first that fits; None when none did in time."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                line = self.lines.get(timeout=max(deadline - time.monotonic(), 0.001))
            except queue.Empty:
                break
            lives.hear(line)
            if until(line):
                return line
        return None

    def kill(self, lives):
        """kill -9 both, and hear what had been said."""
        for process in (self.worker, self.load):
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.reader.join()
        while not self.lines.empty():
            lives.hear(self.lines.get())
        self.load.stdout.close()
        self.worker_log.close()
        Path(self.region).unlink(missing_ok=True)
