"""An appliance of its own, at D0 or D1, with as many sessions as a measurement wants: configuration and secrets are made for the run and go with it."""
import os
import re
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from wcxlib import Appliance  # noqa: E402  (its folder had to be named first)

SESSIONS_MAX = 1024


def write_config(folder, sessions, **values):
    """configs/wcx.yaml with sessions 1..n and their accounts instead of the development ones, and other values of some keys. Returns (configuration, secrets file)."""
    if not 1 <= sessions <= SESSIONS_MAX:
        sys.exit(f"{sessions} sessions: a configuration holds 1 to {SESSIONS_MAX}")
    text = (ROOT / "configs" / "wcx.yaml").read_text(encoding="utf-8").split("\naccounts:\n")[0]
    for key, value in {"secrets_file": "secrets.yaml", "operators_file": ROOT / "configs/development/operators.yaml", "sessions_max": SESSIONS_MAX, "accounts_max": SESSIONS_MAX, "retain_session_msgs": 4096, **values}.items():
        text, found = re.subn(rf"(?m)^(\s*{key}:) \S+", rf"\1 {value}", text)
        if found != 1:
            sys.exit(f"configs/wcx.yaml: {found} keys {key}, wanted one: bench/wire/stage.py changes it")
    rates = "throttle_per_s: 1000000, throttle_burst: 10000, cancel_per_s: 1000000, cancel_burst: 10000"
    accounts = [f"  - {{account: {n}, credit: Unlimited, status: Active, self_match_prevention_id: 0, firm: {n}}}" for n in range(1, sessions + 1)]
    lines = [f"  - {{session: {n}, account: {n}, shard: 1, access_key_ids: [BENCH-{n}], {rates}, drop_copy: session, ord_types: [], instrument_groups: []}}" for n in range(1, sessions + 1)]
    config, keys = Path(folder) / "wcx.yaml", Path(folder) / "secrets.yaml"
    config.write_text("\n".join([text, "accounts:", *accounts, "sessions:", *lines, ""]), encoding="utf-8")
    with open(os.open(keys, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.writelines(f"BENCH-{n}: {secrets.token_hex(16)}\n" for n in range(1, sessions + 1))
    return config, keys


class Stage:
    """A context: the appliance runs inside, at D1 when it is to be durable, with so many huge pages set aside when they are named. Its poll loop has CPU `poll_cpu`, the
    measuring program may take `cpu`. Its port is one end of a veth, or of a memif: self.memif is what a client calls the other end."""

    def __init__(self, name, sessions, durable=False, hugepages=None, memif=False, **values):
        self.folder = tempfile.TemporaryDirectory(prefix="wcx-bench-")
        config, self.secrets = write_config(self.folder.name, sessions, **values)
        unsafe = {} if durable else {"WCX_UNSAFE": "1"}
        changed = [] if durable else ["durability.level=D0"]
        self.memif = f"memif:client:{self.folder.name}/wire" if memif else None
        if memif:
            changed += ["network.port_kind=memif", f"network.device=server:{self.folder.name}/wire"]
        memory = {} if hugepages is None else {"WCX_HUGEPAGES": str(hugepages)}
        self.appliance = Appliance(name, WCX_CONFIG=str(config), WCX_PROBE="0", WCX_SET=" ".join(changed), **unsafe, **memory)

    def __enter__(self):
        try:
            self.appliance.__enter__()
        except BaseException:
            self.folder.cleanup()
            raise
        self.poll_cpu = int(re.findall(r"shards\.lcore=(\d+)", (self.appliance.run / "environment").read_text(encoding="utf-8"))[-1])
        self.cpu = 1 if self.poll_cpu == 0 else 0
        return self

    def __exit__(self, *_):
        self.appliance.down()
        self.folder.cleanup()

    def mac(self):
        """Of the appliance's interface."""
        line = subprocess.run(["nsenter", f"--net=/run/netns/{self.appliance.netns}", "ip", "-br", "link", "show", "dev", self.appliance.dp_if], stdout=subprocess.PIPE, text=True, check=True)
        return line.stdout.split()[2]

    def run(self, program, *args):
        """Run a program of build/bin among the clients. Returns (exit status, its standard output)."""
        command = self.appliance.command(ROOT / "build" / "bin" / program, "--secrets", self.secrets, "--interface", self.appliance.client_if, "--cpu", self.cpu, *args)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False, timeout=600)
        return done.returncode, done.stdout
