#include "dataplane/client/wire.h"

static void on_send(void *ctx, enum wcx_client_port port, const void *datagram, size_t sz)
{
  wcx_client_wire_t *wire = ctx;
  if (wire->pass != NULL && !wire->pass(wire->ctx, true, datagram, sz))
    return;
  uint16_t to = port == WCX_CLIENT_PORT_ORDER ? wire->session->config.server_port : wire->transport->rerequest_port;
  wcx_client_transport_send(wire->transport, wire->socket_idx, to, datagram, sz);
}

static void on_dial(void *ctx)
{
  wcx_client_wire_t *wire = ctx;
  wcx_client_transport_dial(wire->transport, wire->socket_idx, wire->session->config.server_port);
}

static void on_hang_up(void *ctx)
{
  wcx_client_wire_t *wire = ctx;
  wcx_client_transport_hang_up(wire->transport, wire->socket_idx);
}

static size_t on_write(void *ctx, const void *bytes, size_t sz)
{
  wcx_client_wire_t *wire = ctx;
  return wcx_client_transport_write(wire->transport, wire->socket_idx, bytes, sz);
}

static void take_datagram(void *ctx, uint64_t now_ns, const void *datagram, size_t sz)
{
  wcx_client_wire_t *wire = ctx;
  if (wire->pass == NULL || wire->pass(wire->ctx, false, datagram, sz))
    wcx_client_session_datagram(wire->session, now_ns, datagram, sz);
}

static void take_bytes(void *ctx, uint64_t now_ns, const void *bytes, size_t sz)
{
  wcx_client_session_link_bytes(((wcx_client_wire_t *)ctx)->session, now_ns, bytes, sz);
}

static void take_up(void *ctx, uint64_t now_ns)
{
  wcx_client_session_link_up(((wcx_client_wire_t *)ctx)->session, now_ns);
}

static void take_down(void *ctx, uint64_t now_ns)
{
  wcx_client_session_link_down(((wcx_client_wire_t *)ctx)->session, now_ns);
}

void wcx_client_wire_open(wcx_client_wire_t *wire, wcx_client_transport_t *transport, wcx_client_session_t *session, const wcx_client_session_config_t *config)
{
  bool tcp = config->transport == WCX_CLIENT_TCP;
  wcx_client_session_config_t full = *config;
  full.wire = wire;
  full.send = on_send;
  full.dial = on_dial;
  full.hang_up = on_hang_up;
  full.write = on_write;
  *wire =
      (wcx_client_wire_t){.transport = transport, .session = session, .socket_idx = tcp ? wcx_client_transport_add_stream(transport) : wcx_client_transport_add_unicast(transport)};
  wcx_client_session_init(session, &full);
}

void wcx_client_wire_take(wcx_client_wire_t *wire, uint64_t now_ns)
{
  if (wire->session->config.transport == WCX_CLIENT_TCP)
  {
    wcx_client_transport_take_stream(wire->transport, wire->socket_idx, now_ns, take_up, take_bytes, take_down, wire);
    return;
  }
  for (uint32_t bursts = 0; bursts < WCX_CLIENT_WIRE_BURSTS; bursts++)
    if (wcx_client_transport_take(wire->transport, wire->socket_idx, now_ns, take_datagram, wire) < WCX_CLIENT_BURST)
      break;
}

void wcx_client_wire_turn(wcx_client_wire_t *wire, uint64_t now_ns)
{
  wcx_client_wire_take(wire, now_ns);
  wcx_client_session_step(wire->session, now_ns);
}
