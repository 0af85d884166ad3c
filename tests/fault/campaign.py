"""What the campaigns on virtual disks share: seeds one after another until something is found or it is enough, and one line of JSON for the ledger at the end."""
import argparse
import json
import re
import time
from dataclasses import dataclass
from typing import Callable, Optional

KINDS = ("lost", "phantom")


@dataclass
class Campaign:
    fault: str         # as the ledger names it
    counted: str       # what --<counted> says how many of, a key of the counts
    title: str         # for people
    cnt: int           # without --<counted>
    one_disk: Callable  # (seed, cnt, until, liar): counts, problems
    says: Callable     # total: what the first point says
    disk_max: int = 10**9  # of what is counted, on one disk
    liar: Optional[str] = None       # what --liar does; None: there is none
    liar_says: str = ""
    also: Optional[Callable] = None  # (total, by the hour): further points as (ok, text)


def kind_of(problem):
    """"lost" or "phantom", also behind where it was found."""
    found = re.search(r"(?:^|: )(lost|phantom)\b", problem)
    return found.group(1) if found else None


def read_args(campaign, doc):
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument(f"--{campaign.counted}", dest="cnt", type=int, default=campaign.cnt)
    parser.add_argument("--hours", type=float, default=0, help="go on for so long instead of counting")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    if campaign.liar:
        parser.add_argument("--liar", action="store_true", help=campaign.liar)
    return parser.parse_args()


def go(campaign, args, liar):
    """Disk after disk: totals and problems."""
    until = time.monotonic() + (args.hours * 3600 if args.hours else 10**9)
    total, problems, seed = {"fault": campaign.fault, "seed_first": args.seed, "seed_last": args.seed, campaign.counted: 0}, [], args.seed
    while not problems and time.monotonic() < until and (args.hours or total[campaign.counted] < args.cnt):
        wanted = campaign.disk_max if args.hours else min(campaign.disk_max, args.cnt - total[campaign.counted])
        counts, problems = campaign.one_disk(seed, wanted, until, liar)
        for name, cnt in counts.items():
            total[name] = total.get(name, 0) + cnt
        total["seed_last"] = seed
        seed += 1
    total.update({kind: sum(kind_of(problem) == kind for problem in problems) for kind in KINDS}, failures=len(problems))
    return total, problems


def main(campaign, doc, missing):
    """Exit status. `missing`: why it cannot be done here, or nothing."""
    args = read_args(campaign, doc)
    if missing:
        print(f"ok 1 - {campaign.title} # SKIP {missing}\n1..1")
        return 0
    liar = campaign.liar is not None and args.liar
    total, problems = go(campaign, args, liar)
    for problem in problems:
        print(f"# --seed {total['seed_last']}: {problem}")
    points = [(total["lost"] > 0, campaign.liar_says)] if liar else [(not problems, campaign.says(total) + ": 0 lost, 0 phantom")]
    points += campaign.also(total, args.hours) if campaign.also and not liar else []
    for number, (good, text) in enumerate(points, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {text}")
    print(f"1..{len(points)}")
    print(json.dumps(total))
    return 0 if (total["lost"] if liar else not problems) else 1
