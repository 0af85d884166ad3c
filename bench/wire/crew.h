/* The sessions of a wire run: signed on together, polled without sleeping unless asked to wait, over the lines that the program is linked with (lines.h).

   Session first + i is member i; its access key is PREFIX followed by its number, with the secret that the secrets file (control/secrets.h has the form) has for it; its account
   has its number.

   Owner:      one thread, the one of wcx_crew_run; new and free may be called from the main thread. A callback runs inside take and rest; it may send.
   Memory:     allocated by new, given back by free: 2.3 MB a member.
   Units:      monotonic ns.
   Result:     new and sign_on: false and a text that says what to do. send: false when the window, the socket or the session takes no more now.
   Bounds:     WCX_CREW_MAX members; at most `window` undecided requests each.
   Pinned by:  tests/bench/test_wire.py, tests/e2e/test_wire_port.py. */
#ifndef WCX_BENCH_WIRE_CREW_H
#define WCX_BENCH_WIRE_CREW_H

#include "bench/wire/lines.h"

#define WCX_CREW_MAX 1024u
#define WCX_CREW_WINDOW_MAX (WCX_CLIENT_REQUEST_MAX / 2)

typedef struct wcx_crew_config
{
  wcx_lines_config_t lines;
  const char *far_interface; /* of the appliance's port, where a process `far_pid` is; "": not known */
  uint32_t far_pid;
  const char *secrets_path, *key_prefix;
  uint32_t first, window;
  void *ctx;
  void (*on_message)(void *ctx, const void *message, size_t sz); /* each of the server flows, after on_decided of what it answers */
  /* Request `tag` was decided. message: its answer, NULL when it never arrived. */
  void (*on_decided)(void *ctx, uint32_t tag, uint8_t fate, const void *message, size_t sz);
} wcx_crew_config_t;

/* Datagrams and frames that were thrown away on the way. */
typedef struct wcx_drops
{
  uint64_t unsent;    /* the socket or port did not take them */
  uint64_t port;      /* they came to our sockets or DPDK port, which had no room */
  uint64_t interface; /* at our kernel interface */
  uint64_t server;    /* at that of the appliance's port */
  bool knows_interface, knows_server;
} wcx_drops_t;

/* What must be 0 for a run to be right. */
typedef struct wcx_crew_faults
{
  wcx_drops_t drops;
  uint64_t bindings_lost;
  uint64_t gaps; /* holes in the server flow, whether they were filled or not */
  uint64_t conflicts;
} wcx_crew_faults_t;

typedef struct wcx_crew wcx_crew_t;

wcx_crew_t *wcx_crew_new(const wcx_crew_config_t *config, char *err, size_t err_sz);
void wcx_crew_free(wcx_crew_t *crew);

/* Run fn(arg), which does everything else, where the lines want it. Once. */
void wcx_crew_run(wcx_crew_t *crew, void (*fn)(void *arg), void *arg);

bool wcx_crew_sign_on(wcx_crew_t *crew, char *err, size_t err_sz);
void wcx_crew_sign_off(wcx_crew_t *crew);

uint64_t wcx_crew_next_id(const wcx_crew_t *crew, uint32_t member);
uint32_t wcx_crew_account(const wcx_crew_t *crew, uint32_t member);
bool wcx_crew_send(wcx_crew_t *crew, uint32_t member, uint64_t now_ns, const void *message, size_t sz, uint32_t tag);
void wcx_crew_flush(wcx_crew_t *crew, uint32_t member, uint64_t now_ns);

/* Take what has come for anybody. */
void wcx_crew_take(wcx_crew_t *crew, uint64_t now_ns);
/* Sleep until something comes for anybody, or for timeout_ns. */
void wcx_crew_wait(wcx_crew_t *crew, uint64_t timeout_ns);
/* When what a callback is told of came; by which clock. */
uint64_t wcx_crew_came_ns(const wcx_crew_t *crew);
const char *wcx_crew_stamps(const wcx_crew_t *crew);
/* Timers of one member, the next one with each call. */
void wcx_crew_rest(wcx_crew_t *crew, uint64_t now_ns);

wcx_crew_faults_t wcx_crew_faults(const wcx_crew_t *crew);

#endif
