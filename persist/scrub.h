/* Reading closed segments again, slowly and for ever, so that damage is found while the archive still has what was there.

       at the first kept segment --blocks of closed segments, in chain--> at the end: a pass is done, begin again
                                        | a place that does not continue the chain
                                        v
       damaged(segment): copy from the archive --walks from the segment's first anchor into the next--> renamed over the damaged file, directory synced: repaired
                                        '--none, or not whole--> stays damaged, tried again later; nothing is removed meanwhile (persist/retention.h)

   A repair never touches a block in place: the copy is made beside, walked whole, synced, and takes the name. The journal's next block vouches that the
   copy is of this history: without one the repair waits, and with one that is damaged itself the operators restore. Only segments all of whose blocks are in the
   durable prefix are read; the worker writes to none of them.

   A pass begins with the superblock, whose four copies must be equal to the byte; the worker alone writes it, and makes damaged copies anew when it starts. A directory
   archive is a journal, so a second scrub without an archive reads it; what it finds is told and stays damaged until the keeper starts again. One by commands: recheck.h.

   Owner:     one thread. Everything blocks.
   Memory:    the struct; a walk's buffer while open.
   Result:    as each says.
   Pinned by: tests/unit/test_scrub.c, tests/e2e/test_archive.py. */
#ifndef WCX_PERSIST_SCRUB_H
#define WCX_PERSIST_SCRUB_H

#include "persist/archive.h"

#define WCX_SCRUB_RETRY_NS UINT64_C(5000000000)

typedef struct wcx_scrub
{
  const char *journal_dir;
  wcx_archive_t *archive; /* NULL: damage is told and not repaired */
  bool open;
  wcx_journal_walk_t walk;
  wcx_journal_anchor_t first; /* of the segment being read */
  uint64_t segment_no;        /* being read */
  uint64_t passes;
  uint64_t repaired;
  uint64_t damaged_segment; /* 0: none */
  uint64_t retry_ns;        /* of the repair: not before */
  uint32_t bad_copies;      /* of the superblock, when this pass began */
  char text[1600];          /* of the last damage, repair or failure */
} wcx_scrub_t;

enum wcx_scrub_result
{
  WCX_SCRUB_REST = 0,     /* nothing closed, or waiting to try a repair again */
  WCX_SCRUB_READ = 1,     /* *sz bytes */
  WCX_SCRUB_PASS = 2,     /* read everything that is closed */
  WCX_SCRUB_DAMAGED = 3,  /* found now */
  WCX_SCRUB_REPAIRED = 4, /* found before, right now */
};

void wcx_scrub_init(wcx_scrub_t *scrub, const char *journal_dir, wcx_archive_t *archive);

/* Read one block, or try one repair. first_segment, closed_segment: of the worker (region.h). */
enum wcx_scrub_result wcx_scrub_step(wcx_scrub_t *scrub, uint64_t first_segment, uint64_t closed_segment, uint64_t now_ns, uint32_t *sz);

void wcx_scrub_close(wcx_scrub_t *scrub);

#endif
