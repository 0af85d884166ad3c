#include "dataplane/client/sign.h"

#include "engine/base/check.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

void wcx_client_sign(wcx_establish_t *establish, const char *secret, uint8_t transport, uint16_t server_port)
{
  uint8_t text[sizeof(*establish) + 3];
  memset(establish->hmac_signature, 0, sizeof(establish->hmac_signature));
  memcpy(text, establish, sizeof(*establish));
  text[sizeof(*establish)] = transport;
  memcpy(text + sizeof(*establish) + 1, &server_port, 2);
  unsigned len = sizeof(establish->hmac_signature);
  if (HMAC(EVP_sha256(), secret, (int)strlen(secret), text, sizeof(text), establish->hmac_signature, &len) == NULL)
    WCX_DIE("HMAC-SHA256 is not available in this OpenSSL");
}
