/* Matching: an aggressive order against the other side of its book, best price first, first come first served.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Result:     per fill the maker's ER_Trade, then the taker's; filled makers leave the book with their last fill. Self-match prevention likewise: the maker's
               report, then the taker's. The feed's prints are a second step, so that everything private that one input says stands before everything public.
   Bounds:     one step per maker filled or prevented; each step O(1) but for the next best level (one step per digit of the ladder).
   Pinned by:  tests/unit/test_engine_match.c. */
#ifndef WCX_ENGINE_MATCH_H
#define WCX_ENGINE_MATCH_H

#include "engine/state.h"

/* An order while it takes: it rests nowhere. */
typedef struct wcx_taker
{
  wcx_session_t *session;
  wcx_instrument_t *instrument;
  uint64_t order_id;
  uint64_t cl_ord_id;
  int64_t price;
  int64_t order_qty;
  int64_t leaves;
  int64_t last_px; /* of its last fill, 0 before */
  uint32_t account;
  uint32_t smp_id; /* effective; meaningful with an instruction */
  uint8_t side;
  uint8_t smp_inst; /* enum wcx_self_match_prevention_inst: its own rules */
  uint8_t sweeps;   /* its price is none of its owner's */
} wcx_taker_t;

/* Takes whatever price there is: Market, MarketToLimit. */
static inline bool wcx_match_sweeps(uint8_t ord_type)
{
  return ord_type == WCX_ORD_TYPE_MARKET || ord_type == WCX_ORD_TYPE_MARKET_TO_LIMIT;
}

/* The worst price an order takes. */
static inline int64_t wcx_match_limit(uint8_t ord_type, uint8_t side, int64_t price)
{
  if (!wcx_match_sweeps(ord_type))
    return price;
  return side == WCX_SIDE_BUY ? INT64_MAX : 1;
}

/* The id by which an order is one's own: the order's, else the account's, else the account. */
uint32_t wcx_match_smp_id(const wcx_engine_t *engine, uint32_t account, uint32_t own_id);

/* Trade until the taker is filled, prevented or nothing crosses; taker->leaves is what is left. Prevention may shrink taker->order_qty; when it ends
   the taker, its ER_Cancel has been said and nothing is left. */
void wcx_match(wcx_engine_t *engine, wcx_taker_t *taker);

/* What the feed says of each report of a maker since position `from` of the output log: OrderExecuted, and after self-match prevention DeleteOrder or
   ReduceOrder. */
void wcx_match_print(wcx_engine_t *engine, const wcx_taker_t *taker, uint64_t from);

/* Is `qty` there for it? What prevention would remove, or keep it from, is not. */
bool wcx_match_available(const wcx_engine_t *engine, const wcx_taker_t *taker, int64_t qty);

/* ER_Cancel of all that is left. */
void wcx_match_cancel_taker(wcx_engine_t *engine, const wcx_taker_t *taker, uint8_t reason);

#endif
