#include "dataplane/signon.h"

#define TIMESTAMP_WINDOW_NS UINT64_C(5000000000)
#define KEEP_ALIVE_MS_MIN 100u
#define KEEP_ALIVE_MS_MAX 60000u
#define FLAG_DROP_COPY 0x2u
#define FLAG_TAKE_OVER 0x4u
#define FLAG_TAG 0x8u

static void answer_credentials(wcx_signon_t *signon, const wcx_pending_t *pending)
{
  uint8_t message[8 + sizeof(wcx_establish_reject_t)];
  wcx_message_header_t header = {.block_length = sizeof(wcx_establish_reject_t), .template_id = WCX_TEMPLATE_ESTABLISH_REJECT, .schema_id = WCX_SCHEMA_ID};
  wcx_establish_reject_t reject = {.uuid = pending->establish.uuid, .request_timestamp = pending->establish.request_timestamp, .code = WCX_ESTABLISH_REJECT_CODE_CREDENTIALS};
  memcpy(message, &header, 8);
  memcpy(message + 8, &reject, sizeof(reject));
  wcx_stat_add(&signon->stats->establish_credentials, 1);
  if (pending->transport == WCX_TRANSPORT_UDP)
  {
    (void)wcx_egress_answer(signon->egress, &pending->peer, pending->server_port, message, sizeof(message), 0);
    return;
  }
  wcx_links_refuse(signon->links, wcx_links_judged(signon->links, pending->link, pending->generation), message, sizeof(message), 0);
}

/* Whether a copy of this Establish is being judged, waits for its ack, or has just bound this address. True when it is dealt with. */
static bool receive_copy(wcx_signon_t *signon, const wcx_peer_t *from, const wcx_establish_t *establish)
{
  for (uint32_t i = 0; i < WCX_SIGNON_MAX; i++)
    if (signon->pending[i].state != WCX_PENDING_FREE && signon->pending[i].transport == WCX_TRANSPORT_UDP && signon->pending[i].establish.uuid == establish->uuid &&
        memcmp(&signon->pending[i].establish, establish, sizeof(*establish)) == 0)
    {
      wcx_stat_add(&signon->stats->establish_duplicate, 1);
      return true;
    }
  wcx_session_t *session = wcx_sessions_find(signon->sessions, establish->session_id);
  wcx_binding_t *binding = session != NULL ? wcx_session_binding(signon->sessions, session) : NULL;
  if (binding == NULL || !binding->acked || !wcx_peer_equal(&binding->peer, from) || memcmp(&binding->establish, establish, sizeof(*establish)) != 0)
    return false;
  wcx_stat_add(&signon->stats->establish_repeated, 1);
  memcpy(binding->peer.mac, from->mac, sizeof(from->mac));
  (void)wcx_egress_answer(signon->egress, &binding->peer, binding->server_port, binding->ack, sizeof(binding->ack), binding->opened_seq);
  return true;
}

static bool parse_establish(const uint8_t *block, uint16_t block_sz, wcx_establish_t *establish)
{
  wcx_message_header_t header;
  if (block_sz < sizeof(header))
    return false;
  memcpy(&header, block, 8);
  bool exact = header.version == 0 ? header.block_length == sizeof(*establish) : header.block_length >= sizeof(*establish);
  if (header.template_id != WCX_TEMPLATE_ESTABLISH || header.schema_id != WCX_SCHEMA_ID || !exact || block_sz != 8u + header.block_length)
    return false;
  memcpy(establish, block + 8, sizeof(*establish));
  return true;
}

/* Ask the auth worker. False: no place, or it is behind. */
static bool ask(wcx_signon_t *signon, const wcx_pending_t *asked)
{
  uint32_t idx = 0;
  while (idx < WCX_SIGNON_MAX && signon->pending[idx].state != WCX_PENDING_FREE)
    idx++;
  wcx_auth_slot_t slot = {
      .establish = asked->establish, .nonce = signon->next_nonce, .asked_ns = asked->asked_ns, .peer = idx, .server_port = asked->server_port, .transport = asked->transport};
  if (idx == WCX_SIGNON_MAX || !wcx_auth_push(&signon->auth->dataplane_auth, &slot))
    return false;
  signon->pending[idx] = *asked;
  signon->pending[idx].state = WCX_PENDING_JUDGED;
  signon->pending[idx].nonce = signon->next_nonce++;
  signon->auth_dirty = 1;
  return true;
}

enum wcx_signon_result wcx_signon_receive_tcp(wcx_signon_t *signon, const wcx_peer_t *from, uint16_t server_port, uint32_t link_idx, const uint8_t *block, uint16_t block_sz,
                                              uint64_t mono_ns)
{
  wcx_pending_t asked = {
      .transport = WCX_TRANSPORT_TCP, .server_port = server_port, .link = link_idx, .generation = signon->links->links[link_idx].generation, .asked_ns = mono_ns, .peer = *from};
  if (!parse_establish(block, block_sz, &asked.establish))
  {
    wcx_stat_add(&signon->stats->rx_drop_unestablished, 1);
    return WCX_SIGNON_BAD;
  }
  wcx_bucket_t *bucket = wcx_sources_bucket(&signon->sources, from->ip);
  if (wcx_bucket_tokens(bucket, &signon->sources.rate, mono_ns) == 0 || !ask(signon, &asked))
    return WCX_SIGNON_LATER;
  wcx_bucket_take(bucket, &signon->sources.rate, mono_ns, 1);
  wcx_stat_add(&signon->stats->establish_received, 1);
  return WCX_SIGNON_ASKED;
}

void wcx_signon_receive(wcx_signon_t *signon, const wcx_datagram_t *datagram, const wcx_mold_t *mold, uint64_t mono_ns)
{
  wcx_establish_t establish;
  const uint8_t *at = mold->blocks;
  const uint8_t *block;
  uint16_t block_sz;
  bool alone = mold->sequence == 0 && mold->count == 1 && wcx_mold_next(mold, &at, &block, &block_sz) && at == mold->end;
  if (!alone || !parse_establish(block, block_sz, &establish))
  {
    wcx_stat_add(&signon->stats->rx_drop_unestablished, 1);
    return;
  }
  wcx_stat_add(&signon->stats->establish_received, 1);
  wcx_bucket_t *bucket = wcx_sources_bucket(&signon->sources, datagram->from.ip);
  if (wcx_bucket_tokens(bucket, &signon->sources.rate, mono_ns) == 0)
  {
    wcx_stat_add(&signon->stats->establish_throttled, 1);
    return;
  }
  wcx_bucket_take(bucket, &signon->sources.rate, mono_ns, 1);
  if (receive_copy(signon, &datagram->from, &establish))
    return;

  wcx_pending_t asked = {.transport = WCX_TRANSPORT_UDP, .server_port = datagram->to_port, .asked_ns = mono_ns, .peer = datagram->from, .establish = establish};
  if (!ask(signon, &asked))
    wcx_stat_add(&signon->stats->establish_dropped, 1);
}

/* Whether what a link asks for can be sent to it: from the number of its login to the ack, without a hole. */
static bool stream_is_there(const wcx_signon_t *signon, const wcx_link_t *link, const wcx_session_view_t *view, const wcx_establish_t *establish)
{
  if (establish->next_server_seq_no != 0 && establish->next_server_seq_no != link->cursor)
    return false;
  if (link->service == WCX_SERVICE_PURGE)
    return true;
  uint64_t next = wcx_link_next(signon->links, link);
  if (link->cursor > (link->service == WCX_SERVICE_ORDER ? view->next_server_seq : next))
    return false;
  return link->cursor >= next || wcx_link_entry(signon->links, link, link->cursor) != NULL;
}

/* The code a validly signed Establish is refused with, or 0. `taken`: the session has a live binding over this transport that is not this very peer's. */
static uint8_t judge(const wcx_signon_t *signon, const wcx_pending_t *pending, const wcx_session_view_t *view, uint32_t key_slot, bool taken)
{
  const wcx_establish_t *establish = &pending->establish;
  uint64_t now_ns = signon->input->utc_ns;
  uint64_t apart_ns = now_ns > establish->request_timestamp ? now_ns - establish->request_timestamp : establish->request_timestamp - now_ns;
  if (apart_ns > TIMESTAMP_WINDOW_NS)
    return WCX_ESTABLISH_REJECT_CODE_REQUEST_TIMESTAMP;
  if (establish->uuid <= view->key_uuid[key_slot])
    return WCX_ESTABLISH_REJECT_CODE_STALE_UUID;
  if (establish->keep_alive_interval < KEEP_ALIVE_MS_MIN || establish->keep_alive_interval > KEEP_ALIVE_MS_MAX)
    return WCX_ESTABLISH_REJECT_CODE_KEEP_ALIVE_INTERVAL;
  if (establish->schema_version > WCX_SCHEMA_VERSION)
    return WCX_ESTABLISH_REJECT_CODE_SCHEMA_VERSION;
  if (taken && (establish->flags & FLAG_TAKE_OVER) == 0)
    return WCX_ESTABLISH_REJECT_CODE_ALREADY_ESTABLISHED;
  bool is_drop_copy = pending->service == WCX_SERVICE_DROP_COPY;
  bool is_tagged = (establish->flags & FLAG_TAG) != 0;
  if ((is_tagged && pending->transport == WCX_TRANSPORT_TCP) || ((establish->flags & FLAG_DROP_COPY) != 0) != is_drop_copy)
    return WCX_ESTABLISH_REJECT_CODE_UNSPECIFIED; /* tags are for datagrams; a drop copy has a port of its own, and its flag */
  return 0;
}

bool wcx_signon_close(wcx_signon_t *signon, wcx_binding_t *binding, const wcx_session_closed_t *closed)
{
  wcx_session_t *session = wcx_binding_session(signon->sessions, binding);
  wcx_record_hdr_t hdr = {.template_id = WCX_TEMPLATE_SESSION_CLOSED, .session_id = session->session_id, .client_seq = binding->expected - 1, .body_sz = sizeof(*closed)};
  wcx_session_closed_t body = *closed;
  body.uuid = binding->uuid;
  body.transport = WCX_TRANSPORT_UDP;
  if (body.cancel_orders == 1 && session->links[WCX_SERVICE_ORDER] != 0)
    body.cancel_orders = 0; /* the session lives on over TCP */
  wcx_input_prepare(signon->input, &hdr);
  if (!wcx_input_credit(signon->input, &hdr, &body))
    return false;
  wcx_binding_close(signon->sessions, binding, wcx_input_apply(signon->input, &hdr, &body));
  wcx_stat_add(&signon->stats->internal_sequenced, 1);
  wcx_stat_add(&signon->stats->sessions_closed, 1);
  return true;
}

static uint8_t journaled_transport(const wcx_pending_t *pending)
{
  return pending->transport == WCX_TRANSPORT_UDP ? WCX_TRANSPORT_UDP : WCX_TRANSPORT_OF(pending->service);
}

/* A UUID that is not new changes nothing, so it is no input: whoever repeats recorded Establishes would fill the journal. The answer mentions state and waits at
   the gate. */
static uint32_t refuse_repeated(wcx_signon_t *signon, wcx_pending_t *pending, uint8_t code)
{
  wcx_establish_reject_t reject = {.uuid = pending->establish.uuid, .request_timestamp = pending->establish.request_timestamp, .code = code};
  wcx_message_header_t header = {.block_length = sizeof(reject), .template_id = WCX_TEMPLATE_ESTABLISH_REJECT, .schema_id = WCX_SCHEMA_ID};
  wcx_outlog_t *log = signon->input->log;
  if (wcx_outlog_room(log) < wcx_outlog_entry_sz(8u + sizeof(reject)))
    return 0;
  wcx_out_entry_t *entry = wcx_outlog_append(log, 8u + sizeof(reject));
  entry->stream = WCX_STREAM_UNSEQUENCED;
  entry->stream_id = pending->establish.session_id;
  entry->tag = (uint32_t)(pending - signon->pending) + 1;
  entry->input_seq = signon->input->applied_seq;
  memcpy(wcx_out_message(entry), &header, 8);
  memcpy(wcx_out_message(entry) + 8, &reject, sizeof(reject));
  pending->state = WCX_PENDING_GATED;
  wcx_stat_add(&signon->stats->establish_replayed, 1);
  return 1;
}

static uint32_t refuse(wcx_signon_t *signon, wcx_pending_t *pending, uint32_t key_slot, uint8_t code)
{
  uint32_t tag = (uint32_t)(pending - signon->pending) + 1;
  wcx_session_refused_t refused = {.uuid = pending->establish.uuid,
                                   .request_timestamp = pending->establish.request_timestamp,
                                   .code = code,
                                   .key_slot = (uint8_t)key_slot,
                                   .transport = journaled_transport(pending),
                                   .peer_tag = tag};
  if (wcx_input_internal(signon->input, WCX_TEMPLATE_SESSION_REFUSED, pending->establish.session_id, 0, &refused, sizeof(refused)) == 0)
    return 0;
  pending->state = WCX_PENDING_GATED;
  wcx_stat_add(&signon->stats->establish_refused, 1);
  return 1;
}

static wcx_session_opened_t opened_of(const wcx_signon_t *signon, const wcx_pending_t *pending, const wcx_auth_slot_t *verdict)
{
  const wcx_establish_t *establish = &pending->establish;
  uint64_t cod_ms = establish->cod_timeout_window;
  if (cod_ms == 0)
    cod_ms = (uint64_t)establish->keep_alive_interval * signon->params->cod_timeout_keepalives;
  wcx_session_opened_t opened = {
      .uuid = establish->uuid,
      .request_timestamp = establish->request_timestamp,
      .keep_alive_interval = establish->keep_alive_interval,
      .cod_timeout_window = cod_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)cod_ms,
      .flags = establish->flags,
      .peer_ip = pending->peer.ip,
      .peer_port = pending->peer.port,
      .server_port = verdict->server_port,
      .vlan = pending->peer.vlan,
      .transport = journaled_transport(pending),
      .key_slot = verdict->key_slot,
      .durability_level = (uint8_t)signon->params->durability,
      .next_server_seq_no = establish->next_server_seq_no,
  };
  memcpy(opened.mold_session, verdict->mold_session, sizeof(opened.mold_session));
  return opened;
}

/* Bind the session to the peer, ending what lives there. 0 when there is no room now. */
static uint32_t accept_peer(wcx_signon_t *signon, wcx_pending_t *pending, const wcx_auth_slot_t *verdict, wcx_session_t *session, wcx_binding_t *live, uint64_t mono_ns)
{
  wcx_input_t *input = signon->input;
  wcx_session_opened_t opened = opened_of(signon, pending, verdict);
  wcx_session_closed_t closed = {.reason = WCX_SESSION_CLOSE_REASON_REBIND};
  if (live != NULL && !wcx_peer_equal(&live->peer, &pending->peer))
    closed = (wcx_session_closed_t){.reason = WCX_SESSION_CLOSE_REASON_NEW_LOGIN, .terminate = 1, .terminate_code = WCX_TERMINATE_CODE_NEW_LOGIN};
  wcx_record_hdr_t hdr = {.template_id = WCX_TEMPLATE_SESSION_OPENED, .session_id = session->session_id, .body_sz = sizeof(opened)};
  wcx_record_hdr_t closed_hdr = {.template_id = WCX_TEMPLATE_SESSION_CLOSED, .session_id = session->session_id, .body_sz = sizeof(closed)};
  wcx_input_prepare(input, &hdr);
  wcx_input_prepare(input, &closed_hdr);
  uint64_t bound = wcx_engine_output_bound(input->engine, &hdr, &opened) + wcx_engine_output_bound(input->engine, &closed_hdr, &closed);
  if (!wcx_input_room(input, 2, bound))
    return 0;
  if (live != NULL)
    WCX_CHECK(wcx_signon_close(signon, live, &closed), "room for two inputs does not hold one");
  wcx_input_prepare(input, &hdr);
  uint64_t opened_seq = wcx_input_apply(input, &hdr, &opened);
  wcx_stat_add(&signon->stats->internal_sequenced, 1);
  wcx_stat_add(&signon->stats->establish_accepted, 1);

  wcx_session_view_t view;
  WCX_CHECK(wcx_engine_session(input->engine, session->session_id, &view), "session %u is gone", session->session_id);
  wcx_binding_t *binding = wcx_binding_open(signon->sessions, session, opened.mold_session, opened_seq);
  binding->peer = pending->peer;
  binding->server_port = opened.server_port;
  binding->open_packet = UINT8_MAX;
  binding->expected = view.next_client_seq;
  binding->last_rx_ns = mono_ns;
  binding->last_tx_ns = mono_ns;
  binding->heartbeat_ns = (uint64_t)opened.keep_alive_interval * 500000;
  binding->timeout_ns = (uint64_t)opened.cod_timeout_window * 1000000;
  binding->uuid = opened.uuid;
  binding->establish = pending->establish;
  binding->pending = (uint32_t)(pending - signon->pending) + 1;
  if ((opened.flags & FLAG_TAG) != 0)
  {
    memcpy(binding->tag_key.bytes, verdict->tag_key, sizeof(verdict->tag_key));
    binding->peer.tag = &binding->tag_key;
  }
  pending->state = WCX_PENDING_GATED;
  return live != NULL ? 2 : 1;
}

/* The same for a link. */
static uint32_t accept_link(wcx_signon_t *signon, wcx_pending_t *pending, const wcx_auth_slot_t *verdict, wcx_session_t *session, wcx_link_t *link, uint64_t mono_ns)
{
  wcx_input_t *input = signon->input;
  wcx_link_t *live = wcx_links_of(signon->links, session, WCX_SERVICE_ORDER);
  wcx_session_opened_t opened = opened_of(signon, pending, verdict);
  wcx_session_closed_t closed = {.reason = WCX_SESSION_CLOSE_REASON_NEW_LOGIN, .terminate = 1, .terminate_code = WCX_TERMINATE_CODE_NEW_LOGIN};
  wcx_record_hdr_t hdr = {.template_id = WCX_TEMPLATE_SESSION_OPENED, .session_id = session->session_id, .body_sz = sizeof(opened)};
  wcx_record_hdr_t closed_hdr = {.template_id = WCX_TEMPLATE_SESSION_CLOSED, .session_id = session->session_id, .body_sz = sizeof(closed)};
  wcx_input_prepare(input, &hdr);
  wcx_input_prepare(input, &closed_hdr);
  uint64_t bound = wcx_engine_output_bound(input->engine, &hdr, &opened) + wcx_engine_output_bound(input->engine, &closed_hdr, &closed);
  if (!wcx_input_room(input, 2, bound))
    return 0;
  if (live != NULL)
    WCX_CHECK(wcx_links_close(signon->links, live, &closed, mono_ns), "room for two inputs does not hold one");
  wcx_input_prepare(input, &hdr);
  (void)wcx_input_apply(input, &hdr, &opened);
  wcx_stat_add(&signon->stats->internal_sequenced, 1);
  wcx_stat_add(&signon->stats->establish_accepted, 1);
  wcx_session_view_t view;
  WCX_CHECK(wcx_engine_session(input->engine, session->session_id, &view), "session %u is gone", session->session_id);
  wcx_links_opened(signon->links, link, session, &opened, view.next_server_seq - 1, mono_ns);
  pending->state = WCX_PENDING_FREE; /* its ack is a message of the stream like any other */
  return live != NULL ? 2 : 1;
}

/* The same for a link that binds nothing: its ack is gated, and only then it is open. */
static uint32_t accept_beside(wcx_signon_t *signon, wcx_pending_t *pending, const wcx_auth_slot_t *verdict, wcx_link_t *link)
{
  wcx_session_opened_t opened = opened_of(signon, pending, verdict);
  opened.next_server_seq_no = link->cursor;
  opened.peer_tag = (uint32_t)(pending - signon->pending) + 1;
  if (wcx_input_internal(signon->input, WCX_TEMPLATE_SESSION_OPENED, pending->establish.session_id, 0, &opened, sizeof(opened)) == 0)
    return 0;
  wcx_stat_add(&signon->stats->establish_accepted, 1);
  link->uuid = opened.uuid;
  link->timeout_ns = (uint64_t)opened.cod_timeout_window * 1000000;
  pending->state = WCX_PENDING_GATED;
  return 1;
}

/* Whether another link of the session waits at the gate for the ack of this service. */
static bool opens_already(const wcx_signon_t *signon, const wcx_pending_t *pending)
{
  for (uint32_t i = 0; pending->service != WCX_SERVICE_ORDER && i < WCX_SIGNON_MAX; i++)
  {
    const wcx_pending_t *other = &signon->pending[i];
    bool same = other->transport == WCX_TRANSPORT_TCP && other->service == pending->service && other->establish.session_id == pending->establish.session_id;
    if (other != pending && other->state == WCX_PENDING_GATED && same && wcx_links_judged(signon->links, other->link, other->generation) != NULL)
      return true;
  }
  return false;
}

static bool decide_link(wcx_signon_t *signon, wcx_pending_t *pending, const wcx_auth_slot_t *verdict, const wcx_session_view_t *view, uint64_t mono_ns)
{
  wcx_link_t *link = wcx_links_judged(signon->links, pending->link, pending->generation);
  wcx_session_t *session = wcx_sessions_get(signon->sessions, view->session_id);
  pending->service = link->service;
  uint8_t code = judge(signon, pending, view, verdict->key_slot, session->links[link->service] != 0 || opens_already(signon, pending));
  if (code == 0 && !stream_is_there(signon, link, view, &pending->establish))
    code = WCX_ESTABLISH_REJECT_CODE_SEQUENCE_OUT_OF_RANGE;
  if (code != 0 && pending->establish.uuid <= view->key_uuid[verdict->key_slot])
    return refuse_repeated(signon, pending, code) != 0;
  if (code != 0)
    return refuse(signon, pending, verdict->key_slot, code) != 0;
  if (link->service != WCX_SERVICE_ORDER)
    return accept_beside(signon, pending, verdict, link) != 0;
  return accept_link(signon, pending, verdict, session, link, mono_ns) != 0;
}

/* Whether a link's Establish is for the session it logged in to. */
static bool logged_in(const wcx_signon_t *signon, const wcx_pending_t *pending)
{
  if (pending->transport == WCX_TRANSPORT_UDP)
    return true;
  const wcx_link_t *link = wcx_links_judged(signon->links, pending->link, pending->generation);
  return signon->sessions->sessions[link->session_idx].session_id == pending->establish.session_id;
}

/* Nobody is left to be told. A valid signature has used up its UUID all the same: a recording of it must not be good for another connection. */
static bool forget(wcx_signon_t *signon, wcx_pending_t *pending, const wcx_auth_slot_t *verdict)
{
  wcx_session_view_t view;
  bool valid = verdict->verdict == WCX_AUTH_VALID && verdict->key_slot <= 1 && wcx_engine_session(signon->input->engine, pending->establish.session_id, &view);
  if (valid && pending->establish.uuid > view.key_uuid[verdict->key_slot])
    return refuse(signon, pending, verdict->key_slot, WCX_ESTABLISH_REJECT_CODE_UNSPECIFIED) != 0;
  pending->state = WCX_PENDING_FREE;
  return true;
}

/* One verdict. False when it has to wait for credit. */
static bool decide(wcx_signon_t *signon, const wcx_auth_slot_t *verdict, uint64_t mono_ns)
{
  wcx_pending_t *pending = verdict->peer < WCX_SIGNON_MAX ? &signon->pending[verdict->peer] : NULL;
  bool waiting = pending != NULL && pending->state == WCX_PENDING_JUDGED && pending->nonce == verdict->nonce;
  if (!waiting || mono_ns - pending->asked_ns > WCX_AUTH_VERDICT_NS_MAX)
  {
    wcx_stat_add(&signon->stats->establish_late, 1);
    if (waiting)
      pending->state = WCX_PENDING_FREE;
    return true;
  }
  if (pending->transport == WCX_TRANSPORT_TCP && wcx_links_judged(signon->links, pending->link, pending->generation) == NULL)
    return forget(signon, pending, verdict);
  uint32_t session_id = pending->establish.session_id;
  wcx_session_view_t view;
  bool known = wcx_engine_session(signon->input->engine, session_id, &view);
  if (verdict->verdict != WCX_AUTH_VALID || !known || verdict->key_slot > 1 || !logged_in(signon, pending))
  {
    answer_credentials(signon, pending);
    pending->state = WCX_PENDING_FREE;
    return true;
  }
  if (pending->transport == WCX_TRANSPORT_TCP)
    return decide_link(signon, pending, verdict, &view, mono_ns);
  wcx_session_t *session = wcx_sessions_get(signon->sessions, session_id);
  wcx_binding_t *live = wcx_session_binding(signon->sessions, session);
  uint8_t code = judge(signon, pending, &view, verdict->key_slot, live != NULL && !wcx_peer_equal(&live->peer, &pending->peer));
  if (code != 0 && pending->establish.uuid <= view.key_uuid[verdict->key_slot])
    return refuse_repeated(signon, pending, code) != 0;
  if (code != 0)
    return refuse(signon, pending, verdict->key_slot, code) != 0;
  if (!wcx_session_has_place(signon->sessions, session) || wcx_sessions_by_mold(signon->sessions, verdict->mold_session) != NULL)
  {
    wcx_stat_add(&signon->stats->establish_dropped, 1);
    pending->state = WCX_PENDING_FREE;
    return true;
  }
  return accept_peer(signon, pending, verdict, session, live, mono_ns) != 0;
}

uint32_t wcx_signon_poll(wcx_signon_t *signon, uint64_t mono_ns)
{
  uint32_t work = 0;
  for (; work < WCX_SIGNON_VERDICTS_MAX; work++)
  {
    if (!signon->held && !wcx_auth_pop(&signon->auth->auth_dataplane, &signon->verdict))
      break;
    signon->held = !decide(signon, &signon->verdict, mono_ns);
    if (signon->held)
      break;
    memset(signon->verdict.tag_key, 0, sizeof(signon->verdict.tag_key));
  }
  wcx_pending_t *pending = &signon->pending[signon->scan_idx++ % WCX_SIGNON_MAX];
  if (pending->state == WCX_PENDING_JUDGED && mono_ns - pending->asked_ns > WCX_AUTH_VERDICT_NS_MAX && !signon->held)
    pending->state = WCX_PENDING_FREE;
  return work;
}

const wcx_pending_t *wcx_signon_pending(const wcx_signon_t *signon, uint32_t tag)
{
  if (tag == 0 || tag > WCX_SIGNON_MAX || signon->pending[tag - 1].state != WCX_PENDING_GATED)
    return NULL;
  return &signon->pending[tag - 1];
}

void wcx_signon_answered(wcx_signon_t *signon, uint32_t tag)
{
  if (tag != 0 && tag <= WCX_SIGNON_MAX)
    signon->pending[tag - 1].state = WCX_PENDING_FREE;
}
