/* A histogram of durations in fixed memory: exact below 256 ns, 128 steps per power of two above (error below 0.8 %), up to 73 minutes.

       value    0 ... 255 | 256 ... 511 | 512 ... 1023 | ... | 2^41 ... 2^42 - 1
       buckets  256 x 1   | 128 x 2     | 128 x 4      | ... | 128 x 2^34

   Owner:      one thread per histogram; add histograms of several threads up with wcx_hist_merge.
   Memory:     36 KiB in the caller's hands; all zero is an empty histogram.
   Units:      whatever is recorded, meant for ns. Values above the last bucket are counted in it; `max` stays exact.
   Calls:      record is a few instructions and one predictable branch: may be used in the loop. Merge and percentile walk all buckets.
   Pinned by:  tests/unit/test_base.c. */
#ifndef WCX_BASE_HIST_H
#define WCX_BASE_HIST_H

#include <stdint.h>

#define WCX_HIST_STEPS_LG 7u
#define WCX_HIST_STEPS (1u << WCX_HIST_STEPS_LG)
#define WCX_HIST_VALUE_LG 42u
#define WCX_HIST_BUCKETS ((WCX_HIST_VALUE_LG - WCX_HIST_STEPS_LG + 1) * WCX_HIST_STEPS)

typedef struct wcx_hist
{
  uint64_t cnt;
  uint64_t sum;
  uint64_t max;
  uint64_t buckets[WCX_HIST_BUCKETS];
} wcx_hist_t;

static inline uint32_t wcx_hist_bucket(uint64_t value)
{
  if (value >> WCX_HIST_VALUE_LG != 0)
    return WCX_HIST_BUCKETS - 1;
  uint32_t lg = 63u - (uint32_t)__builtin_clzll(value | WCX_HIST_STEPS);
  uint32_t shift = lg - WCX_HIST_STEPS_LG;
  return (shift << WCX_HIST_STEPS_LG) + (uint32_t)(value >> shift);
}

static inline void wcx_hist_record(wcx_hist_t *hist, uint64_t value)
{
  hist->cnt++;
  hist->sum += value;
  hist->max = value > hist->max ? value : hist->max;
  hist->buckets[wcx_hist_bucket(value)]++;
}

/* Largest value that counts in a bucket. */
uint64_t wcx_hist_bucket_end(uint32_t bucket);

/* into <- into + from */
void wcx_hist_merge(wcx_hist_t *into, const wcx_hist_t *from);

/* The value that `ppm` millionths of what was recorded do not exceed (500,000: median; 999,000: p99.9; 1,000,000: maximum), rounded up to the end of
   its bucket. 0 when nothing was recorded. */
uint64_t wcx_hist_percentile(const wcx_hist_t *hist, uint32_t ppm);

#endif
