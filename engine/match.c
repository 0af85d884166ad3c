#include "engine/match.h"

#include "engine/book.h"
#include "engine/emit.h"

/* What both sides of a fill have in common. */
typedef struct fill
{
  uint64_t match_id;
  uint64_t event_id;
  int64_t px;
  int64_t qty;
} fill_t;

static inline uint8_t filled_status(int64_t leaves)
{
  return leaves == 0 ? WCX_ORD_STATUS_FILLED : WCX_ORD_STATUS_PARTIALLY_FILLED;
}

static inline void emit_maker_trade(wcx_engine_t *engine, const wcx_order_t *maker, const wcx_instrument_t *instrument, const fill_t *fill)
{
  wcx_session_t *session = &engine->sessions[maker->session];
  wcx_execution_report_trade_t *er = wcx_emit_session(engine, session, WCX_TEMPLATE_EXECUTION_REPORT_TRADE, sizeof(*er));
  *er = (wcx_execution_report_trade_t){
      .transact_time = engine->stamp_ns,
      .exec_id = ++engine->exec_id,
      .order_id = maker->order_id,
      .cl_ord_id = maker->cl_ord_id,
      .security_id = instrument->security_id,
      .account = maker->account,
      .session_id = session->session_id,
      .side = maker->side,
      .ord_status = filled_status(maker->leaves),
      .last_liquidity_ind = WCX_LAST_LIQUIDITY_IND_ADDED_LIQUIDITY,
      .trd_match_id = fill->match_id,
      .last_px = fill->px,
      .last_qty = fill->qty,
      .leaves_qty = maker->leaves,
      .cum_qty = maker->order_qty - maker->leaves,
      .match_event_id = fill->event_id,
  };
}

static inline void emit_taker_trade(wcx_engine_t *engine, const wcx_taker_t *taker, const fill_t *fill)
{
  wcx_execution_report_trade_t *er = wcx_emit_session(engine, taker->session, WCX_TEMPLATE_EXECUTION_REPORT_TRADE, sizeof(*er));
  *er = (wcx_execution_report_trade_t){
      .transact_time = engine->stamp_ns,
      .exec_id = ++engine->exec_id,
      .order_id = taker->order_id,
      .cl_ord_id = taker->cl_ord_id,
      .security_id = taker->instrument->security_id,
      .account = taker->account,
      .session_id = taker->session->session_id,
      .side = taker->side,
      .ord_status = filled_status(taker->leaves),
      .last_liquidity_ind = WCX_LAST_LIQUIDITY_IND_REMOVED_LIQUIDITY,
      .trd_match_id = fill->match_id,
      .last_px = fill->px,
      .last_qty = fill->qty,
      .leaves_qty = taker->leaves,
      .cum_qty = taker->order_qty - taker->leaves,
      .match_event_id = fill->event_id,
  };
}

/* Move qty from the maker at the head of a level to the taker. */
static inline void fill_maker(wcx_engine_t *engine, wcx_taker_t *taker, wcx_level_t *level, fill_t *fill)
{
  uint32_t slot = level->head;
  wcx_order_t *maker = &engine->pool.orders[slot];
  fill->px = level->price;
  fill->qty = maker->leaves < taker->leaves ? maker->leaves : taker->leaves;
  fill->match_id = ++engine->match_id;

  wcx_digest_sub(&engine->order_digest, wcx_order_hash(maker, fill->px));
  maker->leaves -= fill->qty;
  taker->leaves -= fill->qty;
  taker->last_px = fill->px;
  level->displayed -= (uint64_t)fill->qty;
  emit_maker_trade(engine, maker, taker->instrument, fill);
  emit_taker_trade(engine, taker, fill);
  if (maker->leaves == 0)
  {
    wcx_book_unlink(engine, slot);
    wcx_pool_free(&engine->pool, slot);
  }
  else
    wcx_digest_add(&engine->order_digest, wcx_order_hash(maker, fill->px));
}

void wcx_match(wcx_engine_t *engine, wcx_taker_t *taker)
{
  wcx_ladder_t *makers = wcx_book_opposite(taker->instrument, taker->side);
  fill_t fill = {.event_id = engine->match_event_id + 1};
  bool crosses = makers->best != 0 && wcx_book_crosses(taker->side, taker->price, engine->ladders.levels[makers->best].price);
  if (!crosses)
    return;
  engine->match_event_id = fill.event_id;
  while (crosses)
  {
    fill_maker(engine, taker, &engine->ladders.levels[makers->best], &fill);
    crosses = taker->leaves > 0 && makers->best != 0 && wcx_book_crosses(taker->side, taker->price, engine->ladders.levels[makers->best].price);
  }
}

static inline void emit_executed(wcx_engine_t *engine, const wcx_execution_report_trade_t *maker)
{
  wcx_order_executed_t *md = wcx_emit_feed(engine, WCX_TEMPLATE_ORDER_EXECUTED, sizeof(*md));
  *md = (wcx_order_executed_t){
      .transact_time = engine->stamp_ns,
      .order_id = maker->order_id,
      .last_qty = maker->last_qty,
      .trd_match_id = maker->trd_match_id,
      .last_px = maker->last_px,
      .security_id = maker->security_id,
      .aggressor_side = (uint8_t)(WCX_SIDE_BUY + WCX_SIDE_SELL - maker->side),
      .flags = maker->trd_match_id == engine->match_id ? 0x02 : 0, /* the last fill of the event */
  };
}

void wcx_match_print(wcx_engine_t *engine, uint64_t from)
{
  uint64_t end = engine->out->write_pos;
  for (uint64_t pos = wcx_outlog_settle(engine->out, from, end); pos < end;)
  {
    wcx_out_entry_t *entry = wcx_outlog_at(engine->out, pos);
    const wcx_execution_report_trade_t *trade = wcx_emit_block(entry, WCX_TEMPLATE_EXECUTION_REPORT_TRADE);
    if (trade != NULL && trade->last_liquidity_ind == WCX_LAST_LIQUIDITY_IND_ADDED_LIQUIDITY)
      emit_executed(engine, trade);
    pos = wcx_outlog_settle(engine->out, pos + entry->entry_sz, end);
  }
}
