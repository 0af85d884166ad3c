#include "bench/plot.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#define WIDTH 900.0
#define HEIGHT 520.0
#define LEFT 70.0
#define RIGHT 210.0 /* room for the names */
#define TOP 70.0
#define BOTTOM 60.0
#define NAME_GAP 16.0
#define GRID_LINES 6

typedef struct scale
{
  double x_from, x_to; /* log10 */
  double y_to;
} scale_t;

static double x_at(const scale_t *scale, double x)
{
  double part = scale->x_to > scale->x_from ? (log10(x) - scale->x_from) / (scale->x_to - scale->x_from) : 0.5;
  return LEFT + part * (WIDTH - LEFT - RIGHT);
}

static double y_at(const scale_t *scale, double y)
{
  return HEIGHT - BOTTOM - y / scale->y_to * (HEIGHT - TOP - BOTTOM);
}

/* 1, 2 or 5 times a power of ten, so that a few such steps reach `to`. */
static double round_step(double to)
{
  double step = pow(10, floor(log10(to / GRID_LINES)));
  if (step * 2 * GRID_LINES >= to)
    return step * 2;
  return step * 5 * GRID_LINES >= to ? step * 5 : step * 10;
}

static scale_t measure(const wcx_plot_t *plot, double *step)
{
  double highest = 1;
  for (uint32_t i = 0; i < plot->series_cnt; i++)
    for (uint32_t k = 0; k < plot->point_cnt; k++)
      highest = fmax(highest, fmax(plot->series[i].y[k], plot->series[i].dashed_y[k]));
  *step = round_step(highest);
  return (scale_t){.x_from = log10(plot->x[0]), .x_to = log10(plot->x[plot->point_cnt - 1]), .y_to = *step * ceil(highest / *step)};
}

static void draw_axes(FILE *file, const wcx_plot_t *plot, const scale_t *scale, double step)
{
  for (double y = 0; y <= scale->y_to * 1.001; y += step)
  {
    fprintf(file, "<line x1=\"%.0f\" y1=\"%.1f\" x2=\"%.0f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", LEFT, y_at(scale, y), WIDTH - RIGHT, y_at(scale, y));
    fprintf(file, "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%.0f</text>\n", LEFT - 8, y_at(scale, y) + 4, y);
  }
  for (uint32_t i = 0; i < plot->point_cnt; i++)
  {
    fprintf(file, "<line x1=\"%.1f\" y1=\"%.0f\" x2=\"%.1f\" y2=\"%.0f\" stroke=\"#ddd\"/>\n", x_at(scale, plot->x[i]), TOP, x_at(scale, plot->x[i]), HEIGHT - BOTTOM);
    fprintf(file, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%.0f</text>\n", x_at(scale, plot->x[i]), HEIGHT - BOTTOM + 18, plot->x[i]);
  }
  fprintf(file, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">%s</text>\n", LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 16, plot->x_label);
  fprintf(file, "<text transform=\"translate(18 %.0f) rotate(-90)\" text-anchor=\"middle\">%s</text>\n", TOP + (HEIGHT - TOP - BOTTOM) / 2, plot->y_label);
}

static void draw_line(FILE *file, const wcx_plot_t *plot, const scale_t *scale, const double *y, uint32_t color, const char *style)
{
  fprintf(file, "<polyline fill=\"none\" stroke=\"#%06x\" %s points=\"", color, style);
  for (uint32_t i = 0; i < plot->point_cnt; i++)
    fprintf(file, "%.1f,%.1f ", x_at(scale, plot->x[i]), y_at(scale, y[i]));
  fputs("\"/>\n", file);
}

/* Names at the right ends, moved up where they would overlap, lowest first. */
static void draw_names(FILE *file, const wcx_plot_t *plot, const scale_t *scale)
{
  uint32_t last = plot->point_cnt - 1;
  double free_y = HEIGHT - BOTTOM;
  double drawn_to = -1;
  for (uint32_t i = 0; i < plot->series_cnt; i++)
  {
    uint32_t next = plot->series_cnt;
    for (uint32_t k = 0; k < plot->series_cnt; k++)
    {
      double y = plot->series[k].y[last] + 1e-6 * k; /* equal ends: in order */
      if (y > drawn_to && (next == plot->series_cnt || y < plot->series[next].y[last] + 1e-6 * next))
        next = k;
    }
    drawn_to = plot->series[next].y[last] + 1e-6 * next;
    double y = fmin(y_at(scale, plot->series[next].y[last]) + 4, free_y);
    free_y = y - NAME_GAP;
    fprintf(file, "<text x=\"%.0f\" y=\"%.1f\" fill=\"#%06x\">%s</text>\n", WIDTH - RIGHT + 8, y, plot->series[next].color, plot->series[next].name);
  }
}

int wcx_plot_write(const wcx_plot_t *plot, const char *path)
{
  FILE *file = fopen(path, "w");
  if (file == NULL)
    return -1;
  double step;
  scale_t scale = measure(plot, &step);
  fprintf(file, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" font-family=\"sans-serif\" font-size=\"12\">\n", WIDTH, HEIGHT);
  fprintf(file, "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#fff\"/>\n", WIDTH, HEIGHT);
  fprintf(file, "<text x=\"%.0f\" y=\"28\" font-size=\"16\">%s</text>\n<text x=\"%.0f\" y=\"48\" fill=\"#555\">%s</text>\n", LEFT, plot->title, LEFT, plot->subtitle);
  draw_axes(file, plot, &scale, step);
  for (uint32_t i = 0; i < plot->series_cnt; i++)
  {
    draw_line(file, plot, &scale, plot->series[i].dashed_y, plot->series[i].color, "stroke-width=\"1\" stroke-dasharray=\"4 4\"");
    draw_line(file, plot, &scale, plot->series[i].y, plot->series[i].color, "stroke-width=\"2\"");
  }
  draw_names(file, plot, &scale);
  fputs("</svg>\n", file);
  bool written = ferror(file) == 0;
  return fclose(file) == 0 && written ? 0 : -1;
}
