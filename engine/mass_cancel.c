/* Mass cancel, and the locks that keep an account or a session from new orders: asked for by clients (104, 105) or by operations (411). */
#include "engine/mmp.h"
#include "engine/purge.h"
#include "engine/report.h"

/* An account that a request names and may name. */
static uint8_t judge_account(const wcx_engine_t *engine, const wcx_session_t *session, uint32_t account)
{
  if (wcx_idmap_find(&engine->account_map, account) == WCX_IDX_NONE)
    return WCX_MASS_CANCEL_REJECT_REASON_UNKNOWN_ACCOUNT;
  return wcx_session_entitled(session, account) ? WCX_MASS_CANCEL_REJECT_REASON_NONE : WCX_MASS_CANCEL_REJECT_REASON_NOT_ENTITLED;
}

/* What a request asks for. An Account given narrows every type. */
static uint8_t judge(const wcx_engine_t *engine, const wcx_session_t *session, const wcx_order_mass_cancel_request_t *request, wcx_purge_filter_t *filter)
{
  *filter = (wcx_purge_filter_t){.session = WCX_PURGE_ANY, .account = session->account, .instrument = WCX_PURGE_ANY, .side = request->side};
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
    fine = filter->instrument != WCX_PURGE_ANY;
    break;
  case WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_ACCOUNT:
    fine = filter->account != WCX_PURGE_ANY;
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
static void lock(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_mass_cancel_request_t *request, const wcx_purge_filter_t *filter)
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
  wcx_purge_filter_t filter;
  uint8_t reason = WCX_MASS_CANCEL_REJECT_REASON_DUPLICATE_CL_ORD_ID;
  if (wcx_session_take_cl_ord_id(session, request->cl_ord_id))
    reason = judge(engine, session, request, &filter);
  bool accepted = reason == WCX_MASS_CANCEL_REJECT_REASON_NONE;
  const wcx_purge_cause_t cause = {.requester = session, .request_cl_ord_id = request->cl_ord_id, .receive_ns = engine->receive_ns, .reason = WCX_CANCEL_REASON_MASS_CANCEL};
  uint32_t cnt = accepted ? wcx_purge(engine, &filter, &cause) : 0;
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
    wcx_purge_filter_t filter = {.session = WCX_PURGE_ANY, .account = kill->account, .instrument = WCX_PURGE_ANY};
    const wcx_purge_cause_t cause = {.request_cl_ord_id = WCX_U64_NULL, .receive_ns = WCX_U64_NULL, .reason = WCX_CANCEL_REASON_KILL_SWITCH};
    wcx_purge(engine, &filter, &cause);
  }
  lock_account(engine, kill->account, kill->locked == 1 ? WCX_LOCKED_BY_OPERATIONS : 0);
  for (uint32_t i = 0; i < engine->session_cnt; i++)
    if (wcx_session_entitled(&engine->sessions[i], kill->account))
      report_lock(engine, &engine->sessions[i], kill->account, kill->locked, WCX_LOCKED_BY_OPERATIONS);
}
