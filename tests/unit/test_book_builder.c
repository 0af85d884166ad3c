/* The book builder against a flat list of orders that is searched and sorted anew for every question. */
#include "dataplane/client/book.h"
#include "dataplane/client/packet.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <time.h>

#define INSTRUMENTS 3u
#define ORDERS_MAX 4000u

typedef struct item
{
  uint64_t id;
  int64_t price, qty;
  uint64_t rank; /* order of arrival */
  uint32_t security_id;
  uint8_t side;
} item_t;

typedef struct model
{
  item_t items[ORDERS_MAX];
  uint32_t cnt;
  uint64_t next_id, rank;
  uint64_t random;
  wcx_client_books_t books;
} model_t;

static uint64_t roll(model_t *model, uint64_t below)
{
  model->random ^= model->random << 13;
  model->random ^= model->random >> 7;
  model->random ^= model->random << 17;
  return (model->random >> 11) % below;
}

static bool apply(model_t *model, uint16_t template_id, const void *block, uint16_t sz)
{
  uint8_t message[256];
  return wcx_client_books_apply(&model->books, message, wcx_client_message_write(message, template_id, block, sz));
}

static int64_t random_price(model_t *model)
{
  static const int64_t far[] = {1, INT64_MAX, 1000000000000, 5};
  return roll(model, 40) == 0 ? far[roll(model, 4)] : (int64_t)(10000 + roll(model, 60));
}

static void do_add(model_t *model)
{
  if (model->cnt == ORDERS_MAX)
    return;
  item_t item = {.id = ++model->next_id,
                 .price = random_price(model),
                 .qty = (int64_t)(1 + roll(model, 100)),
                 .rank = ++model->rank,
                 .security_id = (uint32_t)(1 + roll(model, INSTRUMENTS)),
                 .side = (uint8_t)(1 + roll(model, 2))};
  wcx_add_order_t add = {.order_id = item.id, .price = item.price, .display_qty = item.qty, .security_id = item.security_id, .side = item.side};
  assert_true(apply(model, WCX_TEMPLATE_ADD_ORDER, &add, sizeof(add)));
  model->items[model->cnt++] = item;
}

static void do_change(model_t *model)
{
  if (model->cnt == 0)
    return;
  uint32_t at = (uint32_t)roll(model, model->cnt);
  item_t *item = &model->items[at];
  bool gone = false;
  switch (roll(model, 4))
  {
  case 0:
  {
    wcx_order_executed_t executed = {.order_id = item->id, .last_qty = (int64_t)(1 + roll(model, (uint64_t)item->qty)), .last_px = item->price, .security_id = item->security_id};
    assert_true(apply(model, WCX_TEMPLATE_ORDER_EXECUTED, &executed, sizeof(executed)));
    item->qty -= executed.last_qty;
    gone = item->qty == 0;
    break;
  }
  case 1:
  {
    wcx_reduce_order_t reduce = {.order_id = item->id, .leaves_qty = (int64_t)(1 + roll(model, (uint64_t)item->qty)), .security_id = item->security_id, .side = item->side};
    assert_true(apply(model, WCX_TEMPLATE_REDUCE_ORDER, &reduce, sizeof(reduce)));
    item->qty = reduce.leaves_qty;
    break;
  }
  case 2:
  {
    wcx_delete_order_t gone_order = {.order_id = item->id, .security_id = item->security_id, .side = item->side};
    assert_true(apply(model, WCX_TEMPLATE_DELETE_ORDER, &gone_order, sizeof(gone_order)));
    gone = true;
    break;
  }
  default:
  {
    bool same_id = roll(model, 2) == 0;
    wcx_replace_order_t replace = {.order_id = item->id,
                                   .new_order_id = same_id ? item->id : ++model->next_id,
                                   .price = random_price(model),
                                   .display_qty = (int64_t)(1 + roll(model, 100)),
                                   .security_id = item->security_id,
                                   .side = item->side};
    assert_true(apply(model, WCX_TEMPLATE_REPLACE_ORDER, &replace, sizeof(replace)));
    item->id = replace.new_order_id;
    item->price = replace.price;
    item->qty = replace.display_qty;
    item->rank = ++model->rank;
    break;
  }
  }
  if (gone)
    *item = model->items[--model->cnt];
}

/* Best first: higher bids, lower asks; then by arrival. */
static int compare(const void *left, const void *right)
{
  const item_t *a = left;
  const item_t *b = right;
  if (a->price != b->price)
    return ((a->price < b->price) == (a->side == WCX_SIDE_BUY)) ? 1 : -1;
  return a->rank < b->rank ? -1 : 1;
}

static void check_side(model_t *model, uint32_t security_id, uint8_t side)
{
  static item_t sorted[ORDERS_MAX];
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < model->cnt; i++)
    if (model->items[i].security_id == security_id && model->items[i].side == side)
      sorted[cnt++] = model->items[i];
  qsort(sorted, cnt, sizeof(*sorted), compare);
  const wcx_client_instrument_t *instrument = wcx_client_books_find(&model->books, security_id);
  int64_t price, qty;
  assert_int_equal(instrument != NULL && wcx_client_books_best(instrument, side, &price, &qty), cnt != 0);
  if (cnt == 0)
    return;
  assert_int_equal(price, sorted[0].price);
  const wcx_client_ladder_t *ladder = &instrument->sides[side == WCX_SIDE_SELL];
  uint32_t seen = 0;
  for (uint32_t level = ladder->cnt; level-- > 0;)
    for (uint32_t at = ladder->levels[level].head; at != 0; at = model->books.orders[at - 1].next, seen++)
    {
      assert_true(seen < cnt);
      assert_int_equal(model->books.orders[at - 1].order_id, sorted[seen].id);
      assert_int_equal(model->books.orders[at - 1].qty, sorted[seen].qty);
      assert_int_equal(ladder->levels[level].price, sorted[seen].price);
    }
  assert_int_equal(seen, cnt);
}

static void test_random_flow_equals_a_flat_list(void **state)
{
  (void)state;
  const char *text = getenv("WCX_SEED");
  uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
  print_message("WCX_SEED=%llu\n", (unsigned long long)seed);
  model_t *model = calloc(1, sizeof(*model));
  assert_non_null(model);
  model->random = seed * 2 + 1;
  wcx_client_books_init(&model->books);
  for (uint32_t i = 0; i < 60000; i++)
  {
    if (roll(model, 100) < (i / 10000 % 2 == 0 ? 60 : 35))
      do_add(model);
    else
      do_change(model);
    if (i % 500 != 0)
      continue;
    assert_true(wcx_client_books_verify(&model->books));
    for (uint32_t id = 1; id <= INSTRUMENTS; id++)
    {
      check_side(model, id, WCX_SIDE_BUY);
      check_side(model, id, WCX_SIDE_SELL);
    }
  }
  assert_int_equal(model->books.live_cnt, model->cnt);
  assert_int_equal(model->books.contradiction_cnt, 0);
  wcx_clear_book_t clear = {.security_id = WCX_U32_NULL};
  assert_true(apply(model, WCX_TEMPLATE_CLEAR_BOOK, &clear, sizeof(clear)));
  assert_int_equal(model->books.live_cnt, 0);
  assert_true(wcx_client_books_verify(&model->books));
  wcx_client_books_free(&model->books);
  free(model);
}

static void test_contradictions_are_told_and_change_nothing(void **state)
{
  (void)state;
  model_t *model = calloc(1, sizeof(*model));
  assert_non_null(model);
  wcx_client_books_init(&model->books);
  wcx_add_order_t add = {.order_id = 7, .price = 100, .display_qty = 10, .security_id = 1, .side = WCX_SIDE_BUY};
  assert_true(apply(model, WCX_TEMPLATE_ADD_ORDER, &add, sizeof(add)));
  assert_false(apply(model, WCX_TEMPLATE_ADD_ORDER, &add, sizeof(add)));
  wcx_order_executed_t executed = {.order_id = 7, .last_qty = 11, .last_px = 100, .security_id = 1};
  assert_false(apply(model, WCX_TEMPLATE_ORDER_EXECUTED, &executed, sizeof(executed)));
  executed = (wcx_order_executed_t){.order_id = 7, .last_qty = 1, .last_px = 100, .security_id = 2};
  assert_false(apply(model, WCX_TEMPLATE_ORDER_EXECUTED, &executed, sizeof(executed)));
  wcx_delete_order_t gone = {.order_id = 8, .security_id = 1, .side = WCX_SIDE_BUY};
  assert_false(apply(model, WCX_TEMPLATE_DELETE_ORDER, &gone, sizeof(gone)));
  wcx_reduce_order_t reduce = {.order_id = 7, .leaves_qty = 12, .security_id = 1, .side = WCX_SIDE_BUY};
  assert_false(apply(model, WCX_TEMPLATE_REDUCE_ORDER, &reduce, sizeof(reduce)));
  assert_int_equal(model->books.contradiction_cnt, 5);
  assert_true(wcx_client_books_verify(&model->books));
  int64_t price, qty;
  assert_true(wcx_client_books_best(wcx_client_books_find(&model->books, 1), WCX_SIDE_BUY, &price, &qty));
  assert_int_equal(price, 100);
  assert_int_equal(qty, 10);
  wcx_client_books_free(&model->books);
  free(model);
}

static void test_the_first_thing_may_be_a_definition(void **state)
{
  (void)state;
  model_t *model = calloc(1, sizeof(*model));
  assert_non_null(model);
  wcx_client_books_init(&model->books);
  for (uint32_t id = 1; id <= 200; id++)
  {
    wcx_security_definition_t definition = {.security_id = id, .security_trading_status = WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE, .round_lot = id};
    assert_true(apply(model, WCX_TEMPLATE_SECURITY_DEFINITION, &definition, sizeof(definition)));
    wcx_security_status_t status = {.security_id = 1000 + id, .security_trading_status = WCX_SECURITY_TRADING_STATUS_PRE_OPEN};
    assert_true(apply(model, WCX_TEMPLATE_SECURITY_STATUS, &status, sizeof(status)));
  }
  assert_int_equal(model->books.instrument_cnt, 400);
  assert_int_equal(wcx_client_books_find(&model->books, 77)->definition.round_lot, 77);
  assert_false(wcx_client_books_find(&model->books, 1077)->defined);
  wcx_client_books_free(&model->books);
  free(model);
}

static void test_printed_form(void **state)
{
  (void)state;
  model_t *model = calloc(1, sizeof(*model));
  assert_non_null(model);
  wcx_client_books_init(&model->books);
  static const int64_t orders[][3] = {{WCX_SIDE_BUY, 100, 5}, {WCX_SIDE_BUY, 101, 1}, {WCX_SIDE_BUY, 100, 2}, {WCX_SIDE_SELL, 105, 9}, {WCX_SIDE_SELL, 103, 4}};
  for (uint32_t i = 0; i < 5; i++)
  {
    wcx_add_order_t add = {.order_id = i + 1, .price = orders[i][1], .display_qty = orders[i][2], .security_id = 1, .side = (uint8_t)orders[i][0]};
    assert_true(apply(model, WCX_TEMPLATE_ADD_ORDER, &add, sizeof(add)));
  }
  char *text = NULL;
  size_t sz = 0;
  FILE *file = open_memstream(&text, &sz);
  assert_non_null(file);
  wcx_client_books_print(wcx_client_books_find(&model->books, 1), file);
  fclose(file);
  assert_string_equal(text, "{\"Book\":{\"SecurityID\":1,\"Bids\":[[101,1,1],[100,7,2]],\"Asks\":[[103,4,1],[105,9,1]]}}\n");
  free(text);
  wcx_client_books_free(&model->books);
  free(model);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random_flow_equals_a_flat_list),
      cmocka_unit_test(test_contradictions_are_told_and_change_nothing),
      cmocka_unit_test(test_the_first_thing_may_be_a_definition),
      cmocka_unit_test(test_printed_form),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
