/* One test that holds and one that must fail: tests/run.py refuses to report success unless it sees exactly that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void holds(void **state)
{
  (void)state;
  assert_int_equal(2 + 2, 4);
}

static void must_fail(void **state)
{
  (void)state;
  assert_int_equal(2 + 2, 5);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(holds), cmocka_unit_test(must_fail)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
