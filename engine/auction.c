#include "engine/auction.h"

#include "engine/emit.h"

const char *wcx_auction_status_error(const wcx_engine_t *engine, const wcx_security_status_t *status)
{
  (void)engine;
  switch (status->security_trading_status)
  {
  case WCX_SECURITY_TRADING_STATUS_TRADING_HALT:
  case WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE:
  case WCX_SECURITY_TRADING_STATUS_NOT_AVAILABLE_FOR_TRADING:
  case WCX_SECURITY_TRADING_STATUS_CANCEL_ONLY:
  case WCX_SECURITY_TRADING_STATUS_PAUSED:
    return NULL;
  default:
    return "SecurityTradingStatus is unknown or is not built yet";
  }
}

void wcx_auction_set_status(wcx_engine_t *engine, const wcx_security_status_t *status)
{
  wcx_instrument_t *instrument = wcx_state_instrument(engine, status->security_id);
  instrument->status = status->security_trading_status;
  wcx_state_renew_instrument(engine, instrument);
  wcx_security_status_t *md = wcx_note_feed(engine, WCX_TEMPLATE_SECURITY_STATUS, sizeof(*md));
  *md = *status;
  md->transact_time = engine->stamp_ns;
}

void wcx_auction_resume_due(wcx_engine_t *engine, wcx_instrument_t *instrument)
{
  (void)engine, (void)instrument;
}

void wcx_auction_interrupt(wcx_engine_t *engine, wcx_instrument_t *instrument)
{
  (void)engine, (void)instrument;
}

const char *wcx_auction_band_error(const wcx_engine_t *engine, const wcx_price_band_t *band)
{
  (void)engine, (void)band;
  return "PriceBand is not built yet";
}

void wcx_auction_set_band(wcx_engine_t *engine, const wcx_price_band_t *band)
{
  (void)engine, (void)band;
}

const char *wcx_auction_rule_error(const wcx_engine_t *engine, const wcx_volatility_rule_t *rule)
{
  (void)engine, (void)rule;
  return "VolatilityRule is not built yet";
}

void wcx_auction_set_rule(wcx_engine_t *engine, const wcx_volatility_rule_t *rule)
{
  (void)engine, (void)rule;
}

void wcx_auction_updates(wcx_engine_t *engine)
{
  for (uint32_t i = 0; i < engine->instrument_cnt && engine->touched_cnt != 0; i++)
    if ((engine->instruments[i].flags & WCX_INSTRUMENT_F_TOUCHED) != 0)
    {
      engine->instruments[i].flags &= (uint16_t)~WCX_INSTRUMENT_F_TOUCHED;
      engine->touched_cnt--;
    }
}
