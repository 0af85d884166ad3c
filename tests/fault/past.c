#include "tests/fault/past.h"

#include "engine/base/check.h"
#include "persist/journal.h"
#include "tests/fault/memory_disk.h"
#include "tests/sim/env_sim.h"

#include <inttypes.h>
#include <stdlib.h>

#define DIR "memory"
#define SHARD 9u
#define SLOT_MAX 1024u
#define RECORDS_MAX 65536u
#define LIVES 4u
#define SEGMENT_SZ_SMALL (256u << 10)
#define SEGMENT_SZ_LARGE (1u << 20)
#define ANCHOR_SPAN (48u << 10)
#define STEPS_MAX 100000u
#define NEW_RECORDS 5u

static wcx_past_t past;
static wcx_journal_t *journal;
static wcx_region_shard_t *shared;
static wcx_region_shard_t *shared_saved;
static wcx_jring_producer_t producer;
static uint64_t end_pos[SLOT_MAX];
static uint64_t stamp_ns;
static wcx_digest_t written[RECORDS_MAX];       /* by seq */
static wcx_digest_t written_saved[RECORDS_MAX]; /* as the past has left it */

static wcx_digest_t record_digest(const wcx_record_hdr_t *hdr, const void *body)
{
  wcx_digest_t digest = wcx_digest_of(hdr->seq, hdr, sizeof(*hdr));
  wcx_digest_update(&digest, body, hdr->body_sz);
  return digest;
}

static uint64_t released_seq(void)
{
  return wcx_release_seq(atomic_load(&shared->release.release_word));
}

static bool commit(void)
{
  if (wcx_jring_room(&producer, released_seq()) < WCX_JRING_RECORD_SLOTS_MAX)
    return false;
  uint8_t body[WCX_RECORD_BODY_SZ_MAX];
  uint16_t sz = (uint16_t)(1 + wcx_sim_below(wcx_sim_chance(20) ? WCX_RECORD_BODY_SZ_MAX : 160));
  uint64_t word = wcx_sim_random();
  for (uint16_t i = 0; i < sz; i++)
    body[i] = (uint8_t)(word >> (8 * (i % 8)));
  wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .template_id = 1, .shard = SHARD, .seq = producer.next_seq, .stamp_ns = ++stamp_ns, .body_sz = sz};
  WCX_CHECK(hdr.seq < RECORDS_MAX, "the past is too long");
  written[hdr.seq] = record_digest(&hdr, body);
  wcx_jring_commit(&producer, &hdr, body);
  return true;
}

static void step(void)
{
  wcx_sim_advance_ns(1000);
  wcx_journal_step(journal, wcx_env_mono_ns());
  wcx_journal_prepare_step(journal);
}

static bool rest(void)
{
  for (uint32_t i = 0; i < STEPS_MAX && !journal->halted; i++)
  {
    step();
    if (wcx_journal_idle(journal) && released_seq() == producer.next_seq - 1)
      return true;
  }
  return false;
}

static int open_journal(void)
{
  wcx_journal_config_t config = {.dir = DIR, .shard = SHARD, .segment_sz = past.segment_sz, .segments_ahead = 1, .eager_lanes = 2, .anchor_span = past.anchor_span};
  return wcx_journal_open(journal, &config, shared);
}

/* A new data plane: asks for its epoch and begins behind the cut. */
static bool handshake(void)
{
  wcx_region_handshake_t *words = &shared->handshake;
  uint64_t asked = atomic_fetch_add(&words->asked, 1) + 1;
  for (uint32_t i = 0; i < STEPS_MAX && atomic_load(&words->answered) != asked && !journal->halted; i++)
    step();
  if (atomic_load(&words->answered) != asked)
    return false;
  wcx_jring_producer_init(&producer, &shared->jring, end_pos, atomic_load(&words->cut_seq));
  return true;
}

static void fresh_region(void)
{
  memset(shared, 0, wcx_region_shard_footprint(SLOT_MAX));
  shared->jring.slot_max = SLOT_MAX;
}

/* An orderly end, when there is nothing left to do. */
static void vouch(void)
{
  if (wcx_journal_vouch_end(journal) == 0)
    past.anchored = journal->flushed_seq;
}

/* --- making ------------------------------------------------------------------------------------------- */

static void trade(uint64_t records)
{
  while (records > 0)
  {
    for (uint64_t burst = 1 + wcx_sim_below(wcx_sim_chance(10) ? 200 : 8); burst > 0 && records > 0 && commit(); burst--)
      records--;
    for (uint64_t steps = wcx_sim_below(4); steps > 0; steps--)
      step();
    WCX_CHECK(!journal->halted, "%s", journal->text);
  }
}

static void list_blocks(void)
{
  wcx_journal_walk_t walk;
  char err[WCX_JOURNAL_TEXT_SZ];
  WCX_CHECK(wcx_journal_walk_open(&walk, DIR, err, sizeof(err)) == WCX_JOURNAL_OPEN_OK, "%s", err);
  wcx_journal_block_t block;
  const uint8_t *body;
  past.block_cnt = 0;
  while (wcx_journal_walk_next_block(&walk, &block, &body) == 1)
  {
    WCX_CHECK(past.block_cnt < WCX_PAST_BLOCKS_MAX, "too many blocks");
    past.blocks[past.block_cnt++] = (wcx_past_block_t){
        .segment_no = walk.segment_no, .off = walk.off - block.block_sz, .sz = block.block_sz, .last_seq = wcx_journal_last_seq(&block), .committed_hint = block.committed_hint};
  }
  WCX_CHECK(walk.end.verdict == WCX_JOURNAL_CLEAN || walk.end.verdict == WCX_JOURNAL_CUT, "%s", walk.text);
  past.last_seq = walk.end.last_seq;
  wcx_journal_walk_close(&walk);
}

/* A write that was under way when the power went. */
static void tear_last(void)
{
  const wcx_past_block_t *last = &past.blocks[past.block_cnt - 1];
  if (last->last_seq <= past.released)
    return;
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, last->segment_no);
  wcx_memory_file_t *files = wcx_memory_disk_files();
  for (uint32_t i = 0; i < WCX_MEMORY_FILES_MAX; i++)
    if (strcmp(files[i].name, name) == 0)
      memset(files[i].data + last->off + 512, 0, last->sz - 512);
  past.torn = true;
  list_blocks();
}

const wcx_past_t *wcx_past_make(uint64_t seed)
{
  if (journal == NULL)
  {
    journal = aligned_alloc(4096, (sizeof(*journal) + 4095) & ~(size_t)4095);
    shared = aligned_alloc(4096, wcx_region_shard_footprint(SLOT_MAX));
    shared_saved = aligned_alloc(4096, wcx_region_shard_footprint(SLOT_MAX));
    WCX_CHECK(journal != NULL && shared != NULL && shared_saved != NULL, "memory");
  }
  wcx_sim_env_reset(seed);
  wcx_memory_disk_reset();
  memset(&past, 0, sizeof(past));
  past.segment_sz = wcx_sim_chance(50) ? SEGMENT_SZ_SMALL : SEGMENT_SZ_LARGE;
  past.anchor_span = wcx_sim_chance(50) ? ANCHOR_SPAN : 0;
  stamp_ns = 1;
  fresh_region();
  WCX_CHECK(open_journal() == 0, "%s", journal->text);
  WCX_CHECK(handshake(), "no epoch");
  for (uint32_t life = 0; life < LIVES; life++)
  {
    trade(300 + wcx_sim_below(600));
    bool last = life + 1 == LIVES;
    if (wcx_sim_chance(last ? 50 : 30))
      WCX_CHECK(rest(), "%s", journal->text);
    past.released = released_seq();
    if (last && wcx_sim_chance(50))
      vouch();
    if (last || wcx_sim_chance(60))
      wcx_journal_close(journal);
    if (!last && journal->disk == NULL)
      WCX_CHECK(open_journal() == 0, "%s", journal->text);
    if (!last && wcx_sim_chance(50))
      WCX_CHECK(handshake(), "no epoch");
  }
  list_blocks();
  if (wcx_sim_chance(30))
    tear_last();
  WCX_CHECK(past.last_seq >= past.released, "made wrongly");
  wcx_memory_disk_save();
  memcpy(shared_saved, shared, wcx_region_shard_footprint(SLOT_MAX));
  memcpy(written_saved, written, sizeof(written));
  return &past;
}

void wcx_past_restore(void)
{
  wcx_memory_disk_restore();
  memcpy(written, written_saved, sizeof(written));
}

void wcx_past_forget(uint64_t seq)
{
  written[seq].lo ^= 1;
}

/* --- what is left of it --------------------------------------------------------------------------------- */

wcx_past_read_t wcx_past_read(void)
{
  wcx_past_read_t read = {.result = -1};
  wcx_journal_walk_t walk;
  if (wcx_journal_walk_open(&walk, DIR, read.text, sizeof(read.text)) != WCX_JOURNAL_OPEN_OK)
    return read;
  uint64_t epoch;
  wcx_record_hdr_t hdr;
  const uint8_t *body;
  uint64_t seq = 0;
  while ((read.result = wcx_journal_walk_next(&walk, &epoch, &hdr, &body)) == 1)
  {
    wcx_digest_t digest = record_digest(&hdr, body);
    seq++;
    bool same = hdr.seq == seq && seq < RECORDS_MAX && digest.lo == written[seq].lo && digest.hi == written[seq].hi;
    if (!same && read.wrong_seq == 0)
      read.wrong_seq = seq;
  }
  read.last_seq = seq;
  read.verdict = walk.end.verdict;
  snprintf(read.text, sizeof(read.text), "%s", walk.text);
  wcx_journal_walk_close(&walk);
  return read;
}

bool wcx_past_start(bool same_boot, wcx_past_start_t *start, const char **text)
{
  if (same_boot)
    memcpy(shared, shared_saved, wcx_region_shard_footprint(SLOT_MAX));
  else
    fresh_region();
  *text = journal->text;
  if (open_journal() < 0)
    return false;
  *start = (wcx_past_start_t){.last_seq = journal->recovered.chain.next_seq - 1, .cut = journal->recovered.cut, .unwitnessed = atomic_load(&shared->segments.unwitnessed) != 0};
  return true;
}

bool wcx_past_go_on(const char **text)
{
  static char failed[WCX_JOURNAL_TEXT_SZ + 64];
  *text = failed;
  if (!handshake())
  {
    snprintf(failed, sizeof(failed), "the worker gives no epoch: %s", journal->text);
    return false;
  }
  for (uint32_t i = 0; i < NEW_RECORDS; i++)
    WCX_CHECK(commit(), "an empty ring has room");
  if (rest())
    return true;
  snprintf(failed, sizeof(failed), "released %" PRIu64 " of %" PRIu64 ": %s", released_seq(), producer.next_seq - 1, journal->text);
  return false;
}

void wcx_past_stop(void)
{
  wcx_journal_close(journal);
}
