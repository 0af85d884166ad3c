/* Sessions as the engine sees them: opened and closed by journaled decisions of the data plane, with cancel-on-disconnect at once or after a deadline. */
#include "engine/emit.h"
#include "engine/report.h"
#include "engine/timers.h"

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

void wcx_session_open(wcx_engine_t *engine, wcx_session_t *session, const wcx_session_opened_t *opened)
{
  WCX_CHECK(opened->key_slot <= 1 && opened->transport < 8, "SessionOpened: KeySlot %u Transport %u", opened->key_slot, opened->transport);
  session->uuid = opened->uuid;
  session->key_uuid[opened->key_slot] = opened->uuid;
  session->open_mask |= (uint8_t)(1u << opened->transport);
  session->cod = (opened->flags & 1) != 0 ? WCX_COD_ON : WCX_COD_OFF;
  session->cod_window_ms = opened->cod_timeout_window;
  memcpy(session->mold_session, opened->mold_session, sizeof(session->mold_session));
  if (session->cod_deadline_ns != 0)
    set_deadline(engine, session, 0);

  uint64_t number = session->next_server_seq;
  wcx_establish_ack_t *ack = wcx_emit_session(engine, session, WCX_TEMPLATE_ESTABLISH_ACK, sizeof(*ack));
  *ack = (wcx_establish_ack_t){
      .uuid = opened->uuid,
      .request_timestamp = opened->request_timestamp,
      .next_server_seq_no = number + 1,
      .next_client_seq_no = session->next_client_seq,
      .last_cl_ord_id = session->last_cl_ord_id,
      .keep_alive_interval = opened->keep_alive_interval,
      .cod_timeout_window = opened->cod_timeout_window,
      .durability_level = opened->durability_level,
  };
  memcpy(ack->mold_session, opened->mold_session, sizeof(ack->mold_session));
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

void wcx_session_disconnect_due(wcx_engine_t *engine, wcx_session_t *session)
{
  session->cod_deadline_ns = 0;
  session->cod_arm = 0;
  wcx_session_touch(engine, session);
  cancel_on_disconnect(engine, session);
}
