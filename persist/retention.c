#include "persist/retention.h"

#include "engine/base/env.h"
#include "persist/anchors.h"
#include "persist/recover.h"
#include "persist/segment.h"

#include <errno.h>
#include <inttypes.h>

void wcx_retention_init(wcx_retention_t *retention, wcx_disk_t *disk, const wcx_journal_super_t *super)
{
  memset(retention, 0, sizeof(*retention));
  retention->disk = disk;
  retention->super = *super;
  retention->phase = super->first_segment_no > 1 ? WCX_RETENTION_SWEEP : WCX_RETENTION_REST;
  atomic_store_explicit(&retention->first_segment, super->first_segment_no, memory_order_relaxed);
}

static uint64_t load(const _Atomic uint64_t *word)
{
  return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)word, memory_order_acquire);
}

uint64_t wcx_retention_keep(const wcx_region_shard_t *shared)
{
  uint64_t replica = load(&shared->replica.keep_segment);
  uint64_t archived = load(&shared->keeper.archived_segment);
  uint64_t closed = load(&shared->segments.closed_segment);
  if (replica == 0 || archived == 0 || load(&shared->keeper.damaged) != 0)
    return 0;
  uint64_t keep = replica < archived + 1 ? replica : archived + 1;
  return keep < closed ? keep : closed; /* the others' words may be of another journal; and no segment is read here that is still written to */
}

/* The anchor of the first place of `segment_no`, when the block that stands there vouches for it. */
static bool find_anchor(wcx_retention_t *retention, uint64_t segment_no, wcx_journal_anchor_t *anchor)
{
  if (!wcx_anchors_read(retention->disk, retention->page, WCX_HANDLE_RETENTION, &retention->super, wcx_anchors_page_of(segment_no), anchor))
    return false;
  if (anchor->segment_no != segment_no || anchor->off != WCX_JOURNAL_ALIGN)
    return false;
  return wcx_recover_vouched(retention->disk, WCX_HANDLE_RETENTION, anchor, retention->walk_buf);
}

static int move_first(wcx_retention_t *retention, uint64_t keep_segment)
{
  retention->tried_segment = keep_segment;
  wcx_journal_anchor_t anchor;
  uint64_t segment_no = keep_segment;
  uint64_t first = retention->super.first_segment_no;
  while (segment_no > first && !find_anchor(retention, segment_no, &anchor))
    segment_no--;
  if (segment_no <= first)
    return 0;
  wcx_journal_super_t super = retention->super;
  super.first_segment_no = segment_no;
  super.start = wcx_journal_start_of(&anchor);
  wcx_env_crash_point("retention.super");
  int result = wcx_super_write(retention->disk, WCX_HANDLE_RETENTION, &super, retention->page, &retention->dir_error);
  if (result < 0)
    return result;
  wcx_env_crash_point("retention.moved");
  retention->super = super;
  retention->phase = WCX_RETENTION_SWEEP;
  atomic_store_explicit(&retention->first_segment, segment_no, memory_order_relaxed);
  return 1;
}

static void visit_lowest(void *ctx, const char *name)
{
  uint64_t *lowest = ctx;
  uint64_t segment_no;
  if (wcx_segment_no_of(name, &segment_no) && segment_no < *lowest)
    *lowest = segment_no;
}

static int sweep(wcx_retention_t *retention)
{
  uint64_t lowest = UINT64_MAX;
  int result = wcx_disk_list(retention->disk, visit_lowest, &lowest);
  if (result < 0)
    return result;
  if (lowest >= retention->super.first_segment_no)
  {
    retention->phase = WCX_RETENTION_REST;
    return retention->dir_error = wcx_disk_sync_dir(retention->disk);
  }
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, lowest);
  wcx_env_crash_point("retention.remove");
  result = wcx_disk_remove(retention->disk, name);
  if (result < 0)
    return result;
  atomic_fetch_add_explicit(&retention->removed, 1, memory_order_relaxed);
  return 1;
}

int wcx_retention_step(wcx_retention_t *retention, uint64_t keep_segment)
{
  if (atomic_load_explicit(&retention->error, memory_order_relaxed) < 0)
    return 0;
  int result = 0;
  if (retention->phase == WCX_RETENTION_SWEEP)
    result = sweep(retention);
  else if (keep_segment > retention->super.first_segment_no && keep_segment != retention->tried_segment)
    result = move_first(retention, keep_segment);
  if (result < 0)
    atomic_store_explicit(&retention->error, result, memory_order_relaxed);
  return result;
}
