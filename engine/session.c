/* Sessions as the engine sees them: opened and closed by journaled decisions of the data plane, with cancel-on-disconnect at once or after a deadline. */
#include "engine/emit.h"
#include "engine/report.h"
#include "engine/timers.h"

#define TRANSPORT_UDP 2u /* the last transport that binds a session; 1 is TCP */

/* 0: none. */
static void set_deadline(wcx_engine_t *engine, wcx_session_t *session, uint64_t deadline_ns)
{
  uint32_t idx = (uint32_t)(session - engine->sessions);
  wcx_timer_disarm(engine, WCX_TIMER_SESSION, idx);
  session->cod_deadline_ns = deadline_ns;
  session->cod_arm = deadline_ns != 0 ? wcx_timer_arm(engine, WCX_TIMER_SESSION, idx, deadline_ns) : 0;
}

/* All orders with cancel-on-disconnect for the session, else those that ask for it themselves; in order of acceptance. */
static void cancel_on_disconnect(wcx_engine_t *engine, wcx_session_t *session)
{
  uint32_t next;
  for (uint32_t slot = session->order_head; slot != 0; slot = next)
  {
    next = engine->pool.links[slot].next;
    if (session->cod == WCX_COD_ON || (engine->pool.orders[slot].flags & WCX_ORDER_F_COD) != 0)
      wcx_cancel(engine, slot, WCX_CANCEL_REASON_DISCONNECT, WCX_U64_NULL, NULL);
  }
}

/* The ack that the next_number follows. */
static wcx_establish_ack_t ack_of(const wcx_session_t *session, const wcx_session_opened_t *opened, uint64_t next_number)
{
  wcx_establish_ack_t ack = {
      .uuid = opened->uuid,
      .request_timestamp = opened->request_timestamp,
      .next_server_seq_no = next_number,
      .next_client_seq_no = session->next_client_seq,
      .last_cl_ord_id = session->last_cl_ord_id,
      .keep_alive_interval = opened->keep_alive_interval,
      .cod_timeout_window = opened->cod_timeout_window,
      .durability_level = opened->durability_level,
  };
  memcpy(ack.mold_session, opened->mold_session, sizeof(ack.mold_session));
  return ack;
}

/* Purge, drop copy and replay speak for a session without binding it: they have numbers of their own, so their ack is outside its stream. */
static void open_beside(wcx_engine_t *engine, wcx_session_t *session, const wcx_session_opened_t *opened)
{
  wcx_session_touch(engine, session);
  uint64_t whom = (uint64_t)opened->peer_tag << 32 | session->session_id;
  wcx_establish_ack_t *ack = wcx_emit(engine, WCX_STREAM_UNSEQUENCED, whom, 0, WCX_TEMPLATE_ESTABLISH_ACK, sizeof(*ack));
  *ack = ack_of(session, opened, opened->next_server_seq_no);
}

void wcx_session_open(wcx_engine_t *engine, wcx_session_t *session, const wcx_session_opened_t *opened)
{
  WCX_CHECK(opened->key_slot <= 1 && opened->transport < 8, "SessionOpened: KeySlot %u Transport %u", opened->key_slot, opened->transport);
  session->key_uuid[opened->key_slot] = opened->uuid;
  if (opened->transport > TRANSPORT_UDP)
  {
    open_beside(engine, session, opened);
    return;
  }
  bool beside = (session->open_mask & ~(1u << opened->transport)) != 0;
  session->uuid = opened->uuid;
  session->open_mask |= (uint8_t)(1u << opened->transport);
  bool asks = (opened->flags & 1) != 0 || (beside && session->cod == WCX_COD_ON); /* a second binding takes away no protection the first asked for */
  session->cod = asks ? WCX_COD_ON : WCX_COD_OFF;
  if (!beside || opened->cod_timeout_window > session->cod_window_ms)
    session->cod_window_ms = opened->cod_timeout_window;
  memcpy(session->mold_session, opened->mold_session, sizeof(session->mold_session));
  if (session->cod_deadline_ns != 0)
    set_deadline(engine, session, 0);

  uint64_t number = session->next_server_seq;
  wcx_establish_ack_t *ack = wcx_emit_session(engine, session, WCX_TEMPLATE_ESTABLISH_ACK, sizeof(*ack));
  *ack = ack_of(session, opened, number + 1);
}

void wcx_session_close(wcx_engine_t *engine, wcx_session_t *session, const wcx_session_closed_t *closed)
{
  WCX_CHECK(closed->transport < 8 && closed->cancel_orders <= 2, "SessionClosed: Transport %u CancelOrders %u", closed->transport, closed->cancel_orders);
  session->open_mask &= (uint8_t) ~(1u << closed->transport);
  wcx_session_touch(engine, session);
  if (closed->terminate == 1)
  {
    wcx_terminate_t *terminate = wcx_emit_session(engine, session, WCX_TEMPLATE_TERMINATE, sizeof(*terminate));
    *terminate = (wcx_terminate_t){.uuid = closed->uuid, .code = closed->terminate_code};
  }
  if (closed->cancel_orders == 1)
  {
    set_deadline(engine, session, 0);
    cancel_on_disconnect(engine, session);
  }
  else if (closed->cancel_orders == 2)
    set_deadline(engine, session, engine->stamp_ns + (uint64_t)session->cod_window_ms * 1000000u);
}

void wcx_session_refuse(wcx_engine_t *engine, wcx_session_t *session, const wcx_session_refused_t *refused)
{
  WCX_CHECK(refused->key_slot <= 1, "SessionRefused: KeySlot %u", refused->key_slot);
  if (refused->uuid > session->key_uuid[refused->key_slot])
    session->key_uuid[refused->key_slot] = refused->uuid;
  wcx_session_touch(engine, session);
  uint64_t whom = (uint64_t)refused->peer_tag << 32 | session->session_id;
  wcx_establish_reject_t *reject = wcx_emit(engine, WCX_STREAM_UNSEQUENCED, whom, 0, WCX_TEMPLATE_ESTABLISH_REJECT, sizeof(*reject));
  *reject = (wcx_establish_reject_t){.uuid = refused->uuid, .request_timestamp = refused->request_timestamp, .code = refused->code};
}

void wcx_session_status(wcx_engine_t *engine, wcx_session_t *session, const wcx_session_status_request_t *request)
{
  wcx_session_view_t view;
  WCX_CHECK(wcx_engine_session(engine, session->session_id, &view), "session %u is gone", session->session_id);
  uint64_t number = session->next_server_seq;
  wcx_session_status_response_t *response = wcx_emit_session(engine, session, WCX_TEMPLATE_SESSION_STATUS_RESPONSE, sizeof(*response));
  *response = (wcx_session_status_response_t){
      .request_id = request->request_id,
      .next_server_seq_no = number + 1,
      .next_client_seq_no = view.next_client_seq,
      .last_cl_ord_id = view.last_cl_ord_id,
      .open_orders = view.open_orders,
      .flags = wcx_session_flags(&view),
  };
}

void wcx_request_refused(wcx_engine_t *engine, wcx_session_t *session, const wcx_request_refused_t *refused)
{
  wcx_business_message_reject_t *reject = wcx_emit_session(engine, session, WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT, sizeof(*reject));
  *reject = (wcx_business_message_reject_t){
      .transact_time = engine->stamp_ns,
      .ref_seq_num = engine->client_seq,
      .business_reject_ref_id = refused->business_reject_ref_id,
      .ref_template_id = refused->ref_template_id,
      .ref_tag_id = refused->ref_tag_id,
      .business_reject_reason = refused->business_reject_reason,
  };
}

void wcx_session_disconnect_due(wcx_engine_t *engine, wcx_session_t *session)
{
  session->cod_deadline_ns = 0;
  session->cod_arm = 0;
  wcx_session_touch(engine, session);
  cancel_on_disconnect(engine, session);
}
