/* `wcx-bench compare A B`: is B slower than A?

   A and B are programs: in every block three new processes, `A engine`, `B engine` and `A engine` again, take turns, a short pass each, so that all three see the same
   quiet moments; a process's figure is its least pass. B over A is the answer, A over A the noise line beside it. Or both are run folders (run_folder.h): their samples are paired as they were taken; what the host did
   between the two runs is then part of the difference, and the noise line is A's odd samples against its even ones.

   Owner:      the main thread.
   Result:     the exit status: 0 equal or faster; 1 slower; 2 for a wrong command line; 3 unclear; 4 a run failed or a folder cannot be read.
   Pinned by:  tests/bench/test_compare.py; bench/compare_finds.py shows a planted 5 %. */
#ifndef WCX_BENCH_COMPARE_H
#define WCX_BENCH_COMPARE_H

int wcx_compare_bench(int argc, char **argv);

#endif
