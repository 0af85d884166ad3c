/* Balances, limits and fees by hand: one rule of RULES.md sections 5 and 10 each. */
#include "tests/unit/engine_fixture.h"

#include "engine/decimal.h"
#include "engine/risk.h"

#define NONE WCX_I64_NULL
#define RICH INT64_C(1000000)

static void an_account(world_t *w, uint32_t account, uint8_t credit, uint8_t kyc_tier, uint8_t fee_tier)
{
  wcx_account_definition_t def = {.account = account, .credit = credit, .status = WCX_ACCOUNT_STATUS_ACTIVE, .kyc_tier = kyc_tier, .fee_tier = fee_tier};
  world_apply(w, WCX_TEMPLATE_ACCOUNT_DEFINITION, 0, 0, &def, sizeof(def));
}

static wcx_balance_adjustment_t an_adjustment(uint32_t account, const char *asset, int64_t amount, uint64_t reference)
{
  wcx_balance_adjustment_t adjustment = {.asset = "        ", .amount = amount, .reference = reference, .account = account};
  memcpy(adjustment.asset, asset, strlen(asset));
  return adjustment;
}

static void give(world_t *w, uint32_t account, const char *asset, int64_t amount, uint64_t reference)
{
  wcx_balance_adjustment_t adjustment = an_adjustment(account, asset, amount, reference);
  assert_null(world_definition_error(w, WCX_TEMPLATE_BALANCE_ADJUSTMENT, &adjustment));
  world_apply(w, WCX_TEMPLATE_BALANCE_ADJUSTMENT, 0, 0, &adjustment, sizeof(adjustment));
}

static wcx_limit_update_t no_limits(uint32_t account, const char *asset)
{
  wcx_limit_update_t update = {
      .max_order_qty = NONE, .max_order_notional = NONE, .max_open_notional = NONE, .max_position = NONE, .max_open_orders = WCX_U32_NULL, .account = account};
  memcpy(update.asset, asset, strlen(asset));
  return update;
}

static void set_limits(world_t *w, const wcx_limit_update_t *update)
{
  assert_null(world_definition_error(w, WCX_TEMPLATE_LIMIT_UPDATE, update));
  world_apply(w, WCX_TEMPLATE_LIMIT_UPDATE, 0, 0, update, sizeof(*update));
  wcx_engine_verify(w->engine);
}

static void an_asset(world_t *w, const char *asset, int8_t exponent)
{
  wcx_asset_definition_t def = {.exponent = exponent};
  memcpy(def.asset, asset, strlen(asset));
  assert_null(world_definition_error(w, WCX_TEMPLATE_ASSET_DEFINITION, &def));
  world_apply(w, WCX_TEMPLATE_ASSET_DEFINITION, 0, 0, &def, sizeof(def));
}

static void expect_balance(const world_t *w, uint32_t account, const char *asset, int64_t available, int64_t held)
{
  char name[8] = {0};
  memcpy(name, asset, strlen(asset));
  wcx_balance_view_t view;
  assert_true(wcx_engine_balance(w->engine, account, name, &view));
  assert_int_equal(view.available, available);
  assert_int_equal(view.held, held);
  wcx_engine_verify(w->engine);
}

static int64_t fees_of(const world_t *w, const char *asset)
{
  wcx_asset_view_t view;
  for (uint32_t i = 0; wcx_engine_asset_at(w->engine, i, &view); i++)
    if (strncmp(view.asset, asset, 8) == 0)
      return view.fees;
  fail_msg("no asset %s", asset);
  return 0;
}

static void expect_reject(const world_t *w, uint16_t reason, uint64_t limit)
{
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_REJECT, 0);
  wcx_execution_report_reject_t er = SAID(w, 0, wcx_execution_report_reject_t);
  assert_int_equal(er.ord_rej_reason, reason);
  assert_true(er.limit_value == limit);
  wcx_engine_verify(w->engine);
}

static void expect_new(const world_t *w)
{
  assert_int_equal(w->said[0].template_id, WCX_TEMPLATE_EXECUTION_REPORT_NEW);
  wcx_engine_verify(w->engine);
}

static void expect_replace_reject(const world_t *w, uint8_t reason)
{
  expect_said(w, WCX_TEMPLATE_ORDER_CANCEL_REJECT, 0);
  assert_int_equal(SAID(w, 0, wcx_order_cancel_reject_t).cxl_rej_reason, reason);
}

/* Accounts 1 and 2 are checked, with 1,000,000 USDT and 1,000 BTC each; the others are not. */
static int risk_setup(void **state)
{
  world_setup(state);
  world_t *w = *state;
  for (uint32_t account = 1; account <= 2; account++)
  {
    an_account(w, account, WCX_CREDIT_CHECKED, 0, 0);
    give(w, account, "USDT", RICH, 1);
    give(w, account, "BTC", 1000, 1);
  }
  return 0;
}

static void fees(world_t *w, int64_t maker, int64_t taker)
{
  wcx_security_definition_t def = an_instrument(1);
  def.maker_fee_rate = maker;
  def.taker_fee_rate = taker;
  def.high_limit_price = 1000;
  world_define(w, &def);
}

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

#define risk_test(f) cmocka_unit_test_setup_teardown(f, risk_setup, world_teardown)

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
