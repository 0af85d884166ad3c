/* Sessions in the engine: sign-on and its UUIDs, ends and what they cancel, deadlines, sequence numbers. */
#include "tests/unit/engine_fixture.h"

enum
{
  EACK = WCX_TEMPLATE_ESTABLISH_ACK,
  EREJ = WCX_TEMPLATE_ESTABLISH_REJECT,
  TERM = WCX_TEMPLATE_TERMINATE,
  CXL = WCX_TEMPLATE_EXECUTION_REPORT_CANCEL,
  DEL = WCX_TEMPLATE_DELETE_ORDER,
};

#define WINDOW_MS 3000u

static void open_session(world_t *w, uint32_t session_id, uint64_t uuid, uint16_t flags, uint8_t key_slot)
{
  wcx_session_opened_t opened = {
      .uuid = uuid,
      .request_timestamp = 55,
      .keep_alive_interval = 1000,
      .cod_timeout_window = WINDOW_MS,
      .mold_session = {'A', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'},
      .flags = flags,
      .transport = 2,
      .key_slot = key_slot,
      .durability_level = WCX_DURABILITY_LEVEL_D1_LOCAL_FLUSH,
  };
  world_apply(w, WCX_TEMPLATE_SESSION_OPENED, session_id, 0, &opened, sizeof(opened));
}

static void close_session(world_t *w, uint32_t session_id, uint8_t cancel_orders, uint8_t terminate)
{
  wcx_session_closed_t closed = {.uuid = 9, .transport = 2, .cancel_orders = cancel_orders, .terminate = terminate, .terminate_code = WCX_TERMINATE_CODE_NEW_LOGIN};
  world_apply(w, WCX_TEMPLATE_SESSION_CLOSED, session_id, 0, &closed, sizeof(closed));
}

static void tick_at(world_t *w, uint64_t stamp_ns)
{
  wcx_tick_t tick = {.transact_time = stamp_ns};
  world_apply_at(w, stamp_ns, WCX_TEMPLATE_TICK, 0, 0, &tick, sizeof(tick));
}

static uint64_t order_cod(world_t *w, uint32_t session_id, int64_t price)
{
  wcx_new_order_single_t o = an_order(w->cl_ord_id[session_id] + 1, session_id, BUY, price, 1);
  o.exec_inst = WCX_EXEC_INST_CANCEL_ON_DISCONNECT;
  send_order(w, session_id, &o);
  return o.cl_ord_id;
}

static wcx_session_view_t view(const world_t *w, uint32_t session_id)
{
  wcx_session_view_t v;
  assert_true(wcx_engine_session(w->engine, session_id, &v));
  return v;
}

static void ack_is_a_message_of_the_stream(void **state)
{
  world_t *w = *state;
  order(w, 1, BUY, 100, 1); /* message 1; client sequence 1; ClOrdID 1 */
  open_session(w, 1, 42, 1, 0);
  expect_said(w, EACK, 0);
  assert_int_equal(w->said[0].stream, WCX_STREAM_SESSION);
  assert_int_equal(w->said[0].number, 2);
  wcx_establish_ack_t ack = SAID(w, 0, wcx_establish_ack_t);
  assert_int_equal(ack.uuid, 42);
  assert_int_equal(ack.request_timestamp, 55);
  assert_int_equal(ack.next_server_seq_no, 3);
  assert_int_equal(ack.next_client_seq_no, 2);
  assert_int_equal(ack.last_cl_ord_id, 1);
  assert_int_equal(ack.keep_alive_interval, 1000);
  assert_int_equal(ack.cod_timeout_window, WINDOW_MS);
  assert_int_equal(ack.durability_level, WCX_DURABILITY_LEVEL_D1_LOCAL_FLUSH);
  assert_memory_equal(ack.mold_session, "Abcdefghij", 10);
  wcx_session_view_t v = view(w, 1);
  assert_int_equal(v.open, 1u << 2);
  assert_int_equal(v.cod, 1);
  assert_int_equal(v.uuid, 42);
  assert_int_equal(v.next_server_seq, 3);
  assert_memory_equal(v.mold_session, "Abcdefghij", 10);
}

static void each_key_has_its_own_uuid(void **state)
{
  world_t *w = *state;
  open_session(w, 1, 42, 0, 0);
  open_session(w, 1, 7, 0, 1);
  assert_int_equal(view(w, 1).key_uuid[0], 42);
  assert_int_equal(view(w, 1).key_uuid[1], 7);
  assert_int_equal(view(w, 1).uuid, 7);
  assert_int_equal(view(w, 1).cod, 0);
}

static void refusal_is_unsequenced_and_advances_the_uuid(void **state)
{
  world_t *w = *state;
  open_session(w, 1, 42, 0, 0);
  wcx_session_refused_t refused = {.uuid = 50, .request_timestamp = 66, .code = WCX_ESTABLISH_REJECT_CODE_ALREADY_ESTABLISHED, .key_slot = 0, .transport = 2, .peer_tag = 77};
  world_apply(w, WCX_TEMPLATE_SESSION_REFUSED, 1, 0, &refused, sizeof(refused));
  expect_said(w, EREJ, 0);
  assert_int_equal(w->said[0].stream, WCX_STREAM_UNSEQUENCED);
  assert_int_equal(w->said[0].stream_id, 1);
  assert_int_equal(w->said[0].tag, 77);
  assert_int_equal(w->said[0].number, 0);
  assert_int_equal(SAID(w, 0, wcx_establish_reject_t).uuid, 50);
  assert_int_equal(SAID(w, 0, wcx_establish_reject_t).request_timestamp, 66);
  assert_int_equal(SAID(w, 0, wcx_establish_reject_t).code, WCX_ESTABLISH_REJECT_CODE_ALREADY_ESTABLISHED);
  assert_int_equal(view(w, 1).key_uuid[0], 50);
  assert_int_equal(view(w, 1).uuid, 42);
  assert_int_equal(view(w, 1).next_server_seq, 2);
  refused.uuid = 49;
  world_apply(w, WCX_TEMPLATE_SESSION_REFUSED, 1, 0, &refused, sizeof(refused));
  assert_int_equal(view(w, 1).key_uuid[0], 50);
}

static void close_says_terminate_when_asked(void **state)
{
  world_t *w = *state;
  open_session(w, 1, 42, 1, 0);
  close_session(w, 1, 0, 1);
  expect_said(w, TERM, 0);
  assert_int_equal(w->said[0].number, 2);
  assert_int_equal(SAID(w, 0, wcx_terminate_t).uuid, 9);
  assert_int_equal(SAID(w, 0, wcx_terminate_t).code, WCX_TERMINATE_CODE_NEW_LOGIN);
  assert_int_equal(view(w, 1).open, 0);
  open_session(w, 1, 43, 1, 0);
  close_session(w, 1, 0, 0);
  expect_said(w, 0);
}

static void disconnect_cancels_all_with_the_flag(void **state)
{
  world_t *w = *state;
  open_session(w, 1, 42, 1, 0);
  uint64_t first = order(w, 1, BUY, 90, 2);
  uint64_t second = order(w, 1, BUY, 95, 3);
  order(w, 2, BUY, 95, 3);
  close_session(w, 1, 1, 0);
  expect_said(w, CXL, CXL, DEL, DEL, 0);
  wcx_execution_report_cancel_t er = SAID(w, 0, wcx_execution_report_cancel_t);
  assert_int_equal(er.cl_ord_id, first);
  assert_int_equal(er.cancel_reason, WCX_CANCEL_REASON_DISCONNECT);
  assert_true(er.request_cl_ord_id == WCX_U64_NULL);
  assert_true(er.receive_time == WCX_U64_NULL);
  assert_int_equal(SAID(w, 1, wcx_execution_report_cancel_t).cl_ord_id, second);
  expect_book(w, BUY, 1, 95, 3, 1);
}

static void disconnect_without_the_flag_cancels_those_that_ask(void **state)
{
  world_t *w = *state;
  open_session(w, 1, 42, 0, 0);
  order(w, 1, BUY, 90, 2);
  uint64_t asks = order_cod(w, 1, 91);
  uint64_t by_replace = order(w, 1, BUY, 92, 1);
  wcx_order_cancel_replace_request_t request = a_replace(w->cl_ord_id[1] + 1, by_replace, 92, 1);
  request.exec_inst = WCX_EXEC_INST_CANCEL_ON_DISCONNECT; /* ExecInst replaces the set */
  send_replace(w, 1, &request);
  uint64_t given_up = order_cod(w, 1, 93);
  replace(w, 1, given_up, 93, 1);
  close_session(w, 1, 1, 0);
  expect_said(w, CXL, CXL, DEL, DEL, 0);
  assert_int_equal(SAID(w, 0, wcx_execution_report_cancel_t).cl_ord_id, asks);
  assert_int_equal(SAID(w, 1, wcx_execution_report_cancel_t).cl_ord_id, request.cl_ord_id);
  expect_book(w, BUY, 2, 93, 1, 1, 90, 2, 1);
}

static void a_deadline_fires_before_the_input_at_its_time(void **state)
{
  world_t *w = *state;
  open_session(w, 1, 42, 1, 0);
  order(w, 1, BUY, 90, 2);
  assert_true(wcx_engine_next_deadline_ns(w->engine) == UINT64_MAX);
  close_session(w, 1, 2, 0);
  expect_said(w, 0);
  uint64_t due = wcx_engine_last_stamp_ns(w->engine) + WINDOW_MS * UINT64_C(1000000);
  assert_true(wcx_engine_next_deadline_ns(w->engine) == due);
  tick_at(w, due - 1);
  expect_said(w, 0);
  order(w, 2, SELL, 90, 1); /* at the deadline: it finds nothing any more */
  expect_said(w, CXL, WCX_TEMPLATE_EXECUTION_REPORT_NEW, DEL, WCX_TEMPLATE_ADD_ORDER, 0);
  assert_true(wcx_engine_next_deadline_ns(w->engine) == UINT64_MAX);
  tick_at(w, due + 9);
  expect_said(w, 0);
}

static void a_new_sign_on_clears_the_deadline(void **state)
{
  world_t *w = *state;
  open_session(w, 1, 42, 1, 0);
  order(w, 1, BUY, 90, 2);
  close_session(w, 1, 2, 0);
  open_session(w, 1, 43, 1, 0);
  assert_true(wcx_engine_next_deadline_ns(w->engine) == UINT64_MAX);
  tick_at(w, wcx_engine_last_stamp_ns(w->engine) + 2 * WINDOW_MS * UINT64_C(1000000));
  expect_said(w, 0);
  expect_book(w, BUY, 1, 90, 2, 1);
}

static void the_earliest_deadline_is_told(void **state)
{
  world_t *w = *state;
  open_session(w, 1, 1, 1, 0);
  open_session(w, 2, 1, 1, 0);
  order(w, 1, BUY, 90, 2);
  order(w, 2, BUY, 91, 2);
  close_session(w, 2, 2, 0);
  uint64_t first = wcx_engine_next_deadline_ns(w->engine);
  close_session(w, 1, 2, 0);
  assert_true(wcx_engine_next_deadline_ns(w->engine) == first);
  tick_at(w, first);
  expect_said(w, CXL, DEL, 0);
  assert_int_equal(w->said[0].stream_id, 2);
  assert_true(wcx_engine_next_deadline_ns(w->engine) == first + 1);
  tick_at(w, first + 1);
  expect_said(w, CXL, DEL, 0);
  assert_int_equal(w->said[0].stream_id, 1);
}

static void client_sequence_follows_the_records(void **state)
{
  world_t *w = *state;
  assert_int_equal(view(w, 1).next_client_seq, 1);
  w->client_seq[1] = 40; /* the data plane skipped what was not applied */
  order(w, 1, BUY, 90, 2);
  assert_int_equal(view(w, 1).next_client_seq, 42);
  assert_int_equal(view(w, 1).last_cl_ord_id, 1);
  assert_int_equal(view(w, 1).open_orders, 1);
}

static void sessions_are_listed_in_order_of_definition(void **state)
{
  world_t *w = *state;
  wcx_session_view_t v;
  for (uint32_t i = 0; i < 9; i++)
  {
    assert_true(wcx_engine_session_at(w->engine, i, &v));
    assert_int_equal(v.session_id, i + 1);
  }
  assert_false(wcx_engine_session_at(w->engine, 9, &v));
  assert_false(wcx_engine_session(w->engine, 10, &v));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      world_test(ack_is_a_message_of_the_stream),
      world_test(each_key_has_its_own_uuid),
      world_test(refusal_is_unsequenced_and_advances_the_uuid),
      world_test(close_says_terminate_when_asked),
      world_test(disconnect_cancels_all_with_the_flag),
      world_test(disconnect_without_the_flag_cancels_those_that_ask),
      world_test(a_deadline_fires_before_the_input_at_its_time),
      world_test(a_new_sign_on_clears_the_deadline),
      world_test(the_earliest_deadline_is_told),
      world_test(client_sequence_follows_the_records),
      world_test(sessions_are_listed_in_order_of_definition),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
