/* Kernel sockets for the client library: one UDP socket or TCP connection per session, two multicast sockets and one for re-requests of the feed.

   Owner:     one thread.
   Memory:    all inside the struct; wcx_client_transport_poll hands out datagrams that live until the next poll.
   Result:    set-up dies with what failed and what to do; afterwards errors of the network are silence, which the protocol handles.
   Bounds:    WCX_CLIENT_SOCKETS_MAX sockets.
   Pinned by: tests/e2e/. */
#ifndef WCX_CLIENT_TRANSPORT_H
#define WCX_CLIENT_TRANSPORT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define WCX_CLIENT_SOCKETS_MAX 16u
#define WCX_CLIENT_BURST 32u

enum wcx_client_stream_state
{
  WCX_CLIENT_STREAM_IDLE = 1,
  WCX_CLIENT_STREAM_CONNECTING = 2,
  WCX_CLIENT_STREAM_UP = 3,
  WCX_CLIENT_STREAM_FAILED = 4, /* to be told */
};

typedef struct wcx_client_transport
{
  char interface[16];
  uint32_t server_ip;  /* host order */
  uint16_t order_port; /* host order */
  uint16_t rerequest_port;
  int fds[WCX_CLIENT_SOCKETS_MAX];
  uint8_t streams[WCX_CLIENT_SOCKETS_MAX]; /* enum wcx_client_stream_state of each; 0: a UDP socket */
  bool blocked[WCX_CLIENT_SOCKETS_MAX];    /* a TCP socket that did not take all it was given */
  uint32_t fd_cnt;
  uint64_t sent_cnt, received_cnt, send_failed_cnt;
  uint8_t buf[WCX_CLIENT_BURST][2048];
} wcx_client_transport_t;

/* interface: where the clients' address is; NULL or "" = wherever the kernel routes to. server: dotted IPv4. */
void wcx_client_transport_init(wcx_client_transport_t *transport, const char *interface, const char *server, uint16_t order_port, uint16_t rerequest_port);
void wcx_client_transport_close(wcx_client_transport_t *transport);

/* Add a socket for unicast (a session, or re-requests of the feed) or a member of a multicast group. Returns its index. */
uint32_t wcx_client_transport_add_unicast(wcx_client_transport_t *transport);
uint32_t wcx_client_transport_add_group(wcx_client_transport_t *transport, const char *group, uint16_t port);

/* A place for one TCP connection at a time; connect it, end it, write to it (returns the bytes taken, never blocks). */
uint32_t wcx_client_transport_add_stream(wcx_client_transport_t *transport);
void wcx_client_transport_dial(wcx_client_transport_t *transport, uint32_t socket_idx, uint16_t port);
void wcx_client_transport_hang_up(wcx_client_transport_t *transport, uint32_t socket_idx);
size_t wcx_client_transport_write(wcx_client_transport_t *transport, uint32_t socket_idx, const void *bytes, size_t sz);

/* Send a datagram from a unicast socket to a port of the server. */
void wcx_client_transport_send(wcx_client_transport_t *transport, uint32_t socket_idx, uint16_t port, const void *datagram, size_t sz);

/* Wait up to timeout_us for anything to arrive. */
void wcx_client_transport_wait(wcx_client_transport_t *transport, uint32_t timeout_us);

/* Take what has arrived on one socket, at most WCX_CLIENT_BURST datagrams: calls `take` for each. Returns how many. Never blocks. */
typedef void wcx_client_take_t(void *ctx, uint64_t now_ns, const void *datagram, size_t sz);
uint32_t wcx_client_transport_take(wcx_client_transport_t *transport, uint32_t socket_idx, uint64_t now_ns, wcx_client_take_t *take, void *ctx);

/* What happened to a TCP connection since the last call: it stands (up), bytes came (take), it is gone (down). Returns true when anything did. */
typedef void wcx_client_link_take_t(void *ctx, uint64_t now_ns);
bool wcx_client_transport_take_stream(wcx_client_transport_t *transport, uint32_t socket_idx, uint64_t now_ns, wcx_client_link_take_t *up, wcx_client_take_t *take,
                                      wcx_client_link_take_t *down, void *ctx);

#endif
