#include "persist/disk_dir.h"

#include "engine/base/env.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_RETRY_NS 2000000
#define LOCK_SZ_MAX 4096

/* The directory that holds the name `path`, opened; -errno. `path` is changed and put back. */
static int open_parent(char *path)
{
  char *slash = strrchr(path, '/');
  if (slash != NULL && slash != path)
    *slash = 0;
  int fd = open(slash == NULL ? "." : slash == path ? "/" : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int result = fd < 0 ? -errno : fd;
  if (slash != NULL)
    *slash = '/';
  return result;
}

/* No name in it can have been made by one who may not read it, or on another file system: `st` is of what the name leads to. */
static bool made_elsewhere(int parent_fd, const struct stat *st)
{
  struct stat parent;
  return parent_fd == -EACCES || (parent_fd >= 0 && fstat(parent_fd, &parent) == 0 && parent.st_dev != st->st_dev);
}

/* Make one directory, its name durable also when it is there: whoever made it may have died before the sync. */
static int make_one(char *path)
{
  struct stat there;
  bool made = mkdir(path, 0750) == 0;
  if (!made && (errno != EEXIST || stat(path, &there) < 0))
    return -errno;
  int parent_fd = open_parent(path);
  int result = 0;
  if (made || !made_elsewhere(parent_fd, &there))
    result = parent_fd < 0 ? parent_fd : fsync(parent_fd) < 0 ? -errno : 0;
  if (!made && result == -EINVAL) /* squashfs and others that nobody writes to have no fsync */
    result = 0;
  if (parent_fd >= 0)
    close(parent_fd);
  return result;
}

int wcx_disk_dir_make(const char *dir)
{
  char path[PATH_MAX];
  size_t len = strlen(dir);
  if (len == 0 || len >= sizeof(path))
    return -ENAMETOOLONG;
  memcpy(path, dir, len + 1);
  for (size_t i = 1; i <= len; i++)
  {
    if (path[i] != '/' && path[i] != 0)
      continue;
    path[i] = 0;
    int result = make_one(path);
    if (result < 0)
      return result;
    path[i] = i < len ? '/' : 0;
  }
  return 0;
}

/* A time that is set is no change that would be refused: ext4 forgets to say so. Of two threads each sets a size of its own. */
int wcx_disk_dir_sync(int dir_fd, int lock_fd)
{
  static _Atomic uint32_t changes;
  off_t sz = 1 + (off_t)(atomic_fetch_add_explicit(&changes, 1, memory_order_relaxed) % LOCK_SZ_MAX);
  if (ftruncate(lock_fd, 0) < 0 || ftruncate(lock_fd, sz) < 0 || fsync(lock_fd) < 0)
    return -errno;
  return fsync(dir_fd) < 0 ? -errno : 0;
}

int wcx_disk_dir_lock(int dir_fd, uint64_t timeout_ns, int *lock_fd)
{
  *lock_fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (*lock_fd < 0)
    return -errno;
  uint64_t deadline_ns = wcx_env_mono_ns() + timeout_ns;
  while (flock(*lock_fd, LOCK_EX | LOCK_NB) < 0)
  {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return -errno;
    if (wcx_env_mono_ns() >= deadline_ns)
      return -EWOULDBLOCK;
    struct timespec pause = {.tv_nsec = LOCK_RETRY_NS};
    nanosleep(&pause, NULL);
  }
  return 0;
}
