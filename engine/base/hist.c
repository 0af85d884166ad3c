#include "engine/base/hist.h"

#include "engine/base/int128.h"

uint64_t wcx_hist_bucket_end(uint32_t bucket)
{
  if (bucket < 2 * WCX_HIST_STEPS)
    return bucket;
  uint32_t shift = (bucket >> WCX_HIST_STEPS_LG) - 1;
  uint64_t step = (bucket & (WCX_HIST_STEPS - 1)) + WCX_HIST_STEPS;
  return ((step + 1) << shift) - 1;
}

void wcx_hist_merge(wcx_hist_t *into, const wcx_hist_t *from)
{
  into->cnt += from->cnt;
  into->sum += from->sum;
  into->max = from->max > into->max ? from->max : into->max;
  for (uint32_t i = 0; i < WCX_HIST_BUCKETS; i++)
    into->buckets[i] += from->buckets[i];
}

uint64_t wcx_hist_percentile(const wcx_hist_t *hist, uint32_t ppm)
{
  uint64_t rank = (uint64_t)(((wcx_u128_t)hist->cnt * ppm + 999999) / 1000000);
  uint64_t seen = 0;
  if (rank == 0)
    rank = 1;
  for (uint32_t i = 0; i < WCX_HIST_BUCKETS; i++)
  {
    seen += hist->buckets[i];
    if (seen >= rank)
    {
      uint64_t end = wcx_hist_bucket_end(i);
      return end < hist->max && i != WCX_HIST_BUCKETS - 1 ? end : hist->max;
    }
  }
  return hist->max;
}
