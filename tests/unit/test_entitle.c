/* Entitlements: the digest has a term for each, quotes are judged side by side, a snapshot carries them, and the short way sees them. */
#include "engine/entitle.h"
#include "tests/unit/quote_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void grant(world_t *w, uint32_t session_id, uint64_t groups, uint16_t ord_types)
{
  wcx_session_entitlement_t entitlement = {.session_id = session_id, .instrument_groups = groups, .ord_types = ord_types};
  world_apply(w, WCX_TEMPLATE_SESSION_ENTITLEMENT, 0, 0, &entitlement, sizeof(entitlement));
}

static void put_in_group(world_t *w, uint32_t security_id, uint8_t group)
{
  wcx_instrument_group_t in = {.security_id = security_id, .group = group};
  world_apply(w, WCX_TEMPLATE_INSTRUMENT_GROUP, 0, 0, &in, sizeof(in));
}

static wcx_digest_t digest(const world_t *w)
{
  wcx_digest_t full = wcx_engine_state_digest_full(w->engine);
  wcx_digest_t kept = wcx_engine_state_digest(w->engine);
  assert_true(full.lo == kept.lo && full.hi == kept.hi);
  return full;
}

static void the_digest_has_a_term_for_each(void **state)
{
  world_t *w = *state;
  wcx_digest_t seen[5];
  for (uint32_t i = 0; i < 5; i++)
  {
    world_t other;
    world_make(&other, &world_limits, 1 << 20);
    world_populate(&other);
    grant(&other, 2, i == 0 || i == 4 ? 0 : 1, i == 2 ? 4 : 0);
    put_in_group(&other, 1, i == 3 ? 7 : 0);
    seen[i] = digest(&other);
    world_free(&other);
  }
  assert_true(seen[0].lo == seen[4].lo && seen[0].hi == seen[4].hi);
  for (uint32_t i = 0; i < 4; i++)
    for (uint32_t k = 0; k < i; k++)
      assert_true(seen[i].lo != seen[k].lo);
  grant(w, 2, 6, 0);
  grant(w, 2, 6, 2);
  grant(w, 3, 1, 0);
  grant(w, 2, 0, 0);
  (void)digest(w);
}

/* The count says whether anybody looks: sessions that become restricted, stay so, and are free again. */
static void restricted_sessions_are_counted(void **state)
{
  world_t *w = *state;
  const struct
  {
    uint32_t session_id;
    uint64_t groups;
    uint16_t ord_types;
    uint32_t restricted;
  } steps[] = {{1, 1, 0, 1}, {1, 3, 0, 1}, {2, 0, 0x7e, 2}, {2, 0, 2, 2}, {3, 0, 0, 2}, {1, 0, 0, 1}, {1, 0, 0, 1}, {2, 0, 0, 0}};
  for (uint32_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
  {
    grant(w, steps[i].session_id, steps[i].groups, steps[i].ord_types);
    assert_int_equal(w->engine->restricted_cnt, steps[i].restricted);
    assert_int_equal(wcx_entitle_count(w->engine), steps[i].restricted);
    wcx_engine_verify(w->engine);
  }
}

/* How a check of the state ends when the count is `cnt`; the child dies alone. */
static int verify_with_count(world_t *w, uint32_t cnt)
{
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
  {
    signal(SIGABRT, SIG_DFL); /* cmocka's handler would take the abort for a failed test */
    assert_non_null(freopen("/dev/null", "w", stderr));
    w->engine->restricted_cnt = cnt;
    wcx_engine_verify(w->engine);
    _exit(0);
  }
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void a_wrong_count_is_found(void **state)
{
  world_t *w = *state;
  grant(w, 2, 1, 0);
  assert_int_equal(verify_with_count(w, 1), 0);
  assert_int_equal(verify_with_count(w, 0), SIGABRT);
  assert_int_equal(verify_with_count(w, 2), SIGABRT);
}

static void each_side_of_a_quote_is_judged(void **state)
{
  world_t *w = *state;
  grant(w, 1, 2, 0); /* instrument 1 is in group 0 */
  quote(w, 1, 0, 90, 10, 110, 10);
  expect_said(w, WCX_TEMPLATE_MASS_QUOTE_ACK, 0);
  assert_int_equal(said_set(w, 0, 0).bid_rej_reason, WCX_QUOTE_SIDE_REJ_REASON_SESSION_NOT_ENTITLED);
  assert_int_equal(said_set(w, 0, 0).offer_rej_reason, WCX_QUOTE_SIDE_REJ_REASON_SESSION_NOT_ENTITLED);
  put_in_group(w, 1, 1);
  quote(w, 1, 0, 90, 10, 110, 10);
  assert_int_equal(said_set(w, 0, 0).bid_rej_reason, 0);
  grant(w, 1, 0, 1u << WCX_ORD_TYPE_MARKET); /* a quote is a limit order */
  quote(w, 1, 0, 91, 10, 110, 10);
  assert_int_equal(said_set(w, 0, 0).bid_rej_reason, WCX_QUOTE_SIDE_REJ_REASON_SESSION_NOT_ENTITLED);
}

static void plain_requests_are_judged_too(void **state)
{
  world_t *w = *state;
  uint64_t first = order(w, 1, BUY, 90, 10); /* the instrument and the account are in use: from here on the short way is open */
  (void)order(w, 2, BUY, 89, 10);
  grant(w, 1, 2, 0);
  (void)order(w, 1, BUY, 90, 10);
  assert_int_equal(SAID(w, 0, wcx_execution_report_reject_t).ord_rej_reason, WCX_ORD_REJ_REASON_SESSION_NOT_ENTITLED);
  (void)replace(w, 1, first, 90, 5);
  assert_int_equal(SAID(w, 0, wcx_order_cancel_reject_t).cxl_rej_reason, WCX_CXL_REJ_REASON_NOT_ENTITLED);
  (void)order(w, 2, BUY, 90, 10);
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_NEW, WCX_TEMPLATE_ADD_ORDER, 0);
  cancel(w, 1, first);
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, WCX_TEMPLATE_DELETE_ORDER, 0);
}

/* What is no order type is none that was granted; without a list it is refused for what it is. */
static void an_unknown_type_is_not_granted(void **state)
{
  world_t *w = *state;
  const uint8_t unknown[] = {0, 7, 8, 15, 16, 255};
  for (uint32_t i = 0; i < 2 * sizeof(unknown); i++)
  {
    bool restricted = i >= sizeof(unknown);
    grant(w, 1, 0, restricted ? 0x7e : 0);
    wcx_new_order_single_t request = an_order(w->cl_ord_id[1] + 1, 1, BUY, 90, 10);
    request.ord_type = unknown[i % sizeof(unknown)];
    send_order(w, 1, &request);
    assert_int_equal(SAID(w, 0, wcx_execution_report_reject_t).ord_rej_reason,
                     restricted ? WCX_ORD_REJ_REASON_SESSION_NOT_ENTITLED : WCX_ORD_REJ_REASON_UNSUPPORTED_ORDER_CHARACTERISTIC);
  }
}

static void a_snapshot_carries_them(void **state)
{
  world_t *w = *state;
  grant(w, 1, 2, 6);
  put_in_group(w, 1, 3);
  wcx_digest_t before = digest(w);
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  world_load(w, &world_limits, snapshot, sz);
  free(snapshot);
  wcx_digest_t after = digest(w);
  assert_true(before.lo == after.lo && before.hi == after.hi);
  (void)order(w, 1, BUY, 90, 10);
  assert_int_equal(SAID(w, 0, wcx_execution_report_reject_t).ord_rej_reason, WCX_ORD_REJ_REASON_SESSION_NOT_ENTITLED);
}

static void what_cannot_be_is_told(void **state)
{
  world_t *w = *state;
  wcx_session_entitlement_t entitlement = {.session_id = 77};
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_SESSION_ENTITLEMENT, &entitlement), "SessionID 77 is unknown");
  entitlement = (wcx_session_entitlement_t){.session_id = 1, .ord_types = 0x80};
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_SESSION_ENTITLEMENT, &entitlement), "SessionID 1: OrdTypes 128 has bits beside 1..6");
  wcx_instrument_group_t group = {.security_id = 5};
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_INSTRUMENT_GROUP, &group), "SecurityID 5 is unknown");
  group = (wcx_instrument_group_t){.security_id = 1, .group = 64};
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_INSTRUMENT_GROUP, &group), "SecurityID 1: Group 64 is outside 0..63");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_digest_has_a_term_for_each, world_setup, world_teardown),
      cmocka_unit_test_setup_teardown(restricted_sessions_are_counted, world_setup, world_teardown),
      cmocka_unit_test_setup_teardown(a_wrong_count_is_found, world_setup, world_teardown),
      cmocka_unit_test_setup_teardown(each_side_of_a_quote_is_judged, world_setup, world_teardown),
      cmocka_unit_test_setup_teardown(plain_requests_are_judged_too, world_setup, world_teardown),
      cmocka_unit_test_setup_teardown(an_unknown_type_is_not_granted, world_setup, world_teardown),
      cmocka_unit_test_setup_teardown(a_snapshot_carries_them, world_setup, world_teardown),
      cmocka_unit_test_setup_teardown(what_cannot_be_is_told, world_setup, world_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
