/* The rig of wcx-conform: two members' sessions on sockets that lose packets when told to, a feed, a book, and waiting. */
#include "dataplane/client/conform.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TURN_US 300u
#define TERMINATE_NS (UINT64_C(1500) * 1000000) /* sooner than the session gives up by itself */

static double seconds(uint64_t ns)
{
  return (double)ns / 1e9;
}

bool wcx_conform_says(wcx_conform_t *rig, bool condition, const char *format, ...)
{
  if (!condition && rig->why[0] == 0)
  {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(rig->why, sizeof(rig->why), format, arguments);
    va_end(arguments);
  }
  return condition;
}

uint64_t wcx_conform_roll(wcx_conform_t *rig, uint64_t below)
{
  rig->random ^= rig->random << 13;
  rig->random ^= rig->random >> 7;
  rig->random ^= rig->random << 17;
  return (rig->random >> 11) % below;
}

/* --- sessions --------------------------------------------------------------------------------------- */

static void on_message(void *ctx, uint64_t number, const void *message, size_t sz)
{
  wcx_conform_party_t *party = ctx;
  if (party->said_cnt == party->said_max)
  {
    party->said_max = party->said_max == 0 ? 1024 : party->said_max * 2;
    party->said = realloc(party->said, party->said_max * sizeof(*party->said));
    if (party->said == NULL)
      WCX_DIE("no memory for %u messages", party->said_max);
  }
  if (party->said_cnt != 0 && party->said[party->said_cnt - 1].number + 1 != number)
    party->misnumbered_cnt++;
  wcx_conform_said_t *said = &party->said[party->said_cnt++];
  said->number = number;
  said->sz = (uint16_t)(sz < WCX_CONFORM_MESSAGE_MAX ? sz : WCX_CONFORM_MESSAGE_MAX);
  memcpy(said->bytes, message, said->sz);
}

static void on_decided(void *ctx, const wcx_client_request_t *request, const void *message, size_t sz, uint64_t now_ns)
{
  (void)now_ns;
  wcx_conform_party_t *party = ctx;
  if (request->fate != WCX_CLIENT_REFUSED)
    return;
  party->refused_id = request->cl_ord_id;
  wcx_client_message_block(&party->refusal, sizeof(party->refusal), message, sz);
}

static void send_now(wcx_conform_party_t *party, const void *datagram, size_t sz)
{
  wcx_client_transport_send(&party->rig->transport, party->wire.socket_idx, party->session.config.server_port, datagram, sz);
}

static bool pass(void *ctx, bool outgoing, const void *datagram, size_t sz)
{
  wcx_conform_party_t *party = ctx;
  uint32_t dice = (uint32_t)wcx_conform_roll(party->rig, 100);
  if (!outgoing)
    return dice >= party->lose_received_pct;
  if (dice < party->lose_sent_pct)
    return false;
  bool request = sz > WCX_CLIENT_PACKET_HDR_SZ; /* heartbeats and re-requests only get lost */
  dice = (uint32_t)wcx_conform_roll(party->rig, 100);
  if (request && dice < party->late_pct && party->late_sz == 0)
  {
    memcpy(party->late, datagram, sz);
    party->late_sz = sz;
    return false;
  }
  if (request && dice >= 100 - party->twice_pct)
    send_now(party, datagram, sz);
  if (request && party->late_sz != 0)
  {
    send_now(party, datagram, sz);
    send_now(party, party->late, party->late_sz);
    party->late_sz = 0;
    return false;
  }
  return true;
}

void wcx_conform_party_open(wcx_conform_t *rig, wcx_conform_party_t *party, const wcx_conform_key_t *key, uint16_t port, uint64_t recover_from)
{
  bool reads_only = port == WCX_CONFORM_DROP_COPY_PORT || port == WCX_CONFORM_REPLAY_PORT;
  *party = (wcx_conform_party_t){.rig = rig, .key = *key};
  wcx_client_session_config_t config = {.session_id = key->session_id,
                                        .transport = port == WCX_CONFORM_UDP_PORT ? WCX_CLIENT_UDP : WCX_CLIENT_TCP,
                                        .server_port = port,
                                        .flags = port == WCX_CONFORM_DROP_COPY_PORT ? WCX_CLIENT_FLAG_DROP_COPY : WCX_CLIENT_FLAG_TAKE_OVER,
                                        .keep_alive_ms = 200,
                                        .cod_window_ms = 10000,
                                        .any_stream = reads_only,
                                        .recover_from = recover_from,
                                        .password = "any",
                                        .ctx = party,
                                        .on_message = on_message,
                                        .on_decided = on_decided};
  memcpy(config.access_key_id, key->access_key_id, sizeof(config.access_key_id));
  memcpy(config.secret, key->secret, sizeof(config.secret));
  memcpy(config.user, key->user, sizeof(config.user));
  wcx_client_wire_open(&party->wire, &rig->transport, &party->session, &config);
  party->wire.pass = pass;
  party->wire.ctx = party;
  WCX_CHECK(rig->party_cnt < WCX_CONFORM_PARTIES_MAX, "%u parties", rig->party_cnt);
  rig->parties[rig->party_cnt++] = party;
  wcx_client_session_open(&party->session, wcx_env_mono_ns());
}

bool wcx_conform_party_close(wcx_conform_party_t *party)
{
  wcx_conform_t *rig = party->rig;
  uint64_t start_ns = wcx_env_mono_ns();
  uint64_t now_ns = start_ns;
  wcx_client_session_terminate(&party->session, start_ns);
  while (party->session.state != WCX_CLIENT_CLOSED && now_ns - start_ns < rig->patience_ns)
    now_ns = wcx_conform_turn(rig);
  bool answered = party->session.state == WCX_CLIENT_CLOSED && now_ns - start_ns < TERMINATE_NS;
  for (uint32_t i = 0; i < rig->party_cnt; i++)
    if (rig->parties[i] == party)
      rig->parties[i] = rig->parties[--rig->party_cnt];
  wcx_client_session_free(&party->session);
  free(party->said);
  party->said = NULL;
  return wcx_conform_says(rig, answered, "Terminate of session %u on port %u was not answered", party->key.session_id, party->session.config.server_port);
}

bool wcx_conform_signed_on(wcx_conform_party_t *party)
{
  const wcx_client_session_t *session = &party->session;
  uint64_t start_ns = wcx_env_mono_ns();
  uint64_t took_ns = 0;
  while (session->state != WCX_CLIENT_READY)
    if ((took_ns = wcx_conform_turn(party->rig) - start_ns) > 2 * party->rig->patience_ns || session->reject_code == WCX_ESTABLISH_REJECT_CODE_CREDENTIALS)
    {
      if (party->rig->why[0] == 0)
        party->rig->change = wcx_conform_sign_on_change(party);
      return wcx_conform_says(party->rig, false, "session %u is not signed on to port %u after %.1f s; EstablishReject code %u%s%s%s, login reject '%c'", party->key.session_id,
                              session->config.server_port, seconds(took_ns), session->reject_code, session->reject_code != 0 ? " (" : "",
                              session->reject_code != 0 ? wcx_conform_value_name(WCX_TEMPLATE_ESTABLISH_REJECT, "Code", session->reject_code) : "",
                              session->reject_code != 0 ? ")" : "", session->link != NULL && session->link->reject_code != 0 ? session->link->reject_code : '-');
    }
  return true;
}

/* --- feed ------------------------------------------------------------------------------------------- */

static void feed_send(void *ctx, const void *datagram, size_t sz)
{
  wcx_conform_t *rig = ctx;
  wcx_client_transport_send(&rig->transport, rig->feed_sockets[WCX_CLIENT_LINE_REREQUEST], WCX_CONFORM_REREQUEST_PORT, datagram, sz);
}

static void feed_message(void *ctx, uint64_t number, const void *message, size_t sz)
{
  (void)number;
  wcx_client_books_apply(&((wcx_conform_t *)ctx)->books, message, sz);
}

static void take_a(void *ctx, uint64_t now_ns, const void *datagram, size_t sz)
{
  if (wcx_conform_roll(ctx, 10) != 0) /* each line loses a tenth on purpose: the other one and the re-request port make up for it */
    wcx_client_feed_datagram(&((wcx_conform_t *)ctx)->feed, now_ns, WCX_CLIENT_LINE_A, datagram, sz);
}

static void take_b(void *ctx, uint64_t now_ns, const void *datagram, size_t sz)
{
  if (wcx_conform_roll(ctx, 10) != 0)
    wcx_client_feed_datagram(&((wcx_conform_t *)ctx)->feed, now_ns, WCX_CLIENT_LINE_B, datagram, sz);
}

static void take_again(void *ctx, uint64_t now_ns, const void *datagram, size_t sz)
{
  wcx_client_feed_datagram(&((wcx_conform_t *)ctx)->feed, now_ns, WCX_CLIENT_LINE_REREQUEST, datagram, sz);
}

/* --- the rig ---------------------------------------------------------------------------------------- */

void wcx_conform_open(wcx_conform_t *rig, const char *server, const char *interface, const wcx_conform_key_t keys[2])
{
  wcx_client_transport_init(&rig->transport, interface, server, WCX_CONFORM_UDP_PORT, WCX_CONFORM_REREQUEST_PORT);
  rig->feed_sockets[WCX_CLIENT_LINE_A] = wcx_client_transport_add_group(&rig->transport, "239.77.0.1", 7101);
  rig->feed_sockets[WCX_CLIENT_LINE_B] = wcx_client_transport_add_group(&rig->transport, "239.77.0.2", 7102);
  rig->feed_sockets[WCX_CLIENT_LINE_REREQUEST] = wcx_client_transport_add_unicast(&rig->transport);
  wcx_client_feed_config_t feed = {.shard = 1, .from_start = true, .ctx = rig, .send = feed_send, .on_message = feed_message};
  wcx_client_feed_init(&rig->feed, &feed);
  wcx_client_books_init(&rig->books);
  wcx_conform_party_open(rig, &rig->member, &keys[0], WCX_CONFORM_UDP_PORT, 0);
  wcx_conform_party_open(rig, &rig->other, &keys[1], WCX_CONFORM_UDP_PORT, 0);
}

void wcx_conform_close(wcx_conform_t *rig)
{
  while (rig->party_cnt != 0)
    (void)wcx_conform_party_close(rig->parties[0]);
  wcx_client_feed_free(&rig->feed);
  wcx_client_books_free(&rig->books);
  wcx_client_transport_close(&rig->transport);
}

uint64_t wcx_conform_turn(wcx_conform_t *rig)
{
  wcx_client_transport_wait(&rig->transport, TURN_US);
  uint64_t now_ns = wcx_env_mono_ns();
  for (uint32_t i = 0; i < rig->party_cnt; i++)
    wcx_client_wire_turn(&rig->parties[i]->wire, now_ns);
  wcx_client_transport_take(&rig->transport, rig->feed_sockets[WCX_CLIENT_LINE_A], now_ns, take_a, rig);
  wcx_client_transport_take(&rig->transport, rig->feed_sockets[WCX_CLIENT_LINE_B], now_ns, take_b, rig);
  wcx_client_transport_take(&rig->transport, rig->feed_sockets[WCX_CLIENT_LINE_REREQUEST], now_ns, take_again, rig);
  wcx_client_feed_step(&rig->feed, now_ns);
  return now_ns;
}

void wcx_conform_run(wcx_conform_t *rig, uint64_t ns)
{
  uint64_t start_ns = wcx_env_mono_ns();
  while (wcx_conform_turn(rig) - start_ns < ns)
    ;
}

bool wcx_conform_settled(wcx_conform_t *rig, wcx_conform_party_t *party)
{
  uint64_t start_ns = wcx_env_mono_ns();
  while (wcx_conform_turn(rig) - start_ns < 3 * rig->patience_ns)
    if (party->session.state == WCX_CLIENT_READY && party->session.undecided_cnt == 0 && wcx_client_stream_missing(&party->session.inbound) == 0)
      return true;
  return wcx_conform_says(rig, false, "session %u is %s with %u requests undecided and %llu messages missing after %.1f s", party->key.session_id,
                          wcx_conform_state_name(party->session.state), party->session.undecided_cnt, (unsigned long long)wcx_client_stream_missing(&party->session.inbound),
                          seconds(3 * rig->patience_ns));
}

/* --- orders and answers ----------------------------------------------------------------------------- */

wcx_new_order_single_t wcx_conform_limit(const wcx_conform_t *rig, const wcx_conform_party_t *party, uint8_t side, int64_t price, int64_t qty, uint8_t time_in_force)
{
  return wcx_client_limit_order(0, party->key.account, rig->security_id, side, price, qty, time_in_force);
}

bool wcx_conform_send_bytes(wcx_conform_party_t *party, const uint8_t *message, size_t sz)
{
  uint64_t now_ns = wcx_env_mono_ns();
  bool sent = wcx_client_session_request(&party->session, now_ns, message, sz, 0);
  if (sent)
    wcx_client_session_flush(&party->session, now_ns);
  return wcx_conform_says(party->rig, sent, "session %u takes no request: it is %s", party->key.session_id, wcx_conform_state_name(party->session.state));
}

uint64_t wcx_conform_send(wcx_conform_party_t *party, wcx_new_order_single_t order)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  order.cl_ord_id = wcx_client_session_next_id(&party->session);
  return wcx_conform_send_bytes(party, message, wcx_client_put_new(message, &order)) ? order.cl_ord_id : 0;
}

/* Where a message of the server flow has the ClOrdID it is about. */
static size_t cl_ord_id_off(uint16_t template_id)
{
  if (template_id == WCX_TEMPLATE_ORDER_MASS_CANCEL_REPORT || template_id == WCX_TEMPLATE_MASS_QUOTE_ACK)
    return offsetof(wcx_order_mass_cancel_report_t, cl_ord_id);
  return offsetof(wcx_execution_report_new_t, cl_ord_id);
}

static bool about(const wcx_conform_said_t *said, uint16_t template_id, uint64_t cl_ord_id)
{
  uint64_t id;
  size_t at = sizeof(wcx_message_header_t) + cl_ord_id_off(template_id);
  if (wcx_client_message_template(said->bytes, said->sz) != template_id || said->sz < at + sizeof(id))
    return false;
  memcpy(&id, said->bytes + at, sizeof(id));
  return id == cl_ord_id;
}

static const wcx_conform_said_t *find(const wcx_conform_party_t *party, uint32_t from, uint16_t template_id, uint64_t cl_ord_id)
{
  for (uint32_t i = from; i < party->said_cnt; i++)
    if (about(&party->said[i], template_id, cl_ord_id))
      return &party->said[i];
  return NULL;
}

bool wcx_conform_expect(wcx_conform_party_t *party, uint16_t template_id, uint64_t cl_ord_id, void *block, size_t block_sz)
{
  uint64_t start_ns = wcx_env_mono_ns();
  const wcx_conform_said_t *said;
  if (cl_ord_id == 0)
    return false; /* it was not sent; the reason is noted */
  while ((said = find(party, 0, template_id, cl_ord_id)) == NULL)
    if (wcx_conform_turn(party->rig) - start_ns > party->rig->patience_ns)
    {
      char instead[160];
      wcx_conform_instead(party, cl_ord_id, instead, sizeof(instead));
      return wcx_conform_says(party->rig, false, "no %s about ClOrdID %llu of session %u within %.1f s: %s", wcx_conform_message_name(template_id), (unsigned long long)cl_ord_id,
                              party->key.session_id, seconds(party->rig->patience_ns), instead);
    }
  wcx_client_message_block(block, block_sz, said->bytes, said->sz);
  return true;
}

/* Whether a cancel of an order was asked for by this request. */
static bool canceled_by(const wcx_conform_said_t *said, uint64_t cl_ord_id)
{
  wcx_execution_report_cancel_t cancel;
  wcx_client_message_block(&cancel, sizeof(cancel), said->bytes, said->sz);
  return wcx_client_message_template(said->bytes, said->sz) == WCX_TEMPLATE_EXECUTION_REPORT_CANCEL && cancel.request_cl_ord_id == cl_ord_id;
}

const wcx_conform_said_t *wcx_conform_last_about(const wcx_conform_party_t *party, uint64_t cl_ord_id)
{
  for (uint32_t i = party->said_cnt; i-- > 0;)
  {
    const wcx_conform_said_t *said = &party->said[i];
    uint16_t template_id = wcx_client_message_template(said->bytes, said->sz);
    bool answers = template_id >= WCX_TEMPLATE_EXECUTION_REPORT_NEW && template_id <= WCX_TEMPLATE_MASS_QUOTE_ACK && template_id != WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT;
    if (answers && (about(said, template_id, cl_ord_id) || canceled_by(said, cl_ord_id)))
      return said;
  }
  return NULL;
}

uint32_t wcx_conform_count(const wcx_conform_party_t *party, uint16_t template_id, uint64_t cl_ord_id)
{
  uint32_t cnt = 0;
  for (const wcx_conform_said_t *said = party->said; (said = find(party, (uint32_t)(said - party->said), template_id, cl_ord_id)) != NULL; said++)
    cnt++;
  return cnt;
}

static bool shown(const wcx_conform_t *rig, uint64_t order_id, int64_t price, int64_t qty)
{
  for (uint32_t i = 0; i < rig->books.order_cnt; i++)
    if (rig->books.orders[i].order_id == order_id)
      return rig->books.orders[i].price == price && rig->books.orders[i].qty == qty;
  return qty == 0;
}

bool wcx_conform_shows(wcx_conform_t *rig, uint64_t order_id, int64_t price, int64_t qty)
{
  uint64_t start_ns = wcx_env_mono_ns();
  while (!shown(rig, order_id, price, qty) || wcx_client_stream_missing(&rig->feed.stream) != 0)
    if (wcx_conform_turn(rig) - start_ns > rig->patience_ns)
      return wcx_conform_says(rig, false, "the book from the feed does not have %lld of OrderID %llu at %lld; %llu messages of the feed are missing", (long long)qty,
                              (unsigned long long)order_id, (long long)price, (unsigned long long)wcx_client_stream_missing(&rig->feed.stream));
  return true;
}

bool wcx_conform_clean(wcx_conform_t *rig)
{
  wcx_conform_party_t *parties[] = {&rig->member, &rig->other};
  bool fine = true;
  for (uint32_t i = 0; i < 2; i++)
  {
    uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
    wcx_order_mass_cancel_report_t report;
    uint64_t id = wcx_client_session_next_id(&parties[i]->session);
    size_t sz = wcx_client_put_mass_cancel(message, id, parties[i]->key.account);
    fine = wcx_conform_send_bytes(parties[i], message, sz) && wcx_conform_expect(parties[i], WCX_TEMPLATE_ORDER_MASS_CANCEL_REPORT, id, &report, sizeof(report)) && fine;
  }
  return fine;
}
