/* Exact division of non-negative int64 by a divisor fixed at definition time (price increment, lot), without a divide instruction.

   Bounds:     divisor 1..2^63-1, value 0..2^63-1.
   Why right:  magic = floor((2^64 - 1) / d), so the estimate (value * magic) >> 64 is the quotient or one below; one correction settles it.
   Pinned by:  tests/unit/test_pool.c. */
#ifndef WCX_ENGINE_DIVIDER_H
#define WCX_ENGINE_DIVIDER_H

#include "engine/base/int128.h"

#include <stdint.h>

typedef struct wcx_divider
{
  uint64_t divisor;
  uint64_t magic;
} wcx_divider_t;

static inline wcx_divider_t wcx_divider(uint64_t divisor)
{
  return (wcx_divider_t){.divisor = divisor, .magic = UINT64_MAX / divisor};
}

/* Quotient; *rest receives the remainder. */
static inline uint64_t wcx_divide(const wcx_divider_t *by, uint64_t value, uint64_t *rest)
{
  uint64_t quotient = (uint64_t)(((wcx_u128_t)value * by->magic) >> 64);
  uint64_t left = value - quotient * by->divisor;
  if (left >= by->divisor)
  {
    quotient++;
    left -= by->divisor;
  }
  *rest = left;
  return quotient;
}

#endif
