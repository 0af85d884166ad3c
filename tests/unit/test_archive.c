/* The archive (persist/archive.h) by commands, behind a journal that the real worker wrote. */
#include "persist/archive.h"
#include "tests/unit/ship_fixture.h"

static wcx_archive_t archive;
static char work_dir[64], command[128], fetch_command[128];
static uint64_t now_ns;

static void open_archive(void)
{
  snprintf(work_dir, sizeof(work_dir), "%s/work", root);
  snprintf(command, sizeof(command), "cp $WCX_FILE %s/store/$WCX_NAME", root);
  snprintf(fetch_command, sizeof(fetch_command), "cp %s/store/$WCX_NAME $WCX_FILE", root);
  wcx_archive_config_t config = {.journal_dir = from_dir, .command = command, .fetch_command = fetch_command, .work_dir = work_dir, .shard = SHARD};
  assert_true(wcx_archive_init(&archive, &config));
}

static int begin(void **state)
{
  int result = set_up(state);
  if (result == 0)
    result = in_root("mkdir store");
  open_archive();
  return result;
}

static int end(void **state)
{
  wcx_archive_close(&archive);
  return tear_down(state);
}

/* Until there is nothing to do, or it fails: what the last step said. */
static int store_all(void)
{
  int result;
  do
  {
    now_ns += WCX_ARCHIVE_RETRY_NS_MAX;
    result = wcx_archive_step(&archive, atomic_load(&shared->segments.durable_block), atomic_load(&shared->segments.closed_segment), now_ns);
  } while (result == 1);
  return result;
}

static void what_is_stored_already_is_left(void **state)
{
  (void)state;
  assert_int_equal(store_all(), 0);
  uint64_t archived = archive.archived_segment;
  assert_true(archived > 2);
  wcx_archive_close(&archive);
  assert_int_equal(in_root("rm -r work && cp -r store before"), 0);
  open_archive();
  archive.config.command = "exit 1";
  assert_int_equal(store_all(), 0);
  assert_int_equal(archive.archived_segment, archived);
  assert_int_equal(in_root("diff -r store before"), 0);
}

static void what_does_not_come_back_whole_is_stored_again(void **state)
{
  (void)state;
  assert_int_equal(store_all(), 0);
  wcx_archive_close(&archive);
  assert_int_equal(in_root("rm -r work && cp -r store before && for i in store/*; do printf nonsense | dd of=$i bs=1 seek=100000 conv=notrunc status=none; done"), 0);
  open_archive();
  assert_int_equal(store_all(), 0);
  assert_int_equal(in_root("diff -r store before"), 0);
}

/* A restore from before: the store has the only copy of what was acknowledged since, under the names that the journal uses again. */
static void another_history_is_left(void **state)
{
  (void)state;
  keep();
  uint64_t last = journal->segment_no;
  commit(1000);
  assert_int_equal(store_all(), 0);
  assert_true(archive.archived_segment > last);
  wcx_archive_close(&archive);
  assert_int_equal(in_root("rm -r work && cp -r store before"), 0);
  take_back();
  commit(1000);
  open_archive();
  assert_int_equal(store_all(), -1);
  assert_non_null(strstr(archive.text, "holds another segment"));
  assert_int_equal(archive.archived_segment, last - 1);
  assert_int_equal(in_root("diff -r store before"), 0);
}

/* The same, and what is known of the store was kept: nothing may be removed because of it. */
static void a_store_that_goes_further_archives_nothing(void **state)
{
  (void)state;
  keep();
  commit(1000);
  assert_int_equal(store_all(), 0);
  wcx_archive_close(&archive);
  take_back();
  open_archive();
  assert_int_equal(store_all(), -1);
  assert_non_null(strstr(archive.text, "acknowledged data is missing"));
  assert_int_equal(archive.archived_segment, 0);
  commit(1500); /* other segments of the same numbers */
  assert_int_equal(store_all(), -1);
  assert_int_equal(archive.archived_segment, 0);
}

static void what_was_stored_counts_when_the_journal_goes_on(void **state)
{
  (void)state;
  assert_int_equal(store_all(), 0);
  uint64_t archived = archive.archived_segment;
  wcx_archive_close(&archive);
  open_archive();
  assert_int_equal(archive.archived_segment, 0);
  assert_int_equal(store_all(), 0);
  assert_int_equal(archive.archived_segment, archived);
}

/* A command that says yes and stores nothing, or less than it was given. */
static void what_is_not_there_is_not_archived(void **state)
{
  (void)state;
  static const char *const commands[] = {"true", "head -c 100000 $WCX_FILE > %s/store/$WCX_NAME"};
  for (uint32_t i = 0; i < 2; i++)
  {
    snprintf(command, sizeof(command), commands[i], root);
    assert_int_equal(store_all(), -1);
    assert_true(archive.failing);
    assert_int_equal(archive.archived_segment, 0);
  }
  snprintf(command, sizeof(command), "cp $WCX_FILE %s/store/$WCX_NAME", root);
  assert_int_equal(store_all(), 0);
  assert_int_equal(archive.archived_segment, atomic_load(&shared->segments.closed_segment));
}

/* A store that keeps what it has under a name, and could not be asked before: what it gives back continues the same chain, but is not what it was given. */
static void another_history_given_back_is_not_archived(void **state)
{
  (void)state;
  keep();
  uint64_t last = journal->segment_no;
  commit(1000);
  assert_int_equal(store_all(), 0);
  wcx_archive_close(&archive);
  take_back();
  commit(1000);
  assert_int_equal(in_root("rm -r work"), 0);
  open_archive();
  while (archive.archived_segment + 1 < last)
    assert_int_equal(wcx_archive_step(&archive, atomic_load(&shared->segments.durable_block), atomic_load(&shared->segments.closed_segment), now_ns), 1);
  snprintf(command, sizeof(command), "touch %s/asked", root);
  snprintf(fetch_command, sizeof(fetch_command), "test -e %s/asked && cp %s/store/$WCX_NAME $WCX_FILE", root, root);
  assert_int_equal(store_all(), -1);
  assert_non_null(strstr(archive.text, "gave back another segment"));
  assert_int_equal(archive.archived_segment, last - 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(what_is_stored_already_is_left, begin, end),
      cmocka_unit_test_setup_teardown(what_does_not_come_back_whole_is_stored_again, begin, end),
      cmocka_unit_test_setup_teardown(another_history_is_left, begin, end),
      cmocka_unit_test_setup_teardown(a_store_that_goes_further_archives_nothing, begin, end),
      cmocka_unit_test_setup_teardown(what_was_stored_counts_when_the_journal_goes_on, begin, end),
      cmocka_unit_test_setup_teardown(what_is_not_there_is_not_archived, begin, end),
      cmocka_unit_test_setup_teardown(another_history_given_back_is_not_archived, begin, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
