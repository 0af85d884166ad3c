#!/usr/bin/env python3
"""wcx-rtt over loopback: the TCP echo and its server measure, their figures hang together, what cannot be measured is refused. Prints TAP."""
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RTT = Path(os.environ.get("WCX_BUILD", ROOT / "build")) / "bin" / "wcx-rtt"


def run(*args):
    return subprocess.run([RTT, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=60)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return str(sock.getsockname()[1])


def await_listener(port):
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", int(port))).close()
            return True
        except ConnectionRefusedError:
            time.sleep(0.05)
    return False


def echo():
    """Every round trip is counted, percentiles rise, and a server serves one client after the other."""
    port = free_port()
    server = subprocess.Popen([RTT, "tcp-echo-server", "--server", "127.0.0.1", "--port", port])
    try:
        if not await_listener(port):
            return False
        dones = [run("tcp-echo", "--server", "127.0.0.1", "--port", port, "--count", "300", "--sleep") for _ in range(2)]
    finally:
        server.kill()
        server.wait()
    if any(done.returncode != 0 for done in dones):
        return False
    told = [json.loads(done.stdout) for done in dones]
    return all(t["mode"] == "tcp-echo" and t["count"] == 300 and t["lost"] == 0 and 0 < t["min_us"] <= t["p50_us"] <= t["p99_us"] <= t["p999_us"] for t in told)


def stranger():
    """Who answers more than was asked is not measured."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def answer():
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(bytes(1000))
                peer.recv(4096)
        thread = threading.Thread(target=answer)
        thread.start()
        done = run("tcp-echo", "--server", "127.0.0.1", "--port", str(listener.getsockname()[1]), "--count", "3", "--sleep")
        thread.join()
    return done.returncode != 0 and "answers more than was asked" in done.stderr and not done.stdout


def wrong():
    """A port where nobody listens, an address that is not here, command lines that say nothing."""
    nobody = run("tcp-echo", "--server", "127.0.0.1", "--port", free_port(), "--count", "1")
    lines = (["order", "--transport", "carrier"], ["tcp-echo", "--count", "0"], ["tcp-echo-server", "--server", "192.0.2.1", "--port", free_port()], ["nothing"], [])
    return "nothing echoes over TCP" in nobody.stderr and all(done.returncode != 0 and done.stderr and not done.stdout for done in (nobody, *(run(*line) for line in lines)))


def main():
    tests = [echo, stranger, wrong]
    print(f"1..{len(tests)}")
    failed = 0
    for number, test in enumerate(tests, 1):
        good = test()
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {test.__doc__.splitlines()[0] if test.__doc__ else test.__name__}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
