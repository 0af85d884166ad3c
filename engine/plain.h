/* The short way: what nearly every request of a busy day is. A limit order, GTC or IOC, that rests or takes from a few plain orders; the cancel of a plain order of
   one's own; its move to another price where it rests at once; in continuous trading, for accounts without balances and limits, where nobody pays fees.

   Each function either does all of it, or nothing and hands the record to the long way (wcx_engine_apply_long: request.c, replace.c): the request is not of that
   kind, or something is wrong with it. What is said and what is left is the same either way, byte for byte; wcx_engine_limits_t.long_way_only has an
   engine take the long way always, so that a test can compare.

   Owner:      the engine's thread, inside wcx_engine_apply, as the last thing it does.
   Pinned by:  tests/property/test_engine_invariants.c, tests/diff. */
#ifndef WCX_ENGINE_PLAIN_H
#define WCX_ENGINE_PLAIN_H

#include "engine/state.h"

/* `body` is whole (its length was checked) and of any alignment. What was said is in the log and in the output digest. */
void wcx_plain_new(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body);
void wcx_plain_cancel(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body);
void wcx_plain_replace(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body);

/* plain_take.c: a new order that may trade, or is canceled where it may not. Its fields were checked; room for it in the pool and the ladder was not used up. */
void wcx_plain_take(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, wcx_session_t *session, wcx_instrument_t *instrument, uint64_t px_idx);

#endif
