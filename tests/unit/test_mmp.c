/* Market-maker protection: configuration, window, triggers, what is canceled in which order, freezing. RULES.md section 11; scenes with every field in
   tests/golden/mmp_*.play. Session 1 makes in group 1, session 2 takes. */
#include "tests/unit/quote_fixture.h"

#include "engine/emit.h"
#include "engine/mmp.h"

#define COUNT WCX_MMP_EVENT_TYPE_TRIGGERED_BY_COUNT
#define QTY WCX_MMP_EVENT_TYPE_TRIGGERED_BY_QTY
#define NOTIONAL WCX_MMP_EVENT_TYPE_TRIGGERED_BY_NOTIONAL
#define PROTECTION WCX_CANCEL_REASON_MARKET_MAKER_PROTECTION

static const wcx_mmp_group_t *group_at(const world_t *w, uint32_t idx)
{
  assert_true(idx < w->engine->mmp_cnt);
  return &w->engine->mmp_groups[idx];
}

static void expect_event(const world_t *w, uint32_t i, uint8_t event, uint64_t level, uint64_t frozen_until)
{
  assert_int_equal(w->said[i].template_id, WCX_TEMPLATE_MMP_EVENT);
  const wcx_mmp_event_t *said = &SAID(w, i, wcx_mmp_event_t);
  assert_int_equal(said->event, event);
  assert_true(said->level == level);
  assert_true(said->frozen_until == frozen_until);
}

static void expect_canceled(const world_t *w, uint32_t i, uint64_t cl_ord_id)
{
  assert_int_equal(w->said[i].template_id, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL);
  const wcx_execution_report_cancel_t *said = &SAID(w, i, wcx_execution_report_cancel_t);
  assert_int_equal(said->cancel_reason, PROTECTION);
  assert_int_equal(said->cl_ord_id, cl_ord_id);
  assert_true(said->request_cl_ord_id == WCX_U64_NULL);
}

/* Session 2 sells at 1 and gets what bids there are, at this stamp. */
static void take_at(world_t *w, uint64_t stamp_ns, int64_t qty)
{
  wcx_new_order_single_t request = an_order(++w->cl_ord_id[2], 2, SELL, 1, qty);
  request.time_in_force = IOC;
  world_apply_at(w, stamp_ns, WCX_TEMPLATE_NEW_ORDER_SINGLE, 2, ++w->client_seq[2], &request, sizeof(request));
}

static void refused(world_t *w, uint16_t template_id)
{
  expect_said(w, 210, 0);
  assert_int_equal(SAID(w, 0, wcx_business_message_reject_t).ref_template_id, template_id);
  assert_int_equal(SAID(w, 0, wcx_business_message_reject_t).business_reject_reason, WCX_BUSINESS_REJECT_REASON_OTHER);
  assert_true(SAID(w, 0, wcx_business_message_reject_t).ref_seq_num == w->client_seq[1]);
}

static void a_group_is_made_by_its_configuration(void **state)
{
  world_t *w = *state;
  configure(w, 1, a_group(0, 100, 1));
  refused(w, WCX_TEMPLATE_MMP_CONFIG_REQUEST);
  configure(w, 1, a_group(1, 0, 1));
  refused(w, WCX_TEMPLATE_MMP_CONFIG_REQUEST);
  wcx_mmp_config_request_t request = a_group(1, 100, 1);
  request.max_qty = -1;
  configure(w, 1, request);
  refused(w, WCX_TEMPLATE_MMP_CONFIG_REQUEST);
  request = a_group(1, 100, 1);
  request.max_notional_window = -1;
  configure(w, 1, request);
  refused(w, WCX_TEMPLATE_MMP_CONFIG_REQUEST);
  w->cl_ord_id[1] -= 1;
  configure(w, 1, a_group(1, 100, 1)); /* the ClOrdID of the one before */
  refused(w, WCX_TEMPLATE_MMP_CONFIG_REQUEST);
  assert_int_equal(w->engine->mmp_cnt, 0);

  configure(w, 1, a_group(1, 100, 1));
  expect_said(w, 212, 0);
  expect_event(w, 0, WCX_MMP_EVENT_TYPE_CONFIGURED, 0, WCX_U64_NULL);
  configure(w, 1, a_group(1, 200, 1));
  expect_event(w, 0, WCX_MMP_EVENT_TYPE_CONFIGURED, 0, WCX_U64_NULL);
  assert_int_equal(w->engine->mmp_cnt, 1);
  for (uint16_t group = 2; group <= 50; group++) /* enough to stand in each other's way */
    configure(w, 1, a_group(group, 100, group));
  for (uint16_t group = 2; group <= 50; group++)
  {
    configure(w, 1, a_group(group, 200, group));
    assert_int_equal(group_at(w, group - 1u)->max_cnt, group);
    assert_int_equal(group_at(w, group - 1u)->window_ns, 200);
  }

  reset_group(w, 1, 51);
  refused(w, WCX_TEMPLATE_MMP_RESET_REQUEST);
  reset_group(w, 1, 1);
  expect_event(w, 0, WCX_MMP_EVENT_TYPE_RESET, 0, WCX_U64_NULL);
  w->cl_ord_id[1] -= 1;
  reset_group(w, 1, 1);
  refused(w, WCX_TEMPLATE_MMP_RESET_REQUEST);
}

/* The shard's limit is that of the journaled Capacity, not that of the memory; one session may have them all. */
static void groups_are_counted_by_the_shard(void **state)
{
  world_t *w = *state;
  wcx_capacity_t capacity = {.max_orders = 100, .max_instruments = 8, .max_accounts = 32, .max_sessions = 9, .max_levels = 50};
  world_apply(w, WCX_TEMPLATE_CAPACITY, 0, 0, &capacity, sizeof(capacity));
  for (uint16_t group = 1; group <= 35; group++)
  {
    configure(w, 1 + group % 8, a_group((uint16_t)(group / 8 + 1000), 100, 1)); /* the same numbers in many sessions */
    expect_said(w, 212, 0);
  }
  configure(w, 2, a_group(65535, 100, 1));
  expect_said(w, 212, 0);
  configure(w, 1, a_group(65535, 100, 1));
  refused(w, WCX_TEMPLATE_MMP_CONFIG_REQUEST);
  configure(w, 4, a_group(1004, 100, 2)); /* those that are there may still be changed */
  expect_said(w, 212, 0);
  assert_int_equal(group_at(w, 34)->max_cnt, 2);
  reset_group(w, 1, 1000);
  refused(w, WCX_TEMPLATE_MMP_RESET_REQUEST);
  reset_group(w, 2, 65535);
  expect_said(w, 212, 0);
  wcx_engine_verify(w->engine);
}

static void fills_leave_the_window(void **state)
{
  world_t *w = *state;
  configure(w, 1, a_group(1, 10, 3));
  protected_order(w, 1, 1, BUY, 100, 1000);
  uint64_t t = 1000;
  take_at(w, t, 1);
  take_at(w, t + 9, 1);
  assert_int_equal(group_at(w, 0)->fill_cnt, 2);
  take_at(w, t + 10, 1); /* the first is 10 old: it has left */
  expect_said(w, 201, 203, 203, 304, 0);
  assert_int_equal(group_at(w, 0)->fill_cnt, 2);
  take_at(w, t + 18, 1);
  expect_said(w, 201, 203, 203, 212, 204, 304, 306, 0);
  expect_event(w, 3, COUNT, 3, WCX_U64_NULL);
  assert_int_equal(SAID(w, 4, wcx_execution_report_cancel_t).cum_qty, 4);
  assert_true(SAID(w, 4, wcx_execution_report_cancel_t).receive_time == WCX_U64_NULL);
  assert_int_equal(group_at(w, 0)->entry_cnt, 0);
  assert_int_equal(group_at(w, 0)->fill_cnt, 0);
}

/* The 65th fill merges the two oldest at the later's stamp. */
static void old_fills_are_merged(void **state)
{
  world_t *w = *state;
  configure(w, 1, a_group(1, 1000, 0));
  protected_order(w, 1, 1, BUY, 100, 1000);
  uint64_t t = 1000;
  for (uint64_t i = 0; i < 70; i++)
    take_at(w, t + i, 2);
  const wcx_mmp_group_t *group = group_at(w, 0);
  assert_int_equal(group->entry_cnt, WCX_MMP_FILLS);
  assert_int_equal(group->fill_cnt, 70);
  assert_true(group->qty == 140 && group->notional == 14000);
  wcx_engine_verify(w->engine);
  take_at(w, t + 1005, 1); /* the first seven fills are one entry, of the eighth's stamp by now: only then do they leave */
  assert_int_equal(group->fill_cnt, 71);
  assert_int_equal(group->entries[group->first].fill_cnt, 8);
  take_at(w, t + 1007, 1);
  assert_int_equal(group->fill_cnt, 71 - 8 + 1);
  wcx_engine_verify(w->engine);
}

/* Sums of merged fills stop at what the Level of an event can say. */
static void sums_do_not_wrap(void **state)
{
  world_t *w = *state;
  wcx_mmp_config_request_t request = a_group(1, 1000000, 1);
  request.freeze_nanos = 5000;
  configure(w, 1, request);
  protected_order(w, 1, 1, BUY, 1, 1);
  take_at(w, 1000, 1);
  expect_event(w, 3, COUNT, 1, 6000);
  for (uint64_t i = 0; i <= 70; i++)
  {
    wcx_new_order_single_t bid = an_order(++w->cl_ord_id[1], 1, BUY, 1, INT64_MAX);
    world_apply(w, WCX_TEMPLATE_NEW_ORDER_SINGLE, 1, ++w->client_seq[1], &bid, sizeof(bid));
    uint32_t slot = w->engine->sessions[0].order_tail;
    wcx_order_sum_sub(w->engine, slot); /* new orders of a frozen group are refused: make it one of the group by hand */
    w->engine->pool.orders[slot].flags |= WCX_ORDER_F_EXTRA | WCX_ORDER_F_MMP;
    w->engine->pool.extras[slot] = (wcx_order_extra_t){.public_id = w->engine->pool.orders[slot].order_id, .mmp_group = 1};
    w->engine->mmp_orders++;
    wcx_order_sum_add(w->engine, slot);
    if (i < 70)
      take_at(w, wcx_engine_last_stamp_ns(w->engine) + 1, INT64_MAX);
  }
  assert_true(group_at(w, 0)->qty > UINT64_MAX);
  assert_int_equal(group_at(w, 0)->fill_cnt, 70);
  wcx_engine_verify(w->engine);
  /* the freeze runs out by itself; the window is what it was, and the next fill triggers by it */
  wcx_mmp_group_t *group = &w->engine->mmp_groups[0];
  group->max_cnt = 0;
  group->max_qty = INT64_MAX;
  take_at(w, 6000, 1);
  expect_event(w, 3, QTY, UINT64_MAX, 11000);
}

static void the_first_limit_that_is_reached_triggers(void **state)
{
  world_t *w = *state;
  wcx_mmp_config_request_t request = a_group(1, 1000, 2);
  request.max_qty = 10;
  request.max_notional_window = 1000;
  configure(w, 1, request);
  protected_order(w, 1, 1, BUY, 100, 30);
  take_at(w, 1000, 9);
  expect_said(w, 201, 203, 203, 304, 0);
  take_at(w, 1001, 1);
  expect_event(w, 3, COUNT, 2, WCX_U64_NULL);
  request.max_count = 0;
  configure(w, 1, request);
  protected_order(w, 1, 1, BUY, 100, 30);
  take_at(w, 2000, 12);
  expect_event(w, 3, QTY, 12, WCX_U64_NULL);
  request.max_qty = WCX_I64_NULL;
  configure(w, 1, request);
  protected_order(w, 1, 1, BUY, 100, 30);
  take_at(w, 3000, 9);
  expect_said(w, 201, 203, 203, 304, 0);
  take_at(w, 3001, 1);
  expect_event(w, 3, NOTIONAL, 1000, WCX_U64_NULL);
  /* 0 is a limit: any fill reaches it */
  request.max_qty = 0;
  configure(w, 1, request);
  protected_order(w, 1, 1, BUY, 100, 30);
  take_at(w, 4000, 1);
  expect_event(w, 3, QTY, 1, WCX_U64_NULL);
  /* none at all */
  configure(w, 1, a_group(1, 1000, 0));
  protected_order(w, 1, 1, BUY, 100, 30);
  take_at(w, 5000, 20);
  expect_said(w, 201, 203, 203, 304, 0);
}

/* In list order, wherever they stand; nobody else's, no other group's, none without Mmp. */
static void the_group_falls_together(void **state)
{
  world_t *w = *state;
  configure(w, 1, a_group(1, 100, 1));
  configure(w, 2, a_group(1, 100, 1));
  wcx_new_order_single_t stop = an_order(w->cl_ord_id[1] + 1, 1, BUY, WCX_I64_NULL, 1);
  stop.ord_type = WCX_ORD_TYPE_STOP;
  stop.stop_px = 500;
  stop.mmp_group = 1;
  stop.exec_inst = WCX_EXEC_INST_MMP;
  send_order(w, 1, &stop);
  expect_said(w, 201, 0);
  quote(w, 1, 1, 90, 1, 110, 1);
  uint64_t quote_id = w->cl_ord_id[1];
  uint64_t hidden = w->cl_ord_id[1] + 1;
  wcx_new_order_single_t unseen = an_order(hidden, 1, BUY, 80, 1);
  unseen.mmp_group = 1;
  unseen.exec_inst = WCX_EXEC_INST_MMP | WCX_EXEC_INST_HIDDEN;
  send_order(w, 1, &unseen);
  protected_order(w, 1, 2, BUY, 80, 2); /* another group */
  order(w, 1, BUY, 80, 4);              /* none */
  wcx_new_order_single_t named = an_order(w->cl_ord_id[1] + 1, 1, BUY, 80, 8);
  named.mmp_group = 1;
  send_order(w, 1, &named);
  protected_order(w, 2, 1, BUY, 80, 16); /* another session's group 1 */
  uint64_t first = protected_order(w, 1, 1, SELL, 100, 5);
  order_tif(w, 3, BUY, 100, 2, IOC);
  expect_said(w, 201, 203, 203, 212, 204, 204, 204, 204, 204, 304, 306, 306, 306, 0);
  expect_event(w, 3, COUNT, 1, WCX_U64_NULL);
  expect_canceled(w, 4, stop.cl_ord_id);
  expect_canceled(w, 5, quote_id);
  expect_canceled(w, 6, quote_id);
  expect_canceled(w, 7, hidden);
  expect_canceled(w, 8, first);
  assert_int_equal(SAID(w, 8, wcx_execution_report_cancel_t).canceled_qty, 3);
  expect_book(w, BUY, 1, 80, 30, 4);
  expect_book(w, SELL, 0);
  assert_int_equal(w->engine->stop_cnt, 0);
}

/* A maker's group takes away what the taker would have met next: the book is looked at again after every fill. */
static void the_taker_goes_on_behind_what_fell(void **state)
{
  world_t *w = *state;
  configure(w, 1, a_group(1, 100, 1));
  protected_order(w, 1, 1, SELL, 100, 5);
  protected_order(w, 1, 1, SELL, 100, 5);
  protected_order(w, 1, 1, SELL, 101, 5);
  order(w, 2, SELL, 102, 4);
  for (int i = 0; i < 30; i++)
    order(w, 2, SELL, 103, 1);
  order(w, 3, BUY, 103, 20);
  assert_int_equal(w->said[0].template_id, 201);
  expect_event(w, 3, COUNT, 1, WCX_U64_NULL);
  assert_int_equal(SAID(w, 6, wcx_execution_report_trade_t).last_px, 102);
  expect_book(w, SELL, 1, 103, 19, 19);
  expect_book(w, BUY, 0);
  /* partly filled makers fall with the rest: level and order are gone when the match goes on */
  reset_group(w, 1, 1);
  protected_order(w, 1, 1, SELL, 50, 5);
  order(w, 3, BUY, 60, 3);
  expect_said(w, 201, 203, 203, 212, 204, 304, 306, 0);
  expect_book(w, SELL, 1, 103, 19, 19);
}

/* So far as the quantities at 100 say, two makers are all that the taker meets: the bound must not believe them. */
static void the_bound_holds_when_makers_fall(void **state)
{
  world_t *w = *state;
  configure(w, 1, a_group(1, 100, 1));
  protected_order(w, 1, 1, SELL, 100, 1);
  protected_order(w, 1, 1, SELL, 100, 1000);
  for (int i = 0; i < 300; i++)
    order(w, 2, SELL, 101, 1);
  wcx_order_cancel_replace_request_t request = a_replace(0, order(w, 3, BUY, 90, 151), 101, 151);
  request.cl_ord_id = w->cl_ord_id[3] + 1;
  send_replace(w, 3, &request);
  expect_book(w, SELL, 1, 101, 150, 150);
  reset_group(w, 1, 1);
  protected_order(w, 1, 1, SELL, 100, 1);
  protected_order(w, 1, 1, SELL, 100, 1000);
  order(w, 3, BUY, 101, 151);
  expect_book(w, SELL, 0);
}

/* The remainder of a taker that is of the group ends last, listed or not. */
static void the_takers_remainder_falls_last(void **state)
{
  world_t *w = *state;
  configure(w, 1, a_group(1, 100, 1));
  uint64_t resting = protected_order(w, 1, 1, BUY, 90, 1);
  order(w, 2, SELL, 100, 2);
  uint64_t taker = protected_order(w, 1, 1, BUY, 100, 5);
  expect_said(w, 201, 203, 203, 212, 204, 204, 304, 306, 0);
  expect_canceled(w, 4, resting);
  expect_canceled(w, 5, taker);
  assert_int_equal(SAID(w, 5, wcx_execution_report_cancel_t).canceled_qty, 3);
  assert_true(SAID(w, 5, wcx_execution_report_cancel_t).receive_time == wcx_engine_last_stamp_ns(w->engine) - 1);

  /* a Day order stands in the list while it takes, ahead of nobody: it is no listed one then */
  reset_group(w, 1, 1);
  order(w, 2, SELL, 100, 2);
  wcx_new_order_single_t day = an_order(w->cl_ord_id[1] + 1, 1, BUY, 100, 5);
  day.time_in_force = WCX_TIME_IN_FORCE_DAY;
  day.mmp_group = 1;
  day.exec_inst = WCX_EXEC_INST_MMP;
  send_order(w, 1, &day);
  expect_said(w, 201, 203, 203, 212, 204, 304, 0);
  expect_canceled(w, 4, day.cl_ord_id);
  assert_int_equal(wcx_engine_orders_live(w->engine), 0);

  /* nothing is left of it: nothing is said of it */
  reset_group(w, 1, 1);
  order(w, 2, SELL, 100, 2);
  protected_order(w, 1, 1, BUY, 100, 2);
  expect_said(w, 201, 203, 203, 212, 304, 0);

  /* a replace takes under the same rules */
  reset_group(w, 1, 1);
  order(w, 2, SELL, 100, 2);
  wcx_order_cancel_replace_request_t request = a_replace(0, protected_order(w, 1, 1, BUY, 90, 5), 100, 5);
  request.cl_ord_id = w->cl_ord_id[1] + 1;
  request.exec_inst = WCX_EXEC_INST_MMP;
  send_replace(w, 1, &request);
  expect_said(w, 205, 203, 203, 212, 204, 306, 304, 0);
  expect_canceled(w, 4, request.cl_ord_id);
}

/* Fills of both sides count: the maker's group first, then the taker's. */
static void maker_and_taker(void **state)
{
  world_t *w = *state;
  configure(w, 1, a_group(1, 100, 1));
  configure(w, 2, a_group(7, 100, 1));
  uint64_t maker = protected_order(w, 1, 1, SELL, 100, 5);
  uint64_t taker = protected_order(w, 2, 7, BUY, 100, 3);
  expect_said(w, 201, 203, 203, 212, 204, 212, 304, 306, 0);
  expect_canceled(w, 4, maker);
  assert_int_equal(SAID(w, 3, wcx_mmp_event_t).session_id, 1);
  assert_int_equal(SAID(w, 5, wcx_mmp_event_t).session_id, 2);
  assert_int_equal(SAID(w, 5, wcx_mmp_event_t).mmp_group, 7);
  (void)taker;

  /* the maker's trigger ends a taker that is of its group; its own fill then counts in a frozen group and triggers nothing */
  reset_group(w, 1, 1);
  protected_order(w, 1, 1, SELL, 100, 2);
  taker = protected_order(w, 1, 1, BUY, 100, 6);
  expect_said(w, 201, 203, 203, 212, 204, 304, 0);
  expect_canceled(w, 4, taker);
  assert_int_equal(group_at(w, 0)->fill_cnt, 1);

  /* of its session, and of another group; of its group without Mmp: neither ends */
  reset_group(w, 1, 1);
  configure(w, 1, a_group(2, 100, 100));
  protected_order(w, 1, 1, SELL, 100, 2);
  protected_order(w, 1, 2, BUY, 100, 6);
  expect_said(w, 201, 203, 203, 212, 304, 303, 0);
  cancel(w, 1, w->cl_ord_id[1]);
  w->cl_ord_id[1]++;
  reset_group(w, 1, 1);
  protected_order(w, 1, 1, SELL, 100, 2);
  wcx_new_order_single_t named = an_order(w->cl_ord_id[1] + 1, 1, BUY, 100, 6);
  named.mmp_group = 1;
  send_order(w, 1, &named);
  expect_said(w, 201, 203, 203, 212, 304, 303, 0);
}

/* A triggered stop takes as one of its group. */
static void a_stop_of_the_group_takes(void **state)
{
  world_t *w = *state;
  configure(w, 1, a_group(1, 100, 1));
  wcx_new_order_single_t stop = an_order(w->cl_ord_id[1] + 1, 1, BUY, 105, 9);
  stop.ord_type = WCX_ORD_TYPE_STOP_LIMIT;
  stop.stop_px = 100;
  stop.mmp_group = 1;
  stop.exec_inst = WCX_EXEC_INST_MMP;
  send_order(w, 1, &stop);
  uint64_t resting = protected_order(w, 1, 1, BUY, 90, 1);
  order(w, 2, SELL, 100, 1);
  order(w, 2, SELL, 101, 1);
  order(w, 2, SELL, 102, 1);
  order_tif(w, 3, BUY, 100, 1, IOC);
  expect_said(w, 201, 203, 203, 206, 203, 203, 212, 204, 204, 304, 304, 306, 0);
  expect_canceled(w, 7, resting);
  expect_canceled(w, 8, stop.cl_ord_id);
  assert_int_equal(SAID(w, 8, wcx_execution_report_cancel_t).canceled_qty, 8);
  expect_book(w, SELL, 1, 102, 1, 1);
  assert_int_equal(w->engine->sessions[0].open_orders, 0);
}

static void frozen_groups(void **state)
{
  world_t *w = *state;
  wcx_mmp_config_request_t request = a_group(1, 100, 1);
  request.freeze_nanos = 50;
  configure(w, 1, request);
  protected_order(w, 1, 1, BUY, 100, 5);
  wcx_session_view_t view;
  assert_true(wcx_engine_session(w->engine, 1, &view));
  assert_int_equal(view.mmp_frozen, 0);
  take_at(w, 1000, 1);
  expect_event(w, 3, COUNT, 1, 1050);
  assert_true(wcx_engine_session(w->engine, 1, &view));
  assert_int_equal(view.mmp_frozen, 1);
  protected_order(w, 1, 1, BUY, 100, 5);
  expect_said(w, 202, 0);
  assert_int_equal(SAID(w, 0, wcx_execution_report_reject_t).ord_rej_reason, WCX_ORD_REJ_REASON_MMP_FROZEN);
  /* locks are looked at before */
  w->engine->sessions[0].lock = WCX_LOCKED_BY_CLIENT;
  protected_order(w, 1, 1, BUY, 100, 5);
  assert_int_equal(SAID(w, 0, wcx_execution_report_reject_t).ord_rej_reason, WCX_ORD_REJ_REASON_KILL_SWITCH_ACTIVE);
  assert_true(wcx_engine_session(w->engine, 1, &view));
  assert_int_equal(view.locked, 1);
  w->engine->sessions[0].lock = 0;
  take_at(w, 1049, 1);
  assert_true(wcx_engine_session(w->engine, 1, &view));
  assert_int_equal(view.mmp_frozen, 1);
  take_at(w, 1050, 1);
  assert_true(wcx_engine_session(w->engine, 1, &view));
  assert_int_equal(view.mmp_frozen, 0);
  assert_int_equal(view.locked, 0);
  protected_order(w, 1, 1, BUY, 100, 5);
  expect_said(w, 201, 303, 0);
  /* a group that is not frozen does not hide one that is */
  configure(w, 1, a_group(2, 100, 1));
  assert_true(wcx_engine_session(w->engine, 1, &view));
  assert_int_equal(view.mmp_frozen, 0);
  take_at(w, 2000, 1);
  assert_true(wcx_engine_session(w->engine, 1, &view));
  assert_int_equal(view.mmp_frozen, 1);

  /* a freeze beyond the end of time lasts until a reset, as one of 0 does */
  request.freeze_nanos = UINT64_MAX - 1;
  configure(w, 1, request);
  protected_order(w, 1, 1, BUY, 100, 5);
  take_at(w, 3000, 1);
  expect_event(w, 3, COUNT, 1, WCX_U64_NULL);
  reset_group(w, 1, 1);
  protected_order(w, 1, 1, BUY, 100, 5);
  request.freeze_nanos = UINT64_MAX - 4001;
  configure(w, 1, request);
  take_at(w, 4000, 1);
  expect_event(w, 3, COUNT, 1, UINT64_MAX - 1);

  /* the account's lock shows in the status of sessions that have one account */
  wcx_kill_switch_t kill = {.account = 1, .locked = 1};
  world_apply(w, WCX_TEMPLATE_KILL_SWITCH, 0, 0, &kill, sizeof(kill));
  assert_true(wcx_engine_session(w->engine, 1, &view));
  assert_int_equal(view.locked, 1);
  assert_true(wcx_engine_session(w->engine, 9, &view));
  assert_int_equal(view.locked, 0);
}

/* Orders that were there before the freeze trade on; what they trade is counted, and counts when the freeze is over. */
static void fills_while_frozen_count(void **state)
{
  world_t *w = *state;
  wcx_mmp_config_request_t request = a_group(1, 1000, 3);
  request.freeze_nanos = 50;
  configure(w, 1, request);
  protected_order(w, 1, 1, BUY, 100, 20);
  uint64_t named = w->cl_ord_id[1];
  /* freeze it without canceling anything: a mass cancel of the other side */
  wcx_order_mass_cancel_request_t freeze = {.cl_ord_id = ++w->cl_ord_id[1],
                                            .security_id = WCX_U32_NULL,
                                            .account = WCX_U32_NULL,
                                            .mmp_group = 1,
                                            .mass_cancel_request_type = WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_MMP_GROUP,
                                            .side = WCX_SIDE_FILTER_SELL,
                                            .lock_trading = 1};
  freeze.mmp_group = 2; /* not configured: nothing to freeze */
  world_apply(w, WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, 1, ++w->client_seq[1], &freeze, sizeof(freeze));
  expect_said(w, 209, 0);
  freeze.mmp_group = 1;
  freeze.cl_ord_id = ++w->cl_ord_id[1];
  world_apply(w, WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, 1, ++w->client_seq[1], &freeze, sizeof(freeze));
  expect_said(w, 212, 209, 0);
  expect_event(w, 0, WCX_MMP_EVENT_TYPE_FROZEN_BY_CLIENT, 0, WCX_U64_NULL);
  for (uint64_t i = 0; i < 5; i++)
  {
    take_at(w, 1000 + i, 1);
    expect_said(w, 201, 203, 203, 304, 0);
  }
  assert_int_equal(group_at(w, 0)->fill_cnt, 5);
  w->engine->mmp_groups[0].frozen_until_ns = 1100; /* as if a trigger had frozen it */
  take_at(w, 1100, 1);
  expect_event(w, 3, COUNT, 6, 1150);
  expect_canceled(w, 4, named);
}

/* Mmp may be dropped and taken up again by a replace; what no group protects is not counted. */
static void mmp_comes_and_goes_with_a_replace(void **state)
{
  world_t *w = *state;
  configure(w, 1, a_group(1, 1000, 1));
  uint64_t id = protected_order(w, 1, 1, BUY, 100, 9);
  assert_int_equal(w->engine->mmp_orders, 1);
  id = replace(w, 1, id, 100, 8);
  assert_int_equal(w->engine->mmp_orders, 0);
  take_at(w, 1000, 1);
  expect_said(w, 201, 203, 203, 304, 0);
  wcx_order_cancel_replace_request_t request = a_replace(w->cl_ord_id[1] + 1, id, 99, 8);
  request.exec_inst = WCX_EXEC_INST_MMP;
  send_replace(w, 1, &request);
  assert_int_equal(w->engine->mmp_orders, 1);
  take_at(w, 2000, 1);
  expect_said(w, 201, 203, 203, 212, 204, 304, 306, 0);
  assert_int_equal(w->engine->mmp_orders, 0);
  /* a group that is not configured: its orders are protected by nothing */
  protected_order(w, 1, 5, BUY, 100, 9);
  take_at(w, 3000, 1);
  expect_said(w, 201, 203, 203, 304, 0);
}

/* A config clears the window and opens the group. */
static void a_config_starts_anew(void **state)
{
  world_t *w = *state;
  configure(w, 1, a_group(1, 1000, 2));
  protected_order(w, 1, 1, BUY, 100, 9);
  take_at(w, 1000, 1);
  configure(w, 1, a_group(1, 1000, 2));
  assert_int_equal(group_at(w, 0)->fill_cnt, 0);
  take_at(w, 1002, 1);
  expect_said(w, 201, 203, 203, 304, 0);
  reset_group(w, 1, 1);
  take_at(w, 1004, 1);
  expect_said(w, 201, 203, 203, 304, 0);
  take_at(w, 1005, 1);
  expect_event(w, 3, COUNT, 2, WCX_U64_NULL);
  configure(w, 1, a_group(1, 1000, 2));
  protected_order(w, 1, 1, BUY, 100, 9);
  expect_said(w, 201, 303, 0);
}

/* An uncross has no taker: wcx_mmp_fill by hand, as it calls it. */
static void without_a_taker(void **state)
{
  world_t *w = *state;
  configure(w, 1, a_group(1, 1000, 1));
  protected_order(w, 1, 1, BUY, 100, 9);
  wcx_fill_t fill = {.px = 100, .qty = 1, .notional = 100};
  uint64_t from = w->out.write_pos;
  w->engine->out = &w->out;
  wcx_mmp_fill(w->engine, &w->engine->sessions[0], 1, &fill, NULL);
  wcx_notes_flush(w->engine);
  world_listen(w, from);
  expect_said(w, 212, 204, 306, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
  const struct CMUnitTest tests[] = {
      T(a_group_is_made_by_its_configuration),
      T(groups_are_counted_by_the_shard),
      T(fills_leave_the_window),
      T(old_fills_are_merged),
      T(sums_do_not_wrap),
      T(the_first_limit_that_is_reached_triggers),
      T(the_group_falls_together),
      T(the_taker_goes_on_behind_what_fell),
      T(the_bound_holds_when_makers_fall),
      T(the_takers_remainder_falls_last),
      T(maker_and_taker),
      T(a_stop_of_the_group_takes),
      T(frozen_groups),
      T(fills_while_frozen_count),
      T(mmp_comes_and_goes_with_a_replace),
      T(a_config_starts_anew),
      T(without_a_taker),
  };
  return cmocka_run_group_tests_name("mmp", tests, NULL, NULL);
}
