/* What may be asked for again: from a number of a stream to the place of its message in the output log.

   The gate enters a message when it is released; a message is served as long as its place in the log has not been written again. A ring of positions per
   stream, so that one that is lost from either is simply not there.

   Owner:      the loop.
   Memory:     the caller's: `max` positions per stream, a power of two; 0: nothing is kept.
   Invariants: only released messages are in it.
   Pinned by:  tests/unit/test_loop_feed.c. */
#ifndef WCX_DATAPLANE_RETAIN_H
#define WCX_DATAPLANE_RETAIN_H

#include "engine/outlog.h"

typedef struct wcx_retain
{
  uint64_t *positions; /* of number n at n & (max - 1), plus 1; 0: none */
  uint32_t max;
  uint32_t pad;
} wcx_retain_t;

static inline void wcx_retain_put(wcx_retain_t *retain, uint64_t number, uint64_t pos)
{
  if (retain->max != 0)
    retain->positions[number & (retain->max - 1)] = pos + 1;
}

/* The entry of a number of a stream, or NULL. */
static inline wcx_out_entry_t *wcx_retain_get(const wcx_retain_t *retain, const wcx_outlog_t *log, uint8_t stream, uint32_t stream_id, uint64_t number)
{
  uint64_t pos = retain->max != 0 ? retain->positions[number & (retain->max - 1)] : 0;
  if (pos == 0 || !wcx_outlog_retained(log, pos - 1))
    return NULL;
  wcx_out_entry_t *entry = wcx_outlog_at(log, pos - 1);
  bool same = entry->stream == stream && entry->stream_id == stream_id && entry->number == number;
  return same ? entry : NULL;
}

#endif
