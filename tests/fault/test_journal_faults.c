/* The journal worker when the disk fails or is full: it stops releasing, says so in the region, retries nothing, and its successor finds what was released. */
#include "engine/base/check.h"
#include "engine/base/env.h"
#include "engine/shm/snapshot_file.h"
#include "persist/journal.h"
#include "tests/sim/disk_sim.h"
#include "tests/sim/env_sim.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define DIR "sim/shard-00001"
#define SNAPSHOT_DIR "sim/snapshot"
#define SLOT_MAX 1024u
#define SEGMENT_SZ (256u << 10)

static wcx_journal_t *journal;
static wcx_region_shard_t *shared;
static wcx_jring_producer_t producer;
static uint64_t end_pos[SLOT_MAX];

static void open_journal(void)
{
  wcx_journal_config_t config = {.dir = DIR, .shard = 1, .segment_sz = SEGMENT_SZ, .segments_ahead = 1, .eager_lanes = 2};
  if (wcx_journal_open(journal, &config, shared) < 0)
    fail_msg("%s", journal->text);
}

static int reap_error; /* what the next look at completions fails with */

int __real_wcx_disk_reap(wcx_disk_t *disk, wcx_disk_done_t *done, uint32_t max, uint64_t wait_ns);
int __wrap_wcx_disk_reap(wcx_disk_t *disk, wcx_disk_done_t *done, uint32_t max, uint64_t wait_ns);

static bool reaps_nothing;         /* completions are late */
static const wcx_disk_done_t *two; /* what the next look finds */

int __wrap_wcx_disk_reap(wcx_disk_t *disk, wcx_disk_done_t *done, uint32_t max, uint64_t wait_ns)
{
  if (two != NULL)
  {
    memcpy(done, two, 2 * sizeof(*done));
    two = NULL;
    return 2;
  }
  if (reaps_nothing)
    return 0;
  int error = reap_error;
  reap_error = 0;
  return error < 0 ? error : __real_wcx_disk_reap(disk, done, max, wait_ns);
}

static int set_up(void **state)
{
  (void)state;
  wcx_sim_env_reset(1);
  wcx_sim_disk_reset();
  journal = aligned_alloc(4096, (sizeof(*journal) + 4095) & ~(size_t)4095);
  shared = aligned_alloc(4096, wcx_region_shard_footprint(SLOT_MAX));
  WCX_CHECK(journal != NULL && shared != NULL, "memory");
  memset(shared, 0, wcx_region_shard_footprint(SLOT_MAX));
  shared->jring.slot_max = SLOT_MAX;
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

static uint64_t release_seq(void)
{
  return wcx_release_seq(atomic_load(&shared->release.release_word));
}

static bool commit(void)
{
  static const uint8_t body[1200];
  if (wcx_jring_room(&producer, release_seq()) < WCX_JRING_RECORD_SLOTS_MAX)
    return false;
  wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .shard = 1, .seq = producer.next_seq, .stamp_ns = producer.next_seq, .body_sz = sizeof(body)};
  wcx_jring_commit(&producer, &hdr, body);
  return true;
}

static uint64_t walk_last_seq(void)
{
  wcx_journal_walk_t walk;
  char err[256];
  assert_int_equal(wcx_journal_walk_open(&walk, DIR, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  uint64_t epoch;
  wcx_record_hdr_t hdr;
  const uint8_t *body;
  int result;
  do
    result = wcx_journal_walk_next(&walk, &epoch, &hdr, &body);
  while (result == 1);
  assert_int_equal(result, 0);
  uint64_t last_seq = walk.end.last_seq;
  wcx_journal_walk_close(&walk);
  return last_seq;
}

/* A data plane that is gone for its successor, and commits once more while the successor's epoch is made durable: it counts for nothing. */
static void nothing_is_taken_while_an_epoch_is_granted(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < 20; i++)
    assert_true(commit());
  for (uint32_t i = 0; i < 1000 && release_seq() < 20; i++)
  {
    wcx_journal_step(journal, 0);
    wcx_segment_prep_step(&journal->prep);
  }
  assert_int_equal(release_seq(), 20);
  uint64_t asked = atomic_fetch_add(&shared->handshake.asked, 1) + 1;
  for (uint32_t i = 0; i < 1000 && !journal->granting; i++)
    wcx_journal_step(journal, 0);
  assert_true(journal->granting);
  assert_true(commit());
  for (uint32_t i = 0; i < 1000 && atomic_load(&shared->handshake.answered) != asked; i++)
    wcx_journal_step(journal, 0);
  assert_int_equal(atomic_load(&shared->handshake.answered), asked);
  assert_int_equal(atomic_load(&shared->handshake.cut_seq), 20);
  assert_int_equal(release_seq(), 20);
  assert_int_equal(walk_last_seq(), 20);
}

/* Commit and step until the worker halts. */
static void run_until_halted(bool prepare)
{
  for (uint32_t i = 0; i < 100000 && !journal->halted; i++)
  {
    commit();
    wcx_journal_step(journal, 0);
    if (prepare)
      wcx_segment_prep_step(&journal->prep);
  }
  assert_true(journal->halted);
  assert_int_equal(atomic_load(&shared->journal.halted), 1);
}

static void fails_with(int64_t result, const char *text)
{
  for (uint64_t nth = 1; nth < 40; nth += 3)
  {
    wcx_sim_disk_fail(DIR, nth, result);
    run_until_halted(true);
    assert_non_null(strstr(journal->text, text));
    uint64_t released = release_seq();
    for (uint32_t i = 0; i < 100; i++)
      assert_int_equal(wcx_journal_step(journal, 0), 0); /* no retry, no release */
    assert_int_equal(release_seq(), released);
    wcx_sim_disk_kill(DIR);
    assert_true(walk_last_seq() >= released);
    open_journal(); /* the successor takes up what the ring still holds */
    assert_int_equal(atomic_load(&shared->journal.halted), 0);
    for (uint32_t i = 0; i < 10000 && !wcx_journal_idle(journal); i++)
    {
      wcx_journal_step(journal, 0);
      wcx_segment_prep_step(&journal->prep);
    }
    assert_int_equal(release_seq(), producer.next_seq - 1);
  }
}

static void write_error(void **state)
{
  (void)state;
  fails_with(-EIO, "Input/output error");
}

static void short_write(void **state)
{
  (void)state;
  fails_with(512, "short write");
}

static void full_disk(void **state)
{
  (void)state;
  wcx_sim_disk_set_free(DIR, 1000);
  wcx_segment_prep_step(&journal->prep);
  run_until_halted(true);
  assert_non_null(strstr(journal->text, "No space left"));
  assert_true(release_seq() > 0);
  assert_int_equal(wcx_journal_segments_free(journal), 0);
  wcx_sim_disk_kill(DIR);
  wcx_sim_disk_set_free(DIR, UINT64_C(1) << 30); /* the operator made room */
  open_journal();
  for (uint32_t i = 0; i < 10000 && !wcx_journal_idle(journal); i++)
  {
    wcx_journal_step(journal, 0);
    wcx_segment_prep_step(&journal->prep);
  }
  assert_int_equal(release_seq(), producer.next_seq - 1);
}

/* Cancels only below two free segments, and no longer once there is room again; the worker itself goes on all the time. */
static void space_returns(void **state)
{
  (void)state;
  assert_int_equal(wcx_segment_prep_until(&journal->prep, 2), 0);
  wcx_sim_disk_set_free(DIR, 1000);
  for (uint32_t i = 0; i < 100000 && wcx_journal_segments_free(journal) >= 2; i++)
  {
    commit();
    wcx_journal_step(journal, 0);
    wcx_segment_prep_step(&journal->prep);
  }
  assert_int_equal(wcx_journal_segments_free(journal), 1); /* the reserve: what was prepared before, for cancels */
  for (uint32_t i = 0; i < 50; i++)
  {
    commit();
    wcx_journal_step(journal, 0);
  }
  assert_false(journal->halted);
  wcx_sim_disk_set_free(DIR, UINT64_C(1) << 30);
  for (uint32_t i = 0; i < 1000; i++)
  {
    wcx_segment_prep_step(&journal->prep);
    wcx_journal_step(journal, 0);
  }
  assert_int_equal(atomic_load(&journal->prep.error), 0);
  assert_true(wcx_journal_segments_free(journal) > 2);
  for (uint32_t i = 0; i < 20000; i++)
  {
    commit();
    wcx_journal_step(journal, 0);
    wcx_segment_prep_step(&journal->prep);
  }
  assert_false(journal->halted);
}

/* Of the file that was being made nothing is kept: the next attempt makes another, and a sync is never tried twice on one file. */
static void failed_sync_costs_the_file(void **state)
{
  (void)state;
  uint64_t prepared = atomic_load(&journal->prep.prepared);
  wcx_sim_disk_fail_sync(DIR, 1);
  int result = 1;
  while (result == 1)
    result = wcx_segment_prep_step(&journal->prep);
  assert_int_equal(result, -EIO);
  assert_int_equal(atomic_load(&journal->prep.prepared), prepared);
  assert_int_equal(wcx_disk_file_open(journal->disk, WCX_HANDLE_PREPARE, "prepare.tmp", false), -ENOENT);
  assert_int_equal(wcx_segment_prep_until(&journal->prep, prepared + 1), 0);
  assert_false(journal->halted);
}

/* There is no other directory to take: a name whose sync failed gets no block, and nobody asks again. */
static void failed_directory_sync_halts(void **state)
{
  (void)state;
  wcx_sim_disk_fail_sync(DIR, 2); /* the file's own is the first */
  int result = 1;
  while (result == 1)
    result = wcx_segment_prep_step(&journal->prep);
  assert_int_equal(result, -EIO);
  for (uint32_t i = 0; i < 10; i++)
    assert_int_equal(wcx_segment_prep_step(&journal->prep), -EIO);
  wcx_journal_step(journal, 0);
  assert_true(journal->halted);
  assert_non_null(strstr(journal->text, "directory could not be synced"));
  assert_int_equal(atomic_load(&shared->journal.halted), 1);
}

static void slow_writes_are_counted(void **state)
{
  (void)state;
  wcx_sim_disk_set_pace(DIR, 1);
  commit();
  wcx_journal_step(journal, 0);
  assert_int_equal(journal->in_flight, 1);
  wcx_sim_advance_ns(WCX_JOURNAL_SLOW_NS + 1);
  assert_true(wcx_journal_waiting_ns(journal, wcx_env_mono_ns()) > WCX_JOURNAL_SLOW_NS);
  wcx_sim_disk_set_pace(DIR, 100);
  for (uint32_t i = 0; i < 100 && !wcx_journal_idle(journal); i++)
    wcx_journal_step(journal, 0);
  assert_int_equal(release_seq(), producer.next_seq - 1);
  assert_int_equal(atomic_load(&shared->segments.slow_writes), 1);
  assert_int_equal(wcx_journal_waiting_ns(journal, wcx_env_mono_ns()), 0);
  assert_false(journal->halted);
}

/* Preparation that is only slow is no error: the worker waits, the ring fills. */
static void slow_preparation_waits(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < 20000; i++)
  {
    commit();
    wcx_journal_step(journal, 0);
  }
  assert_false(journal->halted);
  assert_false(commit()); /* the ring is full */
  uint64_t released = release_seq();
  for (uint32_t i = 0; i < 1000; i++)
  {
    wcx_segment_prep_step(&journal->prep);
    wcx_journal_step(journal, 0);
  }
  assert_true(release_seq() > released);
}

static void step_until_halted(void)
{
  for (uint32_t i = 0; i < 1000 && !journal->halted; i++)
    wcx_journal_step(journal, 0);
  assert_true(journal->halted);
}

/* What a broken data plane puts into the ring is refused before it can make a block invalid. */
static void ring_is_not_believed(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < 3; i++)
    commit();
  wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .shard = 1, .seq = producer.next_seq, .stamp_ns = producer.next_seq - 1, .body_sz = 20};
  static const uint8_t body[20];
  uint64_t pos = producer.pos;
  wcx_jring_commit(&producer, &hdr, body);
  step_until_halted(); /* the stamp stands still */
  assert_non_null(strstr(journal->text, "stamp or padding"));
  assert_true(release_seq() < hdr.seq);
  hdr.stamp_ns++;
  wcx_jring_slot_t *slot = wcx_jring_at(&shared->jring, pos);
  memcpy(slot->bytes, &hdr, sizeof(hdr));
  slot->bytes[64 + 20] = 1; /* in the padding */
  wcx_sim_disk_kill(DIR);
  open_journal();
  step_until_halted();
  assert_non_null(strstr(journal->text, "stamp or padding"));
  assert_true(release_seq() < hdr.seq);
}

/* Where the anchors could not have the directory synced, no segment gets a name that may vanish: nobody syncs it again, the worker ends. */
static void directory_of_the_anchors_halts(void **state)
{
  (void)state;
  wcx_journal_anchor_t anchor = {0};
  assert_true(wcx_anchors_offer(&journal->anchors, &anchor));
  wcx_sim_disk_fail_sync(DIR, 1);
  assert_true(wcx_journal_prepare_step(journal) < 0);
  for (uint32_t i = 0; i < 10; i++)
    assert_true(wcx_journal_prepare_step(journal) < 0);
  wcx_journal_step(journal, 0);
  assert_true(journal->halted);
}

/* Records above the end of the journal, and the one that follows it gone: no worker may go on from there. */
static void ring_with_a_hole_is_refused(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < 20; i++)
    commit();
  for (uint64_t pos = 0; pos < producer.pos && pos < 12; pos++)
    atomic_store(&wcx_jring_at(&shared->jring, pos)->commit, 0);
  wcx_sim_disk_kill(DIR);
  wcx_journal_config_t config = {.dir = DIR, .shard = 1, .segment_sz = SEGMENT_SZ, .segments_ahead = 1, .eager_lanes = 2};
  assert_int_equal(wcx_journal_open(journal, &config, shared), -1);
  assert_non_null(strstr(journal->text, "records are lost"));
}

/* As much of a snapshot as proves that inputs up to `seq` were released: a sound header before an engine of zeros. */
static void put_snapshot(uint32_t shard, uint64_t seq)
{
  static _Alignas(4096) uint8_t bytes[2 * WCX_SNAPSHOT_FILE_ALIGN];
  wcx_snapshot_file_t hdr = {.magic = WCX_SNAPSHOT_FILE_MAGIC,
                             .version = WCX_SNAPSHOT_FILE_VERSION,
                             .shard = shard,
                             .seq = seq,
                             .sz = sizeof(bytes),
                             .anchor = {.next_seq = seq + 1},
                             .engine_sz = 1,
                             .log_cap = 65536,
                             .tail_feed_number = 1,
                             .day_cnt = 1};
  hdr.crc32c = wcx_snapshot_file_crc(&hdr);
  memcpy(bytes, &hdr, sizeof(hdr));
  char name[WCX_SNAPSHOT_FILE_NAME_SZ];
  wcx_snapshot_file_name(name, seq);
  wcx_disk_t *disk;
  assert_int_equal(wcx_disk_open(&disk, SNAPSHOT_DIR, 0, 0, 0, 0), 0);
  assert_int_equal(wcx_disk_file_open(disk, 0, name, true), 0);
  assert_int_equal(wcx_disk_write(disk, 0, 0, bytes, sizeof(bytes)), 0);
  wcx_disk_file_close(disk, 0);
  wcx_disk_close(disk);
}

static void remove_snapshot(uint64_t seq)
{
  char name[WCX_SNAPSHOT_FILE_NAME_SZ];
  wcx_snapshot_file_name(name, seq);
  wcx_disk_t *disk;
  assert_int_equal(wcx_disk_open(&disk, SNAPSHOT_DIR, 0, 0, 0, 0), 0);
  assert_int_equal(wcx_disk_remove(disk, name), 0);
  wcx_disk_close(disk);
}

/* After another boot: the region knows nothing, the snapshots do. */
static int open_beside_snapshots(const char *dir)
{
  wcx_journal_config_t config = {.dir = dir, .snapshot_dir = SNAPSHOT_DIR, .shard = 1, .segment_sz = SEGMENT_SZ, .segments_ahead = 1, .eager_lanes = 2};
  wcx_sim_disk_kill(dir);
  memset(shared, 0, wcx_region_shard_footprint(SLOT_MAX));
  shared->jring.slot_max = SLOT_MAX;
  return wcx_journal_open(journal, &config, shared);
}

/* What a snapshot holds was released: a journal that ends before it is not gone on with, and not touched. */
static void snapshot_beyond_the_end_is_refused(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < 20; i++)
    commit();
  for (uint32_t i = 0; i < 1000 && !wcx_journal_idle(journal); i++)
    wcx_journal_step(journal, 0);
  uint64_t last_seq = release_seq();
  uint64_t incarnation = journal->incarnation;
  assert_true(last_seq >= 10);
  put_snapshot(1, last_seq);
  put_snapshot(2, last_seq + 5); /* of another shard */
  assert_int_equal(open_beside_snapshots(DIR), 0);
  assert_int_equal(journal->incarnation, incarnation + 1);
  put_snapshot(1, last_seq + 1);
  assert_int_equal(open_beside_snapshots(DIR), -1);
  assert_non_null(strstr(journal->text, "acknowledged inputs are missing"));
  assert_int_equal(atomic_load(&shared->handshake.ready), 0);
  remove_snapshot(last_seq + 1);
  assert_int_equal(open_beside_snapshots(DIR), 0);
  assert_int_equal(journal->incarnation, incarnation + 2); /* the one that was refused has written nothing */
  assert_int_equal(release_seq(), last_seq);
}

static void missing_journal_is_not_made_beside_snapshots(void **state)
{
  (void)state;
  char err[256];
  wcx_journal_walk_t walk;
  put_snapshot(1, 7);
  assert_int_equal(open_beside_snapshots("sim/gone"), -1);
  assert_non_null(strstr(journal->text, "acknowledged inputs are missing"));
  assert_int_equal(wcx_journal_walk_open(&walk, "sim/gone", err, sizeof(err)), WCX_JOURNAL_OPEN_MISSING);
  remove_snapshot(7);
  assert_int_equal(open_beside_snapshots("sim/gone"), 0);
}

/* Completions that cannot be had any more: what is in flight is never known to be durable. */
static void lost_completions_halt(void **state)
{
  (void)state;
  while (journal->in_flight == 0)
  {
    assert_true(commit());
    wcx_journal_step(journal, 0);
  }
  uint64_t released = release_seq();
  reap_error = -EBADF;
  for (uint32_t i = 0; i < 1000; i++)
    wcx_journal_step(journal, 0);
  assert_int_equal(reap_error, 0);
  assert_true(journal->halted);
  assert_int_equal(atomic_load(&shared->journal.halted), 1);
  assert_int_equal(release_seq(), released);
  assert_non_null(strstr(journal->text, "waiting for the disk failed"));
}

/* A block that is done and one that failed are found in one look: what the disk says of the first is believed no more, and nothing is released behind a failure. */
static void nothing_is_released_beside_a_failure(void **state)
{
  (void)state;
  reaps_nothing = true;
  for (uint32_t i = 0; i < 100 && journal->in_flight < 2; i++)
  {
    assert_true(commit());
    wcx_journal_step(journal, 0);
  }
  reaps_nothing = false;
  assert_int_equal(journal->in_flight, 2);
  uint64_t released = release_seq();
  uint64_t first = journal->done_block_no + 1;
  const wcx_disk_done_t done[2] = {{.user = first, .result = journal->lanes[first % WCX_JOURNAL_LANES].sz}, {.user = first + 1, .result = -EIO}};
  two = done;
  for (uint32_t i = 0; i < 100; i++)
    wcx_journal_step(journal, 0);
  assert_true(journal->halted);
  assert_int_equal(release_seq(), released);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(nothing_is_taken_while_an_epoch_is_granted, set_up, tear_down),

      cmocka_unit_test_setup_teardown(write_error, set_up, tear_down),
      cmocka_unit_test_setup_teardown(short_write, set_up, tear_down),
      cmocka_unit_test_setup_teardown(full_disk, set_up, tear_down),
      cmocka_unit_test_setup_teardown(slow_preparation_waits, set_up, tear_down),
      cmocka_unit_test_setup_teardown(space_returns, set_up, tear_down),
      cmocka_unit_test_setup_teardown(failed_sync_costs_the_file, set_up, tear_down),
      cmocka_unit_test_setup_teardown(failed_directory_sync_halts, set_up, tear_down),
      cmocka_unit_test_setup_teardown(slow_writes_are_counted, set_up, tear_down),
      cmocka_unit_test_setup_teardown(ring_is_not_believed, set_up, tear_down),
      cmocka_unit_test_setup_teardown(directory_of_the_anchors_halts, set_up, tear_down),
      cmocka_unit_test_setup_teardown(ring_with_a_hole_is_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(snapshot_beyond_the_end_is_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(missing_journal_is_not_made_beside_snapshots, set_up, tear_down),
      cmocka_unit_test_setup_teardown(lost_completions_halt, set_up, tear_down),
      cmocka_unit_test_setup_teardown(nothing_is_released_beside_a_failure, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
