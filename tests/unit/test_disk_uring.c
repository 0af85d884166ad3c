/* The disk of the journal worker (persist/disk_uring.c): what it asks of the kernel, because no test that leaves the power on can see the difference. */
#include "persist/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#define BUFFER_SZ 4096u
#define HANDLE 1u

static char root[] = "build/test-disk-uring-XXXXXX";
static wcx_disk_t *disk;
static uint32_t durable_submits, other_submits, durable_writes, other_writes;
static bool lock_registered;
static bool half, dropped, unlisted; /* the kernel writes half of what it is given; it takes no request; a listing breaks off */

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __real_io_uring_register_files_update(struct io_uring *ring, unsigned off, const int *files, unsigned cnt);
int __wrap_io_uring_register_files_update(struct io_uring *ring, unsigned off, const int *files, unsigned cnt);
ssize_t __real_pwritev2(int fd, const struct iovec *spans, int cnt, off_t off, int flags);
ssize_t __wrap_pwritev2(int fd, const struct iovec *spans, int cnt, off_t off, int flags);

static bool is_named(int fd, const char *end)
{
  char link[40], target[512];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  ssize_t len = readlink(link, target, sizeof(target) - 1);
  target[len < 0 ? 0 : len] = '\0';
  return len > (ssize_t)strlen(end) && strcmp(target + len - strlen(end), end) == 0;
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
  if (dropped)
    return 0;
  for (unsigned i = ring->sq.sqe_head; i != ring->sq.sqe_tail; i++)
  {
    const struct io_uring_sqe *sqe = &ring->sq.sqes[i & *ring->sq.kring_mask];
    bool durable = sqe->opcode == IORING_OP_WRITE_FIXED && (sqe->flags & IOSQE_FIXED_FILE) != 0 && (sqe->rw_flags & RWF_DSYNC) != 0;
    durable_submits += durable;
    other_submits += !durable;
  }
  return __real_io_uring_submit(ring);
}

int __wrap_io_uring_register_files_update(struct io_uring *ring, unsigned off, const int *files, unsigned cnt)
{
  for (unsigned i = 0; i < cnt; i++)
    lock_registered = lock_registered || (files[i] >= 0 && is_named(files[i], "/lock"));
  return __real_io_uring_register_files_update(ring, off, files, cnt);
}

ssize_t __wrap_pwritev2(int fd, const struct iovec *spans, int cnt, off_t off, int flags)
{
  durable_writes += (flags & RWF_DSYNC) != 0;
  other_writes += (flags & RWF_DSYNC) == 0;
  struct iovec part = {.iov_base = spans[0].iov_base, .iov_len = spans[0].iov_len / 2};
  return half ? __real_pwritev2(fd, &part, 1, off, flags) : __real_pwritev2(fd, spans, cnt, off, flags);
}

static bool lock_synced, dir_synced;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
  lock_synced = lock_synced || is_named(fd, "/lock");
  dir_synced = dir_synced || is_named(fd, root + strlen("build"));
  return __real_fsync(fd);
}

struct dirent *__real_readdir(DIR *list);
struct dirent *__wrap_readdir(DIR *list);

struct dirent *__wrap_readdir(DIR *list)
{
  if (!unlisted)
    return __real_readdir(list);
  errno = EIO;
  return NULL;
}

static int set_up(void **state)
{
  (void)state;
  memcpy(root + strlen(root) - 6, "XXXXXX", 6);
  durable_submits = other_submits = durable_writes = other_writes = 0;
  lock_registered = half = dropped = unlisted = lock_synced = dir_synced = false;
  return mkdtemp(root) == NULL || wcx_disk_open(&disk, root, 4, 4, BUFFER_SZ, 0) != 0 || wcx_disk_file_open(disk, HANDLE, "file", true) != 0;
}

static int tear_down(void **state)
{
  (void)state;
  wcx_disk_close(disk);
  char command[64];
  snprintf(command, sizeof(command), "rm -rf %s", root);
  return system(command);
}

/* Without it, a completion says that the page cache or the drive's cache has the block. */
static void every_block_is_written_through(void **state)
{
  (void)state;
  assert_int_equal(wcx_disk_write(disk, HANDLE, 0, wcx_disk_buffer(disk, 0), BUFFER_SZ), 0);
  assert_int_equal(durable_writes, 1);
  assert_int_equal(other_writes, 0);
  for (uint32_t i = 0; i < 4; i++)
    assert_int_equal(wcx_disk_submit(disk, HANDLE, BUFFER_SZ * (1 + i), i, BUFFER_SZ, i), 0);
  assert_int_equal(durable_submits, 4);
  assert_int_equal(other_submits, 0);
  wcx_disk_done_t done[4];
  for (int reaped = 0; reaped < 4;)
  {
    int got = wcx_disk_reap(disk, done, 4, 1000000000);
    assert_true(got > 0);
    for (int i = 0; i < got; i++)
      assert_int_equal(done[i].result, BUFFER_SZ);
    reaped += got;
  }
}

/* What a start reads back must come from the disk: the page cache may hold what a failed write never brought there. */
static void files_go_past_the_page_cache(void **state)
{
  (void)state;
  uint32_t found = 0;
  for (int fd = 0; fd < 256; fd++)
  {
    if (!is_named(fd, "/file"))
      continue;
    found++;
    assert_true((fcntl(fd, F_GETFL) & O_DIRECT) != 0);
  }
  assert_int_equal(found, 1);
}

/* The kernel drops the lock of a killed worker when its last write in flight has ended, because the ring holds the lock's file. */
static void the_ring_holds_the_lock(void **state)
{
  (void)state;
  assert_true(lock_registered);
  wcx_disk_t *second;
  assert_int_equal(wcx_disk_open(&second, root, 4, 4, BUFFER_SZ, 0), -EWOULDBLOCK);
}

static void names_are_synced_behind_the_lock(void **state)
{
  (void)state;
  assert_int_equal(wcx_disk_sync_dir(disk), 0);
  assert_true(lock_synced);
  assert_true(dir_synced);
}

/* Whoever is told that it is done believes that all of it is. */
static void half_a_write_is_none(void **state)
{
  (void)state;
  half = true;
  assert_int_equal(wcx_disk_write(disk, HANDLE, 0, wcx_disk_buffer(disk, 0), 2 * BUFFER_SZ), -EIO);
  half = false;
  assert_int_equal(wcx_disk_write(disk, HANDLE, 0, wcx_disk_buffer(disk, 0), 2 * BUFFER_SZ), 0);
}

/* A block that the kernel did not take would never be done, and what comes behind it never released: the worker must hear of it. */
static void what_was_not_submitted_is_told(void **state)
{
  (void)state;
  dropped = true;
  assert_true(wcx_disk_submit(disk, HANDLE, 0, 0, BUFFER_SZ, 1) < 0);
}

static void count_name(void *ctx, const char *name)
{
  (void)name;
  ++*(uint32_t *)ctx;
}

static void a_listing_that_breaks_off_is_told(void **state)
{
  (void)state;
  uint32_t cnt = 0;
  assert_int_equal(wcx_disk_list(disk, count_name, &cnt), 0);
  assert_int_equal(cnt, 4); /* file, lock, and the folder's own two */
  unlisted = true;
  assert_int_equal(wcx_disk_list(disk, count_name, &cnt), -EIO);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(every_block_is_written_through, set_up, tear_down),   cmocka_unit_test_setup_teardown(files_go_past_the_page_cache, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_ring_holds_the_lock, set_up, tear_down),          cmocka_unit_test_setup_teardown(half_a_write_is_none, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_was_not_submitted_is_told, set_up, tear_down),   cmocka_unit_test_setup_teardown(a_listing_that_breaks_off_is_told, set_up, tear_down),
      cmocka_unit_test_setup_teardown(names_are_synced_behind_the_lock, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
