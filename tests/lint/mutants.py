#!/usr/bin/env python3
"""Every patch of a mutant applies to the source as it is: a rule whose mutant is gone is a rule that nobody watches."""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def applies(root, patch):
    # without the ceiling git would skip the paths in silence when root is a folder of a checkout
    env = dict(os.environ, GIT_CEILING_DIRECTORIES=str(root.parent))
    return subprocess.run(["git", "apply", "--check", "-p1", str(patch)], cwd=root, env=env, capture_output=True, text=True, check=False)


def problems(root):
    patches = sorted(root.glob("tests/*/mutants/*"))
    if not patches:
        yield "no patch in tests/*/mutants"
    for patch in patches:
        checked = applies(root, patch)
        if patch.suffix != ".patch" or checked.returncode != 0:
            yield f"{patch.relative_to(root)}: {checked.stderr.strip() or 'not a .patch'}"


def self_test():
    """A patch that applies passes, one that does not is found."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        folder = root / "tests/x/mutants"
        folder.mkdir(parents=True)
        (root / "a.c").write_text("one\ntwo\n")
        diff = "Breaks: a rule\n\ndiff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1,2 +1,2 @@\n one\n-{}\n+three\n"
        (folder / "fine.patch").write_text(diff.format("two"))
        (folder / "stale.patch").write_text(diff.format("four"))
        return [line.split(":")[0] for line in problems(root)] == ["tests/x/mutants/stale.patch"]


def main():
    if not self_test():
        print("self-test: a stale patch was not found, or a good one was")
        return 1
    bad = list(problems(ROOT))
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
