/* TCP connections of clients: streams of bytes into the real loop on simulated TCP, one connection to each port.

   Input: operations, each a byte of kind (low two bits: the connection; then enum operation), a byte of length and that many bytes.

   What is asserted, by this file's own reading of PROTOCOL:
     - until a connection has sent a login and then, before anything else, an Establish, nothing it sends makes an input or
       changes the state digest, and it is sent one A or J and nothing else;
     - the server sends whole SoupBinTCP packets of the types A, J, S, H and Z; every S holds one message of the schema.

   Every input starts from the same bytes (rewind.h); its connections are reset at its end. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/rewind.h"

#include "dataplane/soup.h"
#include "engine/sbe_meta.h"

#define CONNECTIONS 4u
#define OPERATIONS_MAX 24u
#define TURNS 8u
#define STREAM_SZ 16384u

enum operation
{
  OPERATION_SEND = 0,      /* bytes as they are */
  OPERATION_LOGIN = 1,     /* two bytes: session (modulo 4, plus 1), number */
  OPERATION_ESTABLISH = 2, /* a byte of session (modulo 4, plus 1), then bytes laid over a valid Establish by exclusive or */
  OPERATION_REQUEST = 3,   /* a byte of template (101 plus modulo 8), then its block */
  OPERATION_PACKET = 4,    /* a U of these bytes */
  OPERATION_TIME = 5,      /* two bytes: milliseconds, modulo 4,000 */
  OPERATION_CUT = 6,       /* a byte: even, the client has no more to say; odd, reset. The next operation connects again */
  OPERATION_HEARTBEAT = 7,
};

typedef struct connection
{
  uint32_t conn;
  uint32_t sent_len; /* bytes of `sent` */
  uint32_t sent_at;  /* those of whole packets that were looked at */
  uint32_t sent_cnt; /* packets, less heartbeats and debug */
  uint32_t got_len;
  uint32_t got_cnt; /* packets */
  bool establish;   /* an Establish was sent */
  bool cut;         /* by the client */
  bool lost;        /* what it sent was not a login and then an Establish */
  uint8_t sent[STREAM_SZ];
  uint8_t got[STREAM_SZ];
} connection_t;

static const uint16_t ports[CONNECTIONS] = {7001, 7004, 7005, 7006};
static world_t w;
static connection_t connections[CONNECTIONS];
static uint64_t next_uuid;
static bool ready;

static void set_up(void)
{
  rewind_new(&w);
  client_t maker = client_of(4);
  client_sign_on(&w, &maker);
  client_send_order(&w, &maker, 1, WCX_SIDE_BUY, 99, 10, WCX_TIME_IN_FORCE_GTC);
  world_turns(&w, 20);
  world_drain(&w);
  rewind_keep(&w);
  for (uint32_t i = 0; i < CONNECTIONS; i++)
    connections[i].conn = WCX_TCP_SIM_NONE;
  ready = true;
}

/* --- what came -------------------------------------------------------------------------------------------------------------------------------- */

static void check_packet(connection_t *connection, const wcx_soup_packet_t *packet)
{
  WCX_CHECK(strchr("AJSHZ", packet->type) != NULL && packet->type != 0, "a packet of type 0x%02x", (unsigned char)packet->type);
  bool first = connection->got_cnt++ == 0;
  if (!connection->establish)
    WCX_CHECK(first && (packet->type == 'A' || packet->type == 'J'), "packet %u, of type %c, before an Establish", connection->got_cnt, packet->type);
  if (packet->type != 'S')
    return;
  WCX_CHECK(packet->payload_sz >= 8, "an S of %u bytes", packet->payload_sz);
  uint16_t template_id;
  memcpy(&template_id, packet->payload + 2, 2);
  WCX_CHECK(wcx_sbe_find(template_id) != NULL, "an S with template %u", template_id);
}

static void read_all(connection_t *connection)
{
  connection->got_len += wcx_tcp_sim_recv(w.tcp, connection->conn, connection->got + connection->got_len, STREAM_SZ - connection->got_len);
  uint32_t at = 0;
  for (;;)
  {
    wcx_soup_packet_t packet;
    uint32_t sz = wcx_soup_next(connection->got + at, connection->got_len - at, &packet);
    WCX_CHECK(sz != UINT32_MAX, "what the server sent is no SoupBinTCP at byte %u", at);
    if (sz == 0)
      break;
    check_packet(connection, &packet);
    at += sz;
  }
  memmove(connection->got, connection->got + at, connection->got_len - at);
  connection->got_len -= at;
}

static void check_got(void)
{
  for (uint32_t i = 0; i < CONNECTIONS; i++)
    if (connections[i].conn != WCX_TCP_SIM_NONE)
      read_all(&connections[i]);
  world_drain(&w);
}

/* --- what was sent ------------------------------------------------------------------------------------------------------------------------------ */

/* The n-th packet that counts: a login first, then an Establish, or the connection never gets anywhere. */
static bool is_due(uint32_t n, const uint8_t *packet, uint32_t sz)
{
  if (n == 0)
    return packet[2] == 'L' && sz == WCX_SOUP_HEADER_SZ + WCX_SOUP_LOGIN_SZ;
  return packet[2] == 'U' && sz >= 3 + 8 + sizeof(wcx_establish_t) && packet[5] == WCX_TEMPLATE_ESTABLISH && packet[6] == 0;
}

static void look_at_sent(connection_t *connection)
{
  while (!connection->lost && !connection->establish && connection->sent_at + 3 <= connection->sent_len)
  {
    const uint8_t *packet = connection->sent + connection->sent_at;
    uint32_t sz = 2 + ((uint32_t)packet[0] << 8 | packet[1]);
    if (connection->sent_at + sz > connection->sent_len)
      break;
    connection->sent_at += sz;
    if (sz >= 3 && (packet[2] == 'R' || packet[2] == '+'))
      continue;
    connection->lost = sz < 3 || !is_due(connection->sent_cnt, packet, sz);
    connection->establish = !connection->lost && connection->sent_cnt++ == 1;
  }
}

static void send_bytes(connection_t *connection, const uint8_t *data, uint32_t len)
{
  if (len > STREAM_SZ - connection->sent_len)
    return;
  uint32_t taken = wcx_tcp_sim_send(w.tcp, connection->conn, data, len);
  memcpy(connection->sent + connection->sent_len, data, taken);
  connection->sent_len += taken;
  look_at_sent(connection);
}

static void send_packet(connection_t *connection, char type, const void *payload, uint32_t len)
{
  uint8_t packet[WCX_SOUP_SZ_MAX];
  uint32_t at = wcx_soup_begin(packet, type, (uint16_t)len);
  memcpy(packet + at, payload, len);
  send_bytes(connection, packet, at + len);
}

static void send_login(connection_t *connection, const uint8_t *data, uint32_t len)
{
  char payload[WCX_SOUP_LOGIN_SZ + 1];
  snprintf(payload, sizeof(payload), "mm%-4u%-10s%-10s%20u", len > 0 ? (data[0] & 3u) + 1 : 1, "any", "", len > 1 ? data[1] : 0u);
  send_packet(connection, 'L', payload, WCX_SOUP_LOGIN_SZ);
}

static void send_message(connection_t *connection, uint16_t template_id, const void *block, uint16_t sz)
{
  uint8_t message[10 + UINT8_MAX];
  uint32_t len = client_block(message, template_id, block, sz);
  send_packet(connection, 'U', message + 2, len - 2); /* without MoldUDP64's length */
}

static void send_establish(connection_t *connection, const uint8_t *data, uint32_t len)
{
  client_t client = {.session_id = len > 0 ? (data[0] & 3u) + 1 : 1, .uuid = next_uuid++};
  wcx_establish_t establish = client_establish(&w, &client);
  establish.next_client_seq_no = 0;
  if (connection == &connections[2])
    establish.flags = FLAG_DROP_COPY;
  for (uint32_t i = 0; i + 1 < len && i < sizeof(establish); i++)
    ((uint8_t *)&establish)[i] ^= data[i + 1];
  send_message(connection, WCX_TEMPLATE_ESTABLISH, &establish, sizeof(establish));
}

static void send_request(connection_t *connection, const uint8_t *data, uint32_t len)
{
  uint8_t block[UINT8_MAX] = {0};
  uint16_t template_id = (uint16_t)(WCX_TEMPLATE_NEW_ORDER_SINGLE + (len > 0 ? data[0] % 8 : 0));
  const wcx_sbe_msg_t *msg = wcx_sbe_find(template_id);
  if (len > 1)
    memcpy(block, data + 1, len - 1);
  send_message(connection, template_id, block, msg->block_length);
}

static void cut(connection_t *connection, bool reset)
{
  connection->cut = true;
  if (reset)
    wcx_tcp_sim_reset(w.tcp, connection->conn);
  else
    wcx_tcp_sim_finish(w.tcp, connection->conn);
}

static void leave(connection_t *connection)
{
  wcx_tcp_sim_forget(w.tcp, connection->conn);
  memset(connection, 0, offsetof(connection_t, sent));
  connection->conn = WCX_TCP_SIM_NONE;
}

static void operate(uint8_t kind, const uint8_t *data, uint32_t len)
{
  uint32_t which = kind % CONNECTIONS;
  connection_t *connection = &connections[which];
  if (connection->cut)
  {
    cut(connection, true);
    rewind_turns(&w, TURNS);
    leave(connection);
  }
  if (connection->conn == WCX_TCP_SIM_NONE)
  {
    wcx_peer_t from = {.ip = CLIENT_IP, .port = (uint16_t)(50000 + which), .mac = {2, 0, 0, 0, 0, 9}};
    connection->conn = wcx_tcp_sim_connect(w.tcp, &from, ports[which]);
    WCX_CHECK(connection->conn != WCX_TCP_SIM_NONE, "no connection to port %u", ports[which]);
  }
  switch (kind / CONNECTIONS % 8)
  {
  case OPERATION_SEND:
    send_bytes(connection, data, len);
    break;
  case OPERATION_LOGIN:
    send_login(connection, data, len);
    break;
  case OPERATION_ESTABLISH:
    send_establish(connection, data, len);
    break;
  case OPERATION_REQUEST:
    send_request(connection, data, len);
    break;
  case OPERATION_PACKET:
    send_packet(connection, 'U', data, len);
    break;
  case OPERATION_TIME:
    rewind_pass(&w, len < 2 ? 0 : ((uint32_t)data[0] | (uint32_t)data[1] << 8) % 4000);
    break;
  case OPERATION_CUT:
    cut(connection, len > 0 && (data[0] & 1) != 0);
    break;
  default:
    send_packet(connection, 'R', "", 0);
  }
}

/* Time may end sessions, and so may the end of a connection that had an Establish. */
static bool may_change(uint8_t kind, bool had_establish)
{
  return kind / CONNECTIONS % 8 == OPERATION_TIME || had_establish || connections[kind % CONNECTIONS].establish;
}

void wcx_fuzz_one(const uint8_t *data, size_t sz)
{
  if (!ready)
    set_up();
  next_uuid = 100;
  const wcx_engine_t *engine = wcx_loop_engine(w.loop);
  size_t at = 0;
  for (uint32_t i = 0; i < OPERATIONS_MAX && at + 2 <= sz; i++)
  {
    uint32_t len = data[at + 1] < sz - at - 2 ? data[at + 1] : (uint32_t)(sz - at - 2);
    wcx_digest_t before = wcx_engine_state_digest(engine);
    uint64_t inputs = w.durable_seq;
    bool had_establish = connections[data[at] % CONNECTIONS].establish;
    operate(data[at], data + at + 2, len);
    rewind_turns(&w, TURNS);
    wcx_digest_t after = wcx_engine_state_digest(engine);
    WCX_CHECK(may_change(data[at], had_establish) || (memcmp(&before, &after, sizeof(before)) == 0 && w.durable_seq == inputs),
              "%llu inputs by a connection to port %u without an Establish", (unsigned long long)(w.durable_seq - inputs), ports[data[at] % CONNECTIONS]);
    check_got();
    at += 2 + len;
  }
  for (uint32_t i = 0; i < CONNECTIONS; i++)
    if (connections[i].conn != WCX_TCP_SIM_NONE)
      cut(&connections[i], true);
  rewind_turns(&w, 64);
  check_got();
  for (uint32_t i = 0; i < CONNECTIONS; i++)
    if (connections[i].conn != WCX_TCP_SIM_NONE)
      leave(&connections[i]);
  wcx_digest_t running = wcx_engine_state_digest(engine);
  wcx_digest_t whole = wcx_engine_state_digest_full(engine);
  WCX_CHECK(memcmp(&running, &whole, sizeof(whole)) == 0, "the running digest is not the digest of the state");
  rewind_back(&w);
}
