#include "dataplane/client/session_parts.h"

#include "engine/base/env.h"

#define ESTABLISH_REPEAT_NS (200 * WCX_CLIENT_MS_NS) /* the same bytes again */
#define ESTABLISH_RENEW_NS (2000 * WCX_CLIENT_MS_NS) /* a new UUID and timestamp: the old ones age */

void wcx_client_establish_make(wcx_client_session_t *session, uint64_t now_ns)
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
  if (wcx_client_tagged(session))
    wcx_client_tag_key(session->tag_key, session->config.secret, session->establish.uuid);
  session->establish_made_ns = now_ns;
}

static void send_establish(wcx_client_session_t *session, uint64_t now_ns)
{
  uint8_t datagram[WCX_CLIENT_PACKET_HDR_SZ + 2 + sizeof(wcx_message_header_t) + sizeof(wcx_establish_t)];
  uint8_t message[sizeof(wcx_message_header_t) + sizeof(wcx_establish_t)];
  size_t sz = wcx_client_message_write(message, WCX_TEMPLATE_ESTABLISH, &session->establish, sizeof(session->establish));
  wcx_client_packet_header(datagram, WCX_CLIENT_NO_SESSION, 0, 1);
  sz = wcx_client_packet_append(datagram, WCX_CLIENT_PACKET_HDR_SZ, message, sz);
  session->establish_sent_ns = now_ns;
  wcx_client_udp_send(session, now_ns, WCX_CLIENT_PORT_ORDER, datagram, sz);
}

void wcx_client_establish_begin(wcx_client_session_t *session, uint64_t now_ns, uint8_t code)
{
  session->out_sz = 0;
  session->statement.active = false;
  if (wcx_client_over_tcp(session))
  {
    wcx_client_session_enter(session, WCX_CLIENT_ESTABLISHING, code);
    return; /* step() dials */
  }
  wcx_client_establish_make(session, now_ns);
  wcx_client_session_enter(session, WCX_CLIENT_ESTABLISHING, code);
  send_establish(session, now_ns);
}

void wcx_client_session_open(wcx_client_session_t *session, uint64_t now_ns)
{
  session->retry_not_before = 0;
  wcx_client_establish_begin(session, now_ns, 0);
}

void wcx_client_establish_accepted(wcx_client_session_t *session, uint64_t now_ns, const void *message, uint16_t len)
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
  wcx_client_session_enter(session, WCX_CLIENT_RECOVERING, 0);
}

void wcx_client_establish_rejected(wcx_client_session_t *session, uint64_t now_ns, const void *message, uint16_t len)
{
  wcx_establish_reject_t reject;
  wcx_client_message_block(&reject, sizeof(reject), message, len);
  if (session->state != WCX_CLIENT_ESTABLISHING || reject.uuid != session->establish.uuid)
    return;
  session->reject_code = reject.code;
  session->establish_made_ns = 0; /* the next one is a new one */
  session->retry_not_before = now_ns + WCX_CLIENT_PAUSE_NS;
  if (session->config.on_state != NULL)
    session->config.on_state(session->config.ctx, WCX_CLIENT_ESTABLISHING, reject.code);
}

void wcx_client_establish_step(wcx_client_session_t *session, uint64_t now_ns)
{
  if (now_ns < session->retry_not_before)
    return;
  if (session->establish_made_ns == 0 || now_ns - session->establish_made_ns >= ESTABLISH_RENEW_NS)
  {
    wcx_client_establish_make(session, now_ns);
    send_establish(session, now_ns);
  }
  else if (now_ns - session->establish_sent_ns >= ESTABLISH_REPEAT_NS)
    send_establish(session, now_ns);
}
