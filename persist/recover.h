/* Opening a journal for writing: make it when there is none, walk it from its newest anchor, decide how it ends, and seal the end before anything new is written.

   Owner:     the journal's thread, at start. Everything here blocks.
   Result:    0, or -1 with a text that says what is wrong and what to do.
   Pinned by: tests/unit/test_journal.c, tests/fault/test_journal_crash.c. */
#ifndef WCX_PERSIST_RECOVER_H
#define WCX_PERSIST_RECOVER_H

#include "engine/shm/journal_walk.h"
#include "persist/segment.h"

typedef struct wcx_recovered
{
  wcx_journal_super_t super;
  wcx_journal_chain_t chain; /* after L */
  uint64_t segment_no;       /* place P; when the last segment is full, the first place of one that does not exist yet */
  uint64_t off;
  uint64_t last_segment_no; /* highest that has its name */
  uint64_t incarnation;     /* of the last RECOVERY block */
  uint64_t last_stamp_ns;
  uint64_t committed_hint;
  uint64_t blocks; /* read: those behind the anchor */
  uint64_t records;
  uint64_t from_segment_no; /* where reading began */
  uint64_t from_off;
  uint64_t vouched_seq;  /* highest of which a block says that it was released, or an anchor that it was durable */
  uint64_t discarded;    /* whole blocks behind P */
  bool anchored;         /* reading began at an anchor */
  bool cut;              /* something behind P is thrown away */
  bool super_damaged;    /* a copy of the superblock is not as it was written */
  bool marked;           /* an anchor carries the mark of an orderly end */
  bool closed;           /* and it is this end: nothing was behind it */
  wcx_journal_end_t end; /* as the walk found it */
  uint64_t anchor_seq;   /* up to which the newest anchor says that all was durable; 0: no anchor */
  bool anchored_beyond;  /* and that is more than there is */
  bool obeyed;           /* a decision of two operators was carried out */
} wcx_recovered_t;

/* Walk the journal of `shard` to its end (rules 7 and 10), made with `segment_sz` when there is none. Writes nothing into an existing journal. `buf`: WCX_JOURNAL_WALK_BUF_SZ, 4 KiB aligned. */
int wcx_recover_walk(wcx_recovered_t *recovered, wcx_disk_t *disk, uint32_t shard, uint32_t segment_sz, uint8_t *buf, char *err, size_t err_sz) __attribute__((warn_unused_result));

/* The same of a journal that exists, whatever shard and sizes it has; nothing is made. 1: there is none; -1 with recovered->end.verdict 0: it could not be walked at all.
   recover_look.c. */
int wcx_recover_look(wcx_recovered_t *recovered, wcx_disk_t *disk, uint8_t *buf, char *err, size_t err_sz) __attribute__((warn_unused_result));

/* Whether the block that stands at the anchor continues it. `handle`: closed before and after. `buf`: as above. */
bool wcx_recover_vouched(wcx_disk_t *disk, uint32_t handle, const wcx_journal_anchor_t *anchor, uint8_t *buf);

/* Rule 8: zero the places of the next K blocks, durably. */
int wcx_recover_zero(const wcx_recovered_t *recovered, wcx_disk_t *disk, uint8_t *buf) __attribute__((warn_unused_result));

#endif
