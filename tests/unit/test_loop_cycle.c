/* Snapshot cycles at the data plane: what is said, in which order, when it may leave, and what it costs the others. */
#include "dataplane/cycle.h"
#include "engine/base/crc32c.h"
#include "tests/unit/loop_fixture.h"

#define CYCLE_MS 10u
#define EPOCH_FIRST(epoch) (((uint64_t)(epoch) << WCX_CYCLE_EPOCH_SHIFT) + 1)

static void cycling(wcx_params_t *params)
{
  params->snapshot_cycle_ms = CYCLE_MS;
  params->snapshot_packets_per_s = 1000000;
}

/* Everything a cycle said, once. */
typedef struct book
{
  wcx_snapshot_start_t start;
  wcx_snapshot_order_t orders[2000];
  uint32_t order_cnt;
  bool ended;
} book_t;

typedef struct heard
{
  book_t books[8];
  uint32_t book_cnt;
  wcx_end_of_cycle_t end;
  bool over;
  uint32_t packet_cnt; /* of each side */
  uint64_t first, next;
  char session[10];
} heard_t;

static void hear_message(heard_t *h, const uint8_t *message, uint16_t sz)
{
  wcx_message_header_t header;
  memcpy(&header, message, 8);
  book_t *book = h->book_cnt > 0 ? &h->books[h->book_cnt - 1] : NULL;
  assert_int_equal(sz, 8 + header.block_length);
  if (book == NULL && (header.template_id == WCX_TEMPLATE_SNAPSHOT_ORDER || header.template_id == WCX_TEMPLATE_SNAPSHOT_END))
    return; /* of a book whose start we did not hear */
  switch (header.template_id)
  {
  case WCX_TEMPLATE_SNAPSHOT_START:
    assert_true(book == NULL || book->ended);
    assert_true(h->book_cnt < 8);
    book = &h->books[h->book_cnt++];
    memset(book, 0, sizeof(*book));
    memcpy(&book->start, message + 8, sizeof(book->start));
    break;
  case WCX_TEMPLATE_SNAPSHOT_ORDER:
    assert_false(book->ended);
    memcpy(&book->orders[book->order_cnt++], message + 8, 40);
    break;
  case WCX_TEMPLATE_SNAPSHOT_END:
  {
    wcx_snapshot_end_t end;
    memcpy(&end, message + 8, sizeof(end));
    assert_false(book->ended);
    assert_int_equal(end.tot_num_orders, book->order_cnt);
    assert_int_equal(book->start.tot_num_orders, book->order_cnt);
    assert_int_equal(end.security_id, book->start.security_id);
    assert_int_equal(end.snapshot_id, book->start.snapshot_id);
    assert_int_equal(end.last_msg_seq_num_processed, book->start.last_msg_seq_num_processed);
    assert_int_equal(end.checksum, wcx_crc32c(0, book->orders, book->order_cnt * 40));
    book->ended = true;
    break;
  }
  default:
    assert_int_equal(header.template_id, WCX_TEMPLATE_END_OF_CYCLE);
    memcpy(&h->end, message + 8, sizeof(h->end));
    h->over = true;
    break;
  }
}

/* Take what was sent; snapshot packets must come in pairs that are equal, numbers without a hole. Stops behind the end of a cycle. */
static void hear(world_t *w, heard_t *h)
{
  static sent_t a, b;
  while (!h->over && world_next(w, &a))
  {
    if (a.to_ip != 0xef4d0003u)
      continue;
    assert_int_equal(a.datagram.to_port, 7103);
    assert_true(world_next(w, &b));
    assert_int_equal(b.to_ip, 0xef4d0004u);
    assert_int_equal(b.datagram.to_port, 7104);
    assert_int_equal(a.datagram.len, b.datagram.len);
    assert_memory_equal(a.datagram.payload, b.datagram.payload, a.datagram.len);
    if (a.mold.count == 0 || a.mold.count == WCX_MOLD_END_OF_SESSION)
      continue;
    if (h->packet_cnt++ == 0)
    {
      h->first = h->next = a.mold.sequence;
      memcpy(h->session, a.mold.session, 10);
    }
    assert_memory_equal(a.mold.session, h->session, 10);
    assert_int_equal(a.mold.sequence, h->next);
    h->next += a.mold.count;
    const uint8_t *at = a.mold.blocks;
    const uint8_t *message = NULL;
    uint16_t sz = 0;
    for (uint32_t i = 0; i < a.mold.count && wcx_mold_next(&a.mold, &at, &message, &sz); i++)
      hear_message(h, message, sz);
  }
}

/* The next whole cycle from here on. */
static void next_cycle(world_t *w, heard_t *h)
{
  world_drain(w);
  for (uint32_t round = 0; round < 2; round++) /* the rest of the one that runs, if any, then one */
  {
    memset(h, 0, sizeof(*h));
    for (uint32_t i = 0; i < 20000 && !h->over; i++)
    {
      world_turn(w);
      hear(w, h);
    }
    assert_true(h->over);
  }
}

static uint64_t order_id_of(world_t *w, const client_t *client, const wcx_new_order_single_t *order)
{
  wcx_execution_report_new_t report;
  do
    assert_true(world_expect(w, client, WCX_TEMPLATE_EXECUTION_REPORT_NEW, &report, sizeof(report)));
  while (report.cl_ord_id != order->cl_ord_id);
  return report.order_id;
}

static uint64_t enter(world_t *w, client_t *client, wcx_new_order_single_t order)
{
  client_send(w, client, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
  world_turns(w, 4);
  return order_id_of(w, client, &order);
}

static void assert_order(const wcx_snapshot_order_t *order, uint64_t order_id, uint8_t side, int64_t price, int64_t qty)
{
  assert_int_equal(order->order_id, order_id);
  assert_int_equal(order->side, side);
  assert_int_equal(order->price, price);
  assert_int_equal(order->display_qty, qty);
  assert_int_equal(order->security_id, 1);
}

static void test_what_a_cycle_says(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, cycling);
  client_t client = client_of(1), other = client_of(2);
  client_sign_on(&w, &client);
  client_sign_on(&w, &other);
  uint64_t ids[5];
  wcx_new_order_single_t order = client_order(&client, 1, WCX_SIDE_BUY, 99, 5, WCX_TIME_IN_FORCE_GTC);
  ids[0] = enter(&w, &client, order);
  ids[1] = enter(&w, &client, client_order(&client, 1, WCX_SIDE_BUY, 100, 6, WCX_TIME_IN_FORCE_GTC));
  ids[2] = enter(&w, &client, client_order(&client, 1, WCX_SIDE_BUY, 100, 7, WCX_TIME_IN_FORCE_GTC));
  order = client_order(&client, 1, WCX_SIDE_SELL, 110, 30, WCX_TIME_IN_FORCE_GTC); /* an iceberg that will have shown its second part */
  order.display_qty = 10;
  ids[3] = enter(&w, &client, order);
  ids[4] = enter(&w, &client, client_order(&client, 1, WCX_SIDE_SELL, 110, 4, WCX_TIME_IN_FORCE_GTC));
  order = client_order(&client, 1, WCX_SIDE_BUY, 101, 9, WCX_TIME_IN_FORCE_GTC); /* hidden, and best */
  order.exec_inst = WCX_EXEC_INST_HIDDEN;
  (void)enter(&w, &client, order);
  order = client_order(&client, 1, WCX_SIDE_BUY, 130, 3, WCX_TIME_IN_FORCE_GTC); /* a stop that waits */
  order.ord_type = WCX_ORD_TYPE_STOP_LIMIT;
  order.stop_px = 125;
  (void)enter(&w, &client, order);
  (void)enter(&w, &client, client_order(&client, 1, WCX_SIDE_BUY, 98, 3, WCX_TIME_IN_FORCE_AT_THE_OPENING)); /* unseen until its auction */
  (void)enter(&w, &other, client_order(&other, 1, WCX_SIDE_BUY, 110, 10, WCX_TIME_IN_FORCE_GTC));            /* takes the iceberg's first part */

  static heard_t h;
  next_cycle(&w, &h);
  assert_memory_equal(h.session, "N001260921", 10);
  assert_int_equal(h.book_cnt, 2);
  assert_int_equal(h.end.tot_num_securities, 2);
  const book_t *book = &h.books[0];
  assert_int_equal(book->start.security_id, 1);
  assert_int_equal(book->start.last_msg_seq_num_processed, wcx_engine_feed_next_number(wcx_loop_engine(w.loop)) - 1);
  assert_int_equal(book->start.transact_time, wcx_engine_last_stamp_ns(wcx_loop_engine(w.loop)));
  assert_int_equal(book->start.last_px, 110);
  assert_int_equal(book->start.security_trading_status, WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE);
  assert_int_equal(book->order_cnt, 5);
  assert_order(&book->orders[0], ids[1], WCX_SIDE_BUY, 100, 6);
  assert_order(&book->orders[1], ids[2], WCX_SIDE_BUY, 100, 7);
  assert_order(&book->orders[2], ids[0], WCX_SIDE_BUY, 99, 5);
  assert_order(&book->orders[3], ids[4], WCX_SIDE_SELL, 110, 4); /* the iceberg is behind it now */
  assert_int_not_equal(book->orders[4].order_id, ids[3]);        /* and shows under another id */
  assert_order(&book->orders[4], book->orders[4].order_id, WCX_SIDE_SELL, 110, 10);
  assert_true(book->orders[0].priority_time < book->orders[1].priority_time && book->orders[3].priority_time < book->orders[4].priority_time);
  assert_int_equal(h.books[1].start.security_id, 2);
  assert_int_equal(h.books[1].order_cnt, 0);
  assert_true(h.books[1].start.last_px == WCX_I64_NULL);
  assert_true(atomic_load(&w.shm->stats.snapshot_cycles) > 0 && atomic_load(&w.shm->stats.messages_snapshot) > 0);

  /* not to be asked for */
  uint8_t payload[20];
  world_send(&w, CLIENT_IP, 1234, 7003, payload, wcx_mold_begin(payload, "N001260921", h.first, 1));
  client_t stranger = {.ip = CLIENT_IP, .port = 1234};
  world_turns(&w, 2);
  wcx_retransmit_reject_t reject;
  assert_true(world_expect(&w, &stranger, WCX_TEMPLATE_RETRANSMIT_REJECT, &reject, sizeof(reject)));
  assert_int_equal(reject.code, WCX_RETRANSMIT_REJECT_CODE_BAD_SESSION);
  world_close(&w);
}

/* A book is copied as the engine has it and leaves when its last input is released: never before, and as it was. */
static void test_waits_for_the_gate(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, cycling);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  static heard_t h;
  next_cycle(&w, &h);
  uint64_t numbered = h.books[0].start.last_msg_seq_num_processed;
  w.hold = true;
  for (uint32_t i = 0; i < 50; i++)
  {
    client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 1 + i, WCX_TIME_IN_FORCE_GTC);
    world_turns(&w, 2);
  }
  world_pass(&w, 5 * CYCLE_MS * 1000000);
  memset(&h, 0, sizeof(h));
  hear(&w, &h); /* one that was copied before the first of them may have come */
  assert_true(h.book_cnt == 0 || h.books[0].start.last_msg_seq_num_processed == numbered);
  world_pass(&w, 5 * CYCLE_MS * 1000000);
  memset(&h, 0, sizeof(h));
  hear(&w, &h);
  assert_int_equal(h.packet_cnt, 0);
  w.hold = false;
  memset(&h, 0, sizeof(h));
  for (uint32_t i = 0; i < 4 && h.book_cnt == 0; i++)
  {
    world_turn(&w);
    hear(&w, &h);
  }
  assert_true(h.book_cnt > 0);
  assert_true(h.books[0].start.last_msg_seq_num_processed > numbered); /* the copy that waited */
  next_cycle(&w, &h);
  assert_int_equal(h.books[0].order_cnt, 50);
  world_close(&w);
}

/* Paced over turns, and behind everything else. */
static void paced(wcx_params_t *params)
{
  cycling(params);
  params->snapshot_packets_per_s = 1000;
}

static void fill(world_t *w, client_t *client)
{
  client_sign_on(w, client);
  for (uint32_t i = 0; i < 1500; i++)
  {
    client_send_order(w, client, 1 + i % 2, WCX_SIDE_BUY, 100 + i % 50, 1 + i, WCX_TIME_IN_FORCE_GTC);
    world_turn(w);
  }
  world_turns(w, 4);
}

static void test_pace(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, paced);
  client_t client = client_of(1);
  fill(&w, &client);
  static heard_t h;
  next_cycle(&w, &h);
  assert_int_equal(h.books[0].order_cnt + h.books[1].order_cnt, 1500);
  assert_in_range(h.packet_cnt, 1500 / 27, 1500 / 27 + 4);
  world_drain(&w);
  uint32_t packets = 0;
  sent_t sent;
  for (uint32_t i = 0; i < 10000; i++) /* 100 ms at a thousand a second */
  {
    world_turn(&w);
    while (world_next(&w, &sent))
      packets += sent.to_ip == 0xef4d0003u && sent.mold.count != 0;
  }
  assert_in_range(packets, 90, 110);

  world_close(&w);
}

/* A port that takes a frame a turn: snapshots wait in half of the queue at most, so an answer is never behind more than that; and a pool without frames is
   survived. */
static void ceaseless(wcx_params_t *params)
{
  cycling(params);
  params->snapshot_cycle_ms = 1;
}

static void test_answers_go_first(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, ceaseless);
  client_t client = client_of(1);
  fill(&w, &client);
  wcx_wire_set_faults(w.wire, &(wcx_wire_faults_t){.tx_room = 1});
  world_turns(&w, 2000);
  world_drain(&w);
  client_send_order(&w, &client, 1, WCX_SIDE_BUY, 90, 1, WCX_TIME_IN_FORCE_GTC);
  uint32_t turns = 0;
  wcx_execution_report_new_t report = {0};
  for (; report.cl_ord_id != client.cl_ord_id && turns < 1000; turns++)
  {
    world_turn(&w);
    (void)world_expect(&w, &client, WCX_TEMPLATE_EXECUTION_REPORT_NEW, &report, sizeof(report));
  }
  assert_in_range(turns, WCX_EGRESS_MAX / 4, WCX_EGRESS_MAX / 2 + 8); /* behind snapshots, but not more */
  wcx_wire_set_faults(w.wire, &(wcx_wire_faults_t){.alloc_fail = 1});
  world_pass(&w, 50000000);
  wcx_wire_set_faults(w.wire, &(wcx_wire_faults_t){0});
  static heard_t h;
  next_cycle(&w, &h);
  assert_int_equal(h.books[0].order_cnt + h.books[1].order_cnt, 1501);
  world_close(&w);
}

/* More displayed orders than the bound: that book is left out and counted, the others are said. */
static void shallow(wcx_params_t *params)
{
  cycling(params);
  params->shards[0].snapshot_orders_max = 20;
}

static void test_a_book_too_deep(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, shallow);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  static heard_t h;
  for (uint32_t i = 0; i < 20; i++)
    (void)enter(&w, &client, client_order(&client, 1, i % 2 == 0 ? WCX_SIDE_BUY : WCX_SIDE_SELL, i % 2 == 0 ? 100 : 200, 1, WCX_TIME_IN_FORCE_GTC));
  (void)enter(&w, &client, client_order(&client, 2, WCX_SIDE_BUY, 100, 1, WCX_TIME_IN_FORCE_GTC));
  next_cycle(&w, &h);
  assert_int_equal(h.end.tot_num_securities, 2); /* both, in two batches */
  assert_int_equal(h.books[0].order_cnt, 20);
  assert_int_equal(h.books[1].order_cnt, 1);
  assert_int_equal(atomic_load(&w.shm->stats.snapshot_too_deep), 0);
  (void)enter(&w, &client, client_order(&client, 1, WCX_SIDE_SELL, 200, 1, WCX_TIME_IN_FORCE_GTC));
  next_cycle(&w, &h);
  assert_int_equal(h.end.tot_num_securities, 1);
  assert_int_equal(h.book_cnt, 1);
  assert_int_equal(h.books[0].start.security_id, 2);
  assert_true(atomic_load(&w.shm->stats.snapshot_too_deep) > 0);
  world_close(&w);
}

/* A cycle of two batches is copied at two inputs: the second waits for its own. */
static void test_each_batch_waits_for_its_input(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, shallow);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  static heard_t h;
  for (uint32_t i = 0; i < 20; i++)
    (void)enter(&w, &client, client_order(&client, 1, WCX_SIDE_BUY, 100, 1, WCX_TIME_IN_FORCE_GTC));
  (void)enter(&w, &client, client_order(&client, 2, WCX_SIDE_BUY, 100, 1, WCX_TIME_IN_FORCE_GTC));
  next_cycle(&w, &h);
  memset(&h, 0, sizeof(h));
  for (uint32_t i = 0; i < 20000 && h.book_cnt == 0; i++)
  {
    world_turn(&w);
    hear(&w, &h);
  }
  assert_int_equal(h.book_cnt, 1); /* the first batch, and nothing more */
  assert_true(h.books[0].ended);
  w.hold = true;
  client_send_order(&w, &client, 2, WCX_SIDE_BUY, 100, 1, WCX_TIME_IN_FORCE_GTC);
  world_turns(&w, 20);
  hear(&w, &h);
  assert_int_equal(h.book_cnt, 1);
  w.hold = false;
  world_turns(&w, 20);
  hear(&w, &h);
  assert_int_equal(h.book_cnt, 2);
  assert_int_equal(h.books[1].order_cnt, 2);
  world_close(&w);
}

/* Heartbeats between cycles; a data plane that starts again repeats no number; the day ends the session. */
static void slow(wcx_params_t *params)
{
  cycling(params);
  params->snapshot_cycle_ms = 5000;
}

static void test_numbers_and_sessions(void **state)
{
  (void)state;
  world_t w;
  world_open(&w, world_region(1, slow), 0);
  world_start(&w);
  static heard_t h;
  memset(&h, 0, sizeof(h));
  hear(&w, &h);
  assert_true(h.over);
  assert_int_equal(h.first, EPOCH_FIRST(w.epoch));
  assert_int_equal(h.end.cycle_id, 1);
  world_drain(&w);
  world_pass(&w, 3500000000);
  sent_t sent;
  uint32_t heartbeats = 0;
  while (world_next(&w, &sent))
    if (sent.to_ip == 0xef4d0003u || sent.to_ip == 0xef4d0004u)
    {
      heartbeats++;
      assert_int_equal(sent.mold.count, 0);
      assert_int_equal(sent.mold.sequence, h.next);
    }
  assert_in_range(heartbeats, 6, 8);

  uint64_t last = h.next;
  world_crash(&w);
  world_start(&w);
  memset(&h, 0, sizeof(h));
  hear(&w, &h);
  assert_true(h.over);
  assert_true(h.first > last);
  assert_int_equal(h.first, EPOCH_FIRST(w.epoch));

  w.utc_ns = (w.utc_ns / UINT64_C(86400000000000) + 1) * UINT64_C(86400000000000);
  world_pass(&w, 10000000000);
  uint32_t ends = 0;
  bool rolled = false;
  while (world_next(&w, &sent))
  {
    if (sent.to_ip != 0xef4d0003u && sent.to_ip != 0xef4d0004u)
      continue;
    if (sent.mold.count == WCX_MOLD_END_OF_SESSION)
    {
      ends++;
      assert_memory_equal(sent.mold.session, "N001260921", 10);
      assert_int_equal(sent.mold.sequence, h.next);
      continue;
    }
    assert_memory_equal(sent.mold.session, ends > 0 ? "N001260922" : "N001260921", 10);
    if (!rolled && ends > 0)
      assert_int_equal(sent.mold.sequence, EPOCH_FIRST(w.epoch));
    rolled = ends > 0;
  }
  assert_true(rolled);
  assert_in_range(ends, 8, 10);
  world_close(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_what_a_cycle_says),    cmocka_unit_test(test_waits_for_the_gate), cmocka_unit_test(test_pace),
      cmocka_unit_test(test_answers_go_first),     cmocka_unit_test(test_a_book_too_deep),    cmocka_unit_test(test_each_batch_waits_for_its_input),
      cmocka_unit_test(test_numbers_and_sessions),
  };
  return cmocka_run_group_tests_name("loop_cycle", tests, NULL, NULL);
}
