/* engine/base: digests, crc32c, doorbell, histogram. */
#include "engine/base/crc32c.h"
#include "engine/base/digest.h"
#include "engine/base/doorbell.h"
#include "engine/base/hist.h"
#include "engine/base/sums.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static uint64_t random_state;

/* splitmix64, seeded from WCX_SEED or the clock. */
static uint64_t random_next(void)
{
  uint64_t z = (random_state += UINT64_C(0x9E3779B97F4A7C15));
  z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
  return z ^ z >> 31;
}

static void random_seed(void)
{
  const char *given = getenv("WCX_SEED");
  random_state = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
  print_message("seed %llu\n", (unsigned long long)random_state);
}

/* --- digest: values of an independent computation with unbounded integers, so that no compiler can agree with itself only ------------------ */

static void digest_has_its_golden_values(void **state)
{
  (void)state;
  static const struct
  {
    size_t sz;
    uint64_t lo, hi;
  } golden[] = {
      {0, UINT64_C(0x31bf530ef80a8df6), UINT64_C(0x0ef590e186677448)},  {1, UINT64_C(0xd3b07f02e5636e5c), UINT64_C(0x88bb26d31d40edaa)},
      {8, UINT64_C(0x9ba93302f9d06655), UINT64_C(0xf1257efb28b1560e)},  {15, UINT64_C(0x7bd1b4433d7d8422), UINT64_C(0x4af99fc04a5ba519)},
      {16, UINT64_C(0x6dc8bc3bb61ba9e2), UINT64_C(0x144beabd7fbd2165)}, {17, UINT64_C(0x7c68483c811d18f5), UINT64_C(0x005fbf2c83c0e862)},
      {32, UINT64_C(0xf5a6f9c6c52ebb8f), UINT64_C(0xa365e598d9fdaab6)}, {64, UINT64_C(0xe7652297217600bc), UINT64_C(0xe27aba0f0ab52b68)},
  };
  uint8_t bytes[64];
  for (unsigned i = 0; i < sizeof(bytes); i++)
    bytes[i] = (uint8_t)(i * 7 + 1);
  for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++)
  {
    wcx_digest_t digest = wcx_digest_of(42, bytes, golden[i].sz);
    assert_true(digest.lo == golden[i].lo && digest.hi == golden[i].hi);
  }
}

static void digest_sees_every_bit_every_length_and_every_boundary(void **state)
{
  (void)state;
  uint8_t bytes[48] = {0};
  for (size_t sz = 1; sz <= sizeof(bytes); sz++)
  {
    wcx_digest_t plain = wcx_digest_of(1, bytes, sz);
    wcx_digest_t shorter = wcx_digest_of(1, bytes, sz - 1);
    assert_true(plain.lo != shorter.lo && plain.hi != shorter.hi);
    for (size_t bit = 0; bit < sz * 8; bit++)
    {
      bytes[bit / 8] = (uint8_t)(1u << bit % 8);
      wcx_digest_t flipped = wcx_digest_of(1, bytes, sz);
      assert_true(plain.lo != flipped.lo && plain.hi != flipped.hi);
      bytes[bit / 8] = 0;
    }
  }
  wcx_digest_t one = {1, 2}, two = {1, 2};
  wcx_digest_update(&one, "abcdef", 6);
  wcx_digest_update(&two, "abc", 3);
  wcx_digest_update(&two, "def", 3);
  assert_true(one.lo != two.lo && one.hi != two.hi);
}

static void digest_does_not_depend_on_alignment(void **state)
{
  (void)state;
  uint8_t bytes[80];
  for (unsigned i = 0; i < 64; i++)
    bytes[i] = (uint8_t)(i * 11);
  wcx_digest_t at_start = wcx_digest_of(9, bytes, 61);
  for (unsigned off = 1; off < 16; off++)
  {
    uint8_t moved[80];
    memcpy(moved + off, bytes, 61);
    wcx_digest_t elsewhere = wcx_digest_of(9, moved + off, 61);
    assert_true(at_start.lo == elsewhere.lo && at_start.hi == elsewhere.hi);
  }
}

/* --- both in one walk ---------------------------------------------------------------------------------------------------------------------- */

static void sums_are_those_of_two_walks(void **state)
{
  (void)state;
  uint8_t bytes[300];
  for (size_t i = 0; i < sizeof(bytes); i++)
    bytes[i] = (uint8_t)(i * 151 + (i >> 3));
  for (size_t off = 0; off < 9; off++)
    for (size_t sz = 0; sz + off <= sizeof(bytes); sz++)
    {
      uint32_t crc = (uint32_t)(sz * 2654435761u);
      wcx_sums_t sums = wcx_sums_of(crc, sz ^ 7, bytes + off, sz);
      wcx_digest_t digest = wcx_digest_of(sz ^ 7, bytes + off, sz);
      assert_int_equal(sums.crc32c, wcx_crc32c(crc, bytes + off, sz));
      assert_true(sums.digest.lo == digest.lo && sums.digest.hi == digest.hi);
    }
}

/* --- crc32c ---------------------------------------------------------------------------------------------------------------------------- */

static void crc32c_has_its_published_values(void **state)
{
  (void)state;
  uint8_t bytes[32];
  assert_int_equal(wcx_crc32c(0, "123456789", 9), 0xE3069283);
  assert_int_equal(wcx_crc32c(0, "", 0), 0);
  memset(bytes, 0, sizeof(bytes));
  assert_int_equal(wcx_crc32c(0, bytes, 32), 0x8A9136AA); /* RFC 3720 B.4 */
  memset(bytes, 0xff, sizeof(bytes));
  assert_int_equal(wcx_crc32c(0, bytes, 32), 0x62A8AB43);
  for (unsigned i = 0; i < 32; i++)
    bytes[i] = (uint8_t)i;
  assert_int_equal(wcx_crc32c(0, bytes, 32), 0x46DD794E);
}

static void crc32c_chains_over_any_cut(void **state)
{
  (void)state;
  uint8_t bytes[67];
  for (unsigned i = 0; i < sizeof(bytes); i++)
    bytes[i] = (uint8_t)(i * i);
  uint32_t whole = wcx_crc32c(0, bytes, sizeof(bytes));
  for (size_t cut = 0; cut <= sizeof(bytes); cut++)
    assert_int_equal(wcx_crc32c(wcx_crc32c(0, bytes, cut), bytes + cut, sizeof(bytes) - cut), whole);
}

/* --- doorbell -------------------------------------------------------------------------------------------------------------------------- */

static void bell_makes_one_call_per_sleep(void **state)
{
  (void)state;
  wcx_doorbell_t bell = {0};
  assert_false(wcx_doorbell_ring(&bell));
  wcx_doorbell_prepare(&bell);
  assert_true(wcx_doorbell_ring(&bell));
  assert_false(wcx_doorbell_ring(&bell));
  assert_int_equal(bell.wake_cnt, 1);
  assert_int_equal(bell.sleep_cnt, 1);
}

static void bell_is_silent_after_a_cancelled_sleep(void **state)
{
  (void)state;
  wcx_doorbell_t bell = {0};
  wcx_doorbell_prepare(&bell);
  wcx_doorbell_cancel(&bell);
  assert_false(wcx_doorbell_ring(&bell));
  assert_int_equal(bell.wake_cnt, 0);
}

static void bell_rung_before_the_wait_ends_it_at_once(void **state)
{
  (void)state;
  wcx_doorbell_t bell = {0};
  wcx_doorbell_prepare(&bell);
  assert_true(wcx_doorbell_ring(&bell));
  wcx_doorbell_wait(&bell, UINT64_C(3600000000000)); /* an hour: the test would not end */
  assert_int_equal(bell.asleep, 0);
}

static void bell_wait_ends_by_itself(void **state)
{
  (void)state;
  wcx_doorbell_t bell = {0};
  wcx_doorbell_prepare(&bell);
  wcx_doorbell_wait(&bell, 1000000);
  assert_int_equal(bell.asleep, 0);
  assert_false(wcx_doorbell_ring(&bell));
}

typedef struct work
{
  wcx_doorbell_t bell;
  _Atomic uint64_t done;
} work_t;

static void *sleep_until_work(void *arg)
{
  work_t *work = arg;
  for (uint64_t seen = 0; seen < 2000;)
  {
    uint64_t done = atomic_load_explicit(&work->done, memory_order_acquire);
    if (done != seen)
    {
      seen = done;
      continue;
    }
    wcx_doorbell_prepare(&work->bell);
    if (atomic_load_explicit(&work->done, memory_order_acquire) != seen)
      wcx_doorbell_cancel(&work->bell);
    else
      wcx_doorbell_wait(&work->bell, UINT64_C(3600000000000)); /* a lost wake-up would hang the test */
  }
  return NULL;
}

static void bell_loses_no_wake_up(void **state)
{
  (void)state;
  static work_t work;
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, sleep_until_work, &work), 0);
  for (uint64_t i = 1; i <= 2000; i++)
  {
    atomic_store_explicit(&work.done, i, memory_order_release);
    wcx_doorbell_ring(&work.bell);
    if (i % 8 == 0)
      nanosleep(&(struct timespec){.tv_nsec = 1000}, NULL);
  }
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_true(work.bell.wake_cnt <= work.bell.sleep_cnt);
}

/* --- histogram ------------------------------------------------------------------------------------------------------------------------- */

static wcx_hist_t hist, other, both;

static void hist_buckets_cover_all_values_once(void **state)
{
  (void)state;
  uint64_t next = 0;
  for (uint32_t bucket = 0; bucket < WCX_HIST_BUCKETS; bucket++)
  {
    uint64_t end = wcx_hist_bucket_end(bucket);
    assert_int_equal(wcx_hist_bucket(next), bucket);
    assert_int_equal(wcx_hist_bucket(end), bucket);
    assert_true(end - next <= next / 128);
    next = end + 1;
  }
  assert_true(next == UINT64_C(1) << WCX_HIST_VALUE_LG);
  assert_true(next > UINT64_C(3600000000000));
  assert_int_equal(wcx_hist_bucket(UINT64_MAX), WCX_HIST_BUCKETS - 1);
}

static int by_value(const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static void hist_percentiles_are_within_a_percent_of_the_sorted_values(void **state)
{
  (void)state;
  enum
  {
    CNT = 20000
  };
  static uint64_t values[CNT];
  random_seed();
  memset(&hist, 0, sizeof(hist));
  for (unsigned i = 0; i < CNT; i++)
  {
    values[i] = random_next() >> (23 + random_next() % 41); /* every magnitude below 2^41 */
    wcx_hist_record(&hist, values[i]);
  }
  qsort(values, CNT, sizeof(values[0]), by_value);
  static const uint32_t ppms[] = {0, 1, 10000, 250000, 500000, 900000, 990000, 999000, 999900, 1000000};
  for (size_t i = 0; i < sizeof(ppms) / sizeof(ppms[0]); i++)
  {
    uint64_t rank = ((uint64_t)CNT * ppms[i] + 999999) / 1000000;
    uint64_t exact = values[rank == 0 ? 0 : rank - 1];
    uint64_t got = wcx_hist_percentile(&hist, ppms[i]);
    assert_true(got >= exact && got - exact <= exact / 100);
  }
  assert_true(wcx_hist_percentile(&hist, 1000000) == values[CNT - 1]);
}

static void hist_merge_is_the_same_as_recording_together(void **state)
{
  (void)state;
  memset(&hist, 0, sizeof(hist));
  memset(&other, 0, sizeof(other));
  memset(&both, 0, sizeof(both));
  random_seed();
  for (unsigned i = 0; i < 1000; i++)
  {
    uint64_t value = random_next() >> (random_next() % 64);
    wcx_hist_record(i % 3 == 0 ? &hist : &other, value);
    wcx_hist_record(&both, value);
  }
  wcx_hist_merge(&hist, &other);
  assert_memory_equal(&hist, &both, sizeof(hist));
}

static void hist_tells_the_exact_maximum_and_nothing_of_nothing(void **state)
{
  (void)state;
  memset(&hist, 0, sizeof(hist));
  assert_int_equal(wcx_hist_percentile(&hist, 500000), 0);
  wcx_hist_record(&hist, UINT64_MAX - 1);
  assert_true(wcx_hist_percentile(&hist, 500000) == UINT64_MAX - 1);
  memset(&hist, 0, sizeof(hist));
  wcx_hist_record(&hist, 1000001);
  assert_int_equal(wcx_hist_percentile(&hist, 1), 1000001);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(digest_has_its_golden_values),
      cmocka_unit_test(sums_are_those_of_two_walks),
      cmocka_unit_test(digest_sees_every_bit_every_length_and_every_boundary),
      cmocka_unit_test(digest_does_not_depend_on_alignment),
      cmocka_unit_test(crc32c_has_its_published_values),
      cmocka_unit_test(crc32c_chains_over_any_cut),
      cmocka_unit_test(bell_makes_one_call_per_sleep),
      cmocka_unit_test(bell_is_silent_after_a_cancelled_sleep),
      cmocka_unit_test(bell_rung_before_the_wait_ends_it_at_once),
      cmocka_unit_test(bell_wait_ends_by_itself),
      cmocka_unit_test(bell_loses_no_wake_up),
      cmocka_unit_test(hist_buckets_cover_all_values_once),
      cmocka_unit_test(hist_percentiles_are_within_a_percent_of_the_sorted_values),
      cmocka_unit_test(hist_merge_is_the_same_as_recording_together),
      cmocka_unit_test(hist_tells_the_exact_maximum_and_nothing_of_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
