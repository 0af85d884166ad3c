/* Mass cancel, trading locks, kill switch, cancel-on-disconnect: many orders at once, session by session in order of definition. */
#include "tests/diff/reference_state.h"

typedef struct whose
{
  uint32_t session;       /* index, or REF_NOBODY: any */
  uint32_t account;       /* index, or REF_NOBODY: any */
  uint32_t entitled;      /* index of a session whose accounts they must be of, or REF_NOBODY */
  uint32_t instrument;    /* index, or REF_NOBODY: any */
  uint8_t side;           /* enum wcx_side_filter */
  uint16_t mmp_group;     /* 0: any */
  bool disconnected_only; /* with ExecInst CancelOnDisconnect */
} whose_t;
#define WHOSE_ANY ((whose_t){REF_NOBODY, REF_NOBODY, REF_NOBODY, REF_NOBODY, WCX_SIDE_FILTER_BOTH, 0, false})

static bool is_meant(const ref_t *ref, const ref_order_t *order, const whose_t *whose)
{
  if (whose->session != REF_NOBODY && order->session != whose->session)
    return false;
  if (whose->account != REF_NOBODY && order->account != whose->account)
    return false;
  if (whose->entitled != REF_NOBODY && !ref_entitled(ref, whose->entitled, ref->accounts[order->account].def.account))
    return false;
  if (whose->instrument != REF_NOBODY && order->instrument != whose->instrument)
    return false;
  if (whose->side != WCX_SIDE_FILTER_BOTH && order->side != whose->side)
    return false;
  if (whose->mmp_group != 0 && order->mmp_group != whose->mmp_group)
    return false;
  return !whose->disconnected_only || (order->exec_inst & WCX_EXEC_INST_CANCEL_ON_DISCONNECT) != 0;
}

/* Returns how many. */
static uint32_t cancel_all(ref_t *ref, const whose_t *whose, ref_cancel_t how)
{
  ref->picked.cnt = 0;
  for (uint32_t s = 0; s < ref->session_cnt; s++)
    for (uint32_t i = 0; i < ref->live.cnt; i++)
      if (ref->live.at[i]->session == s && is_meant(ref, ref->live.at[i], whose))
        ref_list_insert(&ref->picked, ref->picked.cnt, ref->live.at[i]);
  for (uint32_t i = 0; i < ref->picked.cnt; i++)
    ref_cancel(ref, ref->picked.at[i], how);
  return ref->picked.cnt;
}

/* --- mass cancel ----------------------------------------------------------------------------------------------------------------------- */

/* The session's own when none is given; null when that is every account. */
static uint32_t account_meant(const ref_t *ref, const wcx_order_mass_cancel_request_t *r)
{
  return r->account != WCX_U32_NULL ? r->account : ref->sessions[ref->session].account;
}

static uint8_t judge_mass_cancel(ref_t *ref, const wcx_order_mass_cancel_request_t *r)
{
  if (!ref_cl_ord_id_rises(ref, r->cl_ord_id))
    return WCX_MASS_CANCEL_REJECT_REASON_DUPLICATE_CL_ORD_ID;
  bool known_type =
      r->mass_cancel_request_type == WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_ORDERS_FOR_A_SECURITY || r->mass_cancel_request_type == WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_ALL_ORDERS ||
      (r->mass_cancel_request_type >= WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_ACCOUNT && r->mass_cancel_request_type <= WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_SESSION);
  if (!known_type || r->side > WCX_SIDE_FILTER_SELL || r->lock_trading > 1)
    return WCX_MASS_CANCEL_REJECT_REASON_INVALID_FIELD;
  if (r->security_id != WCX_U32_NULL && ref_instrument_find(ref, r->security_id) == REF_NOBODY)
    return WCX_MASS_CANCEL_REJECT_REASON_UNKNOWN_INSTRUMENT;
  if (r->account != WCX_U32_NULL && ref_account_find(ref, r->account) == REF_NOBODY)
    return WCX_MASS_CANCEL_REJECT_REASON_UNKNOWN_ACCOUNT;
  if (r->account != WCX_U32_NULL && !ref_entitled(ref, ref->session, r->account))
    return WCX_MASS_CANCEL_REJECT_REASON_NOT_ENTITLED;
  if (r->mass_cancel_request_type == WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_ORDERS_FOR_A_SECURITY && r->security_id == WCX_U32_NULL)
    return WCX_MASS_CANCEL_REJECT_REASON_INVALID_FIELD;
  if (r->mass_cancel_request_type == WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_MMP_GROUP && r->mmp_group == 0)
    return WCX_MASS_CANCEL_REJECT_REASON_INVALID_FIELD;
  if (r->mass_cancel_request_type == WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_ACCOUNT && account_meant(ref, r) == WCX_U32_NULL)
    return WCX_MASS_CANCEL_REJECT_REASON_INVALID_FIELD;
  return WCX_MASS_CANCEL_REJECT_REASON_NONE;
}

static whose_t meant_by(const ref_t *ref, const wcx_order_mass_cancel_request_t *r)
{
  whose_t whose = WHOSE_ANY;
  whose.side = r->side;
  whose.entitled = ref->session;
  if (r->security_id != WCX_U32_NULL)
    whose.instrument = ref_instrument_find(ref, r->security_id);
  if (r->account != WCX_U32_NULL)
    whose.account = ref_account_find(ref, r->account);
  if (r->mass_cancel_request_type == WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_SESSION || r->mass_cancel_request_type == WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_MMP_GROUP)
    whose.session = ref->session;
  if (r->mass_cancel_request_type == WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_MMP_GROUP)
    whose.mmp_group = r->mmp_group;
  return whose;
}

static void lock(ref_t *ref, const wcx_order_mass_cancel_request_t *r)
{
  ref_session_t *session = &ref->sessions[ref->session];
  if (r->mass_cancel_request_type == WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_MMP_GROUP)
  {
    ref_group_t *group = ref_group_find(ref, ref->session, r->mmp_group);
    if (group != NULL)
      ref_mmp_freeze(ref, group);
    return;
  }
  if (r->mass_cancel_request_type == WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_ACCOUNT)
    ref->accounts[ref_account_find(ref, account_meant(ref, r))].locked_by_client = true;
  else
    session->locked = true;
}

void ref_mass_cancel(ref_t *ref, const wcx_order_mass_cancel_request_t *r)
{
  uint8_t reason = judge_mass_cancel(ref, r);
  bool accepted = reason == WCX_MASS_CANCEL_REJECT_REASON_NONE;
  uint32_t affected = 0;
  if (accepted)
  {
    whose_t whose = meant_by(ref, r);
    affected = cancel_all(ref, &whose, (ref_cancel_t){WCX_CANCEL_REASON_MASS_CANCEL, r->cl_ord_id, ref->hdr->receive_ns, ref->session});
    if (r->lock_trading != 0)
      lock(ref, r);
  }
  wcx_order_mass_cancel_report_t report = {
      .transact_time = ref->now,
      .exec_id = ref->next_exec_id++,
      .cl_ord_id = r->cl_ord_id,
      .total_affected_orders = affected,
      .session_id = ref->hdr->session_id,
      .security_id = r->security_id,
      .mass_cancel_request_type = r->mass_cancel_request_type,
      .mass_cancel_response = accepted ? WCX_MASS_CANCEL_RESPONSE_ACCEPTED : WCX_MASS_CANCEL_RESPONSE_REJECTED,
      .mass_cancel_reject_reason = reason,
      .lock_trading = accepted ? r->lock_trading : 0,
      .receive_time = ref->hdr->receive_ns,
  };
  ref_say_session(ref, ref->session, WCX_TEMPLATE_ORDER_MASS_CANCEL_REPORT, &report, sizeof(report));
}

/* --- locks ----------------------------------------------------------------------------------------------------------------------------- */

bool ref_is_locked(const ref_t *ref, uint32_t session_id, uint32_t account)
{
  uint32_t session = ref_session_find(ref, session_id);
  uint32_t idx = ref_account_find(ref, account);
  return session != REF_NOBODY && idx != REF_NOBODY && ref_locked(ref, session, idx);
}

static void say_lock(ref_t *ref, uint32_t session, uint32_t account_number, uint8_t locked, uint8_t by)
{
  wcx_trading_lock_event_t event = {
      .transact_time = ref->now, .exec_id = ref->next_exec_id++, .session_id = ref->sessions[session].id, .account = account_number, .locked = locked, .by = by};
  ref_say_session(ref, session, WCX_TEMPLATE_TRADING_LOCK_EVENT, &event, sizeof(event));
}

void ref_unlock(ref_t *ref, const wcx_unlock_trading_request_t *r)
{
  bool rises = ref_cl_ord_id_rises(ref, r->cl_ord_id);
  uint32_t account = r->account == WCX_U32_NULL ? REF_NOBODY : ref_account_find(ref, r->account);
  bool allowed = rises;
  if (r->account != WCX_U32_NULL)
    allowed = allowed && account != REF_NOBODY && ref_entitled(ref, ref->session, r->account) && !ref->accounts[account].locked_by_operations;
  if (!allowed)
  {
    ref_say_business_reject(ref, r->cl_ord_id, WCX_BUSINESS_REJECT_REASON_NOT_AUTHORIZED);
    return;
  }
  if (r->account == WCX_U32_NULL)
    ref->sessions[ref->session].locked = false;
  else
    ref->accounts[account].locked_by_client = false;
  say_lock(ref, ref->session, r->account, 0, WCX_LOCKED_BY_CLIENT);
}

void ref_kill_switch(ref_t *ref, const wcx_kill_switch_t *command)
{
  uint32_t idx = ref_account_find(ref, command->account);
  ref_account_t *account = &ref->accounts[idx];
  account->locked_by_operations = command->locked != 0;
  if (command->locked == 0)
    account->locked_by_client = false;
  else
  {
    whose_t whose = WHOSE_ANY;
    whose.account = idx;
    cancel_all(ref, &whose, (ref_cancel_t){WCX_CANCEL_REASON_KILL_SWITCH, WCX_U64_NULL, WCX_U64_NULL, REF_NOBODY});
  }
  for (uint32_t s = 0; s < ref->session_cnt; s++)
    if (ref_entitled(ref, s, command->account))
      say_lock(ref, s, command->account, command->locked, WCX_LOCKED_BY_OPERATIONS);
}

void ref_disconnect(ref_t *ref, uint32_t session)
{
  whose_t whose = WHOSE_ANY;
  whose.session = session;
  whose.disconnected_only = !ref->sessions[session].cod;
  cancel_all(ref, &whose, (ref_cancel_t){WCX_CANCEL_REASON_DISCONNECT, WCX_U64_NULL, WCX_U64_NULL, REF_NOBODY});
}
