#include "dataplane/client/session_parts.h"

#define NUDGE_NS (100 * WCX_CLIENT_MS_NS)  /* undecided for so long: a heartbeat shows the server what it missed */
#define STATUS_NS (500 * WCX_CLIENT_MS_NS) /* and for so long: ask for its state */

void wcx_client_udp_send(wcx_client_session_t *session, uint64_t now_ns, enum wcx_client_port port, const void *datagram, size_t sz)
{
  uint8_t tagged[WCX_CLIENT_DATAGRAM_MAX];
  if (wcx_client_tagged(session) && memcmp(datagram, WCX_CLIENT_NO_SESSION, 10) != 0) /* an Establish has a signature instead */
  {
    memcpy(tagged, datagram, sz);
    sz = wcx_client_packet_tag(tagged, sz, session->tag_key);
    datagram = tagged;
  }
  session->config.send(session->config.wire, port, datagram, sz);
  if (port == WCX_CLIENT_PORT_ORDER)
    session->last_tx_ns = now_ns;
}

size_t wcx_client_udp_room(const wcx_client_session_t *session)
{
  return WCX_CLIENT_DATAGRAM_MAX - (wcx_client_tagged(session) ? WCX_CLIENT_TAG_SZ : 0);
}

uint64_t wcx_client_udp_add(wcx_client_session_t *session, uint64_t now_ns, const void *message, size_t sz)
{
  if (session->out_sz != 0 && session->out_sz + 2 + sz > wcx_client_udp_room(session))
    wcx_client_udp_flush(session, now_ns);
  if (session->out_sz == 0)
  {
    session->out_sz = WCX_CLIENT_PACKET_HDR_SZ;
    session->out_seq = session->next_client_seq;
    session->out_cnt = 0;
  }
  session->out_sz = wcx_client_packet_append(session->out, session->out_sz, message, sz);
  session->out_cnt++;
  session->cl_ord_id_of[wcx_client_slot_of(session->next_client_seq)] = 0;
  return session->next_client_seq++;
}

void wcx_client_udp_flush(wcx_client_session_t *session, uint64_t now_ns)
{
  if (session->out_sz == 0)
    return;
  wcx_client_packet_header(session->out, session->ack.mold_session, session->out_seq, session->out_cnt);
  size_t sz = session->out_sz;
  session->out_sz = 0;
  wcx_client_udp_send(session, now_ns, WCX_CLIENT_PORT_ORDER, session->out, sz);
}

static void send_heartbeat(wcx_client_session_t *session, uint64_t now_ns)
{
  uint8_t datagram[WCX_CLIENT_PACKET_HDR_SZ];
  wcx_client_packet_header(datagram, session->ack.mold_session, session->next_client_seq, 0);
  wcx_client_udp_send(session, now_ns, WCX_CLIENT_PORT_ORDER, datagram, sizeof(datagram));
}

static void send_rerequest(wcx_client_session_t *session, uint64_t now_ns)
{
  uint64_t from;
  uint16_t cnt;
  if (!wcx_client_stream_due(&session->inbound, now_ns, &from, &cnt))
    return;
  uint8_t datagram[WCX_CLIENT_PACKET_HDR_SZ];
  wcx_client_packet_header(datagram, session->ack.mold_session, from, cnt);
  wcx_client_udp_send(session, now_ns, WCX_CLIENT_PORT_REREQUEST, datagram, sizeof(datagram));
}

void wcx_client_udp_step(wcx_client_session_t *session, uint64_t now_ns)
{
  uint64_t keep_alive_ns = session->ack.keep_alive_interval * WCX_CLIENT_MS_NS;
  uint64_t silence_ns = 3 * keep_alive_ns > 500 * WCX_CLIENT_MS_NS ? 3 * keep_alive_ns : 500 * WCX_CLIENT_MS_NS;
  if (now_ns > session->last_rx_ns && now_ns - session->last_rx_ns > silence_ns)
  {
    wcx_client_binding_ended(session, now_ns, WCX_TERMINATE_CODE_KEEP_ALIVE_EXPIRED);
    return;
  }
  bool stuck = session->state == WCX_CLIENT_READY && session->undecided_cnt != 0 && now_ns - session->progress_ns > NUDGE_NS;
  if (stuck && !session->statement.active && now_ns - session->progress_ns > STATUS_NS && now_ns - session->status_sent_ns > STATUS_NS)
  {
    uint8_t message[sizeof(wcx_message_header_t) + sizeof(wcx_session_status_request_t)];
    wcx_session_status_request_t ask = {.request_id = session->next_client_seq};
    session->status_sent_ns = now_ns;
    size_t sz = wcx_client_message_write(message, WCX_TEMPLATE_SESSION_STATUS_REQUEST, &ask, sizeof(ask));
    wcx_client_udp_add(session, now_ns, message, sz);
    wcx_client_udp_flush(session, now_ns);
  }
  if (now_ns - session->last_tx_ns >= (stuck ? NUDGE_NS : keep_alive_ns / 2))
    send_heartbeat(session, now_ns);
  send_rerequest(session, now_ns);
  wcx_client_inbound_drain(session, now_ns);
}
