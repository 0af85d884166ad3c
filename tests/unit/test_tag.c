/* SipHash-2-4 against its published vectors; the tag of a datagram, ours and the client library's. */
#include "dataplane/client/packet.h"
#include "dataplane/tag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* vectors_sip64 of the reference implementation: key 00 01 .. 0f, message 00 01 .. (n - 1), n = 0..63. */
static const char *const vectors[64] = {
    "310e0edd47db6f72", "fd67dc93c539f874", "5a4fa9d909806c0d", "2d7efbd796666785", "b7877127e09427cf", "8da699cd64557618", "cee3fe586e46c9cb", "37d1018bf50002ab",
    "6224939a79f5f593", "b0e4a90bdf82009e", "f3b9dd94c5bb5d7a", "a7ad6b22462fb3f4", "fbe50e86bc8f1e75", "903d84c02756ea14", "eef27a8e90ca23f7", "e545be4961ca29a1",
    "db9bc2577fcc2a3f", "9447be2cf5e99a69", "9cd38d96f0b3c14b", "bd6179a71dc96dbb", "98eea21af25cd6be", "c7673b2eb0cbf2d0", "883ea3e395675393", "c8ce5ccd8c030ca8",
    "94af49f6c650adb8", "eab8858ade92e1bc", "f315bb5bb835d817", "adcf6b0763612e2f", "a5c91da7acaa4dde", "716595876650a2a6", "28ef495c53a387ad", "42c341d8fa92d832",
    "ce7cf2722f512771", "e37859f94623f3a7", "381205bb1ab0e012", "ae97a10fd434e015", "b4a31508beff4d31", "81396229f0907902", "4d0cf49ee5d4dcca", "5c73336a76d8bf9a",
    "d0a704536ba93e0e", "925958fcd6420cad", "a915c29bc8067318", "952b79f3bc0aa6d4", "f21df2e41d4535f9", "87577519048f53a9", "10a56cf5dfcd9adb", "eb75095ccd986cd0",
    "51a9cb9ecba312e6", "96afadfc2ce666c7", "72fe52975a4364ee", "5a1645b276d592a1", "b274cb8ebf87870a", "6f9bb4203de7b381", "eaecb2a30b22a87f", "9924a43cc1315724",
    "bd838d3aafbf8db7", "0b1a2a3265d51aea", "135079a3231ce660", "932b2846e4d70666", "e1915f5cb1eca46c", "f325965ca16d629f", "575ff28e60381be5", "724506eb4c328a95",
};

static void test_published_vectors(void **state)
{
  (void)state;
  uint8_t key[16];
  uint8_t message[65];
  for (uint8_t i = 0; i < 16; i++)
    key[i] = i;
  for (uint8_t n = 0; n < 64; n++)
  {
    for (uint8_t offset = 0; offset < 2; offset++) /* a message can start at any byte */
    {
      for (uint8_t i = 0; i < n; i++)
        message[offset + i] = i;
      uint64_t hash = wcx_siphash(key, message + offset, n);
      char text[17];
      for (uint32_t i = 0; i < 8; i++)
        snprintf(text + 2 * i, 3, "%02x", (unsigned)(hash >> 8 * i & 0xff));
      assert_string_equal(text, vectors[n]);
    }
  }
}

static void test_every_bit_counts(void **state)
{
  (void)state;
  wcx_tag_key_t key;
  uint8_t payload[80];
  for (uint32_t i = 0; i < sizeof(key.bytes); i++)
    key.bytes[i] = (uint8_t)(i * 17 + 3);
  for (uint32_t i = 0; i < sizeof(payload); i++)
    payload[i] = (uint8_t)(i * 29);
  uint32_t len = wcx_tag_append(&key, payload, 61);
  assert_int_equal(len, 69);
  assert_true(wcx_tag_fits(&key, payload, len));
  for (uint32_t bit = 0; bit < len * 8; bit++)
  {
    payload[bit / 8] ^= (uint8_t)(1u << bit % 8);
    assert_false(wcx_tag_fits(&key, payload, len));
    payload[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  for (uint32_t bit = 0; bit < 128; bit++)
  {
    wcx_tag_key_t other = key;
    other.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    assert_false(wcx_tag_fits(&other, payload, len));
  }
  for (uint32_t shorter = 0; shorter < len; shorter++)
    assert_false(wcx_tag_fits(&key, payload, shorter));
  assert_false(wcx_tag_fits(&key, payload, len + 1));
}

/* The client library writes and reads the same tag. */
static void test_both_ends_agree(void **state)
{
  (void)state;
  wcx_tag_key_t key = {.bytes = "sixteen bytes..."};
  uint8_t datagram[WCX_CLIENT_DATAGRAM_MAX];
  wcx_client_packet_header(datagram, "abcdefghij", 7, 0);
  size_t sz = wcx_client_packet_tag(datagram, WCX_CLIENT_PACKET_HDR_SZ, key.bytes);
  assert_int_equal(sz, 28);
  assert_true(wcx_tag_fits(&key, datagram, 28));
  assert_true(wcx_client_packet_tagged(datagram, sz, key.bytes));
  uint32_t len = wcx_tag_append(&key, datagram, 20);
  assert_true(wcx_client_packet_tagged(datagram, len, key.bytes));
  datagram[3] ^= 1;
  assert_false(wcx_client_packet_tagged(datagram, len, key.bytes));
  assert_false(wcx_client_packet_tagged(datagram, 27, key.bytes));
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_published_vectors), cmocka_unit_test(test_every_bit_counts), cmocka_unit_test(test_both_ends_agree)};
  return cmocka_run_group_tests_name("tag", tests, NULL, NULL);
}
