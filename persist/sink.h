/* A sink: outputs of the durable journal into a database (persist/store.h), rows exactly once.

       ask the mark --> open the feed behind it --> fill a batch <--> commit it
          ^                   '-- gone: the journal does not reach back that far --> begun anew (a cache), or it stands still and says so
          '-- after a pause: whatever failed, a mark that is elsewhere; the database says how far it is, nobody else

   Nothing of the appliance waits for it. What it needs of the journal is kept for it (persist/replica.h) as far as held_seq of its words in the region says, and
   within the bound that the configuration gives.

   Owner:      one thread.
   Memory:     the caller's (wcx_feed_footprint) for the feed; the store's batch.
   Units:      ns, monotonic (now_ns).
   Result:     wcx_sink_step the work done; 0: nothing to do now. `said` is worth an alarm (the caller clears it).
   Bounds:     a step applies at most WCX_SINK_BATCH inputs and commits one batch; what it waits for is the database's answer, which may take long.
   Invariants: a batch is inputs mark.seq + 1 .. hi, all of them; what is committed was released before.
   Pinned by:  tests/unit/test_sink.c, tests/e2e/test_sinks.py. */
#ifndef WCX_PERSIST_SINK_H
#define WCX_PERSIST_SINK_H

#include "persist/feed.h"
#include "persist/store.h"

#define WCX_SINK_BATCH 4096u /* inputs */
#define WCX_SINK_ROWS 16384u /* of a batch, and what one input makes of them */
#define WCX_SINK_RETRY_NS UINT64_C(500000000)
#define WCX_SINK_SETTLE_NS UINT64_C(1000000000) /* how often the database is asked what it has flushed */

enum wcx_sink_phase
{
  WCX_SINK_ASK = 1,
  WCX_SINK_OPEN = 2,
  WCX_SINK_FOLLOW = 3,
};

typedef struct wcx_sink
{
  enum wcx_sink_phase phase;
  wcx_feed_t feed;
  wcx_store_t *store;
  wcx_region_sink_t *words;
  wcx_store_mark_t mark; /* as the database had it last */
  bool marked;           /* it has one */
  uint64_t retry_ns;
  uint64_t settle_ns;
  char said[WCX_JOURNAL_TEXT_SZ + 64];
  char last_said[WCX_JOURNAL_TEXT_SZ + 64]; /* the same is not said twice in a row */
} wcx_sink_t;

void wcx_sink_init(wcx_sink_t *sink, const wcx_feed_config_t *config, void *mem, wcx_store_t *store, wcx_region_sink_t *words);
uint32_t wcx_sink_step(wcx_sink_t *sink, uint64_t now_ns);
void wcx_sink_close(wcx_sink_t *sink);

#endif
