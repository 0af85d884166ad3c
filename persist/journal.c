#include "persist/journal.h"

#include "engine/base/check.h"
#include "engine/base/env.h"
#include "engine/shm/snapshot_file.h"
#include "persist/cut.h"

#include <errno.h>
#include <inttypes.h>

#define ERROR_TEXT(errnum) strerrordesc_np(errnum)
#define BUSY_WAIT_NS 1000000u   /* writes in flight, no lane free: bound of the sleep in io_uring */
#define BATCH_WAIT_NS 200000u   /* writes in flight, a lane free for a full block: about the time in which one fills */
#define EAGER_WAIT_NS 50000u    /* writes in flight, a lane free for any block */
#define IDLE_WAIT_NS 100000000u /* nothing in flight: bound of the sleep on the doorbell */

static void set(_Atomic uint64_t *word, uint64_t value)
{
  atomic_store_explicit(word, value, memory_order_relaxed);
}

static void add(_Atomic uint64_t *word, uint64_t value)
{
  set(word, atomic_load_explicit(word, memory_order_relaxed) + value);
}

/* Stop releasing, for good. `text` is set by the caller. */
static void halt(wcx_journal_t *journal)
{
  journal->halted = true;
  atomic_store_explicit(&journal->shared->journal.halted, 1, memory_order_release);
}

/* --- release -------------------------------------------------------------------------------------- */

/* The only place that opens the gate. */
static void publish(wcx_journal_t *journal)
{
  wcx_release_t *release = &journal->shared->release;
  atomic_store_explicit(&release->flushed_seq, journal->flushed_seq, memory_order_release);
  atomic_store_explicit(&release->replicated_seq, journal->flushed_seq, memory_order_release);
  atomic_store_explicit(&release->epoch, journal->epoch, memory_order_release);
  atomic_store_explicit(&release->release_word, wcx_release_pack(journal->epoch, journal->flushed_seq), memory_order_release); /* pairs with the gate's acquire */
}

static uint64_t released_seq(const wcx_journal_t *journal)
{
  return wcx_release_seq(atomic_load_explicit(&journal->shared->release.release_word, memory_order_relaxed));
}

/* --- completions ---------------------------------------------------------------------------------- */

/* What a successor or a shortened journal can start from, now that everything before it is durable. Of the first, a later block offers another; the second
   has one place in each segment and waits for the slot. */
static void offer_anchor(wcx_journal_t *journal, const wcx_journal_lane_t *lane)
{
  wcx_journal_anchor_t anchor = lane->after;
  journal->anchor_bytes += lane->sz;
  journal->last = anchor;
  journal->owes_last = anchor.off < journal->config.segment_sz;
  if (anchor.off == journal->config.segment_sz)
  {
    anchor.segment_no++;
    anchor.off = WCX_JOURNAL_ALIGN;
    journal->first = anchor;
    journal->owes_first = true;
  }
  else if (journal->anchor_bytes >= journal->config.anchor_span && wcx_anchors_offer(&journal->anchors, &anchor))
  {
    journal->anchor_bytes = 0;
    journal->owes_last = false;
  }
  if (journal->owes_first)
    journal->owes_first = !wcx_anchors_offer(&journal->anchors, &journal->first);
}

void wcx_journal_vouch(wcx_journal_t *journal)
{
  if (journal->owes_last && journal->in_flight == 0 && !journal->halted)
    journal->owes_last = !wcx_anchors_offer(&journal->anchors, &journal->last);
}

int wcx_journal_vouch_end(wcx_journal_t *journal)
{
  int result = wcx_anchors_step(&journal->anchors); /* what may still be in the slot */
  if (result < 0 || !wcx_journal_idle(journal) || journal->halted)
    return result < 0 ? result : -EAGAIN;
  bool first = journal->off == WCX_JOURNAL_ALIGN; /* that place has a page of its own, where nobody looks for the end */
  wcx_journal_anchor_t end = {.segment_no = first ? journal->segment_no - 1 : journal->segment_no,
                              .off = first ? journal->config.segment_sz : journal->off,
                              .chain = journal->chain,
                              .incarnation = journal->incarnation,
                              .last_stamp_ns = journal->last_stamp_ns,
                              .committed_hint = journal->flushed_seq,
                              .closed = true};
  (void)wcx_anchors_offer(&journal->anchors, &end);
  result = wcx_anchors_step(&journal->anchors);
  return result < 0 ? result : 0;
}

/* Completions come in any order; the prefix grows only over lanes that are done, in turn. */
static uint32_t advance_prefix(wcx_journal_t *journal)
{
  uint32_t blocks = 0;
  uint64_t submitted = journal->chain.next_block_no - 1;
  while (journal->done_block_no < submitted)
  {
    wcx_journal_lane_t *lane = &journal->lanes[(journal->done_block_no + 1) % WCX_JOURNAL_LANES];
    if (lane->busy)
      break;
    journal->done_block_no++;
    journal->flushed_seq = lane->last_seq;
    if (lane->after.off == journal->config.segment_sz)
      atomic_store_explicit(&journal->shared->segments.closed_segment, lane->after.segment_no, memory_order_release);
    offer_anchor(journal, lane);
    add(&journal->shared->journal.blocks, 1);
    add(&journal->shared->journal.records, lane->count);
    add(&journal->shared->journal.bytes, lane->sz);
    blocks++;
  }
  if (blocks > 0)
    atomic_store_explicit(&journal->shared->segments.durable_block, journal->done_block_no, memory_order_release); /* pairs with the keeper's acquire */
  if (blocks > 0 && !journal->granting)
  {
    wcx_env_crash_point("journal.release");
    publish(journal);
    wcx_env_crash_point("journal.released");
  }
  return blocks;
}

static uint32_t reap(wcx_journal_t *journal, uint64_t wait_ns)
{
  if (journal->in_flight == 0)
    return 0;
  wcx_disk_done_t done[WCX_JOURNAL_LANES];
  int cnt = wcx_disk_reap(journal->disk, done, WCX_JOURNAL_LANES, wait_ns);
  if (cnt < 0)
  {
    snprintf(journal->text, sizeof(journal->text), "waiting for the disk failed: %s", ERROR_TEXT(-cnt));
    halt(journal);
    return 0;
  }
  uint64_t now_ns = cnt > 0 ? wcx_env_mono_ns() : 0;
  for (int i = 0; i < cnt; i++)
  {
    wcx_journal_lane_t *lane = &journal->lanes[done[i].user % WCX_JOURNAL_LANES];
    if (done[i].result != (int64_t)lane->sz)
    {
      snprintf(journal->text, sizeof(journal->text),
               "write of block %" PRIu64 " failed (%s): nothing after seq %" PRIu64 " is released; check the disk, then start again: recovery reads what is there", lane->block_no,
               done[i].result < 0 ? ERROR_TEXT((int)-done[i].result) : "short write", journal->flushed_seq);
      halt(journal);
      return 0;
    }
    lane->busy = false;
    journal->in_flight--;
    set(&journal->shared->journal.commit_ns_last, now_ns - lane->submit_ns);
    if (now_ns - lane->submit_ns > WCX_JOURNAL_SLOW_NS)
      add(&journal->shared->segments.slow_writes, 1);
  }
  return (uint32_t)cnt;
}

/* --- segments --------------------------------------------------------------------------------------- */

static uint32_t open_prepared(wcx_journal_t *journal)
{
  uint64_t prepared = atomic_load_explicit(&journal->prep.prepared, memory_order_acquire); /* pairs with the release in segment.c */
  if (journal->opened_no > journal->segment_no || journal->opened_no >= prepared)
    return 0;
  uint64_t segment_no = journal->opened_no + 1;
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, segment_no);
  uint32_t handle = wcx_segment_handle(segment_no);
  if (segment_no > 4)
    wcx_disk_file_close(journal->disk, handle); /* the segment four before: nothing of it is in flight any more */
  int result = wcx_disk_file_open(journal->disk, handle, name, false);
  if (result < 0)
  {
    snprintf(journal->text, sizeof(journal->text), "cannot open %s: %s", name, ERROR_TEXT(-result));
    halt(journal);
    return 0;
  }
  journal->opened_no = segment_no;
  set(&journal->shared->journal.segments_ahead, prepared - journal->segment_no);
  set(&journal->shared->journal.segments_free, wcx_journal_segments_free(journal));
  return 1;
}

/* Whether a block can go somewhere; moves on to the next segment when this one is full. */
static bool find_room(wcx_journal_t *journal)
{
  if (journal->off < journal->config.segment_sz)
    return true;
  if (journal->opened_no > journal->segment_no)
  {
    journal->segment_no++;
    journal->off = WCX_JOURNAL_ALIGN;
    atomic_store_explicit(&journal->prep.wanted, journal->segment_no + journal->config.segments_ahead, memory_order_relaxed);
    set(&journal->shared->journal.segment, journal->segment_no);
    return true;
  }
  int error = atomic_load_explicit(&journal->prep.error, memory_order_relaxed);
  if (error < 0 && !journal->halted)
  {
    snprintf(journal->text, sizeof(journal->text), "no segment is left to write to and none can be made: %s; make room in %s and start again", ERROR_TEXT(-error),
             journal->config.dir);
    halt(journal);
  }
  return false; /* being prepared: the ring fills meanwhile, the data plane sees it */
}

uint64_t wcx_journal_segments_free(const wcx_journal_t *journal)
{
  uint64_t prepared = atomic_load_explicit(&journal->prep.prepared, memory_order_relaxed);
  uint64_t fits = atomic_load_explicit(&journal->prep.disk_free, memory_order_relaxed) / journal->config.segment_sz;
  return (prepared > journal->segment_no ? prepared - journal->segment_no : 0) + fits;
}

/* --- submit ----------------------------------------------------------------------------------------- */

static bool window_open(const wcx_journal_t *journal)
{
  return journal->chain.next_block_no <= journal->done_block_no + WCX_JOURNAL_LANES;
}

static wcx_block_words_t words(const wcx_journal_t *journal, enum wcx_journal_kind kind, uint64_t epoch)
{
  return (wcx_block_words_t){.kind = kind, .epoch = epoch, .committed_hint = released_seq(journal), .written_ns = wcx_env_utc_ns(), .in_flight_max = WCX_JOURNAL_IN_FLIGHT_MAX};
}

static void submit(wcx_journal_t *journal, uint64_t block_no, uint32_t block_sz, uint32_t count, uint64_t committed_hint)
{
  uint32_t lane_idx = (uint32_t)(block_no % WCX_JOURNAL_LANES);
  wcx_journal_lane_t *lane = &journal->lanes[lane_idx];
  *lane = (wcx_journal_lane_t){.busy = true, .sz = block_sz, .count = count, .block_no = block_no, .last_seq = journal->chain.next_seq - 1, .submit_ns = wcx_env_mono_ns()};
  lane->after = (wcx_journal_anchor_t){.segment_no = journal->segment_no,
                                       .off = journal->off + block_sz,
                                       .chain = journal->chain,
                                       .incarnation = journal->incarnation,
                                       .last_stamp_ns = journal->last_stamp_ns,
                                       .committed_hint = committed_hint};
  wcx_env_crash_point("journal.submit");
  int result = wcx_disk_submit(journal->disk, wcx_segment_handle(journal->segment_no), journal->off, lane_idx, block_sz, block_no);
  if (result < 0)
  {
    snprintf(journal->text, sizeof(journal->text), "block %" PRIu64 " could not be submitted: %s", block_no, ERROR_TEXT(-result));
    halt(journal);
    return;
  }
  wcx_env_crash_point("journal.submitted");
  journal->off += block_sz;
  journal->in_flight++;
}

static void open_batch(wcx_journal_t *journal)
{
  uint64_t left = journal->config.segment_sz - journal->off;
  uint32_t sz_max = left < WCX_JOURNAL_BLOCK_SZ_MAX ? (uint32_t)left : WCX_JOURNAL_BLOCK_SZ_MAX;
  wcx_block_begin(&journal->batch, wcx_disk_buffer(journal->disk, (uint32_t)(journal->chain.next_block_no % WCX_JOURNAL_LANES)), sz_max);
  journal->batching = true;
}

static bool batch_empty(const wcx_journal_t *journal)
{
  return !journal->batching || journal->batch.count == 0;
}

static void submit_batch(wcx_journal_t *journal)
{
  uint64_t block_no = journal->chain.next_block_no;
  uint32_t count = journal->batch.count;
  wcx_block_words_t says = words(journal, WCX_JOURNAL_DATA, journal->epoch);
  uint32_t block_sz = wcx_block_seal(&journal->batch, &journal->chain, &says);
  journal->batching = false;
  submit(journal, block_no, block_sz, count, says.committed_hint);
}

/* Fill free lanes from the ring. */
static uint32_t drain(wcx_journal_t *journal)
{
  uint32_t records = 0;
  journal->ring_empty = false;
  while (!journal->halted && !journal->ring_empty && window_open(journal) && find_room(journal))
  {
    if (!journal->batching)
      open_batch(journal);
    int taken = wcx_journal_drain(journal, &journal->batch);
    if (taken < 0)
    {
      halt(journal);
      return records;
    }
    records += (uint32_t)taken;
    bool full = !wcx_block_room(&journal->batch);
    if (full || (journal->batch.count > 0 && journal->in_flight < journal->config.eager_lanes))
      submit_batch(journal);
  }
  return records;
}

/* --- handshake with a data plane that starts (region.h) --------------------------------------------- */

static uint32_t answer(wcx_journal_t *journal)
{
  wcx_region_handshake_t *handshake = &journal->shared->handshake;
  journal->epoch = journal->chain.epoch;
  set(&handshake->cut_seq, journal->flushed_seq);
  set(&handshake->granted_epoch, journal->epoch);
  wcx_env_crash_point("journal.grant");
  publish(journal);
  journal->granting = false;
  journal->consumer.pos = 0; /* the data plane clears the ring and begins at slot 0 */
  wcx_env_crash_point("journal.answer");
  atomic_store_explicit(&handshake->answered, journal->grant_asked, memory_order_release); /* pairs with the data plane's acquire */
  return 1;
}

/* `asked` was read before the ring was seen empty, and its asker commits nothing before the answer: what was drained is all there is. */
static uint32_t grant(wcx_journal_t *journal, uint64_t asked)
{
  if (journal->granting)
    return journal->in_flight == 0 ? answer(journal) : 0;
  bool quiet = journal->ring_empty && batch_empty(journal) && journal->in_flight == 0;
  if (asked == atomic_load_explicit(&journal->shared->handshake.answered, memory_order_relaxed) || !quiet || !find_room(journal))
    return 0;
  journal->granting = true;
  journal->batching = false; /* RECOVERY takes its lane and its place */
  journal->grant_asked = asked;
  uint64_t block_no = journal->chain.next_block_no;
  wcx_block_words_t says = words(journal, WCX_JOURNAL_RECOVERY, journal->chain.epoch + 1);
  uint32_t block_sz = wcx_block_recovery(wcx_disk_buffer(journal->disk, (uint32_t)(block_no % WCX_JOURNAL_LANES)), &journal->chain, &says, journal->incarnation);
  submit(journal, block_no, block_sz, 0, says.committed_hint);
  return 1;
}

/* A name that may vanish with the power must not get a single block. */
static void check_fatal(wcx_journal_t *journal)
{
  int fatal = atomic_load_explicit(&journal->prep.fatal, memory_order_relaxed);
  if (fatal == 0 || journal->halted)
    return;
  snprintf(journal->text, sizeof(journal->text), "the journal directory could not be synced: %s; it is not tried again: check the disk, then start again", ERROR_TEXT(-fatal));
  halt(journal);
}

/* --- the turn --------------------------------------------------------------------------------------- */

uint32_t wcx_journal_step(wcx_journal_t *journal, uint64_t now_ns)
{
  (void)now_ns; /* nothing here is due by time; the shape is that of every component */
  if (journal->halted)
    return 0;
  uint64_t asked = atomic_load_explicit(&journal->shared->handshake.asked, memory_order_acquire); /* pairs with the data plane's release */
  uint32_t work = reap(journal, 0);
  if (journal->halted)
    return 0;
  work += advance_prefix(journal);
  work += open_prepared(journal);
  check_fatal(journal);
  if (!journal->granting && !journal->halted)
    work += drain(journal);
  if (!journal->halted)
    work += grant(journal, asked);
  return work;
}

int wcx_journal_prepare_step(wcx_journal_t *journal)
{
  int fatal = atomic_load_explicit(&journal->prep.fatal, memory_order_relaxed);
  if (fatal < 0) /* nobody syncs the directory again before the worker has ended */
    return fatal;
  int anchored = wcx_anchors_step(&journal->anchors); /* a failed one stops nothing: anchors.error says so; the directory is another matter */
  if (journal->anchors.dir_error < 0)
  {
    atomic_store_explicit(&journal->prep.fatal, journal->anchors.dir_error, memory_order_relaxed);
    return journal->anchors.dir_error;
  }
  if (anchored == 1)
    return 1;
  int result = wcx_segment_prep_step(&journal->prep);
  if (result == 1)
    return 1;
  bool removed = wcx_retention_step(&journal->retention, wcx_retention_keep(journal->shared)) == 1; /* as above; also while no segment can be made: it makes room */
  set(&journal->shared->segments.first_segment, atomic_load_explicit(&journal->retention.first_segment, memory_order_relaxed));
  set(&journal->shared->segments.removed, atomic_load_explicit(&journal->retention.removed, memory_order_relaxed));
  if (journal->retention.dir_error < 0)
  {
    atomic_store_explicit(&journal->prep.fatal, journal->retention.dir_error, memory_order_relaxed);
    return journal->retention.dir_error;
  }
  return removed ? 1 : result;
}

uint64_t wcx_journal_waiting_ns(const wcx_journal_t *journal, uint64_t now_ns)
{
  uint64_t oldest_ns = now_ns;
  for (uint32_t i = 0; i < WCX_JOURNAL_LANES; i++)
    if (journal->lanes[i].busy && journal->lanes[i].submit_ns < oldest_ns)
      oldest_ns = journal->lanes[i].submit_ns;
  return now_ns - oldest_ns;
}

bool wcx_journal_idle(const wcx_journal_t *journal)
{
  const wcx_region_handshake_t *handshake = &journal->shared->handshake;
  bool asked = atomic_load_explicit(&handshake->asked, memory_order_acquire) != atomic_load_explicit(&handshake->answered, memory_order_relaxed);
  return journal->in_flight == 0 && batch_empty(journal) && !asked && !wcx_journal_ring_pending(journal);
}

void wcx_journal_idle_wait(wcx_journal_t *journal)
{
  if (journal->halted)
    return;
  if (journal->in_flight > 0)
  {
    uint64_t lane_ns = journal->in_flight < journal->config.eager_lanes ? EAGER_WAIT_NS : BATCH_WAIT_NS;
    reap(journal, window_open(journal) ? lane_ns : BUSY_WAIT_NS);
    return;
  }
  wcx_doorbell_t *bell = &journal->shared->jring.bell;
  wcx_doorbell_prepare(bell);
  if (!wcx_journal_idle(journal))
  {
    wcx_doorbell_cancel(bell);
    return;
  }
  wcx_doorbell_wait(bell, IDLE_WAIT_NS);
  if (wcx_journal_idle(journal)) /* the whole time: under load it costs the disk nothing */
    wcx_journal_vouch(journal);
}

/* --- start ------------------------------------------------------------------------------------------ */

/* What this boot's region knows must be in the journal: it holds the release word, which no block behind the end can contradict. */
static bool check_region(wcx_journal_t *journal)
{
  wcx_region_shard_t *shared = journal->shared;
  uint64_t region_epoch = atomic_load_explicit(&shared->release.epoch, memory_order_acquire);
  if (region_epoch == 0) /* made anew: nothing is known */
  {
    journal->unwitnessed = journal->chain.next_block_no > 1 && !journal->recovered.closed;
    return true;
  }
  uint64_t released = wcx_release_seq(atomic_load_explicit(&shared->release.release_word, memory_order_acquire));
  uint64_t last_seq = journal->chain.next_seq - 1;
  bool asking = atomic_load_explicit(&shared->handshake.asked, memory_order_acquire) != atomic_load_explicit(&shared->handshake.answered, memory_order_relaxed);
  if (released > last_seq)
    snprintf(journal->text, sizeof(journal->text),
             "acknowledged data is missing: seq %" PRIu64 " was released, the journal ends at %" PRIu64 ". Restore the journal from a backup or another member", released,
             last_seq);
  else if (region_epoch > journal->chain.epoch || (region_epoch < journal->chain.epoch && !asking))
    snprintf(journal->text, sizeof(journal->text),
             "the shared region is at epoch %" PRIu64 ", the journal at %" PRIu64 ": they do not belong together; correct state_dir, or stop all and remove the region",
             region_epoch, journal->chain.epoch);
  else
    return true;
  return false;
}

/* Rule 8, with the epoch unchanged: a worker that restarts continues its data plane's lineage. */
static int seal_end(wcx_journal_t *journal)
{
  int dir_error; /* no difference here: the start fails */
  int result = journal->recovered.super_damaged ? wcx_super_write(journal->disk, WCX_HANDLE_SUPER, &journal->recovered.super, journal->scratch, &dir_error) : 0;
  if (result == 0)
    result = wcx_recover_zero(&journal->recovered, journal->disk, journal->scratch);
  if (result < 0)
    return result;
  wcx_segment_prep_init(&journal->prep, journal->disk, &journal->recovered.super, journal->recovered.last_segment_no);
  wcx_anchors_init(&journal->anchors, journal->disk, &journal->recovered.super);
  wcx_retention_init(&journal->retention, journal->disk, &journal->recovered.super);
  result = journal->recovered.marked ? wcx_anchors_reopen(&journal->anchors) : 0;
  if (result == 0)
    result = wcx_segment_prep_until(&journal->prep, journal->segment_no);
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, journal->segment_no);
  if (result == 0)
    result = wcx_disk_file_open(journal->disk, wcx_segment_handle(journal->segment_no), name, false);
  if (result < 0)
    return result;
  journal->opened_no = journal->segment_no;
  atomic_store_explicit(&journal->prep.wanted, journal->segment_no + journal->config.segments_ahead, memory_order_relaxed);

  wcx_block_words_t says = words(journal, WCX_JOURNAL_RECOVERY, journal->epoch);
  if (says.committed_hint < journal->recovered.committed_hint) /* a region made anew knows less than the journal */
    says.committed_hint = journal->recovered.committed_hint;
  uint32_t block_sz = wcx_block_recovery(journal->scratch, &journal->chain, &says, journal->incarnation);
  wcx_env_crash_point("journal.recovery");
  result = wcx_disk_write(journal->disk, wcx_segment_handle(journal->segment_no), journal->off, journal->scratch, block_sz);
  journal->off += block_sz;
  journal->done_block_no = journal->chain.next_block_no - 1;
  journal->flushed_seq = journal->chain.next_seq - 1;
  wcx_env_crash_point("journal.sealed");
  return result;
}

static int begin(wcx_journal_t *journal)
{
  const wcx_recovered_t *recovered = &journal->recovered;
  journal->chain = recovered->chain;
  journal->epoch = recovered->chain.epoch > 0 ? recovered->chain.epoch : 1;
  journal->incarnation = recovered->incarnation + 1;
  journal->segment_no = recovered->segment_no;
  journal->off = recovered->off;
  journal->last_stamp_ns = recovered->last_stamp_ns;
  journal->anchor_bytes = (recovered->segment_no - recovered->from_segment_no) * recovered->super.segment_sz + recovered->off - recovered->from_off; /* short lives add up */
  journal->consumer.ring = &journal->shared->jring;
  if (!check_region(journal))
    return -1;
  if (!wcx_jring_find(&journal->consumer, journal->chain.next_seq))
  {
    snprintf(journal->text, sizeof(journal->text), "the journal ends at seq %" PRIu64 " but the ring holds only later records: records are lost; two persons must decide",
             journal->chain.next_seq - 1);
    return -1;
  }
  int result = seal_end(journal);
  if (result < 0)
    snprintf(journal->text, sizeof(journal->text), "cannot seal the journal's end: %s; make room if the disk is full, then the next start succeeds", ERROR_TEXT(-result));
  return result;
}

/* What a snapshot holds was released. Asked before the end is sealed: what looks like a torn tail may be all that is left of it. */
static int check_snapshots(wcx_journal_t *journal, uint64_t last_seq)
{
  const wcx_journal_config_t *config = &journal->config;
  wcx_snapshot_source_t source;
  if (config->snapshot_dir == NULL || wcx_snapshot_source_open(&source, config->snapshot_dir) != 0)
    return 0;
  uint64_t seq = UINT64_MAX;
  bool beyond = false;
  while (!beyond && source.older(source.ctx, seq, &seq) == 1 && seq > last_seq)
  {
    const uint8_t *bytes = NULL;
    int64_t sz = source.map(source.ctx, seq, &bytes);
    beyond = wcx_snapshot_beyond(bytes, sz, config->shard, seq, last_seq);
    source.unmap(source.ctx);
  }
  source.close(source.ctx);
  if (!beyond)
    return 0;
  snprintf(journal->text, sizeof(journal->text),
           "snapshot %" PRIu64 " in %.200s goes further than the journal, which ends at seq %" PRIu64
           ": acknowledged inputs are missing. Restore the journal from where they are (archive, newest backup), or move the snapshots away; nothing was changed",
           seq, config->snapshot_dir, last_seq);
  return -1;
}

/* A journal that is gone must not be made anew beside its snapshots. */
static int check_missing(wcx_journal_t *journal)
{
  int result = journal->config.snapshot_dir != NULL ? wcx_disk_file_open(journal->disk, WCX_HANDLE_READ, "superblock", false) : 0;
  if (result == -ENOENT)
    return check_snapshots(journal, 0);
  wcx_disk_file_close(journal->disk, WCX_HANDLE_READ);
  return 0;
}

static bool signatures_found_good(const wcx_journal_t *journal, const wcx_cut_t *cut)
{
  wcx_region_quarantine_t *words = &journal->shared->quarantine;
  uint64_t lo = atomic_load_explicit(&words->decision_lo, memory_order_acquire); /* first: pairs with wcx-controld's release */
  return lo == cut->digest.lo && atomic_load_explicit(&words->decision_hi, memory_order_relaxed) == cut->digest.hi;
}

/* Whether nothing but the decision itself speaks against it: what left the appliance is asked before anything is changed. */
static int check_decision(wcx_journal_t *journal, const wcx_cut_t *cut, const wcx_journal_finding_t *finding)
{
  const char *differs = wcx_journal_decision_differs(&cut->decision, finding, cut->state == WCX_JOURNAL_CARRIED_BEGUN);
  uint64_t released = released_seq(journal);
  char found[280];
  snprintf(found, sizeof(found), "%.*s", (int)sizeof(found) - 1, journal->text[0] != '\0' ? journal->text : "a cut that two operators decided was interrupted");
  if (differs != NULL)
    snprintf(journal->text, sizeof(journal->text), "there is a decision where the journal ends, but it is of %s: it is not obeyed (wcxctl journal finding): %s", differs, found);
  else if (!wcx_cut_can(&journal->recovered))
    snprintf(journal->text, sizeof(journal->text), "no cut can mend what was found, the decision is not obeyed: %s", found);
  else if (!wcx_journal_decision_owns_up(&cut->decision, finding))
    snprintf(journal->text, sizeof(journal->text),
             "a decision cuts behind seq %" PRIu64 ", but up to %" PRIu64 " was acknowledged and it does not say that this is lost: it is not obeyed", finding->last_seq,
             finding->acked_seq);
  else if (!signatures_found_good(journal, cut))
    snprintf(journal->text, sizeof(journal->text),
             "there is a decision where the journal ends, but wcx-controld has not found its signatures good (see its log): it is not obeyed before that: %s", found);
  else if (released > finding->last_seq)
    snprintf(journal->text, sizeof(journal->text),
             "a decision cuts behind seq %" PRIu64 ", but the shared region remembers that %" PRIu64
             " was released: stop everything and remove the region, then start again; nothing was changed",
             finding->last_seq, released);
  else
    return check_snapshots(journal, finding->last_seq);
  return -1;
}

/* Where two operators have decided that the journal ends, and recovery finds what they have seen, it is cut there. `result`: of the walk. 0: the walk counts as it is, or
   anew; -1. */
static int obey(wcx_journal_t *journal, int result)
{
  wcx_recovered_t *recovered = &journal->recovered;
  if (recovered->end.verdict == 0)
    return result;
  wcx_cut_t cut;
  char err[WCX_JOURNAL_TEXT_SZ];
  int there = wcx_cut_read(&cut, journal->disk, &recovered->super, journal->scratch, err, sizeof(err));
  if (result == 0 && (there <= 0 || cut.state != WCX_JOURNAL_CARRIED_BEGUN))
    return 0; /* nothing is damaged, so nothing is decided */
  if (there <= 0)
  {
    size_t len = strlen(journal->text);
    snprintf(journal->text + len, sizeof(journal->text) - len, "%s%s", there < 0 ? ". And " : ". What two operators can decide: wcxctl journal finding", there < 0 ? err : "");
    return -1;
  }
  wcx_journal_finding_t finding;
  if (wcx_cut_find(&finding, recovered, journal->disk, journal->scratch, journal->text, sizeof(journal->text)) < 0)
    return -1;
  if (result == 0 && wcx_journal_decision_differs(&cut.decision, &finding, true) != NULL)
    return 0; /* the journal was restored from elsewhere since */
  if (check_decision(journal, &cut, &finding) < 0 || wcx_cut_carry_out(&cut, recovered, journal->disk, journal->scratch, journal->text, sizeof(journal->text)) < 0)
    return -1;
  result = wcx_recover_walk(recovered, journal->disk, journal->config.shard, journal->config.segment_sz, journal->scratch, journal->text, sizeof(journal->text));
  recovered->obeyed = result == 0;
  return result;
}

/* A dead worker may have renamed without syncing: what is decided on must not vanish with the power. So nothing is read before the directory is synced. */
static int open_disk(wcx_journal_t *journal)
{
  const wcx_journal_config_t *config = &journal->config;
  int result = wcx_disk_open(&journal->disk, config->dir, WCX_JOURNAL_LANES, WCX_JOURNAL_LANES, WCX_JOURNAL_BLOCK_SZ_MAX, config->lock_timeout_ns);
  bool opened = result == 0;
  if (opened)
    result = wcx_disk_sync_dir(journal->disk);
  if (result == 0)
    return 0;
  bool failed = result == -EROFS || result == -EIO;
  if (result == -EWOULDBLOCK)
    snprintf(journal->text, sizeof(journal->text), "another journal worker holds %s: only one may run", config->dir);
  else
    snprintf(journal->text, sizeof(journal->text), "cannot %s the journal directory %s: %s%s", opened ? "sync" : "open", config->dir, ERROR_TEXT(-result),
             failed ? ". If its file system has failed, it must be checked and mounted anew before this start can know what is durable" : "");
  if (opened)
    wcx_journal_close(journal);
  return -1;
}

int wcx_journal_open(wcx_journal_t *journal, const wcx_journal_config_t *config, wcx_region_shard_t *shared)
{
  memset(journal, 0, sizeof(*journal));
  WCX_CHECK(config->eager_lanes >= 1 && config->eager_lanes <= WCX_JOURNAL_LANES, "eager_lanes %u", config->eager_lanes);
  journal->config = *config;
  if (journal->config.anchor_span == 0)
    journal->config.anchor_span = WCX_JOURNAL_ANCHOR_SPAN;
  journal->shared = shared;
  if (open_disk(journal) < 0)
    return -1;
  int result = check_missing(journal);
  if (result == 0)
    result = wcx_recover_walk(&journal->recovered, journal->disk, config->shard, config->segment_sz, journal->scratch, journal->text, sizeof(journal->text));
  result = obey(journal, result);
  if (result == 0)
    result = check_snapshots(journal, journal->recovered.chain.next_seq - 1);
  if (result == 0)
    result = begin(journal);
  if (result < 0)
  {
    wcx_journal_close(journal);
    return -1;
  }
  wcx_region_journal_stats_t *stats = &shared->journal;
  set(&stats->halted, 0);
  set(&stats->segment, journal->segment_no);
  set(&stats->segments_ahead, atomic_load_explicit(&journal->prep.prepared, memory_order_relaxed) - journal->segment_no);
  set(&stats->segments_free, wcx_journal_segments_free(journal));
  set(&shared->segments.first_segment, journal->recovered.super.first_segment_no);
  set(&shared->segments.slow_writes, 0);
  set(&shared->segments.unwitnessed, journal->unwitnessed);
  set(&shared->segments.vouched_seq, journal->unwitnessed ? journal->recovered.vouched_seq : journal->flushed_seq);
  atomic_store_explicit(&shared->segments.closed_segment, journal->off == config->segment_sz ? journal->segment_no : journal->segment_no - 1, memory_order_release);
  atomic_store_explicit(&shared->segments.durable_block, journal->done_block_no, memory_order_release);
  set(&shared->handshake.incarnation, journal->incarnation);
  publish(journal);
  wcx_env_crash_point("journal.ready");
  atomic_store_explicit(&shared->handshake.ready, 1, memory_order_release);
  return 0;
}

void wcx_journal_close(wcx_journal_t *journal)
{
  if (journal->disk == NULL)
    return;
  atomic_store_explicit(&journal->shared->handshake.ready, 0, memory_order_release);
  wcx_disk_close(journal->disk);
  journal->disk = NULL;
}
