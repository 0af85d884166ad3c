#include "engine/book.h"

static void list_append(wcx_pool_t *pool, wcx_session_t *session, uint32_t slot)
{
  pool->links[slot] = (wcx_order_links_t){.next = 0, .prev = session->order_tail};
  if (session->order_tail != 0)
    pool->links[session->order_tail].next = slot;
  else
    session->order_head = slot;
  session->order_tail = slot;
}

static void list_remove(wcx_pool_t *pool, wcx_session_t *session, uint32_t slot)
{
  wcx_order_links_t at = pool->links[slot];
  if (at.prev != 0)
    pool->links[at.prev].next = at.next;
  else
    session->order_head = at.next;
  if (at.next != 0)
    pool->links[at.next].prev = at.prev;
  else
    session->order_tail = at.prev;
}

void wcx_book_rest(wcx_engine_t *engine, uint32_t slot, uint64_t px_idx, int64_t price)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_session_t *session = &engine->sessions[order->session];
  wcx_ladder_t *ladder = wcx_book_side(&engine->instruments[order->instrument], order->side);
  uint64_t key = wcx_book_key(order->side, px_idx);
  uint32_t level_slot = wcx_ladder_find(&engine->ladders, ladder, key);
  if (level_slot == 0)
    level_slot = wcx_ladder_insert(&engine->ladders, ladder, key, price);
  wcx_level_t *level = &engine->ladders.levels[level_slot];

  order->level = level_slot;
  order->priority = engine->seq;
  order->next = 0;
  order->prev = level->tail;
  if (level->tail != 0)
    engine->pool.orders[level->tail].next = slot;
  else
    level->head = slot;
  level->tail = slot;
  level->order_cnt++;
  level->displayed += (uint64_t)order->leaves;
  ladder->order_cnt++;

  list_append(&engine->pool, session, slot);
  session->open_orders++;
  wcx_session_touch(engine, session);
  if (session->cod_deadline_ns != 0)
    engine->cod_pending_orders++;
  wcx_index_add(&engine->index, order->session, order->cl_ord_id, slot);
  wcx_digest_add(&engine->order_digest, wcx_order_hash(order, price));
  if (__builtin_expect((order->flags & WCX_ORDER_F_EXTRA) != 0, 0))
    wcx_digest_add(&engine->order_digest, wcx_pool_extra_hash(&engine->pool, slot));
}

void wcx_book_unlink(wcx_engine_t *engine, uint32_t slot)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_session_t *session = &engine->sessions[order->session];
  wcx_ladder_t *ladder = wcx_book_side(&engine->instruments[order->instrument], order->side);
  uint32_t level_slot = order->level;
  wcx_level_t *level = &engine->ladders.levels[level_slot];

  if (order->prev != 0)
    engine->pool.orders[order->prev].next = order->next;
  else
    level->head = order->next;
  if (order->next != 0)
    engine->pool.orders[order->next].prev = order->prev;
  else
    level->tail = order->prev;
  ladder->order_cnt--;
  if (--level->order_cnt == 0)
    wcx_ladder_remove(&engine->ladders, ladder, level_slot);

  list_remove(&engine->pool, session, slot);
  session->open_orders--;
  wcx_session_touch(engine, session);
  if (session->cod_deadline_ns != 0)
    engine->cod_pending_orders--;
  wcx_index_remove(&engine->index, order->session, order->cl_ord_id, slot);
  if (__builtin_expect((order->flags & WCX_ORDER_F_EXTRA) != 0, 0))
    wcx_digest_sub(&engine->order_digest, wcx_pool_extra_hash(&engine->pool, slot));
  order->level = 0;
}

void wcx_book_unrest(wcx_engine_t *engine, uint32_t slot)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_level_t *level = &engine->ladders.levels[order->level];
  wcx_digest_sub(&engine->order_digest, wcx_order_hash(order, level->price));
  level->displayed -= (uint64_t)order->leaves;
  wcx_book_unlink(engine, slot);
}

bool wcx_book_available(const wcx_engine_t *engine, const wcx_instrument_t *instrument, uint8_t side, int64_t price, int64_t qty)
{
  const wcx_ladders_t *pools = &engine->ladders;
  wcx_u128_t sum = 0;
  for (uint32_t at = instrument->side[2 - side].best; at != 0 && wcx_book_crosses(side, price, pools->levels[at].price); at = wcx_ladder_next(pools, at))
  {
    sum += pools->levels[at].displayed;
    if (sum >= (uint64_t)qty)
      return true;
  }
  return false;
}
