/* New, cancel, replace: the checks of section 2 of the rules, in their order. */
#include "tests/diff/reference_state.h"

static ref_verdict_t refuse(uint16_t reason)
{
  return (ref_verdict_t){reason, WCX_U64_NULL};
}

static ref_verdict_t refuse_limit(uint16_t reason, int64_t limit)
{
  return (ref_verdict_t){reason, (uint64_t)limit};
}

/* --- who and what ---------------------------------------------------------------------------------------------------------------------- */

uint32_t ref_instrument_find(const ref_t *ref, uint32_t security_id)
{
  for (uint32_t i = 0; i < ref->instrument_cnt; i++)
    if (ref->instruments[i].def.security_id == security_id)
      return i;
  return REF_NOBODY;
}

uint32_t ref_account_find(const ref_t *ref, uint32_t account)
{
  for (uint32_t i = 0; i < ref->account_cnt; i++)
    if (ref->accounts[i].def.account == account)
      return i;
  return REF_NOBODY;
}

uint32_t ref_session_find(const ref_t *ref, uint32_t session_id)
{
  for (uint32_t i = 0; i < ref->session_cnt; i++)
    if (ref->sessions[i].id == session_id)
      return i;
  return REF_NOBODY;
}

bool ref_entitled(const ref_t *ref, uint32_t session, uint32_t account_number)
{
  uint32_t own = ref->sessions[session].account;
  return own == WCX_U32_NULL || own == account_number;
}

bool ref_granted_instrument(const ref_t *ref, uint32_t session, uint32_t instrument)
{
  const ref_session_t *of = &ref->sessions[session];
  return !of->some_groups || of->in_group[ref->instruments[instrument].group];
}

bool ref_granted_type(const ref_t *ref, uint32_t session, uint8_t ord_type)
{
  const ref_session_t *of = &ref->sessions[session];
  return !of->some_types || (ord_type < REF_ORD_TYPES && of->of_type[ord_type]);
}

bool ref_locked(const ref_t *ref, uint32_t session, uint32_t account)
{
  return ref->sessions[session].locked || ref->accounts[account].locked_by_client || ref->accounts[account].locked_by_operations;
}

bool ref_cl_ord_id_rises(ref_t *ref, uint64_t cl_ord_id)
{
  ref_session_t *session = &ref->sessions[ref->session];
  if (cl_ord_id <= session->last_cl_ord_id)
    return false;
  session->last_cl_ord_id = cl_ord_id;
  return true;
}

/* --- checks that new orders, quotes and replaces share --------------------------------------------------------------------------------- */

static ref_verdict_t judge_account(const ref_t *ref, const ref_order_t *candidate)
{
  uint8_t status = ref->accounts[candidate->account].def.status;
  if (status == WCX_ACCOUNT_STATUS_SUSPENDED)
    return refuse(WCX_ORD_REJ_REASON_ACCOUNT_NOT_ACTIVE);
  if (status == WCX_ACCOUNT_STATUS_CLOSE_ONLY && candidate->side == REF_BUY)
    return refuse(WCX_ORD_REJ_REASON_ACCOUNT_CLOSE_ONLY);
  return REF_FINE;
}

static ref_verdict_t judge_status(const ref_t *ref, const ref_order_t *candidate, bool replace)
{
  bool resting_limit = candidate->ord_type == WCX_ORD_TYPE_LIMIT && (replace || ref_may_rest(candidate));
  switch (ref->instruments[candidate->instrument].status)
  {
  case WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE:
    return REF_FINE;
  case WCX_SECURITY_TRADING_STATUS_POST_ONLY_MODE:
    return resting_limit || ref_is_stop(candidate) ? REF_FINE : refuse(WCX_ORD_REJ_REASON_POST_ONLY_WOULD_TRADE);
  case WCX_SECURITY_TRADING_STATUS_PRE_OPEN:
  case WCX_SECURITY_TRADING_STATUS_OPENING_AUCTION:
  case WCX_SECURITY_TRADING_STATUS_VOLATILITY_AUCTION:
  case WCX_SECURITY_TRADING_STATUS_CLOSING_AUCTION:
    return resting_limit || ref_is_stop(candidate) ? REF_FINE : refuse(WCX_ORD_REJ_REASON_TRADING_HALTED);
  case WCX_SECURITY_TRADING_STATUS_CANCEL_ONLY:
    return refuse(WCX_ORD_REJ_REASON_CANCEL_ONLY_MODE);
  case WCX_SECURITY_TRADING_STATUS_POST_CLOSE:
    return refuse(WCX_ORD_REJ_REASON_EXCHANGE_CLOSED);
  default:
    return refuse(WCX_ORD_REJ_REASON_TRADING_HALTED);
  }
}

static bool has_price(const ref_order_t *candidate)
{
  return candidate->ord_type == WCX_ORD_TYPE_LIMIT || candidate->ord_type == WCX_ORD_TYPE_STOP_LIMIT;
}

static ref_verdict_t judge_price(const ref_t *ref, const ref_order_t *candidate)
{
  const ref_instrument_t *instrument = &ref->instruments[candidate->instrument];
  if (!has_price(candidate))
    return REF_FINE;
  if (candidate->price <= 0)
    return refuse(WCX_ORD_REJ_REASON_INVALID_PRICE);
  if (candidate->price % instrument->def.min_price_increment != 0)
    return refuse_limit(WCX_ORD_REJ_REASON_INVALID_PRICE_INCREMENT, instrument->def.min_price_increment);
  if (instrument->low != WCX_I64_NULL && candidate->price < instrument->low)
    return refuse_limit(WCX_ORD_REJ_REASON_PRICE_EXCEEDS_BAND, instrument->low);
  if (instrument->high != WCX_I64_NULL && candidate->price > instrument->high)
    return refuse_limit(WCX_ORD_REJ_REASON_PRICE_EXCEEDS_BAND, instrument->high);
  return REF_FINE;
}

static ref_verdict_t judge_qty(const ref_t *ref, const ref_order_t *candidate)
{
  const wcx_security_definition_t *def = &ref->instruments[candidate->instrument].def;
  if (candidate->qty <= 0)
    return refuse(WCX_ORD_REJ_REASON_INCORRECT_QUANTITY);
  if (def->max_trade_vol > 0 && candidate->qty > def->max_trade_vol)
    return refuse_limit(WCX_ORD_REJ_REASON_ORDER_EXCEEDS_LIMIT, def->max_trade_vol);
  if (def->min_trade_vol > 0 && candidate->qty < def->min_trade_vol)
    return refuse_limit(WCX_ORD_REJ_REASON_INCORRECT_QUANTITY, def->min_trade_vol);
  if (candidate->qty % def->round_lot != 0)
    return refuse_limit(WCX_ORD_REJ_REASON_INVALID_QTY_INCREMENT, def->round_lot);
  return REF_FINE;
}

static ref_verdict_t judge_notional(const ref_t *ref, const ref_order_t *candidate)
{
  const ref_instrument_t *instrument = &ref->instruments[candidate->instrument];
  int64_t notional;
  if (!has_price(candidate))
    return REF_FINE;
  if (!ref_notional(instrument, candidate->price, candidate->qty, false, &notional))
    return refuse(WCX_ORD_REJ_REASON_ARITHMETIC_OVERFLOW);
  if (instrument->def.min_notional > 0 && notional < instrument->def.min_notional)
    return refuse_limit(WCX_ORD_REJ_REASON_MIN_NOTIONAL, instrument->def.min_notional);
  if (instrument->def.max_notional > 0 && notional > instrument->def.max_notional)
    return refuse_limit(WCX_ORD_REJ_REASON_NOTIONAL_VALUE_EXCEEDS_THRESHOLD, instrument->def.max_notional);
  return REF_FINE;
}

/* May move the price one increment away from the other side's best. */
static ref_verdict_t judge_post_only(ref_t *ref, ref_order_t *candidate)
{
  const ref_instrument_t *instrument = &ref->instruments[candidate->instrument];
  bool mode = instrument->status == WCX_SECURITY_TRADING_STATUS_POST_ONLY_MODE;
  if (!mode && (instrument->status != WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE || !ref_post_only(candidate)))
    return REF_FINE;
  if (candidate->ord_type != WCX_ORD_TYPE_LIMIT || ref_is_unseen_now(ref, candidate) || !ref_crosses(ref, candidate, candidate->price))
    return REF_FINE;
  if ((candidate->exec_inst & WCX_EXEC_INST_POST_ONLY_REPRICE) == 0)
    return refuse(WCX_ORD_REJ_REASON_POST_ONLY_WOULD_TRADE);
  int64_t best = ref_side(ref, candidate, true)->at[0]->price;
  int64_t away = candidate->side == REF_BUY ? -instrument->def.min_price_increment : instrument->def.min_price_increment;
  if (__builtin_add_overflow(best, away, &candidate->price) || judge_price(ref, candidate).reason != 0 || judge_notional(ref, candidate).reason != 0)
    return refuse(WCX_ORD_REJ_REASON_POST_ONLY_WOULD_TRADE);
  return REF_FINE;
}

static ref_verdict_t judge_room(const ref_t *ref, const ref_order_t *candidate, const ref_order_t *old)
{
  if (old == NULL && ref->live.cnt >= ref->capacity.max_orders)
    return refuse_limit(WCX_ORD_REJ_REASON_MAX_OPEN_ORDERS, ref->capacity.max_orders);
  bool resting_limit = candidate->ord_type == WCX_ORD_TYPE_LIMIT && (old != NULL || ref_may_rest(candidate)) && !ref_is_unseen_now(ref, candidate);
  if (resting_limit && (old == NULL || old->place == REF_BOOK) && !ref_level_room(ref, candidate, candidate->price, old))
    return refuse_limit(WCX_ORD_REJ_REASON_BOOK_FULL, ref->capacity.max_levels);
  bool waiting_stop = ref_is_stop(candidate) && (old == NULL || old->place == REF_WAITING);
  if (waiting_stop && !ref_stop_level_room(ref, candidate, old))
    return refuse_limit(WCX_ORD_REJ_REASON_BOOK_FULL, ref->capacity.max_levels);
  return REF_FINE;
}

#define TRY(judgement)                                                                                                                                                             \
  do                                                                                                                                                                               \
  {                                                                                                                                                                                \
    ref_verdict_t judged = judgement;                                                                                                                                              \
    if (judged.reason != 0)                                                                                                                                                        \
      return judged;                                                                                                                                                               \
  } while (0)

ref_verdict_t ref_judge(ref_t *ref, ref_order_t *candidate, const ref_order_t *old)
{
  if (ref_locked(ref, candidate->session, candidate->account))
    return refuse(WCX_ORD_REJ_REASON_KILL_SWITCH_ACTIVE);
  if (old == NULL && !candidate->quote && (candidate->exec_inst & WCX_EXEC_INST_MMP) != 0 && ref_frozen(ref, ref_group_find(ref, candidate->session, candidate->mmp_group)))
    return refuse(WCX_ORD_REJ_REASON_MMP_FROZEN);
  TRY(judge_account(ref, candidate));
  TRY(judge_status(ref, candidate, old != NULL));
  TRY(judge_price(ref, candidate));
  TRY(judge_qty(ref, candidate));
  TRY(judge_notional(ref, candidate));
  TRY(judge_post_only(ref, candidate));
  TRY(ref_judge_money(ref, candidate, old));
  return judge_room(ref, candidate, old);
}

/* --- new orders ------------------------------------------------------------------------------------------------------------------------ */

#define POST_ONLY_ANY (WCX_EXEC_INST_POST_ONLY | WCX_EXEC_INST_POST_ONLY_REPRICE)
#define EXEC_INST_KNOWN (POST_ONLY_ANY | WCX_EXEC_INST_REDUCE_ONLY | WCX_EXEC_INST_CANCEL_ON_DISCONNECT | WCX_EXEC_INST_HIDDEN | WCX_EXEC_INST_MMP | WCX_EXEC_INST_ALL_OR_NONE)
#define EXEC_INST_REPLACEABLE (POST_ONLY_ANY | WCX_EXEC_INST_CANCEL_ON_DISCONNECT | WCX_EXEC_INST_HIDDEN | WCX_EXEC_INST_MMP)

static bool stops(uint8_t ord_type)
{
  return ord_type == WCX_ORD_TYPE_STOP || ord_type == WCX_ORD_TYPE_STOP_LIMIT;
}

static bool sweeps(uint8_t ord_type)
{
  return ord_type == WCX_ORD_TYPE_MARKET || ord_type == WCX_ORD_TYPE_MARKET_TO_LIMIT || ord_type == WCX_ORD_TYPE_STOP;
}

static bool tif_known(uint8_t tif)
{
  return tif <= WCX_TIME_IN_FORCE_AT_THE_CLOSE && tif != 5;
}

static ref_verdict_t judge_kind(const wcx_new_order_single_t *r)
{
  ref_verdict_t unsupported = refuse(WCX_ORD_REJ_REASON_UNSUPPORTED_ORDER_CHARACTERISTIC);
  if (r->side != REF_BUY && r->side != REF_SELL)
    return unsupported;
  if (r->ord_type < WCX_ORD_TYPE_MARKET || r->ord_type > WCX_ORD_TYPE_MARKET_TO_LIMIT)
    return unsupported;
  if (r->self_match_prevention_inst > WCX_SELF_MATCH_PREVENTION_INST_DECREMENT_AND_CANCEL)
    return unsupported;
  if ((r->exec_inst & ~EXEC_INST_KNOWN) != 0 || (r->exec_inst & WCX_EXEC_INST_REDUCE_ONLY) != 0)
    return unsupported;
  if (r->stop_px != WCX_I64_NULL && !stops(r->ord_type))
    return unsupported;
  if ((r->exec_inst & WCX_EXEC_INST_MMP) != 0 && r->mmp_group == 0)
    return unsupported;
  return REF_FINE;
}

static ref_verdict_t judge_tif(const ref_t *ref, const wcx_new_order_single_t *r)
{
  if (r->ord_type == WCX_ORD_TYPE_MARKET)
    return REF_FINE;
  if (!tif_known(r->time_in_force))
    return refuse(WCX_ORD_REJ_REASON_INVALID_TIME_IN_FORCE);
  if (r->time_in_force == WCX_TIME_IN_FORCE_GTD && (r->expire_time == WCX_U64_NULL || r->expire_time <= ref->now))
    return refuse(WCX_ORD_REJ_REASON_INVALID_TIME_IN_FORCE);
  bool in_auction = r->time_in_force == WCX_TIME_IN_FORCE_AT_THE_OPENING || r->time_in_force == WCX_TIME_IN_FORCE_AT_THE_CLOSE;
  if (in_auction && r->ord_type != WCX_ORD_TYPE_LIMIT)
    return refuse(WCX_ORD_REJ_REASON_INVALID_TIME_IN_FORCE);
  return REF_FINE;
}

static ref_verdict_t judge_exec_inst(const wcx_new_order_single_t *r)
{
  bool at_once = r->time_in_force == WCX_TIME_IN_FORCE_IOC || r->time_in_force == WCX_TIME_IN_FORCE_FOK;
  bool all_or_none = (r->exec_inst & WCX_EXEC_INST_ALL_OR_NONE) != 0;
  ref_verdict_t unsupported = refuse(WCX_ORD_REJ_REASON_UNSUPPORTED_ORDER_CHARACTERISTIC);
  if ((r->exec_inst & POST_ONLY_ANY) != 0 && (sweeps(r->ord_type) || at_once || all_or_none))
    return unsupported;
  if ((r->exec_inst & WCX_EXEC_INST_HIDDEN) != 0 && sweeps(r->ord_type))
    return unsupported;
  return all_or_none && !at_once ? unsupported : REF_FINE;
}

static ref_verdict_t judge_quantities(const wcx_new_order_single_t *r, int64_t lot)
{
  if (r->min_qty != WCX_I64_NULL)
  {
    if (r->min_qty < 1 || r->min_qty > r->order_qty)
      return refuse(WCX_ORD_REJ_REASON_INVALID_MIN_QTY);
    if ((r->exec_inst & POST_ONLY_ANY) != 0 || stops(r->ord_type))
      return refuse(WCX_ORD_REJ_REASON_UNSUPPORTED_ORDER_CHARACTERISTIC);
  }
  if (r->display_qty != WCX_I64_NULL && r->display_qty != r->order_qty)
  {
    if (r->display_qty <= 0 || r->display_qty > r->order_qty)
      return refuse(WCX_ORD_REJ_REASON_INVALID_DISPLAY_QTY);
    if (sweeps(r->ord_type) || (r->exec_inst & WCX_EXEC_INST_HIDDEN) != 0)
      return refuse(WCX_ORD_REJ_REASON_UNSUPPORTED_ORDER_CHARACTERISTIC);
    if (r->display_qty % lot != 0)
      return refuse(WCX_ORD_REJ_REASON_INVALID_DISPLAY_QTY);
  }
  return REF_FINE;
}

static ref_verdict_t judge_request(ref_t *ref, const wcx_new_order_single_t *r, uint32_t instrument)
{
  const wcx_security_definition_t *def = &ref->instruments[instrument].def;
  TRY(judge_kind(r));
  TRY(judge_tif(ref, r));
  if (sweeps(r->ord_type) && r->price != WCX_I64_NULL)
    return refuse(WCX_ORD_REJ_REASON_INVALID_PRICE);
  TRY(judge_exec_inst(r));
  TRY(judge_quantities(r, def->round_lot));
  if (stops(r->ord_type) && (r->stop_px <= 0 || r->stop_px % def->min_price_increment != 0))
    return refuse(WCX_ORD_REJ_REASON_INVALID_STOP_PRICE);
  return REF_FINE;
}

static uint64_t expiry_of(const ref_t *ref, const wcx_new_order_single_t *r)
{
  if (r->time_in_force == WCX_TIME_IN_FORCE_GTD)
    return r->expire_time;
  return r->time_in_force == WCX_TIME_IN_FORCE_DAY ? (ref->now / REF_DAY_NS + 1) * REF_DAY_NS : 0;
}

static ref_verdict_t judge_new(ref_t *ref, const wcx_new_order_single_t *r, ref_order_t *candidate)
{
  uint32_t instrument = ref_instrument_find(ref, r->security_id);
  uint32_t account = ref_account_find(ref, r->account);
  if (!ref_cl_ord_id_rises(ref, r->cl_ord_id))
    return refuse(WCX_ORD_REJ_REASON_DUPLICATE_ORDER);
  if (instrument == REF_NOBODY)
    return refuse(WCX_ORD_REJ_REASON_UNKNOWN_SYMBOL);
  if (account == REF_NOBODY)
    return refuse(WCX_ORD_REJ_REASON_UNKNOWN_ACCOUNT);
  if (!ref_entitled(ref, ref->session, r->account) || !ref_granted_instrument(ref, ref->session, instrument) || !ref_granted_type(ref, ref->session, r->ord_type))
    return refuse(WCX_ORD_REJ_REASON_SESSION_NOT_ENTITLED);
  TRY(judge_request(ref, r, instrument));
  *candidate = (ref_order_t){
      .cl_ord_id = r->cl_ord_id,
      .price = sweeps(r->ord_type) ? 0 : r->price,
      .stop_px = r->stop_px,
      .qty = r->order_qty,
      .leaves = r->order_qty,
      .display_qty = r->display_qty == WCX_I64_NULL || r->display_qty == r->order_qty ? 0 : r->display_qty,
      .min_qty = r->min_qty == WCX_I64_NULL ? 0 : r->min_qty,
      .stop_seniority = ref->next_seniority++,
      .expires_ns = expiry_of(ref, r),
      .session = ref->session,
      .account = account,
      .instrument = instrument,
      .smp_id = r->self_match_prevention_id,
      .exec_inst = r->exec_inst,
      .mmp_group = r->mmp_group,
      .side = r->side,
      .ord_type = r->ord_type,
      .tif = r->time_in_force,
      .smp_inst = r->self_match_prevention_inst,
  };
  return ref_judge(ref, candidate, NULL);
}

void ref_new_order(ref_t *ref, const wcx_new_order_single_t *request)
{
  ref_order_t candidate;
  ref_verdict_t verdict = judge_new(ref, request, &candidate);
  if (verdict.reason == 0)
  {
    ref_order_t *order = ref_accept(ref, &candidate);
    ref_say_new(ref, order, request);
    ref_place_order(ref, order);
    return;
  }
  wcx_execution_report_reject_t reject = {
      .transact_time = ref->now,
      .exec_id = ref->next_exec_id++,
      .order_id = WCX_U64_NULL,
      .cl_ord_id = request->cl_ord_id,
      .security_id = request->security_id,
      .account = request->account,
      .session_id = ref->hdr->session_id,
      .side = request->side,
      .ord_status = WCX_ORD_STATUS_REJECTED,
      .ord_rej_reason = verdict.reason,
      .limit_value = verdict.limit,
      .receive_time = ref->hdr->receive_ns,
  };
  ref_say_session(ref, ref->session, WCX_TEMPLATE_EXECUTION_REPORT_REJECT, &reject, sizeof(reject));
}

/* --- cancel ---------------------------------------------------------------------------------------------------------------------------- */

/* The order both ids name by the protocol's rules, or NULL. A session of the account may name an order of another by OrderID. */
static ref_order_t *order_named(ref_t *ref, uint64_t order_id, uint64_t orig_cl_ord_id, uint32_t security_id, bool others_too)
{
  for (uint32_t i = 0; i < ref->live.cnt; i++)
  {
    ref_order_t *order = ref->live.at[i];
    bool named = order_id != WCX_U64_NULL ? order->id == order_id : order->session == ref->session && !order->quote && order->cl_ord_id == orig_cl_ord_id;
    if (!named)
      continue;
    bool ours = order->session == ref->session || (others_too && ref_entitled(ref, ref->session, ref->accounts[order->account].def.account));
    return ours && ref->instruments[order->instrument].def.security_id == security_id ? order : NULL;
  }
  return NULL;
}

/* The order's account; without an order that of the session, 0 when it may trade for every account. */
static uint32_t account_to_say(const ref_t *ref, const ref_order_t *order)
{
  uint32_t own = ref->sessions[ref->session].account;
  if (order != NULL)
    return ref->accounts[order->account].def.account;
  return own == WCX_U32_NULL ? 0 : own;
}

static void say_cancel_reject(ref_t *ref, uint8_t reason, const ref_order_t *order, uint64_t cl_ord_id, uint64_t orig_cl_ord_id, uint32_t security_id)
{
  wcx_order_cancel_reject_t reject = {
      .transact_time = ref->now,
      .exec_id = ref->next_exec_id++,
      .order_id = order != NULL ? order->id : WCX_U64_NULL,
      .cl_ord_id = cl_ord_id,
      .security_id = security_id,
      .account = account_to_say(ref, order),
      .session_id = ref->hdr->session_id,
      .cxl_rej_reason = reason,
      .cxl_rej_response_to =
          ref->hdr->template_id == WCX_TEMPLATE_ORDER_CANCEL_REQUEST ? WCX_CXL_REJ_RESPONSE_TO_ORDER_CANCEL_REQUEST : WCX_CXL_REJ_RESPONSE_TO_ORDER_CANCEL_REPLACE_REQUEST,
      .orig_cl_ord_id = orig_cl_ord_id,
  };
  ref_say_session(ref, ref->session, WCX_TEMPLATE_ORDER_CANCEL_REJECT, &reject, sizeof(reject));
}

void ref_cancel_request(ref_t *ref, const wcx_order_cancel_request_t *r)
{
  if (!ref_cl_ord_id_rises(ref, r->cl_ord_id))
  {
    say_cancel_reject(ref, WCX_CXL_REJ_REASON_DUPLICATE_CL_ORD_ID, NULL, r->cl_ord_id, r->orig_cl_ord_id, r->security_id);
    return;
  }
  ref_order_t *order = order_named(ref, r->order_id, r->orig_cl_ord_id, r->security_id, true);
  if (order == NULL)
    say_cancel_reject(ref, WCX_CXL_REJ_REASON_UNKNOWN_ORDER, NULL, r->cl_ord_id, r->orig_cl_ord_id, r->security_id);
  else
    ref_cancel(ref, order, (ref_cancel_t){WCX_CANCEL_REASON_USER_REQUESTED, r->cl_ord_id, ref->hdr->receive_ns, ref->session});
}

/* --- replace --------------------------------------------------------------------------------------------------------------------------- */

/* A refusal in the words of OrderCancelReject. */
static uint8_t cxl_rej_reason_of(uint16_t reason)
{
  switch (reason)
  {
  case WCX_ORD_REJ_REASON_KILL_SWITCH_ACTIVE:
    return WCX_CXL_REJ_REASON_KILL_SWITCH_ACTIVE;
  case WCX_ORD_REJ_REASON_ACCOUNT_NOT_ACTIVE:
  case WCX_ORD_REJ_REASON_ACCOUNT_CLOSE_ONLY:
    return WCX_CXL_REJ_REASON_NOT_ENTITLED;
  case WCX_ORD_REJ_REASON_TRADING_HALTED:
  case WCX_ORD_REJ_REASON_CANCEL_ONLY_MODE:
  case WCX_ORD_REJ_REASON_EXCHANGE_CLOSED:
    return WCX_CXL_REJ_REASON_NOT_ALLOWED_BY_MARKET_STATE;
  case WCX_ORD_REJ_REASON_INVALID_PRICE:
  case WCX_ORD_REJ_REASON_INVALID_PRICE_INCREMENT:
    return WCX_CXL_REJ_REASON_INVALID_PRICE_INCREMENT;
  case WCX_ORD_REJ_REASON_PRICE_EXCEEDS_BAND:
    return WCX_CXL_REJ_REASON_PRICE_EXCEEDS_BAND;
  case WCX_ORD_REJ_REASON_INCORRECT_QUANTITY:
  case WCX_ORD_REJ_REASON_INVALID_QTY_INCREMENT:
    return WCX_CXL_REJ_REASON_INVALID_QUANTITY;
  case WCX_ORD_REJ_REASON_POST_ONLY_WOULD_TRADE:
    return WCX_CXL_REJ_REASON_POST_ONLY_WOULD_TRADE;
  case WCX_ORD_REJ_REASON_INSUFFICIENT_BALANCE:
    return WCX_CXL_REJ_REASON_INSUFFICIENT_BALANCE;
  default:
    return WCX_CXL_REJ_REASON_LIMIT_EXCEEDED;
  }
}

/* What a replace asks that its order cannot be. 255: nothing. */
#define POSSIBLE 255
static uint8_t judge_wish(const ref_t *ref, const ref_order_t *order, const wcx_order_cancel_replace_request_t *r)
{
  const wcx_security_definition_t *def = &ref->instruments[order->instrument].def;
  bool stop = order->ord_type == WCX_ORD_TYPE_STOP;
  bool hidden = (r->exec_inst & WCX_EXEC_INST_HIDDEN) != 0;
  if ((r->exec_inst & ~EXEC_INST_REPLACEABLE) != 0 || ((r->exec_inst & WCX_EXEC_INST_MMP) != 0 && order->mmp_group == 0))
    return WCX_CXL_REJ_REASON_UNSUPPORTED_CHARACTERISTIC;
  if (stop && ((r->exec_inst & POST_ONLY_ANY) != 0 || hidden))
    return WCX_CXL_REJ_REASON_UNSUPPORTED_CHARACTERISTIC;
  if (r->stop_px != WCX_I64_NULL && order->place != REF_WAITING)
    return WCX_CXL_REJ_REASON_UNSUPPORTED_CHARACTERISTIC;
  if (stop && r->price != WCX_I64_NULL)
    return WCX_CXL_REJ_REASON_INVALID_PRICE_INCREMENT;
  if (r->display_qty != WCX_I64_NULL)
  {
    if (r->display_qty != r->order_qty && (r->display_qty <= 0 || r->display_qty > r->order_qty))
      return WCX_CXL_REJ_REASON_INVALID_DISPLAY_QTY;
    if (stop || (hidden && r->display_qty < r->order_qty))
      return WCX_CXL_REJ_REASON_UNSUPPORTED_CHARACTERISTIC;
    if (r->display_qty != r->order_qty && r->display_qty % def->round_lot != 0)
      return WCX_CXL_REJ_REASON_INVALID_DISPLAY_QTY;
  }
  if (r->stop_px != WCX_I64_NULL && (r->stop_px <= 0 || r->stop_px % def->min_price_increment != 0))
    return WCX_CXL_REJ_REASON_INVALID_STOP_PRICE;
  return POSSIBLE;
}

/* The order as it will be. */
static ref_order_t wish_of(const ref_order_t *order, const wcx_order_cancel_replace_request_t *r)
{
  ref_order_t wish = *order;
  wish.cl_ord_id = r->cl_ord_id;
  wish.exec_inst = r->exec_inst;
  wish.price = r->price == WCX_I64_NULL ? order->price : r->price;
  wish.stop_px = r->stop_px == WCX_I64_NULL ? order->stop_px : r->stop_px;
  wish.qty = r->order_qty;
  wish.leaves = r->order_qty - order->cum;
  wish.min_qty = 0;
  if (r->display_qty != WCX_I64_NULL)
    wish.display_qty = r->display_qty;
  if (wish.display_qty >= wish.qty || (wish.exec_inst & WCX_EXEC_INST_HIDDEN) != 0)
    wish.display_qty = 0;
  return wish;
}

/* A plain order displays all it is for. */
static int64_t displays(const ref_order_t *order)
{
  return order->display_qty != 0 ? order->display_qty : order->qty;
}

static bool keeps_priority(const ref_order_t *order, const ref_order_t *wish)
{
  if (ref_is_stop(order) && order->place == REF_WAITING)
    return wish->stop_px == order->stop_px;
  return wish->price == order->price && wish->qty <= order->qty && displays(wish) <= displays(order) && ref_hidden(wish) == ref_hidden(order);
}

static void say_replace(ref_t *ref, const ref_order_t *wish, uint64_t orig_cl_ord_id, bool kept)
{
  wcx_execution_report_replace_t report = {
      .transact_time = ref->now,
      .exec_id = ref->next_exec_id++,
      .order_id = wish->id,
      .cl_ord_id = wish->cl_ord_id,
      .security_id = ref->instruments[wish->instrument].def.security_id,
      .account = ref->accounts[wish->account].def.account,
      .session_id = ref->sessions[wish->session].id,
      .side = wish->side,
      .ord_status = ref_ord_status(wish),
      .flags = kept ? 1 : 0,
      .orig_cl_ord_id = orig_cl_ord_id,
      .price = ref_sweeps(wish) ? WCX_I64_NULL : wish->price,
      .order_qty = wish->qty,
      .leaves_qty = wish->leaves,
      .display_qty = wish->display_qty == 0 ? WCX_I64_NULL : wish->display_qty,
      .receive_time = ref->hdr->receive_ns,
  };
  ref_say_session(ref, wish->session, WCX_TEMPLATE_EXECUTION_REPORT_REPLACE, &report, sizeof(report));
}

/* In the book, priority kept. */
static void replace_in_place(ref_t *ref, ref_order_t *order, const ref_order_t *wish)
{
  int64_t shown = order->shown;
  *order = *wish;
  if (order->display_qty != 0 && order->shown > order->display_qty)
    order->shown = order->display_qty;
  if (order->shown > order->leaves)
    order->shown = order->leaves;
  ref_hold(ref, order);
  if (order->shown < shown)
    ref_say_reduce(ref, order);
}

/* Out of the book, against the other side, the rest to the end of its level. */
static void replace_anew(ref_t *ref, ref_order_t *order, const ref_order_t *wish)
{
  bool was_shown = order->shown > 0;
  bool meets = ref->instruments[order->instrument].status == WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE && ref_crosses(ref, wish, wish->price);
  ref_list_remove(ref_side(ref, order, false), order);
  bool replaces = was_shown && !meets && !ref_hidden(wish);
  if (was_shown && !replaces)
    ref_say_delete(ref, order);
  *order = *wish;
  order->place = REF_NOWHERE;
  order->own = true;
  order->shown = 0;
  ref_hold(ref, order);
  if (replaces)
  {
    ref_book_insert(ref, order);
    ref_say_replaced(ref, order);
  }
  else if (meets)
    ref_aggress(ref, order, false);
  else
    ref_rest(ref, order);
}

static void replace_waiting(ref_t *ref, ref_order_t *order, const ref_order_t *wish)
{
  bool moved = wish->stop_px != order->stop_px;
  ref_list_remove(&ref->instruments[order->instrument].waiting, order);
  *order = *wish;
  if (moved)
    order->stop_seniority = ref->next_seniority++;
  order->place = REF_NOWHERE;
  order->own = true;
  ref_hold(ref, order);
  ref_place_order(ref, order);
}

void ref_replace_request(ref_t *ref, const wcx_order_cancel_replace_request_t *r)
{
  if (!ref_cl_ord_id_rises(ref, r->cl_ord_id))
  {
    say_cancel_reject(ref, WCX_CXL_REJ_REASON_DUPLICATE_CL_ORD_ID, NULL, r->cl_ord_id, r->orig_cl_ord_id, r->security_id);
    return;
  }
  ref_order_t *order = order_named(ref, r->order_id, r->orig_cl_ord_id, r->security_id, false);
  if (order == NULL || order->quote)
  {
    say_cancel_reject(ref, WCX_CXL_REJ_REASON_UNKNOWN_ORDER, NULL, r->cl_ord_id, r->orig_cl_ord_id, r->security_id);
    return;
  }
  if (r->order_qty < 0)
  {
    say_cancel_reject(ref, WCX_CXL_REJ_REASON_INVALID_QUANTITY, order, r->cl_ord_id, r->orig_cl_ord_id, r->security_id);
    return;
  }
  if (r->order_qty <= order->cum)
  {
    ref_cancel(ref, order, (ref_cancel_t){WCX_CANCEL_REASON_USER_REQUESTED, r->cl_ord_id, ref->hdr->receive_ns, REF_NOBODY});
    return;
  }
  uint8_t impossible = ref_granted_instrument(ref, ref->session, order->instrument) ? judge_wish(ref, order, r) : WCX_CXL_REJ_REASON_NOT_ENTITLED;
  if (impossible != POSSIBLE)
  {
    say_cancel_reject(ref, impossible, order, r->cl_ord_id, r->orig_cl_ord_id, r->security_id);
    return;
  }
  ref_order_t wish = wish_of(order, r);
  ref_verdict_t verdict = ref_judge(ref, &wish, order);
  if (verdict.reason != 0)
  {
    say_cancel_reject(ref, cxl_rej_reason_of(verdict.reason), order, r->cl_ord_id, r->orig_cl_ord_id, r->security_id);
    return;
  }
  bool kept = keeps_priority(order, &wish);
  say_replace(ref, &wish, order->cl_ord_id, kept);
  if (order->place == REF_WAITING)
    replace_waiting(ref, order, &wish);
  else if (order->place == REF_UNSEEN)
  {
    *order = wish;
    ref_hold(ref, order);
  }
  else if (kept)
    replace_in_place(ref, order, &wish);
  else
    replace_anew(ref, order, &wish);
}
