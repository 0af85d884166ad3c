/* How the engine says things: one function appends a message to a session's stream, one to the feed. The caller fills the block, whole.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Result:     the block of the message in the output log, 8-aligned, not zeroed: assign every field (a compound literal does).
   Room:       reserved by the caller of apply (wcx_engine_output_bound; its per-message sizes are WCX_EMIT_SZ). */
#ifndef WCX_ENGINE_EMIT_H
#define WCX_ENGINE_EMIT_H

#include "engine/state.h"

/* Bytes a message of this block takes in the output log. */
#define WCX_EMIT_SZ(type) ((uint64_t)(sizeof(wcx_out_entry_t) + sizeof(wcx_message_header_t) + ((sizeof(type) + 7) & ~(size_t)7)))

static inline void *wcx_emit(wcx_engine_t *engine, wcx_out_entry_t head, uint16_t template_id, uint16_t block_length)
{
  wcx_out_entry_t *entry = wcx_outlog_append(engine->out, (uint32_t)sizeof(wcx_message_header_t) + block_length);
  head.entry_sz = entry->entry_sz;
  head.len = entry->len;
  head.input_seq = engine->seq;
  *entry = head;
  uint8_t *message = wcx_out_message(entry);
  wcx_message_header_t header = {.block_length = block_length, .template_id = template_id, .schema_id = WCX_SCHEMA_ID, .version = WCX_SCHEMA_VERSION};
  memcpy(message, &header, sizeof(header));
  return message + sizeof(header);
}

static inline void *wcx_emit_session(wcx_engine_t *engine, wcx_session_t *session, uint16_t template_id, uint16_t block_length)
{
  wcx_out_entry_t head = {.stream = WCX_STREAM_SESSION, .stream_id = session->session_id, .number = session->next_server_seq++};
  wcx_session_touch(engine, session);
  return wcx_emit(engine, head, template_id, block_length);
}

static inline void *wcx_emit_feed(wcx_engine_t *engine, uint16_t template_id, uint16_t block_length)
{
  wcx_out_entry_t head = {.stream = WCX_STREAM_FEED, .stream_id = engine->limits.shard, .number = engine->feed_number++};
  return wcx_emit(engine, head, template_id, block_length);
}

/* The block of an entry that is such a message, else NULL. */
static inline const void *wcx_emit_block(wcx_out_entry_t *entry, uint16_t template_id)
{
  wcx_message_header_t header;
  memcpy(&header, wcx_out_message(entry), sizeof(header));
  return header.template_id == template_id ? wcx_out_message(entry) + sizeof(header) : NULL;
}

#endif
