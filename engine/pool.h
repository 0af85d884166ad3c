/* The order pool: fixed records named by 32-bit slots, and the venue's OrderIDs that carry slot and generation.

       OrderID = generation (40 bits, from 1) << 24 | slot (24 bits, from 1)

   Slots are given out from a LIFO free list first and from a bump mark after that, so which slot an order gets is a function of the inputs alone,
   never of the size of the memory. A slot's generation rises with each use: an OrderID names one order for ever. A slot
   whose generation is used up is retired.

   Owner:      the engine's thread.
   Memory:     wcx_order_t[max + 1], as many links and extras, zeroed; slot 0 is nobody.
   Bounds:     max 1..16,777,215.
   Invariants: a live order has level != 0 (it rests) or is the taker of the running input; a free slot keeps its last OrderID, level 0, and the
               next free slot in `next`.
   Digest:     free_digest is the sum over the free list of the hashes of (OrderID, next): who gets which id next is part of the state.
   Pinned by:  tests/unit/test_pool.c. */
#ifndef WCX_ENGINE_POOL_H
#define WCX_ENGINE_POOL_H

#include "engine/record_hash.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define WCX_ORDER_SLOT_BITS 24
#define WCX_ORDER_SLOT_MAX ((1u << WCX_ORDER_SLOT_BITS) - 1)
#define WCX_ORDER_GENERATION_MAX ((UINT64_C(1) << 40) - 1)

/* Everything matching and canceling touch: one line. The price is that of the level. CumQty = order_qty - leaves. */
typedef struct wcx_order
{
  _Alignas(64) int64_t leaves;
  int64_t order_qty;
  uint64_t priority; /* seq of the input that queued it: rises along a level */
  uint64_t order_id;
  uint64_t cl_ord_id;
  uint32_t next; /* behind it at its level; free: next free slot */
  uint32_t prev;
  uint32_t level;
  uint32_t session; /* index */
  uint32_t account; /* the id, not an index */
  uint16_t instrument;
  uint8_t side;
  uint8_t flags; /* WCX_ORDER_F_* */
} wcx_order_t;
static_assert(sizeof(wcx_order_t) == 64, "order: one line");
static_assert(offsetof(wcx_order_t, order_id) == 24, "order: ids");
static_assert(offsetof(wcx_order_t, next) == 40, "order: links");
static_assert(offsetof(wcx_order_t, account) == 56, "order: owner");

#define WCX_ORDER_F_COD 0x01u   /* ExecInst CancelOnDisconnect */
#define WCX_ORDER_F_EXTRA 0x02u /* its wcx_order_extra_t says something */

/* What few orders have: apart, and touched only with WCX_ORDER_F_EXTRA. */
typedef struct wcx_order_extra
{
  uint32_t smp_id;  /* SelfMatchPreventionID of its own; 0: the account's */
  uint8_t smp_inst; /* enum wcx_self_match_prevention_inst */
  uint8_t pad[3];
} wcx_order_extra_t;
static_assert(sizeof(wcx_order_extra_t) == 8, "order extra");

/* The list of a session's resting orders: dense and apart, because both neighbours are touched whenever an order comes or goes. */
typedef struct wcx_order_links
{
  uint32_t next;
  uint32_t prev;
} wcx_order_links_t;
static_assert(sizeof(wcx_order_links_t) == 8, "session links");

typedef struct wcx_pool
{
  wcx_order_t *orders;
  wcx_order_links_t *links;
  wcx_order_extra_t *extras;
  uint32_t max;
  uint32_t free_head;
  uint32_t bump; /* highest slot ever used */
  uint32_t live;
  wcx_digest_t free_digest;
} wcx_pool_t;

static inline wcx_digest_t wcx_pool_free_hash(const wcx_order_t *order)
{
  return wcx_pair_hash(order->order_id, order->next);
}

/* Beside the order's hash: depends on its OrderID, and is none that a free slot could have. */
static inline wcx_digest_t wcx_pool_extra_hash(const wcx_pool_t *pool, uint32_t slot)
{
  const wcx_order_extra_t *extra = &pool->extras[slot];
  return wcx_pair_hash(~pool->orders[slot].order_id, (uint64_t)extra->smp_id << 8 | extra->smp_inst);
}

/* Slot of a new order with its order_id set and all else of the line to be filled by the caller, or 0 when none is left. */
static inline uint32_t wcx_pool_alloc(wcx_pool_t *pool)
{
  uint32_t slot = pool->free_head;
  wcx_order_t *order;
  if (slot != 0)
  {
    order = &pool->orders[slot];
    wcx_digest_sub(&pool->free_digest, wcx_pool_free_hash(order));
    pool->free_head = order->next;
    order->order_id += UINT64_C(1) << WCX_ORDER_SLOT_BITS;
  }
  else
  {
    if (pool->bump == pool->max)
      return 0;
    slot = ++pool->bump;
    order = &pool->orders[slot];
    order->order_id = UINT64_C(1) << WCX_ORDER_SLOT_BITS | slot;
  }
  pool->live++;
  return slot;
}

static inline void wcx_pool_free(wcx_pool_t *pool, uint32_t slot)
{
  wcx_order_t *order = &pool->orders[slot];
  order->level = 0;
  pool->live--;
  if (__builtin_expect(order->order_id >> WCX_ORDER_SLOT_BITS == WCX_ORDER_GENERATION_MAX, 0))
    return; /* retired: its next OrderID would repeat its first */
  order->next = pool->free_head;
  pool->free_head = slot;
  wcx_digest_add(&pool->free_digest, wcx_pool_free_hash(order));
}

/* Slot of the resting order with this OrderID, or 0: what a client sends is validated here. */
static inline uint32_t wcx_pool_find(const wcx_pool_t *pool, uint64_t order_id)
{
  uint32_t slot = (uint32_t)order_id & WCX_ORDER_SLOT_MAX;
  if (slot == 0 || slot > pool->bump)
    return 0;
  const wcx_order_t *order = &pool->orders[slot];
  return order->order_id == order_id && order->level != 0 ? slot : 0;
}

#endif
