/* A journal worker to measure against: a region of its own and the process wcx-journal of the same build, on every CPU but the one of the poll loop; a
   replica beside it when one is wanted.

   Owner:      the thread that plays the data plane; it holds the region's lock of one.
   Memory:     the region in /dev/shm, taken away by wcx_worker_rig_stop, as is everything the worker has written.
   Result:     dies when a region, a directory or a process cannot be had, and when the worker ends by itself.
   Pinned by:  tests/bench/test_bench.py. */
#ifndef WCX_BENCH_WORKER_RIG_H
#define WCX_BENCH_WORKER_RIG_H

#include "engine/engine.h"
#include "engine/shm/region_file.h"

#include <sys/types.h>

#define WCX_WORKER_RIG_SHARD 1u

typedef struct wcx_worker_rig
{
  wcx_region_file_t file;
  wcx_region_shard_t *shm;
  char region[64];
  char dir[256]; /* of the shard's journal, below params.state_dir */
  pid_t pid;
  pid_t replica_pid;               /* 0: none */
  pid_t sink_pids[WCX_SINK_KINDS]; /* the same */
  char state_dir[sizeof(((wcx_params_t *)0)->state_dir)];
} wcx_worker_rig_t;

/* Parameters of one shard at D1 whose journal lies below `dir`, all else as configs/wcx.yaml has it; no session, account or instrument. calloc'ed. */
wcx_params_t *wcx_worker_rig_params(const char *dir, int poll_cpu, uint32_t segment_sz);

/* Sizes of the shard as an engine of these limits needs them. */
void wcx_worker_rig_limits(wcx_params_t *params, const wcx_engine_limits_t *limits);

/* A session that no throttle slows down. */
wcx_params_session_t wcx_worker_rig_session(uint32_t session_id, uint32_t account, uint16_t shard);

/* Make `params->state_dir` (it must not exist), start the worker and wait until its segments are in stock. */
void wcx_worker_rig_start(wcx_worker_rig_t *worker, const wcx_params_t *params);

/* What a data plane does when it starts (engine/shm/region.h) over an empty journal: ask for an epoch, and wait for it. */
void wcx_worker_rig_grant(wcx_worker_rig_t *worker);

/* Start the process wcx-replica over the same region: a snapshot every so many inputs (a text), as fast as it goes. */
void wcx_worker_rig_replicate(wcx_worker_rig_t *worker, const char *every_inputs);

/* Start the process of a sink over the same region, with a database that is empty or of this journal. */
void wcx_worker_rig_sink(wcx_worker_rig_t *worker, enum wcx_sink_kind kind, const char *connection_file);

/* Dies when a process does not live, or has halted, or its database is of another journal. */
void wcx_worker_rig_check(const wcx_worker_rig_t *worker);

/* End the processes; the files stay. */
void wcx_worker_rig_end(wcx_worker_rig_t *worker);

/* The same, and everything that was made is taken away. */
void wcx_worker_rig_stop(wcx_worker_rig_t *worker);

#endif
