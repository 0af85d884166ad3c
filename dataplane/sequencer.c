#include "dataplane/sequencer.h"
#include "engine/sbe_meta.h"

#define STALE_HEARTBEAT_NS 1000000u

/* --- what the data plane itself says ------------------------------------------------------------------------------------------------------- */

/* A gated message outside the sequence, as of the last input. The credit of every input keeps room for it. */
static bool say_gated(wcx_sequencer_t *seq, const wcx_binding_t *binding, uint16_t template_id, const void *body, uint16_t body_sz)
{
  wcx_outlog_t *log = seq->input->log;
  if (wcx_outlog_room(log) < wcx_outlog_entry_sz(8u + body_sz))
    return false;
  wcx_message_header_t header = {.block_length = body_sz, .template_id = template_id, .schema_id = WCX_SCHEMA_ID};
  wcx_out_entry_t *entry = wcx_outlog_append(log, 8u + body_sz);
  entry->stream = WCX_STREAM_UNSEQUENCED;
  entry->stream_id = wcx_binding_session(seq->sessions, binding)->session_id;
  entry->input_seq = seq->input->applied_seq;
  memcpy(wcx_out_message(entry), &header, 8);
  memcpy(wcx_out_message(entry) + 8, body, body_sz);
  return true;
}

/* By template alone: a request under a foreign schema number is told which of the client's requests it was, too. */
static bool has_cl_ord_id(const wcx_request_t *request)
{
  uint16_t id = request->header.template_id;
  return id >= WCX_TEMPLATE_NEW_ORDER_SINGLE && id <= WCX_TEMPLATE_MMP_CONFIG_REQUEST && request->avail >= 8;
}

static bool is_tcp(const wcx_request_t *request)
{
  return request->link != NULL;
}

static bool is_purge(const wcx_request_t *request)
{
  return is_tcp(request) && request->link->service == WCX_SERVICE_PURGE;
}

/* Over TCP a refusal has a number: the engine says it, so it is an input like any other and costs a token. */
static enum wcx_request_result refuse_tcp(wcx_sequencer_t *seq, const wcx_request_t *request, const wcx_business_message_reject_t *reject, uint64_t mono_ns)
{
  wcx_throttle_t *throttle = &request->session->throttle;
  bool admitted = wcx_pressure_judge(&seq->pressure, seq->input, WCX_THROTTLE_OTHER, mono_ns) == WCX_PRESSURE_ADMIT;
  if (!admitted || !wcx_throttle_allows(throttle, WCX_THROTTLE_OTHER, mono_ns))
    return WCX_REQUEST_WAIT;
  wcx_request_refused_t refused = {.business_reject_ref_id = reject->business_reject_ref_id,
                                   .ref_template_id = reject->ref_template_id,
                                   .ref_tag_id = reject->ref_tag_id,
                                   .business_reject_reason = reject->business_reject_reason};
  wcx_record_hdr_t hdr = {.template_id = WCX_TEMPLATE_REQUEST_REFUSED,
                          .flags = WCX_RECORD_F_TCP,
                          .session_id = request->session->session_id,
                          .receive_ns = seq->input->utc_ns,
                          .client_seq = request->client_seq,
                          .body_sz = sizeof(refused)};
  wcx_input_prepare(seq->input, &hdr);
  if (!wcx_input_credit(seq->input, &hdr, &refused))
    return WCX_REQUEST_WAIT;
  (void)wcx_input_apply(seq->input, &hdr, &refused);
  wcx_throttle_take(throttle, WCX_THROTTLE_OTHER, mono_ns);
  wcx_stat_add(&seq->stats->internal_sequenced, 1);
  return WCX_REQUEST_DONE;
}

/* A purge link has numbers of its own, and the refusal depends on the received bytes only. */
static enum wcx_request_result refuse_purge(wcx_sequencer_t *seq, const wcx_request_t *request, const wcx_business_message_reject_t *reject, uint64_t mono_ns)
{
  wcx_message_header_t header = {.block_length = sizeof(*reject), .template_id = WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT, .schema_id = WCX_SCHEMA_ID};
  uint8_t message[8 + sizeof(*reject)];
  memcpy(message, &header, 8);
  memcpy(message + 8, reject, sizeof(*reject));
  (void)wcx_links_say(seq->links, request->link, message, sizeof(message), 0, mono_ns);
  return WCX_REQUEST_DONE;
}

/* Over UDP it depends on the received bytes and the configuration only, so it does not wait for the gate. */
static enum wcx_request_result refuse_udp(wcx_sequencer_t *seq, const wcx_request_t *request, const wcx_business_message_reject_t *reject)
{
  if (!wcx_egress_room(seq->egress, 1))
    return WCX_REQUEST_WAIT; /* one datagram can hold more bad blocks than there is room for answers */
  wcx_message_header_t header = {.block_length = sizeof(*reject), .template_id = WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT, .schema_id = WCX_SCHEMA_ID};
  uint8_t message[8 + sizeof(*reject)];
  memcpy(message, &header, 8);
  memcpy(message + 8, reject, sizeof(*reject));
  (void)wcx_egress_answer(seq->egress, &request->binding->peer, request->binding->server_port, message, sizeof(message), 0);
  return WCX_REQUEST_DONE;
}

static enum wcx_request_result refuse(wcx_sequencer_t *seq, const wcx_request_t *request, uint8_t reason, uint16_t tag, _Atomic uint64_t *counter, uint64_t mono_ns)
{
  wcx_business_message_reject_t reject = {
      .transact_time = seq->input->utc_ns,
      .ref_seq_num = request->client_seq,
      .business_reject_ref_id = WCX_U64_NULL,
      .ref_template_id = request->header.template_id,
      .ref_tag_id = tag,
      .business_reject_reason = reason,
  };
  if (has_cl_ord_id(request))
    memcpy(&reject.business_reject_ref_id, request->body, 8); /* ClOrdID stands first in every request that has one */
  enum wcx_request_result result;
  if (!is_tcp(request))
    result = refuse_udp(seq, request, &reject);
  else if (is_purge(request))
    result = refuse_purge(seq, request, &reject, mono_ns);
  else
    result = refuse_tcp(seq, request, &reject, mono_ns);
  if (result == WCX_REQUEST_DONE)
    wcx_stat_add(counter, 1);
  return result;
}

/* --- one block ----------------------------------------------------------------------------------------------------------------------------- */

static enum wcx_request_result goodbye(wcx_sequencer_t *seq, const wcx_request_t *request, uint64_t mono_ns)
{
  wcx_session_closed_t closed = {.reason = WCX_SESSION_CLOSE_REASON_FINISHED, .cancel_orders = 1, .terminate = 1, .terminate_code = WCX_TERMINATE_CODE_FINISHED};
  if (is_tcp(request))
    return wcx_links_close(seq->links, request->link, &closed, mono_ns) ? WCX_REQUEST_GOODBYE : WCX_REQUEST_WAIT;
  uint64_t expected = request->binding->expected;
  request->binding->expected = request->client_seq + 1;
  if (wcx_signon_close(seq->signon, request->binding, &closed))
    return WCX_REQUEST_GOODBYE;
  request->binding->expected = expected;
  return WCX_REQUEST_WAIT;
}

static enum wcx_request_result status(wcx_sequencer_t *seq, const wcx_request_t *request)
{
  wcx_session_view_t view;
  uint32_t session_id = request->session->session_id;
  WCX_CHECK(wcx_engine_session(seq->input->engine, session_id, &view), "session %u is gone", session_id);
  wcx_session_status_response_t response = {
      .next_server_seq_no = view.next_server_seq,
      .next_client_seq_no = request->client_seq + 1,
      .last_cl_ord_id = view.last_cl_ord_id,
      .open_orders = view.open_orders,
      .flags = wcx_session_flags(&view),
  };
  memcpy(&response.request_id, request->body, sizeof(response.request_id));
  return say_gated(seq, request->binding, WCX_TEMPLATE_SESSION_STATUS_RESPONSE, &response, sizeof(response)) ? WCX_REQUEST_DONE : WCX_REQUEST_WAIT;
}

static enum wcx_request_result sequence(wcx_sequencer_t *seq, const wcx_request_t *request, uint16_t body_sz)
{
  wcx_record_hdr_t hdr = {
      .template_id = request->header.template_id,
      .schema_version = request->header.version,
      .flags = is_tcp(request) ? WCX_RECORD_F_TCP : 0,
      .session_id = request->session->session_id,
      .receive_ns = seq->input->utc_ns,
      .client_seq = request->client_seq,
      .body_sz = body_sz,
  };
  if (hdr.template_id == WCX_TEMPLATE_NEW_ORDER_SINGLE)
    memcpy(&hdr.account, request->body + offsetof(wcx_new_order_single_t, account), 4);
  else if (hdr.template_id == WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST)
    memcpy(&hdr.account, request->body + offsetof(wcx_order_mass_cancel_request_t, account), 4);
  else if (hdr.template_id == WCX_TEMPLATE_UNLOCK_TRADING_REQUEST)
    memcpy(&hdr.account, request->body + offsetof(wcx_unlock_trading_request_t, account), 4);
  else if (hdr.template_id == WCX_TEMPLATE_MASS_QUOTE)
    memcpy(&hdr.account, request->body + offsetof(wcx_mass_quote_t, account), 4);
  if (hdr.account == WCX_U32_NULL)
    hdr.account = 0;
  wcx_trace_admitted(&seq->input->trace);
  wcx_input_prepare(seq->input, &hdr);
  if (!wcx_input_credit(seq->input, &hdr, request->body))
    return WCX_REQUEST_WAIT;
  wcx_input_apply(seq->input, &hdr, request->body);
  wcx_stat_add(&seq->stats->requests_sequenced, 1);
  return WCX_REQUEST_DONE;
}

/* Templates a client may send. */
static bool accepted(uint16_t template_id)
{
  return (template_id >= WCX_TEMPLATE_NEW_ORDER_SINGLE && template_id <= WCX_TEMPLATE_MMP_CONFIG_REQUEST) || template_id == WCX_TEMPLATE_TERMINATE ||
         template_id == WCX_TEMPLATE_SESSION_STATUS_REQUEST;
}

/* Bytes of the record's body, or 0 when the lengths are wrong. A block with a group goes to history as it is: later versions of it are not known. */
static uint16_t body_of(const wcx_request_t *request, const wcx_sbe_msg_t *msg)
{
  const wcx_message_header_t *header = &request->header;
  if (msg->group_name == NULL)
  {
    bool fits = header->version == WCX_SCHEMA_VERSION ? header->block_length == msg->block_length : header->block_length >= msg->block_length;
    return fits && request->avail == header->block_length ? msg->block_length : 0;
  }
  wcx_group_size_t group;
  uint16_t sets_off = (uint16_t)(msg->block_length + sizeof(group));
  if (header->block_length != msg->block_length || request->avail < sets_off)
    return 0;
  memcpy(&group, request->body + msg->block_length, sizeof(group));
  bool fits = group.block_length == msg->group_block_length && sets_off + (uint32_t)group.num_in_group * group.block_length == request->avail;
  return fits && request->avail <= WCX_RECORD_BODY_SZ_MAX ? request->avail : 0;
}

/* It stands on no rung of the ladder: it takes risk away. It has the tokens of cancels. */
static enum wcx_request_result purge(wcx_sequencer_t *seq, const wcx_request_t *request, uint16_t body_sz, uint64_t mono_ns)
{
  wcx_throttle_t *throttle = &request->session->throttle;
  if (!wcx_throttle_allows(throttle, WCX_THROTTLE_CANCEL, mono_ns))
    return WCX_REQUEST_WAIT;
  enum wcx_request_result result = sequence(seq, request, body_sz);
  if (result == WCX_REQUEST_DONE)
    wcx_throttle_take(throttle, WCX_THROTTLE_CANCEL, mono_ns);
  return result;
}

enum wcx_request_result wcx_sequencer_request(wcx_sequencer_t *seq, const wcx_request_t *request, uint64_t mono_ns)
{
  wcx_session_t *session = request->session;
  const wcx_message_header_t *header = &request->header;
  if (header->schema_id != WCX_SCHEMA_ID)
    return refuse(seq, request, WCX_BUSINESS_REJECT_REASON_INVALID_SCHEMA, 0, &seq->stats->business_schema, mono_ns);
  if (!accepted(header->template_id) || (is_purge(request) && header->template_id != WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST))
    return refuse(seq, request, WCX_BUSINESS_REJECT_REASON_UNSUPPORTED_MESSAGE_TYPE, 0, &seq->stats->business_unsupported, mono_ns);
  const wcx_sbe_msg_t *msg = wcx_sbe_find(header->template_id);
  uint16_t body_sz = body_of(request, msg);
  if (body_sz == 0)
    return refuse(seq, request, WCX_BUSINESS_REJECT_REASON_INVALID_BLOCK_LENGTH, 0, &seq->stats->business_block_length, mono_ns);
  uint16_t tag = wcx_sbe_bad_field(msg, request->body);
  if (tag != 0)
    return refuse(seq, request, WCX_BUSINESS_REJECT_REASON_INVALID_FIELD, tag, &seq->stats->business_field, mono_ns);
  if (is_purge(request))
    return purge(seq, request, body_sz, mono_ns);
  if (header->template_id == WCX_TEMPLATE_TERMINATE) /* leaving is never throttled */
    return goodbye(seq, request, mono_ns);
  enum wcx_throttle_class class = wcx_throttle_class_of(header->template_id, request->body);
  enum wcx_pressure_verdict pressure = wcx_pressure_judge(&seq->pressure, seq->input, class, mono_ns);
  bool allowed = pressure == WCX_PRESSURE_ADMIT && wcx_throttle_allows(&session->throttle, class, mono_ns);
  if (pressure == WCX_PRESSURE_WAIT || (!allowed && is_tcp(request)))
    return WCX_REQUEST_WAIT; /* over TCP who is too fast is read no further */
  if (pressure == WCX_PRESSURE_REFUSE)
    return refuse(seq, request, WCX_BUSINESS_REJECT_REASON_THROTTLE_LIMIT_EXCEEDED, 0, class == WCX_THROTTLE_RISK ? &seq->stats->overload_risk : &seq->stats->overload_other,
                  mono_ns);
  if (!allowed)
    return refuse(seq, request, WCX_BUSINESS_REJECT_REASON_THROTTLE_LIMIT_EXCEEDED, 0, &seq->stats->business_throttle, mono_ns);
  enum wcx_request_result result = header->template_id == WCX_TEMPLATE_SESSION_STATUS_REQUEST && !is_tcp(request) ? status(seq, request) : sequence(seq, request, body_sz);
  if (result == WCX_REQUEST_DONE)
    wcx_throttle_take(&session->throttle, class, mono_ns);
  return result;
}

/* --- the flow ------------------------------------------------------------------------------------------------------------------------------ */

/* s > E. True: E is now s. False: the binding was ended or there is no room; *done says which. */
static bool close_gap(wcx_sequencer_t *seq, wcx_binding_t *binding, uint64_t sequence_no, bool *done)
{
  uint64_t missing = sequence_no - binding->expected;
  if (missing > WCX_SEQUENCER_GAP_MAX)
  {
    wcx_session_closed_t closed = {.reason = WCX_SESSION_CLOSE_REASON_PROTOCOL_ERROR, .cancel_orders = 1, .terminate = 1, .terminate_code = WCX_TERMINATE_CODE_PROTOCOL_ERROR};
    *done = wcx_signon_close(seq->signon, binding, &closed);
    return false;
  }
  wcx_not_applied_t not_applied = {.from_seq_no = binding->expected, .count = (uint32_t)missing};
  *done = say_gated(seq, binding, WCX_TEMPLATE_NOT_APPLIED, &not_applied, sizeof(not_applied));
  if (*done)
  {
    wcx_stat_add(&seq->stats->requests_gap, missing);
    binding->expected = sequence_no;
  }
  return *done;
}

static void receive_stale(wcx_sequencer_t *seq, wcx_binding_t *binding, const wcx_mold_t *mold, uint64_t mono_ns)
{
  wcx_stat_add(&seq->stats->requests_stale, mold->count);
  if (mono_ns - binding->last_stale_ns < STALE_HEARTBEAT_NS)
    return;
  binding->last_stale_ns = mono_ns;
  if (wcx_egress_heartbeat(seq->egress, &binding->peer, binding->server_port, binding->mold, wcx_binding_session(seq->sessions, binding)->next_released))
    binding->last_tx_ns = mono_ns;
}

static bool process_blocks(wcx_sequencer_t *seq, wcx_binding_t *binding, const wcx_mold_t *mold, uint64_t mono_ns)
{
  const uint8_t *at = mold->blocks;
  wcx_request_t request = {.session = wcx_binding_session(seq->sessions, binding), .binding = binding};
  for (uint32_t i = 0; i < mold->count; i++)
  {
    const uint8_t *block;
    uint16_t block_sz;
    if (!wcx_mold_next(mold, &at, &block, &block_sz))
      return true;
    request.client_seq = mold->sequence + i;
    if (request.client_seq < binding->expected)
      continue;
    memcpy(&request.header, block, 8);
    request.body = block + 8;
    request.avail = (uint16_t)(block_sz - 8);
    enum wcx_request_result result = wcx_sequencer_request(seq, &request, mono_ns);
    if (result == WCX_REQUEST_WAIT)
      return false;
    if (result == WCX_REQUEST_GOODBYE)
      return true;
    binding->expected = request.client_seq + 1;
  }
  return true;
}

bool wcx_sequencer_receive(wcx_sequencer_t *seq, const wcx_datagram_t *datagram, const wcx_mold_t *mold, uint64_t mono_ns)
{
  wcx_binding_t *binding = wcx_sessions_by_mold(seq->sessions, mold->session);
  if (binding == NULL || !wcx_peer_equal(&binding->peer, &datagram->from))
  {
    wcx_stat_add(&seq->stats->rx_drop_session, 1);
    return true;
  }
  if (binding->peer.tag != NULL && !wcx_tag_fits(binding->peer.tag, datagram->payload, datagram->len))
  {
    wcx_stat_add(&seq->stats->rx_drop_tag, 1);
    return true;
  }
  wcx_mold_t tagged = *mold;
  if (binding->peer.tag != NULL && (uint32_t)(mold->end - mold->blocks) >= WCX_TAG_SZ)
  {
    tagged.end -= WCX_TAG_SZ;
    mold = &tagged;
  }
  if (!wcx_mold_sound(mold, 8) || mold->sequence > UINT64_MAX - UINT16_MAX)
  {
    wcx_stat_add(&seq->stats->rx_drop_framing, 1);
    return true;
  }
  binding->last_rx_ns = mono_ns;
  memcpy(binding->peer.mac, datagram->from.mac, 6);
  if (mold->count == 0)
    wcx_stat_add(&seq->stats->heartbeats_in, 1);
  bool done = true;
  if (mold->sequence > binding->expected && !close_gap(seq, binding, mold->sequence, &done))
    return done;
  if (mold->sequence + mold->count < binding->expected || (mold->count > 0 && mold->sequence + mold->count == binding->expected))
  {
    receive_stale(seq, binding, mold, mono_ns);
    return true;
  }
  return process_blocks(seq, binding, mold, mono_ns);
}
