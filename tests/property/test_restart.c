/* An engine that ends every 10,000 inputs and goes on from its snapshot, in other memory of another size under another hash key, beside one that never ends:
   equal digests at every restart, and the same bytes said in between (the output digest is over all of them).

     --inputs N   default 2,000,000; 10,000,000 is the long form
     --every N    inputs between two restarts, default 10,000
     --seed S     also WCX_SEED */
#include "engine/base/env.h"
#include "engine/engine.h"
#include "engine/shm/record.h"
#include "engine/snapshot.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SESSIONS 6u
#define INSTRUMENTS 3u
#define RECENT 256u /* ClOrdIDs of a session that a cancel may name */
#define LOG_SZ (8u << 20)

typedef struct side
{
  wcx_engine_t *engine;
  void *mem;
  wcx_engine_limits_t limits;
  wcx_outlog_t log;
  void *log_mem;
} side_t;

typedef struct input
{
  wcx_record_hdr_t hdr;
  _Alignas(8) uint8_t body[WCX_RECORD_BODY_SZ_MAX];
} input_t;

static struct
{
  uint64_t random;
  uint64_t seq;
  uint64_t stamp_ns;
  uint64_t client_seq[SESSIONS + 1];
  uint64_t cl_ord_id[SESSIONS + 1];
} flow;

static uint64_t draw(void) /* splitmix64 */
{
  uint64_t x = flow.random += UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

static uint64_t below(uint64_t bound)
{
  return draw() % bound;
}

/* --- the two engines ------------------------------------------------------------------------------ */

static void *must_alloc(size_t sz)
{
  void *mem = aligned_alloc(64, (sz + 63) & ~(size_t)63);
  WCX_CHECK(mem != NULL, "no memory: %zu bytes", sz);
  return mem;
}

static side_t side_new(uint64_t hash_key)
{
  side_t side = {.limits = {.shard = 1, .orders_max = 20000, .levels_max = 4000, .instruments_max = 4, .accounts_max = 8, .sessions_max = 8, .hash_key = hash_key}};
  size_t sz = wcx_engine_footprint(&side.limits);
  side.mem = must_alloc(sz);
  side.log_mem = must_alloc(LOG_SZ);
  side.engine = wcx_engine_new(side.mem, sz, &side.limits);
  wcx_outlog_init(&side.log, side.log_mem, LOG_SZ);
  return side;
}

static void side_free(side_t *side)
{
  free(side->mem);
  free(side->log_mem);
}

static void side_apply(side_t *side, const input_t *input)
{
  wcx_outlog_init(&side->log, side->log_mem, LOG_SZ);
  wcx_engine_apply(side->engine, &input->hdr, input->body, &side->log);
}

/* The end of a process and the start of another one. */
static void side_restart(side_t *side)
{
  uint64_t sz = wcx_engine_snapshot_sz(side->engine);
  void *snapshot = must_alloc(sz);
  WCX_CHECK(wcx_engine_snapshot_save(side->engine, snapshot, sz) == sz, "snapshot of %" PRIu64 " bytes", sz);
  memset(side->mem, 0xdb, wcx_engine_footprint(&side->limits));
  free(side->mem);
  side->limits.hash_key = draw();
  side->limits.orders_max = 20000 + (uint32_t)below(5000);
  side->limits.levels_max = 4000 + (uint32_t)below(1000);
  size_t mem_sz = wcx_engine_footprint(&side->limits);
  side->mem = must_alloc(mem_sz);
  char error[256];
  side->engine = wcx_engine_snapshot_load(side->mem, mem_sz, &side->limits, snapshot, sz, error, sizeof(error));
  WCX_CHECK(side->engine != NULL, "its own snapshot is refused: %s", error);
  free(snapshot);
}

static bool same(wcx_digest_t a, wcx_digest_t b)
{
  return a.lo == b.lo && a.hi == b.hi;
}

static bool equal(const side_t *a, const side_t *b)
{
  bool outputs = same(wcx_engine_output_digest(a->engine), wcx_engine_output_digest(b->engine));
  bool states = same(wcx_engine_state_digest(a->engine), wcx_engine_state_digest(b->engine));
  return outputs && states && wcx_engine_applied_seq(a->engine) == wcx_engine_applied_seq(b->engine);
}

/* --- inputs --------------------------------------------------------------------------------------- */

static void put(input_t *input, uint16_t template_id, uint32_t session_id, const void *body, size_t sz)
{
  uint64_t step = below(1000) == 0 ? below(2000000000) : 1 + below(2000);
  flow.stamp_ns += step;
  input->hdr = (wcx_record_hdr_t){.format = WCX_RECORD_FORMAT, .template_id = template_id, .shard = 1, .seq = ++flow.seq, .stamp_ns = flow.stamp_ns, .body_sz = (uint16_t)sz};
  memcpy(input->body, body, sz);
  bool request = template_id >= WCX_TEMPLATE_NEW_ORDER_SINGLE && template_id <= WCX_TEMPLATE_MMP_CONFIG_REQUEST;
  input->hdr.session_id = session_id;
  if (!request)
    return;
  input->hdr.client_seq = ++flow.client_seq[session_id];
  input->hdr.receive_ns = flow.stamp_ns - 1;
  input->hdr.account = session_id;
}

static void new_order(input_t *input, uint32_t session_id)
{
  static const uint8_t tifs[] = {WCX_TIME_IN_FORCE_GTC, WCX_TIME_IN_FORCE_GTC, WCX_TIME_IN_FORCE_GTC, WCX_TIME_IN_FORCE_IOC, WCX_TIME_IN_FORCE_FOK, WCX_TIME_IN_FORCE_GTD};
  int64_t qty = 1 + (int64_t)below(100);
  wcx_new_order_single_t order = {.cl_ord_id = ++flow.cl_ord_id[session_id],
                                  .account = session_id,
                                  .security_id = 1 + (uint32_t)below(INSTRUMENTS),
                                  .side = (uint8_t)(1 + below(2)),
                                  .ord_type = WCX_ORD_TYPE_LIMIT,
                                  .time_in_force = tifs[below(sizeof(tifs))],
                                  .price = 1000 + (int64_t)below(64),
                                  .order_qty = qty,
                                  .stop_px = WCX_I64_NULL,
                                  .min_qty = WCX_I64_NULL,
                                  .display_qty = below(10) == 0 ? 1 + (int64_t)below((uint64_t)qty) : WCX_I64_NULL,
                                  .expire_time = WCX_U64_NULL,
                                  .self_match_prevention_id = WCX_U32_NULL};
  if (order.time_in_force == WCX_TIME_IN_FORCE_GTD)
    order.expire_time = flow.stamp_ns + 1000000 + below(500000000);
  if (below(20) == 0)
  {
    order.ord_type = WCX_ORD_TYPE_STOP_LIMIT;
    order.time_in_force = WCX_TIME_IN_FORCE_GTC;
    order.expire_time = WCX_U64_NULL;
    order.stop_px = 1000 + (int64_t)below(64);
  }
  put(input, WCX_TEMPLATE_NEW_ORDER_SINGLE, session_id, &order, sizeof(order));
}

static void cancel_or_replace(input_t *input, uint32_t session_id, bool replace)
{
  uint64_t last = flow.cl_ord_id[session_id];
  uint64_t orig = last - below(last < RECENT ? last + 1 : RECENT);
  uint32_t security_id = 1 + (uint32_t)below(INSTRUMENTS);
  if (!replace)
  {
    wcx_order_cancel_request_t cancel = {.cl_ord_id = ++flow.cl_ord_id[session_id], .orig_cl_ord_id = orig, .order_id = WCX_U64_NULL, .security_id = security_id};
    put(input, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, session_id, &cancel, sizeof(cancel));
    return;
  }
  wcx_order_cancel_replace_request_t change = {.cl_ord_id = ++flow.cl_ord_id[session_id],
                                               .orig_cl_ord_id = orig,
                                               .order_id = WCX_U64_NULL,
                                               .security_id = security_id,
                                               .price = 1000 + (int64_t)below(64),
                                               .order_qty = 1 + (int64_t)below(120),
                                               .display_qty = WCX_I64_NULL,
                                               .stop_px = WCX_I64_NULL};
  put(input, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, session_id, &change, sizeof(change));
}

static void mass_cancel(input_t *input, uint32_t session_id)
{
  wcx_order_mass_cancel_request_t cancel = {.cl_ord_id = ++flow.cl_ord_id[session_id],
                                            .security_id = WCX_U32_NULL,
                                            .account = session_id,
                                            .mass_cancel_request_type = WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_SESSION};
  put(input, WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, session_id, &cancel, sizeof(cancel));
}

static void next_input(input_t *input)
{
  uint32_t session_id = 1 + (uint32_t)below(SESSIONS);
  uint64_t kind = below(10000);
  if (kind < 5200)
    new_order(input, session_id);
  else if (kind < 9992)
    cancel_or_replace(input, session_id, kind % 5 == 0);
  else if (kind < 9996)
    mass_cancel(input, session_id);
  else
  {
    wcx_tick_t tick = {.transact_time = flow.stamp_ns};
    put(input, WCX_TEMPLATE_TICK, 0, &tick, sizeof(tick));
  }
}

/* The n-th definition; false behind the last. */
static bool definition(input_t *input, uint32_t n)
{
  wcx_capacity_t capacity = {.max_orders = 20000, .max_instruments = 4, .max_accounts = 8, .max_sessions = 8, .max_levels = 4000};
  wcx_day_roll_t day = {.trade_date = 20250615};
  if (n == 0)
    put(input, WCX_TEMPLATE_CAPACITY, 0, &capacity, sizeof(capacity));
  else if (n == 1)
    put(input, WCX_TEMPLATE_DAY_ROLL, 0, &day, sizeof(day));
  else if (n < 2 + SESSIONS)
  {
    wcx_account_definition_t account = {.account = n - 1, .credit = WCX_CREDIT_UNLIMITED, .status = WCX_ACCOUNT_STATUS_ACTIVE};
    put(input, WCX_TEMPLATE_ACCOUNT_DEFINITION, 0, &account, sizeof(account));
  }
  else if (n < 2 + 2 * SESSIONS)
  {
    wcx_session_definition_t session = {.session_id = n - 1 - SESSIONS, .account = n - 1 - SESSIONS};
    put(input, WCX_TEMPLATE_SESSION_DEFINITION, session.session_id, &session, sizeof(session));
  }
  else if (n < 2 + 2 * SESSIONS + INSTRUMENTS)
  {
    wcx_security_definition_t instrument = {.security_id = n - 1 - 2 * SESSIONS,
                                            .security_trading_status = WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE,
                                            .symbol = "BTC-USDT",
                                            .base_asset = "BTC",
                                            .quote_asset = "USDT",
                                            .min_price_increment = 1,
                                            .round_lot = 1,
                                            .low_limit_price = WCX_I64_NULL,
                                            .high_limit_price = WCX_I64_NULL,
                                            .market_segment_id = 1};
    put(input, WCX_TEMPLATE_SECURITY_DEFINITION, 0, &instrument, sizeof(instrument));
  }
  else
    return false;
  return true;
}

/* --- the run -------------------------------------------------------------------------------------- */

static uint64_t inputs = 2000000;
static uint64_t every = 10000;
static uint64_t seed;

static void restarts_change_nothing(void **state)
{
  (void)state;
  flow.random = seed;
  flow.stamp_ns = UINT64_C(1750000000000000000);
  side_t lives = side_new(1);
  side_t dies = side_new(2);
  static input_t input;
  for (uint32_t n = 0; definition(&input, n); n++)
  {
    side_apply(&lives, &input);
    side_apply(&dies, &input);
  }
  uint64_t restarts = 0;
  uint64_t live_max = 0;
  for (uint64_t i = 1; i <= inputs; i++)
  {
    next_input(&input);
    side_apply(&lives, &input);
    side_apply(&dies, &input);
    if (i % every != 0)
      continue;
    uint32_t orders = wcx_engine_orders_live(lives.engine);
    live_max = orders > live_max ? orders : live_max;
    if (!equal(&lives, &dies))
      fail_msg("WCX_SEED=%" PRIu64 ": digests differ before the restart at input %" PRIu64, seed, i);
    side_restart(&dies);
    restarts++;
    if (!equal(&lives, &dies))
      fail_msg("WCX_SEED=%" PRIu64 ": digests differ after the restart at input %" PRIu64, seed, i);
  }
  assert_true(equal(&lives, &dies));
  wcx_engine_verify(dies.engine);
  wcx_digest_t full = wcx_engine_state_digest_full(dies.engine);
  assert_true(same(full, wcx_engine_state_digest(lives.engine)));
  assert_true(live_max > 100);
  print_message("# seed %" PRIu64 ": %" PRIu64 " inputs, %" PRIu64 " restarts, up to %" PRIu64 " live orders, output digest %016" PRIx64 "\n", seed, inputs, restarts, live_max,
                wcx_engine_output_digest(lives.engine).lo);
  side_free(&lives);
  side_free(&dies);
}

int main(int argc, char **argv)
{
  const char *from_env = getenv("WCX_SEED");
  if (from_env != NULL)
    seed = strtoull(from_env, NULL, 0);
  else
    wcx_env_random(&seed, sizeof(seed));
  for (int i = 1; i + 1 < argc; i += 2)
  {
    uint64_t value = strtoull(argv[i + 1], NULL, 0);
    if (strcmp(argv[i], "--inputs") == 0)
      inputs = value;
    else if (strcmp(argv[i], "--every") == 0 && value > 0)
      every = value;
    else if (strcmp(argv[i], "--seed") == 0)
      seed = value;
  }
  const struct CMUnitTest tests[] = {cmocka_unit_test(restarts_change_nothing)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
