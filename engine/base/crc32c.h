/* CRC32C (Castagnoli), the check value of journal blocks and of snapshot cycles.

   Result:     wcx_crc32c(0, "123456789", 9) == 0xE3069283. Chain by passing the previous result as `crc`.
   Calls:      SSE4.2 instruction where compiled for it, bitwise otherwise; no table, no allocation.
   Pinned by:  tests/unit/test_base.c. */
#ifndef WCX_BASE_CRC32C_H
#define WCX_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t wcx_crc32c(uint32_t crc, const void *bytes, size_t sz)
{
  const uint8_t *at = bytes;
  uint32_t state = ~crc;
#ifdef __SSE4_2__
  uint64_t wide = state;
  for (; sz >= 8; sz -= 8, at += 8)
  {
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    wide = __builtin_ia32_crc32di(wide, word);
  }
  state = (uint32_t)wide;
  for (; sz > 0; sz--, at++)
    state = __builtin_ia32_crc32qi(state, *at);
#else
  for (; sz > 0; sz--, at++)
  {
    state ^= *at;
    for (int bit = 0; bit < 8; bit++)
      state = (state >> 1) ^ (0x82F63B78u & (0u - (state & 1)));
  }
#endif
  return ~state;
}

#endif
