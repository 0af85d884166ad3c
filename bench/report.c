#include "bench/report.h"

#include "bench/chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CURVE_POINTS 121u /* 20 a nine */
#define BINS 120u
#define POINTS_MAX 256u
#define PLOTS_MAX (3u * WCX_RUN_FOLDER_HISTS_MAX + 1)
static_assert(CURVE_POINTS <= POINTS_MAX && BINS <= POINTS_MAX && WCX_RUN_FOLDER_PARTS_MAX <= POINTS_MAX, "a series has room");

typedef struct plot
{
  char name[96]; /* of its file */
  char title[96];
  wcx_chart_t chart;
  double x[WCX_CHART_SERIES_MAX][POINTS_MAX], y[WCX_CHART_SERIES_MAX][POINTS_MAX];
} plot_t;

/* The tags that are drawn together: GROUP/.. or all that have no group. */
typedef struct group
{
  const char *name;
  int name_sz;
  uint32_t cnt;
  uint32_t hists[WCX_CHART_SERIES_MAX];
} group_t;

static group_t group_of(const char *tag)
{
  const char *slash = strchr(tag, '/');
  return (group_t){.name = tag, .name_sz = slash != NULL ? (int)(slash - tag) : 0};
}

static const char *name_of(const char *tag)
{
  const char *slash = strchr(tag, '/');
  return slash != NULL ? slash + 1 : tag;
}

static uint32_t find_groups(const wcx_run_folder_t *folder, group_t groups[WCX_RUN_FOLDER_HISTS_MAX])
{
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < folder->hist_cnt; i++)
  {
    group_t of = group_of(folder->tags[i]);
    uint32_t k = 0;
    while (k < cnt && (groups[k].name_sz != of.name_sz || memcmp(groups[k].name, of.name, (size_t)of.name_sz) != 0))
      k++;
    if (k == cnt)
      groups[cnt++] = of;
    if (groups[k].cnt < WCX_CHART_SERIES_MAX && folder->hists[i].cnt > 0)
      groups[k].hists[groups[k].cnt++] = i;
  }
  return cnt;
}

static void begin(plot_t *plot, const group_t *group, const char *name, const char *title, wcx_chart_t chart)
{
  const char *dash = group->name_sz > 0 ? "-" : "";
  const char *colon = group->name_sz > 0 ? ": " : "";
  snprintf(plot->name, sizeof(plot->name), "%.*s%s%s", group->name_sz, group->name, dash, name);
  snprintf(plot->title, sizeof(plot->title), "%s%s%.*s", title, colon, group->name_sz, group->name);
  plot->chart = chart;
  plot->chart.title = plot->title;
}

static void add_series(plot_t *plot, const wcx_run_folder_t *folder, uint32_t hist, uint32_t cnt)
{
  uint32_t i = plot->chart.series_cnt++;
  plot->chart.series[i] = (wcx_chart_series_t){name_of(folder->tags[hist]), plot->x[i], plot->y[i], cnt};
}

/* From the median's side to the last value: as many nines as there are values for. */
static void draw_curve(const wcx_run_folder_t *folder, const group_t *group, plot_t *plot)
{
  begin(plot, group, "percentiles", "Percentiles", (wcx_chart_t){.x_label = "percentile", .y_label = "ns", .x_scale = WCX_CHART_PERCENTILE, .y_scale = WCX_CHART_LOG});
  for (uint32_t i = 0; i < group->cnt; i++)
  {
    const wcx_hdr_t *hdr = &folder->hists[group->hists[i]];
    double nines = fmin(fmax(log10((double)hdr->cnt), 1), 6);
    for (uint32_t k = 0; k < CURVE_POINTS; k++)
    {
      plot->x[i][k] = 1 - pow(10, -nines * k / (CURVE_POINTS - 1));
      plot->y[i][k] = (double)wcx_hdr_percentile(hdr, (uint32_t)lround(plot->x[i][k] * 1e6));
    }
    add_series(plot, folder, group->hists[i], CURVE_POINTS);
  }
}

/* Bins as wide as each other on a logarithmic axis. */
static void draw_histogram(const wcx_run_folder_t *folder, const group_t *group, plot_t *plot)
{
  double from = INFINITY;
  double to = 1;
  begin(plot, group, "histogram", "Histogram", (wcx_chart_t){.x_label = "ns", .y_label = "count", .x_scale = WCX_CHART_LOG, .y_scale = WCX_CHART_LOG, .bars = true});
  for (uint32_t i = 0; i < group->cnt; i++)
  {
    from = fmin(from, log10(fmax((double)folder->hists[group->hists[i]].min, 1)));
    to = fmax(to, log10(fmax((double)folder->hists[group->hists[i]].max, 1)));
  }
  double width = fmax(to - from, 0.1) / (BINS - 1);
  for (uint32_t i = 0; i < group->cnt; i++)
  {
    for (uint32_t k = 0; k < BINS; k++)
      plot->x[i][k] = pow(10, from + k * width);
    for (uint32_t slot = 0; slot < WCX_HDR_SLOTS; slot++)
    {
      double bin = (log10(fmax((double)wcx_hdr_slot_begin(slot), 1)) - from) / width;
      plot->y[i][(uint32_t)fmin(fmax(bin, 0), BINS - 1)] += (double)folder->hists[group->hists[i]].slots[slot];
    }
    add_series(plot, folder, group->hists[i], BINS);
  }
}

/* The medians of what was measured in parts, from the first of them on. False: nothing was. */
static bool draw_parts(const wcx_run_folder_t *folder, const group_t *group, plot_t *plot)
{
  double first_s = INFINITY;
  begin(plot, group, "parts", "Over time", (wcx_chart_t){.x_label = "s", .y_label = "p50 of a part, ns", .x_scale = WCX_CHART_LINEAR, .y_scale = WCX_CHART_LINEAR});
  for (uint32_t i = 0; i < group->cnt; i++)
    first_s = fmin(first_s, folder->part_at_s[group->hists[i]][0]);
  for (uint32_t i = 0; i < group->cnt; i++)
  {
    uint32_t hist = group->hists[i];
    uint32_t cnt = folder->part_cnt[hist];
    if (cnt < 2)
      continue;
    uint32_t series = plot->chart.series_cnt;
    for (uint32_t k = 0; k < cnt; k++)
    {
      plot->x[series][k] = folder->part_at_s[hist][k] - first_s;
      plot->y[series][k] = folder->part_p50[hist][k];
    }
    add_series(plot, folder, hist, cnt);
  }
  return plot->chart.series_cnt > 0;
}

static void draw_samples(const wcx_run_folder_t *folder, plot_t *plot)
{
  begin(plot, &(group_t){.name = ""}, "samples", "In the order of measuring",
        (wcx_chart_t){.x_label = "s", .y_label = folder->sample_label, .x_scale = WCX_CHART_LINEAR, .y_scale = WCX_CHART_LINEAR});
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

static void put_cell(FILE *file, const char *text)
{
  fputs("<td>", file);
  wcx_chart_text(file, text);
  fputs("</td>", file);
}

static void put_rows(FILE *file, const wcx_run_folder_t *folder)
{
  fputs("<h2>Figures</h2>\n<table class=\"figures\"><tr><th>what</th><th>result</th><th>compared with</th><th>command</th></tr>\n", file);
  for (uint32_t i = 0; i < folder->row_cnt; i++)
  {
    const wcx_run_row_t *row = &folder->rows[i];
    fputs("<tr>", file);
    put_cell(file, row->what);
    put_cell(file, row->result);
    put_cell(file, row->against);
    put_cell(file, row->command);
    fputs("</tr>\n", file);
  }
  fputs("</table>\n", file);
}

static void put_page(FILE *file, const wcx_run_folder_t *folder, const plot_t *plots, uint32_t plot_cnt, const char *const facts[][2], uint32_t fact_cnt, bool valid)
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
  for (uint32_t i = 0; i < fact_cnt; i++)
    put_row(file, facts[i][0], facts[i][1]);
  fputs("</table>\n", file);
  if (folder->row_cnt > 0)
    put_rows(file, folder);
  if (folder->hist_cnt > 0)
    put_percentiles(file, folder);
  for (uint32_t i = 0; i < plot_cnt; i++)
    wcx_chart_draw(&plots[i].chart, file);
  for (uint32_t i = 0; i < folder->figure_cnt; i++)
    fprintf(file, "%s\n", folder->figures[i].svg);
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
  group_t groups[WCX_RUN_FOLDER_HISTS_MAX];
  uint32_t group_cnt = find_groups(folder, groups);
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < group_cnt; i++)
  {
    if (groups[i].cnt == 0)
      continue;
    draw_curve(folder, &groups[i], &plots[cnt++]);
    draw_histogram(folder, &groups[i], &plots[cnt++]);
    cnt += draw_parts(folder, &groups[i], &plots[cnt]);
  }
  if (folder->sample_cnt > 0)
    draw_samples(folder, &plots[cnt++]);
  return cnt;
}

static bool write_plots(const wcx_run_folder_t *folder, const plot_t *plots, uint32_t cnt)
{
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
  for (uint32_t i = 0; good && i < folder->figure_cnt; i++)
  {
    FILE *file = open_in(folder, folder->figures[i].name, ".svg");
    good = file != NULL && fputs(folder->figures[i].svg, file) >= 0;
    good = file != NULL && end(file) && good;
  }
  return good;
}

bool wcx_report_write(const wcx_run_folder_t *folder, const char *host, const char *commit, const char *result_json, bool valid)
{
  plot_t *plots = calloc(PLOTS_MAX, sizeof(*plots));
  if (plots == NULL)
    return false;
  uint32_t cnt = draw_all(folder, plots);
  bool good = write_plots(folder, plots, cnt);
  FILE *page = good ? open_in(folder, "report", ".html") : NULL;
  if (page != NULL)
  {
    const char *const facts[][2] = {{"host", host}, {"commit", commit}, {"folder", folder->path}, {"result", folder->row_cnt > 0 ? "result.json" : result_json}};
    put_page(page, folder, plots, cnt, facts, sizeof(facts) / sizeof(facts[0]), valid);
    good = end(page);
  }
  free(plots);
  return good && page != NULL;
}
