/* Names and pages of a journal directory as bytes, for whoever writes one: the worker through its disk, the keeper and the backup as plain files.

   Owner:     the caller; pure functions.
   Memory:    the caller's; pages are WCX_JOURNAL_ALIGN bytes, written whole.
   Result:    as each says.
   Pinned by: tests/unit/test_journal.c, tests/unit/test_anchors.c. */
#ifndef WCX_PERSIST_PAGES_H
#define WCX_PERSIST_PAGES_H

#include "engine/shm/journal_walk.h"

#define WCX_SEGMENT_NAME_SZ 32
void wcx_segment_name(char name[WCX_SEGMENT_NAME_SZ], uint64_t segment_no);
/* The number in a segment's name; false: it is none. */
bool wcx_segment_no_of(const char *name, uint64_t *segment_no);

/* The first page of a segment. */
void wcx_page_of_segment(uint8_t page[WCX_JOURNAL_ALIGN], const wcx_journal_super_t *super, uint64_t segment_no);

/* The superblock: WCX_JOURNAL_SUPER_COPIES pages. */
void wcx_page_of_super(uint8_t *pages, const wcx_journal_super_t *super);

/* An anchor and back; false: damaged or of another journal. */
void wcx_page_of_anchor(uint8_t page[WCX_JOURNAL_ALIGN], const wcx_journal_super_t *super, const wcx_journal_anchor_t *anchor);
bool wcx_page_read_anchor(const uint8_t page[WCX_JOURNAL_ALIGN], const wcx_journal_super_t *super, wcx_journal_anchor_t *anchor);

#endif
