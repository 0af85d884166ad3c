#!/usr/bin/env python3
"""What is generated from the schema and committed is what its generator makes today."""
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

GENERATORS = ("engine/sbe_gen.py", "dataplane/dissector/lua_gen.py", "dataplane/client/protocol_gen.py")


def main():
    return max(subprocess.run([sys.executable, str(ROOT / generator), "--check"], check=False).returncode for generator in GENERATORS)


if __name__ == "__main__":
    sys.exit(main())
