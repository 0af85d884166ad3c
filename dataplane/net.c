#include "dataplane/net.h"

#include <string.h>

#define ETHERTYPE_IPV4 0x0800u
#define ETHERTYPE_ARP 0x0806u
#define ETHERTYPE_VLAN 0x8100u
#define PROTOCOL_UDP 17u
#define PROTOCOL_TCP 6u
#define IP_TTL 16u

static uint16_t get16(const uint8_t *at)
{
  return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put16(uint8_t *at, uint16_t value)
{
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
  put16(at, (uint16_t)(value >> 16));
  put16(at + 2, (uint16_t)value);
}

/* One's complement sum of 16-bit words, in the machine's byte order: the order of bytes cancels out as long as the result is stored the same way. */
static uint64_t sum_bytes(uint64_t sum, const uint8_t *at, uint32_t sz)
{
  for (; sz >= 4; sz -= 4, at += 4)
  {
    uint32_t word;
    memcpy(&word, at, 4);
    sum += word;
  }
  if (sz > 0)
  {
    uint8_t tail[4] = {0};
    memcpy(tail, at, sz);
    uint32_t word;
    memcpy(&word, tail, 4);
    sum += word;
  }
  return sum;
}

static uint16_t sum_fold(uint64_t sum)
{
  while (sum >> 16 != 0)
    sum = (sum & 0xffffu) + (sum >> 16);
  return (uint16_t)~sum;
}

/* Sum over pseudo header and what follows it; `ip` is the IPv4 header. */
static uint16_t pseudo_sum(const uint8_t *ip, uint8_t protocol, const uint8_t *at, uint16_t sz)
{
  uint8_t pseudo[4] = {0, protocol, (uint8_t)(sz >> 8), (uint8_t)sz};
  uint64_t sum = sum_bytes(0, ip + 12, 8);
  sum = sum_bytes(sum, pseudo, 4);
  return sum_fold(sum_bytes(sum, at, sz));
}

static uint16_t udp_sum(const uint8_t *ip, const uint8_t *udp, uint16_t udp_sz)
{
  return pseudo_sum(ip, PROTOCOL_UDP, udp, udp_sz);
}

void wcx_net_finish_tcp(uint8_t *ip, uint16_t total)
{
  put16(ip + 36, 0);
  uint16_t sum = pseudo_sum(ip, PROTOCOL_TCP, ip + 20, (uint16_t)(total - 20));
  memcpy(ip + 36, &sum, 2);
}

static enum wcx_net_verdict parse_tcp(const wcx_net_t *net, const uint8_t *ip, uint32_t total, wcx_datagram_t *datagram)
{
  datagram->from.ip = get32(ip + 12);
  if (total < 40 || datagram->from.ip == net->ip)
    return WCX_NET_DROP_IP;
  datagram->from.port = get16(ip + 20);
  datagram->to_port = get16(ip + 22);
  datagram->len = (uint16_t)total;
  datagram->payload = ip;
  return WCX_NET_TCP;
}

static enum wcx_net_verdict parse_ipv4(const wcx_net_t *net, const uint8_t *ip, uint32_t avail, wcx_datagram_t *datagram)
{
  if (avail < 20 || ip[0] >> 4 != 4 || (ip[0] & 15) < 5)
    return WCX_NET_DROP_IP;
  if ((ip[0] & 15) > 5)
    return WCX_NET_DROP_IP_OPTION;
  uint32_t total = get16(ip + 2);
  if (total < 20 || total > avail)
    return WCX_NET_DROP_IP;
  if (sum_fold(sum_bytes(0, ip, 20)) != 0)
    return WCX_NET_DROP_IP_CHECKSUM;
  if ((get16(ip + 6) & 0xbfffu) != 0) /* more fragments, offset, or the reserved bit */
    return WCX_NET_DROP_IP_FRAGMENT;
  if (ip[9] != PROTOCOL_UDP && ip[9] != PROTOCOL_TCP)
    return WCX_NET_DROP_IP;
  if (get32(ip + 16) != net->ip)
    return WCX_NET_DROP_ETHERNET;
  if (ip[9] == PROTOCOL_TCP)
    return parse_tcp(net, ip, total, datagram);
  const uint8_t *udp = ip + 20;
  if (total < 28 || get16(udp + 4) != total - 20)
    return WCX_NET_DROP_UDP_LENGTH;
  uint16_t udp_sz = get16(udp + 4);
  if (get16(udp + 6) != 0 && udp_sum(ip, udp, udp_sz) != 0)
    return WCX_NET_DROP_UDP_CHECKSUM;
  datagram->from.ip = get32(ip + 12);
  datagram->from.port = get16(udp);
  datagram->to_port = get16(udp + 2);
  datagram->len = (uint16_t)(udp_sz - 8);
  datagram->payload = udp + 8;
  return WCX_NET_UDP;
}

enum wcx_net_verdict wcx_net_parse(const wcx_net_t *net, const uint8_t *frame, uint32_t len, wcx_datagram_t *datagram)
{
  static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  if (len < 14)
    return WCX_NET_DROP_ETHERNET;
  bool to_us = memcmp(frame, net->mac, 6) == 0;
  bool to_all = memcmp(frame, broadcast, 6) == 0;
  *datagram = (wcx_datagram_t){0};
  memcpy(datagram->from.mac, frame + 6, 6);
  uint32_t at = 12;
  uint16_t ethertype = get16(frame + at);
  if (ethertype == ETHERTYPE_VLAN)
  {
    if (len < 18)
      return WCX_NET_DROP_ETHERNET;
    datagram->from.vlan = get16(frame + 14) & 0xfffu;
    at = 16;
    ethertype = get16(frame + at);
  }
  const uint8_t *inner = frame + at + 2;
  uint32_t avail = len - at - 2;
  if (ethertype == ETHERTYPE_ARP && (to_us || to_all))
  {
    /* Ethernet and IPv4 addresses, operation 1 (request), for our address */
    static const uint8_t request[8] = {0, 1, 8, 0, 6, 4, 0, 1};
    bool ours = avail >= 28 && memcmp(inner, request, 8) == 0 && get32(inner + 24) == net->ip;
    return ours ? WCX_NET_ARP_REQUEST : WCX_NET_DROP_ETHERNET;
  }
  if (ethertype != ETHERTYPE_IPV4 || !to_us)
    return WCX_NET_DROP_ETHERNET;
  return parse_ipv4(net, inner, avail, datagram);
}

uint32_t wcx_net_arp_reply(const wcx_net_t *net, uint8_t *frame)
{
  uint32_t at = get16(frame + 12) == ETHERTYPE_VLAN ? 18 : 14;
  uint8_t *arp = frame + at;
  memcpy(frame, frame + 6, 6);
  memcpy(frame + 6, net->mac, 6);
  put16(arp + 6, 2);
  memmove(arp + 18, arp + 8, 10); /* the asker becomes the target */
  memcpy(arp + 8, net->mac, 6);
  put32(arp + 14, net->ip);
  return at + 28;
}

uint32_t wcx_net_ethernet(const wcx_net_t *net, uint8_t *frame, const wcx_peer_t *to)
{
  uint32_t at = 12;
  memcpy(frame, to->mac, 6);
  memcpy(frame + 6, net->mac, 6);
  if (to->vlan != 0)
  {
    put16(frame + 12, ETHERTYPE_VLAN);
    put16(frame + 14, to->vlan);
    at = 16;
  }
  put16(frame + at, ETHERTYPE_IPV4);
  return at + 2;
}

uint32_t wcx_net_finish_udp(const wcx_net_t *net, uint8_t *frame, const wcx_peer_t *to, uint16_t from_port, uint16_t payload_sz)
{
  uint8_t *ip = frame + wcx_net_ethernet(net, frame, to);
  uint8_t *udp = ip + 20;
  uint16_t udp_sz = (uint16_t)(payload_sz + 8);
  ip[0] = 0x45;
  ip[1] = 0;
  put16(ip + 2, (uint16_t)(udp_sz + 20));
  put16(ip + 4, 0);
  put16(ip + 6, 0x4000); /* never fragmented */
  ip[8] = IP_TTL;
  ip[9] = PROTOCOL_UDP;
  put16(ip + 10, 0);
  put32(ip + 12, net->ip);
  put32(ip + 16, to->ip);
  uint16_t ip_sum = sum_fold(sum_bytes(0, ip, 20));
  memcpy(ip + 10, &ip_sum, 2);
  put16(udp, from_port);
  put16(udp + 2, to->port);
  put16(udp + 4, udp_sz);
  put16(udp + 6, 0);
  uint16_t sum = udp_sum(ip, udp, udp_sz);
  sum = sum == 0 ? 0xffff : sum;
  memcpy(udp + 6, &sum, 2);
  return wcx_net_headers_sz(to) + payload_sz;
}

wcx_peer_t wcx_net_group(uint32_t ip, uint16_t port)
{
  return (wcx_peer_t){.ip = ip, .port = port, .mac = {0x01, 0x00, 0x5e, (uint8_t)(ip >> 16 & 0x7f), (uint8_t)(ip >> 8), (uint8_t)ip}};
}
