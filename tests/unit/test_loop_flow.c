/* The client's flow: expected, gap, overlap, stale; what is refused here and what is not; status; throttle; what never changes state. */
#include "tests/unit/loop_fixture.h"

static uint32_t put_order(uint8_t *to, client_t *client, int64_t price)
{
  wcx_new_order_single_t order = client_order(client, 1, WCX_SIDE_BUY, price, 5, WCX_TIME_IN_FORCE_GTC);
  return client_block(to, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
}

static uint32_t orders_live(const world_t *w)
{
  return wcx_engine_orders_live(wcx_loop_engine(w->loop));
}

static uint64_t history(const world_t *w)
{
  return wcx_engine_applied_seq(wcx_loop_engine(w->loop));
}

static void test_gap_overlap_stale(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  uint8_t blocks[1400];
  uint32_t sz = 0;
  for (uint32_t i = 0; i < 4; i++)
    sz += put_order(blocks + sz, &client, 100);
  client_send_at(&w, &client, 1, 4, blocks, sz);
  world_turns(&w, 3);
  assert_int_equal(orders_live(&w), 4);

  /* copies change nothing and are answered by one heartbeat a millisecond */
  uint64_t before = history(&w);
  world_drain(&w);
  for (uint32_t i = 0; i < 5; i++)
    client_send_at(&w, &client, 1, 4, blocks, sz);
  client_send_at(&w, &client, 3, 0, NULL, 0);
  world_turns(&w, 3);
  assert_int_equal(history(&w), before);
  assert_int_equal(atomic_load(&w.shm->stats.requests_stale), 20);
  sent_t sent;
  assert_true(world_next_to(&w, &client, &sent));
  assert_int_equal(sent.mold.count, 0);
  assert_int_equal(sent.mold.sequence, 6);
  assert_memory_equal(sent.mold.session, client.mold, 10);
  assert_false(world_next_to(&w, &client, &sent));

  /* overlap: 3 and 4 are known, 5 and 6 are not */
  sz = 0;
  for (uint32_t i = 0; i < 4; i++)
    sz += put_order(blocks + sz, &client, 100);
  client_send_at(&w, &client, 3, 4, blocks, sz);
  world_turns(&w, 3);
  assert_int_equal(orders_live(&w), 6);

  /* gap: 7..9 are never applied, 10 is */
  sz = put_order(blocks, &client, 100);
  client_send_at(&w, &client, 10, 1, blocks, sz);
  world_turns(&w, 3);
  assert_int_equal(orders_live(&w), 7);
  wcx_not_applied_t not_applied;
  assert_true(world_expect(&w, &client, WCX_TEMPLATE_NOT_APPLIED, &not_applied, sizeof(not_applied)));
  assert_int_equal(not_applied.from_seq_no, 7);
  assert_int_equal(not_applied.count, 3);
  before = history(&w);
  client_send_at(&w, &client, 8, 1, blocks, sz);
  world_turns(&w, 3);
  assert_int_equal(history(&w), before);

  /* a heartbeat shows a gap as well */
  world_drain(&w);
  client_send_at(&w, &client, 13, 0, NULL, 0);
  world_turns(&w, 3);
  assert_true(world_next_to(&w, &client, &sent));
  assert_true(wcx_mold_no_session(&sent.mold));
  assert_int_equal(sent.mold.sequence, 0);
  memcpy(&not_applied, sent.mold.blocks + 10, sizeof(not_applied));
  assert_int_equal(not_applied.from_seq_no, 11);
  assert_int_equal(not_applied.count, 2);
  assert_int_equal(atomic_load(&w.shm->stats.requests_gap), 5);
  world_close(&w);
}

static void test_absurd_gap_is_a_protocol_error(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  uint8_t block[256];
  client_send_at(&w, &client, 65537, 1, block, put_order(block, &client, 100)); /* 65,536 missing: still a gap */
  world_turns(&w, 3);
  assert_int_equal(orders_live(&w), 1);
  client_send_at(&w, &client, 65538 + 65537, 1, block, put_order(block, &client, 100));
  world_turns(&w, 3);
  assert_int_equal(orders_live(&w), 0); /* cancel-on-disconnect */
  wcx_terminate_t terminate;
  assert_true(world_expect(&w, &client, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate)));
  assert_int_equal(terminate.code, WCX_TERMINATE_CODE_PROTOCOL_ERROR);
  world_close(&w);
}

static void test_status(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  wcx_session_status_request_t request = {.request_id = 77};
  client_send(&w, &client, WCX_TEMPLATE_SESSION_STATUS_REQUEST, &request, sizeof(request));
  w.hold = true;
  world_turns(&w, 3);
  assert_int_equal(wcx_wire_pending(w.wire), 0);
  w.hold = false;
  world_turns(&w, 3);
  wcx_session_status_response_t response;
  assert_true(world_expect(&w, &client, WCX_TEMPLATE_SESSION_STATUS_RESPONSE, &response, sizeof(response)));
  assert_int_equal(response.request_id, 77);
  assert_int_equal(response.next_server_seq_no, 3);
  assert_int_equal(response.next_client_seq_no, 3);
  assert_int_equal(response.last_cl_ord_id, client.cl_ord_id);
  assert_int_equal(response.open_orders, 1);
  assert_int_equal(response.flags, 1u << 2);
  client_send(&w, &client, WCX_TEMPLATE_SESSION_STATUS_REQUEST, &request, sizeof(request)); /* consumed its sequence: no gap */
  world_turns(&w, 3);
  assert_int_equal(atomic_load(&w.shm->stats.requests_gap), 0);
  world_close(&w);
}

static void slow(wcx_params_t *params)
{
  params->sessions[0].throttle_per_s = 1000;
  params->sessions[0].throttle_burst = 10;
}

static void test_throttle(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, slow);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  uint8_t block[256];
  for (uint32_t i = 0; i < 15; i++)
    client_send_at(&w, &client, client.next_seq++, 1, block, put_order(block, &client, 100));
  world_turns(&w, 3);
  assert_int_equal(orders_live(&w), 10);
  for (uint32_t i = 11; i <= 15; i++)
  {
    wcx_business_message_reject_t reject;
    assert_true(world_expect(&w, &client, WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT, &reject, sizeof(reject)));
    assert_int_equal(reject.business_reject_reason, WCX_BUSINESS_REJECT_REASON_THROTTLE_LIMIT_EXCEEDED);
    assert_int_equal(reject.ref_seq_num, i);
    assert_int_equal(reject.business_reject_ref_id, i);
    assert_int_equal(reject.ref_template_id, WCX_TEMPLATE_NEW_ORDER_SINGLE);
  }
  world_pass(&w, 5000000);
  client.cl_ord_id = 10; /* the ClOrdIDs of refused requests are free */
  client_send_at(&w, &client, client.next_seq++, 1, block, put_order(block, &client, 100));
  world_turns(&w, 3);
  assert_int_equal(orders_live(&w), 11);
  assert_int_equal(atomic_load(&w.shm->stats.requests_gap), 0); /* and their sequences are consumed */
  world_close(&w);
}

/* --- bad input: one row a defect --------------------------------------------------------------------------------------------------------------- */

typedef struct defect
{
  const char *name;
  uint16_t template_id, block_length, schema_id, version; /* of the SBE header */
  uint16_t sz;                                            /* bytes of body really there */
  uint16_t at;                                            /* byte of the body to spoil; 0: none */
  uint8_t value;
  uint8_t reason;
  uint16_t tag;
} defect_t;

static const defect_t defects[] = {
    {"template 0", 0, 80, 1, 0, 80, 0, 0, WCX_BUSINESS_REJECT_REASON_UNSUPPORTED_MESSAGE_TYPE, 0},
    {"template 65535", 65535, 80, 1, 0, 80, 0, 0, WCX_BUSINESS_REJECT_REASON_UNSUPPORTED_MESSAGE_TYPE, 0},
    {"Establish inside a session", 1, 112, 1, 0, 112, 0, 0, WCX_BUSINESS_REJECT_REASON_UNSUPPORTED_MESSAGE_TYPE, 0},
    {"an execution report", 201, 120, 1, 0, 120, 0, 0, WCX_BUSINESS_REJECT_REASON_UNSUPPORTED_MESSAGE_TYPE, 0},
    {"an internal input", 403, 32, 1, 0, 32, 0, 0, WCX_BUSINESS_REJECT_REASON_UNSUPPORTED_MESSAGE_TYPE, 0},
    {"mass cancel cut short", 104, 24, 1, 0, 24, 0, 0, WCX_BUSINESS_REJECT_REASON_INVALID_BLOCK_LENGTH, 0},
    {"unlock cut short", 105, 8, 1, 0, 8, 0, 0, WCX_BUSINESS_REJECT_REASON_INVALID_BLOCK_LENGTH, 0},
    {"mass quote with a short block", 106, 16, 1, 0, 28, 0, 0, WCX_BUSINESS_REJECT_REASON_INVALID_BLOCK_LENGTH, 0},
    {"mass quote with a long block of a later version", 106, 32, 1, 1, 36, 0, 0, WCX_BUSINESS_REJECT_REASON_INVALID_BLOCK_LENGTH, 0},
    {"mass quote without its group", 106, 24, 1, 0, 24, 0, 0, WCX_BUSINESS_REJECT_REASON_INVALID_BLOCK_LENGTH, 0},
    {"mass quote cut inside its group header", 106, 24, 1, 0, 27, 0, 0, WCX_BUSINESS_REJECT_REASON_INVALID_BLOCK_LENGTH, 0},
    {"quote sets of no length", 106, 24, 1, 0, 28, 0, 0, WCX_BUSINESS_REJECT_REASON_INVALID_BLOCK_LENGTH, 0},
    {"a quote set that is not counted", 106, 24, 1, 0, 68, 24, 40, WCX_BUSINESS_REJECT_REASON_INVALID_BLOCK_LENGTH, 0},
    {"MMP reset cut short", 107, 8, 1, 0, 8, 0, 0, WCX_BUSINESS_REJECT_REASON_INVALID_BLOCK_LENGTH, 0},
    {"MMP config too long", 108, 64, 1, 0, 64, 0, 0, WCX_BUSINESS_REJECT_REASON_INVALID_BLOCK_LENGTH, 0},
    {"schema 0", 101, 80, 0, 0, 80, 0, 0, WCX_BUSINESS_REJECT_REASON_INVALID_SCHEMA, 0},
    {"schema 2", 405, 16, 2, 0, 16, 0, 0, WCX_BUSINESS_REJECT_REASON_INVALID_SCHEMA, 0},
    {"a short block", 101, 72, 1, 0, 72, 0, 0, WCX_BUSINESS_REJECT_REASON_INVALID_BLOCK_LENGTH, 0},
    {"no block", 101, 0, 1, 0, 0, 0, 0, WCX_BUSINESS_REJECT_REASON_INVALID_BLOCK_LENGTH, 0},
    {"a long block of version 0", 101, 88, 1, 0, 88, 0, 0, WCX_BUSINESS_REJECT_REASON_INVALID_BLOCK_LENGTH, 0},
    {"a block shorter than it says", 101, 80, 1, 0, 72, 0, 0, WCX_BUSINESS_REJECT_REASON_INVALID_BLOCK_LENGTH, 0},
    {"a block longer than it says", 101, 80, 1, 0, 88, 0, 0, WCX_BUSINESS_REJECT_REASON_INVALID_BLOCK_LENGTH, 0},
    {"a short block of a later version", 101, 72, 1, 1, 72, 0, 0, WCX_BUSINESS_REJECT_REASON_INVALID_BLOCK_LENGTH, 0},
    {"Side 3", 101, 80, 1, 0, 80, 68, 3, WCX_BUSINESS_REJECT_REASON_INVALID_FIELD, 54},
    {"Side 0", 101, 80, 1, 0, 80, 68, 0, WCX_BUSINESS_REJECT_REASON_INVALID_FIELD, 54},
    {"OrdType 200", 101, 80, 1, 0, 80, 69, 200, WCX_BUSINESS_REJECT_REASON_INVALID_FIELD, 40},
    {"TimeInForce 5", 101, 80, 1, 0, 80, 70, 5, WCX_BUSINESS_REJECT_REASON_INVALID_FIELD, 59},
    {"ExecInst bit 15", 101, 80, 1, 0, 80, 73, 0x80, WCX_BUSINESS_REJECT_REASON_INVALID_FIELD, 18},
};

static void test_refused_blocks(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  for (uint32_t i = 0; i < sizeof(defects) / sizeof(defects[0]); i++)
  {
    const defect_t *defect = &defects[i];
    print_message("  %s\n", defect->name);
    wcx_digest_t before = wcx_engine_state_digest(wcx_loop_engine(w.loop));
    uint8_t block[256] = {0};
    wcx_new_order_single_t order = client_order(&client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
    (void)client_block(block, defect->template_id, &order, sizeof(order));
    wcx_message_header_t header = {.block_length = defect->block_length, .template_id = defect->template_id, .schema_id = defect->schema_id, .version = defect->version};
    uint16_t len_be = htobe16((uint16_t)(8 + defect->sz));
    memcpy(block, &len_be, 2);
    memcpy(block + 2, &header, 8);
    if (defect->at != 0)
      block[10 + defect->at] = defect->value;
    uint64_t seq = client.next_seq++;
    w.hold = true; /* these answers depend on nothing that waits */
    client_send_at(&w, &client, seq, 1, block, 10u + defect->sz);
    world_turns(&w, 2);
    wcx_business_message_reject_t reject = {0};
    sent_t sent;
    assert_true(world_next_to(&w, &client, &sent));
    assert_true(wcx_mold_no_session(&sent.mold));
    assert_int_equal(sent.mold.sequence, 0);
    memcpy(&reject, sent.mold.blocks + 10, sizeof(reject));
    assert_int_equal(reject.business_reject_reason, defect->reason);
    assert_int_equal(reject.ref_seq_num, seq);
    assert_int_equal(reject.ref_tag_id, defect->tag);
    assert_int_equal(reject.ref_template_id, defect->template_id);
    bool has_id = defect->template_id >= 101 && defect->template_id <= 108 && defect->sz >= 8;
    assert_true(reject.business_reject_ref_id == (has_id ? order.cl_ord_id : WCX_U64_NULL));
    wcx_digest_t after = wcx_engine_state_digest(wcx_loop_engine(w.loop));
    assert_memory_equal(&before, &after, sizeof(before));
    w.hold = false;
  }
  /* a longer block of a later version is fine */
  uint8_t block[256] = {0};
  wcx_new_order_single_t order = client_order(&client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  (void)client_block(block, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
  wcx_message_header_t header = {.block_length = 96, .template_id = WCX_TEMPLATE_NEW_ORDER_SINGLE, .schema_id = 1, .version = 1};
  uint16_t len_be = htobe16(8 + 96);
  memcpy(block, &len_be, 2);
  memcpy(block + 2, &header, 8);
  client_send_at(&w, &client, client.next_seq++, 1, block, 10 + 96);
  world_turns(&w, 3);
  assert_int_equal(orders_live(&w), 1);
  assert_int_equal(atomic_load(&w.shm->stats.requests_gap), 0); /* every refused block consumed its sequence */
  world_close(&w);
}

/* A MassQuote of set_cnt sets as bytes of a block: the SBE header speaks of the root block alone. */
static uint32_t put_quote(uint8_t *to, client_t *client, uint16_t set_cnt)
{
  uint8_t body[1472] = {0};
  wcx_mass_quote_t quote = {.quote_id = ++client->cl_ord_id, .account = client->session_id};
  wcx_group_size_t group = {.block_length = sizeof(wcx_mass_quote_quote_sets_t), .num_in_group = set_cnt};
  memcpy(body, &quote, sizeof(quote));
  memcpy(body + sizeof(quote), &group, sizeof(group));
  for (uint32_t i = 0; i < set_cnt; i++)
  {
    wcx_mass_quote_quote_sets_t set = {.bid_px = 50 + i, .offer_px = WCX_I64_NULL, .bid_size = 1, .security_id = 1, .quote_entry_id = i};
    memcpy(body + sizeof(quote) + sizeof(group) + i * sizeof(set), &set, sizeof(set));
  }
  uint32_t sz = client_block(to, WCX_TEMPLATE_MASS_QUOTE, body, (uint16_t)(sizeof(quote) + sizeof(group) + set_cnt * sizeof(wcx_mass_quote_quote_sets_t)));
  uint16_t block_length = sizeof(quote);
  memcpy(to + 2, &block_length, sizeof(block_length));
  return sz;
}

static uint64_t shown(const world_t *w, enum wcx_reject reject)
{
  return atomic_load(&w->shm->rejects.cnt[reject]);
}

static void test_refusals_are_shown_by_reason(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  for (uint32_t i = 0; i < 3; i++)
  {
    wcx_new_order_single_t order = client_order(&client, 1, WCX_SIDE_BUY, i == 1 ? 0 : 100, 5, WCX_TIME_IN_FORCE_GTC);
    order.cl_ord_id = i == 2 ? 1 : order.cl_ord_id;
    client_send(&w, &client, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
  }
  world_turns(&w, 1100);
  for (uint32_t lives = 1;; lives++)
  {
    for (enum wcx_reject reject = WCX_REJECT_NONE; reject < WCX_REJECT_CNT; reject++)
      assert_int_equal(shown(&w, reject), reject == WCX_REJECT_PRICE || reject == WCX_REJECT_DUPLICATE_CL_ORD_ID);
    if (lives == 2)
      break;
    world_crash(&w);
    memset(&w.shm->rejects, 0, sizeof(w.shm->rejects));
    world_start(&w);
    world_turns(&w, 1100);
  }
  world_close(&w);
}

/* Every request beside orders reaches the engine and is answered by it, in the sequence. */
static void test_requests_beside_orders(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);

  wcx_mmp_config_request_t config = {
      .cl_ord_id = ++client.cl_ord_id, .max_qty = WCX_I64_NULL, .max_notional_window = WCX_I64_NULL, .window_nanos = 1000, .max_count = 5, .mmp_group = 3};
  client_send(&w, &client, WCX_TEMPLATE_MMP_CONFIG_REQUEST, &config, sizeof(config));
  world_turns(&w, 3);
  wcx_mmp_event_t event;
  assert_true(world_expect(&w, &client, WCX_TEMPLATE_MMP_EVENT, &event, sizeof(event)));
  assert_int_equal(event.event, WCX_MMP_EVENT_TYPE_CONFIGURED);
  wcx_mmp_reset_request_t reset = {.cl_ord_id = ++client.cl_ord_id, .mmp_group = 3};
  client_send(&w, &client, WCX_TEMPLATE_MMP_RESET_REQUEST, &reset, sizeof(reset));
  world_turns(&w, 3);
  assert_true(world_expect(&w, &client, WCX_TEMPLATE_MMP_EVENT, &event, sizeof(event)));
  assert_int_equal(event.event, WCX_MMP_EVENT_TYPE_RESET);

  /* the largest MassQuote there is, through the ring and out again in one datagram */
  uint8_t block[1472];
  client_send_at(&w, &client, client.next_seq++, 1, block, put_quote(block, &client, 33));
  world_turns(&w, 3);
  wcx_mass_quote_ack_t ack;
  assert_true(world_expect(&w, &client, WCX_TEMPLATE_MASS_QUOTE_ACK, &ack, sizeof(ack)));
  assert_int_equal(ack.quote_id, client.cl_ord_id);
  assert_int_equal(ack.quote_status, WCX_QUOTE_STATUS_ACCEPTED);
  assert_int_equal(orders_live(&w), 33);
  client_send_at(&w, &client, client.next_seq++, 1, block, put_quote(block, &client, 0));
  world_turns(&w, 3);
  assert_true(world_expect(&w, &client, WCX_TEMPLATE_MASS_QUOTE_ACK, &ack, sizeof(ack)));
  /* 34 sets fit a frame, but no record */
  uint64_t before = history(&w);
  wcx_business_message_reject_t reject;
  client_send_at(&w, &client, client.next_seq++, 1, block, put_quote(block, &client, 34));
  world_turns(&w, 3);
  assert_true(world_expect(&w, &client, WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT, &reject, sizeof(reject)));
  assert_int_equal(reject.business_reject_reason, WCX_BUSINESS_REJECT_REASON_INVALID_BLOCK_LENGTH);
  assert_int_equal(reject.business_reject_ref_id, client.cl_ord_id);
  assert_int_equal(history(&w), before);

  wcx_order_mass_cancel_request_t mass = {.cl_ord_id = ++client.cl_ord_id,
                                          .security_id = WCX_U32_NULL,
                                          .account = WCX_U32_NULL,
                                          .mmp_group = 3,
                                          .mass_cancel_request_type = WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_MMP_GROUP,
                                          .lock_trading = 1};
  client_send(&w, &client, WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, &mass, sizeof(mass));
  wcx_session_status_request_t request = {.request_id = 78};
  wcx_session_status_response_t response;
  client_send(&w, &client, WCX_TEMPLATE_SESSION_STATUS_REQUEST, &request, sizeof(request));
  world_turns(&w, 3);
  assert_true(world_expect(&w, &client, WCX_TEMPLATE_SESSION_STATUS_RESPONSE, &response, sizeof(response)));
  assert_int_equal(response.flags, 1u << 1 | 1u << 2); /* a group is frozen, cancel-on-disconnect */
  world_drain(&w);
  mass.cl_ord_id = ++client.cl_ord_id;
  mass.mass_cancel_request_type = WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_SESSION;
  client_send(&w, &client, WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, &mass, sizeof(mass));
  world_turns(&w, 3);
  wcx_order_mass_cancel_report_t report;
  assert_true(world_expect(&w, &client, WCX_TEMPLATE_ORDER_MASS_CANCEL_REPORT, &report, sizeof(report)));
  assert_int_equal(report.total_affected_orders, 33);
  client_send(&w, &client, WCX_TEMPLATE_SESSION_STATUS_REQUEST, &request, sizeof(request));
  world_turns(&w, 3);
  assert_true(world_expect(&w, &client, WCX_TEMPLATE_SESSION_STATUS_RESPONSE, &response, sizeof(response)));
  assert_int_equal(response.flags, 1u << 0 | 1u << 1 | 1u << 2); /* and the session is locked */
  wcx_unlock_trading_request_t unlock = {.cl_ord_id = ++client.cl_ord_id, .account = WCX_U32_NULL};
  client_send(&w, &client, WCX_TEMPLATE_UNLOCK_TRADING_REQUEST, &unlock, sizeof(unlock));
  world_turns(&w, 3);
  wcx_trading_lock_event_t lock;
  assert_true(world_expect(&w, &client, WCX_TEMPLATE_TRADING_LOCK_EVENT, &lock, sizeof(lock)));

  /* the journal gives it back whole */
  client_send_at(&w, &client, client.next_seq++, 1, block, put_quote(block, &client, 33));
  world_turns(&w, 3);
  assert_int_equal(orders_live(&w), 33);
  world_crash(&w);
  world_start(&w);
  assert_int_equal(orders_live(&w), 33);

  wcx_engine_verify(wcx_loop_engine(w.loop));
  world_close(&w);
}

/* A datagram whose framing is wrong is dropped whole: no block of it counts and E stays. */
static void test_broken_framing(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  uint8_t payload[1472];
  uint32_t len = wcx_mold_begin(payload, client.mold, client.next_seq, 2);
  len += put_order(payload + len, &client, 100);
  len += put_order(payload + len, &client, 100);
  uint64_t before = history(&w);
  uint64_t drops = 0;
  for (uint32_t cut = 20; cut < len; cut++, drops++)
    world_send(&w, client.ip, client.port, 7002, payload, cut);
  for (uint32_t more = 1; more < 30; more++, drops++)
    world_send(&w, client.ip, client.port, 7002, payload, len + more);
  const uint16_t counts[] = {1, 3, 4, 255, 0xfffe, 0xffff};
  for (uint32_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++, drops++)
  {
    payload[18] = (uint8_t)(counts[i] >> 8);
    payload[19] = (uint8_t)counts[i];
    world_send(&w, client.ip, client.port, 7002, payload, len);
  }
  payload[18] = 0;
  payload[19] = 2;
  for (uint32_t i = 0; i < 8; i++, drops++) /* the last sequences there are */
  {
    uint8_t copy[512];
    memcpy(copy, payload, len);
    memset(copy + 10, 0xff, 8);
    copy[17] = (uint8_t)(0xff - i);
    world_send(&w, client.ip, client.port, 7002, copy, len);
  }
  for (uint32_t cut = 0; cut < 20; cut++, drops++)
    world_send(&w, client.ip, client.port, 7002, payload, cut);
  world_turns(&w, 40);
  assert_int_equal(history(&w), before);
  assert_int_equal(atomic_load(&w.shm->stats.rx_drop_framing), drops);
  sent_t sent;
  assert_false(world_next_to(&w, &client, &sent));
  world_send(&w, client.ip, client.port, 7002, payload, len); /* and whole it is welcome */
  world_turns(&w, 3);
  assert_int_equal(orders_live(&w), 2);
  world_close(&w);
}

/* More bad blocks in one datagram than frames can wait: every one gets its answer all the same. */
static void test_every_bad_block_is_answered(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  uint8_t blocks[1400];
  uint32_t sz = 0;
  uint16_t cnt = 0;
  for (; sz + 10 <= sizeof(blocks); cnt++)
    sz += client_block(blocks + sz, 77, "", 0);
  client_send_at(&w, &client, 1, cnt, blocks, sz);
  bool answered[256] = {false};
  for (uint32_t i = 0; i < 20; i++)
  {
    world_turns(&w, 2);
    sent_t sent;
    while (world_next_to(&w, &client, &sent))
    {
      wcx_business_message_reject_t reject;
      memcpy(&reject, sent.mold.blocks + 10, sizeof(reject));
      assert_in_range(reject.ref_seq_num, 1, cnt);
      assert_false(answered[reject.ref_seq_num]);
      answered[reject.ref_seq_num] = true;
    }
  }
  for (uint32_t i = 1; i <= cnt; i++)
    assert_true(answered[i]);
  assert_int_equal(atomic_load(&w.shm->stats.business_unsupported), cnt);
  assert_int_equal(atomic_load(&w.shm->stats.tx_drop), 0);
  world_close(&w);
}

static void test_strangers(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  uint8_t payload[1472];
  uint32_t len = wcx_mold_begin(payload, client.mold, client.next_seq, 1);
  len += put_order(payload + len, &client, 100);
  uint64_t before = history(&w);
  world_send(&w, client.ip, 9, 7002, payload, len);               /* another port */
  world_send(&w, client.ip + 1, client.port, 7002, payload, len); /* another address */
  memcpy(payload, "SomeOther1", 10);
  world_send(&w, client.ip, client.port, 7002, payload, len); /* no such session */
  memset(payload, ' ', 10);
  world_send(&w, client.ip, client.port, 7002, payload, len); /* no session, not an Establish */
  world_send(&w, client.ip, client.port, 7001, payload, len); /* nobody listens */
  world_turns(&w, 3);
  assert_int_equal(history(&w), before);
  assert_int_equal(atomic_load(&w.shm->stats.rx_drop_session), 3);
  assert_int_equal(atomic_load(&w.shm->stats.rx_drop_unestablished), 1);
  assert_int_equal(atomic_load(&w.shm->stats.rx_drop_port), 1);
  sent_t sent;
  assert_false(world_next_to(&w, &client, &sent));
  world_close(&w);
}

/* Random damage to real datagrams: never a crash, and history moves only by requests that were sequenced. */
static void test_random_damage(void **state)
{
  (void)state;
  const char *text = getenv("WCX_SEED");
  uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : 4711;
  print_message("  WCX_SEED=%llu\n", (unsigned long long)seed);
  uint64_t random = seed | 1;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  for (uint32_t round = 0; round < 3000; round++)
  {
    uint8_t payload[256];
    uint8_t frame[WCX_FRAME_SZ_MAX];
    uint32_t len = wcx_mold_begin(payload, client.mold, client.next_seq, 1);
    len += put_order(payload + len, &client, 100);
    random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    uint32_t cnt = 1 + (uint32_t)(random >> 60);
    for (uint32_t i = 0; i < cnt; i++)
    {
      random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
      uint32_t from = round % 2 ? 10 : 0; /* half of them keep the session string */
      payload[from + (random >> 33) % (len - from)] = (uint8_t)(random >> 20);
    }
    uint32_t sz = world_frame(frame, client.ip, client.port, 7002, payload, len);
    random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    if (round % 3 == 0)
      frame[(random >> 33) % sz] ^= (uint8_t)(1 + (random >> 50) % 255);
    (void)wcx_wire_send(w.wire, frame, sz);
    world_turn(&w);
    if (round % 50 == 49) /* keep the flow alive, whatever was hit */
      client_sign_on(&w, &client);
    if (round % 20 == 0)
      world_drain(&w);
    world_stall(&w, 50000000);
  }
  wcx_engine_verify(wcx_loop_engine(w.loop));
  assert_int_equal(wcx_engine_applied_seq(wcx_loop_engine(w.loop)), atomic_load(&w.shm->stats.requests_sequenced) + atomic_load(&w.shm->stats.internal_sequenced));
  world_close(&w);
}

/* The answer to a copy says where the session stands for others: what is not released is not there yet. */
static void test_an_answer_to_a_copy_tells_nothing_unreleased(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  uint8_t block[400];
  uint64_t told[3];
  for (uint32_t i = 0; i < 3; i++)
  {
    w.hold = i == 1;
    uint32_t sz = put_order(block, &client, 100);
    if (i < 2)
      client_send_at(&w, &client, 1 + i, 1, block, sz);
    world_turns(&w, 5);
    world_drain(&w);
    world_turns(&w, 200); /* the last answer to a copy is a millisecond ago */
    client_send_at(&w, &client, 1, 1, block, sz);
    world_turns(&w, 3);
    sent_t sent;
    assert_true(world_next_to(&w, &client, &sent));
    assert_int_equal(sent.mold.count, 0);
    told[i] = sent.mold.sequence;
  }
  assert_int_equal(orders_live(&w), 2);
  assert_int_equal(told[1], told[0]);
  assert_int_equal(told[2], told[0] + 1);
  world_close(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_gap_overlap_stale),
      cmocka_unit_test(test_an_answer_to_a_copy_tells_nothing_unreleased),
      cmocka_unit_test(test_absurd_gap_is_a_protocol_error),
      cmocka_unit_test(test_status),
      cmocka_unit_test(test_throttle),
      cmocka_unit_test(test_refused_blocks),
      cmocka_unit_test(test_refusals_are_shown_by_reason),
      cmocka_unit_test(test_requests_beside_orders),
      cmocka_unit_test(test_broken_framing),
      cmocka_unit_test(test_every_bad_block_is_answered),
      cmocka_unit_test(test_strangers),
      cmocka_unit_test(test_random_damage),
  };
  return cmocka_run_group_tests_name("loop_flow", tests, NULL, NULL);
}
