#include "bench/chart.h"

#include <math.h>

#define WIDTH 860.0
#define HEIGHT 420.0
#define LEFT 100.0 /* a label of an hour in ns */
#define RIGHT 50.0 /* half a label */
#define TOP 60.0
#define BOTTOM 55.0
#define STEPS 6

static const char *const colors[WCX_CHART_SERIES_MAX] = {"#1f5fa8", "#c8442e", "#2f8f4e", "#8a5fb0"};

typedef struct axis
{
  enum wcx_chart_scale scale;
  double from, to; /* in drawn units */
  double step;
} axis_t;

void wcx_chart_text(FILE *file, const char *text)
{
  for (; *text != 0; text++)
  {
    switch (*text)
    {
    case '<':
      fputs("&lt;", file);
      break;
    case '>':
      fputs("&gt;", file);
      break;
    case '&':
      fputs("&amp;", file);
      break;
    case '"':
      fputs("&quot;", file);
      break;
    default:
      fputc(*text, file);
    }
  }
}

/* A value in the units of its axis, which are as wide as each other. */
static double drawn(enum wcx_chart_scale scale, double value)
{
  if (scale == WCX_CHART_LOG)
    return log10(fmax(value, WCX_CHART_LEAST));
  return scale == WCX_CHART_PERCENTILE ? -log10(fmax(1 - value, 1e-9)) : value;
}

static axis_t measure(const wcx_chart_t *chart, bool is_x)
{
  axis_t axis = {.scale = is_x ? chart->x_scale : chart->y_scale, .from = INFINITY, .to = -INFINITY, .step = 1};
  for (uint32_t i = 0; i < chart->series_cnt; i++)
  {
    for (uint32_t k = 0; k < chart->series[i].cnt; k++)
    {
      double value = drawn(axis.scale, is_x ? chart->series[i].x[k] : chart->series[i].y[k]);
      axis.from = fmin(axis.from, value);
      axis.to = fmax(axis.to, value);
    }
  }
  if (axis.scale == WCX_CHART_LINEAR)
  {
    double to = fmax(axis.to, 1e-9);
    axis.step = pow(10, floor(log10(to / STEPS)));
    axis.step *= axis.step * 2 * STEPS >= to ? 2 : axis.step * 5 * STEPS >= to ? 5 : 10;
    axis.from = 0;
  }
  axis.from = floor(axis.from / axis.step) * axis.step;
  axis.to = fmax(ceil(axis.to / axis.step), axis.from / axis.step + 1) * axis.step;
  return axis;
}

static double place(const axis_t *axis, double value, bool is_x)
{
  double part = (drawn(axis->scale, value) - axis->from) / (axis->to - axis->from);
  return is_x ? LEFT + part * (WIDTH - LEFT - RIGHT) : HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM);
}

/* What stands at a step, and the value there. */
static double label(const axis_t *axis, double at, char text[32])
{
  if (axis->scale == WCX_CHART_PERCENTILE)
  {
    double value = 1 - pow(10, -at);
    snprintf(text, 32, "%.*f %%", at > 2 ? (int)at - 2 : 0, value * 100);
    return value;
  }
  double value = axis->scale == WCX_CHART_LOG ? pow(10, at) : at;
  snprintf(text, 32, "%.*f", axis->step < 1 ? (int)ceil(-log10(axis->step)) : 0, value);
  return value;
}

static void draw_axis(FILE *file, const axis_t *axis, bool is_x)
{
  uint32_t cnt = (uint32_t)lround((axis->to - axis->from) / axis->step);
  for (uint32_t i = 0; i <= cnt; i++)
  {
    char text[32];
    double at = place(axis, label(axis, axis->from + i * axis->step, text), is_x);
    if (is_x)
      fprintf(file, "<line x1=\"%.1f\" y1=\"%.0f\" x2=\"%.1f\" y2=\"%.0f\" stroke=\"#ddd\"/><text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%s</text>\n", at, TOP, at,
              HEIGHT - BOTTOM, at, HEIGHT - BOTTOM + 18, text);
    else
      fprintf(file, "<line x1=\"%.0f\" y1=\"%.1f\" x2=\"%.0f\" y2=\"%.1f\" stroke=\"#ddd\"/><text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", LEFT, at, WIDTH - RIGHT,
              at, LEFT - 8, at + 4, text);
  }
}

static void draw_series(FILE *file, const wcx_chart_t *chart, uint32_t number, const axis_t *x, const axis_t *y)
{
  const wcx_chart_series_t *series = &chart->series[number];
  fprintf(file, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" d=\"", colors[number]);
  for (uint32_t i = 0; i < series->cnt; i++)
  {
    double at = place(x, series->x[i], true);
    if (chart->bars)
      fprintf(file, "M%.1f,%.1fV%.1f", at, HEIGHT - BOTTOM, place(y, series->y[i], false));
    else
      fprintf(file, "%c%.1f,%.1f", i == 0 ? 'M' : 'L', at, place(y, series->y[i], false));
  }
  fputs("\"/>\n", file);
  if (!chart->bars && series->cnt == 1)
    fprintf(file, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", place(x, series->x[0], true), place(y, series->y[0], false), colors[number]);
  fprintf(file, "<text x=\"%.0f\" y=\"48\" fill=\"%s\">", LEFT + number * 180, colors[number]);
  wcx_chart_text(file, series->name);
  fputs("</text>\n", file);
}

void wcx_chart_draw(const wcx_chart_t *chart, FILE *file)
{
  axis_t x = measure(chart, true);
  axis_t y = measure(chart, false);
  fprintf(file, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" font-size=\"12\">\n", WIDTH, HEIGHT,
          WIDTH, HEIGHT);
  fprintf(file, "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#fff\"/>\n<text x=\"%.0f\" y=\"26\" font-size=\"16\">", WIDTH, HEIGHT, LEFT);
  wcx_chart_text(file, chart->title);
  fprintf(file, "</text>\n<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">", LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 14);
  wcx_chart_text(file, chart->x_label);
  fprintf(file, "</text>\n<text transform=\"translate(18 %.0f) rotate(-90)\" text-anchor=\"middle\">", TOP + (HEIGHT - TOP - BOTTOM) / 2);
  wcx_chart_text(file, chart->y_label);
  fputs("</text>\n", file);
  draw_axis(file, &x, true);
  draw_axis(file, &y, false);
  for (uint32_t i = 0; i < chart->series_cnt; i++)
    draw_series(file, chart, i, &x, &y);
  fputs("</svg>\n", file);
}
