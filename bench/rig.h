/* An engine with a world to trade in: what everything here that drives wcx_engine_apply shares.

   Instruments have increment 1, lot 1, no bands and one and the same symbol; all definitions are asked for (wcx_engine_definition_error) before they are applied.

   Owner:      one thread.
   Memory:     the engine and the output log in anonymous memory advised for huge pages; dies when there is none. wcx_rig_restart makes a new engine in
               the same memory, which writes all of it; what is used of the log should be written before a clock starts.
   Result:     a definition that the engine refuses ends the process with the engine's own words.
   Invariants: seq is the sequence of the last record that was encoded; records are applied in the order in which they were encoded. */
#ifndef WCX_BENCH_RIG_H
#define WCX_BENCH_RIG_H

#include "engine/engine.h"

#define WCX_RIG_SHARD 1u
#define WCX_RIG_STAMP_START_NS UINT64_C(1000000000) /* stamp of a record = this + its seq */

typedef struct wcx_rig
{
  wcx_engine_limits_t limits;
  wcx_engine_t *engine; /* NULL before the first wcx_rig_restart */
  void *engine_mem;
  size_t engine_sz;
  wcx_outlog_t log;
  uint64_t seq;
  uint8_t *keep; /* NULL, or where the next definition is copied to as a record; it moves on */
} wcx_rig_t;

/* Anonymous memory advised for huge pages, not written yet. */
void *wcx_rig_map(uint64_t sz);

/* Memory only. limits: shard and hash_key are filled in. log_sz: a power of two, 64 KiB at least. */
void wcx_rig_init(wcx_rig_t *rig, const wcx_engine_limits_t *limits, uint64_t log_sz);

/* An empty engine, an empty log. */
void wcx_rig_restart(wcx_rig_t *rig);
void wcx_rig_free(wcx_rig_t *rig);

/* Whoever walks the output log does so after each of these, or at the end: they say little. */
void wcx_rig_instrument(wcx_rig_t *rig, uint32_t security_id);
void wcx_rig_account(wcx_rig_t *rig, uint32_t account, enum wcx_credit credit);
void wcx_rig_balance(wcx_rig_t *rig, uint32_t account, const char *asset, int64_t amount); /* once per pair */
void wcx_rig_session(wcx_rig_t *rig, uint32_t session_id, uint32_t account);

/* What that instrument is, for whoever tells it to an engine in another way: prices and lots of 1, no bands. */
wcx_security_definition_t wcx_rig_security(uint32_t security_id, uint32_t market_segment_id);

/* Empty the output log. */
static inline void wcx_rig_clear_log(wcx_rig_t *rig)
{
  rig->log.write_pos = rig->log.sent_pos = 0;
}

/* The next record: header and body at `to` (8-aligned). session_id 0: none, then client_seq is 0 too. */
static inline wcx_engine_input_t wcx_rig_encode(wcx_rig_t *rig, void *to, uint16_t template_id, uint32_t session_id, uint64_t client_seq, const void *body, uint16_t body_sz)
{
  uint64_t stamp_ns = WCX_RIG_STAMP_START_NS + ++rig->seq;
  wcx_record_hdr_t *hdr = to;
  *hdr = (wcx_record_hdr_t){.format = WCX_RECORD_FORMAT,
                            .template_id = template_id,
                            .shard = WCX_RIG_SHARD,
                            .session_id = session_id,
                            .seq = rig->seq,
                            .stamp_ns = stamp_ns,
                            .receive_ns = stamp_ns,
                            .client_seq = client_seq,
                            .body_sz = body_sz};
  memcpy(hdr + 1, body, body_sz);
  return (wcx_engine_input_t){.hdr = hdr, .body = hdr + 1};
}

/* xorshift64*: equal flows everywhere. *state is not 0. */
static inline uint64_t wcx_rig_random(uint64_t *state)
{
  uint64_t x = *state;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  *state = x;
  return x * UINT64_C(0x2545F4914F6CDD1D);
}

static inline uint32_t wcx_rig_draw(uint64_t *state, uint32_t below)
{
  return (uint32_t)(((wcx_rig_random(state) >> 32) * below) >> 32);
}

#endif
