#include "engine/plain.h"

#include "engine/plain_book.h"

/* A taker that meets more orders than this takes the long way. */
#define MAKERS_MAX 8u

typedef struct makers
{
  uint32_t slot[MAKERS_MAX];
  uint32_t cnt;
  int64_t left; /* of the taker, when all of them are taken */
} makers_t;

/* Whom it meets, first in time at the best price first. False: somebody whom the long way must treat, or too many of them. */
WCX_HOT bool find_makers(const wcx_engine_t *engine, const wcx_instrument_t *instrument, const wcx_plain_new_t *request, makers_t *makers)
{
  const wcx_ladders_t *pools = &engine->ladders;
  const wcx_order_t *orders = engine->pool.orders;
  int64_t left = request->order_qty;
  uint32_t cnt = 0;
  for (uint32_t at = instrument->side[2 - request->side].best; at != 0; at = wcx_ladder_next(pools, at))
  {
    const wcx_level_t *level = &pools->levels[at];
    if (!wcx_book_crosses(request->side, request->price, level->price))
      break;
    if (level->price < instrument->px_low || level->price > instrument->px_high || level->hidden_head != 0)
      return false;
    for (uint32_t slot = level->head; slot != 0; slot = orders[slot].next)
    {
      if (cnt == MAKERS_MAX || (orders[slot].flags & ~WCX_ORDER_F_COD) != 0)
        return false;
      makers->slot[cnt++] = slot;
      left -= orders[slot].leaves;
      if (left <= 0)
        goto enough;
    }
  }
enough:
  makers->cnt = cnt;
  makers->left = left > 0 ? left : 0;
  return true;
}

/* --- saying it ------------------------------------------------------------------------------------------------------------------------------ */

/* One order's side of a fill. */
typedef struct filled
{
  wcx_session_t *session;
  uint64_t order_id;
  uint64_t cl_ord_id;
  uint64_t leaves; /* after it */
  uint64_t cum_qty;
  uint64_t security_account;
  uint8_t side;
  uint8_t liquidity;
} filled_t;

#define ER_TRADE wcx_execution_report_trade_t
WCX_HOT void say_trade(wcx_engine_t *engine, wcx_say_t *say, filled_t of, uint64_t px, uint64_t qty)
{
  const uint64_t status = of.leaves == 0 ? WCX_ORD_STATUS_FILLED : WCX_ORD_STATUS_PARTIALLY_FILLED;
  WCX_SAY_SESSION(engine, say, of.session, WCX_TEMPLATE_EXECUTION_REPORT_TRADE, ER_TRADE);
  WCX_SAY(say, 3, ER_TRADE, exec_id, ++engine->exec_id, order_id, of.order_id);
  WCX_SAY(say, 4, ER_TRADE, cl_ord_id, of.cl_ord_id, security_id, of.security_account);
  WCX_SAY(say, 5, ER_TRADE, session_id, of.session->session_id | (uint64_t)of.side << 32 | status << 40 | (uint64_t)of.liquidity << 48, trd_match_id, engine->match_id);
  WCX_SAY(say, 6, ER_TRADE, last_px, px, last_qty, qty);
  WCX_SAY(say, 7, ER_TRADE, leaves_qty, of.leaves, cum_qty, of.cum_qty);
  WCX_SAY(say, 8, ER_TRADE, commission, 0, match_event_id, engine->match_event_id);
  say->at += WCX_ENTRY_SZ(ER_TRADE);
}
static_assert(offsetof(ER_TRADE, account) == 36 && offsetof(ER_TRADE, side) == 44 && offsetof(ER_TRADE, last_liquidity_ind) == 46 && offsetof(ER_TRADE, flags) == 47,
              "ER_Trade: words of small fields");

WCX_HOT void say_executed(wcx_engine_t *engine, wcx_say_t *say, uint64_t order_id, uint64_t qty, uint64_t match_id, uint64_t px, uint64_t last_word)
{
  WCX_SAY_FEED(engine, say, WCX_TEMPLATE_ORDER_EXECUTED, wcx_order_executed_t);
  WCX_SAY(say, 3, wcx_order_executed_t, order_id, order_id, last_qty, qty);
  WCX_SAY(say, 4, wcx_order_executed_t, trd_match_id, match_id, last_px, px);
  WCX_SAY_LAST(say, 5, wcx_order_executed_t, security_id, last_word);
  say->at += WCX_ENTRY_SZ(wcx_order_executed_t);
}
static_assert(offsetof(wcx_order_executed_t, aggressor_side) == 44 && offsetof(wcx_order_executed_t, flags) == 45, "OrderExecuted: words of small fields");

/* ER_Cancel of what an IOC did not get. */
WCX_HOT void say_unfilled(wcx_engine_t *engine, wcx_say_t *say, wcx_session_t *session, const wcx_plain_new_t *request, uint64_t order_id, int64_t left)
{
  const uint64_t small = session->session_id | (uint64_t)request->side << 32 | (uint64_t)WCX_ORD_STATUS_CANCELED << 40 | (uint64_t)WCX_CANCEL_REASON_TIME_IN_FORCE_IOC << 48;
  WCX_SAY_SESSION(engine, say, session, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, ER_CANCEL);
  WCX_SAY(say, 3, ER_CANCEL, exec_id, ++engine->exec_id, order_id, order_id);
  WCX_SAY(say, 4, ER_CANCEL, cl_ord_id, request->cl_ord_id, security_id, wcx_plain_names(request));
  WCX_SAY(say, 5, ER_CANCEL, session_id, small, request_cl_ord_id, WCX_U64_NULL);
  WCX_SAY(say, 6, ER_CANCEL, canceled_qty, (uint64_t)left, cum_qty, (uint64_t)(request->order_qty - left));
  WCX_SAY_LAST(say, 7, ER_CANCEL, receive_time, engine->receive_ns);
  say->at += WCX_ENTRY_SZ(ER_CANCEL);
}

/* --- the fills ------------------------------------------------------------------------------------------------------------------------------ */

/* What the feed is told of a fill, once all that is private was said. */
typedef struct print
{
  uint64_t order_id;
  uint64_t qty;
  uint64_t px;
} print_t;

/* One maker gives what the taker still wants, or all it has: both reports, and the maker's places. */
WCX_HOT void fill(wcx_engine_t *engine, wcx_say_t *say, wcx_instrument_t *instrument, uint32_t slot, filled_t *taker, print_t *print)
{
  wcx_order_t *order = &engine->pool.orders[slot];
  wcx_session_t *session = &engine->sessions[order->session];
  wcx_level_t *level = &engine->ladders.levels[order->level];
  const uint32_t home = wcx_index_home(&engine->index, order->session, order->cl_ord_id);
  wcx_index_fetch(&engine->index, home);
  wcx_plain_fetch_behind(&engine->pool, slot);
  const uint64_t px = (uint64_t)level->price;
  const uint64_t before = (uint64_t)order->leaves;
  const uint64_t qty = before < taker->leaves ? before : taker->leaves;
  *print = (print_t){.order_id = order->order_id, .qty = qty, .px = px};
  engine->match_id++;
  taker->leaves -= qty;
  taker->cum_qty += qty;
  filled_t maker = {.session = session,
                    .order_id = order->order_id,
                    .cl_ord_id = order->cl_ord_id,
                    .leaves = before - qty,
                    .cum_qty = (uint64_t)order->order_qty - before + qty,
                    .security_account = instrument->security_id | (uint64_t)order->account << 32,
                    .side = order->side,
                    .liquidity = WCX_LAST_LIQUIDITY_IND_ADDED_LIQUIDITY};
  say_trade(engine, say, maker, px, qty);
  say_trade(engine, say, *taker, px, qty);
  if (__builtin_expect(!session->dirty, 0))
    wcx_session_touch(engine, session);
  if (qty == before)
  {
    wcx_index_take(&engine->index, wcx_index_at(&engine->index, home, slot));
    wcx_plain_remove(engine, session, instrument, order, slot);
    return;
  }
  wcx_digest_sub(&engine->order_digest, wcx_order_hash(order, (int64_t)px));
  order->leaves -= (int64_t)qty;
  level->displayed -= qty;
  wcx_digest_add(&engine->order_digest, wcx_order_hash(order, (int64_t)px));
}

/* How many bytes it says, when it takes from `makers`. */
WCX_HOT uint32_t said_sz(const makers_t *makers, bool rests)
{
  const uint32_t left_sz = rests ? WCX_ENTRY_SZ(wcx_add_order_t) : WCX_ENTRY_SZ(wcx_execution_report_cancel_t);
  return WCX_ENTRY_SZ(wcx_execution_report_new_t) + makers->cnt * (2 * WCX_ENTRY_SZ(wcx_execution_report_trade_t) + WCX_ENTRY_SZ(wcx_order_executed_t)) +
         (makers->left != 0 ? left_sz : 0);
}

/* All fills and what the taker's session is told of what is left, then the feed. */
WCX_HOT void take(wcx_engine_t *engine, wcx_say_t *say, wcx_session_t *session, wcx_instrument_t *instrument, const wcx_plain_new_t *request, const makers_t *makers,
                  uint64_t order_id, bool rests)
{
  print_t prints[MAKERS_MAX];
  filled_t taker = {.session = session,
                    .order_id = order_id,
                    .cl_ord_id = request->cl_ord_id,
                    .leaves = (uint64_t)request->order_qty,
                    .security_account = wcx_plain_names(request),
                    .side = request->side,
                    .liquidity = WCX_LAST_LIQUIDITY_IND_REMOVED_LIQUIDITY};
  uint64_t match_id = engine->match_id;
  engine->match_event_id += makers->cnt != 0;
  for (uint32_t i = 0; i < makers->cnt; i++)
    fill(engine, say, instrument, makers->slot[i], &taker, &prints[i]);
  if (makers->cnt != 0)
  {
    int64_t last_px = (int64_t)prints[makers->cnt - 1].px;
    wcx_state_set_prices(engine, instrument, last_px, last_px);
  }
  if (makers->left != 0 && !rests)
    say_unfilled(engine, say, session, request, order_id, makers->left);
  const uint64_t word = request->security_id | (uint64_t)request->side << 32;
  for (uint32_t i = 0; i < makers->cnt; i++)
    say_executed(engine, say, prints[i].order_id, prints[i].qty, ++match_id, prints[i].px, word | (i + 1 == makers->cnt ? UINT64_C(0x02) << 40 : 0));
}

void wcx_plain_take(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, wcx_session_t *session, wcx_instrument_t *instrument, uint64_t px_idx)
{
  const wcx_plain_new_t *request = body;
  const bool rests = request->time_in_force == WCX_TIME_IN_FORCE_GTC;
  makers_t makers;
  if ((!rests && request->time_in_force != WCX_TIME_IN_FORCE_IOC) || (instrument->flags & WCX_INSTRUMENT_F_FEES) != 0 || instrument->range != 0 || engine->stop_cnt != 0 ||
      !find_makers(engine, instrument, request, &makers))
    goto long_way;
  uint8_t *const from = wcx_plain_reserve(engine->out, said_sz(&makers, rests));
  uint32_t slot = __builtin_expect(from != NULL, 1) ? wcx_pool_alloc(&engine->pool) : 0;
  if (slot == 0)
    goto long_way;

  session->last_cl_ord_id = request->cl_ord_id;
  const uint64_t order_id = engine->pool.orders[slot].order_id;
  wcx_say_t say = wcx_say_begin(engine, from);
  wcx_say_new(engine, &say, session, request, order_id);
  take(engine, &say, session, instrument, request, &makers, order_id, rests);
  if (makers.left != 0 && rests)
  {
    const wcx_plain_home_t home = {
        .session = session, .instrument = instrument, .session_idx = (uint32_t)(session - engine->sessions), .instrument_idx = (uint32_t)(instrument - engine->instruments)};
    wcx_plain_rest(engine, home, slot, request, px_idx, makers.left);
    wcx_say_added(engine, &say, request, order_id, makers.left);
  }
  else
    wcx_pool_free(&engine->pool, slot);
  wcx_say_end(engine, &say, from);
  wcx_plain_done(engine, session, hdr);
  if (engine->dirty_cnt >= WCX_DIRTY_MAX) /* makers' sessions too */
    wcx_state_settle(engine);
  return;
long_way:
  wcx_engine_apply_long(engine, hdr, body);
}
