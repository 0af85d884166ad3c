/* Removing the oldest segments: what every reader that may need them has let go.

       keep_segment > first  --anchor of that place found-->  superblock {first = keep, start}  -->  remove what lies below, one a step  -->  rest
                             --none found------------------>  the next lower place that has one, or nothing

   The superblock comes first, durably (temporary name, rename, fsync of the directory): a crash in between leaves segments that nobody reads, and the next
   start removes them. A segment that is not below first_segment_no of the durable superblock is never removed. The chain at the new first place comes from
   the file `anchors` and is believed only when the block that stands there continues it.

   How far is not decided here but by wcx_retention_keep: below what the replica's older snapshot needs, and the one that a sink
   would begin with (persist/replica.h), and only what is in the archive and was read
   back. Without a replica, without an archive, or while a damaged segment waits for its repair, nothing is removed (DURABILITY section 4).

   Owner:     the preparing thread.
   Memory:    the struct holds its buffers.
   Result:    as each says. A failure ends removal for the life of this process (`error`); it costs space and nothing else, unless it was the directory that
              could not be synced (`dir_error`): nobody may sync it again, so whoever sees that halts.
   Pinned by: tests/unit/test_retention.c, tests/fault/test_journal_crash.c. */
#ifndef WCX_PERSIST_RETENTION_H
#define WCX_PERSIST_RETENTION_H

#include "engine/shm/journal_walk.h"
#include "engine/shm/region.h"
#include "persist/disk.h"

#include <stdatomic.h>

enum wcx_retention_phase
{
  WCX_RETENTION_REST = 1,
  WCX_RETENTION_SWEEP = 2, /* remove what lies below the first segment */
};

typedef struct wcx_retention
{
  _Alignas(4096) uint8_t page[WCX_JOURNAL_SUPER_COPIES * WCX_JOURNAL_ALIGN];
  _Alignas(4096) uint8_t walk_buf[WCX_JOURNAL_WALK_BUF_SZ];
  wcx_disk_t *disk;
  wcx_journal_super_t super; /* as it is on the disk */
  enum wcx_retention_phase phase;
  uint64_t tried_segment;         /* keep_segment of the last attempt: no use to look again before it moves */
  _Atomic uint64_t first_segment; /* of `super`, for others */
  _Atomic uint64_t removed;       /* by this process */
  _Atomic int error;              /* -errno */
  int dir_error;                  /* the same when a sync of the directory failed; 0 otherwise */
} wcx_retention_t;

/* Begins with a sweep: a predecessor may have died within one. */
void wcx_retention_init(wcx_retention_t *retention, wcx_disk_t *disk, const wcx_journal_super_t *super);

/* The first segment that somebody may still need, 0: all may be. Reads the words of worker, replica and keeper. */
uint64_t wcx_retention_keep(const wcx_region_shard_t *shared);

/* One bounded, blocking piece of work: 1 did something, 0 nothing to do, -errno failed (once: later steps do nothing). */
int wcx_retention_step(wcx_retention_t *retention, uint64_t keep_segment);

#endif
