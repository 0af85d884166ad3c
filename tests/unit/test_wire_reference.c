/* The reference of a wire run: requests of two sessions whose order on the wire nobody knows, ExecIDs that tell it, and everything that must be noticed. */
#include "bench/wire/reference.h"
#include "dataplane/client/orders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define FIRST 7u

typedef struct world
{
  wcx_reference_t reference;
  uint64_t next_id[2];
  uint64_t match_id;
} world_t;

static int set_up(void **state)
{
  static world_t world;
  world = (world_t){.next_id = {1, 501}};
  wcx_reference_new(&world.reference, 100, FIRST, 2);
  *state = &world;
  return 0;
}

static int tear_down(void **state)
{
  wcx_reference_free(&((world_t *)*state)->reference);
  return 0;
}

/* A message as it stands in a stream. */
static size_t put(uint8_t *out, uint16_t template_id, const void *block, size_t sz)
{
  wcx_message_header_t header = {.block_length = (uint16_t)sz, .template_id = template_id, .schema_id = WCX_SCHEMA_ID, .version = WCX_SCHEMA_VERSION};
  memcpy(out, &header, sizeof(header));
  memcpy(out + sizeof(header), block, sz);
  return sizeof(header) + sz;
}

/* Returns its ClOrdID. */
static uint64_t send_order(world_t *world, uint32_t member, uint8_t side, int64_t px, int64_t qty)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  uint64_t id = world->next_id[member]++;
  wcx_new_order_single_t order = wcx_client_limit_order(id, FIRST + member, 1, side, px, qty, WCX_TIME_IN_FORCE_GTC);
  wcx_reference_sent(&world->reference, member, id, message, wcx_client_put_new(message, &order));
  return id;
}

static void send_cancel(world_t *world, uint32_t member, uint64_t orig)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  uint64_t id = world->next_id[member]++;
  wcx_reference_sent(&world->reference, member, id, message, wcx_client_put_cancel(message, id, orig, 1));
}

static uint64_t send_move(world_t *world, uint32_t member, uint64_t orig, int64_t px, int64_t qty)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  uint64_t id = world->next_id[member]++;
  wcx_reference_sent(&world->reference, member, id, message, wcx_client_put_replace(message, id, orig, 1, px, qty));
  return id;
}

static void answer(world_t *world, uint64_t idx, uint64_t exec_id)
{
  uint8_t message[256];
  wcx_execution_report_new_t report = {.exec_id = exec_id};
  wcx_reference_answered(&world->reference, idx, message, put(message, WCX_TEMPLATE_EXECUTION_REPORT_NEW, &report, sizeof(report)));
}

static void fill(world_t *world, uint32_t member, uint64_t exec_id, uint64_t cl_ord_id, bool is_maker, int64_t px, int64_t qty)
{
  uint8_t message[256];
  world->match_id += is_maker;
  wcx_execution_report_trade_t report = {.exec_id = exec_id,
                                         .cl_ord_id = cl_ord_id,
                                         .session_id = FIRST + member,
                                         .trd_match_id = world->match_id,
                                         .last_px = px,
                                         .last_qty = qty,
                                         .last_liquidity_ind = is_maker ? WCX_LAST_LIQUIDITY_IND_ADDED_LIQUIDITY : WCX_LAST_LIQUIDITY_IND_REMOVED_LIQUIDITY};
  wcx_reference_message(&world->reference, message, put(message, WCX_TEMPLATE_EXECUTION_REPORT_TRADE, &report, sizeof(report)));
}

static void sweep(world_t *world, uint32_t first_cnt, uint32_t second_cnt)
{
  uint8_t message[256];
  wcx_order_mass_cancel_report_t report = {.total_affected_orders = first_cnt};
  wcx_reference_message(&world->reference, message, put(message, WCX_TEMPLATE_ORDER_MASS_CANCEL_REPORT, &report, sizeof(report)));
  report.total_affected_orders = second_cnt;
  wcx_reference_message(&world->reference, message, put(message, WCX_TEMPLATE_ORDER_MASS_CANCEL_REPORT, &report, sizeof(report)));
}

/* Two buys of 5 at one price, sent first and second, applied the other way round; a sell of 7 takes the one that was applied first whole. */
static void race(world_t *world, bool says_so)
{
  uint64_t one = send_order(world, 0, WCX_SIDE_BUY, 100, 5);
  uint64_t other = send_order(world, 1, WCX_SIDE_BUY, 100, 5);
  uint64_t taker = send_order(world, 0, WCX_SIDE_SELL, 100, 7);
  answer(world, 0, 12);
  answer(world, 1, 11);
  answer(world, 2, 13);
  fill(world, says_so ? 1 : 0, 14, says_so ? other : one, true, 100, 5);
  fill(world, 0, 15, taker, false, 100, 5);
  fill(world, says_so ? 0 : 1, 16, says_so ? one : other, true, 100, 2);
  fill(world, 0, 17, taker, false, 100, 2);
}

static void order_of_application_is_told(void **state)
{
  world_t *world = *state;
  race(world, true);
  sweep(world, 1, 0);
  wcx_reference_finish(&world->reference);
  assert_null(wcx_reference_difference(&world->reference));
  assert_int_equal(world->reference.trade_cnt, 2);
  assert_int_equal(world->reference.live_cnt, 1);
}

static void another_order_is_noticed(void **state)
{
  world_t *world = *state;
  race(world, false);
  sweep(world, 0, 1);
  wcx_reference_finish(&world->reference);
  assert_non_null(wcx_reference_difference(&world->reference));
}

static void what_rests_is_compared(void **state)
{
  world_t *world = *state;
  race(world, true);
  sweep(world, 1, 1);
  wcx_reference_finish(&world->reference);
  assert_string_equal(wcx_reference_difference(&world->reference), "the orders that still rested are not as many as in the reference run");
}

/* A move keeps its order, trades at its new price; a cancel that comes too late changes nothing. Reports of the two sessions come in any order. */
static void moves_and_cancels(void **state)
{
  world_t *world = *state;
  uint64_t one = send_order(world, 0, WCX_SIDE_BUY, 100, 5);
  uint64_t other = send_order(world, 1, WCX_SIDE_SELL, 110, 5);
  uint64_t moved = send_move(world, 0, one, 110, 5);
  send_cancel(world, 1, other);
  for (uint64_t i = 0; i < 3; i++)
    answer(world, i, 20 + i);
  answer(world, 3, 25);
  fill(world, 0, 24, moved, false, 110, 5);
  world->match_id--;
  fill(world, 1, 23, other, true, 110, 5);
  sweep(world, 0, 0);
  wcx_reference_finish(&world->reference);
  assert_null(wcx_reference_difference(&world->reference));
  assert_int_equal(world->reference.trade_cnt, 1);
}

static void strangers_are_noticed(void **state)
{
  world_t *world = *state;
  uint64_t one = send_order(world, 0, WCX_SIDE_BUY, 100, 5);
  answer(world, 0, 3);
  fill(world, 0, 4, one, true, 100, 5); /* the taker's report went to somebody else */
  sweep(world, 0, 0);
  wcx_reference_finish(&world->reference);
  assert_non_null(wcx_reference_difference(&world->reference));
}

static void every_request_needs_its_answer(void **state)
{
  world_t *world = *state;
  send_order(world, 0, WCX_SIDE_BUY, 100, 5);
  send_order(world, 1, WCX_SIDE_BUY, 100, 5);
  answer(world, 0, 3);
  sweep(world, 1, 1);
  wcx_reference_finish(&world->reference);
  assert_non_null(wcx_reference_difference(&world->reference));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(order_of_application_is_told, set_up, tear_down), cmocka_unit_test_setup_teardown(another_order_is_noticed, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_rests_is_compared, set_up, tear_down),       cmocka_unit_test_setup_teardown(moves_and_cancels, set_up, tear_down),
      cmocka_unit_test_setup_teardown(strangers_are_noticed, set_up, tear_down),        cmocka_unit_test_setup_teardown(every_request_needs_its_answer, set_up, tear_down)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
