/* The journal worker over the simulated disk, driven by hand: what its unit tests share.

   The world: shard 2 in sim/shard-00002, segments of 256 KiB, an anchor every 64 KiB, one worker, one producer.
   Each test program defines nothing and includes this once. */
#ifndef WCX_TESTS_JOURNAL_FIXTURE_H
#define WCX_TESTS_JOURNAL_FIXTURE_H

#include "engine/base/check.h"
#include "persist/journal.h"
#include "tests/sim/disk_sim.h"
#include "tests/sim/env_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define DIR "sim/shard-00002"
#define SHARD 2u
#define SLOT_MAX 1024u
#define SEGMENT_SZ (256u << 10)
#define SPAN (64u << 10)

static wcx_journal_t *journal;
static wcx_region_shard_t *shared;
static wcx_jring_producer_t producer;
static uint64_t end_pos[SLOT_MAX];
static _Alignas(4096) uint8_t page[WCX_JOURNAL_ALIGN];

static inline int try_open(void)
{
  wcx_journal_config_t config = {.dir = DIR, .shard = SHARD, .segment_sz = SEGMENT_SZ, .segments_ahead = 1, .eager_lanes = 1, .anchor_span = SPAN};
  return wcx_journal_open(journal, &config, shared);
}

static inline void open_journal(void)
{
  if (try_open() < 0)
    fail_msg("%s", journal->text);
}

static inline void fresh_region(void)
{
  memset(shared, 0, wcx_region_shard_footprint(SLOT_MAX));
  shared->jring.slot_max = SLOT_MAX;
}

static inline int set_up(void **state)
{
  (void)state;
  wcx_sim_env_reset(1);
  wcx_sim_disk_reset();
  journal = aligned_alloc(4096, (sizeof(*journal) + 4095) & ~(size_t)4095);
  shared = aligned_alloc(4096, wcx_region_shard_footprint(SLOT_MAX));
  WCX_CHECK(journal != NULL && shared != NULL, "memory");
  fresh_region();
  open_journal();
  wcx_jring_producer_init(&producer, &shared->jring, end_pos, 0);
  return 0;
}

static inline int tear_down(void **state)
{
  (void)state;
  wcx_sim_disk_reset();
  free(journal);
  free(shared);
  return 0;
}

static inline void settle(void)
{
  for (uint32_t i = 0; i < 100000; i++)
  {
    uint32_t work = wcx_journal_step(journal, 0);
    assert_false(journal->halted);
    if (wcx_journal_prepare_step(journal) == 0 && work == 0 && wcx_journal_idle(journal))
      return;
  }
  fail_msg("the worker does not come to rest");
}

static inline void commit(uint64_t cnt)
{
  static const uint8_t body[1000];
  for (uint64_t i = 0; i < cnt; i++)
  {
    while (wcx_jring_room(&producer, wcx_release_seq(atomic_load(&shared->release.release_word))) < WCX_JRING_RECORD_SLOTS_MAX)
      settle();
    wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .template_id = 1, .shard = SHARD, .seq = producer.next_seq, .stamp_ns = producer.next_seq, .body_sz = sizeof(body)};
    wcx_jring_commit(&producer, &hdr, body);
    wcx_journal_step(journal, 0);
    wcx_journal_prepare_step(journal);
  }
  settle();
}

/* A successor after another boot: it knows nothing but the disk. */
static inline int reopen(void)
{
  wcx_sim_disk_kill(DIR);
  fresh_region();
  return try_open();
}

#endif
