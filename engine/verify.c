/* All invariants of the state, checked from scratch. */
#include "engine/book.h"

/* What has been seen while walking. */
typedef struct census
{
  uint32_t orders;
  uint32_t levels;
  uint32_t nodes;
} census_t;

static void verify_level(const wcx_engine_t *engine, uint32_t instrument, uint8_t side, uint32_t at)
{
  const wcx_level_t *level = &engine->ladders.levels[at];
  const wcx_pool_t *pool = &engine->pool;
  wcx_u128_t displayed = 0;
  uint32_t order_cnt = 0;
  uint32_t prev = 0;
  for (uint32_t slot = level->head; slot != 0; slot = pool->orders[slot].next)
  {
    const wcx_order_t *order = &pool->orders[slot];
    WCX_CHECK(order->level == at && order->instrument == instrument && order->side == side, "slot %u at level %u: says level %u instrument %u side %u", slot, at, order->level,
              order->instrument, order->side);
    WCX_CHECK(order->leaves > 0 && order->leaves <= order->order_qty, "slot %u: leaves %lld of %lld", slot, (long long)order->leaves, (long long)order->order_qty);
    WCX_CHECK(order->prev == prev, "slot %u: prev %u, came from %u", slot, order->prev, prev);
    WCX_CHECK(prev == 0 || pool->orders[prev].priority < order->priority, "slot %u: priority %llu behind slot %u's %llu", slot, (unsigned long long)order->priority, prev,
              (unsigned long long)pool->orders[prev].priority);
    WCX_CHECK(((uint32_t)order->order_id & WCX_ORDER_SLOT_MAX) == slot, "slot %u: OrderID %llu", slot, (unsigned long long)order->order_id);
    WCX_CHECK(order->cl_ord_id <= engine->sessions[order->session].last_cl_ord_id, "slot %u: ClOrdID %llu above the session's last", slot, (unsigned long long)order->cl_ord_id);
    displayed += (uint64_t)order->leaves;
    order_cnt++;
    prev = slot;
  }
  WCX_CHECK(level->tail == prev && level->order_cnt == order_cnt && order_cnt != 0, "level %u: tail %u, last seen %u; %u orders, %u seen", at, level->tail, prev, level->order_cnt,
            order_cnt);
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
    order_cnt += level->order_cnt;
  }
  WCX_CHECK(order_cnt == ladder->order_cnt, "instrument %u side %u: %u orders, %u counted", idx, side, order_cnt, ladder->order_cnt);
  census->orders += order_cnt;
}

static void verify_instrument(const wcx_engine_t *engine, uint32_t idx, census_t *census)
{
  const wcx_instrument_t *instrument = &engine->instruments[idx];
  verify_side(engine, idx, WCX_SIDE_BUY, census);
  verify_side(engine, idx, WCX_SIDE_SELL, census);
  uint32_t bid = instrument->side[0].best;
  uint32_t ask = instrument->side[1].best;
  if (bid != 0 && ask != 0)
    WCX_CHECK(engine->ladders.levels[bid].price < engine->ladders.levels[ask].price, "instrument %u crossed: bid %lld ask %lld", instrument->security_id,
              (long long)engine->ladders.levels[bid].price, (long long)engine->ladders.levels[ask].price);
}

static uint32_t verify_session(const wcx_engine_t *engine, uint32_t idx)
{
  const wcx_session_t *session = &engine->sessions[idx];
  uint32_t order_cnt = 0;
  uint32_t prev = 0;
  for (uint32_t slot = session->order_head; slot != 0; slot = engine->pool.links[slot].next)
  {
    WCX_CHECK(engine->pool.orders[slot].session == idx && engine->pool.orders[slot].level != 0, "session %u lists slot %u, which is not its", session->session_id, slot);
    WCX_CHECK(engine->pool.links[slot].prev == prev, "session %u slot %u: prev %u, came from %u", session->session_id, slot, engine->pool.links[slot].prev, prev);
    WCX_CHECK(prev == 0 || engine->pool.orders[prev].priority < engine->pool.orders[slot].priority, "session %u: slot %u behind %u against priority", session->session_id, slot,
              prev);
    prev = slot;
    order_cnt++;
  }
  WCX_CHECK(session->order_tail == prev && session->open_orders == order_cnt, "session %u: tail %u, last seen %u; %u orders, %u seen", session->session_id, session->order_tail,
            prev, session->open_orders, order_cnt);
  return session->cod_deadline_ns != 0 ? order_cnt : 0;
}

void wcx_engine_verify(const wcx_engine_t *engine)
{
  census_t census = {0};
  for (uint32_t i = 0; i < engine->instrument_cnt; i++)
    verify_instrument(engine, i, &census);
  WCX_CHECK(census.orders == engine->pool.live, "%u orders in books, %u live in the pool", census.orders, engine->pool.live);
  WCX_CHECK(census.levels == engine->ladders.level_live, "%u levels in books, %u live in the pool", census.levels, engine->ladders.level_live);
  WCX_CHECK(census.nodes == engine->ladders.node_live, "%u nodes in books, %u live in the pool", census.nodes, engine->ladders.node_live);
  uint32_t pending = 0;
  for (uint32_t i = 0; i < engine->session_cnt; i++)
    pending += verify_session(engine, i);
  WCX_CHECK(pending == engine->cod_pending_orders, "%u orders of sessions with a deadline, %u counted", pending, engine->cod_pending_orders);
  uint32_t free_cnt = 0;
  for (uint32_t slot = engine->pool.free_head; slot != 0; slot = engine->pool.orders[slot].next)
  {
    WCX_CHECK(engine->pool.orders[slot].level == 0, "free slot %u has level %u", slot, engine->pool.orders[slot].level);
    free_cnt++;
  }
  WCX_CHECK(free_cnt + engine->pool.live <= engine->pool.bump, "%u free + %u live > %u used", free_cnt, engine->pool.live, engine->pool.bump);
  wcx_index_verify(&engine->index, &engine->pool);
  wcx_digest_t held = wcx_engine_state_digest(engine);
  wcx_digest_t full = wcx_engine_state_digest_full(engine);
  WCX_CHECK(held.lo == full.lo && held.hi == full.hi, "state digest %016llx, recomputed %016llx", (unsigned long long)held.lo, (unsigned long long)full.lo);
}
