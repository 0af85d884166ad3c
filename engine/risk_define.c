#include "engine/risk_define.h"

#include "engine/decimal.h"
#include "engine/risk.h"
#include "engine/say.h"

#define NAME(asset) 8, (const char *)&(asset)

static uint32_t index_of(const wcx_engine_t *engine, const wcx_account_t *account)
{
  return (uint32_t)(account - engine->accounts);
}

/* --- assets and instruments ------------------------------------------------------------------------------------------------------------- */

static int8_t clamped(int scale)
{
  return (int8_t)(scale > WCX_DECIMAL_MAX ? WCX_DECIMAL_MAX : scale < -WCX_DECIMAL_MAX ? -WCX_DECIMAL_MAX : scale);
}

/* What follows from the instrument's definition and its assets' exponents. */
static void set_rules(wcx_engine_t *engine, wcx_instrument_t *instrument)
{
  const wcx_security_definition_t *def = &instrument->definition;
  int8_t base_exponent = engine->assets.records[instrument->base_asset].exponent;
  int8_t quote_exponent = engine->assets.records[instrument->quote_asset].exponent;
  bool agree = def->amt_exponent == quote_exponent && def->qty_exponent >= base_exponent;
  bool fees = def->maker_fee_rate != 0 || def->taker_fee_rate != 0;
  instrument->notional_scale = (int8_t)(def->price_exponent + def->qty_exponent - def->amt_exponent);
  instrument->base_scale = clamped(def->qty_exponent - base_exponent); /* beyond that nothing fits an amount, or everything is less than one */
  instrument->flags &= (uint16_t) ~(WCX_INSTRUMENT_F_BALANCES | WCX_INSTRUMENT_F_FEES);
  instrument->flags |= (uint16_t)((agree ? WCX_INSTRUMENT_F_BALANCES : 0) | (fees ? WCX_INSTRUMENT_F_FEES : 0));
}

static void set_exponent(wcx_engine_t *engine, uint32_t idx, int8_t exponent, uint8_t defined)
{
  wcx_asset_t *asset = &engine->assets.records[idx];
  bool changes = asset->exponent != exponent;
  wcx_asset_set(engine, asset, exponent, defined);
  for (uint32_t i = 0; changes && i < engine->instrument_cnt; i++)
  {
    wcx_instrument_t *instrument = &engine->instruments[i];
    if (instrument->base_asset != idx && instrument->quote_asset != idx)
      continue;
    set_rules(engine, instrument);
    wcx_state_renew_instrument(engine, instrument);
  }
}

const char *wcx_asset_error(const wcx_engine_t *engine, const wcx_asset_definition_t *def)
{
  uint64_t name = wcx_asset_name(def->asset);
  uint32_t idx = wcx_asset_find(&engine->assets, name);
  if (name == 0)
    return "AssetDefinition: Asset is blank";
  if (idx == WCX_ASSET_NONE)
    return wcx_asset_room(engine) != 0 ? NULL : say("Asset %.*s: all %u assets are defined", NAME(name), engine->assets.cnt);
  const wcx_asset_t *asset = &engine->assets.records[idx];
  if (asset->balance_cnt != 0 && asset->exponent != def->exponent)
    return say("Asset %.*s has balances: its Exponent %d is final", NAME(name), asset->exponent);
  return NULL;
}

void wcx_asset_define(wcx_engine_t *engine, const wcx_asset_definition_t *def)
{
  uint64_t name = wcx_asset_name(def->asset);
  uint32_t idx = wcx_asset_find(&engine->assets, name);
  set_exponent(engine, idx != WCX_ASSET_NONE ? idx : wcx_asset_add(engine, name, def->exponent), def->exponent, 1);
}

const char *wcx_risk_instrument_error(const wcx_engine_t *engine, const wcx_security_definition_t *def)
{
  if (def->maker_fee_rate < -WCX_RATE_WHOLE || def->maker_fee_rate > WCX_RATE_WHOLE || def->taker_fee_rate < -WCX_RATE_WHOLE || def->taker_fee_rate > WCX_RATE_WHOLE)
    return say("MakerFeeRate %lld, TakerFeeRate %lld: outside -%d..%d", (long long)def->maker_fee_rate, (long long)def->taker_fee_rate, WCX_RATE_WHOLE, WCX_RATE_WHOLE);
  uint64_t base = wcx_asset_name(def->base_asset);
  uint64_t quote = wcx_asset_name(def->quote_asset);
  uint32_t missing = wcx_asset_find(&engine->assets, base) == WCX_ASSET_NONE;
  missing += quote != base && wcx_asset_find(&engine->assets, quote) == WCX_ASSET_NONE;
  if (missing > wcx_asset_room(engine))
    return say("SecurityID %u: %u more assets, and all %u are defined", def->security_id, missing, engine->assets.cnt);
  return NULL;
}

/* The asset an instrument names: made with this exponent, or given it while nobody else has decided. */
static uint32_t asset_of(wcx_engine_t *engine, const char name[8], int8_t exponent)
{
  uint64_t number = wcx_asset_name(name);
  uint32_t idx = wcx_asset_find(&engine->assets, number);
  if (idx == WCX_ASSET_NONE)
    return wcx_asset_add(engine, number, exponent);
  const wcx_asset_t *asset = &engine->assets.records[idx];
  if (!asset->defined && asset->balance_cnt == 0)
    set_exponent(engine, idx, exponent, 0);
  return idx;
}

void wcx_risk_instrument_defined(wcx_engine_t *engine, wcx_instrument_t *instrument)
{
  instrument->base_asset = asset_of(engine, instrument->definition.base_asset, instrument->definition.qty_exponent);
  instrument->quote_asset = asset_of(engine, instrument->definition.quote_asset, instrument->definition.amt_exponent);
  set_rules(engine, instrument);
}

const char *wcx_risk_capacity_error(const wcx_engine_t *engine, const wcx_capacity_t *capacity)
{
  if (engine->assets.cnt > wcx_assets_max(capacity->max_instruments))
    return say("MaxInstruments %u leaves room for %u assets, below the %u in use", capacity->max_instruments, wcx_assets_max(capacity->max_instruments), engine->assets.cnt);
  uint32_t balances_max = wcx_balances_max(capacity->max_accounts, capacity->max_instruments);
  if (engine->balances.cnt > balances_max)
    return say("MaxAccounts %u leaves room for %u balances, below the %u in use", capacity->max_accounts, balances_max, engine->balances.cnt);
  return NULL;
}

/* --- balances --------------------------------------------------------------------------------------------------------------------------- */

const char *wcx_adjustment_error(const wcx_engine_t *engine, const wcx_balance_adjustment_t *adjustment)
{
  const wcx_account_t *account = wcx_state_account(engine, adjustment->account);
  uint32_t asset = wcx_asset_find(&engine->assets, wcx_asset_name(adjustment->asset));
  if (account == NULL)
    return say("Account %u is unknown", adjustment->account);
  if (account->definition.credit != WCX_CREDIT_CHECKED)
    return say("Account %u has no balances: its Credit is not Checked", adjustment->account);
  if (asset == WCX_ASSET_NONE)
    return say("Asset %.*s is unknown", 8, adjustment->asset);
  if (adjustment->reference == 0)
    return "BalanceAdjustment: Reference is 0";
  if (adjustment->amount == WCX_I64_NULL)
    return "BalanceAdjustment: Amount is null";
  const wcx_balance_t *balance = wcx_balance_find(&engine->balances, index_of(engine, account), asset);
  if (balance == NULL && wcx_balance_room(engine) == 0)
    return say("Account %u Asset %.*s: all %u balances are in use", adjustment->account, 8, adjustment->asset, engine->balances.cnt);
  if (balance != NULL && wcx_balance_seen(balance, adjustment->reference))
    return NULL;
  wcx_i128_t then = (balance != NULL ? balance->available : 0) + adjustment->amount;
  if (adjustment->amount < 0 && then < 0)
    return say("Account %u Asset %.*s: Amount %lld is more than is available", adjustment->account, 8, adjustment->asset, (long long)adjustment->amount);
  if (then > INT64_MAX)
    return say("Account %u Asset %.*s: with Amount %lld the balance does not fit", adjustment->account, 8, adjustment->asset, (long long)adjustment->amount);
  return NULL;
}

void wcx_adjust(wcx_engine_t *engine, const wcx_balance_adjustment_t *adjustment)
{
  uint32_t asset = wcx_asset_find(&engine->assets, wcx_asset_name(adjustment->asset));
  wcx_balance_t *balance = wcx_balance_make(engine, index_of(engine, wcx_state_account(engine, adjustment->account)), asset);
  if (wcx_balance_seen(balance, adjustment->reference))
    return;
  wcx_balance_see(engine, balance, adjustment->reference);
  wcx_balance_move(engine, balance, adjustment->amount, 0);
  engine->assets.records[asset].supply += adjustment->amount;
}

/* --- limits ----------------------------------------------------------------------------------------------------------------------------- */

/* Count a live order of an account that waits for it: all of it when the account had no limits, else only in records from `first` on. */
static void adopt_order(wcx_engine_t *engine, uint32_t slot, wcx_account_t *account, uint32_t first)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  const wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  bool first_limit = (account->risk & WCX_ACCOUNT_R_LIMITED) == 0;
  wcx_balance_t *quote = wcx_balance_find(&engine->balances, index_of(engine, account), instrument->quote_asset);
  wcx_balance_t *base = order->side == WCX_SIDE_BUY ? wcx_balance_find(&engine->balances, index_of(engine, account), instrument->base_asset) : NULL;
  if (quote != NULL && (first_limit || quote >= &engine->balances.records[first]))
    quote->open_notional += wcx_risk_open_notional(instrument, wcx_risk_held_px(engine, slot), order->leaves);
  if (base != NULL && (first_limit || base >= &engine->balances.records[first]))
    base->open_bid += wcx_risk_base(instrument, order->leaves);
  account->open_orders += first_limit;
  if ((order->flags & WCX_ORDER_F_RISK) != 0)
    return;
  wcx_order_sum_sub(engine, slot);
  order->flags |= WCX_ORDER_F_RISK;
  wcx_order_sum_add(engine, slot);
}

/* Count the orders of the accounts marked WCX_ACCOUNT_R_ADOPT; records from `first` on are new. */
static void adopt_orders(wcx_engine_t *engine, uint32_t first)
{
  for (uint32_t i = 0; i < engine->session_cnt; i++)
    for (uint32_t slot = engine->sessions[i].order_head; slot != 0; slot = engine->pool.links[slot].next)
    {
      wcx_account_t *account = wcx_state_account(engine, engine->pool.orders[slot].account);
      if ((account->risk & WCX_ACCOUNT_R_ADOPT) != 0)
        adopt_order(engine, slot, account, first);
      else if (engine->sessions[i].account != WCX_ACCOUNT_ALL)
        break; /* nor has the rest of its orders another account */
    }
}

/* The account is limited from now on, and new records are exact, too. */
static void adopt(wcx_engine_t *engine, wcx_account_t *account, uint32_t first)
{
  if (engine->balances.cnt == first && (account->risk & WCX_ACCOUNT_R_LIMITED) != 0)
    return;
  account->risk |= WCX_ACCOUNT_R_ADOPT;
  adopt_orders(engine, first);
  account->risk = (uint8_t)((account->risk & ~WCX_ACCOUNT_R_ADOPT) | WCX_ACCOUNT_R_LIMITED);
}

/* The same for all that are marked. */
static void adopt_marked(wcx_engine_t *engine, uint32_t first)
{
  adopt_orders(engine, first);
  for (uint32_t i = 0; i < engine->account_cnt; i++)
  {
    wcx_account_t *account = &engine->accounts[i];
    if ((account->risk & WCX_ACCOUNT_R_ADOPT) == 0)
      continue;
    account->risk = (uint8_t)((account->risk & ~WCX_ACCOUNT_R_ADOPT) | WCX_ACCOUNT_R_LIMITED);
    wcx_state_renew_account(engine, account);
  }
}

static bool has_record(const wcx_engine_t *engine, const wcx_account_t *account, uint32_t asset)
{
  return wcx_balance_find(&engine->balances, index_of(engine, account), asset) != NULL;
}

static bool in_tier(const wcx_account_t *account, uint32_t tier)
{
  return account->definition.kyc_tier == tier;
}

static const char *tier_error(const wcx_engine_t *engine, const wcx_limit_update_t *update, uint32_t asset)
{
  if (update->kyc_tier < 1 || update->kyc_tier > WCX_KYC_TIERS)
    return say("LimitUpdate without Account: KycTier %u is outside 1..%u", update->kyc_tier, WCX_KYC_TIERS);
  if (asset == WCX_ASSET_NONE)
    return say("LimitUpdate of KycTier %u: Asset is blank", update->kyc_tier);
  if (update->max_order_qty != WCX_I64_NULL || update->max_open_orders != WCX_U32_NULL || update->max_position != WCX_I64_NULL)
    return say("LimitUpdate of KycTier %u: only MaxOrderNotional and MaxOpenNotional are limits of a tier", update->kyc_tier);
  uint32_t missing = 0;
  for (uint32_t i = 0; update->max_open_notional != WCX_I64_NULL && i < engine->account_cnt; i++)
    missing += in_tier(&engine->accounts[i], update->kyc_tier) && !has_record(engine, &engine->accounts[i], asset);
  if (missing > wcx_balance_room(engine))
    return say("LimitUpdate of KycTier %u: %u more balances, and room for %u", update->kyc_tier, missing, wcx_balance_room(engine));
  return NULL;
}

const char *wcx_limit_error(const wcx_engine_t *engine, const wcx_limit_update_t *update)
{
  const int64_t amounts[] = {update->max_order_qty, update->max_order_notional, update->max_open_notional, update->max_position};
  for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++)
    if (amounts[i] < 0 && amounts[i] != WCX_I64_NULL)
      return say("LimitUpdate: a limit of %lld", (long long)amounts[i]);
  uint64_t name = wcx_asset_name(update->asset);
  uint32_t asset = name != 0 ? wcx_asset_find(&engine->assets, name) : WCX_ASSET_NONE;
  if (name != 0 && asset == WCX_ASSET_NONE)
    return say("Asset %.*s is unknown", NAME(name));
  if (update->account == 0)
    return tier_error(engine, update, asset);
  const wcx_account_t *account = wcx_state_account(engine, update->account);
  if (account == NULL)
    return say("Account %u is unknown", update->account);
  bool amount_given = update->max_order_notional != WCX_I64_NULL || update->max_open_notional != WCX_I64_NULL || update->max_position != WCX_I64_NULL;
  if (name == 0 && amount_given)
    return say("LimitUpdate of Account %u: Asset is blank", update->account);
  if (amount_given && !has_record(engine, account, asset) && wcx_balance_room(engine) == 0)
    return say("Account %u Asset %.*s: all %u balances are in use", update->account, NAME(name), engine->balances.cnt);
  return NULL;
}

static void limit_tier(wcx_engine_t *engine, const wcx_limit_update_t *update, uint32_t asset)
{
  wcx_tier_limit_t limit = {.max_order_notional = update->max_order_notional, .max_open_notional = update->max_open_notional};
  uint32_t first = engine->balances.cnt;
  wcx_asset_set_tier(engine, &engine->assets.records[asset], update->kyc_tier, limit);
  if (limit.max_order_notional == WCX_I64_NULL && limit.max_open_notional == WCX_I64_NULL)
    return;
  for (uint32_t i = 0; i < engine->account_cnt; i++)
  {
    wcx_account_t *account = &engine->accounts[i];
    bool record = limit.max_open_notional != WCX_I64_NULL && in_tier(account, update->kyc_tier) && !has_record(engine, account, asset);
    if (record)
      wcx_balance_make(engine, i, asset);
    if (in_tier(account, update->kyc_tier) && (record || (account->risk & WCX_ACCOUNT_R_LIMITED) == 0))
      account->risk |= WCX_ACCOUNT_R_ADOPT;
  }
  adopt_marked(engine, first);
}

void wcx_limit_update(wcx_engine_t *engine, const wcx_limit_update_t *update)
{
  uint64_t name = wcx_asset_name(update->asset);
  uint32_t asset = name != 0 ? wcx_asset_find(&engine->assets, name) : WCX_ASSET_NONE;
  if (update->account == 0)
  {
    limit_tier(engine, update, asset);
    return;
  }
  wcx_account_t *account = wcx_state_account(engine, update->account);
  account->max_order_qty = update->max_order_qty != WCX_I64_NULL ? update->max_order_qty : INT64_MAX;
  account->max_open_orders = update->max_open_orders; /* null is the highest */
  uint32_t first = engine->balances.cnt;
  bool amount_given = update->max_order_notional != WCX_I64_NULL || update->max_open_notional != WCX_I64_NULL || update->max_position != WCX_I64_NULL;
  if (asset != WCX_ASSET_NONE && (amount_given || has_record(engine, account, asset)))
    wcx_balance_set_limits(engine, wcx_balance_make(engine, index_of(engine, account), asset), update->max_order_notional, update->max_open_notional, update->max_position);
  if (amount_given || update->max_order_qty != WCX_I64_NULL || update->max_open_orders != WCX_U32_NULL)
    adopt(engine, account, first);
  wcx_state_renew_account(engine, account);
}

/* --- accounts --------------------------------------------------------------------------------------------------------------------------- */

static const wcx_tier_limit_t *limit_of(const wcx_asset_t *asset, uint8_t tier)
{
  return &asset->tier[tier - 1];
}

/* Has the tier limits in any asset? */
static bool limits_tier(const wcx_engine_t *engine, uint8_t tier)
{
  return tier >= 1 && tier <= WCX_KYC_TIERS && engine->assets.tier_limit_cnt[tier - 1] != 0;
}

const char *wcx_risk_account_error(const wcx_engine_t *engine, const wcx_account_definition_t *def)
{
  if (!limits_tier(engine, def->kyc_tier))
    return NULL;
  const wcx_account_t *account = wcx_state_account(engine, def->account);
  uint32_t missing = 0;
  for (uint32_t i = 0; i < engine->assets.cnt; i++)
    missing += limit_of(&engine->assets.records[i], def->kyc_tier)->max_open_notional != WCX_I64_NULL && (account == NULL || !has_record(engine, account, i));
  if (missing > wcx_balance_room(engine))
    return say("Account %u in KycTier %u: %u more balances, and room for %u", def->account, def->kyc_tier, missing, wcx_balance_room(engine));
  return NULL;
}

void wcx_risk_account_defined(wcx_engine_t *engine, wcx_account_t *account)
{
  uint32_t first = engine->balances.cnt;
  uint8_t tier = account->definition.kyc_tier;
  account->risk &= (uint8_t)~WCX_ACCOUNT_R_CHECKED;
  account->risk |= account->definition.credit == WCX_CREDIT_CHECKED ? WCX_ACCOUNT_R_CHECKED : 0;
  if (limits_tier(engine, tier))
  {
    for (uint32_t i = 0; i < engine->assets.cnt; i++)
      if (limit_of(&engine->assets.records[i], tier)->max_open_notional != WCX_I64_NULL)
        wcx_balance_make(engine, index_of(engine, account), i);
    adopt(engine, account, first);
  }
  wcx_state_renew_account(engine, account);
}

/* --- fee tiers -------------------------------------------------------------------------------------------------------------------------- */

const char *wcx_fee_tier_error(const wcx_fee_tier_definition_t *def)
{
  if (def->maker_share > WCX_SHARE_WHOLE || def->taker_share > WCX_SHARE_WHOLE)
    return say("FeeTier %u: MakerShare %u, TakerShare %u: above %u", def->fee_tier, def->maker_share, def->taker_share, WCX_SHARE_WHOLE);
  return NULL;
}

void wcx_fee_tier_define(wcx_engine_t *engine, const wcx_fee_tier_definition_t *def)
{
  wcx_fee_tier_set(engine, def->fee_tier, (wcx_fee_tier_t){.maker_off = WCX_SHARE_WHOLE - def->maker_share, .taker_off = WCX_SHARE_WHOLE - def->taker_share});
}
