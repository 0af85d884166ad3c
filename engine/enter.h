/* How an order enters the market: it takes what it may, and what is left of it rests or is canceled. The one way in for new orders, replaces that lose their place,
   quotes, triggered stops.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Result:     reports of RULES.md section 4; the order rests, or its slot is free.
   Pinned by:  tests/unit/test_engine_match.c, tests/diff. */
#ifndef WCX_ENGINE_ENTER_H
#define WCX_ENGINE_ENTER_H

#include "engine/terms.h"

typedef struct wcx_entry
{
  wcx_taker_t taker;
  wcx_terms_t terms;
  int64_t at_once; /* quantity that must be there at once; <= 0: none */
  uint32_t slot;
  uint8_t order_flags; /* WCX_ORDER_F_* that it will have when it rests */
  bool all;            /* at_once is all of it: FOK */
  bool listed;         /* it was accepted before: its line is filled in, and it stands in its session's list */
  bool last;           /* nothing of this input comes behind it */
} wcx_entry_t;

/* The taker of a listed order that stands nowhere. */
void wcx_entry_of_listed(wcx_engine_t *engine, wcx_entry_t *entry, uint32_t slot);

/* entry->terms.px_idx and price are set for what may rest. */
void wcx_enter(wcx_engine_t *engine, wcx_entry_t *entry);

#endif
