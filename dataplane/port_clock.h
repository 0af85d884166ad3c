/* A clock that only counts, held against ours now and then.

       ns        first ---------------------- last ----> a stamp
       ticks     first ---------------------- last ----> its ticks        rate: over all the time between, so that what a reading is off by matters less and less

   Owner:      one thread.
   Memory:     none beyond the struct; zeros are a new one.
   Units:      monotonic ns; ticks of whatever length.
   Result:     ns: 0 before two readings at different times.
   Bounds:     stamps up to some minutes away from the last reading; ticks that do not wrap.
   Pinned by:  tests/unit/test_port_clock.c. */
#ifndef WCX_DATAPLANE_PORT_CLOCK_H
#define WCX_DATAPLANE_PORT_CLOCK_H

#include <stdint.h>

typedef struct wcx_port_clock
{
  uint64_t first_ns, first_ticks; /* 0, 0: not read yet */
  uint64_t last_ns, last_ticks;
} wcx_port_clock_t;

static inline void wcx_port_clock_read(wcx_port_clock_t *clock, uint64_t now_ns, uint64_t ticks)
{
  if (clock->first_ns == 0)
  {
    clock->first_ns = now_ns;
    clock->first_ticks = ticks;
  }
  clock->last_ns = now_ns;
  clock->last_ticks = ticks;
}

static inline uint64_t wcx_port_clock_ns(const wcx_port_clock_t *clock, uint64_t ticks)
{
  if (clock->last_ticks == clock->first_ticks)
    return 0;
  double ns_per_tick = (double)(clock->last_ns - clock->first_ns) / (double)(clock->last_ticks - clock->first_ticks);
  double from_last = (double)(int64_t)(ticks - clock->last_ticks) * ns_per_tick; /* of stamps before it, too */
  return (uint64_t)((int64_t)clock->last_ns + (int64_t)from_last);
}

#endif
