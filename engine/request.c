#include "engine/book.h"
#include "engine/emit.h"
#include "engine/match.h"
#include "engine/report.h"

/* The limit that a refusal names in ER_Reject.LimitValue. */
typedef struct verdict
{
  enum wcx_reject reject;
  uint64_t limit;
} verdict_t;

#define ACCEPT ((verdict_t){.reject = WCX_REJECT_NONE, .limit = WCX_U64_NULL})

static inline verdict_t refuse(enum wcx_reject reject)
{
  return (verdict_t){.reject = reject, .limit = WCX_U64_NULL};
}

static inline verdict_t refuse_limit(enum wcx_reject reject, int64_t limit)
{
  return (verdict_t){.reject = reject, .limit = (uint64_t)limit};
}

/* --- what every order must satisfy ---------------------------------------------------------------------------------------------------- */

/* Total quantity against the instrument's definition. */
static inline verdict_t check_qty(const wcx_instrument_t *instrument, int64_t qty)
{
  uint64_t rest;
  if (qty <= 0)
    return refuse(WCX_REJECT_QTY);
  if (qty > instrument->qty_max)
    return refuse_limit(WCX_REJECT_QTY_MAX, instrument->qty_max);
  if (qty < instrument->qty_min)
    return refuse_limit(WCX_REJECT_QTY_MIN, instrument->qty_min);
  wcx_divide(&instrument->lot, (uint64_t)qty, &rest);
  if (rest != 0)
    return refuse_limit(WCX_REJECT_QTY_LOT, (int64_t)instrument->lot.divisor);
  return ACCEPT;
}

/* Price and total quantity against the instrument's definition; *px_idx receives price / increment. */
static inline verdict_t check_terms(const wcx_instrument_t *instrument, int64_t price, int64_t qty, uint64_t *px_idx)
{
  uint64_t rest;
  if (price <= 0) /* null is below zero */
    return refuse(WCX_REJECT_PRICE);
  *px_idx = wcx_divide(&instrument->increment, (uint64_t)price, &rest);
  if (rest != 0)
    return refuse_limit(WCX_REJECT_PRICE_INCREMENT, (int64_t)instrument->increment.divisor);
  if (price < instrument->px_low)
    return refuse_limit(WCX_REJECT_PRICE_BAND, instrument->px_low);
  if (price > instrument->px_high)
    return refuse_limit(WCX_REJECT_PRICE_BAND, instrument->px_high);
  verdict_t verdict = check_qty(instrument, qty);
  if (verdict.reject != WCX_REJECT_NONE)
    return verdict;
  wcx_u128_t product = (wcx_u128_t)(uint64_t)price * (uint64_t)qty;
  if (product > instrument->product_overflow)
    return refuse(WCX_REJECT_NOTIONAL_OVERFLOW);
  if (product < instrument->product_min)
    return refuse_limit(WCX_REJECT_NOTIONAL_MIN, instrument->definition.min_notional);
  if (product > instrument->product_max)
    return refuse_limit(WCX_REJECT_NOTIONAL_MAX, instrument->definition.max_notional);
  return ACCEPT;
}

#define POST_ONLY (WCX_EXEC_INST_POST_ONLY | WCX_EXEC_INST_POST_ONLY_REPRICE)
#define EXEC_INST_BUILT (WCX_EXEC_INST_CANCEL_ON_DISCONNECT | POST_ONLY)  /* of an order that rests */
#define EXEC_INST_NEW_BUILT (EXEC_INST_BUILT | WCX_EXEC_INST_ALL_OR_NONE) /* of a new one */

/* A post-only order that meets the other side: refused, or moved one increment away from it when it asks for that and its terms allow it there. */
static verdict_t check_post_only(const wcx_engine_t *engine, const wcx_instrument_t *instrument, uint8_t side, uint16_t exec_inst, int64_t qty, int64_t *price, uint64_t *px_idx)
{
  uint32_t best = instrument->side[2 - side].best;
  if (best == 0 || !wcx_book_crosses(side, *price, engine->ladders.levels[best].price))
    return ACCEPT;
  int64_t best_px = engine->ladders.levels[best].price;
  int64_t increment = (int64_t)instrument->increment.divisor;
  if ((exec_inst & WCX_EXEC_INST_POST_ONLY_REPRICE) == 0 || (side == WCX_SIDE_SELL && best_px > INT64_MAX - increment))
    return refuse(WCX_REJECT_POST_ONLY);
  *price = side == WCX_SIDE_BUY ? best_px - increment : best_px + increment;
  return check_terms(instrument, *price, qty, px_idx).reject == WCX_REJECT_NONE ? ACCEPT : refuse(WCX_REJECT_POST_ONLY);
}

static inline enum wcx_reject check_market(const wcx_instrument_t *instrument)
{
  if (__builtin_expect(instrument->status == WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE, 1))
    return WCX_REJECT_NONE;
  return instrument->status == WCX_SECURITY_TRADING_STATUS_CANCEL_ONLY ? WCX_REJECT_CANCEL_ONLY : WCX_REJECT_HALTED;
}

static inline enum wcx_reject check_account(const wcx_account_t *account, uint8_t side)
{
  if (__builtin_expect(account->definition.status == WCX_ACCOUNT_STATUS_ACTIVE, 1))
    return WCX_REJECT_NONE;
  if (account->definition.status == WCX_ACCOUNT_STATUS_CLOSE_ONLY)
    return side == WCX_SIDE_BUY ? WCX_REJECT_ACCOUNT_CLOSE_ONLY : WCX_REJECT_NONE;
  return WCX_REJECT_ACCOUNT_SUSPENDED;
}

static inline wcx_account_t *find_account(const wcx_engine_t *engine, uint32_t account)
{
  uint32_t idx = wcx_idmap_find(&engine->account_map, account);
  return idx == WCX_IDX_NONE ? NULL : &engine->accounts[idx];
}

static inline wcx_instrument_t *find_instrument(const wcx_engine_t *engine, uint32_t security_id)
{
  uint32_t idx = wcx_idmap_find(&engine->instrument_map, security_id);
  return idx == WCX_IDX_NONE ? NULL : &engine->instruments[idx];
}

/* What a request's ExecInst makes of an order's flags: it replaces the set, the rest stays. */
static inline uint8_t order_flags(uint16_t exec_inst, uint8_t flags)
{
  return (uint8_t)((flags & ~WCX_ORDER_F_COD) | ((exec_inst & WCX_EXEC_INST_CANCEL_ON_DISCONNECT) != 0 ? WCX_ORDER_F_COD : 0));
}

/* --- new order ------------------------------------------------------------------------------------------------------------------------ */

/* All of it at once or nothing: FOK, and all-or-none with IOC. */
static inline bool wants_all(const wcx_new_order_single_t *request)
{
  return request->time_in_force == WCX_TIME_IN_FORCE_FOK || (request->exec_inst & WCX_EXEC_INST_ALL_OR_NONE) != 0;
}

/* What of the schema is not built is refused by name here, before it could be misread as something else. */
static inline verdict_t check_characteristics(const wcx_new_order_single_t *request)
{
  bool side_ok = request->side == WCX_SIDE_BUY || request->side == WCX_SIDE_SELL;
  bool sweeps = wcx_match_sweeps(request->ord_type);
  bool rest_ok = (request->ord_type == WCX_ORD_TYPE_LIMIT || sweeps) && request->stop_px == WCX_I64_NULL && (request->exec_inst & ~EXEC_INST_NEW_BUILT) == 0 &&
                 request->self_match_prevention_inst <= WCX_SELF_MATCH_PREVENTION_INST_DECREMENT_AND_CANCEL && request->mmp_group == 0;
  if (!side_ok || !rest_ok)
    return refuse(WCX_REJECT_UNSUPPORTED);
  if (request->time_in_force != WCX_TIME_IN_FORCE_GTC && request->time_in_force != WCX_TIME_IN_FORCE_IOC && request->time_in_force != WCX_TIME_IN_FORCE_FOK &&
      request->ord_type != WCX_ORD_TYPE_MARKET)
    return refuse(WCX_REJECT_TIME_IN_FORCE);
  if (sweeps && request->price != WCX_I64_NULL)
    return refuse(WCX_REJECT_PRICE);
  if (__builtin_expect((request->exec_inst & POST_ONLY) != 0, 0) && (sweeps || request->time_in_force != WCX_TIME_IN_FORCE_GTC))
    return refuse(WCX_REJECT_UNSUPPORTED); /* it may only rest */
  if (__builtin_expect((request->exec_inst & WCX_EXEC_INST_ALL_OR_NONE) != 0, 0) && request->time_in_force != WCX_TIME_IN_FORCE_IOC &&
      request->time_in_force != WCX_TIME_IN_FORCE_FOK)
    return refuse(WCX_REJECT_UNSUPPORTED);
  if (__builtin_expect(request->min_qty != WCX_I64_NULL, 0))
  {
    if (request->min_qty <= 0 || request->min_qty > request->order_qty)
      return refuse(WCX_REJECT_MIN_QTY);
    if ((request->exec_inst & POST_ONLY) != 0)
      return refuse(WCX_REJECT_UNSUPPORTED);
  }
  if (request->display_qty != WCX_I64_NULL && request->display_qty != request->order_qty)
    return refuse(request->display_qty <= 0 || request->display_qty > request->order_qty ? WCX_REJECT_DISPLAY_QTY : WCX_REJECT_UNSUPPORTED);
  return ACCEPT;
}

static verdict_t check_new(const wcx_engine_t *engine, const wcx_session_t *session, const wcx_new_order_single_t *request, const wcx_instrument_t *instrument,
                           const wcx_account_t *account, int64_t *price, uint64_t *px_idx)
{
  if (instrument == NULL)
    return refuse(WCX_REJECT_UNKNOWN_INSTRUMENT);
  if (account == NULL)
    return refuse(WCX_REJECT_UNKNOWN_ACCOUNT);
  if (!wcx_session_entitled(session, request->account))
    return refuse(WCX_REJECT_NOT_ENTITLED);
  verdict_t verdict = check_characteristics(request);
  if (verdict.reject != WCX_REJECT_NONE)
    return verdict;
  if (__builtin_expect((session->lock | account->lock) != 0, 0))
    return refuse(WCX_REJECT_KILL_SWITCH);
  enum wcx_reject reject = check_account(account, request->side);
  if (reject != WCX_REJECT_NONE)
    return refuse(reject);
  reject = check_market(instrument);
  if (reject != WCX_REJECT_NONE)
    return refuse(reject);
  bool sweeps = wcx_match_sweeps(request->ord_type);
  verdict = sweeps ? check_qty(instrument, request->order_qty) : check_terms(instrument, request->price, request->order_qty, px_idx);
  if (verdict.reject != WCX_REJECT_NONE)
    return verdict;
  *price = wcx_match_limit(request->ord_type, request->side, request->price);
  if (__builtin_expect((request->exec_inst & POST_ONLY) != 0, 0))
  {
    verdict = check_post_only(engine, instrument, request->side, request->exec_inst, request->order_qty, price, px_idx);
    if (verdict.reject != WCX_REJECT_NONE)
      return verdict;
  }
  if (engine->pool.live >= engine->capacity.max_orders)
    return refuse_limit(WCX_REJECT_ORDERS_FULL, engine->capacity.max_orders);
  /* what sweeps rests only when it has emptied the other side, of one level at least */
  if (__builtin_expect(engine->ladders.level_live >= engine->capacity.max_levels, 0) && request->time_in_force == WCX_TIME_IN_FORCE_GTC && !sweeps &&
      wcx_ladder_find(&engine->ladders, &instrument->side[request->side - 1], wcx_book_key(request->side, *px_idx)) == 0)
    return refuse_limit(WCX_REJECT_LEVELS_FULL, engine->capacity.max_levels);
  return ACCEPT;
}

static void report_reject(wcx_engine_t *engine, wcx_session_t *session, const wcx_new_order_single_t *request, verdict_t verdict)
{
  engine->rejects[verdict.reject]++;
  wcx_execution_report_reject_t *er = wcx_emit_session(engine, session, WCX_TEMPLATE_EXECUTION_REPORT_REJECT, sizeof(*er));
  *er = (wcx_execution_report_reject_t){
      .transact_time = engine->stamp_ns,
      .exec_id = ++engine->exec_id,
      .order_id = WCX_U64_NULL,
      .cl_ord_id = request->cl_ord_id,
      .security_id = request->security_id,
      .account = request->account,
      .session_id = session->session_id,
      .side = request->side,
      .ord_status = WCX_ORD_STATUS_REJECTED,
      .ord_rej_reason = wcx_reject_ord_reason(verdict.reject),
      .limit_value = verdict.limit,
      .receive_time = engine->receive_ns,
  };
}

/* `price`: where it rests or how far it takes, null when it takes any. */
static inline void report_new(wcx_engine_t *engine, wcx_session_t *session, const wcx_new_order_single_t *request, uint64_t order_id, int64_t price)
{
  wcx_execution_report_new_t *er = wcx_emit_session(engine, session, WCX_TEMPLATE_EXECUTION_REPORT_NEW, sizeof(*er));
  *er = (wcx_execution_report_new_t){
      .transact_time = engine->stamp_ns,
      .exec_id = ++engine->exec_id,
      .order_id = order_id,
      .cl_ord_id = request->cl_ord_id,
      .security_id = request->security_id,
      .account = request->account,
      .session_id = session->session_id,
      .side = request->side,
      .ord_status = WCX_ORD_STATUS_NEW,
      .ord_type = request->ord_type,
      .time_in_force = request->time_in_force,
      .price = price,
      .order_qty = request->order_qty,
      .leaves_qty = request->order_qty,
      .display_qty = request->display_qty,
      .stop_px = WCX_I64_NULL,
      .receive_time = engine->receive_ns,
      .exec_inst = request->exec_inst,
      .self_match_prevention_inst = request->self_match_prevention_inst,
      .self_match_prevention_id = request->self_match_prevention_id,
      .expire_time = WCX_U64_NULL,
      .min_qty = request->min_qty,
  };
}

/* The first order makes the definitions final. */
static inline void mark_used(wcx_engine_t *engine, wcx_instrument_t *instrument, wcx_account_t *account)
{
  if (__builtin_expect(!instrument->used, 0))
  {
    instrument->used = 1;
    wcx_state_renew_instrument(engine, instrument);
  }
  if (__builtin_expect(!account->used, 0))
  {
    account->used = 1;
    wcx_state_renew_account(engine, account);
  }
}

/* Why what is left of a new order is canceled, or 0 when it rests, at taker->price. */
static inline uint8_t may_not_rest(const wcx_new_order_single_t *request, wcx_taker_t *taker, uint64_t *px_idx)
{
  if (!wcx_match_sweeps(request->ord_type))
    return request->time_in_force == WCX_TIME_IN_FORCE_GTC ? 0 : WCX_CANCEL_REASON_TIME_IN_FORCE_IOC;
  if (request->ord_type == WCX_ORD_TYPE_MARKET || taker->last_px == 0)
    return WCX_CANCEL_REASON_NO_LIQUIDITY;
  if (request->time_in_force != WCX_TIME_IN_FORCE_GTC)
    return WCX_CANCEL_REASON_TIME_IN_FORCE_IOC;
  if ((wcx_u128_t)(uint64_t)taker->last_px * (uint64_t)taker->order_qty > taker->instrument->product_overflow)
    return WCX_CANCEL_REASON_SYSTEM; /* a later fill's notional could not be said */
  uint64_t rest;
  taker->price = taker->last_px;
  *px_idx = wcx_divide(&taker->instrument->increment, (uint64_t)taker->price, &rest);
  return 0;
}

void wcx_request_new(wcx_engine_t *engine, wcx_session_t *session, const wcx_new_order_single_t *request)
{
  if (!wcx_session_take_cl_ord_id(session, request->cl_ord_id))
  {
    report_reject(engine, session, request, refuse(WCX_REJECT_DUPLICATE_CL_ORD_ID));
    return;
  }
  wcx_instrument_t *instrument = find_instrument(engine, request->security_id);
  wcx_account_t *account = find_account(engine, request->account);
  int64_t price = 0;
  uint64_t px_idx = 0;
  verdict_t verdict = check_new(engine, session, request, instrument, account, &price, &px_idx);
  uint32_t slot = verdict.reject == WCX_REJECT_NONE ? wcx_pool_alloc(&engine->pool) : 0;
  if (slot == 0)
  {
    if (verdict.reject == WCX_REJECT_NONE) /* every slot in use or retired */
      verdict = refuse_limit(WCX_REJECT_ORDERS_FULL, engine->capacity.max_orders);
    report_reject(engine, session, request, verdict);
    return;
  }
  mark_used(engine, instrument, account);
  wcx_order_t *order = &engine->pool.orders[slot];
  report_new(engine, session, request, order->order_id, wcx_match_sweeps(request->ord_type) ? WCX_I64_NULL : price);

  wcx_taker_t taker = {
      .session = session,
      .instrument = instrument,
      .order_id = order->order_id,
      .cl_ord_id = request->cl_ord_id,
      .price = price,
      .order_qty = request->order_qty,
      .leaves = request->order_qty,
      .account = request->account,
      .side = request->side,
      .smp_inst = request->self_match_prevention_inst,
      .sweeps = wcx_match_sweeps(request->ord_type),
  };
  if (__builtin_expect(taker.smp_inst != WCX_SELF_MATCH_PREVENTION_INST_NONE, 0))
    taker.smp_id = wcx_match_smp_id(engine, taker.account, request->self_match_prevention_id);
  uint64_t reported_from = engine->out->write_pos;
  uint8_t reason = 0;
  int64_t at_once = wants_all(request) ? request->order_qty : request->min_qty;
  if (__builtin_expect(at_once > 0, 0) && !wcx_match_available(engine, &taker, at_once))
    reason = wants_all(request) ? WCX_CANCEL_REASON_TIME_IN_FORCE_FOK : WCX_CANCEL_REASON_MIN_QTY_NOT_MET;
  else
  {
    wcx_match(engine, &taker);
    if (taker.leaves != 0)
      reason = may_not_rest(request, &taker, &px_idx);
  }
  if (taker.leaves == 0 || reason != 0)
  {
    if (taker.leaves != 0)
      wcx_match_cancel_taker(engine, &taker, reason);
    wcx_match_print(engine, &taker, reported_from);
    wcx_pool_free(&engine->pool, slot);
    return;
  }
  wcx_match_print(engine, &taker, reported_from);
  order->leaves = taker.leaves;
  order->order_qty = taker.order_qty;
  order->cl_ord_id = request->cl_ord_id;
  order->session = (uint32_t)(session - engine->sessions);
  order->account = request->account;
  order->instrument = (uint16_t)(instrument - engine->instruments);
  order->side = request->side;
  order->flags = order_flags(request->exec_inst, 0);
  if (__builtin_expect((request->self_match_prevention_id | request->self_match_prevention_inst) != 0, 0))
  {
    order->flags |= WCX_ORDER_F_EXTRA;
    engine->pool.extras[slot] = (wcx_order_extra_t){.smp_id = request->self_match_prevention_id, .smp_inst = request->self_match_prevention_inst};
  }
  wcx_book_rest(engine, slot, px_idx, taker.price);
  wcx_report_add(engine, instrument, order, taker.price);
}

/* --- cancel --------------------------------------------------------------------------------------------------------------------------- */

uint32_t wcx_request_resolve(const wcx_engine_t *engine, const wcx_session_t *session, uint64_t orig_cl_ord_id, uint64_t order_id, uint32_t security_id)
{
  uint32_t session_idx = (uint32_t)(session - engine->sessions);
  uint32_t slot = order_id != WCX_U64_NULL ? wcx_pool_find(&engine->pool, order_id) : wcx_index_find(&engine->index, engine->pool.orders, session_idx, orig_cl_ord_id);
  if (slot == 0)
    return 0;
  const wcx_order_t *order = &engine->pool.orders[slot];
  if (engine->instruments[order->instrument].security_id != security_id)
    return 0;
  return order->session == session_idx || wcx_session_entitled(session, order->account) ? slot : 0;
}

static void report_cancel_reject(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_cancel_reject_t *of, enum wcx_reject reject)
{
  engine->rejects[reject]++;
  wcx_order_cancel_reject_t *er = wcx_emit_session(engine, session, WCX_TEMPLATE_ORDER_CANCEL_REJECT, sizeof(*er));
  *er = *of;
  er->transact_time = engine->stamp_ns;
  er->exec_id = ++engine->exec_id;
  er->session_id = session->session_id;
  er->cxl_rej_reason = wcx_reject_cxl_reason(reject);
}

void wcx_request_cancel(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_cancel_request_t *request)
{
  enum wcx_reject reject = WCX_REJECT_DUPLICATE_CL_ORD_ID;
  if (wcx_session_take_cl_ord_id(session, request->cl_ord_id))
  {
    uint32_t slot = wcx_request_resolve(engine, session, request->orig_cl_ord_id, request->order_id, request->security_id);
    if (slot != 0)
    {
      wcx_cancel_resting(engine, slot, WCX_CANCEL_REASON_USER_REQUESTED, request->cl_ord_id, session);
      return;
    }
    reject = WCX_REJECT_UNKNOWN_ORDER;
  }
  wcx_order_cancel_reject_t of = {
      .order_id = WCX_U64_NULL,
      .cl_ord_id = request->cl_ord_id,
      .security_id = request->security_id,
      .account = session->account != WCX_ACCOUNT_ALL ? session->account : 0,
      .cxl_rej_response_to = WCX_CXL_REJ_RESPONSE_TO_ORDER_CANCEL_REQUEST,
      .orig_cl_ord_id = request->orig_cl_ord_id,
  };
  report_cancel_reject(engine, session, &of, reject);
}

/* --- cancel/replace ------------------------------------------------------------------------------------------------------------------- */

/* The terms a replace asks for, of an order that stays. */
static verdict_t check_replace(const wcx_engine_t *engine, const wcx_order_cancel_replace_request_t *request, const wcx_order_t *order, int64_t *price, uint64_t *px_idx)
{
  const wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  const wcx_level_t *level = &engine->ladders.levels[order->level];
  if (request->stop_px != WCX_I64_NULL || (request->exec_inst & ~EXEC_INST_BUILT) != 0)
    return refuse(WCX_REJECT_UNSUPPORTED);
  if (request->display_qty != WCX_I64_NULL && request->display_qty != request->order_qty)
    return refuse(request->display_qty <= 0 || request->display_qty > request->order_qty ? WCX_REJECT_DISPLAY_QTY : WCX_REJECT_UNSUPPORTED);
  const wcx_account_t *account = find_account(engine, order->account);
  if (__builtin_expect((engine->sessions[order->session].lock | account->lock) != 0, 0))
    return refuse(WCX_REJECT_KILL_SWITCH);
  enum wcx_reject reject = check_account(account, order->side);
  if (reject != WCX_REJECT_NONE)
    return refuse(reject);
  reject = check_market(instrument);
  if (reject != WCX_REJECT_NONE)
    return refuse(reject);
  verdict_t verdict = check_terms(instrument, *price, request->order_qty, px_idx);
  if (verdict.reject == WCX_REJECT_NONE && (request->exec_inst & POST_ONLY) != 0)
    verdict = check_post_only(engine, instrument, order->side, request->exec_inst, request->order_qty, price, px_idx);
  if (verdict.reject != WCX_REJECT_NONE)
    return verdict;
  uint32_t levels_after = engine->ladders.level_live - (level->order_cnt == 1);
  if (__builtin_expect(levels_after >= engine->capacity.max_levels, 0) &&
      wcx_ladder_find(&engine->ladders, &instrument->side[order->side - 1], wcx_book_key(order->side, *px_idx)) == 0)
    return refuse(WCX_REJECT_LEVELS_FULL);
  return ACCEPT;
}

static void report_replace(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_cancel_replace_request_t *request, const wcx_order_t *order, int64_t price, bool kept)
{
  int64_t cum_qty = order->order_qty - order->leaves;
  wcx_execution_report_replace_t *er = wcx_emit_session(engine, session, WCX_TEMPLATE_EXECUTION_REPORT_REPLACE, sizeof(*er));
  *er = (wcx_execution_report_replace_t){
      .transact_time = engine->stamp_ns,
      .exec_id = ++engine->exec_id,
      .order_id = order->order_id,
      .cl_ord_id = request->cl_ord_id,
      .security_id = request->security_id,
      .account = order->account,
      .session_id = session->session_id,
      .side = order->side,
      .ord_status = cum_qty == 0 ? WCX_ORD_STATUS_NEW : WCX_ORD_STATUS_PARTIALLY_FILLED,
      .flags = kept ? 0x0001 : 0,
      .orig_cl_ord_id = order->cl_ord_id,
      .price = price,
      .order_qty = request->order_qty,
      .leaves_qty = request->order_qty - cum_qty,
      .display_qty = request->display_qty,
      .receive_time = engine->receive_ns,
  };
}

/* Same price, same or smaller quantity: the order stays where it is. */
static void replace_in_place(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_cancel_replace_request_t *request, uint32_t slot)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_level_t *level = &engine->ladders.levels[order->level];
  const wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  int64_t less = order->order_qty - request->order_qty;
  report_replace(engine, session, request, order, level->price, true);

  wcx_digest_sub(&engine->order_digest, wcx_order_hash(order, level->price));
  wcx_index_remove(&engine->index, order->session, order->cl_ord_id, slot);
  order->cl_ord_id = request->cl_ord_id;
  order->order_qty -= less;
  order->leaves -= less;
  order->flags = order_flags(request->exec_inst, order->flags);
  level->displayed -= (uint64_t)less;
  wcx_index_add(&engine->index, order->session, order->cl_ord_id, slot);
  wcx_digest_add(&engine->order_digest, wcx_order_hash(order, level->price));
  if (less == 0)
    return;
  wcx_report_reduce(engine, instrument->security_id, order->order_id, order->leaves, order->side);
}

/* Any other change: out of the book, against the other side, and back at the end of its level with what is left. */
static void replace_requeue(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_cancel_replace_request_t *request, uint32_t slot, int64_t price, uint64_t px_idx)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  uint32_t opposite_best = wcx_book_opposite(instrument, order->side)->best;
  bool crosses = opposite_best != 0 && wcx_book_crosses(order->side, price, engine->ladders.levels[opposite_best].price);
  report_replace(engine, session, request, order, price, false);

  wcx_book_unrest(engine, slot);
  order->cl_ord_id = request->cl_ord_id;
  order->leaves += request->order_qty - order->order_qty;
  order->order_qty = request->order_qty;
  order->flags = order_flags(request->exec_inst, order->flags);
  if (!crosses)
  {
    wcx_book_rest(engine, slot, px_idx, price);
    wcx_replace_order_t *md = wcx_emit_feed(engine, WCX_TEMPLATE_REPLACE_ORDER, sizeof(*md));
    *md = (wcx_replace_order_t){
        .transact_time = engine->stamp_ns,
        .order_id = order->order_id,
        .new_order_id = order->order_id,
        .price = price,
        .display_qty = order->leaves,
        .security_id = instrument->security_id,
        .side = order->side,
    };
    return;
  }
  wcx_taker_t taker = {
      .session = session,
      .instrument = instrument,
      .order_id = order->order_id,
      .cl_ord_id = order->cl_ord_id,
      .price = price,
      .order_qty = order->order_qty,
      .leaves = order->leaves,
      .account = order->account,
      .side = order->side,
  };
  uint64_t reported_from = engine->out->write_pos;
  if (__builtin_expect((order->flags & WCX_ORDER_F_EXTRA) != 0, 0))
  {
    taker.smp_inst = engine->pool.extras[slot].smp_inst;
    taker.smp_id = wcx_match_smp_id(engine, taker.account, engine->pool.extras[slot].smp_id);
  }
  wcx_match(engine, &taker);
  wcx_report_delete(engine, instrument->security_id, order->order_id, order->side);
  wcx_match_print(engine, &taker, reported_from);
  if (taker.leaves == 0)
  {
    wcx_pool_free(&engine->pool, slot);
    return;
  }
  order->leaves = taker.leaves;
  order->order_qty = taker.order_qty;
  wcx_book_rest(engine, slot, px_idx, price);
  wcx_report_add(engine, instrument, order, price);
}

static enum wcx_reject replace(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_cancel_replace_request_t *request, uint32_t *slot_out)
{
  uint32_t slot = wcx_request_resolve(engine, session, request->orig_cl_ord_id, request->order_id, request->security_id);
  if (slot == 0 || engine->pool.orders[slot].session != (uint32_t)(session - engine->sessions))
    return WCX_REJECT_UNKNOWN_ORDER; /* another session of the account may cancel, not replace */
  *slot_out = slot;
  const wcx_order_t *order = &engine->pool.orders[slot];
  if (request->order_qty < 0)
    return WCX_REJECT_QTY;
  if (request->order_qty <= order->order_qty - order->leaves)
  {
    wcx_cancel_resting(engine, slot, WCX_CANCEL_REASON_USER_REQUESTED, request->cl_ord_id, NULL);
    return WCX_REJECT_NONE;
  }
  int64_t price_now = engine->ladders.levels[order->level].price;
  int64_t price = request->price == WCX_I64_NULL ? price_now : request->price;
  uint64_t px_idx = 0;
  verdict_t verdict = check_replace(engine, request, order, &price, &px_idx);
  if (verdict.reject != WCX_REJECT_NONE)
    return verdict.reject;
  if (price == price_now && request->order_qty <= order->order_qty)
    replace_in_place(engine, session, request, slot);
  else
    replace_requeue(engine, session, request, slot, price, px_idx);
  return WCX_REJECT_NONE;
}

void wcx_request_replace(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_cancel_replace_request_t *request)
{
  uint32_t slot = 0;
  enum wcx_reject reject = WCX_REJECT_DUPLICATE_CL_ORD_ID;
  if (wcx_session_take_cl_ord_id(session, request->cl_ord_id))
    reject = replace(engine, session, request, &slot);
  if (reject == WCX_REJECT_NONE)
    return;
  wcx_order_cancel_reject_t of = {
      .order_id = slot != 0 ? engine->pool.orders[slot].order_id : WCX_U64_NULL,
      .cl_ord_id = request->cl_ord_id,
      .security_id = request->security_id,
      .account = slot != 0                             ? engine->pool.orders[slot].account
                 : session->account != WCX_ACCOUNT_ALL ? session->account
                                                       : 0,
      .cxl_rej_response_to = WCX_CXL_REJ_RESPONSE_TO_ORDER_CANCEL_REPLACE_REQUEST,
      .orig_cl_ord_id = request->orig_cl_ord_id,
  };
  report_cancel_reject(engine, session, &of, reject);
}
