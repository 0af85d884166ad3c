/* Flow files, the floors and the engine's run: what wcx-bench engine is made of. */
#include "bench/engine_run.h"
#include "bench/floor.h"
#include "bench/model.h"
#include "bench/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define OPS 60000u

/* --- trade_hash ------------------------------------------------------------------------------------------------------------------------- */

/* Computed by a Python program from the formula of bench/flow.h. */
static void test_trade_hash(void **state)
{
  (void)state;
  uint64_t hash = wcx_trade_hash(WCX_TRADE_HASH_START, 1, 2, 100, 5);
  assert_int_equal(hash, UINT64_C(0x4f1ada594ced86eb));
  hash = wcx_trade_hash(hash, 7, 2, 101, 3);
  hash = wcx_trade_hash(hash, 123456789, 987654321, 2147483647, 4294967295u);
  assert_int_equal(hash, UINT64_C(0xf3c0794ff20d5991));
}

/* --- files ------------------------------------------------------------------------------------------------------------------------------ */

static const wcx_flow_record_t sound[] = {
    {.op = WCX_FLOW_NEW, .side = 0, .qty = 10, .id = 1, .px = 100, .aux = 1},
    {.op = WCX_FLOW_NEW, .side = 1, .qty = 5, .id = 2, .px = 105, .aux = 1000},
    {.op = WCX_FLOW_MOVE, .side = 1, .qty = 5, .id = 2, .px = 103, .aux = UINT64_C(105) << 32 | 1000},
    {.op = WCX_FLOW_NEW, .side = 0, .flags = WCX_FLOW_F_IOC, .qty = 8, .id = 4, .px = 103, .aux = 7},
    {.op = WCX_FLOW_CANCEL, .side = 0, .qty = 10, .id = 1, .px = 100, .aux = UINT64_C(100) << 32 | 1},
};
#define SOUND_CNT (sizeof(sound) / sizeof(sound[0]))

static void write_file(char *path, const void *bytes, size_t sz)
{
  strcpy(path, "/tmp/wcx-flow-XXXXXX");
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, bytes, sz), sz);
  close(fd);
}

static void test_load(void **state)
{
  (void)state;
  char path[64];
  char error[512];
  wcx_flow_t flow;
  write_file(path, sound, sizeof(sound));
  assert_int_equal(wcx_flow_load(&flow, path, error, sizeof(error)), 0);
  assert_int_equal(flow.cnt, SOUND_CNT);
  assert_memory_equal(flow.records, sound, sizeof(sound));
  assert_int_equal(flow.id_max, 4);
  assert_int_equal(flow.new_cnt, 3);
  assert_int_equal(flow.live_max, 3);
  assert_int_equal(flow.px_min, 100);
  assert_int_equal(flow.px_max, 105);
  assert_int_equal(wcx_flow_save(&flow, path), 0);
  wcx_flow_free(&flow);
  assert_int_equal(wcx_flow_load(&flow, path, error, sizeof(error)), 0);
  assert_memory_equal(flow.records, sound, sizeof(sound));
  wcx_flow_free(&flow);
  unlink(path);
}

/* The text of what is wrong after record `at` of the sound flow has become `bad`. */
static void expect_refused(size_t at, wcx_flow_record_t bad, const char *text)
{
  wcx_flow_record_t records[SOUND_CNT];
  memcpy(records, sound, sizeof(sound));
  records[at] = bad;
  char path[64];
  char error[512];
  wcx_flow_t flow;
  write_file(path, records, sizeof(records));
  assert_int_equal(wcx_flow_load(&flow, path, error, sizeof(error)), -1);
  char place[32];
  snprintf(place, sizeof(place), "record %zu ", at);
  if (strstr(error, text) == NULL || strstr(error, place) == NULL || strstr(error, path) == NULL)
    fail_msg("\"%s\" does not name %s, %sand \"%s\"", error, path, place, text);
  assert_null(flow.records);
  unlink(path);
}

static void test_refused_records(void **state)
{
  (void)state;
  wcx_flow_record_t bad = sound[0];
  bad.op = 3;
  expect_refused(0, bad, "op is none of");
  bad = sound[1];
  bad.side = 2;
  expect_refused(1, bad, "side is neither");
  bad = sound[1];
  bad.flags = 2;
  expect_refused(1, bad, "unknown flag");
  bad = sound[1];
  bad.zero = 1;
  expect_refused(1, bad, "fourth byte");
  bad = sound[1];
  bad.px = 0;
  expect_refused(1, bad, "price is outside");
  bad.px = INT64_C(1) << 31;
  expect_refused(1, bad, "price is outside");
  bad = sound[1];
  bad.id = 1;
  expect_refused(1, bad, "does not rise");
  bad = sound[1];
  bad.qty = 0;
  expect_refused(1, bad, "quantity of a new order is 0");
  bad = sound[1];
  bad.aux = 1001;
  expect_refused(1, bad, "owner is outside");
  bad.aux = 0;
  expect_refused(1, bad, "owner is outside");
  bad = sound[2];
  bad.id = 3;
  expect_refused(2, bad, "never been new");
  bad.id = UINT64_MAX;
  expect_refused(2, bad, "never been new");
}

static void test_refused_files(void **state)
{
  (void)state;
  char path[64];
  char error[512];
  wcx_flow_t flow;
  assert_int_equal(wcx_flow_load(&flow, "/nonexistent/flow", error, sizeof(error)), -1);
  assert_non_null(strstr(error, "/nonexistent/flow: No such file"));
  write_file(path, sound, sizeof(sound) - 1);
  assert_int_equal(wcx_flow_load(&flow, path, error, sizeof(error)), -1);
  assert_non_null(strstr(error, "not a whole number"));
  unlink(path);
  write_file(path, sound, 0);
  assert_int_equal(wcx_flow_load(&flow, path, error, sizeof(error)), -1);
  assert_non_null(strstr(error, "not a whole number"));
  unlink(path);
}

/* --- runs ------------------------------------------------------------------------------------------------------------------------------- */

/* Every byte of the flow above, by hand: 8 to buy meet 5 to sell at 103; the rest of the IOC is canceled; then the only bid. */
static void test_run_by_hand(void **state)
{
  (void)state;
  wcx_flow_record_t records[SOUND_CNT];
  memcpy(records, sound, sizeof(sound));
  wcx_flow_t flow = {.records = records, .cnt = SOUND_CNT};
  char error[256];
  assert_int_equal(wcx_flow_survey(&flow, error, sizeof(error)), 0);
  wcx_run_t *run = wcx_run_new(&flow, WCX_CREDIT_UNLIMITED);
  wcx_run_result_t result = wcx_run_pass(run, 2, 32, NULL);
  assert_int_equal(result.ops, 3);
  assert_int_equal(result.rejects, 0);
  assert_int_equal(result.trades, 1);
  assert_int_equal(result.volume, 5);
  assert_int_equal(result.trade_hash, wcx_trade_hash(WCX_TRADE_HASH_START, 2, 4, 103, 5));
  assert_int_equal(result.live_orders, 0);
  assert_int_equal(result.best_bid, 0);
  assert_int_equal(result.best_ask, 0);
  wcx_run_free(run);

  wcx_floor_t floor = wcx_floor_measure(&flow, 2);
  assert_int_equal(floor.total_qty, 13); /* no matching: 5 at 103, 8 at 103 */
}

/* A made flow gives the model's trades, whatever the burst and wherever the clock starts. */
static void check_profile(char name, uint64_t seed)
{
  wcx_flow_t flow;
  uint64_t setup_cnt;
  assert_int_equal(wcx_profile_generate(&flow, &setup_cnt, name, OPS, seed), 0);
  assert_int_equal(flow.cnt, setup_cnt + OPS);
  wcx_model_t *model = wcx_model_new(flow.px_min, flow.px_max, flow.id_max);
  for (uint64_t i = 0; i < flow.cnt; i++)
    wcx_model_apply(model, &flow.records[i]);
  assert_true(model->trade_cnt > 0);

  static const uint32_t bursts[] = {1, 7, 32, 256};
  wcx_run_t *run = wcx_run_new(&flow, WCX_CREDIT_UNLIMITED);
  wcx_digest_t output = {0};
  wcx_digest_t engine_state = {0};
  for (size_t i = 0; i < sizeof(bursts) / sizeof(bursts[0]); i++)
  {
    static wcx_hist_t ticks;
    wcx_run_result_t result = wcx_run_pass(run, i % 2 == 0 ? setup_cnt : 0, bursts[i], i == 1 ? &ticks : NULL);
    assert_int_equal(result.trade_hash, model->trade_hash);
    assert_int_equal(result.trades, model->trade_cnt);
    assert_int_equal(result.volume, model->volume);
    assert_int_equal(result.live_orders, model->live_cnt);
    assert_int_equal(result.best_bid, model->best[0]);
    assert_int_equal(result.best_ask, model->best[1]);
    assert_int_equal(result.rejects, 0);
    if (i == 2) /* what is said again is numbered without a gap (the sink dies of one), and the next pass begins anew */
      assert_true(wcx_run_said_ns(run, setup_cnt, bursts[i], 1) > 0);
    if (i == 0)
    {
      output = result.output_digest;
      engine_state = result.state_digest;
    }
    assert_memory_equal(&output, &result.output_digest, sizeof(output));
    assert_memory_equal(&engine_state, &result.state_digest, sizeof(engine_state));
  }
  wcx_run_free(run);
  wcx_model_free(model);
  wcx_flow_free(&flow);
}

static void test_profiles(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 3; seed++)
  {
    check_profile('a', seed);
    check_profile('b', seed);
  }
}

static void test_profile_shapes(void **state)
{
  (void)state;
  wcx_flow_t a;
  wcx_flow_t again;
  uint64_t setup_cnt;
  assert_int_equal(wcx_profile_generate(&a, &setup_cnt, 'b', OPS, 5), 0);
  assert_int_equal(wcx_profile_generate(&again, &setup_cnt, 'b', OPS, 5), 0);
  assert_int_equal(setup_cnt, 1000);
  assert_int_equal(a.cnt, again.cnt);
  assert_memory_equal(a.records, again.records, a.cnt * sizeof(*a.records));
  uint64_t move_cnt = 0;
  for (uint64_t i = setup_cnt; i < a.cnt; i++)
    move_cnt += a.records[i].op == WCX_FLOW_MOVE;
  assert_in_range(move_cnt, OPS / 100 * 81, OPS / 100 * 83);
  wcx_flow_free(&again);
  assert_int_equal(wcx_profile_generate(&again, &setup_cnt, 'b', OPS, 6), 0);
  assert_memory_not_equal(a.records, again.records, a.cnt * sizeof(*a.records));
  wcx_flow_free(&again);
  wcx_flow_free(&a);
  assert_int_equal(wcx_profile_generate(&a, &setup_cnt, 'd', OPS, 1), -1);
  assert_int_equal(wcx_profile_generate(&a, &setup_cnt, 'a', 0, 1), -1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_trade_hash),  cmocka_unit_test(test_load),     cmocka_unit_test(test_refused_records), cmocka_unit_test(test_refused_files),
      cmocka_unit_test(test_run_by_hand), cmocka_unit_test(test_profiles), cmocka_unit_test(test_profile_shapes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
