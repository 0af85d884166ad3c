/* How a poll loop wakes a worker that sleeps: one word, at most one system call per period of sleep.

       worker                                    poll loop
       ------                                    ---------
       asleep <- 1      (seq_cst)                publish work (release)
       look for work again                       fence (seq_cst)
       found: asleep <- 0, go on                 asleep == 1 ?
       none : futex_wait(asleep, 1)  <---wake--- asleep <- 0 and futex_wake

   The seq_cst store and fence pair up: either the worker's second look sees the work, or the loop sees asleep == 1.
   The loop clears the word itself, so a second publication during the same sleep makes no second call.

   Owner:   `asleep` is written by both; `wake_cnt` by the loop; `sleep_cnt` by the worker (both are read by tests and metrics).
   Sleeps are bounded (timeout): a lost wake-up costs a delay, never a hang. */
#ifndef WCX_BASE_DOORBELL_H
#define WCX_BASE_DOORBELL_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct wcx_doorbell
{
  _Alignas(64) _Atomic uint32_t asleep;
  uint32_t pad;
  _Atomic uint64_t wake_cnt;  /* system calls made by the loop */
  _Atomic uint64_t sleep_cnt; /* periods of sleep begun by the worker */
  uint8_t reserved[40];
} wcx_doorbell_t;
static_assert(sizeof(wcx_doorbell_t) == 64, "one line");

/* Loop: call after publishing. One load when the worker is awake; returns true when it made the system call. */
bool wcx_doorbell_ring(wcx_doorbell_t *bell);

/* Worker: announce sleep. Then look for work once more and call exactly one of the next two. */
void wcx_doorbell_prepare(wcx_doorbell_t *bell);
void wcx_doorbell_cancel(wcx_doorbell_t *bell);
void wcx_doorbell_wait(wcx_doorbell_t *bell, uint64_t timeout_ns);

#endif
