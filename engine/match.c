#include "engine/match.h"

#include "engine/auction.h"
#include "engine/book.h"
#include "engine/emit.h"
#include "engine/mmp.h"
#include "engine/report.h"
#include "engine/risk.h"

/* --- what a fill says ------------------------------------------------------------------------------------------------------------------- */

static inline uint8_t filled_status(int64_t leaves)
{
  return leaves == 0 ? WCX_ORD_STATUS_FILLED : WCX_ORD_STATUS_PARTIALLY_FILLED;
}

static inline void report_trade(wcx_engine_t *engine, const wcx_instrument_t *instrument, const wcx_fill_side_t *side, const wcx_fill_t *fill)
{
  wcx_execution_report_trade_t *er = wcx_emit_session(engine, (wcx_session_t *)(uintptr_t)side->session, WCX_TEMPLATE_EXECUTION_REPORT_TRADE, sizeof(*er));
  *er = (wcx_execution_report_trade_t){
      .transact_time = engine->stamp_ns,
      .exec_id = ++engine->exec_id,
      .order_id = side->order_id,
      .cl_ord_id = side->cl_ord_id,
      .security_id = instrument->security_id,
      .account = side->account,
      .session_id = side->session->session_id,
      .side = side->side,
      .ord_status = filled_status(side->leaves),
      .last_liquidity_ind = side->liquidity,
      .flags = side->is_quote,
      .trd_match_id = fill->match_id,
      .last_px = fill->px,
      .last_qty = fill->qty,
      .leaves_qty = side->leaves,
      .cum_qty = side->cum_qty,
      .commission = side->commission,
      .match_event_id = fill->event_id,
  };
}

void wcx_report_trade(wcx_engine_t *engine, const wcx_instrument_t *instrument, const wcx_fill_side_t *side, const wcx_fill_t *fill)
{
  report_trade(engine, instrument, side, fill);
}

static inline void note_executed(wcx_engine_t *engine, const wcx_taker_t *taker, const wcx_fill_t *fill, uint64_t public_id)
{
  wcx_order_executed_t *md = wcx_note_feed(engine, WCX_TEMPLATE_ORDER_EXECUTED, sizeof(*md));
  *md = (wcx_order_executed_t){
      .transact_time = engine->stamp_ns,
      .order_id = public_id,
      .last_qty = fill->qty,
      .trd_match_id = fill->match_id,
      .last_px = fill->px,
      .security_id = taker->instrument->security_id,
      .aggressor_side = taker->side,
  };
  engine->last_print = md;
}

static void note_hidden_trade(wcx_engine_t *engine, const wcx_taker_t *taker, const wcx_fill_t *fill)
{
  wcx_trade_t *md = wcx_note_feed(engine, WCX_TEMPLATE_TRADE, sizeof(*md));
  *md = (wcx_trade_t){
      .transact_time = engine->stamp_ns,
      .trd_match_id = fill->match_id,
      .last_px = fill->px,
      .last_qty = fill->qty,
      .security_id = taker->instrument->security_id,
      .aggressor_side = taker->side,
      .trd_type = WCX_TRD_TYPE_HIDDEN_OR_ICEBERG,
  };
  engine->last_print = NULL;
}

/* --- the fill --------------------------------------------------------------------------------------------------------------------------- */

int64_t wcx_match_notional(const wcx_instrument_t *instrument, int64_t price, int64_t qty)
{
  return wcx_risk_notional(instrument, price, qty, false);
}

bool wcx_match_reduce(wcx_engine_t *engine, uint32_t slot, wcx_account_t *owner, const wcx_fill_t *fill, int64_t commission)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_level_t *level = &engine->ladders.levels[order->level];
  int64_t before = order->leaves;
  int64_t price = level->price;
  wcx_order_sum_sub(engine, slot);
  order->leaves -= fill->qty;
  if ((order->flags & WCX_ORDER_F_HIDDEN) == 0)
    level->displayed -= (uint64_t)fill->qty;
  if ((order->flags & WCX_ORDER_F_ICEBERG) != 0)
    engine->pool.extras[slot].displayed -= fill->qty;
  if ((order->flags & WCX_ORDER_F_RISK) != 0)
    wcx_risk_fill(engine, owner, &engine->instruments[order->instrument], order->side, price, before, fill, commission);
  if (commission != 0)
    wcx_risk_collect(engine, owner, &engine->instruments[order->instrument], commission);
  if (order->leaves == 0)
  {
    wcx_book_unlink(engine, slot);
    return false;
  }
  wcx_order_sum_add(engine, slot);
  return true;
}

bool wcx_match_refresh(wcx_engine_t *engine, uint32_t slot, bool whole)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_order_extra_t *extra = &engine->pool.extras[slot];
  if ((order->flags & WCX_ORDER_F_ICEBERG) == 0 || extra->displayed != 0)
    return false;
  engine->refresh_cnt++;
  wcx_order_sum_sub(engine, slot);
  wcx_book_refresh(engine, slot, whole);
  wcx_order_sum_add(engine, slot);
  int64_t price = engine->ladders.levels[order->level].price;
  wcx_execution_report_restated_t *er = wcx_report_restated(engine, order, WCX_RESTATEMENT_REASON_DISPLAY_REFRESH);
  er->display_qty = extra->displayed;
  er->price = price;
  er->secondary_order_id = extra->public_id;
  wcx_add_order_t *md = wcx_note_feed(engine, WCX_TEMPLATE_ADD_ORDER, sizeof(*md));
  *md = (wcx_add_order_t){
      .transact_time = engine->stamp_ns,
      .order_id = extra->public_id,
      .price = price,
      .display_qty = extra->displayed,
      .security_id = engine->instruments[order->instrument].security_id,
      .side = order->side,
  };
  return true;
}

/* Whatever a fill may have to do beyond moving quantity: icebergs, hidden makers, fees, balances, protection. */
static void fill_special(wcx_engine_t *engine, wcx_taker_t *taker, uint32_t slot, wcx_fill_t *fill)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  wcx_instrument_t *instrument = taker->instrument;
  wcx_order_t maker = *order;
  uint64_t public_id = wcx_book_public_id(engine, slot);
  uint16_t maker_group = (maker.flags & WCX_ORDER_F_MMP) != 0 ? engine->pool.extras[slot].mmp_group : 0;
  int64_t tranche = wcx_book_tranche(engine, slot);
  fill->qty = tranche < taker->leaves ? tranche : taker->leaves;
  fill->match_id = ++engine->match_id;
  fill->notional = wcx_match_notional(instrument, fill->px, fill->qty);
  wcx_account_t *maker_owner = wcx_state_account(engine, maker.account);
  int64_t maker_fee = wcx_risk_commission(engine, maker_owner, instrument, false, fill->notional);
  int64_t taker_fee = wcx_risk_commission(engine, taker->owner, instrument, true, fill->notional);
  bool stays = wcx_match_reduce(engine, slot, maker_owner, fill, maker_fee);
  if ((taker->flags & WCX_ORDER_F_RISK) != 0)
    wcx_risk_fill(engine, taker->owner, instrument, taker->side, taker->held_px, taker->leaves, fill, taker_fee);
  if (taker_fee != 0)
    wcx_risk_collect(engine, taker->owner, instrument, taker_fee);
  taker->leaves -= fill->qty;
  taker->last_px = fill->px;
  wcx_fill_side_t said = {.session = &engine->sessions[maker.session],
                          .order_id = maker.order_id,
                          .cl_ord_id = maker.cl_ord_id,
                          .leaves = maker.leaves - fill->qty,
                          .cum_qty = maker.order_qty - maker.leaves + fill->qty,
                          .commission = maker_fee,
                          .account = maker.account,
                          .side = maker.side,
                          .liquidity = WCX_LAST_LIQUIDITY_IND_ADDED_LIQUIDITY,
                          .is_quote = (maker.flags & WCX_ORDER_F_QUOTE) != 0};
  report_trade(engine, instrument, &said, fill);
  said = (wcx_fill_side_t){.session = taker->session,
                           .order_id = taker->order_id,
                           .cl_ord_id = taker->cl_ord_id,
                           .leaves = taker->leaves,
                           .cum_qty = taker->order_qty - taker->leaves,
                           .commission = taker_fee,
                           .account = taker->account,
                           .side = taker->side,
                           .liquidity = WCX_LAST_LIQUIDITY_IND_REMOVED_LIQUIDITY,
                           .is_quote = (taker->flags & WCX_ORDER_F_QUOTE) != 0};
  report_trade(engine, instrument, &said, fill);
  if ((maker.flags & WCX_ORDER_F_HIDDEN) != 0)
    note_hidden_trade(engine, taker, fill);
  else
    note_executed(engine, taker, fill, public_id);
  if (!stays)
    wcx_book_end(engine, slot);
  else if (wcx_match_refresh(engine, slot, false) && engine->refresh_cnt >= WCX_REFRESH_MAX)
    taker->stopped = WCX_STOPPED_REFRESHES;
  if (maker_group != 0)
    wcx_mmp_fill(engine, &engine->sessions[maker.session], maker_group, fill, taker);
  if ((taker->flags & WCX_ORDER_F_MMP) != 0)
    wcx_mmp_fill(engine, taker->session, taker->mmp_group, fill, taker);
}

/* Move quantity from a plain maker to a plain taker where nobody pays fees. */
static inline void fill_plain(wcx_engine_t *engine, wcx_taker_t *taker, wcx_level_t *level, uint32_t slot, wcx_fill_t *fill)
{
  wcx_order_t *maker = &engine->pool.orders[slot];
  fill->qty = maker->leaves < taker->leaves ? maker->leaves : taker->leaves;
  fill->match_id = ++engine->match_id;
  wcx_digest_sub(&engine->order_digest, wcx_order_hash(maker, fill->px));
  maker->leaves -= fill->qty;
  taker->leaves -= fill->qty;
  taker->last_px = fill->px;
  level->displayed -= (uint64_t)fill->qty;
  wcx_fill_side_t said = {.session = &engine->sessions[maker->session],
                          .order_id = maker->order_id,
                          .cl_ord_id = maker->cl_ord_id,
                          .leaves = maker->leaves,
                          .cum_qty = maker->order_qty - maker->leaves,
                          .account = maker->account,
                          .side = maker->side,
                          .liquidity = WCX_LAST_LIQUIDITY_IND_ADDED_LIQUIDITY};
  report_trade(engine, taker->instrument, &said, fill);
  said = (wcx_fill_side_t){.session = taker->session,
                           .order_id = taker->order_id,
                           .cl_ord_id = taker->cl_ord_id,
                           .leaves = taker->leaves,
                           .cum_qty = taker->order_qty - taker->leaves,
                           .account = taker->account,
                           .side = taker->side,
                           .liquidity = WCX_LAST_LIQUIDITY_IND_REMOVED_LIQUIDITY};
  report_trade(engine, taker->instrument, &said, fill);
  note_executed(engine, taker, fill, maker->order_id);
  if (maker->leaves == 0)
  {
    wcx_book_unlink(engine, slot);
    wcx_book_end(engine, slot);
  }
  else
    wcx_digest_add(&engine->order_digest, wcx_order_hash(maker, fill->px));
}

/* --- self-match prevention -------------------------------------------------------------------------------------------------------------- */

uint32_t wcx_match_smp_id(const wcx_engine_t *engine, uint32_t account, uint32_t own_id)
{
  if (own_id != 0)
    return own_id;
  uint32_t idx = wcx_idmap_find(&engine->account_map, account);
  WCX_CHECK(idx != WCX_IDX_NONE, "account %u sends an order or has one, and is not defined", account);
  uint32_t id = engine->accounts[idx].definition.self_match_prevention_id;
  return id != 0 ? id : account;
}

static bool is_own(const wcx_engine_t *engine, const wcx_taker_t *taker, uint32_t slot)
{
  const wcx_order_t *maker = &engine->pool.orders[slot];
  uint32_t own_id = (maker->flags & WCX_ORDER_F_EXTRA) != 0 ? engine->pool.extras[slot].smp_id : 0;
  return wcx_match_smp_id(engine, maker->account, own_id) == taker->smp_id;
}

void wcx_match_cancel_taker(wcx_engine_t *engine, wcx_taker_t *taker, uint8_t reason)
{
  wcx_cancel_report_t report = {
      .order_id = taker->order_id,
      .cl_ord_id = taker->cl_ord_id,
      .request_cl_ord_id = WCX_U64_NULL,
      .receive_ns = taker->called ? WCX_U64_NULL : engine->receive_ns,
      .exec_id = ++engine->exec_id,
      .canceled_qty = taker->leaves,
      .cum_qty = taker->order_qty - taker->leaves,
      .security_id = taker->instrument->security_id,
      .account = taker->account,
      .session_id = taker->session->session_id,
      .side = taker->side,
      .reason = reason,
  };
  if ((taker->flags & WCX_ORDER_F_RISK) != 0)
    wcx_risk_release(engine, taker->owner, taker->instrument, taker->side, taker->held_px, taker->leaves);
  wcx_report_cancel(engine, taker->session, &report);
  taker->leaves = 0;
}

static void prevent_taker(wcx_engine_t *engine, wcx_taker_t *taker)
{
  wcx_match_cancel_taker(engine, taker, WCX_CANCEL_REASON_SELF_MATCH_PREVENTION);
}

static void decrement_maker(wcx_engine_t *engine, const wcx_taker_t *taker, uint32_t slot, int64_t qty)
{
  wcx_order_t *maker = &engine->pool.orders[slot];
  int64_t price = engine->ladders.levels[maker->level].price;
  int64_t showed = wcx_book_displayed(engine, slot);
  if ((maker->flags & WCX_ORDER_F_RISK) != 0)
    wcx_risk_change(engine, wcx_state_account(engine, maker->account), taker->instrument, maker->side, price, maker->leaves, price, maker->leaves - qty);
  wcx_order_sum_sub(engine, slot);
  wcx_book_shrink(engine, slot, qty);
  wcx_order_sum_add(engine, slot);
  wcx_execution_report_restated_t *er = wcx_report_restated(engine, maker, WCX_RESTATEMENT_REASON_SELF_MATCH_DECREMENT);
  er->price = price;
  er->prevented_qty = qty;
  wcx_report_reduced(engine, slot, showed);
}

static void decrement_taker(wcx_engine_t *engine, wcx_taker_t *taker, int64_t qty)
{
  if ((taker->flags & WCX_ORDER_F_RISK) != 0)
    wcx_risk_change(engine, taker->owner, taker->instrument, taker->side, taker->held_px, taker->leaves, taker->held_px, taker->leaves - qty);
  taker->leaves -= qty;
  taker->order_qty -= qty;
  wcx_execution_report_restated_t *er = wcx_emit_session(engine, taker->session, WCX_TEMPLATE_EXECUTION_REPORT_RESTATED, sizeof(*er));
  *er = (wcx_execution_report_restated_t){
      .transact_time = engine->stamp_ns,
      .exec_id = ++engine->exec_id,
      .order_id = taker->order_id,
      .cl_ord_id = taker->cl_ord_id,
      .security_id = taker->instrument->security_id,
      .account = taker->account,
      .session_id = taker->session->session_id,
      .side = taker->side,
      .ord_status = taker->order_qty == taker->leaves ? WCX_ORD_STATUS_NEW : WCX_ORD_STATUS_PARTIALLY_FILLED,
      .exec_restatement_reason = WCX_RESTATEMENT_REASON_SELF_MATCH_DECREMENT,
      .leaves_qty = taker->leaves,
      .display_qty = WCX_I64_NULL,
      .price = taker->sweeps ? WCX_I64_NULL : taker->price,
      .prevented_qty = qty,
      .secondary_order_id = WCX_U64_NULL,
  };
}

/* Both lose what the smaller one has left; who has nothing left is canceled. */
static void decrement(wcx_engine_t *engine, wcx_taker_t *taker, uint32_t slot)
{
  int64_t maker_leaves = engine->pool.orders[slot].leaves;
  int64_t taker_leaves = taker->leaves;
  if (maker_leaves > taker_leaves)
    decrement_maker(engine, taker, slot, taker_leaves);
  else
    wcx_cancel(engine, slot, WCX_CANCEL_REASON_SELF_MATCH_PREVENTION, WCX_U64_NULL, NULL);
  if (taker_leaves > maker_leaves)
    decrement_taker(engine, taker, maker_leaves);
  else
    prevent_taker(engine, taker);
}

/* The taker has met an order of its own. */
static void prevent(wcx_engine_t *engine, wcx_taker_t *taker, uint32_t slot)
{
  switch (taker->smp_inst)
  {
  case WCX_SELF_MATCH_PREVENTION_INST_CANCEL_OLDEST:
    wcx_cancel(engine, slot, WCX_CANCEL_REASON_SELF_MATCH_PREVENTION, WCX_U64_NULL, NULL);
    break;
  case WCX_SELF_MATCH_PREVENTION_INST_CANCEL_BOTH:
    wcx_cancel(engine, slot, WCX_CANCEL_REASON_SELF_MATCH_PREVENTION, WCX_U64_NULL, NULL);
    prevent_taker(engine, taker);
    break;
  case WCX_SELF_MATCH_PREVENTION_INST_DECREMENT_AND_CANCEL:
    decrement(engine, taker, slot);
    break;
  default:
    prevent_taker(engine, taker);
    break;
  }
}

/* What is reachable of one queue; *ends when nothing behind it is. */
static wcx_u128_t reachable(const wcx_engine_t *engine, const wcx_taker_t *taker, uint32_t slot, bool *ends)
{
  bool ends_at_own = taker->smp_inst == WCX_SELF_MATCH_PREVENTION_INST_CANCEL_NEWEST || taker->smp_inst == WCX_SELF_MATCH_PREVENTION_INST_CANCEL_BOTH;
  wcx_u128_t sum = 0;
  for (; slot != 0; slot = engine->pool.orders[slot].next)
  {
    bool own = is_own(engine, taker, slot);
    if (own && ends_at_own)
    {
      *ends = true;
      return sum;
    }
    if (!own)
      sum += (uint64_t)engine->pool.orders[slot].leaves;
  }
  return sum;
}

bool wcx_match_available(const wcx_engine_t *engine, const wcx_taker_t *taker, int64_t qty)
{
  if (taker->smp_inst == WCX_SELF_MATCH_PREVENTION_INST_NONE)
    return wcx_book_available(engine, taker->instrument, taker->side, taker->price, taker->low, taker->high, qty);
  const wcx_ladders_t *pools = &engine->ladders;
  wcx_u128_t sum = 0;
  bool ends = false;
  uint32_t at = wcx_book_opposite(taker->instrument, taker->side)->best;
  for (; at != 0 && !ends && wcx_book_crosses(taker->side, taker->price, pools->levels[at].price); at = wcx_ladder_next(pools, at))
  {
    const wcx_level_t *level = &pools->levels[at];
    if (level->price < taker->low || level->price > taker->high)
      return false;
    sum += reachable(engine, taker, level->head, &ends);
    if (!ends)
      sum += reachable(engine, taker, level->hidden_head, &ends);
    if (sum >= (uint64_t)qty)
      return true;
  }
  return false;
}

/* --- matching --------------------------------------------------------------------------------------------------------------------------- */

void wcx_match_band(const wcx_instrument_t *instrument, int64_t *low, int64_t *high)
{
  *low = instrument->px_low;
  *high = instrument->px_high;
  if (__builtin_expect(instrument->range == 0 || instrument->last_px == 0, 1))
    return;
  const wcx_u128_t billion = 1000000000u;
  wcx_u128_t last = (uint64_t)instrument->last_px;
  if (instrument->range < billion)
  {
    int64_t least = (int64_t)((last * (billion - instrument->range) + billion - 1) / billion);
    *low = least > *low ? least : *low;
  }
  wcx_u128_t most = last * (billion + instrument->range) / billion;
  if (most < (wcx_u128_t)(uint64_t)INT64_MAX && (int64_t)most < *high)
    *high = (int64_t)most;
}

static uint8_t why_stopped(const wcx_instrument_t *instrument, int64_t price)
{
  int64_t low, high;
  wcx_match_band(instrument, &low, &high);
  bool dynamic = price >= instrument->px_low && price <= instrument->px_high && (price < low || price > high);
  return dynamic ? WCX_STOPPED_VOLATILITY : WCX_STOPPED_BAND; /* a collar of its own counts as the band */
}

void wcx_match(wcx_engine_t *engine, wcx_taker_t *taker)
{
  wcx_instrument_t *instrument = taker->instrument;
  wcx_ladder_t *makers = wcx_book_opposite(instrument, taker->side);
  wcx_fill_t fill = {.event_id = engine->match_event_id + 1};
  bool plain = (taker->flags & ~WCX_ORDER_F_COD) == 0 && (instrument->flags & WCX_INSTRUMENT_F_FEES) == 0;
  uint64_t from_match_id = engine->match_id;
  engine->last_print = NULL;
  while (taker->leaves > 0 && makers->best != 0)
  {
    wcx_level_t *level = &engine->ladders.levels[makers->best];
    fill.px = level->price;
    if (!wcx_book_crosses(taker->side, taker->price, fill.px))
      break;
    if (__builtin_expect(fill.px < taker->low || fill.px > taker->high, 0))
    {
      taker->stopped = why_stopped(instrument, fill.px);
      break;
    }
    if (__builtin_expect(taker->stopped != WCX_STOPPED_NOT, 0))
      break;
    uint32_t slot = wcx_book_first(level);
    if (__builtin_expect(taker->smp_inst != WCX_SELF_MATCH_PREVENTION_INST_NONE, 0) && is_own(engine, taker, slot))
      prevent(engine, taker, slot);
    else if (__builtin_expect(plain && (engine->pool.orders[slot].flags & ~WCX_ORDER_F_COD) == 0, 1))
      fill_plain(engine, taker, level, slot, &fill);
    else
      fill_special(engine, taker, slot, &fill);
  }
  if (engine->match_id == from_match_id)
    return;
  engine->match_event_id = fill.event_id;
  wcx_state_set_prices(engine, instrument, taker->last_px, taker->last_px);
  if (engine->last_print != NULL)
    engine->last_print->flags |= 0x02; /* the last fill of the event */
}
