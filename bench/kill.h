/* `wcx-bench kill`: one input that takes all of a member's orders away, through wcx_engine_apply.

   The world: 10 instruments; account 1 with four sessions and --orders resting orders, spread evenly at random over sessions and instruments; as many orders of 100 other
   accounts with a session each, entered in between; 2,000 prices a book. Each measurement begins with a fresh engine; the output log is as large as the data plane
   would need it for this input (wcx_engine_output_bound), and has been written before.

     kill          KillSwitch of account 1 by operations: every order, then the lock
     mass cancel   OrderMassCancelRequest of account 1 by its first session: the orders of the other three are reported twice, to their owner and to it
     cold          the same after 128 MiB of other memory have been written, so that no cache holds anything of the engine

   On the clock: the one wcx_engine_apply. Median of --repeats fresh set-ups. Wanted: 5 ms for 100,000 orders.

   Owner:      the main thread.
   Memory:     about 500 bytes an order and as much again for the log.
   Result:     the exit status (cli.h): good whatever the time; bad when not exactly the member's orders have gone.
   Pinned by:  tests/bench/test_bench.py. */
#ifndef WCX_BENCH_KILL_H
#define WCX_BENCH_KILL_H

int wcx_kill_bench(int argc, char **argv);

#endif
