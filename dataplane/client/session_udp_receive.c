#include "dataplane/client/session_parts.h"

static void on_unsequenced(wcx_client_session_t *session, uint64_t now_ns, const void *message, uint16_t len)
{
  switch (wcx_client_message_template(message, len))
  {
  case WCX_TEMPLATE_ESTABLISH_ACK:
    wcx_client_establish_accepted(session, now_ns, message, len);
    break;
  case WCX_TEMPLATE_ESTABLISH_REJECT:
    wcx_client_establish_rejected(session, now_ns, message, len);
    break;
  case WCX_TEMPLATE_NOT_APPLIED:
    wcx_client_request_not_applied(session, now_ns, message, len);
    break;
  case WCX_TEMPLATE_SESSION_STATUS_RESPONSE:
    wcx_client_request_status(session, message, len);
    break;
  case WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT:
    wcx_client_request_refused(session, now_ns, message, len);
    break;
  case WCX_TEMPLATE_TERMINATE:
    wcx_client_binding_terminated(session, now_ns, message, len);
    break;
  case WCX_TEMPLATE_RETRANSMIT_REJECT:
  {
    wcx_retransmit_reject_t reject;
    wcx_client_message_block(&reject, sizeof(reject), message, len);
    if (reject.code == WCX_RETRANSMIT_REJECT_CODE_TOO_LOW && reject.from_seq_no == session->inbound.next)
      wcx_client_stream_skip(&session->inbound);
    else if (reject.code == WCX_RETRANSMIT_REJECT_CODE_BAD_SESSION && (session->state == WCX_CLIENT_RECOVERING || session->state == WCX_CLIENT_READY))
      wcx_client_binding_ended(session, now_ns, WCX_TERMINATE_CODE_UNSPECIFIED); /* the data plane restarted: it does not know this binding */
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
  if (!wcx_client_tagged(session))
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
      wcx_client_inbound_drain(session, now_ns);
  }
  if (numbered)
    wcx_client_stream_exists(&session->inbound, packet.sequence + packet.count);
  wcx_client_inbound_drain(session, now_ns);
}
