/* Frames: whatever comes, the verdict stands, and what is called a datagram lies inside its frame and is one by this file's own reading.

   Input: one byte of choice, then the frame. Bit 0: addresses, lengths and checksums of IP and UDP are made right first, so that more than one frame in 2^32
   is a datagram; bit 3: but not the lengths; bit 4: but the length of UDP follows IP's, right or wrong. Bit 2: with a VLAN tag. Bit 1: the bytes are a payload instead, and the frame that wcx_net_finish_udp makes of
   them must be read as that payload. */
#include "dataplane/net.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define CHOICE_MEND 1u
#define CHOICE_PAYLOAD 2u
#define CHOICE_VLAN 4u
#define CHOICE_LENGTHS 8u
#define CHOICE_FOLLOW 16u

static const wcx_net_t here = {.ip = 0x0a4d0002u, .mac = {0x02, 0x77, 0x63, 0x78, 0x00, 0x01}};

static uint32_t sum_of(const uint8_t *at, uint32_t sz, uint32_t sum)
{
  for (uint32_t i = 0; i < sz; i++)
    sum += (uint32_t)at[i] << (i % 2 == 0 ? 8 : 0);
  return sum;
}

static void put_be(uint8_t *at, uint32_t value)
{
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

static uint32_t folded(uint32_t sum)
{
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

/* Makes an IPv4 UDP frame to us of whatever it is, where it is long enough. The ports, the flags and what follows stay. */
static void mend(uint8_t *frame, uint32_t len, uint32_t ip_off, uint8_t choice)
{
  bool lengths = (choice & CHOICE_LENGTHS) == 0;
  if (len < ip_off + 28 || len - ip_off > 0xffff)
    return;
  memcpy(frame, here.mac, 6);
  put_be(frame + ip_off - 2, 0x0800);
  if (ip_off == 18)
    put_be(frame + 12, 0x8100);
  uint8_t *ip = frame + ip_off;
  uint8_t *udp = ip + 20;
  ip[0] = 0x45;
  if (lengths)
    put_be(ip + 2, len - ip_off);
  ip[9] = 17;
  put_be(ip + 16, here.ip >> 16);
  put_be(ip + 18, here.ip & 0xffff);
  put_be(ip + 10, 0);
  put_be(ip + 10, folded(sum_of(ip, 20, 0)));
  uint32_t udp_sz = len - ip_off - 20;
  put_be(udp + 6, 0); /* none was computed */
  if ((choice & CHOICE_FOLLOW) != 0)
    put_be(udp + 4, ((uint32_t)ip[2] << 8 | ip[3]) - 20);
  if (!lengths)
    return;
  put_be(udp + 4, udp_sz);
  uint32_t sum = folded(sum_of(udp, udp_sz, sum_of(ip + 12, 8, 17 + udp_sz)));
  put_be(udp + 6, sum == 0 ? 0xffff : sum);
}

static uint32_t get_be(const uint8_t *at)
{
  return (uint32_t)at[0] << 8 | at[1];
}

/* IPv4 without options or fragments to us, UDP, and both lengths say what the datagram is given as. */
static bool is_datagram(const wcx_datagram_t *datagram)
{
  const uint8_t *ip = datagram->payload - 28;
  return ip[0] == 0x45 && (get_be(ip + 6) & 0xbfff) == 0 && ip[9] == 17 && (get_be(ip + 16) << 16 | get_be(ip + 18)) == here.ip && get_be(ip + 2) == datagram->len + 28u &&
         get_be(ip + 24) == datagram->len + 8u && get_be(ip + 20) == datagram->from.port && get_be(ip + 22) == datagram->to_port;
}

static void check_verdict(const uint8_t *frame, uint32_t len)
{
  wcx_datagram_t datagram;
  memset(&datagram, 0x5a, sizeof(datagram));
  enum wcx_net_verdict verdict = wcx_net_parse(&here, frame, len, &datagram);
  WCX_CHECK(verdict >= WCX_NET_UDP && verdict <= WCX_NET_DROP_UDP_CHECKSUM, "verdict %d", (int)verdict);
  if (verdict == WCX_NET_UDP)
  {
    WCX_CHECK(datagram.payload >= frame + 42 && datagram.payload + datagram.len <= frame + len, "a payload of %u bytes at %ld of %u", datagram.len,
              (long)(datagram.payload - frame), len);
    WCX_CHECK(is_datagram(&datagram), "%u bytes from port %u to port %u are called a datagram", datagram.len, datagram.from.port, datagram.to_port);
    WCX_CHECK(datagram.from.vlan < 4096, "vlan %u", datagram.from.vlan);
    uint8_t sum = 0;
    for (uint32_t i = 0; i < datagram.len; i++)
      sum = (uint8_t)(sum + datagram.payload[i]); /* reads each byte */
    (void)*(volatile uint8_t *)&sum;
  }
  else if (verdict == WCX_NET_ARP_REQUEST)
  {
    uint8_t *reply = malloc(len);
    memcpy(reply, frame, len);
    uint32_t reply_sz = wcx_net_arp_reply(&here, reply);
    WCX_CHECK(reply_sz <= len && memcmp(reply, frame + 6, 6) == 0 && memcmp(reply + 6, here.mac, 6) == 0, "an ARP reply of %u bytes to %u", reply_sz, len);
    free(reply);
  }
}

static void check_round_trip(const uint8_t *payload, uint32_t sz, bool vlan)
{
  static uint8_t frame[WCX_NET_HEADERS_SZ_MAX + WCX_NET_PAYLOAD_SZ_MAX];
  if (sz > WCX_NET_PAYLOAD_SZ_MAX)
    return;
  wcx_net_t peer = {.ip = 0x0a4d0001u, .mac = {2, 0, 0, 0, 0, 9}};
  wcx_peer_t to = {.ip = here.ip, .port = 7002, .vlan = vlan ? 100 : 0};
  memcpy(to.mac, here.mac, 6);
  memcpy(frame + wcx_net_headers_sz(&to), payload, sz);
  uint32_t len = wcx_net_finish_udp(&peer, frame, &to, 40001, (uint16_t)sz);
  wcx_datagram_t datagram;
  enum wcx_net_verdict verdict = wcx_net_parse(&here, frame, len, &datagram);
  WCX_CHECK(verdict == WCX_NET_UDP, "our own frame of %u bytes is %d", len, (int)verdict);
  WCX_CHECK(datagram.len == sz && memcmp(datagram.payload, payload, sz) == 0 && datagram.to_port == 7002 && datagram.from.port == 40001 && datagram.from.vlan == to.vlan,
            "our own frame is read as %u bytes from %u to %u", datagram.len, datagram.from.port, datagram.to_port);
}

void wcx_fuzz_one(const uint8_t *data, size_t sz)
{
  if (sz == 0)
    return;
  uint8_t choice = data[0];
  uint32_t len = (uint32_t)sz - 1;
  if ((choice & CHOICE_PAYLOAD) != 0)
  {
    check_round_trip(data + 1, len, (choice & CHOICE_VLAN) != 0);
    return;
  }
  uint8_t *frame = malloc(len > 0 ? len : 1);
  memcpy(frame, data + 1, len);
  if ((choice & CHOICE_MEND) != 0)
    mend(frame, len, (choice & CHOICE_VLAN) != 0 ? 18 : 14, choice);
  check_verdict(frame, len);
  free(frame);
}
