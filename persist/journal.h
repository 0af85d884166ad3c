/* The journal worker of one shard: from the ring to durable blocks to the release word.

       ring --drain--> lane (64 KiB buffer) --seal, submit--> disk --complete--> flushed_seq --> release_word
                         ^ at most K lanes: block n + K is not submitted before block n and all before it are durable

   A full block is submitted as soon as a lane is free, one that is not full only while fewer than `eager_lanes` are in flight: a batch is what
   arrived during the last I/O, and a slow trickle does not make the disk flush for every record. Lanes are
   used in turn, so the blocks behind the durable prefix are never more than K; recovery counts on that (rule 7 of engine/shm/journal_format.h).

   After any write error, short write or contradiction in the ring the worker is halted: nothing is released any more, nothing is retried,
   journal.halted is set in the shared region, `text` says what happened. The process exits; its successor recovers by reading.

   Owner:     one thread; a second one, the preparing thread, may call wcx_journal_prepare_step (`prep`, `anchors`, `retention`).
   Memory:    the struct is the caller's, 4 KiB aligned, about 1 MiB; block buffers belong to the disk.
   Units:     ns, monotonic (now_ns) and UTC (in blocks).
   Result:    0 or -1 with a text; wcx_journal_step the number of things done, 0 when there was nothing to do.
   Pinned by: tests/unit/test_journal.c, tests/fault/test_journal_crash.c, tests/fault/test_mutants.py. */
#ifndef WCX_PERSIST_JOURNAL_H
#define WCX_PERSIST_JOURNAL_H

#include "engine/shm/region.h"
#include "persist/anchors.h"
#include "persist/block.h"
#include "persist/recover.h"
#include "persist/retention.h"

#define WCX_JOURNAL_LANES WCX_JOURNAL_IN_FLIGHT_MAX
#define WCX_JOURNAL_SLOW_NS UINT64_C(250000000)     /* a write that takes longer is counted: the disk is slow, nothing is wrong */
#define WCX_JOURNAL_ANCHOR_SPAN (UINT64_C(4) << 20) /* bytes of blocks between two anchors: what a recovery reads is about twice this */

typedef struct wcx_journal_config
{
  const char *dir;          /* of this shard's journal */
  const char *snapshot_dir; /* of its snapshots: none may go further than the journal; NULL: there are none */
  uint32_t shard;
  uint32_t segment_sz;
  uint32_t segments_ahead;  /* 1..: prepared segments to keep beyond the one being written */
  uint64_t lock_timeout_ns; /* to wait for a dead worker's writes to end */
  uint32_t eager_lanes;     /* 1..K: a block that is not full is submitted only while fewer are in flight; 1 gives the best latency on one disk */
  uint64_t anchor_span;     /* bytes; 0: WCX_JOURNAL_ANCHOR_SPAN */
} wcx_journal_config_t;

typedef struct wcx_journal_lane
{
  bool busy;
  uint32_t sz;
  uint32_t count;
  uint64_t block_no;
  uint64_t last_seq;
  uint64_t submit_ns;
  wcx_journal_anchor_t after; /* the place behind this block */
} wcx_journal_lane_t;

typedef struct wcx_journal
{
  wcx_segment_prep_t prep;
  wcx_anchors_t anchors;
  wcx_retention_t retention;
  _Alignas(4096) uint8_t scratch[WCX_JOURNAL_WALK_BUF_SZ]; /* recovery only */
  wcx_disk_t *disk;
  wcx_region_shard_t *shared;
  wcx_journal_config_t config;
  wcx_recovered_t recovered;

  wcx_journal_chain_t chain; /* after the last block submitted */
  uint64_t epoch;
  uint64_t incarnation;
  uint64_t segment_no; /* where the next block goes */
  uint64_t off;
  uint64_t opened_no; /* segments up to this one have their handle */

  wcx_jring_consumer_t consumer;
  uint64_t last_stamp_ns;
  bool ring_empty; /* the last drain found nothing more */
  bool batching;   /* `batch` is open, in the lane of the next block */
  wcx_block_t batch;

  wcx_journal_lane_t lanes[WCX_JOURNAL_LANES]; /* block n in lane n % K */
  uint64_t done_block_no;                      /* last block of the contiguous durable prefix */
  uint64_t flushed_seq;
  uint32_t in_flight;
  uint64_t anchor_bytes; /* made durable since the last anchor */
  bool owes_first;       /* the anchor of a segment's first place, which retention needs, waits for the slot */
  wcx_journal_anchor_t first;
  bool owes_last; /* nothing vouches yet for the end of the durable prefix */
  wcx_journal_anchor_t last;

  bool unwitnessed; /* at this start nobody could say whether something was behind the end that was found (rule 7) */

  bool granting; /* the RECOVERY block of a new epoch is in flight */
  uint64_t grant_asked;

  bool halted;
  char text[WCX_JOURNAL_TEXT_SZ];
} wcx_journal_t;

/* Recover and begin: after 0 the journal's end is sealed, the words in the region are published and `ready` is set. A journal that does not reach
   what the region has released, or what a snapshot holds, is refused and left as it is. */
int wcx_journal_open(wcx_journal_t *journal, const wcx_journal_config_t *config, wcx_region_shard_t *shared) __attribute__((warn_unused_result));

/* One turn: completions, release, segments, drain, submit, handshake. Never blocks. */
uint32_t wcx_journal_step(wcx_journal_t *journal, uint64_t now_ns);

/* The preparing thread: one bounded, blocking piece of work off the commit path: an anchor, a step of the next segment, or of the removal of old ones. As wcx_segment_prep_step. */
int wcx_journal_prepare_step(wcx_journal_t *journal);

/* Sleep until something may have happened: in io_uring while writes are in flight, else on the ring's doorbell. Bounded. */
void wcx_journal_idle_wait(wcx_journal_t *journal);

/* Age of the oldest write in flight; 0: none. */
uint64_t wcx_journal_waiting_ns(const wcx_journal_t *journal, uint64_t now_ns);

/* Offer an anchor at the end of the durable prefix, when nothing is in flight: with it a successor can tell damage of the last blocks from a torn end.
   wcx_journal_idle_wait calls it once when the worker has had nothing to do for its whole wait. */
void wcx_journal_vouch(wcx_journal_t *journal);

/* The last act of an orderly end, when the worker is idle: keep an anchor at the end that says that nothing is behind it. 0 or -errno; -EAGAIN: the worker is not idle. Blocks. */
int wcx_journal_vouch_end(wcx_journal_t *journal) __attribute__((warn_unused_result));

/* Nothing in flight, in the batch or in the ring, no question of the data plane open. */
bool wcx_journal_idle(const wcx_journal_t *journal);

/* Prepared segments beyond the current one, and whole segments that still fit on the disk. */
uint64_t wcx_journal_segments_free(const wcx_journal_t *journal);

void wcx_journal_close(wcx_journal_t *journal);

/* drain.c: records from the ring into a block while both last. Returns records taken, or -1 when the ring contradicts its rules (text is set). */
int wcx_journal_drain(wcx_journal_t *journal, wcx_block_t *block) __attribute__((warn_unused_result));
/* drain.c: whether the next record is there, without taking it. */
bool wcx_journal_ring_pending(const wcx_journal_t *journal);

#endif
