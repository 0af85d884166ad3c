#include "persist/scrub.h"

#include "persist/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define REPAIR_NAME "repair.tmp"
#define ERROR_TEXT(errnum) strerrordesc_np(errnum)

void wcx_scrub_init(wcx_scrub_t *scrub, const char *journal_dir, wcx_archive_t *archive)
{
  *scrub = (wcx_scrub_t){.journal_dir = journal_dir, .archive = archive};
}

void wcx_scrub_close(wcx_scrub_t *scrub)
{
  if (scrub->open)
    wcx_journal_walk_close(&scrub->walk);
  scrub->open = false;
}

static void set_first(wcx_scrub_t *scrub)
{
  wcx_journal_walk_anchor(&scrub->walk, &scrub->first);
  if (scrub->first.off == scrub->walk.super.segment_sz)
  {
    scrub->first.segment_no++;
    scrub->first.off = WCX_JOURNAL_ALIGN;
  }
  scrub->segment_no = scrub->first.segment_no;
}

/* --- repair --------------------------------------------------------------------------------------------- */

/* The journal's directory with one segment read from elsewhere. */
typedef struct patched
{
  wcx_journal_source_t dir;
  uint64_t segment_no;
  int fd;
} patched_t;

static int64_t patched_read(void *ctx, uint64_t segment_no, uint64_t off, void *buf, size_t sz)
{
  patched_t *patched = ctx;
  if (segment_no != patched->segment_no)
    return patched->dir.read(patched->dir.ctx, segment_no, off, buf, sz);
  ssize_t got = pread(patched->fd, buf, sz, (off_t)off);
  return got < 0 ? -errno : got;
}

static uint64_t patched_last(void *ctx)
{
  patched_t *patched = ctx;
  return patched->dir.last_segment(patched->dir.ctx);
}

/* From the last anchor before the damage to the end of the segment, over the copy, and one block on into the journal: a copy of another history of this journal
   is whole in itself. */
static bool walk_copy(wcx_journal_walk_t *walk, uint64_t segment_no, char *err, size_t err_sz)
{
  wcx_journal_block_t block;
  const uint8_t *body;
  int result = 1;
  while (result == 1 && !(walk->segment_no == segment_no && walk->off == walk->super.segment_sz))
    result = wcx_journal_walk_next_block(walk, &block, &body);
  if (result != 1 || walk->segment_no != segment_no)
  {
    snprintf(err, err_sz, "%s", result < 0 ? walk->text : "it ends too early");
    return false;
  }
  result = wcx_journal_walk_next_block(walk, &block, &body);
  if (result == 0)
    snprintf(err, err_sz, "nothing stands behind it in the journal yet that continues it");
  else if (result < 0)
    snprintf(err, err_sz, "the journal does not go on from it: it may be of another history (%s)", walk->text);
  return result == 1;
}

static bool copy_serves(wcx_scrub_t *scrub, const char *path)
{
  patched_t patched = {.segment_no = scrub->first.segment_no, .fd = open(path, O_RDONLY | O_CLOEXEC)};
  char err[WCX_JOURNAL_TEXT_SZ + 100] = "cannot be opened";
  uint8_t *buf = aligned_alloc(WCX_JOURNAL_ALIGN, WCX_JOURNAL_WALK_BUF_SZ);
  bool serves = false;
  if (buf != NULL && patched.fd >= 0 && wcx_journal_source_open(&patched.dir, scrub->journal_dir, err, sizeof(err)) == WCX_JOURNAL_OPEN_OK)
  {
    wcx_journal_source_t source = {.ctx = &patched, .read = patched_read, .last_segment = patched_last};
    wcx_journal_walk_t walk;
    serves = wcx_journal_walk_over_at(&walk, &source, buf, &scrub->first, err, sizeof(err)) == WCX_JOURNAL_OPEN_OK && walk_copy(&walk, patched.segment_no, err, sizeof(err));
    patched.dir.close(patched.dir.ctx);
  }
  if (!serves)
    snprintf(scrub->text, sizeof(scrub->text), "the archive's copy of segment %" PRIu64 " does not serve: %s", scrub->first.segment_no, err);
  if (patched.fd >= 0)
    close(patched.fd);
  free(buf);
  return serves;
}

static bool take_name(wcx_scrub_t *scrub, const char *path)
{
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, scrub->first.segment_no);
  int dir_fd = open(scrub->journal_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool done = dir_fd >= 0 && renameat(AT_FDCWD, path, dir_fd, name) == 0 && fsync(dir_fd) == 0;
  if (!done)
    snprintf(scrub->text, sizeof(scrub->text), "segment %" PRIu64 " could not be replaced: %s", scrub->first.segment_no, ERROR_TEXT(errno));
  if (dir_fd >= 0)
    close(dir_fd);
  return done;
}

static bool repair(wcx_scrub_t *scrub)
{
  if (scrub->archive == NULL)
    return false;
  uint64_t segment_no = scrub->first.segment_no;
  char path[512];
  snprintf(path, sizeof(path), "%s/" REPAIR_NAME, scrub->journal_dir);
  if (segment_no > scrub->archive->archived_segment)
    snprintf(scrub->text, sizeof(scrub->text), "segment %" PRIu64 " is not in the archive yet", segment_no);
  else if (!wcx_archive_fetch(scrub->archive, segment_no, path))
    snprintf(scrub->text, sizeof(scrub->text), "%s", scrub->archive->text);
  else if (copy_serves(scrub, path) && take_name(scrub, path))
  {
    snprintf(scrub->text, sizeof(scrub->text), "segment %" PRIu64 " is repaired from the archive", segment_no);
    return true;
  }
  unlink(path);
  return false;
}

/* --- step ----------------------------------------------------------------------------------------------- */

static enum wcx_scrub_result found(wcx_scrub_t *scrub, uint64_t now_ns)
{
  snprintf(scrub->text, sizeof(scrub->text), "segment %" PRIu64 ": %s", scrub->segment_no, scrub->walk.text[0] != '\0' ? scrub->walk.text : "the chain ends too early");
  scrub->damaged_segment = scrub->segment_no;
  scrub->retry_ns = now_ns;
  wcx_scrub_close(scrub);
  return WCX_SCRUB_DAMAGED;
}

static enum wcx_scrub_result try_repair(wcx_scrub_t *scrub, uint64_t now_ns)
{
  if (now_ns < scrub->retry_ns)
    return WCX_SCRUB_REST;
  scrub->retry_ns = now_ns + WCX_SCRUB_RETRY_NS;
  if (!repair(scrub))
    return WCX_SCRUB_REST;
  scrub->damaged_segment = 0;
  scrub->repaired++;
  return WCX_SCRUB_REPAIRED;
}

/* When all differ, the worker has replaced the file since the walk read it: the next pass looks again. */
static void check_super(wcx_scrub_t *scrub)
{
  static _Alignas(WCX_JOURNAL_ALIGN) uint8_t wanted[WCX_JOURNAL_SUPER_COPIES * WCX_JOURNAL_ALIGN];
  uint8_t page[WCX_JOURNAL_ALIGN];
  char path[512];
  snprintf(path, sizeof(path), "%s/superblock", scrub->journal_dir);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return;
  wcx_page_of_super(wanted, &scrub->walk.super);
  uint32_t bad = 0;
  for (uint32_t i = 0; i < WCX_JOURNAL_SUPER_COPIES; i++)
  {
    bool got = pread(fd, page, sizeof(page), (off_t)i * WCX_JOURNAL_ALIGN) == (ssize_t)sizeof(page);
    bad += !got || memcmp(page, wanted + (size_t)i * WCX_JOURNAL_ALIGN, sizeof(page)) != 0;
  }
  close(fd);
  if (bad < WCX_JOURNAL_SUPER_COPIES)
    scrub->bad_copies = bad;
}

/* Begin a pass, or go on where the damage was. */
static bool begin(wcx_scrub_t *scrub)
{
  char err[WCX_JOURNAL_TEXT_SZ];
  bool again = scrub->first.segment_no != 0;
  int opened = again ? wcx_journal_walk_open_at(&scrub->walk, scrub->journal_dir, &scrub->first, err, sizeof(err))
                     : wcx_journal_walk_open(&scrub->walk, scrub->journal_dir, err, sizeof(err));
  scrub->open = opened == WCX_JOURNAL_OPEN_OK;
  if (scrub->open && !again)
    check_super(scrub);
  if (scrub->open)
    set_first(scrub);
  else
  {
    snprintf(scrub->text, sizeof(scrub->text), "%s", err);
    scrub->first = (wcx_journal_anchor_t){0};
  }
  return scrub->open;
}

enum wcx_scrub_result wcx_scrub_step(wcx_scrub_t *scrub, uint64_t first_segment, uint64_t closed_segment, uint64_t now_ns, uint32_t *sz)
{
  *sz = 0;
  if (scrub->damaged_segment != 0)
    return try_repair(scrub, now_ns);
  if (closed_segment < first_segment || (!scrub->open && !begin(scrub)))
    return WCX_SCRUB_REST;
  if (scrub->walk.off == scrub->walk.super.segment_sz)
    set_first(scrub);
  if (scrub->segment_no > closed_segment)
  {
    wcx_scrub_close(scrub);
    scrub->first = (wcx_journal_anchor_t){0};
    scrub->passes++;
    return WCX_SCRUB_PASS;
  }
  wcx_journal_block_t block;
  const uint8_t *body;
  int result = wcx_journal_walk_next_block(&scrub->walk, &block, &body);
  if (result == 1)
  {
    *sz = block.block_sz;
    return WCX_SCRUB_READ;
  }
  if (scrub->segment_no < first_segment) /* removed meanwhile */
  {
    wcx_scrub_close(scrub);
    scrub->first = (wcx_journal_anchor_t){0};
    return WCX_SCRUB_REST;
  }
  return found(scrub, now_ns);
}
