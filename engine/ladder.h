/* The price ladder of a book side: a path-compressed 64-ary bitmap trie from price keys to levels. Best first is leftmost.

   key = price / increment for the sell side, its complement for the buy side: the best level has the lowest key on both. A node looks at one 6-bit digit of
   the key (`shift`); the digits above it that all its keys share are its prefix, and digits at which nothing branches have no node. So a root
   fits the range in use, there is no limit of range, an empty side is one word, and a lookup takes one step per digit at which the prices
   in use really differ (two for a book within 4,096 increments).

   Levels know their node, so removal does not walk; nodes and levels of all books come from two shared pools.

   Owner:      the engine's thread.
   Memory:     levels_max + 1 levels and as many nodes, zeroed; slot 0 is nobody. Every node has at least two children, so nodes never run
               out before levels do.
   Result:     the shape depends on the set of keys alone; slots of nodes and levels are never visible.
   Pinned by:  tests/unit/test_ladder.c. */
#ifndef WCX_ENGINE_LADDER_H
#define WCX_ENGINE_LADDER_H

#include "engine/base/int128.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wcx_level
{
  _Alignas(64) wcx_u128_t displayed; /* sum of the displayed quantities: wider than int64, so it cannot overflow */
  int64_t price;
  uint64_t key;
  uint32_t head; /* displayed orders, first in time */
  uint32_t tail;
  uint32_t order_cnt;   /* displayed */
  uint32_t node;        /* 0: it is the root; free: next free level */
  uint32_t hidden_head; /* hidden orders, first in time: behind all displayed ones */
  uint32_t hidden_tail;
  uint32_t hidden_cnt;
  uint8_t digit; /* its place in node */
  uint8_t pad[3];
} wcx_level_t;
static_assert(sizeof(wcx_level_t) == 64, "level: one line");
static_assert(offsetof(wcx_level_t, price) == 16, "level");
static_assert(offsetof(wcx_level_t, head) == 32, "level");
static_assert(offsetof(wcx_level_t, hidden_head) == 48, "level");

typedef struct wcx_ladder_node
{
  _Alignas(64) uint64_t bitmap; /* digits with a child; the others' entries are meaningless */
  uint64_t prefix;              /* digits above this one */
  uint32_t parent;              /* 0: it is the root; free: next free node */
  uint8_t shift;                /* of its digit: 0, 6, .. 60 */
  uint8_t digit;                /* its place in parent */
  uint8_t pad[42];
  uint32_t child[64]; /* node slot, or level slot with WCX_LADDER_LEVEL */
} wcx_ladder_node_t;
static_assert(sizeof(wcx_ladder_node_t) == 320, "node: five lines");
static_assert(offsetof(wcx_ladder_node_t, child) == 64, "node: children");

#define WCX_LADDER_LEVEL 0x80000000u

/* The two pools. */
typedef struct wcx_ladders
{
  wcx_level_t *levels;
  wcx_ladder_node_t *nodes;
  uint32_t max;
  uint32_t level_free, level_bump, level_live;
  uint32_t node_free, node_bump, node_live;
} wcx_ladders_t;

/* One side of one book. */
typedef struct wcx_ladder
{
  uint32_t root; /* 0: empty; else as a child */
  uint32_t best; /* level slot of the lowest key, 0: empty */
  uint32_t level_cnt;
  uint32_t order_cnt; /* kept by the book */
} wcx_ladder_t;
static_assert(sizeof(wcx_ladder_t) == 16, "an idle side costs 16 bytes");

/* Level that probably has this key, or 0: told by the nodes' digits alone, without looking at prefixes or touching a level. */
static inline uint32_t wcx_ladder_peek(const wcx_ladders_t *pools, const wcx_ladder_t *ladder, uint64_t key)
{
  uint32_t at = ladder->root;
  while ((int32_t)at > 0) /* a node: neither 0 nor WCX_LADDER_LEVEL */
  {
    const wcx_ladder_node_t *node = &pools->nodes[at];
    uint64_t digit = key >> node->shift & 63;
    if ((node->bitmap >> digit & 1) == 0)
      return 0;
    at = node->child[digit];
  }
  return at & ~WCX_LADDER_LEVEL;
}

/* The same in two steps, between which the node of the last digit may be asked of memory: books of many levels have more of them than a near cache holds, and few above
   them. The first returns what the second goes on from. */
static inline uint32_t wcx_ladder_approach(const wcx_ladders_t *pools, const wcx_ladder_t *ladder, uint64_t key)
{
  uint32_t at = ladder->root;
  while ((int32_t)at > 0)
  {
    const wcx_ladder_node_t *node = &pools->nodes[at];
    uint64_t digit = key >> node->shift & 63;
    if ((node->bitmap >> digit & 1) == 0)
      return 0;
    at = node->child[digit];
    if (node->shift == 6)
      break;
  }
  return at;
}

static inline uint32_t wcx_ladder_arrive(const wcx_ladders_t *pools, uint32_t at, uint64_t key)
{
  if ((int32_t)at > 0)
  {
    const wcx_ladder_node_t *node = &pools->nodes[at];
    at = (node->bitmap >> (key & 63) & 1) != 0 ? node->child[key & 63] : 0;
  }
  return at & ~WCX_LADDER_LEVEL;
}

/* Level with this key, or 0. A key that is there is where its digits lead; what a wrong way leads to has another key. */
static inline uint32_t wcx_ladder_find(const wcx_ladders_t *pools, const wcx_ladder_t *ladder, uint64_t key)
{
  uint32_t at = wcx_ladder_peek(pools, ladder, key);
  return at != 0 && pools->levels[at].key == key ? at : 0;
}

/* Make an empty level for a key that is not there. levels_live < max. */
uint32_t wcx_ladder_insert(wcx_ladders_t *pools, wcx_ladder_t *ladder, uint64_t key, int64_t price);

/* Take an empty level away. */
void wcx_ladder_remove(wcx_ladders_t *pools, wcx_ladder_t *ladder, uint32_t level);

/* The level behind this one, 0 at the end. */
uint32_t wcx_ladder_next(const wcx_ladders_t *pools, uint32_t level);

/* Abort if the trie's invariants are broken; returns the number of nodes. O(levels). */
uint32_t wcx_ladder_verify(const wcx_ladders_t *pools, const wcx_ladder_t *ladder);

#endif
