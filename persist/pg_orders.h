/* The orders that a batch speaks of, each once: what the last of its reports says, and what earlier ones of the batch said that the last leaves open.

   Owner:      one thread.
   Memory:     grows as it must and is kept; wcx_pg_orders_free.
   Bounds:     one lookup a report; as many orders as the batch has reports.
   Invariants: orders stand in the order in which the batch first speaks of them; no order_id twice.
   Pinned by:  tests/unit/test_pg_rows.c, tests/e2e/test_sinks.py. */
#ifndef WCX_PERSIST_PG_ORDERS_H
#define WCX_PERSIST_PG_ORDERS_H

#include <stddef.h>
#include <stdint.h>

/* Columns of wcx.orders between order_id and seq, in their order there. */
enum wcx_pg_order_column
{
  WCX_PG_ORDER_CL_ORD_ID,
  WCX_PG_ORDER_SESSION_ID,
  WCX_PG_ORDER_ACCOUNT,
  WCX_PG_ORDER_SECURITY_ID,
  WCX_PG_ORDER_SIDE,
  WCX_PG_ORDER_ORD_STATUS,
  WCX_PG_ORDER_ORD_TYPE,
  WCX_PG_ORDER_TIME_IN_FORCE,
  WCX_PG_ORDER_PRICE,
  WCX_PG_ORDER_ORDER_QTY,
  WCX_PG_ORDER_LEAVES_QTY,
  WCX_PG_ORDER_CUM_QTY,
  WCX_PG_ORDER_COLUMNS,
};

typedef struct wcx_pg_order
{
  uint64_t order_id;
  uint64_t seq, stamp_ns; /* of the last report */
  uint32_t known;         /* bit i: value[i] was said; the others are null */
  int64_t value[WCX_PG_ORDER_COLUMNS];
} wcx_pg_order_t;

typedef struct wcx_pg_orders
{
  wcx_pg_order_t *base;
  size_t cnt, cap;
  uint32_t *slots; /* 1 + index into base; 0: free */
  size_t slot_cnt; /* a power of two, at least twice cap; 0: none yet */
} wcx_pg_orders_t;

/* The order of the batch, a new one without values when the batch has not spoken of it. Good until the next call. */
wcx_pg_order_t *wcx_pg_orders_at(wcx_pg_orders_t *orders, uint64_t order_id);

static inline void wcx_pg_order_say(wcx_pg_order_t *order, enum wcx_pg_order_column column, int64_t value)
{
  order->known |= 1u << column;
  order->value[column] = value;
}

void wcx_pg_orders_clear(wcx_pg_orders_t *orders);
void wcx_pg_orders_free(wcx_pg_orders_t *orders);

#endif
