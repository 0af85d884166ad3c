/* bench/paired_stats.h: estimates of known differences, how often equal ones are called different, disturbed pairs, verdicts. */
#include "bench/paired_stats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MARGIN 0.02

static uint64_t random_state = 20261126;

static double uniform(void)
{
  uint64_t z = (random_state += UINT64_C(0x9E3779B97F4A7C15));
  z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
  return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

/* Pairs whose own drift is far larger than the difference, each side with noise of +-`noise`; every tenth pair is disturbed on one side. */
static void make(double *a, double *b, uint32_t cnt, double ratio, double noise)
{
  for (uint32_t i = 0; i < cnt; i++)
  {
    double level = 100 * (1 + uniform());
    a[i] = level * (1 + noise * (2 * uniform() - 1));
    b[i] = level * ratio * (1 + noise * (2 * uniform() - 1));
    if (i % 10 == 9)
      *(uniform() < 0.5 ? &a[i] : &b[i]) *= 3;
  }
}

static void test_known_difference(void **state)
{
  (void)state;
  double a[30], b[30];
  for (uint32_t round = 0; round < 200; round++)
  {
    make(a, b, 30, 1.05, 0.02);
    wcx_paired_t paired = wcx_paired_ratio(a, b, 30);
    assert_true(paired.ratio > 1.03 && paired.ratio < 1.07 && paired.low <= paired.ratio && paired.high >= paired.ratio);
    assert_int_equal(wcx_paired_verdict(&paired, NULL, MARGIN), WCX_VERDICT_SLOWER);
    wcx_paired_t back = wcx_paired_ratio(b, a, 30);
    assert_true(fabs(back.ratio * paired.ratio - 1) < 1e-9 && fabs(back.low * paired.high - 1) < 1e-9);
    assert_int_equal(wcx_paired_verdict(&back, NULL, MARGIN), WCX_VERDICT_FASTER);
  }
}

/* A 99 % interval leaves the truth out about once in a hundred times. */
static void test_coverage(void **state)
{
  (void)state;
  double a[20], b[20];
  uint32_t missed = 0;
  for (uint32_t round = 0; round < 2000; round++)
  {
    for (uint32_t i = 0; i < 20; i++)
    {
      a[i] = 100 * (1 + 0.1 * uniform());
      b[i] = 100 * (1 + 0.1 * uniform());
    }
    wcx_paired_t paired = wcx_paired_ratio(a, b, 20);
    missed += paired.low > 1 || paired.high < 1;
  }
  assert_in_range(missed, 5, 40);
}

static void test_equal_and_unclear(void **state)
{
  (void)state;
  double a[30], b[30];
  for (uint32_t round = 0; round < 200; round++)
  {
    make(a, b, 30, 1.0, 0.02);
    wcx_paired_t paired = wcx_paired_ratio(a, b, 30);
    assert_int_equal(wcx_paired_verdict(&paired, &paired, MARGIN), WCX_VERDICT_EQUAL);
  }
  make(a, b, 30, 1.0, 0.9);
  wcx_paired_t wide = wcx_paired_ratio(a, b, 30);
  assert_int_equal(wcx_paired_verdict(&wide, NULL, MARGIN), WCX_VERDICT_UNCLEAR);
}

/* A host that tells the same program from itself tells nothing. */
static void test_noise_line(void **state)
{
  (void)state;
  const wcx_paired_t slower = {.ratio = 1.05, .low = 1.04, .high = 1.06, .cnt = 30};
  const wcx_paired_t small = {.ratio = 1.015, .low = 1.01, .high = 1.02, .cnt = 30}; /* surely a difference, and one that does not matter */
  const wcx_paired_t wide = {.ratio = 1.0, .low = 0.9, .high = 1.1, .cnt = 30};
  assert_int_equal(wcx_paired_verdict(&slower, NULL, MARGIN), WCX_VERDICT_SLOWER);
  assert_int_equal(wcx_paired_verdict(&slower, &small, MARGIN), WCX_VERDICT_SLOWER);
  assert_int_equal(wcx_paired_verdict(&slower, &wide, MARGIN), WCX_VERDICT_SLOWER);
  assert_int_equal(wcx_paired_verdict(&slower, &slower, MARGIN), WCX_VERDICT_UNCLEAR);
  assert_int_equal(wcx_paired_verdict(&small, NULL, MARGIN), WCX_VERDICT_EQUAL);
  assert_int_equal(wcx_paired_verdict(&small, NULL, 0.01), WCX_VERDICT_SLOWER);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_known_difference),
      cmocka_unit_test(test_coverage),
      cmocka_unit_test(test_equal_and_unclear),
      cmocka_unit_test(test_noise_line),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
