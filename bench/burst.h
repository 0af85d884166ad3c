/* `wcx-bench burst`: what a request costs the whole poll loop against the number of requests that one poll finds, with many resting orders.

   One instrument, one session, 1,000 accounts; N orders at prices drawn uniformly, half on each side, over N / 10 prices; no journal (D0). Every third request cancels any
   order, the next enters one at a drawn price, the next moves any order to another price: N stays, nothing trades. A request a frame, on a simulated wire; with --tcp a packet each in the
   stream of one simulated connection.

   On the clock: turns of the loop (wcx_loop_step), each of which finds `burst` requests; the loop pays for two copies of a frame. Not on the clock: making frames, reading
   what was answered. Bursts take turns, a batch of 256 requests each, and so do a loop that asks memory ahead (dataplane/ahead.h) and the same loop told that no
   order rests, so that it does not; the figure is the median of the batches.

   Owner:      the main thread.
   Memory:     about 2.5 KiB an order, most of it the output log that a loop of that size must have.
   Result:     the exit status (cli.h). Every request must have had the answer it is meant to have, and N orders must be left (else the run is invalid).
   Pinned by:  tests/bench/test_bench.py. */
#ifndef WCX_BENCH_BURST_H
#define WCX_BENCH_BURST_H

int wcx_burst_bench(int argc, char **argv);

#endif
