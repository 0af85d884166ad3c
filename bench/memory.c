#include "bench/memory.h"

#include "bench/rig.h"

#include <stdio.h>
#include <string.h>

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

static void print_json(void)
{
  printf("{\"instrument_bytes\":%.1f,\"asset_bytes\":%.1f,\"order_bytes\":%.1f,\"level_bytes\":%.1f", per_instrument(), per_asset(), per_order(), per_level());
  for (uint32_t i = 0; i < ROWS; i++)
    printf(",\"%s_bytes\":%zu", rows[i].name, wcx_engine_footprint(&rows[i].limits));
  printf(",\"wanted_wide_bytes\":%llu}\n", (unsigned long long)WANTED);
}

static void print_table(void)
{
  printf("%-6s %12s %12s %12s %10s %10s %16s\n", "", "orders", "levels", "instruments", "accounts", "sessions", "bytes");
  for (uint32_t i = 0; i < ROWS; i++)
  {
    const wcx_engine_limits_t *limits = &rows[i].limits;
    size_t sz = wcx_engine_footprint(limits);
    printf("%-6s %12u %12u %12u %10u %10u %16zu  %.2f GiB\n", rows[i].name, limits->orders_max, limits->levels_max, limits->instruments_max, limits->accounts_max,
           limits->sessions_max, sz, (double)sz / (double)GIB);
  }
  printf("one more: idle instrument %.1f bytes, asset %.1f, order %.1f, level %.1f\n", per_instrument(), per_asset(), per_order(), per_level());
  printf("wide, wanted: at most %.0f GiB: %s\n", (double)WANTED / (double)GIB, wcx_engine_footprint(&rows[ROW_WIDE].limits) <= WANTED ? "held" : "not held");
}

int wcx_memory_bench(int argc, char **argv)
{
  if (argc == 1)
    print_table();
  else if (argc == 2 && strcmp(argv[1], "--json") == 0)
    print_json();
  else
  {
    fputs("wcx-bench memory [--json]: bytes of engines of several sizes, and of one more instrument, order, level\n",
          argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
    return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
  }
  return wcx_engine_footprint(&rows[ROW_WIDE].limits) <= WANTED ? 0 : 1;
}
