/* `wcx-bench engine`: a flow through the engine in this process, beside the floors of the same run (DESIGN.md section 6).

   Owner:    the main thread.
   Result:   the exit status: 0; 1 when the flow is bad; 2 for a wrong command line. */
#ifndef WCX_BENCH_ENGINE_BENCH_H
#define WCX_BENCH_ENGINE_BENCH_H

int wcx_engine_bench(int argc, char **argv);

#endif
