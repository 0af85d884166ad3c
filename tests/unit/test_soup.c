/* SoupBinTCP packets: every prefix against a guard page, lengths, login numbers, user names, session strings. */
#include "dataplane/soup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sys/mman.h>

#define PAGE_SZ 4096u

static uint8_t *guard; /* what lies behind it cannot be read */

static int set_up(void **state)
{
  (void)state;
  uint8_t *mem = mmap(NULL, 2 * PAGE_SZ, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(mem, MAP_FAILED);
  assert_int_equal(mprotect(mem + PAGE_SZ, PAGE_SZ, PROT_NONE), 0);
  guard = mem + PAGE_SZ;
  return 0;
}

/* The bytes, so that they end where the guard begins. */
static const uint8_t *before_guard(const void *data, uint32_t len)
{
  if (len > 0)
    memcpy(guard - len, data, len);
  return guard - len;
}

static void test_every_prefix(void **state)
{
  (void)state;
  uint8_t data[WCX_SOUP_SZ_MAX + 3];
  static const uint16_t payload_szs[] = {0, 1, 2, 46, 255, 256, 1000, WCX_SOUP_SZ_MAX - WCX_SOUP_HEADER_SZ};
  for (uint32_t n = 0; n < sizeof(payload_szs) / sizeof(payload_szs[0]); n++)
  {
    uint16_t payload_sz = payload_szs[n];
    for (uint32_t i = 0; i < sizeof(data); i++)
      data[i] = (uint8_t)(i * 7 + 1);
    assert_int_equal(wcx_soup_begin(data, 'U', payload_sz), WCX_SOUP_HEADER_SZ);
    uint32_t whole = WCX_SOUP_HEADER_SZ + payload_sz;
    wcx_soup_packet_t packet;
    for (uint32_t len = 0; len < whole; len++)
    {
      packet = (wcx_soup_packet_t){.type = 'x'};
      assert_int_equal(wcx_soup_next(before_guard(data, len), len, &packet), 0);
      assert_int_equal(packet.type, 'x'); /* nothing is said of a packet that is not whole */
    }
    for (uint32_t more = 0; more <= 3 && whole + more <= sizeof(data); more++)
    {
      const uint8_t *at = before_guard(data, whole + more);
      assert_int_equal(wcx_soup_next(at, whole + more, &packet), whole);
      assert_int_equal(packet.type, 'U');
      assert_int_equal(packet.payload_sz, payload_sz);
      assert_ptr_equal(packet.payload, at + 3);
      assert_memory_equal(packet.payload, data + 3, payload_sz);
    }
  }
}

/* A wrong length is wrong from its second byte on: no more is waited for. */
static void test_lengths(void **state)
{
  (void)state;
  for (uint32_t sz = 0; sz <= UINT16_MAX; sz++)
  {
    uint8_t data[2] = {(uint8_t)(sz >> 8), (uint8_t)sz};
    wcx_soup_packet_t packet;
    bool right = sz >= 1 && sz + 2 <= WCX_SOUP_SZ_MAX;
    assert_int_equal(wcx_soup_next(before_guard(data, 2), 2, &packet), right ? 0 : UINT32_MAX);
    assert_int_equal(wcx_soup_next(before_guard(data, 1), 1, &packet), 0);
  }
}

/* L with this number, 20 characters. */
static wcx_soup_packet_t login_of(uint8_t payload[WCX_SOUP_LOGIN_SZ], const char *number)
{
  assert_int_equal(strlen(number), 20);
  memcpy(payload, "mm1   ", 6);
  memcpy(payload + 6, "secret    ", 10);
  memcpy(payload + 16, "S000000001", 10);
  memcpy(payload + 26, number, 20);
  return (wcx_soup_packet_t){.payload = payload, .payload_sz = WCX_SOUP_LOGIN_SZ, .type = 'L'};
}

static void test_login_numbers(void **state)
{
  (void)state;
  static const struct
  {
    const char *text;
    bool right;
    uint64_t number;
  } cases[] = {
      {"                    ", true, 0},
      {"                   0", true, 0},
      {"0                   ", true, 0},
      {"                   1", true, 1},
      {"1                   ", true, 1},
      {"         42         ", true, 42},
      {"00000000000000000007", true, 7},
      {"18446744073709551609", true, UINT64_C(18446744073709551609)},
      {"09999999999999999999", true, UINT64_C(9999999999999999999)},
      {"18446744073709551616", false, 0},
      {"18446744073709551620", false, 0},
      {"99999999999999999999", false, 0},
      {"                 1 2", false, 0},
      {"                  -1", false, 0},
      {"                  +1", false, 0},
      {"                 0x1", false, 0},
      {"                 1.0", false, 0},
      {"one                 ", false, 0},
      {"                  1a", false, 0},
      {"\t                  1", false, 0},
      {"                  1\n", false, 0},
  };
  for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
  {
    uint8_t payload[WCX_SOUP_LOGIN_SZ];
    wcx_soup_packet_t packet = login_of(payload, cases[i].text);
    wcx_soup_login_t login;
    if (wcx_soup_login_parse(&packet, &login) != cases[i].right || (cases[i].right && login.number != cases[i].number))
      fail_msg("number '%s': %llu", cases[i].text, (unsigned long long)login.number);
  }
  uint8_t payload[WCX_SOUP_LOGIN_SZ];
  wcx_soup_packet_t packet = login_of(payload, "                   1");
  wcx_soup_login_t login;
  for (uint32_t i = 0; i < 20; i++) /* a zero byte is no space */
  {
    payload[26 + i] = 0;
    assert_false(wcx_soup_login_parse(&packet, &login));
    payload[26 + i] = ' ';
  }
}

static void test_login_shape(void **state)
{
  (void)state;
  uint8_t payload[WCX_SOUP_LOGIN_SZ + 1] = {0};
  wcx_soup_packet_t packet = login_of(payload, "                   9");
  wcx_soup_login_t login;
  packet.payload = before_guard(payload, WCX_SOUP_LOGIN_SZ);
  assert_true(wcx_soup_login_parse(&packet, &login));
  assert_memory_equal(login.user, "mm1   ", 6);
  assert_memory_equal(login.password, "secret    ", 10);
  assert_memory_equal(login.session, "S000000001", 10);
  packet.payload = payload;
  for (uint16_t sz = 0; sz <= WCX_SOUP_LOGIN_SZ + 1; sz++)
  {
    packet.payload_sz = sz;
    assert_int_equal(wcx_soup_login_parse(&packet, &login), sz == WCX_SOUP_LOGIN_SZ);
  }
  packet.payload_sz = WCX_SOUP_LOGIN_SZ;
  for (int type = -128; type < 128; type++)
  {
    packet.type = (char)type;
    assert_int_equal(wcx_soup_login_parse(&packet, &login), type == 'L');
  }
}

static void test_login_accepted(void **state)
{
  (void)state;
  static const struct
  {
    uint64_t number;
    const char *text;
  } cases[] = {{0, "                   0"}, {1, "                   1"}, {10, "                  10"}, {UINT64_MAX, "18446744073709551615"}};
  for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
  {
    uint8_t *at = guard - 33;
    assert_int_equal(wcx_soup_login_accepted(at, "S000000007", cases[i].number), 33);
    wcx_soup_packet_t packet = {0};
    assert_int_equal(wcx_soup_next(at, 33, &packet), 33);
    assert_int_equal(packet.type, 'A');
    assert_int_equal(packet.payload_sz, WCX_SOUP_LOGIN_ACCEPTED_SZ);
    assert_memory_equal(packet.payload, "S000000007", 10);
    assert_memory_equal(packet.payload + 10, cases[i].text, 20);
  }
}

static void test_session_strings(void **state)
{
  (void)state;
  char session[WCX_SOUP_SESSION_SZ];
  wcx_soup_session(session, 1);
  assert_memory_equal(session, "S000000001", 10);
  wcx_soup_session(session, 120034);
  assert_memory_equal(session, "S000120034", 10);
  wcx_soup_session(session, 999999999);
  assert_memory_equal(session, "S999999999", 10);
}

static void test_user_names(void **state)
{
  (void)state;
  static const struct
  {
    const char *user; /* 6 characters */
    uint32_t session_id;
  } cases[] = {
      {"mm1   ", 1}, {"mm8   ", 8}, {"mm12  ", 12}, {"mm9999", 9999}, {"mm    ", 0}, {"mm0   ", 0}, {"mm01  ", 0}, {"mm1x  ", 0},    {"mm1 2 ", 0},       {"mm1  2", 0},
      {"mmx1  ", 0}, {" mm1  ", 0}, {"MM1   ", 0},  {"m1    ", 0},    {"mm-1  ", 0}, {"nobody", 0}, {"      ", 0}, {"mm1\0\0\0", 0}, {"\0\0\0\0\0\0", 0},
  };
  for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
  {
    const char *at = (const char *)before_guard(cases[i].user, 6);
    if (wcx_soup_user(at) != cases[i].session_id)
      fail_msg("user '%.6s': %u", cases[i].user, wcx_soup_user(at));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_prefix),   cmocka_unit_test(test_lengths),         cmocka_unit_test(test_login_numbers), cmocka_unit_test(test_login_shape),
      cmocka_unit_test(test_login_accepted), cmocka_unit_test(test_session_strings), cmocka_unit_test(test_user_names),
  };
  return cmocka_run_group_tests_name("soup", tests, set_up, NULL);
}
