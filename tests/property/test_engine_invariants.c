/* Random commands against the engine, and what must hold whatever they are:
   - every invariant of the state (wcx_engine_verify, which also recomputes the state digest);
   - quantities are conserved, order by order, as its owner's reports tell them;
   - a book built from the feed alone equals the engine's, order by order in priority;
   - quotes live under their keys; a protection group that triggers leaves no order of it behind;
   - numbers of every stream rise by one; outputs stay within the bound announced (checked by the fixture);
   - engines with other sizes of memory and another hash key, of which one takes no short way, end in the same digests, and write the same snapshots;
   - an engine that is replaced by what its snapshot says, again and again, ends in the same digests. */
#include "tests/unit/quote_fixture.h"

#include "engine/reject.h"

#define COMMAND_CNT 200000
#define CHECK_EVERY 500
#define SNAPSHOT_EVERY 997
#define INSTRUMENT_CNT 3
#define SESSION_CNT 9
#define TRACKED_MAX 512
#define MAX_ORDERS 400
#define MAX_LEVELS 180

static uint64_t rng;

static uint64_t any(uint64_t below)
{
  rng ^= rng << 13;
  rng ^= rng >> 7;
  rng ^= rng << 17;
  return (rng * UINT64_C(0x2545F4914F6CDD1D) >> 20) % below;
}

/* An order as its owner's reports tell it, or as the feed tells it. */
typedef struct tracked
{
  uint64_t order_id;
  uint64_t cl_ord_id;
  uint32_t session_id;
  uint32_t security_id;
  int64_t order_qty;
  int64_t leaves;
  int64_t px;
  uint64_t priority;
  uint8_t side;
  uint32_t smp_id; /* effective: no account has one of its own here */
  uint8_t smp_inst;
  bool post_only; /* until it is replaced */
  bool sweeps;    /* Market, MarketToLimit: rests where it traded last, or not at all */
  bool quote;
  bool dying;         /* a quote that the running MassQuote replaces, now or soon */
  uint16_t mmp_group; /* that it falls with; of a quote its key's */
  uint32_t entry_id;
} tracked_t;

typedef struct tracker
{
  tracked_t at[TRACKED_MAX];
  uint32_t cnt;
} tracker_t;

typedef struct model
{
  tracker_t owners;
  tracker_t feed;
  uint64_t session_number[16];
  uint64_t feed_number;
  uint64_t priority;
  uint64_t exec_id;
  uint64_t match_id;
  uint32_t maker_smp_id; /* of the last fill */
  uint64_t seen[400];    /* messages by template */
  uint64_t canceled[32]; /* ER_Cancel by reason */
  const quote_t *quote;  /* of the running input, NULL: it is none */
  uint16_t order_group;  /* that a new order of the running input falls with */
} model_t;

static tracked_t *find(tracker_t *tracker, uint64_t order_id)
{
  for (uint32_t i = 0; i < tracker->cnt; i++)
    if (tracker->at[i].order_id == order_id)
      return &tracker->at[i];
  return NULL;
}

static void add(tracker_t *tracker, tracked_t order)
{
  assert_null(find(tracker, order.order_id));
  assert_true(tracker->cnt < TRACKED_MAX);
  tracker->at[tracker->cnt++] = order;
}

static void drop(tracker_t *tracker, uint64_t order_id)
{
  tracked_t *order = find(tracker, order_id);
  assert_non_null(order);
  *order = tracker->at[--tracker->cnt];
}

static void hear_trade(model_t *m, const wcx_execution_report_trade_t *er)
{
  tracked_t *o = find(&m->owners, er->order_id);
  assert_non_null(o);
  assert_int_equal(o->session_id, er->session_id);
  assert_int_equal(o->cl_ord_id, er->cl_ord_id);
  o->leaves -= er->last_qty;
  assert_true(er->last_qty > 0);
  assert_int_equal(o->leaves, er->leaves_qty);
  assert_int_equal(er->cum_qty + er->leaves_qty, o->order_qty);
  assert_int_equal(er->flags, o->quote);
  if (er->last_liquidity_ind == WCX_LAST_LIQUIDITY_IND_ADDED_LIQUIDITY)
    assert_int_equal(er->last_px, o->px);
  else if (o->post_only)
    fail_msg("post-only order %llu took", (unsigned long long)o->order_id);
  else if (o->sweeps)
    o->px = er->last_px;
  else
    assert_true(o->side == BUY ? er->last_px <= o->px : er->last_px >= o->px);
  assert_int_equal(er->ord_status, o->leaves == 0 ? WCX_ORD_STATUS_FILLED : WCX_ORD_STATUS_PARTIALLY_FILLED);
  if (er->last_liquidity_ind == WCX_LAST_LIQUIDITY_IND_ADDED_LIQUIDITY)
  {
    m->match_id++;
    m->maker_smp_id = o->smp_id;
  }
  else if (o->smp_inst != WCX_SELF_MATCH_PREVENTION_INST_NONE)
    assert_int_not_equal(m->maker_smp_id, o->smp_id);
  assert_int_equal(er->trd_match_id, m->match_id);
  if (o->leaves == 0)
    drop(&m->owners, er->order_id);
}

/* One side of a set that was accepted. */
static void hear_quote(model_t *m, const wcx_mass_quote_quote_sets_t *set, uint32_t session_id, uint64_t order_id, uint8_t side)
{
  if (order_id == WCX_U64_NULL)
    return;
  const wcx_mass_quote_t *block = &m->quote->block;
  int64_t qty = side == BUY ? set->bid_size : set->offer_size;
  tracked_t quote = {.order_id = order_id,
                     .cl_ord_id = block->quote_id,
                     .session_id = session_id,
                     .security_id = set->security_id,
                     .order_qty = qty,
                     .leaves = qty,
                     .px = side == BUY ? set->bid_px : set->offer_px,
                     .side = side,
                     .smp_id = block->self_match_prevention_id != 0 ? block->self_match_prevention_id : block->account,
                     .smp_inst = block->self_match_prevention_inst,
                     .post_only = (block->flags & WCX_QUOTE_F_POST_ONLY) != 0,
                     .quote = true,
                     .mmp_group = block->mmp_group,
                     .entry_id = set->quote_entry_id};
  add(&m->owners, quote);
}

/* The ack tells of all sets before any of them trades. */
static void hear_ack(model_t *m, const said_t *s)
{
  const wcx_mass_quote_ack_t *ack = (const void *)s->block;
  wcx_group_size_t group;
  memcpy(&group, s->block + sizeof(*ack), sizeof(group));
  assert_non_null(m->quote);
  assert_int_equal(ack->quote_id, m->quote->block.quote_id);
  assert_int_equal(group.num_in_group, ack->quote_reject_reason == 0 ? m->quote->group.num_in_group : 0);
  for (uint32_t i = 0; i < group.num_in_group; i++)
  {
    const wcx_mass_quote_quote_sets_t *set = &m->quote->sets[i];
    wcx_mass_quote_ack_quote_sets_t said;
    memcpy(&said, s->block + sizeof(*ack) + sizeof(group) + i * sizeof(said), sizeof(said));
    assert_int_equal(said.quote_entry_id, set->quote_entry_id);
    for (uint32_t k = 0; k < m->owners.cnt; k++)
    {
      tracked_t *o = &m->owners.at[k];
      if (o->quote && o->session_id == ack->session_id && o->mmp_group == ack->mmp_group && o->security_id == set->security_id && o->entry_id == set->quote_entry_id)
        o->dying = true;
    }
    hear_quote(m, set, ack->session_id, said.bid_order_id, BUY);
    hear_quote(m, set, ack->session_id, said.offer_order_id, SELL);
  }
}

/* What the running input has replaced is gone by its end. */
static void bury(model_t *m)
{
  for (uint32_t k = m->owners.cnt; k-- > 0;)
    if (m->owners.at[k].dying)
      m->owners.at[k] = m->owners.at[--m->owners.cnt];
}

/* A group that has triggered is empty, unless more quotes of the same message came behind it. */
static void check_fallen(const model_t *m, const wcx_mmp_event_t *event)
{
  if (m->quote != NULL || event->event > WCX_MMP_EVENT_TYPE_TRIGGERED_BY_NOTIONAL)
    return;
  for (uint32_t k = 0; k < m->owners.cnt; k++)
    assert_false(m->owners.at[k].session_id == event->session_id && m->owners.at[k].mmp_group == event->mmp_group);
}

static void hear_owner(model_t *m, const said_t *s)
{
  uint64_t exec_id;
  switch (s->template_id)
  {
  case WCX_TEMPLATE_EXECUTION_REPORT_NEW:
  {
    const wcx_execution_report_new_t *er = (const void *)s->block;
    add(&m->owners, (tracked_t){er->order_id, er->cl_ord_id, er->session_id, er->security_id, er->order_qty, er->leaves_qty, er->price, 0, er->side,
                                er->self_match_prevention_id != 0 ? er->self_match_prevention_id : er->account, er->self_match_prevention_inst,
                                (er->exec_inst & (WCX_EXEC_INST_POST_ONLY | WCX_EXEC_INST_POST_ONLY_REPRICE)) != 0, er->ord_type != WCX_ORD_TYPE_LIMIT, false, false,
                                (er->exec_inst & WCX_EXEC_INST_MMP) != 0 ? m->order_group : 0, 0});
    exec_id = er->exec_id;
    break;
  }
  case WCX_TEMPLATE_EXECUTION_REPORT_TRADE:
    hear_trade(m, (const void *)s->block);
    exec_id = ((const wcx_execution_report_trade_t *)(const void *)s->block)->exec_id;
    break;
  case WCX_TEMPLATE_EXECUTION_REPORT_CANCEL:
  {
    const wcx_execution_report_cancel_t *er = (const void *)s->block;
    exec_id = er->exec_id;
    if (exec_id == m->exec_id) /* the copy for another session that asked */
      return;
    tracked_t *o = find(&m->owners, er->order_id);
    assert_non_null(o);
    assert_int_equal(er->canceled_qty, o->leaves);
    if (er->cancel_reason == WCX_CANCEL_REASON_TIME_IN_FORCE_FOK || er->cancel_reason == WCX_CANCEL_REASON_MIN_QTY_NOT_MET)
      assert_int_equal(er->cum_qty, 0);
    m->canceled[er->cancel_reason]++;
    assert_int_equal(er->cum_qty + er->canceled_qty, o->order_qty);
    assert_int_equal(er->cl_ord_id, o->cl_ord_id);
    drop(&m->owners, er->order_id);
    break;
  }
  case WCX_TEMPLATE_EXECUTION_REPORT_RESTATED:
  {
    const wcx_execution_report_restated_t *er = (const void *)s->block;
    tracked_t *o = find(&m->owners, er->order_id);
    assert_non_null(o);
    assert_int_equal(er->exec_restatement_reason, WCX_RESTATEMENT_REASON_SELF_MATCH_DECREMENT);
    assert_true(er->prevented_qty > 0);
    o->order_qty -= er->prevented_qty; /* CumQty stays */
    o->leaves -= er->prevented_qty;
    assert_int_equal(er->leaves_qty, o->leaves);
    assert_int_equal(er->ord_status, o->leaves == o->order_qty ? WCX_ORD_STATUS_NEW : WCX_ORD_STATUS_PARTIALLY_FILLED);
    exec_id = er->exec_id;
    break;
  }
  case WCX_TEMPLATE_EXECUTION_REPORT_REPLACE:
  {
    const wcx_execution_report_replace_t *er = (const void *)s->block;
    tracked_t *o = find(&m->owners, er->order_id);
    assert_non_null(o);
    assert_int_equal(er->orig_cl_ord_id, o->cl_ord_id);
    assert_int_equal(er->order_qty - er->leaves_qty, o->order_qty - o->leaves); /* CumQty stays */
    o->cl_ord_id = er->cl_ord_id;
    o->order_qty = er->order_qty;
    o->leaves = er->leaves_qty;
    o->px = er->price;
    o->sweeps = false;
    o->post_only = false;
    o->mmp_group = 0; /* no replace here asks for it */
    exec_id = er->exec_id;
    break;
  }
  case WCX_TEMPLATE_EXECUTION_REPORT_REJECT:
    exec_id = ((const wcx_execution_report_reject_t *)(const void *)s->block)->exec_id;
    break;
  case WCX_TEMPLATE_ORDER_MASS_CANCEL_REPORT:
    exec_id = ((const wcx_order_mass_cancel_report_t *)(const void *)s->block)->exec_id;
    break;
  case WCX_TEMPLATE_TRADING_LOCK_EVENT:
    exec_id = ((const wcx_trading_lock_event_t *)(const void *)s->block)->exec_id;
    break;
  case WCX_TEMPLATE_MASS_QUOTE_ACK:
    hear_ack(m, s);
    exec_id = ((const wcx_mass_quote_ack_t *)(const void *)s->block)->exec_id;
    break;
  case WCX_TEMPLATE_MMP_EVENT:
    exec_id = ((const wcx_mmp_event_t *)(const void *)s->block)->exec_id;
    break;
  case WCX_TEMPLATE_ORDER_CANCEL_REJECT:
    exec_id = ((const wcx_order_cancel_reject_t *)(const void *)s->block)->exec_id;
    break;
  default: /* sign-on and sign-off */
    return;
  }
  assert_int_equal(exec_id, ++m->exec_id);
}

static void hear_feed(model_t *m, const said_t *s)
{
  assert_int_equal(s->number, ++m->feed_number);
  switch (s->template_id)
  {
  case WCX_TEMPLATE_ADD_ORDER:
  {
    const wcx_add_order_t *md = (const void *)s->block;
    add(&m->feed, (tracked_t){.order_id = md->order_id, .security_id = md->security_id, .leaves = md->display_qty, .px = md->price, .priority = ++m->priority, .side = md->side});
    break;
  }
  case WCX_TEMPLATE_ORDER_EXECUTED:
  {
    const wcx_order_executed_t *md = (const void *)s->block;
    tracked_t *o = find(&m->feed, md->order_id);
    assert_non_null(o);
    assert_int_equal(md->last_px, o->px);
    assert_int_not_equal(md->aggressor_side, o->side);
    o->leaves -= md->last_qty;
    assert_true(o->leaves >= 0);
    if (o->leaves == 0)
      drop(&m->feed, md->order_id);
    break;
  }
  case WCX_TEMPLATE_REDUCE_ORDER:
  {
    const wcx_reduce_order_t *md = (const void *)s->block;
    tracked_t *o = find(&m->feed, md->order_id);
    assert_non_null(o);
    assert_true(md->leaves_qty > 0 && md->leaves_qty < o->leaves);
    o->leaves = md->leaves_qty;
    break;
  }
  case WCX_TEMPLATE_DELETE_ORDER:
    drop(&m->feed, ((const wcx_delete_order_t *)(const void *)s->block)->order_id);
    break;
  case WCX_TEMPLATE_REPLACE_ORDER:
  {
    const wcx_replace_order_t *md = (const void *)s->block;
    tracked_t *o = find(&m->feed, md->order_id);
    assert_non_null(o);
    assert_int_equal(md->new_order_id, md->order_id);
    o->px = md->price;
    o->leaves = md->display_qty;
    o->priority = ++m->priority;
    break;
  }
  default:
    break;
  }
}

static void hear(model_t *m, const world_t *w)
{
  assert_true(w->said_cnt <= SAID_MAX);
  bool public_began = false;
  for (uint32_t i = 0; i < w->said_cnt; i++)
  {
    const said_t *s = &w->said[i];
    public_began = public_began || s->stream == WCX_STREAM_FEED;
    assert_true(!public_began || s->stream == WCX_STREAM_FEED); /* one input: all that is private, then all that is public */
    m->seen[s->template_id]++;
    if (s->stream == WCX_STREAM_FEED)
      hear_feed(m, s);
    else if (s->stream == WCX_STREAM_SESSION)
    {
      assert_int_equal(s->number, ++m->session_number[s->stream_id]);
      hear_owner(m, s);
    }
  }
  bury(m);
  for (uint32_t i = 0; i < w->said_cnt; i++)
    if (w->said[i].template_id == WCX_TEMPLATE_MMP_EVENT)
      check_fallen(m, (const void *)w->said[i].block);
}

/* --- the book from the feed against the engine's -------------------------------------------------------------------------------------- */

static int by_priority(const void *a, const void *b)
{
  const tracked_t *x = a;
  const tracked_t *y = b;
  if (x->px != y->px)
    return (x->px < y->px) == (x->side == BUY) ? 1 : -1;
  return x->priority < y->priority ? -1 : 1;
}

static bool same_order(void *ctx, uint64_t order_id, int64_t price, int64_t qty)
{
  tracker_t *left = ctx;
  assert_true(left->cnt > 0);
  const tracked_t *want = &left->at[0];
  assert_int_equal(order_id, want->order_id);
  assert_int_equal(price, want->px);
  assert_int_equal(qty, want->leaves);
  left->cnt--;
  memmove(left->at, left->at + 1, left->cnt * sizeof(left->at[0]));
  return true;
}

static void compare_books(const model_t *m, const world_t *w)
{
  static tracker_t side_of_feed;
  for (uint32_t security = 1; security <= INSTRUMENT_CNT; security++)
    for (uint8_t side = BUY; side <= SELL; side++)
    {
      side_of_feed.cnt = 0;
      for (uint32_t i = 0; i < m->feed.cnt; i++)
        if (m->feed.at[i].security_id == security && m->feed.at[i].side == side)
          side_of_feed.at[side_of_feed.cnt++] = m->feed.at[i];
      qsort(side_of_feed.at, side_of_feed.cnt, sizeof(tracked_t), by_priority);
      assert_true(wcx_engine_book_orders(w->engine, security, side, same_order, &side_of_feed));
      assert_int_equal(side_of_feed.cnt, 0);
    }
}

/* --- commands ------------------------------------------------------------------------------------------------------------------------- */

typedef struct command
{
  uint16_t template_id;
  uint16_t body_sz;
  uint32_t session_id;
  uint64_t client_seq;
  uint8_t body[WCX_RECORD_BODY_SZ_MAX];
  quote_t quote; /* of a MassQuote, once more */
} command_t;

static const int64_t increment_of[INSTRUMENT_CNT + 1] = {1, 1, 5, 7};
static const int64_t lot_of[INSTRUMENT_CNT + 1] = {1, 1, 10, 3};

/* Every other stretch of commands mostly adds, away from the other side, until orders and levels run out. */
static bool growing;

static int64_t any_price(uint32_t security, uint8_t side)
{
  int64_t idx = 1000 + (int64_t)any(24);
  if (growing && any(10) != 0)
    idx += side == BUY ? -25 - (int64_t)any(40) : 25 + (int64_t)any(40);
  if (any(40) == 0)
    idx = (int64_t)any(UINT64_C(1) << any(55)) + 1;
  return any(50) == 0 ? (int64_t)any(3) - 1 : idx * increment_of[security] + (any(60) == 0);
}

static int64_t any_qty(uint32_t security)
{
  return (int64_t)(1 + any(any(10) == 0 ? 200 : 12)) * lot_of[security] + (any(60) == 0) - (any(100) == 0 ? 30 : 0);
}

#define PUT(c, id, value)                                                                                                                                                          \
  do                                                                                                                                                                               \
  {                                                                                                                                                                                \
    (c)->template_id = (id);                                                                                                                                                       \
    (c)->body_sz = sizeof(value);                                                                                                                                                  \
    memcpy((c)->body, &(value), sizeof(value));                                                                                                                                    \
  } while (0)

static void any_new(command_t *c, uint64_t cl_ord_id)
{
  static const uint8_t tifs[8] = {GTC, GTC, GTC, GTC, GTC, IOC, FOK, WCX_TIME_IN_FORCE_DAY};
  uint32_t security = 1 + (uint32_t)any(INSTRUMENT_CNT) + (any(100) == 0 ? 5 : 0);
  uint32_t rules = security <= INSTRUMENT_CNT ? security : 0;
  uint8_t side = (uint8_t)(1 + any(2));
  wcx_new_order_single_t order = an_order(cl_ord_id, c->session_id == 9 ? 1 + (uint32_t)any(9) : c->session_id, side, any_price(rules, side), any_qty(rules));
  order.security_id = security;
  order.time_in_force = tifs[any(8)];
  order.exec_inst = any(4) == 0 ? WCX_EXEC_INST_CANCEL_ON_DISCONNECT : 0;
  if (any(4) == 0)
    order.self_match_prevention_inst = (uint8_t)(1 + any(4));
  if (any(12) == 0)
    order.min_qty = (int64_t)any(4) * lot_of[rules];
  if (any(12) == 0)
    order.exec_inst |= WCX_EXEC_INST_ALL_OR_NONE;
  if (any(6) == 0)
    order.self_match_prevention_id = 1 + (uint32_t)any(4);
  if (any(6) == 0)
    order.exec_inst |= any(2) == 0 ? WCX_EXEC_INST_POST_ONLY : WCX_EXEC_INST_POST_ONLY_REPRICE;
  if (any(6) == 0)
  {
    order.mmp_group = (uint16_t)(1 + any(4));
    order.exec_inst |= any(8) == 0 ? 0 : WCX_EXEC_INST_MMP;
  }
  if (any(10) == 0)
  {
    order.ord_type = any(2) == 0 ? WCX_ORD_TYPE_MARKET : WCX_ORD_TYPE_MARKET_TO_LIMIT;
    if (any(8) != 0)
      order.price = WCX_I64_NULL;
  }
  PUT(c, WCX_TEMPLATE_NEW_ORDER_SINGLE, order);
}

static void any_cancel(command_t *c, uint64_t cl_ord_id, const tracked_t *target)
{
  bool by_order_id = any(2) == 0;
  wcx_order_cancel_request_t request = {
      .cl_ord_id = cl_ord_id,
      .orig_cl_ord_id = by_order_id ? WCX_U64_NULL : target->cl_ord_id,
      .order_id = by_order_id ? target->order_id - (any(30) == 0 ? 1 << 24 : 0) : WCX_U64_NULL,
      .security_id = target->security_id + (any(30) == 0),
  };
  if (by_order_id && any(6) == 0)
    c->session_id = 9;
  PUT(c, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, request);
}

static void any_replace(command_t *c, uint64_t cl_ord_id, const tracked_t *target)
{
  wcx_order_cancel_replace_request_t request =
      a_replace(cl_ord_id, target->cl_ord_id, any(3) == 0 ? WCX_I64_NULL : any_price(target->security_id, target->side), any_qty(target->security_id));
  if (any(3) == 0)
    request.order_qty = target->order_qty - (int64_t)any(2) * lot_of[target->security_id];
  request.security_id = target->security_id;
  if (any(6) == 0)
    request.exec_inst = any(2) == 0 ? WCX_EXEC_INST_POST_ONLY : WCX_EXEC_INST_POST_ONLY_REPRICE;
  PUT(c, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, request);
}

/* Few entries, so that they replace each other, on any instrument, at prices that meet often. */
static void any_quote(command_t *c, uint64_t quote_id)
{
  quote_t quote = {.block = {.quote_id = quote_id,
                             .account = c->session_id == 9 || any(100) == 0 ? 1 + (uint32_t)any(9) : c->session_id,
                             .mmp_group = (uint16_t)any(4),
                             .flags = (uint16_t)(any(8) == 0 ? any(4) : 0)},
                   .group = {.block_length = WCX_QUOTE_SET_SZ}};
  if (any(4) == 0)
    quote.block.self_match_prevention_inst = (uint8_t)any(5);
  if (any(8) == 0)
    quote.block.self_match_prevention_id = 1 + (uint32_t)any(4);
  for (uint64_t left = any(any(20) == 0 ? WCX_QUOTE_SETS_MAX + 1 : 4); left > 0; left--)
  {
    uint32_t security = 1 + (uint32_t)any(INSTRUMENT_CNT) + (any(100) == 0 ? 5 : 0);
    uint32_t rules = security <= INSTRUMENT_CNT ? security : 0;
    wcx_mass_quote_quote_sets_t *set = add_set(&quote, (uint32_t)any(3), any_price(rules, BUY), any_qty(rules), any_price(rules, SELL), any_qty(rules));
    set->security_id = security;
    if (any(4) == 0)
      set->bid_size = 0;
    if (any(4) == 0)
      set->offer_px = WCX_I64_NULL;
  }
  c->template_id = WCX_TEMPLATE_MASS_QUOTE;
  c->body_sz = quote_body(&quote, c->body);
  c->quote = quote;
}

static void any_group(command_t *c, uint64_t cl_ord_id)
{
  wcx_mmp_config_request_t config = a_group((uint16_t)any(4), any(20) == 0 ? 0 : 10000 + any(10000000), (uint32_t)any(5));
  wcx_mmp_reset_request_t reset = {.cl_ord_id = cl_ord_id, .mmp_group = (uint16_t)(1 + any(3))};
  config.cl_ord_id = cl_ord_id;
  config.freeze_nanos = any(2) * any(1000000);
  if (any(2) == 0)
    config.max_qty = (int64_t)any(50);
  if (any(2) == 0)
    config.max_notional_window = (int64_t)any(50000);
  if (any(2) == 0)
    PUT(c, WCX_TEMPLATE_MMP_CONFIG_REQUEST, config);
  else
    PUT(c, WCX_TEMPLATE_MMP_RESET_REQUEST, reset);
}

/* Narrow ones mostly, so that books live on. */
static void any_mass_cancel(command_t *c, uint64_t cl_ord_id)
{
  static const uint8_t types[5] = {1, 7, 100, 101, 102};
  wcx_order_mass_cancel_request_t request = {
      .cl_ord_id = cl_ord_id,
      .security_id = any(4) == 0 ? WCX_U32_NULL : 1 + (uint32_t)any(INSTRUMENT_CNT + 1),
      .account = any(2) == 0 ? WCX_U32_NULL : 1 + (uint32_t)any(9),
      .mmp_group = (uint16_t)any(4),
      .mass_cancel_request_type = types[any(5)],
      .side = (uint8_t)any(3),
      .lock_trading = any(20) == 0,
  };
  if (c->session_id == 9 && request.account == WCX_U32_NULL && any(10) != 0)
    request.account = 1;
  PUT(c, WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, request);
}

static void any_unlock(command_t *c, uint64_t cl_ord_id)
{
  wcx_unlock_trading_request_t request = {.cl_ord_id = cl_ord_id, .account = any(2) == 0 ? WCX_U32_NULL : c->session_id - (any(5) == 0)};
  PUT(c, WCX_TEMPLATE_UNLOCK_TRADING_REQUEST, request);
}

/* Sign-ons and sign-offs, halts, ticks: seldom. */
static void any_event(command_t *c)
{
  wcx_session_opened_t opened = {.uuid = any(1u << 30), .cod_timeout_window = 1, .flags = (uint16_t)any(2), .transport = 2, .key_slot = (uint8_t)any(2)};
  wcx_session_closed_t closed = {.uuid = 1, .transport = 2, .cancel_orders = (uint8_t)any(3), .terminate = (uint8_t)any(2)};
  wcx_session_refused_t refused = {.uuid = any(1u << 30), .peer_tag = 5};
  wcx_security_status_t status = {.expected_resume = WCX_U64_NULL,
                                  .security_id = 1 + (uint32_t)any(INSTRUMENT_CNT),
                                  .security_trading_status = any(4) == 0 ? WCX_SECURITY_TRADING_STATUS_TRADING_HALT : WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE};
  wcx_tick_t tick = {0};
  wcx_kill_switch_t kill = {.account = 1 + (uint32_t)any(8), .locked = any(6) == 0};
  switch (any(6))
  {
  case 5:
    PUT(c, WCX_TEMPLATE_KILL_SWITCH, kill);
    break;
  case 0:
    PUT(c, WCX_TEMPLATE_SESSION_OPENED, opened);
    break;
  case 1:
    PUT(c, WCX_TEMPLATE_SESSION_CLOSED, closed);
    break;
  case 2:
    PUT(c, WCX_TEMPLATE_SESSION_REFUSED, refused);
    break;
  case 3:
    PUT(c, WCX_TEMPLATE_SECURITY_STATUS, status);
    break;
  default:
    PUT(c, WCX_TEMPLATE_TICK, tick);
    break;
  }
}

static command_t any_command(world_t *w, const model_t *m)
{
  command_t c = {.session_id = 1 + (uint32_t)any(SESSION_CNT)};
  uint64_t dice = any(1000);
  if (growing && dice >= 560 && any(3) != 0)
    dice = 500;
  const tracked_t *target = m->owners.cnt != 0 ? &m->owners.at[any(m->owners.cnt)] : NULL;
  if (dice >= 996)
  {
    any_event(&c);
    return c;
  }
  if (dice >= 560 && target != NULL)
    c.session_id = target->session_id;
  /* steps of 1 mostly, as clients do; now and then a jump, a repeat or 0 */
  uint64_t cl_ord_id = w->cl_ord_id[c.session_id] + (any(20) == 0 ? any(100) : 1);
  if (any(200) == 0)
    cl_ord_id = 0;
  if (dice < 4)
    any_mass_cancel(&c, cl_ord_id);
  else if (dice < 12)
    any_unlock(&c, cl_ord_id);
  else if (dice < 50)
    any_quote(&c, cl_ord_id);
  else if (dice < 56)
    any_group(&c, cl_ord_id);
  else if (dice >= 780 && target != NULL)
    any_replace(&c, cl_ord_id, target);
  else if (dice >= 560 && target != NULL)
  {
    any_cancel(&c, cl_ord_id, target);
    if (c.session_id == 9)
    {
      cl_ord_id = w->cl_ord_id[9] + 1;
      memcpy(c.body, &cl_ord_id, sizeof(cl_ord_id));
    }
  }
  else
    any_new(&c, cl_ord_id);
  if (cl_ord_id > w->cl_ord_id[c.session_id])
    w->cl_ord_id[c.session_id] = cl_ord_id;
  c.client_seq = ++w->client_seq[c.session_id];
  return c;
}

static void apply(world_t *w, const command_t *c)
{
  world_apply_at(w, wcx_engine_last_stamp_ns(w->engine) + 10000, c->template_id, c->client_seq != 0 || (c->template_id >= 406 && c->template_id <= 408) ? c->session_id : 0,
                 c->client_seq, c->body, c->body_sz);
}

static void populate(world_t *w)
{
  world_populate(w);
  for (uint32_t i = 1; i <= INSTRUMENT_CNT; i++)
  {
    wcx_security_definition_t definition = an_instrument(i);
    definition.min_price_increment = increment_of[i];
    definition.round_lot = lot_of[i];
    world_define(w, &definition);
  }
  wcx_capacity_t capacity = {.max_orders = MAX_ORDERS, .max_instruments = 8, .max_accounts = 32, .max_sessions = 16, .max_levels = MAX_LEVELS};
  world_apply(w, WCX_TEMPLATE_CAPACITY, 0, 0, &capacity, sizeof(capacity));
}

/* Of equal engines: both write the same, and the second goes on as what the first wrote. */
static void go_through_snapshot(const world_t *one, world_t *two, const wcx_engine_limits_t *limits)
{
  uint64_t sz, sz_two;
  uint8_t *snapshot = world_save(one, &sz);
  uint8_t *snapshot_two = world_save(two, &sz_two);
  assert_int_equal(sz, sz_two);
  assert_memory_equal(snapshot, snapshot_two, sz);
  world_load(two, limits, snapshot, sz);
  wcx_engine_verify(two->engine);
  free(snapshot);
  free(snapshot_two);
}

static void whatever_comes(void **state)
{
  (void)state;
  const char *seed = getenv("WCX_SEED");
  rng = seed != NULL ? strtoull(seed, NULL, 0) : 0x5eed0001;
  print_message("# WCX_SEED=%llu\n", (unsigned long long)rng);
  static const wcx_engine_limits_t other = {.shard = 1,
                                            .orders_max = 5000,
                                            .levels_max = 3000,
                                            .instruments_max = 100,
                                            .accounts_max = 777,
                                            .sessions_max = 64,
                                            .long_way_only = true,
                                            .hash_key = UINT64_C(0xfeedfacecafebeef)};
  static const wcx_engine_limits_t larger = {.shard = 1,
                                             .orders_max = 6001,
                                             .levels_max = 2222,
                                             .instruments_max = 60,
                                             .accounts_max = 999,
                                             .sessions_max = 70,
                                             .long_way_only = true,
                                             .hash_key = UINT64_C(0x0ddba11)};
  static world_t one, two;
  static model_t m;
  world_make(&one, &world_limits, 1 << 20);
  world_make(&two, &other, 1 << 18);
  populate(&one);
  populate(&two);
  m.feed_number = wcx_engine_feed_next_number(one.engine) - 1;
  for (uint32_t i = 1; i <= COMMAND_CNT; i++)
  {
    growing = i / 5000 % 2 == 0;
    command_t c = any_command(&one, &m);
    apply(&one, &c);
    apply(&two, &c);
    m.quote = c.template_id == WCX_TEMPLATE_MASS_QUOTE ? &c.quote : NULL;
    memcpy(&m.order_group, c.body + offsetof(wcx_new_order_single_t, mmp_group), sizeof(m.order_group));
    hear(&m, &one);
    if (i % SNAPSHOT_EVERY == 0)
      go_through_snapshot(&one, &two, i / SNAPSHOT_EVERY % 2 == 0 ? &other : &larger);
    if (i % CHECK_EVERY != 0)
      continue;
    wcx_engine_verify(one.engine);
    compare_books(&m, &one);
    assert_int_equal(m.owners.cnt, wcx_engine_orders_live(one.engine));
    wcx_digest_t a = wcx_engine_state_digest(one.engine);
    wcx_digest_t b = wcx_engine_state_digest(two.engine);
    assert_memory_equal(&a, &b, sizeof(a));
    a = wcx_engine_output_digest(one.engine);
    b = wcx_engine_output_digest(two.engine);
    assert_memory_equal(&a, &b, sizeof(a));
  }
  static const uint16_t must_have_happened[] = {201, 202, 203, 204, 205, 206, 208, 209, 210, 211, 212, 213, 2, 3, 4, 302, 303, 304, 305, 306, 307};
  for (size_t i = 0; i < sizeof(must_have_happened) / sizeof(must_have_happened[0]); i++)
  {
    print_message("# template %u: %llu\n", must_have_happened[i], (unsigned long long)m.seen[must_have_happened[i]]);
    assert_true(m.seen[must_have_happened[i]] > 20);
  }
  static const uint8_t reasons[] = {WCX_CANCEL_REASON_USER_REQUESTED,    WCX_CANCEL_REASON_TIME_IN_FORCE_IOC,
                                    WCX_CANCEL_REASON_TIME_IN_FORCE_FOK, WCX_CANCEL_REASON_SELF_MATCH_PREVENTION,
                                    WCX_CANCEL_REASON_DISCONNECT,        WCX_CANCEL_REASON_MASS_CANCEL,
                                    WCX_CANCEL_REASON_KILL_SWITCH,       WCX_CANCEL_REASON_MIN_QTY_NOT_MET,
                                    WCX_CANCEL_REASON_NO_LIQUIDITY,      WCX_CANCEL_REASON_MARKET_MAKER_PROTECTION};
  for (size_t i = 0; i < sizeof(reasons); i++)
  {
    print_message("# cancel reason %u: %llu\n", reasons[i], (unsigned long long)m.canceled[reasons[i]]);
    assert_true(m.canceled[reasons[i]] > 20);
  }
  for (enum wcx_reject reject = 1; reject < WCX_REJECT_CNT; reject++)
    print_message("# reject %s: %llu\n", wcx_reject_name(reject), (unsigned long long)wcx_engine_reject_cnt(one.engine, reject));
  assert_true(wcx_engine_reject_cnt(one.engine, WCX_REJECT_LEVELS_FULL) > 20);
  assert_true(wcx_engine_reject_cnt(one.engine, WCX_REJECT_ORDERS_FULL) > 20);
  assert_true(wcx_engine_reject_cnt(one.engine, WCX_REJECT_POST_ONLY) > 20);
  assert_true(wcx_engine_reject_cnt(one.engine, WCX_REJECT_MMP_FROZEN) > 20);
  assert_true(wcx_engine_reject_cnt(one.engine, WCX_REJECT_KILL_SWITCH) > 20);
  world_free(&one);
  world_free(&two);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_comes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
