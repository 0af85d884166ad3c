/* Mass quotes and market-maker protection. */
#include "tests/diff/reference_state.h"

#include <stdlib.h>

#define QUOTE_SETS_MAX 33u
#define FLAG_RESET 1u
#define FLAG_POST_ONLY 2u

/* --- groups ---------------------------------------------------------------------------------------------------------------------------- */

ref_group_t *ref_group_find(ref_t *ref, uint32_t session, uint16_t group)
{
  for (uint32_t i = 0; i < ref->group_cnt; i++)
    if (ref->groups[i].session == session && ref->groups[i].group == group)
      return &ref->groups[i];
  return NULL;
}

bool ref_frozen(const ref_t *ref, const ref_group_t *group)
{
  return group != NULL && group->frozen && (group->frozen_until == WCX_U64_NULL || ref->now < group->frozen_until);
}

bool ref_protected(const ref_order_t *order)
{
  return order->mmp_group != 0 && (order->quote || (order->exec_inst & WCX_EXEC_INST_MMP) != 0);
}

void ref_mmp_freeze(ref_t *ref, ref_group_t *group)
{
  group->frozen = true;
  group->frozen_until = WCX_U64_NULL;
  ref_say_mmp(ref, group, WCX_MMP_EVENT_TYPE_FROZEN_BY_CLIENT, 0);
}

static void reset(ref_t *ref, ref_group_t *group, uint8_t event)
{
  group->frozen = false;
  group->entry_cnt = 0;
  ref_say_mmp(ref, group, event, 0);
}

static void forget_oldest(ref_group_t *group)
{
  group->entry_cnt--;
  memmove(group->entries, group->entries + 1, group->entry_cnt * sizeof(group->entries[0]));
}

/* A fill into the window: entries that left it are dropped, and the two oldest become one when there is no room. */
static void remember(const ref_t *ref, ref_group_t *group, int64_t qty, int64_t notional)
{
  while (group->entry_cnt > 0 && (wcx_i128_t)group->entries[0].stamp_ns + group->config.window_nanos <= ref->now)
    forget_oldest(group);
  if (group->entry_cnt == REF_MMP_ENTRIES)
  {
    ref_mmp_entry_t *second = &group->entries[1];
    second->count += group->entries[0].count;
    second->qty += group->entries[0].qty;
    second->notional += group->entries[0].notional;
    forget_oldest(group);
  }
  group->entries[group->entry_cnt++] = (ref_mmp_entry_t){ref->now, 1, qty, notional};
}

/* What limit holds, and its value in *level; 0: none. */
static uint8_t limit_reached(const ref_group_t *group, uint64_t *level)
{
  ref_mmp_entry_t sum = {0};
  for (uint32_t i = 0; i < group->entry_cnt; i++)
  {
    sum.count += group->entries[i].count;
    sum.qty += group->entries[i].qty;
    sum.notional += group->entries[i].notional;
  }
  const wcx_mmp_config_request_t *config = &group->config;
  *level = sum.count;
  if (config->max_count != 0 && sum.count >= config->max_count)
    return WCX_MMP_EVENT_TYPE_TRIGGERED_BY_COUNT;
  *level = (uint64_t)sum.qty;
  if (config->max_qty != WCX_I64_NULL && sum.qty >= config->max_qty)
    return WCX_MMP_EVENT_TYPE_TRIGGERED_BY_QTY;
  *level = (uint64_t)sum.notional;
  if (config->max_notional_window != WCX_I64_NULL && sum.notional >= config->max_notional_window)
    return WCX_MMP_EVENT_TYPE_TRIGGERED_BY_NOTIONAL;
  return 0;
}

static void cancel_group(ref_t *ref, const ref_group_t *group)
{
  ref_order_t *in_hand = NULL;
  ref->picked.cnt = 0;
  for (uint32_t i = 0; i < ref->live.cnt; i++)
  {
    ref_order_t *order = ref->live.at[i];
    if (order->session != group->session || order->mmp_group != group->group || !ref_protected(order))
      continue;
    if (order->place == REF_NOWHERE)
      in_hand = order;
    else
      ref_list_insert(&ref->picked, ref->picked.cnt, order);
  }
  for (uint32_t i = 0; i < ref->picked.cnt; i++)
    ref_cancel_unsolicited(ref, ref->picked.at[i], WCX_CANCEL_REASON_MARKET_MAKER_PROTECTION);
  if (in_hand != NULL)
    ref_cancel_remainder(ref, in_hand, WCX_CANCEL_REASON_MARKET_MAKER_PROTECTION);
}

void ref_mmp_count(ref_t *ref, const ref_order_t *filled, int64_t qty, int64_t notional)
{
  ref_group_t *group = ref_protected(filled) ? ref_group_find(ref, filled->session, filled->mmp_group) : NULL;
  if (group == NULL)
    return;
  remember(ref, group, qty, notional);
  uint64_t level;
  uint8_t event = ref_frozen(ref, group) ? 0 : limit_reached(group, &level);
  if (event == 0)
    return;
  group->frozen = true;
  group->frozen_until = group->config.freeze_nanos == 0 ? WCX_U64_NULL : ref->now + group->config.freeze_nanos;
  group->entry_cnt = 0;
  ref_say_mmp(ref, group, event, level);
  cancel_group(ref, group);
}

void ref_mmp_reset(ref_t *ref, const wcx_mmp_reset_request_t *r)
{
  bool rises = ref_cl_ord_id_rises(ref, r->cl_ord_id);
  ref_group_t *group = ref_group_find(ref, ref->session, r->mmp_group);
  if (!rises || group == NULL)
    ref_say_business_reject(ref, r->cl_ord_id, WCX_BUSINESS_REJECT_REASON_OTHER);
  else
    reset(ref, group, WCX_MMP_EVENT_TYPE_RESET);
}

static bool is_negative(int64_t limit)
{
  return limit < 0 && limit != WCX_I64_NULL;
}

void ref_mmp_config(ref_t *ref, const wcx_mmp_config_request_t *r)
{
  bool rises = ref_cl_ord_id_rises(ref, r->cl_ord_id);
  ref_group_t *group = ref_group_find(ref, ref->session, r->mmp_group);
  bool full = group == NULL && ref->group_cnt >= 4 * ref->capacity.max_sessions;
  if (!rises || r->mmp_group == 0 || r->window_nanos == 0 || is_negative(r->max_qty) || is_negative(r->max_notional_window) || full)
  {
    ref_say_business_reject(ref, r->cl_ord_id, WCX_BUSINESS_REJECT_REASON_OTHER);
    return;
  }
  if (group == NULL)
  {
    ref->groups = realloc(ref->groups, (ref->group_cnt + 1) * sizeof(*ref->groups));
    WCX_CHECK(ref->groups != NULL, "out of memory: %u groups", ref->group_cnt);
    group = &ref->groups[ref->group_cnt++];
    memset(group, 0, sizeof(*group));
    group->session = ref->session;
    group->group = r->mmp_group;
  }
  group->config = *r;
  reset(ref, group, WCX_MMP_EVENT_TYPE_CONFIGURED);
}

/* --- quotes ---------------------------------------------------------------------------------------------------------------------------- */

typedef struct quote
{
  wcx_mass_quote_t root;
  wcx_mass_quote_quote_sets_t sets[QUOTE_SETS_MAX];
  uint16_t set_cnt; /* as the message says */
} quote_t;

static quote_t read_quote(const uint8_t *body)
{
  quote_t quote;
  wcx_group_size_t size;
  memcpy(&quote.root, body, sizeof(quote.root));
  memcpy(&size, body + sizeof(quote.root), sizeof(size));
  quote.set_cnt = size.num_in_group;
  if (quote.set_cnt <= QUOTE_SETS_MAX)
    memcpy(quote.sets, body + sizeof(quote.root) + sizeof(size), size.num_in_group * sizeof(quote.sets[0]));
  return quote;
}

static uint8_t judge_quote(ref_t *ref, const quote_t *quote)
{
  const wcx_mass_quote_t *r = &quote->root;
  uint32_t account = ref_account_find(ref, r->account);
  ref_group_t *group = r->mmp_group == 0 ? NULL : ref_group_find(ref, ref->session, r->mmp_group);
  if (!ref_cl_ord_id_rises(ref, r->quote_id))
    return WCX_QUOTE_REJECT_REASON_DUPLICATE_QUOTE_ID;
  if (quote->set_cnt > QUOTE_SETS_MAX)
    return WCX_QUOTE_REJECT_REASON_TOO_MANY_SETS;
  if (account == REF_NOBODY)
    return WCX_QUOTE_REJECT_REASON_UNKNOWN_ACCOUNT;
  if (!ref_entitled(ref, ref->session, r->account))
    return WCX_QUOTE_REJECT_REASON_NOT_ENTITLED;
  if (ref_locked(ref, ref->session, account))
    return WCX_QUOTE_REJECT_REASON_KILL_SWITCH_ACTIVE;
  if ((r->flags & FLAG_RESET) != 0 && group != NULL)
    reset(ref, group, WCX_MMP_EVENT_TYPE_RESET);
  return ref_frozen(ref, group) ? WCX_QUOTE_REJECT_REASON_MMP_FROZEN : WCX_QUOTE_REJECT_REASON_NONE;
}

/* The answer as on the wire: root block, dimensions of the group, sets. */
#define ACK_SETS_OFF (sizeof(wcx_mass_quote_ack_t) + sizeof(wcx_group_size_t))
typedef struct ack
{
  wcx_mass_quote_ack_t root;
  uint16_t set_cnt;
  wcx_mass_quote_ack_quote_sets_t sets[QUOTE_SETS_MAX];
} ack_t;

static uint32_t ack_write(const ack_t *ack, uint8_t *to)
{
  wcx_group_size_t size = {.block_length = sizeof(ack->sets[0]), .num_in_group = ack->set_cnt};
  memcpy(to, &ack->root, sizeof(ack->root));
  memcpy(to + sizeof(ack->root), &size, sizeof(size));
  memcpy(to + ACK_SETS_OFF, ack->sets, ack->set_cnt * sizeof(ack->sets[0]));
  return (uint32_t)(ACK_SETS_OFF + ack->set_cnt * sizeof(ack->sets[0]));
}

static void take_out(ref_t *ref, const wcx_mass_quote_t *root, const wcx_mass_quote_quote_sets_t *set, uint8_t side)
{
  uint32_t instrument = ref_instrument_find(ref, set->security_id);
  for (uint32_t i = 0; i < ref->live.cnt; i++)
  {
    ref_order_t *order = ref->live.at[i];
    if (order->quote && order->session == ref->session && order->mmp_group == root->mmp_group && order->instrument == instrument && order->quote_entry_id == set->quote_entry_id &&
        order->side == side)
    {
      ref_remove(ref, order, true);
      return;
    }
  }
}

typedef struct side_result
{
  bool given;
  uint64_t order_id; /* WCX_U64_NULL: none */
  uint16_t reason;
} side_result_t;

static bool is_given(int64_t price, int64_t size)
{
  return price != WCX_I64_NULL && size != 0;
}

static side_result_t enter(ref_t *ref, const wcx_mass_quote_t *root, const wcx_mass_quote_quote_sets_t *set, uint8_t side)
{
  int64_t price = side == REF_BUY ? set->bid_px : set->offer_px;
  int64_t size = side == REF_BUY ? set->bid_size : set->offer_size;
  if (!is_given(price, size))
    return (side_result_t){false, WCX_U64_NULL, 0};
  if (is_given(set->bid_px, set->bid_size) && is_given(set->offer_px, set->offer_size) && set->bid_px >= set->offer_px)
    return (side_result_t){true, WCX_U64_NULL, WCX_ORD_REJ_REASON_INVALID_PRICE};
  ref_order_t candidate = {
      .cl_ord_id = root->quote_id,
      .price = price,
      .stop_px = WCX_I64_NULL,
      .qty = size,
      .leaves = size,
      .session = ref->session,
      .account = ref_account_find(ref, root->account),
      .instrument = ref_instrument_find(ref, set->security_id),
      .smp_id = root->self_match_prevention_id,
      .quote_entry_id = set->quote_entry_id,
      .exec_inst = (root->flags & FLAG_POST_ONLY) != 0 ? WCX_EXEC_INST_POST_ONLY : 0,
      .mmp_group = root->mmp_group,
      .side = side,
      .ord_type = WCX_ORD_TYPE_LIMIT,
      .tif = WCX_TIME_IN_FORCE_GTC,
      .smp_inst = root->self_match_prevention_inst,
      .quote = true,
  };
  if (!ref_granted_instrument(ref, ref->session, candidate.instrument) || !ref_granted_type(ref, ref->session, WCX_ORD_TYPE_LIMIT))
    return (side_result_t){true, WCX_U64_NULL, WCX_ORD_REJ_REASON_SESSION_NOT_ENTITLED};
  ref_verdict_t verdict = ref_judge(ref, &candidate, NULL);
  if (verdict.reason != 0)
    return (side_result_t){true, WCX_U64_NULL, verdict.reason};
  ref_order_t *order = ref_accept(ref, &candidate);
  side_result_t result = {true, order->id, 0};
  ref_place_order(ref, order);
  return result;
}

static void apply_sets(ref_t *ref, const quote_t *quote, ack_t *ack)
{
  uint32_t given = 0;
  uint32_t failed = 0;
  for (uint32_t i = 0; i < quote->set_cnt; i++)
  {
    const wcx_mass_quote_quote_sets_t *set = &quote->sets[i];
    side_result_t bid = {is_given(set->bid_px, set->bid_size), WCX_U64_NULL, WCX_ORD_REJ_REASON_UNKNOWN_SYMBOL};
    side_result_t offer = {is_given(set->offer_px, set->offer_size), WCX_U64_NULL, WCX_ORD_REJ_REASON_UNKNOWN_SYMBOL};
    if (ref_instrument_find(ref, set->security_id) != REF_NOBODY)
    {
      take_out(ref, &quote->root, set, REF_BUY);
      take_out(ref, &quote->root, set, REF_SELL);
      bid = enter(ref, &quote->root, set, REF_BUY);
      offer = enter(ref, &quote->root, set, REF_SELL);
    }
    ack->sets[i] = (wcx_mass_quote_ack_quote_sets_t){.bid_order_id = bid.order_id,
                                                     .offer_order_id = offer.order_id,
                                                     .security_id = set->security_id,
                                                     .quote_entry_id = set->quote_entry_id,
                                                     .bid_rej_reason = bid.reason,
                                                     .offer_rej_reason = offer.reason};
    given += (uint32_t)bid.given + (uint32_t)offer.given;
    failed += (uint32_t)(bid.given && bid.reason != 0) + (uint32_t)(offer.given && offer.reason != 0);
  }
  ack->root.quote_status = failed == 0 ? WCX_QUOTE_STATUS_ACCEPTED : failed == given ? WCX_QUOTE_STATUS_REJECTED : WCX_QUOTE_STATUS_PARTLY_REJECTED;
}

void ref_mass_quote(ref_t *ref, const uint8_t *body)
{
  quote_t quote = read_quote(body);
  uint8_t reason = judge_quote(ref, &quote);
  bool refused = reason != WCX_QUOTE_REJECT_REASON_NONE;
  ack_t ack = {
      .root = {.transact_time = ref->now,
               .exec_id = ref->next_exec_id++,
               .quote_id = quote.root.quote_id,
               .session_id = ref->hdr->session_id,
               .mmp_group = quote.root.mmp_group,
               .quote_status = refused ? WCX_QUOTE_STATUS_REJECTED : WCX_QUOTE_STATUS_ACCEPTED,
               .quote_reject_reason = reason,
               .receive_time = ref->hdr->receive_ns},
      .set_cnt = refused ? 0 : quote.set_cnt,
  };
  uint8_t bytes[sizeof(ack_t) + sizeof(wcx_group_size_t)];
  uint32_t sz = ack_write(&ack, bytes);
  /* the answer stands first, but what it says is known last */
  uint32_t off = ref_say_session(ref, ref->session, WCX_TEMPLATE_MASS_QUOTE_ACK, bytes, sz);
  if (refused)
    return;
  apply_sets(ref, &quote, &ack);
  ack_write(&ack, ref->out->bytes + off + 8);
}
