/* Balances and fees by hand: one rule of RULES.md sections 5 and 10 each. Limits are in test_risk_limits.c. */
#include "tests/unit/risk_fixture.h"

/* --- arithmetic ----------------------------------------------------------------------------------------------------------------------- */

static void division_by_powers_of_ten_is_exact(void **state)
{
  (void)state;
  wcx_u128_t power = 1;
  for (uint32_t k = 0; k <= WCX_DECIMAL_MAX; k++, power *= 10)
  {
    uint64_t quotients[] = {0, 1, 2, 9, 10, 12345678901234567u, UINT64_C(1) << 63, UINT64_MAX - 1};
    wcx_u128_t rests[] = {0, 1, power / 2, power - 1};
    for (size_t q = 0; q < sizeof(quotients) / sizeof(quotients[0]); q++)
      for (size_t r = 0; r < sizeof(rests) / sizeof(rests[0]); r++)
      {
        if (rests[r] >= power)
          continue;
        wcx_u128_t value = power * quotients[q] + rests[r];
        assert_true(wcx_decimal_divide(k, value, false) == quotients[q]);
        assert_true(wcx_decimal_divide(k, value, true) == quotients[q] + (rests[r] != 0));
      }
  }
  uint64_t x = 88172645463325252u;
  for (uint32_t i = 0; i < 200000; i++)
  {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    uint32_t k = (uint32_t)(x % (WCX_DECIMAL_MAX + 1));
    uint64_t divisor = wcx_decimals[k].power;
    wcx_u128_t value = (wcx_u128_t)(x * 0x2545F4914F6CDD1Du % divisor) << 64 | x * 0x9E3779B97F4A7C15u;
    assert_true(wcx_decimal_divide(k, value, false) == (uint64_t)(value / divisor));
  }
}

/* --- balances ------------------------------------------------------------------------------------------------------------------------- */

static void a_buy_holds_what_it_costs_at_most_and_a_sell_what_it_gives(void **state)
{
  world_t *w = *state;
  uint64_t buy = order(w, 1, BUY, 100, 7);
  expect_balance(w, 1, "USDT", RICH - 700, 700);
  uint64_t sell = order(w, 1, SELL, 200, 5);
  expect_balance(w, 1, "BTC", 995, 5);
  cancel(w, 1, buy);
  expect_balance(w, 1, "USDT", RICH, 0);
  cancel(w, 1, sell);
  expect_balance(w, 1, "BTC", 1000, 0);
  order(w, 1, SELL, 200, 1001);
  expect_reject(w, WCX_ORD_REJ_REASON_INSUFFICIENT_BALANCE, 1000);
  order(w, 1, BUY, 1000, 1000);
  expect_balance(w, 1, "USDT", 0, RICH);
  order(w, 1, BUY, 1, 1);
  expect_reject(w, WCX_ORD_REJ_REASON_INSUFFICIENT_BALANCE, 0);
}

static void a_fill_moves_money_and_goods_and_frees_a_better_price(void **state)
{
  world_t *w = *state;
  order(w, 2, SELL, 90, 4);
  order(w, 1, BUY, 100, 10);
  expect_balance(w, 1, "USDT", RICH - 360 - 600, 600);
  expect_balance(w, 1, "BTC", 1004, 0);
  expect_balance(w, 2, "USDT", RICH + 360, 0);
  expect_balance(w, 2, "BTC", 996, 0);
  order(w, 3, SELL, 100, 6); /* an unlimited account brings what nobody had */
  expect_balance(w, 1, "USDT", RICH - 960, 0);
  expect_balance(w, 1, "BTC", 1010, 0);
}

static void an_account_may_trade_with_itself(void **state)
{
  world_t *w = *state;
  order(w, 1, SELL, 90, 4);
  order(w, 1, BUY, 100, 10);
  expect_balance(w, 1, "USDT", RICH - 600, 600);
  expect_balance(w, 1, "BTC", 1000, 0);
}

static void what_was_bought_may_be_sold(void **state)
{
  world_t *w = *state;
  an_account(w, 4, WCX_CREDIT_CHECKED, 0, 0);
  order(w, 4, BUY, 10, 1);
  expect_reject(w, WCX_ORD_REJ_REASON_INSUFFICIENT_BALANCE, 0); /* nothing at all */
  give(w, 4, "USDT", 100, 1);
  order(w, 3, SELL, 10, 10);
  order(w, 4, BUY, 10, 10);
  expect_balance(w, 4, "BTC", 10, 0);
  order(w, 4, SELL, 10, 10);
  expect_balance(w, 4, "BTC", 0, 10);
}

static void a_replace_asks_for_the_difference(void **state)
{
  world_t *w = *state;
  uint64_t id = order(w, 1, BUY, 100, 9000);
  expect_balance(w, 1, "USDT", 100000, 900000);
  replace(w, 1, id, 112, 9000);
  expect_replace_reject(w, WCX_CXL_REJ_REASON_INSUFFICIENT_BALANCE);
  expect_balance(w, 1, "USDT", 100000, 900000);
  id = replace(w, 1, id, 111, 9000);
  expect_balance(w, 1, "USDT", 1000, 999000);
  id = replace(w, 1, id, 111, 1000); /* in place */
  expect_balance(w, 1, "USDT", RICH - 111000, 111000);
  order(w, 3, SELL, 105, 400); /* at 111: it is the taker */
  expect_balance(w, 1, "USDT", RICH - 111000, 66600);
  replace(w, 1, id, 50, 500);
  expect_balance(w, 1, "USDT", RICH - 44400 - 5000, 5000);
}

static void a_smaller_order_is_never_refused_for_want_of_balance(void **state)
{
  world_t *w = *state;
  uint64_t id = order(w, 1, BUY, 100, 10000);
  expect_balance(w, 1, "USDT", 0, RICH);
  wcx_risk_break(w->engine, wcx_state_account(w->engine, 1), wcx_state_instrument(w->engine, 1), SELL, 50, 10, 0); /* it owes what it got */
  expect_balance(w, 1, "USDT", -500, RICH);
  expect_balance(w, 1, "BTC", 1010, 0);
  id = replace(w, 1, id, 99, 10000);
  expect_balance(w, 1, "USDT", -500 + 10000, RICH - 10000);
  order(w, 1, SELL, 500, 1);
  expect_new(w);
  (void)id;
}

static void what_prevention_takes_is_held_no_more(void **state)
{
  world_t *w = *state;
  order(w, 1, SELL, 100, 10);
  wcx_new_order_single_t o = an_order(w->cl_ord_id[1] + 1, 1, BUY, 100, 4);
  o.self_match_prevention_inst = WCX_SELF_MATCH_PREVENTION_INST_DECREMENT_AND_CANCEL;
  send_order(w, 1, &o);
  expect_balance(w, 1, "BTC", 994, 6);
  expect_balance(w, 1, "USDT", RICH, 0);
  o = an_order(w->cl_ord_id[1] + 1, 1, BUY, 100, 9);
  o.self_match_prevention_inst = WCX_SELF_MATCH_PREVENTION_INST_DECREMENT_AND_CANCEL;
  send_order(w, 1, &o);
  expect_balance(w, 1, "BTC", 1000, 0);
  expect_balance(w, 1, "USDT", RICH - 300, 300);
}

static void an_order_that_sweeps_is_held_at_its_collar(void **state)
{
  world_t *w = *state;
  wcx_new_order_single_t market = an_order(1, 1, BUY, NONE, 3);
  market.ord_type = WCX_ORD_TYPE_MARKET;
  send_order(w, 1, &market);
  expect_reject(w, WCX_ORD_REJ_REASON_NO_REFERENCE_PRICE, WCX_U64_NULL);
  market.side = SELL;
  market.cl_ord_id++;
  send_order(w, 1, &market); /* nothing to bound: it gives what it has */
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_NEW, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, 0);
  expect_balance(w, 1, "BTC", 1000, 0);

  wcx_security_definition_t def = an_instrument(2);
  def.high_limit_price = 500;
  world_define(w, &def);
  wcx_new_order_single_t stop = an_order(3, 1, BUY, NONE, 3);
  stop.security_id = 2;
  stop.ord_type = WCX_ORD_TYPE_STOP;
  stop.stop_px = 120;
  send_order(w, 1, &stop);
  expect_balance(w, 1, "USDT", RICH - 1500, 1500);
  wcx_order_cancel_replace_request_t grow = a_replace(4, 3, NONE, 4);
  grow.security_id = 2;
  send_replace(w, 1, &grow);
  expect_balance(w, 1, "USDT", RICH - 2000, 2000);
  cancel_either(w, 1, 4, WCX_U64_NULL, 2);
  expect_balance(w, 1, "USDT", RICH, 0);

  wcx_new_order_single_t offer = an_order(1, 3, SELL, 110, 2);
  offer.security_id = 2;
  send_order(w, 3, &offer);
  wcx_new_order_single_t to_limit = an_order(w->cl_ord_id[1] + 1, 1, BUY, NONE, 5);
  to_limit.security_id = 2;
  to_limit.ord_type = WCX_ORD_TYPE_MARKET_TO_LIMIT;
  send_order(w, 1, &to_limit);
  expect_balance(w, 1, "USDT", RICH - 550, 330); /* rests at 110 */
  expect_balance(w, 1, "BTC", 1002, 0);
}

static void what_does_not_fit_an_amount_is_refused(void **state)
{
  world_t *w = *state;
  wcx_security_definition_t def = an_instrument(2);
  def.high_limit_price = INT64_MAX / 2;
  world_define(w, &def);
  wcx_new_order_single_t market = an_order(1, 1, BUY, NONE, 100);
  market.security_id = 2;
  market.ord_type = WCX_ORD_TYPE_MARKET;
  send_order(w, 1, &market);
  expect_reject(w, WCX_ORD_REJ_REASON_ARITHMETIC_OVERFLOW, WCX_U64_NULL);

  an_asset(w, "WEI", -18);
  def = an_instrument(3);
  memcpy(def.base_asset, "WEI     ", 8);
  world_define(w, &def);
  wcx_new_order_single_t buy = an_order(2, 1, BUY, 1, 10);
  buy.security_id = 3;
  send_order(w, 1, &buy); /* 10^19 of base */
  expect_reject(w, WCX_ORD_REJ_REASON_ARITHMETIC_OVERFLOW, WCX_U64_NULL);
  buy.cl_ord_id++;
  buy.order_qty = 9;
  send_order(w, 1, &buy);
  expect_new(w);
  wcx_new_order_single_t sell = buy;
  sell.cl_ord_id = 1;
  sell.account = 3;
  sell.side = SELL;
  send_order(w, 3, &sell);
  expect_balance(w, 1, "WEI", INT64_C(9000000000000000000), 0);
  buy.cl_ord_id++;
  send_order(w, 1, &buy);
  sell.cl_ord_id++;
  send_order(w, 3, &sell);
  expect_balance(w, 1, "WEI", INT64_MAX, 0); /* shown as the nearest that fits; it has 1.8e19 */
  sell.cl_ord_id = 5;
  sell.account = 1;
  sell.order_qty = 10;
  send_order(w, 1, &sell);
  expect_reject(w, WCX_ORD_REJ_REASON_ARITHMETIC_OVERFLOW, WCX_U64_NULL);
  for (uint64_t i = 0; i < 2; i++)
  {
    sell.cl_ord_id = 6 + i;
    sell.order_qty = 9;
    send_order(w, 1, &sell);
    expect_new(w);
  }
  wcx_balance_adjustment_t more = an_adjustment(1, "USDT", INT64_MAX, 9);
  assert_non_null(world_definition_error(w, WCX_TEMPLATE_BALANCE_ADJUSTMENT, &more));
}

static void a_hold_with_its_fee_may_not_fit(void **state)
{
  world_t *w = *state;
  wcx_security_definition_t def = an_instrument(2);
  def.taker_fee_rate = 1000000000;
  world_define(w, &def);
  wcx_new_order_single_t buy = an_order(1, 1, BUY, INT64_MAX / 2 + 1, 1);
  buy.security_id = 2;
  send_order(w, 1, &buy);
  expect_reject(w, WCX_ORD_REJ_REASON_ARITHMETIC_OVERFLOW, WCX_U64_NULL);
  buy.cl_ord_id++;
  buy.price--;
  send_order(w, 1, &buy);
  expect_reject(w, WCX_ORD_REJ_REASON_INSUFFICIENT_BALANCE, (uint64_t)RICH);
}

static void rounding_may_cost_more_than_was_held(void **state)
{
  world_t *w = *state;
  wcx_security_definition_t def = an_instrument(2);
  def.qty_exponent = -1; /* a tenth of 1 x 9 is 0.9 */
  def.maker_fee_rate = 100000000;
  world_define(w, &def);
  an_asset(w, "COIN", -1);
  memcpy(def.base_asset, "COIN    ", 8);
  world_define(w, &def);
  an_account(w, 4, WCX_CREDIT_CHECKED, 0, 0);
  give(w, 4, "USDT", 11, 1);
  wcx_new_order_single_t buy = an_order(1, 4, BUY, 10, 10);
  buy.security_id = 2;
  send_order(w, 4, &buy); /* 10, and 1 of fee */
  expect_balance(w, 4, "USDT", 0, 11);
  wcx_new_order_single_t sell = an_order(0, 3, SELL, 10, 1);
  sell.security_id = 2;
  for (uint64_t i = 1; i <= 10; i++)
  {
    sell.cl_ord_id = i;
    send_order(w, 3, &sell); /* each of 1, and 1 of fee */
    wcx_engine_verify(w->engine);
  }
  expect_balance(w, 4, "USDT", -9, 0);
  expect_balance(w, 4, "COIN", 10, 0);
  assert_int_equal(fees_of(w, "USDT"), 10);
}

/* --- assets --------------------------------------------------------------------------------------------------------------------------- */

static void a_checked_account_trades_only_where_exponents_agree(void **state)
{
  world_t *w = *state;
  wcx_security_definition_t def = an_instrument(2);
  def.amt_exponent = -2; /* USDT has balances at exponent 0 */
  world_define(w, &def);
  wcx_new_order_single_t o = an_order(1, 1, BUY, 100, 1);
  o.security_id = 2;
  send_order(w, 1, &o);
  expect_reject(w, WCX_ORD_REJ_REASON_UNSUPPORTED_ORDER_CHARACTERISTIC, WCX_U64_NULL);
  def.amt_exponent = 0;
  def.qty_exponent = -1; /* finer than BTC */
  world_define(w, &def);
  o.cl_ord_id++;
  send_order(w, 1, &o);
  expect_reject(w, WCX_ORD_REJ_REASON_UNSUPPORTED_ORDER_CHARACTERISTIC, WCX_U64_NULL);
  o.cl_ord_id = 1;
  o.account = 3;
  send_order(w, 3, &o); /* nobody asks an unlimited one */
  expect_new(w);
}

static void exponents_change_until_there_is_a_balance(void **state)
{
  world_t *w = *state;
  wcx_security_definition_t def = an_instrument(2);
  memcpy(def.base_asset, "ETH     ", 8);
  memcpy(def.quote_asset, "EUR     ", 8);
  def.amt_exponent = -2;
  world_define(w, &def);
  def.amt_exponent = -3; /* redefined: so is its asset */
  world_define(w, &def);
  wcx_asset_view_t view;
  assert_true(wcx_engine_asset_at(w->engine, 3, &view));
  assert_memory_equal(view.asset, "EUR\0\0\0\0", 8);
  assert_int_equal(view.exponent, -3);
  an_asset(w, "EUR     ", -2); /* decided: an instrument changes it no more */
  world_define(w, &def);
  assert_true(wcx_engine_asset_at(w->engine, 3, &view));
  assert_int_equal(view.exponent, -2);
  assert_false(wcx_engine_asset_at(w->engine, 4, &view));
  give(w, 1, "EUR", 10000, 1);
  wcx_new_order_single_t o = an_order(1, 1, BUY, 100, 1);
  o.security_id = 2;
  send_order(w, 1, &o);
  expect_reject(w, WCX_ORD_REJ_REASON_UNSUPPORTED_ORDER_CHARACTERISTIC, WCX_U64_NULL);
  wcx_asset_definition_t eur = {.asset = "EUR", .exponent = -3};
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_ASSET_DEFINITION, &eur), "Asset EUR has balances: its Exponent -2 is final");
  an_asset(w, "EUR", -2);
  def.amt_exponent = -2;
  world_define(w, &def);
  o.cl_ord_id++;
  send_order(w, 1, &o);
  expect_new(w);
  an_asset(w, "ADA", 0);
  wcx_security_definition_t third = an_instrument(3);
  memcpy(third.base_asset, "ADA     ", 8);
  third.qty_exponent = -1;
  world_define(w, &third);
  an_asset(w, "ADA", -1); /* its instruments follow, others stay */
  o = an_order(3, 1, BUY, 100, 10);
  o.security_id = 3;
  send_order(w, 1, &o);
  expect_new(w);
}

static void there_is_an_end_to_assets(void **state)
{
  world_t *w = *state;
  wcx_asset_definition_t def = {.asset = "A00"};
  for (uint32_t i = 2; i < 80; i++) /* 2 x 8 + 64, less BTC and USDT */
  {
    def.asset[1] = (char)('0' + i / 10);
    def.asset[2] = (char)('0' + i % 10);
    world_apply(w, WCX_TEMPLATE_ASSET_DEFINITION, 0, 0, &def, sizeof(def));
  }
  wcx_engine_verify(w->engine);
  assert_null(world_definition_error(w, WCX_TEMPLATE_ASSET_DEFINITION, &def)); /* there already */
  memcpy(def.asset, "MORE", 4);
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_ASSET_DEFINITION, &def), "Asset MORE: all 80 assets are defined");
  wcx_security_definition_t instrument = an_instrument(2);
  assert_null(world_definition_error(w, WCX_TEMPLATE_SECURITY_DEFINITION, &instrument));
  memcpy(instrument.quote_asset, "MORE    ", 8);
  assert_non_null(world_definition_error(w, WCX_TEMPLATE_SECURITY_DEFINITION, &instrument));
  wcx_capacity_t less = {.max_orders = 1000, .max_instruments = 7, .max_accounts = 32, .max_sessions = 16, .max_levels = 500};
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_CAPACITY, &less), "MaxInstruments 7 leaves room for 78 assets, below the 80 in use");
}

static void an_instrument_may_be_of_one_asset(void **state)
{
  world_t *w = *state;
  wcx_security_definition_t def = an_instrument(2);
  memcpy(def.quote_asset, "BTC     ", 8);
  world_define(w, &def);
  wcx_new_order_single_t o = an_order(1, 1, BUY, 10, 5);
  o.security_id = 2;
  send_order(w, 1, &o);
  expect_balance(w, 1, "BTC", 950, 50);
  o.cl_ord_id = 1;
  o.account = 2;
  o.side = SELL;
  send_order(w, 2, &o);
  expect_balance(w, 1, "BTC", 955, 0);
  expect_balance(w, 2, "BTC", 1045, 0);
}

static void definitions_that_cannot_be_are_refused(void **state)
{
  world_t *w = *state;
  wcx_asset_definition_t blank = {.asset = "        "};
  assert_string_equal(world_definition_error(w, WCX_TEMPLATE_ASSET_DEFINITION, &blank), "AssetDefinition: Asset is blank");
  wcx_security_definition_t def = an_instrument(2);
  static const int64_t rates[][2] = {{1000000001, 0}, {-1000000001, 0}, {0, 1000000001}, {0, -1000000001}};
  for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
  {
    def.maker_fee_rate = rates[i][0];
    def.taker_fee_rate = rates[i][1];
    assert_non_null(world_definition_error(w, WCX_TEMPLATE_SECURITY_DEFINITION, &def));
  }
  def.maker_fee_rate = -1000000000;
  def.taker_fee_rate = 1000000000;
  assert_null(world_definition_error(w, WCX_TEMPLATE_SECURITY_DEFINITION, &def));
}

/* --- adjustments ---------------------------------------------------------------------------------------------------------------------- */

static void an_adjustment_is_made_once(void **state)
{
  world_t *w = *state;
  give(w, 1, "BTC", 5, 1);
  expect_balance(w, 1, "BTC", 1000, 0);
  give(w, 1, "BTC", 5, 100);
  expect_balance(w, 1, "BTC", 1005, 0);
  give(w, 1, "BTC", 1, 37); /* 63 below the highest */
  expect_balance(w, 1, "BTC", 1006, 0);
  give(w, 1, "BTC", 1, 37);
  give(w, 1, "BTC", 1, 36); /* counts as seen */
  give(w, 1, "BTC", 1, 100);
  expect_balance(w, 1, "BTC", 1006, 0);
  give(w, 1, "BTC", 1, 99);
  give(w, 1, "BTC", 1, 101);
  give(w, 1, "BTC", 1, 99);
  expect_balance(w, 1, "BTC", 1008, 0);
  give(w, 1, "BTC", 1, UINT64_MAX);
  give(w, 1, "BTC", 1, 101);
  expect_balance(w, 1, "BTC", 1009, 0);
  give(w, 1, "USDT", -RICH, 37); /* references are of the asset */
  expect_balance(w, 1, "USDT", 0, 0);
}

static void adjustments_that_cannot_be_are_refused(void **state)
{
  world_t *w = *state;
  wcx_balance_adjustment_t a = an_adjustment(1, "BTC", -1001, 2);
#define REFUSED(adjustment, text) assert_string_equal(world_definition_error(w, WCX_TEMPLATE_BALANCE_ADJUSTMENT, &(adjustment)), text)
  REFUSED(a, "Account 1 Asset BTC     : Amount -1001 is more than is available");
  a.reference = 1; /* seen: changes nothing */
  assert_null(world_definition_error(w, WCX_TEMPLATE_BALANCE_ADJUSTMENT, &a));
  a = an_adjustment(3, "BTC", 1, 2);
  REFUSED(a, "Account 3 has no balances: its Credit is not Checked");
  a = an_adjustment(30, "BTC", 1, 2);
  REFUSED(a, "Account 30 is unknown");
  a = an_adjustment(1, "DOGE", 1, 2);
  REFUSED(a, "Asset DOGE     is unknown");
  a = an_adjustment(1, "BTC", 1, 0);
  REFUSED(a, "BalanceAdjustment: Reference is 0");
  a = an_adjustment(1, "BTC", NONE, 2);
  REFUSED(a, "BalanceAdjustment: Amount is null");
  wcx_balance_view_t view;
  assert_false(wcx_engine_balance(w->engine, 3, "BTC\0\0\0\0", &view));
  assert_false(wcx_engine_balance(w->engine, 30, "BTC\0\0\0\0", &view));
  assert_false(wcx_engine_balance(w->engine, 1, "DOGE\0\0\0", &view));
  an_asset(w, "DOGE", 0);
  assert_false(wcx_engine_balance(w->engine, 1, "DOGE\0\0\0", &view));
  a = an_adjustment(1, "DOGE", -1, 1);
  assert_non_null(world_definition_error(w, WCX_TEMPLATE_BALANCE_ADJUSTMENT, &a));
#undef REFUSED
}

static void what_is_owed_may_be_paid_back_in_parts(void **state)
{
  world_t *w = *state;
  wcx_account_t *account = wcx_state_account(w->engine, 1);
  wcx_risk_break(w->engine, account, wcx_state_instrument(w->engine, 1), BUY, 100, 1200, 0);
  expect_balance(w, 1, "BTC", -200, 0);
  expect_balance(w, 1, "USDT", RICH + 120000, 0);
  give(w, 1, "BTC", 50, 2);
  expect_balance(w, 1, "BTC", -150, 0);
  order(w, 1, SELL, 100, 1);
  expect_reject(w, WCX_ORD_REJ_REASON_INSUFFICIENT_BALANCE, (uint64_t)-150);
}

static void credit_may_change_before_the_first_order(void **state)
{
  world_t *w = *state;
  an_account(w, 1, WCX_CREDIT_UNLIMITED, 0, 0);
  wcx_balance_view_t view;
  assert_false(wcx_engine_balance(w->engine, 1, "BTC\0\0\0\0", &view));
  an_account(w, 1, WCX_CREDIT_CHECKED, 0, 0); /* what it had is there again */
  expect_balance(w, 1, "BTC", 1000, 0);
  order(w, 1, BUY, 1, 1);
  an_account(w, 1, WCX_CREDIT_CHECKED, 3, 9);
  wcx_account_definition_t def = {.account = 1, .credit = WCX_CREDIT_UNLIMITED, .status = WCX_ACCOUNT_STATUS_ACTIVE};
  assert_non_null(world_definition_error(w, WCX_TEMPLATE_ACCOUNT_DEFINITION, &def));
}

/* --- fees ----------------------------------------------------------------------------------------------------------------------------- */

static void commissions_round_up_and_rebates_down(void **state)
{
  world_t *w = *state;
  fees(w, -2500000, 2500000); /* 0.25 % */
  order(w, 1, SELL, 100, 10);
  order(w, 2, BUY, 100, 10);
  assert_int_equal(SAID(w, 1, wcx_execution_report_trade_t).commission, -2); /* of 2.5 */
  assert_int_equal(SAID(w, 2, wcx_execution_report_trade_t).commission, 3);
  expect_balance(w, 1, "USDT", RICH + 1000 + 2, 0);
  expect_balance(w, 2, "USDT", RICH - 1000 - 3, 0);
  assert_int_equal(fees_of(w, "USDT"), 1);
  order(w, 3, SELL, 100, 10); /* of unlimited accounts, too */
  order(w, 4, BUY, 100, 10);
  assert_int_equal(fees_of(w, "USDT"), 2);
  wcx_engine_verify(w->engine);
}

static void a_buy_holds_the_higher_of_both_fees(void **state)
{
  world_t *w = *state;
  fees(w, 5000000, 2500000);
  order(w, 1, BUY, 100, 10);
  expect_balance(w, 1, "USDT", RICH - 1005, 1005);
  order(w, 3, SELL, 100, 3); /* 300 and 2 of fee; 704 is what 7 need */
  expect_balance(w, 1, "USDT", RICH - 302 - 704, 704);
  order(w, 3, SELL, 100, 7);
  expect_balance(w, 1, "USDT", RICH - 1000 - 2 - 4, 0);
}

static void a_rebate_holds_nothing(void **state)
{
  world_t *w = *state;
  fees(w, -2500000, -1);
  order(w, 1, BUY, 100, 10);
  expect_balance(w, 1, "USDT", RICH - 1000, 1000);
  order(w, 3, SELL, 100, 10);
  expect_balance(w, 1, "USDT", RICH - 998, 0);
}

static void a_fee_tier_pays_its_share(void **state)
{
  world_t *w = *state;
  fees(w, -3, 20000000); /* 2 % */
  wcx_fee_tier_definition_t tier = {.maker_share = 500000, .taker_share = 500000, .fee_tier = 7};
  assert_null(world_definition_error(w, WCX_TEMPLATE_FEE_TIER_DEFINITION, &tier));
  world_apply(w, WCX_TEMPLATE_FEE_TIER_DEFINITION, 0, 0, &tier, sizeof(tier));
  wcx_engine_verify(w->engine);
  order(w, 3, SELL, 100, 30);
  order(w, 2, BUY, 100, 10); /* tier 0 is not defined: whole */
  assert_int_equal(SAID(w, 2, wcx_execution_report_trade_t).commission, 20);
  an_account(w, 2, WCX_CREDIT_CHECKED, 0, 7);
  order(w, 2, BUY, 100, 10);
  assert_int_equal(SAID(w, 2, wcx_execution_report_trade_t).commission, 10);
  expect_balance(w, 2, "USDT", RICH - 2030, 0);
  tier.taker_share = 1000000;
  tier.maker_share = 1000000;
  world_apply(w, WCX_TEMPLATE_FEE_TIER_DEFINITION, 0, 0, &tier, sizeof(tier));
  order(w, 2, BUY, 100, 10);
  assert_int_equal(SAID(w, 2, wcx_execution_report_trade_t).commission, 20);
  tier.taker_share = 0;
  world_apply(w, WCX_TEMPLATE_FEE_TIER_DEFINITION, 0, 0, &tier, sizeof(tier));
  wcx_engine_verify(w->engine);
  tier.taker_share = 1000001;
  assert_non_null(world_definition_error(w, WCX_TEMPLATE_FEE_TIER_DEFINITION, &tier));
  tier.taker_share = 0;
  tier.maker_share = 1000001;
  assert_non_null(world_definition_error(w, WCX_TEMPLATE_FEE_TIER_DEFINITION, &tier));
}

static void a_broken_trade_gives_back_what_it_moved(void **state)
{
  world_t *w = *state;
  fees(w, 1000000, 2000000);
  order(w, 1, SELL, 100, 10);
  order(w, 2, BUY, 100, 10);
  order(w, 3, SELL, 100, 10);
  order(w, 4, BUY, 100, 10);
  assert_int_equal(fees_of(w, "USDT"), 6);
  wcx_instrument_t *instrument = wcx_state_instrument(w->engine, 1);
  wcx_risk_break(w->engine, wcx_state_account(w->engine, 1), instrument, SELL, 100, 10, 1);
  wcx_risk_break(w->engine, wcx_state_account(w->engine, 2), instrument, BUY, 100, 10, 2);
  expect_balance(w, 1, "USDT", RICH, 0);
  expect_balance(w, 1, "BTC", 1000, 0);
  expect_balance(w, 2, "USDT", RICH, 0);
  expect_balance(w, 2, "BTC", 1000, 0);
  assert_int_equal(fees_of(w, "USDT"), 3);
  wcx_risk_break(w->engine, wcx_state_account(w->engine, 3), instrument, SELL, 100, 10, 1);
  wcx_risk_break(w->engine, wcx_state_account(w->engine, 4), instrument, BUY, 100, 10, 2);
  assert_int_equal(fees_of(w, "USDT"), 0);
  wcx_engine_verify(w->engine);
  an_account(w, 5, WCX_CREDIT_CHECKED, 0, 0); /* has never traded: whoever breaks its trade is wrong, and moves nothing */
  wcx_risk_break(w->engine, wcx_state_account(w->engine, 5), instrument, BUY, 100, 10, 2);
  give(w, 5, "USDT", 1, 1);
  wcx_risk_break(w->engine, wcx_state_account(w->engine, 5), instrument, BUY, 100, 10, 2);
  expect_balance(w, 5, "USDT", 1, 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(division_by_powers_of_ten_is_exact),
      risk_test(a_buy_holds_what_it_costs_at_most_and_a_sell_what_it_gives),
      risk_test(a_fill_moves_money_and_goods_and_frees_a_better_price),
      risk_test(an_account_may_trade_with_itself),
      risk_test(what_was_bought_may_be_sold),
      risk_test(a_replace_asks_for_the_difference),
      risk_test(a_smaller_order_is_never_refused_for_want_of_balance),
      risk_test(what_prevention_takes_is_held_no_more),
      risk_test(an_order_that_sweeps_is_held_at_its_collar),
      risk_test(what_does_not_fit_an_amount_is_refused),
      risk_test(a_hold_with_its_fee_may_not_fit),
      risk_test(rounding_may_cost_more_than_was_held),
      risk_test(a_checked_account_trades_only_where_exponents_agree),
      risk_test(exponents_change_until_there_is_a_balance),
      risk_test(there_is_an_end_to_assets),
      risk_test(an_instrument_may_be_of_one_asset),
      risk_test(definitions_that_cannot_be_are_refused),
      risk_test(an_adjustment_is_made_once),
      risk_test(adjustments_that_cannot_be_are_refused),
      risk_test(what_is_owed_may_be_paid_back_in_parts),
      risk_test(credit_may_change_before_the_first_order),
      risk_test(commissions_round_up_and_rebates_down),
      risk_test(a_buy_holds_the_higher_of_both_fees),
      risk_test(a_rebate_holds_nothing),
      risk_test(a_fee_tier_pays_its_share),
      risk_test(a_broken_trade_gives_back_what_it_moved),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
