/* Establish on its way to the auth worker and back: two single-producer single-consumer rings of fixed slots.

       data plane  --request-->   dataplane_auth   -->  auth worker   (holds the secrets, checks the signature)
       data plane  <--verdict--   auth_dataplane   <--  auth worker   (never touches the network, never blocks the loop)

   The worker judges the signature and nothing else; what depends on state (UUID, live bindings) is judged by the data plane when it journals.
   Verdicts older than WCX_AUTH_VERDICT_NS_MAX are dropped. Worker gone or slow: the request ring fills, further Establish are dropped and
   counted, live sessions are unaffected.

   Owner:      `head` and slots by the producer, `tail` by the consumer, one line each; the consumer wipes a key in the slot it takes.
   Ordering:   head is stored with release after the slot is written and read with acquire before it is read; tail likewise before a slot is reused.
   Secrets:    the key of a session's datagram tags (dataplane/tag.h) is in a verdict from push to pop; the consumer wipes it before it gives the slot back.
   Restart:    a consumer that starts takes over from `tail` as it finds it; a producer from `head`. Stale requests are answered and then dropped by nonce.
   Pinned by:  tests/unit/test_shm.c. */
#ifndef WCX_SHM_AUTH_RING_H
#define WCX_SHM_AUTH_RING_H

#include "engine/base/doorbell.h"
#include "engine/sbe.h"

#include <string.h>

#define WCX_AUTH_RING_MAX 256u /* slots, a power of two */
#define WCX_AUTH_VERDICT_NS_MAX 2000000000u

enum wcx_auth_verdict
{
  WCX_AUTH_VALID = 1,
  WCX_AUTH_BAD_CREDENTIALS = 2, /* unknown key, key of another session, or wrong signature: which one is not told */
};

typedef struct wcx_auth_slot
{
  wcx_establish_t establish; /* 112 bytes as received; in a verdict as in its request */
  uint64_t nonce;            /* chosen by the data plane, comes back unchanged */
  uint64_t asked_ns;         /* monotonic, of the request */
  uint32_t peer;             /* the data plane's handle of the peer, comes back unchanged */
  uint16_t server_port;      /* signed */
  uint8_t transport;         /* signed: 1 TCP, 2 UDP */
  uint8_t verdict;           /* enum wcx_auth_verdict; 0 in a request */
  uint8_t key_slot;          /* 0 or 1: which key of the session signed */
  char mold_session[10];     /* random base-62, from the worker, when VALID */
  uint8_t tag_key[16];       /* of the datagram tags, when VALID and Establish.Flags asks for them; else 0 */
  uint8_t pad[21];
} wcx_auth_slot_t;
static_assert(sizeof(wcx_auth_slot_t) == 184, "auth slot");
static_assert(offsetof(wcx_auth_slot_t, tag_key) == 147, "auth slot");

typedef struct wcx_auth_half
{
  _Alignas(64) _Atomic uint64_t head; /* slots ever written */
  uint8_t pad0[56];
  _Alignas(64) _Atomic uint64_t tail; /* slots ever taken */
  uint8_t pad1[56];
  wcx_auth_slot_t slots[WCX_AUTH_RING_MAX];
} wcx_auth_half_t;

typedef struct wcx_auth_ring
{
  wcx_doorbell_t bell; /* the data plane wakes the worker */
  wcx_auth_half_t dataplane_auth;
  wcx_auth_half_t auth_dataplane;
} wcx_auth_ring_t;

/* Producer: false when full. */
static inline bool wcx_auth_push(wcx_auth_half_t *half, const wcx_auth_slot_t *slot)
{
  uint64_t head = atomic_load_explicit(&half->head, memory_order_relaxed);
  uint64_t tail = atomic_load_explicit(&half->tail, memory_order_acquire); /* pairs with the release in wcx_auth_pop */
  if (head - tail >= WCX_AUTH_RING_MAX)
    return false;
  half->slots[head & (WCX_AUTH_RING_MAX - 1)] = *slot;
  atomic_store_explicit(&half->head, head + 1, memory_order_release); /* pairs with the acquire in wcx_auth_pop */
  return true;
}

/* Consumer: false when empty. */
static inline bool wcx_auth_pop(wcx_auth_half_t *half, wcx_auth_slot_t *slot)
{
  uint64_t tail = atomic_load_explicit(&half->tail, memory_order_relaxed);
  uint64_t head = atomic_load_explicit(&half->head, memory_order_acquire); /* pairs with the release in wcx_auth_push */
  if (head == tail)
    return false;
  *slot = half->slots[tail & (WCX_AUTH_RING_MAX - 1)];
  memset(half->slots[tail & (WCX_AUTH_RING_MAX - 1)].tag_key, 0, sizeof(slot->tag_key));
  atomic_store_explicit(&half->tail, tail + 1, memory_order_release);
  return true;
}

#endif
