/* Looking at an engine: positions, sessions, definitions, books. Nothing here changes state. */
#include "engine/book.h"
#include "engine/mmp.h"

uint64_t wcx_engine_applied_seq(const wcx_engine_t *engine)
{
  return engine->seq;
}

uint64_t wcx_engine_last_stamp_ns(const wcx_engine_t *engine)
{
  return engine->stamp_ns;
}

wcx_digest_t wcx_engine_output_digest(const wcx_engine_t *engine)
{
  return wcx_out_digest_value(&engine->output_digest);
}

uint64_t wcx_engine_next_deadline_ns(const wcx_engine_t *engine)
{
  if (engine->stops_due != 0)
    return engine->stamp_ns;
  return engine->timers.cnt != 0 ? engine->timers.heap[1].at_ns : UINT64_MAX;
}

uint64_t wcx_engine_feed_next_number(const wcx_engine_t *engine)
{
  return engine->feed_number;
}

uint32_t wcx_engine_trade_date(const wcx_engine_t *engine)
{
  return engine->trade_date;
}

uint32_t wcx_engine_orders_live(const wcx_engine_t *engine)
{
  return engine->pool.live;
}

void wcx_engine_feed_session(const wcx_engine_t *engine, char session[10])
{
  uint32_t date = engine->trade_date != 0 ? engine->trade_date : 20000101;
  uint32_t part[2] = {date % 1000000, engine->limits.shard % 1000};
  session[0] = 'M';
  for (uint32_t i = 0; i < 6; i++, part[0] /= 10)
    session[9 - i] = (char)('0' + part[0] % 10);
  for (uint32_t i = 0; i < 3; i++, part[1] /= 10)
    session[3 - i] = (char)('0' + part[1] % 10);
}

bool wcx_engine_session_at(const wcx_engine_t *engine, uint32_t idx, wcx_session_view_t *view)
{
  if (idx >= engine->session_cnt)
    return false;
  const wcx_session_t *session = &engine->sessions[idx];
  const wcx_account_t *account = wcx_state_account(engine, session->account);
  *view = (wcx_session_view_t){
      .session_id = session->session_id,
      .account = session->account,
      .next_client_seq = session->next_client_seq,
      .next_server_seq = session->next_server_seq,
      .last_cl_ord_id = session->last_cl_ord_id,
      .uuid = session->uuid,
      .key_uuid = {session->key_uuid[0], session->key_uuid[1]},
      .open_orders = session->open_orders,
      .open = session->open_mask,
      .cod = session->cod == WCX_COD_ON,
      .locked = session->lock != 0 || (account != NULL && account->lock != 0),
      .mmp_frozen = wcx_mmp_any_frozen(engine, session),
  };
  memcpy(view->mold_session, session->mold_session, sizeof(view->mold_session));
  return true;
}

bool wcx_engine_session(const wcx_engine_t *engine, uint32_t session_id, wcx_session_view_t *view)
{
  return wcx_engine_session_at(engine, wcx_idmap_find(&engine->session_map, session_id), view);
}

bool wcx_engine_instrument_at(const wcx_engine_t *engine, uint32_t idx, wcx_security_definition_t *definition)
{
  if (idx >= engine->instrument_cnt)
    return false;
  *definition = engine->instruments[idx].definition;
  definition->security_trading_status = engine->instruments[idx].status;
  return true;
}

bool wcx_engine_account_at(const wcx_engine_t *engine, uint32_t idx, wcx_account_definition_t *definition)
{
  if (idx >= engine->account_cnt)
    return false;
  *definition = engine->accounts[idx].definition;
  return true;
}

static int64_t nearest(wcx_i128_t amount)
{
  return amount > INT64_MAX ? INT64_MAX : amount < INT64_MIN ? INT64_MIN : (int64_t)amount;
}

bool wcx_engine_asset_at(const wcx_engine_t *engine, uint32_t idx, wcx_asset_view_t *view)
{
  if (idx >= engine->assets.cnt)
    return false;
  const wcx_asset_t *asset = &engine->assets.records[idx];
  *view = (wcx_asset_view_t){.fees = nearest(asset->fees), .exponent = asset->exponent};
  memcpy(view->asset, &asset->name, sizeof(view->asset));
  return true;
}

bool wcx_engine_balance(const wcx_engine_t *engine, uint32_t account, const char asset[8], wcx_balance_view_t *view)
{
  uint32_t account_idx = wcx_idmap_find(&engine->account_map, account);
  uint32_t asset_idx = wcx_asset_find(&engine->assets, wcx_asset_name(asset));
  if (account_idx == WCX_IDX_NONE || asset_idx == WCX_ASSET_NONE || engine->accounts[account_idx].definition.credit != WCX_CREDIT_CHECKED)
    return false;
  const wcx_balance_t *balance = wcx_balance_find(&engine->balances, account_idx, asset_idx);
  if (balance == NULL)
    return false;
  *view = (wcx_balance_view_t){.available = nearest(balance->available), .held = nearest(balance->held)};
  return true;
}

/* Best level of a side, 0 when empty; false when there is no such side. */
static bool best_level(const wcx_engine_t *engine, uint32_t security_id, uint8_t side, uint32_t *level)
{
  uint32_t idx = wcx_idmap_find(&engine->instrument_map, security_id);
  if (idx == WCX_IDX_NONE || (side != WCX_SIDE_BUY && side != WCX_SIDE_SELL))
    return false;
  *level = engine->instruments[idx].side[side - 1].best;
  return true;
}

bool wcx_engine_book(const wcx_engine_t *engine, uint32_t security_id, uint8_t side, wcx_level_visit_t *visit, void *ctx)
{
  uint32_t at;
  if (!best_level(engine, security_id, side, &at))
    return false;
  for (; at != 0; at = wcx_ladder_next(&engine->ladders, at))
  {
    const wcx_level_t *level = &engine->ladders.levels[at];
    if (level->order_cnt == 0)
      continue; /* all hidden */
    int64_t displayed = level->displayed > (wcx_u128_t)INT64_MAX ? INT64_MAX : (int64_t)level->displayed;
    if (!visit(ctx, level->price, displayed, level->order_cnt))
      break;
  }
  return true;
}

bool wcx_engine_book_orders(const wcx_engine_t *engine, uint32_t security_id, uint8_t side, wcx_order_visit_t *visit, void *ctx)
{
  uint32_t at;
  if (!best_level(engine, security_id, side, &at))
    return false;
  for (; at != 0; at = wcx_ladder_next(&engine->ladders, at))
  {
    const wcx_level_t *level = &engine->ladders.levels[at];
    for (uint32_t slot = level->head; slot != 0; slot = engine->pool.orders[slot].next)
      if (!visit(ctx, wcx_book_public_id(engine, slot), level->price, wcx_book_displayed(engine, slot)))
        return true;
  }
  return true;
}

/* A level whose orders are being copied: where its next order is, and where that goes. */
typedef struct chain
{
  int64_t price;
  uint32_t slot;
  uint32_t at;
} chain_t;
#define CHAINS_MAX 16u /* levels walked side by side: their orders' lines are on the way together, instead of one after the other */

static uint32_t copy_order(const wcx_engine_t *engine, const wcx_instrument_t *instrument, uint8_t side, const chain_t *chain, wcx_snapshot_order_t *to)
{
  const wcx_order_t *order = &engine->pool.orders[chain->slot];
  __builtin_prefetch(&engine->pool.orders[order->next]);
  *to = (wcx_snapshot_order_t){.order_id = wcx_book_public_id(engine, chain->slot),
                               .priority_time = order->priority,
                               .price = chain->price,
                               .display_qty = wcx_book_displayed(engine, chain->slot),
                               .security_id = instrument->security_id,
                               .side = side};
  return order->next;
}

/* All levels of a node of the ladder: its walk comes to them next. */
static void prefetch_levels(const wcx_ladders_t *ladders, uint32_t node_idx)
{
  const wcx_ladder_node_t *node = &ladders->nodes[node_idx];
  for (uint64_t left = node->bitmap; left != 0; left &= left - 1)
  {
    uint32_t ref = node->child[__builtin_ctzll(left)];
    if ((ref & WCX_LADDER_LEVEL) != 0)
      __builtin_prefetch(&ladders->levels[ref & ~WCX_LADDER_LEVEL]);
  }
}

/* The displayed orders of one side behind `cnt` others; how many there are then, or more than `max` as soon as that is known. */
static uint32_t copy_side(const wcx_engine_t *engine, const wcx_instrument_t *instrument, uint8_t side, wcx_snapshot_order_t *orders, uint32_t cnt, uint32_t max)
{
  chain_t chains[CHAINS_MAX];
  uint32_t chain_cnt = 0;
  uint32_t next_level = instrument->side[side - 1].best;
  uint32_t node = 0;
  do
  {
    for (; next_level != 0 && chain_cnt < CHAINS_MAX; next_level = wcx_ladder_next(&engine->ladders, next_level))
    {
      const wcx_level_t *level = &engine->ladders.levels[next_level];
      if (level->node != node && level->node != 0)
        prefetch_levels(&engine->ladders, level->node);
      node = level->node;
      if (level->order_cnt == 0)
        continue; /* all hidden */
      if (level->order_cnt > max - cnt)
        return max + 1;
      __builtin_prefetch(&engine->pool.orders[level->head]);
      chains[chain_cnt++] = (chain_t){.price = level->price, .slot = level->head, .at = cnt};
      cnt += level->order_cnt;
    }
    for (uint32_t i = 0; i < chain_cnt;)
    {
      chain_t *chain = &chains[i];
      chain->slot = copy_order(engine, instrument, side, chain, &orders[chain->at++]);
      if (chain->slot == 0)
        *chain = chains[--chain_cnt];
      else
        i++;
    }
  } while (chain_cnt != 0 || next_level != 0);
  return cnt;
}

bool wcx_engine_snapshot_at(const wcx_engine_t *engine, uint32_t idx, wcx_snapshot_start_t *start, wcx_snapshot_order_t *orders, uint32_t max)
{
  if (idx >= engine->instrument_cnt)
    return false;
  const wcx_instrument_t *instrument = &engine->instruments[idx];
  uint32_t cnt = copy_side(engine, instrument, WCX_SIDE_BUY, orders, 0, max);
  if (cnt <= max)
    cnt = copy_side(engine, instrument, WCX_SIDE_SELL, orders, cnt, max);
  *start = (wcx_snapshot_start_t){.transact_time = engine->stamp_ns,
                                  .last_msg_seq_num_processed = engine->feed_number - 1,
                                  .last_px = instrument->last_px != 0 ? instrument->last_px : WCX_I64_NULL,
                                  .security_id = instrument->security_id,
                                  .tot_num_orders = cnt,
                                  .security_trading_status = instrument->status};
  return true;
}
