/* The judge of sign-ons: takes Establish requests from the auth ring of each shard, checks the signature, answers with a verdict.

   Signature: HMAC-SHA256 with the secret of the access key over the 112-byte block with the signature zeroed, then the transport byte, then the server port
              (uint16 LE). Compared in constant time; an unknown key costs the same work as a known one and gets the same answer.
   Key:       must be one of the (at most two) keys of the very session the request names.
   Owner:     the one thread of wcx-auth.
   Memory:    set up by wcx_auth_new, freed by wcx_auth_free; the secrets stay the caller's and must outlive it.
   Bounds:    a step takes at most WCX_AUTH_BURST_MAX requests of each shard, and none while a shard has no room for verdicts.
   Pinned by: tests/unit/test_auth.c. */
#ifndef WCX_CONTROL_AUTH_H
#define WCX_CONTROL_AUTH_H

#include "control/secrets.h"
#include "engine/shm/region.h"

#define WCX_AUTH_BURST_MAX 32u

typedef struct wcx_auth wcx_auth_t;

/* NULL and err when a key of the parameters has no secret. */
wcx_auth_t *wcx_auth_new(wcx_region_t *region, const wcx_secrets_t *secrets, char *err, size_t err_sz);
void wcx_auth_free(wcx_auth_t *auth);

/* Judge what is at hand. Returns the number of verdicts given. now_ns (monotonic): requests older than WCX_AUTH_VERDICT_NS_MAX are dropped unanswered,
   the data plane would drop their verdicts. */
uint32_t wcx_auth_step(wcx_auth_t *auth, uint64_t now_ns);

/* Judge one request in place: verdict, key_slot, mold_session and tag_key are filled in. */
void wcx_auth_judge(wcx_auth_t *auth, wcx_auth_slot_t *slot);

#endif
