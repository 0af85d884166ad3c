#include "persist/replica.h"

#include "engine/limits.h"
#include "engine/window.h"
#include "persist/overrides.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>

#define RETRY_NS UINT64_C(5000000000) /* after a snapshot that could not be written, or overrides whose signatures were not found good */
#define BLIND_NS UINT64_C(1000000000) /* what is durable can be read at once; a page that was read while it was written may be stale for a moment */

static uint64_t load(const _Atomic uint64_t *word)
{
  return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)word, memory_order_acquire); /* pairs with the release of the word's owner, see region.h */
}

static void store(_Atomic uint64_t *word, uint64_t value)
{
  atomic_store_explicit(word, value, memory_order_release); /* pairs with whoever believes what it says: retention, tools */
}

static __attribute__((format(printf, 2, 3))) uint32_t halt(wcx_replica_t *replica, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  vsnprintf(replica->text, sizeof(replica->text), fmt, args);
  va_end(args);
  replica->phase = WCX_REPLICA_HALTED;
  store(&replica->config.shared->replica.halted, 1);
  return 1;
}

static __attribute__((format(printf, 2, 3))) void alarm_of(wcx_replica_t *replica, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  vsnprintf(replica->said, sizeof(replica->said), fmt, args);
  va_end(args);
}

static uint64_t durable_seq(const wcx_replica_t *replica)
{
  return wcx_release_seq(load(&replica->config.shared->release.release_word));
}

/* --- memory ------------------------------------------------------------------------------------------- */

typedef struct parts
{
  size_t engine, second, image, log, outputs, chunk, walk_buf, end;
} parts_t;

static parts_t parts_of(const wcx_params_shard_t *shard)
{
  wcx_engine_limits_t limits = wcx_engine_limits_of(shard, 1);
  size_t engine_sz = wcx_snapshot_round(wcx_engine_footprint(&limits));
  parts_t parts = {.engine = 0};
  parts.second = parts.engine + engine_sz;
  parts.image = parts.second + engine_sz;
  parts.log = parts.image + wcx_take_image_max(&limits);
  parts.outputs = parts.log + shard->outlog_sz;
  parts.chunk = parts.outputs + wcx_snapshot_round(wcx_outputs_footprint(shard->outlog_sz, shard->sessions_max));
  parts.walk_buf = parts.chunk + WCX_TAKE_CHUNK_SZ;
  parts.end = parts.walk_buf + WCX_JOURNAL_WALK_BUF_SZ;
  return parts;
}

size_t wcx_replica_footprint(const wcx_params_shard_t *shard)
{
  return parts_of(shard).end;
}

void wcx_replica_init(wcx_replica_t *replica, const wcx_replica_config_t *config, void *mem)
{
  uint8_t *at = mem;
  parts_t parts = parts_of(config->shard);
  *replica = (wcx_replica_t){.config = *config, .limits = wcx_engine_limits_of(config->shard, 1), .phase = WCX_REPLICA_WAIT};
  WCX_CHECK(config->keep >= 2 && config->keep <= WCX_REPLICA_KEEP_MAX, "%u snapshots to keep", config->keep);
  replica->engine_mem = at + parts.engine;
  replica->engine_sz = wcx_engine_footprint(&replica->limits);
  replica->walk_buf = at + parts.walk_buf;
  replica->outputs_mem = at + parts.outputs;
  replica->log_mem = at + parts.log;
  wcx_take_place_t place = {.disk = config->disk,
                            .limits = &replica->limits,
                            .chunk = at + parts.chunk,
                            .image = at + parts.image,
                            .image_sz = wcx_take_image_max(&replica->limits),
                            .second = at + parts.second,
                            .bytes_per_s = config->bytes_per_s};
  wcx_take_init(&replica->take, &place);
  wcx_region_replica_t *shared = &config->shared->replica;
  store(&shared->keep_segment, 0); /* first: what an earlier process knew is not known now */
  store(&shared->applied_seq, 0);
  store(&shared->digest_seq, 0);
  store(&shared->snapshot_seq, 0);
  store(&shared->snapshots, 0);
  store(&shared->halted, 0);
}

/* --- which snapshots are kept ------------------------------------------------------------------------- */

/* The lowest place that a sink has told; UINT64_MAX: nobody waits. *known: all of them have. */
static uint64_t sinks_have(wcx_replica_t *replica, bool *known)
{
  static const char *const names[WCX_SINK_KINDS] = {"PostgreSQL", "Redis"};
  uint64_t applied = wcx_engine_applied_seq(replica->engine);
  uint64_t have = UINT64_MAX;
  *known = true;
  for (uint32_t kind = 0; kind < WCX_SINK_KINDS; kind++)
  {
    uint32_t bit = 1u << kind;
    if ((replica->config.sinks & bit) == 0)
      continue;
    uint64_t held = load(&replica->config.shared->sinks[kind].held_seq); /* pairs with the sink's release */
    uint64_t from = held != 0 ? held : replica->hold_from_seq;
    bool late = applied > from && applied - from > replica->config.hold_inputs_max;
    if (late && (replica->let_go & bit) == 0)
      alarm_of(replica, "the sink of %s is %" PRIu64 " inputs behind: the journal is kept for it no longer", names[kind], applied - from);
    replica->let_go = late ? replica->let_go | bit : replica->let_go & ~bit;
    if (late)
      continue;
    *known = *known && held != 0;
    have = held < have ? held : have;
  }
  return have;
}

/* Newest first: as many as are wanted, and the newest of the others from which a sink can be served. */
static void prune_kept(wcx_replica_t *replica)
{
  bool known;
  uint64_t have = sinks_have(replica, &known);
  if (!known || replica->kept_cnt <= replica->config.keep)
    return;
  uint32_t cnt = replica->config.keep;
  for (uint32_t i = 0; have != UINT64_MAX && i < replica->kept_cnt; i++)
    if (replica->kept[i].seq <= have)
    {
      if (i >= cnt)
        replica->kept[cnt++] = replica->kept[i];
      break;
    }
  replica->kept_cnt = cnt;
}

static void publish_kept(wcx_replica_t *replica)
{
  wcx_region_replica_t *shared = &replica->config.shared->replica;
  uint64_t keep_segment = replica->kept_cnt < 2 ? 0 : UINT64_MAX; /* with one alone a flipped bit would leave none */
  for (uint32_t i = 0; i < replica->kept_cnt; i++)
    keep_segment = replica->kept[i].segment_no < keep_segment ? replica->kept[i].segment_no : keep_segment;
  bool known;
  if (replica->kept_cnt > 0 && sinks_have(replica, &known) < replica->kept[replica->kept_cnt - 1].seq)
    keep_segment = 0; /* from the first input on, or from what will be known soon */
  store(&shared->snapshot_seq, replica->kept_cnt > 0 ? replica->kept[0].seq : 0);
  store(&shared->keep_segment, keep_segment);
}

/* Whether the journal goes on where an older snapshot ends. Read into the buffer of takings, of which there is none yet: the walk that is open keeps its own. */
static bool continued(const wcx_replica_t *replica, const wcx_snapshot_file_t *hdr, char *err, size_t err_sz)
{
  wcx_journal_source_t source;
  if (memcmp(hdr->journal_id, replica->walk.super.journal_id, sizeof(hdr->journal_id)) != 0)
  {
    snprintf(err, err_sz, "it is of another journal");
    return false;
  }
  if (wcx_journal_source_open(&source, replica->config.journal_dir, err, err_sz) != WCX_JOURNAL_OPEN_OK)
    return false;
  static_assert(WCX_TAKE_CHUNK_SZ >= WCX_JOURNAL_WALK_BUF_SZ, "it serves a walk");
  wcx_journal_walk_t walk;
  wcx_journal_anchor_t anchor;
  wcx_journal_block_t block;
  const uint8_t *body;
  wcx_snapshot_anchor_give(&hdr->anchor, hdr->shard, &anchor);
  bool opened = wcx_journal_walk_over_at(&walk, &source, replica->take.place.chunk, &anchor, err, err_sz) == WCX_JOURNAL_OPEN_OK;
  bool goes_on = opened && wcx_journal_walk_next_block(&walk, &block, &body) == 1;
  if (opened && !goes_on)
    snprintf(err, err_sz, "the journal does not go on from it");
  wcx_journal_walk_close(&walk);
  return goes_on;
}

/* Those older than the newest, as many as are kept, and with sinks as many as there are: they count when a start could begin with them if the newest were lost. */
static void look_at_older(wcx_replica_t *replica, wcx_snapshot_source_t *source)
{
  uint64_t seq = replica->kept_cnt > 0 ? replica->kept[0].seq : 0;
  uint32_t max = replica->config.sinks != 0 ? WCX_REPLICA_KEPT_MAX : replica->config.keep;
  while (replica->kept_cnt > 0 && replica->kept_cnt < max && source->older(source->ctx, seq, &seq) == 1)
  {
    const uint8_t *bytes;
    wcx_snapshot_file_t hdr;
    char err[320] = "it cannot be read";
    int64_t sz = source->map(source->ctx, seq, &bytes);
    if (sz > 0 && wcx_snapshot_check(bytes, (uint64_t)sz, &hdr, err, sizeof(err)) && continued(replica, &hdr, err, sizeof(err)))
      replica->kept[replica->kept_cnt++] = (wcx_replica_kept_t){.seq = hdr.seq, .segment_no = hdr.anchor.segment_no};
    else
      alarm_of(replica, "snapshot %" PRIu64 " does not count as one to begin with: %s", seq, err);
    source->unmap(source->ctx);
  }
}

typedef struct sweep
{
  wcx_replica_t *replica;
  uint64_t oldest; /* what is older goes, but for what is kept for a sink */
  uint64_t found;  /* one that is; 0: none */
} sweep_t;

static void visit(void *ctx, const char *name)
{
  sweep_t *sweep = ctx;
  uint64_t seq;
  if (!wcx_snapshot_file_seq(name, &seq) || seq >= sweep->oldest)
    return;
  for (uint32_t i = 0; i < sweep->replica->kept_cnt; i++)
    if (sweep->replica->kept[i].seq == seq)
      return;
  sweep->found = seq;
}

/* Two newer ones are durable and good before one goes. */
static void remove_older(wcx_replica_t *replica)
{
  if (replica->kept_cnt < replica->config.keep)
    return;
  sweep_t sweep = {.replica = replica, .oldest = replica->kept[replica->config.keep - 1].seq};
  bool any = false;
  for (;;)
  {
    sweep.found = 0;
    char name[WCX_SNAPSHOT_FILE_NAME_SZ];
    if (wcx_disk_list(replica->config.disk, visit, &sweep) < 0 || sweep.found == 0)
      break;
    wcx_snapshot_file_name(name, sweep.found);
    if (wcx_disk_remove(replica->config.disk, name) < 0)
    {
      alarm_of(replica, "cannot remove %s", name);
      break;
    }
    any = true;
  }
  if (any && wcx_disk_sync_dir(replica->config.disk) < 0) /* what comes back after a crash is removed again */
    alarm_of(replica, "the removal of older snapshots may not be durable");
}

/* --- wait and load ------------------------------------------------------------------------------------ */

static uint32_t step_wait(wcx_replica_t *replica, uint64_t now_ns)
{
  const wcx_region_shard_t *shared = replica->config.shared;
  if (load(&shared->handshake.ready) == 0 || durable_seq(replica) == 0 || now_ns < replica->retry_ns)
    return 0;
  replica->resume = (wcx_resume_t){.snapshot_dir = replica->config.snapshot_dir,
                                   .journal_dir = replica->config.journal_dir,
                                   .limits = &replica->limits,
                                   .engine_mem = replica->engine_mem,
                                   .engine_sz = replica->engine_sz,
                                   .walk_buf = replica->walk_buf,
                                   .last_seq = durable_seq(replica)};
  replica->phase = WCX_REPLICA_LOAD;
  return 1;
}

static void make_window(wcx_replica_t *replica)
{
  wcx_outlog_init(&replica->log, replica->log_mem, replica->config.shard->outlog_sz);
  wcx_outputs_init(&replica->retained, replica->outputs_mem, replica->config.shard->sessions_max, &replica->log, replica->engine);
}

/* wcx-controld looks once a second: one that was just made has its signatures found soon. */
static uint32_t wait_for_signatures(wcx_replica_t *replica, uint64_t now_ns)
{
  alarm_of(replica, "%.200s/" WCX_JOURNAL_OVERRIDES_NAME " holds %u overrides whose signatures wcx-controld has not found good (see its log): nothing is applied before it has",
           replica->config.journal_dir, replica->walk.overrides.cnt);
  wcx_journal_walk_close(&replica->walk);
  replica->kept_cnt = 0;
  replica->genesis_seq = 0;
  replica->retry_ns = now_ns + RETRY_NS;
  replica->phase = WCX_REPLICA_WAIT;
  return 1;
}

static uint32_t begin_following(wcx_replica_t *replica, uint64_t now_ns)
{
  if (!wcx_overrides_signed(replica->config.shared, &replica->walk.overrides))
    return wait_for_signatures(replica, now_ns);
  replica->retry_ns = 0;
  replica->walking = true;
  replica->phase = WCX_REPLICA_FOLLOW;
  replica->due_ns = now_ns + replica->config.every_ns;
  replica->hold_from_seq = wcx_engine_applied_seq(replica->engine);
  publish_kept(replica);
  store(&replica->config.shared->replica.applied_seq, wcx_engine_applied_seq(replica->engine));
  return 1;
}

static uint32_t step_load(wcx_replica_t *replica, uint64_t now_ns)
{
  wcx_resume_t *resume = &replica->resume;
  switch (wcx_resume_next(resume, &replica->walk))
  {
  case WCX_RESUME_LOADED:
    replica->engine = resume->engine;
    make_window(replica);
    if (!wcx_outputs_load(&replica->retained, &resume->hdr, resume->streams, resume->window))
    {
      wcx_resume_refuse(resume, &replica->walk, "its streams are not those of this configuration");
      break;
    }
    replica->genesis_seq = resume->hdr.genesis_seq;
    replica->kept[0] = (wcx_replica_kept_t){.seq = resume->hdr.seq, .segment_no = resume->hdr.anchor.segment_no};
    replica->kept_cnt = 1;
    look_at_older(replica, &resume->source);
    wcx_resume_done(resume);
    return begin_following(replica, now_ns);
  case WCX_RESUME_NONE:
    if (!wcx_resume_first(resume, &replica->walk))
      return halt(replica, "%s", resume->text);
    replica->engine = resume->engine;
    make_window(replica);
    return begin_following(replica, now_ns);
  case WCX_RESUME_REFUSED:
    if (resume->beyond)
      return halt(replica,
                  "snapshot %" PRIu64 " goes further than the journal, which ends at input %" PRIu64
                  ": acknowledged inputs are missing. Restore the journal from where they are (archive, newest backup), or move the snapshots away",
                  resume->seq, resume->last_seq);
    break;
  }
  alarm_of(replica, "snapshot %" PRIu64 " cannot be used, trying the next older: %s", resume->seq, resume->text);
  return 1;
}

/* --- digests ------------------------------------------------------------------------------------------ */

static void note_mark(wcx_replica_t *replica, uint64_t seq)
{
  wcx_digest_t output = wcx_engine_output_digest(replica->engine);
  wcx_digest_t state = wcx_engine_state_digest(replica->engine);
  replica->marks[seq / WCX_DIGEST_MARK_EVERY % WCX_DIGEST_MARK_MAX] =
      (wcx_digest_mark_t){.seq = seq, .output_lo = output.lo, .output_hi = output.hi, .state_lo = state.lo, .state_hi = state.hi};
}

/* What the live engine has published since. Its marks are of released inputs, so each is compared once both have come there. */
static uint32_t compare_marks(wcx_replica_t *replica)
{
  const wcx_digest_marks_t *live = &replica->config.shared->marks;
  uint64_t applied = wcx_engine_applied_seq(replica->engine);
  uint64_t cnt = load(&live->cnt);
  uint32_t done = 0;
  if (cnt - replica->mark_next > WCX_DIGEST_MARK_MAX / 2)
    replica->mark_next = cnt - WCX_DIGEST_MARK_MAX / 2; /* far enough from the one that is overwritten next */
  for (; replica->mark_next < cnt; replica->mark_next++)
  {
    wcx_digest_mark_t theirs = live->marks[replica->mark_next % WCX_DIGEST_MARK_MAX];
    if (load(&live->cnt) - replica->mark_next >= WCX_DIGEST_MARK_MAX)
      break; /* overwritten meanwhile: the next call moves on */
    if (theirs.seq > applied)
      break;
    const wcx_digest_mark_t *ours = &replica->marks[theirs.seq / WCX_DIGEST_MARK_EVERY % WCX_DIGEST_MARK_MAX];
    if (ours->seq != theirs.seq)
      continue; /* from before the snapshot this process began with */
    if (memcmp(ours, &theirs, sizeof(theirs)) != 0)
      return halt(replica,
                  "at input %" PRIu64 " the live engine's output digest is %016" PRIx64 "%016" PRIx64 " and its state digest %016" PRIx64 "%016" PRIx64
                  "; the journal gives %016" PRIx64 "%016" PRIx64 " and %016" PRIx64 "%016" PRIx64 ": stop trading, keep journal and snapshots, run wcxctl journal verify",
                  theirs.seq, theirs.output_hi, theirs.output_lo, theirs.state_hi, theirs.state_lo, ours->output_hi, ours->output_lo, ours->state_hi, ours->state_lo);
    store(&replica->config.shared->replica.digest_seq, theirs.seq);
    done++;
  }
  return done;
}

/* --- follow ------------------------------------------------------------------------------------------- */

static void apply(wcx_replica_t *replica, const wcx_record_hdr_t *hdr, const uint8_t *body)
{
  wcx_engine_t *engine = replica->engine;
  wcx_outputs_prepare(&replica->retained, wcx_engine_output_bound(engine, hdr, body));
  uint64_t feed_number = wcx_engine_feed_next_number(engine);
  wcx_engine_apply(engine, hdr, body, &replica->log);
  if (hdr->template_id == WCX_TEMPLATE_DAY_ROLL)
    wcx_outputs_rolled(&replica->retained, engine, feed_number);
  else
    wcx_outputs_applied(&replica->retained);
  if ((hdr->flags & WCX_RECORD_F_GENESIS) != 0 && replica->genesis_seq + 1 == hdr->seq)
    replica->genesis_seq = hdr->seq;
  if (hdr->seq % WCX_DIGEST_MARK_EVERY == 0)
    note_mark(replica, hdr->seq);
}

static bool due(const wcx_replica_t *replica, uint64_t now_ns)
{
  uint64_t applied = wcx_engine_applied_seq(replica->engine);
  uint64_t since = applied - (replica->kept_cnt > 0 ? replica->kept[0].seq : 0);
  if (now_ns < replica->retry_ns || since == 0)
    return false;
  bool asked = replica->asked != load(&replica->config.shared->replica.take_answered) && applied >= replica->asked_seq;
  return since >= replica->config.every_inputs || now_ns >= replica->due_ns || asked;
}

static void begin_taking(wcx_replica_t *replica, uint64_t now_ns)
{
  bool answers = wcx_engine_applied_seq(replica->engine) >= replica->asked_seq;
  replica->answers = answers ? replica->asked : load(&replica->config.shared->replica.take_answered);
  wcx_snapshot_file_t hdr = {.shard = replica->limits.shard, .genesis_seq = replica->genesis_seq};
  memcpy(hdr.journal_id, replica->walk.super.journal_id, sizeof(hdr.journal_id));
  wcx_journal_anchor_t anchor;
  wcx_journal_walk_anchor(&replica->walk, &anchor);
  wcx_snapshot_anchor_keep(&hdr.anchor, &anchor);
  wcx_take_begin(&replica->take, replica->engine, &replica->retained, &hdr, now_ns);
  replica->phase = WCX_REPLICA_TAKE;
}

static uint32_t step_follow(wcx_replica_t *replica, uint64_t now_ns)
{
  wcx_region_replica_t *shared = &replica->config.shared->replica;
  uint64_t asked = load(&shared->take_asked);
  uint64_t durable = durable_seq(replica);
  if (asked != replica->asked)
    replica->asked_seq = durable;
  replica->asked = asked;
  uint64_t applied = wcx_engine_applied_seq(replica->engine);
  uint32_t work = 0;
  uint32_t ahead = 0;
  bool take = wcx_journal_walk_at_block_end(&replica->walk) && due(replica, now_ns);
  for (; !take && work < WCX_REPLICA_BATCH && applied < durable; work++, applied++)
  {
    uint64_t epoch;
    wcx_record_hdr_t hdr;
    const uint8_t *body;
    wcx_resume_ahead(replica->engine, &replica->walk, &ahead);
    int got = wcx_journal_walk_next(&replica->walk, &epoch, &hdr, &body);
    bool early = got == 0 || replica->walk.end.facts.place == WCX_JOURNAL_PLACE_ROTTEN; /* both may be a read beside the write */
    if (got < 0 && !early)
      return halt(replica, "after input %" PRIu64 ", %" PRIu64 " being durable: %.400s", applied, durable, replica->walk.text);
    if (got <= 0)
    {
      replica->blind_ns = replica->blind_ns == 0 ? now_ns : replica->blind_ns;
      if (now_ns - replica->blind_ns > BLIND_NS)
        return halt(replica, "input %" PRIu64 " is durable, and the journal ends at input %" PRIu64 ": run wcxctl journal verify. %.200s", durable, applied, replica->walk.text);
      break;
    }
    replica->blind_ns = 0;
    apply(replica, &hdr, body);
    take = wcx_journal_walk_at_block_end(&replica->walk) && due(replica, now_ns);
  }
  if (work > 0)
    store(&shared->applied_seq, applied);
  work += compare_marks(replica);
  if (replica->phase == WCX_REPLICA_HALTED)
    return 1;
  if (take)
    begin_taking(replica, now_ns);
  else if (replica->kept_cnt > 0 && replica->kept[0].seq >= replica->asked_seq)
    store(&shared->take_answered, replica->asked); /* what is asked for is there */
  return work + take;
}

/* --- take --------------------------------------------------------------------------------------------- */

static void taken(wcx_replica_t *replica)
{
  wcx_region_replica_t *shared = &replica->config.shared->replica;
  if (replica->kept_cnt == WCX_REPLICA_KEPT_MAX)
  {
    replica->kept[WCX_REPLICA_KEPT_MAX - 2] = replica->kept[WCX_REPLICA_KEPT_MAX - 1]; /* the oldest serves whom the one before it would */
    replica->kept_cnt--;
  }
  memmove(replica->kept + 1, replica->kept, replica->kept_cnt * sizeof(replica->kept[0]));
  replica->kept[0] = (wcx_replica_kept_t){.seq = replica->take.hdr.seq, .segment_no = replica->take.hdr.anchor.segment_no};
  replica->kept_cnt++;
  prune_kept(replica);
  remove_older(replica);
  publish_kept(replica);
  store(&shared->snapshots, load(&shared->snapshots) + 1);
  store(&shared->snapshot_ns, replica->take.took_ns);
  store(&shared->take_answered, replica->answers);
  replica->due_ns = replica->take.begun_ns + replica->config.every_ns;
  replica->phase = WCX_REPLICA_FOLLOW;
}

static uint32_t step_take(wcx_replica_t *replica, uint64_t now_ns)
{
  uint32_t work = wcx_take_step(&replica->take, now_ns);
  if (replica->take.done)
    taken(replica);
  else if (replica->take.failed)
  {
    alarm_of(replica, "the snapshot at input %" PRIu64 " was not taken: %s", replica->take.hdr.seq, replica->take.text);
    replica->retry_ns = now_ns + RETRY_NS;
    replica->phase = WCX_REPLICA_FOLLOW;
  }
  return work;
}

uint32_t wcx_replica_step(wcx_replica_t *replica, uint64_t now_ns)
{
  switch (replica->phase)
  {
  case WCX_REPLICA_WAIT:
    return step_wait(replica, now_ns);
  case WCX_REPLICA_LOAD:
    return step_load(replica, now_ns);
  case WCX_REPLICA_FOLLOW:
    return step_follow(replica, now_ns);
  case WCX_REPLICA_TAKE:
    return step_take(replica, now_ns);
  default:
    return 0;
  }
}

void wcx_replica_close(wcx_replica_t *replica)
{
  if (replica->walking)
    wcx_journal_walk_close(&replica->walk);
  replica->walking = false;
  wcx_resume_done(&replica->resume);
}
