#!/usr/bin/env python3
"""Crash images: what the disk holds at every flush, with every kind of tear behind it, recovered by the real worker: 0 lost, 0 phantom.

A guest runs under load on a disk whose writes and flushes QEMU's blklogwrites keeps in order. Each flush in that log is a moment at which the power
could have gone: the image is all writes before it, and of the writes up to the next flush each is lost, kept or torn at sectors. The file system is
mounted here, the journal walked and compared with what the guest had told before, then wcx-journal recovers it and goes on, is killed, and all is
compared again.

  python3 tests/fault/crash_images.py --images 1000
  python3 tests/fault/crash_images.py --hours 8
  python3 tests/fault/crash_images.py --images 50 --liar      images that are some flushes older than they say: must be noticed

The last line is JSON. --seed repeats the tears, not the moments of the guest.
"""
import bisect
import copy
import random
import struct
import sys
import time

import campaign
import guest
import host
from lives import Lives
from volatile_disk import tear

BOOT_S = 300
IMAGE_MIB = 48
ROUND_S = (1.5, 4.0)
ROUNDS = 4  # of one disk
LIAR_FLUSHES = 40
LOG_MAGIC, SECTOR = 0x6A736677736872, 512
FLUSH, FUA, DISCARD = 1, 2, 4
RECOVER_S = 120


def read_log(path):
    """Entries of a log of blklogwrites: (offset in the log behind it, flags, offset on the disk, data)."""
    log = path.read_bytes()
    magic, version, _, sector = struct.unpack_from("<QQQI", log)
    if (magic, version, sector) != (LOG_MAGIC, 1, SECTOR):
        raise ValueError(f"not a log of writes: {magic:#x} version {version} sectors of {sector}")
    at, out = SECTOR, []
    while at + SECTOR <= len(log):
        where, cnt, flags, _ = struct.unpack_from("<QQQQ", log, at)
        if where == cnt == flags == 0:
            break  # reserved when the power went, never written
        size = 0 if flags & DISCARD else cnt * SECTOR
        if at + SECTOR + size > len(log):
            break
        out.append((at + SECTOR + size, flags, where * SECTOR, log[at + SECTOR:at + SECTOR + size]))
        at += SECTOR + size
    return out


class Round:
    """One power-on of the guest: the disk at its start, the log, and what had been told at which length of the log."""

    def __init__(self, place, image, initramfs, seed, life, lives, seconds):
        self.start = image.read_bytes()
        self.before = copy.deepcopy(lives)
        self.told = []  # (length of the log, line), in order
        self.problems = []
        log = place / "writes.log"
        log.unlink(missing_ok=True)
        log.touch()
        nodes = [f"driver=file,node-name=base,filename={image}", f"driver=file,node-name=log,filename={log}",
                 f"driver=blklogwrites,node-name=disk,file=base,log=log,log-sector-size={SECTOR}"]
        machine = guest.Machine(initramfs, nodes, seed, life, log="images.log")
        said = machine.lines_until(lambda line: line == "checked", BOOT_S)
        if said[-1] is None:
            self.problems.append("bad: the guest did not come as far as the check: " + str(said[-4:]))
        else:
            self.problems += lives.check(said)
        end = time.monotonic() + BOOT_S
        while time.monotonic() < end and not self.problems:
            line = machine.next_line(min(0.1, end - time.monotonic()))
            if line is None:
                continue
            self._hear(line, log, lives)
            if line.startswith("life "):
                end = time.monotonic() + seconds
        for line in machine.kill():
            self._hear(line, log, lives)
        self.problems += lives.problems
        if not self.told and not self.problems:
            self.problems.append("bad: the worker did not start")
        self.entries = [] if self.problems else read_log(log)
        self.flushes = [i for i, entry in enumerate(self.entries) if entry[1] & FLUSH]

    def _hear(self, line, log, lives):
        """A line counts from the length the log has once it is here: all that it rests on is in it. A life counts from the start: its records may come before its line."""
        self.told.append((0 if line.startswith("life ") else log.stat().st_size, line))
        lives.hear(line)

    def images(self, dice, liar):
        """(Lives that the image must agree with, its bytes, fates) for each flush."""
        durable, done, heard, lives = bytearray(self.start), 0, 0, copy.deepcopy(self.before)
        for i, at in enumerate(self.flushes):
            back = max(0, i - LIAR_FLUSHES) if liar else i
            for _, _, off, data in self.entries[done:self.flushes[back] + 1]:
                durable[off:off + len(data)] = data
            done = self.flushes[back] + 1
            length = self.entries[at][0]
            upto = bisect.bisect_right(self.told, length, key=lambda item: item[0])
            for _, line in self.told[heard:upto]:
                lives.hear(line)
            heard = upto
            behind = self.flushes[i + 1] if i + 1 < len(self.flushes) else len(self.entries)
            image = bytearray(durable)
            pending = [(off, data) for _, flags, off, data in self.entries[at + 1:behind] if data] if not liar else []
            yield lives, image, tear(image, pending, dice)


def judge(place, image_bytes, lives, seed, life):
    """Mount, check, recover, go on, check. Returns problems."""
    image = place / "crash.img"
    image.write_bytes(image_bytes)
    lives = copy.deepcopy(lives)
    with host.mounted(image, place / "state") as state:
        problems = lives.check(host.check(state, seed))
        if problems:
            return problems
        pair = host.Pair(state, place / "region", seed, life)
        before = None
        try:
            if pair.hear(lives, lambda line: line.startswith("life "), RECOVER_S) is None:
                problems.append(f"bad: the worker does not recover: {pair.said()[-2:]}")
            else:
                before = lives.released
                if pair.hear(lives, lambda line: lives.released > before + 10, RECOVER_S) is None:
                    problems.append(f"bad: recovered, but nothing is released: {pair.said()[-2:]}")
        finally:
            pair.kill(lives)
        return problems + lives.problems + lives.check(host.check(state, seed))


def one_disk(seed, images, until, liar):
    """Rounds of one disk until `images` are judged. Returns counts and problems."""
    dice = random.Random(seed)
    counts = {"images": 0, "flushes": 0, "writes": 0, "lost_writes": 0, "kept_writes": 0, "torn_writes": 0, "released": 0}
    initramfs = guest.make_initramfs()
    with host.scratch() as place:
        disk = guest.make_image(place / "disk.img", IMAGE_MIB)
        lives = Lives()
        for life in range(1, ROUNDS + 1):
            recorded = Round(place, disk, initramfs, seed, life, lives, dice.uniform(*ROUND_S))
            if recorded.problems:
                return counts, recorded.problems
            counts["flushes"] += len(recorded.flushes)
            counts["writes"] += len(recorded.entries) - len(recorded.flushes)
            for told, image, fates in recorded.images(dice, liar):
                for fate, cnt in fates.items():
                    counts[fate + "_writes"] += cnt
                counts["images"] += 1
                counts["released"] = told.released
                problems = judge(place, image, told, seed, 1000 + counts["images"])
                if problems:
                    return counts, [f"image {counts['images']}: {problem}" for problem in problems]
                if counts["images"] >= images or time.monotonic() > until:
                    return counts, []
    return counts, []


CAMPAIGN = campaign.Campaign(fault="crash_images", counted="images", title="crash images", cnt=1000, one_disk=one_disk,
                             says=lambda total: f"{total['images']} crash images at every flush, with tears",
                             liar="the images hold less than was flushed", liar_says="images that hold less than was flushed are noticed")

if __name__ == "__main__":
    sys.exit(campaign.main(CAMPAIGN, __doc__, guest.missing() or host.missing(["mkfs.ext4"])))
