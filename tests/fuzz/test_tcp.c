/* lwIP and what joins it to the poll loop: segments of four clients, right and wrong, in any order, against the real stack.

   Input: operations, each a byte of kind, a byte of length and that many bytes.

   What is asserted:
     - what is read from a connection is the client's stream from its beginning, without a hole and without a byte twice: a client's byte depends on its place
       in the stream alone, whatever segments carry it;
     - what is sent is the application's stream in the same way, in frames whose lengths and checksums are right, to the client's address;
     - a segment with a wrong checksum is not answered.

   Connections are forgotten at the end of an input and the stack is left alone until its timers have run out. */
#include "dataplane/tcp.h"
#include "tests/fuzz/fuzz.h"

#include "dataplane/port_sim.h"
#include "engine/shm/params.h"

#include <string.h>

#define CLIENTS 4u
#define CONNS 8u
#define OPERATIONS_MAX 32u
#define STEP_NS UINT64_C(130000000)
#define QUIET_STEPS 1200u /* 156 s: longer than any pause between retransmissions, and than TIME_WAIT */
#define QUIET_TRIES 100u
#define SEGMENT_FIELDS 10u
#define HERE_IP 0x0a4d0002u
#define CLIENT_IP 0x0a4d0001u

#define TCP_FIN 1u
#define TCP_SYN 2u
#define TCP_RST 4u

enum operation
{
  OPERATION_SEGMENT = 0, /* client and port, flags, sequence and acknowledgement relative to what is next (int16), window, quarter of payload, quarter of options, options */
  OPERATION_WRONG = 1,   /* the same with a wrong checksum */
  OPERATION_TIME = 2,    /* a byte: timer steps */
  OPERATION_WRITE = 3,   /* a byte of connection, a byte of length times 16 */
  OPERATION_END = 4,     /* a byte: connection; 128: at once */
  OPERATION_CNT = 5,
};

typedef struct client
{
  uint32_t first;                     /* sequence number of its SYN */
  uint32_t next;                      /* after the highest byte sent */
  uint32_t theirs[WCX_TCP_PORTS_MAX]; /* first of the server's, by its port: each is a connection of its own; 0: none in this input */
  uint32_t seen;                      /* what it would acknowledge */
} client_t;

typedef struct owned /* a connection that is ours */
{
  bool is;
  uint32_t read;
  uint32_t written;
} owned_t;

static const uint16_t ports[WCX_TCP_PORTS_MAX] = {7001, 7004, 7005, 7006};
static const uint8_t client_mac[6] = {2, 0, 0, 0, 0, 9};
static wcx_tcp_t *tcp;
static wcx_wire_t *wire;
static wcx_egress_t egress;
static wcx_stats_t stats;
static uint64_t now_ns = 1000000000;
static client_t clients[CLIENTS];
static owned_t owned[CONNS];
static uint32_t frames_out;

static void set_up(void)
{
  wcx_port_t *port = wcx_port_open(WCX_PORT_AF_XDP, "fuzz-tcp", 0, false);
  wire = wcx_wire_get("fuzz-tcp");
  egress.port = port;
  egress.stats = &stats;
  egress.net.ip = HERE_IP;
  wcx_port_mac(port, egress.net.mac);
  wcx_tcp_config_t config = {.ip = HERE_IP, .conn_max = CONNS, .key = {1, 2}};
  memcpy(config.ports, ports, sizeof(ports));
  tcp = wcx_tcp_open(&config);
  wcx_tcp_attach(tcp, &egress);
}

static uint8_t byte_at(uint32_t place)
{
  return (uint8_t)(place * 31 + (place >> 8) * 7 + 5);
}

static uint32_t get_be(const uint8_t *at, uint32_t sz)
{
  uint32_t value = 0;
  for (uint32_t i = 0; i < sz; i++)
    value = value << 8 | at[i];
  return value;
}

static void put_be(uint8_t *at, uint32_t value, uint32_t sz)
{
  for (uint32_t i = sz; i-- > 0; value >>= 8)
    at[i] = (uint8_t)value;
}

static uint16_t folded(const uint8_t *at, uint32_t sz, uint32_t sum)
{
  for (uint32_t i = 0; i < sz; i++)
    sum += (uint32_t)at[i] << (i % 2 == 0 ? 8 : 0);
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}

static uint16_t tcp_sum(const uint8_t *ip, uint32_t tcp_sz)
{
  uint16_t addresses = (uint16_t)~folded(ip + 12, 8, 6 + tcp_sz);
  return folded(ip + 20, tcp_sz, addresses);
}

/* --- what comes out ----------------------------------------------------------------------------------------------------------------------------- */

static uint32_t port_idx(uint32_t port)
{
  uint32_t idx = 0;
  while (idx < WCX_TCP_PORTS_MAX && ports[idx] != port)
    idx++;
  WCX_CHECK(idx < WCX_TCP_PORTS_MAX, "a frame from port %u", port);
  return idx;
}

static void check_frame(const uint8_t *frame, uint32_t len)
{
  const uint8_t *ip = frame + 14;
  const uint8_t *segment = ip + 20;
  uint32_t total = len >= 54 ? get_be(ip + 2, 2) : 0;
  WCX_CHECK(total >= 40 && total + 14 <= len && total <= 1500 && ip[0] == 0x45 && ip[9] == 6, "a frame of %u bytes with a packet of %u", len, total);
  WCX_CHECK(memcmp(frame, client_mac, 6) == 0 && get_be(ip + 16, 4) == CLIENT_IP && get_be(ip + 12, 4) == HERE_IP, "a frame to a stranger");
  WCX_CHECK(folded(ip, 20, 0) == 0 && tcp_sum(ip, total - 20) == 0, "checksums %04x %04x", folded(ip, 20, 0), tcp_sum(ip, total - 20));
  uint32_t which = get_be(segment + 2, 2) - 40000;
  uint32_t header_sz = (uint32_t)(segment[12] >> 4) * 4;
  WCX_CHECK(which < CLIENTS && header_sz >= 20 && header_sz <= total - 20, "client %u, a TCP header of %u bytes", which, header_sz);
  client_t *client = &clients[which];
  uint32_t *theirs = &client->theirs[port_idx(get_be(segment, 2))];
  uint32_t seq = get_be(segment + 4, 4);
  uint32_t payload_sz = total - 20 - header_sz;
  if ((segment[13] & TCP_SYN) != 0)
    *theirs = client->seen = seq;
  bool opened_here = *theirs != 0; /* else lwIP is still finishing a connection of an earlier input */
  for (uint32_t i = 0; opened_here && i < payload_sz; i++)
    WCX_CHECK(segment[header_sz + i] == byte_at(seq + i - *theirs - 1), "byte %u of the server's stream", seq + i - *theirs - 1);
  uint32_t end = seq + payload_sz + ((segment[13] & (TCP_SYN | TCP_FIN)) != 0);
  if ((int32_t)(end - client->seen) > 0 && (segment[13] & TCP_RST) == 0)
    client->seen = end;
  frames_out++;
}

static void flush(void)
{
  uint8_t frame[WCX_FRAME_SZ_MAX];
  (void)wcx_egress_flush(&egress, UINT64_MAX);
  for (uint32_t len = wcx_wire_recv(wire, frame); len != 0; len = wcx_wire_recv(wire, frame))
    check_frame(frame, len);
}

/* --- the application ---------------------------------------------------------------------------------------------------------------------------- */

static void end(uint32_t number, bool at_once)
{
  owned[number].is = false;
  wcx_tcp_end(tcp, number, at_once);
}

static void look(void)
{
  uint32_t number;
  for (uint32_t i = 0; i < 64 && wcx_tcp_ready(tcp, &number); i++)
  {
    WCX_CHECK(number < CONNS, "connection %u", number);
    if (!owned[number].is)
      owned[number] = (owned_t){.is = true};
    uint8_t data[512];
    uint32_t got;
    while ((got = wcx_tcp_read(tcp, number, data, sizeof(data))) > 0)
      for (uint32_t n = 0; n < got; n++, owned[number].read++)
        WCX_CHECK(data[n] == byte_at(owned[number].read), "byte %u of a client's stream is 0x%02x", owned[number].read, data[n]);
    uint8_t state = wcx_tcp_conn(tcp, number)->state;
    if (state == WCX_TCP_GONE || state == WCX_TCP_HALF)
      end(number, state == WCX_TCP_GONE);
  }
}

static void step(uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
  {
    now_ns += STEP_NS;
    (void)wcx_tcp_step(tcp, now_ns);
    look();
    flush();
  }
}

static void app_write(const uint8_t *data, uint32_t len)
{
  uint32_t number = len > 0 ? data[0] % CONNS : 0;
  uint32_t sz = len > 1 ? data[1] * 16u : 16;
  uint8_t text[UINT8_MAX * 16];
  if (!owned[number].is)
    return;
  for (uint32_t i = 0; i < sz; i++)
    text[i] = byte_at(owned[number].written + i);
  if (wcx_tcp_write(tcp, number, text, sz))
    owned[number].written += sz;
  wcx_tcp_push(tcp, number, 0);
}

/* --- segments ----------------------------------------------------------------------------------------------------------------------------------- */

/* A distance forwards or back. */
static uint32_t apart(const uint8_t *at)
{
  int16_t distance;
  memcpy(&distance, at, 2);
  return (uint32_t)distance;
}

static void send_segment(const uint8_t *data, uint32_t len, bool wrong)
{
  static uint8_t packet[20 + 60 + UINT8_MAX * 4];
  uint8_t field[SEGMENT_FIELDS] = {0};
  memcpy(field, data, len < SEGMENT_FIELDS ? len : SEGMENT_FIELDS);
  uint32_t which = field[0] % CLIENTS;
  client_t *client = &clients[which];
  uint8_t flags = field[1] & 0x3f;
  uint32_t seq = client->next + apart(field + 2);
  if ((flags & TCP_SYN) != 0)
    seq = client->first;
  uint32_t ack = client->seen + apart(field + 4);
  uint32_t payload_sz = (flags & TCP_SYN) != 0 ? 0 : field[8] * 4u; /* lwIP takes the first byte behind a second SYN for the SYN: whoever sends that harms itself alone */
  uint32_t options_sz = (field[9] % 11) * 4u;
  uint32_t total = 40 + options_sz + payload_sz;
  memset(packet, 0, sizeof(packet));
  put_be(packet, 0x4500, 2);
  put_be(packet + 2, total, 2);
  packet[8] = 64;
  packet[9] = 6;
  put_be(packet + 12, CLIENT_IP, 4);
  put_be(packet + 16, HERE_IP, 4);
  put_be(packet + 10, folded(packet, 20, 0), 2);
  uint8_t *segment = packet + 20;
  uint16_t to_port = ports[field[0] / CLIENTS % WCX_TCP_PORTS_MAX];
  put_be(segment, 40000 + which, 2);
  put_be(segment + 2, to_port, 2);
  put_be(segment + 4, seq, 4);
  put_be(segment + 8, ack, 4);
  segment[12] = (uint8_t)((20 + options_sz) / 4 << 4);
  segment[13] = flags;
  memcpy(segment + 14, field + 6, 2);
  uint32_t given = len > SEGMENT_FIELDS ? len - SEGMENT_FIELDS : 0;
  memcpy(segment + 20, data + SEGMENT_FIELDS, given < options_sz ? given : options_sz);
  uint32_t place = seq - client->first - 1;
  for (uint32_t i = 0; i < payload_sz; i++)
    segment[20 + options_sz + i] = byte_at(place + i);
  put_be(segment + 16, tcp_sum(packet, total - 20) ^ (wrong ? 1u : 0u), 2);
  uint32_t after = seq + payload_sz + ((flags & (TCP_SYN | TCP_FIN)) != 0);
  if (!wrong && (int32_t)(after - client->next) > 0)
    client->next = after;
  wcx_datagram_t datagram = {.from = {.ip = CLIENT_IP, .port = (uint16_t)(40000 + which)}, .to_port = to_port, .len = (uint16_t)total, .payload = packet};
  memcpy(datagram.from.mac, client_mac, 6);
  uint32_t before = frames_out;
  wcx_tcp_receive(tcp, &datagram);
  flush();
  WCX_CHECK(!wrong || frames_out == before, "a segment with a wrong checksum was answered");
}

static void operate(uint8_t kind, const uint8_t *data, uint32_t len)
{
  switch (kind % OPERATION_CNT)
  {
  case OPERATION_SEGMENT:
  case OPERATION_WRONG:
    send_segment(data, len, kind % OPERATION_CNT == OPERATION_WRONG);
    break;
  case OPERATION_TIME:
    step(len > 0 ? data[0] % 64 : 1);
    break;
  case OPERATION_WRITE:
    app_write(data, len);
    break;
  default:
    if (len > 0 && owned[data[0] % CONNS].is)
      end(data[0] % CONNS, (data[0] & 128) != 0);
  }
  look();
  flush();
}

void wcx_fuzz_one(const uint8_t *data, size_t sz)
{
  if (tcp == NULL)
    set_up();
  for (uint32_t i = 0; i < CLIENTS; i++)
    clients[i] = (client_t){.first = 0xfffff000u + i * 0x10000u, .next = 0xfffff000u + i * 0x10000u};
  memset(owned, 0, sizeof(owned));
  size_t at = 0;
  for (uint32_t i = 0; i < OPERATIONS_MAX && at + 2 <= sz; i++)
  {
    uint32_t len = data[at + 1] < sz - at - 2 ? data[at + 1] : (uint32_t)(sz - at - 2);
    operate(data[at], data + at + 2, len);
    at += 2 + len;
  }
  wcx_tcp_attach(tcp, &egress);
  uint32_t before = frames_out - 1;
  for (uint32_t i = 0; i < QUIET_TRIES && before != frames_out; i++)
  {
    before = frames_out;
    step(QUIET_STEPS);
  }
  WCX_CHECK(before == frames_out, "connections that were given back still send");
}
