/* Where the short way hands over to the long one: two engines get the same records, one of them takes the long way only. What they say and what they hold is the
   same after each, whatever made the short way give up. */
#include "tests/unit/engine_fixture.h"

#include "engine/state.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAKERS 8u /* that a short take meets at most */

typedef struct pair
{
  world_t ways[2]; /* short, long */
} pair_t;

#define SHORT(p) (&(p)->ways[0])
#define EACH(p, w) for (world_t *w = (p)->ways; w != (p)->ways + 2; w++)

static void agree(const pair_t *p)
{
  for (uint32_t full = 0; full < 2; full++)
  {
    wcx_digest_t a = full ? wcx_engine_state_digest_full(p->ways[0].engine) : wcx_engine_state_digest(p->ways[0].engine);
    wcx_digest_t b = wcx_engine_state_digest(p->ways[1].engine);
    assert_memory_equal(&a, &b, sizeof(a));
  }
  wcx_digest_t a = wcx_engine_output_digest(p->ways[0].engine);
  wcx_digest_t b = wcx_engine_output_digest(p->ways[1].engine);
  assert_memory_equal(&a, &b, sizeof(a));
}

static void pair_make(pair_t *p, wcx_engine_limits_t limits, uint64_t log_cap)
{
  EACH(p, w)
  {
    limits.long_way_only = w != SHORT(p);
    world_make(w, &limits, log_cap);
    world_populate(w);
  }
}

static int pair_setup(void **state)
{
  pair_t *p = malloc(sizeof(*p));
  assert_non_null(p);
  pair_make(p, world_limits, 1 << 20);
  *state = p;
  return 0;
}

static int pair_teardown(void **state)
{
  pair_t *p = *state;
  EACH(p, w)
  world_free(w);
  free(p);
  return 0;
}

static void both_order(pair_t *p, uint32_t session_id, uint8_t side, int64_t price, int64_t qty)
{
  EACH(p, w)
  order(w, session_id, side, price, qty);
  agree(p);
}

static uint32_t said_of(const world_t *w, uint16_t template_id)
{
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < w->said_cnt; i++)
    cnt += w->said[i].template_id == template_id;
  return cnt;
}

static void a_take_meets_any_number(void **state)
{
  pair_t *p = *state;
  for (uint32_t makers = MAKERS - 1; makers <= MAKERS + 2; makers++)
  {
    for (uint32_t i = 0; i < makers; i++)
      both_order(p, 1 + i % 4, SELL, 100 + i / 3, 10);
    both_order(p, 5, BUY, 200, 10 * makers + 5);
    assert_int_equal(said_of(SHORT(p), WCX_TEMPLATE_EXECUTION_REPORT_TRADE), 2 * makers);
    expect_book(SHORT(p), BUY, 1, 200, 5, 1);
    expect_book(SHORT(p), SELL, 0);
    EACH(p, w)
    cancel(w, 5, w->cl_ord_id[5]);
    agree(p);
  }
}

static void both_band(pair_t *p, int64_t low, int64_t high)
{
  const wcx_price_band_t band = {.security_id = 1, .reference_price = 95, .low_limit_price = low, .high_limit_price = high};
  EACH(p, w)
  world_apply(w, WCX_TEMPLATE_PRICE_BAND, 0, 0, &band, sizeof(band));
  agree(p);
}

/* A band that comes when orders are there takes none of them away, and a taker within it meets those without. */
static void a_band_stops_a_take(void **state)
{
  pair_t *p = *state;
  both_order(p, 3, BUY, 10, 10); /* an account's first order takes the long way */
  EACH(p, w)
  cancel(w, 3, w->cl_ord_id[3]);
  both_order(p, 1, SELL, 80, 10);
  both_band(p, 85, 105);
  EACH(p, w)
  order_tif(w, 3, BUY, 90, 10, IOC);
  agree(p);
  assert_int_equal(said_of(SHORT(p), WCX_TEMPLATE_EXECUTION_REPORT_TRADE), 0);
  expect_book(SHORT(p), SELL, 1, 80, 10, 1);
  EACH(p, w)
  cancel(w, 1, w->cl_ord_id[1]);

  both_band(p, WCX_I64_NULL, WCX_I64_NULL);
  both_order(p, 2, BUY, 110, 10);
  both_band(p, 85, 105);
  EACH(p, w)
  order_tif(w, 3, SELL, 90, 10, IOC);
  agree(p);
  assert_int_equal(said_of(SHORT(p), WCX_TEMPLATE_EXECUTION_REPORT_TRADE), 0);
  expect_book(SHORT(p), BUY, 1, 110, 10, 1);
}

/* The log's end lies anywhere between messages: who needs room in one piece and has none there leaves it to the long way. */
static void a_log_that_comes_round(void **state)
{
  (void)state;
  static pair_t p;
  pair_make(&p, world_limits, 1 << 16);
  uint32_t rounds = 0;
  uint64_t rest_at_end = 0, take_at_end = 0, left = UINT64_MAX;
  for (uint32_t i = 0; i < 2000; i++)
  {
    both_order(&p, 1, SELL, 100, 10);
    rest_at_end += SHORT(&p)->out.write_pos / SHORT(&p)->out.cap != rounds;
    rounds = (uint32_t)(SHORT(&p)->out.write_pos / SHORT(&p)->out.cap);
    if (i % 3 == 0)
    {
      EACH(&p, w)
      replace(w, 1, w->cl_ord_id[1], 101, 10);
      agree(&p);
    }
    both_order(&p, 2, BUY, 101, 5);
    assert_int_equal(said_of(SHORT(&p), WCX_TEMPLATE_EXECUTION_REPORT_TRADE), 2);
    take_at_end += SHORT(&p)->out.write_pos / SHORT(&p)->out.cap != rounds;
    rounds = (uint32_t)(SHORT(&p)->out.write_pos / SHORT(&p)->out.cap);
    EACH(&p, w)
    cancel(w, 1, w->cl_ord_id[1]);
    agree(&p);
    left = wcx_engine_orders_live(SHORT(&p)->engine);
    rounds = (uint32_t)(SHORT(&p)->out.write_pos / SHORT(&p)->out.cap);
  }
  assert_int_equal(left, 0);
  assert_true(rest_at_end > 2 && take_at_end > 2);
  EACH(&p, w)
  world_free(w);
}

/* Makers' sessions are noted as changed beside the taker's, more than may be noted when all are counted. */
static void a_take_changes_many_sessions(void **state)
{
  (void)state;
  static pair_t p;
  wcx_engine_limits_t limits = world_limits;
  limits.accounts_max = 200;
  limits.sessions_max = 200;
  EACH(&p, w)
  {
    limits.long_way_only = w != SHORT(&p);
    world_make(w, &limits, 1 << 20);
    world_populate(w);
    for (uint32_t id = 10; id < 190; id++)
    {
      world_account(w, id, WCX_ACCOUNT_STATUS_ACTIVE);
      world_session(w, id, id);
    }
  }
  uint32_t seq = 0;
  for (uint32_t i = 0; i < 2 * 180; i++) /* two orders each, the first of an account by the long way, then takes of eight: 8 sessions and the taker's own change with each */
  {
    const uint32_t id = 10 + i % 180;
    wcx_new_order_single_t request = an_order(1 + i / 180, id, SELL, 100, 10);
    EACH(&p, w)
    world_apply(w, WCX_TEMPLATE_NEW_ORDER_SINGLE, id, 1 + i / 180, &request, sizeof(request));
    agree(&p);
  }
  for (uint32_t i = 0; i < 180 / MAKERS; i++)
  {
    seq++;
    wcx_new_order_single_t request = an_order(seq, 1, BUY, 100, 10 * MAKERS);
    EACH(&p, w)
    world_apply(w, WCX_TEMPLATE_NEW_ORDER_SINGLE, 1, seq, &request, sizeof(request));
    assert_int_equal(said_of(SHORT(&p), WCX_TEMPLATE_EXECUTION_REPORT_TRADE), 2 * MAKERS);
  }
  agree(&p);
  EACH(&p, w)
  world_free(w);
}

/* A request without a number of its session does not move what is expected of it next. */
static void without_a_number(void **state)
{
  pair_t *p = *state;
  both_order(p, 1, BUY, 90, 10);
  const wcx_new_order_single_t entered = an_order(2, 1, BUY, 91, 10);
  const wcx_order_cancel_replace_request_t moved = a_replace(3, 2, 92, 10);
  const wcx_order_cancel_request_t canceled = {.cl_ord_id = 4, .orig_cl_ord_id = 3, .order_id = WCX_U64_NULL, .security_id = 1};
  EACH(p, w)
  world_apply(w, WCX_TEMPLATE_NEW_ORDER_SINGLE, 1, 0, &entered, sizeof(entered));
  agree(p);
  expect_said(SHORT(p), WCX_TEMPLATE_EXECUTION_REPORT_NEW, WCX_TEMPLATE_ADD_ORDER, 0);
  EACH(p, w)
  world_apply(w, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, 1, 0, &moved, sizeof(moved));
  agree(p);
  expect_said(SHORT(p), WCX_TEMPLATE_EXECUTION_REPORT_REPLACE, WCX_TEMPLATE_REPLACE_ORDER, 0);
  EACH(p, w)
  world_apply(w, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, 1, 0, &canceled, sizeof(canceled));
  agree(p);
  expect_said(SHORT(p), WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, WCX_TEMPLATE_DELETE_ORDER, 0);
  expect_book(SHORT(p), BUY, 1, 90, 10, 1);
}

/* A record of session 1 over a connection, to each engine. */
static void over(pair_t *p, uint16_t template_id, uint64_t client_seq, const void *body, uint16_t body_sz)
{
  EACH(p, w)
  {
    const wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT,
                                  .template_id = template_id,
                                  .flags = WCX_RECORD_F_TCP,
                                  .shard = 1,
                                  .session_id = 1,
                                  .seq = wcx_engine_applied_seq(w->engine) + 1,
                                  .stamp_ns = wcx_engine_last_stamp_ns(w->engine) + 1,
                                  .client_seq = client_seq,
                                  .body_sz = body_sz};
    const uint64_t from = w->out.write_pos;
    wcx_engine_apply(w->engine, &hdr, body, &w->out);
    world_listen(w, from);
  }
  agree(p);
  wcx_session_view_t view;
  assert_true(wcx_engine_session(SHORT(p)->engine, 1, &view));
  assert_int_equal(view.next_client_seq, 2);
}

/* What comes over a connection is in order by that: the session's number of what is expected next over UDP stays. */
static void over_a_connection(void **state)
{
  pair_t *p = *state;
  both_order(p, 1, BUY, 90, 10);
  for (uint64_t i = 2; i < 5; i++)
  {
    const wcx_new_order_single_t request = an_order(i, 1, BUY, 90, 10);
    over(p, WCX_TEMPLATE_NEW_ORDER_SINGLE, 100 + i, &request, sizeof(request));
    expect_said(SHORT(p), WCX_TEMPLATE_EXECUTION_REPORT_NEW, WCX_TEMPLATE_ADD_ORDER, 0);
  }
  expect_book(SHORT(p), BUY, 1, 90, 40, 4);
  const wcx_order_cancel_replace_request_t moved = a_replace(5, 4, 91, 10);
  over(p, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, 105, &moved, sizeof(moved));
  expect_said(SHORT(p), WCX_TEMPLATE_EXECUTION_REPORT_REPLACE, WCX_TEMPLATE_REPLACE_ORDER, 0);
  const wcx_order_cancel_replace_request_t reduced = a_replace(6, 5, 91, 8);
  over(p, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, 106, &reduced, sizeof(reduced));
  expect_said(SHORT(p), WCX_TEMPLATE_EXECUTION_REPORT_REPLACE, WCX_TEMPLATE_REDUCE_ORDER, 0);
  const wcx_order_cancel_request_t canceled = {.cl_ord_id = 7, .orig_cl_ord_id = 6, .order_id = WCX_U64_NULL, .security_id = 1};
  over(p, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, 107, &canceled, sizeof(canceled));
  expect_said(SHORT(p), WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, WCX_TEMPLATE_DELETE_ORDER, 0);
  expect_book(SHORT(p), BUY, 1, 90, 30, 3);
}

/* Whatever kind of request changes them: sessions that changed are counted before there are more than may be noted. */
static void each_kind_changes_many_sessions(void **state)
{
  (void)state;
  enum
  {
    FIRST = 10,
    CNT = 2 * WCX_DIRTY_MAX + 10
  };
  static pair_t p;
  wcx_engine_limits_t limits = world_limits;
  limits.accounts_max = FIRST + CNT;
  limits.sessions_max = FIRST + CNT;
  pair_make(&p, limits, 1 << 20);
  for (uint32_t id = FIRST; id < FIRST + CNT; id++)
  {
    EACH(&p, w)
    {
      world_account(w, id, WCX_ACCOUNT_STATUS_ACTIVE);
      world_session(w, id, id);
    }
  }
  for (uint64_t request = 1; request <= 6; request++) /* an account's first order takes the long way; then two more, a move, less of it, a cancel */
  {
    for (uint32_t id = FIRST; id < FIRST + CNT; id++)
    {
      const wcx_new_order_single_t entered = an_order(request, id, BUY, 90, 10);
      const wcx_order_cancel_replace_request_t moved = a_replace(request, request == 4 ? 2 : 4, 91, request == 4 ? 10 : 8);
      const wcx_order_cancel_request_t canceled = {.cl_ord_id = request, .orig_cl_ord_id = 3, .order_id = WCX_U64_NULL, .security_id = 1};
      EACH(&p, w)
      {
        if (request <= 3)
          world_apply(w, WCX_TEMPLATE_NEW_ORDER_SINGLE, id, request, &entered, sizeof(entered));
        else if (request <= 5)
          world_apply(w, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, id, request, &moved, sizeof(moved));
        else
          world_apply(w, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, id, request, &canceled, sizeof(canceled));
        assert_true(w->engine->dirty_cnt < WCX_DIRTY_MAX);
      }
    }
    agree(&p);
  }
  expect_book(SHORT(&p), BUY, 2, 91, 8 * CNT, CNT, 90, 10 * CNT, CNT);
  EACH(&p, w)
  world_free(w);
}

static void leave(int number)
{
  exit(number); /* and not _exit: counters of coverage are written on the way out */
}

/* How a process ends that applies this. */
static int ending_of(world_t *w, uint16_t template_id, const void *body, uint16_t body_sz)
{
  fflush(NULL);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
  {
    signal(SIGABRT, leave);
    assert_non_null(freopen("/dev/null", "w", stderr));
    const wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT,
                                  .template_id = template_id,
                                  .shard = 1,
                                  .session_id = 77,
                                  .seq = wcx_engine_applied_seq(w->engine) + 1,
                                  .stamp_ns = wcx_engine_last_stamp_ns(w->engine) + 1,
                                  .client_seq = 1,
                                  .body_sz = body_sz};
    wcx_engine_apply(w->engine, &hdr, body, &w->out);
    exit(0);
  }
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The data plane takes nothing of a session that is not defined: in a record it can only be damage. */
static void of_nobody(void **state)
{
  pair_t *p = *state;
  both_order(p, 1, BUY, 90, 10);
  const wcx_new_order_single_t entered = an_order(2, 1, BUY, 91, 10);
  const wcx_order_cancel_replace_request_t moved = a_replace(2, 1, 92, 10);
  const wcx_order_cancel_request_t canceled = {.cl_ord_id = 2, .orig_cl_ord_id = 1, .order_id = WCX_U64_NULL, .security_id = 1};
  EACH(p, w)
  {
    assert_int_equal(ending_of(w, WCX_TEMPLATE_NEW_ORDER_SINGLE, &entered, sizeof(entered)), SIGABRT);
    assert_int_equal(ending_of(w, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, &moved, sizeof(moved)), SIGABRT);
    assert_int_equal(ending_of(w, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, &canceled, sizeof(canceled)), SIGABRT);
  }
}

/* Less at the same price keeps its place, whether some of it is filled or not; the same or more, and what has been filled already, are the long way's. */
static void less_at_the_same_price(void **state)
{
  pair_t *p = *state;
  both_order(p, 1, BUY, 90, 100);
  both_order(p, 2, BUY, 90, 10);
  both_order(p, 3, SELL, 90, 30);                       /* session 1's: 70 are left */
  const int64_t total[] = {80, 80, 50, 40, 60, 31, 30}; /* 60 loses the place */
  const int64_t left[] = {50, 50, 20, 10, 30, 1, 0};
  for (uint32_t i = 0; i < sizeof(total) / sizeof(total[0]); i++)
  {
    EACH(p, w)
    replace(w, 1, w->cl_ord_id[1], 90, total[i]);
    agree(p);
    expect_book(SHORT(p), BUY, 1, 90, 10 + left[i], left[i] != 0 ? 2 : 1);
    assert_int_equal(said_of(SHORT(p), WCX_TEMPLATE_REDUCE_ORDER), i == 0 || i == 2 || i == 3 || i == 5);
  }
}

/* Whether it falls with its session is asked anew by each replace. */
static void less_and_other_instructions(void **state)
{
  pair_t *p = *state;
  both_order(p, 1, BUY, 90, 100);
  for (uint32_t i = 0; i < 4; i++)
  {
    EACH(p, w)
    {
      wcx_order_cancel_replace_request_t request = a_replace(w->cl_ord_id[1] + 1, w->cl_ord_id[1], 90, 90 - 10 * i);
      request.exec_inst = i % 2 == 0 ? WCX_EXEC_INST_CANCEL_ON_DISCONNECT : 0;
      send_replace(w, 1, &request);
    }
    agree(p);
    assert_int_equal(said_of(SHORT(p), WCX_TEMPLATE_REDUCE_ORDER), 1);
  }
  expect_book(SHORT(p), BUY, 1, 90, 60, 1);
}

/* A lock that came with the cancel of one side leaves the other side's orders: they may be canceled, and nothing else. */
static void less_of_who_is_locked(void **state)
{
  pair_t *p = *state;
  both_order(p, 1, BUY, 90, 100);
  EACH(p, w)
  {
    const wcx_order_mass_cancel_request_t request = {.cl_ord_id = ++w->cl_ord_id[1],
                                                     .account = WCX_U32_NULL,
                                                     .security_id = WCX_U32_NULL,
                                                     .mass_cancel_request_type = WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_SESSION,
                                                     .side = WCX_SIDE_FILTER_SELL,
                                                     .lock_trading = 1};
    world_apply(w, WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, 1, ++w->client_seq[1], &request, sizeof(request));
    replace(w, 1, 1, 90, 50);
    expect_said(w, WCX_TEMPLATE_ORDER_CANCEL_REJECT, 0);
    assert_int_equal(SAID(w, 0, wcx_order_cancel_reject_t).cxl_rej_reason, WCX_CXL_REJ_REASON_KILL_SWITCH_ACTIVE);
  }
  agree(p);
  expect_book(SHORT(p), BUY, 1, 90, 100, 1);
}

#define pair_test(f) cmocka_unit_test_setup_teardown(f, pair_setup, pair_teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      pair_test(a_take_meets_any_number),
      pair_test(a_band_stops_a_take),
      cmocka_unit_test(a_log_that_comes_round),
      cmocka_unit_test(a_take_changes_many_sessions),
      pair_test(without_a_number),
      pair_test(over_a_connection),
      cmocka_unit_test(each_kind_changes_many_sessions),
      pair_test(of_nobody),
      pair_test(less_at_the_same_price),
      pair_test(less_and_other_instructions),
      pair_test(less_of_who_is_locked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
