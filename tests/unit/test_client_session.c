/* The client's session against a small model of the server: losses, restarts, a slow gate. Whatever happens, each request gets exactly one fate, and
   the fate is the truth. */
#include "dataplane/client/orders.h"
#include "dataplane/client/session.h"
#include "dataplane/client/sign.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MS UINT64_C(1000000)
#define MESSAGES_MAX 60000u
#define REQUESTS_MAX 30000u
#define QUEUE_MAX 4096u

typedef struct packet
{
  uint16_t sz;
  uint8_t to_client;
  uint8_t port;
  uint64_t at_ns;
  uint8_t bytes[WCX_CLIENT_DATAGRAM_MAX];
} packet_t;

typedef struct world
{
  wcx_client_session_t client;
  uint64_t now_ns;
  uint64_t random;
  uint32_t loss_pct;

  packet_t *queue;
  uint32_t queue_cnt;

  /* the server */
  bool bound;
  uint64_t uuid;
  char mold_session[10];
  uint64_t establish_seen;
  uint64_t expected_client_seq;
  uint64_t last_cl_ord_id;
  struct
  {
    uint8_t bytes[136];
    uint16_t sz;
  } * messages; /* number n at n - 1 */
  uint64_t message_cnt;
  uint64_t released;
  uint64_t sent; /* numbers below were sent */
  uint64_t keep_alive_at;
  bool gate_shut;

  /* the truth and what the client was told */
  uint8_t applied[REQUESTS_MAX];
  uint8_t told[REQUESTS_MAX]; /* enum wcx_client_fate, 0 never */
  uint64_t told_twice;
  uint64_t next_number;
  uint64_t order_errors;
  uint32_t ready_cnt;
} world_t;

static uint64_t roll(world_t *world, uint64_t below)
{
  world->random ^= world->random << 13;
  world->random ^= world->random >> 7;
  world->random ^= world->random << 17;
  return (world->random >> 11) % below;
}

static void post(world_t *world, bool to_client, uint8_t port, const void *bytes, size_t sz)
{
  if (roll(world, 100) < world->loss_pct)
    return;
  uint32_t copies = world->loss_pct != 0 && roll(world, 20) == 0 ? 2 : 1;
  for (uint32_t i = 0; i < copies; i++)
  {
    assert_true(world->queue_cnt < QUEUE_MAX);
    packet_t *packet = &world->queue[world->queue_cnt++];
    *packet = (packet_t){.sz = (uint16_t)sz, .to_client = to_client, .port = port, .at_ns = world->now_ns + (world->loss_pct != 0 ? roll(world, 3 * MS) : 100000)};
    memcpy(packet->bytes, bytes, sz);
  }
}

/* --- the model of the server ------------------------------------------------------------------------ */

static uint64_t server_append(world_t *world, uint16_t template_id, const void *block, uint16_t sz)
{
  assert_true(world->message_cnt < MESSAGES_MAX);
  world->messages[world->message_cnt].sz = (uint16_t)wcx_client_message_write(world->messages[world->message_cnt].bytes, template_id, block, sz);
  return ++world->message_cnt;
}

static void server_unsequenced(world_t *world, uint16_t template_id, const void *block, uint16_t sz)
{
  uint8_t datagram[256];
  uint8_t message[200];
  wcx_client_packet_header(datagram, WCX_CLIENT_NO_SESSION, 0, 1);
  size_t end = wcx_client_packet_append(datagram, WCX_CLIENT_PACKET_HDR_SZ, message, wcx_client_message_write(message, template_id, block, sz));
  post(world, true, WCX_CLIENT_PORT_ORDER, datagram, end);
}

static void server_send(world_t *world, uint64_t from, uint64_t cnt)
{
  uint8_t datagram[WCX_CLIENT_DATAGRAM_MAX];
  size_t end = WCX_CLIENT_PACKET_HDR_SZ;
  uint16_t blocks = 0;
  for (uint64_t i = 0; i < cnt && end + 140 < sizeof(datagram); i++, blocks++)
    end = wcx_client_packet_append(datagram, end, world->messages[from + i - 1].bytes, world->messages[from + i - 1].sz);
  wcx_client_packet_header(datagram, world->mold_session, from, blocks);
  post(world, true, WCX_CLIENT_PORT_ORDER, datagram, end);
}

static void server_ack(world_t *world, uint64_t number)
{
  uint8_t datagram[256];
  wcx_client_packet_header(datagram, WCX_CLIENT_NO_SESSION, 0, 1);
  size_t end = wcx_client_packet_append(datagram, WCX_CLIENT_PACKET_HDR_SZ, world->messages[number - 1].bytes, world->messages[number - 1].sz);
  post(world, true, WCX_CLIENT_PORT_ORDER, datagram, end);
}

static void server_establish(world_t *world, const void *message, uint16_t len)
{
  wcx_establish_t establish;
  wcx_client_message_block(&establish, sizeof(establish), message, len);
  if (world->bound && establish.uuid == world->uuid)
  {
    if (world->released >= world->establish_seen)
      server_ack(world, world->establish_seen);
    return;
  }
  if (establish.uuid <= world->uuid)
  {
    wcx_establish_reject_t reject = {.uuid = establish.uuid, .request_timestamp = establish.request_timestamp, .code = WCX_ESTABLISH_REJECT_CODE_STALE_UUID};
    server_unsequenced(world, WCX_TEMPLATE_ESTABLISH_REJECT, &reject, sizeof(reject));
    return;
  }
  world->bound = true;
  world->uuid = establish.uuid;
  for (uint32_t i = 0; i < 10; i++)
    world->mold_session[i] = (char)('a' + roll(world, 26));
  wcx_establish_ack_t ack = {.uuid = establish.uuid,
                             .request_timestamp = establish.request_timestamp,
                             .next_server_seq_no = world->message_cnt + 2,
                             .next_client_seq_no = world->expected_client_seq,
                             .last_cl_ord_id = world->last_cl_ord_id,
                             .keep_alive_interval = establish.keep_alive_interval,
                             .cod_timeout_window = 3000,
                             .durability_level = 1};
  memcpy(ack.mold_session, world->mold_session, 10);
  world->establish_seen = server_append(world, WCX_TEMPLATE_ESTABLISH_ACK, &ack, sizeof(ack));
}

static void server_request(world_t *world, const void *message, uint16_t len)
{
  uint16_t template_id = wcx_client_message_template(message, len);
  if (template_id == WCX_TEMPLATE_SESSION_STATUS_REQUEST)
  {
    wcx_session_status_response_t status = {
        .next_server_seq_no = world->message_cnt + 1, .next_client_seq_no = world->expected_client_seq, .last_cl_ord_id = world->last_cl_ord_id};
    if (world->released == world->message_cnt)
      server_unsequenced(world, WCX_TEMPLATE_SESSION_STATUS_RESPONSE, &status, sizeof(status));
    return;
  }
  if (template_id == WCX_TEMPLATE_TERMINATE)
  {
    wcx_terminate_t terminate = {.uuid = world->uuid, .code = WCX_TERMINATE_CODE_FINISHED};
    server_append(world, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate));
    world->released = world->message_cnt;
    server_send(world, world->message_cnt, 1);
    world->bound = false;
    return;
  }
  wcx_new_order_single_t order;
  wcx_client_message_block(&order, sizeof(order), message, len);
  if (order.side == 9) /* what a malformed request would be: refused without a number */
  {
    wcx_business_message_reject_t reject = {.ref_seq_num = world->expected_client_seq - 1, .business_reject_ref_id = order.cl_ord_id, .business_reject_reason = 102};
    server_unsequenced(world, WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT, &reject, sizeof(reject));
    return;
  }
  assert_true(order.cl_ord_id > world->last_cl_ord_id && order.cl_ord_id < REQUESTS_MAX);
  assert_int_equal(world->applied[order.cl_ord_id], 0);
  world->applied[order.cl_ord_id] = 1;
  world->last_cl_ord_id = order.cl_ord_id;
  wcx_execution_report_new_t report = {.cl_ord_id = order.cl_ord_id, .exec_id = world->message_cnt + 1, .security_id = order.security_id};
  server_append(world, WCX_TEMPLATE_EXECUTION_REPORT_NEW, &report, sizeof(report));
}

static void server_datagram(world_t *world, const packet_t *in)
{
  wcx_client_packet_t packet;
  bool whole = wcx_client_packet_open(&packet, in->bytes, in->sz);
  assert_true(whole || in->port == WCX_CLIENT_PORT_REREQUEST); /* a re-request has a count and no blocks */
  if (in->port == WCX_CLIENT_PORT_REREQUEST)
  {
    if (!world->bound || memcmp(packet.session, world->mold_session, 10) != 0)
      return;
    uint64_t end = packet.sequence + packet.count;
    for (uint64_t at = packet.sequence; at < end && at <= world->released; at += 8)
      server_send(world, at, (world->released - at + 1 < 8 ? world->released - at + 1 : 8));
    return;
  }
  if (memcmp(packet.session, WCX_CLIENT_NO_SESSION, 10) == 0)
  {
    uint16_t len;
    const uint8_t *message = wcx_client_packet_next(&packet, &len);
    server_establish(world, message, len);
    return;
  }
  if (!world->bound || memcmp(packet.session, world->mold_session, 10) != 0)
    return;
  if (packet.sequence > world->expected_client_seq)
  {
    wcx_not_applied_t gap = {.from_seq_no = world->expected_client_seq, .count = (uint32_t)(packet.sequence - world->expected_client_seq)};
    server_unsequenced(world, WCX_TEMPLATE_NOT_APPLIED, &gap, sizeof(gap));
    world->expected_client_seq = packet.sequence;
  }
  for (uint16_t block = 0; block < packet.count; block++)
  {
    uint16_t len;
    const uint8_t *message = wcx_client_packet_next(&packet, &len);
    if (packet.sequence + block != world->expected_client_seq)
      continue;
    world->expected_client_seq++;
    server_request(world, message, len);
  }
}

static void server_step(world_t *world)
{
  if (!world->gate_shut)
    world->released = world->message_cnt;
  if (!world->bound)
    return;
  if (world->sent < world->establish_seen && world->released >= world->establish_seen)
  {
    server_ack(world, world->establish_seen);
    world->sent = world->establish_seen;
  }
  if (world->sent >= world->establish_seen && world->sent < world->released)
  {
    server_send(world, world->sent + 1, world->released - world->sent < 8 ? world->released - world->sent : 8);
    world->sent += world->released - world->sent < 8 ? world->released - world->sent : 8;
  }
  else if (world->now_ns >= world->keep_alive_at)
  {
    uint8_t datagram[WCX_CLIENT_PACKET_HDR_SZ];
    wcx_client_packet_header(datagram, world->mold_session, world->released + 1, 0);
    post(world, true, WCX_CLIENT_PORT_ORDER, datagram, sizeof(datagram));
    world->keep_alive_at = world->now_ns + 100 * MS;
  }
}

/* A restart: transport state is gone, all that was journaled stays (and what was not released is, as it were, drained). */
static void server_restart(world_t *world)
{
  world->bound = false;
  world->sent = world->message_cnt;
}

/* --- the world -------------------------------------------------------------------------------------- */

static void on_send(void *ctx, enum wcx_client_port port, const void *datagram, size_t sz)
{
  post(ctx, false, (uint8_t)port, datagram, sz);
}

static void on_message(void *ctx, uint64_t number, const void *message, size_t sz)
{
  world_t *world = ctx;
  if (world->next_number != 0 && number != world->next_number)
    world->order_errors++;
  world->next_number = number + 1;
  if (number > world->released || sz != world->messages[number - 1].sz || memcmp(message, world->messages[number - 1].bytes, sz) != 0)
    world->order_errors++;
}

static void on_decided(void *ctx, const wcx_client_request_t *request, const void *message, size_t sz, uint64_t now_ns)
{
  world_t *world = ctx;
  (void)sz;
  assert_int_equal(message == NULL, request->fate == WCX_CLIENT_NOT_APPLIED);
  assert_true(now_ns >= request->sent_ns);
  world->told_twice += world->told[request->cl_ord_id] != 0;
  world->told[request->cl_ord_id] = request->fate;
}

static void on_state(void *ctx, enum wcx_client_state state, uint8_t code)
{
  (void)code;
  ((world_t *)ctx)->ready_cnt += state == WCX_CLIENT_READY;
}

static world_t *world_new(uint64_t seed, uint32_t loss_pct)
{
  world_t *world = calloc(1, sizeof(*world));
  assert_non_null(world);
  world->queue = calloc(QUEUE_MAX, sizeof(*world->queue));
  world->messages = calloc(MESSAGES_MAX, sizeof(*world->messages));
  assert_true(world->queue != NULL && world->messages != NULL);
  world->random = seed * 2 + 1;
  world->now_ns = 1000 * MS;
  world->loss_pct = loss_pct;
  world->expected_client_seq = 1;
  wcx_client_session_config_t config = {.session_id = 3,
                                        .access_key_id = "DEMO-MM-3",
                                        .secret = "demo-secret-3",
                                        .server_port = 7002,
                                        .flags = 1,
                                        .keep_alive_ms = 100,
                                        .ctx = world,
                                        .send = on_send,
                                        .on_message = on_message,
                                        .on_decided = on_decided,
                                        .on_state = on_state};
  wcx_client_session_init(&world->client, &config);
  return world;
}

static void world_free(world_t *world)
{
  wcx_client_session_free(&world->client);
  free(world->queue);
  free(world->messages);
  free(world);
}

static void world_step(world_t *world, uint64_t step_ns)
{
  world->now_ns += step_ns;
  for (uint32_t i = 0; i < world->queue_cnt;)
  {
    if (world->queue[i].at_ns > world->now_ns)
    {
      i++;
      continue;
    }
    packet_t packet = world->queue[i];
    memmove(&world->queue[i], &world->queue[i + 1], (world->queue_cnt - i - 1) * sizeof(packet_t));
    world->queue_cnt--;
    if (packet.to_client)
      wcx_client_session_datagram(&world->client, world->now_ns, packet.bytes, packet.sz);
    else
      server_datagram(world, &packet);
  }
  server_step(world);
  wcx_client_session_step(&world->client, world->now_ns);
}

static bool order_out(world_t *world, uint8_t side)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  wcx_new_order_single_t order = wcx_client_limit_order(wcx_client_session_next_id(&world->client), 3, 1, side, 100, 1, WCX_TIME_IN_FORCE_GTC);
  return wcx_client_session_request(&world->client, world->now_ns, message, wcx_client_put_new(message, &order), 7);
}

static void run_until_ready(world_t *world)
{
  for (uint32_t i = 0; i < 20000 && world->client.state != WCX_CLIENT_READY; i++)
    world_step(world, MS);
  assert_int_equal(world->client.state, WCX_CLIENT_READY);
}

/* --- tests ------------------------------------------------------------------------------------------ */

static void test_signature_is_what_the_protocol_says(void **state)
{
  (void)state;
  wcx_establish_t establish = {.session_id = 3, .uuid = 77, .request_timestamp = 88, .keep_alive_interval = 1000, .hmac_version = 1};
  memset(establish.hmac_signature, 0xAA, 32); /* must not count */
  wcx_client_sign(&establish, "demo-secret-3", WCX_CLIENT_UDP, 7002);
  uint8_t text[115] = {0};
  memcpy(text + 32, (const uint8_t *)&establish + 32, 80);
  text[112] = 2;
  text[113] = 7002 & 0xFF;
  text[114] = 7002 >> 8;
  uint8_t expected[32];
  unsigned len = 32;
  assert_non_null(HMAC(EVP_sha256(), "demo-secret-3", 13, text, sizeof(text), expected, &len));
  assert_memory_equal(establish.hmac_signature, expected, 32);
}

static void test_establish_on_the_wire(void **state)
{
  (void)state;
  world_t *world = world_new(1, 0);
  wcx_client_session_open(&world->client, world->now_ns);
  assert_int_equal(world->queue_cnt, 1);
  const uint8_t *bytes = world->queue[0].bytes;
  assert_int_equal(world->queue[0].sz, 20 + 2 + 8 + 112);
  assert_memory_equal(bytes, "          \0\0\0\0\0\0\0\0\0\1\0\170", 22);
  assert_memory_equal(bytes + 22 + 8 + 32, "DEMO-MM-3           ", 20);
  world_free(world);
}

static void test_sign_on_order_and_terminate(void **state)
{
  (void)state;
  world_t *world = world_new(2, 0);
  wcx_client_session_open(&world->client, world->now_ns);
  assert_false(order_out(world, 1)); /* not before it is READY */
  run_until_ready(world);
  for (uint32_t i = 0; i < 40; i++)
    assert_true(order_out(world, 1));
  assert_true(order_out(world, 9));
  for (uint32_t i = 0; i < 50; i++)
    world_step(world, MS);
  assert_int_equal(world->client.answered_cnt, 40);
  assert_int_equal(world->client.refused_cnt, 1);
  assert_int_equal(world->client.undecided_cnt, 0);
  wcx_client_session_terminate(&world->client, world->now_ns);
  for (uint32_t i = 0; i < 50; i++)
    world_step(world, MS);
  assert_int_equal(world->client.state, WCX_CLIENT_CLOSED);
  assert_false(world->bound);
  assert_int_equal(world->order_errors, 0);
  world_free(world);
}

static void test_closed_gate_holds_answers_and_nothing_is_given_up(void **state)
{
  (void)state;
  world_t *world = world_new(3, 0);
  wcx_client_session_open(&world->client, world->now_ns);
  run_until_ready(world);
  world->gate_shut = true;
  for (uint32_t i = 0; i < 100; i++)
    assert_true(order_out(world, 1));
  for (uint32_t i = 0; i < 2000; i++)
    world_step(world, MS);
  assert_int_equal(world->client.answered_cnt, 0);
  assert_int_equal(world->client.undecided_cnt, 100);
  assert_int_equal(world->client.lost_cnt, 0);
  world->gate_shut = false;
  for (uint32_t i = 0; i < 1000; i++)
    world_step(world, MS);
  assert_int_equal(world->client.answered_cnt, 100);
  world_free(world);
}

static void test_server_restart_is_noticed_and_survived(void **state)
{
  (void)state;
  world_t *world = world_new(4, 0);
  wcx_client_session_open(&world->client, world->now_ns);
  run_until_ready(world);
  assert_true(order_out(world, 1));
  world_step(world, 10);
  world_step(world, MS); /* it is applied, its answer is lost with the process */
  assert_int_equal(world->message_cnt, 2);
  world->queue_cnt = 0;
  server_restart(world);
  assert_true(order_out(world, 1)); /* this one meets nobody */
  for (uint32_t i = 0; i < 2000; i++)
    world_step(world, MS);
  assert_int_equal(world->client.state, WCX_CLIENT_READY);
  assert_int_equal(world->client.established_cnt, 2);
  assert_int_equal(world->told[1], WCX_CLIENT_ANSWERED);
  assert_int_equal(world->told[2], WCX_CLIENT_NOT_APPLIED);
  assert_int_equal(world->order_errors, 0);
  world_free(world);
}

static void check_truth(world_t *world)
{
  for (uint64_t id = 1; id <= world->client.last_cl_ord_id; id++)
  {
    assert_int_not_equal(world->told[id], 0);
    if (world->told[id] == WCX_CLIENT_ANSWERED)
      assert_int_equal(world->applied[id], 1);
    else if (world->told[id] == WCX_CLIENT_NOT_APPLIED)
      assert_int_equal(world->applied[id], 0);
  }
  assert_int_equal(world->told_twice, 0);
  assert_int_equal(world->order_errors, 0);
  assert_int_equal(world->client.sequence_conflict_cnt, 0);
  assert_int_equal(world->next_number, world->message_cnt + 1);
}

static void storm(uint64_t seed)
{
  world_t *world = world_new(seed, (uint32_t)(seed % 4) * 7);
  wcx_client_session_open(&world->client, world->now_ns);
  for (uint32_t i = 0; i < 6000; i++)
  {
    world_step(world, MS / 2 + roll(world, MS));
    if (roll(world, 3) == 0 && world->client.undecided_cnt < 64)
      for (uint64_t n = 1 + roll(world, 5); n > 0; n--)
        (void)order_out(world, 1);
    if (roll(world, 1500) == 0)
      server_restart(world);
    if (roll(world, 400) == 0)
      world->gate_shut = !world->gate_shut;
  }
  world->gate_shut = false;
  for (uint32_t i = 0; i < 60000 && (world->client.undecided_cnt != 0 || world->client.state != WCX_CLIENT_READY || world->next_number != world->message_cnt + 1); i++)
    world_step(world, MS);
  if (world->client.undecided_cnt != 0)
    print_message("seed %llu: %u undecided\n", (unsigned long long)seed, world->client.undecided_cnt);
  assert_int_equal(world->client.undecided_cnt, 0);
  assert_true(world->client.sent_cnt > 100);
  check_truth(world);
  world_free(world);
}

static void test_storms(void **state)
{
  (void)state;
  const char *text = getenv("WCX_SEED");
  uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
  for (uint64_t i = 0; i < (text != NULL ? 1 : 24); i++)
  {
    print_message("storm: WCX_SEED=%llu\n", (unsigned long long)(seed + i));
    storm(seed + i);
  }
}

static void test_framing(void **state)
{
  (void)state;
  uint8_t datagram[128];
  uint8_t message[16] = {8, 0, 4, 0, 1, 0, 0, 0};
  wcx_client_packet_t packet;
  wcx_client_packet_header(datagram, "M001261123", 5, 2);
  size_t sz = wcx_client_packet_append(datagram, WCX_CLIENT_PACKET_HDR_SZ, message, 16);
  sz = wcx_client_packet_append(datagram, sz, message, 16);
  for (size_t cut = 0; cut < sz; cut++)
    assert_false(wcx_client_packet_open(&packet, datagram, cut));
  assert_true(wcx_client_packet_open(&packet, datagram, sz));
  assert_int_equal(packet.sequence, 5);
  assert_int_equal(packet.count, 2);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_framing),
      cmocka_unit_test(test_signature_is_what_the_protocol_says),
      cmocka_unit_test(test_establish_on_the_wire),
      cmocka_unit_test(test_sign_on_order_and_terminate),
      cmocka_unit_test(test_closed_gate_holds_answers_and_nothing_is_given_up),
      cmocka_unit_test(test_server_restart_is_noticed_and_survived),
      cmocka_unit_test(test_storms),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
