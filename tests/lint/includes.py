#!/usr/bin/env python3
"""The dependency star: who may include whom, and which third-party header lives in which one file.

Plants bad includes in a scratch tree first and fails unless each is found.
"""
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SHARED = ("engine/base/", "engine/shm/", "engine/sbe.h", "engine/sbe_meta.h", "engine/reject.h")
ANYTHING = ("",)
# folder (longest prefix wins) -> prefixes of project headers it may include
MAY = {
    "engine/base/": ("engine/base/",),
    "engine/shm/": SHARED,
    "engine/": ("engine/",),
    "dataplane/client/": ("dataplane/client/", "engine/"),
    "dataplane/": ("dataplane/", "engine/"),
    "persist/": ("persist/", "engine/"),
    "hsm/": ("hsm/",) + SHARED,
    "control/": ANYTHING,
    "bench/": ANYTHING,
    "tests/": ANYTHING,
}
# third-party header -> the places that may include it (tests/ and bench/ are free)
WAIST = {
    r"rte_.*": ("dataplane/port_dpdk.c",),
    r"lwip/.*": ("dataplane/tcp_lwip.c",),
    r"liburing.*": ("persist/disk_uring.c",),
    r"(p11-kit|pkcs11).*": ("hsm/p11.c",),
    r"libpq.*": ("persist/sink_pg.c",),
    r"hiredis.*": ("persist/sink_redis.c",),
    r"cyaml/.*": ("control/",),
    r"jansson\.h": ("control/", "dataplane/client/mm"),
    r"microhttpd\.h": ("control/",),
    r"openssl/.*": ("control/auth", "control/operators", "dataplane/client/", "hsm/"),
    r"(ncurses|curses)\.h": ("dataplane/client/", "control/"),
}
PROJECT = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
SYSTEM = re.compile(r"^\s*#\s*include\s+<([^>]+)>")


def allowed(path):
    best = max((p for p in MAY if path.startswith(p)), key=len, default=None)
    return MAY[best] if best else ()


def line_problem(name, line):
    """What is wrong with one line of the file `name`, or None."""
    free = name.startswith(("tests/", "bench/"))
    project, system = PROJECT.match(line), SYSTEM.match(line)
    if project:
        header = project.group(1)
        if "/" not in header or header.startswith("."):
            return f'"{header}": include paths start at the root of the repo'
        if not header.startswith(allowed(name)):
            return f"\"{header}\": this folder may include {', '.join(allowed(name))} only"
        if not free and header.startswith(("tests/", "bench/")):
            return f'"{header}": nothing includes tests or bench'
        if name.startswith("control/") and header.startswith("dataplane/") and "/client/" not in header:
            return f'"{header}": control knows the data plane through the shared region only'
    elif system and not free:
        for pattern, places in WAIST.items():
            if re.fullmatch(pattern, system.group(1)) and not name.startswith(places):
                return f"<{system.group(1)}>: only in {', '.join(places)}"
    return None


def problems(root):
    for path in sorted(root.rglob("*.[ch]")):
        name = path.relative_to(root).as_posix()
        if any(name.startswith(p) for p in MAY):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                problem = line_problem(name, line)
                if problem:
                    yield f"{name}:{number}: {problem}"


def self_test():
    planted = {
        "engine/a.c": '#include "dataplane/loop.h"\n',
        "engine/base/b.h": '#include "engine/engine.h"\n',
        "dataplane/c.c": '#include "persist/journal.h"\n',
        "persist/d.c": '#include "dataplane/port.h"\n',
        "dataplane/e.c": "#include <rte_mbuf.h>\n",
        "persist/f.c": "#include <liburing.h>\n",
        "control/g.c": '#include "tests/unit/x.h"\n',
    }
    with tempfile.TemporaryDirectory() as scratch:
        for name, text in planted.items():
            path = Path(scratch) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        found = {text.split(":")[0] for text in problems(Path(scratch))}
    return sorted(set(planted) - found)


def main():
    missed = self_test()
    for name in missed:
        print(f"self-test: the bad include planted in {name} was not found")
    bad = list(problems(ROOT))
    print("\n".join(bad))
    return 1 if bad or missed else 0


if __name__ == "__main__":
    sys.exit(main())
