#include "bench/report.h"

#include "bench/chart.h"
#include "engine/base/env.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CURVE_POINTS 121u /* 20 a nine */
#define BINS 120u
#define POINTS_MAX 256u
#define PARTS_DRAWN 3u /* two are no line */
#define PLOTS_MAX (3u * WCX_RUN_FOLDER_HISTS_MAX + 1)
static_assert(CURVE_POINTS <= POINTS_MAX && BINS <= POINTS_MAX && WCX_RUN_FOLDER_PARTS_MAX <= POINTS_MAX, "a series has room");

typedef struct plot
{
  char group[32]; /* empty: none */
  char name[96];  /* of its file */
  char title[96];
  wcx_chart_t chart;
  double x[WCX_CHART_COLORS][POINTS_MAX], y[WCX_CHART_COLORS][POINTS_MAX];
} plot_t;

/* The tags that are drawn together: GROUP/.. or all that have no group. */
typedef struct group
{
  const char *name;
  int name_sz;
  uint32_t cnt;
  uint32_t hists[WCX_CHART_COLORS];
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
    if (groups[k].cnt < WCX_CHART_COLORS && folder->hists[i].cnt > 0)
      groups[k].hists[groups[k].cnt++] = i;
  }
  return cnt;
}

static void begin(plot_t *plot, const group_t *group, const char *name, const char *title, wcx_chart_t chart)
{
  const char *dash = group->name_sz > 0 ? "-" : "";
  const char *colon = group->name_sz > 0 ? ": " : "";
  snprintf(plot->group, sizeof(plot->group), "%.*s", group->name_sz, group->name);
  snprintf(plot->name, sizeof(plot->name), "%.*s%s%s", group->name_sz, group->name, dash, name);
  snprintf(plot->title, sizeof(plot->title), "%s%s%.*s", title, colon, group->name_sz, group->name);
  plot->chart = chart;
  plot->chart.title = plot->title;
}

static void add_series(plot_t *plot, const wcx_run_folder_t *folder, uint32_t hist, uint32_t cnt)
{
  uint32_t i = plot->chart.series_cnt++;
  plot->chart.series[i] = (wcx_chart_series_t){.name = name_of(folder->tags[hist]), .x = plot->x[i], .y = plot->y[i], .cnt = cnt, .color = i};
}

/* From the median's side to the last value: as many nines as there are values for. */
static void draw_curve(const wcx_run_folder_t *folder, const group_t *group, plot_t *plot)
{
  begin(plot, group, "percentiles", "Percentiles",
        (wcx_chart_t){.x_label = "percentile (each nine as wide as the one before)",
                      .y_label = "duration (ns, us, ms; logarithmic)",
                      .x_scale = WCX_CHART_PERCENTILE,
                      .y_scale = WCX_CHART_LOG,
                      .x_unit = WCX_CHART_NUMBER,
                      .y_unit = WCX_CHART_NS});
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
  begin(plot, group, "histogram", "Histogram",
        (wcx_chart_t){.x_label = "duration (ns, us, ms; logarithmic)",
                      .y_label = "count in a bin (logarithmic)",
                      .x_scale = WCX_CHART_LOG,
                      .y_scale = WCX_CHART_LOG,
                      .x_unit = WCX_CHART_NS,
                      .y_unit = WCX_CHART_NUMBER,
                      .bars = true});
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
  begin(plot, group, "parts", "Over time",
        (wcx_chart_t){.x_label = "seconds since the first part",
                      .y_label = "median of a part (ns, us, ms)",
                      .x_scale = WCX_CHART_LINEAR,
                      .y_scale = WCX_CHART_LINEAR,
                      .x_unit = WCX_CHART_NUMBER,
                      .y_unit = WCX_CHART_NS});
  for (uint32_t i = 0; i < group->cnt; i++)
    first_s = fmin(first_s, folder->part_at_s[group->hists[i]][0]);
  for (uint32_t i = 0; i < group->cnt; i++)
  {
    uint32_t hist = group->hists[i];
    uint32_t cnt = folder->part_cnt[hist];
    if (cnt < PARTS_DRAWN)
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
        (wcx_chart_t){.x_label = "seconds since the run began",
                      .y_label = folder->sample_label,
                      .x_scale = WCX_CHART_LINEAR,
                      .y_scale = WCX_CHART_LINEAR,
                      .x_unit = WCX_CHART_NUMBER,
                      .y_unit = WCX_CHART_NUMBER});
  plot->chart.series[plot->chart.series_cnt++] = (wcx_chart_series_t){.name = folder->sample_label, .x = folder->at_s, .y = folder->samples, .cnt = folder->sample_cnt};
}

/* --- the page --------------------------------------------------------------------------------------------------------------------------- */

static const char head[] =
    "body{font:14px/1.45 system-ui,sans-serif;margin:0;color:#1c2530;background:#f4f6f8}main{max-width:1800px;margin:auto;padding:1.2em 2em 3em}"
    "h1{margin:.2em 0;font-size:1.7em}h2{margin:1.6em 0 .5em;font-size:1.2em}nav{color:#667;margin:.6em 0}nav a{margin-right:1.2em}a{color:#1f5fa8}"
    ".card{background:#fff;border:1px solid #dde2e8;border-radius:6px;padding:.8em 1em;overflow-x:auto}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3em .9em .3em 0;border-bottom:1px solid #e8ecf0}tr:last-child>*{border-bottom:0}"
    "th{font-weight:600}td{overflow-wrap:anywhere}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "code,pre{font:12.5px ui-monospace,monospace}pre{margin:.3em 0;white-space:pre-wrap}.cmd td{background:#f4f6f8;padding-left:.6em}.what{padding-left:.6em}"
    ".tag{display:inline-block;border-radius:3px;padding:.1em .6em;font-size:.92em;font-weight:600;white-space:nowrap}"
    ".good{background:#dff2e4;color:#17692f}.bad{background:#fbe0db;color:#9b2412}.note{background:#fff1cf;color:#7a5200}.none{background:#e8ecf0;color:#556}"
    "p.bad,p.note{padding:.6em 1em;border-radius:6px}.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:1em}h3{margin:1.2em 0 "
    ".4em;font-size:1.05em}"
    ".plots .card{padding:.4em;max-width:980px}svg{display:block;max-width:100%;height:auto;margin:auto}.plots .wide{grid-column:1/-1;max-width:none}details "
    "summary{cursor:pointer;font-weight:600}"
    "@media print{body{background:#fff}.card{break-inside:avoid}}";

static void put_row(FILE *file, const char *name, const char *text)
{
  fprintf(file, "<tr><th>%s</th><td>", name);
  wcx_chart_text(file, text);
  fputs("</td></tr>\n", file);
}

static void put_cell(FILE *file, const char *class, const char *text)
{
  fprintf(file, "<td%s%s%s>", class[0] != 0 ? " class=\"" : "", class, class[0] != 0 ? "\"" : "");
  wcx_chart_text(file, text);
  fputs("</td>", file);
}

static void put_tag(FILE *file, const char *class, const char *text)
{
  fprintf(file, "<span class=\"tag %s\">", class);
  wcx_chart_text(file, text);
  fputs("</span>", file);
}

static void put_preflight(FILE *file, const wcx_preflight_t *preflight)
{
  static const char *const classes[] = {[WCX_FITNESS_FIT] = "good", [WCX_FITNESS_UNFIT] = "bad", [WCX_FITNESS_UNKNOWN] = "none", [WCX_FITNESS_NOTE] = "none"};
  fputs("<h2 id=\"host\">Host</h2>\n<div class=\"card\"><table><tr><th>item</th><th></th><th>found</th><th>what to do</th></tr>\n", file);
  for (uint32_t i = 0; i < preflight->item_cnt; i++)
  {
    const wcx_preflight_item_t *item = &preflight->items[i];
    fprintf(file, "<tr><th>%s</th><td>", item->name);
    put_tag(file, classes[item->fitness], wcx_fitness_text(item->fitness));
    fputs("</td>", file);
    put_cell(file, "", item->state);
    put_cell(file, "", item->fix);
    fputs("</tr>\n", file);
  }
  fputs("</table></div>\n", file);
}

static void put_percentiles(FILE *file, const wcx_run_folder_t *folder)
{
  static const uint32_t ppms[] = {500000, 900000, 990000, 999000, 999900, 1000000};
  char text[32];
  fputs("<h2 id=\"percentiles\">Percentiles</h2>\n<div class=\"card\"><table><tr><th>histogram</th><th class=\"n\">count</th><th class=\"n\">p50</th><th class=\"n\">p90</th>"
        "<th class=\"n\">p99</th><th class=\"n\">p99.9</th><th class=\"n\">p99.99</th><th class=\"n\">max</th></tr>\n",
        file);
  for (uint32_t i = 0; i < folder->hist_cnt; i++)
  {
    const wcx_hdr_t *hdr = &folder->hists[i];
    fprintf(file, "<tr><th>%s</th><td class=\"n\">%llu</td>", folder->tags[i], (unsigned long long)hdr->cnt);
    for (uint32_t k = 0; k < sizeof(ppms) / sizeof(ppms[0]); k++)
    {
      wcx_chart_number(text, sizeof(text), (double)(ppms[k] == 1000000 ? hdr->max : wcx_hdr_percentile(hdr, ppms[k])), WCX_CHART_NS);
      put_cell(file, "n", text);
    }
    fputs("</tr>\n", file);
  }
  fputs("</table></div>\n", file);
}

/* Each command once, its figures below it. */
static void put_rows(FILE *file, const wcx_run_folder_t *folder)
{
  static const char *const classes[] = {[WCX_RUN_NOTED] = "", [WCX_RUN_HELD] = "good", [WCX_RUN_MISSED] = "bad"};
  fputs("<h2 id=\"figures\">Figures</h2>\n<div class=\"card\"><table class=\"figures\"><tr><th class=\"what\">what</th><th>result</th><th>compared with</th><th>target</th></tr>\n",
        file);
  const char *command = "";
  for (uint32_t i = 0; i < folder->row_cnt; i++)
  {
    const wcx_run_row_t *row = &folder->rows[i];
    if (row->command != NULL && strcmp(row->command, command) != 0)
    {
      command = row->command;
      fputs("<tr class=\"cmd\"><td colspan=\"4\"><code>", file);
      wcx_chart_text(file, command);
      fputs("</code></td></tr>\n", file);
    }
    fputs("<tr>", file);
    put_cell(file, "what", row->what);
    put_cell(file, "", row->result);
    put_cell(file, "", row->against);
    fputs("<td>", file);
    if (row->verdict != WCX_RUN_NOTED)
      put_tag(file, classes[row->verdict], row->verdict == WCX_RUN_HELD ? "held" : "not held");
    fputs("</td></tr>\n", file);
  }
  fputs("</table></div>\n", file);
}

static void put_plots(FILE *file, const wcx_run_folder_t *folder, const plot_t *plots, uint32_t plot_cnt)
{
  fputs("<h2 id=\"plots\">Plots</h2>\n<div class=\"plots\">\n", file);
  for (uint32_t i = 0; i < folder->figure_cnt; i++)
    fprintf(file, "<div class=\"card%s\">%s</div>\n", strcmp(folder->figures[i].name, "flame") == 0 ? " wide" : "", folder->figures[i].svg);
  for (uint32_t i = 0; i < plot_cnt; i++)
  {
    if (i > 0 ? strcmp(plots[i].group, plots[i - 1].group) != 0 : plots[i].group[0] != 0 || folder->figure_cnt > 0)
      fprintf(file, "</div>\n<h3>%s</h3>\n<div class=\"plots\">\n", plots[i].group);
    fputs("<div class=\"card\">", file);
    wcx_chart_draw(&plots[i].chart, file);
    fputs("</div>\n", file);
  }
  fputs("</div>\n", file);
}

static void put_link(FILE *file, const char *name, const char *suffix)
{
  fprintf(file, "<a href=\"%s%s\">%s%s</a>", name, suffix, name, suffix);
}

static void put_files(FILE *file, const wcx_run_folder_t *folder, const plot_t *plots, uint32_t plot_cnt)
{
  fputs("<h2 id=\"files\">Files beside this page</h2>\n<nav class=\"card\">", file);
  put_link(file, "result", ".json");
  put_link(file, "env", ".json");
  put_link(file, "config", ".json");
  if (folder->row_cnt + folder->figure_cnt > 0)
    put_link(file, "figures", ".tsv");
  if (folder->hist_cnt > 0)
  {
    put_link(file, "hist", ".hlog");
    put_link(file, "percentiles", ".csv");
  }
  if (folder->sample_cnt > 0)
    put_link(file, "samples", ".csv");
  for (uint32_t i = 0; i < plot_cnt; i++)
    put_link(file, plots[i].name, ".svg");
  for (uint32_t i = 0; i < folder->figure_cnt; i++)
    put_link(file, folder->figures[i].name, ".svg");
  fputs("</nav>\n", file);
}

/* What is asked first: is it valid, was the host fit, are the targets held? */
static void put_verdict(FILE *file, const wcx_run_folder_t *folder, const char *fault)
{
  uint32_t held = 0, wanted = 0;
  char text[64];
  for (uint32_t i = 0; i < folder->row_cnt; i++)
  {
    held += folder->rows[i].verdict == WCX_RUN_HELD;
    wanted += folder->rows[i].verdict != WCX_RUN_NOTED;
  }
  fputs("<p>", file);
  put_tag(file, fault == NULL ? "good" : "bad", fault == NULL ? "valid" : "invalid");
  fputs(" ", file);
  put_tag(file, folder->preflight.fit ? "good" : "note", folder->preflight.fit ? "host fit" : "host not fit");
  fputs(" ", file);
  snprintf(text, sizeof(text), "%u of %u targets held", held, wanted);
  if (wanted > 0)
    put_tag(file, held == wanted ? "good" : "bad", text);
  fputs("</p>\n", file);
  if (fault != NULL)
  {
    fputs("<p class=\"bad\">This run is invalid: ", file);
    wcx_chart_text(file, fault);
    fputs("</p>\n", file);
  }
  if (!folder->preflight.fit)
    fputs("<p class=\"note\">Measured on a host that is not fit: <a href=\"#host\">what to do about it</a>. Ratios within the run say more than times.</p>\n", file);
}

static void put_command(FILE *file, const wcx_run_folder_t *folder)
{
  fputs("<pre>wcx-bench", file);
  for (int i = 0; i < folder->argc; i++)
  {
    fputc(' ', file);
    wcx_chart_text(file, folder->argv[i]);
  }
  fputs("</pre>\n", file);
}

static void put_page(FILE *file, const wcx_run_folder_t *folder, const plot_t *plots, uint32_t plot_cnt, const char *const facts[][2], uint32_t fact_cnt, const char *fault)
{
  bool has_plots = plot_cnt + folder->figure_cnt > 0;
  fprintf(file,
          "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>wcx-bench "
          "%s</title>\n<style>%s</style></head>"
          "<body><main>\n<h1>wcx-bench %s</h1>\n",
          folder->command, head, folder->command);
  put_verdict(file, folder, fault);
  fprintf(file, "<nav>%s%s%s<a href=\"#host\">Host</a><a href=\"#files\">Files</a></nav>\n", folder->row_cnt > 0 ? "<a href=\"#figures\">Figures</a>" : "",
          has_plots ? "<a href=\"#plots\">Plots</a>" : "", folder->hist_cnt > 0 ? "<a href=\"#percentiles\">Percentiles</a>" : "");
  fputs("<div class=\"card\">", file);
  put_command(file, folder);
  fputs("<table>\n", file);
  for (uint32_t i = 0; i < fact_cnt; i++)
    put_row(file, facts[i][0], facts[i][1]);
  fputs("</table></div>\n", file);
  if (folder->row_cnt > 0)
    put_rows(file, folder);
  if (has_plots)
    put_plots(file, folder, plots, plot_cnt);
  if (folder->hist_cnt > 0)
    put_percentiles(file, folder);
  put_preflight(file, &folder->preflight);
  put_files(file, folder, plots, plot_cnt);
  fputs("</main></body></html>\n", file);
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
  if (folder->sample_cnt > 0 && folder->sample_label != NULL)
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

bool wcx_report_write(const wcx_run_folder_t *folder, const char *host, const char *commit, const char *result_json, const char *fault)
{
  plot_t *plots = calloc(PLOTS_MAX, sizeof(*plots));
  if (plots == NULL)
    return false;
  char when[96];
  struct tm utc;
  time_t began = (time_t)(folder->base_ns / 1000000000);
  size_t sz = strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&began, &utc));
  snprintf(when + sz, sizeof(when) - sz, ", %.0f s", (double)(wcx_env_utc_ns() - folder->base_ns) / 1e9);
  uint32_t cnt = draw_all(folder, plots);
  bool good = write_plots(folder, plots, cnt);
  FILE *page = good ? open_in(folder, "report", ".html") : NULL;
  if (page != NULL)
  {
    const char *const facts[][2] = {{"began", when}, {"host", host}, {"commit", commit}, {"folder", folder->path}, {"result", result_json}};
    put_page(page, folder, plots, cnt, facts, folder->row_cnt > 0 ? 4 : 5, fault);
    good = end(page);
  }
  free(plots);
  return good && page != NULL;
}
