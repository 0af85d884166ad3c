#include "dataplane/clock.h"

void wcx_clock_init(wcx_clock_t *clock, wcx_region_clock_t *shared, wcx_stats_t *stats)
{
  *clock = (wcx_clock_t){.shared = shared, .stats = stats, .offset_ns = atomic_load_explicit(&shared->offset_ns, memory_order_relaxed)};
  clock->started = clock->offset_ns != 0;
}

static uint64_t follow(wcx_clock_t *clock, uint64_t offset_ns, uint64_t utc_ns)
{
  if (clock->holding)
    atomic_store_explicit(&clock->shared->ahead_ns, 0, memory_order_relaxed);
  clock->holding = false;
  clock->started = true;
  clock->offset_ns = offset_ns;
  atomic_store_explicit(&clock->shared->offset_ns, offset_ns, memory_order_relaxed);
  return utc_ns;
}

static void begin(wcx_clock_t *clock, uint64_t mono_ns, int64_t ahead_ns)
{
  clock->holding = true;
  clock->held_ns = mono_ns;
  clock->ahead_ns = ahead_ns;
  uint64_t jumps = atomic_load_explicit(&clock->shared->jumps, memory_order_relaxed) + 1;
  atomic_store_explicit(&clock->shared->ahead_ns, (uint64_t)ahead_ns, memory_order_relaxed);
  atomic_store_explicit(&clock->shared->jumps, jumps, memory_order_release); /* pairs with the acquire of whoever tells of it */
  wcx_stat_add(&clock->stats->clock_jumps, 1);
}

uint64_t wcx_clock_turn(wcx_clock_t *clock, uint64_t mono_ns, uint64_t utc_ns)
{
  uint64_t offset_ns = utc_ns - mono_ns;
  int64_t ahead_ns = (int64_t)(offset_ns - clock->offset_ns);
  if (__builtin_expect(!clock->started || ahead_ns <= WCX_CLOCK_JUMP_NS, 1))
    return follow(clock, offset_ns, utc_ns);
  if (!clock->holding || ahead_ns > clock->ahead_ns + WCX_CLOCK_JUMP_NS)
    begin(clock, mono_ns, ahead_ns);
  bool confirmed = atomic_load_explicit(&clock->shared->confirmed, memory_order_relaxed) == atomic_load_explicit(&clock->shared->jumps, memory_order_relaxed);
  if (confirmed || mono_ns - clock->held_ns >= WCX_CLOCK_HOLD_NS)
    return follow(clock, offset_ns, utc_ns);
  return mono_ns + clock->offset_ns;
}
