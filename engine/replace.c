/* Cancel/replace. RULES.md sections 2 and 3; of stops section 6. */
#include "engine/auction.h"
#include "engine/emit.h"
#include "engine/enter.h"
#include "engine/entitle.h"
#include "engine/report.h"
#include "engine/risk.h"
#include "engine/stops.h"

#define EXEC_INST_REPLACE (WCX_EXEC_INST_POST_ONLY | WCX_EXEC_INST_POST_ONLY_REPRICE | WCX_EXEC_INST_CANCEL_ON_DISCONNECT | WCX_EXEC_INST_HIDDEN | WCX_EXEC_INST_MMP)

/* An order as it is, and as it wants to be. */
typedef struct change
{
  uint32_t slot;
  bool stop;   /* it waits for its StopPx */
  bool unseen; /* it waits for its auction */
  bool hidden; /* it will be */
  wcx_terms_t terms;
  int64_t price_now;   /* WCX_I64_NULL: of a Stop */
  int64_t stop_px;     /* as it will be */
  int64_t display_qty; /* most it will show; 0: all */
} change_t;

static bool has_extra(const wcx_order_t *order)
{
  return (order->flags & WCX_ORDER_F_EXTRA) != 0;
}

static change_t change_of(const wcx_engine_t *engine, const wcx_order_cancel_replace_request_t *request, uint32_t slot)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  const wcx_order_extra_t *extra = &engine->pool.extras[slot];
  bool waiting = (order->flags & WCX_ORDER_F_WAITING) != 0;
  change_t change = {
      .slot = slot,
      .stop = waiting && order->level != WCX_LEVEL_UNSEEN,
      .unseen = waiting && order->level == WCX_LEVEL_UNSEEN,
      .hidden = (request->exec_inst & WCX_EXEC_INST_HIDDEN) != 0,
      .price_now = wcx_book_price(engine, slot),
      .stop_px = WCX_I64_NULL,
  };
  if (change.stop)
    change.stop_px = request->stop_px != WCX_I64_NULL ? request->stop_px : extra->stop_px;
  change.terms = (wcx_terms_t){.price = request->price != WCX_I64_NULL ? request->price : change.price_now,
                               .qty = request->order_qty,
                               .exec_inst = request->exec_inst,
                               .side = order->side,
                               .ord_type = change.stop ? extra->ord_type : WCX_ORD_TYPE_LIMIT,
                               .tif = WCX_TIME_IN_FORCE_GTC,
                               .waits = waiting};
  return change;
}

/* ExecInst, StopPx, DisplayQty. */
static enum wcx_reject check_characteristics(const wcx_engine_t *engine, const wcx_order_cancel_replace_request_t *request, change_t *change)
{
  const wcx_order_t *order = &engine->pool.orders[change->slot];
  const wcx_order_extra_t *extra = &engine->pool.extras[change->slot];
  const wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  bool sweeps = change->stop && extra->ord_type == WCX_ORD_TYPE_STOP;
  bool grouped = has_extra(order) && extra->mmp_group != 0;
  if ((request->exec_inst & ~EXEC_INST_REPLACE) != 0 || ((request->exec_inst & WCX_EXEC_INST_MMP) != 0 && !grouped) ||
      ((request->exec_inst & (WCX_POST_ONLY | WCX_EXEC_INST_HIDDEN)) != 0 && sweeps) || (request->stop_px != WCX_I64_NULL && !change->stop))
    return WCX_REJECT_UNSUPPORTED;
  if (sweeps && request->price != WCX_I64_NULL)
    return WCX_REJECT_PRICE;
  int64_t now = (order->flags & WCX_ORDER_F_ICEBERG) != 0 ? extra->display_qty : 0;
  change->display_qty = change->hidden || now >= request->order_qty ? 0 : now;
  if (request->display_qty != WCX_I64_NULL)
  {
    change->display_qty = 0;
    if (sweeps && request->display_qty == request->order_qty)
      return WCX_REJECT_UNSUPPORTED;
    if (request->display_qty != request->order_qty)
    {
      uint64_t rest;
      if (request->display_qty <= 0 || request->display_qty > request->order_qty)
        return WCX_REJECT_DISPLAY_QTY;
      if (sweeps || change->hidden)
        return WCX_REJECT_UNSUPPORTED;
      wcx_divide(&instrument->lot, (uint64_t)request->display_qty, &rest);
      if (rest != 0)
        return WCX_REJECT_DISPLAY_QTY;
      change->display_qty = request->display_qty;
    }
  }
  return change->stop && !wcx_stop_px_sound(instrument, change->stop_px) ? WCX_REJECT_STOP_PX : WCX_REJECT_NONE;
}

static int64_t held_px_after(const wcx_engine_t *engine, const change_t *change)
{
  return wcx_match_sweeps(change->terms.ord_type) ? engine->pool.extras[change->slot].collar : change->terms.price;
}

/* The terms a replace asks for, of an order that stays. */
static enum wcx_reject check(const wcx_engine_t *engine, const wcx_order_cancel_replace_request_t *request, change_t *change)
{
  const wcx_order_t *order = &engine->pool.orders[change->slot];
  const wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  if (!wcx_entitled_to(engine, &engine->sessions[order->session], instrument))
    return WCX_REJECT_NOT_GRANTED;
  bool plain = (order->flags & ~(WCX_ORDER_F_COD | WCX_ORDER_F_RISK)) == 0 && (request->exec_inst & ~WCX_EXEC_INST_CANCEL_ON_DISCONNECT) == 0 && request->stop_px == WCX_I64_NULL &&
               (request->display_qty == WCX_I64_NULL || request->display_qty == request->order_qty);
  if (__builtin_expect(!plain, 0))
  {
    enum wcx_reject reject = check_characteristics(engine, request, change);
    if (reject != WCX_REJECT_NONE)
      return reject;
  }
  wcx_account_t *account = wcx_state_account(engine, order->account);
  wcx_verdict_t verdict = wcx_check_standing(&engine->sessions[order->session], account, instrument, &change->terms);
  if (verdict.reject == WCX_REJECT_NONE)
    verdict = wcx_check_terms(engine, instrument, &change->terms);
  if (verdict.reject != WCX_REJECT_NONE)
    return verdict.reject;
  if (__builtin_expect((order->flags & WCX_ORDER_F_RISK) != 0, 0))
  {
    enum wcx_reject reject = wcx_risk_check_replace(engine, account, instrument, order->side, wcx_risk_held_px(engine, change->slot), order->leaves, held_px_after(engine, change),
                                                    request->order_qty, request->order_qty - order->order_qty + order->leaves);
    if (reject != WCX_REJECT_NONE)
      return reject;
  }
  if (change->stop)
  {
    if (wcx_stops_have_level(engine, instrument, order->side, change->stop_px))
      return WCX_REJECT_NONE;
  }
  else if (change->unseen || __builtin_expect(wcx_book_has_level(engine, instrument, order->side, change->terms.px_idx), 1))
    return WCX_REJECT_NONE;
  const wcx_level_t *level = &engine->ladders.levels[order->level];
  return level->order_cnt + level->hidden_cnt == 1 ? WCX_REJECT_NONE : WCX_REJECT_LEVELS_FULL; /* its own level becomes free */
}

/* What the new ExecInst and DisplayQty make of the order's flags and extra; it stands nowhere, or its hash is not in the sum. */
static void set_characteristics(wcx_engine_t *engine, const wcx_order_cancel_replace_request_t *request, const change_t *change)
{
  wcx_order_t *order = &engine->pool.orders[change->slot];
  wcx_order_extra_t *extra = &engine->pool.extras[change->slot];
  bool was_special = (order->flags & (WCX_ORDER_F_HIDDEN | WCX_ORDER_F_ICEBERG)) != 0;
  uint8_t flags = (uint8_t)(order->flags & ~(WCX_ORDER_F_COD | WCX_ORDER_F_HIDDEN | WCX_ORDER_F_ICEBERG | WCX_ORDER_F_MMP));
  if ((request->exec_inst & WCX_EXEC_INST_CANCEL_ON_DISCONNECT) != 0)
    flags |= WCX_ORDER_F_COD;
  if (__builtin_expect(change->hidden || change->display_qty != 0, 0) && (flags & WCX_ORDER_F_EXTRA) == 0)
  {
    flags |= WCX_ORDER_F_EXTRA;
    *extra = (wcx_order_extra_t){.price = WCX_I64_NULL, .stop_px = WCX_I64_NULL, .public_id = order->order_id, .ord_type = WCX_ORD_TYPE_LIMIT, .tif = WCX_TIME_IN_FORCE_GTC};
  }
  if ((flags & WCX_ORDER_F_EXTRA) != 0)
  {
    flags |= change->hidden ? WCX_ORDER_F_HIDDEN : 0;
    flags |= change->display_qty != 0 ? WCX_ORDER_F_ICEBERG : 0;
    flags |= (request->exec_inst & WCX_EXEC_INST_MMP) != 0 ? WCX_ORDER_F_MMP : 0;
    extra->exec_inst = request->exec_inst;
    extra->display_qty = change->display_qty;
    if (change->stop || change->unseen)
    {
      extra->price = change->terms.price;
      extra->stop_px = change->stop_px;
    }
  }
  engine->mmp_orders += (uint32_t)((flags & WCX_ORDER_F_MMP) != 0) - (uint32_t)((order->flags & WCX_ORDER_F_MMP) != 0);
  order->flags = flags;
  bool special = (flags & (WCX_ORDER_F_HIDDEN | WCX_ORDER_F_ICEBERG)) != 0;
  if (special != was_special)
    wcx_book_count_special(engine, change->slot, special ? 1 : -1);
}

static void hold_change(wcx_engine_t *engine, const change_t *change, int64_t order_qty)
{
  const wcx_order_t *order = &engine->pool.orders[change->slot];
  if (__builtin_expect((order->flags & WCX_ORDER_F_RISK) != 0, 0))
    wcx_risk_change(engine, wcx_state_account(engine, order->account), &engine->instruments[order->instrument], order->side, wcx_risk_held_px(engine, change->slot), order->leaves,
                    held_px_after(engine, change), order_qty - order->order_qty + order->leaves);
}

static int64_t told_display(const change_t *change)
{
  return change->display_qty != 0 ? change->display_qty : WCX_I64_NULL;
}

/* The order stays where it is. */
static void replace_in_place(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_cancel_replace_request_t *request, const change_t *change)
{
  uint32_t slot = change->slot;
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_report_replace(engine, session, request, order, change->terms.price, told_display(change), true);
  hold_change(engine, change, request->order_qty);
  bool waiting = (order->flags & WCX_ORDER_F_WAITING) != 0;
  int64_t showed = waiting ? 0 : wcx_book_displayed(engine, slot);
  wcx_order_sum_sub(engine, slot);
  wcx_book_rename(engine, slot, request->cl_ord_id);
  int64_t less = order->order_qty - request->order_qty;
  bool was_iceberg = (order->flags & WCX_ORDER_F_ICEBERG) != 0;
  if (__builtin_expect(was_iceberg || change->display_qty != 0, 0) && !waiting)
  {
    /* seen from its level it is what it shows, whatever it is called */
    set_characteristics(engine, request, change);
    order->leaves -= less;
    order->order_qty -= less;
    int64_t shows = showed < order->leaves ? showed : order->leaves;
    if (change->display_qty != 0)
    {
      shows = shows < change->display_qty ? shows : change->display_qty;
      engine->pool.extras[slot].displayed = shows;
    }
    engine->ladders.levels[order->level].displayed -= (uint64_t)(showed - wcx_book_displayed(engine, slot)); /* it never shows more than before */
    wcx_instrument_touch(engine, &engine->instruments[order->instrument]);
  }
  else
  {
    set_characteristics(engine, request, change);
    if (waiting)
    {
      order->leaves -= less;
      order->order_qty -= less;
    }
    else
      wcx_book_shrink(engine, slot, less);
  }
  wcx_order_sum_add(engine, slot);
  if (!waiting)
    wcx_report_reduced(engine, slot, showed);
}

/* Any other change of an order in a book: out of it, against the other side, and back at the end of its level with what is left. */
static void replace_requeue(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_cancel_replace_request_t *request, const change_t *change)
{
  uint32_t slot = change->slot;
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  int64_t price = change->terms.price;
  uint32_t opposite_best = wcx_book_opposite(instrument, order->side)->best;
  bool crosses =
      instrument->status == WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE && opposite_best != 0 && wcx_book_crosses(order->side, price, engine->ladders.levels[opposite_best].price);
  bool was_shown = (order->flags & WCX_ORDER_F_HIDDEN) == 0;
  uint64_t public_id = wcx_book_public_id(engine, slot);
  wcx_report_replace(engine, session, request, order, price, told_display(change), false);
  hold_change(engine, change, request->order_qty);
  wcx_book_take_out(engine, slot);
  wcx_book_rename(engine, slot, request->cl_ord_id);
  order->leaves += request->order_qty - order->order_qty;
  order->order_qty = request->order_qty;
  set_characteristics(engine, request, change);
  if (!crosses && was_shown && !change->hidden)
  {
    if ((order->flags & WCX_ORDER_F_ICEBERG) != 0)
      engine->pool.extras[slot].displayed = order->leaves < change->display_qty ? order->leaves : change->display_qty;
    wcx_book_rest(engine, slot, change->terms.px_idx, price);
    wcx_replace_order_t *md =
        engine->note_cnt == 0 ? wcx_emit_feed(engine, WCX_TEMPLATE_REPLACE_ORDER, sizeof(*md)) : wcx_note_feed(engine, WCX_TEMPLATE_REPLACE_ORDER, sizeof(*md));
    *md = (wcx_replace_order_t){
        .transact_time = engine->stamp_ns,
        .order_id = public_id,
        .new_order_id = public_id,
        .price = price,
        .display_qty = wcx_book_displayed(engine, slot),
        .security_id = instrument->security_id,
        .side = order->side,
    };
    return;
  }
  if (was_shown)
    wcx_report_gone(engine, instrument->security_id, public_id, order->side, false);
  wcx_entry_t entry = {.terms = change->terms};
  wcx_entry_of_listed(engine, &entry, slot);
  entry.taker.price = price;
  entry.taker.held_px = price;
  wcx_enter(engine, &entry);
}

/* A waiting stop, or an unseen order, that changes more than its quantity downwards. */
static void replace_waiting(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_cancel_replace_request_t *request, const change_t *change)
{
  uint32_t slot = change->slot;
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_order_extra_t *extra = &engine->pool.extras[slot];
  bool same_place = change->stop && change->stop_px == extra->stop_px;
  wcx_report_replace(engine, session, request, order, change->terms.price, told_display(change), same_place);
  hold_change(engine, change, request->order_qty);
  bool moves = !same_place && !change->unseen; /* an order of an auction keeps its turn to join it */
  if (moves)
    wcx_book_take_out(engine, slot);
  else
    wcx_order_sum_sub(engine, slot);
  wcx_book_rename(engine, slot, request->cl_ord_id);
  order->leaves += request->order_qty - order->order_qty;
  order->order_qty = request->order_qty;
  set_characteristics(engine, request, change);
  if (moves)
    wcx_stops_place(engine, slot);
  else
    wcx_order_sum_add(engine, slot);
}

/* RULES.md section 3: same price, the same or less in all, and shown. */
static bool keeps_priority(const wcx_engine_t *engine, const wcx_order_cancel_replace_request_t *request, const change_t *change)
{
  const wcx_order_t *order = &engine->pool.orders[change->slot];
  if (change->terms.price != change->price_now || request->order_qty > order->order_qty || change->stop)
    return false;
  if (__builtin_expect((order->flags & (WCX_ORDER_F_HIDDEN | WCX_ORDER_F_ICEBERG)) == 0 && !change->hidden && change->display_qty == 0, 1))
    return true;
  int64_t most_now = (order->flags & WCX_ORDER_F_ICEBERG) != 0 ? engine->pool.extras[change->slot].display_qty : order->order_qty;
  int64_t most_then = change->display_qty != 0 ? change->display_qty : request->order_qty;
  return ((order->flags & WCX_ORDER_F_HIDDEN) != 0) == change->hidden && most_then <= most_now;
}

static enum wcx_reject replace(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_cancel_replace_request_t *request, uint32_t *slot_out)
{
  uint32_t slot = wcx_request_resolve(engine, session, request->orig_cl_ord_id, request->order_id, request->security_id);
  const wcx_order_t *order = &engine->pool.orders[slot];
  if (slot == 0 || order->session != (uint32_t)(session - engine->sessions) || (order->flags & WCX_ORDER_F_QUOTE) != 0)
    return WCX_REJECT_UNKNOWN_ORDER; /* another session of the account may cancel, not replace */
  *slot_out = slot;
  if (request->order_qty < 0)
    return WCX_REJECT_QTY;
  if (request->order_qty <= order->order_qty - order->leaves)
  {
    wcx_cancel_last(engine, slot, WCX_CANCEL_REASON_USER_REQUESTED, request->cl_ord_id, NULL);
    return WCX_REJECT_NONE;
  }
  change_t change = change_of(engine, request, slot);
  enum wcx_reject reject = check(engine, request, &change);
  if (reject != WCX_REJECT_NONE)
    return reject;
  if (keeps_priority(engine, request, &change))
    replace_in_place(engine, session, request, &change);
  else if (__builtin_expect(change.stop || change.unseen, 0))
    replace_waiting(engine, session, request, &change);
  else
    replace_requeue(engine, session, request, &change);
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
  wcx_report_cancel_reject(engine, session, &of, reject);
}
