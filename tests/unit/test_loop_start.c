/* Start and restart: genesis once, the same history after every death, sessions closed, numbers that go on, and refusal of a changed configuration. */
#include "tests/unit/loop_fixture.h"

#include "dataplane/start.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct position
{
  uint64_t seq;
  wcx_digest_t output, state;
  uint64_t feed_number;
} position_t;

static position_t position_of(const world_t *w)
{
  const wcx_engine_t *engine = wcx_loop_engine(w->loop);
  return (position_t){wcx_engine_applied_seq(engine), wcx_engine_output_digest(engine), wcx_engine_state_digest(engine), wcx_engine_feed_next_number(engine)};
}

static void trade(world_t *w, client_t *client, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
  {
    client_send_order(w, client, 1 + i % 2, i % 3 ? WCX_SIDE_BUY : WCX_SIDE_SELL, 100 + i % 7, 1 + i % 5, WCX_TIME_IN_FORCE_GTC);
    if (i % 16 == 15)
      world_turns(w, 2);
  }
  world_turns(w, 8);
}

static void test_genesis(void **state)
{
  (void)state;
  world_t w;
  world_open(&w, world_region(1, NULL), 0);
  w.dead = true; /* no worker: it waits and says for what */
  world_turns(&w, 50);
  assert_false(wcx_loop_serving(w.loop));
  assert_non_null(strstr(wcx_loop_waiting_for(w.loop), "journal worker"));
  assert_int_equal(wcx_wire_pending(w.wire), 0);
  w.dead = false;
  world_start(&w);
  const wcx_engine_t *engine = wcx_loop_engine(w.loop);
  assert_int_equal(wcx_engine_applied_seq(engine), 2 + 4 + 4 + 2); /* Capacity, DayRoll, accounts, sessions, instruments */
  assert_int_equal(wcx_engine_trade_date(engine), 20260921);
  /* the definitions go out on the feed, both sides, numbers from 1 of the day */
  sent_t sent;
  assert_true(world_next(&w, &sent));
  assert_memory_equal(sent.mold.session, "M001260921", 10);
  assert_int_equal(sent.mold.sequence, 1);
  assert_int_equal(sent.mold.count, 2);
  world_pass(&w, 100000000);
  assert_int_equal(wcx_engine_applied_seq(engine), 12); /* an idle appliance writes nothing */
  world_close(&w);
}

static void small_ring(wcx_params_t *params)
{
  params->shards[0].jring_slot_max = 64;
  params->shards[0].accounts_max = 512;
  for (uint32_t i = 5; i <= 300; i++)
    params->accounts[params->account_cnt++] = (wcx_account_definition_t){.account = i, .credit = WCX_CREDIT_UNLIMITED, .status = WCX_ACCOUNT_STATUS_ACTIVE};
}

/* A crash at any point of a genesis that does not fit the ring at once: it goes on where it was. */
static void test_genesis_is_continued(void **state)
{
  (void)state;
  for (uint32_t turns = 1; turns < 20; turns++)
  {
    world_t w;
    world_open(&w, world_region(1, small_ring), 0);
    world_turns(&w, turns);
    world_crash(&w);
    world_start(&w);
    assert_int_equal(wcx_engine_applied_seq(wcx_loop_engine(w.loop)), 2 + 300 + 4 + 2);
    world_close(&w);
  }
}

static void test_restart_replays_to_equality(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_t other = client_of(2);
  client_sign_on(&w, &client);
  client_sign_on(&w, &other);
  trade(&w, &client, 200);
  trade(&w, &other, 200);
  for (uint32_t death = 0; death < 5; death++)
  {
    position_t before = position_of(&w);
    uint32_t live = wcx_engine_orders_live(wcx_loop_engine(w.loop));
    world_crash(&w);
    while (!wcx_loop_serving(w.loop) && wcx_engine_applied_seq(wcx_loop_engine(w.loop)) == 0)
      world_turn(&w);
    world_start(&w);
    sent_t sent;
    while (world_next(&w, &sent)) /* nothing is sent again unasked; the first heartbeat says where the feed stands */
    {
      assert_int_equal(sent.mold.count, 0);
      assert_int_equal(sent.mold.sequence, before.feed_number);
    }
    /* the same history, then SessionClosed for each session that was open, and nothing else */
    position_t after = position_of(&w);
    uint32_t open = death == 0 ? 2 : 1;
    assert_int_equal(after.seq, before.seq + open);
    assert_int_equal(after.feed_number, before.feed_number);
    assert_memory_equal(&after.output, &before.output, sizeof(after.output));
    assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w.loop)), live);
    wcx_engine_verify(wcx_loop_engine(w.loop));
    uint64_t next_server_seq = client.ack.next_server_seq_no;
    client_sign_on(&w, &client);
    assert_true(client.ack.next_server_seq_no > next_server_seq);
    trade(&w, &client, 30);
    world_drain(&w);
  }
  world_close(&w);
}

/* A replay of many steps, during which nothing may touch the gate. */
static void test_long_replay(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  for (uint32_t i = 0; i < 10; i++)
  {
    for (uint32_t n = 0; n < 1000; n++)
    {
      client_send_order(&w, &client, 1, n % 2 ? WCX_SIDE_BUY : WCX_SIDE_SELL, 100, 5, WCX_TIME_IN_FORCE_GTC);
    }
    world_turns(&w, 100);
    world_drain(&w);
  }
  position_t before = position_of(&w);
  assert_true(before.seq > 10000);
  world_crash(&w);
  world_start(&w);
  position_t after = position_of(&w);
  assert_int_equal(after.seq, before.seq + 1);
  assert_memory_equal(&after.output, &before.output, sizeof(after.output));
  sent_t sent;
  assert_true(world_next(&w, &sent));
  assert_int_equal(sent.mold.sequence, before.feed_number);
  world_close(&w);
}

static void test_cancel_on_disconnect_after_restart(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_t other = client_of(2);
  client_sign_on(&w, &client);
  client_sign_on(&w, &other);
  client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  client_send_order(&w, &other, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  world_turns(&w, 4);
  world_crash(&w);
  world_start(&w);
  client_sign_on(&w, &client); /* one comes back in time */
  world_pass(&w, 2500000000);
  assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w.loop)), 2);
  for (uint32_t i = 0; i < 2; i++)
  {
    client_send_at(&w, &client, client.next_seq, 0, NULL, 0);
    world_pass(&w, 600000000);
  }
  assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w.loop)), 1);
  world_close(&w);
}

/* Unreleased history: what was applied and never made durable is gone after a crash, and was never seen. */
/* The answer to an earlier question is none: the epoch would be that of a data plane that is dead. */
static void test_an_old_answer_is_none(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  world_crash(&w);
  w.dead = true;
  world_turns(&w, 20);
  assert_int_equal(atomic_load(&w.shm->dataplane.phase), WCX_DATAPLANE_WAITING_JOURNAL);
  assert_false(wcx_loop_replayed(w.loop));
  uint64_t epoch = w.epoch;
  w.dead = false;
  world_start(&w);
  assert_int_equal(w.epoch, epoch + 1);
  world_close(&w);
}

static void test_undurable_inputs_are_forgotten(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  world_drain(&w);
  w.hold = true;
  trade(&w, &client, 20);
  assert_int_equal(wcx_wire_pending(w.wire), 0);
  uint64_t durable = w.durable_seq;
  w.hold = false;
  world_crash(&w);
  world_start(&w);
  /* durable though never released: it is history */
  assert_int_equal(wcx_engine_applied_seq(wcx_loop_engine(w.loop)), durable + 1);
  world_close(&w);
}

static void test_digest_marks(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  trade(&w, &client, 1000);
  w.hold = true;
  trade(&w, &client, 100); /* passes input 1024, which is not released */
  assert_int_equal(atomic_load(&w.shm->marks.cnt), 0);
  w.hold = false;
  world_turns(&w, 4);
  assert_int_equal(atomic_load(&w.shm->marks.cnt), 1);
  assert_int_equal(w.shm->marks.marks[0].seq, 1024);
  world_crash(&w);
  uint64_t output_lo = 0;
  uint64_t state_lo = 0;
  world_start(&w);
  /* a mark is what a replay finds at the same input */
  wcx_region_t *region = w.region;
  wcx_digest_mark_t mark = w.shm->marks.marks[0];
  wcx_engine_limits_t limits = {.shard = 1,
                                .orders_max = region->params.shards[0].orders_max,
                                .levels_max = region->params.shards[0].levels_max,
                                .instruments_max = region->params.shards[0].instruments_max,
                                .accounts_max = region->params.shards[0].accounts_max,
                                .sessions_max = region->params.shards[0].sessions_max,
                                .hash_key = 5};
  size_t sz = wcx_engine_footprint(&limits);
  void *mem = aligned_alloc(64, (sz + 63) & ~(size_t)63);
  wcx_engine_t *engine = wcx_engine_new(mem, sz, &limits);
  void *log_mem = malloc(1 << 20);
  wcx_outlog_t log;
  wcx_outlog_init(&log, log_mem, 1 << 20);
  wcx_journal_walk_t walk;
  char err[WCX_JOURNAL_TEXT_SZ];
  assert_int_equal(wcx_journal_walk_open(&walk, "x/shard-00001", err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  while (wcx_engine_applied_seq(engine) < mark.seq)
  {
    uint64_t epoch;
    wcx_record_hdr_t hdr;
    const uint8_t *body;
    assert_int_equal(wcx_journal_walk_next(&walk, &epoch, &hdr, &body), 1);
    wcx_engine_apply(engine, &hdr, body, &log);
    log.sent_pos = log.write_pos;
  }
  wcx_journal_walk_close(&walk);
  output_lo = wcx_engine_output_digest(engine).lo;
  state_lo = wcx_engine_state_digest(engine).lo;
  assert_true(mark.output_lo == output_lo);
  assert_true(mark.state_lo == state_lo);
  free(mem);
  free(log_mem);
  world_close(&w);
}

static void restrict_some(wcx_params_t *params)
{
  params->sessions[0].ord_types = 6; /* limit and market */
  params->instrument_group[1] = 3;
}

static void another_lot(wcx_params_t *params)
{
  params->instruments[1].round_lot = 10;
}

static void no_order_types(wcx_params_t *params)
{
  params->sessions[0].ord_types = 0;
}

static void no_group(wcx_params_t *params)
{
  params->instrument_group[1] = 0;
}

static void restart_with_another_configuration(void (*change)(wcx_params_t *params))
{
  world_t w;
  world_new(&w, restrict_some);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  world_crash(&w);
  change(&w.region->params);
  world_start(&w);
}

static void is_refused(void (*change)(wcx_params_t *params), const char *names)
{
  char said[1024] = {0};
  int fds[2];
  assert_int_equal(pipe(fds), 0);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
  {
    dup2(fds[1], 2);
    restart_with_another_configuration(change);
    _exit(0);
  }
  close(fds[1]);
  ssize_t got = 0;
  for (size_t at = 0; at < sizeof(said) - 1 && (got = read(fds[0], said + at, sizeof(said) - 1 - at)) > 0;)
    at += (size_t)got;
  close(fds[0]);
  int status = 0;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 1);
  if (strstr(said, names) == NULL)
    fail_msg("%s", said);
  assert_non_null(strstr(said, "wcxctl"));
}

static void test_changed_configuration_is_refused(void **state)
{
  (void)state;
  is_refused(another_lot, "RoundLot");
  is_refused(no_order_types, "OrdTypes"); /* what is not restricted any more is a change, too */
  is_refused(no_group, "Group");
}

static void test_dates(void **state)
{
  (void)state;
  const uint64_t day = UINT64_C(86400000000000);
  assert_int_equal(wcx_start_date_of(0), 19700101);
  assert_int_equal(wcx_start_date_of(day - 1), 19700101);
  assert_int_equal(wcx_start_date_of(day), 19700102);
  assert_int_equal(wcx_start_date_of(day * 11016), 20000229);
  assert_int_equal(wcx_start_date_of(day * 11017), 20000301);
  assert_int_equal(wcx_start_date_of(day * 20819), 20270101);
  assert_int_equal(wcx_start_date_of(WORLD_UTC_NS), 20260921);
}

static void unsafe(wcx_params_t *params)
{
  params->durability = WCX_DURABILITY_LEVEL_D0_NONE;
}

static void test_d0_needs_no_journal(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, unsafe);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  assert_int_equal(client.ack.durability_level, 0);
  trade(&w, &client, 600); /* more than the ring would hold */
  assert_int_equal(atomic_load(&w.shm->stats.requests_sequenced), 600);
  assert_int_equal(w.durable_seq, 0);
  world_close(&w);
}

static void test_two_shards_side_by_side(void **state)
{
  (void)state;
  wcx_region_t *region = world_region(2, NULL);
  static world_t w[2];
  client_t client[2] = {client_of(1), client_of(5)};
  for (uint32_t i = 0; i < 2; i++)
  {
    world_open(&w[i], region, i);
    world_start(&w[i]);
    world_drain(&w[i]);
    client_sign_on(&w[i], &client[i]);
  }
  for (uint32_t round = 0; round < 10; round++)
    for (uint32_t i = 0; i < 2; i++)
    {
      client_send_order(&w[i], &client[i], 1 + 2 * i, round % 2 ? WCX_SIDE_BUY : WCX_SIDE_SELL, 100, 5, WCX_TIME_IN_FORCE_GTC);
      world_turns(&w[i], 2);
    }
  for (uint32_t i = 0; i < 2; i++)
  {
    assert_int_equal(atomic_load(&w[i].shm->stats.requests_sequenced), 10);
    assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w[i].loop)), 0);
    sent_t sent;
    bool feed = false;
    while (world_next(&w[i], &sent))
      if (sent.datagram.to_port == 7101)
      {
        feed = true;
        assert_int_equal(sent.mold.session[3], '1' + (int)i);
      }
    assert_true(feed);
    /* a session of the other shard is nobody here */
    client_t lost = client_of(i == 0 ? 5 : 1);
    wcx_establish_t establish = client_establish(&w[i], &lost);
    client_send_establish(&w[i], &lost, &establish);
    world_turns(&w[i], 6);
    wcx_establish_reject_t reject;
    assert_true(world_expect(&w[i], &lost, WCX_TEMPLATE_ESTABLISH_REJECT, &reject, sizeof(reject)));
    assert_int_equal(reject.code, WCX_ESTABLISH_REJECT_CODE_CREDENTIALS);
  }
  /* one dies, the other goes on */
  world_crash(&w[0]);
  world_turns(&w[1], 5);
  world_start(&w[0]);
  assert_true(wcx_loop_serving(w[1].loop));
  world_close(&w[0]);
  world_close(&w[1]);
  free(region);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_genesis),
      cmocka_unit_test(test_genesis_is_continued),
      cmocka_unit_test(test_restart_replays_to_equality),
      cmocka_unit_test(test_long_replay),
      cmocka_unit_test(test_cancel_on_disconnect_after_restart),
      cmocka_unit_test(test_an_old_answer_is_none),
      cmocka_unit_test(test_undurable_inputs_are_forgotten),
      cmocka_unit_test(test_digest_marks),
      cmocka_unit_test(test_changed_configuration_is_refused),
      cmocka_unit_test(test_dates),
      cmocka_unit_test(test_d0_needs_no_journal),
      cmocka_unit_test(test_two_shards_side_by_side),
  };
  return cmocka_run_group_tests_name("loop_start", tests, NULL, NULL);
}
