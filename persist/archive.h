/* The archive of one shard's journal: a directory, or two commands of the operator.

       directory   <archive>/journal/shard-<nnnnn>: persist/ship.h, continuously; every closed segment is read back
       commands    for each closed segment: `command` stores the file, `fetch_command` gives it back, what came back is walked like the original

   A command runs as sh -c with WCX_FILE (the segment to store, or the path to write to), WCX_NAME (file name to store it under), WCX_SHARD, WCX_SEGMENT (decimal)
   and WCX_JOURNAL (hex id) in its environment, and counts as done only with exit status 0; after WCX_ARCHIVE_COMMAND_S it is killed. What could not be
   stored or did not come back whole is tried again, later each time; the journal keeps the segment (persist/retention.h) and `failing` is set.

   A journal that was restored from before what the archive holds has the same id and gives other segments the same names. So the store is asked first: what
   comes back and is the segment need not be stored, and what is valid but of another history is left, which is a failure. A store that is out of reach for
   the fetch command alone cannot be asked: `command` does well to refuse a name that is there.

   Owner:     one thread. Everything blocks.
   Memory:    the struct holds its buffers; ship's are allocated while it is open.
   Result:    1 did something, 0 nothing to do now, -1 failed: `text` says what.
   Pinned by: tests/unit/test_archive.c, tests/unit/test_recheck.c, tests/e2e/test_archive.py. */
#ifndef WCX_PERSIST_ARCHIVE_H
#define WCX_PERSIST_ARCHIVE_H

#include "persist/ship.h"

#define WCX_ARCHIVE_COMMAND_S 300u
#define WCX_ARCHIVE_RETRY_NS UINT64_C(1000000000) /* doubles with each failure, up to: */
#define WCX_ARCHIVE_RETRY_NS_MAX UINT64_C(60000000000)

typedef struct wcx_archive_config
{
  const char *journal_dir; /* of this shard */
  const char *dir;         /* archive root; NULL: by commands, or none at all */
  const char *command;
  const char *fetch_command;
  const char *work_dir; /* commands: what is known of the archive, and what was fetched */
  uint32_t shard;
} wcx_archive_config_t;

typedef struct wcx_archive
{
  wcx_archive_config_t config;
  char dir[400]; /* of this shard: the archive's directory, or the work directory */
  bool open;
  wcx_ship_t ship;            /* directory */
  int dir_fd;                 /* commands */
  wcx_journal_super_t super;  /* commands */
  wcx_journal_anchor_t first; /* commands: of the next segment to store */
  uint64_t archived_segment;  /* 0: none, or not known yet */
  uint64_t shipped_seq;
  bool failing;
  uint64_t retry_ns; /* not before */
  uint64_t pause_ns;
  char text[1400];
} wcx_archive_t;

/* Whether an archive is configured at all. */
bool wcx_archive_wanted(const wcx_archive_config_t *config);

bool wcx_archive_init(wcx_archive_t *archive, const wcx_archive_config_t *config) __attribute__((warn_unused_result)); /* false: a path is too long */

/* One bounded piece of work (one block, or one segment by command). durable_block, closed_segment: of the worker (region.h). */
int wcx_archive_step(wcx_archive_t *archive, uint64_t durable_block, uint64_t closed_segment, uint64_t now_ns);

/* Directory: make the copied tail durable. */
int wcx_archive_sync(wcx_archive_t *archive, uint64_t now_ns);

/* Bring the archive's copy of a segment to `path` (which is overwritten, durably). False: `text` says why. */
bool wcx_archive_fetch(wcx_archive_t *archive, uint64_t segment_no, const char *path);

void wcx_archive_close(wcx_archive_t *archive);

#endif
