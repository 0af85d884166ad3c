/* bench/wire/schedule.h and bench/wire/open_loop.h: due times against what a profile means; delays of a server that stands still against what the schedule says,
   on a clock that the test turns. */
#include "bench/wire/open_loop.h"
#include "bench/wire/schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)
#define US UINT64_C(1000)

static wcx_hdr_t corrected, uncorrected, late;

static void clear(void)
{
  memset(&corrected, 0, sizeof(corrected));
  memset(&uncorrected, 0, sizeof(uncorrected));
  memset(&late, 0, sizeof(late));
}

static void test_constant_is_evenly_spaced(void **state)
{
  (void)state;
  uint64_t due_ns[1000];
  wcx_schedule_t schedule = {.kind = WCX_SCHEDULE_CONSTANT, .per_s = 4000};
  wcx_schedule_make(&schedule, due_ns, 1000);
  for (uint64_t i = 0; i < 1000; i++)
    assert_int_equal(due_ns[i], i * 250 * US);
}

static void test_poisson_has_the_rate_and_gaps_of_an_exponential(void **state)
{
  (void)state;
  enum
  {
    CNT = 200000
  };
  static uint64_t due_ns[CNT], again_ns[CNT];
  wcx_schedule_t schedule = {.kind = WCX_SCHEDULE_POISSON, .per_s = 10000, .seed = 7};
  wcx_schedule_make(&schedule, due_ns, CNT);
  wcx_schedule_make(&schedule, again_ns, CNT);
  assert_memory_equal(due_ns, again_ns, sizeof(due_ns));
  double mean_ns = (double)due_ns[CNT - 1] / CNT;
  assert_true(fabs(mean_ns / 1e5 - 1) < 0.01);
  uint32_t above = 0;
  for (uint32_t i = 1; i < CNT; i++)
  {
    assert_true(due_ns[i] >= due_ns[i - 1]);
    above += due_ns[i] - due_ns[i - 1] > 100 * US;
  }
  assert_true(fabs((double)above / CNT - exp(-1)) < 0.01); /* beyond their mean: 1/e of all */
}

static void test_burst_is_on_and_off(void **state)
{
  (void)state;
  uint64_t due_ns[1000];
  wcx_schedule_t schedule = {.kind = WCX_SCHEDULE_BURST, .per_s = 1000, .on_ms = 20, .off_ms = 80};
  wcx_schedule_make(&schedule, due_ns, 1000);
  for (uint64_t i = 0; i < 1000; i++)
  {
    assert_true(due_ns[i] % (100 * MS) < 20 * MS);
    assert_int_equal(due_ns[i] / (100 * MS), i / 100); /* 1,000 a second on average: 100 a period */
  }
}

static void test_times_from_a_file(void **state)
{
  (void)state;
  char path[] = "/tmp/wcx-due-XXXXXX";
  char err[256] = "";
  const uint64_t times[4] = {0, 7, 7, 2000000};
  const uint64_t falling[4] = {0, 7, 6, 9};
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, times, sizeof(times)), sizeof(times));
  uint64_t *due_ns = wcx_schedule_load(path, 4, err, sizeof(err));
  assert_non_null(due_ns);
  assert_memory_equal(due_ns, times, sizeof(times));
  free(due_ns);
  assert_null(wcx_schedule_load(path, 3, err, sizeof(err)));
  assert_non_null(strstr(err, path));
  assert_null(wcx_schedule_load(path, 5, err, sizeof(err)));
  assert_int_equal(pwrite(fd, falling, sizeof(falling), 0), sizeof(falling));
  assert_null(wcx_schedule_load(path, 4, err, sizeof(err)));
  close(fd);
  unlink(path);
  assert_null(wcx_schedule_load(path, 4, err, sizeof(err)));
}

/* A server that answers one request after the other, each after `serve_ns`, and does nothing from stall_at for stall_ns. The client sends what is due while
   fewer than `window` are out. */
static void run_against(wcx_open_loop_t *loop, uint64_t serve_ns, uint64_t stall_at, uint64_t stall_ns, uint32_t window)
{
  const uint64_t start_ns = 5000;
  uint64_t free_ns = 0; /* when the server has done what it was given */
  uint64_t *done_ns = calloc(loop->cnt, sizeof(*done_ns));
  assert_non_null(done_ns);
  wcx_open_loop_start(loop, start_ns);
  for (uint64_t now_ns = 0; loop->answered_cnt < loop->cnt; now_ns += US)
  {
    while (loop->answered_cnt < loop->sent_cnt && done_ns[loop->answered_cnt] <= now_ns)
      assert_true(wcx_open_loop_answered(loop, loop->answered_cnt, start_ns + now_ns));
    while (wcx_open_loop_is_due(loop, start_ns + now_ns) && loop->sent_cnt - loop->answered_cnt < window)
    {
      uint64_t begin_ns = free_ns > now_ns ? free_ns : now_ns;
      if (begin_ns >= stall_at && begin_ns < stall_at + stall_ns)
        begin_ns = stall_at + stall_ns;
      free_ns = begin_ns + serve_ns;
      done_ns[loop->sent_cnt] = free_ns;
      wcx_open_loop_sent(loop, start_ns + now_ns);
    }
  }
  free(done_ns);
}

/* 1,000 a second for 10 s, and 100 ms in which the server stands still: 100 requests become due in them, and each waits for what is left. */
static void test_stall_counts_from_due(void **state)
{
  (void)state;
  wcx_open_loop_t *loop = wcx_open_loop_new(10000);
  wcx_schedule_t schedule = {.kind = WCX_SCHEDULE_CONSTANT, .per_s = 1000};
  wcx_schedule_make(&schedule, loop->due_ns, loop->cnt);
  run_against(loop, 10 * US, 5000 * MS, 100 * MS, 1);
  clear();
  wcx_open_loop_delays(loop, 0, loop->cnt, &corrected, &uncorrected, &late);
  assert_int_equal(corrected.cnt, 10000);
  uint64_t delayed = 0;
  uint64_t uncorrected_delayed = 0;
  for (uint64_t i = 0; i < loop->cnt; i++)
  {
    /* What the schedule says: request i is due at i ms; the first of the stall has all of it before it, the last 1 ms. Then 10 us for each that waited before it. */
    uint64_t due_ns = i * MS;
    uint64_t waits_ns = due_ns >= 5000 * MS && due_ns < 5100 * MS ? 5100 * MS - due_ns : 0;
    uint64_t delay_ns = loop->answered_ns[i] - loop->due_ns[i];
    assert_true(delay_ns >= waits_ns + 10 * US && delay_ns <= waits_ns + 101 * 11 * US);
    delayed += delay_ns > 50 * MS;
    uncorrected_delayed += loop->answered_ns[i] - loop->sent_ns[i] > 50 * MS;
  }
  assert_in_range(delayed, 50, 51);
  assert_int_equal(uncorrected_delayed, 1);
  /* 1 % of all were due in the stall: p99.5 is in its middle, whatever a client that waits for its answers saw. */
  assert_in_range(wcx_hdr_percentile(&corrected, 995000), 49 * MS, 52 * MS);
  assert_in_range(wcx_hdr_percentile(&corrected, 999000), 89 * MS, 92 * MS);
  assert_in_range(wcx_hdr_percentile(&uncorrected, 999000), 10 * US, 12 * US);
  assert_in_range(corrected.max, 100 * MS, 101 * MS);
  assert_in_range(uncorrected.max, 100 * MS, 101 * MS);
  wcx_open_loop_free(loop);
}

/* The same server, and a client that sends on time whatever is out: nothing is left out, so both say the same. */
static void test_sent_on_time_needs_no_correction(void **state)
{
  (void)state;
  wcx_open_loop_t *loop = wcx_open_loop_new(10000);
  wcx_schedule_t schedule = {.kind = WCX_SCHEDULE_CONSTANT, .per_s = 1000};
  wcx_schedule_make(&schedule, loop->due_ns, loop->cnt);
  run_against(loop, 10 * US, 5000 * MS, 100 * MS, 1000);
  clear();
  wcx_open_loop_delays(loop, 0, loop->cnt, &corrected, &uncorrected, &late);
  assert_int_equal(late.max, 0);
  assert_memory_equal(&corrected, &uncorrected, sizeof(corrected));
  assert_in_range(wcx_hdr_percentile(&corrected, 995000), 49 * MS, 52 * MS);
  wcx_open_loop_free(loop);
}

static void test_each_answer_counts_once(void **state)
{
  (void)state;
  wcx_open_loop_t *loop = wcx_open_loop_new(3);
  for (uint64_t i = 0; i < 3; i++)
    loop->due_ns[i] = i * 10;
  assert_int_equal(wcx_open_loop_end_ns(loop), 20);
  wcx_open_loop_start(loop, 1000);
  assert_false(wcx_open_loop_is_due(loop, 999));
  assert_false(wcx_open_loop_answered(loop, 0, 1000)); /* not sent */
  assert_true(wcx_open_loop_is_due(loop, 1000));
  wcx_open_loop_sent(loop, 1003);
  assert_false(wcx_open_loop_is_due(loop, 1009));
  assert_true(wcx_open_loop_answered(loop, 0, 1007));
  assert_false(wcx_open_loop_answered(loop, 0, 1008));
  assert_false(wcx_open_loop_answered(loop, 3, 1008));
  wcx_open_loop_sent(loop, 1010);
  clear();
  wcx_open_loop_delays(loop, 0, 3, &corrected, &uncorrected, &late);
  assert_int_equal(loop->answered_cnt, 1);
  assert_int_equal(corrected.cnt, 1); /* one is out, one was never sent */
  assert_int_equal(corrected.max, 7);
  assert_int_equal(uncorrected.max, 4);
  assert_int_equal(late.cnt, 2);
  wcx_open_loop_free(loop);
  assert_null(wcx_open_loop_new(0));
  assert_null(wcx_open_loop_new(WCX_OPEN_LOOP_MAX + 1));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_constant_is_evenly_spaced), cmocka_unit_test(test_poisson_has_the_rate_and_gaps_of_an_exponential),
      cmocka_unit_test(test_burst_is_on_and_off),       cmocka_unit_test(test_times_from_a_file),
      cmocka_unit_test(test_stall_counts_from_due),     cmocka_unit_test(test_sent_on_time_needs_no_correction),
      cmocka_unit_test(test_each_answer_counts_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
