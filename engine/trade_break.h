/* Breaking a trade: an operator's command undoes one fill for both sides. RULES.md section 12.

   The engine keeps no trades; the command carries what the fill's reports said, from the journal. What the engine can tell is refused: a number that no fill
   has had, and one of the last WCX_BREAKS_MAX trades broken.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Result:     ER_TradeBreak to the buyer's session, then to the seller's; TradeBreak on the feed. Orders, books and prices stay.
   Bounds:     O(WCX_BREAKS_MAX).
   Digest:     the numbers broken are part of the state, each with its place in the ring.
   Pinned by:  tests/unit/test_trade_break.c, tests/golden/trade_break.play. */
#ifndef WCX_ENGINE_TRADE_BREAK_H
#define WCX_ENGINE_TRADE_BREAK_H

#include "engine/state.h"

const char *wcx_trade_break_error(const wcx_engine_t *engine, const wcx_trade_break_command_t *command);
void wcx_trade_break(wcx_engine_t *engine, const wcx_trade_break_command_t *command);

/* What the sum over the state holds of one place of the ring: nothing of an empty one. */
wcx_digest_t wcx_trade_break_hash(const wcx_engine_t *engine, uint32_t place);

#endif
