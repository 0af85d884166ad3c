/* The feed at its receiver: two lossy lines, re-requests, late joins, day rolls. Every message once, in order, with its own bytes. */
#include "dataplane/client/feed.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <time.h>

#define MS UINT64_C(1000000)

typedef struct world
{
  wcx_client_feed_t feed;
  uint64_t now_ns;
  uint64_t random;
  uint64_t published; /* numbers 1..published exist */
  uint64_t oldest;    /* numbers below can no longer be asked for */
  char session[11];
  uint64_t expected; /* next number on_message must see */
  uint64_t wrong;
  uint64_t ask_from, ask_cnt; /* what was asked for last, 0 = nothing */
} world_t;

static uint64_t roll(world_t *world, uint64_t below)
{
  world->random ^= world->random << 13;
  world->random ^= world->random >> 7;
  world->random ^= world->random << 17;
  return (world->random >> 11) % below;
}

static size_t put_message(uint8_t *message, uint64_t number)
{
  wcx_add_order_t add = {.order_id = number, .price = (int64_t)(number * 7), .display_qty = 1, .security_id = 1, .side = 1};
  return wcx_client_message_write(message, WCX_TEMPLATE_ADD_ORDER, &add, sizeof(add));
}

static void on_message(void *ctx, uint64_t number, const void *message, size_t sz)
{
  world_t *world = ctx;
  uint8_t expected[64];
  world->wrong += number != world->expected || sz != put_message(expected, number) || memcmp(message, expected, sz) != 0;
  world->expected = number + 1;
}

static void on_send(void *ctx, const void *datagram, size_t sz)
{
  world_t *world = ctx;
  const uint8_t *bytes = datagram;
  assert_int_equal(sz, 20);
  assert_memory_equal(bytes, world->session, 10);
  uint64_t from_be;
  memcpy(&from_be, bytes + 10, 8);
  world->ask_from = be64toh(from_be);
  world->ask_cnt = (uint64_t)(bytes[18] << 8 | bytes[19]);
}

static void deliver(world_t *world, enum wcx_client_line line, uint64_t from, uint64_t cnt)
{
  uint8_t datagram[WCX_CLIENT_DATAGRAM_MAX];
  size_t sz = WCX_CLIENT_PACKET_HDR_SZ;
  wcx_client_packet_header(datagram, world->session, from, (uint16_t)cnt);
  for (uint64_t i = 0; i < cnt; i++)
  {
    uint8_t message[64];
    sz = wcx_client_packet_append(datagram, sz, message, put_message(message, from + i));
  }
  wcx_client_feed_datagram(&world->feed, world->now_ns, line, datagram, sz);
}

static void answer(world_t *world)
{
  if (world->ask_from == 0)
    return;
  if (world->ask_from < world->oldest)
  {
    wcx_retransmit_reject_t reject = {.from_seq_no = world->ask_from, .code = WCX_RETRANSMIT_REJECT_CODE_TOO_LOW};
    uint8_t datagram[128];
    uint8_t message[64];
    wcx_client_packet_header(datagram, WCX_CLIENT_NO_SESSION, 0, 1);
    size_t len = wcx_client_message_write(message, WCX_TEMPLATE_RETRANSMIT_REJECT, &reject, sizeof(reject));
    wcx_client_feed_datagram(&world->feed, world->now_ns, WCX_CLIENT_LINE_REREQUEST, datagram, wcx_client_packet_append(datagram, WCX_CLIENT_PACKET_HDR_SZ, message, len));
  }
  else
    for (uint64_t at = world->ask_from, end = at + world->ask_cnt; at < end && at <= world->published; at += 20)
      if (roll(world, 10) != 0)
        deliver(world, WCX_CLIENT_LINE_REREQUEST, at, end - at < 20 ? end - at : 20);
  world->ask_from = 0;
}

static world_t *world_new(uint64_t seed, bool from_start)
{
  world_t *world = calloc(1, sizeof(*world));
  assert_non_null(world);
  world->random = seed * 2 + 1;
  world->now_ns = 1000 * MS;
  world->oldest = 1;
  world->expected = 1;
  strcpy(world->session, "M001261123");
  wcx_client_feed_config_t config = {.shard = 1, .from_start = from_start, .ctx = world, .send = on_send, .on_message = on_message};
  wcx_client_feed_init(&world->feed, &config);
  return world;
}

static void world_free(world_t *world)
{
  wcx_client_feed_free(&world->feed);
  free(world);
}

/* Publish `cnt` messages as one packet on both lines; each copy is lost with the given chance. */
static void publish(world_t *world, uint64_t cnt, uint64_t loss_pct)
{
  uint64_t from = world->published + 1;
  world->published += cnt;
  if (roll(world, 100) >= loss_pct)
    deliver(world, WCX_CLIENT_LINE_A, from, cnt);
  if (roll(world, 100) >= loss_pct)
    deliver(world, WCX_CLIENT_LINE_B, from, cnt);
}

static void turn(world_t *world)
{
  world->now_ns += MS;
  wcx_client_feed_step(&world->feed, world->now_ns);
  answer(world);
}

static void settle(world_t *world)
{
  for (uint32_t i = 0; i < 20000 && world->expected != world->published + 1; i++)
  {
    deliver(world, WCX_CLIENT_LINE_A, world->published + 1, 0); /* a heartbeat */
    turn(world);
  }
  assert_int_equal(world->expected, world->published + 1);
  assert_int_equal(world->wrong, 0);
}

static void test_one_line_lost_is_no_gap(void **state)
{
  (void)state;
  world_t *world = world_new(1, true);
  for (uint32_t i = 0; i < 1000; i++)
  {
    world->published += 3;
    deliver(world, i % 3 == 0 ? WCX_CLIENT_LINE_A : WCX_CLIENT_LINE_B, world->published - 2, 3);
    turn(world);
  }
  assert_int_equal(world->expected, 3001);
  assert_int_equal(world->wrong, 0);
  assert_int_equal(world->feed.stream.ask_cnt, 0);
  assert_int_equal(wcx_client_feed_gaps(&world->feed), 0);
  world_free(world);
}

static void test_both_lines_lost_is_asked_for_and_counted(void **state)
{
  (void)state;
  world_t *world = world_new(2, true);
  publish(world, 5, 0);
  world->published += 5; /* lost on both */
  publish(world, 5, 0);
  settle(world);
  assert_int_equal(world->feed.stream.hole_recovered_cnt, 1);
  world->published += 4; /* the last ones: only a heartbeat tells */
  settle(world);
  assert_int_equal(world->feed.stream.hole_recovered_cnt, 2);
  assert_int_equal(wcx_client_feed_gaps(&world->feed), 0);
  world_free(world);
}

static void test_late_join_asks_from_one(void **state)
{
  (void)state;
  world_t *world = world_new(3, true);
  world->published = 50000; /* more than the window of reordering */
  publish(world, 5, 0);
  settle(world);
  assert_int_equal(world->feed.stream.hole_recovered_cnt, 0); /* the past is no gap */
  assert_false(world->feed.incomplete);
  world_free(world);
}

static void test_late_join_beyond_the_window_says_so(void **state)
{
  (void)state;
  world_t *world = world_new(4, true);
  world->published = 500;
  world->oldest = 400;
  world->expected = 501;
  publish(world, 5, 0);
  settle(world);
  assert_true(world->feed.incomplete);
  assert_int_equal(wcx_client_feed_gaps(&world->feed), 0);
  world_free(world);
}

static void test_what_cannot_be_had_is_a_gap(void **state)
{
  (void)state;
  world_t *world = world_new(5, true);
  publish(world, 5, 0);
  world->published += 5;
  world->oldest = 11;
  publish(world, 5, 0);
  for (uint32_t i = 0; i < 20; i++)
    turn(world);
  assert_int_equal(world->expected, 16);
  assert_int_equal(wcx_client_feed_gaps(&world->feed), 1);
  assert_int_equal(world->feed.stream.message_lost_cnt, 5);
  world_free(world);
}

static void test_join_from_now(void **state)
{
  (void)state;
  world_t *world = world_new(6, false);
  world->published = 100;
  world->expected = 101;
  publish(world, 5, 0);
  settle(world);
  assert_int_equal(world->feed.stream.ask_cnt, 0);
  world_free(world);
}

static void test_day_roll_and_foreign_sessions(void **state)
{
  (void)state;
  world_t *world = world_new(7, true);
  publish(world, 5, 0);
  strcpy(world->session, "M002261123");
  deliver(world, WCX_CLIENT_LINE_A, 6, 1);
  strcpy(world->session, "M001261122");
  deliver(world, WCX_CLIENT_LINE_A, 6, 1);
  assert_int_equal(world->expected, 6);
  assert_int_equal(world->feed.foreign_cnt, 2);
  strcpy(world->session, "M001261124");
  world->published = 3; /* the first ones of the new day were lost: more than the old day had */
  world->expected = 1;
  publish(world, 15, 0);
  settle(world);
  assert_int_equal(world->feed.roll_cnt, 1);
  assert_int_equal(world->feed.stream.hole_recovered_cnt, 1);
  assert_int_equal(wcx_client_feed_gaps(&world->feed), 0);
  world_free(world);
}

static void test_storms(void **state)
{
  (void)state;
  const char *text = getenv("WCX_SEED");
  uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
  for (uint64_t i = 0; i < (text != NULL ? 1 : 20); i++)
  {
    print_message("storm: WCX_SEED=%llu\n", (unsigned long long)(seed + i));
    world_t *world = world_new(seed + i, true);
    for (uint32_t n = 0; n < 3000; n++)
    {
      publish(world, 1 + roll(world, 20), 5 * ((seed + i) % 8));
      turn(world);
    }
    settle(world);
    assert_int_equal(wcx_client_feed_gaps(&world->feed), 0);
    world_free(world);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_one_line_lost_is_no_gap),       cmocka_unit_test(test_both_lines_lost_is_asked_for_and_counted),
      cmocka_unit_test(test_late_join_asks_from_one),       cmocka_unit_test(test_late_join_beyond_the_window_says_so),
      cmocka_unit_test(test_what_cannot_be_had_is_a_gap),   cmocka_unit_test(test_join_from_now),
      cmocka_unit_test(test_day_roll_and_foreign_sessions), cmocka_unit_test(test_storms),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
