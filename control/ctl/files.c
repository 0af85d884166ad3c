#include "control/ctl/files.h"

#include "engine/shm/journal_decision.h"
#include "persist/disk_dir.h"
#include "persist/pages.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SZ 512u
#define COPY_SZ (1u << 20)

static int say(const char *what, const char *path)
{
  return wcx_ctl_fail(WCX_CTL_FAILED, "cannot %s %s: %s", what, path, strerror(errno));
}

static int sync_dir(const char *dir)
{
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int result = fd < 0 ? -1 : fsync(fd);
  int status = result != 0 ? say("sync", dir) : WCX_CTL_OK;
  if (fd >= 0)
    close(fd);
  return status;
}

static bool write_all(int fd, const uint8_t *bytes, size_t sz)
{
  while (sz > 0)
  {
    ssize_t put = write(fd, bytes, sz);
    if (put < 0 && errno == EINTR)
      continue;
    if (put <= 0)
      return false;
    bytes += put;
    sz -= (size_t)put;
  }
  return true;
}

/* The file that is to get `name`. */
static int open_temp(const char *dir, char temp[PATH_SZ])
{
  int result = wcx_disk_dir_make(dir);
  if (result < 0)
  {
    errno = -result;
    return say("make", dir);
  }
  snprintf(temp, PATH_SZ, "%s/copying.tmp", dir);
  return WCX_CTL_OK;
}

static int give_name(const char *dir, const char *temp, const char *name)
{
  char path[PATH_SZ];
  snprintf(path, sizeof(path), "%s/%s", dir, name);
  return rename(temp, path) != 0 ? say("rename", temp) : sync_dir(dir);
}

int wcx_ctl_put_file(const char *dir, const char *name, const void *bytes, size_t sz)
{
  char temp[PATH_SZ];
  int status = open_temp(dir, temp);
  if (status != WCX_CTL_OK)
    return status;
  int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0 || !write_all(fd, bytes, sz) || fsync(fd) != 0)
    status = say("write", temp);
  if (fd >= 0)
    close(fd);
  return status == WCX_CTL_OK ? give_name(dir, temp, name) : status;
}

/* Digest of a file's bytes as the disk has them now. */
static bool digest_of(const char *path, uint64_t *sz, wcx_digest_t *digest)
{
  uint8_t *buf = malloc(COPY_SZ);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  *sz = 0;
  *digest = (wcx_digest_t){0};
  ssize_t got = buf == NULL || fd < 0 ? -1 : 1;
  if (fd >= 0)
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  while (got > 0)
  {
    got = read(fd, buf, COPY_SZ);
    if (got > 0)
      wcx_digest_update(digest, buf, (size_t)got);
    *sz += got > 0 ? (uint64_t)got : 0;
  }
  if (fd >= 0)
    close(fd);
  free(buf);
  return got == 0;
}

static int copy_to(const char *from, const char *temp)
{
  uint8_t *buf = malloc(COPY_SZ);
  int in = open(from, O_RDONLY | O_CLOEXEC);
  int out = in < 0 ? -1 : open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  ssize_t got = buf == NULL || out < 0 ? -1 : 1;
  while (got > 0)
  {
    got = read(in, buf, COPY_SZ);
    if (got > 0 && !write_all(out, buf, (size_t)got))
      got = -1;
  }
  if (got == 0 && fsync(out) != 0)
    got = -1;
  int status = got != 0 ? say("copy", from) : WCX_CTL_OK;
  if (in >= 0)
    close(in);
  if (out >= 0)
    close(out);
  free(buf);
  if (status != WCX_CTL_OK)
    return status;
  uint64_t sz, sz_again;
  wcx_digest_t digest, again;
  bool read = digest_of(from, &sz, &digest) && digest_of(temp, &sz_again, &again);
  if (read && sz == sz_again && digest.lo == again.lo && digest.hi == again.hi)
    return WCX_CTL_OK;
  return wcx_ctl_fail(WCX_CTL_FAILED, "%s: what was read back is not what was written", temp);
}

int wcx_ctl_copy_file(const char *from_dir, const char *to_dir, const char *name)
{
  char from[PATH_SZ], temp[PATH_SZ];
  snprintf(from, sizeof(from), "%s/%s", from_dir, name);
  int status = open_temp(to_dir, temp);
  if (status == WCX_CTL_OK)
    status = copy_to(from, temp);
  return status == WCX_CTL_OK ? give_name(to_dir, temp, name) : status;
}

int wcx_ctl_copy_if_there(const char *from_dir, const char *to_dir, const char *name)
{
  char from[PATH_SZ];
  snprintf(from, sizeof(from), "%s/%s", from_dir, name);
  return access(from, F_OK) != 0 && errno == ENOENT ? WCX_CTL_OK : wcx_ctl_copy_file(from_dir, to_dir, name);
}

static int check_snapshot(const char *path)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0)
  {
    int status = say("read", path);
    if (fd >= 0)
      close(fd);
    return status;
  }
  void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  if (bytes == MAP_FAILED)
    return say("read", path);
  wcx_snapshot_file_t hdr;
  char err[160];
  int status = wcx_snapshot_check(bytes, (uint64_t)st.st_size, &hdr, err, sizeof(err)) ? WCX_CTL_OK : wcx_ctl_fail(WCX_CTL_FAILED, "%s: %s", path, err);
  munmap(bytes, (size_t)st.st_size);
  return status;
}

int wcx_ctl_copy_snapshot(const char *from_dir, const char *to_dir, const char *name)
{
  char from[PATH_SZ], path[PATH_SZ], temp[PATH_SZ];
  snprintf(from, sizeof(from), "%s/%s", from_dir, name);
  snprintf(path, sizeof(path), "%s/%s", to_dir, name);
  if (access(path, F_OK) == 0)
    return check_snapshot(path);
  int status = open_temp(to_dir, temp);
  if (status == WCX_CTL_OK)
    status = copy_to(from, temp);
  if (status == WCX_CTL_OK)
    status = check_snapshot(temp);
  return status == WCX_CTL_OK ? give_name(to_dir, temp, name) : status;
}

int wcx_ctl_make_empty_dir(const char *dir)
{
  int result = wcx_disk_dir_make(dir);
  struct dirent **names = NULL;
  int cnt = result < 0 ? -1 : scandir(dir, &names, NULL, NULL);
  if (cnt < 0)
    return wcx_ctl_fail(WCX_CTL_FAILED, "cannot make %s: %s", dir, strerror(result < 0 ? -result : errno));
  int status = WCX_CTL_OK;
  for (int i = 0; i < cnt; i++)
  {
    uint64_t segment_no;
    char path[PATH_SZ];
    const char *name = names[i]->d_name;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    bool ours = wcx_segment_no_of(name, &segment_no) || strcmp(name, "superblock") == 0 || strcmp(name, WCX_JOURNAL_OVERRIDES_NAME) == 0 ||
                strcmp(name, WCX_JOURNAL_DECISIONS_NAME) == 0 || strcmp(name, "copying.tmp") == 0;
    if (status == WCX_CTL_OK && ours && unlink(path) != 0) /* of a restore that was broken off */
      status = say("remove", path);
    free(names[i]);
  }
  free(names);
  return status;
}

int wcx_ctl_put_super(const char *dir, const wcx_journal_super_t *super)
{
  static uint8_t pages[WCX_JOURNAL_SUPER_COPIES * WCX_JOURNAL_ALIGN];
  wcx_page_of_super(pages, super);
  return wcx_ctl_put_file(dir, "superblock", pages, sizeof(pages));
}

int wcx_ctl_name_dir(const char *dir, const char *name)
{
  char parent[PATH_SZ];
  snprintf(parent, sizeof(parent), "%s", name);
  *strrchr(parent, '/') = '\0';
  if (renameat2(AT_FDCWD, dir, AT_FDCWD, name, RENAME_NOREPLACE) != 0)
    return say("rename", dir);
  return sync_dir(parent);
}
