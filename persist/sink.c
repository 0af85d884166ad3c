#include "persist/sink.h"

#include "engine/base/check.h"

#include <inttypes.h>
#include <stdarg.h>

static void set(_Atomic uint64_t *word, uint64_t value)
{
  atomic_store_explicit(word, value, memory_order_release); /* pairs with the replica's acquire, and the api's */
}

void wcx_sink_init(wcx_sink_t *sink, const wcx_feed_config_t *config, void *mem, wcx_store_t *store, wcx_region_sink_t *words)
{
  *sink = (wcx_sink_t){.phase = WCX_SINK_ASK, .store = store, .words = words};
  wcx_feed_init(&sink->feed, config, mem);
}

void wcx_sink_close(wcx_sink_t *sink)
{
  wcx_feed_close(&sink->feed);
}

static __attribute__((format(printf, 2, 3))) void say(wcx_sink_t *sink, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  vsnprintf(sink->said, sizeof(sink->said), fmt, args);
  va_end(args);
  if (strcmp(sink->said, sink->last_said) == 0)
    sink->said[0] = '\0';
  else
    memcpy(sink->last_said, sink->said, sizeof(sink->said));
}

/* From the beginning again, a moment later. */
static uint32_t again(wcx_sink_t *sink, uint64_t now_ns)
{
  set(&sink->words->failing, 1);
  sink->phase = WCX_SINK_ASK;
  sink->retry_ns = now_ns + WCX_SINK_RETRY_NS;
  return 0;
}

static uint32_t failed(wcx_sink_t *sink, uint64_t now_ns)
{
  say(sink, "%s; trading goes on, trying again", wcx_store_text(sink->store));
  return again(sink, now_ns);
}

/* --- ask ------------------------------------------------------------------------------------------------ */

static uint32_t step_ask(wcx_sink_t *sink, uint64_t now_ns)
{
  if (now_ns < sink->retry_ns)
    return 0;
  int result = wcx_store_mark(sink->store, &sink->mark);
  if (result == WCX_STORE_FAILED)
    return failed(sink, now_ns);
  sink->marked = result == WCX_STORE_DONE;
  if (!sink->marked)
    sink->mark = (wcx_store_mark_t){0};
  if (sink->mark.seq < atomic_load_explicit(&sink->words->held_seq, memory_order_relaxed))
    set(&sink->words->held_seq, sink->mark.seq); /* an older or an empty database: it needs more than the one before */
  if (sink->marked && wcx_feed_seq(&sink->feed) == sink->mark.seq && sink->feed.following)
  {
    sink->phase = WCX_SINK_FOLLOW; /* the last commit had happened, or nothing was under way */
    return 1;
  }
  wcx_feed_close(&sink->feed);
  sink->phase = WCX_SINK_OPEN;
  return 1;
}

/* --- open ----------------------------------------------------------------------------------------------- */

/* A database without a mark gets one; a cache whose mark is of no use is begun anew behind the newest snapshot. */
static uint32_t begin(wcx_sink_t *sink, uint64_t now_ns)
{
  memcpy(sink->mark.journal_id, wcx_feed_journal_id(&sink->feed), sizeof(sink->mark.journal_id));
  sink->mark.epoch = 0;
  sink->mark.seq = sink->feed.after_seq;
  if (wcx_store_begin(sink->store, &sink->mark, sink->feed.engine) != WCX_STORE_DONE)
    return failed(sink, now_ns);
  wcx_feed_close(&sink->feed);
  sink->phase = WCX_SINK_ASK; /* another one may have been faster */
  return 1;
}

static uint32_t cannot(wcx_sink_t *sink, uint64_t now_ns)
{
  set(&sink->words->stuck, 1);
  say(sink, "%s: it stands still; trading goes on", sink->feed.text);
  wcx_feed_close(&sink->feed);
  return again(sink, now_ns);
}

static uint32_t open_anew(wcx_sink_t *sink, uint64_t now_ns)
{
  int result = wcx_feed_open(&sink->feed, WCX_FEED_NEWEST);
  if (result == WCX_FEED_DONE)
    return begin(sink, now_ns);
  return result == WCX_FEED_NOTHING ? 0 : cannot(sink, now_ns);
}

static uint32_t step_open(wcx_sink_t *sink, uint64_t now_ns)
{
  if (!sink->marked && wcx_store_rebuilds)
    return open_anew(sink, now_ns);
  int result = wcx_feed_open(&sink->feed, sink->mark.seq);
  if (result == WCX_FEED_NOTHING)
    return 0;
  bool other = result == WCX_FEED_DONE && sink->marked && memcmp(sink->mark.journal_id, wcx_feed_journal_id(&sink->feed), sizeof(sink->mark.journal_id)) != 0;
  if ((other || result == WCX_FEED_FAILED) && wcx_store_rebuilds)
    return open_anew(sink, now_ns);
  if (other)
    snprintf(sink->feed.text, sizeof(sink->feed.text), "the database belongs to another journal: give it an empty database, or this journal its own");
  if (other || result == WCX_FEED_FAILED)
    return cannot(sink, now_ns);
  if (!sink->marked)
    return begin(sink, now_ns);
  set(&sink->words->stuck, 0);
  sink->phase = WCX_SINK_FOLLOW;
  return 1;
}

/* --- follow --------------------------------------------------------------------------------------------- */

static uint32_t settle(wcx_sink_t *sink, uint64_t now_ns)
{
  if (now_ns - sink->settle_ns < WCX_SINK_SETTLE_NS)
    return 0;
  sink->settle_ns = now_ns;
  uint64_t seq;
  if (wcx_store_settled(sink->store, &sink->mark, &seq) != WCX_STORE_DONE)
    return failed(sink, now_ns);
  set(&sink->words->failing, 0);
  if (seq != 0)
    set(&sink->words->held_seq, seq);
  return 0;
}

static uint32_t commit(wcx_sink_t *sink, const wcx_store_mark_t *to, uint32_t work, uint64_t now_ns)
{
  uint64_t rows = wcx_store_rows(sink->store);
  switch (wcx_store_commit(sink->store, &sink->mark, to, sink->feed.engine))
  {
  case WCX_STORE_DONE:
    set(&sink->words->seq, sink->mark.seq);
    set(&sink->words->failing, 0);
    (void)atomic_fetch_add_explicit(&sink->words->rows, rows, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&sink->words->batches, 1, memory_order_relaxed);
    sink->last_said[0] = '\0';
    return work + settle(sink, now_ns);
  case WCX_STORE_STALE:
    (void)atomic_fetch_add_explicit(&sink->words->stale, 1, memory_order_relaxed);
    say(sink, "the mark in the database is not at input %" PRIu64 ", or of a later epoch: another sink writes there; nothing was written", sink->mark.seq);
    return again(sink, now_ns);
  default:
    return failed(sink, now_ns);
  }
}

static uint32_t step_follow(wcx_sink_t *sink, uint64_t now_ns)
{
  wcx_store_mark_t to = sink->mark;
  uint32_t work = 0;
  int result = WCX_FEED_DONE;
  for (uint32_t i = 0; i < WCX_SINK_BATCH && wcx_store_rows(sink->store) < WCX_SINK_ROWS; i++)
  {
    result = wcx_feed_next(&sink->feed, now_ns);
    if (result == WCX_FEED_APPLIED)
      return work + 1; /* on the way to the mark: there is nothing in the batch yet */
    if (result != WCX_FEED_DONE)
      break;
    WCX_CHECK(sink->feed.hdr.seq == to.seq + 1, "input %" PRIu64 " behind %" PRIu64, sink->feed.hdr.seq, to.seq);
    wcx_store_add(sink->store, sink->feed.engine, &sink->feed.hdr, sink->feed.body, &sink->feed.log);
    to.seq = sink->feed.hdr.seq;
    to.epoch = sink->feed.epoch;
    work++;
  }
  if (result == WCX_FEED_FAILED)
  {
    wcx_store_drop(sink->store);
    return cannot(sink, now_ns);
  }
  return work > 0 ? commit(sink, &to, work, now_ns) : settle(sink, now_ns);
}

uint32_t wcx_sink_step(wcx_sink_t *sink, uint64_t now_ns)
{
  switch (sink->phase)
  {
  case WCX_SINK_ASK:
    return step_ask(sink, now_ns);
  case WCX_SINK_OPEN:
    return step_open(sink, now_ns);
  default:
    return step_follow(sink, now_ns);
  }
}
