#include "dataplane/client/stream.h"

#include "engine/base/check.h"

#include <stdlib.h>
#include <string.h>

void wcx_client_stream_init(wcx_client_stream_t *stream, uint32_t cap, uint32_t slot_sz, uint64_t grace_ns)
{
  WCX_CHECK(cap > 0 && (cap & (cap - 1)) == 0, "stream capacity %u", cap);
  *stream = (wcx_client_stream_t){.cap = cap, .slot_sz = slot_sz, .grace_ns = grace_ns, .retry_ns = 50000000u, .ask_max = 1024};
  stream->len = calloc(cap, sizeof(*stream->len));
  stream->bytes = malloc((size_t)cap * slot_sz);
  if (stream->len == NULL || stream->bytes == NULL)
    WCX_DIE("no memory for a stream of %u messages", cap);
  wcx_client_stream_start(stream, 1, false);
}

void wcx_client_stream_free(wcx_client_stream_t *stream)
{
  free(stream->len);
  free(stream->bytes);
  stream->len = NULL;
  stream->bytes = NULL;
}

void wcx_client_stream_start(wcx_client_stream_t *stream, uint64_t next, bool join_from_past)
{
  memset(stream->len, 0, stream->cap * sizeof(*stream->len));
  stream->next = next;
  stream->end = next;
  stream->hole_at = 0;
  stream->ripe_end = 0;
  stream->mark_end = 0;
  stream->asked_end = 0;
  stream->ask_not_before = 0;
  stream->open_end = 0;
  stream->open_join = join_from_past;
}

static uint32_t slot_of(const wcx_client_stream_t *stream, uint64_t number)
{
  return (uint32_t)(number & (stream->cap - 1));
}

bool wcx_client_stream_put(wcx_client_stream_t *stream, uint64_t number, const void *message, uint16_t len)
{
  wcx_client_stream_exists(stream, number + 1);
  if (number < stream->next)
  {
    stream->duplicate_cnt++;
    return false;
  }
  if (number - stream->next >= stream->cap || len > stream->slot_sz || len == 0)
    return false;
  uint32_t slot = slot_of(stream, number);
  if (stream->len[slot] != 0)
  {
    stream->duplicate_cnt++;
    return false;
  }
  stream->len[slot] = len;
  memcpy(stream->bytes + (size_t)slot * stream->slot_sz, message, len);
  return true;
}

void wcx_client_stream_exists(wcx_client_stream_t *stream, uint64_t end)
{
  if (end > stream->end)
    stream->end = end;
}

static void close_hole(wcx_client_stream_t *stream)
{
  if (stream->open_end == 0 || stream->next < stream->open_end)
    return;
  if (!stream->open_join)
    stream->hole_recovered_cnt++;
  stream->open_end = 0;
  stream->open_join = false;
  stream->ask_not_before = 0; /* what was asked for has come: the next hole need not wait for it */
}

const uint8_t *wcx_client_stream_take(wcx_client_stream_t *stream, uint64_t *number, uint16_t *len)
{
  uint32_t slot = slot_of(stream, stream->next);
  if (stream->len[slot] == 0)
    return NULL;
  *number = stream->next;
  *len = stream->len[slot];
  stream->len[slot] = 0;
  stream->next++;
  close_hole(stream);
  return stream->bytes + (size_t)slot * stream->slot_sz;
}

/* Numbers missing from `next` on, up to the first one that is here. */
static uint64_t hole_cnt(const wcx_client_stream_t *stream)
{
  uint64_t number = stream->next;
  while (number < stream->end && number - stream->next < stream->cap && stream->len[slot_of(stream, number)] == 0)
    number++;
  if (number - stream->next >= stream->cap)
    return stream->end - stream->next; /* nothing of the window is here: what lies beyond was not kept either */
  return number - stream->next;
}

/* Since when a hole at `next` counts: it may be older than the moment at which it came to be the first. */
static uint64_t hole_age(const wcx_client_stream_t *stream, uint64_t now_ns)
{
  return stream->next < stream->ripe_end ? now_ns - stream->grace_ns : now_ns;
}

bool wcx_client_stream_due(wcx_client_stream_t *stream, uint64_t now_ns, uint64_t *from, uint16_t *cnt)
{
  if (now_ns - stream->mark_ns >= stream->grace_ns)
  {
    stream->ripe_end = stream->mark_end;
    stream->mark_end = stream->end;
    stream->mark_ns = now_ns;
  }
  if (stream->next >= stream->end)
  {
    stream->hole_at = 0;
    return false;
  }
  if (stream->hole_at == 0)
  {
    stream->hole_at = stream->next;
    stream->hole_since = hole_age(stream, now_ns);
  }
  else if (stream->hole_at != stream->next)
  {
    /* still a hole after progress: wait for the rest of what was asked for, else go on asking at once */
    stream->hole_at = stream->next;
    if (stream->next < stream->asked_end)
      stream->ask_not_before = now_ns + stream->retry_ns;
    else if (stream->open_end == 0)
      stream->hole_since = hole_age(stream, now_ns);
    else if (stream->ask_not_before > now_ns && stream->asked_end != 0)
      stream->ask_not_before = now_ns;
  }
  if (now_ns - stream->hole_since < stream->grace_ns || now_ns < stream->ask_not_before)
    return false;
  uint64_t missing = hole_cnt(stream);
  if (missing == 0)
    return false;
  if (stream->open_end == 0)
    stream->open_end = stream->next + missing;
  *from = stream->next;
  *cnt = (uint16_t)(missing < stream->ask_max ? missing : stream->ask_max);
  stream->asked_end = *from + *cnt;
  stream->ask_not_before = now_ns + stream->retry_ns;
  stream->ask_cnt++;
  return true;
}

void wcx_client_stream_refused(wcx_client_stream_t *stream, uint64_t now_ns, uint64_t delay_ns)
{
  stream->ask_not_before = now_ns + (delay_ns > stream->retry_ns ? delay_ns : stream->retry_ns);
}

uint64_t wcx_client_stream_skip(wcx_client_stream_t *stream)
{
  uint64_t cnt = hole_cnt(stream);
  if (cnt == 0)
    return 0;
  bool join = stream->open_join;
  stream->next += cnt;
  stream->open_end = 0;
  stream->open_join = false;
  stream->hole_at = 0;
  if (!join)
  {
    stream->hole_lost_cnt++;
    stream->message_lost_cnt += cnt;
  }
  return cnt;
}
