/* A journal worker to measure against: a region of its own and the process wcx-journal of the same build, on every CPU but the one of the poll loop.

   Owner:      the thread that plays the data plane; it holds the region's lock of one.
   Memory:     the region in /dev/shm, taken away by wcx_worker_stop, as is everything the worker has written.
   Result:     dies when a region, a directory or a process cannot be had, and when the worker ends by itself.
   Pinned by:  tests/bench/test_bench.py. */
#ifndef WCX_BENCH_WORKER_H
#define WCX_BENCH_WORKER_H

#include "engine/shm/region_file.h"

#include <sys/types.h>

#define WCX_WORKER_SHARD 1u

typedef struct wcx_worker
{
  wcx_region_file_t file;
  wcx_region_shard_t *shm;
  char region[64];
  char dir[256]; /* of the shard's journal, below params.state_dir */
  pid_t pid;
} wcx_worker_t;

/* Parameters of one shard at D1 whose journal lies below `dir`, all else as configs/wcx.yaml has it; no session, account or instrument. calloc'ed. */
wcx_params_t *wcx_worker_params(const char *dir, int poll_cpu);

/* Make `params->state_dir` (it must not exist), start the worker and wait until its segments are in stock. */
void wcx_worker_start(wcx_worker_t *worker, const wcx_params_t *params);

/* What a data plane does when it starts (engine/shm/region.h) over an empty journal: ask for an epoch, and wait for it. */
void wcx_worker_grant(wcx_worker_t *worker);

/* ns that the worker's thread was on a CPU, and that it waited for one while others were; 0 where the kernel does not tell. */
typedef struct wcx_worker_cpu
{
  uint64_t on_ns;
  uint64_t waited_ns;
} wcx_worker_cpu_t;
wcx_worker_cpu_t wcx_worker_cpu(const wcx_worker_t *worker);

/* Dies when the worker does not live, or has halted. */
void wcx_worker_check(const wcx_worker_t *worker);

void wcx_worker_stop(wcx_worker_t *worker);

#endif
