#include "engine/book.h"

#include "engine/timers.h"

/* --- the list of a session -------------------------------------------------------------------------------------------------------------- */

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

void wcx_book_count_special(wcx_engine_t *engine, uint32_t slot, int by)
{
  engine->instruments[engine->pool.orders[slot].instrument].special_cnt += (uint32_t)by;
  engine->special_total += (uint32_t)by;
}

void wcx_book_enlist(wcx_engine_t *engine, uint32_t slot)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_session_t *session = &engine->sessions[order->session];
  list_append(&engine->pool, session, slot);
  session->open_orders++;
  wcx_session_touch(engine, session);
  if (__builtin_expect((order->flags & WCX_ORDER_F_QUOTE) == 0, 1))
    wcx_index_add(&engine->index, order->session, order->cl_ord_id, slot);
  else
    wcx_index_add(&engine->index, order->session | WCX_INDEX_QUOTE(order->side), engine->pool.extras[slot].quote_key, slot);
  if (__builtin_expect((order->flags & (WCX_ORDER_F_HIDDEN | WCX_ORDER_F_ICEBERG)) != 0, 0))
    wcx_book_count_special(engine, slot, 1);
  engine->mmp_orders += (order->flags & WCX_ORDER_F_MMP) != 0;
}

static void phase_remove(wcx_engine_t *engine, uint32_t slot)
{
  wcx_order_extra_t *extras = engine->pool.extras;
  wcx_instrument_t *instrument = &engine->instruments[engine->pool.orders[slot].instrument];
  enum wcx_phase phase = wcx_book_phase(extras[slot].tif);
  uint32_t next = extras[slot].phase_next;
  uint32_t prev = extras[slot].phase_prev;
  if (prev != 0)
    extras[prev].phase_next = next;
  else
    instrument->phase_head[phase] = next;
  if (next != 0)
    extras[next].phase_prev = prev;
  else
    instrument->phase_tail[phase] = prev;
}

void wcx_book_end(wcx_engine_t *engine, uint32_t slot)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_session_t *session = &engine->sessions[order->session];
  list_remove(&engine->pool, session, slot);
  session->open_orders--;
  wcx_session_touch(engine, session);
  if (__builtin_expect((order->flags & WCX_ORDER_F_QUOTE) == 0, 1))
    wcx_index_remove(&engine->index, order->session, order->cl_ord_id, slot);
  else
    wcx_index_remove(&engine->index, order->session | WCX_INDEX_QUOTE(order->side), engine->pool.extras[slot].quote_key, slot);
  if (__builtin_expect((order->flags & WCX_ORDER_F_EXTRA) != 0, 0))
  {
    wcx_timer_disarm(engine, WCX_TIMER_ORDER, slot);
    if (wcx_book_phase(engine->pool.extras[slot].tif) != WCX_PHASE_NONE)
      phase_remove(engine, slot);
    if ((order->flags & (WCX_ORDER_F_HIDDEN | WCX_ORDER_F_ICEBERG)) != 0)
      wcx_book_count_special(engine, slot, -1);
    engine->mmp_orders -= (order->flags & WCX_ORDER_F_MMP) != 0;
  }
  wcx_pool_free(&engine->pool, slot);
}

void wcx_book_rename(wcx_engine_t *engine, uint32_t slot, uint64_t cl_ord_id)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_index_remove(&engine->index, order->session, order->cl_ord_id, slot);
  order->cl_ord_id = cl_ord_id;
  wcx_index_add(&engine->index, order->session, cl_ord_id, slot);
}

/* --- places ----------------------------------------------------------------------------------------------------------------------------- */

static inline void queue_append(wcx_pool_t *pool, uint32_t *head, uint32_t *tail, uint32_t slot)
{
  wcx_order_t *order = &pool->orders[slot];
  order->next = 0;
  order->prev = *tail;
  if (*tail != 0)
    pool->orders[*tail].next = slot;
  else
    *head = slot;
  *tail = slot;
}

static inline void queue_remove(wcx_pool_t *pool, uint32_t *head, uint32_t *tail, uint32_t slot)
{
  const wcx_order_t *order = &pool->orders[slot];
  if (order->prev != 0)
    pool->orders[order->prev].next = order->next;
  else
    *head = order->next;
  if (order->next != 0)
    pool->orders[order->next].prev = order->prev;
  else
    *tail = order->prev;
}

static inline uint32_t level_at(wcx_engine_t *engine, wcx_ladder_t *ladder, uint64_t key, int64_t price)
{
  uint32_t slot = wcx_ladder_find(&engine->ladders, ladder, key);
  return slot != 0 ? slot : wcx_ladder_insert(&engine->ladders, ladder, key, price);
}

void wcx_book_rest(wcx_engine_t *engine, uint32_t slot, uint64_t px_idx, int64_t price)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  wcx_ladder_t *ladder = wcx_book_side(instrument, order->side);
  uint32_t level_slot = level_at(engine, ladder, wcx_book_key(order->side, px_idx), price);
  wcx_level_t *level = &engine->ladders.levels[level_slot];
  order->level = level_slot;
  order->priority = engine->seq;
  ladder->order_cnt++;
  if (__builtin_expect((order->flags & WCX_ORDER_F_HIDDEN) != 0, 0))
  {
    queue_append(&engine->pool, &level->hidden_head, &level->hidden_tail, slot);
    level->hidden_cnt++;
  }
  else
  {
    queue_append(&engine->pool, &level->head, &level->tail, slot);
    level->order_cnt++;
    level->displayed += (uint64_t)wcx_book_displayed(engine, slot);
  }
  wcx_order_sum_add(engine, slot);
  wcx_instrument_touch(engine, instrument);
}

void wcx_book_unlink(wcx_engine_t *engine, uint32_t slot)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  wcx_ladder_t *ladder = wcx_book_side(instrument, order->side);
  uint32_t level_slot = order->level;
  wcx_level_t *level = &engine->ladders.levels[level_slot];
  if (__builtin_expect((order->flags & WCX_ORDER_F_HIDDEN) != 0, 0))
  {
    queue_remove(&engine->pool, &level->hidden_head, &level->hidden_tail, slot);
    level->hidden_cnt--;
  }
  else
  {
    queue_remove(&engine->pool, &level->head, &level->tail, slot);
    level->order_cnt--;
  }
  ladder->order_cnt--;
  if ((level->head | level->hidden_head) == 0)
    wcx_ladder_remove(&engine->ladders, ladder, level_slot);
  order->level = 0;
  wcx_instrument_touch(engine, instrument);
}

void wcx_book_refresh(wcx_engine_t *engine, uint32_t slot, bool whole)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_order_extra_t *extra = &engine->pool.extras[slot];
  wcx_level_t *level = &engine->ladders.levels[order->level];
  queue_remove(&engine->pool, &level->head, &level->tail, slot);
  queue_append(&engine->pool, &level->head, &level->tail, slot);
  order->priority = engine->seq;
  extra->displayed = whole || order->leaves < extra->display_qty ? order->leaves : extra->display_qty;
  extra->public_id = WCX_PUBLIC_ID_REFRESHED | ++engine->display_no;
  level->displayed += (uint64_t)extra->displayed;
}

void wcx_book_shrink(wcx_engine_t *engine, uint32_t slot, int64_t less)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  order->leaves -= less;
  order->order_qty -= less;
  if ((order->flags & WCX_ORDER_F_ICEBERG) != 0)
  {
    wcx_order_extra_t *extra = &engine->pool.extras[slot];
    less = extra->displayed > order->leaves ? extra->displayed - order->leaves : 0;
    extra->displayed -= less;
  }
  if ((order->flags & (WCX_ORDER_F_HIDDEN | WCX_ORDER_F_WAITING)) == 0)
    engine->ladders.levels[order->level].displayed -= (uint64_t)less;
  wcx_instrument_touch(engine, &engine->instruments[order->instrument]);
}

static inline uint64_t stop_key(uint8_t side, uint64_t px_idx)
{
  return side == WCX_SIDE_BUY ? px_idx : ~px_idx; /* a rising price triggers the lowest buy first */
}

void wcx_book_wait_stop(wcx_engine_t *engine, uint32_t slot)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  const wcx_order_extra_t *extra = &engine->pool.extras[slot];
  wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  wcx_ladder_t *ladder = &instrument->stops[order->side - 1];
  uint64_t rest;
  uint64_t px_idx = wcx_divide(&instrument->increment, (uint64_t)extra->stop_px, &rest);
  uint32_t levels_before = engine->ladders.level_live;
  uint32_t level_slot = level_at(engine, ladder, stop_key(order->side, px_idx), extra->stop_px);
  wcx_level_t *level = &engine->ladders.levels[level_slot];
  engine->stop_level_cnt += engine->ladders.level_live - levels_before;
  order->level = level_slot;
  order->flags |= WCX_ORDER_F_WAITING;
  order->priority = engine->seq;
  ladder->order_cnt++;
  queue_append(&engine->pool, &level->head, &level->tail, slot);
  level->order_cnt++;
  engine->stop_cnt++;
  wcx_order_sum_add(engine, slot);
}

void wcx_book_wait_unseen(wcx_engine_t *engine, uint32_t slot)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  order->level = WCX_LEVEL_UNSEEN;
  order->flags |= WCX_ORDER_F_WAITING;
  order->priority = engine->seq;
  wcx_order_sum_add(engine, slot);
}

void wcx_book_phase_append(wcx_engine_t *engine, uint32_t slot)
{
  wcx_order_extra_t *extras = engine->pool.extras;
  wcx_instrument_t *instrument = &engine->instruments[engine->pool.orders[slot].instrument];
  enum wcx_phase phase = wcx_book_phase(extras[slot].tif);
  uint32_t tail = instrument->phase_tail[phase];
  extras[slot].place = ++engine->place_no;
  extras[slot].phase_next = 0;
  extras[slot].phase_prev = tail;
  if (tail != 0)
    extras[tail].phase_next = slot;
  else
    instrument->phase_head[phase] = slot;
  instrument->phase_tail[phase] = slot;
}

static void stop_waiting(wcx_engine_t *engine, uint32_t slot)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  if (order->level != WCX_LEVEL_UNSEEN)
  {
    wcx_ladder_t *ladder = &engine->instruments[order->instrument].stops[order->side - 1];
    wcx_level_t *level = &engine->ladders.levels[order->level];
    queue_remove(&engine->pool, &level->head, &level->tail, slot);
    ladder->order_cnt--;
    engine->stop_cnt--;
    if (--level->order_cnt == 0)
    {
      wcx_ladder_remove(&engine->ladders, ladder, order->level);
      engine->stop_level_cnt--;
    }
  }
  order->flags &= (uint8_t)~WCX_ORDER_F_WAITING;
  order->level = 0;
}

void wcx_book_take_out(wcx_engine_t *engine, uint32_t slot)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_order_sum_sub(engine, slot);
  if (__builtin_expect((order->flags & WCX_ORDER_F_WAITING) != 0, 0))
  {
    stop_waiting(engine, slot);
    return;
  }
  wcx_level_t *level = &engine->ladders.levels[order->level];
  level->displayed -= (uint64_t)wcx_book_displayed(engine, slot);
  wcx_book_unlink(engine, slot);
}

/* --- looking ---------------------------------------------------------------------------------------------------------------------------- */

static wcx_u128_t queue_leaves(const wcx_pool_t *pool, uint32_t slot)
{
  wcx_u128_t sum = 0;
  for (; slot != 0; slot = pool->orders[slot].next)
    sum += (uint64_t)pool->orders[slot].leaves;
  return sum;
}

wcx_u128_t wcx_book_level_leaves(const wcx_engine_t *engine, const wcx_instrument_t *instrument, const wcx_level_t *level)
{
  if (instrument->special_cnt == 0)
    return level->displayed;
  return queue_leaves(&engine->pool, level->head) + queue_leaves(&engine->pool, level->hidden_head);
}

bool wcx_book_available(const wcx_engine_t *engine, const wcx_instrument_t *instrument, uint8_t side, int64_t price, int64_t low, int64_t high, int64_t qty)
{
  const wcx_ladders_t *pools = &engine->ladders;
  wcx_u128_t sum = 0;
  for (uint32_t at = instrument->side[2 - side].best; at != 0 && wcx_book_crosses(side, price, pools->levels[at].price); at = wcx_ladder_next(pools, at))
  {
    const wcx_level_t *level = &pools->levels[at];
    if (level->price < low || level->price > high)
      return false;
    sum += wcx_book_level_leaves(engine, instrument, level);
    if (sum >= (uint64_t)qty)
      return true;
  }
  return false;
}

bool wcx_book_has_level(const wcx_engine_t *engine, const wcx_instrument_t *instrument, uint8_t side, uint64_t px_idx)
{
  return __builtin_expect(engine->ladders.level_live - engine->stop_level_cnt < engine->capacity.max_levels, 1) ||
         wcx_ladder_find(&engine->ladders, &instrument->side[side - 1], wcx_book_key(side, px_idx)) != 0;
}
