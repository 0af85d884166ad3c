#!/usr/bin/env python3
"""wcx-bench wire over a PCI function: an Intel 82574L that QEMU makes, behind an IOMMU and bound to vfio-pci in a guest, against wcx-gateway on this machine. Prints TAP.

       guest: wcx-wire -> DPDK's net_e1000 -> vfio-pci -> 82574L | QEMU's user network -> 127.0.0.1: wcx-gateway

Part of `make test-long`; needs no root. --fetch: only get the guest's kernel, Debian's (the cloud kernel of the other guests knows no IOMMU), unpacked under build/guest.
A virtual function is one more address on the same bus; Debian's QEMU makes no card that has any.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "fault"), str(ROOT / "tests" / "bench")]
from guest import libraries  # noqa: E402  (its folder had to be named first)
from test_wire import SECRETS, free_port, gateway  # noqa: E402

PLACE = ROOT / "build" / "guest" / "pci"
WIRE = ROOT / "build" / "bin" / "wcx-wire"
MODULES = ("irqbypass", "vfio", "vfio_virqfd", "vfio_iommu_type1", "vfio-pci-core", "vfio-pci")
DRIVERS = ("bus_pci", "bus_vdev", "mempool_ring", "net_e1000")
RATE, SECONDS = 100, 3
BOOTS, BOOT_S = 3, 300  # a guest in software emulation on a busy machine takes minutes, and sometimes stops

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /run /var/run
mount -t tmpfs shm /dev/shm
exec >/dev/ttyS0 2>&1
for m in {modules}; do insmod /lib/$m.ko; done
echo 128 >/proc/sys/vm/nr_hugepages
echo vfio-pci >/sys/bus/pci/devices/0000:01:00.0/driver_override
echo 0000:01:00.0 >/sys/bus/pci/drivers_probe
/bin/wcx-wire --secrets /secrets --server 10.0.2.2 --address 10.0.2.15 --port {port} --dpdk 0000:01:00.0 --cpu 1 --rate {rate} --seconds {seconds} --mix cross
echo "status $?"
poweroff -f
"""


def fetch():
    if list(PLACE.glob("boot/vmlinuz-*")):
        return
    depends = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], check=True, stdout=subprocess.PIPE, text=True).stdout
    package = next(word for word in depends.split() if word.startswith("linux-image-") and word != "linux-image-amd64")
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE) as folder:
        subprocess.run(["apt-get", "-qq", "download", package], cwd=folder, check=True, stderr=subprocess.DEVNULL)
        subprocess.run(["dpkg-deb", "-x", str(next(Path(folder).glob("linux-image-*.deb"))), str(PLACE)], check=True)


def missing():
    """Why there can be no such guest, or None."""
    tools = [tool for tool in ("qemu-system-x86_64", "busybox", "cpio") if shutil.which(tool) is None]
    if tools:
        return f"{tools[0]} is not installed: make deps-fault"
    if not WIRE.exists():
        return "build/bin/wcx-wire is missing: make build"
    return None if list(PLACE.glob("boot/vmlinuz-*")) else "no kernel with an IOMMU under build/guest: make guest"


def put(tree, path, to=None):
    to = tree / str(to or path).lstrip("/")
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(os.path.realpath(path), to)


def make_initramfs(folder, port):
    tree = folder / "tree"
    for name in ("bin", "lib", "proc", "sys", "dev"):
        (tree / name).mkdir(parents=True)
    put(tree, shutil.which("busybox"), "/bin/busybox")
    put(tree, WIRE, "/bin/wcx-wire")
    put(tree, SECRETS, "/secrets")
    needed = libraries(WIRE) | {"/lib/x86_64-linux-gnu/libgcc_s.so.1"}
    # DPDK opens what it finds in its folder of drivers.
    for driver in (path for name in DRIVERS for path in Path("/usr/lib/x86_64-linux-gnu/dpdk").glob(f"pmds-*/librte_{name}.so.*")):
        put(tree, driver)
        needed |= libraries(driver)
    for library in needed:
        put(tree, library)
    for module in MODULES:
        put(tree, next(PLACE.glob(f"lib/modules/**/{module}.ko")), f"/lib/{module}.ko")
    (tree / "init").write_text(INIT.format(modules=" ".join(MODULES), port=port, rate=RATE, seconds=SECONDS))
    (tree / "init").chmod(0o755)
    with open(folder / "initramfs", "wb") as out:
        names = subprocess.run(["find", ".", "-print0"], cwd=tree, check=True, stdout=subprocess.PIPE).stdout
        subprocess.run(["cpio", "-o", "-0", "-H", "newc", "--quiet"], cwd=tree, input=names, stdout=out, check=True)
    return folder / "initramfs"


def boot(initramfs):
    """What the guest says until its power is off."""
    command = ["qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "2", "-m", "1024", "-nodefaults", "-no-reboot", "-display", "none",
               "-device", "intel-iommu,intremap=on", "-device", "pcie-root-port,id=root", "-netdev", "user,id=net", "-device", "e1000e,netdev=net,bus=root",
               "-kernel", str(next(PLACE.glob("boot/vmlinuz-*"))), "-initrd", str(initramfs), "-append", "console=ttyS0 quiet panic=-1 no_timer_check mitigations=off intel_iommu=on",
               "-serial", "stdio"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=BOOT_S, check=False)
        return done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode(errors="replace")


def main():
    if sys.argv[1:] == ["--fetch"]:
        fetch()
        return 0
    why = missing()
    if why:
        print(f"1..0 # SKIP {why}")
        return 0
    port, said = free_port(), ""
    with tempfile.TemporaryDirectory() as folder, gateway(port):
        initramfs = make_initramfs(Path(folder), port)
        for _ in range(BOOTS):
            said = boot(initramfs)
            if "status " in said:
                break
    told = re.search(r"(\d+) requests, (\d+) answered.* (\d+) dropped", said)
    whole = "status 0" in said and told is not None and told.group(1) == told.group(2) == str(RATE * SECONDS) and told.group(3) == "0"
    trades = re.search(r"(\d+) trades, hash ([0-9a-f]{16}); of the reference run ([0-9a-f]{16})", said)
    good = [whole, trades is not None and int(trades.group(1)) > 0 and trades.group(2) == trades.group(3), "software (port 0000:01:00.0: it has none)" in said]
    print(f"1..{len(good)}")
    for number, (is_good, text) in enumerate(zip(good, ("over a PCI function bound to vfio-pci every request is answered", "and traded as by the engine alone", "the card was asked for stamps, and has none")), 1):
        print(f"{'ok' if is_good else 'not ok'} {number} - {text}")
    if not all(good):
        print("".join(f"# {line}\n" for line in said.splitlines()[-40:]), end="")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
