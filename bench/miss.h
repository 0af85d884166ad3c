/* What the machine asks for the memory that an operation touches, whoever the engine is: the same cache lines, found the same way, and nothing computed.

   An operation is a shape: lines in tables as large as the engine's own, each named by the request or by what stands in a line before it. Bursts of 32 as the
   engine gets them: where it prefetches, every line of the burst is asked for, one step of the chain after the other, and only then touched (read and
   written); where it does not, the lines are touched one operation after the other, and a chained operation begins at a line that the one before it named.
   Beside that the bare latency: one dependent load after the other through a random cycle.

   Owner:      one thread.
   Memory:     as much as the lines of the tables, advised for huge pages as the engine's is; dies when there is none.
   Units:      ns, median of batches.
   Bounds:     up to 12 touches an operation; a touch is named by an earlier one.
   Pinned by:  tests/bench/test_bench.py (that it measures). */
#ifndef WCX_BENCH_MISS_H
#define WCX_BENCH_MISS_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

enum wcx_miss_table
{
  WCX_MISS_ORDERS = 0,
  WCX_MISS_LINKS = 1,
  WCX_MISS_INDEX = 2,
  WCX_MISS_LEVELS = 3,
  WCX_MISS_NODES = 4,
  WCX_MISS_TABLES = 5,
};

#define WCX_MISS_TOUCH_MAX 12u
#define WCX_MISS_REQUEST 255u /* `by` of a touch: the request itself names the line */

typedef struct wcx_miss_touch
{
  uint8_t table; /* enum wcx_miss_table */
  uint8_t by;    /* the touch whose line names this one, or WCX_MISS_REQUEST */
} wcx_miss_touch_t;

typedef struct wcx_miss_shape
{
  uint8_t touch_cnt;
  bool prefetched; /* in bursts */
  bool chained;    /* what a request would name, the first line of the operation before it names */
  wcx_miss_touch_t touches[WCX_MISS_TOUCH_MAX];
} wcx_miss_shape_t;

typedef struct wcx_miss wcx_miss_t;

/* line_cnt: lines of 64 bytes of each table, at least 1. */
wcx_miss_t *wcx_miss_new(const uint64_t line_cnt[WCX_MISS_TABLES]);
void wcx_miss_free(wcx_miss_t *miss);

double wcx_miss_op_ns(wcx_miss_t *miss, const wcx_miss_shape_t *shape, uint32_t batches);

/* One dependent load, over `line_cnt` lines (1..2^32 - 1) of memory of its own. */
double wcx_miss_load_ns(uint64_t line_cnt);

#endif
