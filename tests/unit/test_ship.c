/* Shipping a journal into another directory (persist/ship.h), over a journal that the real worker wrote. */
#include "persist/ship.h"
#include "tests/unit/ship_fixture.h"
#include "tests/unit/sync_fixture.h"

#include <fcntl.h>
#include <unistd.h>

static wcx_ship_t ship;

/* A disk that loses what was written: the sync fails once, and later ones succeed, because to the page cache those pages are clean. What was lost
   shows when the cache is dropped. */
static bool fails_next;
static bool lost;
static char lost_path[128];

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_posix_fadvise(int fd, off_t off, off_t len, int advice);
int __wrap_posix_fadvise(int fd, off_t off, off_t len, int advice);

static void drop_cache(void)
{
  if (!lost)
    return;
  lost = false;
  assert_int_equal(truncate(lost_path, WCX_JOURNAL_ALIGN), 0);
  assert_int_equal(truncate(lost_path, SEGMENT_SZ), 0);
}

int __wrap_fdatasync(int fd)
{
  if (!fails_next)
    return __real_fdatasync(fd);
  fails_next = false;
  lost = true;
  errno = EIO;
  return -1;
}

int __wrap_posix_fadvise(int fd, off_t off, off_t len, int advice)
{
  if (advice == POSIX_FADV_DONTNEED)
    drop_cache();
  return __real_posix_fadvise(fd, off, len, advice);
}

static int end(void **state)
{
  wcx_ship_close(&ship);
  return tear_down(state);
}

static void open_ship(const wcx_journal_anchor_t *since)
{
  if (wcx_ship_open(&ship, from_dir, to_dir, since) < 0)
    fail_msg("%s", ship.text);
}

static void ship_all(uint64_t durable_block)
{
  int result;
  do
    result = wcx_ship_step(&ship, durable_block);
  while (result == 1);
  if (result < 0)
    fail_msg("%s", ship.text);
  assert_true(wcx_ship_sync(&ship) >= 0);
}

/* The last seq that a walk of the target reaches; first: where it began. */
static uint64_t walk_target(uint64_t *first)
{
  wcx_journal_walk_t walk;
  char err[512];
  wcx_journal_block_t block;
  const uint8_t *body;
  if (wcx_journal_walk_open(&walk, to_dir, err, sizeof(err)) != WCX_JOURNAL_OPEN_OK)
    fail_msg("%s", err);
  *first = walk.super.first_segment_no;
  int result;
  do
    result = wcx_journal_walk_next_block(&walk, &block, &body);
  while (result == 1);
  if (result < 0)
    fail_msg("%s", walk.text);
  uint64_t last = walk.end.last_seq;
  assert_int_equal(walk.end.verdict, WCX_JOURNAL_CLEAN);
  wcx_journal_walk_close(&walk);
  return last;
}

static void the_target_is_a_journal_at_any_time(void **state)
{
  (void)state;
  uint64_t first;
  open_ship(NULL);
  for (uint64_t last = 0; wcx_ship_step(&ship, UINT64_MAX) == 1; last = ship.copied_seq)
    if (ship.copied_seq > last + 200)
      assert_int_equal(walk_target(&first), ship.copied_seq);
  assert_int_equal(walk_target(&first), 1000);
  assert_int_equal(first, 1);
  assert_int_equal(ship.archived_segment, journal->segment_no - 1);
  commit(500);
  ship_all(UINT64_MAX);
  assert_int_equal(walk_target(&first), 1500);
}

static void nothing_beyond_the_durable_block(void **state)
{
  (void)state;
  open_ship(NULL);
  ship_all(5);
  assert_int_equal(ship.walk.chain.next_block_no, 6);
  uint64_t first;
  assert_int_equal(walk_target(&first), ship.copied_seq);
}

static void goes_on_after_a_restart(void **state)
{
  (void)state;
  uint64_t first;
  open_ship(NULL);
  ship_all(UINT64_MAX);
  uint64_t archived = ship.archived_segment;
  wcx_ship_close(&ship);
  commit(1000);
  open_ship(NULL);
  assert_int_equal(wcx_ship_step(&ship, UINT64_MAX), 1);
  assert_int_equal(ship.archived_segment, archived);
  ship_all(UINT64_MAX);
  assert_int_equal(walk_target(&first), 2000);
}

/* What a crash or a disk made of the tail. */
static void a_torn_tail_is_overwritten(void **state)
{
  (void)state;
  uint64_t first;
  open_ship(NULL);
  ship_all(UINT64_MAX);
  char path[128];
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, ship.open_segment);
  snprintf(path, sizeof(path), "%s/%s", to_dir, name);
  wcx_ship_close(&ship);
  int fd = open(path, O_RDWR);
  assert_true(fd >= 0);
  assert_int_equal(pwrite(fd, "other", 5, WCX_JOURNAL_ALIGN + 200), 5);        /* in a block that the source has, too */
  assert_int_equal(pwrite(fd, "other", 5, SEGMENT_SZ - WCX_JOURNAL_ALIGN), 5); /* and behind all that it has */
  close(fd);
  open_ship(NULL);
  ship_all(UINT64_MAX);
  assert_int_equal(walk_target(&first), 1000);
}

/* A restore from before took acknowledged inputs out of the journal: the target has the only copy. */
static void another_history_is_left(void **state)
{
  (void)state;
  keep();
  commit(5);
  open_ship(NULL);
  ship_all(UINT64_MAX);
  wcx_ship_close(&ship);
  assert_int_equal(in_root("cp -r to before"), 0);
  take_back();
  commit(5);
  for (int i = 0; i < 2; i++)
  {
    open_ship(NULL);
    int result;
    do
      result = wcx_ship_step(&ship, UINT64_MAX);
    while (result == 1);
    assert_int_equal(result, -1);
    assert_non_null(strstr(ship.text, "holds another block"));
    wcx_ship_close(&ship);
    assert_int_equal(in_root("diff -r -x lock to before"), 0);
  }
}

/* What the page `shipped` says is of a history that the journal has not: nothing of the journal may be removed because of it. */
static void a_target_that_goes_further_archives_nothing(void **state)
{
  (void)state;
  keep();
  commit(1000);
  open_ship(NULL);
  ship_all(UINT64_MAX);
  uint64_t archived = ship.archived_segment;
  wcx_ship_close(&ship);
  take_back();
  assert_true(archived > journal->segment_no);
  assert_int_equal(in_root("cp -r to before"), 0);
  open_ship(NULL);
  assert_int_equal(wcx_ship_step(&ship, atomic_load(&shared->segments.durable_block)), -1);
  assert_non_null(strstr(ship.text, "acknowledged data is missing"));
  assert_int_equal(ship.archived_segment, 0);
  wcx_ship_close(&ship);
  commit(1500); /* other blocks of the same numbers */
  open_ship(NULL);
  assert_int_equal(wcx_ship_step(&ship, atomic_load(&shared->segments.durable_block)), -1);
  assert_int_equal(ship.archived_segment, 0);
  assert_int_equal(in_root("diff -r -x lock to before"), 0);
}

static void overrides_are_not_taken_back(void **state)
{
  (void)state;
  open_ship(NULL);
  assert_int_equal(in_root("head -c 8192 from/superblock > to/deep/overrides && head -c 4096 from/superblock > from/overrides && cp -r to before"), 0);
  assert_int_equal(wcx_ship_sync(&ship), -1);
  assert_non_null(strstr(ship.text, "holds more overrides"));
  assert_int_equal(in_root("diff -r -x lock to before"), 0);
}

static void what_a_failed_sync_lost_is_written_again(void **state)
{
  (void)state;
  uint64_t first;
  for (int i = 0; i < 2; i++)
  {
    commit(50);
    open_ship(NULL);
    int result;
    fails_next = i == 0; /* as a segment is closed, */
    do
      result = wcx_ship_step(&ship, UINT64_MAX);
    while (result == 1);
    assert_int_equal(result, i == 0 ? -1 : 0);
    fails_next = i == 1; /* and as the tail is synced */
    assert_int_equal(i == 0 ? -1 : wcx_ship_sync(&ship), -1);
    assert_true(lost);
    char name[WCX_SEGMENT_NAME_SZ];
    wcx_segment_name(name, ship.open_segment);
    snprintf(lost_path, sizeof(lost_path), "%s/%s", to_dir, name);
    wcx_ship_close(&ship);
    open_ship(NULL);
    ship_all(UINT64_MAX);
    wcx_ship_close(&ship);
    drop_cache();
    assert_int_equal(walk_target(&first), journal->flushed_seq);
  }
}

/* A keeper that died may have given the end of the archive its name and not synced it; who believes that lets the journal go of what is before it. */
static void what_was_named_is_synced_before_it_counts(void **state)
{
  (void)state;
  open_ship(NULL);
  ship_all(UINT64_MAX);
  wcx_ship_close(&ship);
  struct stat st;
  assert_int_equal(stat(to_dir, &st), 0);
  fails_inode = st.st_ino;
  fails_directory = true;
  assert_int_equal(wcx_ship_open(&ship, from_dir, to_dir, NULL), -1);
  assert_non_null(strstr(ship.text, "cannot sync"));
  assert_false(fails_directory);
  fails_inode = 0;
  open_ship(NULL);
  ship_all(UINT64_MAX);
}

static void one_writer(void **state)
{
  (void)state;
  open_ship(NULL);
  wcx_ship_t second;
  assert_int_equal(wcx_ship_open(&second, from_dir, to_dir, NULL), -1);
  assert_non_null(strstr(second.text, "somebody else writes to"));
}

static void another_journal_is_refused(void **state)
{
  (void)state;
  open_ship(NULL);
  ship_all(UINT64_MAX);
  wcx_journal_super_t super = ship.walk.super;
  super.journal_id[0] ^= 1;
  assert_int_equal(wcx_ship_super(ship.dir_fd, &super), 0);
  wcx_ship_close(&ship);
  assert_int_equal(wcx_ship_open(&ship, from_dir, to_dir, NULL), -1);
  assert_non_null(strstr(ship.text, "holds another journal"));
}

static void an_increment_begins_where_the_other_ends(void **state)
{
  (void)state;
  uint64_t first;
  open_ship(NULL);
  ship_all(UINT64_MAX);
  wcx_journal_super_t super = ship.walk.super;
  wcx_ship_close(&ship);
  wcx_journal_anchor_t end;
  assert_true(wcx_ship_end(to_dir, &super, &end));
  commit(1000);
  snprintf(to_dir, sizeof(to_dir), "%s/increment", root);
  open_ship(&end);
  ship_all(UINT64_MAX);
  assert_int_equal(walk_target(&first), 2000);
  assert_int_equal(first, end.segment_no);
}

/* A target that swallows a write must not count as an archive. */
static void a_copy_that_reads_back_differently_is_not_archived(void **state)
{
  (void)state;
  open_ship(NULL);
  int result = 1;
  while (result == 1 && ship.blocks < 3)
    result = wcx_ship_step(&ship, UINT64_MAX);
  assert_int_equal(pwrite(ship.fd, "other", 5, WCX_JOURNAL_ALIGN + 300), 5);
  while (result == 1)
    result = wcx_ship_step(&ship, UINT64_MAX);
  assert_int_equal(result, -1);
  assert_int_equal(ship.archived_segment, 0);
  assert_non_null(strstr(ship.text, "segment 1 in"));
  wcx_ship_close(&ship);
  uint64_t first;
  open_ship(NULL); /* the next attempt mends it */
  ship_all(UINT64_MAX);
  assert_int_equal(walk_target(&first), 1000);
}

/* A segment of the target has a durable name before its first block, and what says where the archive ends is durable before it counts. */
static void nothing_goes_into_what_may_vanish(void **state)
{
  (void)state;
  open_ship(NULL);
  int result = 1;
  while (result == 1 && (ship.fd >= 0 || ship.blocks == 0))
    result = wcx_ship_step(&ship, UINT64_MAX);
  assert_int_equal(result, 1); /* the first is closed, the second not made */
  uint64_t blocks = ship.blocks;
  fails_directory = true;
  assert_int_equal(wcx_ship_step(&ship, UINT64_MAX), -1);
  assert_false(fails_directory);
  assert_int_equal(ship.blocks, blocks);
  wcx_journal_anchor_t end = ship.first;
  fails_file = true;
  assert_true(wcx_ship_set_end(ship.dir_fd, &ship.walk.super, &end) < 0);
  assert_false(fails_file);
  fails_directory = true;
  assert_true(wcx_ship_set_end(ship.dir_fd, &ship.walk.super, &end) < 0);
  wcx_ship_close(&ship);
  uint64_t first;
  open_ship(NULL);
  ship_all(UINT64_MAX);
  assert_int_equal(walk_target(&first), 1000);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_target_is_a_journal_at_any_time, set_up, end),
      cmocka_unit_test_setup_teardown(nothing_beyond_the_durable_block, set_up, end),
      cmocka_unit_test_setup_teardown(goes_on_after_a_restart, set_up, end),
      cmocka_unit_test_setup_teardown(what_was_named_is_synced_before_it_counts, set_up, end),
      cmocka_unit_test_setup_teardown(a_torn_tail_is_overwritten, set_up, end),
      cmocka_unit_test_setup_teardown(another_history_is_left, set_up, end),
      cmocka_unit_test_setup_teardown(a_target_that_goes_further_archives_nothing, set_up, end),
      cmocka_unit_test_setup_teardown(overrides_are_not_taken_back, set_up, end),
      cmocka_unit_test_setup_teardown(what_a_failed_sync_lost_is_written_again, set_up, end),
      cmocka_unit_test_setup_teardown(one_writer, set_up, end),
      cmocka_unit_test_setup_teardown(another_journal_is_refused, set_up, end),
      cmocka_unit_test_setup_teardown(an_increment_begins_where_the_other_ends, set_up, end),
      cmocka_unit_test_setup_teardown(a_copy_that_reads_back_differently_is_not_archived, set_up, end),
      cmocka_unit_test_setup_teardown(nothing_goes_into_what_may_vanish, set_up, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
