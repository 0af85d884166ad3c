#include "engine/report.h"

#include "engine/book.h"
#include "engine/risk.h"
#include "engine/say_row.h"

void wcx_report_business_reject(wcx_engine_t *engine, wcx_session_t *session, uint64_t cl_ord_id, uint16_t template_id, uint8_t reason)
{
  wcx_business_message_reject_t *reject = wcx_emit_session(engine, session, WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT, sizeof(*reject));
  *reject = (wcx_business_message_reject_t){
      .transact_time = engine->stamp_ns,
      .ref_seq_num = engine->client_seq,
      .business_reject_ref_id = cl_ord_id,
      .ref_template_id = template_id,
      .business_reject_reason = reason,
  };
}

/* A message to the feed: at once when it may be, else when all that is private has been said. */
static inline void *say_feed(wcx_engine_t *engine, uint16_t template_id, uint16_t block_length, bool last)
{
  return last && engine->note_cnt == 0 ? wcx_emit_feed(engine, template_id, block_length) : wcx_note_feed(engine, template_id, block_length);
}

void wcx_report_shown(wcx_engine_t *engine, uint32_t slot, bool last)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  if ((order->flags & WCX_ORDER_F_HIDDEN) != 0)
    return;
  wcx_add_order_t *md = say_feed(engine, WCX_TEMPLATE_ADD_ORDER, sizeof(*md), last);
  *md = (wcx_add_order_t){
      .transact_time = engine->stamp_ns,
      .order_id = wcx_book_public_id(engine, slot),
      .price = engine->ladders.levels[order->level].price,
      .display_qty = wcx_book_displayed(engine, slot),
      .security_id = engine->instruments[order->instrument].security_id,
      .side = order->side,
  };
}

void wcx_report_gone(wcx_engine_t *engine, uint32_t security_id, uint64_t public_id, uint8_t side, bool last)
{
  wcx_delete_order_t *md = say_feed(engine, WCX_TEMPLATE_DELETE_ORDER, sizeof(*md), last);
  *md = (wcx_delete_order_t){
      .transact_time = engine->stamp_ns,
      .order_id = public_id,
      .security_id = security_id,
      .side = side,
  };
}

void wcx_report_reduced(wcx_engine_t *engine, uint32_t slot, int64_t showed)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  int64_t shows = (order->flags & WCX_ORDER_F_WAITING) != 0 ? showed : wcx_book_displayed(engine, slot);
  if (shows >= showed)
    return;
  wcx_reduce_order_t *md = wcx_note_feed(engine, WCX_TEMPLATE_REDUCE_ORDER, sizeof(*md));
  *md = (wcx_reduce_order_t){
      .transact_time = engine->stamp_ns,
      .order_id = wcx_book_public_id(engine, slot),
      .leaves_qty = shows,
      .security_id = engine->instruments[order->instrument].security_id,
      .side = order->side,
  };
}

static inline __attribute__((always_inline)) void cancel(wcx_engine_t *engine, uint32_t slot, uint8_t reason, uint64_t request_cl_ord_id, wcx_session_t *also, bool last)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  wcx_session_t *owner = &engine->sessions[order->session];
  bool shown = (order->flags & (WCX_ORDER_F_WAITING | WCX_ORDER_F_HIDDEN)) == 0;
  uint64_t public_id = wcx_book_public_id(engine, slot);
  uint8_t side = order->side;
  if (__builtin_expect((order->flags & WCX_ORDER_F_RISK) != 0, 0))
    wcx_risk_release(engine, wcx_state_account(engine, order->account), instrument, side, wcx_risk_held_px(engine, slot), order->leaves);
  wcx_cancel_report_t report = {
      .order_id = order->order_id,
      .cl_ord_id = order->cl_ord_id,
      .request_cl_ord_id = request_cl_ord_id,
      .receive_ns = request_cl_ord_id == WCX_U64_NULL ? WCX_U64_NULL : engine->receive_ns,
      .canceled_qty = order->leaves,
      .cum_qty = order->order_qty - order->leaves,
      .security_id = instrument->security_id,
      .account = order->account,
      .session_id = owner->session_id,
      .side = side,
      .reason = reason,
  };
  wcx_book_take_out(engine, slot);
  wcx_book_end(engine, slot);
  if (reason != 0)
  {
    report.exec_id = ++engine->exec_id;
    wcx_report_cancel(engine, owner, &report);
    if (also != NULL && also != owner)
      wcx_report_cancel(engine, also, &report);
  }
  if (shown)
    wcx_report_gone(engine, instrument->security_id, public_id, side, last);
}

void wcx_cancel(wcx_engine_t *engine, uint32_t slot, uint8_t reason, uint64_t request_cl_ord_id, wcx_session_t *also)
{
  cancel(engine, slot, reason, request_cl_ord_id, also, false);
}

void wcx_cancel_last(wcx_engine_t *engine, uint32_t slot, uint8_t reason, uint64_t request_cl_ord_id, wcx_session_t *also)
{
  cancel(engine, slot, reason, request_cl_ord_id, also, true);
}

void wcx_cancel_silent(wcx_engine_t *engine, uint32_t slot)
{
  cancel(engine, slot, 0, WCX_U64_NULL, NULL, false);
}

#define GONE_SZ WCX_ENTRY_SZ(wcx_delete_order_t)
static_assert(GONE_SZ % 64 == 0, "a whole turn of the digest's lanes");
#define AHEAD_SZ 1024u /* what was said long ago has left the near caches: 8 orders are asked for ahead */

/* DeleteOrder for each order whose ER_Cancels, `each` an order, lie in a row, but for the ring's end. */
static void say_canceled_gone(wcx_engine_t *engine, uint64_t pos, uint64_t cnt, uint32_t each)
{
  wcx_outlog_t *out = engine->out;
  const uint8_t *base = out->base;
  const uint64_t ring = out->cap - 1;
  const uint64_t last = out->cap - WCX_CANCELED_SZ; /* where an ER_Cancel may begin */
  uint64_t off = pos & ring;
  wcx_say_row_t row = wcx_say_row_begin(engine);
  wcx_say_head_t head = wcx_say_head_of(engine, WCX_STREAM_FEED, engine->limits.shard, engine->feed_number, WCX_TEMPLATE_DELETE_ORDER, sizeof(wcx_delete_order_t));
  for (; cnt != 0; cnt--)
  {
    off = off <= last ? off : 0;
    const uint8_t *er = base + off + sizeof(wcx_out_entry_t) + sizeof(wcx_message_header_t);
    const uint8_t *ahead = base + ((off + AHEAD_SZ) & ring);
    __builtin_prefetch(ahead);
    __builtin_prefetch(ahead + 64);
    wcx_say_row_next(out, &row, GONE_SZ);
    wcx_say_head(&row.say, &head);
    wcx_say_deleted_body(&row.say, (uint32_t)wcx_digest_load64(er + offsetof(wcx_execution_report_cancel_t, security_id)),
                         wcx_digest_load64(er + offsetof(wcx_execution_report_cancel_t, order_id)), er[offsetof(wcx_execution_report_cancel_t, side)]);
    off += WCX_CANCELED_SZ;
    for (uint32_t i = 1; i < each; i++)
      off = (off <= last ? off : 0) + WCX_CANCELED_SZ;
  }
  engine->feed_number = head.number;
  wcx_say_row_end(engine, &row);
}

void wcx_notes_flush(wcx_engine_t *engine)
{
  uint64_t pos = engine->notes_from;
  uint32_t left = engine->note_cnt;
  engine->note_cnt = 0;
  for (; left != 0; left--)
  {
    const wcx_out_entry_t *note = wcx_outlog_at(engine->out, pos);
    pos += (uint64_t)note->tag * 16;
    if (note->len == 0)
    {
      say_canceled_gone(engine, note->number, note->input_seq, note->stream_id);
      continue;
    }
    uint16_t block_length = (uint16_t)note->stream_id;
    void *block = wcx_emit_feed(engine, (uint16_t)(note->stream_id >> 16), block_length);
    memcpy(block, (const uint8_t *)note + 40, block_length);
  }
}
