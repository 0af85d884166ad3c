/* Token buckets, of one rate and of one source (dataplane/limit.h). */
#include "dataplane/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_a_bucket_fills_at_its_rate(void **state)
{
  (void)state;
  wcx_rate_t rate = wcx_rate_of(1000, 10); /* one a millisecond */
  wcx_bucket_t bucket = {0};
  uint64_t now = 5000000000;
  assert_int_equal(wcx_bucket_tokens(&bucket, &rate, now), 10);
  for (uint32_t i = 0; i < 10; i++)
    wcx_bucket_take(&bucket, &rate, now, 1);
  assert_int_equal(wcx_bucket_tokens(&bucket, &rate, now), 0);
  assert_int_equal(wcx_bucket_tokens(&bucket, &rate, now + 999999), 0);
  assert_int_equal(wcx_bucket_tokens(&bucket, &rate, now + 1000000), 1);
  assert_int_equal(wcx_bucket_tokens(&bucket, &rate, now + 100000000), 10);
}

static void test_sources_do_not_share(void **state)
{
  (void)state;
  static wcx_sources_t sources;
  sources.rate = wcx_rate_of(20, 20);
  sources.hash_key = 99;
  uint64_t now = 1000000000;
  for (uint32_t ip = 1; ip < 200; ip++)
  {
    assert_int_equal(wcx_bucket_tokens(wcx_sources_bucket(&sources, ip), &sources.rate, now), 20);
    wcx_bucket_take(wcx_sources_bucket(&sources, ip), &sources.rate, now, 20);
    assert_int_equal(wcx_bucket_tokens(wcx_sources_bucket(&sources, ip), &sources.rate, now), 0);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_bucket_fills_at_its_rate),
      cmocka_unit_test(test_sources_do_not_share),
  };
  return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
