/* How much an input may say at most: room in the output log is reserved by it before the input is journaled. */
#include "engine/book.h"
#include "engine/emit.h"
#include "engine/match.h"
#include "engine/mmp.h"
#include "engine/quote.h"
#include "engine/stops.h"

#define REJECT_SZ WCX_EMIT_SZ(wcx_execution_report_reject_t)
/* what is said to the feed is noted first: twice */
#define FILL_SZ (2 * WCX_EMIT_SZ(wcx_execution_report_trade_t) + 2 * WCX_EMIT_SZ(wcx_order_executed_t))
#define CANCEL_SZ (2 * WCX_EMIT_SZ(wcx_execution_report_cancel_t) + 2 * WCX_EMIT_SZ(wcx_delete_order_t))
#define REFRESH_SZ (FILL_SZ + WCX_EMIT_SZ(wcx_execution_report_restated_t) + 2 * WCX_EMIT_SZ(wcx_add_order_t))
#define TRIGGER_SZ (WCX_EMIT_SZ(wcx_execution_report_restated_t) + WCX_EMIT_SZ(wcx_execution_report_cancel_t) + 2 * WCX_EMIT_SZ(wcx_add_order_t))
/* a fill of an uncross may take from two displayed orders, and let two refresh; an order that joins an auction is added first */
#define UNCROSS_FILL_SZ (FILL_SZ + 2 * WCX_EMIT_SZ(wcx_order_executed_t))
#define UNCROSS_REFRESH_SZ (REFRESH_SZ + 2 * WCX_EMIT_SZ(wcx_order_executed_t))
#define JOIN_SZ (2 * WCX_EMIT_SZ(wcx_add_order_t))
#define BREAK_SZ (2 * WCX_EMIT_SZ(wcx_execution_report_trade_break_t) + 2 * WCX_EMIT_SZ(wcx_trade_break_t))
#define STATUS_SZ (2 * WCX_EMIT_SZ(wcx_security_status_t) + WCX_EMIT_SZ(wcx_auction_update_t))
#define PROTECTION_SZ WCX_EMIT_SZ(wcx_mmp_event_t)
#define LEVELS_LOOKED_AT 8

/* What fills may set off: a group triggers once in an input at most, because it is frozen then, and its orders may lie in any book. */
static uint64_t protection(const wcx_engine_t *engine)
{
  uint64_t canceled = engine->mmp_orders == 0 ? 0 : engine->mmp_orders * CANCEL_SZ + engine->instrument_cnt * STATUS_SZ;
  return engine->mmp_cnt * PROTECTION_SZ + canceled;
}

/* What is said when everything there is trades or ends: each order leaves once, each taker leaves one maker behind in part. */
static uint64_t everything(uint64_t orders, uint64_t special, uint64_t groups, uint64_t instruments)
{
  uint64_t takers = WCX_TRIGGERS_MAX + 1;
  /* in an uncross a refresh that is one too many shows all that is left: once for an order */
  uint64_t refreshes = special == 0 ? 0 : (WCX_REFRESH_MAX + takers + special) * UNCROSS_REFRESH_SZ;
  return groups * PROTECTION_SZ + orders * (UNCROSS_FILL_SZ + JOIN_SZ) + takers * (TRIGGER_SZ + FILL_SZ + STATUS_SZ) + refreshes + 2 * instruments * STATUS_SZ;
}

static uint64_t everything_now(const wcx_engine_t *engine)
{
  return everything(engine->pool.live, engine->special_total, engine->mmp_cnt, engine->instrument_cnt);
}

/* Refreshes of one aggressive event in this book. */
static uint64_t refreshes(const wcx_instrument_t *instrument)
{
  return instrument->special_cnt == 0 ? 0 : (WCX_REFRESH_MAX + 1) * REFRESH_SZ;
}

/* Most fills an order of `side`, `price`, `qty` can have now: the orders of the levels it reaches, if few levels settle it, else the whole side; and one
   for each lot. Where makers may go without taking anything of it (self-match prevention, market-maker protection, other quotes of a message before it) only the price
   counts. */
static uint64_t fills_max(const wcx_engine_t *engine, const wcx_instrument_t *instrument, uint8_t side, int64_t price, int64_t qty, bool prevents)
{
  if ((side != WCX_SIDE_BUY && side != WCX_SIDE_SELL) || price <= 0 || qty <= 0)
    return 0;
  const wcx_ladders_t *pools = &engine->ladders;
  const wcx_ladder_t *makers = &instrument->side[2 - side];
  if (instrument->special_cnt != 0)
    return makers->order_cnt;
  uint64_t order_cnt = 0;
  wcx_u128_t sum = 0;
  uint32_t at = makers->best;
  for (uint32_t looked = 0; at != 0 && (sum < (uint64_t)qty || prevents) && wcx_book_crosses(side, price, pools->levels[at].price); looked++)
  {
    if (looked == LEVELS_LOOKED_AT)
    {
      order_cnt = makers->order_cnt;
      break;
    }
    order_cnt += pools->levels[at].order_cnt;
    sum += pools->levels[at].displayed;
    at = wcx_ladder_next(pools, at);
  }
  if (prevents)
    return order_cnt;
  uint64_t rest;
  uint64_t lots = order_cnt > 1 ? wcx_divide(&instrument->lot, (uint64_t)qty, &rest) : order_cnt;
  return lots < order_cnt ? lots : order_cnt;
}

static uint64_t new_bound(const wcx_engine_t *engine, const void *body)
{
  wcx_new_order_single_t request;
  memcpy(&request, body, sizeof(request));
  uint64_t bound = WCX_EMIT_SZ(wcx_execution_report_new_t) + TRIGGER_SZ + STATUS_SZ; /* more than a reject */
  uint32_t idx = wcx_idmap_find(&engine->instrument_map, request.security_id);
  if (idx == WCX_IDX_NONE)
    return bound;
  const wcx_instrument_t *instrument = &engine->instruments[idx];
  int64_t limit = wcx_match_limit(request.ord_type, request.side, request.price);
  bool vanish = request.self_match_prevention_inst != 0 || engine->mmp_orders != 0;
  uint64_t fills = fills_max(engine, instrument, request.side, limit, request.order_qty, vanish);
  return bound + refreshes(instrument) + FILL_SZ * fills + (fills != 0 ? protection(engine) : 0);
}

static uint64_t replace_bound(const wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body)
{
  wcx_order_cancel_replace_request_t request;
  memcpy(&request, body, sizeof(request));
  uint64_t bound = WCX_EMIT_SZ(wcx_execution_report_replace_t) + CANCEL_SZ + TRIGGER_SZ + STATUS_SZ;
  uint32_t idx = wcx_idmap_find(&engine->session_map, hdr->session_id);
  if (idx == WCX_IDX_NONE)
    return bound;
  uint32_t slot = wcx_request_resolve(engine, &engine->sessions[idx], request.orig_cl_ord_id, request.order_id, request.security_id);
  if (slot == 0)
    return bound;
  const wcx_order_t *order = &engine->pool.orders[slot];
  const wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  int64_t price = request.price == WCX_I64_NULL ? wcx_book_price(engine, slot) : request.price;
  if (price == WCX_I64_NULL) /* a stop that sweeps when it is triggered */
    price = wcx_match_limit(WCX_ORD_TYPE_MARKET, order->side, price);
  bool vanish = (order->flags & WCX_ORDER_F_EXTRA) != 0 || engine->mmp_orders != 0;
  uint64_t fills = fills_max(engine, instrument, order->side, price, request.order_qty, vanish);
  return bound + refreshes(instrument) + FILL_SZ * fills + (fills != 0 ? protection(engine) : 0);
}

#define QUOTE_ACK_SZ (WCX_EMIT_SZ(wcx_mass_quote_ack_t) + WCX_QUOTE_SETS_MAX * sizeof(wcx_mass_quote_ack_quote_sets_t) + 8)
/* Beside fills that end an order that was there before: each side takes the old quote out; its last fill leaves a maker; and it may rest, be a maker of another side and
   of a stop, and be canceled. */
#define QUOTE_SIDE_SZ (2 * WCX_EMIT_SZ(wcx_delete_order_t) + 3 * FILL_SZ + 2 * WCX_EMIT_SZ(wcx_add_order_t) + CANCEL_SZ + STATUS_SZ)

static uint64_t quote_bound(const wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body)
{
  uint64_t bound = QUOTE_ACK_SZ + PROTECTION_SZ + protection(engine);
  uint64_t makers = 0;
  for (size_t at = WCX_QUOTE_SETS_OFF; at + WCX_QUOTE_SET_SZ <= hdr->body_sz; at += WCX_QUOTE_SET_SZ)
  {
    wcx_mass_quote_quote_sets_t set;
    memcpy(&set, (const uint8_t *)body + at, sizeof(set));
    uint32_t idx = wcx_idmap_find(&engine->instrument_map, set.security_id);
    if (idx == WCX_IDX_NONE)
      continue;
    const wcx_instrument_t *instrument = &engine->instruments[idx];
    uint64_t of_bid = fills_max(engine, instrument, WCX_SIDE_BUY, set.bid_px, set.bid_size, true);
    uint64_t of_offer = fills_max(engine, instrument, WCX_SIDE_SELL, set.offer_px, set.offer_size, true);
    makers += of_bid + of_offer;
    bound += 2 * QUOTE_SIDE_SZ;
  }
  bound += makers != 0 && engine->special_total != 0 ? (WCX_REFRESH_MAX + 2 * WCX_QUOTE_SETS_MAX) * REFRESH_SZ : 0;
  return bound + FILL_SZ * (makers < engine->pool.live ? makers : engine->pool.live);
}

static uint64_t input_bound(const wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body)
{
  switch (hdr->template_id)
  {
  case WCX_TEMPLATE_NEW_ORDER_SINGLE:
    return new_bound(engine, body);
  case WCX_TEMPLATE_ORDER_CANCEL_REQUEST:
    return CANCEL_SZ + STATUS_SZ;
  case WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST:
    return replace_bound(engine, hdr, body);
  case WCX_TEMPLATE_MASS_QUOTE:
    return quote_bound(engine, hdr, body);
  case WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST:
    return WCX_EMIT_SZ(wcx_order_mass_cancel_report_t) + WCX_EMIT_SZ(wcx_mmp_event_t) + engine->pool.live * CANCEL_SZ + engine->instrument_cnt * STATUS_SZ;
  case WCX_TEMPLATE_KILL_SWITCH:
    return engine->session_cnt * WCX_EMIT_SZ(wcx_trading_lock_event_t) + engine->pool.live * CANCEL_SZ + engine->instrument_cnt * STATUS_SZ;
  case WCX_TEMPLATE_SESSION_CLOSED:
    return WCX_EMIT_SZ(wcx_terminate_t) + engine->pool.live * CANCEL_SZ + engine->instrument_cnt * STATUS_SZ;
  case WCX_TEMPLATE_SECURITY_STATUS:
    return everything_now(engine);
  case WCX_TEMPLATE_TICK:
    return 0;
  default: /* one message: the largest is a SecurityDefinition, noted first */
    return 2 * WCX_EMIT_SZ(wcx_security_definition_t) + STATUS_SZ;
  }
}

/* What an input says beside of what becomes of orders that were there before: less than this. */
static uint64_t own_max(uint64_t sessions)
{
  uint64_t quotes = QUOTE_ACK_SZ + 2 * WCX_QUOTE_SETS_MAX * (QUOTE_SIDE_SZ + REFRESH_SZ);
  return quotes + sessions * WCX_EMIT_SZ(wcx_trading_lock_event_t) + 2 * WCX_EMIT_SZ(wcx_security_definition_t);
}

uint64_t wcx_engine_output_bound(const wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body)
{
  if (__builtin_expect(hdr->stamp_ns >= wcx_engine_next_deadline_ns(engine) || engine->stop_cnt != 0, 0))
    return everything_now(engine) + own_max(engine->session_cnt);
  return input_bound(engine, hdr, body);
}

uint64_t wcx_engine_output_bound_max(const wcx_engine_limits_t *limits)
{
  return everything(limits->orders_max, limits->orders_max, wcx_mmp_groups_max(limits), limits->instruments_max) + own_max(limits->sessions_max);
}
static_assert(WCX_EMIT_SZ(wcx_execution_report_new_t) >= REJECT_SZ, "new_bound: a reject comes alone");
static_assert(FILL_SZ >= CANCEL_SZ, "everything: an order that is canceled says less than one that trades");
static_assert(FILL_SZ >= CANCEL_SZ / 2 + WCX_EMIT_SZ(wcx_execution_report_restated_t), "a maker that is prevented says less than one that trades");
static_assert(CANCEL_SZ >= WCX_EMIT_SZ(wcx_order_cancel_reject_t), "cancel bound: a reject comes alone");
static_assert(WCX_EMIT_SZ(wcx_security_definition_t) >= WCX_EMIT_SZ(wcx_establish_ack_t), "one message: the largest");
static_assert(2 * WCX_EMIT_SZ(wcx_security_definition_t) >= 2 * WCX_EMIT_SZ(wcx_price_band_t), "one message: the largest");
static_assert(2 * WCX_EMIT_SZ(wcx_security_definition_t) + STATUS_SZ >= BREAK_SZ, "one message: a trade break says no more");
