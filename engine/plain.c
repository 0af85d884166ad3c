#include "engine/plain.h"

#include "engine/entitle.h"
#include "engine/plain_book.h"

/* --- what makes a request plain ----------------------------------------------------------------------------------------------------------- */

/* The same for an instrument whose increment or lot is not 1, or a price or quantity that is not everyday's. */
static __attribute__((noinline)) bool within_all_terms(const wcx_instrument_t *instrument, int64_t price, int64_t qty)
{
  uint64_t px_rest, lot_rest;
  if (price <= 0 || qty <= 0)
    return false;
  wcx_divide(&instrument->increment, (uint64_t)price, &px_rest);
  wcx_divide(&instrument->lot, (uint64_t)qty, &lot_rest);
  wcx_u128_t product = (wcx_u128_t)(uint64_t)price * (uint64_t)qty;
  return (px_rest | lot_rest) == 0 && price >= instrument->px_low && price <= instrument->px_high && qty >= instrument->definition.min_trade_vol &&
         (instrument->definition.max_trade_vol == 0 || qty <= instrument->definition.max_trade_vol) && product >= instrument->product_min && product <= instrument->product_max &&
         product <= instrument->product_overflow;
}

static __attribute__((noinline)) uint64_t index_of_price(const wcx_instrument_t *instrument, int64_t price)
{
  uint64_t rest;
  return wcx_divide(&instrument->increment, (uint64_t)price, &rest);
}

/* Index of a price that breaks no rule of the instrument with this quantity, else 0. */
WCX_HOT uint64_t within_terms(const wcx_instrument_t *instrument, int64_t price, int64_t qty)
{
  if (__builtin_expect((uint64_t)price - 1 < instrument->plain_px_max && (uint64_t)qty - 1 < instrument->plain_qty_max, 1))
    return (uint64_t)price;
  return within_all_terms(instrument, price, qty) ? index_of_price(instrument, price) : 0;
}

WCX_HOT bool has_levels(const wcx_engine_t *engine)
{
  return engine->ladders.level_live - engine->stop_level_cnt < engine->capacity.max_levels;
}

/* Small fields of a new order, as they are in a plain one but for side and time in force. */
static_assert(offsetof(wcx_new_order_single_t, self_match_prevention_id) == 64 && offsetof(wcx_new_order_single_t, side) == 68, "new order: word of small fields");
static_assert(offsetof(wcx_new_order_single_t, ord_type) == 69 && offsetof(wcx_new_order_single_t, time_in_force) == 70, "new order: word of small fields");
static_assert(offsetof(wcx_new_order_single_t, self_match_prevention_inst) == 71, "new order: word of small fields");
static_assert(offsetof(wcx_new_order_single_t, exec_inst) == 72 && offsetof(wcx_new_order_single_t, mmp_group) == 74, "new order: exec_inst and mmp_group are one word");
static_assert(offsetof(wcx_new_order_single_t, security_id) == 56 && offsetof(wcx_new_order_single_t, account) == 60, "new order: as in a report");

/* Nothing but a limit order: three blocks of the request, byte by byte, less what a plain buy has there; what is left may differ from 0 only where `may` has bits. */
WCX_HOT bool is_plain(const wcx_plain_new_t *request)
{
  const uint8_t *body = (const uint8_t *)request;
  const __m128i null = _mm_set1_epi64x(WCX_I64_NULL);
  const __m128i small = _mm_set_epi64x(0, (long long)((uint64_t)WCX_SIDE_BUY << 32 | (uint64_t)WCX_ORD_TYPE_LIMIT << 40 | (uint64_t)WCX_SELF_MATCH_PREVENTION_INST_NONE << 56));
  const __m128i stop_may = _mm_set_epi64x(-1, 0); /* expire_time */
  const __m128i small_may = _mm_set_epi64x((long long)(UINT64_C(0xffffffff) << 32 | WCX_EXEC_INST_CANCEL_ON_DISCONNECT),
                                           (long long)(UINT64_C(0xff) << 48 | (uint64_t)(WCX_SIDE_SELL - WCX_SIDE_BUY) << 32)); /* padding, time_in_force, side */
  const __m128i shown = _mm_sub_epi8(wcx_out_digest_load(body + offsetof(wcx_new_order_single_t, display_qty)), null);
  const __m128i stop = _mm_sub_epi8(wcx_out_digest_load(body + offsetof(wcx_new_order_single_t, stop_px)), null);
  const __m128i kind = _mm_sub_epi8(wcx_out_digest_load(body + offsetof(wcx_new_order_single_t, self_match_prevention_id)), small);
  const __m128i odd = _mm_or_si128(shown, _mm_or_si128(_mm_andnot_si128(stop_may, stop), _mm_andnot_si128(small_may, kind)));
  return _mm_testz_si128(odd, odd) != 0;
}
static_assert(WCX_SIDE_SELL - WCX_SIDE_BUY == 1, "is_plain: a side less that of a buy is one bit");
static_assert(offsetof(wcx_new_order_single_t, min_qty) == offsetof(wcx_new_order_single_t, display_qty) + 8, "is_plain: blocks");
static_assert(offsetof(wcx_new_order_single_t, expire_time) == offsetof(wcx_new_order_single_t, stop_px) + 8, "is_plain: blocks");
static_assert(sizeof(wcx_new_order_single_t) == offsetof(wcx_new_order_single_t, self_match_prevention_id) + 16, "is_plain: blocks");

/* --- new ------------------------------------------------------------------------------------------------------------------------------------ */

void wcx_plain_new(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body)
{
  const wcx_plain_new_t *request = body;
  const uint32_t session_idx = wcx_idmap_find(&engine->session_map, hdr->session_id);
  const uint32_t instrument_idx = wcx_idmap_find(&engine->instrument_map, request->security_id);
  const uint32_t account_idx = wcx_idmap_find(&engine->account_map, request->account);
  if (__builtin_expect((int32_t)(session_idx | instrument_idx | account_idx) < 0 || hdr->client_seq == 0 || !is_plain(request), 0)) /* indexes are small: WCX_IDX_NONE shows */
    goto long_way;
  wcx_session_t *session = &engine->sessions[session_idx];
  wcx_instrument_t *instrument = &engine->instruments[instrument_idx];
  const int64_t price = request->price;
  const int64_t qty = request->order_qty;
  const uint64_t cl_ord_id = request->cl_ord_id;
  const uint8_t side = request->side;
  const uint64_t px_idx = within_terms(instrument, price, qty);
  if (__builtin_expect(px_idx == 0 || cl_ord_id <= session->last_cl_ord_id || !wcx_session_entitled(session, request->account) || session->lock != 0 ||
                           !engine->account_plain[account_idx] || (instrument->flags & WCX_INSTRUMENT_F_PLAIN) == 0 || engine->pool.live >= engine->capacity.max_orders ||
                           !has_levels(engine) || wcx_restricted(engine, session),
                       0))
    goto long_way;
  if (request->time_in_force != WCX_TIME_IN_FORCE_GTC || wcx_plain_crosses(engine, instrument, side, price))
  {
    wcx_plain_take(engine, hdr, body, session, instrument, px_idx);
    return;
  }
  const uint32_t sz = WCX_ENTRY_SZ(wcx_execution_report_new_t) + WCX_ENTRY_SZ(wcx_add_order_t);
  uint8_t *at = wcx_plain_reserve(engine->out, sz);
  uint32_t slot = __builtin_expect(at != NULL, 1) ? wcx_pool_alloc(&engine->pool) : 0;
  if (slot == 0)
    goto long_way;
  session->last_cl_ord_id = cl_ord_id;
  const wcx_plain_home_t home = {.session = session, .instrument = instrument, .session_idx = session_idx, .instrument_idx = instrument_idx};
  const uint64_t order_id = wcx_plain_rest(engine, home, slot, request, px_idx, qty);
  wcx_say_t say = wcx_say_begin(engine, at);
  wcx_say_new(engine, &say, session, request, order_id);
  wcx_say_added(engine, &say, request, order_id, qty);
  wcx_say_end(engine, &say, at);
  wcx_plain_done(engine, session, hdr);
  return;
long_way:
  wcx_engine_apply_long(engine, hdr, body);
}

/* --- cancel --------------------------------------------------------------------------------------------------------------------------------- */

/* Where the index has the plain order of its own that a request of this session names, in continuous trading; slot 0: nowhere. */
WCX_HOT wcx_index_at_t own_plain(const wcx_engine_t *engine, uint32_t session_idx, uint64_t orig_cl_ord_id, uint64_t order_id, uint32_t security_id)
{
  wcx_index_at_t at;
  if (__builtin_expect(order_id == WCX_U64_NULL, 1))
    at = wcx_index_locate(&engine->index, engine->pool.orders, session_idx, orig_cl_ord_id);
  else
  {
    uint32_t slot = wcx_pool_find(&engine->pool, order_id);
    at = wcx_index_of(&engine->index, session_idx, engine->pool.orders[slot].cl_ord_id, slot);
  }
  const wcx_order_t *order = &engine->pool.orders[at.slot];
  const wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  bool fine =
      order->session == session_idx && (order->flags & ~WCX_ORDER_F_COD) == 0 && instrument->security_id == security_id && (instrument->flags & WCX_INSTRUMENT_F_PLAIN) != 0;
  at.slot = fine ? at.slot : 0;
  return at;
}

void wcx_plain_cancel(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body)
{
  const wcx_plain_cancel_t *request = body;
  const uint32_t session_idx = wcx_idmap_find(&engine->session_map, hdr->session_id);
  const uint32_t sz = WCX_ENTRY_SZ(wcx_execution_report_cancel_t) + WCX_ENTRY_SZ(wcx_delete_order_t);
  if (__builtin_expect(session_idx == WCX_IDX_NONE || hdr->client_seq == 0, 0))
    goto long_way;
  wcx_session_t *session = &engine->sessions[session_idx];
  const uint64_t cl_ord_id = request->cl_ord_id;
  uint8_t *at = wcx_plain_reserve(engine->out, sz);
  if (__builtin_expect(at == NULL || cl_ord_id <= session->last_cl_ord_id, 0))
    goto long_way;
  const wcx_index_at_t found = own_plain(engine, session_idx, request->orig_cl_ord_id, request->order_id, request->security_id);
  if (__builtin_expect(found.slot == 0, 0))
    goto long_way;

  session->last_cl_ord_id = cl_ord_id;
  wcx_order_t *order = &engine->pool.orders[found.slot];
  wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  wcx_say_t say = wcx_say_begin(engine, at);
  wcx_say_canceled(engine, &say, session, order, request->security_id, cl_ord_id, engine->receive_ns, WCX_CANCEL_REASON_USER_REQUESTED);
  wcx_say_deleted(engine, &say, request->security_id, order->order_id, order->side);
  wcx_say_end(engine, &say, at);
  wcx_index_take(&engine->index, found);
  wcx_plain_remove(engine, session, instrument, order, found.slot);
  wcx_plain_done(engine, session, hdr);
  return;
long_way:
  wcx_engine_apply_long(engine, hdr, body);
}

/* --- cancel/replace ------------------------------------------------------------------------------------------------------------------------- */

/* Its own terms: no stop, nothing hidden, nothing but its price and its quantity. */
WCX_HOT bool is_plain_move(const wcx_plain_replace_t *request)
{
  return (request->exec_inst & ~WCX_EXEC_INST_CANCEL_ON_DISCONNECT) == 0 && request->stop_px == WCX_I64_NULL &&
         (request->display_qty == WCX_I64_NULL || request->display_qty == request->order_qty);
}

/* New terms in the order's line and in the sum, which it has left; `price` is that of its level. */
WCX_HOT void set_terms(wcx_engine_t *engine, wcx_order_t *order, const wcx_plain_replace_t *request, int64_t price, uint64_t priority, int64_t leaves)
{
  const int64_t qty = request->order_qty;
  const uint64_t cl_ord_id = request->cl_ord_id;
  const uint8_t side = order->side;
  const uint8_t flags = wcx_plain_flags(request->exec_inst);
  order->leaves = leaves;
  order->order_qty = qty;
  order->priority = priority;
  order->cl_ord_id = cl_ord_id;
  order->flags = flags;
  wcx_digest_add(&engine->order_digest, wcx_plain_hash((uint64_t)leaves, (uint64_t)qty, priority, order->order_id, cl_ord_id, (uint64_t)price, order->session,
                                                       wcx_plain_owner_word(order->account, order->instrument, side, flags)));
}

/* Out of its level, and to the end of another one under new terms. */
WCX_HOT void move_plain(wcx_engine_t *engine, wcx_instrument_t *instrument, wcx_order_t *order, uint32_t slot, const wcx_plain_replace_t *request, uint64_t px_idx, int64_t leaves)
{
  wcx_level_t *level = &engine->ladders.levels[order->level];
  wcx_digest_sub(&engine->order_digest, wcx_order_hash(order, level->price));
  wcx_plain_leave(engine, instrument, order, level);
  set_terms(engine, order, request, request->price, engine->seq, leaves);
  wcx_plain_join(engine, instrument, order->side, slot, px_idx, request->price, leaves);
}

/* An order whose price stays and whose quantity becomes less: it keeps its place. False: it is not that, or not plain; nothing was touched. `at`: room for a move, which
   says more. */
static __attribute__((noinline)) bool reduce(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const wcx_plain_replace_t *request, wcx_session_t *session, uint32_t slot,
                                             uint8_t *at)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_level_t *level = &engine->ladders.levels[order->level];
  const int64_t cum_qty = order->order_qty - order->leaves;
  const int64_t leaves = request->order_qty - cum_qty;
  if (request->price != level->price || leaves <= 0 || request->order_qty >= order->order_qty || session->lock != 0 ||
      !engine->account_plain[wcx_idmap_find(&engine->account_map, order->account)])
    return false;
  session->last_cl_ord_id = request->cl_ord_id;
  wcx_say_t say = wcx_say_begin(engine, at);
  wcx_say_replaced(engine, &say, session, request, order, cum_qty, true);
  wcx_say_reduced(engine, &say, request, order, leaves);
  wcx_say_end(engine, &say, at);
  wcx_index_remove(&engine->index, order->session, order->cl_ord_id, slot);
  wcx_index_add(&engine->index, order->session, request->cl_ord_id, slot);
  wcx_digest_sub(&engine->order_digest, wcx_order_hash(order, level->price));
  level->displayed -= (uint64_t)(order->leaves - leaves);
  set_terms(engine, order, request, level->price, order->priority, leaves);
  wcx_plain_done(engine, session, hdr);
  return true;
}
static_assert(WCX_ENTRY_SZ(wcx_reduce_order_t) <= WCX_ENTRY_SZ(wcx_replace_order_t), "reduce: room");

void wcx_plain_replace(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body)
{
  const wcx_plain_replace_t *request = body;
  const uint32_t session_idx = wcx_idmap_find(&engine->session_map, hdr->session_id);
  const uint32_t sz = WCX_ENTRY_SZ(wcx_execution_report_replace_t) + WCX_ENTRY_SZ(wcx_replace_order_t);
  if (__builtin_expect(session_idx == WCX_IDX_NONE || hdr->client_seq == 0 || !is_plain_move(request), 0))
    goto long_way;
  wcx_session_t *session = &engine->sessions[session_idx];
  const uint64_t cl_ord_id = request->cl_ord_id;
  uint8_t *at = wcx_plain_reserve(engine->out, sz);
  if (__builtin_expect(at == NULL || cl_ord_id <= session->last_cl_ord_id || wcx_restricted(engine, session), 0))
    goto long_way;
  const wcx_index_at_t found = own_plain(engine, session_idx, request->orig_cl_ord_id, request->order_id, request->security_id);
  if (__builtin_expect(found.slot == 0, 0))
    goto long_way;
  wcx_order_t *order = &engine->pool.orders[found.slot];
  wcx_instrument_t *instrument = &engine->instruments[order->instrument];
  const uint32_t account_idx = wcx_idmap_find(&engine->account_map, order->account); /* who has an order is known */
  const int64_t price = request->price;
  const int64_t qty = request->order_qty;
  const int64_t cum_qty = order->order_qty - order->leaves;
  const uint64_t px_idx = within_terms(instrument, price, qty);
  if (__builtin_expect(px_idx == 0 || price == engine->ladders.levels[order->level].price || qty <= cum_qty || session->lock != 0 || !engine->account_plain[account_idx] ||
                           !has_levels(engine) || wcx_plain_crosses(engine, instrument, order->side, price),
                       0))
  {
    if (px_idx == 0 || !reduce(engine, hdr, request, session, found.slot, at))
      goto long_way;
    return;
  }

  session->last_cl_ord_id = cl_ord_id;
  wcx_say_t say = wcx_say_begin(engine, at);
  wcx_say_replaced(engine, &say, session, request, order, cum_qty, false);
  wcx_say_moved(engine, &say, request, order, qty - cum_qty);
  wcx_say_end(engine, &say, at);
  wcx_index_take(&engine->index, found);
  wcx_index_add(&engine->index, session_idx, cl_ord_id, found.slot);
  move_plain(engine, instrument, order, found.slot, request, px_idx, qty - cum_qty);
  wcx_plain_done(engine, session, hdr);
  return;
long_way:
  wcx_engine_apply_long(engine, hdr, body);
}
