#include "bench/wire/schedule.h"

#include "engine/base/check.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_next(uint64_t *state)
{
  uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
  z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
  return z ^ z >> 31;
}

static void make_poisson(const wcx_schedule_t *schedule, uint64_t *due_ns, uint64_t cnt)
{
  uint64_t state = schedule->seed;
  double at_ns = 0;
  for (uint64_t i = 0; i < cnt; i++)
  {
    double uniform = (double)((random_next(&state) >> 11) + 1) * 0x1p-53;
    at_ns -= log(uniform) * 1e9 / schedule->per_s;
    due_ns[i] = (uint64_t)at_ns;
  }
}

static void make_burst(const wcx_schedule_t *schedule, uint64_t *due_ns, uint64_t cnt)
{
  double period_ns = ((double)schedule->on_ms + schedule->off_ms) * 1e6;
  double on_share = schedule->on_ms * 1e6 / period_ns;
  for (uint64_t i = 0; i < cnt; i++)
  {
    double even_ns = (double)i * 1e9 / schedule->per_s;
    double period = floor(even_ns / period_ns);
    due_ns[i] = (uint64_t)(period * period_ns + (even_ns - period * period_ns) * on_share);
  }
}

uint64_t *wcx_schedule_load(const char *path, uint64_t cnt, char *err, size_t err_sz)
{
  FILE *file = fopen(path, "rbe");
  if (file == NULL)
  {
    snprintf(err, err_sz, "%s: %s", path, strerror(errno));
    return NULL;
  }
  uint64_t *due_ns = malloc((cnt + 1) * sizeof(uint64_t));
  bool rises = due_ns != NULL && fread(due_ns, sizeof(uint64_t), cnt + 1, file) == cnt; /* one more would be too many */
  fclose(file);
  for (uint64_t i = 1; rises && i < cnt; i++)
    rises = due_ns[i] >= due_ns[i - 1];
  if (rises)
    return due_ns;
  snprintf(err, err_sz, "%s: not %llu times of 8 bytes that never fall, one for each record of the flow", path, (unsigned long long)cnt);
  free(due_ns);
  return NULL;
}

void wcx_schedule_make(const wcx_schedule_t *schedule, uint64_t *due_ns, uint64_t cnt)
{
  WCX_CHECK(schedule->per_s > 0 && (schedule->kind != WCX_SCHEDULE_BURST || schedule->on_ms > 0), "a schedule of %g requests a second", schedule->per_s);
  switch (schedule->kind)
  {
  case WCX_SCHEDULE_CONSTANT:
    for (uint64_t i = 0; i < cnt; i++)
      due_ns[i] = (uint64_t)((double)i * 1e9 / schedule->per_s);
    return;
  case WCX_SCHEDULE_POISSON:
    make_poisson(schedule, due_ns, cnt);
    return;
  case WCX_SCHEDULE_BURST:
    make_burst(schedule, due_ns, cnt);
    return;
  }
}
