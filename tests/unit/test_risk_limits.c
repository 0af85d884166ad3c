/* Limits of accounts and tiers, and the room that balances take: one rule of RULES.md section 10 each. */
#include "tests/unit/risk_fixture.h"

/* --- limits --------------------------------------------------------------------------------------------------------------------------- */

static void limits_are_checked_in_their_order(void **state)
{
  world_t *w = *state;
  wcx_limit_update_t u = no_limits(3, "USDT");
  u.max_order_qty = 50;
  u.max_order_notional = 1000;
  u.max_open_notional = 1500;
  u.max_open_orders = 3;
  set_limits(w, &u);
  order(w, 3, BUY, 100, 51);
  expect_reject(w, WCX_ORD_REJ_REASON_ORDER_EXCEEDS_LIMIT, 50);
  order(w, 3, BUY, 100, 11);
  expect_reject(w, WCX_ORD_REJ_REASON_NOTIONAL_VALUE_EXCEEDS_THRESHOLD, 1000);
  order(w, 3, BUY, 100, 10);
  expect_new(w);
  order(w, 3, SELL, 200, 3);
  expect_reject(w, WCX_ORD_REJ_REASON_ORDER_EXCEEDS_LIMIT, 1500); /* sells count */
  uint64_t id = order(w, 3, SELL, 200, 2);
  expect_new(w);
  order(w, 3, BUY, 1, 1);
  order(w, 3, BUY, 1, 1);
  expect_reject(w, WCX_ORD_REJ_REASON_MAX_OPEN_ORDERS, 3);
  replace(w, 3, id, 200, 3);
  expect_replace_reject(w, WCX_CXL_REJ_REASON_LIMIT_EXCEEDED);
  replace(w, 3, id, 249, 2);
  assert_int_equal(w->said[0].template_id, WCX_TEMPLATE_EXECUTION_REPORT_REPLACE); /* no order more */
  order(w, 4, SELL, 100, 10);
  order(w, 3, BUY, 100, 10); /* the one filled counts no more */
  expect_new(w);
}

static void a_position_is_what_is_owned_and_bid_for(void **state)
{
  world_t *w = *state;
  wcx_limit_update_t u = no_limits(1, "BTC");
  u.max_position = 1020;
  set_limits(w, &u);
  uint64_t id = order(w, 1, BUY, 100, 15);
  expect_new(w);
  order(w, 1, BUY, 100, 6);
  expect_reject(w, WCX_ORD_REJ_REASON_POSITION_LIMIT, 1020);
  replace(w, 1, id, 100, 21);
  expect_replace_reject(w, WCX_CXL_REJ_REASON_LIMIT_EXCEEDED);
  order(w, 3, SELL, 100, 5);
  order(w, 1, BUY, 100, 6); /* 1005 owned, 10 bid for */
  expect_reject(w, WCX_ORD_REJ_REASON_POSITION_LIMIT, 1020);
  order(w, 1, SELL, 200, 900); /* held is owned */
  order(w, 1, BUY, 100, 6);
  expect_reject(w, WCX_ORD_REJ_REASON_POSITION_LIMIT, 1020);
  order(w, 1, BUY, 100, 5);
  expect_new(w);
  u.account = 3;
  u.max_position = 10;
  set_limits(w, &u);
  order(w, 3, BUY, 50, 11); /* owns nothing, as far as anybody knows */
  expect_reject(w, WCX_ORD_REJ_REASON_POSITION_LIMIT, 10);
  order(w, 3, BUY, 50, 10);
  expect_new(w);
}

static void limits_find_the_orders_that_are_open_already(void **state)
{
  world_t *w = *state;
  uint64_t a = order(w, 3, BUY, 100, 5);
  wcx_new_order_single_t shared = an_order(1, 4, BUY, 90, 1); /* by a session of every account */
  send_order(w, 9, &shared);
  shared.cl_ord_id = 2;
  shared.account = 3;
  send_order(w, 9, &shared);
  wcx_new_order_single_t stop = an_order(w->cl_ord_id[3] + 1, 3, BUY, NONE, 7);
  stop.ord_type = WCX_ORD_TYPE_STOP;
  stop.stop_px = 500;
  send_order(w, 3, &stop);
  order(w, 4, BUY, 80, 1);
  wcx_limit_update_t u = no_limits(3, "USDT");
  u.max_open_notional = 600;
  u.max_open_orders = 5;
  set_limits(w, &u);
  order(w, 3, BUY, 11, 1); /* 500 + 90, and a stop that nothing bounds */
  expect_reject(w, WCX_ORD_REJ_REASON_ORDER_EXCEEDS_LIMIT, 600);
  memcpy(u.asset, "BTC\0", 4);
  u.max_open_notional = NONE;
  u.max_position = 14;
  set_limits(w, &u); /* another asset: its record is new, what is counted stays */
  order(w, 3, BUY, 1, 2);
  expect_reject(w, WCX_ORD_REJ_REASON_POSITION_LIMIT, 14);
  order(w, 3, BUY, 1, 1);
  expect_new(w);
  order(w, 3, SELL, 600, 1);
  expect_reject(w, WCX_ORD_REJ_REASON_ORDER_EXCEEDS_LIMIT, 600);
  cancel(w, 3, a);
  wcx_engine_verify(w->engine);
  u = no_limits(3, "USDT"); /* gone again */
  set_limits(w, &u);
  order(w, 3, SELL, 10000, 1);
  expect_new(w);
}

static void no_limit_makes_no_account_limited(void **state)
{
  world_t *w = *state;
  wcx_limit_update_t u = no_limits(3, "");
  set_limits(w, &u);
  u = no_limits(3, "USDT");
  set_limits(w, &u);
  assert_int_equal(wcx_state_account(w->engine, 3)->risk, 0);
  u = no_limits(0, "USDT");
  u.kyc_tier = 1;
  set_limits(w, &u);
  u = no_limits(3, "");
  u.max_order_qty = 5;
  set_limits(w, &u);
  order(w, 3, BUY, 1, 6);
  expect_reject(w, WCX_ORD_REJ_REASON_ORDER_EXCEEDS_LIMIT, 5);
  u.max_order_qty = NONE;
  u.max_open_orders = 0;
  set_limits(w, &u);
  order(w, 3, BUY, 1, 6);
  expect_reject(w, WCX_ORD_REJ_REASON_MAX_OPEN_ORDERS, 0);
}

static void what_nothing_bounds_has_no_notional(void **state)
{
  world_t *w = *state;
  wcx_limit_update_t u = no_limits(3, "USDT");
  u.max_order_notional = 10;
  u.max_open_notional = 10;
  u.max_order_qty = 8;
  set_limits(w, &u);
  order(w, 4, SELL, 100, 5);
  wcx_new_order_single_t o = an_order(1, 3, BUY, NONE, 9);
  o.ord_type = WCX_ORD_TYPE_MARKET;
  send_order(w, 3, &o);
  expect_reject(w, WCX_ORD_REJ_REASON_ORDER_EXCEEDS_LIMIT, 8); /* a quantity it has */
  o.cl_ord_id++;
  o.order_qty = 6;
  o.ord_type = WCX_ORD_TYPE_MARKET_TO_LIMIT;
  send_order(w, 3, &o);
  expect_new(w); /* rests at 100: more than a limit order may be worth */
  order(w, 3, BUY, 1, 1);
  expect_reject(w, WCX_ORD_REJ_REASON_ORDER_EXCEEDS_LIMIT, 10);
  wcx_security_definition_t def = an_instrument(2);
  def.high_limit_price = INT64_MAX - 1;
  world_define(w, &def);
  o.cl_ord_id = w->cl_ord_id[3] + 1;
  o.security_id = 2;
  send_order(w, 3, &o); /* at its collar it does not fit an amount: above any limit */
  expect_reject(w, WCX_ORD_REJ_REASON_NOTIONAL_VALUE_EXCEEDS_THRESHOLD, 10);
}

static void a_tier_limits_its_accounts(void **state)
{
  world_t *w = *state;
  an_account(w, 3, WCX_CREDIT_UNLIMITED, 2, 0);
  an_account(w, 4, WCX_CREDIT_UNLIMITED, 2, 0);
  wcx_limit_update_t own = no_limits(4, "USDT");
  own.max_order_notional = 2000;
  set_limits(w, &own);
  order(w, 3, BUY, 100, 4);
  order(w, 4, BUY, 90, 4);
  wcx_limit_update_t u = no_limits(0, "USDT");
  u.kyc_tier = 2;
  u.max_order_notional = 500;
  u.max_open_notional = 700;
  set_limits(w, &u);
  order(w, 3, BUY, 100, 6);
  expect_reject(w, WCX_ORD_REJ_REASON_KYC_LIMIT, 500);
  order(w, 3, BUY, 100, 4);
  expect_reject(w, WCX_ORD_REJ_REASON_KYC_LIMIT, 700);
  order(w, 4, BUY, 90, 4);
  expect_reject(w, WCX_ORD_REJ_REASON_KYC_LIMIT, 700);
  uint64_t id = order(w, 3, BUY, 100, 3);
  expect_new(w);
  replace(w, 3, id, 100, 4);
  expect_replace_reject(w, WCX_CXL_REJ_REASON_LIMIT_EXCEEDED);
  order(w, 5, BUY, 80, 10); /* of no tier */
  expect_new(w);
  an_account(w, 5, WCX_CREDIT_UNLIMITED, 2, 0);
  wcx_engine_verify(w->engine);
  order(w, 5, BUY, 1, 1);
  expect_reject(w, WCX_ORD_REJ_REASON_KYC_LIMIT, 700); /* 800 are open */
  an_account(w, 5, WCX_CREDIT_UNLIMITED, 9, 0);        /* a tier that can have no limits */
  order(w, 5, BUY, 1, 1);
  expect_new(w);
  an_account(w, 5, WCX_CREDIT_UNLIMITED, 2, 0); /* back: all is counted still */
  wcx_engine_verify(w->engine);
  u.max_open_notional = NONE;
  u.max_order_notional = NONE;
  set_limits(w, &u);
  order(w, 3, BUY, 100, 90);
  expect_new(w);
  u.max_order_notional = 5;
  memcpy(u.asset, "BTC\0", 4);
  set_limits(w, &u);
  order(w, 3, BUY, 100, 90);
  expect_new(w);
  an_account(w, 6, WCX_CREDIT_CHECKED, 2, 0);
  wcx_engine_verify(w->engine);
  an_account(w, 7, WCX_CREDIT_UNLIMITED, 3, 0);
  order(w, 7, BUY, 70, 1);
  u = no_limits(0, "USDT");
  u.kyc_tier = 3;
  u.max_order_notional = 50; /* needs no count, and no record */
  set_limits(w, &u);
  order(w, 7, BUY, 70, 1);
  expect_reject(w, WCX_ORD_REJ_REASON_KYC_LIMIT, 50);
  u.max_open_notional = 80;
  set_limits(w, &u);
  order(w, 7, BUY, 11, 1);
  expect_reject(w, WCX_ORD_REJ_REASON_KYC_LIMIT, 80);
  wcx_account_definition_t def = {.account = 20, .credit = WCX_CREDIT_UNLIMITED, .status = WCX_ACCOUNT_STATUS_ACTIVE, .kyc_tier = 3};
  assert_null(world_definition_error(w, WCX_TEMPLATE_ACCOUNT_DEFINITION, &def));
  an_account(w, 20, WCX_CREDIT_UNLIMITED, 3, 0);
  wcx_engine_verify(w->engine);
}

static void limits_that_cannot_be_are_refused(void **state)
{
  world_t *w = *state;
  wcx_limit_update_t good = no_limits(3, "USDT");
  wcx_limit_update_t u;
#define REFUSED(change, text)                                                                                                                                                      \
  u = good;                                                                                                                                                                        \
  change;                                                                                                                                                                          \
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_LIMIT_UPDATE, &u), text)
  REFUSED(u.max_order_qty = -1, "LimitUpdate: a limit of -1");
  REFUSED(u.max_position = -5, "LimitUpdate: a limit of -5");
  REFUSED(memcpy(u.asset, "DOGE", 4), "Asset DOGE is unknown");
  REFUSED(u.account = 30, "Account 30 is unknown");
  memset(good.asset, ' ', 8);
  REFUSED(u.max_order_notional = 1, "LimitUpdate of Account 3: Asset is blank");
  REFUSED(u.max_open_notional = 1, "LimitUpdate of Account 3: Asset is blank");
  REFUSED(u.max_position = 1, "LimitUpdate of Account 3: Asset is blank");
  good = no_limits(0, "USDT");
  REFUSED(u.kyc_tier = 0, "LimitUpdate without Account: KycTier 0 is outside 1..7");
  REFUSED(u.kyc_tier = 8, "LimitUpdate without Account: KycTier 8 is outside 1..7");
  good.kyc_tier = 1;
  REFUSED(memset(u.asset, 0, 8), "LimitUpdate of KycTier 1: Asset is blank");
  REFUSED(u.max_order_qty = 1, "LimitUpdate of KycTier 1: only MaxOrderNotional and MaxOpenNotional are limits of a tier");
  REFUSED(u.max_open_orders = 1, "LimitUpdate of KycTier 1: only MaxOrderNotional and MaxOpenNotional are limits of a tier");
  REFUSED(u.max_position = 1, "LimitUpdate of KycTier 1: only MaxOrderNotional and MaxOpenNotional are limits of a tier");
#undef REFUSED
}

static void base_quantities_are_counted_whatever_their_exponents(void **state)
{
  world_t *w = *state;
  an_asset(w, "FINE", -40);
  an_asset(w, "COARSE", 40);
  wcx_security_definition_t def = an_instrument(2);
  memcpy(def.base_asset, "FINE    ", 8);
  world_define(w, &def);
  def.security_id = 3;
  memcpy(def.base_asset, "COARSE  ", 8);
  world_define(w, &def);
  wcx_limit_update_t u = no_limits(3, "FINE");
  u.max_position = INT64_MAX;
  set_limits(w, &u);
  memset(u.asset, 0, 8);
  memcpy(u.asset, "COARSE", 6);
  u.max_position = 1;
  set_limits(w, &u);
  wcx_new_order_single_t o = an_order(1, 3, BUY, 5, 1);
  o.security_id = 2;
  send_order(w, 3, &o);
  expect_reject(w, WCX_ORD_REJ_REASON_POSITION_LIMIT, (uint64_t)INT64_MAX);
  o.cl_ord_id++;
  o.security_id = 3;
  send_order(w, 3, &o); /* a part of one counts as one */
  expect_new(w);
  o.cl_ord_id++;
  send_order(w, 3, &o);
  expect_reject(w, WCX_ORD_REJ_REASON_POSITION_LIMIT, 1);
}

/* --- room ----------------------------------------------------------------------------------------------------------------------------- */

static void there_is_an_end_to_balances(void **state)
{
  world_t *w = malloc(sizeof(*w));
  wcx_engine_limits_t limits = world_limits;
  limits.accounts_max = 8;
  limits.instruments_max = 1;
  (void)state;
  world_make(w, &limits, 1 << 20);
  world_populate(w);
  char name[8] = "A00";
  for (uint32_t i = 2; i < 66; i++) /* 2 + 64 assets, 4 x 8 + 66 balances */
  {
    name[1] = (char)('0' + i / 10);
    name[2] = (char)('0' + i % 10);
    an_asset(w, name, 0);
  }
  an_account(w, 1, WCX_CREDIT_CHECKED, 0, 0);
  an_account(w, 2, WCX_CREDIT_CHECKED, 0, 0);
  an_account(w, 3, WCX_CREDIT_CHECKED, 0, 0);
  give(w, 3, "USDT", 100, 1);
  for (uint32_t i = 2; i < 66; i++)
  {
    name[1] = (char)('0' + i / 10);
    name[2] = (char)('0' + i % 10);
    give(w, 1, name, 1, 1);
    if (i < 2 + 31)
      give(w, 2, name, 1, 1);
  }
  wcx_limit_update_t tier = no_limits(0, "USDT");
  tier.kyc_tier = 1;
  an_account(w, 4, WCX_CREDIT_UNLIMITED, 1, 0);
  an_account(w, 5, WCX_CREDIT_UNLIMITED, 1, 0);
  tier.max_open_notional = 1000;
  assert_null(world_definition_error(w, WCX_TEMPLATE_LIMIT_UPDATE, &tier)); /* two more */
  an_account(w, 6, WCX_CREDIT_UNLIMITED, 1, 0);
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_LIMIT_UPDATE, &tier), "LimitUpdate of KycTier 1: 3 more balances, and room for 2");
  an_account(w, 6, WCX_CREDIT_UNLIMITED, 0, 0);
  set_limits(w, &tier);
  wcx_account_definition_t def = {.account = 6, .credit = WCX_CREDIT_UNLIMITED, .status = WCX_ACCOUNT_STATUS_ACTIVE, .kyc_tier = 1};
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_ACCOUNT_DEFINITION, &def), "Account 6 in KycTier 1: 1 more balances, and room for 0");
  def.account = 4;
  assert_null(world_definition_error(w, WCX_TEMPLATE_ACCOUNT_DEFINITION, &def));
  def.account = 31; /* of no record at all */
  assert_non_null(world_definition_error(w, WCX_TEMPLATE_ACCOUNT_DEFINITION, &def));
  wcx_limit_update_t own = no_limits(6, "USDT");
  assert_null(world_definition_error(w, WCX_TEMPLATE_LIMIT_UPDATE, &own));
  own.max_position = 1;
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_LIMIT_UPDATE, &own), "Account 6 Asset USDT: all 98 balances are in use");
  own.account = 4;
  assert_null(world_definition_error(w, WCX_TEMPLATE_LIMIT_UPDATE, &own));
  wcx_balance_adjustment_t more = an_adjustment(3, "BTC", 1, 1);
  assert_non_null(world_definition_error(w, WCX_TEMPLATE_BALANCE_ADJUSTMENT, &more));
  order(w, 3, BUY, 10, 1); /* there would be no place for what it buys */
  expect_reject(w, WCX_ORD_REJ_REASON_OTHER, 98);
  give(w, 2, "A02", 2, 2);
  wcx_security_definition_t instrument = an_instrument(1);
  memcpy(instrument.base_asset, "A03     ", 8);
  memcpy(instrument.quote_asset, "A02     ", 8);
  world_define(w, &instrument);
  order(w, 2, BUY, 1, 1);
  expect_new(w); /* has both */
  wcx_capacity_t less = {.max_orders = 1000, .max_instruments = 1, .max_accounts = 8, .max_sessions = 16, .max_levels = 500};
  assert_null(world_definition_error(w, WCX_TEMPLATE_CAPACITY, &less));
  world_free(w);
  free(w);
}

static void less_capacity_must_hold_the_balances(void **state)
{
  world_t *w = *state;
  char name[8] = "A00";
  for (uint32_t i = 2; i < 66; i++)
  {
    name[1] = (char)('0' + i / 10);
    name[2] = (char)('0' + i % 10);
    an_asset(w, name, 0);
    give(w, 1, name, 1, 1);
    give(w, 2, name, 1, 1);
  }
  wcx_capacity_t less = {.max_orders = 1000, .max_instruments = 1, .max_accounts = 8, .max_sessions = 16, .max_levels = 500};
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_CAPACITY, &less), "MaxAccounts 8 leaves room for 98 balances, below the 132 in use");
  order(w, 1, BUY, 1, 1);
  expect_balance(w, 1, "A07", 1, 0);
}

static void the_largest_shard_fits_two_gib(void **state)
{
  (void)state;
  wcx_engine_limits_t limits = {.shard = 1, .orders_max = 1000000, .levels_max = 262144, .instruments_max = 65535, .accounts_max = 1048576, .sessions_max = 4096};
  assert_true(wcx_engine_footprint(&limits) < UINT64_C(1) << 31);
  assert_int_equal(wcx_balances_max(1048576, 65535), WCX_BALANCES_MAX);
  assert_int_equal(wcx_assets_max(65535), 8256);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      risk_test(limits_are_checked_in_their_order),
      risk_test(a_position_is_what_is_owned_and_bid_for),
      risk_test(limits_find_the_orders_that_are_open_already),
      risk_test(no_limit_makes_no_account_limited),
      risk_test(what_nothing_bounds_has_no_notional),
      risk_test(a_tier_limits_its_accounts),
      risk_test(limits_that_cannot_be_are_refused),
      risk_test(base_quantities_are_counted_whatever_their_exponents),
      cmocka_unit_test(there_is_an_end_to_balances),
      risk_test(less_capacity_must_hold_the_balances),
      cmocka_unit_test(the_largest_shard_fits_two_gib),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
