/* Order in, ack out; nothing leaves before its input is released; what would leave early ends the process. */
#include "tests/unit/loop_fixture.h"

#include "dataplane/egress.h"
#include "dataplane/input.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_order_is_acked(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  world_turns(&w, 3);
  sent_t sent;
  assert_true(world_next(&w, &sent));
  assert_int_equal(sent.to_ip, client.ip);
  assert_memory_equal(sent.mold.session, client.mold, 10);
  assert_int_equal(sent.mold.sequence, client.ack.next_server_seq_no);
  assert_int_equal(sent.mold.count, 1);
  wcx_execution_report_new_t ack;
  memcpy(&ack, sent.mold.blocks + 10, sizeof(ack));
  assert_int_equal(ack.cl_ord_id, client.cl_ord_id);
  assert_int_equal(ack.leaves_qty, 5);
  /* private before public: the same event on both sides of the feed comes after it */
  assert_true(world_next(&w, &sent));
  assert_int_equal(sent.to_ip, 0xef4d0001u);
  assert_int_equal(sent.datagram.to_port, 7101);
  assert_true(world_next(&w, &sent));
  assert_int_equal(sent.to_ip, 0xef4d0002u);
  assert_false(world_next(&w, &sent));
  world_close(&w);
}

static void test_nothing_leaves_before_release(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  w.hold = true;
  for (uint32_t i = 0; i < 20; i++)
  {
    client_send_order(&w, &client, 1, i % 2 ? WCX_SIDE_BUY : WCX_SIDE_SELL, 100, 5, WCX_TIME_IN_FORCE_GTC);
  }
  /* what mentions state waits as well */
  client_send_at(&w, &client, client.next_seq + 5, 0, NULL, 0);
  world_turns(&w, 100);
  assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w.loop)), 0);
  assert_int_equal(wcx_wire_pending(w.wire), 0);
  assert_true(atomic_load(&w.shm->stats.gate_waits) > 0);
  w.hold = false;
  world_turns(&w, 3);
  wcx_not_applied_t not_applied;
  assert_true(world_expect(&w, &client, WCX_TEMPLATE_NOT_APPLIED, &not_applied, sizeof(not_applied)));
  assert_int_equal(not_applied.from_seq_no, client.next_seq);
  assert_int_equal(not_applied.count, 5);
  world_close(&w);
}

/* An input that says nothing and is not released, and then what `ask` sends: its answer must wait, though nothing stands before it at the gate. */
static void expect_to_wait(world_t *w, client_t *client, void (*ask)(world_t *w, client_t *client), uint16_t template_id, uint32_t sz)
{
  uint8_t answer[256];
  assert_true(sz <= sizeof(answer));
  world_turns(w, 3);
  world_drain(w);
  w->hold = true;
  wcx_tick_t tick = {.transact_time = w->utc_ns};
  assert_int_not_equal(wcx_loop_define(w->loop, WCX_TEMPLATE_TICK, &tick, sizeof(tick)), 0);
  ask(w, client);
  world_turns(w, 20);
  assert_int_equal(wcx_wire_pending(w->wire), 0);
  w->hold = false;
  world_turns(w, 3);
  assert_true(world_expect(w, client, template_id, answer, sz));
}

static void ask_status(world_t *w, client_t *client)
{
  wcx_session_status_request_t request = {.request_id = 7};
  client_send(w, client, WCX_TEMPLATE_SESSION_STATUS_REQUEST, &request, sizeof(request));
}

static void ask_behind_a_gap(world_t *w, client_t *client)
{
  client->next_seq += 5;
  client_send_at(w, client, client->next_seq, 0, NULL, 0);
}

static void ask_with_a_used_uuid(world_t *w, client_t *client)
{
  wcx_establish_t establish = client_establish(w, client);
  establish.uuid = client->ack.uuid;
  client_send_establish(w, client, &establish);
}

static void test_what_is_read_behind_a_silent_input_waits(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  expect_to_wait(&w, &client, ask_status, WCX_TEMPLATE_SESSION_STATUS_RESPONSE, sizeof(wcx_session_status_response_t));
  expect_to_wait(&w, &client, ask_behind_a_gap, WCX_TEMPLATE_NOT_APPLIED, sizeof(wcx_not_applied_t));
  expect_to_wait(&w, &client, ask_with_a_used_uuid, WCX_TEMPLATE_ESTABLISH_REJECT, sizeof(wcx_establish_reject_t));
  world_close(&w);
}

/* The session string is news of an input: whoever signs on hears nothing, no heartbeat either, before it is released. */
static void test_nobody_is_spoken_to_before_the_ack(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  world_pass(&w, 1000000000); /* the feed has just said that it lives */
  world_drain(&w);
  w.hold = true;
  wcx_establish_t establish = client_establish(&w, &client);
  establish.keep_alive_interval = 200;
  client_send_establish(&w, &client, &establish);
  world_pass(&w, 400000000); /* four heartbeats, fewer than the silence that ends it */
  assert_int_equal(atomic_load(&w.shm->stats.establish_accepted), 1);
  assert_int_equal(wcx_wire_pending(w.wire), 0);
  w.hold = false;
  world_turns(&w, 3);
  assert_true(world_expect(&w, &client, WCX_TEMPLATE_ESTABLISH_ACK, &client.ack, sizeof(client.ack)));
  world_close(&w);
}

/* Once a period of sleep: the second order finds the worker awake. */
static void test_a_sleeping_worker_is_woken(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  w.hold = true;
  world_turns(&w, 10);
  uint64_t wakes = atomic_load(&w.shm->stats.journal_wakes);
  wcx_doorbell_prepare(&w.shm->jring.bell);
  world_turns(&w, 10);
  assert_int_equal(atomic_load(&w.shm->stats.journal_wakes), wakes); /* nothing to do */
  for (uint32_t i = 0; i < 2; i++)
  {
    client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
    world_turns(&w, 10);
    assert_int_equal(atomic_load(&w.shm->stats.journal_wakes), wakes + 1);
    assert_int_equal(atomic_load(&w.shm->jring.bell.asleep), 0);
  }
  world_close(&w);
}

static void test_full_ring_leaves_frames_unread(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  w.hold = true;
  for (uint32_t i = 0; i < 600; i++)
  {
    wcx_order_cancel_request_t cancel = {.cl_ord_id = ++client.cl_ord_id, .orig_cl_ord_id = 1, .order_id = WCX_U64_NULL, .security_id = 1};
    client_send(&w, &client, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, &cancel, sizeof(cancel));
  }
  world_turns(&w, 100);
  assert_true(atomic_load(&w.shm->stats.backpressure_turns) > 0);
  assert_int_equal(wcx_wire_pending(w.wire), 0);
  uint64_t sequenced = atomic_load(&w.shm->stats.requests_sequenced);
  assert_true(sequenced < 256);
  w.hold = false;
  world_turns(&w, 200);
  assert_int_equal(atomic_load(&w.shm->stats.requests_sequenced), 600);
  assert_int_equal(atomic_load(&w.shm->stats.requests_stale), 0);
  uint32_t acks = 0;
  sent_t sent;
  while (world_next_to(&w, &client, &sent))
    acks += sent.mold.count;
  assert_int_equal(acks, 600);
  world_close(&w);
}

/* Run `fn` in a child and return how it ended. */
static int ending_of(void (*fn)(void))
{
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
  {
    if (freopen("/dev/null", "w", stderr) == NULL)
      _exit(9);
    fn();
    _exit(0);
  }
  int status = 0;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void plant_early_release(void)
{
  wcx_stats_t stats = {0};
  wcx_port_t *port = wcx_port_open(WCX_PORT_AF_XDP, "planted", 0, false);
  wcx_egress_t egress = {.port = port, .stats = &stats, .net = {.ip = WORLD_IP}};
  wcx_peer_t to = {.ip = CLIENT_IP, .port = 1};
  uint8_t message[16] = {0};
  (void)wcx_egress_answer(&egress, &to, 7002, message, sizeof(message), 8);
  (void)wcx_egress_flush(&egress, 7);
}

static void test_transmit_check_catches_a_planted_early_release(void **state)
{
  (void)state;
  assert_int_equal(ending_of(plant_early_release), SIGABRT);
}

static void plant_early_message(void)
{
  wcx_stats_t stats = {0};
  wcx_port_t *port = wcx_port_open(WCX_PORT_AF_XDP, "planted", 0, false);
  wcx_egress_t egress = {.port = port, .stats = &stats, .net = {.ip = WORLD_IP}};
  wcx_peer_t to = {.ip = CLIENT_IP, .port = 1};
  wcx_packet_t packet;
  uint8_t message[16] = {0};
  if (!wcx_egress_open(&egress, &packet, &to, NULL, 0))
    return;
  wcx_packet_add(&packet, message, sizeof(message), 8);
  wcx_packet_add(&packet, message, sizeof(message), 3);
  wcx_egress_send(&egress, &packet, &to, 7002);
  (void)wcx_egress_flush(&egress, 7);
}

static void plant_early_end_of_session(void)
{
  wcx_stats_t stats = {0};
  wcx_port_t *port = wcx_port_open(WCX_PORT_AF_XDP, "planted", 0, false);
  wcx_egress_t egress = {.port = port, .stats = &stats, .net = {.ip = WORLD_IP}};
  wcx_peer_t to = {.ip = CLIENT_IP, .port = 1};
  (void)wcx_egress_end_of_session(&egress, &to, 7003, "M001260921", 4, 8);
  (void)wcx_egress_flush(&egress, 7);
}

/* Whichever of its messages it is, and what says that nothing follows. */
static void test_transmit_check_looks_at_the_newest_input(void **state)
{
  (void)state;
  assert_int_equal(ending_of(plant_early_message), SIGABRT);
  assert_int_equal(ending_of(plant_early_end_of_session), SIGABRT);
}

/* A port that takes one frame a call; the frames depend on inputs 1, 2 and 9. */
static void plant_left_over(uint64_t release_seq)
{
  wcx_stats_t stats = {0};
  wcx_wire_set_faults(wcx_wire_get("left over"), &(wcx_wire_faults_t){.seed = 1, .tx_room = 1});
  wcx_port_t *port = wcx_port_open(WCX_PORT_AF_XDP, "left over", 0, false);
  wcx_egress_t egress = {.port = port, .stats = &stats, .net = {.ip = WORLD_IP}};
  wcx_peer_t to = {.ip = CLIENT_IP, .port = 1};
  uint8_t message[16] = {0};
  static const uint64_t seqs[] = {1, 2, 9};
  for (uint32_t i = 0; i < 3; i++)
    (void)wcx_egress_answer(&egress, &to, 7002, message, sizeof(message), seqs[i]);
  if (wcx_egress_flush(&egress, 9) != 1 || wcx_egress_flush(&egress, 9) != 1)
    _exit(9);
  (void)wcx_egress_flush(&egress, release_seq);
}

static void plant_left_over_early(void)
{
  plant_left_over(8);
}

static void plant_left_over_in_time(void)
{
  plant_left_over(9);
}

/* Frames that the port had no room for keep the inputs they depend on. */
static void test_transmit_check_knows_what_is_left_over(void **state)
{
  (void)state;
  assert_int_equal(ending_of(plant_left_over_in_time), 0);
  assert_int_equal(ending_of(plant_left_over_early), SIGABRT);
}

static void plant_epoch(uint64_t ahead)
{
  world_t w;
  world_new(&w, NULL);
  w.dead = true;
  atomic_store(&w.shm->release.release_word, wcx_release_pack(w.epoch + ahead, w.durable_seq));
  world_turn(&w);
}

static void plant_foreign_epoch(void)
{
  plant_epoch(1);
}

static void plant_epoch_far_ahead(void)
{
  plant_epoch(UINT64_C(1) << 15);
}

static void plant_release(uint64_t seq)
{
  world_t w;
  world_new(&w, NULL);
  w.dead = true;
  atomic_store(&w.shm->release.release_word, wcx_release_pack(w.epoch, seq));
  world_turn(&w);
}

static void plant_release_of_nothing(void)
{
  plant_release(0);
}

static void plant_release_of_more(void)
{
  plant_release(UINT64_C(1) << 40);
}

static void test_release_that_cannot_be_halts(void **state)
{
  (void)state;
  assert_int_equal(ending_of(plant_release_of_nothing), SIGABRT); /* it had been higher */
  assert_int_equal(ending_of(plant_release_of_more), SIGABRT);    /* than what was ever applied */
}

static void test_foreign_epoch_halts(void **state)
{
  (void)state;
  assert_int_equal(ending_of(plant_foreign_epoch), SIGABRT);
  assert_int_equal(ending_of(plant_epoch_far_ahead), SIGABRT); /* the highest bit that the word has of it */
}

static world_t *overtaken; /* another data plane takes over as this one's gate builds its first frame */

bool __real_wcx_port_alloc(wcx_port_t *port, wcx_frame_t *frame);
bool __wrap_wcx_port_alloc(wcx_port_t *port, wcx_frame_t *frame);

bool __wrap_wcx_port_alloc(wcx_port_t *port, wcx_frame_t *frame)
{
  if (overtaken != NULL)
    atomic_store(&overtaken->shm->release.release_word, wcx_release_pack(overtaken->epoch + 1, overtaken->durable_seq));
  return __real_wcx_port_alloc(port, frame);
}

static void plant_epoch_within_a_turn(void)
{
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  world_turns(&w, 10);
  w.hold = true;
  client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  world_turns(&w, 10);
  w.dead = true;
  atomic_store(&w.shm->release.release_word, wcx_release_pack(w.epoch, w.durable_seq));
  overtaken = &w;
  (void)wcx_loop_step(w.loop, w.mono_ns, w.utc_ns);
}

/* A process that was stopped between its look at the release word and its burst must not send it when it goes on. */
static void test_the_epoch_is_looked_at_for_each_burst(void **state)
{
  (void)state;
  assert_int_equal(ending_of(plant_epoch_within_a_turn), SIGABRT);
}

/* An output cannot be taken back: an input waits until the log has room for the worst it can say, and for what the data plane itself says. */
static void test_credit_is_for_the_worst_output(void **state)
{
  (void)state;
  static _Alignas(64) uint8_t mem[65536];
  static wcx_outlog_t log;
  static wcx_input_t input;
  wcx_outlog_init(&log, mem, sizeof(mem));
  input = (wcx_input_t){.log = &log};
  for (uint32_t i = 0; i < 10; i++)
  {
    uint64_t room = wcx_outlog_room(&log);
    assert_true(room > WCX_INPUT_LOG_RESERVE);
    assert_true(wcx_input_room(&input, 1, room - WCX_INPUT_LOG_RESERVE));
    assert_false(wcx_input_room(&input, 1, room - WCX_INPUT_LOG_RESERVE + 1));
    (void)wcx_outlog_reserve(&log, 5008);
  }
  input.mark_head = WCX_DIGEST_MARK_MAX - 1; /* nor is a digest mark lost that waits for its release */
  assert_true(wcx_input_room(&input, 1, 0));
  input.mark_head++;
  assert_false(wcx_input_room(&input, 1, 0));
}

static void give_inputs(world_t *w, client_t *client, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
  {
    client_send_order(w, client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_IOC);
    if (i % 16 == 15)
      world_turns(w, 2);
  }
  world_turns(w, 10);
  world_drain(w);
}

/* Who compares digests with the journal must not be told of what may never be in it. */
static void test_digests_are_told_of_released_inputs(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  while (w.durable_seq < WCX_DIGEST_MARK_EVERY - 100)
    give_inputs(&w, &client, 32);
  assert_int_equal(atomic_load(&w.shm->marks.cnt), 0);
  w.hold = true;
  give_inputs(&w, &client, 200);
  assert_true(wcx_engine_applied_seq(wcx_loop_engine(w.loop)) > WCX_DIGEST_MARK_EVERY);
  assert_true(wcx_release_seq(atomic_load(&w.shm->release.release_word)) < WCX_DIGEST_MARK_EVERY);
  assert_int_equal(atomic_load(&w.shm->marks.cnt), 0);
  w.hold = false;
  world_turns(&w, 10);
  assert_int_equal(atomic_load(&w.shm->marks.cnt), 1);
  assert_int_equal(w.shm->marks.marks[0].seq, WCX_DIGEST_MARK_EVERY);
  world_close(&w);
}

static void test_busy_port_loses_nothing(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  wcx_wire_set_faults(w.wire, &(wcx_wire_faults_t){.seed = 1, .tx_room = 1});
  for (uint32_t i = 0; i < 300; i++)
  {
    client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_IOC);
  }
  world_turns(&w, 200);
  uint64_t next = client.ack.next_server_seq_no;
  sent_t sent;
  while (world_next_to(&w, &client, &sent))
  {
    assert_int_equal(sent.mold.sequence, next);
    next += sent.mold.count;
  }
  assert_int_equal(next, client.ack.next_server_seq_no + 600);
  world_close(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_order_is_acked),
      cmocka_unit_test(test_nothing_leaves_before_release),
      cmocka_unit_test(test_what_is_read_behind_a_silent_input_waits),
      cmocka_unit_test(test_nobody_is_spoken_to_before_the_ack),
      cmocka_unit_test(test_a_sleeping_worker_is_woken),
      cmocka_unit_test(test_full_ring_leaves_frames_unread),
      cmocka_unit_test(test_transmit_check_catches_a_planted_early_release),
      cmocka_unit_test(test_transmit_check_looks_at_the_newest_input),
      cmocka_unit_test(test_transmit_check_knows_what_is_left_over),
      cmocka_unit_test(test_release_that_cannot_be_halts),
      cmocka_unit_test(test_foreign_epoch_halts),
      cmocka_unit_test(test_the_epoch_is_looked_at_for_each_burst),
      cmocka_unit_test(test_credit_is_for_the_worst_output),
      cmocka_unit_test(test_digests_are_told_of_released_inputs),
      cmocka_unit_test(test_busy_port_loses_nothing),
  };
  return cmocka_run_group_tests_name("loop_gate", tests, NULL, NULL);
}
