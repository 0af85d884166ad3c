#include "persist/segment.h"

#include "engine/base/env.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PREPARE_NAME "prepare.tmp"
#define SUPER_NAME_TEMPORARY "superblock.tmp"

uint32_t wcx_segment_handle(uint64_t segment_no)
{
  return WCX_HANDLE_SEGMENT + (uint32_t)(segment_no & 3);
}

void wcx_segment_prep_init(wcx_segment_prep_t *prep, wcx_disk_t *disk, const wcx_journal_super_t *super, uint64_t prepared)
{
  memset(prep, 0, sizeof(*prep));
  prep->disk = disk;
  prep->super = *super;
  prep->phase = WCX_SEGMENT_IDLE;
  atomic_store_explicit(&prep->wanted, prepared, memory_order_relaxed);
  atomic_store_explicit(&prep->prepared, prepared, memory_order_relaxed);
  atomic_store_explicit(&prep->disk_free, wcx_disk_free_bytes(disk), memory_order_relaxed);
}

static int begin(wcx_segment_prep_t *prep, uint64_t segment_no)
{
  int result = wcx_disk_remove(prep->disk, PREPARE_NAME); /* what an earlier attempt left */
  if (result < 0 && result != -ENOENT)
    return result;
  prep->segment_no = segment_no;
  prep->off = 0;
  prep->phase = WCX_SEGMENT_FILL;
  return wcx_disk_file_open(prep->disk, WCX_HANDLE_PREPARE, PREPARE_NAME, true);
}

static int fill(wcx_segment_prep_t *prep)
{
  uint64_t left = prep->super.segment_sz - prep->off;
  uint64_t sz = left < WCX_SEGMENT_FILL_SZ ? left : WCX_SEGMENT_FILL_SZ;
  int result = wcx_disk_fill_zero(prep->disk, WCX_HANDLE_PREPARE, prep->off, sz);
  if (result < 0)
    return result;
  prep->off += sz;
  if (prep->off == prep->super.segment_sz)
    prep->phase = WCX_SEGMENT_HEADER;
  return 0;
}

static int write_header(wcx_segment_prep_t *prep)
{
  wcx_page_of_segment(prep->header, &prep->super, prep->segment_no);
  int result = wcx_disk_write(prep->disk, WCX_HANDLE_PREPARE, 0, prep->header, sizeof(prep->header));
  if (result == 0)
    result = wcx_disk_sync(prep->disk, WCX_HANDLE_PREPARE); /* the zeros too, before the name */
  prep->phase = WCX_SEGMENT_RENAME;
  return result;
}

static int give_name(wcx_segment_prep_t *prep)
{
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, prep->segment_no);
  wcx_disk_file_close(prep->disk, WCX_HANDLE_PREPARE);
  prep->phase = WCX_SEGMENT_IDLE;
  wcx_env_crash_point("segment.rename");
  int result = wcx_disk_rename(prep->disk, PREPARE_NAME, name);
  if (result == 0 && (result = wcx_disk_sync_dir(prep->disk)) < 0)
    atomic_store_explicit(&prep->fatal, result, memory_order_relaxed);
  if (result < 0)
    return result;
  wcx_env_crash_point("segment.named");
  atomic_store_explicit(&prep->disk_free, wcx_disk_free_bytes(prep->disk), memory_order_relaxed);
  atomic_store_explicit(&prep->prepared, prep->segment_no, memory_order_release); /* pairs with the acquire in the journal's thread */
  return 0;
}

int wcx_segment_prep_step(wcx_segment_prep_t *prep)
{
  uint64_t prepared = atomic_load_explicit(&prep->prepared, memory_order_relaxed);
  int result = atomic_load_explicit(&prep->fatal, memory_order_relaxed);
  if (result < 0)
    return result;
  switch (prep->phase)
  {
  case WCX_SEGMENT_IDLE:
    if (prepared >= atomic_load_explicit(&prep->wanted, memory_order_relaxed))
    {
      atomic_store_explicit(&prep->disk_free, wcx_disk_free_bytes(prep->disk), memory_order_relaxed); /* somebody else may fill the disk, or make room */
      return 0;
    }
    result = begin(prep, prepared + 1);
    break;
  case WCX_SEGMENT_FILL:
    result = fill(prep);
    break;
  case WCX_SEGMENT_HEADER:
    result = write_header(prep);
    break;
  case WCX_SEGMENT_RENAME:
    result = give_name(prep);
    break;
  }
  if (result < 0)
  {
    if (prep->phase != WCX_SEGMENT_IDLE)
      wcx_disk_file_close(prep->disk, WCX_HANDLE_PREPARE);
    prep->phase = WCX_SEGMENT_IDLE;
    int ignored = wcx_disk_remove(prep->disk, PREPARE_NAME); /* gives the space back; begin() does it again */
    (void)ignored;
    atomic_store_explicit(&prep->disk_free, wcx_disk_free_bytes(prep->disk), memory_order_relaxed);
  }
  atomic_store_explicit(&prep->error, result, memory_order_relaxed);
  return result < 0 ? result : 1;
}

int wcx_segment_prep_until(wcx_segment_prep_t *prep, uint64_t segment_no)
{
  if (atomic_load_explicit(&prep->wanted, memory_order_relaxed) < segment_no)
    atomic_store_explicit(&prep->wanted, segment_no, memory_order_relaxed);
  while (atomic_load_explicit(&prep->prepared, memory_order_relaxed) < segment_no)
  {
    int result = wcx_segment_prep_step(prep);
    if (result < 0)
      return result;
  }
  return 0;
}

int wcx_super_write(wcx_disk_t *disk, uint32_t handle, const wcx_journal_super_t *super, uint8_t *buf, int *dir_error)
{
  *dir_error = 0;
  wcx_page_of_super(buf, super);
  int result = wcx_disk_remove(disk, SUPER_NAME_TEMPORARY);
  if (result < 0 && result != -ENOENT)
    return result;
  result = wcx_disk_file_open(disk, handle, SUPER_NAME_TEMPORARY, true);
  if (result < 0)
    return result;
  result = wcx_disk_write(disk, handle, 0, buf, WCX_JOURNAL_SUPER_COPIES * WCX_JOURNAL_ALIGN);
  if (result == 0)
    result = wcx_disk_sync(disk, handle);
  wcx_disk_file_close(disk, handle);
  wcx_env_crash_point("super.rename");
  if (result == 0)
    result = wcx_disk_rename(disk, SUPER_NAME_TEMPORARY, "superblock");
  if (result == 0)
    result = *dir_error = wcx_disk_sync_dir(disk);
  return result;
}
