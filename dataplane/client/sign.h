/* What a client proves with its secret. The signature of an Establish: HMAC-SHA256 over its 112-byte block with the signature zeroed, the transport (1 TCP, 2 UDP) and the server's port.

   Owner:     the caller; no state. The only file of the client library that needs OpenSSL is sign.c.
   Pinned by: tests/unit/test_client_session.c. */
#ifndef WCX_CLIENT_SIGN_H
#define WCX_CLIENT_SIGN_H

#include "engine/sbe.h"

enum wcx_client_transport_kind
{
  WCX_CLIENT_TCP = 1,
  WCX_CLIENT_UDP = 2,
};

/* Fill establish->hmac_signature. `secret` ends with NUL. */
void wcx_client_sign(wcx_establish_t *establish, const char *secret, uint8_t transport, uint16_t server_port);

/* The key of the datagram tags of that sign-on: the first 16 bytes of HMAC-SHA256(secret, "wcx-tag" and the UUID). */
void wcx_client_tag_key(uint8_t key[16], const char *secret, uint64_t uuid);

#endif
