/* A small TCP client made of frames, for the other end of lwIP: it can say anything, also what no client says.

   It keeps what it was sent in order, sends what it has in segments of `mss` bytes inside the peer's window, and goes back to the oldest unacknowledged byte
   when nothing moves for a while. No options but the MSS in its SYN, no congestion control. */
#ifndef WCX_TESTS_TCP_CLIENT_H
#define WCX_TESTS_TCP_CLIENT_H

#include "dataplane/net.h"
#include "dataplane/port_sim.h"

#include <stdlib.h>
#include <string.h>

#define TCP_FIN_F 0x01u
#define TCP_SYN_F 0x02u
#define TCP_RST_F 0x04u
#define TCP_PSH_F 0x08u
#define TCP_ACK_F 0x10u
#define CLIENT_RX_MAX (1u << 21)
#define CLIENT_RETRY_NS 30000000u

typedef struct segment /* as read from a frame */
{
  uint32_t ip; /* the receiver's */
  uint16_t port, from_port;
  uint32_t seq, ack;
  uint8_t flags;
  uint8_t mac[6];
  uint16_t window, mss; /* mss 0: no such option */
  uint16_t vlan;
  uint32_t len;
  const uint8_t *data;
} segment_t;

typedef struct tcp_client
{
  wcx_wire_t *wire;
  uint32_t ip, server_ip;
  uint16_t port, server_port, vlan, mss;
  uint8_t mac[6];
  uint16_t window; /* we advertise */
  uint32_t iss, snd_una, snd_nxt, rcv_nxt;
  uint32_t peer_window;
  uint32_t peer_iss;
  bool open;            /* the handshake is done */
  bool fin;             /* the peer has ended its side */
  bool reset;           /* by the peer */
  bool closing;         /* send FIN when everything is sent */
  bool mute;            /* answers nothing by itself */
  uint8_t frame_mac[6]; /* where the last frame went */
  uint64_t moved_ns;
  const uint8_t *out; /* what it has to say: out_len bytes from sequence iss + 1 */
  uint32_t out_len;
  uint32_t rx_len;
  uint32_t segment_cnt; /* received */
  uint32_t synack_cnt;
  uint8_t *rx;
} tcp_client_t;

static inline void put_be16(uint8_t *at, uint32_t value)
{
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

static inline void put_be32(uint8_t *at, uint32_t value)
{
  put_be16(at, value >> 16);
  put_be16(at + 2, value & 0xffffu);
}

static inline uint32_t get_be16(const uint8_t *at)
{
  return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t get_be32(const uint8_t *at)
{
  return get_be16(at) << 16 | get_be16(at + 2);
}

static inline uint32_t sum_be(uint32_t sum, const uint8_t *at, uint32_t sz)
{
  for (uint32_t i = 0; i < sz; i++)
    sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
  while (sum >> 16)
    sum = (sum & 0xffffu) + (sum >> 16);
  return sum;
}

static inline uint32_t tcp_sum(const uint8_t *ip, const uint8_t *tcp, uint32_t sz)
{
  uint8_t pseudo[4] = {0, 6, (uint8_t)(sz >> 8), (uint8_t)sz};
  return sum_be(sum_be(sum_be(0, ip + 12, 8), pseudo, 4), tcp, sz);
}

/* Put a segment into `frame`. Returns its bytes. */
static inline uint32_t client_frame(const tcp_client_t *c, uint8_t *frame, uint8_t flags, uint32_t seq, uint32_t ack, const void *data, uint32_t len)
{
  static const uint8_t server_mac[6] = {0x02, 0x77, 0x63, 0x78, 0x00, 0x01};
  uint32_t at = c->vlan != 0 ? 18 : 14;
  uint32_t options = (flags & TCP_SYN_F) != 0 ? 4 : 0;
  uint8_t *ip = frame + at;
  uint8_t *tcp = ip + 20;
  memset(frame, 0, at + 40);
  memcpy(frame, server_mac, 6);
  memcpy(frame + 6, c->mac, 6);
  if (c->vlan != 0)
  {
    put_be16(frame + 12, 0x8100);
    put_be16(frame + 14, c->vlan);
  }
  put_be16(frame + at - 2, 0x0800);
  ip[0] = 0x45;
  put_be16(ip + 2, 40 + options + len);
  put_be16(ip + 6, 0x4000);
  ip[8] = 64;
  ip[9] = 6;
  put_be32(ip + 12, c->ip);
  put_be32(ip + 16, c->server_ip);
  put_be16(ip + 10, ~sum_be(0, ip, 20) & 0xffffu);
  put_be16(tcp, c->port);
  put_be16(tcp + 2, c->server_port);
  put_be32(tcp + 4, seq);
  put_be32(tcp + 8, ack);
  tcp[12] = (uint8_t)((20 + options) / 4 << 4);
  tcp[13] = flags;
  put_be16(tcp + 14, c->window);
  if (options)
    put_be32(tcp + 20, 0x02040000u | c->mss);
  if (len > 0)
    memcpy(tcp + 20 + options, data, len);
  put_be16(tcp + 16, ~tcp_sum(ip, tcp, 20 + options + len) & 0xffffu);
  return at + 40 + options + len;
}

static inline void client_segment(tcp_client_t *c, uint8_t flags, uint32_t seq, const void *data, uint32_t len)
{
  uint8_t frame[WCX_FRAME_SZ_MAX + 4];
  uint32_t sz = client_frame(c, frame, flags, seq, (flags & TCP_ACK_F) != 0 ? c->rcv_nxt : 0, data, len);
  (void)wcx_wire_send(c->wire, frame, sz);
}

/* Read a frame; false: it is no TCP segment. Asserts both checksums by returning false as well: the server never sends a wrong one. */
static inline bool segment_parse(const uint8_t *frame, uint32_t len, segment_t *s)
{
  uint32_t at = get_be16(frame + 12) == 0x8100 ? 18 : 14;
  const uint8_t *ip = frame + at;
  if (get_be16(frame + at - 2) != 0x0800 || ip[9] != 6 || at + get_be16(ip + 2) != len || sum_be(0, ip, 20) != 0xffffu)
    return false;
  const uint8_t *tcp = ip + 20;
  uint32_t sz = get_be16(ip + 2) - 20;
  uint32_t header = (uint32_t)(tcp[12] >> 4) * 4;
  if (tcp_sum(ip, tcp, sz) != 0xffffu || header < 20 || header > sz)
    return false;
  *s = (segment_t){.ip = get_be32(ip + 16),
                   .port = (uint16_t)get_be16(tcp + 2),
                   .from_port = (uint16_t)get_be16(tcp),
                   .seq = get_be32(tcp + 4),
                   .ack = get_be32(tcp + 8),
                   .flags = tcp[13],
                   .window = (uint16_t)get_be16(tcp + 14),
                   .vlan = (uint16_t)(at == 18 ? get_be16(frame + 14) : 0),
                   .len = sz - header,
                   .data = tcp + header};
  memcpy(s->mac, frame, 6);
  if (header >= 24 && tcp[20] == 2)
    s->mss = (uint16_t)get_be16(tcp + 22);
  return true;
}

static inline tcp_client_t *client_new(wcx_wire_t *wire, uint32_t server_ip, uint16_t server_port, uint32_t ip, uint16_t port)
{
  tcp_client_t *c = calloc(1, sizeof(*c));
  *c =
      (tcp_client_t){.wire = wire, .ip = ip, .server_ip = server_ip, .port = port, .server_port = server_port, .mss = 1460, .mac = {2, 0, 0, 0, 1, (uint8_t)port}, .window = 65535};
  c->iss = c->snd_una = c->snd_nxt = 0x7ffff000u + port; /* sequence numbers wrap on the way */
  c->rx = malloc(CLIENT_RX_MAX);
  return c;
}

static inline void client_free(tcp_client_t *c)
{
  free(c->rx);
  free(c);
}

static inline void client_connect(tcp_client_t *c, uint64_t mono_ns)
{
  client_segment(c, TCP_SYN_F, c->iss, NULL, 0);
  c->snd_nxt = c->iss + 1;
  c->moved_ns = mono_ns;
}

static inline void client_ack(tcp_client_t *c)
{
  client_segment(c, TCP_ACK_F, c->snd_nxt, NULL, 0);
}

static inline void client_reset(tcp_client_t *c)
{
  client_segment(c, TCP_RST_F | TCP_ACK_F, c->snd_nxt, NULL, 0);
}

static inline void client_receive(tcp_client_t *c, const segment_t *s, uint64_t mono_ns)
{
  c->segment_cnt++;
  memcpy(c->frame_mac, s->mac, 6);
  if ((s->flags & TCP_RST_F) != 0)
  {
    c->reset = !c->fin; /* late copies are answered so when all is over */
    return;
  }
  if ((s->flags & TCP_SYN_F) != 0)
  {
    c->synack_cnt++;
    c->peer_iss = s->seq;
    c->rcv_nxt = s->seq + 1;
    if (!c->open && !c->mute)
    {
      c->open = true;
      c->snd_una = c->iss + 1;
      c->peer_window = s->window;
    }
    if (!c->mute)
      client_ack(c);
    return;
  }
  if ((int32_t)(s->ack - c->snd_una) >= 0 && (int32_t)(s->ack - c->snd_nxt) <= 0)
  {
    if (s->ack != c->snd_una)
      c->moved_ns = mono_ns;
    c->snd_una = s->ack;
    c->peer_window = s->window;
  }
  if (s->len == 0 && (s->flags & TCP_FIN_F) == 0)
    return;
  if (s->seq == c->rcv_nxt && !c->fin)
  {
    uint32_t room = c->window < CLIENT_RX_MAX - c->rx_len ? c->window : CLIENT_RX_MAX - c->rx_len;
    uint32_t part = s->len < room ? s->len : room;
    memcpy(c->rx + c->rx_len, s->data, part);
    c->rx_len += part;
    c->rcv_nxt += part;
    if ((s->flags & TCP_FIN_F) != 0 && part == s->len)
    {
      c->rcv_nxt++;
      c->fin = true;
    }
  }
  if (!c->mute)
    client_ack(c);
}

/* Send what may be sent. */
static inline void client_step(tcp_client_t *c, uint64_t mono_ns)
{
  if (c->reset || c->mute)
    return;
  bool late = mono_ns - c->moved_ns > CLIENT_RETRY_NS;
  if (!c->open)
  {
    if (late)
      client_connect(c, mono_ns);
    return;
  }
  uint32_t end = c->iss + 1 + c->out_len; /* of the data; a FIN takes one more */
  if (late && c->snd_nxt != c->snd_una)
  {
    c->snd_nxt = c->snd_una;
    c->moved_ns = mono_ns;
  }
  bool probe = late && c->peer_window == 0 && (int32_t)(end - c->snd_nxt) > 0;
  uint32_t window = probe ? 1 : c->peer_window;
  if (probe)
    c->moved_ns = mono_ns;
  while ((int32_t)(end - c->snd_nxt) > 0 && c->snd_nxt - c->snd_una < window)
  {
    uint32_t len = end - c->snd_nxt;
    len = len < c->mss ? len : c->mss;
    len = len < window - (c->snd_nxt - c->snd_una) ? len : window - (c->snd_nxt - c->snd_una);
    client_segment(c, TCP_ACK_F | TCP_PSH_F, c->snd_nxt, c->out + (c->snd_nxt - c->iss - 1), len);
    c->snd_nxt += len;
  }
  if (c->closing && c->snd_nxt == end)
  {
    client_segment(c, TCP_ACK_F | TCP_FIN_F, c->snd_nxt, NULL, 0);
    c->snd_nxt++;
    c->moved_ns = mono_ns;
  }
}

#endif
