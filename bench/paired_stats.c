#include "bench/paired_stats.h"

#include "engine/base/check.h"

#include <math.h>
#include <stdlib.h>

#define Z_99 2.5758

static int compare(const void *a, const void *b)
{
  double x = *(const double *)a;
  double y = *(const double *)b;
  return (x > y) - (x < y);
}

wcx_paired_t wcx_paired_ratio(const double *a, const double *b, uint32_t cnt)
{
  WCX_CHECK(cnt >= WCX_PAIRED_MIN && cnt <= WCX_PAIRED_MAX, "%u pairs", cnt);
  size_t mean_cnt = (size_t)cnt * (cnt + 1) / 2;
  double *means = calloc(mean_cnt, sizeof(double));
  WCX_CHECK(means != NULL, "out of memory");
  size_t at = 0;
  for (uint32_t i = 0; i < cnt; i++)
    for (uint32_t k = i; k < cnt; k++)
      means[at++] = (log(b[i] / a[i]) + log(b[k] / a[k])) / 2;
  qsort(means, mean_cnt, sizeof(double), compare);
  /* Of the signed-rank statistic: its mean less so many deviations is how many means lie outside on either side. */
  double n = cnt;
  double outside = floor(n * (n + 1) / 4 - Z_99 * sqrt(n * (n + 1) * (2 * n + 1) / 24));
  size_t cut = outside > 0 ? (size_t)outside : 0;
  wcx_paired_t paired = {.ratio = exp((means[(mean_cnt - 1) / 2] + means[mean_cnt / 2]) / 2), .low = exp(means[cut]), .high = exp(means[mean_cnt - 1 - cut]), .cnt = cnt};
  free(means);
  return paired;
}

static enum wcx_verdict judge(const wcx_paired_t *paired, double margin)
{
  if (paired->low > 1 && paired->ratio > 1 + margin)
    return WCX_VERDICT_SLOWER;
  if (paired->high < 1 && paired->ratio < 1 / (1 + margin))
    return WCX_VERDICT_FASTER;
  if (paired->low > 1 / (1 + 2 * margin) && paired->high < 1 + 2 * margin)
    return WCX_VERDICT_EQUAL;
  return WCX_VERDICT_UNCLEAR;
}

enum wcx_verdict wcx_paired_verdict(const wcx_paired_t *paired, const wcx_paired_t *noise, double margin)
{
  enum wcx_verdict of_noise = noise == NULL ? WCX_VERDICT_EQUAL : judge(noise, margin);
  if (of_noise == WCX_VERDICT_SLOWER || of_noise == WCX_VERDICT_FASTER)
    return WCX_VERDICT_UNCLEAR;
  return judge(paired, margin);
}

const char *wcx_verdict_text(enum wcx_verdict verdict)
{
  static const char *const texts[] = {[WCX_VERDICT_EQUAL] = "equal", [WCX_VERDICT_SLOWER] = "slower", [WCX_VERDICT_FASTER] = "faster", [WCX_VERDICT_UNCLEAR] = "unclear"};
  return texts[verdict];
}
