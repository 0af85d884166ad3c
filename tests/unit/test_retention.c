/* Which segments are removed, and when (persist/retention.h), over the simulated disk. */
#include "tests/unit/journal_fixture.h"

#include <errno.h>

static bool exists(uint64_t segment_no)
{
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, segment_no);
  int result = wcx_disk_file_open(journal->disk, WCX_HANDLE_READ, name, false);
  if (result == 0)
    wcx_disk_file_close(journal->disk, WCX_HANDLE_READ);
  return result == 0;
}

static void let_go(uint64_t replica, uint64_t archived, uint64_t damaged)
{
  atomic_store(&shared->replica.keep_segment, replica);
  atomic_store(&shared->keeper.archived_segment, archived);
  atomic_store(&shared->keeper.damaged, damaged);
  settle();
}

static uint64_t first_seq_on_disk(void)
{
  wcx_journal_walk_t walk;
  char err[512];
  wcx_journal_block_t block;
  const uint8_t *body;
  assert_int_equal(wcx_journal_walk_open(&walk, DIR, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  uint64_t first = walk.super.first_segment_no;
  assert_int_equal(atomic_load(&shared->segments.first_segment), first);
  int result;
  uint64_t seq = 0;
  while ((result = wcx_journal_walk_next_block(&walk, &block, &body)) == 1)
    seq = seq == 0 ? block.first_seq : seq;
  assert_int_equal(result, 0);
  assert_int_equal(walk.end.last_seq, producer.next_seq - 1);
  wcx_journal_walk_close(&walk);
  return seq;
}

static void nothing_goes_unless_all_let_go(void **state)
{
  (void)state;
  commit(3000);
  uint64_t closed = atomic_load(&shared->segments.closed_segment);
  assert_int_equal(closed, journal->segment_no - 1);
  assert_true(closed > 8);
  let_go(0, closed, 0); /* no replica */
  assert_true(exists(1));
  let_go(closed, 0, 0); /* no archive */
  assert_true(exists(1));
  let_go(closed, closed, 1); /* a repair may need it */
  assert_true(exists(1));
  let_go(1, closed, 0);
  assert_true(exists(1));
  assert_int_equal(first_seq_on_disk(), 1);
  assert_int_equal(atomic_load(&shared->segments.removed), 0);
}

static void what_all_let_go_goes(void **state)
{
  (void)state;
  commit(3000);
  let_go(6, 4, 0); /* archived up to 4, the replica needs 6 and on */
  assert_int_equal(atomic_load(&shared->segments.first_segment), 5);
  assert_false(exists(4));
  assert_true(exists(5));
  assert_int_equal(atomic_load(&shared->segments.removed), 4);
  let_go(6, 8, 0);
  assert_false(exists(5));
  assert_true(exists(6));
  assert_true(first_seq_on_disk() > 1);
  commit(1000);
  assert_int_equal(reopen(), 0);
  assert_int_equal(journal->recovered.super.first_segment_no, 6);
  assert_int_equal(journal->recovered.chain.next_seq, 4001);
}

static void the_words_of_others_are_not_believed(void **state)
{
  (void)state;
  commit(3000);
  uint64_t closed = atomic_load(&shared->segments.closed_segment);
  let_go(UINT64_MAX, UINT64_MAX - 1, 0);
  assert_int_equal(atomic_load(&shared->segments.first_segment), closed);
  assert_true(exists(closed));
  assert_true(exists(closed + 1));
  (void)first_seq_on_disk();
}

/* A crash after the superblock and before the end of the sweep. */
static void a_broken_sweep_is_finished(void **state)
{
  (void)state;
  commit(3000);
  atomic_store(&shared->replica.keep_segment, 6);
  atomic_store(&shared->keeper.archived_segment, 8);
  while (journal->retention.phase != WCX_RETENTION_SWEEP)
    wcx_journal_prepare_step(journal);
  assert_int_equal(wcx_journal_prepare_step(journal), 1);
  assert_true(exists(5));
  assert_int_equal(reopen(), 0); /* nobody lets go of anything in the new region */
  settle();
  assert_false(exists(5));
  assert_true(exists(6));
}

/* Without the chain at a place, the journal cannot begin there. */
static void without_an_anchor_less_goes(void **state)
{
  (void)state;
  commit(3000);
  uint64_t page_no = wcx_anchors_page_of(6);
  assert_int_equal(wcx_disk_file_open(journal->disk, WCX_HANDLE_READ, "anchors", false), 0);
  memset(page, 0, sizeof(page));
  assert_int_equal(wcx_disk_write(journal->disk, WCX_HANDLE_READ, page_no * WCX_JOURNAL_ALIGN, page, sizeof(page)), 0);
  wcx_disk_file_close(journal->disk, WCX_HANDLE_READ);
  let_go(6, 8, 0);
  uint64_t first = atomic_load(&shared->segments.first_segment);
  assert_in_range(first, 2, 5);
  assert_false(exists(first - 1));
  assert_true(exists(first));
}

static void put_anchor(uint32_t page_no, const wcx_journal_anchor_t *anchor)
{
  wcx_page_of_anchor(page, &journal->recovered.super, anchor);
  assert_int_equal(wcx_disk_file_open(journal->disk, WCX_HANDLE_READ, "anchors", false), 0);
  assert_int_equal(wcx_disk_write(journal->disk, WCX_HANDLE_READ, (uint64_t)page_no * WCX_JOURNAL_ALIGN, page, sizeof(page)), 0);
  wcx_disk_file_close(journal->disk, WCX_HANDLE_READ);
}

/* An anchor that is whole and wrong: of another chain, of another segment, of a place within it. Whoever began there could read nothing. */
static void an_anchor_that_lies_is_passed_over(void **state)
{
  (void)state;
  wcx_journal_anchor_t of_five, of_six;
  commit(3000);
  assert_true(wcx_anchors_read(journal->disk, page, WCX_HANDLE_READ, &journal->recovered.super, wcx_anchors_page_of(5), &of_five));
  assert_true(wcx_anchors_read(journal->disk, page, WCX_HANDLE_READ, &journal->recovered.super, wcx_anchors_page_of(6), &of_six));
  wcx_journal_anchor_t lies[3] = {of_six, of_five, of_six};
  lies[0].chain.digest.lo ^= 1;
  lies[2].off += WCX_JOURNAL_ALIGN;
  for (uint32_t i = 0; i < 3; i++)
  {
    put_anchor(wcx_anchors_page_of(6), &lies[i]);
    let_go(6, 8 + i, 0); /* what was tried is not tried again for the same word */
    assert_int_equal(atomic_load(&shared->segments.first_segment), 5);
    assert_true(exists(5));
    assert_true(first_seq_on_disk() > 1);
    assert_int_equal(reopen(), 0);
  }
  put_anchor(wcx_anchors_page_of(6), &of_six);
  let_go(6, 8, 0);
  assert_int_equal(atomic_load(&shared->segments.first_segment), 6);
}

static void a_failure_costs_space_only(void **state)
{
  (void)state;
  commit(3000);
  wcx_sim_disk_fail_sync(DIR, 1); /* of the new superblock */
  let_go(6, 8, 0);
  assert_int_equal(atomic_load(&journal->retention.error), -EIO);
  assert_true(exists(1));
  commit(1000);
  assert_false(journal->halted);
  assert_int_equal(reopen(), 0);
  assert_int_equal(journal->recovered.super.first_segment_no, 1);
}

/* Steps of the preparing thread until the nth sync from now fails; then nobody syncs again and the worker ends. */
static void halts_when_sync_fails(uint64_t nth)
{
  wcx_sim_disk_fail_sync(DIR, nth);
  int result = 1;
  for (uint32_t i = 0; i < 100 && result >= 0; i++)
    result = wcx_journal_prepare_step(journal);
  assert_int_equal(result, -EIO);
  assert_int_equal(atomic_load(&journal->retention.error), -EIO);
  assert_int_equal(wcx_journal_prepare_step(journal), -EIO);
  wcx_journal_step(journal, 0);
  assert_true(journal->halted);
  assert_non_null(strstr(journal->text, "directory could not be synced"));
}

static void the_directory_of_a_new_superblock_halts(void **state)
{
  (void)state;
  commit(3000);
  atomic_store(&shared->replica.keep_segment, 6);
  atomic_store(&shared->keeper.archived_segment, 8);
  halts_when_sync_fails(2); /* the file's own is the first */
}

static void the_directory_of_a_sweep_halts(void **state)
{
  (void)state;
  commit(3000);
  atomic_store(&shared->replica.keep_segment, 6);
  atomic_store(&shared->keeper.archived_segment, 8);
  while (journal->retention.phase != WCX_RETENTION_SWEEP)
    wcx_journal_prepare_step(journal);
  halts_when_sync_fails(1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(nothing_goes_unless_all_let_go, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_all_let_go_goes, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_words_of_others_are_not_believed, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_broken_sweep_is_finished, set_up, tear_down),
      cmocka_unit_test_setup_teardown(without_an_anchor_less_goes, set_up, tear_down),
      cmocka_unit_test_setup_teardown(an_anchor_that_lies_is_passed_over, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_failure_costs_space_only, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_directory_of_a_new_superblock_halts, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_directory_of_a_sweep_halts, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
