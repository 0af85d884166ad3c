#include "bench/scale_run.h"

#include "bench/miss.h"
#include "bench/rig.h"
#include "dataplane/client/orders.h"
#include "engine/base/env.h"

#include <sys/mman.h>

#define BURST 32u
#define BATCH 256u
#define SESSION_ID 1u
#define SECURITY_ID 1u
#define ACCOUNTS 1000u
#define MID 1000000
#define QTY 1000000000u
#define RECORD_MAX (sizeof(wcx_record_hdr_t) + sizeof(wcx_new_order_single_t))
#define LOG_SZ (UINT64_C(1) << 18)
#define LEVELS_PER_NODE 64u
#define NODE_LINES 5u
#define ORDERS_PER_LEVEL 10u
#define FILL_PART 0.5 /* of the time that a size takes; the rest is operations, then bare misses */
#define OPS_PART 0.3

const char *const wcx_scale_names[WCX_SCALE_OPS] = {"new", "cancel", "cancel_id", "move", "fill", "reduce"};

/* An order as its owner knows it; stands at its slot. */
typedef struct mine
{
  uint64_t cl_ord_id;
  uint64_t order_id;
  uint32_t px;
  uint32_t qty;
  uint32_t live_idx;
  uint8_t side;
  uint8_t pad[3];
} mine_t;
static_assert(sizeof(mine_t) == 32, "mine");

typedef struct bench
{
  wcx_rig_t rig;
  mine_t *mine;   /* by slot */
  uint32_t *live; /* slots, in no order */
  uint32_t live_cnt;
  uint32_t slots_max;
  uint32_t levels_a_side;
  uint32_t sell_from; /* lowest price of the sell side, which fills push up */
  uint64_t random;
  uint64_t cl_ord_id; /* last */
  /* the batch */
  mine_t asked[BATCH]; /* of new orders, what is asked for; of the rest, the order */
  wcx_engine_input_t inputs[BATCH];
  _Alignas(64) uint8_t records[BATCH * RECORD_MAX];
} bench_t;

/* --- orders as their owner knows them --------------------------------------------------------------------------------------------------- */

static uint32_t slot_of(uint64_t order_id)
{
  return (uint32_t)order_id & 0xffffffu; /* engine/pool.h */
}

static void take_in(bench_t *bench, uint64_t order_id, const mine_t *asked)
{
  uint32_t slot = slot_of(order_id);
  WCX_CHECK(slot <= bench->slots_max, "slot %u of %u", slot, bench->slots_max);
  bench->mine[slot] = *asked;
  bench->mine[slot].order_id = order_id;
  bench->mine[slot].live_idx = bench->live_cnt;
  bench->live[bench->live_cnt++] = slot;
}

static void let_go(bench_t *bench, uint32_t slot)
{
  uint32_t at = bench->mine[slot].live_idx;
  uint32_t last = bench->live[--bench->live_cnt];
  bench->live[at] = last;
  bench->mine[last].live_idx = at;
}

static mine_t *any(bench_t *bench)
{
  return &bench->mine[bench->live[wcx_rig_draw(&bench->random, bench->live_cnt)]];
}

static uint32_t draw_px(bench_t *bench, uint8_t side)
{
  uint32_t away = wcx_rig_draw(&bench->random, bench->levels_a_side);
  return side == WCX_SIDE_BUY ? MID - away : bench->sell_from + away;
}

static mine_t draw_order(bench_t *bench)
{
  uint8_t side = (uint8_t)(WCX_SIDE_BUY + wcx_rig_draw(&bench->random, 2));
  return (mine_t){.px = draw_px(bench, side), .qty = QTY, .side = side};
}

/* --- requests --------------------------------------------------------------------------------------------------------------------------- */

static void put(bench_t *bench, uint32_t i, uint16_t template_id, const void *body, uint16_t body_sz)
{
  bench->inputs[i] = wcx_rig_encode(&bench->rig, &bench->records[i * RECORD_MAX], template_id, SESSION_ID, bench->cl_ord_id, body, body_sz);
}

static void put_new(bench_t *bench, uint32_t i, mine_t *order, uint8_t time_in_force)
{
  order->cl_ord_id = ++bench->cl_ord_id;
  wcx_new_order_single_t request =
      wcx_client_limit_order(order->cl_ord_id, 1 + wcx_rig_draw(&bench->random, ACCOUNTS), SECURITY_ID, order->side, order->px, order->qty, WCX_TIME_IN_FORCE_GTC);
  request.time_in_force = time_in_force;
  put(bench, i, WCX_TEMPLATE_NEW_ORDER_SINGLE, &request, sizeof(request));
}

static void put_cancel(bench_t *bench, uint32_t i, const mine_t *order, bool by_order_id)
{
  wcx_order_cancel_request_t request = {.cl_ord_id = ++bench->cl_ord_id,
                                        .orig_cl_ord_id = by_order_id ? WCX_U64_NULL : order->cl_ord_id,
                                        .order_id = by_order_id ? order->order_id : WCX_U64_NULL,
                                        .security_id = SECURITY_ID};
  put(bench, i, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, &request, sizeof(request));
}

/* To the price and quantity that `order` says now. */
static void put_replace(bench_t *bench, uint32_t i, mine_t *order)
{
  wcx_order_cancel_replace_request_t request = {.cl_ord_id = ++bench->cl_ord_id,
                                                .orig_cl_ord_id = order->cl_ord_id,
                                                .order_id = WCX_U64_NULL,
                                                .price = order->px,
                                                .order_qty = order->qty,
                                                .display_qty = WCX_I64_NULL,
                                                .security_id = SECURITY_ID,
                                                .stop_px = WCX_I64_NULL};
  order->cl_ord_id = request.cl_ord_id;
  put(bench, i, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, &request, sizeof(request));
}

static void encode(bench_t *bench, enum wcx_scale_op op, uint32_t i)
{
  mine_t *order;
  switch (op)
  {
  case WCX_SCALE_NEW:
    put_new(bench, i, &bench->asked[i], WCX_TIME_IN_FORCE_GTC);
    break;
  case WCX_SCALE_CANCEL:
  case WCX_SCALE_CANCEL_ID:
    order = any(bench);
    put_cancel(bench, i, order, op == WCX_SCALE_CANCEL_ID);
    let_go(bench, (uint32_t)(order - bench->mine));
    break;
  case WCX_SCALE_MOVE:
    order = any(bench);
    for (uint32_t old_px = order->px; order->px == old_px;)
      order->px = draw_px(bench, order->side);
    put_replace(bench, i, order);
    break;
  case WCX_SCALE_FILL:
    put_new(bench, i, &(mine_t){.px = bench->sell_from + 2 * bench->levels_a_side, .qty = QTY, .side = WCX_SIDE_BUY}, WCX_TIME_IN_FORCE_IOC);
    break;
  default:
    while ((order = any(bench))->side != WCX_SIDE_BUY)
      continue;
    order->qty--;
    put_replace(bench, i, order);
    break;
  }
}

/* --- what was said ---------------------------------------------------------------------------------------------------------------------- */

static const uint16_t answers[WCX_SCALE_OPS] = {
    WCX_TEMPLATE_EXECUTION_REPORT_NEW,     WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL,
    WCX_TEMPLATE_EXECUTION_REPORT_REPLACE, WCX_TEMPLATE_EXECUTION_REPORT_TRADE,  WCX_TEMPLATE_EXECUTION_REPORT_REPLACE,
};

/* Walk the log: new orders get their OrderIDs, filled makers leave, and every request must have had the answer it is meant to have. */
static void read_events(bench_t *bench, enum wcx_scale_op op, uint32_t cnt)
{
  const wcx_outlog_t *log = &bench->rig.log;
  uint32_t done = 0;
  for (uint64_t pos = wcx_outlog_settle(log, 0, log->write_pos); pos < log->write_pos; pos = wcx_outlog_settle(log, pos + wcx_outlog_at(log, pos)->entry_sz, log->write_pos))
  {
    const uint8_t *message = wcx_out_message(wcx_outlog_at(log, pos));
    const void *block = message + sizeof(wcx_message_header_t);
    wcx_message_header_t header;
    memcpy(&header, message, sizeof(header));
    if (header.template_id != answers[op])
      continue;
    if (op == WCX_SCALE_NEW)
      take_in(bench, ((const wcx_execution_report_new_t *)block)->order_id, &bench->asked[done]);
    if (op == WCX_SCALE_FILL)
    {
      const wcx_execution_report_trade_t *er = block;
      if (er->last_liquidity_ind != WCX_LAST_LIQUIDITY_IND_ADDED_LIQUIDITY)
        continue;
      WCX_CHECK(er->leaves_qty == 0, "a fill left %lld of the maker", (long long)er->leaves_qty);
      bench->asked[done] = bench->mine[slot_of(er->order_id)]; /* comes back, behind all others */
      bench->asked[done].px += bench->levels_a_side;
      bench->sell_from = (uint32_t)er->last_px;
      let_go(bench, slot_of(er->order_id));
    }
    done++;
  }
  WCX_CHECK(done == cnt, "%s: %u of %u were done", wcx_scale_names[op], done, cnt);
  WCX_CHECK(wcx_engine_orders_live(bench->rig.engine) == bench->live_cnt, "%u orders live, expected %u", wcx_engine_orders_live(bench->rig.engine), bench->live_cnt);
}

/* --- batches ---------------------------------------------------------------------------------------------------------------------------- */

/* `cnt` operations of a kind; returns how long they took. */
static uint64_t run_batch(bench_t *bench, enum wcx_scale_op op, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
    encode(bench, op, i);
  wcx_rig_t *rig = &bench->rig;
  wcx_rig_clear_log(rig);
  uint64_t from_ns = wcx_env_mono_ns();
  for (uint32_t first = 0; first < cnt; first += BURST)
  {
    uint32_t end = cnt - first < BURST ? cnt : first + BURST;
    wcx_engine_prefetch(rig->engine, &bench->inputs[first], end - first);
    for (uint32_t i = first; i < end; i++)
      wcx_engine_apply(rig->engine, bench->inputs[i].hdr, bench->inputs[i].body, &rig->log);
  }
  uint64_t took_ns = wcx_env_mono_ns() - from_ns;
  read_events(bench, op, cnt);
  return took_ns;
}

static uint64_t run_new(bench_t *bench, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
    bench->asked[i] = draw_order(bench);
  return run_batch(bench, WCX_SCALE_NEW, cnt);
}

static bench_t *fill_up(uint32_t orders, uint32_t levels)
{
  bench_t *bench = wcx_rig_map(sizeof(*bench));
  bench->random = 1;
  bench->levels_a_side = levels / 2;
  bench->sell_from = MID + 1;
  bench->slots_max = orders + BATCH + 1;
  wcx_engine_limits_t limits = {.orders_max = bench->slots_max, .levels_max = levels + BATCH, .instruments_max = 1, .accounts_max = ACCOUNTS, .sessions_max = 1};
  wcx_rig_init(&bench->rig, &limits, LOG_SZ);
  wcx_rig_restart(&bench->rig);
  bench->mine = wcx_rig_map(((uint64_t)bench->slots_max + 1) * sizeof(mine_t));
  bench->live = wcx_rig_map(((uint64_t)bench->slots_max + 1) * sizeof(uint32_t));
  wcx_rig_instrument(&bench->rig, SECURITY_ID);
  for (uint32_t account = 1; account <= ACCOUNTS; account++)
    wcx_rig_account(&bench->rig, account, WCX_CREDIT_UNLIMITED);
  wcx_rig_session(&bench->rig, SESSION_ID, UINT32_MAX);
  while (bench->live_cnt < orders)
  {
    if (bench->live_cnt / BATCH % 256 == 0)
      wcx_cli_bar(FILL_PART * bench->live_cnt / orders, "%u orders enter the book", orders);
    run_new(bench, orders - bench->live_cnt < BATCH ? orders - bench->live_cnt : BATCH);
  }
  return bench;
}

static void give_back(bench_t *bench)
{
  munmap(bench->live, ((uint64_t)bench->slots_max + 1) * sizeof(uint32_t));
  munmap(bench->mine, ((uint64_t)bench->slots_max + 1) * sizeof(mine_t));
  wcx_rig_free(&bench->rig);
  munmap(bench, sizeof(*bench));
}

static void keep_batches(wcx_run_folder_t *run, enum wcx_scale_op op, uint32_t orders, uint64_t from_ns, const double *per_op, uint32_t batches)
{
  static wcx_hdr_t hdr;
  char tag[64], number[32];
  memset(&hdr, 0, sizeof(hdr));
  for (uint32_t batch = 0; batch < batches; batch++)
    wcx_hdr_record(&hdr, (uint64_t)per_op[batch], 1);
  wcx_chart_number(number, sizeof(number), orders, WCX_CHART_NUMBER);
  char *space = strchr(number, ' ');
  if (space != NULL) /* which a tag has none of: 10k */
    memmove(space, space + 1, strlen(space));
  snprintf(tag, sizeof(tag), "%s/%s", wcx_scale_names[op], number);
  wcx_run_folder_hist(run, tag, from_ns, wcx_env_utc_ns(), &hdr);
}

static void measure_ops(bench_t *bench, uint32_t batches, double *ns, uint32_t orders, wcx_run_folder_t *run)
{
  static double per_op[WCX_SCALE_OPS][WCX_SCALE_BATCHES_MAX];
  uint64_t from_ns = wcx_env_utc_ns();
  for (uint32_t batch = 0; batch < batches; batch++)
  {
    wcx_cli_bar(FILL_PART + OPS_PART * batch / batches, "%u orders: operations", orders);
    for (uint32_t op = WCX_SCALE_CANCEL; op < WCX_SCALE_OPS; op++)
    {
      per_op[op][batch] = (double)run_batch(bench, op, BATCH) / BATCH;
      if (op == WCX_SCALE_CANCEL)
        per_op[WCX_SCALE_NEW][batch] = (double)run_new(bench, BATCH) / BATCH;
      else if (op == WCX_SCALE_CANCEL_ID)
        run_new(bench, BATCH);
      else if (op == WCX_SCALE_FILL)
        run_batch(bench, WCX_SCALE_NEW, BATCH); /* what was filled comes back */
    }
  }
  for (uint32_t op = 0; op < WCX_SCALE_OPS; op++)
  {
    ns[op] = wcx_cli_median(per_op[op], batches);
    keep_batches(run, op, orders, from_ns, per_op[op], batches);
  }
}

/* --- bare misses ------------------------------------------------------------------------------------------------------------------------ */

#define REQ WCX_MISS_REQUEST

static const wcx_miss_shape_t shapes[WCX_SCALE_OPS] = {
    [WCX_SCALE_NEW] = {.touch_cnt = 4, .prefetched = true, .touches = {{WCX_MISS_NODES, REQ}, {WCX_MISS_NODES, REQ}, {WCX_MISS_LEVELS, 1}, {WCX_MISS_ORDERS, 2}}},
    [WCX_SCALE_CANCEL] = {.touch_cnt = 8,
                          .prefetched = true,
                          .touches = {{WCX_MISS_INDEX, REQ},
                                      {WCX_MISS_ORDERS, 0},
                                      {WCX_MISS_LINKS, 0},
                                      {WCX_MISS_LEVELS, 1},
                                      {WCX_MISS_ORDERS, 1},
                                      {WCX_MISS_ORDERS, 1},
                                      {WCX_MISS_LINKS, 2},
                                      {WCX_MISS_LINKS, 2}}},
    [WCX_SCALE_CANCEL_ID] = {.touch_cnt = 8,
                             .prefetched = true,
                             .touches = {{WCX_MISS_ORDERS, REQ},
                                         {WCX_MISS_LINKS, REQ},
                                         {WCX_MISS_INDEX, 0},
                                         {WCX_MISS_LEVELS, 0},
                                         {WCX_MISS_ORDERS, 0},
                                         {WCX_MISS_ORDERS, 0},
                                         {WCX_MISS_LINKS, 1},
                                         {WCX_MISS_LINKS, 1}}},
    [WCX_SCALE_MOVE] = {.touch_cnt = 9,
                        .prefetched = true,
                        .touches = {{WCX_MISS_INDEX, REQ},
                                    {WCX_MISS_ORDERS, 0},
                                    {WCX_MISS_LEVELS, 1},
                                    {WCX_MISS_ORDERS, 1},
                                    {WCX_MISS_ORDERS, 1},
                                    {WCX_MISS_NODES, 1},
                                    {WCX_MISS_NODES, 1},
                                    {WCX_MISS_LEVELS, 6},
                                    {WCX_MISS_ORDERS, 7}}},
    [WCX_SCALE_FILL] = {.touch_cnt = 5, .chained = true, .touches = {{WCX_MISS_ORDERS, REQ}, {WCX_MISS_LINKS, REQ}, {WCX_MISS_INDEX, 0}, {WCX_MISS_LINKS, 1}, {WCX_MISS_LINKS, 1}}},
    [WCX_SCALE_REDUCE] = {.touch_cnt = 3, .prefetched = true, .touches = {{WCX_MISS_INDEX, REQ}, {WCX_MISS_ORDERS, 0}, {WCX_MISS_LEVELS, 1}}},
};

uint32_t wcx_scale_lines(enum wcx_scale_op op)
{
  return shapes[op].touch_cnt;
}

static void measure_bare(wcx_scale_size_t *size, uint32_t batches)
{
  uint64_t eighth = (size->orders + 7) / 8; /* lines of a table of 8 bytes an order */
  uint64_t line_cnt[WCX_MISS_TABLES] = {
      [WCX_MISS_ORDERS] = size->orders,
      [WCX_MISS_LINKS] = eighth,
      [WCX_MISS_INDEX] = eighth,
      [WCX_MISS_LEVELS] = size->levels,
      [WCX_MISS_NODES] = (size->levels + LEVELS_PER_NODE - 1) / LEVELS_PER_NODE * NODE_LINES,
  };
  wcx_miss_t *miss = wcx_miss_new(line_cnt);
  for (uint32_t op = 0; op < WCX_SCALE_OPS; op++)
  {
    wcx_cli_bar(FILL_PART + OPS_PART + (1 - FILL_PART - OPS_PART) * op / WCX_SCALE_OPS, "%u orders: bare misses", size->orders);
    size->bare_ns[op] = wcx_miss_op_ns(miss, &shapes[op], batches);
  }
  wcx_miss_free(miss);
  size->load_ns = wcx_miss_load_ns(size->orders + 2 * eighth);
}

wcx_scale_size_t wcx_scale_measure(uint32_t orders, uint32_t levels_max, uint32_t batches, wcx_run_folder_t *run)
{
  uint32_t levels = orders / ORDERS_PER_LEVEL < levels_max ? orders / ORDERS_PER_LEVEL : levels_max;
  wcx_scale_size_t size = {.orders = orders, .levels = levels & ~1u};
  bench_t *bench = fill_up(orders, size.levels);
  measure_ops(bench, batches, size.ns, orders, run);
  give_back(bench);
  measure_bare(&size, batches);
  wcx_cli_progress("%s", "");
  return size;
}
