/* Matching: an aggressive order against the other side of its book, best price first, first come first served.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Result:     per fill the maker's ER_Trade, then the taker's; filled makers leave the book with their last fill. The feed's prints are a second step, so that
               everything private that one input says stands before everything public.
   Bounds:     one step per maker filled; each step O(1) but for the next best level (one step per digit of the ladder).
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
  uint8_t side;
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

/* Trade until the taker is filled or nothing crosses; taker->leaves is what is left. */
void wcx_match(wcx_engine_t *engine, wcx_taker_t *taker);

/* The feed's OrderExecuted of each fill that was reported since position `from` of the output log. */
void wcx_match_print(wcx_engine_t *engine, uint64_t from);

#endif
