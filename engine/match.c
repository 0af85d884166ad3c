#include "engine/match.h"

#include "engine/book.h"
#include "engine/emit.h"
#include "engine/report.h"

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

/* --- self-match prevention -------------------------------------------------------------------------------------------------------------- */

uint32_t wcx_match_smp_id(const wcx_engine_t *engine, uint32_t account, uint32_t own_id)
{
  if (own_id != 0)
    return own_id;
  uint32_t idx = wcx_idmap_find(&engine->account_map, account);
  uint32_t id = idx == WCX_IDX_NONE ? 0 : engine->accounts[idx].definition.self_match_prevention_id;
  return id != 0 ? id : account;
}

static bool is_own(const wcx_engine_t *engine, const wcx_taker_t *taker, uint32_t slot)
{
  const wcx_order_t *maker = &engine->pool.orders[slot];
  uint32_t own_id = (maker->flags & WCX_ORDER_F_EXTRA) != 0 ? engine->pool.extras[slot].smp_id : 0;
  return wcx_match_smp_id(engine, maker->account, own_id) == taker->smp_id;
}

void wcx_match_cancel_taker(wcx_engine_t *engine, const wcx_taker_t *taker, uint8_t reason)
{
  wcx_cancel_report_t report = {
      .order_id = taker->order_id,
      .cl_ord_id = taker->cl_ord_id,
      .request_cl_ord_id = WCX_U64_NULL,
      .receive_ns = engine->receive_ns,
      .exec_id = ++engine->exec_id,
      .canceled_qty = taker->leaves,
      .cum_qty = taker->order_qty - taker->leaves,
      .security_id = taker->instrument->security_id,
      .account = taker->account,
      .session_id = taker->session->session_id,
      .side = taker->side,
      .reason = reason,
  };
  wcx_report_cancel(engine, taker->session, &report);
}

static void prevent_taker(wcx_engine_t *engine, wcx_taker_t *taker)
{
  wcx_match_cancel_taker(engine, taker, WCX_CANCEL_REASON_SELF_MATCH_PREVENTION);
  taker->leaves = 0;
}

/* ER_Restated of an order that has just lost `prevented`. */
static wcx_execution_report_restated_t decremented(wcx_engine_t *engine, const wcx_instrument_t *instrument, int64_t order_qty, int64_t leaves, int64_t prevented)
{
  return (wcx_execution_report_restated_t){
      .transact_time = engine->stamp_ns,
      .exec_id = ++engine->exec_id,
      .security_id = instrument->security_id,
      .ord_status = order_qty == leaves ? WCX_ORD_STATUS_NEW : WCX_ORD_STATUS_PARTIALLY_FILLED,
      .exec_restatement_reason = WCX_RESTATEMENT_REASON_SELF_MATCH_DECREMENT,
      .leaves_qty = leaves,
      .display_qty = WCX_I64_NULL,
      .prevented_qty = prevented,
      .secondary_order_id = WCX_U64_NULL,
  };
}

static void decrement_maker(wcx_engine_t *engine, const wcx_taker_t *taker, uint32_t slot, int64_t qty)
{
  wcx_order_t *maker = &engine->pool.orders[slot];
  wcx_level_t *level = &engine->ladders.levels[maker->level];
  wcx_session_t *session = &engine->sessions[maker->session];
  wcx_digest_sub(&engine->order_digest, wcx_order_hash(maker, level->price));
  maker->leaves -= qty;
  maker->order_qty -= qty;
  level->displayed -= (uint64_t)qty;
  wcx_digest_add(&engine->order_digest, wcx_order_hash(maker, level->price));
  wcx_execution_report_restated_t *er = wcx_emit_session(engine, session, WCX_TEMPLATE_EXECUTION_REPORT_RESTATED, sizeof(*er));
  *er = decremented(engine, taker->instrument, maker->order_qty, maker->leaves, qty);
  er->order_id = maker->order_id;
  er->cl_ord_id = maker->cl_ord_id;
  er->account = maker->account;
  er->session_id = session->session_id;
  er->side = maker->side;
  er->price = level->price;
}

static void decrement_taker(wcx_engine_t *engine, wcx_taker_t *taker, int64_t qty)
{
  taker->leaves -= qty;
  taker->order_qty -= qty;
  wcx_execution_report_restated_t *er = wcx_emit_session(engine, taker->session, WCX_TEMPLATE_EXECUTION_REPORT_RESTATED, sizeof(*er));
  *er = decremented(engine, taker->instrument, taker->order_qty, taker->leaves, qty);
  er->order_id = taker->order_id;
  er->cl_ord_id = taker->cl_ord_id;
  er->account = taker->account;
  er->session_id = taker->session->session_id;
  er->side = taker->side;
  er->price = taker->sweeps ? WCX_I64_NULL : taker->price;
}

/* Both lose what the smaller one has left; who has nothing left is canceled. */
static void decrement(wcx_engine_t *engine, wcx_taker_t *taker, uint32_t slot)
{
  int64_t maker_leaves = engine->pool.orders[slot].leaves;
  int64_t taker_leaves = taker->leaves;
  if (maker_leaves > taker_leaves)
    decrement_maker(engine, taker, slot, taker_leaves);
  else
    wcx_cancel_private(engine, slot, WCX_CANCEL_REASON_SELF_MATCH_PREVENTION, WCX_U64_NULL, NULL);
  if (taker_leaves > maker_leaves)
    decrement_taker(engine, taker, maker_leaves);
  else
    prevent_taker(engine, taker);
}

/* The taker has met an order of its own. */
static void prevent(wcx_engine_t *engine, wcx_taker_t *taker, uint32_t slot)
{
  switch (taker->smp_inst)
  {
  case WCX_SELF_MATCH_PREVENTION_INST_CANCEL_OLDEST:
    wcx_cancel_private(engine, slot, WCX_CANCEL_REASON_SELF_MATCH_PREVENTION, WCX_U64_NULL, NULL);
    break;
  case WCX_SELF_MATCH_PREVENTION_INST_CANCEL_BOTH:
    wcx_cancel_private(engine, slot, WCX_CANCEL_REASON_SELF_MATCH_PREVENTION, WCX_U64_NULL, NULL);
    prevent_taker(engine, taker);
    break;
  case WCX_SELF_MATCH_PREVENTION_INST_DECREMENT_AND_CANCEL:
    decrement(engine, taker, slot);
    break;
  default:
    prevent_taker(engine, taker);
    break;
  }
}

bool wcx_match_available(const wcx_engine_t *engine, const wcx_taker_t *taker, int64_t qty)
{
  if (taker->smp_inst == WCX_SELF_MATCH_PREVENTION_INST_NONE)
    return wcx_book_available(engine, taker->instrument, taker->side, taker->price, qty);
  bool ends_at_own = taker->smp_inst == WCX_SELF_MATCH_PREVENTION_INST_CANCEL_NEWEST || taker->smp_inst == WCX_SELF_MATCH_PREVENTION_INST_CANCEL_BOTH;
  const wcx_ladders_t *pools = &engine->ladders;
  wcx_u128_t sum = 0;
  uint32_t at = wcx_book_opposite(taker->instrument, taker->side)->best;
  for (; at != 0 && wcx_book_crosses(taker->side, taker->price, pools->levels[at].price); at = wcx_ladder_next(pools, at))
    for (uint32_t slot = pools->levels[at].head; slot != 0; slot = engine->pool.orders[slot].next)
    {
      bool own = is_own(engine, taker, slot);
      if (own && ends_at_own)
        return false;
      if (!own)
        sum += (uint64_t)engine->pool.orders[slot].leaves;
      if (sum >= (uint64_t)qty)
        return true;
    }
  return false;
}

/* --- matching --------------------------------------------------------------------------------------------------------------------------- */

void wcx_match(wcx_engine_t *engine, wcx_taker_t *taker)
{
  wcx_ladder_t *makers = wcx_book_opposite(taker->instrument, taker->side);
  fill_t fill = {.event_id = engine->match_event_id + 1};
  while (taker->leaves > 0 && makers->best != 0 && wcx_book_crosses(taker->side, taker->price, engine->ladders.levels[makers->best].price))
  {
    wcx_level_t *level = &engine->ladders.levels[makers->best];
    if (__builtin_expect(taker->smp_inst != WCX_SELF_MATCH_PREVENTION_INST_NONE, 0) && is_own(engine, taker, level->head))
      prevent(engine, taker, level->head);
    else
      fill_maker(engine, taker, level, &fill);
  }
  if (taker->last_px != 0)
    engine->match_event_id = fill.event_id;
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

/* What self-match prevention did to a maker. */
static void print_prevented(wcx_engine_t *engine, const wcx_taker_t *taker, wcx_out_entry_t *entry)
{
  const wcx_execution_report_cancel_t *cancel = wcx_emit_block(entry, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL);
  if (cancel != NULL && cancel->order_id != taker->order_id)
    wcx_report_delete(engine, cancel->security_id, cancel->order_id, cancel->side);
  const wcx_execution_report_restated_t *restated = wcx_emit_block(entry, WCX_TEMPLATE_EXECUTION_REPORT_RESTATED);
  if (restated != NULL && restated->order_id != taker->order_id)
    wcx_report_reduce(engine, restated->security_id, restated->order_id, restated->leaves_qty, restated->side);
}

void wcx_match_print(wcx_engine_t *engine, const wcx_taker_t *taker, uint64_t from)
{
  uint64_t end = engine->out->write_pos;
  for (uint64_t pos = wcx_outlog_settle(engine->out, from, end); pos < end;)
  {
    wcx_out_entry_t *entry = wcx_outlog_at(engine->out, pos);
    const wcx_execution_report_trade_t *trade = wcx_emit_block(entry, WCX_TEMPLATE_EXECUTION_REPORT_TRADE);
    if (trade != NULL && trade->last_liquidity_ind == WCX_LAST_LIQUIDITY_IND_ADDED_LIQUIDITY)
      emit_executed(engine, trade);
    else if (__builtin_expect(taker->smp_inst != WCX_SELF_MATCH_PREVENTION_INST_NONE, 0))
      print_prevented(engine, taker, entry);
    pos = wcx_outlog_settle(engine->out, pos + entry->entry_sz, end);
  }
}
