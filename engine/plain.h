/* The short way: what nearly every request of a busy day is. A GTC limit order that rests at once, the cancel of a plain order of one's own, its move to another
   price where it rests at once; in continuous trading, for an account without balances and limits.

   Each function either does all of it or nothing: false means that the request is not of that kind, or that something is wrong with it, and that the long
   way (request.c, replace.c) must be taken. What is said and what is left is the same either way, byte for byte; wcx_engine_limits_t.long_way_only has an
   engine take the long way always, so that a test can compare.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Pinned by:  tests/property/test_engine_invariants.c, tests/diff. */
#ifndef WCX_ENGINE_PLAIN_H
#define WCX_ENGINE_PLAIN_H

#include "engine/state.h"

/* `body` is whole (its length was checked) and of any alignment. What was said is in the log and in the output digest. */
bool wcx_plain_new(wcx_engine_t *engine, wcx_session_t *session, const void *body);
bool wcx_plain_cancel(wcx_engine_t *engine, wcx_session_t *session, const void *body);
bool wcx_plain_replace(wcx_engine_t *engine, wcx_session_t *session, const void *body);

#endif
