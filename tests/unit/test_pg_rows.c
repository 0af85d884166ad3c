/* Rows as bytes of COPY (FORMAT binary): the shape of the stream, nulls, and which outputs become rows. Values are compared against a server in tests/e2e/test_sinks.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "persist/pg_rows.h"

#include <stdlib.h>

#define LOG_SZ 65536u
#define STAMP_NS UINT64_C(1790000000123456789)

static uint8_t log_mem[LOG_SZ] __attribute__((aligned(16)));
static wcx_outlog_t out;
static wcx_pg_rows_t rows;
static wcx_record_hdr_t record;

static int set_up(void **state)
{
  (void)state;
  wcx_outlog_init(&out, log_mem, LOG_SZ);
  rows = (wcx_pg_rows_t){.shard = 1};
  record = (wcx_record_hdr_t){.template_id = WCX_TEMPLATE_NEW_ORDER_SINGLE, .seq = 77, .stamp_ns = STAMP_NS};
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  wcx_pg_rows_free(&rows);
  return 0;
}

static void say(uint8_t stream, uint32_t stream_id, uint16_t template_id, const void *block, uint16_t sz)
{
  wcx_out_entry_t *entry = wcx_outlog_append(&out, 8u + sz);
  entry->stream = stream;
  entry->stream_id = stream_id;
  entry->number = 5;
  entry->input_seq = record.seq;
  wcx_message_header_t header = {.block_length = sz, .template_id = template_id, .schema_id = 1};
  memcpy(wcx_out_message(entry), &header, sizeof(header));
  memcpy(wcx_out_message(entry) + sizeof(header), block, sz);
}

static uint64_t take(const uint8_t **at, size_t sz)
{
  uint64_t value = 0;
  for (size_t i = 0; i < sz; i++)
    value = value << 8 | *(*at)++;
  return value;
}

/* The next field, which must be of this size; UINT32_MAX: null. */
static uint64_t field(const uint8_t **at, uint32_t sz)
{
  assert_int_equal(take(at, 4), sz);
  return sz == UINT32_MAX ? 0 : take(at, sz);
}

static void pass(const uint8_t **at, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
  {
    uint32_t sz = (uint32_t)take(at, 4);
    *at += sz == UINT32_MAX ? 0 : sz;
  }
}

static void test_a_report(void **state)
{
  (void)state;
  wcx_execution_report_new_t new = {.exec_id = 9,
                                    .order_id = UINT64_MAX - 1,
                                    .cl_ord_id = 3,
                                    .security_id = 1,
                                    .account = 4,
                                    .session_id = 2,
                                    .side = WCX_SIDE_SELL,
                                    .ord_status = WCX_ORD_STATUS_NEW,
                                    .price = WCX_I64_NULL,
                                    .order_qty = 6,
                                    .leaves_qty = 6,
                                    .stop_px = -2};
  say(WCX_STREAM_SESSION, 2, WCX_TEMPLATE_EXECUTION_REPORT_NEW, &new, sizeof(new));
  wcx_pg_rows_add(&rows, &record, NULL, &out);
  const wcx_pg_copy_t *copy = &rows.copy[WCX_PG_EXECUTION];
  assert_int_equal(copy->rows, 1);
  assert_int_equal(rows.rows, 1);
  assert_memory_equal(copy->base, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
  const uint8_t *at = copy->base + 19;
  assert_int_equal(take(&at, 2), 36);
  assert_int_equal(field(&at, 4), 1);
  assert_int_equal(field(&at, 8), 77);
  assert_int_equal(field(&at, 4), 0);
  assert_int_equal(field(&at, 8), STAMP_NS / 1000 - UINT64_C(946684800000000));
  assert_int_equal(field(&at, 8), STAMP_NS);
  assert_int_equal(field(&at, 8), 2);
  assert_int_equal(field(&at, 8), 5);
  assert_int_equal(field(&at, 2), WCX_TEMPLATE_EXECUTION_REPORT_NEW);
  assert_int_equal(field(&at, 8), 9);
  assert_int_equal(field(&at, 8), UINT64_MAX - 1); /* the same bits */
  assert_int_equal(field(&at, 8), 3);
  (void)field(&at, UINT32_MAX); /* orig_cl_ord_id */
  pass(&at, 2);
  assert_int_equal(field(&at, 2), WCX_SIDE_SELL);
  pass(&at, 5);
  (void)field(&at, UINT32_MAX); /* price */
  assert_int_equal((int64_t)field(&at, 8), -2);
  pass(&at, 14);
  assert_ptr_equal(at, copy->base + copy->len);
  assert_int_equal(rows.account_cnt, 1);
  assert_int_equal(rows.accounts[0], 4);
  assert_int_equal(rows.first_stamp_ns, STAMP_NS);
}

/* A cancel that another session asked for is told to both: the owner's is the row. Unsequenced answers and requests' rejects of other kinds are none. */
static void test_each_report_once(void **state)
{
  (void)state;
  wcx_execution_report_cancel_t cancel = {.session_id = 2, .account = 4, .order_id = 8, .request_cl_ord_id = WCX_U64_NULL, .receive_time = WCX_U64_NULL};
  wcx_order_cancel_reject_t reject = {.session_id = 2};
  say(WCX_STREAM_SESSION, 3, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, &cancel, sizeof(cancel));
  say(WCX_STREAM_SESSION, 2, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, &cancel, sizeof(cancel));
  say(WCX_STREAM_SESSION, 2, WCX_TEMPLATE_ORDER_CANCEL_REJECT, &reject, sizeof(reject));
  say(WCX_STREAM_UNSEQUENCED, 2, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, &cancel, sizeof(cancel));
  wcx_pg_rows_add(&rows, &record, NULL, &out);
  assert_int_equal(rows.copy[WCX_PG_EXECUTION].rows, 1);
  const uint8_t *at = rows.copy[WCX_PG_EXECUTION].base + 21;
  pass(&at, 2);
  assert_int_equal(field(&at, 4), 1); /* the second of what the input said */
}

/* An uncross says a fill once for each displayed side; a hidden fill is a Trade of its own. */
static void test_each_fill_once(void **state)
{
  (void)state;
  wcx_order_executed_t fill = {.order_id = 1, .trd_match_id = 10, .last_px = 100, .last_qty = 2, .security_id = 1};
  wcx_trade_t hidden = {.trd_match_id = 12, .last_px = 100, .last_qty = 1, .security_id = 1, .trd_type = 2};
  wcx_trade_break_t broken = {.trd_match_id = 3, .security_id = 1, .reason = 1};
  wcx_add_order_t add = {.order_id = 5};
  say(WCX_STREAM_FEED, 1, WCX_TEMPLATE_ORDER_EXECUTED, &fill, sizeof(fill));
  say(WCX_STREAM_FEED, 1, WCX_TEMPLATE_ORDER_EXECUTED, &fill, sizeof(fill));
  fill.trd_match_id = 11;
  say(WCX_STREAM_FEED, 1, WCX_TEMPLATE_ORDER_EXECUTED, &fill, sizeof(fill));
  say(WCX_STREAM_FEED, 1, WCX_TEMPLATE_TRADE, &hidden, sizeof(hidden));
  say(WCX_STREAM_FEED, 1, WCX_TEMPLATE_TRADE_BREAK, &broken, sizeof(broken));
  say(WCX_STREAM_FEED, 1, WCX_TEMPLATE_ADD_ORDER, &add, sizeof(add));
  wcx_pg_rows_add(&rows, &record, NULL, &out);
  assert_int_equal(rows.copy[WCX_PG_TRADE].rows, 3);
  assert_int_equal(rows.copy[WCX_PG_TRADE_BREAK].rows, 1);
  assert_int_equal(rows.rows, 4);
}

/* The rows of wcx.orders as an end would send them: order_id and the columns behind it. */
#define ORDER_COLUMNS 16u
#define NULL_FIELD INT64_MIN

static void order_rows(int64_t (*fields)[ORDER_COLUMNS], uint32_t cnt)
{
  rows.account_cnt = 0; /* there is no engine to ask for balances */
  wcx_pg_rows_end(&rows, NULL);
  const wcx_pg_copy_t *copy = &rows.copy[WCX_PG_ORDER];
  assert_int_equal(copy->rows, cnt);
  const uint8_t *at = copy->base + 19;
  for (uint32_t i = 0; i < cnt; i++)
  {
    assert_int_equal(take(&at, 2), ORDER_COLUMNS);
    for (uint32_t column = 0; column < ORDER_COLUMNS; column++)
    {
      uint32_t sz = (uint32_t)take(&at, 4);
      fields[i][column] = sz == UINT32_MAX ? NULL_FIELD : (int64_t)take(&at, sz);
    }
  }
  assert_int_equal(take(&at, 2), UINT16_MAX);
  assert_ptr_equal(at, copy->base + copy->len);
}

static void assert_order(const int64_t *have, const int64_t *wanted)
{
  for (uint32_t column = 0; column < ORDER_COLUMNS; column++)
    assert_int_equal(have[column], wanted[column]);
}

/* shard, order_id, cl_ord_id, session_id, account, security_id, side, ord_status, ord_type, time_in_force, price, order_qty, leaves_qty, cum_qty, seq, stamp */
static void test_an_order_once_a_batch(void **state)
{
  (void)state;
  wcx_execution_report_new_t new = {.order_id = 8,
                                    .cl_ord_id = 3,
                                    .security_id = 1,
                                    .account = 4,
                                    .side = WCX_SIDE_SELL,
                                    .ord_status = WCX_ORD_STATUS_NEW,
                                    .ord_type = WCX_ORD_TYPE_LIMIT,
                                    .time_in_force = WCX_TIME_IN_FORCE_IOC,
                                    .price = 100,
                                    .order_qty = 6,
                                    .leaves_qty = 6,
                                    .display_qty = WCX_I64_NULL,
                                    .stop_px = WCX_I64_NULL};
  wcx_execution_report_trade_t trade = {
      .order_id = 8, .cl_ord_id = 3, .security_id = 1, .account = 4, .side = WCX_SIDE_SELL, .ord_status = WCX_ORD_STATUS_PARTIALLY_FILLED, .leaves_qty = 4, .cum_qty = 2};
  wcx_execution_report_replace_t replace = {.order_id = 8,
                                            .cl_ord_id = 5,
                                            .orig_cl_ord_id = 3,
                                            .security_id = 1,
                                            .account = 4,
                                            .side = WCX_SIDE_SELL,
                                            .ord_status = WCX_ORD_STATUS_PARTIALLY_FILLED,
                                            .price = WCX_I64_NULL,
                                            .order_qty = 9,
                                            .leaves_qty = 7,
                                            .display_qty = WCX_I64_NULL};
  wcx_execution_report_trade_t of_a_quote = {
      .order_id = UINT64_MAX - 1, .cl_ord_id = 6, .security_id = 2, .account = 7, .side = WCX_SIDE_BUY, .ord_status = WCX_ORD_STATUS_FILLED, .leaves_qty = 0, .cum_qty = 2};
  wcx_execution_report_reject_t reject = {.order_id = WCX_U64_NULL, .cl_ord_id = 11, .account = 4};
  wcx_execution_report_trade_break_t broken = {.order_id = 8, .cl_ord_id = 3, .account = 4, .ord_status = WCX_ORD_STATUS_FILLED, .last_px = WCX_I64_NULL, .last_qty = WCX_I64_NULL};
  say(WCX_STREAM_SESSION, 2, WCX_TEMPLATE_EXECUTION_REPORT_NEW, &new, sizeof(new));
  say(WCX_STREAM_SESSION, 2, WCX_TEMPLATE_EXECUTION_REPORT_TRADE, &trade, sizeof(trade));
  say(WCX_STREAM_SESSION, 9, WCX_TEMPLATE_EXECUTION_REPORT_TRADE, &of_a_quote, sizeof(of_a_quote));
  wcx_pg_rows_add(&rows, &record, NULL, &out);
  wcx_outlog_init(&out, log_mem, LOG_SZ);
  record.seq++;
  record.stamp_ns += 5000;
  say(WCX_STREAM_SESSION, 2, WCX_TEMPLATE_EXECUTION_REPORT_REPLACE, &replace, sizeof(replace));
  wcx_pg_rows_add(&rows, &record, NULL, &out);
  wcx_outlog_init(&out, log_mem, LOG_SZ);
  record.seq++;
  say(WCX_STREAM_SESSION, 2, WCX_TEMPLATE_EXECUTION_REPORT_REJECT, &reject, sizeof(reject));
  say(WCX_STREAM_SESSION, 2, WCX_TEMPLATE_EXECUTION_REPORT_TRADE_BREAK, &broken, sizeof(broken));
  wcx_pg_rows_add(&rows, &record, NULL, &out);
  int64_t have[2][ORDER_COLUMNS];
  order_rows(have, 2);
  assert_order(have[0], (const int64_t[]){1, 8, 5, 2, 4, 1, WCX_SIDE_SELL, WCX_ORD_STATUS_PARTIALLY_FILLED, WCX_ORD_TYPE_LIMIT, WCX_TIME_IN_FORCE_IOC, 100, 9, 7, 2, 78,
                                          wcx_pg_time(STAMP_NS + 5000)});
  assert_order(have[1], (const int64_t[]){1, -2, 6, 9, 7, 2, WCX_SIDE_BUY, WCX_ORD_STATUS_FILLED, NULL_FIELD, NULL_FIELD, NULL_FIELD, NULL_FIELD, 0, 2, 77, wcx_pg_time(STAMP_NS)});
}

/* A batch speaks of nothing that the one before it said; of a canceled order nothing is left. */
static void test_orders_of_the_next_batch(void **state)
{
  (void)state;
  wcx_execution_report_new_t new = {.order_id = 8, .price = 100, .order_qty = 6, .leaves_qty = 6};
  wcx_execution_report_cancel_t cancel = {.session_id = 2, .order_id = 8, .cum_qty = 2, .canceled_qty = 4, .request_cl_ord_id = WCX_U64_NULL, .receive_time = WCX_U64_NULL};
  say(WCX_STREAM_SESSION, 2, WCX_TEMPLATE_EXECUTION_REPORT_NEW, &new, sizeof(new));
  wcx_pg_rows_add(&rows, &record, NULL, &out);
  wcx_pg_rows_clear(&rows);
  wcx_outlog_init(&out, log_mem, LOG_SZ);
  say(WCX_STREAM_SESSION, 2, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, &cancel, sizeof(cancel));
  wcx_pg_rows_add(&rows, &record, NULL, &out);
  int64_t have[1][ORDER_COLUMNS];
  order_rows(have, 1);
  assert_int_equal(have[0][10], NULL_FIELD); /* price */
  assert_int_equal(have[0][11], NULL_FIELD); /* order_qty */
  assert_int_equal(have[0][12], 0);          /* leaves_qty */
  assert_int_equal(have[0][13], 2);          /* cum_qty */
}

static void test_many_orders(void **state)
{
  (void)state;
  static int64_t have[20000][ORDER_COLUMNS];
  wcx_execution_report_trade_t trade = {0};
  for (uint32_t round = 0; round < 2; round++)
    for (uint64_t i = 0; i < 20000; i++)
    {
      wcx_outlog_init(&out, log_mem, LOG_SZ);
      trade.order_id = i << 44 | i; /* ids that differ in their upper bits alone share many hashes of the lower ones */
      trade.cum_qty = (int64_t)(i + round);
      say(WCX_STREAM_SESSION, 2, WCX_TEMPLATE_EXECUTION_REPORT_TRADE, &trade, sizeof(trade));
      wcx_pg_rows_add(&rows, &record, NULL, &out);
    }
  order_rows(have, 20000);
  for (uint64_t i = 0; i < 20000; i++)
  {
    assert_int_equal(have[i][1], i << 44 | i);
    assert_int_equal(have[i][13], i + 1);
  }
}

static void test_it_grows_and_is_emptied(void **state)
{
  (void)state;
  wcx_trade_t trade = {.trd_match_id = 1};
  for (uint32_t i = 0; i < 5000; i++)
  {
    wcx_outlog_init(&out, log_mem, LOG_SZ);
    record.seq++;
    say(WCX_STREAM_FEED, 1, WCX_TEMPLATE_TRADE, &trade, sizeof(trade));
    wcx_pg_rows_add(&rows, &record, NULL, &out);
  }
  const wcx_pg_copy_t *copy = &rows.copy[WCX_PG_TRADE];
  const uint8_t *at = copy->base + 19;
  for (uint32_t i = 0; i < 5000; i++)
  {
    assert_int_equal(take(&at, 2), 11);
    pass(&at, 11);
  }
  assert_ptr_equal(at, copy->base + copy->len);
  wcx_pg_rows_clear(&rows);
  assert_int_equal(rows.rows + copy->len + rows.first_stamp_ns, 0);
  wcx_pg_rows_add(&rows, &record, NULL, &out);
  assert_memory_equal(copy->base, "PGCOPY", 6);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_a_report, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_each_report_once, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_each_fill_once, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_an_order_once_a_batch, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_orders_of_the_next_batch, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_many_orders, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_it_grows_and_is_emptied, set_up, tear_down),
  };
  return cmocka_run_group_tests_name("pg_rows", tests, NULL, NULL);
}
