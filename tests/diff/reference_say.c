/* Every message the reference can say. Private messages go to the end of the list at once, public ones wait for the end of the input. */
#include "tests/diff/reference_state.h"

#include <stdlib.h>

static uint32_t bytes_append(ref_out_list_t *out, uint16_t template_id, const void *block, uint32_t sz, uint16_t block_length)
{
  uint32_t need = out->sz + 8 + sz;
  if (need > out->cap)
  {
    out->cap = need * 2 + 4096;
    out->bytes = realloc(out->bytes, out->cap);
    WCX_CHECK(out->bytes != NULL, "out of memory: %u", out->cap);
  }
  wcx_message_header_t header = {.block_length = block_length, .template_id = template_id, .schema_id = WCX_SCHEMA_ID, .version = WCX_SCHEMA_VERSION};
  uint32_t off = out->sz;
  memcpy(out->bytes + off, &header, 8);
  memcpy(out->bytes + off + 8, block, sz);
  out->sz = need;
  return off;
}

static void out_append(ref_out_list_t *out, ref_out_t message)
{
  if (out->cnt == out->at_cap)
  {
    out->at_cap = out->at_cap * 2 + 64;
    out->at = realloc(out->at, out->at_cap * sizeof(*out->at));
    WCX_CHECK(out->at != NULL, "out of memory: %u", out->at_cap);
  }
  out->at[out->cnt++] = message;
}

void ref_out_free(ref_out_list_t *list)
{
  free(list->bytes);
  free(list->at);
  *list = (ref_out_list_t){0};
}

/* The root block is all of the message, but for MassQuoteAck, whose group follows it. */
static uint16_t block_length_of(uint16_t template_id, uint32_t sz)
{
  return template_id == WCX_TEMPLATE_MASS_QUOTE_ACK ? (uint16_t)sizeof(wcx_mass_quote_ack_t) : (uint16_t)sz;
}

uint32_t ref_say_session(ref_t *ref, uint32_t session, uint16_t template_id, const void *block, uint32_t sz)
{
  ref_session_t *to = &ref->sessions[session];
  uint32_t off = bytes_append(ref->out, template_id, block, sz, block_length_of(template_id, sz));
  out_append(ref->out, (ref_out_t){.stream = WCX_STREAM_SESSION, .stream_id = to->id, .number = to->next_server_seq++, .off = off, .len = 8 + sz});
  return off;
}

void ref_say_unsequenced(ref_t *ref, uint32_t session, uint32_t tag, uint16_t template_id, const void *block, uint32_t sz)
{
  uint32_t off = bytes_append(ref->out, template_id, block, sz, (uint16_t)sz);
  out_append(ref->out, (ref_out_t){.stream = WCX_STREAM_UNSEQUENCED, .stream_id = ref->sessions[session].id, .tag = tag, .off = off, .len = 8 + sz});
}

uint32_t ref_say_feed(ref_t *ref, uint16_t template_id, const void *block, uint32_t sz)
{
  uint32_t off = bytes_append(ref->out, template_id, block, sz, (uint16_t)sz);
  if (ref->public_cnt == ref->public_cap)
  {
    ref->public_cap = ref->public_cap * 2 + 64;
    ref->publics = realloc(ref->publics, ref->public_cap * sizeof(*ref->publics));
    WCX_CHECK(ref->publics != NULL, "out of memory: %u", ref->public_cap);
  }
  ref->publics[ref->public_cnt++] = (ref_out_t){.stream = WCX_STREAM_FEED, .stream_id = ref->shard, .number = ref->feed_number++, .off = off, .len = 8 + sz};
  return off;
}

void ref_say_finish(ref_t *ref)
{
  for (uint32_t i = 0; i < ref->public_cnt; i++)
    out_append(ref->out, ref->publics[i]);
  ref->public_cnt = 0;
}

/* --- to sessions ----------------------------------------------------------------------------------------------------------------------- */

uint8_t ref_ord_status(const ref_order_t *order)
{
  return order->cum > 0 ? WCX_ORD_STATUS_PARTIALLY_FILLED : WCX_ORD_STATUS_NEW;
}

void ref_say_new(ref_t *ref, const ref_order_t *order, const wcx_new_order_single_t *request)
{
  wcx_execution_report_new_t report = {
      .transact_time = ref->now,
      .exec_id = ref->next_exec_id++,
      .order_id = order->id,
      .cl_ord_id = order->cl_ord_id,
      .security_id = request->security_id,
      .account = request->account,
      .session_id = ref->hdr->session_id,
      .side = order->side,
      .ord_status = WCX_ORD_STATUS_NEW,
      .ord_type = request->ord_type,
      .time_in_force = request->time_in_force,
      .price = ref_sweeps(order) ? WCX_I64_NULL : order->price,
      .order_qty = request->order_qty,
      .leaves_qty = request->order_qty,
      .display_qty = request->display_qty,
      .stop_px = request->stop_px,
      .receive_time = ref->hdr->receive_ns,
      .exec_inst = request->exec_inst,
      .self_match_prevention_inst = request->self_match_prevention_inst,
      .self_match_prevention_id = request->self_match_prevention_id,
      .expire_time = request->time_in_force == WCX_TIME_IN_FORCE_GTD ? request->expire_time : WCX_U64_NULL,
      .min_qty = request->min_qty,
  };
  ref_say_session(ref, order->session, WCX_TEMPLATE_EXECUTION_REPORT_NEW, &report, sizeof(report));
}

void ref_say_cancel(ref_t *ref, const ref_order_t *order, ref_cancel_t how)
{
  wcx_execution_report_cancel_t report = {
      .transact_time = ref->now,
      .exec_id = ref->next_exec_id++,
      .order_id = order->id,
      .cl_ord_id = order->cl_ord_id,
      .security_id = ref->instruments[order->instrument].def.security_id,
      .account = ref->accounts[order->account].def.account,
      .session_id = ref->sessions[order->session].id,
      .side = order->side,
      .ord_status = how.reason == WCX_CANCEL_REASON_EXPIRED ? WCX_ORD_STATUS_EXPIRED : WCX_ORD_STATUS_CANCELED,
      .cancel_reason = how.reason,
      .request_cl_ord_id = how.request_cl_ord_id,
      .canceled_qty = order->leaves,
      .cum_qty = order->cum,
      .receive_time = how.receive_ns,
  };
  ref_say_session(ref, order->session, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, &report, sizeof(report));
  if (how.other_session != REF_NOBODY && how.other_session != order->session)
    ref_say_session(ref, how.other_session, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, &report, sizeof(report));
}

void ref_say_restated(ref_t *ref, const ref_order_t *order, uint8_t reason, int64_t price, int64_t prevented)
{
  bool refresh = reason == WCX_RESTATEMENT_REASON_DISPLAY_REFRESH;
  wcx_execution_report_restated_t report = {
      .transact_time = ref->now,
      .exec_id = ref->next_exec_id++,
      .order_id = order->id,
      .cl_ord_id = order->cl_ord_id,
      .security_id = ref->instruments[order->instrument].def.security_id,
      .account = ref->accounts[order->account].def.account,
      .session_id = ref->sessions[order->session].id,
      .side = order->side,
      .ord_status = ref_ord_status(order),
      .exec_restatement_reason = reason,
      .leaves_qty = order->leaves,
      .display_qty = refresh ? order->shown : WCX_I64_NULL,
      .price = price,
      .prevented_qty = prevented,
      .secondary_order_id = refresh ? order->public_id : WCX_U64_NULL,
  };
  ref_say_session(ref, order->session, WCX_TEMPLATE_EXECUTION_REPORT_RESTATED, &report, sizeof(report));
}

void ref_say_business_reject(ref_t *ref, uint64_t cl_ord_id, uint8_t reason)
{
  wcx_business_message_reject_t reject = {
      .transact_time = ref->now,
      .ref_seq_num = ref->hdr->client_seq,
      .business_reject_ref_id = cl_ord_id,
      .ref_template_id = ref->hdr->template_id,
      .business_reject_reason = reason,
  };
  ref_say_session(ref, ref->session, WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT, &reject, sizeof(reject));
}

void ref_say_mmp(ref_t *ref, const ref_group_t *group, uint8_t event, uint64_t level)
{
  wcx_mmp_event_t report = {
      .transact_time = ref->now,
      .exec_id = ref->next_exec_id++,
      .frozen_until = group->frozen ? group->frozen_until : WCX_U64_NULL,
      .session_id = ref->sessions[group->session].id,
      .mmp_group = group->group,
      .event = event,
      .level = level,
  };
  ref_say_session(ref, group->session, WCX_TEMPLATE_MMP_EVENT, &report, sizeof(report));
}

/* --- to the feed ----------------------------------------------------------------------------------------------------------------------- */

static uint32_t security_of(const ref_t *ref, const ref_order_t *order)
{
  return ref->instruments[order->instrument].def.security_id;
}

void ref_say_add(ref_t *ref, const ref_order_t *order)
{
  wcx_add_order_t message = {
      .transact_time = ref->now, .order_id = order->public_id, .price = order->price, .display_qty = order->shown, .security_id = security_of(ref, order), .side = order->side};
  ref_say_feed(ref, WCX_TEMPLATE_ADD_ORDER, &message, sizeof(message));
}

void ref_say_delete(ref_t *ref, const ref_order_t *order)
{
  wcx_delete_order_t message = {.transact_time = ref->now, .order_id = order->public_id, .security_id = security_of(ref, order), .side = order->side};
  ref_say_feed(ref, WCX_TEMPLATE_DELETE_ORDER, &message, sizeof(message));
}

void ref_say_reduce(ref_t *ref, const ref_order_t *order)
{
  wcx_reduce_order_t message = {.transact_time = ref->now, .order_id = order->public_id, .leaves_qty = order->shown, .security_id = security_of(ref, order), .side = order->side};
  ref_say_feed(ref, WCX_TEMPLATE_REDUCE_ORDER, &message, sizeof(message));
}

void ref_say_replaced(ref_t *ref, const ref_order_t *order)
{
  wcx_replace_order_t message = {.transact_time = ref->now,
                                 .order_id = order->public_id,
                                 .new_order_id = order->public_id,
                                 .price = order->price,
                                 .display_qty = order->shown,
                                 .security_id = security_of(ref, order),
                                 .side = order->side};
  ref_say_feed(ref, WCX_TEMPLATE_REPLACE_ORDER, &message, sizeof(message));
}
