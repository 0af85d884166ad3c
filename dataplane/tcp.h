/* TCP as the poll loop sees it: connections by number, bytes in and out, nothing else. A link-time seam: production links dataplane/tcp_lwip.c (the only file
   that includes a header of lwIP), the simulator and the unit tests dataplane/tcp_sim.c.

       segment of a frame --wcx_tcp_receive-->  stack  --wcx_tcp_ready--> who reads, writes, ends it
       frames             <--egress-----------  stack  <--wcx_tcp_write, wcx_tcp_push

   A connection is the caller's from the first wcx_tcp_ready that names it until wcx_tcp_end. What has come is read with wcx_tcp_read; what is not read closes
   the peer's window, so to stop reading is to throttle.

   Owner:      the loop's thread, except wcx_tcp_open and wcx_tcp_close (set-up).
   Memory:     taken once by wcx_tcp_open; a stack that has used it up drops segments, as a lossy wire would.
   Calls:      no allocation and no system call after wcx_tcp_open.
   Gate:       everything written has been released before: wcx_tcp_push says by which input, and no frame of the stack is older than the newest of these.
   Bounds:     WCX_TCP_QUEUE_MAX bytes of a connection wait to be acknowledged; then there is no room, and its reader is slow.
   Pinned by:  tests/unit/test_link.c (simulated), tests/unit/test_tcp_lwip.c, tests/e2e/test_tcp.py. */
#ifndef WCX_DATAPLANE_TCP_H
#define WCX_DATAPLANE_TCP_H

#include "dataplane/egress.h"

#define WCX_TCP_PORTS_MAX 4u
#define WCX_TCP_QUEUE_MAX 32768u

typedef struct wcx_tcp wcx_tcp_t;

typedef struct wcx_tcp_config
{
  uint32_t ip; /* ours, host order */
  uint32_t conn_max;
  uint16_t ports[WCX_TCP_PORTS_MAX]; /* 0: none */
  uint64_t key[2];                   /* random: first sequence numbers and tables cannot be guessed without it */
} wcx_tcp_config_t;

enum wcx_tcp_state
{
  WCX_TCP_FREE = 0,
  WCX_TCP_OPEN = 1,
  WCX_TCP_HALF = 2, /* the peer will send no more */
  WCX_TCP_GONE = 3, /* reset, or given up after retransmissions: nothing can be written */
};

typedef struct wcx_tcp_conn
{
  wcx_peer_t peer;
  uint16_t port; /* ours */
  uint8_t state; /* enum wcx_tcp_state */
  uint8_t pad[5];
} wcx_tcp_conn_t;

/* Set-up; at most one at a time in a process. Dies when there is no memory. */
wcx_tcp_t *wcx_tcp_open(const wcx_tcp_config_t *config);
void wcx_tcp_close(wcx_tcp_t *tcp);

/* Frames leave through `egress` from now on, and connections of an earlier one are gone. */
void wcx_tcp_attach(wcx_tcp_t *tcp, wcx_egress_t *egress);

/* A TCP segment to us, as wcx_net_parse gives it: the payload starts at the IPv4 header. */
void wcx_tcp_receive(wcx_tcp_t *tcp, const wcx_datagram_t *segment);

/* Timers, and what found no room among the frames. Returns the work done. */
uint32_t wcx_tcp_step(wcx_tcp_t *tcp, uint64_t mono_ns);

/* The next connection that is new, has bytes, has room again, or ended. Named once for all that happened since. */
bool wcx_tcp_ready(wcx_tcp_t *tcp, uint32_t *conn);
const wcx_tcp_conn_t *wcx_tcp_conn(const wcx_tcp_t *tcp, uint32_t conn);

/* Take up to `max` bytes. */
uint32_t wcx_tcp_read(wcx_tcp_t *tcp, uint32_t conn, uint8_t *to, uint32_t max);

/* Bytes that wcx_tcp_write takes now. */
uint32_t wcx_tcp_room(const wcx_tcp_t *tcp, uint32_t conn);

/* All or nothing. They may leave at once, and leave at the latest with wcx_tcp_push. */
bool wcx_tcp_write(wcx_tcp_t *tcp, uint32_t conn, const uint8_t *data, uint32_t len);
void wcx_tcp_push(wcx_tcp_t *tcp, uint32_t conn, uint64_t input_seq);

/* The connection is no longer the caller's: in order, after what was written, or at once by a reset. */
void wcx_tcp_end(wcx_tcp_t *tcp, uint32_t conn, bool at_once);

#endif
