/* When the requests of an open-loop run are due: computed whole before the clock starts, so that nothing a server does can move it.

       constant   |  |  |  |  |  |  |        a request every 1/rate
       poisson    | ||   |    | |   |        gaps drawn from an exponential distribution
       file       as each of them once came, N times as fast
       burst      ||||......||||......       all requests of a period within its first `on_ms`, none in the `off_ms` behind

   Owner:      the caller; no state.
   Memory:     writes due_ns[0, cnt).
   Units:      ns from the start of the run; `per_s` is the average over whole periods.
   Bounds:     per_s > 0; burst: on_ms > 0.
   Invariants: due times never fall; the same schedule and seed give the same times.
   Pinned by:  tests/unit/test_open_loop.c. */
#ifndef WCX_BENCH_WIRE_SCHEDULE_H
#define WCX_BENCH_WIRE_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

enum wcx_schedule_kind
{
  WCX_SCHEDULE_CONSTANT = 1,
  WCX_SCHEDULE_POISSON = 2,
  WCX_SCHEDULE_BURST = 3,
};

typedef struct wcx_schedule
{
  enum wcx_schedule_kind kind;
  uint32_t on_ms, off_ms; /* burst */
  double per_s;
  uint64_t seed; /* poisson */
} wcx_schedule_t;

/* The times in a file of little-endian u64, as many as `cnt`; malloc'ed. NULL and a text when it holds something else. */
uint64_t *wcx_schedule_load(const char *path, uint64_t cnt, char *err, size_t err_sz);

void wcx_schedule_make(const wcx_schedule_t *schedule, uint64_t *due_ns, uint64_t cnt);

#endif
