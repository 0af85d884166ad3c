/* SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012): 64 bits of proof that who made the bytes knew the key.

   Per 8 bytes of message, little-endian: v3 ^= m, 2 rounds, v0 ^= m. The last word has what is left over and the length mod 256 in its top byte. Then
   v2 ^= 0xff, 4 rounds, and the answer is v0 ^ v1 ^ v2 ^ v3.

   Owner:     the caller; no state.
   Units:     the key is 16 bytes, the result a number whose bytes go on the wire little-endian.
   Calls:     no system call, no allocation; its time depends on the length alone.
   Pinned by: tests/unit/test_tag.c (the 64 published vectors). */
#ifndef WCX_BASE_SIPHASH_H
#define WCX_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WCX_SIPHASH_KEY_SZ 16u

typedef struct wcx_siphash_state
{
  uint64_t v0, v1, v2, v3;
} wcx_siphash_state_t;

static inline uint64_t wcx_siphash_rotl(uint64_t x, unsigned by)
{
  return x << by | x >> (64u - by);
}

static inline void wcx_siphash_rounds(wcx_siphash_state_t *s, unsigned cnt)
{
  for (; cnt > 0; cnt--)
  {
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = wcx_siphash_rotl(s->v1, 13) ^ s->v0;
    s->v3 = wcx_siphash_rotl(s->v3, 16) ^ s->v2;
    s->v0 = wcx_siphash_rotl(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = wcx_siphash_rotl(s->v1, 17) ^ s->v2;
    s->v3 = wcx_siphash_rotl(s->v3, 21) ^ s->v0;
    s->v2 = wcx_siphash_rotl(s->v2, 32);
  }
}

static inline uint64_t wcx_siphash(const uint8_t key[WCX_SIPHASH_KEY_SZ], const void *message, size_t sz)
{
  uint64_t k0, k1, m;
  memcpy(&k0, key, 8);
  memcpy(&k1, key + 8, 8);
  wcx_siphash_state_t s = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d), k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
  const uint8_t *at = message;
  for (size_t left = sz / 8; left > 0; left--, at += 8)
  {
    memcpy(&m, at, 8);
    s.v3 ^= m;
    wcx_siphash_rounds(&s, 2);
    s.v0 ^= m;
  }
  m = 0;
  memcpy(&m, at, sz % 8);
  m |= (uint64_t)sz << 56;
  s.v3 ^= m;
  wcx_siphash_rounds(&s, 2);
  s.v0 ^= m;
  s.v2 ^= 0xff;
  wcx_siphash_rounds(&s, 4);
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

#endif
