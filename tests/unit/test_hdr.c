/* bench/hdr.h and bench/hdr_log.h: slots, percentiles against sorted values, correction, the encoding and its way back. What other libraries make of it is
   seen by tests/bench/test_hdr_log.py. */
#include "bench/hdr_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static uint64_t random_state;

static uint64_t random_next(void)
{
  uint64_t z = (random_state += UINT64_C(0x9E3779B97F4A7C15));
  z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
  return z ^ z >> 31;
}

/* Any magnitude from 0 to an hour. */
static uint64_t random_value(void)
{
  uint64_t value = random_next() >> (22 + random_next() % 42);
  return value > WCX_HDR_VALUE_MAX ? WCX_HDR_VALUE_MAX : value;
}

static wcx_hdr_t a, b;
static char text[WCX_HDR_TEXT_SZ];

static void test_slots_follow_each_other(void **state)
{
  (void)state;
  uint64_t next = 0;
  for (uint32_t slot = 0; slot <= wcx_hdr_slot(WCX_HDR_VALUE_MAX); slot++)
  {
    uint64_t begin = wcx_hdr_slot_begin(slot);
    uint64_t end = wcx_hdr_slot_end(slot);
    assert_int_equal(begin, next);
    assert_int_equal(wcx_hdr_slot(begin), slot);
    if (end <= WCX_HDR_VALUE_MAX)
      assert_int_equal(wcx_hdr_slot(end), slot);
    assert_true(end - begin <= begin / 1000); /* three digits */
    next = end + 1;
  }
  assert_true(next > WCX_HDR_VALUE_MAX);
  assert_int_equal(wcx_hdr_slot(UINT64_MAX), wcx_hdr_slot(WCX_HDR_VALUE_MAX));
}

static int compare(const void *x, const void *y)
{
  uint64_t one = *(const uint64_t *)x;
  uint64_t other = *(const uint64_t *)y;
  return (one > other) - (one < other);
}

static void test_percentiles_are_those_of_sorted_values(void **state)
{
  (void)state;
  static uint64_t values[5000];
  static const uint32_t ppms[] = {0, 1, 500000, 900000, 990000, 999000, 999900, 1000000};
  for (uint32_t cnt = 1; cnt <= 5000; cnt = cnt * 3 + 1)
  {
    a = (wcx_hdr_t){0};
    double sum = 0;
    for (uint32_t i = 0; i < cnt; i++)
    {
      values[i] = random_value();
      sum += (double)values[i];
      wcx_hdr_record(&a, values[i], 1);
    }
    qsort(values, cnt, sizeof(values[0]), compare);
    for (size_t i = 0; i < sizeof(ppms) / sizeof(ppms[0]); i++)
    {
      uint64_t rank = ((uint64_t)ppms[i] * cnt + 999999) / 1000000;
      assert_int_equal(wcx_hdr_percentile(&a, ppms[i]), wcx_hdr_slot_end(wcx_hdr_slot(values[rank == 0 ? 0 : rank - 1])));
    }
    assert_int_equal(a.cnt, cnt);
    assert_int_equal(a.min, values[0]);
    assert_int_equal(a.max, values[cnt - 1]);
    assert_true(wcx_hdr_mean(&a) > sum / cnt * 0.999999 - 1e-9 && wcx_hdr_mean(&a) < sum / cnt * 1.000001 + 1e-9);
  }
  a = (wcx_hdr_t){0};
  assert_int_equal(wcx_hdr_percentile(&a, 500000), 0);
  assert_true(wcx_hdr_mean(&a) == 0);
}

/* A client that asks every 10 and once waits 100 would, on its schedule, have seen 90, 80, .. 10 as well. */
static void test_correction_fills_what_waiting_left_out(void **state)
{
  (void)state;
  a = b = (wcx_hdr_t){0};
  wcx_hdr_record_corrected(&a, 5, 10);
  wcx_hdr_record_corrected(&a, 100, 10);
  wcx_hdr_record(&b, 5, 1);
  for (uint64_t value = 10; value <= 100; value += 10)
    wcx_hdr_record(&b, value, 1);
  assert_memory_equal(&a, &b, sizeof(a));
  a = b = (wcx_hdr_t){0};
  wcx_hdr_record_corrected(&a, 19, 10); /* 9 is below the interval: the next request went out in time */
  wcx_hdr_record_corrected(&a, 100, 0);
  wcx_hdr_record(&b, 19, 1);
  wcx_hdr_record(&b, 100, 1);
  assert_memory_equal(&a, &b, sizeof(a));
}

static void test_add(void **state)
{
  (void)state;
  static wcx_hdr_t whole;
  a = b = whole = (wcx_hdr_t){0};
  wcx_hdr_add(&a, &b);
  assert_int_equal(a.cnt, 0);
  for (uint32_t i = 0; i < 1000; i++)
  {
    uint64_t value = random_value() & ~UINT64_C(0xff); /* sums are exact */
    wcx_hdr_record(i % 3 == 0 ? &a : &b, value, i % 5);
    wcx_hdr_record(&whole, value, i % 5);
  }
  wcx_hdr_add(&a, &b);
  assert_int_equal(a.cnt, whole.cnt);
  assert_int_equal(a.min, whole.min);
  assert_int_equal(a.max, whole.max);
  assert_memory_equal(a.slots, whole.slots, sizeof(a.slots));
}

static void expect_same_after_decoding(void)
{
  size_t text_sz = wcx_hdr_encode(&a, text);
  assert_int_equal(strlen(text), text_sz);
  assert_true(text_sz < WCX_HDR_TEXT_SZ);
  assert_true(wcx_hdr_decode(text, text_sz, &b));
  assert_int_equal(b.cnt, a.cnt);
  assert_memory_equal(b.slots, a.slots, sizeof(a.slots));
  assert_int_equal(wcx_hdr_slot(b.max), wcx_hdr_slot(a.max));
}

static void test_encoding_and_back(void **state)
{
  (void)state;
  a = (wcx_hdr_t){0};
  expect_same_after_decoding(); /* empty */
  wcx_hdr_record(&a, UINT64_MAX, 1);
  expect_same_after_decoding(); /* one long run of nothing */
  for (uint32_t bit = 0; bit < 60; bit++)
    wcx_hdr_record(&a, 3 * bit, UINT64_C(1) << bit); /* counts of every length of a word, the ninth byte too */
  expect_same_after_decoding();
  for (uint32_t round = 0; round < 20; round++)
  {
    a = (wcx_hdr_t){0};
    for (uint64_t i = random_next() % 4000; i > 0; i--)
      wcx_hdr_record(&a, random_value(), 1 + (random_next() >> random_next() % 64) % 1000);
    expect_same_after_decoding();
  }
  a = (wcx_hdr_t){0};
  for (uint32_t slot = 0; slot <= wcx_hdr_slot(WCX_HDR_VALUE_MAX); slot++)
    wcx_hdr_record(&a, wcx_hdr_slot_begin(slot), random_next() >> 20); /* what packs worst */
  expect_same_after_decoding();
}

/* Nothing that stands in a file may hurt who reads it: cut off, or with any byte changed. */
static void test_damage_is_refused(void **state)
{
  (void)state;
  a = (wcx_hdr_t){0};
  for (uint32_t i = 0; i < 200; i++)
    wcx_hdr_record(&a, random_value(), 1);
  size_t text_sz = wcx_hdr_encode(&a, text);
  for (size_t cut = 0; cut < text_sz; cut++)
    assert_false(wcx_hdr_decode(text, cut, &b));
  for (size_t i = 0; i + 4 < text_sz; i++) /* not the padding */
  {
    char was = text[i];
    text[i] = was == 'A' ? 'B' : 'A';
    if (wcx_hdr_decode(text, text_sz, &b)) /* bits that nobody looks at: those of zlib's header */
      assert_memory_equal(a.slots, b.slots, sizeof(a.slots));
    text[i] = was;
  }
}

int main(void)
{
  const char *given = getenv("WCX_SEED");
  random_state = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
  print_message("seed %llu\n", (unsigned long long)random_state);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_slots_follow_each_other),
      cmocka_unit_test(test_percentiles_are_those_of_sorted_values),
      cmocka_unit_test(test_correction_fills_what_waiting_left_out),
      cmocka_unit_test(test_add),
      cmocka_unit_test(test_encoding_and_back),
      cmocka_unit_test(test_damage_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
