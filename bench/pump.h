/* Records from memory into journal ring and engine, as fast as room and release let them: what a sequencer and a gate do, less frames and sessions.

       record --> journal ring, then engine --> output log --> read once its input is released
                        |                                              ^
                        '--> journal worker (bench/worker_rig.h) ----------'

   Digest marks are published as a data plane does (dataplane/input.h), so that a replica can compare.

   Owner:      one thread.
   Memory:     the rig's, and 8 bytes for each slot of the ring.
   Units:      ns, monotonic.
   Pinned by:  tests/bench/test_bench.py. */
#ifndef WCX_BENCH_PUMP_H
#define WCX_BENCH_PUMP_H

#include "bench/rig.h"
#include "bench/worker_rig.h"

typedef struct wcx_pump
{
  const wcx_worker_rig_t *worker;
  wcx_rig_t rig;
  wcx_jring_producer_t producer;
  uint64_t *end_pos;
  const wcx_record_hdr_t *at; /* next record */
  uint64_t released_seq;
  uint64_t check;          /* of a word of every message */
  uint64_t stalled_ns;     /* of the last run: no room in the ring, or nothing left to put */
  uint64_t replica_lag;    /* most inputs that a replica may be behind in comparing; 0: it is not looked at */
  wcx_digest_mark_t *kept; /* NULL, or where every mark is kept as well: kept_max of them */
  uint64_t kept_max;
  uint64_t mark_head, mark_tail;
  wcx_digest_mark_t marks[WCX_DIGEST_MARK_MAX]; /* not released yet: oldest at mark_tail */
} wcx_pump_t;

/* The worker has granted an epoch (wcx_worker_rig_grant); limits: of the engine. */
void wcx_pump_open(wcx_pump_t *pump, const wcx_worker_rig_t *worker, const wcx_engine_limits_t *limits);

/* `cnt` records at `first`, one behind the other; returns ns until the last of them is released. */
uint64_t wcx_pump_run(wcx_pump_t *pump, const void *first, uint64_t cnt);

void wcx_pump_close(wcx_pump_t *pump);

#endif
