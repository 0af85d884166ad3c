#include "dataplane/client/session.h"

#include "engine/base/check.h"
#include "engine/base/env.h"

#include <stdio.h>
#include <stdlib.h>

#define MS_NS UINT64_C(1000000)
#define ESTABLISH_REPEAT_NS (200 * MS_NS) /* the same bytes again */
#define ESTABLISH_RENEW_NS (2000 * MS_NS) /* a new UUID and timestamp: the old ones age */
#define ESTABLISH_WAIT_NS (5000 * MS_NS)  /* TCP: so long an Establish may stay unanswered */
#define FRUITLESS_LG_MAX 4u               /* pauses between logins grow to 16 times the first */
#define REJECT_PAUSE_NS (250 * MS_NS)
#define NUDGE_NS (100 * MS_NS)  /* undecided for so long: a heartbeat shows the server what it missed */
#define STATUS_NS (500 * MS_NS) /* and for so long: ask for its state */
#define GOODBYE_NS (200 * MS_NS)
#define GOODBYE_MAX 10u

static uint32_t slot_of(uint64_t key)
{
  return (uint32_t)(key & (WCX_CLIENT_REQUEST_MAX - 1));
}

static void set_state(wcx_client_session_t *session, enum wcx_client_state state, uint8_t code)
{
  session->state = state;
  if (session->config.on_state != NULL)
    session->config.on_state(session->config.ctx, state, code);
}

static bool has_tags(const wcx_client_session_t *session)
{
  return (session->config.flags & WCX_CLIENT_FLAG_TAG) != 0;
}

/* Room for blocks in a datagram. */
static size_t datagram_max(const wcx_client_session_t *session)
{
  return WCX_CLIENT_DATAGRAM_MAX - (has_tags(session) ? WCX_CLIENT_TAG_SZ : 0);
}

static bool over_tcp(const wcx_client_session_t *session)
{
  return session->link != NULL;
}

static void send_datagram(wcx_client_session_t *session, uint64_t now_ns, enum wcx_client_port port, const void *datagram, size_t sz)
{
  uint8_t tagged[WCX_CLIENT_DATAGRAM_MAX];
  if (has_tags(session) && memcmp(datagram, WCX_CLIENT_NO_SESSION, 10) != 0) /* an Establish has a signature instead */
  {
    memcpy(tagged, datagram, sz);
    sz = wcx_client_packet_tag(tagged, sz, session->tag_key);
    datagram = tagged;
  }
  session->config.send(session->config.wire, port, datagram, sz);
  if (port == WCX_CLIENT_PORT_ORDER)
    session->last_tx_ns = now_ns;
}

void wcx_client_session_init(wcx_client_session_t *session, const wcx_client_session_config_t *config)
{
  *session = (wcx_client_session_t){.config = *config, .state = WCX_CLIENT_CLOSED, .oldest_undecided = 1};
  wcx_client_stream_init(&session->inbound, 1024, WCX_CLIENT_DATAGRAM_MAX, 2 * MS_NS);
  session->requests = calloc(WCX_CLIENT_REQUEST_MAX, sizeof(*session->requests));
  session->cl_ord_id_of = calloc(WCX_CLIENT_REQUEST_MAX, sizeof(*session->cl_ord_id_of));
  if (session->requests == NULL || session->cl_ord_id_of == NULL)
    WCX_DIE("no memory for the requests of session %u", config->session_id);
  if (config->wire == NULL)
    session->config.wire = config->ctx;
  if (config->transport == 0)
    session->config.transport = WCX_CLIENT_UDP;
  if (config->transport == WCX_CLIENT_TCP)
  {
    session->link = malloc(sizeof(*session->link));
    if (session->link == NULL)
      WCX_DIE("no memory for the link of session %u", config->session_id);
    wcx_client_link_init(session->link, config->any_stream ? 0 : config->session_id, config->user, config->password, config->keep_alive_ms);
  }
  if (config->recover_from != 0)
  {
    wcx_client_stream_start(&session->inbound, config->recover_from, false);
    session->inbound_started = true;
  }
}

void wcx_client_session_free(wcx_client_session_t *session)
{
  wcx_client_stream_free(&session->inbound);
  free(session->requests);
  free(session->cl_ord_id_of);
  free(session->link);
  session->link = NULL;
  session->requests = NULL;
  session->cl_ord_id_of = NULL;
}

/* --- sign-on ---------------------------------------------------------------------------------------- */

static void send_establish(wcx_client_session_t *session, uint64_t now_ns)
{
  uint8_t datagram[WCX_CLIENT_PACKET_HDR_SZ + 2 + sizeof(wcx_message_header_t) + sizeof(wcx_establish_t)];
  uint8_t message[sizeof(wcx_message_header_t) + sizeof(wcx_establish_t)];
  size_t sz = wcx_client_message_write(message, WCX_TEMPLATE_ESTABLISH, &session->establish, sizeof(session->establish));
  wcx_client_packet_header(datagram, WCX_CLIENT_NO_SESSION, 0, 1);
  sz = wcx_client_packet_append(datagram, WCX_CLIENT_PACKET_HDR_SZ, message, sz);
  session->establish_sent_ns = now_ns;
  send_datagram(session, now_ns, WCX_CLIENT_PORT_ORDER, datagram, sz);
}

static void make_establish(wcx_client_session_t *session, uint64_t now_ns)
{
  uint64_t utc_ns = wcx_env_utc_ns();
  session->last_uuid = utc_ns > session->last_uuid ? utc_ns : session->last_uuid + 1;
  session->establish = (wcx_establish_t){
      .session_id = session->config.session_id,
      .uuid = session->last_uuid,
      .request_timestamp = utc_ns,
      .next_server_seq_no = session->inbound_started ? session->inbound.next : 0,
      .next_client_seq_no = session->next_client_seq,
      .keep_alive_interval = session->config.keep_alive_ms,
      .cod_timeout_window = session->config.cod_window_ms,
      .flags = session->config.flags,
      .hmac_version = 1,
      .schema_version = WCX_SCHEMA_VERSION,
  };
  memset(session->establish.access_key_id, ' ', sizeof(session->establish.access_key_id));
  memcpy(session->establish.access_key_id, session->config.access_key_id, strnlen(session->config.access_key_id, sizeof(session->establish.access_key_id)));
  wcx_client_sign(&session->establish, session->config.secret, session->config.transport, session->config.server_port);
  if (has_tags(session))
    wcx_client_tag_key(session->tag_key, session->config.secret, session->establish.uuid);
  session->establish_made_ns = now_ns;
}

static void dial(wcx_client_session_t *session, uint64_t now_ns)
{
  wcx_client_link_dial(session->link, now_ns, session->inbound_started ? session->inbound.next : 0);
  session->config.dial(session->config.wire);
}

static void sign_on(wcx_client_session_t *session, uint64_t now_ns, uint8_t code)
{
  session->out_sz = 0;
  session->statement.active = false;
  if (over_tcp(session))
  {
    set_state(session, WCX_CLIENT_ESTABLISHING, code);
    return; /* step() dials */
  }
  make_establish(session, now_ns);
  set_state(session, WCX_CLIENT_ESTABLISHING, code);
  send_establish(session, now_ns);
}

void wcx_client_session_open(wcx_client_session_t *session, uint64_t now_ns)
{
  session->retry_not_before = 0;
  sign_on(session, now_ns, 0);
}

static void decide(wcx_client_session_t *session, uint64_t cl_ord_id, enum wcx_client_fate fate, const void *message, size_t sz, uint64_t now_ns)
{
  wcx_client_request_t *request = &session->requests[slot_of(cl_ord_id)];
  if (cl_ord_id == 0 || request->cl_ord_id != cl_ord_id)
    return;
  if (request->fate != WCX_CLIENT_UNDECIDED)
  {
    if (fate == WCX_CLIENT_ANSWERED && request->fate == WCX_CLIENT_NOT_APPLIED)
      session->sequence_conflict_cnt++;
    return;
  }
  request->fate = (uint8_t)fate;
  session->undecided_cnt--;
  session->progress_ns = now_ns;
  session->answered_cnt += fate == WCX_CLIENT_ANSWERED;
  session->refused_cnt += fate == WCX_CLIENT_REFUSED;
  session->not_applied_cnt += fate == WCX_CLIENT_NOT_APPLIED;
  if (session->config.on_decided != NULL)
    session->config.on_decided(session->config.ctx, request, message, sz, now_ns);
}

static void on_establish_ack(wcx_client_session_t *session, uint64_t now_ns, const void *message, uint16_t len)
{
  wcx_establish_ack_t ack;
  wcx_client_message_block(&ack, sizeof(ack), message, len);
  if (session->state != WCX_CLIENT_ESTABLISHING || ack.uuid != session->establish.uuid || ack.request_timestamp != session->establish.request_timestamp)
    return;
  session->ack = ack;
  session->established_cnt++;
  session->next_client_seq = ack.next_client_seq_no;
  if (ack.last_cl_ord_id > session->last_cl_ord_id)
    session->last_cl_ord_id = ack.last_cl_ord_id;
  session->statement = (wcx_client_statement_t){.active = true, .server_next = ack.next_server_seq_no, .client_next = UINT64_MAX, .cl_ord_id_max = session->last_cl_ord_id};
  if (!session->inbound_started)
  {
    wcx_client_stream_start(&session->inbound, ack.next_server_seq_no - 1, false);
    session->inbound_started = true;
  }
  if (session->established_cnt == 1)
    session->oldest_undecided = session->last_cl_ord_id + 1;
  session->out_sz = 0;
  session->status_sent_ns = now_ns;
  wcx_client_stream_put(&session->inbound, ack.next_server_seq_no - 1, message, len);
  set_state(session, WCX_CLIENT_RECOVERING, 0);
}

static void on_establish_reject(wcx_client_session_t *session, uint64_t now_ns, const void *message, uint16_t len)
{
  wcx_establish_reject_t reject;
  wcx_client_message_block(&reject, sizeof(reject), message, len);
  if (session->state != WCX_CLIENT_ESTABLISHING || reject.uuid != session->establish.uuid)
    return;
  session->reject_code = reject.code;
  session->establish_made_ns = 0; /* the next one is a new one */
  session->retry_not_before = now_ns + REJECT_PAUSE_NS;
  if (session->config.on_state != NULL)
    session->config.on_state(session->config.ctx, WCX_CLIENT_ESTABLISHING, reject.code);
}

/* --- the server flow -------------------------------------------------------------------------------- */

/* The request a sequenced message answers first, 0 when it answers none. Trades and restatements never are the first answer. */
static uint64_t answered_id(uint16_t template_id, const void *message, uint16_t len)
{
  switch (template_id)
  {
  case WCX_TEMPLATE_EXECUTION_REPORT_NEW:
  case WCX_TEMPLATE_EXECUTION_REPORT_REJECT:
  case WCX_TEMPLATE_EXECUTION_REPORT_REPLACE:
  {
    wcx_execution_report_new_t report; /* bytes 0..45 are common to all execution reports */
    wcx_client_message_block(&report, 48, message, len);
    return report.cl_ord_id;
  }
  case WCX_TEMPLATE_EXECUTION_REPORT_CANCEL:
  {
    wcx_execution_report_cancel_t report;
    wcx_client_message_block(&report, sizeof(report), message, len);
    return report.request_cl_ord_id == WCX_U64_NULL ? 0 : report.request_cl_ord_id;
  }
  case WCX_TEMPLATE_ORDER_CANCEL_REJECT:
  {
    wcx_order_cancel_reject_t reject;
    wcx_client_message_block(&reject, sizeof(reject), message, len);
    return reject.cl_ord_id;
  }
  case WCX_TEMPLATE_ORDER_MASS_CANCEL_REPORT:
  case WCX_TEMPLATE_MASS_QUOTE_ACK:
  {
    wcx_order_mass_cancel_report_t report; /* ClOrdID and QuoteID lie at the same place */
    wcx_client_message_block(&report, sizeof(report), message, len);
    return report.cl_ord_id;
  }
  default:
    return 0;
  }
}

static void on_business_reject(wcx_client_session_t *session, uint64_t now_ns, const void *message, uint16_t len)
{
  wcx_business_message_reject_t reject;
  wcx_client_message_block(&reject, sizeof(reject), message, len);
  uint64_t cl_ord_id = reject.business_reject_ref_id;
  const wcx_client_request_t *request = wcx_client_session_find(session, cl_ord_id);
  if (request == NULL)
    cl_ord_id = session->cl_ord_id_of[slot_of(reject.ref_seq_num)];
  decide(session, cl_ord_id, WCX_CLIENT_REFUSED, message, len, now_ns);
}

static void on_not_applied(wcx_client_session_t *session, uint64_t now_ns, const void *message, uint16_t len)
{
  wcx_not_applied_t gap;
  wcx_client_message_block(&gap, sizeof(gap), message, len);
  if (session->state != WCX_CLIENT_READY && session->state != WCX_CLIENT_TERMINATING)
    return; /* of a binding before: the EstablishAck decides what it spoke of */
  for (uint64_t i = 0; i < gap.count && i < WCX_CLIENT_REQUEST_MAX; i++)
  {
    uint64_t client_seq = gap.from_seq_no + i;
    uint64_t cl_ord_id = session->cl_ord_id_of[slot_of(client_seq)];
    const wcx_client_request_t *request = wcx_client_session_find(session, cl_ord_id);
    if (request != NULL && request->client_seq == client_seq)
      decide(session, cl_ord_id, WCX_CLIENT_NOT_APPLIED, NULL, 0, now_ns);
  }
}

static void on_status(wcx_client_session_t *session, const void *message, uint16_t len)
{
  wcx_session_status_response_t status;
  wcx_client_message_block(&status, sizeof(status), message, len);
  if (session->state != WCX_CLIENT_READY && session->state != WCX_CLIENT_TERMINATING)
    return;
  wcx_client_stream_exists(&session->inbound, status.next_server_seq_no);
  session->statement =
      (wcx_client_statement_t){.active = true, .server_next = status.next_server_seq_no, .client_next = status.next_client_seq_no, .cl_ord_id_max = session->last_cl_ord_id};
}

static void hang_up(wcx_client_session_t *session, uint64_t now_ns)
{
  wcx_client_link_down(session->link, now_ns);
  session->config.hang_up(session->config.wire);
}

static void binding_ended(wcx_client_session_t *session, uint64_t now_ns, uint8_t code)
{
  bool ended = session->state == WCX_CLIENT_TERMINATING;
  if (!ended && session->state != WCX_CLIENT_READY && session->state != WCX_CLIENT_RECOVERING)
    return;
  if (over_tcp(session))
    hang_up(session, now_ns);
  if (ended)
  {
    set_state(session, WCX_CLIENT_CLOSED, code);
    return;
  }
  session->lost_cnt++;
  sign_on(session, now_ns, code);
}

static void on_terminate(wcx_client_session_t *session, uint64_t now_ns, const void *message, uint16_t len)
{
  wcx_terminate_t terminate;
  wcx_client_message_block(&terminate, sizeof(terminate), message, len);
  if (terminate.uuid == session->ack.uuid)
    binding_ended(session, now_ns, terminate.code);
}

static void on_sequenced(wcx_client_session_t *session, uint64_t now_ns, uint64_t number, const void *message, uint16_t len)
{
  uint16_t template_id = wcx_client_message_template(message, len);
  uint64_t cl_ord_id = answered_id(template_id, message, len);
  decide(session, cl_ord_id, WCX_CLIENT_ANSWERED, message, len, now_ns);
  if (cl_ord_id > session->last_cl_ord_id && cl_ord_id != WCX_U64_NULL)
    session->last_cl_ord_id = cl_ord_id; /* it was asked over another binding: ClOrdIDs are the session's */
  if (template_id == WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT)
    on_business_reject(session, now_ns, message, len);
  if (session->config.on_message != NULL)
    session->config.on_message(session->config.ctx, number, message, len);
  if (template_id == WCX_TEMPLATE_TERMINATE)
    on_terminate(session, now_ns, message, len);
}

static void apply_statement(wcx_client_session_t *session, uint64_t now_ns)
{
  wcx_client_statement_t *statement = &session->statement;
  if (!statement->active || session->inbound.next < statement->server_next)
    return;
  statement->active = false;
  for (uint64_t id = session->oldest_undecided > statement->cl_ord_id_min ? session->oldest_undecided : statement->cl_ord_id_min + 1; id <= statement->cl_ord_id_max; id++)
  {
    const wcx_client_request_t *request = wcx_client_session_find(session, id);
    if (request != NULL && request->fate == WCX_CLIENT_UNDECIDED && request->client_seq < statement->client_next)
      decide(session, id, WCX_CLIENT_NOT_APPLIED, NULL, 0, now_ns);
  }
  if (session->state == WCX_CLIENT_RECOVERING)
    set_state(session, WCX_CLIENT_READY, 0);
}

static void drain(wcx_client_session_t *session, uint64_t now_ns)
{
  uint64_t number;
  uint16_t len;
  const uint8_t *message;
  while ((message = wcx_client_stream_take(&session->inbound, &number, &len)) != NULL)
    on_sequenced(session, now_ns, number, message, len);
  apply_statement(session, now_ns);
  while (session->oldest_undecided <= session->last_cl_ord_id)
  {
    const wcx_client_request_t *request = wcx_client_session_find(session, session->oldest_undecided);
    if (request != NULL && request->fate == WCX_CLIENT_UNDECIDED)
      break;
    session->oldest_undecided++;
  }
}

static void on_unsequenced(wcx_client_session_t *session, uint64_t now_ns, const void *message, uint16_t len)
{
  switch (wcx_client_message_template(message, len))
  {
  case WCX_TEMPLATE_ESTABLISH_ACK:
    on_establish_ack(session, now_ns, message, len);
    break;
  case WCX_TEMPLATE_ESTABLISH_REJECT:
    on_establish_reject(session, now_ns, message, len);
    break;
  case WCX_TEMPLATE_NOT_APPLIED:
    on_not_applied(session, now_ns, message, len);
    break;
  case WCX_TEMPLATE_SESSION_STATUS_RESPONSE:
    on_status(session, message, len);
    break;
  case WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT:
    on_business_reject(session, now_ns, message, len);
    break;
  case WCX_TEMPLATE_TERMINATE:
    on_terminate(session, now_ns, message, len);
    break;
  case WCX_TEMPLATE_RETRANSMIT_REJECT:
  {
    wcx_retransmit_reject_t reject;
    wcx_client_message_block(&reject, sizeof(reject), message, len);
    if (reject.code == WCX_RETRANSMIT_REJECT_CODE_TOO_LOW && reject.from_seq_no == session->inbound.next)
      wcx_client_stream_skip(&session->inbound);
    else if (reject.code == WCX_RETRANSMIT_REJECT_CODE_BAD_SESSION && (session->state == WCX_CLIENT_RECOVERING || session->state == WCX_CLIENT_READY))
      binding_ended(session, now_ns, WCX_TERMINATE_CODE_UNSPECIFIED); /* the data plane restarted: it does not know this binding */
    else
      wcx_client_stream_refused(&session->inbound, now_ns, reject.retry_delay_nanos);
    break;
  }
  default:
    break;
  }
}

/* Where tags are agreed, what has none could be from anybody. Only a refusal to sign on comes without: nothing was agreed. */
static bool believable(const wcx_client_session_t *session, const void *datagram, size_t *sz)
{
  if (!has_tags(session))
    return true;
  if (wcx_client_packet_tagged(datagram, *sz, session->tag_key))
  {
    *sz -= WCX_CLIENT_TAG_SZ;
    return true;
  }
  wcx_client_packet_t packet;
  if (session->state != WCX_CLIENT_ESTABLISHING || !wcx_client_packet_open(&packet, datagram, *sz) || packet.count != 1 || memcmp(packet.session, WCX_CLIENT_NO_SESSION, 10) != 0)
    return false;
  uint16_t len;
  const uint8_t *message = wcx_client_packet_next(&packet, &len);
  return wcx_client_message_template(message, len) == WCX_TEMPLATE_ESTABLISH_REJECT;
}

void wcx_client_session_datagram(wcx_client_session_t *session, uint64_t now_ns, const void *datagram, size_t sz)
{
  wcx_client_packet_t packet;
  if (!believable(session, datagram, &sz))
  {
    session->bad_tag_cnt++;
    return;
  }
  if (!wcx_client_packet_open(&packet, datagram, sz))
  {
    session->bad_datagram_cnt++;
    return;
  }
  bool numbered = memcmp(packet.session, WCX_CLIENT_NO_SESSION, 10) != 0;
  if (numbered && (memcmp(packet.session, session->ack.mold_session, 10) != 0 || !session->inbound_started || session->state == WCX_CLIENT_ESTABLISHING))
  {
    session->bad_datagram_cnt += session->established_cnt == 0; /* else: late, of a binding before */
    return;
  }
  if (numbered || session->state == WCX_CLIENT_ESTABLISHING)
    session->last_rx_ns = now_ns; /* a refusal outside the flow is no sign that the binding lives */
  if (packet.count == WCX_CLIENT_END_OF_SESSION)
    return;
  for (uint16_t block = 0; block < packet.count; block++)
  {
    uint16_t len;
    const uint8_t *message = wcx_client_packet_next(&packet, &len);
    if (numbered)
      wcx_client_stream_put(&session->inbound, packet.sequence + block, message, len);
    else
      on_unsequenced(session, now_ns, message, len);
    if (numbered && packet.sequence + block - session->inbound.next >= session->inbound.cap / 2)
      drain(session, now_ns);
  }
  if (numbered)
    wcx_client_stream_exists(&session->inbound, packet.sequence + packet.count);
  drain(session, now_ns);
}

void wcx_client_session_message(wcx_client_session_t *session, uint64_t now_ns, uint64_t number, const void *message, size_t sz)
{
  if (!session->inbound_started || sz > WCX_CLIENT_DATAGRAM_MAX)
    return;
  wcx_client_stream_put(&session->inbound, number, message, (uint16_t)sz);
  drain(session, now_ns);
}

/* --- over TCP --------------------------------------------------------------------------------------- */

static void write_link(wcx_client_session_t *session, uint64_t now_ns)
{
  size_t sz;
  const uint8_t *bytes = wcx_client_link_out(session->link, &sz);
  if (sz == 0)
    return;
  size_t written = session->config.write(session->config.wire, bytes, sz);
  wcx_client_link_written(session->link, now_ns, written);
  if (written != 0)
    session->last_tx_ns = now_ns;
}

/* The link is of no use any more. */
static void link_lost(wcx_client_session_t *session, uint64_t now_ns, bool bad)
{
  session->bad_datagram_cnt += bad;
  if (session->state == WCX_CLIENT_ESTABLISHING)
  {
    hang_up(session, now_ns);
    if (session->retry_not_before <= now_ns)
    {
      uint32_t again = session->fruitless_cnt > 1 ? session->fruitless_cnt - 1 : 0;
      session->retry_not_before = now_ns + (REJECT_PAUSE_NS << (again < FRUITLESS_LG_MAX ? again : FRUITLESS_LG_MAX));
    }
  }
  else
    binding_ended(session, now_ns, WCX_TERMINATE_CODE_UNSPECIFIED);
}

/* The stream of the port is over, with its day: the next one begins at 1. */
static void stream_ended(wcx_client_session_t *session, uint64_t now_ns)
{
  wcx_client_stream_start(&session->inbound, 1, false);
  session->inbound_started = true;
  session->stream_end_cnt++;
  if (session->state != WCX_CLIENT_ESTABLISHING)
  {
    binding_ended(session, now_ns, WCX_TERMINATE_CODE_FINISHED);
    return;
  }
  link_lost(session, now_ns, false);
  set_state(session, WCX_CLIENT_ESTABLISHING, WCX_TERMINATE_CODE_FINISHED);
}

/* Login Accepted: what was asked for comes from here on. */
static void on_login(wcx_client_session_t *session, uint64_t now_ns)
{
  uint64_t number = session->link->number;
  session->fruitless_cnt++;
  if (!session->inbound_started)
  {
    wcx_client_stream_start(&session->inbound, number, false);
    session->inbound_started = true;
  }
  if (number > session->inbound.next)
  {
    session->inbound.hole_lost_cnt++; /* the server does not reach back so far */
    session->inbound.message_lost_cnt += number - session->inbound.next;
    session->inbound.next = number;
  }
  uint8_t message[sizeof(wcx_message_header_t) + sizeof(wcx_establish_t)];
  make_establish(session, now_ns);
  size_t sz = wcx_client_message_write(message, WCX_TEMPLATE_ESTABLISH, &session->establish, sizeof(session->establish));
  (void)wcx_client_link_send(session->link, message, sz); /* the first packet finds room */
}

/* A sequenced packet. False when the link is to be dropped: what ended it, or a number that is not what the server says it is. */
static bool on_link_message(wcx_client_session_t *session, uint64_t now_ns, const uint8_t *message, size_t sz)
{
  uint16_t template_id = wcx_client_message_template(message, sz);
  session->bad_datagram_cnt += template_id == 0;
  if (template_id == 0)
    return false;
  bool signing_on = session->state == WCX_CLIENT_ESTABLISHING;
  if (template_id == WCX_TEMPLATE_ESTABLISH_REJECT)
  {
    on_establish_reject(session, now_ns, message, (uint16_t)sz);
    return false;
  }
  if (template_id == WCX_TEMPLATE_TERMINATE)
  {
    wcx_terminate_t terminate;
    wcx_client_message_block(&terminate, sizeof(terminate), message, sz);
    if (terminate.uuid == (signing_on ? session->establish.uuid : session->ack.uuid))
    {
      binding_ended(session, now_ns, terminate.code);
      return !signing_on;
    }
  }
  uint64_t number = session->link->number++;
  session->fruitless_cnt = 0;
  wcx_establish_ack_t ack = {0};
  if (template_id == WCX_TEMPLATE_ESTABLISH_ACK)
    wcx_client_message_block(&ack, sizeof(ack), message, sz);
  if (signing_on && ack.uuid == session->establish.uuid)
  {
    session->own_numbers = ack.next_server_seq_no == number;
    session->link->number -= session->own_numbers;
    if (!session->own_numbers && ack.next_server_seq_no != number + 1)
    {
      session->bad_datagram_cnt++;
      return false;
    }
    on_establish_ack(session, now_ns, message, (uint16_t)sz);
    if (session->own_numbers)
      session->statement.cl_ord_id_min = ack.last_cl_ord_id; /* answers to what was decided are behind it, not before it */
  }
  else
    wcx_client_stream_put(&session->inbound, number, message, (uint16_t)sz);
  drain(session, now_ns);
  return true;
}

void wcx_client_session_link_up(wcx_client_session_t *session, uint64_t now_ns)
{
  if (session->link->state != WCX_CLIENT_LINK_CONNECTING)
    return;
  wcx_client_link_up(session->link, now_ns);
  write_link(session, now_ns);
}

void wcx_client_session_link_down(wcx_client_session_t *session, uint64_t now_ns)
{
  if (session->link->state != WCX_CLIENT_LINK_DOWN)
    link_lost(session, now_ns, false);
}

void wcx_client_session_link_bytes(wcx_client_session_t *session, uint64_t now_ns, const void *bytes, size_t sz)
{
  const uint8_t *at = bytes;
  const uint8_t *end = at + sz;
  const uint8_t *message;
  size_t message_sz;
  for (;;)
    switch (wcx_client_link_take(session->link, now_ns, &at, end, &message, &message_sz))
    {
    case WCX_CLIENT_LINK_NOTHING:
      return;
    case WCX_CLIENT_LINK_ACCEPTED:
      on_login(session, now_ns);
      write_link(session, now_ns);
      break;
    case WCX_CLIENT_LINK_MESSAGE:
      if (!on_link_message(session, now_ns, message, message_sz))
      {
        link_lost(session, now_ns, false);
        return;
      }
      break;
    case WCX_CLIENT_LINK_BROKEN:
      link_lost(session, now_ns, true);
      return;
    case WCX_CLIENT_LINK_ENDED:
      stream_ended(session, now_ns);
      return;
    }
}

/* --- the client flow -------------------------------------------------------------------------------- */

void wcx_client_session_flush(wcx_client_session_t *session, uint64_t now_ns)
{
  if (over_tcp(session))
    write_link(session, now_ns);
  if (session->out_sz == 0)
    return;
  wcx_client_packet_header(session->out, session->ack.mold_session, session->out_seq, session->out_cnt);
  size_t sz = session->out_sz;
  session->out_sz = 0;
  send_datagram(session, now_ns, WCX_CLIENT_PORT_ORDER, session->out, sz);
}

/* Put a block into the datagram being filled; returns its client sequence. */
static uint64_t add_block(wcx_client_session_t *session, uint64_t now_ns, const void *message, size_t sz)
{
  if (session->out_sz != 0 && session->out_sz + 2 + sz > datagram_max(session))
    wcx_client_session_flush(session, now_ns);
  if (session->out_sz == 0)
  {
    session->out_sz = WCX_CLIENT_PACKET_HDR_SZ;
    session->out_seq = session->next_client_seq;
    session->out_cnt = 0;
  }
  session->out_sz = wcx_client_packet_append(session->out, session->out_sz, message, sz);
  session->out_cnt++;
  session->cl_ord_id_of[slot_of(session->next_client_seq)] = 0;
  return session->next_client_seq++;
}

bool wcx_client_session_request(wcx_client_session_t *session, uint64_t now_ns, const void *message, size_t sz, uint32_t tag)
{
  WCX_CHECK(sz >= 16 && sz <= datagram_max(session) - WCX_CLIENT_PACKET_HDR_SZ - 2, "request of %zu bytes", sz);
  uint64_t cl_ord_id;
  memcpy(&cl_ord_id, (const uint8_t *)message + sizeof(wcx_message_header_t), sizeof(cl_ord_id));
  WCX_CHECK(cl_ord_id > session->last_cl_ord_id, "ClOrdID %llu after %llu", (unsigned long long)cl_ord_id, (unsigned long long)session->last_cl_ord_id);
  if (session->state != WCX_CLIENT_READY || (session->undecided_cnt != 0 && cl_ord_id - session->oldest_undecided >= WCX_CLIENT_REQUEST_MAX / 2))
    return false;
  if (over_tcp(session) && !wcx_client_link_send(session->link, message, sz))
    return false;
  if (session->undecided_cnt == 0)
    session->progress_ns = now_ns;
  uint64_t client_seq = over_tcp(session) ? session->next_client_seq++ : add_block(session, now_ns, message, sz);
  session->cl_ord_id_of[slot_of(client_seq)] = cl_ord_id;
  session->requests[slot_of(cl_ord_id)] = (wcx_client_request_t){
      .cl_ord_id = cl_ord_id, .client_seq = client_seq, .sent_ns = now_ns, .tag = tag, .template_id = wcx_client_message_template(message, sz), .fate = WCX_CLIENT_UNDECIDED};
  session->last_cl_ord_id = cl_ord_id;
  session->undecided_cnt++;
  session->sent_cnt++;
  return true;
}

const wcx_client_request_t *wcx_client_session_find(const wcx_client_session_t *session, uint64_t cl_ord_id)
{
  const wcx_client_request_t *request = &session->requests[slot_of(cl_ord_id)];
  return cl_ord_id != 0 && request->cl_ord_id == cl_ord_id ? request : NULL;
}

void wcx_client_session_terminate(wcx_client_session_t *session, uint64_t now_ns)
{
  bool bound = session->state == WCX_CLIENT_READY || session->state == WCX_CLIENT_RECOVERING;
  if (!bound || session->own_numbers)
  {
    if (over_tcp(session))
      hang_up(session, now_ns); /* a port with numbers of its own binds nothing that would have to be ended */
    set_state(session, WCX_CLIENT_CLOSED, 0);
    return;
  }
  wcx_client_session_flush(session, now_ns);
  uint8_t message[sizeof(wcx_message_header_t) + sizeof(wcx_terminate_t)];
  wcx_terminate_t terminate = {.uuid = session->ack.uuid, .code = WCX_TERMINATE_CODE_FINISHED};
  size_t sz = wcx_client_message_write(message, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate));
  session->goodbye_cnt = 1;
  if (over_tcp(session))
  {
    session->next_client_seq++;
    session->goodbye_ns = now_ns;
    set_state(session, WCX_CLIENT_TERMINATING, 0);
    if (wcx_client_link_send(session->link, message, sz))
      write_link(session, now_ns);
    return;
  }
  wcx_client_packet_header(session->goodbye, session->ack.mold_session, session->next_client_seq++, 1);
  session->goodbye_sz = wcx_client_packet_append(session->goodbye, WCX_CLIENT_PACKET_HDR_SZ, message, sz);
  set_state(session, WCX_CLIENT_TERMINATING, 0);
  send_datagram(session, now_ns, WCX_CLIENT_PORT_ORDER, session->goodbye, session->goodbye_sz);
}

/* --- timers ----------------------------------------------------------------------------------------- */

static void step_establishing(wcx_client_session_t *session, uint64_t now_ns)
{
  if (now_ns < session->retry_not_before)
    return;
  if (session->establish_made_ns == 0 || now_ns - session->establish_made_ns >= ESTABLISH_RENEW_NS)
  {
    make_establish(session, now_ns);
    send_establish(session, now_ns);
  }
  else if (now_ns - session->establish_sent_ns >= ESTABLISH_REPEAT_NS)
    send_establish(session, now_ns);
}

static void send_heartbeat(wcx_client_session_t *session, uint64_t now_ns)
{
  uint8_t datagram[WCX_CLIENT_PACKET_HDR_SZ];
  wcx_client_packet_header(datagram, session->ack.mold_session, session->next_client_seq, 0);
  send_datagram(session, now_ns, WCX_CLIENT_PORT_ORDER, datagram, sizeof(datagram));
}

static void send_rerequest(wcx_client_session_t *session, uint64_t now_ns)
{
  uint64_t from;
  uint16_t cnt;
  if (!wcx_client_stream_due(&session->inbound, now_ns, &from, &cnt))
    return;
  uint8_t datagram[WCX_CLIENT_PACKET_HDR_SZ];
  wcx_client_packet_header(datagram, session->ack.mold_session, from, cnt);
  send_datagram(session, now_ns, WCX_CLIENT_PORT_REREQUEST, datagram, sizeof(datagram));
}

static void step_bound(wcx_client_session_t *session, uint64_t now_ns)
{
  uint64_t keep_alive_ns = session->ack.keep_alive_interval * MS_NS;
  uint64_t silence_ns = 3 * keep_alive_ns > 500 * MS_NS ? 3 * keep_alive_ns : 500 * MS_NS;
  if (now_ns > session->last_rx_ns && now_ns - session->last_rx_ns > silence_ns)
  {
    binding_ended(session, now_ns, WCX_TERMINATE_CODE_KEEP_ALIVE_EXPIRED);
    return;
  }
  bool stuck = session->state == WCX_CLIENT_READY && session->undecided_cnt != 0 && now_ns - session->progress_ns > NUDGE_NS;
  if (stuck && !session->statement.active && now_ns - session->progress_ns > STATUS_NS && now_ns - session->status_sent_ns > STATUS_NS)
  {
    uint8_t message[sizeof(wcx_message_header_t) + sizeof(wcx_session_status_request_t)];
    wcx_session_status_request_t ask = {.request_id = session->next_client_seq};
    session->status_sent_ns = now_ns;
    size_t sz = wcx_client_message_write(message, WCX_TEMPLATE_SESSION_STATUS_REQUEST, &ask, sizeof(ask));
    add_block(session, now_ns, message, sz);
    wcx_client_session_flush(session, now_ns);
  }
  if (now_ns - session->last_tx_ns >= (stuck ? NUDGE_NS : keep_alive_ns / 2))
    send_heartbeat(session, now_ns);
  send_rerequest(session, now_ns);
  drain(session, now_ns);
}

static void step_link(wcx_client_session_t *session, uint64_t now_ns)
{
  if (session->state == WCX_CLIENT_CLOSED)
    return;
  if (session->link->state == WCX_CLIENT_LINK_DOWN)
  {
    if (session->state == WCX_CLIENT_ESTABLISHING && now_ns >= session->retry_not_before)
      dial(session, now_ns);
    return;
  }
  bool gave_up = session->state == WCX_CLIENT_TERMINATING && now_ns - session->goodbye_ns > GOODBYE_NS * GOODBYE_MAX;
  bool unanswered = session->state == WCX_CLIENT_ESTABLISHING && session->link->state == WCX_CLIENT_LINK_OPEN && now_ns - session->link->since_ns > ESTABLISH_WAIT_NS;
  if (gave_up || unanswered || !wcx_client_link_step(session->link, now_ns))
    link_lost(session, now_ns, false);
  else
    write_link(session, now_ns);
}

uint32_t wcx_client_session_step(wcx_client_session_t *session, uint64_t now_ns)
{
  uint64_t before = session->last_tx_ns;
  if (over_tcp(session))
  {
    step_link(session, now_ns);
    return session->last_tx_ns != before;
  }
  switch (session->state)
  {
  case WCX_CLIENT_ESTABLISHING:
    step_establishing(session, now_ns);
    break;
  case WCX_CLIENT_RECOVERING:
  case WCX_CLIENT_READY:
    wcx_client_session_flush(session, now_ns);
    step_bound(session, now_ns);
    break;
  case WCX_CLIENT_TERMINATING:
    if (now_ns - session->last_tx_ns < GOODBYE_NS)
      break;
    if (session->goodbye_cnt++ >= GOODBYE_MAX)
      set_state(session, WCX_CLIENT_CLOSED, 0);
    else
      send_datagram(session, now_ns, WCX_CLIENT_PORT_ORDER, session->goodbye, session->goodbye_sz);
    break;
  case WCX_CLIENT_CLOSED:
    break;
  }
  return session->last_tx_ns != before;
}
