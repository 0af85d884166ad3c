/* What a session may not do now: its two token buckets, and the rungs of pressure. */
#include "tests/unit/loop_fixture.h"

#include "dataplane/pressure.h"
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

/* --- pressure -------------------------------------------------------------------------------------------------------------------------------- */

#define RING_CAP (256u - WCX_JRING_RECORD_SLOTS_MAX)
#define RING_RISK 183u    /* slots: 75 % of 244 */
#define RING_CANCELS 220u /* 90 % */

static uint64_t rung(world_t *w)
{
  world_turn(w);
  return atomic_load(&w->shm->dataplane.pressure);
}

/* Every request here is one slot, so the requests sequenced since the worker is held are the slots used. */
static void climb_to_risk(world_t *w, client_t *client)
{
  uint8_t block[512];
  w->hold = true;
  assert_int_equal(rung(w), WCX_PRESSURE_CLEAR);
  for (uint32_t i = 0; i < RING_RISK; i++)
    send_block(w, client, block, put_order(block, client));
  assert_int_equal(sequenced(w), RING_RISK);
  assert_int_equal(rung(w), WCX_PRESSURE_RISK);
}

static void stand_on_risk(world_t *w, client_t *client)
{
  uint8_t block[512];
  send_block(w, client, block, put_order(block, client));
  expect_throttled(w, client, WCX_TEMPLATE_NEW_ORDER_SINGLE);
  send_block(w, client, block, put_replace(block, client, 1));
  expect_throttled(w, client, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST);
  send_block(w, client, block, put_quote(block, client, 2, 3));
  expect_throttled(w, client, WCX_TEMPLATE_MASS_QUOTE);
  assert_int_equal(atomic_load(&w->shm->stats.overload_risk), 3);
  send_block(w, client, block, put_status(block));
  send_block(w, client, block, put_unlock(block, client));
  assert_int_equal(sequenced(w), RING_RISK + 1);
  for (uint64_t of = 1; sequenced(w) < RING_CANCELS; of++)
    send_block(w, client, block, put_cancel(block, client, of));
  assert_int_equal(atomic_load(&w->shm->stats.overload_other), 0);
  assert_int_equal(rung(w), WCX_PRESSURE_CANCELS);
}

static void stand_on_cancels(world_t *w, client_t *client)
{
  uint8_t block[512];
  send_block(w, client, block, put_order(block, client));
  expect_throttled(w, client, WCX_TEMPLATE_NEW_ORDER_SINGLE);
  send_block(w, client, block, put_status(block));
  expect_throttled(w, client, WCX_TEMPLATE_SESSION_STATUS_REQUEST);
  send_block(w, client, block, put_unlock(block, client));
  expect_throttled(w, client, WCX_TEMPLATE_UNLOCK_TRADING_REQUEST);
  assert_int_equal(atomic_load(&w->shm->stats.overload_risk), 4);
  assert_int_equal(atomic_load(&w->shm->stats.overload_other), 2);
  uint64_t heartbeats = atomic_load(&w->shm->stats.heartbeats_in);
  client_send_at(w, client, client->next_seq, 0, NULL, 0);
  world_turn(w);
  assert_int_equal(atomic_load(&w->shm->stats.heartbeats_in), heartbeats + 1);
  send_block(w, client, block, put_quote(block, client, 2, 0));
  send_block(w, client, block, put_mass_cancel(block, client)); /* kill */
  assert_int_equal(sequenced(w), RING_CANCELS + 2);
  assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w->loop)), 0);
  while (sequenced(w) <= RING_CAP)
    send_block(w, client, block, put_cancel(block, client, 1));
  assert_int_equal(rung(w), WCX_PRESSURE_FULL);
}

static void test_every_rung(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  uint8_t block[512];
  climb_to_risk(&w, &client);
  stand_on_risk(&w, &client);
  stand_on_cancels(&w, &client);
  /* full: what comes waits in the port's queue, in its order; nothing is answered and nothing is lost */
  uint64_t waits = atomic_load(&w.shm->stats.backpressure_turns);
  for (uint32_t i = 0; i < 40; i++)
    client_send_at(&w, &client, client.next_seq++, 1, block, i % 2 == 0 ? put_order(block, &client) : put_cancel(block, &client, 1));
  world_turns(&w, 20);
  assert_int_equal(sequenced(&w), RING_CAP + 1);
  assert_true(atomic_load(&w.shm->stats.backpressure_turns) > waits);
  assert_int_equal(wcx_wire_pending(w.wire), 0);
  w.hold = false;
  world_turns(&w, 20);
  assert_int_equal(sequenced(&w), RING_CAP + 1 + 40);
  assert_int_equal(rung(&w), WCX_PRESSURE_CLEAR);
  assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w.loop)), 20);
  assert_int_equal(atomic_load(&w.shm->stats.overload_risk), 4);
  assert_int_equal(atomic_load(&w.shm->stats.requests_gap), 0);
  assert_int_equal(atomic_load(&w.shm->stats.requests_stale), 0);
  assert_int_equal(atomic_load(&w.shm->stats.tx_drop), 0);
  world_close(&w);
}

/* A goodbye is never throttled, but it is an input: when there is no room for it, it is read again. */
static void test_goodbye_waits_for_room(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  uint8_t block[512];
  w.hold = true;
  for (uint32_t i = 0; i <= RING_CAP; i++)
    send_block(&w, &client, block, put_cancel(block, &client, 1));
  assert_int_equal(sequenced(&w), RING_CAP + 1);
  assert_int_equal(rung(&w), WCX_PRESSURE_FULL);
  wcx_terminate_t terminate = {.code = WCX_TERMINATE_CODE_FINISHED};
  client_send(&w, &client, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate));
  world_turns(&w, 20);
  assert_int_equal(atomic_load(&w.shm->stats.sessions_closed), 0);
  w.hold = false;
  world_turns(&w, 20);
  assert_int_equal(atomic_load(&w.shm->stats.sessions_closed), 1);
  assert_true(world_expect(&w, &client, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate)));
  world_close(&w);
}

/* The worker is gone and not only slow: the ladder is the same, and a new worker finds everything. */
static void test_worker_gone(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  uint8_t block[512];
  w.dead = true;
  for (uint32_t i = 0; i < 400; i++)
    client_send_at(&w, &client, client.next_seq++, 1, block, put_order(block, &client));
  world_turns(&w, 50);
  assert_int_equal(sequenced(&w), RING_RISK);
  assert_int_equal(atomic_load(&w.shm->stats.overload_risk), 400 - RING_RISK);
  uint64_t durable = w.durable_seq;
  w.dead = false;
  world_turns(&w, 5);
  assert_int_equal(w.durable_seq, durable + RING_RISK);
  assert_int_equal(rung(&w), WCX_PRESSURE_CLEAR);
  world_close(&w);
}

static void test_disk_nearly_full(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  uint8_t block[512];
  send_block(&w, &client, block, put_order(block, &client));
  w.shm->journal.segments_free = 1;
  assert_int_equal(rung(&w), WCX_PRESSURE_CANCELS);
  send_block(&w, &client, block, put_order(block, &client));
  expect_throttled(&w, &client, WCX_TEMPLATE_NEW_ORDER_SINGLE);
  send_block(&w, &client, block, put_cancel(block, &client, 1));
  assert_int_equal(sequenced(&w), 2);
  w.shm->journal.segments_free = 2;
  send_block(&w, &client, block, put_order(block, &client));
  assert_int_equal(sequenced(&w), 3);
  world_close(&w);
}

/* The log alone, at D0: no ring, no disk. */
static void test_log_fills(void **state)
{
  (void)state;
  static _Alignas(64) uint8_t mem[1u << 16];
  wcx_outlog_t log;
  wcx_outlog_init(&log, mem, sizeof(mem));
  wcx_input_t input = {.log = &log};
  wcx_pressure_t pressure = {0};
  uint64_t cap = sizeof(mem) - WCX_INPUT_LOG_RESERVE;
  uint32_t seen = 0;
  while (log.write_pos + 256 <= sizeof(mem))
  {
    uint64_t used = log.write_pos;
    enum wcx_pressure_rung must = used > cap ? WCX_PRESSURE_FULL : used * 100 >= cap * 90 ? WCX_PRESSURE_CANCELS : used * 100 >= cap * 75 ? WCX_PRESSURE_RISK : WCX_PRESSURE_CLEAR;
    assert_int_equal(wcx_pressure_rung(&pressure, &input, 1), must);
    seen |= 1u << must;
    (void)wcx_outlog_append(&log, 100);
  }
  assert_int_equal(seen, 0x1e); /* each of them */
  log.sent_pos = log.write_pos;
  assert_int_equal(wcx_pressure_rung(&pressure, &input, 1), WCX_PRESSURE_CLEAR);
}

/* Beside a ring: the fuller of both counts, and the disk, when it is low, counts on whatever rung they stand. */
static void test_the_worst_counts(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  static _Alignas(64) uint8_t mem[1u << 16];
  wcx_outlog_t log;
  wcx_outlog_init(&log, mem, sizeof(mem));
  uint64_t end_pos[4];
  wcx_input_t input = {.log = &log, .shm = w.shm, .journaled = 1, .ring = {.ring = &w.shm->jring, .end_pos = end_pos, .next_seq = 1}};
  wcx_pressure_t pressure = {0};
  static const uint32_t used[] = {0, RING_RISK, RING_CANCELS, RING_CAP + 1};
  for (uint32_t ring = 0; ring < 4; ring++)
    for (uint32_t of_log = 0; of_log < 4; of_log++)
      for (uint32_t low = 0; low < 2; low++)
      {
        input.ring.pos = used[ring];
        log.write_pos = (uint64_t)used[of_log] * (sizeof(mem) - WCX_INPUT_LOG_RESERVE) / RING_CAP + 15;
        w.shm->journal.segments_free = low ? 1 : 2;
        uint32_t must = WCX_PRESSURE_CLEAR + (ring > of_log ? ring : of_log);
        must = low && must < WCX_PRESSURE_CANCELS ? WCX_PRESSURE_CANCELS : must;
        assert_int_equal(wcx_pressure_rung(&pressure, &input, ++w.mono_ns), must);
      }
  log.write_pos = 0;
  world_close(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_classes),
      cmocka_unit_test(test_cancels_have_a_bucket_of_their_own),
      cmocka_unit_test(test_buckets_do_not_share),
      cmocka_unit_test(test_every_rung),
      cmocka_unit_test(test_worker_gone),
      cmocka_unit_test(test_disk_nearly_full),
      cmocka_unit_test(test_log_fills),
      cmocka_unit_test(test_the_worst_counts),
      cmocka_unit_test(test_goodbye_waits_for_room),
  };
  return cmocka_run_group_tests_name("loop_throttle", tests, NULL, NULL);
}
