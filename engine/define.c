/* Definitions: instruments, accounts, sessions, capacity, the day. Each is checked by wcx_engine_definition_error before it is journaled and applied. */
#include "engine/auction.h"
#include "engine/emit.h"
#include "engine/risk_define.h"
#include "engine/say.h"
#include "engine/sbe_meta.h"
#include "engine/trade_break.h"

#define READ(type, name, from)                                                                                                                                                     \
  type name;                                                                                                                                                                       \
  memcpy(&name, from, sizeof(name))

static const wcx_sbe_msg_t *message_of(uint16_t template_id)
{
  for (uint32_t i = 0; i < wcx_sbe_msg_cnt; i++)
    if (wcx_sbe_msgs[i].template_id == template_id)
      return &wcx_sbe_msgs[i];
  return NULL;
}

/* --- instruments ---------------------------------------------------------------------------------------------------------------------- */

static int notional_scale(const wcx_security_definition_t *def)
{
  return def->price_exponent + def->qty_exponent - def->amt_exponent;
}

static const char *instrument_error(const wcx_engine_t *engine, const wcx_security_definition_t *def)
{
  uint32_t idx = wcx_idmap_find(&engine->instrument_map, def->security_id);
  if (idx != WCX_IDX_NONE && engine->instruments[idx].used)
    return say("SecurityID %u has had orders: its definition is final", def->security_id);
  if (idx == WCX_IDX_NONE && engine->instrument_cnt >= engine->capacity.max_instruments)
    return say("SecurityID %u: all %u instruments are defined", def->security_id, engine->capacity.max_instruments);
  if (def->security_id == 0 || def->security_id == WCX_U32_NULL)
    return say("SecurityID %u is not a valid id", def->security_id);
  wcx_security_status_t status = {.security_id = def->security_id, .security_trading_status = def->security_trading_status};
  const char *error = wcx_auction_status_error(engine, &status);
  if (error != NULL)
    return error;
  if (def->min_price_increment < 1)
    return say("MinPriceIncrement %lld is below 1", (long long)def->min_price_increment);
  if (def->round_lot < 1)
    return say("RoundLot %lld is below 1", (long long)def->round_lot);
  if (def->min_trade_vol < 0 || def->max_trade_vol < 0 || (def->max_trade_vol != 0 && def->max_trade_vol < def->min_trade_vol))
    return say("MinTradeVol %lld, MaxTradeVol %lld: not a range", (long long)def->min_trade_vol, (long long)def->max_trade_vol);
  if (def->min_notional < 0 || def->max_notional < 0 || (def->max_notional != 0 && def->max_notional < def->min_notional))
    return say("MinNotional %lld, MaxNotional %lld: not a range", (long long)def->min_notional, (long long)def->max_notional);
  if (def->low_limit_price != WCX_I64_NULL && def->high_limit_price != WCX_I64_NULL && def->low_limit_price > def->high_limit_price)
    return say("LowLimitPrice %lld is above HighLimitPrice %lld", (long long)def->low_limit_price, (long long)def->high_limit_price);
  if (notional_scale(def) < -18 || notional_scale(def) > 18)
    return say("PriceExponent + QtyExponent - AmtExponent is %d, outside -18..18", notional_scale(def));
  if (def->tick_table_id != 0)
    return say("TickTableID %u: tick tables are not built yet", def->tick_table_id);
  return wcx_risk_instrument_error(engine, def);
}

static wcx_u128_t power_of_ten(int exponent)
{
  wcx_u128_t power = 1;
  while (exponent-- > 0)
    power *= 10;
  return power;
}

/* The largest price * qty whose notional, floor(product * 10^scale), is not above `limit`. */
static wcx_u128_t product_up_to(int64_t limit, int scale)
{
  if (scale >= 0)
    return (wcx_u128_t)limit / power_of_ten(scale);
  return ((wcx_u128_t)limit + 1) * power_of_ten(-scale) - 1;
}

static void set_rules(wcx_instrument_t *instrument)
{
  const wcx_security_definition_t *def = &instrument->definition;
  int scale = notional_scale(def);
  instrument->security_id = def->security_id;
  instrument->increment = wcx_divider((uint64_t)def->min_price_increment);
  instrument->lot = wcx_divider((uint64_t)def->round_lot);
  instrument->px_low = def->low_limit_price; /* null is the lowest int64: no limit */
  instrument->px_high = def->high_limit_price != WCX_I64_NULL ? def->high_limit_price : INT64_MAX;
  instrument->product_min = def->min_notional != 0 ? product_up_to(def->min_notional - 1, scale) + 1 : 0;
  instrument->product_max = def->max_notional != 0 ? product_up_to(def->max_notional, scale) : ~(wcx_u128_t)0;
  instrument->product_overflow = product_up_to(INT64_MAX, scale);
  bool unit = def->min_price_increment == 1 && def->round_lot == 1;
  instrument->flags = (uint16_t)((instrument->flags & ~WCX_INSTRUMENT_F_UNIT) | (unit ? WCX_INSTRUMENT_F_UNIT : 0));
  wcx_state_set_plain_terms(instrument);
}

static void define_instrument(wcx_engine_t *engine, const wcx_security_definition_t *def)
{
  uint32_t idx = wcx_idmap_find(&engine->instrument_map, def->security_id);
  if (idx == WCX_IDX_NONE)
  {
    idx = engine->instrument_cnt++;
    wcx_idmap_add(&engine->instrument_map, def->security_id, idx);
    engine->instruments[idx].security_id = def->security_id;
    wcx_digest_add(&engine->record_digest, wcx_instrument_px_hash(&engine->instruments[idx]));
  }
  wcx_instrument_t *instrument = &engine->instruments[idx];
  instrument->definition = *def;
  instrument->definition.transact_time = engine->stamp_ns;
  set_rules(instrument);
  wcx_risk_instrument_defined(engine, instrument);
  wcx_auction_defined(engine, instrument);
  wcx_state_renew_instrument(engine, instrument);
  wcx_security_definition_t *md = wcx_note_feed(engine, WCX_TEMPLATE_SECURITY_DEFINITION, sizeof(*md));
  *md = instrument->definition;
}

static const char *status_error(const wcx_engine_t *engine, const wcx_security_status_t *status)
{
  if (wcx_idmap_find(&engine->instrument_map, status->security_id) == WCX_IDX_NONE)
    return say("SecurityID %u is unknown", status->security_id);
  return wcx_auction_status_error(engine, status);
}

/* --- accounts and sessions ------------------------------------------------------------------------------------------------------------ */

static const char *account_error(const wcx_engine_t *engine, const wcx_account_definition_t *def)
{
  uint32_t idx = wcx_idmap_find(&engine->account_map, def->account);
  if (def->account == 0 || def->account == WCX_U32_NULL)
    return say("Account %u is not a valid id", def->account);
  if (def->credit != WCX_CREDIT_UNLIMITED && def->credit != WCX_CREDIT_CHECKED)
    return say("Account %u: Credit %u is unknown", def->account, def->credit);
  if (def->status < WCX_ACCOUNT_STATUS_ACTIVE || def->status > WCX_ACCOUNT_STATUS_SUSPENDED)
    return say("Account %u: Status %u is unknown", def->account, def->status);
  if (idx != WCX_IDX_NONE && engine->accounts[idx].used && engine->accounts[idx].definition.credit != def->credit)
    return say("Account %u has had orders: its Credit is final", def->account);
  if (idx != WCX_IDX_NONE && engine->accounts[idx].used && engine->accounts[idx].definition.firm != def->firm)
    return say("Account %u has had orders: its Firm is final", def->account);
  if (idx == WCX_IDX_NONE && engine->account_cnt >= engine->capacity.max_accounts)
    return say("Account %u: all %u accounts are defined", def->account, engine->capacity.max_accounts);
  return wcx_risk_account_error(engine, def);
}

static void define_account(wcx_engine_t *engine, const wcx_account_definition_t *def)
{
  uint32_t idx = wcx_idmap_find(&engine->account_map, def->account);
  if (idx == WCX_IDX_NONE)
  {
    idx = engine->account_cnt++;
    wcx_idmap_add(&engine->account_map, def->account, idx);
    engine->accounts[idx] = (wcx_account_t){.max_open_orders = UINT32_MAX, .max_order_qty = INT64_MAX};
  }
  engine->accounts[idx].definition = *def;
  wcx_risk_account_defined(engine, &engine->accounts[idx]);
}

static const char *session_error(const wcx_engine_t *engine, const wcx_session_definition_t *def)
{
  uint32_t idx = wcx_idmap_find(&engine->session_map, def->session_id);
  if (def->session_id == 0 || def->session_id > 999999999u)
    return say("SessionID %u is outside 1..999999999", def->session_id);
  if (idx != WCX_IDX_NONE && (engine->sessions[idx].next_server_seq != 1 || engine->sessions[idx].next_client_seq != 1))
    return say("SessionID %u has been used: its definition is final", def->session_id);
  if (idx == WCX_IDX_NONE && engine->session_cnt >= engine->capacity.max_sessions)
    return say("SessionID %u: all %u sessions are defined", def->session_id, engine->capacity.max_sessions);
  return NULL;
}

static void define_session(wcx_engine_t *engine, const wcx_session_definition_t *def)
{
  uint32_t idx = wcx_idmap_find(&engine->session_map, def->session_id);
  if (idx == WCX_IDX_NONE)
  {
    idx = engine->session_cnt++;
    wcx_idmap_add(&engine->session_map, def->session_id, idx);
    engine->sessions[idx] = (wcx_session_t){.session_id = def->session_id, .next_client_seq = 1, .next_server_seq = 1};
  }
  engine->sessions[idx].account = def->account;
  wcx_session_touch(engine, &engine->sessions[idx]);
}

/* --- capacity and day ----------------------------------------------------------------------------------------------------------------- */

static const char *capacity_field_error(const char *name, uint32_t value, uint32_t used, uint32_t memory)
{
  if (value == 0 || value < used)
    return say("%s %u is below the %u in use", name, value, used > 0 ? used : 1);
  if (value > memory)
    return say("%s %u is above the %u this process has memory for", name, value, memory);
  return NULL;
}

static const char *capacity_error(const wcx_engine_t *engine, const wcx_capacity_t *capacity)
{
  const wcx_engine_limits_t *memory = &engine->limits;
  const char *error = capacity_field_error("MaxOrders", capacity->max_orders, engine->pool.live, memory->orders_max);
  if (error == NULL)
    error = capacity_field_error("MaxLevels", capacity->max_levels, engine->ladders.level_live - engine->stop_level_cnt, memory->levels_max);
  if (error == NULL)
    error = capacity_field_error("MaxInstruments", capacity->max_instruments, engine->instrument_cnt, memory->instruments_max);
  if (error == NULL)
    error = capacity_field_error("MaxAccounts", capacity->max_accounts, engine->account_cnt, memory->accounts_max);
  if (error == NULL)
    error = capacity_field_error("MaxSessions", capacity->max_sessions, engine->session_cnt, memory->sessions_max);
  return error != NULL ? error : wcx_risk_capacity_error(engine, capacity);
}

static const char *day_error(const wcx_engine_t *engine, const wcx_day_roll_t *day)
{
  uint32_t month = day->trade_date / 100 % 100;
  uint32_t date = day->trade_date % 100;
  if (day->trade_date < 20000101 || day->trade_date > 20991231 || month < 1 || month > 12 || date < 1 || date > 31)
    return say("TradeDate %u is not a date YYYYMMDD", day->trade_date);
  if (day->trade_date <= engine->trade_date)
    return say("TradeDate %u is not after %u", day->trade_date, engine->trade_date);
  return NULL;
}

/* --- the two doors -------------------------------------------------------------------------------------------------------------------- */

const char *wcx_engine_definition_error(const wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body)
{
  switch (hdr->template_id)
  {
  case WCX_TEMPLATE_SECURITY_DEFINITION:
  {
    READ(wcx_security_definition_t, def, body);
    return instrument_error(engine, &def);
  }
  case WCX_TEMPLATE_SECURITY_STATUS:
  {
    READ(wcx_security_status_t, status, body);
    return status_error(engine, &status);
  }
  case WCX_TEMPLATE_ACCOUNT_DEFINITION:
  {
    READ(wcx_account_definition_t, def, body);
    return account_error(engine, &def);
  }
  case WCX_TEMPLATE_SESSION_DEFINITION:
  {
    READ(wcx_session_definition_t, def, body);
    return session_error(engine, &def);
  }
  case WCX_TEMPLATE_CAPACITY:
  {
    READ(wcx_capacity_t, capacity, body);
    return capacity_error(engine, &capacity);
  }
  case WCX_TEMPLATE_DAY_ROLL:
  {
    READ(wcx_day_roll_t, day, body);
    return day_error(engine, &day);
  }
  case WCX_TEMPLATE_PRICE_BAND:
  {
    READ(wcx_price_band_t, band, body);
    return wcx_auction_band_error(engine, &band);
  }
  case WCX_TEMPLATE_VOLATILITY_RULE:
  {
    READ(wcx_volatility_rule_t, rule, body);
    return wcx_auction_rule_error(engine, &rule);
  }
  case WCX_TEMPLATE_TRADE_BREAK_COMMAND:
  {
    READ(wcx_trade_break_command_t, command, body);
    return wcx_trade_break_error(engine, &command);
  }
  case WCX_TEMPLATE_ASSET_DEFINITION:
  {
    READ(wcx_asset_definition_t, def, body);
    return wcx_asset_error(engine, &def);
  }
  case WCX_TEMPLATE_BALANCE_ADJUSTMENT:
  {
    READ(wcx_balance_adjustment_t, adjustment, body);
    return wcx_adjustment_error(engine, &adjustment);
  }
  case WCX_TEMPLATE_LIMIT_UPDATE:
  {
    READ(wcx_limit_update_t, update, body);
    return wcx_limit_error(engine, &update);
  }
  case WCX_TEMPLATE_FEE_TIER_DEFINITION:
  {
    READ(wcx_fee_tier_definition_t, def, body);
    return wcx_fee_tier_error(&def);
  }
  case WCX_TEMPLATE_KILL_SWITCH:
  {
    READ(wcx_kill_switch_t, kill, body);
    return wcx_kill_switch_error(engine, &kill);
  }
  default:
    return say("template %u is not a definition, or is not built yet", hdr->template_id);
  }
}

void wcx_define(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body)
{
  const wcx_sbe_msg_t *msg = message_of(hdr->template_id);
  WCX_CHECK(msg != NULL && hdr->body_sz >= msg->block_length, "seq %llu template %u: body of %u bytes", (unsigned long long)hdr->seq, hdr->template_id, hdr->body_sz);
  const char *error = wcx_engine_definition_error(engine, hdr, body);
  WCX_CHECK(error == NULL, "seq %llu template %u: %s", (unsigned long long)hdr->seq, hdr->template_id, error);
  switch (hdr->template_id)
  {
  case WCX_TEMPLATE_SECURITY_DEFINITION:
  {
    READ(wcx_security_definition_t, def, body);
    define_instrument(engine, &def);
    break;
  }
  case WCX_TEMPLATE_SECURITY_STATUS:
  {
    READ(wcx_security_status_t, status, body);
    wcx_auction_set_status(engine, &status);
    break;
  }
  case WCX_TEMPLATE_PRICE_BAND:
  {
    READ(wcx_price_band_t, band, body);
    wcx_auction_set_band(engine, &band);
    break;
  }
  case WCX_TEMPLATE_VOLATILITY_RULE:
  {
    READ(wcx_volatility_rule_t, rule, body);
    wcx_auction_set_rule(engine, &rule);
    break;
  }
  case WCX_TEMPLATE_TRADE_BREAK_COMMAND:
  {
    READ(wcx_trade_break_command_t, command, body);
    wcx_trade_break(engine, &command);
    break;
  }
  case WCX_TEMPLATE_ACCOUNT_DEFINITION:
  {
    READ(wcx_account_definition_t, def, body);
    define_account(engine, &def);
    break;
  }
  case WCX_TEMPLATE_SESSION_DEFINITION:
  {
    READ(wcx_session_definition_t, def, body);
    define_session(engine, &def);
    break;
  }
  case WCX_TEMPLATE_CAPACITY:
  {
    READ(wcx_capacity_t, capacity, body);
    engine->capacity = capacity;
    engine->capacity_journaled = 1;
    break;
  }
  case WCX_TEMPLATE_ASSET_DEFINITION:
  {
    READ(wcx_asset_definition_t, def, body);
    wcx_asset_define(engine, &def);
    break;
  }
  case WCX_TEMPLATE_BALANCE_ADJUSTMENT:
  {
    READ(wcx_balance_adjustment_t, adjustment, body);
    wcx_adjust(engine, &adjustment);
    break;
  }
  case WCX_TEMPLATE_LIMIT_UPDATE:
  {
    READ(wcx_limit_update_t, update, body);
    wcx_limit_update(engine, &update);
    break;
  }
  case WCX_TEMPLATE_FEE_TIER_DEFINITION:
  {
    READ(wcx_fee_tier_definition_t, def, body);
    wcx_fee_tier_define(engine, &def);
    break;
  }
  default: /* DayRoll: the only one left that has no error */
  {
    READ(wcx_day_roll_t, day, body);
    engine->trade_date = day.trade_date;
    engine->feed_number = 1;
    break;
  }
  }
}

/* --- genesis against the state -------------------------------------------------------------------------------------------------------- */

/* The first field, other than times and status (which live on after genesis), whose bytes differ. */
static const char *first_difference(uint16_t template_id, uint32_t id, const void *wanted, const void *held)
{
  const wcx_sbe_msg_t *msg = message_of(template_id);
  for (uint32_t i = 0; i < msg->field_cnt; i++)
  {
    const wcx_sbe_field_t *field = &msg->fields[i];
    if (field->kind == WCX_SBE_PAD || field->tag == 60 || field->tag == 326)
      continue;
    if (memcmp((const uint8_t *)wanted + field->off, (const uint8_t *)held + field->off, field->sz) != 0)
      return say("%s %u: %s differs from the journal", msg->name, id, field->name);
  }
  return NULL;
}

const char *wcx_engine_genesis_differs(const wcx_engine_t *engine, uint16_t template_id, const void *body)
{
  switch (template_id)
  {
  case WCX_TEMPLATE_SECURITY_DEFINITION:
  {
    READ(wcx_security_definition_t, def, body);
    uint32_t idx = wcx_idmap_find(&engine->instrument_map, def.security_id);
    return idx == WCX_IDX_NONE ? say("SecurityID %u is not in the journal", def.security_id)
                               : first_difference(template_id, def.security_id, &def, &engine->instruments[idx].definition);
  }
  case WCX_TEMPLATE_ACCOUNT_DEFINITION:
  {
    READ(wcx_account_definition_t, def, body);
    uint32_t idx = wcx_idmap_find(&engine->account_map, def.account);
    return idx == WCX_IDX_NONE ? say("Account %u is not in the journal", def.account) : first_difference(template_id, def.account, &def, &engine->accounts[idx].definition);
  }
  case WCX_TEMPLATE_SESSION_DEFINITION:
  {
    READ(wcx_session_definition_t, def, body);
    uint32_t idx = wcx_idmap_find(&engine->session_map, def.session_id);
    if (idx == WCX_IDX_NONE)
      return say("SessionID %u is not in the journal", def.session_id);
    wcx_session_definition_t held = {.session_id = def.session_id, .account = engine->sessions[idx].account};
    return first_difference(template_id, def.session_id, &def, &held);
  }
  case WCX_TEMPLATE_CAPACITY:
  {
    READ(wcx_capacity_t, capacity, body);
    return engine->capacity_journaled ? first_difference(template_id, engine->limits.shard, &capacity, &engine->capacity) : "Capacity is not in the journal";
  }
  default:
    return NULL; /* the day and status commands are not genesis that can differ */
  }
}
