/* The crash simulation is alive: the same worker, compiled so that it releases at submit instead of at completion, must be caught. */
#define WCX_MUTANT_RELEASE_AT_SUBMIT 1
#include "persist/journal.c"

#include "tests/sim/journal_crash.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void releasing_early_is_caught(void **state)
{
  (void)state;
  wcx_journal_crash_counts_t counts = {0};
  for (uint64_t seed = 1; seed <= 50; seed++)
  {
    const char *caught = wcx_journal_crash_run(seed, 12, &counts);
    if (caught == NULL)
      continue;
    print_message("# caught at seed %" PRIu64 " after %" PRIu64 " crashes: %s\n", seed, counts.crashes, caught);
    assert_non_null(strstr(caught, "lost"));
    return;
  }
  fail_msg("50 seeds did not catch a worker that releases early");
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(releasing_early_is_caught)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
