/* An engine that goes wrong where a run of wcx-bench must notice, planted below it by the linker (--wrap=wcx_engine_apply): a KillSwitch meets the next account, and
   every second time that the inputs around number 4,000 are applied in one process, new orders among them are for one more than was asked. */
#include "engine/engine.h"

#include <string.h>

#define FROM_SEQ 4000u
#define TO_SEQ 4200u

void __real_wcx_engine_apply(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, wcx_outlog_t *log);
void __wrap_wcx_engine_apply(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, wcx_outlog_t *log);

void __wrap_wcx_engine_apply(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, wcx_outlog_t *log)
{
  static uint64_t times;
  times += hdr->seq == FROM_SEQ;
  if (hdr->template_id == WCX_TEMPLATE_KILL_SWITCH)
  {
    wcx_kill_switch_t kill;
    memcpy(&kill, body, sizeof(kill));
    kill.account++;
    __real_wcx_engine_apply(engine, hdr, &kill, log);
    return;
  }
  if (hdr->template_id == WCX_TEMPLATE_NEW_ORDER_SINGLE && hdr->seq >= FROM_SEQ && hdr->seq < TO_SEQ && times % 2 == 0)
  {
    wcx_new_order_single_t request;
    memcpy(&request, body, sizeof(request));
    request.order_qty++;
    __real_wcx_engine_apply(engine, hdr, &request, log);
    return;
  }
  __real_wcx_engine_apply(engine, hdr, body, log);
}
