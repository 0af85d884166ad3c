#include "engine/risk.h"

#include "engine/book.h"

static wcx_u128_t power_of_ten(int exponent)
{
  wcx_u128_t power = 1;
  while (exponent-- > 0)
    power *= 10;
  return power;
}

int64_t wcx_risk_notional(const wcx_instrument_t *instrument, int64_t price, int64_t qty, bool up)
{
  const wcx_security_definition_t *def = &instrument->definition;
  int scale = def->price_exponent + def->qty_exponent - def->amt_exponent;
  wcx_u128_t product = (wcx_u128_t)(uint64_t)price * (uint64_t)qty;
  if (scale >= 0)
    return (int64_t)(product * power_of_ten(scale));
  wcx_u128_t divisor = power_of_ten(-scale);
  return (int64_t)(product / divisor + (up && product % divisor != 0));
}

int64_t wcx_risk_commission(const wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, bool taker, int64_t notional)
{
  (void)engine, (void)account, (void)instrument, (void)taker, (void)notional;
  return 0;
}

int64_t wcx_risk_held_px(const wcx_engine_t *engine, uint32_t slot)
{
  int64_t price = wcx_book_price(engine, slot);
  return price != WCX_I64_NULL ? price : engine->pool.extras[slot].collar;
}

enum wcx_reject wcx_risk_check(const wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t held_px, int64_t qty,
                               uint64_t *limit)
{
  (void)engine, (void)account, (void)instrument, (void)side, (void)held_px, (void)qty, (void)limit;
  return WCX_REJECT_NONE;
}

enum wcx_reject wcx_risk_check_replace(const wcx_engine_t *engine, const wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t held_px_now,
                                       int64_t leaves_now, int64_t held_px_then, int64_t order_qty, int64_t leaves_then)
{
  (void)engine, (void)account, (void)instrument, (void)side, (void)held_px_now, (void)leaves_now, (void)held_px_then, (void)order_qty, (void)leaves_then;
  return WCX_REJECT_NONE;
}

void wcx_risk_hold(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t held_px, int64_t leaves)
{
  (void)engine, (void)account, (void)instrument, (void)side, (void)held_px, (void)leaves;
}

void wcx_risk_release(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t held_px, int64_t leaves)
{
  (void)engine, (void)account, (void)instrument, (void)side, (void)held_px, (void)leaves;
}

void wcx_risk_change(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t px_now, int64_t leaves_now, int64_t px_then,
                     int64_t leaves_then)
{
  (void)engine, (void)account, (void)instrument, (void)side, (void)px_now, (void)leaves_now, (void)px_then, (void)leaves_then;
}

void wcx_risk_fill(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t held_px, int64_t leaves_before, const wcx_fill_t *fill,
                   int64_t commission)
{
  (void)engine, (void)account, (void)instrument, (void)side, (void)held_px, (void)leaves_before, (void)fill, (void)commission;
}

void wcx_risk_break(wcx_engine_t *engine, wcx_account_t *account, const wcx_instrument_t *instrument, uint8_t side, int64_t px, int64_t qty, int64_t commission)
{
  (void)engine, (void)account, (void)instrument, (void)side, (void)px, (void)qty, (void)commission;
}
