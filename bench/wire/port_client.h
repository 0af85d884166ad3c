/* A client at the other end of a port of dataplane/port.h (a memif: no kernel in between): ARP for the server's address, datagrams as frames, a session over them.

   Owner:      one thread, on the port's poll core (wcx_port_run).
   Memory:     the port's frames; a frame that cannot be sent is lost, like any datagram.
   Units:      monotonic ns.
   Bounds:     port_cnt UDP ports of ours, from WCX_PORT_CLIENT_PORT on; a session of its own at the first.
   Pinned by:  tests/e2e/test_bench_wire.py, tests/e2e/test_quiet_loop.py, tests/e2e/test_wire_port.py. */
#ifndef WCX_BENCH_WIRE_PORT_CLIENT_H
#define WCX_BENCH_WIRE_PORT_CLIENT_H

#include "dataplane/client/session.h"
#include "dataplane/net.h"
#include "dataplane/port.h"

#define WCX_PORT_CLIENT_SERVER_PORT 7002u
#define WCX_PORT_CLIENT_PORT 40000u

typedef struct wcx_port_client
{
  wcx_port_t *port;
  wcx_net_t net;
  wcx_peer_t server;
  wcx_client_session_t session; /* with has_session */
  bool has_server, has_session;
  uint32_t port_cnt;
  uint64_t multicast_cnt; /* frames: the feed */
  uint64_t unsent_cnt;    /* datagrams that the port had no room for */
  uint64_t came_ns;       /* when the datagram being handed out came, by the port's clock; 0: it has none */
  void *ctx;
  /* A datagram to a port of ours, when there is no session that takes it. May be NULL. */
  void (*on_datagram)(void *ctx, uint64_t now_ns, uint16_t to_port, const void *payload, size_t sz);
} wcx_port_client_t;

/* A memif, `device` is client:/path, and the addresses of configs/wcx.yaml; all of this process runs on CPU `cpu` from now on. */
void wcx_port_client_open(wcx_port_client_t *client, const char *device, uint32_t cpu);

/* A port that is open, ours from now on; addresses in host order. */
void wcx_port_client_use(wcx_port_client_t *client, wcx_port_t *port, uint32_t our_ip, uint32_t server_ip);
void wcx_port_client_close(wcx_port_client_t *client);

/* Set the session up, over this client; config->send and config->wire are filled into a copy. */
void wcx_port_client_session(wcx_port_client_t *client, const wcx_client_session_config_t *config);

/* Ask for the server until it answers; false after patience_ns. */
bool wcx_port_client_find(wcx_port_client_t *client, uint64_t patience_ns);

/* Send to a UDP port of the server, from our first one or another. */
void wcx_port_client_send(wcx_port_client_t *client, uint16_t port, const void *payload, size_t sz);
void wcx_port_client_send_from(wcx_port_client_t *client, uint16_t our_port, uint16_t port, const void *payload, size_t sz);

/* Take what has come. Returns the frames. */
uint32_t wcx_port_client_take(wcx_port_client_t *client, uint64_t now_ns);

#endif
