#include "bench/snapshot.h"

#include "bench/rig.h"
#include "bench/run_folder.h"
#include "dataplane/client/orders.h"
#include "engine/base/env.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define REPEATS_MAX 101u
#define COLD_SZ (UINT64_C(128) << 20)
#define LOG_SZ (UINT64_C(1) << 24)
#define MID 100000000

typedef struct options
{
  uint32_t orders, prices, repeats;
  wcx_run_asked_t asked;
} options_t;

enum pass
{
  PASS_COPY = 0,
  PASS_COLD = 1,
  PASS_FLAT = 2,
  PASSES = 3,
};

static const char *const names[PASSES] = {"a book copied", "a book copied, cold caches", "as many blocks of an array"};

typedef struct result
{
  const options_t *options;
  double us[PASSES]; /* median */
} result_t;

typedef struct world
{
  wcx_rig_t rig;
  uint32_t orders;
  wcx_snapshot_order_t *blocks, *flat;
  uint8_t *cold;
} world_t;

static const char help[] = "wcx-bench snapshot: copying one book for a snapshot cycle (bench/snapshot.h)\n"
                           "  --orders N         in the book, 1..4000000 (100000)\n"
                           "  --prices N         a side, 1..1000000 (1000)\n"
                           "  --repeats N        1..101; the median counts (21)\n"
                           "  --cpu N            run on this CPU\n" WCX_RUN_ASKED_HELP;

static int parse(options_t *options, int argc, char **argv)
{
  *options = (options_t){.orders = 100000, .prices = 1000, .repeats = 21, .asked = {.cpu = -1}};
  const wcx_cli_option_t known[] = {{"orders", WCX_CLI_U32, &options->orders, 1, 4000000, 0},
                                    {"prices", WCX_CLI_U32, &options->prices, 1, 1000000, 0},
                                    {"repeats", WCX_CLI_U32, &options->repeats, 1, REPEATS_MAX, 0},
                                    WCX_RUN_ASKED(&options->asked),
                                    {0}};
  return wcx_cli_options("snapshot", help, known, argc, argv);
}

static void set_up(world_t *world, const options_t *options)
{
  wcx_engine_limits_t limits = {.orders_max = options->orders, .levels_max = 2 * options->prices, .instruments_max = 1, .accounts_max = 1, .sessions_max = 1};
  wcx_rig_init(&world->rig, &limits, LOG_SZ);
  wcx_rig_restart(&world->rig);
  wcx_rig_instrument(&world->rig, 1);
  wcx_rig_account(&world->rig, 1, WCX_CREDIT_UNLIMITED);
  wcx_rig_session(&world->rig, 1, 1);
  uint64_t random = 1;
  for (uint32_t i = 0; i < options->orders; i++)
  {
    if (i % 4096 == 0)
      wcx_cli_bar((double)i / options->orders, "%u orders enter the book", options->orders);
    _Alignas(64) uint8_t record[WCX_RECORD_SZ_MAX];
    uint8_t side = (uint8_t)(WCX_SIDE_BUY + wcx_rig_draw(&random, 2));
    int64_t away = 1 + wcx_rig_draw(&random, options->prices);
    wcx_new_order_single_t request = wcx_client_limit_order(i + 1, 1, 1, side, side == WCX_SIDE_BUY ? MID - away : MID + away, 100, WCX_TIME_IN_FORCE_GTC);
    wcx_engine_input_t input = wcx_rig_encode(&world->rig, record, WCX_TEMPLATE_NEW_ORDER_SINGLE, 1, i + 1, &request, sizeof(request));
    wcx_engine_apply(world->rig.engine, input.hdr, input.body, &world->rig.log);
    wcx_rig_clear_log(&world->rig);
  }
  world->orders = options->orders;
  world->blocks = wcx_rig_map((uint64_t)options->orders * sizeof(*world->blocks));
  world->flat = wcx_rig_map((uint64_t)options->orders * sizeof(*world->flat));
  world->cold = wcx_rig_map(COLD_SZ);
  memset(world->blocks, 1, (size_t)options->orders * sizeof(*world->blocks));
  memset(world->flat, 2, (size_t)options->orders * sizeof(*world->flat));
}

static void free_world(world_t *world)
{
  munmap(world->blocks, (size_t)world->orders * sizeof(*world->blocks));
  munmap(world->flat, (size_t)world->orders * sizeof(*world->flat));
  munmap(world->cold, COLD_SZ);
  wcx_rig_free(&world->rig);
}

/* Every order is there, in price-time order. */
static void check(const world_t *world, uint32_t cnt, wcx_run_folder_t *run)
{
  if (cnt != world->orders)
    wcx_run_fault(run, "%u orders copied of %u", cnt, world->orders);
  for (uint32_t i = 1; i < cnt; i++)
  {
    const wcx_snapshot_order_t *before = &world->blocks[i - 1], *at = &world->blocks[i];
    bool better = before->side == WCX_SIDE_BUY ? before->price > at->price : before->price < at->price;
    if (before->side > at->side || (before->side == at->side && !better && (before->price != at->price || before->priority_time >= at->priority_time)))
    {
      wcx_run_fault(run, "order %u of the copy stands before order %u", i - 1, i);
      return;
    }
  }
}

static double measure(world_t *world, enum pass pass, uint32_t repeats, wcx_run_folder_t *run)
{
  static const char *const tags[PASSES] = {"copy", "cold", "flat"};
  double us[REPEATS_MAX];
  for (uint32_t i = 0; i < repeats; i++)
  {
    wcx_cli_bar((double)((uint32_t)pass * repeats + i) / (PASSES * repeats), "%s: %u of %u", names[pass], i + 1, repeats);
    wcx_snapshot_start_t start = {.tot_num_orders = world->orders};
    if (pass == PASS_COLD)
      memset(world->cold, (int)i, COLD_SZ);
    uint64_t from_ns = wcx_env_mono_ns();
    if (pass == PASS_FLAT)
      memcpy(world->blocks, world->flat, world->orders * sizeof(*world->blocks));
    else
      (void)wcx_engine_snapshot_at(world->rig.engine, 0, &start, world->blocks, world->orders);
    us[i] = (double)(wcx_env_mono_ns() - from_ns) / 1e3;
    wcx_run_folder_duration(run, tags[pass], us[i] * 1e3);
    if (pass == PASS_COPY)
      wcx_run_folder_sample(run, us[i]);
    if (pass != PASS_FLAT)
      check(world, start.tot_num_orders, run);
  }
  return wcx_cli_median(us, repeats);
}

/* --- what is told ----------------------------------------------------------------------------------------------------------------------- */

static void tell_json(FILE *file, const void *found)
{
  const result_t *result = found;
  fprintf(file, ",\"orders\":%u,\"prices\":%u,\"repeats\":%u,\"copy_us\":%.1f,\"cold_us\":%.1f,\"flat_us\":%.1f", result->options->orders, result->options->prices,
          result->options->repeats, result->us[PASS_COPY], result->us[PASS_COLD], result->us[PASS_FLAT]);
}

static void tell_table(FILE *file, const void *found)
{
  const result_t *result = found;
  fprintf(file, "one book of %u orders at %u prices a side; median of %u\n", result->options->orders, result->options->prices, result->options->repeats);
  for (uint32_t pass = 0; pass < PASSES; pass++)
    fprintf(file, "%-28s %9.1f us   %6.1f ns an order\n", names[pass], result->us[pass], result->us[pass] * 1e3 / result->options->orders);
}

static void keep(const result_t *result, wcx_run_folder_t *run)
{
  char beside[96];
  for (uint32_t pass = 0; pass < PASSES; pass++)
  {
    snprintf(beside, sizeof(beside), "%.1f ns an order of %u", result->us[pass] * 1e3 / result->options->orders, result->options->orders);
    wcx_run_folder_value(run, names[pass], result->us[pass], " us", WCX_WANTED_NOTHING, 0, beside);
  }
}

int wcx_snapshot_bench(int argc, char **argv)
{
  static wcx_run_folder_t run;
  options_t options;
  int status = parse(&options, argc, argv);
  if (status != 0)
    return status;
  if (!wcx_run_begin(&run, &options.asked, "snapshot", argc, argv, "one book copied, us"))
    return WCX_CLI_BAD;
  world_t world;
  memset(&world, 0, sizeof(world));
  set_up(&world, &options);
  result_t result = {.options = &options};
  for (uint32_t pass = 0; pass < PASSES; pass++)
    result.us[pass] = measure(&world, pass, options.repeats, &run);
  free_world(&world);
  keep(&result, &run);
  return wcx_run_end(&run, &options.asked, tell_json, tell_table, &result);
}
