/* Seeds spread over processes: each takes the next one that is free, so that a slow seed holds nobody up, and a seed that aborts is known by its number.

   Owner:     the process that calls; it forks and waits.
   Memory:    one shared mapping.
   Result:    sums that do not depend on who ran what.
   Pinned by: tests/sim/test_crash.py. */
#ifndef WCX_TESTS_SIM_JOBS_H
#define WCX_TESTS_SIM_JOBS_H

#include "tests/sim/world.h"

#define WCX_JOBS_MAX 64u

typedef struct wcx_jobs
{
  uint64_t first, last;  /* both included */
  uint32_t jobs;         /* processes, 1..WCX_JOBS_MAX; 0: one per CPU that this process may use */
  uint32_t failures_max; /* stop after so many failed seeds */
  bool trace;
  /* Run one item on the worker's world. */
  void (*run)(wcx_world_t *world, uint64_t item, void *ctx);
  /* Say what item failed and how to repeat it; `signal` 0: by its counts. */
  void (*failed)(uint64_t item, int signal, const wcx_world_counts_t *counts, void *ctx);
  void *ctx;
} wcx_jobs_t;

typedef struct wcx_jobs_result
{
  wcx_world_counts_t counts;
  uint64_t failed;
  uint32_t jobs;
  double cpu_s; /* of all processes, set-up included */
  double wall_s;
} wcx_jobs_result_t;

wcx_jobs_result_t wcx_jobs_run(const wcx_jobs_t *jobs);

#endif
