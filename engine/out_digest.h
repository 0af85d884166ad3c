/* The chained digest of outputs: chain <- f(chain, entry), over an entry of the output log as it lies there (header, message, zero padding).

   Four lanes take the words of an entry side by side, so that only the last two products of an entry wait for the entry before.

   Owner:      none, pure functions.
   Result:     depends on the entries alone: not on positions in the log, its size, or SKIP entries (which are left out).
   Bounds:     entry_sz is a multiple of 8, at least 32.
   Pinned by:  tests/unit/test_engine_digest.c. */
#ifndef WCX_ENGINE_OUT_DIGEST_H
#define WCX_ENGINE_OUT_DIGEST_H

#include "engine/base/digest.h"
#include "engine/outlog.h"

static inline void wcx_out_digest_update(wcx_digest_t *chain, const wcx_out_entry_t *entry)
{
  const uint8_t *at = (const uint8_t *)entry;
  uint32_t left = entry->entry_sz;
  uint64_t a = WCX_DIGEST_K0;
  uint64_t b = WCX_DIGEST_K1;
  uint64_t c = WCX_DIGEST_K2;
  uint64_t d = WCX_DIGEST_K3;
  for (; left >= 64; left -= 64, at += 64)
  {
    a = wcx_digest_fold(a ^ wcx_digest_load64(at), wcx_digest_load64(at + 8) ^ WCX_DIGEST_K1) + a;
    b = wcx_digest_fold(b ^ wcx_digest_load64(at + 16), wcx_digest_load64(at + 24) ^ WCX_DIGEST_K2) + b;
    c = wcx_digest_fold(c ^ wcx_digest_load64(at + 32), wcx_digest_load64(at + 40) ^ WCX_DIGEST_K3) + c;
    d = wcx_digest_fold(d ^ wcx_digest_load64(at + 48), wcx_digest_load64(at + 56) ^ WCX_DIGEST_K0) + d;
  }
  for (; left >= 16; left -= 16, at += 16)
  {
    uint64_t mixed = wcx_digest_fold(a ^ wcx_digest_load64(at), wcx_digest_load64(at + 8) ^ WCX_DIGEST_K2) + a;
    a = b;
    b = c;
    c = d;
    d = mixed;
  }
  if (left != 0)
    a = wcx_digest_fold(a ^ wcx_digest_load64(at), b ^ WCX_DIGEST_K1) + a; /* b is never K1 here: at least 32 bytes came before */
  uint64_t x = a ^ (c << 29 | c >> 35);
  uint64_t y = b ^ (d << 31 | d >> 33);
  chain->lo = wcx_digest_fold(chain->lo ^ x, y ^ WCX_DIGEST_K2);
  chain->hi = wcx_digest_fold(chain->hi ^ y, x ^ WCX_DIGEST_K0) + chain->lo;
}

#endif
