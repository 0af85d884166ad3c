/* Reading the journal: from byte spans to blocks and records, without I/O. Whoever has the bytes (mmap, pread, a simulated disk) uses this.

   Functions: wcx_journal_check_block says what stands at a place (rule 5 of journal_format.h), wcx_journal_next_record walks the records of a
   valid DATA block. What a place that is not valid means (rule 7) is decided in journal_decide.c; journal_walk.h does the reading.

   Owner:     the caller; no state but the arguments.
   Calls:     pure functions of their arguments.
   Pinned by: tests/unit/test_journal_format.c. */
#ifndef WCX_SHM_JOURNAL_READER_H
#define WCX_SHM_JOURNAL_READER_H

#include "engine/base/sums.h"
#include "engine/shm/journal_format.h"

#include <stdbool.h>
#include <string.h>

/* Where in the chain a reader is: what the next block must continue. */
typedef struct wcx_journal_chain
{
  uint32_t shard;
  uint64_t next_block_no; /* starts at 1 */
  uint64_t next_seq;      /* starts at 1 */
  uint64_t epoch;         /* of the last block; starts at 0 */
  wcx_digest_t digest;    /* of the last block; starts as wcx_journal_chain_start */
} wcx_journal_chain_t;

enum wcx_journal_state /* of a place, 4 KiB aligned */
{
  WCX_JOURNAL_ZERO = 1,    /* the whole first 4 KiB are zero: nothing was written here */
  WCX_JOURNAL_VALID = 2,   /* continues the chain */
  WCX_JOURNAL_WHOLE = 3,   /* sound in itself, but not the continuation */
  WCX_JOURNAL_INVALID = 4, /* torn or damaged */
};

static inline wcx_digest_t wcx_journal_chain_start(const uint8_t journal_id[16])
{
  return wcx_digest_of(WCX_JOURNAL_SUPER_MAGIC, journal_id, 16);
}

/* The digest that the next block must name as prev_digest. */
static inline wcx_digest_t wcx_journal_block_digest(const wcx_journal_block_t *block)
{
  wcx_journal_block_t copy = *block;
  copy.crc32c = 0;
  return wcx_digest_of(WCX_JOURNAL_BLOCK_MAGIC, &copy, sizeof(copy));
}

static inline uint32_t wcx_journal_block_crc(const wcx_journal_block_t *block, const void *body)
{
  wcx_journal_block_t copy = *block;
  copy.crc32c = 0;
  return wcx_crc32c(wcx_crc32c(0, &copy, sizeof(copy)), body, block->body_sz);
}

#define WCX_JOURNAL_BODY_KEY 0u

static inline wcx_digest_t wcx_journal_body_digest(const void *body, uint32_t body_sz)
{
  return wcx_digest_of(WCX_JOURNAL_BODY_KEY, body, body_sz);
}

/* Both at once, as the header has them. */
static inline bool wcx_journal_sums_hold(const wcx_journal_block_t *block, const void *body)
{
  wcx_journal_block_t copy = *block;
  copy.crc32c = 0;
  wcx_sums_t sums = wcx_sums_of(wcx_crc32c(0, &copy, sizeof(copy)), WCX_JOURNAL_BODY_KEY, body, block->body_sz);
  return sums.crc32c == block->crc32c && sums.digest.lo == block->body_digest.lo && sums.digest.hi == block->body_digest.hi;
}

static inline bool wcx_journal_all_zero(const uint8_t *at, size_t sz)
{
  return sz == 0 || (at[0] == 0 && memcmp(at, at + 1, sz - 1) == 0); /* each byte equals the one before it, the first is zero */
}

/* Last seq of a block: of a DATA block its last record, of any other the seq before it. */
static inline uint64_t wcx_journal_last_seq(const wcx_journal_block_t *block)
{
  return block->first_seq + block->count - 1;
}

/* Step to the next record of a valid DATA block. *off starts at 0; false at the end. hdr is a copy, *body points into the block (unaligned is fine). */
static inline bool wcx_journal_next_record(const wcx_journal_block_t *block, const uint8_t *body, uint32_t *off, wcx_record_hdr_t *hdr, const uint8_t **record_body)
{
  if (*off + 64u > block->body_sz)
    return false;
  memcpy(hdr, body + *off, sizeof(*hdr));
  uint32_t sz = wcx_record_sz(hdr->body_sz);
  if (sz > block->body_sz - *off)
    return false;
  *record_body = body + *off + 64u;
  *off += sz;
  return true;
}

static inline bool wcx_journal_body_sound(const wcx_journal_block_t *block, const uint8_t *body)
{
  if (block->kind == WCX_JOURNAL_RECOVERY)
  {
    if (block->count != 0 || block->body_sz != sizeof(wcx_journal_recovery_t))
      return false;
    wcx_journal_recovery_t recovery;
    memcpy(&recovery, body, sizeof(recovery));
    bool same = recovery.cut_digest.lo == block->prev_digest.lo && recovery.cut_digest.hi == block->prev_digest.hi;
    return same && recovery.epoch == block->epoch && recovery.cut_seq + 1 == block->first_seq;
  }
  if (block->kind != WCX_JOURNAL_DATA || block->count == 0)
    return false;
  uint32_t off = 0;
  uint32_t count = 0;
  uint64_t stamp_ns = 0;
  wcx_record_hdr_t hdr;
  const uint8_t *record_body;
  while (wcx_journal_next_record(block, body, &off, &hdr, &record_body))
  {
    bool sound = hdr.format == WCX_RECORD_FORMAT && hdr.shard == block->shard && hdr.seq == block->first_seq + count && hdr.body_sz <= WCX_RECORD_BODY_SZ_MAX;
    sound = sound && hdr.reserved0 == 0 && hdr.reserved1 == 0 && (count == 0 || hdr.stamp_ns > stamp_ns);
    sound = sound && wcx_journal_all_zero(record_body + hdr.body_sz, wcx_record_sz(hdr.body_sz) - 64u - hdr.body_sz);
    if (!sound)
      return false;
    stamp_ns = hdr.stamp_ns;
    count++;
  }
  return off == block->body_sz && count == block->count;
}

/* Whether the sizes and constants of a header are such as a block has; `avail` as below. */
static inline bool wcx_journal_block_sized(const wcx_journal_chain_t *chain, const wcx_journal_block_t *block, size_t avail)
{
  bool sized = block->magic == WCX_JOURNAL_BLOCK_MAGIC && block->version == WCX_JOURNAL_VERSION && block->shard == chain->shard && block->block_sz % WCX_JOURNAL_ALIGN == 0;
  sized = sized && block->block_sz > 0 && block->block_sz <= WCX_JOURNAL_BLOCK_SZ_MAX && block->block_sz <= avail && block->body_sz <= block->block_sz - sizeof(*block);
  return sized && block->reserved[0] == 0 && block->reserved[1] == 0 && block->reserved32 == 0 && block->block_no > 0 && block->first_seq > 0;
}

static inline bool wcx_journal_block_continues(const wcx_journal_chain_t *chain, const wcx_journal_block_t *block)
{
  bool continues = block->block_no == chain->next_block_no && block->first_seq == chain->next_seq && block->epoch >= chain->epoch;
  return continues && block->prev_digest.lo == chain->digest.lo && block->prev_digest.hi == chain->digest.hi;
}

/* What stands at `at`, of which `avail` bytes (a multiple of 4 KiB, at least one) lie in the segment. Fills *block unless the answer is ZERO or INVALID. */
static inline enum wcx_journal_state wcx_journal_check_block(const wcx_journal_chain_t *chain, const uint8_t *at, size_t avail, wcx_journal_block_t *block)
{
  if (wcx_journal_all_zero(at, WCX_JOURNAL_ALIGN))
    return WCX_JOURNAL_ZERO;
  memcpy(block, at, sizeof(*block));
  const uint8_t *body = at + sizeof(*block);
  if (!wcx_journal_block_sized(chain, block, avail) || !wcx_journal_sums_hold(block, body))
    return WCX_JOURNAL_INVALID;
  if (!wcx_journal_all_zero(body + block->body_sz, block->block_sz - sizeof(*block) - block->body_sz))
    return WCX_JOURNAL_INVALID;
  if (!wcx_journal_body_sound(block, body))
    return WCX_JOURNAL_INVALID;
  return wcx_journal_block_continues(chain, block) ? WCX_JOURNAL_VALID : WCX_JOURNAL_WHOLE;
}

/* Whether the write of the next block, torn between its sectors, can have left what stands at `at`, the place P, and is no block: rule 7. */
static inline bool wcx_journal_can_be_torn(const wcx_journal_chain_t *chain, const uint8_t *at, size_t avail)
{
  if (wcx_journal_all_zero(at, WCX_JOURNAL_SECTOR_SZ))
    return true; /* the header did not arrive: nothing tells what did */
  wcx_journal_block_t block;
  memcpy(&block, at, sizeof(block));
  if (!wcx_journal_block_sized(chain, &block, avail) || !wcx_journal_block_continues(chain, &block))
    return false;
  size_t used = sizeof(block) + block.body_sz;
  if (!wcx_journal_all_zero(at + used, block.block_sz - used))
    return false;
  for (size_t off = WCX_JOURNAL_SECTOR_SZ; off < used; off += WCX_JOURNAL_SECTOR_SZ)
    if (wcx_journal_all_zero(at + off, WCX_JOURNAL_SECTOR_SZ))
      return true;
  return false; /* every sector is there */
}

/* Move the chain past a valid block. */
static inline void wcx_journal_chain_advance(wcx_journal_chain_t *chain, const wcx_journal_block_t *block)
{
  chain->next_block_no = block->block_no + 1;
  chain->next_seq = block->first_seq + block->count;
  chain->epoch = block->epoch;
  chain->digest = wcx_journal_block_digest(block);
}

#endif
