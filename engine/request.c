/* New orders and cancels. */
#include "engine/auction.h"
#include "engine/emit.h"
#include "engine/enter.h"
#include "engine/entitle.h"
#include "engine/mmp.h"
#include "engine/report.h"
#include "engine/risk.h"
#include "engine/stops.h"

#define DAY_NS UINT64_C(86400000000000)
#define EXEC_INST_NEW                                                                                                                                                              \
  (WCX_EXEC_INST_POST_ONLY | WCX_EXEC_INST_POST_ONLY_REPRICE | WCX_EXEC_INST_CANCEL_ON_DISCONNECT | WCX_EXEC_INST_HIDDEN | WCX_EXEC_INST_MMP | WCX_EXEC_INST_ALL_OR_NONE)

/* --- characteristics: RULES.md section 2, 5 --------------------------------------------------------------------------------------------- */

static inline bool is_stop(uint8_t ord_type)
{
  return ord_type == WCX_ORD_TYPE_STOP || ord_type == WCX_ORD_TYPE_STOP_LIMIT;
}

/* All of it at once or nothing: FOK, and all-or-none. */
static inline bool wants_all(const wcx_new_order_single_t *request)
{
  return request->time_in_force == WCX_TIME_IN_FORCE_FOK || (request->exec_inst & WCX_EXEC_INST_ALL_OR_NONE) != 0;
}

/* A limit order, GTC or IOC, and nothing else asked for: nothing in this section can fail. */
static inline bool is_plain(const wcx_new_order_single_t *request)
{
  bool plain = request->ord_type == WCX_ORD_TYPE_LIMIT && (request->time_in_force == WCX_TIME_IN_FORCE_GTC || request->time_in_force == WCX_TIME_IN_FORCE_IOC) &&
               (uint8_t)(request->side - 1) <= 1 && request->self_match_prevention_inst == WCX_SELF_MATCH_PREVENTION_INST_NONE;
  uint64_t given = ((uint64_t)request->display_qty ^ (uint64_t)WCX_I64_NULL) | ((uint64_t)request->min_qty ^ (uint64_t)WCX_I64_NULL) |
                   ((uint64_t)request->stop_px ^ (uint64_t)WCX_I64_NULL) | (request->exec_inst & (uint64_t)~WCX_EXEC_INST_CANCEL_ON_DISCONNECT) | request->mmp_group |
                   request->self_match_prevention_id;
  return plain && given == 0;
}

static enum wcx_reject check_tif(const wcx_engine_t *engine, const wcx_new_order_single_t *request)
{
  if (request->ord_type == WCX_ORD_TYPE_MARKET)
    return WCX_REJECT_NONE;
  switch (request->time_in_force)
  {
  case WCX_TIME_IN_FORCE_DAY:
  case WCX_TIME_IN_FORCE_GTC:
  case WCX_TIME_IN_FORCE_IOC:
  case WCX_TIME_IN_FORCE_FOK:
    return WCX_REJECT_NONE;
  case WCX_TIME_IN_FORCE_GTD:
    return request->expire_time != WCX_U64_NULL && request->expire_time > engine->stamp_ns ? WCX_REJECT_NONE : WCX_REJECT_TIME_IN_FORCE;
  case WCX_TIME_IN_FORCE_AT_THE_OPENING:
  case WCX_TIME_IN_FORCE_AT_THE_CLOSE:
    return request->ord_type == WCX_ORD_TYPE_LIMIT ? WCX_REJECT_NONE : WCX_REJECT_TIME_IN_FORCE;
  default:
    return WCX_REJECT_TIME_IN_FORCE;
  }
}

static enum wcx_reject check_display(const wcx_instrument_t *instrument, const wcx_new_order_single_t *request)
{
  if (request->display_qty == WCX_I64_NULL || request->display_qty == request->order_qty)
    return WCX_REJECT_NONE;
  if (request->display_qty <= 0 || request->display_qty > request->order_qty)
    return WCX_REJECT_DISPLAY_QTY;
  if (wcx_match_sweeps(request->ord_type) || (request->exec_inst & WCX_EXEC_INST_HIDDEN) != 0)
    return WCX_REJECT_UNSUPPORTED;
  uint64_t rest;
  wcx_divide(&instrument->lot, (uint64_t)request->display_qty, &rest);
  return rest == 0 ? WCX_REJECT_NONE : WCX_REJECT_DISPLAY_QTY;
}

bool wcx_stop_px_sound(const wcx_instrument_t *instrument, int64_t stop_px)
{
  uint64_t rest = 0;
  if (stop_px > 0)
    wcx_divide(&instrument->increment, (uint64_t)stop_px, &rest);
  return stop_px > 0 && rest == 0;
}

static enum wcx_reject check_characteristics(const wcx_engine_t *engine, const wcx_instrument_t *instrument, const wcx_new_order_single_t *request)
{
  bool stop = is_stop(request->ord_type);
  bool sweeps = wcx_match_sweeps(request->ord_type);
  bool at_once = request->time_in_force == WCX_TIME_IN_FORCE_IOC || request->time_in_force == WCX_TIME_IN_FORCE_FOK;
  bool post_only = (request->exec_inst & WCX_POST_ONLY) != 0;
  bool all_or_none = (request->exec_inst & WCX_EXEC_INST_ALL_OR_NONE) != 0;
  if ((request->side != WCX_SIDE_BUY && request->side != WCX_SIDE_SELL) || request->ord_type < WCX_ORD_TYPE_MARKET || request->ord_type > WCX_ORD_TYPE_MARKET_TO_LIMIT ||
      request->self_match_prevention_inst > WCX_SELF_MATCH_PREVENTION_INST_DECREMENT_AND_CANCEL || (request->exec_inst & ~EXEC_INST_NEW) != 0 ||
      (request->stop_px != WCX_I64_NULL && !stop) || ((request->exec_inst & WCX_EXEC_INST_MMP) != 0 && request->mmp_group == 0))
    return WCX_REJECT_UNSUPPORTED;
  enum wcx_reject reject = check_tif(engine, request);
  if (reject != WCX_REJECT_NONE)
    return reject;
  if (sweeps && request->price != WCX_I64_NULL)
    return WCX_REJECT_PRICE;
  if ((post_only && (sweeps || at_once || all_or_none)) || ((request->exec_inst & WCX_EXEC_INST_HIDDEN) != 0 && sweeps) || (all_or_none && !at_once))
    return WCX_REJECT_UNSUPPORTED;
  if (request->min_qty != WCX_I64_NULL)
  {
    if (request->min_qty <= 0 || request->min_qty > request->order_qty)
      return WCX_REJECT_MIN_QTY;
    if (post_only || stop)
      return WCX_REJECT_UNSUPPORTED;
  }
  reject = check_display(instrument, request);
  if (reject != WCX_REJECT_NONE)
    return reject;
  return stop && !wcx_stop_px_sound(instrument, request->stop_px) ? WCX_REJECT_STOP_PX : WCX_REJECT_NONE;
}

/* --- new order -------------------------------------------------------------------------------------------------------------------------- */

/* Until its auction begins it is not seen. */
static bool is_unseen(const wcx_instrument_t *instrument, const wcx_terms_t *terms)
{
  enum wcx_phase phase = wcx_book_phase(terms->tif);
  return phase != WCX_PHASE_NONE && phase != wcx_book_phase_of_status(instrument->status);
}

/* Price at which its balance is held. */
static int64_t held_px(const wcx_instrument_t *instrument, const wcx_terms_t *terms)
{
  int64_t low, high;
  if (!wcx_match_sweeps(terms->ord_type))
    return terms->price;
  wcx_match_band(instrument, &low, &high);
  return wcx_risk_collar(high);
}

static wcx_verdict_t check_new(const wcx_engine_t *engine, const wcx_session_t *session, const wcx_new_order_single_t *request, const wcx_instrument_t *instrument,
                               wcx_account_t *account, wcx_entry_t *entry)
{
  if (instrument == NULL)
    return wcx_refuse(WCX_REJECT_UNKNOWN_INSTRUMENT);
  if (account == NULL)
    return wcx_refuse(WCX_REJECT_UNKNOWN_ACCOUNT);
  if (!wcx_session_entitled(session, request->account))
    return wcx_refuse(WCX_REJECT_NOT_ENTITLED);
  if (!wcx_entitled(engine, session, instrument, request->ord_type))
    return wcx_refuse(WCX_REJECT_NOT_GRANTED);
  if (!is_plain(request))
  {
    enum wcx_reject reject = check_characteristics(engine, instrument, request);
    if (reject != WCX_REJECT_NONE)
      return wcx_refuse(reject);
  }
  wcx_terms_t *terms = &entry->terms;
  *terms = (wcx_terms_t){
      .price = request->price, .qty = request->order_qty, .exec_inst = request->exec_inst, .side = request->side, .ord_type = request->ord_type, .tif = request->time_in_force};
  if (terms->ord_type == WCX_ORD_TYPE_MARKET && terms->tif != WCX_TIME_IN_FORCE_FOK)
    terms->tif = WCX_TIME_IN_FORCE_IOC;
  terms->waits = is_stop(terms->ord_type) || is_unseen(instrument, terms);
  if (__builtin_expect((request->exec_inst & WCX_EXEC_INST_MMP) != 0, 0) && (session->lock | account->lock) == 0 && wcx_mmp_frozen(engine, session, request->mmp_group))
    return wcx_refuse(WCX_REJECT_MMP_FROZEN);
  wcx_verdict_t verdict = wcx_check_standing(session, account, instrument, terms);
  if (verdict.reject == WCX_REJECT_NONE)
    verdict = wcx_check_terms(engine, instrument, terms);
  if (verdict.reject != WCX_REJECT_NONE)
    return verdict;
  if (__builtin_expect(account->risk != 0, 0))
  {
    verdict.reject = wcx_risk_check(engine, account, instrument, terms->side, held_px(instrument, terms), terms->qty, &verdict.limit);
    if (verdict.reject != WCX_REJECT_NONE)
      return verdict;
  }
  if (engine->pool.live >= engine->capacity.max_orders)
    return wcx_refuse_limit(WCX_REJECT_ORDERS_FULL, engine->capacity.max_orders);
  if (__builtin_expect(terms->waits, 0) ? !wcx_stops_have_level(engine, instrument, terms->side, request->stop_px)
                                        : wcx_terms_may_rest(terms) && !wcx_book_has_level(engine, instrument, terms->side, terms->px_idx))
    return wcx_refuse_limit(WCX_REJECT_LEVELS_FULL, engine->capacity.max_levels);
  return WCX_ACCEPT;
}

static void report_reject(wcx_engine_t *engine, wcx_session_t *session, const wcx_new_order_single_t *request, wcx_verdict_t verdict)
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

/* When it ends by itself, or 0. */
static uint64_t expiry_of(const wcx_engine_t *engine, const wcx_new_order_single_t *request)
{
  if (request->time_in_force == WCX_TIME_IN_FORCE_GTD)
    return request->expire_time;
  return request->time_in_force == WCX_TIME_IN_FORCE_DAY && engine->stamp_ns < UINT64_MAX - DAY_NS ? (engine->stamp_ns / DAY_NS + 1) * DAY_NS : 0;
}

/* What of a request is more than a plain order has. Returns the flags that the order gets for it. */
static uint8_t fill_extra(wcx_engine_t *engine, const wcx_new_order_single_t *request, const wcx_entry_t *entry)
{
  uint32_t slot = entry->slot;
  bool iceberg = request->display_qty != WCX_I64_NULL && request->display_qty != request->order_qty;
  engine->pool.extras[slot] = (wcx_order_extra_t){
      .price = wcx_match_sweeps(request->ord_type) ? WCX_I64_NULL : entry->terms.price,
      .stop_px = request->stop_px,
      .display_qty = iceberg ? request->display_qty : 0,
      .public_id = engine->pool.orders[slot].order_id,
      .expire_ns = expiry_of(engine, request),
      .collar = entry->taker.held_px,
      .smp_id = request->self_match_prevention_id,
      .mmp_group = request->mmp_group,
      .exec_inst = request->exec_inst,
      .smp_inst = request->self_match_prevention_inst,
      .tif = entry->terms.tif,
      .ord_type = request->ord_type,
  };
  return WCX_ORDER_F_EXTRA | (iceberg ? WCX_ORDER_F_ICEBERG : 0) | ((request->exec_inst & WCX_EXEC_INST_HIDDEN) != 0 ? WCX_ORDER_F_HIDDEN : 0) |
         ((request->exec_inst & WCX_EXEC_INST_MMP) != 0 ? WCX_ORDER_F_MMP : 0);
}

/* Put an accepted order into its session's list before it stands anywhere. */
static void enlist(wcx_engine_t *engine, wcx_entry_t *entry)
{
  const wcx_taker_t *taker = &entry->taker;
  wcx_order_t *order = &engine->pool.orders[entry->slot];
  order->leaves = taker->leaves;
  order->order_qty = taker->order_qty;
  order->cl_ord_id = taker->cl_ord_id;
  order->session = (uint32_t)(taker->session - engine->sessions);
  order->account = taker->account;
  order->instrument = (uint16_t)(taker->instrument - engine->instruments);
  order->side = taker->side;
  order->flags = entry->order_flags;
  wcx_book_enlist(engine, entry->slot);
  wcx_order_extra_t *extra = &engine->pool.extras[entry->slot];
  if (extra->expire_ns != 0)
    extra->expire_arm = wcx_timer_arm(engine, WCX_TIMER_ORDER, entry->slot, extra->expire_ns);
  entry->listed = true;
}

/* An accepted order that asks for more than a plain one. */
static void enter_special(wcx_engine_t *engine, wcx_entry_t *entry, const wcx_new_order_single_t *request)
{
  wcx_taker_t *taker = &entry->taker;
  entry->order_flags |= fill_extra(engine, request, entry);
  taker->flags |= entry->order_flags & WCX_ORDER_F_MMP;
  taker->mmp_group = request->mmp_group;
  taker->smp_inst = request->self_match_prevention_inst;
  if (taker->smp_inst != WCX_SELF_MATCH_PREVENTION_INST_NONE)
    taker->smp_id = wcx_match_smp_id(engine, taker->account, request->self_match_prevention_id);
  entry->all = wants_all(request);
  entry->at_once = entry->all ? request->order_qty : request->min_qty;
  if (is_stop(request->ord_type))
  {
    enlist(engine, entry);
    wcx_stops_place(engine, entry->slot);
    return;
  }
  bool has_phase = wcx_book_phase(entry->terms.tif) != WCX_PHASE_NONE;
  if (has_phase || engine->pool.extras[entry->slot].expire_ns != 0)
    enlist(engine, entry);
  if (has_phase)
    wcx_book_phase_append(engine, entry->slot);
  if (is_unseen(taker->instrument, &entry->terms))
  {
    wcx_book_wait_unseen(engine, entry->slot);
    return;
  }
  wcx_enter(engine, entry);
}

void wcx_request_new(wcx_engine_t *engine, wcx_session_t *session, const wcx_new_order_single_t *request)
{
  if (!wcx_session_take_cl_ord_id(session, request->cl_ord_id))
  {
    report_reject(engine, session, request, wcx_refuse(WCX_REJECT_DUPLICATE_CL_ORD_ID));
    return;
  }
  wcx_instrument_t *instrument = wcx_state_instrument(engine, request->security_id);
  wcx_account_t *account = wcx_state_account(engine, request->account);
  wcx_entry_t entry;
  wcx_verdict_t verdict = check_new(engine, session, request, instrument, account, &entry);
  uint32_t slot = verdict.reject == WCX_REJECT_NONE ? wcx_pool_alloc(&engine->pool) : 0;
  if (slot == 0)
  {
    if (verdict.reject == WCX_REJECT_NONE) /* every slot in use or retired */
      verdict = wcx_refuse_limit(WCX_REJECT_ORDERS_FULL, engine->capacity.max_orders);
    report_reject(engine, session, request, verdict);
    return;
  }
  wcx_state_mark_used(engine, instrument, account);
  bool sweeps = wcx_match_sweeps(request->ord_type);
  uint64_t order_id = engine->pool.orders[slot].order_id;
  wcx_report_new(engine, session, request, order_id, sweeps ? WCX_I64_NULL : entry.terms.price);
  entry.slot = slot;
  entry.at_once = 0;
  entry.all = false;
  entry.listed = false;
  entry.last = true;
  entry.order_flags = (uint8_t)((request->exec_inst & WCX_EXEC_INST_CANCEL_ON_DISCONNECT) != 0 ? WCX_ORDER_F_COD : 0);
  entry.taker = (wcx_taker_t){
      .session = session,
      .instrument = instrument,
      .owner = account,
      .order_id = order_id,
      .cl_ord_id = request->cl_ord_id,
      .price = wcx_match_limit(request->ord_type, request->side, entry.terms.price),
      .order_qty = request->order_qty,
      .leaves = request->order_qty,
      .held_px = entry.terms.price,
      .account = request->account,
      .side = request->side,
      .sweeps = sweeps,
  };
  wcx_match_band(instrument, &entry.taker.low, &entry.taker.high);
  if (sweeps)
    entry.taker.held_px = wcx_risk_collar(entry.taker.high);
  if (__builtin_expect(account->risk != 0, 0))
  {
    entry.order_flags |= WCX_ORDER_F_RISK;
    entry.taker.flags |= WCX_ORDER_F_RISK;
    wcx_risk_hold(engine, account, instrument, request->side, entry.taker.held_px, request->order_qty);
  }
  if (__builtin_expect(is_plain(request), 1))
    wcx_enter(engine, &entry);
  else
    enter_special(engine, &entry, request);
}

/* --- cancel ----------------------------------------------------------------------------------------------------------------------------- */

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

void wcx_report_cancel_reject(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_cancel_reject_t *of, enum wcx_reject reject)
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
      wcx_cancel_last(engine, slot, WCX_CANCEL_REASON_USER_REQUESTED, request->cl_ord_id, session);
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
  wcx_report_cancel_reject(engine, session, &of, reject);
}
