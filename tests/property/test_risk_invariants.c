/* Random commands of accounts with scarce balances, with limits, and with neither, against a slow model of RULES.md sections 5 and 10 that adds up orders and fills from reports:
   - every verdict on a new order or a replace that comes to balances and limits is the model's, with its LimitValue;
   - after every input each balance is what the model says: what came in by adjustments and fills, less what is held for the open orders;
   - commissions and fee sums are the model's; the engine's own checks hold (wcx_engine_verify: held, counts, conservation, digests);
   - an engine with other sizes of memory and another hash key ends in the same digests. */
#include "tests/unit/engine_fixture.h"

#include "engine/reject.h"
#include "engine/risk.h"

#define COMMAND_CNT 60000
#define INSTRUMENT_CNT 4
#define ACCOUNT_CNT 8
#define CHECKED_CNT 5 /* accounts 1..5 */
#define OPEN_MAX 400
#define NONE WCX_I64_NULL

static uint64_t rng;

static uint64_t any(uint64_t below)
{
  rng ^= rng << 13;
  rng ^= rng >> 7;
  rng ^= rng << 17;
  return (rng * UINT64_C(0x2545F4914F6CDD1D) >> 20) % below;
}

/* --- the world: what the model knows by heart --------------------------------------------------------------------------------------------- */

enum
{
  BTC,
  USDT,
  ETH,
  USD,
  ASSET_CNT
};
static const char asset_name[ASSET_CNT][8] = {"BTC", "USDT", "ETH", "USD"};

typedef struct terms
{
  uint8_t base, quote;
  int8_t px_exponent, qty_exponent, amt_exponent;
  int scale;      /* of a notional */
  int base_scale; /* of a base amount */
  int64_t maker_rate, taker_rate;
  int64_t high;
  int64_t mid;
} terms_t;

static const terms_t terms_of[INSTRUMENT_CNT + 1] = {
    {0},
    {BTC, USDT, 0, 0, 0, 0, 0, 0, 0, NONE, 100},
    {ETH, USD, -2, -3, -2, -3, 1, -2500000, 7500000, 10400, 10000}, /* ETH has exponent -4 */
    {BTC, USD, 0, 0, -2, 2, 0, 1000000, 2000003, 130, 100},
    {ETH, USDT, 0, -5, 0, -5, -1, 0, 333333, NONE, 7000000}, /* its quantities are finer than ETH: not for checked accounts */
};

typedef struct limits
{
  int64_t max_order_notional, max_open_notional, max_position;
} limits_t;

typedef struct open_order
{
  uint64_t order_id, cl_ord_id;
  uint32_t account, security;
  uint8_t side;
  bool market_to_limit;
  int64_t px; /* held at; 0: nothing bounds it */
  int64_t stop_px;
  int64_t order_qty, leaves, last_px;
} open_order_t;

typedef struct model
{
  open_order_t open[OPEN_MAX];
  uint32_t open_cnt;
  wcx_i128_t total[ACCOUNT_CNT + 1][ASSET_CNT]; /* available + held */
  wcx_i128_t fees[ASSET_CNT];
  uint64_t reference[ACCOUNT_CNT + 1];
  uint8_t kyc_tier[ACCOUNT_CNT + 1], fee_tier[ACCOUNT_CNT + 1];
  int64_t max_order_qty[ACCOUNT_CNT + 1];
  uint32_t max_open_orders[ACCOUNT_CNT + 1];
  limits_t limits[ACCOUNT_CNT + 1][ASSET_CNT];
  limits_t tier[8][ASSET_CNT];
  uint32_t maker_share[4], taker_share[4];
  uint32_t rejects[200], fills, breaks, negative;
} model_t;

static model_t m;
static world_t one, two;

/* --- arithmetic, the slow way ------------------------------------------------------------------------------------------------------------- */

static wcx_i128_t ceil_div(wcx_i128_t a, wcx_i128_t b)
{
  return a / b + (a % b > 0);
}

static wcx_i128_t shifted(wcx_i128_t value, int scale, bool up)
{
  wcx_i128_t power = 1;
  for (int i = 0; i < (scale < 0 ? -scale : scale); i++)
    power *= 10;
  return scale >= 0 ? value * power : up ? ceil_div(value, power) : value / power;
}

static wcx_i128_t notional_of(uint32_t security, int64_t px, int64_t qty, bool up)
{
  return shifted((wcx_i128_t)px * qty, terms_of[security].scale, up);
}

static wcx_i128_t base_of(uint32_t security, int64_t qty)
{
  return shifted(qty, terms_of[security].base_scale, true);
}

static wcx_i128_t held_of(uint32_t security, uint8_t side, int64_t px, int64_t leaves)
{
  const terms_t *t = &terms_of[security];
  if (side == SELL)
    return base_of(security, leaves);
  int64_t rate = t->maker_rate > t->taker_rate ? t->maker_rate : t->taker_rate;
  wcx_i128_t notional = notional_of(security, px, leaves, true);
  return notional + (rate > 0 ? ceil_div(notional * rate, 1000000000) : 0);
}

static wcx_i128_t commission_of(uint32_t account, uint32_t security, bool taker, wcx_i128_t notional)
{
  uint8_t tier = m.fee_tier[account];
  int64_t rate = taker ? terms_of[security].taker_rate : terms_of[security].maker_rate;
  rate = rate * (int64_t)(taker ? m.taker_share[tier] : m.maker_share[tier]) / 1000000;
  return ceil_div(notional * rate, 1000000000);
}

static uint8_t pay_asset(uint32_t security, uint8_t side)
{
  return side == BUY ? terms_of[security].quote : terms_of[security].base;
}

static wcx_i128_t held_in(uint32_t account, uint8_t asset)
{
  wcx_i128_t sum = 0;
  for (uint32_t i = 0; i < m.open_cnt; i++)
    if (m.open[i].account == account && pay_asset(m.open[i].security, m.open[i].side) == asset)
      sum += held_of(m.open[i].security, m.open[i].side, m.open[i].px, m.open[i].leaves);
  return sum;
}

static wcx_i128_t open_notional_in(uint32_t account, uint8_t asset, uint64_t but)
{
  wcx_i128_t sum = 0;
  for (uint32_t i = 0; i < m.open_cnt; i++)
    if (m.open[i].account == account && terms_of[m.open[i].security].quote == asset && m.open[i].order_id != but)
      sum += notional_of(m.open[i].security, m.open[i].px, m.open[i].leaves, true);
  return sum;
}

static wcx_i128_t open_bid_in(uint32_t account, uint8_t asset, uint64_t but)
{
  wcx_i128_t sum = 0;
  for (uint32_t i = 0; i < m.open_cnt; i++)
    if (m.open[i].account == account && terms_of[m.open[i].security].base == asset && m.open[i].side == BUY && m.open[i].order_id != but)
      sum += base_of(m.open[i].security, m.open[i].leaves);
  return sum;
}

static uint32_t open_cnt_of(uint32_t account)
{
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < m.open_cnt; i++)
    cnt += m.open[i].account == account;
  return cnt;
}

/* --- the model's verdict ------------------------------------------------------------------------------------------------------------------ */

typedef struct verdict
{
  uint16_t reason; /* enum wcx_ord_rej_reason; 0: fine */
  int64_t limit;
} verdict_t;

static bool above(wcx_i128_t value, int64_t limit)
{
  return limit != NONE && value > limit;
}

/* `was`: the order as it is, NULL for a new one. */
static verdict_t judge(uint32_t account, uint32_t security, uint8_t side, int64_t px, int64_t qty, const open_order_t *was)
{
  const terms_t *t = &terms_of[security];
  bool checked = account <= CHECKED_CNT;
  uint64_t but = was != NULL ? was->order_id : 0;
  int64_t leaves = was != NULL ? qty - was->order_qty + was->leaves : qty;
  const limits_t *quote = &m.limits[account][t->quote];
  const limits_t *tier = &m.tier[m.kyc_tier[account]][t->quote];
  wcx_i128_t order = notional_of(security, px, qty, true);
  wcx_i128_t open = open_notional_in(account, t->quote, but) + notional_of(security, px, leaves, true);
  if (checked && security == 4)
    return (verdict_t){WCX_ORD_REJ_REASON_UNSUPPORTED_ORDER_CHARACTERISTIC, NONE};
  if (above(qty, m.max_order_qty[account]))
    return (verdict_t){WCX_ORD_REJ_REASON_ORDER_EXCEEDS_LIMIT, m.max_order_qty[account]};
  if (px != 0 && above(order, quote->max_order_notional))
    return (verdict_t){WCX_ORD_REJ_REASON_NOTIONAL_VALUE_EXCEEDS_THRESHOLD, quote->max_order_notional};
  if (was == NULL && open_cnt_of(account) >= m.max_open_orders[account])
    return (verdict_t){WCX_ORD_REJ_REASON_MAX_OPEN_ORDERS, m.max_open_orders[account]};
  if (px != 0 && above(open, quote->max_open_notional))
    return (verdict_t){WCX_ORD_REJ_REASON_ORDER_EXCEEDS_LIMIT, quote->max_open_notional};
  if (px != 0 && above(order, tier->max_order_notional))
    return (verdict_t){WCX_ORD_REJ_REASON_KYC_LIMIT, tier->max_order_notional};
  if (px != 0 && above(open, tier->max_open_notional))
    return (verdict_t){WCX_ORD_REJ_REASON_KYC_LIMIT, tier->max_open_notional};
  int64_t max_position = m.limits[account][t->base].max_position;
  if (side == BUY && above((checked ? m.total[account][t->base] : 0) + open_bid_in(account, t->base, but) + base_of(security, leaves), max_position))
    return (verdict_t){WCX_ORD_REJ_REASON_POSITION_LIMIT, max_position};
  if (!checked)
    return (verdict_t){0, NONE};
  if (side == BUY && px == 0)
    return (verdict_t){WCX_ORD_REJ_REASON_NO_REFERENCE_PRICE, NONE};
  uint8_t pay = pay_asset(security, side);
  wcx_i128_t available = m.total[account][pay] - held_in(account, pay);
  wcx_i128_t more = held_of(security, side, px, leaves) - (was != NULL ? held_of(security, side, was->px, was->leaves) : 0);
  if (more > 0 && available < more)
    return (verdict_t){WCX_ORD_REJ_REASON_INSUFFICIENT_BALANCE, (int64_t)available};
  return (verdict_t){0, NONE};
}

/* --- hearing ------------------------------------------------------------------------------------------------------------------------------ */

static open_order_t *find(uint64_t order_id)
{
  for (uint32_t i = 0; i < m.open_cnt; i++)
    if (m.open[i].order_id == order_id)
      return &m.open[i];
  return NULL;
}

static void drop(open_order_t *order)
{
  *order = m.open[--m.open_cnt];
}

static void hear_trade(const wcx_execution_report_trade_t *er)
{
  open_order_t *order = find(er->order_id);
  const terms_t *t = &terms_of[er->security_id];
  assert_non_null(order);
  wcx_i128_t notional = notional_of(er->security_id, er->last_px, er->last_qty, false);
  wcx_i128_t commission = commission_of(er->account, er->security_id, er->last_liquidity_ind == WCX_LAST_LIQUIDITY_IND_REMOVED_LIQUIDITY, notional);
  assert_int_equal(er->commission, (int64_t)commission);
  m.fees[t->quote] += commission;
  int sign = er->side == BUY ? 1 : -1;
  m.total[er->account][t->base] += sign * base_of(er->security_id, er->last_qty);
  m.total[er->account][t->quote] -= sign * notional + commission;
  order->leaves -= er->last_qty;
  order->last_px = er->last_px;
  m.fills++;
  if (order->leaves == 0)
    drop(order);
}

static void hear(const said_t *s)
{
  switch (s->template_id)
  {
  case WCX_TEMPLATE_EXECUTION_REPORT_NEW:
  {
    const wcx_execution_report_new_t *er = (const void *)s->block;
    int64_t collar = terms_of[er->security_id].high != NONE ? terms_of[er->security_id].high : 0;
    assert_true(m.open_cnt < OPEN_MAX);
    m.open[m.open_cnt++] = (open_order_t){.order_id = er->order_id,
                                          .cl_ord_id = er->cl_ord_id,
                                          .account = er->account,
                                          .security = er->security_id,
                                          .side = er->side,
                                          .market_to_limit = er->ord_type == WCX_ORD_TYPE_MARKET_TO_LIMIT,
                                          .px = er->price != NONE ? er->price : collar,
                                          .stop_px = er->stop_px,
                                          .order_qty = er->order_qty,
                                          .leaves = er->leaves_qty};
    break;
  }
  case WCX_TEMPLATE_EXECUTION_REPORT_TRADE:
    hear_trade((const void *)s->block);
    break;
  case WCX_TEMPLATE_EXECUTION_REPORT_CANCEL:
    drop(find(((const wcx_execution_report_cancel_t *)(const void *)s->block)->order_id));
    break;
  case WCX_TEMPLATE_EXECUTION_REPORT_REPLACE:
  {
    const wcx_execution_report_replace_t *er = (const void *)s->block;
    open_order_t *order = find(er->order_id);
    order->px = er->price != NONE ? er->price : order->px;
    order->cl_ord_id = er->cl_ord_id;
    order->order_qty = er->order_qty;
    order->leaves = er->leaves_qty;
    break;
  }
  case WCX_TEMPLATE_EXECUTION_REPORT_RESTATED:
  {
    const wcx_execution_report_restated_t *er = (const void *)s->block;
    open_order_t *order = find(er->order_id);
    if (er->exec_restatement_reason == WCX_RESTATEMENT_REASON_SELF_MATCH_DECREMENT)
    {
      order->order_qty -= er->prevented_qty;
      order->leaves -= er->prevented_qty;
    }
    break;
  }
  default:
    break;
  }
}

static void compare_money(void)
{
  for (uint32_t account = 1; account <= ACCOUNT_CNT; account++)
    for (uint8_t asset = 0; asset < ASSET_CNT; asset++)
    {
      wcx_balance_view_t view = {0};
      char name[8] = "        ";
      memcpy(name, asset_name[asset], strlen(asset_name[asset])); /* padded as on the wire, or with NULs: the same */
      assert_true(!wcx_engine_balance(one.engine, account, name, &view) || account <= CHECKED_CNT);
      wcx_i128_t held = held_in(account, asset);
      if (account > CHECKED_CNT)
        continue;
      assert_int_equal(view.held, (int64_t)held);
      assert_int_equal(view.available, (int64_t)(m.total[account][asset] - held));
      m.negative += view.available < 0;
    }
  for (uint8_t asset = 0; asset < ASSET_CNT; asset++)
  {
    wcx_asset_view_t view;
    for (uint32_t i = 0; wcx_engine_asset_at(one.engine, i, &view); i++)
      if (strncmp(view.asset, asset_name[asset], 8) == 0)
        assert_int_equal(view.fees, (int64_t)m.fees[asset]);
  }
}

/* --- commands ----------------------------------------------------------------------------------------------------------------------------- */

static void apply(uint16_t template_id, uint32_t session_id, const void *body, uint16_t body_sz)
{
  uint64_t client_seq = session_id != 0 ? ++one.client_seq[session_id] : 0;
  world_apply(&one, template_id, session_id, client_seq, body, body_sz);
  world_apply(&two, template_id, session_id, client_seq, body, body_sz);
  for (uint32_t i = 0; i < one.said_cnt; i++)
    if (one.said[i].stream == WCX_STREAM_SESSION)
      hear(&one.said[i]);
  for (uint32_t i = 0; i < m.open_cnt; i++)
    if (m.open[i].market_to_limit && m.open[i].last_px != 0) /* it rests at the price of its last fill */
    {
      m.open[i].px = m.open[i].last_px;
      m.open[i].market_to_limit = false;
    }
}

#define APPLY(id, session, value) apply((id), (session), &(value), sizeof(value))

static void is_told(verdict_t want, uint16_t reason, uint64_t limit)
{
  m.rejects[reason]++;
  assert_int_equal(reason, want.reason);
  assert_true(limit == (want.limit == NONE ? WCX_U64_NULL : (uint64_t)want.limit));
}

/* A reason of the checks before balances and limits, in this world. */
static bool comes_before(uint16_t reason)
{
  return reason == WCX_ORD_REJ_REASON_PRICE_EXCEEDS_BAND || reason == WCX_ORD_REJ_REASON_POST_ONLY_WOULD_TRADE || reason == WCX_ORD_REJ_REASON_ACCOUNT_CLOSE_ONLY;
}

static int64_t any_px(uint32_t security)
{
  int64_t mid = terms_of[security].mid;
  return mid - mid / 25 + (int64_t)any((uint64_t)mid / 12 + 1);
}

static int64_t any_qty(uint32_t security)
{
  return 1 + (int64_t)any(security == 2 ? 90 : security == 4 ? 300 : 9);
}

static void send_new(void)
{
  uint32_t account = 1 + (uint32_t)any(ACCOUNT_CNT);
  uint32_t security = 1 + (uint32_t)any(INSTRUMENT_CNT);
  wcx_new_order_single_t order = an_order(++one.cl_ord_id[account], account, (uint8_t)(1 + any(2)), any_px(security), any_qty(security));
  order.security_id = security;
  order.time_in_force = any(5) == 0 ? IOC : any(8) == 0 ? FOK : GTC;
  switch (any(16))
  {
  case 0:
    order.ord_type = WCX_ORD_TYPE_MARKET;
    break;
  case 1:
    order.ord_type = WCX_ORD_TYPE_MARKET_TO_LIMIT;
    break;
  case 2:
    order.ord_type = WCX_ORD_TYPE_STOP;
    break;
  case 3:
    order.ord_type = WCX_ORD_TYPE_STOP_LIMIT;
    break;
  case 4:
    order.exec_inst = WCX_EXEC_INST_HIDDEN;
    break;
  case 5:
    order.display_qty = 1;
    break;
  case 6:
    if (order.time_in_force == GTC)
      order.exec_inst = any(2) == 0 ? WCX_EXEC_INST_POST_ONLY : WCX_EXEC_INST_POST_ONLY_REPRICE;
    break;
  default:
    break;
  }
  bool stop = order.ord_type == WCX_ORD_TYPE_STOP || order.ord_type == WCX_ORD_TYPE_STOP_LIMIT;
  bool sweeps = order.ord_type == WCX_ORD_TYPE_MARKET || order.ord_type == WCX_ORD_TYPE_MARKET_TO_LIMIT || order.ord_type == WCX_ORD_TYPE_STOP;
  int64_t px = order.price;
  if (stop)
    order.stop_px = any_px(security);
  if (sweeps)
  {
    order.price = NONE;
    px = terms_of[security].high != NONE ? terms_of[security].high : 0;
  }
  if (any(3) == 0)
    order.self_match_prevention_inst = (uint8_t)(1 + any(4));
  bool reprices = (order.exec_inst & WCX_EXEC_INST_POST_ONLY_REPRICE) != 0;
  verdict_t want = judge(account, security, order.side, px, order.order_qty, NULL);
  APPLY(WCX_TEMPLATE_NEW_ORDER_SINGLE, account, order);
  if (one.said[0].template_id == WCX_TEMPLATE_EXECUTION_REPORT_REJECT)
  {
    wcx_execution_report_reject_t er = SAID(&one, 0, wcx_execution_report_reject_t);
    if (!comes_before(er.ord_rej_reason) && !reprices)
      is_told(want, er.ord_rej_reason, er.limit_value);
    return;
  }
  assert_int_equal(one.said[0].template_id, WCX_TEMPLATE_EXECUTION_REPORT_NEW);
  if (!reprices)
    assert_int_equal(want.reason, 0);
}

static void send_a_replace(void)
{
  if (m.open_cnt == 0)
    return;
  open_order_t was = m.open[any(m.open_cnt)];
  bool sweeps = was.stop_px != NONE && any(2) == 0;
  wcx_order_cancel_replace_request_t request =
      a_replace(++one.cl_ord_id[was.account], was.cl_ord_id, sweeps || any(3) == 0 ? NONE : any_px(was.security), was.order_qty + (int64_t)any(8) - 3);
  request.security_id = was.security;
  if (was.order_qty - was.leaves >= request.order_qty)
    request.order_qty = was.order_qty;
  verdict_t want = judge(was.account, was.security, was.side, request.price != NONE ? request.price : was.px, request.order_qty, &was);
  APPLY(WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, was.account, request);
  if (one.said[0].template_id == WCX_TEMPLATE_EXECUTION_REPORT_REPLACE)
  {
    assert_int_equal(want.reason, 0);
    return;
  }
  assert_int_equal(one.said[0].template_id, WCX_TEMPLATE_ORDER_CANCEL_REJECT);
  uint8_t reason = SAID(&one, 0, wcx_order_cancel_reject_t).cxl_rej_reason;
  if (reason == WCX_CXL_REJ_REASON_INSUFFICIENT_BALANCE)
    assert_int_equal(want.reason, WCX_ORD_REJ_REASON_INSUFFICIENT_BALANCE);
  else if (reason == WCX_CXL_REJ_REASON_LIMIT_EXCEEDED)
    assert_true(want.reason != 0 && want.reason != WCX_ORD_REJ_REASON_INSUFFICIENT_BALANCE);
  m.rejects[reason == WCX_CXL_REJ_REASON_LIMIT_EXCEEDED ? 198 : reason == WCX_CXL_REJ_REASON_INSUFFICIENT_BALANCE ? 199 : 197]++;
}

static void send_cancel(void)
{
  if (m.open_cnt == 0)
    return;
  const open_order_t *order = &m.open[any(m.open_cnt)];
  wcx_order_cancel_request_t request = {.cl_ord_id = ++one.cl_ord_id[order->account], .orig_cl_ord_id = order->cl_ord_id, .order_id = WCX_U64_NULL, .security_id = order->security};
  APPLY(WCX_TEMPLATE_ORDER_CANCEL_REQUEST, order->account, request);
}

/* Accounts stay poor: they are given when they have little, and robbed of what is much. */
static void adjust(void)
{
  uint32_t account = 1 + (uint32_t)any(CHECKED_CNT);
  uint8_t asset = (uint8_t)any(ASSET_CNT);
  static const int64_t unit[ASSET_CNT] = {10, 1500, 4000, 40000};
  wcx_i128_t available = m.total[account][asset] - held_in(account, asset);
  bool much = available > 3 * unit[asset];
  wcx_balance_adjustment_t adjustment = {
      .amount = much ? -(int64_t)available / (1 + (int64_t)any(3)) : (int64_t)any((uint64_t)unit[asset]), .reference = m.reference[account] + 1, .account = account};
  memcpy(adjustment.asset, asset_name[asset], strlen(asset_name[asset]));
  bool again = any(4) == 0 && m.reference[account] > 0;
  if (again)
    adjustment.reference = 1; /* below all that are kept, or seen */
  else
    m.reference[account]++;
  bool first = again && world_definition_error(&one, WCX_TEMPLATE_BALANCE_ADJUSTMENT, &adjustment) != NULL;
  if (first)
    return;
  wcx_balance_view_t before = {0}, after = {0};
  wcx_engine_balance(one.engine, account, adjustment.asset, &before);
  APPLY(WCX_TEMPLATE_BALANCE_ADJUSTMENT, 0, adjustment);
  wcx_engine_balance(one.engine, account, adjustment.asset, &after);
  if (again) /* in an asset where reference 1 has not been: made */
    m.total[account][asset] += after.available - before.available;
  else
    m.total[account][asset] += adjustment.amount;
}

static int64_t any_limit(int64_t around)
{
  return any(3) == 0 ? NONE : around / 2 + (int64_t)any((uint64_t)around * 2);
}

static void limit(void)
{
  static const int64_t unit[ASSET_CNT] = {30, 700, 8000, 60000};
  uint8_t asset = (uint8_t)any(ASSET_CNT);
  bool named = any(4) != 0;
  wcx_limit_update_t update = {.max_order_qty = NONE, .max_order_notional = NONE, .max_open_notional = NONE, .max_position = NONE, .max_open_orders = WCX_U32_NULL};
  if (named)
  {
    memcpy(update.asset, asset_name[asset], strlen(asset_name[asset]));
    update.max_order_notional = any_limit(unit[asset]);
    update.max_open_notional = any_limit(unit[asset] * 4);
  }
  if (any(4) == 0)
  {
    update.kyc_tier = (uint8_t)(1 + any(2));
    if (world_definition_error(&one, WCX_TEMPLATE_LIMIT_UPDATE, &update) != NULL)
    {
      assert_false(named);
      return;
    }
    m.tier[update.kyc_tier][asset] = (limits_t){update.max_order_notional, update.max_open_notional, NONE};
  }
  else
  {
    update.account = 3 + (uint32_t)any(ACCOUNT_CNT - 3); /* 1, 2 and 8 have none of their own */
    update.max_order_qty = any_limit(60);
    update.max_open_orders = any(2) == 0 ? WCX_U32_NULL : 1 + (uint32_t)any(10);
    update.max_position = named ? any_limit(unit[asset]) : NONE;
    m.max_order_qty[update.account] = update.max_order_qty;
    m.max_open_orders[update.account] = update.max_open_orders;
    if (named)
      m.limits[update.account][asset] = (limits_t){update.max_order_notional, update.max_open_notional, update.max_position};
  }
  APPLY(WCX_TEMPLATE_LIMIT_UPDATE, 0, update);
}

static void redefine(void)
{
  uint32_t account = 1 + (uint32_t)any(ACCOUNT_CNT);
  m.kyc_tier[account] = account == 1 || account == 8 ? 0 : (uint8_t)any(4);
  m.fee_tier[account] = (uint8_t)any(4);
  wcx_account_definition_t def = {.account = account,
                                  .credit = account <= CHECKED_CNT ? WCX_CREDIT_CHECKED : WCX_CREDIT_UNLIMITED,
                                  .status = any(6) == 0 ? WCX_ACCOUNT_STATUS_CLOSE_ONLY : WCX_ACCOUNT_STATUS_ACTIVE,
                                  .kyc_tier = m.kyc_tier[account],
                                  .fee_tier = m.fee_tier[account]};
  APPLY(WCX_TEMPLATE_ACCOUNT_DEFINITION, 0, def);
  if (any(3) != 0)
    return;
  wcx_fee_tier_definition_t tier = {.maker_share = (uint32_t)any(1000001), .taker_share = (uint32_t)any(1000001), .fee_tier = (uint8_t)(1 + any(2))};
  m.maker_share[tier.fee_tier] = tier.maker_share;
  m.taker_share[tier.fee_tier] = tier.taker_share;
  APPLY(WCX_TEMPLATE_FEE_TIER_DEFINITION, 0, tier);
}

static void kill_and_unlock(void)
{
  wcx_kill_switch_t kill = {.account = 1 + (uint32_t)any(ACCOUNT_CNT), .locked = 1};
  APPLY(WCX_TEMPLATE_KILL_SWITCH, 0, kill);
  kill.locked = 0;
  APPLY(WCX_TEMPLATE_KILL_SWITCH, 0, kill);
}

/* A fill's one side, of before, is broken: the door that no input of this build leads to. */
static void break_side(void)
{
  uint32_t account = 1 + (uint32_t)any(ACCOUNT_CNT);
  uint32_t security = 1 + (uint32_t)any(3);
  uint8_t side = (uint8_t)(1 + any(2));
  int64_t px = any_px(security), qty = any_qty(security), commission = (int64_t)any(5) - 2;
  const terms_t *t = &terms_of[security];
  wcx_balance_view_t view;
  for (uint8_t i = 0; i < 2 && account <= CHECKED_CNT; i++)
    if (!wcx_engine_balance(one.engine, account, asset_name[i == 0 ? t->base : t->quote], &view))
      return;
  world_t *worlds[] = {&one, &two};
  for (size_t i = 0; i < 2; i++)
    wcx_risk_break(worlds[i]->engine, wcx_state_account(worlds[i]->engine, account), wcx_state_instrument(worlds[i]->engine, security), side, px, qty, commission);
  int sign = side == BUY ? -1 : 1;
  m.total[account][t->base] += sign * base_of(security, qty);
  m.total[account][t->quote] -= sign * notional_of(security, px, qty, false) - commission;
  m.fees[t->quote] -= commission;
  m.breaks++;
}

static void any_command(void)
{
  switch (any(100))
  {
  case 0:
  case 1:
    limit();
    break;
  case 2:
    redefine();
    break;
  case 3:
    if (any(4) == 0)
      kill_and_unlock();
    break;
  case 4:
    if (any(5) == 0)
      break_side();
    break;
  case 5:
  case 6:
  case 7:
  case 8:
  case 9:
  case 10:
  case 11:
    adjust();
    break;
  default:
    if (any(8) == 0 || m.open_cnt > OPEN_MAX / 2)
      send_cancel();
    else if (any(5) == 0)
      send_a_replace();
    else
      send_new();
  }
}

/* --- the run ------------------------------------------------------------------------------------------------------------------------------ */

static void populate(void)
{
  wcx_asset_definition_t eth = {.asset = "ETH", .exponent = -4};
  wcx_capacity_t capacity = {.max_orders = 1000, .max_instruments = 8, .max_accounts = 32, .max_sessions = 16, .max_levels = 500};
  world_populate(&one);
  world_populate(&two);
  APPLY(WCX_TEMPLATE_CAPACITY, 0, capacity);
  APPLY(WCX_TEMPLATE_ASSET_DEFINITION, 0, eth);
  for (uint32_t i = 1; i <= INSTRUMENT_CNT; i++)
  {
    const terms_t *t = &terms_of[i];
    wcx_security_definition_t definition = an_instrument(i);
    definition.price_exponent = t->px_exponent;
    definition.qty_exponent = t->qty_exponent;
    definition.amt_exponent = t->amt_exponent;
    definition.maker_fee_rate = t->maker_rate;
    definition.taker_fee_rate = t->taker_rate;
    definition.high_limit_price = t->high;
    memset(definition.base_asset, ' ', 8);
    memset(definition.quote_asset, 0, 8);
    memcpy(definition.base_asset, asset_name[t->base], strlen(asset_name[t->base]));
    memcpy(definition.quote_asset, asset_name[t->quote], strlen(asset_name[t->quote]));
    APPLY(WCX_TEMPLATE_SECURITY_DEFINITION, 0, definition);
  }
  for (uint32_t account = 1; account <= ACCOUNT_CNT; account++)
  {
    m.max_order_qty[account] = NONE;
    m.max_open_orders[account] = WCX_U32_NULL;
    for (uint8_t asset = 0; asset < ASSET_CNT; asset++)
      m.limits[account][asset] = (limits_t){NONE, NONE, NONE};
    wcx_account_definition_t def = {.account = account, .credit = account <= CHECKED_CNT ? WCX_CREDIT_CHECKED : WCX_CREDIT_UNLIMITED, .status = WCX_ACCOUNT_STATUS_ACTIVE};
    APPLY(WCX_TEMPLATE_ACCOUNT_DEFINITION, 0, def);
  }
  for (uint8_t tier = 0; tier < 8; tier++)
    for (uint8_t asset = 0; asset < ASSET_CNT; asset++)
      m.tier[tier][asset] = (limits_t){NONE, NONE, NONE};
  for (uint8_t tier = 0; tier < 4; tier++)
    m.maker_share[tier] = m.taker_share[tier] = 1000000;
}

static void money_is_where_the_model_says(void **state)
{
  (void)state;
  const char *seed = getenv("WCX_SEED");
  rng = seed != NULL ? strtoull(seed, NULL, 0) : 0x5eed0002;
  print_message("# WCX_SEED=%llu\n", (unsigned long long)rng);
  static const wcx_engine_limits_t other = {
      .shard = 1, .orders_max = 5000, .levels_max = 3000, .instruments_max = 100, .accounts_max = 777, .sessions_max = 64, .hash_key = UINT64_C(0xfeedfacecafebeef)};
  world_make(&one, &world_limits, 1 << 20);
  world_make(&two, &other, 1 << 20);
  populate();
  for (uint32_t i = 1; i <= COMMAND_CNT; i++)
  {
    any_command();
    compare_money();
    wcx_engine_verify(one.engine);
    wcx_digest_t a = wcx_engine_state_digest(one.engine);
    wcx_digest_t b = wcx_engine_state_digest(two.engine);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_int_equal(m.open_cnt, wcx_engine_orders_live(one.engine));
  }
  static const uint16_t reasons[] = {WCX_ORD_REJ_REASON_UNSUPPORTED_ORDER_CHARACTERISTIC,
                                     WCX_ORD_REJ_REASON_ORDER_EXCEEDS_LIMIT,
                                     WCX_ORD_REJ_REASON_NOTIONAL_VALUE_EXCEEDS_THRESHOLD,
                                     WCX_ORD_REJ_REASON_MAX_OPEN_ORDERS,
                                     WCX_ORD_REJ_REASON_KYC_LIMIT,
                                     WCX_ORD_REJ_REASON_POSITION_LIMIT,
                                     WCX_ORD_REJ_REASON_NO_REFERENCE_PRICE,
                                     WCX_ORD_REJ_REASON_INSUFFICIENT_BALANCE,
                                     198,
                                     199};
  for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
  {
    print_message("# reason %u: %u\n", reasons[i], m.rejects[reasons[i]]);
    assert_true(m.rejects[reasons[i]] > 20);
  }
  print_message("# %u fills, %u breaks, %u balances seen below zero\n", m.fills, m.breaks, m.negative);
  assert_true(m.fills > 2000 && m.breaks > 5 && m.negative > 0);
  world_free(&one);
  world_free(&two);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(money_is_where_the_model_says)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
