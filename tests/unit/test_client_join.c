/* What a receiver of snapshots must not believe: bad check values, books with holes, other days, snapshots older than what it heard; and what it does with what
   it held. */
#include "dataplane/client/join.h"
#include "dataplane/client/snapshot.h"
#include "engine/base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

typedef struct world
{
  wcx_client_books_t books;
  wcx_client_join_t join;
  wcx_client_snapshot_t snapshot;
  uint64_t now_ns;
  uint64_t number; /* next of the snapshot channel */
  const char *session;
  uint32_t given; /* books */
  uint32_t cycles;
} world_t;

static void on_book(void *ctx, const char session[10], const wcx_snapshot_start_t *start, const wcx_snapshot_order_t *orders)
{
  world_t *world = ctx;
  world->given++;
  assert_true(wcx_client_join_book(&world->join, session, start, orders));
}

static void on_cycle(void *ctx, const char session[10], uint32_t book_cnt)
{
  world_t *world = ctx;
  world->cycles++;
  wcx_client_join_cycle(&world->join, session, book_cnt);
}

static void open_world(world_t *world)
{
  *world = (world_t){.now_ns = 1000 * MS, .number = 1, .session = "N001261126"};
  wcx_client_books_init(&world->books);
  wcx_client_join_init(&world->join, &world->books);
  wcx_client_snapshot_config_t config = {.shard = 1, .ctx = world, .on_book = on_book, .on_cycle = on_cycle};
  wcx_client_snapshot_init(&world->snapshot, &config);
}

static void close_world(world_t *world)
{
  wcx_client_snapshot_free(&world->snapshot);
  wcx_client_join_free(&world->join);
  wcx_client_books_free(&world->books);
}

/* --- the channel -------------------------------------------------------------------------------------------------------------------------------- */

typedef struct datagram
{
  uint8_t bytes[WCX_CLIENT_DATAGRAM_MAX];
  size_t sz;
} datagram_t;

static datagram_t packet(world_t *world, uint16_t count)
{
  datagram_t datagram = {.sz = WCX_CLIENT_PACKET_HDR_SZ};
  wcx_client_packet_header(datagram.bytes, world->session, world->number, count);
  world->number += count;
  return datagram;
}

static void append(datagram_t *datagram, uint16_t template_id, const void *block, uint16_t block_sz)
{
  uint8_t message[64];
  size_t len = wcx_client_message_write(message, template_id, block, block_sz);
  datagram->sz = wcx_client_packet_append(datagram->bytes, datagram->sz, message, len);
}

static void give(world_t *world, enum wcx_client_line line, const datagram_t *datagram)
{
  world->now_ns += MS;
  wcx_client_snapshot_datagram(&world->snapshot, world->now_ns, line, datagram->bytes, datagram->sz);
}

/* A book of `cnt` bids in a packet each for start, orders and end; `valid_at` as told. */
typedef struct said
{
  datagram_t start, orders, end;
} said_t;

static said_t book(world_t *world, uint32_t security_id, uint64_t valid_at, uint16_t cnt)
{
  said_t said;
  uint32_t id = (uint32_t)world->number;
  wcx_snapshot_start_t start = {.last_msg_seq_num_processed = valid_at,
                                .last_px = 77,
                                .security_id = security_id,
                                .tot_num_orders = cnt,
                                .security_trading_status = WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE,
                                .snapshot_id = id};
  said.start = packet(world, 1);
  append(&said.start, WCX_TEMPLATE_SNAPSHOT_START, &start, sizeof(start));
  said.orders = packet(world, cnt);
  uint32_t crc = 0;
  for (uint16_t i = 0; i < cnt; i++)
  {
    wcx_snapshot_order_t order = {.order_id = 100 * security_id + i, .priority_time = i, .price = 50, .display_qty = 10 + i, .security_id = security_id, .side = WCX_SIDE_BUY};
    crc = wcx_crc32c(crc, &order, sizeof(order));
    append(&said.orders, WCX_TEMPLATE_SNAPSHOT_ORDER, &order, sizeof(order));
  }
  wcx_snapshot_end_t end = {.last_msg_seq_num_processed = valid_at, .security_id = security_id, .tot_num_orders = cnt, .snapshot_id = id, .checksum = crc};
  said.end = packet(world, 1);
  append(&said.end, WCX_TEMPLATE_SNAPSHOT_END, &end, sizeof(end));
  return said;
}

static void give_book(world_t *world, const said_t *said)
{
  give(world, WCX_CLIENT_LINE_A, &said->start);
  give(world, WCX_CLIENT_LINE_A, &said->orders);
  give(world, WCX_CLIENT_LINE_A, &said->end);
}

static void give_cycle_end(world_t *world, uint32_t books)
{
  wcx_end_of_cycle_t end = {.cycle_id = 1, .tot_num_securities = books};
  datagram_t datagram = packet(world, 1);
  append(&datagram, WCX_TEMPLATE_END_OF_CYCLE, &end, sizeof(end));
  give(world, WCX_CLIENT_LINE_A, &datagram);
}

/* --- the feed ------------------------------------------------------------------------------------------------------------------------------------ */

static bool feed_add(world_t *world, uint64_t number, uint32_t security_id, uint64_t order_id, int64_t qty)
{
  uint8_t message[64];
  wcx_add_order_t add = {.order_id = order_id, .price = 50, .display_qty = qty, .security_id = security_id, .side = WCX_SIDE_BUY};
  return wcx_client_join_message(&world->join, number, message, wcx_client_message_write(message, WCX_TEMPLATE_ADD_ORDER, &add, sizeof(add)));
}

static bool take(world_t *world, uint32_t security_id, uint64_t order_id, int64_t qty, uint32_t times)
{
  wcx_snapshot_order_t orders[2];
  for (uint32_t i = 0; i < 2; i++)
    orders[i] = (wcx_snapshot_order_t){.order_id = order_id, .price = 50, .display_qty = qty, .security_id = security_id, .side = WCX_SIDE_BUY};
  wcx_snapshot_start_t start = {.last_msg_seq_num_processed = 1000, .security_id = security_id, .tot_num_orders = times};
  return wcx_client_join_book(&world->join, "M001261126", &start, orders);
}

static bool feed_delete(world_t *world, uint64_t number, uint32_t security_id, uint64_t order_id)
{
  uint8_t message[64];
  wcx_delete_order_t gone = {.order_id = order_id, .security_id = security_id};
  return wcx_client_join_message(&world->join, number, message, wcx_client_message_write(message, WCX_TEMPLATE_DELETE_ORDER, &gone, sizeof(gone)));
}

static bool feed_clear(world_t *world, uint64_t number)
{
  uint8_t message[64];
  wcx_clear_book_t clear = {.security_id = WCX_U32_NULL};
  return wcx_client_join_message(&world->join, number, message, wcx_client_message_write(message, WCX_TEMPLATE_CLEAR_BOOK, &clear, sizeof(clear)));
}

static uint32_t orders_of(const world_t *world, uint32_t security_id)
{
  const wcx_client_instrument_t *instrument = wcx_client_books_find(&world->books, security_id);
  return instrument != NULL && instrument->sides[0].cnt != 0 ? instrument->sides[0].levels[0].order_cnt : 0;
}

/* --- tests ---------------------------------------------------------------------------------------------------------------------------------------- */

static void test_only_whole_books(void **state)
{
  (void)state;
  world_t world;
  open_world(&world);
  said_t said = book(&world, 1, 5, 3);
  give_book(&world, &said);
  assert_int_equal(world.given, 1);
  /* every byte of every order counts */
  for (size_t at = 0; at < 3 * 50; at++)
  {
    said = book(&world, 1, 5, 3);
    bool in_block = at % 50 >= 10; /* behind length and header */
    said.orders.bytes[20 + at] ^= in_block ? 1 : 0;
    give_book(&world, &said);
    assert_int_equal(world.given, at / 50 * 10 + (at % 50 >= 10 ? 10 : at % 50 + 1) + 1);
  }
  assert_int_equal(world.snapshot.bad_checksum_cnt, 120);
  world.given = 0;
  /* a packet that neither line brings: the book is torn, the next one is not */
  said = book(&world, 1, 5, 3);
  give(&world, WCX_CLIENT_LINE_A, &said.start);
  give(&world, WCX_CLIENT_LINE_B, &said.end);
  said_t next = book(&world, 2, 5, 2);
  give_book(&world, &next);
  for (uint32_t i = 0; i < 100; i++)
    wcx_client_snapshot_step(&world.snapshot, world.now_ns += MS);
  assert_int_equal(world.given, 1);
  assert_int_equal(world.snapshot.torn_cnt, 1);
  /* the other line brings it late, out of order and twice */
  said = book(&world, 1, 5, 3);
  give(&world, WCX_CLIENT_LINE_A, &said.end);
  give(&world, WCX_CLIENT_LINE_B, &said.start);
  give(&world, WCX_CLIENT_LINE_B, &said.start);
  give(&world, WCX_CLIENT_LINE_B, &said.orders);
  give(&world, WCX_CLIENT_LINE_A, &said.start);
  assert_int_equal(world.given, 2);
  close_world(&world);
}

static void test_cycles_and_restarts(void **state)
{
  (void)state;
  world_t world;
  open_world(&world);
  said_t one = book(&world, 1, 5, 3);
  give_book(&world, &one);
  give_cycle_end(&world, 2);
  assert_int_equal(world.cycles, 1);
  /* the data plane starts again in the middle of a book: numbers jump, the book is thrown away */
  one = book(&world, 1, 5, 3);
  give(&world, WCX_CLIENT_LINE_A, &one.start);
  world.number = (UINT64_C(2) << 40) + 1;
  one = book(&world, 1, 9, 3);
  give_book(&world, &one);
  give_cycle_end(&world, 1);
  assert_int_equal(world.snapshot.torn_cnt, 1);
  assert_int_equal(world.given, 2);
  assert_int_equal(world.cycles, 2);
  /* another shard's, an older day's, and no packet at all */
  world.session = "N002261126";
  one = book(&world, 1, 9, 3);
  give_book(&world, &one);
  world.session = "N001261125";
  one = book(&world, 1, 9, 3);
  give_book(&world, &one);
  assert_int_equal(world.snapshot.foreign_cnt, 6);
  one.start.sz = 30;
  give(&world, WCX_CLIENT_LINE_A, &one.start);
  assert_int_equal(world.snapshot.bad_datagram_cnt, 1);
  assert_int_equal(world.given, 2);
  close_world(&world);
}

static void test_joins_book_by_book(void **state)
{
  (void)state;
  world_t world;
  open_world(&world);
  said_t one = book(&world, 1, 99, 3);
  give_book(&world, &one); /* before the feed is heard: known, not taken */
  assert_int_equal(world.join.waiting_cnt, 1);
  wcx_client_join_start(&world.join, "M001261126", 100, WCX_CLIENT_START_JOIN);
  assert_true(feed_delete(&world, 100, 1, 100));
  assert_true(feed_add(&world, 101, 2, 900, 5));
  assert_true(feed_add(&world, 102, 1, 901, 6));
  one = book(&world, 1, 98, 3); /* one too old: what number 99 said is missing */
  give_book(&world, &one);
  assert_int_equal(world.join.too_old_cnt, 1);
  assert_false(wcx_client_join_live(&world.join, 1));
  one = book(&world, 1, 99, 3); /* just in time: both held messages are behind it */
  give_book(&world, &one);
  assert_true(wcx_client_join_live(&world.join, 1));
  assert_int_equal(orders_of(&world, 1), 3);
  assert_false(wcx_client_join_live(&world.join, 2));
  said_t two = book(&world, 2, 103, 2); /* ahead of what was heard of the feed: what it has already comes still */
  give_book(&world, &two);
  assert_int_equal(orders_of(&world, 2), 2);
  assert_true(feed_add(&world, 103, 2, 200, 7)); /* order 200 is in the snapshot */
  assert_true(feed_delete(&world, 104, 2, 201));
  assert_int_equal(orders_of(&world, 2), 1);
  assert_false(wcx_client_join_done(&world.join));
  give_cycle_end(&world, 3);
  assert_false(wcx_client_join_done(&world.join)); /* there is one that we have not heard of */
  said_t three = book(&world, 3, 104, 1);
  give_book(&world, &three);
  assert_false(wcx_client_join_done(&world.join));
  two = book(&world, 2, 104, 3);
  give_book(&world, &two);
  give_cycle_end(&world, 3); /* we have, and of the others in cycles before: holes in this one do not matter */
  assert_true(wcx_client_join_done(&world.join));
  assert_int_equal(orders_of(&world, 2), 1); /* a live book has no use for them */
  assert_int_equal(world.join.taken_cnt, 3);
  assert_true(wcx_client_books_verify(&world.books));
  close_world(&world);
}

static void test_begins_anew(void **state)
{
  (void)state;
  world_t world;
  open_world(&world);
  wcx_client_join_start(&world.join, "M001261126", 1, WCX_CLIENT_START_JOIN);
  said_t one = book(&world, 1, 0, 3);
  give_book(&world, &one);
  assert_true(wcx_client_join_live(&world.join, 1));
  wcx_client_join_start(&world.join, "M001261126", 500, WCX_CLIENT_START_GAP);
  assert_false(wcx_client_join_live(&world.join, 1));
  assert_true(feed_add(&world, 500, 1, 950, 1));
  assert_int_equal(orders_of(&world, 1), 3); /* as it was: nothing is applied to a book that waits */
  one = book(&world, 1, 500, 2);
  give_book(&world, &one);
  assert_int_equal(orders_of(&world, 1), 2); /* order 950 was held and is not behind it */
  /* the day rolls: a live book stays, numbers begin again, what waits takes the new day's */
  assert_true(feed_add(&world, 501, 2, 960, 1));
  wcx_client_join_start(&world.join, "M001261127", 1, WCX_CLIENT_START_ROLL);
  assert_true(feed_add(&world, 1, 1, 951, 1));
  assert_int_equal(orders_of(&world, 1), 3);
  said_t two = book(&world, 2, 501, 1); /* yesterday's */
  give_book(&world, &two);
  assert_false(wcx_client_join_live(&world.join, 2));
  world.session = "N001261127";
  two = book(&world, 2, 1, 1);
  give_book(&world, &two);
  assert_true(wcx_client_join_live(&world.join, 2));
  assert_int_equal(orders_of(&world, 2), 1);
  /* a message for all books: applied where it is news, held where a book waits */
  assert_true(feed_add(&world, 2, 3, 970, 1));
  assert_true(feed_clear(&world, 3));
  assert_int_equal(orders_of(&world, 1), 0);
  assert_int_equal(orders_of(&world, 2), 0);
  said_t three = book(&world, 3, 2, 1);
  give_book(&world, &three);
  assert_true(wcx_client_join_live(&world.join, 3));
  assert_int_equal(orders_of(&world, 3), 0);
  assert_int_equal(world.books.contradiction_cnt, 0);
  assert_true(wcx_client_books_verify(&world.books));
  close_world(&world);
}

/* Right by its check value, and nonsense. */
static void test_snapshots_that_contradict(void **state)
{
  (void)state;
  world_t world;
  open_world(&world);
  wcx_client_join_start(&world.join, "M001261126", 1, WCX_CLIENT_START_JOIN);
  assert_true(take(&world, 1, 500, 5, 1));
  assert_false(take(&world, 2, 600, 5, 2)); /* an order twice */
  assert_false(take(&world, 2, 500, 5, 1)); /* another book's order */
  assert_false(take(&world, 2, 601, 0, 1)); /* no quantity */
  assert_false(wcx_client_join_live(&world.join, 2));
  assert_int_equal(orders_of(&world, 2), 0);
  assert_int_equal(world.books.contradiction_cnt, 3);
  assert_true(take(&world, 2, 601, 5, 1));
  assert_true(wcx_client_join_live(&world.join, 2));
  assert_true(wcx_client_books_verify(&world.books));
  /* an order more than was promised */
  said_t said = book(&world, 3, 2000, 3);
  give(&world, WCX_CLIENT_LINE_A, &said.start);
  give(&world, WCX_CLIENT_LINE_A, &said.orders);
  world.number--; /* in the place of its end */
  wcx_snapshot_order_t order = {.order_id = 399, .price = 50, .display_qty = 1, .security_id = 3, .side = WCX_SIDE_BUY};
  datagram_t more = packet(&world, 1);
  append(&more, WCX_TEMPLATE_SNAPSHOT_ORDER, &order, sizeof(order));
  give(&world, WCX_CLIENT_LINE_A, &more);
  assert_int_equal(world.snapshot.torn_cnt, 1);
  assert_int_equal(world.given, 0);
  close_world(&world);
}

/* Books that were known before anybody joined them: the first message may be about a late one. */
static void test_books_that_are_older_than_the_join(void **state)
{
  (void)state;
  world_t world;
  open_world(&world);
  for (uint32_t id = 1; id <= 200; id++)
    (void)wcx_client_books_idx(&world.books, id);
  wcx_client_join_start(&world.join, "M001261126", 1, WCX_CLIENT_START_JOIN);
  assert_true(feed_add(&world, 1, 200, 950, 1));
  assert_int_equal(world.join.joining_cnt, 200);
  assert_true(world.join.joining_max >= world.join.joining_cnt);
  assert_int_equal(world.join.waiting_cnt, 200);
  assert_true(take(&world, 200, 900, 5, 1));
  assert_true(wcx_client_join_live(&world.join, 200));
  assert_false(wcx_client_join_live(&world.join, 199));
  close_world(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_only_whole_books), cmocka_unit_test(test_cycles_and_restarts),       cmocka_unit_test(test_joins_book_by_book),
      cmocka_unit_test(test_begins_anew),      cmocka_unit_test(test_snapshots_that_contradict), cmocka_unit_test(test_books_that_are_older_than_the_join),
  };
  return cmocka_run_group_tests_name("client_join", tests, NULL, NULL);
}
