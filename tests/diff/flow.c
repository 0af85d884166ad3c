/* Random inputs: what kind, who, and with which fields. What a field may be stands beside the field. */
#include "tests/diff/flow.h"

#include "engine/base/check.h"
#include "tests/diff/flow_pick.h"

#include <string.h>

#define START_NS (1767225600000000000u - 3000000000u) /* 3 s before a midnight UTC */
#define NS_PER_S 1000000000u

/* --- orders ---------------------------------------------------------------------------------------------------------------------------- */

/* A price around the center, on the increment of the instrument. */
static int64_t some_price(flow_t *flow, uint32_t security_id)
{
  const flow_profile_t *p = flow->profile;
  int64_t price = p->center_px - p->half_range_px + (int64_t)flow_below(flow, (uint64_t)(2 * p->half_range_px + 1));
  return security_id == 2 && p->limits ? price - price % 5 : price;
}

static int64_t some_qty(flow_t *flow, uint32_t security_id)
{
  int64_t qty = 1 + (int64_t)flow_below(flow, (uint64_t)flow->profile->qty_max);
  if (flow_one_in(flow, 40))
    qty *= 20;
  return security_id == 2 && flow->profile->limits ? qty * 10 : qty;
}

static uint8_t some_side(flow_t *flow)
{
  return (uint8_t)(1 + flow_below(flow, 2));
}

static uint32_t some_session(flow_t *flow)
{
  return 1 + (uint32_t)flow_below(flow, FLOW_SESSIONS);
}

/* An account the session may trade for, nearly always. */
static uint32_t some_account(flow_t *flow, uint32_t session_id)
{
  wcx_session_view_t view;
  if (!ref_session(flow->ref, session_id, &view) || view.account == WCX_U32_NULL || flow_one_in(flow, 500))
    return 1 + (uint32_t)flow_below(flow, FLOW_ACCOUNTS);
  return view.account;
}

static uint32_t some_security(flow_t *flow)
{
  /* most of it on the first, so that orders meet */
  uint64_t roll = flow_below(flow, 100);
  return roll < 60 ? 1 : roll < 80 ? 2 : 3;
}

static uint64_t next_cl_ord_id(flow_t *flow, uint32_t session_id)
{
  uint64_t last = ref_last_cl_ord_id(flow->ref, session_id);
  if (flow_one_in(flow, 400))
    return last - flow_below(flow, last + 1); /* not rising */
  return last + 1 + (flow_one_in(flow, 50) ? flow_below(flow, 5) : 0);
}

static uint8_t some_prevention(flow_t *flow)
{
  return flow_percent(flow, flow->profile->traits.prevention) ? (uint8_t)(1 + flow_below(flow, 4)) : WCX_SELF_MATCH_PREVENTION_INST_NONE;
}

static uint32_t some_prevention_id(flow_t *flow)
{
  return flow_one_in(flow, 6) ? 1 + (uint32_t)flow_below(flow, 3) : 0;
}

static uint8_t some_ord_type(flow_t *flow)
{
  const flow_traits_t *t = &flow->profile->traits;
  uint64_t roll = flow_below(flow, 100);
  if (roll < t->market)
    return WCX_ORD_TYPE_MARKET;
  if (roll < (uint64_t)t->market + t->to_limit)
    return WCX_ORD_TYPE_MARKET_TO_LIMIT;
  if (roll < (uint64_t)t->market + t->to_limit + t->stop)
    return WCX_ORD_TYPE_STOP;
  return roll < (uint64_t)t->market + t->to_limit + t->stop + t->stop_limit ? WCX_ORD_TYPE_STOP_LIMIT : WCX_ORD_TYPE_LIMIT;
}

/* The two auction values go with Limit only: what they mean with another type no rule says. */
static uint8_t some_tif(flow_t *flow, uint8_t ord_type)
{
  const flow_traits_t *t = &flow->profile->traits;
  const uint8_t chances[] = {t->ioc, t->fok, t->day, t->gtd, t->opening, t->closing};
  const uint8_t values[] = {WCX_TIME_IN_FORCE_IOC,         WCX_TIME_IN_FORCE_FOK, WCX_TIME_IN_FORCE_DAY, WCX_TIME_IN_FORCE_GTD, WCX_TIME_IN_FORCE_AT_THE_OPENING,
                            WCX_TIME_IN_FORCE_AT_THE_CLOSE};
  uint64_t roll = flow_below(flow, 100);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < sizeof(values); i++)
  {
    sum += chances[i];
    if (roll < sum)
      return i >= 4 && ord_type != WCX_ORD_TYPE_LIMIT ? WCX_TIME_IN_FORCE_GTC : values[i];
  }
  return WCX_TIME_IN_FORCE_GTC;
}

static uint64_t some_expiry(flow_t *flow)
{
  if (flow_one_in(flow, 60))
    return flow->stamp_ns - flow_below(flow, 3); /* too late */
  uint64_t at = flow->stamp_ns + 1 + flow_below(flow, flow_one_in(flow, 10) ? 40 * NS_PER_S : 100000);
  return flow_one_in(flow, 2) ? at : at - at % 5000 + 5000; /* some fall together */
}

static uint16_t some_exec_inst(flow_t *flow, uint8_t ord_type, uint8_t tif)
{
  const flow_traits_t *t = &flow->profile->traits;
  bool at_once = tif == WCX_TIME_IN_FORCE_IOC || tif == WCX_TIME_IN_FORCE_FOK;
  bool limit = ord_type == WCX_ORD_TYPE_LIMIT || ord_type == WCX_ORD_TYPE_STOP_LIMIT;
  uint16_t set = 0;
  if (limit && !at_once && flow_percent(flow, t->post_only))
    set |= WCX_EXEC_INST_POST_ONLY;
  if (limit && !at_once && flow_percent(flow, t->reprice))
    set |= WCX_EXEC_INST_POST_ONLY_REPRICE;
  if (limit && flow_percent(flow, t->hidden))
    set |= WCX_EXEC_INST_HIDDEN;
  if (at_once && flow_percent(flow, (uint8_t)(5 * t->all_or_none)))
    set |= WCX_EXEC_INST_ALL_OR_NONE;
  if (flow_percent(flow, t->disconnect))
    set |= WCX_EXEC_INST_CANCEL_ON_DISCONNECT;
  return set;
}

/* One field made wrong, or at least unusual. */
static void spoil_order(flow_t *flow, wcx_new_order_single_t *r)
{
  const int64_t odd[] = {0, -1, -7, 3, 11, INT64_MAX, WCX_I64_NULL};
  int64_t value = odd[flow_below(flow, 7)];
  switch (flow_below(flow, 16))
  {
  case 0:
    r->price = value;
    break;
  case 1:
    r->order_qty = value;
    break;
  case 2:
    r->display_qty = flow_one_in(flow, 3) ? r->order_qty + (int64_t)flow_below(flow, 3) - 1 : value;
    break;
  case 3:
    r->min_qty = flow_one_in(flow, 3) ? r->order_qty + (int64_t)flow_below(flow, 3) - 1 : value;
    break;
  case 4:
    r->stop_px = flow_one_in(flow, 3) ? some_price(flow, 1) : value;
    break;
  case 5:
    r->expire_time = flow_one_in(flow, 2) ? WCX_U64_NULL : flow->stamp_ns;
    break;
  case 6:
    r->security_id = (uint32_t)flow_below(flow, 6);
    break;
  case 7:
    r->account = (uint32_t)flow_below(flow, 12);
    break;
  case 8:
    r->side = (uint8_t)flow_below(flow, 4);
    break;
  case 9:
    r->ord_type = (uint8_t)flow_below(flow, 8);
    break;
  case 10:
    r->time_in_force = (uint8_t)flow_below(flow, 10);
    if (r->ord_type != WCX_ORD_TYPE_LIMIT && (r->time_in_force == WCX_TIME_IN_FORCE_AT_THE_OPENING || r->time_in_force == WCX_TIME_IN_FORCE_AT_THE_CLOSE))
      r->time_in_force = 9;
    break;
  case 11:
    r->self_match_prevention_inst = (uint8_t)flow_below(flow, 7);
    break;
  case 12:
    r->exec_inst ^= (uint16_t)(1u << flow_below(flow, 8));
    break;
  case 13:
    r->exec_inst = (uint16_t)flow_below(flow, 128);
    break;
  case 14:
    r->price = some_price(flow, 1) * 3;
    break;
  default:
    r->price = flow->profile->center_px + 1;
  }
}

/* One that may trade, most of the time. */
static uint32_t some_trading_security(flow_t *flow)
{
  uint32_t security_id = some_security(flow);
  if (ref_status(flow->ref, security_id) == WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE || flow_one_in(flow, 3))
    return security_id;
  return some_security(flow);
}

static void make_unlock(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body);
static void make_kill(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body);

static void make_order(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  const flow_traits_t *t = &flow->profile->traits;
  uint32_t session_id = some_session(flow);
  uint32_t account = some_account(flow, session_id);
  uint32_t security_id = some_trading_security(flow);
  uint8_t ord_type = some_ord_type(flow);
  uint8_t tif = some_tif(flow, ord_type);
  if (ref_is_locked(flow->ref, session_id, account) && !flow_one_in(flow, 4))
  {
    (flow_one_in(flow, 3) ? make_kill : make_unlock)(flow, hdr, body);
    return;
  }
  bool limit = ord_type == WCX_ORD_TYPE_LIMIT || ord_type == WCX_ORD_TYPE_STOP_LIMIT;
  wcx_new_order_single_t r = {
      .cl_ord_id = next_cl_ord_id(flow, session_id),
      .price = limit ? some_price(flow, security_id) : WCX_I64_NULL,
      .order_qty = some_qty(flow, security_id),
      .display_qty = WCX_I64_NULL,
      .min_qty = WCX_I64_NULL,
      .stop_px = WCX_I64_NULL,
      .expire_time = tif == WCX_TIME_IN_FORCE_GTD ? some_expiry(flow) : WCX_U64_NULL,
      .security_id = security_id,
      .account = account,
      .self_match_prevention_id = some_prevention_id(flow),
      .side = some_side(flow),
      .ord_type = ord_type,
      .time_in_force = tif,
      .self_match_prevention_inst = some_prevention(flow),
      .exec_inst = some_exec_inst(flow, ord_type, tif),
  };
  if (ord_type == WCX_ORD_TYPE_STOP || ord_type == WCX_ORD_TYPE_STOP_LIMIT)
  {
    r.stop_px = some_price(flow, security_id);
    if (flow->profile->cascades && ref_status(flow->ref, security_id) != WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE)
      r.stop_px = flow->profile->center_px + (r.side == WCX_SIDE_BUY ? -1 : 1) * flow->profile->half_range_px;
  }
  bool plain = (r.exec_inst & (WCX_EXEC_INST_POST_ONLY | WCX_EXEC_INST_POST_ONLY_REPRICE)) == 0;
  if (r.stop_px == WCX_I64_NULL && plain && flow_percent(flow, t->min_qty))
    r.min_qty = 1 + (int64_t)flow_below(flow, (uint64_t)r.order_qty);
  if (limit && (r.exec_inst & WCX_EXEC_INST_HIDDEN) == 0 && flow_percent(flow, t->iceberg))
  {
    int64_t lot = security_id == 2 && flow->profile->limits ? 10 : 1;
    r.display_qty = flow_one_in(flow, 12) ? r.order_qty : lot * (1 + (int64_t)flow_below(flow, (uint64_t)(r.order_qty / lot + 3) / 4));
    if (t->iceberg >= 40 && flow_one_in(flow, 300))
    {
      r.order_qty = 5000;
      r.display_qty = lot;
    }
  }
  if (t->iceberg >= 40 && flow_one_in(flow, 1500))
    r.order_qty = 4000 + (int64_t)flow_below(flow, 200); /* more refreshes than one event may have */
  if (flow_percent(flow, t->mmp))
  {
    r.mmp_group = (uint16_t)(1 + flow_below(flow, 2));
    if (!flow_one_in(flow, 5))
      r.exec_inst |= WCX_EXEC_INST_MMP;
  }
  if (flow_percent(flow, t->invalid))
    spoil_order(flow, &r);
  flow_client(flow, hdr, WCX_TEMPLATE_NEW_ORDER_SINGLE, session_id, r.account);
  flow_body(hdr, body, &r, sizeof(r));
}

/* --- cancel and replace ---------------------------------------------------------------------------------------------------------------- */

/* A live order, or false. Prefers nothing. */
static bool some_live(flow_t *flow, ref_order_view_t *view)
{
  uint32_t cnt = ref_live_cnt(flow->ref);
  if (cnt == 0)
    return false;
  ref_live_at(flow->ref, (uint32_t)flow_below(flow, cnt), view);
  return true;
}

/* How the order is named: by ClOrdID, OrderID or both, sometimes wrongly. */
typedef struct naming
{
  uint32_t session_id;
  uint64_t orig_cl_ord_id;
  uint64_t order_id;
  uint32_t security_id;
} naming_t;

static naming_t name_order(flow_t *flow, const ref_order_view_t *order)
{
  naming_t n = {order->session_id, order->cl_ord_id, WCX_U64_NULL, order->security_id};
  if (order->quote || flow_one_in(flow, 3))
    n.order_id = order->order_id;
  if (n.order_id != WCX_U64_NULL && !flow_one_in(flow, 4))
    n.orig_cl_ord_id = flow_one_in(flow, 2) ? WCX_U64_NULL : n.orig_cl_ord_id + flow_below(flow, 2);
  if (flow_one_in(flow, 25))
    n.session_id = some_session(flow);
  if (flow_one_in(flow, 100))
    n.security_id = 1 + (uint32_t)flow_below(flow, 4);
  if (flow_one_in(flow, 100))
    n.order_id = flow_one_in(flow, 2) ? order->public_id : flow_below(flow, 1000);
  if (flow_one_in(flow, 60))
    n.orig_cl_ord_id -= flow_below(flow, 10);
  return n;
}

static void make_cancel(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  ref_order_view_t order = {.session_id = some_session(flow), .security_id = 1, .cl_ord_id = 1};
  some_live(flow, &order);
  naming_t n = name_order(flow, &order);
  wcx_order_cancel_request_t r = {.cl_ord_id = next_cl_ord_id(flow, n.session_id), .orig_cl_ord_id = n.orig_cl_ord_id, .order_id = n.order_id, .security_id = n.security_id};
  flow_client(flow, hdr, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, n.session_id, 0);
  flow_body(hdr, body, &r, sizeof(r));
}

static void spoil_replace(flow_t *flow, wcx_order_cancel_replace_request_t *r)
{
  const int64_t odd[] = {0, -1, -7, 3, 11, INT64_MAX, WCX_I64_NULL};
  int64_t value = odd[flow_below(flow, 7)];
  switch (flow_below(flow, 7))
  {
  case 0:
    r->price = value;
    break;
  case 1:
    r->order_qty = value;
    break;
  case 2:
    r->display_qty = flow_one_in(flow, 3) ? r->order_qty + (int64_t)flow_below(flow, 3) - 1 : value;
    break;
  case 3:
    r->stop_px = flow_one_in(flow, 3) ? some_price(flow, 1) : value;
    break;
  case 4:
    r->exec_inst ^= (uint16_t)(1u << flow_below(flow, 8));
    break;
  case 5:
    r->exec_inst = (uint16_t)flow_below(flow, 128);
    break;
  default:
    r->price = flow->profile->center_px + 1;
  }
}

static void make_replace(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  const flow_traits_t *t = &flow->profile->traits;
  ref_order_view_t order = {.session_id = some_session(flow), .security_id = 1, .cl_ord_id = 1, .order_qty = 5, .ord_type = WCX_ORD_TYPE_LIMIT};
  some_live(flow, &order);
  naming_t n = name_order(flow, &order);
  bool has_price = order.ord_type != WCX_ORD_TYPE_STOP;
  wcx_order_cancel_replace_request_t r = {
      .cl_ord_id = next_cl_ord_id(flow, n.session_id),
      .orig_cl_ord_id = n.orig_cl_ord_id,
      .order_id = n.order_id,
      .price = has_price && flow_one_in(flow, 2) ? some_price(flow, order.security_id) : WCX_I64_NULL,
      .order_qty = order.order_qty,
      .display_qty = WCX_I64_NULL,
      .security_id = n.security_id,
      .exec_inst = flow_one_in(flow, 3) ? some_exec_inst(flow, has_price ? WCX_ORD_TYPE_LIMIT : WCX_ORD_TYPE_STOP, WCX_TIME_IN_FORCE_GTC)
                                        : (uint16_t)(order.exec_inst & (has_price ? 0x3b : 0x28)),
      .stop_px = order.waiting && flow_one_in(flow, 2) ? some_price(flow, order.security_id) : WCX_I64_NULL,
  };
  if (flow_one_in(flow, 2))
    r.order_qty = order.cum_qty + some_qty(flow, order.security_id);
  else if (flow_one_in(flow, 2))
    r.order_qty -= order.security_id == 2 && flow->profile->limits ? 10 : 1;
  int64_t lot = order.security_id == 2 && flow->profile->limits ? 10 : 1;
  if (has_price && (r.exec_inst & WCX_EXEC_INST_HIDDEN) == 0 && r.order_qty > 0 && flow_percent(flow, t->iceberg))
    r.display_qty = flow_one_in(flow, 6) ? r.order_qty : lot * (1 + (int64_t)flow_below(flow, (uint64_t)(r.order_qty / lot + 1) / 2));
  if (order.mmp_group != 0 && flow_one_in(flow, 4))
    r.exec_inst ^= WCX_EXEC_INST_MMP;
  if (flow_percent(flow, t->invalid))
    spoil_replace(flow, &r);
  flow_client(flow, hdr, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, n.session_id, 0);
  flow_body(hdr, body, &r, sizeof(r));
}

/* --- many at once ---------------------------------------------------------------------------------------------------------------------- */

static void make_mass_cancel(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  const uint8_t types[] = {WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_ORDERS_FOR_A_SECURITY, WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_ALL_ORDERS,
                           WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_ACCOUNT, WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_MMP_GROUP, WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_SESSION};
  uint32_t session_id = some_session(flow);
  wcx_order_mass_cancel_request_t r = {
      .cl_ord_id = next_cl_ord_id(flow, session_id),
      .security_id = flow_one_in(flow, 2) ? some_security(flow) : WCX_U32_NULL,
      .account = flow_one_in(flow, 2) ? some_account(flow, session_id) : WCX_U32_NULL,
      .mass_cancel_request_type = types[flow_below(flow, sizeof(types))],
      .side = (uint8_t)flow_below(flow, 3),
      .lock_trading = flow_one_in(flow, 8),
  };
  if (flow->profile->traits.mmp == 0 && r.mass_cancel_request_type == WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_MMP_GROUP)
    r.mass_cancel_request_type = WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_SESSION;
  bool grouped = r.mass_cancel_request_type == WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_MMP_GROUP;
  if (grouped || flow_one_in(flow, 20))
    r.mmp_group = (uint16_t)flow_below(flow, 4);
  if (flow_percent(flow, flow->profile->traits.invalid))
  {
    r.lock_trading = (uint8_t)flow_below(flow, 3);
    r.security_id = (uint32_t)flow_below(flow, 5);
    r.account = (uint32_t)flow_below(flow, 10);
  }
  flow_client(flow, hdr, WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, session_id, 0);
  flow_body(hdr, body, &r, sizeof(r));
}

static void make_unlock(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  uint32_t session_id = some_session(flow);
  wcx_unlock_trading_request_t r = {.cl_ord_id = next_cl_ord_id(flow, session_id), .account = flow_one_in(flow, 2) ? some_account(flow, session_id) : WCX_U32_NULL};
  flow_client(flow, hdr, WCX_TEMPLATE_UNLOCK_TRADING_REQUEST, session_id, 0);
  flow_body(hdr, body, &r, sizeof(r));
}

static void make_kill(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  wcx_kill_switch_t r = {.account = 1 + (uint32_t)flow_below(flow, FLOW_ACCOUNTS), .locked = flow->profile->weights.kill != 0 && flow_one_in(flow, 5)};
  flow_internal(flow, hdr, WCX_TEMPLATE_KILL_SWITCH, 0, r.account);
  flow_body(hdr, body, &r, sizeof(r));
}

/* --- quotes ---------------------------------------------------------------------------------------------------------------------------- */

static void some_set(flow_t *flow, wcx_mass_quote_quote_sets_t *set)
{
  uint32_t security_id = flow_one_in(flow, 200) ? 7 : some_security(flow);
  int64_t bid = some_price(flow, security_id);
  int64_t step = security_id == 2 && flow->profile->limits ? 5 : 1;
  *set = (wcx_mass_quote_quote_sets_t){
      .bid_px = bid,
      .offer_px = bid + step * (1 + (int64_t)flow_below(flow, 6)),
      .bid_size = some_qty(flow, security_id),
      .offer_size = some_qty(flow, security_id),
      .security_id = security_id,
      .quote_entry_id = (uint32_t)flow_below(flow, 4),
  };
  if (flow_one_in(flow, 10))
    set->bid_px = WCX_I64_NULL;
  if (flow_one_in(flow, 10))
    set->offer_px = WCX_I64_NULL;
  if (flow_one_in(flow, 15))
    set->bid_size = 0;
  if (flow_one_in(flow, 15))
    set->offer_size = 0;
  if (flow_one_in(flow, 50))
    set->offer_px = bid;
  if (flow_percent(flow, flow->profile->traits.invalid))
    set->bid_size = -5;
  if (flow_percent(flow, flow->profile->traits.invalid))
    set->offer_px = 0;
}

static void make_quote(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  uint32_t session_id = flow_one_in(flow, 3) ? some_session(flow) : 1 + (uint32_t)flow_below(flow, 3);
  uint32_t room = FLOW_LIVE_MAX > ref_live_cnt(flow->ref) ? (FLOW_LIVE_MAX - ref_live_cnt(flow->ref)) / 2 : 0;
  uint32_t set_cnt = flow_one_in(flow, 60) ? 33 : (uint32_t)flow_below(flow, 5);
  if (set_cnt > room)
    set_cnt = room;
  wcx_mass_quote_t r = {
      .quote_id = next_cl_ord_id(flow, session_id),
      .account = flow_one_in(flow, 200) ? 77 : some_account(flow, session_id),
      .self_match_prevention_id = some_prevention_id(flow),
      .mmp_group = (uint16_t)flow_below(flow, 3),
      .flags = (uint16_t)((flow_one_in(flow, 8) ? 1 : 0) | (flow_one_in(flow, 5) ? 2 : 0)),
      .self_match_prevention_inst = some_prevention(flow),
  };
  wcx_group_size_t size = {.block_length = sizeof(wcx_mass_quote_quote_sets_t), .num_in_group = (uint16_t)set_cnt};
  flow_client(flow, hdr, WCX_TEMPLATE_MASS_QUOTE, session_id, r.account);
  flow_body(hdr, body, &r, sizeof(r));
  flow_body(hdr, body, &size, sizeof(size));
  for (uint32_t i = 0; i < set_cnt; i++)
  {
    wcx_mass_quote_quote_sets_t set;
    some_set(flow, &set);
    flow_body(hdr, body, &set, sizeof(set));
  }
}

static void make_mmp_config(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  uint32_t session_id = some_session(flow);
  wcx_mmp_config_request_t r = {
      .cl_ord_id = next_cl_ord_id(flow, session_id),
      .max_qty = flow_one_in(flow, 2) ? 20 + (int64_t)flow_below(flow, 200) : WCX_I64_NULL,
      .max_notional_window = flow_one_in(flow, 2) ? (20 + (int64_t)flow_below(flow, 200)) * flow->profile->center_px : WCX_I64_NULL,
      .window_nanos = flow_one_in(flow, 30) ? 0 : 1 + flow_below(flow, flow_one_in(flow, 3) ? 20000 : 10000000),
      .freeze_nanos = flow_one_in(flow, 3) ? 0 : 1 + flow_below(flow, 50000),
      .max_count = flow_one_in(flow, 3) ? 0 : (uint32_t)flow_below(flow, flow_one_in(flow, 4) ? 100 : 12),
      .mmp_group = (uint16_t)flow_below(flow, flow_one_in(flow, 20) ? 60 : 3),
  };
  if (flow_percent(flow, flow->profile->traits.invalid))
    r.max_qty = -1;
  flow_client(flow, hdr, WCX_TEMPLATE_MMP_CONFIG_REQUEST, session_id, 0);
  flow_body(hdr, body, &r, sizeof(r));
}

static void make_mmp_reset(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  uint32_t session_id = some_session(flow);
  wcx_mmp_reset_request_t r = {.cl_ord_id = next_cl_ord_id(flow, session_id), .mmp_group = (uint16_t)flow_below(flow, 4)};
  flow_client(flow, hdr, WCX_TEMPLATE_MMP_RESET_REQUEST, session_id, 0);
  flow_body(hdr, body, &r, sizeof(r));
}

/* --- one of all kinds ------------------------------------------------------------------------------------------------------------------ */

typedef void make_t(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body);

static make_t *some_kind(flow_t *flow)
{
  const flow_weights_t *w = &flow->profile->weights;
  const struct
  {
    uint16_t weight;
    make_t *make;
  } kinds[] = {
      {w->new_order, make_order},
      {w->cancel, make_cancel},
      {w->replace, make_replace},
      {w->mass_cancel, make_mass_cancel},
      {w->unlock, make_unlock},
      {w->quote, make_quote},
      {w->mmp_config, make_mmp_config},
      {w->mmp_reset, make_mmp_reset},
      {w->status, flow_make_status},
      {w->band, flow_make_band},
      {w->rule, flow_make_rule},
      {w->account, flow_make_account},
      {w->limit, flow_make_limit},
      {w->balance, flow_make_balance},
      {w->fee_tier, flow_make_fee_tier},
      {w->kill, make_kill},
      {w->trade_break, flow_make_trade_break},
      {w->session, flow_make_session},
      {w->tick, flow_make_tick},
      {w->day_roll, flow_make_day_roll},
      {w->redefine, flow_make_redefinition},
      {w->entitle, flow_make_entitlement},
  };
  uint64_t sum = 0;
  for (uint32_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
    sum += kinds[i].weight;
  uint64_t roll = flow_below(flow, sum);
  uint32_t i = 0;
  for (; roll >= kinds[i].weight; i++)
    roll -= kinds[i].weight;
  return kinds[i].make;
}

/* Small steps; now and then to a deadline or one beside it, or far ahead. */
static void advance(flow_t *flow)
{
  uint64_t deadline = ref_next_deadline_ns(flow->ref);
  flow->stamp_ns += 1 + flow_below(flow, 200);
  if (flow_below(flow, 1000) >= flow->profile->jump)
    return;
  uint64_t to = 0;
  if (deadline != UINT64_MAX && flow_one_in(flow, 2))
    to = deadline + flow_below(flow, 3) - 1;
  else if (flow_one_in(flow, 20))
    to = (flow->stamp_ns / (86400u * (uint64_t)NS_PER_S) + 1) * 86400u * (uint64_t)NS_PER_S + flow_below(flow, 2);
  else
    to = flow->stamp_ns + flow_below(flow, flow_one_in(flow, 4) ? 5 * NS_PER_S : 100000);
  if (to > flow->stamp_ns)
    flow->stamp_ns = to;
}

void flow_init(flow_t *flow, const flow_profile_t *profile, uint64_t seed, const ref_t *ref)
{
  memset(flow, 0, sizeof(*flow));
  flow->profile = profile;
  flow->ref = ref;
  /* far apart for seeds that are close */
  flow->random = seed;
  flow->random = flow_random(flow) * 0xd1342543de82ef95u;
  flow->stamp_ns = START_NS;
}

void flow_next(flow_t *flow, wcx_record_hdr_t *hdr, uint8_t *body)
{
  memset(hdr, 0, sizeof(*hdr));
  hdr->format = WCX_RECORD_FORMAT;
  hdr->shard = 1;
  advance(flow);
  if (flow_make_set_up(flow, hdr, body))
    return;
  uint32_t live = ref_live_cnt(flow->ref);
  if (live >= FLOW_LIVE_MAX || (live > flow->profile->live_target && flow_one_in(flow, 3)))
    make_cancel(flow, hdr, body);
  else if (live < flow->profile->live_target / 2 && flow_one_in(flow, 2))
    make_order(flow, hdr, body);
  else
    some_kind(flow)(flow, hdr, body);
}

/* --- trades that may be broken --------------------------------------------------------------------------------------------------------- */

void flow_observe(flow_t *flow, const ref_out_list_t *out)
{
  if (flow->profile->weights.trade_break == 0)
    return;
  for (uint32_t i = 0; i < out->cnt; i++)
  {
    wcx_message_header_t header;
    wcx_execution_report_trade_t trade;
    memcpy(&header, out->bytes + out->at[i].off, sizeof(header));
    if (header.template_id != WCX_TEMPLATE_EXECUTION_REPORT_TRADE)
      continue;
    memcpy(&trade, out->bytes + out->at[i].off + sizeof(header), sizeof(trade));
    if (flow->half.trd_match_id == trade.trd_match_id)
    {
      bool buy = trade.side == WCX_SIDE_BUY;
      flow->trades[flow->trade_cnt++ % FLOW_TRADES] = (flow_trade_t){buy ? trade : flow->half, buy ? flow->half : trade};
    }
    flow->half = trade;
  }
}
