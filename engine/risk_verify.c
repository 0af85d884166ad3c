/* What wcx_engine_verify checks of balances and limits: everything that follows from the live orders, from scratch, and the money. */
#include "engine/risk.h"

typedef struct tally
{
  wcx_u128_t held;
  wcx_u128_t open_notional;
  wcx_u128_t open_bid;
} tally_t;

/* What the live orders of one account say of one asset. */
static tally_t tally(const wcx_engine_t *engine, const wcx_account_t *account, uint32_t asset)
{
  tally_t sum = {0};
  for (uint32_t slot = 1; slot <= engine->pool.bump; slot++)
  {
    const wcx_order_t *order = &engine->pool.orders[slot];
    if (order->level == 0 || order->account != account->definition.account)
      continue;
    const wcx_instrument_t *instrument = &engine->instruments[order->instrument];
    int64_t px = wcx_risk_held_px(engine, slot);
    bool buys = order->side == WCX_SIDE_BUY;
    if ((account->risk & WCX_ACCOUNT_R_CHECKED) != 0 && asset == (buys ? instrument->quote_asset : instrument->base_asset))
      sum.held += wcx_risk_held(instrument, order->side, px, order->leaves);
    if ((account->risk & WCX_ACCOUNT_R_LIMITED) != 0 && asset == instrument->quote_asset)
      sum.open_notional += wcx_risk_open_notional(instrument, px, order->leaves);
    if ((account->risk & WCX_ACCOUNT_R_LIMITED) != 0 && asset == instrument->base_asset && buys)
      sum.open_bid += wcx_risk_base(instrument, order->leaves);
  }
  return sum;
}

static void verify_balance(const wcx_engine_t *engine, uint32_t idx)
{
  const wcx_balance_t *balance = &engine->balances.records[idx];
  const wcx_account_t *account = &engine->accounts[balance->key >> 32];
  uint32_t asset = (uint32_t)balance->key;
  tally_t sum = tally(engine, account, asset);
  WCX_CHECK(wcx_balance_find(&engine->balances, (uint32_t)(balance->key >> 32), asset) == balance, "balance %u is not found", idx);
  WCX_CHECK(balance->held == (wcx_i128_t)sum.held, "account %u asset %u: %lld held, orders say %lld", account->definition.account, asset, (long long)balance->held,
            (long long)sum.held);
  WCX_CHECK(balance->open_notional == sum.open_notional && balance->open_bid == sum.open_bid, "account %u asset %u: open %lld and %lld, orders say %lld and %lld",
            account->definition.account, asset, (long long)balance->open_notional, (long long)balance->open_bid, (long long)sum.open_notional, (long long)sum.open_bid);
}

static void verify_asset(const wcx_engine_t *engine, uint32_t idx)
{
  const wcx_asset_t *asset = &engine->assets.records[idx];
  wcx_i128_t sum = asset->fees;
  uint32_t balance_cnt = 0;
  for (uint32_t i = 0; i < engine->balances.cnt; i++)
  {
    const wcx_balance_t *balance = &engine->balances.records[i];
    if ((uint32_t)balance->key != idx)
      continue;
    sum += balance->available + balance->held;
    balance_cnt++;
  }
  WCX_CHECK(sum == asset->supply, "asset %u: balances and fees are %lld, %lld went in", idx, (long long)sum, (long long)asset->supply);
  WCX_CHECK(balance_cnt == asset->balance_cnt, "asset %u: %u balances, %u counted", idx, balance_cnt, asset->balance_cnt);
  WCX_CHECK(wcx_asset_find(&engine->assets, asset->name) == idx, "asset %u is not found", idx);
}

/* Flags of its orders, and how many there are. */
static void verify_account(const wcx_engine_t *engine, const wcx_account_t *account)
{
  uint32_t open_orders = 0;
  for (uint32_t slot = 1; slot <= engine->pool.bump; slot++)
  {
    const wcx_order_t *order = &engine->pool.orders[slot];
    if (order->level == 0 || order->account != account->definition.account)
      continue;
    WCX_CHECK((order->flags & WCX_ORDER_F_RISK) != 0, "slot %u: not marked, though account %u has balances or limits", slot, order->account);
    open_orders += (account->risk & WCX_ACCOUNT_R_LIMITED) != 0;
  }
  WCX_CHECK(account->open_orders == open_orders, "account %u: %u open orders, %u counted", account->definition.account, open_orders, account->open_orders);
}

void wcx_risk_verify(const wcx_engine_t *engine)
{
  for (uint32_t i = 0; i < engine->balances.cnt; i++)
    verify_balance(engine, i);
  for (uint32_t i = 0; i < engine->assets.cnt; i++)
    verify_asset(engine, i);
  for (uint32_t i = 0; i < engine->account_cnt; i++)
    if (engine->accounts[i].risk != 0)
      verify_account(engine, &engine->accounts[i]);
}
