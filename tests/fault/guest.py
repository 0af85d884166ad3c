"""A small Linux guest under QEMU (software emulation) that runs wcx-journal and ring_load on a disk of its own.

Kernel: Debian's cloud kernel, fetched as a package and unpacked under build/guest, never installed. Root: an initramfs of busybox, our two programs and the
libraries they name. The guest reports on its second serial line, which is our end of a pipe: what was said before the power went can still be read.
"""
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "build" / "guest"
MODULES = ("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk")
TOOLS = ("qemu-system-x86_64", "qemu-img", "busybox", "cpio", "mkfs.ext4")
UP_S = 60  # on a busy machine a guest in software emulation sometimes misses its own timer at start
BOOTS = 4
PROGRAMS = ("bin/wcx-journal", "tests/fault/ring_load")

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /state
mount -t tmpfs shm /dev/shm
for m in {modules}; do insmod /lib/$m.ko; done
for w in $(cat /proc/cmdline); do case $w in wcx_*) eval "$w";; esac; done
stty -F /dev/ttyS1 raw
exec >/dev/ttyS1
echo up
i=0
while [ ! -b /dev/vda ] && [ $i -lt 50 ]; do sleep 0.1; i=$((i + 1)); done
mount -t ext4 /dev/vda /state || echo "bad mount"
/bin/ring_load check --state-dir /state --seed $wcx_seed
echo checked
if [ $wcx_life = 0 ]; then umount /state; echo over; poweroff -f; fi
/bin/ring_load serve --region /dev/shm/region --state-dir /state --seed $wcx_seed --life $wcx_life --pause-us $wcx_pause &
n=0
while [ $n -lt 20 ]; do
  /bin/wcx-journal --region /dev/shm/region --shard-idx 0 2>/dev/ttyS0
  echo "worker ended $?"
  n=$((n + 1))
  sleep 0.1
done
echo "over"
"""


def missing():
    """Why no guest can run here, or None."""
    for tool in TOOLS:
        if shutil.which(tool) is None:
            return f"{tool} is not installed: make deps-fault"
    for program in PROGRAMS:
        if not (ROOT / "build" / program).exists():
            return f"build/{program} is missing: make tests"
    if not list(PLACE.glob("kernel/boot/vmlinuz-*")):
        return "no guest kernel under build/guest: make guest"
    return None


def fetch_kernel():
    """Debian's cloud kernel, unpacked under build/guest/kernel."""
    if list(PLACE.glob("kernel/boot/vmlinuz-*")):
        return
    PLACE.mkdir(parents=True, exist_ok=True)
    depends = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], check=True, stdout=subprocess.PIPE).stdout.decode()
    package = next(word for word in depends.split() if word.startswith("linux-image-") and word != "linux-image-cloud-amd64")
    subprocess.run(["apt-get", "-qq", "download", package], cwd=PLACE, check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["dpkg-deb", "-x", str(next(PLACE.glob("linux-image-*.deb"))), str(PLACE / "kernel")], check=True)


def libraries(program):
    """What the loader will open for it, the loader included."""
    out = subprocess.run(["ldd", str(program)], check=True, stdout=subprocess.PIPE).stdout.decode()
    return {word for line in out.splitlines() for word in line.split() if word.startswith("/")}


def make_initramfs():
    """Made anew each time: it carries the programs under test."""
    with tempfile.TemporaryDirectory(prefix="root-", dir=PLACE) as scratch:
        tree = Path(scratch)
        for folder in ("bin", "lib", "proc", "sys", "dev"):
            (tree / folder).mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), tree / "bin/busybox")
        for program in PROGRAMS:
            shutil.copy(ROOT / "build" / program, tree / "bin")
            for library in libraries(ROOT / "build" / program):
                (tree / library[1:]).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(library, tree / library[1:])
        for module in MODULES:
            found = list((PLACE / "kernel/lib/modules").rglob(module + ".ko"))
            if found:
                shutil.copy(found[0], tree / "lib")
        (tree / "init").write_text(INIT.format(modules=" ".join(m for m in MODULES if (tree / "lib" / (m + ".ko")).exists())))
        (tree / "init").chmod(0o755)
        with tempfile.NamedTemporaryFile(dir=PLACE, delete=False) as out:
            names = subprocess.run(["find", ".", "-print0"], cwd=tree, check=True, stdout=subprocess.PIPE).stdout
            subprocess.run(["cpio", "-o", "-0", "-H", "newc", "--quiet"], cwd=tree, input=names, stdout=out, check=True)
        return Path(out.name).rename(PLACE / "initramfs")  # at once: another campaign may be starting its guest


def make_image(path, mib):
    """An empty ext4 file system."""
    path.unlink(missing_ok=True)
    with open(path, "wb") as out:
        out.truncate(mib << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", str(path)], check=True)
    return path


class Machine:
    """One power-on, come as far as its init; nothing has touched the disk yet. Lines of the report line come from next_line(); kill() is the power cut."""

    def __init__(self, initramfs, blockdevs, seed, life, pause_us=2000, log="console.log"):
        """`blockdevs`: values of -blockdev; the node named `disk` becomes /dev/vda."""
        command = ["qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "1", "-m", "384", "-nodefaults", "-no-reboot", "-display", "none",
                   "-kernel", str(next(PLACE.glob("kernel/boot/vmlinuz-*"))), "-initrd", str(initramfs),
                   "-append", f"console=ttyS0 quiet panic=-1 no_timer_check mitigations=off wcx_seed={seed} wcx_life={life} wcx_pause={pause_us}",
                   "-serial", f"file:{PLACE / log}", "-serial", "stdio"]
        for blockdev in blockdevs:
            command += ["-blockdev", blockdev]
        command += ["-device", "virtio-blk-pci,drive=disk,write-cache=on"]
        for _ in range(BOOTS):
            self._start(command)
            if self.lines_until(lambda line: line == "up", UP_S)[-1] == "up":
                return
            self.kill()
        raise RuntimeError(f"the guest does not start: see {PLACE / 'qemu.log'} and {PLACE / log}")

    def _start(self, command):
        self.errors = open(PLACE / "qemu.log", "wb")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for raw in self.process.stdout:
            self.lines.put(raw.decode(errors="replace").strip())

    def next_line(self, timeout):
        """None when there was none in time."""
        try:
            return self.lines.get(timeout=max(timeout, 0.001))
        except queue.Empty:
            return None

    def lines_until(self, predicate, timeout):
        """All lines up to and with the first that fits; the last is None when none did in time."""
        out, deadline = [], time.monotonic() + timeout
        while time.monotonic() < deadline:
            line = self.next_line(min(0.2, deadline - time.monotonic()))
            if line is not None:
                out.append(line)
                if predicate(line):
                    return out
            elif self.process.poll() is not None and self.lines.empty():
                break
        return out + [None]

    def kill(self):
        """The power goes. Returns what had been said and not yet read."""
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.errors.close()
        out = []
        while not self.lines.empty():
            out.append(self.lines.get())
        return out


if __name__ == "__main__":
    fetch_kernel()
