/* Random commands through all statuses, and what must hold whatever they are:
   - the price of an auction is the best of all candidates, found by looking at every one of them;
   - an uncross trades exactly that volume at exactly that price, and what is left does not cross;
   - a book built from the feed alone equals the engine's, order by order;
   - every invariant of the state (wcx_engine_verify: among them that the feed has been told what an auction would do now);
   - outputs stay within the bound announced (checked by the fixture);
   - engines with other sizes of memory and another hash key end in the same digests. */
#include "tests/unit/engine_fixture.h"

#include "engine/book.h"
#include "engine/uncross.h"

#define COMMAND_CNT 60000
#define INSTRUMENT_CNT 2
#define SESSION_CNT 4
#define SHOWN_MAX 1024

static uint64_t rng;

static uint64_t any(uint64_t below)
{
  rng ^= rng << 13;
  rng ^= rng >> 7;
  rng ^= rng << 17;
  return (rng * UINT64_C(0x2545F4914F6CDD1D) >> 20) % below;
}

static const int64_t increment_of[INSTRUMENT_CNT + 1] = {1, 1, 5};

/* --- the price, the slow way ------------------------------------------------------------------------------------------------------------ */

static bool in_book(const wcx_engine_t *engine, uint32_t slot, uint32_t instrument)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  return order->level != 0 && (order->flags & WCX_ORDER_F_WAITING) == 0 && order->instrument == instrument;
}

static wcx_indicative_t at_price(const wcx_engine_t *engine, uint32_t instrument, int64_t px)
{
  wcx_u128_t bought = 0;
  wcx_u128_t sold = 0;
  for (uint32_t slot = 1; slot <= engine->pool.bump; slot++)
    if (in_book(engine, slot, instrument))
    {
      const wcx_order_t *order = &engine->pool.orders[slot];
      int64_t price = wcx_book_price(engine, slot);
      bought += order->side == BUY && price >= px ? (uint64_t)order->leaves : 0;
      sold += order->side == SELL && price <= px ? (uint64_t)order->leaves : 0;
    }
  return (wcx_indicative_t){.paired = bought < sold ? bought : sold,
                            .imbalance = bought < sold ? sold - bought : bought - sold,
                            .px = px,
                            .side = bought == sold  ? WCX_SIDE_FILTER_BOTH
                                    : bought > sold ? WCX_SIDE_FILTER_BUY
                                                    : WCX_SIDE_FILTER_SELL};
}

static void look(const wcx_engine_t *engine, uint32_t instrument, int64_t px, wcx_indicative_t *best)
{
  int64_t reference = engine->instruments[instrument].reference_px;
  wcx_indicative_t at = at_price(engine, instrument, px);
  if (at.paired == 0 || at.paired < best->paired)
    return;
  if (at.paired == best->paired)
  {
    int64_t far = reference != 0 ? llabs(px - reference) : 0;
    int64_t best_far = reference != 0 ? llabs(best->px - reference) : 0;
    if (at.imbalance > best->imbalance)
      return;
    if (at.imbalance == best->imbalance && (far > best_far || (far == best_far && px >= best->px)))
      return;
  }
  *best = at;
}

static wcx_indicative_t slow_price(const wcx_engine_t *engine, uint32_t instrument)
{
  wcx_indicative_t best = {.px = WCX_I64_NULL};
  for (uint32_t slot = 1; slot <= engine->pool.bump; slot++)
    if (in_book(engine, slot, instrument))
      look(engine, instrument, wcx_book_price(engine, slot), &best);
  int64_t reference = engine->instruments[instrument].reference_px;
  if (reference != 0 && reference % increment_of[instrument + 1] == 0)
    look(engine, instrument, reference, &best);
  return best;
}

/* --- the book from the feed ------------------------------------------------------------------------------------------------------------- */

typedef struct shown
{
  uint64_t order_id;
  uint64_t priority;
  int64_t px;
  int64_t qty;
  uint32_t security_id;
  uint8_t side;
} shown_t;

typedef struct model
{
  shown_t at[SHOWN_MAX];
  uint32_t cnt;
  uint64_t priority;
  uint64_t seen[420];
  uint64_t uncrosses;
  uint64_t reasons[32];
} model_t;

static shown_t *find(model_t *m, uint64_t order_id)
{
  for (uint32_t i = 0; i < m->cnt; i++)
    if (m->at[i].order_id == order_id)
      return &m->at[i];
  fail_msg("the feed has not shown order %llu", (unsigned long long)order_id);
  return NULL;
}

static void less(model_t *m, uint64_t order_id, int64_t qty)
{
  shown_t *shown = find(m, order_id);
  assert_true(qty >= 0 && qty < shown->qty);
  shown->qty = qty;
  if (qty == 0)
    *shown = m->at[--m->cnt];
}

static void hear_feed(model_t *m, const said_t *s)
{
  const void *block = s->block;
  if (s->template_id == WCX_TEMPLATE_ADD_ORDER)
  {
    const wcx_add_order_t *md = block;
    assert_true(m->cnt < SHOWN_MAX);
    m->at[m->cnt++] = (shown_t){md->order_id, ++m->priority, md->price, md->display_qty, md->security_id, md->side};
  }
  else if (s->template_id == WCX_TEMPLATE_ORDER_EXECUTED)
  {
    const wcx_order_executed_t *md = block;
    less(m, md->order_id, find(m, md->order_id)->qty - md->last_qty);
  }
  else if (s->template_id == WCX_TEMPLATE_REDUCE_ORDER)
    less(m, ((const wcx_reduce_order_t *)block)->order_id, ((const wcx_reduce_order_t *)block)->leaves_qty);
  else if (s->template_id == WCX_TEMPLATE_DELETE_ORDER)
    less(m, ((const wcx_delete_order_t *)block)->order_id, 0);
  else if (s->template_id == WCX_TEMPLATE_REPLACE_ORDER)
  {
    const wcx_replace_order_t *md = block;
    shown_t *shown = find(m, md->order_id);
    *shown = (shown_t){md->new_order_id, ++m->priority, md->price, md->display_qty, md->security_id, md->side};
  }
}

static void hear(model_t *m, const world_t *w)
{
  assert_true(w->said_cnt <= SAID_MAX);
  for (uint32_t i = 0; i < w->said_cnt; i++)
  {
    m->seen[w->said[i].template_id]++;
    if (w->said[i].template_id == WCX_TEMPLATE_EXECUTION_REPORT_CANCEL)
      m->reasons[SAID(w, i, wcx_execution_report_cancel_t).cancel_reason]++;
    if (w->said[i].stream == WCX_STREAM_FEED)
      hear_feed(m, &w->said[i]);
  }
}

typedef struct walk
{
  model_t *m;
  uint32_t security_id;
  uint32_t cnt;
  uint64_t priority;
  int64_t px;
  uint8_t side;
} walk_t;

static bool same_order(void *ctx, uint64_t order_id, int64_t price, int64_t qty)
{
  walk_t *walk = ctx;
  const shown_t *shown = find(walk->m, order_id);
  assert_int_equal(shown->px, price);
  assert_int_equal(shown->qty, qty);
  assert_int_equal(shown->security_id, walk->security_id);
  assert_int_equal(shown->side, walk->side);
  assert_true(walk->px != price || shown->priority > walk->priority);
  walk->px = price;
  walk->priority = shown->priority;
  walk->cnt++;
  return true;
}

static void compare_books(model_t *m, const world_t *w)
{
  uint32_t cnt = 0;
  for (uint32_t security_id = 1; security_id <= INSTRUMENT_CNT; security_id++)
    for (uint8_t side = BUY; side <= SELL; side++)
    {
      walk_t walk = {.m = m, .security_id = security_id, .side = side};
      assert_true(wcx_engine_book_orders(w->engine, security_id, side, same_order, &walk));
      cnt += walk.cnt;
    }
  assert_int_equal(cnt, m->cnt);
}

/* --- commands --------------------------------------------------------------------------------------------------------------------------- */

typedef struct command
{
  uint16_t template_id;
  uint16_t body_sz;
  uint32_t session_id;
  uint8_t body[144];
} command_t;

#define PUT(c, id, value)                                                                                                                                                          \
  do                                                                                                                                                                               \
  {                                                                                                                                                                                \
    (c)->template_id = (id);                                                                                                                                                       \
    (c)->body_sz = sizeof(value);                                                                                                                                                  \
    memcpy((c)->body, &(value), sizeof(value));                                                                                                                                    \
  } while (0)

static int64_t any_price(uint32_t security_id)
{
  return (100 + (int64_t)any(any(8) == 0 ? 40 : 12)) * increment_of[security_id];
}

static void any_new(command_t *c, uint64_t cl_ord_id)
{
  static const uint8_t tifs[10] = {GTC, GTC, GTC, GTC, WCX_TIME_IN_FORCE_AT_THE_OPENING, WCX_TIME_IN_FORCE_AT_THE_OPENING, WCX_TIME_IN_FORCE_AT_THE_CLOSE, IOC, FOK, GTC};
  uint32_t security_id = 1 + (uint32_t)any(INSTRUMENT_CNT);
  wcx_new_order_single_t order = an_order(cl_ord_id, c->session_id, (uint8_t)(1 + any(2)), any_price(security_id), 1 + (int64_t)any(12));
  order.security_id = security_id;
  order.time_in_force = tifs[any(10)];
  if (any(5) == 0)
    order.display_qty = 1 + (int64_t)any((uint64_t)order.order_qty);
  else if (any(5) == 0)
    order.exec_inst = WCX_EXEC_INST_HIDDEN;
  if (any(12) == 0)
    order.exec_inst |= any(2) == 0 ? WCX_EXEC_INST_POST_ONLY : WCX_EXEC_INST_POST_ONLY_REPRICE;
  if (any(10) == 0)
  {
    order.ord_type = any(2) == 0 ? WCX_ORD_TYPE_STOP_LIMIT : WCX_ORD_TYPE_LIMIT;
    order.stop_px = order.ord_type == WCX_ORD_TYPE_LIMIT ? WCX_I64_NULL : any_price(security_id);
    order.time_in_force = GTC;
  }
  PUT(c, WCX_TEMPLATE_NEW_ORDER_SINGLE, order);
}

/* A live order of the session, whatever it waits for, or 0. */
static uint64_t any_order(const wcx_engine_t *engine, uint32_t session_id, uint32_t *security_id)
{
  uint64_t skip = any(8);
  uint32_t slot = engine->sessions[session_id - 1].order_head;
  while (skip-- != 0 && engine->pool.links[slot].next != 0)
    slot = engine->pool.links[slot].next;
  if (slot == 0)
    return 0;
  *security_id = engine->instruments[engine->pool.orders[slot].instrument].security_id;
  return engine->pool.orders[slot].order_id;
}

static void any_change(command_t *c, uint64_t cl_ord_id, uint64_t order_id, uint32_t security_id)
{
  if (any(3) == 0)
  {
    wcx_order_cancel_request_t request = {.cl_ord_id = cl_ord_id, .orig_cl_ord_id = WCX_U64_NULL, .order_id = order_id, .security_id = security_id};
    PUT(c, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, request);
    return;
  }
  wcx_order_cancel_replace_request_t request = a_replace(cl_ord_id, WCX_U64_NULL, any(2) == 0 ? WCX_I64_NULL : any_price(security_id), 1 + (int64_t)any(12));
  request.order_id = order_id;
  request.security_id = security_id;
  request.display_qty = any(4) == 0 ? 1 + (int64_t)any((uint64_t)request.order_qty) : WCX_I64_NULL;
  request.exec_inst = any(8) == 0 ? WCX_EXEC_INST_HIDDEN : 0;
  PUT(c, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, request);
}

static void any_operation(command_t *c, const world_t *w)
{
  static const uint8_t statuses[16] = {17, 17, 17, 17, 17, 2, 18, 21, 22, 22, 26, 100, 101, 102, 103, 104};
  uint64_t now = wcx_engine_last_stamp_ns(w->engine);
  uint32_t security_id = 1 + (uint32_t)any(INSTRUMENT_CNT);
  wcx_security_status_t status = {.expected_resume = any(2) == 0 ? WCX_U64_NULL : now + any(200), .security_id = security_id, .security_trading_status = statuses[any(16)]};
  wcx_price_band_t band = {.low_limit_price = any(2) == 0 ? WCX_I64_NULL : (int64_t)any(104) * increment_of[security_id],
                           .high_limit_price = any(2) == 0 ? WCX_I64_NULL : (105 + (int64_t)any(40)) * increment_of[security_id],
                           .reference_price = any(2) == 0 ? WCX_I64_NULL : any_price(security_id) + (int64_t)any(2),
                           .security_id = security_id};
  wcx_volatility_rule_t rule = {.dynamic_range = any(3) == 0 ? 0 : 1000000 * (1 + any(80)), .pause_nanos = any(30), .auction_nanos = 1 + any(60), .security_id = security_id};
  wcx_trade_break_command_t undo = {.trd_match_id = 1 + any(w->engine->match_id + 1),
                                    .last_px = 1,
                                    .last_qty = 1,
                                    .security_id = security_id,
                                    .buy_account = 1,
                                    .sell_account = 2,
                                    .buy_session_id = 1,
                                    .sell_session_id = 2,
                                    .reason = 1};
  switch (any(8))
  {
  case 0:
    PUT(c, WCX_TEMPLATE_PRICE_BAND, band);
    break;
  case 1:
    PUT(c, WCX_TEMPLATE_VOLATILITY_RULE, rule);
    break;
  case 2:
    if (world_definition_error(w, WCX_TEMPLATE_TRADE_BREAK_COMMAND, &undo) == NULL)
    {
      PUT(c, WCX_TEMPLATE_TRADE_BREAK_COMMAND, undo);
      break;
    }
    /* fall through */
  default:
    PUT(c, WCX_TEMPLATE_SECURITY_STATUS, status);
    break;
  }
}

static command_t any_command(world_t *w)
{
  command_t c = {.session_id = 1 + (uint32_t)any(SESSION_CNT)};
  uint64_t cl_ord_id = w->cl_ord_id[c.session_id] + 1;
  uint64_t dice = any(100);
  uint32_t security_id;
  uint64_t order_id = dice >= 60 ? any_order(w->engine, c.session_id, &security_id) : 0;
  if (dice < 6)
  {
    any_operation(&c, w);
    c.session_id = 0;
    return c;
  }
  w->cl_ord_id[c.session_id] = cl_ord_id;
  if (dice == 6 && any(6) == 0)
  {
    wcx_order_mass_cancel_request_t request = {
        .cl_ord_id = cl_ord_id, .security_id = WCX_U32_NULL, .account = WCX_U32_NULL, .mass_cancel_request_type = WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_ALL_ORDERS};
    PUT(&c, WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, request);
  }
  else if (order_id != 0)
    any_change(&c, cl_ord_id, order_id, security_id);
  else
    any_new(&c, cl_ord_id);
  return c;
}

static void apply(world_t *w, const command_t *c, uint64_t stamp_ns)
{
  uint64_t client_seq = c->session_id != 0 ? wcx_engine_applied_seq(w->engine) + 1 : 0;
  world_apply_at(w, stamp_ns, c->template_id, c->session_id, client_seq, c->body, c->body_sz);
}

/* A status command that uncrosses, with nothing due before it: it trades what looking at everything says. */
static void compare_uncross(model_t *m, const world_t *w, const wcx_security_status_t *status, const wcx_indicative_t *expected)
{
  uint64_t traded = 0;
  uint64_t event_id = 0;
  for (uint32_t i = 0; i < w->said_cnt; i++)
  {
    if (w->said[i].template_id != WCX_TEMPLATE_EXECUTION_REPORT_TRADE)
      continue;
    const wcx_execution_report_trade_t er = SAID(w, i, wcx_execution_report_trade_t);
    if (er.last_liquidity_ind != WCX_LAST_LIQUIDITY_IND_AUCTION)
      continue;
    assert_int_equal(er.security_id, status->security_id);
    assert_int_equal(er.last_px, expected->px);
    assert_true(event_id == 0 || event_id == er.match_event_id);
    event_id = er.match_event_id;
    traded += er.side == BUY ? (uint64_t)er.last_qty : 0;
  }
  assert_true(traded == expected->paired);
  m->uncrosses += traded != 0;
}

static void populate(world_t *w)
{
  world_populate(w);
  for (uint32_t i = 1; i <= INSTRUMENT_CNT; i++)
  {
    wcx_security_definition_t definition = an_instrument(i);
    definition.min_price_increment = increment_of[i];
    world_define(w, &definition);
  }
  wcx_capacity_t capacity = {.max_orders = 150, .max_instruments = 8, .max_accounts = 32, .max_sessions = 16, .max_levels = 40};
  world_apply(w, WCX_TEMPLATE_CAPACITY, 0, 0, &capacity, sizeof(capacity));
}

static void whatever_comes(void **state)
{
  (void)state;
  const char *seed = getenv("WCX_SEED");
  rng = seed != NULL ? strtoull(seed, NULL, 0) : 0xa0c710e5;
  print_message("# WCX_SEED=%llu\n", (unsigned long long)rng);
  static const wcx_engine_limits_t other = {
      .shard = 1, .orders_max = 5000, .levels_max = 3000, .instruments_max = 100, .accounts_max = 777, .sessions_max = 64, .hash_key = UINT64_C(0xfeedfacecafebeef)};
  static world_t one, two;
  static model_t m;
  world_make(&one, &world_limits, 1 << 25);
  world_make(&two, &other, 1 << 25);
  populate(&one);
  populate(&two);
  for (uint32_t i = 1; i <= COMMAND_CNT; i++)
  {
    command_t c = any_command(&one);
    uint64_t stamp_ns = wcx_engine_last_stamp_ns(one.engine) + 1 + any(3);
    wcx_security_status_t status;
    memcpy(&status, c.body, sizeof(status));
    bool uncrosses = c.template_id == WCX_TEMPLATE_SECURITY_STATUS && wcx_engine_next_deadline_ns(one.engine) > stamp_ns &&
                     (status.security_trading_status == 17 || status.security_trading_status == 102 || status.security_trading_status == 26);
    wcx_indicative_t expected = uncrosses ? slow_price(one.engine, status.security_id - 1) : (wcx_indicative_t){0};
    apply(&one, &c, stamp_ns);
    apply(&two, &c, stamp_ns);
    hear(&m, &one);
    if (uncrosses)
      compare_uncross(&m, &one, &status, &expected);
    for (uint32_t k = 0; k < INSTRUMENT_CNT; k++)
    {
      wcx_indicative_t fast = wcx_uncross_indicate(one.engine, &one.engine->instruments[k]);
      wcx_indicative_t slow = slow_price(one.engine, k);
      assert_true(fast.px == slow.px && fast.paired == slow.paired && fast.imbalance == slow.imbalance && fast.side == slow.side);
    }
    if (i % 20 != 0)
      continue;
    wcx_engine_verify(one.engine);
    compare_books(&m, &one);
    wcx_digest_t a = wcx_engine_state_digest(one.engine);
    wcx_digest_t b = wcx_engine_state_digest(two.engine);
    assert_memory_equal(&a, &b, sizeof(a));
    a = wcx_engine_output_digest(one.engine);
    b = wcx_engine_output_digest(two.engine);
    assert_memory_equal(&a, &b, sizeof(a));
  }
  static const uint16_t must_have_happened[] = {201, 202, 203, 204, 205, 206, 207, 208, 302, 303, 304, 305, 306, 307, 308, 309, 310, 311};
  for (size_t i = 0; i < sizeof(must_have_happened) / sizeof(must_have_happened[0]); i++)
  {
    print_message("# template %u: %llu\n", must_have_happened[i], (unsigned long long)m.seen[must_have_happened[i]]);
    assert_true(m.seen[must_have_happened[i]] > 20);
  }
  print_message("# uncrosses that traded: %llu, expired %llu, band %llu, no level %llu\n", (unsigned long long)m.uncrosses,
                (unsigned long long)m.reasons[WCX_CANCEL_REASON_EXPIRED], (unsigned long long)m.reasons[WCX_CANCEL_REASON_PRICE_BAND],
                (unsigned long long)m.reasons[WCX_CANCEL_REASON_SYSTEM]);
  assert_true(m.uncrosses > 100 && m.reasons[WCX_CANCEL_REASON_EXPIRED] > 100);
  world_free(&one);
  world_free(&two);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_comes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
