/* One session on its socket: what stands between session.h, which knows no sockets, and transport.h, which knows no sessions.

       wcx_client_wire_open(wire, transport, session, config)      once
       wcx_client_transport_wait, wcx_client_wire_turn             again and again

   Owner:     one thread.
   Memory:    the caller's; wire, transport and session must not move while the session lives.
   Result:    callbacks of the session run inside turn().
   Bounds:    WCX_CLIENT_WIRE_BURSTS bursts of datagrams a turn.
   Pinned by: tests/e2e/test_client_tcp.py. */
#ifndef WCX_CLIENT_WIRE_H
#define WCX_CLIENT_WIRE_H

#include "dataplane/client/session.h"
#include "dataplane/client/transport.h"

#define WCX_CLIENT_WIRE_BURSTS 16u

typedef struct wcx_client_wire
{
  wcx_client_transport_t *transport;
  wcx_client_session_t *session;
  uint32_t socket_idx;
  /* Sees every datagram of a UDP session and says whether it passes. May be NULL. */
  bool (*pass)(void *ctx, bool outgoing, const void *datagram, size_t sz);
  void *ctx;
} wcx_client_wire_t;

/* Add a socket for the session and initialise it. The wire's callbacks are filled into a copy of config; config->server_port is where it sends. */
void wcx_client_wire_open(wcx_client_wire_t *wire, wcx_client_transport_t *transport, wcx_client_session_t *session, const wcx_client_session_config_t *config);

/* Take what has arrived, then step the session. */
void wcx_client_wire_turn(wcx_client_wire_t *wire, uint64_t now_ns);

/* Take what has arrived, only. */
void wcx_client_wire_take(wcx_client_wire_t *wire, uint64_t now_ns);

#endif
