/* `wcx-bench digests`: live engine, replay and replica come to the same digests, input by input numbered alike, over as many inputs as one has patience for.

     live      made flows (bench/profile.h: a and b in turn, another seed each, a mass cancel of everything behind each) through journal ring and engine, the
               process wcx-journal making them durable; every 1,024 inputs a digest mark of output and state
     replica   the process wcx-replica follows the journal meanwhile, compares each mark and takes snapshots; the live engine waits where it is far behind, so that no
               mark is passed over
     replay    the journal read from disk into a new engine, each mark compared
     restarts  with --restart-every: the same once more, the engine going on from its own snapshot in other memory every so many inputs

   Owner:      the main thread, on the poll loop's CPU.
   Memory:     an appliance's output log three times, 40 bytes for each 1,024 inputs. Disk: some 130 bytes an input, and as much again in zeros before.
   Result:     the exit status (cli.h): good when all digests are equal; bad when one differs (which is said), --dir cannot be had or a process fails.
   Pinned by:  tests/bench/test_bench.py. */
#ifndef WCX_BENCH_DIGESTS_H
#define WCX_BENCH_DIGESTS_H

int wcx_digests_bench(int argc, char **argv);

#endif
