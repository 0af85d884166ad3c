/* Mass quotes: keys, sides, refusals, matching, bounds. RULES.md section 11; scenes with every field in tests/golden/quote_*.play. */
#include "tests/unit/quote_fixture.h"

#include "engine/state.h"

#include <sys/wait.h>
#include <unistd.h>

#define ACCEPTED WCX_QUOTE_STATUS_ACCEPTED
#define PARTLY WCX_QUOTE_STATUS_PARTLY_REJECTED
#define REJECTED WCX_QUOTE_STATUS_REJECTED
#define FINE WCX_QUOTE_REJECT_REASON_NONE

static void a_quote_replaces_what_stands_under_its_key(void **state)
{
  world_t *w = *state;
  quote(w, 1, 0, 99, 5, 101, 6);
  expect_said(w, 211, 303, 303, 0);
  expect_ack(w, 0, ACCEPTED, FINE, 1);
  wcx_mass_quote_ack_quote_sets_t first = said_set(w, 0, 0);
  assert_int_equal(first.security_id, 1);
  quote(w, 1, 0, 98, 5, 102, 6);
  expect_said(w, 211, 306, 306, 303, 303, 0);
  assert_true(SAID(w, 1, wcx_delete_order_t).order_id == first.bid_order_id);
  assert_true(SAID(w, 2, wcx_delete_order_t).order_id == first.offer_order_id);
  expect_book(w, BUY, 1, 98, 5, 1);
  expect_book(w, SELL, 1, 102, 6, 1);

  /* every part of the key counts */
  quote(w, 1, 1, 97, 1, 103, 1);
  quote(w, 2, 0, 96, 1, 104, 1);
  quote_t other = a_quote(w, 1, 0);
  add_set(&other, 1, 95, 1, 105, 1);
  send_quote(w, 1, &other);
  wcx_security_definition_t definition = an_instrument(2);
  world_define(w, &definition);
  other = a_quote(w, 1, 0);
  add_set(&other, 0, 94, 1, 106, 1)->security_id = 2;
  send_quote(w, 1, &other);
  expect_book(w, BUY, 4, 98, 5, 1, 97, 1, 1, 96, 1, 1, 95, 1, 1);
  assert_int_equal(wcx_engine_orders_live(w->engine), 10);

  /* one side at a time: a null price or a size of 0 takes the old one out */
  quote(w, 1, 0, WCX_I64_NULL, 5, 102, 7);
  expect_said(w, 211, 306, 306, 303, 0);
  expect_ack(w, 0, ACCEPTED, FINE, 1);
  assert_true(said_set(w, 0, 0).bid_order_id == WCX_U64_NULL);
  assert_int_equal(said_set(w, 0, 0).bid_rej_reason, 0);
  quote(w, 1, 0, 98, 0, WCX_I64_NULL, 1);
  expect_said(w, 211, 306, 0);
  quote(w, 1, 0, 98, 1, 102, 0);
  expect_said(w, 211, 303, 0);
  wcx_engine_verify(w->engine);
}

/* A ClOrdID and a quote's key live in one index and are never taken for each other. */
static void a_key_is_no_cl_ord_id(void **state)
{
  world_t *w = *state;
  uint64_t id = order(w, 1, BUY, 90, 1); /* ClOrdID 1 */
  quote_t one = a_quote(w, 1, 0);
  for (uint32_t entry = 0; entry < 16; entry++)
    add_set(&one, entry, 80, 1, WCX_I64_NULL, 0);
  send_quote(w, 1, &one);
  cancel(w, 1, one.block.quote_id);
  expect_said(w, 208, 0);
  cancel(w, 1, id);
  expect_said(w, 204, 306, 0);
  expect_book(w, BUY, 1, 80, 16, 16);

  /* homes that collide are told apart: in a small table the key's home is taken by another key, and so is its home in the second one */
  wcx_index_t index = w->engine->index;
  uint64_t entries[16] = {0};
  uint64_t spill[16] = {0};
  index.entries = entries;
  index.spill = spill;
  index.mask = 15;
  index.spill_mask = 15;
  uint32_t slot = w->engine->sessions[0].order_head;
  uint64_t key = w->engine->pool.extras[slot].quote_key;
  uint32_t home = wcx_index_home(&index, 0 | WCX_INDEX_QUOTE(BUY), key);
  wcx_order_t *orders = w->engine->pool.orders;
  uint32_t next = w->engine->pool.links[slot].next;
  entries[home & 15] = (uint64_t)home << 32 | next; /* the same home, another key */
  uint64_t at = wcx_index_spill_home(&index, home);
  spill[at] = (uint64_t)(home + 8) << 32 | next;      /* another home */
  spill[(at + 1) & 15] = (uint64_t)home << 32 | next; /* the same home, another key */
  assert_int_equal(wcx_index_find_quote(&index, &w->engine->pool, 0, BUY, key), 0);
  spill[(at + 2) & 15] = (uint64_t)home << 32 | slot;
  assert_int_equal(wcx_index_find_quote(&index, &w->engine->pool, 0, BUY, key), slot);
  orders[slot].session = 1;
  assert_int_equal(wcx_index_find_quote(&index, &w->engine->pool, 0, BUY, key), 0);
  orders[slot].session = 0;
  orders[slot].side = SELL;
  assert_int_equal(wcx_index_find_quote(&index, &w->engine->pool, 0, BUY, key), 0);
  orders[slot].side = BUY;
  orders[slot].flags &= (uint8_t)~WCX_ORDER_F_QUOTE;
  assert_int_equal(wcx_index_find_quote(&index, &w->engine->pool, 0, BUY, key), 0);
  orders[slot].flags |= WCX_ORDER_F_QUOTE;
}

/* One row a reason, in the order of the checks: each request has the fault of its row and all of those below. */
static void refused_whole(void **state)
{
  world_t *w = *state;
  quote(w, 1, 0, 99, 5, 101, 5);
  configure(w, 1, a_group(1, 100, 0));
  wcx_order_mass_cancel_request_t freeze = {.cl_ord_id = ++w->cl_ord_id[1],
                                            .security_id = WCX_U32_NULL,
                                            .account = WCX_U32_NULL,
                                            .mmp_group = 1,
                                            .mass_cancel_request_type = WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_MMP_GROUP,
                                            .lock_trading = 1};
  world_apply(w, WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, 1, ++w->client_seq[1], &freeze, sizeof(freeze));
  expect_said(w, 212, 209, 0);

  quote_t bad = a_quote(w, 1, 1);
  bad.block.quote_id = w->cl_ord_id[1];
  bad.block.account = 99;
  for (uint32_t entry = 0; entry < WCX_QUOTE_SETS_MAX + 1; entry++)
    add_set(&bad, entry, 90, 1, 110, 1);
  send_quote(w, 1, &bad);
  expect_said(w, 211, 0);
  expect_ack(w, 0, REJECTED, WCX_QUOTE_REJECT_REASON_DUPLICATE_QUOTE_ID, 0);
  bad.block.quote_id = w->cl_ord_id[1] + 1;
  send_quote(w, 1, &bad);
  expect_ack(w, 0, REJECTED, WCX_QUOTE_REJECT_REASON_TOO_MANY_SETS, 0);
  bad.group.num_in_group = 1;
  bad.block.quote_id++;
  send_quote(w, 1, &bad);
  expect_ack(w, 0, REJECTED, WCX_QUOTE_REJECT_REASON_UNKNOWN_ACCOUNT, 0);
  bad.block.quote_id++;
  bad.block.account = 2;
  send_quote(w, 1, &bad);
  expect_ack(w, 0, REJECTED, WCX_QUOTE_REJECT_REASON_NOT_ENTITLED, 0);
  bad.block.quote_id++;
  bad.block.account = 1;
  w->engine->sessions[0].lock = WCX_LOCKED_BY_CLIENT;
  send_quote(w, 1, &bad);
  expect_ack(w, 0, REJECTED, WCX_QUOTE_REJECT_REASON_KILL_SWITCH_ACTIVE, 0);
  /* a reset is not asked for while that holds */
  bad.block.quote_id++;
  bad.block.flags = WCX_QUOTE_F_RESET_MMP;
  send_quote(w, 1, &bad);
  expect_said(w, 211, 0);
  bad.block.flags = 0;
  w->engine->sessions[0].lock = 0;
  bad.block.quote_id++;
  send_quote(w, 1, &bad);
  expect_ack(w, 0, REJECTED, WCX_QUOTE_REJECT_REASON_MMP_FROZEN, 0);
  assert_int_equal(SAID(w, 0, wcx_mass_quote_ack_t).mmp_group, 1);
  assert_true(SAID(w, 0, wcx_mass_quote_ack_t).quote_id == bad.block.quote_id);
  expect_book(w, BUY, 1, 99, 5, 1);
  expect_book(w, SELL, 1, 101, 5, 1);

  /* after the reset that it asks for it is welcome; the MmpEvent stands before the ack, ExecIDs in that order */
  bad.block.quote_id++;
  bad.block.flags = WCX_QUOTE_F_RESET_MMP;
  send_quote(w, 1, &bad);
  expect_said(w, 212, 211, 303, 303, 0);
  assert_true(SAID(w, 0, wcx_mmp_event_t).exec_id + 1 == SAID(w, 1, wcx_mass_quote_ack_t).exec_id);
  /* in no group there is nothing to reset */
  quote_t none = a_quote(w, 1, 0);
  none.block.flags = WCX_QUOTE_F_RESET_MMP;
  send_quote(w, 1, &none);
  expect_said(w, 211, 0);
  expect_ack(w, 0, ACCEPTED, FINE, 0);

  wcx_kill_switch_t kill = {.account = 1, .locked = 1};
  world_apply(w, WCX_TEMPLATE_KILL_SWITCH, 0, 0, &kill, sizeof(kill));
  quote(w, 1, 0, 90, 1, 110, 1);
  expect_ack(w, 0, REJECTED, WCX_QUOTE_REJECT_REASON_KILL_SWITCH_ACTIVE, 0);
}

static void refused_side_by_side(void **state)
{
  world_t *w = *state;
  wcx_security_definition_t definition = an_instrument(2);
  definition.min_price_increment = 5;
  definition.round_lot = 10;
  definition.min_trade_vol = 20;
  definition.max_trade_vol = 1000;
  definition.low_limit_price = 50;
  definition.high_limit_price = 500;
  definition.min_notional = 2000;
  definition.max_notional = 100000;
  world_define(w, &definition);
  static const struct
  {
    int64_t px, qty;
    uint16_t reason;
  } rows[] = {
      {0, 20, WCX_QUOTE_SIDE_REJ_REASON_INVALID_PRICE},           {101, 20, WCX_QUOTE_SIDE_REJ_REASON_INVALID_PRICE_INCREMENT},
      {45, 20, WCX_QUOTE_SIDE_REJ_REASON_PRICE_EXCEEDS_BAND},     {505, 20, WCX_QUOTE_SIDE_REJ_REASON_PRICE_EXCEEDS_BAND},
      {100, -20, WCX_QUOTE_SIDE_REJ_REASON_INCORRECT_QUANTITY},   {100, 10, WCX_QUOTE_SIDE_REJ_REASON_INCORRECT_QUANTITY},
      {100, 2000, WCX_QUOTE_SIDE_REJ_REASON_ORDER_EXCEEDS_LIMIT}, {100, 25, WCX_QUOTE_SIDE_REJ_REASON_INVALID_QTY_INCREMENT},
      {50, 20, WCX_QUOTE_SIDE_REJ_REASON_MIN_NOTIONAL},           {500, 1000, WCX_QUOTE_SIDE_REJ_REASON_NOTIONAL_VALUE_EXCEEDS_THRESHOLD},
  };
  quote_t many = a_quote(w, 1, 0);
  uint32_t cnt = sizeof(rows) / sizeof(rows[0]);
  for (uint32_t i = 0; i < cnt; i++)
    add_set(&many, i, rows[i].px, rows[i].qty, 200, 30)->security_id = 2; /* the offers are fine */
  many.sets[1].bid_px = rows[1].px;
  /* ... but for bids that are not below them */
  for (uint32_t i = 0; i < cnt; i++)
    if (many.sets[i].bid_px >= 200)
      many.sets[i].offer_px = WCX_I64_NULL;
  send_quote(w, 1, &many);
  expect_ack(w, 0, PARTLY, FINE, cnt);
  for (uint32_t i = 0; i < cnt; i++)
  {
    assert_int_equal(said_set(w, 0, i).bid_rej_reason, rows[i].reason);
    assert_true(said_set(w, 0, i).bid_order_id == WCX_U64_NULL);
    assert_int_equal(said_set(w, 0, i).offer_rej_reason, WCX_QUOTE_SIDE_REJ_REASON_ACCEPTED);
    assert_true((said_set(w, 0, i).offer_order_id != WCX_U64_NULL) == (many.sets[i].offer_px != WCX_I64_NULL));
  }
  assert_int_equal(wcx_engine_reject_cnt(w->engine, WCX_REJECT_PRICE_BAND), 2);

  /* crossed in itself, at one price too: both are refused, and what stood there is gone */
  quote(w, 1, 0, 99, 5, 101, 6);
  quote(w, 1, 0, 100, 5, 100, 6);
  expect_said(w, 211, 306, 306, 0);
  expect_ack(w, 0, REJECTED, FINE, 1);
  assert_int_equal(said_set(w, 0, 0).bid_rej_reason, WCX_QUOTE_SIDE_REJ_REASON_INVALID_PRICE);
  assert_int_equal(said_set(w, 0, 0).offer_rej_reason, WCX_QUOTE_SIDE_REJ_REASON_INVALID_PRICE);
  /* one side only cannot cross itself */
  quote(w, 1, 0, 100, 5, 90, 0);
  expect_ack(w, 0, ACCEPTED, FINE, 1);

  /* an unknown instrument names both sides, and counts those given */
  quote_t unknown = a_quote(w, 1, 0);
  add_set(&unknown, 5, 1, 1, WCX_I64_NULL, 0)->security_id = 77;
  send_quote(w, 1, &unknown);
  expect_ack(w, 0, REJECTED, FINE, 1);
  assert_int_equal(said_set(w, 0, 0).bid_rej_reason, WCX_QUOTE_SIDE_REJ_REASON_UNKNOWN_SYMBOL);
  assert_int_equal(said_set(w, 0, 0).offer_rej_reason, WCX_QUOTE_SIDE_REJ_REASON_UNKNOWN_SYMBOL);
  assert_int_equal(said_set(w, 0, 0).security_id, 77);
  assert_int_equal(said_set(w, 0, 0).quote_entry_id, 5);
  assert_int_equal(wcx_engine_reject_cnt(w->engine, WCX_REJECT_UNKNOWN_INSTRUMENT), 1);
  unknown.block.quote_id = w->cl_ord_id[1] + 1;
  add_set(&unknown, 0, 1, 1, 10, 1);
  send_quote(w, 1, &unknown);
  expect_ack(w, 0, PARTLY, FINE, 2);

  world_account(w, 3, WCX_ACCOUNT_STATUS_SUSPENDED);
  quote(w, 3, 0, 10, 1, 200, 1);
  expect_ack(w, 0, REJECTED, FINE, 1);
  assert_int_equal(said_set(w, 0, 0).offer_rej_reason, WCX_QUOTE_SIDE_REJ_REASON_ACCOUNT_NOT_ACTIVE);
}

static void post_only_sides_do_not_take(void **state)
{
  world_t *w = *state;
  order(w, 2, SELL, 100, 5);
  quote_t careful = a_quote(w, 1, 0);
  careful.block.flags = WCX_QUOTE_F_POST_ONLY;
  add_set(&careful, 0, 100, 1, 101, 1);
  send_quote(w, 1, &careful);
  expect_said(w, 211, 303, 0);
  expect_ack(w, 0, PARTLY, FINE, 1);
  assert_int_equal(said_set(w, 0, 0).bid_rej_reason, WCX_QUOTE_SIDE_REJ_REASON_POST_ONLY_WOULD_TRADE);
  quote(w, 1, 0, 100, 1, 101, 1);
  expect_said(w, 211, 203, 203, 306, 304, 303, 0);
}

/* Orders and levels that are in use are counted side by side, behind what the set has taken out. */
static void capacity_is_looked_at_for_every_side(void **state)
{
  world_t *w = *state;
  wcx_capacity_t capacity = {.max_orders = 3, .max_instruments = 8, .max_accounts = 32, .max_sessions = 16, .max_levels = 3};
  world_apply(w, WCX_TEMPLATE_CAPACITY, 0, 0, &capacity, sizeof(capacity));
  quote_t three = a_quote(w, 1, 0);
  add_set(&three, 0, 99, 1, 101, 1);
  add_set(&three, 1, 98, 1, 102, 1);
  send_quote(w, 1, &three);
  expect_ack(w, 0, PARTLY, FINE, 2);
  assert_int_equal(said_set(w, 0, 1).offer_rej_reason, WCX_QUOTE_SIDE_REJ_REASON_MAX_OPEN_ORDERS);
  assert_int_equal(wcx_engine_orders_live(w->engine), 3);
  quote(w, 1, 0, 97, 1, 103, 1); /* two go, two come */
  expect_ack(w, 0, ACCEPTED, FINE, 1);
  capacity.max_orders = 10;
  world_apply(w, WCX_TEMPLATE_CAPACITY, 0, 0, &capacity, sizeof(capacity));
  quote_t fourth = a_quote(w, 1, 0);
  add_set(&fourth, 2, 96, 1, 103, 1);
  send_quote(w, 1, &fourth);
  expect_ack(w, 0, PARTLY, FINE, 1);
  assert_int_equal(said_set(w, 0, 0).bid_rej_reason, WCX_QUOTE_SIDE_REJ_REASON_BOOK_FULL);
  expect_book(w, SELL, 1, 103, 2, 2);

  /* every slot used up for ever */
  w->engine->pool.bump = w->engine->pool.max;
  while (wcx_engine_orders_live(w->engine) < 10)
  {
    quote_t more = a_quote(w, 1, 0);
    add_set(&more, (uint32_t)more.block.quote_id, 97, 1, WCX_I64_NULL, 0);
    send_quote(w, 1, &more);
    if (said_set(w, 0, 0).bid_rej_reason != 0)
      break;
  }
  assert_int_equal(said_set(w, 0, 0).bid_rej_reason, WCX_QUOTE_SIDE_REJ_REASON_MAX_OPEN_ORDERS);
  assert_true(wcx_engine_orders_live(w->engine) < 10);
}

static void sides_trade_as_they_enter(void **state)
{
  world_t *w = *state;
  order(w, 2, SELL, 100, 3);
  quote_t two = a_quote(w, 1, 0);
  add_set(&two, 0, 100, 5, WCX_I64_NULL, 0);
  add_set(&two, 1, WCX_I64_NULL, 0, 99, 4);
  send_quote(w, 1, &two);
  /* the bid takes 3 and rests with 2; the offer takes them and rests with 2 */
  expect_said(w, 211, 203, 203, 203, 203, 304, 303, 304, 303, 0);
  expect_ack(w, 0, ACCEPTED, FINE, 2);
  assert_int_equal(SAID(w, 2, wcx_execution_report_trade_t).flags, 1);
  assert_int_equal(SAID(w, 2, wcx_execution_report_trade_t).cl_ord_id, two.block.quote_id);
  assert_true(SAID(w, 2, wcx_execution_report_trade_t).order_id == said_set(w, 0, 0).bid_order_id);
  assert_true(SAID(w, 3, wcx_execution_report_trade_t).order_id == said_set(w, 0, 0).bid_order_id);
  assert_int_equal(SAID(w, 2, wcx_execution_report_trade_t).match_event_id + 1, SAID(w, 3, wcx_execution_report_trade_t).match_event_id);
  assert_true(SAID(w, 4, wcx_execution_report_trade_t).order_id == said_set(w, 0, 1).offer_order_id);
  expect_book(w, SELL, 1, 99, 2, 1);
  /* what is traded is not what is replaced: the offer's key is free again when it is filled */
  order_tif(w, 2, BUY, 99, 2, IOC);
  expect_book(w, SELL, 0);
  quote_t again = a_quote(w, 1, 0);
  add_set(&again, 1, WCX_I64_NULL, 0, 99, 4);
  send_quote(w, 1, &again);
  expect_said(w, 211, 303, 0);
}

static void self_match_prevention_is_the_messages(void **state)
{
  world_t *w = *state;
  quote(w, 1, 0, 99, 5, WCX_I64_NULL, 0);
  quote_t own = a_quote(w, 1, 0);
  own.block.self_match_prevention_inst = WCX_SELF_MATCH_PREVENTION_INST_DECREMENT_AND_CANCEL;
  add_set(&own, 1, WCX_I64_NULL, 0, 99, 3);
  send_quote(w, 1, &own);
  expect_said(w, 211, 206, 204, 305, 0);
  expect_book(w, BUY, 1, 99, 2, 1);
  /* another id: not its own */
  own.block.quote_id++;
  own.block.self_match_prevention_id = 55;
  send_quote(w, 1, &own);
  expect_said(w, 211, 203, 203, 304, 303, 0);
  /* and a maker's id is its message's */
  quote_t bid = a_quote(w, 1, 0);
  bid.block.self_match_prevention_id = 55;
  bid.block.self_match_prevention_inst = WCX_SELF_MATCH_PREVENTION_INST_CANCEL_OLDEST;
  add_set(&bid, 0, 99, 1, WCX_I64_NULL, 0);
  send_quote(w, 1, &bid);
  expect_said(w, 211, 204, 306, 303, 0);
}

/* What an account's limits have to keep goes by the flag that a quote carries like any order. */
static void a_quote_of_an_account_with_limits(void **state)
{
  world_t *w = *state;
  wcx_account_t *account = &w->engine->accounts[0];
  account->risk = WCX_ACCOUNT_R_LIMITED;
  account->max_open_orders = UINT32_MAX;
  account->max_order_qty = INT64_MAX;
  wcx_state_renew_account(w->engine, account);
  quote(w, 1, 0, 99, 5, 101, 5);
  expect_ack(w, 0, ACCEPTED, FINE, 1);
  uint32_t slot = w->engine->sessions[0].order_head;
  assert_int_equal(w->engine->pool.orders[slot].flags, WCX_ORDER_F_EXTRA | WCX_ORDER_F_QUOTE | WCX_ORDER_F_RISK);
  order_tif(w, 2, BUY, 101, 5, IOC);
  expect_said(w, 201, 203, 203, 304, 0);
  quote(w, 1, 0, 99, 0, 101, 0);
  expect_said(w, 211, 306, 0);
}

/* The first quote makes the definitions final, like the first order. */
static void a_quote_makes_definitions_final(void **state)
{
  world_t *w = *state;
  quote(w, 1, 0, 99, 5, 101, 5);
  wcx_security_definition_t definition = an_instrument(1);
  definition.round_lot = 2;
  assert_non_null(world_definition_error(w, WCX_TEMPLATE_SECURITY_DEFINITION, &definition));
}

/* A side reaches levels that another side of the message has not left to it: the bound looks at prices, not at quantities. */
static void the_bound_holds_when_sides_share_makers(void **state)
{
  world_t *w = *state;
  order(w, 2, SELL, 100, 400);
  for (int i = 0; i < 300; i++)
    order(w, 2, SELL, 101, 1);
  quote_t two = a_quote(w, 1, 0);
  add_set(&two, 0, 101, 400, WCX_I64_NULL, 0); /* each alone would find all at 100, in one order */
  add_set(&two, 1, 101, 300, WCX_I64_NULL, 0);
  send_quote(w, 1, &two);
  assert_int_equal(wcx_engine_orders_live(w->engine), 0);

  order(w, 2, SELL, 100, 33);
  for (int i = 0; i < 400; i++)
    order(w, 2, SELL, 101 + i % 40, 1);
  quote_t all = a_quote(w, 1, 0);
  for (uint32_t entry = 0; entry < WCX_QUOTE_SETS_MAX; entry++)
    add_set(&all, entry, 140, 12, WCX_I64_NULL, 0);
  send_quote(w, 1, &all); /* the fixture compares what was said with the bound */
  expect_ack(w, 0, ACCEPTED, FINE, WCX_QUOTE_SETS_MAX);
  expect_book(w, SELL, 4, 137, 7, 7, 138, 10, 10, 139, 10, 10, 140, 10, 10);
}

static int apply_bytes(const world_t *w, const uint8_t *body, uint16_t body_sz)
{
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0)
  {
    if (freopen("/dev/null", "w", stderr) == NULL)
      _exit(1);
    wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT,
                            .template_id = WCX_TEMPLATE_MASS_QUOTE,
                            .shard = 1,
                            .session_id = 1,
                            .seq = wcx_engine_applied_seq(w->engine) + 1,
                            .stamp_ns = wcx_engine_last_stamp_ns(w->engine) + 1,
                            .client_seq = 1,
                            .body_sz = body_sz};
    wcx_outlog_t out = w->out;
    (void)wcx_engine_output_bound(w->engine, &hdr, body);
    wcx_engine_apply(w->engine, &hdr, body, &out);
    _exit(0);
  }
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

/* The data plane refuses them: in a record they can only be damage. */
static void lengths_that_disagree_are_damage(void **state)
{
  world_t *w = *state;
  uint8_t body[sizeof(quote_t)];
  quote_t one = a_quote(w, 1, 0);
  add_set(&one, 0, 99, 1, 101, 1);
  uint16_t sz = quote_body(&one, body);
  assert_int_equal(apply_bytes(w, body, sz), 0);
  assert_int_equal(apply_bytes(w, body, (uint16_t)(sz - 1)), SIGABRT);
  assert_int_equal(apply_bytes(w, body, (uint16_t)(sz + 1)), SIGABRT);
  assert_int_equal(apply_bytes(w, body, WCX_QUOTE_SETS_OFF - 1), SIGABRT);
  body[24] = 41;
  assert_int_equal(apply_bytes(w, body, sz), SIGABRT);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
  const struct CMUnitTest tests[] = {
      T(a_quote_replaces_what_stands_under_its_key),
      T(a_key_is_no_cl_ord_id),
      T(refused_whole),
      T(refused_side_by_side),
      T(post_only_sides_do_not_take),
      T(capacity_is_looked_at_for_every_side),
      T(sides_trade_as_they_enter),
      T(self_match_prevention_is_the_messages),
      T(a_quote_of_an_account_with_limits),
      T(a_quote_makes_definitions_final),
      T(the_bound_holds_when_sides_share_makers),
      T(lengths_that_disagree_are_damage),
  };
  return cmocka_run_group_tests_name("quote", tests, NULL, NULL);
}
