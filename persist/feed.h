/* The feed of a sink: what every released input said, from any place of the durable journal on. A second engine again, like the replica's, in the sink's own process:
   nothing is handed over, so nothing waits, and a sink that is slow, stopped or dead is nobody's business but its own.

       closed --open(after)--> loaded: newest snapshot at or below `after`, or the whole journal --next--> inputs up to `after` are applied and not told
          ^                                                                                                      '--next--> told, one by one, up to the release word
          '-- reopened by whoever finds that the database stands elsewhere

   Owner:      one thread.
   Memory:     the caller's (wcx_feed_footprint), taken as it is touched; the walk's source allocates when it is opened.
   Units:      ns, monotonic (now_ns).
   Result:     enum wcx_feed_result; `text` says what failed. A feed that failed is opened again, or is not used.
   Bounds:     wcx_feed_next applies at most WCX_FEED_SKIP inputs.
   Invariants: no input above the release word is applied; what is told is told once, in order, seq by seq; overrides count only when their signatures were found good.
   Pinned by:  tests/unit/test_sink.c, tests/e2e/test_sinks.py. */
#ifndef WCX_PERSIST_FEED_H
#define WCX_PERSIST_FEED_H

#include "engine/resume.h"
#include "engine/shm/region.h"

#define WCX_FEED_SKIP 4096u
#define WCX_FEED_NEWEST UINT64_MAX /* open: behind the newest snapshot there is */

enum wcx_feed_result
{
  WCX_FEED_FAILED = -1,
  WCX_FEED_NOTHING = 0, /* open: the worker is not ready, or signatures are awaited; next: nothing more is released */
  WCX_FEED_DONE = 1,    /* open: it follows; next: an input, in hdr, body, epoch and log */
  WCX_FEED_APPLIED = 2, /* next: inputs that are not told, call again */
};

typedef struct wcx_feed_config
{
  const char *journal_dir, *snapshot_dir;
  const wcx_region_shard_t *shared;
  const wcx_params_shard_t *shard;
} wcx_feed_config_t;

typedef struct wcx_feed
{
  wcx_feed_config_t config;
  wcx_engine_limits_t limits;
  void *engine_mem;
  uint8_t *walk_buf;
  void *log_mem;
  uint64_t log_sz;
  bool following;
  wcx_resume_t resume;
  wcx_journal_walk_t walk;
  wcx_engine_t *engine;
  uint32_t ahead;     /* wcx_resume_ahead's */
  uint64_t after_seq; /* inputs up to here are not told */
  uint64_t blind_ns;  /* since when the journal does not show what is released; 0: it does */
  bool gone;          /* open failed for good: neither a snapshot nor the journal reaches that far back */

  wcx_record_hdr_t hdr; /* of the input that was told last */
  const uint8_t *body;  /* valid until the next call, as is the log */
  uint64_t epoch;
  wcx_outlog_t log; /* from position 0: what that input said */
  char text[WCX_JOURNAL_TEXT_SZ];
} wcx_feed_t;

size_t wcx_feed_footprint(const wcx_params_shard_t *shard);

/* `mem` is 4 KiB aligned. */
void wcx_feed_init(wcx_feed_t *feed, const wcx_feed_config_t *config, void *mem);

/* Follow the journal behind input `after_seq`. With WCX_FEED_NEWEST, feed->after_seq says where it begins. */
int wcx_feed_open(wcx_feed_t *feed, uint64_t after_seq) __attribute__((warn_unused_result));

int wcx_feed_next(wcx_feed_t *feed, uint64_t now_ns) __attribute__((warn_unused_result));

/* Last input that was applied; 0 while it is closed. */
uint64_t wcx_feed_seq(const wcx_feed_t *feed);

/* The journal's own id, of an open feed. */
const uint8_t *wcx_feed_journal_id(const wcx_feed_t *feed);

void wcx_feed_close(wcx_feed_t *feed);

#endif
