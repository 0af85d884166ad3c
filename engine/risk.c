#include "engine/risk.h"

#include "engine/book.h"
#include "engine/decimal.h"

#define AMOUNT_OVER (UINT64_C(1) << 63) /* stands for all that does not fit an amount */

/* --- amounts ---------------------------------------------------------------------------------------------------------------------------- */

static inline uint64_t scaled(int8_t scale, wcx_u128_t product, bool up)
{
  return __builtin_expect(scale < 0, 1) ? wcx_decimal_divide((uint32_t)-scale, product, up) : (uint64_t)product * wcx_decimals[scale].power;
}

int64_t wcx_risk_notional(const wcx_instrument_t *instrument, int64_t price, int64_t qty, bool up)
{
  return (int64_t)scaled(instrument->notional_scale, (wcx_u128_t)(uint64_t)price * (uint64_t)qty, up);
}

uint64_t wcx_risk_open_notional(const wcx_instrument_t *instrument, int64_t price, int64_t qty)
{
  wcx_u128_t product = (wcx_u128_t)(uint64_t)price * (uint64_t)qty; /* 0 where nothing bounds the order */
  return __builtin_expect(product <= instrument->product_overflow, 1) ? scaled(instrument->notional_scale, product, true) : AMOUNT_OVER;
}

uint64_t wcx_risk_base(const wcx_instrument_t *instrument, int64_t qty)
{
  if (__builtin_expect(instrument->base_scale == 0, 1))
    return (uint64_t)qty;
  if (instrument->base_scale < 0)
    return wcx_decimal_divide((uint32_t)-instrument->base_scale, (uint64_t)qty, true);
  wcx_u128_t base = (wcx_u128_t)(uint64_t)qty * wcx_decimals[instrument->base_scale].power;
  return base <= (wcx_u128_t)INT64_MAX ? (uint64_t)base : AMOUNT_OVER;
}

/* ceil(notional x rate / 1e9), rate not below 0. */
static inline uint64_t part_of(uint64_t notional, int64_t rate, bool up)
{
  return wcx_decimal_divide(9, (wcx_u128_t)notional * (uint64_t)rate, up);
}

wcx_u128_t wcx_risk_held(const wcx_instrument_t *instrument, uint8_t side, int64_t held_px, int64_t leaves)
{
  if (side == WCX_SIDE_SELL)
    return wcx_risk_base(instrument, leaves);
  uint64_t notional = wcx_risk_open_notional(instrument, held_px, leaves);
  if (__builtin_expect((instrument->flags & WCX_INSTRUMENT_F_FEES) == 0, 1))
    return notional;
  const wcx_security_definition_t *def = &instrument->definition;
  int64_t rate = def->maker_fee_rate > def->taker_fee_rate ? def->maker_fee_rate : def->taker_fee_rate;
  return rate <= 0 ? notional : (wcx_u128_t)notional + part_of(notional, rate, true);
}

int64_t wcx_risk_commission(const wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, bool taker, int64_t notional)
{
  if ((instrument->flags & WCX_INSTRUMENT_F_FEES) == 0)
    return 0;
  const wcx_fee_tier_t *tier = &engine->assets.fee_tiers[account->definition.fee_tier];
  int64_t rate = taker ? instrument->definition.taker_fee_rate : instrument->definition.maker_fee_rate;
  uint32_t off = taker ? tier->taker_off : tier->maker_off;
  if (off != 0)
    rate = rate * (int64_t)(WCX_SHARE_WHOLE - off) / (int64_t)WCX_SHARE_WHOLE;
  return rate >= 0 ? (int64_t)part_of((uint64_t)notional, rate, true) : -(int64_t)part_of((uint64_t)notional, -rate, false);
}

int64_t wcx_risk_held_px(const wcx_engine_t *engine, uint32_t slot)
{
  int64_t price = wcx_book_price(engine, slot);
  return price != WCX_I64_NULL ? price : engine->pool.extras[slot].collar;
}

/* --- records ---------------------------------------------------------------------------------------------------------------------------- */

static inline wcx_balance_t *balance_of(const wcx_engine_t *engine, const wcx_account_t *account, uint32_t asset)
{
  return wcx_balance_find(&engine->balances, (uint32_t)(account - engine->accounts), asset);
}

/* What a side pays with, and what it is paid in. */
static inline uint32_t pays(const wcx_instrument_t *instrument, uint8_t side)
{
  return side == WCX_SIDE_BUY ? instrument->quote_asset : instrument->base_asset;
}

static inline uint32_t gets(const wcx_instrument_t *instrument, uint8_t side)
{
  return side == WCX_SIDE_BUY ? instrument->base_asset : instrument->quote_asset;
}

/* --- may it? ---------------------------------------------------------------------------------------------------------------------------- */

/* What is asked for: an order as it is (leaves_now 0: it is new) and as it wants to be. */
typedef struct ask
{
  uint8_t side;
  int64_t px_now;
  int64_t leaves_now;
  int64_t px_then;
  int64_t order_qty;
  int64_t leaves_then;
} ask_t;

static inline bool above(wcx_i128_t value, int64_t limit)
{
  return limit != WCX_I64_NULL && value > limit;
}

static enum wcx_reject over(enum wcx_reject reject, int64_t at, uint64_t *limit)
{
  *limit = (uint64_t)at;
  return reject;
}

static enum wcx_reject check_position(const wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, const ask_t *ask, uint64_t *limit)
{
  const wcx_balance_t *base = balance_of(engine, account, instrument->base_asset);
  if (base == NULL || base->max_position == WCX_I64_NULL)
    return WCX_REJECT_NONE;
  wcx_i128_t position = (wcx_i128_t)base->open_bid - wcx_risk_base(instrument, ask->leaves_now) + wcx_risk_base(instrument, ask->leaves_then);
  if ((account->risk & WCX_ACCOUNT_R_CHECKED) != 0)
    position += base->available + base->held;
  return above(position, base->max_position) ? over(WCX_REJECT_POSITION, base->max_position, limit) : WCX_REJECT_NONE;
}

/* Limits of the account, then of its tier. What nothing bounds has no notional: it is not held against one. */
static enum wcx_reject check_limits(const wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, const ask_t *ask, uint64_t *limit)
{
  static const wcx_balance_t no_limits = {.max_order_notional = WCX_I64_NULL, .max_open_notional = WCX_I64_NULL};
  if (ask->order_qty > account->max_order_qty)
    return over(WCX_REJECT_LIMIT_QTY, account->max_order_qty, limit);
  const wcx_balance_t *quote = balance_of(engine, account, instrument->quote_asset);
  if (quote == NULL)
    quote = &no_limits;
  bool bounded = ask->px_then != WCX_HELD_PX_NONE;
  wcx_i128_t notional = wcx_risk_open_notional(instrument, ask->px_then, ask->order_qty);
  wcx_i128_t open =
      (wcx_i128_t)quote->open_notional - wcx_risk_open_notional(instrument, ask->px_now, ask->leaves_now) + wcx_risk_open_notional(instrument, ask->px_then, ask->leaves_then);
  if (bounded && above(notional, quote->max_order_notional))
    return over(WCX_REJECT_LIMIT_NOTIONAL, quote->max_order_notional, limit);
  if (ask->leaves_now == 0 && account->open_orders >= account->max_open_orders)
    return over(WCX_REJECT_LIMIT_ORDERS, account->max_open_orders, limit);
  if (bounded && above(open, quote->max_open_notional))
    return over(WCX_REJECT_LIMIT_OPEN, quote->max_open_notional, limit);
  uint8_t tier = account->definition.kyc_tier;
  if (bounded && tier >= 1 && tier <= WCX_KYC_TIERS)
  {
    const wcx_tier_limit_t *of_tier = &engine->assets.records[instrument->quote_asset].tier[tier - 1];
    if (above(notional, of_tier->max_order_notional))
      return over(WCX_REJECT_KYC, of_tier->max_order_notional, limit);
    if (above(open, of_tier->max_open_notional))
      return over(WCX_REJECT_KYC, of_tier->max_open_notional, limit);
  }
  return ask->side == WCX_SIDE_BUY ? check_position(engine, account, instrument, ask, limit) : WCX_REJECT_NONE;
}

static enum wcx_reject check_balance(const wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, const ask_t *ask, uint64_t *limit)
{
  bool buys = ask->side == WCX_SIDE_BUY;
  if (buys && ask->px_then == WCX_HELD_PX_NONE)
    return WCX_REJECT_NO_REFERENCE;
  wcx_u128_t then = wcx_risk_held(instrument, ask->side, ask->px_then, ask->leaves_then);
  if (then > (wcx_u128_t)INT64_MAX || (buys && wcx_risk_base(instrument, ask->leaves_then) > (uint64_t)INT64_MAX))
    return WCX_REJECT_NOTIONAL_OVERFLOW;
  const wcx_balance_t *balance = balance_of(engine, account, pays(instrument, ask->side));
  wcx_i128_t available = balance != NULL ? balance->available : 0;
  wcx_i128_t more = (wcx_i128_t)(then - wcx_risk_held(instrument, ask->side, ask->px_now, ask->leaves_now));
  if (more > 0 && available < more)
    return over(WCX_REJECT_BALANCE, (int64_t)available, limit);
  if (__builtin_expect(wcx_balance_room(engine) == 0, 0) && balance_of(engine, account, gets(instrument, ask->side)) == NULL)
    return over(WCX_REJECT_BALANCES_FULL, engine->balances.cnt, limit);
  return WCX_REJECT_NONE;
}

static enum wcx_reject check(const wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, const ask_t *ask, uint64_t *limit)
{
  bool checked = (account->risk & WCX_ACCOUNT_R_CHECKED) != 0;
  if (checked && (instrument->flags & WCX_INSTRUMENT_F_BALANCES) == 0)
    return WCX_REJECT_UNSUPPORTED;
  if ((account->risk & WCX_ACCOUNT_R_LIMITED) != 0)
  {
    enum wcx_reject reject = check_limits(engine, account, instrument, ask, limit);
    if (reject != WCX_REJECT_NONE)
      return reject;
  }
  return checked ? check_balance(engine, account, instrument, ask, limit) : WCX_REJECT_NONE;
}

enum wcx_reject wcx_risk_check(const wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t held_px, int64_t qty,
                               uint64_t *limit)
{
  ask_t ask = {.side = side, .px_then = held_px, .order_qty = qty, .leaves_then = qty};
  return check(engine, account, instrument, &ask, limit);
}

enum wcx_reject wcx_risk_check_replace(const wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t held_px_now,
                                       int64_t leaves_now, int64_t held_px_then, int64_t order_qty, int64_t leaves_then)
{
  uint64_t limit; /* OrderCancelReject names none */
  ask_t ask = {.side = side, .px_now = held_px_now, .leaves_now = leaves_now, .px_then = held_px_then, .order_qty = order_qty, .leaves_then = leaves_then};
  return check(engine, account, instrument, &ask, &limit);
}

/* --- holding ---------------------------------------------------------------------------------------------------------------------------- */

/* What the account's open orders add up to, in the assets that have a record: limits are in no others. */
static void count(wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t px_now, int64_t leaves_now, int64_t px_then,
                  int64_t leaves_then)
{
  wcx_balance_t *quote = balance_of(engine, account, instrument->quote_asset);
  if (quote != NULL)
    quote->open_notional += (wcx_u128_t)wcx_risk_open_notional(instrument, px_then, leaves_then) - wcx_risk_open_notional(instrument, px_now, leaves_now);
  wcx_balance_t *base = side == WCX_SIDE_BUY ? balance_of(engine, account, instrument->base_asset) : NULL;
  if (base != NULL)
    base->open_bid += (wcx_u128_t)wcx_risk_base(instrument, leaves_then) - wcx_risk_base(instrument, leaves_now);
}

void wcx_risk_change(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t px_now, int64_t leaves_now, int64_t px_then,
                     int64_t leaves_then)
{
  if ((account->risk & WCX_ACCOUNT_R_CHECKED) != 0)
  {
    wcx_i128_t more = (wcx_i128_t)(wcx_risk_held(instrument, side, px_then, leaves_then) - wcx_risk_held(instrument, side, px_now, leaves_now));
    wcx_balance_move(engine, balance_of(engine, account, pays(instrument, side)), -more, more);
  }
  if ((account->risk & WCX_ACCOUNT_R_LIMITED) != 0)
    count(engine, account, instrument, side, px_now, leaves_now, px_then, leaves_then);
}

void wcx_risk_hold(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t held_px, int64_t leaves)
{
  if ((account->risk & WCX_ACCOUNT_R_CHECKED) != 0)
    wcx_balance_make(engine, (uint32_t)(account - engine->accounts), gets(instrument, side)); /* a fill must not fail */
  if ((account->risk & WCX_ACCOUNT_R_LIMITED) != 0)
    account->open_orders++;
  wcx_risk_change(engine, account, instrument, side, held_px, 0, held_px, leaves);
}

void wcx_risk_release(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t held_px, int64_t leaves)
{
  if ((account->risk & WCX_ACCOUNT_R_LIMITED) != 0)
    account->open_orders--;
  wcx_risk_change(engine, account, instrument, side, held_px, leaves, held_px, 0);
}

/* --- trading ---------------------------------------------------------------------------------------------------------------------------- */

/* Whom the checked account trades with is not looked at: money passes through the supply, and comes back when the other side is a checked account, too. */
static inline void settle(wcx_engine_t *engine, const wcx_instrument_t *instrument, uint8_t side, wcx_balance_t *pay, wcx_balance_t *get, wcx_i128_t freed, int64_t base,
                          int64_t notional, int64_t commission)
{
  bool buys = side == WCX_SIDE_BUY;
  wcx_i128_t paid = buys ? (wcx_i128_t)notional + commission : base;
  wcx_i128_t got = buys ? base : (wcx_i128_t)notional - commission;
  wcx_balance_move(engine, pay, freed - paid, -freed);
  wcx_balance_move(engine, get, got, 0);
  engine->assets.records[pays(instrument, side)].supply -= buys ? notional : base;
  engine->assets.records[gets(instrument, side)].supply += buys ? base : notional;
}

void wcx_risk_collect(wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, int64_t commission)
{
  wcx_asset_t *quote = &engine->assets.records[instrument->quote_asset];
  wcx_asset_collect(engine, quote, commission);
  if ((account->risk & WCX_ACCOUNT_R_CHECKED) == 0)
    quote->supply += commission; /* it comes from outside */
}

void wcx_risk_fill(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t held_px, int64_t leaves_before, const wcx_fill_t *fill,
                   int64_t commission)
{
  int64_t leaves = leaves_before - fill->qty;
  if ((account->risk & WCX_ACCOUNT_R_CHECKED) != 0)
  {
    wcx_balance_t *pay = balance_of(engine, account, pays(instrument, side));
    wcx_balance_t *get = balance_of(engine, account, gets(instrument, side));
    wcx_i128_t freed = (wcx_i128_t)(wcx_risk_held(instrument, side, held_px, leaves_before) - wcx_risk_held(instrument, side, held_px, leaves));
    settle(engine, instrument, side, pay, get, freed, (int64_t)wcx_risk_base(instrument, fill->qty), fill->notional, commission);
  }
  if ((account->risk & WCX_ACCOUNT_R_LIMITED) != 0)
  {
    count(engine, account, instrument, side, held_px, leaves_before, held_px, leaves);
    if (leaves == 0)
      account->open_orders--;
  }
}

void wcx_risk_break(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t px, int64_t qty, int64_t commission)
{
  if ((account->risk & WCX_ACCOUNT_R_CHECKED) != 0)
  {
    wcx_balance_t *pay = balance_of(engine, account, pays(instrument, side));
    wcx_balance_t *get = balance_of(engine, account, gets(instrument, side));
    if (pay == NULL || get == NULL)
      return; /* it has never traded this instrument: there is nothing to give back */
    settle(engine, instrument, side, pay, get, 0, -(int64_t)wcx_risk_base(instrument, qty), -wcx_risk_notional(instrument, px, qty, false), -commission);
  }
  if (commission != 0)
    wcx_risk_collect(engine, account, instrument, -commission);
}
