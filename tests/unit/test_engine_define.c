/* Definitions of instruments, accounts and sessions: what is told to the feed, what is final, what is refused, and what genesis is compared with. */
#include "tests/unit/engine_fixture.h"

static void definitions_are_told_to_the_feed(void **state)
{
  world_t *w = *state;
  wcx_security_definition_t definition = an_instrument(5);
  uint64_t number = wcx_engine_feed_next_number(w->engine);
  world_define(w, &definition);
  expect_said(w, WCX_TEMPLATE_SECURITY_DEFINITION, 0);
  assert_int_equal(w->said[0].stream, WCX_STREAM_FEED);
  assert_int_equal(w->said[0].number, number);
  wcx_security_definition_t md = SAID(w, 0, wcx_security_definition_t);
  assert_int_equal(md.transact_time, wcx_engine_last_stamp_ns(w->engine));
  definition.transact_time = md.transact_time;
  assert_memory_equal(&md, &definition, sizeof(md));
  assert_true(wcx_engine_instrument_at(w->engine, 1, &md));
  assert_memory_equal(&md, &definition, sizeof(md));
  assert_false(wcx_engine_instrument_at(w->engine, 2, &md));
}

static void a_definition_is_final_after_its_first_order(void **state)
{
  world_t *w = *state;
  wcx_security_definition_t definition = an_instrument(1);
  wcx_account_definition_t account = {.account = 1, .credit = WCX_CREDIT_UNLIMITED, .status = WCX_ACCOUNT_STATUS_ACTIVE};
  wcx_session_definition_t session = {.session_id = 1, .account = 2};
  definition.min_price_increment = 10;
  assert_null(world_definition_error(w, WCX_TEMPLATE_SECURITY_DEFINITION, &definition));
  world_define(w, &definition);
  order(w, 1, BUY, 105, 1);
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_REJECT, 0); /* refused: the definition may still change */
  assert_null(world_definition_error(w, WCX_TEMPLATE_SECURITY_DEFINITION, &definition));
  assert_null(world_definition_error(w, WCX_TEMPLATE_ACCOUNT_DEFINITION, &account));
  order(w, 1, BUY, 110, 1);
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_SECURITY_DEFINITION, &definition), "SecurityID 1 has had orders: its definition is final");
  account.status = WCX_ACCOUNT_STATUS_SUSPENDED; /* may change at any time, what it is held to may not */
  assert_null(world_definition_error(w, WCX_TEMPLATE_ACCOUNT_DEFINITION, &account));
  account.credit = WCX_CREDIT_CHECKED;
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_ACCOUNT_DEFINITION, &account), "Account 1 has had orders: its Credit is final");
  assert_non_null(world_definition_error(w, WCX_TEMPLATE_SESSION_DEFINITION, &session));
  session.session_id = 2;
  assert_null(world_definition_error(w, WCX_TEMPLATE_SESSION_DEFINITION, &session));
}

static void bad_instruments_are_refused(void **state)
{
  world_t *w = *state;
  const wcx_security_definition_t good = an_instrument(2);
  wcx_security_definition_t d = good;
  assert_null(world_definition_error(w, WCX_TEMPLATE_SECURITY_DEFINITION, &d));
#define REFUSED(field, value)                                                                                                                                                      \
  d = good;                                                                                                                                                                        \
  d.field = (value);                                                                                                                                                               \
  assert_non_null(world_definition_error(w, WCX_TEMPLATE_SECURITY_DEFINITION, &d))
  REFUSED(security_id, 0);
  REFUSED(security_trading_status, WCX_SECURITY_TRADING_STATUS_CLOSING_AUCTION + 1);
  REFUSED(security_trading_status, 1);
  REFUSED(min_price_increment, 0);
  REFUSED(round_lot, -1);
  REFUSED(min_trade_vol, -1);
  REFUSED(max_notional, -1);
  REFUSED(price_exponent, 19);
  REFUSED(amt_exponent, 19);
  REFUSED(tick_table_id, 1);
  REFUSED(taker_fee_rate, 1000000001);
  REFUSED(maker_fee_rate, -1000000001);
#undef REFUSED
  d = good;
  d.low_limit_price = 10;
  d.high_limit_price = 9;
  assert_non_null(world_definition_error(w, WCX_TEMPLATE_SECURITY_DEFINITION, &d));
  for (uint32_t id = 2; id <= 8; id++)
  {
    d = an_instrument(id);
    world_define(w, &d);
  }
  d = an_instrument(9);
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_SECURITY_DEFINITION, &d), "SecurityID 9: all 8 instruments are defined");
}

static void what_names_nothing_says_so(void **state)
{
  world_t *w = *state;
  wcx_account_definition_t account = {.account = 20, .credit = 3, .status = WCX_ACCOUNT_STATUS_ACTIVE};
  uint8_t body[64] = {0};
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_ACCOUNT_DEFINITION, &account), "Account 20: Credit 3 is unknown");
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_ASSET_DEFINITION, body), "AssetDefinition: Asset is blank");
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_BALANCE_ADJUSTMENT, body), "Account 0 is unknown");
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_KILL_SWITCH, body), "KillSwitch: no such Account");
}

static void capacity_must_fit_state_and_memory(void **state)
{
  world_t *w = *state;
  wcx_capacity_t good = {.max_orders = 1000, .max_instruments = 8, .max_accounts = 32, .max_sessions = 16, .max_levels = 500};
  assert_null(world_definition_error(w, WCX_TEMPLATE_CAPACITY, &good));
  wcx_capacity_t c = good;
  c.max_orders = 1001;
  assert_non_null(world_definition_error(w, WCX_TEMPLATE_CAPACITY, &c));
  c = good;
  c.max_levels = 0;
  assert_non_null(world_definition_error(w, WCX_TEMPLATE_CAPACITY, &c));
  c = good;
  c.max_sessions = 8; /* nine are defined */
  assert_non_null(world_definition_error(w, WCX_TEMPLATE_CAPACITY, &c));
}

static void a_day_roll_restarts_the_feed(void **state)
{
  world_t *w = *state;
  char name[11] = {0};
  wcx_engine_feed_session(w->engine, name);
  assert_string_equal(name, "M001000101");
  wcx_day_roll_t day = {.trade_date = 20260829};
  world_apply(w, WCX_TEMPLATE_DAY_ROLL, 0, 0, &day, sizeof(day));
  expect_said(w, 0);
  wcx_engine_feed_session(w->engine, name);
  assert_string_equal(name, "M001260829");
  assert_int_equal(wcx_engine_feed_next_number(w->engine), 1);
  assert_int_equal(wcx_engine_trade_date(w->engine), 20260829);
  order(w, 1, BUY, 100, 1);
  assert_int_equal(w->said[1].number, 1);
  assert_non_null(world_definition_error(w, WCX_TEMPLATE_DAY_ROLL, &day)); /* not after itself */
  day.trade_date = 20261301;
  assert_non_null(world_definition_error(w, WCX_TEMPLATE_DAY_ROLL, &day));
}

static void genesis_is_compared_with_the_state(void **state)
{
  world_t *w = *state;
  wcx_security_definition_t d = an_instrument(1);
  assert_null(wcx_engine_genesis_differs(w->engine, WCX_TEMPLATE_SECURITY_DEFINITION, &d));
  d.security_trading_status = WCX_SECURITY_TRADING_STATUS_TRADING_HALT; /* lives on after genesis */
  assert_null(wcx_engine_genesis_differs(w->engine, WCX_TEMPLATE_SECURITY_DEFINITION, &d));
  d.round_lot = 2;
  assert_string_equal(wcx_engine_genesis_differs(w->engine, WCX_TEMPLATE_SECURITY_DEFINITION, &d), "SecurityDefinition 1: RoundLot differs from the journal");
  d.security_id = 7;
  assert_string_equal(wcx_engine_genesis_differs(w->engine, WCX_TEMPLATE_SECURITY_DEFINITION, &d), "SecurityID 7 is not in the journal");
  wcx_session_definition_t s = {.session_id = 2, .account = 2};
  assert_null(wcx_engine_genesis_differs(w->engine, WCX_TEMPLATE_SESSION_DEFINITION, &s));
  s.account = 3;
  assert_non_null(wcx_engine_genesis_differs(w->engine, WCX_TEMPLATE_SESSION_DEFINITION, &s));
  wcx_account_definition_t a = {.account = 1, .credit = WCX_CREDIT_UNLIMITED, .status = WCX_ACCOUNT_STATUS_ACTIVE};
  assert_null(wcx_engine_genesis_differs(w->engine, WCX_TEMPLATE_ACCOUNT_DEFINITION, &a));
  a.fee_tier = 1;
  assert_non_null(wcx_engine_genesis_differs(w->engine, WCX_TEMPLATE_ACCOUNT_DEFINITION, &a));
  wcx_capacity_t c = {.max_orders = 10, .max_instruments = 8, .max_accounts = 32, .max_sessions = 16, .max_levels = 10};
  assert_non_null(wcx_engine_genesis_differs(w->engine, WCX_TEMPLATE_CAPACITY, &c));
  world_apply(w, WCX_TEMPLATE_CAPACITY, 0, 0, &c, sizeof(c));
  assert_null(wcx_engine_genesis_differs(w->engine, WCX_TEMPLATE_CAPACITY, &c));
}

static void limits_out_of_range_have_no_footprint(void **state)
{
  (void)state;
  wcx_engine_limits_t l = world_limits;
  assert_true(wcx_engine_footprint(&l) > 0);
  l.shard = 0;
  assert_int_equal(wcx_engine_footprint(&l), 0);
  l = world_limits;
  l.orders_max = 1u << 24;
  assert_int_equal(wcx_engine_footprint(&l), 0);
  l = world_limits;
  l.instruments_max = 65536;
  assert_int_equal(wcx_engine_footprint(&l), 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      world_test(definitions_are_told_to_the_feed),   world_test(a_definition_is_final_after_its_first_order), world_test(bad_instruments_are_refused),
      world_test(what_names_nothing_says_so),         world_test(capacity_must_fit_state_and_memory),          world_test(a_day_roll_restarts_the_feed),
      world_test(genesis_is_compared_with_the_state), cmocka_unit_test(limits_out_of_range_have_no_footprint),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
