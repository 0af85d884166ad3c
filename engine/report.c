#include "engine/report.h"

#include "engine/book.h"
#include "engine/emit.h"

void wcx_report_cancel(wcx_engine_t *engine, wcx_session_t *to, const wcx_cancel_report_t *report)
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
      .ord_status = WCX_ORD_STATUS_CANCELED,
      .cancel_reason = report->reason,
      .request_cl_ord_id = report->request_cl_ord_id,
      .canceled_qty = report->canceled_qty,
      .cum_qty = report->cum_qty,
      .receive_time = report->receive_ns,
  };
}

void wcx_report_add(wcx_engine_t *engine, const wcx_instrument_t *instrument, const wcx_order_t *order, int64_t price)
{
  wcx_add_order_t *md = wcx_emit_feed(engine, WCX_TEMPLATE_ADD_ORDER, sizeof(*md));
  *md = (wcx_add_order_t){
      .transact_time = engine->stamp_ns,
      .order_id = order->order_id,
      .price = price,
      .display_qty = order->leaves,
      .security_id = instrument->security_id,
      .side = order->side,
  };
}

void wcx_report_delete(wcx_engine_t *engine, uint32_t security_id, uint64_t order_id, uint8_t side)
{
  wcx_delete_order_t *md = wcx_emit_feed(engine, WCX_TEMPLATE_DELETE_ORDER, sizeof(*md));
  *md = (wcx_delete_order_t){
      .transact_time = engine->stamp_ns,
      .order_id = order_id,
      .security_id = security_id,
      .side = side,
  };
}

void wcx_report_reduce(wcx_engine_t *engine, uint32_t security_id, uint64_t order_id, int64_t leaves, uint8_t side)
{
  wcx_reduce_order_t *md = wcx_emit_feed(engine, WCX_TEMPLATE_REDUCE_ORDER, sizeof(*md));
  *md = (wcx_reduce_order_t){
      .transact_time = engine->stamp_ns,
      .order_id = order_id,
      .leaves_qty = leaves,
      .security_id = security_id,
      .side = side,
  };
}

void wcx_cancel_private(wcx_engine_t *engine, uint32_t slot, uint8_t reason, uint64_t request_cl_ord_id, wcx_session_t *also)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  const wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  wcx_session_t *owner = &engine->sessions[order->session];
  wcx_cancel_report_t report = {
      .order_id = order->order_id,
      .cl_ord_id = order->cl_ord_id,
      .request_cl_ord_id = request_cl_ord_id,
      .receive_ns = request_cl_ord_id == WCX_U64_NULL ? WCX_U64_NULL : engine->receive_ns,
      .exec_id = ++engine->exec_id,
      .canceled_qty = order->leaves,
      .cum_qty = order->order_qty - order->leaves,
      .security_id = instrument->security_id,
      .account = order->account,
      .session_id = owner->session_id,
      .side = order->side,
      .reason = reason,
  };
  wcx_book_unrest(engine, slot);
  wcx_pool_free(&engine->pool, slot);
  wcx_report_cancel(engine, owner, &report);
  if (also != NULL && also != owner)
    wcx_report_cancel(engine, also, &report);
}

void wcx_cancel_public(wcx_engine_t *engine, uint64_t from)
{
  uint64_t end = engine->out->write_pos;
  uint64_t last = 0;
  for (uint64_t pos = wcx_outlog_settle(engine->out, from, end); pos < end;)
  {
    wcx_out_entry_t *entry = wcx_outlog_at(engine->out, pos);
    const wcx_execution_report_cancel_t *cancel = wcx_emit_block(entry, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL);
    if (cancel != NULL && cancel->order_id != last) /* a copy for whoever asked follows at once */
    {
      last = cancel->order_id;
      wcx_report_delete(engine, cancel->security_id, cancel->order_id, cancel->side);
    }
    pos = wcx_outlog_settle(engine->out, pos + entry->entry_sz, end);
  }
}

void wcx_cancel_resting(wcx_engine_t *engine, uint32_t slot, uint8_t reason, uint64_t request_cl_ord_id, wcx_session_t *also)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  uint32_t security_id = engine->instruments[order->instrument].security_id;
  uint64_t order_id = order->order_id;
  uint8_t side = order->side;
  wcx_cancel_private(engine, slot, reason, request_cl_ord_id, also);
  wcx_report_delete(engine, security_id, order_id, side);
}
