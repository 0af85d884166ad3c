#include "engine/mmp.h"

bool wcx_mmp_frozen(const wcx_engine_t *engine, const wcx_session_t *session, uint16_t group)
{
  (void)engine, (void)session, (void)group;
  return false;
}

void wcx_mmp_fill(wcx_engine_t *engine, wcx_session_t *session, uint16_t group, const wcx_fill_t *fill, wcx_taker_t *taker)
{
  (void)engine, (void)session, (void)group, (void)fill, (void)taker;
}
