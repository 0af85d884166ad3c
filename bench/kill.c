#include "bench/kill.h"

#include "bench/cli.h"
#include "bench/rig.h"
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
  int cpu;
  bool json;
} options_t;

typedef struct result
{
  double ms[INPUTS];
  double cold_ms[INPUTS];
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
                           "  --cpu N            run on this CPU\n"
                           "  --json             one line of JSON\n";

static int parse(options_t *options, int argc, char **argv)
{
  *options = (options_t){.orders = WANTED_ORDERS, .repeats = 9, .cpu = -1};
  const wcx_cli_option_t known[] = {{"orders", WCX_CLI_U32, &options->orders, 1, 4000000, 0},
                                    {"repeats", WCX_CLI_U32, &options->repeats, 1, REPEATS_MAX, 0},
                                    {"cpu", WCX_CLI_CPU, &options->cpu, 0, 0, 0},
                                    {"json", WCX_CLI_FLAG, &options->json, 0, 0, 0},
                                    {0}};
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
  wcx_new_order_single_t request = {.cl_ord_id = ++world->cl_ord_id[session_id],
                                    .price = side == WCX_SIDE_BUY ? MID - away : MID + away,
                                    .order_qty = QTY,
                                    .display_qty = WCX_I64_NULL,
                                    .min_qty = WCX_I64_NULL,
                                    .stop_px = WCX_I64_NULL,
                                    .expire_time = WCX_U64_NULL,
                                    .security_id = 1 + wcx_rig_draw(&world->random, INSTRUMENTS),
                                    .account = account,
                                    .side = side,
                                    .ord_type = WCX_ORD_TYPE_LIMIT,
                                    .time_in_force = WCX_TIME_IN_FORCE_GTC,
                                    .self_match_prevention_inst = WCX_SELF_MATCH_PREVENTION_INST_NONE};
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

static double measure_once(world_t *world, enum input input, bool cold)
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
  WCX_CHECK(wcx_engine_orders_live(rig->engine) == world->orders, "%u orders left, expected %u", wcx_engine_orders_live(rig->engine), world->orders);
  WCX_CHECK(canceled(&rig->log) == world->orders, "%llu orders canceled, expected %u", (unsigned long long)canceled(&rig->log), world->orders);
  return (double)took_ns / 1e6;
}

static double measure(world_t *world, enum input input, bool cold, uint32_t repeats)
{
  double ms[REPEATS_MAX];
  for (uint32_t i = 0; i < repeats; i++)
  {
    wcx_cli_progress("%s%s: %u of %u", input == INPUT_KILL ? "kill" : "mass cancel", cold ? ", cold" : "", i + 1, repeats);
    ms[i] = measure_once(world, input, cold);
  }
  wcx_cli_progress("%s", "");
  return wcx_cli_median(ms, repeats);
}

static void print(const options_t *options, const result_t *result)
{
  char host[256];
  wcx_cli_host(host, sizeof(host));
  double wanted_ms = WANTED_MS * options->orders / WANTED_ORDERS;
  if (options->json)
  {
    printf("{\"host\":\"%s\",\"orders\":%u,\"others\":%u,\"sessions\":%u,\"instruments\":%u,\"repeats\":%u,\"wanted_ms\":%.3f", host, options->orders, options->orders,
           MEMBER_SESSIONS, INSTRUMENTS, options->repeats, wanted_ms);
    printf(",\"kill_ms\":%.3f,\"kill_cold_ms\":%.3f,\"mass_cancel_ms\":%.3f,\"mass_cancel_cold_ms\":%.3f}\n", result->ms[INPUT_KILL], result->cold_ms[INPUT_KILL],
           result->ms[INPUT_MASS_CANCEL], result->cold_ms[INPUT_MASS_CANCEL]);
    return;
  }
  printf("%s\n%u orders of a member (%u sessions, %u instruments) among %u of others; median of %u fresh set-ups\n", host, options->orders, MEMBER_SESSIONS, INSTRUMENTS,
         options->orders, options->repeats);
  static const char *const names[INPUTS] = {"KillSwitch", "OrderMassCancelRequest"};
  for (uint32_t input = 0; input < INPUTS; input++)
    printf("%-24s %8.3f ms   %6.1f ns an order;  cold %8.3f ms   %6.1f ns\n", names[input], result->ms[input], result->ms[input] * 1e6 / options->orders, result->cold_ms[input],
           result->cold_ms[input] * 1e6 / options->orders);
  printf("wanted of KillSwitch     %8.3f ms   %s\n", wanted_ms, result->ms[INPUT_KILL] <= wanted_ms ? "held" : "not held");
}

int wcx_kill_bench(int argc, char **argv)
{
  options_t options;
  int status = parse(&options, argc, argv);
  if (status != 0)
    return status;
  if (options.cpu >= 0)
    wcx_cli_pin(options.cpu);
  world_t *world = make_world(options.orders);
  result_t result;
  for (uint32_t input = 0; input < INPUTS; input++)
  {
    result.ms[input] = measure(world, input, false, options.repeats);
    result.cold_ms[input] = measure(world, input, true, options.repeats);
  }
  free_world(world);
  print(&options, &result);
  return 0;
}
