/* SoupBinTCP 3.0 packets, both directions: a 2-byte length, a type, a payload. The length counts type and payload.

       0     2      3
       | len | type | payload ...      (len big-endian)

   Client: L login, U request, R heartbeat, O logout, + debug. Server: A login accepted, J login rejected, S sequenced message, H heartbeat, Z end of session.
   Numbers are not on the wire: the first S after A carries the number that A says, each further one the next.

   Owner:     the caller; no state.
   Bounds:    WCX_SOUP_SZ_MAX bytes a packet, length field included; longer ones are malformed.
   Pinned by: tests/unit/test_soup.c. */
#ifndef WCX_DATAPLANE_SOUP_H
#define WCX_DATAPLANE_SOUP_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WCX_SOUP_HEADER_SZ 3u
#define WCX_SOUP_SZ_MAX 1536u
#define WCX_SOUP_LOGIN_SZ 46u          /* payload of L: user 6, password 10, session 10, number 20 */
#define WCX_SOUP_LOGIN_ACCEPTED_SZ 30u /* payload of A: session 10, number 20 */
#define WCX_SOUP_SESSION_SZ 10u
#define WCX_SOUP_NOT_AUTHORIZED 'A'
#define WCX_SOUP_NO_SESSION 'S'

typedef struct wcx_soup_packet
{
  const uint8_t *payload;
  uint16_t payload_sz;
  char type;
  uint8_t pad[5];
} wcx_soup_packet_t;

typedef struct wcx_soup_login
{
  char user[6];      /* padded with spaces */
  char password[10]; /* the same */
  char session[WCX_SOUP_SESSION_SZ];
  uint8_t pad[6];
  uint64_t number; /* of the first message wanted; 0: from now */
} wcx_soup_login_t;

/* Bytes the first packet of `data` takes; 0 while it is not whole, UINT32_MAX when its length is wrong. */
static inline uint32_t wcx_soup_next(const uint8_t *data, uint32_t len, wcx_soup_packet_t *packet)
{
  if (len < 2)
    return 0;
  uint32_t sz = (uint32_t)data[0] << 8 | data[1];
  if (sz < 1 || sz + 2 > WCX_SOUP_SZ_MAX)
    return UINT32_MAX;
  if (len < sz + 2)
    return 0;
  *packet = (wcx_soup_packet_t){.payload = data + WCX_SOUP_HEADER_SZ, .payload_sz = (uint16_t)(sz - 1), .type = (char)data[2]};
  return sz + 2;
}

/* Write a packet's header; the payload follows. Returns WCX_SOUP_HEADER_SZ. */
static inline uint32_t wcx_soup_begin(uint8_t *to, char type, uint16_t payload_sz)
{
  uint32_t sz = payload_sz + 1u;
  to[0] = (uint8_t)(sz >> 8);
  to[1] = (uint8_t)sz;
  to[2] = (uint8_t)type;
  return WCX_SOUP_HEADER_SZ;
}

/* Read L. False: not one, or its number is none (digits, padded with spaces on either side; blank is 0). */
bool wcx_soup_login_parse(const wcx_soup_packet_t *packet, wcx_soup_login_t *login);

/* Write A, header included. Returns its bytes. */
uint32_t wcx_soup_login_accepted(uint8_t *to, const char session[WCX_SOUP_SESSION_SZ], uint64_t number);

/* The session string of a SessionID: S and nine digits. */
void wcx_soup_session(char session[WCX_SOUP_SESSION_SZ], uint32_t session_id);

/* The SessionID of a user name mm<n>, or 0. A user name has 6 characters, so a session above 9999 has none and signs on over UDP only. */
uint32_t wcx_soup_user(const char user[6]);

#endif
