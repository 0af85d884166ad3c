#include "engine/uncross.h"

#include "engine/book.h"
#include "engine/emit.h"
#include "engine/match.h"
#include "engine/mmp.h"
#include "engine/risk.h"

/* --- the price -------------------------------------------------------------------------------------------------------------------------- */

/* A level of one side and what its orders and those at better prices have left. */
typedef struct reach
{
  uint32_t level;
  uint8_t side;
  wcx_u128_t qty;
} reach_t;

static int64_t px_at(const wcx_engine_t *engine, const reach_t *reach)
{
  return engine->ladders.levels[reach->level].price;
}

/* One level further, level 0 at the end. */
static reach_t next_of(const wcx_engine_t *engine, const wcx_instrument_t *instrument, reach_t reach)
{
  reach.level = wcx_ladder_next(&engine->ladders, reach.level);
  if (reach.level != 0)
    reach.qty += wcx_book_level_leaves(engine, instrument, &engine->ladders.levels[reach.level]);
  return reach;
}

static reach_t first_of(const wcx_engine_t *engine, const wcx_instrument_t *instrument, uint8_t side)
{
  reach_t reach = {.level = instrument->side[side - 1].best, .side = side};
  if (reach.level != 0)
    reach.qty = wcx_book_level_leaves(engine, instrument, &engine->ladders.levels[reach.level]);
  return reach;
}

static bool crosses(const wcx_engine_t *engine, const reach_t *buy, const reach_t *sell)
{
  return buy->level != 0 && sell->level != 0 && px_at(engine, buy) >= px_at(engine, sell);
}

/* Quantity of the side for which `px` is good enough, from a reach for which it is. */
static wcx_u128_t qty_at(const wcx_engine_t *engine, const wcx_instrument_t *instrument, reach_t reach, int64_t px)
{
  wcx_u128_t qty;
  do
  {
    qty = reach.qty;
    reach = next_of(engine, instrument, reach);
  } while (reach.level != 0 && wcx_book_crosses((uint8_t)(3 - reach.side), px, px_at(engine, &reach)));
  return qty;
}

/* Move both reaches to where the most can trade: to the lowest price at which that much is for sale, and to the highest at which it is wanted. The side that
   has less goes on as long as it meets the other; of two that are equal one more level helps only if the next of both meet. */
static void meet(const wcx_engine_t *engine, const wcx_instrument_t *instrument, reach_t *buy, reach_t *sell)
{
  for (;;)
  {
    reach_t next_buy = buy->qty <= sell->qty ? next_of(engine, instrument, *buy) : *buy;
    reach_t next_sell = sell->qty <= buy->qty ? next_of(engine, instrument, *sell) : *sell;
    if (!crosses(engine, &next_buy, &next_sell))
      return;
    *buy = next_buy;
    *sell = next_sell;
  }
}

static uint64_t distance(int64_t a, int64_t b)
{
  return a > b ? (uint64_t)(a - b) : (uint64_t)(b - a);
}

/* Of two prices that leave the same over: is the first nearer to the reference price, or as near and lower? */
static bool nearer(int64_t px, int64_t than, int64_t reference)
{
  uint64_t far = reference != 0 ? distance(px, reference) : 0;
  uint64_t than_far = reference != 0 ? distance(than, reference) : 0;
  return far < than_far || (far == than_far && px < than);
}

/* Keep the better of two prices at which the most can trade. */
static void consider(const wcx_engine_t *engine, const wcx_instrument_t *instrument, const reach_t *buy, const reach_t *sell, int64_t px, wcx_indicative_t *best)
{
  if (px > px_at(engine, buy) || px < px_at(engine, sell))
    return;
  wcx_u128_t bought = qty_at(engine, instrument, *buy, px);
  wcx_u128_t sold = qty_at(engine, instrument, *sell, px);
  wcx_indicative_t at = {
      .paired = bought < sold ? bought : sold,
      .imbalance = bought < sold ? sold - bought : bought - sold,
      .px = px,
      .side = bought > sold   ? WCX_SIDE_FILTER_BUY
              : bought < sold ? WCX_SIDE_FILTER_SELL
                              : WCX_SIDE_FILTER_BOTH,
  };
  if (best->paired == 0 || at.imbalance < best->imbalance || (at.imbalance == best->imbalance && nearer(px, best->px, instrument->reference_px)))
    *best = at;
}

/* Between the two reaches one side trades whole at every price and the other's surplus grows towards its own prices: of either side's prices only the first two
   can have the least imbalance. */
wcx_indicative_t wcx_uncross_indicate(const wcx_engine_t *engine, const wcx_instrument_t *instrument)
{
  wcx_indicative_t best = {.px = WCX_I64_NULL, .side = WCX_SIDE_FILTER_BOTH};
  reach_t buy = first_of(engine, instrument, WCX_SIDE_BUY);
  reach_t sell = first_of(engine, instrument, WCX_SIDE_SELL);
  if (!crosses(engine, &buy, &sell))
    return best;
  meet(engine, instrument, &buy, &sell);
  consider(engine, instrument, &buy, &sell, px_at(engine, &buy), &best);
  consider(engine, instrument, &buy, &sell, px_at(engine, &sell), &best);
  reach_t next_buy = next_of(engine, instrument, buy);
  reach_t next_sell = next_of(engine, instrument, sell);
  if (next_buy.level != 0)
    consider(engine, instrument, &buy, &sell, px_at(engine, &next_buy), &best);
  if (next_sell.level != 0)
    consider(engine, instrument, &buy, &sell, px_at(engine, &next_sell), &best);
  uint64_t rest = 1;
  if (instrument->reference_px != 0)
    wcx_divide(&instrument->increment, (uint64_t)instrument->reference_px, &rest);
  if (rest == 0)
    consider(engine, instrument, &buy, &sell, instrument->reference_px, &best);
  return best;
}

/* --- the trades ------------------------------------------------------------------------------------------------------------------------- */

/* One order's half of a fill. */
typedef struct half
{
  wcx_order_t was; /* before the fill, which may end it */
  wcx_account_t *owner;
  uint64_t public_id;
  int64_t commission;
  uint32_t slot;
  uint16_t mmp_group; /* 0: not protected */
  bool stays;
} half_t;

/* What an uncross has done so far. */
typedef struct uncross
{
  wcx_fill_t fill;
  wcx_order_executed_t *print[2]; /* notes of the last fill */
} uncross_t;

static half_t first_half(const wcx_engine_t *engine, const wcx_instrument_t *instrument, uint8_t side)
{
  uint32_t slot = wcx_book_first(&engine->ladders.levels[instrument->side[side - 1].best]);
  const wcx_order_t *order = &engine->pool.orders[slot];
  return (half_t){.was = *order,
                  .owner = wcx_state_account(engine, order->account),
                  .public_id = wcx_book_public_id(engine, slot),
                  .slot = slot,
                  .mmp_group = (order->flags & WCX_ORDER_F_MMP) != 0 ? engine->pool.extras[slot].mmp_group : 0};
}

static void trade_half(wcx_engine_t *engine, const wcx_instrument_t *instrument, const wcx_fill_t *fill, half_t *half)
{
  half->commission = wcx_risk_commission(engine, half->owner, instrument, true, fill->notional);
  half->stays = wcx_match_reduce(engine, half->slot, half->owner, fill, half->commission);
}

static void report_half(wcx_engine_t *engine, const wcx_instrument_t *instrument, const wcx_fill_t *fill, const half_t *half)
{
  wcx_fill_side_t said = {.session = &engine->sessions[half->was.session],
                          .order_id = half->was.order_id,
                          .cl_ord_id = half->was.cl_ord_id,
                          .leaves = half->was.leaves - fill->qty,
                          .cum_qty = half->was.order_qty - half->was.leaves + fill->qty,
                          .commission = half->commission,
                          .account = half->was.account,
                          .side = half->was.side,
                          .liquidity = WCX_LAST_LIQUIDITY_IND_AUCTION,
                          .is_quote = (half->was.flags & WCX_ORDER_F_QUOTE) != 0};
  wcx_report_trade(engine, instrument, &said, fill);
}

/* OrderExecuted of a displayed order, or NULL. */
static wcx_order_executed_t *note_executed(wcx_engine_t *engine, const wcx_instrument_t *instrument, const wcx_fill_t *fill, const half_t *half)
{
  if ((half->was.flags & WCX_ORDER_F_HIDDEN) != 0)
    return NULL;
  wcx_order_executed_t *md = wcx_note_feed(engine, WCX_TEMPLATE_ORDER_EXECUTED, sizeof(*md));
  *md = (wcx_order_executed_t){
      .transact_time = engine->stamp_ns,
      .order_id = half->public_id,
      .last_qty = fill->qty,
      .trd_match_id = fill->match_id,
      .last_px = fill->px,
      .security_id = instrument->security_id,
      .aggressor_side = WCX_AGGRESSOR_SIDE_NO_AGGRESSOR,
      .flags = 0x01,
  };
  return md;
}

static void note_fill(wcx_engine_t *engine, const wcx_instrument_t *instrument, uncross_t *uncross, const half_t *buy, const half_t *sell)
{
  const wcx_fill_t *fill = &uncross->fill;
  uncross->print[0] = note_executed(engine, instrument, fill, buy);
  uncross->print[1] = note_executed(engine, instrument, fill, sell);
  if (uncross->print[0] != NULL || uncross->print[1] != NULL)
    return;
  wcx_trade_t *md = wcx_note_feed(engine, WCX_TEMPLATE_TRADE, sizeof(*md));
  *md = (wcx_trade_t){
      .transact_time = engine->stamp_ns,
      .trd_match_id = fill->match_id,
      .last_px = fill->px,
      .last_qty = fill->qty,
      .security_id = instrument->security_id,
      .aggressor_side = WCX_AGGRESSOR_SIDE_NO_AGGRESSOR,
      .trd_type = WCX_TRD_TYPE_AUCTION_UNCROSS,
  };
}

/* The order is gone, or shows its next part. */
static void settle_half(wcx_engine_t *engine, const half_t *half)
{
  if (!half->stays)
    wcx_book_end(engine, half->slot);
  else
    wcx_match_refresh(engine, half->slot, engine->refresh_cnt >= WCX_REFRESH_MAX);
}

static void protect_half(wcx_engine_t *engine, const wcx_fill_t *fill, const half_t *half)
{
  if (half->mmp_group != 0)
    wcx_mmp_fill(engine, &engine->sessions[half->was.session], half->mmp_group, fill, NULL);
}

/* The first buy meets the first sell. */
static void trade_first(wcx_engine_t *engine, const wcx_instrument_t *instrument, uncross_t *uncross)
{
  half_t buy = first_half(engine, instrument, WCX_SIDE_BUY);
  half_t sell = first_half(engine, instrument, WCX_SIDE_SELL);
  int64_t bought = wcx_book_tranche(engine, buy.slot);
  int64_t sold = wcx_book_tranche(engine, sell.slot);
  wcx_fill_t *fill = &uncross->fill;
  fill->qty = bought < sold ? bought : sold;
  fill->match_id = ++engine->match_id;
  fill->notional = wcx_match_notional(instrument, fill->px, fill->qty);
  trade_half(engine, instrument, fill, &buy);
  trade_half(engine, instrument, fill, &sell);
  report_half(engine, instrument, fill, &buy);
  report_half(engine, instrument, fill, &sell);
  note_fill(engine, instrument, uncross, &buy, &sell);
  settle_half(engine, &buy);
  settle_half(engine, &sell);
  protect_half(engine, fill, &buy);
  protect_half(engine, fill, &sell);
}

/* Does somebody on both sides still trade at this price? When nobody does, its volume is done, or protection has taken out who had the rest of it. */
static bool meets(const wcx_engine_t *engine, const wcx_instrument_t *instrument, int64_t px)
{
  uint32_t bid = instrument->side[0].best;
  uint32_t ask = instrument->side[1].best;
  return bid != 0 && ask != 0 && engine->ladders.levels[bid].price >= px && engine->ladders.levels[ask].price <= px;
}

static void uncross_at(wcx_engine_t *engine, wcx_instrument_t *instrument, int64_t px)
{
  uncross_t uncross = {.fill = {.event_id = ++engine->match_event_id, .px = px}};
  while (meets(engine, instrument, px))
    trade_first(engine, instrument, &uncross);
  for (uint32_t i = 0; i < 2; i++)
    if (uncross.print[i] != NULL)
      uncross.print[i]->flags |= 0x02; /* the last fill of the event */
  wcx_state_set_prices(engine, instrument, px, px);
}

void wcx_uncross(wcx_engine_t *engine, wcx_instrument_t *instrument)
{
  /* once, unless protection takes out orders that the price was made of: what still crosses then is another event */
  wcx_indicative_t at;
  while ((at = wcx_uncross_indicate(engine, instrument)).paired != 0)
    uncross_at(engine, instrument, at.px);
}
