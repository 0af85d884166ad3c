/* Where plain orders stand, as straight code: the same as book.* does for every order. Slot 0 is nobody, and its links are nobody's: no branch asks whether
   there is a neighbour.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Pinned by:  tests/property/test_engine_invariants.c, tests/diff. */
#ifndef WCX_ENGINE_PLAIN_BOOK_H
#define WCX_ENGINE_PLAIN_BOOK_H

#include "engine/book.h"
#include "engine/plain_say.h"

/* To the end of a level, which is made when it is not there. Slot 0 is nobody: its links are nobody's. The side's order_cnt is left to callers, here and in
   wcx_plain_leave: a move does not change it. */
WCX_HOT uint32_t wcx_plain_join(wcx_engine_t *engine, wcx_instrument_t *instrument, uint8_t side, uint32_t slot, uint64_t px_idx, int64_t price, int64_t leaves)
{
  wcx_ladder_t *ladder = wcx_book_side(instrument, side);
  uint64_t key = wcx_book_key(side, px_idx);
  uint32_t level_slot = wcx_ladder_find(&engine->ladders, ladder, key);
  if (level_slot == 0)
    level_slot = wcx_ladder_insert(&engine->ladders, ladder, key, price);
  wcx_level_t *level = &engine->ladders.levels[level_slot];
  wcx_order_t *order = &engine->pool.orders[slot];
  uint32_t tail = level->tail;
  order->level = level_slot;
  order->next = 0;
  order->prev = tail;
  engine->pool.orders[tail].next = slot;
  level->head = tail != 0 ? level->head : slot;
  level->tail = slot;
  level->order_cnt++;
  level->displayed += (uint64_t)leaves;
  return level_slot;
}

WCX_HOT void wcx_plain_leave(wcx_engine_t *engine, wcx_instrument_t *instrument, const wcx_order_t *order, wcx_level_t *level)
{
  uint32_t next = order->next;
  uint32_t prev = order->prev;
  engine->pool.orders[prev].next = next;
  engine->pool.orders[next].prev = prev;
  level->head = prev != 0 ? level->head : next;
  level->tail = next != 0 ? level->tail : prev;
  level->displayed -= (uint64_t)order->leaves;
  level->order_cnt--;
  if ((level->head | level->hidden_head) == 0)
    wcx_ladder_remove(&engine->ladders, wcx_book_side(instrument, order->side), order->level);
}

WCX_HOT void wcx_plain_enlist(wcx_pool_t *pool, wcx_session_t *session, uint32_t slot)
{
  uint32_t tail = session->order_tail;
  pool->links[slot] = (wcx_order_links_t){.next = 0, .prev = tail};
  pool->links[tail].next = slot;
  session->order_head = tail != 0 ? session->order_head : slot;
  session->order_tail = slot;
  session->open_orders++;
}

WCX_HOT void wcx_plain_delist(wcx_pool_t *pool, wcx_session_t *session, uint32_t slot)
{
  wcx_order_links_t at = pool->links[slot];
  pool->links[at.prev].next = at.next;
  pool->links[at.next].prev = at.prev;
  session->order_head = at.prev != 0 ? session->order_head : at.next;
  session->order_tail = at.next != 0 ? session->order_tail : at.prev;
  session->open_orders--;
}

/* An order goes: ask memory for its neighbours among its session's, and for who stands behind it and is met next. */
WCX_HOT void wcx_plain_fetch_behind(const wcx_pool_t *pool, uint32_t slot)
{
  const wcx_order_links_t at = pool->links[slot];
  const uint32_t next = pool->orders[slot].next;
  __builtin_prefetch(&pool->orders[next], 1);
  __builtin_prefetch(&pool->links[next], 1);
  __builtin_prefetch(&pool->links[at.next], 1);
  __builtin_prefetch(&pool->links[at.prev], 1);
}

/* Words of an order's line: [level, session] and [account, instrument, side, flags]. */
static_assert(offsetof(wcx_order_t, session) == offsetof(wcx_order_t, level) + 4, "order: word of level and session");
static_assert(offsetof(wcx_order_t, instrument) == 60 && offsetof(wcx_order_t, side) == 62 && offsetof(wcx_order_t, flags) == 63, "order: word of the owner");

WCX_HOT uint64_t wcx_plain_owner_word(uint32_t account, uint32_t instrument, uint8_t side, uint8_t flags)
{
  return account | (uint64_t)instrument << 32 | (uint64_t)side << 48 | (uint64_t)flags << 56;
}

/* wcx_order_hash from what is at hand: reading a line back that has just been written would wait for it. */
WCX_HOT wcx_digest_t wcx_plain_hash(uint64_t leaves, uint64_t order_qty, uint64_t priority, uint64_t order_id, uint64_t cl_ord_id, uint64_t price, uint32_t session, uint64_t owner)
{
  return wcx_blocks4_hash(_mm_set_epi64x((long long)order_qty, (long long)leaves), _mm_set_epi64x((long long)order_id, (long long)priority),
                          _mm_set_epi64x((long long)price, (long long)cl_ord_id), _mm_set_epi64x((long long)owner, (long long)session << 32));
}

WCX_HOT uint8_t wcx_plain_flags(uint16_t exec_inst)
{
  return (exec_inst & WCX_EXEC_INST_CANCEL_ON_DISCONNECT) != 0 ? WCX_ORDER_F_COD : 0;
}

/* Out of everything but the index. */
WCX_HOT void wcx_plain_remove(wcx_engine_t *engine, wcx_session_t *session, wcx_instrument_t *instrument, wcx_order_t *order, uint32_t slot)
{
  wcx_level_t *level = &engine->ladders.levels[order->level];
  wcx_digest_sub(&engine->order_digest, wcx_order_hash(order, level->price));
  wcx_plain_delist(&engine->pool, session, slot);
  wcx_plain_leave(engine, instrument, order, level);
  wcx_book_side(instrument, order->side)->order_cnt--;
  wcx_pool_free(&engine->pool, slot);
}

WCX_HOT bool wcx_plain_crosses(const wcx_engine_t *engine, const wcx_instrument_t *instrument, uint8_t side, int64_t price)
{
  uint32_t best = instrument->side[2 - side].best;
  return best != 0 && wcx_book_crosses(side, price, engine->ladders.levels[best].price);
}

/* Whose a new order is, and where it belongs. */
typedef struct wcx_plain_home
{
  wcx_session_t *session;
  wcx_instrument_t *instrument;
  uint32_t session_idx;
  uint32_t instrument_idx;
} wcx_plain_home_t;

/* A new order as it will rest: its line, its places, its hash. Returns its OrderID. */
WCX_HOT uint64_t wcx_plain_rest(wcx_engine_t *engine, wcx_plain_home_t home, uint32_t slot, const wcx_plain_new_t *request, uint64_t px_idx, int64_t leaves)
{
  const int64_t price = request->price;
  const int64_t qty = request->order_qty;
  const uint64_t cl_ord_id = request->cl_ord_id;
  const uint8_t side = request->side;
  const uint64_t owner = wcx_plain_owner_word(request->account, home.instrument_idx, side, wcx_plain_flags(request->exec_inst));
  wcx_order_t *order = &engine->pool.orders[slot];
  const uint64_t order_id = order->order_id;
  order->leaves = leaves;
  order->order_qty = qty;
  order->priority = engine->seq;
  order->cl_ord_id = cl_ord_id;
  wcx_plain_put((uint8_t *)order, offsetof(wcx_order_t, account), owner);
  order->session = home.session_idx;
  wcx_plain_join(engine, home.instrument, side, slot, px_idx, price, leaves);
  wcx_book_side(home.instrument, side)->order_cnt++;
  wcx_plain_enlist(&engine->pool, home.session, slot);
  wcx_index_add(&engine->index, home.session_idx, cl_ord_id, slot);
  wcx_digest_add(&engine->order_digest, wcx_plain_hash((uint64_t)leaves, (uint64_t)qty, engine->seq, order_id, cl_ord_id, (uint64_t)price, home.session_idx, owner));
  return order_id;
}

#endif
