/* From a directory of snapshots and a journal to an engine that goes on: which snapshot is used, and where the walk of the journal begins.

       newest --good--> loaded, the walk stands at its anchor
         '----refused (why in `text`): the next older --> ... --> none: the whole journal

   A snapshot is good when rules 4 and 7 of engine/shm/snapshot_file.h hold. What was refused stays where it is. When one was refused because the journal does not
   reach it (`beyond`), whoever starts must not go on with an older one: numbers that have left would be given twice.

   Owner:     the thread that starts: the data plane's, the replica's, a tool's.
   Memory:    the caller's: the engine's and a buffer of the walk. The snapshot's bytes are mapped, or what the source takes for it, until wcx_resume_done.
   Result:    wcx_resume_next: enum wcx_resume_result. After LOADED the caller may still find the window unsound: it calls wcx_resume_refuse and asks for the next.
   Bounds:    one snapshot a call, which takes O(its size).
   Pinned by: tests/unit/test_replica.c, tests/property/test_loop_snapshot.c. */
#ifndef WCX_ENGINE_RESUME_H
#define WCX_ENGINE_RESUME_H

#include "engine/engine.h"
#include "engine/shm/snapshot_file.h"

enum wcx_resume_result
{
  WCX_RESUME_LOADED = 1,  /* hdr, streams, window, engine, walk */
  WCX_RESUME_REFUSED = 2, /* seq and text; ask again */
  WCX_RESUME_NONE = 3,    /* no older one; engine is empty, no walk is open */
};

typedef struct wcx_resume
{
  /* set by the caller */
  const char *snapshot_dir, *journal_dir;
  const wcx_engine_limits_t *limits;
  void *engine_mem; /* wcx_engine_footprint bytes */
  size_t engine_sz;
  uint8_t *walk_buf; /* WCX_JOURNAL_WALK_BUF_SZ bytes, 4 KiB aligned */
  uint64_t last_seq; /* of the journal, as far as it is released: a snapshot above it is not of this journal */
  uint64_t epoch;    /* what the journal says behind last_seq when nothing else is behind the snapshot; 0: it need say nothing */
  uint64_t below;    /* newer snapshots than those below this seq are passed over unread; 0: none is */

  uint64_t seq;  /* of the snapshot tried last */
  bool beyond;   /* that one is sound and goes further than last_seq: acknowledged inputs are missing */
  bool searched; /* `source` is open, or there is no directory */
  bool found;    /* it is open */
  char text[256];
  wcx_snapshot_source_t source;
  wcx_snapshot_file_t hdr;
  const uint8_t *streams, *window;
  wcx_engine_t *engine;
} wcx_resume_t;

/* Try the next older snapshot, the newest first. LOADED: `walk` is open, its next record is that of seq + 1. */
enum wcx_resume_result wcx_resume_next(wcx_resume_t *resume, wcx_journal_walk_t *walk) __attribute__((warn_unused_result));

/* What was loaded is not used after all: closes the walk, empties the engine. */
void wcx_resume_refuse(wcx_resume_t *resume, wcx_journal_walk_t *walk, const char *why);

/* The walk from the first block of the journal: what NONE leaves. False: text says why, or that the journal does not begin at its first input any more. */
bool wcx_resume_first(wcx_resume_t *resume, wcx_journal_walk_t *walk) __attribute__((warn_unused_result));

/* Let go of the snapshot's bytes. */
void wcx_resume_done(wcx_resume_t *resume);

/* Called before each record is taken from the walk and applied: asks memory for what a chunk of the records behind it will touch, while they are in one block. *left
   begins at 0 and is the caller's to keep. With a million orders resting an input that was not asked for waits for memory two thirds of its time. */
void wcx_resume_ahead(const wcx_engine_t *engine, const wcx_journal_walk_t *walk, uint32_t *left);

#endif
