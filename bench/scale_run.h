/* One size of `wcx-bench scale`: an engine with so many orders, and what each operation costs there.

   Owner:      the main thread.
   Memory:     its own, given back before it returns.
   Result:     dies when memory is short; a check fails when an operation did not do what it is meant to.
   Bounds:     orders 1,000..16,000,000; batches 1..WCX_SCALE_BATCHES_MAX.
   Pinned by:  tests/bench/test_bench.py. */
#ifndef WCX_BENCH_SCALE_RUN_H
#define WCX_BENCH_SCALE_RUN_H

#include "bench/run_folder.h"

enum wcx_scale_op
{
  WCX_SCALE_NEW = 0,
  WCX_SCALE_CANCEL = 1,
  WCX_SCALE_CANCEL_ID = 2,
  WCX_SCALE_MOVE = 3,
  WCX_SCALE_FILL = 4,
  WCX_SCALE_REDUCE = 5,
  WCX_SCALE_OPS = 6,
};

#define WCX_SCALE_BATCHES_MAX 10000u

typedef struct wcx_scale_size
{
  uint32_t orders;
  uint32_t levels;          /* prices that orders stand at */
  double ns[WCX_SCALE_OPS]; /* per operation, median of the batches */
  double bare_ns[WCX_SCALE_OPS];
  double load_ns;
} wcx_scale_size_t;

extern const char *const wcx_scale_names[WCX_SCALE_OPS];

/* Lines outside the caches, as counted in scale.h. */
uint32_t wcx_scale_lines(enum wcx_scale_op op);

/* Each batch's ns per operation is kept as a histogram, too: tag "new/100k". */
wcx_scale_size_t wcx_scale_measure(uint32_t orders, uint32_t levels_max, uint32_t batches, wcx_run_folder_t *run);

#endif
