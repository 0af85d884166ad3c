/* Many messages of one kind, one behind the other: room is asked for once, as much as there is before the ring's end, and what is the same in all of them is put
   together once.

   Owner:      the engine's thread, inside an input of the long way. Between begin and end nothing else is said.
   Bounds:     messages that are a whole turn of the digest's lanes: a multiple of 64 bytes.
   Result:     the same bytes, at the same places, and the same digest as emit.h makes.
   Pinned by:  tests/unit/test_purge.c, tests/diff. */
#ifndef WCX_ENGINE_SAY_ROW_H
#define WCX_ENGINE_SAY_ROW_H

#include "engine/plain_say.h"

typedef struct wcx_say_row
{
  wcx_say_t say;
  uint8_t *from; /* from here on the log does not count yet what was said */
  uint8_t *end;  /* of the room in hand */
  uint64_t block_cnt;
} wcx_say_row_t;

WCX_HOT wcx_say_row_t wcx_say_row_begin(wcx_engine_t *engine)
{
  wcx_say_row_t row = {.say = wcx_say_join(engine)};
  row.say.at = row.from = row.end = (uint8_t *)wcx_outlog_at(engine->out, engine->out->write_pos); /* no room yet */
  return row;
}

WCX_HOT void wcx_say_row_count(wcx_outlog_t *log, wcx_say_row_t *row)
{
  const uint64_t sz = (uint64_t)(row->say.at - row->from);
  row->from = row->say.at;
  row->block_cnt += sz / 16;
  log->write_pos += sz;
}

/* Room for one message of `sz` bytes where the last one ended, or where the ring begins anew. The lines of one some messages later are asked of memory: a long row writes
   more than any cache holds, lines that were last touched when the ring was here before. */
#define WCX_SAY_ROW_AHEAD 1024u
WCX_HOT void wcx_say_row_next(wcx_outlog_t *log, wcx_say_row_t *row, uint32_t sz)
{
  for (uint32_t off = 0; off < sz; off += 64)
    __builtin_prefetch(row->say.at + WCX_SAY_ROW_AHEAD + off, 1);
  if (__builtin_expect(row->say.at != row->end, 1))
    return;
  wcx_say_row_count(log, row);
  row->from = (uint8_t *)wcx_outlog_reserve(log, sz); /* skips, and checks, as for any message */
  log->write_pos -= sz;
  const uint64_t to_end = (uint64_t)(log->base + log->cap - row->from);
  const uint64_t room = log->cap - (log->write_pos - log->sent_pos);
  row->say.at = row->from;
  row->end = row->from + (to_end < room ? to_end : room) / sz * sz;
}

WCX_HOT void wcx_say_row_end(wcx_engine_t *engine, wcx_say_row_t *row)
{
  wcx_say_row_count(engine->out, row);
  wcx_say_part(engine, &row->say, row->block_cnt);
}

/* Blocks 0 to 2 of messages of one kind to one stream: they differ in their number alone. */
typedef struct wcx_say_head
{
  __m128i entry;
  __m128i message;
  uint64_t input_seq;
  uint64_t number; /* next */
} wcx_say_head_t;

WCX_HOT wcx_say_head_t wcx_say_head_of(const wcx_engine_t *engine, uint8_t stream, uint32_t stream_id, uint64_t number, uint16_t template_id, uint16_t block_length)
{
  return (wcx_say_head_t){.entry = wcx_say_entry_block(stream, stream_id, block_length),
                          .message = wcx_say_message_block(engine, template_id, block_length),
                          .input_seq = engine->seq,
                          .number = number};
}

WCX_HOT void wcx_say_head(wcx_say_t *say, wcx_say_head_t *head)
{
  wcx_say_whole(say, 0, head->entry);
  wcx_say_block(say, 16, head->number++, head->input_seq);
  wcx_say_whole(say, 32, head->message);
}

#endif
