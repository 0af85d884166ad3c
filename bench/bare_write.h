/* Bare 4 KiB durable writes, one at a time, by a thread of its own: what a disk costs before there is any journal.

   Owner:      the thread that made it asks, and looks at `done`; the file, which was written whole before, is the writer's until wcx_bare_stop.
   Result:     dies when the file cannot be made or written.
   Pinned by:  tests/bench/test_bench.py. */
#ifndef WCX_BENCH_BARE_WRITE_H
#define WCX_BENCH_BARE_WRITE_H

#include "engine/base/hist.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct wcx_bare
{
  pthread_t thread;
  int fd;
  int cpu; /* the writer's own; -1: any */
  uint64_t block;
  char path[300];
  uint8_t *buf;
  pthread_mutex_t lock;
  pthread_cond_t asked;
  uint32_t wanted; /* writes of this round; 0: none, UINT32_MAX: end */
  wcx_hist_t *hist;
  wcx_hist_t *queued;
  _Atomic uint32_t done;
} wcx_bare_t;

/* A file in `dir`, which must exist. */
void wcx_bare_start(wcx_bare_t *bare, const char *dir, int cpu);

/* `cnt` writes, their ns to hist; returns at once, `bare->done` becomes 1. queued, added to: how long somebody would have waited who comes at any time (one every 10 us) and
   rides with the next write: what is left of the one in flight and then all of that. A journal with one write in flight is no faster unless its writes are. A write that takes
   long counts as often as somebody comes while it does. */
void wcx_bare_round(wcx_bare_t *bare, uint32_t cnt, wcx_hist_t *hist, wcx_hist_t *queued);

void wcx_bare_stop(wcx_bare_t *bare);

#endif
