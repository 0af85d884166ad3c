#include "persist/feed.h"

#include "persist/overrides.h"

#include <inttypes.h>
#include <stdarg.h>

#define BLIND_NS UINT64_C(1000000000) /* a page that was read while it was written may be stale for a moment */
#define LOG_SLACK 65536u

static uint64_t released_seq(const wcx_feed_t *feed)
{
  wcx_release_t *release = (wcx_release_t *)(uintptr_t)&feed->config.shared->release;
  return wcx_release_seq(atomic_load_explicit(&release->release_word, memory_order_acquire)); /* pairs with the worker's release */
}

static __attribute__((format(printf, 2, 3))) int fail(wcx_feed_t *feed, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  vsnprintf(feed->text, sizeof(feed->text), fmt, args);
  va_end(args);
  return WCX_FEED_FAILED;
}

/* --- memory ------------------------------------------------------------------------------------------- */

static wcx_engine_limits_t limits_of(const wcx_params_shard_t *shard)
{
  return (wcx_engine_limits_t){.shard = shard->shard,
                               .orders_max = shard->orders_max,
                               .levels_max = shard->levels_max,
                               .instruments_max = shard->instruments_max,
                               .accounts_max = shard->accounts_max,
                               .sessions_max = shard->sessions_max,
                               .hash_key = 1};
}

/* It holds the outputs of one input: each begins at its front again, so that only what is needed is ever touched. */
static uint64_t log_sz_of(const wcx_engine_limits_t *limits)
{
  uint64_t sz = LOG_SLACK;
  while (sz < wcx_engine_output_bound_max(limits) + LOG_SLACK)
    sz *= 2;
  return sz;
}

size_t wcx_feed_footprint(const wcx_params_shard_t *shard)
{
  wcx_engine_limits_t limits = limits_of(shard);
  return WCX_JOURNAL_WALK_BUF_SZ + log_sz_of(&limits) + wcx_snapshot_round(wcx_engine_footprint(&limits));
}

void wcx_feed_init(wcx_feed_t *feed, const wcx_feed_config_t *config, void *mem)
{
  *feed = (wcx_feed_t){.config = *config, .limits = limits_of(config->shard)};
  feed->log_sz = log_sz_of(&feed->limits);
  feed->walk_buf = mem;
  feed->log_mem = feed->walk_buf + WCX_JOURNAL_WALK_BUF_SZ;
  feed->engine_mem = feed->walk_buf + WCX_JOURNAL_WALK_BUF_SZ + feed->log_sz;
}

/* --- open --------------------------------------------------------------------------------------------- */

static bool found(wcx_feed_t *feed)
{
  for (;;)
    switch (wcx_resume_next(&feed->resume, &feed->walk))
    {
    case WCX_RESUME_LOADED:
      return true;
    case WCX_RESUME_NONE:
      feed->gone = !wcx_resume_first(&feed->resume, &feed->walk);
      return !feed->gone;
    case WCX_RESUME_REFUSED:
      break; /* the replica has said so */
    }
}

int wcx_feed_open(wcx_feed_t *feed, uint64_t after_seq)
{
  wcx_feed_close(feed);
  uint64_t released = released_seq(feed);
  wcx_region_handshake_t *handshake = (wcx_region_handshake_t *)(uintptr_t)&feed->config.shared->handshake;
  if (atomic_load_explicit(&handshake->ready, memory_order_acquire) == 0 || released == 0) /* pairs with the worker's release */
    return WCX_FEED_NOTHING;
  feed->gone = false;
  if (after_seq != WCX_FEED_NEWEST && after_seq > released)
    return fail(feed, "it stands at input %" PRIu64 " and the journal ends at %" PRIu64 ": another journal, or acknowledged inputs are missing", after_seq, released);
  feed->resume = (wcx_resume_t){.snapshot_dir = feed->config.snapshot_dir,
                                .journal_dir = feed->config.journal_dir,
                                .limits = &feed->limits,
                                .engine_mem = feed->engine_mem,
                                .engine_sz = wcx_engine_footprint(&feed->limits),
                                .walk_buf = feed->walk_buf,
                                .last_seq = released,
                                .below = after_seq == WCX_FEED_NEWEST ? 0 : after_seq + 1};
  bool good = found(feed);
  feed->engine = feed->resume.engine;
  wcx_resume_done(&feed->resume);
  if (!good)
    return fail(feed, "no snapshot at or below input %" PRIu64 ", and the journal: %.200s", after_seq, feed->resume.text);
  if (!wcx_overrides_signed(feed->config.shared, &feed->walk.overrides))
  {
    wcx_journal_walk_close(&feed->walk);
    return WCX_FEED_NOTHING;
  }
  feed->following = true;
  feed->blind_ns = 0;
  feed->after_seq = after_seq == WCX_FEED_NEWEST ? wcx_engine_applied_seq(feed->engine) : after_seq;
  return WCX_FEED_DONE;
}

void wcx_feed_close(wcx_feed_t *feed)
{
  if (feed->following)
    wcx_journal_walk_close(&feed->walk);
  feed->following = false;
}

/* --- next --------------------------------------------------------------------------------------------- */

static int read_one(wcx_feed_t *feed, uint64_t now_ns)
{
  int got = wcx_journal_walk_next(&feed->walk, &feed->epoch, &feed->hdr, &feed->body);
  if (got == 1)
  {
    feed->blind_ns = 0;
    return WCX_FEED_DONE;
  }
  if (got < 0 && feed->walk.end.facts.place != WCX_JOURNAL_PLACE_ROTTEN) /* rotten may be a read beside the write, as may be the end */
    return fail(feed, "after input %" PRIu64 ": %.400s", wcx_engine_applied_seq(feed->engine), feed->walk.text);
  feed->blind_ns = feed->blind_ns == 0 ? now_ns : feed->blind_ns;
  if (now_ns - feed->blind_ns > BLIND_NS)
    return fail(feed, "the journal ends at input %" PRIu64 " though more is released: %.300s", wcx_engine_applied_seq(feed->engine), feed->walk.text);
  return WCX_FEED_NOTHING;
}

int wcx_feed_next(wcx_feed_t *feed, uint64_t now_ns)
{
  WCX_CHECK(feed->following, "a closed feed is asked for more");
  uint64_t released = released_seq(feed);
  for (uint32_t i = 0; i < WCX_FEED_SKIP; i++)
  {
    if (wcx_engine_applied_seq(feed->engine) >= released)
      return WCX_FEED_NOTHING;
    wcx_resume_ahead(feed->engine, &feed->walk, &feed->ahead);
    int result = read_one(feed, now_ns);
    if (result != WCX_FEED_DONE)
      return result;
    wcx_outlog_init(&feed->log, feed->log_mem, feed->log_sz);
    wcx_engine_apply(feed->engine, &feed->hdr, feed->body, &feed->log);
    if (feed->hdr.seq > feed->after_seq)
      return WCX_FEED_DONE;
  }
  return WCX_FEED_APPLIED;
}

uint64_t wcx_feed_seq(const wcx_feed_t *feed)
{
  return feed->following ? wcx_engine_applied_seq(feed->engine) : 0;
}

const uint8_t *wcx_feed_journal_id(const wcx_feed_t *feed)
{
  return feed->walk.super.journal_id;
}
