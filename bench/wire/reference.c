#include "bench/wire/reference.h"

#include "dataplane/client/packet.h"
#include "engine/base/check.h"

#include <stdlib.h>

#define BURST 32u

void wcx_reference_new(wcx_reference_t *reference, const wcx_flow_t *flow, uint64_t cnt)
{
  char error[512];
  wcx_flow_t part = {.records = flow->records, .cnt = cnt};
  int status = wcx_flow_survey(&part, error, sizeof(error));
  WCX_CHECK(status == 0, "%s", error); /* the whole flow is sound */
  *reference = (wcx_reference_t){.flow = flow, .cnt = cnt, .ids = calloc(cnt, sizeof(*reference->ids)), .hash = WCX_TRADE_HASH_START};
  WCX_CHECK(reference->ids != NULL, "out of memory");
  wcx_run_t *run = wcx_run_new(&part, WCX_CREDIT_UNLIMITED);
  reference->wanted = wcx_run_pass(run, 0, BURST, NULL);
  wcx_run_free(run);
}

void wcx_reference_free(wcx_reference_t *reference)
{
  free(reference->ids);
  reference->ids = NULL;
}

void wcx_reference_sent(wcx_reference_t *reference, uint64_t idx, uint64_t cl_ord_id)
{
  if (idx == 0)
    reference->first_id = cl_ord_id;
  WCX_CHECK(idx < reference->cnt && cl_ord_id == reference->first_id + idx, "ClOrdID %llu of record %llu", (unsigned long long)cl_ord_id, (unsigned long long)idx);
  reference->ids[idx] = reference->flow->records[idx].id;
}

/* 0: not one of ours. */
static uint64_t flow_id_of(const wcx_reference_t *reference, uint64_t cl_ord_id)
{
  uint64_t idx = cl_ord_id - reference->first_id;
  return idx < reference->cnt ? reference->ids[idx] : 0;
}

static void take_fill(wcx_reference_t *reference, const wcx_execution_report_trade_t *fill)
{
  uint64_t id = flow_id_of(reference, fill->cl_ord_id);
  reference->is_odd = reference->is_odd || id == 0;
  if (reference->maker_id == 0)
  {
    reference->maker_id = id;
    reference->maker_match_id = fill->trd_match_id;
    return;
  }
  reference->is_odd = reference->is_odd || fill->trd_match_id != reference->maker_match_id;
  reference->hash = wcx_trade_hash(reference->hash, reference->maker_id, id, fill->last_px, (uint64_t)fill->last_qty);
  reference->trade_cnt++;
  reference->maker_id = 0;
}

void wcx_reference_message(wcx_reference_t *reference, const void *message, size_t sz)
{
  uint16_t template_id = wcx_client_message_template(message, sz);
  if (template_id == WCX_TEMPLATE_EXECUTION_REPORT_TRADE)
  {
    wcx_execution_report_trade_t fill;
    wcx_client_message_block(&fill, sizeof(fill), message, sz);
    take_fill(reference, &fill);
  }
  else if (template_id == WCX_TEMPLATE_ORDER_MASS_CANCEL_REPORT)
  {
    wcx_order_mass_cancel_report_t report;
    wcx_client_message_block(&report, sizeof(report), message, sz);
    reference->live_cnt = report.total_affected_orders;
    reference->is_swept = true;
  }
}

const char *wcx_reference_difference(const wcx_reference_t *reference)
{
  if (reference->is_odd || reference->maker_id != 0 || reference->trade_cnt != reference->wanted.trades || reference->hash != reference->wanted.trade_hash)
    return "the trades are not those of the reference run: was the book empty?";
  if (!reference->is_swept || reference->live_cnt != reference->wanted.live_orders)
    return "the orders that still rested are not as many as in the reference run";
  return NULL;
}
