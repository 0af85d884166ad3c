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
  wcx_new_order_single_t order = client_order(&client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  client_send(&w, &client, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
  world_turns(&w, 3);
  sent_t sent;
  assert_true(world_next(&w, &sent));
  assert_int_equal(sent.to_ip, client.ip);
  assert_memory_equal(sent.mold.session, client.mold, 10);
  assert_int_equal(sent.mold.sequence, client.ack.next_server_seq_no);
  assert_int_equal(sent.mold.count, 1);
  wcx_execution_report_new_t ack;
  memcpy(&ack, sent.mold.blocks + 10, sizeof(ack));
  assert_int_equal(ack.cl_ord_id, order.cl_ord_id);
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
    wcx_new_order_single_t order = client_order(&client, 1, i % 2 ? WCX_SIDE_BUY : WCX_SIDE_SELL, 100, 5, WCX_TIME_IN_FORCE_GTC);
    client_send(&w, &client, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
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
    wcx_new_order_single_t order = client_order(&client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
    client_send(&w, &client, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
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

static void plant_foreign_epoch(void)
{
  world_t w;
  world_new(&w, NULL);
  w.dead = true;
  atomic_store(&w.shm->release.release_word, wcx_release_pack(w.epoch + 1, w.durable_seq));
  world_turn(&w);
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
  wcx_new_order_single_t order = client_order(&client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  client_send(&w, &client, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
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
}

static void give_inputs(world_t *w, client_t *client, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
  {
    wcx_new_order_single_t order = client_order(client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_IOC);
    client_send(w, client, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
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
    wcx_new_order_single_t order = client_order(&client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_IOC);
    client_send(&w, &client, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
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
      cmocka_unit_test(test_a_sleeping_worker_is_woken),
      cmocka_unit_test(test_full_ring_leaves_frames_unread),
      cmocka_unit_test(test_transmit_check_catches_a_planted_early_release),
      cmocka_unit_test(test_release_that_cannot_be_halts),
      cmocka_unit_test(test_foreign_epoch_halts),
      cmocka_unit_test(test_the_epoch_is_looked_at_for_each_burst),
      cmocka_unit_test(test_credit_is_for_the_worst_output),
      cmocka_unit_test(test_digests_are_told_of_released_inputs),
      cmocka_unit_test(test_busy_port_loses_nothing),
  };
  return cmocka_run_group_tests_name("loop_gate", tests, NULL, NULL);
}
