/* Continuous matching: fills, self-match prevention, what becomes of the rest, and stops. */
#include "tests/diff/reference_state.h"

/* --- a fill ---------------------------------------------------------------------------------------------------------------------------- */

static void say_trade(ref_t *ref, const ref_order_t *order, const ref_fill_t *fill, uint8_t liquidity, int64_t commission)
{
  wcx_execution_report_trade_t report = {
      .transact_time = ref->now,
      .exec_id = ref->next_exec_id++,
      .order_id = order->id,
      .cl_ord_id = order->cl_ord_id,
      .security_id = ref->instruments[order->instrument].def.security_id,
      .account = ref->accounts[order->account].def.account,
      .session_id = ref->sessions[order->session].id,
      .side = order->side,
      .ord_status = order->leaves == 0 ? WCX_ORD_STATUS_FILLED : WCX_ORD_STATUS_PARTIALLY_FILLED,
      .last_liquidity_ind = liquidity,
      .flags = order->quote ? 1 : 0,
      .trd_match_id = ref->last_match_id,
      .last_px = fill->price,
      .last_qty = fill->qty,
      .leaves_qty = order->leaves,
      .cum_qty = order->cum,
      .commission = commission,
      .match_event_id = fill->event_id,
  };
  ref_say_session(ref, order->session, WCX_TEMPLATE_EXECUTION_REPORT_TRADE, &report, sizeof(report));
}

static void report_fill(ref_t *ref, ref_order_t *order, const ref_fill_t *fill, int64_t notional, bool maker)
{
  int64_t commission = ref_commission(ref, order, notional, maker && !fill->auction);
  order->cum += fill->qty;
  order->leaves -= fill->qty;
  if (order->place == REF_BOOK && !ref_hidden(order))
    order->shown -= fill->qty;
  uint8_t liquidity = maker ? WCX_LAST_LIQUIDITY_IND_ADDED_LIQUIDITY : WCX_LAST_LIQUIDITY_IND_REMOVED_LIQUIDITY;
  say_trade(ref, order, fill, fill->auction ? WCX_LAST_LIQUIDITY_IND_AUCTION : liquidity, commission);
  ref_settle(ref, order, notional, fill->qty, commission);
}

static void say_executed(ref_t *ref, const ref_order_t *order, const ref_fill_t *fill, ref_fill_result_t *result)
{
  wcx_order_executed_t message = {
      .transact_time = ref->now,
      .order_id = order->public_id,
      .last_qty = fill->qty,
      .trd_match_id = ref->last_match_id,
      .last_px = fill->price,
      .security_id = ref->instruments[order->instrument].def.security_id,
      .aggressor_side = fill->auction ? WCX_AGGRESSOR_SIDE_NO_AGGRESSOR : (uint8_t)(3 - order->side),
      .flags = fill->auction ? 1 : 0,
  };
  result->executed[result->executed_cnt++] = ref_say_feed(ref, WCX_TEMPLATE_ORDER_EXECUTED, &message, sizeof(message));
}

static void say_unseen_trade(ref_t *ref, const ref_fill_t *fill)
{
  wcx_trade_t message = {
      .transact_time = ref->now,
      .trd_match_id = ref->last_match_id,
      .last_px = fill->price,
      .last_qty = fill->qty,
      .security_id = ref->instruments[fill->first->instrument].def.security_id,
      .aggressor_side = fill->auction ? WCX_AGGRESSOR_SIDE_NO_AGGRESSOR : fill->second->side,
      .trd_type = fill->auction ? WCX_TRD_TYPE_AUCTION_UNCROSS : WCX_TRD_TYPE_HIDDEN_OR_ICEBERG,
  };
  ref_say_feed(ref, WCX_TEMPLATE_TRADE, &message, sizeof(message));
}

/* Filled: out of the book. Displayed part gone: the next one, under a new id, at the end of the displayed orders of its level. */
static uint32_t refresh_or_remove(ref_t *ref, ref_order_t *order)
{
  if (order->leaves == 0)
  {
    ref_remove(ref, order, false);
    return 0;
  }
  if (order->place != REF_BOOK || ref_hidden(order) || order->shown > 0)
    return 0;
  ref_list_remove(ref_side(ref, order, false), order);
  order->public_id = ref->next_order_id++;
  ref_book_insert(ref, order);
  ref_say_restated(ref, order, WCX_RESTATEMENT_REASON_DISPLAY_REFRESH, order->price, WCX_I64_NULL);
  ref_say_add(ref, order);
  return 1;
}

ref_fill_result_t ref_trade(ref_t *ref, const ref_fill_t *fill)
{
  ref_instrument_t *instrument = &ref->instruments[fill->first->instrument];
  ref_fill_result_t result = {0};
  int64_t notional;
  bool fits = ref_notional(instrument, fill->price, fill->qty, false, &notional);
  WCX_CHECK(fits, "a fill of %lld at %lld does not fit", (long long)fill->qty, (long long)fill->price);
  ref->last_match_id++;
  bool first_seen = fill->first->shown > 0;
  bool second_seen = fill->auction && fill->second->shown > 0;
  report_fill(ref, fill->first, fill, notional, true);
  report_fill(ref, fill->second, fill, notional, false);
  if (first_seen)
    say_executed(ref, fill->first, fill, &result);
  if (second_seen)
    say_executed(ref, fill->second, fill, &result);
  if (!first_seen && !second_seen)
    say_unseen_trade(ref, fill);
  instrument->last_px = fill->price;
  instrument->reference_px = fill->price;
  ref_order_t first = *fill->first;
  ref_order_t second = *fill->second;
  result.refreshes = refresh_or_remove(ref, fill->first) + refresh_or_remove(ref, fill->second);
  ref_mmp_count(ref, &first, fill->qty, notional);
  ref_mmp_count(ref, &second, fill->qty, notional);
  return result;
}

void ref_mark_last_fill(ref_t *ref, const ref_fill_result_t *fill)
{
  for (uint32_t i = 0; i < fill->executed_cnt; i++)
    ref->out->bytes[fill->executed[i] + 8 + offsetof(wcx_order_executed_t, flags)] |= 2;
}

/* --- self-match prevention ------------------------------------------------------------------------------------------------------------- */

static uint32_t effective_smp_id(const ref_t *ref, const ref_order_t *order)
{
  const wcx_account_definition_t *account = &ref->accounts[order->account].def;
  if (order->smp_id != 0)
    return order->smp_id;
  return account->self_match_prevention_id != 0 ? account->self_match_prevention_id : account->account;
}

static bool is_own(const ref_t *ref, const ref_order_t *taker, const ref_order_t *maker)
{
  return effective_smp_id(ref, taker) == effective_smp_id(ref, maker);
}

static void shrink(ref_t *ref, ref_order_t *order, int64_t qty, int64_t price)
{
  order->qty -= qty;
  order->leaves -= qty;
  int64_t shown = order->shown;
  if (order->place == REF_BOOK && order->shown > order->leaves)
    order->shown = order->leaves;
  ref_say_restated(ref, order, WCX_RESTATEMENT_REASON_SELF_MATCH_DECREMENT, price, qty);
  if (order->shown < shown)
    ref_say_reduce(ref, order);
  ref_hold(ref, order);
}

static void decrement(ref_t *ref, ref_order_t *taker, ref_order_t *maker)
{
  int64_t maker_leaves = maker->leaves;
  int64_t taker_leaves = taker->leaves;
  if (maker_leaves <= taker_leaves)
    ref_cancel_unsolicited(ref, maker, WCX_CANCEL_REASON_SELF_MATCH_PREVENTION);
  else
    shrink(ref, maker, taker_leaves, maker->price);
  if (taker_leaves <= maker_leaves)
    ref_cancel_remainder(ref, taker, WCX_CANCEL_REASON_SELF_MATCH_PREVENTION);
  else
    shrink(ref, taker, maker_leaves, ref_sweeps(taker) ? WCX_I64_NULL : taker->price);
}

/* The taker met an order of its own. */
static void prevent(ref_t *ref, ref_order_t *taker, ref_order_t *maker)
{
  uint8_t inst = taker->smp_inst;
  if (inst == WCX_SELF_MATCH_PREVENTION_INST_DECREMENT_AND_CANCEL)
  {
    decrement(ref, taker, maker);
    return;
  }
  if (inst != WCX_SELF_MATCH_PREVENTION_INST_CANCEL_NEWEST)
    ref_cancel_unsolicited(ref, maker, WCX_CANCEL_REASON_SELF_MATCH_PREVENTION);
  if (inst != WCX_SELF_MATCH_PREVENTION_INST_CANCEL_OLDEST)
    ref_cancel_remainder(ref, taker, WCX_CANCEL_REASON_SELF_MATCH_PREVENTION);
}

/* --- the taker ------------------------------------------------------------------------------------------------------------------------- */

static bool in_band(ref_band_t band, int64_t price)
{
  return price >= band.low && price <= band.high;
}

static bool takes(const ref_order_t *taker, int64_t price)
{
  return ref_sweeps(taker) || ref_meets(taker->side, taker->price, price);
}

/* What FOK and MinQty may count on. */
static wcx_i128_t reachable(ref_t *ref, const ref_order_t *taker, ref_band_t band)
{
  const ref_list_t *makers = ref_side(ref, taker, true);
  wcx_i128_t qty = 0;
  for (uint32_t i = 0; i < makers->cnt; i++)
  {
    const ref_order_t *maker = makers->at[i];
    if (!takes(taker, maker->price) || !in_band(band, maker->price))
      break;
    if (taker->smp_inst != WCX_SELF_MATCH_PREVENTION_INST_NONE && is_own(ref, taker, maker))
    {
      if (taker->smp_inst == WCX_SELF_MATCH_PREVENTION_INST_CANCEL_NEWEST || taker->smp_inst == WCX_SELF_MATCH_PREVENTION_INST_CANCEL_BOTH)
        break;
      continue;
    }
    qty += maker->leaves;
  }
  return qty;
}

static bool all_or_nothing(const ref_order_t *taker)
{
  return taker->tif == WCX_TIME_IN_FORCE_FOK || ((taker->exec_inst & WCX_EXEC_INST_ALL_OR_NONE) != 0 && taker->tif == WCX_TIME_IN_FORCE_IOC);
}

/* Looked at before the first fill. False: canceled. */
static bool enough(ref_t *ref, ref_order_t *taker, ref_band_t band)
{
  bool fok = all_or_nothing(taker);
  if (!fok && taker->min_qty == 0)
    return true;
  wcx_i128_t qty = reachable(ref, taker, band);
  if (fok && qty < taker->leaves)
    ref_cancel_remainder(ref, taker, WCX_CANCEL_REASON_TIME_IN_FORCE_FOK);
  else if (qty < taker->min_qty)
    ref_cancel_remainder(ref, taker, WCX_CANCEL_REASON_MIN_QTY_NOT_MET);
  return taker->place != REF_GONE;
}

typedef struct sweep
{
  bool stopped;    /* by the execution band */
  bool dynamic;    /* the present band alone would have let it */
  bool exhausted;  /* by display refreshes */
  int64_t last_px; /* of the taker's fills, 0: none */
} sweep_t;

static sweep_t sweep(ref_t *ref, ref_order_t *taker, ref_band_t band, ref_band_t market)
{
  ref_band_t present = ref_present_band(&ref->instruments[taker->instrument]);
  sweep_t done = {0};
  uint64_t event_id = 0;
  ref_fill_result_t last = {0};
  const ref_list_t *makers = ref_side(ref, taker, true);
  while (taker->place == REF_NOWHERE && makers->cnt > 0 && takes(taker, makers->at[0]->price))
  {
    ref_order_t *maker = makers->at[0];
    if (!in_band(band, maker->price))
    {
      done.stopped = true;
      done.dynamic = in_band(present, maker->price) && !in_band(market, maker->price);
      break;
    }
    if (taker->smp_inst != WCX_SELF_MATCH_PREVENTION_INST_NONE && is_own(ref, taker, maker))
    {
      prevent(ref, taker, maker);
      continue;
    }
    if (event_id == 0)
      event_id = ++ref->last_event_id;
    int64_t part = ref_hidden(maker) ? maker->leaves : maker->shown;
    ref_fill_t fill = {maker, taker, maker->price, part < taker->leaves ? part : taker->leaves, event_id, false};
    done.last_px = maker->price;
    last = ref_trade(ref, &fill);
    ref->refreshes += last.refreshes;
    if (last.refreshes != 0 && ref->refreshes >= REF_REFRESHES_PER_INPUT)
    {
      done.exhausted = true;
      break;
    }
  }
  ref_mark_last_fill(ref, &last);
  return done;
}

static void rest_market_to_limit(ref_t *ref, ref_order_t *taker, int64_t price)
{
  int64_t notional;
  if (!ref_notional(&ref->instruments[taker->instrument], price, taker->qty, false, &notional))
  {
    ref_cancel_remainder(ref, taker, WCX_CANCEL_REASON_SYSTEM);
    return;
  }
  taker->ord_type = WCX_ORD_TYPE_LIMIT;
  taker->price = price;
  ref_hold(ref, taker);
  ref_rest(ref, taker);
}

/* What becomes of what a taker did not trade. */
static void dispose_of_rest(ref_t *ref, ref_order_t *taker, sweep_t done)
{
  bool to_limit = taker->ord_type == WCX_ORD_TYPE_MARKET_TO_LIMIT && done.last_px != 0;
  bool volatility = done.dynamic && ref->instruments[taker->instrument].rule.dynamic_range > 0;
  if (done.exhausted)
    ref_cancel_remainder(ref, taker, WCX_CANCEL_REASON_SYSTEM);
  else if (ref_sweeps(taker) && !to_limit)
    ref_cancel_remainder(ref, taker, done.stopped ? WCX_CANCEL_REASON_PRICE_BAND : WCX_CANCEL_REASON_NO_LIQUIDITY);
  else if (to_limit && ref_may_rest(taker))
    rest_market_to_limit(ref, taker, done.last_px);
  else if (to_limit)
    ref_cancel_remainder(ref, taker, WCX_CANCEL_REASON_TIME_IN_FORCE_IOC);
  else if (done.stopped && !(volatility && ref_may_rest(taker)))
    ref_cancel_remainder(ref, taker, WCX_CANCEL_REASON_PRICE_BAND);
  else if (ref_may_rest(taker))
    ref_rest(ref, taker);
  else
    ref_cancel_remainder(ref, taker, WCX_CANCEL_REASON_TIME_IN_FORCE_IOC);
}

void ref_aggress(ref_t *ref, ref_order_t *taker, bool at_entry)
{
  ref_instrument_t *instrument = &ref->instruments[taker->instrument];
  ref_band_t market = ref_execution_band(instrument);
  ref_band_t band = market;
  if (taker->ord_type == WCX_ORD_TYPE_STOP && taker->side == REF_BUY && ref_checked(ref, taker) && taker->collar < band.high)
    band.high = taker->collar; /* no more is held for it */
  if (at_entry && !enough(ref, taker, band))
    return;
  sweep_t done = sweep(ref, taker, band, market);
  if (taker->place == REF_NOWHERE)
    dispose_of_rest(ref, taker, done);
  if (done.dynamic && instrument->rule.dynamic_range > 0)
    ref_pause(ref, instrument);
}

/* --- stops ----------------------------------------------------------------------------------------------------------------------------- */

bool ref_stop_triggered(const ref_t *ref, const ref_order_t *order)
{
  const ref_instrument_t *instrument = &ref->instruments[order->instrument];
  if (instrument->status != WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE || instrument->last_px == 0)
    return false;
  return order->side == REF_BUY ? instrument->last_px >= order->stop_px : instrument->last_px <= order->stop_px;
}

static void trigger(ref_t *ref, ref_order_t *order)
{
  ref->stops_left--;
  if (order->place == REF_WAITING)
    ref_list_remove(&ref->instruments[order->instrument].waiting, order);
  order->place = REF_NOWHERE;
  bool limit = order->ord_type == WCX_ORD_TYPE_STOP_LIMIT;
  ref_say_restated(ref, order, WCX_RESTATEMENT_REASON_STOP_TRIGGERED, limit ? order->price : WCX_I64_NULL, WCX_I64_NULL);
  if (limit)
  {
    order->ord_type = WCX_ORD_TYPE_LIMIT;
    if (ref_post_only(order) && ref_crosses(ref, order, order->price))
    {
      ref_cancel_remainder(ref, order, WCX_CANCEL_REASON_POST_ONLY_WOULD_CROSS);
      return;
    }
    if (!in_band(ref_present_band(&ref->instruments[order->instrument]), order->price))
    {
      ref_cancel_remainder(ref, order, WCX_CANCEL_REASON_PRICE_BAND);
      return;
    }
  }
  ref_aggress(ref, order, true);
}

/* Whether waiting stop `a` of a side is triggered before `b`. */
static bool goes_first(const ref_order_t *a, const ref_order_t *b)
{
  if (a->stop_px != b->stop_px)
    return a->side == REF_BUY ? a->stop_px < b->stop_px : a->stop_px > b->stop_px;
  return a->stop_seniority < b->stop_seniority;
}

static ref_order_t *next_stop(const ref_t *ref, uint32_t instrument)
{
  ref_order_t *best[3] = {NULL, NULL, NULL};
  const ref_list_t *waiting = &ref->instruments[instrument].waiting;
  for (uint32_t i = 0; i < waiting->cnt; i++)
  {
    ref_order_t *order = waiting->at[i];
    if (best[order->side] == NULL || goes_first(order, best[order->side]))
      best[order->side] = order;
  }
  ref_order_t *buy = best[REF_BUY] != NULL && ref_stop_triggered(ref, best[REF_BUY]) ? best[REF_BUY] : NULL;
  ref_order_t *sell = best[REF_SELL] != NULL && ref_stop_triggered(ref, best[REF_SELL]) ? best[REF_SELL] : NULL;
  if (buy == NULL || sell == NULL)
    return buy != NULL ? buy : sell;
  return buy->stop_seniority < sell->stop_seniority ? buy : sell;
}

void ref_trigger_stops(ref_t *ref)
{
  for (uint32_t i = 0; i < ref->instrument_cnt; i++)
  {
    for (ref_order_t *stop = next_stop(ref, i); stop != NULL && ref->stops_left > 0; stop = next_stop(ref, i))
      trigger(ref, stop);
  }
}

void ref_place_order(ref_t *ref, ref_order_t *order)
{
  if (ref_is_stop(order))
  {
    if (ref_stop_triggered(ref, order) && ref->stops_left > 0)
    {
      trigger(ref, order);
      return;
    }
    ref_list_t *waiting = &ref->instruments[order->instrument].waiting;
    ref_list_insert(waiting, waiting->cnt, order);
    order->place = REF_WAITING;
    order->own = false;
  }
  else if (ref_is_unseen_now(ref, order))
  {
    order->place = REF_UNSEEN;
    order->own = false;
  }
  else if (ref->instruments[order->instrument].status == WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE)
    ref_aggress(ref, order, true);
  else
    ref_rest(ref, order);
}
