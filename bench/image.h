/* A journal made of records, in memory: the blocks that a worker under full load would have written (persist/block.h), in whole segments.

   Owner:      one thread.
   Memory:     segments in anonymous memory advised for huge pages, written whole; given back by wcx_image_free.
   Result:     wcx_image_save: 0, or -1 with errno; the directory may exist, its files must not.
   Bounds:     block_sz 4 KiB..64 KiB, a multiple of 4 KiB: no block is larger, each but the last of a segment is as full as records allow.
   Invariants: wcx_journal_walk_over(wcx_image_source) walks exactly the records, and ends CLEAN.
   Pinned by:  tests/bench/test_bench.py. */
#ifndef WCX_BENCH_IMAGE_H
#define WCX_BENCH_IMAGE_H

#include "engine/shm/journal_walk.h"

#define WCX_IMAGE_SEGMENT_SZ (64u << 20)

typedef struct wcx_image
{
  uint8_t *super;    /* WCX_JOURNAL_SUPER_COPIES places */
  uint8_t *segments; /* segment n at (n - 1) x WCX_IMAGE_SEGMENT_SZ */
  uint64_t segment_cnt;
  uint64_t segment_max;
  uint64_t block_cnt;
  uint64_t off; /* in the last segment */
} wcx_image_t;

void wcx_image_make(wcx_image_t *image, uint32_t shard, const uint8_t *records, uint64_t sz, uint32_t block_sz);
void wcx_image_free(wcx_image_t *image);

wcx_journal_source_t wcx_image_source(wcx_image_t *image);

int wcx_image_save(const wcx_image_t *image, const char *dir) __attribute__((warn_unused_result));

#endif
