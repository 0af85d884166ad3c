#!/usr/bin/env python3
"""Power cuts of a guest whose journal worker writes with io_uring and O_DIRECT: 0 lost, 0 phantom.

Each boot walks the journal as it was left, lets wcx-journal recover it, and loads it; at a random moment (also while it boots and recovers, mostly between a write and
its flush) QEMU is killed and the disk forgets what no flush had covered (volatile_disk.py). What had come over the serial line as released must be there in the next boot.

  python3 tests/fault/power_cuts.py --cuts 20
  python3 tests/fault/power_cuts.py --hours 8
  python3 tests/fault/power_cuts.py --cuts 10 --liar       a disk that answers flushes and keeps nothing: must be noticed

The last line is JSON.
"""
import random
import sys
import time

import campaign
import guest
import host
from lives import Lives
from volatile_disk import VolatileDisk

BOOT_S = 300
FREEZE_S = 5
DISK_CUTS = 20  # then a new disk: journals are walked whole
IMAGE_MIB = 96


def boot(disk, initramfs, seed, life):
    node = f"driver=nbd,node-name=disk,server.type=unix,server.path={disk.path},cache.direct=on,cache.no-flush=off"
    return guest.Machine(initramfs, [node], seed, life)


def checked(machine, lives, problems):
    """The walk at the start of a boot. False when the power has to go without it."""
    said = machine.lines_until(lambda line: line == "checked", BOOT_S)
    if said[-1] is None:
        problems.append("bad: the guest did not come as far as the check: " + str(said[-4:]))
        return False
    problems += lives.check(said)
    return True


def listen(machine, lives, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        line = machine.next_line(end - time.monotonic())
        if line is not None:
            lives.hear(line)


def one_disk(seed, cuts, until, liar):
    """Up to `cuts` power cuts of one disk and a last boot that only checks. Returns counts and problems."""
    dice = random.Random(seed)
    initramfs = guest.make_initramfs()
    with host.scratch() as place:
        return cuts_of(VolatileDisk(guest.make_image(place / "disk.img", IMAGE_MIB).read_bytes(), str(place / "disk.sock"), liar), initramfs, seed, dice, cuts, until)


def cuts_of(disk, initramfs, seed, dice, cuts, until):
    lives, problems, done = Lives(), [], 0
    while done < cuts and not problems and time.monotonic() < until:
        machine = boot(disk, initramfs, seed, done + 1)
        if checked(machine, lives, problems):
            if dice.random() < 0.2:  # while it recovers
                listen(machine, lives, dice.random() * 0.5)
            else:
                said = machine.lines_until(lambda line: line.startswith("life "), BOOT_S)
                for line in said[:-1] + [said[-1] or "bad: the worker did not start again: " + str(said[-4:])]:
                    lives.hear(line)
                listen(machine, lives, dice.random() * 2.5)
                if dice.random() < 0.8:
                    disk.freeze(1 + dice.randrange(40), FREEZE_S)
        for line in machine.kill():
            lives.hear(line)
        disk.power_cut(dice)
        done += 1
        problems += lives.problems
    if not problems:
        machine = boot(disk, initramfs, seed, 0)
        checked(machine, lives, problems)
        machine.kill()
    disk.close()
    return {"cuts": done, "released": lives.released, "flushes": disk.flushes, "writes_lost": disk.lost, "writes_torn": disk.torn, "writes_kept": disk.kept}, problems


CAMPAIGN = campaign.Campaign(fault="power_cuts", counted="cuts", title="power cuts", cnt=20, one_disk=one_disk, disk_max=DISK_CUTS,
                             says=lambda total: f"{total['cuts']} power cuts, {total['released']} records told as released",
                             liar="the disk lies about flushes", liar_says="a disk that lies about flushes is noticed")

if __name__ == "__main__":
    sys.exit(campaign.main(CAMPAIGN, __doc__, guest.missing()))
