/* The readiness probe: is an order session opened when asked for one? */
#include "dataplane/client/mm.h"
#include "engine/base/env.h"

#include <stdio.h>

typedef struct probe
{
  wcx_client_transport_t transport;
  wcx_client_session_t session;
  wcx_client_wire_t wire;
  bool acked;
} probe_t;

static void on_state(void *ctx, enum wcx_client_state state, uint8_t code)
{
  (void)code;
  ((probe_t *)ctx)->acked |= state == WCX_CLIENT_RECOVERING || state == WCX_CLIENT_READY;
}

void wcx_mm_session_config(wcx_client_session_config_t *config, uint32_t session_id, const wcx_mm_options_t *options)
{
  *config = (wcx_client_session_config_t){.session_id = session_id,
                                          .transport = options->order_entry,
                                          .server_port = options->order_entry == WCX_CLIENT_TCP ? WCX_MM_TCP_PORT : WCX_MM_ORDER_PORT,
                                          .flags = WCX_CLIENT_FLAG_TAKE_OVER,
                                          .keep_alive_ms = 200,
                                          .cod_window_ms = 10000,
                                          .password = "any"};
  if (options->cancel_on_disconnect)
    config->flags |= WCX_CLIENT_FLAG_CANCEL_ON_DISCONNECT;
  snprintf(config->access_key_id, sizeof(config->access_key_id), "DEMO-MM-%u", session_id);
  snprintf(config->secret, sizeof(config->secret), "demo-secret-%u", session_id);
  snprintf(config->user, sizeof(config->user), "mm%u", session_id % 10000);
}

int wcx_mm_probe(const wcx_mm_options_t *options)
{
  static probe_t probe;
  wcx_client_transport_init(&probe.transport, options->interface, options->server, WCX_MM_ORDER_PORT, WCX_MM_REREQUEST_PORT);
  wcx_client_session_config_t config;
  wcx_mm_session_config(&config, options->session_ids[0], options);
  config.ctx = &probe;
  config.on_state = on_state;
  wcx_client_wire_open(&probe.wire, &probe.transport, &probe.session, &config);
  uint64_t start_ns = wcx_env_mono_ns();
  uint64_t give_up_ns = start_ns + (uint64_t)(options->timeout_s * 1e9);
  wcx_client_session_open(&probe.session, start_ns);
  for (bool terminated = false; probe.session.state != WCX_CLIENT_CLOSED;)
  {
    wcx_client_transport_wait(&probe.transport, 20000);
    uint64_t now_ns = wcx_env_mono_ns();
    wcx_client_wire_turn(&probe.wire, now_ns);
    if (!terminated && (probe.acked || now_ns >= give_up_ns))
    {
      terminated = true;
      wcx_client_session_terminate(&probe.session, now_ns);
    }
  }
  if (!probe.acked && probe.session.reject_code != 0)
    fprintf(stderr, "wcx-mm: sign-on of session %u was refused, EstablishReject code %u\n", config.session_id, probe.session.reject_code);
  else if (!probe.acked)
    fprintf(stderr, "wcx-mm: no answer to Establish from %s:%u within %.1f s\n", options->server, config.server_port, options->timeout_s);
  wcx_client_session_free(&probe.session);
  wcx_client_transport_close(&probe.transport);
  return probe.acked ? 0 : 1;
}
