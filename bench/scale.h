/* `wcx-bench scale`: what an operation costs against the number of resting orders, and how much of that the machine's memory asks for.

   One instrument, one session, 1,000 accounts; N orders of one quantity at prices drawn uniformly, half on each side, over N / 10 prices but at most --levels:
   so a price has ten orders or more at every size, and no size makes or removes more levels than another. The number of orders stays N: every batch that takes
   orders away is followed by one that brings as many back. What fills take comes back at the far end of its side: the next fill always meets the oldest orders, and
   the side moves up.

   On the clock, per batch of 256: wcx_engine_prefetch and wcx_engine_apply in bursts of 32. Not on the clock: encoding, reading the events (256 operations of
   them lie in an output log that starts over, so it stays in the second-level cache). The figure is the median of the batches, and the least of --rounds such
   medians (all sizes are measured, then all again): what else runs on the machine only adds.

     new            rests at a drawn price
     cancel         of any order, by its ClOrdID
     cancel_id      of any order, by its OrderID
     move           of any order, to another price
     fill           IOC that fills the first sell order, whole
     reduce         replace in place: one less of any buy order, same price

   Beside it, the bare misses: the lines that an operation of that size touches and that no cache holds, in tables of the same size, found in the same order and
   prefetched where the engine prefetches, and nothing computed (miss.h). What is counted as such a line:

     order          64 bytes each, N of them: the order; its two neighbours where it leaves; the last of the level it joins
     links          8 bytes each: the order's and its two neighbours' in the session's list, where it ends
     index          8 bytes each: where its ClOrdID stands (a new ClOrdID stands beside the one before it: no line of its own)
     level          64 bytes each: the one it leaves, the one it joins
     node           2 lines of one of levels / 64 nodes, where a level is looked for

   Not counted, so held against the engine: the pool's free slots, what stands at the session's ends, sessions, accounts, log, and tables that are larger than
   what lives in them.
   growth = ns(N) / ns(least N). What it would be without what misses add, between two bounds; wanted: <= 2:

     beyond         (ns(N) - (bare(N) - bare(least N))) / ns(least N): all misses of a burst overlap as well as the machine can. Strict: it holds against the
                    engine whatever its own prefetching leaves to wait for.
     beyond_loads   (ns(N) - lines x (load(N) - load(least N))) / ns(least N): no two misses overlap; load is one dependent load over the bytes that N orders
                    take. Lenient: prefetching alone makes it small, or less than 0.

   Owner:      the main thread.
   Memory:     about 420 bytes an order, given back before the next size.
   Result:     the exit status (cli.h). Every operation must have done what it is meant to (checked).
   Pinned by:  tests/bench/test_bench.py. */
#ifndef WCX_BENCH_SCALE_H
#define WCX_BENCH_SCALE_H

int wcx_scale_bench(int argc, char **argv);

#endif
