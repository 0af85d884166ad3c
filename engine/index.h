/* The ClOrdID index: (session, ClOrdID) of every live order to its slot.

   A table of 8-byte entries in which a key stands at its home or not at all, and beside it an open-addressing one for the keys whose home was taken. A session's
   ids rise, so the 512 ids of a block stand one behind the other in one page of the table: entering orders walks along it, and the table may be large without every
   request paying a miss for it. Which page, and where in it the block begins, is a keyed hash of session and block: nobody without the process's secret can aim
   at a page or at a line. Nine of ten keys stand at home, so what nearly every request does is one comparison, without a loop whose length depends on chance.
   An entry keeps the low 32 bits of its home, so that deletion from the second table can shift entries back (no tombstones) without touching the orders. The second
   table scatters the homes: blocks that fell on the same page would make runs in it.

   Owner:      the engine's thread.
   Memory:     uint64_t[wcx_index_cap(max)] and uint64_t[wcx_index_spill_cap(max)], zeroed, 64-aligned; the second is at most half full, so every probe ends.
   Invariants: every entry of the second table is reachable from its home there without crossing an empty one.
   Pinned by:  tests/unit/test_index.c. */
#ifndef WCX_ENGINE_INDEX_H
#define WCX_ENGINE_INDEX_H

#include "engine/pool.h"

#include <stdbool.h>

/* Quotes have no ClOrdID of their own: they stand under (session with these bits, quote key). */
#define WCX_INDEX_QUOTE(side) ((uint32_t)(side) << 30)

typedef struct wcx_index
{
  uint64_t *entries; /* home << 32 | slot; 0: empty */
  uint64_t *spill;   /* likewise */
  uint64_t mask;
  uint64_t spill_mask;
  uint64_t spill_cnt;
  uint64_t hash_key;
  uint64_t hash_key2; /* follows from the first; odd, so that a session never multiplies by 0 */
} wcx_index_t;

static inline void wcx_index_set_key(wcx_index_t *index, uint64_t hash_key)
{
  index->hash_key = hash_key;
  index->hash_key2 = ((hash_key << 32 | hash_key >> 32) ^ WCX_DIGEST_K0) | 1;
}

static inline uint64_t wcx_index_spill_cap(uint32_t max)
{
  uint64_t cap = 16;
  while (cap < (uint64_t)max * 2)
    cap *= 2;
  return cap;
}

static inline uint64_t wcx_index_cap(uint32_t max)
{
  return wcx_index_spill_cap(max) * 2;
}

#define WCX_INDEX_BLOCK_LG 9
#define WCX_INDEX_BLOCK (1u << WCX_INDEX_BLOCK_LG) /* ids, and entries of a page */

static inline uint32_t wcx_index_home(const wcx_index_t *index, uint32_t session, uint64_t cl_ord_id)
{
  uint64_t hash = wcx_digest_fold((cl_ord_id >> WCX_INDEX_BLOCK_LG) ^ index->hash_key, index->hash_key2 ^ (uint64_t)session << 1);
  uint32_t first = (uint32_t)(hash >> 56) << 3; /* a line of the page */
  return (uint32_t)hash << WCX_INDEX_BLOCK_LG | (((uint32_t)cl_ord_id + first) & (WCX_INDEX_BLOCK - 1));
}

static inline uint64_t wcx_index_entry(uint32_t home, uint32_t slot)
{
  return (uint64_t)home << 32 | slot;
}

/* Where a home stands in the second table. */
static inline uint64_t wcx_index_spill_home(const wcx_index_t *index, uint32_t home)
{
  return (home * WCX_DIGEST_K1 >> 32) & index->spill_mask;
}

/* Slot that probably has a key of this home, or 0: told by the entries alone, without touching an order. */
static inline uint32_t wcx_index_peek(const wcx_index_t *index, uint32_t home)
{
  uint64_t entry = index->entries[home & index->mask];
  if (__builtin_expect((uint32_t)(entry >> 32) == home, 1))
    return (uint32_t)entry;
  for (uint64_t at = wcx_index_spill_home(index, home); index->spill[at] != 0; at = (at + 1) & index->spill_mask)
    if ((uint32_t)(index->spill[at] >> 32) == home)
      return (uint32_t)index->spill[at];
  return 0;
}

static inline bool wcx_index_is(const wcx_order_t *order, uint32_t session, uint64_t cl_ord_id)
{
  return order->cl_ord_id == cl_ord_id && order->session == session && (order->flags & WCX_ORDER_F_QUOTE) == 0;
}

/* Where the live order of a session with a ClOrdID was found; slot 0: nowhere. Good until the index changes. */
typedef struct wcx_index_at
{
  uint64_t *entry; /* NULL: in the second table */
  uint32_t home;
  uint32_t slot;
} wcx_index_at_t;

static inline wcx_index_at_t wcx_index_locate(const wcx_index_t *index, const wcx_order_t *orders, uint32_t session, uint64_t cl_ord_id)
{
  uint32_t home = wcx_index_home(index, session, cl_ord_id);
  uint64_t *first = &index->entries[home & index->mask];
  uint64_t entry = *first;
  if (__builtin_expect((uint32_t)(entry >> 32) == home && wcx_index_is(&orders[(uint32_t)entry], session, cl_ord_id), 1))
    return (wcx_index_at_t){.entry = first, .home = home, .slot = (uint32_t)entry};
  for (uint64_t at = wcx_index_spill_home(index, home); (entry = index->spill[at]) != 0; at = (at + 1) & index->spill_mask)
    if ((uint32_t)(entry >> 32) == home && wcx_index_is(&orders[(uint32_t)entry], session, cl_ord_id))
      return (wcx_index_at_t){.home = home, .slot = (uint32_t)entry};
  return (wcx_index_at_t){.home = home};
}

/* Slot of the live order of this session with this ClOrdID, or 0. */
static inline uint32_t wcx_index_find(const wcx_index_t *index, const wcx_order_t *orders, uint32_t session, uint64_t cl_ord_id)
{
  return wcx_index_locate(index, orders, session, cl_ord_id).slot;
}

/* Slot of the live quote of this session, side and key, or 0. */
static inline bool wcx_index_is_quote(const wcx_pool_t *pool, uint32_t slot, uint32_t session, uint8_t side, uint64_t key)
{
  const wcx_order_t *order = &pool->orders[slot];
  return (order->flags & WCX_ORDER_F_QUOTE) != 0 && pool->extras[slot].quote_key == key && order->session == session && order->side == side;
}

static inline uint32_t wcx_index_find_quote(const wcx_index_t *index, const wcx_pool_t *pool, uint32_t session, uint8_t side, uint64_t key)
{
  uint32_t home = wcx_index_home(index, session | WCX_INDEX_QUOTE(side), key);
  uint64_t entry = index->entries[home & index->mask];
  if ((uint32_t)(entry >> 32) == home && wcx_index_is_quote(pool, (uint32_t)entry, session, side, key))
    return (uint32_t)entry;
  for (uint64_t at = wcx_index_spill_home(index, home); (entry = index->spill[at]) != 0; at = (at + 1) & index->spill_mask)
    if ((uint32_t)(entry >> 32) == home && wcx_index_is_quote(pool, (uint32_t)entry, session, side, key))
      return (uint32_t)entry;
  return 0;
}

/* The second table: when a home is taken. */
void wcx_index_spill_add(wcx_index_t *index, uint32_t home, uint32_t slot);
void wcx_index_spill_remove(wcx_index_t *index, uint32_t home, uint32_t slot);

/* Add a key that is not there. */
static inline void wcx_index_add(wcx_index_t *index, uint32_t session, uint64_t cl_ord_id, uint32_t slot)
{
  uint32_t home = wcx_index_home(index, session, cl_ord_id);
  uint64_t *entry = &index->entries[home & index->mask];
  if (__builtin_expect(*entry == 0, 1))
    *entry = wcx_index_entry(home, slot);
  else
    wcx_index_spill_add(index, home, slot);
}

/* Remove the key of the order in `slot`, which is there. */
static inline void wcx_index_remove(wcx_index_t *index, uint32_t session, uint64_t cl_ord_id, uint32_t slot)
{
  uint32_t home = wcx_index_home(index, session, cl_ord_id);
  uint64_t *entry = &index->entries[home & index->mask];
  if (__builtin_expect(*entry == wcx_index_entry(home, slot), 1))
    *entry = 0;
  else
    wcx_index_spill_remove(index, home, slot);
}

/* Where the key of a live order stands, by its home. */
static inline wcx_index_at_t wcx_index_at(const wcx_index_t *index, uint32_t home, uint32_t slot)
{
  uint64_t *entry = &index->entries[home & index->mask];
  return (wcx_index_at_t){.entry = *entry == wcx_index_entry(home, slot) ? entry : NULL, .home = home, .slot = slot};
}

static inline wcx_index_at_t wcx_index_of(const wcx_index_t *index, uint32_t session, uint64_t cl_ord_id, uint32_t slot)
{
  return wcx_index_at(index, wcx_index_home(index, session, cl_ord_id), slot);
}

/* Ask memory for what stands at a home. */
static inline __attribute__((always_inline)) void wcx_index_fetch(const wcx_index_t *index, uint32_t home)
{
  __builtin_prefetch(&index->entries[home & index->mask], 1);
}

/* Remove what was found. */
static inline void wcx_index_take(wcx_index_t *index, wcx_index_at_t at)
{
  if (__builtin_expect(at.entry != NULL, 1))
    *at.entry = 0;
  else
    wcx_index_spill_remove(index, at.home, at.slot);
}

/* Abort unless the table holds exactly the resting orders of the pool, each reachable. O(table). */
void wcx_index_verify(const wcx_index_t *index, const wcx_pool_t *pool);

#endif
