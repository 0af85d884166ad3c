#include "engine/resume.h"

#include "engine/snapshot.h"
#include "engine/window.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>

#define AHEAD 32u /* records of a chunk */

static __attribute__((format(printf, 2, 3))) bool refuse(wcx_resume_t *resume, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  vsnprintf(resume->text, sizeof(resume->text), fmt, args);
  va_end(args);
  return false;
}

static bool same(wcx_digest_t a, wcx_digest_t b)
{
  return a.lo == b.lo && a.hi == b.hi;
}

static bool open_walk(wcx_resume_t *resume, wcx_journal_walk_t *walk, const wcx_journal_anchor_t *anchor)
{
  char err[WCX_JOURNAL_TEXT_SZ];
  wcx_journal_source_t source;
  if (wcx_journal_source_open(&source, resume->journal_dir, err, sizeof(err)) != WCX_JOURNAL_OPEN_OK)
    return refuse(resume, "the journal cannot be read: %.200s", err);
  int result = anchor != NULL ? wcx_journal_walk_over_at(walk, &source, resume->walk_buf, anchor, err, sizeof(err))
                              : wcx_journal_walk_over(walk, &source, resume->walk_buf, err, sizeof(err));
  if (result == WCX_JOURNAL_OPEN_OK)
    return true;
  wcx_journal_walk_close(walk);
  return refuse(resume, "the journal cannot be read from there: %.200s", err);
}

/* Whether the journal goes on where the snapshot ends. What a walk has read is read again by the next one. */
static bool continued(wcx_resume_t *resume, wcx_journal_walk_t *walk)
{
  const wcx_snapshot_file_t *hdr = &resume->hdr;
  wcx_journal_anchor_t anchor;
  wcx_snapshot_anchor_give(&hdr->anchor, hdr->shard, &anchor);
  if (!open_walk(resume, walk, &anchor))
    return false;
  uint64_t epoch;
  wcx_record_hdr_t record;
  const uint8_t *body;
  int got = memcmp(walk->super.journal_id, hdr->journal_id, sizeof(hdr->journal_id)) == 0 ? wcx_journal_walk_next(walk, &epoch, &record, &body) : -2;
  bool ok = hdr->seq < resume->last_seq ? got == 1 && record.seq == hdr->seq + 1 : got == 1 || (got == 0 && walk->chain.epoch >= resume->epoch);
  if (got == -2)
    (void)refuse(resume, "it is of another journal");
  else if (got == -1)
    (void)refuse(resume, "the journal does not go on from it: %.200s", walk->text);
  else if (!ok)
    (void)refuse(resume, "the journal does not go on from it, though its last input is %" PRIu64, resume->last_seq);
  wcx_journal_walk_close(walk);
  return ok && open_walk(resume, walk, &anchor);
}

/* All of rule 4 but the engine's part, which is last because it writes. */
static bool check_file(wcx_resume_t *resume, const uint8_t *bytes, uint64_t sz)
{
  char err[160];
  if (!wcx_snapshot_check(bytes, sz, &resume->hdr, err, sizeof(err)))
    return refuse(resume, "%s", err);
  const wcx_snapshot_file_t *hdr = &resume->hdr;
  if (hdr->shard != resume->limits->shard || hdr->seq != resume->seq)
    return refuse(resume, "it is of shard %u, seq %" PRIu64, hdr->shard, hdr->seq);
  resume->streams = bytes + wcx_snapshot_streams_off(hdr);
  resume->window = bytes + wcx_snapshot_window_off(hdr);
  if (!wcx_window_sound(resume->window, hdr->window_sz, hdr->tail_pos, hdr->log_cap, hdr->seq))
    return refuse(resume, "the entries of its window do not follow each other");
  return true;
}

static bool load_engine(wcx_resume_t *resume, const uint8_t *bytes)
{
  const wcx_snapshot_file_t *hdr = &resume->hdr;
  char err[160];
  resume->engine = wcx_engine_snapshot_load(resume->engine_mem, resume->engine_sz, resume->limits, bytes + wcx_snapshot_engine_off(), hdr->engine_sz, err, sizeof(err));
  if (resume->engine == NULL)
    return refuse(resume, "engine: %s", err);
  if (wcx_engine_applied_seq(resume->engine) != hdr->seq || wcx_engine_last_stamp_ns(resume->engine) != hdr->stamp_ns ||
      !same(wcx_engine_state_digest(resume->engine), hdr->state_digest) || !same(wcx_engine_output_digest(resume->engine), hdr->output_digest))
    return refuse(resume, "position or digests of its engine are not those in its header");
  return true;
}

static void empty(wcx_resume_t *resume)
{
  resume->source.unmap(resume->source.ctx);
  resume->engine = wcx_engine_new(resume->engine_mem, resume->engine_sz, resume->limits);
}

static bool load(wcx_resume_t *resume, wcx_journal_walk_t *walk, const uint8_t *bytes, int64_t sz)
{
  resume->beyond = wcx_snapshot_beyond(bytes, sz, resume->limits->shard, resume->seq, resume->last_seq);
  if (resume->seq > resume->last_seq)
    return refuse(resume, "it is newer than the journal, whose last input is %" PRIu64, resume->last_seq);
  if (sz <= 0)
    return refuse(resume, "%s", sz == 0 ? "it is empty" : strerrordesc_np((int)-sz));
  if (!check_file(resume, bytes, (uint64_t)sz) || !continued(resume, walk))
    return false;
  if (load_engine(resume, bytes))
    return true;
  wcx_journal_walk_close(walk);
  return false;
}

static bool search(wcx_resume_t *resume)
{
  if (!resume->searched)
  {
    resume->searched = true;
    resume->seq = resume->below != 0 ? resume->below : UINT64_MAX;
    int result = wcx_snapshot_source_open(&resume->source, resume->snapshot_dir);
    resume->found = result == 0;
    if (result != 0 && result != -ENOENT)
      return refuse(resume, "%s: %s", resume->snapshot_dir, strerrordesc_np(-result));
  }
  return true;
}

enum wcx_resume_result wcx_resume_next(wcx_resume_t *resume, wcx_journal_walk_t *walk)
{
  if (!search(resume))
    return WCX_RESUME_REFUSED;
  const uint8_t *bytes = NULL;
  int64_t sz = 0;
  int result;
  do
  {
    uint64_t older = 0;
    result = resume->found ? resume->source.older(resume->source.ctx, resume->seq, &older) : 0;
    if (result != 1)
      break;
    resume->seq = older;
    sz = resume->source.map(resume->source.ctx, older, &bytes);
  } while (sz == -ENOENT); /* the replica has removed it meanwhile */
  if (result < 0)
  {
    (void)refuse(resume, "%s: %s", resume->snapshot_dir, strerrordesc_np(-result));
    resume->source.close(resume->source.ctx);
    resume->found = false;
    return WCX_RESUME_REFUSED;
  }
  if (result == 0)
  {
    wcx_resume_done(resume);
    resume->engine = wcx_engine_new(resume->engine_mem, resume->engine_sz, resume->limits);
    return WCX_RESUME_NONE;
  }
  if (load(resume, walk, bytes, sz))
    return WCX_RESUME_LOADED;
  empty(resume);
  return WCX_RESUME_REFUSED;
}

void wcx_resume_refuse(wcx_resume_t *resume, wcx_journal_walk_t *walk, const char *why)
{
  (void)refuse(resume, "%s", why);
  wcx_journal_walk_close(walk);
  empty(resume);
}

bool wcx_resume_first(wcx_resume_t *resume, wcx_journal_walk_t *walk)
{
  if (!open_walk(resume, walk, NULL))
    return false;
  if (walk->chain.next_seq == 1)
    return true;
  uint64_t first = walk->chain.next_seq;
  wcx_journal_walk_close(walk);
  return refuse(resume, "it begins at input %" PRIu64 " and no snapshot before that is good: bring back the older segments from the archive, or a snapshot from another member",
                first);
}

void wcx_resume_done(wcx_resume_t *resume)
{
  if (resume->found)
    resume->source.close(resume->source.ctx);
  resume->found = false;
}

void wcx_resume_ahead(const wcx_engine_t *engine, const wcx_journal_walk_t *walk, uint32_t *left)
{
  if (*left > 0)
  {
    (*left)--;
    return;
  }
  const wcx_record_hdr_t *hdrs[AHEAD];
  wcx_engine_input_t inputs[AHEAD];
  uint32_t cnt = wcx_journal_walk_ahead(walk, hdrs, AHEAD);
  for (uint32_t i = 0; i < cnt; i++)
    inputs[i] = (wcx_engine_input_t){.hdr = hdrs[i], .body = hdrs[i] + 1};
  wcx_engine_prefetch(engine, inputs, cnt);
  *left = cnt == 0 ? 0 : cnt - 1;
}
