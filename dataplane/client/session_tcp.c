#include "dataplane/client/session_parts.h"

#define ESTABLISH_WAIT_NS (5000 * WCX_CLIENT_MS_NS) /* so long an Establish may stay unanswered */
#define FRUITLESS_LG_MAX 4u                         /* pauses between logins grow to 16 times the first */

static void dial(wcx_client_session_t *session, uint64_t now_ns)
{
  wcx_client_link_dial(session->link, now_ns, session->inbound_started ? session->inbound.next : 0);
  session->config.dial(session->config.wire);
}

void wcx_client_tcp_hang_up(wcx_client_session_t *session, uint64_t now_ns)
{
  wcx_client_link_down(session->link, now_ns);
  session->config.hang_up(session->config.wire);
}

void wcx_client_tcp_write(wcx_client_session_t *session, uint64_t now_ns)
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
    wcx_client_tcp_hang_up(session, now_ns);
    if (session->retry_not_before <= now_ns)
    {
      uint32_t again = session->fruitless_cnt > 1 ? session->fruitless_cnt - 1 : 0;
      session->retry_not_before = now_ns + (WCX_CLIENT_PAUSE_NS << (again < FRUITLESS_LG_MAX ? again : FRUITLESS_LG_MAX));
    }
  }
  else
    wcx_client_binding_ended(session, now_ns, WCX_TERMINATE_CODE_UNSPECIFIED);
}

/* The stream of the port is over, with its day: the next one begins at 1. */
static void stream_ended(wcx_client_session_t *session, uint64_t now_ns)
{
  wcx_client_stream_start(&session->inbound, 1, false);
  session->inbound_started = true;
  session->stream_end_cnt++;
  if (session->state != WCX_CLIENT_ESTABLISHING)
  {
    wcx_client_binding_ended(session, now_ns, WCX_TERMINATE_CODE_FINISHED);
    return;
  }
  link_lost(session, now_ns, false);
  wcx_client_session_enter(session, WCX_CLIENT_ESTABLISHING, WCX_TERMINATE_CODE_FINISHED);
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
  wcx_client_establish_make(session, now_ns);
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
    wcx_client_establish_rejected(session, now_ns, message, (uint16_t)sz);
    return false;
  }
  if (template_id == WCX_TEMPLATE_TERMINATE)
  {
    wcx_terminate_t terminate;
    wcx_client_message_block(&terminate, sizeof(terminate), message, sz);
    if (terminate.uuid == (signing_on ? session->establish.uuid : session->ack.uuid))
    {
      wcx_client_binding_ended(session, now_ns, terminate.code);
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
    wcx_client_establish_accepted(session, now_ns, message, (uint16_t)sz);
    if (session->own_numbers)
      session->statement.cl_ord_id_min = ack.last_cl_ord_id; /* answers to what was decided are behind it, not before it */
  }
  else
    wcx_client_stream_put(&session->inbound, number, message, (uint16_t)sz);
  wcx_client_inbound_drain(session, now_ns);
  return true;
}

void wcx_client_session_link_up(wcx_client_session_t *session, uint64_t now_ns)
{
  if (session->link->state != WCX_CLIENT_LINK_CONNECTING)
    return;
  wcx_client_link_up(session->link, now_ns);
  wcx_client_tcp_write(session, now_ns);
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
      wcx_client_tcp_write(session, now_ns);
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

void wcx_client_tcp_step(wcx_client_session_t *session, uint64_t now_ns)
{
  if (session->state == WCX_CLIENT_CLOSED)
    return;
  if (session->link->state == WCX_CLIENT_LINK_DOWN)
  {
    if (session->state == WCX_CLIENT_ESTABLISHING && now_ns >= session->retry_not_before)
      dial(session, now_ns);
    return;
  }
  bool gave_up = session->state == WCX_CLIENT_TERMINATING && now_ns - session->goodbye_ns > WCX_CLIENT_GOODBYE_NS * WCX_CLIENT_GOODBYE_MAX;
  bool unanswered = session->state == WCX_CLIENT_ESTABLISHING && session->link->state == WCX_CLIENT_LINK_OPEN && now_ns - session->link->since_ns > ESTABLISH_WAIT_NS;
  if (gave_up || unanswered || !wcx_client_link_step(session->link, now_ns))
    link_lost(session, now_ns, false);
  else
    wcx_client_tcp_write(session, now_ns);
}
