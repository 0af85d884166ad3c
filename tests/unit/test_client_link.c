/* The client's session over TCP against a small model of the server, with the link cut anywhere: in a login, in a message, in an answer. Whatever
   happens, numbers go on, nothing is lost, and each request gets exactly one fate, which is the truth. */
#include "dataplane/client/link.h"
#include "dataplane/client/orders.h"
#include "dataplane/client/session.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define MS UINT64_C(1000000)
#define MESSAGES_MAX 20000u
#define REQUESTS_MAX 10000u
#define PIPE_MAX (1u << 20)

typedef struct pipe
{
  uint8_t bytes[PIPE_MAX];
  size_t begin, end;
} pipe_t;

typedef struct world
{
  wcx_client_session_t client;
  uint64_t now_ns;
  uint64_t random;
  uint32_t chunk_max; /* bytes that cross at once */

  /* the connection */
  bool dialed, connected;
  pipe_t to_server, to_client;
  uint64_t crossed; /* bytes delivered so far, both ways */
  uint64_t cut_at;  /* the link goes after so many; 0 never */
  bool reader_stopped;

  /* the server: the connection */
  bool logged_in, bound, closing;
  uint8_t packet[1500];
  size_t packet_sz;
  uint64_t next_out; /* number of the next message to send over this connection */

  /* the server: the session */
  bool count_terminate;
  bool own_numbers; /* a port whose EstablishAck is not counted */
  bool mute;        /* no stream is written */
  char day[11];     /* name of the stream of a port that has one of its own each day; empty: the session's */
  uint32_t refused; /* logins for another one */
  uint64_t uuid;
  uint64_t expected_client_seq;
  uint64_t last_cl_ord_id;
  struct
  {
    uint8_t bytes[136];
    uint16_t sz;
  } messages[MESSAGES_MAX]; /* number n at n - 1 */
  uint64_t message_cnt;

  /* the truth and what the client was told */
  uint8_t applied[REQUESTS_MAX];
  uint8_t told[REQUESTS_MAX]; /* enum wcx_client_fate, 0 never */
  uint64_t told_twice;
  uint64_t next_number;
  uint64_t order_errors;
  uint8_t last_code;
  uint32_t ends_told; /* sign-ons for a stream from its beginning, under whatever name */
} world_t;

static uint64_t roll(world_t *world, uint64_t below)
{
  world->random ^= world->random << 13;
  world->random ^= world->random >> 7;
  world->random ^= world->random << 17;
  return (world->random >> 11) % below;
}

static void push(pipe_t *pipe, const void *bytes, size_t sz)
{
  if (pipe->begin == pipe->end)
    pipe->begin = pipe->end = 0;
  assert_true(pipe->end + sz <= PIPE_MAX);
  memcpy(pipe->bytes + pipe->end, bytes, sz);
  pipe->end += sz;
}

/* --- the model of the server ------------------------------------------------------------------------ */

static void hang_up(world_t *world)
{
  world->connected = world->dialed = false;
  world->to_server.begin = world->to_server.end = 0;
  world->to_client.begin = world->to_client.end = 0;
  world->logged_in = world->bound = world->closing = false;
  world->packet_sz = 0;
}

static void server_packet(world_t *world, char type, const void *payload, size_t sz)
{
  uint8_t header[3] = {(uint8_t)((sz + 1) >> 8), (uint8_t)(sz + 1), (uint8_t)type};
  push(&world->to_client, header, 3);
  push(&world->to_client, payload, sz);
}

static uint64_t server_append(world_t *world, uint16_t template_id, const void *block, uint16_t sz)
{
  assert_true(world->message_cnt < MESSAGES_MAX);
  world->messages[world->message_cnt].sz = (uint16_t)wcx_client_message_write(world->messages[world->message_cnt].bytes, template_id, block, sz);
  return ++world->message_cnt;
}

static void server_login(world_t *world, const uint8_t *payload, size_t sz)
{
  assert_int_equal(sz, 46);
  assert_memory_equal(payload, "mm3   secret    ", 16);
  const char *name = world->day[0] != 0 ? world->day : "S000000003";
  bool any = world->day[0] != 0 && memcmp(payload + 16, "          ", 10) == 0;
  if (world->day[0] != 0 && !any && memcmp(payload + 16, name, 10) != 0)
  {
    server_packet(world, 'J', "S", 1);
    world->refused++;
    world->closing = true;
    return;
  }
  if (!any)
    assert_memory_equal(payload + 16, name, 10);
  char text[21] = {0};
  memcpy(text, payload + 26, 20);
  uint64_t number = strtoull(text, NULL, 10);
  world->next_out = number == 0 ? world->message_cnt + 1 : number;
  char accepted[31];
  snprintf(accepted, sizeof(accepted), "%s%20llu", name, (unsigned long long)world->next_out);
  server_packet(world, 'A', accepted, 30);
  world->logged_in = true;
}

static void server_establish(world_t *world, const void *message, size_t sz)
{
  wcx_establish_t establish;
  assert_int_equal(wcx_client_message_template(message, sz), WCX_TEMPLATE_ESTABLISH);
  wcx_client_message_block(&establish, sizeof(establish), message, sz);
  if (establish.uuid <= world->uuid)
  {
    uint8_t out[64];
    wcx_establish_reject_t reject = {.uuid = establish.uuid, .request_timestamp = establish.request_timestamp, .code = WCX_ESTABLISH_REJECT_CODE_STALE_UUID};
    server_packet(world, 'S', out, wcx_client_message_write(out, WCX_TEMPLATE_ESTABLISH_REJECT, &reject, sizeof(reject)));
    return;
  }
  world->bound = true;
  world->uuid = establish.uuid;
  wcx_establish_ack_t ack = {.uuid = establish.uuid,
                             .request_timestamp = establish.request_timestamp,
                             .next_server_seq_no = world->message_cnt + 2,
                             .next_client_seq_no = world->expected_client_seq,
                             .last_cl_ord_id = world->last_cl_ord_id,
                             .keep_alive_interval = establish.keep_alive_interval};
  if (world->own_numbers)
  {
    uint8_t out[128];
    ack.next_server_seq_no = world->next_out;
    server_packet(world, 'S', out, wcx_client_message_write(out, WCX_TEMPLATE_ESTABLISH_ACK, &ack, sizeof(ack)));
    return;
  }
  server_append(world, WCX_TEMPLATE_ESTABLISH_ACK, &ack, sizeof(ack));
}

static void server_terminate(world_t *world, uint8_t code)
{
  uint8_t out[64];
  wcx_terminate_t terminate = {.uuid = world->uuid, .code = code};
  if (world->count_terminate)
  {
    server_append(world, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate));
    for (; world->next_out <= world->message_cnt; world->next_out++)
      server_packet(world, 'S', world->messages[world->next_out - 1].bytes, world->messages[world->next_out - 1].sz);
  }
  else
    server_packet(world, 'S', out, wcx_client_message_write(out, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate)));
  world->bound = false;
  world->closing = true;
}

static void server_request(world_t *world, const void *message, size_t sz)
{
  world->expected_client_seq++;
  if (wcx_client_message_template(message, sz) == WCX_TEMPLATE_TERMINATE)
  {
    server_terminate(world, WCX_TERMINATE_CODE_FINISHED);
    return;
  }
  wcx_new_order_single_t order;
  wcx_client_message_block(&order, sizeof(order), message, sz);
  if (order.side == 9) /* what a malformed request would be: refused, over TCP with a number */
  {
    wcx_business_message_reject_t reject = {.ref_seq_num = world->expected_client_seq - 1, .business_reject_ref_id = order.cl_ord_id, .business_reject_reason = 102};
    server_append(world, WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT, &reject, sizeof(reject));
    return;
  }
  assert_true(order.cl_ord_id > world->last_cl_ord_id && order.cl_ord_id < REQUESTS_MAX);
  assert_int_equal(world->applied[order.cl_ord_id], 0);
  world->applied[order.cl_ord_id] = 1;
  world->last_cl_ord_id = order.cl_ord_id;
  wcx_execution_report_new_t report = {.cl_ord_id = order.cl_ord_id, .exec_id = world->message_cnt + 1, .security_id = order.security_id};
  server_append(world, WCX_TEMPLATE_EXECUTION_REPORT_NEW, &report, sizeof(report));
}

static void server_byte(world_t *world, uint8_t byte)
{
  if (world->closing)
    return;
  world->packet[world->packet_sz++] = byte;
  if (world->packet_sz < 3 || world->packet_sz < 2u + (size_t)(world->packet[0] << 8 | world->packet[1]))
    return;
  const uint8_t *payload = world->packet + 3;
  size_t sz = world->packet_sz - 3;
  world->packet_sz = 0;
  switch (world->packet[2])
  {
  case 'L':
    server_login(world, payload, sz);
    break;
  case 'U':
    assert_true(world->logged_in);
    if (world->bound)
      server_request(world, payload, sz);
    else
      server_establish(world, payload, sz);
    break;
  default:
    assert_int_equal(world->packet[2], 'R');
  }
}

/* --- the world -------------------------------------------------------------------------------------- */

static void on_dial(void *ctx)
{
  world_t *world = ctx;
  assert_false(world->dialed);
  world->dialed = true;
}

static void on_hang_up(void *ctx)
{
  hang_up(ctx);
}

static size_t on_write(void *ctx, const void *bytes, size_t sz)
{
  world_t *world = ctx;
  assert_true(world->connected);
  if (world->reader_stopped)
    return 0;
  size_t part = 1 + (size_t)roll(world, sz);
  push(&world->to_server, bytes, part);
  return part;
}

static void on_message(void *ctx, uint64_t number, const void *message, size_t sz)
{
  world_t *world = ctx;
  if (world->next_number != 0 && number != world->next_number)
    world->order_errors++;
  world->next_number = number + 1;
  if (number > world->message_cnt || sz != world->messages[number - 1].sz || memcmp(message, world->messages[number - 1].bytes, sz) != 0)
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
  world_t *world = ctx;
  bool blank = world->client.link != NULL && memcmp(world->client.link->session, "          ", 10) == 0;
  if (code != 0)
    world->last_code = code;
  else if (state == WCX_CLIENT_ESTABLISHING && blank && world->client.inbound.next == 1)
    world->ends_told++;
}

static world_t *world_new(uint64_t seed, uint32_t chunk_max)
{
  world_t *world = calloc(1, sizeof(*world));
  assert_non_null(world);
  world->random = seed * 2 + 1;
  world->chunk_max = chunk_max;
  world->now_ns = 1000 * MS;
  world->expected_client_seq = 1;
  wcx_client_session_config_t config = {.session_id = 3,
                                        .access_key_id = "DEMO-MM-3",
                                        .secret = "demo-secret-3",
                                        .user = "mm3",
                                        .password = "secret",
                                        .transport = WCX_CLIENT_TCP,
                                        .server_port = 7001,
                                        .keep_alive_ms = 1000,
                                        .ctx = world,
                                        .dial = on_dial,
                                        .hang_up = on_hang_up,
                                        .write = on_write,
                                        .on_message = on_message,
                                        .on_decided = on_decided,
                                        .on_state = on_state};
  wcx_client_session_init(&world->client, &config);
  return world;
}

static void world_free(world_t *world)
{
  wcx_client_session_free(&world->client);
  free(world);
}

/* The link goes: what is under way is lost, both ends learn of it. */
static void cut(world_t *world)
{
  hang_up(world);
  wcx_client_session_link_down(&world->client, world->now_ns);
}

/* How many of `sz` bytes cross before the link is cut. */
static size_t crossing(world_t *world, size_t sz)
{
  if (sz > world->chunk_max)
    sz = world->chunk_max;
  if (world->cut_at != 0 && world->crossed + sz > world->cut_at)
    sz = (size_t)(world->cut_at - world->crossed);
  world->crossed += sz;
  return sz;
}

static void world_step(world_t *world)
{
  world->now_ns += MS;
  if (world->dialed && !world->connected)
  {
    world->connected = true;
    wcx_client_session_link_up(&world->client, world->now_ns);
  }
  while (world->connected && world->to_server.begin != world->to_server.end)
  {
    size_t sz = crossing(world, world->to_server.end - world->to_server.begin);
    for (size_t i = 0; i < sz; i++)
      server_byte(world, world->to_server.bytes[world->to_server.begin++]);
    if (sz == 0)
      break;
  }
  for (; world->bound && !world->mute && world->next_out <= world->message_cnt; world->next_out++)
    server_packet(world, 'S', world->messages[world->next_out - 1].bytes, world->messages[world->next_out - 1].sz);
  while (world->connected && world->to_client.begin != world->to_client.end)
  {
    uint8_t chunk[4096]; /* exact size and place: the session must not look beyond */
    size_t sz = crossing(world, world->to_client.end - world->to_client.begin);
    memcpy(chunk + sizeof(chunk) - sz, world->to_client.bytes + world->to_client.begin, sz);
    world->to_client.begin += sz;
    wcx_client_session_link_bytes(&world->client, world->now_ns, chunk + sizeof(chunk) - sz, sz);
    if (sz == 0)
      break;
  }
  if (world->cut_at != 0 && world->crossed == world->cut_at)
  {
    world->cut_at = 0;
    cut(world);
  }
  wcx_client_session_step(&world->client, world->now_ns);
}

static bool order_out(world_t *world, uint8_t side)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  wcx_new_order_single_t order = wcx_client_limit_order(wcx_client_session_next_id(&world->client), 3, 1, side, 100, 1, WCX_TIME_IN_FORCE_GTC);
  return wcx_client_session_request(&world->client, world->now_ns, message, wcx_client_put_new(message, &order), 7);
}

static void run_until(world_t *world, enum wcx_client_state state)
{
  for (uint32_t i = 0; i < 20000 && world->client.state != state; i++)
    world_step(world);
  assert_int_equal(world->client.state, state);
}

static void run_until_decided(world_t *world)
{
  for (uint32_t i = 0; i < 20000 && (world->client.undecided_cnt != 0 || world->client.state != WCX_CLIENT_READY || world->next_number != world->message_cnt + 1); i++)
    world_step(world);
  assert_int_equal(world->client.undecided_cnt, 0);
  assert_int_equal(world->client.state, WCX_CLIENT_READY);
}

static void check_truth(world_t *world)
{
  for (uint64_t id = 1; id <= world->client.last_cl_ord_id; id++)
  {
    assert_int_not_equal(world->told[id], 0);
    assert_int_equal(world->told[id] == WCX_CLIENT_ANSWERED, world->applied[id]);
  }
  assert_int_equal(world->told_twice, 0);
  assert_int_equal(world->order_errors, 0);
  assert_int_equal(world->client.sequence_conflict_cnt, 0);
  assert_int_equal(world->client.bad_datagram_cnt, 0);
  assert_int_equal(world->client.inbound.hole_lost_cnt, 0);
}

/* --- tests ------------------------------------------------------------------------------------------ */

static void test_login_on_the_wire(void **state)
{
  (void)state;
  wcx_client_link_t *link = calloc(1, sizeof(*link));
  wcx_client_link_init(link, 7, "mm7", "any", 1000);
  wcx_client_link_dial(link, MS, 42);
  wcx_client_link_up(link, MS);
  size_t sz;
  const uint8_t *out = wcx_client_link_out(link, &sz);
  assert_int_equal(sz, 49);
  assert_memory_equal(out, "\0\57Lmm7   any       S000000007                  42", 49);
  assert_false(wcx_client_link_send(link, "x", 1)); /* not before Login Accepted */
  free(link);
}

static void test_what_is_no_soupbintcp_breaks_the_link(void **state)
{
  (void)state;
  static const struct
  {
    const char *name;
    const char *bytes;
    size_t sz;
  } cases[] = {
      {"length 0", "\0\0", 2},
      {"longer than any message", "\x06\x00S", 3},
      {"an unknown type", "\0\1X", 3},
      {"a type of the client", "\0\1R", 3},
      {"sequenced before the login is accepted", "\0\1S", 3},
      {"another session", "\0\37AS000000008                   1", 33},
      {"number 0", "\0\37AS000000007                   0", 33},
      {"a number that is none", "\0\37AS000000007                  1x", 33},
      {"a short Login Accepted", "\0\36AS000000007                  1", 32},
      {"Login Rejected", "\0\2JA", 4},
      {"end of session", "\0\1Z", 3},
  };
  wcx_client_link_t *link = calloc(1, sizeof(*link));
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
  {
    wcx_client_link_init(link, 7, "mm7", "any", 1000);
    wcx_client_link_dial(link, MS, 1);
    wcx_client_link_up(link, MS);
    const uint8_t *at = (const uint8_t *)cases[i].bytes;
    const uint8_t *message;
    size_t sz;
    if (wcx_client_link_take(link, MS, &at, at + cases[i].sz, &message, &sz) != WCX_CLIENT_LINK_BROKEN)
      fail_msg("%s did not break the link", cases[i].name);
    assert_int_equal(link->state, WCX_CLIENT_LINK_DOWN);
    const uint8_t *more = (const uint8_t *)"\0\1H";
    assert_int_equal(wcx_client_link_take(link, MS, &more, more + 3, &message, &sz), WCX_CLIENT_LINK_NOTHING);
  }
  free(link);
}

static void test_sign_on_order_and_terminate(void **state)
{
  (void)state;
  for (uint32_t counted = 0; counted < 2; counted++)
  {
    world_t *world = world_new(2, 7);
    world->count_terminate = counted != 0;
    wcx_client_session_open(&world->client, world->now_ns);
    assert_false(order_out(world, 1)); /* not before it is READY */
    run_until(world, WCX_CLIENT_READY);
    for (uint32_t i = 0; i < 40; i++)
      assert_true(order_out(world, 1));
    assert_true(order_out(world, 9));
    run_until_decided(world);
    assert_int_equal(world->client.answered_cnt, 40);
    assert_int_equal(world->client.refused_cnt, 1);
    wcx_client_session_terminate(&world->client, world->now_ns);
    run_until(world, WCX_CLIENT_CLOSED);
    assert_false(world->bound || world->connected);
    wcx_client_session_open(&world->client, world->now_ns); /* the Terminate comes again if it was counted */
    run_until(world, WCX_CLIENT_READY);
    assert_int_equal(world->next_number, world->message_cnt + 1);
    assert_int_equal(world->client.lost_cnt, 0);
    check_truth(world);
    world_free(world);
  }
}

/* Cut the link after each byte of a dialogue: a login, requests and their answers, an ordinary end. */
static void test_link_cut_after_every_byte(void **state)
{
  (void)state;
  uint64_t whole = UINT64_MAX;
  for (uint64_t at = 1; at < whole; at++)
  {
    world_t *world = world_new(at, 1 + (uint32_t)(at % 60));
    world->cut_at = at;
    wcx_client_session_open(&world->client, world->now_ns);
    run_until(world, WCX_CLIENT_READY);
    for (uint32_t i = 0; i < 3; i++)
      while (!order_out(world, i == 1 ? 9 : 1))
        world_step(world);
    run_until_decided(world);
    if (world->cut_at != 0)
      whole = world->crossed; /* all that was to cross has crossed */
    else
      assert_int_equal(world->told[1] != 0 && world->told[2] != 0 && world->told[3] != 0, 1);
    world->cut_at = 0;
    for (uint64_t id = 1; id <= 3; id++)
      if (world->told[id] == WCX_CLIENT_NOT_APPLIED)
        assert_true(order_out(world, 1)); /* the same again under a new number */
    run_until_decided(world);
    assert_int_equal(world->applied[1] + world->applied[2] + world->applied[3] + world->applied[4] + world->applied[5] + world->applied[6],
                     world->told[2] == WCX_CLIENT_NOT_APPLIED ? 3 : 2);
    world->told[2] = world->told[2] == WCX_CLIENT_REFUSED ? WCX_CLIENT_NOT_APPLIED : world->told[2];
    check_truth(world);
    world_free(world);
  }
  print_message("%llu bytes, cut after each\n", (unsigned long long)whole);
  assert_true(whole > 600 && whole < 2000);
}

static void test_storms(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 20; seed++)
  {
    world_t *world = world_new(seed, 1 + (uint32_t)(seed * 37 % 500));
    world->count_terminate = seed % 2 == 0;
    wcx_client_session_open(&world->client, world->now_ns);
    for (uint32_t i = 0; i < 6000; i++)
    {
      world_step(world);
      if (roll(world, 3) == 0 && world->client.undecided_cnt < 64)
        for (uint64_t n = 1 + roll(world, 3); n > 0; n--)
          (void)order_out(world, 1);
      if (roll(world, 300) == 0)
        cut(world);
      else if (roll(world, 500) == 0 && world->connected)
        world->cut_at = world->crossed + 1 + roll(world, 300);
      else if (roll(world, 1000) == 0 && world->bound)
        server_terminate(world, WCX_TERMINATE_CODE_NEW_LOGIN);
      else if (roll(world, 200) == 0)
        world->reader_stopped = !world->reader_stopped;
    }
    world->reader_stopped = false;
    world->cut_at = 0;
    run_until_decided(world);
    assert_true(world->client.sent_cnt > 500 && world->client.lost_cnt > 5);
    check_truth(world);
    assert_int_equal(world->next_number, world->message_cnt + 1);
    world_free(world);
  }
}

static void test_a_server_that_stops_reading_stops_the_client(void **state)
{
  (void)state;
  world_t *world = world_new(5, 500);
  wcx_client_session_open(&world->client, world->now_ns);
  run_until(world, WCX_CLIENT_READY);
  world->reader_stopped = true;
  uint32_t taken = 0;
  while (order_out(world, 1))
    taken++;
  assert_in_range(taken, WCX_CLIENT_LINK_OUT_MAX / 100 - 2, WCX_CLIENT_LINK_OUT_MAX / 90); /* an order is 91 bytes and a header */
  world->reader_stopped = false;
  run_until_decided(world);
  assert_int_equal(world->client.answered_cnt, taken);
  assert_int_equal(world->client.lost_cnt, 0);
  check_truth(world);
  world_free(world);
}

static void test_a_refused_sign_on_is_not_counted_and_tried_again(void **state)
{
  (void)state;
  world_t *world = world_new(6, 500);
  world->uuid = UINT64_MAX;
  wcx_client_session_open(&world->client, world->now_ns);
  for (uint32_t i = 0; i < 2000; i++)
    world_step(world);
  assert_int_equal(world->last_code, WCX_ESTABLISH_REJECT_CODE_STALE_UUID);
  assert_int_equal(world->client.state, WCX_CLIENT_ESTABLISHING);
  world->uuid = 0;
  run_until(world, WCX_CLIENT_READY);
  assert_int_equal(world->next_number, world->message_cnt + 1);
  check_truth(world);
  world_free(world);
}

/* Purge, drop copy, replay: the EstablishAck comes first and has no number, then what was missed. */
static void test_a_port_with_numbers_of_its_own(void **state)
{
  (void)state;
  world_t *world = world_new(9, 30);
  world->own_numbers = true;
  wcx_client_session_open(&world->client, world->now_ns);
  run_until(world, WCX_CLIENT_READY);
  for (uint32_t i = 0; i < 10; i++)
    assert_true(order_out(world, 1));
  run_until_decided(world);
  assert_int_equal(world->message_cnt, 10);
  for (uint32_t i = 0; i < 10; i++)
    assert_true(order_out(world, 1));
  world->cut_at = world->crossed + 700;
  run_until_decided(world);
  assert_int_equal(world->client.lost_cnt, 1);
  assert_int_equal(world->client.answered_cnt + world->client.not_applied_cnt, 20);
  wcx_client_session_terminate(&world->client, world->now_ns);
  assert_int_equal(world->client.state, WCX_CLIENT_CLOSED);
  assert_false(world->connected);
  assert_int_equal(world->next_number, world->message_cnt + 1);
  check_truth(world);
  world_free(world);
}

static void append_reports(world_t *world, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
  {
    wcx_execution_report_new_t report = {.exec_id = i};
    server_append(world, WCX_TEMPLATE_EXECUTION_REPORT_NEW, &report, sizeof(report));
  }
}

/* The server's numbers start again, under another name. */
static void begin_day(world_t *world, const char *name)
{
  memcpy(world->day, name, sizeof(world->day));
  world->message_cnt = 0;
  world->next_number = 1;
  world->last_code = 0;
}

static void run_until_heard(world_t *world, uint64_t cnt)
{
  append_reports(world, (uint32_t)cnt);
  for (uint32_t i = 0; i < 20000 && (world->client.state != WCX_CLIENT_READY || world->next_number != cnt + 1); i++)
    world_step(world);
  assert_int_equal(world->client.state, WCX_CLIENT_READY);
  assert_int_equal(world->next_number, cnt + 1);
  assert_memory_equal(world->client.link->session, world->day, 10);
}

/* Drop copy, replay: a stream for each day. It ends with a Z, or while nobody listens. */
static void test_a_port_whose_stream_ends_each_day(void **state)
{
  (void)state;
  world_t *world = world_new(11, 30);
  wcx_client_session_config_t config = world->client.config;
  config.any_stream = true;
  wcx_client_session_free(&world->client);
  wcx_client_session_init(&world->client, &config);
  world->own_numbers = true;
  begin_day(world, "s003261126");
  wcx_client_session_open(&world->client, world->now_ns);
  run_until(world, WCX_CLIENT_READY);
  run_until_heard(world, 5);
  assert_int_equal(world->client.stream_end_cnt, 0);

  server_packet(world, 'Z', "", 0);
  world->bound = false;
  world->closing = true;
  begin_day(world, "s003261127");
  run_until_heard(world, 3);
  assert_int_equal(world->ends_told, 2); /* the first was ours */
  assert_int_equal(world->last_code, 0);
  assert_int_equal(world->client.stream_end_cnt, 1);
  assert_int_equal(world->refused, 0);

  cut(world); /* a link that is lost within the day goes on where it was */
  append_reports(world, 1);
  for (uint32_t i = 0; i < 20000 && world->next_number != 5; i++)
    world_step(world);
  assert_int_equal(world->next_number, 5);
  assert_int_equal(world->client.stream_end_cnt, 1);

  cut(world);
  begin_day(world, "s003261128");
  run_until_heard(world, 2);
  assert_int_equal(world->ends_told, 3);
  assert_int_equal(world->client.stream_end_cnt, 2);
  assert_int_equal(world->refused, 1);
  assert_int_equal(world->order_errors, 0);
  assert_int_equal(world->client.inbound.hole_lost_cnt, 0);
  assert_int_equal(world->client.bad_datagram_cnt, 0);
  world_free(world);
}

/* Numbers that the server keeps no more: it lets the client in and says nothing. The client says so, and calls less and less often. */
static void test_logins_that_bring_nothing(void **state)
{
  (void)state;
  world_t *world = world_new(10, 500);
  wcx_client_session_open(&world->client, world->now_ns);
  run_until(world, WCX_CLIENT_READY);
  assert_int_equal(world->client.fruitless_cnt, 0);
  cut(world);
  world->mute = true;
  uint32_t logins = 0;
  for (uint32_t i = 0; i < 60000; i++)
  {
    bool was = world->logged_in;
    world_step(world);
    logins += !was && world->logged_in;
    if (world->logged_in && world->client.establish_made_ns + 100 * MS < world->now_ns)
      cut(world);
  }
  assert_in_range(logins, 12, 24); /* 0.25, 0.5, 1, 2 s, then every 4 */
  assert_int_equal(world->client.fruitless_cnt, logins);
  world->mute = false;
  run_until(world, WCX_CLIENT_READY);
  assert_int_equal(world->client.fruitless_cnt, 0);
  check_truth(world);
  world_free(world);
}

static void test_a_silent_server_is_left(void **state)
{
  (void)state;
  world_t *world = world_new(7, 500);
  wcx_client_session_open(&world->client, world->now_ns);
  run_until(world, WCX_CLIENT_READY);
  for (uint32_t i = 0; i < 4000; i++)
    world_step(world);
  assert_int_equal(world->client.lost_cnt, 0);
  for (uint32_t i = 0; i < 2000; i++)
    world_step(world);
  assert_int_equal(world->client.lost_cnt, 1);
  world_free(world);
}

/* Bytes of a server gone mad, in every state: nothing is believed that is not framed, numbered and signed for; the session tries again, and recovers. */
static void test_random_bytes(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 200; seed++)
  {
    world_t *world = world_new(seed, 500);
    wcx_client_session_open(&world->client, world->now_ns);
    for (uint32_t i = 0; i < (uint32_t)(seed % 7); i++)
      world_step(world); /* dialled, logged in, signed on, trading */
    if (seed % 3 == 0)
      (void)order_out(world, 1);
    uint8_t noise[64];
    size_t sz = 1 + (size_t)roll(world, sizeof(noise));
    for (size_t i = 0; i < sz; i++)
      noise[i] = (uint8_t)roll(world, 256);
    if (seed % 2 == 0) /* a packet of a type the server sends, and nonsense in it */
    {
      static const char types[] = "SAJHZ+";
      noise[0] = 0;
      noise[1] = (uint8_t)(sz > 2 ? sz - 2 : 1);
      noise[2] = (uint8_t)types[roll(world, 6)];
    }
    world->next_number = 0; /* nonsense may have a number: it is the server's word */
    wcx_client_session_link_bytes(&world->client, world->now_ns, noise, sz);
    cut(world);
    wcx_client_session_free(&world->client);
    wcx_client_session_config_t config = world->client.config;
    wcx_client_session_init(&world->client, &config);
    world->order_errors = 0;
    memset(world->told, 0, sizeof(world->told));
    wcx_client_session_open(&world->client, world->now_ns);
    run_until(world, WCX_CLIENT_READY);
    assert_true(order_out(world, 1));
    run_until_decided(world);
    assert_int_equal(world->client.answered_cnt, 1);
    world_free(world);
  }
}

/* Numbers are the session's: what UDP cannot have again is had over TCP and handed over. */
static void test_messages_of_another_binding_fill_a_hole(void **state)
{
  (void)state;
  world_t *world = world_new(8, 500);
  wcx_client_session_open(&world->client, world->now_ns);
  run_until(world, WCX_CLIENT_READY);
  uint64_t next = world->next_number;
  for (uint32_t i = 0; i < 4; i++)
  {
    wcx_execution_report_new_t report = {.exec_id = i, .cl_ord_id = 71 + i}; /* asked for over the other one */
    server_append(world, WCX_TEMPLATE_EXECUTION_REPORT_NEW, &report, sizeof(report));
  }
  for (uint64_t number = next + 3; number >= next; number--)
    wcx_client_session_message(&world->client, world->now_ns, number, world->messages[number - 1].bytes, world->messages[number - 1].sz);
  assert_int_equal(world->next_number, next + 4);
  assert_int_equal(wcx_client_session_next_id(&world->client), 75);
  run_until_decided(world); /* the same over the link: duplicates */
  for (uint32_t i = 0; i < 10; i++)
    world_step(world);
  assert_int_equal(world->client.inbound.duplicate_cnt, 4);
  assert_int_equal(world->order_errors, 0);
  world_free(world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_login_on_the_wire),
      cmocka_unit_test(test_what_is_no_soupbintcp_breaks_the_link),
      cmocka_unit_test(test_sign_on_order_and_terminate),
      cmocka_unit_test(test_link_cut_after_every_byte),
      cmocka_unit_test(test_storms),
      cmocka_unit_test(test_a_server_that_stops_reading_stops_the_client),
      cmocka_unit_test(test_a_refused_sign_on_is_not_counted_and_tried_again),
      cmocka_unit_test(test_a_port_with_numbers_of_its_own),
      cmocka_unit_test(test_a_port_whose_stream_ends_each_day),
      cmocka_unit_test(test_logins_that_bring_nothing),
      cmocka_unit_test(test_a_silent_server_is_left),
      cmocka_unit_test(test_random_bytes),
      cmocka_unit_test(test_messages_of_another_binding_fill_a_hole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
