#!/usr/bin/env python3
"""Every header of the project compiles alone, with the project's warnings."""
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FLAGS = "-std=c17 -D_GNU_SOURCE -march=x86-64-v3 -maes -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fsyntax-only".split()
CMOCKA = "-include setjmp.h -include stdarg.h -include stddef.h -include stdint.h".split()  # cmocka.h asks its user for these


def main():
    bad = 0
    for folder in ("engine", "dataplane", "persist", "hsm", "control", "bench", "tests"):
        for path in sorted((ROOT / folder).rglob("*.h")):
            extra = CMOCKA if folder == "tests" else []
            done = subprocess.run(["gcc", *FLAGS, f"-I{ROOT}", *extra, "-x", "c", str(path)], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                bad += 1
                print(f"{path.relative_to(ROOT)} does not compile alone:\n{done.stderr}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
