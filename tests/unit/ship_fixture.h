/* A journal that the real worker wrote, driven by hand, and taken back to an earlier state: what the tests of ship, archive and scrub share.

   The world: shard 7 in build/test-ship-XXXXXX/from, segments of 256 KiB, 1000 records of 1064 bytes to begin with.
   Each test program defines nothing and includes this once. */
#ifndef WCX_TESTS_SHIP_FIXTURE_H
#define WCX_TESTS_SHIP_FIXTURE_H

#include "engine/base/env.h"
#include "persist/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

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

static inline void settle(void)
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

/* A worker and a data plane after another boot: they know nothing but the disk. */
static inline void open_worker(void)
{
  memset(shared, 0, wcx_region_shard_footprint(SLOT_MAX));
  shared->jring.slot_max = SLOT_MAX;
  wcx_journal_config_t config = {.dir = from_dir, .shard = SHARD, .segment_sz = SEGMENT_SZ, .segments_ahead = 1, .lock_timeout_ns = 2000000000, .eager_lanes = 1};
  if (wcx_journal_open(journal, &config, shared) < 0)
    fail_msg("%s", journal->text);
  atomic_fetch_add(&shared->handshake.asked, 1);
  settle();
  wcx_jring_producer_init(&producer, &shared->jring, end_pos, atomic_load(&shared->handshake.cut_seq));
}

static inline void commit(uint64_t cnt)
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

static inline int set_up(void **state)
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
  open_worker();
  commit(1000);
  return 0;
}

static inline int tear_down(void **state)
{
  (void)state;
  wcx_journal_close(journal);
  free(journal);
  free(shared);
  char command[64];
  snprintf(command, sizeof(command), "rm -rf %s", root);
  return system(command);
}

/* Run a command of the shell in the test's directory: its status. */
static inline int in_root(const char *command)
{
  char line[256];
  snprintf(line, sizeof(line), "cd %s && %s", root, command);
  return system(line);
}

/* A backup of the journal as it is now, */
static inline void keep(void)
{
  assert_int_equal(in_root("cp -r from kept"), 0);
}

/* and its restore: what was committed since is lost, and another history of the same journal begins. */
static inline void take_back(void)
{
  wcx_journal_close(journal);
  assert_int_equal(in_root("rm -r from && cp -r kept from"), 0);
  open_worker();
}

#endif
