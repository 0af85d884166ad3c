/* The sizes of an engine as the parameters of a shard have them: one place, so that whoever runs an engine over the same journal runs one of the same sizes.

   Owner:     the caller; a pure function.
   Units:     counts.
   Pinned by: tests/unit/test_loop_start.c, tests/unit/test_replica.c. */
#ifndef WCX_ENGINE_LIMITS_H
#define WCX_ENGINE_LIMITS_H

#include "engine/engine.h"
#include "engine/shm/params.h"

/* hash_key: of this process alone. */
static inline wcx_engine_limits_t wcx_engine_limits_of(const wcx_params_shard_t *shard, uint64_t hash_key)
{
  return (wcx_engine_limits_t){.shard = shard->shard,
                               .orders_max = shard->orders_max,
                               .levels_max = shard->levels_max,
                               .instruments_max = shard->instruments_max,
                               .accounts_max = shard->accounts_max,
                               .sessions_max = shard->sessions_max,
                               .hash_key = hash_key};
}

#endif
