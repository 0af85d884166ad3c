/* The file that says how a sink connects (persist/secret_file.c): who may read it, and what stays of it. */
#include "persist/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char text[WCX_SECRET_FILE_SZ];

static int read_file(const char *bytes, size_t sz, mode_t mode)
{
  char path[] = "/tmp/wcx-test-secret-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, bytes, sz), (ssize_t)sz);
  assert_int_equal(fchmod(fd, mode), 0);
  close(fd);
  memset(text, 0x55, sizeof(text));
  int result = wcx_secret_file_read(path, text);
  unlink(path);
  return result;
}

static void is_read_whole(void **state)
{
  (void)state;
  assert_int_equal(read_file("password=a b c \n\n", 17, 0640), 0);
  assert_string_equal(text, "password=a b c");
  assert_int_equal(read_file("x", 1, 0600), 0);
  assert_string_equal(text, "x");
  assert_int_equal(read_file(" \n", 2, 0600), -EINVAL);
  assert_int_equal(wcx_secret_file_read("/nowhere/at/all", text), -ENOENT);
}

static void is_refused_when_others_may_have_it(void **state)
{
  (void)state;
  for (uint32_t bit = 0; bit < 3; bit++)
    assert_int_equal(read_file("password=x", 10, 0600 | 1u << bit), -EPERM);
  assert_non_null(strstr(wcx_secret_file_why(-EPERM), "chmod 0600"));
}

/* One that does not fit has been read all the same. */
static void nothing_stays_of_what_is_refused(void **state)
{
  (void)state;
  static char bytes[WCX_SECRET_FILE_SZ + 1];
  static const char none[WCX_SECRET_FILE_SZ];
  memset(bytes, 'p', sizeof(bytes));
  assert_int_equal(read_file(bytes, WCX_SECRET_FILE_SZ - 1, 0600), 0);
  assert_memory_equal(text, bytes, WCX_SECRET_FILE_SZ - 1);
  for (size_t over = 0; over < 2; over++)
  {
    assert_int_equal(read_file(bytes, WCX_SECRET_FILE_SZ + over, 0600), -EFBIG);
    assert_memory_equal(text, none, sizeof(none));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(is_read_whole),
      cmocka_unit_test(is_refused_when_others_may_have_it),
      cmocka_unit_test(nothing_stays_of_what_is_refused),
  };
  return cmocka_run_group_tests_name("secret_file", tests, NULL, NULL);
}
