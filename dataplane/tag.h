/* The tag of a datagram: 8 bytes behind the last block that only the two ends of a session can make.

       | MoldUDP64 header | len | block | ... | tag (u64 little-endian) |      tag = SipHash-2-4(key, everything before it); not counted in any length or count

   A client asks for it with Establish.Flags bit 3. From the EstablishAck on every datagram to and from that binding carries one: requests, heartbeats and
   re-requests of the client; acks, messages, heartbeats and answers of ours. The EstablishReject does not, for nothing is agreed. A datagram without its tag, or
   with a wrong one, is dropped and counted before anything of it is believed: it neither ends a session nor keeps one alive.

   The key is the first 16 bytes of HMAC-SHA256(secret, "wcx-tag" + UUID little-endian): made by the auth worker, who has the secret (control/auth.h), carried here in
   the verdict, and gone with the binding.

   Owner:     the loop.
   Memory:    the key stands in the binding; its peer points at it.
   Pinned by: tests/unit/test_tag.c, tests/unit/test_loop_tag.c. */
#ifndef WCX_DATAPLANE_TAG_H
#define WCX_DATAPLANE_TAG_H

#include "engine/base/siphash.h"

#include <stdbool.h>

#define WCX_TAG_SZ 8u

typedef struct wcx_tag_key
{
  uint8_t bytes[WCX_SIPHASH_KEY_SZ];
} wcx_tag_key_t;

/* Append the tag of payload[0, len). Returns the new length. The caller checked the room. */
static inline uint32_t wcx_tag_append(const wcx_tag_key_t *key, uint8_t *payload, uint32_t len)
{
  uint64_t tag = wcx_siphash(key->bytes, payload, len);
  memcpy(payload + len, &tag, WCX_TAG_SZ);
  return len + WCX_TAG_SZ;
}

/* Whether payload[0, len) ends with its tag. */
static inline bool wcx_tag_fits(const wcx_tag_key_t *key, const uint8_t *payload, uint32_t len)
{
  if (len < WCX_TAG_SZ)
    return false;
  uint64_t tag;
  memcpy(&tag, payload + len - WCX_TAG_SZ, WCX_TAG_SZ);
  return tag == wcx_siphash(key->bytes, payload, len - WCX_TAG_SZ); /* one compare of a word: its time tells nothing */
}

#endif
