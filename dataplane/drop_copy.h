/* Drop copies: the execution reports of a scope again, under numbers of its own, from the start of the day as far back as they are kept.

   A scope is a session, an account or a firm (engine/drop_scope.h); there is one for each that a session of the configuration asks for. The gate enters every
   report that passes into the scopes of its session; while a journal is replayed, too, so that a restart numbers them alike.

   Owner:      the loop.
   Memory:     the caller's: `max` positions in the output log per session that asks, a power of two; older ones come from wcxctl.
   Invariants: numbers rise by 1 from 1 at each day's first; only released messages are in it.
   Pinned by:  tests/unit/test_drop_copy.c, tests/e2e/test_tcp_services.py. */
#ifndef WCX_DATAPLANE_DROP_COPY_H
#define WCX_DATAPLANE_DROP_COPY_H

#include "dataplane/binding.h"
#include "engine/drop_scope.h"
#include "engine/outlog.h"

#define WCX_DROP_SCOPES_MAX WCX_PARAMS_SESSIONS_MAX /* each session asks for one at most: every one that is asked for is kept */
#define WCX_DROP_NONE UINT32_MAX

typedef struct wcx_drop_stream
{
  wcx_drop_scope_t scope;
  uint64_t next;       /* number of the next report */
  uint64_t *positions; /* of number n at n & (max - 1) */
} wcx_drop_stream_t;

typedef struct wcx_drop_copy
{
  const wcx_engine_t *engine;
  const wcx_outlog_t *log;
  uint32_t max;
  uint32_t stream_cnt;
  wcx_drop_stream_t streams[WCX_DROP_SCOPES_MAX];
} wcx_drop_copy_t;

size_t wcx_drop_copy_footprint(const wcx_params_t *params, const wcx_params_shard_t *shard);
void wcx_drop_copy_init(wcx_drop_copy_t *drop, void *mem, const wcx_params_t *params, const wcx_params_shard_t *shard, const wcx_engine_t *engine, const wcx_outlog_t *log);

/* A message of a session's stream passes the gate, at `pos` in the log. True: some scope has it. */
bool wcx_drop_copy_enter(wcx_drop_copy_t *drop, wcx_session_t *session, const wcx_out_entry_t *entry, uint64_t pos);

/* As after init. */
void wcx_drop_copy_clear(wcx_drop_copy_t *drop);

/* A start from a snapshot: so many reports of a session stand before everything that will be entered. */
void wcx_drop_copy_resume(wcx_drop_copy_t *drop, wcx_session_t *session, uint64_t report_cnt);

/* The gate has come to the first input of a day: numbers start again. */
void wcx_drop_copy_roll(wcx_drop_copy_t *drop);

/* The stream a session may read, or NONE. */
uint32_t wcx_drop_copy_of(const wcx_drop_copy_t *drop, uint32_t session_id, uint8_t kind);

/* The session string of a stream on a day of the feed: s, a or f, three digits of the id, the day. */
void wcx_drop_copy_session(char text[10], const wcx_drop_scope_t *scope, const char feed_session[10]);

/* The report of a number, or NULL when it is kept no more or is to come. */
const wcx_out_entry_t *wcx_drop_copy_get(const wcx_drop_copy_t *drop, uint32_t stream, uint64_t number);

#endif
