#!/usr/bin/env python3
"""The five-minute start of a new member's developer (dataplane/client/QUICKSTART.md) does what it says: its commands, taken from the page, compile and trade."""
import re
import subprocess

from wcxlib import ROOT, Appliance, Tap, require

PAGE = ROOT / "dataplane" / "client" / "QUICKSTART.md"
SAMPLE = ROOT / "dataplane" / "client" / "sample.c"


def main():
    require("gcc")
    tap = Tap()
    commands = re.findall(r"^    (\S.*)$", PAGE.read_text(), re.M)
    lines = SAMPLE.read_text().splitlines()
    tap.ok(len(lines) <= 80 and f"{len(lines)} lines" in PAGE.read_text(), "the sample is complete in at most 80 lines", len(lines))
    compiles = [command for command in commands if command.startswith("gcc ")]
    done = subprocess.run(f"{compiles[0]} -Wall -Wextra -Werror", shell=True, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    tap.ok(len(compiles) == 1 and done.returncode == 0, "the command of the page compiles it", done.stdout.decode(errors="replace"))
    runs = [command.split("wcx-mm ", 1)[1] for command in commands if re.search(r"wcx-mm build/my_maker", command)]
    tap.ok(runs == ["build/my_maker", "build/my_maker tcp"], "the page runs it over UDP and over TCP", runs)
    with Appliance("quickstart") as app:
        for run in runs:
            done = subprocess.run(app.command(*run.split()), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
            text = done.stdout.decode(errors="replace")
            tap.ok(done.returncode == 0 and len(re.findall(r"traded 5000 at 5000000", text)) == 2, f"{run}: both ends of the trade are told, status 0", text)
        shown = app.wcxctl("book", "show", "--security", 1)[0]["Book"]
        tap.ok(shown["Bids"] == [] and shown["Asks"] == [], "it leaves no order behind", shown)
        for tool in {command.split()[0] for command in commands if command.startswith("build/bin/")}:
            tap.ok((ROOT / tool).exists(), f"{tool} of the page exists")
    tap.done()


if __name__ == "__main__":
    main()
