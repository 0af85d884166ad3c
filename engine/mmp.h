/* Market-maker protection: groups of a session's orders that fall together when too much of them trades in a rolling window of journaled time. RULES.md section 11.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Memory:     wcx_mmp_group_t[4 x sessions_max] and their map, zeroed.
   Bounds:     a group remembers WCX_MMP_FILLS fills; checking one is O(what has left the window).
   Pinned by:  tests/unit/test_mmp.c, tests/golden/mmp*.play, tests/diff. */
#ifndef WCX_ENGINE_MMP_H
#define WCX_ENGINE_MMP_H

#include "engine/match.h"

/* Whether new orders of this group are refused now. */
bool wcx_mmp_frozen(const wcx_engine_t *engine, const wcx_session_t *session, uint16_t group);

/* A fill of an order of this group: count it and, when that is too much, cancel the group: MmpEvent, then the orders, the taker's remainder last if it is one. */
void wcx_mmp_fill(wcx_engine_t *engine, wcx_session_t *session, uint16_t group, const wcx_fill_t *fill, wcx_taker_t *taker);

#endif
