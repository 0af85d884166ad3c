#include "bench/wire/stranger.h"
#include "dataplane/client/orders.h"
#include "dataplane/client/packet.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IP_OFF 14u
#define L4_OFF 34u
#define UDP_PAYLOAD_OFF 42u
#define UDP_ORDER_PORT 7002u
#define TCP_ORDER_PORT 7001u
#define TCP_SZ 20u

/* xorshift: what is not meant to be guessed here need not be good. */
static uint64_t draw(wcx_stranger_t *stranger)
{
  stranger->random ^= stranger->random << 13;
  stranger->random ^= stranger->random >> 7;
  stranger->random ^= stranger->random << 17;
  return stranger->random;
}

static void put16(uint8_t *to, uint32_t value)
{
  to[0] = (uint8_t)(value >> 8);
  to[1] = (uint8_t)value;
}

static void put32(uint8_t *to, uint32_t value)
{
  put16(to, value >> 16);
  put16(to + 2, value & 0xffffu);
}

static uint32_t sum_of(uint32_t sum, const uint8_t *bytes, size_t sz)
{
  for (size_t i = 0; i + 1 < sz; i += 2)
    sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
  return sum;
}

static uint16_t fold(uint32_t sum)
{
  while (sum >> 16 != 0)
    sum = (sum & 0xffffu) + (sum >> 16);
  return (uint16_t)~sum;
}

void wcx_stranger_open(wcx_stranger_t *stranger, const char *interface, const char *mac, const char *server)
{
  *stranger = (wcx_stranger_t){.random = wcx_env_mono_ns() | 1};
  struct in_addr ip;
  if (inet_pton(AF_INET, server, &ip) != 1)
    WCX_DIE("server address '%s' is not an IPv4 address: give --server a.b.c.d", server);
  stranger->to_ip = ntohl(ip.s_addr);
  uint8_t *m = stranger->to_mac;
  if (strlen(mac) != 17 || sscanf(mac, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) != 6)
    WCX_DIE("--mac '%s': give it as aa:bb:cc:dd:ee:ff", mac);
  struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
  if (at.sll_ifindex == 0)
    WCX_DIE("interface '%s' does not exist here: run inside the clients' network namespace", interface);
  stranger->fd =
      socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); /* protocol 0: it receives nothing; through the qdisc, since beside it all flows leave by one queue */
  if (stranger->fd < 0 || bind(stranger->fd, (struct sockaddr *)&at, sizeof(at)) != 0)
    WCX_DIE("raw socket on '%s': %s (it needs CAP_NET_RAW)", interface, strerror(errno));
}

void wcx_stranger_close(wcx_stranger_t *stranger)
{
  close(stranger->fd);
}

/* Ethernet and IPv4 in front of `sz` bytes from L4_OFF on. Returns the frame's size. */
static uint32_t put_headers(wcx_stranger_t *stranger, uint8_t protocol, uint32_t sz)
{
  uint8_t *frame = stranger->frame;
  uint32_t host = 100 + (uint32_t)(draw(stranger) % WCX_STRANGER_ADDRESSES);
  uint8_t from_mac[6] = {2, 0, 0, 0x77, 0, (uint8_t)host};
  memcpy(frame, stranger->to_mac, 6);
  memcpy(frame + 6, from_mac, 6);
  put16(frame + 12, ETH_P_IP);
  uint8_t *ip = frame + IP_OFF;
  memset(ip, 0, 20);
  ip[0] = 0x45;
  put16(ip + 2, 20 + sz);
  ip[6] = 0x40; /* not to be fragmented */
  ip[8] = 64;
  ip[9] = protocol;
  put32(ip + 12, (stranger->to_ip & 0xffffff00u) | host);
  put32(ip + 16, stranger->to_ip);
  put16(ip + 10, fold(sum_of(0, ip, 20)));
  return L4_OFF + sz;
}

static uint32_t put_udp(wcx_stranger_t *stranger, uint32_t payload_sz)
{
  uint8_t *udp = stranger->frame + L4_OFF;
  put16(udp, 1024 + (uint32_t)(draw(stranger) % 64000));
  put16(udp + 2, UDP_ORDER_PORT);
  put16(udp + 4, 8 + payload_sz);
  put16(udp + 6, 0); /* none: the appliance takes it */
  return put_headers(stranger, IPPROTO_UDP, 8 + payload_sz);
}

static uint32_t put_order(wcx_stranger_t *stranger)
{
  uint8_t *payload = stranger->frame + UDP_PAYLOAD_OFF;
  char session[11];
  snprintf(session, sizeof(session), "%010llu", (unsigned long long)(draw(stranger) % 10000000000u));
  wcx_client_packet_header(payload, session, draw(stranger), 1);
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  wcx_new_order_single_t order = wcx_client_limit_order(draw(stranger), 1, 1, WCX_SIDE_BUY, 100, 1, WCX_TIME_IN_FORCE_GTC);
  return put_udp(stranger, (uint32_t)wcx_client_packet_append(payload, WCX_CLIENT_PACKET_HDR_SZ, message, wcx_client_put_new(message, &order)));
}

static uint32_t put_establish(wcx_stranger_t *stranger)
{
  uint8_t *payload = stranger->frame + UDP_PAYLOAD_OFF;
  uint64_t now_ns = wcx_env_utc_ns();
  wcx_establish_t establish = {.session_id = 1,
                               .uuid = draw(stranger),
                               .request_timestamp = now_ns,
                               .next_client_seq_no = 1,
                               .keep_alive_interval = 1000,
                               .hmac_version = 1,
                               .schema_version = WCX_SCHEMA_VERSION};
  memcpy(establish.access_key_id, "BENCH-1             ", sizeof(establish.access_key_id));
  for (uint32_t i = 0; i < sizeof(establish.hmac_signature); i++)
    establish.hmac_signature[i] = (uint8_t)draw(stranger);
  uint8_t message[sizeof(wcx_message_header_t) + sizeof(establish)];
  size_t sz = wcx_client_message_write(message, WCX_TEMPLATE_ESTABLISH, &establish, sizeof(establish));
  wcx_client_packet_header(payload, WCX_CLIENT_NO_SESSION, 0, 1);
  return put_udp(stranger, (uint32_t)wcx_client_packet_append(payload, WCX_CLIENT_PACKET_HDR_SZ, message, sz));
}

static uint32_t put_syn(wcx_stranger_t *stranger)
{
  uint8_t *tcp = stranger->frame + L4_OFF;
  memset(tcp, 0, TCP_SZ);
  put16(tcp, 1024 + (uint32_t)(draw(stranger) % 64000));
  put16(tcp + 2, TCP_ORDER_PORT);
  put32(tcp + 4, (uint32_t)draw(stranger));
  tcp[12] = TCP_SZ / 4 << 4;
  tcp[13] = 0x02; /* SYN */
  put16(tcp + 14, 65535);
  uint32_t sz = put_headers(stranger, IPPROTO_TCP, TCP_SZ);
  uint32_t pseudo = sum_of(IPPROTO_TCP + TCP_SZ, stranger->frame + IP_OFF + 12, 8);
  put16(tcp + 16, fold(sum_of(pseudo, tcp, TCP_SZ)));
  return sz;
}

bool wcx_stranger_send(wcx_stranger_t *stranger, uint64_t number)
{
  uint32_t sz = number % 3 == 0 ? put_order(stranger) : number % 3 == 1 ? put_establish(stranger) : put_syn(stranger);
  return send(stranger->fd, stranger->frame, sz, 0) == (ssize_t)sz;
}
