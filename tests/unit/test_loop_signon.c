/* Sign-on: each answer of dataplane/client/PROTOCOL.md 3.1, copies, take-over, rebinding, silence and goodbye. */
#include "tests/unit/loop_fixture.h"

static uint8_t reject_code(world_t *w, const client_t *client, const wcx_establish_t *establish)
{
  wcx_establish_reject_t reject = {0};
  client_send_establish(w, client, establish);
  world_turns(w, 6);
  if (!world_expect(w, client, WCX_TEMPLATE_ESTABLISH_REJECT, &reject, sizeof(reject)))
    return 0;
  assert_int_equal(reject.uuid, establish->uuid);
  assert_int_equal(reject.request_timestamp, establish->request_timestamp);
  return reject.code;
}

static uint8_t terminate_code(world_t *w, const client_t *client)
{
  wcx_terminate_t terminate;
  return world_expect(w, client, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate)) ? terminate.code : UINT8_MAX;
}

static void test_ack(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(2);
  wcx_establish_t establish = client_establish(&w, &client);
  establish.cod_timeout_window = 0;
  client_send_establish(&w, &client, &establish);
  world_turns(&w, 6);
  sent_t sent;
  assert_true(world_next(&w, &sent));
  assert_true(wcx_mold_no_session(&sent.mold));
  assert_int_equal(sent.mold.sequence, 0);
  assert_int_equal(sent.mold.count, 1);
  assert_true(sent.datagram.len < 20 + 2 + 8 + 112);
  wcx_establish_ack_t ack;
  memcpy(&ack, sent.mold.blocks + 10, sizeof(ack));
  assert_int_equal(ack.next_server_seq_no, 2); /* the ack itself is message 1 */
  assert_int_equal(ack.next_client_seq_no, 1);
  assert_int_equal(ack.keep_alive_interval, 1000);
  assert_int_equal(ack.cod_timeout_window, 3000);
  assert_int_equal(ack.durability_level, WCX_DURABILITY_LEVEL_D1_LOCAL_FLUSH);
  world_close(&w);
}

static void test_codes(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  wcx_establish_t establish = client_establish(&w, &client);
  establish.hmac_signature[0] = 0xbb;
  assert_int_equal(reject_code(&w, &client, &establish), WCX_ESTABLISH_REJECT_CODE_CREDENTIALS);
  uint64_t history = wcx_engine_applied_seq(wcx_loop_engine(w.loop));
  establish = client_establish(&w, &client);
  establish.session_id = 99;
  assert_int_equal(reject_code(&w, &client, &establish), WCX_ESTABLISH_REJECT_CODE_CREDENTIALS);
  assert_int_equal(wcx_engine_applied_seq(wcx_loop_engine(w.loop)), history); /* neither became history */

  establish = client_establish(&w, &client);
  establish.request_timestamp = w.utc_ns - 5100000000u;
  assert_int_equal(reject_code(&w, &client, &establish), WCX_ESTABLISH_REJECT_CODE_REQUEST_TIMESTAMP);
  establish = client_establish(&w, &client);
  establish.request_timestamp = w.utc_ns + 5100000000u;
  assert_int_equal(reject_code(&w, &client, &establish), WCX_ESTABLISH_REJECT_CODE_REQUEST_TIMESTAMP);
  establish = client_establish(&w, &client);
  establish.keep_alive_interval = 99;
  assert_int_equal(reject_code(&w, &client, &establish), WCX_ESTABLISH_REJECT_CODE_KEEP_ALIVE_INTERVAL);
  establish = client_establish(&w, &client);
  establish.keep_alive_interval = 60001;
  assert_int_equal(reject_code(&w, &client, &establish), WCX_ESTABLISH_REJECT_CODE_KEEP_ALIVE_INTERVAL);
  establish = client_establish(&w, &client);
  establish.schema_version = 1;
  assert_int_equal(reject_code(&w, &client, &establish), WCX_ESTABLISH_REJECT_CODE_SCHEMA_VERSION);
  establish = client_establish(&w, &client);
  establish.flags = FLAG_DROP_COPY;
  assert_int_equal(reject_code(&w, &client, &establish), WCX_ESTABLISH_REJECT_CODE_UNSPECIFIED);
  /* every valid signature has moved the key's UUID on; a UUID that is not new is no input */
  history = wcx_engine_applied_seq(wcx_loop_engine(w.loop));
  establish = client_establish(&w, &client);
  establish.uuid = --client.uuid;
  assert_int_equal(reject_code(&w, &client, &establish), WCX_ESTABLISH_REJECT_CODE_STALE_UUID);
  establish.request_timestamp = w.utc_ns - 5100000000u;
  assert_int_equal(reject_code(&w, &client, &establish), WCX_ESTABLISH_REJECT_CODE_REQUEST_TIMESTAMP);
  assert_int_equal(wcx_engine_applied_seq(wcx_loop_engine(w.loop)), history);
  assert_int_equal(atomic_load(&w.shm->stats.establish_replayed), 2);
  client_sign_on(&w, &client);
  client_t other = client;
  other.port = 50000;
  establish = client_establish(&w, &other);
  assert_int_equal(reject_code(&w, &other, &establish), WCX_ESTABLISH_REJECT_CODE_ALREADY_ESTABLISHED);
  assert_int_equal(atomic_load(&w.shm->stats.establish_credentials), 2);
  assert_int_equal(atomic_load(&w.shm->stats.establish_refused), 7);
  world_close(&w);
}

static void test_copies(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  wcx_establish_t establish = client_establish(&w, &client);
  w.auth_silent = true;
  client_send_establish(&w, &client, &establish);
  world_turns(&w, 3);
  client_send_establish(&w, &client, &establish); /* while it is judged */
  world_turns(&w, 3);
  w.auth_silent = false;
  w.hold = true;
  world_turns(&w, 4);
  client_send_establish(&w, &client, &establish); /* while its ack waits at the gate */
  world_turns(&w, 4);
  assert_int_equal(wcx_wire_pending(w.wire), 0);
  assert_int_equal(atomic_load(&w.shm->stats.establish_duplicate), 2);
  w.hold = false;
  world_turns(&w, 4);
  sent_t first;
  assert_true(world_next(&w, &first));
  assert_false(world_next_to(&w, &client, &first));
  uint64_t history = wcx_engine_applied_seq(wcx_loop_engine(w.loop));
  for (uint32_t i = 0; i < 3; i++)
  {
    client_send_establish(&w, &client, &establish); /* after it was established */
    world_turns(&w, 4);
    wcx_establish_ack_t ack;
    assert_true(world_expect(&w, &client, WCX_TEMPLATE_ESTABLISH_ACK, &ack, sizeof(ack)));
    assert_int_equal(ack.next_server_seq_no, 2);
  }
  assert_int_equal(wcx_engine_applied_seq(wcx_loop_engine(w.loop)), history);
  /* the same bytes from somebody else are a replay */
  client_t thief = client;
  thief.port = 50000;
  assert_int_equal(reject_code(&w, &thief, &establish), WCX_ESTABLISH_REJECT_CODE_STALE_UUID);
  world_close(&w);
}

static void test_late_verdicts_and_dead_auth(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  w.auth_silent = true;
  wcx_establish_t establish = client_establish(&w, &client);
  client_send_establish(&w, &client, &establish);
  world_pass(&w, 2100000000);
  w.auth_silent = false;
  world_turns(&w, 6);
  sent_t sent;
  assert_false(world_next_to(&w, &client, &sent));
  assert_int_equal(atomic_load(&w.shm->stats.establish_late), 1);
  client_sign_on(&w, &client); /* and the next attempt works */
  world_close(&w);
}

/* A data plane that was stopped finds the verdict when it goes on, before it has looked at what waits: it is late all the same. */
static void test_a_verdict_found_late(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  wcx_establish_t establish = client_establish(&w, &client);
  client_send_establish(&w, &client, &establish);
  world_turn(&w); /* asked, and judged behind it */
  world_stall(&w, WCX_AUTH_VERDICT_NS_MAX);
  world_turns(&w, 6);
  sent_t sent;
  assert_false(world_next_to(&w, &client, &sent));
  assert_int_equal(atomic_load(&w.shm->stats.establish_late), 1);
  assert_int_equal(atomic_load(&w.shm->stats.establish_accepted), 0);
  world_close(&w);
}

/* The verdict on a sign-on that was given up comes when its place has been given to another one, whose signature is wrong. */
static void test_a_verdict_of_another_question(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  w.auth_silent = true;
  wcx_establish_t establish = client_establish(&w, &client);
  client_send_establish(&w, &client, &establish);
  world_pass(&w, 2100000000); /* given up */
  client_t stranger = client_of(2);
  establish = client_establish(&w, &stranger);
  establish.hmac_signature[0] = 0xbb;
  client_send_establish(&w, &stranger, &establish);
  world_turns(&w, 3);
  w.auth_silent = false;
  world_turns(&w, 6);
  wcx_establish_reject_t reject;
  assert_true(world_expect(&w, &stranger, WCX_TEMPLATE_ESTABLISH_REJECT, &reject, sizeof(reject)));
  assert_int_equal(reject.code, WCX_ESTABLISH_REJECT_CODE_CREDENTIALS);
  assert_int_equal(atomic_load(&w.shm->stats.establish_accepted), 0);
  world_close(&w);
}

static uint8_t verdict; /* of the worker below */
static uint8_t key_slot;

static void judge_so(void *ctx, wcx_auth_slot_t *slot)
{
  (void)ctx;
  memcpy(slot->mold_session, "Mold000001", 10);
  slot->verdict = verdict;
  slot->key_slot = key_slot;
}

/* What stands in the ring is not believed: one word is a valid verdict, and there are two keys. */
static void test_what_is_no_verdict(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  w.judge = judge_so;
  client_t client = client_of(1);
  static const uint8_t rows[][2] = {{0, 0}, {WCX_AUTH_BAD_CREDENTIALS, 0}, {3, 0}, {255, 0}, {WCX_AUTH_VALID, 2}, {WCX_AUTH_VALID, 255}};
  for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
  {
    verdict = rows[i][0];
    key_slot = rows[i][1];
    wcx_establish_t establish = client_establish(&w, &client);
    assert_int_equal(reject_code(&w, &client, &establish), WCX_ESTABLISH_REJECT_CODE_CREDENTIALS);
  }
  assert_int_equal(atomic_load(&w.shm->stats.establish_accepted), 0);
  verdict = WCX_AUTH_VALID;
  key_slot = 1;
  client_sign_on(&w, &client);
  world_close(&w);
}

static void test_limit_per_source(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  for (uint32_t i = 0; i < 40; i++)
  {
    wcx_establish_t establish = client_establish(&w, &client);
    establish.hmac_signature[0] = 0xbb;
    client_send_establish(&w, &client, &establish);
    world_turns(&w, 4);
  }
  uint32_t answered = 0;
  sent_t sent;
  while (world_next_to(&w, &client, &sent))
    answered++;
  assert_int_equal(answered, 20);
  assert_int_equal(atomic_load(&w.shm->stats.establish_throttled), 20);
  client_t other = client_of(2);
  other.ip = CLIENT_IP + 1;
  client_sign_on(&w, &other);
  world_close(&w);
}

static void test_rebind_from_the_same_address(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  wcx_new_order_single_t order = client_order(&client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  client_send(&w, &client, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
  world_turns(&w, 3);
  world_drain(&w);
  client_t old = client;
  client_sign_on(&w, &client);
  assert_memory_not_equal(old.mold, client.mold, 10);
  assert_int_equal(client.ack.next_server_seq_no, old.ack.next_server_seq_no + 2); /* order ack, then this ack: no Terminate */
  assert_int_equal(client.ack.next_client_seq_no, 2);
  assert_int_equal(client.ack.last_cl_ord_id, order.cl_ord_id);
  assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w.loop)), 1);
  client_send(&w, &old, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
  world_turns(&w, 3);
  assert_int_equal(atomic_load(&w.shm->stats.rx_drop_session), 1); /* the old string is void */
  world_close(&w);
}

static void test_take_over(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t old = client_of(1);
  client_sign_on(&w, &old);
  client_send_order(&w, &old, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  world_turns(&w, 3);
  world_drain(&w);
  client_t client = old;
  client.port = 50000;
  wcx_establish_t establish = client_establish(&w, &client);
  establish.flags = FLAG_COD | FLAG_TAKE_OVER;
  w.hold = true; /* both answers wait, each for its own address */
  client_send_establish(&w, &client, &establish);
  world_turns(&w, 6);
  assert_int_equal(wcx_wire_pending(w.wire), 0);
  w.hold = false;
  world_turns(&w, 3);
  sent_t sent;
  assert_true(world_next(&w, &sent));
  assert_int_equal(sent.datagram.to_port, 50000);
  assert_true(wcx_mold_no_session(&sent.mold));
  assert_true(world_next(&w, &sent));
  assert_int_equal(sent.datagram.to_port, old.port);
  assert_memory_equal(sent.mold.session, old.mold, 10);
  wcx_message_header_t header;
  memcpy(&header, sent.mold.blocks + 2, 8);
  assert_int_equal(header.template_id, WCX_TEMPLATE_TERMINATE);
  assert_int_equal(sent.mold.blocks[10 + offsetof(wcx_terminate_t, code)], WCX_TERMINATE_CODE_NEW_LOGIN);
  assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w.loop)), 1); /* the last binding is not gone */
  assert_int_equal(atomic_load(&w.shm->dataplane.live_bindings), 1);
  world_close(&w);
}

static void test_silence_ends_a_binding(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  wcx_new_order_single_t order = client_order(&client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  client_send(&w, &client, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
  for (uint32_t i = 0; i < 10; i++)
  {
    world_pass(&w, 900000000);
    client_send_at(&w, &client, client.next_seq, 0, NULL, 0);
  }
  assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w.loop)), 1);
  /* our own heartbeats: at least every half second, with the next number */
  uint32_t heartbeats = 0;
  sent_t sent;
  while (world_next_to(&w, &client, &sent))
    if (sent.mold.count == 0)
    {
      heartbeats++;
      assert_int_equal(sent.mold.sequence, client.ack.next_server_seq_no + 1);
    }
  assert_in_range(heartbeats, 16, 19);
  world_pass(&w, 2900000000);
  assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w.loop)), 1);
  world_pass(&w, 200000000);
  assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w.loop)), 0);
  assert_int_equal(terminate_code(&w, &client), WCX_TERMINATE_CODE_KEEP_ALIVE_EXPIRED);
  assert_int_equal(atomic_load(&w.shm->stats.keepalive_expired), 1);
  client_send(&w, &client, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
  world_turns(&w, 3);
  assert_int_equal(atomic_load(&w.shm->stats.rx_drop_session), 1);
  world_close(&w);
}

/* A data plane that was stopped finds old frames when it goes on: they are heard before anybody is called silent. */
static void test_a_pause_of_ours_is_not_their_silence(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  for (uint32_t i = 0; i < 40; i++)
    client_send_at(&w, &client, client.next_seq, 0, NULL, 0);
  world_stall(&w, 10000000000);
  world_turns(&w, 5);
  assert_int_equal(atomic_load(&w.shm->stats.keepalive_expired), 0);
  world_close(&w);
}

/* Nor does a burst of others, which is all that one turn reads, make them silent. */
static void test_what_is_unread_is_not_silence(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_t other = client_of(2);
  client_sign_on(&w, &client);
  client_sign_on(&w, &other);
  for (uint32_t i = 0; i < 20 * WCX_PORT_BURST_MAX; i++)
    client_send_at(&w, &other, other.next_seq, 0, NULL, 0);
  client_send_at(&w, &client, client.next_seq, 0, NULL, 0);
  world_stall(&w, 10000000000);
  world_turns(&w, 30);
  assert_int_equal(atomic_load(&w.shm->stats.keepalive_expired), 0);
  world_close(&w);
}

/* Whoever knows the session string and not the address: he speaks for nobody, so nobody is alive by him. */
static void test_strangers_keep_nobody_alive(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  client_t stranger = client;
  stranger.port = 50000;
  for (uint32_t i = 0; i < 4; i++)
  {
    client_send_at(&w, &stranger, client.next_seq, 0, NULL, 0);
    world_pass(&w, 800000000);
  }
  assert_int_equal(atomic_load(&w.shm->stats.rx_drop_session), 4);
  assert_int_equal(atomic_load(&w.shm->stats.keepalive_expired), 1);
  world_close(&w);
}

static void test_goodbye(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  wcx_terminate_t terminate = {.uuid = client.uuid};
  client_send(&w, &client, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate));
  world_turns(&w, 4);
  assert_int_equal(terminate_code(&w, &client), WCX_TERMINATE_CODE_FINISHED);
  assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w.loop)), 0); /* cancel-on-disconnect */
  assert_int_equal(atomic_load(&w.shm->dataplane.live_bindings), 0);
  for (uint32_t i = 0; i < 5; i++) /* places of bindings come free again */
  {
    client_sign_on(&w, &client);
    client_send(&w, &client, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate));
    world_turns(&w, 4);
    assert_int_equal(terminate_code(&w, &client), WCX_TERMINATE_CODE_FINISHED);
  }
  world_close(&w);
}

/* Refused blocks, gaps and the Terminate are in no request's record: the record of the end carries where the client's flow stood. */
static void test_client_flow_goes_on_over_bindings(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  wcx_new_order_single_t order = client_order(&client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  client_send(&w, &client, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
  order.side = 9;
  client_send(&w, &client, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
  client_send_at(&w, &client, 5, 0, NULL, 0); /* 3 and 4 are not applied */
  world_turns(&w, 3);
  client_sign_on(&w, &client);
  assert_int_equal(client.ack.next_client_seq_no, 5);
  client.next_seq = 5;
  wcx_terminate_t terminate = {.uuid = client.uuid};
  client_send(&w, &client, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate));
  world_turns(&w, 4);
  world_crash(&w);
  world_start(&w);
  client_sign_on(&w, &client);
  assert_int_equal(client.ack.next_client_seq_no, 6);
  world_close(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ack),
      cmocka_unit_test(test_codes),
      cmocka_unit_test(test_copies),
      cmocka_unit_test(test_late_verdicts_and_dead_auth),
      cmocka_unit_test(test_limit_per_source),
      cmocka_unit_test(test_rebind_from_the_same_address),
      cmocka_unit_test(test_take_over),
      cmocka_unit_test(test_silence_ends_a_binding),
      cmocka_unit_test(test_a_pause_of_ours_is_not_their_silence),
      cmocka_unit_test(test_goodbye),
      cmocka_unit_test(test_client_flow_goes_on_over_bindings),
      cmocka_unit_test(test_a_verdict_found_late),
      cmocka_unit_test(test_a_verdict_of_another_question),
      cmocka_unit_test(test_what_is_no_verdict),
      cmocka_unit_test(test_what_is_unread_is_not_silence),
      cmocka_unit_test(test_strangers_keep_nobody_alive),
  };
  return cmocka_run_group_tests_name("loop_signon", tests, NULL, NULL);
}
