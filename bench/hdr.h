/* An HDR histogram of durations: three significant digits from 1 ns to an hour, counted exactly as the HdrHistogram libraries count, so that what one writes
   another reads (hdr_log.h).

       value    0 .. 2047   | 2048 .. 4095 | 4096 .. 8191 | ... | 2^41 .. 2^42 - 1
       slots    2048 x 1    | 1024 x 2     | 1024 x 4     | ... | 1024 x 2^31

   engine/base/hist.h is for the loop: an eighth of the memory and as quick. This one is for results: its steps are finer, its form is known to other tools.

   Owner:      one thread a histogram.
   Memory:     264 KiB in the caller's hands; all zero is an empty histogram.
   Units:      ns. What is above an hour is counted at an hour; `max` stays exact, as does `min` (UINT64_MAX is never a minimum: look at cnt).
   Bounds:     percentiles in millionths, rounded up to the highest value that is not told apart from the one found, as HdrHistogram does.
   Pinned by:  tests/unit/test_hdr.c, tests/bench/test_hdr_log.py. */
#ifndef WCX_BENCH_HDR_H
#define WCX_BENCH_HDR_H

#include <assert.h>
#include <stdint.h>

#define WCX_HDR_DIGITS 3u
#define WCX_HDR_HALF_LG 10u /* 2 x 2^10 >= 2 x 10^3: a step is below a thousandth of its value */
#define WCX_HDR_HALF (1u << WCX_HDR_HALF_LG)
#define WCX_HDR_VALUE_MAX UINT64_C(3600000000000)
#define WCX_HDR_BUCKETS 32u
#define WCX_HDR_SLOTS ((WCX_HDR_BUCKETS + 1) * WCX_HDR_HALF)
static_assert(((uint64_t)2 * WCX_HDR_HALF << (WCX_HDR_BUCKETS - 1)) > WCX_HDR_VALUE_MAX && ((uint64_t)2 * WCX_HDR_HALF << (WCX_HDR_BUCKETS - 2)) <= WCX_HDR_VALUE_MAX,
              "an hour lies in the last bucket");

typedef struct wcx_hdr
{
  uint64_t cnt;
  uint64_t min; /* of what was recorded; meaningless while cnt is 0 */
  uint64_t max;
  double sum;
  uint64_t slots[WCX_HDR_SLOTS];
} wcx_hdr_t;

/* Which slot counts a value, and the least and highest value that slot counts. */
uint32_t wcx_hdr_slot(uint64_t value);
uint64_t wcx_hdr_slot_begin(uint32_t slot);
uint64_t wcx_hdr_slot_end(uint32_t slot);

void wcx_hdr_record(wcx_hdr_t *hdr, uint64_t value, uint64_t cnt);

/* Record what a client that waits for each answer saw, as one that sends every `interval` would have seen it: a value above the interval also counts as
   value - interval, value - 2 interval, .. down to the interval: value / interval recordings. interval 0: recorded as it is. */
void wcx_hdr_record_corrected(wcx_hdr_t *hdr, uint64_t value, uint64_t interval);

/* into <- into + from */
void wcx_hdr_add(wcx_hdr_t *into, const wcx_hdr_t *from);

/* The value that `ppm` millionths of what was recorded do not exceed. 0: nothing was recorded. */
uint64_t wcx_hdr_percentile(const wcx_hdr_t *hdr, uint32_t ppm);

/* 0: nothing was recorded. */
double wcx_hdr_mean(const wcx_hdr_t *hdr);

#endif
