/* Ethernet, ARP, IPv4, UDP and where TCP begins: what a received frame is, and the headers of a frame to send.

   Accepted: one frame to our MAC, untagged or with one 802.1Q tag, IPv4 without options or fragments, checksums right (a UDP checksum of 0 means none was
   computed), UDP or TCP to our address. Everything else has its own verdict, so that drops are counted by reason.

   Owner:     the caller; no state but the arguments.
   Memory:    a datagram points into the frame.
   Units:     addresses and ports in host order everywhere but on the wire.
   Bounds:    payload <= WCX_NET_PAYLOAD_SZ_MAX bytes to send; anything that fits a frame is parsed.
   Pinned by: tests/unit/test_net.c. */
#ifndef WCX_DATAPLANE_NET_H
#define WCX_DATAPLANE_NET_H

#include "dataplane/tag.h"

#include <stdbool.h>
#include <stdint.h>

#define WCX_NET_PAYLOAD_SZ_MAX 1400u
#define WCX_NET_HEADERS_SZ_MAX 46u

typedef struct wcx_net /* who we are */
{
  uint32_t ip;
  uint8_t mac[6];
  uint16_t pad;
} wcx_net_t;

typedef struct wcx_peer /* the other end of a datagram */
{
  uint32_t ip;
  uint16_t port;
  uint16_t vlan; /* 802.1Q id, 0: untagged */
  uint8_t mac[6];
  uint16_t pad;
  const wcx_tag_key_t *tag; /* datagrams to it carry a tag; NULL: they do not */
} wcx_peer_t;

typedef struct wcx_datagram
{
  wcx_peer_t from;
  uint16_t to_port;
  uint16_t len; /* of the payload */
  const uint8_t *payload;
} wcx_datagram_t;

enum wcx_net_verdict
{
  WCX_NET_UDP = 1,
  WCX_NET_ARP_REQUEST = 2, /* for our address */
  WCX_NET_DROP_ETHERNET = 3,
  WCX_NET_DROP_IP = 4,
  WCX_NET_DROP_IP_FRAGMENT = 5,
  WCX_NET_DROP_IP_OPTION = 6,
  WCX_NET_DROP_IP_CHECKSUM = 7,
  WCX_NET_DROP_UDP_LENGTH = 8,
  WCX_NET_DROP_UDP_CHECKSUM = 9,
  WCX_NET_TCP = 10, /* the segment is not looked at beyond its ports */
};

/* Fills *datagram when the verdict is WCX_NET_UDP; when it is WCX_NET_TCP, the payload begins at the IPv4 header. */
enum wcx_net_verdict wcx_net_parse(const wcx_net_t *net, const uint8_t *frame, uint32_t len, wcx_datagram_t *datagram);

/* Turn an ARP request, as judged by wcx_net_parse, into its reply, in place. Returns the frame's length. */
uint32_t wcx_net_arp_reply(const wcx_net_t *net, uint8_t *frame);

/* Bytes before the payload of a frame to this peer. */
static inline uint32_t wcx_net_headers_sz(const wcx_peer_t *to)
{
  return to->vlan != 0 ? 46u : 42u;
}

/* Write the Ethernet header of an IPv4 packet. Returns its bytes. */
uint32_t wcx_net_ethernet(const wcx_net_t *net, uint8_t *frame, const wcx_peer_t *to);

/* Write the headers of a UDP datagram around a payload that stands at wcx_net_headers_sz; both checksums computed. Returns the frame's length. */
uint32_t wcx_net_finish_udp(const wcx_net_t *net, uint8_t *frame, const wcx_peer_t *to, uint16_t from_port, uint16_t payload_sz);

/* Write the checksum of the TCP segment in an IPv4 packet of `total` bytes without options. */
void wcx_net_finish_tcp(uint8_t *ip, uint16_t total);

/* The peer that is a multicast group. */
wcx_peer_t wcx_net_group(uint32_t ip, uint16_t port);

static inline bool wcx_peer_equal(const wcx_peer_t *a, const wcx_peer_t *b)
{
  return a->ip == b->ip && a->port == b->port && a->vlan == b->vlan;
}

#endif
