#include "bench/wire/reference.h"

#include "dataplane/client/packet.h"
#include "engine/base/check.h"

#include <stdlib.h>
#include <string.h>

#define BURST 32u
#define ROOM_MIN 4096u

/* What all answers begin with. */
typedef struct report_head
{
  uint64_t transact_time;
  uint64_t exec_id;
} report_head_t;
static_assert(offsetof(report_head_t, exec_id) == offsetof(wcx_execution_report_new_t, exec_id), "ExecutionReport_New");
static_assert(offsetof(report_head_t, exec_id) == offsetof(wcx_execution_report_cancel_t, exec_id), "ExecutionReport_Cancel");
static_assert(offsetof(report_head_t, exec_id) == offsetof(wcx_execution_report_replace_t, exec_id), "ExecutionReport_Replace");
static_assert(offsetof(report_head_t, exec_id) == offsetof(wcx_order_cancel_reject_t, exec_id), "OrderCancelReject");

/* A request in the order in which they were applied. */
typedef struct turn
{
  uint64_t exec_id;
  uint64_t idx;
} turn_t;

static void *must_calloc(uint64_t cnt, size_t sz)
{
  void *mem = calloc(cnt, sz);
  WCX_CHECK(mem != NULL, "no memory for %llu things of %zu bytes", (unsigned long long)cnt, sz);
  return mem;
}

static void *must_realloc(void *mem, size_t sz)
{
  mem = realloc(mem, sz);
  WCX_CHECK(mem != NULL, "no memory for %zu bytes", sz);
  return mem;
}

void wcx_reference_new(wcx_reference_t *reference, uint64_t max, uint32_t first_session, uint32_t session_cnt)
{
  WCX_CHECK(max <= WCX_REFERENCE_MAX, "%llu requests", (unsigned long long)max);
  *reference = (wcx_reference_t){.max = max, .first_session = first_session, .session_cnt = session_cnt};
  reference->members = must_calloc(session_cnt, sizeof(*reference->members));
  reference->records = must_calloc(max, sizeof(*reference->records));
  reference->exec_ids = must_calloc(max, sizeof(*reference->exec_ids));
}

void wcx_reference_free(wcx_reference_t *reference)
{
  for (uint32_t i = 0; i < reference->session_cnt; i++)
    free(reference->members[i].idxs);
  free(reference->members);
  free(reference->records);
  free(reference->exec_ids);
  free(reference->fills);
  *reference = (wcx_reference_t){0};
}

/* --- what is sent ------------------------------------------------------------------------------------------------------------------------ */

/* The order that a ClOrdID of a session names, as the request that made it, from 1; 0: none of ours. */
static uint64_t order_of(const wcx_reference_t *reference, uint32_t member, uint64_t cl_ord_id)
{
  if (member >= reference->session_cnt)
    return 0;
  const wcx_reference_member_t *of = &reference->members[member];
  uint64_t at = cl_ord_id - of->first_id;
  return at < of->cnt ? reference->records[of->idxs[at]].id : 0;
}

static void number(wcx_reference_t *reference, uint32_t member, uint64_t cl_ord_id)
{
  wcx_reference_member_t *of = &reference->members[member];
  if (of->cnt == 0)
    of->first_id = cl_ord_id;
  WCX_CHECK(cl_ord_id == of->first_id + of->cnt, "ClOrdID %llu behind %llu", (unsigned long long)cl_ord_id, (unsigned long long)(of->first_id + of->cnt - 1));
  if (of->cnt == of->room)
  {
    of->room = of->room == 0 ? ROOM_MIN : 2 * of->room;
    of->idxs = must_realloc(of->idxs, of->room * sizeof(*of->idxs));
  }
  of->idxs[of->cnt++] = (uint32_t)reference->cnt;
}

static wcx_flow_record_t record_of(const wcx_reference_t *reference, uint32_t member, const void *message, size_t sz)
{
  wcx_new_order_single_t order;
  wcx_order_cancel_request_t cancel;
  wcx_order_cancel_replace_request_t move;
  switch (wcx_client_message_template(message, sz))
  {
  case WCX_TEMPLATE_NEW_ORDER_SINGLE:
    wcx_client_message_block(&order, sizeof(order), message, sz);
    return (wcx_flow_record_t){.op = WCX_FLOW_NEW,
                               .side = order.side == WCX_SIDE_SELL,
                               .flags = order.time_in_force == WCX_TIME_IN_FORCE_IOC ? WCX_FLOW_F_IOC : 0,
                               .qty = (uint32_t)order.order_qty,
                               .id = reference->cnt + 1,
                               .px = order.price,
                               .aux = 1 + member % WCX_FLOW_OWNER_MAX};
  case WCX_TEMPLATE_ORDER_CANCEL_REQUEST:
    wcx_client_message_block(&cancel, sizeof(cancel), message, sz);
    return (wcx_flow_record_t){.op = WCX_FLOW_CANCEL, .id = order_of(reference, member, cancel.orig_cl_ord_id)};
  case WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST:
    wcx_client_message_block(&move, sizeof(move), message, sz);
    return (wcx_flow_record_t){.op = WCX_FLOW_MOVE, .id = order_of(reference, member, move.orig_cl_ord_id), .px = move.price};
  default:
    return (wcx_flow_record_t){0};
  }
}

/* A cancel or move says as much of its order as a flow file would: the sides and quantities of both must be sound. */
static void complete(const wcx_reference_t *reference, wcx_flow_record_t *record)
{
  const wcx_flow_record_t *made = &reference->records[record->id - 1];
  record->side = made->side;
  record->qty = made->qty;
  record->px = record->op == WCX_FLOW_MOVE ? record->px : made->px;
  record->aux = (made->aux & UINT32_MAX) | (uint64_t)made->px << 32;
}

void wcx_reference_sent(wcx_reference_t *reference, uint32_t member, uint64_t cl_ord_id, const void *message, size_t sz)
{
  WCX_CHECK(reference->cnt < reference->max, "more than %llu requests", (unsigned long long)reference->max);
  wcx_flow_record_t record = record_of(reference, member, message, sz);
  number(reference, member, cl_ord_id);
  if (record.id == 0)
    reference->is_odd = true;
  else if (record.op != WCX_FLOW_NEW)
    complete(reference, &record);
  reference->records[reference->cnt++] = record;
}

/* --- what comes back --------------------------------------------------------------------------------------------------------------------- */

void wcx_reference_answered(wcx_reference_t *reference, uint64_t idx, const void *message, size_t sz)
{
  report_head_t head;
  switch (wcx_client_message_template(message, sz))
  {
  case WCX_TEMPLATE_EXECUTION_REPORT_NEW:
  case WCX_TEMPLATE_EXECUTION_REPORT_CANCEL:
  case WCX_TEMPLATE_EXECUTION_REPORT_REPLACE:
  case WCX_TEMPLATE_ORDER_CANCEL_REJECT:
    wcx_client_message_block(&head, sizeof(head), message, sz);
    if (idx < reference->cnt)
      reference->exec_ids[idx] = head.exec_id;
    return;
  default:
    reference->is_odd = true;
  }
}

static void take_fill(wcx_reference_t *reference, const wcx_execution_report_trade_t *fill)
{
  if (reference->fill_cnt == reference->fill_room)
  {
    reference->fill_room = reference->fill_room == 0 ? ROOM_MIN : 2 * reference->fill_room;
    reference->fills = must_realloc(reference->fills, reference->fill_room * sizeof(*reference->fills));
  }
  reference->fills[reference->fill_cnt++] = (wcx_reference_fill_t){.exec_id = fill->exec_id,
                                                                   .match_id = fill->trd_match_id,
                                                                   .px = fill->last_px,
                                                                   .qty = fill->last_qty,
                                                                   .order = order_of(reference, fill->session_id - reference->first_session, fill->cl_ord_id),
                                                                   .is_maker = fill->last_liquidity_ind == WCX_LAST_LIQUIDITY_IND_ADDED_LIQUIDITY};
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
    reference->live_cnt += report.total_affected_orders;
    reference->swept_cnt++;
  }
}

/* --- the reference ----------------------------------------------------------------------------------------------------------------------- */

static int compare_turns(const void *a, const void *b)
{
  uint64_t x = ((const turn_t *)a)->exec_id;
  uint64_t y = ((const turn_t *)b)->exec_id;
  return (x > y) - (x < y);
}

static int compare_fills(const void *a, const void *b)
{
  uint64_t x = ((const wcx_reference_fill_t *)a)->exec_id;
  uint64_t y = ((const wcx_reference_fill_t *)b)->exec_id;
  return (x > y) - (x < y);
}

/* The requests as they were applied, with orders numbered in that order; numbers: by the request that made the order, from 1. NULL: not all were answered. */
static wcx_flow_record_t *applied(const wcx_reference_t *reference, uint64_t *numbers)
{
  turn_t *turns = must_calloc(reference->cnt, sizeof(*turns));
  wcx_flow_record_t *records = must_calloc(reference->cnt, sizeof(*records));
  uint64_t new_cnt = 0;
  bool is_whole = true;
  for (uint64_t i = 0; i < reference->cnt; i++)
    turns[i] = (turn_t){.exec_id = reference->exec_ids[i], .idx = i};
  qsort(turns, reference->cnt, sizeof(*turns), compare_turns);
  for (uint64_t i = 0; i < reference->cnt; i++)
  {
    records[i] = reference->records[turns[i].idx];
    if (records[i].op == WCX_FLOW_NEW)
      numbers[records[i].id] = ++new_cnt;
    records[i].id = numbers[records[i].id];
    is_whole = is_whole && turns[i].exec_id != 0 && records[i].id != 0;
  }
  free(turns);
  if (is_whole)
    return records;
  free(records);
  return NULL;
}

/* The fills that were reported, in their order, two by two. */
static void hash_fills(wcx_reference_t *reference, const uint64_t *numbers)
{
  if (reference->fill_cnt > 0)
    qsort(reference->fills, reference->fill_cnt, sizeof(*reference->fills), compare_fills);
  reference->hash = WCX_TRADE_HASH_START;
  reference->is_odd = reference->is_odd || reference->fill_cnt % 2 != 0;
  for (uint64_t i = 0; i + 1 < reference->fill_cnt; i += 2)
  {
    const wcx_reference_fill_t *maker = &reference->fills[i];
    const wcx_reference_fill_t *taker = &reference->fills[i + 1];
    bool is_sound =
        maker->is_maker && !taker->is_maker && maker->match_id == taker->match_id && maker->order != 0 && taker->order != 0 && maker->px == taker->px && maker->qty == taker->qty;
    reference->is_odd = reference->is_odd || !is_sound;
    reference->hash = wcx_trade_hash(reference->hash, numbers[maker->order], numbers[taker->order], taker->px, (uint64_t)taker->qty);
    reference->trade_cnt++;
  }
}

void wcx_reference_finish(wcx_reference_t *reference)
{
  char error[512];
  uint64_t *numbers = must_calloc(reference->cnt + 1, sizeof(*numbers));
  wcx_flow_t flow = {.records = reference->is_odd ? NULL : applied(reference, numbers), .cnt = reference->cnt};
  hash_fills(reference, numbers);
  free(numbers);
  if (flow.records == NULL || wcx_flow_survey(&flow, error, sizeof(error)) != 0)
    reference->is_odd = true;
  else
  {
    wcx_run_t *run = wcx_run_new(&flow, WCX_CREDIT_UNLIMITED);
    reference->wanted = wcx_run_pass(run, 0, BURST, NULL);
    wcx_run_free(run);
  }
  free(flow.records);
}

const char *wcx_reference_difference(const wcx_reference_t *reference)
{
  if (reference->is_odd || reference->trade_cnt != reference->wanted.trades || reference->hash != reference->wanted.trade_hash)
    return "the trades are not those of the reference run: was the book empty?";
  if (reference->swept_cnt != reference->session_cnt || reference->live_cnt != reference->wanted.live_orders)
    return "the orders that still rested are not as many as in the reference run";
  return NULL;
}
