/* persist/pace.h: neither more than its rate, however often it is asked, nor much less. */
#include "persist/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)
#define SECOND_NS UINT64_C(1000000000)
#define START_NS (5 * SECOND_NS) /* of a clock that runs since the machine started */

/* Who asks every step_ns, for so long, and takes all that it gets in pieces. */
static uint64_t taken(wcx_pace_t *pace, uint64_t from_ns, uint64_t for_ns, uint64_t step_ns, uint32_t piece)
{
  uint64_t sum = 0;
  for (uint64_t now_ns = from_ns; now_ns < from_ns + for_ns; now_ns += step_ns)
    while (wcx_pace_allows(pace, now_ns))
    {
      wcx_pace_pay(pace, piece);
      sum += piece;
    }
  return sum;
}

static void test_the_rate_is_kept_however_often_it_is_asked(void **state)
{
  (void)state;
  static const uint64_t steps_ns[] = {1000, 50000, 488281, 488282, 5000000, 90000000};
  static const uint32_t pieces[] = {4096, 65536, 524288};
  for (size_t i = 0; i < sizeof(steps_ns) / sizeof(steps_ns[0]); i++)
    for (size_t j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++)
    {
      wcx_pace_t pace = {.bytes_per_s = 8 * MIB};
      uint64_t sum = taken(&pace, START_NS, 3 * SECOND_NS, steps_ns[i], pieces[j]);
      assert_in_range(sum, 24 * MIB * 9 / 10, 24 * MIB + 8 * MIB / 10 + pieces[j]);
    }
}

static void test_a_piece_that_is_not_paid_for_yet_saves_nothing_up(void **state)
{
  (void)state;
  wcx_pace_t pace = {.bytes_per_s = MIB};
  assert_int_equal(taken(&pace, START_NS, 1, 1, MIB), MIB); /* a second's worth at once: nothing more for 900 ms */
  for (uint64_t ms = 0; ms < 900; ms++)
    assert_false(wcx_pace_allows(&pace, START_NS + ms * 1000000));
  assert_true(wcx_pace_allows(&pace, START_NS + 901 * UINT64_C(1000000)));
}

static void test_a_rest_saves_up_a_tenth_of_a_second(void **state)
{
  (void)state;
  wcx_pace_t pace = {.bytes_per_s = 100 * MIB};
  (void)taken(&pace, START_NS, SECOND_NS, 1000000, 4096);
  assert_in_range(taken(&pace, START_NS + 60 * SECOND_NS, 1, 1, 4096), 10 * MIB, 10 * MIB + 4096);
}

static void test_what_has_no_byte_costs_time_too(void **state)
{
  (void)state;
  wcx_pace_t pace = {.bytes_per_s = MIB, .paid_ns = START_NS - 1};
  assert_true(wcx_pace_allows(&pace, START_NS));
  wcx_pace_pay(&pace, 0);
  assert_false(wcx_pace_allows(&pace, START_NS));
  assert_false(wcx_pace_allows(&pace, START_NS + WCX_PACE_NOTHING_NS - 1));
  assert_true(wcx_pace_allows(&pace, START_NS + WCX_PACE_NOTHING_NS));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_rate_is_kept_however_often_it_is_asked),
      cmocka_unit_test(test_a_piece_that_is_not_paid_for_yet_saves_nothing_up),
      cmocka_unit_test(test_a_rest_saves_up_a_tenth_of_a_second),
      cmocka_unit_test(test_what_has_no_byte_costs_time_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
