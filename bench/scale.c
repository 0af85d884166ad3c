#include "bench/scale.h"

#include "bench/cli.h"
#include "bench/plot.h"
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

typedef struct options
{
  uint32_t sizes[SIZES_MAX];
  uint32_t size_cnt;
  uint32_t levels, batches, rounds;
  const char *svg_path;
  int cpu;
  bool json;
} options_t;

static const char help[] = "wcx-bench scale: cost of an operation against the number of resting orders (bench/scale.h)\n"
                           "  --orders N,N,..    rising, 1000..16000000 (10000,100000,1000000,10000000: needs 5 GiB)\n"
                           "  --levels N         most prices that orders stand at; one for ten orders below (100000)\n"
                           "  --batches N        of 256 operations, 1..10000; the median counts (400)\n"
                           "  --rounds N         over all sizes, 1..100; the least median counts (2)\n"
                           "  --svg FILE         a line plot\n"
                           "  --cpu N            run on this CPU\n"
                           "  --json             JSON\n";

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
  *options = (options_t){.sizes = {10000, 100000, 1000000, 10000000}, .size_cnt = 4, .levels = LEVELS_DEFAULT, .batches = BATCHES_DEFAULT, .rounds = ROUNDS_DEFAULT, .cpu = -1};
  const char *sizes = NULL;
  const wcx_cli_option_t known[] = {{"orders", WCX_CLI_TEXT, &sizes, 0, 0, 0},
                                    {"levels", WCX_CLI_U32, &options->levels, 100, 1000000, 0},
                                    {"batches", WCX_CLI_U32, &options->batches, 1, WCX_SCALE_BATCHES_MAX, 0},
                                    {"rounds", WCX_CLI_U32, &options->rounds, 1, 100, 0},
                                    {"svg", WCX_CLI_TEXT, &options->svg_path, 0, 0, 0},
                                    {"cpu", WCX_CLI_CPU, &options->cpu, 0, 0, 0},
                                    {"json", WCX_CLI_FLAG, &options->json, 0, 0, 0},
                                    {0}};
  int status = wcx_cli_options("scale", help, known, argc, argv);
  if (status != 0 || sizes == NULL || take_sizes(options, sizes))
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

static double worst(const options_t *options, const wcx_scale_size_t *sizes, double (*of)(const wcx_scale_size_t *, uint32_t, uint32_t))
{
  double most = 0;
  for (uint32_t i = 0; i < options->size_cnt; i++)
    for (uint32_t op = 0; op < WCX_SCALE_OPS; op++)
      most = of(sizes, i, op) > most ? of(sizes, i, op) : most;
  return most;
}

static void print_json(const options_t *options, const wcx_scale_size_t *sizes, const char *host)
{
  printf("{\"host\":\"%s\",\"rounds\":%u,\"batches\":%u,\"worst_beyond\":%.2f,\"worst_beyond_loads\":%.2f,\"wanted\":%.1f,\"sizes\":[", host, options->rounds, options->batches,
         worst(options, sizes, beyond), worst(options, sizes, beyond_loads), BEYOND_WANTED);
  for (uint32_t i = 0; i < options->size_cnt; i++)
  {
    printf("%s\n{\"orders\":%u,\"levels\":%u,\"load_ns\":%.1f", i == 0 ? "" : ",", sizes[i].orders, sizes[i].levels, sizes[i].load_ns);
    for (uint32_t op = 0; op < WCX_SCALE_OPS; op++)
      printf(",\n\"%s\":{\"ns\":%.1f,\"lines\":%u,\"bare_ns\":%.1f,\"growth\":%.2f,\"beyond\":%.2f,\"beyond_loads\":%.2f}", wcx_scale_names[op], sizes[i].ns[op],
             wcx_scale_lines(op), sizes[i].bare_ns[op], growth(sizes, i, op), beyond(sizes, i, op), beyond_loads(sizes, i, op));
    printf("}");
  }
  puts("]}");
}

static void print_table(const options_t *options, const wcx_scale_size_t *sizes, const char *host)
{
  printf("%s\n%-10s %10s %8s %8s %6s %8s %8s %8s %14s\n", host, "operation", "orders", "levels", "ns", "lines", "bare ns", "growth", "beyond", "beyond loads");
  for (uint32_t op = 0; op < WCX_SCALE_OPS; op++)
    for (uint32_t i = 0; i < options->size_cnt; i++)
      printf("%-10s %10u %8u %8.1f %6u %8.1f %8.2f %8.2f %14.2f\n", wcx_scale_names[op], sizes[i].orders, sizes[i].levels, sizes[i].ns[op], wcx_scale_lines(op),
             sizes[i].bare_ns[op], growth(sizes, i, op), beyond(sizes, i, op), beyond_loads(sizes, i, op));
  printf("one dependent load:");
  for (uint32_t i = 0; i < options->size_cnt; i++)
    printf("  %u orders %.1f ns", sizes[i].orders, sizes[i].load_ns);
  printf("\ngrowth beyond misses that overlap: at most x %.2f; beyond misses that do not: at most x %.2f (wanted: %.1f)\n", worst(options, sizes, beyond),
         worst(options, sizes, beyond_loads), BEYOND_WANTED);
}

static int plot(const options_t *options, const wcx_scale_size_t *sizes, const char *host)
{
  static const uint32_t colors[WCX_SCALE_OPS] = {0x1f77b4, 0xd62728, 0xff7f0e, 0x9467bd, 0x2ca02c, 0x8c564b};
  char subtitle[512];
  snprintf(subtitle, sizeof(subtitle), "%s; dashed: bare misses of the same lines", host);
  wcx_plot_t lines = {.title = "wcx-bench scale: ns per operation against resting orders",
                      .subtitle = subtitle,
                      .x_label = "resting orders",
                      .y_label = "ns per operation",
                      .point_cnt = options->size_cnt,
                      .series_cnt = WCX_SCALE_OPS};
  for (uint32_t i = 0; i < options->size_cnt; i++)
    lines.x[i] = sizes[i].orders;
  for (uint32_t op = 0; op < WCX_SCALE_OPS; op++)
  {
    lines.series[op] = (wcx_plot_series_t){.name = wcx_scale_names[op], .color = colors[op]};
    for (uint32_t i = 0; i < options->size_cnt; i++)
    {
      lines.series[op].y[i] = sizes[i].ns[op];
      lines.series[op].dashed_y[i] = sizes[i].bare_ns[op];
    }
  }
  if (wcx_plot_write(&lines, options->svg_path) == 0)
    return 0;
  fprintf(stderr, "wcx-bench scale: %s: %s\n", options->svg_path, strerror(errno));
  return 1;
}

static void keep_least(wcx_scale_size_t *least, const wcx_scale_size_t *size)
{
  for (uint32_t op = 0; op < WCX_SCALE_OPS; op++)
  {
    least->ns[op] = size->ns[op] < least->ns[op] ? size->ns[op] : least->ns[op];
    least->bare_ns[op] = size->bare_ns[op] < least->bare_ns[op] ? size->bare_ns[op] : least->bare_ns[op];
  }
  least->load_ns = size->load_ns < least->load_ns ? size->load_ns : least->load_ns;
}

int wcx_scale_bench(int argc, char **argv)
{
  options_t options;
  int status = parse(&options, argc, argv);
  if (status != 0)
    return status;
  if (options.cpu >= 0)
    wcx_cli_pin(options.cpu);
  char host[256];
  wcx_cli_host(host, sizeof(host));
  wcx_scale_size_t sizes[SIZES_MAX];
  for (uint32_t round = 0; round < options.rounds; round++)
    for (uint32_t i = 0; i < options.size_cnt; i++)
    {
      wcx_scale_size_t size = wcx_scale_measure(options.sizes[i], options.levels, options.batches);
      if (round == 0)
        sizes[i] = size;
      keep_least(&sizes[i], &size);
    }
  if (options.json)
    print_json(&options, sizes, host);
  else
    print_table(&options, sizes, host);
  return options.svg_path == NULL ? 0 : plot(&options, sizes, host);
}
