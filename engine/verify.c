/* All invariants of the state, checked from scratch. */
#include "engine/auction.h"
#include "engine/book.h"
#include "engine/entitle.h"
#include "engine/mmp.h"
#include "engine/risk.h"
#include "engine/uncross.h"

/* What has been seen while walking. */
typedef struct census
{
  uint32_t orders;
  uint32_t levels;
  uint32_t nodes;
  uint32_t stops;
  uint32_t stop_levels;
  uint32_t unseen;
} census_t;

/* One queue of a level; returns how many orders it holds, adds what they show to *displayed. */
static uint32_t verify_queue(const wcx_engine_t *engine, uint32_t instrument, uint8_t side, uint32_t at, uint32_t head, uint32_t tail, bool hidden, wcx_u128_t *displayed)
{
  const wcx_pool_t *pool = &engine->pool;
  uint32_t order_cnt = 0;
  uint32_t prev = 0;
  for (uint32_t slot = head; slot != 0; slot = pool->orders[slot].next)
  {
    const wcx_order_t *order = &pool->orders[slot];
    WCX_CHECK(order->level == at && order->instrument == instrument && order->side == side, "slot %u at level %u: says level %u instrument %u side %u", slot, at, order->level,
              order->instrument, order->side);
    WCX_CHECK(order->leaves > 0 && order->leaves <= order->order_qty, "slot %u: leaves %lld of %lld", slot, (long long)order->leaves, (long long)order->order_qty);
    WCX_CHECK(order->prev == prev, "slot %u: prev %u, came from %u", slot, order->prev, prev);
    WCX_CHECK(prev == 0 || pool->orders[prev].priority <= order->priority, "slot %u: priority %llu behind slot %u's %llu", slot, (unsigned long long)order->priority, prev,
              (unsigned long long)pool->orders[prev].priority);
    WCX_CHECK(((uint32_t)order->order_id & WCX_ORDER_SLOT_MAX) == slot, "slot %u: OrderID %llu", slot, (unsigned long long)order->order_id);
    WCX_CHECK(order->cl_ord_id <= engine->sessions[order->session].last_cl_ord_id, "slot %u: ClOrdID %llu above the session's last", slot, (unsigned long long)order->cl_ord_id);
    WCX_CHECK(((order->flags & WCX_ORDER_F_HIDDEN) != 0) == hidden, "slot %u: flags %02x in the %s queue", slot, order->flags, hidden ? "hidden" : "displayed");
    int64_t shows = wcx_book_displayed(engine, slot);
    WCX_CHECK(hidden || (shows > 0 && shows <= order->leaves), "slot %u: shows %lld of %lld", slot, (long long)shows, (long long)order->leaves);
    *displayed += (uint64_t)shows;
    order_cnt++;
    prev = slot;
  }
  WCX_CHECK(tail == prev, "level %u: tail %u, last seen %u", at, tail, prev);
  return order_cnt;
}

static void verify_level(const wcx_engine_t *engine, uint32_t instrument, uint8_t side, uint32_t at)
{
  const wcx_level_t *level = &engine->ladders.levels[at];
  wcx_u128_t displayed = 0;
  uint32_t order_cnt = verify_queue(engine, instrument, side, at, level->head, level->tail, false, &displayed);
  uint32_t hidden_cnt = verify_queue(engine, instrument, side, at, level->hidden_head, level->hidden_tail, true, &displayed);
  WCX_CHECK(level->order_cnt == order_cnt && level->hidden_cnt == hidden_cnt && order_cnt + hidden_cnt != 0, "level %u: %u + %u orders, %u + %u seen", at, level->order_cnt,
            level->hidden_cnt, order_cnt, hidden_cnt);
  WCX_CHECK(level->displayed == displayed, "level %u: displayed %llu, orders say %llu", at, (unsigned long long)level->displayed, (unsigned long long)displayed);
}

static void verify_side(const wcx_engine_t *engine, uint32_t idx, uint8_t side, census_t *census)
{
  const wcx_instrument_t *instrument = &engine->instruments[idx];
  const wcx_ladder_t *ladder = &instrument->side[side - 1];
  uint32_t order_cnt = 0;
  census->nodes += wcx_ladder_verify(&engine->ladders, ladder);
  census->levels += ladder->level_cnt;
  for (uint32_t at = ladder->best; at != 0; at = wcx_ladder_next(&engine->ladders, at))
  {
    const wcx_level_t *level = &engine->ladders.levels[at];
    uint64_t rest;
    uint64_t px_idx = wcx_divide(&instrument->increment, (uint64_t)level->price, &rest);
    WCX_CHECK(rest == 0 && level->key == wcx_book_key(side, px_idx), "level %u: price %lld key %llx", at, (long long)level->price, (unsigned long long)level->key);
    verify_level(engine, idx, side, at);
    order_cnt += level->order_cnt + level->hidden_cnt;
  }
  WCX_CHECK(order_cnt == ladder->order_cnt, "instrument %u side %u: %u orders, %u counted", idx, side, order_cnt, ladder->order_cnt);
  census->orders += order_cnt;
}

/* Waiting stops by StopPx. */
static void verify_stops(const wcx_engine_t *engine, uint32_t idx, uint8_t side, census_t *census)
{
  const wcx_ladder_t *ladder = &engine->instruments[idx].stops[side - 1];
  uint32_t order_cnt = 0;
  census->nodes += wcx_ladder_verify(&engine->ladders, ladder);
  census->stop_levels += ladder->level_cnt;
  for (uint32_t at = ladder->best; at != 0; at = wcx_ladder_next(&engine->ladders, at))
  {
    uint64_t place = 0;
    for (uint32_t slot = engine->ladders.levels[at].head; slot != 0; slot = engine->pool.orders[slot].next)
    {
      const wcx_order_t *order = &engine->pool.orders[slot];
      const wcx_order_extra_t *extra = &engine->pool.extras[slot];
      WCX_CHECK(order->level == at && order->instrument == idx && order->side == side && (order->flags & WCX_ORDER_F_WAITING) != 0, "slot %u among the stops of instrument %u",
                slot, idx);
      WCX_CHECK(extra->stop_px == engine->ladders.levels[at].price && extra->place > place, "slot %u: StopPx %lld place %llu", slot, (long long)extra->stop_px,
                (unsigned long long)extra->place);
      place = extra->place;
      order_cnt++;
    }
  }
  WCX_CHECK(order_cnt == ladder->order_cnt, "instrument %u side %u: %u stops, %u counted", idx, side, order_cnt, ladder->order_cnt);
  census->stops += order_cnt;
}

/* Orders of one auction: unseen unless it holds. */
static void verify_phase(const wcx_engine_t *engine, uint32_t idx, enum wcx_phase phase, census_t *census)
{
  const wcx_instrument_t *instrument = &engine->instruments[idx];
  bool holds = wcx_book_phase_of_status(instrument->status) == phase;
  uint32_t prev = 0;
  uint64_t place = 0;
  for (uint32_t slot = instrument->phase_head[phase]; slot != 0; slot = engine->pool.extras[slot].phase_next)
  {
    const wcx_order_t *order = &engine->pool.orders[slot];
    const wcx_order_extra_t *extra = &engine->pool.extras[slot];
    bool unseen = order->level == WCX_LEVEL_UNSEEN && (order->flags & WCX_ORDER_F_WAITING) != 0;
    WCX_CHECK(order->instrument == idx && wcx_book_phase(extra->tif) == phase && unseen != holds, "slot %u of instrument %u in phase %u: level %u flags %02x status %u", slot, idx,
              phase, order->level, order->flags, instrument->status);
    WCX_CHECK(extra->phase_prev == prev && extra->place > place, "slot %u of phase %u: place %llu behind slot %u's %llu", slot, phase, (unsigned long long)extra->place, prev,
              (unsigned long long)place);
    census->unseen += unseen;
    place = extra->place;
    prev = slot;
  }
  WCX_CHECK(instrument->phase_tail[phase] == prev, "instrument %u phase %u: tail %u, last seen %u", idx, phase, instrument->phase_tail[phase], prev);
}

/* What the feed was told of an auction is what there is now; of no auction nothing is told. */
static void verify_auction(const wcx_engine_t *engine, uint32_t idx)
{
  const wcx_instrument_t *instrument = &engine->instruments[idx];
  WCX_CHECK((instrument->flags & WCX_INSTRUMENT_F_TOUCHED) == 0, "instrument %u: touched between inputs", idx);
  WCX_CHECK((instrument->resume_ns != 0) == (instrument->timer_pos != 0) && (instrument->resume_ns != 0) == (instrument->resume_arm != 0),
            "instrument %u: scheduled for %llu, timer %u", idx, (unsigned long long)instrument->resume_ns, instrument->timer_pos);
  WCX_CHECK((instrument->flags & WCX_INSTRUMENT_F_VOLATILE) == 0 || instrument->status == WCX_SECURITY_TRADING_STATUS_PAUSED, "instrument %u: volatile in status %u", idx,
            instrument->status);
  WCX_CHECK((instrument->told_side == WCX_TOLD_NOTHING) != wcx_auction_indicates(instrument->status), "instrument %u: told %u in status %u", idx, instrument->told_side,
            instrument->status);
  if (!wcx_auction_indicates(instrument->status))
    return;
  wcx_indicative_t at = wcx_uncross_indicate(engine, instrument);
  WCX_CHECK(at.px == instrument->told_px && at.side == instrument->told_side, "instrument %u: told %lld side %u, there is %lld side %u", idx, (long long)instrument->told_px,
            instrument->told_side, (long long)at.px, at.side);
}

/* What the short way trusts must be what the long way looks up. */
static void verify_plain(const wcx_instrument_t *instrument)
{
  bool plain = instrument->used && instrument->status == WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE;
  WCX_CHECK(((instrument->flags & WCX_INSTRUMENT_F_PLAIN) != 0) == plain, "instrument %u: flags %04x status %u", instrument->security_id, instrument->flags, instrument->status);
  wcx_instrument_t again = *instrument;
  wcx_state_set_plain_terms(&again);
  WCX_CHECK(again.plain_px_max == instrument->plain_px_max && again.plain_qty_max == instrument->plain_qty_max, "instrument %u: everyday terms up to %u x %u, should be %u x %u",
            instrument->security_id, instrument->plain_px_max, instrument->plain_qty_max, again.plain_px_max, again.plain_qty_max);
}

static void verify_instrument(const wcx_engine_t *engine, uint32_t idx, census_t *census)
{
  const wcx_instrument_t *instrument = &engine->instruments[idx];
  verify_plain(instrument);
  verify_side(engine, idx, WCX_SIDE_BUY, census);
  verify_side(engine, idx, WCX_SIDE_SELL, census);
  verify_stops(engine, idx, WCX_SIDE_BUY, census);
  verify_stops(engine, idx, WCX_SIDE_SELL, census);
  verify_phase(engine, idx, WCX_PHASE_OPENING, census);
  verify_phase(engine, idx, WCX_PHASE_CLOSING, census);
  verify_auction(engine, idx);
  uint32_t bid = instrument->side[0].best;
  uint32_t ask = instrument->side[1].best;
  if (bid != 0 && ask != 0 && wcx_auction_uncrosses(instrument->status))
    WCX_CHECK(engine->ladders.levels[bid].price < engine->ladders.levels[ask].price, "instrument %u crossed: bid %lld ask %lld", instrument->security_id,
              (long long)engine->ladders.levels[bid].price, (long long)engine->ladders.levels[ask].price);
}

static void verify_session(const wcx_engine_t *engine, uint32_t idx)
{
  const wcx_session_t *session = &engine->sessions[idx];
  uint32_t order_cnt = 0;
  uint32_t prev = 0;
  for (uint32_t slot = session->order_head; slot != 0; slot = engine->pool.links[slot].next)
  {
    WCX_CHECK(engine->pool.orders[slot].session == idx && engine->pool.orders[slot].level != 0, "session %u lists slot %u, which is not its", session->session_id, slot);
    WCX_CHECK(engine->pool.links[slot].prev == prev, "session %u slot %u: prev %u, came from %u", session->session_id, slot, engine->pool.links[slot].prev, prev);
    prev = slot;
    order_cnt++;
  }
  WCX_CHECK(session->order_tail == prev && session->open_orders == order_cnt, "session %u: tail %u, last seen %u; %u orders, %u seen", session->session_id, session->order_tail,
            prev, session->open_orders, order_cnt);
  WCX_CHECK((session->cod_deadline_ns != 0) == (session->timer_pos != 0), "session %u: deadline %llu, timer %u", session->session_id, (unsigned long long)session->cod_deadline_ns,
            session->timer_pos);
}

void wcx_engine_verify(const wcx_engine_t *engine)
{
  census_t census = {0};
  for (uint32_t i = 0; i < engine->instrument_cnt; i++)
    verify_instrument(engine, i, &census);
  WCX_CHECK(census.orders + census.stops + census.unseen == engine->pool.live, "%u orders in books, %u stops, %u unseen; %u live in the pool", census.orders, census.stops,
            census.unseen, engine->pool.live);
  WCX_CHECK(census.stops == engine->stop_cnt && census.stop_levels == engine->stop_level_cnt, "%u stops at %u levels, %u and %u counted", census.stops, census.stop_levels,
            engine->stop_cnt, engine->stop_level_cnt);
  WCX_CHECK(census.levels + census.stop_levels == engine->ladders.level_live, "%u + %u levels in books, %u live in the pool", census.levels, census.stop_levels,
            engine->ladders.level_live);
  WCX_CHECK(census.nodes == engine->ladders.node_live, "%u nodes in books, %u live in the pool", census.nodes, engine->ladders.node_live);
  for (uint32_t i = 0; i < engine->session_cnt; i++)
    verify_session(engine, i);
  for (uint32_t i = 0; i < engine->account_cnt; i++)
  {
    const wcx_account_t *account = &engine->accounts[i];
    bool plain = wcx_state_account_is_plain(account);
    WCX_CHECK(engine->account_plain[i] == plain, "account %u: plain %u, should be %u", account->definition.account, engine->account_plain[i], plain);
  }
  uint32_t mmp_orders = 0;
  for (uint32_t slot = 1; slot <= engine->pool.bump; slot++)
    mmp_orders += engine->pool.orders[slot].level != 0 && (engine->pool.orders[slot].flags & WCX_ORDER_F_MMP) != 0;
  WCX_CHECK(mmp_orders == engine->mmp_orders, "%u orders fall with a group, %u counted", mmp_orders, engine->mmp_orders);
  uint32_t restricted = wcx_entitle_count(engine);
  WCX_CHECK(restricted == engine->restricted_cnt, "%u sessions are restricted, %u counted", restricted, engine->restricted_cnt);
  wcx_mmp_verify(engine);
  wcx_timers_verify(engine);
  WCX_CHECK(engine->wake_ns == (engine->limits.long_way_only ? 0 : wcx_state_deadline(engine)), "wakes at %llu, first deadline %llu", (unsigned long long)engine->wake_ns,
            (unsigned long long)wcx_state_deadline(engine));
  wcx_risk_verify(engine);
  uint32_t free_cnt = 0;
  uint64_t hash = engine->pool.free_hash;
  for (uint32_t slot = engine->pool.free_head; slot != 0; slot = engine->pool.orders[slot].next)
  {
    const wcx_order_t *order = &engine->pool.orders[slot];
    WCX_CHECK(order->level == 0, "free slot %u has level %u", slot, order->level);
    WCX_CHECK(hash == wcx_pool_free_hash(wcx_pool_free_below(order), order->order_id), "free slot %u: hash %016llx", slot, (unsigned long long)hash);
    hash = wcx_pool_free_below(order);
    free_cnt++;
  }
  WCX_CHECK(hash == 0, "below the free list lies %016llx", (unsigned long long)hash);
  WCX_CHECK(free_cnt + engine->pool.live <= engine->pool.bump, "%u free + %u live > %u used", free_cnt, engine->pool.live, engine->pool.bump);
  wcx_index_verify(&engine->index, &engine->pool);
  wcx_digest_t held = wcx_engine_state_digest(engine);
  wcx_digest_t full = wcx_engine_state_digest_full(engine);
  WCX_CHECK(held.lo == full.lo && held.hi == full.hi, "state digest %016llx, recomputed %016llx", (unsigned long long)held.lo, (unsigned long long)full.lo);
}
