/* Memory that outlives its process (dataplane/memory.h): on a file of ordinary pages, which keeps its bytes just as one of huge pages does. */
#include "dataplane/memory.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SZ ((size_t)64 << 10)

static char folder[] = "build/test-memory-XXXXXX";
static char path[64], other[64];
static char err[256];

static int set_up(void **state)
{
  (void)state;
  memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
  if (mkdtemp(folder) == NULL)
    return 1;
  snprintf(path, sizeof(path), "%s/memory", folder);
  snprintf(other, sizeof(other), "%s/other", folder);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  (void)unlink(path);
  (void)unlink(other);
  return rmdir(folder);
}

/* A process that maps sz bytes, says in its status whether all of them are `found`, leaves `left` behind and is killed. */
static void live_and_die(size_t sz, uint8_t found, uint8_t left)
{
  int told[2];
  assert_int_equal(pipe(told), 0);
  pid_t pid = fork();
  if (pid == 0)
  {
    uint8_t *mem = wcx_memory_keep(path, sz, err, sizeof(err));
    uint8_t same = mem != NULL;
    for (size_t i = 0; same && i < sz; i++)
      same = mem[i] == found;
    if (mem != NULL)
      memset(mem, left, sz);
    if (write(told[1], &same, 1) != 1)
      _exit(1);
    pause();
    _exit(1);
  }
  close(told[1]);
  uint8_t same = 0;
  assert_int_equal(read(told[0], &same, 1), 1);
  close(told[0]);
  assert_true(same);
  /* while it lives nobody else gets its pages; when it is dead the next one does */
  if (left == 2)
  {
    assert_null(wcx_memory_keep(path, sz, err, sizeof(err)));
    assert_non_null(strstr(err, "another process"));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, sz);
  }
  kill(pid, SIGKILL);
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFSIGNALED(status));
}

static void test_pages_outlive_their_process(void **state)
{
  (void)state;
  live_and_die(SZ, 0, 1);
  live_and_die(SZ, 1, 2);
  live_and_die(SZ, 2, 3);
  live_and_die(SZ / 2, 3, 4); /* another configuration */
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(st.st_size, SZ / 2);
  assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_a_strange_file_is_left_alone(void **state)
{
  (void)state;
  int fd = open(other, O_RDWR | O_CREAT, 0644);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, "not ours", 8), 8);
  assert_int_equal(fchmod(fd, 0644), 0);
  close(fd);
  assert_null(wcx_memory_keep(other, SZ, err, sizeof(err)));
  assert_non_null(strstr(err, "this user alone"));
  assert_int_equal(symlink("other", path), 0);
  assert_null(wcx_memory_keep(path, SZ, err, sizeof(err)));
  struct stat st;
  assert_int_equal(stat(other, &st), 0);
  assert_int_equal(st.st_size, 8);
}

static void test_what_cannot_be_mapped_keeps_no_page(void **state)
{
  (void)state;
  live_and_die(SZ, 0, 1);
  assert_null(wcx_memory_keep(path, (size_t)1 << 50, err, sizeof(err)));
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(st.st_blocks, 0);
}

/* Without a hugetlbfs below the region there is anonymous memory, and no file. */
static void test_ordinary_pages(void **state)
{
  (void)state;
  uint8_t *mem = wcx_memory_map(path, 0, SZ, false);
  assert_int_equal((uintptr_t)mem % 4096, 0);
  memset(mem, 1, SZ);
  char kept[80];
  snprintf(kept, sizeof(kept), "%s.memory-0", path);
  assert_int_equal(access(kept, F_OK), -1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_pages_outlive_their_process, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_a_strange_file_is_left_alone, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_what_cannot_be_mapped_keeps_no_page, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_ordinary_pages, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
