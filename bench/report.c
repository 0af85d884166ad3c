#include "bench/report.h"

#include "bench/chart.h"

#include <math.h>
#include <stdlib.h>

#define PLOTS_MAX 3u
#define CURVE_POINTS 121u /* 20 a nine */
#define BINS 120u

typedef struct plot
{
  const char *name;
  wcx_chart_t chart;
  double x[WCX_RUN_FOLDER_HISTS_MAX][CURVE_POINTS], y[WCX_RUN_FOLDER_HISTS_MAX][CURVE_POINTS];
} plot_t;

/* From the median's side to the last value: as many nines as there are values for. */
static void draw_curve(const wcx_run_folder_t *folder, plot_t *plot)
{
  plot->name = "percentiles";
  plot->chart = (wcx_chart_t){.title = "Percentiles", .x_label = "percentile", .y_label = "ns", .x_scale = WCX_CHART_PERCENTILE, .y_scale = WCX_CHART_LOG};
  for (uint32_t i = 0; i < folder->hist_cnt; i++)
  {
    const wcx_hdr_t *hdr = &folder->hists[i];
    double nines = fmin(fmax(log10((double)hdr->cnt), 1), 6);
    for (uint32_t k = 0; k < CURVE_POINTS; k++)
    {
      plot->x[i][k] = 1 - pow(10, -nines * k / (CURVE_POINTS - 1));
      plot->y[i][k] = (double)wcx_hdr_percentile(hdr, (uint32_t)lround(plot->x[i][k] * 1e6));
    }
    plot->chart.series[plot->chart.series_cnt++] = (wcx_chart_series_t){folder->tags[i], plot->x[i], plot->y[i], CURVE_POINTS};
  }
}

/* Bins as wide as each other on a logarithmic axis. */
static void draw_histogram(const wcx_run_folder_t *folder, plot_t *plot)
{
  double from = INFINITY;
  double to = 1;
  plot->name = "histogram";
  plot->chart = (wcx_chart_t){.title = "Histogram", .x_label = "ns", .y_label = "count", .x_scale = WCX_CHART_LOG, .y_scale = WCX_CHART_LOG, .bars = true};
  for (uint32_t i = 0; i < folder->hist_cnt; i++)
  {
    from = fmin(from, log10(fmax((double)folder->hists[i].min, 1)));
    to = fmax(to, log10(fmax((double)folder->hists[i].max, 1)));
  }
  double width = fmax(to - from, 0.1) / (BINS - 1);
  for (uint32_t i = 0; i < folder->hist_cnt; i++)
  {
    for (uint32_t k = 0; k < BINS; k++)
      plot->x[i][k] = pow(10, from + k * width);
    for (uint32_t slot = 0; slot < WCX_HDR_SLOTS; slot++)
    {
      double bin = (log10(fmax((double)wcx_hdr_slot_begin(slot), 1)) - from) / width;
      plot->y[i][(uint32_t)fmin(fmax(bin, 0), BINS - 1)] += (double)folder->hists[i].slots[slot];
    }
    plot->chart.series[plot->chart.series_cnt++] = (wcx_chart_series_t){folder->tags[i], plot->x[i], plot->y[i], BINS};
  }
}

static void draw_samples(const wcx_run_folder_t *folder, plot_t *plot)
{
  plot->name = "samples";
  plot->chart = (wcx_chart_t){.title = "In the order of measuring", .x_label = "s", .y_label = folder->sample_label, .x_scale = WCX_CHART_LINEAR, .y_scale = WCX_CHART_LINEAR};
  plot->chart.series[plot->chart.series_cnt++] = (wcx_chart_series_t){folder->sample_label, folder->at_s, folder->samples, folder->sample_cnt};
}

/* --- the page --------------------------------------------------------------------------------------------------------------------------- */

static void put_row(FILE *file, const char *name, const char *text)
{
  fprintf(file, "<tr><th>%s</th><td>", name);
  wcx_chart_text(file, text);
  fputs("</td></tr>\n", file);
}

static void put_preflight(FILE *file, const wcx_preflight_t *preflight)
{
  fputs("<h2>Host</h2>\n<table><tr><th>item</th><th></th><th>found</th><th>what to do</th></tr>\n", file);
  for (uint32_t i = 0; i < preflight->item_cnt; i++)
  {
    const wcx_preflight_item_t *item = &preflight->items[i];
    fprintf(file, "<tr><th>%s</th><td>%s</td><td>", item->name, wcx_fitness_text(item->fitness));
    wcx_chart_text(file, item->state);
    fputs("</td><td>", file);
    wcx_chart_text(file, item->fix);
    fputs("</td></tr>\n", file);
  }
  fputs("</table>\n", file);
}

static void put_percentiles(FILE *file, const wcx_run_folder_t *folder)
{
  static const uint32_t ppms[] = {500000, 900000, 990000, 999000, 999900};
  fputs("<h2>Percentiles, ns</h2>\n<table><tr><th></th><th>count</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>p99.99</th><th>max</th></tr>\n", file);
  for (uint32_t i = 0; i < folder->hist_cnt; i++)
  {
    const wcx_hdr_t *hdr = &folder->hists[i];
    fprintf(file, "<tr><th>%s</th><td>%llu</td>", folder->tags[i], (unsigned long long)hdr->cnt);
    for (uint32_t k = 0; k < sizeof(ppms) / sizeof(ppms[0]); k++)
      fprintf(file, "<td>%llu</td>", (unsigned long long)wcx_hdr_percentile(hdr, ppms[k]));
    fprintf(file, "<td>%llu</td></tr>\n", (unsigned long long)hdr->max);
  }
  fputs("</table>\n", file);
}

static void put_page(FILE *file, const wcx_run_folder_t *folder, const plot_t *plots, uint32_t plot_cnt, const char *const rows[][2], uint32_t row_cnt, bool valid)
{
  fprintf(file,
          "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>wcx-bench %s</title>\n<style>body{font:14px sans-serif;margin:2em;max-width:60em}"
          "table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.2em .8em;border-bottom:1px solid #ddd}td{overflow-wrap:anywhere}"
          ".bad{background:#fbe3df;padding:.6em}svg{max-width:100%%;height:auto}</style></head><body>\n<h1>wcx-bench %s</h1>\n",
          folder->command, folder->command);
  if (!valid)
    fputs("<p class=\"bad\">This run is invalid: what was measured was not right.</p>\n", file);
  if (!folder->preflight.fit)
    fputs("<p class=\"bad\">Measured on a host that is not fit: see below.</p>\n", file);
  fputs("<table>\n", file);
  for (uint32_t i = 0; i < row_cnt; i++)
    put_row(file, rows[i][0], rows[i][1]);
  fputs("</table>\n", file);
  if (folder->hist_cnt > 0)
    put_percentiles(file, folder);
  for (uint32_t i = 0; i < plot_cnt; i++)
    wcx_chart_draw(&plots[i].chart, file);
  put_preflight(file, &folder->preflight);
  fputs("</body></html>\n", file);
}

static FILE *open_in(const wcx_run_folder_t *folder, const char *name, const char *suffix)
{
  char path[4096];
  snprintf(path, sizeof(path), "%s/%s%s", folder->path, name, suffix);
  return fopen(path, "we");
}

static bool end(FILE *file)
{
  bool bad = ferror(file) != 0;
  return fclose(file) == 0 && !bad;
}

static uint32_t draw_all(const wcx_run_folder_t *folder, plot_t *plots)
{
  uint32_t cnt = 0;
  bool counted = folder->hist_cnt > 0;
  for (uint32_t i = 0; i < folder->hist_cnt; i++)
    counted = counted && folder->hists[i].cnt > 0;
  if (counted)
  {
    draw_curve(folder, &plots[cnt++]);
    draw_histogram(folder, &plots[cnt++]);
  }
  if (folder->sample_cnt > 0)
    draw_samples(folder, &plots[cnt++]);
  return cnt;
}

bool wcx_report_write(const wcx_run_folder_t *folder, const char *host, const char *commit, const char *result_json, bool valid)
{
  plot_t *plots = calloc(PLOTS_MAX, sizeof(*plots));
  if (plots == NULL)
    return false;
  uint32_t cnt = draw_all(folder, plots);
  bool good = true;
  for (uint32_t i = 0; good && i < cnt; i++)
  {
    FILE *file = open_in(folder, plots[i].name, ".svg");
    good = file != NULL;
    if (!good)
      break;
    wcx_chart_draw(&plots[i].chart, file);
    good = end(file);
  }
  FILE *page = good ? open_in(folder, "report", ".html") : NULL;
  if (page != NULL)
  {
    const char *const rows[][2] = {{"host", host}, {"commit", commit}, {"folder", folder->path}, {"result", result_json}};
    put_page(page, folder, plots, cnt, rows, sizeof(rows) / sizeof(rows[0]), valid);
    good = end(page);
  }
  free(plots);
  return good && page != NULL;
}
