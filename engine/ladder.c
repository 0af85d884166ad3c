#include "engine/ladder.h"

#include "engine/base/check.h"

#include <string.h>

static uint32_t level_alloc(wcx_ladders_t *pools)
{
  uint32_t slot = pools->level_free;
  if (slot != 0)
    pools->level_free = pools->levels[slot].node;
  else
  {
    WCX_CHECK(pools->level_bump < pools->max, "levels: all %u in use", pools->max);
    slot = ++pools->level_bump;
  }
  pools->level_live++;
  return slot;
}

static void level_free(wcx_ladders_t *pools, uint32_t slot)
{
  pools->levels[slot].node = pools->level_free;
  pools->level_free = slot;
  pools->level_live--;
}

static uint32_t node_alloc(wcx_ladders_t *pools)
{
  uint32_t slot = pools->node_free;
  if (slot != 0)
    pools->node_free = pools->nodes[slot].parent;
  else
  {
    WCX_CHECK(pools->node_bump < pools->max, "nodes: all %u in use by %u levels", pools->max, pools->level_live);
    slot = ++pools->node_bump;
  }
  pools->node_live++;
  return slot;
}

static void node_free(wcx_ladders_t *pools, uint32_t slot)
{
  pools->nodes[slot].parent = pools->node_free;
  pools->node_free = slot;
  pools->node_live--;
}

/* Hang `ref` at a place: digit `digit` of node `node`, or the root. */
static void hang(wcx_ladders_t *pools, wcx_ladder_t *ladder, uint32_t node, uint8_t digit, uint32_t ref)
{
  if (node == 0)
    ladder->root = ref;
  else
    pools->nodes[node].child[digit] = ref;
  if ((ref & WCX_LADDER_LEVEL) != 0)
  {
    wcx_level_t *level = &pools->levels[ref & ~WCX_LADDER_LEVEL];
    level->node = node;
    level->digit = digit;
  }
  else
  {
    pools->nodes[ref].parent = node;
    pools->nodes[ref].digit = digit;
  }
}

/* Put a new node at the place (parent, digit), over what hangs there (`below`, one of whose keys is `below_key`) and the new level. */
static void branch(wcx_ladders_t *pools, wcx_ladder_t *ladder, uint32_t parent, uint8_t digit, uint32_t below, uint64_t below_key, uint64_t key, uint32_t level)
{
  uint32_t highest_bit = 63u - (uint32_t)__builtin_clzll(key ^ below_key);
  uint8_t shift = (uint8_t)(highest_bit / 6 * 6);
  uint32_t slot = node_alloc(pools);
  wcx_ladder_node_t *node = &pools->nodes[slot];
  uint8_t digit_new = (uint8_t)(key >> shift & 63);
  uint8_t digit_below = (uint8_t)(below_key >> shift & 63);
  node->shift = shift;
  node->prefix = key >> shift >> 6;
  node->bitmap = UINT64_C(1) << digit_new | UINT64_C(1) << digit_below;
  hang(pools, ladder, parent, digit, slot);
  hang(pools, ladder, slot, digit_below, below);
  hang(pools, ladder, slot, digit_new, level | WCX_LADDER_LEVEL);
}

uint32_t wcx_ladder_insert(wcx_ladders_t *pools, wcx_ladder_t *ladder, uint64_t key, int64_t price)
{
  uint32_t slot = level_alloc(pools);
  wcx_level_t *level = &pools->levels[slot];
  *level = (wcx_level_t){.price = price, .key = key};
  ladder->level_cnt++;
  if (ladder->best == 0 || key < pools->levels[ladder->best].key)
    ladder->best = slot;

  uint32_t parent = 0;
  uint8_t digit = 0;
  uint32_t at = ladder->root;
  if (at == 0)
  {
    hang(pools, ladder, 0, 0, slot | WCX_LADDER_LEVEL);
    return slot;
  }
  while ((at & WCX_LADDER_LEVEL) == 0)
  {
    wcx_ladder_node_t *node = &pools->nodes[at];
    uint64_t rest = key >> node->shift;
    if (rest >> 6 != node->prefix)
    {
      branch(pools, ladder, parent, digit, at, node->prefix << node->shift << 6, key, slot);
      return slot;
    }
    digit = (uint8_t)(rest & 63);
    if ((node->bitmap >> digit & 1) == 0)
    {
      node->bitmap |= UINT64_C(1) << digit;
      hang(pools, ladder, at, digit, slot | WCX_LADDER_LEVEL);
      return slot;
    }
    parent = at;
    at = node->child[digit];
  }
  branch(pools, ladder, parent, digit, at, pools->levels[at & ~WCX_LADDER_LEVEL].key, key, slot);
  return slot;
}

static uint32_t leftmost(const wcx_ladders_t *pools, uint32_t at)
{
  while ((at & WCX_LADDER_LEVEL) == 0)
  {
    const wcx_ladder_node_t *node = &pools->nodes[at];
    at = node->child[__builtin_ctzll(node->bitmap)];
  }
  return at & ~WCX_LADDER_LEVEL;
}

void wcx_ladder_remove(wcx_ladders_t *pools, wcx_ladder_t *ladder, uint32_t slot)
{
  wcx_level_t *level = &pools->levels[slot];
  uint32_t at = level->node;
  ladder->level_cnt--;
  if (at == 0)
  {
    ladder->root = 0;
    ladder->best = 0;
    level_free(pools, slot);
    return;
  }
  wcx_ladder_node_t *node = &pools->nodes[at];
  node->bitmap &= ~(UINT64_C(1) << level->digit);
  uint32_t first = node->child[__builtin_ctzll(node->bitmap)];
  if (ladder->best == slot)
    ladder->best = leftmost(pools, first); /* the best was the leftmost of all, so its node holds the next */
  if ((node->bitmap & (node->bitmap - 1)) == 0)
  {
    hang(pools, ladder, node->parent, node->digit, first);
    node_free(pools, at);
  }
  level_free(pools, slot);
}

uint32_t wcx_ladder_next(const wcx_ladders_t *pools, uint32_t slot)
{
  uint32_t at = pools->levels[slot].node;
  uint8_t digit = pools->levels[slot].digit;
  while (at != 0)
  {
    const wcx_ladder_node_t *node = &pools->nodes[at];
    uint64_t behind = digit == 63 ? 0 : node->bitmap >> (digit + 1) << (digit + 1);
    if (behind != 0)
      return leftmost(pools, node->child[__builtin_ctzll(behind)]);
    digit = node->digit;
    at = node->parent;
  }
  return 0;
}

static uint32_t verify_below(const wcx_ladders_t *pools, uint32_t ref, uint32_t parent, uint8_t digit, uint32_t *level_cnt)
{
  if ((ref & WCX_LADDER_LEVEL) != 0)
  {
    const wcx_level_t *level = &pools->levels[ref & ~WCX_LADDER_LEVEL];
    WCX_CHECK(level->node == parent && level->digit == digit, "level key %llx: hangs at %u/%u, knows %u/%u", (unsigned long long)level->key, parent, digit, level->node,
              level->digit);
    ++*level_cnt;
    return 0;
  }
  const wcx_ladder_node_t *node = &pools->nodes[ref];
  WCX_CHECK(node->parent == parent && node->digit == digit, "node %u: hangs at %u/%u, knows %u/%u", ref, parent, digit, node->parent, node->digit);
  WCX_CHECK((node->bitmap & (node->bitmap - 1)) != 0, "node %u has fewer than two children: %llx", ref, (unsigned long long)node->bitmap);
  WCX_CHECK(parent == 0 || pools->nodes[parent].shift > node->shift, "node %u: shift %u under %u", ref, node->shift, pools->nodes[parent].shift);
  uint32_t node_cnt = 1;
  for (uint64_t bits = node->bitmap; bits != 0; bits &= bits - 1)
  {
    uint8_t at = (uint8_t)__builtin_ctzll(bits);
    uint32_t child = node->child[at];
    uint32_t first = leftmost(pools, child);
    uint64_t rest = pools->levels[first].key >> node->shift;
    WCX_CHECK(rest >> 6 == node->prefix && (rest & 63) == at, "node %u digit %u holds key %llx", ref, at, (unsigned long long)pools->levels[first].key);
    node_cnt += verify_below(pools, child, ref, at, level_cnt);
  }
  return node_cnt;
}

uint32_t wcx_ladder_verify(const wcx_ladders_t *pools, const wcx_ladder_t *ladder)
{
  if (ladder->root == 0)
  {
    WCX_CHECK(ladder->best == 0 && ladder->level_cnt == 0, "empty ladder with best %u and %u levels", ladder->best, ladder->level_cnt);
    return 0;
  }
  uint32_t level_cnt = 0;
  uint32_t node_cnt = verify_below(pools, ladder->root, 0, 0, &level_cnt);
  WCX_CHECK(level_cnt == ladder->level_cnt, "%u levels hang, %u counted", level_cnt, ladder->level_cnt);
  WCX_CHECK(ladder->best == leftmost(pools, ladder->root), "best is %u, leftmost %u", ladder->best, leftmost(pools, ladder->root));
  uint32_t last = 0;
  for (uint32_t at = ladder->best; at != 0; at = wcx_ladder_next(pools, at))
  {
    WCX_CHECK(last == 0 || pools->levels[last].key < pools->levels[at].key, "keys fall: %llx then %llx", (unsigned long long)pools->levels[last].key,
              (unsigned long long)pools->levels[at].key);
    last = at;
    level_cnt--;
  }
  WCX_CHECK(level_cnt == 0, "%u levels not reached by walking", level_cnt);
  return node_cnt;
}
