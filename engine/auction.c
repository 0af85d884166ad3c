#include "engine/auction.h"

#include "engine/book.h"
#include "engine/emit.h"
#include "engine/report.h"
#include "engine/say.h"
#include "engine/timers.h"
#include "engine/uncross.h"

/* --- what a status is ------------------------------------------------------------------------------------------------------------------- */

static bool is_status(uint8_t status)
{
  switch (status)
  {
  case WCX_SECURITY_TRADING_STATUS_TRADING_HALT:
  case WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE:
  case WCX_SECURITY_TRADING_STATUS_NOT_AVAILABLE_FOR_TRADING:
  case WCX_SECURITY_TRADING_STATUS_PRE_OPEN:
  case WCX_SECURITY_TRADING_STATUS_OPENING_AUCTION:
  case WCX_SECURITY_TRADING_STATUS_POST_CLOSE:
  case WCX_SECURITY_TRADING_STATUS_VOLATILITY_AUCTION:
  case WCX_SECURITY_TRADING_STATUS_CANCEL_ONLY:
  case WCX_SECURITY_TRADING_STATUS_POST_ONLY_MODE:
  case WCX_SECURITY_TRADING_STATUS_PAUSED:
  case WCX_SECURITY_TRADING_STATUS_CLOSING_AUCTION:
    return true;
  default:
    return false;
  }
}

/* What an ExpectedResume schedules, or 0: it is only told. */
static uint8_t next_status(uint8_t status)
{
  switch (status)
  {
  case WCX_SECURITY_TRADING_STATUS_PRE_OPEN:
  case WCX_SECURITY_TRADING_STATUS_OPENING_AUCTION:
  case WCX_SECURITY_TRADING_STATUS_VOLATILITY_AUCTION:
  case WCX_SECURITY_TRADING_STATUS_PAUSED:
  case WCX_SECURITY_TRADING_STATUS_TRADING_HALT:
  case WCX_SECURITY_TRADING_STATUS_POST_ONLY_MODE:
    return WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE;
  case WCX_SECURITY_TRADING_STATUS_CLOSING_AUCTION:
    return WCX_SECURITY_TRADING_STATUS_POST_CLOSE;
  default:
    return 0;
  }
}

static uint8_t cross_type(uint8_t status)
{
  return status == WCX_SECURITY_TRADING_STATUS_OPENING_AUCTION   ? WCX_CROSS_TYPE_OPENING
         : status == WCX_SECURITY_TRADING_STATUS_CLOSING_AUCTION ? WCX_CROSS_TYPE_CLOSING
                                                                 : WCX_CROSS_TYPE_VOLATILITY;
}

/* --- orders of one auction -------------------------------------------------------------------------------------------------------------- */

/* An order that has not been seen joins the end of its level, if there is one to be had. */
static void join(wcx_engine_t *engine, uint32_t slot)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_order_extra_t *extra = &engine->pool.extras[slot];
  const wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  uint64_t rest;
  uint64_t px_idx = wcx_divide(&instrument->increment, (uint64_t)extra->price, &rest);
  if (!wcx_book_has_level(engine, instrument, order->side, px_idx))
  {
    wcx_cancel(engine, slot, WCX_CANCEL_REASON_SYSTEM, WCX_U64_NULL, NULL);
    return;
  }
  wcx_book_take_out(engine, slot);
  if ((order->flags & WCX_ORDER_F_ICEBERG) != 0)
    extra->displayed = order->leaves < extra->display_qty ? order->leaves : extra->display_qty;
  wcx_book_rest(engine, slot, px_idx, extra->price);
  wcx_report_shown(engine, slot, false);
}

static void phase_begins(wcx_engine_t *engine, const wcx_instrument_t *instrument, enum wcx_phase phase)
{
  uint32_t next;
  for (uint32_t slot = instrument->phase_head[phase]; slot != 0; slot = next)
  {
    next = engine->pool.extras[slot].phase_next;
    join(engine, slot);
  }
}

static void phase_ends(wcx_engine_t *engine, const wcx_instrument_t *instrument, enum wcx_phase phase)
{
  while (instrument->phase_head[phase] != 0)
    wcx_cancel(engine, instrument->phase_head[phase], WCX_CANCEL_REASON_EXPIRED, WCX_U64_NULL, NULL);
}

/* --- becoming a status ------------------------------------------------------------------------------------------------------------------ */

/* UINT64_MAX is no time. */
static uint64_t later(uint64_t at_ns, uint64_t by_ns)
{
  return by_ns < UINT64_MAX - at_ns ? at_ns + by_ns : UINT64_MAX - 1;
}

static void forget_schedule(wcx_engine_t *engine, wcx_instrument_t *instrument)
{
  wcx_timer_disarm(engine, WCX_TIMER_INSTRUMENT, (uint32_t)(instrument - engine->instruments));
  instrument->resume_ns = 0;
  instrument->resume_arm = 0;
  instrument->flags &= (uint16_t)~WCX_INSTRUMENT_F_VOLATILE;
}

static void schedule(wcx_engine_t *engine, wcx_instrument_t *instrument, uint64_t at_ns)
{
  if (at_ns == WCX_U64_NULL || at_ns <= engine->stamp_ns || next_status(instrument->status) == 0)
    return;
  instrument->resume_ns = at_ns;
  instrument->resume_arm = wcx_timer_arm(engine, WCX_TIMER_INSTRUMENT, (uint32_t)(instrument - engine->instruments), at_ns);
}

/* Nothing has been told of the auction that this may be. */
static void tell_anew(wcx_engine_t *engine, wcx_instrument_t *instrument)
{
  instrument->told_px = 0;
  instrument->told_paired_qty = 0;
  instrument->told_imbalance_qty = 0;
  instrument->told_side = WCX_TOLD_NOTHING;
  wcx_instrument_touch(engine, instrument);
}

static void become(wcx_engine_t *engine, wcx_instrument_t *instrument, const wcx_security_status_t *status)
{
  enum wcx_phase phase_before = wcx_book_phase_of_status(instrument->status);
  enum wcx_phase phase = wcx_book_phase_of_status(status->security_trading_status);
  forget_schedule(engine, instrument);
  instrument->status = status->security_trading_status;
  schedule(engine, instrument, status->expected_resume);
  wcx_security_status_t *md = wcx_note_feed(engine, WCX_TEMPLATE_SECURITY_STATUS, sizeof(*md));
  *md = *status;
  md->transact_time = engine->stamp_ns;
  if (wcx_auction_uncrosses(instrument->status))
    wcx_uncross(engine, instrument);
  if (phase_before != WCX_PHASE_NONE && phase_before != phase)
    phase_ends(engine, instrument, phase_before);
  if (phase != WCX_PHASE_NONE && phase != phase_before)
    phase_begins(engine, instrument, phase);
  tell_anew(engine, instrument);
}

/* A change that is no command. expected_resume: WCX_U64_NULL, or when the next change comes. */
static void change(wcx_engine_t *engine, wcx_instrument_t *instrument, uint8_t status, uint8_t reason, uint64_t expected_resume)
{
  wcx_security_status_t to = {.expected_resume = expected_resume, .security_id = instrument->security_id, .security_trading_status = status, .halt_reason = reason};
  become(engine, instrument, &to);
}

const char *wcx_auction_status_error(const wcx_engine_t *engine, const wcx_security_status_t *status)
{
  (void)engine;
  if (!is_status(status->security_trading_status))
    return say("SecurityTradingStatus %u is unknown: ReadyToTrade is 17", status->security_trading_status);
  if (status->halt_reason > WCX_HALT_REASON_REGULATORY)
    return say("HaltReason %u is unknown: 0 is None", status->halt_reason);
  return NULL;
}

void wcx_auction_set_status(wcx_engine_t *engine, const wcx_security_status_t *status)
{
  wcx_instrument_t *instrument = wcx_state_instrument(engine, status->security_id);
  become(engine, instrument, status);
  wcx_state_renew_instrument(engine, instrument);
}

void wcx_auction_defined(wcx_engine_t *engine, wcx_instrument_t *instrument)
{
  forget_schedule(engine, instrument);
  instrument->status = instrument->definition.security_trading_status;
  tell_anew(engine, instrument);
}

void wcx_auction_resume_due(wcx_engine_t *engine, wcx_instrument_t *instrument)
{
  if ((instrument->flags & WCX_INSTRUMENT_F_VOLATILE) != 0)
    change(engine, instrument, WCX_SECURITY_TRADING_STATUS_VOLATILITY_AUCTION, WCX_HALT_REASON_VOLATILITY, later(engine->stamp_ns, instrument->auction_ns));
  else
    change(engine, instrument, next_status(instrument->status), WCX_HALT_REASON_NONE, WCX_U64_NULL);
  wcx_state_renew_instrument(engine, instrument);
}

void wcx_auction_interrupt(wcx_engine_t *engine, wcx_instrument_t *instrument)
{
  bool pauses = instrument->pause_ns != 0;
  uint8_t status = pauses ? WCX_SECURITY_TRADING_STATUS_PAUSED : WCX_SECURITY_TRADING_STATUS_VOLATILITY_AUCTION;
  change(engine, instrument, status, WCX_HALT_REASON_VOLATILITY, later(engine->stamp_ns, pauses ? instrument->pause_ns : instrument->auction_ns));
  if (pauses)
    instrument->flags |= WCX_INSTRUMENT_F_VOLATILE;
  wcx_state_renew_instrument(engine, instrument);
}

/* --- bands and rules -------------------------------------------------------------------------------------------------------------------- */

const char *wcx_auction_band_error(const wcx_engine_t *engine, const wcx_price_band_t *band)
{
  if (wcx_state_instrument(engine, band->security_id) == NULL)
    return say("SecurityID %u is unknown: define it first", band->security_id);
  if (band->low_limit_price != WCX_I64_NULL && band->high_limit_price != WCX_I64_NULL && band->low_limit_price > band->high_limit_price)
    return say("LowLimitPrice %lld is above HighLimitPrice %lld", (long long)band->low_limit_price, (long long)band->high_limit_price);
  if (band->reference_price != WCX_I64_NULL && band->reference_price <= 0)
    return say("ReferencePrice %lld is not above 0: null keeps the one there is", (long long)band->reference_price);
  return NULL;
}

void wcx_auction_set_band(wcx_engine_t *engine, const wcx_price_band_t *band)
{
  wcx_instrument_t *instrument = wcx_state_instrument(engine, band->security_id);
  instrument->px_low = band->low_limit_price; /* null is the lowest int64: no limit */
  instrument->px_high = band->high_limit_price != WCX_I64_NULL ? band->high_limit_price : INT64_MAX;
  if (band->reference_price != WCX_I64_NULL)
    wcx_state_set_prices(engine, instrument, instrument->last_px, band->reference_price);
  wcx_state_set_plain_terms(instrument);
  wcx_state_renew_instrument(engine, instrument);
  wcx_instrument_touch(engine, instrument); /* the indicative price looks at the reference price */
  wcx_price_band_t *md = wcx_note_feed(engine, WCX_TEMPLATE_PRICE_BAND, sizeof(*md));
  *md = *band;
  md->transact_time = engine->stamp_ns;
}

const char *wcx_auction_rule_error(const wcx_engine_t *engine, const wcx_volatility_rule_t *rule)
{
  if (wcx_state_instrument(engine, rule->security_id) == NULL)
    return say("SecurityID %u is unknown: define it first", rule->security_id);
  if (rule->auction_nanos == 0)
    return say("SecurityID %u: AuctionNanos is 0: an auction takes 1 ns at least", rule->security_id);
  return NULL;
}

void wcx_auction_set_rule(wcx_engine_t *engine, const wcx_volatility_rule_t *rule)
{
  wcx_instrument_t *instrument = wcx_state_instrument(engine, rule->security_id);
  instrument->range = rule->dynamic_range;
  instrument->pause_ns = rule->pause_nanos;
  instrument->auction_ns = rule->auction_nanos;
  wcx_state_renew_instrument(engine, instrument);
}

/* --- what the feed is told of an auction ------------------------------------------------------------------------------------------------ */

/* A quantity as it is told: one that fits no int64 as the largest. */
static int64_t said_qty(wcx_u128_t qty)
{
  return qty < (wcx_u128_t)(uint64_t)INT64_MAX ? (int64_t)qty : INT64_MAX;
}

static void update(wcx_engine_t *engine, wcx_instrument_t *instrument)
{
  wcx_indicative_t at = wcx_uncross_indicate(engine, instrument);
  int64_t paired_qty = said_qty(at.paired);
  int64_t imbalance_qty = said_qty(at.imbalance);
  if (at.px == instrument->told_px && paired_qty == instrument->told_paired_qty && imbalance_qty == instrument->told_imbalance_qty && at.side == instrument->told_side)
    return;
  instrument->told_px = at.px;
  instrument->told_paired_qty = paired_qty;
  instrument->told_imbalance_qty = imbalance_qty;
  instrument->told_side = at.side;
  wcx_state_renew_instrument(engine, instrument);
  wcx_auction_update_t *md = wcx_emit_feed(engine, WCX_TEMPLATE_AUCTION_UPDATE, sizeof(*md));
  *md = (wcx_auction_update_t){
      .transact_time = engine->stamp_ns,
      .indicative_px = at.px,
      .paired_qty = paired_qty,
      .imbalance_qty = imbalance_qty,
      .uncross_time = instrument->resume_ns != 0 ? instrument->resume_ns : WCX_U64_NULL,
      .security_id = instrument->security_id,
      .imbalance_side = at.side,
      .cross_type = cross_type(instrument->status),
  };
}

void wcx_auction_updates(wcx_engine_t *engine)
{
  for (uint32_t i = 0; engine->touched_cnt != 0; i++)
  {
    wcx_instrument_t *instrument = &engine->instruments[i];
    if ((instrument->flags & WCX_INSTRUMENT_F_TOUCHED) == 0)
      continue;
    instrument->flags &= (uint16_t)~WCX_INSTRUMENT_F_TOUCHED;
    engine->touched_cnt--;
    if (wcx_auction_indicates(instrument->status))
      update(engine, instrument);
  }
}
