/* A line plot as SVG, with nothing but the C library: x logarithmic, y linear from 0, labels at the ends of the lines.

   Owner:      the caller owns everything; nothing is kept.
   Result:     0, or -1 with errno when the file cannot be written.
   Bounds:     x rises and is above 0; up to 16 points a series, up to 12 series. Texts are ASCII without <, >, &.
   Pinned by:  tests/bench/test_bench.py. */
#ifndef WCX_BENCH_PLOT_H
#define WCX_BENCH_PLOT_H

#include <stdint.h>

#define WCX_PLOT_POINTS_MAX 16u
#define WCX_PLOT_SERIES_MAX 12u

typedef struct wcx_plot_series
{
  const char *name;
  uint32_t color; /* 0xRRGGBB */
  double y[WCX_PLOT_POINTS_MAX];
  double dashed_y[WCX_PLOT_POINTS_MAX]; /* what it is compared with: a thinner, dashed line of the same colour */
} wcx_plot_series_t;

typedef struct wcx_plot
{
  const char *title;
  const char *subtitle;
  const char *x_label;
  const char *y_label;
  uint32_t point_cnt;
  uint32_t series_cnt;
  double x[WCX_PLOT_POINTS_MAX];
  wcx_plot_series_t series[WCX_PLOT_SERIES_MAX];
} wcx_plot_t;

int wcx_plot_write(const wcx_plot_t *plot, const char *path) __attribute__((warn_unused_result));

#endif
