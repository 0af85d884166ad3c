/* UTC that jumps: nothing becomes due by it, and stamps go on along the old line, until an operator confirms the jump or 10 s have passed. */
#include "tests/unit/loop_fixture.h"

#include "dataplane/clock.h"

#define SECOND UINT64_C(1000000000)
#define HOUR (3600 * SECOND)

static uint64_t stamped; /* of the newest record */

static void on_record(void *ctx, const wcx_record_hdr_t *hdr, const uint8_t *body)
{
  (void)ctx;
  (void)body;
  assert_true(hdr->stamp_ns > stamped);
  stamped = hdr->stamp_ns;
}

static uint32_t live(const world_t *w)
{
  return wcx_engine_orders_live(wcx_loop_engine(w->loop));
}

static uint64_t load(const _Atomic uint64_t *word)
{
  return atomic_load((_Atomic uint64_t *)(uintptr_t)word);
}

/* With an order that lives for half an hour. */
static void begin(world_t *w, client_t *client)
{
  world_new(w, NULL);
  stamped = 0;
  w->on_record = on_record;
  w->jumps_unconfirmed = true;
  atomic_store(&w->shm->clock.confirmed, 0);
  *client = client_of(1);
  client_sign_on(w, client);
  wcx_new_order_single_t order = client_order(client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTD);
  order.expire_time = w->utc_ns + HOUR / 2;
  client_send(w, client, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
  world_turn(w);
  assert_int_equal(live(w), 1);
}

/* An order that is gone at once: its stamp tells the time. */
static uint64_t order_stamp(world_t *w, client_t *client)
{
  client_send_order(w, client, 1, WCX_SIDE_BUY, 90, 5, WCX_TIME_IN_FORCE_IOC);
  uint64_t before = stamped;
  world_turn(w);
  assert_true(stamped > before);
  world_drain(w);
  return stamped;
}

static void nothing_is_due_for_ten_seconds(void **state)
{
  (void)state;
  world_t w;
  client_t client;
  begin(&w, &client);
  uint64_t line = w.utc_ns;
  uint64_t from = w.mono_ns;
  w.utc_ns += HOUR;
  while (w.mono_ns - from < WCX_CLOCK_HOLD_NS - SECOND / 2)
  {
    uint64_t stamp = order_stamp(&w, &client);
    assert_int_equal(stamp, line + (w.mono_ns - from));
    assert_int_equal(live(&w), 1);
    assert_int_equal(load(&w.shm->clock.ahead_ns), HOUR);
    world_pass(&w, SECOND / 4);
  }
  assert_int_equal(load(&w.shm->clock.jumps), 1);
  assert_int_equal(load(&w.shm->stats.clock_jumps), 1);
  world_pass(&w, SECOND);
  assert_int_equal(live(&w), 0);
  uint64_t stamp = order_stamp(&w, &client);
  assert_int_equal(stamp, w.utc_ns);
  assert_int_equal(load(&w.shm->clock.ahead_ns), 0);
  assert_int_equal(load(&w.shm->clock.jumps), 1);
  assert_int_equal(load(&w.shm->stats.clock_backwards), 0);
  world_close(&w);
}

static void an_operator_confirms(void **state)
{
  (void)state;
  world_t w;
  client_t client;
  begin(&w, &client);
  w.utc_ns += HOUR;
  world_pass(&w, SECOND);
  assert_int_equal(live(&w), 1);
  atomic_store(&w.shm->clock.confirmed, 1);
  world_turn(&w);
  world_turn(&w);
  assert_int_equal(live(&w), 0);
  uint64_t stamp = order_stamp(&w, &client);
  assert_int_equal(stamp, w.utc_ns);
  w.utc_ns += HOUR; /* that was for the first alone */
  stamp = order_stamp(&w, &client);
  assert_int_equal(stamp, w.utc_ns - HOUR);
  assert_int_equal(load(&w.shm->clock.jumps), 2);
  w.utc_ns += HOUR; /* nor is a second jump while the first is held back the same one */
  world_turn(&w);
  assert_int_equal(load(&w.shm->clock.jumps), 3);
  world_close(&w);
}

static void a_jump_that_is_taken_back(void **state)
{
  (void)state;
  world_t w;
  client_t client;
  begin(&w, &client);
  w.utc_ns += HOUR;
  world_pass(&w, SECOND);
  w.utc_ns -= HOUR;
  world_pass(&w, 2 * SECOND);
  assert_int_equal(load(&w.shm->clock.ahead_ns), 0);
  uint64_t stamp = order_stamp(&w, &client);
  assert_int_equal(stamp, w.utc_ns);
  assert_int_equal(live(&w), 1);
  assert_int_equal(load(&w.shm->stats.clock_backwards), 0);
  world_close(&w);
}

static void a_small_step_is_followed(void **state)
{
  (void)state;
  world_t w;
  client_t client;
  begin(&w, &client);
  w.utc_ns += SECOND;
  uint64_t stamp = order_stamp(&w, &client);
  assert_int_equal(stamp, w.utc_ns);
  w.utc_ns += SECOND + 1;
  stamp = order_stamp(&w, &client);
  assert_int_equal(stamp, w.utc_ns - SECOND - 1);
  assert_int_equal(load(&w.shm->clock.jumps), 1);
  world_close(&w);
}

/* A stall of the loop is no jump: monotonic time has passed as well. */
static void a_stall_is_no_jump(void **state)
{
  (void)state;
  world_t w;
  client_t client;
  begin(&w, &client);
  w.utc_ns += 5 * SECOND;
  w.mono_ns += 5 * SECOND;
  world_turn(&w);
  assert_int_equal(load(&w.shm->clock.jumps), 0);
  world_close(&w);
}

/* Backwards: stamps stand on what they have, one nanosecond further for each input, and it is counted. */
static void a_clock_that_runs_back_is_counted(void **state)
{
  (void)state;
  world_t w;
  client_t client;
  begin(&w, &client);
  uint64_t stamp = order_stamp(&w, &client);
  w.utc_ns -= HOUR;
  for (uint64_t i = 1; i <= 3; i++)
  {
    assert_int_equal(order_stamp(&w, &client), stamp + i);
    assert_int_equal(load(&w.shm->stats.clock_backwards), i);
  }
  world_close(&w);
}

/* And also when the data plane has not lived to see it. */
static void a_restart_goes_on_above_the_last_stamp(void **state)
{
  (void)state;
  world_t w;
  client_t client;
  begin(&w, &client);
  (void)order_stamp(&w, &client);
  world_crash(&w);
  w.utc_ns -= HOUR;
  uint64_t before = stamped;
  world_start(&w);
  assert_true(stamped > before && stamped < before + SECOND); /* what the restart closed is a record */
  world_close(&w);
}

static void a_restart_takes_nothing_for_granted(void **state)
{
  (void)state;
  world_t w;
  client_t client;
  begin(&w, &client);
  w.utc_ns += HOUR;
  world_turn(&w);
  world_crash(&w);
  world_start(&w);
  assert_int_equal(live(&w), 1);
  assert_true(stamped < w.utc_ns - HOUR / 2);
  assert_int_equal(load(&w.shm->clock.jumps), 2);
  assert_int_equal(load(&w.shm->clock.ahead_ns), HOUR);
  world_close(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_is_due_for_ten_seconds),
      cmocka_unit_test(an_operator_confirms),
      cmocka_unit_test(a_jump_that_is_taken_back),
      cmocka_unit_test(a_small_step_is_followed),
      cmocka_unit_test(a_stall_is_no_jump),
      cmocka_unit_test(a_clock_that_runs_back_is_counted),
      cmocka_unit_test(a_restart_goes_on_above_the_last_stamp),
      cmocka_unit_test(a_restart_takes_nothing_for_granted),
  };
  return cmocka_run_group_tests_name("loop_clock", tests, NULL, NULL);
}
