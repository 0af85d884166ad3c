/* The production disk: liburing for the commit path, plain system calls for the rest. The only file that includes liburing.

   The lock file's descriptor is one of the ring's registered files: the kernel keeps it, and with it the lock, until the last write in flight of a
   killed worker has ended. A successor that gets the lock therefore reads what will stay. */
#include "persist/disk.h"
#include "persist/disk_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#define LOCK_IDX WCX_DISK_FILES_MAX /* registered files: one per handle, then the lock */
#define ALIGN 4096u
#define ZERO_SZ (256u << 10)

struct wcx_disk
{
  struct io_uring ring;
  bool ring_made;
  int dir_fd;
  int lock_fd;
  int fds[WCX_DISK_FILES_MAX];
  bool registered[WCX_DISK_FILES_MAX];
  uint32_t buffer_cnt;
  uint32_t buffer_sz;
  uint8_t *buffers;
  uint8_t *zeros;
};

static int make_ring(wcx_disk_t *disk, uint32_t depth)
{
  struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG};
  int result = io_uring_queue_init_params(depth, &disk->ring, &params);
  if (result < 0)
    return result;
  disk->ring_made = true;
  struct iovec spans[WCX_DISK_FILES_MAX];
  for (uint32_t i = 0; i < disk->buffer_cnt; i++)
    spans[i] = (struct iovec){.iov_base = wcx_disk_buffer(disk, i), .iov_len = disk->buffer_sz};
  result = io_uring_register_buffers(&disk->ring, spans, disk->buffer_cnt);
  if (result == 0)
    result = io_uring_register_files_sparse(&disk->ring, WCX_DISK_FILES_MAX + 1);
  if (result == 0)
    result = io_uring_register_files_update(&disk->ring, LOCK_IDX, &disk->lock_fd, 1);
  return result < 0 ? result : 0;
}

int wcx_disk_open(wcx_disk_t **made, const char *dir, uint32_t depth, uint32_t buffer_cnt, uint32_t buffer_sz, uint64_t timeout_ns)
{
  wcx_disk_t *disk = calloc(1, sizeof(*disk));
  *made = NULL;
  if (disk == NULL || buffer_cnt > WCX_DISK_FILES_MAX)
  {
    free(disk);
    return -ENOMEM;
  }
  disk->dir_fd = -1;
  disk->lock_fd = -1;
  for (uint32_t i = 0; i < WCX_DISK_FILES_MAX; i++)
    disk->fds[i] = -1;
  disk->buffer_cnt = buffer_cnt;
  disk->buffer_sz = buffer_sz;
  disk->buffers = aligned_alloc(ALIGN, (size_t)buffer_cnt * buffer_sz);
  disk->zeros = aligned_alloc(ALIGN, ZERO_SZ);
  int result = disk->buffers == NULL || disk->zeros == NULL ? -ENOMEM : wcx_disk_dir_make(dir);
  if (result == 0)
  {
    memset(disk->buffers, 0, (size_t)buffer_cnt * buffer_sz);
    memset(disk->zeros, 0, ZERO_SZ);
    disk->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    result = disk->dir_fd < 0 ? -errno : wcx_disk_dir_lock(disk->dir_fd, timeout_ns, &disk->lock_fd);
  }
  if (result == 0)
    result = make_ring(disk, depth);
  if (result < 0)
  {
    wcx_disk_close(disk);
    return result;
  }
  *made = disk;
  return 0;
}

void wcx_disk_close(wcx_disk_t *disk)
{
  if (disk->ring_made)
    io_uring_queue_exit(&disk->ring);
  for (uint32_t i = 0; i < WCX_DISK_FILES_MAX; i++)
    if (disk->fds[i] >= 0)
      close(disk->fds[i]);
  if (disk->lock_fd >= 0)
    close(disk->lock_fd);
  if (disk->dir_fd >= 0)
    close(disk->dir_fd);
  free(disk->buffers);
  free(disk->zeros);
  free(disk);
}

void *wcx_disk_buffer(wcx_disk_t *disk, uint32_t idx)
{
  return disk->buffers + (size_t)idx * disk->buffer_sz;
}

/* --- blocking ------------------------------------------------------------------------------------- */

int wcx_disk_file_open(wcx_disk_t *disk, uint32_t handle, const char *name, bool create)
{
  int fd = openat(disk->dir_fd, name, O_RDWR | O_DIRECT | O_CLOEXEC | (create ? O_CREAT : 0), 0640);
  if (fd < 0)
    return -errno;
  disk->fds[handle] = fd;
  return 0;
}

void wcx_disk_file_close(wcx_disk_t *disk, uint32_t handle)
{
  if (disk->fds[handle] < 0)
    return;
  if (disk->registered[handle])
  {
    int none = -1;
    io_uring_register_files_update(&disk->ring, handle, &none, 1);
    disk->registered[handle] = false;
  }
  close(disk->fds[handle]);
  disk->fds[handle] = -1;
}

int64_t wcx_disk_file_sz(wcx_disk_t *disk, uint32_t handle)
{
  struct stat stat;
  return fstat(disk->fds[handle], &stat) < 0 ? -errno : (int64_t)stat.st_size;
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
    done += (size_t)got;
    if (got == 0 || done % ALIGN != 0) /* the end of the file */
      break;
  }
  return (int)done;
}

int wcx_disk_write(wcx_disk_t *disk, uint32_t handle, uint64_t off, const void *buf, size_t sz)
{
  struct iovec span = {.iov_base = (void *)(uintptr_t)buf, .iov_len = sz};
  ssize_t put = pwritev2(disk->fds[handle], &span, 1, (off_t)off, RWF_DSYNC);
  if (put < 0)
    return -errno;
  return (size_t)put == sz ? 0 : -EIO;
}

int wcx_disk_fill_zero(wcx_disk_t *disk, uint32_t handle, uint64_t off, uint64_t sz)
{
  while (sz > 0)
  {
    size_t part = sz < ZERO_SZ ? (size_t)sz : ZERO_SZ;
    ssize_t put = pwrite(disk->fds[handle], disk->zeros, part, (off_t)off);
    if (put < 0)
      return -errno;
    if ((size_t)put != part)
      return -ENOSPC;
    off += part;
    sz -= part;
  }
  return 0;
}

int wcx_disk_sync(wcx_disk_t *disk, uint32_t handle)
{
  return fdatasync(disk->fds[handle]) < 0 ? -errno : 0;
}

int wcx_disk_rename(wcx_disk_t *disk, const char *from, const char *to)
{
  return renameat(disk->dir_fd, from, disk->dir_fd, to) < 0 ? -errno : 0;
}

int wcx_disk_remove(wcx_disk_t *disk, const char *name)
{
  return unlinkat(disk->dir_fd, name, 0) < 0 ? -errno : 0;
}

int wcx_disk_sync_dir(wcx_disk_t *disk)
{
  return wcx_disk_dir_sync(disk->dir_fd, disk->lock_fd);
}

int wcx_disk_list(wcx_disk_t *disk, void (*visit)(void *ctx, const char *name), void *ctx)
{
  int fd = openat(disk->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  DIR *list = fdopendir(fd);
  if (list == NULL)
  {
    int result = -errno;
    close(fd);
    return result;
  }
  errno = 0;
  for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list))
    visit(ctx, entry->d_name);
  int result = -errno;
  closedir(list);
  return result;
}

uint64_t wcx_disk_free_bytes(wcx_disk_t *disk)
{
  struct statvfs stat;
  return fstatvfs(disk->dir_fd, &stat) < 0 ? 0 : (uint64_t)stat.f_bavail * stat.f_frsize;
}

/* --- commit path ---------------------------------------------------------------------------------- */

int wcx_disk_submit(wcx_disk_t *disk, uint32_t handle, uint64_t off, uint32_t buffer_idx, uint32_t sz, uint64_t user)
{
  if (!disk->registered[handle]) /* here and not in file_open: only this thread may touch the ring */
  {
    int result = io_uring_register_files_update(&disk->ring, handle, &disk->fds[handle], 1);
    if (result < 0)
      return result;
    disk->registered[handle] = true;
  }
  struct io_uring_sqe *sqe = io_uring_get_sqe(&disk->ring);
  if (sqe == NULL)
    return -EBUSY;
  io_uring_prep_write_fixed(sqe, (int)handle, wcx_disk_buffer(disk, buffer_idx), sz, off, (int)buffer_idx);
  sqe->flags |= IOSQE_FIXED_FILE;
  sqe->rw_flags = RWF_DSYNC;
  io_uring_sqe_set_data64(sqe, user);
  int submitted;
  do
    submitted = io_uring_submit(&disk->ring);
  while (submitted == -EINTR);
  return submitted < 0 ? submitted : submitted == 1 ? 0 : -EBUSY;
}

int wcx_disk_reap(wcx_disk_t *disk, wcx_disk_done_t *done, uint32_t max, uint64_t wait_ns)
{
  struct io_uring_cqe *cqes[WCX_DISK_FILES_MAX];
  if (wait_ns > 0)
  {
    struct __kernel_timespec timeout = {.tv_sec = (long long)(wait_ns / 1000000000u), .tv_nsec = (long long)(wait_ns % 1000000000u)};
    int result = io_uring_wait_cqes(&disk->ring, cqes, 1, &timeout, NULL);
    if (result == -ETIME || result == -EINTR)
      return 0;
    if (result < 0)
      return result;
  }
  uint32_t cnt = io_uring_peek_batch_cqe(&disk->ring, cqes, max < WCX_DISK_FILES_MAX ? max : WCX_DISK_FILES_MAX);
  for (uint32_t i = 0; i < cnt; i++)
    done[i] = (wcx_disk_done_t){.user = io_uring_cqe_get_data64(cqes[i]), .result = cqes[i]->res};
  io_uring_cq_advance(&disk->ring, cnt);
  return (int)cnt;
}
