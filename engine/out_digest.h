/* The chained digest of outputs: over every entry of the output log as it lies there (header, message, zero padding), in order.

   Four lanes take 16-byte blocks in turn; a block is mixed in by one AES round. The first block of an input goes to lane 0. Reading the digest folds the lanes
   and the number of blocks together. It finds divergence, it withstands no attacker: nobody outside chooses what the engine says byte by byte.

   Owner:      the engine's thread.
   Result:     depends on the entries and on which input said them: not on positions in the log, its size, or SKIP entries (which are left out).
   Bounds:     sizes are multiples of 16.
   Pinned by:  tests/unit/test_engine_digest.c. */
#ifndef WCX_ENGINE_OUT_DIGEST_H
#define WCX_ENGINE_OUT_DIGEST_H

#include "engine/base/digest.h"
#include "engine/outlog.h"

#include <immintrin.h>

typedef struct wcx_out_digest
{
  __m128i lane[4];
  uint64_t block_cnt;
  uint64_t pad;
} wcx_out_digest_t;
static_assert(sizeof(wcx_out_digest_t) == 80, "output digest");

static inline __m128i wcx_out_digest_load(const uint8_t *at)
{
  return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* sz bytes that follow `phase` blocks of the same input. */
static inline void wcx_out_digest_absorb(wcx_out_digest_t *digest, const uint8_t *at, uint64_t sz, uint32_t phase)
{
  digest->block_cnt += sz / 16;
  const uint8_t *end = at + sz;
  for (; __builtin_expect((phase & 3) != 0, 0) && at != end; at += 16, phase++)
    digest->lane[phase & 3] = _mm_aesenc_si128(digest->lane[phase & 3], wcx_out_digest_load(at));
  __m128i a = digest->lane[0];
  __m128i b = digest->lane[1];
  __m128i c = digest->lane[2];
  __m128i d = digest->lane[3];
  for (; end - at >= 64; at += 64)
  {
    a = _mm_aesenc_si128(a, wcx_out_digest_load(at));
    b = _mm_aesenc_si128(b, wcx_out_digest_load(at + 16));
    c = _mm_aesenc_si128(c, wcx_out_digest_load(at + 32));
    d = _mm_aesenc_si128(d, wcx_out_digest_load(at + 48));
  }
  digest->lane[0] = a;
  digest->lane[1] = b;
  digest->lane[2] = c;
  digest->lane[3] = d;
  for (phase = 0; at != end; at += 16, phase++)
    digest->lane[phase & 3] = _mm_aesenc_si128(digest->lane[phase & 3], wcx_out_digest_load(at));
}

/* Every entry of log[from, to) but SKIPs: what an input said after `phase` blocks. What lies in a row is taken in at once. Returns how many blocks it has said then. */
static inline uint32_t wcx_out_digest_more(wcx_out_digest_t *digest, const wcx_outlog_t *log, uint64_t from, uint64_t to, uint32_t phase)
{
  while ((from = wcx_outlog_settle(log, from, to)) < to)
  {
    const uint8_t *at = (const uint8_t *)wcx_outlog_at(log, from);
    uint64_t end = from;
    do
      end += wcx_outlog_at(log, end)->entry_sz;
    while (end < to && (end & (log->cap - 1)) != 0 && wcx_outlog_at(log, end)->stream != WCX_STREAM_SKIP);
    wcx_out_digest_absorb(digest, at, end - from, phase);
    phase += (uint32_t)((end - from) / 16);
    from = end;
  }
  return phase;
}

/* The same for all that one input said. */
static inline void wcx_out_digest_input(wcx_out_digest_t *digest, const wcx_outlog_t *log, uint64_t from, uint64_t to)
{
  (void)wcx_out_digest_more(digest, log, from, to, 0);
}

static inline wcx_digest_t wcx_out_digest_value(const wcx_out_digest_t *digest)
{
  __m128i key = _mm_set_epi64x((long long)WCX_DIGEST_K1, (long long)(WCX_DIGEST_K0 ^ digest->block_cnt));
  __m128i x = _mm_aesenc_si128(digest->lane[0], key);
  x = _mm_aesenc_si128(_mm_aesenc_si128(x, key), digest->lane[1]);
  x = _mm_aesenc_si128(_mm_aesenc_si128(x, key), digest->lane[2]);
  x = _mm_aesenc_si128(_mm_aesenc_si128(x, key), digest->lane[3]);
  x = _mm_aesenc_si128(_mm_aesenc_si128(_mm_aesenc_si128(x, key), key), key);
  wcx_digest_t value;
  value.lo = (uint64_t)_mm_cvtsi128_si64(x);
  value.hi = (uint64_t)_mm_extract_epi64(x, 1);
  return value;
}

#endif
