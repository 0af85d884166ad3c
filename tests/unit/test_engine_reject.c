/* What the engine refuses of orders, field by field, with the reason and its counter. */
#include "engine/reject.h"
#include "engine/state.h"
#include "tests/unit/engine_fixture.h"

/* One order, one reason; nothing else is said and nothing rests. */
static void refused(world_t *w, uint32_t session_id, wcx_new_order_single_t o, uint16_t reason, uint64_t limit)
{
  o.cl_ord_id = w->cl_ord_id[session_id] + 1;
  uint32_t live = wcx_engine_orders_live(w->engine);
  send_order(w, session_id, &o);
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_REJECT, 0);
  wcx_execution_report_reject_t er = SAID(w, 0, wcx_execution_report_reject_t);
  assert_int_equal(er.ord_rej_reason, reason);
  assert_true(er.limit_value == limit);
  assert_int_equal(er.cl_ord_id, o.cl_ord_id);
  assert_int_equal(er.ord_status, WCX_ORD_STATUS_REJECTED);
  assert_true(er.order_id == WCX_U64_NULL);
  assert_int_equal(er.account, o.account);
  assert_int_equal(er.security_id, o.security_id);
  assert_int_equal(er.session_id, session_id);
  assert_int_equal(er.side, o.side);
  assert_int_equal(wcx_engine_orders_live(w->engine), live);
}

#define NONE WCX_U64_NULL

static void cl_ord_id_must_rise_and_is_consumed(void **state)
{
  world_t *w = *state;
  wcx_new_order_single_t o = an_order(0, 1, BUY, 100, 1);
  send_order(w, 1, &o);
  assert_int_equal(SAID(w, 0, wcx_execution_report_reject_t).ord_rej_reason, WCX_ORD_REJ_REASON_DUPLICATE_ORDER);
  o.cl_ord_id = 5;
  o.price = -1; /* refused: consumes 5 all the same */
  send_order(w, 1, &o);
  assert_int_equal(SAID(w, 0, wcx_execution_report_reject_t).ord_rej_reason, WCX_ORD_REJ_REASON_INVALID_PRICE);
  o.price = 100;
  for (uint64_t id = 4; id <= 5; id++)
  {
    o.cl_ord_id = id;
    send_order(w, 1, &o);
    assert_int_equal(SAID(w, 0, wcx_execution_report_reject_t).ord_rej_reason, WCX_ORD_REJ_REASON_DUPLICATE_ORDER);
  }
  o.cl_ord_id = 6;
  send_order(w, 1, &o);
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_NEW, WCX_TEMPLATE_ADD_ORDER, 0);
  wcx_order_cancel_request_t request = {.cl_ord_id = 6, .orig_cl_ord_id = 6, .order_id = WCX_U64_NULL, .security_id = 1};
  world_apply(w, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, 1, 9, &request, sizeof(request));
  assert_int_equal(SAID(w, 0, wcx_order_cancel_reject_t).cxl_rej_reason, WCX_CXL_REJ_REASON_DUPLICATE_CL_ORD_ID);
  wcx_order_cancel_replace_request_t again = a_replace(0, 6, 100, 1);
  send_replace(w, 1, &again);
  assert_int_equal(SAID(w, 0, wcx_order_cancel_reject_t).cxl_rej_reason, WCX_CXL_REJ_REASON_DUPLICATE_CL_ORD_ID);
  expect_book(w, BUY, 1, 100, 1, 1);
}

static void who_may_trade_what(void **state)
{
  world_t *w = *state;
  wcx_new_order_single_t o = an_order(0, 1, BUY, 100, 1);
  o.account = 99;
  refused(w, 1, o, WCX_ORD_REJ_REASON_UNKNOWN_ACCOUNT, NONE);
  o.account = 2;
  refused(w, 1, o, WCX_ORD_REJ_REASON_SESSION_NOT_ENTITLED, NONE);
  o.security_id = 2;
  refused(w, 1, o, WCX_ORD_REJ_REASON_UNKNOWN_SYMBOL, NONE);
  o = an_order(1, 2, BUY, 100, 1);
  send_order(w, 9, &o); /* entitled to every account */
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_NEW, WCX_TEMPLATE_ADD_ORDER, 0);
}

static void what_does_not_go_is_refused_by_name(void **state)
{
  world_t *w = *state;
  static const uint8_t types[] = {WCX_ORD_TYPE_PEGGED, 7, 0};
  static const uint8_t tifs[] = {WCX_TIME_IN_FORCE_GTD, 5, 8};
  const wcx_new_order_single_t good = an_order(0, 1, BUY, 100, 10);
  wcx_new_order_single_t o;
  for (size_t i = 0; i < sizeof(types); i++)
  {
    o = good;
    o.ord_type = types[i];
    refused(w, 1, o, WCX_ORD_REJ_REASON_UNSUPPORTED_ORDER_CHARACTERISTIC, NONE);
  }
  for (size_t i = 0; i < sizeof(tifs); i++)
  {
    o = good;
    o.time_in_force = tifs[i];
    refused(w, 1, o, WCX_ORD_REJ_REASON_INVALID_TIME_IN_FORCE, NONE);
  }
  static const uint16_t insts[] = {WCX_EXEC_INST_REDUCE_ONLY, WCX_EXEC_INST_MMP, WCX_EXEC_INST_ALL_OR_NONE, 1u << 7, 1u << 15}; /* Mmp without a group */
  for (size_t i = 0; i < sizeof(insts) / sizeof(insts[0]); i++)
  {
    o = good;
    o.exec_inst = insts[i];
    refused(w, 1, o, WCX_ORD_REJ_REASON_UNSUPPORTED_ORDER_CHARACTERISTIC, NONE);
  }
  o = good;
  o.self_match_prevention_inst = 5;
  refused(w, 1, o, WCX_ORD_REJ_REASON_UNSUPPORTED_ORDER_CHARACTERISTIC, NONE);
  o = good;
  o.stop_px = 99;
  refused(w, 1, o, WCX_ORD_REJ_REASON_UNSUPPORTED_ORDER_CHARACTERISTIC, NONE);
  o = good;
  o.min_qty = 1;
  o.exec_inst = WCX_EXEC_INST_POST_ONLY; /* it may not trade at entry */
  refused(w, 1, o, WCX_ORD_REJ_REASON_UNSUPPORTED_ORDER_CHARACTERISTIC, NONE);
  static const int64_t min_qtys[] = {0, -1, 11};
  for (size_t i = 0; i < 3; i++)
  {
    o = good;
    o.min_qty = min_qtys[i];
    refused(w, 1, o, WCX_ORD_REJ_REASON_INVALID_MIN_QTY, NONE);
  }
  o = good;
  o.display_qty = 5;
  o.exec_inst = WCX_EXEC_INST_HIDDEN;
  refused(w, 1, o, WCX_ORD_REJ_REASON_UNSUPPORTED_ORDER_CHARACTERISTIC, NONE);
  o.exec_inst = 0;
  o.display_qty = 0;
  refused(w, 1, o, WCX_ORD_REJ_REASON_INVALID_DISPLAY_QTY, NONE);
  o.display_qty = 11;
  refused(w, 1, o, WCX_ORD_REJ_REASON_INVALID_DISPLAY_QTY, NONE);
  o.display_qty = 10; /* all of it is no iceberg */
  o.cl_ord_id = w->cl_ord_id[1] + 1;
  send_order(w, 1, &o);
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_NEW, WCX_TEMPLATE_ADD_ORDER, 0);
}

/* What a stop, a market order and an order that shows little may not ask for; each line changes one thing of an order that is fine. */
static void special_orders_at_their_limits(void **state)
{
  world_t *w = *state;
  wcx_new_order_single_t stop = an_order(0, 1, BUY, WCX_I64_NULL, 10);
  stop.ord_type = WCX_ORD_TYPE_STOP;
  stop.stop_px = 100;
  wcx_new_order_single_t market = an_order(0, 1, BUY, WCX_I64_NULL, 10);
  market.ord_type = WCX_ORD_TYPE_MARKET;
  wcx_new_order_single_t limit = an_order(0, 1, BUY, 100, 10);
  struct
  {
    wcx_new_order_single_t o;
    uint16_t reason;
  } rows[32];
  uint32_t cnt = 0;
#define ROW(of, change, why)                                                                                                                                                       \
  do                                                                                                                                                                               \
  {                                                                                                                                                                                \
    rows[cnt].o = (of);                                                                                                                                                            \
    rows[cnt].o.change;                                                                                                                                                            \
    rows[cnt++].reason = WCX_ORD_REJ_REASON_##why;                                                                                                                                 \
  } while (0)
  ROW(stop, price = 100, INVALID_PRICE);
  ROW(stop, stop_px = WCX_I64_NULL, INVALID_STOP_PRICE);
  ROW(stop, stop_px = 0, INVALID_STOP_PRICE);
  ROW(stop, stop_px = -3, INVALID_STOP_PRICE);
  ROW(stop, exec_inst = WCX_EXEC_INST_POST_ONLY, UNSUPPORTED_ORDER_CHARACTERISTIC);
  ROW(stop, exec_inst = WCX_EXEC_INST_HIDDEN, UNSUPPORTED_ORDER_CHARACTERISTIC);
  ROW(stop, min_qty = 1, UNSUPPORTED_ORDER_CHARACTERISTIC);
  ROW(stop, display_qty = 1, UNSUPPORTED_ORDER_CHARACTERISTIC);
  ROW(stop, time_in_force = WCX_TIME_IN_FORCE_AT_THE_CLOSE, INVALID_TIME_IN_FORCE);
  ROW(market, exec_inst = WCX_EXEC_INST_HIDDEN, UNSUPPORTED_ORDER_CHARACTERISTIC);
  ROW(market, display_qty = 1, UNSUPPORTED_ORDER_CHARACTERISTIC);
  ROW(market, stop_px = 1, UNSUPPORTED_ORDER_CHARACTERISTIC);
  ROW(limit, stop_px = 100, UNSUPPORTED_ORDER_CHARACTERISTIC);
  ROW(limit, display_qty = 11, INVALID_DISPLAY_QTY);
  ROW(limit, display_qty = -1, INVALID_DISPLAY_QTY);
  limit.time_in_force = WCX_TIME_IN_FORCE_GTD;
  ROW(limit, expire_time = wcx_engine_last_stamp_ns(w->engine), INVALID_TIME_IN_FORCE);
  limit.time_in_force = IOC;
  ROW(limit, exec_inst = WCX_EXEC_INST_POST_ONLY_REPRICE, UNSUPPORTED_ORDER_CHARACTERISTIC);
  limit.exec_inst = WCX_EXEC_INST_ALL_OR_NONE;
  ROW(limit, exec_inst |= WCX_EXEC_INST_POST_ONLY, UNSUPPORTED_ORDER_CHARACTERISTIC);
#undef ROW
  for (uint32_t i = 0; i < cnt; i++)
    refused(w, 1, rows[i].o, rows[i].reason, NONE);
}

/* Best ask 100 (increment 5, limits 50..500), best bid 490 on the other instrument: where repricing ends. */
static void post_only_at_the_limits(void **state)
{
  world_t *w = *state;
  wcx_security_definition_t definition = an_instrument(2);
  definition.min_price_increment = 5;
  definition.low_limit_price = 100;
  definition.high_limit_price = 500;
  world_define(w, &definition);
  wcx_new_order_single_t o = an_order(1, 1, SELL, 100, 1);
  o.security_id = 2;
  send_order(w, 1, &o);
  o = an_order(0, 2, BUY, 105, 1);
  o.security_id = 2;
  o.exec_inst = WCX_EXEC_INST_POST_ONLY_REPRICE; /* 95 is below the limit */
  refused(w, 2, o, WCX_ORD_REJ_REASON_POST_ONLY_WOULD_TRADE, NONE);
  o.exec_inst = WCX_EXEC_INST_POST_ONLY;
  refused(w, 2, o, WCX_ORD_REJ_REASON_POST_ONLY_WOULD_TRADE, NONE);
  o.time_in_force = IOC;
  refused(w, 2, o, WCX_ORD_REJ_REASON_UNSUPPORTED_ORDER_CHARACTERISTIC, NONE);
  order(w, 1, BUY, INT64_MAX, 1);
  o = an_order(0, 2, SELL, 1, 1);
  o.exec_inst = WCX_EXEC_INST_POST_ONLY_REPRICE; /* nothing lies above */
  refused(w, 2, o, WCX_ORD_REJ_REASON_POST_ONLY_WOULD_TRADE, NONE);
  cancel(w, 1, 2);
  order(w, 1, SELL, 1, 1);
  o.side = BUY; /* nothing lies below */
  refused(w, 2, o, WCX_ORD_REJ_REASON_POST_ONLY_WOULD_TRADE, NONE);
}

static void price_and_quantity_rules(void **state)
{
  world_t *w = *state;
  wcx_security_definition_t definition = an_instrument(2);
  definition.min_price_increment = 5;
  definition.round_lot = 10;
  definition.min_trade_vol = 20;
  definition.max_trade_vol = 1000;
  definition.low_limit_price = 50;
  definition.high_limit_price = 500;
  world_define(w, &definition);
  wcx_new_order_single_t good = an_order(0, 1, BUY, 100, 100);
  good.security_id = 2;
  static const struct
  {
    int64_t price, qty;
    uint16_t reason;
    uint64_t limit;
  } rows[] = {
      {WCX_I64_NULL, 100, WCX_ORD_REJ_REASON_INVALID_PRICE, NONE},
      {0, 100, WCX_ORD_REJ_REASON_INVALID_PRICE, NONE},
      {-5, 100, WCX_ORD_REJ_REASON_INVALID_PRICE, NONE},
      {101, 100, WCX_ORD_REJ_REASON_INVALID_PRICE_INCREMENT, 5},
      {45, 100, WCX_ORD_REJ_REASON_PRICE_EXCEEDS_BAND, 50},
      {505, 100, WCX_ORD_REJ_REASON_PRICE_EXCEEDS_BAND, 500},
      {100, 0, WCX_ORD_REJ_REASON_INCORRECT_QUANTITY, NONE},
      {100, -10, WCX_ORD_REJ_REASON_INCORRECT_QUANTITY, NONE},
      {100, WCX_I64_NULL, WCX_ORD_REJ_REASON_INCORRECT_QUANTITY, NONE},
      {100, 10, WCX_ORD_REJ_REASON_INCORRECT_QUANTITY, 20},
      {100, 1010, WCX_ORD_REJ_REASON_ORDER_EXCEEDS_LIMIT, 1000},
      {100, 105, WCX_ORD_REJ_REASON_INVALID_QTY_INCREMENT, 10},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
  {
    wcx_new_order_single_t o = good;
    o.price = rows[i].price;
    o.order_qty = rows[i].qty;
    refused(w, 1, o, rows[i].reason, rows[i].limit);
  }
  static const int64_t fine[][2] = {{50, 20}, {500, 1000}, {100, 100}};
  for (size_t i = 0; i < 3; i++)
  {
    good.cl_ord_id = w->cl_ord_id[1] + 1;
    good.side = BUY;
    good.price = fine[i][0];
    good.order_qty = fine[i][1];
    send_order(w, 1, &good);
    expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_NEW, WCX_TEMPLATE_ADD_ORDER, 0);
  }
}

static void notional_rules_at_every_scale(void **state)
{
  world_t *w = *state;
  for (uint32_t security = 2; security <= 4; security++)
  {
    int64_t ten = security == 2 ? 1000 : security == 3 ? 100 : 10; /* notional = price x qty / ten, rounded down */
    wcx_security_definition_t below = an_instrument(security);
    below.price_exponent = (int8_t)((int)security - 5);
    below.min_notional = 7;
    below.max_notional = 12345;
    world_define(w, &below);
    wcx_new_order_single_t o = an_order(0, 1, BUY, 1, 0);
    o.security_id = security;
    o.order_qty = 7 * ten - 1; /* floor 6 */
    refused(w, 1, o, WCX_ORD_REJ_REASON_MIN_NOTIONAL, 7);
    o.order_qty = 12346 * ten; /* floor 12,346 */
    refused(w, 1, o, WCX_ORD_REJ_REASON_NOTIONAL_VALUE_EXCEEDS_THRESHOLD, 12345);
    for (int i = 0; i < 2; i++)
    {
      o.order_qty = i == 0 ? 7 * ten : 12346 * ten - 1; /* floor 7 and 12,345 */
      o.cl_ord_id = w->cl_ord_id[1] + 1;
      send_order(w, 1, &o);
      expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_NEW, WCX_TEMPLATE_ADD_ORDER, 0);
    }
  }
  wcx_security_definition_t definition = an_instrument(5);
  definition.qty_exponent = 2; /* notional = 100 x price x qty */
  definition.min_notional = 701;
  definition.max_notional = 1299;
  world_define(w, &definition);
  static const int64_t qty_of[] = {7, 8, 12, 13};
  for (int i = 0; i < 4; i++)
  {
    wcx_new_order_single_t o = an_order(w->cl_ord_id[1] + 1, 1, BUY, 1, qty_of[i]);
    o.security_id = 5;
    if (i == 0 || i == 3)
      refused(w, 1, o, i == 0 ? WCX_ORD_REJ_REASON_MIN_NOTIONAL : WCX_ORD_REJ_REASON_NOTIONAL_VALUE_EXCEEDS_THRESHOLD, i == 0 ? 701 : 1299);
    else
    {
      send_order(w, 1, &o);
      expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_NEW, WCX_TEMPLATE_ADD_ORDER, 0);
    }
  }
}

static void a_notional_beyond_int64_is_refused(void **state)
{
  world_t *w = *state;
  refused(w, 1, an_order(0, 1, BUY, 2, INT64_MAX), WCX_ORD_REJ_REASON_ARITHMETIC_OVERFLOW, NONE);
  refused(w, 1, an_order(0, 1, BUY, INT64_MAX, INT64_MAX), WCX_ORD_REJ_REASON_ARITHMETIC_OVERFLOW, NONE);
  order(w, 1, BUY, INT64_MAX, 1);
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_NEW, WCX_TEMPLATE_ADD_ORDER, 0);
}

static void set_status(world_t *w, uint8_t trading_status)
{
  wcx_security_status_t status = {.expected_resume = WCX_U64_NULL, .security_id = 1, .security_trading_status = trading_status, .halt_reason = WCX_HALT_REASON_SUPERVISORY};
  world_apply(w, WCX_TEMPLATE_SECURITY_STATUS, 0, 0, &status, sizeof(status));
  expect_said(w, WCX_TEMPLATE_SECURITY_STATUS, 0);
  assert_int_equal(w->said[0].stream, WCX_STREAM_FEED);
}

static void a_halt_stops_all_but_cancels(void **state)
{
  world_t *w = *state;
  uint64_t first = order(w, 1, BUY, 100, 5);
  uint64_t second = order(w, 1, BUY, 100, 5);
  uint64_t third = order(w, 1, BUY, 100, 5);
  set_status(w, WCX_SECURITY_TRADING_STATUS_TRADING_HALT);
  refused(w, 2, an_order(0, 2, SELL, 100, 1), WCX_ORD_REJ_REASON_TRADING_HALTED, NONE);
  replace(w, 1, first, 100, 4);
  assert_int_equal(SAID(w, 0, wcx_order_cancel_reject_t).cxl_rej_reason, WCX_CXL_REJ_REASON_NOT_ALLOWED_BY_MARKET_STATE);
  assert_int_equal(SAID(w, 0, wcx_order_cancel_reject_t).account, 1);
  cancel(w, 1, first);
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, WCX_TEMPLATE_DELETE_ORDER, 0);
  replace(w, 1, second, 100, 0);
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, WCX_TEMPLATE_DELETE_ORDER, 0);
  set_status(w, WCX_SECURITY_TRADING_STATUS_CANCEL_ONLY);
  refused(w, 2, an_order(0, 2, SELL, 100, 1), WCX_ORD_REJ_REASON_CANCEL_ONLY_MODE, NONE);
  set_status(w, WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE);
  replace(w, 1, third, 100, 4);
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_REPLACE, WCX_TEMPLATE_REDUCE_ORDER, 0);
}

static void account_status_rules(void **state)
{
  world_t *w = *state;
  world_account(w, 3, WCX_ACCOUNT_STATUS_CLOSE_ONLY);
  world_account(w, 4, WCX_ACCOUNT_STATUS_SUSPENDED);
  refused(w, 3, an_order(0, 3, BUY, 100, 1), WCX_ORD_REJ_REASON_ACCOUNT_CLOSE_ONLY, NONE);
  order(w, 3, SELL, 100, 1);
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_NEW, WCX_TEMPLATE_ADD_ORDER, 0);
  refused(w, 4, an_order(0, 4, BUY, 100, 1), WCX_ORD_REJ_REASON_ACCOUNT_NOT_ACTIVE, NONE);
  refused(w, 4, an_order(0, 4, SELL, 100, 1), WCX_ORD_REJ_REASON_ACCOUNT_NOT_ACTIVE, NONE);
}

static void capacity_is_a_rule_of_the_journal(void **state)
{
  world_t *w = *state;
  wcx_capacity_t capacity = {.max_orders = 4, .max_instruments = 8, .max_accounts = 32, .max_sessions = 16, .max_levels = 3};
  world_apply(w, WCX_TEMPLATE_CAPACITY, 0, 0, &capacity, sizeof(capacity));
  for (int64_t px = 97; px <= 99; px++)
    order(w, 1, BUY, px, 1);
  refused(w, 1, an_order(0, 1, BUY, 96, 1), WCX_ORD_REJ_REASON_BOOK_FULL, 3);
  order_tif(w, 1, BUY, 96, 1, IOC); /* needs no level */
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_NEW, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, 0);
  replace(w, 1, 1, 96, 1); /* leaves its level behind */
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_REPLACE, WCX_TEMPLATE_REPLACE_ORDER, 0);
  uint64_t fourth = order(w, 1, BUY, 99, 1);
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_NEW, WCX_TEMPLATE_ADD_ORDER, 0);
  replace(w, 1, fourth, 95, 1); /* its level stays */
  assert_int_equal(SAID(w, 0, wcx_order_cancel_reject_t).cxl_rej_reason, WCX_CXL_REJ_REASON_LIMIT_EXCEEDED);
  refused(w, 1, an_order(0, 1, BUY, 99, 1), WCX_ORD_REJ_REASON_MAX_OPEN_ORDERS, 4);
  cancel(w, 1, fourth);
  order(w, 1, BUY, 99, 1);
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_NEW, WCX_TEMPLATE_ADD_ORDER, 0);
}

/* OrderIDs of a slot come to an end: then there is no room, although nothing rests. */
static void a_slot_that_is_used_up_is_room_no_more(void **state)
{
  (void)state;
  static world_t w;
  wcx_engine_limits_t limits = world_limits;
  limits.orders_max = 1;
  world_make(&w, &limits, 1 << 20);
  world_populate(&w);
  cancel(&w, 1, order(&w, 1, BUY, 100, 1));
  assert_int_equal(wcx_engine_orders_live(w.engine), 0);
  w.engine->pool.orders[1].order_id = (WCX_ORDER_GENERATION_MAX - 1) << WCX_ORDER_SLOT_BITS | 1; /* the next one is its last */
  const uint64_t last = order(&w, 1, BUY, 100, 1);
  expect_said(&w, WCX_TEMPLATE_EXECUTION_REPORT_NEW, WCX_TEMPLATE_ADD_ORDER, 0);
  cancel(&w, 1, last);
  expect_said(&w, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, WCX_TEMPLATE_DELETE_ORDER, 0);
  refused(&w, 1, an_order(0, 1, BUY, 100, 1), WCX_ORD_REJ_REASON_MAX_OPEN_ORDERS, 1);
  order_tif(&w, 1, BUY, 100, 1, IOC);
  expect_said(&w, WCX_TEMPLATE_EXECUTION_REPORT_REJECT, 0);
  world_free(&w);
}

static uint8_t mass_cancel_reason(world_t *w, uint8_t type, uint8_t side, uint8_t lock_trading)
{
  const wcx_order_mass_cancel_request_t request = {
      .cl_ord_id = ++w->cl_ord_id[1], .account = 1, .security_id = WCX_U32_NULL, .mass_cancel_request_type = type, .side = side, .lock_trading = lock_trading};
  world_apply(w, WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, 1, ++w->client_seq[1], &request, sizeof(request));
  expect_said(w, WCX_TEMPLATE_ORDER_MASS_CANCEL_REPORT, 0);
  return SAID(w, 0, wcx_order_mass_cancel_report_t).mass_cancel_reject_reason;
}

static void fields_of_a_mass_cancel_beyond_the_schema(void **state)
{
  world_t *w = *state;
  const uint8_t all = WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_ALL_ORDERS, sell = WCX_SIDE_FILTER_SELL;
  order(w, 1, BUY, 100, 1);
  assert_int_equal(mass_cancel_reason(w, all, sell, 0), WCX_MASS_CANCEL_REJECT_REASON_NONE);
  assert_int_equal(mass_cancel_reason(w, all, sell + 1, 0), WCX_MASS_CANCEL_REJECT_REASON_INVALID_FIELD);
  assert_int_equal(mass_cancel_reason(w, all, sell, 2), WCX_MASS_CANCEL_REJECT_REASON_INVALID_FIELD);
  assert_int_equal(mass_cancel_reason(w, 0, 0, 0), WCX_MASS_CANCEL_REJECT_REASON_INVALID_FIELD);
  assert_int_equal(mass_cancel_reason(w, 255, 0, 0), WCX_MASS_CANCEL_REJECT_REASON_INVALID_FIELD);
  expect_book(w, BUY, 1, 100, 1, 1);
}

static void a_kill_switch_is_on_or_off(void **state)
{
  world_t *w = *state;
  for (uint8_t locked = 0; locked <= 3; locked++)
  {
    const wcx_kill_switch_t kill = {.account = 1, .locked = locked};
    assert_int_equal(world_definition_error(w, WCX_TEMPLATE_KILL_SWITCH, &kill) == NULL, locked <= 1);
  }
  const wcx_kill_switch_t nobody = {.account = 99, .locked = 1};
  assert_non_null(world_definition_error(w, WCX_TEMPLATE_KILL_SWITCH, &nobody));
}

static void every_reason_has_name_text_and_counter(void **state)
{
  world_t *w = *state;
  for (enum wcx_reject reject = 1; reject < WCX_REJECT_CNT; reject++)
  {
    assert_true(strlen(wcx_reject_name(reject)) > 0);
    assert_true(strlen(wcx_reject_text(reject)) > 3);
    assert_int_equal(wcx_engine_reject_cnt(w->engine, reject), 0);
  }
  order(w, 1, BUY, 0, 1);
  cancel(w, 1, 55);
  assert_int_equal(wcx_engine_reject_cnt(w->engine, WCX_REJECT_PRICE), 1);
  assert_int_equal(wcx_engine_reject_cnt(w->engine, WCX_REJECT_UNKNOWN_ORDER), 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      world_test(cl_ord_id_must_rise_and_is_consumed),
      world_test(who_may_trade_what),
      world_test(what_does_not_go_is_refused_by_name),
      world_test(special_orders_at_their_limits),
      world_test(post_only_at_the_limits),
      world_test(price_and_quantity_rules),
      world_test(notional_rules_at_every_scale),
      world_test(a_notional_beyond_int64_is_refused),
      world_test(a_halt_stops_all_but_cancels),
      world_test(account_status_rules),
      world_test(capacity_is_a_rule_of_the_journal),
      cmocka_unit_test(a_slot_that_is_used_up_is_room_no_more),
      world_test(fields_of_a_mass_cancel_beyond_the_schema),
      world_test(a_kill_switch_is_on_or_off),
      world_test(every_reason_has_name_text_and_counter),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
