/* Numbers on the command lines of the programs of bench/wire.

   Owner:     the main thread.
   Result:    dies with the option's name when the text is no number within min..max.
   Pinned by: tests/e2e/test_bench_wire.py. */
#ifndef WCX_BENCH_WIRE_NUMBER_H
#define WCX_BENCH_WIRE_NUMBER_H

#include "engine/base/check.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

static inline uint32_t wcx_wire_number(const char *name, const char *text, uint32_t min, uint32_t max)
{
  char *end;
  errno = 0;
  unsigned long value = strtoul(text, &end, 10);
  if (*text == '\0' || *text == '-' || *end != '\0' || errno != 0 || value < min || value > max)
    WCX_DIE("--%s %s: a number from %u to %u", name, text, min, max);
  return (uint32_t)value;
}

#endif
