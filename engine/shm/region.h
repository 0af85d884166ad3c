/* The shared region: one named file in which the data plane and the control daemon's workers meet.

   It lives on a hugetlbfs mount of its own (or in /dev/shm when there is none), mode 0660, and survives the death of every process.
   wcx-controld makes it (temporary name, then rename); either side may start first and waits for `params_ready`. It belongs to one boot:
   a region with another boot_id is discarded and made anew, because what the ring held beyond the journal is gone with the power anyway.

       0           wcx_region_t   header and locks
       shard_off[] wcx_region_shard_t + ring, one per shard (offsets in the header, 2 MiB aligned)

   Locks: each process holds an exclusive fcntl open-file-description lock on its own byte of the file (enum wcx_region_lock) for as long as
   it lives, so everybody sees a death without asking the supervisor, and no second instance can start.

   Owner:      per field below. Layout version WCX_REGION_LAYOUT; a process that finds another one refuses and says so.
   Pinned by:  tests/unit/test_shm.c. */
#ifndef WCX_SHM_REGION_H
#define WCX_SHM_REGION_H

#include "engine/reject.h"
#include "engine/shm/auth_ring.h"
#include "engine/shm/jring.h"
#include "engine/shm/params.h"
#include "engine/shm/release.h"
#include "engine/shm/stages.h"
#include "engine/shm/stats.h"

#define WCX_REGION_MAGIC UINT64_C(0x006e6f6967657277) /* "wregion" */
#define WCX_REGION_LAYOUT 8
#define WCX_REGION_ALIGN (UINT64_C(2) << 20)

enum wcx_region_lock /* byte of the file */
{
  WCX_REGION_LOCK_CONTROLD = 1,
  WCX_REGION_LOCK_DATAPLANE = 2,
  WCX_REGION_LOCK_AUTH = 3,
  WCX_REGION_LOCK_API = 4,
  WCX_REGION_LOCK_JOURNAL = 16, /* + index of the shard */
  WCX_REGION_LOCK_KEEPER = 24,  /* + index of the shard */
  WCX_REGION_LOCK_REPLICA = 32, /* + index of the shard */
  WCX_REGION_LOCK_SINK = 40,    /* + WCX_SHARDS_MAX x enum wcx_sink_kind + index of the shard */
};

enum wcx_sink_kind /* index of its words */
{
  WCX_SINK_PG = 0,
  WCX_SINK_REDIS = 1,
  WCX_SINK_KINDS = 2,
};

/* How a data plane gets its epoch (one exchange per start of a data plane):

       data plane                                     journal worker
       ----------                                     --------------
       asked <- asked + 1, ring the bell
                                                      drain the committed prefix of the ring
                                                      make RECOVERY {epoch + 1, incarnation, cut} durable
                                                      cut_seq, granted_epoch, release word under the new epoch
                                                      answered <- asked            (release)
       answered == asked (acquire)
       replay the journal up to cut_seq
       clear the ring, go on at cut_seq + 1

   Between `asked` and the cleared ring nothing is committed, so the worker waits at slot 0 for cut_seq + 1. */
typedef struct wcx_region_handshake
{
  _Alignas(64) _Atomic uint64_t asked; /* data plane */
  uint8_t pad0[56];
  _Alignas(64) _Atomic uint64_t answered; /* worker, from here on */
  _Atomic uint64_t granted_epoch;
  _Atomic uint64_t cut_seq;
  _Atomic uint64_t incarnation; /* starts of the worker; never in the release word */
  _Atomic uint64_t ready;       /* 1 when the worker has recovered and drains */
  uint8_t pad1[24];
} wcx_region_handshake_t;
static_assert(sizeof(wcx_region_handshake_t) == 128, "two lines");

/* What the journal worker tells about itself. */
typedef struct wcx_region_journal_stats
{
  _Alignas(64) _Atomic uint64_t blocks;
  _Atomic uint64_t records;
  _Atomic uint64_t bytes;
  _Atomic uint64_t segment;
  _Atomic uint64_t segments_ahead;
  _Atomic uint64_t commit_ns_last; /* submit to completion of the last block */
  _Atomic uint64_t halted;         /* 1: stopped releasing after an error */
  _Atomic uint64_t segments_free;  /* prepared ones and those that still fit on the disk; below 2: alarm */
} wcx_region_journal_stats_t;
static_assert(sizeof(wcx_region_journal_stats_t) == 64, "one line");

/* What the journal worker tells about its segments: what the keeper may ship, and what is left. */
typedef struct wcx_region_segments
{
  _Alignas(64) _Atomic uint64_t durable_block; /* last block of the contiguous durable prefix: no crash takes it back */
  _Atomic uint64_t closed_segment;             /* highest segment that is full with such blocks; 0: none */
  _Atomic uint64_t first_segment;              /* oldest kept */
  _Atomic uint64_t removed;                    /* by this process */
  _Atomic uint64_t slow_writes;                /* of this process: longer than WCX_JOURNAL_SLOW_NS */
  _Atomic uint64_t waiting_ns;                 /* age of the oldest write in flight, now and then; 0: none */
  _Atomic uint64_t unwitnessed;                /* 1: when this worker started nobody could say whether something was behind the journal's end */
  _Atomic uint64_t vouched_seq;                /* last input that something vouched for then */
} wcx_region_segments_t;
static_assert(sizeof(wcx_region_segments_t) == 64, "one line");

/* What the keeper tells. Zero while there is none or no archive: then nothing of the journal may be deleted. */
typedef struct wcx_region_keeper
{
  _Alignas(64) _Atomic uint64_t archived_segment; /* highest segment that is in the archive and was read back; 0: none */
  _Atomic uint64_t shipped_seq;                   /* last seq in the archive, the open segment included */
  _Atomic uint64_t failing;                       /* 1: the last attempt to archive failed; tried again */
  _Atomic uint64_t scrub_segment;                 /* being read */
  _Atomic uint64_t scrub_passes;                  /* over all closed segments */
  _Atomic uint64_t damaged;                       /* segments, of the journal and of the archive, that were found damaged and are not repaired */
  _Atomic uint64_t repaired;                      /* by this process */
  _Atomic uint64_t super_damaged;                 /* copies of the superblock that are damaged; the worker writes them anew at its next start */
} wcx_region_keeper_t;
static_assert(sizeof(wcx_region_keeper_t) == 64, "one line");

/* What the data plane tells about itself, besides counters. */
typedef struct wcx_region_dataplane_state
{
  _Alignas(64) _Atomic uint64_t phase; /* enum wcx_dataplane_phase */
  _Atomic uint64_t applied_seq;        /* last input the engine has applied */
  _Atomic uint64_t loop_ns;            /* monotonic time of a recent turn: a loop that stalls shows */
  _Atomic uint64_t live_bindings;
  _Atomic uint64_t orders_live;
  _Atomic uint64_t started_ns; /* UTC */
  _Atomic uint64_t pressure;   /* 1 clear, 2 no new risk, 3 cancels only, 4 full: dataplane/pressure.h */
  uint64_t pad;
} wcx_region_dataplane_state_t;

/* Orders, cancels, replaces and sides of quotes that the engine refused, by reason (engine/reject.def); what a start replays counts again. The data plane writes them
   every thousandth turn. */
typedef struct wcx_region_rejects
{
  _Alignas(64) _Atomic uint64_t cnt[WCX_REJECT_CNT]; /* by enum wcx_reject; [0] stays 0 */
} wcx_region_rejects_t;

/* The line along which the data plane stamps, and jumps of UTC away from it (dataplane/clock.h). */
typedef struct wcx_region_clock
{
  _Alignas(64) _Atomic uint64_t offset_ns; /* data plane: UTC less monotonic time; 0: not known */
  _Atomic uint64_t jumps;                  /* data plane: forward jumps seen */
  _Atomic uint64_t ahead_ns;               /* data plane: how far UTC has jumped ahead of the stamps; 0: nothing is held back */
  uint8_t pad0[40];
  _Alignas(64) _Atomic uint64_t confirmed; /* api: number of the jump that an operator has confirmed */
  uint8_t pad1[56];
} wcx_region_clock_t;
static_assert(sizeof(wcx_region_clock_t) == 128, "two lines");

enum wcx_dataplane_phase
{
  WCX_DATAPLANE_STARTING = 1,
  WCX_DATAPLANE_WAITING_JOURNAL = 2,
  WCX_DATAPLANE_REPLAYING = 3,
  WCX_DATAPLANE_SERVING = 4,
};

/* Inputs that end whoever applies them (engine/shm/journal_override.h). */
typedef struct wcx_region_quarantine
{
  _Alignas(64) _Atomic uint64_t overrides_lo; /* controld: digest of the file `overrides` whose signatures hold; zero: there is none */
  _Atomic uint64_t overrides_hi;
  _Atomic uint64_t checks;  /* controld: times that it has looked */
  _Atomic uint64_t seq;     /* data plane: the input at which it refuses to start; 0: none */
  _Atomic uint64_t hash_lo; /* and its hash */
  _Atomic uint64_t hash_hi;
  _Atomic uint64_t decision_lo; /* controld: digest of the newest page of `decisions` whose signatures hold (journal_decision.h); zero: there is none */
  _Atomic uint64_t decision_hi;
} wcx_region_quarantine_t;
static_assert(sizeof(wcx_region_quarantine_t) == 64, "one line");

/* What the replica tells. Zero while there is none: then nothing of the journal may be deleted. */
typedef struct wcx_region_replica
{
  _Alignas(64) _Atomic uint64_t applied_seq; /* last durable input it has applied */
  _Atomic uint64_t digest_seq;               /* last seq at which its digests were equal to the live engine's */
  _Atomic uint64_t snapshot_seq;             /* of the newest snapshot; 0: none */
  _Atomic uint64_t keep_segment;             /* oldest segment that the older of the kept snapshots needs; 0: all are needed */
  _Atomic uint64_t snapshots;                /* taken by this process */
  _Atomic uint64_t snapshot_ns;              /* that the newest took */
  _Atomic uint64_t halted;                   /* 1: digests differ, or an input could not be applied */
  _Atomic uint64_t take_answered;            /* take_asked that the newest snapshot answers */
  _Alignas(64) _Atomic uint64_t take_asked;  /* api: raised when an operator wants a snapshot now */
  uint8_t pad[56];
} wcx_region_replica_t;
static_assert(sizeof(wcx_region_replica_t) == 128, "two lines");

/* What a sink tells. held_seq stays when it dies: the replica keeps for it what lies behind. */
typedef struct wcx_region_sink
{
  _Alignas(64) _Atomic uint64_t held_seq; /* last input whose rows no crash of the database takes back; 0: not known, all before is kept */
  _Atomic uint64_t seq;                   /* last input whose rows are committed */
  _Atomic uint64_t rows;                  /* these five of this process */
  _Atomic uint64_t batches;
  _Atomic uint64_t stale;   /* commits refused because the mark in the database stood elsewhere */
  _Atomic uint64_t failing; /* 1: no connection, or the last statement failed; tried again */
  _Atomic uint64_t stuck;   /* 1: the journal does not serve it from where the database is */
  uint64_t pad;
} wcx_region_sink_t;
static_assert(sizeof(wcx_region_sink_t) == 64, "one line");

typedef struct wcx_region_shard
{
  wcx_release_t release;
  wcx_region_handshake_t handshake;
  wcx_region_journal_stats_t journal;
  wcx_region_segments_t segments;
  wcx_region_keeper_t keeper;
  wcx_region_quarantine_t quarantine;
  wcx_region_replica_t replica;
  wcx_region_sink_t sinks[WCX_SINK_KINDS];
  wcx_region_dataplane_state_t dataplane;
  wcx_region_rejects_t rejects;
  wcx_region_clock_t clock;
  _Alignas(64) wcx_stats_t stats;
  wcx_stages_t stages;
  wcx_digest_marks_t marks;
  wcx_auth_ring_t auth;
  wcx_jring_t jring; /* last: its slots follow */
} wcx_region_shard_t;

typedef struct wcx_region
{
  uint64_t magic;
  uint32_t layout;
  uint32_t shard_cnt;
  uint64_t sz;           /* of the file, bytes */
  uint8_t boot_id[16];   /* of the boot this region belongs to */
  uint8_t region_id[16]; /* random, of this region */
  uint64_t shard_off[WCX_SHARDS_MAX];
  _Atomic uint64_t params_ready; /* 1 once the parameter block is complete */
  _Alignas(64) wcx_params_t params;
} wcx_region_t;

static inline size_t wcx_region_shard_footprint(uint32_t jring_slot_max)
{
  size_t sz = sizeof(wcx_region_shard_t) + (size_t)jring_slot_max * sizeof(wcx_jring_slot_t);
  return (sz + WCX_REGION_ALIGN - 1) & ~(size_t)(WCX_REGION_ALIGN - 1);
}

static inline wcx_region_shard_t *wcx_region_shard(wcx_region_t *region, uint32_t shard_idx)
{
  return (wcx_region_shard_t *)(void *)((uint8_t *)region + region->shard_off[shard_idx]);
}

#endif
