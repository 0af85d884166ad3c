/* The production disk of workers that have no commit path: plain system calls. Written past the page cache, piece by piece durable, so that no flush of a
   whole file stands in the way of the journal's; read through the page cache after what it held of the file has been dropped, so that what is read back
   comes from the disk and stays at hand for whoever starts next. */
#include "persist/disk.h"
#include "persist/disk_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

struct wcx_disk
{
  int dir_fd;
  int lock_fd;
  int fds[WCX_DISK_FILES_MAX];
};

int wcx_disk_open(wcx_disk_t **opened, const char *dir, uint32_t depth, uint32_t buffer_cnt, uint32_t buffer_sz, uint64_t timeout_ns)
{
  (void)buffer_sz;
  if (depth != 0 || buffer_cnt != 0)
    return -ENOTSUP;
  wcx_disk_t *disk = malloc(sizeof(*disk));
  if (disk == NULL)
    return -ENOMEM;
  disk->lock_fd = -1;
  disk->dir_fd = -1;
  for (uint32_t i = 0; i < WCX_DISK_FILES_MAX; i++)
    disk->fds[i] = -1;
  int result = wcx_disk_dir_make(dir);
  if (result == 0)
  {
    disk->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    result = disk->dir_fd < 0 ? -errno : wcx_disk_dir_lock(disk->dir_fd, timeout_ns, &disk->lock_fd);
  }
  if (result < 0)
    wcx_disk_close(disk);
  else
    *opened = disk;
  return result;
}

void wcx_disk_close(wcx_disk_t *disk)
{
  for (uint32_t i = 0; i < WCX_DISK_FILES_MAX; i++)
    wcx_disk_file_close(disk, i);
  if (disk->lock_fd >= 0)
    close(disk->lock_fd);
  if (disk->dir_fd >= 0)
    close(disk->dir_fd);
  free(disk);
}

int wcx_disk_file_open(wcx_disk_t *disk, uint32_t handle, const char *name, bool create)
{
  wcx_disk_file_close(disk, handle);
  int flags = create ? O_RDWR | O_CREAT | O_DIRECT : O_RDONLY;
  int fd = openat(disk->dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0 && errno == EINVAL && create) /* a file system without O_DIRECT */
    fd = openat(disk->dir_fd, name, (flags & ~O_DIRECT) | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0)
    return -errno;
  if (!create)
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  disk->fds[handle] = fd;
  return 0;
}

void wcx_disk_file_close(wcx_disk_t *disk, uint32_t handle)
{
  if (disk->fds[handle] >= 0)
    close(disk->fds[handle]);
  disk->fds[handle] = -1;
}

int64_t wcx_disk_file_sz(wcx_disk_t *disk, uint32_t handle)
{
  struct stat st;
  return fstat(disk->fds[handle], &st) == 0 ? (int64_t)st.st_size : -errno;
}

int wcx_disk_read(wcx_disk_t *disk, uint32_t handle, uint64_t off, void *buf, size_t sz)
{
  size_t done = 0;
  while (done < sz)
  {
    ssize_t got = pread(disk->fds[handle], (uint8_t *)buf + done, sz - done, (off_t)(off + done));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return -errno;
    if (got == 0)
      break;
    done += (size_t)got;
  }
  return (int)done;
}

int wcx_disk_write(wcx_disk_t *disk, uint32_t handle, uint64_t off, const void *buf, size_t sz)
{
  struct iovec part = {.iov_base = (void *)(uintptr_t)buf, .iov_len = sz};
  ssize_t got;
  do
    got = pwritev2(disk->fds[handle], &part, 1, (off_t)off, RWF_DSYNC);
  while (got < 0 && errno == EINTR);
  if (got < 0)
    return -errno;
  return (size_t)got == sz ? 0 : -ENOSPC; /* a short write: nothing more fits */
}

int wcx_disk_sync(wcx_disk_t *disk, uint32_t handle)
{
  return fsync(disk->fds[handle]) == 0 ? 0 : -errno;
}

int wcx_disk_rename(wcx_disk_t *disk, const char *from, const char *to)
{
  return renameat(disk->dir_fd, from, disk->dir_fd, to) == 0 ? 0 : -errno;
}

int wcx_disk_remove(wcx_disk_t *disk, const char *name)
{
  return unlinkat(disk->dir_fd, name, 0) == 0 ? 0 : -errno;
}

int wcx_disk_sync_dir(wcx_disk_t *disk)
{
  return wcx_disk_dir_sync(disk->dir_fd, disk->lock_fd);
}

int wcx_disk_list(wcx_disk_t *disk, void (*visit)(void *ctx, const char *name), void *ctx)
{
  int fd = openat(disk->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *list = fd < 0 ? NULL : fdopendir(fd);
  if (list == NULL)
  {
    int error = errno;
    if (fd >= 0)
      close(fd);
    return -error;
  }
  for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list))
    if (entry->d_name[0] != '.')
      visit(ctx, entry->d_name);
  closedir(list);
  return 0;
}

uint64_t wcx_disk_free_bytes(wcx_disk_t *disk)
{
  struct statvfs fs;
  return fstatvfs(disk->dir_fd, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
}
