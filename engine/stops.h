/* Stops: orders that wait outside the book until the last trade reaches their StopPx. RULES.md section 6.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Bounds:     at most WCX_TRIGGERS_MAX triggered in one input; what is left is due first in the next, and the engine asks for a Tick at once.
   Pinned by:  tests/golden/stop.play, tests/unit/test_stops.c, tests/diff. */
#ifndef WCX_ENGINE_STOPS_H
#define WCX_ENGINE_STOPS_H

#include "engine/state.h"

#define WCX_TRIGGERS_MAX 64u

/* A listed stop that stands nowhere: it triggers at once or waits, as the newest of its price. */
void wcx_stops_place(wcx_engine_t *engine, uint32_t slot);

/* Trigger what the last trades of all instruments trigger. */
void wcx_stops_run(wcx_engine_t *engine);

/* Could a waiting stop of this side and price find a level? True for a null price: an unseen order needs none. */
bool wcx_stops_have_level(const wcx_engine_t *engine, const wcx_instrument_t *instrument, uint8_t side, int64_t stop_px);

/* Something waits that the last trade may have reached. */
static inline bool wcx_stops_may_run(const wcx_engine_t *engine)
{
  return __builtin_expect(engine->stop_cnt != 0, 0);
}

#endif
