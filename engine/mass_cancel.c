/* Mass cancel, and the locks that keep an account or a session from new orders: asked for by clients (104, 105) or by operations (411). */
#include "engine/mmp.h"
#include "engine/plain_book.h"
#include "engine/report.h"

#define ANY UINT32_MAX /* of a filter: every session, account, instrument */

/* Which resting orders go. */
typedef struct filter
{
  uint32_t session; /* index */
  uint32_t account; /* id; ANY is WCX_ACCOUNT_ALL too */
  uint32_t instrument;
  uint16_t mmp_group; /* 0: with and without */
  uint8_t side;       /* 0: both */
} filter_t;
static_assert(ANY == WCX_ACCOUNT_ALL, "a session for every account filters none");

static uint16_t group_of(const wcx_engine_t *engine, uint32_t slot)
{
  return (engine->pool.orders[slot].flags & WCX_ORDER_F_EXTRA) != 0 ? engine->pool.extras[slot].mmp_group : 0;
}

/* One behind the other in a session's list, orders lie anywhere in memory: an order's own lines are asked of memory FAR steps ahead, what it leads to NEAR ahead,
   and where its ClOrdID stands if its home is taken CLOSE ahead. Always inline: a function that does nothing but prefetch is pure to gcc, which leaves calls of it out. */
#define FAR 32u
#define NEAR 16u
#define CLOSE 8u
#define AHEAD static inline __attribute__((always_inline))

typedef struct ahead
{
  uint32_t far; /* slots; 0: past the end */
  uint32_t near;
  uint32_t at;         /* steps taken */
  uint32_t home[NEAR]; /* in the index, of the order in hand and those up to `near`, by step */
  uint32_t slot[NEAR];
} ahead_t;
static_assert((NEAR & (NEAR - 1)) == 0 && CLOSE < NEAR, "a ring");

AHEAD void fetch_order(const wcx_pool_t *pool, uint32_t slot)
{
  __builtin_prefetch(&pool->orders[slot], 1);
  __builtin_prefetch(&pool->links[slot], 1);
}

AHEAD void step_far(const wcx_pool_t *pool, ahead_t *ahead)
{
  if (ahead->far == 0)
    return;
  fetch_order(pool, ahead->far);
  ahead->far = pool->links[ahead->far].next;
}

AHEAD void step_near(const wcx_engine_t *engine, ahead_t *ahead, uint32_t step)
{
  const wcx_pool_t *pool = &engine->pool;
  const uint32_t slot = ahead->near;
  const wcx_order_t *order = &pool->orders[slot];
  const uint32_t home = wcx_index_home(&engine->index, order->session, order->cl_ord_id);
  ahead->home[step % NEAR] = home;
  ahead->slot[step % NEAR] = slot;
  if (slot == 0)
    return;
  __builtin_prefetch(&engine->index.entries[home & engine->index.mask], 1);
  if (order->level != WCX_LEVEL_UNSEEN)
    __builtin_prefetch(&engine->ladders.levels[order->level], 1);
  __builtin_prefetch(&pool->orders[order->next], 1);
  __builtin_prefetch(&pool->orders[order->prev], 1);
  ahead->near = pool->links[slot].next;
}

AHEAD void step_close(const wcx_engine_t *engine, const ahead_t *ahead, uint32_t step)
{
  const uint32_t home = ahead->home[step % NEAR];
  if (engine->index.entries[home & engine->index.mask] != ((uint64_t)home << 32 | ahead->slot[step % NEAR]))
    __builtin_prefetch(&engine->index.spill[wcx_index_spill_home(&engine->index, home)], 1);
}

static ahead_t start_ahead(const wcx_engine_t *engine, uint32_t head)
{
  ahead_t ahead = {.far = head, .near = head};
  for (uint32_t i = 0; i < FAR; i++)
    step_far(&engine->pool, &ahead);
  for (uint32_t i = 0; i < NEAR; i++)
    step_near(engine, &ahead, i);
  for (uint32_t i = 0; i < CLOSE; i++)
    step_close(engine, &ahead, i);
  return ahead;
}

/* From one order to the next. Returns where the ClOrdID of the one in hand belongs. */
AHEAD uint32_t step_ahead(const wcx_engine_t *engine, ahead_t *ahead)
{
  const uint32_t home = ahead->home[ahead->at % NEAR];
  step_far(&engine->pool, ahead);
  step_close(engine, ahead, ahead->at + CLOSE);
  step_near(engine, ahead, ahead->at + NEAR);
  ahead->at++;
  return home;
}

/* Why orders go, and what is said of it. */
typedef struct cause
{
  wcx_session_t *requester; /* NULL: nobody's request */
  uint64_t request_cl_ord_id;
  uint64_t receive_ns;
  uint8_t reason;
} cause_t;

/* ER_Cancels of plain orders, one behind the other: the feed is told of all of them by one note. */
typedef struct run
{
  wcx_say_t say;
  uint64_t from; /* position of the first */
  uint64_t cnt;  /* orders */
  uint32_t each; /* ER_Cancels an order: to its session, and to another one that asked */
} run_t;

static_assert(WCX_CANCELED_SZ % 64 == 0, "a whole turn of the digest's lanes");

static inline void begin_run(wcx_engine_t *engine, run_t *run, uint32_t each)
{
  run->say = wcx_say_join(engine);
  run->each = each;
}

static void end_run(wcx_engine_t *engine, run_t *run)
{
  if (run->cnt == 0)
    return;
  wcx_say_part(engine, &run->say, run->cnt * run->each * (WCX_CANCELED_SZ / 16));
  wcx_note_canceled(engine, run->from, run->cnt, run->each);
  run->cnt = 0;
}

static bool is_plain(const wcx_engine_t *engine, const wcx_order_t *order)
{
  return (order->flags & ~WCX_ORDER_F_COD) == 0 && (engine->instruments[order->instrument].flags & WCX_INSTRUMENT_F_PLAIN) != 0;
}

/* What was just said at `from` is said to another session, under its own number. */
static inline void repeat(wcx_engine_t *engine, wcx_say_t *say, wcx_session_t *to, const uint8_t *from)
{
  say->at = (uint8_t *)wcx_outlog_reserve(engine->out, WCX_CANCELED_SZ);
  WCX_SAY_SESSION(engine, say, to, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, wcx_execution_report_cancel_t);
  for (uint32_t off = 48; off < WCX_CANCELED_SZ; off += 16)
    wcx_say_block(say, off, wcx_digest_load64(from + off), wcx_digest_load64(from + off + 8));
}

static inline void cancel_plain(wcx_engine_t *engine, wcx_session_t *session, uint32_t slot, uint32_t home, const cause_t *cause, run_t *run)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  wcx_session_t *also = cause->requester != session ? cause->requester : NULL;
  if (run->cnt == 0)
    begin_run(engine, run, also != NULL ? 2 : 1);
  uint8_t *at = (uint8_t *)wcx_outlog_reserve(engine->out, WCX_CANCELED_SZ);
  if (run->cnt++ == 0)
    run->from = engine->out->write_pos - WCX_CANCELED_SZ;
  run->say.at = at;
  wcx_say_canceled(engine, &run->say, session, order, instrument->security_id, cause->request_cl_ord_id, cause->receive_ns, cause->reason);
  if (also != NULL)
    repeat(engine, &run->say, also, at);
  uint64_t *entry = &engine->index.entries[home & engine->index.mask];
  wcx_index_take(&engine->index, (wcx_index_at_t){.entry = *entry == ((uint64_t)home << 32 | slot) ? entry : NULL, .home = home, .slot = slot});
  wcx_plain_remove(engine, session, instrument, order, slot);
}

/* A session's orders in order of acceptance. Returns how many went. */
static uint32_t cancel_of_session(wcx_engine_t *engine, wcx_session_t *session, const filter_t *filter, const cause_t *cause)
{
  run_t run = {0};
  uint32_t cnt = 0;
  uint32_t next;
  ahead_t ahead = start_ahead(engine, session->order_head);
  for (uint32_t slot = session->order_head; slot != 0; slot = next)
  {
    const wcx_order_t *order = &engine->pool.orders[slot];
    next = engine->pool.links[slot].next;
    const uint32_t home = step_ahead(engine, &ahead);
    if ((filter->account != ANY && filter->account != order->account) || (filter->instrument != ANY && filter->instrument != order->instrument) ||
        (filter->side != 0 && filter->side != order->side) || (filter->mmp_group != 0 && filter->mmp_group != group_of(engine, slot)))
      continue;
    if (is_plain(engine, order))
      cancel_plain(engine, session, slot, home, cause, &run);
    else
    {
      end_run(engine, &run);
      wcx_cancel(engine, slot, cause->reason, cause->request_cl_ord_id, cause->requester);
    }
    cnt++;
  }
  end_run(engine, &run);
  if (cnt != 0)
    wcx_session_touch(engine, session);
  return cnt;
}

/* Session by session in order of definition. Returns how many went. */
static uint32_t cancel_matching(wcx_engine_t *engine, const filter_t *filter, const cause_t *cause)
{
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < engine->session_cnt; i++)
  {
    if ((filter->session != ANY && filter->session != i) || (filter->account != ANY && !wcx_session_entitled(&engine->sessions[i], filter->account)))
      continue;
    cnt += cancel_of_session(engine, &engine->sessions[i], filter, cause);
  }
  return cnt;
}

/* An account that a request names and may name. */
static uint8_t judge_account(const wcx_engine_t *engine, const wcx_session_t *session, uint32_t account)
{
  if (wcx_idmap_find(&engine->account_map, account) == WCX_IDX_NONE)
    return WCX_MASS_CANCEL_REJECT_REASON_UNKNOWN_ACCOUNT;
  return wcx_session_entitled(session, account) ? WCX_MASS_CANCEL_REJECT_REASON_NONE : WCX_MASS_CANCEL_REJECT_REASON_NOT_ENTITLED;
}

/* What a request asks for. An Account given narrows every type. */
static uint8_t judge(const wcx_engine_t *engine, const wcx_session_t *session, const wcx_order_mass_cancel_request_t *request, filter_t *filter)
{
  *filter = (filter_t){.session = ANY, .account = session->account, .instrument = ANY, .side = request->side};
  if (request->lock_trading > 1 || request->side > WCX_SIDE_FILTER_SELL)
    return WCX_MASS_CANCEL_REJECT_REASON_INVALID_FIELD;
  if (request->security_id != WCX_U32_NULL)
  {
    filter->instrument = wcx_idmap_find(&engine->instrument_map, request->security_id);
    if (filter->instrument == WCX_IDX_NONE)
      return WCX_MASS_CANCEL_REJECT_REASON_UNKNOWN_INSTRUMENT;
  }
  if (request->account != WCX_U32_NULL)
  {
    uint8_t reason = judge_account(engine, session, request->account);
    if (reason != WCX_MASS_CANCEL_REJECT_REASON_NONE)
      return reason;
    filter->account = request->account;
  }
  bool fine = true;
  switch (request->mass_cancel_request_type)
  {
  case WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_ALL_ORDERS:
    break;
  case WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_ORDERS_FOR_A_SECURITY:
    fine = filter->instrument != ANY;
    break;
  case WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_ACCOUNT:
    fine = filter->account != ANY;
    break;
  case WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_SESSION:
    filter->session = (uint32_t)(session - engine->sessions);
    break;
  case WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_MMP_GROUP:
    filter->session = (uint32_t)(session - engine->sessions);
    filter->mmp_group = request->mmp_group;
    fine = request->mmp_group != 0;
    break;
  default:
    fine = false;
    break;
  }
  return fine ? WCX_MASS_CANCEL_REJECT_REASON_NONE : WCX_MASS_CANCEL_REJECT_REASON_INVALID_FIELD;
}

static void lock_account(wcx_engine_t *engine, uint32_t id, uint8_t by)
{
  wcx_account_t *account = wcx_state_account(engine, id);
  account->lock = by;
  wcx_state_renew_account(engine, account);
}

/* Operations' lock is not turned into the client's. */
static void lock(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_mass_cancel_request_t *request, const filter_t *filter)
{
  if (request->mass_cancel_request_type == WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_MMP_GROUP)
    wcx_mmp_freeze(engine, session, request->mmp_group);
  else if (request->mass_cancel_request_type != WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_ACCOUNT)
    session->lock = WCX_LOCKED_BY_CLIENT;
  else if (wcx_state_account(engine, filter->account)->lock == 0)
    lock_account(engine, filter->account, WCX_LOCKED_BY_CLIENT);
}

void wcx_mass_cancel(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_mass_cancel_request_t *request)
{
  filter_t filter;
  uint8_t reason = WCX_MASS_CANCEL_REJECT_REASON_DUPLICATE_CL_ORD_ID;
  if (wcx_session_take_cl_ord_id(session, request->cl_ord_id))
    reason = judge(engine, session, request, &filter);
  bool accepted = reason == WCX_MASS_CANCEL_REJECT_REASON_NONE;
  const cause_t cause = {.requester = session, .request_cl_ord_id = request->cl_ord_id, .receive_ns = engine->receive_ns, .reason = WCX_CANCEL_REASON_MASS_CANCEL};
  uint32_t cnt = accepted ? cancel_matching(engine, &filter, &cause) : 0;
  if (accepted && request->lock_trading == 1)
    lock(engine, session, request, &filter);

  wcx_order_mass_cancel_report_t *report = wcx_emit_session(engine, session, WCX_TEMPLATE_ORDER_MASS_CANCEL_REPORT, sizeof(*report));
  *report = (wcx_order_mass_cancel_report_t){
      .transact_time = engine->stamp_ns,
      .exec_id = ++engine->exec_id,
      .cl_ord_id = request->cl_ord_id,
      .total_affected_orders = cnt,
      .session_id = session->session_id,
      .security_id = request->security_id,
      .mass_cancel_request_type = request->mass_cancel_request_type,
      .mass_cancel_response = accepted ? WCX_MASS_CANCEL_RESPONSE_ACCEPTED : WCX_MASS_CANCEL_RESPONSE_REJECTED,
      .mass_cancel_reject_reason = reason,
      .lock_trading = accepted ? request->lock_trading : 0,
      .receive_time = engine->receive_ns,
  };
}

static void report_lock(wcx_engine_t *engine, wcx_session_t *session, uint32_t account, uint8_t locked, uint8_t by)
{
  wcx_trading_lock_event_t *event = wcx_emit_session(engine, session, WCX_TEMPLATE_TRADING_LOCK_EVENT, sizeof(*event));
  *event = (wcx_trading_lock_event_t){
      .transact_time = engine->stamp_ns,
      .exec_id = ++engine->exec_id,
      .session_id = session->session_id,
      .account = account,
      .locked = locked,
      .by = by,
  };
}

void wcx_unlock_trading(wcx_engine_t *engine, wcx_session_t *session, const wcx_unlock_trading_request_t *request)
{
  bool fine = wcx_session_take_cl_ord_id(session, request->cl_ord_id);
  if (fine && request->account != WCX_U32_NULL)
    fine = judge_account(engine, session, request->account) == WCX_MASS_CANCEL_REJECT_REASON_NONE && wcx_state_account(engine, request->account)->lock <= WCX_LOCKED_BY_CLIENT;
  if (!fine)
  {
    wcx_report_business_reject(engine, session, request->cl_ord_id, WCX_TEMPLATE_UNLOCK_TRADING_REQUEST, WCX_BUSINESS_REJECT_REASON_NOT_AUTHORIZED);
    return;
  }
  if (request->account != WCX_U32_NULL)
    lock_account(engine, request->account, 0);
  else
    session->lock = 0;
  report_lock(engine, session, request->account, 0, WCX_LOCKED_BY_CLIENT);
}

const char *wcx_kill_switch_error(const wcx_engine_t *engine, const wcx_kill_switch_t *kill)
{
  if (wcx_idmap_find(&engine->account_map, kill->account) == WCX_IDX_NONE)
    return "KillSwitch: no such Account";
  return kill->locked > 1 ? "KillSwitch: Locked is 0 or 1" : NULL;
}

void wcx_kill_switch(wcx_engine_t *engine, const wcx_kill_switch_t *kill)
{
  WCX_CHECK(wcx_kill_switch_error(engine, kill) == NULL, "seq %llu: KillSwitch of account %u", (unsigned long long)engine->seq, kill->account);
  if (kill->locked == 1)
  {
    filter_t filter = {.session = ANY, .account = kill->account, .instrument = ANY};
    const cause_t cause = {.request_cl_ord_id = WCX_U64_NULL, .receive_ns = WCX_U64_NULL, .reason = WCX_CANCEL_REASON_KILL_SWITCH};
    cancel_matching(engine, &filter, &cause);
  }
  lock_account(engine, kill->account, kill->locked == 1 ? WCX_LOCKED_BY_OPERATIONS : 0);
  for (uint32_t i = 0; i < engine->session_cnt; i++)
    if (wcx_session_entitled(&engine->sessions[i], kill->account))
      report_lock(engine, &engine->sessions[i], kill->account, kill->locked, WCX_LOCKED_BY_OPERATIONS);
}
