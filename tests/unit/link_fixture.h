/* A client over simulated TCP, on top of loop_fixture.h: it writes Soup packets and keeps the messages it was sent, under their numbers.

   peer_pump reads what the server wrote and asserts that it is whole packets of the types a server may send. Sequenced messages are kept in order;
   the number of the first is what the login was answered with. */
#ifndef WCX_TESTS_LINK_FIXTURE_H
#define WCX_TESTS_LINK_FIXTURE_H

#include "dataplane/link.h"
#include "tests/unit/loop_fixture.h"

#define PEER_MESSAGES_MAX 8192u
#define PEER_MESSAGE_SZ 160u

typedef struct peer_message
{
  uint64_t number; /* 0: not counted (EstablishReject) */
  uint16_t template_id;
  uint16_t len; /* of data, SBE header included */
  uint8_t data[PEER_MESSAGE_SZ];
} peer_message_t;

typedef struct peer
{
  client_t client;
  uint32_t conn; /* WCX_TCP_SIM_NONE: none */
  uint32_t in_len;
  uint64_t number; /* of the next S */
  uint64_t accepted;
  char session[10];
  char rejected; /* code of J */
  bool logged_in;
  bool loose; /* what it writes to a connection that has ended is lost */
  uint32_t heartbeat_cnt;
  uint32_t message_cnt;
  uint8_t in[1u << 16];
  peer_message_t messages[PEER_MESSAGES_MAX];
} peer_t;

static inline peer_t *peer_new(uint32_t session_id)
{
  peer_t *peer = calloc(1, sizeof(*peer));
  assert_non_null(peer);
  peer->client = client_of(session_id);
  peer->conn = WCX_TCP_SIM_NONE;
  return peer;
}

/* What was read is forgotten, and so is the connection: the client's numbers go on. */
static inline void peer_forget(world_t *w, peer_t *peer)
{
  if (peer->conn != WCX_TCP_SIM_NONE)
    wcx_tcp_sim_forget(w->tcp, peer->conn);
  client_t client = peer->client;
  bool loose = peer->loose;
  memset(peer, 0, sizeof(*peer));
  peer->client = client;
  peer->loose = loose;
  peer->conn = WCX_TCP_SIM_NONE;
}

static inline void peer_connect(world_t *w, peer_t *peer)
{
  peer_forget(w, peer);
  peer->client.port++;
  wcx_peer_t from = {.ip = peer->client.ip, .port = peer->client.port, .mac = {2, 0, 0, 0, 0, 9}};
  peer->conn = wcx_tcp_sim_connect(w->tcp, &from, 7001);
  assert_int_not_equal(peer->conn, WCX_TCP_SIM_NONE);
}

static inline void peer_cut(world_t *w, peer_t *peer, bool reset)
{
  if (reset)
    wcx_tcp_sim_reset(w->tcp, peer->conn);
  else
    wcx_tcp_sim_finish(w->tcp, peer->conn);
}

/* --- what it writes ------------------------------------------------------------------------------------------------------------------------- */

static inline uint32_t soup_put(uint8_t *to, char type, const void *payload, uint16_t sz)
{
  uint32_t at = wcx_soup_begin(to, type, sz);
  if (sz > 0)
    memcpy(to + at, payload, sz);
  return at + sz;
}

static inline uint32_t soup_put_message(uint8_t *to, uint16_t template_id, const void *body, uint16_t sz)
{
  wcx_message_header_t header = {.block_length = sz, .template_id = template_id, .schema_id = WCX_SCHEMA_ID};
  uint32_t at = wcx_soup_begin(to, 'U', (uint16_t)(sz + 8));
  memcpy(to + at, &header, 8);
  memcpy(to + at + 8, body, sz);
  return at + 8 + sz;
}

static inline uint32_t soup_put_login(uint8_t *to, const char *user, const char *session, uint64_t number)
{
  char payload[WCX_SOUP_LOGIN_SZ + 1];
  snprintf(payload, sizeof(payload), "%-6.6s%-10s%-10.10s%20llu", user, "any", session, (unsigned long long)number);
  return soup_put(to, 'L', payload, WCX_SOUP_LOGIN_SZ);
}

static inline void peer_write(world_t *w, peer_t *peer, const void *data, uint32_t len)
{
  uint32_t took = wcx_tcp_sim_send(w->tcp, peer->conn, data, len);
  assert_int_equal(took, peer->loose && took == 0 ? 0 : len);
}

static inline void peer_send(world_t *w, peer_t *peer, uint16_t template_id, const void *body, uint16_t sz)
{
  uint8_t packet[1536];
  peer_write(w, peer, packet, soup_put_message(packet, template_id, body, sz));
}

static inline void peer_say(world_t *w, peer_t *peer, char type)
{
  uint8_t packet[3];
  peer_write(w, peer, packet, soup_put(packet, type, NULL, 0));
}

static inline uint64_t peer_order(world_t *w, peer_t *peer, uint8_t side, int64_t price)
{
  wcx_new_order_single_t order = client_order(&peer->client, 1, side, price, 5, WCX_TIME_IN_FORCE_GTC);
  peer_send(w, peer, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
  return order.cl_ord_id;
}

/* --- what it reads -------------------------------------------------------------------------------------------------------------------------- */

static inline void peer_take(peer_t *peer, const wcx_soup_packet_t *packet)
{
  switch (packet->type)
  {
  case 'A':
    assert_false(peer->logged_in);
    assert_int_equal(packet->payload_sz, WCX_SOUP_LOGIN_ACCEPTED_SZ);
    memcpy(peer->session, packet->payload, 10);
    char text[21] = {0};
    memcpy(text, packet->payload + 10, 20);
    peer->accepted = peer->number = strtoull(text, NULL, 10);
    peer->logged_in = true;
    return;
  case 'J':
    assert_int_equal(packet->payload_sz, 1);
    peer->rejected = (char)packet->payload[0];
    return;
  case 'H':
    peer->heartbeat_cnt++;
    return;
  default:
    break;
  }
  assert_int_equal(packet->type, 'S');
  assert_true(peer->logged_in);
  assert_true(packet->payload_sz >= 8 && packet->payload_sz <= PEER_MESSAGE_SZ);
  assert_true(peer->message_cnt < PEER_MESSAGES_MAX);
  peer_message_t *message = &peer->messages[peer->message_cnt++];
  wcx_message_header_t header;
  memcpy(&header, packet->payload, 8);
  assert_int_equal(header.block_length + 8, packet->payload_sz);
  *message = (peer_message_t){.template_id = header.template_id, .len = packet->payload_sz};
  message->number = header.template_id == WCX_TEMPLATE_ESTABLISH_REJECT ? 0 : peer->number++;
  memcpy(message->data, packet->payload, packet->payload_sz);
}

static inline void peer_pump(world_t *w, peer_t *peer)
{
  for (;;)
  {
    uint32_t got = wcx_tcp_sim_recv(w->tcp, peer->conn, peer->in + peer->in_len, (uint32_t)sizeof(peer->in) - peer->in_len);
    peer->in_len += got;
    uint32_t at = 0;
    wcx_soup_packet_t packet = {0};
    uint32_t sz;
    while ((sz = wcx_soup_next(peer->in + at, peer->in_len - at, &packet)) != 0)
    {
      assert_int_not_equal(sz, UINT32_MAX);
      peer_take(peer, &packet);
      at += sz;
    }
    memmove(peer->in, peer->in + at, peer->in_len - at);
    peer->in_len -= at;
    if (got == 0)
      return;
  }
}

static inline bool peer_ended(world_t *w, peer_t *peer)
{
  peer_pump(w, peer);
  return wcx_tcp_sim_ended(w->tcp, peer->conn);
}

/* The n-th message with this template, from 0; NULL: none. */
static inline const peer_message_t *peer_find(const peer_t *peer, uint16_t template_id, uint32_t n)
{
  for (uint32_t i = 0; i < peer->message_cnt; i++)
    if (peer->messages[i].template_id == template_id && n-- == 0)
      return &peer->messages[i];
  return NULL;
}

static inline uint32_t peer_cnt(const peer_t *peer, uint16_t template_id)
{
  uint32_t cnt = 0;
  while (peer_find(peer, template_id, cnt) != NULL)
    cnt++;
  return cnt;
}

/* Times a new order was acknowledged, in what is kept. */
static inline uint32_t peer_acks(const peer_t *peer, uint64_t cl_ord_id)
{
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < peer->message_cnt; i++)
  {
    wcx_execution_report_new_t report;
    if (peer->messages[i].template_id != WCX_TEMPLATE_EXECUTION_REPORT_NEW)
      continue;
    memcpy(&report, peer->messages[i].data + 8, sizeof(report));
    cnt += report.cl_ord_id == cl_ord_id;
  }
  return cnt;
}

static inline uint8_t peer_terminate_code(const peer_t *peer)
{
  const peer_message_t *message = peer_find(peer, WCX_TEMPLATE_TERMINATE, 0);
  return message != NULL ? message->data[8 + offsetof(wcx_terminate_t, code)] : UINT8_MAX;
}

static inline uint8_t peer_reject_code(const peer_t *peer)
{
  const peer_message_t *message = peer_find(peer, WCX_TEMPLATE_ESTABLISH_REJECT, 0);
  return message != NULL ? message->data[8 + offsetof(wcx_establish_reject_t, code)] : 0;
}

/* --- whole steps ---------------------------------------------------------------------------------------------------------------------------- */

/* Connect and send the login; what is answered is read. */
static inline void peer_log_in(world_t *w, peer_t *peer, uint64_t number)
{
  char user[16];
  uint8_t packet[64];
  peer_connect(w, peer);
  snprintf(user, sizeof(user), "mm%u", peer->client.session_id);
  peer_write(w, peer, packet, soup_put_login(packet, user, "", number));
  world_turns(w, 2);
  peer_pump(w, peer);
  assert_true(peer->logged_in);
}

static inline void peer_establish(world_t *w, peer_t *peer, const wcx_establish_t *establish)
{
  peer_send(w, peer, WCX_TEMPLATE_ESTABLISH, establish, sizeof(*establish));
  world_turns(w, 6);
  peer_pump(w, peer);
}

/* The ack this peer has been sent last, its own Establish's. */
static inline bool peer_acked(peer_t *peer)
{
  for (uint32_t i = peer->message_cnt; i-- > 0;)
  {
    if (peer->messages[i].template_id != WCX_TEMPLATE_ESTABLISH_ACK)
      continue;
    memcpy(&peer->client.ack, peer->messages[i].data + 8, sizeof(peer->client.ack));
    return peer->client.ack.uuid == peer->client.uuid;
  }
  return false;
}

/* The whole sign-on; asserts that it is accepted. */
static inline void peer_open(world_t *w, peer_t *peer, uint64_t number)
{
  peer_log_in(w, peer, number);
  wcx_establish_t establish = client_establish(w, &peer->client);
  peer_establish(w, peer, &establish);
  for (uint32_t i = 0; i < 64 && !peer_acked(peer); i++)
  {
    world_turns(w, 2);
    peer_pump(w, peer);
  }
  assert_true(peer_acked(peer));
  peer->client.cl_ord_id = peer->client.ack.last_cl_ord_id;
}

#endif
