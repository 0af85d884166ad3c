/* Trade breaks: the ring of those that may not be broken again, and what of it is state. What is said is in tests/golden/trade_break.play. */
#include "tests/unit/engine_fixture.h"

#include "engine/risk.h"
#include "engine/state.h"

#define COMMAND WCX_TEMPLATE_TRADE_BREAK_COMMAND

/* --- a stand-in for balances ------------------------------------------------------------------------------------------------------------ */

typedef struct undone
{
  uint32_t account;
  uint8_t side;
  int64_t px;
  int64_t qty;
  int64_t commission;
} undone_t;

static undone_t undone[2];
static uint32_t undone_cnt;

void __wrap_wcx_risk_break(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t px, int64_t qty, int64_t commission);
void __wrap_wcx_risk_break(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t px, int64_t qty, int64_t commission)
{
  (void)engine;
  assert_int_equal(instrument->security_id, 1);
  undone[undone_cnt++ % 2] = (undone_t){account->definition.account, side, px, qty, commission};
}

/* --- tests ------------------------------------------------------------------------------------------------------------------------------ */

static wcx_trade_break_command_t a_break(uint64_t match_id)
{
  return (wcx_trade_break_command_t){.trd_match_id = match_id,
                                     .last_px = 100,
                                     .last_qty = 1,
                                     .buy_commission = 3,
                                     .sell_commission = -4,
                                     .security_id = 1,
                                     .buy_account = 1,
                                     .sell_account = 2,
                                     .buy_session_id = 1,
                                     .sell_session_id = 2,
                                     .reason = WCX_BREAK_REASON_SUPERVISORY};
}

static void break_trade(world_t *w, uint64_t match_id)
{
  wcx_trade_break_command_t command = a_break(match_id);
  assert_null(world_definition_error(w, COMMAND, &command));
  world_apply(w, COMMAND, 0, 0, &command, sizeof(command));
  expect_said(w, WCX_TEMPLATE_EXECUTION_REPORT_TRADE_BREAK, WCX_TEMPLATE_EXECUTION_REPORT_TRADE_BREAK, WCX_TEMPLATE_TRADE_BREAK, 0);
}

static void trade(world_t *w)
{
  order(w, 2, SELL, 100, 1);
  order(w, 1, BUY, 100, 1);
}

static void the_last_1024_may_not_be_broken_again(void **state)
{
  world_t *w = *state;
  for (uint32_t i = 0; i <= WCX_BREAKS_MAX; i++)
    trade(w);
  for (uint64_t i = 1; i <= WCX_BREAKS_MAX; i++)
    break_trade(w, i);
  wcx_engine_verify(w->engine);
  wcx_trade_break_command_t command = a_break(1);
  assert_string_equal(world_definition_error(w, COMMAND, &command), "TrdMatchID 1 has been broken");
  break_trade(w, WCX_BREAKS_MAX + 1);
  wcx_engine_verify(w->engine); /* the sum held is the sum recomputed: the place was overwritten in both */
  assert_null(world_definition_error(w, COMMAND, &command));
  command = a_break(2);
  assert_string_equal(world_definition_error(w, COMMAND, &command), "TrdMatchID 2 has been broken");
}

static void both_sides_are_undone(void **state)
{
  world_t *w = *state;
  trade(w);
  undone_cnt = 0;
  break_trade(w, 1);
  assert_int_equal(undone_cnt, 2);
  const undone_t want[2] = {{1, BUY, 100, 1, 3}, {2, SELL, 100, 1, -4}};
  for (uint32_t i = 0; i < 2; i++)
  {
    assert_int_equal(undone[i].account, want[i].account);
    assert_int_equal(undone[i].side, want[i].side);
    assert_int_equal(undone[i].px, want[i].px);
    assert_int_equal(undone[i].qty, want[i].qty);
    assert_int_equal(undone[i].commission, want[i].commission);
  }
}

static void what_is_broken_is_state(void **state)
{
  world_t *w = *state;
  static world_t other;
  world_make(&other, &world_limits, 1 << 16);
  world_populate(&other);
  for (uint32_t i = 0; i < 2; i++)
  {
    trade(w);
    trade(&other);
  }
  break_trade(w, 1);
  break_trade(&other, 2);
  wcx_digest_t one = wcx_engine_state_digest(w->engine);
  wcx_digest_t two = wcx_engine_state_digest(other.engine);
  assert_memory_not_equal(&one, &two, sizeof(one));
  break_trade(w, 2);
  break_trade(&other, 1);
  one = wcx_engine_state_digest(w->engine);
  two = wcx_engine_state_digest(other.engine);
  assert_memory_not_equal(&one, &two, sizeof(one)); /* which is forgotten first is state, too */
  world_free(&other);
}

static void bad_commands_are_refused(void **state)
{
  world_t *w = *state;
  trade(w);
  wcx_trade_break_command_t command;
#define REFUSED(field, value, text)                                                                                                                                                \
  command = a_break(1);                                                                                                                                                            \
  command.field = (value);                                                                                                                                                         \
  assert_string_equal(world_definition_error(w, COMMAND, &command), text)
  REFUSED(trd_match_id, 0, "TrdMatchID 0 is outside 1..1, the trades there were");
  REFUSED(trd_match_id, 2, "TrdMatchID 2 is outside 1..1, the trades there were");
  REFUSED(security_id, 2, "SecurityID 2 is unknown: take it from the fill's reports");
  REFUSED(last_px, 0, "LastPx 0, LastQty 1: both are above 0 in a fill's reports");
  REFUSED(last_qty, -1, "LastPx 100, LastQty -1: both are above 0 in a fill's reports");
  REFUSED(buy_commission, WCX_I64_NULL, "BuyCommission, SellCommission: neither is null in a fill's reports");
  REFUSED(sell_commission, WCX_I64_NULL, "BuyCommission, SellCommission: neither is null in a fill's reports");
  REFUSED(reason, 0, "Reason 0 is unknown: 1 is Erroneous");
  REFUSED(reason, 5, "Reason 5 is unknown: 1 is Erroneous");
  REFUSED(buy_account, 99, "BuyAccount 99 is unknown: take it from the fill's reports");
  REFUSED(sell_account, 99, "SellAccount 99 is unknown: take it from the fill's reports");
  REFUSED(buy_session_id, 10, "BuySessionID 10 is unknown: take it from the fill's reports");
  REFUSED(sell_session_id, 10, "SellSessionID 10 is unknown: take it from the fill's reports");
#undef REFUSED
  command = a_break(1);
  command.last_px = INT64_MAX;
  command.last_qty = 2;
  assert_string_equal(world_definition_error(w, COMMAND, &command), "LastPx 9223372036854775807 x LastQty 2 fits no amount: take them from the fill's reports");
}

/* A quantity whose base amount does not fit: nobody with balances has traded it, others may have. */
static void amounts_must_fit_checked_accounts(void **state)
{
  world_t *w = *state;
  trade(w);
  wcx_asset_definition_t base = {.asset = "ETH     ", .exponent = -18};
  world_apply(w, WCX_TEMPLATE_ASSET_DEFINITION, 0, 0, &base, sizeof(base));
  wcx_security_definition_t definition = an_instrument(2);
  memcpy(definition.base_asset, base.asset, sizeof(definition.base_asset));
  world_define(w, &definition);
  wcx_account_definition_t checked = {.account = 20, .credit = WCX_CREDIT_CHECKED, .status = WCX_ACCOUNT_STATUS_ACTIVE};
  world_apply(w, WCX_TEMPLATE_ACCOUNT_DEFINITION, 0, 0, &checked, sizeof(checked));
  wcx_trade_break_command_t command = a_break(1);
  command.security_id = 2;
  command.last_qty = 10;
  assert_null(world_definition_error(w, COMMAND, &command));
  command.sell_account = 20;
  assert_string_equal(world_definition_error(w, COMMAND, &command), "SellAccount 20: LastQty fits no amount, and the account is Checked: take both from the fill's reports");
  command.last_qty = 9;
  assert_null(world_definition_error(w, COMMAND, &command));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_last_1024_may_not_be_broken_again, world_setup, world_teardown),
      cmocka_unit_test_setup_teardown(both_sides_are_undone, world_setup, world_teardown),
      cmocka_unit_test_setup_teardown(what_is_broken_is_state, world_setup, world_teardown),
      cmocka_unit_test_setup_teardown(bad_commands_are_refused, world_setup, world_teardown),
      cmocka_unit_test_setup_teardown(amounts_must_fit_checked_accounts, world_setup, world_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
