/* Whether an appliance traded what it was sent as the engine does by itself: the same requests, in the order in which it applied them, go through bench/engine_run.h in this
   process, and the trades of both are hashed.

       requests sent, each over its session --------.
       the ExecID of each one's answer: its turn ----+--> a flow, applied by a fresh engine --> trade_hash, live orders
       reports of fills, maker then taker, by ExecID ---> trade_hash (bench/flow.h)                ==
       a mass cancel of each session at the end -------> orders that still rested                       ==

   ExecIDs count through a shard, over all its sessions: whose request came first on the wire need not be known. Orders are numbered as they were applied, from 1.

   Owner:      one thread.
   Memory:     44 bytes a request and 48 a fill, from new to free; finish takes some hundred a request for a while.
   Result:     difference: a text, or NULL when there is none.
   Bounds:     limit orders of instrument 1, their cancels and moves, at most WCX_REFERENCE_MAX; a book that was empty before, and nobody else in it.
   Pinned by:  tests/unit/test_wire_reference.c, tests/bench/test_wire.py. */
#ifndef WCX_BENCH_WIRE_REFERENCE_H
#define WCX_BENCH_WIRE_REFERENCE_H

#include "bench/engine_run.h"

#include <stdbool.h>

#define WCX_REFERENCE_MAX UINT64_C(20000000)

/* The requests of a session: their numbers by ClOrdID - first_id. */
typedef struct wcx_reference_member
{
  uint64_t first_id;
  uint32_t *idxs;
  uint32_t cnt, room;
} wcx_reference_member_t;

typedef struct wcx_reference_fill
{
  uint64_t exec_id;
  uint64_t match_id;
  int64_t px;
  int64_t qty;
  uint64_t order; /* the request that made it, from 1; 0: none of ours */
  bool is_maker;
} wcx_reference_fill_t;

typedef struct wcx_reference
{
  uint64_t max, cnt;
  uint32_t first_session, session_cnt;
  wcx_reference_member_t *members;
  wcx_flow_record_t *records; /* as sent; id: the request that made the order, from 1 */
  uint64_t *exec_ids;         /* of their answers; 0: none yet */
  wcx_reference_fill_t *fills;
  uint64_t fill_cnt, fill_room;
  uint32_t swept_cnt; /* mass cancels at the end that were reported */
  uint64_t live_cnt;  /* what they ended */
  bool is_odd;        /* something that cannot be: a request of no order of ours, an unpaired fill */
  uint64_t trade_cnt; /* from finish on */
  uint64_t hash;
  wcx_run_result_t wanted;
} wcx_reference_t;

/* For at most max requests of sessions first_session and on. Dies when memory is short. */
void wcx_reference_new(wcx_reference_t *reference, uint64_t max, uint32_t first_session, uint32_t session_cnt);
void wcx_reference_free(wcx_reference_t *reference);

/* The next request, which is number reference->cnt, left over a session: the one behind its last one. */
void wcx_reference_sent(wcx_reference_t *reference, uint32_t member, uint64_t cl_ord_id, const void *message, size_t sz);

/* Request `idx` was answered. */
void wcx_reference_answered(wcx_reference_t *reference, uint64_t idx, const void *message, size_t sz);

/* A message of any of the sessions. */
void wcx_reference_message(wcx_reference_t *reference, const void *message, size_t sz);

/* Everything has come: run the reference. Some seconds for millions of requests. */
void wcx_reference_finish(wcx_reference_t *reference);

const char *wcx_reference_difference(const wcx_reference_t *reference);

#endif
