/* What a session may not do now: its two token buckets, and the rungs of pressure. */
#include "tests/unit/loop_fixture.h"

#include "dataplane/throttle.h"
#include "engine/quote.h"

/* --- requests ------------------------------------------------------------------------------------------------------------------------------- */

static uint32_t put_order(uint8_t *block, client_t *client)
{
  wcx_new_order_single_t order = client_order(client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  return client_block(block, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
}

static uint32_t put_cancel(uint8_t *block, client_t *client, uint64_t of)
{
  wcx_order_cancel_request_t cancel = {.cl_ord_id = ++client->cl_ord_id, .orig_cl_ord_id = of, .order_id = WCX_U64_NULL, .security_id = 1};
  return client_block(block, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, &cancel, sizeof(cancel));
}

static uint32_t put_replace(uint8_t *block, client_t *client, uint64_t of)
{
  wcx_order_cancel_replace_request_t replace = {.cl_ord_id = ++client->cl_ord_id,
                                                .orig_cl_ord_id = of,
                                                .order_id = WCX_U64_NULL,
                                                .price = 101,
                                                .order_qty = 6,
                                                .stop_px = WCX_I64_NULL,
                                                .display_qty = WCX_I64_NULL,
                                                .security_id = 1};
  return client_block(block, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, &replace, sizeof(replace));
}

static uint32_t put_mass_cancel(uint8_t *block, client_t *client)
{
  wcx_order_mass_cancel_request_t all = {
      .cl_ord_id = ++client->cl_ord_id, .account = client->session_id, .security_id = WCX_U32_NULL, .mass_cancel_request_type = WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_SESSION};
  return client_block(block, WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, &all, sizeof(all));
}

static uint32_t put_unlock(uint8_t *block, client_t *client)
{
  wcx_unlock_trading_request_t unlock = {.cl_ord_id = ++client->cl_ord_id, .account = client->session_id};
  return client_block(block, WCX_TEMPLATE_UNLOCK_TRADING_REQUEST, &unlock, sizeof(unlock));
}

static uint32_t put_status(uint8_t *block)
{
  wcx_session_status_request_t status = {.request_id = 1};
  return client_block(block, WCX_TEMPLATE_SESSION_STATUS_REQUEST, &status, sizeof(status));
}

/* A MassQuote of sets that quote or only take away. */
static uint32_t put_quote(uint8_t *block, client_t *client, uint16_t set_cnt, int64_t size)
{
  uint8_t body[256];
  wcx_mass_quote_t quote = {.quote_id = ++client->cl_ord_id, .account = client->session_id, .self_match_prevention_id = WCX_U32_NULL};
  wcx_group_size_t group = {.block_length = sizeof(wcx_mass_quote_quote_sets_t), .num_in_group = (uint8_t)set_cnt};
  memcpy(body, &quote, sizeof(quote));
  memcpy(body + sizeof(quote), &group, sizeof(group));
  uint16_t sz = sizeof(quote) + sizeof(group);
  for (uint16_t i = 0; i < set_cnt; i++, sz = (uint16_t)(sz + sizeof(wcx_mass_quote_quote_sets_t)))
  {
    wcx_mass_quote_quote_sets_t set = {.bid_px = 50, .offer_px = WCX_I64_NULL, .bid_size = i + 1u == set_cnt ? size : 0, .offer_size = 1, .security_id = 1, .quote_entry_id = i};
    memcpy(body + sz, &set, sizeof(set));
  }
  wcx_message_header_t header = {.block_length = sizeof(quote), .template_id = WCX_TEMPLATE_MASS_QUOTE, .schema_id = WCX_SCHEMA_ID};
  uint16_t len_be = htobe16((uint16_t)(sz + 8));
  memcpy(block, &len_be, 2);
  memcpy(block + 2, &header, 8);
  memcpy(block + 10, body, sz);
  return 10u + sz;
}

static void send_block(world_t *w, client_t *client, const uint8_t *block, uint32_t sz)
{
  client_send_at(w, client, client->next_seq++, 1, block, sz);
  world_turn(w);
}

static uint64_t sequenced(const world_t *w)
{
  return atomic_load(&w->shm->stats.requests_sequenced);
}

/* The next BusinessMessageReject says that a limit was exceeded; the ClOrdID it names is free again. */
static void expect_throttled(world_t *w, client_t *client, uint16_t template_id)
{
  wcx_business_message_reject_t reject;
  assert_true(world_expect(w, client, WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT, &reject, sizeof(reject)));
  assert_int_equal(reject.business_reject_reason, WCX_BUSINESS_REJECT_REASON_THROTTLE_LIMIT_EXCEEDED);
  assert_int_equal(reject.ref_template_id, template_id);
  assert_int_equal(reject.ref_seq_num, client->next_seq - 1);
  if (template_id == WCX_TEMPLATE_SESSION_STATUS_REQUEST)
    return;
  assert_int_equal(reject.business_reject_ref_id, client->cl_ord_id);
  client->cl_ord_id--;
}

/* --- classes --------------------------------------------------------------------------------------------------------------------------------- */

static void test_classes(void **state)
{
  (void)state;
  client_t client = client_of(1);
  uint8_t block[512];
  (void)put_quote(block, &client, 3, 0);
  assert_int_equal(wcx_throttle_class_of(WCX_TEMPLATE_MASS_QUOTE, block + 10), WCX_THROTTLE_CANCEL);
  (void)put_quote(block, &client, 3, 1);
  assert_int_equal(wcx_throttle_class_of(WCX_TEMPLATE_MASS_QUOTE, block + 10), WCX_THROTTLE_RISK);
  (void)put_quote(block, &client, 0, 0);
  assert_int_equal(wcx_throttle_class_of(WCX_TEMPLATE_MASS_QUOTE, block + 10), WCX_THROTTLE_RISK);
  static const struct
  {
    uint16_t template_id;
    uint8_t class;
  } rows[] = {{WCX_TEMPLATE_NEW_ORDER_SINGLE, WCX_THROTTLE_RISK},        {WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, WCX_THROTTLE_RISK},
              {WCX_TEMPLATE_ORDER_CANCEL_REQUEST, WCX_THROTTLE_CANCEL},  {WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, WCX_THROTTLE_CANCEL},
              {WCX_TEMPLATE_UNLOCK_TRADING_REQUEST, WCX_THROTTLE_OTHER}, {WCX_TEMPLATE_MMP_RESET_REQUEST, WCX_THROTTLE_OTHER},
              {WCX_TEMPLATE_MMP_CONFIG_REQUEST, WCX_THROTTLE_OTHER},     {WCX_TEMPLATE_SESSION_STATUS_REQUEST, WCX_THROTTLE_OTHER}};
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
    assert_int_equal(wcx_throttle_class_of(rows[i].template_id, block), rows[i].class);
}

/* --- two buckets ----------------------------------------------------------------------------------------------------------------------------- */

static void small_buckets(wcx_params_t *params)
{
  params->sessions[0].throttle_per_s = 1000;
  params->sessions[0].throttle_burst = 10;
  params->sessions[0].cancel_per_s = 2000;
  params->sessions[0].cancel_burst = 6;
}

static void test_cancels_have_a_bucket_of_their_own(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, small_buckets);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  uint8_t block[512];
  while (atomic_load(&w.shm->stats.business_throttle) == 0)
    send_block(&w, &client, block, put_order(block, &client));
  expect_throttled(&w, &client, WCX_TEMPLATE_NEW_ORDER_SINGLE);
  assert_int_equal(sequenced(&w), 10);
  /* whatever is not a cancel waits for tokens of orders */
  send_block(&w, &client, block, put_replace(block, &client, 1));
  expect_throttled(&w, &client, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST);
  send_block(&w, &client, block, put_quote(block, &client, 2, 3));
  expect_throttled(&w, &client, WCX_TEMPLATE_MASS_QUOTE);
  send_block(&w, &client, block, put_unlock(block, &client));
  expect_throttled(&w, &client, WCX_TEMPLATE_UNLOCK_TRADING_REQUEST);
  send_block(&w, &client, block, put_status(block));
  expect_throttled(&w, &client, WCX_TEMPLATE_SESSION_STATUS_REQUEST);
  assert_int_equal(sequenced(&w), 10);
  /* six cancels of three kinds, none of which waits */
  for (uint64_t of = 1; of <= 4; of++)
    send_block(&w, &client, block, put_cancel(block, &client, of));
  send_block(&w, &client, block, put_quote(block, &client, 2, 0));
  send_block(&w, &client, block, put_mass_cancel(block, &client));
  assert_int_equal(sequenced(&w), 16);
  world_turns(&w, 3);
  assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w.loop)), 0);
  /* then theirs is empty, too; it fills at its own rate */
  world_drain(&w);
  send_block(&w, &client, block, put_cancel(block, &client, 5));
  expect_throttled(&w, &client, WCX_TEMPLATE_ORDER_CANCEL_REQUEST);
  world_pass(&w, 1000000);
  send_block(&w, &client, block, put_cancel(block, &client, 5));
  send_block(&w, &client, block, put_order(block, &client));
  assert_int_equal(sequenced(&w), 18);
  assert_int_equal(atomic_load(&w.shm->stats.requests_gap), 0); /* what was refused has consumed its sequence */
  world_close(&w);
}

/* An emptied cancel bucket does not stop an order, and neither stops the other session. */
static void test_buckets_do_not_share(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, small_buckets);
  client_t client = client_of(1);
  client_t other = client_of(2);
  client_sign_on(&w, &client);
  client_sign_on(&w, &other);
  uint8_t block[512];
  for (uint32_t i = 0; i < 20; i++)
    client_send_at(&w, &client, client.next_seq++, 1, block, put_cancel(block, &client, 1));
  world_turns(&w, 2);
  assert_int_equal(sequenced(&w), 6);
  client.cl_ord_id = 6;
  for (uint32_t i = 0; i < 20; i++)
    client_send_at(&w, &client, client.next_seq++, 1, block, put_order(block, &client));
  world_turns(&w, 2);
  assert_int_equal(sequenced(&w), 16);
  for (uint32_t i = 0; i < 20; i++)
    send_block(&w, &other, block, put_order(block, &other));
  assert_int_equal(sequenced(&w), 36);
  world_close(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_classes),
      cmocka_unit_test(test_cancels_have_a_bucket_of_their_own),
      cmocka_unit_test(test_buckets_do_not_share),
  };
  return cmocka_run_group_tests_name("loop_throttle", tests, NULL, NULL);
}
