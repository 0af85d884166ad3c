/* What an order asks for, checked against definitions and the state of the market: the same for new orders, replaces and quotes. The order of
   the checks is that of RULES.md section 2, because a client sees only the first failure.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Result:     a verdict; nothing is changed.
   Pinned by:  tests/unit/test_engine_reject.c, tests/diff. */
#ifndef WCX_ENGINE_TERMS_H
#define WCX_ENGINE_TERMS_H

#include "engine/book.h"
#include "engine/match.h"

/* `limit`: what ER_Reject.LimitValue names. */
typedef struct wcx_verdict
{
  enum wcx_reject reject;
  uint64_t limit;
} wcx_verdict_t;

#define WCX_ACCEPT ((wcx_verdict_t){.reject = WCX_REJECT_NONE, .limit = WCX_U64_NULL})

static inline wcx_verdict_t wcx_refuse(enum wcx_reject reject)
{
  return (wcx_verdict_t){.reject = reject, .limit = WCX_U64_NULL};
}

static inline wcx_verdict_t wcx_refuse_limit(enum wcx_reject reject, int64_t limit)
{
  return (wcx_verdict_t){.reject = reject, .limit = (uint64_t)limit};
}

/* An order as it wants to stand. */
typedef struct wcx_terms
{
  int64_t price; /* of Limit and StopLimit; a post-only order may be moved */
  int64_t qty;   /* total */
  uint64_t px_idx;
  uint16_t exec_inst;
  uint8_t side;
  uint8_t ord_type;
  uint8_t tif;
  bool waits; /* a stop that is not triggered, an order that is not seen: neither post-only nor levels are looked at */
} wcx_terms_t;

#define WCX_POST_ONLY (WCX_EXEC_INST_POST_ONLY | WCX_EXEC_INST_POST_ONLY_REPRICE)

/* Locks, account, trading status: 6, 8, 9. */
wcx_verdict_t wcx_check_standing(const wcx_session_t *session, const wcx_account_t *account, const wcx_instrument_t *instrument, const wcx_terms_t *terms);

/* Price, quantity, notional, post-only: 10 to 13. */
wcx_verdict_t wcx_check_terms(const wcx_engine_t *engine, const wcx_instrument_t *instrument, wcx_terms_t *terms);

/* May what is left of an order that is no stop rest? */
static inline bool wcx_terms_may_rest(const wcx_terms_t *terms)
{
  return terms->tif != WCX_TIME_IN_FORCE_IOC && terms->tif != WCX_TIME_IN_FORCE_FOK && terms->ord_type == WCX_ORD_TYPE_LIMIT;
}

#endif
