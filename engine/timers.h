/* Deadlines: a heap of (time, arming) over everything of a shard that something happens to by itself: expiry of orders, cancel-on-disconnect of sessions,
   scheduled changes of an instrument's status. The first is what the engine asks a Tick for.

   A heap and not a wheel: the next deadline is exact (an idle appliance journals no Tick too many), equal times fire in order of arming, and orders without
   an expiry never touch it. Arming for the latest time known, as Day orders do, costs one step.

   Owner:      the engine's thread.
   Memory:     wcx_timer_t[orders_max + sessions_max + instruments_max + 1], zeroed; entry 0 is nobody.
   Bounds:     O(log n) to arm or disarm.
   Invariants: every armed owner knows its place in the heap, and nobody else does.
   Digest:     the owners' (time, arming) are part of their records' hashes; places in the heap are not.
   Pinned by:  tests/golden/expiry.play, tests/unit/test_snapshot.c, tests/diff. */
#ifndef WCX_ENGINE_TIMERS_H
#define WCX_ENGINE_TIMERS_H

#include <assert.h>
#include <stdint.h>

struct wcx_engine;

enum wcx_timer_kind
{
  WCX_TIMER_ORDER = 1,      /* owner: slot */
  WCX_TIMER_SESSION = 2,    /* owner: index */
  WCX_TIMER_INSTRUMENT = 3, /* owner: index */
};

typedef struct wcx_timer
{
  uint64_t at_ns;
  uint64_t arm; /* order of arming: no two are equal */
  uint32_t owner;
  uint8_t kind;
  uint8_t pad[3];
} wcx_timer_t;
static_assert(sizeof(wcx_timer_t) == 24, "timer");

typedef struct wcx_timers
{
  wcx_timer_t *heap; /* from 1 */
  uint32_t cnt;
  uint32_t max;
  uint64_t arm; /* last given out */
} wcx_timers_t;

/* Arm an owner that is not armed. Returns the arming number, which the owner keeps. */
uint64_t wcx_timer_arm(struct wcx_engine *engine, uint8_t kind, uint32_t owner, uint64_t at_ns);

/* The same with an arming number of before: a snapshot's. */
void wcx_timer_restore(struct wcx_engine *engine, uint8_t kind, uint32_t owner, uint64_t at_ns, uint64_t arm);

/* Disarm an owner, if it is armed. */
void wcx_timer_disarm(struct wcx_engine *engine, uint8_t kind, uint32_t owner);

/* Fire all that is due at the engine's stamp, first things first. */
void wcx_timers_fire(struct wcx_engine *engine);

/* Abort unless the heap is one and knows its owners. Returns nothing, O(n). */
void wcx_timers_verify(const struct wcx_engine *engine);

#endif
