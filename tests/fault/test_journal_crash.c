/* 600 seeds of crashes and power losses: 0 lost, 0 phantom, and the worker always starts again. WCX_SEED=n repeats seed n alone. */
#include "tests/sim/journal_crash.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEEDS 600u
#define CRASHES 12u

static void nothing_lost_nothing_false(void **state)
{
  (void)state;
  wcx_journal_crash_counts_t counts = {0};
  const char *only = getenv("WCX_SEED");
  uint64_t from = only != NULL ? strtoull(only, NULL, 0) : 1;
  uint64_t to = only != NULL ? from : SEEDS;
  for (uint64_t seed = from; seed <= to; seed++)
  {
    const char *text = wcx_journal_crash_run(seed, CRASHES, &counts);
    if (text != NULL)
      fail_msg("WCX_SEED=%" PRIu64 ": %s", seed, text);
  }
  print_message("# %" PRIu64 " crashes, %" PRIu64 " power losses, %" PRIu64 " cuts, %" PRIu64 " whole blocks discarded, %" PRIu64 " starts from an anchor, %" PRIu64
                " walks without the oldest segments, %" PRIu64 " records released, %" PRIu64 " crash points\n",
                counts.crashes, counts.power_losses, counts.cuts, counts.discarded, counts.anchored, counts.trimmed, counts.released, counts.points);
  if (only == NULL) /* the simulation must have reached what it is about */
    assert_true(counts.cuts > 50 && counts.discarded > 10 && counts.anchored > 1000 && counts.trimmed > 500 && counts.released > 10000);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_lost_nothing_false)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
