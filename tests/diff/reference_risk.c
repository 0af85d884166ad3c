/* Money: notional, commission, balances, what an order holds, limits, and what a trade break gives back. */
#include "tests/diff/reference_state.h"

/* --- arithmetic ------------------------------------------------------------------------------------------------------------------------ */

wcx_i128_t ref_div_floor(wcx_i128_t a, wcx_i128_t b)
{
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

wcx_i128_t ref_div_ceil(wcx_i128_t a, wcx_i128_t b)
{
  return a / b + (a % b != 0 && (a < 0) == (b < 0));
}

static bool fits(wcx_i128_t value)
{
  return value >= -(wcx_i128_t)INT64_MAX && value <= INT64_MAX;
}

/* value x 10^exponent; far outside an int64 stays far outside. */
static wcx_i128_t scaled(wcx_i128_t value, int exponent, bool up)
{
  for (; exponent > 0 && value != 0 && value < REF_FAR && value > -REF_FAR; exponent--)
    value *= 10;
  wcx_i128_t divisor = 1;
  for (; exponent < 0 && divisor < REF_FAR; exponent++)
    divisor *= 10;
  return up ? ref_div_ceil(value, divisor) : ref_div_floor(value, divisor);
}

bool ref_notional(const ref_instrument_t *instrument, wcx_i128_t price, int64_t qty, bool up, int64_t *amount)
{
  if (price >= REF_FAR || price <= -REF_FAR)
    return false;
  const wcx_security_definition_t *def = &instrument->def;
  wcx_i128_t value = scaled(price * qty, def->price_exponent + def->qty_exponent - def->amt_exponent, up);
  *amount = fits(value) ? (int64_t)value : 0;
  return fits(value);
}

int64_t ref_commission(const ref_t *ref, const ref_order_t *order, int64_t notional, bool maker)
{
  const wcx_security_definition_t *def = &ref->instruments[order->instrument].def;
  uint8_t tier = ref->accounts[order->account].def.fee_tier;
  wcx_i128_t rate = maker ? def->maker_fee_rate : def->taker_fee_rate;
  if (ref->fee_tier_defined[tier])
    rate = rate * (maker ? ref->fee_tiers[tier].maker_share : ref->fee_tiers[tier].taker_share) / 1000000;
  return (int64_t)ref_div_ceil(notional * rate, 1000000000);
}

/* --- assets ---------------------------------------------------------------------------------------------------------------------------- */

static void pad(char to[8], const char from[8])
{
  bool end = false;
  for (int i = 0; i < 8; i++)
  {
    end = end || from[i] == '\0';
    to[i] = end ? ' ' : from[i];
  }
}

uint32_t ref_asset_find(const ref_t *ref, const char name[8])
{
  char padded[8];
  pad(padded, name);
  for (uint32_t i = 0; i < ref->asset_cnt; i++)
    if (memcmp(ref->assets[i].name, padded, 8) == 0)
      return i;
  return REF_NOBODY;
}

/* The asset, made with the exponent if it is not there yet. */
uint32_t ref_asset_of(ref_t *ref, const char name[8], int8_t exponent)
{
  uint32_t idx = ref_asset_find(ref, name);
  if (idx != REF_NOBODY)
    return idx;
  WCX_CHECK(ref->asset_cnt < REF_ASSETS_MAX, "more than %u assets", REF_ASSETS_MAX);
  ref_asset_t *asset = &ref->assets[ref->asset_cnt];
  *asset = (ref_asset_t){.exponent = exponent};
  pad(asset->name, name);
  return ref->asset_cnt++;
}

void ref_asset_definition(ref_t *ref, const wcx_asset_definition_t *def)
{
  ref->assets[ref_asset_of(ref, def->asset, def->exponent)].exponent = def->exponent;
}

/* --- what an order holds --------------------------------------------------------------------------------------------------------------- */

bool ref_checked(const ref_t *ref, const ref_order_t *order)
{
  return ref->accounts[order->account].def.credit == WCX_CREDIT_CHECKED;
}

static int64_t base_amount(const ref_t *ref, const ref_order_t *order, int64_t qty)
{
  const ref_instrument_t *instrument = &ref->instruments[order->instrument];
  return (int64_t)scaled(qty, instrument->def.qty_exponent - ref->assets[instrument->base].exponent, false);
}

static wcx_i128_t limit_or_collar(const ref_order_t *order)
{
  return ref_sweeps(order) ? order->collar : order->price;
}

/* False: does not fit an amount. */
static bool need_of(const ref_t *ref, const ref_order_t *order, int64_t leaves, int64_t *need)
{
  const ref_instrument_t *instrument = &ref->instruments[order->instrument];
  *need = 0;
  if (leaves == 0)
    return true;
  if (order->side == REF_SELL)
  {
    wcx_i128_t base = scaled(leaves, instrument->def.qty_exponent - ref->assets[instrument->base].exponent, false);
    *need = fits(base) ? (int64_t)base : 0;
    return fits(base);
  }
  int64_t notional;
  if (!ref_notional(instrument, limit_or_collar(order), leaves, true, &notional))
    return false;
  wcx_i128_t rate = 0;
  if (instrument->def.maker_fee_rate > rate)
    rate = instrument->def.maker_fee_rate;
  if (instrument->def.taker_fee_rate > rate)
    rate = instrument->def.taker_fee_rate;
  wcx_i128_t all = notional + ref_div_ceil(notional * rate, 1000000000);
  *need = fits(all) ? (int64_t)all : 0;
  return fits(all);
}

/* As it is told: the nearest amount. */
static int64_t told(wcx_i128_t amount)
{
  return amount > INT64_MAX ? INT64_MAX : amount < -INT64_MAX ? -INT64_MAX : (int64_t)amount;
}

static wcx_i128_t *available_of(ref_t *ref, const ref_order_t *order, bool base)
{
  const ref_instrument_t *instrument = &ref->instruments[order->instrument];
  return &ref->accounts[order->account].balance[base ? instrument->base : instrument->quote].available;
}

void ref_hold(ref_t *ref, ref_order_t *order)
{
  if (!ref_checked(ref, order))
    return;
  int64_t need;
  bool fine = need_of(ref, order, order->leaves, &need);
  WCX_CHECK(fine, "an accepted order holds too much");
  *available_of(ref, order, order->side == REF_SELL) += order->held - need;
  order->held = need;
}

void ref_settle(ref_t *ref, ref_order_t *order, int64_t notional, int64_t qty, int64_t commission)
{
  if (!ref_checked(ref, order))
    return;
  int sign = order->side == REF_BUY ? 1 : -1;
  *available_of(ref, order, true) += sign * base_amount(ref, order, qty);
  *available_of(ref, order, false) -= sign * notional + commission;
  ref_hold(ref, order);
}

/* --- balances -------------------------------------------------------------------------------------------------------------------------- */

static bool reference_seen(const ref_balance_t *balance, uint64_t reference)
{
  if (balance->highest_reference == 0 || reference > balance->highest_reference)
    return false;
  uint64_t below = balance->highest_reference - reference;
  return below > 63 || (balance->seen >> below & 1) != 0;
}

static const char *adjustment_error(const ref_t *ref, const wcx_balance_adjustment_t *adjustment)
{
  uint32_t account = ref_account_find(ref, adjustment->account);
  uint32_t asset = ref_asset_find(ref, adjustment->asset);
  if (account == REF_NOBODY || asset == REF_NOBODY)
    return "no such account or asset";
  if (ref->accounts[account].def.credit != WCX_CREDIT_CHECKED)
    return "only Checked accounts have balances";
  if (adjustment->reference == 0 || adjustment->amount == WCX_I64_NULL)
    return "Reference 0 or Amount null";
  const ref_balance_t *balance = &ref->accounts[account].balance[asset];
  if (reference_seen(balance, adjustment->reference))
    return NULL;
  wcx_i128_t after = balance->available + adjustment->amount;
  if (!fits(after) || (adjustment->amount < 0 && after < 0))
    return "the balance would be below zero or too large";
  return NULL;
}

void ref_balance_adjustment(ref_t *ref, const wcx_balance_adjustment_t *adjustment)
{
  uint32_t asset = ref_asset_find(ref, adjustment->asset);
  ref_balance_t *balance = &ref->accounts[ref_account_find(ref, adjustment->account)].balance[asset];
  ref->assets[asset].final = true;
  if (reference_seen(balance, adjustment->reference))
    return;
  balance->available += adjustment->amount;
  if (adjustment->reference > balance->highest_reference)
  {
    uint64_t up = adjustment->reference - balance->highest_reference;
    balance->seen = up > 63 ? 0 : balance->seen << up;
    balance->highest_reference = adjustment->reference;
  }
  balance->seen |= (uint64_t)1 << (balance->highest_reference - adjustment->reference);
}

/* --- limits ---------------------------------------------------------------------------------------------------------------------------- */

static bool is_blank(const char asset[8])
{
  return asset[0] == ' ' || asset[0] == '\0';
}

void ref_limit_update(ref_t *ref, const wcx_limit_update_t *update)
{
  uint32_t asset = is_blank(update->asset) ? REF_NOBODY : ref_asset_find(ref, update->asset);
  ref_asset_limits_t limits = {update->max_order_notional, update->max_open_notional, update->max_position};
  if (update->account == 0)
  {
    if (asset != REF_NOBODY)
      ref->tier_limits[update->kyc_tier][asset] = limits;
    return;
  }
  ref_account_t *account = &ref->accounts[ref_account_find(ref, update->account)];
  account->max_order_qty = update->max_order_qty;
  account->max_open_orders = update->max_open_orders;
  if (asset != REF_NOBODY)
    account->limits[asset] = limits;
}

void ref_set_collar(const ref_t *ref, ref_order_t *candidate)
{
  ref_band_t band = ref_execution_band(&ref->instruments[candidate->instrument]);
  candidate->collar = band.high;
}

static bool is_far(wcx_i128_t price)
{
  return price >= REF_FAR || price <= -REF_FAR;
}

/* Notional of what is left of an order at its limit or collar; 0 without one. */
static wcx_i128_t open_notional(const ref_t *ref, const ref_order_t *order)
{
  const wcx_security_definition_t *def = &ref->instruments[order->instrument].def;
  wcx_i128_t price = limit_or_collar(order);
  if (is_far(price))
    return 0;
  return scaled(price * order->leaves, def->price_exponent + def->qty_exponent - def->amt_exponent, true);
}

typedef struct exposure
{
  uint32_t open_orders;
  wcx_i128_t open_notional; /* in the candidate's quote asset */
  wcx_i128_t position;      /* in its base asset */
} exposure_t;

/* The account's, the candidate included and the order it replaces left out. */
static exposure_t exposure_of(const ref_t *ref, const ref_order_t *candidate, const ref_order_t *old)
{
  const ref_instrument_t *instrument = &ref->instruments[candidate->instrument];
  const ref_account_t *account = &ref->accounts[candidate->account];
  exposure_t sum = {.open_orders = 1, .open_notional = open_notional(ref, candidate)};
  if (candidate->side == REF_BUY)
    sum.position = base_amount(ref, candidate, candidate->leaves);
  if (account->def.credit == WCX_CREDIT_CHECKED)
    sum.position += account->balance[instrument->base].available;
  for (uint32_t i = 0; i < ref->live.cnt; i++)
  {
    const ref_order_t *order = ref->live.at[i];
    if (order->account != candidate->account)
      continue;
    const ref_instrument_t *of = &ref->instruments[order->instrument];
    if (account->def.credit == WCX_CREDIT_CHECKED && order->side == REF_SELL && of->base == instrument->base)
      sum.position += order->held;
    if (account->def.credit == WCX_CREDIT_CHECKED && order->side == REF_BUY && of->quote == instrument->base)
      sum.position += order->held;
    if (order == old)
      continue;
    sum.open_orders++;
    if (of->quote == instrument->quote)
      sum.open_notional += open_notional(ref, order);
    if (order->side == REF_BUY && of->base == instrument->base)
      sum.position += base_amount(ref, order, order->leaves);
  }
  return sum;
}

static bool above(wcx_i128_t value, int64_t limit)
{
  return limit != WCX_I64_NULL && value > limit;
}

static ref_verdict_t refuse(uint16_t reason, int64_t limit)
{
  return (ref_verdict_t){reason, (uint64_t)limit};
}

static ref_verdict_t judge_limits(const ref_t *ref, const ref_order_t *candidate, const ref_order_t *old)
{
  const ref_instrument_t *instrument = &ref->instruments[candidate->instrument];
  const ref_account_t *account = &ref->accounts[candidate->account];
  const ref_asset_limits_t *quote = &account->limits[instrument->quote];
  const ref_asset_limits_t *tier = &ref->tier_limits[account->def.kyc_tier & 7][instrument->quote];
  if (above(candidate->qty, account->max_order_qty))
    return refuse(WCX_ORD_REJ_REASON_ORDER_EXCEEDS_LIMIT, account->max_order_qty);
  ref_order_t whole = *candidate;
  whole.leaves = candidate->qty;
  wcx_i128_t notional = open_notional(ref, &whole);
  bool priced = !is_far(limit_or_collar(candidate));
  if (priced && above(notional, quote->max_order_notional))
    return refuse(WCX_ORD_REJ_REASON_NOTIONAL_VALUE_EXCEEDS_THRESHOLD, quote->max_order_notional);
  exposure_t sum = exposure_of(ref, candidate, old);
  if (old == NULL && account->max_open_orders != WCX_U32_NULL && sum.open_orders > account->max_open_orders)
    return refuse(WCX_ORD_REJ_REASON_MAX_OPEN_ORDERS, account->max_open_orders);
  if (priced && above(sum.open_notional, quote->max_open_notional))
    return refuse(WCX_ORD_REJ_REASON_ORDER_EXCEEDS_LIMIT, quote->max_open_notional);
  bool tiered = priced && account->def.kyc_tier != 0;
  if (tiered && above(notional, tier->max_order_notional))
    return refuse(WCX_ORD_REJ_REASON_KYC_LIMIT, tier->max_order_notional);
  if (tiered && above(sum.open_notional, tier->max_open_notional))
    return refuse(WCX_ORD_REJ_REASON_KYC_LIMIT, tier->max_open_notional);
  int64_t max_position = account->limits[instrument->base].max_position;
  if (candidate->side == REF_BUY && above(sum.position, max_position))
    return refuse(WCX_ORD_REJ_REASON_POSITION_LIMIT, max_position);
  return REF_FINE;
}

ref_verdict_t ref_judge_money(ref_t *ref, ref_order_t *candidate, const ref_order_t *old)
{
  const ref_instrument_t *instrument = &ref->instruments[candidate->instrument];
  bool checked = ref_checked(ref, candidate);
  if (checked && (instrument->def.amt_exponent != ref->assets[instrument->quote].exponent || instrument->def.qty_exponent < ref->assets[instrument->base].exponent))
    return (ref_verdict_t){WCX_ORD_REJ_REASON_UNSUPPORTED_ORDER_CHARACTERISTIC, WCX_U64_NULL};
  if (old == NULL)
    ref_set_collar(ref, candidate);
  ref_verdict_t verdict = judge_limits(ref, candidate, old);
  if (verdict.reason != 0 || !checked)
    return verdict;
  if (candidate->side == REF_BUY && ref_sweeps(candidate) && is_far(candidate->collar))
    return (ref_verdict_t){WCX_ORD_REJ_REASON_NO_REFERENCE_PRICE, WCX_U64_NULL};
  int64_t need;
  if (!need_of(ref, candidate, candidate->leaves, &need))
    return (ref_verdict_t){WCX_ORD_REJ_REASON_ARITHMETIC_OVERFLOW, WCX_U64_NULL};
  wcx_i128_t available = *available_of(ref, candidate, candidate->side == REF_SELL);
  wcx_i128_t more = (wcx_i128_t)need - (old != NULL ? old->held : 0);
  if ((old == NULL || more > 0) && available < more)
    return refuse(WCX_ORD_REJ_REASON_INSUFFICIENT_BALANCE, told(available));
  return REF_FINE;
}

/* --- trade breaks ---------------------------------------------------------------------------------------------------------------------- */

static const char *break_error(const ref_t *ref, const wcx_trade_break_command_t *command)
{
  if (command->trd_match_id == 0 || command->trd_match_id > ref->last_match_id)
    return "no such trade";
  for (uint64_t i = 0; i < REF_BROKEN_MAX && i < ref->broken_cnt; i++)
    if (ref->broken[i] == command->trd_match_id)
      return "broken already";
  if (ref_instrument_find(ref, command->security_id) == REF_NOBODY || ref_account_find(ref, command->buy_account) == REF_NOBODY ||
      ref_account_find(ref, command->sell_account) == REF_NOBODY || ref_session_find(ref, command->buy_session_id) == REF_NOBODY ||
      ref_session_find(ref, command->sell_session_id) == REF_NOBODY)
    return "unknown instrument, account or session";
  return command->last_px <= 0 || command->last_qty <= 0 ? "no price or quantity" : NULL;
}

const char *ref_definition_error(const ref_t *ref, const wcx_record_hdr_t *hdr, const void *body)
{
  if (hdr->template_id == WCX_TEMPLATE_BALANCE_ADJUSTMENT)
  {
    wcx_balance_adjustment_t adjustment;
    memcpy(&adjustment, body, sizeof(adjustment));
    return adjustment_error(ref, &adjustment);
  }
  if (hdr->template_id == WCX_TEMPLATE_TRADE_BREAK_COMMAND)
  {
    wcx_trade_break_command_t command;
    memcpy(&command, body, sizeof(command));
    return break_error(ref, &command);
  }
  if (hdr->template_id == WCX_TEMPLATE_SESSION_ENTITLEMENT)
  {
    wcx_session_entitlement_t command;
    memcpy(&command, body, sizeof(command));
    return ref_session_find(ref, command.session_id) == REF_NOBODY ? "no such session" : (command.ord_types & 0xff81u) != 0 ? "an order type outside the schema" : NULL;
  }
  if (hdr->template_id == WCX_TEMPLATE_INSTRUMENT_GROUP)
  {
    wcx_instrument_group_t command;
    memcpy(&command, body, sizeof(command));
    return ref_instrument_find(ref, command.security_id) == REF_NOBODY ? "no such instrument" : command.group >= REF_TRADING_GROUPS ? "no such group" : NULL;
  }
  return NULL;
}

static void break_side(ref_t *ref, const wcx_trade_break_command_t *command, bool buy)
{
  ref_order_t as_if = {
      .instrument = ref_instrument_find(ref, command->security_id),
      .account = ref_account_find(ref, buy ? command->buy_account : command->sell_account),
  };
  int64_t commission = buy ? command->buy_commission : command->sell_commission;
  wcx_execution_report_trade_break_t report = {
      .transact_time = ref->now,
      .exec_id = ref->next_exec_id++,
      .order_id = buy ? command->buy_order_id : command->sell_order_id,
      .cl_ord_id = buy ? command->buy_cl_ord_id : command->sell_cl_ord_id,
      .security_id = command->security_id,
      .account = buy ? command->buy_account : command->sell_account,
      .session_id = buy ? command->buy_session_id : command->sell_session_id,
      .side = buy ? REF_BUY : REF_SELL,
      .ord_status = WCX_ORD_STATUS_CANCELED,
      .break_reason = command->reason,
      .exec_ref_id = buy ? command->buy_exec_id : command->sell_exec_id,
      .trd_match_id = command->trd_match_id,
      .last_px = command->last_px,
      .last_qty = command->last_qty,
      .commission = commission,
  };
  ref_say_session(ref, ref_session_find(ref, report.session_id), WCX_TEMPLATE_EXECUTION_REPORT_TRADE_BREAK, &report, sizeof(report));
  int64_t notional;
  if (!ref_checked(ref, &as_if) || !ref_notional(&ref->instruments[as_if.instrument], command->last_px, command->last_qty, false, &notional))
    return;
  int sign = buy ? 1 : -1;
  *available_of(ref, &as_if, true) -= sign * base_amount(ref, &as_if, command->last_qty);
  *available_of(ref, &as_if, false) += sign * notional + commission;
}

void ref_trade_break(ref_t *ref, const wcx_trade_break_command_t *command)
{
  ref->broken[ref->broken_cnt++ % REF_BROKEN_MAX] = command->trd_match_id;
  break_side(ref, command, true);
  break_side(ref, command, false);
  wcx_trade_break_t message = {.transact_time = ref->now, .trd_match_id = command->trd_match_id, .security_id = command->security_id, .reason = command->reason};
  ref_say_feed(ref, WCX_TEMPLATE_TRADE_BREAK, &message, sizeof(message));
}

bool ref_available(const ref_t *ref, uint32_t account, const char asset[8], int64_t *amount)
{
  uint32_t a = ref_account_find(ref, account);
  uint32_t b = ref_asset_find(ref, asset);
  if (a == REF_NOBODY || b == REF_NOBODY || ref->accounts[a].def.credit != WCX_CREDIT_CHECKED)
    return false;
  *amount = told(ref->accounts[a].balance[b].available);
  return true;
}
