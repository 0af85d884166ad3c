/* `wcx-bench durable`: what it costs that nothing is told before it is durable. The journal is written by the process wcx-journal (bench/worker_rig.h), which has
   the other CPU to itself.

     throughput   a made flow, as fast as it goes: records committed to the journal ring, prefetched and applied in bursts, what the engine says read once its
                  input is released. From the first commit until the last record is released; best and middle of --runs, each over a journal of its own.
     ack          the same flow at --per-s requests a second on a schedule made before, through the whole poll loop on a simulated wire (bench/paced.h).
                  Rounds of it and of bare 4 KiB durable writes, one at a time, on the worker's CPU, into a file of the same directory that was written before,
                  take turns; the loop turns through both. Beside the ratios: where the time goes (bench/ack_trace.h), and how long whoever comes at any time would
                  have waited for the bare write in flight and then for the next, which is what one write in flight costs at the least.

   What is wanted: 1,000,000 requests a second; of the acks p50 at most 1.3 x and p99 at most 2 x that of the bare write.

   Owner:      the main thread, on the poll loop's CPU; the writer is a thread of its own on another one.
   Memory:     some 200 bytes a request, and an appliance's output log.
   Result:     the exit status (cli.h): good whatever the figures; bad when --dir cannot be had or the worker fails.
   Pinned by:  tests/bench/test_bench.py. */
#ifndef WCX_BENCH_DURABLE_H
#define WCX_BENCH_DURABLE_H

int wcx_durable_bench(int argc, char **argv);

#endif
