/* The memory floors: what the machine itself asks for a flow, whoever the engine is. Frozen: changing this file makes every kept ratio worthless.

   touch: per record one access to a dense table by id and one list append at a price level, no matching.
   hash:  the same with the id found in an open-addressing, linear-probing table of 8-byte entries (id << 32 | slot), its size the smallest power of two
          at least twice the flow's largest id.

   A cancel or a move first takes the order's quantity from its old level; a move then appends at the new one. Ordinary malloc'ed pages, written by memset
   before each pass. The figure is the least of five whole passes, the set-up records untimed in each.

   Owner:      one thread, before anything else of size is allocated.
   Bounds:     orders of 16 bytes {qty, px, next, owner}, levels of 16 bytes {head, tail, qty}; one level for each price between the flow's lowest and highest.
   Result:     dies when memory is short. Both passes must end with equal level totals (checked).
   Pinned by:  tests/unit/test_flow.c (that the totals are right). */
#ifndef WCX_BENCH_FLOOR_H
#define WCX_BENCH_FLOOR_H

#include "bench/flow.h"

typedef struct wcx_floor
{
  double touch_ns; /* per timed record */
  double hash_ns;
  uint64_t total_qty; /* on all levels at the end */
} wcx_floor_t;

/* setup_cnt < flow->cnt. */
wcx_floor_t wcx_floor_measure(const wcx_flow_t *flow, uint64_t setup_cnt);

#endif
