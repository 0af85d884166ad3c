/* `wcx-bench snapshot`: how long the poll loop stands still while a book is copied for a snapshot cycle (wcx_engine_snapshot_at, dataplane/cycle.h).

   The world: one instrument with --orders resting orders entered in random order at --prices prices a side, drawn evenly; so orders that stand behind each
   other lie anywhere in memory.

     copy    wcx_engine_snapshot_at, again and again: caches hold what they can
     cold    the same after 128 MiB of other memory have been written: what the loop finds after a second of other work, at worst
     flat    as many blocks copied from an array: what no list of orders could beat

   Median of --repeats.

   Owner:      the main thread.
   Memory:     about 500 bytes an order.
   Result:     the exit status (cli.h): good whatever the time; bad when an order is missing or out of price-time order.
   Pinned by:  tests/bench/test_bench.py. */
#ifndef WCX_BENCH_SNAPSHOT_H
#define WCX_BENCH_SNAPSHOT_H

int wcx_snapshot_bench(int argc, char **argv);

#endif
