#!/usr/bin/env python3
"""The book rebuilt from the multicast feed equals `wcxctl book show` at the same seq after 100,000 random orders, for every instrument.

Two builders that share no code: the C client's, live, and the one of wcxlib, from re-requested messages.
"""
import json
import os
import subprocess
import time

from wcxlib import Appliance, Books, Feed, Tap, Witness, require, summary_of

ORDERS = int(os.environ.get("WCX_ORDERS", "100000"))


def main():
    require()
    tap = Tap()
    seed = int(os.environ.get("WCX_SEED", time.time_ns() % 10**9))
    tap.note(f"WCX_SEED={seed} WCX_ORDERS={ORDERS}")
    with Appliance("book") as app:
        path = app.run / "books.json"
        done = subprocess.run([str(a) for a in app.command(*app.mm("--random-orders", ORDERS, "--seed", seed, "--dump-books", path, "--no-cod", "--rate", 15000, "--window", 256))],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=150)
        summary = summary_of(done.stdout)
        tap.ok(done.returncode == 0 and summary["orders"] >= ORDERS and summary["lost"] == 0 and summary["gaps"] == 0, f"{ORDERS} random requests, nothing lost, no gap",
               done.stdout.decode()[-1500:])
        tap.ok(summary["contradictions"] == 0 and summary["conflicts"] == 0, "no feed message contradicts the book it changes", summary)
        tap.note(json.dumps(summary))
        live = {b["Book"]["SecurityID"]: b["Book"] for b in map(json.loads, path.read_text().splitlines())}
        lines = app.wcxctl("book", "show")
        shown = {b["Book"]["SecurityID"]: b["Book"] for b in lines}
        seqs = {b["as_of_seq"] for b in lines}
        tap.ok(sorted(live) == sorted(shown) and len(shown) >= 3 and len(seqs) == 1, "both know the same instruments", (sorted(live), sorted(shown), seqs))
        witness = Witness()
        books = Books()
        feed = Feed(app, witness, books.apply)
        whole = feed.settle(timeout=60, quiet=1.2)
        tap.ok(whole and feed.next - 1 >= summary["feed_number"] and not feed.rejects, "a late joiner gets the whole feed again, from number 1", (feed.next, feed.end, feed.rejects[:2]))
        tap.ok(not books.errors and not witness.conflicts, "and without a contradiction", (books.errors[:3], witness.conflicts[:3]))
        for security in sorted(shown):
            truth = (shown[security]["Bids"], shown[security]["Asks"])
            mine = live.get(security, {})
            tap.ok(truth[0] and truth[1] and (mine.get("Bids"), mine.get("Asks")) == truth, f"instrument {security}: live book of {len(truth[0])} + {len(truth[1])} levels equals the engine's",
                   (mine, truth) if len(str(truth)) < 3000 else "")
            tap.ok((books.levels(security, "Buy"), books.levels(security, "Sell")) == truth, f"instrument {security}: the late joiner's book equals it, too")
        feed.close()
    tap.done()


if __name__ == "__main__":
    main()
