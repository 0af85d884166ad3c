/* Rule 7 of engine/shm/journal_format.h: every combination of facts, each verdict written out here a second time. */
#include "engine/shm/journal_decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define C WCX_JOURNAL_CLEAN
#define T WCX_JOURNAL_CUT
#define D WCX_JOURNAL_DAMAGED
#define H WCX_JOURNAL_HALT

/* Index of the second dimension: below_hint * 4 + foreign * 2 + dirty. */
static const enum wcx_journal_verdict wanted[7][8] = {
    [WCX_JOURNAL_PLACE_ZERO] = {C, T, H, H, D, D, D, D},    [WCX_JOURNAL_PLACE_END] = {C, T, H, H, D, D, D, D},        [WCX_JOURNAL_PLACE_TORN] = {T, T, H, H, D, D, D, D},
    [WCX_JOURNAL_PLACE_FOREIGN] = {H, H, H, H, D, D, D, D}, [WCX_JOURNAL_PLACE_UNREADABLE] = {D, D, D, D, D, D, D, D}, [WCX_JOURNAL_PLACE_ROTTEN] = {H, H, H, H, D, D, D, D},
};

static void every_row(void **state)
{
  (void)state;
  for (int place = WCX_JOURNAL_PLACE_ZERO; place <= WCX_JOURNAL_PLACE_ROTTEN; place++)
    for (int i = 0; i < 8; i++)
    {
      wcx_journal_facts_t facts = {.place = (enum wcx_journal_place)place, .below_hint = (i & 4) != 0, .foreign = (i & 2) != 0, .dirty = (i & 1) != 0};
      if (wcx_journal_decide(&facts) != wanted[place][i])
        fail_msg("place %d, facts %d: %s", place, i, wcx_journal_verdict_name(wcx_journal_decide(&facts)));
    }
}

static void names(void **state)
{
  (void)state;
  assert_string_equal(wcx_journal_verdict_name(WCX_JOURNAL_CLEAN), "clean");
  assert_string_equal(wcx_journal_verdict_name(WCX_JOURNAL_CUT), "cut");
  assert_string_equal(wcx_journal_verdict_name(WCX_JOURNAL_DAMAGED), "damaged");
  assert_string_equal(wcx_journal_verdict_name(WCX_JOURNAL_HALT), "halt");
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_row), cmocka_unit_test(names)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
