/* Links on simulated TCP: each arrow of the state drawing in dataplane/link.h, and what may not leave before a valid Establish. */
#include "tests/unit/link_fixture.h"

#define LINKS_MAX 16u

static uint64_t applied(const world_t *w)
{
  return wcx_engine_applied_seq(wcx_loop_engine(w->loop));
}

/* Every place of the table is free: as many connections as there are can be made, and one more cannot. */
static void assert_all_free(world_t *w)
{
  uint32_t conns[LINKS_MAX];
  wcx_peer_t from = {.ip = CLIENT_IP + 7, .port = 1000};
  for (uint32_t i = 0; i < LINKS_MAX; i++)
  {
    conns[i] = wcx_tcp_sim_connect(w->tcp, &from, 7001);
    assert_int_not_equal(conns[i], WCX_TCP_SIM_NONE);
  }
  assert_int_equal(wcx_tcp_sim_connect(w->tcp, &from, 7001), WCX_TCP_SIM_NONE);
  world_turns(w, 2);
  for (uint32_t i = 0; i < LINKS_MAX; i++)
    wcx_tcp_sim_reset(w->tcp, conns[i]);
  world_turns(w, 2);
  for (uint32_t i = 0; i < LINKS_MAX; i++)
    wcx_tcp_sim_forget(w->tcp, conns[i]);
}

/* An Establish that is refused, and nothing is released from there on. */
static void refuse_held(world_t *w, peer_t *peer)
{
  peer_log_in(w, peer, 0);
  wcx_establish_t establish = client_establish(w, &peer->client);
  establish.keep_alive_interval = 1; /* below the least */
  w->hold = true;
  peer_establish(w, peer, &establish);
}

/* `old` has an order and is taken over by `peer`, who reads from message 1; nothing is released from the take-over on. */
static void take_over_held(world_t *w, peer_t *old, peer_t *peer)
{
  peer_open(w, old, 0);
  (void)peer_order(w, old, WCX_SIDE_BUY, 100);
  world_turns(w, 4);
  peer->client.uuid = 1000; /* above the old one's */
  peer_log_in(w, peer, 1);
  wcx_establish_t establish = client_establish(w, &peer->client);
  establish.flags = FLAG_TAKE_OVER | FLAG_COD;
  w->hold = true;
  peer_establish(w, peer, &establish);
}

/* --- login ------------------------------------------------------------------------------------------------------------------------------------- */

static void test_open(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  peer_t *peer = peer_new(2);
  peer_log_in(&w, peer, 0);
  assert_memory_equal(peer->session, "S000000002", 10);
  assert_int_equal(peer->accepted, 1);
  wcx_establish_t establish = client_establish(&w, &peer->client);
  peer_establish(&w, peer, &establish);
  assert_int_equal(peer->message_cnt, 1);
  assert_int_equal(peer->messages[0].template_id, WCX_TEMPLATE_ESTABLISH_ACK);
  assert_true(peer_acked(peer));
  assert_int_equal(peer->client.ack.next_server_seq_no, 2); /* the ack is message 1 */
  assert_int_equal(peer->client.ack.request_timestamp, establish.request_timestamp);
  uint64_t order = peer_order(&w, peer, WCX_SIDE_BUY, 100);
  world_turns(&w, 4);
  peer_pump(&w, peer);
  assert_int_equal(peer_acks(peer, order), 1);
  assert_int_equal(peer->number, 3);
  wcx_session_status_request_t request = {.request_id = 77};
  peer_send(&w, peer, WCX_TEMPLATE_SESSION_STATUS_REQUEST, &request, sizeof(request));
  world_turns(&w, 4);
  peer_pump(&w, peer);
  wcx_session_status_response_t response;
  assert_int_equal(peer->messages[2].template_id, WCX_TEMPLATE_SESSION_STATUS_RESPONSE);
  memcpy(&response, peer->messages[2].data + 8, sizeof(response));
  assert_int_equal(response.request_id, 77);
  assert_int_equal(response.next_server_seq_no, peer->number);
  assert_int_equal(response.last_cl_ord_id, order);
  assert_int_equal(response.open_orders, 1);
  assert_int_equal(atomic_load(&w.shm->stats.tcp_connections), 1);
  free(peer);
  world_close(&w);
}

/* Send these bytes as the first of a connection; true when it ended. */
static bool ends_after(world_t *w, peer_t *peer, const void *data, uint32_t len)
{
  peer_connect(w, peer);
  peer_write(w, peer, data, len);
  world_turns(w, 3);
  return peer_ended(w, peer);
}

static void test_logins_refused(void **state)
{
  (void)state;
  static const struct
  {
    const char *user;
    const char *session;
    char code; /* 0: accepted */
  } cases[] = {{"nobody", "", 'A'},        {"mm99", "", 'A'},         {"mm1x", "", 'A'},        {"", "", 'A'},
               {"mm1", "S000000002", 'S'}, {"mm1", "yesterday", 'S'}, {"mm1", "S000000001", 0}, {"mm1", "", 0}};
  world_t w;
  world_new(&w, NULL);
  peer_t *peer = peer_new(1);
  uint8_t data[128];
  for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
  {
    bool ended = ends_after(&w, peer, data, soup_put_login(data, cases[i].user, cases[i].session, 0));
    assert_int_equal(peer->rejected, cases[i].code);
    assert_int_equal(ended, cases[i].code != 0);
    assert_int_equal(peer->logged_in, cases[i].code == 0);
    peer_cut(&w, peer, true);
    world_turns(&w, 2);
  }
  assert_int_equal(atomic_load(&w.shm->stats.tcp_refused), 6);
  peer_forget(&w, peer);
  assert_all_free(&w);
  free(peer);
  world_close(&w);
}

/* Anything but a login first, and anything but an Establish behind it, ends the connection without a word. */
static void test_not_the_first_word(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  peer_t *peer = peer_new(1);
  uint8_t login[64];
  uint32_t login_sz = soup_put_login(login, "mm1", "", 0);
  wcx_establish_t establish = client_establish(&w, &peer->client);
  wcx_new_order_single_t order = client_order(&peer->client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  uint8_t wrong[9][256];
  uint32_t sz[9];
  uint32_t cnt = 0;
  sz[cnt] = soup_put(wrong[cnt], 'X', "abc", 3), cnt++;
  sz[cnt] = soup_put(wrong[cnt], 'U', NULL, 0), cnt++;
  sz[cnt] = soup_put(wrong[cnt], 'O', NULL, 0), cnt++;
  sz[cnt] = soup_put_message(wrong[cnt], WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order)), cnt++;
  sz[cnt] = soup_put_message(wrong[cnt], WCX_TEMPLATE_ESTABLISH, &establish, sizeof(establish) - 1), cnt++;
  memcpy(wrong[cnt], "\0\0U", 3), sz[cnt++] = 3;
  memcpy(wrong[cnt], "\xff\xffU", 3), sz[cnt++] = 3;
  memcpy(wrong[cnt], login, login_sz), wrong[cnt][10] = 'x', wrong[cnt][login_sz - 1] = 'x', sz[cnt++] = login_sz;
  sz[cnt] = soup_put(wrong[cnt], 'L', login + 3, WCX_SOUP_LOGIN_SZ - 1), cnt++;
  for (uint32_t i = 0; i < cnt; i++)
  {
    assert_true(ends_after(&w, peer, wrong[i], sz[i]));
    assert_int_equal(peer->message_cnt + peer->heartbeat_cnt, 0);
    assert_int_equal(peer->rejected, 0);
    assert_false(peer->logged_in);
    peer_log_in(&w, peer, 0);
    peer_write(&w, peer, wrong[i], sz[i]);
    world_turns(&w, 6);
    assert_true(peer_ended(&w, peer));
    assert_int_equal(peer->message_cnt + peer->heartbeat_cnt, 0);
  }
  peer_log_in(&w, peer, 0); /* a second login is not an Establish */
  peer_write(&w, peer, login, login_sz);
  world_turns(&w, 3);
  assert_true(peer_ended(&w, peer));
  peer_forget(&w, peer);
  assert_all_free(&w);
  free(peer);
  world_close(&w);
}

/* --- Establish --------------------------------------------------------------------------------------------------------------------------------- */

/* Log in from `number`, send it; the code of the refusal, which is the last word. 0: accepted. */
static uint8_t code_of(world_t *w, peer_t *peer, uint64_t number, const wcx_establish_t *establish)
{
  peer_log_in(w, peer, number);
  peer_establish(w, peer, establish);
  uint8_t code = peer_reject_code(peer);
  if (code == 0)
    return 0;
  assert_int_equal(peer->message_cnt, 1);
  wcx_establish_reject_t reject;
  memcpy(&reject, peer->messages[0].data + 8, sizeof(reject));
  assert_int_equal(reject.uuid, establish->uuid);
  assert_int_equal(reject.request_timestamp, establish->request_timestamp);
  assert_true(peer_ended(w, peer));
  return code;
}

static void tune_sources(wcx_params_t *params)
{
  params->establish_per_source_per_s = 1000000;
}

static void test_codes(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, tune_sources);
  peer_t *peer = peer_new(1);
  uint64_t history = applied(&w);
  wcx_establish_t establish = client_establish(&w, &peer->client);
  establish.hmac_signature[0] = 0xbb;
  assert_int_equal(code_of(&w, peer, 0, &establish), WCX_ESTABLISH_REJECT_CODE_CREDENTIALS);
  establish = client_establish(&w, &peer->client);
  establish.session_id = 2; /* validly signed, but the login said 1 */
  assert_int_equal(code_of(&w, peer, 0, &establish), WCX_ESTABLISH_REJECT_CODE_CREDENTIALS);
  assert_int_equal(applied(&w), history);
  for (int sign = -1; sign <= 1; sign += 2)
  {
    establish = client_establish(&w, &peer->client);
    establish.request_timestamp += (uint64_t)(sign * INT64_C(5100000000));
    assert_int_equal(code_of(&w, peer, 0, &establish), WCX_ESTABLISH_REJECT_CODE_REQUEST_TIMESTAMP);
  }
  establish = client_establish(&w, &peer->client);
  establish.keep_alive_interval = 99;
  assert_int_equal(code_of(&w, peer, 0, &establish), WCX_ESTABLISH_REJECT_CODE_KEEP_ALIVE_INTERVAL);
  establish = client_establish(&w, &peer->client);
  establish.keep_alive_interval = 60001;
  assert_int_equal(code_of(&w, peer, 0, &establish), WCX_ESTABLISH_REJECT_CODE_KEEP_ALIVE_INTERVAL);
  establish = client_establish(&w, &peer->client);
  establish.schema_version = 1;
  assert_int_equal(code_of(&w, peer, 0, &establish), WCX_ESTABLISH_REJECT_CODE_SCHEMA_VERSION);
  establish = client_establish(&w, &peer->client);
  establish.flags = FLAG_TAG;
  assert_int_equal(code_of(&w, peer, 0, &establish), WCX_ESTABLISH_REJECT_CODE_UNSPECIFIED);
  establish = client_establish(&w, &peer->client);
  assert_int_equal(code_of(&w, peer, 2, &establish), WCX_ESTABLISH_REJECT_CODE_SEQUENCE_OUT_OF_RANGE); /* message 1 is not there yet */
  establish = client_establish(&w, &peer->client);
  assert_int_equal(code_of(&w, peer, UINT64_C(18446744073709551609), &establish), WCX_ESTABLISH_REJECT_CODE_SEQUENCE_OUT_OF_RANGE);
  establish = client_establish(&w, &peer->client);
  establish.next_server_seq_no = 2; /* another number than the login's */
  assert_int_equal(code_of(&w, peer, 1, &establish), WCX_ESTABLISH_REJECT_CODE_SEQUENCE_OUT_OF_RANGE);
  establish = client_establish(&w, &peer->client);
  establish.uuid = --peer->client.uuid; /* every valid signature has moved it on */
  assert_int_equal(code_of(&w, peer, 0, &establish), WCX_ESTABLISH_REJECT_CODE_STALE_UUID);
  establish = client_establish(&w, &peer->client);
  establish.next_server_seq_no = 1;
  assert_int_equal(code_of(&w, peer, 1, &establish), 0);
  assert_true(peer_acked(peer));
  assert_int_equal(peer->client.ack.next_server_seq_no, 2); /* refusals have no numbers */
  peer_t *other = peer_new(1);
  other->client.uuid = 1000;
  establish = client_establish(&w, &other->client);
  assert_int_equal(code_of(&w, other, 0, &establish), WCX_ESTABLISH_REJECT_CODE_ALREADY_ESTABLISHED);
  uint64_t order = peer_order(&w, peer, WCX_SIDE_BUY, 100); /* the first is not disturbed */
  world_turns(&w, 4);
  peer_pump(&w, peer);
  assert_int_equal(peer_acks(peer, order), 1);
  assert_int_equal(atomic_load(&w.shm->stats.establish_credentials), 2);
  assert_int_equal(atomic_load(&w.shm->stats.establish_refused), 10);
  assert_int_equal(atomic_load(&w.shm->stats.establish_replayed), 1); /* the stale one changes nothing: no input */
  assert_int_equal(atomic_load(&w.shm->stats.establish_accepted), 1);
  free(peer);
  free(other);
  world_close(&w);
}

/* A session with a history: nothing of it, no heartbeat and no ack leaves before the Establish is accepted and its ack released. */
static void test_nothing_before_establish(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t udp = client_of(1);
  client_sign_on(&w, &udp);
  peer_t *peer = peer_new(1);
  peer->client.uuid = 1000;
  peer_connect(&w, peer);
  world_pass(&w, 3000000000);
  peer_pump(&w, peer);
  assert_int_equal(peer->in_len + peer->message_cnt + peer->heartbeat_cnt, 0);
  peer_log_in(&w, peer, 1);
  world_pass(&w, 3000000000);
  peer_pump(&w, peer);
  assert_int_equal(peer->message_cnt + peer->heartbeat_cnt, 0);
  w.auth_silent = true;
  wcx_establish_t establish = client_establish(&w, &peer->client);
  peer_establish(&w, peer, &establish);
  client_send_at(&w, &udp, udp.next_seq, 0, NULL, 0);
  world_pass(&w, 1500000000);
  assert_int_equal(peer->message_cnt + peer->heartbeat_cnt, 0);
  w.hold = true;
  w.auth_silent = false;
  world_pass(&w, 3000000000);
  peer_pump(&w, peer);
  assert_int_equal(atomic_load(&w.shm->stats.establish_accepted), 2);
  assert_int_equal(peer->message_cnt + peer->heartbeat_cnt, 0);
  w.hold = false;
  world_turns(&w, 4);
  peer_pump(&w, peer);
  assert_true(peer->message_cnt >= 2);
  assert_int_equal(peer->messages[0].number, 1);
  assert_int_equal(peer->messages[0].template_id, WCX_TEMPLATE_ESTABLISH_ACK); /* that of the binding over UDP */
  free(peer);
  world_close(&w);
}

/* A refusal waits for the release of its SessionRefused. */
static void test_refusal_is_gated(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  peer_t *peer = peer_new(1);
  refuse_held(&w, peer);
  world_turns(&w, 20);
  peer_pump(&w, peer);
  assert_int_equal(atomic_load(&w.shm->stats.establish_refused), 1);
  assert_int_equal(peer->message_cnt, 0);
  assert_false(peer_ended(&w, peer));
  w.hold = false;
  world_turns(&w, 3);
  assert_true(peer_ended(&w, peer));
  assert_int_equal(peer_reject_code(peer), WCX_ESTABLISH_REJECT_CODE_KEEP_ALIVE_INTERVAL);
  peer_forget(&w, peer);
  assert_all_free(&w);
  free(peer);
  world_close(&w);
}

/* A place is given to another peer while the verdict on the first one's Establish is awaited. */
static void test_verdict_for_an_earlier_peer(void **state)
{
  (void)state;
  for (uint32_t first_is_bad = 0; first_is_bad < 2; first_is_bad++)
  {
    world_t w;
    world_new(&w, NULL);
    w.auth_silent = true;
    peer_t *first = peer_new(1);
    peer_log_in(&w, first, 0);
    wcx_establish_t establish = client_establish(&w, &first->client);
    establish.hmac_signature[0] = first_is_bad ? 0xbb : 0;
    peer_establish(&w, first, &establish);
    uint32_t place = first->conn;
    peer_cut(&w, first, true);
    world_turns(&w, 2);
    peer_forget(&w, first);
    peer_t *second = peer_new(1);
    second->client.uuid = 500;
    peer_log_in(&w, second, 0);
    assert_int_equal(second->conn, place);
    establish = client_establish(&w, &second->client);
    establish.hmac_signature[0] = first_is_bad ? 0 : 0xbb;
    peer_establish(&w, second, &establish);
    w.auth_silent = false;
    world_turns(&w, 6);
    peer_pump(&w, second);
    assert_int_equal(peer_acked(second), first_is_bad);
    assert_int_equal(peer_reject_code(second), first_is_bad ? 0 : WCX_ESTABLISH_REJECT_CODE_CREDENTIALS);
    assert_int_equal(atomic_load(&w.shm->stats.establish_accepted), first_is_bad);
    assert_int_equal(atomic_load(&w.shm->stats.establish_credentials), 1 - first_is_bad); /* nobody was told of the first */
    free(first);
    free(second);
    world_close(&w);
  }
}

/* Whoever recorded an Establish whose sender has gone before it was judged comes too late with it: its UUID is used up. */
static void test_a_recording_of_a_lost_link(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, tune_sources);
  w.auth_silent = true;
  peer_t *peer = peer_new(1);
  peer_log_in(&w, peer, 0);
  wcx_establish_t establish = client_establish(&w, &peer->client);
  peer_establish(&w, peer, &establish);
  peer_cut(&w, peer, true);
  world_turns(&w, 2);
  peer_forget(&w, peer);
  w.auth_silent = false;
  world_turns(&w, 6);
  assert_int_equal(code_of(&w, peer, 0, &establish), WCX_ESTABLISH_REJECT_CODE_STALE_UUID);
  assert_int_equal(atomic_load(&w.shm->stats.establish_accepted), 0);
  free(peer);
  world_close(&w);
}

/* What a session has sent over TCP has numbers of its own: they say nothing of its flow over UDP. */
static void test_requests_do_not_count_over_udp(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  peer_t *peer = peer_new(1);
  peer_open(&w, peer, 0);
  for (uint32_t i = 0; i < 3; i++)
    (void)peer_order(&w, peer, WCX_SIDE_BUY, 100);
  world_turns(&w, 4);
  client_t udp = client_of(1);
  udp.uuid = 1000;
  client_sign_on(&w, &udp);
  assert_int_equal(udp.ack.next_client_seq_no, 1);
  assert_int_equal(udp.ack.last_cl_ord_id, 3);
  free(peer);
  world_close(&w);
}

/* The sign-ons of a source are limited here as they are over UDP: who is too fast waits. */
static void test_limit_per_source(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  peer_t *peer = peer_new(1);
  for (uint32_t i = 0; i < 30; i++)
  {
    peer_log_in(&w, peer, 0);
    wcx_establish_t establish = client_establish(&w, &peer->client);
    establish.hmac_signature[0] = 0xbb;
    peer_establish(&w, peer, &establish);
    peer_cut(&w, peer, true);
    world_turns(&w, 2);
  }
  assert_int_equal(atomic_load(&w.shm->stats.establish_received), 20);
  free(peer);
  world_close(&w);
}

/* The end of the binding before is released, the beginning of this one is not: nothing is said to it. */
static void test_silent_until_its_ack(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  peer_t *old = peer_new(1);
  peer_t *peer = peer_new(1);
  take_over_held(&w, old, peer);
  atomic_store(&w.shm->release.release_word, wcx_release_pack(w.epoch, w.durable_seq - 1));
  world_turns(&w, 4);
  assert_true(peer_ended(&w, old));
  peer_pump(&w, peer);
  assert_int_equal(peer->message_cnt, 0);
  w.hold = false;
  world_turns(&w, 4);
  peer_pump(&w, peer);
  assert_true(peer_acked(peer));
  assert_int_equal(peer->message_cnt, 4);
  free(old);
  free(peer);
  world_close(&w);
}

/* --- patience ---------------------------------------------------------------------------------------------------------------------------------- */

static void assert_ends_after_patience(world_t *w, peer_t *peer, uint64_t passed_ns)
{
  world_pass(w, WCX_LINK_PATIENCE_NS - passed_ns - 100000000);
  assert_false(peer_ended(w, peer));
  world_pass(w, 200000000);
  assert_true(peer_ended(w, peer));
  peer_forget(w, peer);
  assert_all_free(w);
}

static void test_patience(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  peer_t *peer = peer_new(1);
  peer_connect(&w, peer);
  peer_write(&w, peer, "\0", 1); /* part of a login */
  assert_ends_after_patience(&w, peer, 0);
  peer_log_in(&w, peer, 0);
  for (uint32_t i = 0; i < 4; i++)
  {
    peer_say(&w, peer, 'R'); /* does not help */
    world_pass(&w, 1000000000);
  }
  assert_ends_after_patience(&w, peer, 4000000000);
  w.auth_silent = true;
  peer_log_in(&w, peer, 0);
  wcx_establish_t establish = client_establish(&w, &peer->client);
  peer_establish(&w, peer, &establish);
  assert_ends_after_patience(&w, peer, 0);
  w.auth_silent = false;
  peer_open(&w, peer, 0); /* a late verdict has not hurt */
  free(peer);
  world_close(&w);
}

/* A refusal waits at the gate for longer than anybody waits for it. */
static void test_patience_at_the_gate(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  peer_t *peer = peer_new(1);
  refuse_held(&w, peer);
  uint32_t place = peer->conn;
  assert_ends_after_patience(&w, peer, 0);
  peer_log_in(&w, peer, 0);
  assert_int_equal(peer->conn, place);
  wcx_establish_t establish = client_establish(&w, &peer->client);
  peer_establish(&w, peer, &establish);
  w.hold = false;
  world_turns(&w, 6);
  peer_pump(&w, peer);
  assert_int_equal(peer_reject_code(peer), 0); /* the refusal was an earlier peer's */
  assert_true(peer_acked(peer));
  free(peer);
  world_close(&w);
}

/* A sleep of ours is not their silence: while frames are unread that could be theirs, nobody is called silent. */
static void test_a_pause_of_ours_is_not_their_silence(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  peer_t *open = peer_new(1);
  peer_open(&w, open, 0);
  client_t udp = client_of(3);
  client_sign_on(&w, &udp);
  for (uint32_t i = 0; i < WCX_PORT_BURST_MAX + 8; i++)
    client_send_at(&w, &udp, udp.next_seq, 0, NULL, 0);
  world_stall(&w, 10000000000);
  world_turn(&w);          /* reads the first burst */
  peer_say(&w, open, 'R'); /* what the rest of the frames hold */
  world_turns(&w, 4);
  assert_false(peer_ended(&w, open));
  assert_int_equal(atomic_load(&w.shm->stats.keepalive_expired), 0);
  free(open);
  world_close(&w);
}

static void test_keep_alive(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  peer_t *peer = peer_new(1);
  peer_open(&w, peer, 0); /* keep-alive of a second: three of silence */
  (void)peer_order(&w, peer, WCX_SIDE_BUY, 100);
  for (uint32_t i = 0; i < 5; i++)
  {
    world_pass(&w, 2000000000);
    peer_say(&w, peer, 'R');
  }
  world_turns(&w, 2);
  peer_pump(&w, peer);
  assert_in_range(peer->heartbeat_cnt, 8, 11); /* ours: one a second */
  world_pass(&w, 2900000000);
  assert_false(peer_ended(&w, peer));
  world_pass(&w, 200000000);
  assert_true(peer_ended(&w, peer));
  assert_int_equal(peer_terminate_code(peer), WCX_TERMINATE_CODE_KEEP_ALIVE_EXPIRED);
  assert_int_equal(peer_cnt(peer, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL), 1);
  assert_int_equal(peer->messages[peer->message_cnt - 1].template_id, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL); /* what the end causes is still told */
  assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w.loop)), 0);
  assert_int_equal(atomic_load(&w.shm->stats.keepalive_expired), 1);
  peer_forget(&w, peer);
  assert_all_free(&w);
  free(peer);
  world_close(&w);
}

/* --- the end of a link ------------------------------------------------------------------------------------------------------------------------- */

enum moment
{
  AT_CONNECT,
  AT_LOGIN,
  AT_JUDGED,    /* the auth worker is silent */
  AT_NO_CREDIT, /* the verdict is there, the ring is full */
  AT_REFUSAL,   /* the refusal waits at the gate */
  AT_ACK,       /* accepted, the ack waits at the gate */
  AT_OPEN,
  AT_DRAIN, /* closed, its Terminate waits at the gate */
  MOMENT_CNT,
};

enum way
{
  BY_FIN,
  BY_RST,
  BY_LOGOUT,
  BY_TERMINATE,
  WAY_CNT,
};

/* Fill the journal ring with requests over UDP that are not released. */
static void fill_ring(world_t *w, client_t *udp)
{
  w->hold = true;
  uint64_t before;
  do
  {
    before = applied(w);
    client_send_order(w, udp, 1, WCX_SIDE_BUY, 50, 5, WCX_TIME_IN_FORCE_GTC);
    world_turns(w, 2);
  } while (applied(w) != before);
}

static void bring_to(world_t *w, peer_t *peer, client_t *udp, enum moment moment)
{
  if (moment == AT_CONNECT)
  {
    peer_connect(w, peer);
    world_turns(w, 2);
    return;
  }
  if (moment == AT_OPEN || moment == AT_DRAIN)
  {
    peer_open(w, peer, 0);
    (void)peer_order(w, peer, WCX_SIDE_BUY, 100);
    world_turns(w, 3);
    if (moment == AT_DRAIN)
    {
      w->hold = true;
      peer_say(w, peer, 'X');
      world_turns(w, 3);
    }
    return;
  }
  peer_log_in(w, peer, 0);
  if (moment == AT_LOGIN)
    return;
  wcx_establish_t establish = client_establish(w, &peer->client);
  establish.keep_alive_interval = moment == AT_REFUSAL ? 1 : 1000;
  w->auth_silent = moment == AT_JUDGED;
  if (moment == AT_NO_CREDIT)
    fill_ring(w, udp);
  w->hold = moment != AT_JUDGED;
  peer_establish(w, peer, &establish);
  world_turns(w, 4);
}

static void leave(world_t *w, peer_t *peer, enum way way)
{
  wcx_terminate_t terminate = {.uuid = peer->client.uuid};
  if (way == BY_LOGOUT)
    peer_say(w, peer, 'O');
  else if (way == BY_TERMINATE)
    peer_send(w, peer, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate));
  else
    peer_cut(w, peer, way == BY_RST);
}

/* Every way to go at every moment: the place comes free, the session can be opened again, its number sequence has no hole and nobody else notices. */
static void test_every_end_at_every_moment(void **state)
{
  (void)state;
  for (enum moment moment = AT_CONNECT; moment < MOMENT_CNT; moment++)
    for (enum way way = BY_FIN; way < WAY_CNT; way++)
    {
      world_t w;
      world_new(&w, tune_sources);
      client_t udp = client_of(3);
      client_sign_on(&w, &udp);
      peer_t *other = peer_new(2);
      peer_open(&w, other, 0);
      peer_t *peer = peer_new(1);
      bring_to(&w, peer, &udp, moment);
      leave(&w, peer, way);
      world_turns(&w, 4);
      w.auth_silent = false;
      world_turns(&w, 4);
      w.hold = false;
      world_turns(&w, 40);
      if (!peer_ended(&w, peer))
        fail_msg("moment %d way %d: the link is still there", (int)moment, (int)way);
      if (moment == AT_OPEN && way == BY_TERMINATE)
        assert_int_equal(peer_terminate_code(peer), WCX_TERMINATE_CODE_FINISHED);
      peer_forget(&w, peer);
      peer_open(&w, peer, 1);
      for (uint32_t i = 0; i < peer->message_cnt; i++)
        assert_int_equal(peer->messages[i].number, i + 1);
      assert_int_equal(peer_cnt(peer, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL), moment >= AT_OPEN); /* cancel-on-disconnect, once */
      uint64_t order = peer_order(&w, other, WCX_SIDE_BUY, 90);
      world_turns(&w, 4);
      peer_pump(&w, other);
      assert_int_equal(peer_acks(other, order), 1);
      for (peer_t **each = (peer_t *[]){peer, other, NULL}; *each != NULL; each++)
      {
        peer_cut(&w, *each, true);
        world_turns(&w, 2);
        peer_forget(&w, *each);
      }
      assert_all_free(&w);
      free(peer);
      free(other);
      world_close(&w);
    }
}

/* Whatever is malformed ends an open link with a sequenced Terminate. */
static void test_malformed(void **state)
{
  (void)state;
  static const struct
  {
    const char *data;
    uint32_t len;
  } cases[] = {{"\0\0", 2}, {"\xff\xff", 2}, {"\x06\0U", 3}, {"\0\1X", 3}, {"\0\1U", 3}, {"\0\6Ushort", 8}, {"\0\1L", 3}, {"\0\1S", 3}};
  world_t w;
  world_new(&w, tune_sources);
  peer_t *peer = peer_new(1);
  for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
  {
    peer_open(&w, peer, 0);
    uint64_t order = peer_order(&w, peer, WCX_SIDE_BUY, 100);
    peer_write(&w, peer, cases[i].data, cases[i].len);
    uint64_t after = peer_order(&w, peer, WCX_SIDE_BUY, 100);
    world_turns(&w, 6);
    assert_true(peer_ended(&w, peer));
    assert_int_equal(peer_acks(peer, order), 1); /* what came before it counts, what came behind does not */
    assert_int_equal(peer_acks(peer, after), 0);
    assert_int_equal(peer_terminate_code(peer), WCX_TERMINATE_CODE_PROTOCOL_ERROR);
    assert_int_equal(peer_cnt(peer, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL), 1);
    peer_forget(&w, peer);
  }
  assert_all_free(&w);
  free(peer);
  world_close(&w);
}

/* --- take-over and cancel-on-disconnect -------------------------------------------------------------------------------------------------------- */

static void test_take_over(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  peer_t *old = peer_new(1);
  peer_t *peer = peer_new(1);
  take_over_held(&w, old, peer);
  (void)peer_order(&w, old, WCX_SIDE_BUY, 101); /* it does not speak for the session any more */
  world_turns(&w, 10);
  peer_pump(&w, peer);
  assert_int_equal(peer->message_cnt, 0);
  assert_false(peer_ended(&w, old));
  assert_int_equal(peer_terminate_code(old), UINT8_MAX);
  w.hold = false;
  world_turns(&w, 4);
  assert_true(peer_ended(&w, old));
  assert_int_equal(peer_terminate_code(old), WCX_TERMINATE_CODE_NEW_LOGIN);
  assert_int_equal(old->messages[old->message_cnt - 1].template_id, WCX_TEMPLATE_TERMINATE); /* and not the ack of its successor */
  peer_pump(&w, peer);
  assert_true(peer_acked(peer));
  assert_int_equal(peer->message_cnt, 4); /* ack, order, Terminate, ack */
  assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w.loop)), 1);
  peer->client.cl_ord_id = 1;
  uint64_t order = peer_order(&w, peer, WCX_SIDE_BUY, 102);
  world_turns(&w, 4);
  peer_pump(&w, peer);
  assert_int_equal(peer_acks(peer, order), 1);
  free(old);
  free(peer);
  world_close(&w);
}

/* The orders go with the last binding of the session, whichever transport that is. */
static void test_cancel_on_disconnect(void **state)
{
  (void)state;
  for (uint32_t first = 0; first < 2; first++) /* 0: TCP goes first */
    for (uint32_t cod = 0; cod < 2; cod++)
    {
      world_t w;
      world_new(&w, NULL);
      client_t udp = client_of(1);
      wcx_establish_t establish = client_establish(&w, &udp);
      establish.flags = cod != 0 ? FLAG_COD : 0;
      client_send_establish(&w, &udp, &establish);
      world_turns(&w, 6);
      assert_true(world_expect(&w, &udp, WCX_TEMPLATE_ESTABLISH_ACK, &udp.ack, sizeof(udp.ack)));
      memcpy(udp.mold, udp.ack.mold_session, 10);
      udp.next_seq = 1;
      peer_t *peer = peer_new(1);
      peer->client.uuid = 1000;
      peer_log_in(&w, peer, 0);
      establish = client_establish(&w, &peer->client);
      establish.flags = cod != 0 ? FLAG_COD : 0;
      peer_establish(&w, peer, &establish);
      assert_true(peer_acked(peer));
      (void)peer_order(&w, peer, WCX_SIDE_BUY, 100);
      world_turns(&w, 4);
      wcx_terminate_t terminate = {.uuid = udp.uuid};
      for (uint32_t i = 0; i < 2; i++)
      {
        assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w.loop)), 1);
        if (i == first)
          peer_cut(&w, peer, true);
        else
          client_send(&w, &udp, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate));
        world_turns(&w, 4);
      }
      assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w.loop)), 1 - cod);
      free(peer);
      world_close(&w);
    }
}

/* --- the table --------------------------------------------------------------------------------------------------------------------------------- */

static void test_table_full(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  peer_t *peer = peer_new(1);
  peer_open(&w, peer, 0);
  peer_t *idle[LINKS_MAX - 1];
  for (uint32_t i = 0; i < LINKS_MAX - 1; i++)
  {
    idle[i] = peer_new(2);
    peer_connect(&w, idle[i]);
  }
  wcx_peer_t from = {.ip = CLIENT_IP, .port = 9};
  assert_int_equal(wcx_tcp_sim_connect(w.tcp, &from, 7001), WCX_TCP_SIM_NONE);
  assert_int_equal(wcx_tcp_sim_connect(w.tcp, &from, 7002), WCX_TCP_SIM_NONE);
  world_turns(&w, 2);
  uint64_t order = peer_order(&w, peer, WCX_SIDE_BUY, 100);
  for (uint32_t i = 0; i < 6; i++)
  {
    world_pass(&w, 1000000000);
    peer_say(&w, peer, 'R');
  }
  peer_pump(&w, peer);
  assert_int_equal(peer_acks(peer, order), 1);
  assert_false(peer_ended(&w, peer));
  for (uint32_t i = 0; i < LINKS_MAX - 1; i++)
  {
    assert_true(peer_ended(&w, idle[i]));
    peer_forget(&w, idle[i]);
    free(idle[i]);
  }
  peer_cut(&w, peer, false);
  world_turns(&w, 3);
  peer_forget(&w, peer);
  assert_all_free(&w);
  free(peer);
  world_close(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_open),
      cmocka_unit_test(test_logins_refused),
      cmocka_unit_test(test_not_the_first_word),
      cmocka_unit_test(test_codes),
      cmocka_unit_test(test_nothing_before_establish),
      cmocka_unit_test(test_refusal_is_gated),
      cmocka_unit_test(test_verdict_for_an_earlier_peer),
      cmocka_unit_test(test_patience),
      cmocka_unit_test(test_patience_at_the_gate),
      cmocka_unit_test(test_a_pause_of_ours_is_not_their_silence),
      cmocka_unit_test(test_keep_alive),
      cmocka_unit_test(test_every_end_at_every_moment),
      cmocka_unit_test(test_malformed),
      cmocka_unit_test(test_take_over),
      cmocka_unit_test(test_cancel_on_disconnect),
      cmocka_unit_test(test_table_full),
      cmocka_unit_test(test_a_recording_of_a_lost_link),
      cmocka_unit_test(test_limit_per_source),
      cmocka_unit_test(test_silent_until_its_ack),
      cmocka_unit_test(test_requests_do_not_count_over_udp),
  };
  return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
