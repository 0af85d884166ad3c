/* Resting orders: where an order enters a book, changes in it and leaves it. All sums, links, counts, the ClOrdID index and the order digest
   change here and in the fill (match.c), nowhere else.

   An order that lives but does not take stands in one of three places: in its book (displayed or hidden, at its price), among the waiting stops of its instrument
   (WCX_ORDER_F_WAITING, at its StopPx), or unseen (WCX_ORDER_F_WAITING, level WCX_LEVEL_UNSEEN). Whatever its place, it is listed with its session and found by
   its ClOrdID from acceptance to its end. Orders AtTheOpening and AtTheClose are also listed with their instrument, before and in their auction.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Pinned by:  tests/unit/test_engine_match.c, tests/property/test_engine_invariants.c. */
#ifndef WCX_ENGINE_BOOK_H
#define WCX_ENGINE_BOOK_H

#include "engine/state.h"

static inline wcx_ladder_t *wcx_book_side(wcx_instrument_t *instrument, uint8_t side)
{
  return &instrument->side[side - 1];
}

static inline wcx_ladder_t *wcx_book_opposite(wcx_instrument_t *instrument, uint8_t side)
{
  return &instrument->side[2 - side];
}

/* Key of a price index in the ladder of a side: the best has the lowest. Computed, not chosen: sides come in no order that a branch predictor could learn. */
static inline uint64_t wcx_book_key(uint8_t side, uint64_t px_idx)
{
  return px_idx ^ (uint64_t)((int64_t)side - WCX_SIDE_SELL);
}
static_assert(WCX_SIDE_BUY == 1 && WCX_SIDE_SELL == 2, "wcx_book_key, wcx_book_crosses");

/* Would an order of `side` at `price` trade with a level of the other side at `level_price`? Prices are above 0: their difference does not overflow. */
static inline bool wcx_book_crosses(uint8_t side, int64_t price, int64_t level_price)
{
  int64_t flip = WCX_SIDE_BUY - (int64_t)side; /* 0, or -1 for a sell */
  return ((level_price - price) ^ flip) - flip <= 0;
}

/* The order that is first at a level. */
static inline uint32_t wcx_book_first(const wcx_level_t *level)
{
  return level->head != 0 ? level->head : level->hidden_head;
}

/* Limit of a live order that does not take; WCX_I64_NULL for a waiting stop that will sweep. */
static inline int64_t wcx_book_price(const wcx_engine_t *engine, uint32_t slot)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  return (order->flags & WCX_ORDER_F_WAITING) != 0 ? engine->pool.extras[slot].price : engine->ladders.levels[order->level].price;
}

/* What an order in a book shows. */
static inline int64_t wcx_book_displayed(const wcx_engine_t *engine, uint32_t slot)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  if (__builtin_expect((order->flags & (WCX_ORDER_F_HIDDEN | WCX_ORDER_F_ICEBERG)) == 0, 1))
    return order->leaves;
  return (order->flags & WCX_ORDER_F_HIDDEN) != 0 ? 0 : engine->pool.extras[slot].displayed;
}

/* What a taker gets of it at once. */
static inline int64_t wcx_book_tranche(const wcx_engine_t *engine, uint32_t slot)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  return __builtin_expect((order->flags & WCX_ORDER_F_ICEBERG) == 0, 1) ? order->leaves : engine->pool.extras[slot].displayed;
}

static inline uint64_t wcx_book_public_id(const wcx_engine_t *engine, uint32_t slot)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  return __builtin_expect((order->flags & WCX_ORDER_F_EXTRA) == 0, 1) ? order->order_id : engine->pool.extras[slot].public_id;
}

/* An order joins those that live: its session's list and the index. Its line and extra are filled in but for links, level and priority. */
void wcx_book_enlist(wcx_engine_t *engine, uint32_t slot);

/* One hidden order or iceberg more, or less. */
void wcx_book_count_special(wcx_engine_t *engine, uint32_t slot, int by);

/* It ends: list, index, deadline; the slot becomes free. It stands nowhere any more. */
void wcx_book_end(wcx_engine_t *engine, uint32_t slot);

/* Queue a listed order at the end of its level (of the displayed or the hidden orders). */
void wcx_book_rest(wcx_engine_t *engine, uint32_t slot, uint64_t px_idx, int64_t price);

/* A listed order waits: a stop at extra.stop_px, where extra.place says among its equals, or unseen for its auction. */
void wcx_book_wait_stop(wcx_engine_t *engine, uint32_t slot);
void wcx_book_wait_unseen(wcx_engine_t *engine, uint32_t slot);

/* Lists of an instrument's orders that are for one auction only. */
enum wcx_phase
{
  WCX_PHASE_OPENING = 0,
  WCX_PHASE_CLOSING = 1,
  WCX_PHASE_NONE = 2,
};

static inline enum wcx_phase wcx_book_phase(uint8_t tif)
{
  return tif == WCX_TIME_IN_FORCE_AT_THE_OPENING ? WCX_PHASE_OPENING : tif == WCX_TIME_IN_FORCE_AT_THE_CLOSE ? WCX_PHASE_CLOSING : WCX_PHASE_NONE;
}

/* The phase that a status is, or WCX_PHASE_NONE. */
static inline enum wcx_phase wcx_book_phase_of_status(uint8_t status)
{
  return status == WCX_SECURITY_TRADING_STATUS_OPENING_AUCTION ? WCX_PHASE_OPENING : status == WCX_SECURITY_TRADING_STATUS_CLOSING_AUCTION ? WCX_PHASE_CLOSING : WCX_PHASE_NONE;
}

/* A listed order that stands nowhere yet becomes the last of its phase; it leaves that list with wcx_book_end. */
void wcx_book_phase_append(wcx_engine_t *engine, uint32_t slot);

/* Take the order of `slot` out of where it stands; it stays listed and indexed. */
void wcx_book_take_out(wcx_engine_t *engine, uint32_t slot);

/* The same for an order in a book whose quantity has been taken from its level and whose hash from the sum already. */
void wcx_book_unlink(wcx_engine_t *engine, uint32_t slot);

/* An iceberg whose displayed part is gone shows the next one (`whole`: all that is left) at the end of its level, under a new public id. Its hash is not in
   the sum meanwhile. */
void wcx_book_refresh(wcx_engine_t *engine, uint32_t slot, bool whole);

/* An order that stands somewhere loses `less` of its total, and of what is left. Its hash is not in the sum meanwhile. */
void wcx_book_shrink(wcx_engine_t *engine, uint32_t slot, int64_t less);

/* The order answers to another ClOrdID from now on. Its hash is not in the sum meanwhile. */
void wcx_book_rename(wcx_engine_t *engine, uint32_t slot, uint64_t cl_ord_id);

/* What the orders of a level have left, hidden quantity included. O(1) where nothing of the instrument is hidden, else O(orders). */
wcx_u128_t wcx_book_level_leaves(const wcx_engine_t *engine, const wcx_instrument_t *instrument, const wcx_level_t *level);

/* Is `qty` there for an order of `side` at `price` or better, within low..high? */
bool wcx_book_available(const wcx_engine_t *engine, const wcx_instrument_t *instrument, uint8_t side, int64_t price, int64_t low, int64_t high, int64_t qty);

/* Could an order of this side and price index find a level? */
bool wcx_book_has_level(const wcx_engine_t *engine, const wcx_instrument_t *instrument, uint8_t side, uint64_t px_idx);

#endif
