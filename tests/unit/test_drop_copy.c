/* Drop copies: every scope that is asked for has a stream of its own, whatever their number, and sessions of one scope share it. */
#include "dataplane/drop_copy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define RETAINED 4u
#define ACCOUNTS 16u
#define FIRMS 3u

static wcx_params_t *params; /* as many sessions as there may be, on shard 1 */
static wcx_drop_copy_t drop;
static uint64_t *mem;

static int set_up(void **state)
{
  (void)state;
  params = calloc(1, sizeof(*params));
  params->shard_cnt = 1;
  params->shards[0].shard = 1;
  params->shards[0].retain_session_msgs = RETAINED;
  params->account_cnt = ACCOUNTS;
  for (uint32_t i = 0; i < ACCOUNTS; i++)
    params->accounts[i] = (wcx_account_definition_t){.account = i + 1, .firm = i % FIRMS}; /* firm 0: nobody's */
  params->session_cnt = WCX_PARAMS_SESSIONS_MAX;
  for (uint32_t i = 0; i < WCX_PARAMS_SESSIONS_MAX; i++)
    params->sessions[i] = (wcx_params_session_t){.session_id = i + 1, .account = i % ACCOUNTS + 1, .shard = 1, .drop_copy = WCX_DROP_SESSION};
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  free(mem);
  free(params);
  mem = NULL;
  return 0;
}

static void make(void)
{
  size_t sz = wcx_drop_copy_footprint(params, &params->shards[0]);
  mem = malloc(sz);
  assert_non_null(mem);
  wcx_drop_copy_init(&drop, mem, params, &params->shards[0], NULL, NULL);
  /* the positions of each lie within the memory, and overlap no other's */
  for (uint32_t i = 0; i < drop.stream_cnt; i++)
  {
    assert_true(drop.streams[i].positions == mem + (size_t)i * RETAINED);
    assert_true((size_t)(i + 1) * RETAINED * sizeof(uint64_t) <= sz);
    assert_int_equal(drop.streams[i].next, 1);
  }
}

static void as_many_as_there_may_be_sessions(void **state)
{
  (void)state;
  make();
  assert_int_equal(drop.stream_cnt, WCX_PARAMS_SESSIONS_MAX);
  for (uint32_t i = 0; i < WCX_PARAMS_SESSIONS_MAX; i++)
    assert_true(drop.streams[i].scope.kind == WCX_DROP_SESSION && drop.streams[i].scope.id == i + 1);
}

static void sessions_of_one_scope_share_it(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < WCX_PARAMS_SESSIONS_MAX; i++)
    params->sessions[i].drop_copy = i % 2 == 0 ? WCX_DROP_ACCOUNT : WCX_DROP_FIRM;
  make();
  uint32_t accounts = 0;
  uint32_t firms = 0;
  for (uint32_t i = 0; i < drop.stream_cnt; i++)
  {
    const wcx_drop_scope_t *scope = &drop.streams[i].scope;
    accounts += scope->kind == WCX_DROP_ACCOUNT && scope->id % 2 == 1;
    firms += scope->kind == WCX_DROP_FIRM && scope->id != 0;
  }
  assert_int_equal(accounts, ACCOUNTS / 2);
  assert_int_equal(firms, FIRMS - 1);
  assert_int_equal(drop.stream_cnt, accounts + firms);
}

static void of_other_shards_there_is_none(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < WCX_PARAMS_SESSIONS_MAX; i++)
    params->sessions[i].shard = (uint16_t)(1 + i % 2);
  params->sessions[0].drop_copy = 0;
  make();
  assert_int_equal(drop.stream_cnt, WCX_PARAMS_SESSIONS_MAX / 2 - 1);
  for (uint32_t i = 0; i < drop.stream_cnt; i++)
    assert_int_equal(drop.streams[i].scope.id, 2 * i + 3);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(as_many_as_there_may_be_sessions, set_up, tear_down),
      cmocka_unit_test_setup_teardown(sessions_of_one_scope_share_it, set_up, tear_down),
      cmocka_unit_test_setup_teardown(of_other_shards_there_is_none, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
