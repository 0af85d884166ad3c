#!/usr/bin/env python3
"""The committed C of the schema is what the generator makes of the XML today."""
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

if __name__ == "__main__":
    sys.exit(subprocess.run([sys.executable, str(ROOT / "engine" / "sbe_gen.py"), "--check"], check=False).returncode)
