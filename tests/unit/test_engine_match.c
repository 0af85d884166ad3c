/* Matching by hand: new orders, cancels, replaces and fills, each with the messages it makes, in order. */
#include "tests/unit/engine_fixture.h"

/* Templates by short names: NEW REJ TRD CXL RPL from 200, ADD EXE RED DEL REP from 300. */
enum
{
  ACK = WCX_TEMPLATE_EXECUTION_REPORT_NEW,
  TRD = WCX_TEMPLATE_EXECUTION_REPORT_TRADE,
  CXL = WCX_TEMPLATE_EXECUTION_REPORT_CANCEL,
  RPL = WCX_TEMPLATE_EXECUTION_REPORT_REPLACE,
  CXR = WCX_TEMPLATE_ORDER_CANCEL_REJECT,
  ADD = WCX_TEMPLATE_ADD_ORDER,
  EXE = WCX_TEMPLATE_ORDER_EXECUTED,
  RED = WCX_TEMPLATE_REDUCE_ORDER,
  DEL = WCX_TEMPLATE_DELETE_ORDER,
  REP = WCX_TEMPLATE_REPLACE_ORDER,
};

static void resting_order_is_acknowledged_then_shown(void **state)
{
  world_t *w = *state;
  uint64_t feed = wcx_engine_feed_next_number(w->engine);
  wcx_new_order_single_t o = an_order(7, 1, BUY, 100, 5);
  o.exec_inst = WCX_EXEC_INST_CANCEL_ON_DISCONNECT;
  o.self_match_prevention_id = 77;
  send_order(w, 1, &o);
  expect_said(w, ACK, ADD, 0);
  wcx_execution_report_new_t er = SAID(w, 0, wcx_execution_report_new_t);
  assert_int_equal(er.transact_time, wcx_engine_last_stamp_ns(w->engine));
  assert_int_equal(er.receive_time, er.transact_time - 1);
  assert_int_equal(er.exec_id, 1);
  assert_int_equal(er.order_id, UINT64_C(1) << 24 | 1);
  assert_int_equal(er.cl_ord_id, 7);
  assert_int_equal(er.security_id, 1);
  assert_int_equal(er.account, 1);
  assert_int_equal(er.session_id, 1);
  assert_int_equal(er.side, BUY);
  assert_int_equal(er.ord_status, WCX_ORD_STATUS_NEW);
  assert_int_equal(er.ord_type, WCX_ORD_TYPE_LIMIT);
  assert_int_equal(er.time_in_force, GTC);
  assert_int_equal(er.price, 100);
  assert_int_equal(er.order_qty, 5);
  assert_int_equal(er.leaves_qty, 5);
  assert_int_equal(er.display_qty, WCX_I64_NULL);
  assert_int_equal(er.stop_px, WCX_I64_NULL);
  assert_int_equal(er.min_qty, WCX_I64_NULL);
  assert_true(er.expire_time == WCX_U64_NULL);
  assert_int_equal(er.exec_inst, WCX_EXEC_INST_CANCEL_ON_DISCONNECT);
  assert_int_equal(er.self_match_prevention_id, 77);
  assert_int_equal(w->said[0].stream, WCX_STREAM_SESSION);
  assert_int_equal(w->said[0].stream_id, 1);
  assert_int_equal(w->said[0].number, 1);
  wcx_add_order_t md = SAID(w, 1, wcx_add_order_t);
  assert_int_equal(md.order_id, er.order_id);
  assert_int_equal(md.price, 100);
  assert_int_equal(md.display_qty, 5);
  assert_int_equal(md.security_id, 1);
  assert_int_equal(md.side, BUY);
  assert_int_equal(w->said[1].stream, WCX_STREAM_FEED);
  assert_int_equal(w->said[1].stream_id, 1);
  assert_int_equal(w->said[1].number, feed);
  expect_book(w, BUY, 1, 100, 5, 1);
}

static void full_fill_says_maker_taker_then_print(void **state)
{
  world_t *w = *state;
  uint64_t maker = order(w, 1, SELL, 100, 5);
  uint64_t maker_id = said_order_id(w);
  uint64_t taker = order(w, 2, BUY, 105, 5);
  expect_said(w, ACK, TRD, TRD, EXE, 0);
  wcx_execution_report_trade_t m = SAID(w, 1, wcx_execution_report_trade_t);
  wcx_execution_report_trade_t t = SAID(w, 2, wcx_execution_report_trade_t);
  assert_int_equal(w->said[1].stream_id, 1);
  assert_int_equal(w->said[2].stream_id, 2);
  assert_int_equal(m.cl_ord_id, maker);
  assert_int_equal(m.order_id, maker_id);
  assert_int_equal(m.account, 1);
  assert_int_equal(m.side, SELL);
  assert_int_equal(m.ord_status, WCX_ORD_STATUS_FILLED);
  assert_int_equal(m.last_liquidity_ind, WCX_LAST_LIQUIDITY_IND_ADDED_LIQUIDITY);
  assert_int_equal(m.last_px, 100);
  assert_int_equal(m.last_qty, 5);
  assert_int_equal(m.leaves_qty, 0);
  assert_int_equal(m.cum_qty, 5);
  assert_int_equal(t.cl_ord_id, taker);
  assert_int_equal(t.side, BUY);
  assert_int_equal(t.ord_status, WCX_ORD_STATUS_FILLED);
  assert_int_equal(t.last_liquidity_ind, WCX_LAST_LIQUIDITY_IND_REMOVED_LIQUIDITY);
  assert_int_equal(t.last_px, 100);
  assert_int_equal(t.trd_match_id, m.trd_match_id);
  assert_int_equal(t.trd_match_id, 1);
  assert_int_equal(t.match_event_id, 1);
  assert_int_equal(m.match_event_id, 1);
  assert_int_equal(t.exec_id, m.exec_id + 1);
  wcx_order_executed_t md = SAID(w, 3, wcx_order_executed_t);
  assert_int_equal(md.order_id, maker_id);
  assert_int_equal(md.last_qty, 5);
  assert_int_equal(md.last_px, 100);
  assert_int_equal(md.trd_match_id, 1);
  assert_int_equal(md.aggressor_side, WCX_AGGRESSOR_SIDE_BUY);
  assert_int_equal(md.flags, 2);
  expect_book(w, SELL, 0);
  expect_book(w, BUY, 0);
  assert_int_equal(wcx_engine_orders_live(w->engine), 0);
}

static void partial_fill_rests_the_remainder(void **state)
{
  world_t *w = *state;
  order(w, 1, SELL, 100, 3);
  order(w, 2, BUY, 100, 5);
  expect_said(w, ACK, TRD, TRD, EXE, ADD, 0);
  assert_int_equal(SAID(w, 2, wcx_execution_report_trade_t).leaves_qty, 2);
  assert_int_equal(SAID(w, 2, wcx_execution_report_trade_t).cum_qty, 3);
  assert_int_equal(SAID(w, 2, wcx_execution_report_trade_t).ord_status, WCX_ORD_STATUS_PARTIALLY_FILLED);
  assert_int_equal(SAID(w, 4, wcx_add_order_t).display_qty, 2);
  expect_book(w, BUY, 1, 100, 2, 1);
  order(w, 3, SELL, 90, 1);
  assert_int_equal(SAID(w, 1, wcx_execution_report_trade_t).leaves_qty, 1);
  assert_int_equal(SAID(w, 1, wcx_execution_report_trade_t).cum_qty, 4);
  assert_int_equal(SAID(w, 1, wcx_execution_report_trade_t).ord_status, WCX_ORD_STATUS_PARTIALLY_FILLED);
  expect_book(w, BUY, 1, 100, 1, 1);
}

static void best_price_first_then_first_come(void **state)
{
  world_t *w = *state;
  order(w, 1, SELL, 101, 1);
  order(w, 2, SELL, 100, 1);
  order(w, 3, SELL, 100, 1);
  order(w, 4, SELL, 102, 1);
  order(w, 5, BUY, 102, 10);
  expect_said(w, ACK, TRD, TRD, TRD, TRD, TRD, TRD, TRD, TRD, EXE, EXE, EXE, EXE, ADD, 0);
  static const uint32_t maker[4] = {2, 3, 1, 4};
  static const int64_t px[4] = {100, 100, 101, 102};
  for (uint32_t i = 0; i < 4; i++)
  {
    wcx_execution_report_trade_t m = SAID(w, 1 + 2 * i, wcx_execution_report_trade_t);
    assert_int_equal(m.session_id, maker[i]);
    assert_int_equal(m.last_px, px[i]);
    assert_int_equal(m.trd_match_id, i + 1);
    assert_int_equal(m.match_event_id, 1);
    assert_int_equal(SAID(w, 9 + i, wcx_order_executed_t).trd_match_id, i + 1);
    assert_int_equal(SAID(w, 9 + i, wcx_order_executed_t).flags, i == 3 ? 2 : 0);
  }
  expect_book(w, BUY, 1, 102, 6, 1);
  order(w, 6, SELL, 102, 1);
  assert_int_equal(SAID(w, 1, wcx_execution_report_trade_t).match_event_id, 2);
}

static void ioc_remainder_is_canceled(void **state)
{
  world_t *w = *state;
  order(w, 1, SELL, 100, 3);
  uint64_t id = order_tif(w, 2, BUY, 100, 5, IOC);
  expect_said(w, ACK, TRD, TRD, CXL, EXE, 0);
  wcx_execution_report_cancel_t er = SAID(w, 3, wcx_execution_report_cancel_t);
  assert_int_equal(er.cancel_reason, WCX_CANCEL_REASON_TIME_IN_FORCE_IOC);
  assert_int_equal(er.cl_ord_id, id);
  assert_true(er.request_cl_ord_id == WCX_U64_NULL);
  assert_int_equal(er.canceled_qty, 2);
  assert_int_equal(er.cum_qty, 3);
  assert_int_equal(er.ord_status, WCX_ORD_STATUS_CANCELED);
  order_tif(w, 2, BUY, 100, 5, IOC);
  expect_said(w, ACK, CXL, 0);
  order(w, 1, SELL, 100, 3);
  order_tif(w, 2, BUY, 100, 3, IOC);
  expect_said(w, ACK, TRD, TRD, EXE, 0);
  assert_int_equal(wcx_engine_orders_live(w->engine), 0);
}

static void fok_is_all_or_nothing(void **state)
{
  world_t *w = *state;
  order(w, 1, SELL, 100, 3);
  order(w, 1, SELL, 101, 3);
  order_tif(w, 2, BUY, 100, 4, FOK);
  expect_said(w, ACK, CXL, 0);
  assert_int_equal(SAID(w, 1, wcx_execution_report_cancel_t).cancel_reason, WCX_CANCEL_REASON_TIME_IN_FORCE_FOK);
  assert_int_equal(SAID(w, 1, wcx_execution_report_cancel_t).canceled_qty, 4);
  expect_book(w, SELL, 2, 100, 3, 1, 101, 3, 1);
  order_tif(w, 2, BUY, 101, 7, FOK);
  expect_said(w, ACK, CXL, 0);
  order_tif(w, 2, BUY, 101, 6, FOK);
  expect_said(w, ACK, TRD, TRD, TRD, TRD, EXE, EXE, 0);
  expect_book(w, SELL, 0);
}

static void own_orders_trade_without_prevention(void **state)
{
  world_t *w = *state;
  order(w, 1, SELL, 100, 3);
  order(w, 1, BUY, 100, 3);
  expect_said(w, ACK, TRD, TRD, EXE, 0);
}

static void cancel_by_cl_ord_id(void **state)
{
  world_t *w = *state;
  uint64_t id = order(w, 1, BUY, 100, 5);
  uint64_t order_id = said_order_id(w);
  order(w, 2, SELL, 100, 2);
  cancel(w, 1, id);
  expect_said(w, CXL, DEL, 0);
  wcx_execution_report_cancel_t er = SAID(w, 0, wcx_execution_report_cancel_t);
  assert_int_equal(er.cl_ord_id, id);
  assert_int_equal(er.order_id, order_id);
  assert_int_equal(er.request_cl_ord_id, w->cl_ord_id[1]);
  assert_int_equal(er.cancel_reason, WCX_CANCEL_REASON_USER_REQUESTED);
  assert_int_equal(er.canceled_qty, 3);
  assert_int_equal(er.cum_qty, 2);
  assert_int_equal(er.receive_time, wcx_engine_last_stamp_ns(w->engine) - 1);
  assert_int_equal(SAID(w, 1, wcx_delete_order_t).order_id, order_id);
  assert_int_equal(SAID(w, 1, wcx_delete_order_t).side, BUY);
  expect_book(w, BUY, 0);
  cancel(w, 1, id);
  expect_said(w, CXR, 0);
  assert_int_equal(SAID(w, 0, wcx_order_cancel_reject_t).cxl_rej_reason, WCX_CXL_REJ_REASON_UNKNOWN_ORDER);
  assert_int_equal(SAID(w, 0, wcx_order_cancel_reject_t).cxl_rej_response_to, WCX_CXL_REJ_RESPONSE_TO_ORDER_CANCEL_REQUEST);
  assert_int_equal(SAID(w, 0, wcx_order_cancel_reject_t).orig_cl_ord_id, id);
  assert_true(SAID(w, 0, wcx_order_cancel_reject_t).order_id == WCX_U64_NULL);
}

static void cl_ord_ids_belong_to_their_session(void **state)
{
  world_t *w = *state;
  uint64_t id = order(w, 1, BUY, 100, 5);
  cancel(w, 2, id);
  expect_said(w, CXR, 0);
  order(w, 2, BUY, 100, 5);
  cancel(w, 2, w->cl_ord_id[2]);
  expect_said(w, CXL, DEL, 0);
  expect_book(w, BUY, 1, 100, 5, 1);
}

static void order_id_rules_when_both_are_given(void **state)
{
  world_t *w = *state;
  uint64_t first = order(w, 1, BUY, 100, 5);
  order(w, 1, BUY, 99, 5);
  uint64_t second_id = said_order_id(w);
  cancel_either(w, 1, first, second_id, 1);
  expect_said(w, CXL, DEL, 0);
  assert_int_equal(SAID(w, 0, wcx_execution_report_cancel_t).order_id, second_id);
  cancel_either(w, 1, first, second_id, 1);
  expect_said(w, CXR, 0);
  cancel_either(w, 1, WCX_U64_NULL, WCX_U64_NULL, 1);
  expect_said(w, CXR, 0);
}

static void security_id_must_match(void **state)
{
  world_t *w = *state;
  uint64_t id = order(w, 1, BUY, 100, 5);
  uint64_t order_id = said_order_id(w);
  cancel_either(w, 1, id, WCX_U64_NULL, 2);
  expect_said(w, CXR, 0);
  cancel_either(w, 1, WCX_U64_NULL, order_id, 2);
  expect_said(w, CXR, 0);
  assert_int_equal(SAID(w, 0, wcx_order_cancel_reject_t).cxl_rej_reason, WCX_CXL_REJ_REASON_UNKNOWN_ORDER);
  expect_book(w, BUY, 1, 100, 5, 1);
}

static void another_session_of_the_account_may_cancel_not_replace(void **state)
{
  world_t *w = *state;
  uint64_t id = order(w, 1, BUY, 100, 5);
  uint64_t order_id = said_order_id(w);
  wcx_order_cancel_replace_request_t request = a_replace(1, WCX_U64_NULL, 100, 3);
  request.order_id = order_id;
  send_replace(w, 9, &request);
  expect_said(w, CXR, 0);
  assert_int_equal(SAID(w, 0, wcx_order_cancel_reject_t).cxl_rej_reason, WCX_CXL_REJ_REASON_UNKNOWN_ORDER);
  cancel_either(w, 2, WCX_U64_NULL, order_id, 1); /* account 2 */
  expect_said(w, CXR, 0);
  cancel_either(w, 9, WCX_U64_NULL, order_id, 1);
  expect_said(w, CXL, CXL, DEL, 0);
  assert_int_equal(w->said[0].stream_id, 1);
  assert_int_equal(w->said[1].stream_id, 9);
  assert_memory_equal(w->said[0].block, w->said[1].block, sizeof(wcx_execution_report_cancel_t));
  assert_int_equal(SAID(w, 0, wcx_execution_report_cancel_t).cl_ord_id, id);
  assert_int_equal(SAID(w, 0, wcx_execution_report_cancel_t).session_id, 1);
}

static void an_order_id_names_one_order_for_ever(void **state)
{
  world_t *w = *state;
  order(w, 1, BUY, 100, 5);
  uint64_t first = said_order_id(w);
  cancel_either(w, 1, WCX_U64_NULL, first, 1);
  order(w, 1, BUY, 100, 5);
  uint64_t second = said_order_id(w);
  assert_int_equal(second & 0xffffff, first & 0xffffff); /* same slot */
  assert_int_equal(second >> 24, (first >> 24) + 1);
  cancel_either(w, 1, WCX_U64_NULL, first, 1);
  expect_said(w, CXR, 0);
  expect_book(w, BUY, 1, 100, 5, 1);
}

static void replace_down_keeps_priority(void **state)
{
  world_t *w = *state;
  uint64_t id = order(w, 1, BUY, 100, 5);
  uint64_t order_id = said_order_id(w);
  order(w, 2, BUY, 100, 5);
  uint64_t next = replace(w, 1, id, WCX_I64_NULL, 3);
  expect_said(w, RPL, RED, 0);
  wcx_execution_report_replace_t er = SAID(w, 0, wcx_execution_report_replace_t);
  assert_int_equal(er.flags, 1);
  assert_int_equal(er.cl_ord_id, next);
  assert_int_equal(er.orig_cl_ord_id, id);
  assert_int_equal(er.order_id, order_id);
  assert_int_equal(er.price, 100);
  assert_int_equal(er.order_qty, 3);
  assert_int_equal(er.leaves_qty, 3);
  assert_int_equal(er.ord_status, WCX_ORD_STATUS_NEW);
  assert_int_equal(SAID(w, 1, wcx_reduce_order_t).leaves_qty, 3);
  expect_book(w, BUY, 1, 100, 8, 2);
  order(w, 3, SELL, 100, 1);
  assert_int_equal(SAID(w, 1, wcx_execution_report_trade_t).session_id, 1);
  assert_int_equal(SAID(w, 1, wcx_execution_report_trade_t).cl_ord_id, next);
}

static void replace_same_terms_says_nothing_on_the_feed(void **state)
{
  world_t *w = *state;
  uint64_t id = order(w, 1, BUY, 100, 5);
  uint64_t next = replace(w, 1, id, 100, 5);
  expect_said(w, RPL, 0);
  assert_int_equal(SAID(w, 0, wcx_execution_report_replace_t).flags, 1);
  cancel(w, 1, id); /* answers to its new ClOrdID only */
  expect_said(w, CXR, 0);
  cancel(w, 1, next);
  expect_said(w, CXL, DEL, 0);
}

static void replace_up_or_elsewhere_loses_priority(void **state)
{
  world_t *w = *state;
  uint64_t id = order(w, 1, BUY, 100, 5);
  uint64_t order_id = said_order_id(w);
  order(w, 2, BUY, 100, 5);
  id = replace(w, 1, id, 100, 6);
  expect_said(w, RPL, REP, 0);
  assert_int_equal(SAID(w, 0, wcx_execution_report_replace_t).flags, 0);
  wcx_replace_order_t md = SAID(w, 1, wcx_replace_order_t);
  assert_int_equal(md.order_id, order_id);
  assert_int_equal(md.new_order_id, order_id);
  assert_int_equal(md.display_qty, 6);
  assert_int_equal(md.price, 100);
  order(w, 3, SELL, 100, 1);
  assert_int_equal(SAID(w, 1, wcx_execution_report_trade_t).session_id, 2);
  replace(w, 1, id, 99, 6);
  expect_said(w, RPL, REP, 0);
  expect_book(w, BUY, 2, 100, 4, 1, 99, 6, 1);
}

static void replace_total_counts_what_has_executed(void **state)
{
  world_t *w = *state;
  uint64_t id = order(w, 1, BUY, 100, 10);
  order(w, 2, SELL, 100, 4);
  id = replace(w, 1, id, WCX_I64_NULL, 7);
  expect_said(w, RPL, RED, 0);
  assert_int_equal(SAID(w, 0, wcx_execution_report_replace_t).leaves_qty, 3);
  assert_int_equal(SAID(w, 0, wcx_execution_report_replace_t).ord_status, WCX_ORD_STATUS_PARTIALLY_FILLED);
  replace(w, 1, id, WCX_I64_NULL, 4); /* at CumQty: ends the order */
  expect_said(w, CXL, DEL, 0);
  wcx_execution_report_cancel_t er = SAID(w, 0, wcx_execution_report_cancel_t);
  assert_int_equal(er.cl_ord_id, id);
  assert_int_equal(er.request_cl_ord_id, w->cl_ord_id[1]);
  assert_int_equal(er.canceled_qty, 3);
  assert_int_equal(er.cum_qty, 4);
  assert_int_equal(er.cancel_reason, WCX_CANCEL_REASON_USER_REQUESTED);
}

static void replace_to_zero_is_a_cancel_and_negative_a_reject(void **state)
{
  world_t *w = *state;
  uint64_t id = order(w, 1, BUY, 100, 10);
  replace(w, 1, id, WCX_I64_NULL, -1);
  expect_said(w, CXR, 0);
  assert_int_equal(SAID(w, 0, wcx_order_cancel_reject_t).cxl_rej_reason, WCX_CXL_REJ_REASON_INVALID_QUANTITY);
  assert_int_equal(SAID(w, 0, wcx_order_cancel_reject_t).cxl_rej_response_to, WCX_CXL_REJ_RESPONSE_TO_ORDER_CANCEL_REPLACE_REQUEST);
  replace(w, 1, id, WCX_I64_NULL, 0);
  expect_said(w, CXL, DEL, 0);
}

static void crossing_replace_trades_as_taker(void **state)
{
  world_t *w = *state;
  order(w, 2, SELL, 105, 3);
  uint64_t id = order(w, 1, BUY, 100, 10);
  uint64_t order_id = said_order_id(w);
  uint64_t next = replace(w, 1, id, 105, 10);
  expect_said(w, RPL, TRD, TRD, DEL, EXE, ADD, 0);
  assert_int_equal(SAID(w, 0, wcx_execution_report_replace_t).leaves_qty, 10);
  assert_int_equal(SAID(w, 2, wcx_execution_report_trade_t).cl_ord_id, next);
  assert_int_equal(SAID(w, 2, wcx_execution_report_trade_t).last_liquidity_ind, WCX_LAST_LIQUIDITY_IND_REMOVED_LIQUIDITY);
  assert_int_equal(SAID(w, 5, wcx_add_order_t).order_id, order_id);
  assert_int_equal(SAID(w, 5, wcx_add_order_t).display_qty, 7);
  expect_book(w, BUY, 1, 105, 7, 1);
  order(w, 3, SELL, 106, 7);
  replace(w, 1, next, 106, 10);
  expect_said(w, RPL, TRD, TRD, DEL, EXE, 0);
  assert_int_equal(SAID(w, 2, wcx_execution_report_trade_t).cum_qty, 10);
  assert_int_equal(SAID(w, 2, wcx_execution_report_trade_t).ord_status, WCX_ORD_STATUS_FILLED);
  assert_int_equal(wcx_engine_orders_live(w->engine), 0);
}

static void failed_replace_leaves_the_order_untouched(void **state)
{
  world_t *w = *state;
  uint64_t id = order(w, 1, BUY, 100, 10);
  replace(w, 1, id, -5, 10);
  expect_said(w, CXR, 0);
  assert_int_equal(SAID(w, 0, wcx_order_cancel_reject_t).cxl_rej_reason, WCX_CXL_REJ_REASON_INVALID_PRICE_INCREMENT);
  wcx_order_cancel_replace_request_t request = a_replace(w->cl_ord_id[1] + 1, id, 100, 10);
  request.exec_inst = WCX_EXEC_INST_REDUCE_ONLY;
  send_replace(w, 1, &request);
  assert_int_equal(SAID(w, 0, wcx_order_cancel_reject_t).cxl_rej_reason, WCX_CXL_REJ_REASON_UNSUPPORTED_CHARACTERISTIC);
  expect_book(w, BUY, 1, 100, 10, 1);
  cancel(w, 1, id);
  expect_said(w, CXL, DEL, 0);
}

static void book_totals_beyond_int64_are_held(void **state)
{
  world_t *w = *state;
  order(w, 1, BUY, 1, INT64_MAX);
  order(w, 2, BUY, 1, INT64_MAX);
  wcx_engine_verify(w->engine);
  order(w, 3, SELL, 1, INT64_MAX);
  expect_said(w, ACK, TRD, TRD, EXE, 0);
  cancel(w, 2, 1);
  expect_said(w, CXL, DEL, 0);
  expect_book(w, BUY, 0);
}

static void session_numbers_run_without_gaps(void **state)
{
  world_t *w = *state;
  uint64_t last = 0;
  for (int i = 0; i < 20; i++)
  {
    order(w, 1, i % 2 ? BUY : SELL, 100, 3);
    for (uint32_t k = 0; k < w->said_cnt; k++)
      if (w->said[k].stream == WCX_STREAM_SESSION)
        assert_int_equal(w->said[k].number, ++last);
  }
}

/* 1,024 refreshes and no more in one input, even for an order that is all or nothing: reachable was what it wants, and what it got it keeps. */
static void refreshes_end_a_fok(void **state)
{
  world_t *w = *state;
  wcx_new_order_single_t shown_one = an_order(1, 1, SELL, 100, 2000);
  shown_one.display_qty = 1;
  send_order(w, 1, &shown_one);
  order_tif(w, 2, BUY, 100, 1500, FOK);
  uint32_t trades = 0, ends = 0;
  for (uint32_t i = 0; i < w->said_cnt && i < SAID_MAX; i++) /* what is private stands first, and fits */
  {
    trades += w->said[i].template_id == TRD;
    if (w->said[i].template_id != CXL)
      continue;
    ends++;
    wcx_execution_report_cancel_t er = SAID(w, i, wcx_execution_report_cancel_t);
    assert_int_equal(er.cancel_reason, WCX_CANCEL_REASON_SYSTEM);
    assert_int_equal(er.canceled_qty, 1500 - 1024);
  }
  assert_int_equal(trades, 2 * 1024);
  assert_int_equal(ends, 1);
  expect_book(w, SELL, 1, 100, 1, 1);
  order_tif(w, 2, BUY, 100, 976, FOK); /* the next input begins anew */
  expect_book(w, SELL, 0);
}

/* Until a day's end that no stamp can tell, an order stays. */
static void the_last_day_does_not_end(void **state)
{
  world_t *w = *state;
  const uint64_t day_ns = UINT64_C(86400000000000);
  wcx_new_order_single_t o = an_order(1, 1, BUY, 100, 1);
  o.time_in_force = WCX_TIME_IN_FORCE_DAY;
  world_apply_at(w, UINT64_MAX - day_ns - 1, WCX_TEMPLATE_NEW_ORDER_SINGLE, 1, 1, &o, sizeof(o));
  expect_said(w, ACK, ADD, 0);
  assert_true(wcx_engine_next_deadline_ns(w->engine) > UINT64_MAX - day_ns - 1 && wcx_engine_next_deadline_ns(w->engine) % day_ns == 0);
  o.cl_ord_id = 2;
  o.price = 99;
  world_apply_at(w, UINT64_MAX - day_ns, WCX_TEMPLATE_NEW_ORDER_SINGLE, 1, 2, &o, sizeof(o));
  world_apply_at(w, UINT64_MAX - 1, WCX_TEMPLATE_TICK, 0, 0, &(wcx_tick_t){0}, sizeof(wcx_tick_t));
  expect_said(w, CXL, DEL, 0);
  expect_book(w, BUY, 1, 99, 1, 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      world_test(resting_order_is_acknowledged_then_shown),
      world_test(full_fill_says_maker_taker_then_print),
      world_test(partial_fill_rests_the_remainder),
      world_test(best_price_first_then_first_come),
      world_test(ioc_remainder_is_canceled),
      world_test(fok_is_all_or_nothing),
      world_test(own_orders_trade_without_prevention),
      world_test(cancel_by_cl_ord_id),
      world_test(cl_ord_ids_belong_to_their_session),
      world_test(order_id_rules_when_both_are_given),
      world_test(security_id_must_match),
      world_test(another_session_of_the_account_may_cancel_not_replace),
      world_test(an_order_id_names_one_order_for_ever),
      world_test(replace_down_keeps_priority),
      world_test(replace_same_terms_says_nothing_on_the_feed),
      world_test(replace_up_or_elsewhere_loses_priority),
      world_test(replace_total_counts_what_has_executed),
      world_test(replace_to_zero_is_a_cancel_and_negative_a_reject),
      world_test(crossing_replace_trades_as_taker),
      world_test(failed_replace_leaves_the_order_untouched),
      world_test(book_totals_beyond_int64_are_held),
      world_test(session_numbers_run_without_gaps),
      world_test(refreshes_end_a_fok),
      world_test(the_last_day_does_not_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
