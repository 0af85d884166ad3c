/* So many bytes a second and no more: work is paid for with time that has passed, and what is not used is saved up for a tenth of a second at most.

       while (wcx_pace_allows(&pace, now_ns)) wcx_pace_pay(&pace, bytes of a piece);

   Owner:      one thread.
   Units:      bytes, ns of a monotonic clock.
   Invariants: within t ns of the first question no more than bytes_per_s * (t + WCX_PACE_SAVED_NS) / 1e9 bytes are allowed, and one piece more.
   Pinned by:  tests/unit/test_pace.c, tests/e2e/test_archive.py. */
#ifndef WCX_PERSIST_PACE_H
#define WCX_PERSIST_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define WCX_PACE_SAVED_NS UINT64_C(100000000)
#define WCX_PACE_NOTHING_NS UINT64_C(1000000) /* what a piece without a byte costs, so that whoever asks for ever gets something else to do */

typedef struct wcx_pace
{
  uint64_t bytes_per_s; /* 1 .. 4 GiB */
  uint64_t paid_ns;     /* time is paid for up to here: behind now, or ahead of it by the rest of a piece */
} wcx_pace_t;

static inline bool wcx_pace_allows(wcx_pace_t *pace, uint64_t now_ns)
{
  if (pace->paid_ns + WCX_PACE_SAVED_NS < now_ns) /* as a difference it would be negative whenever the last piece is not paid for yet */
    pace->paid_ns = now_ns - WCX_PACE_SAVED_NS;
  return pace->paid_ns < now_ns;
}

static inline void wcx_pace_pay(wcx_pace_t *pace, uint32_t bytes)
{
  pace->paid_ns += bytes == 0 ? WCX_PACE_NOTHING_NS : (uint64_t)bytes * 1000000000u / pace->bytes_per_s;
}

#endif
