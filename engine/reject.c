#include "engine/reject.h"

#include "engine/state.h"

static const struct
{
  uint16_t ord_reason;
  uint8_t cxl_reason;
  const char *name;
  const char *text;
} rows[WCX_REJECT_CNT] = {
    [WCX_REJECT_NONE] = {WCX_ORD_REJ_REASON_OTHER, WCX_CXL_REJ_REASON_OTHER, "NONE", "accepted"},
#define X(name, ord, cxl, text) [WCX_REJECT_##name] = {WCX_ORD_REJ_REASON_##ord, WCX_CXL_REJ_REASON_##cxl, #name, text},
#include "engine/reject.def"
#undef X
};

uint16_t wcx_reject_ord_reason(enum wcx_reject reject)
{
  return rows[reject].ord_reason;
}

uint8_t wcx_reject_cxl_reason(enum wcx_reject reject)
{
  return rows[reject].cxl_reason;
}

const char *wcx_reject_name(enum wcx_reject reject)
{
  return rows[reject].name;
}

const char *wcx_reject_text(enum wcx_reject reject)
{
  return rows[reject].text;
}

uint64_t wcx_engine_reject_cnt(const struct wcx_engine *engine, enum wcx_reject reject)
{
  return engine->rejects[reject];
}
