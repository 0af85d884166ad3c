/* What the short way says: messages as blocks of 16 bytes, one behind the other in the output log. A block is put together in a register, stored whole and mixed
   into the output digest from there: reading it back, over two narrower stores, would wait until both have left the store buffer.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Room:       wcx_plain_reserve, for all that a request says; NULL where the ring's end lies in between, or there is no room: the long way knows what to do there.
   Result:     the same bytes and the same digest as emit.h and report.* make.
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
  const uint64_t at = log->write_pos & (log->cap - 1);
  const uint64_t used = log->write_pos - log->sent_pos;
  return __builtin_expect((at > used ? at : used) + sz <= log->cap, 1) ? log->base + at : NULL;
}

WCX_HOT void wcx_plain_put(uint8_t *block, size_t off, uint64_t word)
{
  memcpy(block + off, &word, sizeof(word));
}

/* What is said, under way: where the next message stands, and the lanes of the output digest (out_digest.h), that of the next block first. Who leaves the digest to
   others begins with `at` alone and ends with nothing. */
typedef struct wcx_say
{
  uint8_t *at;
  __m128i lane[4];
} wcx_say_t;

WCX_HOT wcx_say_t wcx_say_begin(const wcx_engine_t *engine, uint8_t *at)
{
  const wcx_out_digest_t *digest = &engine->output_digest;
  return (wcx_say_t){.at = at, .lane = {digest->lane[0], digest->lane[1], digest->lane[2], digest->lane[3]}};
}

/* `from`: as in wcx_say_begin. */
WCX_HOT void wcx_say_end(wcx_engine_t *engine, const wcx_say_t *say, const uint8_t *from)
{
  wcx_out_digest_t *digest = &engine->output_digest;
  const uint64_t sz = (uint64_t)(say->at - from);
  for (uint32_t i = 0; i < 4; i++)
    digest->lane[(sz / 16 + i) & 3] = say->lane[i];
  digest->block_cnt += sz / 16;
  engine->out->write_pos += sz;
}

/* The same within an input of the long way, which has said other things before: for messages that each are a whole turn of the lanes, `block_cnt` blocks in all, wherever
   they lie in the log. */
static inline wcx_say_t wcx_say_join(wcx_engine_t *engine)
{
  wcx_emit_digest(engine);
  wcx_say_t say = {0};
  for (uint32_t i = 0; i < 4; i++)
    say.lane[i] = engine->output_digest.lane[(engine->digested_blocks + i) & 3];
  return say;
}

static inline void wcx_say_part(wcx_engine_t *engine, const wcx_say_t *say, uint64_t block_cnt)
{
  for (uint32_t i = 0; i < 4; i++)
    engine->output_digest.lane[(engine->digested_blocks + i) & 3] = say->lane[i];
  engine->output_digest.block_cnt += block_cnt;
  engine->digested_blocks += (uint32_t)block_cnt;
  engine->digested_pos = engine->out->write_pos;
}

/* The next block, `off` bytes behind the message's begin. */
WCX_HOT void wcx_say_whole(wcx_say_t *say, size_t off, __m128i block)
{
  _mm_storeu_si128((__m128i *)(void *)(say->at + off), block);
  const __m128i mixed = _mm_aesenc_si128(say->lane[0], block);
  say->lane[0] = say->lane[1];
  say->lane[1] = say->lane[2];
  say->lane[2] = say->lane[3];
  say->lane[3] = mixed;
}

WCX_HOT __m128i wcx_say_words(uint64_t low, uint64_t high)
{
  return _mm_insert_epi64(_mm_set_epi64x(0, (long long)low), (long long)high, 1); /* a constant `low` is loaded as a whole block */
}

WCX_HOT void wcx_say_block(wcx_say_t *say, size_t off, uint64_t low, uint64_t high)
{
  wcx_say_whole(say, off, wcx_say_words(low, high));
}

/* Blocks 0 to 2 of every message: the header of its entry, its own, and its time. */
WCX_HOT __m128i wcx_say_entry_block(uint8_t stream, uint32_t stream_id, uint16_t block_length)
{
  const uint32_t len = (uint32_t)sizeof(wcx_message_header_t) + block_length;
  return wcx_say_words((uint64_t)stream << 48 | (uint64_t)len << 32 | wcx_outlog_entry_sz(len), stream_id);
}

WCX_HOT __m128i wcx_say_message_block(const wcx_engine_t *engine, uint16_t template_id, uint16_t block_length)
{
  return wcx_say_words((uint64_t)WCX_SCHEMA_VERSION << 48 | (uint64_t)WCX_SCHEMA_ID << 32 | (uint64_t)template_id << 16 | block_length, engine->stamp_ns);
}

WCX_HOT void wcx_say_open(const wcx_engine_t *engine, wcx_say_t *say, uint8_t stream, uint32_t stream_id, uint64_t number, uint16_t template_id, uint16_t block_length)
{
  wcx_say_whole(say, 0, wcx_say_entry_block(stream, stream_id, block_length));
  wcx_say_block(say, 16, number, engine->seq);
  wcx_say_whole(say, 32, wcx_say_message_block(engine, template_id, block_length));
}

#define WCX_SAY_SESSION(engine, say, session, template_id, type)                                                                                                                   \
  wcx_say_open(engine, say, WCX_STREAM_SESSION, (session)->session_id, (session)->next_server_seq++, template_id, sizeof(type))
#define WCX_SAY_FEED(engine, say, template_id, type) wcx_say_open(engine, say, WCX_STREAM_FEED, (engine)->limits.shard, (engine)->feed_number++, template_id, sizeof(type))

/* Blocks 3 and on, in order: two words that begin with these fields of the message; of the last one, perhaps, a word and the padding. */
#define WCX_SAY_OFF (sizeof(wcx_out_entry_t) + sizeof(wcx_message_header_t))
#define WCX_SAY(say, no, type, low, low_word, high, high_word)                                                                                                                     \
  do                                                                                                                                                                               \
  {                                                                                                                                                                                \
    static_assert(offsetof(type, low) + WCX_SAY_OFF == (no)*16 && offsetof(type, high) == offsetof(type, low) + 8, #type ": " #low " in block " #no);                              \
    wcx_say_block(say, (no)*16, low_word, high_word);                                                                                                                              \
  } while (0)
#define WCX_SAY_LAST(say, no, type, low, low_word)                                                                                                                                 \
  do                                                                                                                                                                               \
  {                                                                                                                                                                                \
    static_assert(offsetof(type, low) + WCX_SAY_OFF == (no)*16 && sizeof(type) == offsetof(type, low) + 8, #type ": " #low " in block " #no);                                      \
    wcx_say_block(say, (no)*16, low_word, 0);                                                                                                                                      \
  } while (0)

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

/* --- the messages ---------------------------------------------------------------------------------------------------------------------------- */

WCX_HOT uint64_t wcx_plain_names(const wcx_plain_new_t *request)
{
  return wcx_digest_load64((const uint8_t *)request + offsetof(wcx_new_order_single_t, security_id)); /* and account */
}

#define ER_NEW wcx_execution_report_new_t
WCX_HOT void wcx_say_new(wcx_engine_t *engine, wcx_say_t *say, wcx_session_t *session, const wcx_plain_new_t *request, uint64_t order_id)
{
  const uint64_t small =
      session->session_id | (uint64_t)request->side << 32 | (uint64_t)WCX_ORD_STATUS_NEW << 40 | (uint64_t)WCX_ORD_TYPE_LIMIT << 48 | (uint64_t)request->time_in_force << 56;
  const uint64_t qty = (uint64_t)request->order_qty;
  WCX_SAY_SESSION(engine, say, session, WCX_TEMPLATE_EXECUTION_REPORT_NEW, ER_NEW);
  WCX_SAY(say, 3, ER_NEW, exec_id, ++engine->exec_id, order_id, order_id);
  WCX_SAY(say, 4, ER_NEW, cl_ord_id, request->cl_ord_id, security_id, wcx_plain_names(request));
  WCX_SAY(say, 5, ER_NEW, session_id, small, price, (uint64_t)request->price);
  WCX_SAY(say, 6, ER_NEW, order_qty, qty, leaves_qty, qty);
  WCX_SAY(say, 7, ER_NEW, display_qty, WCX_NULL_PX_WORD, stop_px, WCX_NULL_PX_WORD);
  WCX_SAY(say, 8, ER_NEW, receive_time, engine->receive_ns, exec_inst, request->exec_inst); /* no prevention */
  WCX_SAY(say, 9, ER_NEW, expire_time, WCX_U64_NULL, min_qty, WCX_NULL_PX_WORD);
  say->at += WCX_ENTRY_SZ(ER_NEW);
}
static_assert(offsetof(ER_NEW, account) == 36 && offsetof(ER_NEW, side) == 44 && offsetof(ER_NEW, ord_type) == 46, "ER_New: words of small fields");
static_assert(offsetof(ER_NEW, self_match_prevention_id) == 100, "ER_New: words of small fields");

WCX_HOT void wcx_say_added(wcx_engine_t *engine, wcx_say_t *say, const wcx_plain_new_t *request, uint64_t order_id, int64_t leaves)
{
  WCX_SAY_FEED(engine, say, WCX_TEMPLATE_ADD_ORDER, wcx_add_order_t);
  WCX_SAY(say, 3, wcx_add_order_t, order_id, order_id, price, (uint64_t)request->price);
  WCX_SAY(say, 4, wcx_add_order_t, display_qty, (uint64_t)leaves, security_id, request->security_id | (uint64_t)request->side << 32);
  say->at += WCX_ENTRY_SZ(wcx_add_order_t);
}
static_assert(offsetof(wcx_add_order_t, side) == 36, "AddOrder: words of small fields");

/* ER_Cancel of an order. An unsolicited one has null for request_cl_ord_id and receive_ns. */
#define ER_CANCEL wcx_execution_report_cancel_t

/* What is the same for all orders of a session: SessionID, OrdStatus, CancelReason. */
WCX_HOT uint64_t wcx_say_canceled_small(const wcx_session_t *session, uint8_t reason)
{
  return session->session_id | (uint64_t)WCX_ORD_STATUS_CANCELED << 40 | (uint64_t)reason << 48;
}

/* Behind its head. */
WCX_HOT void wcx_say_canceled_body(wcx_say_t *say, const wcx_order_t *order, uint64_t exec_id, uint32_t security_id, uint64_t small, uint64_t request_cl_ord_id,
                                   uint64_t receive_ns)
{
  const uint64_t leaves = (uint64_t)order->leaves;
  WCX_SAY(say, 3, ER_CANCEL, exec_id, exec_id, order_id, order->order_id);
  WCX_SAY(say, 4, ER_CANCEL, cl_ord_id, order->cl_ord_id, security_id, security_id | (uint64_t)order->account << 32);
  WCX_SAY(say, 5, ER_CANCEL, session_id, small | (uint64_t)order->side << 32, request_cl_ord_id, request_cl_ord_id);
  WCX_SAY(say, 6, ER_CANCEL, canceled_qty, leaves, cum_qty, (uint64_t)order->order_qty - leaves);
  WCX_SAY_LAST(say, 7, ER_CANCEL, receive_time, receive_ns);
  say->at += WCX_ENTRY_SZ(ER_CANCEL);
}

/* To the order's own session. */
WCX_HOT void wcx_say_canceled(wcx_engine_t *engine, wcx_say_t *say, wcx_session_t *session, const wcx_order_t *order, uint32_t security_id, uint64_t request_cl_ord_id,
                              uint64_t receive_ns, uint8_t reason)
{
  WCX_SAY_SESSION(engine, say, session, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, ER_CANCEL);
  wcx_say_canceled_body(say, order, ++engine->exec_id, security_id, wcx_say_canceled_small(session, reason), request_cl_ord_id, receive_ns);
}
static_assert(offsetof(ER_CANCEL, account) == 36 && offsetof(ER_CANCEL, side) == 44 && offsetof(ER_CANCEL, cancel_reason) == 46, "ER_Cancel: words of small fields");

/* Behind its head. */
WCX_HOT void wcx_say_deleted_body(wcx_say_t *say, uint32_t security_id, uint64_t order_id, uint8_t side)
{
  WCX_SAY(say, 3, wcx_delete_order_t, order_id, order_id, security_id, security_id | (uint64_t)side << 32);
  say->at += WCX_ENTRY_SZ(wcx_delete_order_t);
}

WCX_HOT void wcx_say_deleted(wcx_engine_t *engine, wcx_say_t *say, uint32_t security_id, uint64_t order_id, uint8_t side)
{
  WCX_SAY_FEED(engine, say, WCX_TEMPLATE_DELETE_ORDER, wcx_delete_order_t);
  wcx_say_deleted_body(say, security_id, order_id, side);
}
static_assert(offsetof(wcx_delete_order_t, side) == 20, "DeleteOrder: words of small fields");

/* ER_Replace of an order as it was before; `kept`: it keeps its priority. */
#define ER_REPLACE wcx_execution_report_replace_t
WCX_HOT void wcx_say_replaced(wcx_engine_t *engine, wcx_say_t *say, wcx_session_t *session, const wcx_plain_replace_t *request, const wcx_order_t *order, int64_t cum_qty,
                              bool kept)
{
  const uint64_t small = session->session_id | (uint64_t)order->side << 32 | (uint64_t)(cum_qty == 0 ? WCX_ORD_STATUS_NEW : WCX_ORD_STATUS_PARTIALLY_FILLED) << 40 |
                         (uint64_t)kept << 48; /* flags: bit 0 */
  const uint64_t qty = (uint64_t)request->order_qty;
  WCX_SAY_SESSION(engine, say, session, WCX_TEMPLATE_EXECUTION_REPORT_REPLACE, ER_REPLACE);
  WCX_SAY(say, 3, ER_REPLACE, exec_id, ++engine->exec_id, order_id, order->order_id);
  WCX_SAY(say, 4, ER_REPLACE, cl_ord_id, request->cl_ord_id, security_id, request->security_id | (uint64_t)order->account << 32);
  WCX_SAY(say, 5, ER_REPLACE, session_id, small, orig_cl_ord_id, order->cl_ord_id);
  WCX_SAY(say, 6, ER_REPLACE, price, (uint64_t)request->price, order_qty, qty);
  WCX_SAY(say, 7, ER_REPLACE, leaves_qty, qty - (uint64_t)cum_qty, display_qty, WCX_NULL_PX_WORD);
  WCX_SAY_LAST(say, 8, ER_REPLACE, receive_time, engine->receive_ns);
  say->at += WCX_ENTRY_SZ(ER_REPLACE);
}
static_assert(offsetof(ER_REPLACE, account) == 36 && offsetof(ER_REPLACE, side) == 44 && offsetof(ER_REPLACE, flags) == 46, "ER_Replace: words of small fields");

WCX_HOT void wcx_say_moved(wcx_engine_t *engine, wcx_say_t *say, const wcx_plain_replace_t *request, const wcx_order_t *order, int64_t leaves)
{
  WCX_SAY_FEED(engine, say, WCX_TEMPLATE_REPLACE_ORDER, wcx_replace_order_t);
  WCX_SAY(say, 3, wcx_replace_order_t, order_id, order->order_id, new_order_id, order->order_id);
  WCX_SAY(say, 4, wcx_replace_order_t, price, (uint64_t)request->price, display_qty, (uint64_t)leaves);
  WCX_SAY_LAST(say, 5, wcx_replace_order_t, security_id, request->security_id | (uint64_t)order->side << 32);
  say->at += WCX_ENTRY_SZ(wcx_replace_order_t);
}
static_assert(offsetof(wcx_replace_order_t, side) == 44, "ReplaceOrder: words of small fields");

WCX_HOT void wcx_say_reduced(wcx_engine_t *engine, wcx_say_t *say, const wcx_plain_replace_t *request, const wcx_order_t *order, int64_t leaves)
{
  WCX_SAY_FEED(engine, say, WCX_TEMPLATE_REDUCE_ORDER, wcx_reduce_order_t);
  WCX_SAY(say, 3, wcx_reduce_order_t, order_id, order->order_id, leaves_qty, (uint64_t)leaves);
  WCX_SAY_LAST(say, 4, wcx_reduce_order_t, security_id, request->security_id | (uint64_t)order->side << 32);
  say->at += WCX_ENTRY_SZ(wcx_reduce_order_t);
}
static_assert(offsetof(wcx_reduce_order_t, side) == 28, "ReduceOrder: words of small fields");

#endif
