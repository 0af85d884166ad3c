/* A chart as an <svg> element: lines or bars over a linear, a logarithmic or a percentile axis. plot.h draws the one kind of plot that wcx-bench scale wants.

   Owner:      the caller owns everything; nothing is kept.
   Bounds:     at least one series with one point; x rises within a series; on a logarithmic axis values below `WCX_CHART_LEAST` are drawn there. Texts are escaped.
   Pinned by:  tests/bench/test_run_folder.py. */
#ifndef WCX_BENCH_CHART_H
#define WCX_BENCH_CHART_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define WCX_CHART_SERIES_MAX 4u
#define WCX_CHART_LEAST 0.1 /* labelled 0: so that a bar of 1 is seen */

enum wcx_chart_scale
{
  WCX_CHART_LINEAR = 1, /* from 0 */
  WCX_CHART_LOG = 2,
  WCX_CHART_PERCENTILE = 3, /* 0 .. 1, each nine as wide as the one before: 0, 90 %, 99 %, 99.9 % .. */
};

typedef struct wcx_chart_series
{
  const char *name;
  const double *x, *y;
  uint32_t cnt;
} wcx_chart_series_t;

typedef struct wcx_chart
{
  const char *title, *x_label, *y_label;
  enum wcx_chart_scale x_scale, y_scale;
  bool bars;
  uint32_t series_cnt;
  wcx_chart_series_t series[WCX_CHART_SERIES_MAX];
} wcx_chart_t;

void wcx_chart_draw(const wcx_chart_t *chart, FILE *file);

/* A text with <, >, & and " escaped. */
void wcx_chart_text(FILE *file, const char *text);

#endif
