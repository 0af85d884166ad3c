/* Snapshots whose CRCs are right and whose contents are not: whoever can write a file can write those. */
#include "tests/unit/snapshot_fixture.h"

static bool count_orders(void *ctx, uint64_t order_id, int64_t price, int64_t displayed_qty)
{
  (void)order_id, (void)price, (void)displayed_qty;
  return ++*(uint32_t *)ctx < 1000;
}

/* Whatever was believed, walks over it end. */
static void walk(const wcx_engine_t *engine)
{
  for (uint32_t i = 0; i < engine->instrument_cnt; i++)
    for (uint8_t side = BUY; side <= SELL; side++)
    {
      uint32_t cnt = 0;
      wcx_engine_book_orders(engine, engine->instruments[i].security_id, side, count_orders, &cnt);
      assert_true(cnt < 1000);
    }
  for (uint32_t i = 0; i < engine->session_cnt; i++)
  {
    uint32_t cnt = 0;
    for (uint32_t slot = engine->sessions[i].order_head; slot != 0; slot = engine->pool.links[slot].next)
      assert_true(++cnt <= engine->pool.bump);
  }
}

static void forged_bytes_do_no_harm(void **state)
{
  world_t *w = *state;
  enrich(w);
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  size_t mem_sz = wcx_engine_footprint(&tight_limits);
  void *mem = aligned_alloc(64, mem_sz);
  uint32_t loaded = 0;
  uint32_t tried = 0;
  static const uint8_t flips[] = {0x01, 0x20, 0x80, 0xff};
  for (uint64_t at = head_sz(snapshot); at < sz; at++)
    for (uint32_t i = 0; i < sizeof(flips); i++, tried++)
    {
      char error[256] = "";
      snapshot[at] ^= flips[i];
      mend(snapshot);
      const wcx_engine_t *engine = wcx_engine_snapshot_load(mem, mem_sz, &tight_limits, snapshot, sz, error, sizeof(error));
      if (engine != NULL)
        walk(engine);
      else
        assert_string_not_equal(error, "");
      loaded += engine != NULL;
      snapshot[at] ^= flips[i];
    }
  print_message("# %u forged snapshots, %u loaded\n", tried, loaded);
  assert_true(tried - loaded > 30000); /* not all: unused children of nodes and old contents of free slots matter to nobody */
  free(mem);
  free(snapshot);
}

/* Bytes of the first element with this index in the section with this id. */
static void *element_of(uint8_t *snapshot, uint32_t id, uint64_t idx)
{
  uint64_t off = head_sz(snapshot);
  for (uint32_t i = 0;; i++)
  {
    wcx_snapshot_entry_t entry = entry_of(snapshot, i);
    if (entry.id == id)
      return snapshot + off + idx * entry.sz;
    off += entry.cnt * entry.sz;
  }
}

static void *order_of(uint8_t *snapshot, uint32_t slot)
{
  return element_of(snapshot, WCX_SNAPSHOT_ORDERS, slot - 1);
}

static uint32_t *field_of(uint8_t *snapshot, const char *name)
{
  uint8_t *at = element_of(snapshot, WCX_SNAPSHOT_FIELDS, 0);
  for (uint32_t i = 0; i < wcx_snapshot_field_cnt; i++)
  {
    if (strcmp(wcx_snapshot_fields[i].name, name) == 0)
      return (uint32_t *)(void *)at;
    at += wcx_snapshot_fields[i].kind == WCX_FIELD_KEPT ? wcx_snapshot_fields[i].sz : 0;
  }
  fail_msg("no field %s", name);
  return NULL;
}

/* Change a number of a snapshot, expect the reason, change it back. `at` need not be aligned. */
#define FORGE(type, at, value, why)                                                                                                                                                \
  do                                                                                                                                                                               \
  {                                                                                                                                                                                \
    void *forge_at = (at);                                                                                                                                                         \
    type forged = (type)(value);                                                                                                                                                   \
    type honest;                                                                                                                                                                   \
    memcpy(&honest, forge_at, sizeof(honest));                                                                                                                                     \
    memcpy(forge_at, &forged, sizeof(forged));                                                                                                                                     \
    mend(snapshot);                                                                                                                                                                \
    expect_refused(&tight_limits, snapshot, sz, why);                                                                                                                              \
    memcpy(forge_at, &honest, sizeof(honest));                                                                                                                                     \
  } while (0)

#define IN(element, type, member) ((uint8_t *)(element) + offsetof(type, member))

/* Which extra of the section is that of this order: few have one. */
static uint32_t extra_idx(const wcx_engine_t *engine, uint32_t slot)
{
  uint32_t cnt = 0;
  for (uint32_t i = 1; i < slot; i++)
    cnt += engine->pool.orders[i].level != 0 && (engine->pool.orders[i].flags & WCX_ORDER_F_EXTRA) != 0;
  return cnt;
}

/* Each kind of reference that leads elsewhere is refused for what it is, before anything follows it. */
static void a_reference_that_leads_elsewhere_is_named(void **state)
{
  world_t *w = *state;
  enrich(w);
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  const wcx_engine_t *e = w->engine;
  uint32_t best = e->instruments[0].side[0].best;
  uint32_t slot = e->ladders.levels[best].head;
  uint32_t listed = e->sessions[0].order_head;
  uint32_t node = e->ladders.levels[best].node;
  uint32_t free_slot = e->pool.free_head;
  uint32_t alone = e->sessions[6].order_head;
  FORGE(uint64_t, IN(order_of(snapshot, slot), wcx_order_t, order_id), e->pool.orders[slot].order_id + 1, "OrderID");
  FORGE(uint32_t, IN(order_of(snapshot, alone), wcx_order_t, level), e->ladders.level_bump + 1, "level 47 of 46");
  FORGE(uint32_t, IN(order_of(snapshot, alone), wcx_order_t, session), e->session_cnt, "session 10 of 10");
  FORGE(uint16_t, IN(order_of(snapshot, alone), wcx_order_t, instrument), e->instrument_cnt, "instrument 2 of 2");
  FORGE(uint32_t, IN(order_of(snapshot, alone), wcx_order_t, account), 12345, "account 12345");
  FORGE(uint8_t, IN(order_of(snapshot, alone), wcx_order_t, side), 3, "side 3");
  FORGE(int64_t, IN(order_of(snapshot, alone), wcx_order_t, leaves), 0, "leaves 0 of");
  FORGE(int64_t, IN(order_of(snapshot, alone), wcx_order_t, leaves), INT64_MAX, "leaves 9223372036854775807 of");
  FORGE(uint32_t, IN(order_of(snapshot, slot), wcx_order_t, next), e->pool.bump + 1, "not agree");
  FORGE(uint32_t, IN(order_of(snapshot, slot), wcx_order_t, next), slot, "not agree");
  FORGE(uint32_t, IN(order_of(snapshot, slot), wcx_order_t, prev), free_slot, "not agree");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_LINKS, listed - 1), wcx_order_links_t, next), e->pool.bump + 1, "not agree");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_LINKS, listed - 1), wcx_order_links_t, prev), listed, "not agree");
  FORGE(uint32_t, field_of(snapshot, "pool.live"), e->pool.live + 1, "counted");
  FORGE(uint32_t, field_of(snapshot, "pool.free_head"), e->pool.bump + 1, "free slot");
  FORGE(uint32_t, field_of(snapshot, "pool.free_head"), slot, "free slot");
  FORGE(uint32_t, field_of(snapshot, "pool.free_head"), 0, "below the free list lies");
  FORGE(uint32_t, IN(order_of(snapshot, free_slot), wcx_order_t, next), 0, "below the free list lies");
  FORGE(uint64_t, field_of(snapshot, "pool.free_hash"), e->pool.free_hash + 1, "hash");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_SESSIONS, 0), wcx_session_t, order_head), free_slot, "session 0: a list from slot");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_SESSIONS, 0), wcx_session_t, order_tail), e->pool.bump + 1, "session 0: a list from slot");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_SESSIONS, 0), wcx_session_t, order_head), e->sessions[1].order_head, "session 0: a list from slot");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_LEVELS, best - 1), wcx_level_t, head), 0, "is first in it");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_LEVELS, best - 1), wcx_level_t, head), free_slot, "a queue from");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_LEVELS, best - 1), wcx_level_t, tail), free_slot, "a queue from");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_LEVELS, best - 1), wcx_level_t, hidden_tail), slot, "a queue from");
  FORGE(uint64_t, IN(element_of(snapshot, WCX_SNAPSHOT_LEVELS, best - 1), wcx_level_t, key), 5, "key 5 at digit");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_LEVELS, best - 1), wcx_level_t, node), node + 1, "at digit");
  FORGE(uint8_t, IN(element_of(snapshot, WCX_SNAPSHOT_NODES, node - 1), wcx_ladder_node_t, shift), 63, "shift 63");
  FORGE(uint64_t, IN(element_of(snapshot, WCX_SNAPSHOT_NODES, node - 1), wcx_ladder_node_t, bitmap), UINT64_C(1) << 63, "children 8000000000000000");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_NODES, node - 1), wcx_ladder_node_t, parent), node, "at digit");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_INSTRUMENTS, 0), wcx_instrument_t, side[0].root), e->ladders.node_bump + 1, "node");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_INSTRUMENTS, 0), wcx_instrument_t, side[0].root), WCX_LADDER_LEVEL | (e->ladders.level_bump + 1), "level");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_INSTRUMENTS, 0), wcx_instrument_t, side[0].root), 0, "ladder with best level");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_INSTRUMENTS, 0), wcx_instrument_t, side[0].best), e->ladders.level_bump, "ladder with best level");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_INSTRUMENTS, 0), wcx_instrument_t, phase_tail[0]), e->pool.bump + 1, "orders of an auction");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_INSTRUMENTS, 1), wcx_instrument_t, stops[0].root), e->instruments[0].stops[0].root, "live");
  FORGE(uint32_t, field_of(snapshot, "ladders.level_live"), e->ladders.level_live + 1, "and");
  FORGE(uint32_t, field_of(snapshot, "ladders.level_live"), e->ladders.level_live - 1, "live");
  FORGE(uint32_t, field_of(snapshot, "ladders.node_live"), e->ladders.node_live - 1, "live");
  FORGE(uint32_t, field_of(snapshot, "ladders.level_free"), e->ladders.level_bump + 1, "free levels");
  FORGE(uint32_t, field_of(snapshot, "ladders.level_free"), 0, "free levels");
  FORGE(uint32_t, field_of(snapshot, "ladders.node_free"), e->ladders.node_bump + 1, "free nodes");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_INSTRUMENTS, 0), wcx_instrument_t, quote_asset), e->assets.cnt, "instrument 0: assets");
  FORGE(uint8_t, IN(element_of(snapshot, WCX_SNAPSHOT_ACCOUNTS, 2), wcx_account_t, definition.kyc_tier), 8, "KYC tier 8");
  FORGE(uint64_t, IN(element_of(snapshot, WCX_SNAPSHOT_BALANCES, 0), wcx_balance_t, key), (uint64_t)e->account_cnt << 32, "balance 0: of account");
  FORGE(uint64_t, IN(element_of(snapshot, WCX_SNAPSHOT_BALANCES, 0), wcx_balance_t, key), e->assets.cnt, "balance 0: of account");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_MMP_GROUPS, 0), wcx_mmp_group_t, session), e->session_cnt, "protection group 0");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_MMP_GROUPS, 0), wcx_mmp_group_t, next), 1, "protection group 0");
  FORGE(uint8_t, IN(element_of(snapshot, WCX_SNAPSHOT_MMP_GROUPS, 0), wcx_mmp_group_t, first), WCX_MMP_FILLS, "protection group 0");
  FORGE(uint8_t, IN(element_of(snapshot, WCX_SNAPSHOT_MMP_GROUPS, 0), wcx_mmp_group_t, entry_cnt), WCX_MMP_FILLS + 1, "protection group 0");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_SESSIONS, 2), wcx_session_t, mmp_head), e->mmp_cnt + 1, "session 2: protection group");
  uint32_t opening = extra_idx(e, e->instruments[0].phase_head[0]);
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_EXTRAS, opening), wcx_order_extra_t, phase_next), e->pool.bump + 1, "is behind it in its auction");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_EXTRAS, opening), wcx_order_extra_t, phase_prev), alone, "not agree");
  mend(snapshot);
  world_load(w, &tight_limits, snapshot, sz);
  free(snapshot);
}

/* A count of 0 beside a restricted session would let it do everything. */
static void a_forged_entitlement_is_named(void **state)
{
  world_t *w = *state;
  wcx_session_entitlement_t grant = {.session_id = 2, .instrument_groups = 1, .ord_types = 0x7e};
  world_apply(w, WCX_TEMPLATE_SESSION_ENTITLEMENT, 0, 0, &grant, sizeof(grant));
  wcx_instrument_group_t in = {.security_id = 1, .group = 63};
  world_apply(w, WCX_TEMPLATE_INSTRUMENT_GROUP, 0, 0, &in, sizeof(in));
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  FORGE(uint8_t, IN(element_of(snapshot, WCX_SNAPSHOT_INSTRUMENTS, 0), wcx_instrument_t, group), 64, "instrument 0: group 64 of 64");
  FORGE(uint32_t, field_of(snapshot, "restricted_cnt"), 0, "1 sessions are restricted, 0 counted");
  FORGE(uint32_t, field_of(snapshot, "restricted_cnt"), 2, "1 sessions are restricted, 2 counted");
  FORGE(uint64_t, IN(element_of(snapshot, WCX_SNAPSHOT_ENTITLEMENTS, 0), wcx_entitlement_t, groups), 1, "2 sessions are restricted, 1 counted");
  FORGE(uint16_t, IN(element_of(snapshot, WCX_SNAPSHOT_ENTITLEMENTS, 0), wcx_entitlement_t, ord_types), 2, "2 sessions are restricted, 1 counted");
  FORGE(uint16_t, IN(element_of(snapshot, WCX_SNAPSHOT_ENTITLEMENTS, 1), wcx_entitlement_t, ord_types), 0x80, "session 1: order types 80 have bits beside 1..6");
  FORGE(uint16_t, IN(element_of(snapshot, WCX_SNAPSHOT_ENTITLEMENTS, 1), wcx_entitlement_t, ord_types), 0x7f, "session 1: order types 7f have bits beside 1..6");
  mend(snapshot);
  world_load(w, &tight_limits, snapshot, sz);
  free(snapshot);
}

/* What a load finds out by itself is taken from nobody. */
static void what_is_derived_is_not_believed(void **state)
{
  world_t *w = *state;
  enrich(w);
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  uint32_t nine = 9;
  uint8_t one = 1;
  memcpy(IN(element_of(snapshot, WCX_SNAPSHOT_SESSIONS, 0), wcx_session_t, timer_pos), &nine, sizeof(nine));
  memcpy(IN(element_of(snapshot, WCX_SNAPSHOT_SESSIONS, 0), wcx_session_t, dirty), &one, sizeof(one));
  memcpy(IN(element_of(snapshot, WCX_SNAPSHOT_SESSIONS, 0), wcx_session_t, hash), &nine, sizeof(nine));
  memcpy(IN(element_of(snapshot, WCX_SNAPSHOT_INSTRUMENTS, 0), wcx_instrument_t, timer_pos), &nine, sizeof(nine));
  memcpy(IN(element_of(snapshot, WCX_SNAPSHOT_EXTRAS, 0), wcx_order_extra_t, timer_pos), &nine, sizeof(nine));
  mend(snapshot);
  world_load(w, &tight_limits, snapshot, sz);
  assert_int_equal(w->engine->sessions[0].timer_pos, 0);
  assert_int_equal(w->engine->instruments[0].timer_pos, 0);
  order(w, 1, BUY, 1, 1);
  wcx_engine_verify(w->engine);
  free(snapshot);
}

/* A whole header and table, and nothing that they could speak of. */
static void a_head_without_fields_is_refused(void **state)
{
  world_t *w = *state;
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  uint64_t head = head_sz(snapshot);
  uint8_t *cut = malloc(head);
  wcx_snapshot_hdr_t hdr = header_of(snapshot);
  hdr.sz = head;
  memcpy(cut, snapshot, head);
  memcpy(cut, &hdr, sizeof(hdr));
  for (uint32_t i = 0; i < hdr.section_cnt; i++)
  {
    wcx_snapshot_entry_t entry = entry_of(cut, i);
    entry.cnt = 0;
    memcpy(cut + sizeof(hdr) + i * sizeof(entry), &entry, sizeof(entry));
  }
  assert_true(mend(cut));
  expect_refused(&tight_limits, cut, head, "fields: 0 elements");
  free(cut);
  free(snapshot);
}

/* Where each section's reference lies is tried with every slot there is, and some that there are not. */
static void forged_references_do_no_harm(void **state)
{
  world_t *w = *state;
  enrich(w);
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  size_t mem_sz = wcx_engine_footprint(&tight_limits);
  void *mem = aligned_alloc(64, mem_sz);
  uint64_t rng = 0x5eed;
  uint32_t refused = 0;
  for (uint32_t round = 0; round < 30000; round++)
  {
    uint8_t kept[4][4];
    uint64_t at[4];
    char error[256] = "";
    uint32_t cnt = 1 + round % 4;
    for (uint32_t i = 0; i < cnt; i++)
    {
      rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407;
      at[i] = head_sz(snapshot) + (rng >> 20) % ((sz - head_sz(snapshot)) / 4) * 4;
      uint32_t word = (uint32_t)(rng >> 40) % 110;
      word = word == 109 ? UINT32_MAX : word == 108 ? WCX_LADDER_LEVEL : word >= 100 ? WCX_LADDER_LEVEL | (word - 99) * 5 : word;
      memcpy(kept[i], snapshot + at[i], 4);
      memcpy(snapshot + at[i], &word, 4);
    }
    mend(snapshot);
    const wcx_engine_t *engine = wcx_engine_snapshot_load(mem, mem_sz, &tight_limits, snapshot, sz, error, sizeof(error));
    if (engine != NULL)
      walk(engine);
    refused += engine == NULL;
    for (uint32_t i = cnt; i-- > 0;)
      memcpy(snapshot + at[i], kept[i], 4);
  }
  print_message("# 30000 forged snapshots, %u refused\n", refused);
  assert_true(refused > 10000);
  free(mem);
  free(snapshot);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      world_test(forged_bytes_do_no_harm),          world_test(forged_references_do_no_harm),    world_test(a_reference_that_leads_elsewhere_is_named),
      world_test(a_head_without_fields_is_refused), world_test(what_is_derived_is_not_believed), world_test(a_forged_entitlement_is_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
