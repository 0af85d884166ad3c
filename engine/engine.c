/* The engine's doors: memory, apply and its bound (prefetching is in prefetch.c). What an input does is in request.c, replace.c, mass_cancel.c, session.c and define.c; queries are in view.c. */
#include "engine/engine.h"

#include "engine/auction.h"
#include "engine/book.h"
#include "engine/emit.h"
#include "engine/match.h"
#include "engine/mmp.h"
#include "engine/plain.h"
#include "engine/quote.h"
#include "engine/stops.h"

/* --- memory --------------------------------------------------------------------------------------------------------------------------- */

typedef struct arena
{
  uint8_t *base; /* NULL: only measure */
  size_t used;
  wcx_table_t *tables; /* NULL: keep no list */
  uint32_t table_cnt;
} arena_t;

static void *place(arena_t *arena, uint64_t cnt, size_t sz, bool derived)
{
  size_t at = arena->used;
  arena->used = (at + (size_t)cnt * sz + 63) & ~(size_t)63;
  if (arena->tables != NULL)
  {
    WCX_CHECK(arena->table_cnt < WCX_TABLES_MAX, "more than %u tables", WCX_TABLES_MAX);
    arena->tables[arena->table_cnt++] = (wcx_table_t){.off = at, .cnt = cnt, .sz = (uint32_t)sz, .derived = derived};
  }
  return arena->base == NULL ? NULL : arena->base + at;
}

/* A table that a snapshot keeps: snapshot_table.c has a row for it. */
static void *take(arena_t *arena, uint64_t cnt, size_t sz)
{
  return place(arena, cnt, sz, false);
}

/* A table that follows from the others: rebuilt by snapshot_table.c. */
static void *take_derived(arena_t *arena, uint64_t cnt, size_t sz)
{
  return place(arena, cnt, sz, true);
}

static bool limits_sound(const wcx_engine_limits_t *limits)
{
  return limits->shard >= 1 && limits->shard <= 65535 && limits->orders_max >= 1 && limits->orders_max <= WCX_ORDER_SLOT_MAX && limits->levels_max >= 1 &&
         limits->levels_max < WCX_LADDER_LEVEL / 2 && limits->instruments_max >= 1 && limits->instruments_max <= 65535 && limits->accounts_max >= 1 &&
         limits->accounts_max <= (1u << 30) && limits->sessions_max >= 1 && limits->sessions_max <= (1u << 24);
}

static uint64_t timers_max(const wcx_engine_limits_t *limits)
{
  return (uint64_t)limits->orders_max + limits->sessions_max + limits->instruments_max;
}

static void lay_out_map(wcx_idmap_t *map, arena_t *arena, uint32_t max)
{
  map->entries = take_derived(arena, wcx_idmap_cap(max), sizeof(wcx_idmap_entry_t));
  map->direct_cnt = wcx_idmap_direct_cnt(max);
  map->direct = take_derived(arena, map->direct_cnt, sizeof(uint32_t));
  map->mask = (uint32_t)(wcx_idmap_cap(max) - 1);
}

static void lay_out(wcx_engine_t *engine, arena_t *arena, const wcx_engine_limits_t *limits)
{
  engine->pool.orders = take(arena, (uint64_t)limits->orders_max + 1, sizeof(wcx_order_t));
  engine->pool.links = take(arena, (uint64_t)limits->orders_max + 1, sizeof(wcx_order_links_t));
  engine->pool.extras = take(arena, (uint64_t)limits->orders_max + 1, sizeof(wcx_order_extra_t));
  engine->index.entries = take_derived(arena, wcx_index_cap(limits->orders_max), sizeof(uint64_t));
  engine->index.spill = take_derived(arena, wcx_index_spill_cap(limits->orders_max), sizeof(uint64_t));
  engine->ladders.levels = take(arena, 2 * (uint64_t)limits->levels_max + 1, sizeof(wcx_level_t)); /* of books, and as many of waiting stops */
  engine->ladders.nodes = take(arena, 2 * (uint64_t)limits->levels_max + 1, sizeof(wcx_ladder_node_t));
  engine->timers.heap = take_derived(arena, timers_max(limits) + 1, sizeof(wcx_timer_t));
  engine->instruments = take(arena, limits->instruments_max, sizeof(wcx_instrument_t));
  engine->sessions = take(arena, limits->sessions_max, sizeof(wcx_session_t));
  engine->accounts = take(arena, limits->accounts_max, sizeof(wcx_account_t));
  lay_out_map(&engine->instrument_map, arena, limits->instruments_max);
  lay_out_map(&engine->session_map, arena, limits->sessions_max);
  lay_out_map(&engine->account_map, arena, limits->accounts_max);
  engine->mmp_groups = take(arena, wcx_mmp_groups_max(limits), sizeof(wcx_mmp_group_t));
  engine->mmp_map = take_derived(arena, wcx_mmp_map_cap(limits), sizeof(uint32_t));
  engine->dirty = take_derived(arena, limits->sessions_max, sizeof(uint32_t));
  uint32_t assets_max = wcx_assets_max(limits->instruments_max);
  uint32_t balances_max = wcx_balances_max(limits->accounts_max, limits->instruments_max);
  engine->assets.records = take(arena, assets_max, sizeof(wcx_asset_t));
  engine->assets.slots = take_derived(arena, wcx_idmap_cap(assets_max), sizeof(uint32_t));
  engine->assets.fee_tiers = take(arena, WCX_FEE_TIERS, sizeof(wcx_fee_tier_t));
  engine->balances.records = take(arena, balances_max, sizeof(wcx_balance_t));
  engine->balances.slots = take_derived(arena, wcx_idmap_cap(balances_max), sizeof(uint32_t));
  engine->breaks = take(arena, WCX_BREAKS_MAX, sizeof(uint64_t));
}

size_t wcx_engine_footprint(const wcx_engine_limits_t *limits)
{
  if (!limits_sound(limits))
    return 0;
  arena_t arena = {0};
  wcx_engine_t measured;
  take(&arena, 1, sizeof(wcx_engine_t));
  lay_out(&measured, &arena, limits);
  return arena.used;
}

uint32_t wcx_engine_tables(const wcx_engine_limits_t *limits, wcx_table_t tables[WCX_TABLES_MAX])
{
  arena_t arena = {.tables = tables};
  wcx_engine_t measured;
  take_derived(&arena, 1, sizeof(wcx_engine_t));
  lay_out(&measured, &arena, limits);
  return arena.table_cnt;
}

wcx_engine_t *wcx_engine_new(void *mem, size_t sz, const wcx_engine_limits_t *limits)
{
  size_t footprint = wcx_engine_footprint(limits);
  WCX_CHECK(footprint != 0 && sz >= footprint && ((uintptr_t)mem & 63) == 0, "engine memory: %zu bytes at %p, needs %zu aligned to 64", sz, mem, footprint);
  memset(mem, 0, footprint);
  arena_t arena = {.base = mem};
  wcx_engine_t *engine = take(&arena, 1, sizeof(wcx_engine_t));
  lay_out(engine, &arena, limits);
  engine->limits = *limits;
  engine->pool.max = limits->orders_max;
  engine->ladders.max = 2 * limits->levels_max;
  engine->timers.max = (uint32_t)timers_max(limits);
  engine->index.mask = wcx_index_cap(limits->orders_max) - 1;
  engine->index.spill_mask = wcx_index_spill_cap(limits->orders_max) - 1;
  engine->index.hash_key = limits->hash_key;
  engine->assets.mask = (uint32_t)(wcx_idmap_cap(wcx_assets_max(limits->instruments_max)) - 1);
  engine->balances.mask = (uint32_t)(wcx_idmap_cap(wcx_balances_max(limits->accounts_max, limits->instruments_max)) - 1);
  engine->mmp_map_mask = (uint32_t)(wcx_mmp_map_cap(limits) - 1);
  engine->capacity = (wcx_capacity_t){
      .max_orders = limits->orders_max,
      .max_instruments = limits->instruments_max,
      .max_accounts = limits->accounts_max,
      .max_sessions = limits->sessions_max,
      .max_levels = limits->levels_max,
  };
  engine->feed_number = 1;
  return engine;
}

/* --- bound ---------------------------------------------------------------------------------------------------------------------------- */

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

/* --- apply ---------------------------------------------------------------------------------------------------------------------------- */

static inline void check_record(const wcx_engine_t *engine, const wcx_record_hdr_t *hdr)
{
  WCX_CHECK(hdr->format == WCX_RECORD_FORMAT && hdr->shard == engine->limits.shard, "record: format %u shard %u, engine: format %u shard %u", hdr->format, hdr->shard,
            WCX_RECORD_FORMAT, engine->limits.shard);
  WCX_CHECK(hdr->seq == engine->seq + 1, "record seq %llu after %llu", (unsigned long long)hdr->seq, (unsigned long long)engine->seq);
  /* wcx-play's own definitions take no time; a journal holds no equal stamps (journal_reader.h) */
  WCX_CHECK(hdr->stamp_ns > engine->stamp_ns || ((hdr->flags & WCX_RECORD_F_GENESIS) != 0 && hdr->stamp_ns == engine->stamp_ns), "record stamp %llu after %llu",
            (unsigned long long)hdr->stamp_ns, (unsigned long long)engine->stamp_ns);
}

static wcx_session_t *session_of(wcx_engine_t *engine, const wcx_record_hdr_t *hdr)
{
  uint32_t idx = wcx_idmap_find(&engine->session_map, hdr->session_id);
  WCX_CHECK(idx != WCX_IDX_NONE, "seq %llu template %u: session %u is not defined", (unsigned long long)hdr->seq, hdr->template_id, hdr->session_id);
  return &engine->sessions[idx];
}

/* The session of a client's request or of its end, its sequence noted. */
static inline wcx_session_t *requester(wcx_engine_t *engine, const wcx_record_hdr_t *hdr)
{
  wcx_session_t *session = session_of(engine, hdr);
  if (hdr->client_seq != 0)
    session->next_client_seq = hdr->client_seq + 1;
  wcx_session_touch(engine, session);
  return session;
}

/* A body as its struct: may come unaligned, must be whole. */
#define BODY(type, name)                                                                                                                                                           \
  type name;                                                                                                                                                                       \
  WCX_CHECK(hdr->body_sz >= sizeof(name), "seq %llu template %u: body of %u bytes", (unsigned long long)hdr->seq, hdr->template_id, hdr->body_sz);                                 \
  memcpy(&name, body, sizeof(name))

static void dispatch(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body)
{
  switch (hdr->template_id)
  {
  case WCX_TEMPLATE_NEW_ORDER_SINGLE:
  {
    BODY(wcx_new_order_single_t, request);
    wcx_request_new(engine, requester(engine, hdr), &request);
    break;
  }
  case WCX_TEMPLATE_ORDER_CANCEL_REQUEST:
  {
    BODY(wcx_order_cancel_request_t, request);
    wcx_request_cancel(engine, requester(engine, hdr), &request);
    break;
  }
  case WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST:
  {
    BODY(wcx_order_cancel_replace_request_t, request);
    wcx_request_replace(engine, requester(engine, hdr), &request);
    break;
  }
  case WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST:
  {
    BODY(wcx_order_mass_cancel_request_t, request);
    wcx_mass_cancel(engine, requester(engine, hdr), &request);
    break;
  }
  case WCX_TEMPLATE_UNLOCK_TRADING_REQUEST:
  {
    BODY(wcx_unlock_trading_request_t, request);
    wcx_unlock_trading(engine, requester(engine, hdr), &request);
    break;
  }
  case WCX_TEMPLATE_MASS_QUOTE:
    wcx_mass_quote(engine, requester(engine, hdr), body, hdr->body_sz);
    break;
  case WCX_TEMPLATE_MMP_RESET_REQUEST:
  {
    BODY(wcx_mmp_reset_request_t, request);
    wcx_mmp_reset_request(engine, requester(engine, hdr), &request);
    break;
  }
  case WCX_TEMPLATE_MMP_CONFIG_REQUEST:
  {
    BODY(wcx_mmp_config_request_t, request);
    wcx_mmp_configure(engine, requester(engine, hdr), &request);
    break;
  }
  case WCX_TEMPLATE_KILL_SWITCH:
  {
    BODY(wcx_kill_switch_t, kill);
    wcx_kill_switch(engine, &kill);
    break;
  }
  case WCX_TEMPLATE_SESSION_OPENED:
  {
    BODY(wcx_session_opened_t, opened);
    wcx_session_open(engine, session_of(engine, hdr), &opened);
    break;
  }
  case WCX_TEMPLATE_SESSION_CLOSED:
  {
    BODY(wcx_session_closed_t, closed);
    wcx_session_close(engine, requester(engine, hdr), &closed);
    break;
  }
  case WCX_TEMPLATE_SESSION_REFUSED:
  {
    BODY(wcx_session_refused_t, refused);
    wcx_session_refuse(engine, session_of(engine, hdr), &refused);
    break;
  }
  case WCX_TEMPLATE_TICK: /* what is due fires before any input */
    break;
  default:
    wcx_define(engine, hdr, body);
    break;
  }
}

/* 0: stops are left over. */
static inline uint64_t next_deadline(const wcx_engine_t *engine)
{
  return engine->stops_due != 0 ? 0 : engine->timers.cnt != 0 ? engine->timers.heap[1].at_ns : UINT64_MAX;
}

/* What comes before an input and is not part of it. */
static void catch_up(wcx_engine_t *engine)
{
  wcx_timers_fire(engine);
  wcx_stops_run(engine);
}

/* What an input leaves to be done. */
static void finish(wcx_engine_t *engine)
{
  if (wcx_stops_may_run(engine))
    wcx_stops_run(engine);
  engine->noted = engine->note_cnt != 0;
  if (engine->noted)
    wcx_notes_flush(engine);
  if (__builtin_expect(engine->touched_cnt != 0, 0))
    wcx_auction_updates(engine);
}

static inline void digest_output(wcx_engine_t *engine, const wcx_outlog_t *out, uint64_t from)
{
  uint64_t sz = out->write_pos - from;
  if (__builtin_expect(!engine->noted && (from & (out->cap - 1)) + sz <= out->cap, 1)) /* no SKIP stands in between */
    wcx_out_digest_absorb(&engine->output_digest, out->base + (from & (out->cap - 1)), sz, 0);
  else
    wcx_out_digest_input(&engine->output_digest, out, from, out->write_pos);
}

/* The short way (plain.h), for requests that may take it. */
static inline bool apply_plain(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body)
{
  uint32_t idx = wcx_idmap_find(&engine->session_map, hdr->session_id);
  if (__builtin_expect(idx == WCX_IDX_NONE || hdr->client_seq == 0, 0))
    return false;
  wcx_session_t *session = &engine->sessions[idx];
  bool done = false;
  if (hdr->template_id == WCX_TEMPLATE_NEW_ORDER_SINGLE && hdr->body_sz >= sizeof(wcx_new_order_single_t))
    done = wcx_plain_new(engine, session, body);
  else if (hdr->template_id == WCX_TEMPLATE_ORDER_CANCEL_REQUEST && hdr->body_sz >= sizeof(wcx_order_cancel_request_t))
    done = wcx_plain_cancel(engine, session, body);
  else if (hdr->template_id == WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST && hdr->body_sz >= sizeof(wcx_order_cancel_replace_request_t))
    done = wcx_plain_replace(engine, session, body);
  if (!done)
    return false;
  session->next_client_seq = hdr->client_seq + 1;
  wcx_session_touch(engine, session);
  return true;
}

void wcx_engine_apply(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, wcx_outlog_t *out)
{
  check_record(engine, hdr);
  engine->seq = hdr->seq;
  engine->stamp_ns = hdr->stamp_ns;
  engine->receive_ns = hdr->receive_ns;
  engine->out = out;
  uint64_t from = out->write_pos;
  if (__builtin_expect(hdr->stamp_ns >= next_deadline(engine) || engine->limits.long_way_only, 0) || !apply_plain(engine, hdr, body))
  {
    engine->trigger_cnt = 0;
    engine->refresh_cnt = 0;
    if (hdr->stamp_ns >= next_deadline(engine))
      catch_up(engine);
    dispatch(engine, hdr, body);
    finish(engine);
    digest_output(engine, out, from);
  }
  if (engine->dirty_cnt >= WCX_DIRTY_MAX)
    wcx_state_settle(engine);
}
