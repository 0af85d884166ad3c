/* Walking a journal read-only: from a directory to valid blocks and records, and to the verdict how it ends. The data plane's replay, the worker's
   recovery and the tools all read through this one walker, so they cannot disagree.

   A walk takes no lock and writes nothing. It works while the worker is writing: before it calls anything damaged it reads the place
   again, and after the end (0) the same call may be repeated later and goes on with what was written since.

   Where the bytes come from is a source: production reads files (journal_dir.c), recovery reads through the worker's disk seam, the simulator
   replaces wcx_journal_source_open at link time.

   Owner:     one thread per walk.
   Memory:    wcx_journal_walk_open allocates one buffer, wcx_journal_walk_close frees it. hdr is a copy; body points into the buffer and is
              valid until the next call.
   Result:    1 a record or block, 0 the end, -1 damage, halt or read error: walk->text says what, where, and what to do.
   Pinned by: tests/unit/test_journal_format.c, tests/unit/test_journal.c, tests/fault/test_journal_crash.c. */
#ifndef WCX_SHM_JOURNAL_WALK_H
#define WCX_SHM_JOURNAL_WALK_H

#include "engine/shm/journal_decide.h"
#include "engine/shm/journal_override.h"
#include "engine/shm/journal_reader.h"

#include <stdio.h>

#define WCX_JOURNAL_WALK_BUF_SZ (512u << 10) /* bytes, a multiple of 4 KiB, at least the largest block */
#define WCX_JOURNAL_TEXT_SZ 512u

/* Reads; `segment_no` 0 is the superblock file. off and sz are multiples of 4 KiB and buf is 4 KiB aligned. */
typedef struct wcx_journal_source
{
  void *ctx;
  int64_t (*read)(void *ctx, uint64_t segment_no, uint64_t off, void *buf, size_t sz); /* bytes (short at the end of the file), -ENOENT, -errno */
  uint64_t (*last_segment)(void *ctx);                                                 /* highest segment_no that has its name now; 0: none; UINT64_MAX: cannot tell */
  void (*close)(void *ctx);                                                            /* may be NULL */
  int (*override_page)(void *ctx, uint32_t page_no, uint8_t page[WCX_JOURNAL_ALIGN]);  /* of the file `overrides`: 1, 0 behind its end, -errno; NULL: it has none */
} wcx_journal_source_t;

/* How the chain ends, as of the last 0 or -1. Blocks before it are valid whatever the verdict. */
typedef struct wcx_journal_end
{
  enum wcx_journal_verdict verdict;
  wcx_journal_facts_t facts;
  uint64_t last_seq;
  uint64_t last_block_no;
  uint64_t epoch;          /* of the last block; 0 when there is none */
  wcx_digest_t digest;     /* of the last block */
  uint64_t segment_no;     /* place P */
  uint64_t off;            /* in the segment */
  uint64_t discarded;      /* whole blocks behind P */
  uint64_t seen_seq;       /* highest seq in those; 0: none */
  uint64_t committed_hint; /* H */
} wcx_journal_end_t;

/* A place between two blocks, all before it known to be valid, and the chain there. It belongs to one journal: whoever keeps it keeps the
   journal_id with it and compares. */
typedef struct wcx_journal_anchor
{
  uint64_t segment_no; /* place of the next block; off may be the end of the segment */
  uint64_t off;
  wcx_journal_chain_t chain;
  uint64_t incarnation; /* of the last RECOVERY block before; 0: none */
  uint64_t last_stamp_ns;
  uint64_t committed_hint; /* highest before */
  bool closed;             /* the worker ended here in an orderly way; only in `anchors` */
} wcx_journal_anchor_t;

typedef struct wcx_journal_walk
{
  wcx_journal_source_t source;
  wcx_journal_super_t super;
  wcx_journal_chain_t chain; /* after the last block returned */
  uint64_t segment_no;       /* place of the next block */
  uint64_t off;
  uint64_t blocks;
  uint64_t records;        /* in those blocks */
  uint64_t incarnation;    /* of the last RECOVERY block; 0: none */
  uint64_t last_stamp_ns;  /* of the last record returned, or of the last block returned */
  uint64_t committed_hint; /* highest of those blocks */
  wcx_journal_end_t end;
  wcx_journal_overrides_t overrides; /* wcx_journal_walk_next gives what stands for these inputs, wcx_journal_walk_next_block the blocks as they are */
  char text[WCX_JOURNAL_TEXT_SZ];    /* after -1, or a verdict other than CLEAN */

  wcx_journal_block_t block; /* being walked by wcx_journal_walk_next */
  const uint8_t *body;
  uint32_t record_off;

  uint8_t *buf;
  uint32_t buf_sz;
  bool buf_own;
  uint64_t buf_segment_no; /* what buf holds; 0: nothing */
  uint64_t buf_off;
  uint32_t buf_len;
  uint32_t read_sz;           /* of the last read: the next one is twice as long if it goes on there, short if not */
  uint64_t header_segment_no; /* segment whose header was found sound last */
} wcx_journal_walk_t;

enum wcx_journal_open_result
{
  WCX_JOURNAL_OPEN_OK = 0,
  WCX_JOURNAL_OPEN_MISSING = 1, /* no directory or no superblock: there is no journal yet */
  WCX_JOURNAL_OPEN_BAD = 2,     /* see err: other version, damaged superblock, no permission */
};

/* "<state_dir>/journal/shard-<nnnnn>"; false when it does not fit. */
static inline bool wcx_journal_dir(char *dir, size_t sz, const char *state_dir, uint32_t shard)
{
  int len = snprintf(dir, sz, "%s/journal/shard-%05u", state_dir, shard);
  return len > 0 && (size_t)len < sz;
}

/* Open the journal in `dir` at its first block: of its first segment, or of the first that is kept. */
int wcx_journal_walk_open(wcx_journal_walk_t *walk, const char *dir, char *err, size_t err_sz) __attribute__((warn_unused_result));
/* The same over any source, with the caller's buffer (4 KiB aligned, WCX_JOURNAL_WALK_BUF_SZ bytes). */
int wcx_journal_walk_over(wcx_journal_walk_t *walk, const wcx_journal_source_t *source, uint8_t *buf, char *err, size_t err_sz) __attribute__((warn_unused_result));
/* The same from an anchor, which must lie in a segment that is kept: records, end and verdict are those of the whole walk behind it. What lies before
   is not read. `blocks` and `records` count from the anchor. */
int wcx_journal_walk_open_at(wcx_journal_walk_t *walk, const char *dir, const wcx_journal_anchor_t *anchor, char *err, size_t err_sz) __attribute__((warn_unused_result));
int wcx_journal_walk_over_at(wcx_journal_walk_t *walk, const wcx_journal_source_t *source, uint8_t *buf, const wcx_journal_anchor_t *anchor, char *err, size_t err_sz)
    __attribute__((warn_unused_result));
void wcx_journal_walk_close(wcx_journal_walk_t *walk);

/* Whether the last record of a block was returned, or none yet: only there is an anchor. */
bool wcx_journal_walk_at_block_end(const wcx_journal_walk_t *walk);
/* Where the walk stands; at a block's end only (checked). */
void wcx_journal_walk_anchor(const wcx_journal_walk_t *walk, wcx_journal_anchor_t *anchor);
/* The same anchor as files keep it, and back. */
wcx_journal_start_t wcx_journal_start_of(const wcx_journal_anchor_t *anchor);
wcx_journal_anchor_t wcx_journal_anchor_at(uint32_t shard, uint64_t segment_no, uint64_t off, const wcx_journal_start_t *start);
/* The first place of a journal by its superblock. */
wcx_journal_anchor_t wcx_journal_first_anchor(const wcx_journal_super_t *super);

/* The next record (RECOVERY blocks are passed over; *epoch is that of its block). */
int wcx_journal_walk_next(wcx_journal_walk_t *walk, uint64_t *epoch, wcx_record_hdr_t *hdr, const uint8_t **body) __attribute__((warn_unused_result));
/* The next records, 1..max of them, all of one block (*epoch: its), as they stand in the buffer: 8-aligned, each body behind its header, valid until the next
   call. May be mixed with wcx_journal_walk_next. Result: how many, 0 the end, -1. */
int wcx_journal_walk_burst(wcx_journal_walk_t *walk, uint64_t *epoch, const wcx_record_hdr_t **hdrs, uint32_t max) __attribute__((warn_unused_result));
/* The records of the present block that are still to come, `max` of them at most, as they stand there: to be looked at, not applied (an override may stand for one
   of them). Nothing is consumed. Result: how many. */
uint32_t wcx_journal_walk_ahead(const wcx_journal_walk_t *walk, const wcx_record_hdr_t **hdrs, uint32_t max);
/* The next block; do not mix with wcx_journal_walk_next. */
int wcx_journal_walk_next_block(wcx_journal_walk_t *walk, wcx_journal_block_t *block, const uint8_t **body) __attribute__((warn_unused_result));

/* The files of a directory as a source. Production: journal_dir.c; the simulator: tests/sim/disk_sim.c. */
int wcx_journal_source_open(wcx_journal_source_t *source, const char *dir, char *err, size_t err_sz) __attribute__((warn_unused_result));

#endif
