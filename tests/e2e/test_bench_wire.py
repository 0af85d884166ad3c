#!/usr/bin/env python3
"""bench/wire/crowd.py, flood.py, load.py and rtt.py on small worlds: they measure, their figures hang together, what cannot be measured is refused. No time is asserted."""
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile

from wcxlib import ROOT, Tap, require

sys.path.insert(0, str(ROOT / "bench" / "wire"))
from stage import write_config  # noqa: E402  (its folder had to be named first)

BIN = ROOT / "build" / "bin"


def run(*command):
    return subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=120)


def script(name, *args):
    done = run(sys.executable, ROOT / "bench" / "wire" / name, "--json", *args)
    return done, json.loads(done.stdout) if done.returncode == 0 else [{}]


def near(ratio, over, under):
    return abs(ratio - over / under) < 0.01 + 0.01 * ratio


def configuration(tap):
    with tempfile.TemporaryDirectory() as folder:
        config, keys = write_config(folder, 1000)
        tap.ok(stat.S_IMODE(os.stat(keys).st_mode) == 0o600, "secrets of 1,000 sessions are made with mode 0600")
        done = run(BIN / "wcx-controld", "--config", config, "--check")
        tap.ok(done.returncode == 0, "and the configuration beside them is a sound one", done.stderr)


def crowd(tap):
    done, rounds = script("crowd.py", "--fast", 2, "--slow", 3, "--idle", 5, "--count", 200, "--rounds", 1)
    told = rounds[0]
    tap.ok(done.returncode == 0 and (told["fast"], told["slow"], told["idle"], told["count"]) == (2, 3, 5, 200), "a small crowd is measured", done.stderr)
    if not told:
        return
    tap.ok(told["lost"] == told["refused"] == told["gone"] == told["slow_ended"] == 0, "every order was answered, and everybody was there to the end", told)
    tap.ok(told["slow_unread_min"] > 1000, "what the slow ones were sent lies unread", told)
    tap.ok(all(0 < told[key]["min_us"] <= told[key]["p50_us"] <= told[key]["p99_us"] for key in ("alone", "among")) and
           near(told["p50_ratio"], told["among"]["p50_us"], told["alone"]["p50_us"]) and near(told["p99_ratio"], told["among"]["p99_us"], told["alone"]["p99_us"]), "figures rise and ratios follow from them", told)


def flood(tap):
    done, rounds = script("flood.py", "--rate", 300, "--times", 10, "--seconds", 1, "--rounds", 1)
    told = rounds[0]
    tap.ok(done.returncode == 0 and (told["rate"], told["times"], told["count"]) == (300, 10, 300), "a small flood is measured", done.stderr)
    if not told:
        return
    alone, beside, counted = told["alone"], told["beside"], told["appliance"]
    tap.ok(all(side["lost"] == side["refused"] == 0 for side in (alone, beside)), "no order was lost or refused", told)
    tap.ok(alone["strangers_sent"] == alone["strangers_due"] == 0 and beside["strangers_due"] == 3000 and 0 < beside["strangers_sent"] <= 3000, "strangers came in the second part only", told)
    tap.ok(counted["wcx_rx_frames_total"] >= 900 + beside["strangers_sent"], "and reached the appliance", told)
    tap.ok(counted.get("wcx_establish_credentials_total", 0) > 0, "which judged their Establishes", counted)
    tap.ok(all(0 < side["p50_us"] <= side["p99_us"] <= side["p999_us"] for side in (alone, beside)) and near(told["p999_ratio"], beside["p999_us"], alone["p999_us"]), "figures rise and ratios follow from them", told)


def load(tap):
    """wcx-bench wire against the appliance itself; tests/bench/test_wire.py has everything that needs no root."""
    for sessions, over, options in ((1, "sockets", ["--rate", 2000]), (2, "memif", ["--rate", 2000]), (3, "sockets", ["--rate", 2000, "--transport", "tcp", "--mix", "cross", "--profile", "constant"]),
                                    (1, "sockets", ["--rate", 500, "--sleep", "--profile", "burst"]), (1, "memif", ["--rate", 500, "--sleep"])):
        durable = ["--durable"] if "--sleep" in options else []
        done = run(sys.executable, ROOT / "bench" / "wire" / "load.py", *durable, "--sessions", sessions, "--over", over, "--", "--seconds", 1, "--json", *options)
        told = json.loads(done.stdout or "{}")
        name = f"{told.get('transport')} over {over}, {told.get('profile')}, {'D1' if durable else 'D0'}"
        tap.ok(done.returncode == 0 and told["valid"] and told["answered"] == told["requests"] == options[1] and told["sessions"] == sessions, f"open-loop load is answered whole: {name}", (done.stdout, done.stderr))
        counted = json.loads(done.stderr.strip().splitlines()[-1]) if done.returncode == 0 else {}
        came = counted.get("wcx_rx_tcp_total" if told.get("transport") == "tcp" else "wcx_rx_orders_total", 0)
        tap.ok(options[1] / 4 < came < 2 * options[1], "and came as about as many frames: nothing else was sent beside it", counted)


def replayed(tap):
    """What the run at D1 has left is a journal."""
    with tempfile.TemporaryDirectory() as folder:
        made = run(sys.executable, ROOT / "bench" / "wire" / "journal_flow.py", "--state-dir", ROOT / "build/e2e-load/state", "--out", f"{folder}/day")
        counted = json.loads(made.stdout or "{}")
        tap.ok(made.returncode == 0 and counted["records"] == 600 and not counted["left_out"], "a journal becomes a flow: 500 requests, and 100 that warmed", (made.stdout, made.stderr))
        done = run(sys.executable, ROOT / "bench" / "wire" / "load.py", "--sessions", 2, "--", "--profile", "replay", "--flow", f"{folder}/day.flow", "--due", f"{folder}/day.due", "--times", 2, "--json")
        told = json.loads(done.stdout or "{}")
        tap.ok(done.returncode == 0 and told["answered"] == 600 and abs(told["rate"] - 2 * 600 / counted["seconds"]) < 2, "and is replayed against the appliance, twice as fast", (done.stdout, done.stderr))


def load_events(tap):
    for event, good in ((("--kill", "journal"), True), (("--kill", "controld"), True), (("--snapshot",), True), (("--kill", "dataplane"), False)):
        done = run(sys.executable, ROOT / "bench" / "wire" / "load.py", "--durable", *event, "--at", 1, "--", "--rate", 300, "--seconds", 2, "--json", "--sleep")
        told = json.loads(done.stdout or "{}")
        tap.ok(done.returncode == (0 if good else 1) and told["valid"] == good and (told["answered"] == told["requests"] or not good),
               f"{' '.join(event)} during load: {'every request is answered all the same' if good else 'the run is invalid'}", (done.stdout, done.stderr))


def round_trips(tap):
    parts = ["memif", *(["udp"] if shutil.which("dpdk-testpmd") else [])]
    done = run(sys.executable, ROOT / "bench" / "wire" / "rtt.py", "--json", "--only", ",".join(parts), "--rounds", 1, "--count", 300)
    told = json.loads(done.stdout or "{}")
    wanted = {"memif_echo", "memif_order", *(("testpmd", "port_echo", "order_d0", "order_tcp", "tcp_echo", "gateway") if len(parts) > 1 else ())}
    stages = told.pop("stages_d0", None)
    tap.ok((stages is not None) == (len(parts) > 1), "the stages of the appliance stand beside its round trips", told)
    tap.ok(done.returncode == 0 and set(told) == wanted, f"round trips of {', '.join(parts)} are measured, {len(wanted)} kinds", done.stderr)
    tap.ok(all(row["count"] == 300 and row["lost"] == row["refused"] == 0 and 0 < row["min_us"] <= row["p50_us"] <= row["p99_us"] for rows in told.values() for row in rows),
           "nothing is lost or refused, figures rise", told)
    parts = run(sys.executable, ROOT / "bench" / "wire" / "rtt.py", "--only", "pigeon")
    tap.ok(parts.returncode == 2 and "pigeon" in parts.stderr, "a part that there is not is refused", parts.stderr)


def wrong(tap):
    with tempfile.NamedTemporaryFile("w") as keys:
        keys.write("BENCH-1: x\n")
        keys.flush()
        lines = ((("wcx-crowd",), "--secrets"), (("wcx-crowd", "--secrets", "/nowhere"), "/nowhere"), (("wcx-crowd", "--secrets", keys.name, "--fast", 2, "--slow", 0, "--idle", 0), "holds 1 of"),
                 (("wcx-crowd", "--secrets", keys.name, "--fast", 0), "--fast 0"), (("wcx-flood",), "--secrets"),
                 (("wcx-flood", "--secrets", keys.name, "--mac", "2:3", "--interface", "lo"), "aa:bb"), (("wcx-flood", "--secrets", keys.name, "--mac", "02:00:00:00:00:01", "--interface", "no0"), "no0"),
                 (("wcx-flood", "--rate", "many"), "--rate many"),
                 (("wcx-gateway",), "--secrets"), (("wcx-gateway", "--secrets", keys.name, "--address", "nowhere"), "nowhere"), (("wcx-gateway", "--secrets", keys.name, "--port", 0), "--port 0"),
                 (("wcx-memif-rtt", "order"), "--device"), (("wcx-memif-rtt", "--device", "client:/nowhere/wire", "--count", 0, "echo"), "--count 0"))
        for line, text in lines:
            done = run(BIN / line[0], *line[1:])
            tap.ok(done.returncode != 0 and text in done.stderr and not done.stdout, f"refused: {line[0]} {' '.join(str(part) for part in line[1:] if part != keys.name)}", done.stderr)


def main():
    require("ethtool")
    tap = Tap()
    configuration(tap)
    crowd(tap)
    flood(tap)
    load(tap)
    replayed(tap)
    load_events(tap)
    round_trips(tap)
    wrong(tap)
    tap.done()


if __name__ == "__main__":
    main()
