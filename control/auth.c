#include "control/auth.h"

#include "engine/base/check.h"
#include "engine/base/env.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#define FLAG_TAG 0x8u /* Establish.Flags: every datagram carries a tag */

typedef struct auth_session
{
  uint32_t session_id;
  uint32_t key_cnt;
  const wcx_secret_t *keys[2];
} auth_session_t;

struct wcx_auth
{
  wcx_region_t *region;
  uint32_t session_cnt;
  auth_session_t sessions[WCX_PARAMS_SESSIONS_MAX];
  wcx_secret_t nobody; /* random: what an unknown key is checked against */
};

wcx_auth_t *wcx_auth_new(wcx_region_t *region, const wcx_secrets_t *secrets, char *err, size_t err_sz)
{
  const wcx_params_t *params = &region->params;
  wcx_auth_t *auth = calloc(1, sizeof(*auth));
  if (auth == NULL)
  {
    snprintf(err, err_sz, "no memory for the sessions");
    return NULL;
  }
  auth->region = region;
  auth->nobody.sz = 32;
  wcx_env_random(auth->nobody.bytes, auth->nobody.sz);
  for (uint32_t i = 0; i < params->session_cnt; i++)
  {
    const wcx_params_session_t *from = &params->sessions[i];
    auth_session_t *to = &auth->sessions[auth->session_cnt++];
    to->session_id = from->session_id;
    for (uint32_t k = 0; k < from->key_cnt && k < 2; k++)
    {
      to->keys[to->key_cnt] = wcx_secrets_find(secrets, from->access_key_id[k]);
      if (to->keys[to->key_cnt++] != NULL)
        continue;
      snprintf(err, err_sz, "session %u: its access key '%.20s' has no secret: add a line to the secrets file", from->session_id, from->access_key_id[k]);
      free(auth);
      return NULL;
    }
  }
  return auth;
}

void wcx_auth_free(wcx_auth_t *auth)
{
  free(auth);
}

static void sign(const wcx_secret_t *secret, const wcx_auth_slot_t *slot, uint8_t signature[32])
{
  uint8_t text[sizeof(wcx_establish_t) + 3];
  memcpy(text, &slot->establish, sizeof(wcx_establish_t));
  memset(text + offsetof(wcx_establish_t, hmac_signature), 0, 32);
  text[sizeof(wcx_establish_t)] = slot->transport;
  text[sizeof(wcx_establish_t) + 1] = (uint8_t)slot->server_port;
  text[sizeof(wcx_establish_t) + 2] = (uint8_t)(slot->server_port >> 8);
  unsigned sz = 0;
  const uint8_t *done = HMAC(EVP_sha256(), secret->bytes, (int)secret->sz, text, sizeof(text), signature, &sz);
  WCX_CHECK(done != NULL && sz == 32, "HMAC-SHA256 gave %u bytes", sz);
}

/* The key of this sign-on's datagram tags (dataplane/tag.h): new with every UUID, tells nothing about the secret. */
static void derive_tag_key(const wcx_secret_t *secret, const wcx_auth_slot_t *slot, uint8_t tag_key[16])
{
  uint8_t text[7 + sizeof(slot->establish.uuid)] = "wcx-tag";
  memcpy(text + 7, &slot->establish.uuid, sizeof(slot->establish.uuid));
  uint8_t whole[32];
  unsigned sz = 0;
  const uint8_t *done = HMAC(EVP_sha256(), secret->bytes, (int)secret->sz, text, sizeof(text), whole, &sz);
  WCX_CHECK(done != NULL && sz == 32, "HMAC-SHA256 gave %u bytes", sz);
  memcpy(tag_key, whole, 16);
  OPENSSL_cleanse(whole, sizeof(whole));
}

/* 10 characters that nobody can guess, uniform: bytes of 248 and above are thrown again. */
static void draw_mold_session(char mold_session[10])
{
  static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (uint32_t at = 0; at < 10;)
  {
    uint8_t bytes[16];
    wcx_env_random(bytes, sizeof(bytes));
    for (uint32_t i = 0; i < sizeof(bytes) && at < 10; i++)
      if (bytes[i] < 248)
        mold_session[at++] = digits[bytes[i] % 62];
  }
}

void wcx_auth_judge(wcx_auth_t *auth, wcx_auth_slot_t *slot)
{
  const wcx_secret_t *secret = NULL;
  slot->key_slot = 0;
  for (uint32_t i = 0; i < auth->session_cnt; i++)
  {
    const auth_session_t *session = &auth->sessions[i];
    if (session->session_id != slot->establish.session_id)
      continue;
    for (uint32_t k = 0; k < session->key_cnt; k++)
      if (memcmp(session->keys[k]->access_key_id, slot->establish.access_key_id, 20) == 0)
      {
        secret = session->keys[k];
        slot->key_slot = (uint8_t)k;
      }
  }
  uint8_t signature[32];
  sign(secret != NULL ? secret : &auth->nobody, slot, signature);
  bool equal = CRYPTO_memcmp(signature, slot->establish.hmac_signature, sizeof(signature)) == 0;
  bool valid = equal && secret != NULL && slot->establish.hmac_version == 1;
  slot->verdict = valid ? WCX_AUTH_VALID : WCX_AUTH_BAD_CREDENTIALS;
  memset(slot->mold_session, 0, sizeof(slot->mold_session));
  memset(slot->tag_key, 0, sizeof(slot->tag_key));
  if (valid)
    draw_mold_session(slot->mold_session);
  if (valid && (slot->establish.flags & FLAG_TAG) != 0)
    derive_tag_key(secret, slot, slot->tag_key);
}

static uint32_t verdict_room(const wcx_auth_half_t *half)
{
  uint64_t head = atomic_load_explicit(&half->head, memory_order_relaxed);
  uint64_t tail = atomic_load_explicit(&half->tail, memory_order_acquire); /* pairs with the release in wcx_auth_pop */
  return WCX_AUTH_RING_MAX - (uint32_t)(head - tail);
}

uint32_t wcx_auth_step(wcx_auth_t *auth, uint64_t now_ns)
{
  uint32_t given = 0;
  for (uint32_t i = 0; i < auth->region->shard_cnt; i++)
  {
    wcx_auth_ring_t *ring = &wcx_region_shard(auth->region, i)->auth;
    wcx_auth_slot_t slot;
    for (uint32_t n = 0; n < WCX_AUTH_BURST_MAX && verdict_room(&ring->auth_dataplane) > 0 && wcx_auth_pop(&ring->dataplane_auth, &slot); n++)
    {
      if (now_ns > slot.asked_ns && now_ns - slot.asked_ns > WCX_AUTH_VERDICT_NS_MAX)
        continue;
      wcx_auth_judge(auth, &slot);
      bool pushed = wcx_auth_push(&ring->auth_dataplane, &slot);
      OPENSSL_cleanse(slot.tag_key, sizeof(slot.tag_key));
      WCX_CHECK(pushed, "shard index %u: no room for a verdict that there was room for", i);
      given++;
    }
  }
  return given;
}
