#include "engine/entitle.h"
#include "engine/mmp.h"
#include "engine/trade_break.h"

/* Every kind of record has its own key, so that equal bytes of different kinds never cancel out. */
enum
{
  KEY_SESSION = 1,
  KEY_INSTRUMENT = 2,
  KEY_ACCOUNT = 3,
  KEY_SCALARS = 4,
};

wcx_digest_t wcx_session_hash(const wcx_session_t *session, uint32_t idx)
{
  struct
  {
    uint64_t next_client_seq, next_server_seq, last_cl_ord_id, uuid, key_uuid[2], cod_deadline_ns, cod_arm;
    uint32_t idx, session_id, account, open_orders, cod_window_ms;
    uint8_t open_mask, cod_lock;
    char mold_session[10];
  } record;
  memset(&record, 0, sizeof(record));
  record.next_client_seq = session->next_client_seq;
  record.next_server_seq = session->next_server_seq;
  record.last_cl_ord_id = session->last_cl_ord_id;
  record.uuid = session->uuid;
  memcpy(record.key_uuid, session->key_uuid, sizeof(record.key_uuid));
  record.cod_deadline_ns = session->cod_deadline_ns;
  record.cod_arm = session->cod_arm;
  record.idx = idx;
  record.session_id = session->session_id;
  record.account = session->account;
  record.open_orders = session->open_orders;
  record.cod_window_ms = session->cod_window_ms;
  record.open_mask = session->open_mask;
  record.cod_lock = (uint8_t)(session->cod | session->lock << 4);
  memcpy(record.mold_session, session->mold_session, sizeof(record.mold_session));
  return wcx_digest_of(KEY_SESSION, &record, sizeof(record));
}

wcx_digest_t wcx_instrument_hash(const wcx_instrument_t *instrument, uint32_t idx)
{
  struct
  {
    wcx_security_definition_t definition;
    int64_t px_low, px_high;
    uint64_t range, pause_ns, auction_ns, resume_ns, resume_arm;
    int64_t told_px, told_paired_qty, told_imbalance_qty;
    uint32_t idx;
    uint16_t flags;
    uint8_t status, used, told_side;
    uint8_t pad[7];
  } record;
  memset(&record, 0, sizeof(record));
  record.definition = instrument->definition;
  record.idx = idx;
  record.px_low = instrument->px_low;
  record.px_high = instrument->px_high;
  record.range = instrument->range;
  record.pause_ns = instrument->pause_ns;
  record.auction_ns = instrument->auction_ns;
  record.resume_ns = instrument->resume_ns;
  record.resume_arm = instrument->resume_arm;
  record.told_px = instrument->told_px;
  record.told_paired_qty = instrument->told_paired_qty;
  record.told_imbalance_qty = instrument->told_imbalance_qty;
  record.told_side = instrument->told_side;
  record.flags = instrument->flags & (uint16_t) ~(WCX_INSTRUMENT_F_TOUCHED | WCX_INSTRUMENT_F_PLAIN);
  record.status = instrument->status;
  record.used = instrument->used;
  return wcx_digest_of(KEY_INSTRUMENT, &record, sizeof(record));
}

wcx_digest_t wcx_account_hash(const wcx_account_t *account, uint32_t idx)
{
  struct
  {
    wcx_account_definition_t definition;
    int64_t max_order_qty;
    uint32_t max_open_orders, idx;
    uint8_t used, lock, risk, pad[5];
  } record = {.definition = account->definition,
              .max_order_qty = account->max_order_qty,
              .max_open_orders = account->max_open_orders,
              .idx = idx,
              .used = account->used,
              .lock = account->lock,
              .risk = account->risk};
  return wcx_digest_of(KEY_ACCOUNT, &record, sizeof(record));
}

static wcx_digest_t scalars_hash(const wcx_engine_t *engine)
{
  struct
  {
    uint64_t seq, stamp_ns, exec_id, match_id, match_event_id, feed_number, display_no, place_no, arm, free_hash, break_cnt;
    uint32_t shard, trade_date, capacity_journaled, free_head, bump, live, stops_due, pad;
    wcx_capacity_t capacity;
  } record;
  memset(&record, 0, sizeof(record));
  record.seq = engine->seq;
  record.stamp_ns = engine->stamp_ns;
  record.exec_id = engine->exec_id;
  record.match_id = engine->match_id;
  record.match_event_id = engine->match_event_id;
  record.feed_number = engine->feed_number;
  record.display_no = engine->display_no;
  record.place_no = engine->place_no;
  record.arm = engine->timers.arm;
  record.break_cnt = engine->break_cnt;
  record.stops_due = engine->stops_due;
  record.shard = engine->limits.shard;
  record.trade_date = engine->trade_date;
  record.capacity_journaled = engine->capacity_journaled;
  record.free_hash = engine->pool.free_hash;
  record.free_head = engine->pool.free_head;
  record.bump = engine->pool.bump;
  record.live = engine->pool.live;
  if (engine->capacity_journaled) /* before that it is a size of memory */
    record.capacity = engine->capacity;
  return wcx_digest_of(KEY_SCALARS, &record, sizeof(record));
}

void wcx_state_settle(wcx_engine_t *engine)
{
  for (uint32_t i = 0; i < engine->dirty_cnt; i++)
  {
    uint32_t idx = engine->dirty[i];
    wcx_session_t *session = &engine->sessions[idx];
    wcx_digest_sub(&engine->record_digest, session->hash);
    session->hash = wcx_session_hash(session, idx);
    wcx_digest_add(&engine->record_digest, session->hash);
    session->dirty = 0;
  }
  engine->dirty_cnt = 0;
}

void wcx_state_renew_instrument(wcx_engine_t *engine, wcx_instrument_t *instrument)
{
  bool plain = instrument->used && instrument->status == WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE;
  instrument->flags = (uint16_t)((instrument->flags & ~WCX_INSTRUMENT_F_PLAIN) | (plain ? WCX_INSTRUMENT_F_PLAIN : 0));
  wcx_digest_sub(&engine->record_digest, instrument->hash);
  instrument->hash = wcx_instrument_hash(instrument, (uint32_t)(instrument - engine->instruments));
  wcx_digest_add(&engine->record_digest, instrument->hash);
}

bool wcx_state_account_is_plain(const wcx_account_t *account)
{
  return account->used && account->lock == 0 && account->risk == 0 && account->definition.status == WCX_ACCOUNT_STATUS_ACTIVE;
}

void wcx_state_renew_account(wcx_engine_t *engine, wcx_account_t *account)
{
  engine->account_plain[account - engine->accounts] = wcx_state_account_is_plain(account);
  wcx_digest_sub(&engine->record_digest, account->hash);
  account->hash = wcx_account_hash(account, (uint32_t)(account - engine->accounts));
  wcx_digest_add(&engine->record_digest, account->hash);
}

wcx_digest_t wcx_state_settled_digest(const wcx_engine_t *engine)
{
  wcx_digest_t sum = engine->record_digest;
  for (uint32_t i = 0; i < engine->dirty_cnt; i++)
  {
    const wcx_session_t *session = &engine->sessions[engine->dirty[i]];
    wcx_digest_sub(&sum, session->hash);
    wcx_digest_add(&sum, wcx_session_hash(session, engine->dirty[i]));
  }
  return sum;
}

wcx_digest_t wcx_engine_state_digest(const wcx_engine_t *engine)
{
  wcx_digest_t sum = wcx_state_settled_digest(engine);
  wcx_digest_add(&sum, engine->order_digest);
  wcx_digest_add(&sum, scalars_hash(engine));
  return sum;
}

wcx_digest_t wcx_engine_state_digest_full(const wcx_engine_t *engine)
{
  wcx_digest_t sum = scalars_hash(engine);
  for (uint32_t slot = 1; slot <= engine->pool.bump; slot++)
  {
    const wcx_order_t *order = &engine->pool.orders[slot];
    if (order->level == 0)
      continue;
    wcx_digest_add(&sum, wcx_order_full_hash(engine, slot));
  }
  for (uint32_t i = 0; i < engine->session_cnt; i++)
    wcx_digest_add(&sum, wcx_session_hash(&engine->sessions[i], i));
  for (uint32_t i = 0; i < engine->instrument_cnt; i++)
  {
    wcx_digest_add(&sum, wcx_instrument_hash(&engine->instruments[i], i));
    wcx_digest_add(&sum, wcx_instrument_px_hash(&engine->instruments[i]));
  }
  for (uint32_t i = 0; i < engine->account_cnt; i++)
    wcx_digest_add(&sum, wcx_account_hash(&engine->accounts[i], i));
  wcx_digest_add(&sum, wcx_balance_digest_full(engine));
  wcx_digest_add(&sum, wcx_mmp_digest(engine));
  wcx_digest_add(&sum, wcx_entitle_digest_full(engine));
  for (uint32_t i = 0; i < WCX_BREAKS_MAX; i++)
    wcx_digest_add(&sum, wcx_trade_break_hash(engine, i));
  return sum;
}
