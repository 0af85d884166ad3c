#!/usr/bin/env python3
"""The engine and the reference say the same, byte for byte, in every corner of the rules; and a burst changes nothing."""
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DIFF = Path(os.environ.get("WCX_BUILD", ROOT / "build")) / "bin" / "wcx-diff"
SANITIZED = ROOT / "build" / "address-undefined" / "bin" / "wcx-diff"
SEEDS = "1..32"  # every profile twice
OPS = "15000"
BY_NAME = [("entitled", "1..8")]  # profiles that have no turn: a new one there would change every seed's flow
# Names the schema has and no rule uses.
NEVER_REJECTED = {"Other", "InvalidInvestorID", "RateLimit", "EngineOverload", "StaleRequest"}
NEVER_CANCELED = {"TradingHalt", "Supervisory", "InstrumentInactive", "RiskLimit", "ReduceOnly"}
NEVER_CANCEL_REJECTED = {"TooLateToCancel", "AlreadyPending", "QtyBelowExecuted", "RateLimit", "Other"}
points = []


def point(ok, name, detail=""):
    points.append(ok)
    print(f"{'ok' if ok else 'not ok'} {len(points)} - {name}", flush=True)
    if not ok and detail:
        print("\n".join("# " + line for line in detail.splitlines()[-60:]), flush=True)


def run(binary, *args):
    """Result of --json, or None, and everything that was said."""
    done = subprocess.run([str(binary), "--json", *args], capture_output=True, text=True, check=False, timeout=300)
    try:
        result = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        result = None
    if done.returncode != 0 or result is None or result["differences"] != 0:
        return None, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return result, done.stdout + done.stderr


def unreached(counts, never):
    return sorted(name for name, count in counts.items() if count == 0 and name not in never)


def main():
    plain, said = run(DIFF, "--seeds", SEEDS, "--ops", OPS)
    point(plain is not None and plain["commands"] > 400000, f"seeds {SEEDS}: no difference in any message, book, session or digest", said)
    if plain is not None:
        print(f"# {plain['commands']} commands, {plain['messages']} messages, {plain['commands_per_s']} commands/s")
        missing = unreached(plain["rejected"], NEVER_REJECTED) + unreached(plain["canceled"], NEVER_CANCELED) + unreached(plain["cancel_rejected"], NEVER_CANCEL_REJECTED)
        point(not missing, "every reason that a rule gives was reached", f"not reached: {missing}")
    burst, said = run(DIFF, "--seeds", SEEDS, "--ops", OPS, "--burst", "32")
    same = plain is not None and burst is not None and all(plain[key] == burst[key] for key in ("commands", "messages", "digest", "state_digest"))
    point(same, "prefetching in bursts of 32 leaves every output and state as it was", said)
    saved, said = run(DIFF, "--seeds", SEEDS, "--ops", OPS, "--snapshot-every", "97")
    same = plain is not None and saved is not None and all(plain[key] == saved[key] for key in ("commands", "messages", "digest", "state_digest"))
    point(same, "an engine that is replaced by its snapshot every 97 commands leaves every output and state as it was", said)
    for profile, seeds in BY_NAME:
        args = ("--profile", profile, "--seeds", seeds, "--ops", OPS)
        runs = [run(DIFF, *args, *more) for more in ((), ("--burst", "32"), ("--snapshot-every", "97"))]
        same = all(result is not None and result["digest"] == runs[0][0]["digest"] and result["state_digest"] == runs[0][0]["state_digest"] for result, _ in runs)
        point(same, f"profile {profile}, seeds {seeds}: no difference, in bursts and through snapshots neither", "\n".join(said for _, said in runs))
        if same and profile == "entitled":
            told = (runs[0][0]["rejected"]["SessionNotEntitled"], runs[0][0]["cancel_rejected"]["NotEntitled"])
            point(told[0] > 5000 and told[1] > 200, f"{told[0]} orders and {told[1]} replaces were refused by an entitlement", runs[0][1])
    lines = (["--ops", "x"], ["--seeds", "5..1"], ["--profile", "nobody"], ["--jobs", "0"], ["more"], ["--nothing"])
    dones = [subprocess.run([DIFF, *line], capture_output=True, text=True, check=False, timeout=60) for line in lines]
    point(all(done.returncode == 2 and done.stderr and not done.stdout for done in dones), "a wrong command line is no difference", "".join(done.stderr for done in dones))
    if SANITIZED.exists():
        clean, said = run(SANITIZED, "--seeds", "33..48", "--ops", "4000")
        point(clean is not None, "seeds 33..48 under AddressSanitizer and UndefinedBehaviorSanitizer", said)
    print(f"1..{len(points)}")
    return 0 if all(points) else 1


if __name__ == "__main__":
    sys.exit(main())
