/* Anchors (rule 10 of engine/shm/journal_format.h) over the simulated disk: what is kept, what a successor does with it, and with what damage left of it. */
#include "engine/base/check.h"
#include "persist/journal.h"
#include "tests/sim/disk_sim.h"
#include "tests/sim/env_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define DIR "sim/shard-00002"
#define SHARD 2u
#define SLOT_MAX 1024u
#define SEGMENT_SZ (256u << 10)
#define SPAN (64u << 10)

static wcx_journal_t *journal;
static wcx_region_shard_t *shared;
static wcx_jring_producer_t producer;
static uint64_t end_pos[SLOT_MAX];
static _Alignas(4096) uint8_t page[WCX_JOURNAL_ALIGN];

static int try_open(void)
{
  wcx_journal_config_t config = {.dir = DIR, .shard = SHARD, .segment_sz = SEGMENT_SZ, .segments_ahead = 1, .eager_lanes = 1, .anchor_span = SPAN};
  return wcx_journal_open(journal, &config, shared);
}

static void open_journal(void)
{
  if (try_open() < 0)
    fail_msg("%s", journal->text);
}

static void fresh_region(void)
{
  memset(shared, 0, wcx_region_shard_footprint(SLOT_MAX));
  shared->jring.slot_max = SLOT_MAX;
}

static int set_up(void **state)
{
  (void)state;
  wcx_sim_env_reset(1);
  wcx_sim_disk_reset();
  journal = aligned_alloc(4096, (sizeof(*journal) + 4095) & ~(size_t)4095);
  shared = aligned_alloc(4096, wcx_region_shard_footprint(SLOT_MAX));
  WCX_CHECK(journal != NULL && shared != NULL, "memory");
  fresh_region();
  open_journal();
  wcx_jring_producer_init(&producer, &shared->jring, end_pos, 0);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  wcx_sim_disk_reset();
  free(journal);
  free(shared);
  return 0;
}

static void settle(void)
{
  for (uint32_t i = 0; i < 100000; i++)
  {
    uint32_t work = wcx_journal_step(journal, 0);
    assert_false(journal->halted);
    if (wcx_journal_prepare_step(journal) == 0 && work == 0 && wcx_journal_idle(journal))
      return;
  }
  fail_msg("the worker does not come to rest");
}

static void commit(uint64_t cnt)
{
  static const uint8_t body[1000];
  for (uint64_t i = 0; i < cnt; i++)
  {
    while (wcx_jring_room(&producer, wcx_release_seq(atomic_load(&shared->release.release_word))) < WCX_JRING_RECORD_SLOTS_MAX)
      settle();
    wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .template_id = 1, .shard = SHARD, .seq = producer.next_seq, .stamp_ns = producer.next_seq, .body_sz = sizeof(body)};
    wcx_jring_commit(&producer, &hdr, body);
  }
  settle();
}

/* A successor after another boot: it knows nothing but the disk. */
static int reopen(void)
{
  wcx_sim_disk_kill(DIR);
  fresh_region();
  return try_open();
}

/* Change one byte of a file as nobody's program would. */
static void damage(const char *name, uint64_t page_no, uint32_t byte)
{
  assert_int_equal(wcx_disk_file_open(journal->disk, WCX_HANDLE_READ, name, false), 0);
  assert_int_equal(wcx_disk_read(journal->disk, WCX_HANDLE_READ, page_no * WCX_JOURNAL_ALIGN, page, sizeof(page)), sizeof(page));
  page[byte] ^= 1;
  assert_int_equal(wcx_disk_write(journal->disk, WCX_HANDLE_READ, page_no * WCX_JOURNAL_ALIGN, page, sizeof(page)), 0);
  wcx_disk_file_close(journal->disk, WCX_HANDLE_READ);
}

static uint32_t recent(wcx_journal_anchor_t anchors[2])
{
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < WCX_JOURNAL_ANCHOR_RECENT; i++)
    cnt += wcx_anchors_read(journal->disk, page, &journal->recovered.super, i, &anchors[cnt]);
  return cnt;
}

static void successor_starts_near_the_end(void **state)
{
  (void)state;
  commit(3000);
  wcx_journal_anchor_t anchors[2];
  assert_int_equal(recent(anchors), 2);
  assert_true(anchors[0].chain.next_seq != anchors[1].chain.next_seq);
  for (uint32_t i = 0; i < 2; i++)
    assert_in_range(anchors[i].chain.next_seq, 3000 - 4 * SPAN / 1000, 3001);
  uint64_t end = journal->chain.next_block_no;
  assert_int_equal(reopen(), 0);
  assert_true(journal->recovered.anchored);
  assert_in_range(journal->recovered.blocks, 1, 10);
  assert_int_equal(journal->recovered.chain.next_block_no, end);
  assert_int_equal(journal->recovered.chain.next_seq, 3001);
  assert_int_equal(journal->incarnation, 2);
}

static void first_places_have_their_page(void **state)
{
  (void)state;
  commit(3000);
  uint64_t last = journal->segment_no;
  assert_true(last > 5);
  wcx_journal_anchor_t anchor;
  for (uint64_t segment_no = 2; segment_no <= last; segment_no++)
    if (wcx_anchors_read(journal->disk, page, &journal->recovered.super, wcx_anchors_page_of(segment_no), &anchor)) /* an offer to a full slot is no promise */
    {
      assert_int_equal(anchor.segment_no, segment_no);
      assert_int_equal(anchor.off, WCX_JOURNAL_ALIGN);
      wcx_journal_walk_t walk;
      char err[512];
      wcx_journal_block_t block;
      const uint8_t *body;
      assert_int_equal(wcx_journal_walk_open_at(&walk, DIR, &anchor, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
      assert_int_equal(wcx_journal_walk_next_block(&walk, &block, &body), 1);
      assert_int_equal(block.block_no, anchor.chain.next_block_no);
      wcx_journal_walk_close(&walk);
      last = 0;
    }
  assert_int_equal(last, 0);
}

static void damaged_pages_cost_time_only(void **state)
{
  (void)state;
  commit(3000);
  damage("anchors", 0, 50);
  assert_int_equal(reopen(), 0);
  assert_true(journal->recovered.anchored);
  damage("anchors", 1, 4000); /* behind the words: must be zero, too */
  assert_int_equal(reopen(), 0);
  assert_false(journal->recovered.anchored);
  assert_int_equal(journal->recovered.from_segment_no, 1);
  assert_int_equal(journal->recovered.chain.next_seq, 3001);
}

static void missing_file_is_made_again(void **state)
{
  (void)state;
  commit(1000);
  wcx_sim_disk_kill(DIR);
  fresh_region();
  assert_int_equal(wcx_disk_remove(journal->disk, "anchors"), 0);
  open_journal();
  assert_false(journal->recovered.anchored);
  atomic_fetch_add(&shared->handshake.asked, 1);
  settle();
  wcx_jring_producer_init(&producer, &shared->jring, end_pos, atomic_load(&shared->handshake.cut_seq));
  commit(1000);
  assert_int_equal(reopen(), 0);
  assert_true(journal->recovered.anchored);
  assert_int_equal(journal->recovered.chain.next_seq, 2001);
}

/* The last block before the newest anchor is damaged. No later block vouches for it when those behind are gone, too: without the witness it would look torn. */
static void anchor_is_a_witness(void **state)
{
  (void)state;
  commit(3000);
  wcx_journal_anchor_t anchors[2];
  assert_int_equal(recent(anchors), 2);
  const wcx_journal_anchor_t *newest = anchors[0].chain.next_seq > anchors[1].chain.next_seq ? &anchors[0] : &anchors[1];
  for (uint64_t segment_no = newest->segment_no; segment_no <= atomic_load(&journal->prep.prepared); segment_no++)
  {
    char name[WCX_SEGMENT_NAME_SZ];
    wcx_segment_name(name, segment_no);
    uint64_t from = segment_no > newest->segment_no ? WCX_JOURNAL_ALIGN : newest->off - WCX_JOURNAL_ALIGN;
    assert_true(from >= WCX_JOURNAL_ALIGN);
    assert_int_equal(wcx_disk_file_open(journal->disk, WCX_HANDLE_READ, name, false), 0);
    memset(page, 0, sizeof(page));
    for (uint64_t off = from; off < SEGMENT_SZ; off += sizeof(page))
      assert_int_equal(wcx_disk_write(journal->disk, WCX_HANDLE_READ, off, page, sizeof(page)), 0);
    wcx_disk_file_close(journal->disk, WCX_HANDLE_READ);
  }
  assert_int_equal(reopen(), -1);
  assert_non_null(strstr(journal->text, "an anchor says"));
}

static void offers_do_not_wait(void **state)
{
  (void)state;
  wcx_journal_anchor_t anchor = {.segment_no = 1, .off = 2 * WCX_JOURNAL_ALIGN, .chain = {.shard = SHARD, .next_block_no = 2, .next_seq = 2}};
  wcx_anchors_init(&journal->anchors, journal->disk, &journal->recovered.super);
  assert_true(wcx_anchors_offer(&journal->anchors, &anchor));
  assert_false(wcx_anchors_offer(&journal->anchors, &anchor));
  assert_int_equal(wcx_anchors_step(&journal->anchors), 1);
  assert_int_equal(wcx_anchors_step(&journal->anchors), 0);
  assert_true(wcx_anchors_offer(&journal->anchors, &anchor));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(successor_starts_near_the_end, set_up, tear_down), cmocka_unit_test_setup_teardown(first_places_have_their_page, set_up, tear_down),
      cmocka_unit_test_setup_teardown(damaged_pages_cost_time_only, set_up, tear_down),  cmocka_unit_test_setup_teardown(missing_file_is_made_again, set_up, tear_down),
      cmocka_unit_test_setup_teardown(anchor_is_a_witness, set_up, tear_down),           cmocka_unit_test_setup_teardown(offers_do_not_wait, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
