#include "dataplane/client/join.h"

#include "dataplane/client/packet.h"
#include "engine/base/check.h"

#include <stdlib.h>

#define HELD_HDR_SZ 10u

void wcx_client_join_init(wcx_client_join_t *join, wcx_client_books_t *books)
{
  *join = (wcx_client_join_t){.books = books};
}

void wcx_client_join_free(wcx_client_join_t *join)
{
  for (uint32_t i = 0; i < join->joining_cnt; i++)
    free(join->joinings[i].held);
  free(join->joinings);
  join->joinings = NULL;
  join->joining_cnt = join->joining_max = 0;
}

/* The book of an instrument, waiting when it is new. */
static wcx_client_joining_t *joining_of(wcx_client_join_t *join, uint32_t security_id)
{
  uint32_t idx = wcx_client_books_idx(join->books, security_id);
  if (idx >= join->joining_max)
  {
    uint32_t max = join->joining_max == 0 ? 64 : join->joining_max;
    while (max <= idx) /* the books may have known many instruments before */
      max *= 2;
    join->joinings = realloc(join->joinings, max * sizeof(*join->joinings));
    if (join->joinings == NULL)
      WCX_DIE("no memory for %u books", max);
    join->joining_max = max;
  }
  for (; join->joining_cnt <= idx; join->joining_cnt++)
  {
    join->joinings[join->joining_cnt] = (wcx_client_joining_t){0};
    join->waiting_cnt++;
  }
  return &join->joinings[idx];
}

static void drop_held(wcx_client_join_t *join, wcx_client_joining_t *joining)
{
  join->held_sz -= joining->held_sz;
  joining->held_sz = 0;
}

static void go_live(wcx_client_join_t *join, wcx_client_joining_t *joining, uint64_t valid_at)
{
  drop_held(join, joining);
  free(joining->held);
  joining->held = NULL;
  joining->held_max = 0;
  joining->valid_at = valid_at;
  join->waiting_cnt -= !joining->live;
  joining->live = true;
}

static void begin(wcx_client_join_t *join, uint64_t number)
{
  join->begun = true;
  join->whole = false;
  join->first_number = number;
  join->waiting_cnt = join->joining_cnt;
  join->begin_cnt++;
  for (uint32_t i = 0; i < join->joining_cnt; i++)
  {
    join->joinings[i].live = false;
    drop_held(join, &join->joinings[i]);
  }
}

static void roll(wcx_client_join_t *join)
{
  join->first_number = 1;
  for (uint32_t i = 0; i < join->joining_cnt; i++)
  {
    join->joinings[i].valid_at = 0;
    drop_held(join, &join->joinings[i]); /* a snapshot of the new day has them in it */
  }
}

void wcx_client_join_start(wcx_client_join_t *join, const char session[10], uint64_t number, enum wcx_client_start start)
{
  memcpy(join->session, session, 10);
  if (start == WCX_CLIENT_START_ROLL)
    roll(join);
  else
    begin(join, number);
}

static void hold(wcx_client_join_t *join, wcx_client_joining_t *joining, uint64_t number, const void *message, uint16_t sz)
{
  if (joining->held_sz + HELD_HDR_SZ + sz > joining->held_max)
  {
    joining->held_max = joining->held_max == 0 ? 4096 : joining->held_max * 2;
    joining->held = realloc(joining->held, joining->held_max);
    if (joining->held == NULL)
      WCX_DIE("no memory for %zu bytes of held messages", joining->held_max);
  }
  uint8_t *at = joining->held + joining->held_sz;
  memcpy(at, &number, 8);
  memcpy(at + 8, &sz, 2);
  memcpy(at + HELD_HDR_SZ, message, sz);
  joining->held_sz += HELD_HDR_SZ + sz;
  join->held_sz += HELD_HDR_SZ + sz;
}

/* Too much is held: what comes from here on is what the next snapshots must reach. */
static void limit_held(wcx_client_join_t *join, uint64_t number)
{
  if (join->held_sz <= WCX_CLIENT_HELD_MAX)
    return;
  join->dropped_cnt++;
  join->first_number = number + 1;
  for (uint32_t i = 0; i < join->joining_cnt; i++)
    drop_held(join, &join->joinings[i]);
}

/* A message that concerns every book: ClearBook without an instrument. */
static void clear_all(wcx_client_join_t *join, uint64_t number, const void *message, size_t sz)
{
  for (uint32_t i = 0; i < join->joining_cnt; i++)
  {
    wcx_client_joining_t *joining = &join->joinings[i];
    if (!joining->live)
      hold(join, joining, number, message, (uint16_t)sz);
    else if (number > joining->valid_at)
      wcx_client_books_clear(join->books, join->books->instruments[i].security_id);
  }
}

/* A book that is defined is empty: it needs no snapshot. */
static void defined(wcx_client_join_t *join, wcx_client_joining_t *joining, uint64_t number, uint32_t security_id)
{
  if (joining->live)
    return;
  wcx_client_books_clear(join->books, security_id);
  go_live(join, joining, number);
}

bool wcx_client_join_message(wcx_client_join_t *join, uint64_t number, const void *message, size_t sz)
{
  uint32_t security_id = wcx_client_books_security(message, sz);
  if (security_id == 0)
    return true;
  if (security_id == WCX_U32_NULL)
  {
    clear_all(join, number, message, sz);
    return true;
  }
  wcx_client_joining_t *joining = joining_of(join, security_id);
  if (wcx_client_message_template(message, sz) == WCX_TEMPLATE_SECURITY_DEFINITION)
    defined(join, joining, number, security_id);
  else if (!joining->live)
  {
    hold(join, joining, number, message, (uint16_t)sz);
    limit_held(join, number);
    return true;
  }
  else if (number <= joining->valid_at)
    return true;
  return wcx_client_books_apply(join->books, message, sz);
}

bool wcx_client_join_book(wcx_client_join_t *join, const char feed_session[10], const wcx_snapshot_start_t *start, const wcx_snapshot_order_t *orders)
{
  wcx_client_joining_t *joining = joining_of(join, start->security_id); /* known from here on, taken or not */
  join->said_cnt += !joining->said;
  joining->said = true;
  if (!join->begun || joining->live || memcmp(feed_session, join->session, 10) != 0)
    return true;
  if (start->last_msg_seq_num_processed + 1 < join->first_number)
  {
    join->too_old_cnt++;
    return true;
  }
  bool fine = wcx_client_books_load(join->books, start, orders);
  if (!fine)
    return false; /* it waits for a better one */
  for (size_t at = 0; at < joining->held_sz;)
  {
    uint64_t number;
    uint16_t sz;
    memcpy(&number, joining->held + at, 8);
    memcpy(&sz, joining->held + at + 8, 2);
    if (number > start->last_msg_seq_num_processed)
      fine &= wcx_client_books_apply(join->books, joining->held + at + HELD_HDR_SZ, sz);
    at += HELD_HDR_SZ + (size_t)sz;
  }
  go_live(join, joining, start->last_msg_seq_num_processed);
  join->taken_cnt++;
  return fine;
}

void wcx_client_join_cycle(wcx_client_join_t *join, const char feed_session[10], uint32_t book_cnt)
{
  /* no book ever goes: as many as there are, are all */
  if (join->begun && join->said_cnt >= book_cnt && memcmp(feed_session, join->session, 10) == 0)
    join->whole = true;
}

bool wcx_client_join_live(const wcx_client_join_t *join, uint32_t security_id)
{
  const wcx_client_instrument_t *instrument = wcx_client_books_find(join->books, security_id);
  uint32_t idx = instrument != NULL ? (uint32_t)(instrument - join->books->instruments) : UINT32_MAX;
  return idx < join->joining_cnt && join->joinings[idx].live;
}
