/* Building a block in a buffer: header, records, verified-zero padding (rules 3 and 4 of engine/shm/journal_format.h).

   Use:       begin; while room: copy a record to the tail, add; seal.
   Owner:     one thread; the buffer is the caller's, 4 KiB aligned, as large as `sz_max`.
   Bounds:    sz_max is a multiple of 4 KiB, 4 KiB..64 KiB; a block has room while the largest record still fits.
   Pinned by: tests/unit/test_journal_format.c. */
#ifndef WCX_PERSIST_BLOCK_H
#define WCX_PERSIST_BLOCK_H

#include "engine/shm/journal_reader.h"

typedef struct wcx_block
{
  uint8_t *buf;
  uint32_t sz_max;
  uint32_t body_sz;
  uint32_t count;
} wcx_block_t;

/* What a block says besides its records. */
typedef struct wcx_block_words
{
  enum wcx_journal_kind kind;
  uint64_t epoch;
  uint64_t committed_hint;
  uint64_t written_ns; /* UTC */
  uint32_t in_flight_max;
} wcx_block_words_t;

static inline void wcx_block_begin(wcx_block_t *block, void *buf, uint32_t sz_max)
{
  *block = (wcx_block_t){.buf = buf, .sz_max = sz_max};
}

static inline bool wcx_block_room(const wcx_block_t *block)
{
  return sizeof(wcx_journal_block_t) + block->body_sz + WCX_RECORD_SZ_MAX <= block->sz_max;
}

/* Where the next record goes. */
static inline uint8_t *wcx_block_tail(wcx_block_t *block)
{
  return block->buf + sizeof(wcx_journal_block_t) + block->body_sz;
}

static inline void wcx_block_add(wcx_block_t *block, uint32_t record_sz)
{
  block->body_sz += record_sz;
  block->count++;
}

/* Write padding and header so that the block continues `chain`, and move the chain past it. Returns block_sz. */
uint32_t wcx_block_seal(wcx_block_t *block, wcx_journal_chain_t *chain, const wcx_block_words_t *words);

/* The whole of a RECOVERY block, 4 KiB. */
uint32_t wcx_block_recovery(void *buf, wcx_journal_chain_t *chain, const wcx_block_words_t *words, uint64_t incarnation);

#endif
