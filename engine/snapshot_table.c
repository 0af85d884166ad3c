#include "engine/snapshot_table.h"

#include "engine/mmp.h"

/* --- fields ----------------------------------------------------------------------------------------------------------------------------- */

#define FIELD(kind, field)                                                                                                                                                         \
  {                                                                                                                                                                                \
#field, offsetof(wcx_engine_t, field), sizeof(((wcx_engine_t *)0)->field), kind                                                                                                \
  }
#define KEPT(field) FIELD(WCX_FIELD_KEPT, field)
#define DERIVED(field) FIELD(WCX_FIELD_DERIVED, field)
#define TRANSIENT(field) FIELD(WCX_FIELD_TRANSIENT, field)

/* NOLINTBEGIN(bugprone-sizeof-expression): pointers to tables are fields too */
const wcx_snapshot_field_t wcx_snapshot_fields[] = {
    KEPT(seq),
    KEPT(stamp_ns),
    TRANSIENT(receive_ns),
    TRANSIENT(client_seq),
    TRANSIENT(out),
    DERIVED(wake_ns),
    KEPT(exec_id),
    KEPT(match_id),
    KEPT(match_event_id),
    KEPT(feed_number),
    KEPT(display_no),
    KEPT(place_no),
    TRANSIENT(notes_from),
    TRANSIENT(notes_last),
    TRANSIENT(last_print),
    TRANSIENT(digested_pos),
    TRANSIENT(digested_blocks),
    TRANSIENT(pad),
    TRANSIENT(note_cnt),
    TRANSIENT(noted),
    TRANSIENT(taker_slot),
    TRANSIENT(trigger_cnt),
    TRANSIENT(refresh_cnt),
    TRANSIENT(touched_cnt),
    KEPT(output_digest),
    KEPT(order_digest),
    KEPT(record_digest),
    DERIVED(pool.orders),
    DERIVED(pool.links),
    DERIVED(pool.extras),
    DERIVED(pool.max),
    KEPT(pool.free_head),
    KEPT(pool.bump),
    KEPT(pool.live),
    KEPT(pool.free_hash),
    DERIVED(index),
    DERIVED(ladders.levels),
    DERIVED(ladders.nodes),
    DERIVED(ladders.max),
    KEPT(ladders.level_free),
    KEPT(ladders.level_bump),
    KEPT(ladders.level_live),
    KEPT(ladders.node_free),
    KEPT(ladders.node_bump),
    KEPT(ladders.node_live),
    DERIVED(timers.heap),
    DERIVED(timers.cnt),
    DERIVED(timers.max),
    KEPT(timers.arm),
    DERIVED(assets.records),
    DERIVED(assets.slots),
    DERIVED(assets.fee_tiers),
    DERIVED(assets.mask),
    KEPT(assets.cnt),
    KEPT(assets.tier_limit_cnt),
    DERIVED(balances.records),
    DERIVED(balances.slots),
    DERIVED(balances.mask),
    KEPT(balances.cnt),
    DERIVED(instruments),
    DERIVED(sessions),
    DERIVED(accounts),
    DERIVED(entitlements),
    DERIVED(account_plain),
    DERIVED(instrument_map),
    DERIVED(session_map),
    DERIVED(account_map),
    KEPT(instrument_cnt),
    KEPT(session_cnt),
    KEPT(account_cnt),
    KEPT(restricted_cnt),
    DERIVED(dirty_cnt),
    DERIVED(dirty),
    KEPT(break_cnt),
    DERIVED(breaks),
    KEPT(trade_date),
    KEPT(special_total),
    KEPT(stop_cnt),
    KEPT(stop_level_cnt),
    KEPT(stops_due),
    DERIVED(mmp_groups),
    DERIVED(mmp_map),
    DERIVED(mmp_map_mask),
    KEPT(mmp_cnt),
    KEPT(mmp_orders),
    KEPT(capacity),
    KEPT(capacity_journaled),
    DERIVED(limits),
    TRANSIENT(rejects),
};
/* NOLINTEND(bugprone-sizeof-expression) */
const uint32_t wcx_snapshot_field_cnt = sizeof(wcx_snapshot_fields) / sizeof(wcx_snapshot_fields[0]);

/* --- tables ----------------------------------------------------------------------------------------------------------------------------- */

static uint64_t orders_used(const wcx_engine_t *engine)
{
  return engine->pool.bump;
}

static uint64_t levels_used(const wcx_engine_t *engine)
{
  return engine->ladders.level_bump;
}

static uint64_t nodes_used(const wcx_engine_t *engine)
{
  return engine->ladders.node_bump;
}

static uint64_t instruments_used(const wcx_engine_t *engine)
{
  return engine->instrument_cnt;
}

static uint64_t sessions_used(const wcx_engine_t *engine)
{
  return engine->session_cnt;
}

static uint64_t accounts_used(const wcx_engine_t *engine)
{
  return engine->account_cnt;
}

static uint64_t assets_used(const wcx_engine_t *engine)
{
  return engine->assets.cnt;
}

static uint64_t fee_tiers_used(const wcx_engine_t *engine)
{
  (void)engine;
  return WCX_FEE_TIERS;
}

static uint64_t balances_used(const wcx_engine_t *engine)
{
  return engine->balances.cnt;
}

static uint64_t mmp_groups_used(const wcx_engine_t *engine)
{
  return engine->mmp_cnt;
}

static uint64_t breaks_used(const wcx_engine_t *engine)
{
  return engine->break_cnt < WCX_BREAKS_MAX ? engine->break_cnt : WCX_BREAKS_MAX;
}

/* Few orders have one, and it is twice an order's size. */
static bool has_extra(const wcx_engine_t *engine, uint64_t slot)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  return order->level != 0 && (order->flags & WCX_ORDER_F_EXTRA) != 0;
}

static void clean_extra(uint64_t slot, void *element)
{
  (void)slot;
  wcx_order_extra_t *extra = element;
  extra->timer_pos = 0;
}

static void clean_instrument(uint64_t idx, void *element)
{
  (void)idx;
  wcx_instrument_t *instrument = element;
  instrument->timer_pos = 0;
}

/* As if it had been settled (state_digest.c). */
static void clean_session(uint64_t idx, void *element)
{
  wcx_session_t *session = element;
  session->timer_pos = 0;
  session->dirty = 0;
  session->hash = wcx_session_hash(session, (uint32_t)idx);
}

#define TABLE(id_, type, base, first_, used_, has_, clean_, limit_)                                                                                                                \
  {                                                                                                                                                                                \
    .id = id_, .sz = sizeof(type), .name = #base, .limit = limit_, .base_off = offsetof(wcx_engine_t, base), .first = first_, .used = used_, .has = has_, .clean = clean_          \
  }

const wcx_snapshot_section_t wcx_snapshot_sections[] = {
    TABLE(WCX_SNAPSHOT_ORDERS, wcx_order_t, pool.orders, 1, orders_used, NULL, NULL, "orders_max"),
    TABLE(WCX_SNAPSHOT_LINKS, wcx_order_links_t, pool.links, 1, orders_used, NULL, NULL, "orders_max"),
    TABLE(WCX_SNAPSHOT_EXTRAS, wcx_order_extra_t, pool.extras, 1, orders_used, has_extra, clean_extra, "orders_max"),
    TABLE(WCX_SNAPSHOT_LEVELS, wcx_level_t, ladders.levels, 1, levels_used, NULL, NULL, "levels_max"),
    TABLE(WCX_SNAPSHOT_NODES, wcx_ladder_node_t, ladders.nodes, 1, nodes_used, NULL, NULL, "levels_max"),
    TABLE(WCX_SNAPSHOT_INSTRUMENTS, wcx_instrument_t, instruments, 0, instruments_used, NULL, clean_instrument, "instruments_max"),
    TABLE(WCX_SNAPSHOT_SESSIONS, wcx_session_t, sessions, 0, sessions_used, NULL, clean_session, "sessions_max"),
    TABLE(WCX_SNAPSHOT_ACCOUNTS, wcx_account_t, accounts, 0, accounts_used, NULL, NULL, "accounts_max"),
    TABLE(WCX_SNAPSHOT_ASSETS, wcx_asset_t, assets.records, 0, assets_used, NULL, NULL, "instruments_max"),
    TABLE(WCX_SNAPSHOT_FEE_TIERS, wcx_fee_tier_t, assets.fee_tiers, 0, fee_tiers_used, NULL, NULL, "shard"),
    TABLE(WCX_SNAPSHOT_BALANCES, wcx_balance_t, balances.records, 0, balances_used, NULL, NULL, "accounts_max"),
    TABLE(WCX_SNAPSHOT_MMP_GROUPS, wcx_mmp_group_t, mmp_groups, 0, mmp_groups_used, NULL, NULL, "sessions_max"),
    TABLE(WCX_SNAPSHOT_ENTITLEMENTS, wcx_entitlement_t, entitlements, 0, sessions_used, NULL, NULL, "sessions_max"),
    TABLE(WCX_SNAPSHOT_BREAKS, uint64_t, breaks, 0, breaks_used, NULL, NULL, "shard"),
};
const uint32_t wcx_snapshot_section_cnt = sizeof(wcx_snapshot_sections) / sizeof(wcx_snapshot_sections[0]);
static_assert(sizeof(wcx_snapshot_sections) / sizeof(wcx_snapshot_sections[0]) < WCX_SNAPSHOT_SECTIONS_MAX, "sections: one more holds the fields");

/* --- what is derived -------------------------------------------------------------------------------------------------------------------- */

void wcx_snapshot_rebuild_maps(wcx_engine_t *engine)
{
  for (uint32_t i = 0; i < engine->instrument_cnt; i++)
    wcx_idmap_add(&engine->instrument_map, engine->instruments[i].security_id, i);
  for (uint32_t i = 0; i < engine->session_cnt; i++)
    wcx_idmap_add(&engine->session_map, engine->sessions[i].session_id, i);
  for (uint32_t i = 0; i < engine->account_cnt; i++)
  {
    wcx_idmap_add(&engine->account_map, engine->accounts[i].definition.account, i);
    engine->account_plain[i] = wcx_state_account_is_plain(&engine->accounts[i]);
  }
  wcx_balance_rebuild_slots(engine);
  wcx_mmp_rebuild_map(engine);
}

static void rebuild_index(wcx_engine_t *engine, uint32_t slot)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  if ((order->flags & WCX_ORDER_F_QUOTE) == 0)
    wcx_index_add(&engine->index, order->session, order->cl_ord_id, slot);
  else
    wcx_index_add(&engine->index, order->session | WCX_INDEX_QUOTE(order->side), engine->pool.extras[slot].quote_key, slot);
}

static void rebuild_timers(wcx_engine_t *engine)
{
  for (uint32_t slot = 1; slot <= engine->pool.bump; slot++)
    if (has_extra(engine, slot) && engine->pool.extras[slot].expire_ns != 0)
      wcx_timer_restore(engine, WCX_TIMER_ORDER, slot, engine->pool.extras[slot].expire_ns, engine->pool.extras[slot].expire_arm);
  for (uint32_t i = 0; i < engine->session_cnt; i++)
    if (engine->sessions[i].cod_deadline_ns != 0)
      wcx_timer_restore(engine, WCX_TIMER_SESSION, i, engine->sessions[i].cod_deadline_ns, engine->sessions[i].cod_arm);
  for (uint32_t i = 0; i < engine->instrument_cnt; i++)
    if (engine->instruments[i].resume_ns != 0)
      wcx_timer_restore(engine, WCX_TIMER_INSTRUMENT, i, engine->instruments[i].resume_ns, engine->instruments[i].resume_arm);
}

void wcx_snapshot_rebuild(wcx_engine_t *engine)
{
  for (uint32_t slot = 1; slot <= engine->pool.bump; slot++)
    if (engine->pool.orders[slot].level != 0)
      rebuild_index(engine, slot);
  rebuild_timers(engine);
  wcx_state_set_wake(engine);
}
