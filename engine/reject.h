/* Reasons to refuse a request, made from reject.def.

   Owner:      constant tables, any thread.
   Pinned by:  tests/unit/test_engine_reject.c. */
#ifndef WCX_ENGINE_REJECT_H
#define WCX_ENGINE_REJECT_H

#include "engine/sbe.h"

struct wcx_engine;

enum wcx_reject
{
  WCX_REJECT_NONE = 0,
#define X(name, ord, cxl, text) WCX_REJECT_##name,
#include "engine/reject.def"
#undef X
  WCX_REJECT_CNT
};

/* What ER_Reject says for a reason. */
uint16_t wcx_reject_ord_reason(enum wcx_reject reject);
/* What OrderCancelReject says for a reason. */
uint8_t wcx_reject_cxl_reason(enum wcx_reject reject);
/* Name and text for tools; reject 1..WCX_REJECT_CNT - 1. */
const char *wcx_reject_name(enum wcx_reject reject);
const char *wcx_reject_text(enum wcx_reject reject);
/* Requests this engine refused for a reason since it was made (a replay counts again). */
uint64_t wcx_engine_reject_cnt(const struct wcx_engine *engine, enum wcx_reject reject);

#endif
