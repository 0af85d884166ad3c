/* Rules of wcx-conform about orders: each type and condition a member may send, and the answers PROTOCOL.md gives (sections 5 and 12). */
#include "dataplane/client/conform.h"

#include "engine/base/env.h"

#define NEW(party, id, block) wcx_conform_expect(party, WCX_TEMPLATE_EXECUTION_REPORT_NEW, id, block, sizeof(*(block)))
#define REJECT(party, id, block) wcx_conform_expect(party, WCX_TEMPLATE_EXECUTION_REPORT_REJECT, id, block, sizeof(*(block)))
#define TRADE(party, id, block) wcx_conform_expect(party, WCX_TEMPLATE_EXECUTION_REPORT_TRADE, id, block, sizeof(*(block)))
#define CANCEL(party, id, block) wcx_conform_expect(party, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, id, block, sizeof(*(block)))

static uint64_t order(wcx_conform_t *rig, wcx_conform_party_t *party, uint8_t side, int64_t price, int64_t qty, uint8_t time_in_force)
{
  return wcx_conform_send(party, wcx_conform_limit(rig, party, side, price, qty, time_in_force));
}

/* A resting limit order, acknowledged as it was sent and shown by the feed. */
static uint64_t resting(wcx_conform_t *rig, wcx_conform_party_t *party, uint8_t side, int64_t price, int64_t qty, wcx_execution_report_new_t *ack)
{
  uint64_t id = order(rig, party, side, price, qty, WCX_TIME_IN_FORCE_GTC);
  bool fine = NEW(party, id, ack) &&
              wcx_conform_says(rig, ack->price == price && ack->order_qty == qty && ack->leaves_qty == qty && ack->side == side && ack->ord_status == WCX_ORD_STATUS_NEW,
                               "ExecutionReport_New says %lld of %lld at %lld, sent were %lld at %lld", (long long)ack->leaves_qty, (long long)ack->order_qty,
                               (long long)ack->price, (long long)qty, (long long)price) &&
              wcx_conform_shows(rig, ack->order_id, price, qty);
  return fine ? id : 0;
}

/* The order was canceled: so much of it, for this reason. */
static bool canceled(wcx_conform_t *rig, wcx_conform_party_t *party, uint64_t id, uint8_t reason, int64_t qty)
{
  wcx_execution_report_cancel_t cancel;
  return CANCEL(party, id, &cancel) &&
         wcx_conform_says(rig, cancel.cancel_reason == reason && cancel.canceled_qty == qty, "ExecutionReport_Cancel(%s) of %lld, expected (%s) of %lld",
                          wcx_conform_value_name(WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, "CancelReason", cancel.cancel_reason), (long long)cancel.canceled_qty,
                          wcx_conform_value_name(WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, "CancelReason", reason), (long long)qty);
}

static bool rejected(wcx_conform_t *rig, wcx_conform_party_t *party, uint64_t id, uint16_t reason)
{
  wcx_execution_report_reject_t reject;
  return REJECT(party, id, &reject) && wcx_conform_says(rig, reject.ord_rej_reason == reason, "ExecutionReport_Reject(%s), expected (%s)",
                                                        wcx_conform_value_name(WCX_TEMPLATE_EXECUTION_REPORT_REJECT, "OrdRejReason", reject.ord_rej_reason),
                                                        wcx_conform_value_name(WCX_TEMPLATE_EXECUTION_REPORT_REJECT, "OrdRejReason", reason));
}

/* The first fill of the order: so much at that price. */
static bool traded(wcx_conform_t *rig, wcx_conform_party_t *party, uint64_t id, int64_t price, int64_t qty)
{
  wcx_execution_report_trade_t trade;
  return TRADE(party, id, &trade) && wcx_conform_says(rig, trade.last_px == price && trade.last_qty == qty, "ExecutionReport_Trade of %lld at %lld, expected %lld at %lld",
                                                      (long long)trade.last_qty, (long long)trade.last_px, (long long)qty, (long long)price);
}

static bool quiet(wcx_conform_t *rig, wcx_conform_party_t *party, uint16_t template_id, uint64_t id)
{
  return wcx_conform_says(rig, wcx_conform_count(party, template_id, id) == 0, "%s about ClOrdID %llu should not have come", wcx_conform_message_name(template_id),
                          (unsigned long long)id);
}

static const char *liquidity(const wcx_execution_report_trade_t *trade)
{
  return wcx_conform_value_name(WCX_TEMPLATE_EXECUTION_REPORT_TRADE, "LastLiquidityInd", trade->last_liquidity_ind);
}

static const char *status(const wcx_execution_report_trade_t *trade)
{
  return wcx_conform_value_name(WCX_TEMPLATE_EXECUTION_REPORT_TRADE, "OrdStatus", trade->ord_status);
}

bool wcx_conform_limit_order(wcx_conform_t *rig)
{
  wcx_execution_report_new_t ack;
  return resting(rig, &rig->member, WCX_SIDE_BUY, rig->price, rig->qty, &ack) != 0 && resting(rig, &rig->member, WCX_SIDE_SELL, rig->price + 5, rig->qty, &ack) != 0;
}

bool wcx_conform_cancel(wcx_conform_t *rig)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  wcx_execution_report_new_t ack;
  wcx_execution_report_cancel_t cancel;
  wcx_order_cancel_reject_t refusal;
  uint64_t id = resting(rig, &rig->member, WCX_SIDE_BUY, rig->price, rig->qty, &ack);
  uint64_t request = wcx_client_session_next_id(&rig->member.session);
  bool fine = id != 0 && wcx_conform_send_bytes(&rig->member, message, wcx_client_put_cancel(message, request, id, rig->security_id)) &&
              canceled(rig, &rig->member, id, WCX_CANCEL_REASON_USER_REQUESTED, rig->qty) && CANCEL(&rig->member, id, &cancel) &&
              wcx_conform_says(rig, cancel.request_cl_ord_id == request, "RequestClOrdID %llu of ExecutionReport_Cancel is not the cancel's, %llu",
                               (unsigned long long)cancel.request_cl_ord_id, (unsigned long long)request) &&
              wcx_conform_shows(rig, ack.order_id, rig->price, 0);
  request = wcx_client_session_next_id(&rig->member.session);
  return fine && wcx_conform_send_bytes(&rig->member, message, wcx_client_put_cancel(message, request, id, rig->security_id)) &&
         wcx_conform_expect(&rig->member, WCX_TEMPLATE_ORDER_CANCEL_REJECT, request, &refusal, sizeof(refusal)) &&
         wcx_conform_says(rig, refusal.cxl_rej_reason == WCX_CXL_REJ_REASON_UNKNOWN_ORDER || refusal.cxl_rej_reason == WCX_CXL_REJ_REASON_TOO_LATE_TO_CANCEL,
                          "OrderCancelReject(%s) for an order that is gone", wcx_conform_value_name(WCX_TEMPLATE_ORDER_CANCEL_REJECT, "CxlRejReason", refusal.cxl_rej_reason));
}

bool wcx_conform_replace(wcx_conform_t *rig)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  wcx_execution_report_new_t ack;
  wcx_execution_report_replace_t replace;
  uint64_t id = resting(rig, &rig->member, WCX_SIDE_BUY, rig->price, 2 * rig->qty, &ack);
  uint64_t request = wcx_client_session_next_id(&rig->member.session);
  return id != 0 && wcx_conform_send_bytes(&rig->member, message, wcx_client_put_replace(message, request, id, rig->security_id, rig->price + 1, rig->qty)) &&
         wcx_conform_expect(&rig->member, WCX_TEMPLATE_EXECUTION_REPORT_REPLACE, request, &replace, sizeof(replace)) &&
         wcx_conform_says(rig, replace.price == rig->price + 1 && replace.order_qty == rig->qty && replace.leaves_qty == rig->qty && replace.order_id == ack.order_id,
                          "ExecutionReport_Replace says %lld of %lld at %lld, OrderID %llu; asked for %lld at %lld, OrderID was %llu", (long long)replace.leaves_qty,
                          (long long)replace.order_qty, (long long)replace.price, (unsigned long long)replace.order_id, (long long)rig->qty, (long long)rig->price + 1,
                          (unsigned long long)ack.order_id) &&
         wcx_conform_shows(rig, ack.order_id, rig->price + 1, rig->qty);
}

bool wcx_conform_trade(wcx_conform_t *rig)
{
  wcx_execution_report_new_t ack;
  wcx_execution_report_trade_t maker;
  wcx_execution_report_trade_t taker;
  uint64_t bid = resting(rig, &rig->member, WCX_SIDE_BUY, rig->price, 2 * rig->qty, &ack);
  uint64_t sell = order(rig, &rig->other, WCX_SIDE_SELL, rig->price - 3, rig->qty, WCX_TIME_IN_FORCE_GTC);
  return bid != 0 && traded(rig, &rig->member, bid, rig->price, rig->qty) && traded(rig, &rig->other, sell, rig->price, rig->qty) && TRADE(&rig->member, bid, &maker) &&
         TRADE(&rig->other, sell, &taker) &&
         wcx_conform_says(rig, maker.trd_match_id == taker.trd_match_id, "TrdMatchID is %llu to the maker and %llu to the taker", (unsigned long long)maker.trd_match_id,
                          (unsigned long long)taker.trd_match_id) &&
         wcx_conform_says(rig, maker.leaves_qty == rig->qty && maker.cum_qty == rig->qty && taker.leaves_qty == 0,
                          "after the trade LeavesQty and CumQty of the maker are %lld and %lld, LeavesQty of the taker is %lld; expected %lld, %lld and 0",
                          (long long)maker.leaves_qty, (long long)maker.cum_qty, (long long)taker.leaves_qty, (long long)rig->qty, (long long)rig->qty) &&
         wcx_conform_says(rig,
                          maker.last_liquidity_ind == WCX_LAST_LIQUIDITY_IND_ADDED_LIQUIDITY && taker.last_liquidity_ind == WCX_LAST_LIQUIDITY_IND_REMOVED_LIQUIDITY &&
                              maker.ord_status == WCX_ORD_STATUS_PARTIALLY_FILLED && taker.ord_status == WCX_ORD_STATUS_FILLED,
                          "the maker is told (%s, %s), expected (AddedLiquidity, PartiallyFilled); the taker (%s, %s), expected (RemovedLiquidity, Filled)", liquidity(&maker),
                          status(&maker), liquidity(&taker), status(&taker)) &&
         wcx_conform_shows(rig, ack.order_id, rig->price, rig->qty);
}

bool wcx_conform_ioc(wcx_conform_t *rig)
{
  wcx_execution_report_new_t ack;
  uint64_t ask = resting(rig, &rig->member, WCX_SIDE_SELL, rig->price, rig->qty, &ack);
  uint64_t buy = order(rig, &rig->other, WCX_SIDE_BUY, rig->price, 3 * rig->qty, WCX_TIME_IN_FORCE_IOC);
  return ask != 0 && NEW(&rig->other, buy, &ack) && traded(rig, &rig->other, buy, rig->price, rig->qty) &&
         canceled(rig, &rig->other, buy, WCX_CANCEL_REASON_TIME_IN_FORCE_IOC, 2 * rig->qty);
}

bool wcx_conform_fok(wcx_conform_t *rig)
{
  wcx_execution_report_new_t ack;
  uint64_t ask = resting(rig, &rig->member, WCX_SIDE_SELL, rig->price, 2 * rig->qty, &ack);
  uint64_t more = order(rig, &rig->other, WCX_SIDE_BUY, rig->price, 3 * rig->qty, WCX_TIME_IN_FORCE_FOK);
  uint64_t all = order(rig, &rig->other, WCX_SIDE_BUY, rig->price, 2 * rig->qty, WCX_TIME_IN_FORCE_FOK);
  return ask != 0 && NEW(&rig->other, more, &ack) && canceled(rig, &rig->other, more, WCX_CANCEL_REASON_TIME_IN_FORCE_FOK, 3 * rig->qty) &&
         traded(rig, &rig->other, all, rig->price, 2 * rig->qty) && quiet(rig, &rig->other, WCX_TEMPLATE_EXECUTION_REPORT_TRADE, more);
}

bool wcx_conform_gtd(wcx_conform_t *rig)
{
  wcx_execution_report_new_t ack;
  wcx_new_order_single_t past = wcx_conform_limit(rig, &rig->member, WCX_SIDE_BUY, rig->price, rig->qty, WCX_TIME_IN_FORCE_GTD);
  wcx_new_order_single_t soon = past;
  past.expire_time = 1;
  soon.expire_time = wcx_env_utc_ns() + 1500000000u;
  uint64_t rejected_id = wcx_conform_send(&rig->member, past);
  uint64_t id = wcx_conform_send(&rig->member, soon);
  return rejected(rig, &rig->member, rejected_id, WCX_ORD_REJ_REASON_INVALID_TIME_IN_FORCE) && NEW(&rig->member, id, &ack) &&
         canceled(rig, &rig->member, id, WCX_CANCEL_REASON_EXPIRED, rig->qty) && wcx_conform_shows(rig, ack.order_id, rig->price, 0);
}

bool wcx_conform_day(wcx_conform_t *rig)
{
  wcx_execution_report_new_t ack;
  uint64_t id = order(rig, &rig->member, WCX_SIDE_BUY, rig->price, rig->qty, WCX_TIME_IN_FORCE_DAY);
  return NEW(&rig->member, id, &ack) &&
         wcx_conform_says(rig, ack.time_in_force == WCX_TIME_IN_FORCE_DAY, "TimeInForce is %s in the answer, Day was sent",
                          wcx_conform_value_name(WCX_TEMPLATE_EXECUTION_REPORT_NEW, "TimeInForce", ack.time_in_force)) &&
         wcx_conform_shows(rig, ack.order_id, rig->price, rig->qty);
}

bool wcx_conform_market(wcx_conform_t *rig)
{
  wcx_execution_report_new_t ack;
  wcx_new_order_single_t buy = wcx_conform_limit(rig, &rig->other, WCX_SIDE_BUY, WCX_I64_NULL, 2 * rig->qty, WCX_TIME_IN_FORCE_IOC);
  buy.ord_type = WCX_ORD_TYPE_MARKET;
  uint64_t ask = resting(rig, &rig->member, WCX_SIDE_SELL, rig->price, rig->qty, &ack);
  uint64_t id = wcx_conform_send(&rig->other, buy);
  return ask != 0 && traded(rig, &rig->other, id, rig->price, rig->qty) && canceled(rig, &rig->other, id, WCX_CANCEL_REASON_NO_LIQUIDITY, rig->qty);
}

bool wcx_conform_market_to_limit(wcx_conform_t *rig)
{
  wcx_execution_report_new_t ack;
  wcx_new_order_single_t buy = wcx_conform_limit(rig, &rig->other, WCX_SIDE_BUY, WCX_I64_NULL, 2 * rig->qty, WCX_TIME_IN_FORCE_GTC);
  buy.ord_type = WCX_ORD_TYPE_MARKET_TO_LIMIT;
  uint64_t ask = resting(rig, &rig->member, WCX_SIDE_SELL, rig->price, rig->qty, &ack);
  uint64_t id = wcx_conform_send(&rig->other, buy);
  return ask != 0 && NEW(&rig->other, id, &ack) && traded(rig, &rig->other, id, rig->price, rig->qty) && wcx_conform_shows(rig, ack.order_id, rig->price, rig->qty);
}

bool wcx_conform_post_only(wcx_conform_t *rig)
{
  wcx_execution_report_new_t ack;
  wcx_new_order_single_t buy = wcx_conform_limit(rig, &rig->other, WCX_SIDE_BUY, rig->price, rig->qty, WCX_TIME_IN_FORCE_GTC);
  buy.exec_inst = WCX_EXEC_INST_POST_ONLY;
  uint64_t ask = resting(rig, &rig->member, WCX_SIDE_SELL, rig->price, rig->qty, &ack);
  uint64_t refused = wcx_conform_send(&rig->other, buy);
  buy.price--;
  uint64_t id = wcx_conform_send(&rig->other, buy);
  return ask != 0 && rejected(rig, &rig->other, refused, WCX_ORD_REJ_REASON_POST_ONLY_WOULD_TRADE) && NEW(&rig->other, id, &ack) &&
         wcx_conform_shows(rig, ack.order_id, rig->price - 1, rig->qty);
}

bool wcx_conform_iceberg(wcx_conform_t *rig)
{
  wcx_execution_report_new_t ack;
  wcx_execution_report_restated_t refresh;
  wcx_new_order_single_t ask = wcx_conform_limit(rig, &rig->member, WCX_SIDE_SELL, rig->price, 3 * rig->qty, WCX_TIME_IN_FORCE_GTC);
  ask.display_qty = rig->qty;
  uint64_t id = wcx_conform_send(&rig->member, ask);
  bool fine = NEW(&rig->member, id, &ack) && wcx_conform_shows(rig, ack.order_id, rig->price, rig->qty);
  uint64_t buy = fine ? order(rig, &rig->other, WCX_SIDE_BUY, rig->price, rig->qty, WCX_TIME_IN_FORCE_IOC) : 0;
  return fine && traded(rig, &rig->other, buy, rig->price, rig->qty) && wcx_conform_expect(&rig->member, WCX_TEMPLATE_EXECUTION_REPORT_RESTATED, id, &refresh, sizeof(refresh)) &&
         wcx_conform_says(rig, refresh.exec_restatement_reason == WCX_RESTATEMENT_REASON_DISPLAY_REFRESH && refresh.leaves_qty == 2 * rig->qty,
                          "ExecutionReport_Restated(%s) with LeavesQty %lld, expected (DisplayRefresh) with %lld",
                          wcx_conform_value_name(WCX_TEMPLATE_EXECUTION_REPORT_RESTATED, "ExecRestatementReason", refresh.exec_restatement_reason), (long long)refresh.leaves_qty,
                          2 * (long long)rig->qty) &&
         wcx_conform_shows(rig, ack.order_id, rig->price, 0) && wcx_conform_shows(rig, refresh.secondary_order_id, rig->price, rig->qty);
}

bool wcx_conform_hidden(wcx_conform_t *rig)
{
  wcx_execution_report_new_t ack;
  wcx_execution_report_new_t seen;
  wcx_execution_report_trade_t hidden;
  wcx_execution_report_trade_t shown;
  wcx_new_order_single_t ask = wcx_conform_limit(rig, &rig->member, WCX_SIDE_SELL, rig->price, rig->qty, WCX_TIME_IN_FORCE_GTC);
  ask.exec_inst = WCX_EXEC_INST_HIDDEN;
  uint64_t id = wcx_conform_send(&rig->member, ask);
  uint64_t later = resting(rig, &rig->member, WCX_SIDE_SELL, rig->price, rig->qty, &seen); /* when the feed shows this one, it has passed that one */
  uint64_t buy = order(rig, &rig->other, WCX_SIDE_BUY, rig->price, 2 * rig->qty, WCX_TIME_IN_FORCE_IOC);
  return NEW(&rig->member, id, &ack) && later != 0 && wcx_conform_shows(rig, ack.order_id, rig->price, 0) && traded(rig, &rig->member, id, rig->price, rig->qty) &&
         traded(rig, &rig->member, later, rig->price, rig->qty) && traded(rig, &rig->other, buy, rig->price, rig->qty) && TRADE(&rig->member, id, &hidden) &&
         TRADE(&rig->member, later, &shown) &&
         wcx_conform_says(rig, shown.exec_id < hidden.exec_id, "the hidden order traded as ExecID %llu, before the shown one, %llu", (unsigned long long)hidden.exec_id,
                          (unsigned long long)shown.exec_id);
}

bool wcx_conform_min_qty(wcx_conform_t *rig)
{
  wcx_execution_report_new_t ack;
  wcx_new_order_single_t buy = wcx_conform_limit(rig, &rig->other, WCX_SIDE_BUY, rig->price, 3 * rig->qty, WCX_TIME_IN_FORCE_IOC);
  buy.min_qty = 2 * rig->qty;
  uint64_t ask = resting(rig, &rig->member, WCX_SIDE_SELL, rig->price, rig->qty, &ack);
  uint64_t id = wcx_conform_send(&rig->other, buy);
  return ask != 0 && canceled(rig, &rig->other, id, WCX_CANCEL_REASON_MIN_QTY_NOT_MET, 3 * rig->qty) && quiet(rig, &rig->other, WCX_TEMPLATE_EXECUTION_REPORT_TRADE, id);
}

/* A stop of the other member, and a trade at its price: it waits unseen until then. */
static uint64_t triggered(wcx_conform_t *rig, wcx_new_order_single_t stop)
{
  wcx_execution_report_new_t ack;
  uint64_t low = resting(rig, &rig->member, WCX_SIDE_SELL, rig->price, rig->qty, &ack);
  uint64_t buy = order(rig, &rig->other, WCX_SIDE_BUY, rig->price, rig->qty, WCX_TIME_IN_FORCE_IOC); /* the last trade is below the stop */
  bool fine = low != 0 && traded(rig, &rig->other, buy, rig->price, rig->qty);
  uint64_t id = fine ? wcx_conform_send(&rig->other, stop) : 0;
  fine = NEW(&rig->other, id, &ack) && resting(rig, &rig->member, WCX_SIDE_SELL, rig->price + 10, 3 * rig->qty, &ack) != 0 &&
         quiet(rig, &rig->other, WCX_TEMPLATE_EXECUTION_REPORT_TRADE, id);
  buy = fine ? order(rig, &rig->other, WCX_SIDE_BUY, rig->price + 10, rig->qty, WCX_TIME_IN_FORCE_IOC) : 0;
  return fine && traded(rig, &rig->other, buy, rig->price + 10, rig->qty) ? id : 0;
}

bool wcx_conform_stop(wcx_conform_t *rig)
{
  wcx_new_order_single_t stop = wcx_conform_limit(rig, &rig->other, WCX_SIDE_BUY, WCX_I64_NULL, rig->qty, WCX_TIME_IN_FORCE_GTC);
  stop.ord_type = WCX_ORD_TYPE_STOP;
  stop.stop_px = rig->price + 10;
  uint64_t id = triggered(rig, stop);
  return id != 0 && traded(rig, &rig->other, id, rig->price + 10, rig->qty);
}

bool wcx_conform_stop_limit(wcx_conform_t *rig)
{
  wcx_execution_report_new_t ack;
  wcx_new_order_single_t stop = wcx_conform_limit(rig, &rig->other, WCX_SIDE_BUY, rig->price + 2, rig->qty, WCX_TIME_IN_FORCE_GTC);
  stop.ord_type = WCX_ORD_TYPE_STOP_LIMIT;
  stop.stop_px = rig->price + 10;
  uint64_t id = triggered(rig, stop);
  return id != 0 && NEW(&rig->other, id, &ack) && wcx_conform_shows(rig, ack.order_id, rig->price + 2, rig->qty); /* its limit is below the ask: it rests */
}

bool wcx_conform_self_match(wcx_conform_t *rig)
{
  wcx_execution_report_new_t ack;
  wcx_new_order_single_t buy = wcx_conform_limit(rig, &rig->member, WCX_SIDE_BUY, rig->price, rig->qty, WCX_TIME_IN_FORCE_GTC);
  buy.self_match_prevention_inst = WCX_SELF_MATCH_PREVENTION_INST_CANCEL_NEWEST;
  uint64_t ask = resting(rig, &rig->member, WCX_SIDE_SELL, rig->price, rig->qty, &ack);
  uint64_t id = wcx_conform_send(&rig->member, buy);
  return ask != 0 && canceled(rig, &rig->member, id, WCX_CANCEL_REASON_SELF_MATCH_PREVENTION, rig->qty) && quiet(rig, &rig->member, WCX_TEMPLATE_EXECUTION_REPORT_TRADE, ask);
}

/* One set of quotes; returns the QuoteID. */
static uint64_t quote(wcx_conform_t *rig, int64_t bid, int64_t offer, int64_t size)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  wcx_mass_quote_t head = {.quote_id = wcx_client_session_next_id(&rig->member.session), .account = rig->member.key.account};
  wcx_group_size_t group = {.block_length = sizeof(wcx_mass_quote_quote_sets_t), .num_in_group = 1};
  wcx_mass_quote_quote_sets_t set = {.bid_px = bid, .offer_px = offer, .bid_size = size, .offer_size = size, .security_id = rig->security_id, .quote_entry_id = 1};
  size_t sz = wcx_client_message_write(message, WCX_TEMPLATE_MASS_QUOTE, &head, sizeof(head));
  memcpy(message + sz, &group, sizeof(group));
  memcpy(message + sz + sizeof(group), &set, sizeof(set));
  return wcx_conform_send_bytes(&rig->member, message, sz + sizeof(group) + sizeof(set)) ? head.quote_id : 0;
}

static bool touch_is(wcx_conform_t *rig, int64_t bid, int64_t offer)
{
  uint64_t start_ns = wcx_env_mono_ns();
  int64_t price[2] = {0, 0};
  int64_t qty;
  while (wcx_conform_turn(rig) - start_ns < rig->patience_ns)
  {
    const wcx_client_instrument_t *instrument = wcx_client_books_find(&rig->books, rig->security_id);
    for (uint32_t i = 0; i < 2 && instrument != NULL; i++)
      if (!wcx_client_books_best(instrument, i == 0 ? WCX_SIDE_BUY : WCX_SIDE_SELL, &price[i], &qty))
        price[i] = 0;
    if (price[0] == bid && price[1] == offer)
      return true;
  }
  return wcx_conform_says(rig, false, "the touch is %lld | %lld, quoted were %lld | %lld", (long long)price[0], (long long)price[1], (long long)bid, (long long)offer);
}

bool wcx_conform_quotes(wcx_conform_t *rig)
{
  wcx_mass_quote_ack_t ack;
  uint64_t first = quote(rig, rig->price - 4, rig->price + 4, rig->qty);
  bool fine = wcx_conform_expect(&rig->member, WCX_TEMPLATE_MASS_QUOTE_ACK, first, &ack, sizeof(ack)) &&
              wcx_conform_says(rig, ack.quote_status == WCX_QUOTE_STATUS_ACCEPTED, "MassQuoteAck says %s(%s)",
                               wcx_conform_value_name(WCX_TEMPLATE_MASS_QUOTE_ACK, "QuoteStatus", ack.quote_status),
                               wcx_conform_value_name(WCX_TEMPLATE_MASS_QUOTE_ACK, "QuoteRejectReason", ack.quote_reject_reason)) &&
              touch_is(rig, rig->price - 4, rig->price + 4);
  uint64_t moved = fine ? quote(rig, rig->price - 3, rig->price + 3, rig->qty) : 0;
  fine = wcx_conform_expect(&rig->member, WCX_TEMPLATE_MASS_QUOTE_ACK, moved, &ack, sizeof(ack)) && touch_is(rig, rig->price - 3, rig->price + 3);
  uint64_t gone = fine ? quote(rig, rig->price, rig->price, 0) : 0;
  return wcx_conform_expect(&rig->member, WCX_TEMPLATE_MASS_QUOTE_ACK, gone, &ack, sizeof(ack)) && touch_is(rig, 0, 0);
}

bool wcx_conform_mass_cancel(wcx_conform_t *rig)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  wcx_execution_report_new_t acks[3];
  wcx_order_mass_cancel_report_t report;
  uint64_t ids[3];
  bool fine = true;
  for (uint32_t i = 0; i < 3; i++)
    fine = (ids[i] = resting(rig, &rig->member, WCX_SIDE_BUY, rig->price - i, rig->qty, &acks[i])) != 0 && fine;
  uint64_t request = wcx_client_session_next_id(&rig->member.session);
  fine = fine && wcx_conform_send_bytes(&rig->member, message, wcx_client_put_mass_cancel(message, request, rig->member.key.account)) &&
         wcx_conform_expect(&rig->member, WCX_TEMPLATE_ORDER_MASS_CANCEL_REPORT, request, &report, sizeof(report)) &&
         wcx_conform_says(rig, report.total_affected_orders == 3 && report.mass_cancel_response == WCX_MASS_CANCEL_RESPONSE_ACCEPTED,
                          "OrderMassCancelReport says %s, %u orders affected; 3 were live",
                          wcx_conform_value_name(WCX_TEMPLATE_ORDER_MASS_CANCEL_REPORT, "MassCancelResponse", report.mass_cancel_response), report.total_affected_orders);
  for (uint32_t i = 0; i < 3; i++)
    fine = fine && canceled(rig, &rig->member, ids[i], WCX_CANCEL_REASON_MASS_CANCEL, rig->qty) && wcx_conform_shows(rig, acks[i].order_id, rig->price - i, 0);
  return fine;
}

bool wcx_conform_rejects(wcx_conform_t *rig)
{
  wcx_new_order_single_t foreign = wcx_conform_limit(rig, &rig->member, WCX_SIDE_BUY, rig->price, rig->qty, WCX_TIME_IN_FORCE_GTC);
  foreign.account = rig->other.key.account;
  wcx_new_order_single_t nowhere = wcx_conform_limit(rig, &rig->member, WCX_SIDE_BUY, rig->price, rig->qty, WCX_TIME_IN_FORCE_GTC);
  nowhere.security_id = 4000000000u;
  wcx_new_order_single_t nonsense = wcx_conform_limit(rig, &rig->member, 9, rig->price, rig->qty, WCX_TIME_IN_FORCE_GTC);
  uint64_t refused_cnt = rig->member.session.refused_cnt;
  return rejected(rig, &rig->member, order(rig, &rig->member, WCX_SIDE_BUY, rig->price, -1, WCX_TIME_IN_FORCE_GTC), WCX_ORD_REJ_REASON_INCORRECT_QUANTITY) &&
         rejected(rig, &rig->member, order(rig, &rig->member, WCX_SIDE_BUY, 0, rig->qty, WCX_TIME_IN_FORCE_GTC), WCX_ORD_REJ_REASON_INVALID_PRICE) &&
         rejected(rig, &rig->member, wcx_conform_send(&rig->member, foreign), WCX_ORD_REJ_REASON_SESSION_NOT_ENTITLED) &&
         rejected(rig, &rig->member, wcx_conform_send(&rig->member, nowhere), WCX_ORD_REJ_REASON_UNKNOWN_SYMBOL) && wcx_conform_send(&rig->member, nonsense) != 0 &&
         wcx_conform_settled(rig, &rig->member) && wcx_conform_says(rig, rig->member.session.refused_cnt == refused_cnt + 1, "Side 9 was not refused with a BusinessMessageReject");
}
