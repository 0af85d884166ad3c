/* Segments and the superblock as files: making them, off the commit path.

   A segment is prepared in small steps under a temporary name: zeros, header, fsync, rename, fsync of the directory (rule 2 of
   engine/shm/journal_format.h). Production runs the steps in a thread of their own, the simulator when its seed says so.

   Owner:     `wanted` by the journal's thread; `prepared`, `error`, `disk_free` and the rest by whoever runs wcx_segment_prep_step.
   Memory:    the struct holds its own 4 KiB buffer.
   A write or sync of the new file that fails costs that file: it is removed and the next attempt makes another (a sync that failed once proves nothing
   when it succeeds later). The directory cannot be replaced, so a sync of it that fails is final.

   Result:    0 or -errno.
   Pinned by: tests/unit/test_journal.c, tests/fault/test_journal_crash.c, tests/fault/test_journal_faults.c. */
#ifndef WCX_PERSIST_SEGMENT_H
#define WCX_PERSIST_SEGMENT_H

#include "persist/disk.h"
#include "persist/pages.h"

#include <stdatomic.h>

/* Who uses which handle of the disk. */
enum wcx_journal_handle
{
  WCX_HANDLE_SUPER = 0,
  WCX_HANDLE_READ = 1,    /* recovery */
  WCX_HANDLE_PREPARE = 2, /* the segment being prepared */
  WCX_HANDLE_ANCHORS = 3,
  WCX_HANDLE_SEGMENT = 4, /* + (segment_no & 3): K blocks never span more than three segments */
  WCX_HANDLE_RETENTION = 8,
  WCX_HANDLE_DECISIONS = 9, /* recovery */
};

#define WCX_SEGMENT_FILL_SZ (256u << 10) /* bytes of zeros written in one step */

enum wcx_segment_phase
{
  WCX_SEGMENT_IDLE = 1,
  WCX_SEGMENT_FILL = 2,
  WCX_SEGMENT_HEADER = 3,
  WCX_SEGMENT_RENAME = 4,
};

typedef struct wcx_segment_prep
{
  _Alignas(4096) uint8_t header[WCX_JOURNAL_ALIGN];
  wcx_disk_t *disk;
  wcx_journal_super_t super;
  enum wcx_segment_phase phase;
  uint64_t segment_no; /* being prepared */
  uint64_t off;
  _Alignas(64) _Atomic uint64_t wanted;   /* prepare up to this segment */
  _Alignas(64) _Atomic uint64_t prepared; /* stored with release when the segment has its name durably */
  _Atomic uint64_t disk_free;             /* bytes, as of the last step */
  _Atomic int error;                      /* -errno of the last attempt; 0 after a success */
  _Atomic int fatal;                      /* -errno: the directory could not be synced; nothing is tried again, whoever sees it halts */
} wcx_segment_prep_t;

uint32_t wcx_segment_handle(uint64_t segment_no);

/* Highest segment that has its name; 0: none. */
int wcx_segment_last(wcx_disk_t *disk, uint64_t *segment_no) __attribute__((warn_unused_result));

void wcx_segment_prep_init(wcx_segment_prep_t *prep, wcx_disk_t *disk, const wcx_journal_super_t *super, uint64_t prepared);
/* One bounded, blocking piece of work. 1: did something; 0: nothing wanted; -errno: this attempt failed, the next step starts over. */
int wcx_segment_prep_step(wcx_segment_prep_t *prep);
/* Set-up: all steps until `segment_no` is prepared. */
int wcx_segment_prep_until(wcx_segment_prep_t *prep, uint64_t segment_no) __attribute__((warn_unused_result));

/* Write the four copies under a temporary name, then give it its name. `buf`: 4 KiB aligned, four blocks. *dir_error: the result when it was the sync of the
   directory that failed, else 0. */
int wcx_super_write(wcx_disk_t *disk, uint32_t handle, const wcx_journal_super_t *super, uint8_t *buf, int *dir_error) __attribute__((warn_unused_result));

#endif
