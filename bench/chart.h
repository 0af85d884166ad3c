/* A chart as an <svg> element: lines or bars over a linear, a logarithmic or a percentile axis. Steps are 1, 2 or 5 times a power of ten and say their unit (20 us,
   5 ms); a line of few points shows each of them, with its values under the pointer.

   Owner:      the caller owns everything; nothing is kept.
   Bounds:     at least one series with one point; x rises within a series; on a logarithmic axis values below `WCX_CHART_LEAST` are drawn there. Texts are escaped.
   Pinned by:  tests/bench/test_run_folder.py, tests/bench/test_bench.py; in a browser: tests/bench/long_report.py. */
#ifndef WCX_BENCH_CHART_H
#define WCX_BENCH_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define WCX_CHART_SERIES_MAX 12u
#define WCX_CHART_COLORS 8u
#define WCX_CHART_LEAST 0.1 /* labelled 0: so that a bar of 1 is seen */

enum wcx_chart_scale
{
  WCX_CHART_LINEAR = 1, /* from 0 */
  WCX_CHART_LOG = 2,
  WCX_CHART_PERCENTILE = 3, /* 0 .. 1, each nine as wide as the one before: 0, 90 %, 99 %, 99.9 % .. */
};

/* What stands behind a number of an axis: prefixes by the thousand. */
enum wcx_chart_unit
{
  WCX_CHART_NUMBER = 1, /* 10 k, 1 M: the axis's label says of what */
  WCX_CHART_NS,         /* 50 ns, 20 us, 5 ms, 1 s */
  WCX_CHART_BYTES,      /* 20 kB, 5 MB, 1 GB */
};

typedef struct wcx_chart_series
{
  const char *name; /* NULL: not in the legend, because another series speaks for it */
  const double *x, *y;
  uint32_t cnt;
  uint32_t color; /* below WCX_CHART_COLORS */
  bool dashed;    /* what others are compared with */
} wcx_chart_series_t;

typedef struct wcx_chart
{
  const char *title;
  const char *note; /* a line below the title, or NULL */
  const char *x_label, *y_label;
  enum wcx_chart_scale x_scale, y_scale;
  enum wcx_chart_unit x_unit, y_unit;
  bool bars; /* x is where a bar begins */
  uint32_t series_cnt;
  wcx_chart_series_t series[WCX_CHART_SERIES_MAX];
} wcx_chart_t;

void wcx_chart_draw(const wcx_chart_t *chart, FILE *file);

/* A number with its unit, four digits of it: "1.235 us". */
void wcx_chart_number(char *text, size_t text_sz, double value, enum wcx_chart_unit unit);

/* A text with <, >, & and " escaped. */
void wcx_chart_text(FILE *file, const char *text);

#endif
