/* `wcx-bench engine`: a flow through the engine in this process, beside the floors of the same run.

   Owner:    the main thread.
   Result:   the exit status (cli.h): bad when the flow is, or when one pass traded other than the one before. */
#ifndef WCX_BENCH_ENGINE_BENCH_H
#define WCX_BENCH_ENGINE_BENCH_H

int wcx_engine_bench(int argc, char **argv);

#endif
