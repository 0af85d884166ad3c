#include "bench/noise.h"

#include "engine/base/env.h"

#include <sched.h>
#include <x86intrin.h>

#define CALIBRATE_NS UINT64_C(2000000)

static double ticks_per_ns(void)
{
  uint64_t from_ns = wcx_env_mono_ns();
  uint64_t from = __rdtsc();
  uint64_t now_ns;
  while ((now_ns = wcx_env_mono_ns()) - from_ns < CALIBRATE_NS)
    ;
  return (double)(__rdtsc() - from) / (double)(now_ns - from_ns);
}

bool wcx_noise_measure(wcx_noise_t *noise, int cpu, uint32_t ms)
{
  cpu_set_t before, here;
  CPU_ZERO(&here);
  CPU_SET((size_t)cpu, &here);
  *noise = (wcx_noise_t){0};
  if (sched_getaffinity(0, sizeof(before), &before) != 0 || sched_setaffinity(0, sizeof(here), &here) != 0)
    return false;
  double per_ns = ticks_per_ns();
  uint64_t gap = (uint64_t)(WCX_NOISE_GAP_NS * per_ns);
  uint64_t from = __rdtsc();
  uint64_t until = from + (uint64_t)(ms * 1e6 * per_ns);
  uint64_t then = from;
  while (then < until)
  {
    uint64_t now = __rdtsc();
    if (now - then > gap)
    {
      uint64_t ns = (uint64_t)((double)(now - then) / per_ns);
      wcx_hdr_record(&noise->gaps, ns, 1);
      noise->away_ns += ns;
      now = __rdtsc(); /* recording is not a gap */
    }
    then = now;
  }
  noise->measured_ns = (uint64_t)((double)(then - from) / per_ns);
  return sched_setaffinity(0, sizeof(before), &before) == 0;
}
