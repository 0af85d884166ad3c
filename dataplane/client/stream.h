/* A numbered stream at its receiver: messages may come late, twice or not at all; they leave in order, once each.

       put(number, bytes) --->  [ next ......... next + cap )  ---> take(): number == next
                                   hole? ask again: due()

   The same for the server flow of a session and for the feed: lines A, B and re-requested copies all go through put, the first copy wins.

   Owner:      one thread.
   Memory:     cap slots of slot_sz bytes, allocated by init, freed by free.
   Units:      monotonic ns, passed in.
   Bounds:     a message beyond next + cap is not kept: it only tells that it exists, and is asked for again when its turn comes.
   Invariants: take returns next, next + 1, ...; a number is left out only by skip, which is counted.
   Pinned by:  tests/unit/test_client_feed.c. */
#ifndef WCX_CLIENT_STREAM_H
#define WCX_CLIENT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wcx_client_stream
{
  uint64_t next; /* next number to leave */
  uint64_t end;  /* numbers below are known to exist */
  uint32_t cap;  /* slots, a power of two */
  uint32_t slot_sz;
  uint16_t *len; /* of each slot; 0 = empty */
  uint8_t *bytes;

  /* asking again */
  uint64_t grace_ns; /* wait this long before a hole counts as one: the other line may fill it */
  uint64_t retry_ns;
  uint32_t ask_max;    /* messages asked for at once */
  uint64_t hole_at;    /* first number of the hole being watched, 0 = none */
  uint64_t hole_since; /* when it was seen */
  uint64_t ripe_end;   /* numbers below have been known to exist for the grace time: a hole among them is one at once */
  uint64_t mark_end;   /* numbers below were known at mark_ns */
  uint64_t mark_ns;
  uint64_t asked_end; /* numbers below were asked for */
  uint64_t ask_not_before;

  /* a hole that was asked for: open until next reaches open_end */
  uint64_t open_end; /* 0 = none */
  bool open_join;    /* it is what came before we joined */

  uint64_t duplicate_cnt;
  uint64_t hole_recovered_cnt;
  uint64_t hole_lost_cnt;
  uint64_t message_lost_cnt;
  uint64_t ask_cnt;
} wcx_client_stream_t;

/* cap: power of two. Dies when memory is short. */
void wcx_client_stream_init(wcx_client_stream_t *stream, uint32_t cap, uint32_t slot_sz, uint64_t grace_ns);
void wcx_client_stream_free(wcx_client_stream_t *stream);

/* Forget everything and expect `next`. `join_from_past`: what lies between next and the first message seen is no loss of ours. */
void wcx_client_stream_start(wcx_client_stream_t *stream, uint64_t next, bool join_from_past);

/* A message came. False when it was already there, is too far ahead, or larger than a slot. */
bool wcx_client_stream_put(wcx_client_stream_t *stream, uint64_t number, const void *message, uint16_t len);

/* Numbers below `end` exist (header of a heartbeat). */
void wcx_client_stream_exists(wcx_client_stream_t *stream, uint64_t end);

/* The next message in order, or NULL. Valid until the next put. */
const uint8_t *wcx_client_stream_take(wcx_client_stream_t *stream, uint64_t *number, uint16_t *len);

/* Whether to ask again now, and for what. */
bool wcx_client_stream_due(wcx_client_stream_t *stream, uint64_t now_ns, uint64_t *from, uint16_t *cnt);

/* The server refused: `delay_ns` to wait. */
void wcx_client_stream_refused(wcx_client_stream_t *stream, uint64_t now_ns, uint64_t delay_ns);

/* Give the present hole up: go on with the first message behind it. Returns the numbers given up. */
uint64_t wcx_client_stream_skip(wcx_client_stream_t *stream);

/* Numbers known to exist that have not left yet. */
static inline uint64_t wcx_client_stream_missing(const wcx_client_stream_t *stream)
{
  return stream->end > stream->next ? stream->end - stream->next : 0;
}

#endif
