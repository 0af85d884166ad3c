/* The client's session with tags: what it sends has one, and what has none is not believed, whatever it says. */
#include "dataplane/client/orders.h"
#include "dataplane/client/session.h"
#include "dataplane/client/sign.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>

#define MOLD "TaggedMold"

static struct
{
  wcx_client_session_t session;
  uint8_t sent[WCX_CLIENT_DATAGRAM_MAX + 8];
  size_t sent_sz;
  uint32_t sent_cnt;
  uint64_t now_ns;
  uint8_t key[16];
} world;

static void on_send(void *ctx, enum wcx_client_port port, const void *datagram, size_t sz)
{
  (void)ctx;
  (void)port;
  assert_true(sz <= WCX_CLIENT_DATAGRAM_MAX);
  memcpy(world.sent, datagram, sz);
  world.sent_sz = sz;
  world.sent_cnt++;
}

/* One message to the client, in or outside the flow, with or without its tag. */
static void receive(const char *mold, uint64_t sequence, uint16_t template_id, const void *block, uint16_t sz, bool tagged)
{
  uint8_t datagram[256];
  uint8_t message[200];
  wcx_client_packet_header(datagram, mold, sequence, 1);
  size_t end = wcx_client_packet_append(datagram, WCX_CLIENT_PACKET_HDR_SZ, message, wcx_client_message_write(message, template_id, block, sz));
  if (tagged)
    end = wcx_client_packet_tag(datagram, end, world.key);
  wcx_client_session_datagram(&world.session, world.now_ns, datagram, end);
}

static void receive_ack(bool tagged)
{
  wcx_establish_ack_t ack = {.uuid = world.session.establish.uuid,
                             .request_timestamp = world.session.establish.request_timestamp,
                             .next_server_seq_no = 2,
                             .next_client_seq_no = 1,
                             .keep_alive_interval = 1000};
  memcpy(ack.mold_session, MOLD, 10);
  receive(WCX_CLIENT_NO_SESSION, 0, WCX_TEMPLATE_ESTABLISH_ACK, &ack, sizeof(ack), tagged);
}

static void open_session(void)
{
  wcx_client_session_config_t config = {
      .session_id = 1, .access_key_id = "DEMO-MM-1", .secret = "demo-secret-1", .server_port = 7002, .flags = WCX_CLIENT_FLAG_TAG, .keep_alive_ms = 1000, .send = on_send};
  memset(&world, 0, sizeof(world));
  world.now_ns = 1000000000;
  wcx_client_session_init(&world.session, &config);
  wcx_client_session_open(&world.session, world.now_ns);
  wcx_client_tag_key(world.key, "demo-secret-1", world.session.establish.uuid);
}

static void test_the_ack_must_have_one(void **state)
{
  (void)state;
  open_session();
  assert_int_equal(world.sent_sz, 20 + 2 + 8 + 112); /* an Establish has a signature and no tag */
  receive_ack(false);
  assert_int_equal(world.session.state, WCX_CLIENT_ESTABLISHING);
  assert_int_equal(world.session.bad_tag_cnt, 1);
  wcx_establish_reject_t reject = {.uuid = world.session.establish.uuid, .code = WCX_ESTABLISH_REJECT_CODE_STALE_UUID};
  receive(WCX_CLIENT_NO_SESSION, 0, WCX_TEMPLATE_ESTABLISH_REJECT, &reject, sizeof(reject), false); /* nothing is agreed yet */
  assert_int_equal(world.session.reject_code, WCX_ESTABLISH_REJECT_CODE_STALE_UUID);
  receive_ack(true);
  assert_int_equal(world.session.state, WCX_CLIENT_READY);
  wcx_client_session_free(&world.session);
}

static void test_nothing_else_is_believed_without(void **state)
{
  (void)state;
  open_session();
  receive_ack(true);
  wcx_terminate_t terminate = {.uuid = world.session.establish.uuid, .code = WCX_TERMINATE_CODE_UNSPECIFIED};
  wcx_retransmit_reject_t lost = {.code = WCX_RETRANSMIT_REJECT_CODE_BAD_SESSION};
  wcx_establish_reject_t reject = {.uuid = world.session.establish.uuid, .code = WCX_ESTABLISH_REJECT_CODE_CREDENTIALS};
  uint64_t next = world.session.inbound.next;
  receive(MOLD, next, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate), false);
  receive(WCX_CLIENT_NO_SESSION, 0, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate), false);
  receive(WCX_CLIENT_NO_SESSION, 0, WCX_TEMPLATE_RETRANSMIT_REJECT, &lost, sizeof(lost), false);
  receive(WCX_CLIENT_NO_SESSION, 0, WCX_TEMPLATE_ESTABLISH_REJECT, &reject, sizeof(reject), false);
  world.key[0] ^= 1;
  receive(MOLD, next, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate), true);
  world.key[0] ^= 1;
  assert_int_equal(world.session.state, WCX_CLIENT_READY);
  assert_int_equal(world.session.inbound.next, next);
  assert_int_equal(world.session.bad_tag_cnt, 5);
  receive(MOLD, next, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate), true);
  assert_int_equal(world.session.state, WCX_CLIENT_ESTABLISHING);
  wcx_client_session_free(&world.session);
}

static void test_all_that_leaves_has_one(void **state)
{
  (void)state;
  open_session();
  receive_ack(true);
  uint32_t sent = world.sent_cnt;
  for (uint32_t i = 0; i < 40; i++)
  {
    uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
    wcx_new_order_single_t order = wcx_client_limit_order(wcx_client_session_next_id(&world.session), 1, 1, WCX_SIDE_BUY, 100, 1, WCX_TIME_IN_FORCE_GTC);
    assert_true(wcx_client_session_request(&world.session, world.now_ns, message, wcx_client_put_new(message, &order), 0));
    if (world.sent_cnt != sent) /* full */
      assert_true(wcx_client_packet_tagged(world.sent, world.sent_sz, world.key));
    sent = world.sent_cnt;
  }
  assert_true(sent > 2);
  wcx_client_session_flush(&world.session, world.now_ns);
  assert_true(wcx_client_packet_tagged(world.sent, world.sent_sz, world.key));
  for (uint32_t i = 0; i < 50; i++) /* heartbeats, re-requests, questions about the state */
  {
    world.now_ns += 20000000;
    sent = world.sent_cnt;
    (void)wcx_client_session_step(&world.session, world.now_ns);
    if (world.sent_cnt != sent)
      assert_true(wcx_client_packet_tagged(world.sent, world.sent_sz, world.key));
  }
  wcx_client_session_terminate(&world.session, world.now_ns);
  assert_true(wcx_client_packet_tagged(world.sent, world.sent_sz, world.key));
  wcx_client_session_free(&world.session);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_ack_must_have_one), cmocka_unit_test(test_nothing_else_is_believed_without),
                                     cmocka_unit_test(test_all_that_leaves_has_one)};
  return cmocka_run_group_tests_name("client_tag", tests, NULL, NULL);
}
