#include "bench/wire/ramp.h"

#include "bench/cli.h"
#include "engine/base/check.h"

#include <math.h>
#include <string.h>

#define GROWTH 1.25

typedef struct found
{
  wcx_hdr_t *corrected, *uncorrected, *late;
} found_t;

static uint64_t last_answer_ns(const wcx_open_loop_t *loop)
{
  uint64_t last_ns = 0;
  for (uint64_t i = 0; i < loop->cnt; i++)
    if (loop->answered_ns[i] != WCX_OPEN_LOOP_NONE && loop->answered_ns[i] > last_ns)
      last_ns = loop->answered_ns[i];
  return last_ns;
}

/* One stretch. A rate that held leaves its histograms in `found`. */
static void try(wcx_ramp_t *ramp, wcx_wire_run_t *run, wcx_ramp_step_t *step, const found_t *found)
{
  static wcx_hdr_t corrected, uncorrected, late;
  double per_s = step->per_s;
  uint64_t cnt = (uint64_t)fmax(per_s * ramp->step_ms / 1e3, 100);
  wcx_open_loop_t *loop = wcx_open_loop_new(cnt);
  WCX_CHECK(loop != NULL, "no memory for %llu requests", (unsigned long long)cnt);
  wcx_schedule_t schedule = {.kind = WCX_SCHEDULE_POISSON, .per_s = per_s, .seed = ramp->seed + ramp->step_cnt * WCX_RAMP_TRIES + step->tries};
  wcx_schedule_make(&schedule, loop->due_ns, cnt);
  memset(&corrected, 0, sizeof(corrected));
  memset(&uncorrected, 0, sizeof(uncorrected));
  memset(&late, 0, sizeof(late));
  wcx_wire_run_count_anew(run);
  bool decided = wcx_wire_run_stretch(run, loop);
  wcx_open_loop_delays(loop, 0, cnt, &corrected, &uncorrected, &late);
  uint64_t last_ns = last_answer_ns(loop);
  uint64_t end_ns = wcx_open_loop_end_ns(loop);
  *step = (wcx_ramp_step_t){.per_s = per_s,
                            .tries = step->tries + 1,
                            .p50_ns = wcx_hdr_percentile(&corrected, 500000),
                            .p99_ns = wcx_hdr_percentile(&corrected, 990000),
                            .late_p99_ns = wcx_hdr_percentile(&late, 990000),
                            .behind_ns = last_ns > end_ns ? last_ns - end_ns : 0,
                            .decided = decided,
                            .fault = wcx_wire_run_fault(run)};
  step->held = step->fault == NULL && step->p99_ns <= ramp->bound_ns && step->behind_ns <= ramp->bound_ns;
  if (!step->held)
    ramp->is_ours = run->blocked_cnt == 0 && step->late_p99_ns > step->p99_ns / 2;
  if (step->held)
  {
    *found->corrected = corrected;
    *found->uncorrected = uncorrected;
    *found->late = late;
    ramp->knee_per_s = per_s;
  }
  wcx_open_loop_free(loop);
  if (run->shows)
    wcx_cli_progress("%.0f requests/s: corrected p99 %.1f us, %s", per_s, (double)step->p99_ns / 1e3, step->held ? "held" : "not held");
}

static wcx_ramp_step_t *climb(wcx_ramp_t *ramp, wcx_wire_run_t *run, double per_s, const found_t *found)
{
  wcx_ramp_step_t *step = &ramp->steps[ramp->step_cnt++];
  *step = (wcx_ramp_step_t){.per_s = per_s, .decided = true};
  while (!step->held && step->decided && step->tries < WCX_RAMP_TRIES)
    try(ramp, run, step, found);
  return step;
}

void wcx_ramp_run(wcx_ramp_t *ramp, wcx_wire_run_t *run, wcx_hdr_t *corrected, wcx_hdr_t *uncorrected, wcx_hdr_t *late)
{
  found_t found = {corrected, uncorrected, late};
  const wcx_ramp_step_t *step = NULL;
  double failed_per_s = 0;
  for (double per_s = ramp->from_per_s; failed_per_s == 0 && ramp->step_cnt < WCX_RAMP_STEPS_MAX - WCX_RAMP_HALVINGS && per_s <= ramp->to_per_s; per_s *= GROWTH)
  {
    step = climb(ramp, run, per_s, &found);
    failed_per_s = step->held ? 0 : per_s;
  }
  for (uint32_t i = 0; i < WCX_RAMP_HALVINGS && failed_per_s != 0 && ramp->knee_per_s != 0 && step->decided; i++)
  {
    double per_s = (failed_per_s + ramp->knee_per_s) / 2;
    step = climb(ramp, run, per_s, &found);
    failed_per_s = step->held ? failed_per_s : per_s;
  }
  if (run->shows)
    wcx_cli_progress("%s", "");
}
