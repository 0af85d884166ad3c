/* `wcx-bench memory`: the bytes that engines of several sizes take, from wcx_engine_footprint: nothing is allocated.

   Owner:      the main thread.
   Result:     the exit status (cli.h): bad when 65,535 instruments with 1,000,000 orders take more than the 2 GiB they may.
   Pinned by:  tests/bench/test_bench.py. */
#ifndef WCX_BENCH_MEMORY_H
#define WCX_BENCH_MEMORY_H

int wcx_memory_bench(int argc, char **argv);

#endif
