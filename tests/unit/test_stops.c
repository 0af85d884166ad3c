/* Stops beyond the golden scripts: what one input may trigger, seen by a stop that comes when all of that is used up. */
#include "engine/stops.h"
#include "tests/unit/engine_fixture.h"

static void stop_limit(world_t *w, uint32_t session_id, int64_t stop_px, int64_t price)
{
  wcx_new_order_single_t request = an_order(w->cl_ord_id[session_id] + 1, session_id, BUY, price, 1);
  request.ord_type = WCX_ORD_TYPE_STOP_LIMIT;
  request.stop_px = stop_px;
  send_order(w, session_id, &request);
}

static uint32_t triggered(const world_t *w, uint32_t session_id)
{
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < w->said_cnt; i++)
    cnt += w->said[i].template_id == WCX_TEMPLATE_EXECUTION_REPORT_RESTATED && w->said[i].stream_id == session_id;
  return cnt;
}

/* RULES.md section 6: a stop that is reached at its entry triggers at once, but counts among those of its input, and the older ones came first. */
static void an_input_that_has_triggered_its_share(void **state)
{
  world_t *w = *state;
  for (uint32_t i = 0; i < 2 * WCX_TRIGGERS_MAX + 2; i++)
    stop_limit(w, 1, 100, 50);
  order(w, 2, SELL, 100, 1);
  order(w, 3, BUY, 100, 1);
  assert_int_equal(triggered(w, 1), WCX_TRIGGERS_MAX);

  stop_limit(w, 4, 100, 50);
  assert_int_equal(triggered(w, 1), WCX_TRIGGERS_MAX);
  assert_int_equal(triggered(w, 4), 0);
  expect_book(w, BUY, 1, 50, 2 * (int)WCX_TRIGGERS_MAX, 2 * (int)WCX_TRIGGERS_MAX);

  order(w, 5, BUY, 40, 1);
  assert_int_equal(triggered(w, 1), 2);
  assert_int_equal(triggered(w, 4), 1);
  expect_book(w, BUY, 2, 50, 2 * (int)WCX_TRIGGERS_MAX + 3, 2 * (int)WCX_TRIGGERS_MAX + 3, 40, 1, 1);

  stop_limit(w, 4, 100, 50);
  assert_int_equal(triggered(w, 4), 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {world_test(an_input_that_has_triggered_its_share)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
