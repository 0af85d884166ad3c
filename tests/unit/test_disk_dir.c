/* Directories that are made are durable (persist/disk_dir.h). */
#include "persist/disk_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SYNCED_MAX 16u

static char root[] = "build/test-disk-dir-XXXXXX";
static ino_t synced[SYNCED_MAX];
static uint32_t synced_cnt;
static bool fails;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
  struct stat st;
  assert_int_equal(fstat(fd, &st), 0);
  assert_true(synced_cnt < SYNCED_MAX);
  synced[synced_cnt++] = st.st_ino;
  if (!fails)
    return __real_fsync(fd);
  errno = EIO;
  return -1;
}

static int set_up(void **state)
{
  (void)state;
  memcpy(root + strlen(root) - 6, "XXXXXX", 6);
  synced_cnt = 0;
  fails = false;
  return mkdtemp(root) == NULL;
}

static int tear_down(void **state)
{
  (void)state;
  char command[64];
  snprintf(command, sizeof(command), "rm -rf %s", root);
  return system(command);
}

static void assert_synced(const char *under, uint32_t idx)
{
  char path[128];
  struct stat st;
  snprintf(path, sizeof(path), "%s%s", root, under);
  assert_int_equal(stat(path, &st), 0);
  assert_true(idx < synced_cnt);
  assert_int_equal(synced[idx], st.st_ino);
}

static int make(const char *under)
{
  char path[128];
  snprintf(path, sizeof(path), "%s%s", root, under);
  return wcx_disk_dir_make(path);
}

static void every_name_is_synced_where_it_stands(void **state)
{
  (void)state;
  assert_int_equal(make("/a/b/c"), 0);
  assert_int_equal(synced_cnt, 3);
  assert_synced("", 0);
  assert_synced("/a", 1);
  assert_synced("/a/b", 2);
  assert_int_equal(make("/a/b/d"), 0);
  assert_int_equal(synced_cnt, 4);
  assert_synced("/a/b", 3);
  assert_int_equal(make("/a/b/d"), 0); /* nothing is made */
  assert_int_equal(synced_cnt, 4);
}

static void a_name_without_a_folder(void **state)
{
  (void)state;
  assert_int_equal(chdir(root), 0);
  int made = wcx_disk_dir_make("plain");
  assert_int_equal(chdir("../.."), 0);
  assert_int_equal(made, 0);
  assert_synced("", 0);
}

static void a_failed_sync_is_told(void **state)
{
  (void)state;
  fails = true;
  assert_int_equal(make("/a/b"), -EIO);
}

/* What takes no change is not asked to sync: it might say yes. */
static void a_sync_is_of_a_change_of_its_own(void **state)
{
  (void)state;
  int dir_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int lock_fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  int refuses_fd = openat(dir_fd, "lock", O_RDONLY | O_CLOEXEC);
  assert_true(dir_fd >= 0 && lock_fd >= 0 && refuses_fd >= 0);
  off_t before = 0;
  for (uint32_t i = 0; i < 5; i++)
  {
    struct stat st;
    synced_cnt = 0;
    assert_int_equal(wcx_disk_dir_sync(dir_fd, lock_fd), 0);
    assert_synced("/lock", 0);
    assert_synced("", 1);
    assert_int_equal(fstat(lock_fd, &st), 0);
    assert_true(st.st_size != before && st.st_size > 0);
    before = st.st_size;
  }
  synced_cnt = 0;
  assert_true(wcx_disk_dir_sync(dir_fd, refuses_fd) < 0);
  assert_int_equal(synced_cnt, 0);
  fails = true;
  assert_int_equal(wcx_disk_dir_sync(dir_fd, lock_fd), -EIO);
  close(refuses_fd);
  close(lock_fd);
  close(dir_fd);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(every_name_is_synced_where_it_stands, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_name_without_a_folder, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_failed_sync_is_told, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_sync_is_of_a_change_of_its_own, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
