/* The journal worker over the production disk (io_uring, O_DIRECT) in a temporary directory under build/: what is released is what a fresh walk
   finds, after clean ends, restarts of either side, and damage. */
#include "engine/base/env.h"
#include "persist/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SHARD 7u
#define SLOT_MAX 1024u
#define SEGMENT_SZ (256u << 10)

static char dir[] = "build/test-journal-XXXXXX";
static wcx_journal_t *journal;
static wcx_region_shard_t *shared;
static wcx_jring_producer_t producer;
static uint64_t end_pos[SLOT_MAX];
static uint64_t stamp_ns;

static void remove_dir(void)
{
  DIR *list = opendir(dir);
  if (list == NULL)
    return;
  char path[512];
  for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list))
    if (entry->d_name[0] != '.')
    {
      snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
      unlink(path);
    }
  closedir(list);
  rmdir(dir);
}

static void fresh_region(void)
{
  memset(shared, 0, wcx_region_shard_footprint(SLOT_MAX));
  shared->jring.slot_max = SLOT_MAX;
}

static int set_up(void **state)
{
  (void)state;
  memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
  journal = aligned_alloc(4096, (sizeof(*journal) + 4095) & ~(size_t)4095);
  shared = aligned_alloc(4096, wcx_region_shard_footprint(SLOT_MAX));
  if (journal == NULL || shared == NULL || mkdtemp(dir) == NULL)
    return -1;
  fresh_region();
  stamp_ns = 1000;
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  remove_dir();
  free(journal);
  free(shared);
  return 0;
}

static int try_open_as(uint32_t shard, uint32_t segment_sz)
{
  wcx_journal_config_t config = {.dir = dir, .shard = shard, .segment_sz = segment_sz, .segments_ahead = 2, .lock_timeout_ns = 2000000000, .eager_lanes = 1};
  return wcx_journal_open(journal, &config, shared);
}

static int try_open(void)
{
  return try_open_as(SHARD, SEGMENT_SZ);
}

static void open_journal(void)
{
  if (try_open() < 0)
    fail_msg("%s", journal->text);
}

static void settle(void)
{
  for (int i = 0; i < 1000000; i++)
  {
    uint32_t work = wcx_journal_step(journal, 0);
    int prepared = wcx_segment_prep_step(&journal->prep);
    assert_true(prepared >= 0);
    if (journal->halted)
      fail_msg("%s", journal->text);
    if (wcx_journal_idle(journal))
      return;
    if (work == 0 && prepared == 0)
      wcx_journal_idle_wait(journal);
  }
  fail_msg("the worker does not come to rest");
}

static uint64_t release_seq(void)
{
  return wcx_release_seq(atomic_load(&shared->release.release_word));
}

/* What a data plane does when it starts. */
static void dataplane_start(void)
{
  atomic_fetch_add(&shared->handshake.asked, 1);
  settle();
  assert_int_equal(atomic_load(&shared->handshake.answered), atomic_load(&shared->handshake.asked));
  wcx_jring_producer_init(&producer, &shared->jring, end_pos, atomic_load(&shared->handshake.cut_seq));
}

static uint16_t body_sz_of(uint64_t seq)
{
  return (uint16_t)(seq * 37 % WCX_RECORD_BODY_SZ_MAX);
}

static void commit(void)
{
  uint8_t body[WCX_RECORD_BODY_SZ_MAX];
  uint64_t seq = producer.next_seq;
  while (wcx_jring_room(&producer, release_seq()) < WCX_JRING_RECORD_SLOTS_MAX)
    settle();
  wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .template_id = 1, .shard = SHARD, .seq = seq, .stamp_ns = ++stamp_ns, .body_sz = body_sz_of(seq)};
  memset(body, (int)(seq & 0xff), sizeof(body));
  wcx_jring_commit(&producer, &hdr, body);
}

static void commit_many(uint64_t cnt)
{
  for (uint64_t i = 0; i < cnt; i++)
    commit();
  settle();
}

/* A walk of the whole directory; checks every record. Returns the verdict. */
static enum wcx_journal_verdict walk_all(wcx_journal_end_t *end)
{
  wcx_journal_walk_t walk;
  char err[512];
  assert_int_equal(wcx_journal_walk_open(&walk, dir, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  uint64_t epoch;
  wcx_record_hdr_t hdr;
  const uint8_t *body;
  uint64_t seq = 0;
  while (wcx_journal_walk_next(&walk, &epoch, &hdr, &body) == 1)
  {
    assert_int_equal(hdr.seq, ++seq);
    assert_int_equal(hdr.body_sz, body_sz_of(seq));
    for (uint32_t i = 0; i < hdr.body_sz; i++)
      assert_int_equal(body[i], seq & 0xff);
  }
  *end = walk.end;
  assert_int_equal(end->last_seq, seq);
  wcx_journal_walk_close(&walk);
  return end->verdict;
}

static void released_is_on_disk(void **state)
{
  (void)state;
  open_journal();
  assert_int_equal(atomic_load(&shared->handshake.ready), 1);
  dataplane_start();
  assert_int_equal(atomic_load(&shared->handshake.granted_epoch), 2);
  assert_int_equal(wcx_release_epoch16(atomic_load(&shared->release.release_word)), 2);
  commit_many(3000);
  assert_int_equal(release_seq(), 3000);
  assert_true(atomic_load(&shared->journal.segment) > 2);
  wcx_journal_end_t end;
  assert_int_equal(walk_all(&end), WCX_JOURNAL_CLEAN); /* while the worker lives */
  assert_int_equal(end.last_seq, 3000);
  assert_int_equal(end.epoch, 2);
  wcx_journal_close(journal);
}

static void idle_writes_nothing(void **state)
{
  (void)state;
  open_journal();
  dataplane_start();
  commit_many(3);
  uint64_t bytes = atomic_load(&shared->journal.bytes);
  for (int i = 0; i < 100; i++)
    (void)wcx_journal_step(journal, 0); /* it may still take over segments that are being prepared */
  assert_int_equal(atomic_load(&shared->journal.bytes), bytes);
  wcx_journal_close(journal);
}

static void worker_restart_keeps_the_epoch(void **state)
{
  (void)state;
  open_journal();
  dataplane_start();
  commit_many(50);
  wcx_journal_close(journal);
  for (int i = 0; i < 30; i++)
    commit(); /* while no worker lives */
  open_journal();
  assert_int_equal(journal->incarnation, 2);
  assert_int_equal(release_seq(), 50);
  settle();
  assert_int_equal(release_seq(), 80);
  assert_int_equal(atomic_load(&shared->release.epoch), 2);
  commit_many(20);
  wcx_journal_end_t end;
  assert_int_equal(walk_all(&end), WCX_JOURNAL_CLEAN);
  assert_int_equal(end.last_seq, 100);
  wcx_journal_close(journal);
}

static void dataplane_restart_gets_a_new_epoch(void **state)
{
  (void)state;
  open_journal();
  dataplane_start();
  for (int i = 0; i < 40; i++)
    commit();
  dataplane_start(); /* what was committed before the death is drained first */
  assert_int_equal(atomic_load(&shared->handshake.granted_epoch), 3);
  assert_int_equal(atomic_load(&shared->handshake.cut_seq), 40);
  commit_many(10);
  assert_int_equal(release_seq(), 50);
  wcx_journal_close(journal);
}

static void both_die(void **state)
{
  (void)state;
  open_journal();
  dataplane_start();
  commit_many(500);
  wcx_journal_close(journal);
  for (int i = 0; i < 25; i++)
    commit();
  atomic_fetch_add(&shared->handshake.asked, 1);
  open_journal();
  settle();
  assert_int_equal(atomic_load(&shared->handshake.cut_seq), 525);
  assert_int_equal(atomic_load(&shared->handshake.granted_epoch), 3);
  wcx_journal_close(journal); /* and once more between the answer and the cleared ring */
  open_journal();
  settle();
  wcx_jring_producer_init(&producer, &shared->jring, end_pos, 525);
  commit_many(5);
  assert_int_equal(release_seq(), 530);
  wcx_journal_close(journal);
}

static void another_boot(void **state)
{
  (void)state;
  open_journal();
  dataplane_start();
  commit_many(77);
  wcx_journal_close(journal);
  fresh_region();
  open_journal();
  assert_int_equal(release_seq(), 77);
  assert_int_equal(atomic_load(&shared->release.flushed_seq), 77);
  assert_int_equal(atomic_load(&shared->release.epoch), 2);
  dataplane_start();
  assert_int_equal(atomic_load(&shared->handshake.granted_epoch), 3);
  commit_many(1);
  wcx_journal_close(journal);
}

static void two_workers(void **state)
{
  (void)state;
  open_journal();
  wcx_disk_t *disk;
  assert_int_equal(wcx_disk_open(&disk, dir, 4, 4, 65536, 10000000), -EWOULDBLOCK);
  wcx_journal_close(journal);
}

static void refusals(void **state)
{
  (void)state;
  open_journal();
  dataplane_start();
  commit_many(5);
  wcx_journal_close(journal);
  assert_int_equal(try_open_as(SHARD + 1, SEGMENT_SZ), -1);
  assert_non_null(strstr(journal->text, "belongs to shard 7"));
  assert_int_equal(try_open_as(SHARD, 2 * SEGMENT_SZ), -1);
  assert_non_null(strstr(journal->text, "segments of 262144"));
  atomic_store(&shared->release.release_word, wcx_release_pack(2, 6)); /* a release the journal does not know */
  assert_int_equal(try_open(), -1);
  assert_non_null(strstr(journal->text, "acknowledged data is missing"));
  fresh_region();
  open_journal();
  wcx_journal_close(journal);
}

/* The epoch of a region and of a journal that belong together: equal, or the region's is behind while a data plane asks for the next one. */
static void a_region_of_another_lineage_is_refused(void **state)
{
  (void)state;
  open_journal();
  dataplane_start();
  commit_many(10);
  uint64_t epoch = atomic_load(&shared->release.epoch);
  wcx_journal_close(journal);
  for (uint32_t ahead = 0; ahead < 2; ahead++)
  {
    uint64_t other = ahead ? epoch + 1 : epoch - 1;
    atomic_store(&shared->release.epoch, other);
    atomic_store(&shared->release.release_word, wcx_release_pack(other, 5));
    assert_int_equal(try_open(), -1);
    assert_non_null(strstr(journal->text, "do not belong together"));
  }
  atomic_store(&shared->release.epoch, epoch);
  atomic_store(&shared->release.release_word, wcx_release_pack(epoch, 10));
  open_journal();
  wcx_journal_close(journal);
}

static void ring_that_lies(void **state)
{
  (void)state;
  open_journal();
  dataplane_start();
  commit();
  wcx_jring_slot_t *slot = wcx_jring_at(&shared->jring, 0);
  slot->sz = 1u << 20;
  while (!journal->halted)
    wcx_journal_step(journal, 0);
  assert_non_null(strstr(journal->text, "contradicts its rules at seq 1"));
  assert_int_equal(atomic_load(&shared->journal.halted), 1);
  assert_int_equal(release_seq(), 0);
  wcx_journal_close(journal);
}

/* --- damage ------------------------------------------------------------------------------------- */

static void flip(const char *name, uint64_t off, uint8_t mask)
{
  char path[256];
  snprintf(path, sizeof(path), "%s/%s", dir, name);
  int fd = open(path, O_RDWR);
  assert_true(fd >= 0);
  uint8_t byte;
  assert_int_equal(pread(fd, &byte, 1, (off_t)off), 1);
  byte ^= mask;
  assert_int_equal(pwrite(fd, &byte, 1, (off_t)off), 1);
  close(fd);
}

static uint32_t seed_of_run(void)
{
  uint32_t seed;
  const char *text = getenv("WCX_SEED");
  if (text != NULL)
    return (uint32_t)strtoul(text, NULL, 0);
  wcx_env_random(&seed, sizeof(seed));
  return seed;
}

/* One flipped bit anywhere in a journal of single-record blocks: the walk never delivers a changed record (walk_all checks every one), and never loses
   one silently unless it is in the last K blocks, where it is reported as a torn end. */
static void every_flip_is_seen(void **state)
{
  (void)state;
  uint32_t seed = seed_of_run();
  print_message("# WCX_SEED=%u\n", seed);
  open_journal();
  dataplane_start();
  for (int i = 0; i < 40; i++)
    commit_many(1);
  uint64_t used = journal->off;
  wcx_journal_close(journal);
  for (uint32_t i = 0; i < 300; i++)
  {
    seed = seed * 1664525u + 1013904223u;
    uint64_t off = (seed >> 3) % used;
    uint8_t mask = (uint8_t)(1u << (seed & 7));
    flip("seg-0000000000000001.wcj", off, mask);
    wcx_journal_end_t end;
    enum wcx_journal_verdict verdict = walk_all(&end);
    assert_int_not_equal(verdict, WCX_JOURNAL_CLEAN);
    if (off < used - (WCX_JOURNAL_LANES + 1) * WCX_JOURNAL_ALIGN)
      assert_true(verdict == WCX_JOURNAL_DAMAGED || verdict == WCX_JOURNAL_HALT);
    flip("seg-0000000000000001.wcj", off, mask);
  }
  wcx_journal_end_t end;
  assert_int_equal(walk_all(&end), WCX_JOURNAL_CLEAN);
}

static void truncations(void **state)
{
  (void)state;
  open_journal();
  dataplane_start();
  commit_many(1000);
  assert_true(atomic_load(&shared->journal.segment) > 1);
  wcx_journal_close(journal);
  char path[256];
  snprintf(path, sizeof(path), "%s/seg-0000000000000001.wcj", dir);
  for (off_t sz = SEGMENT_SZ - 4096; sz > 0; sz -= 5 * 4096)
  {
    assert_int_equal(truncate(path, sz), 0);
    wcx_journal_end_t end;
    assert_int_equal(walk_all(&end), WCX_JOURNAL_DAMAGED);
  }
  unlink(path);
  wcx_journal_end_t end;
  assert_int_equal(walk_all(&end), WCX_JOURNAL_DAMAGED);
  fresh_region();
  assert_int_equal(try_open(), -1);
  assert_non_null(strstr(journal->text, "Restore the"));
}

static void superblock_copies(void **state)
{
  (void)state;
  open_journal();
  dataplane_start();
  commit_many(9);
  wcx_journal_close(journal);
  for (uint64_t i = 0; i < 3; i++)
    flip("superblock", i * 4096 + 9 * i + 8, 0x10);
  wcx_journal_end_t end;
  assert_int_equal(walk_all(&end), WCX_JOURNAL_CLEAN);
  open_journal(); /* makes them anew, so that three more may go */
  assert_true(journal->recovered.super_damaged);
  wcx_journal_close(journal);
  for (uint64_t i = 1; i < 4; i++)
    flip("superblock", i * 4096 + 8, 0x10);
  open_journal();
  wcx_journal_close(journal);
  open_journal();
  assert_false(journal->recovered.super_damaged);
  wcx_journal_close(journal);
  for (uint64_t i = 0; i < 4; i++)
    flip("superblock", i * 4096 + 40, 1);
  wcx_journal_walk_t walk;
  char err[512];
  assert_int_equal(wcx_journal_walk_open(&walk, dir, err, sizeof(err)), WCX_JOURNAL_OPEN_BAD);
  char path[256];
  snprintf(path, sizeof(path), "%s/superblock", dir);
  unlink(path);
  assert_int_equal(try_open(), -1);
  assert_non_null(strstr(journal->text, "no superblock"));
}

static void leave_segment(uint64_t segment_no, off_t data_at)
{
  char path[256];
  snprintf(path, sizeof(path), "%s/seg-%016lx.wcj", dir, segment_no);
  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0640);
  assert_true(fd >= 0);
  assert_int_equal(ftruncate(fd, SEGMENT_SZ), 0);
  assert_int_equal(pwrite(fd, "header", 6, 0), 6);
  if (data_at != 0)
    assert_int_equal(pwrite(fd, "x", 1, data_at), 1);
  close(fd);
}

static bool segment_is_there(uint64_t segment_no)
{
  char path[256];
  snprintf(path, sizeof(path), "%s/seg-%016lx.wcj", dir, segment_no);
  return access(path, F_OK) == 0;
}

/* A making that was broken off leaves one empty segment; whatever else has no superblock has lost it. */
static void segments_without_a_superblock(void **state)
{
  (void)state;
  static const struct
  {
    uint64_t also; /* another segment, empty; 0: none */
    off_t data_at; /* in the first one */
    bool made;     /* anew */
  } rows[] = {{0, 0, true}, {0, 4096, false}, {0, SEGMENT_SZ - 1, false}, {2, 0, false}, {UINT64_MAX, 0, false}};
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
  {
    remove_dir();
    assert_int_equal(mkdir(dir, 0750), 0);
    fresh_region();
    leave_segment(1, rows[i].data_at);
    if (rows[i].also != 0)
      leave_segment(rows[i].also, 0);
    assert_int_equal(try_open(), rows[i].made ? 0 : -1);
    assert_true(segment_is_there(1));
    if (rows[i].made)
      wcx_journal_close(journal);
    else
      assert_non_null(strstr(journal->text, "no superblock"));
    if (rows[i].also != 0)
      assert_true(segment_is_there(rows[i].also));
  }
}

static void another_version(void **state)
{
  (void)state;
  open_journal();
  wcx_journal_close(journal);
  for (uint64_t i = 0; i < 4; i++)
    flip("superblock", i * 4096 + 8, 3); /* version 1 -> 2 */
  assert_int_equal(try_open(), -1);
  assert_non_null(strstr(journal->text, "version 2"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(released_is_on_disk, set_up, tear_down),
      cmocka_unit_test_setup_teardown(idle_writes_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(worker_restart_keeps_the_epoch, set_up, tear_down),
      cmocka_unit_test_setup_teardown(dataplane_restart_gets_a_new_epoch, set_up, tear_down),
      cmocka_unit_test_setup_teardown(both_die, set_up, tear_down),
      cmocka_unit_test_setup_teardown(another_boot, set_up, tear_down),
      cmocka_unit_test_setup_teardown(two_workers, set_up, tear_down),
      cmocka_unit_test_setup_teardown(refusals, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_region_of_another_lineage_is_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(ring_that_lies, set_up, tear_down),
      cmocka_unit_test_setup_teardown(every_flip_is_seen, set_up, tear_down),
      cmocka_unit_test_setup_teardown(truncations, set_up, tear_down),
      cmocka_unit_test_setup_teardown(superblock_copies, set_up, tear_down),
      cmocka_unit_test_setup_teardown(another_version, set_up, tear_down),
      cmocka_unit_test_setup_teardown(segments_without_a_superblock, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
