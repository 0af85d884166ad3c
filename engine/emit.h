/* How the engine says things: one function appends a message to a session's stream, one to the feed. The caller fills the block, whole.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Order:      everything private of an input stands before everything public: wcx_emit_feed only when nothing private can follow, else wcx_note_feed.
   Result:     the block of the message in the output log, 8-aligned, not zeroed: assign every field (a compound literal does).
   Room:       reserved by the caller of apply (wcx_engine_output_bound; its per-message sizes are WCX_EMIT_SZ). */
#ifndef WCX_ENGINE_EMIT_H
#define WCX_ENGINE_EMIT_H

#include "engine/state.h"

/* Bytes a message of this block takes in the output log; a noted one takes them twice. */
#define WCX_EMIT_SZ(type) ((uint64_t)(sizeof(wcx_out_entry_t) + ((sizeof(wcx_message_header_t) + sizeof(type) + 15) & ~(size_t)15)))

static inline void wcx_emit_word(uint8_t *at, uint64_t word)
{
  memcpy(at, &word, sizeof(word));
}

/* Whom a message is for: stream_id, and the tag of an unsequenced one in the high half. The header goes out as the words that the digest reads back at
   once: smaller stores would make it wait until they have left the store buffer. */
static inline void *wcx_emit_long(wcx_engine_t *engine, uint8_t stream, uint64_t stream_id_tag, uint64_t number, uint16_t template_id, uint16_t block_length, uint32_t group_sz)
{
  uint32_t len = (uint32_t)sizeof(wcx_message_header_t) + block_length + group_sz;
  uint32_t sz = wcx_outlog_entry_sz(len);
  uint8_t *at = (uint8_t *)wcx_outlog_reserve(engine->out, sz);
  wcx_emit_word(at, (uint64_t)stream << 48 | (uint64_t)len << 32 | sz);
  wcx_emit_word(at + 8, stream_id_tag);
  wcx_emit_word(at + 16, number);
  wcx_emit_word(at + 24, engine->seq);
  if ((len & 15) != 0)
    wcx_emit_word(at + sz - 8, 0); /* the padding is part of the digest; blocks are multiples of 8, groups are not */
  wcx_emit_word(at + 32, (uint64_t)WCX_SCHEMA_VERSION << 48 | (uint64_t)WCX_SCHEMA_ID << 32 | (uint64_t)template_id << 16 | block_length);
  if (group_sz != 0)
    wcx_emit_word(at + sz - 16, 0);
  return at + 40;
}
static_assert(offsetof(wcx_out_entry_t, len) == 4 && offsetof(wcx_out_entry_t, stream) == 6 && offsetof(wcx_out_entry_t, flags) == 7, "entry header: first word");
static_assert(offsetof(wcx_out_entry_t, stream_id) == 8 && offsetof(wcx_out_entry_t, tag) == 12, "entry header: second word");
static_assert(offsetof(wcx_out_entry_t, number) == 16 && offsetof(wcx_out_entry_t, input_seq) == 24, "entry header: third and fourth word");
static_assert(offsetof(wcx_message_header_t, template_id) == 2 && offsetof(wcx_message_header_t, schema_id) == 4, "message header: one word");

static inline void *wcx_emit(wcx_engine_t *engine, uint8_t stream, uint64_t stream_id_tag, uint64_t number, uint16_t template_id, uint16_t block_length)
{
  return wcx_emit_long(engine, stream, stream_id_tag, number, template_id, block_length, 0);
}

static inline void *wcx_emit_session(wcx_engine_t *engine, wcx_session_t *session, uint16_t template_id, uint16_t block_length)
{
  wcx_session_touch(engine, session);
  return wcx_emit(engine, WCX_STREAM_SESSION, session->session_id, session->next_server_seq++, template_id, block_length);
}

/* The same with a repeating group of group_sz bytes, its header included, behind the block: the caller fills both. */
static inline void *wcx_emit_session_group(wcx_engine_t *engine, wcx_session_t *session, uint16_t template_id, uint16_t block_length, uint32_t group_sz)
{
  wcx_session_touch(engine, session);
  return wcx_emit_long(engine, WCX_STREAM_SESSION, session->session_id, session->next_server_seq++, template_id, block_length, group_sz);
}

static inline void *wcx_emit_feed(wcx_engine_t *engine, uint16_t template_id, uint16_t block_length)
{
  return wcx_emit(engine, WCX_STREAM_FEED, engine->limits.shard, engine->feed_number++, template_id, block_length);
}

/* All that the input has said so far enters the output digest: none of it may change any more, notes excepted. The end of the input does it; who says much, and
   digests it from registers (plain_say.h), calls this before. */
void wcx_emit_digest(wcx_engine_t *engine);

/* --- what must wait for the private messages of the input -------------------------------------------------------------------------------- */

/* Each note's tag says how far the next one is, in units of 16 bytes. */
static inline void wcx_note_link(wcx_engine_t *engine, uint64_t pos)
{
  if (engine->note_cnt++ == 0)
    engine->notes_from = pos;
  else
    wcx_outlog_at(engine->out, engine->notes_last)->tag = (uint32_t)((pos - engine->notes_last) / 16);
  engine->notes_last = pos;
}

/* A feed message that is said when all that is private has been: it lies in the log as a SKIP entry until wcx_notes_flush says it. */
static inline void *wcx_note_feed(wcx_engine_t *engine, uint16_t template_id, uint16_t block_length)
{
  uint32_t len = (uint32_t)sizeof(wcx_message_header_t) + block_length;
  uint32_t sz = wcx_outlog_entry_sz(len);
  uint8_t *at = (uint8_t *)wcx_outlog_reserve(engine->out, sz);
  wcx_emit_word(at, (uint64_t)WCX_STREAM_SKIP << 48 | (uint64_t)len << 32 | sz);
  wcx_emit_word(at + 8, (uint64_t)template_id << 16 | block_length);
  wcx_note_link(engine, engine->out->write_pos - sz);
  return at + 40;
}

#define WCX_CANCELED_SZ ((uint32_t)WCX_EMIT_SZ(wcx_execution_report_cancel_t))

/* One note for many: the ER_Cancels of `cnt` orders lie in the log from position `from` on, `each` (1..255) an order; the feed is told that they are gone. */
static inline void wcx_note_canceled(wcx_engine_t *engine, uint64_t from, uint64_t cnt, uint32_t each)
{
  const uint32_t sz = sizeof(wcx_out_entry_t);
  uint8_t *at = (uint8_t *)wcx_outlog_reserve(engine->out, sz);
  wcx_emit_word(at, (uint64_t)WCX_STREAM_SKIP << 48 | sz); /* len 0 tells it from the others */
  wcx_emit_word(at + 8, each);
  wcx_emit_word(at + 16, from);
  wcx_emit_word(at + 24, cnt);
  wcx_note_link(engine, engine->out->write_pos - sz);
}

void wcx_notes_flush(wcx_engine_t *engine);

#endif
