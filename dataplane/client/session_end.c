#include "dataplane/client/session_parts.h"

void wcx_client_binding_ended(wcx_client_session_t *session, uint64_t now_ns, uint8_t code)
{
  bool ended = session->state == WCX_CLIENT_TERMINATING;
  if (!ended && session->state != WCX_CLIENT_READY && session->state != WCX_CLIENT_RECOVERING)
    return;
  if (wcx_client_over_tcp(session))
    wcx_client_tcp_hang_up(session, now_ns);
  if (ended)
  {
    wcx_client_session_enter(session, WCX_CLIENT_CLOSED, code);
    return;
  }
  session->lost_cnt++;
  wcx_client_establish_begin(session, now_ns, code);
}

void wcx_client_binding_terminated(wcx_client_session_t *session, uint64_t now_ns, const void *message, uint16_t len)
{
  wcx_terminate_t terminate;
  wcx_client_message_block(&terminate, sizeof(terminate), message, len);
  if (terminate.uuid == session->ack.uuid)
    wcx_client_binding_ended(session, now_ns, terminate.code);
}

void wcx_client_session_terminate(wcx_client_session_t *session, uint64_t now_ns)
{
  bool bound = session->state == WCX_CLIENT_READY || session->state == WCX_CLIENT_RECOVERING;
  if (!bound || session->own_numbers)
  {
    if (wcx_client_over_tcp(session))
      wcx_client_tcp_hang_up(session, now_ns); /* a port with numbers of its own binds nothing that would have to be ended */
    wcx_client_session_enter(session, WCX_CLIENT_CLOSED, 0);
    return;
  }
  wcx_client_session_flush(session, now_ns);
  uint8_t message[sizeof(wcx_message_header_t) + sizeof(wcx_terminate_t)];
  wcx_terminate_t terminate = {.uuid = session->ack.uuid, .code = WCX_TERMINATE_CODE_FINISHED};
  size_t sz = wcx_client_message_write(message, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate));
  session->goodbye_cnt = 1;
  if (wcx_client_over_tcp(session))
  {
    session->next_client_seq++;
    session->goodbye_ns = now_ns;
    wcx_client_session_enter(session, WCX_CLIENT_TERMINATING, 0);
    if (wcx_client_link_send(session->link, message, sz))
      wcx_client_tcp_write(session, now_ns);
    return;
  }
  wcx_client_packet_header(session->goodbye, session->ack.mold_session, session->next_client_seq++, 1);
  session->goodbye_sz = wcx_client_packet_append(session->goodbye, WCX_CLIENT_PACKET_HDR_SZ, message, sz);
  wcx_client_session_enter(session, WCX_CLIENT_TERMINATING, 0);
  wcx_client_udp_send(session, now_ns, WCX_CLIENT_PORT_ORDER, session->goodbye, session->goodbye_sz);
}

void wcx_client_goodbye_step(wcx_client_session_t *session, uint64_t now_ns)
{
  if (now_ns - session->last_tx_ns < WCX_CLIENT_GOODBYE_NS)
    return;
  if (session->goodbye_cnt++ >= WCX_CLIENT_GOODBYE_MAX)
    wcx_client_session_enter(session, WCX_CLIENT_CLOSED, 0);
  else
    wcx_client_udp_send(session, now_ns, WCX_CLIENT_PORT_ORDER, session->goodbye, session->goodbye_sz);
}
