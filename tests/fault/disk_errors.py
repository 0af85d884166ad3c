#!/usr/bin/env python3
"""EIO on the n-th write or the n-th flush of the guest's disk, or on a write of its file system's own journal (QEMU's blkdebug): the worker stops releasing, ends, and
its successor tells the truth.

A flush that fails has flushed nothing, and what it should have covered may be gone with the next power cut, which comes soon: at once, or after the
worker has been started again. A file system whose journal has failed keeps names in memory that are not on the disk, and Debian 12's kernel answers its syncs with success. The next boot, without errors, walks what is left: 0 lost, 0 phantom, and the worker must recover and release again.

  python3 tests/fault/disk_errors.py --errors 12
  python3 tests/fault/disk_errors.py --hours 8

The last line is JSON. --seed repeats the choices, not the moments of the guest.
"""
import json
import random
import subprocess
import sys
import time

import campaign
import guest
import host
from lives import Lives
from volatile_disk import VolatileDisk

BOOT_S = 300
HIT_S = 6       # for the n-th write to come
AFTER_S = 2.0
DISK_ERRORS = 6  # then a new disk: journals are walked whole
IMAGE_MIB = 64
NTH_MAX = 250
EVENTS = {"write": "pwritev", "flush": "flush_to_disk", "journal": "pwritev"}
BLOCK_SECTORS = 8  # of the file system
JOURNAL_INODE = 8
JOURNAL_NTH_MAX = 120  # it is written from its beginning after each mount
LOG = "errors.log"


def journal_sectors(image):
    """First sectors of the blocks of an image's file system journal, in order."""
    done = subprocess.run(["debugfs", "-R", f"blocks <{JOURNAL_INODE}>", str(image)], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return [int(block) * BLOCK_SECTORS for block in done.stdout.split()]


def rules(kind, nth, sectors):
    """What blkdebug does: the nth request of that kind fails, once; of the journal whatever is written first from its nth block on."""
    error = {"event": EVENTS[kind], "errno": 5, "once": True, "immediately": False}
    if kind == "journal":
        return {"inject-error": [dict(error, iotype="write", sector=sector) for sector in sectors[nth:]]}
    return {"inject-error": [dict(error, iotype=kind, state=nth)],
            "set-state": [{"event": EVENTS[kind], "state": i, "new_state": i + 1} for i in range(1, nth + 1)]}


def nodes(disk, kind=None, nth=0, sectors=()):
    """Values of -blockdev: the volatile disk, and between it and the guest a driver that fails a request."""
    base = {"driver": "nbd", "node-name": "base", "server": {"type": "unix", "path": disk.path}, "cache": {"direct": True, "no-flush": False}}
    if kind is None:
        return [json.dumps(dict(base, **{"node-name": "disk"}))]
    faulty = dict({"driver": "blkdebug", "node-name": "faulty", "image": "base"}, **rules(kind, nth, sectors))
    return [json.dumps(base), json.dumps(faulty), json.dumps({"driver": "raw", "node-name": "disk", "file": "faulty"})]


def hit():
    """Whether the guest's kernel has seen an error of its disk."""
    return "I/O error, dev vda" in (guest.PLACE / LOG).read_text(errors="replace")


def one_error(disk, sectors, initramfs, seed, life, lives, dice, counts):
    """A boot with an error, a power cut, a boot without. Returns problems."""
    kind = dice.choice(tuple(EVENTS))
    nth = 1 + dice.randrange(JOURNAL_NTH_MAX if kind == "journal" else NTH_MAX)
    machine = guest.Machine(initramfs, nodes(disk, kind, nth, sectors), seed, life, log=LOG)
    ended, begun, at = False, False, None
    deadline = time.monotonic() + BOOT_S
    while time.monotonic() < deadline:
        line = machine.next_line(0.05)
        if line is not None:
            begun |= line.startswith("life ")
            if begun and at is None and line.startswith("life "):
                deadline = time.monotonic() + HIT_S
            ended |= line.startswith("worker ended") and line != "worker ended 0"
            lives.hear(line) if line.split()[:1] in (["life"], ["r"]) else None
        if at is None and hit():
            at = "under load" if begun else "before"
            deadline = time.monotonic() + dice.random() * AFTER_S
    for line in machine.kill():
        ended |= line.startswith("worker ended") and line != "worker ended 0"
        lives.hear(line) if line.split()[:1] in (["life"], ["r"]) else None
    disk.power_cut(dice, whole=kind == "journal")  # whose superblock is torn besides is mounted by nobody
    counts[f"{kind}_errors"] += at is not None
    counts["under_load"] += at == "under load"
    counts["worker_ended"] += ended
    problems = list(lives.problems)
    machine = guest.Machine(initramfs, nodes(disk), seed, life + 1, log="after.log")
    said = machine.lines_until(lambda line: line == "checked", BOOT_S)
    if said[-1] is None:
        problems.append(f"bad: {kind} {nth}: the next boot does not come as far as the check: {said[-4:]}")
    else:
        problems += [f"{problem} ({kind} {nth})" for problem in lives.check(said)]
        said = machine.lines_until(lambda line: line.startswith("life "), BOOT_S)
        for line in said[:-1] + [said[-1] or f"bad: {kind} {nth}: the worker does not start on the disk an error has left: {said[-4:]}"]:
            lives.hear(line)
        before = lives.released
        for line in machine.lines_until(lambda line: line.startswith("r ") and int(line.split()[1]) > before, BOOT_S):
            lives.hear(line or "bad: nothing is released after an error of the disk")
    for line in machine.kill():
        lives.hear(line)
    disk.power_cut(dice)
    return problems + lives.problems


def one_disk(seed, errors, until, _):
    dice = random.Random(seed)
    counts = {"errors": 0, "write_errors": 0, "flush_errors": 0, "journal_errors": 0, "under_load": 0, "worker_ended": 0, "released": 0}
    initramfs = guest.make_initramfs()
    problems, lives = [], Lives()
    with host.scratch() as place:
        image = guest.make_image(place / "disk.img", IMAGE_MIB)
        sectors = journal_sectors(image)
        disk = VolatileDisk(image.read_bytes(), str(place / "disk.sock"))
        while counts["errors"] < errors and not problems and time.monotonic() < until:
            problems = one_error(disk, sectors, initramfs, seed, 1 + 2 * counts["errors"], lives, dice, counts)
            counts["errors"] += 1
        counts["released"] = lives.released
        disk.close()
    return counts, problems


def most_reach_the_guest(total, hours):
    return [(hours or 2 * (total["write_errors"] + total["flush_errors"] + total["journal_errors"]) > total["errors"], "most errors have reached the guest")]


CAMPAIGN = campaign.Campaign(fault="disk_errors", counted="errors", title="errors of the disk", cnt=12, one_disk=one_disk, disk_max=DISK_ERRORS,
                             says=lambda total: f"{total['errors']} boots with an error of the disk", also=most_reach_the_guest)

if __name__ == "__main__":
    sys.exit(campaign.main(CAMPAIGN, __doc__, guest.missing()))
