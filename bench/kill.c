#include "bench/kill.h"

#include "bench/rig.h"
#include "bench/run_folder.h"
#include "dataplane/client/orders.h"
#include "engine/base/env.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MEMBER 1u
#define MEMBER_SESSIONS 4u
#define OTHERS 100u /* accounts 2.., sessions behind the member's */
#define INSTRUMENTS 10u
#define PRICES_A_SIDE 1000u
#define MID 1000000
#define QTY 100
#define REPEATS_MAX 101u
#define COLD_SZ (UINT64_C(128) << 20)
#define WANTED_MS 5.0
#define WANTED_ORDERS 100000u
#define LOG_SZ_MIN (UINT64_C(1) << 16)
#define ORDER_SAYS_MAX UINT64_C(512) /* bytes of output that an order's end takes at most; checked against the engine's bound */

enum input
{
  INPUT_KILL = 0,
  INPUT_MASS_CANCEL = 1,
  INPUTS = 2,
};

typedef struct options
{
  uint32_t orders, repeats;
  wcx_run_asked_t asked;
} options_t;

typedef struct result
{
  const options_t *options;
  double wanted_ms;
  double ms[INPUTS]; /* medians */
  double cold_ms[INPUTS];
  double least_ms[INPUTS]; /* of the warm ones */
} result_t;

typedef struct world
{
  wcx_rig_t rig;
  uint32_t orders;
  uint64_t random;
  uint64_t cl_ord_id[1 + MEMBER_SESSIONS + OTHERS]; /* last, by session */
  uint8_t *cold;
} world_t;

static const char help[] = "wcx-bench kill: one input that cancels all of a member's orders (bench/kill.h)\n"
                           "  --orders N         of the member, and as many of others, 1..4000000 (100000)\n"
                           "  --repeats N        fresh set-ups, 1..101; the median counts (9)\n"
                           "  --cpu N            run on this CPU\n" WCX_RUN_ASKED_HELP;

static int parse(options_t *options, int argc, char **argv)
{
  *options = (options_t){.orders = WANTED_ORDERS, .repeats = 9, .asked = {.cpu = -1}};
  const wcx_cli_option_t known[] = {
      {"orders", WCX_CLI_U32, &options->orders, 1, 4000000, 0}, {"repeats", WCX_CLI_U32, &options->repeats, 1, REPEATS_MAX, 0}, WCX_RUN_ASKED(&options->asked), {0}};
  return wcx_cli_options("kill", help, known, argc, argv);
}

/* --- the world -------------------------------------------------------------------------------------------------------------------------- */

static void apply(world_t *world, uint16_t template_id, uint32_t session_id, const void *body, uint16_t body_sz)
{
  _Alignas(64) uint8_t record[WCX_RECORD_SZ_MAX];
  wcx_engine_input_t input = wcx_rig_encode(&world->rig, record, template_id, session_id, session_id == 0 ? 0 : world->cl_ord_id[session_id], body, body_sz);
  wcx_engine_apply(world->rig.engine, input.hdr, input.body, &world->rig.log);
}

static void enter(world_t *world, uint32_t session_id, uint32_t account)
{
  uint8_t side = (uint8_t)(WCX_SIDE_BUY + wcx_rig_draw(&world->random, 2));
  int64_t away = 1 + wcx_rig_draw(&world->random, PRICES_A_SIDE);
  wcx_new_order_single_t request = wcx_client_limit_order(++world->cl_ord_id[session_id], account, 1 + wcx_rig_draw(&world->random, INSTRUMENTS), side,
                                                          side == WCX_SIDE_BUY ? MID - away : MID + away, QTY, WCX_TIME_IN_FORCE_GTC);
  apply(world, WCX_TEMPLATE_NEW_ORDER_SINGLE, session_id, &request, sizeof(request));
  wcx_rig_clear_log(&world->rig);
}

/* A fresh engine with everybody's orders in it. */
static void set_up(world_t *world)
{
  wcx_rig_restart(&world->rig);
  memset(world->cl_ord_id, 0, sizeof(world->cl_ord_id));
  for (uint32_t security_id = 1; security_id <= INSTRUMENTS; security_id++)
    wcx_rig_instrument(&world->rig, security_id);
  for (uint32_t account = MEMBER; account <= MEMBER + OTHERS; account++)
    wcx_rig_account(&world->rig, account, WCX_CREDIT_UNLIMITED);
  for (uint32_t session_id = 1; session_id <= MEMBER_SESSIONS + OTHERS; session_id++)
    wcx_rig_session(&world->rig, session_id, session_id <= MEMBER_SESSIONS ? MEMBER : MEMBER + session_id - MEMBER_SESSIONS);
  uint32_t left[2] = {world->orders, world->orders}; /* member, others */
  while (left[0] + left[1] != 0)
  {
    uint32_t whose = wcx_rig_draw(&world->random, left[0] + left[1]) >= left[0];
    uint32_t one = 1 + wcx_rig_draw(&world->random, whose == 0 ? MEMBER_SESSIONS : OTHERS);
    enter(world, whose == 0 ? one : MEMBER_SESSIONS + one, whose == 0 ? MEMBER : MEMBER + one);
    left[whose]--;
  }
  WCX_CHECK(wcx_engine_orders_live(world->rig.engine) == 2 * world->orders, "%u orders live", wcx_engine_orders_live(world->rig.engine));
}

static world_t *make_world(uint32_t orders)
{
  world_t *world = wcx_rig_map(sizeof(*world));
  world->orders = orders;
  world->random = 1;
  world->cold = wcx_rig_map(COLD_SZ);
  uint64_t log_sz = LOG_SZ_MIN;
  while (log_sz < 2 * orders * ORDER_SAYS_MAX + LOG_SZ_MIN)
    log_sz *= 2;
  wcx_engine_limits_t limits = {.orders_max = 2 * orders + 1,
                                .levels_max = 2 * PRICES_A_SIDE * INSTRUMENTS,
                                .instruments_max = INSTRUMENTS,
                                .accounts_max = MEMBER + OTHERS,
                                .sessions_max = MEMBER_SESSIONS + OTHERS};
  wcx_rig_init(&world->rig, &limits, log_sz);
  memset(world->rig.log.base, 0, log_sz);
  return world;
}

static void free_world(world_t *world)
{
  wcx_rig_free(&world->rig);
  munmap(world->cold, COLD_SZ);
  munmap(world, sizeof(*world));
}

/* --- measuring -------------------------------------------------------------------------------------------------------------------------- */

static uint64_t canceled(const wcx_outlog_t *log)
{
  uint64_t cnt = 0;
  for (uint64_t pos = wcx_outlog_settle(log, 0, log->write_pos); pos < log->write_pos; pos = wcx_outlog_settle(log, pos + wcx_outlog_at(log, pos)->entry_sz, log->write_pos))
  {
    wcx_message_header_t header;
    memcpy(&header, wcx_out_message(wcx_outlog_at(log, pos)), sizeof(header));
    cnt += header.template_id == WCX_TEMPLATE_DELETE_ORDER;
  }
  return cnt;
}

static wcx_engine_input_t encode(world_t *world, enum input input, void *record)
{
  if (input == INPUT_KILL)
  {
    wcx_kill_switch_t kill = {.account = MEMBER, .locked = 1};
    return wcx_rig_encode(&world->rig, record, WCX_TEMPLATE_KILL_SWITCH, 0, 0, &kill, sizeof(kill));
  }
  wcx_order_mass_cancel_request_t request = {.cl_ord_id = ++world->cl_ord_id[1],
                                             .security_id = WCX_U32_NULL,
                                             .account = MEMBER,
                                             .mass_cancel_request_type = WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_ACCOUNT,
                                             .side = WCX_SIDE_FILTER_BOTH};
  return wcx_rig_encode(&world->rig, record, WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, 1, world->cl_ord_id[1], &request, sizeof(request));
}

static double measure_once(world_t *world, enum input input, bool cold, wcx_run_folder_t *run)
{
  _Alignas(64) uint8_t record[WCX_RECORD_SZ_MAX];
  set_up(world);
  wcx_rig_t *rig = &world->rig;
  wcx_rig_clear_log(rig);
  wcx_engine_input_t at = encode(world, input, record);
  uint64_t bound = wcx_engine_output_bound(rig->engine, at.hdr, at.body);
  WCX_CHECK(bound <= wcx_outlog_room(&rig->log), "the engine may say %llu bytes, the log takes %llu", (unsigned long long)bound, (unsigned long long)wcx_outlog_room(&rig->log));
  if (cold)
    memset(world->cold, (int)rig->seq, COLD_SZ);
  uint64_t from_ns = wcx_env_mono_ns();
  wcx_engine_apply(rig->engine, at.hdr, at.body, &rig->log);
  uint64_t took_ns = wcx_env_mono_ns() - from_ns;
  if (wcx_engine_orders_live(rig->engine) != world->orders)
    wcx_run_fault(run, "%u orders left, expected %u", wcx_engine_orders_live(rig->engine), world->orders);
  if (canceled(&rig->log) != world->orders)
    wcx_run_fault(run, "%llu orders canceled, expected %u", (unsigned long long)canceled(&rig->log), world->orders);
  return (double)took_ns / 1e6;
}

/* The median; *least: the least of them, where somebody asks. */
static double measure(world_t *world, enum input input, bool cold, uint32_t repeats, wcx_run_folder_t *run, double *least)
{
  static const char *const tags[INPUTS][2] = {[INPUT_KILL] = {"kill-switch/warm", "kill-switch/cold"}, [INPUT_MASS_CANCEL] = {"mass-cancel/warm", "mass-cancel/cold"}};
  double ms[REPEATS_MAX];
  uint32_t series = 2 * (uint32_t)input + cold;
  for (uint32_t i = 0; i < repeats; i++)
  {
    wcx_cli_bar((double)(series * repeats + i) / (2 * INPUTS * repeats), "%s: %u of %u", tags[input][cold], i + 1, repeats);
    ms[i] = measure_once(world, input, cold, run);
    wcx_run_folder_duration(run, tags[input][cold], ms[i] * 1e6);
    if (input == INPUT_KILL && !cold)
      wcx_run_folder_sample(run, ms[i]);
  }
  double median = wcx_cli_median(ms, repeats);
  if (least != NULL)
    *least = ms[0]; /* sorted now */
  return median;
}

/* --- what is told ----------------------------------------------------------------------------------------------------------------------- */

static void tell_json(FILE *file, const void *found)
{
  const result_t *result = found;
  const options_t *options = result->options;
  fprintf(file, ",\"orders\":%u,\"others\":%u,\"sessions\":%u,\"instruments\":%u,\"repeats\":%u,\"wanted_ms\":%.3f", options->orders, options->orders, MEMBER_SESSIONS, INSTRUMENTS,
          options->repeats, result->wanted_ms);
  fprintf(file, ",\"kill_ms\":%.3f,\"kill_cold_ms\":%.3f,\"mass_cancel_ms\":%.3f,\"mass_cancel_cold_ms\":%.3f", result->ms[INPUT_KILL], result->cold_ms[INPUT_KILL],
          result->ms[INPUT_MASS_CANCEL], result->cold_ms[INPUT_MASS_CANCEL]);
  fprintf(file, ",\"kill_least_ms\":%.3f,\"mass_cancel_least_ms\":%.3f", result->least_ms[INPUT_KILL], result->least_ms[INPUT_MASS_CANCEL]);
}

static void tell_table(FILE *file, const void *found)
{
  static const char *const names[INPUTS] = {"KillSwitch", "OrderMassCancelRequest"};
  const result_t *result = found;
  double orders = result->options->orders;
  fprintf(file, "%.0f orders of a member (%u sessions, %u instruments) among %.0f of others; median of %u fresh set-ups\n", orders, MEMBER_SESSIONS, INSTRUMENTS, orders,
          result->options->repeats);
  for (uint32_t input = 0; input < INPUTS; input++)
    fprintf(file, "%-24s %8.3f ms   %6.1f ns an order, least %.3f ms;  cold %8.3f ms   %6.1f ns\n", names[input], result->ms[input], result->ms[input] * 1e6 / orders,
            result->least_ms[input], result->cold_ms[input], result->cold_ms[input] * 1e6 / orders);
  fprintf(file, "wanted of KillSwitch     %8.3f ms   %s\n", result->wanted_ms, result->ms[INPUT_KILL] <= result->wanted_ms ? "held" : "not held");
}

static void keep(const result_t *result, wcx_run_folder_t *run)
{
  char beside[96];
  snprintf(beside, sizeof(beside), "%.1f ns an order of %u; the least %.1f ms", result->ms[INPUT_KILL] * 1e6 / result->options->orders, result->options->orders,
           result->least_ms[INPUT_KILL]);
  wcx_run_folder_value(run, "KillSwitch, median", result->ms[INPUT_KILL], " ms", WCX_WANTED_AT_MOST, result->wanted_ms, beside);
  wcx_run_folder_value(run, "KillSwitch, cold caches", result->cold_ms[INPUT_KILL], " ms", WCX_WANTED_NOTHING, 0, NULL);
  wcx_run_folder_value(run, "OrderMassCancelRequest, median", result->ms[INPUT_MASS_CANCEL], " ms", WCX_WANTED_NOTHING, 0, NULL);
  wcx_run_folder_value(run, "OrderMassCancelRequest, cold caches", result->cold_ms[INPUT_MASS_CANCEL], " ms", WCX_WANTED_NOTHING, 0, NULL);
}

int wcx_kill_bench(int argc, char **argv)
{
  static wcx_run_folder_t run;
  options_t options;
  int status = parse(&options, argc, argv);
  if (status != 0)
    return status;
  if (!wcx_run_begin(&run, &options.asked, "kill", argc, argv, "KillSwitch, ms"))
    return WCX_CLI_BAD;
  world_t *world = make_world(options.orders);
  result_t result = {.options = &options, .wanted_ms = WANTED_MS * options.orders / WANTED_ORDERS};
  for (uint32_t input = 0; input < INPUTS; input++)
  {
    result.ms[input] = measure(world, input, false, options.repeats, &run, &result.least_ms[input]);
    result.cold_ms[input] = measure(world, input, true, options.repeats, &run, NULL);
  }
  free_world(world);
  keep(&result, &run);
  return wcx_run_end(&run, &options.asked, tell_json, tell_table, &result);
}
