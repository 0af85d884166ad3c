/* SoupBinTCP: a stream is the same packets however it is cut; a login is read as it was meant; what the venue writes can be read back.

   Input: one byte, how many bytes of the stream arrive at a time (0: all at once), then the stream. */
#include "dataplane/soup.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

/* Packets of a stream, one after the other, as a digest of where they lie and what they are. */
typedef struct reading
{
  uint64_t digest;
  uint32_t cnt;
  uint32_t at; /* bytes taken */
  bool broken;
} reading_t;

/* Takes the packets that are whole in the first `len` bytes. */
static void read_on(reading_t *reading, const uint8_t *stream, uint32_t len)
{
  while (!reading->broken)
  {
    wcx_soup_packet_t packet = {0};
    uint32_t sz = wcx_soup_next(stream + reading->at, len - reading->at, &packet);
    if (sz == 0)
      return;
    if (sz == UINT32_MAX)
    {
      reading->broken = true;
      return;
    }
    WCX_CHECK(sz >= WCX_SOUP_HEADER_SZ && sz <= WCX_SOUP_SZ_MAX && sz <= len - reading->at, "a packet of %u bytes at %u of %u", sz, reading->at, len);
    WCX_CHECK(packet.payload == stream + reading->at + 3 && packet.payload_sz == sz - 3 && packet.type == (char)stream[reading->at + 2], "a payload of %u bytes in a packet of %u",
              packet.payload_sz, sz);
    reading->at += sz;
    reading->cnt++;
    reading->digest = (reading->digest ^ reading->at ^ (uint64_t)(uint8_t)packet.type << 32) * 0x100000001b3u;
  }
}

static void check_login(const uint8_t *stream, const reading_t *whole)
{
  reading_t reading = {0};
  for (uint32_t i = 0; i < whole->cnt; i++)
  {
    wcx_soup_packet_t packet;
    reading.at += wcx_soup_next(stream + reading.at, whole->at - reading.at, &packet);
    wcx_soup_login_t login;
    if (!wcx_soup_login_parse(&packet, &login))
      continue;
    WCX_CHECK(packet.type == 'L' && packet.payload_sz == WCX_SOUP_LOGIN_SZ, "a login of type %c and %u bytes", packet.type, packet.payload_sz);
    WCX_CHECK(memcmp(login.user, packet.payload, 6) == 0 && memcmp(login.session, packet.payload + 16, 10) == 0, "user or session of a login");
    char digits[21] = {0};
    memcpy(digits, packet.payload + 26, 20);
    WCX_CHECK(login.number == strtoull(digits, NULL, 10), "number %llu of '%s'", (unsigned long long)login.number, digits);
    uint32_t user = wcx_soup_user(login.user);
    WCX_CHECK(user <= 9999, "user %u of six characters", user);
  }
}

/* The answer to a login with these numbers, read as a client reads it. */
static void check_accepted(uint32_t session_id, uint64_t number)
{
  char session[WCX_SOUP_SESSION_SZ];
  uint8_t packet[3 + WCX_SOUP_LOGIN_ACCEPTED_SZ];
  wcx_soup_session(session, session_id % 1000000000u);
  uint32_t sz = wcx_soup_login_accepted(packet, session, number);
  wcx_soup_packet_t read;
  WCX_CHECK(sz == sizeof(packet) && wcx_soup_next(packet, sz, &read) == sz && read.type == 'A', "an answer of %u bytes", sz);
  char digits[21] = {0};
  memcpy(digits, read.payload + 10, 20);
  WCX_CHECK(strtoull(digits, NULL, 10) == number && read.payload[0] == 'S', "number %llu is written '%s'", (unsigned long long)number, digits);
  memset(digits, 0, sizeof(digits));
  memcpy(digits, read.payload + 1, 9);
  WCX_CHECK(strtoull(digits, NULL, 10) == session_id % 1000000000u, "session %u is written '%s'", session_id, digits);
}

void wcx_fuzz_one(const uint8_t *data, size_t sz)
{
  if (sz == 0)
    return;
  const uint8_t *stream = data + 1;
  uint32_t len = (uint32_t)sz - 1;
  uint32_t step = data[0] != 0 ? data[0] : len + 1;
  reading_t whole = {0};
  reading_t parts = {0};
  read_on(&whole, stream, len);
  for (uint32_t have = 0; have < len;)
  {
    have = len - have > step ? have + step : len;
    read_on(&parts, stream, have);
  }
  WCX_CHECK(whole.cnt == parts.cnt && whole.digest == parts.digest && whole.broken == parts.broken, "%u packets at once, %u in parts of %u", whole.cnt, parts.cnt, step);
  check_login(stream, &whole);
  if (len >= 12)
  {
    uint32_t session_id;
    uint64_t number;
    memcpy(&session_id, stream, 4);
    memcpy(&number, stream + 4, 8);
    check_accepted(session_id, number);
  }
}
