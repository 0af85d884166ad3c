#include "engine/timers.h"

#include "engine/auction.h"
#include "engine/report.h"

static uint32_t *place_of(struct wcx_engine *engine, uint8_t kind, uint32_t owner)
{
  switch (kind)
  {
  case WCX_TIMER_ORDER:
    return &engine->pool.extras[owner].timer_pos;
  case WCX_TIMER_SESSION:
    return &engine->sessions[owner].timer_pos;
  default:
    return &engine->instruments[owner].timer_pos;
  }
}

static inline int before(const wcx_timer_t *a, const wcx_timer_t *b)
{
  return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->arm < b->arm;
}

static void put(struct wcx_engine *engine, uint32_t pos, wcx_timer_t timer)
{
  engine->timers.heap[pos] = timer;
  *place_of(engine, timer.kind, timer.owner) = pos;
}

static void rise(struct wcx_engine *engine, uint32_t pos, wcx_timer_t timer)
{
  while (pos > 1 && before(&timer, &engine->timers.heap[pos / 2]))
  {
    put(engine, pos, engine->timers.heap[pos / 2]);
    pos /= 2;
  }
  put(engine, pos, timer);
}

static void sink(struct wcx_engine *engine, uint32_t pos, wcx_timer_t timer)
{
  wcx_timers_t *timers = &engine->timers;
  for (uint32_t child = pos * 2; child <= timers->cnt; child = pos * 2)
  {
    if (child < timers->cnt && before(&timers->heap[child + 1], &timers->heap[child]))
      child++;
    if (!before(&timers->heap[child], &timer))
      break;
    put(engine, pos, timers->heap[child]);
    pos = child;
  }
  put(engine, pos, timer);
}

void wcx_timer_restore(struct wcx_engine *engine, uint8_t kind, uint32_t owner, uint64_t at_ns, uint64_t arm)
{
  wcx_timers_t *timers = &engine->timers;
  WCX_CHECK(timers->cnt < timers->max, "timers: all %u in use", timers->max);
  rise(engine, ++timers->cnt, (wcx_timer_t){.at_ns = at_ns, .arm = arm, .owner = owner, .kind = kind});
}

uint64_t wcx_timer_arm(struct wcx_engine *engine, uint8_t kind, uint32_t owner, uint64_t at_ns)
{
  uint64_t arm = ++engine->timers.arm;
  wcx_timer_restore(engine, kind, owner, at_ns, arm);
  return arm;
}

void wcx_timer_disarm(struct wcx_engine *engine, uint8_t kind, uint32_t owner)
{
  wcx_timers_t *timers = &engine->timers;
  uint32_t *place = place_of(engine, kind, owner);
  uint32_t pos = *place;
  if (pos == 0)
    return;
  *place = 0;
  wcx_timer_t last = timers->heap[timers->cnt--];
  if (pos > timers->cnt)
    return;
  if (pos > 1 && before(&last, &timers->heap[pos / 2]))
    rise(engine, pos, last);
  else
    sink(engine, pos, last);
}

static void fire(struct wcx_engine *engine, const wcx_timer_t *timer)
{
  switch (timer->kind)
  {
  case WCX_TIMER_ORDER:
    wcx_cancel(engine, timer->owner, WCX_CANCEL_REASON_EXPIRED, WCX_U64_NULL, NULL);
    break;
  case WCX_TIMER_SESSION:
    wcx_session_disconnect_due(engine, &engine->sessions[timer->owner]);
    break;
  default:
    wcx_auction_resume_due(engine, &engine->instruments[timer->owner]);
    break;
  }
}

void wcx_timers_fire(struct wcx_engine *engine)
{
  wcx_timers_t *timers = &engine->timers;
  while (timers->cnt != 0 && timers->heap[1].at_ns <= engine->stamp_ns)
  {
    wcx_timer_t due = timers->heap[1];
    wcx_timer_disarm(engine, due.kind, due.owner);
    fire(engine, &due);
  }
}

void wcx_timers_verify(const struct wcx_engine *engine)
{
  const wcx_timers_t *timers = &engine->timers;
  for (uint32_t pos = 1; pos <= timers->cnt; pos++)
  {
    const wcx_timer_t *timer = &timers->heap[pos];
    WCX_CHECK(pos == 1 || !before(timer, &timers->heap[pos / 2]), "timer %u fires before its parent", pos);
    uint32_t place = timer->kind == WCX_TIMER_ORDER     ? engine->pool.extras[timer->owner].timer_pos
                     : timer->kind == WCX_TIMER_SESSION ? engine->sessions[timer->owner].timer_pos
                                                        : engine->instruments[timer->owner].timer_pos;
    WCX_CHECK(place == pos, "timer %u of kind %u owner %u: the owner says %u", pos, timer->kind, timer->owner, place);
  }
}
