/* The feed and re-requests: two equal sides, heartbeats, the day roll, a book rebuilt from what was sent, and what may be asked for again. */
#include "dataplane/ending.h"
#include "dataplane/gate.h"
#include "tests/unit/loop_fixture.h"

typedef struct level
{
  uint64_t order_id;
  int64_t price, qty;
  uint32_t security_id;
  uint8_t side;
} resting_t;

#define RESTING_MAX 4096
typedef struct rebuilt /* a book as a stranger keeps it: a list of orders */
{
  resting_t orders[RESTING_MAX];
  uint32_t cnt;
  uint64_t next;
  char session[10];
} rebuilt_t;

static resting_t *find(rebuilt_t *book, uint64_t order_id)
{
  for (uint32_t i = 0; i < book->cnt; i++)
    if (book->orders[i].order_id == order_id)
      return &book->orders[i];
  fail_msg("the feed names order %llu, which is not there", (unsigned long long)order_id);
  return NULL;
}

static void drop(rebuilt_t *book, resting_t *order)
{
  uint32_t at = (uint32_t)(order - book->orders);
  memmove(order, order + 1, (--book->cnt - at) * sizeof(*order)); /* keeps the order of arrival */
}

static void hear(rebuilt_t *book, const uint8_t *message)
{
  wcx_message_header_t header;
  memcpy(&header, message, 8);
  message += 8;
  switch (header.template_id)
  {
  case WCX_TEMPLATE_ADD_ORDER:
  {
    wcx_add_order_t add;
    memcpy(&add, message, sizeof(add));
    assert_true(book->cnt < RESTING_MAX);
    book->orders[book->cnt++] = (resting_t){add.order_id, add.price, add.display_qty, add.security_id, add.side};
    break;
  }
  case WCX_TEMPLATE_ORDER_EXECUTED:
  {
    wcx_order_executed_t executed;
    memcpy(&executed, message, sizeof(executed));
    resting_t *order = find(book, executed.order_id);
    order->qty -= executed.last_qty;
    assert_true(order->qty >= 0);
    if (order->qty == 0)
      drop(book, order);
    break;
  }
  case WCX_TEMPLATE_REDUCE_ORDER:
  {
    wcx_reduce_order_t reduce;
    memcpy(&reduce, message, sizeof(reduce));
    find(book, reduce.order_id)->qty = reduce.leaves_qty;
    break;
  }
  case WCX_TEMPLATE_DELETE_ORDER:
  {
    wcx_delete_order_t deleted;
    memcpy(&deleted, message, sizeof(deleted));
    drop(book, find(book, deleted.order_id));
    break;
  }
  case WCX_TEMPLATE_REPLACE_ORDER:
  {
    wcx_replace_order_t replace;
    memcpy(&replace, message, sizeof(replace));
    resting_t moved = *find(book, replace.order_id);
    drop(book, find(book, replace.order_id));
    moved.order_id = replace.new_order_id;
    moved.price = replace.price;
    moved.qty = replace.display_qty;
    book->orders[book->cnt++] = moved;
    break;
  }
  default:
    break;
  }
}

/* Read everything that was sent; side A feeds the book, side B must be the same packet right after it. */
static uint32_t listen(world_t *w, rebuilt_t *book)
{
  static sent_t a, b;
  uint32_t heard = 0;
  while (world_next(w, &a))
  {
    if (a.to_ip != 0xef4d0001u)
      continue;
    assert_true(world_next(w, &b));
    assert_int_equal(b.to_ip, 0xef4d0002u);
    assert_int_equal(b.datagram.to_port, 7102);
    assert_int_equal(a.datagram.len, b.datagram.len);
    assert_memory_equal(a.datagram.payload, b.datagram.payload, a.datagram.len);
    if (memcmp(book->session, a.mold.session, 10) != 0)
    {
      memcpy(book->session, a.mold.session, 10);
      book->next = 1;
    }
    assert_int_equal(a.mold.sequence, book->next);
    book->next += a.mold.count;
    heard += a.mold.count;
    const uint8_t *at = a.mold.blocks;
    const uint8_t *message = NULL;
    uint16_t sz = 0;
    for (uint32_t i = 0; i < a.mold.count && wcx_mold_next(&a.mold, &at, &message, &sz); i++)
      hear(book, message);
  }
  return heard;
}

typedef struct compare
{
  const rebuilt_t *book;
  uint32_t security_id;
  uint8_t side;
  uint32_t seen;
  int64_t last_price;
  uint32_t last_at;
} compare_t;

static bool compare_order(void *ctx, uint64_t order_id, int64_t price, int64_t displayed_qty)
{
  compare_t *c = ctx;
  for (uint32_t i = 0; i < c->book->cnt; i++)
    if (c->book->orders[i].order_id == order_id)
    {
      const resting_t *order = &c->book->orders[i];
      assert_int_equal(order->price, price);
      assert_int_equal(order->qty, displayed_qty);
      assert_int_equal(order->security_id, c->security_id);
      assert_int_equal(order->side, c->side);
      if (c->seen > 0 && c->last_price == price)
        assert_true(i > c->last_at); /* priority in a level is the order of arrival */
      c->last_price = price;
      c->last_at = i;
      c->seen++;
      return true;
    }
  fail_msg("order %llu of the engine is not in the book of the feed", (unsigned long long)order_id);
  return false;
}

static void assert_books_equal(const world_t *w, const rebuilt_t *book)
{
  uint32_t seen = 0;
  for (uint32_t security_id = 1; security_id <= 2; security_id++)
    for (uint8_t side = 1; side <= 2; side++)
    {
      compare_t c = {.book = book, .security_id = security_id, .side = side};
      assert_true(wcx_engine_book_orders(wcx_loop_engine(w->loop), security_id, side, compare_order, &c));
      seen += c.seen;
    }
  assert_int_equal(seen, book->cnt);
}

static uint64_t next_random(uint64_t *random)
{
  *random ^= *random << 13;
  *random ^= *random >> 7;
  *random ^= *random << 17;
  return *random;
}

/* One random request of one of two clients. */
static void act(world_t *w, client_t *client, uint64_t *random)
{
  uint64_t pick = next_random(random);
  uint32_t security_id = 1 + (uint32_t)(pick >> 8) % 2;
  uint64_t recent = client->cl_ord_id > 40 ? client->cl_ord_id - (pick >> 16) % 40 : 1;
  if (pick % 10 < 6)
  {
    uint8_t tif = pick % 5 == 0 ? WCX_TIME_IN_FORCE_IOC : WCX_TIME_IN_FORCE_GTC;
    client_send_order(w, client, security_id, 1 + (uint8_t)(pick >> 20) % 2, 90 + (int64_t)((pick >> 24) % 20), 1 + (int64_t)((pick >> 32) % 9), tif);
  }
  else if (pick % 10 < 8)
  {
    wcx_order_cancel_request_t cancel = {.cl_ord_id = ++client->cl_ord_id, .orig_cl_ord_id = recent, .order_id = WCX_U64_NULL, .security_id = security_id};
    client_send(w, client, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, &cancel, sizeof(cancel));
  }
  else
  {
    wcx_order_cancel_replace_request_t replace = {.cl_ord_id = ++client->cl_ord_id,
                                                  .orig_cl_ord_id = recent,
                                                  .order_id = WCX_U64_NULL,
                                                  .price = 90 + (int64_t)((pick >> 24) % 20),
                                                  .order_qty = 1 + (int64_t)((pick >> 32) % 9),
                                                  .display_qty = WCX_I64_NULL,
                                                  .security_id = security_id,
                                                  .stop_px = WCX_I64_NULL};
    client_send(w, client, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, &replace, sizeof(replace));
  }
}

static void test_book_from_feed_is_the_book(void **state)
{
  (void)state;
  const char *text = getenv("WCX_SEED");
  uint64_t random = text != NULL ? strtoull(text, NULL, 10) | 1 : 20260921;
  print_message("  WCX_SEED=%llu\n", (unsigned long long)random);
  world_t w;
  world_open(&w, world_region(1, NULL), 0);
  world_start(&w);
  static rebuilt_t book;
  memset(&book, 0, sizeof(book));
  assert_int_equal(listen(&w, &book), 2);
  client_t clients[2] = {client_of(1), client_of(2)};
  client_sign_on(&w, &clients[0]);
  client_sign_on(&w, &clients[1]);
  for (uint32_t i = 0; i < 20000; i++)
  {
    act(&w, &clients[i % 2], &random);
    if (i % 8 == 7)
      world_turn(&w);
    if (i % 512 == 511)
    {
      world_turns(&w, 6);
      (void)listen(&w, &book);
      assert_books_equal(&w, &book);
    }
  }
  world_turns(&w, 6);
  (void)listen(&w, &book);
  assert_books_equal(&w, &book);
  assert_int_equal(atomic_load(&w.shm->stats.messages_feed), wcx_engine_feed_next_number(wcx_loop_engine(w.loop)) - 1);
  world_close(&w);
}

/* It serves before its first day is released: nothing is said in the name of a day that never was. */
static void test_nothing_before_the_first_day(void **state)
{
  (void)state;
  world_t w;
  world_open(&w, world_region(1, NULL), 0);
  world_turns(&w, 3);
  w.hold = true;
  for (uint32_t i = 0; i < 1000 && !wcx_loop_serving(w.loop); i++)
    world_turn(&w);
  assert_true(wcx_loop_serving(w.loop));
  world_pass(&w, 2500000000);
  sent_t sent;
  assert_false(world_next(&w, &sent));
  w.hold = false;
  world_pass(&w, 2500000000);
  uint32_t heard = 0;
  for (; world_next(&w, &sent); heard++)
    assert_memory_equal(sent.mold.session, "M001260921", 10);
  assert_true(heard > 0);
  world_close(&w);
}

static void test_heartbeats_and_day_roll(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  sent_t sent;
  world_pass(&w, 5000000000);
  uint32_t heartbeats = 0;
  while (world_next(&w, &sent))
  {
    assert_int_equal(sent.mold.count, 0);
    assert_int_equal(sent.mold.sequence, 3); /* two definitions */
    assert_memory_equal(sent.mold.session, "M001260921", 10);
    heartbeats++;
  }
  assert_in_range(heartbeats, 8, 12); /* both sides, once a second */

  /* midnight: a journaled DayRoll, not seen before it is released; then a new session and numbers from 1 */
  uint64_t midnight = (w.utc_ns / UINT64_C(86400000000000) + 1) * UINT64_C(86400000000000);
  w.hold = true;
  w.utc_ns = midnight;
  world_pass(&w, 1500000000);
  assert_int_equal(wcx_engine_trade_date(wcx_loop_engine(w.loop)), 20260922);
  while (world_next(&w, &sent))
    assert_memory_equal(sent.mold.session, "M001260921", 10);
  w.hold = false;
  world_pass(&w, 7500000000);
  uint32_t ends = 0;
  heartbeats = 0;
  while (world_next(&w, &sent))
  {
    bool end = sent.mold.count == WCX_MOLD_END_OF_SESSION;
    assert_memory_equal(sent.mold.session, end ? "M001260921" : "M001260922", 10);
    assert_int_equal(sent.mold.sequence, end ? 3 : 1);
    assert_true(end || ends > 0); /* nothing of the new day before the old one was ended */
    ends += end;
    heartbeats += !end;
  }
  assert_int_equal(ends, 2 * WCX_ENDING_TIMES);
  assert_in_range(heartbeats, 12, 16);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  world_turns(&w, 4);
  bool added = false;
  while (world_next(&w, &sent))
    if (sent.mold.count == 1 && sent.datagram.to_port == 7101)
    {
      added = true;
      assert_memory_equal(sent.mold.session, "M001260922", 10);
      assert_int_equal(sent.mold.sequence, 1);
    }
  assert_true(added);
  uint64_t before = wcx_engine_applied_seq(wcx_loop_engine(w.loop));
  w.utc_ns -= UINT64_C(86400000000000); /* UTC steps back: the day does not */
  world_turns(&w, 4);
  assert_int_equal(wcx_engine_trade_date(wcx_loop_engine(w.loop)), 20260922);
  assert_int_equal(wcx_engine_applied_seq(wcx_loop_engine(w.loop)), before);
  world_close(&w);
}

/* --- re-requests ------------------------------------------------------------------------------------------------------------------------------- */

static void ask(world_t *w, uint32_t ip, uint16_t port, const char *session, uint64_t number, uint16_t count)
{
  uint8_t payload[20];
  world_send(w, ip, port, 7003, payload, wcx_mold_begin(payload, session, number, count));
}

static uint8_t refused_with(world_t *w, const client_t *client)
{
  wcx_retransmit_reject_t reject;
  if (!world_expect(w, client, WCX_TEMPLATE_RETRANSMIT_REJECT, &reject, sizeof(reject)))
    return 0;
  assert_true(reject.retry_delay_nanos > 0 || reject.code == WCX_RETRANSMIT_REJECT_CODE_BAD_SESSION); /* a refusal says when to ask again, if ever */
  return reject.code;
}

/* Numbers start again each day: who asks yesterday's session gets nothing of today's that stands in its place, and a day that is not released is not there. */
static void test_rerequests_are_of_one_day(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  world_turns(&w, 4);
  client_t reader = {.ip = CLIENT_IP, .port = 1234};
  sent_t sent;
  world_drain(&w);
  ask(&w, CLIENT_IP, 1234, "M001260921", 1, 1);
  world_turns(&w, 3);
  assert_true(world_next_to(&w, &reader, &sent));
  assert_memory_equal(sent.mold.session, "M001260921", 10);
  assert_int_equal(sent.mold.sequence, 1);

  w.hold = true;
  w.utc_ns = (w.utc_ns / UINT64_C(86400000000000) + 1) * UINT64_C(86400000000000);
  world_turns(&w, 4);
  assert_int_equal(wcx_engine_trade_date(wcx_loop_engine(w.loop)), 20260922);
  ask(&w, CLIENT_IP, 1234, "M001260922", 1, 1);
  world_turns(&w, 3);
  assert_int_equal(refused_with(&w, &reader), WCX_RETRANSMIT_REJECT_CODE_BAD_SESSION);
  w.hold = false;
  world_turns(&w, 4);
  ask(&w, CLIENT_IP, 1234, "M001260922", 1, 1);
  world_turns(&w, 3);
  assert_int_equal(refused_with(&w, &reader), WCX_RETRANSMIT_REJECT_CODE_TOO_HIGH);

  client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  world_turns(&w, 4);
  world_drain(&w);
  ask(&w, CLIENT_IP, 1234, "M001260922", 1, 1);
  world_turns(&w, 3);
  assert_true(world_next_to(&w, &reader, &sent));
  assert_memory_equal(sent.mold.session, "M001260922", 10);
  ask(&w, CLIENT_IP, 1234, "M001260921", 1, 1);
  world_turns(&w, 3);
  assert_int_equal(refused_with(&w, &reader), WCX_RETRANSMIT_REJECT_CODE_TOO_LOW);
  world_close(&w);
}

/* A roll that itself says something (a Day order expires), held back and released in one go with what came before and after it. */
static void test_day_ends_before_the_next_begins(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  w.utc_ns = (w.utc_ns / UINT64_C(86400000000000) + 1) * UINT64_C(86400000000000) - 50000;
  world_turns(&w, 2);
  world_drain(&w);
  w.hold = true;
  client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_DAY);
  world_turns(&w, 8);
  client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_DAY);
  world_turns(&w, 4);
  w.hold = false;
  world_turns(&w, 4);
  sent_t sent;
  uint64_t next[2][2] = {{3, 3}, {1, 1}}; /* by day and side */
  uint32_t ends = 0;
  while (world_next(&w, &sent))
  {
    if (sent.to_ip == client.ip)
      continue;
    uint32_t side = sent.to_ip == 0xef4d0002u;
    uint32_t day = memcmp(sent.mold.session, "M001260922", 10) == 0;
    assert_int_equal(sent.mold.sequence, next[day][side]);
    assert_int_equal(day, ends == 2); /* both sides at once */
    if (sent.mold.count == WCX_MOLD_END_OF_SESSION)
      ends++;
    else
      next[day][side] += sent.mold.count;
  }
  assert_int_equal(ends, 2);
  for (uint32_t side = 0; side < 2; side++)
  {
    assert_int_equal(next[0][side], 4); /* AddOrder */
    assert_int_equal(next[1][side], 3); /* DeleteOrder of the expired one, AddOrder */
  }
  /* the old day is still served, and known to be over */
  client_t stranger = {.ip = CLIENT_IP + 7, .port = 1234};
  ask(&w, stranger.ip, stranger.port, "M001260921", 3, 1);
  world_turns(&w, 2);
  assert_true(world_next_to(&w, &stranger, &sent));
  assert_memory_equal(sent.mold.session, "M001260921", 10);
  assert_int_equal(sent.mold.sequence, 3);
  ask(&w, stranger.ip, stranger.port, "M001260921", 4, 1);
  world_turns(&w, 2);
  assert_int_equal(refused_with(&w, &stranger), WCX_RETRANSMIT_REJECT_CODE_TOO_HIGH);
  world_close(&w);
}

/* More of a day is released at once than leaves in one turn, and the roll behind it. */
static void test_day_ends_behind_its_last_message(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_t other = client_of(2);
  client_sign_on(&w, &client);
  client_sign_on(&w, &other);
  w.utc_ns = (w.utc_ns / UINT64_C(86400000000000) + 1) * UINT64_C(86400000000000) - 500000000;
  sent_t sent;
  for (uint32_t i = 0; i < WCX_GATE_MESSAGES_MAX / 2; i++)
  {
    client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
    world_turns(&w, 4);
  }
  uint64_t next[2] = {1, 1};
  while (world_next(&w, &sent))
    if (sent.to_ip >> 24 == 0xef && sent.mold.count != WCX_MOLD_END_OF_SESSION)
      next[sent.to_ip == 0xef4d0002u] = sent.mold.sequence + sent.mold.count;
  w.hold = true;
  wcx_new_order_single_t sweep =
      client_order(&other, 1, WCX_SIDE_SELL, 100, 5 * WCX_GATE_MESSAGES_MAX / 2, WCX_TIME_IN_FORCE_GTC); /* two reports and a message of the feed for each order */
  client_send(&w, &other, WCX_TEMPLATE_NEW_ORDER_SINGLE, &sweep, sizeof(sweep));
  world_turns(&w, 4);
  uint64_t end_number = wcx_engine_feed_next_number(wcx_loop_engine(w.loop));
  assert_true(end_number >= next[0] + WCX_GATE_MESSAGES_MAX / 2);
  w.utc_ns += 1000000000;
  world_turns(&w, 8);
  assert_int_equal(wcx_engine_trade_date(wcx_loop_engine(w.loop)), 20260922);
  w.hold = false;
  uint32_t ends = 0;
  for (uint32_t i = 0; i < 4000 && ends < 2; i++)
  {
    world_turns(&w, 1);
    while (world_next(&w, &sent))
    {
      if (sent.to_ip >> 24 != 0xef || memcmp(sent.mold.session, "M001260921", 10) != 0)
        continue;
      uint32_t side = sent.to_ip == 0xef4d0002u;
      assert_int_equal(sent.mold.sequence, next[side]);
      if (sent.mold.count == WCX_MOLD_END_OF_SESSION)
      {
        assert_int_equal(next[side], end_number);
        ends++;
      }
      else
        next[side] += sent.mold.count;
    }
  }
  assert_int_equal(ends, 2);
  world_close(&w);
}

static void test_rerequest_of_a_session(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  static uint8_t said[300][256];
  for (uint32_t i = 0; i < 200; i++)
  {
    client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
    world_turns(&w, 2);
  }
  sent_t sent;
  while (world_next_to(&w, &client, &sent))
  {
    const uint8_t *at = sent.mold.blocks;
    const uint8_t *message = NULL;
    uint16_t sz = 0;
    for (uint64_t n = sent.mold.sequence; wcx_mold_next(&sent.mold, &at, &message, &sz); n++)
      memcpy(said[n], message, sz);
  }
  ask(&w, client.ip, client.port, client.mold, 2, 200);
  world_turns(&w, 2);
  uint64_t next = 2;
  while (world_next_to(&w, &client, &sent))
  {
    assert_int_equal(sent.datagram.from.port, 7003);
    assert_memory_equal(sent.mold.session, client.mold, 10);
    assert_int_equal(sent.mold.sequence, next);
    const uint8_t *at = sent.mold.blocks;
    const uint8_t *message = NULL;
    uint16_t sz = 0;
    for (; wcx_mold_next(&sent.mold, &at, &message, &sz); next++)
      assert_memory_equal(said[next], message, sz);
  }
  assert_int_equal(next, 202);
  ask(&w, client.ip, client.port, client.mold, 1, 1); /* the EstablishAck is message 1 */
  world_turns(&w, 2);
  assert_true(world_next_to(&w, &client, &sent));
  assert_int_equal(sent.mold.sequence, 1);

  ask(&w, client.ip, client.port, client.mold, 202, 1);
  world_turns(&w, 2);
  assert_int_equal(refused_with(&w, &client), WCX_RETRANSMIT_REJECT_CODE_TOO_HIGH);
  ask(&w, client.ip, client.port, client.mold, 0, 1);
  world_turns(&w, 2);
  assert_int_equal(refused_with(&w, &client), WCX_RETRANSMIT_REJECT_CODE_TOO_LOW);
  ask(&w, client.ip, client.port, "NoSuchOne1", 1, 1);
  world_turns(&w, 2);
  assert_int_equal(refused_with(&w, &client), WCX_RETRANSMIT_REJECT_CODE_BAD_SESSION);
  client_t thief = client;
  thief.port = 9;
  ask(&w, thief.ip, thief.port, client.mold, 2, 1);
  world_turns(&w, 2);
  assert_int_equal(refused_with(&w, &thief), WCX_RETRANSMIT_REJECT_CODE_BAD_SESSION);

  /* what is held at the gate is not there yet */
  w.hold = true;
  client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  world_turns(&w, 2);
  ask(&w, client.ip, client.port, client.mold, 202, 1);
  world_turns(&w, 2);
  assert_int_equal(refused_with(&w, &client), WCX_RETRANSMIT_REJECT_CODE_TOO_HIGH);

  /* after a restart the window is there before anybody asks */
  w.hold = false;
  world_turns(&w, 4);
  world_crash(&w);
  world_start(&w);
  client_sign_on(&w, &client);
  ask(&w, client.ip, client.port, client.mold, 2, 200);
  world_turns(&w, 2);
  next = 2;
  while (world_next_to(&w, &client, &sent))
  {
    const uint8_t *at = sent.mold.blocks;
    const uint8_t *message = NULL;
    uint16_t sz = 0;
    for (; wcx_mold_next(&sent.mold, &at, &message, &sz); next++)
      assert_memory_equal(said[next], message, sz);
  }
  assert_int_equal(next, 202);
  world_close(&w);
}

static void stingy(wcx_params_t *params)
{
  params->rerequest_per_source_per_s = 50;
  params->shards[0].retain_feed_msgs = 64;
}

static void test_rerequest_of_the_feed(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, stingy);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  for (uint32_t i = 0; i < 100; i++)
  {
    client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
    world_turns(&w, 2);
  }
  world_drain(&w);
  client_t stranger = {.ip = CLIENT_IP + 7, .port = 1234};
  ask(&w, stranger.ip, stranger.port, "M001260921", 90, 5);
  world_turns(&w, 2);
  sent_t sent;
  assert_true(world_next_to(&w, &stranger, &sent));
  assert_memory_equal(sent.mold.session, "M001260921", 10);
  assert_int_equal(sent.mold.sequence, 90);
  assert_int_equal(sent.mold.count, 5);
  ask(&w, stranger.ip, stranger.port, "M001260921", 10, 1); /* beyond the window */
  world_turns(&w, 2);
  assert_int_equal(refused_with(&w, &stranger), WCX_RETRANSMIT_REJECT_CODE_TOO_LOW);
  ask(&w, stranger.ip, stranger.port, "M001260921", 103, 1);
  world_turns(&w, 2);
  assert_int_equal(refused_with(&w, &stranger), WCX_RETRANSMIT_REJECT_CODE_TOO_HIGH);
  ask(&w, stranger.ip, stranger.port, "M001260922", 1, 1);
  world_turns(&w, 2);
  assert_int_equal(refused_with(&w, &stranger), WCX_RETRANSMIT_REJECT_CODE_BAD_SESSION);
  ask(&w, stranger.ip, stranger.port, "M001260921", 50, 60); /* more than the bucket holds: as far as it goes */
  world_turns(&w, 2);
  uint32_t got = 0;
  while (world_next_to(&w, &stranger, &sent))
    got += sent.mold.count;
  assert_int_equal(got, 50 - 5 - 3);
  ask(&w, stranger.ip, stranger.port, "M001260921", 90, 1);
  world_turns(&w, 2);
  assert_int_equal(refused_with(&w, &stranger), WCX_RETRANSMIT_REJECT_CODE_RATE_LIMIT);
  for (uint32_t i = 0; i < 200; i++)
    ask(&w, stranger.ip, stranger.port, "M001260921", 90, 1);
  world_turns(&w, 10);
  got = 0;
  while (world_next_to(&w, &stranger, &sent))
    got++;
  assert_true(got < 70); /* who goes on asking gets silence */
  world_close(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_book_from_feed_is_the_book),      cmocka_unit_test(test_nothing_before_the_first_day),
      cmocka_unit_test(test_heartbeats_and_day_roll),         cmocka_unit_test(test_day_ends_behind_its_last_message),
      cmocka_unit_test(test_day_ends_before_the_next_begins), cmocka_unit_test(test_rerequest_of_a_session),
      cmocka_unit_test(test_rerequest_of_the_feed),           cmocka_unit_test(test_rerequests_are_of_one_day),
  };
  return cmocka_run_group_tests_name("loop_feed", tests, NULL, NULL);
}
