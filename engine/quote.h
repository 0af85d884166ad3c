/* Mass quotes: up to 33 two-sided quotes in one request, each replacing what stood under the same key. RULES.md section 11.

   A quote is an order without an ER_New: it stands in the book and in its session's list like any other, and in the ClOrdID index under its key

       group (16 bits) << 48 | instrument index (16 bits) << 32 | QuoteEntryID

   and its side, because a client names it so in the MassQuote that replaces it. Its ClOrdID is the QuoteID it came with.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Result:     MassQuoteAck before everything that its quotes do; it is completed as they enter, before the input's outputs are digested.
   Bounds:     WCX_QUOTE_SETS_MAX sets; each side one lookup and one entry (enter.h).
   Pinned by:  tests/unit/test_quote.c, tests/golden/quote*.play, tests/diff. */
#ifndef WCX_ENGINE_QUOTE_H
#define WCX_ENGINE_QUOTE_H

#include "engine/state.h"

#define WCX_QUOTE_SETS_MAX 33u
#define WCX_QUOTE_SETS_OFF (sizeof(wcx_mass_quote_t) + sizeof(wcx_group_size_t))
#define WCX_QUOTE_SET_SZ sizeof(wcx_mass_quote_quote_sets_t)
#define WCX_QUOTE_F_RESET_MMP 0x0001u /* MassQuote.Flags */
#define WCX_QUOTE_F_POST_ONLY 0x0002u

/* MassQuote: block, group header and sets, unaligned. What is not that is a check failure: the data plane refuses it. */
void wcx_mass_quote(wcx_engine_t *engine, wcx_session_t *session, const void *body, uint16_t body_sz);

#endif
