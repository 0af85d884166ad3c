#!/usr/bin/env python3
"""The engine builds and passes its tests where gcc, make and libc are all there is: `make alone` in a root of its own, without a network. Prints TAP.

The root holds the files of a few Debian packages: gcc with its assembler and linker, make, the headers of libc and of the kernel, and four that every Debian has (bash,
coreutils, grep, sed, findutils), with the shared libraries that those programs load. No C++, clang, Python, Perl, pkg-config, git; no library but libc to build against.
What the tests use of cmocka is tests/alone/cmocka.h.

Bugs planted in the copy must then fail the build: headers of cmocka and OpenSSL in engine/, Python in its build. Needs root, or user namespaces.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("WCX_BUILD", "build")
SOURCES = ["Makefile", "engine", "tests/alone", "tests/diff", "tests/golden", "tests/property", "tests/unit"]
ESSENTIAL = ["bash", "coreutils", "grep", "sed", "findutils"]
LEFT_OUT = re.compile(r"^/usr/(share|lib/debug)/|^/etc/|/(lto1|lib[a-z]*san[_a-z]*\.[a-z.0-9]+)$")
STRANGERS = ["g++", "c++", "clang", "python3", "perl", "pkg-config", "git", "cmake", "curl"]
HEADERS = ["cmocka.h", "openssl/evp.h", "jansson.h", "rte_mbuf.h", "liburing.h", "seccomp.h", "zlib.h"]
points = []


def point(ok, name, detail=""):
    points.append(ok)
    print(f"{'ok' if ok else 'not ok'} {len(points)} - {name}", flush=True)
    if not ok:
        print("\n".join("# " + line for line in detail.splitlines()[-60:]), flush=True)
    return ok


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def packages():
    version = output("gcc", "-dumpversion").strip().split(".")[0]
    return ["gcc", f"gcc-{version}", f"cpp-{version}", f"libgcc-{version}-dev", "binutils", "binutils-" + output("uname", "-m").strip().replace("_", "-") + "-linux-gnu", "libgcc-s1", "libc6", "libc6-dev",
            "linux-libc-dev", "make", *ESSENTIAL]


def place(root, path):
    """Where a file belongs below a root in which /bin and /lib are those of /usr."""
    return root / ("usr" + path if re.match(r"/(bin|sbin|lib|lib64)/", path) else path[1:])


def put(root, path):
    target = place(root, path)
    if not os.path.lexists(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target, follow_symlinks=False)


def loaded_by(programs):
    """Shared libraries, the loader among them, with what their names are links to."""
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    for path in set(re.findall(r"(/[^\s:]+) \(0x", said)):
        yield path
        yield os.path.realpath(path)


def make_root(root):
    for folder in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / folder).mkdir(parents=True)
        (root / folder).symlink_to(f"usr/{folder}")
    for folder in ("dev/shm", "proc", "tmp", "wcx"):
        (root / folder).mkdir(parents=True)
    (root / "dev" / "null").touch()
    files = [path for package in packages() for path in output("dpkg", "-L", package).splitlines() if not LEFT_OUT.search(path) and (os.path.islink(path) or os.path.isfile(path))]
    for path in files:
        put(root, path)
    (root / "usr/bin/cc").symlink_to("gcc")  # an alternative: of no package
    for path in loaded_by([path for path in files if os.access(path, os.X_OK) and not os.path.islink(path)]):
        put(root, path)


def copy_sources(tree):
    names = output("git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", *SOURCES).splitlines()
    for name in names:
        if (ROOT / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)


def run(root, command):
    """In the root: exit status, and all that was said."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    inside = 'mount -t proc proc "$0/proc" && exec chroot "$0" /usr/bin/env -i PATH=/usr/bin LC_ALL=C bash -c "cd /wcx && $1"'
    done = subprocess.run(["unshare", *user, "--net", "--mount", "--pid", "--fork", "bash", "-c", inside, str(root), command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", stdin=subprocess.DEVNULL, check=False)
    return done.returncode, done.stdout


def check_plants(root):
    """What a plant is, its file, the text put behind that, and what the build that went well before must then say."""
    plants = [("a header of cmocka in engine/", "engine/reject.c", "#include <cmocka.h>\n", "cmocka.h: No such file"),
              ("a header of OpenSSL in engine/", "engine/reject.c", "#include <openssl/evp.h>\n", "openssl/evp.h: No such file"),
              ("a C++ source in the engine", "Makefile", "\n$(BIN)/wcx-play: made.o\nmade.o:\n\techo >made.cpp\n\t$(CXX) -c -o $@ made.cpp\n", "g++: "),
              ("Python in the build of the engine", "Makefile", "\n$(OBJ)/engine/reject.o: FORCE_PYTHON\nFORCE_PYTHON: FORCE\n\tpython3 engine/sbe_gen.py\n", "python3: "),
              ("another library below the engine", "Makefile", "\nLD_wcx-play := -lcrypto\n$(BIN)/wcx-play: FORCE\n", "cannot find -lcrypto")]
    build = "make ALONE=1 build/alone/bin/wcx-play"
    for what, name, text, complaint in plants:
        path = root / "wcx" / name
        before = path.read_text()
        path.write_text(before + text)
        status, said = run(root, build)
        path.write_text(before)
        point(status != 0 and complaint in said, f"{what} fails the build", said)
    status, said = run(root, build)
    point(status == 0, "without them it goes on", said)


def main():
    with tempfile.TemporaryDirectory(prefix="alone-", dir=BUILD) as scratch:
        root = Path(scratch)
        make_root(root)
        copy_sources(root / "wcx")
        found = [name for name in STRANGERS if (root / "usr/bin" / name).exists()] + [name for name in HEADERS if list((root / "usr/include").glob(name)) or list((root / "usr/include").glob("*-linux-gnu/" + name))]
        point(not found, "nothing is there but gcc, make, libc and what every Debian has", f"{found}")
        status, said = run(root, "make JOBS=2 alone")
        for line in said.splitlines():
            if match := re.fullmatch(r"(not )?ok \d+ - (.*)", line):
                point(match.group(1) is None, match.group(2), said)
        point(status == 0 and "warning:" not in said and len(points) > 30, "the engine is built and all of its tests are run", said)
        check_plants(root)
    print(f"1..{len(points)}")
    return 0 if all(points) else 1


if __name__ == "__main__":
    sys.exit(main())
