/* Mass cancels and kill switches over many orders at once: which go, in which order they are told, and that neither the ring's end, nor an order of another kind in
   between, nor the length of a list changes a byte. */
#include "tests/unit/quote_fixture.h"

#include "engine/emit.h"

#define MANY 700u
#define RING (UINT64_C(1) << 16)
#define GROUP 7u

/* An order as the test remembers it. */
typedef struct mine
{
  uint64_t cl_ord_id;
  uint64_t order_id;
  int64_t qty;
  uint32_t session_id;
  uint32_t account;
  uint32_t security_id;
  uint16_t mmp_group;
  uint8_t side;
} mine_t;

typedef struct book
{
  mine_t orders[MANY]; /* in order of acceptance */
  uint32_t cnt;
} book_t;

static const wcx_engine_limits_t limits = {.shard = 1, .orders_max = MANY, .levels_max = 500, .instruments_max = 8, .accounts_max = 32, .sessions_max = 16, .hash_key = 0x7654321};

static void make(world_t *w, uint64_t log_cap)
{
  world_make(w, &limits, log_cap);
  world_populate(w);
  const wcx_security_definition_t definition = an_instrument(2);
  world_define(w, &definition);
  for (uint32_t session_id = 1; session_id <= 9; session_id++)
    configure(w, session_id, a_group(GROUP, 1000000, 1000));
}

/* Kinds: plain; those that go one by one: iceberg, hidden, protected; and one that is plain, too. */
static void enter(world_t *w, book_t *book, uint32_t session_id, uint32_t account, uint32_t security_id, uint8_t side, int64_t away, uint32_t kind)
{
  wcx_new_order_single_t request = an_order(w->cl_ord_id[session_id] + 1, account, side, side == BUY ? 999 - away : 1001 + away, 10 + away);
  request.security_id = security_id;
  request.display_qty = kind == 1 ? 4 : WCX_I64_NULL;
  request.mmp_group = kind == 3 ? GROUP : 0;
  static const uint16_t insts[] = {0, 0, WCX_EXEC_INST_HIDDEN, WCX_EXEC_INST_MMP, WCX_EXEC_INST_CANCEL_ON_DISCONNECT};
  request.exec_inst = insts[kind];
  w->out.write_pos = w->out.sent_pos = 0; /* no request of this kind meets the ring's end */
  send_order(w, session_id, &request);
  assert_int_equal(w->said[0].template_id, WCX_TEMPLATE_EXECUTION_REPORT_NEW);
  book->orders[book->cnt++] = (mine_t){.cl_ord_id = request.cl_ord_id,
                                       .order_id = said_order_id(w),
                                       .qty = request.order_qty,
                                       .session_id = session_id,
                                       .account = account,
                                       .security_id = security_id,
                                       .mmp_group = request.mmp_group,
                                       .side = side};
}

/* The numbers of each stream that sessions and feed go on from. */
typedef struct numbers
{
  uint64_t session[10]; /* by SessionID */
  uint64_t feed;
} numbers_t;

static numbers_t next_numbers(const world_t *w)
{
  numbers_t numbers = {.feed = w->engine->feed_number};
  for (uint32_t i = 0; i < 9; i++)
    numbers.session[w->engine->sessions[i].session_id] = w->engine->sessions[i].next_server_seq;
  return numbers;
}

static void expect_numbers(const world_t *w, numbers_t numbers)
{
  for (uint32_t i = 0; i < w->said_cnt; i++)
    assert_true(w->said[i].number == (w->said[i].stream == WCX_STREAM_FEED ? numbers.feed++ : numbers.session[w->said[i].stream_id]++));
  const numbers_t after = next_numbers(w);
  assert_memory_equal(&numbers, &after, sizeof(numbers));
}

/* Apply with the log at `pos`. What is said then is numbered, and enters the digest as its bytes lie there. */
static void apply_at(world_t *w, uint64_t pos, uint16_t template_id, uint32_t session_id, const void *body, uint16_t body_sz)
{
  w->out.write_pos = w->out.sent_pos = pos;
  const numbers_t numbers = next_numbers(w);
  wcx_out_digest_t digest = w->engine->output_digest;
  world_apply(w, template_id, session_id, session_id != 0 ? ++w->client_seq[session_id] : 0, body, body_sz);
  wcx_out_digest_input(&digest, &w->out, pos, w->out.write_pos);
  assert_memory_equal(digest.lane, w->engine->output_digest.lane, sizeof(digest.lane));
  assert_true(digest.block_cnt == w->engine->output_digest.block_cnt);
  expect_numbers(w, numbers);
  wcx_digest_t kept = wcx_engine_state_digest(w->engine);
  wcx_digest_t full = wcx_engine_state_digest_full(w->engine);
  assert_memory_equal(&kept, &full, sizeof(kept));
}

static void kill_at(world_t *w, uint64_t pos, uint32_t account, uint8_t locked)
{
  const wcx_kill_switch_t kill = {.account = account, .locked = locked};
  apply_at(w, pos, WCX_TEMPLATE_KILL_SWITCH, 0, &kill, sizeof(kill));
}

/* Null: WCX_U32_NULL, both sides, no group. */
static wcx_order_mass_cancel_request_t a_mass_cancel(world_t *w, uint32_t session_id, uint8_t type)
{
  return (wcx_order_mass_cancel_request_t){
      .cl_ord_id = ++w->cl_ord_id[session_id], .security_id = WCX_U32_NULL, .account = WCX_U32_NULL, .mass_cancel_request_type = type, .side = WCX_SIDE_FILTER_BOTH};
}

static void send_at(world_t *w, uint64_t pos, uint32_t session_id, const wcx_order_mass_cancel_request_t *request)
{
  apply_at(w, pos, WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, session_id, request, sizeof(*request));
}

/* The i-th output is this order's end, told to this session; returns its ExecID. */
static uint64_t expect_end(const world_t *w, uint32_t i, const mine_t *of, uint32_t to, uint8_t reason, uint64_t request_cl_ord_id)
{
  assert_true(i < w->said_cnt);
  assert_int_equal(w->said[i].template_id, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL);
  assert_int_equal(w->said[i].stream, WCX_STREAM_SESSION);
  assert_int_equal(w->said[i].stream_id, to);
  const wcx_execution_report_cancel_t *er = &SAID(w, i, wcx_execution_report_cancel_t);
  const wcx_execution_report_cancel_t wanted = {
      .transact_time = wcx_engine_last_stamp_ns(w->engine),
      .exec_id = er->exec_id,
      .order_id = of->order_id,
      .cl_ord_id = of->cl_ord_id,
      .security_id = of->security_id,
      .account = of->account,
      .session_id = of->session_id,
      .side = of->side,
      .ord_status = WCX_ORD_STATUS_CANCELED,
      .cancel_reason = reason,
      .request_cl_ord_id = request_cl_ord_id,
      .canceled_qty = of->qty,
      .cum_qty = 0,
      .receive_time = request_cl_ord_id == WCX_U64_NULL ? WCX_U64_NULL : wcx_engine_last_stamp_ns(w->engine) - 1,
  };
  assert_memory_equal(er, &wanted, sizeof(wanted));
  return er->exec_id;
}

typedef struct wanted
{
  uint32_t session_id; /* 0: all */
  uint32_t account;    /* likewise */
  uint32_t security_id;
  uint16_t mmp_group;
  uint8_t side;
} wanted_t;

static bool is_wanted(const mine_t *of, const wanted_t *wanted)
{
  return (wanted->session_id == 0 || wanted->session_id == of->session_id) && (wanted->account == 0 || wanted->account == of->account) &&
         (wanted->security_id == 0 || wanted->security_id == of->security_id) && (wanted->mmp_group == 0 || wanted->mmp_group == of->mmp_group) &&
         (wanted->side == 0 || wanted->side == of->side);
}

/* All that are wanted have gone: their ends, by session and acceptance, then whatever is told once, then the feed in the same order. The book forgets them. */
static void expect_gone(const world_t *w, book_t *book, const wanted_t *wanted, uint32_t requester, uint8_t reason, uint64_t request_cl_ord_id)
{
  uint32_t i = 0;
  uint64_t exec_id = 0;
  for (uint32_t session_id = 1; session_id <= 9; session_id++)
    for (const mine_t *of = book->orders; of != book->orders + book->cnt; of++)
      if (of->session_id == session_id && is_wanted(of, wanted))
      {
        const uint64_t id = expect_end(w, i++, of, session_id, reason, request_cl_ord_id);
        assert_true(exec_id == 0 || id == exec_id + 1);
        exec_id = id;
        if (requester != 0 && requester != session_id)
          assert_true(expect_end(w, i++, of, requester, reason, request_cl_ord_id) == exec_id);
      }
  while (i < w->said_cnt && w->said[i].stream == WCX_STREAM_SESSION)
    i++;
  for (uint32_t session_id = 1; session_id <= 9; session_id++)
    for (const mine_t *of = book->orders; of != book->orders + book->cnt; of++)
      if (of->session_id == session_id && is_wanted(of, wanted) && (w->engine->pool.orders[of->order_id & WCX_ORDER_SLOT_MAX].flags & WCX_ORDER_F_HIDDEN) == 0)
      {
        assert_true(i < w->said_cnt);
        assert_int_equal(w->said[i].template_id, WCX_TEMPLATE_DELETE_ORDER);
        const wcx_delete_order_t gone = {.transact_time = wcx_engine_last_stamp_ns(w->engine), .order_id = of->order_id, .security_id = of->security_id, .side = of->side};
        assert_memory_equal(w->said[i++].block, &gone, sizeof(gone));
      }
  assert_int_equal(w->said_cnt, i);
  uint32_t left = 0;
  for (uint32_t k = 0; k < book->cnt; k++)
    if (!is_wanted(&book->orders[k], wanted))
      book->orders[left++] = book->orders[k];
  book->cnt = left;
  assert_int_equal(wcx_engine_orders_live(w->engine), left);
  wcx_engine_verify(w->engine);
}

/* Wherever the ring ends, between two orders, between the two reports of one, or among what the feed is told. */
static void the_ring_ends_anywhere(void **state)
{
  (void)state;
  static world_t near_end, far_from_it;
  static book_t books[2];
  make(&near_end, RING);
  make(&far_from_it, 16 * RING);
  memset(books, 0, sizeof(books));
  for (uint64_t left = 0; left < 4096; left += 16)
  {
    world_t *const worlds[2] = {&near_end, &far_from_it};
    for (uint32_t k = 0; k < 2; k++)
    {
      world_t *w = worlds[k];
      const uint64_t pos = k == 0 ? 3 * RING - left : 0;
      for (uint32_t i = 0; i < 6; i++)
        enter(w, &books[k], i < 3 ? 9 : 1, 1, 1, BUY, i, i == 4 ? 1 : 0);
      wcx_order_mass_cancel_request_t request = a_mass_cancel(w, 1, WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_ACCOUNT);
      send_at(w, pos, 1, &request);
      expect_gone(w, &books[k], &(wanted_t){.account = 1}, 1, WCX_CANCEL_REASON_MASS_CANCEL, request.cl_ord_id);
      for (uint32_t i = 0; i < 9; i++)
        enter(w, &books[k], 2, 2, 1, SELL, i, 0);
      kill_at(w, pos, 2, 1);
      expect_gone(w, &books[k], &(wanted_t){.account = 2}, 0, WCX_CANCEL_REASON_KILL_SWITCH, WCX_U64_NULL);
      kill_at(w, 0, 2, 0);
    }
    wcx_digest_t a = wcx_engine_output_digest(near_end.engine);
    wcx_digest_t b = wcx_engine_output_digest(far_from_it.engine);
    assert_memory_equal(&a, &b, sizeof(a));
    a = wcx_engine_state_digest(near_end.engine);
    b = wcx_engine_state_digest(far_from_it.engine);
    assert_memory_equal(&a, &b, sizeof(a));
  }
  world_free(&near_end);
  world_free(&far_from_it);
}

/* Lists of every length around those that are taken at once, all of one kind but one. */
static void a_list_of_any_length(void **state)
{
  (void)state;
  static world_t w;
  static book_t book;
  make(&w, 16 * RING);
  memset(&book, 0, sizeof(book));
  for (uint32_t cnt = 0; cnt <= 70; cnt++)
  {
    const uint32_t odd_one = cnt * 7 % (cnt + 1); /* cnt: nobody */
    for (uint32_t i = 0; i < cnt; i++)
      enter(&w, &book, 1, 1, 1 + i % 2, i % 3 == 0 ? SELL : BUY, i % 5, i == odd_one ? 1 + cnt % 4 : 0);
    kill_at(&w, 0, 1, 1);
    expect_gone(&w, &book, &(wanted_t){.account = 1}, 0, WCX_CANCEL_REASON_KILL_SWITCH, WCX_U64_NULL);
    kill_at(&w, 0, 1, 0);
  }
  world_free(&w);
}

static uint32_t any(uint32_t below)
{
  static uint64_t random = 88172645463325252u;
  random ^= random << 13;
  random ^= random >> 7;
  random ^= random << 17;
  return (uint32_t)(random >> 33) % below;
}

/* Orders of every kind, and requests that want some of them: what stays in between stays as it was. */
static void some_of_them_go(void **state)
{
  (void)state;
  static world_t w;
  static book_t book;
  make(&w, 16 * RING);
  memset(&book, 0, sizeof(book));
  for (uint32_t round = 0; round < 400; round++)
  {
    const uint32_t cnt = any(60);
    for (uint32_t i = 0; i < cnt && book.cnt < MANY; i++)
    {
      const uint32_t session_id = any(2) != 0 ? 9 : 1 + any(2);
      const uint32_t account = session_id == 9 ? 1 + any(2) : session_id;
      const uint32_t security_id = 1 + any(2);
      const uint8_t side = any(2) != 0 ? BUY : SELL;
      const uint32_t kind = any(8);
      enter(&w, &book, session_id, account, security_id, side, any(40), kind > 4 ? 0 : kind);
    }
    static const uint8_t types[] = {WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_ALL_ORDERS, WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_ACCOUNT,
                                    WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_SESSION, WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_MMP_GROUP};
    const uint32_t requester = any(3) == 0 ? 1 : 9;
    wcx_order_mass_cancel_request_t request = a_mass_cancel(&w, requester, types[any(requester == 9 ? 4 : 3)]);
    const bool session_alone = request.mass_cancel_request_type == WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_SESSION ||
                               request.mass_cancel_request_type == WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_MMP_GROUP;
    wanted_t wanted = {.session_id = session_alone ? requester : 0, .account = requester == 9 ? 0 : requester};
    if (request.mass_cancel_request_type == WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_MMP_GROUP)
      request.mmp_group = wanted.mmp_group = GROUP;
    if (requester == 9 && (request.mass_cancel_request_type == WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_ACCOUNT || any(3) == 0))
      request.account = wanted.account = 1 + any(2);
    if (any(3) == 0)
      request.security_id = wanted.security_id = 1 + any(2);
    if (any(3) == 0)
      request.side = wanted.side = any(2) != 0 ? BUY : SELL;
    send_at(&w, 0, requester, &request);
    expect_gone(&w, &book, &wanted, requester, WCX_CANCEL_REASON_MASS_CANCEL, request.cl_ord_id);
  }
  world_free(&w);
}

/* An order that waits unseen for its auction stands at no level; between others it goes as they do, by its own session's request and by another's, and the feed has not
   known it. */
static void an_unseen_order_goes(void **state)
{
  (void)state;
  static world_t w;
  static book_t book;
  make(&w, 16 * RING);
  for (uint32_t requester = 1; requester <= 9; requester += 8)
  {
    memset(&book, 0, sizeof(book));
    for (uint32_t i = 0; i < 40; i++)
      if (i % 20 == 10)
      {
        w.out.write_pos = w.out.sent_pos = 0;
        order_tif(&w, 1, BUY, 900, 1, WCX_TIME_IN_FORCE_AT_THE_OPENING);
        expect_said(&w, WCX_TEMPLATE_EXECUTION_REPORT_NEW, 0);
      }
      else
        enter(&w, &book, 1, 1, 1, BUY, i, 0);
    wcx_order_mass_cancel_request_t request = a_mass_cancel(&w, requester, WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_ACCOUNT);
    request.account = 1;
    send_at(&w, 0, requester, &request);
    const uint32_t each = requester == 1 ? 1 : 2;
    uint32_t ends = 0, deleted = 0;
    for (uint32_t i = 0; i < w.said_cnt; i++)
    {
      ends += w.said[i].template_id == WCX_TEMPLATE_EXECUTION_REPORT_CANCEL;
      deleted += w.said[i].template_id == WCX_TEMPLATE_DELETE_ORDER;
    }
    assert_int_equal(ends, 40 * each);
    assert_int_equal(deleted, 38);
    assert_int_equal(wcx_engine_orders_live(w.engine), 0);
  }
  world_free(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_ring_ends_anywhere), cmocka_unit_test(a_list_of_any_length), cmocka_unit_test(some_of_them_go),
                                     cmocka_unit_test(an_unseen_order_goes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
