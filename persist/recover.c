#include "persist/recover.h"

#include "engine/base/env.h"

#include <errno.h>
#include <inttypes.h>

#define ERROR_TEXT(errnum) strerrordesc_np(errnum)

/* --- a new journal ---------------------------------------------------------------------------- */

/* Whether a segment holds anything behind its header, or is not as it was made; -errno. */
static int holds_data(wcx_disk_t *disk, uint64_t segment_no, uint8_t *buf)
{
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, segment_no);
  int got = wcx_disk_file_open(disk, WCX_HANDLE_READ, name, false);
  if (got < 0)
    return got;
  uint64_t off = WCX_JOURNAL_ALIGN;
  bool zero = true;
  do
  {
    got = wcx_disk_read(disk, WCX_HANDLE_READ, off, buf, WCX_JOURNAL_WALK_BUF_SZ);
    zero = zero && got >= 0 && wcx_journal_all_zero(buf, (size_t)got);
    off += got > 0 ? (uint64_t)got : 0;
  } while (zero && got == (int)WCX_JOURNAL_WALK_BUF_SZ);
  wcx_disk_file_close(disk, WCX_HANDLE_READ);
  return got < 0 ? got : !zero || off == WCX_JOURNAL_ALIGN;
}

/* Without a superblock, the first segment is either the rest of an interrupted making, then it is empty and alone, and goes; or the journal has lost its superblock, and
   nothing is touched. */
static int remove_unused(wcx_disk_t *disk, uint8_t *buf, char *err, size_t err_sz)
{
  uint64_t last;
  int result = wcx_segment_last(disk, &last);
  if (result == 0 && last == 0)
    return 0;
  if (result == 0)
    result = last > 1 ? 1 : holds_data(disk, last, buf);
  if (result > 0)
  {
    snprintf(err, err_sz, "there are segments but no superblock: restore the file `superblock` from a backup or another member; nothing was changed");
    return -1;
  }
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, last);
  if (result == 0)
    result = wcx_disk_remove(disk, name);
  if (result == 0)
    result = wcx_disk_sync_dir(disk);
  if (result < 0)
    snprintf(err, err_sz, "cannot look at the segments or remove an unused one: %s", ERROR_TEXT(-result));
  return result < 0 ? -1 : 0;
}

/* The first segment comes before the superblock: a journal that has its superblock and not its first segment has lost it. */
static int make_journal(wcx_disk_t *disk, uint32_t shard, uint32_t segment_sz, uint8_t *buf, char *err, size_t err_sz)
{
  if (remove_unused(disk, buf, err, err_sz) < 0)
    return -1;
  wcx_journal_super_t super = {.magic = WCX_JOURNAL_SUPER_MAGIC,
                               .version = WCX_JOURNAL_VERSION,
                               .shard = shard,
                               .created_ns = wcx_env_utc_ns(),
                               .segment_sz = segment_sz,
                               .in_flight_max = WCX_JOURNAL_IN_FLIGHT_MAX,
                               .first_segment_no = 1};
  wcx_env_random(super.journal_id, sizeof(super.journal_id));
  wcx_segment_prep_t *prep = (wcx_segment_prep_t *)(void *)buf;
  static_assert(sizeof(*prep) + WCX_JOURNAL_SUPER_COPIES * WCX_JOURNAL_ALIGN <= WCX_JOURNAL_WALK_BUF_SZ, "the walk's buffer serves here");
  wcx_segment_prep_init(prep, disk, &super, 0);
  int result = wcx_segment_prep_until(prep, 1);
  int dir_error; /* no difference here: the start fails */
  if (result == 0)
    result = wcx_super_write(disk, WCX_HANDLE_SUPER, &super, buf, &dir_error);
  if (result == 0)
    return 0;
  snprintf(err, err_sz, "cannot make the journal: %s%s", ERROR_TEXT(-result),
           result == -EINVAL   ? ": the file system has no O_DIRECT (tmpfs?), put state_dir on ext4 or xfs"
           : result == -ENOSPC ? ": make room or take a smaller journal segment size"
                               : "");
  return -1;
}

/* --- walk --------------------------------------------------------------------------------------- */

static int check_super(const wcx_journal_super_t *super, uint32_t shard, uint32_t segment_sz, char *err, size_t err_sz)
{
  if (super->shard != shard)
  {
    snprintf(err, err_sz, "the journal belongs to shard %u, the configuration names shard %u: correct the configuration or the state directory", super->shard, shard);
    return -1;
  }
  if (super->segment_sz != segment_sz)
  {
    snprintf(err, err_sz, "the journal was made with segments of %u bytes, the configuration says %u: set it back (the size of an existing journal cannot change)",
             super->segment_sz, segment_sz);
    return -1;
  }
  return 0;
}

int wcx_recover_walk(wcx_recovered_t *recovered, wcx_disk_t *disk, uint32_t shard, uint32_t segment_sz, uint8_t *buf, char *err, size_t err_sz)
{
  int result = wcx_recover_look(recovered, disk, buf, err, err_sz);
  if (result == 1)
  {
    if (make_journal(disk, shard, segment_sz, buf, err, err_sz) < 0)
      return -1;
    result = wcx_recover_look(recovered, disk, buf, err, err_sz);
  }
  if (recovered->super.magic == 0 || check_super(&recovered->super, shard, segment_sz, err, err_sz) == 0)
    return result == 0 ? 0 : -1;
  *recovered = (wcx_recovered_t){0}; /* whatever was found is no matter of this worker */
  return -1;
}

/* --- seal --------------------------------------------------------------------------------------- */

static int zero_span(wcx_disk_t *disk, uint64_t segment_no, uint64_t off, uint64_t sz, const uint8_t *zeros)
{
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, segment_no);
  int result = wcx_disk_file_open(disk, WCX_HANDLE_READ, name, false);
  if (result < 0)
    return result;
  result = wcx_disk_write(disk, WCX_HANDLE_READ, off, zeros, sz); /* one flush, not one a block: a restart waits for it */
  wcx_env_crash_point("recover.zero");
  wcx_disk_file_close(disk, WCX_HANDLE_READ);
  return result;
}

/* Segments are filled to the last byte, so K blocks of any sizes lie within the next K x 64 KiB of block room. */
int wcx_recover_zero(const wcx_recovered_t *recovered, wcx_disk_t *disk, uint8_t *buf)
{
  uint64_t left = (uint64_t)recovered->super.in_flight_max * WCX_JOURNAL_BLOCK_SZ_MAX;
  uint64_t off = recovered->off;
  static_assert(WCX_JOURNAL_IN_FLIGHT_MAX * WCX_JOURNAL_BLOCK_SZ_MAX <= WCX_JOURNAL_WALK_BUF_SZ, "one write zeroes all");
  memset(buf, 0, left);
  for (uint64_t segment_no = recovered->segment_no; left > 0 && segment_no <= recovered->last_segment_no; segment_no++)
  {
    uint64_t room = recovered->super.segment_sz - off;
    uint64_t sz = room < left ? room : left;
    int result = zero_span(disk, segment_no, off, sz, buf);
    if (result < 0)
      return result;
    left -= sz;
    off = WCX_JOURNAL_ALIGN;
  }
  return 0;
}
