/* Auctions, statuses and interruptions where scripts do not reach: protection in the middle of an uncross, the allowance of display refreshes, sums beyond an int64,
   the end of time, what is state. */
#include "tests/unit/engine_fixture.h"

#include "engine/match.h"
#include "engine/mmp.h"
#include "engine/report.h"
#include "engine/state.h"

#define READY WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE
#define OPENING WCX_SECURITY_TRADING_STATUS_OPENING_AUCTION
#define VOLATILITY WCX_SECURITY_TRADING_STATUS_VOLATILITY_AUCTION
#define NEW WCX_TEMPLATE_EXECUTION_REPORT_NEW
#define ADD WCX_TEMPLATE_ADD_ORDER
#define TRADE WCX_TEMPLATE_EXECUTION_REPORT_TRADE
#define CANCELED WCX_TEMPLATE_EXECUTION_REPORT_CANCEL
#define STATUS WCX_TEMPLATE_SECURITY_STATUS
#define EXECUTED WCX_TEMPLATE_ORDER_EXECUTED
#define UPDATE WCX_TEMPLATE_AUCTION_UPDATE

/* --- stand-ins for protection and fees -------------------------------------------------------------------------------------------------- */

static uint32_t protected_cnt;      /* fills that protection was told of */
static uint16_t protected_group[8]; /* their groups */
static bool protection_cancels;     /* every order of the group's session falls at its first fill */

void __wrap_wcx_mmp_fill(wcx_engine_t *engine, wcx_session_t *session, uint16_t group, const wcx_fill_t *fill, wcx_taker_t *taker);
void __wrap_wcx_mmp_fill(wcx_engine_t *engine, wcx_session_t *session, uint16_t group, const wcx_fill_t *fill, wcx_taker_t *taker)
{
  assert_null(taker); /* nobody takes in an uncross */
  assert_true(fill->qty > 0);
  assert_int_equal(fill->notional, fill->px * fill->qty);
  protected_group[protected_cnt++ % 8] = group;
  while (protection_cancels && session->order_head != 0)
    wcx_cancel(engine, session->order_head, WCX_CANCEL_REASON_MARKET_MAKER_PROTECTION, WCX_U64_NULL, NULL);
}

static int64_t taker_fee;

int64_t __wrap_wcx_risk_commission(const wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, bool taker, int64_t notional);
int64_t __wrap_wcx_risk_commission(const wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, bool taker, int64_t notional)
{
  (void)engine, (void)instrument;
  assert_true(taker);
  return taker_fee == 0 ? 0 : notional + taker_fee + account->definition.account;
}

/* --- helpers ---------------------------------------------------------------------------------------------------------------------------- */

static void set_status(world_t *w, uint32_t security_id, uint8_t to, uint64_t expected_resume)
{
  wcx_security_status_t status = {.expected_resume = expected_resume, .security_id = security_id, .security_trading_status = to};
  assert_null(world_definition_error(w, STATUS, &status));
  world_apply(w, STATUS, 0, 0, &status, sizeof(status));
}

static void rule(world_t *w, uint64_t range, uint64_t pause_ns, uint64_t auction_ns)
{
  wcx_volatility_rule_t command = {.dynamic_range = range, .pause_nanos = pause_ns, .auction_nanos = auction_ns, .security_id = 1};
  assert_null(world_definition_error(w, WCX_TEMPLATE_VOLATILITY_RULE, &command));
  world_apply(w, WCX_TEMPLATE_VOLATILITY_RULE, 0, 0, &command, sizeof(command));
}

static void tick(world_t *w, uint64_t stamp_ns)
{
  wcx_tick_t body = {0};
  world_apply_at(w, stamp_ns, WCX_TEMPLATE_TICK, 0, 0, &body, sizeof(body));
}

static void grouped(world_t *w, uint32_t session_id, uint8_t side, int64_t price, int64_t qty, uint16_t group)
{
  wcx_new_order_single_t request = an_order(w->cl_ord_id[session_id] + 1, session_id, side, price, qty);
  request.exec_inst = WCX_EXEC_INST_MMP;
  request.mmp_group = group;
  send_order(w, session_id, &request);
}

static int reset(void **state)
{
  protected_cnt = 0;
  protection_cancels = false;
  taker_fee = 0;
  return world_setup(state);
}

/* --- tests ------------------------------------------------------------------------------------------------------------------------------ */

static void both_sides_pay_as_takers(void **state)
{
  world_t *w = *state;
  taker_fee = 5;
  set_status(w, 1, OPENING, WCX_U64_NULL);
  order(w, 1, BUY, 10, 3);
  order(w, 2, SELL, 10, 4);
  set_status(w, 1, READY, WCX_U64_NULL);
  expect_said(w, TRADE, TRADE, STATUS, EXECUTED, EXECUTED, 0);
  assert_int_equal(SAID(w, 0, wcx_execution_report_trade_t).commission, 30 + 5 + 1);
  assert_int_equal(SAID(w, 1, wcx_execution_report_trade_t).commission, 30 + 5 + 2);
  assert_int_equal(SAID(w, 0, wcx_execution_report_trade_t).last_liquidity_ind, WCX_LAST_LIQUIDITY_IND_AUCTION);
  assert_int_equal(SAID(w, 1, wcx_execution_report_trade_t).last_liquidity_ind, WCX_LAST_LIQUIDITY_IND_AUCTION);
}

/* Protection is told of the buyer's group, then of the seller's. */
static void protection_is_told_of_both(void **state)
{
  world_t *w = *state;
  set_status(w, 1, OPENING, WCX_U64_NULL);
  grouped(w, 1, BUY, 10, 3, 7);
  grouped(w, 2, SELL, 10, 2, 9);
  order(w, 3, SELL, 10, 1);
  set_status(w, 1, READY, WCX_U64_NULL);
  expect_said(w, TRADE, TRADE, TRADE, TRADE, STATUS, EXECUTED, EXECUTED, EXECUTED, EXECUTED, 0);
  assert_int_equal(protected_cnt, 3);
  assert_int_equal(protected_group[0], 7);
  assert_int_equal(protected_group[1], 9);
  assert_int_equal(protected_group[2], 7);
}

/* Buys: 105 x 10 in two orders of one group, 100 x 5. Sells: 99 x 10. Price 105: nothing is left over there. When the first fill takes the other protected buy
   out, nobody buys at 105 any more, and 100 still meets 99. */
static void what_protection_leaves_crossed_is_uncrossed_again(void **state)
{
  world_t *w = *state;
  set_status(w, 1, OPENING, WCX_U64_NULL);
  grouped(w, 1, BUY, 105, 1, 7);
  grouped(w, 1, BUY, 105, 9, 7);
  order(w, 2, BUY, 100, 5);
  order(w, 3, SELL, 99, 10);
  assert_int_equal(SAID(w, 2, wcx_auction_update_t).indicative_px, 105);
  protection_cancels = true;
  set_status(w, 1, READY, WCX_U64_NULL);
  expect_said(w, TRADE, TRADE, CANCELED, TRADE, TRADE, STATUS, EXECUTED, EXECUTED, WCX_TEMPLATE_DELETE_ORDER, EXECUTED, EXECUTED, 0);
  assert_int_equal(SAID(w, 0, wcx_execution_report_trade_t).last_px, 105);
  assert_int_equal(SAID(w, 3, wcx_execution_report_trade_t).last_px, 100);
  assert_int_equal(SAID(w, 3, wcx_execution_report_trade_t).last_qty, 5);
  assert_int_equal(SAID(w, 3, wcx_execution_report_trade_t).match_event_id, SAID(w, 0, wcx_execution_report_trade_t).match_event_id + 1);
  assert_int_equal(SAID(w, 6, wcx_order_executed_t).flags, 3);
  assert_int_equal(SAID(w, 7, wcx_order_executed_t).flags, 3);
  assert_int_equal(SAID(w, 9, wcx_order_executed_t).flags, 3);
  assert_int_equal(SAID(w, 10, wcx_order_executed_t).flags, 3);
  assert_int_equal(w->engine->instruments[0].last_px, 100);
}

/* The same for the other side, and with nobody left: either side may be the one that is gone. */
static void protection_may_leave_nobody(void **state)
{
  world_t *w = *state;
  for (uint8_t side = BUY; side <= SELL; side++)
  {
    set_status(w, 1, OPENING, WCX_U64_NULL);
    protection_cancels = false;
    grouped(w, 1, side, 100, 1, 7);
    grouped(w, 1, side, 100, 5, 7);
    order(w, 2, (uint8_t)(3 - side), 100, 6);
    protection_cancels = true;
    set_status(w, 1, READY, WCX_U64_NULL);
    expect_said(w, TRADE, TRADE, CANCELED, STATUS, EXECUTED, EXECUTED, WCX_TEMPLATE_DELETE_ORDER, 0);
    cancel(w, 2, w->cl_ord_id[2]);
    expect_said(w, CANCELED, WCX_TEMPLATE_DELETE_ORDER, 0);
  }
}

/* The seller's protection leaves sells above the price only. */
static void protection_may_leave_worse_prices(void **state)
{
  world_t *w = *state;
  set_status(w, 1, OPENING, WCX_U64_NULL);
  grouped(w, 1, SELL, 99, 1, 7);
  grouped(w, 1, SELL, 99, 9, 7);
  order(w, 2, SELL, 104, 5);
  order(w, 3, BUY, 105, 10);
  assert_int_equal(SAID(w, 2, wcx_auction_update_t).indicative_px, 99);
  protection_cancels = true;
  set_status(w, 1, READY, WCX_U64_NULL);
  expect_said(w, TRADE, TRADE, CANCELED, TRADE, TRADE, STATUS, EXECUTED, EXECUTED, WCX_TEMPLATE_DELETE_ORDER, EXECUTED, EXECUTED, 0);
  assert_int_equal(SAID(w, 0, wcx_execution_report_trade_t).last_px, 99);
  assert_int_equal(SAID(w, 3, wcx_execution_report_trade_t).last_px, 104); /* of 104 and 105, which leave the same over, the nearer to the last trade at 99 */
}

static uint32_t count_of(const world_t *w, uint16_t template_id)
{
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < w->said_cnt && i < SAID_MAX; i++)
    cnt += w->said[i].template_id == template_id;
  return cnt;
}

static void iceberg(world_t *w, uint32_t security_id, uint32_t session_id, uint8_t side, int64_t qty, int64_t display_qty)
{
  wcx_new_order_single_t request = an_order(w->cl_ord_id[session_id] + 1, session_id, side, 100, qty);
  request.security_id = security_id;
  request.display_qty = display_qty;
  send_order(w, session_id, &request);
  expect_said(w, NEW, ADD, 0);
}

/* Two instruments leave PreOpen in one input: 1,024 refreshes for both together; from then on a refresh shows all that is left. */
static void refreshes_have_an_end(void **state)
{
  static world_t w;
  (void)state;
  world_make(&w, &world_limits, 1 << 25);
  world_populate(&w);
  wcx_security_definition_t second = an_instrument(2);
  world_define(&w, &second);
  for (uint32_t security_id = 1; security_id <= 2; security_id++)
  {
    set_status(&w, security_id, WCX_SECURITY_TRADING_STATUS_PRE_OPEN, 1000);
    iceberg(&w, security_id, 1, SELL, 1000, 1);
    iceberg(&w, security_id, 1, SELL, 124, 2);
    wcx_new_order_single_t buy = an_order(w.cl_ord_id[2] + 1, 2, BUY, 100, 1026);
    buy.security_id = security_id;
    send_order(&w, 2, &buy);
  }
  uint64_t trades = w.engine->match_id;
  uint64_t displays = w.engine->display_no;
  tick(&w, 1000);
  /* instrument 1: of 1,026 the second iceberg trades 124 in 62 fills, the first 902: 61 and 902 refreshes. Instrument 2 has 61 left: then each shows
     all it has once, and trades it at once. */
  assert_int_equal(w.engine->display_no - displays, 1024 + 2);
  uint64_t fills = w.engine->match_id - trades;
  assert_int_equal(fills, 902 + 62 + 61 + 2 + 2);
  assert_int_equal(w.engine->instruments[0].special_cnt, 1);
  assert_int_equal(w.engine->instruments[1].special_cnt, 1);
  wcx_engine_verify(w.engine);
  /* what is left of the last one is displayed whole */
  uint32_t slot = w.engine->ladders.levels[w.engine->instruments[1].side[1].best].head;
  assert_int_equal(w.engine->pool.orders[slot].leaves, 98);
  assert_int_equal(w.engine->pool.extras[slot].displayed, 98);
  /* each input has its own allowance */
  set_status(&w, 1, WCX_SECURITY_TRADING_STATUS_PRE_OPEN, WCX_U64_NULL);
  order(&w, 2, BUY, 100, 10);
  set_status(&w, 1, READY, WCX_U64_NULL);
  assert_int_equal(count_of(&w, WCX_TEMPLATE_EXECUTION_REPORT_RESTATED), 10);
  world_free(&w);
}

/* Sums that no int64 holds are told as the largest, and trade. */
static void sums_may_exceed_an_int64(void **state)
{
  world_t *w = *state;
  const int64_t most = INT64_MAX;
  set_status(w, 1, VOLATILITY, WCX_U64_NULL);
  for (uint32_t i = 1; i <= 3; i++)
    order(w, i, BUY, 1, most);
  order(w, 4, SELL, 1, most);
  assert_int_equal(SAID(w, 2, wcx_auction_update_t).paired_qty, most);
  assert_int_equal(SAID(w, 2, wcx_auction_update_t).imbalance_qty, most);
  assert_int_equal(SAID(w, 2, wcx_auction_update_t).imbalance_side, WCX_SIDE_FILTER_BUY);
  order(w, 5, SELL, 1, most);
  expect_said(w, NEW, ADD, 0); /* twice as much paired and half as much over: told, it would read the same */
  set_status(w, 1, READY, WCX_U64_NULL);
  expect_said(w, TRADE, TRADE, TRADE, TRADE, STATUS, EXECUTED, EXECUTED, EXECUTED, EXECUTED, 0);
}

/* A schedule cannot leave time: its last moment is one before "none". */
static void time_ends(void **state)
{
  world_t *w = *state;
  rule(w, 1000000, UINT64_MAX, 5);
  order(w, 1, SELL, 1000, 1);
  order(w, 1, SELL, 2000, 1);
  order(w, 2, BUY, 1000, 1);
  order(w, 2, BUY, 2000, 1);
  expect_said(w, NEW, ADD, STATUS, 0);
  assert_int_equal(SAID(w, 2, wcx_security_status_t).expected_resume, UINT64_MAX - 1);
  assert_int_equal(wcx_engine_next_deadline_ns(w->engine), UINT64_MAX - 1);
  tick(w, UINT64_MAX - 1);
  expect_said(w, STATUS, UPDATE, 0);
  assert_int_equal(SAID(w, 0, wcx_security_status_t).expected_resume, UINT64_MAX - 1); /* not ahead: the auction stays until a command ends it */
  assert_int_equal(SAID(w, 1, wcx_auction_update_t).uncross_time, WCX_U64_NULL);
  assert_int_equal(wcx_engine_next_deadline_ns(w->engine), UINT64_MAX);
}

static void unknown_values_are_refused_by_name(void **state)
{
  world_t *w = *state;
  wcx_security_status_t status = {.security_id = 1, .security_trading_status = 99};
  assert_string_equal(world_definition_error(w, STATUS, &status), "SecurityTradingStatus 99 is unknown: ReadyToTrade is 17");
  status.security_trading_status = READY;
  status.halt_reason = 6;
  assert_string_equal(world_definition_error(w, STATUS, &status), "HaltReason 6 is unknown: 0 is None");
  wcx_price_band_t band = {.low_limit_price = 5, .high_limit_price = WCX_I64_NULL, .reference_price = -1, .security_id = 1};
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_PRICE_BAND, &band), "ReferencePrice -1 is not above 0: null keeps the one there is");
  band.reference_price = 1;
  assert_null(world_definition_error(w, WCX_TEMPLATE_PRICE_BAND, &band));
}

/* A definition may begin an auction; the same again, while it may, begins it again. */
static void a_definition_begins_an_auction(void **state)
{
  world_t *w = *state;
  wcx_security_definition_t definition = an_instrument(2);
  definition.security_trading_status = OPENING;
  for (uint32_t i = 0; i < 2; i++)
  {
    world_define(w, &definition);
    expect_said(w, WCX_TEMPLATE_SECURITY_DEFINITION, UPDATE, 0);
    assert_int_equal(SAID(w, 1, wcx_auction_update_t).indicative_px, WCX_I64_NULL);
    assert_int_equal(SAID(w, 1, wcx_auction_update_t).cross_type, WCX_CROSS_TYPE_OPENING);
  }
  definition.security_trading_status = READY;
  world_define(w, &definition);
  expect_said(w, WCX_TEMPLATE_SECURITY_DEFINITION, 0);
  wcx_engine_verify(w->engine);
}

/* What an instrument has beyond its definition is state: two engines that differ in it have different digests. */
static void rules_bands_and_schedules_are_state(void **state)
{
  (void)state;
  static world_t worlds[5];
  for (uint32_t i = 0; i < 5; i++)
  {
    world_t *w = &worlds[i];
    world_make(w, &world_limits, 1 << 16);
    world_populate(w);
    rule(w, 1000, 10 + (i == 1), 20 + (i == 2));
    wcx_price_band_t band = {.low_limit_price = 5, .high_limit_price = 50, .reference_price = i == 3 ? 30 : WCX_I64_NULL, .security_id = 1};
    world_apply(w, WCX_TEMPLATE_PRICE_BAND, 0, 0, &band, sizeof(band));
    set_status(w, 1, WCX_SECURITY_TRADING_STATUS_PAUSED, i == 4 ? 5000 : 6000);
    for (uint32_t k = 0; k < i; k++)
    {
      wcx_digest_t one = wcx_engine_state_digest(worlds[k].engine);
      wcx_digest_t other = wcx_engine_state_digest(w->engine);
      assert_memory_not_equal(&one, &other, sizeof(one));
    }
  }
  for (uint32_t i = 0; i < 5; i++)
    world_free(&worlds[i]);
}

/* Orders for one auction leave its list from anywhere in it: canceled, filled, first, last, between. */
static void orders_of_an_auction_leave_its_list_from_anywhere(void **state)
{
  world_t *w = *state;
  uint64_t ids[5];
  for (uint32_t i = 0; i < 5; i++)
    ids[i] = order_tif(w, 1, BUY, 100 + i, 1, WCX_TIME_IN_FORCE_AT_THE_OPENING);
  cancel(w, 1, ids[2]);
  cancel(w, 1, ids[4]);
  cancel(w, 1, ids[0]);
  wcx_engine_verify(w->engine);
  set_status(w, 1, OPENING, WCX_U64_NULL);
  expect_said(w, STATUS, ADD, ADD, UPDATE, 0);
  cancel(w, 1, ids[3]);
  wcx_engine_verify(w->engine);
  cancel(w, 1, ids[1]);
  wcx_engine_verify(w->engine);
  set_status(w, 1, READY, WCX_U64_NULL);
  expect_said(w, STATUS, 0);
}

/* A fall of more than everything is no floor, a rise beyond the largest price no ceiling. */
static void a_range_may_be_wider_than_all_prices(void **state)
{
  world_t *w = *state;
  const int64_t high = INT64_C(8000000000000000000);
  rule(w, 1500000000, 5, 5);
  order(w, 1, BUY, 100, 1);
  order(w, 2, SELL, 100, 1);
  order(w, 1, BUY, 1, 1);
  order(w, 2, SELL, 1, 1);
  assert_int_equal(w->engine->instruments[0].last_px, 1);
  rule(w, 0, 5, 5);
  order(w, 1, BUY, high, 1);
  order(w, 2, SELL, high, 1);
  rule(w, 1000000000, 5, 5);
  order(w, 1, BUY, high + high / 8, 1);
  order(w, 2, SELL, high + high / 8, 1);
  assert_int_equal(w->engine->instruments[0].last_px, high + high / 8);
  assert_int_equal(w->engine->instruments[0].status, READY);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(both_sides_pay_as_takers, reset, world_teardown),
      cmocka_unit_test_setup_teardown(protection_is_told_of_both, reset, world_teardown),
      cmocka_unit_test_setup_teardown(what_protection_leaves_crossed_is_uncrossed_again, reset, world_teardown),
      cmocka_unit_test_setup_teardown(protection_may_leave_nobody, reset, world_teardown),
      cmocka_unit_test_setup_teardown(protection_may_leave_worse_prices, reset, world_teardown),
      cmocka_unit_test_setup_teardown(sums_may_exceed_an_int64, reset, world_teardown),
      cmocka_unit_test_setup_teardown(unknown_values_are_refused_by_name, reset, world_teardown),
      cmocka_unit_test_setup_teardown(a_definition_begins_an_auction, reset, world_teardown),
      cmocka_unit_test_setup_teardown(orders_of_an_auction_leave_its_list_from_anywhere, reset, world_teardown),
      cmocka_unit_test_setup_teardown(a_range_may_be_wider_than_all_prices, reset, world_teardown),
      cmocka_unit_test(refreshes_have_an_end),
      cmocka_unit_test(rules_bands_and_schedules_are_state),
  };
  const struct CMUnitTest last[] = {cmocka_unit_test_setup_teardown(time_ends, reset, world_teardown)};
  return cmocka_run_group_tests(tests, NULL, NULL) + cmocka_run_group_tests(last, NULL, NULL);
}
