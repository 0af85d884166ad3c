/* Whether the overrides of a journal count for who applies it: only when wcx-controld has found both signatures of each, as a start of the data plane asks too.

   Owner:     any thread; reads words of the region.
   Result:    true also when there are none.
   Pinned by: tests/unit/test_replica.c, tests/e2e/test_quarantine.py. */
#ifndef WCX_PERSIST_OVERRIDES_H
#define WCX_PERSIST_OVERRIDES_H

#include "engine/shm/journal_override.h"
#include "engine/shm/region.h"

static inline bool wcx_overrides_signed(const wcx_region_shard_t *shared, const wcx_journal_overrides_t *overrides)
{
  wcx_region_quarantine_t *words = (wcx_region_quarantine_t *)(uintptr_t)&shared->quarantine;
  uint64_t lo = atomic_load_explicit(&words->overrides_lo, memory_order_acquire); /* first: pairs with wcx-controld's release */
  uint64_t hi = atomic_load_explicit(&words->overrides_hi, memory_order_acquire);
  return overrides->cnt == 0 || (overrides->digest.lo == lo && overrides->digest.hi == hi);
}

#endif
