/* As much of cmocka as the engine's tests use, from libc alone: `make alone`, where cmocka is not installed. Everywhere else the library is used.

   A failed assertion says where and ends its test, after which that test's teardown is called. Prints TAP; the result is the number of failed tests.
   Not here: mocks, and telling a crash from an end of the program, which is a failure, too. */
#ifndef WCX_TESTS_ALONE_CMOCKA_H
#define WCX_TESTS_ALONE_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef int (*wcx_alone_fixture_t)(void **state);

struct CMUnitTest
{
  const char *name;
  void (*test)(void **state);
  wcx_alone_fixture_t setup;
  wcx_alone_fixture_t teardown;
};

static jmp_buf wcx_alone_failed;

__attribute__((format(printf, 3, 4), noreturn, unused)) static void wcx_alone_fail(const char *file, int line, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  printf("# %s:%d: ", file, line);
  vprintf(fmt, args);
  printf("\n");
  va_end(args);
  longjmp(wcx_alone_failed, 1);
}

__attribute__((format(printf, 1, 2), unused)) static void wcx_alone_print(const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  printf("# ");
  vprintf(fmt, args);
  va_end(args);
}

static inline int wcx_alone_fixture(wcx_alone_fixture_t fixture, void **state)
{
  return fixture != NULL && (setjmp(wcx_alone_failed) != 0 || fixture(state) != 0);
}

static inline int wcx_alone_test(const struct CMUnitTest *test)
{
  void *state = NULL;
  volatile int failed = wcx_alone_fixture(test->setup, &state);
  if (!failed)
  {
    if (setjmp(wcx_alone_failed) != 0)
      failed = 1;
    else
      test->test(&state);
    failed |= wcx_alone_fixture(test->teardown, &state);
  }
  return failed;
}

static inline int wcx_alone_run(const struct CMUnitTest *tests, size_t cnt, wcx_alone_fixture_t setup, wcx_alone_fixture_t teardown)
{
  void *state = NULL;
  int failed = wcx_alone_fixture(setup, &state);
  printf("1..%zu\n", cnt);
  for (size_t i = 0; i < cnt; i++)
  {
    int bad = wcx_alone_test(&tests[i]);
    printf("%s %zu - %s\n", bad ? "not ok" : "ok", i + 1, tests[i].name);
    fflush(stdout); /* so that a child of the next test says none of it again */
    failed += bad;
  }
  return failed + wcx_alone_fixture(teardown, &state);
}

#define cmocka_unit_test(f)                                                                                                                                                        \
  {                                                                                                                                                                                \
#f, f, NULL, NULL                                                                                                                                                              \
  }
#define cmocka_unit_test_setup_teardown(f, setup, teardown)                                                                                                                        \
  {                                                                                                                                                                                \
#f, f, setup, teardown                                                                                                                                                         \
  }
#define cmocka_run_group_tests(tests, setup, teardown) wcx_alone_run(tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)
#define cmocka_run_group_tests_name(name, tests, setup, teardown) cmocka_run_group_tests(tests, setup, teardown)

#define print_message(...) wcx_alone_print(__VA_ARGS__)
#define fail_msg(...) wcx_alone_fail(__FILE__, __LINE__, __VA_ARGS__)
#define WCX_ALONE_ASSERT(fine, ...) ((fine) ? (void)0 : wcx_alone_fail(__FILE__, __LINE__, __VA_ARGS__))
#define assert_true(c) WCX_ALONE_ASSERT(c, "%s", #c)
#define assert_false(c) WCX_ALONE_ASSERT(!(c), "not: %s", #c)
#define assert_null(c) WCX_ALONE_ASSERT((c) == NULL, "%s is not NULL", #c)
#define assert_non_null(c) WCX_ALONE_ASSERT((c) != NULL, "%s is NULL", #c)
#define assert_ptr_equal(a, b) WCX_ALONE_ASSERT((const void *)(a) == (const void *)(b), "%s is not %s", #a, #b)

static inline void wcx_alone_ints(const char *file, int line, uintmax_t a, uintmax_t b, int equal, const char *what)
{
  if ((a == b) != equal)
    wcx_alone_fail(file, line, "%s: %#jx, %#jx", what, a, b);
}

static inline void wcx_alone_bytes(const char *file, int line, const void *a, const void *b, size_t sz, int equal, const char *what)
{
  if ((memcmp(a, b, sz) == 0) != equal)
    wcx_alone_fail(file, line, "%s: %zu bytes are %sequal", what, sz, equal ? "not " : "");
}

static inline void wcx_alone_strings(const char *file, int line, const char *a, const char *b, int equal)
{
  if ((strcmp(a, b) == 0) != equal)
    wcx_alone_fail(file, line, "\"%s\", \"%s\"", a, b);
}

#define assert_int_equal(a, b) wcx_alone_ints(__FILE__, __LINE__, (uintmax_t)(a), (uintmax_t)(b), 1, #a " is not " #b)
#define assert_int_not_equal(a, b) wcx_alone_ints(__FILE__, __LINE__, (uintmax_t)(a), (uintmax_t)(b), 0, #a " is " #b)
#define assert_memory_equal(a, b, sz) wcx_alone_bytes(__FILE__, __LINE__, a, b, sz, 1, #a ", " #b)
#define assert_memory_not_equal(a, b, sz) wcx_alone_bytes(__FILE__, __LINE__, a, b, sz, 0, #a ", " #b)
#define assert_string_equal(a, b) wcx_alone_strings(__FILE__, __LINE__, a, b, 1)
#define assert_string_not_equal(a, b) wcx_alone_strings(__FILE__, __LINE__, a, b, 0)

#endif
