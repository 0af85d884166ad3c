#include "dataplane/client/session_parts.h"

#include "engine/base/check.h"

#include <stdlib.h>

void wcx_client_session_init(wcx_client_session_t *session, const wcx_client_session_config_t *config)
{
  *session = (wcx_client_session_t){.config = *config, .state = WCX_CLIENT_CLOSED, .oldest_undecided = 1};
  wcx_client_stream_init(&session->inbound, 1024, WCX_CLIENT_DATAGRAM_MAX, 2 * WCX_CLIENT_MS_NS);
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

void wcx_client_session_enter(wcx_client_session_t *session, enum wcx_client_state state, uint8_t code)
{
  session->state = state;
  if (session->config.on_state != NULL)
    session->config.on_state(session->config.ctx, state, code);
}

void wcx_client_session_flush(wcx_client_session_t *session, uint64_t now_ns)
{
  if (wcx_client_over_tcp(session))
    wcx_client_tcp_write(session, now_ns);
  else
    wcx_client_udp_flush(session, now_ns);
}

uint32_t wcx_client_session_step(wcx_client_session_t *session, uint64_t now_ns)
{
  uint64_t before = session->last_tx_ns;
  if (wcx_client_over_tcp(session))
  {
    wcx_client_tcp_step(session, now_ns);
    return session->last_tx_ns != before;
  }
  switch (session->state)
  {
  case WCX_CLIENT_ESTABLISHING:
    wcx_client_establish_step(session, now_ns);
    break;
  case WCX_CLIENT_RECOVERING:
  case WCX_CLIENT_READY:
    wcx_client_udp_flush(session, now_ns);
    wcx_client_udp_step(session, now_ns);
    break;
  case WCX_CLIENT_TERMINATING:
    wcx_client_goodbye_step(session, now_ns);
    break;
  case WCX_CLIENT_CLOSED:
    break;
  }
  return session->last_tx_ns != before;
}
