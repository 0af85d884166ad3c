/* Exact multiplication and division by powers of ten, for amounts: no divide instruction, no 128-bit division.

   Owner:      none, pure functions over one constant table.
   Bounds:     exponents 0..WCX_DECIMAL_MAX; a dividend is below 10^k x 2^64, so that its quotient fits 64 bits.
   Why right:  the divisor is shifted up to 64 bits; reciprocal = floor((2^128 - 1) / divisor) - 2^64 estimates the quotient from above by at most one and from
               below by at most one, and two compares settle it (Moeller and Granlund 2011, algorithm 4).
   Pinned by:  tests/unit/test_risk.c. */
#ifndef WCX_ENGINE_DECIMAL_H
#define WCX_ENGINE_DECIMAL_H

#include "engine/base/int128.h"

#include <stdbool.h>
#include <stdint.h>

#define WCX_DECIMAL_MAX 19 /* 10^19 is the last that fits 64 bits */

typedef struct wcx_decimal
{
  uint64_t power;
  uint64_t divisor; /* power << shift: its highest bit is set */
  uint64_t reciprocal;
  uint64_t shift;
} wcx_decimal_t;

#define WCX_DECIMAL_SHIFT(power) ((uint64_t)__builtin_clzll(power))
#define WCX_DECIMAL_DIVISOR(power) ((uint64_t)(power) << WCX_DECIMAL_SHIFT(power))
#define WCX_DECIMAL(power)                                                                                                                                                         \
  {                                                                                                                                                                                \
    (power), WCX_DECIMAL_DIVISOR(power), (uint64_t)(~(wcx_u128_t)0 / WCX_DECIMAL_DIVISOR(power)), WCX_DECIMAL_SHIFT(power)                                                         \
  }

static const wcx_decimal_t wcx_decimals[WCX_DECIMAL_MAX + 1] = {
    WCX_DECIMAL(1u),
    WCX_DECIMAL(10u),
    WCX_DECIMAL(100u),
    WCX_DECIMAL(1000u),
    WCX_DECIMAL(10000u),
    WCX_DECIMAL(100000u),
    WCX_DECIMAL(1000000u),
    WCX_DECIMAL(10000000u),
    WCX_DECIMAL(100000000u),
    WCX_DECIMAL(1000000000u),
    WCX_DECIMAL(10000000000u),
    WCX_DECIMAL(100000000000u),
    WCX_DECIMAL(1000000000000u),
    WCX_DECIMAL(10000000000000u),
    WCX_DECIMAL(100000000000000u),
    WCX_DECIMAL(1000000000000000u),
    WCX_DECIMAL(10000000000000000u),
    WCX_DECIMAL(100000000000000000u),
    WCX_DECIMAL(1000000000000000000u),
    WCX_DECIMAL(10000000000000000000u),
};

/* value / 10^k, rounded down, or up when `up`. */
static inline uint64_t wcx_decimal_divide(uint32_t k, wcx_u128_t value, bool up)
{
  const wcx_decimal_t *by = &wcx_decimals[k];
  wcx_u128_t dividend = value << by->shift;
  uint64_t low = (uint64_t)dividend;
  wcx_u128_t estimate = (wcx_u128_t)by->reciprocal * (uint64_t)(dividend >> 64) + dividend;
  uint64_t quotient = (uint64_t)(estimate >> 64) + 1;
  uint64_t rest = low - quotient * by->divisor;
  if (rest > (uint64_t)estimate)
  {
    quotient--;
    rest += by->divisor;
  }
  if (__builtin_expect(rest >= by->divisor, 0))
  {
    quotient++;
    rest -= by->divisor;
  }
  return quotient + (up && rest != 0);
}

#endif
