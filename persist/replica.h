/* The replica: a second engine over the durable journal, away from the poll loop. It takes the snapshots and compares its digests with the live engine's.

       wait --journal is there, worker ready--> load --newest good snapshot, or none--> follow <--> take
                                                                                           |          (nothing is applied meanwhile)
                                                                                           '--> halted: digests differ, the journal is damaged, or a snapshot
                                                                                                        goes further than it (also from load)

   It never applies an input above the release word: what it knows has left, or may. Halted is for good: no snapshot is taken of a state that is in doubt, those from
   before stay, and the region says so until the process is started again.

   Owner:      one thread.
   Memory:     the caller's (wcx_replica_footprint); the walk's source allocates when it is opened.
   Units:      ns, monotonic (now_ns).
   Result:     wcx_replica_step the work done; 0: nothing to do now. `text` says why it halted, `said` what else is worth an alarm (the caller clears it).
   Bounds:     a step applies at most WCX_REPLICA_BATCH inputs, loads one snapshot, or does one piece of a new one (persist/take.h).
   Invariants: applied_seq <= release_seq; a snapshot is taken at the end of a block of the journal; overrides (engine/shm/journal_override.h) are applied only when
               wcx-controld has found them signed, until then it waits. The newest snapshot at or below what every sink has (held_seq) is kept, and so is the journal behind
               it; while a sink has not said where it is, all are.
   Pinned by:  tests/unit/test_replica.c, tests/property/test_loop_snapshot.c, tests/e2e/test_replica.py. */
#ifndef WCX_PERSIST_REPLICA_H
#define WCX_PERSIST_REPLICA_H

#include "engine/resume.h"
#include "engine/shm/region.h"
#include "persist/take.h"

#define WCX_REPLICA_BATCH 4096u
#define WCX_REPLICA_KEEP_MAX 8u
#define WCX_REPLICA_KEPT_MAX 16u /* with those that are kept for sinks */

enum wcx_replica_phase
{
  WCX_REPLICA_WAIT = 1,
  WCX_REPLICA_LOAD = 2,
  WCX_REPLICA_FOLLOW = 3,
  WCX_REPLICA_TAKE = 4,
  WCX_REPLICA_HALTED = 5,
};

typedef struct wcx_replica_config
{
  const char *journal_dir, *snapshot_dir;
  wcx_region_shard_t *shared;
  wcx_disk_t *disk; /* of snapshot_dir */
  const wcx_params_shard_t *shard;
  uint64_t every_ns;        /* at most so long between two snapshots while inputs come */
  uint64_t every_inputs;    /* and so many */
  uint32_t keep;            /* 2..WCX_REPLICA_KEEP_MAX */
  uint64_t bytes_per_s;     /* of a snapshot, written and read; 0: as fast as it goes */
  uint32_t sinks;           /* bit i: the sink of enum wcx_sink_kind i may need an older snapshot and what lies behind it */
  uint64_t hold_inputs_max; /* one that is further behind than this is no longer waited for */
} wcx_replica_config_t;

/* A snapshot that is known to be good: sound, and the journal goes on from it. */
typedef struct wcx_replica_kept
{
  uint64_t seq;
  uint64_t segment_no; /* of its anchor: the oldest that it needs */
} wcx_replica_kept_t;

typedef struct wcx_replica
{
  wcx_replica_config_t config;
  wcx_engine_limits_t limits;
  enum wcx_replica_phase phase;
  void *engine_mem;
  size_t engine_sz;
  uint8_t *walk_buf;
  void *outputs_mem;
  void *log_mem;
  wcx_engine_t *engine;
  wcx_outlog_t log;
  wcx_outputs_t retained;
  wcx_journal_walk_t walk;
  bool walking;
  wcx_resume_t resume;
  wcx_take_t take;

  uint64_t genesis_seq; /* records of the journal that are genesis, from the first on */
  uint64_t due_ns;      /* of the next snapshot; 0: nothing to take yet */
  uint64_t asked;       /* take_asked as last seen: wants everything up to asked_seq in a snapshot */
  uint64_t asked_seq;
  uint64_t answers;  /* take_asked that the snapshot being taken answers */
  uint64_t retry_ns; /* nothing that failed is tried again before */
  uint64_t blind_ns; /* since when the journal does not show what is durable; 0: it does */
  uint32_t kept_cnt; /* newest first */
  wcx_replica_kept_t kept[WCX_REPLICA_KEPT_MAX];
  uint64_t hold_from_seq; /* where it began: a sink of which nothing is known is behind since then */
  uint32_t let_go;        /* bit i: that sink is too far behind */

  uint64_t mark_next; /* of the region's marks */
  wcx_digest_mark_t marks[WCX_DIGEST_MARK_MAX];

  char text[WCX_JOURNAL_TEXT_SZ];
  char said[WCX_JOURNAL_TEXT_SZ];
} wcx_replica_t;

size_t wcx_replica_footprint(const wcx_params_shard_t *shard);

/* `mem` is 4 KiB aligned. */
void wcx_replica_init(wcx_replica_t *replica, const wcx_replica_config_t *config, void *mem);

uint32_t wcx_replica_step(wcx_replica_t *replica, uint64_t now_ns);

void wcx_replica_close(wcx_replica_t *replica);

#endif
