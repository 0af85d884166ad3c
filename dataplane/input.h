/* The one place where an input becomes part of history: commit to the journal ring, then apply. Nothing else calls wcx_engine_apply in a running loop.

   Owner:      the loop.
   Order:      wcx_input_prepare gives the record its place in history (seq, stamp); wcx_input_credit says whether ring and log have room for it and
               everything it may say; wcx_input_apply commits and applies. Nothing may come between the first and the last.
   Units:      stamps are UTC ns: the later of the turn's time and the previous stamp + 1.
   Invariants: committed before applied; seq rises by 1; stamps rise.
   Pinned by:  tests/unit/test_loop_*.c. */
#ifndef WCX_DATAPLANE_INPUT_H
#define WCX_DATAPLANE_INPUT_H

#include "dataplane/trace.h"
#include "engine/engine.h"
#include "engine/shm/region.h"

#define WCX_INPUT_LOG_RESERVE 4096u /* bytes of the log kept for what the data plane itself says: NotApplied, SessionStatusResponse */

typedef struct wcx_input
{
  wcx_engine_t *engine;
  wcx_outlog_t *log;
  wcx_region_shard_t *shm;
  uint32_t shard;
  uint8_t journaled;  /* 0: D0, nothing goes to the ring */
  uint8_t ring_dirty; /* committed since the doorbell was rung */
  uint16_t pad;
  wcx_jring_producer_t ring;
  uint64_t applied_seq;
  uint64_t last_stamp_ns;
  uint64_t utc_ns;      /* of this turn */
  uint64_t release_seq; /* as last read */
  wcx_trace_t trace;

  /* digest marks whose input is not released yet, oldest at mark_tail */
  uint64_t mark_head;
  uint64_t mark_tail;
  wcx_digest_mark_t marks[WCX_DIGEST_MARK_MAX];
} wcx_input_t;

/* Fill format, shard, seq, stamp of a record that has template_id, session_id, client_seq, account, flags and body_sz. */
void wcx_input_prepare(const wcx_input_t *input, wcx_record_hdr_t *hdr);

/* Whether there is room for `record_cnt` records whose outputs take at most `bound` bytes. */
bool wcx_input_room(wcx_input_t *input, uint32_t record_cnt, uint64_t bound);

static inline bool wcx_input_credit(wcx_input_t *input, const wcx_record_hdr_t *hdr, const void *body)
{
  return wcx_input_room(input, 1, wcx_engine_output_bound(input->engine, hdr, body));
}

/* Commit and apply. Returns the seq. */
uint64_t wcx_input_apply(wcx_input_t *input, const wcx_record_hdr_t *hdr, const void *body);

/* An input of our own (no client): prepare, ask for credit, apply. Returns its seq, or 0 when there is no room now. */
uint64_t wcx_input_internal(wcx_input_t *input, uint16_t template_id, uint32_t session_id, uint16_t flags, const void *body, uint16_t body_sz);

/* Publish the marks whose input is released. */
void wcx_input_publish_marks(wcx_input_t *input);

#endif
