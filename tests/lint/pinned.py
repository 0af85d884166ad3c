#!/usr/bin/env python3
"""What the headers and the pages point at exists.

Every header opens with a contract comment. Every path in its 'Pinned by' line names a file (or a pattern that matches one); so does every path in
the tables of the READMEs, and every link of a page, the heading behind its `#` included. Every header and source beside a README with a table of files is named in that table, by one of
its suffixes.
"""
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("engine", "dataplane", "persist", "control", "bench", "tests", "configs", "hsm", "k8s-sriov")
PARTS = ("protocol_rules.md",)  # of a page that is made of it: its links are that page's
CODE = (".c", ".h", ".def", ".py", ".sh", ".xml")


def pinned_paths(comment):
    """Paths of the 'Pinned by' line and of the lines that continue it."""
    found = re.search(r"Pinned by:(.*)", comment, re.S)
    return re.findall(r"(?:tests|engine|dataplane|persist|control|bench)/[\w./*-]*[\w/*]", found.group(1)) if found else []


def header_problems(root):
    for path in sorted(p for folder in FOLDERS for p in (root / folder).rglob("*.h")):
        text = path.read_text()
        name = path.relative_to(root)
        if not text.startswith("/*"):
            yield f"{name}: does not open with a contract comment"
            continue
        for pinned in pinned_paths(text[:text.index("*/")]):
            if not list(root.glob(pinned.rstrip("/"))):
                yield f"{name}: is pinned by {pinned}, which does not exist"


def table_patterns(text):
    """What stands in backquotes in the first column of the tables: a path beside the README, or a pattern."""
    for line in text.splitlines():
        if line.startswith("|"):
            yield from re.findall(r"`([\w./*-]+)`", line.split("|")[1])


def anchors(text):
    """What links to the headings of a page are called: small letters, blanks as hyphens, no other signs."""
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", text, re.M)}


def link_problems(root):
    for path in sorted([root / "README.md", *(p for folder in FOLDERS for p in (root / folder).rglob("*.md") if p.name not in PARTS)]):
        for link in re.findall(r"\]\(([^):]+)\)", path.read_text()):
            target, _, anchor = link.partition("#")
            page = path.parent / target if target else path
            if not page.exists():
                yield f"{path.relative_to(root)}: links {link}, which does not exist"
            elif anchor and anchor not in anchors(page.read_text()):
                yield f"{path.relative_to(root)}: links {link}, and there is no such heading"


def readme_problems(root):
    for path in sorted([root / "README.md", *(p for folder in FOLDERS for p in (root / folder).rglob("README.md"))]):
        text, name, folder = path.read_text(), path.relative_to(root), path.parent
        patterns = [p for p in table_patterns(text) if "/" in p or "." in p or "*" in p]
        for pattern in patterns:
            if not list(folder.glob(pattern.rstrip("/"))):
                yield f"{name}: lists {pattern}, which does not exist"
        if any(p.endswith((".c", ".*", ".h")) for p in patterns):
            listed = {file.stem for pattern in patterns for file in folder.glob(pattern)}
            for file in sorted(p for p in folder.iterdir() if p.suffix in CODE and p.stem not in listed):
                yield f"{name}: does not list {file.name}"


def problems(root):
    yield from header_problems(root)
    yield from link_problems(root)
    yield from readme_problems(root)


def self_test():
    """Each planted fault is found, or this lint says nothing."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        (root / "README.md").write_text("[gone](gone.md) [gone](#gone) [there](#it-is-there)\n\n## It is there\n")
        (root / "engine").mkdir()
        (root / "engine/README.md").write_text("| `absent.*` | x |\n| `there.h` | y |\n")
        (root / "engine/there.h").write_text("/* Fine.\n   Pinned by: tests/unit/test_absent.c. */\n")
        (root / "engine/bare.h").write_text("#pragma once\n")
        return len(list(problems(root))) == 6


def main():
    if not self_test():
        print("self-test: a planted fault was not found")
        return 1
    bad = list(problems(ROOT))
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
