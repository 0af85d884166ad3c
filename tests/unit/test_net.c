/* Frames: what is accepted, what each defect is called, and that what we build is what we accept. */
#include "dataplane/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const wcx_net_t us = {.ip = 0x0a4d0002u, .mac = {2, 0x77, 0x63, 0x78, 0, 1}};
static const wcx_net_t them = {.ip = 0x0a4d0001u, .mac = {2, 0, 0, 0, 0, 9}};

/* A frame from them to us with `len` bytes of payload. */
static uint32_t build(uint8_t *frame, uint16_t vlan, uint16_t len)
{
  wcx_peer_t to = {.ip = us.ip, .port = 7002, .vlan = vlan};
  memcpy(to.mac, us.mac, 6);
  uint8_t *payload = frame + wcx_net_headers_sz(&to);
  for (uint32_t i = 0; i < len; i++)
    payload[i] = (uint8_t)(i * 7 + 3);
  return wcx_net_finish_udp(&them, frame, &to, 40001, len);
}

static void test_round_trip_of_every_length(void **state)
{
  (void)state;
  uint8_t frame[1514];
  wcx_datagram_t datagram;
  for (uint16_t vlan = 0; vlan < 2; vlan++)
    for (uint16_t len = 0; len <= 1400; len++)
    {
      uint32_t sz = build(frame, (uint16_t)(vlan * 77), len);
      assert_int_equal(wcx_net_parse(&us, frame, sz, &datagram), WCX_NET_UDP);
      assert_int_equal(datagram.len, len);
      assert_int_equal(datagram.from.ip, them.ip);
      assert_int_equal(datagram.from.port, 40001);
      assert_int_equal(datagram.from.vlan, vlan * 77);
      assert_int_equal(datagram.to_port, 7002);
      assert_memory_equal(datagram.from.mac, them.mac, 6);
    }
}

static void test_short_frames_may_be_padded(void **state)
{
  (void)state;
  uint8_t frame[64] = {0};
  wcx_datagram_t datagram;
  (void)build(frame, 0, 4);
  assert_int_equal(wcx_net_parse(&us, frame, 60, &datagram), WCX_NET_UDP);
  assert_int_equal(datagram.len, 4);
}

/* A known packet: checksums computed by hand (RFC 1071). */
static void test_checksums_are_the_standard_ones(void **state)
{
  (void)state;
  uint8_t frame[64];
  const uint8_t payload[3] = {'a', 'b', 'c'};
  wcx_peer_t to = {.ip = us.ip, .port = 7002};
  memcpy(frame + 42, payload, 3);
  (void)wcx_net_finish_udp(&them, frame, &to, 40001, 3);
  uint32_t sum = 0x4500 + 31 + 0x4000 + 0x1011 + 0x0a4d + 0x0001 + 0x0a4d + 0x0002;
  sum = (sum & 0xffff) + (sum >> 16);
  assert_int_equal(frame[24] << 8 | frame[25], (uint16_t)~sum);
  sum = 0x0a4d + 0x0001 + 0x0a4d + 0x0002 + 17 + 11 + 40001 + 7002 + 11 + 0x6162 + 0x6300;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  assert_int_equal(frame[40] << 8 | frame[41], (uint16_t)~sum);
}

static void test_every_flipped_bit_is_seen(void **state)
{
  (void)state;
  uint8_t frame[128];
  wcx_datagram_t datagram;
  uint32_t sz = build(frame, 0, 40);
  for (uint32_t bit = 14 * 8; bit < sz * 8; bit++)
  {
    if (bit / 8 == 40 || bit / 8 == 41) /* a UDP checksum may become 0 = none; checked below */
      continue;
    frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
    assert_int_not_equal(wcx_net_parse(&us, frame, sz, &datagram), WCX_NET_UDP);
    frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  assert_int_equal(wcx_net_parse(&us, frame, sz, &datagram), WCX_NET_UDP);
}

static void test_every_prefix_is_refused(void **state)
{
  (void)state;
  uint8_t frame[128];
  wcx_datagram_t datagram;
  uint32_t sz = build(frame, 5, 40);
  for (uint32_t len = 0; len < sz; len++)
  {
    uint8_t exact[128];
    memcpy(exact, frame, len);
    assert_int_not_equal(wcx_net_parse(&us, exact, len, &datagram), WCX_NET_UDP);
  }
}

static void fix_ip_sum(uint8_t *ip)
{
  uint32_t sum = 0;
  ip[10] = ip[11] = 0;
  for (uint32_t i = 0; i < 20; i += 2)
    sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  ip[10] = (uint8_t)(~sum >> 8);
  ip[11] = (uint8_t)~sum;
}

static void test_defects_have_names(void **state)
{
  (void)state;
  struct
  {
    uint32_t at;
    uint8_t value;
    enum wcx_net_verdict verdict;
    bool fix;
  } cases[] = {
      {0, 0x04, WCX_NET_DROP_ETHERNET, false},     /* another MAC */
      {12, 0x86, WCX_NET_DROP_ETHERNET, false},    /* another protocol */
      {14, 0x65, WCX_NET_DROP_IP, true},           /* version 6 */
      {14, 0x44, WCX_NET_DROP_IP, true},           /* header of 16 bytes */
      {14, 0x46, WCX_NET_DROP_IP_OPTION, true},    /* options */
      {16, 0x20, WCX_NET_DROP_IP, true},           /* longer than the frame */
      {17, 0x10, WCX_NET_DROP_IP, true},           /* shorter than its header */
      {20, 0x20, WCX_NET_DROP_IP_FRAGMENT, true},  /* more fragments */
      {21, 0x01, WCX_NET_DROP_IP_FRAGMENT, true},  /* an offset */
      {23, 132, WCX_NET_DROP_IP, true},            /* SCTP */
      {24, 0x00, WCX_NET_DROP_IP_CHECKSUM, false}, /* wrong sum */
      {33, 0x09, WCX_NET_DROP_ETHERNET, true},     /* another address */
      {39, 0x01, WCX_NET_DROP_UDP_LENGTH, true},   /* shorter than its header */
      {38, 0x01, WCX_NET_DROP_UDP_LENGTH, true},   /* longer than the packet */
      {50, 0xff, WCX_NET_DROP_UDP_CHECKSUM, true}, /* payload */
  };
  for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
  {
    uint8_t frame[128];
    wcx_datagram_t datagram;
    uint32_t sz = build(frame, 0, 40);
    assert_int_not_equal(frame[cases[i].at], cases[i].value);
    frame[cases[i].at] = cases[i].value;
    if (cases[i].fix)
      fix_ip_sum(frame + 14);
    assert_int_equal(wcx_net_parse(&us, frame, sz, &datagram), cases[i].verdict);
  }
}

/* Of a segment its header must be there before its ports are read; one from our own address nobody sent. */
static void test_segments_have_their_header(void **state)
{
  (void)state;
  for (uint32_t total = 20; total <= 60; total++)
    for (uint32_t own = 0; own < 2; own++)
    {
      uint8_t frame[128];
      wcx_datagram_t datagram;
      uint32_t sz = build(frame, 0, 40);
      frame[17] = (uint8_t)total;
      frame[23] = 6;
      frame[29] = own ? (uint8_t)us.ip : frame[29];
      fix_ip_sum(frame + 14);
      assert_int_equal(wcx_net_parse(&us, frame, sz, &datagram), total >= 40 && !own ? WCX_NET_TCP : WCX_NET_DROP_IP);
    }
}

/* A session is pinned to all of them; the hardware address is the network's matter. */
static void test_peers_differ_in_address_port_and_vlan(void **state)
{
  (void)state;
  wcx_peer_t peer = {.ip = 0x0a4d0001u, .port = 40001, .vlan = 7, .mac = {2, 0, 0, 0, 0, 9}};
  wcx_peer_t other = peer;
  other.mac[5] = 8;
  assert_true(wcx_peer_equal(&peer, &other));
  for (uint32_t bit = 0; bit < 32; bit++)
  {
    other = peer;
    other.ip ^= 1u << bit;
    assert_false(wcx_peer_equal(&peer, &other));
    other = peer;
    other.port ^= (uint16_t)(1u << bit % 16);
    assert_false(wcx_peer_equal(&peer, &other));
    other = peer;
    other.vlan ^= (uint16_t)(1u << bit % 12);
    assert_false(wcx_peer_equal(&peer, &other));
  }
}

static void test_absent_udp_checksum_is_accepted(void **state)
{
  (void)state;
  uint8_t frame[128];
  wcx_datagram_t datagram;
  uint32_t sz = build(frame, 0, 40);
  frame[40] = frame[41] = 0;
  assert_int_equal(wcx_net_parse(&us, frame, sz, &datagram), WCX_NET_UDP);
}

static void test_arp(void **state)
{
  (void)state;
  uint8_t frame[60] = {0};
  memset(frame, 0xff, 6);
  memcpy(frame + 6, them.mac, 6);
  const uint8_t head[10] = {0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1};
  memcpy(frame + 12, head, 10);
  memcpy(frame + 22, them.mac, 6);
  const uint8_t ips[16] = {10, 77, 0, 1, 0, 0, 0, 0, 0, 0, 10, 77, 0, 2};
  memcpy(frame + 28, ips, 14);
  wcx_datagram_t datagram;
  frame[41] = 3;
  assert_int_equal(wcx_net_parse(&us, frame, 60, &datagram), WCX_NET_DROP_ETHERNET); /* asks for somebody else */
  frame[41] = 2;
  assert_int_equal(wcx_net_parse(&us, frame, 60, &datagram), WCX_NET_ARP_REQUEST);
  assert_int_equal(wcx_net_parse(&us, frame, 41, &datagram), WCX_NET_DROP_ETHERNET);
  assert_int_equal(wcx_net_arp_reply(&us, frame), 42);
  const uint8_t target[10] = {2, 0, 0, 0, 0, 9, 10, 77, 0, 1};
  const uint8_t sender[10] = {2, 0x77, 0x63, 0x78, 0, 1, 10, 77, 0, 2};
  assert_memory_equal(frame, them.mac, 6);
  assert_memory_equal(frame + 6, us.mac, 6);
  assert_int_equal(frame[21], 2);
  assert_memory_equal(frame + 22, sender, 10);
  assert_memory_equal(frame + 32, target, 10);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_round_trip_of_every_length),      cmocka_unit_test(test_short_frames_may_be_padded),
      cmocka_unit_test(test_checksums_are_the_standard_ones), cmocka_unit_test(test_every_flipped_bit_is_seen),
      cmocka_unit_test(test_every_prefix_is_refused),         cmocka_unit_test(test_defects_have_names),
      cmocka_unit_test(test_segments_have_their_header),      cmocka_unit_test(test_peers_differ_in_address_port_and_vlan),
      cmocka_unit_test(test_absent_udp_checksum_is_accepted), cmocka_unit_test(test_arp),
  };
  return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
