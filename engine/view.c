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
