/* The order pool: fixed records named by 32-bit slots, and the venue's OrderIDs that carry slot and generation.

       OrderID = generation (40 bits, from 1) << 24 | slot (24 bits, from 1)

   Slots are given out from a LIFO free list first and from a bump mark after that, so which slot an order gets is a function of the inputs alone,
   never of the size of the memory. A slot's generation rises with each use: an OrderID names one order for ever. A slot
   whose generation is used up is retired.

   Owner:      the engine's thread.
   Memory:     wcx_order_t[max + 1], as many links and extras, zeroed; slot 0 is nobody.
   Bounds:     max 1..16,777,215.
   Invariants: a live order has level != 0 (it rests or waits) or is the taker of the running input; a free slot keeps its last OrderID, level 0, and the
               next free slot in `next`.
   Digest:     free_hash chains over the free list from its bottom up, and a free slot keeps what it was before: who gets which id next is part of the state.
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

#define WCX_ORDER_F_COD 0x01u     /* ExecInst CancelOnDisconnect */
#define WCX_ORDER_F_EXTRA 0x02u   /* its wcx_order_extra_t says something: set with each of those below */
#define WCX_ORDER_F_RISK 0x04u    /* its account has balances or limits to keep */
#define WCX_ORDER_F_HIDDEN 0x08u  /* shows nothing, ranks behind the displayed orders of its level */
#define WCX_ORDER_F_ICEBERG 0x10u /* shows extra.displayed of its leaves */
#define WCX_ORDER_F_WAITING 0x20u /* in no book: a stop at its StopPx, or unseen until its auction */
#define WCX_ORDER_F_QUOTE 0x40u   /* entered by a MassQuote */
#define WCX_ORDER_F_MMP 0x80u     /* counts for, and falls with, its market-maker protection group */

/* What few orders have: apart, and touched only with WCX_ORDER_F_EXTRA. */
typedef struct wcx_order_extra
{
  _Alignas(64) int64_t price; /* limit of a waiting order; WCX_I64_NULL: it sweeps */
  int64_t stop_px;            /* of a waiting stop */
  int64_t display_qty;        /* most that an iceberg shows, else 0 */
  int64_t displayed;          /* what an iceberg shows now */
  uint64_t public_id;         /* OrderID on the feed: its own, or after a display refresh another */
  uint64_t place;             /* of a waiting stop among its equals, of an order of a phase in its list: rises */
  uint64_t expire_ns;         /* 0: never */
  uint64_t expire_arm;        /* of its deadline among equal ones */
  uint64_t quote_key;         /* of a quote: group, instrument, entry (quote.c) */
  int64_t collar;             /* price at which a waiting stop that sweeps is held */
  uint32_t smp_id;            /* SelfMatchPreventionID of its own; 0: the account's */
  uint32_t timer_pos;         /* in the heap of deadlines, from 1; 0: none. Not part of any digest. */
  uint32_t phase_next;        /* behind it in the list of its phase (AtTheOpening, AtTheClose). Not part of any digest: `place` says it. */
  uint32_t phase_prev;
  uint16_t mmp_group;
  uint16_t exec_inst; /* as last asked for */
  uint8_t smp_inst;   /* enum wcx_self_match_prevention_inst */
  uint8_t tif;        /* enum wcx_time_in_force, of a waiting order */
  uint8_t ord_type;   /* enum wcx_ord_type, of a waiting order */
  uint8_t pad[25];
} wcx_order_extra_t;
static_assert(sizeof(wcx_order_extra_t) == 128, "order extra: two lines");
static_assert(offsetof(wcx_order_extra_t, expire_ns) == 48, "order extra");
static_assert(offsetof(wcx_order_extra_t, smp_id) == 80, "order extra");

#define WCX_LEVEL_UNSEEN UINT32_MAX /* `level` of an order that waits unseen for its auction */

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
  uint64_t free_hash;
} wcx_pool_t;

/* free_hash when a slot with this OrderID lies on top of a free list with that hash. */
static inline uint64_t wcx_pool_free_hash(uint64_t below, uint64_t order_id)
{
  return wcx_digest_fold(below ^ WCX_DIGEST_K0, order_id ^ WCX_DIGEST_K1);
}

/* What the hash was below a free slot. */
static inline uint64_t wcx_pool_free_below(const wcx_order_t *order)
{
  return (uint64_t)order->leaves;
}

/* Beside the order's hash: depends on its OrderID, and is none that a free slot could have. */
static inline wcx_digest_t wcx_pool_extra_hash(const wcx_pool_t *pool, uint32_t slot)
{
  wcx_order_extra_t extra = pool->extras[slot];
  extra.timer_pos = 0;
  extra.phase_next = 0;
  extra.phase_prev = 0;
  return wcx_digest_of(~pool->orders[slot].order_id, &extra, offsetof(wcx_order_extra_t, pad));
}

/* Slot of a new order with its order_id set and all else of the line to be filled by the caller, or 0 when none is left. */
static inline uint32_t wcx_pool_alloc(wcx_pool_t *pool)
{
  uint32_t slot = pool->free_head;
  wcx_order_t *order;
  if (slot != 0)
  {
    order = &pool->orders[slot];
    pool->free_hash = wcx_pool_free_below(order);
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
  order->leaves = (int64_t)pool->free_hash;
  pool->free_hash = wcx_pool_free_hash(pool->free_hash, order->order_id);
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
