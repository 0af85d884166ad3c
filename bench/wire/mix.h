/* What the requests of a run are: orders and cancels whose answers are known beforehand.

       pair     an order, its cancel: the book stays empty
       cross    a buy, a sell that takes it: every second request trades
       storm    WCX_MIX_DEPTH orders at as many prices, then the cancel of each: half of all requests are cancels, in a row
       hot      everybody at one price of one instrument: two buys, a sell that takes whoever is first, the cancel of the second (who may be gone by then)
       sweep    WCX_MIX_DEPTH sells at as many prices, then one buy that takes them all
       mass     session 0 has many orders resting far from the market, which one mass cancel ends in the middle; all others: pair
       flow     the records of a flow file (bench/flow.h); all orders of an owner go over one session

   Owner:      one thread.
   Memory:     allocated by new, given back by free; a flow is borrowed until then.
   Result:     put writes the next request of a session and changes nothing: until sent is called, put writes the same one again.
   Bounds:     sessions 0 .. cnt - 1; mass: at least two; a request has at most WCX_CLIENT_REQUEST_SZ_MAX bytes.
   Pinned by:  tests/bench/test_wire.py. */
#ifndef WCX_BENCH_WIRE_MIX_H
#define WCX_BENCH_WIRE_MIX_H

#include "bench/flow.h"

#include <stdbool.h>

#define WCX_MIX_DEPTH 32u

enum wcx_mix_kind
{
  WCX_MIX_PAIR = 1,
  WCX_MIX_CROSS = 2,
  WCX_MIX_STORM = 3,
  WCX_MIX_HOT = 4,
  WCX_MIX_SWEEP = 5,
  WCX_MIX_MASS = 6,
  WCX_MIX_FLOW = 7,
};

typedef struct wcx_mix wcx_mix_t;

/* flow: with WCX_MIX_FLOW. */
wcx_mix_t *wcx_mix_new(enum wcx_mix_kind kind, uint32_t session_cnt, const wcx_flow_t *flow);
void wcx_mix_free(wcx_mix_t *mix);

/* The kind of that name; 0: there is none. */
enum wcx_mix_kind wcx_mix_kind_of(const char *name);

/* Who sends request `idx` of the run. */
uint32_t wcx_mix_session(const wcx_mix_t *mix, uint64_t idx);

/* Write request `idx`, whose sender is `session` and whose ClOrdID is to be cl_ord_id. Returns its bytes. */
size_t wcx_mix_put(const wcx_mix_t *mix, uint64_t idx, uint32_t session, uint32_t account, uint64_t cl_ord_id, uint8_t *out);

/* It left. */
void wcx_mix_sent(wcx_mix_t *mix, uint64_t idx, uint32_t session, uint64_t cl_ord_id);

/* mass: until this is called every request is a resting order of session 0; from then on request `at` is its mass cancel. */
void wcx_mix_filled(wcx_mix_t *mix, uint64_t at);

/* Whether an order may be gone before its cancel or move arrives, so that OrderCancelReject is an answer like any other. */
bool wcx_mix_races(const wcx_mix_t *mix);

#endif
