/* The books of an open-loop run: when each request was due, was really sent, was answered; and the delays that follow.

       due -------- late --------> sent -------- uncorrected --------> answered
        '--------------------------- corrected -----------------------------'

   A request is due at its time whatever became of those before it. What a stalled server, a full window or a full socket keeps from being sent is late: the
   corrected delay says so, the uncorrected one leaves it out (coordinated omission).

   Owner:      one thread.
   Memory:     24 bytes a request, allocated and touched by new, given back by free.
   Units:      ns from `start_ns`, which is monotonic.
   Result:     new: NULL when memory is short. answered: false when the request was not out, or was answered before.
   Bounds:     at most WCX_OPEN_LOOP_MAX requests.
   Invariants: requests are sent in the order of their numbers.
   Pinned by:  tests/unit/test_open_loop.c. */
#ifndef WCX_BENCH_WIRE_OPEN_LOOP_H
#define WCX_BENCH_WIRE_OPEN_LOOP_H

#include "bench/hdr.h"

#include <stdbool.h>

#define WCX_OPEN_LOOP_MAX UINT64_C(100000000)
#define WCX_OPEN_LOOP_NONE UINT64_MAX /* not yet */

typedef struct wcx_open_loop
{
  uint64_t cnt;
  uint64_t start_ns;
  uint64_t sent_cnt; /* the next one to send */
  uint64_t answered_cnt;
  uint64_t *due_ns; /* rising; the caller writes them before start */
  uint64_t *sent_ns;
  uint64_t *answered_ns;
} wcx_open_loop_t;

wcx_open_loop_t *wcx_open_loop_new(uint64_t cnt);
void wcx_open_loop_free(wcx_open_loop_t *loop);

/* The clock starts: nothing is sent, nothing answered. */
void wcx_open_loop_start(wcx_open_loop_t *loop, uint64_t start_ns);

/* Whether the next request should have left by now. */
static inline bool wcx_open_loop_is_due(const wcx_open_loop_t *loop, uint64_t now_ns)
{
  return loop->sent_cnt < loop->cnt && now_ns >= loop->start_ns + loop->due_ns[loop->sent_cnt];
}

static inline void wcx_open_loop_sent(wcx_open_loop_t *loop, uint64_t now_ns)
{
  loop->sent_ns[loop->sent_cnt++] = now_ns - loop->start_ns;
}

static inline bool wcx_open_loop_answered(wcx_open_loop_t *loop, uint64_t idx, uint64_t now_ns)
{
  if (idx >= loop->sent_cnt || loop->answered_ns[idx] != WCX_OPEN_LOOP_NONE)
    return false;
  uint64_t sent_ns = loop->start_ns + loop->sent_ns[idx]; /* no answer is before it, whatever the clock that stamped it says */
  loop->answered_ns[idx] = (now_ns > sent_ns ? now_ns : sent_ns) - loop->start_ns;
  loop->answered_cnt++;
  return true;
}

/* When the last request is due. */
uint64_t wcx_open_loop_end_ns(const wcx_open_loop_t *loop);

/* Add the delays of the answered ones among requests [from, to). Any histogram may be NULL. late: of those that were sent. */
void wcx_open_loop_delays(const wcx_open_loop_t *loop, uint64_t from, uint64_t to, wcx_hdr_t *corrected, wcx_hdr_t *uncorrected, wcx_hdr_t *late);

#endif
