#include "engine/balance.h"

#include "engine/state.h"

/* Beside those of state_digest.c. */
enum
{
  KEY_ASSET = 17,
  KEY_FEES = 18,
  KEY_FEE_TIER = 19,
  KEY_REFERENCE = 20,
};

static void swap_hash(wcx_engine_t *engine, wcx_digest_t before, wcx_digest_t after)
{
  wcx_digest_sub(&engine->record_digest, before);
  wcx_digest_add(&engine->record_digest, after);
}

/* --- balances --------------------------------------------------------------------------------------------------------------------------- */

static wcx_digest_t reference_hash(const wcx_balance_t *balance)
{
  if (balance->reference_highest == 0)
    return (wcx_digest_t){0};
  uint64_t words[3] = {balance->key, balance->reference_highest, balance->reference_seen};
  return wcx_digest_of(KEY_REFERENCE, words, sizeof(words));
}

uint32_t wcx_balance_room(const wcx_engine_t *engine)
{
  return wcx_balances_max(engine->capacity.max_accounts, engine->capacity.max_instruments) - engine->balances.cnt;
}

/* The record with this index + 1 is found from `home` on. */
static void slot_add(uint32_t *slots, uint32_t mask, uint32_t home, uint32_t idx_plus1)
{
  while (slots[home] != 0)
    home = (home + 1) & mask;
  slots[home] = idx_plus1;
}

void wcx_balance_rebuild_slots(wcx_engine_t *engine)
{
  const wcx_assets_t *assets = &engine->assets;
  const wcx_balances_t *balances = &engine->balances;
  for (uint32_t i = 0; i < assets->cnt; i++)
    slot_add(assets->slots, assets->mask, wcx_balance_home(assets->records[i].name, assets->mask), i + 1);
  for (uint32_t i = 0; i < balances->cnt; i++)
    slot_add(balances->slots, balances->mask, wcx_balance_home(balances->records[i].key, balances->mask), i + 1);
}

wcx_balance_t *wcx_balance_make(wcx_engine_t *engine, uint32_t account, uint32_t asset)
{
  wcx_balances_t *balances = &engine->balances;
  wcx_balance_t *balance = wcx_balance_find(balances, account, asset);
  if (balance != NULL)
    return balance;
  WCX_CHECK(wcx_balance_room(engine) != 0, "balance of account %u in asset %u: all %u are made", account, asset, balances->cnt);
  uint64_t key = (uint64_t)account << 32 | asset;
  balance = &balances->records[balances->cnt++];
  slot_add(balances->slots, balances->mask, wcx_balance_home(key, balances->mask), balances->cnt);
  *balance = (wcx_balance_t){.key = key, .max_order_notional = WCX_I64_NULL, .max_open_notional = WCX_I64_NULL, .max_position = WCX_I64_NULL};
  wcx_digest_add(&engine->record_digest, wcx_balance_hash(balance));
  engine->assets.records[asset].balance_cnt++;
  return balance;
}

void wcx_balance_move(wcx_engine_t *engine, wcx_balance_t *balance, wcx_i128_t available, wcx_i128_t held)
{
  wcx_digest_t before = wcx_balance_hash(balance);
  balance->available += available;
  balance->held += held;
  swap_hash(engine, before, wcx_balance_hash(balance));
}

void wcx_balance_set_limits(wcx_engine_t *engine, wcx_balance_t *balance, int64_t max_order_notional, int64_t max_open_notional, int64_t max_position)
{
  wcx_digest_t before = wcx_balance_hash(balance);
  balance->max_order_notional = max_order_notional;
  balance->max_open_notional = max_open_notional;
  balance->max_position = max_position;
  swap_hash(engine, before, wcx_balance_hash(balance));
}

bool wcx_balance_seen(const wcx_balance_t *balance, uint64_t reference)
{
  if (reference > balance->reference_highest)
    return false;
  uint64_t below = balance->reference_highest - reference;
  return below > 63 || (balance->reference_seen >> below & 1) != 0;
}

void wcx_balance_see(wcx_engine_t *engine, wcx_balance_t *balance, uint64_t reference)
{
  wcx_digest_t before = reference_hash(balance);
  if (reference > balance->reference_highest)
  {
    uint64_t above = reference - balance->reference_highest;
    balance->reference_seen = above > 63 ? 0 : balance->reference_seen << above;
    balance->reference_highest = reference;
  }
  balance->reference_seen |= UINT64_C(1) << (balance->reference_highest - reference);
  swap_hash(engine, before, reference_hash(balance));
}

/* --- assets ----------------------------------------------------------------------------------------------------------------------------- */

static uint32_t index_of(const wcx_engine_t *engine, const wcx_asset_t *asset)
{
  return (uint32_t)(asset - engine->assets.records);
}

static wcx_digest_t asset_hash(const wcx_engine_t *engine, const wcx_asset_t *asset)
{
  struct
  {
    uint64_t name;
    uint32_t idx;
    int8_t exponent;
    uint8_t defined;
    uint8_t pad[2];
    wcx_tier_limit_t tier[WCX_KYC_TIERS];
  } record = {.name = asset->name, .idx = index_of(engine, asset), .exponent = asset->exponent, .defined = asset->defined};
  memcpy(record.tier, asset->tier, sizeof(record.tier));
  return wcx_digest_of(KEY_ASSET, &record, sizeof(record));
}

/* Changes with every fill that costs something: a record of its own. */
static wcx_digest_t fees_hash(const wcx_engine_t *engine, const wcx_asset_t *asset)
{
  uint64_t words[3] = {index_of(engine, asset), (uint64_t)asset->fees, (uint64_t)(asset->fees >> 64)};
  return wcx_digest_of(KEY_FEES, words, sizeof(words));
}

uint64_t wcx_asset_name(const char name[8])
{
  uint64_t number = 0;
  uint32_t len = 8;
  while (len > 0 && (name[len - 1] == ' ' || name[len - 1] == 0))
    len--;
  memcpy(&number, name, len);
  return number;
}

uint32_t wcx_asset_find(const wcx_assets_t *assets, uint64_t name)
{
  for (uint32_t at = wcx_balance_home(name, assets->mask); assets->slots[at] != 0; at = (at + 1) & assets->mask)
    if (assets->records[assets->slots[at] - 1].name == name)
      return assets->slots[at] - 1;
  return WCX_ASSET_NONE;
}

uint32_t wcx_asset_room(const wcx_engine_t *engine)
{
  return wcx_assets_max(engine->capacity.max_instruments) - engine->assets.cnt;
}

uint32_t wcx_asset_add(wcx_engine_t *engine, uint64_t name, int8_t exponent)
{
  wcx_assets_t *assets = &engine->assets;
  wcx_asset_t *asset = &assets->records[assets->cnt++];
  slot_add(assets->slots, assets->mask, wcx_balance_home(name, assets->mask), assets->cnt);
  *asset = (wcx_asset_t){.name = name, .exponent = exponent};
  for (uint32_t i = 0; i < WCX_KYC_TIERS; i++)
    asset->tier[i] = (wcx_tier_limit_t){.max_order_notional = WCX_I64_NULL, .max_open_notional = WCX_I64_NULL};
  wcx_digest_add(&engine->record_digest, asset_hash(engine, asset));
  wcx_digest_add(&engine->record_digest, fees_hash(engine, asset));
  return assets->cnt - 1;
}

void wcx_asset_set(wcx_engine_t *engine, wcx_asset_t *asset, int8_t exponent, uint8_t defined)
{
  wcx_digest_t before = asset_hash(engine, asset);
  asset->exponent = exponent;
  asset->defined = defined;
  swap_hash(engine, before, asset_hash(engine, asset));
}

static bool limits(wcx_tier_limit_t limit)
{
  return limit.max_order_notional != WCX_I64_NULL || limit.max_open_notional != WCX_I64_NULL;
}

void wcx_asset_set_tier(wcx_engine_t *engine, wcx_asset_t *asset, uint32_t tier, wcx_tier_limit_t limit)
{
  wcx_digest_t before = asset_hash(engine, asset);
  engine->assets.tier_limit_cnt[tier - 1] += (uint32_t)limits(limit) - (uint32_t)limits(asset->tier[tier - 1]);
  asset->tier[tier - 1] = limit;
  swap_hash(engine, before, asset_hash(engine, asset));
}

void wcx_asset_collect(wcx_engine_t *engine, wcx_asset_t *asset, wcx_i128_t fees)
{
  wcx_digest_t before = fees_hash(engine, asset);
  asset->fees += fees;
  swap_hash(engine, before, fees_hash(engine, asset));
}

/* --- fee tiers -------------------------------------------------------------------------------------------------------------------------- */

/* A tier that takes nothing off is as good as undefined. */
static wcx_digest_t fee_tier_hash(uint32_t idx, wcx_fee_tier_t tier)
{
  if (tier.maker_off == 0 && tier.taker_off == 0)
    return (wcx_digest_t){0};
  uint32_t words[3] = {idx, tier.maker_off, tier.taker_off};
  return wcx_digest_of(KEY_FEE_TIER, words, sizeof(words));
}

void wcx_fee_tier_set(wcx_engine_t *engine, uint32_t idx, wcx_fee_tier_t tier)
{
  swap_hash(engine, fee_tier_hash(idx, engine->assets.fee_tiers[idx]), fee_tier_hash(idx, tier));
  engine->assets.fee_tiers[idx] = tier;
}

/* --- digest ----------------------------------------------------------------------------------------------------------------------------- */

wcx_digest_t wcx_balance_digest_full(const wcx_engine_t *engine)
{
  wcx_digest_t sum = {0};
  for (uint32_t i = 0; i < engine->balances.cnt; i++)
  {
    wcx_digest_add(&sum, wcx_balance_hash(&engine->balances.records[i]));
    wcx_digest_add(&sum, reference_hash(&engine->balances.records[i]));
  }
  for (uint32_t i = 0; i < engine->assets.cnt; i++)
  {
    wcx_digest_add(&sum, asset_hash(engine, &engine->assets.records[i]));
    wcx_digest_add(&sum, fees_hash(engine, &engine->assets.records[i]));
  }
  for (uint32_t i = 0; i < WCX_FEE_TIERS; i++)
    wcx_digest_add(&sum, fee_tier_hash(i, engine->assets.fee_tiers[i]));
  return sum;
}
