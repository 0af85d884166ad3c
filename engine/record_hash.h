/* Hashes of fixed records for the state digest: the digest of the state is the sum (mod 2^64, both words) of the hashes of its records, so that a changed
   record costs two hashes and the order of records does not matter.

   The words of a record are mixed together non-linearly before they enter the sum: no exchange of parts between two records goes unseen.
   Not against an attacker: clients never see a digest.

   Owner:      none, pure functions.
   Result:     depends on the words alone.
   Pinned by:  tests/unit/test_engine_digest.c. */
#ifndef WCX_ENGINE_RECORD_HASH_H
#define WCX_ENGINE_RECORD_HASH_H

#include "engine/base/digest.h"

#include <immintrin.h>

static inline void wcx_digest_add(wcx_digest_t *sum, wcx_digest_t hash)
{
  sum->lo += hash.lo;
  sum->hi += hash.hi;
}

static inline void wcx_digest_sub(wcx_digest_t *sum, wcx_digest_t hash)
{
  sum->lo -= hash.lo;
  sum->hi -= hash.hi;
}

/* Of four 16-byte blocks: five AES rounds, the first two side by side, so that each bit of input reaches every bit of the hash. */
static inline wcx_digest_t wcx_blocks4_hash(__m128i b0, __m128i b1, __m128i b2, __m128i b3)
{
  const __m128i k0 = _mm_set_epi64x((long long)WCX_DIGEST_K0, (long long)WCX_DIGEST_K1);
  const __m128i k1 = _mm_set_epi64x((long long)WCX_DIGEST_K2, (long long)WCX_DIGEST_K3);
  __m128i x = _mm_aesenc_si128(_mm_xor_si128(b0, k0), b1);
  __m128i y = _mm_aesenc_si128(_mm_xor_si128(b2, k1), b3);
  x = _mm_aesenc_si128(_mm_aesenc_si128(_mm_aesenc_si128(x, k1), y), k0);
  x = _mm_aesenc_si128(x, k1);
  wcx_digest_t hash;
  _mm_storeu_si128((__m128i *)(void *)&hash, x);
  return hash;
}

/* Of eight words. */
static inline wcx_digest_t wcx_words8_hash(const uint64_t word[8])
{
  const __m128i *block = (const __m128i *)(const void *)word;
  return wcx_blocks4_hash(_mm_loadu_si128(block), _mm_loadu_si128(block + 1), _mm_loadu_si128(block + 2), _mm_loadu_si128(block + 3));
}

/* Of two words. */
static inline wcx_digest_t wcx_pair_hash(uint64_t x, uint64_t y)
{
  wcx_digest_t hash;
  hash.lo = wcx_digest_fold(x ^ WCX_DIGEST_K2, y ^ WCX_DIGEST_K0);
  hash.hi = hash.lo * WCX_DIGEST_K1 + x;
  return hash;
}

#endif
