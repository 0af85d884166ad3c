/* What the histograms of the stages count: a clock that only the parts of the loop move says exactly how long each stage of a request was. */
#include "dataplane/gate.h"
#include "engine/sbe_meta.h"
#include "tests/sim/env_sim.h"
#include "tests/unit/loop_fixture.h"

enum step_ns
{
  RX_NS = 300,
  DECODE_NS = 70,
  SEQUENCE_NS = 50,
  APPLY_NS = 1100,
  GATE_NS = 200,
  TX_NS = 400,
};
#define REQUEST_NS (RX_NS + DECODE_NS + SEQUENCE_NS + APPLY_NS + GATE_NS + TX_NS)

/* Parts of the loop take their time (linked with --wrap); nothing else moves the clock within a turn. */
uint32_t __real_wcx_port_rx(wcx_port_t *port, wcx_frame_t *frames, uint32_t max);
uint32_t __real_wcx_port_tx(wcx_port_t *port, wcx_frame_t *frames, uint32_t cnt);
const wcx_sbe_msg_t *__real_wcx_sbe_find(uint16_t template_id);
uint64_t __real_wcx_engine_output_bound(const wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body);
void __real_wcx_engine_apply(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, wcx_outlog_t *log);
uint32_t __real_wcx_gate_run(wcx_gate_t *gate, uint64_t release_seq, uint64_t mono_ns);
uint32_t __wrap_wcx_port_rx(wcx_port_t *port, wcx_frame_t *frames, uint32_t max);
uint32_t __wrap_wcx_port_tx(wcx_port_t *port, wcx_frame_t *frames, uint32_t cnt);
const wcx_sbe_msg_t *__wrap_wcx_sbe_find(uint16_t template_id);
uint64_t __wrap_wcx_engine_output_bound(const wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body);
void __wrap_wcx_engine_apply(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, wcx_outlog_t *log);
uint32_t __wrap_wcx_gate_run(wcx_gate_t *gate, uint64_t release_seq, uint64_t mono_ns);

uint32_t __wrap_wcx_port_rx(wcx_port_t *port, wcx_frame_t *frames, uint32_t max)
{
  wcx_sim_advance_ns(RX_NS);
  return __real_wcx_port_rx(port, frames, max);
}

static uint32_t tx_calls;
static uint32_t tx_frames[64]; /* given with each of the last calls */

uint32_t __wrap_wcx_port_tx(wcx_port_t *port, wcx_frame_t *frames, uint32_t cnt)
{
  tx_frames[tx_calls++ % 64] = cnt;
  wcx_sim_advance_ns(TX_NS);
  return __real_wcx_port_tx(port, frames, cnt);
}

const wcx_sbe_msg_t *__wrap_wcx_sbe_find(uint16_t template_id)
{
  wcx_sim_advance_ns(DECODE_NS);
  return __real_wcx_sbe_find(template_id);
}

uint64_t __wrap_wcx_engine_output_bound(const wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body)
{
  wcx_sim_advance_ns(SEQUENCE_NS);
  return __real_wcx_engine_output_bound(engine, hdr, body);
}

void __wrap_wcx_engine_apply(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, wcx_outlog_t *log)
{
  wcx_sim_advance_ns(APPLY_NS);
  __real_wcx_engine_apply(engine, hdr, body, log);
}

uint32_t __wrap_wcx_gate_run(wcx_gate_t *gate, uint64_t release_seq, uint64_t mono_ns)
{
  wcx_sim_advance_ns(GATE_NS);
  return __real_wcx_gate_run(gate, release_seq, mono_ns);
}

/* Clock of the environment and time of the world are the same at the beginning of a turn. */
static void turn(world_t *w)
{
  uint64_t next_ns = w->mono_ns + 10000;
  uint64_t late_ns = wcx_env_mono_ns() > next_ns ? wcx_env_mono_ns() - next_ns : 0;
  world_stall(w, late_ns);
  wcx_sim_advance_ns(next_ns + late_ns - wcx_env_mono_ns());
  world_turn(w);
}

static void turns(world_t *w, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
    turn(w);
}

static void without_journal(wcx_params_t *params)
{
  params->durability = WCX_DURABILITY_LEVEL_D0_NONE;
}

static void start(world_t *w, world_tune_t *tune)
{
  wcx_sim_env_reset(1);
  world_open(w, world_region(1, tune), 0);
  for (uint32_t i = 0; i < 100 && !wcx_loop_serving(w->loop); i++)
    turn(w);
  assert_true(wcx_loop_serving(w->loop));
}

static void sign_on(world_t *w, client_t *client)
{
  wcx_establish_t establish = client_establish(w, client);
  client_send_establish(w, client, &establish);
  turns(w, 6);
  assert_true(world_expect(w, client, WCX_TEMPLATE_ESTABLISH_ACK, &client->ack, sizeof(client->ack)));
  memcpy(client->mold, client->ack.mold_session, sizeof(client->mold));
  client->next_seq = client->ack.next_client_seq_no;
  client->cl_ord_id = client->ack.last_cl_ord_id;
}

static void order(world_t *w, client_t *client)
{
  client_send_order(w, client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
}

static const wcx_stage_hist_t *hist(const world_t *w, enum wcx_stage stage)
{
  return &w->shm->stages.hists[stage];
}

static uint64_t followed(const world_t *w)
{
  return atomic_load(&hist(w, WCX_STAGE_total)->cnt);
}

/* `cnt` requests, each of which stayed so long in every stage. */
static void expect_each(const world_t *w, uint64_t cnt, const uint64_t ns[WCX_STAGE_CNT])
{
  for (uint32_t i = 0; i < WCX_STAGE_CNT; i++)
  {
    assert_int_equal(atomic_load(&hist(w, i)->cnt), cnt);
    assert_int_equal(atomic_load(&hist(w, i)->sum), cnt * ns[i]);
    assert_int_equal(atomic_load(&hist(w, i)->max), ns[i]);
    assert_int_equal(atomic_load(&hist(w, i)->buckets[wcx_stage_bucket(ns[i])]), cnt);
  }
}

static const uint64_t alone[WCX_STAGE_CNT] = {RX_NS, DECODE_NS, SEQUENCE_NS, APPLY_NS, GATE_NS, TX_NS, REQUEST_NS};

static void test_each_stage_of_a_quiet_appliance(void **state)
{
  (void)state;
  world_t w;
  start(&w, without_journal);
  client_t client = client_of(1);
  sign_on(&w, &client);
  order(&w, &client);
  turns(&w, 4);
  assert_int_equal(followed(&w), 0); /* the scale is not known yet */
  turns(&w, (uint32_t)(WCX_TRACE_LEARN_NS / 10000));
  for (uint32_t i = 0; i < 5; i++)
  {
    order(&w, &client);
    turn(&w);
    turns(&w, (uint32_t)(WCX_TRACE_REST_NS / 10000));
  }
  expect_each(&w, 5, alone);

  /* what is no request is not followed, and the next request is */
  client_send_at(&w, &client, client.next_seq, 0, NULL, 0);
  world_send(&w, client.ip, client.port, 7002, "nothing", 7);
  turns(&w, 3);
  assert_int_equal(followed(&w), 5);
  order(&w, &client);
  turn(&w);
  expect_each(&w, 6, alone);

  /* between two of them lies a rest */
  order(&w, &client);
  turn(&w);
  order(&w, &client);
  turn(&w);
  assert_int_equal(followed(&w), 6);
  world_close(&w);
}

static void test_one_of_a_burst(void **state)
{
  (void)state;
  world_t w;
  start(&w, without_journal);
  client_t client = client_of(1);
  sign_on(&w, &client);
  turns(&w, (uint32_t)(WCX_TRACE_LEARN_NS / 10000) + 1);
  uint64_t waited = 0;
  for (uint32_t i = 0; i < 4; i++)
  {
    for (uint32_t k = 0; k < 4; k++)
      order(&w, &client);
    turn(&w);
    turns(&w, (uint32_t)(WCX_TRACE_REST_NS / 10000));
    waited += (DECODE_NS + SEQUENCE_NS + APPLY_NS) * 3; /* behind others before it, or until they were applied, too */
  }
  assert_int_equal(followed(&w), 4);
  assert_int_equal(atomic_load(&hist(&w, WCX_STAGE_apply)->sum), 4 * APPLY_NS);
  assert_int_equal(atomic_load(&hist(&w, WCX_STAGE_decode)->sum), 4 * DECODE_NS);
  assert_int_equal(atomic_load(&hist(&w, WCX_STAGE_total)->sum), 4 * REQUEST_NS + waited);
  /* each frame's turn came: its share of the wait lies behind it in `gate` */
  assert_int_equal(atomic_load(&hist(&w, WCX_STAGE_gate)->sum), 4 * GATE_NS + (3 + 2 + 1 + 0) * (DECODE_NS + SEQUENCE_NS + APPLY_NS));
  world_close(&w);
}

static void test_the_gate_is_waited_for(void **state)
{
  (void)state;
  world_t w;
  start(&w, NULL);
  client_t client = client_of(1);
  sign_on(&w, &client);
  turns(&w, (uint32_t)(WCX_TRACE_LEARN_NS / 10000) + 1);
  w.hold = true;
  order(&w, &client);
  turns(&w, 7);
  assert_int_equal(followed(&w), 0);
  world_release(&w);
  turn(&w);
  assert_int_equal(followed(&w), 1);
  assert_int_equal(atomic_load(&hist(&w, WCX_STAGE_apply)->sum), APPLY_NS);
  assert_int_equal(atomic_load(&hist(&w, WCX_STAGE_tx)->sum), TX_NS);
  /* seven turns later, and in each of them the port and the gate come before */
  assert_int_equal(atomic_load(&hist(&w, WCX_STAGE_gate)->sum), 7 * 10000 + RX_NS + GATE_NS - RX_NS - DECODE_NS - SEQUENCE_NS - APPLY_NS);
  assert_int_equal(atomic_load(&hist(&w, WCX_STAGE_total)->sum), 7 * 10000 + RX_NS + GATE_NS + TX_NS);
  world_close(&w);
}

/* Answers of a quiet turn do not wait for its market data; a busy turn makes one call of all. */
static void test_answers_leave_first(void **state)
{
  (void)state;
  world_t w;
  start(&w, without_journal);
  client_t client = client_of(1);
  sign_on(&w, &client);
  turns(&w, (uint32_t)(WCX_TRACE_LEARN_NS / 10000) + 1);
  tx_calls = 0;
  order(&w, &client);
  turn(&w);
  assert_int_equal(tx_calls, 2);
  assert_int_equal(tx_frames[0], 1); /* the report */
  assert_int_equal(tx_frames[1], 2); /* both lines of the feed */
  expect_each(&w, 1, alone);
  tx_calls = 0;
  for (uint32_t i = 0; i < WCX_PORT_BURST_MAX; i++)
    order(&w, &client);
  turn(&w);
  assert_int_equal(tx_calls, 1);
  assert_true(tx_frames[0] > 4 + 2);
  world_close(&w);
}

/* Over TCP the decoding ends in the links' turn. */
static void test_over_tcp(void **state)
{
  (void)state;
  world_t w;
  start(&w, without_journal);
  turns(&w, (uint32_t)(WCX_TRACE_LEARN_NS / 10000) + 1);
  uint64_t seq = 41;
  wcx_trace_t trace;
  wcx_trace_init(&trace, &w.shm->stages);
  trace.ns_per_tick_q = UINT64_C(1) << 32;
  trace.base_ticks = 1;
  trace.learn_ns = UINT64_MAX;
  wcx_trace_poll(&trace, w.mono_ns);
  wcx_sim_advance_ns(RX_NS);
  wcx_trace_burst(&trace, 1);
  assert_int_equal(trace.pick, 0);
  wcx_trace_frame(&trace);
  wcx_trace_segment(&trace);
  wcx_trace_settle(&trace);
  wcx_trace_admitted(&trace); /* somebody else's, over UDP */
  assert_int_equal(trace.at, WCX_TRACE_STREAM);
  wcx_sim_advance_ns(DECODE_NS);
  wcx_trace_links(&trace);
  wcx_trace_admitted(&trace);
  wcx_sim_advance_ns(SEQUENCE_NS);
  wcx_trace_committed(&trace);
  wcx_sim_advance_ns(APPLY_NS);
  wcx_trace_applied(&trace, seq);
  wcx_trace_linked(&trace);
  wcx_trace_passed(&trace, seq - 1);
  wcx_sim_advance_ns(GATE_NS);
  wcx_trace_passed(&trace, seq);
  wcx_sim_advance_ns(TX_NS);
  wcx_trace_sent(&trace, w.mono_ns);
  expect_each(&w, 1, alone);

  /* a segment without a request in it */
  wcx_trace_poll(&trace, w.mono_ns + WCX_TRACE_REST_NS);
  wcx_trace_burst(&trace, 1);
  wcx_trace_frame(&trace);
  wcx_trace_segment(&trace);
  wcx_trace_settle(&trace);
  wcx_trace_links(&trace);
  wcx_trace_linked(&trace);
  assert_int_equal(trace.at, WCX_TRACE_REST);
  assert_int_equal(followed(&w), 1);
  world_close(&w);
}

/* 2.5 ticks a ns: learned from the turns. */
static void test_ticks_become_ns(void **state)
{
  (void)state;
  wcx_sim_env_reset(1);
  static wcx_stages_t stages;
  wcx_trace_t trace;
  wcx_trace_init(&trace, &stages);
  uint64_t mono_ns = 77;
  wcx_trace_poll(&trace, mono_ns);
  wcx_sim_advance_ns(WCX_TRACE_LEARN_NS * 5 / 2 - 5);
  wcx_trace_poll(&trace, mono_ns + WCX_TRACE_LEARN_NS - 2);
  assert_int_equal(trace.ns_per_tick_q, 0);
  wcx_sim_advance_ns(5);
  mono_ns += WCX_TRACE_LEARN_NS;
  wcx_trace_poll(&trace, mono_ns);
  assert_int_equal(trace.ns_per_tick_q, (UINT64_C(1) << 32) * 2 / 5);
  assert_int_equal(trace.at, WCX_TRACE_BEGUN);
  wcx_trace_burst(&trace, 1);
  wcx_trace_frame(&trace);
  wcx_trace_admitted(&trace);
  wcx_trace_committed(&trace);
  wcx_sim_advance_ns(25000);
  wcx_trace_applied(&trace, 1);
  wcx_trace_passed(&trace, 1);
  wcx_trace_sent(&trace, mono_ns);
  uint64_t apply_ns = atomic_load(&stages.hists[WCX_STAGE_apply].sum);
  assert_true(apply_ns == 10000 || apply_ns == 9999);
}

/* Buckets are in order, without gap, each within a sixteenth. */
static void test_buckets(void **state)
{
  (void)state;
  uint64_t next = 0;
  for (uint32_t i = 0; i < WCX_STAGE_BUCKETS; i++)
  {
    uint64_t end = wcx_stage_bucket_end(i);
    assert_int_equal(wcx_stage_bucket(next), i);
    assert_int_equal(wcx_stage_bucket(end), i);
    assert_true(end >= next && (end - next) * WCX_STAGE_STEPS <= next);
    next = end + 1;
  }
  assert_int_equal(next, UINT64_C(1) << WCX_STAGE_VALUE_LG);
  assert_int_equal(wcx_stage_bucket(UINT64_MAX), WCX_STAGE_BUCKETS - 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_each_stage_of_a_quiet_appliance),
      cmocka_unit_test(test_one_of_a_burst),
      cmocka_unit_test(test_the_gate_is_waited_for),
      cmocka_unit_test(test_answers_leave_first),
      cmocka_unit_test(test_over_tcp),
      cmocka_unit_test(test_ticks_become_ns),
      cmocka_unit_test(test_buckets),
  };
  return cmocka_run_group_tests_name("loop_trace", tests, NULL, NULL);
}
