#include "bench/memory.h"

#include "bench/rig.h"
#include "bench/run_folder.h"

#define GIB (UINT64_C(1) << 30)
#define WANTED (2 * GIB)

typedef struct row
{
  const char *name;
  wcx_engine_limits_t limits;
} row_t;

#define LIMITS(orders, levels, instruments, accounts, sessions)                                                                                                                    \
  {                                                                                                                                                                                \
    .shard = WCX_RIG_SHARD, .orders_max = (orders), .levels_max = (levels), .instruments_max = (instruments), .accounts_max = (accounts), .sessions_max = (sessions)               \
  }

enum
{
  ROW_SMALL = 0,
  ROW_WIDE = 1,
  ROW_DEEP = 2,
  ROWS = 3,
};

static const row_t rows[ROWS] = {
    [ROW_SMALL] = {"small", LIMITS(100000, 100000, 10, 1000, 100)},
    [ROW_WIDE] = {"wide", LIMITS(1000000, 1000000, 65535, 10000, 1000)},
    [ROW_DEEP] = {"deep", LIMITS(10000000, 1000000, 1000, 10000, 1000)},
};

#define POINTS 13u /* 1,000 .. 10,000,000 orders */

static const char help[] = "wcx-bench memory: bytes of engines of several sizes, and of one more instrument, order, level\n"
                           "  --cpu N            the CPU that the host is judged by\n" WCX_RUN_ASKED_HELP;

#define ASSETS_GROW_TO 4096u /* instruments up to which each comes with room for two assets and their balances (wcx_assets_max) */

/* Bytes that one more of something takes: difference quotients on top of the wide engine. */
static double per_instrument(void)
{
  wcx_engine_limits_t few = rows[ROW_WIDE].limits;
  few.instruments_max = ASSETS_GROW_TO;
  return (double)(wcx_engine_footprint(&rows[ROW_WIDE].limits) - wcx_engine_footprint(&few)) / (rows[ROW_WIDE].limits.instruments_max - ASSETS_GROW_TO);
}

/* The room for assets and for a balance in each, beside an instrument: half of what an instrument more takes while assets grow, less the instrument. */
static double per_asset(void)
{
  wcx_engine_limits_t few = rows[ROW_WIDE].limits;
  wcx_engine_limits_t many = few;
  few.instruments_max = 1;
  many.instruments_max = ASSETS_GROW_TO;
  return ((double)(wcx_engine_footprint(&many) - wcx_engine_footprint(&few)) / (ASSETS_GROW_TO - 1) - per_instrument()) / 2;
}

static double per_order(void)
{
  wcx_engine_limits_t few = rows[ROW_WIDE].limits;
  few.orders_max = 1;
  return (double)(wcx_engine_footprint(&rows[ROW_WIDE].limits) - wcx_engine_footprint(&few)) / (rows[ROW_WIDE].limits.orders_max - 1);
}

static double per_level(void)
{
  wcx_engine_limits_t few = rows[ROW_WIDE].limits;
  few.levels_max = 1;
  return (double)(wcx_engine_footprint(&rows[ROW_WIDE].limits) - wcx_engine_footprint(&few)) / (rows[ROW_WIDE].limits.levels_max - 1);
}

static size_t bytes(uint32_t row)
{
  return wcx_engine_footprint(&rows[row].limits);
}

static void tell_json(FILE *file, const void *found)
{
  (void)found;
  fprintf(file, ",\"instrument_bytes\":%.1f,\"asset_bytes\":%.1f,\"order_bytes\":%.1f,\"level_bytes\":%.1f", per_instrument(), per_asset(), per_order(), per_level());
  for (uint32_t i = 0; i < ROWS; i++)
    fprintf(file, ",\"%s_bytes\":%zu", rows[i].name, bytes(i));
  fprintf(file, ",\"wanted_wide_bytes\":%llu", (unsigned long long)WANTED);
}

static void tell_table(FILE *file, const void *found)
{
  (void)found;
  fprintf(file, "%-6s %12s %12s %12s %10s %10s %16s\n", "", "orders", "levels", "instruments", "accounts", "sessions", "bytes");
  for (uint32_t i = 0; i < ROWS; i++)
  {
    const wcx_engine_limits_t *limits = &rows[i].limits;
    fprintf(file, "%-6s %12u %12u %12u %10u %10u %16zu  %.2f GiB\n", rows[i].name, limits->orders_max, limits->levels_max, limits->instruments_max, limits->accounts_max,
            limits->sessions_max, bytes(i), (double)bytes(i) / (double)GIB);
  }
  fprintf(file, "one more: idle instrument %.1f bytes, asset %.1f, order %.1f, level %.1f\n", per_instrument(), per_asset(), per_order(), per_level());
  fprintf(file, "wide, wanted: at most %.0f GiB: %s\n", (double)WANTED / (double)GIB, bytes(ROW_WIDE) <= WANTED ? "held" : "not held");
}

/* --- the folder -------------------------------------------------------------------------------------------------------------------------- */

static void draw(wcx_run_folder_t *run)
{
  static const char *const names[ROWS] = {"10 instruments, 100 sessions", "65,535 instruments, 1,000 sessions", "1,000 instruments, 1,000 sessions"};
  double x[POINTS], y[ROWS][POINTS];
  wcx_chart_t chart = {.title = "Bytes of an engine by the orders it has room for",
                       .note = "as many price levels as orders, at most 1,000,000",
                       .x_label = "orders (logarithmic)",
                       .y_label = "bytes (kB, MB, GB; logarithmic)",
                       .x_scale = WCX_CHART_LOG,
                       .y_scale = WCX_CHART_LOG,
                       .x_unit = WCX_CHART_NUMBER,
                       .y_unit = WCX_CHART_BYTES,
                       .series_cnt = ROWS};
  for (uint32_t row = 0; row < ROWS; row++)
  {
    wcx_engine_limits_t limits = rows[row].limits;
    for (uint32_t i = 0; i < POINTS; i++)
    {
      static const uint32_t steps[] = {1, 2, 5};
      limits.orders_max = 1000 * steps[i % 3];
      for (uint32_t decade = 0; decade < i / 3; decade++)
        limits.orders_max *= 10;
      limits.levels_max = limits.orders_max < 1000000 ? limits.orders_max : 1000000;
      x[i] = limits.orders_max;
      y[row][i] = (double)wcx_engine_footprint(&limits);
    }
    chart.series[row] = (wcx_chart_series_t){.name = names[row], .x = x, .y = y[row], .cnt = POINTS, .color = row};
  }
  wcx_run_folder_chart(run, "memory", &chart);
}

static void keep(wcx_run_folder_t *run)
{
  wcx_run_folder_value(run, "65,535 instruments, 1,000,000 orders", (double)bytes(ROW_WIDE) / (double)GIB, " GiB", WCX_WANTED_AT_MOST, (double)WANTED / (double)GIB, NULL);
  wcx_run_folder_value(run, "1,000 instruments, 10,000,000 orders", (double)bytes(ROW_DEEP) / (double)GIB, " GiB", WCX_WANTED_NOTHING, 0, NULL);
  wcx_run_folder_value(run, "10 instruments, 100,000 orders", (double)bytes(ROW_SMALL) / (double)GIB, " GiB", WCX_WANTED_NOTHING, 0, NULL);
  wcx_run_folder_value(run, "one more idle instrument", per_instrument(), " bytes", WCX_WANTED_NOTHING, 0, NULL);
  wcx_run_folder_value(run, "one more asset and its balance", per_asset(), " bytes", WCX_WANTED_NOTHING, 0, NULL);
  wcx_run_folder_value(run, "one more order", per_order(), " bytes", WCX_WANTED_NOTHING, 0, NULL);
  wcx_run_folder_value(run, "one more price level", per_level(), " bytes", WCX_WANTED_NOTHING, 0, NULL);
  draw(run);
}

int wcx_memory_bench(int argc, char **argv)
{
  static wcx_run_folder_t run;
  wcx_run_asked_t asked = {.cpu = -1};
  const wcx_cli_option_t known[] = {WCX_RUN_ASKED(&asked), {0}};
  int status = wcx_cli_options("memory", help, known, argc, argv);
  if (status != 0)
    return status;
  if (!wcx_run_begin(&run, &asked, "memory", argc, argv, NULL))
    return WCX_CLI_BAD;
  keep(&run);
  status = wcx_run_end(&run, &asked, tell_json, tell_table, NULL);
  return status == WCX_CLI_GOOD && bytes(ROW_WIDE) > WANTED ? WCX_CLI_BAD : status;
}
