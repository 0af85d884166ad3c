#include "persist/pages.h"

#include "engine/base/crc32c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void wcx_segment_name(char name[WCX_SEGMENT_NAME_SZ], uint64_t segment_no)
{
  snprintf(name, WCX_SEGMENT_NAME_SZ, "seg-%016" PRIx64 ".wcj", segment_no);
}

bool wcx_segment_no_of(const char *name, uint64_t *segment_no)
{
  char again[WCX_SEGMENT_NAME_SZ];
  if (sscanf(name, "seg-%16" SCNx64, segment_no) != 1)
    return false;
  wcx_segment_name(again, *segment_no);
  return strcmp(name, again) == 0;
}

void wcx_page_of_segment(uint8_t page[WCX_JOURNAL_ALIGN], const wcx_journal_super_t *super, uint64_t segment_no)
{
  wcx_journal_segment_t segment = {
      .magic = WCX_JOURNAL_SEGMENT_MAGIC, .version = WCX_JOURNAL_VERSION, .shard = super->shard, .segment_no = segment_no, .segment_sz = super->segment_sz};
  memcpy(segment.journal_id, super->journal_id, 16);
  segment.crc32c = wcx_crc32c(0, &segment, sizeof(segment));
  memset(page, 0, WCX_JOURNAL_ALIGN);
  memcpy(page, &segment, sizeof(segment));
}

void wcx_page_of_super(uint8_t *pages, const wcx_journal_super_t *super)
{
  wcx_journal_super_t copy = *super;
  copy.copy = 0;
  copy.crc32c = 0;
  copy.crc32c = wcx_crc32c(0, &copy, sizeof(copy));
  memset(pages, 0, WCX_JOURNAL_SUPER_COPIES * WCX_JOURNAL_ALIGN);
  for (uint32_t i = 0; i < WCX_JOURNAL_SUPER_COPIES; i++)
  {
    copy.copy = (uint16_t)i;
    memcpy(pages + (size_t)i * WCX_JOURNAL_ALIGN, &copy, sizeof(copy));
  }
}

void wcx_page_of_anchor(uint8_t page[WCX_JOURNAL_ALIGN], const wcx_journal_super_t *super, const wcx_journal_anchor_t *anchor)
{
  wcx_journal_anchor_page_t words = {.magic = WCX_JOURNAL_ANCHOR_MAGIC,
                                     .version = WCX_JOURNAL_VERSION,
                                     .shard = super->shard,
                                     .segment_no = anchor->segment_no,
                                     .off = anchor->off,
                                     .start = wcx_journal_start_of(anchor),
                                     .closed = anchor->closed};
  memcpy(words.journal_id, super->journal_id, sizeof(words.journal_id));
  words.crc32c = wcx_crc32c(0, &words, sizeof(words));
  memset(page, 0, WCX_JOURNAL_ALIGN);
  memcpy(page, &words, sizeof(words));
}

bool wcx_page_read_anchor(const uint8_t page[WCX_JOURNAL_ALIGN], const wcx_journal_super_t *super, wcx_journal_anchor_t *anchor)
{
  wcx_journal_anchor_page_t words;
  memcpy(&words, page, sizeof(words));
  uint32_t crc32c = words.crc32c;
  words.crc32c = 0;
  bool sound = words.magic == WCX_JOURNAL_ANCHOR_MAGIC && words.version == WCX_JOURNAL_VERSION && wcx_crc32c(0, &words, sizeof(words)) == crc32c;
  sound = sound && words.shard == super->shard && memcmp(words.journal_id, super->journal_id, sizeof(words.journal_id)) == 0;
  if (!sound || !wcx_journal_all_zero(page + sizeof(words), WCX_JOURNAL_ALIGN - sizeof(words)))
    return false;
  *anchor = wcx_journal_anchor_at(super->shard, words.segment_no, words.off, &words.start);
  anchor->closed = words.closed == 1;
  return true;
}
