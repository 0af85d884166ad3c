/* The ClOrdID index: (session, ClOrdID) of every live order to its slot.

   A table of 8-byte entries in which a key stands at its home or not at all, and beside it an open-addressing one for the keys whose home was taken. A key's
   home is line(keyed hash of session and id >> 3) * 8 + (id & 7): ids that follow each other share a cache line, and nobody without the process's secret can aim
   at one line. Nine of ten keys stand at home, so what nearly every request does is one comparison, without a loop whose length depends on chance.
   An entry keeps the low 32 bits of its home, so that deletion from the second table can shift entries back (no tombstones) without touching the orders.

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
} wcx_index_t;

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

static inline uint32_t wcx_index_home(const wcx_index_t *index, uint32_t session, uint64_t cl_ord_id)
{
  uint64_t hash = wcx_digest_fold((cl_ord_id >> 3) ^ index->hash_key, (index->hash_key << 32 | index->hash_key >> 32) ^ (session * WCX_DIGEST_K0 | 1));
  return (uint32_t)hash << 3 | (uint32_t)(cl_ord_id & 7);
}

static inline void wcx_index_prefetch(const wcx_index_t *index, uint32_t session, uint64_t cl_ord_id)
{
  __builtin_prefetch(&index->entries[wcx_index_home(index, session, cl_ord_id) & index->mask]);
}

/* Slot that probably has this key, or 0: told by the entries alone, without touching an order. */
static inline uint32_t wcx_index_peek(const wcx_index_t *index, uint32_t session, uint64_t cl_ord_id)
{
  uint32_t home = wcx_index_home(index, session, cl_ord_id);
  uint64_t entry = index->entries[home & index->mask];
  if ((uint32_t)(entry >> 32) == home)
    return (uint32_t)entry;
  for (uint64_t at = home & index->spill_mask; index->spill[at] != 0; at = (at + 1) & index->spill_mask)
    if ((uint32_t)(index->spill[at] >> 32) == home)
      return (uint32_t)index->spill[at];
  return 0;
}

static inline bool wcx_index_is(const wcx_order_t *order, uint32_t session, uint64_t cl_ord_id)
{
  return order->cl_ord_id == cl_ord_id && order->session == session && (order->flags & WCX_ORDER_F_QUOTE) == 0;
}

/* Slot of the live order of this session with this ClOrdID, or 0. */
static inline uint32_t wcx_index_find(const wcx_index_t *index, const wcx_order_t *orders, uint32_t session, uint64_t cl_ord_id)
{
  uint32_t home = wcx_index_home(index, session, cl_ord_id);
  uint64_t entry = index->entries[home & index->mask];
  if (__builtin_expect((uint32_t)(entry >> 32) == home && wcx_index_is(&orders[(uint32_t)entry], session, cl_ord_id), 1))
    return (uint32_t)entry;
  for (uint64_t at = home & index->spill_mask; (entry = index->spill[at]) != 0; at = (at + 1) & index->spill_mask)
    if ((uint32_t)(entry >> 32) == home && wcx_index_is(&orders[(uint32_t)entry], session, cl_ord_id))
      return (uint32_t)entry;
  return 0;
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
  for (uint64_t at = home & index->spill_mask; (entry = index->spill[at]) != 0; at = (at + 1) & index->spill_mask)
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
    *entry = (uint64_t)home << 32 | slot;
  else
    wcx_index_spill_add(index, home, slot);
}

/* Remove the key of the order in `slot`, which is there. */
static inline void wcx_index_remove(wcx_index_t *index, uint32_t session, uint64_t cl_ord_id, uint32_t slot)
{
  uint32_t home = wcx_index_home(index, session, cl_ord_id);
  uint64_t *entry = &index->entries[home & index->mask];
  if (__builtin_expect(*entry == ((uint64_t)home << 32 | slot), 1))
    *entry = 0;
  else
    wcx_index_spill_remove(index, home, slot);
}

/* Abort unless the table holds exactly the resting orders of the pool, each reachable. O(table). */
void wcx_index_verify(const wcx_index_t *index, const wcx_pool_t *pool);

#endif
