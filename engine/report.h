/* The reports that more than one kind of input says, and the feed's messages about one order.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Pinned by:  tests/unit/test_engine_match.c, tests/unit/test_engine_session.c. */
#ifndef WCX_ENGINE_REPORT_H
#define WCX_ENGINE_REPORT_H

#include "engine/emit.h"

/* An order that ends: what ER_Cancel says of it, and to whom. */
typedef struct wcx_cancel_report
{
  uint64_t order_id;
  uint64_t cl_ord_id;
  uint64_t request_cl_ord_id; /* WCX_U64_NULL: unsolicited */
  uint64_t receive_ns;        /* WCX_U64_NULL: unsolicited */
  uint64_t exec_id;
  int64_t canceled_qty;
  int64_t cum_qty;
  uint32_t security_id;
  uint32_t account;
  uint32_t session_id; /* the owner's */
  uint8_t side;
  uint8_t reason; /* enum wcx_cancel_reason */
} wcx_cancel_report_t;

/* ER_New. `price`: where it rests or how far it takes, null when it takes any. */
static inline void wcx_report_new(wcx_engine_t *engine, wcx_session_t *session, const wcx_new_order_single_t *request, uint64_t order_id, int64_t price)
{
  wcx_execution_report_new_t *er = wcx_emit_session(engine, session, WCX_TEMPLATE_EXECUTION_REPORT_NEW, sizeof(*er));
  *er = (wcx_execution_report_new_t){
      .transact_time = engine->stamp_ns,
      .exec_id = ++engine->exec_id,
      .order_id = order_id,
      .cl_ord_id = request->cl_ord_id,
      .security_id = request->security_id,
      .account = request->account,
      .session_id = session->session_id,
      .side = request->side,
      .ord_status = WCX_ORD_STATUS_NEW,
      .ord_type = request->ord_type,
      .time_in_force = request->time_in_force,
      .price = price,
      .order_qty = request->order_qty,
      .leaves_qty = request->order_qty,
      .display_qty = request->display_qty,
      .stop_px = request->stop_px,
      .receive_time = engine->receive_ns,
      .exec_inst = request->exec_inst,
      .self_match_prevention_inst = request->self_match_prevention_inst,
      .self_match_prevention_id = request->self_match_prevention_id,
      .expire_time = request->time_in_force == WCX_TIME_IN_FORCE_GTD ? request->expire_time : WCX_U64_NULL,
      .min_qty = request->min_qty,
  };
}

/* ER_Restated of a listed order as it is now. The caller may still fill in what else is said: Price, DisplayQty, PreventedQty, SecondaryOrderID, all null. */
static inline wcx_execution_report_restated_t *wcx_report_restated(wcx_engine_t *engine, const wcx_order_t *order, uint8_t reason)
{
  wcx_session_t *session = &engine->sessions[order->session];
  wcx_execution_report_restated_t *er = wcx_emit_session(engine, session, WCX_TEMPLATE_EXECUTION_REPORT_RESTATED, sizeof(*er));
  *er = (wcx_execution_report_restated_t){
      .transact_time = engine->stamp_ns,
      .exec_id = ++engine->exec_id,
      .order_id = order->order_id,
      .cl_ord_id = order->cl_ord_id,
      .security_id = engine->instruments[order->instrument].security_id,
      .account = order->account,
      .session_id = session->session_id,
      .side = order->side,
      .ord_status = order->order_qty == order->leaves ? WCX_ORD_STATUS_NEW : WCX_ORD_STATUS_PARTIALLY_FILLED,
      .exec_restatement_reason = reason,
      .leaves_qty = order->leaves,
      .display_qty = WCX_I64_NULL,
      .price = WCX_I64_NULL,
      .prevented_qty = WCX_I64_NULL,
      .secondary_order_id = WCX_U64_NULL,
  };
  return er;
}

/* ER_Replace of an order as it was before. `display_qty`: what it will show at most, null: all. */
static inline void wcx_report_replace(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_cancel_replace_request_t *request, const wcx_order_t *order, int64_t price,
                                      int64_t display_qty, bool kept)
{
  int64_t cum_qty = order->order_qty - order->leaves;
  wcx_execution_report_replace_t *er = wcx_emit_session(engine, session, WCX_TEMPLATE_EXECUTION_REPORT_REPLACE, sizeof(*er));
  *er = (wcx_execution_report_replace_t){
      .transact_time = engine->stamp_ns,
      .exec_id = ++engine->exec_id,
      .order_id = order->order_id,
      .cl_ord_id = request->cl_ord_id,
      .security_id = request->security_id,
      .account = order->account,
      .session_id = session->session_id,
      .side = order->side,
      .ord_status = cum_qty == 0 ? WCX_ORD_STATUS_NEW : WCX_ORD_STATUS_PARTIALLY_FILLED,
      .flags = kept ? 0x0001 : 0,
      .orig_cl_ord_id = order->cl_ord_id,
      .price = price,
      .order_qty = request->order_qty,
      .leaves_qty = request->order_qty - cum_qty,
      .display_qty = display_qty,
      .receive_time = engine->receive_ns,
  };
}

static inline void wcx_report_cancel(wcx_engine_t *engine, wcx_session_t *to, const wcx_cancel_report_t *report)
{
  wcx_execution_report_cancel_t *er = wcx_emit_session(engine, to, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, sizeof(*er));
  *er = (wcx_execution_report_cancel_t){
      .transact_time = engine->stamp_ns,
      .exec_id = report->exec_id,
      .order_id = report->order_id,
      .cl_ord_id = report->cl_ord_id,
      .security_id = report->security_id,
      .account = report->account,
      .session_id = report->session_id,
      .side = report->side,
      .ord_status = report->reason == WCX_CANCEL_REASON_EXPIRED ? WCX_ORD_STATUS_EXPIRED : WCX_ORD_STATUS_CANCELED,
      .cancel_reason = report->reason,
      .request_cl_ord_id = report->request_cl_ord_id,
      .canceled_qty = report->canceled_qty,
      .cum_qty = report->cum_qty,
      .receive_time = report->receive_ns,
  };
}

/* A request that has no answer of its own kind for being refused. */
void wcx_report_business_reject(wcx_engine_t *engine, wcx_session_t *session, uint64_t cl_ord_id, uint16_t template_id, uint8_t reason);

/* AddOrder, DeleteOrder of an order in a book, as it shows: nothing when it shows nothing. `last`: nothing private of this input can follow. */
void wcx_report_shown(wcx_engine_t *engine, uint32_t slot, bool last);
void wcx_report_gone(wcx_engine_t *engine, uint32_t security_id, uint64_t public_id, uint8_t side, bool last);

/* ReduceOrder, when the order shows less than it `showed`. */
void wcx_report_reduced(wcx_engine_t *engine, uint32_t slot, int64_t showed);

/* Cancel a live order that does not take, wherever it stands: ER_Cancel to its session (and to `also`, when another session asked), DeleteOrder to the feed if it
   was displayed, nothing held any more, slot freed. */
void wcx_cancel(wcx_engine_t *engine, uint32_t slot, uint8_t reason, uint64_t request_cl_ord_id, wcx_session_t *also);

/* The same as the last thing an input does. */
void wcx_cancel_last(wcx_engine_t *engine, uint32_t slot, uint8_t reason, uint64_t request_cl_ord_id, wcx_session_t *also);

/* The same without a word to its session: a quote that is replaced. */
void wcx_cancel_silent(wcx_engine_t *engine, uint32_t slot);

#endif
