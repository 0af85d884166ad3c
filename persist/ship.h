/* Copying a journal, block by block, into another directory that is a journal itself: the archive of the keeper, and backups.

       source --walk--> block --same place--> target/seg-n --segment full--> fdatasync, read back over its whole chain --> page `shipped`

   The target is a journal directory of the same journal_id, walkable at any time (`wcxctl --state-dir` reads it): each segment is made whole and zero before
   its first block goes in. Only blocks up to the caller's durable block are copied, so nothing gets there that a crash could take back. A segment counts
   as archived when all its blocks were read back from the target and chain from the same anchor to the same digest; the page `shipped` (an anchor
   page, rule 10 of engine/shm/journal_format.h) then names the next. After a restart the open segment is compared, not written again: what is torn or
   damaged in it is overwritten and zeroed behind. A block that continues the chain and is not the source's is refused and left: the source was restored from
   before it, and both histories carry the same journal_id.

   Owner:     one thread. Everything blocks. The target belongs to one writer at a time: its file `lock` is held.
   Memory:    open allocates, close frees; about 1 MiB.
   Result:    1 did something, 0 nothing to do now, -1 failed: `text` says what; close, and open again later to go on.
   Pinned by: tests/unit/test_ship.c, tests/unit/test_archive.c, tests/e2e/test_archive.py. */
#ifndef WCX_PERSIST_SHIP_H
#define WCX_PERSIST_SHIP_H

#include "engine/shm/journal_walk.h"

typedef struct wcx_ship
{
  char from_dir[400];
  char to_dir[400];
  int dir_fd; /* target */
  int lock_fd;
  int fd; /* of the open segment; -1: none */
  uint64_t open_segment;
  wcx_journal_walk_t walk;    /* over the source */
  wcx_journal_anchor_t first; /* of the open segment */
  uint64_t archived_segment;  /* highest that was read back; 0: none, or the source was not seen to go on from there yet */
  uint64_t shipped_seq;       /* last one copied and synced */
  uint64_t copied_seq;        /* last one copied */
  uint64_t blocks, bytes;     /* copied, or found equal */
  wcx_digest_t overrides;     /* of the file that was copied last */
  bool made;                  /* the target has its superblock */
  char text[1024];
} wcx_ship_t;

/* `since` NULL: everything the source keeps. Otherwise the target is an increment: a journal that begins at that place (where another target ends: wcx_ship_end).
   The target directory is made when missing. */
int wcx_ship_open(wcx_ship_t *ship, const char *from_dir, const char *to_dir, const wcx_journal_anchor_t *since) __attribute__((warn_unused_result));

/* Copy the next block, when its number is at most `durable_block` (UINT64_MAX: all that the source has); close the segment when it is full. A target that
   goes further than that is an error: durable blocks do not go away. */
int wcx_ship_step(wcx_ship_t *ship, uint64_t durable_block) __attribute__((warn_unused_result));

/* Make what was copied of the open segment durable: shipped_seq = copied_seq. Overrides (journal_override.h) that are new in the source go along. */
int wcx_ship_sync(wcx_ship_t *ship) __attribute__((warn_unused_result));

void wcx_ship_close(wcx_ship_t *ship);

/* Where the closed segments of a target end: false when it holds none. */
bool wcx_ship_end(const char *to_dir, const wcx_journal_super_t *super, wcx_journal_anchor_t *end);
/* Remember that place, durably. */
int wcx_ship_set_end(int dir_fd, const wcx_journal_super_t *super, const wcx_journal_anchor_t *end) __attribute__((warn_unused_result));

/* Whether segment `first->segment_no` in `dir` (which has the superblock) holds valid blocks from `first` to the end of the segment, and where that leads. */
bool wcx_ship_read_back(const char *dir, const wcx_journal_anchor_t *first, wcx_journal_anchor_t *end, char *err, size_t err_sz);

/* Whether segment `first->segment_no` in both directories holds valid blocks from `first` on that come to a place where they are not the same. */
bool wcx_ship_parts(const char *dir, const char *other_dir, const wcx_journal_anchor_t *first);

/* Write the four copies of a superblock under a temporary name, durably, then give it its name. 0 or -errno. */
int wcx_ship_super(int dir_fd, const wcx_journal_super_t *super) __attribute__((warn_unused_result));

#endif
