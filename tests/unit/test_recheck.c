/* Reading an archive by commands again (persist/recheck.h), behind a journal that the real worker wrote. */
#include "persist/recheck.h"
#include "tests/unit/ship_fixture.h"

#include <unistd.h>

static wcx_archive_t archive;
static wcx_recheck_t recheck;
static char work_dir[64], command[160], fetch_command[160];
static uint64_t now_ns;

static void open_archive(void)
{
  wcx_archive_config_t config = {.journal_dir = from_dir, .command = command, .fetch_command = fetch_command, .work_dir = work_dir, .shard = SHARD};
  assert_true(wcx_archive_init(&archive, &config));
  wcx_recheck_init(&recheck, &archive);
}

static void store_all(void)
{
  int result;
  do
  {
    now_ns += WCX_ARCHIVE_RETRY_NS_MAX;
    result = wcx_archive_step(&archive, atomic_load(&shared->segments.durable_block), atomic_load(&shared->segments.closed_segment), now_ns);
  } while (result == 1);
  assert_int_equal(result, 0);
}

static int begin(void **state)
{
  int result = set_up(state);
  snprintf(work_dir, sizeof(work_dir), "%s/work", root);
  snprintf(command, sizeof(command), "cp $WCX_FILE %s/store/$WCX_NAME", root);
  snprintf(fetch_command, sizeof(fetch_command), "echo $WCX_SEGMENT >> %s/fetched; cp %s/store/$WCX_NAME $WCX_FILE", root, root);
  if (result == 0)
    result = in_root("mkdir store");
  open_archive();
  store_all();
  return result;
}

static int end(void **state)
{
  wcx_archive_close(&archive);
  return tear_down(state);
}

/* Until a pass is done or something is found; segments read. */
static enum wcx_scrub_result pass(uint32_t *read)
{
  enum wcx_scrub_result result;
  *read = 0;
  do
  {
    uint32_t sz;
    result = wcx_recheck_step(&recheck, now_ns, &sz);
    assert_int_equal(sz, result == WCX_SCRUB_READ || result == WCX_SCRUB_REPAIRED ? SEGMENT_SZ : 0);
    *read += result == WCX_SCRUB_READ;
  } while (result == WCX_SCRUB_READ);
  return result;
}

static void all_of_it_is_fetched(void **state)
{
  (void)state;
  uint32_t read;
  assert_true(archive.archived_segment > 2);
  assert_int_equal(in_root("rm fetched"), 0);
  assert_int_equal(pass(&read), WCX_SCRUB_PASS);
  assert_int_equal(read, archive.archived_segment);
  assert_int_equal(recheck.passes, 1);
  assert_int_equal(in_root("seq $(wc -l < fetched) | cmp - fetched"), 0); /* each once, in turn */
  assert_int_equal(in_root("test $(ls work/recheck | wc -l) = 1"), 0);    /* the superblock alone */
  assert_int_equal(pass(&read), WCX_SCRUB_PASS);
  assert_int_equal(recheck.passes, 2);
}

static void damage_is_found_and_told_once(void **state)
{
  (void)state;
  uint32_t read;
  assert_int_equal(in_root("cp store/*2.wcj kept && printf x | dd of=$(echo store/*2.wcj) bs=1 seek=100000 conv=notrunc status=none"), 0);
  assert_int_equal(pass(&read), WCX_SCRUB_DAMAGED);
  assert_int_equal(read, 1);
  assert_int_equal(recheck.damaged_segment, 2);
  assert_non_null(strstr(recheck.text, "segment 2"));
  assert_int_equal(pass(&read), WCX_SCRUB_REST);
  now_ns += WCX_RECHECK_RETRY_NS;
  assert_int_equal(pass(&read), WCX_SCRUB_REST);
  assert_int_equal(recheck.damaged_segment, 2);
  assert_int_equal(in_root("cp kept $(echo store/*2.wcj)"), 0);
  assert_int_equal(pass(&read), WCX_SCRUB_REST); /* not before its time */
  now_ns += WCX_RECHECK_RETRY_NS;
  assert_int_equal(pass(&read), WCX_SCRUB_REPAIRED);
  assert_int_equal(recheck.damaged_segment, 0);
  assert_int_equal(pass(&read), WCX_SCRUB_PASS);
}

static void what_is_not_given_back_is_damage(void **state)
{
  (void)state;
  uint32_t read;
  assert_int_equal(in_root("rm store/*1.wcj"), 0);
  assert_int_equal(pass(&read), WCX_SCRUB_DAMAGED);
  assert_int_equal(recheck.damaged_segment, 1);
  assert_non_null(strstr(recheck.text, "fetch command"));
}

/* Valid to its last byte, and not what was stored. */
static void another_history_is_damage(void **state)
{
  (void)state;
  uint32_t read;
  wcx_archive_close(&archive);
  keep();
  commit(600);
  assert_int_equal(in_root("rm -r store work && mkdir store"), 0);
  open_archive();
  store_all();
  uint64_t last = archive.archived_segment;
  wcx_archive_close(&archive);
  assert_int_equal(in_root("mv store other && rm -r work && mkdir store"), 0);
  take_back();
  commit(600);
  open_archive();
  store_all();
  assert_int_equal(archive.archived_segment, last);
  assert_int_equal(in_root("rm -r store && mv other store"), 0);
  assert_int_equal(pass(&read), WCX_SCRUB_DAMAGED);
  assert_non_null(strstr(recheck.text, "another history"));
}

/* The journal has let go of its first segments: what only the archive holds is what must be read. */
static void begins_where_the_store_begins(void **state)
{
  (void)state;
  uint32_t read;
  archive.super.first_segment_no = 3;
  archive.super.start.next_block_no = 2; /* of no consequence here: segment 1 is in the store */
  archive.super.start.next_seq = 2;
  assert_int_equal(pass(&read), WCX_SCRUB_PASS);
  assert_int_equal(read, archive.archived_segment);
}

static void nothing_archived_nothing_read(void **state)
{
  (void)state;
  uint32_t read;
  archive.archived_segment = 0;
  assert_int_equal(pass(&read), WCX_SCRUB_REST);
  assert_int_equal(read, 0);
  wcx_recheck_init(&recheck, NULL);
  assert_int_equal(pass(&read), WCX_SCRUB_REST);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(all_of_it_is_fetched, begin, end),
      cmocka_unit_test_setup_teardown(damage_is_found_and_told_once, begin, end),
      cmocka_unit_test_setup_teardown(what_is_not_given_back_is_damage, begin, end),
      cmocka_unit_test_setup_teardown(another_history_is_damage, begin, end),
      cmocka_unit_test_setup_teardown(begins_where_the_store_begins, begin, end),
      cmocka_unit_test_setup_teardown(nothing_archived_nothing_read, begin, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
