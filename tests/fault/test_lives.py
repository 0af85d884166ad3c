#!/usr/bin/env python3
"""lives.py must see what it is for: a journal that lost, kept too much, or mixed lives; and tear() must do all three things to a write."""
import random
import sys

from campaign import kind_of
from lives import Lives
from volatile_disk import SECTOR, tear

TOLD = ["life 1 cut 0 epoch 2", "r 5", "r 9", "life 2 cut 11 epoch 3", "r 14"]
RIGHT = ["run 1 1 11", "run 2 12 15", "end clean last 15 blocks 9"]

# (name, lines of the check, how each problem begins)
CHECKS = [
    ("what was told and a little more", RIGHT, []),
    ("exactly what was told", ["run 1 1 11", "run 2 12 14", "end cut last 14 blocks 9"], []),
    ("a released record is not there", ["run 1 1 11", "run 2 12 13", "end cut last 13 blocks 9"], ["lost"]),
    ("everything is gone", ["end none last 0 blocks 0"], ["lost"]),
    ("a record of a life that was over is back", ["run 1 1 12", "run 2 13 15", "end clean last 15 blocks 9"], ["phantom"]),
    ("a life that nobody has told of", [*RIGHT[:2], "run 3 16 16", "end clean last 16 blocks 9"], ["phantom"]),
    ("a record with other contents", ["bad record: seq 3 is not what any life has written"], ["bad", "bad"]),
    ("a journal that cannot be opened", ["bad open: no copy of the superblock is valid"], ["bad", "bad"]),
    ("nothing was said", [], ["bad"]),
]


def main():
    points = []

    def point(ok, name, detail=""):
        points.append(bool(ok))
        print(f"{'ok' if ok else 'not ok'} {len(points)} - {name}" + ("" if ok else f"\n# {detail}"))

    for name, lines, wanted in CHECKS:
        lives = Lives()
        for line in TOLD:
            lives.hear(line)
        problems = lives.check(lines)
        point([p.split(":")[0].split()[0] for p in problems] == wanted and not lives.problems, name, problems)
    lives = Lives()
    for line in [*TOLD, "life 3 cut 13 epoch 4"]:
        lives.hear(line)
    point(len(lives.problems) == 1 and lives.problems[0].startswith("lost"), "a cut below what was released", lives.problems)
    dice, fates, mixed = random.Random(1), {"lost": 0, "kept": 0, "torn": 0}, 0
    for _ in range(200):
        image = bytearray(8 * SECTOR)
        for fate, cnt in tear(image, [(SECTOR, b"\x01" * (4 * SECTOR))], dice).items():
            fates[fate] += cnt
        sectors = [image[i * SECTOR:(i + 1) * SECTOR] for i in range(8)]
        mixed += len({bytes(s) for s in sectors[1:5]}) == 2
        if any(len(set(s)) != 1 for s in sectors) or any(any(s) for s in (sectors[0], *sectors[5:])):
            mixed = -1000
    point(all(cnt > 20 for cnt in fates.values()) and mixed > 20, "a write without a flush is lost, kept, or torn at sectors", (fates, mixed))
    kinds = [kind_of(problem) for problem in ("lost: the journal ends at 3", "image 7: phantom: the journal holds", "bad: nothing is released", "bad: the worker lost its way")]
    point(kinds == ["lost", "phantom", None, None], "what a campaign counts as lost and phantom", kinds)
    print(f"1..{len(points)}")
    return 0 if all(points) else 1


if __name__ == "__main__":
    sys.exit(main())
