/* Scrub and repair (persist/scrub.h) of a journal that the real worker wrote, from an archive directory. */
#include "persist/scrub.h"
#include "tests/unit/ship_fixture.h"
#include "tests/unit/sync_fixture.h"

#include <fcntl.h>
#include <unistd.h>

static char archive_dir[64];
static wcx_archive_t archive;
static wcx_scrub_t scrub;
static uint64_t now_ns;

static int end(void **state)
{
  wcx_scrub_close(&scrub);
  wcx_archive_close(&archive);
  return tear_down(state);
}

static void fill_archive(void)
{
  snprintf(archive_dir, sizeof(archive_dir), "%s/archive", root);
  wcx_archive_config_t config = {.journal_dir = from_dir, .dir = archive_dir, .shard = SHARD};
  assert_true(wcx_archive_init(&archive, &config));
  int result;
  do
    result = wcx_archive_step(&archive, atomic_load(&shared->segments.durable_block), atomic_load(&shared->segments.closed_segment), now_ns);
  while (result == 1);
  assert_int_equal(result, 0);
}

static void damage(uint64_t segment_no)
{
  char path[128], name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, segment_no);
  snprintf(path, sizeof(path), "%s/%s", from_dir, name);
  int fd = open(path, O_RDWR);
  assert_true(fd >= 0);
  assert_int_equal(pwrite(fd, "other", 5, SEGMENT_SZ - WCX_JOURNAL_ALIGN + 200), 5);
  assert_int_equal(fsync(fd), 0);
  close(fd);
}

/* Until the damage is found, and one attempt to repair it. */
static enum wcx_scrub_result find_and_repair(uint64_t segment_no)
{
  uint64_t first = atomic_load(&shared->segments.first_segment);
  uint64_t closed = atomic_load(&shared->segments.closed_segment);
  uint32_t sz;
  enum wcx_scrub_result result;
  wcx_scrub_init(&scrub, from_dir, &archive);
  do
    result = wcx_scrub_step(&scrub, first, closed, now_ns, &sz);
  while (result == WCX_SCRUB_READ);
  assert_int_equal(result, WCX_SCRUB_DAMAGED);
  assert_int_equal(scrub.damaged_segment, segment_no);
  return wcx_scrub_step(&scrub, first, closed, now_ns, &sz);
}

static void damage_is_repaired(void **state)
{
  (void)state;
  fill_archive();
  assert_int_equal(in_root("cp -r from before"), 0);
  damage(2);
  assert_int_equal(find_and_repair(2), WCX_SCRUB_REPAIRED);
  assert_int_equal(in_root("diff -r from before"), 0);
}

/* The archive went on in a history that a restore took out of the journal. Its copy continues what lies before, but not what lies behind. */
static void another_history_repairs_nothing(void **state)
{
  (void)state;
  keep();
  uint64_t parted = journal->segment_no;
  commit(1000);
  fill_archive();
  assert_true(archive.archived_segment > parted);
  take_back();
  commit(1000);
  damage(parted);
  assert_int_equal(in_root("cp -r from before"), 0);
  assert_int_equal(find_and_repair(parted), WCX_SCRUB_REST);
  assert_non_null(strstr(scrub.text, "may be of another history"));
  assert_int_equal(scrub.damaged_segment, parted); /* retention reads it: nothing is removed while there is damage */
  assert_int_equal(in_root("diff -r from before"), 0);
}

/* Nothing behind it: whose copy it is cannot be told. */
static void a_copy_that_nothing_vouches_for_waits(void **state)
{
  (void)state;
  fill_archive();
  uint64_t closed = atomic_load(&shared->segments.closed_segment);
  char command[128], name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, closed + 1);
  snprintf(command, sizeof(command), "truncate -s 4096 from/%s && truncate -s %u from/%s", name, SEGMENT_SZ, name);
  assert_int_equal(in_root(command), 0);
  damage(closed);
  assert_int_equal(find_and_repair(closed), WCX_SCRUB_REST);
  assert_non_null(strstr(scrub.text, "nothing stands behind it"));
}

static void change(const char *path, uint64_t off)
{
  int fd = open(path, O_RDWR);
  assert_true(fd >= 0);
  assert_int_equal(pwrite(fd, "other", 5, (off_t)off), 5);
  assert_int_equal(fsync(fd), 0);
  close(fd);
}

static enum wcx_scrub_result pass(uint64_t closed)
{
  uint32_t sz;
  enum wcx_scrub_result result;
  do
    result = wcx_scrub_step(&scrub, 1, closed, now_ns, &sz);
  while (result == WCX_SCRUB_READ);
  return result;
}

static void copies_of_the_superblock_are_compared(void **state)
{
  (void)state;
  uint64_t closed = atomic_load(&shared->segments.closed_segment);
  char path[128];
  snprintf(path, sizeof(path), "%s/superblock", from_dir);
  wcx_scrub_init(&scrub, from_dir, NULL);
  for (uint32_t bad = 0; bad < WCX_JOURNAL_SUPER_COPIES; bad++)
  {
    assert_int_equal(pass(closed), WCX_SCRUB_PASS);
    assert_int_equal(scrub.bad_copies, bad);
    change(path, (uint64_t)bad * WCX_JOURNAL_ALIGN + (bad == 1 ? 3000 : 40)); /* also what lies behind the words */
  }
}

/* An archive is a journal: its damage is found as well. */
static void an_archive_is_read(void **state)
{
  (void)state;
  fill_archive();
  wcx_scrub_init(&scrub, archive.dir, NULL);
  assert_int_equal(pass(archive.archived_segment), WCX_SCRUB_PASS);
  char path[500];
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, 2);
  snprintf(path, sizeof(path), "%s/%s", archive.dir, name);
  change(path, SEGMENT_SZ - WCX_JOURNAL_ALIGN + 200);
  assert_int_equal(pass(archive.archived_segment), WCX_SCRUB_DAMAGED);
  assert_int_equal(scrub.damaged_segment, 2);
  assert_int_equal(pass(archive.archived_segment), WCX_SCRUB_REST); /* and stays so */
  assert_int_equal(scrub.damaged_segment, 2);
}

/* A copy that may vanish with the power takes no name, and a name that may vanish is no repair. */
static void what_is_not_durable_repairs_nothing(void **state)
{
  (void)state;
  fill_archive();
  assert_int_equal(in_root("cp -r from good"), 0);
  damage(2);
  assert_int_equal(in_root("cp -r from before"), 0);
  fails_file = true;
  assert_int_equal(find_and_repair(2), WCX_SCRUB_REST);
  assert_false(fails_file);
  assert_int_equal(scrub.damaged_segment, 2);
  assert_int_equal(in_root("diff -r from before"), 0);
  uint32_t sz;
  fails_directory = true;
  now_ns += WCX_SCRUB_RETRY_NS;
  assert_int_equal(wcx_scrub_step(&scrub, 1, atomic_load(&shared->segments.closed_segment), now_ns, &sz), WCX_SCRUB_REST);
  assert_false(fails_directory);
  assert_int_equal(scrub.damaged_segment, 2);
  assert_int_equal(scrub.repaired, 0);
  now_ns += WCX_SCRUB_RETRY_NS;
  assert_int_equal(wcx_scrub_step(&scrub, 1, atomic_load(&shared->segments.closed_segment), now_ns, &sz), WCX_SCRUB_REPAIRED);
  assert_int_equal(scrub.damaged_segment, 0);
  assert_int_equal(in_root("diff -r from good"), 0);
}

/* What was good in one pass may be damaged in the next. */
static void every_pass_reads_everything(void **state)
{
  (void)state;
  uint64_t closed = atomic_load(&shared->segments.closed_segment);
  uint32_t sz;
  enum wcx_scrub_result result;
  wcx_scrub_init(&scrub, from_dir, NULL);
  for (uint32_t pass = 0; pass < 2; pass++)
  {
    uint64_t read = 0;
    for (; (result = wcx_scrub_step(&scrub, 1, closed, now_ns, &sz)) == WCX_SCRUB_READ; read += sz)
      ;
    assert_int_equal(result, WCX_SCRUB_PASS);
    assert_int_equal(read, closed * (SEGMENT_SZ - WCX_JOURNAL_ALIGN));
  }
  damage(2);
  do
    result = wcx_scrub_step(&scrub, 1, closed, now_ns, &sz);
  while (result == WCX_SCRUB_READ);
  assert_int_equal(result, WCX_SCRUB_DAMAGED);
  assert_int_equal(scrub.damaged_segment, 2);
  assert_int_equal(wcx_scrub_step(&scrub, 1, closed, now_ns, &sz), WCX_SCRUB_REST); /* without an archive it stays so */
  assert_int_equal(scrub.damaged_segment, 2);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(damage_is_repaired, set_up, end),
      cmocka_unit_test_setup_teardown(another_history_repairs_nothing, set_up, end),
      cmocka_unit_test_setup_teardown(a_copy_that_nothing_vouches_for_waits, set_up, end),
      cmocka_unit_test_setup_teardown(copies_of_the_superblock_are_compared, set_up, end),
      cmocka_unit_test_setup_teardown(an_archive_is_read, set_up, end),
      cmocka_unit_test_setup_teardown(what_is_not_durable_repairs_nothing, set_up, end),
      cmocka_unit_test_setup_teardown(every_pass_reads_everything, set_up, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
