#include "bench/chart.h"

#include <math.h>

#define WIDTH 640.0
#define HEIGHT 390.0
#define LEFT 84.0
#define RIGHT 36.0 /* half a label */
#define TOP 58.0
#define BOTTOM 55.0
#define LEGEND_ROW 18.0
#define LETTER 7.2 /* as wide as one of the legend, or wider */
#define STEPS 6
#define TICKS_MAX 32u
#define POINTS_SHOWN 40u /* a line of more points shows none of them */

static const char *const colors[WCX_CHART_COLORS] = {"#1f5fa8", "#c8442e", "#2f8f4e", "#8a5fb0", "#c77a00", "#0f8a9d", "#b0407f", "#7a5230"};

typedef struct axis
{
  enum wcx_chart_scale scale;
  enum wcx_chart_unit unit;
  double from, to; /* in drawn units */
  uint32_t tick_cnt;
  double ticks[TICKS_MAX]; /* values */
} axis_t;

typedef struct frame
{
  axis_t x, y;
  double top;
} frame_t;

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

void wcx_chart_number(char *text, size_t text_sz, double value, enum wcx_chart_unit unit)
{
  static const char *const units[][4] = {
      [WCX_CHART_NUMBER] = {"", " k", " M", " G"}, [WCX_CHART_NS] = {" ns", " us", " ms", " s"}, [WCX_CHART_BYTES] = {" B", " kB", " MB", " GB"}};
  uint32_t prefix = 0;
  for (; prefix < 3 && fabs(value) >= 999.95; prefix++)
    value /= 1000;
  snprintf(text, text_sz, "%.4g%s", value, units[unit][prefix]);
}

/* --- axes ------------------------------------------------------------------------------------------------------------------------------- */

/* A value in the units of its axis, which are as wide as each other. */
static double drawn(enum wcx_chart_scale scale, double value)
{
  if (scale == WCX_CHART_LOG)
    return log10(fmax(value, WCX_CHART_LEAST));
  return scale == WCX_CHART_PERCENTILE ? -log10(fmax(1 - value, 1e-9)) : value;
}

static void add_tick(axis_t *axis, double value)
{
  if (axis->tick_cnt < TICKS_MAX)
    axis->ticks[axis->tick_cnt++] = value;
}

static void tick_linear(axis_t *axis)
{
  double to = fmax(axis->to, 1e-9);
  double step = pow(10, floor(log10(to / STEPS)));
  step *= step * 2 * STEPS >= to ? 2 : step * 5 * STEPS >= to ? 5 : 10;
  axis->from = 0;
  axis->to = fmax(ceil(axis->to / step - 1e-9), 1) * step;
  for (uint32_t i = 0; i * step <= axis->to * 1.0001; i++)
    add_tick(axis, i * step);
}

/* From step to step, so that values within a decade fill the chart; within few decades 1, 2 and 5 are labelled, otherwise powers of ten. */
static void tick_log(axis_t *axis)
{
  static const double steps[] = {1, 2, 5};
  double from = pow(10, axis->from) * 1.0001, to = pow(10, axis->to) * 0.9999;
  double first = 0, last = 0;
  bool all = axis->to - axis->from <= 2.5;
  for (int decade = (int)floor(axis->from) - 1; last == 0; decade++)
    for (uint32_t i = 0; i < 3 && last == 0; i++)
    {
      double value = steps[i] * pow(10, decade);
      first = value <= from ? value : first;
      last = value >= to && value > first ? value : 0;
    }
  axis->from = log10(first);
  axis->to = log10(last);
  for (int decade = (int)floor(axis->from); decade <= (int)ceil(axis->to); decade++)
    for (uint32_t i = 0; i < (all ? 3 : 1); i++)
    {
      double value = steps[i] * pow(10, decade);
      bool is_part = axis->unit != WCX_CHART_NS && value < 0.999 && value > WCX_CHART_LEAST * 1.001; /* of a count: there is none */
      if (value >= first * 0.999 && value <= last * 1.001 && !is_part)
        add_tick(axis, value);
    }
}

static void tick_percentile(axis_t *axis)
{
  axis->from = 0;
  axis->to = fmax(ceil(axis->to), 1);
  add_tick(axis, 0);
  if (axis->to < 4) /* beyond, its label would stand on that of 0 */
    add_tick(axis, 0.5);
  for (int nines = 1; nines <= (int)axis->to; nines++)
    add_tick(axis, 1 - pow(10, -nines));
}

static axis_t measure(const wcx_chart_t *chart, bool is_x)
{
  axis_t axis = {.scale = is_x ? chart->x_scale : chart->y_scale, .unit = is_x ? chart->x_unit : chart->y_unit, .from = INFINITY, .to = -INFINITY};
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
    tick_linear(&axis);
  else if (axis.scale == WCX_CHART_LOG)
    tick_log(&axis);
  else
    tick_percentile(&axis);
  return axis;
}

static double part(const axis_t *axis, double value)
{
  return (drawn(axis->scale, value) - axis->from) / (axis->to - axis->from);
}

static double place_x(const frame_t *frame, double value)
{
  return LEFT + part(&frame->x, value) * (WIDTH - LEFT - RIGHT);
}

static double place_y(const frame_t *frame, double value)
{
  return HEIGHT - BOTTOM - part(&frame->y, value) * (HEIGHT - frame->top - BOTTOM);
}

static void label(const axis_t *axis, double value, char text[32])
{
  if (axis->scale == WCX_CHART_PERCENTILE)
  {
    int nines = (int)lround(drawn(axis->scale, value));
    snprintf(text, 32, "%.*f %%", nines > 2 ? nines - 2 : 0, value * 100);
  }
  else
    wcx_chart_number(text, 32, axis->scale == WCX_CHART_LOG && value < WCX_CHART_LEAST * 1.01 ? 0 : value, axis->unit);
}

static void draw_axes(FILE *file, const frame_t *frame)
{
  char text[32];
  for (uint32_t i = 0; i < frame->x.tick_cnt; i++)
  {
    label(&frame->x, frame->x.ticks[i], text);
    double at = place_x(frame, frame->x.ticks[i]);
    fprintf(file, "<line x1=\"%.1f\" y1=\"%.0f\" x2=\"%.1f\" y2=\"%.0f\" stroke=\"#e4e4e4\"/><text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\" fill=\"#444\">%s</text>\n", at,
            frame->top, at, HEIGHT - BOTTOM, at, HEIGHT - BOTTOM + 18, text);
  }
  for (uint32_t i = 0; i < frame->y.tick_cnt; i++)
  {
    label(&frame->y, frame->y.ticks[i], text);
    double at = place_y(frame, frame->y.ticks[i]);
    fprintf(file, "<line x1=\"%.0f\" y1=\"%.1f\" x2=\"%.0f\" y2=\"%.1f\" stroke=\"#e4e4e4\"/><text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\" fill=\"#444\">%s</text>\n", LEFT, at,
            WIDTH - RIGHT, at, LEFT - 8, at + 4, text);
  }
  fprintf(file, "<line x1=\"%.0f\" y1=\"%.0f\" x2=\"%.0f\" y2=\"%.0f\" stroke=\"#888\"/>\n", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM);
}

/* --- series ----------------------------------------------------------------------------------------------------------------------------- */

/* An outline of steps, filled so that what lies behind is still seen. */
static void draw_bars(FILE *file, const wcx_chart_series_t *series, const frame_t *frame)
{
  double floor_y = HEIGHT - BOTTOM;
  fprintf(file, "<path fill=\"%s\" fill-opacity=\"0.22\" stroke=\"%s\" stroke-width=\"1.5\" d=\"M%.1f,%.1f", colors[series->color], colors[series->color],
          place_x(frame, series->x[0]), floor_y);
  for (uint32_t i = 0; i < series->cnt; i++)
  {
    double end = i + 1 < series->cnt ? place_x(frame, series->x[i + 1]) : fmin(place_x(frame, series->x[i]) + 6, WIDTH - RIGHT);
    fprintf(file, "V%.1fH%.1f", place_y(frame, series->y[i]), end);
  }
  fprintf(file, "V%.1f\"/>\n", floor_y);
}

static void draw_points(FILE *file, const wcx_chart_series_t *series, const frame_t *frame)
{
  for (uint32_t i = 0; i < series->cnt; i++)
  {
    char x[32], y[32];
    label(&frame->x, series->x[i], x);
    label(&frame->y, series->y[i], y);
    fprintf(file, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"><title>", place_x(frame, series->x[i]), place_y(frame, series->y[i]), colors[series->color]);
    wcx_chart_text(file, series->name != NULL ? series->name : "");
    fprintf(file, "  %s: %s</title></circle>\n", x, y);
  }
}

static void draw_line(FILE *file, const wcx_chart_series_t *series, const frame_t *frame)
{
  fprintf(file, "<path fill=\"none\" stroke=\"%s\" %s d=\"", colors[series->color], series->dashed ? "stroke-width=\"1.2\" stroke-dasharray=\"5 4\"" : "stroke-width=\"2\"");
  for (uint32_t i = 0; i < series->cnt; i++)
    fprintf(file, "%c%.1f,%.1f", i == 0 ? 'M' : 'L', place_x(frame, series->x[i]), place_y(frame, series->y[i]));
  fputs("\"/>\n", file);
  if (!series->dashed && series->cnt <= POINTS_SHOWN)
    draw_points(file, series, frame);
}

static uint32_t letters(const char *text)
{
  uint32_t cnt = 0;
  for (; *text != 0; text++)
    cnt += ((unsigned char)*text & 0xc0u) != 0x80u; /* of UTF-8 the first byte */
  return cnt;
}

/* Names beside a stroke of their colour, in as many rows as they need. Returns where they end; file NULL: only that. */
static double draw_legend(FILE *file, const wcx_chart_t *chart)
{
  double x = LEFT;
  double y = chart->note != NULL ? 64 : 46;
  for (uint32_t i = 0; i < chart->series_cnt; i++)
  {
    const wcx_chart_series_t *series = &chart->series[i];
    if (series->name == NULL)
      continue;
    double width = 40 + LETTER * letters(series->name);
    if (x > LEFT && x + width > WIDTH - RIGHT)
    {
      x = LEFT;
      y += LEGEND_ROW;
    }
    if (file != NULL)
    {
      fprintf(file, "<line x1=\"%.0f\" y1=\"%.0f\" x2=\"%.0f\" y2=\"%.0f\" stroke=\"%s\" stroke-width=\"%s\"/><text x=\"%.0f\" y=\"%.0f\" fill=\"%s\">", x, y - 4, x + 18, y - 4,
              colors[series->color], series->dashed ? "1.2\" stroke-dasharray=\"5 4" : "3", x + 24, y, colors[series->color]);
      wcx_chart_text(file, series->name);
      fputs("</text>\n", file);
    }
    x += width;
  }
  return y;
}

void wcx_chart_draw(const wcx_chart_t *chart, FILE *file)
{
  frame_t frame = {.x = measure(chart, true), .y = measure(chart, false), .top = fmax(TOP, draw_legend(NULL, chart) + 14)};
  fprintf(file, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" font-size=\"12\">\n", WIDTH, HEIGHT,
          WIDTH, HEIGHT);
  fprintf(file, "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#fff\"/>\n<text x=\"%.0f\" y=\"26\" font-size=\"16\">", WIDTH, HEIGHT, LEFT);
  wcx_chart_text(file, chart->title);
  fputs("</text>\n", file);
  if (chart->note != NULL)
  {
    fprintf(file, "<text x=\"%.0f\" y=\"44\" fill=\"#666\">", LEFT);
    wcx_chart_text(file, chart->note);
    fputs("</text>\n", file);
  }
  fprintf(file, "<text class=\"axis\" x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">", LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 14);
  wcx_chart_text(file, chart->x_label);
  fprintf(file, "</text>\n<text class=\"axis\" transform=\"translate(18 %.0f) rotate(-90)\" text-anchor=\"middle\">", frame.top + (HEIGHT - frame.top - BOTTOM) / 2);
  wcx_chart_text(file, chart->y_label);
  fputs("</text>\n", file);
  draw_axes(file, &frame);
  for (uint32_t i = 0; i < chart->series_cnt; i++)
    if (chart->bars)
      draw_bars(file, &chart->series[i], &frame);
    else
      draw_line(file, &chart->series[i], &frame);
  (void)draw_legend(file, chart);
  fputs("</svg>\n", file);
}
