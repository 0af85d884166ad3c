#include "persist/anchors.h"

#include "engine/base/env.h"
#include "persist/segment.h"

#include <errno.h>
#include <string.h>

#define ANCHORS_NAME "anchors"

void wcx_anchors_init(wcx_anchors_t *anchors, wcx_disk_t *disk, const wcx_journal_super_t *super)
{
  memset(anchors, 0, sizeof(*anchors));
  anchors->disk = disk;
  anchors->super = *super;
}

bool wcx_anchors_offer(wcx_anchors_t *anchors, const wcx_journal_anchor_t *anchor)
{
  if (atomic_load_explicit(&anchors->full, memory_order_acquire) != 0) /* pairs with the release in wcx_anchors_step */
    return false;
  anchors->offered = *anchor;
  atomic_store_explicit(&anchors->full, 1, memory_order_release);
  return true;
}

/* --- pages ---------------------------------------------------------------------------------------- */

static bool read_page(wcx_disk_t *disk, uint8_t *page, uint32_t handle, const wcx_journal_super_t *super, uint32_t page_no, wcx_journal_anchor_t *anchor)
{
  uint64_t off = (uint64_t)page_no * WCX_JOURNAL_ALIGN;
  return wcx_disk_read(disk, handle, off, page, WCX_JOURNAL_ALIGN) == WCX_JOURNAL_ALIGN && wcx_page_read_anchor(page, super, anchor);
}

bool wcx_anchors_read(wcx_disk_t *disk, uint8_t *page, uint32_t handle, const wcx_journal_super_t *super, uint32_t page_no, wcx_journal_anchor_t *anchor)
{
  if (wcx_disk_file_open(disk, handle, ANCHORS_NAME, false) < 0)
    return false;
  bool got = read_page(disk, page, handle, super, page_no, anchor);
  wcx_disk_file_close(disk, handle);
  return got;
}

/* --- the preparing thread --------------------------------------------------------------------------- */

/* The newer of the two recent anchors is never written over. */
static int open_file(wcx_anchors_t *anchors)
{
  int result = wcx_disk_file_open(anchors->disk, WCX_HANDLE_ANCHORS, ANCHORS_NAME, true);
  if (result < 0)
    return result;
  wcx_journal_anchor_t recent[WCX_JOURNAL_ANCHOR_RECENT] = {0};
  for (uint32_t i = 0; i < WCX_JOURNAL_ANCHOR_RECENT; i++)
    if (!read_page(anchors->disk, anchors->page, WCX_HANDLE_ANCHORS, &anchors->super, i, &recent[i]))
      recent[i].chain.next_block_no = 0;
  anchors->next_page = recent[0].chain.next_block_no > recent[1].chain.next_block_no ? 1 : 0;
  anchors->open = true;
  anchors->dir_error = wcx_disk_sync_dir(anchors->disk);
  return anchors->dir_error;
}

/* The page differs in its first sector alone, so it is not lost when this is torn. */
int wcx_anchors_reopen(wcx_anchors_t *anchors)
{
  int result = wcx_disk_file_open(anchors->disk, WCX_HANDLE_ANCHORS, ANCHORS_NAME, false);
  if (result < 0)
    return result == -ENOENT ? 0 : result;
  for (uint32_t i = 0; i < WCX_JOURNAL_ANCHOR_RECENT && result == 0; i++)
  {
    wcx_journal_anchor_t anchor;
    if (!read_page(anchors->disk, anchors->page, WCX_HANDLE_ANCHORS, &anchors->super, i, &anchor) || !anchor.closed)
      continue;
    anchor.closed = false;
    wcx_page_of_anchor(anchors->page, &anchors->super, &anchor);
    result = wcx_disk_write(anchors->disk, WCX_HANDLE_ANCHORS, (uint64_t)i * WCX_JOURNAL_ALIGN, anchors->page, WCX_JOURNAL_ALIGN);
    wcx_env_crash_point("anchors.reopened");
  }
  wcx_disk_file_close(anchors->disk, WCX_HANDLE_ANCHORS);
  return result;
}

static int write_offered(wcx_anchors_t *anchors)
{
  bool first = anchors->offered.off == WCX_JOURNAL_ALIGN;
  uint32_t page_no = first ? wcx_anchors_page_of(anchors->offered.segment_no) : anchors->next_page;
  wcx_page_of_anchor(anchors->page, &anchors->super, &anchors->offered);
  wcx_env_crash_point("anchors.write");
  int result = wcx_disk_write(anchors->disk, WCX_HANDLE_ANCHORS, (uint64_t)page_no * WCX_JOURNAL_ALIGN, anchors->page, WCX_JOURNAL_ALIGN);
  wcx_env_crash_point("anchors.written");
  if (result == 0 && !first)
    anchors->next_page ^= 1;
  return result;
}

int wcx_anchors_step(wcx_anchors_t *anchors)
{
  if (atomic_load_explicit(&anchors->full, memory_order_acquire) == 0 || atomic_load_explicit(&anchors->error, memory_order_relaxed) < 0) /* pairs with wcx_anchors_offer */
    return 0;
  int result = anchors->open ? 0 : open_file(anchors);
  if (result == 0)
    result = write_offered(anchors);
  if (result < 0)
  {
    if (anchors->open)
      wcx_disk_file_close(anchors->disk, WCX_HANDLE_ANCHORS);
    anchors->open = false;
    atomic_store_explicit(&anchors->error, result, memory_order_relaxed);
    return result; /* the slot stays full: nothing more is taken */
  }
  atomic_store_explicit(&anchors->full, 0, memory_order_release);
  return 1;
}
