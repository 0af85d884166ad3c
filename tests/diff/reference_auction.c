/* Trading status, the uncross, indicative prices, bands and volatility. */
#include "tests/diff/reference_state.h"

/* --- bands ----------------------------------------------------------------------------------------------------------------------------- */

ref_band_t ref_present_band(const ref_instrument_t *instrument)
{
  return (ref_band_t){.low = instrument->low == WCX_I64_NULL ? -REF_FAR : instrument->low, .high = instrument->high == WCX_I64_NULL ? REF_FAR : instrument->high};
}

ref_band_t ref_execution_band(const ref_instrument_t *instrument)
{
  ref_band_t band = ref_present_band(instrument);
  wcx_i128_t range = (wcx_i128_t)instrument->rule.dynamic_range;
  wcx_i128_t last = instrument->last_px;
  if (range == 0 || last == 0)
    return band;
  wcx_i128_t low = ref_div_ceil(last * (1000000000 - range), 1000000000);
  wcx_i128_t high = ref_div_floor(last * (1000000000 + range), 1000000000);
  band.low = low > band.low ? low : band.low;
  band.high = high < band.high ? high : band.high;
  return band;
}

/* --- what an uncross would do ---------------------------------------------------------------------------------------------------------- */

static wcx_i128_t sum_of(const ref_list_t *book, uint8_t side, int64_t price)
{
  wcx_i128_t qty = 0;
  for (uint32_t i = 0; i < book->cnt; i++)
    if (side == REF_BUY ? book->at[i]->price >= price : book->at[i]->price <= price)
      qty += book->at[i]->leaves;
  return qty;
}

typedef struct cross
{
  int64_t price;
  wcx_i128_t volume;
  wcx_i128_t bought;
  wcx_i128_t sold;
} cross_t;

static wcx_i128_t magnitude(wcx_i128_t value)
{
  return value < 0 ? -value : value;
}

static bool is_better(const ref_instrument_t *instrument, const cross_t *a, const cross_t *b)
{
  if (a->volume != b->volume)
    return a->volume > b->volume;
  wcx_i128_t a_imbalance = magnitude(a->bought - a->sold);
  wcx_i128_t b_imbalance = magnitude(b->bought - b->sold);
  if (a_imbalance != b_imbalance)
    return a_imbalance < b_imbalance;
  if (instrument->reference_px != 0)
  {
    wcx_i128_t a_distance = magnitude((wcx_i128_t)a->price - instrument->reference_px);
    wcx_i128_t b_distance = magnitude((wcx_i128_t)b->price - instrument->reference_px);
    if (a_distance != b_distance)
      return a_distance < b_distance;
  }
  return a->price < b->price;
}

static void consider(const ref_instrument_t *instrument, int64_t price, cross_t *best)
{
  cross_t candidate = {.price = price, .bought = sum_of(&instrument->book[REF_BUY], REF_BUY, price), .sold = sum_of(&instrument->book[REF_SELL], REF_SELL, price)};
  candidate.volume = candidate.bought < candidate.sold ? candidate.bought : candidate.sold;
  if (candidate.volume > 0 && (best->volume == 0 || is_better(instrument, &candidate, best)))
    *best = candidate;
}

/* Volume 0: no price. */
static cross_t best_cross(const ref_instrument_t *instrument)
{
  cross_t best = {0};
  const ref_list_t *buys = &instrument->book[REF_BUY];
  const ref_list_t *sells = &instrument->book[REF_SELL];
  if (buys->cnt == 0 || sells->cnt == 0 || buys->at[0]->price < sells->at[0]->price)
    return best;
  for (uint8_t side = REF_BUY; side <= REF_SELL; side++)
    for (uint32_t i = 0; i < instrument->book[side].cnt; i++)
      if (i == 0 || instrument->book[side].at[i]->price != instrument->book[side].at[i - 1]->price)
        consider(instrument, instrument->book[side].at[i]->price, &best);
  if (instrument->reference_px != 0 && instrument->reference_px % instrument->def.min_price_increment == 0)
    consider(instrument, instrument->reference_px, &best);
  return best;
}

static int64_t shown_or_all(const ref_order_t *order)
{
  return ref_hidden(order) ? order->leaves : order->shown;
}

static void uncross_at(ref_t *ref, ref_instrument_t *instrument, cross_t cross)
{
  const ref_list_t *buys = &instrument->book[REF_BUY];
  const ref_list_t *sells = &instrument->book[REF_SELL];
  uint64_t event_id = 0;
  ref_fill_result_t last = {0};
  /* protection may take away what was counted */
  while (cross.volume > 0 && buys->cnt > 0 && sells->cnt > 0 && buys->at[0]->price >= cross.price && sells->at[0]->price <= cross.price)
  {
    if (event_id == 0)
      event_id = ++ref->last_event_id;
    int64_t qty = shown_or_all(buys->at[0]);
    if (shown_or_all(sells->at[0]) < qty)
      qty = shown_or_all(sells->at[0]);
    if (cross.volume < qty)
      qty = (int64_t)cross.volume;
    ref_fill_t fill = {buys->at[0], sells->at[0], cross.price, qty, event_id, true};
    last = ref_trade(ref, &fill);
    cross.volume -= qty;
  }
  ref_mark_last_fill(ref, &last);
}

/* What protection took away may leave the book crossed at another price: then that is the next uncross. */
static void uncross(ref_t *ref, ref_instrument_t *instrument)
{
  for (cross_t cross = best_cross(instrument); cross.volume > 0; cross = best_cross(instrument))
    uncross_at(ref, instrument, cross);
}

/* --- status ---------------------------------------------------------------------------------------------------------------------------- */

bool ref_is_auction(uint8_t status)
{
  return status == WCX_SECURITY_TRADING_STATUS_OPENING_AUCTION || status == WCX_SECURITY_TRADING_STATUS_VOLATILITY_AUCTION || status == WCX_SECURITY_TRADING_STATUS_CLOSING_AUCTION;
}

/* Orders of the TimeInForce that belong to an auction, to `picked`, in order of acceptance. */
static void pick_phase(ref_t *ref, uint32_t instrument, uint8_t tif)
{
  ref->picked.cnt = 0;
  for (uint32_t i = 0; i < ref->live.cnt; i++)
  {
    ref_order_t *order = ref->live.at[i];
    if (order->instrument == instrument && order->tif == tif && order->ord_type == WCX_ORD_TYPE_LIMIT)
      ref_list_insert(&ref->picked, ref->picked.cnt, order);
  }
}

static void phase_ends(ref_t *ref, uint32_t instrument, uint8_t tif)
{
  pick_phase(ref, instrument, tif);
  for (uint32_t i = 0; i < ref->picked.cnt; i++)
    ref_cancel_unsolicited(ref, ref->picked.at[i], WCX_CANCEL_REASON_EXPIRED);
}

static void phase_begins(ref_t *ref, uint32_t instrument, uint8_t tif)
{
  pick_phase(ref, instrument, tif);
  for (uint32_t i = 0; i < ref->picked.cnt; i++)
    if (ref->picked.at[i]->place == REF_UNSEEN)
      ref_rest(ref, ref->picked.at[i]);
}

static void set_status(ref_t *ref, ref_instrument_t *instrument, uint8_t status, uint8_t halt_reason, uint64_t expected_resume)
{
  uint32_t idx = (uint32_t)(instrument - ref->instruments);
  uint8_t before = instrument->status;
  instrument->status = status;
  instrument->told_any = false;
  wcx_security_status_t message = {
      .transact_time = ref->now, .expected_resume = expected_resume, .security_id = instrument->def.security_id, .security_trading_status = status, .halt_reason = halt_reason};
  ref_say_feed(ref, WCX_TEMPLATE_SECURITY_STATUS, &message, sizeof(message));
  if (status == WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE || status == WCX_SECURITY_TRADING_STATUS_POST_ONLY_MODE || status == WCX_SECURITY_TRADING_STATUS_POST_CLOSE)
    uncross(ref, instrument);
  if (before == WCX_SECURITY_TRADING_STATUS_OPENING_AUCTION && status != before)
    phase_ends(ref, idx, WCX_TIME_IN_FORCE_AT_THE_OPENING);
  if (before == WCX_SECURITY_TRADING_STATUS_CLOSING_AUCTION && status != before)
    phase_ends(ref, idx, WCX_TIME_IN_FORCE_AT_THE_CLOSE);
  if (status == WCX_SECURITY_TRADING_STATUS_OPENING_AUCTION)
    phase_begins(ref, idx, WCX_TIME_IN_FORCE_AT_THE_OPENING);
  if (status == WCX_SECURITY_TRADING_STATUS_CLOSING_AUCTION)
    phase_begins(ref, idx, WCX_TIME_IN_FORCE_AT_THE_CLOSE);
}

static void schedule(ref_t *ref, ref_instrument_t *instrument, uint64_t at_ns, bool to_auction)
{
  instrument->resume_ns = at_ns;
  instrument->resume_armed = ref->next_armed++;
  instrument->resume_to_auction = to_auction;
  if (at_ns < ref->soonest_ns)
    ref->soonest_ns = at_ns;
}

/* What a status is followed by when its time is over, 0: nothing. */
static uint8_t follower(uint8_t status)
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

void ref_status_command(ref_t *ref, const wcx_security_status_t *command)
{
  ref_instrument_t *instrument = &ref->instruments[ref_instrument_find(ref, command->security_id)];
  uint64_t resume = command->expected_resume;
  instrument->resume_ns = 0;
  if (resume != WCX_U64_NULL && resume > ref->now && follower(command->security_trading_status) != 0)
    schedule(ref, instrument, resume, false);
  set_status(ref, instrument, command->security_trading_status, command->halt_reason, resume);
}

static void volatility_auction(ref_t *ref, ref_instrument_t *instrument)
{
  uint64_t resume = ref->now + instrument->rule.auction_nanos;
  schedule(ref, instrument, resume, false);
  set_status(ref, instrument, WCX_SECURITY_TRADING_STATUS_VOLATILITY_AUCTION, WCX_HALT_REASON_VOLATILITY, resume);
}

void ref_status_due(ref_t *ref, ref_instrument_t *instrument)
{
  instrument->resume_ns = 0;
  if (instrument->resume_to_auction)
    volatility_auction(ref, instrument);
  else
    set_status(ref, instrument, follower(instrument->status), WCX_HALT_REASON_NONE, WCX_U64_NULL);
}

void ref_pause(ref_t *ref, ref_instrument_t *instrument)
{
  if (instrument->rule.pause_nanos == 0)
  {
    volatility_auction(ref, instrument);
    return;
  }
  uint64_t resume = ref->now + instrument->rule.pause_nanos;
  schedule(ref, instrument, resume, true);
  set_status(ref, instrument, WCX_SECURITY_TRADING_STATUS_PAUSED, WCX_HALT_REASON_VOLATILITY, resume);
}

/* --- what is told at the end of an input ----------------------------------------------------------------------------------------------- */

static ref_indication_t indication_of(const ref_instrument_t *instrument)
{
  cross_t cross = best_cross(instrument);
  if (cross.volume == 0)
    return (ref_indication_t){WCX_I64_NULL, 0, 0, WCX_SIDE_FILTER_BOTH};
  wcx_i128_t imbalance = cross.bought - cross.sold;
  uint8_t side = imbalance > 0 ? WCX_SIDE_FILTER_BUY : WCX_SIDE_FILTER_SELL;
  return (ref_indication_t){cross.price, (int64_t)cross.volume, (int64_t)magnitude(imbalance), imbalance == 0 ? WCX_SIDE_FILTER_BOTH : side};
}

static uint8_t cross_type_of(uint8_t status)
{
  if (status == WCX_SECURITY_TRADING_STATUS_OPENING_AUCTION)
    return WCX_CROSS_TYPE_OPENING;
  return status == WCX_SECURITY_TRADING_STATUS_CLOSING_AUCTION ? WCX_CROSS_TYPE_CLOSING : WCX_CROSS_TYPE_VOLATILITY;
}

void ref_auction_updates(ref_t *ref)
{
  for (uint32_t i = 0; i < ref->instrument_cnt; i++)
  {
    ref_instrument_t *instrument = &ref->instruments[i];
    if (!ref_is_auction(instrument->status))
      continue;
    ref_indication_t now = indication_of(instrument);
    const ref_indication_t *told = &instrument->told;
    if (instrument->told_any && now.price == told->price && now.paired == told->paired && now.imbalance == told->imbalance && now.side == told->side)
      continue;
    instrument->told = now;
    instrument->told_any = true;
    wcx_auction_update_t message = {.transact_time = ref->now,
                                    .indicative_px = now.price,
                                    .paired_qty = now.paired,
                                    .imbalance_qty = now.imbalance,
                                    .uncross_time = instrument->resume_ns != 0 ? instrument->resume_ns : WCX_U64_NULL,
                                    .security_id = instrument->def.security_id,
                                    .imbalance_side = now.side,
                                    .cross_type = cross_type_of(instrument->status)};
    ref_say_feed(ref, WCX_TEMPLATE_AUCTION_UPDATE, &message, sizeof(message));
  }
}
