/* Whether an appliance traded a flow as the engine does by itself: the same flow goes through bench/engine_run.h in this process, and both are hashed.

       requests sent over one session --> which flow id a ClOrdID is
       reports of fills, maker then taker --> trade_hash (bench/flow.h)      == that of the reference run
       mass cancel at the end --> orders that still rested                   == live orders of the reference run

   Only with one session: with several it depends on the wire which request came first.

   Owner:      one thread.
   Memory:     8 bytes a request, from new to free; the flow is borrowed until then.
   Result:     difference: a text, or NULL when there is none.
   Bounds:     the first `cnt` records of the flow, and a book that was empty before.
   Pinned by:  tests/bench/test_wire.py. */
#ifndef WCX_BENCH_WIRE_REFERENCE_H
#define WCX_BENCH_WIRE_REFERENCE_H

#include "bench/engine_run.h"

#include <stdbool.h>

typedef struct wcx_reference
{
  const wcx_flow_t *flow;
  uint64_t cnt;
  uint64_t *ids;      /* flow id by ClOrdID - first_id */
  uint64_t first_id;  /* ClOrdID of the first request */
  uint64_t maker_id;  /* of a fill whose taker is not told yet; 0: none */
  uint64_t trade_cnt; /* whole fills */
  uint64_t hash;
  bool is_odd;       /* a fill that cannot be: not maker then taker, an order that is not ours, two prices */
  bool is_swept;     /* the mass cancel at the end has told */
  uint64_t live_cnt; /* what it ended */
  uint64_t maker_match_id;
  wcx_run_result_t wanted;
} wcx_reference_t;

/* Runs the reference; some seconds for a long flow. Dies when memory is short. */
void wcx_reference_new(wcx_reference_t *reference, const wcx_flow_t *flow, uint64_t cnt);
void wcx_reference_free(wcx_reference_t *reference);

/* Record `idx` of the flow left under this ClOrdID, the one behind that of the record before. */
void wcx_reference_sent(wcx_reference_t *reference, uint64_t idx, uint64_t cl_ord_id);

/* A message of the session's server flow, in its turn. */
void wcx_reference_message(wcx_reference_t *reference, const void *message, size_t sz);

const char *wcx_reference_difference(const wcx_reference_t *reference);

#endif
