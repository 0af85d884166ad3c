/* Accounts with balances, limits and fees for the tests of risk. */
#ifndef WCX_TESTS_RISK_FIXTURE_H
#define WCX_TESTS_RISK_FIXTURE_H

#include "tests/unit/engine_fixture.h"

#include "engine/decimal.h"
#include "engine/risk.h"

#define NONE WCX_I64_NULL
#define RICH INT64_C(1000000)

static inline void an_account(world_t *w, uint32_t account, uint8_t credit, uint8_t kyc_tier, uint8_t fee_tier)
{
  wcx_account_definition_t def = {.account = account, .credit = credit, .status = WCX_ACCOUNT_STATUS_ACTIVE, .kyc_tier = kyc_tier, .fee_tier = fee_tier};
  world_apply(w, WCX_TEMPLATE_ACCOUNT_DEFINITION, 0, 0, &def, sizeof(def));
}

static inline wcx_balance_adjustment_t an_adjustment(uint32_t account, const char *asset, int64_t amount, uint64_t reference)
{
  wcx_balance_adjustment_t adjustment = {.asset = "        ", .amount = amount, .reference = reference, .account = account};
  memcpy(adjustment.asset, asset, strlen(asset));
  return adjustment;
}

static inline void give(world_t *w, uint32_t account, const char *asset, int64_t amount, uint64_t reference)
{
  wcx_balance_adjustment_t adjustment = an_adjustment(account, asset, amount, reference);
  assert_null(world_definition_error(w, WCX_TEMPLATE_BALANCE_ADJUSTMENT, &adjustment));
  world_apply(w, WCX_TEMPLATE_BALANCE_ADJUSTMENT, 0, 0, &adjustment, sizeof(adjustment));
}

static inline wcx_limit_update_t no_limits(uint32_t account, const char *asset)
{
  wcx_limit_update_t update = {
      .max_order_qty = NONE, .max_order_notional = NONE, .max_open_notional = NONE, .max_position = NONE, .max_open_orders = WCX_U32_NULL, .account = account};
  memcpy(update.asset, asset, strlen(asset));
  return update;
}

static inline void set_limits(world_t *w, const wcx_limit_update_t *update)
{
  assert_null(world_definition_error(w, WCX_TEMPLATE_LIMIT_UPDATE, update));
  world_apply(w, WCX_TEMPLATE_LIMIT_UPDATE, 0, 0, update, sizeof(*update));
  wcx_engine_verify(w->engine);
}

static inline void an_asset(world_t *w, const char *asset, int8_t exponent)
{
  wcx_asset_definition_t def = {.exponent = exponent};
  memcpy(def.asset, asset, strlen(asset));
  assert_null(world_definition_error(w, WCX_TEMPLATE_ASSET_DEFINITION, &def));
  world_apply(w, WCX_TEMPLATE_ASSET_DEFINITION, 0, 0, &def, sizeof(def));
}

static inline void expect_balance(const world_t *w, uint32_t account, const char *asset, int64_t available, int64_t held)
{
  char name[8] = {0};
  memcpy(name, asset, strlen(asset));
  wcx_balance_view_t view;
  assert_true(wcx_engine_balance(w->engine, account, name, &view));
  assert_int_equal(view.available, available);
  assert_int_equal(view.held, held);
  wcx_engine_verify(w->engine);
}

static inline int64_t fees_of(const world_t *w, const char *asset)
{
  wcx_asset_view_t view;
  for (uint32_t i = 0; wcx_engine_asset_at(w->engine, i, &view); i++)
    if (strncmp(view.asset, asset, 8) == 0)
      return view.fees;
  fail_msg("no asset %s", asset);
  return 0;
}

static inline void expect_reject(const world_t *w, uint16_t reason, uint64_t limit)
{
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_REJECT, 0);
  wcx_execution_report_reject_t er = SAID(w, 0, wcx_execution_report_reject_t);
  assert_int_equal(er.ord_rej_reason, reason);
  assert_true(er.limit_value == limit);
  wcx_engine_verify(w->engine);
}

static inline void expect_new(const world_t *w)
{
  assert_int_equal(w->said[0].template_id, WCX_TEMPLATE_EXECUTION_REPORT_NEW);
  wcx_engine_verify(w->engine);
}

static inline void expect_replace_reject(const world_t *w, uint8_t reason)
{
  expect_said(w, WCX_TEMPLATE_ORDER_CANCEL_REJECT, 0);
  assert_int_equal(SAID(w, 0, wcx_order_cancel_reject_t).cxl_rej_reason, reason);
}

/* Accounts 1 and 2 are checked, with 1,000,000 USDT and 1,000 BTC each; the others are not. */
static inline int risk_setup(void **state)
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

static inline void fees(world_t *w, int64_t maker, int64_t taker)
{
  wcx_security_definition_t def = an_instrument(1);
  def.maker_fee_rate = maker;
  def.taker_fee_rate = taker;
  def.high_limit_price = 1000;
  world_define(w, &def);
}

#define risk_test(f) cmocka_unit_test_setup_teardown(f, risk_setup, world_teardown)

#endif
