/* The stream of a link on simulated TCP: from a number on, gated, slowly read, throttled, short of credit, over restarts, and cut at every byte. */
#include "tests/unit/link_fixture.h"

#define RETAINED 1024u /* messages a session keeps in loop_fixture's world */

static void tune_sources(wcx_params_t *params)
{
  params->establish_per_source_per_s = 1000000;
}

static void tune_slow_rate(wcx_params_t *params)
{
  tune_sources(params);
  params->sessions[0].throttle_per_s = 10;
  params->sessions[0].throttle_burst = 5;
}

static uint32_t orders_live(const world_t *w)
{
  return wcx_engine_orders_live(wcx_loop_engine(w->loop));
}

/* An order that does not rest: two messages of its session. */
static uint64_t peer_ioc(world_t *w, peer_t *peer)
{
  wcx_new_order_single_t order = client_order(&peer->client, 1, WCX_SIDE_BUY, 1, 5, WCX_TIME_IN_FORCE_IOC);
  peer_send(w, peer, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
  return order.cl_ord_id;
}

static void udp_iocs(world_t *w, client_t *udp, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
  {
    client_send_order(w, udp, 1, WCX_SIDE_BUY, 1, 5, WCX_TIME_IN_FORCE_IOC);
    if (i % 8 == 7)
    {
      world_turns(w, 2);
      world_drain(w);
    }
  }
  world_turns(w, 4);
  world_drain(w);
}

/* --- from a number ------------------------------------------------------------------------------------------------------------------------------- */

static void test_from_a_number(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, tune_sources);
  peer_t *all = peer_new(1);
  peer_open(&w, all, 0);
  for (uint32_t i = 0; i < 10; i++)
    (void)peer_ioc(&w, all);
  world_turns(&w, 6);
  peer_pump(&w, all);
  uint32_t cnt = all->message_cnt;
  assert_int_equal(cnt, 21);
  peer_t *peer = peer_new(1);
  peer->client.uuid = 1000;
  for (uint64_t from = 1; from <= cnt + 1; from++)
  {
    peer_log_in(&w, peer, from);
    assert_int_equal(peer->accepted, from);
    wcx_establish_t establish = client_establish(&w, &peer->client);
    establish.flags = FLAG_TAKE_OVER;
    establish.next_server_seq_no = from % 2 ? from : 0;
    peer_establish(&w, peer, &establish);
    assert_true(peer_acked(peer));
    for (uint64_t number = from; number <= cnt; number++)
    {
      const peer_message_t *again = &peer->messages[number - from];
      const peer_message_t *before = &all->messages[number - 1];
      assert_int_equal(again->number, number);
      assert_int_equal(again->len, before->len);
      assert_memory_equal(again->data, before->data, before->len);
    }
    assert_int_equal(peer->client.ack.next_server_seq_no, peer->number); /* the ack is the last of them */
  }
  free(all);
  free(peer);
  world_close(&w);
}

/* What is not kept cannot be asked for; the oldest that is kept can. */
static uint64_t pushed_seq; /* the newest input that what was pushed depends on */

void __real_wcx_tcp_push(wcx_tcp_t *tcp, uint32_t number, uint64_t input_seq);
void __wrap_wcx_tcp_push(wcx_tcp_t *tcp, uint32_t number, uint64_t input_seq);

void __wrap_wcx_tcp_push(wcx_tcp_t *tcp, uint32_t number, uint64_t input_seq)
{
  pushed_seq = input_seq > pushed_seq ? input_seq : pushed_seq;
  __real_wcx_tcp_push(tcp, number, input_seq);
}

/* The check at transmit asks each frame for the input it depends on: what is written to a link says it with its push, messages of the stream and answers. */
static void test_pushes_name_their_input(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  peer_t *peer = peer_new(1);
  peer_open(&w, peer, 0);
  for (uint32_t i = 0; i < 3; i++)
  {
    pushed_seq = 0;
    (void)peer_order(&w, peer, WCX_SIDE_BUY, 100);
    world_turns(&w, 4);
    assert_int_equal(pushed_seq, wcx_engine_applied_seq(wcx_loop_engine(w.loop)));
  }
  peer_t *other = peer_new(2);
  peer_log_in(&w, other, 0);
  wcx_establish_t establish = client_establish(&w, &other->client);
  establish.keep_alive_interval = 1;
  pushed_seq = 0;
  peer_establish(&w, other, &establish);
  assert_int_equal(peer_reject_code(other), WCX_ESTABLISH_REJECT_CODE_KEEP_ALIVE_INTERVAL);
  assert_int_equal(pushed_seq, wcx_engine_applied_seq(wcx_loop_engine(w.loop)));
  free(peer);
  free(other);
  world_close(&w);
}

static void test_behind_the_window(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, tune_sources);
  client_t udp = client_of(1);
  client_sign_on(&w, &udp);
  udp_iocs(&w, &udp, RETAINED); /* 2,048 messages behind the ack: 1026 is the oldest */
  peer_t *peer = peer_new(1);
  peer->client.uuid = 1000;
  static const uint64_t gone[] = {1, 2, 1000, 2049 - RETAINED};
  for (uint32_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
  {
    peer_log_in(&w, peer, gone[i]);
    wcx_establish_t establish = client_establish(&w, &peer->client);
    peer_establish(&w, peer, &establish);
    assert_int_equal(peer_reject_code(peer), WCX_ESTABLISH_REJECT_CODE_SEQUENCE_OUT_OF_RANGE);
    assert_true(peer_ended(&w, peer));
  }
  udp_iocs(&w, &udp, 1);
  peer_open(&w, peer, 2052 - RETAINED + 1); /* not the very oldest: the ack itself will push that one out */
  assert_int_equal(peer->messages[0].number, 2052 - RETAINED + 1);
  assert_int_equal(peer->message_cnt, RETAINED);
  free(peer);
  world_close(&w);
}

/* --- the gate ------------------------------------------------------------------------------------------------------------------------------------- */

static void test_stream_is_gated(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  peer_t *peer = peer_new(1);
  peer_open(&w, peer, 0);
  uint32_t cnt = peer->message_cnt;
  w.hold = true;
  uint64_t order = peer_ioc(&w, peer);
  world_turns(&w, 20);
  peer_pump(&w, peer);
  assert_int_equal(peer->message_cnt, cnt);
  w.hold = false;
  world_turns(&w, 2);
  w.hold = true;
  (void)peer_ioc(&w, peer);
  world_turns(&w, 20);
  peer_pump(&w, peer);
  assert_int_equal(peer->message_cnt, cnt + 2); /* of the first, released one */
  assert_int_equal(peer_acks(peer, order), 1);
  peer_say(&w, peer, 'X'); /* its Terminate waits as well */
  world_turns(&w, 20);
  assert_false(peer_ended(&w, peer));
  assert_int_equal(peer->message_cnt, cnt + 2);
  w.hold = false;
  world_turns(&w, 3);
  assert_true(peer_ended(&w, peer));
  assert_int_equal(peer_terminate_code(peer), WCX_TERMINATE_CODE_PROTOCOL_ERROR);
  free(peer);
  world_close(&w);
}

/* --- slow readers --------------------------------------------------------------------------------------------------------------------------------- */

static void test_slow_consumer(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, tune_sources);
  peer_t *slow = peer_new(1);
  peer_open(&w, slow, 0);
  client_t udp = client_of(1);
  udp.uuid = 1000;
  client_sign_on(&w, &udp);
  peer_t *fast = peer_new(2);
  peer_open(&w, fast, 0);
  uint32_t sent = 0;
  for (; sent < 4000 && atomic_load(&w.shm->stats.tcp_slow) == 0; sent += 8)
  {
    udp_iocs(&w, &udp, 8);
    uint64_t order = peer_ioc(&w, fast);
    world_turns(&w, 4);
    peer_pump(&w, fast);
    assert_int_equal(peer_acks(fast, order), 1); /* it never waits for the other */
    if (atomic_load(&w.shm->stats.tcp_slow) == 0)
      peer_say(&w, slow, 'R');
  }
  assert_int_equal(atomic_load(&w.shm->stats.tcp_slow), 1);
  assert_in_range(sent, RETAINED / 2, 1200); /* a window and a full queue of two messages an order */
  assert_true(wcx_tcp_sim_ended(w.tcp, slow->conn));
  peer_pump(&w, slow);
  assert_int_equal(slow->in_len, 0);
  assert_int_equal(orders_live(&w), 0);
  client_send_at(&w, &udp, udp.next_seq, 0, NULL, 0);
  udp_iocs(&w, &udp, 1); /* the session lives on over UDP */
  peer_forget(&w, slow);
  slow->client.uuid = 5000;
  peer_open(&w, slow, 0);
  free(slow);
  free(fast);
  world_close(&w);
}

/* Read in small parts now and then: nothing is lost, nothing comes twice, as long as it keeps up with the window. */
static void test_slow_but_steady(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, tune_sources);
  peer_t *peer = peer_new(1);
  peer_open(&w, peer, 0);
  client_t udp = client_of(1);
  udp.uuid = 1000;
  client_sign_on(&w, &udp);
  for (uint32_t round = 0; round < 200; round++)
  {
    udp_iocs(&w, &udp, 8);
    peer_say(&w, peer, 'R');
    for (uint32_t part = 1; part < 12; part++)
    {
      peer->in_len += wcx_tcp_sim_recv(w.tcp, peer->conn, peer->in + peer->in_len, part * 37);
      world_turn(&w);
    }
    if (round % 10 == 9)
      peer_pump(&w, peer);
  }
  world_turns(&w, 100);
  for (uint32_t i = 0; i < 50; i++)
  {
    peer_pump(&w, peer);
    world_turns(&w, 2);
  }
  assert_int_equal(atomic_load(&w.shm->stats.tcp_slow), 0);
  assert_int_equal(peer->message_cnt, 1 + 1 + 200 * 8 * 2);
  for (uint32_t i = 0; i < peer->message_cnt; i++)
    assert_int_equal(peer->messages[i].number, i + 1);
  assert_int_equal(peer_cnt(peer, WCX_TEMPLATE_EXECUTION_REPORT_NEW), 1600);
  free(peer);
  world_close(&w);
}

#define FEED_RETAINED 4096u /* messages of the feed that loop_fixture's world keeps */

static void tune_replay(wcx_params_t *params)
{
  tune_sources(params);
  params->replay_tcp_port = 7006;
}

static void open_replay(world_t *w, peer_t *peer, uint64_t number)
{
  peer_forget(w, peer);
  peer->client.port++;
  wcx_peer_t from = {.ip = peer->client.ip, .port = peer->client.port, .mac = {2, 0, 0, 0, 0, 9}};
  peer->conn = wcx_tcp_sim_connect(w->tcp, &from, 7006);
  uint8_t login[64];
  peer_write(w, peer, login, soup_put_login(login, "mm2", "", number));
  world_turns(w, 2);
  wcx_establish_t establish = client_establish(w, &peer->client);
  establish.keep_alive_interval = 60000;
  peer_establish(w, peer, &establish);
  for (uint32_t i = 0; i < 64 && !peer_acked(peer); i++)
  {
    world_turns(w, 2);
    peer_pump(w, peer);
  }
  assert_true(peer_acked(peer));
}

/* An order that rests and its cancel: two messages of the feed, four times. */
static void rest_and_cancel(world_t *w, client_t *udp)
{
  for (uint32_t i = 0; i < 4; i++)
  {
    wcx_new_order_single_t order = client_order(udp, 1, WCX_SIDE_BUY, 1, 5, WCX_TIME_IN_FORCE_GTC);
    client_send(w, udp, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
    wcx_order_cancel_request_t cancel = {.cl_ord_id = ++udp->cl_ord_id, .orig_cl_ord_id = order.cl_ord_id, .order_id = UINT64_MAX, .security_id = 1};
    client_send(w, udp, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, &cancel, sizeof(cancel));
  }
  world_turns(w, 4);
  world_drain(w);
}

/* A replay that does not read is left alone until it does, then has every message in its turn; one that never does is closed when its next message is kept no more. */
static void test_slow_replay(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, tune_replay);
  client_t udp = client_of(1);
  udp.uuid = 1000;
  client_sign_on(&w, &udp);
  peer_t *reader = peer_new(2);
  open_replay(&w, reader, 1);
  uint64_t full = 0;
  for (uint32_t i = 0; i < 200 && full == 0; i++)
  {
    uint64_t before = atomic_load(&w.shm->stats.messages_tcp);
    rest_and_cancel(&w, &udp);
    full = atomic_load(&w.shm->stats.messages_tcp) == before ? i : 0;
  }
  assert_int_not_equal(full, 0); /* its queue has no room */
  uint64_t written = atomic_load(&w.shm->stats.messages_tcp);
  rest_and_cancel(&w, &udp);
  assert_int_equal(atomic_load(&w.shm->stats.messages_tcp), written);
  for (uint32_t i = 0; i < 50; i++)
  {
    peer_pump(&w, reader);
    world_turns(&w, 2);
  }
  uint32_t deleted = peer_cnt(reader, WCX_TEMPLATE_DELETE_ORDER);
  assert_int_equal(deleted, 4 * (full + 2));
  assert_int_equal(peer_cnt(reader, WCX_TEMPLATE_ADD_ORDER), deleted);
  uint32_t sent = 0;
  for (; sent < 3 * FEED_RETAINED && atomic_load(&w.shm->stats.tcp_slow) == 0; sent += 8)
    rest_and_cancel(&w, &udp);
  assert_int_equal(atomic_load(&w.shm->stats.tcp_slow), 1);
  assert_true(sent >= FEED_RETAINED); /* a window behind what its queue took */
  open_replay(&w, reader, 0);         /* and may come again */
  free(reader);
  world_close(&w);
}

/* Closed while it does not read: it has five seconds to read its last messages, and others go on. */
static void test_drain_patience(void **state)
{
  (void)state;
  for (uint32_t reads = 0; reads < 2; reads++)
  {
    world_t w;
    world_new(&w, tune_sources);
    peer_t *peer = peer_new(1);
    peer_open(&w, peer, 0);
    client_t udp = client_of(1);
    udp.uuid = 1000;
    client_sign_on(&w, &udp);
    udp_iocs(&w, &udp, 300); /* more than the queue of a connection holds, less than the window */
    peer_say(&w, peer, 'X');
    world_pass(&w, WCX_LINK_PATIENCE_NS - 100000000);
    assert_false(wcx_tcp_sim_ended(w.tcp, peer->conn));
    for (uint32_t i = 0; reads && i < 50; i++)
    {
      peer_pump(&w, peer);
      world_turns(&w, 2);
    }
    world_pass(&w, 200000000);
    assert_true(peer_ended(&w, peer));
    assert_int_equal(peer_terminate_code(peer), reads ? WCX_TERMINATE_CODE_PROTOCOL_ERROR : UINT8_MAX);
    free(peer);
    world_close(&w);
  }
}

/* --- throttle and credit -------------------------------------------------------------------------------------------------------------------------- */

/* Who is too fast is read no further; nothing is refused and nothing is lost. A refused request costs a token like any other: it is an input. */
static void test_throttle(void **state)
{
  (void)state;
  for (uint32_t bad = 0; bad < 3; bad++)
  {
    world_t w;
    world_new(&w, tune_slow_rate);
    peer_t *peer = peer_new(1);
    peer_open(&w, peer, 0);
    uint32_t cnt = peer->message_cnt;
    for (uint32_t i = 0; i < 20; i++)
    {
      wcx_new_order_single_t order = client_order(&peer->client, 1, bad == 1 ? 9 : WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
      peer_send(&w, peer, bad == 2 ? WCX_TEMPLATE_TERMINATE : WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order)); /* a Terminate of a wrong length */
    }
    uint16_t answer = bad ? WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT : WCX_TEMPLATE_EXECUTION_REPORT_NEW;
    world_turns(&w, 20);
    peer_pump(&w, peer);
    assert_int_equal(peer->message_cnt, cnt + 5);
    world_pass(&w, 1000000000);
    peer_pump(&w, peer);
    assert_in_range(peer->message_cnt, cnt + 14, cnt + 16);
    world_pass(&w, 1000000000);
    peer_pump(&w, peer);
    assert_int_equal(peer_cnt(peer, answer), 20);
    wcx_terminate_t terminate = {.uuid = peer->client.uuid};
    peer_send(&w, peer, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate)); /* leaving is never throttled */
    world_turns(&w, 4);
    assert_true(peer_ended(&w, peer));
    free(peer);
    world_close(&w);
  }
}

/* Leave while unread requests wait for tokens: what came before the Terminate counts, in order. */
static void test_throttled_until_the_end(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, tune_slow_rate);
  peer_t *peer = peer_new(1);
  peer_open(&w, peer, 0);
  for (uint32_t i = 0; i < 20; i++)
    (void)peer_order(&w, peer, WCX_SIDE_BUY, 100);
  peer_cut(&w, peer, false);
  world_pass(&w, 1000000000);
  assert_false(peer_ended(&w, peer));
  world_pass(&w, 1500000000);
  assert_true(peer_ended(&w, peer));
  assert_int_equal(orders_live(&w), 0);
  assert_int_equal(atomic_load(&w.shm->stats.requests_sequenced), 20);
  free(peer);
  world_close(&w);
}

/* The ring is full: requests, status, refusals and the end wait, are offered again and happen exactly once, in order. */
static void test_no_credit(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, tune_sources);
  peer_t *peer = peer_new(1);
  peer_open(&w, peer, 0);
  for (uint32_t round = 0; round < 3; round++)
  {
    uint32_t cnt = peer_cnt(peer, WCX_TEMPLATE_EXECUTION_REPORT_NEW);
    uint64_t first = peer->client.cl_ord_id + 1;
    w.hold = true;
    for (uint32_t i = 0; i < 400; i++)
      (void)peer_ioc(&w, peer);
    wcx_session_status_request_t request = {.request_id = round};
    peer_send(&w, peer, WCX_TEMPLATE_SESSION_STATUS_REQUEST, &request, sizeof(request));
    wcx_new_order_single_t order = client_order(&peer->client, 1, 9, 1, 5, WCX_TIME_IN_FORCE_IOC);
    peer_send(&w, peer, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
    uint64_t sequenced = atomic_load(&w.shm->stats.requests_sequenced);
    world_turns(&w, 50);
    assert_true(atomic_load(&w.shm->stats.requests_sequenced) - sequenced < 400);
    for (uint32_t i = 0; i < 200; i++) /* a little at a time */
    {
      w.hold = i % 3 != 0;
      world_turn(&w);
      peer_pump(&w, peer);
    }
    w.hold = false;
    world_turns(&w, 20);
    peer_pump(&w, peer);
    assert_int_equal(peer_cnt(peer, WCX_TEMPLATE_EXECUTION_REPORT_NEW), cnt + 400);
    for (uint64_t id = first; id < first + 400; id++)
      assert_int_equal(peer_acks(peer, id), 1);
    assert_int_equal(peer_cnt(peer, WCX_TEMPLATE_SESSION_STATUS_RESPONSE), round + 1);
    assert_int_equal(peer_cnt(peer, WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT), round + 1);
    for (uint32_t i = 0; i < peer->message_cnt; i++)
      assert_int_equal(peer->messages[i].number, i + 1);
  }
  free(peer);
  world_close(&w);
}

/* The journal's worker is dead: nothing is acknowledged, a silent end waits for room, and all of it happens once when it is back. */
static void test_no_credit_for_the_end(void **state)
{
  (void)state;
  for (uint32_t way = 0; way < 4; way++)
  {
    world_t w;
    world_new(&w, tune_sources);
    peer_t *peer = peer_new(1);
    peer_open(&w, peer, 0);
    w.dead = true;
    for (uint32_t i = 0; i < 400; i++)
      (void)peer_order(&w, peer, WCX_SIDE_BUY, 100);
    world_turns(&w, 50);
    uint32_t before = orders_live(&w);
    assert_true(before > 0 && before < 400);
    if (way == 0)
      peer_cut(&w, peer, true); /* what was not read is gone with it, and there is room for its end, if not for new risk */
    else if (way == 1)
      peer_cut(&w, peer, false);
    else if (way == 2)
      peer_say(&w, peer, 'X');
    else
      world_pass(&w, 4000000000); /* silent, but unread: it is not called silent */
    world_turns(&w, 50);
    assert_int_equal(orders_live(&w), way == 0 ? 0 : before);
    w.dead = false;
    for (uint32_t i = 0; i < 100; i++)
    {
      world_turns(&w, 2);
      peer_pump(&w, peer);
    }
    if (way == 3)
    {
      assert_int_equal(orders_live(&w), 400);
      assert_int_equal(atomic_load(&w.shm->stats.keepalive_expired), 0);
    }
    else
    {
      assert_true(peer_ended(&w, peer));
      assert_int_equal(orders_live(&w), 0);
      assert_int_equal(atomic_load(&w.shm->stats.sessions_closed), 1);
    }
    if (way != 0)
      assert_int_equal(atomic_load(&w.shm->stats.requests_sequenced), 400);
    free(peer);
    world_close(&w);
  }
}

/* --- restart -------------------------------------------------------------------------------------------------------------------------------------- */

static void test_restart(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, tune_sources);
  peer_t *peer = peer_new(1);
  peer_t *early = peer_new(2);
  peer_t *judged = peer_new(3);
  peer_open(&w, peer, 0);
  (void)peer_order(&w, peer, WCX_SIDE_BUY, 100);
  world_turns(&w, 4);
  peer_pump(&w, peer);
  peer_log_in(&w, early, 0);
  peer_log_in(&w, judged, 0);
  w.auth_silent = true;
  wcx_establish_t establish = client_establish(&w, &judged->client);
  peer_establish(&w, judged, &establish);
  peer_t *old = peer_new(1);
  memcpy(old, peer, sizeof(*peer));
  world_crash(&w);
  w.auth_silent = false;
  world_start(&w);
  for (peer_t **each = (peer_t *[]){peer, early, judged, NULL}; *each != NULL; each++)
  {
    assert_true(peer_ended(&w, *each));
    peer_forget(&w, *each);
  }
  world_turns(&w, 10); /* the verdict for the process before is nobody's */
  assert_int_equal(atomic_load(&w.shm->stats.establish_accepted), 1);
  assert_int_equal(orders_live(&w), 1);
  peer_open(&w, peer, 1);
  assert_int_equal(peer->message_cnt, old->message_cnt + 1); /* SessionClosed of a restart says nothing */
  for (uint32_t i = 0; i < old->message_cnt; i++)
    assert_memory_equal(&peer->messages[i], &old->messages[i], sizeof(peer->messages[i]));
  assert_int_equal(peer->client.cl_ord_id, 1);
  peer_t *other = peer_new(2);
  peer_open(&w, other, 0);
  uint64_t order = peer_order(&w, other, WCX_SIDE_SELL, 100);
  world_turns(&w, 4);
  peer_pump(&w, other);
  peer_pump(&w, peer);
  assert_int_equal(peer_acks(other, order), 1);
  assert_int_equal(peer_cnt(peer, WCX_TEMPLATE_EXECUTION_REPORT_TRADE), 1);
  free(peer);
  free(early);
  free(judged);
  free(old);
  free(other);
  world_close(&w);
}

/* Nobody comes back after a restart: cancel-on-disconnect after the window. */
static void test_restart_and_gone(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  peer_t *peer = peer_new(1);
  peer_open(&w, peer, 0);
  (void)peer_order(&w, peer, WCX_SIDE_BUY, 100);
  world_turns(&w, 4);
  world_crash(&w);
  world_start(&w);
  world_pass(&w, 2900000000);
  assert_int_equal(orders_live(&w), 1);
  world_pass(&w, 200000000);
  assert_int_equal(orders_live(&w), 0);
  free(peer);
  world_close(&w);
}

/* --- cut at every byte ----------------------------------------------------------------------------------------------------------------------------- */

/* What a client writes for a login, an Establish, an order and another. Returns the bytes; *orders: the two ClOrdIDs. */
static uint32_t conversation(world_t *w, peer_t *peer, uint64_t number, uint64_t orders[2], uint8_t *to)
{
  uint32_t sz = soup_put_login(to, "mm1", "", number);
  wcx_establish_t establish = client_establish(w, &peer->client);
  establish.flags = 0;
  sz += soup_put_message(to + sz, WCX_TEMPLATE_ESTABLISH, &establish, sizeof(establish));
  for (uint32_t i = 0; i < 2; i++)
  {
    wcx_new_order_single_t order = client_order(&peer->client, 1, WCX_SIDE_BUY, 1, 5, WCX_TIME_IN_FORCE_IOC);
    orders[i] = order.cl_ord_id;
    sz += soup_put_message(to + sz, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
  }
  return sz;
}

/* What a client does that does not know what became of its orders: sign on, look at what was missed, send again what is not there. */
static void recover(world_t *w, peer_t *peer, uint64_t from, const uint64_t orders[2], peer_t *whole)
{
  peer_open(w, peer, from);
  uint64_t decided = peer->client.ack.last_cl_ord_id;
  for (uint32_t i = 0; i < 2; i++)
    if (orders[i] > decided)
    {
      wcx_new_order_single_t order = client_order(&peer->client, 1, WCX_SIDE_BUY, 1, 5, WCX_TIME_IN_FORCE_IOC);
      order.cl_ord_id = orders[i];
      peer_send(w, peer, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
    }
  world_turns(w, 6);
  peer_pump(w, peer);
  peer->client.cl_ord_id = orders[1];
  for (uint32_t i = 0; i < peer->message_cnt; i++) /* join the stream; what overlaps must be the same */
  {
    const peer_message_t *message = &peer->messages[i];
    assert_true(message->number >= 1 && message->number <= whole->message_cnt + 1);
    if (message->number == whole->message_cnt + 1)
      whole->messages[whole->message_cnt++] = *message;
    else
      assert_memory_equal(&whole->messages[message->number - 1], message, sizeof(*message));
  }
  for (uint32_t i = 0; i < 2; i++)
    assert_int_equal(peer_acks(whole, orders[i]), 1); /* not lost, not twice */
}

/* What the client has read of its own connection before it was cut counts as seen: the next login begins behind it. */
static void see(peer_t *peer, peer_t *whole)
{
  for (uint32_t i = 0; i < peer->message_cnt; i++)
    if (peer->messages[i].number == whole->message_cnt + 1)
      whole->messages[whole->message_cnt++] = peer->messages[i];
}

enum cut
{
  CUT_FIN,
  CUT_RST,
  CUT_CRASH,          /* of the loop */
  CUT_RST_UNRELEASED, /* the peer goes while nothing is released */
  CUT_CNT,
};

static void test_cut_at_every_byte_written(void **state)
{
  (void)state;
  for (enum cut cut = CUT_FIN; cut < CUT_CNT; cut++)
  {
    world_t w;
    world_new(&w, tune_sources);
    peer_t *peer = peer_new(1);
    peer_t *whole = peer_new(1);
    uint32_t sz = 1;
    for (uint32_t at = 0; at <= sz; at++)
    {
      uint8_t data[1024];
      uint64_t orders[2];
      sz = conversation(&w, peer, 0, orders, data);
      peer_connect(&w, peer);
      w.hold = cut == CUT_RST_UNRELEASED;
      peer_write(&w, peer, data, at);
      world_turns(&w, cut == CUT_RST_UNRELEASED ? 8 : at % 8); /* nothing, something or all of it has been handled */
      if (cut == CUT_CRASH)
      {
        world_crash(&w);
        world_start(&w);
      }
      else
        peer_cut(&w, peer, cut == CUT_RST);
      world_turns(&w, 4);
      w.hold = false;
      world_turns(&w, 8);
      peer_forget(&w, peer);
      recover(&w, peer, whole->message_cnt + 1, orders, whole);
      peer_cut(&w, peer, true);
      world_turns(&w, 4);
      world_pass(&w, 4000000); /* no two Establishes bear the same time */
      world_drain(&w);
      if (whole->message_cnt > PEER_MESSAGES_MAX - 64)
        fail_msg("the stream outgrows the test");
    }
    free(peer);
    free(whole);
    world_close(&w);
  }
}

/* The client reads only so many bytes of what it is sent, then the link is reset. */
static void test_cut_at_every_byte_read(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, tune_sources);
  peer_t *peer = peer_new(1);
  peer_t *whole = peer_new(1);
  uint32_t sz = 1;
  for (uint32_t at = 0; at <= sz; at++)
  {
    uint8_t data[1024];
    uint8_t answers[4096];
    uint64_t orders[2];
    peer_connect(&w, peer);
    peer_write(&w, peer, data, conversation(&w, peer, whole->message_cnt + 1, orders, data));
    world_turns(&w, 12);
    sz = wcx_tcp_sim_recv(w.tcp, peer->conn, answers, sizeof(answers));
    peer->in_len = at < sz ? at : sz;
    memcpy(peer->in, answers, peer->in_len);
    peer_pump(&w, peer);
    see(peer, whole);
    peer_cut(&w, peer, true);
    world_turns(&w, 4);
    peer_forget(&w, peer);
    recover(&w, peer, whole->message_cnt + 1, orders, whole);
    peer_cut(&w, peer, true);
    world_turns(&w, 4);
    world_drain(&w);
  }
  assert_true(sz > 33 + 83); /* Login Accepted, the ack and the answers */
  free(peer);
  free(whole);
  world_close(&w);
}

/* The same bytes in two parts, at every place: the same answers. */
static void test_split_at_every_byte(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, tune_sources);
  peer_t *peer = peer_new(1);
  uint32_t sz = 1;
  for (uint32_t at = 0; at <= sz; at++)
  {
    uint8_t data[1024];
    uint64_t orders[2];
    sz = conversation(&w, peer, 0, orders, data);
    peer_connect(&w, peer);
    peer_write(&w, peer, data, at);
    world_turns(&w, 1 + at % 9);
    peer_write(&w, peer, data + at, sz - at);
    world_turns(&w, 12);
    peer_pump(&w, peer);
    assert_int_equal(peer->message_cnt, 5);
    assert_int_equal(peer_acks(peer, orders[0]), 1);
    assert_int_equal(peer_acks(peer, orders[1]), 1);
    peer_cut(&w, peer, at % 2);
    world_turns(&w, 4);
    world_drain(&w);
  }
  /* and byte by byte */
  uint8_t data[1024];
  uint64_t orders[2];
  sz = conversation(&w, peer, 0, orders, data);
  peer_connect(&w, peer);
  for (uint32_t i = 0; i < sz; i++)
  {
    peer_write(&w, peer, data + i, 1);
    world_turn(&w);
  }
  world_turns(&w, 12);
  peer_pump(&w, peer);
  assert_int_equal(peer->message_cnt, 5);
  free(peer);
  world_close(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_from_a_number),           cmocka_unit_test(test_behind_the_window),
      cmocka_unit_test(test_stream_is_gated),         cmocka_unit_test(test_slow_consumer),
      cmocka_unit_test(test_slow_but_steady),         cmocka_unit_test(test_slow_replay),
      cmocka_unit_test(test_drain_patience),          cmocka_unit_test(test_throttle),
      cmocka_unit_test(test_throttled_until_the_end), cmocka_unit_test(test_no_credit),
      cmocka_unit_test(test_no_credit_for_the_end),   cmocka_unit_test(test_restart),
      cmocka_unit_test(test_restart_and_gone),        cmocka_unit_test(test_cut_at_every_byte_written),
      cmocka_unit_test(test_cut_at_every_byte_read),  cmocka_unit_test(test_split_at_every_byte),
      cmocka_unit_test(test_pushes_name_their_input),
  };
  return cmocka_run_group_tests_name("link_stream", tests, NULL, NULL);
}
