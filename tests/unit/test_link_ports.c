/* The ports beside order entry: a drop copy ends with its day, complete, and starts again at 1; a cancel that two sessions hear of is copied once; one link a
   session and service, also while its ack waits at the gate. */
#include "dataplane/link.h"
#include "tests/unit/loop_fixture.h"

#define DROP_COPY_PORT 7005u
#define PURGE_PORT 7004u

typedef struct reader
{
  client_t client;
  uint32_t conn;
  uint64_t accepted;
  char session[11];
  bool ended; /* Z */
  uint8_t pad[4];
  uint32_t report_cnt;
  uint32_t in_len;
  uint16_t templates[64];
  uint16_t code; /* of a last EstablishReject or Terminate */
  bool acked;
  uint8_t in[8192];
} reader_t;

static void take(reader_t *reader, const wcx_soup_packet_t *packet)
{
  wcx_message_header_t header = {0};
  if (packet->type == 'A')
  {
    char text[21] = {0};
    memcpy(reader->session, packet->payload, 10);
    memcpy(text, packet->payload + 10, 20);
    reader->accepted = strtoull(text, NULL, 10);
  }
  reader->ended = reader->ended || packet->type == 'Z';
  if (packet->type != 'S')
    return;
  memcpy(&header, packet->payload, sizeof(header));
  if (header.template_id == WCX_TEMPLATE_ESTABLISH_ACK)
    reader->acked = true;
  else if (header.template_id == WCX_TEMPLATE_ESTABLISH_REJECT)
    reader->code = packet->payload[8 + offsetof(wcx_establish_reject_t, code)];
  else if (header.template_id == WCX_TEMPLATE_TERMINATE)
    reader->code = packet->payload[8 + offsetof(wcx_terminate_t, code)];
  else
    reader->templates[reader->report_cnt++ % 64] = header.template_id;
}

static void pump(world_t *w, reader_t *reader)
{
  reader->in_len += wcx_tcp_sim_recv(w->tcp, reader->conn, reader->in + reader->in_len, (uint32_t)sizeof(reader->in) - reader->in_len);
  uint32_t at = 0;
  wcx_soup_packet_t packet = {0};
  for (uint32_t sz = wcx_soup_next(reader->in, reader->in_len, &packet); sz != 0; sz = wcx_soup_next(reader->in + at, reader->in_len - at, &packet))
  {
    assert_int_not_equal(sz, UINT32_MAX);
    take(reader, &packet);
    at += sz;
  }
  memmove(reader->in, reader->in + at, reader->in_len - at);
  reader->in_len -= at;
}

static void begin(world_t *w, reader_t *reader, uint32_t session_id, uint16_t port, uint64_t number)
{
  static uint64_t uuid;
  *reader = (reader_t){.client = client_of(session_id)};
  reader->client.uuid = uuid += 1000;
  reader->client.port = (uint16_t)(30000 + uuid / 1000);
  wcx_peer_t from = {.ip = reader->client.ip, .port = reader->client.port, .mac = {2, 0, 0, 0, 0, 9}};
  reader->conn = wcx_tcp_sim_connect(w->tcp, &from, port);
  assert_int_not_equal(reader->conn, WCX_TCP_SIM_NONE);
  char login[WCX_SOUP_LOGIN_SZ + 1];
  snprintf(login, sizeof(login), "mm%-4u%-10s%-10s%20llu", session_id, "any", "", (unsigned long long)number);
  uint8_t packet[256];
  uint32_t sz = wcx_soup_begin(packet, 'L', WCX_SOUP_LOGIN_SZ);
  memcpy(packet + sz, login, WCX_SOUP_LOGIN_SZ);
  assert_int_equal(wcx_tcp_sim_send(w->tcp, reader->conn, packet, sz + WCX_SOUP_LOGIN_SZ), sz + WCX_SOUP_LOGIN_SZ);
  wcx_establish_t establish = client_establish(w, &reader->client);
  establish.flags = port == DROP_COPY_PORT ? FLAG_DROP_COPY : 0;
  wcx_message_header_t header = {.block_length = sizeof(establish), .template_id = WCX_TEMPLATE_ESTABLISH, .schema_id = WCX_SCHEMA_ID};
  sz = wcx_soup_begin(packet, 'U', sizeof(header) + sizeof(establish));
  memcpy(packet + sz, &header, sizeof(header));
  memcpy(packet + sz + sizeof(header), &establish, sizeof(establish));
  sz += (uint32_t)(sizeof(header) + sizeof(establish));
  assert_int_equal(wcx_tcp_sim_send(w->tcp, reader->conn, packet, sz), sz);
}

static void tune(wcx_params_t *params)
{
  params->purge_tcp_port = PURGE_PORT;
  params->drop_copy_tcp_port = DROP_COPY_PORT;
  params->sessions[1].account = 1; /* sessions 1 and 2 trade for account 1, session 3 for account 3: one firm */
  params->accounts[0].firm = params->accounts[2].firm = 9;
  params->sessions[0].drop_copy = WCX_DROP_SESSION;
  params->sessions[1].drop_copy = WCX_DROP_ACCOUNT;
  params->sessions[2].drop_copy = WCX_DROP_FIRM;
}

static uint64_t enter(world_t *w, client_t *client, uint32_t account, int64_t price)
{
  wcx_new_order_single_t order = client_order(client, 1, WCX_SIDE_BUY, price, 5, WCX_TIME_IN_FORCE_GTC);
  order.account = account;
  client_send(w, client, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
  return order.cl_ord_id;
}

static void test_ends_with_its_day(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, tune);
  uint64_t midnight = (w.utc_ns / UINT64_C(86400000000000) + 1) * UINT64_C(86400000000000);
  w.utc_ns = midnight - 1000000000;
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  reader_t reader;
  begin(&w, &reader, 3, DROP_COPY_PORT, 1);
  for (uint32_t i = 0; i < 3; i++)
    (void)enter(&w, &client, 1, 100);
  world_turns(&w, 10);
  pump(&w, &reader);
  assert_true(reader.acked && !reader.ended);
  assert_string_equal(reader.session, "f009260921");
  assert_int_equal(reader.report_cnt, 3);

  /* the day's last report and the roll are released at once: both reach the reader */
  w.hold = true;
  (void)enter(&w, &client, 1, 100);
  world_turns(&w, 2);
  w.utc_ns = midnight;
  world_turns(&w, 2);
  pump(&w, &reader);
  assert_int_equal(reader.report_cnt, 3);
  assert_false(reader.ended);
  w.hold = false;
  (void)enter(&w, &client, 1, 100);
  world_turns(&w, 4);
  pump(&w, &reader);
  assert_int_equal(reader.report_cnt, 4);
  assert_true(reader.ended && wcx_tcp_sim_ended(w.tcp, reader.conn));

  /* numbers start again, and a restart counts alike */
  for (uint32_t i = 0; i < 2; i++)
  {
    begin(&w, &reader, 3, DROP_COPY_PORT, 1);
    world_turns(&w, 10);
    pump(&w, &reader);
    assert_string_equal(reader.session, "f009260922");
    assert_int_equal(reader.report_cnt, 1);
    world_crash(&w);
    world_start(&w);
  }
  world_close(&w);
}

static void test_who_cannot_be_told_the_end(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, tune);
  uint64_t midnight = (w.utc_ns / UINT64_C(86400000000000) + 1) * UINT64_C(86400000000000);
  w.utc_ns = midnight - 1000000000;
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  reader_t reader;
  begin(&w, &reader, 3, DROP_COPY_PORT, 1);
  world_turns(&w, 10);
  for (uint32_t i = 0; i < 400; i++) /* more than a queue holds: 400 reports of 131 bytes */
  {
    (void)enter(&w, &client, 1, 100);
    world_turns(&w, 2);
  }
  w.utc_ns = midnight;
  world_turns(&w, 4);
  uint8_t byte;
  uint32_t got = 0;
  while (wcx_tcp_sim_recv(w.tcp, reader.conn, &byte, 1) == 1)
    got++;
  assert_true(got < 400 * 131);
  assert_true(wcx_tcp_sim_ended(w.tcp, reader.conn)); /* without Z: it has not had everything */
  world_close(&w);
}

static void test_a_cancel_is_copied_once(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, tune);
  client_t owner = client_of(1);
  client_t other = client_of(2);
  client_sign_on(&w, &owner);
  client_sign_on(&w, &other);
  reader_t readers[3];
  for (uint32_t i = 0; i < 3; i++)
    begin(&w, &readers[i], i + 1, DROP_COPY_PORT, 1);
  (void)enter(&w, &owner, 1, 100);
  world_turns(&w, 10);
  wcx_execution_report_new_t report;
  assert_true(world_expect(&w, &owner, WCX_TEMPLATE_EXECUTION_REPORT_NEW, &report, sizeof(report)));
  wcx_order_cancel_request_t cancel = {.cl_ord_id = ++other.cl_ord_id, .orig_cl_ord_id = WCX_U64_NULL, .order_id = report.order_id, .security_id = 1};
  client_send(&w, &other, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, &cancel, sizeof(cancel));
  world_turns(&w, 10);
  assert_int_equal(wcx_engine_orders_live(wcx_loop_engine(w.loop)), 0);
  for (uint32_t i = 0; i < 3; i++)
  {
    pump(&w, &readers[i]);
    assert_int_equal(readers[i].report_cnt, 2);
    assert_int_equal(readers[i].templates[1], WCX_TEMPLATE_EXECUTION_REPORT_CANCEL);
  }
  world_close(&w);
}

static void test_one_at_a_time(void **state)
{
  (void)state;
  for (uint32_t way = 0; way < 2; way++)
  {
    world_t w;
    world_new(&w, tune);
    uint16_t port = way == 0 ? DROP_COPY_PORT : PURGE_PORT;
    reader_t first;
    reader_t second;
    w.hold = true; /* the first one's ack waits at the gate */
    begin(&w, &first, 1, port, 0);
    world_turns(&w, 6);
    begin(&w, &second, 1, port, 0);
    world_turns(&w, 6);
    pump(&w, &first);
    assert_false(first.acked);
    w.hold = false;
    world_turns(&w, 6);
    pump(&w, &first);
    pump(&w, &second);
    assert_true(first.acked && first.code == 0);
    assert_false(second.acked);
    assert_int_equal(second.code, WCX_ESTABLISH_REJECT_CODE_ALREADY_ESTABLISHED);
    world_close(&w);
  }
}

static void few_cancels(wcx_params_t *params)
{
  tune(params);
  params->sessions[0].cancel_per_s = 1000;
  params->sessions[0].cancel_burst = 3;
}

/* A purge is never refused for pressure, but it is an input: it costs the tokens of cancels, and who is too fast is read no further. */
static void test_purges_cost_tokens(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, few_cancels);
  reader_t reader;
  begin(&w, &reader, 1, PURGE_PORT, 0);
  world_turns(&w, 10);
  pump(&w, &reader);
  assert_true(reader.acked);
  for (uint32_t i = 0; i < 10; i++)
  {
    wcx_order_mass_cancel_request_t all = {
        .cl_ord_id = ++reader.client.cl_ord_id, .account = 1, .security_id = WCX_U32_NULL, .mass_cancel_request_type = WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_SESSION};
    wcx_message_header_t header = {.block_length = sizeof(all), .template_id = WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, .schema_id = WCX_SCHEMA_ID};
    uint8_t packet[256];
    uint32_t sz = wcx_soup_begin(packet, 'U', sizeof(header) + sizeof(all));
    memcpy(packet + sz, &header, sizeof(header));
    memcpy(packet + sz + sizeof(header), &all, sizeof(all));
    sz += (uint32_t)(sizeof(header) + sizeof(all));
    assert_int_equal(wcx_tcp_sim_send(w.tcp, reader.conn, packet, sz), sz);
  }
  world_turns(&w, 10);
  assert_int_equal(atomic_load(&w.shm->stats.requests_sequenced), 3);
  world_pass(&w, 10000000);
  assert_int_equal(atomic_load(&w.shm->stats.requests_sequenced), 10);
  world_close(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ends_with_its_day), cmocka_unit_test(test_who_cannot_be_told_the_end), cmocka_unit_test(test_a_cancel_is_copied_once),
      cmocka_unit_test(test_one_at_a_time),     cmocka_unit_test(test_purges_cost_tokens),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
