/* Reading an archive by commands again: each archived segment is fetched to a file of the keeper's own, walked where the chain stands, and removed, slowly and for ever.

       at the first segment --fetch, walk from its anchor--> the next --behind the last archived one, at the very chain that was stored--> a pass is done, begin again
                               | not given back, not whole, or of another history
                               v
                            damaged(segment): told, counted (nothing of the journal is removed meanwhile: persist/retention.h), fetched again later

   The place to begin at is remembered in <work_dir>/recheck: segment 1, whose chain the journal's id gives; when the store has none, the oldest segment that the journal keeps
   at the time. Nothing is repaired: what the store holds is the operator's.

   Owner:     one thread. Everything blocks, for as long as the operator's command takes.
   Memory:    the struct.
   Result:    as each says.
   Pinned by: tests/unit/test_recheck.c, tests/e2e/test_archive.py. */
#ifndef WCX_PERSIST_RECHECK_H
#define WCX_PERSIST_RECHECK_H

#include "persist/scrub.h"

#define WCX_RECHECK_RETRY_NS UINT64_C(30000000000)

typedef struct wcx_recheck
{
  wcx_archive_t *archive; /* by commands, else there is nothing to do; NULL: none */
  char dir[440];
  bool open;                  /* `begin` is known and `dir` is there */
  wcx_journal_super_t super;  /* of `dir`: the journal as far back as the store goes */
  wcx_journal_anchor_t first; /* of the segment to read next */
  uint64_t passes;
  uint64_t damaged_segment; /* 0: none */
  uint64_t retry_ns;        /* not before */
  char text[1600];          /* of the last damage */
} wcx_recheck_t;

void wcx_recheck_init(wcx_recheck_t *recheck, wcx_archive_t *archive);

/* Read one segment of those that the archive was seen to hold. *sz: its bytes. WCX_SCRUB_REPAIRED: what was damaged is as it was stored, by somebody's hand. */
enum wcx_scrub_result wcx_recheck_step(wcx_recheck_t *recheck, uint64_t now_ns, uint32_t *sz);

#endif
