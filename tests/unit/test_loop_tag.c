/* Sessions whose datagrams carry tags: what has none is not believed, and ends nothing. */
#include "tests/unit/loop_fixture.h"

#include "dataplane/tag.h"

#include <stdio.h>

/* The stand-in of the auth worker: a key that depends on the UUID, as the real one does. */
static wcx_tag_key_t key_of(uint64_t uuid)
{
  wcx_tag_key_t key;
  for (uint32_t i = 0; i < sizeof(key.bytes); i++)
    key.bytes[i] = (uint8_t)(uuid * 31 + i);
  return key;
}

static void judge(void *ctx, wcx_auth_slot_t *slot)
{
  world_t *w = ctx;
  char text[16];
  snprintf(text, sizeof(text), "Mold%06u", ++w->mold_cnt % 1000000u);
  memcpy(slot->mold_session, text, 10);
  slot->verdict = WCX_AUTH_VALID;
  wcx_tag_key_t key = key_of(slot->establish.uuid);
  if ((slot->establish.flags & FLAG_TAG) != 0)
    memcpy(slot->tag_key, key.bytes, sizeof(slot->tag_key));
}

static void begin(world_t *w)
{
  world_new(w, NULL);
  w->ctx = w;
  w->judge = judge;
}

/* The next datagram to the client, whose tag is right and taken off; false when there is none. */
static bool next_tagged(world_t *w, const client_t *client, sent_t *sent)
{
  uint8_t frame[WCX_FRAME_SZ_MAX];
  for (uint32_t len; (len = wcx_wire_recv(w->wire, frame)) != 0;)
  {
    uint16_t to_port = (uint16_t)(frame[36] << 8 | frame[37]);
    if (to_port != client->port)
      continue;
    wcx_tag_key_t key = key_of(client->uuid);
    assert_true(wcx_tag_fits(&key, frame + 42, len - 42));
    assert_true(len - 42 <= WCX_MOLD_SZ_MAX);
    memcpy(sent->frame, frame, len);
    assert_true(wcx_mold_parse(sent->frame + 42, len - 42 - WCX_TAG_SZ, &sent->mold));
    assert_true(wcx_mold_sound(&sent->mold, 8));
    return true;
  }
  return false;
}

/* The block of the first message of the next datagram, which must have that template. */
static void expect_tagged(world_t *w, const client_t *client, uint16_t template_id, void *block, size_t sz)
{
  sent_t sent;
  wcx_message_header_t header;
  assert_true(next_tagged(w, client, &sent));
  assert_true(sent.mold.count >= 1);
  memcpy(&header, sent.mold.blocks + 2, 8);
  assert_int_equal(header.template_id, template_id);
  memcpy(block, sent.mold.blocks + 10, sz);
}

static void sign_on_tagged(world_t *w, client_t *client)
{
  wcx_establish_t establish = client_establish(w, client);
  establish.flags = FLAG_COD | FLAG_TAG;
  client_send_establish(w, client, &establish);
  world_turns(w, 6);
  expect_tagged(w, client, WCX_TEMPLATE_ESTABLISH_ACK, &client->ack, sizeof(client->ack));
  assert_int_equal(client->ack.uuid, establish.uuid);
  memcpy(client->mold, client->ack.mold_session, 10);
  client->next_seq = client->ack.next_client_seq_no;
  client->cl_ord_id = client->ack.last_cl_ord_id;
}

static void send_tagged(world_t *w, const client_t *client, uint16_t to_port, const wcx_tag_key_t *key, uint8_t *payload, uint32_t len)
{
  world_send(w, client->ip, client->port, to_port, payload, key != NULL ? wcx_tag_append(key, payload, len) : len);
  world_turns(w, 3);
}

static uint32_t order_payload(client_t *client, uint8_t *payload)
{
  wcx_new_order_single_t order = client_order(client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  uint32_t len = wcx_mold_begin(payload, client->mold, client->next_seq, 1);
  return len + client_block(payload + len, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
}

static uint64_t dropped(const world_t *w)
{
  return atomic_load(&w->shm->stats.rx_drop_tag);
}

static void test_orders(void **state)
{
  (void)state;
  world_t w;
  begin(&w);
  client_t client = client_of(1);
  sign_on_tagged(&w, &client);
  wcx_tag_key_t key = key_of(client.uuid);
  uint8_t payload[WCX_FRAME_SZ_MAX];
  sent_t sent;
  wcx_digest_t before = wcx_engine_state_digest(wcx_loop_engine(w.loop));
  /* none, of another sign-on, of other bytes, and a goodbye without one: all are dropped, and nothing is answered */
  client_t attempt = client;
  send_tagged(&w, &client, 7002, NULL, payload, order_payload(&attempt, payload));
  wcx_tag_key_t old = key_of(client.uuid - 1);
  attempt = client;
  send_tagged(&w, &client, 7002, &old, payload, order_payload(&attempt, payload));
  attempt = client;
  uint32_t len = wcx_tag_append(&key, payload, order_payload(&attempt, payload));
  payload[40] ^= 4;
  send_tagged(&w, &client, 7002, NULL, payload, len);
  wcx_terminate_t terminate = {.uuid = client.uuid, .code = WCX_TERMINATE_CODE_FINISHED};
  len = wcx_mold_begin(payload, client.mold, client.next_seq, 1);
  send_tagged(&w, &client, 7002, NULL, payload, len + client_block(payload + len, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate)));
  assert_int_equal(dropped(&w), 4);
  assert_false(next_tagged(&w, &client, &sent));
  wcx_digest_t after = wcx_engine_state_digest(wcx_loop_engine(w.loop));
  assert_memory_equal(&before, &after, sizeof(before));
  /* the right one */
  wcx_execution_report_new_t report;
  send_tagged(&w, &client, 7002, &key, payload, order_payload(&client, payload));
  client.next_seq++;
  expect_tagged(&w, &client, WCX_TEMPLATE_EXECUTION_REPORT_NEW, &report, sizeof(report));
  assert_int_equal(report.cl_ord_id, client.cl_ord_id);
  /* what is not sequenced has one, too: a refusal, NotApplied, heartbeats */
  len = wcx_mold_begin(payload, client.mold, client.next_seq + 2, 1);
  len += client_block(payload + len, 77, &terminate, sizeof(terminate));
  send_tagged(&w, &client, 7002, &key, payload, len);
  wcx_business_message_reject_t reject;
  expect_tagged(&w, &client, WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT, &reject, sizeof(reject));
  wcx_not_applied_t gap;
  expect_tagged(&w, &client, WCX_TEMPLATE_NOT_APPLIED, &gap, sizeof(gap));
  assert_int_equal(gap.count, 2);
  world_pass(&w, 600000000);
  assert_true(next_tagged(&w, &client, &sent));
  assert_int_equal(sent.mold.count, 0);
  assert_int_equal(dropped(&w), 4);
  assert_int_equal(atomic_load(&w.shm->stats.sessions_closed), 0);
  world_close(&w);
}

/* Re-requests, and copies of the Establish. */
static void test_rerequests_and_copies(void **state)
{
  (void)state;
  world_t w;
  begin(&w);
  client_t client = client_of(1);
  sign_on_tagged(&w, &client);
  wcx_tag_key_t key = key_of(client.uuid);
  uint8_t payload[WCX_FRAME_SZ_MAX];
  sent_t sent;
  send_tagged(&w, &client, 7003, NULL, payload, wcx_mold_begin(payload, client.mold, 1, 1));
  memset(payload + 20, 0, 8);
  (void)wcx_mold_begin(payload, client.mold, 1, 1);
  send_tagged(&w, &client, 7003, NULL, payload, 28);
  assert_int_equal(dropped(&w), 2);
  assert_int_equal(atomic_load(&w.shm->stats.rerequests), 0);
  assert_false(next_tagged(&w, &client, &sent));
  send_tagged(&w, &client, 7003, &key, payload, wcx_mold_begin(payload, client.mold, 1, 1));
  wcx_establish_ack_t ack;
  expect_tagged(&w, &client, WCX_TEMPLATE_ESTABLISH_ACK, &ack, sizeof(ack));
  send_tagged(&w, &client, 7003, &key, payload, wcx_mold_begin(payload, client.mold, 99, 1));
  wcx_retransmit_reject_t reject;
  expect_tagged(&w, &client, WCX_TEMPLATE_RETRANSMIT_REJECT, &reject, sizeof(reject));
  assert_int_equal(reject.code, WCX_RETRANSMIT_REJECT_CODE_TOO_HIGH);
  world_close(&w);
}

/* Who did not ask for tags has none and may send none; a new sign-on from the same address decides anew. */
static void test_tags_are_per_sign_on(void **state)
{
  (void)state;
  world_t w;
  begin(&w);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  wcx_tag_key_t key = key_of(client.uuid);
  uint8_t payload[WCX_FRAME_SZ_MAX];
  client_t attempt = client;
  send_tagged(&w, &client, 7002, &key, payload, order_payload(&attempt, payload));
  send_tagged(&w, &client, 7003, &key, payload, wcx_mold_begin(payload, client.mold, 1, 1));
  assert_int_equal(atomic_load(&w.shm->stats.rx_drop_framing), 2);
  assert_int_equal(dropped(&w), 0);
  sent_t sent;
  assert_false(world_next_to(&w, &client, &sent));
  sign_on_tagged(&w, &client);
  send_tagged(&w, &client, 7002, NULL, payload, order_payload(&attempt, payload)); /* of the session string before */
  assert_int_equal(dropped(&w), 0);
  client_t now = client;
  send_tagged(&w, &client, 7002, NULL, payload, order_payload(&now, payload));
  assert_int_equal(dropped(&w), 1);
  client_sign_on(&w, &client);
  client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  world_turns(&w, 3);
  wcx_execution_report_new_t report;
  assert_true(world_expect(&w, &client, WCX_TEMPLATE_EXECUTION_REPORT_NEW, &report, sizeof(report)));
  world_close(&w);
}

/* Datagrams that are filled to the brim leave room for the tag, and what has none does not keep a session alive. */
static void test_full_datagrams_and_silence(void **state)
{
  (void)state;
  world_t w;
  begin(&w);
  client_t client = client_of(1);
  sign_on_tagged(&w, &client);
  wcx_tag_key_t key = key_of(client.uuid);
  uint8_t payload[WCX_FRAME_SZ_MAX];
  w.hold = true;
  for (uint32_t i = 0; i < 60; i++)
  {
    send_tagged(&w, &client, 7002, &key, payload, order_payload(&client, payload));
    client.next_seq++;
  }
  w.hold = false;
  world_turns(&w, 3);
  sent_t sent;
  uint32_t acks = 0;
  while (next_tagged(&w, &client, &sent))
    acks += sent.mold.count;
  assert_int_equal(acks, 60);
  for (uint32_t i = 0; i < 40; i++)
  {
    world_pass(&w, 100000000);
    send_tagged(&w, &client, 7002, NULL, payload, wcx_mold_begin(payload, client.mold, client.next_seq, 0));
  }
  assert_int_equal(atomic_load(&w.shm->stats.keepalive_expired), 1);
  assert_true(dropped(&w) >= 29);
  assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w.loop)), 0); /* cancel on disconnect */
  world_close(&w);
}

/* How often the key stands in the loop's memory. */
static uint32_t keys_there(const world_t *w, const wcx_tag_key_t *key)
{
  const uint8_t *at = w->mem;
  const uint8_t *end = at + wcx_loop_footprint(&w->region->params, w->shard_idx);
  uint32_t cnt = 0;
  while ((at = memmem(at, (size_t)(end - at), key->bytes, sizeof(key->bytes))) != NULL)
  {
    cnt++;
    at++;
  }
  return cnt;
}

/* The verdict that brought it is wiped when it was taken, and the binding when the last message to it has passed. */
static void test_keys_are_wiped(void **state)
{
  (void)state;
  world_t w;
  begin(&w);
  client_t client = client_of(1);
  sign_on_tagged(&w, &client);
  wcx_tag_key_t key = key_of(client.uuid);
  assert_int_equal(keys_there(&w, &key), 1);
  uint8_t payload[WCX_FRAME_SZ_MAX];
  wcx_terminate_t terminate = {.uuid = client.uuid, .code = WCX_TERMINATE_CODE_FINISHED};
  uint32_t len = wcx_mold_begin(payload, client.mold, client.next_seq, 1);
  len += client_block(payload + len, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate));
  send_tagged(&w, &client, 7002, &key, payload, len);
  assert_int_equal(atomic_load(&w.shm->stats.sessions_closed), 1);
  world_turns(&w, 3);
  assert_int_equal(keys_there(&w, &key), 0);
  world_close(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_orders),
      cmocka_unit_test(test_rerequests_and_copies),
      cmocka_unit_test(test_tags_are_per_sign_on),
      cmocka_unit_test(test_full_datagrams_and_silence),
      cmocka_unit_test(test_keys_are_wiped),
  };
  return cmocka_run_group_tests_name("loop_tag", tests, NULL, NULL);
}
