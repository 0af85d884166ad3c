/* A database as a sink sees it: a link-time seam. persist/sink_pg.c (the only file that includes libpq) is linked into wcx-sink-pg, persist/sink_redis.c (the only one that
   includes hiredis) into wcx-sink-redis.

       mark --batch of inputs mark.seq + 1 .. hi--> add, add, ... --> commit: the rows and the new mark, or neither

   The mark lies in the database itself and moves by compare-and-set: from exactly the seq the batch begins behind, of the same journal, never to a lower epoch. So a
   row is there exactly once, whoever dies when; a second sink, or one that woke up late, finds the mark elsewhere and writes nothing.

   Owner:     one thread.
   Memory:    allocated; freed by close. What a file says of passwords is wiped when the connection stands.
   Result:    as each says; wcx_store_text says what failed.
   Pinned by: tests/e2e/test_sinks.py. */
#ifndef WCX_PERSIST_STORE_H
#define WCX_PERSIST_STORE_H

#include "engine/engine.h"

#define WCX_STORE_TEXT_SZ 512u

typedef struct wcx_store wcx_store_t;

typedef struct wcx_store_mark
{
  uint8_t journal_id[16];
  uint64_t epoch;
  uint64_t seq; /* last input whose rows are there */
} wcx_store_mark_t;

enum wcx_store_result
{
  WCX_STORE_FAILED = -1, /* the connection or a statement: whether a commit happened is not known */
  WCX_STORE_STALE = 0,   /* commit: the mark stands elsewhere, nothing was written; mark: there is none */
  WCX_STORE_DONE = 1,
};

/* Name of the process, its enum wcx_sink_kind, and whether the data can be begun anew from any state: then a mark that the journal does not reach is given up. */
extern const char wcx_store_process[];
extern const uint32_t wcx_store_kind;
extern const bool wcx_store_rebuilds;

/* `file` says how to connect; it is read at each connection. Connects to nothing. NULL: no memory. */
wcx_store_t *wcx_store_new(const char *file, uint32_t shard);
void wcx_store_free(wcx_store_t *store);

/* Connect when there is no connection, and read the mark. */
int wcx_store_mark(wcx_store_t *store, wcx_store_mark_t *mark) __attribute__((warn_unused_result));

/* There is no mark, or it is given up (wcx_store_rebuilds): make one. Where states are kept, they are those of `engine`. */
int wcx_store_begin(wcx_store_t *store, const wcx_store_mark_t *mark, const wcx_engine_t *engine) __attribute__((warn_unused_result));

/* An input of the batch, applied by `engine` a moment ago; `log` holds what it said. */
void wcx_store_add(wcx_store_t *store, const wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, const wcx_outlog_t *log);

/* Rows in the batch. */
uint64_t wcx_store_rows(const wcx_store_t *store);

/* The batch: from `mark` to `to`, whose state `engine` is in. Empties the batch in any case. DONE: *mark is *to. */
int wcx_store_commit(wcx_store_t *store, wcx_store_mark_t *mark, const wcx_store_mark_t *to, const wcx_engine_t *engine) __attribute__((warn_unused_result));

/* The highest committed seq that no crash of the database takes back, as far as is known; may ask the database (FAILED: the connection is gone). */
int wcx_store_settled(wcx_store_t *store, const wcx_store_mark_t *mark, uint64_t *seq) __attribute__((warn_unused_result));

/* Let go of batch and connection. */
void wcx_store_drop(wcx_store_t *store);

const char *wcx_store_text(const wcx_store_t *store);

#endif
