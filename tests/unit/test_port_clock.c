/* A device's clock held against ours: stamps between readings, before the first and behind the last, a clock that runs down to a tenth of ours, readings that are off. */
#include "dataplane/port_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define START_NS UINT64_C(987654321000)

static void near_by(uint64_t got, uint64_t wanted, uint64_t by)
{
  uint64_t off = got > wanted ? got - wanted : wanted - got;
  if (off > by)
    fail_msg("%llu, wanted %llu +- %llu", (unsigned long long)got, (unsigned long long)wanted, (unsigned long long)by);
}

static void nothing_before_two_readings(void **state)
{
  (void)state;
  wcx_port_clock_t clock = {0};
  assert_int_equal(wcx_port_clock_ns(&clock, 7), 0);
  wcx_port_clock_read(&clock, START_NS, 1000);
  assert_int_equal(wcx_port_clock_ns(&clock, 1000), 0);
  wcx_port_clock_read(&clock, START_NS + 1, 1000); /* it stands still */
  assert_int_equal(wcx_port_clock_ns(&clock, 1000), 0);
}

static void stamps_are_told_in_ns(void **state)
{
  (void)state;
  static const uint64_t tick_ns[] = {1, 8, 10};
  for (uint32_t i = 0; i < sizeof(tick_ns) / sizeof(tick_ns[0]); i++)
  {
    wcx_port_clock_t clock = {0};
    uint64_t base = UINT64_C(1) << 60;
    wcx_port_clock_read(&clock, START_NS, base);
    wcx_port_clock_read(&clock, START_NS + 1000 * tick_ns[i], base + 1000);
    assert_int_equal(wcx_port_clock_ns(&clock, base + 1000), START_NS + 1000 * tick_ns[i]);
    assert_int_equal(wcx_port_clock_ns(&clock, base + 500), START_NS + 500 * tick_ns[i]);
    assert_int_equal(wcx_port_clock_ns(&clock, base + 9000), START_NS + 9000 * tick_ns[i]);
    assert_int_equal(wcx_port_clock_ns(&clock, base - 10), START_NS - 10 * tick_ns[i]);
  }
}

/* 156.25 MHz and 20 ppm fast, read every 100 ms, each reading up to 1 us off: after ten seconds a stamp is no more than two readings' error off. */
static void readings_that_are_off(void **state)
{
  (void)state;
  unsigned seed = 20261126;
  wcx_port_clock_t clock = {0};
  double ticks_per_ns = 0.15625 * (1 + 20e-6);
  for (uint64_t at_ns = 0; at_ns <= UINT64_C(10000000000); at_ns += 100000000)
    wcx_port_clock_read(&clock, START_NS + at_ns + (uint64_t)rand_r(&seed) % 1000, (uint64_t)((double)at_ns * ticks_per_ns) + 5);
  for (uint64_t at_ns = UINT64_C(9900000000); at_ns < UINT64_C(10100000000); at_ns += 7000001)
    near_by(wcx_port_clock_ns(&clock, (uint64_t)((double)at_ns * ticks_per_ns) + 5), START_NS + at_ns, 2000);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_before_two_readings), cmocka_unit_test(stamps_are_told_in_ns), cmocka_unit_test(readings_that_are_off)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
