/* A journal made by hand, in memory: a superblock and two segments, and blocks put into them one after another. What the tests of blocks and of the walk share.

   The world: shard 5, segments of 256 KiB (make_super and make_segment again make longer ones), four blocks in flight.
   Each test program defines nothing and includes this once; each of its tests stands between make_journal and free_journal. */
#ifndef WCX_TESTS_HAND_JOURNAL_H
#define WCX_TESTS_HAND_JOURNAL_H

#include "engine/shm/journal_reader.h"
#include "persist/block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SHARD 5u
#define SEGMENT_SZ (256u << 10)
#define LONG_SEGMENT_SZ (2u << 20) /* more than a walk reads at once */
#define SEGMENTS 2u

static uint8_t *super_file;
static uint8_t *segment_files[SEGMENTS];
static uint32_t segment_sz;
static wcx_journal_chain_t chain;
static uint64_t place; /* of the next block, counted over the block room of all segments */

static inline void make_super(void)
{
  for (uint16_t i = 0; i < 4; i++)
  {
    wcx_journal_super_t super = {.magic = WCX_JOURNAL_SUPER_MAGIC, .version = 1, .shard = SHARD, .segment_sz = segment_sz, .in_flight_max = 4, .first_segment_no = 1};
    super.crc32c = wcx_crc32c(0, &super, sizeof(super));
    super.copy = i;
    memcpy(super_file + 4096 * i, &super, sizeof(super));
  }
}

static inline void make_segment(uint64_t segment_no)
{
  wcx_journal_segment_t segment = {.magic = WCX_JOURNAL_SEGMENT_MAGIC, .version = 1, .shard = SHARD, .segment_no = segment_no, .segment_sz = segment_sz};
  segment.crc32c = wcx_crc32c(0, &segment, sizeof(segment));
  memset(segment_files[segment_no - 1], 0, segment_sz);
  memcpy(segment_files[segment_no - 1], &segment, sizeof(segment));
}

static inline int make_journal(void **state)
{
  (void)state;
  super_file = calloc(4, 4096);
  segment_sz = SEGMENT_SZ;
  make_super();
  for (uint32_t i = 0; i < SEGMENTS; i++)
  {
    segment_files[i] = aligned_alloc(4096, LONG_SEGMENT_SZ);
    make_segment(i + 1);
  }
  static const uint8_t journal_id[16];
  chain = (wcx_journal_chain_t){.shard = SHARD, .next_block_no = 1, .next_seq = 1, .digest = wcx_journal_chain_start(journal_id)};
  place = 0;
  return 0;
}

static inline int free_journal(void **state)
{
  (void)state;
  free(super_file);
  for (uint32_t i = 0; i < SEGMENTS; i++)
    free(segment_files[i]);
  return 0;
}

static inline uint8_t *at_place(uint64_t block_place)
{
  uint64_t room = segment_sz - 4096;
  return segment_files[block_place / room] + 4096 + block_place % room;
}

/* One block of `records` records at the next place; returns where it stands. */
static inline uint8_t *put(uint32_t records, uint64_t hint)
{
  _Alignas(4096) static uint8_t buf[WCX_JOURNAL_BLOCK_SZ_MAX];
  wcx_block_t block;
  wcx_block_begin(&block, buf, sizeof(buf));
  for (uint32_t i = 0; i < records; i++)
  {
    wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .shard = SHARD, .seq = chain.next_seq + i, .stamp_ns = 1000 + chain.next_seq + i, .body_sz = 80};
    memcpy(wcx_block_tail(&block), &hdr, sizeof(hdr));
    memset(wcx_block_tail(&block) + 64, 0x5a, 80);
    wcx_block_add(&block, 144);
  }
  wcx_block_words_t words = {.kind = WCX_JOURNAL_DATA, .epoch = 2, .committed_hint = hint, .in_flight_max = 4};
  uint32_t sz = wcx_block_seal(&block, &chain, &words);
  uint8_t *at = at_place(place);
  memcpy(at, buf, sz);
  place += sz;
  return at;
}

#endif
