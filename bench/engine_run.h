/* One pass of a flow through the real engine: records encoded into a ring, prefetched and applied in bursts, every event read by a sink.

   The world: shard 1, instrument 1 (increment 1, lot 1, no bands), accounts 1..1000 (= owners) of the credit asked for, session 1, entitled to all of them;
   self-match prevention None.
   A flow's record i is the request with ClOrdID i + 1; this and which ClOrdID a cancel or move names is worked out before the clock starts.

   In the timed part, per burst of n: encode n journal records (header and body) into a ring, wcx_engine_prefetch each, then for each wcx_engine_apply and the
   sink. Per-op timing charges an op its own apply and sink and an even share of its burst's encoding and prefetching.

   Owner:      one thread. A run owns its memory until wcx_run_free; a pass begins with a new engine in the same memory.
   Memory:     the engine and the rings in anonymous memory advised for huge pages, sized by the flow (wcx_flow_t.live_max); dies when there is none.
   Result:     trades, volume and trade_hash are computed after the clock has stopped, from what the sink kept.
   Bounds:     burst 1..WCX_RUN_BURST_MAX; live orders up to WCX_RUN_LIVE_MAX.
   Pinned by:  tests/unit/test_flow.c: equal to bench/model.h, independent of the burst. */
#ifndef WCX_BENCH_ENGINE_RUN_H
#define WCX_BENCH_ENGINE_RUN_H

#include "bench/flow.h"
#include "engine/base/hist.h"
#include "engine/engine.h"

#define WCX_RUN_BURST_MAX 1024u
#define WCX_RUN_LIVE_MAX 16777215u

typedef struct wcx_run wcx_run_t;

typedef struct wcx_run_result
{
  uint64_t ops;        /* timed */
  uint64_t elapsed_ns; /* of the timed part */
  double ns_per_tick;  /* of the histogram, when there was one */
  uint64_t events;     /* read by the sink, set-up included; as all below */
  uint64_t rejects;
  uint64_t trades;
  uint64_t volume;
  uint64_t trade_hash;
  int64_t best_bid; /* 0: none */
  int64_t best_ask;
  uint32_t live_orders;
  wcx_digest_t output_digest;
  wcx_digest_t state_digest;
} wcx_run_result_t;

/* credit: of every account. WCX_CREDIT_CHECKED: each has balances that cover all its orders. */
wcx_run_t *wcx_run_new(const wcx_flow_t *flow, enum wcx_credit credit);
void wcx_run_free(wcx_run_t *run);

/* Apply the whole flow, the first setup_cnt records untimed. ticks: NULL, or where the time of every timed op goes. */
wcx_run_result_t wcx_run_pass(wcx_run_t *run, uint64_t setup_cnt, uint32_t burst, wcx_hist_t *ticks);

/* What recording and saying alone cost, ns an input: the records of the first timed inputs are encoded again and again, the very bytes that the engine said to them
   copied into the log, digested, and read by the sink. No engine that journals these inputs and says these outputs takes less, whatever its book is like; bytes
   and records lie in the near caches here. Least of `passes`. */
double wcx_run_said_ns(wcx_run_t *run, uint64_t setup_cnt, uint32_t burst, uint32_t passes);

/* The records of a pass, the world's definitions first, one behind the other as in a journal block: at most wcx_run_records_sz bytes at `to`. Returns how many
   records; *sz: their bytes. */
uint64_t wcx_run_records_sz(const wcx_run_t *run);
uint64_t wcx_run_records(wcx_run_t *run, uint8_t *to, uint64_t *sz);

/* What an engine needs to take them. */
wcx_engine_limits_t wcx_run_limits(const wcx_run_t *run);

#endif
