#include "engine/trade_break.h"

#include "engine/emit.h"
#include "engine/risk.h"
#include "engine/say.h"

#define KEY_BREAK 16u /* state_digest.c has the keys of the other records */

wcx_digest_t wcx_trade_break_hash(const wcx_engine_t *engine, uint32_t place)
{
  wcx_digest_t hash = {0};
  uint64_t record[2] = {place, engine->breaks[place]};
  if (engine->breaks[place] != 0)
    hash = wcx_digest_of(KEY_BREAK, record, sizeof(record));
  return hash;
}

static void remember(wcx_engine_t *engine, uint64_t match_id)
{
  uint32_t place = (uint32_t)(engine->break_cnt++ % WCX_BREAKS_MAX);
  wcx_digest_sub(&engine->record_digest, wcx_trade_break_hash(engine, place));
  engine->breaks[place] = match_id;
  wcx_digest_add(&engine->record_digest, wcx_trade_break_hash(engine, place));
}

static bool is_broken(const wcx_engine_t *engine, uint64_t match_id)
{
  for (uint32_t i = 0; i < WCX_BREAKS_MAX; i++)
    if (engine->breaks[i] == match_id)
      return true;
  return false;
}

/* The amounts of a fill fit: of one that does not there is nothing to give back. */
static const char *amount_error(const wcx_instrument_t *instrument, const wcx_trade_break_command_t *command)
{
  if (command->last_px <= 0 || command->last_qty <= 0)
    return say("LastPx %lld, LastQty %lld: both are above 0 in a fill's reports", (long long)command->last_px, (long long)command->last_qty);
  if ((wcx_u128_t)(uint64_t)command->last_px * (uint64_t)command->last_qty > instrument->product_overflow)
    return say("LastPx %lld x LastQty %lld fits no amount: take them from the fill's reports", (long long)command->last_px, (long long)command->last_qty);
  if (command->buy_commission == WCX_I64_NULL || command->sell_commission == WCX_I64_NULL)
    return "BuyCommission, SellCommission: neither is null in a fill's reports";
  return NULL;
}

static const char *party_error(const wcx_engine_t *engine, const char *name, uint32_t account_id, uint32_t session_id, uint64_t base)
{
  const wcx_account_t *account = wcx_state_account(engine, account_id);
  if (account == NULL)
    return say("%sAccount %u is unknown: take it from the fill's reports", name, account_id);
  if ((account->risk & WCX_ACCOUNT_R_CHECKED) != 0 && base > (uint64_t)INT64_MAX)
    return say("%sAccount %u: LastQty fits no amount, and the account is Checked: take both from the fill's reports", name, account_id);
  if (wcx_idmap_find(&engine->session_map, session_id) == WCX_IDX_NONE)
    return say("%sSessionID %u is unknown: take it from the fill's reports", name, session_id);
  return NULL;
}

const char *wcx_trade_break_error(const wcx_engine_t *engine, const wcx_trade_break_command_t *command)
{
  unsigned long long match_id = command->trd_match_id;
  if (match_id == 0 || match_id > engine->match_id)
    return say("TrdMatchID %llu is outside 1..%llu, the trades there were", match_id, (unsigned long long)engine->match_id);
  if (is_broken(engine, match_id))
    return say("TrdMatchID %llu has been broken", match_id);
  const wcx_instrument_t *instrument = wcx_state_instrument(engine, command->security_id);
  if (instrument == NULL)
    return say("SecurityID %u is unknown: take it from the fill's reports", command->security_id);
  const char *error = amount_error(instrument, command);
  if (error != NULL)
    return error;
  if (command->reason < WCX_BREAK_REASON_ERRONEOUS || command->reason > WCX_BREAK_REASON_EXTERNAL)
    return say("Reason %u is unknown: 1 is Erroneous", command->reason);
  uint64_t base = wcx_risk_base(instrument, command->last_qty);
  error = party_error(engine, "Buy", command->buy_account, command->buy_session_id, base);
  return error != NULL ? error : party_error(engine, "Sell", command->sell_account, command->sell_session_id, base);
}

/* One side of the fill, as its ER_Trade had it. */
typedef struct party
{
  uint64_t order_id;
  uint64_t cl_ord_id;
  uint64_t exec_id;
  int64_t commission;
  uint32_t account;
  uint32_t session_id;
  uint8_t side;
} party_t;

static void tell(wcx_engine_t *engine, const wcx_trade_break_command_t *command, const party_t *party)
{
  wcx_session_t *session = &engine->sessions[wcx_idmap_find(&engine->session_map, party->session_id)];
  wcx_execution_report_trade_break_t *er = wcx_emit_session(engine, session, WCX_TEMPLATE_EXECUTION_REPORT_TRADE_BREAK, sizeof(*er));
  *er = (wcx_execution_report_trade_break_t){
      .transact_time = engine->stamp_ns,
      .exec_id = ++engine->exec_id,
      .order_id = party->order_id,
      .cl_ord_id = party->cl_ord_id,
      .security_id = command->security_id,
      .account = party->account,
      .session_id = party->session_id,
      .side = party->side,
      .ord_status = WCX_ORD_STATUS_CANCELED,
      .break_reason = command->reason,
      .exec_ref_id = party->exec_id,
      .trd_match_id = command->trd_match_id,
      .last_px = command->last_px,
      .last_qty = command->last_qty,
      .commission = party->commission,
  };
}

void wcx_trade_break(wcx_engine_t *engine, const wcx_trade_break_command_t *command)
{
  const wcx_instrument_t *instrument = wcx_state_instrument(engine, command->security_id);
  party_t parties[2] = {
      {command->buy_order_id, command->buy_cl_ord_id, command->buy_exec_id, command->buy_commission, command->buy_account, command->buy_session_id, WCX_SIDE_BUY},
      {command->sell_order_id, command->sell_cl_ord_id, command->sell_exec_id, command->sell_commission, command->sell_account, command->sell_session_id, WCX_SIDE_SELL},
  };
  remember(engine, command->trd_match_id);
  for (uint32_t i = 0; i < 2; i++)
  {
    wcx_risk_break(engine, wcx_state_account(engine, parties[i].account), instrument, parties[i].side, command->last_px, command->last_qty, parties[i].commission);
    tell(engine, command, &parties[i]);
  }
  wcx_trade_break_t *md = wcx_note_feed(engine, WCX_TEMPLATE_TRADE_BREAK, sizeof(*md));
  *md = (wcx_trade_break_t){.transact_time = engine->stamp_ns, .trd_match_id = command->trd_match_id, .security_id = command->security_id, .reason = command->reason};
}
