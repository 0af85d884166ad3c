/* engine/json.c and engine/json_parse.c: what is written, what is read, and that the two are inverse. */
#include "engine/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const wcx_sbe_msg_t *msg;
static uint8_t body[WCX_RECORD_BODY_SZ_MAX];
static uint16_t body_sz;
static bool present[WCX_JSON_FIELDS_MAX];
static wcx_json_extra_t extra;
static char err[256];

static const char *parse(const char *line)
{
  err[0] = 0;
  return wcx_json_parse(line, strlen(line), &msg, body, &body_sz, present, &extra, err, sizeof(err));
}

static void writes_a_message_in_the_form_of_the_contract(void **state)
{
  (void)state;
  wcx_order_cancel_request_t cancel = {.cl_ord_id = 7, .orig_cl_ord_id = 5, .order_id = WCX_U64_NULL, .security_id = 1};
  char buf[256];
  const char *want = "\"OrderCancelRequest\":{\"ClOrdID\":7,\"OrigClOrdID\":5,\"OrderID\":null,\"SecurityID\":1}";
  assert_int_equal(wcx_json_member(buf, sizeof(buf), WCX_TEMPLATE_ORDER_CANCEL_REQUEST, &cancel, sizeof(cancel)), strlen(want));
  assert_string_equal(buf, want);
}

static void writes_enums_by_name_and_foreign_ones_as_integers(void **state)
{
  (void)state;
  wcx_account_definition_t account = {.account = 3, .credit = WCX_CREDIT_UNLIMITED, .status = 77};
  char buf[256];
  assert_true(wcx_json_member(buf, sizeof(buf), WCX_TEMPLATE_ACCOUNT_DEFINITION, &account, sizeof(account)) > 0);
  assert_string_equal(buf, "\"AccountDefinition\":{\"Account\":3,\"SelfMatchPreventionID\":0,\"Credit\":\"Unlimited\",\"Status\":77,\"KycTier\":0,\"FeeTier\":0,\"Firm\":0}");
}

static void writes_sets_chars_bytes_and_negative_numbers(void **state)
{
  (void)state;
  char buf[1024];
  wcx_new_order_single_t order = {.price = -5, .exec_inst = 0x8001};
  assert_true(wcx_json_member(buf, sizeof(buf), WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order)) > 0);
  assert_non_null(strstr(buf, "\"Price\":-5,"));
  assert_non_null(strstr(buf, ",15],\"MmpGroup\""));
  wcx_asset_definition_t asset = {.asset = {'A', '"', '\\', 1, ' ', ' ', 0, 0}, .exponent = -8};
  assert_true(wcx_json_member(buf, sizeof(buf), WCX_TEMPLATE_ASSET_DEFINITION, &asset, sizeof(asset)) > 0);
  assert_string_equal(buf, "\"AssetDefinition\":{\"Asset\":\"A\\\"\\\\\\u0001\",\"Exponent\":-8}");
}

static void writes_a_whole_message_and_a_longer_block_of_a_later_version(void **state)
{
  (void)state;
  uint8_t wire[64] = {0};
  char buf[256];
  wcx_message_header_t hdr = {.block_length = 8, .template_id = WCX_TEMPLATE_SESSION_STATUS_REQUEST, .schema_id = 1, .version = 0};
  uint64_t request_id = 9;
  memcpy(wire, &hdr, 8);
  memcpy(wire + 8, &request_id, 8);
  assert_true(wcx_json_message(buf, sizeof(buf), wire, 16) > 0);
  assert_string_equal(buf, "{\"SessionStatusRequest\":{\"RequestID\":9}}");
  hdr.block_length = 16;
  memcpy(wire, &hdr, 8);
  assert_true(wcx_json_message(buf, sizeof(buf), wire, 24) > 0);
  assert_string_equal(buf, "{\"SessionStatusRequest\":{\"RequestID\":9}}");
}

static void shows_what_is_no_message_as_bytes(void **state)
{
  (void)state;
  char buf[256];
  uint8_t wire[16] = {8, 0, 0xe7, 3, 1, 0, 0, 0, 0xab};
  assert_true(wcx_json_message(buf, sizeof(buf), wire, 9) > 0);
  assert_string_equal(buf, "{\"Unknown\":{\"TemplateID\":999,\"Bytes\":\"0800e70301000000ab\"}}");
  assert_true(wcx_json_message(buf, sizeof(buf), wire, 3) > 0);
  wcx_tick_t tick = {.transact_time = 1};
  assert_true(wcx_json_member(buf, sizeof(buf), WCX_TEMPLATE_TICK, &tick, 7) > 0);
  assert_string_equal(buf, "\"Unknown\":{\"TemplateID\":409,\"Bytes\":\"01000000000000\"}");
}

static void refuses_a_group_that_claims_more_than_there_is(void **state)
{
  (void)state;
  char buf[4096];
  assert_null(parse("{\"MassQuote\":{\"QuoteID\":1,\"QuoteSets\":[{\"BidPx\":1,\"BidSize\":2},{\"OfferPx\":3}]}}"));
  assert_int_equal(body_sz, 24 + 4 + 2 * 40);
  assert_true(wcx_json_member(buf, sizeof(buf), msg->template_id, body, body_sz) > 0);
  assert_non_null(strstr(buf, "\"QuoteSets\":[{\"BidPx\":1,\"OfferPx\":null,\"BidSize\":2,"));
  assert_true(wcx_json_member(buf, sizeof(buf), msg->template_id, body, (size_t)body_sz - 1) > 0);
  assert_non_null(strstr(buf, "Unknown"));
}

static void writes_a_journal_dump_line(void **state)
{
  (void)state;
  char buf[256];
  wcx_record_hdr_t hdr = {.format = 1, .template_id = WCX_TEMPLATE_TICK, .shard = 2, .session_id = 6, .seq = 9, .stamp_ns = 44, .client_seq = 3, .body_sz = 8};
  wcx_tick_t tick = {.transact_time = 44};
  assert_true(wcx_json_record(buf, sizeof(buf), 5, &hdr, &tick) > 0);
  assert_string_equal(buf, "{\"Seq\":9,\"Shard\":2,\"Epoch\":5,\"Stamp\":44,\"SessionID\":6,\"ClientSeq\":3,\"Tick\":{\"TransactTime\":44}}");
  assert_null(parse(buf));
  assert_string_equal(msg->name, "Tick");
  assert_int_equal(extra.session_id, 6);
  assert_int_equal(extra.transact_time, 44);
}

static void says_when_the_buffer_is_too_small(void **state)
{
  (void)state;
  wcx_tick_t tick = {.transact_time = 44};
  const char *want = "\"Tick\":{\"TransactTime\":44}";
  char buf[64];
  for (size_t sz = 0; sz <= strlen(want); sz++)
  {
    memset(buf, '#', sizeof(buf));
    assert_int_equal(wcx_json_member(buf, sz, WCX_TEMPLATE_TICK, &tick, 8), -1);
    assert_int_equal(buf[sz], '#');
  }
  assert_int_equal(wcx_json_member(buf, strlen(want) + 1, WCX_TEMPLATE_TICK, &tick, 8), strlen(want));
}

static void reads_fields_and_fills_defaults(void **state)
{
  (void)state;
  assert_null(parse(" { \"NewOrderSingle\" : {\"Side\":\"Sell\",\"Price\":-3, \"OrderQty\":10,\"SessionID\":2,\"TransactTime\":99,\"ExecInst\":[]} } \r\n"));
  assert_string_equal(msg->name, "NewOrderSingle");
  wcx_new_order_single_t order;
  assert_int_equal(body_sz, sizeof(order));
  memcpy(&order, body, sizeof(order));
  assert_int_equal(order.side, WCX_SIDE_SELL);
  assert_int_equal(order.price, -3);
  assert_int_equal(order.order_qty, 10);
  assert_true(order.stop_px == WCX_I64_NULL && order.display_qty == WCX_I64_NULL && order.expire_time == WCX_U64_NULL);
  assert_int_equal(order.account, 0);
  assert_true(extra.has_session_id && extra.session_id == 2);
  assert_true(extra.has_transact_time && extra.transact_time == 99);
  for (uint32_t i = 0; i < msg->field_cnt; i++)
  {
    const char *name = msg->fields[i].name;
    bool given = strcmp(name, "Side") == 0 || strcmp(name, "Price") == 0 || strcmp(name, "OrderQty") == 0 || strcmp(name, "ExecInst") == 0;
    assert_int_equal(present[i], given);
  }
}

static void reads_numbers_to_their_limits(void **state)
{
  (void)state;
  assert_null(parse("{\"OrderCancelRequest\":{\"ClOrdID\":18446744073709551615,\"SecurityID\":4294967295}}"));
  wcx_order_cancel_request_t cancel;
  memcpy(&cancel, body, sizeof(cancel));
  assert_true(cancel.cl_ord_id == UINT64_MAX && cancel.security_id == UINT32_MAX);
  assert_null(parse("{\"NewOrderSingle\":{\"Price\":9223372036854775807,\"OrderQty\":-9223372036854775808}}"));
  wcx_new_order_single_t order;
  memcpy(&order, body, sizeof(order));
  assert_true(order.price == INT64_MAX && order.order_qty == INT64_MIN);
  assert_null(parse("{\"AssetDefinition\":{\"Exponent\":-128}}"));
  assert_int_equal((int8_t)body[8], -128);
  assert_non_null(parse("{\"OrderCancelRequest\":{\"ClOrdID\":18446744073709551616}}"));
  assert_non_null(parse("{\"OrderCancelRequest\":{\"ClOrdID\":-1}}"));
  assert_non_null(parse("{\"OrderCancelRequest\":{\"SecurityID\":4294967296}}"));
  assert_non_null(parse("{\"NewOrderSingle\":{\"Price\":9223372036854775808}}"));
  assert_non_null(parse("{\"NewOrderSingle\":{\"Price\":-9223372036854775809}}"));
  assert_non_null(parse("{\"AssetDefinition\":{\"Exponent\":128}}"));
  assert_non_null(parse("{\"AssetDefinition\":{\"Exponent\":-129}}"));
}

static void says_what_is_wrong(void **state)
{
  (void)state;
  static const char *const cases[][2] = {
      {"", "the line ends where '{'"},
      {"[]", "'[' stands where '{'"},
      {"{}", "as the name of a message"},
      {"{\"Seq\":1}", "the line names no message"},
      {"{\"NewOrder\":{}}", "NewOrder is not a message of the schema"},
      {"{\"NewOrderSingle\":{\"Prize\":1}}", "NewOrderSingle has no field Prize"},
      {"{\"NewOrderSingle\":{\"Pad4\":1}}", "NewOrderSingle has no field Pad4"},
      {"{\"NewOrderSingle\":{\"Price\":1,\"Price\":1}}", "Price is given twice"},
      {"{\"NewOrderSingle\":{\"Price\":1.5}}", "not a fraction"},
      {"{\"NewOrderSingle\":{\"Price\":1e3}}", "not a fraction"},
      {"{\"NewOrderSingle\":{\"Price\":007}}", "does not start with 0"},
      {"{\"NewOrderSingle\":{\"Price\":\"1\"}}", "an integer is expected"},
      {"{\"NewOrderSingle\":{\"OrderQty\":null}}", "OrderQty cannot be null"},
      {"{\"NewOrderSingle\":{\"Side\":\"Long\"}}", "Side: Long is not one of Side"},
      {"{\"NewOrderSingle\":{\"Side\":256}}", "outside 0..255"},
      {"{\"NewOrderSingle\":{\"ExecInst\":[\"Nothing\"]}}", "ExecInst: Nothing"},
      {"{\"NewOrderSingle\":{\"ExecInst\":[16]}}", "outside 0..15"},
      {"{\"NewOrderSingle\":{}} x", "goes on after"},
      {"{\"NewOrderSingle\":{},\"Tick\":{}}", "Tick is a second"},
      {"{\"NewOrderSingle\":{}", "the line ends where '}'"},
      {"{\"NewOrderSingle\":{\"Side\":\"Buy", "a string does not end"},
      {"{\"AssetDefinition\":{\"Asset\":\"LONGERTHAN8\"}}", "longer than 8"},
      {"{\"AssetDefinition\":{\"Asset\":\"\\q\"}}", "escape"},
      {"{\"MassQuote\":{\"QuoteSets\":[{\"Price\":1}]}}", "QuoteSets has no field Price"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
  {
    const char *text = parse(cases[i][0]);
    assert_non_null(text);
    if (strstr(text, cases[i][1]) == NULL)
      fail_msg("%s: \"%s\" does not say \"%s\"", cases[i][0], text, cases[i][1]);
  }
}

static void holds_a_full_mass_quote_and_no_more(void **state)
{
  (void)state;
  char line[4096];
  for (int sets = 33; sets <= 34; sets++)
  {
    int len = snprintf(line, sizeof(line), "{\"MassQuote\":{\"QuoteSets\":[");
    for (int i = 0; i < sets; i++)
      len += snprintf(line + len, sizeof(line) - (size_t)len, "%s{\"QuoteEntryID\":%d}", i > 0 ? "," : "", i);
    snprintf(line + len, sizeof(line) - (size_t)len, "]}}");
    if (sets == 33)
      assert_null(parse(line));
    else
      assert_non_null(parse(line));
  }
}

static void reads_book_lines(void **state)
{
  (void)state;
  assert_null(parse("{\"Book\":{\"SecurityID\":3}}"));
  assert_true(msg == NULL && extra.book && extra.book_security_id == 3);
  assert_null(parse("{\"Book\":{}}"));
  assert_int_equal(extra.book_security_id, 1);
}

static void reads_balances_lines(void **state)
{
  (void)state;
  assert_null(parse("{\"Balances\":{\"Account\":7}}"));
  assert_true(msg == NULL && extra.balances && !extra.book && extra.balances_account == 7);
  assert_null(parse("{\"Balances\":{}}"));
  assert_int_equal(extra.balances_account, 1);
  assert_non_null(parse("{\"Balances\":{\"SecurityID\":7}}"));
  assert_non_null(parse("{\"Balances\":{},\"Book\":{}}"));
}

/* Random blocks of every message: writing, reading and writing again gives the same text. */
static void reading_is_the_inverse_of_writing(void **state)
{
  (void)state;
  const char *given = getenv("WCX_SEED");
  unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
  print_message("seed %u\n", seed);
  srand(seed);
  for (int round = 0; round < 50; round++)
    for (uint32_t i = 0; i < wcx_sbe_msg_cnt; i++)
    {
      uint8_t block[WCX_RECORD_BODY_SZ_MAX];
      char line[16384], again[16384];
      uint32_t sz = wcx_sbe_msgs[i].block_length;
      for (uint32_t b = 0; b < sizeof(block); b++)
        block[b] = (uint8_t)(rand() >> 5);
      if (wcx_sbe_msgs[i].group_name != NULL)
      {
        wcx_group_size_t group = {wcx_sbe_msgs[i].group_block_length, (uint16_t)(rand() % 30)};
        memcpy(block + sz, &group, sizeof(group));
        sz += (uint32_t)sizeof(group) + group.block_length * group.num_in_group;
      }
      line[0] = '{';
      int len = wcx_json_member(line + 1, sizeof(line) - 2, wcx_sbe_msgs[i].template_id, block, sz);
      assert_true(len > 0);
      line[len + 1] = '}';
      line[len + 2] = 0;
      const char *text = parse(line);
      if (text != NULL)
        fail_msg("%s: %s", text, line);
      assert_int_equal(body_sz, sz);
      again[0] = '{';
      len = wcx_json_member(again + 1, sizeof(again) - 2, msg->template_id, body, body_sz);
      assert_true(len > 0);
      again[len + 1] = '}';
      again[len + 2] = 0;
      assert_string_equal(again, line);
    }
}

/* No prefix of a sound line is read as one, and no cut string is read beyond its end (the address sanitizer watches). */
static void refuses_every_prefix(void **state)
{
  (void)state;
  const char *line = "{\"MassQuote\":{\"QuoteID\":1,\"QuoteSets\":[{\"BidPx\":-1,\"BidSize\":2}],\"SelfMatchPreventionInst\":\"None\",\"Account\":1}}";
  assert_null(parse(line));
  for (size_t len = 0; len < strlen(line); len++)
  {
    char *cut = malloc(len + 1);
    assert_non_null(cut);
    memcpy(cut, line, len);
    assert_non_null(wcx_json_parse(cut, len, &msg, body, &body_sz, present, &extra, err, sizeof(err)));
    free(cut);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(writes_a_message_in_the_form_of_the_contract),
      cmocka_unit_test(writes_enums_by_name_and_foreign_ones_as_integers),
      cmocka_unit_test(writes_sets_chars_bytes_and_negative_numbers),
      cmocka_unit_test(writes_a_whole_message_and_a_longer_block_of_a_later_version),
      cmocka_unit_test(shows_what_is_no_message_as_bytes),
      cmocka_unit_test(refuses_a_group_that_claims_more_than_there_is),
      cmocka_unit_test(writes_a_journal_dump_line),
      cmocka_unit_test(says_when_the_buffer_is_too_small),
      cmocka_unit_test(reads_fields_and_fills_defaults),
      cmocka_unit_test(reads_numbers_to_their_limits),
      cmocka_unit_test(says_what_is_wrong),
      cmocka_unit_test(holds_a_full_mass_quote_and_no_more),
      cmocka_unit_test(reads_book_lines),
      cmocka_unit_test(reads_balances_lines),
      cmocka_unit_test(reading_is_the_inverse_of_writing),
      cmocka_unit_test(refuses_every_prefix),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
