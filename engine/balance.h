/* The tables behind balances, limits and fees: assets by name, a record for each pair of account and asset that needs one, fee tiers.

   A record is made by the first BalanceAdjustment of its pair, by a limit in its asset (a tier's MaxOpenNotional makes one for every account of the tier), or by the first
   order of a checked account that will receive the asset. Records are never removed. A record's place follows from the inputs alone.

   Owner:      the engine's thread.
   Memory:     tables of the arena, zeroed; open addressing, at most half full, so every probe ends. Full is a refusal of the input that needs one more.
   Units:      amounts at the asset's exponent. available and held are 128 bits wide: gains of many fills never wrap.
   Bounds:     O(1) to find a record.
   Invariants: held and open_* are functions of the live orders; per asset, the sum of available + held, and the fees, are `supply`. wcx_risk_verify recomputes them.
   Digest:     each record is part of the state's sum but for what follows from others: open_*, supply, balance_cnt.
   Pinned by:  tests/unit/test_risk.c, tests/unit/test_risk_limits.c, tests/property/test_risk_invariants.c. */
#ifndef WCX_ENGINE_BALANCE_H
#define WCX_ENGINE_BALANCE_H

#include "engine/base/int128.h"
#include "engine/record_hash.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wcx_engine;

#define WCX_KYC_TIERS 7u /* 1..7; 0 has no limits */
#define WCX_FEE_TIERS 256u
#define WCX_BALANCES_MAX (1u << 20)
#define WCX_SHARE_WHOLE 1000000u
#define WCX_RATE_WHOLE 1000000000

typedef struct wcx_balance
{
  /* as hashed: eight words */
  _Alignas(64) wcx_i128_t available; /* below zero where rounding or a broken trade took more than there was */
  wcx_i128_t held;
  uint64_t key;               /* account's index << 32 | asset's index */
  int64_t max_order_notional; /* WCX_I64_NULL: no limit, as with all three */
  int64_t max_open_notional;
  int64_t max_position;
  /* kept for limited accounts only: over their open orders */
  wcx_u128_t open_notional; /* with this asset as quote */
  wcx_u128_t open_bid;      /* base quantity of buys, with this asset as base */
  /* references of adjustments */
  uint64_t reference_highest; /* 0: none yet */
  uint64_t reference_seen;    /* bit i: reference_highest - i */
  uint8_t pad[16];
} wcx_balance_t;
static_assert(sizeof(wcx_balance_t) == 128, "balance: two lines");
static_assert(offsetof(wcx_balance_t, key) == 32, "balance: key");
static_assert(offsetof(wcx_balance_t, open_notional) == 64, "balance: second line");
static_assert(offsetof(wcx_balance_t, reference_highest) == 96, "balance: references");

typedef struct wcx_tier_limit
{
  int64_t max_order_notional; /* WCX_I64_NULL: no limit */
  int64_t max_open_notional;
} wcx_tier_limit_t;
static_assert(sizeof(wcx_tier_limit_t) == 16, "limits of a tier in an asset");

typedef struct wcx_asset
{
  wcx_i128_t fees;
  wcx_i128_t supply;    /* adjustments - what unlimited accounts gained by trading + commissions they paid */
  uint64_t name;        /* padded with NULs */
  uint32_t balance_cnt; /* records in it: with the first the exponent is final */
  int8_t exponent;
  uint8_t defined; /* by an AssetDefinition: instruments do not change it */
  uint8_t pad[2];
  wcx_tier_limit_t tier[WCX_KYC_TIERS];
} wcx_asset_t;
static_assert(sizeof(wcx_asset_t) == 160, "asset");
static_assert(offsetof(wcx_asset_t, name) == 32, "asset: name");
static_assert(offsetof(wcx_asset_t, tier) == 48, "asset: limits of tiers");

/* What the accounts of a tier need not pay, in 1e-6 of the commission: 0 while the tier is not defined. */
typedef struct wcx_fee_tier
{
  uint32_t maker_off;
  uint32_t taker_off;
} wcx_fee_tier_t;
static_assert(sizeof(wcx_fee_tier_t) == 8, "fee tier");

typedef struct wcx_balances
{
  wcx_balance_t *records;
  uint32_t *slots; /* of records, from 1; 0: empty */
  uint32_t mask;
  uint32_t cnt;
} wcx_balances_t;

typedef struct wcx_assets
{
  wcx_asset_t *records;
  uint32_t *slots;
  wcx_fee_tier_t *fee_tiers; /* WCX_FEE_TIERS */
  uint32_t mask;
  uint32_t cnt;
  uint32_t tier_limit_cnt[WCX_KYC_TIERS]; /* assets in which the tier has limits: the account definitions of most tiers look at none */
} wcx_assets_t;

/* How many a shard may hold: functions of Capacity, so that clients cannot see the size of the memory. */
static inline uint32_t wcx_assets_max(uint32_t instruments_max)
{
  return (instruments_max < 4096 ? 2 * instruments_max : 8192) + 64;
}

static inline uint32_t wcx_balances_max(uint32_t accounts_max, uint32_t instruments_max)
{
  uint64_t wanted = 4 * (uint64_t)accounts_max + wcx_assets_max(instruments_max);
  return wanted < WCX_BALANCES_MAX ? (uint32_t)wanted : WCX_BALANCES_MAX;
}

static inline uint32_t wcx_balance_home(uint64_t key, uint32_t mask)
{
  return (uint32_t)(wcx_digest_fold(key ^ WCX_DIGEST_K0, WCX_DIGEST_K1)) & mask;
}

/* The record of an account's and an asset's index, or NULL. */
static inline wcx_balance_t *wcx_balance_find(const wcx_balances_t *balances, uint32_t account, uint32_t asset)
{
  uint64_t key = (uint64_t)account << 32 | asset;
  for (uint32_t at = wcx_balance_home(key, balances->mask); balances->slots[at] != 0; at = (at + 1) & balances->mask)
  {
    wcx_balance_t *balance = &balances->records[balances->slots[at] - 1];
    if (balance->key == key)
      return balance;
  }
  return NULL;
}

static inline wcx_digest_t wcx_balance_hash(const wcx_balance_t *balance)
{
  uint64_t words[8];
  memcpy(words, balance, sizeof(words));
  words[4] = ~words[4]; /* where an order has its priority, which is never so large */
  return wcx_words8_hash(words);
}

/* The same, made if there is none: there must be room (wcx_balance_room). */
wcx_balance_t *wcx_balance_make(struct wcx_engine *engine, uint32_t account, uint32_t asset);
uint32_t wcx_balance_room(const struct wcx_engine *engine);

/* Money comes, goes, is held. */
void wcx_balance_move(struct wcx_engine *engine, wcx_balance_t *balance, wcx_i128_t available, wcx_i128_t held);

void wcx_balance_set_limits(struct wcx_engine *engine, wcx_balance_t *balance, int64_t max_order_notional, int64_t max_open_notional, int64_t max_position);

/* Has this adjustment been made before? And: it is made now. */
bool wcx_balance_seen(const wcx_balance_t *balance, uint64_t reference);
void wcx_balance_see(struct wcx_engine *engine, wcx_balance_t *balance, uint64_t reference);

/* An asset's name as its number: trailing spaces and NULs do not count. */
uint64_t wcx_asset_name(const char name[8]);
#define WCX_ASSET_NONE UINT32_MAX
uint32_t wcx_asset_find(const wcx_assets_t *assets, uint64_t name);
uint32_t wcx_asset_add(struct wcx_engine *engine, uint64_t name, int8_t exponent); /* there must be room (wcx_asset_room) */
uint32_t wcx_asset_room(const struct wcx_engine *engine);

void wcx_asset_set(struct wcx_engine *engine, wcx_asset_t *asset, int8_t exponent, uint8_t defined);
void wcx_asset_set_tier(struct wcx_engine *engine, wcx_asset_t *asset, uint32_t tier, wcx_tier_limit_t limit);
void wcx_asset_collect(struct wcx_engine *engine, wcx_asset_t *asset, wcx_i128_t fees);

void wcx_fee_tier_set(struct wcx_engine *engine, uint32_t idx, wcx_fee_tier_t tier);

/* Assets and balances that were loaded are found again. */
void wcx_balance_rebuild_slots(struct wcx_engine *engine);

/* Sum of the hashes of all that is in these tables, from scratch. */
wcx_digest_t wcx_balance_digest_full(const struct wcx_engine *engine);

#endif
