/* Establish at the auth worker: a verdict is VALID when, and only when, the signature is the one the rule gives for a key of the very session named.

   Input: one byte of choice, transport, server port (uint16 LE), then bytes laid over a block of zeros. Choice bit 0: AccessKeyID becomes a known one (bits 2
   and 3 say which); bit 1: the block is then signed with that key's secret; bit 4: one bit of the signed block is turned afterwards. */
#include "control/auth.h"
#include "tests/fuzz/fuzz.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define CHOICE_KEY 1u
#define CHOICE_SIGN 2u
#define CHOICE_BEND 16u
#define KEYS 4u

/* Session 1 has two keys, session 2 one; the last key belongs to no session. */
static const char *const key_ids[KEYS] = {"KEY-1A", "KEY-1B", "KEY-2", "KEY-OF-NOBODY"};
static const uint32_t key_sessions[KEYS] = {1, 1, 2, 0};

static wcx_secrets_t secrets;
static wcx_auth_t *auth;

static void set_up(void)
{
  static wcx_region_t region;
  char err[256];
  secrets.cnt = KEYS;
  for (uint32_t i = 0; i < KEYS; i++)
  {
    wcx_secret_t *secret = &secrets.secrets[i];
    memset(secret->access_key_id, ' ', sizeof(secret->access_key_id));
    memcpy(secret->access_key_id, key_ids[i], strlen(key_ids[i]));
    secret->sz = 16 + i;
    memset(secret->bytes, 'a' + (int)i, secret->sz);
  }
  region.params.session_cnt = 2;
  for (uint32_t i = 0; i < KEYS; i++)
    if (key_sessions[i] != 0)
    {
      wcx_params_session_t *session = &region.params.sessions[key_sessions[i] - 1];
      session->session_id = key_sessions[i];
      memcpy(session->access_key_id[session->key_cnt++], secrets.secrets[i].access_key_id, 20);
    }
  auth = wcx_auth_new(&region, &secrets, err, sizeof(err));
  if (auth == NULL)
    WCX_DIE("the judge cannot start: %s", err);
}

static void sign(const wcx_secret_t *secret, const wcx_auth_slot_t *slot, uint8_t signature[32])
{
  uint8_t signed_bytes[115];
  unsigned sz = 0;
  memcpy(signed_bytes, &slot->establish, 112);
  memset(signed_bytes, 0, 32); /* the signature stands first */
  signed_bytes[112] = slot->transport;
  signed_bytes[113] = (uint8_t)(slot->server_port & 0xff);
  signed_bytes[114] = (uint8_t)(slot->server_port >> 8);
  WCX_CHECK(HMAC(EVP_sha256(), secret->bytes, (int)secret->sz, signed_bytes, sizeof(signed_bytes), signature, &sz) != NULL && sz == 32, "HMAC gave %u bytes", sz);
}

static bool is_valid(const wcx_auth_slot_t *slot)
{
  for (uint32_t i = 0; i < KEYS; i++)
  {
    uint8_t signature[32];
    if (key_sessions[i] == 0 || key_sessions[i] != slot->establish.session_id || memcmp(slot->establish.access_key_id, secrets.secrets[i].access_key_id, 20) != 0)
      continue;
    sign(&secrets.secrets[i], slot, signature);
    return slot->establish.hmac_version == 1 && memcmp(signature, slot->establish.hmac_signature, 32) == 0;
  }
  return false;
}

void wcx_fuzz_one(const uint8_t *data, size_t sz)
{
  if (auth == NULL)
    set_up();
  if (sz < 4)
    return;
  wcx_auth_slot_t slot = {.transport = data[1], .nonce = 7};
  memcpy(&slot.server_port, data + 2, 2);
  memcpy(&slot.establish, data + 4, sz - 4 < sizeof(slot.establish) ? sz - 4 : sizeof(slot.establish));
  const wcx_secret_t *secret = &secrets.secrets[data[0] >> 2 & 3];
  if ((data[0] & CHOICE_KEY) != 0)
    memcpy(slot.establish.access_key_id, secret->access_key_id, 20);
  if ((data[0] & CHOICE_SIGN) != 0)
    sign(secret, &slot, slot.establish.hmac_signature);
  if ((data[0] & CHOICE_BEND) != 0)
    ((uint8_t *)&slot.establish)[data[2] % sizeof(slot.establish)] ^= (uint8_t)(1u << (data[3] & 7));
  bool valid = is_valid(&slot);
  wcx_establish_t before = slot.establish;
  wcx_auth_judge(auth, &slot);
  WCX_CHECK((slot.verdict == WCX_AUTH_VALID) == valid, "verdict %u, expected %s", slot.verdict, valid ? "VALID" : "a refusal");
  WCX_CHECK(memcmp(&before, &slot.establish, sizeof(before)) == 0 && slot.nonce == 7, "the request was changed by its judge");
  for (uint32_t i = 0; valid && i < sizeof(slot.mold_session); i++)
    WCX_CHECK(strchr("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", slot.mold_session[i]) != NULL && slot.mold_session[i] != 0, "MoldSession has byte %u",
              (uint8_t)slot.mold_session[i]);
}
