#include "persist/ship.h"

#include "persist/disk_dir.h"
#include "persist/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHIPPED_NAME "shipped"
#define ERROR_TEXT(errnum) strerrordesc_np(errnum)

/* What the page cache holds of a file after a write or a sync of it failed need not be on the disk, and is not written again: read what is. */
static void forget_cached(int fd)
{
  (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static int fail(wcx_ship_t *ship, const char *what, const char *name, int errnum)
{
  snprintf(ship->text, sizeof(ship->text), "%s %s/%s: %s", what, ship->to_dir, name, ERROR_TEXT(errnum));
  return -1;
}

static int write_all(int fd, const uint8_t *bytes, size_t sz, uint64_t off)
{
  while (sz > 0)
  {
    ssize_t put = pwrite(fd, bytes, sz, (off_t)off);
    if (put < 0 && errno == EINTR)
      continue;
    if (put <= 0)
      return put < 0 ? -errno : -EIO;
    bytes += put;
    off += (uint64_t)put;
    sz -= (size_t)put;
  }
  return 0;
}

/* Write a small file so that it is there whole or not at all. */
static int put_file(int dir_fd, const char *name, const uint8_t *bytes, size_t sz)
{
  char temp[64];
  snprintf(temp, sizeof(temp), "%s.tmp", name);
  int fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0)
    return -errno;
  int result = write_all(fd, bytes, sz, 0);
  if (result == 0 && fsync(fd) != 0)
    result = -errno;
  close(fd);
  if (result == 0 && renameat(dir_fd, temp, dir_fd, name) != 0)
    result = -errno;
  if (result == 0 && fsync(dir_fd) != 0)
    result = -errno;
  return result;
}

int wcx_ship_super(int dir_fd, const wcx_journal_super_t *super)
{
  static _Thread_local uint8_t pages[WCX_JOURNAL_SUPER_COPIES * WCX_JOURNAL_ALIGN];
  wcx_page_of_super(pages, super);
  return put_file(dir_fd, "superblock", pages, sizeof(pages));
}

/* --- where closed segments end -------------------------------------------------------------------- */

bool wcx_ship_end(const char *to_dir, const wcx_journal_super_t *super, wcx_journal_anchor_t *end)
{
  char path[512];
  uint8_t page[WCX_JOURNAL_ALIGN];
  snprintf(path, sizeof(path), "%s/" SHIPPED_NAME, to_dir);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return false;
  bool got = pread(fd, page, sizeof(page), 0) == (ssize_t)sizeof(page) && wcx_page_read_anchor(page, super, end);
  close(fd);
  return got && end->off == WCX_JOURNAL_ALIGN && end->segment_no > 1;
}

int wcx_ship_set_end(int dir_fd, const wcx_journal_super_t *super, const wcx_journal_anchor_t *end)
{
  uint8_t page[WCX_JOURNAL_ALIGN];
  wcx_page_of_anchor(page, super, end);
  return put_file(dir_fd, SHIPPED_NAME, page, sizeof(page));
}

/* --- open ------------------------------------------------------------------------------------------- */

static int open_target(wcx_ship_t *ship)
{
  int result = wcx_disk_dir_make(ship->to_dir);
  if (result < 0)
    return fail(ship, "cannot make", "", -result);
  ship->dir_fd = open(ship->to_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (ship->dir_fd < 0)
    return fail(ship, "cannot open", "", errno);
  ship->lock_fd = openat(ship->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (ship->lock_fd < 0)
    return fail(ship, "cannot open", "lock", errno);
  if (flock(ship->lock_fd, LOCK_EX | LOCK_NB) != 0)
    return fail(ship, "somebody else writes to", "", errno);
  result = wcx_disk_dir_sync(ship->dir_fd, ship->lock_fd); /* what a keeper that died has named and not synced counts from here on */
  return result < 0 ? fail(ship, "cannot sync", "", -result) : 0;
}

/* What is in the target must be this journal. */
static int check_target(wcx_ship_t *ship, const wcx_journal_super_t *source)
{
  wcx_journal_walk_t walk;
  char err[WCX_JOURNAL_TEXT_SZ];
  int opened = wcx_journal_walk_open(&walk, ship->to_dir, err, sizeof(err));
  if (opened == WCX_JOURNAL_OPEN_MISSING)
    return 0;
  if (opened != WCX_JOURNAL_OPEN_OK)
  {
    snprintf(ship->text, sizeof(ship->text), "%s: %s", ship->to_dir, err);
    return -1;
  }
  bool same = memcmp(walk.super.journal_id, source->journal_id, sizeof(source->journal_id)) == 0 && walk.super.shard == source->shard;
  same = same && walk.super.segment_sz == source->segment_sz;
  wcx_journal_walk_close(&walk);
  ship->made = true;
  if (same)
    return 0;
  snprintf(ship->text, sizeof(ship->text), "%s holds another journal: give each its own directory", ship->to_dir);
  return -1;
}

static int start_walk(wcx_ship_t *ship, const wcx_journal_super_t *source, const wcx_journal_anchor_t *since)
{
  wcx_journal_anchor_t from = wcx_journal_first_anchor(source);
  if (since != NULL)
    from = *since;
  wcx_journal_anchor_t end;
  if (ship->made && wcx_ship_end(ship->to_dir, source, &end))
    from = end;
  if (from.segment_no < source->first_segment_no)
  {
    snprintf(ship->text, sizeof(ship->text),
             "%s ends before segment %" PRIu64 ", the journal begins at %" PRIu64 ": segments are missing in between; begin with an empty directory", ship->to_dir, from.segment_no,
             source->first_segment_no);
    return -1;
  }
  ship->first = from;
  ship->copied_seq = from.chain.next_seq - 1;
  ship->shipped_seq = ship->copied_seq;
  char err[WCX_JOURNAL_TEXT_SZ];
  if (wcx_journal_walk_open_at(&ship->walk, ship->from_dir, &from, err, sizeof(err)) == WCX_JOURNAL_OPEN_OK)
    return 0;
  snprintf(ship->text, sizeof(ship->text), "%s: %s", ship->from_dir, err);
  return -1;
}

int wcx_ship_open(wcx_ship_t *ship, const char *from_dir, const char *to_dir, const wcx_journal_anchor_t *since)
{
  *ship = (wcx_ship_t){.dir_fd = -1, .lock_fd = -1, .fd = -1};
  if ((size_t)snprintf(ship->from_dir, sizeof(ship->from_dir), "%s", from_dir) >= sizeof(ship->from_dir) ||
      (size_t)snprintf(ship->to_dir, sizeof(ship->to_dir), "%s", to_dir) >= sizeof(ship->to_dir))
  {
    snprintf(ship->text, sizeof(ship->text), "a path is too long");
    return -1;
  }
  wcx_journal_walk_t walk;
  int result = wcx_journal_walk_open(&walk, from_dir, ship->text, sizeof(ship->text)) == WCX_JOURNAL_OPEN_OK ? 0 : -1;
  if (result < 0)
    return -1;
  wcx_journal_super_t source = walk.super;
  wcx_journal_walk_close(&walk);
  result = open_target(ship);
  if (result == 0)
    result = check_target(ship, &source);
  if (result == 0)
    result = start_walk(ship, &source, since);
  if (result < 0)
    wcx_ship_close(ship);
  return result;
}

void wcx_ship_close(wcx_ship_t *ship)
{
  if (ship->walk.buf != NULL)
    wcx_journal_walk_close(&ship->walk);
  if (ship->fd >= 0)
    close(ship->fd);
  if (ship->lock_fd >= 0)
    close(ship->lock_fd);
  if (ship->dir_fd >= 0)
    close(ship->dir_fd);
  ship->fd = ship->lock_fd = ship->dir_fd = -1;
}

/* --- a segment of the target -------------------------------------------------------------------------- */

/* A journal that begins at `first`. */
static wcx_journal_super_t super_of(const wcx_ship_t *ship)
{
  wcx_journal_super_t super = ship->walk.super;
  super.first_segment_no = ship->first.segment_no;
  memset(&super.start, 0, sizeof(super.start));
  if (super.first_segment_no > 1)
    super.start = wcx_journal_start_of(&ship->first);
  return super;
}

/* Whole, zero but for its header, and durably named, before the first block goes in; the superblock after the first of them. */
static int open_segment(wcx_ship_t *ship, uint64_t segment_no)
{
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, segment_no);
  uint8_t header[WCX_JOURNAL_ALIGN];
  wcx_page_of_segment(header, &ship->walk.super, segment_no);
  ship->fd = openat(ship->dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (ship->fd < 0)
    return fail(ship, "cannot open", name, errno);
  ship->open_segment = segment_no;
  forget_cached(ship->fd);
  int result = ftruncate(ship->fd, (off_t)ship->walk.super.segment_sz) != 0 ? -errno : 0;
  if (result == 0)
    result = write_all(ship->fd, header, sizeof(header), 0);
  if (result == 0 && fsync(ship->fd) != 0)
    result = -errno;
  if (result == 0)
    result = wcx_disk_dir_sync(ship->dir_fd, ship->lock_fd); /* the name may be there already, of a keeper that died */
  if (result == 0 && !ship->made)
  {
    wcx_journal_super_t super = super_of(ship);
    result = wcx_ship_super(ship->dir_fd, &super);
    ship->made = result == 0;
  }
  return result < 0 ? fail(ship, "cannot make", name, -result) : 0;
}

/* Only what is durable gets here. So a block that continues the chain and is not the source's was acknowledged, in a history that the source lacks. */
static int refuse_other(wcx_ship_t *ship, const wcx_journal_chain_t *before, uint64_t off, const char *name)
{
  static _Thread_local uint8_t there[WCX_JOURNAL_BLOCK_SZ_MAX];
  uint64_t left = ship->walk.super.segment_sz - off;
  size_t avail = left < sizeof(there) ? (size_t)left : sizeof(there);
  ssize_t got = pread(ship->fd, there, avail, (off_t)off);
  if (got != (ssize_t)avail)
    return fail(ship, "cannot read", name, got < 0 ? errno : EPIPE);
  wcx_journal_block_t other;
  if (wcx_journal_check_block(before, there, avail, &other) != WCX_JOURNAL_VALID)
    return 0;
  snprintf(ship->text, sizeof(ship->text),
           "%s/%s holds another block %" PRIu64 " than the journal: the journal was restored from before it, and what is here may be the only copy. Restore from here, or give an "
           "empty directory",
           ship->to_dir, name, other.block_no);
  return -1;
}

/* Equal bytes are left alone, so that going on after a restart writes nothing twice. `before`: the chain that the block continues. */
static int put_block(wcx_ship_t *ship, const wcx_journal_chain_t *before, uint64_t off, const uint8_t *bytes, uint32_t sz)
{
  static _Thread_local uint8_t there[WCX_JOURNAL_BLOCK_SZ_MAX];
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, ship->open_segment);
  ssize_t got = pread(ship->fd, there, sz, (off_t)off);
  if (got != (ssize_t)sz)
    return fail(ship, "cannot read", name, got < 0 ? errno : EPIPE);
  if (memcmp(there, bytes, sz) == 0)
    return 0;
  int result = 0;
  if (!wcx_journal_all_zero(there, sz)) /* damage, or torn here: nothing of it may stay behind this block */
  {
    if (refuse_other(ship, before, off, name) < 0)
      return -1;
    result = ftruncate(ship->fd, (off_t)off) != 0 || ftruncate(ship->fd, (off_t)ship->walk.super.segment_sz) != 0 ? -errno : 0;
  }
  if (result == 0)
    result = write_all(ship->fd, bytes, sz, off);
  return result < 0 ? fail(ship, "cannot write", name, -result) : 0;
}

bool wcx_ship_read_back(const char *dir, const wcx_journal_anchor_t *first, wcx_journal_anchor_t *end, char *err, size_t err_sz)
{
  wcx_journal_walk_t walk;
  if (wcx_journal_walk_open_at(&walk, dir, first, err, err_sz) != WCX_JOURNAL_OPEN_OK)
    return false;
  wcx_journal_block_t block;
  const uint8_t *body;
  int result = 1;
  while (result == 1 && !(walk.segment_no == first->segment_no && walk.off == walk.super.segment_sz))
    result = wcx_journal_walk_next_block(&walk, &block, &body);
  bool whole = result == 1 && walk.segment_no == first->segment_no;
  if (whole)
    wcx_journal_walk_anchor(&walk, end);
  else
    snprintf(err, err_sz, "segment %" PRIu64 " in %s is not whole: %s", first->segment_no, dir, result < 0 ? walk.text : "it ends too early");
  wcx_journal_walk_close(&walk);
  return whole;
}

static bool in_segment(const wcx_journal_walk_t *walk, uint64_t segment_no)
{
  return walk->segment_no == segment_no && walk->off < walk->super.segment_sz;
}

bool wcx_ship_parts(const char *dir, const char *other_dir, const wcx_journal_anchor_t *first)
{
  wcx_journal_walk_t walk, other;
  char err[WCX_JOURNAL_TEXT_SZ];
  if (wcx_journal_walk_open_at(&walk, dir, first, err, sizeof(err)) != WCX_JOURNAL_OPEN_OK)
    return false;
  bool opened = wcx_journal_walk_open_at(&other, other_dir, first, err, sizeof(err)) == WCX_JOURNAL_OPEN_OK;
  bool valid = opened;
  bool parts = false;
  wcx_journal_block_t block;
  const uint8_t *body;
  while (valid && !parts && in_segment(&walk, first->segment_no) && in_segment(&other, first->segment_no))
  {
    valid = wcx_journal_walk_next_block(&walk, &block, &body) == 1 && wcx_journal_walk_next_block(&other, &block, &body) == 1;
    parts = valid && (walk.chain.digest.lo != other.chain.digest.lo || walk.chain.digest.hi != other.chain.digest.hi);
  }
  if (opened)
    wcx_journal_walk_close(&other);
  wcx_journal_walk_close(&walk);
  return parts;
}

static wcx_journal_anchor_t next_first(const wcx_journal_anchor_t *end)
{
  wcx_journal_anchor_t first = *end;
  first.segment_no++;
  first.off = WCX_JOURNAL_ALIGN;
  return first;
}

/* Full: read it back as it lies on the target's disk. */
static int close_segment(wcx_ship_t *ship)
{
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, ship->open_segment);
  int result = fdatasync(ship->fd) != 0 ? -errno : 0;
  if (result < 0)
    return fail(ship, "cannot sync", name, -result);
  forget_cached(ship->fd);
  wcx_journal_anchor_t end;
  if (!wcx_ship_read_back(ship->to_dir, &ship->first, &end, ship->text, sizeof(ship->text)))
    return -1;
  if (end.chain.digest.lo != ship->walk.chain.digest.lo || end.chain.digest.hi != ship->walk.chain.digest.hi)
    return fail(ship, "read back something else from", name, EBADMSG);
  wcx_journal_anchor_t first = next_first(&end);
  result = wcx_ship_set_end(ship->dir_fd, &ship->walk.super, &first);
  if (result < 0)
    return fail(ship, "cannot write", SHIPPED_NAME, -result);
  close(ship->fd);
  ship->fd = -1;
  ship->archived_segment = ship->open_segment;
  ship->first = first;
  ship->shipped_seq = ship->copied_seq;
  return 0;
}

/* --- step --------------------------------------------------------------------------------------------- */

int wcx_ship_step(wcx_ship_t *ship, uint64_t durable_block)
{
  uint64_t next_block_no = ship->walk.chain.next_block_no;
  if (next_block_no - 1 > durable_block)
  {
    snprintf(ship->text, sizeof(ship->text),
             "%s goes on to block %" PRIu64 ", what is durable of the journal ends at %" PRIu64
             ": acknowledged data is missing in the journal. Restore from here, or give an empty "
             "directory",
             ship->to_dir, next_block_no - 1, durable_block);
    return -1;
  }
  if (next_block_no > durable_block)
    return 0;
  wcx_journal_chain_t before = ship->walk.chain;
  wcx_journal_block_t block;
  const uint8_t *body;
  int result = wcx_journal_walk_next_block(&ship->walk, &block, &body);
  if (result < 0)
    snprintf(ship->text, sizeof(ship->text), "%s: %s", ship->from_dir, ship->walk.text);
  if (result != 1)
    return result;
  ship->archived_segment = ship->first.segment_no - 1; /* the journal goes on from there: it is this history that is in the target */
  if (ship->fd < 0 && open_segment(ship, ship->walk.segment_no) < 0)
    return -1;
  if (put_block(ship, &before, ship->walk.off - block.block_sz, body - sizeof(block), block.block_sz) < 0)
    return -1;
  ship->copied_seq = ship->walk.chain.next_seq - 1;
  ship->blocks++;
  ship->bytes += block.block_sz;
  return ship->walk.off == ship->walk.super.segment_sz && close_segment(ship) < 0 ? -1 : 1;
}

/* Whoever replays the copy must pass over what is passed over here. */
static int ship_overrides(wcx_ship_t *ship)
{
  static _Thread_local uint8_t pages[WCX_JOURNAL_OVERRIDES_MAX * WCX_JOURNAL_ALIGN];
  char path[512];
  snprintf(path, sizeof(path), "%s/" WCX_JOURNAL_OVERRIDES_NAME, ship->from_dir);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT ? 0 : fail(ship, "cannot read for", WCX_JOURNAL_OVERRIDES_NAME, errno);
  ssize_t got = read(fd, pages, sizeof(pages));
  close(fd);
  if (got < 0)
    return fail(ship, "cannot read for", WCX_JOURNAL_OVERRIDES_NAME, errno);
  wcx_digest_t digest = wcx_digest_of(WCX_JOURNAL_OVERRIDE_MAGIC, pages, (size_t)got);
  if (got == 0 || (digest.lo == ship->overrides.lo && digest.hi == ship->overrides.hi))
    return 0;
  struct stat there;
  if (fstatat(ship->dir_fd, WCX_JOURNAL_OVERRIDES_NAME, &there, 0) == 0 && there.st_size > got) /* they are only ever added to */
  {
    snprintf(ship->text, sizeof(ship->text), "%s/" WCX_JOURNAL_OVERRIDES_NAME " holds more overrides than the journal has: the journal was restored from before them",
             ship->to_dir);
    return -1;
  }
  int result = put_file(ship->dir_fd, WCX_JOURNAL_OVERRIDES_NAME, pages, (size_t)got);
  if (result < 0)
    return fail(ship, "cannot write", WCX_JOURNAL_OVERRIDES_NAME, -result);
  ship->overrides = digest;
  return 0;
}

int wcx_ship_sync(wcx_ship_t *ship)
{
  if (ship_overrides(ship) < 0)
    return -1;
  if (ship->shipped_seq == ship->copied_seq)
    return 0;
  if (ship->fd >= 0 && fdatasync(ship->fd) != 0)
    return fail(ship, "cannot sync", "the open segment", errno);
  ship->shipped_seq = ship->copied_seq;
  return 1;
}
