/* CRC32C and digest of the same bytes in one walk: each is one long chain of dependent steps, and two chains side by side cost little more than one.

   Owner:      the caller; no state beyond the arguments.
   Result:     exactly those of wcx_crc32c and wcx_digest_of.
   Calls:      no system call, no allocation.
   Pinned by:  tests/unit/test_base.c. */
#ifndef WCX_BASE_SUMS_H
#define WCX_BASE_SUMS_H

#include "engine/base/crc32c.h"
#include "engine/base/digest.h"

typedef struct wcx_sums
{
  uint32_t crc32c;
  wcx_digest_t digest;
} wcx_sums_t;

/* crc: as in wcx_crc32c; key: as in wcx_digest_of. */
static inline wcx_sums_t wcx_sums_of(uint32_t crc, uint64_t key, const void *bytes, size_t sz)
{
  const uint8_t *at = bytes;
  wcx_sums_t sums = {.crc32c = crc, .digest = {key, ~key}};
#ifdef __SSE4_2__
  uint64_t state = (uint32_t)~crc;
  wcx_digest_run_t run = wcx_digest_begin(&sums.digest);
  size_t left = sz;
  for (; left >= 16; left -= 16, at += 16)
  {
    uint64_t x = wcx_digest_load64(at);
    uint64_t y = wcx_digest_load64(at + 8);
    state = __builtin_ia32_crc32di(__builtin_ia32_crc32di(state, x), y);
    wcx_digest_step(&run, x, y);
  }
  sums.crc32c = wcx_crc32c(~(uint32_t)state, at, left);
  wcx_digest_end(&sums.digest, &run, at, left, sz);
#else
  sums.crc32c = wcx_crc32c(crc, at, sz);
  wcx_digest_update(&sums.digest, at, sz);
#endif
  return sums;
}

#endif
