/* The world of a flow, and what operations do to it: definitions, statuses, bands, money, sign-on and sign-off, the clock. */
#include "tests/diff/flow_pick.h"

#include <string.h>

/* --- definitions ----------------------------------------------------------------------------------------------------------------------- */

/* 1 and 2 are quoted in USDT, 3 in BTC, the base of 1: an asset may be both. */
static wcx_security_definition_t an_instrument(const flow_profile_t *p, uint32_t security_id)
{
  wcx_security_definition_t d = {
      .security_id = security_id,
      /* an opening before the first trade: there is no reference price yet */
      .security_trading_status = p->weights.status > 10 ? WCX_SECURITY_TRADING_STATUS_OPENING_AUCTION : WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE,
      .min_price_increment = 1,
      .round_lot = 1,
      .low_limit_price = WCX_I64_NULL,
      .high_limit_price = WCX_I64_NULL,
      .market_segment_id = 1,
  };
  memcpy(d.symbol, security_id == 1 ? "BTC-USDT                " : security_id == 2 ? "ETH-USDT                " : "ETH-BTC                 ", 24);
  memcpy(d.base_asset, security_id == 1 ? "BTC     " : "ETH     ", 8);
  memcpy(d.quote_asset, security_id == 3 ? "BTC     " : "USDT    ", 8);
  if (p->exponents)
  {
    d.price_exponent = -2;
    d.qty_exponent = -3;
    d.amt_exponent = security_id == 3 ? -3 : -4;
    d.maker_fee_rate = security_id == 1 ? -333333 : 1500000;
    d.taker_fee_rate = security_id == 2 ? 2500001 : 1234567;
  }
  if (p->limits && security_id == 2)
  {
    d.min_price_increment = 5;
    d.round_lot = 10;
    d.min_trade_vol = 20;
    d.max_trade_vol = 10 * p->qty_max + 1000;
    d.low_limit_price = p->center_px - p->half_range_px + 3;
    d.high_limit_price = p->center_px + p->half_range_px - 3;
    if (!p->exponents)
    {
      d.min_notional = 25 * p->center_px;
      d.max_notional = 10 * p->qty_max * p->center_px;
    }
  }
  return d;
}

static wcx_account_definition_t an_account(const flow_profile_t *p, uint32_t account)
{
  return (wcx_account_definition_t){.account = account,
                                    .self_match_prevention_id = account == 3 ? 2 : 0,
                                    .credit = account <= p->checked ? WCX_CREDIT_CHECKED : WCX_CREDIT_UNLIMITED,
                                    .status = WCX_ACCOUNT_STATUS_ACTIVE,
                                    .kyc_tier = (uint8_t)(account % 3),
                                    .fee_tier = (uint8_t)(p->exponents ? account % 4 : 0)};
}

/* Sessions 1..8 for accounts of their own, but 4 shares account 1 and 6 shares account 2; 9 for every account. */
static wcx_session_definition_t a_session(uint32_t session_id)
{
  wcx_session_definition_t d = {.session_id = session_id, .account = session_id};
  if (session_id == 4)
    d.account = 1;
  if (session_id == 6)
    d.account = 2;
  if (session_id == FLOW_SESSIONS)
    d.account = WCX_U32_NULL;
  return d;
}

static void grant(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body, uint32_t account, const char *asset, int64_t amount)
{
  wcx_balance_adjustment_t r = {.amount = amount, .reference = ++flow->reference[account], .account = account};
  memcpy(r.asset, asset, 8);
  flow_internal(flow, hdr, WCX_TEMPLATE_BALANCE_ADJUSTMENT, 0, account);
  flow_body(hdr, body, &r, sizeof(r));
}

#define ASSET_NAMES "BTC     ETH     USDT    "

bool flow_make_set_up(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  const flow_profile_t *p = flow->profile;
  if (flow->set_up_done)
    return false;
  uint32_t step = flow->set_up++;
  if (step == 0)
  {
    wcx_capacity_t d = {
        .max_orders = p->levels_max != 0 ? 115 : 500, .max_instruments = 4, .max_accounts = 12, .max_sessions = 10, .max_levels = p->levels_max != 0 ? p->levels_max : 400};
    flow_internal(flow, hdr, WCX_TEMPLATE_CAPACITY, 0, 0);
    flow_body(hdr, body, &d, sizeof(d));
    return true;
  }
  step--;
  if (step < FLOW_INSTRUMENTS)
  {
    wcx_security_definition_t d = an_instrument(p, step + 1);
    flow_internal(flow, hdr, WCX_TEMPLATE_SECURITY_DEFINITION, 0, 0);
    flow_body(hdr, body, &d, sizeof(d));
    return true;
  }
  step -= FLOW_INSTRUMENTS;
  if (step < FLOW_ACCOUNTS)
  {
    wcx_account_definition_t d = an_account(p, step + 1);
    flow_internal(flow, hdr, WCX_TEMPLATE_ACCOUNT_DEFINITION, 0, d.account);
    flow_body(hdr, body, &d, sizeof(d));
    return true;
  }
  step -= FLOW_ACCOUNTS;
  if (step < FLOW_SESSIONS)
  {
    wcx_session_definition_t d = a_session(step + 1);
    flow_internal(flow, hdr, WCX_TEMPLATE_SESSION_DEFINITION, 0, 0);
    flow_body(hdr, body, &d, sizeof(d));
    return true;
  }
  step -= FLOW_SESSIONS;
  if (step == 0 && p->mismatch)
  {
    wcx_asset_definition_t d = {.asset = {'E', 'T', 'H', ' ', ' ', ' ', ' ', ' '}, .exponent = -2};
    flow_internal(flow, hdr, WCX_TEMPLATE_ASSET_DEFINITION, 0, 0);
    flow_body(hdr, body, &d, sizeof(d));
    return true;
  }
  step -= step > 0 && p->mismatch ? 1 : 0;
  if (step < 3u * p->checked)
  {
    bool quote = step % 3 == 2;
    grant(flow, hdr, body, 1 + step / 3, &ASSET_NAMES[8 * (step % 3)], quote ? 8 * p->center_px * p->qty_max / 10 : 6 * p->qty_max);
    return true;
  }
  step -= 3u * p->checked;
  if (step < FLOW_INSTRUMENTS && p->weights.rule != 0)
  {
    wcx_volatility_rule_t d = {.dynamic_range = 5000000 * (step + 1), .pause_nanos = step == 1 ? 0 : 20000, .auction_nanos = 30000, .security_id = step + 1};
    flow_internal(flow, hdr, WCX_TEMPLATE_VOLATILITY_RULE, 0, 0);
    flow_body(hdr, body, &d, sizeof(d));
    return true;
  }
  flow->set_up_done = true;
  return false;
}

void flow_make_redefinition(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  if (flow_one_in(flow, 2))
  {
    wcx_security_definition_t d = an_instrument(flow->profile, 1 + (uint32_t)flow_below(flow, FLOW_INSTRUMENTS));
    flow_internal(flow, hdr, WCX_TEMPLATE_SECURITY_DEFINITION, 0, 0);
    flow_body(hdr, body, &d, sizeof(d));
    return;
  }
  wcx_session_definition_t d = a_session(1 + (uint32_t)flow_below(flow, FLOW_SESSIONS));
  flow_internal(flow, hdr, WCX_TEMPLATE_SESSION_DEFINITION, 0, 0);
  flow_body(hdr, body, &d, sizeof(d));
}

void flow_make_account(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  wcx_account_definition_t d = an_account(flow->profile, 1 + (uint32_t)flow_below(flow, FLOW_ACCOUNTS));
  if (flow_one_in(flow, 4))
    d.status = (uint8_t)(1 + flow_below(flow, 3));
  if (flow_one_in(flow, 4))
    d.kyc_tier = (uint8_t)flow_below(flow, 4);
  if (flow_one_in(flow, 4))
    d.fee_tier = (uint8_t)flow_below(flow, 6);
  if (flow_one_in(flow, 4))
    d.self_match_prevention_id = (uint32_t)flow_below(flow, 4);
  flow_internal(flow, hdr, WCX_TEMPLATE_ACCOUNT_DEFINITION, 0, d.account);
  flow_body(hdr, body, &d, sizeof(d));
}

/* What a session may trade and enter, or the group of an instrument; few groups, so that they meet, the lowest and the highest among them. */
void flow_make_entitlement(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  static const uint8_t groups[] = {0, 1, 5, 63};
  if (flow_one_in(flow, 4))
  {
    wcx_instrument_group_t r = {.security_id = 1 + (uint32_t)flow_below(flow, FLOW_INSTRUMENTS), .group = groups[flow_below(flow, sizeof(groups))]};
    if (flow_one_in(flow, 20))
      r.group = (uint8_t)(64 + flow_below(flow, 192));
    if (flow_one_in(flow, 30))
      r.security_id = 4 + (uint32_t)flow_below(flow, 3);
    flow_internal(flow, hdr, WCX_TEMPLATE_INSTRUMENT_GROUP, 0, 0);
    flow_body(hdr, body, &r, sizeof(r));
    return;
  }
  wcx_session_entitlement_t r = {.session_id = 1 + (uint32_t)flow_below(flow, FLOW_SESSIONS)};
  for (uint32_t i = 0; i < sizeof(groups) && !flow_one_in(flow, 4); i++)
    r.instrument_groups |= flow_one_in(flow, 2) ? UINT64_C(1) << groups[i] : 0;
  if (flow_one_in(flow, 2))
    r.ord_types = (uint16_t)(flow_below(flow, 128) & 0x7e);
  if (r.ord_types != 0 && !flow_one_in(flow, 4))
    r.ord_types |= 1u << WCX_ORD_TYPE_LIMIT;
  if (flow_one_in(flow, 20))
    r.ord_types = (uint16_t)(r.ord_types | (flow_one_in(flow, 2) ? 1u : 1u << (7 + flow_below(flow, 9))));
  if (flow_one_in(flow, 30))
    r.session_id = FLOW_SESSIONS + 1 + (uint32_t)flow_below(flow, 3);
  flow_internal(flow, hdr, WCX_TEMPLATE_SESSION_ENTITLEMENT, 0, 0);
  flow_body(hdr, body, &r, sizeof(r));
}

/* --- status, bands, volatility --------------------------------------------------------------------------------------------------------- */

static uint8_t some_status(flow_t *flow, uint8_t now)
{
  static const uint8_t all[] = {
      WCX_SECURITY_TRADING_STATUS_TRADING_HALT,
      WCX_SECURITY_TRADING_STATUS_NOT_AVAILABLE_FOR_TRADING,
      WCX_SECURITY_TRADING_STATUS_PRE_OPEN,
      WCX_SECURITY_TRADING_STATUS_OPENING_AUCTION,
      WCX_SECURITY_TRADING_STATUS_POST_CLOSE,
      WCX_SECURITY_TRADING_STATUS_VOLATILITY_AUCTION,
      WCX_SECURITY_TRADING_STATUS_CANCEL_ONLY,
      WCX_SECURITY_TRADING_STATUS_POST_ONLY_MODE,
      WCX_SECURITY_TRADING_STATUS_PAUSED,
      WCX_SECURITY_TRADING_STATUS_CLOSING_AUCTION,
      WCX_SECURITY_TRADING_STATUS_OPENING_AUCTION,
      WCX_SECURITY_TRADING_STATUS_CLOSING_AUCTION,
      WCX_SECURITY_TRADING_STATUS_VOLATILITY_AUCTION,
      WCX_SECURITY_TRADING_STATUS_POST_ONLY_MODE,
  };
  bool continuous = now == WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE;
  if (!continuous && !flow_one_in(flow, 3))
    return WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE;
  if (flow->profile->weights.status <= 2)
    return flow_one_in(flow, 2) ? WCX_SECURITY_TRADING_STATUS_TRADING_HALT : WCX_SECURITY_TRADING_STATUS_CANCEL_ONLY;
  return flow_one_in(flow, 20) ? WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE : all[flow_below(flow, sizeof(all))];
}

void flow_make_status(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  uint32_t security_id = 1 + (uint32_t)flow_below(flow, FLOW_INSTRUMENTS);
  for (uint32_t i = 1; i <= FLOW_INSTRUMENTS; i++)
    if (ref_status(flow->ref, i) != WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE && flow_one_in(flow, 2))
      security_id = i;
  wcx_security_status_t r = {.expected_resume = WCX_U64_NULL,
                             .security_id = security_id,
                             .security_trading_status = some_status(flow, ref_status(flow->ref, security_id)),
                             .halt_reason = (uint8_t)flow_below(flow, 6)};
  if (flow->profile->weights.status > 2 && flow_one_in(flow, 2))
    r.expected_resume = flow->stamp_ns - 2 + flow_below(flow, flow_one_in(flow, 5) ? 5 : 20000);
  flow_internal(flow, hdr, WCX_TEMPLATE_SECURITY_STATUS, 0, 0);
  flow_body(hdr, body, &r, sizeof(r));
}

void flow_make_band(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  const flow_profile_t *p = flow->profile;
  uint64_t half = (uint64_t)p->half_range_px;
  wcx_price_band_t r = {
      .low_limit_price = p->center_px - p->half_range_px + (int64_t)flow_below(flow, half / 2),
      .high_limit_price = p->center_px + p->half_range_px - (int64_t)flow_below(flow, half / 2),
      .reference_price = flow_one_in(flow, 2) ? p->center_px - 2 + (int64_t)flow_below(flow, 5) : WCX_I64_NULL,
      .security_id = 1 + (uint32_t)flow_below(flow, FLOW_INSTRUMENTS),
  };
  if (flow_one_in(flow, 3))
    r.low_limit_price = WCX_I64_NULL;
  if (flow_one_in(flow, 3))
    r.high_limit_price = WCX_I64_NULL;
  flow_internal(flow, hdr, WCX_TEMPLATE_PRICE_BAND, 0, 0);
  flow_body(hdr, body, &r, sizeof(r));
}

void flow_make_rule(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  wcx_volatility_rule_t r = {
      .dynamic_range = flow_one_in(flow, 5) ? 0 : 1000000 * (1 + flow_below(flow, 15)),
      .pause_nanos = flow_one_in(flow, 3) ? 0 : 1 + flow_below(flow, 20000),
      .auction_nanos = 1 + flow_below(flow, 20000),
      .security_id = 1 + (uint32_t)flow_below(flow, FLOW_INSTRUMENTS),
  };
  flow_internal(flow, hdr, WCX_TEMPLATE_VOLATILITY_RULE, 0, 0);
  flow_body(hdr, body, &r, sizeof(r));
}

/* --- money ----------------------------------------------------------------------------------------------------------------------------- */

void flow_make_balance(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  const flow_profile_t *p = flow->profile;
  uint32_t account = 1 + (uint32_t)flow_below(flow, flow_one_in(flow, 50) ? 12 : p->checked + 1u) % 12u;
  uint64_t asset = flow_below(flow, 3);
  int64_t unit = asset == 2 ? 4 * p->center_px * p->qty_max / 10 : 2 * p->qty_max;
  int64_t amount = (int64_t)flow_below(flow, (uint64_t)(2 * unit)) - (flow_one_in(flow, 8) ? 0 : unit);
  wcx_balance_adjustment_t r = {.amount = amount, .account = account};
  memcpy(r.asset, flow_one_in(flow, 100) ? "DOGE    " : ASSET_NAMES + 8 * asset, 8);
  uint64_t *reference = &flow->reference[account <= FLOW_ACCOUNTS ? account : 0];
  *reference += flow_one_in(flow, 10) ? 1 + flow_below(flow, 70) : 1;
  r.reference = flow_one_in(flow, 8) ? *reference - flow_below(flow, *reference < 90 ? *reference + 1 : 90) : *reference;
  if (flow_one_in(flow, 100))
    r.amount = INT64_MAX - (int64_t)flow_below(flow, 2);
  flow_internal(flow, hdr, WCX_TEMPLATE_BALANCE_ADJUSTMENT, 0, account);
  flow_body(hdr, body, &r, sizeof(r));
}

static int64_t some_limit(flow_t *flow, int64_t scale)
{
  return flow_one_in(flow, 2) ? WCX_I64_NULL : (int64_t)flow_below(flow, (uint64_t)scale);
}

void flow_make_limit(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  const flow_profile_t *p = flow->profile;
  bool tier = flow_one_in(flow, 3);
  int64_t notional = p->exponents ? p->center_px * p->qty_max / 10 : p->center_px * p->qty_max;
  wcx_limit_update_t r = {
      .max_order_qty = tier ? WCX_I64_NULL : some_limit(flow, 4 * p->qty_max),
      .max_order_notional = some_limit(flow, 4 * notional),
      .max_open_notional = some_limit(flow, 20 * notional),
      .max_position = tier ? WCX_I64_NULL : some_limit(flow, 50 * p->qty_max),
      .max_open_orders = tier || flow_one_in(flow, 2) ? WCX_U32_NULL : (uint32_t)flow_below(flow, 12),
      .account = tier ? 0 : 1 + (uint32_t)flow_below(flow, FLOW_ACCOUNTS),
      .kyc_tier = (uint8_t)(tier ? 1 + flow_below(flow, 3) : 0),
  };
  memcpy(r.asset, !tier && flow_one_in(flow, 6) ? "        " : ASSET_NAMES + 8 * flow_below(flow, 3), 8);
  if (r.asset[0] == ' ')
  {
    r.max_order_notional = WCX_I64_NULL;
    r.max_open_notional = WCX_I64_NULL;
    r.max_position = WCX_I64_NULL;
  }
  flow_internal(flow, hdr, WCX_TEMPLATE_LIMIT_UPDATE, 0, r.account);
  flow_body(hdr, body, &r, sizeof(r));
}

void flow_make_fee_tier(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  wcx_fee_tier_definition_t r = {
      .maker_share = (uint32_t)flow_below(flow, 1000001), .taker_share = (uint32_t)flow_below(flow, 1000001), .fee_tier = (uint8_t)(1 + flow_below(flow, 4))};
  flow_internal(flow, hdr, WCX_TEMPLATE_FEE_TIER_DEFINITION, 0, 0);
  flow_body(hdr, body, &r, sizeof(r));
}

void flow_make_trade_break(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  if (flow->trade_cnt == 0)
  {
    flow_make_tick(flow, hdr, body);
    return;
  }
  const flow_trade_t *trade = &flow->trades[flow_below(flow, flow->trade_cnt < FLOW_TRADES ? flow->trade_cnt : FLOW_TRADES)];
  wcx_trade_break_command_t r = {
      .trd_match_id = trade->buy.trd_match_id,
      .last_px = trade->buy.last_px,
      .last_qty = trade->buy.last_qty,
      .buy_order_id = trade->buy.order_id,
      .sell_order_id = trade->sell.order_id,
      .buy_cl_ord_id = trade->buy.cl_ord_id,
      .sell_cl_ord_id = trade->sell.cl_ord_id,
      .buy_exec_id = trade->buy.exec_id,
      .sell_exec_id = trade->sell.exec_id,
      .buy_commission = trade->buy.commission,
      .sell_commission = trade->sell.commission,
      .security_id = trade->buy.security_id,
      .buy_account = trade->buy.account,
      .sell_account = trade->sell.account,
      .buy_session_id = trade->buy.session_id,
      .sell_session_id = trade->sell.session_id,
      .reason = (uint8_t)(1 + flow_below(flow, 4)),
  };
  if (flow_one_in(flow, 20))
    r.trd_match_id = flow_one_in(flow, 2) ? 0 : ref_last_match_id(flow->ref) + flow_below(flow, 3);
  if (flow_one_in(flow, 40))
    r.last_qty = 0;
  if (flow_one_in(flow, 40))
    r.sell_account = 99;
  flow_internal(flow, hdr, WCX_TEMPLATE_TRADE_BREAK_COMMAND, 0, 0);
  flow_body(hdr, body, &r, sizeof(r));
}

/* --- sessions and the clock ------------------------------------------------------------------------------------------------------------ */

static void open_session(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body, uint32_t session_id)
{
  flow->uuid[session_id] += 1 + flow_below(flow, 5);
  wcx_session_opened_t r = {
      .uuid = flow->uuid[session_id],
      .request_timestamp = flow->stamp_ns - flow_below(flow, 100),
      .keep_alive_interval = 1000,
      .cod_timeout_window = 1 + (uint32_t)flow_below(flow, 5),
      .flags = (uint16_t)flow_below(flow, 2),
      .peer_ip = 0x0a4d0001,
      .peer_port = 4000,
      .server_port = 7002,
      .transport = (uint8_t)(1 + flow_below(flow, 2)),
      .durability_level = (uint8_t)flow_below(flow, 4),
      .next_server_seq_no = flow_below(flow, 3),
  };
  memcpy(r.mold_session, "abcdefghij", 10);
  flow->bound[session_id][r.transport] = r.uuid;
  flow_internal(flow, hdr, WCX_TEMPLATE_SESSION_OPENED, session_id, 0);
  flow_body(hdr, body, &r, sizeof(r));
}

/* A binding that is open, or, now and then, one that is not. */
static void close_session(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body, uint32_t session_id)
{
  uint8_t transport = flow->bound[session_id][1] != 0 ? 1 : 2;
  if (flow_one_in(flow, 20) || (flow->bound[session_id][2] != 0 && flow_one_in(flow, 2)))
    transport = (uint8_t)(3 - transport);
  uint64_t uuid = flow->bound[session_id][transport];
  flow->bound[session_id][transport] = 0;
  wcx_session_closed_t r = {
      .uuid = uuid != 0 ? uuid : flow->uuid[session_id],
      .reason = (uint8_t)(1 + flow_below(flow, 7)),
      .transport = transport,
      .cancel_orders = (uint8_t)flow_below(flow, 3),
      .terminate = flow_one_in(flow, 2),
      .terminate_code = (uint8_t)flow_below(flow, 8),
  };
  flow_internal(flow, hdr, WCX_TEMPLATE_SESSION_CLOSED, session_id, 0);
  flow_body(hdr, body, &r, sizeof(r));
}

void flow_make_session(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  uint32_t session_id = 1 + (uint32_t)flow_below(flow, FLOW_SESSIONS);
  wcx_session_view_t view;
  bool open = ref_session(flow->ref, session_id, &view) && view.open;
  uint64_t roll = flow_below(flow, 20);
  if (roll < 2)
  {
    wcx_session_refused_t r = {.uuid = flow->uuid[session_id],
                               .request_timestamp = flow->stamp_ns,
                               .code = (uint8_t)(1 + flow_below(flow, 8)),
                               .transport = (uint8_t)(1 + flow_below(flow, 2)),
                               .peer_tag = (uint32_t)flow_below(flow, 3)};
    flow_internal(flow, hdr, WCX_TEMPLATE_SESSION_REFUSED, session_id, 0);
    flow_body(hdr, body, &r, sizeof(r));
  }
  else if (open ? roll < 4 : roll < 19 || flow->uuid[session_id] == 0)
    open_session(flow, hdr, body, session_id);
  else
    close_session(flow, hdr, body, session_id);
}

void flow_make_tick(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  wcx_tick_t r = {.transact_time = flow->stamp_ns};
  flow_internal(flow, hdr, WCX_TEMPLATE_TICK, 0, 0);
  flow_body(hdr, body, &r, sizeof(r));
}

void flow_make_day_roll(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  flow->trade_date = flow->trade_date == 0 ? 20260101 : flow->trade_date + 1;
  if (flow->trade_date % 100 > 28)
    flow->trade_date += 100 - 28;
  if (flow->trade_date / 100 % 100 > 12)
    flow->trade_date += 10000 - 1200;
  wcx_day_roll_t r = {.trade_date = flow->trade_date};
  flow_internal(flow, hdr, WCX_TEMPLATE_DAY_ROLL, 0, 0);
  flow_body(hdr, body, &r, sizeof(r));
}
