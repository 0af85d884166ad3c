/* The files of a journal directory as a source of wcx_journal_walk: O_DIRECT where the file system has it, so that what is read is what the disk
   holds and a walk does not push other data out of the page cache. */
#include "engine/shm/journal_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct dir_source
{
  int dir_fd;
  int fd; /* of the file read last, -1: none */
  uint64_t segment_no;
} dir_source_t;

static int open_file(dir_source_t *dir, uint64_t segment_no)
{
  if (dir->fd >= 0 && dir->segment_no == segment_no)
    return 0;
  char name[64];
  if (segment_no == 0)
    snprintf(name, sizeof(name), "superblock");
  else
    snprintf(name, sizeof(name), "seg-%016" PRIx64 ".wcj", segment_no);
  int fd = openat(dir->dir_fd, name, O_RDONLY | O_CLOEXEC | O_DIRECT);
  if (fd < 0 && errno == EINVAL)
    fd = openat(dir->dir_fd, name, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  if (dir->fd >= 0)
    close(dir->fd);
  dir->fd = fd;
  dir->segment_no = segment_no;
  return 0;
}

static int64_t dir_read(void *ctx, uint64_t segment_no, uint64_t off, void *buf, size_t sz)
{
  dir_source_t *dir = ctx;
  int result = open_file(dir, segment_no);
  if (result < 0)
    return result;
  size_t done = 0;
  while (done < sz)
  {
    ssize_t got = pread(dir->fd, (uint8_t *)buf + done, sz - done, (off_t)(off + done));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return -errno;
    done += (size_t)got;
    if (got == 0 || done % WCX_JOURNAL_ALIGN != 0) /* the end of the file */
      break;
  }
  return (int64_t)done;
}

static uint64_t dir_last_segment(void *ctx)
{
  dir_source_t *dir = ctx;
  int fd = openat(dir->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *list = fd < 0 ? NULL : fdopendir(fd);
  if (list == NULL)
  {
    if (fd >= 0)
      close(fd);
    return UINT64_MAX; /* a missing segment must not look like the end */
  }
  uint64_t last = 0;
  errno = 0;
  for (struct dirent *entry = readdir(list); entry != NULL; errno = 0, entry = readdir(list))
  {
    uint64_t segment_no;
    char suffix[5];
    if (sscanf(entry->d_name, "seg-%16" SCNx64 "%4s", &segment_no, suffix) == 2 && strcmp(suffix, ".wcj") == 0 && segment_no > last)
      last = segment_no;
  }
  bool whole = errno == 0;
  closedir(list);
  return whole ? last : UINT64_MAX;
}

static int dir_override_page(void *ctx, uint32_t page_no, uint8_t page[WCX_JOURNAL_ALIGN])
{
  dir_source_t *dir = ctx;
  int fd = openat(dir->dir_fd, WCX_JOURNAL_OVERRIDES_NAME, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT ? 0 : -errno;
  ssize_t got = pread(fd, page, WCX_JOURNAL_ALIGN, (off_t)page_no * WCX_JOURNAL_ALIGN);
  int result = got < 0 ? -errno : got == 0 ? 0 : got == WCX_JOURNAL_ALIGN ? 1 : -EPIPE;
  close(fd);
  return result;
}

static void dir_close(void *ctx)
{
  dir_source_t *dir = ctx;
  if (dir->fd >= 0)
    close(dir->fd);
  close(dir->dir_fd);
  free(dir);
}

int wcx_journal_source_open(wcx_journal_source_t *source, const char *path, char *err, size_t err_sz)
{
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
  {
    int result = errno == ENOENT ? WCX_JOURNAL_OPEN_MISSING : WCX_JOURNAL_OPEN_BAD;
    snprintf(err, err_sz, "journal directory %s: %s", path, strerrordesc_np(errno));
    return result;
  }
  dir_source_t *dir = malloc(sizeof(*dir));
  if (dir == NULL)
  {
    close(fd);
    snprintf(err, err_sz, "no memory");
    return WCX_JOURNAL_OPEN_BAD;
  }
  *dir = (dir_source_t){.dir_fd = fd, .fd = -1};
  *source = (wcx_journal_source_t){.ctx = dir, .read = dir_read, .last_segment = dir_last_segment, .close = dir_close, .override_page = dir_override_page};
  return WCX_JOURNAL_OPEN_OK;
}
