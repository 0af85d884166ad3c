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
#define ABOVE_CNT 2u /* of the test's own directory: the repository and build/ */

static char root[] = "build/test-disk-dir-XXXXXX";
static ino_t synced[SYNCED_MAX];
static uint32_t synced_cnt;
static const char *fails_under; /* a directory whose sync fails; NULL: none */
static int fails_with;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
  struct stat st;
  struct stat failing;
  assert_int_equal(fstat(fd, &st), 0);
  assert_true(synced_cnt < SYNCED_MAX);
  synced[synced_cnt++] = st.st_ino;
  if (fails_under == NULL || stat(fails_under, &failing) != 0 || failing.st_ino != st.st_ino)
    return __real_fsync(fd);
  errno = fails_with;
  return -1;
}

static int set_up(void **state)
{
  (void)state;
  memcpy(root + strlen(root) - 6, "XXXXXX", 6);
  synced_cnt = 0;
  fails_under = NULL;
  fails_with = EIO;
  return mkdtemp(root) == NULL;
}

static int tear_down(void **state)
{
  (void)state;
  char command[64];
  snprintf(command, sizeof(command), "rm -rf %s", root);
  return system(command);
}

static ino_t inode_of(const char *under)
{
  char path[128];
  struct stat st;
  snprintf(path, sizeof(path), "%s%s", root, under);
  assert_int_equal(stat(path, &st), 0);
  return st.st_ino;
}

static void assert_synced(const char *under, uint32_t idx)
{
  assert_true(idx < synced_cnt);
  assert_int_equal(synced[idx], inode_of(under));
}

static int make(const char *under)
{
  char path[128];
  snprintf(path, sizeof(path), "%s%s", root, under);
  synced_cnt = 0;
  return wcx_disk_dir_make(path);
}

static void every_name_is_synced_where_it_stands(void **state)
{
  (void)state;
  assert_int_equal(make("/a/b/c"), 0);
  assert_int_equal(synced_cnt, ABOVE_CNT + 3);
  assert_synced("", ABOVE_CNT);
  assert_synced("/a", ABOVE_CNT + 1);
  assert_synced("/a/b", ABOVE_CNT + 2);
}

/* It may have been killed in between. */
static void who_made_a_name_need_not_have_synced_it(void **state)
{
  (void)state;
  fails_under = root;
  assert_int_equal(make("/a"), -EIO);
  fails_under = NULL;
  (void)inode_of("/a");
  assert_int_equal(make("/a/b"), 0);
  assert_int_equal(synced_cnt, ABOVE_CNT + 2);
  assert_synced("", ABOVE_CNT);
  assert_synced("/a", ABOVE_CNT + 1);
}

/* The root of a container may be of a file system that knows no sync, since nobody writes to it. */
static void no_sync_where_nothing_is_ever_made(void **state)
{
  (void)state;
  assert_int_equal(make("/a"), 0);
  fails_under = root;
  fails_with = EINVAL;
  assert_int_equal(make("/a/b"), 0);
  assert_int_equal(make("/c"), -EINVAL);
  fails_with = EIO;
  assert_int_equal(make("/a/b"), -EIO);
}

static void a_name_on_another_file_system_is_not_asked_for(void **state)
{
  (void)state;
  struct stat root_st;
  struct stat proc_st;
  assert_int_equal(stat("/", &root_st), 0);
  assert_int_equal(stat("/proc", &proc_st), 0);
  assert_true(root_st.st_dev != proc_st.st_dev);
  synced_cnt = 0;
  assert_int_equal(wcx_disk_dir_make("/proc"), 0);
  assert_int_equal(synced_cnt, 0);
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
  fails_under = root;
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
  fails_under = root;
  assert_int_equal(wcx_disk_dir_sync(dir_fd, lock_fd), -EIO);
  close(refuses_fd);
  close(lock_fd);
  close(dir_fd);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(every_name_is_synced_where_it_stands, set_up, tear_down),
      cmocka_unit_test_setup_teardown(who_made_a_name_need_not_have_synced_it, set_up, tear_down),
      cmocka_unit_test_setup_teardown(no_sync_where_nothing_is_ever_made, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_name_on_another_file_system_is_not_asked_for, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_name_without_a_folder, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_failed_sync_is_told, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_sync_is_of_a_change_of_its_own, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
