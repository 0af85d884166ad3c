#include "engine/plain.h"

#include "engine/book.h"
#include "engine/emit.h"

#define NULL_PX ((uint64_t)WCX_I64_NULL)
#define HOT static inline __attribute__((always_inline))

/* Fields of requests are read where they lie, in whatever alignment. */
typedef wcx_new_order_single_t new_t __attribute__((aligned(1)));
typedef wcx_order_cancel_request_t cancel_t __attribute__((aligned(1)));
typedef wcx_order_cancel_replace_request_t replace_t __attribute__((aligned(1)));

/* --- what makes a request plain ----------------------------------------------------------------------------------------------------------- */

/* The same for an instrument whose increment or lot is not 1, or a price or quantity that is not everyday's. */
static bool within_all_terms(const wcx_instrument_t *instrument, int64_t price, int64_t qty, uint64_t *px_idx)
{
  uint64_t px_rest, lot_rest;
  if (price <= 0 || qty <= 0)
    return false;
  *px_idx = wcx_divide(&instrument->increment, (uint64_t)price, &px_rest);
  wcx_divide(&instrument->lot, (uint64_t)qty, &lot_rest);
  wcx_u128_t product = (wcx_u128_t)(uint64_t)price * (uint64_t)qty;
  return (px_rest | lot_rest) == 0 && price >= instrument->px_low && price <= instrument->px_high && qty >= instrument->definition.min_trade_vol &&
         (instrument->definition.max_trade_vol == 0 || qty <= instrument->definition.max_trade_vol) && product >= instrument->product_min && product <= instrument->product_max &&
         product <= instrument->product_overflow;
}

HOT bool within_terms(const wcx_instrument_t *instrument, int64_t price, int64_t qty, uint64_t *px_idx)
{
  *px_idx = (uint64_t)price;
  bool everyday = (uint64_t)price - 1 < instrument->plain_px_max && (uint64_t)qty - 1 < instrument->plain_qty_max && (instrument->flags & WCX_INSTRUMENT_F_UNIT) != 0;
  return __builtin_expect(everyday, 1) || within_all_terms(instrument, price, qty, px_idx);
}

HOT bool has_levels(const wcx_engine_t *engine)
{
  return engine->ladders.level_live - engine->stop_level_cnt < engine->capacity.max_levels;
}

/* The market takes any order now, and an account may send it. */
HOT bool within_standing(const wcx_session_t *session, const wcx_account_t *account, const wcx_instrument_t *instrument)
{
  return session->lock == 0 && account->plain && (instrument->flags & WCX_INSTRUMENT_F_PLAIN) != 0;
}

HOT bool crosses(const wcx_engine_t *engine, const wcx_instrument_t *instrument, uint8_t side, int64_t price)
{
  uint32_t best = instrument->side[2 - side].best;
  return best != 0 && wcx_book_crosses(side, price, engine->ladders.levels[best].price);
}

/* Words of a new order that hold several small fields, as they are in a plain one. */
#define KIND ((uint64_t)WCX_ORD_TYPE_LIMIT << 40 | (uint64_t)WCX_TIME_IN_FORCE_GTC << 48)
#define KIND_SIDE (UINT64_C(0xff) << 32)
static_assert(offsetof(wcx_new_order_single_t, self_match_prevention_id) == 64 && offsetof(wcx_new_order_single_t, side) == 68, "new order: word of small fields");
static_assert(offsetof(wcx_new_order_single_t, ord_type) == 69 && offsetof(wcx_new_order_single_t, time_in_force) == 70, "new order: word of small fields");
static_assert(offsetof(wcx_new_order_single_t, self_match_prevention_inst) == 71, "new order: word of small fields");
static_assert(offsetof(wcx_new_order_single_t, exec_inst) == 72 && offsetof(wcx_new_order_single_t, mmp_group) == 74, "new order: exec_inst and mmp_group are one word");
static_assert(offsetof(wcx_new_order_single_t, security_id) == 56 && offsetof(wcx_new_order_single_t, account) == 60, "new order: as in a report");

HOT bool is_plain(const new_t *request)
{
  uint64_t kind = wcx_digest_load64((const uint8_t *)request + 64);
  uint32_t inst_group = (uint32_t)wcx_digest_load64((const uint8_t *)request + 72);
  uint64_t given = ((uint64_t)request->display_qty ^ NULL_PX) | ((uint64_t)request->min_qty ^ NULL_PX) | ((uint64_t)request->stop_px ^ NULL_PX) | ((kind & ~KIND_SIDE) ^ KIND) |
                   (inst_group & ~(uint32_t)WCX_EXEC_INST_CANCEL_ON_DISCONNECT);
  return given == 0 && (uint8_t)(request->side - 1) <= 1;
}

/* --- saying it ------------------------------------------------------------------------------------------------------------------------------ */

/* A plain request says one report and one feed message, one behind the other. Both are written as 64-bit words, and digested where they lie. */
#define ENTRY_SZ(type) ((uint32_t)WCX_EMIT_SZ(type))
#define AT_BLOCK (sizeof(wcx_out_entry_t) + sizeof(wcx_message_header_t))

/* Room for both, or NULL where the ring's end lies between: the long way knows what to do there. */
HOT uint8_t *reserve(wcx_outlog_t *log, uint32_t sz)
{
  uint64_t at = log->write_pos & (log->cap - 1);
  if (__builtin_expect(log->cap - at < sz, 0))
    return NULL;
  WCX_CHECK(log->write_pos + sz - log->sent_pos <= log->cap, "output log overrun: write %llu sent %llu cap %llu", (unsigned long long)log->write_pos,
            (unsigned long long)log->sent_pos, (unsigned long long)log->cap);
  return log->base + at;
}

HOT void put(uint8_t *block, size_t off, uint64_t word)
{
  memcpy(block + off, &word, sizeof(word));
}

/* Header of an entry; returns where its block begins. */
HOT uint8_t *open_entry(uint8_t *at, uint64_t seq, uint8_t stream, uint32_t stream_id, uint64_t number, uint16_t template_id, uint16_t block_length)
{
  uint32_t len = (uint32_t)sizeof(wcx_message_header_t) + block_length;
  uint32_t sz = wcx_outlog_entry_sz(len);
  put(at, 0, (uint64_t)stream << 48 | (uint64_t)len << 32 | sz);
  put(at, 8, stream_id);
  put(at, 16, number);
  put(at, 24, seq);
  put(at, 32, (uint64_t)WCX_SCHEMA_VERSION << 48 | (uint64_t)WCX_SCHEMA_ID << 32 | (uint64_t)template_id << 16 | block_length);
  if ((len & 15) != 0)
    put(at, sz - 8, 0);
  return at + AT_BLOCK;
}

HOT void said(wcx_engine_t *engine, const uint8_t *at, uint32_t sz)
{
  wcx_out_digest_t *digest = &engine->output_digest;
  __m128i lane[4] = {digest->lane[0], digest->lane[1], digest->lane[2], digest->lane[3]};
#pragma GCC unroll 16
  for (uint32_t i = 0; i < sz / 16; i++)
    lane[i & 3] = _mm_aesenc_si128(lane[i & 3], wcx_out_digest_load(at + i * 16));
  for (uint32_t i = 0; i < 4; i++)
    digest->lane[i] = lane[i];
  digest->block_cnt += sz / 16;
  engine->out->write_pos += sz;
}

/* --- moving orders -------------------------------------------------------------------------------------------------------------------------- */

/* To the end of a level, which is made when it is not there. Slot 0 is nobody: its links are nobody's. */
HOT uint32_t join_level(wcx_engine_t *engine, wcx_instrument_t *instrument, uint8_t side, uint32_t slot, uint64_t px_idx, int64_t price, int64_t leaves)
{
  wcx_ladder_t *ladder = wcx_book_side(instrument, side);
  uint64_t key = wcx_book_key(side, px_idx);
  uint32_t level_slot = wcx_ladder_find(&engine->ladders, ladder, key);
  if (level_slot == 0)
    level_slot = wcx_ladder_insert(&engine->ladders, ladder, key, price);
  wcx_level_t *level = &engine->ladders.levels[level_slot];
  wcx_order_t *order = &engine->pool.orders[slot];
  uint32_t tail = level->tail;
  order->level = level_slot;
  order->next = 0;
  order->prev = tail;
  engine->pool.orders[tail].next = slot;
  level->head = tail != 0 ? level->head : slot;
  level->tail = slot;
  level->order_cnt++;
  level->displayed += (uint64_t)leaves;
  ladder->order_cnt++;
  return level_slot;
}

HOT void leave_level(wcx_engine_t *engine, wcx_instrument_t *instrument, const wcx_order_t *order, wcx_level_t *level)
{
  wcx_ladder_t *ladder = wcx_book_side(instrument, order->side);
  uint32_t next = order->next;
  uint32_t prev = order->prev;
  engine->pool.orders[prev].next = next;
  engine->pool.orders[next].prev = prev;
  level->head = prev != 0 ? level->head : next;
  level->tail = next != 0 ? level->tail : prev;
  level->displayed -= (uint64_t)order->leaves;
  ladder->order_cnt--;
  level->order_cnt--;
  if ((level->head | level->hidden_head) == 0)
    wcx_ladder_remove(&engine->ladders, ladder, order->level);
}

HOT void list_append(wcx_pool_t *pool, wcx_session_t *session, uint32_t slot)
{
  uint32_t tail = session->order_tail;
  pool->links[slot] = (wcx_order_links_t){.next = 0, .prev = tail};
  pool->links[tail].next = slot;
  session->order_head = tail != 0 ? session->order_head : slot;
  session->order_tail = slot;
  session->open_orders++;
}

HOT void list_remove(wcx_pool_t *pool, wcx_session_t *session, uint32_t slot)
{
  wcx_order_links_t at = pool->links[slot];
  pool->links[at.prev].next = at.next;
  pool->links[at.next].prev = at.prev;
  session->order_head = at.prev != 0 ? session->order_head : at.next;
  session->order_tail = at.next != 0 ? session->order_tail : at.prev;
  session->open_orders--;
}

/* Words of an order's line: [level, session] and [account, instrument, side, flags]. */
static_assert(offsetof(wcx_order_t, session) == offsetof(wcx_order_t, level) + 4, "order: word of level and session");
static_assert(offsetof(wcx_order_t, instrument) == 60 && offsetof(wcx_order_t, side) == 62 && offsetof(wcx_order_t, flags) == 63, "order: word of the owner");

HOT uint64_t owner_word(uint32_t account, uint32_t instrument, uint8_t side, uint8_t flags)
{
  return account | (uint64_t)instrument << 32 | (uint64_t)side << 48 | (uint64_t)flags << 56;
}

/* wcx_order_hash from what is at hand: reading a line back that has just been written would wait for it. */
HOT wcx_digest_t hash_of(uint64_t leaves, uint64_t order_qty, uint64_t priority, uint64_t order_id, uint64_t cl_ord_id, uint64_t price, uint32_t session, uint64_t owner)
{
  return wcx_blocks4_hash(_mm_set_epi64x((long long)order_qty, (long long)leaves), _mm_set_epi64x((long long)order_id, (long long)priority),
                          _mm_set_epi64x((long long)price, (long long)cl_ord_id), _mm_set_epi64x((long long)owner, (long long)session << 32));
}

HOT uint8_t flags_of(uint16_t exec_inst)
{
  return (exec_inst & WCX_EXEC_INST_CANCEL_ON_DISCONNECT) != 0 ? WCX_ORDER_F_COD : 0;
}

/* --- new ------------------------------------------------------------------------------------------------------------------------------------ */

bool wcx_plain_new(wcx_engine_t *engine, wcx_session_t *session, const void *body)
{
  const new_t *request = body;
  uint32_t instrument_idx = wcx_idmap_find(&engine->instrument_map, request->security_id);
  uint32_t account_idx = wcx_idmap_find(&engine->account_map, request->account);
  if (!is_plain(request) || instrument_idx == WCX_IDX_NONE || account_idx == WCX_IDX_NONE)
    return false;
  wcx_instrument_t *instrument = &engine->instruments[instrument_idx];
  const int64_t price = request->price;
  const int64_t qty = request->order_qty;
  const uint64_t cl_ord_id = request->cl_ord_id;
  const uint8_t side = request->side;
  const uint32_t sz = ENTRY_SZ(wcx_execution_report_new_t) + ENTRY_SZ(wcx_add_order_t);
  uint8_t *at = reserve(engine->out, sz);
  uint64_t px_idx;
  if (at == NULL || cl_ord_id <= session->last_cl_ord_id || !wcx_session_entitled(session, request->account) ||
      !within_standing(session, &engine->accounts[account_idx], instrument) || engine->pool.live >= engine->capacity.max_orders || !has_levels(engine) ||
      !within_terms(instrument, price, qty, &px_idx) || crosses(engine, instrument, side, price))
    return false;
  uint32_t slot = wcx_pool_alloc(&engine->pool);
  if (slot == 0)
    return false;

  const uint64_t seq = engine->seq;
  const uint64_t stamp_ns = engine->stamp_ns;
  const uint32_t session_idx = (uint32_t)(session - engine->sessions);
  wcx_order_t *order = &engine->pool.orders[slot];
  const uint64_t order_id = order->order_id;
  session->last_cl_ord_id = cl_ord_id;
  order->leaves = qty;
  order->order_qty = qty;
  order->priority = seq;
  order->cl_ord_id = cl_ord_id;
  const uint64_t owner = owner_word(request->account, instrument_idx, side, flags_of(request->exec_inst));
  put((uint8_t *)order, offsetof(wcx_order_t, account), owner);
  order->session = session_idx;
  join_level(engine, instrument, side, slot, px_idx, price, qty);
  list_append(&engine->pool, session, slot);
  wcx_index_add(&engine->index, session_idx, cl_ord_id, slot);

  uint8_t *er = open_entry(at, seq, WCX_STREAM_SESSION, session->session_id, session->next_server_seq++, WCX_TEMPLATE_EXECUTION_REPORT_NEW, sizeof(wcx_execution_report_new_t));
  put(er, offsetof(wcx_execution_report_new_t, transact_time), stamp_ns);
  put(er, offsetof(wcx_execution_report_new_t, exec_id), ++engine->exec_id);
  put(er, offsetof(wcx_execution_report_new_t, order_id), order_id);
  put(er, offsetof(wcx_execution_report_new_t, cl_ord_id), cl_ord_id);
  put(er, offsetof(wcx_execution_report_new_t, security_id), wcx_digest_load64((const uint8_t *)request + 56)); /* and account */
  put(er, offsetof(wcx_execution_report_new_t, session_id),
      session->session_id | (uint64_t)side << 32 | (uint64_t)WCX_ORD_STATUS_NEW << 40 | (uint64_t)WCX_ORD_TYPE_LIMIT << 48 | (uint64_t)WCX_TIME_IN_FORCE_GTC << 56);
  put(er, offsetof(wcx_execution_report_new_t, price), (uint64_t)price);
  put(er, offsetof(wcx_execution_report_new_t, order_qty), (uint64_t)qty);
  put(er, offsetof(wcx_execution_report_new_t, leaves_qty), (uint64_t)qty);
  put(er, offsetof(wcx_execution_report_new_t, display_qty), NULL_PX);
  put(er, offsetof(wcx_execution_report_new_t, stop_px), NULL_PX);
  put(er, offsetof(wcx_execution_report_new_t, receive_time), engine->receive_ns);
  put(er, offsetof(wcx_execution_report_new_t, exec_inst), request->exec_inst); /* no prevention */
  put(er, offsetof(wcx_execution_report_new_t, expire_time), WCX_U64_NULL);
  put(er, offsetof(wcx_execution_report_new_t, min_qty), NULL_PX);

  uint8_t *md =
      open_entry(at + ENTRY_SZ(wcx_execution_report_new_t), seq, WCX_STREAM_FEED, engine->limits.shard, engine->feed_number++, WCX_TEMPLATE_ADD_ORDER, sizeof(wcx_add_order_t));
  put(md, offsetof(wcx_add_order_t, transact_time), stamp_ns);
  put(md, offsetof(wcx_add_order_t, order_id), order_id);
  put(md, offsetof(wcx_add_order_t, price), (uint64_t)price);
  put(md, offsetof(wcx_add_order_t, display_qty), (uint64_t)qty);
  put(md, offsetof(wcx_add_order_t, security_id), request->security_id | (uint64_t)side << 32);
  wcx_digest_add(&engine->order_digest, hash_of((uint64_t)qty, (uint64_t)qty, seq, order_id, cl_ord_id, (uint64_t)price, session_idx, owner));
  said(engine, at, sz);
  return true;
}
static_assert(offsetof(wcx_execution_report_new_t, account) == 36 && offsetof(wcx_execution_report_new_t, side) == 44 && offsetof(wcx_execution_report_new_t, ord_type) == 46,
              "ER_New: words of small fields");
static_assert(offsetof(wcx_execution_report_new_t, exec_inst) == 96 && offsetof(wcx_execution_report_new_t, self_match_prevention_id) == 100, "ER_New: words of small fields");
static_assert(offsetof(wcx_add_order_t, side) == 36, "AddOrder: words of small fields");

/* --- cancel --------------------------------------------------------------------------------------------------------------------------------- */

/* The plain order of its own that a request of this session names, in continuous trading; or 0. */
HOT uint32_t own_plain(const wcx_engine_t *engine, uint32_t session_idx, uint64_t orig_cl_ord_id, uint64_t order_id, uint32_t security_id)
{
  uint32_t slot = order_id != WCX_U64_NULL ? wcx_pool_find(&engine->pool, order_id) : wcx_index_find(&engine->index, engine->pool.orders, session_idx, orig_cl_ord_id);
  const wcx_order_t *order = &engine->pool.orders[slot];
  const wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  bool fine = slot != 0 && order->session == session_idx && (order->flags & ~WCX_ORDER_F_COD) == 0 && instrument->security_id == security_id &&
              (instrument->flags & WCX_INSTRUMENT_F_PLAIN) != 0;
  return fine ? slot : 0;
}

bool wcx_plain_cancel(wcx_engine_t *engine, wcx_session_t *session, const void *body)
{
  const cancel_t *request = body;
  const uint32_t session_idx = (uint32_t)(session - engine->sessions);
  const uint64_t cl_ord_id = request->cl_ord_id;
  const uint32_t sz = ENTRY_SZ(wcx_execution_report_cancel_t) + ENTRY_SZ(wcx_delete_order_t);
  uint8_t *at = reserve(engine->out, sz);
  if (at == NULL || cl_ord_id <= session->last_cl_ord_id)
    return false;
  uint32_t slot = own_plain(engine, session_idx, request->orig_cl_ord_id, request->order_id, request->security_id);
  if (slot == 0)
    return false;

  const uint64_t seq = engine->seq;
  const uint64_t stamp_ns = engine->stamp_ns;
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_level_t *level = &engine->ladders.levels[order->level];
  const uint64_t order_id = order->order_id;
  const uint8_t side = order->side;
  session->last_cl_ord_id = cl_ord_id;
  uint8_t *er =
      open_entry(at, seq, WCX_STREAM_SESSION, session->session_id, session->next_server_seq++, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, sizeof(wcx_execution_report_cancel_t));
  put(er, offsetof(wcx_execution_report_cancel_t, transact_time), stamp_ns);
  put(er, offsetof(wcx_execution_report_cancel_t, exec_id), ++engine->exec_id);
  put(er, offsetof(wcx_execution_report_cancel_t, order_id), order_id);
  put(er, offsetof(wcx_execution_report_cancel_t, cl_ord_id), order->cl_ord_id);
  put(er, offsetof(wcx_execution_report_cancel_t, security_id), request->security_id | (uint64_t)order->account << 32);
  put(er, offsetof(wcx_execution_report_cancel_t, session_id),
      session->session_id | (uint64_t)side << 32 | (uint64_t)WCX_ORD_STATUS_CANCELED << 40 | (uint64_t)WCX_CANCEL_REASON_USER_REQUESTED << 48);
  put(er, offsetof(wcx_execution_report_cancel_t, request_cl_ord_id), cl_ord_id);
  put(er, offsetof(wcx_execution_report_cancel_t, canceled_qty), (uint64_t)order->leaves);
  put(er, offsetof(wcx_execution_report_cancel_t, cum_qty), (uint64_t)(order->order_qty - order->leaves));
  put(er, offsetof(wcx_execution_report_cancel_t, receive_time), engine->receive_ns);

  uint8_t *md = open_entry(at + ENTRY_SZ(wcx_execution_report_cancel_t), seq, WCX_STREAM_FEED, engine->limits.shard, engine->feed_number++, WCX_TEMPLATE_DELETE_ORDER,
                           sizeof(wcx_delete_order_t));
  put(md, offsetof(wcx_delete_order_t, transact_time), stamp_ns);
  put(md, offsetof(wcx_delete_order_t, order_id), order_id);
  put(md, offsetof(wcx_delete_order_t, security_id), request->security_id | (uint64_t)side << 32);

  wcx_digest_sub(&engine->order_digest, wcx_order_hash(order, level->price));
  wcx_index_remove(&engine->index, session_idx, order->cl_ord_id, slot);
  list_remove(&engine->pool, session, slot);
  leave_level(engine, &engine->instruments[order->instrument], order, level);
  wcx_pool_free(&engine->pool, slot);
  said(engine, at, sz);
  return true;
}
static_assert(offsetof(wcx_execution_report_cancel_t, account) == 36 && offsetof(wcx_execution_report_cancel_t, side) == 44, "ER_Cancel: words of small fields");
static_assert(offsetof(wcx_execution_report_cancel_t, cancel_reason) == 46 && offsetof(wcx_delete_order_t, side) == 20, "ER_Cancel, DeleteOrder: words of small fields");

/* --- cancel/replace ------------------------------------------------------------------------------------------------------------------------- */

bool wcx_plain_replace(wcx_engine_t *engine, wcx_session_t *session, const void *body)
{
  const replace_t *request = body;
  const uint32_t session_idx = (uint32_t)(session - engine->sessions);
  const uint64_t cl_ord_id = request->cl_ord_id;
  const int64_t price = request->price;
  const int64_t qty = request->order_qty;
  const uint32_t sz = ENTRY_SZ(wcx_execution_report_replace_t) + ENTRY_SZ(wcx_replace_order_t);
  uint8_t *at = reserve(engine->out, sz);
  bool plain =
      (request->exec_inst & ~WCX_EXEC_INST_CANCEL_ON_DISCONNECT) == 0 && request->stop_px == WCX_I64_NULL && (request->display_qty == WCX_I64_NULL || request->display_qty == qty);
  if (at == NULL || cl_ord_id <= session->last_cl_ord_id || !plain)
    return false;
  uint32_t slot = own_plain(engine, session_idx, request->orig_cl_ord_id, request->order_id, request->security_id);
  if (slot == 0)
    return false;
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_level_t *level = &engine->ladders.levels[order->level];
  wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  const wcx_account_t *account = wcx_state_account(engine, order->account);
  const uint8_t side = order->side;
  const int64_t cum_qty = order->order_qty - order->leaves;
  uint64_t px_idx;
  if (price == level->price || qty <= cum_qty || !within_standing(session, account, instrument) || !has_levels(engine) || !within_terms(instrument, price, qty, &px_idx) ||
      crosses(engine, instrument, side, price))
    return false;

  const uint64_t seq = engine->seq;
  const uint64_t stamp_ns = engine->stamp_ns;
  const uint64_t order_id = order->order_id;
  const uint64_t orig_cl_ord_id = order->cl_ord_id;
  const int64_t leaves = qty - cum_qty;
  session->last_cl_ord_id = cl_ord_id;
  wcx_digest_sub(&engine->order_digest, wcx_order_hash(order, level->price));
  wcx_index_remove(&engine->index, session_idx, orig_cl_ord_id, slot);
  wcx_index_add(&engine->index, session_idx, cl_ord_id, slot);
  leave_level(engine, instrument, order, level);
  order->leaves = leaves;
  order->order_qty = qty;
  order->priority = seq;
  order->cl_ord_id = cl_ord_id;
  const uint64_t owner = owner_word(order->account, order->instrument, side, flags_of(request->exec_inst));
  order->flags = flags_of(request->exec_inst);
  join_level(engine, instrument, side, slot, px_idx, price, leaves);

  uint8_t *er =
      open_entry(at, seq, WCX_STREAM_SESSION, session->session_id, session->next_server_seq++, WCX_TEMPLATE_EXECUTION_REPORT_REPLACE, sizeof(wcx_execution_report_replace_t));
  put(er, offsetof(wcx_execution_report_replace_t, transact_time), stamp_ns);
  put(er, offsetof(wcx_execution_report_replace_t, exec_id), ++engine->exec_id);
  put(er, offsetof(wcx_execution_report_replace_t, order_id), order_id);
  put(er, offsetof(wcx_execution_report_replace_t, cl_ord_id), cl_ord_id);
  put(er, offsetof(wcx_execution_report_replace_t, security_id), request->security_id | (uint64_t)order->account << 32);
  put(er, offsetof(wcx_execution_report_replace_t, session_id),
      session->session_id | (uint64_t)side << 32 | (uint64_t)(cum_qty == 0 ? WCX_ORD_STATUS_NEW : WCX_ORD_STATUS_PARTIALLY_FILLED) << 40);
  put(er, offsetof(wcx_execution_report_replace_t, orig_cl_ord_id), orig_cl_ord_id);
  put(er, offsetof(wcx_execution_report_replace_t, price), (uint64_t)price);
  put(er, offsetof(wcx_execution_report_replace_t, order_qty), (uint64_t)qty);
  put(er, offsetof(wcx_execution_report_replace_t, leaves_qty), (uint64_t)leaves);
  put(er, offsetof(wcx_execution_report_replace_t, display_qty), NULL_PX);
  put(er, offsetof(wcx_execution_report_replace_t, receive_time), engine->receive_ns);

  uint8_t *md = open_entry(at + ENTRY_SZ(wcx_execution_report_replace_t), seq, WCX_STREAM_FEED, engine->limits.shard, engine->feed_number++, WCX_TEMPLATE_REPLACE_ORDER,
                           sizeof(wcx_replace_order_t));
  put(md, offsetof(wcx_replace_order_t, transact_time), stamp_ns);
  put(md, offsetof(wcx_replace_order_t, order_id), order_id);
  put(md, offsetof(wcx_replace_order_t, new_order_id), order_id);
  put(md, offsetof(wcx_replace_order_t, price), (uint64_t)price);
  put(md, offsetof(wcx_replace_order_t, display_qty), (uint64_t)leaves);
  put(md, offsetof(wcx_replace_order_t, security_id), request->security_id | (uint64_t)side << 32);
  wcx_digest_add(&engine->order_digest, hash_of((uint64_t)leaves, (uint64_t)qty, seq, order_id, cl_ord_id, (uint64_t)price, session_idx, owner));
  said(engine, at, sz);
  return true;
}
static_assert(offsetof(wcx_execution_report_replace_t, account) == 36 && offsetof(wcx_execution_report_replace_t, side) == 44 &&
                  offsetof(wcx_execution_report_replace_t, flags) == 46,
              "ER_Replace: words of small fields");
static_assert(offsetof(wcx_replace_order_t, side) == 44, "ReplaceOrder: words of small fields");
