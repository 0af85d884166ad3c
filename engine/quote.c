#include "engine/quote.h"

#include "engine/emit.h"
#include "engine/enter.h"
#include "engine/entitle.h"
#include "engine/mmp.h"
#include "engine/report.h"
#include "engine/risk.h"

/* A MassQuote that is being worked off. */
typedef struct batch
{
  wcx_mass_quote_t quote;
  wcx_session_t *session;
  wcx_account_t *account;
  uint32_t given_cnt; /* sides that want to stand */
  uint32_t failed_cnt;
} batch_t;

/* One side of a set. */
typedef struct side
{
  wcx_instrument_t *instrument;
  uint64_t key;
  int64_t price;
  int64_t qty;
  uint8_t side;
} side_t;

/* --- the whole message ------------------------------------------------------------------------------------------------------------------ */

static uint8_t judge(wcx_engine_t *engine, batch_t *batch, uint32_t set_cnt)
{
  const wcx_mass_quote_t *quote = &batch->quote;
  wcx_session_t *session = batch->session;
  if (!wcx_session_take_cl_ord_id(session, quote->quote_id))
    return WCX_QUOTE_REJECT_REASON_DUPLICATE_QUOTE_ID;
  if (set_cnt > WCX_QUOTE_SETS_MAX)
    return WCX_QUOTE_REJECT_REASON_TOO_MANY_SETS;
  batch->account = wcx_state_account(engine, quote->account);
  if (batch->account == NULL)
    return WCX_QUOTE_REJECT_REASON_UNKNOWN_ACCOUNT;
  if (!wcx_session_entitled(session, quote->account))
    return WCX_QUOTE_REJECT_REASON_NOT_ENTITLED;
  if ((session->lock | batch->account->lock) != 0)
    return WCX_QUOTE_REJECT_REASON_KILL_SWITCH_ACTIVE;
  if ((quote->flags & WCX_QUOTE_F_RESET_MMP) != 0)
    (void)wcx_mmp_reset(engine, session, quote->mmp_group); /* there is nothing to reset in a group that is not configured */
  return wcx_mmp_frozen(engine, session, quote->mmp_group) ? WCX_QUOTE_REJECT_REASON_MMP_FROZEN : WCX_QUOTE_REJECT_REASON_NONE;
}

/* The ack, its sets still to be written; it stays where it is while its input is applied. */
static uint8_t *report_ack(wcx_engine_t *engine, const batch_t *batch, uint8_t reason, uint16_t set_cnt)
{
  wcx_session_t *session = batch->session;
  wcx_group_size_t group = {.block_length = sizeof(wcx_mass_quote_ack_quote_sets_t), .num_in_group = set_cnt};
  uint32_t group_sz = (uint32_t)(sizeof(group) + set_cnt * sizeof(wcx_mass_quote_ack_quote_sets_t));
  uint8_t *ack = wcx_emit_session_group(engine, session, WCX_TEMPLATE_MASS_QUOTE_ACK, sizeof(wcx_mass_quote_ack_t), group_sz);
  *(wcx_mass_quote_ack_t *)(void *)ack = (wcx_mass_quote_ack_t){
      .transact_time = engine->stamp_ns,
      .exec_id = ++engine->exec_id,
      .quote_id = batch->quote.quote_id,
      .session_id = session->session_id,
      .mmp_group = batch->quote.mmp_group,
      .quote_status = reason == WCX_QUOTE_REJECT_REASON_NONE ? WCX_QUOTE_STATUS_ACCEPTED : WCX_QUOTE_STATUS_REJECTED,
      .quote_reject_reason = reason,
      .receive_time = engine->receive_ns,
  };
  memcpy(ack + sizeof(wcx_mass_quote_ack_t), &group, sizeof(group));
  return ack;
}

/* --- one side --------------------------------------------------------------------------------------------------------------------------- */

static void withdraw(wcx_engine_t *engine, const wcx_session_t *session, uint8_t side, uint64_t key)
{
  uint32_t slot = wcx_index_find_quote(&engine->index, &engine->pool, (uint32_t)(session - engine->sessions), side, key);
  if (slot != 0)
    wcx_cancel_silent(engine, slot);
}

/* RULES.md section 2 from 8 on: locks and the freeze are the message's. */
static enum wcx_reject check(const wcx_engine_t *engine, const batch_t *batch, const wcx_instrument_t *instrument, wcx_terms_t *terms)
{
  if (!wcx_entitled(engine, batch->session, instrument, WCX_ORD_TYPE_LIMIT))
    return WCX_REJECT_NOT_GRANTED;
  wcx_verdict_t verdict = wcx_check_standing(batch->session, batch->account, instrument, terms);
  if (verdict.reject == WCX_REJECT_NONE)
    verdict = wcx_check_terms(engine, instrument, terms);
  if (verdict.reject == WCX_REJECT_NONE && __builtin_expect(batch->account->risk != 0, 0))
    verdict.reject = wcx_risk_check(engine, batch->account, instrument, terms->side, terms->price, terms->qty, &verdict.limit);
  if (verdict.reject != WCX_REJECT_NONE)
    return verdict.reject;
  if (engine->pool.live >= engine->capacity.max_orders)
    return WCX_REJECT_ORDERS_FULL;
  return wcx_book_has_level(engine, instrument, terms->side, terms->px_idx) ? WCX_REJECT_NONE : WCX_REJECT_LEVELS_FULL;
}

/* An accepted side in `slot`: it takes, and rests with what is left. */
static void enter(wcx_engine_t *engine, const batch_t *batch, const side_t *side, const wcx_terms_t *terms, uint32_t slot)
{
  const wcx_mass_quote_t *quote = &batch->quote;
  uint8_t risk = batch->account->risk != 0 ? WCX_ORDER_F_RISK : 0;
  uint8_t grouped = quote->mmp_group != 0 ? WCX_ORDER_F_MMP : 0;
  uint64_t order_id = engine->pool.orders[slot].order_id;
  engine->pool.extras[slot] = (wcx_order_extra_t){
      .price = terms->price,
      .stop_px = WCX_I64_NULL,
      .public_id = order_id,
      .quote_key = side->key,
      .collar = terms->price,
      .smp_id = quote->self_match_prevention_id,
      .mmp_group = quote->mmp_group,
      .exec_inst = terms->exec_inst,
      .smp_inst = quote->self_match_prevention_inst,
      .tif = WCX_TIME_IN_FORCE_GTC,
      .ord_type = WCX_ORD_TYPE_LIMIT,
  };
  wcx_entry_t entry = {
      .terms = *terms,
      .slot = slot,
      .order_flags = WCX_ORDER_F_EXTRA | WCX_ORDER_F_QUOTE | risk | grouped,
      .taker =
          {
              .session = batch->session,
              .instrument = side->instrument,
              .owner = batch->account,
              .order_id = order_id,
              .cl_ord_id = quote->quote_id,
              .price = terms->price,
              .order_qty = terms->qty,
              .leaves = terms->qty,
              .held_px = terms->price,
              .account = quote->account,
              .smp_id = wcx_match_smp_id(engine, quote->account, quote->self_match_prevention_id),
              .mmp_group = quote->mmp_group,
              .side = terms->side,
              .smp_inst = quote->self_match_prevention_inst,
              .flags = WCX_ORDER_F_QUOTE | risk | grouped,
          },
  };
  wcx_match_band(side->instrument, &entry.taker.low, &entry.taker.high);
  if (__builtin_expect(risk != 0, 0))
    wcx_risk_hold(engine, batch->account, side->instrument, terms->side, terms->price, terms->qty);
  wcx_enter(engine, &entry);
}

/* Returns what the ack says of it; *order_id when it is accepted. */
static uint16_t quote_side(wcx_engine_t *engine, batch_t *batch, const side_t *side, uint64_t *order_id)
{
  wcx_terms_t terms = {.price = side->price,
                       .qty = side->qty,
                       .exec_inst = (batch->quote.flags & WCX_QUOTE_F_POST_ONLY) != 0 ? WCX_EXEC_INST_POST_ONLY : 0,
                       .side = side->side,
                       .ord_type = WCX_ORD_TYPE_LIMIT,
                       .tif = WCX_TIME_IN_FORCE_GTC};
  enum wcx_reject reject = check(engine, batch, side->instrument, &terms);
  uint32_t slot = reject == WCX_REJECT_NONE ? wcx_pool_alloc(&engine->pool) : 0;
  if (slot == 0)
  {
    if (reject == WCX_REJECT_NONE) /* every slot in use or retired */
      reject = WCX_REJECT_ORDERS_FULL;
    engine->rejects[reject]++;
    batch->failed_cnt++;
    return wcx_reject_ord_reason(reject);
  }
  wcx_state_mark_used(engine, side->instrument, batch->account);
  *order_id = engine->pool.orders[slot].order_id;
  enter(engine, batch, side, &terms, slot);
  return WCX_QUOTE_SIDE_REJ_REASON_ACCEPTED;
}
#define SAME_NUMBER(name) static_assert((int)WCX_QUOTE_SIDE_REJ_REASON_##name == (int)WCX_ORD_REJ_REASON_##name, "a side is refused by the number of a new order")
SAME_NUMBER(OTHER);
SAME_NUMBER(UNKNOWN_SYMBOL);
SAME_NUMBER(MIN_NOTIONAL);
SAME_NUMBER(BOOK_FULL);
SAME_NUMBER(KYC_LIMIT);

/* --- one set ---------------------------------------------------------------------------------------------------------------------------- */

/* Neither side enters. */
static void refuse_set(wcx_engine_t *engine, batch_t *batch, enum wcx_reject reject, uint32_t given_cnt, wcx_mass_quote_ack_quote_sets_t *answer)
{
  engine->rejects[reject] += given_cnt;
  batch->failed_cnt += given_cnt;
  answer->bid_rej_reason = wcx_reject_ord_reason(reject);
  answer->offer_rej_reason = wcx_reject_ord_reason(reject);
}

static void quote_set(wcx_engine_t *engine, batch_t *batch, const wcx_mass_quote_quote_sets_t *set, wcx_mass_quote_ack_quote_sets_t *answer)
{
  bool bid = set->bid_px != WCX_I64_NULL && set->bid_size != 0;
  bool offer = set->offer_px != WCX_I64_NULL && set->offer_size != 0;
  uint32_t given_cnt = (uint32_t)bid + (uint32_t)offer;
  *answer = (wcx_mass_quote_ack_quote_sets_t){.bid_order_id = WCX_U64_NULL, .offer_order_id = WCX_U64_NULL, .security_id = set->security_id, .quote_entry_id = set->quote_entry_id};
  batch->given_cnt += given_cnt;
  wcx_instrument_t *instrument = wcx_state_instrument(engine, set->security_id);
  if (instrument == NULL)
  {
    refuse_set(engine, batch, WCX_REJECT_UNKNOWN_INSTRUMENT, given_cnt, answer);
    return;
  }
  uint64_t key = (uint64_t)batch->quote.mmp_group << 48 | (uint64_t)(instrument - engine->instruments) << 32 | set->quote_entry_id;
  withdraw(engine, batch->session, WCX_SIDE_BUY, key);
  withdraw(engine, batch->session, WCX_SIDE_SELL, key);
  if (bid && offer && set->bid_px >= set->offer_px)
  {
    refuse_set(engine, batch, WCX_REJECT_PRICE, given_cnt, answer);
    return;
  }
  side_t buy = {.instrument = instrument, .key = key, .price = set->bid_px, .qty = set->bid_size, .side = WCX_SIDE_BUY};
  side_t sell = {.instrument = instrument, .key = key, .price = set->offer_px, .qty = set->offer_size, .side = WCX_SIDE_SELL};
  if (bid)
    answer->bid_rej_reason = quote_side(engine, batch, &buy, &answer->bid_order_id);
  if (offer)
    answer->offer_rej_reason = quote_side(engine, batch, &sell, &answer->offer_order_id);
}

void wcx_mass_quote(wcx_engine_t *engine, wcx_session_t *session, const void *body, uint16_t body_sz)
{
  batch_t batch = {.session = session};
  wcx_group_size_t group = {0};
  WCX_CHECK(body_sz >= WCX_QUOTE_SETS_OFF, "seq %llu MassQuote: body of %u bytes", (unsigned long long)engine->seq, body_sz);
  memcpy(&batch.quote, body, sizeof(batch.quote));
  memcpy(&group, (const uint8_t *)body + sizeof(batch.quote), sizeof(group));
  WCX_CHECK(group.block_length == WCX_QUOTE_SET_SZ && body_sz == WCX_QUOTE_SETS_OFF + group.num_in_group * WCX_QUOTE_SET_SZ, "seq %llu MassQuote: %u sets of %u bytes in %u",
            (unsigned long long)engine->seq, group.num_in_group, group.block_length, body_sz);
  uint8_t reason = judge(engine, &batch, group.num_in_group);
  uint16_t set_cnt = reason == WCX_QUOTE_REJECT_REASON_NONE ? group.num_in_group : 0;
  uint8_t *ack = report_ack(engine, &batch, reason, set_cnt);
  uint8_t *answers = ack + sizeof(wcx_mass_quote_ack_t) + sizeof(group);
  for (uint32_t i = 0; i < set_cnt; i++)
  {
    wcx_mass_quote_quote_sets_t set;
    wcx_mass_quote_ack_quote_sets_t answer;
    memcpy(&set, (const uint8_t *)body + WCX_QUOTE_SETS_OFF + i * WCX_QUOTE_SET_SZ, sizeof(set));
    quote_set(engine, &batch, &set, &answer);
    memcpy(answers + i * sizeof(answer), &answer, sizeof(answer));
  }
  if (batch.failed_cnt != 0)
    ack[offsetof(wcx_mass_quote_ack_t, quote_status)] = batch.failed_cnt == batch.given_cnt ? WCX_QUOTE_STATUS_REJECTED : WCX_QUOTE_STATUS_PARTLY_REJECTED;
}
