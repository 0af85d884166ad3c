/* Late joiners: the books a client builds from snapshot and feed, order by order, are the engine's, while 50,000 requests a second change them. On a simulated
   wire: lines lost, holes beyond the re-request window, a day that rolls. */
#include "dataplane/client/join.h"
#include "dataplane/client/snapshot.h"
#include "tests/unit/loop_fixture.h"

#define CYCLE_MS 100u
#define CYCLE_TURNS (CYCLE_MS * 100u) /* of 10 us */
#define TURNS_PER_REQUEST 2u          /* 50,000 a second */
#define INSTRUMENTS 2u
#define ORDERS_MAX 20000u

/* --- a stranger who listens --------------------------------------------------------------------------------------------------------------------- */

enum channel
{
  FEED_A = 0,
  FEED_B = 1,
  SNAPSHOT_A = 2,
  SNAPSHOT_B = 3,
  CHANNELS = 4,
};

typedef struct joiner
{
  world_t *w;
  uint16_t port;
  bool ask; /* may ask for feed messages again */
  uint8_t loss_pct[CHANNELS];
  uint64_t random;
  wcx_client_books_t books;
  wcx_client_join_t join;
  wcx_client_feed_t feed;
  wcx_client_snapshot_t snapshot;
  uint32_t contradictions;
} joiner_t;

static uint64_t next_random(uint64_t *random)
{
  *random ^= *random << 13;
  *random ^= *random >> 7;
  *random ^= *random << 17;
  return *random;
}

static void on_send(void *ctx, const void *datagram, size_t sz)
{
  joiner_t *j = ctx;
  if (j->ask)
    world_send(j->w, CLIENT_IP, j->port, 7003, datagram, (uint32_t)sz);
}

static void on_message(void *ctx, uint64_t number, const void *message, size_t sz)
{
  joiner_t *j = ctx;
  j->contradictions += !wcx_client_join_message(&j->join, number, message, sz);
}

static void on_start(void *ctx, const char session[10], uint64_t number, enum wcx_client_start start)
{
  joiner_t *j = ctx;
  wcx_client_join_start(&j->join, session, number, start);
}

static void on_book(void *ctx, const char session[10], const wcx_snapshot_start_t *start, const wcx_snapshot_order_t *orders)
{
  joiner_t *j = ctx;
  j->contradictions += !wcx_client_join_book(&j->join, session, start, orders);
}

static void on_cycle(void *ctx, const char session[10], bool whole)
{
  joiner_t *j = ctx;
  wcx_client_join_cycle(&j->join, session, whole);
}

static void joiner_open(joiner_t *j, world_t *w, uint16_t port, uint64_t seed)
{
  *j = (joiner_t){.w = w, .port = port, .ask = true, .random = seed * 2 + 1};
  wcx_client_books_init(&j->books);
  wcx_client_join_init(&j->join, &j->books);
  wcx_client_feed_config_t feed = {.shard = 1, .ctx = j, .send = on_send, .on_message = on_message, .on_start = on_start};
  wcx_client_feed_init(&j->feed, &feed);
  wcx_client_snapshot_config_t snapshot = {.shard = 1, .ctx = j, .on_book = on_book, .on_cycle = on_cycle};
  wcx_client_snapshot_init(&j->snapshot, &snapshot);
}

static void joiner_close(joiner_t *j)
{
  wcx_client_snapshot_free(&j->snapshot);
  wcx_client_feed_free(&j->feed);
  wcx_client_join_free(&j->join);
  wcx_client_books_free(&j->books);
}

static void hear(joiner_t *j, const sent_t *sent)
{
  const uint8_t *payload = sent->datagram.payload;
  uint32_t group = sent->to_ip - 0xef4d0001u;
  if (sent->to_ip == CLIENT_IP && sent->datagram.to_port == j->port)
    wcx_client_feed_datagram(&j->feed, j->w->mono_ns, WCX_CLIENT_LINE_REREQUEST, payload, sent->datagram.len);
  if (group >= CHANNELS || next_random(&j->random) % 100 < j->loss_pct[group])
    return;
  if (group <= FEED_B)
    wcx_client_feed_datagram(&j->feed, j->w->mono_ns, group == FEED_A ? WCX_CLIENT_LINE_A : WCX_CLIENT_LINE_B, payload, sent->datagram.len);
  else
    wcx_client_snapshot_datagram(&j->snapshot, j->w->mono_ns, group == SNAPSHOT_A ? WCX_CLIENT_LINE_A : WCX_CLIENT_LINE_B, payload, sent->datagram.len);
}

/* --- the market ---------------------------------------------------------------------------------------------------------------------------------- */

typedef struct market
{
  world_t w;
  client_t clients[2];
  uint64_t random;
  uint64_t requests;
  joiner_t *joiners[4];
  uint32_t joiner_cnt;
} market_t;

static void large(wcx_params_t *params)
{
  params->snapshot_cycle_ms = CYCLE_MS;
  params->shards[0].orders_max = ORDERS_MAX;
  params->shards[0].levels_max = 4000;
  params->shards[0].snapshot_orders_max = ORDERS_MAX;
  params->shards[0].outlog_sz = 64u << 20;
  params->shards[0].retain_feed_msgs = 65536;
}

static void forgetful(wcx_params_t *params)
{
  large(params);
  params->shards[0].retain_feed_msgs = 1024;
}

static void send_order(market_t *m, client_t *client, wcx_new_order_single_t *order)
{
  client_send(&m->w, client, WCX_TEMPLATE_NEW_ORDER_SINGLE, order, sizeof(*order));
}

/* One random request: orders that rest, trade, hide or show a part of themselves; cancels and replaces of recent ones. */
static void act(market_t *m)
{
  client_t *client = &m->clients[m->requests++ % 2];
  uint64_t pick = next_random(&m->random);
  uint32_t security_id = 1 + (uint32_t)(pick >> 8) % INSTRUMENTS;
  uint64_t recent = client->cl_ord_id > 400 ? client->cl_ord_id - (pick >> 16) % 400 : 1;
  int64_t price = 5000 + (int64_t)((pick >> 24) % 60);
  int64_t qty = 1 + (int64_t)((pick >> 32) % 40);
  if (pick % 16 < 9)
  {
    wcx_new_order_single_t order = client_order(client, security_id, 1 + (uint8_t)(pick >> 20) % 2, price, qty, pick % 5 == 0 ? WCX_TIME_IN_FORCE_IOC : WCX_TIME_IN_FORCE_GTC);
    if (pick % 16 == 1 && order.time_in_force == WCX_TIME_IN_FORCE_GTC)
      order.exec_inst = WCX_EXEC_INST_HIDDEN;
    else if (pick % 16 < 4 && order.time_in_force == WCX_TIME_IN_FORCE_GTC)
      order.display_qty = 1 + qty / 4;
    send_order(m, client, &order);
  }
  else if (pick % 16 < 13)
  {
    wcx_order_cancel_request_t cancel = {.cl_ord_id = ++client->cl_ord_id, .orig_cl_ord_id = recent, .order_id = WCX_U64_NULL, .security_id = security_id};
    client_send(&m->w, client, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, &cancel, sizeof(cancel));
  }
  else
  {
    wcx_order_cancel_replace_request_t replace = {.cl_ord_id = ++client->cl_ord_id,
                                                  .orig_cl_ord_id = recent,
                                                  .order_id = WCX_U64_NULL,
                                                  .price = price,
                                                  .order_qty = qty,
                                                  .display_qty = WCX_I64_NULL,
                                                  .security_id = security_id,
                                                  .stop_px = WCX_I64_NULL};
    client_send(&m->w, client, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, &replace, sizeof(replace));
  }
}

static void turn(market_t *m)
{
  sent_t sent;
  world_turn(&m->w);
  while (world_next(&m->w, &sent))
    for (uint32_t i = 0; i < m->joiner_cnt; i++)
      hear(m->joiners[i], &sent);
  for (uint32_t i = 0; i < m->joiner_cnt; i++)
  {
    wcx_client_feed_step(&m->joiners[i]->feed, m->w.mono_ns);
    wcx_client_snapshot_step(&m->joiners[i]->snapshot, m->w.mono_ns);
  }
}

static void busy_turns(market_t *m, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
  {
    if (i % TURNS_PER_REQUEST == 0)
      act(m);
    turn(m);
  }
}

static void quiet_turns(market_t *m, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
    turn(m);
}

static void market_open(market_t *m, world_tune_t *tune)
{
  memset(m, 0, sizeof(*m));
  const char *text = getenv("WCX_SEED");
  m->random = text != NULL ? strtoull(text, NULL, 10) | 1 : 20261126;
  print_message("  WCX_SEED=%llu\n", (unsigned long long)m->random);
  world_new(&m->w, tune);
  m->w.forget = true;
  for (uint32_t i = 0; i < 2; i++)
  {
    m->clients[i] = client_of(i + 1);
    client_sign_on(&m->w, &m->clients[i]);
  }
  for (uint32_t i = 0; i < 6000; i++) /* a deep book that nothing reaches, below and above */
  {
    client_t *client = &m->clients[i % 2];
    uint8_t side = i % 4 < 2 ? WCX_SIDE_BUY : WCX_SIDE_SELL;
    wcx_new_order_single_t order = client_order(client, 1 + i % INSTRUMENTS, side, (side == WCX_SIDE_BUY ? 100 : 9000) + (int64_t)(i % 700), 5, WCX_TIME_IN_FORCE_GTC);
    send_order(m, client, &order);
    turn(m);
  }
}

static void market_close(market_t *m)
{
  world_close(&m->w);
}

static void enter(market_t *m, joiner_t *j)
{
  m->joiners[m->joiner_cnt++] = j;
}

static void leave(market_t *m)
{
  joiner_close(m->joiners[--m->joiner_cnt]);
}

/* --- comparing ------------------------------------------------------------------------------------------------------------------------------------ */

typedef struct shown
{
  uint64_t order_id;
  int64_t price, qty;
} shown_t;

typedef struct side
{
  shown_t orders[ORDERS_MAX];
  uint32_t cnt;
} side_t;

static bool collect(void *ctx, uint64_t order_id, int64_t price, int64_t displayed_qty)
{
  side_t *side = ctx;
  side->orders[side->cnt++] = (shown_t){order_id, price, displayed_qty};
  return true;
}

static void collect_client(const wcx_client_books_t *books, uint32_t security_id, uint8_t side_no, side_t *side)
{
  const wcx_client_instrument_t *instrument = wcx_client_books_find(books, security_id);
  assert_non_null(instrument);
  const wcx_client_ladder_t *ladder = &instrument->sides[side_no == WCX_SIDE_SELL];
  for (uint32_t level = ladder->cnt; level-- > 0;)
    for (uint32_t at = ladder->levels[level].head; at != 0; at = books->orders[at - 1].next)
      side->orders[side->cnt++] = (shown_t){books->orders[at - 1].order_id, books->orders[at - 1].price, books->orders[at - 1].qty};
}

/* Order by order: ids, prices, quantities, priority. */
static void assert_exact(const market_t *m, const joiner_t *j)
{
  static side_t truth, mine;
  uint32_t cnt = 0;
  wcx_security_definition_t definition;
  for (uint32_t idx = 0; wcx_engine_instrument_at(wcx_loop_engine(m->w.loop), idx, &definition); idx++)
    for (uint8_t side = WCX_SIDE_BUY; side <= WCX_SIDE_SELL; side++)
    {
      truth.cnt = mine.cnt = 0;
      assert_true(wcx_engine_book_orders(wcx_loop_engine(m->w.loop), definition.security_id, side, collect, &truth));
      collect_client(&j->books, definition.security_id, side, &mine);
      assert_int_equal(mine.cnt, truth.cnt);
      assert_memory_equal(mine.orders, truth.orders, truth.cnt * sizeof(shown_t));
      cnt += truth.cnt;
    }
  assert_true(cnt > 6000);
  assert_true(wcx_client_books_verify(&j->books));
  assert_int_equal(j->contradictions, 0);
}

static bool all_live(const joiner_t *j)
{
  for (uint32_t security_id = 1; security_id <= INSTRUMENTS; security_id++)
    if (!wcx_client_join_live(&j->join, security_id))
      return false;
  return true;
}

/* Go on trading until every book is live and known to be; returns the turns until they were live. */
static uint32_t busy_until_joined(market_t *m, joiner_t *j, uint32_t turns_max)
{
  uint32_t live_turns = 0;
  for (uint32_t turns = 0; turns < turns_max; turns += TURNS_PER_REQUEST)
  {
    busy_turns(m, TURNS_PER_REQUEST);
    live_turns = live_turns == 0 && all_live(j) ? turns + TURNS_PER_REQUEST : live_turns;
    if (wcx_client_join_done(&j->join))
    {
      assert_true(live_turns != 0);
      return live_turns;
    }
  }
  fail_msg("not joined after %u turns: begun %u, whole %u, %u of %u wait", turns_max, j->join.begun, j->join.whole, j->join.waiting_cnt, j->join.joining_cnt);
  return 0;
}

/* --- tests ------------------------------------------------------------------------------------------------------------------------------------------ */

static void test_joins_within_a_cycle(void **state)
{
  (void)state;
  static const uint8_t losses[][CHANNELS] = {{0, 0, 0, 0}, {100, 0, 0, 0}, {0, 100, 0, 0}, {0, 0, 100, 0}, {0, 0, 0, 100}, {100, 0, 0, 100}, {0, 100, 100, 0}, {0, 0, 0, 0}};
  market_t m;
  market_open(&m, large);
  uint32_t most = 0;
  for (uint32_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
  {
    joiner_t j;
    busy_turns(&m, 1000 + (uint32_t)(next_random(&m.random) % CYCLE_TURNS));
    joiner_open(&j, &m.w, (uint16_t)(50000 + i), 77 + i);
    memcpy(j.loss_pct, losses[i], CHANNELS);
    enter(&m, &j);
    uint32_t turns = busy_until_joined(&m, &j, 3 * CYCLE_TURNS);
    assert_true(turns <= CYCLE_TURNS + CYCLE_TURNS / 2); /* the rest of a cycle's pause, and its sending */
    most = turns > most ? turns : most;
    quiet_turns(&m, 20);
    assert_exact(&m, &j);
    busy_turns(&m, 5000);
    quiet_turns(&m, 20);
    assert_exact(&m, &j);
    assert_int_equal(wcx_client_feed_gaps(&j.feed), 0);
    assert_int_equal(j.snapshot.bad_checksum_cnt, 0);
    leave(&m);
  }
  print_message("  live after at most %u us of a %u ms cycle, %u orders on the books\n", most * 10, CYCLE_MS, wcx_engine_orders_live(wcx_loop_engine(m.w.loop)));
  assert_int_equal(atomic_load(&m.w.shm->stats.snapshot_too_deep), 0);
  market_close(&m);
}

/* Both lines of both channels lose packets by chance: holes of the feed are asked for, torn books come again. */
static void test_joins_in_spite_of_loss(void **state)
{
  (void)state;
  market_t m;
  market_open(&m, large);
  uint64_t torn = 0;
  for (uint32_t i = 0; i < 4; i++)
  {
    joiner_t j;
    busy_turns(&m, 1000 + (uint32_t)(next_random(&m.random) % CYCLE_TURNS));
    joiner_open(&j, &m.w, (uint16_t)(51000 + i), 770 + i);
    memcpy(j.loss_pct, ((uint8_t[CHANNELS]){20, 20, 5, 5}), CHANNELS);
    enter(&m, &j);
    (void)busy_until_joined(&m, &j, 60 * CYCLE_TURNS);
    memset(j.loss_pct, 0, CHANNELS);
    quiet_turns(&m, 20000); /* the last hole is asked for */
    assert_exact(&m, &j);
    torn += j.snapshot.torn_cnt;
    assert_true(j.feed.stream.hole_recovered_cnt > 0);
    leave(&m);
  }
  print_message("  %llu books torn by holes\n", (unsigned long long)torn);
  assert_true(torn > 0);
  market_close(&m);
}

/* A hole beyond the re-request window: the books wait, and the snapshot brings them back. */
static void test_recovers_from_a_gap_beyond_the_window(void **state)
{
  (void)state;
  market_t m;
  market_open(&m, forgetful);
  joiner_t j;
  joiner_open(&j, &m.w, 52000, 5);
  enter(&m, &j);
  (void)busy_until_joined(&m, &j, 3 * CYCLE_TURNS);
  for (uint32_t i = 0; i < 3; i++)
  {
    memset(j.loss_pct, 100, CHANNELS);
    busy_turns(&m, 6000); /* 3,000 requests: more messages than the window holds */
    memset(j.loss_pct, 0, CHANNELS);
    uint64_t begun = j.join.begin_cnt;
    for (uint32_t turns = 0; j.join.begin_cnt == begun && turns < CYCLE_TURNS; turns += 100)
      busy_turns(&m, 100);
    assert_int_equal(j.join.begin_cnt, begun + 1);
    (void)busy_until_joined(&m, &j, 3 * CYCLE_TURNS);
    quiet_turns(&m, 20000);
    assert_exact(&m, &j);
  }
  assert_int_equal(j.feed.stream.hole_lost_cnt, 3);
  leave(&m);
  market_close(&m);
}

/* Midnight: numbers of both channels begin again; a joiner that heard the end of the day keeps its books, one that did not joins anew, one that joins across
   midnight gets the new day's. */
static void test_day_roll(void **state)
{
  (void)state;
  market_t m;
  market_open(&m, large);
  joiner_t keeps, deaf, late;
  joiner_open(&keeps, &m.w, 53000, 7);
  joiner_open(&deaf, &m.w, 53001, 8);
  enter(&m, &keeps);
  enter(&m, &deaf);
  (void)busy_until_joined(&m, &keeps, 3 * CYCLE_TURNS);
  (void)busy_until_joined(&m, &deaf, 3 * CYCLE_TURNS);
  assert_memory_equal(keeps.snapshot.session, "N001260921", 10);
  busy_turns(&m, 2000);
  memset(deaf.loss_pct, 100, CHANNELS);
  m.w.utc_ns = (m.w.utc_ns / UINT64_C(86400000000000) + 1) * UINT64_C(86400000000000) - 2000000;
  busy_turns(&m, 100);
  joiner_open(&late, &m.w, 53002, 9);
  enter(&m, &late);
  busy_turns(&m, 200); /* midnight */
  assert_int_equal(wcx_engine_trade_date(wcx_loop_engine(m.w.loop)), 20260922);
  memset(deaf.loss_pct, 0, CHANNELS);
  (void)busy_until_joined(&m, &late, 3 * CYCLE_TURNS);
  (void)busy_until_joined(&m, &deaf, 3 * CYCLE_TURNS);
  quiet_turns(&m, 20);
  joiner_t *all[] = {&keeps, &deaf, &late};
  for (uint32_t i = 0; i < 3; i++)
  {
    assert_exact(&m, all[i]);
    assert_memory_equal(all[i]->feed.session, "M001260922", 10);
    assert_memory_equal(all[i]->snapshot.session, "N001260922", 10);
  }
  assert_int_equal(keeps.join.begin_cnt, 1);
  assert_int_equal(deaf.join.begin_cnt, 2);
  leave(&m);
  leave(&m);
  leave(&m);
  market_close(&m);
}

/* An instrument listed while the day runs: whoever listens hears its definition and has its book from the first order on, a late joiner gets it with the
   snapshots, and the cycle counts it. */
static void test_listing_during_the_day(void **state)
{
  (void)state;
  market_t m;
  market_open(&m, large);
  joiner_t early, late;
  joiner_open(&early, &m.w, 54000, 11);
  enter(&m, &early);
  (void)busy_until_joined(&m, &early, 3 * CYCLE_TURNS);
  assert_null(wcx_client_books_find(&early.books, 7));
  wcx_security_definition_t definition;
  assert_true(wcx_engine_instrument_at(wcx_loop_engine(m.w.loop), 0, &definition));
  definition.security_id = 7;
  definition.min_price_increment = 5;
  m.w.hold = true;
  uint64_t seq = wcx_loop_define(m.w.loop, WCX_TEMPLATE_SECURITY_DEFINITION, &definition, sizeof(definition));
  assert_true(seq != 0);
  quiet_turns(&m, 2 * CYCLE_TURNS);
  assert_null(wcx_client_books_find(&early.books, 7)); /* not before it is released, neither on the feed nor in a snapshot */
  m.w.hold = false;
  quiet_turns(&m, 10);
  assert_non_null(wcx_client_books_find(&early.books, 7));
  assert_int_equal(wcx_client_books_find(&early.books, 7)->definition.min_price_increment, 5);
  assert_true(wcx_client_join_live(&early.join, 7));
  uint64_t taken = early.join.taken_cnt;
  for (uint32_t i = 0; i < 200; i++)
  {
    wcx_new_order_single_t order = client_order(&m.clients[i % 2], 7, 1 + i % 2, i % 2 == 0 ? 100 : 200 + 5 * (i % 7), 3, WCX_TIME_IN_FORCE_GTC);
    send_order(&m, &m.clients[i % 2], &order);
    busy_turns(&m, 4);
  }
  joiner_open(&late, &m.w, 54001, 12);
  enter(&m, &late);
  (void)busy_until_joined(&m, &late, 3 * CYCLE_TURNS);
  assert_true(wcx_client_join_live(&late.join, 7));
  assert_int_equal(late.join.taken_cnt, 3);
  assert_int_equal(early.join.taken_cnt, taken);
  quiet_turns(&m, 20);
  assert_exact(&m, &early);
  assert_exact(&m, &late);
  assert_int_equal(wcx_client_books_find(&late.books, 7)->sides[0].levels[0].order_cnt, 100);
  leave(&m);
  leave(&m);
  market_close(&m);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_joins_within_a_cycle),
      cmocka_unit_test(test_joins_in_spite_of_loss),
      cmocka_unit_test(test_recovers_from_a_gap_beyond_the_window),
      cmocka_unit_test(test_day_roll),
      cmocka_unit_test(test_listing_during_the_day),
  };
  return cmocka_run_group_tests_name("loop_join", tests, NULL, NULL);
}
