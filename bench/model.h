/* A slow and obvious book over a flow's own records: what an engine must answer. Generators ask it what is live, tests compare trades with it.

   Owner:      one thread.
   Memory:     malloc'ed by wcx_model_new for a fixed range of prices and ids, dies when there is none.
   Result:     trades in order, as ids of the flow; a cancel or move of an order that is gone does nothing.
   Pinned by:  tests/unit/test_flow.c. */
#ifndef WCX_BENCH_MODEL_H
#define WCX_BENCH_MODEL_H

#include "bench/flow.h"

#include <stdbool.h>

typedef struct wcx_model_order
{
  uint64_t next, prev; /* ids; 0: none */
  int64_t px;
  uint32_t qty; /* left; 0: gone */
  uint32_t live_idx;
  uint8_t side;
} wcx_model_order_t;

typedef struct wcx_model
{
  wcx_model_order_t *orders; /* by id */
  uint64_t *head[2];         /* by side and price - px_min: first id */
  uint64_t *tail[2];
  uint64_t *live; /* ids, in no order */
  uint64_t live_cnt;
  uint64_t id_max;
  int64_t px_min, px_max;
  int64_t best[2]; /* highest buy (px_min - 1: none), lowest sell (px_max + 1: none) */
  uint64_t trade_cnt;
  uint64_t volume;
  uint64_t trade_hash;
} wcx_model_t;

wcx_model_t *wcx_model_new(int64_t px_min, int64_t px_max, uint64_t id_max);
void wcx_model_apply(wcx_model_t *model, const wcx_flow_record_t *record);
void wcx_model_free(wcx_model_t *model);

#endif
