/* The loop looks ahead: at a burst, once, before anything of it is applied; and only where it pays. */
#include "tests/unit/link_fixture.h"

#include "dataplane/ahead.h"

#define CALLS_MAX 64u

/* --- linked with --wrap ----------------------------------------------------------------------------------------------------------------------- */

typedef struct call
{
  uint64_t applied_seq; /* before which it came */
  uint32_t cnt;
  uint32_t pad;
} call_t;

static call_t calls[CALLS_MAX];
static uint32_t call_cnt;
static uint32_t asked_cnt;
static uint32_t resting; /* what the loop is told */

uint32_t __wrap_wcx_engine_orders_live(const wcx_engine_t *engine);
uint32_t __wrap_wcx_engine_orders_live(const wcx_engine_t *engine)
{
  (void)engine;
  return resting;
}

void __wrap_wcx_engine_prefetch(const wcx_engine_t *engine, const wcx_engine_input_t *inputs, uint32_t cnt);
void __wrap_wcx_engine_prefetch(const wcx_engine_t *engine, const wcx_engine_input_t *inputs, uint32_t cnt)
{
  (void)inputs;
  assert_true(call_cnt < CALLS_MAX);
  calls[call_cnt++] = (call_t){.applied_seq = wcx_engine_applied_seq(engine), .cnt = cnt};
  asked_cnt += cnt;
}

/* --- a world ---------------------------------------------------------------------------------------------------------------------------------- */

static void start(world_t *w, client_t *client)
{
  resting = WCX_AHEAD_ORDERS_MIN;
  world_new(w, NULL);
  *client = client_of(1);
  client_sign_on(w, client);
  call_cnt = asked_cnt = 0;
}

static void send_cancel(world_t *w, client_t *client)
{
  wcx_order_cancel_request_t request = {.cl_ord_id = ++client->cl_ord_id, .orig_cl_ord_id = 1, .order_id = WCX_U64_NULL, .security_id = 1};
  client_send(w, client, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, &request, sizeof(request));
}

static void send_cancels(world_t *w, client_t *client, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
    send_cancel(w, client);
}

static uint64_t applied(const world_t *w)
{
  return wcx_engine_applied_seq(wcx_loop_engine(w->loop));
}

/* --- tests ------------------------------------------------------------------------------------------------------------------------------------ */

static void a_burst_is_asked_for_before_it_is_applied(void **state)
{
  (void)state;
  world_t w;
  client_t client;
  start(&w, &client);
  uint64_t before = applied(&w);
  send_cancels(&w, &client, 4);
  world_turn(&w);
  assert_int_equal(applied(&w), before + 4);
  assert_int_equal(call_cnt, 1);
  assert_int_equal(calls[0].cnt, 4);
  assert_int_equal(calls[0].applied_seq, before);
  world_close(&w);
}

static void a_long_one_in_parts(void **state)
{
  (void)state;
  world_t w;
  client_t client;
  start(&w, &client);
  uint64_t before = applied(&w);
  send_cancels(&w, &client, 2 * WCX_AHEAD_BLOCKS);
  world_turn(&w);
  assert_int_equal(call_cnt, 2);
  for (uint32_t i = 0; i < 2; i++)
  {
    assert_int_equal(calls[i].cnt, WCX_AHEAD_BLOCKS);
    assert_int_equal(calls[i].applied_seq, before + i * WCX_AHEAD_BLOCKS);
  }
  world_close(&w);
}

static void nothing_is_asked_for_where_it_does_not_pay(void **state)
{
  (void)state;
  world_t w;
  client_t client;
  start(&w, &client);
  for (uint32_t i = 0; i < 4; i++)
  {
    send_cancel(&w, &client);
    world_turn(&w);
  }
  resting = WCX_AHEAD_ORDERS_MIN - 1;
  send_cancels(&w, &client, 4);
  world_turn(&w);
  assert_int_equal(call_cnt, 0);
  world_close(&w);
}

/* A frame that finds no room in the ring is handled in a later turn, as it was parsed and without another look. */
static void a_frame_that_is_kept_is_not_asked_for_again(void **state)
{
  (void)state;
  world_t w;
  client_t client;
  start(&w, &client);
  uint64_t before = applied(&w);
  uint32_t sent = 0;
  w.hold = true;
  for (; atomic_load(&w.shm->stats.backpressure_turns) < 3; sent += 8)
  {
    assert_true(sent < 400);
    send_cancels(&w, &client, 8);
    world_turn(&w);
  }
  assert_true(applied(&w) < before + sent);
  w.hold = false;
  world_turns(&w, 20);
  assert_int_equal(applied(&w), before + sent);
  assert_int_equal(asked_cnt, sent);
  world_close(&w);
}

/* What a read of a connection brings is asked for when it is read, a packet that is not whole with the next. */
static void a_stream_is_asked_for_as_it_is_read(void **state)
{
  (void)state;
  world_t w;
  resting = WCX_AHEAD_ORDERS_MIN;
  world_new(&w, NULL);
  peer_t *peer = peer_new(1);
  peer_open(&w, peer, 0);
  call_cnt = asked_cnt = 0;
  uint64_t before = applied(&w);
  uint8_t stream[1024];
  uint32_t len = 0, whole = 0;
  for (uint32_t i = 0; i < 8; i++)
  {
    wcx_order_cancel_request_t request = {.cl_ord_id = ++peer->client.cl_ord_id, .orig_cl_ord_id = 1, .order_id = WCX_U64_NULL, .security_id = 1};
    len += soup_put_message(stream + len, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, &request, sizeof(request));
    whole = i == 2 ? len : whole;
  }
  peer_write(&w, peer, stream, whole + 1);
  world_turn(&w);
  assert_int_equal(call_cnt, 1);
  assert_int_equal(calls[0].cnt, 3);
  assert_int_equal(calls[0].applied_seq, before);
  assert_int_equal(applied(&w), before + 3);
  peer_write(&w, peer, stream + whole + 1, len - whole - 1);
  world_turn(&w);
  assert_int_equal(call_cnt, 2);
  assert_int_equal(calls[1].cnt, 5);
  assert_int_equal(applied(&w), before + 8);

  wcx_order_cancel_request_t request = {.cl_ord_id = ++peer->client.cl_ord_id, .orig_cl_ord_id = 1, .order_id = WCX_U64_NULL, .security_id = 1};
  peer_send(&w, peer, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, &request, sizeof(request));
  world_turn(&w);
  assert_int_equal(applied(&w), before + 9);
  assert_int_equal(call_cnt, 2);
  free(peer);
  world_close(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_burst_is_asked_for_before_it_is_applied),  cmocka_unit_test(a_long_one_in_parts),
      cmocka_unit_test(nothing_is_asked_for_where_it_does_not_pay), cmocka_unit_test(a_frame_that_is_kept_is_not_asked_for_again),
      cmocka_unit_test(a_stream_is_asked_for_as_it_is_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
