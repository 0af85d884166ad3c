#include "dataplane/client/sign.h"

#include "engine/base/check.h"

#include <openssl/crypto.h>
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

void wcx_client_tag_key(uint8_t key[16], const char *secret, uint64_t uuid)
{
  uint8_t text[7 + sizeof(uuid)] = "wcx-tag";
  uint8_t whole[32];
  unsigned sz = sizeof(whole);
  memcpy(text + 7, &uuid, sizeof(uuid));
  const uint8_t *done = HMAC(EVP_sha256(), secret, (int)strlen(secret), text, sizeof(text), whole, &sz);
  WCX_CHECK(done != NULL && sz == sizeof(whole), "HMAC-SHA256 failed");
  memcpy(key, whole, 16);
  OPENSSL_cleanse(whole, sizeof(whole));
}
