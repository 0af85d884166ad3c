#include "dataplane/soup.h"

#define NUMBER_SZ 20u
#define SESSION_ID_MAX 999999999u

/* Digits between spaces. False: anything else, or more than an uint64. */
static bool parse_number(const uint8_t *at, uint64_t *number)
{
  uint32_t i = 0;
  uint32_t end = NUMBER_SZ;
  while (i < end && at[i] == ' ')
    i++;
  while (end > i && at[end - 1] == ' ')
    end--;
  *number = 0;
  for (; i < end; i++)
  {
    uint64_t digit = (uint64_t)at[i] - '0'; /* anything else becomes a large number */
    if (digit > 9 || *number > (UINT64_MAX - digit) / 10)
      return false;
    *number = *number * 10 + digit;
  }
  return true;
}

bool wcx_soup_login_parse(const wcx_soup_packet_t *packet, wcx_soup_login_t *login)
{
  if (packet->type != 'L' || packet->payload_sz != WCX_SOUP_LOGIN_SZ)
    return false;
  memset(login, 0, sizeof(*login));
  memcpy(login->user, packet->payload, sizeof(login->user));
  memcpy(login->password, packet->payload + 6, sizeof(login->password));
  memcpy(login->session, packet->payload + 16, sizeof(login->session));
  return parse_number(packet->payload + 26, &login->number);
}

uint32_t wcx_soup_login_accepted(uint8_t *to, const char session[WCX_SOUP_SESSION_SZ], uint64_t number)
{
  uint8_t *payload = to + wcx_soup_begin(to, 'A', WCX_SOUP_LOGIN_ACCEPTED_SZ);
  memcpy(payload, session, WCX_SOUP_SESSION_SZ);
  for (uint32_t i = NUMBER_SZ; i-- > 0; number /= 10)
    payload[WCX_SOUP_SESSION_SZ + i] = number != 0 || i == NUMBER_SZ - 1 ? (uint8_t)('0' + number % 10) : ' ';
  return WCX_SOUP_HEADER_SZ + WCX_SOUP_LOGIN_ACCEPTED_SZ;
}

void wcx_soup_session(char session[WCX_SOUP_SESSION_SZ], uint32_t session_id)
{
  session[0] = 'S';
  for (uint32_t i = WCX_SOUP_SESSION_SZ; i-- > 1; session_id /= 10)
    session[i] = (char)('0' + session_id % 10);
}

uint32_t wcx_soup_user(const char user[6])
{
  if (user[0] != 'm' || user[1] != 'm' || user[2] < '1' || user[2] > '9')
    return 0;
  uint32_t session_id = 0;
  uint32_t i = 2;
  for (; i < 6 && user[i] >= '0' && user[i] <= '9'; i++)
    session_id = session_id * 10 + (uint32_t)(user[i] - '0');
  for (; i < 6; i++)
    if (user[i] != ' ')
      return 0;
  return session_id <= SESSION_ID_MAX ? session_id : 0;
}
