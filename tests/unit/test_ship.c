/* Shipping a journal into another directory (persist/ship.h), over a journal that the real worker wrote. */
#include "engine/base/env.h"
#include "persist/journal.h"
#include "persist/ship.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SHARD 7u
#define SLOT_MAX 1024u
#define SEGMENT_SZ (256u << 10)

static char root[] = "build/test-ship-XXXXXX";
static char from_dir[64], to_dir[64];
static wcx_journal_t *journal;
static wcx_region_shard_t *shared;
static wcx_jring_producer_t producer;
static uint64_t end_pos[SLOT_MAX];
static wcx_ship_t ship;

static void settle(void)
{
  for (int i = 0; i < 1000000; i++)
  {
    uint32_t work = wcx_journal_step(journal, 0);
    int prepared = wcx_journal_prepare_step(journal);
    assert_false(journal->halted);
    if (wcx_journal_idle(journal) && prepared == 0)
      return;
    if (work == 0 && prepared == 0)
      wcx_journal_idle_wait(journal);
  }
  fail_msg("the worker does not come to rest");
}

static void commit(uint64_t cnt)
{
  static const uint8_t body[1000] = {1};
  for (uint64_t i = 0; i < cnt; i++)
  {
    while (wcx_jring_room(&producer, wcx_release_seq(atomic_load(&shared->release.release_word))) < WCX_JRING_RECORD_SLOTS_MAX)
      settle();
    wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .template_id = 1, .shard = SHARD, .seq = producer.next_seq, .stamp_ns = producer.next_seq, .body_sz = sizeof(body)};
    wcx_jring_commit(&producer, &hdr, body);
  }
  settle();
}

static int set_up(void **state)
{
  (void)state;
  memcpy(root + strlen(root) - 6, "XXXXXX", 6);
  if (mkdtemp(root) == NULL)
    return -1;
  snprintf(from_dir, sizeof(from_dir), "%s/from", root);
  snprintf(to_dir, sizeof(to_dir), "%s/to/deep", root);
  journal = aligned_alloc(4096, (sizeof(*journal) + 4095) & ~(size_t)4095);
  shared = aligned_alloc(4096, wcx_region_shard_footprint(SLOT_MAX));
  if (journal == NULL || shared == NULL)
    return -1;
  memset(shared, 0, wcx_region_shard_footprint(SLOT_MAX));
  shared->jring.slot_max = SLOT_MAX;
  wcx_journal_config_t config = {.dir = from_dir, .shard = SHARD, .segment_sz = SEGMENT_SZ, .segments_ahead = 1, .lock_timeout_ns = 2000000000, .eager_lanes = 1};
  if (wcx_journal_open(journal, &config, shared) < 0)
    fail_msg("%s", journal->text);
  wcx_jring_producer_init(&producer, &shared->jring, end_pos, 0);
  commit(1000);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  wcx_ship_close(&ship);
  wcx_journal_close(journal);
  free(journal);
  free(shared);
  char command[64];
  snprintf(command, sizeof(command), "rm -rf %s", root);
  return system(command);
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
  assert_int_equal(ship.archived_segment, archived);
  ship_all(UINT64_MAX);
  assert_int_equal(walk_target(&first), 2000);
}

/* A tail that another history had left there. */
static void an_older_tail_is_overwritten(void **state)
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

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_target_is_a_journal_at_any_time, set_up, tear_down),
      cmocka_unit_test_setup_teardown(nothing_beyond_the_durable_block, set_up, tear_down),
      cmocka_unit_test_setup_teardown(goes_on_after_a_restart, set_up, tear_down),
      cmocka_unit_test_setup_teardown(an_older_tail_is_overwritten, set_up, tear_down),
      cmocka_unit_test_setup_teardown(one_writer, set_up, tear_down),
      cmocka_unit_test_setup_teardown(another_journal_is_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(an_increment_begins_where_the_other_ends, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_copy_that_reads_back_differently_is_not_archived, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
