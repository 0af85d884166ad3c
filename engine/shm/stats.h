/* The counters a shard's data plane shows to the api worker and to the board.

   Owner:     the data plane's loop is the only writer (plain load, add, relaxed store: no locked instruction); everyone else reads relaxed.
   Pinned by: stats.def. */
#ifndef WCX_SHM_STATS_H
#define WCX_SHM_STATS_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

typedef struct wcx_stats
{
#define WCX_STAT(name, help) _Atomic uint64_t name;
#include "engine/shm/stats.def"
#undef WCX_STAT
} wcx_stats_t;

static inline void wcx_stat_add(_Atomic uint64_t *counter, uint64_t by)
{
  atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by, memory_order_relaxed);
}

/* Where the live engine was at some input: what a replay must reproduce at the same seq. A ring, newest at (cnt - 1) & (MAX - 1);
   a reader that sees `cnt` move by MAX or more while it copies starts again. */
#define WCX_DIGEST_MARK_MAX 1024u
#define WCX_DIGEST_MARK_EVERY 1024u /* inputs between two marks */

typedef struct wcx_digest_mark
{
  uint64_t seq;
  uint64_t output_lo, output_hi; /* chained output digest */
  uint64_t state_lo, state_hi;   /* incremental state digest */
} wcx_digest_mark_t;

typedef struct wcx_digest_marks
{
  _Alignas(64) _Atomic uint64_t cnt; /* marks ever written; stored with release after the mark */
  uint8_t pad[56];
  wcx_digest_mark_t marks[WCX_DIGEST_MARK_MAX];
} wcx_digest_marks_t;

#endif
