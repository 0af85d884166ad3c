#!/usr/bin/env python3
"""Each executable links its own third-party libraries and no others (DT_NEEDED, by readelf)."""
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(os.environ.get("WCX_BUILD", ROOT / "build")) / "bin"
APART = {"wcx-micro"}  # not made by `make build`
LIBC = {"libc", "libm", "ld-linux-x86-64"}
ALLOWED = {
    "wcx-play": set(),
    "wcx-dataplane": {"libnuma", "libseccomp", "liblwip", "libxdp", "libbpf", "libbsd"},
    "wcx-journal": {"liburing", "libseccomp"},
    "wcx-keeper": set(),
    "wcx-replica": set(),
    "wcx-sink-pg": {"libpq", "libseccomp"},
    "wcx-sink-redis": {"libhiredis", "libseccomp"},
    "wcx-auth": {"libcrypto", "libseccomp", "libcyaml"},
    "wcx-api": {"libmicrohttpd", "libjansson", "libseccomp"},
    "wcx-controld": {"libcyaml", "libcrypto"},
    "wcxctl": {"libjansson", "libcrypto"},
    "wcx-mm": {"libcrypto", "libjansson", "libncurses", "libncursesw", "libtinfo"},
    "wcx-conform": {"libcrypto"},
    "wcx-sim": {"libcrypto"},
    "wcx-rtt": {"libcrypto", "libz"},
    "wcx-crowd": {"libcrypto"},
    "wcx-flood": {"libcrypto"},
    "wcx-fill": {"libcrypto"},
    "wcx-gateway": {"libcrypto"},
    "wcx-memif-rtt": {"libcrypto", "libnuma", "libxdp", "libbpf", "libbsd"},
    "wcx-wire": {"libcrypto", "libz", "librte_eal", "librte_ethdev", "librte_mbuf", "librte_mempool", "librte_bus_vdev"},
    "wcx-bench": {"libcrypto", "libz"},
    "wcx-diff": set(),
    "wcx-micro": {"libbenchmark", "libstdc++", "libgcc_s"},
}


def needed(path):
    dump = subprocess.run(["readelf", "-d", str(path)], capture_output=True, text=True, check=True).stdout
    return {re.sub(r"\.so.*", "", name) for name in re.findall(r"\(NEEDED\).*\[(.+)\]", dump)}


def main():
    bad = []
    for name, allowed in ALLOWED.items():
        path = BIN / name
        if not path.exists():
            bad += [f"{name}: not built"] if name not in APART else []
            continue
        for library in sorted(needed(path) - LIBC):
            if library not in allowed:
                bad.append(f"{name} links {library}; it may link {', '.join(sorted(allowed)) or 'libc only'}")
    strangers = {p.name for p in BIN.iterdir() if p.is_file()} - set(ALLOWED) if BIN.exists() else set()
    bad += [f"{name}: no line in tests/lint/libraries.py says what it may link" for name in sorted(strangers)]
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
