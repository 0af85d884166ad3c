#include "persist/recheck.h"

#include "persist/disk_dir.h"
#include "persist/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#define ERROR_TEXT(errnum) strerrordesc_np(errnum)

void wcx_recheck_init(wcx_recheck_t *recheck, wcx_archive_t *archive)
{
  *recheck = (wcx_recheck_t){.archive = archive};
}

static void path_of(const wcx_recheck_t *recheck, uint64_t segment_no, char path[480])
{
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, segment_no);
  snprintf(path, 480, "%s/%s", recheck->dir, name);
}

/* --- where to begin -------------------------------------------------------------------------------- */

static bool same_journal(const wcx_journal_super_t *a, const wcx_journal_super_t *b)
{
  return a->shard == b->shard && a->segment_sz == b->segment_sz && memcmp(a->journal_id, b->journal_id, sizeof(a->journal_id)) == 0;
}

/* What was found out before: the journal may have let go of its first segments since. */
static bool remembered(wcx_recheck_t *recheck)
{
  wcx_journal_walk_t walk;
  char err[WCX_JOURNAL_TEXT_SZ];
  if (wcx_journal_walk_open(&walk, recheck->dir, err, sizeof(err)) != WCX_JOURNAL_OPEN_OK)
    return false;
  bool ours = same_journal(&walk.super, &recheck->archive->super);
  recheck->super = walk.super;
  wcx_journal_walk_close(&walk);
  return ours;
}

static int put_begin(wcx_recheck_t *recheck, const wcx_journal_super_t *super)
{
  int dir_fd = open(recheck->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int result = dir_fd < 0 ? -errno : wcx_ship_super(dir_fd, super);
  if (dir_fd >= 0)
    close(dir_fd);
  if (result == 0)
    recheck->super = *super;
  return result;
}

static int find_begin(wcx_recheck_t *recheck)
{
  wcx_journal_super_t super = recheck->archive->super;
  char path[480];
  super.first_segment_no = 1;
  super.start = (wcx_journal_start_t){0};
  if (recheck->archive->super.first_segment_no > 1)
  {
    path_of(recheck, 1, path);
    if (!wcx_archive_fetch(recheck->archive, 1, path))
      super = recheck->archive->super;
    unlink(path);
  }
  return put_begin(recheck, &super);
}

static bool open_dir(wcx_recheck_t *recheck)
{
  wcx_archive_t *archive = recheck->archive;
  int len = snprintf(recheck->dir, sizeof(recheck->dir), "%s/recheck", archive->dir);
  int result = len < 0 || (size_t)len >= sizeof(recheck->dir) ? -ENAMETOOLONG : wcx_disk_dir_make(recheck->dir);
  if (result == 0 && !remembered(recheck))
    result = find_begin(recheck);
  if (result < 0)
    snprintf(recheck->text, sizeof(recheck->text), "the archive cannot be read again: %s: %s", recheck->dir, ERROR_TEXT(-result));
  return result == 0;
}

/* --- one segment ------------------------------------------------------------------------------------ */

/* The chain behind the last archived segment is what was stored; a store that was filled by another history ends elsewhere. */
static bool ends_as_stored(wcx_recheck_t *recheck, const wcx_journal_anchor_t *end)
{
  const wcx_journal_chain_t *stored = &recheck->archive->first.chain;
  if (end->segment_no != recheck->archive->archived_segment || (end->chain.digest.lo == stored->digest.lo && end->chain.digest.hi == stored->digest.hi))
    return true;
  snprintf(recheck->text, sizeof(recheck->text), "segment %" PRIu64 " that the archive gives back is of another history of this journal", end->segment_no);
  return false;
}

static bool read_segment(wcx_recheck_t *recheck, wcx_journal_anchor_t *end)
{
  wcx_archive_t *archive = recheck->archive;
  char path[480], err[sizeof(recheck->text)];
  path_of(recheck, recheck->first.segment_no, path);
  bool got = wcx_archive_fetch(archive, recheck->first.segment_no, path);
  bool whole = got && wcx_ship_read_back(recheck->dir, &recheck->first, end, err, sizeof(err));
  unlink(path);
  if (!got)
    snprintf(recheck->text, sizeof(recheck->text), "%s", archive->text);
  else if (!whole)
    snprintf(recheck->text, sizeof(recheck->text), "%s", err);
  return whole && ends_as_stored(recheck, end);
}

static enum wcx_scrub_result damaged(wcx_recheck_t *recheck, uint64_t now_ns)
{
  bool known = recheck->damaged_segment != 0;
  recheck->damaged_segment = recheck->first.segment_no;
  recheck->retry_ns = now_ns + WCX_RECHECK_RETRY_NS;
  return known ? WCX_SCRUB_REST : WCX_SCRUB_DAMAGED;
}

enum wcx_scrub_result wcx_recheck_step(wcx_recheck_t *recheck, uint64_t now_ns, uint32_t *sz)
{
  *sz = 0;
  wcx_archive_t *archive = recheck->archive;
  if (archive == NULL || archive->config.command == NULL || archive->archived_segment == 0 || now_ns < recheck->retry_ns)
    return WCX_SCRUB_REST;
  if (!recheck->open && !open_dir(recheck))
  {
    recheck->retry_ns = now_ns + WCX_RECHECK_RETRY_NS;
    return WCX_SCRUB_REST;
  }
  recheck->open = true;
  if (recheck->first.segment_no == 0)
    recheck->first = wcx_journal_first_anchor(&recheck->super);
  if (recheck->first.segment_no > archive->archived_segment)
  {
    recheck->first = (wcx_journal_anchor_t){0};
    recheck->passes++;
    return WCX_SCRUB_PASS;
  }
  wcx_journal_anchor_t end;
  if (!read_segment(recheck, &end))
    return damaged(recheck, now_ns);
  *sz = recheck->super.segment_sz;
  recheck->first = end;
  recheck->first.segment_no++;
  recheck->first.off = WCX_JOURNAL_ALIGN;
  if (recheck->damaged_segment == 0)
    return WCX_SCRUB_READ;
  recheck->damaged_segment = 0;
  snprintf(recheck->text, sizeof(recheck->text), "segment %" PRIu64 " of the archive is as it was stored again", end.segment_no);
  return WCX_SCRUB_REPAIRED;
}
