/* Is B slower than A? Paired measurements, a robust estimate of their ratio with a confidence interval, and a verdict.

   Each pair was measured close together, so that what the machine did meanwhile is in both. Of the logarithms of the ratios B/A the estimate is the
   Hodges-Lehmann median (of the means of all two of them), the interval that of the signed-rank test: no distribution is assumed, only that noise is as likely to hit
   A as B. A few pairs that were disturbed move neither far.

   Owner:      the caller.
   Memory:     pairs^2/2 doubles for the time of the call.
   Units:      ratios: 1.05 is 5 % slower.
   Bounds:     WCX_PAIRED_MIN to WCX_PAIRED_MAX pairs, all values above 0.
   Pinned by:  tests/unit/test_paired_stats.c, tests/bench/test_compare.py. */
#ifndef WCX_BENCH_PAIRED_STATS_H
#define WCX_BENCH_PAIRED_STATS_H

#include <stdint.h>

#define WCX_PAIRED_MIN 10u
#define WCX_PAIRED_MAX 1000u

enum wcx_verdict
{
  WCX_VERDICT_EQUAL = 1,  /* the interval lies within twice the margin */
  WCX_VERDICT_SLOWER = 2, /* B: the interval leaves 1 out and the estimate is beyond the margin */
  WCX_VERDICT_FASTER = 3,
  WCX_VERDICT_UNCLEAR = 4, /* nothing of these: more pairs, or a quieter host */
};

typedef struct wcx_paired
{
  double ratio;     /* B/A */
  double low, high; /* 99 % */
  uint32_t cnt;
} wcx_paired_t;

wcx_paired_t wcx_paired_ratio(const double *a, const double *b, uint32_t cnt);

/* margin: the least difference that matters, 0.02 for 2 %. noise: of A against itself, measured beside; when that is a difference by the same rule, the host
   cannot tell and the verdict is UNCLEAR. NULL: not measured. */
enum wcx_verdict wcx_paired_verdict(const wcx_paired_t *paired, const wcx_paired_t *noise, double margin);

const char *wcx_verdict_text(enum wcx_verdict verdict);

#endif
