#include "bench/scale.h"

#include "bench/run_folder.h"
#include "bench/scale_run.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZES_MAX 8u
#define BATCHES_DEFAULT 400u
#define ROUNDS_DEFAULT 2u
#define LEVELS_DEFAULT 100000u
#define BEYOND_WANTED 2.0
static_assert(2 * WCX_SCALE_OPS <= WCX_CHART_SERIES_MAX && WCX_SCALE_OPS <= WCX_CHART_COLORS, "each operation has a line and what it is compared with");

typedef struct options
{
  uint32_t sizes[SIZES_MAX];
  uint32_t size_cnt;
  uint32_t levels, batches, rounds;
  const char *svg_path;
  wcx_run_asked_t asked;
} options_t;

typedef struct result
{
  const options_t *options;
  wcx_scale_size_t sizes[SIZES_MAX];
} result_t;

static const char help[] = "wcx-bench scale: cost of an operation against the number of resting orders (bench/scale.h)\n"
                           "  --orders N,N,..    rising, 1000..16000000 (10000,100000,1000000,10000000: needs 5 GiB)\n"
                           "  --levels N         most prices that orders stand at; one for ten orders below (100000)\n"
                           "  --batches N        of 256 operations, 1..10000; the median counts (400)\n"
                           "  --rounds N         over all sizes, 1..100; the least median counts (2)\n"
                           "  --svg FILE         a line plot\n"
                           "  --cpu N            run on this CPU\n" WCX_RUN_ASKED_HELP;

/* --- the command line ------------------------------------------------------------------------------------------------------------------- */

static bool take_sizes(options_t *options, const char *text)
{
  char copy[SIZES_MAX * 16];
  if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
    return false;
  options->size_cnt = 0;
  uint64_t least = 1000;
  for (char *word = strtok(copy, ","); word != NULL; word = strtok(NULL, ","))
  {
    uint64_t value;
    if (options->size_cnt == SIZES_MAX || !wcx_cli_number(word, least, 16000000, &value))
      return false;
    options->sizes[options->size_cnt++] = (uint32_t)value;
    least = value + 1;
  }
  return options->size_cnt != 0;
}

static int parse(options_t *options, int argc, char **argv)
{
  *options = (options_t){.levels = LEVELS_DEFAULT, .batches = BATCHES_DEFAULT, .rounds = ROUNDS_DEFAULT, .asked = {.cpu = -1}};
  const char *sizes = "10000,100000,1000000,10000000";
  const wcx_cli_option_t known[] = {{"orders", WCX_CLI_TEXT, &sizes, 0, 0, 0},
                                    {"levels", WCX_CLI_U32, &options->levels, 100, 1000000, 0},
                                    {"batches", WCX_CLI_U32, &options->batches, 1, WCX_SCALE_BATCHES_MAX, 0},
                                    {"rounds", WCX_CLI_U32, &options->rounds, 1, 100, 0},
                                    {"svg", WCX_CLI_TEXT, &options->svg_path, 0, 0, 0},
                                    WCX_RUN_ASKED(&options->asked),
                                    {0}};
  int status = wcx_cli_options("scale", help, known, argc, argv);
  if (status != 0 || take_sizes(options, sizes))
    return status;
  return wcx_cli_wrong("scale", "orders", sizes, "not up to 8 rising numbers within 1000..16000000");
}

/* --- what is told ----------------------------------------------------------------------------------------------------------------------- */

static double growth(const wcx_scale_size_t *sizes, uint32_t i, uint32_t op)
{
  return sizes[i].ns[op] / sizes[0].ns[op];
}

static double beyond(const wcx_scale_size_t *sizes, uint32_t i, uint32_t op)
{
  return (sizes[i].ns[op] - (sizes[i].bare_ns[op] - sizes[0].bare_ns[op])) / sizes[0].ns[op];
}

static double beyond_loads(const wcx_scale_size_t *sizes, uint32_t i, uint32_t op)
{
  return (sizes[i].ns[op] - wcx_scale_lines(op) * (sizes[i].load_ns - sizes[0].load_ns)) / sizes[0].ns[op];
}

static double worst(const result_t *result, double (*of)(const wcx_scale_size_t *, uint32_t, uint32_t))
{
  double most = 0;
  for (uint32_t i = 0; i < result->options->size_cnt; i++)
    for (uint32_t op = 0; op < WCX_SCALE_OPS; op++)
      most = of(result->sizes, i, op) > most ? of(result->sizes, i, op) : most;
  return most;
}

static void tell_json(FILE *file, const void *found)
{
  const result_t *result = found;
  const wcx_scale_size_t *sizes = result->sizes;
  fprintf(file, ",\"rounds\":%u,\"batches\":%u,\"worst_beyond\":%.2f,\"worst_beyond_loads\":%.2f,\"wanted\":%.1f,\"sizes\":[", result->options->rounds, result->options->batches,
          worst(result, beyond), worst(result, beyond_loads), BEYOND_WANTED);
  for (uint32_t i = 0; i < result->options->size_cnt; i++)
  {
    fprintf(file, "%s{\"orders\":%u,\"levels\":%u,\"load_ns\":%.1f", i == 0 ? "" : ",", sizes[i].orders, sizes[i].levels, sizes[i].load_ns);
    for (uint32_t op = 0; op < WCX_SCALE_OPS; op++)
      fprintf(file, ",\"%s\":{\"ns\":%.1f,\"lines\":%u,\"bare_ns\":%.1f,\"growth\":%.2f,\"beyond\":%.2f,\"beyond_loads\":%.2f}", wcx_scale_names[op], sizes[i].ns[op],
              wcx_scale_lines(op), sizes[i].bare_ns[op], growth(sizes, i, op), beyond(sizes, i, op), beyond_loads(sizes, i, op));
    fputs("}", file);
  }
  fputs("]", file);
}

static void tell_table(FILE *file, const void *found)
{
  const result_t *result = found;
  const wcx_scale_size_t *sizes = result->sizes;
  uint32_t cnt = result->options->size_cnt;
  fprintf(file, "%-10s %10s %8s %8s %6s %8s %8s %8s %14s\n", "operation", "orders", "levels", "ns", "lines", "bare ns", "growth", "beyond", "beyond loads");
  for (uint32_t op = 0; op < WCX_SCALE_OPS; op++)
    for (uint32_t i = 0; i < cnt; i++)
      fprintf(file, "%-10s %10u %8u %8.1f %6u %8.1f %8.2f %8.2f %14.2f\n", wcx_scale_names[op], sizes[i].orders, sizes[i].levels, sizes[i].ns[op], wcx_scale_lines(op),
              sizes[i].bare_ns[op], growth(sizes, i, op), beyond(sizes, i, op), beyond_loads(sizes, i, op));
  fputs("one dependent load:", file);
  for (uint32_t i = 0; i < cnt; i++)
    fprintf(file, "  %u orders %.1f ns", sizes[i].orders, sizes[i].load_ns);
  fprintf(file, "\ngrowth beyond misses that overlap: at most x %.2f; beyond misses that do not: at most x %.2f (wanted: %.1f)\n", worst(result, beyond),
          worst(result, beyond_loads), BEYOND_WANTED);
}

/* --- plots and rows ---------------------------------------------------------------------------------------------------------------------- */

/* Points of a chart: x by size, a line by operation, and what it is compared with. */
typedef struct lines
{
  double x[SIZES_MAX], y[WCX_SCALE_OPS][SIZES_MAX], dashed_y[WCX_SCALE_OPS][SIZES_MAX];
} lines_t;

static wcx_chart_t begin_chart(const result_t *result, lines_t *lines, const char *title, const char *note, const char *y_label, enum wcx_chart_unit y_unit)
{
  wcx_chart_t chart = {.title = title,
                       .note = note,
                       .x_label = "resting orders (logarithmic)",
                       .y_label = y_label,
                       .x_scale = WCX_CHART_LOG,
                       .y_scale = WCX_CHART_LINEAR,
                       .x_unit = WCX_CHART_NUMBER,
                       .y_unit = y_unit,
                       .series_cnt = WCX_SCALE_OPS};
  uint32_t cnt = result->options->size_cnt;
  for (uint32_t i = 0; i < cnt; i++)
    lines->x[i] = result->sizes[i].orders;
  for (uint32_t op = 0; op < WCX_SCALE_OPS; op++)
    chart.series[op] = (wcx_chart_series_t){.name = wcx_scale_names[op], .x = lines->x, .y = lines->y[op], .cnt = cnt, .color = op};
  return chart;
}

static wcx_chart_t chart_ns(const result_t *result, lines_t *lines)
{
  wcx_chart_t chart = begin_chart(result, lines, "An operation against the number of resting orders", "dashed: bare misses of the same cache lines, nothing computed",
                                  "ns per operation, least median", WCX_CHART_NS);
  for (uint32_t op = 0; op < WCX_SCALE_OPS; op++)
  {
    chart.series[chart.series_cnt] = chart.series[op];
    chart.series[chart.series_cnt].name = NULL;
    chart.series[chart.series_cnt].y = lines->dashed_y[op];
    chart.series[chart.series_cnt++].dashed = true;
    for (uint32_t i = 0; i < result->options->size_cnt; i++)
    {
      lines->y[op][i] = result->sizes[i].ns[op];
      lines->dashed_y[op][i] = result->sizes[i].bare_ns[op];
    }
  }
  return chart;
}

static wcx_chart_t chart_beyond(const result_t *result, lines_t *lines)
{
  wcx_chart_t chart =
      begin_chart(result, lines, "Growth beyond bare misses that overlap", "times the cost at the least size", "times (1: as cheap as with the fewest orders)", WCX_CHART_NUMBER);
  for (uint32_t op = 0; op < WCX_SCALE_OPS; op++)
    for (uint32_t i = 0; i < result->options->size_cnt; i++)
    {
      lines->y[op][i] = beyond(result->sizes, i, op);
      lines->dashed_y[0][i] = BEYOND_WANTED;
    }
  chart.series[chart.series_cnt++] =
      (wcx_chart_series_t){.name = "wanted: at most 2", .x = lines->x, .y = lines->dashed_y[0], .cnt = result->options->size_cnt, .color = 1, .dashed = true};
  return chart;
}

static void keep(const result_t *result, wcx_run_folder_t *run)
{
  lines_t lines;
  wcx_chart_t chart = chart_ns(result, &lines);
  wcx_run_folder_chart(run, "scale", &chart);
  chart = chart_beyond(result, &lines);
  wcx_run_folder_chart(run, "scale-beyond", &chart);
  uint32_t last = result->options->size_cnt - 1;
  for (uint32_t op = 0; op < WCX_SCALE_OPS; op++)
  {
    char what[96], beside[160];
    const wcx_scale_size_t *most = &result->sizes[last];
    snprintf(what, sizeof(what), "%s, growth to %u orders beyond bare misses", wcx_scale_names[op], most->orders);
    snprintf(beside, sizeof(beside), "%.2f were no two misses to overlap; %.0f ns, with %u orders %.0f", beyond_loads(result->sizes, last, op), most->ns[op],
             result->sizes[0].orders, result->sizes[0].ns[op]);
    wcx_run_folder_value(run, what, beyond(result->sizes, last, op), " x", WCX_WANTED_AT_MOST, BEYOND_WANTED, beside);
  }
}

static bool write_svg(const result_t *result)
{
  lines_t lines;
  wcx_chart_t chart = chart_ns(result, &lines);
  FILE *file = fopen(result->options->svg_path, "we");
  if (file != NULL)
  {
    wcx_chart_draw(&chart, file);
    bool written = ferror(file) == 0;
    if (fclose(file) == 0 && written)
      return true;
  }
  fprintf(stderr, "wcx-bench scale: %s: %s\n", result->options->svg_path, strerror(errno));
  return false;
}

/* --- the command ------------------------------------------------------------------------------------------------------------------------ */

static void keep_least(wcx_scale_size_t *least, const wcx_scale_size_t *size)
{
  for (uint32_t op = 0; op < WCX_SCALE_OPS; op++)
  {
    least->ns[op] = size->ns[op] < least->ns[op] ? size->ns[op] : least->ns[op];
    least->bare_ns[op] = size->bare_ns[op] < least->bare_ns[op] ? size->bare_ns[op] : least->bare_ns[op];
  }
  least->load_ns = size->load_ns < least->load_ns ? size->load_ns : least->load_ns;
}

static void measure(result_t *result, wcx_run_folder_t *run)
{
  const options_t *options = result->options;
  for (uint32_t round = 0; round < options->rounds; round++)
    for (uint32_t i = 0; i < options->size_cnt; i++)
    {
      wcx_scale_size_t size = wcx_scale_measure(options->sizes[i], options->levels, options->batches, run);
      if (round == 0)
        result->sizes[i] = size;
      keep_least(&result->sizes[i], &size);
      for (uint32_t op = 0; op < WCX_SCALE_OPS; op++)
        wcx_run_folder_sample(run, size.ns[op]);
    }
}

int wcx_scale_bench(int argc, char **argv)
{
  static wcx_run_folder_t run;
  options_t options;
  int status = parse(&options, argc, argv);
  if (status != 0)
    return status;
  if (!wcx_run_begin(&run, &options.asked, "scale", argc, argv, NULL))
    return WCX_CLI_BAD;
  result_t result = {.options = &options};
  measure(&result, &run);
  keep(&result, &run);
  status = wcx_run_end(&run, &options.asked, tell_json, tell_table, &result);
  return options.svg_path != NULL && !write_svg(&result) ? WCX_CLI_BAD : status;
}
