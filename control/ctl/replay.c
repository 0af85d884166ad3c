#include "control/ctl/replay.h"

#include "engine/base/check.h"
#include "engine/resume.h"
#include "engine/shm/region_file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define OUTLOG_SZ_START (UINT64_C(1) << 20)

uint64_t wcx_ctl_limit_seq(const wcx_ctl_t *ctl, uint32_t shard)
{
  wcx_region_file_t file;
  char err[512];
  if (ctl->region[0] == '\0' || wcx_region_open(&file, ctl->region, false, err, sizeof(err)) != WCX_REGION_OK)
    return UINT64_MAX;
  uint64_t limit_seq = UINT64_MAX;
  for (uint32_t i = 0; i < file.region->shard_cnt; i++)
  {
    const wcx_region_shard_t *at = wcx_region_shard(file.region, i);
    bool ours = file.region->params.shards[i].shard == shard && wcx_ctl_same_dir(file.region->params.state_dir, ctl->state_dir);
    if (!ours || !wcx_region_alive(&file, WCX_REGION_LOCK_JOURNAL + i) || atomic_load_explicit(&at->handshake.ready, memory_order_acquire) == 0)
      continue;
    limit_seq = wcx_release_seq(atomic_load_explicit(&at->release.release_word, memory_order_acquire)); /* pairs with the worker's release */
  }
  wcx_region_close(&file);
  return limit_seq;
}

int wcx_ctl_walk_open(wcx_journal_walk_t *walk, const wcx_ctl_t *ctl, uint32_t shard)
{
  char dir[WCX_CTL_PATH_MAX + 64];
  char err[512];
  if (!wcx_journal_dir(dir, sizeof(dir), ctl->state_dir, shard))
    return wcx_ctl_fail(WCX_CTL_FAILED, "the path of the state directory is too long");
  switch (wcx_journal_walk_open(walk, dir, err, sizeof(err)))
  {
  case WCX_JOURNAL_OPEN_OK:
    return WCX_CTL_OK;
  case WCX_JOURNAL_OPEN_MISSING:
    return wcx_ctl_fail(WCX_CTL_FAILED, "%s: there is no journal yet", dir);
  default:
    return wcx_ctl_fail(WCX_CTL_FAILED, "%s", err);
  }
}

int wcx_ctl_last_seq(const wcx_ctl_t *ctl, uint32_t shard, uint64_t *last_seq)
{
  *last_seq = wcx_ctl_limit_seq(ctl, shard);
  if (*last_seq != UINT64_MAX)
    return WCX_CTL_OK;
  wcx_journal_walk_t walk;
  int status = wcx_ctl_walk_open(&walk, ctl, shard);
  if (status != WCX_CTL_OK)
    return status;
  wcx_journal_block_t block;
  const uint8_t *body;
  int got;
  while ((got = wcx_journal_walk_next_block(&walk, &block, &body)) == 1)
    ;
  *last_seq = walk.chain.next_seq - 1;
  if (got < 0)
    status = wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: %s", shard, walk.text);
  wcx_journal_walk_close(&walk);
  return status;
}

/* --- sizes ---------------------------------------------------------------------------------------------------------------------------------- */

/* State comes from the first input on. */
static int check_whole(const wcx_ctl_t *ctl, uint32_t shard)
{
  wcx_journal_walk_t walk = {0};
  int status = wcx_ctl_walk_open(&walk, ctl, shard);
  if (status != WCX_CTL_OK)
    return status;
  uint64_t first = walk.super.first_segment_no;
  wcx_journal_walk_close(&walk);
  if (first == 1)
    return WCX_CTL_OK;
  return wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: the segments before %llu are in the archive alone: give the archive as --state-dir", shard, (unsigned long long)first);
}

/* The engine of a tool needs room for what the journal says may exist: its Capacity record, one of the first. */
static int read_limits(const wcx_ctl_t *ctl, uint32_t shard, wcx_engine_limits_t *limits)
{
  *limits = (wcx_engine_limits_t){.shard = shard, .orders_max = 1024, .levels_max = 1024, .instruments_max = 64, .accounts_max = 64, .sessions_max = 64, .hash_key = 1};
  wcx_journal_walk_t walk;
  int status = wcx_ctl_walk_open(&walk, ctl, shard);
  if (status != WCX_CTL_OK)
    return status;
  uint64_t epoch;
  wcx_record_hdr_t hdr;
  const uint8_t *body;
  while (wcx_journal_walk_next(&walk, &epoch, &hdr, &body) == 1 && (hdr.flags & WCX_RECORD_F_GENESIS) != 0)
  {
    wcx_capacity_t capacity;
    if (hdr.template_id != WCX_TEMPLATE_CAPACITY || hdr.body_sz < sizeof(capacity))
      continue;
    memcpy(&capacity, body, sizeof(capacity));
    limits->orders_max = capacity.max_orders;
    limits->levels_max = capacity.max_levels;
    limits->instruments_max = capacity.max_instruments;
    limits->accounts_max = capacity.max_accounts;
    limits->sessions_max = capacity.max_sessions;
  }
  wcx_journal_walk_close(&walk);
  return WCX_CTL_OK;
}

static void grow(uint32_t *max, uint32_t to)
{
  *max = to > *max ? to : *max;
}

void wcx_ctl_grow_to_snapshots(const wcx_ctl_t *ctl, uint32_t shard, wcx_engine_limits_t *limits)
{
  char dir[WCX_CTL_PATH_MAX + 64];
  wcx_snapshot_source_t source;
  if (!wcx_snapshot_dir(dir, sizeof(dir), ctl->state_dir, shard) || wcx_snapshot_source_open(&source, dir) != 0)
    return;
  for (uint64_t seq = UINT64_MAX; source.older(source.ctx, seq, &seq) == 1; source.unmap(source.ctx))
  {
    const uint8_t *bytes;
    char err[160];
    wcx_snapshot_file_t hdr;
    int64_t sz = source.map(source.ctx, seq, &bytes);
    if (sz < (int64_t)WCX_SNAPSHOT_FILE_ALIGN || !wcx_snapshot_check_header(bytes, (uint64_t)sz, &hdr, err, sizeof(err)))
      continue;
    grow(&limits->orders_max, hdr.orders_max);
    grow(&limits->levels_max, hdr.levels_max);
    grow(&limits->instruments_max, hdr.instruments_max);
    grow(&limits->accounts_max, hdr.accounts_max);
    grow(&limits->sessions_max, hdr.sessions_max);
  }
  source.close(source.ctx);
}

/* --- open ----------------------------------------------------------------------------------------------------------------------------------- */

static void *map(size_t sz)
{
  void *mem = mmap(NULL, sz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return mem == MAP_FAILED ? NULL : mem;
}

/* Memory for an engine of these sizes, for the walk behind it, and for what an input says. */
static int take_memory(wcx_ctl_replay_t *replay, const wcx_engine_limits_t *limits)
{
  size_t engine_sz = wcx_engine_footprint(limits);
  replay->sz = wcx_snapshot_round(engine_sz) + WCX_JOURNAL_WALK_BUF_SZ;
  replay->mem = engine_sz == 0 ? NULL : map(replay->sz);
  void *outlog_mem = map(OUTLOG_SZ_START);
  if (outlog_mem != NULL)
    wcx_outlog_init(&replay->outlog, outlog_mem, OUTLOG_SZ_START);
  if (replay->mem != NULL && outlog_mem != NULL)
    return WCX_CTL_OK;
  return wcx_ctl_fail(WCX_CTL_FAILED, "no memory for an engine of %u orders (%zu bytes): %s", limits->orders_max, engine_sz,
                      engine_sz == 0 ? "sizes out of range" : strerror(errno));
}

int wcx_ctl_replay_open(wcx_ctl_replay_t *replay, const wcx_ctl_t *ctl, uint32_t shard)
{
  *replay = (wcx_ctl_replay_t){.shard = shard, .limit_seq = wcx_ctl_limit_seq(ctl, shard)};
  wcx_engine_limits_t limits;
  int status = check_whole(ctl, shard);
  if (status == WCX_CTL_OK)
    status = read_limits(ctl, shard, &limits);
  if (status == WCX_CTL_OK)
    status = take_memory(replay, &limits);
  if (status != WCX_CTL_OK)
    return status;
  replay->engine = wcx_engine_new(replay->mem, wcx_engine_footprint(&limits), &limits);
  return wcx_ctl_walk_open(&replay->walk, ctl, shard);
}

/* Where a replay may begin, the latest first. */
static int begin(wcx_ctl_replay_t *replay, const wcx_ctl_t *ctl, wcx_resume_t *resume, wcx_ctl_suits_t *suits)
{
  for (;;)
    switch (wcx_resume_next(resume, &replay->walk))
    {
    case WCX_RESUME_LOADED:
      if (suits == NULL || suits(resume->engine, ctl))
        return WCX_CTL_OK;
      wcx_resume_refuse(resume, &replay->walk, "what is wanted is older");
      break;
    case WCX_RESUME_REFUSED:
      if (resume->beyond)
        return wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: snapshot %llu: %s: acknowledged inputs are missing", replay->shard, (unsigned long long)resume->seq, resume->text);
      break; /* wcxctl snapshot verify says why; what is older does as well */
    case WCX_RESUME_NONE:
      if (wcx_resume_first(resume, &replay->walk))
        return WCX_CTL_OK;
      return wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: no snapshot goes back that far, and the journal: %s; or give the archive as --state-dir", replay->shard, resume->text);
    }
}

int wcx_ctl_replay_open_late(wcx_ctl_replay_t *replay, const wcx_ctl_t *ctl, uint32_t shard, wcx_ctl_suits_t *suits)
{
  *replay = (wcx_ctl_replay_t){.shard = shard};
  char journal_dir[WCX_CTL_PATH_MAX + 64];
  char snapshot_dir[WCX_CTL_PATH_MAX + 64];
  if (!wcx_journal_dir(journal_dir, sizeof(journal_dir), ctl->state_dir, shard) || !wcx_snapshot_dir(snapshot_dir, sizeof(snapshot_dir), ctl->state_dir, shard))
    return wcx_ctl_fail(WCX_CTL_FAILED, "the path of the state directory is too long");
  wcx_engine_limits_t limits;
  int status = read_limits(ctl, shard, &limits);
  wcx_ctl_grow_to_snapshots(ctl, shard, &limits);
  if (status == WCX_CTL_OK)
    status = take_memory(replay, &limits);
  const uint64_t below_living = wcx_ctl_limit_seq(ctl, shard) + 1; /* the replica may take another one now; 0: nobody does, and one beyond the journal is a finding */
  if (status == WCX_CTL_OK)
    status = wcx_ctl_last_seq(ctl, shard, &replay->limit_seq);
  if (status != WCX_CTL_OK)
    return status;
  wcx_resume_t resume = {.snapshot_dir = snapshot_dir,
                         .journal_dir = journal_dir,
                         .limits = &limits,
                         .engine_mem = replay->mem,
                         .engine_sz = wcx_engine_footprint(&limits),
                         .walk_buf = (uint8_t *)replay->mem + wcx_snapshot_round(wcx_engine_footprint(&limits)),
                         .last_seq = replay->limit_seq,
                         .below = ctl->at_cnt > 0 && ctl->at[0] < replay->limit_seq ? ctl->at[0] + 1 : below_living};
  status = begin(replay, ctl, &resume, suits);
  replay->engine = resume.engine;
  wcx_resume_done(&resume);
  return status;
}

/* --- go on ---------------------------------------------------------------------------------------------------------------------------------- */

/* Nobody reads the outputs here, so a log that is too small is simply replaced by a larger, empty one. */
static void make_room(wcx_outlog_t *log, uint64_t bound)
{
  log->sent_pos = log->write_pos;
  if (wcx_outlog_room(log) >= bound)
    return;
  uint64_t cap = log->cap;
  while (cap < bound + 65536)
    cap <<= 1;
  munmap(log->base, log->cap);
  void *mem = map(cap);
  WCX_CHECK(mem != NULL, "no memory for %llu bytes of outputs", (unsigned long long)cap);
  wcx_outlog_init(log, mem, cap);
}

int wcx_ctl_replay_step(wcx_ctl_replay_t *replay)
{
  if (wcx_engine_applied_seq(replay->engine) >= replay->limit_seq)
    return 0;
  uint64_t epoch;
  wcx_record_hdr_t hdr;
  const uint8_t *body;
  wcx_resume_ahead(replay->engine, &replay->walk, &replay->ahead);
  int got = wcx_journal_walk_next(&replay->walk, &epoch, &hdr, &body);
  if (got != 1)
    return got;
  make_room(&replay->outlog, wcx_engine_output_bound(replay->engine, &hdr, body));
  wcx_engine_apply(replay->engine, &hdr, body, &replay->outlog);
  return 1;
}

int wcx_ctl_replay_run(wcx_ctl_replay_t *replay, const wcx_ctl_t *ctl)
{
  if (ctl->at_cnt > 0 && ctl->at[0] < replay->limit_seq)
    replay->limit_seq = ctl->at[0];
  int got = wcx_ctl_replay_step(replay);
  while (got == 1)
    got = wcx_ctl_replay_step(replay);
  if (got < 0)
    return wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: %s", replay->shard, replay->walk.text);
  uint64_t seq = wcx_engine_applied_seq(replay->engine);
  if (ctl->at_cnt > 0 && seq < ctl->at[0])
    return wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: seq %llu is not there: the journal shows %llu so far", replay->shard, (unsigned long long)ctl->at[0], (unsigned long long)seq);
  return WCX_CTL_OK;
}

void wcx_ctl_replay_close(wcx_ctl_replay_t *replay)
{
  wcx_journal_walk_close(&replay->walk);
  if (replay->mem != NULL)
    munmap(replay->mem, replay->sz);
  if (replay->outlog.base != NULL)
    munmap(replay->outlog.base, replay->outlog.cap);
}
