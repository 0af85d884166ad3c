/* Inputs one by one: deadlines, stops left over, the input itself, stops it triggered, indicative prices. */
#include "tests/diff/reference.h"

#include "tests/diff/reference_state.h"

#include <stdlib.h>

/* --- making it ------------------------------------------------------------------------------------------------------------------------- */

ref_t *ref_new(const wcx_engine_limits_t *limits)
{
  ref_t *ref = calloc(1, sizeof(*ref));
  WCX_CHECK(ref != NULL, "out of memory: %zu", sizeof(*ref));
  ref->shard = limits->shard;
  ref->capacity = (wcx_capacity_t){.max_orders = limits->orders_max,
                                   .max_instruments = limits->instruments_max,
                                   .max_accounts = limits->accounts_max,
                                   .max_sessions = limits->sessions_max,
                                   .max_levels = limits->levels_max};
  ref->next_order_id = 1;
  ref->next_exec_id = 1;
  ref->feed_number = 1;
  ref->soonest_ns = UINT64_MAX;
  for (uint32_t tier = 0; tier < 8; tier++)
    for (uint32_t asset = 0; asset < REF_ASSETS_MAX; asset++)
      ref->tier_limits[tier][asset] = (ref_asset_limits_t){WCX_I64_NULL, WCX_I64_NULL, WCX_I64_NULL};
  return ref;
}

void ref_free(ref_t *ref)
{
  for (uint32_t i = 0; i < ref->live.cnt; i++)
    free(ref->live.at[i]);
  for (uint32_t i = 0; i < ref->spare.cnt; i++)
    free(ref->spare.at[i]);
  for (uint32_t i = 0; i < ref->instrument_cnt; i++)
  {
    free(ref->instruments[i].book[REF_BUY].at);
    free(ref->instruments[i].book[REF_SELL].at);
    free(ref->instruments[i].waiting.at);
  }
  free(ref->live.at);
  free(ref->spare.at);
  free(ref->picked.at);
  free(ref->publics);
  free(ref->instruments);
  free(ref->accounts);
  free(ref->sessions);
  free(ref->groups);
  free(ref);
}

/* --- definitions ----------------------------------------------------------------------------------------------------------------------- */

static void *grow(void *array, uint32_t cnt, size_t sz)
{
  void *more = realloc(array, (cnt + 1) * sz);
  WCX_CHECK(more != NULL, "out of memory: %u", cnt);
  memset((uint8_t *)more + cnt * sz, 0, sz);
  return more;
}

static void define_instrument(ref_t *ref, const wcx_security_definition_t *def)
{
  uint32_t idx = ref_instrument_find(ref, def->security_id);
  if (idx == REF_NOBODY)
  {
    idx = ref->instrument_cnt;
    ref->instruments = grow(ref->instruments, ref->instrument_cnt++, sizeof(*ref->instruments));
  }
  ref_instrument_t *instrument = &ref->instruments[idx];
  instrument->def = *def;
  instrument->base = ref_asset_of(ref, def->base_asset, def->qty_exponent);
  instrument->quote = ref_asset_of(ref, def->quote_asset, def->amt_exponent);
  instrument->status = def->security_trading_status;
  instrument->resume_ns = 0;
  instrument->low = def->low_limit_price;
  instrument->high = def->high_limit_price;
  instrument->told_any = false;
  wcx_security_definition_t message = *def;
  message.transact_time = ref->now;
  ref_say_feed(ref, WCX_TEMPLATE_SECURITY_DEFINITION, &message, sizeof(message));
}

static void define_account(ref_t *ref, const wcx_account_definition_t *def)
{
  uint32_t idx = ref_account_find(ref, def->account);
  if (idx == REF_NOBODY)
  {
    idx = ref->account_cnt;
    ref->accounts = grow(ref->accounts, ref->account_cnt++, sizeof(*ref->accounts));
    ref->accounts[idx].max_order_qty = WCX_I64_NULL;
    ref->accounts[idx].max_open_orders = WCX_U32_NULL;
    for (uint32_t asset = 0; asset < REF_ASSETS_MAX; asset++)
      ref->accounts[idx].limits[asset] = (ref_asset_limits_t){WCX_I64_NULL, WCX_I64_NULL, WCX_I64_NULL};
  }
  ref->accounts[idx].def = *def;
}

static void define_session(ref_t *ref, const wcx_session_definition_t *def)
{
  uint32_t idx = ref_session_find(ref, def->session_id);
  if (idx == REF_NOBODY)
  {
    idx = ref->session_cnt;
    ref->sessions = grow(ref->sessions, ref->session_cnt++, sizeof(*ref->sessions));
    ref->sessions[idx].id = def->session_id;
    ref->sessions[idx].next_client_seq = 1;
    ref->sessions[idx].next_server_seq = 1;
  }
  ref->sessions[idx].account = def->account;
}

static void session_entitlement(ref_t *ref, const wcx_session_entitlement_t *command)
{
  ref_session_t *session = &ref->sessions[ref_session_find(ref, command->session_id)];
  session->some_groups = command->instrument_groups != 0;
  session->some_types = command->ord_types != 0;
  for (uint32_t group = 0; group < REF_TRADING_GROUPS; group++)
    session->in_group[group] = (command->instrument_groups & UINT64_C(1) << group) != 0;
  for (uint32_t type = 0; type < REF_ORD_TYPES; type++)
    session->of_type[type] = (command->ord_types & 1u << type) != 0;
}

static void price_band(ref_t *ref, const wcx_price_band_t *command)
{
  ref_instrument_t *instrument = &ref->instruments[ref_instrument_find(ref, command->security_id)];
  instrument->low = command->low_limit_price;
  instrument->high = command->high_limit_price;
  if (command->reference_price != WCX_I64_NULL)
    instrument->reference_px = command->reference_price;
  wcx_price_band_t message = *command;
  message.transact_time = ref->now;
  ref_say_feed(ref, WCX_TEMPLATE_PRICE_BAND, &message, sizeof(message));
}

/* --- sessions -------------------------------------------------------------------------------------------------------------------------- */

static void session_opened(ref_t *ref, const wcx_session_opened_t *opened)
{
  ref_session_t *session = &ref->sessions[ref->session];
  session->uuid[opened->transport] = opened->uuid;
  bool other_binding = session->uuid[opened->transport == 1 ? 2 : 1] != 0;
  if (!other_binding)
  {
    session->cod = false;
    session->cod_window_ms = 0;
  }
  session->cod = session->cod || (opened->flags & 1) != 0;
  if (session->cod_window_ms < opened->cod_timeout_window)
    session->cod_window_ms = opened->cod_timeout_window;
  session->cod_ns = 0;
  wcx_establish_ack_t ack = {
      .uuid = opened->uuid,
      .request_timestamp = opened->request_timestamp,
      .next_server_seq_no = session->next_server_seq + 1,
      .next_client_seq_no = session->next_client_seq,
      .last_cl_ord_id = session->last_cl_ord_id,
      .keep_alive_interval = opened->keep_alive_interval,
      .cod_timeout_window = opened->cod_timeout_window,
      .durability_level = opened->durability_level,
  };
  memcpy(ack.mold_session, opened->mold_session, sizeof(ack.mold_session));
  ref_say_session(ref, ref->session, WCX_TEMPLATE_ESTABLISH_ACK, &ack, sizeof(ack));
}

static void session_closed(ref_t *ref, const wcx_session_closed_t *closed)
{
  ref_session_t *session = &ref->sessions[ref->session];
  if (closed->uuid == session->uuid[closed->transport])
    session->uuid[closed->transport] = 0;
  if (closed->terminate != 0)
  {
    wcx_terminate_t terminate = {.uuid = closed->uuid, .code = closed->terminate_code};
    ref_say_session(ref, ref->session, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate));
  }
  if (closed->cancel_orders == 1)
  {
    session->cod_ns = 0;
    ref_disconnect(ref, ref->session);
  }
  if (closed->cancel_orders == 2)
  {
    session->cod_ns = ref->now + (uint64_t)session->cod_window_ms * 1000000;
    session->cod_armed = ref->next_armed++;
    if (session->cod_ns < ref->soonest_ns)
      ref->soonest_ns = session->cod_ns;
  }
}

static void session_refused(ref_t *ref, const wcx_session_refused_t *refused)
{
  wcx_establish_reject_t reject = {.uuid = refused->uuid, .request_timestamp = refused->request_timestamp, .code = refused->code};
  ref_say_unsequenced(ref, ref->session, refused->peer_tag, WCX_TEMPLATE_ESTABLISH_REJECT, &reject, sizeof(reject));
}

/* --- deadlines ------------------------------------------------------------------------------------------------------------------------- */

typedef struct deadline
{
  uint64_t at_ns; /* 0: none */
  uint64_t armed;
  ref_order_t *order;
  ref_session_t *session;
  ref_instrument_t *instrument;
} deadline_t;

static void sooner(deadline_t *first, deadline_t other)
{
  if (other.at_ns != 0 && (first->at_ns == 0 || other.at_ns < first->at_ns || (other.at_ns == first->at_ns && other.armed < first->armed)))
    *first = other;
}

static deadline_t first_deadline(const ref_t *ref)
{
  deadline_t first = {0};
  for (uint32_t i = 0; i < ref->live.cnt; i++)
    sooner(&first, (deadline_t){.at_ns = ref->live.at[i]->expires_ns, .armed = ref->live.at[i]->armed, .order = ref->live.at[i]});
  for (uint32_t i = 0; i < ref->session_cnt; i++)
    sooner(&first, (deadline_t){.at_ns = ref->sessions[i].cod_ns, .armed = ref->sessions[i].cod_armed, .session = &ref->sessions[i]});
  for (uint32_t i = 0; i < ref->instrument_cnt; i++)
    sooner(&first, (deadline_t){.at_ns = ref->instruments[i].resume_ns, .armed = ref->instruments[i].resume_armed, .instrument = &ref->instruments[i]});
  return first;
}

static void fire(ref_t *ref, deadline_t due)
{
  if (due.order != NULL)
    ref_cancel_unsolicited(ref, due.order, WCX_CANCEL_REASON_EXPIRED);
  else if (due.session != NULL)
  {
    due.session->cod_ns = 0;
    ref_disconnect(ref, (uint32_t)(due.session - ref->sessions));
  }
  else
    ref_status_due(ref, due.instrument);
}

static void fire_deadlines(ref_t *ref)
{
  while (ref->soonest_ns <= ref->now)
  {
    deadline_t due = first_deadline(ref);
    ref->soonest_ns = due.at_ns == 0 ? UINT64_MAX : due.at_ns;
    if (due.at_ns != 0 && due.at_ns <= ref->now)
      fire(ref, due);
  }
}

/* --- one input ------------------------------------------------------------------------------------------------------------------------- */

/* A block of the record, whatever its alignment, as a struct of the schema. */
#define READ(type, name)                                                                                                                                                           \
  type name;                                                                                                                                                                       \
  memcpy(&name, body, sizeof(name))

static void apply_request(ref_t *ref, const void *body)
{
  switch (ref->hdr->template_id)
  {
  case WCX_TEMPLATE_NEW_ORDER_SINGLE:
  {
    READ(wcx_new_order_single_t, request);
    ref_new_order(ref, &request);
    return;
  }
  case WCX_TEMPLATE_ORDER_CANCEL_REQUEST:
  {
    READ(wcx_order_cancel_request_t, request);
    ref_cancel_request(ref, &request);
    return;
  }
  case WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST:
  {
    READ(wcx_order_cancel_replace_request_t, request);
    ref_replace_request(ref, &request);
    return;
  }
  case WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST:
  {
    READ(wcx_order_mass_cancel_request_t, request);
    ref_mass_cancel(ref, &request);
    return;
  }
  case WCX_TEMPLATE_UNLOCK_TRADING_REQUEST:
  {
    READ(wcx_unlock_trading_request_t, request);
    ref_unlock(ref, &request);
    return;
  }
  case WCX_TEMPLATE_MASS_QUOTE:
    ref_mass_quote(ref, body);
    return;
  case WCX_TEMPLATE_MMP_RESET_REQUEST:
  {
    READ(wcx_mmp_reset_request_t, request);
    ref_mmp_reset(ref, &request);
    return;
  }
  case WCX_TEMPLATE_MMP_CONFIG_REQUEST:
  {
    READ(wcx_mmp_config_request_t, request);
    ref_mmp_config(ref, &request);
    return;
  }
  default:
    WCX_CHECK(false, "no input: template %u", ref->hdr->template_id);
  }
}

static void apply_session(ref_t *ref, const void *body)
{
  switch (ref->hdr->template_id)
  {
  case WCX_TEMPLATE_SESSION_OPENED:
  {
    READ(wcx_session_opened_t, opened);
    session_opened(ref, &opened);
    return;
  }
  case WCX_TEMPLATE_SESSION_CLOSED:
  {
    READ(wcx_session_closed_t, closed);
    session_closed(ref, &closed);
    return;
  }
  case WCX_TEMPLATE_SESSION_REFUSED:
  {
    READ(wcx_session_refused_t, refused);
    session_refused(ref, &refused);
    return;
  }
  default:
    apply_request(ref, body);
  }
}

static void apply_money(ref_t *ref, const void *body)
{
  switch (ref->hdr->template_id)
  {
  case WCX_TEMPLATE_ASSET_DEFINITION:
  {
    READ(wcx_asset_definition_t, definition);
    ref_asset_definition(ref, &definition);
    return;
  }
  case WCX_TEMPLATE_BALANCE_ADJUSTMENT:
  {
    READ(wcx_balance_adjustment_t, adjustment);
    ref_balance_adjustment(ref, &adjustment);
    return;
  }
  case WCX_TEMPLATE_LIMIT_UPDATE:
  {
    READ(wcx_limit_update_t, update);
    ref_limit_update(ref, &update);
    return;
  }
  case WCX_TEMPLATE_TRADE_BREAK_COMMAND:
  {
    READ(wcx_trade_break_command_t, command);
    ref_trade_break(ref, &command);
    return;
  }
  case WCX_TEMPLATE_FEE_TIER_DEFINITION:
  {
    READ(wcx_fee_tier_definition_t, definition);
    ref->fee_tiers[definition.fee_tier] = definition;
    ref->fee_tier_defined[definition.fee_tier] = true;
    return;
  }
  default:
    apply_session(ref, body);
  }
}

static void apply_input(ref_t *ref, const void *body)
{
  switch (ref->hdr->template_id)
  {
  case WCX_TEMPLATE_SECURITY_DEFINITION:
  {
    READ(wcx_security_definition_t, definition);
    define_instrument(ref, &definition);
    return;
  }
  case WCX_TEMPLATE_ACCOUNT_DEFINITION:
  {
    READ(wcx_account_definition_t, definition);
    define_account(ref, &definition);
    return;
  }
  case WCX_TEMPLATE_SESSION_DEFINITION:
  {
    READ(wcx_session_definition_t, definition);
    define_session(ref, &definition);
    return;
  }
  case WCX_TEMPLATE_CAPACITY:
    memcpy(&ref->capacity, body, sizeof(ref->capacity));
    return;
  case WCX_TEMPLATE_VOLATILITY_RULE:
  {
    READ(wcx_volatility_rule_t, rule);
    ref->instruments[ref_instrument_find(ref, rule.security_id)].rule = rule;
    return;
  }
  case WCX_TEMPLATE_SECURITY_STATUS:
  {
    READ(wcx_security_status_t, command);
    ref_status_command(ref, &command);
    return;
  }
  case WCX_TEMPLATE_SESSION_ENTITLEMENT:
  {
    READ(wcx_session_entitlement_t, command);
    session_entitlement(ref, &command);
    return;
  }
  case WCX_TEMPLATE_INSTRUMENT_GROUP:
  {
    READ(wcx_instrument_group_t, command);
    ref->instruments[ref_instrument_find(ref, command.security_id)].group = command.group;
    return;
  }
  case WCX_TEMPLATE_PRICE_BAND:
  {
    READ(wcx_price_band_t, command);
    price_band(ref, &command);
    return;
  }
  case WCX_TEMPLATE_KILL_SWITCH:
  {
    READ(wcx_kill_switch_t, command);
    ref_kill_switch(ref, &command);
    return;
  }
  case WCX_TEMPLATE_TICK:
    return;
  case WCX_TEMPLATE_DAY_ROLL:
    return;
  default:
    apply_money(ref, body);
  }
}

void ref_apply(ref_t *ref, const wcx_record_hdr_t *hdr, const void *body, ref_out_list_t *out)
{
  ref->now = hdr->stamp_ns;
  ref->refreshes = 0;
  ref->hdr = hdr;
  ref->out = out;
  ref->stops_left = REF_STOPS_PER_INPUT;
  ref->session = hdr->session_id == 0 ? REF_NOBODY : ref_session_find(ref, hdr->session_id);
  WCX_CHECK(hdr->session_id == 0 || ref->session != REF_NOBODY || hdr->template_id == WCX_TEMPLATE_SESSION_DEFINITION, "no session %u", hdr->session_id);
  if (hdr->template_id == WCX_TEMPLATE_DAY_ROLL)
    ref->feed_number = 1; /* what its input says is the new day's */
  fire_deadlines(ref);
  ref_trigger_stops(ref);
  if (hdr->client_seq != 0)
    ref->sessions[ref->session].next_client_seq = hdr->client_seq + 1;
  apply_input(ref, body);
  ref_trigger_stops(ref);
  ref_auction_updates(ref);
  ref_say_finish(ref);
}

/* --- looking at it --------------------------------------------------------------------------------------------------------------------- */

uint32_t ref_live_cnt(const ref_t *ref)
{
  return ref->live.cnt;
}

void ref_live_at(const ref_t *ref, uint32_t idx, ref_order_view_t *view)
{
  const ref_order_t *order = ref->live.at[idx];
  *view = (ref_order_view_t){
      .order_id = order->id,
      .public_id = order->public_id,
      .cl_ord_id = order->cl_ord_id,
      .price = order->price,
      .stop_px = order->stop_px,
      .order_qty = order->qty,
      .cum_qty = order->cum,
      .display_qty = order->display_qty,
      .session_id = ref->sessions[order->session].id,
      .account = ref->accounts[order->account].def.account,
      .security_id = ref->instruments[order->instrument].def.security_id,
      .exec_inst = order->exec_inst,
      .mmp_group = order->mmp_group,
      .side = order->side,
      .ord_type = order->ord_type,
      .time_in_force = order->tif,
      .quote = order->quote,
      .waiting = order->place == REF_WAITING,
      .unseen = order->place == REF_UNSEEN,
  };
}

bool ref_book_orders(const ref_t *ref, uint32_t security_id, uint8_t side, wcx_order_visit_t *visit, void *ctx)
{
  uint32_t idx = ref_instrument_find(ref, security_id);
  if (idx == REF_NOBODY)
    return false;
  const ref_list_t *book = &ref->instruments[idx].book[side];
  for (uint32_t i = 0; i < book->cnt; i++)
    if (book->at[i]->shown > 0 && !visit(ctx, book->at[i]->public_id, book->at[i]->price, book->at[i]->shown))
      break;
  return true;
}

uint8_t ref_status(const ref_t *ref, uint32_t security_id)
{
  uint32_t idx = ref_instrument_find(ref, security_id);
  return idx == REF_NOBODY ? 0 : ref->instruments[idx].status;
}

uint64_t ref_last_cl_ord_id(const ref_t *ref, uint32_t session_id)
{
  uint32_t idx = ref_session_find(ref, session_id);
  return idx == REF_NOBODY ? 0 : ref->sessions[idx].last_cl_ord_id;
}

uint64_t ref_last_match_id(const ref_t *ref)
{
  return ref->last_match_id;
}

uint64_t ref_next_deadline_ns(const ref_t *ref)
{
  deadline_t first = first_deadline(ref);
  return first.at_ns == 0 ? UINT64_MAX : first.at_ns;
}

uint64_t ref_feed_next_number(const ref_t *ref)
{
  return ref->feed_number;
}

bool ref_session(const ref_t *ref, uint32_t session_id, wcx_session_view_t *view)
{
  uint32_t idx = ref_session_find(ref, session_id);
  if (idx == REF_NOBODY)
    return false;
  const ref_session_t *session = &ref->sessions[idx];
  *view = (wcx_session_view_t){.session_id = session->id,
                               .account = session->account,
                               .next_client_seq = session->next_client_seq,
                               .next_server_seq = session->next_server_seq,
                               .last_cl_ord_id = session->last_cl_ord_id,
                               .open = (uint8_t)((session->uuid[1] != 0) << 1 | (session->uuid[2] != 0) << 2),
                               .cod = session->cod};
  for (uint32_t i = 0; i < ref->live.cnt; i++)
    view->open_orders += ref->live.at[i]->session == idx;
  return true;
}
