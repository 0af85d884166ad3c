/* Matching: an aggressive order against the other side of its book, best price first, displayed before hidden at a price, first come first served.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Result:     per fill the maker's ER_Trade, then the taker's, then an iceberg's refresh, then what market-maker protection does; filled makers leave the book with their
               last fill. Self-match prevention: the maker's report, then the taker's. What the feed says of it is noted (emit.h), so that everything private
               that one input says stands before everything public.
   Bounds:     one step per maker filled, refreshed or prevented; each step O(1) but for the next best level (one step per
               digit of the ladder).
   Pinned by:  tests/unit/test_engine_match.c, tests/diff. */
#ifndef WCX_ENGINE_MATCH_H
#define WCX_ENGINE_MATCH_H

#include "engine/state.h"

#define WCX_REFRESH_MAX 1024u /* display refreshes in one input, before a taker that causes one more ends */

/* What ended a match while there was something to take. */
enum wcx_stopped
{
  WCX_STOPPED_NOT = 0,
  WCX_STOPPED_BAND = 1,       /* the next price lies outside the present band */
  WCX_STOPPED_VOLATILITY = 2, /* inside that, but outside the dynamic range */
  WCX_STOPPED_REFRESHES = 3,
};

/* An order while it takes: it stands nowhere. */
typedef struct wcx_taker
{
  wcx_session_t *session;
  wcx_instrument_t *instrument;
  wcx_account_t *owner;
  uint64_t order_id;
  uint64_t cl_ord_id;
  int64_t price; /* the worst it takes */
  int64_t order_qty;
  int64_t leaves;
  int64_t last_px; /* of its last fill, 0 before */
  int64_t held_px; /* what its balance is held at */
  int64_t low;     /* execution band */
  int64_t high;
  uint32_t account;
  uint32_t smp_id; /* effective; meaningful with an instruction */
  uint16_t mmp_group;
  uint8_t side;
  uint8_t smp_inst; /* enum wcx_self_match_prevention_inst: its own rules */
  uint8_t sweeps;   /* its price is none of its owner's */
  uint8_t flags;    /* WCX_ORDER_F_RISK, _QUOTE, _MMP */
  uint8_t stopped;  /* enum wcx_stopped */
  uint8_t called;   /* by something else than its own request */
} wcx_taker_t;

/* Takes whatever price there is: Market, MarketToLimit, Stop. */
static inline bool wcx_match_sweeps(uint8_t ord_type)
{
  return ord_type == WCX_ORD_TYPE_MARKET || ord_type == WCX_ORD_TYPE_MARKET_TO_LIMIT || ord_type == WCX_ORD_TYPE_STOP;
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

/* The prices at which continuous trading may fill now. */
void wcx_match_band(const wcx_instrument_t *instrument, int64_t *low, int64_t *high);

/* floor(price x qty x 10^scale): the notional of a fill. */
int64_t wcx_match_notional(const wcx_instrument_t *instrument, int64_t price, int64_t qty);

/* Trade until the taker is filled, prevented, stopped or nothing crosses; taker->leaves is what is left. Prevention may shrink taker->order_qty; when it or
   market-maker protection ends the taker, its ER_Cancel has been said and nothing is left. */
void wcx_match(wcx_engine_t *engine, wcx_taker_t *taker);

/* Is `qty` there for it? What prevention would remove, or keep it from, is not. */
bool wcx_match_available(const wcx_engine_t *engine, const wcx_taker_t *taker, int64_t qty);

/* ER_Cancel of all that is left; nothing is held for it any more. */
void wcx_match_cancel_taker(wcx_engine_t *engine, wcx_taker_t *taker, uint8_t reason);

/* The parts of a fill that an uncross shares (auction.c). */
typedef struct wcx_fill
{
  uint64_t match_id;
  uint64_t event_id;
  int64_t px;
  int64_t qty;
  int64_t notional; /* only where somebody asks for it: fees, balances, protection */
} wcx_fill_t;

/* One order's side of a fill: what it says in its ER_Trade. */
typedef struct wcx_fill_side
{
  const wcx_session_t *session;
  uint64_t order_id;
  uint64_t cl_ord_id;
  int64_t leaves; /* after the fill */
  int64_t cum_qty;
  int64_t commission;
  uint32_t account;
  uint8_t side;
  uint8_t liquidity;
  uint8_t is_quote;
} wcx_fill_side_t;

void wcx_report_trade(wcx_engine_t *engine, const wcx_instrument_t *instrument, const wcx_fill_side_t *side, const wcx_fill_t *fill);

/* Take qty from an order in a book (its tranche at least): leaves, level, balance and digest; no report. False: it is filled and out of its book, and listed still. */
bool wcx_match_reduce(wcx_engine_t *engine, uint32_t slot, wcx_account_t *owner, const wcx_fill_t *fill, int64_t commission);

/* After its reports: an iceberg whose displayed part is gone says ER_Restated(DisplayRefresh) and shows the next (`whole`: all that is left). Returns whether
   it did. */
bool wcx_match_refresh(wcx_engine_t *engine, uint32_t slot, bool whole);

#endif
