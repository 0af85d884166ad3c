#include "persist/disk_dir.h"

#include "engine/base/env.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define LOCK_RETRY_NS 2000000

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
    if (mkdir(path, 0750) < 0 && errno != EEXIST)
      return -errno;
    path[i] = i < len ? '/' : 0;
  }
  return 0;
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
