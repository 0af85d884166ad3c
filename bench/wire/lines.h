/* What carries the sessions of a crew to the server: a kernel socket each, or UDP over one DPDK port of this process.

   A link-time seam: wcx-bench links lines_socket.c; wcx-wire, which it becomes for --dpdk, lines_port.c.

   Owner:      one thread: the one that wcx_lines_run runs in. new and free may be called from the main thread.
   Memory:     allocated by new, given back by free; the config's texts are borrowed until then.
   Units:      monotonic ns.
   Result:     new dies with what cannot be had and what to do.
   Bounds:     one wcx_lines_t a process; 16 bursts a take of each socket, or of the port.
   Invariants: callbacks of the sessions run inside take.
   Pinned by:  tests/bench/test_wire.py, tests/e2e/test_wire_port.py. */
#ifndef WCX_BENCH_WIRE_LINES_H
#define WCX_BENCH_WIRE_LINES_H

#include "dataplane/client/session.h"

typedef struct wcx_lines wcx_lines_t;

typedef struct wcx_lines_config
{
  const char *server;    /* A.B.C.D */
  const char *interface; /* of sockets; "": wherever the kernel routes to */
  const char *device;    /* of a DPDK port: see dataplane/port_dpdk.h */
  const char *address;   /* of a DPDK port, ours: A.B.C.D */
  uint16_t port;         /* order entry; re-requests go to the next one */
  bool tcp;
  bool sleeps; /* wcx_lines_wait will be called */
  uint32_t cnt;
  int cpu; /* of a DPDK port */
} wcx_lines_config_t;

/* Whether these are lines over a DPDK port. */
extern const bool wcx_lines_are_dpdk;

wcx_lines_t *wcx_lines_new(const wcx_lines_config_t *config);
void wcx_lines_free(wcx_lines_t *lines);

/* Run fn(arg) where the lines want to be used, once. */
void wcx_lines_run(wcx_lines_t *lines, void (*fn)(void *arg), void *arg);

/* Initialise the session that line `idx` carries; config without its callbacks for bytes. */
void wcx_lines_open(wcx_lines_t *lines, uint32_t idx, wcx_client_session_t *session, const wcx_client_session_config_t *config);

/* Look for the server; false: nobody is there. */
bool wcx_lines_find(wcx_lines_t *lines, uint64_t patience_ns);

/* Everybody has signed on. */
void wcx_lines_settle(wcx_lines_t *lines);

/* Take what has come for anybody. */
void wcx_lines_take(wcx_lines_t *lines, uint64_t now_ns);

/* When what a callback is told of came: by the port's own clock where it stamps, otherwise now. */
uint64_t wcx_lines_came_ns(const wcx_lines_t *lines);

/* Sleep until something comes for anybody, or for timeout_ns; a port is looked at from time to time. */
void wcx_lines_wait(wcx_lines_t *lines, uint64_t timeout_ns);

/* What is to be done now and then. */
void wcx_lines_rest(wcx_lines_t *lines, uint64_t now_ns);

/* Datagrams that could not be sent; those that came and found no room. */
uint64_t wcx_lines_unsent(const wcx_lines_t *lines);
uint64_t wcx_lines_lost(const wcx_lines_t *lines);

/* Which clocks a request and its answer are stamped by, and why. */
const char *wcx_lines_stamps(const wcx_lines_t *lines);

#endif
