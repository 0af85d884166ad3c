/* Is a loaded state safe to walk? Bytes of a file are not trusted: every index lies in its table, every list and tree ends.

   A list ends because it is checked link by link, without walking: the order behind each one names it as the order before, both stand in the same place, and no more name
   one before than are named behind. So links agree both ways, nobody has two predecessors, the head has none, and no cycle can be reached from it. A tree ends because
   each node knows its parent, the digits looked at become lower from node to node, and no more nodes are met than are in use. What the sums say is not asked here: wcx_engine_verify does. */
#include "engine/book.h"
#include "engine/entitle.h"
#include "engine/mmp.h"
#include "engine/snapshot_table.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct check
{
  const wcx_engine_t *engine;
  char *error;
  size_t error_sz;
  /* the ladder that is being looked at */
  uint32_t instrument;
  uint8_t side;
  uint8_t waiting; /* WCX_ORDER_F_WAITING, or 0 */
  /* met so far in all of them */
  uint32_t levels;
  uint32_t nodes;
} check_t;

static __attribute__((format(printf, 2, 3))) bool unsound(const check_t *check, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  vsnprintf(check->error, check->error_sz, fmt, args);
  va_end(args);
  return false;
}

/* --- orders ----------------------------------------------------------------------------------------------------------------------------- */

static const wcx_order_t *order_at(const wcx_engine_t *engine, uint32_t slot)
{
  return slot <= engine->pool.bump ? &engine->pool.orders[slot] : NULL;
}

/* The order behind it in its queue stands there too, and knows it. */
static bool queue_goes_on(const wcx_engine_t *engine, uint32_t slot)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  const wcx_order_t *next = order_at(engine, order->next);
  return order->level == WCX_LEVEL_UNSEEN || order->next == 0 || (next != NULL && next->level == order->level && next->instrument == order->instrument && next->prev == slot);
}

static bool session_goes_on(const wcx_engine_t *engine, uint32_t slot)
{
  uint32_t next = engine->pool.links[slot].next;
  const wcx_order_t *order = order_at(engine, next);
  return next == 0 || (order != NULL && order->level != 0 && order->session == engine->pool.orders[slot].session && engine->pool.links[next].prev == slot);
}

/* Of an order that an auction's list holds. */
static bool is_of_phase(const wcx_engine_t *engine, uint32_t slot)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  return order->level != 0 && (order->flags & WCX_ORDER_F_EXTRA) != 0 && wcx_book_phase(engine->pool.extras[slot].tif) != WCX_PHASE_NONE;
}

/* The order behind it in the list of its auction is of that auction too, and knows it. */
static bool phase_goes_on(const wcx_engine_t *engine, uint32_t slot)
{
  const wcx_order_extra_t *extras = engine->pool.extras;
  uint32_t next = extras[slot].phase_next;
  return next == 0 || (next <= engine->pool.bump && is_of_phase(engine, next) && engine->pool.orders[next].instrument == engine->pool.orders[slot].instrument &&
                       wcx_book_phase(extras[next].tif) == wcx_book_phase(extras[slot].tif) && extras[next].phase_prev == slot);
}

static bool live_order(const check_t *check, uint32_t slot)
{
  const wcx_engine_t *engine = check->engine;
  const wcx_order_t *order = &engine->pool.orders[slot];
  if (order->level != WCX_LEVEL_UNSEEN && order->level > engine->ladders.level_bump)
    return unsound(check, "slot %u: level %u of %u", slot, order->level, engine->ladders.level_bump);
  if (order->session >= engine->session_cnt || order->instrument >= engine->instrument_cnt || wcx_state_account(engine, order->account) == NULL)
    return unsound(check, "slot %u: session %u of %u, instrument %u of %u, account %u", slot, order->session, engine->session_cnt, order->instrument, engine->instrument_cnt,
                   order->account);
  if ((order->side != WCX_SIDE_BUY && order->side != WCX_SIDE_SELL) || order->leaves <= 0 || order->leaves > order->order_qty)
    return unsound(check, "slot %u: side %u, leaves %lld of %lld", slot, order->side, (long long)order->leaves, (long long)order->order_qty);
  if (!queue_goes_on(engine, slot))
    return unsound(check, "slot %u: slot %u stands behind it, and does not agree", slot, order->next);
  if (is_of_phase(engine, slot) && !phase_goes_on(engine, slot))
    return unsound(check, "slot %u: slot %u is behind it in its auction, and does not agree", slot, engine->pool.extras[slot].phase_next);
  return session_goes_on(engine, slot) || unsound(check, "slot %u: slot %u is listed behind it, and does not agree", slot, engine->pool.links[slot].next);
}

#define AHEAD 16u /* orders that stand one behind the other in a queue lie anywhere in the pool */

static bool orders(const check_t *check)
{
  const wcx_pool_t *pool = &check->engine->pool;
  uint32_t live = 0;
  uint32_t behind[3] = {0}; /* how many name one behind them, in a queue, in a session's list, in an auction's */
  uint32_t before[3] = {0};
  for (uint32_t slot = 1; slot <= pool->bump; slot++)
  {
    const wcx_order_t *order = &pool->orders[slot];
    if (slot + AHEAD <= pool->bump && order[AHEAD].next <= pool->bump)
      __builtin_prefetch(&pool->orders[order[AHEAD].next]);
    if (((uint32_t)order->order_id & WCX_ORDER_SLOT_MAX) != slot)
      return unsound(check, "slot %u: OrderID %llu", slot, (unsigned long long)order->order_id);
    if (order->level == 0)
      continue;
    live++;
    if (!live_order(check, slot))
      return false;
    behind[0] += order->level != WCX_LEVEL_UNSEEN && order->next != 0;
    behind[1] += pool->links[slot].next != 0;
    before[0] += order->level != WCX_LEVEL_UNSEEN && order->prev != 0;
    before[1] += pool->links[slot].prev != 0;
    if (is_of_phase(check->engine, slot))
    {
      behind[2] += pool->extras[slot].phase_next != 0;
      before[2] += pool->extras[slot].phase_prev != 0;
    }
  }
  if (memcmp(behind, before, sizeof(behind)) != 0)
    return unsound(check, "%u, %u and %u orders stand behind others, %u, %u and %u before others: they do not agree", before[0], before[1], before[2], behind[0], behind[1],
                   behind[2]);
  return live == pool->live || unsound(check, "%u orders live, %u counted", live, pool->live);
}

/* Each free slot knows the hash of the list below it, so the list is what it was, or its hashes do not add up. */
static bool free_orders(const check_t *check)
{
  const wcx_pool_t *pool = &check->engine->pool;
  uint32_t free_max = pool->bump - pool->live;
  uint64_t hash = pool->free_hash;
  uint32_t cnt = 0;
  for (uint32_t slot = pool->free_head; slot != 0; slot = pool->orders[slot].next, cnt++)
  {
    const wcx_order_t *order = order_at(check->engine, slot);
    if (order == NULL || order->level != 0 || cnt == free_max)
      return unsound(check, "free slot %u after %u others: of %u, %u are free", slot, cnt, pool->bump, free_max);
    if (hash != wcx_pool_free_hash(wcx_pool_free_below(order), order->order_id))
      return unsound(check, "free slot %u: hash %016llx", slot, (unsigned long long)hash);
    hash = wcx_pool_free_below(order);
  }
  return hash == 0 || unsound(check, "below the free list lies %016llx", (unsigned long long)hash);
}

/* Both ends of a queue of orders that stand at `level`. */
static bool queue_ends(const check_t *check, uint32_t head, uint32_t tail, uint32_t level)
{
  const wcx_order_t *first = order_at(check->engine, head);
  const wcx_order_t *last = order_at(check->engine, tail);
  if (head == 0 && tail == 0)
    return true;
  return (head != 0 && tail != 0 && first != NULL && last != NULL && first->level == level && last->level == level && first->prev == 0 && last->next == 0) ||
         unsound(check, "level %u: a queue from slot %u to slot %u", level, head, tail);
}

/* Both ends of the list of an instrument's auction. */
static bool phase_ends(const check_t *check, uint32_t phase)
{
  const wcx_engine_t *engine = check->engine;
  const wcx_instrument_t *instrument = &engine->instruments[check->instrument];
  uint32_t ends[2] = {instrument->phase_head[phase], instrument->phase_tail[phase]};
  if (ends[0] == 0 && ends[1] == 0)
    return true;
  bool fine = true;
  for (uint32_t i = 0; i < 2 && fine; i++)
    fine = ends[i] != 0 && ends[i] <= engine->pool.bump && is_of_phase(engine, ends[i]) && wcx_book_phase(engine->pool.extras[ends[i]].tif) == phase &&
           engine->pool.orders[ends[i]].instrument == check->instrument;
  return (fine && engine->pool.extras[ends[0]].phase_prev == 0 && engine->pool.extras[ends[1]].phase_next == 0) ||
         unsound(check, "instrument %u: orders of an auction from slot %u to slot %u", check->instrument, ends[0], ends[1]);
}

static bool sessions(const check_t *check)
{
  const wcx_engine_t *engine = check->engine;
  for (uint32_t i = 0; i < engine->session_cnt; i++)
  {
    uint32_t head = engine->sessions[i].order_head;
    uint32_t tail = engine->sessions[i].order_tail;
    const wcx_order_t *first = order_at(engine, head);
    const wcx_order_t *last = order_at(engine, tail);
    if (head == 0 && tail == 0)
      continue;
    if (head == 0 || tail == 0 || first == NULL || last == NULL || first->level == 0 || last->level == 0 || first->session != i || last->session != i ||
        engine->pool.links[head].prev != 0 || engine->pool.links[tail].next != 0)
      return unsound(check, "session %u: a list from slot %u to slot %u", i, head, tail);
  }
  return true;
}

/* --- ladders ---------------------------------------------------------------------------------------------------------------------------- */

/* Every node above a level, all of them met before it, looks at the level's digit. */
static bool key_leads_there(const wcx_ladders_t *pools, const wcx_level_t *level)
{
  uint8_t digit = level->digit;
  for (uint32_t at = level->node; at != 0; at = pools->nodes[at].parent)
  {
    const wcx_ladder_node_t *node = &pools->nodes[at];
    if (level->key >> node->shift >> 6 != node->prefix || (level->key >> node->shift & 63) != digit)
      return false;
    digit = node->digit;
  }
  return true;
}

static bool leaf(check_t *check, uint32_t slot, uint32_t parent, uint32_t digit)
{
  const wcx_ladders_t *pools = &check->engine->ladders;
  if (slot == 0 || slot > pools->level_bump || check->levels == pools->level_live)
    return unsound(check, "level %u: of %u, %u live", slot, pools->level_bump, pools->level_live);
  check->levels++;
  const wcx_level_t *level = &pools->levels[slot];
  if (level->node != parent || level->digit != digit || !key_leads_there(pools, level))
    return unsound(check, "level %u: key %llx at digit %u of node %u", slot, (unsigned long long)level->key, digit, parent);
  const wcx_order_t *first = order_at(check->engine, wcx_book_first(level));
  if (first == NULL || first->instrument != check->instrument || first->side != check->side || (first->flags & WCX_ORDER_F_WAITING) != check->waiting)
    return unsound(check, "level %u: slot %u is first in it", slot, wcx_book_first(level));
  return queue_ends(check, level->head, level->tail, slot) && queue_ends(check, level->hidden_head, level->hidden_tail, slot);
}

/* What hangs at a digit of a node, or of nothing; `above`: the shift of the node, 66 of nothing. `best` gets the level that is met first. */
static bool tree(check_t *check, uint32_t ref, uint32_t parent, uint32_t digit, uint32_t above, uint32_t *best)
{
  const wcx_ladders_t *pools = &check->engine->ladders;
  if ((ref & WCX_LADDER_LEVEL) != 0)
  {
    *best = *best != 0 ? *best : ref & ~WCX_LADDER_LEVEL;
    return leaf(check, ref & ~WCX_LADDER_LEVEL, parent, digit);
  }
  if (ref == 0 || ref > pools->node_bump || check->nodes == pools->node_live)
    return unsound(check, "node %u: of %u, %u live", ref, pools->node_bump, pools->node_live);
  check->nodes++;
  const wcx_ladder_node_t *node = &pools->nodes[ref];
  if (node->parent != parent || node->digit != digit || node->shift >= above || node->shift % 6 != 0 || (node->bitmap & (node->bitmap - 1)) == 0)
    return unsound(check, "node %u: shift %u, children %llx, at digit %u of node %u", ref, node->shift, (unsigned long long)node->bitmap, digit, parent);
  for (uint64_t bits = node->bitmap; bits != 0; bits &= bits - 1)
  {
    uint32_t child = (uint32_t)__builtin_ctzll(bits);
    if (!tree(check, node->child[child], ref, child, node->shift, best))
      return false;
  }
  return true;
}

static bool ladder(check_t *check, const wcx_ladder_t *ladder, uint8_t side, uint8_t waiting)
{
  uint32_t before = check->levels;
  uint32_t best = 0;
  check->side = side;
  check->waiting = waiting;
  if (ladder->root != 0 && !tree(check, ladder->root, 0, 0, 66, &best))
    return false;
  return (ladder->best == best && ladder->level_cnt == check->levels - before) ||
         unsound(check, "ladder with best level %u of %u: %u of %u met", ladder->best, ladder->level_cnt, best, check->levels - before);
}

static bool ladders(check_t *check)
{
  const wcx_engine_t *engine = check->engine;
  const wcx_ladders_t *pools = &engine->ladders;
  for (check->instrument = 0; check->instrument < engine->instrument_cnt; check->instrument++)
  {
    const wcx_instrument_t *instrument = &engine->instruments[check->instrument];
    for (uint32_t i = 0; i < 2; i++)
      if (!ladder(check, &instrument->side[i], (uint8_t)(i + WCX_SIDE_BUY), 0) || !ladder(check, &instrument->stops[i], (uint8_t)(i + WCX_SIDE_BUY), WCX_ORDER_F_WAITING))
        return false;
    for (uint32_t phase = 0; phase < 2; phase++)
      if (!phase_ends(check, phase))
        return false;
  }
  return (check->levels == pools->level_live && check->nodes == pools->node_live && check->levels <= pools->level_bump && check->nodes <= pools->node_bump) ||
         unsound(check, "%u levels and %u nodes live, %u and %u met", pools->level_live, pools->node_live, check->levels, check->nodes);
}

static bool free_levels(const check_t *check)
{
  const wcx_ladders_t *pools = &check->engine->ladders;
  uint32_t free_cnt = pools->level_bump - pools->level_live;
  uint32_t slot = pools->level_free;
  for (; slot != 0 && slot <= pools->level_bump && free_cnt != 0; free_cnt--)
    slot = pools->levels[slot].node;
  return (slot == 0 && free_cnt == 0) || unsound(check, "free levels: %u more after slot %u", free_cnt, slot);
}

static bool free_nodes(const check_t *check)
{
  const wcx_ladders_t *pools = &check->engine->ladders;
  uint32_t free_cnt = pools->node_bump - pools->node_live;
  uint32_t slot = pools->node_free;
  for (; slot != 0 && slot <= pools->node_bump && free_cnt != 0; free_cnt--)
    slot = pools->nodes[slot].parent;
  return (slot == 0 && free_cnt == 0) || unsound(check, "free nodes: %u more after slot %u", free_cnt, slot);
}

/* --- money, groups ------------------------------------------------------------------------------------------------------------------------ */

static bool money(const check_t *check)
{
  const wcx_engine_t *engine = check->engine;
  uint32_t assets_max = wcx_assets_max(engine->capacity.max_instruments);
  uint32_t balances_max = wcx_balances_max(engine->capacity.max_accounts, engine->capacity.max_instruments);
  if (engine->assets.cnt > assets_max || engine->balances.cnt > balances_max)
    return unsound(check, "%u assets of %u, %u balances of %u", engine->assets.cnt, assets_max, engine->balances.cnt, balances_max);
  for (uint32_t i = 0; i < engine->instrument_cnt; i++)
    if (engine->instruments[i].base_asset >= engine->assets.cnt || engine->instruments[i].quote_asset >= engine->assets.cnt)
      return unsound(check, "instrument %u: assets %u and %u of %u", i, engine->instruments[i].base_asset, engine->instruments[i].quote_asset, engine->assets.cnt);
  for (uint32_t i = 0; i < engine->account_cnt; i++)
    if (engine->accounts[i].definition.kyc_tier > WCX_KYC_TIERS)
      return unsound(check, "account %u: KYC tier %u", i, engine->accounts[i].definition.kyc_tier);
  for (uint32_t i = 0; i < engine->balances.cnt; i++)
    if (engine->balances.records[i].key >> 32 >= engine->account_cnt || (uint32_t)engine->balances.records[i].key >= engine->assets.cnt)
      return unsound(check, "balance %u: of account %u of %u, asset %u of %u", i, (uint32_t)(engine->balances.records[i].key >> 32), engine->account_cnt,
                     (uint32_t)engine->balances.records[i].key, engine->assets.cnt);
  return true;
}

/* A session's newest group comes first in its list, so each leads to an older one. */
static bool groups(const check_t *check)
{
  const wcx_engine_t *engine = check->engine;
  uint64_t groups_max = (uint64_t)WCX_MMP_GROUPS_PER_SESSION * engine->capacity.max_sessions;
  if (engine->mmp_cnt > groups_max)
    return unsound(check, "%u protection groups of %llu", engine->mmp_cnt, (unsigned long long)groups_max);
  for (uint32_t i = 0; i < engine->mmp_cnt; i++)
  {
    const wcx_mmp_group_t *group = &engine->mmp_groups[i];
    if (group->session >= engine->session_cnt || group->next > i || group->first >= WCX_MMP_FILLS || group->entry_cnt > WCX_MMP_FILLS)
      return unsound(check, "protection group %u: session %u of %u, next %u, %u fills from %u", i, group->session, engine->session_cnt, group->next, group->entry_cnt,
                     group->first);
  }
  for (uint32_t i = 0; i < engine->session_cnt; i++)
    if (engine->sessions[i].mmp_head > engine->mmp_cnt)
      return unsound(check, "session %u: protection group %u of %u", i, engine->sessions[i].mmp_head, engine->mmp_cnt);
  return true;
}

/* A group is a bit of 64 that is looked up, and a count of 0 means that nobody looks. */
static bool entitlements(const check_t *check)
{
  const wcx_engine_t *engine = check->engine;
  for (uint32_t i = 0; i < engine->instrument_cnt; i++)
    if (engine->instruments[i].group >= WCX_INSTRUMENT_GROUPS_MAX)
      return unsound(check, "instrument %u: group %u of %u", i, engine->instruments[i].group, WCX_INSTRUMENT_GROUPS_MAX);
  for (uint32_t i = 0; i < engine->session_cnt; i++)
    if ((engine->entitlements[i].ord_types & ~WCX_ORD_TYPES_KNOWN) != 0)
      return unsound(check, "session %u: order types %x have bits beside 1..6", i, engine->entitlements[i].ord_types);
  uint32_t restricted = wcx_entitle_count(engine);
  return restricted == engine->restricted_cnt || unsound(check, "%u sessions are restricted, %u counted", restricted, engine->restricted_cnt);
}

bool wcx_snapshot_sound(const wcx_engine_t *engine, char *error, size_t error_sz)
{
  check_t check = {.engine = engine, .error = error, .error_sz = error_sz};
  return orders(&check) && free_orders(&check) && sessions(&check) && money(&check) && groups(&check) && entitlements(&check) && ladders(&check) && free_levels(&check) &&
         free_nodes(&check);
}
