/* `wcx-bench wire`: open-loop load against an appliance that runs.

   Owner:      the main thread.
   Result:     exit status 0; 1 when the run is invalid or nothing answers; 2 for a wrong command line.
   Pinned by:  tests/bench/test_wire.py. */
#ifndef WCX_BENCH_WIRE_WIRE_BENCH_H
#define WCX_BENCH_WIRE_WIRE_BENCH_H

int wcx_wire_bench(int argc, char **argv);

#endif
