#include "bench/records.h"

#include "bench/engine_run.h"
#include "bench/profile.h"
#include "bench/rig.h"
#include "engine/base/check.h"

#include <sys/mman.h>

void wcx_records_make(wcx_records_t *records, char profile, uint64_t ops, uint64_t seed)
{
  wcx_flow_t flow;
  uint64_t setup_cnt;
  if (wcx_profile_generate(&flow, &setup_cnt, profile, ops, seed) != 0)
    WCX_DIE("profile %c", profile);
  wcx_run_t *run = wcx_run_new(&flow, WCX_CREDIT_UNLIMITED);
  *records = (wcx_records_t){.request_cnt = flow.cnt, .limits = wcx_run_limits(run), .mem_sz = wcx_run_records_sz(run)};
  records->mem = wcx_rig_map(records->mem_sz);
  uint64_t sz;
  records->definition_cnt = wcx_run_records(run, records->mem, &sz) - flow.cnt;
  wcx_run_free(run);
  wcx_flow_free(&flow);
  const wcx_record_hdr_t *at = (const void *)records->mem;
  for (uint64_t i = 0; i < records->definition_cnt; i++)
    at = wcx_records_next(at);
  records->requests = records->mem + ((const uint8_t *)at - records->mem);
}

static void add(uint8_t *at, uint64_t more)
{
  uint64_t value;
  memcpy(&value, at, sizeof(value));
  value += more;
  memcpy(at, &value, sizeof(value));
}

void wcx_records_move(wcx_records_t *records, uint64_t seq, uint64_t cl_ord_id)
{
  uint8_t *at = records->requests;
  for (uint64_t i = 1; i <= records->request_cnt; i++)
  {
    wcx_record_hdr_t hdr;
    memcpy(&hdr, at, sizeof(hdr));
    uint64_t more = cl_ord_id + i - hdr.client_seq;
    hdr.seq = seq + i;
    hdr.stamp_ns = hdr.receive_ns = WCX_RIG_STAMP_START_NS + hdr.seq;
    hdr.client_seq += more;
    memcpy(at, &hdr, sizeof(hdr));
    add(at + sizeof(hdr) + offsetof(wcx_order_cancel_request_t, cl_ord_id), more);
    if (hdr.template_id != WCX_TEMPLATE_NEW_ORDER_SINGLE)
      add(at + sizeof(hdr) + offsetof(wcx_order_cancel_request_t, orig_cl_ord_id), more);
    at += wcx_record_sz(hdr.body_sz);
  }
}
static_assert(offsetof(wcx_new_order_single_t, cl_ord_id) == 0 && offsetof(wcx_order_cancel_request_t, cl_ord_id) == 0 &&
                  offsetof(wcx_order_cancel_replace_request_t, cl_ord_id) == 0,
              "ClOrdID stands first");
static_assert(offsetof(wcx_order_cancel_request_t, orig_cl_ord_id) == offsetof(wcx_order_cancel_replace_request_t, orig_cl_ord_id), "OrigClOrdID stands second");

void wcx_records_free(wcx_records_t *records)
{
  munmap(records->mem, records->mem_sz);
  *records = (wcx_records_t){0};
}
