/* How fast may it be? Stretches of a growing rate until one does not hold, then halves between the last that held and the first that did not.

       rate   a -> 1.25 a -> ... -> b holds -> 1.25 b does not -> between them, WCX_RAMP_HALVINGS times: the knee is the last that held

   A stretch holds when it is right (wire_run.h), its corrected p99 is within the bound, and its last answer is no later than that behind its last due time.
   One in which requests or answers were lost does not hold; when some of it stays undecided the ramp ends there. A rate does not hold when none of WCX_RAMP_TRIES stretches
   of it did: a CPU that is taken away for once is no knee.

   Owner:      the thread of the run.
   Units:      requests a second; ns.
   Result:     what was tried, in order; the knee, 0 when not even the first stretch held.
   Bounds:     WCX_RAMP_STEPS_MAX rates, stretches of `step_ms` each; a rate that is always held ends there, and the knee is at least that.
   Pinned by:  tests/bench/test_wire.py. */
#ifndef WCX_BENCH_WIRE_RAMP_H
#define WCX_BENCH_WIRE_RAMP_H

#include "bench/wire/schedule.h"
#include "bench/wire/wire_run.h"

#define WCX_RAMP_STEPS_MAX 64u
#define WCX_RAMP_HALVINGS 4u
#define WCX_RAMP_TRIES 3u

typedef struct wcx_ramp_step
{
  double per_s;
  uint64_t p50_ns, p99_ns, late_p99_ns; /* corrected; sent behind due */
  uint64_t behind_ns;                   /* last answer behind last due */
  uint32_t tries;
  bool held, decided; /* of its last stretch */
  const char *fault;  /* wcx_wire_run_fault; NULL: none */
} wcx_ramp_step_t;

typedef struct wcx_ramp
{
  uint64_t bound_ns; /* of the corrected p99 */
  uint32_t step_ms;
  double from_per_s, to_per_s;
  uint64_t seed;
  uint32_t step_cnt;
  double knee_per_s;
  bool is_ours; /* at the first rate that did not hold, requests left late though nothing held them back: the generator was the limit */
  wcx_ramp_step_t steps[WCX_RAMP_STEPS_MAX];
} wcx_ramp_t;

/* Fill in what is found. corrected, uncorrected, late: of the stretch at the knee. */
void wcx_ramp_run(wcx_ramp_t *ramp, wcx_wire_run_t *run, wcx_hdr_t *corrected, wcx_hdr_t *uncorrected, wcx_hdr_t *late);

#endif
