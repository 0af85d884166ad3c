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

/* Of eight words. The four products are independent of each other: short latency matters here, there are a few of these in every input. */
static inline wcx_digest_t wcx_words8_hash(const uint64_t word[8])
{
  uint64_t a = wcx_digest_fold(word[0] ^ WCX_DIGEST_K0, word[1] ^ WCX_DIGEST_K1) + wcx_digest_fold(word[2] ^ WCX_DIGEST_K2, word[3] ^ WCX_DIGEST_K3);
  uint64_t b = wcx_digest_fold(word[4] ^ WCX_DIGEST_K3, word[5] ^ WCX_DIGEST_K0) + wcx_digest_fold(word[6] ^ WCX_DIGEST_K1, word[7] ^ WCX_DIGEST_K2);
  wcx_digest_t hash;
  hash.lo = wcx_digest_fold(a ^ WCX_DIGEST_K1, b ^ WCX_DIGEST_K2);
  hash.hi = (a ^ (b << 32 | b >> 32)) * WCX_DIGEST_K3 + (hash.lo << 17 | hash.lo >> 47);
  return hash;
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
