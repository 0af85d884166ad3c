/* The engine's doors: memory and apply. How much an input may say is in bound.c, prefetching in prefetch.c, queries in view.c; what an input does is in request.c, replace.c,
   mass_cancel.c, quote.c, session.c and define.c. */
#include "engine/engine.h"

#include "engine/auction.h"
#include "engine/emit.h"
#include "engine/entitle.h"
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
  engine->entitlements = take(arena, limits->sessions_max, sizeof(wcx_entitlement_t));
  engine->account_plain = take_derived(arena, limits->accounts_max, sizeof(uint8_t));
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
  wcx_index_set_key(&engine->index, limits->hash_key);
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
  wcx_state_set_wake(engine);
  return engine;
}

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
  if (hdr->client_seq != 0 && (hdr->flags & WCX_RECORD_F_TCP) == 0)
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
  case WCX_TEMPLATE_SESSION_STATUS_REQUEST:
  {
    BODY(wcx_session_status_request_t, request);
    wcx_session_status(engine, requester(engine, hdr), &request);
    break;
  }
  case WCX_TEMPLATE_REQUEST_REFUSED:
  {
    BODY(wcx_request_refused_t, refused);
    wcx_request_refused(engine, requester(engine, hdr), &refused);
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

void wcx_emit_digest(wcx_engine_t *engine)
{
  const wcx_outlog_t *out = engine->out;
  engine->digested_blocks = wcx_out_digest_more(&engine->output_digest, out, engine->digested_pos, out->write_pos, engine->digested_blocks);
  engine->digested_pos = out->write_pos;
}

/* What the input said and is not in the digest yet. */
static inline void digest_output(wcx_engine_t *engine, const wcx_outlog_t *out)
{
  uint64_t from = engine->digested_pos;
  uint64_t sz = out->write_pos - from;
  if (__builtin_expect(!engine->noted && (from & (out->cap - 1)) + sz <= out->cap, 1)) /* no SKIP stands in between */
    wcx_out_digest_absorb(&engine->output_digest, out->base + (from & (out->cap - 1)), sz, engine->digested_blocks);
  else
    wcx_emit_digest(engine);
}

void wcx_engine_apply_long(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body)
{
  const wcx_outlog_t *out = engine->out;
  engine->digested_pos = out->write_pos;
  engine->digested_blocks = 0;
  engine->trigger_cnt = 0;
  engine->refresh_cnt = 0;
  if (hdr->stamp_ns >= wcx_state_deadline(engine))
    catch_up(engine);
  dispatch(engine, hdr, body);
  finish(engine);
  digest_output(engine, out);
  if (engine->dirty_cnt >= WCX_DIRTY_MAX)
    wcx_state_settle(engine);
  wcx_state_set_wake(engine);
}

/* Each way is the last thing done here: nothing is kept over a call. */
void wcx_engine_apply(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, wcx_outlog_t *out)
{
  check_record(engine, hdr);
  engine->seq = hdr->seq;
  engine->stamp_ns = hdr->stamp_ns;
  engine->receive_ns = hdr->receive_ns;
  engine->client_seq = hdr->client_seq;
  engine->out = out;
  if (__builtin_expect(hdr->stamp_ns >= engine->wake_ns, 0))
    wcx_engine_apply_long(engine, hdr, body); /* NOLINT(bugprone-branch-clone): asked before the kind is */
  else if (hdr->template_id == WCX_TEMPLATE_NEW_ORDER_SINGLE && hdr->body_sz >= sizeof(wcx_new_order_single_t))
    wcx_plain_new(engine, hdr, body);
  else if (hdr->template_id == WCX_TEMPLATE_ORDER_CANCEL_REQUEST && hdr->body_sz >= sizeof(wcx_order_cancel_request_t))
    wcx_plain_cancel(engine, hdr, body);
  else if (hdr->template_id == WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST && hdr->body_sz >= sizeof(wcx_order_cancel_replace_request_t))
    wcx_plain_replace(engine, hdr, body);
  else
    wcx_engine_apply_long(engine, hdr, body);
}
