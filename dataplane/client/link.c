#include "dataplane/client/link.h"

#include "engine/base/check.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MS_NS UINT64_C(1000000)
#define NO_SESSION "          "
#define HEARTBEAT_NS (1000 * MS_NS)
#define SILENCE_NS (5000 * MS_NS) /* five heartbeats of the server */
#define LOGIN_NS (5000 * MS_NS)   /* the server waits no longer for its part, either */

enum packet_type
{
  DEBUG = '+',
  LOGIN_ACCEPTED = 'A',
  LOGIN_REJECTED = 'J',
  SEQUENCED = 'S',
  SERVER_HEARTBEAT = 'H',
  END_OF_SESSION = 'Z',
  LOGIN_REQUEST = 'L',
  UNSEQUENCED = 'U',
  CLIENT_HEARTBEAT = 'R',
};

static void pad(char *field, size_t width, const char *text)
{
  memset(field, ' ', width);
  memcpy(field, text, strnlen(text, width));
}

void wcx_client_link_init(wcx_client_link_t *link, uint32_t session_id, const char *user, const char *password, uint32_t keep_alive_ms)
{
  memset(link, 0, sizeof(*link));
  link->state = WCX_CLIENT_LINK_DOWN;
  pad(link->user, sizeof(link->user), user);
  pad(link->password, sizeof(link->password), password);
  link->heartbeat_ns = keep_alive_ms / 2 * MS_NS < HEARTBEAT_NS ? keep_alive_ms / 2 * MS_NS : HEARTBEAT_NS;
  char session[16] = NO_SESSION;
  if (session_id != 0)
    snprintf(session, sizeof(session), "S%09u", session_id);
  memcpy(link->session, session, sizeof(link->session));
  link->any_stream = session_id == 0;
}

static void become(wcx_client_link_t *link, uint64_t now_ns, enum wcx_client_link_state state)
{
  link->state = state;
  link->since_ns = now_ns;
}

/* Room for a packet of `sz` payload bytes behind what waits; NULL when there is none. */
static uint8_t *queue(wcx_client_link_t *link, enum packet_type type, size_t sz)
{
  size_t whole = 3 + sz;
  if (link->out_end - link->out_begin + whole > sizeof(link->out))
    return NULL;
  if (link->out_end + whole > sizeof(link->out))
  {
    memmove(link->out, link->out + link->out_begin, link->out_end - link->out_begin);
    link->out_end -= link->out_begin;
    link->out_begin = 0;
  }
  uint8_t *packet = link->out + link->out_end;
  packet[0] = (uint8_t)((sz + 1) >> 8);
  packet[1] = (uint8_t)(sz + 1);
  packet[2] = (uint8_t)type;
  link->out_end += (uint32_t)whole;
  return packet + 3;
}

void wcx_client_link_dial(wcx_client_link_t *link, uint64_t now_ns, uint64_t number)
{
  link->in_sz = 0;
  link->in_taken = false;
  link->out_begin = link->out_end = 0;
  link->number = number;
  become(link, now_ns, WCX_CLIENT_LINK_CONNECTING);
}

void wcx_client_link_up(wcx_client_link_t *link, uint64_t now_ns)
{
  char number[21];
  snprintf(number, sizeof(number), "%20llu", (unsigned long long)link->number);
  uint8_t *login = queue(link, LOGIN_REQUEST, 46);
  WCX_CHECK(login != NULL && link->state == WCX_CLIENT_LINK_CONNECTING, "a link came up in state %d", (int)link->state);
  memcpy(login, link->user, 6);
  memcpy(login + 6, link->password, 10);
  memcpy(login + 16, link->session, 10);
  memcpy(login + 26, number, 20);
  link->last_rx_ns = link->last_tx_ns = now_ns;
  become(link, now_ns, WCX_CLIENT_LINK_LOGIN);
}

void wcx_client_link_down(wcx_client_link_t *link, uint64_t now_ns)
{
  link->in_sz = 0;
  link->out_begin = link->out_end = 0;
  become(link, now_ns, WCX_CLIENT_LINK_DOWN);
}

static enum wcx_client_link_event broken(wcx_client_link_t *link, uint64_t now_ns)
{
  wcx_client_link_down(link, now_ns);
  return WCX_CLIENT_LINK_BROKEN;
}

/* The server's stream is over; it has another one, or will have. */
static enum wcx_client_link_event ended(wcx_client_link_t *link, uint64_t now_ns)
{
  bool named = memcmp(link->session, NO_SESSION, sizeof(link->session)) != 0;
  if (!link->any_stream || !named)
    return broken(link, now_ns);
  memcpy(link->session, NO_SESSION, sizeof(link->session));
  wcx_client_link_down(link, now_ns);
  return WCX_CLIENT_LINK_ENDED;
}

/* A number of 20 characters, padded with spaces on the left. False when it is none, or 0. */
static bool read_number(const uint8_t *field, uint64_t *number)
{
  uint32_t i = 0;
  *number = 0;
  while (i < 20 && field[i] == ' ')
    i++;
  for (; i < 20; i++)
    if (!isdigit(field[i]) || __builtin_mul_overflow(*number, UINT64_C(10), number) || __builtin_add_overflow(*number, (uint64_t)(field[i] - '0'), number))
      return false;
  return *number != 0;
}

/* Whether Login Accepted names the stream that was asked for; the first name given to a link without one stays. */
static bool is_ours(wcx_client_link_t *link, const uint8_t *session)
{
  if (memcmp(link->session, NO_SESSION, sizeof(link->session)) == 0)
    memcpy(link->session, session, sizeof(link->session));
  return memcmp(link->session, session, sizeof(link->session)) == 0;
}

static enum wcx_client_link_event on_packet(wcx_client_link_t *link, uint64_t now_ns, const uint8_t **message, size_t *sz)
{
  const uint8_t *payload = link->in + 3;
  size_t payload_sz = link->in_sz - 3;
  link->last_rx_ns = now_ns;
  switch (link->in[2])
  {
  case SERVER_HEARTBEAT:
  case DEBUG:
    return WCX_CLIENT_LINK_NOTHING;
  case LOGIN_ACCEPTED:
    if (link->state != WCX_CLIENT_LINK_LOGIN || payload_sz != 30 || !read_number(payload + 10, &link->number) || !is_ours(link, payload))
      return broken(link, now_ns);
    become(link, now_ns, WCX_CLIENT_LINK_OPEN);
    return WCX_CLIENT_LINK_ACCEPTED;
  case SEQUENCED:
    if (link->state != WCX_CLIENT_LINK_OPEN)
      return broken(link, now_ns);
    *message = payload;
    *sz = payload_sz;
    return WCX_CLIENT_LINK_MESSAGE;
  case LOGIN_REJECTED:
    link->reject_code = payload_sz != 0 ? (char)payload[0] : '?';
    return link->reject_code == 'S' && link->state == WCX_CLIENT_LINK_LOGIN ? ended(link, now_ns) : broken(link, now_ns); /* it ended while nobody listened */
  case END_OF_SESSION:
    return link->state == WCX_CLIENT_LINK_OPEN ? ended(link, now_ns) : broken(link, now_ns);
  default:
    return broken(link, now_ns);
  }
}

enum wcx_client_link_event wcx_client_link_take(wcx_client_link_t *link, uint64_t now_ns, const uint8_t **at, const uint8_t *end, const uint8_t **message, size_t *sz)
{
  if (link->state != WCX_CLIENT_LINK_LOGIN && link->state != WCX_CLIENT_LINK_OPEN)
  {
    *at = end; /* of a link that is no more */
    return WCX_CLIENT_LINK_NOTHING;
  }
  if (link->in_taken)
    link->in_sz = 0;
  link->in_taken = false;
  while (*at != end)
  {
    size_t want = 2;
    if (link->in_sz >= 2)
      want += (size_t)(link->in[0] << 8 | link->in[1]);
    size_t part = want - link->in_sz;
    if (part > (size_t)(end - *at))
      part = (size_t)(end - *at);
    memcpy(link->in + link->in_sz, *at, part);
    link->in_sz += (uint32_t)part;
    *at += part;
    if (link->in_sz == 2)
    {
      size_t len = (size_t)(link->in[0] << 8 | link->in[1]);
      if (len == 0 || len > 1 + WCX_CLIENT_LINK_MESSAGE_MAX)
        return broken(link, now_ns);
      continue;
    }
    if (link->in_sz < want || want == 2)
      continue;
    enum wcx_client_link_event event = on_packet(link, now_ns, message, sz);
    link->in_taken = event != WCX_CLIENT_LINK_NOTHING;
    if (event != WCX_CLIENT_LINK_NOTHING)
      return event;
    link->in_sz = 0;
  }
  return WCX_CLIENT_LINK_NOTHING;
}

bool wcx_client_link_send(wcx_client_link_t *link, const void *message, size_t sz)
{
  if (link->state != WCX_CLIENT_LINK_OPEN)
    return false;
  uint8_t *payload = queue(link, UNSEQUENCED, sz);
  if (payload == NULL)
    return false;
  memcpy(payload, message, sz);
  return true;
}

bool wcx_client_link_step(wcx_client_link_t *link, uint64_t now_ns)
{
  bool opening = link->state == WCX_CLIENT_LINK_CONNECTING || link->state == WCX_CLIENT_LINK_LOGIN;
  if ((opening && now_ns - link->since_ns > LOGIN_NS) || (link->state == WCX_CLIENT_LINK_OPEN && now_ns > link->last_rx_ns && now_ns - link->last_rx_ns > SILENCE_NS))
  {
    wcx_client_link_down(link, now_ns);
    return false;
  }
  if (link->state == WCX_CLIENT_LINK_OPEN && link->out_begin == link->out_end && now_ns - link->last_tx_ns >= link->heartbeat_ns)
    (void)queue(link, CLIENT_HEARTBEAT, 0);
  return true;
}

const uint8_t *wcx_client_link_out(const wcx_client_link_t *link, size_t *sz)
{
  *sz = link->out_end - link->out_begin;
  return link->out + link->out_begin;
}

void wcx_client_link_written(wcx_client_link_t *link, uint64_t now_ns, size_t sz)
{
  WCX_CHECK(sz <= link->out_end - link->out_begin, "%zu bytes written of %u", sz, link->out_end - link->out_begin);
  link->out_begin += (uint32_t)sz;
  if (sz != 0)
    link->last_tx_ns = now_ns;
  if (link->out_begin == link->out_end)
    link->out_begin = link->out_end = 0;
}
