/* The anchors a worker keeps so that its successor need not read the whole journal (rule 10 of engine/shm/journal_format.h).

       journal's thread --offer--> one slot --step--> preparing thread: page 0 or 1 in turn, or the page of a segment's first place

   Lost anchors cost time and nothing else, so an offer is refused while the slot is full and a failed write ends the keeping of anchors for the life
   of this process; `error` says why.

   Owner:     wcx_anchors_offer by the journal's thread, wcx_anchors_step by the preparing thread.
   Memory:    the struct holds its own 4 KiB buffer.
   Result:    as each says.
   Pinned by: tests/unit/test_anchors.c, tests/fault/test_journal_crash.c. */
#ifndef WCX_PERSIST_ANCHORS_H
#define WCX_PERSIST_ANCHORS_H

#include "engine/shm/journal_walk.h"
#include "persist/disk.h"

#include <stdatomic.h>

typedef struct wcx_anchors
{
  _Alignas(4096) uint8_t page[WCX_JOURNAL_ALIGN];
  wcx_disk_t *disk;
  wcx_journal_super_t super;
  bool open;
  uint32_t next_page;                 /* 0 or 1: the older of the two */
  _Alignas(64) _Atomic uint32_t full; /* the slot; set with release by the journal's thread, cleared with release by the other */
  wcx_journal_anchor_t offered;
  _Atomic int error; /* -errno; no anchor is kept any more */
  int dir_error;     /* -errno of a sync of the directory that failed: of the preparing thread, who must not sync it again */
} wcx_anchors_t;

void wcx_anchors_init(wcx_anchors_t *anchors, wcx_disk_t *disk, const wcx_journal_super_t *super);

/* An anchor all of whose past is in the contiguous durable prefix. False: the slot is full, nothing happened. */
bool wcx_anchors_offer(wcx_anchors_t *anchors, const wcx_journal_anchor_t *anchor);

/* Write what was offered, durably. 1: did; 0: nothing to do; -errno. Blocks. */
int wcx_anchors_step(wcx_anchors_t *anchors);

/* Take the mark of an orderly end away, durably, where there is one. 0 or -errno. Blocks; before anything else is done with `anchors`. */
int wcx_anchors_reopen(wcx_anchors_t *anchors) __attribute__((warn_unused_result));

/* Read one page of the file through a handle that is closed before and after. False: no file, no such page, damaged, or of another journal. `page`: 4 KiB aligned. */
bool wcx_anchors_read(wcx_disk_t *disk, uint8_t *page, uint32_t handle, const wcx_journal_super_t *super, uint32_t page_no, wcx_journal_anchor_t *anchor);

/* Where the anchor of a segment's first place stands. */
static inline uint32_t wcx_anchors_page_of(uint64_t segment_no)
{
  return WCX_JOURNAL_ANCHOR_RECENT + (uint32_t)(segment_no % WCX_JOURNAL_ANCHOR_FIRSTS);
}

#endif
