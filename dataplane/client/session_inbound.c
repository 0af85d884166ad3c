#include "dataplane/client/session_parts.h"

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

static void on_sequenced(wcx_client_session_t *session, uint64_t now_ns, uint64_t number, const void *message, uint16_t len)
{
  uint16_t template_id = wcx_client_message_template(message, len);
  uint64_t cl_ord_id = answered_id(template_id, message, len);
  wcx_client_request_decide(session, cl_ord_id, WCX_CLIENT_ANSWERED, message, len, now_ns);
  if (cl_ord_id > session->last_cl_ord_id && cl_ord_id != WCX_U64_NULL)
    session->last_cl_ord_id = cl_ord_id; /* it was asked over another binding: ClOrdIDs are the session's */
  if (template_id == WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT)
    wcx_client_request_refused(session, now_ns, message, len);
  if (session->config.on_message != NULL)
    session->config.on_message(session->config.ctx, number, message, len);
  if (template_id == WCX_TEMPLATE_TERMINATE)
    wcx_client_binding_terminated(session, now_ns, message, len);
}

void wcx_client_inbound_drain(wcx_client_session_t *session, uint64_t now_ns)
{
  uint64_t number;
  uint16_t len;
  const uint8_t *message;
  while ((message = wcx_client_stream_take(&session->inbound, &number, &len)) != NULL)
    on_sequenced(session, now_ns, number, message, len);
  wcx_client_request_settle(session, now_ns);
}

void wcx_client_session_message(wcx_client_session_t *session, uint64_t now_ns, uint64_t number, const void *message, size_t sz)
{
  if (!session->inbound_started || sz > WCX_CLIENT_DATAGRAM_MAX)
    return;
  wcx_client_stream_put(&session->inbound, number, message, (uint16_t)sz);
  wcx_client_inbound_drain(session, now_ns);
}
