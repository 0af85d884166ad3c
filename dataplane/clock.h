/* The time that the loop stamps with: UTC, but not at once where it jumps ahead.

       following --UTC is more than a second ahead of where monotonic time says it is--> holding: a new jump, counted
       holding   --an operator confirms this jump, or 10 s have passed--> following, at the new UTC
       holding   --UTC is back--> following
       holding   --another second and more ahead--> holding: the next jump

   UTC is disciplined outside; whoever sets it a year ahead by mistake must not expire every order. While holding, time goes on along the old line (UTC as it was,
   plus monotonic time), so no expiry, no auction and no new day becomes due early, and stamps have no gap. Only stamps in journaled records come of it: a
   replay needs no clock. A step back is no matter of this file: stamps never fall (dataplane/input.h).

   The line is in the shared region, so a data plane that restarts in the same boot does not take a jump for granted.

   Owner:     the loop; `confirmed` in the region is written by wcx-api.
   Memory:    the struct, in the loop.
   Units:     ns.
   Bounds:    no call, one load more in a turn while holding.
   Pinned by: tests/unit/test_loop_clock.c. */
#ifndef WCX_DATAPLANE_CLOCK_H
#define WCX_DATAPLANE_CLOCK_H

#include "engine/shm/region.h"

#include <stdbool.h>

#define WCX_CLOCK_JUMP_NS INT64_C(1000000000)
#define WCX_CLOCK_HOLD_NS UINT64_C(10000000000)

typedef struct wcx_clock
{
  wcx_region_clock_t *shared;
  wcx_stats_t *stats;
  uint64_t offset_ns; /* UTC less monotonic time, along the line */
  uint64_t held_ns;   /* monotonic: since when the jump is held back */
  int64_t ahead_ns;   /* of the jump, when it was seen */
  bool started;
  bool holding;
} wcx_clock_t;

void wcx_clock_init(wcx_clock_t *clock, wcx_region_clock_t *shared, wcx_stats_t *stats);

/* The time of a turn. mono_ns must not fall. */
uint64_t wcx_clock_turn(wcx_clock_t *clock, uint64_t mono_ns, uint64_t utc_ns);

#endif
