/* `wcx-bench hist`: durations from a text file into an HDR histogram and its log, or percentiles from a log that somebody wrote.

   Owner:      the main thread.
   Result:     the exit status: 0; 1 when a file cannot be read or written or holds something else; 2 for a wrong command line.
   Pinned by:  tests/bench/test_hdr_log.py. */
#ifndef WCX_BENCH_HIST_BENCH_H
#define WCX_BENCH_HIST_BENCH_H

int wcx_hist_bench(int argc, char **argv);

#endif
