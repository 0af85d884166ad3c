#include "engine/enter.h"

#include "engine/auction.h"
#include "engine/report.h"
#include "engine/risk.h"

void wcx_entry_of_listed(wcx_engine_t *engine, wcx_entry_t *entry, uint32_t slot)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  entry->slot = slot;
  entry->listed = true;
  entry->order_flags = order->flags;
  entry->taker = (wcx_taker_t){
      .session = &engine->sessions[order->session],
      .instrument = &engine->instruments[order->instrument],
      .owner = wcx_state_account(engine, order->account),
      .order_id = order->order_id,
      .cl_ord_id = order->cl_ord_id,
      .order_qty = order->order_qty,
      .leaves = order->leaves,
      .account = order->account,
      .side = order->side,
      .flags = order->flags & (WCX_ORDER_F_RISK | WCX_ORDER_F_QUOTE | WCX_ORDER_F_MMP),
  };
  if ((order->flags & WCX_ORDER_F_EXTRA) != 0)
  {
    const wcx_order_extra_t *extra = &engine->pool.extras[slot];
    entry->taker.smp_inst = extra->smp_inst;
    entry->taker.smp_id = wcx_match_smp_id(engine, order->account, extra->smp_id);
    entry->taker.mmp_group = extra->mmp_group;
  }
  wcx_match_band(entry->taker.instrument, &entry->taker.low, &entry->taker.high);
}

/* A market order finds nothing, or not at these prices. */
static uint8_t swept(const wcx_taker_t *taker)
{
  return taker->instrument->side[2 - taker->side].best == 0 ? WCX_CANCEL_REASON_NO_LIQUIDITY : WCX_CANCEL_REASON_PRICE_BAND;
}

/* Turn a market-to-limit order into a limit at the price of its last fill. Returns why it may not rest there, or 0. */
static uint8_t settle_price(wcx_entry_t *entry)
{
  wcx_taker_t *taker = &entry->taker;
  if ((wcx_u128_t)(uint64_t)taker->last_px * (uint64_t)taker->order_qty > taker->instrument->product_overflow)
    return WCX_CANCEL_REASON_SYSTEM; /* a later fill's notional could not be said */
  uint64_t rest;
  entry->terms.price = taker->last_px;
  entry->terms.px_idx = wcx_divide(&taker->instrument->increment, (uint64_t)taker->last_px, &rest);
  return 0;
}

/* Why what is left is canceled, or 0 when it rests at entry->terms.price. */
static uint8_t may_not_rest(wcx_entry_t *entry)
{
  const wcx_taker_t *taker = &entry->taker;
  uint8_t ord_type = entry->terms.ord_type;
  bool at_once = entry->terms.tif == WCX_TIME_IN_FORCE_IOC || entry->terms.tif == WCX_TIME_IN_FORCE_FOK;
  if (__builtin_expect(taker->stopped == WCX_STOPPED_REFRESHES, 0))
    return WCX_CANCEL_REASON_SYSTEM;
  if (__builtin_expect(wcx_match_sweeps(ord_type), 0))
  {
    if (ord_type != WCX_ORD_TYPE_MARKET_TO_LIMIT || taker->last_px == 0)
      return swept(taker);
    return at_once ? WCX_CANCEL_REASON_TIME_IN_FORCE_IOC : settle_price(entry);
  }
  if (__builtin_expect(taker->stopped == WCX_STOPPED_BAND || (taker->stopped == WCX_STOPPED_VOLATILITY && at_once), 0))
    return WCX_CANCEL_REASON_PRICE_BAND;
  return at_once ? WCX_CANCEL_REASON_TIME_IN_FORCE_IOC : 0;
}

/* It stands nowhere and never will. */
static void end(wcx_engine_t *engine, const wcx_entry_t *entry)
{
  if (entry->listed)
    wcx_book_end(engine, entry->slot);
  else
    wcx_pool_free(&engine->pool, entry->slot);
}

static void rest(wcx_engine_t *engine, wcx_entry_t *entry)
{
  const wcx_taker_t *taker = &entry->taker;
  uint32_t slot = entry->slot;
  wcx_order_t *order = &engine->pool.orders[slot];
  order->leaves = taker->leaves;
  order->order_qty = taker->order_qty;
  if (!entry->listed)
  {
    order->cl_ord_id = taker->cl_ord_id;
    order->session = (uint32_t)(taker->session - engine->sessions);
    order->account = taker->account;
    order->instrument = (uint16_t)(taker->instrument - engine->instruments);
    order->side = taker->side;
    order->flags = entry->order_flags;
  }
  if (__builtin_expect((order->flags & WCX_ORDER_F_ICEBERG) != 0, 0))
  {
    wcx_order_extra_t *extra = &engine->pool.extras[slot];
    extra->displayed = order->leaves < extra->display_qty ? order->leaves : extra->display_qty;
  }
  if (__builtin_expect((taker->flags & WCX_ORDER_F_RISK) != 0 && taker->held_px != entry->terms.price, 0))
    wcx_risk_change(engine, taker->owner, taker->instrument, taker->side, taker->held_px, taker->leaves, entry->terms.price, taker->leaves);
  if (!entry->listed)
    wcx_book_enlist(engine, slot);
  wcx_book_rest(engine, slot, entry->terms.px_idx, entry->terms.price);
  wcx_report_shown(engine, slot, entry->last);
}

void wcx_enter(wcx_engine_t *engine, wcx_entry_t *entry)
{
  wcx_taker_t *taker = &entry->taker;
  uint8_t reason = 0;
  if (__builtin_expect(taker->instrument->status == WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE, 1))
  {
    if (__builtin_expect(entry->at_once > 0, 0) && !wcx_match_available(engine, taker, entry->at_once))
      reason = entry->all ? WCX_CANCEL_REASON_TIME_IN_FORCE_FOK : WCX_CANCEL_REASON_MIN_QTY_NOT_MET;
    else
    {
      engine->taker_slot = entry->slot;
      wcx_match(engine, taker);
      engine->taker_slot = 0;
      if (taker->leaves != 0)
        reason = may_not_rest(entry);
    }
  }
  if (taker->leaves != 0 && reason == 0 && __builtin_expect(!wcx_book_has_level(engine, taker->instrument, taker->side, entry->terms.px_idx), 0))
    reason = WCX_CANCEL_REASON_SYSTEM;
  bool rests = taker->leaves != 0 && reason == 0;
  if (rests)
    rest(engine, entry);
  else
  {
    if (taker->leaves != 0)
      wcx_match_cancel_taker(engine, taker, reason);
    end(engine, entry);
  }
  if (__builtin_expect(taker->stopped == WCX_STOPPED_VOLATILITY, 0))
    wcx_auction_interrupt(engine, taker->instrument);
}
