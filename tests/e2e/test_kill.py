#!/usr/bin/env python3
"""kill -9 and SIGSTOP of each process in random order, under load (WCX_KILLS times each, 6; WCX_SEED=n repeats the order): one episode of
tests/fault/kills.py, whose campaigns do hundreds."""
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fault"))
from kills import run_episode  # noqa: E402
from wcxlib import Tap, require  # noqa: E402


def main():
    require()
    tap = Tap()
    kills = int(os.environ.get("WCX_KILLS", "6"))
    seed = int(os.environ.get("WCX_SEED", time.time_ns() % 10**9))
    tap.note(f"WCX_SEED={seed} WCX_KILLS={kills}")
    run_episode(tap, seed, kills, kills)
    tap.done()


if __name__ == "__main__":
    main()
