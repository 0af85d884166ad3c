"""Patches that break one rule each, applied to a copy of the source whose objects are reused: what the mutant tests share.

A patch is `git apply -p1` text. What stands above its first `diff --git` line is said about it: `Key: value` lines.
"""
import functools
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TURNS = 8  # commits until every patch was tried; a part is what `make test` has the time for
BUILD = Path(os.environ.get("WCX_BUILD", ROOT / "build"))


@functools.cache
def tracked(sources):
    return subprocess.run(["git", "ls-files", "Makefile", *sources], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def renew(source, target):
    """Copy unless it is there already: size and time are kept, and tell."""
    there = target.stat() if target.exists() else None
    here = source.stat()
    if there is None or (there.st_mtime_ns, there.st_size) != (here.st_mtime_ns, here.st_size):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def copy_tree(place, sources, built):
    """The tracked sources and what the last build made of them, times kept, so that make compiles what a patch touches and nothing else.

    Called again it undoes a patch and brings the objects of before back.
    """
    for name in tracked(tuple(sources)):
        renew(ROOT / name, place / name)
    for pattern in built:
        for source in BUILD.glob(pattern):
            if source.is_file() and not source.name.startswith("port_dpdk"):
                renew(source, place / "build" / source.relative_to(BUILD))


def apply(place, patch, *flags):
    # inside the checkout git would take the paths for the checkout's own and skip them in silence
    env = dict(os.environ, GIT_CEILING_DIRECTORIES=str(place.parent))
    return subprocess.run(["git", "apply", "-p1", *flags, str(patch)], cwd=place, env=env, capture_output=True, text=True, check=False)


def make(place, program):
    """A program below build/, or by its bare name one of build/bin. Of what is compiled anew nobody asks for speed."""
    target = program if "/" in program else f"bin/{program}"
    return subprocess.run(["make", f"build/{target}", "OPT=-O1"], cwd=place, capture_output=True, text=True, check=False)


def header(patch):
    """The `Key: value` lines above the diff."""
    above = patch.read_text().split("diff --git ", 1)[0]
    return dict(line.split(": ", 1) for line in above.splitlines() if ": " in line)


def chosen(patches, words):
    """Those whose names hold one of the words. Without words all of them when WCX_MUTANTS=all, as `make mutants` says; else one of TURNS parts, the others with the next commits."""
    if words:
        return [patch for patch in patches if any(word in patch.stem for word in words)]
    if os.environ.get("WCX_MUTANTS") == "all":
        return patches
    commits = subprocess.run(["git", "rev-list", "--count", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    turn = patches[int(commits) % TURNS::TURNS]
    print(f"# {len(turn)} of {len(patches)} patches have their turn with this commit, the others with the next {TURNS - 1}; make mutants runs all", flush=True)
    return turn
