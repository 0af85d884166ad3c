/* What the short way says: messages as 64-bit words, one behind the other in the output log, digested where they lie.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Room:       wcx_plain_reserve, for all that a request says; NULL where the ring's end lies in between: the long way knows what to do there.
   Result:     the same bytes as emit.h and report.* write: wcx_plain_open a header, the caller each word of the block.
   Pinned by:  tests/property/test_engine_invariants.c, tests/diff. */
#ifndef WCX_ENGINE_PLAIN_SAY_H
#define WCX_ENGINE_PLAIN_SAY_H

#include "engine/emit.h"

#define WCX_HOT static inline __attribute__((always_inline))
#define WCX_NULL_PX_WORD ((uint64_t)WCX_I64_NULL)
#define WCX_ENTRY_SZ(type) ((uint32_t)WCX_EMIT_SZ(type))

/* Fields of requests are read where they lie, in whatever alignment. */
typedef wcx_new_order_single_t wcx_plain_new_t __attribute__((aligned(1)));
typedef wcx_order_cancel_request_t wcx_plain_cancel_t __attribute__((aligned(1)));
typedef wcx_order_cancel_replace_request_t wcx_plain_replace_t __attribute__((aligned(1)));

WCX_HOT uint8_t *wcx_plain_reserve(const wcx_outlog_t *log, uint32_t sz)
{
  uint64_t at = log->write_pos & (log->cap - 1);
  if (__builtin_expect(log->cap - at < sz, 0))
    return NULL;
  WCX_CHECK(log->write_pos + sz - log->sent_pos <= log->cap, "output log overrun: write %llu sent %llu cap %llu", (unsigned long long)log->write_pos,
            (unsigned long long)log->sent_pos, (unsigned long long)log->cap);
  return log->base + at;
}

WCX_HOT void wcx_plain_put(uint8_t *block, size_t off, uint64_t word)
{
  memcpy(block + off, &word, sizeof(word));
}

/* Header of an entry; returns where its block begins. */
WCX_HOT uint8_t *wcx_plain_open(uint8_t *at, uint64_t seq, uint8_t stream, uint32_t stream_id, uint64_t number, uint16_t template_id, uint16_t block_length)
{
  uint32_t len = (uint32_t)sizeof(wcx_message_header_t) + block_length;
  uint32_t sz = wcx_outlog_entry_sz(len);
  wcx_plain_put(at, 0, (uint64_t)stream << 48 | (uint64_t)len << 32 | sz);
  wcx_plain_put(at, 8, stream_id);
  wcx_plain_put(at, 16, number);
  wcx_plain_put(at, 24, seq);
  wcx_plain_put(at, 32, (uint64_t)WCX_SCHEMA_VERSION << 48 | (uint64_t)WCX_SCHEMA_ID << 32 | (uint64_t)template_id << 16 | block_length);
  if ((len & 15) != 0)
    wcx_plain_put(at, sz - 8, 0);
  return at + sizeof(wcx_out_entry_t) + sizeof(wcx_message_header_t);
}

/* `sz` is a constant: all blocks of it in a row, without a loop. Ends what a request says. */
WCX_HOT void wcx_plain_said(wcx_engine_t *engine, const uint8_t *at, uint32_t sz)
{
  wcx_out_digest_t *digest = &engine->output_digest;
  __m128i a = digest->lane[0], b = digest->lane[1], c = digest->lane[2], d = digest->lane[3];
#pragma GCC unroll 8
  for (uint32_t i = 0; i < sz / 64; i++)
  {
    a = _mm_aesenc_si128(a, wcx_out_digest_load(at + i * 64));
    b = _mm_aesenc_si128(b, wcx_out_digest_load(at + i * 64 + 16));
    c = _mm_aesenc_si128(c, wcx_out_digest_load(at + i * 64 + 32));
    d = _mm_aesenc_si128(d, wcx_out_digest_load(at + i * 64 + 48));
  }
  const uint8_t *rest = at + sz / 64 * 64;
  digest->lane[0] = sz % 64 >= 16 ? _mm_aesenc_si128(a, wcx_out_digest_load(rest)) : a;
  digest->lane[1] = sz % 64 >= 32 ? _mm_aesenc_si128(b, wcx_out_digest_load(rest + 16)) : b;
  digest->lane[2] = sz % 64 >= 48 ? _mm_aesenc_si128(c, wcx_out_digest_load(rest + 32)) : c;
  digest->lane[3] = d;
  digest->block_cnt += sz / 16;
  engine->out->write_pos += sz;
}

/* The end of a request that was taken. */
WCX_HOT void wcx_plain_done(wcx_engine_t *engine, wcx_session_t *session, const wcx_record_hdr_t *hdr)
{
  if (__builtin_expect((hdr->flags & WCX_RECORD_F_TCP) == 0, 1))
    session->next_client_seq = hdr->client_seq + 1;
  if (__builtin_expect(!session->dirty, 0))
  {
    wcx_session_touch(engine, session);
    if (engine->dirty_cnt >= WCX_DIRTY_MAX)
      wcx_state_settle(engine);
  }
}

/* --- the messages: each writes an entry at `at` and returns where the next one stands ------------------------------------------------------ */

#define ER_NEW(field) offsetof(wcx_execution_report_new_t, field)
WCX_HOT uint8_t *wcx_say_new(wcx_engine_t *engine, wcx_session_t *session, uint8_t *at, const wcx_plain_new_t *request, uint64_t order_id)
{
  uint8_t *er =
      wcx_plain_open(at, engine->seq, WCX_STREAM_SESSION, session->session_id, session->next_server_seq++, WCX_TEMPLATE_EXECUTION_REPORT_NEW, sizeof(wcx_execution_report_new_t));
  wcx_plain_put(er, ER_NEW(transact_time), engine->stamp_ns);
  wcx_plain_put(er, ER_NEW(exec_id), ++engine->exec_id);
  wcx_plain_put(er, ER_NEW(order_id), order_id);
  wcx_plain_put(er, ER_NEW(cl_ord_id), request->cl_ord_id);
  wcx_plain_put(er, ER_NEW(security_id), wcx_digest_load64((const uint8_t *)request + offsetof(wcx_new_order_single_t, security_id))); /* and account */
  wcx_plain_put(er, ER_NEW(session_id),
                session->session_id | (uint64_t)request->side << 32 | (uint64_t)WCX_ORD_STATUS_NEW << 40 | (uint64_t)WCX_ORD_TYPE_LIMIT << 48 |
                    (uint64_t)request->time_in_force << 56);
  wcx_plain_put(er, ER_NEW(price), (uint64_t)request->price);
  wcx_plain_put(er, ER_NEW(order_qty), (uint64_t)request->order_qty);
  wcx_plain_put(er, ER_NEW(leaves_qty), (uint64_t)request->order_qty);
  wcx_plain_put(er, ER_NEW(display_qty), WCX_NULL_PX_WORD);
  wcx_plain_put(er, ER_NEW(stop_px), WCX_NULL_PX_WORD);
  wcx_plain_put(er, ER_NEW(receive_time), engine->receive_ns);
  wcx_plain_put(er, ER_NEW(exec_inst), request->exec_inst); /* no prevention */
  wcx_plain_put(er, ER_NEW(expire_time), WCX_U64_NULL);
  wcx_plain_put(er, ER_NEW(min_qty), WCX_NULL_PX_WORD);
  return at + WCX_ENTRY_SZ(wcx_execution_report_new_t);
}
static_assert(ER_NEW(account) == 36 && ER_NEW(side) == 44 && ER_NEW(ord_type) == 46, "ER_New: words of small fields");
static_assert(ER_NEW(exec_inst) == 96 && ER_NEW(self_match_prevention_id) == 100, "ER_New: words of small fields");

WCX_HOT uint8_t *wcx_say_added(wcx_engine_t *engine, uint8_t *at, const wcx_plain_new_t *request, uint64_t order_id, int64_t leaves)
{
  uint8_t *md = wcx_plain_open(at, engine->seq, WCX_STREAM_FEED, engine->limits.shard, engine->feed_number++, WCX_TEMPLATE_ADD_ORDER, sizeof(wcx_add_order_t));
  wcx_plain_put(md, offsetof(wcx_add_order_t, transact_time), engine->stamp_ns);
  wcx_plain_put(md, offsetof(wcx_add_order_t, order_id), order_id);
  wcx_plain_put(md, offsetof(wcx_add_order_t, price), (uint64_t)request->price);
  wcx_plain_put(md, offsetof(wcx_add_order_t, display_qty), (uint64_t)leaves);
  wcx_plain_put(md, offsetof(wcx_add_order_t, security_id), request->security_id | (uint64_t)request->side << 32);
  return at + WCX_ENTRY_SZ(wcx_add_order_t);
}
static_assert(offsetof(wcx_add_order_t, side) == 36, "AddOrder: words of small fields");

/* ER_Cancel to an order's own session. An unsolicited one has null for request_cl_ord_id and receive_ns. */
#define ER_CANCEL(field) offsetof(wcx_execution_report_cancel_t, field)
WCX_HOT uint8_t *wcx_say_canceled(wcx_engine_t *engine, wcx_session_t *session, uint8_t *at, const wcx_order_t *order, uint32_t security_id, uint64_t request_cl_ord_id,
                                  uint64_t receive_ns, uint8_t reason)
{
  uint8_t *er = wcx_plain_open(at, engine->seq, WCX_STREAM_SESSION, session->session_id, session->next_server_seq++, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL,
                               sizeof(wcx_execution_report_cancel_t));
  wcx_plain_put(er, ER_CANCEL(transact_time), engine->stamp_ns);
  wcx_plain_put(er, ER_CANCEL(exec_id), ++engine->exec_id);
  wcx_plain_put(er, ER_CANCEL(order_id), order->order_id);
  wcx_plain_put(er, ER_CANCEL(cl_ord_id), order->cl_ord_id);
  wcx_plain_put(er, ER_CANCEL(security_id), security_id | (uint64_t)order->account << 32);
  wcx_plain_put(er, ER_CANCEL(session_id), session->session_id | (uint64_t)order->side << 32 | (uint64_t)WCX_ORD_STATUS_CANCELED << 40 | (uint64_t)reason << 48);
  wcx_plain_put(er, ER_CANCEL(request_cl_ord_id), request_cl_ord_id);
  wcx_plain_put(er, ER_CANCEL(canceled_qty), (uint64_t)order->leaves);
  wcx_plain_put(er, ER_CANCEL(cum_qty), (uint64_t)(order->order_qty - order->leaves));
  wcx_plain_put(er, ER_CANCEL(receive_time), receive_ns);
  return at + WCX_ENTRY_SZ(wcx_execution_report_cancel_t);
}
static_assert(ER_CANCEL(account) == 36 && ER_CANCEL(side) == 44 && ER_CANCEL(cancel_reason) == 46, "ER_Cancel: words of small fields");

WCX_HOT uint8_t *wcx_say_deleted(wcx_engine_t *engine, uint8_t *at, uint32_t security_id, uint64_t order_id, uint8_t side)
{
  uint8_t *md = wcx_plain_open(at, engine->seq, WCX_STREAM_FEED, engine->limits.shard, engine->feed_number++, WCX_TEMPLATE_DELETE_ORDER, sizeof(wcx_delete_order_t));
  wcx_plain_put(md, offsetof(wcx_delete_order_t, transact_time), engine->stamp_ns);
  wcx_plain_put(md, offsetof(wcx_delete_order_t, order_id), order_id);
  wcx_plain_put(md, offsetof(wcx_delete_order_t, security_id), security_id | (uint64_t)side << 32);
  return at + WCX_ENTRY_SZ(wcx_delete_order_t);
}
static_assert(offsetof(wcx_delete_order_t, side) == 20, "DeleteOrder: words of small fields");

/* ER_Replace and ReplaceOrder of an order as it was before. */
#define ER_REPLACE(field) offsetof(wcx_execution_report_replace_t, field)
WCX_HOT uint8_t *wcx_say_replaced(wcx_engine_t *engine, wcx_session_t *session, uint8_t *at, const wcx_plain_replace_t *request, const wcx_order_t *order, int64_t cum_qty)
{
  uint8_t *er = wcx_plain_open(at, engine->seq, WCX_STREAM_SESSION, session->session_id, session->next_server_seq++, WCX_TEMPLATE_EXECUTION_REPORT_REPLACE,
                               sizeof(wcx_execution_report_replace_t));
  wcx_plain_put(er, ER_REPLACE(transact_time), engine->stamp_ns);
  wcx_plain_put(er, ER_REPLACE(exec_id), ++engine->exec_id);
  wcx_plain_put(er, ER_REPLACE(order_id), order->order_id);
  wcx_plain_put(er, ER_REPLACE(cl_ord_id), request->cl_ord_id);
  wcx_plain_put(er, ER_REPLACE(security_id), request->security_id | (uint64_t)order->account << 32);
  wcx_plain_put(er, ER_REPLACE(session_id),
                session->session_id | (uint64_t)order->side << 32 | (uint64_t)(cum_qty == 0 ? WCX_ORD_STATUS_NEW : WCX_ORD_STATUS_PARTIALLY_FILLED) << 40);
  wcx_plain_put(er, ER_REPLACE(orig_cl_ord_id), order->cl_ord_id);
  wcx_plain_put(er, ER_REPLACE(price), (uint64_t)request->price);
  wcx_plain_put(er, ER_REPLACE(order_qty), (uint64_t)request->order_qty);
  wcx_plain_put(er, ER_REPLACE(leaves_qty), (uint64_t)(request->order_qty - cum_qty));
  wcx_plain_put(er, ER_REPLACE(display_qty), WCX_NULL_PX_WORD);
  wcx_plain_put(er, ER_REPLACE(receive_time), engine->receive_ns);
  return at + WCX_ENTRY_SZ(wcx_execution_report_replace_t);
}
static_assert(ER_REPLACE(account) == 36 && ER_REPLACE(side) == 44 && ER_REPLACE(flags) == 46, "ER_Replace: words of small fields");

WCX_HOT uint8_t *wcx_say_moved(wcx_engine_t *engine, uint8_t *at, const wcx_plain_replace_t *request, const wcx_order_t *order, int64_t leaves)
{
  uint8_t *md = wcx_plain_open(at, engine->seq, WCX_STREAM_FEED, engine->limits.shard, engine->feed_number++, WCX_TEMPLATE_REPLACE_ORDER, sizeof(wcx_replace_order_t));
  wcx_plain_put(md, offsetof(wcx_replace_order_t, transact_time), engine->stamp_ns);
  wcx_plain_put(md, offsetof(wcx_replace_order_t, order_id), order->order_id);
  wcx_plain_put(md, offsetof(wcx_replace_order_t, new_order_id), order->order_id);
  wcx_plain_put(md, offsetof(wcx_replace_order_t, price), (uint64_t)request->price);
  wcx_plain_put(md, offsetof(wcx_replace_order_t, display_qty), (uint64_t)leaves);
  wcx_plain_put(md, offsetof(wcx_replace_order_t, security_id), request->security_id | (uint64_t)order->side << 32);
  return at + WCX_ENTRY_SZ(wcx_replace_order_t);
}
static_assert(offsetof(wcx_replace_order_t, side) == 44, "ReplaceOrder: words of small fields");

#endif
