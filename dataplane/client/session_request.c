#include "dataplane/client/session_parts.h"

#include "engine/base/check.h"

bool wcx_client_session_request(wcx_client_session_t *session, uint64_t now_ns, const void *message, size_t sz, uint32_t tag)
{
  WCX_CHECK(sz >= 16 && sz <= wcx_client_udp_room(session) - WCX_CLIENT_PACKET_HDR_SZ - 2, "request of %zu bytes", sz);
  uint64_t cl_ord_id;
  memcpy(&cl_ord_id, (const uint8_t *)message + sizeof(wcx_message_header_t), sizeof(cl_ord_id));
  WCX_CHECK(cl_ord_id > session->last_cl_ord_id, "ClOrdID %llu after %llu", (unsigned long long)cl_ord_id, (unsigned long long)session->last_cl_ord_id);
  if (session->state != WCX_CLIENT_READY || (session->undecided_cnt != 0 && cl_ord_id - session->oldest_undecided >= WCX_CLIENT_REQUEST_MAX / 2))
    return false;
  if (wcx_client_over_tcp(session) && !wcx_client_link_send(session->link, message, sz))
    return false;
  if (session->undecided_cnt == 0)
    session->progress_ns = now_ns;
  uint64_t client_seq = wcx_client_over_tcp(session) ? session->next_client_seq++ : wcx_client_udp_add(session, now_ns, message, sz);
  session->cl_ord_id_of[wcx_client_slot_of(client_seq)] = cl_ord_id;
  session->requests[wcx_client_slot_of(cl_ord_id)] = (wcx_client_request_t){
      .cl_ord_id = cl_ord_id, .client_seq = client_seq, .sent_ns = now_ns, .tag = tag, .template_id = wcx_client_message_template(message, sz), .fate = WCX_CLIENT_UNDECIDED};
  session->last_cl_ord_id = cl_ord_id;
  session->undecided_cnt++;
  session->sent_cnt++;
  return true;
}

const wcx_client_request_t *wcx_client_session_find(const wcx_client_session_t *session, uint64_t cl_ord_id)
{
  const wcx_client_request_t *request = &session->requests[wcx_client_slot_of(cl_ord_id)];
  return cl_ord_id != 0 && request->cl_ord_id == cl_ord_id ? request : NULL;
}

void wcx_client_request_decide(wcx_client_session_t *session, uint64_t cl_ord_id, enum wcx_client_fate fate, const void *message, size_t sz, uint64_t now_ns)
{
  wcx_client_request_t *request = &session->requests[wcx_client_slot_of(cl_ord_id)];
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

void wcx_client_request_refused(wcx_client_session_t *session, uint64_t now_ns, const void *message, uint16_t len)
{
  wcx_business_message_reject_t reject;
  wcx_client_message_block(&reject, sizeof(reject), message, len);
  uint64_t cl_ord_id = reject.business_reject_ref_id;
  const wcx_client_request_t *request = wcx_client_session_find(session, cl_ord_id);
  if (request == NULL)
    cl_ord_id = session->cl_ord_id_of[wcx_client_slot_of(reject.ref_seq_num)];
  wcx_client_request_decide(session, cl_ord_id, WCX_CLIENT_REFUSED, message, len, now_ns);
}

void wcx_client_request_not_applied(wcx_client_session_t *session, uint64_t now_ns, const void *message, uint16_t len)
{
  wcx_not_applied_t gap;
  wcx_client_message_block(&gap, sizeof(gap), message, len);
  if (session->state != WCX_CLIENT_READY && session->state != WCX_CLIENT_TERMINATING)
    return; /* of a binding before: the EstablishAck decides what it spoke of */
  for (uint64_t i = 0; i < gap.count && i < WCX_CLIENT_REQUEST_MAX; i++)
  {
    uint64_t client_seq = gap.from_seq_no + i;
    uint64_t cl_ord_id = session->cl_ord_id_of[wcx_client_slot_of(client_seq)];
    const wcx_client_request_t *request = wcx_client_session_find(session, cl_ord_id);
    if (request != NULL && request->client_seq == client_seq)
      wcx_client_request_decide(session, cl_ord_id, WCX_CLIENT_NOT_APPLIED, NULL, 0, now_ns);
  }
}

void wcx_client_request_status(wcx_client_session_t *session, const void *message, uint16_t len)
{
  wcx_session_status_response_t status;
  wcx_client_message_block(&status, sizeof(status), message, len);
  if (session->state != WCX_CLIENT_READY && session->state != WCX_CLIENT_TERMINATING)
    return;
  wcx_client_stream_exists(&session->inbound, status.next_server_seq_no);
  session->statement =
      (wcx_client_statement_t){.active = true, .server_next = status.next_server_seq_no, .client_next = status.next_client_seq_no, .cl_ord_id_max = session->last_cl_ord_id};
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
      wcx_client_request_decide(session, id, WCX_CLIENT_NOT_APPLIED, NULL, 0, now_ns);
  }
  if (session->state == WCX_CLIENT_RECOVERING)
    wcx_client_session_enter(session, WCX_CLIENT_READY, 0);
}

void wcx_client_request_settle(wcx_client_session_t *session, uint64_t now_ns)
{
  apply_statement(session, now_ns);
  while (session->oldest_undecided <= session->last_cl_ord_id)
  {
    const wcx_client_request_t *request = wcx_client_session_find(session, session->oldest_undecided);
    if (request != NULL && request->fate == WCX_CLIENT_UNDECIDED)
      break;
    session->oldest_undecided++;
  }
}
