/* How long requests stay in each stage of the data plane: a histogram a stage, of a sample of the requests.

       value    0 .. 31 | 32 .. 63 | 64 .. 127 | ... | 2^35 .. 2^36 - 1
       buckets  32 x 1  | 16 x 2   | 16 x 4    | ... | 16 x 2^31

   Coarser than engine/base/hist.h, so that a shard's page of them stays small: a region is cleared whole.

   Owner:      the data plane's loop is the only writer (dataplane/trace.h); everyone else reads relaxed. What a reader copies may be in the middle of a request: its parts
               differ by one at most.
   Memory:     wcx_stages_t in the shared region; all zero is empty.
   Units:      ns. Values above the last bucket are counted in it; `max` stays exact.
   Bounds:     a bucket is within a sixteenth of its values.
   Pinned by:  tests/unit/test_shm.c, tests/unit/test_loop_trace.c. */
#ifndef WCX_SHM_STAGES_H
#define WCX_SHM_STAGES_H

#include "engine/shm/stats.h"

#define WCX_STAGE_STEPS_LG 4u
#define WCX_STAGE_STEPS (1u << WCX_STAGE_STEPS_LG)
#define WCX_STAGE_VALUE_LG 36u
#define WCX_STAGE_BUCKETS ((WCX_STAGE_VALUE_LG - WCX_STAGE_STEPS_LG + 1) * WCX_STAGE_STEPS)

enum wcx_stage /* an index; no value of it is stored */
{
#define WCX_STAGE(name, help) WCX_STAGE_##name,
#include "engine/shm/stages.def"
#undef WCX_STAGE
  WCX_STAGE_CNT
};

typedef struct wcx_stage_hist
{
  _Alignas(64) _Atomic uint64_t cnt;
  _Atomic uint64_t sum;
  _Atomic uint64_t max;
  uint8_t pad[40];
  _Atomic uint64_t buckets[WCX_STAGE_BUCKETS];
} wcx_stage_hist_t;
static_assert(sizeof(wcx_stage_hist_t) == 64 + 8 * WCX_STAGE_BUCKETS && WCX_STAGE_BUCKETS % 8 == 0, "whole lines");

typedef struct wcx_stages
{
  wcx_stage_hist_t hists[WCX_STAGE_CNT];
} wcx_stages_t;

static inline uint32_t wcx_stage_bucket(uint64_t value)
{
  if (value >> WCX_STAGE_VALUE_LG != 0)
    return WCX_STAGE_BUCKETS - 1;
  uint32_t lg = 63u - (uint32_t)__builtin_clzll(value | WCX_STAGE_STEPS);
  uint32_t shift = lg - WCX_STAGE_STEPS_LG;
  return (shift << WCX_STAGE_STEPS_LG) + (uint32_t)(value >> shift);
}

/* Largest value that counts in a bucket. */
static inline uint64_t wcx_stage_bucket_end(uint32_t bucket)
{
  if (bucket < 2 * WCX_STAGE_STEPS)
    return bucket;
  uint32_t shift = (bucket >> WCX_STAGE_STEPS_LG) - 1;
  uint64_t step = (bucket & (WCX_STAGE_STEPS - 1)) + WCX_STAGE_STEPS;
  return ((step + 1) << shift) - 1;
}

static inline void wcx_stage_record(wcx_stage_hist_t *hist, uint64_t value)
{
  wcx_stat_add(&hist->buckets[wcx_stage_bucket(value)], 1);
  wcx_stat_add(&hist->sum, value);
  if (value > atomic_load_explicit(&hist->max, memory_order_relaxed))
    atomic_store_explicit(&hist->max, value, memory_order_relaxed);
  wcx_stat_add(&hist->cnt, 1);
}

#endif
