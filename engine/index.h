/* The ClOrdID index: (session, ClOrdID) of every resting order to its slot.

   One open-addressing table of 8-byte entries with linear probing. A key's home is line(keyed hash of session and id >> 3) * 8 + (id & 7): ids that follow
   each other share a cache line, and nobody without the process's secret can aim at one line. The entry keeps the low 32 bits of its home,
   so that deletion can shift entries back (no tombstones) without touching the orders.

   Owner:      the engine's thread.
   Memory:     uint64_t[wcx_index_cap(max)], zeroed, 64-aligned; at most half full, so every probe ends.
   Invariants: every entry is reachable from its home without crossing an empty one.
   Pinned by:  tests/unit/test_index.c. */
#ifndef WCX_ENGINE_INDEX_H
#define WCX_ENGINE_INDEX_H

#include "engine/pool.h"

/* Quotes have no ClOrdID of their own: they stand under (session with these bits, quote key). */
#define WCX_INDEX_QUOTE(side) ((uint32_t)(side) << 30)

typedef struct wcx_index
{
  uint64_t *entries; /* home << 32 | slot; 0: empty */
  uint64_t mask;
  uint64_t hash_key;
} wcx_index_t;

static inline uint64_t wcx_index_cap(uint32_t max)
{
  uint64_t cap = 16;
  while (cap < (uint64_t)max * 2)
    cap *= 2;
  return cap;
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
  for (uint64_t at = home & index->mask; index->entries[at] != 0; at = (at + 1) & index->mask)
    if ((uint32_t)(index->entries[at] >> 32) == home)
      return (uint32_t)index->entries[at];
  return 0;
}

/* Slot of the resting order of this session with this ClOrdID, or 0. */
static inline uint32_t wcx_index_find(const wcx_index_t *index, const wcx_order_t *orders, uint32_t session, uint64_t cl_ord_id)
{
  uint32_t home = wcx_index_home(index, session, cl_ord_id);
  for (uint64_t at = home & index->mask;; at = (at + 1) & index->mask)
  {
    uint64_t entry = index->entries[at];
    if (entry == 0)
      return 0;
    if ((uint32_t)(entry >> 32) != home)
      continue;
    const wcx_order_t *order = &orders[(uint32_t)entry];
    if (order->cl_ord_id == cl_ord_id && order->session == session && (order->flags & WCX_ORDER_F_QUOTE) == 0)
      return (uint32_t)entry;
  }
}

/* Slot of the live quote of this session, side and key, or 0. */
static inline uint32_t wcx_index_find_quote(const wcx_index_t *index, const wcx_pool_t *pool, uint32_t session, uint8_t side, uint64_t key)
{
  uint32_t home = wcx_index_home(index, session | WCX_INDEX_QUOTE(side), key);
  for (uint64_t at = home & index->mask;; at = (at + 1) & index->mask)
  {
    uint64_t entry = index->entries[at];
    if (entry == 0)
      return 0;
    if ((uint32_t)(entry >> 32) != home)
      continue;
    const wcx_order_t *order = &pool->orders[(uint32_t)entry];
    if ((order->flags & WCX_ORDER_F_QUOTE) != 0 && pool->extras[(uint32_t)entry].quote_key == key && order->session == session && order->side == side)
      return (uint32_t)entry;
  }
}

/* Add a key that is not there. */
static inline void wcx_index_add(wcx_index_t *index, uint32_t session, uint64_t cl_ord_id, uint32_t slot)
{
  uint32_t home = wcx_index_home(index, session, cl_ord_id);
  uint64_t at = home & index->mask;
  while (index->entries[at] != 0)
    at = (at + 1) & index->mask;
  index->entries[at] = (uint64_t)home << 32 | slot;
}

/* Remove the key of the order in `slot`, which is there. */
static inline void wcx_index_remove(wcx_index_t *index, uint32_t session, uint64_t cl_ord_id, uint32_t slot)
{
  uint32_t home = wcx_index_home(index, session, cl_ord_id);
  uint64_t wanted = (uint64_t)home << 32 | slot;
  uint64_t hole = home & index->mask;
  while (index->entries[hole] != wanted)
    hole = (hole + 1) & index->mask;
  for (uint64_t at = (hole + 1) & index->mask; index->entries[at] != 0; at = (at + 1) & index->mask)
  {
    uint64_t entry = index->entries[at];
    /* it may fill the hole when its home does not lie behind the hole */
    if (((at - (entry >> 32)) & index->mask) >= ((at - hole) & index->mask))
    {
      index->entries[hole] = entry;
      hole = at;
    }
  }
  index->entries[hole] = 0;
}

/* Abort unless the table holds exactly the resting orders of the pool, each reachable. O(table). */
void wcx_index_verify(const wcx_index_t *index, const wcx_pool_t *pool);

#endif
