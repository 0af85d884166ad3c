/* Resting orders: where an order enters a book, changes in it and leaves it. All sums, links, counts, the ClOrdID index and the order digest
   change here and in the fill (match.c), nowhere else.

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

/* Key of a price index in the ladder of a side: the best has the lowest. */
static inline uint64_t wcx_book_key(uint8_t side, uint64_t px_idx)
{
  return side == WCX_SIDE_BUY ? ~px_idx : px_idx;
}

/* Would an order of `side` at `price` trade with a level of the other side at `level_price`? */
static inline bool wcx_book_crosses(uint8_t side, int64_t price, int64_t level_price)
{
  return side == WCX_SIDE_BUY ? level_price <= price : level_price >= price;
}

/* Queue the order of `slot` (its line filled in but for links, level and priority) at the end of its level. */
void wcx_book_rest(wcx_engine_t *engine, uint32_t slot, uint64_t px_idx, int64_t price);

/* Take the order of `slot` out of its level, its session's list and the index; the slot stays the caller's. */
void wcx_book_unrest(wcx_engine_t *engine, uint32_t slot);

/* Take a filled or canceled order's level, list and index entries away when its quantity has been taken from the level already. */
void wcx_book_unlink(wcx_engine_t *engine, uint32_t slot);

/* Is `qty` there for an order of `side` at `price` or better? */
bool wcx_book_available(const wcx_engine_t *engine, const wcx_instrument_t *instrument, uint8_t side, int64_t price, int64_t qty);

#endif
