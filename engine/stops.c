#include "engine/stops.h"

#include "engine/enter.h"
#include "engine/report.h"

/* First of the waiting stops of a side, or 0. */
static uint32_t first_of(const wcx_engine_t *engine, const wcx_instrument_t *instrument, uint8_t side)
{
  uint32_t level = instrument->stops[side - 1].best;
  return level != 0 ? engine->ladders.levels[level].head : 0;
}

static bool reached(const wcx_instrument_t *instrument, uint8_t side, int64_t stop_px)
{
  if (instrument->last_px == 0 || instrument->status != WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE)
    return false;
  return side == WCX_SIDE_BUY ? instrument->last_px >= stop_px : instrument->last_px <= stop_px;
}

/* The stop that goes next, or 0: of the first of both sides the one that has its place longer. */
static uint32_t next_of(const wcx_engine_t *engine, const wcx_instrument_t *instrument)
{
  uint32_t buy = first_of(engine, instrument, WCX_SIDE_BUY);
  uint32_t sell = first_of(engine, instrument, WCX_SIDE_SELL);
  const wcx_order_extra_t *extras = engine->pool.extras;
  if (buy != 0 && !reached(instrument, WCX_SIDE_BUY, extras[buy].stop_px))
    buy = 0;
  if (sell != 0 && !reached(instrument, WCX_SIDE_SELL, extras[sell].stop_px))
    sell = 0;
  if (buy == 0 || sell == 0)
    return buy + sell;
  return extras[buy].place < extras[sell].place ? buy : sell;
}

/* Why a triggered stop-limit may not enter, or 0. */
static uint8_t refused(const wcx_engine_t *engine, const wcx_entry_t *entry)
{
  const wcx_taker_t *taker = &entry->taker;
  if (taker->sweeps)
    return 0;
  uint32_t best = taker->instrument->side[2 - taker->side].best;
  bool crosses = best != 0 && wcx_book_crosses(taker->side, taker->price, engine->ladders.levels[best].price);
  if ((entry->terms.exec_inst & WCX_POST_ONLY) != 0 && crosses)
    return WCX_CANCEL_REASON_POST_ONLY_WOULD_CROSS;
  return taker->price < taker->instrument->px_low || taker->price > taker->instrument->px_high ? WCX_CANCEL_REASON_PRICE_BAND : 0;
}

/* A listed stop that stands nowhere takes; `called`: by another's trade. */
static void trigger(wcx_engine_t *engine, uint32_t slot, bool called)
{
  const wcx_order_extra_t *extra = &engine->pool.extras[slot];
  wcx_entry_t entry = {0};
  wcx_entry_of_listed(engine, &entry, slot);
  wcx_taker_t *taker = &entry.taker;
  bool sweeps = extra->ord_type == WCX_ORD_TYPE_STOP;
  entry.terms = (wcx_terms_t){.price = extra->price,
                              .qty = taker->order_qty,
                              .exec_inst = extra->exec_inst,
                              .side = taker->side,
                              .ord_type = sweeps ? WCX_ORD_TYPE_MARKET : WCX_ORD_TYPE_LIMIT,
                              .tif = extra->tif};
  taker->price = wcx_match_limit(extra->ord_type, taker->side, extra->price);
  taker->sweeps = sweeps;
  taker->called = called;
  taker->held_px = sweeps ? extra->collar : extra->price;
  if (sweeps && taker->side == WCX_SIDE_BUY && (taker->owner->risk & WCX_ACCOUNT_R_CHECKED) != 0 && taker->high > extra->collar)
    taker->high = extra->collar; /* no more is held for it */
  if (!sweeps)
  {
    uint64_t rest;
    entry.terms.px_idx = wcx_divide(&taker->instrument->increment, (uint64_t)extra->price, &rest);
  }
  entry.all = extra->tif == WCX_TIME_IN_FORCE_FOK || (extra->exec_inst & WCX_EXEC_INST_ALL_OR_NONE) != 0;
  entry.at_once = entry.all ? taker->leaves : 0;
  engine->trigger_cnt++;
  wcx_report_restated(engine, &engine->pool.orders[slot], WCX_RESTATEMENT_REASON_STOP_TRIGGERED)->price = extra->price;
  uint8_t reason = refused(engine, &entry);
  if (reason == 0)
  {
    wcx_enter(engine, &entry);
    return;
  }
  wcx_match_cancel_taker(engine, taker, reason);
  wcx_book_end(engine, slot);
}

void wcx_stops_place(wcx_engine_t *engine, uint32_t slot)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  if (engine->trigger_cnt < WCX_TRIGGERS_MAX && reached(&engine->instruments[order->instrument], order->side, engine->pool.extras[slot].stop_px))
  {
    trigger(engine, slot, false);
    return;
  }
  engine->pool.extras[slot].place = ++engine->place_no;
  wcx_book_wait_stop(engine, slot);
}

void wcx_stops_run(wcx_engine_t *engine)
{
  bool due = false;
  for (uint32_t i = 0; i < engine->instrument_cnt && engine->stop_cnt != 0; i++)
  {
    uint32_t slot;
    while ((slot = next_of(engine, &engine->instruments[i])) != 0)
    {
      if (engine->trigger_cnt == WCX_TRIGGERS_MAX)
      {
        due = true;
        break;
      }
      wcx_book_take_out(engine, slot);
      trigger(engine, slot, true);
    }
  }
  engine->stops_due = due;
}

bool wcx_stops_have_level(const wcx_engine_t *engine, const wcx_instrument_t *instrument, uint8_t side, int64_t stop_px)
{
  if (stop_px == WCX_I64_NULL || engine->stop_level_cnt < engine->capacity.max_levels)
    return true;
  uint64_t rest;
  uint64_t px_idx = wcx_divide(&instrument->increment, (uint64_t)stop_px, &rest);
  return wcx_ladder_find(&engine->ladders, &instrument->stops[side - 1], side == WCX_SIDE_BUY ? px_idx : ~px_idx) != 0;
}
