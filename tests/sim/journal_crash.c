#include "tests/sim/journal_crash.h"

#include "engine/base/check.h"
#include "persist/journal.h"
#include "tests/sim/disk_sim.h"
#include "tests/sim/env_sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#define DIR "sim/shard-00003"
#define SHARD 3u
#define SLOT_MAX 256u
#define SEGMENT_SZ (256u << 10)
#define RECORDS_MAX 100000u

enum death
{
  KILL_WORKER = 0,
  KILL_DATAPLANE = 1,
  KILL_BOTH = 2,
  POWER_LOSS = 3,
};

static struct
{
  wcx_journal_t *journal;
  wcx_region_shard_t *shared;
  wcx_jring_producer_t producer;
  uint64_t end_pos[SLOT_MAX];
  bool worker_lives;
  bool dataplane_serves; /* else it waits for its answer */
  uint64_t stamp_ns;
  uint64_t nonce;
  uint64_t written[RECORDS_MAX]; /* nonce of each record of the present lineage, by seq */
  uint64_t last_seq;             /* of it */
  uint64_t released;             /* highest release ever seen */
  uint64_t let_go;               /* highest segment up to which replica and keeper have ever let go, exclusive */
  bool failed;
  char text[600];
  wcx_journal_crash_counts_t *counts;
} run;

static void failure(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void failure(const char *fmt, ...)
{
  if (run.failed)
    return;
  va_list args;
  va_start(args, fmt);
  vsnprintf(run.text, sizeof(run.text), fmt, args);
  va_end(args);
  run.failed = true;
}

static void fresh_region(void)
{
  memset(run.shared, 0, wcx_region_shard_footprint(SLOT_MAX));
  run.shared->jring.slot_max = SLOT_MAX;
}

/* --- the data plane ------------------------------------------------------------------------------- */

static uint16_t body_of(uint64_t nonce, uint8_t body[WCX_RECORD_BODY_SZ_MAX])
{
  uint16_t sz = (uint16_t)(8 + nonce * 2654435761u % (nonce % 5 == 0 ? WCX_RECORD_BODY_SZ_MAX - 8 : 100));
  for (uint16_t i = 0; i < sz; i++)
    body[i] = (uint8_t)(nonce >> (8 * (i % 8)));
  return sz;
}

static void read_release(void)
{
  uint64_t seq = wcx_release_seq(atomic_load(&run.shared->release.release_word));
  if (seq > run.last_seq)
    failure("released %" PRIu64 ", but only %" PRIu64 " was written", seq, run.last_seq);
  if (seq > run.released)
  {
    run.counts->released += seq - run.released;
    run.released = seq;
  }
}

static void commit_some(void)
{
  uint64_t release_seq = wcx_release_seq(atomic_load(&run.shared->release.release_word));
  for (uint64_t cnt = wcx_sim_below(wcx_sim_chance(20) ? 120 : 6); cnt > 0 && run.last_seq + 1 < RECORDS_MAX; cnt--)
  {
    if (wcx_jring_room(&run.producer, release_seq) < WCX_JRING_RECORD_SLOTS_MAX)
      return;
    uint8_t body[WCX_RECORD_BODY_SZ_MAX];
    uint64_t nonce = ++run.nonce;
    uint16_t sz = body_of(nonce, body);
    uint64_t seq = run.producer.next_seq;
    wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .template_id = 1, .shard = SHARD, .seq = seq, .stamp_ns = ++run.stamp_ns, .body_sz = sz};
    run.written[seq] = nonce;
    run.last_seq = seq;
    wcx_jring_commit(&run.producer, &hdr, body);
  }
}

/* Everything up to `last_seq` as the model has it. */
static void check_walk(void)
{
  static _Alignas(WCX_JOURNAL_ALIGN) uint8_t buf[WCX_JOURNAL_WALK_BUF_SZ]; /* a crash leaves from within */
  wcx_journal_walk_t walk;
  wcx_journal_source_t source;
  char err[WCX_JOURNAL_TEXT_SZ];
  if (wcx_journal_source_open(&source, DIR, err, sizeof(err)) != WCX_JOURNAL_OPEN_OK || wcx_journal_walk_over(&walk, &source, buf, err, sizeof(err)) != WCX_JOURNAL_OPEN_OK)
  {
    failure("no walk: %s", err);
    return;
  }
  uint64_t epoch;
  wcx_record_hdr_t hdr;
  const uint8_t *body;
  uint64_t seq = walk.super.first_segment_no > 1 ? walk.super.start.next_seq - 1 : 0;
  if (walk.super.first_segment_no > 1 && walk.super.first_segment_no > run.let_go)
    failure("removed: the journal begins at segment %" PRIu64 ", only those before %" PRIu64 " were let go", walk.super.first_segment_no, run.let_go);
  if (walk.super.first_segment_no > 1)
    run.counts->trimmed++;
  int result;
  while ((result = wcx_journal_walk_next(&walk, &epoch, &hdr, &body)) == 1)
  {
    uint8_t wanted[WCX_RECORD_BODY_SZ_MAX];
    seq++;
    if (seq > run.last_seq)
    {
      failure("phantom: seq %" PRIu64 " is there, %" PRIu64 " were written", seq, run.last_seq);
      break;
    }
    uint16_t sz = body_of(run.written[seq], wanted);
    if (hdr.seq != seq || hdr.body_sz != sz || memcmp(body, wanted, sz) != 0)
    {
      failure("%s: seq %" PRIu64 " is not what was written last", seq <= run.released ? "lost" : "phantom", seq);
      break;
    }
  }
  if (result < 0)
    failure("walk: %s", walk.text);
  if (seq < run.released)
    failure("lost: seq %" PRIu64 " was released, the journal ends at %" PRIu64, run.released, seq);
  run.last_seq = seq;
}

static void dataplane_dies(void)
{
  run.dataplane_serves = false;
  atomic_fetch_add(&run.shared->handshake.asked, 1); /* and the new one asks at once */
}

static void dataplane_step(void)
{
  wcx_region_handshake_t *handshake = &run.shared->handshake;
  if (run.dataplane_serves)
  {
    commit_some();
    return;
  }
  if (atomic_load(&handshake->answered) != atomic_load(&handshake->asked))
    return;
  if (wcx_sim_chance(50)) /* it takes its time between the answer and the cleared ring */
    return;
  uint64_t cut_seq = atomic_load(&handshake->cut_seq);
  check_walk();
  if (cut_seq != run.last_seq)
    failure("cut at %" PRIu64 ", the journal ends at %" PRIu64, cut_seq, run.last_seq);
  if (atomic_load(&run.shared->release.epoch) != atomic_load(&handshake->granted_epoch))
    failure("the release word is not under the granted epoch");
  wcx_jring_producer_init(&run.producer, &run.shared->jring, run.end_pos, cut_seq);
  run.dataplane_serves = true;
}

/* --- the worker ----------------------------------------------------------------------------------- */

static void worker_start(void)
{
  wcx_journal_config_t config = {.dir = DIR,
                                 .shard = SHARD,
                                 .segment_sz = SEGMENT_SZ,
                                 .segments_ahead = 1,
                                 .lock_timeout_ns = 0,
                                 .eager_lanes = 1 + (uint32_t)wcx_sim_below(4),
                                 .anchor_span = 4096u << wcx_sim_below(7)};
  if (wcx_journal_open(run.journal, &config, run.shared) < 0)
  {
    failure("the worker refuses to start: %s", run.journal->text);
    return;
  }
  run.worker_lives = true;
  run.counts->cuts += run.journal->recovered.cut;
  run.counts->discarded += run.journal->recovered.discarded;
  run.counts->anchored += run.journal->recovered.anchored;
}

/* Replica and keeper: let go of any closed segment. */
static void let_go(void)
{
  uint64_t closed = atomic_load(&run.shared->segments.closed_segment);
  if (closed == 0)
    return;
  uint64_t keep = 1 + wcx_sim_below(closed + 1);
  atomic_store(&run.shared->replica.keep_segment, keep);
  atomic_store(&run.shared->keeper.archived_segment, closed);
  if (keep > run.let_go)
    run.let_go = keep;
}

static void orderly_end(void)
{
  wcx_journal_close(run.journal);
  run.worker_lives = false;
}

static void worker_step(void)
{
  if (!run.worker_lives)
    worker_start();
  else if (wcx_sim_chance(1))
    let_go();
  else if (wcx_sim_chance(30))
    wcx_journal_prepare_step(run.journal);
  else if (wcx_sim_chance(5))
    wcx_journal_vouch(run.journal);
  else if (wcx_sim_chance(1) && wcx_journal_vouch_end(run.journal) == 0)
    orderly_end();
  else
    wcx_journal_step(run.journal, wcx_env_mono_ns());
  if (run.worker_lives && run.journal->halted)
    failure("halted: %s", run.journal->text);
}

/* --- one seed --------------------------------------------------------------------------------------- */

static void die(enum death death)
{
  run.counts->crashes++;
  if (death != KILL_DATAPLANE)
  {
    run.worker_lives = false;
    if (death == POWER_LOSS)
      wcx_sim_disk_power_loss(DIR);
    else
      wcx_sim_disk_kill(DIR);
  }
  if (death == POWER_LOSS)
  {
    run.counts->power_losses++;
    fresh_region();
  }
  if (death != KILL_WORKER)
    dataplane_dies();
}

static void play_until_crash(void)
{
  static jmp_buf crash;
  static enum death death; /* static: survives the jump */
  death = (enum death)wcx_sim_below(4);
  uint64_t steps = 1 + wcx_sim_below(wcx_sim_chance(50) ? 40 : 400);
  if (setjmp(crash) == 0)
  {
    if (wcx_sim_chance(70)) /* within a step; else between two, after `steps` */
      wcx_sim_crash_arm(&crash, 1 + wcx_sim_below(wcx_sim_chance(50) ? 30 : 300));
    while (steps-- > 0 && !run.failed)
    {
      wcx_sim_advance_ns(1000);
      if (wcx_sim_chance(40))
        dataplane_step();
      else
        worker_step();
      read_release();
    }
  }
  else if (death == KILL_DATAPLANE) /* the worker was in the middle of a step and cannot go on */
    death = KILL_WORKER;
  wcx_sim_crash_disarm();
  read_release();
  die(death);
}

/* Let everything come to rest, then look. */
static void settle(void)
{
  for (uint32_t i = 0; i < 2000 && !run.failed; i++)
  {
    worker_step();
    if (!run.dataplane_serves)
      dataplane_step();
    read_release();
    if (run.worker_lives && run.dataplane_serves && wcx_journal_idle(run.journal))
      break;
  }
  if (run.failed)
    return;
  check_walk();
  if (run.released != run.last_seq)
    failure("at rest %" PRIu64 " is released, %" PRIu64 " written", run.released, run.last_seq);
}

const char *wcx_journal_crash_run(uint64_t seed, uint32_t crash_cnt, wcx_journal_crash_counts_t *counts)
{
  memset(&run, 0, sizeof(run));
  run.counts = counts;
  run.journal = aligned_alloc(4096, (sizeof(wcx_journal_t) + 4095) & ~(size_t)4095);
  run.shared = aligned_alloc(4096, wcx_region_shard_footprint(SLOT_MAX));
  WCX_CHECK(run.journal != NULL && run.shared != NULL, "memory");
  wcx_sim_env_reset(seed);
  wcx_sim_disk_reset();
  fresh_region();
  run.stamp_ns = 1;
  dataplane_dies();
  for (uint32_t i = 0; i < crash_cnt && !run.failed; i++)
    play_until_crash();
  if (!run.failed)
    settle();
  counts->points += wcx_sim_crash_points();
  wcx_sim_disk_reset();
  free(run.journal);
  free(run.shared);
  return run.failed ? run.text : NULL;
}
