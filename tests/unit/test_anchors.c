/* Anchors (rule 10 of engine/shm/journal_format.h) over the simulated disk: what is kept, what a successor does with it, and with what damage left of it. */
#include "persist/pages.h"
#include "tests/unit/journal_fixture.h"

#include <errno.h>

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
    cnt += wcx_anchors_read(journal->disk, page, WCX_HANDLE_READ, &journal->recovered.super, i, &anchors[cnt]);
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

/* What a worker knew when it wrote a block stands in it. */
static void blocks_say_what_was_known(void **state)
{
  (void)state;
  commit(500);
  wcx_journal_walk_t walk;
  wcx_journal_block_t block;
  const uint8_t *body;
  uint64_t hint = 0;
  assert_int_equal(wcx_journal_walk_open(&walk, DIR, (char *)page, sizeof(page)), WCX_JOURNAL_OPEN_OK);
  while (wcx_journal_walk_next_block(&walk, &block, &body) == 1)
  {
    assert_int_equal(block.in_flight_max, WCX_JOURNAL_LANES);
    assert_int_equal(block.epoch, 1);
    assert_int_not_equal(block.written_ns, 0);
    assert_true(block.committed_hint >= hint && block.committed_hint < block.first_seq);
    hint = block.committed_hint;
  }
  assert_int_equal(walk.blocks, journal->chain.next_block_no - 1);
  assert_true(hint > 0);
  wcx_journal_walk_close(&walk);
}

/* A start from an anchor behind which stands no record: what a successor of two goes on from is what the anchor says. */
static void anchors_carry_what_is_not_read(void **state)
{
  (void)state;
  commit(300);
  assert_int_equal(wcx_journal_vouch_end(journal), 0);
  uint64_t hint = 1;
  for (uint64_t start = 2; start <= 4; start++)
  {
    assert_int_equal(reopen(), 0);
    if (start > 2) /* before, no block vouches for the anchor of the end */
    {
      assert_true(journal->recovered.anchored);
      assert_int_equal(journal->recovered.records, 0);
    }
    assert_int_equal(journal->last_stamp_ns, 300);          /* the data plane must go on above it */
    assert_true(journal->recovered.committed_hint >= hint); /* never falls */
    hint = journal->recovered.committed_hint;
    assert_int_equal(journal->incarnation, start);
  }
}

static void first_places_have_their_page(void **state)
{
  (void)state;
  commit(3000);
  uint64_t last = journal->segment_no;
  assert_true(last > 5);
  wcx_journal_anchor_t anchor;
  for (uint64_t segment_no = 2; segment_no <= last; segment_no++)
    if (wcx_anchors_read(journal->disk, page, WCX_HANDLE_READ, &journal->recovered.super, wcx_anchors_page_of(segment_no), &anchor)) /* an offer to a full slot is no promise */
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

/* The last block, which no later one vouches for: once the worker has been idle for a whole wait, an anchor does. */
static void an_idle_worker_vouches_for_its_end(void **state)
{
  (void)state;
  for (uint32_t idle = 0; idle < 2; idle++)
  {
    commit(5);
    uint64_t last_off = journal->off - WCX_JOURNAL_ALIGN;
    if (idle != 0)
      wcx_journal_idle_wait(journal);
    assert_int_equal(wcx_journal_prepare_step(journal), idle);
    assert_int_equal(wcx_journal_prepare_step(journal), 0);
    wcx_journal_idle_wait(journal); /* once is enough */
    assert_int_equal(journal->owes_last, false);
    damage("seg-0000000000000001.wcj", last_off / WCX_JOURNAL_ALIGN, 200);
    if (idle == 0)
    {
      assert_int_equal(reopen(), 0);
      assert_true(journal->recovered.cut); /* as good as torn */
      wcx_jring_producer_init(&producer, &shared->jring, end_pos, journal->flushed_seq);
    }
    else
    {
      assert_int_equal(reopen(), -1);
      assert_non_null(strstr(journal->text, "an anchor says"));
    }
  }
}

static uint64_t unwitnessed(void)
{
  return atomic_load(&shared->segments.unwitnessed);
}

/* Whether anything was behind the end that is found, only an orderly end says in a new boot, and only until the next worker writes. */
static void an_orderly_end_is_a_witness(void **state)
{
  (void)state;
  assert_int_equal(unwitnessed(), 0); /* a journal made now */
  commit(5);
  assert_int_equal(reopen(), 0);
  assert_int_equal(unwitnessed(), 1);
  assert_in_range(atomic_load(&shared->segments.vouched_seq), 1, 5);
  uint64_t place = journal->off;
  assert_int_equal(wcx_journal_vouch_end(journal), 0);
  assert_int_equal(reopen(), 0);
  assert_int_equal(unwitnessed(), 0);
  assert_int_equal(atomic_load(&shared->segments.vouched_seq), 5);
  wcx_journal_anchor_t anchors[2];
  for (uint32_t i = recent(anchors); i > 0; i--)
    assert_false(anchors[i - 1].closed);
  assert_int_equal(wcx_disk_file_open(journal->disk, WCX_HANDLE_READ, "seg-0000000000000001.wcj", false), 0);
  memset(page, 0, sizeof(page));
  assert_int_equal(wcx_disk_write(journal->disk, WCX_HANDLE_READ, place, page, sizeof(page)), 0); /* all that this worker wrote */
  wcx_disk_file_close(journal->disk, WCX_HANDLE_READ);
  assert_int_equal(reopen(), 0);
  assert_int_equal(journal->recovered.off, place);
  assert_int_equal(unwitnessed(), 1);
}

/* Whichever of the two pages it stands on. */
static void the_mark_of_an_orderly_end_goes(void **state)
{
  (void)state;
  uint32_t pages_marked = 0;
  for (uint64_t life = 0; life < 4; life++)
  {
    wcx_jring_producer_init(&producer, &shared->jring, end_pos, 5 * life);
    commit(5);
    assert_int_equal(wcx_journal_vouch_end(journal), 0);
    wcx_journal_anchor_t anchor;
    for (uint32_t i = 0; i < WCX_JOURNAL_ANCHOR_RECENT; i++)
      if (wcx_anchors_read(journal->disk, page, WCX_HANDLE_READ, &journal->recovered.super, i, &anchor) && anchor.closed)
        pages_marked |= 1u << i;
    assert_int_equal(reopen(), 0);
    for (uint32_t i = 0; i < WCX_JOURNAL_ANCHOR_RECENT; i++)
      assert_false(wcx_anchors_read(journal->disk, page, WCX_HANDLE_READ, &journal->recovered.super, i, &anchor) && anchor.closed);
  }
  assert_int_equal(pages_marked, 3); /* both had their turn */
}

/* Whoever copies a directory together has anchors that are sound and of another journal. */
static void anchors_of_another_journal_do_not_serve(void **state)
{
  (void)state;
  commit(3000);
  wcx_journal_anchor_t anchors[2];
  assert_int_equal(recent(anchors), 2);
  wcx_journal_super_t other = journal->recovered.super;
  for (uint32_t i = 0; i < sizeof(other.journal_id); i++)
  {
    other.journal_id[i] ^= 1;
    for (uint32_t at = 0; at < WCX_JOURNAL_ANCHOR_RECENT; at++)
    {
      wcx_page_of_anchor(page, &other, &anchors[at]);
      wcx_journal_anchor_t read;
      assert_true(wcx_page_read_anchor(page, &other, &read));
      assert_false(wcx_page_read_anchor(page, &journal->recovered.super, &read));
    }
    other.journal_id[i] ^= 1;
  }
  other.shard++;
  wcx_page_of_anchor(page, &other, &anchors[0]);
  assert_false(wcx_page_read_anchor(page, &journal->recovered.super, &anchors[0]));
}

static void the_region_is_a_witness(void **state)
{
  (void)state;
  commit(5);
  wcx_sim_disk_kill(DIR);
  open_journal();
  assert_int_equal(unwitnessed(), 0);
}

static void a_busy_worker_has_no_end(void **state)
{
  (void)state;
  commit(5);
  static const uint8_t body[8];
  wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .template_id = 1, .shard = SHARD, .seq = producer.next_seq, .stamp_ns = producer.next_seq, .body_sz = sizeof(body)};
  wcx_jring_commit(&producer, &hdr, body);
  assert_int_equal(wcx_journal_vouch_end(journal), -EAGAIN);
  settle();
  assert_int_equal(wcx_journal_vouch_end(journal), 0);
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

/* What the worker tells keeper and retention of blocks and segments, and what it writes into anchors, is durable: a power loss takes nothing of it back. Writes are
   slow here, so that several are in flight and some segments full before they are durable. */
static void what_is_told_outlives_the_power(void **state)
{
  (void)state;
  static const uint8_t body[1000];
  for (uint32_t seed = 1; seed <= 40; seed++)
  {
    wcx_sim_disk_reset();
    wcx_sim_env_reset(seed);
    fresh_region();
    open_journal();
    wcx_jring_producer_init(&producer, &shared->jring, end_pos, 0);
    wcx_sim_disk_set_pace(DIR, 2);
    for (uint32_t i = 0; i < 400 + 60 * seed; i++)
    {
      wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .template_id = 1, .shard = SHARD, .seq = producer.next_seq, .stamp_ns = producer.next_seq, .body_sz = sizeof(body)};
      while (wcx_jring_room(&producer, wcx_release_seq(atomic_load(&shared->release.release_word))) >= WCX_JRING_RECORD_SLOTS_MAX)
      {
        hdr.seq = hdr.stamp_ns = producer.next_seq;
        wcx_jring_commit(&producer, &hdr, body);
      }
      wcx_journal_step(journal, 0);
      wcx_journal_prepare_step(journal);
      assert_false(journal->halted);
    }
    uint64_t durable_block = atomic_load(&shared->segments.durable_block);
    uint64_t closed_segment = atomic_load(&shared->segments.closed_segment);
    wcx_sim_disk_power_loss(DIR);
    fresh_region();
    open_journal(); /* an anchor that was no witness would refuse it */
    assert_true(journal->recovered.chain.next_block_no > durable_block);
    assert_true(journal->recovered.segment_no > closed_segment || (journal->recovered.segment_no == closed_segment && journal->recovered.off == SEGMENT_SZ));
  }
}

/* A successor writes over the older of the two, or a torn write would leave none near the end. */
static void the_newer_one_is_never_written_over(void **state)
{
  (void)state;
  wcx_journal_anchor_t anchors[2];
  for (uint32_t life = 0; life < 2; life++) /* either page is the newer one in one of them */
  {
    commit(500 + 30 * life);
    assert_int_equal(recent(anchors), 2);
    uint64_t newer = anchors[0].chain.next_block_no > anchors[1].chain.next_block_no ? anchors[0].chain.next_block_no : anchors[1].chain.next_block_no;
    assert_int_equal(reopen(), 0);
    atomic_fetch_add(&shared->handshake.asked, 1);
    settle();
    wcx_jring_producer_init(&producer, &shared->jring, end_pos, atomic_load(&shared->handshake.cut_seq));
    uint64_t newest = newer;
    for (uint32_t i = 0; i < 100 && newest == newer; i++)
    {
      commit(1);
      assert_int_equal(recent(anchors), 2);
      newest = anchors[0].chain.next_block_no > anchors[1].chain.next_block_no ? anchors[0].chain.next_block_no : anchors[1].chain.next_block_no;
    }
    assert_true(newest > newer);
    assert_true(anchors[0].chain.next_block_no == newer || anchors[1].chain.next_block_no == newer);
  }
}

/* The last block alone knows that the one before it was acknowledged. When both rot after a boot that knew no region, the worker's first block still does. */
static void the_seal_remembers_what_was_acknowledged(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < 20; i++)
    commit(1);
  uint64_t end = journal->off / WCX_JOURNAL_ALIGN;
  assert_int_equal(journal->segment_no, 1);
  assert_int_equal(reopen(), 0);
  int removed = wcx_disk_remove(journal->disk, "anchors");
  assert_true(removed == 0 || removed == -ENOENT);
  damage("seg-0000000000000001.wcj", end - 2, 200);
  damage("seg-0000000000000001.wcj", end - 1, 200);
  assert_int_equal(reopen(), -1);
  assert_non_null(strstr(journal->text, "acknowledged data is damaged"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(successor_starts_near_the_end, set_up, tear_down),
      cmocka_unit_test_setup_teardown(blocks_say_what_was_known, set_up, tear_down),
      cmocka_unit_test_setup_teardown(anchors_carry_what_is_not_read, set_up, tear_down),
      cmocka_unit_test_setup_teardown(first_places_have_their_page, set_up, tear_down),
      cmocka_unit_test_setup_teardown(damaged_pages_cost_time_only, set_up, tear_down),
      cmocka_unit_test_setup_teardown(missing_file_is_made_again, set_up, tear_down),
      cmocka_unit_test_setup_teardown(anchor_is_a_witness, set_up, tear_down),
      cmocka_unit_test_setup_teardown(an_idle_worker_vouches_for_its_end, set_up, tear_down),
      cmocka_unit_test_setup_teardown(offers_do_not_wait, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_is_told_outlives_the_power, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_newer_one_is_never_written_over, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_seal_remembers_what_was_acknowledged, set_up, tear_down),
      cmocka_unit_test_setup_teardown(an_orderly_end_is_a_witness, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_mark_of_an_orderly_end_goes, set_up, tear_down),
      cmocka_unit_test_setup_teardown(anchors_of_another_journal_do_not_serve, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_region_is_a_witness, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_busy_worker_has_no_end, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
