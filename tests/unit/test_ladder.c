/* The ladder of price levels (engine/ladder.h), at last against a sorted array. */
#include "engine/ladder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LEVELS 600u

static wcx_ladders_t pools;
static wcx_ladder_t ladder;

static int setup(void **state)
{
  (void)state;
  pools = (wcx_ladders_t){.max = LEVELS};
  pools.levels = aligned_alloc(64, (LEVELS + 1) * sizeof(wcx_level_t));
  pools.nodes = aligned_alloc(64, (LEVELS + 1) * sizeof(wcx_ladder_node_t));
  memset(pools.levels, 0, (LEVELS + 1) * sizeof(wcx_level_t));
  memset(pools.nodes, 0, (LEVELS + 1) * sizeof(wcx_ladder_node_t));
  ladder = (wcx_ladder_t){0};
  return 0;
}

static int teardown(void **state)
{
  (void)state;
  free(pools.levels);
  free(pools.nodes);
  return 0;
}

static uint32_t insert(uint64_t key)
{
  return wcx_ladder_insert(&pools, &ladder, key, 1);
}

static void an_empty_ladder_finds_nothing(void **state)
{
  (void)state;
  assert_int_equal(wcx_ladder_find(&pools, &ladder, 0), 0);
  assert_int_equal(wcx_ladder_find(&pools, &ladder, UINT64_MAX), 0);
  wcx_ladder_verify(&pools, &ladder);
}

static void one_level_needs_no_node(void **state)
{
  (void)state;
  uint32_t level = insert(UINT64_MAX);
  assert_int_equal(pools.node_live, 0);
  assert_int_equal(ladder.best, level);
  assert_int_equal(wcx_ladder_find(&pools, &ladder, UINT64_MAX), level);
  assert_int_equal(wcx_ladder_find(&pools, &ladder, UINT64_MAX - 1), 0);
  wcx_ladder_remove(&pools, &ladder, level);
  assert_int_equal(ladder.root, 0);
  assert_int_equal(ladder.best, 0);
  assert_int_equal(pools.level_live, 0);
}

static void neighbours_share_a_node(void **state)
{
  (void)state;
  for (uint64_t i = 0; i < 64; i++)
    insert(6400 + i);
  assert_int_equal(pools.node_live, 1);
  insert(6464);
  assert_int_equal(wcx_ladder_verify(&pools, &ladder), 2);
}

static void the_whole_range_fits_and_nodes_suffice(void **state)
{
  (void)state;
  for (int round = 0; round < 3; round++)
  {
    uint32_t level[128];
    uint32_t cnt = 0;
    for (uint32_t bit = 0; bit < 64; bit++) /* as ragged as keys can be: every insertion branches elsewhere */
      level[cnt++] = insert((UINT64_C(1) << bit) | (round == 1 ? 0 : UINT64_C(1) << (bit * 7 % 61) >> 1));
    wcx_ladder_verify(&pools, &ladder);
    assert_true(pools.node_live < pools.level_live);
    while (cnt > 0)
      wcx_ladder_remove(&pools, &ladder, level[--cnt]);
    assert_int_equal(pools.node_live, 0);
    assert_int_equal(pools.level_live, 0);
  }
}

static void best_follows_removal_in_order(void **state)
{
  (void)state;
  static const uint64_t keys[] = {900, 17, 4096, UINT64_C(1) << 50, 18, 901, 262144};
  static const uint64_t sorted[] = {17, 18, 900, 901, 4096, 262144, UINT64_C(1) << 50};
  for (size_t i = 0; i < 7; i++)
    insert(keys[i]);
  for (size_t i = 0; i < 7; i++)
  {
    assert_int_equal(pools.levels[ladder.best].key, sorted[i]);
    wcx_ladder_remove(&pools, &ladder, ladder.best);
    wcx_ladder_verify(&pools, &ladder);
  }
  assert_int_equal(ladder.best, 0);
}

static uint64_t rng = 88172645463325252u;

static uint64_t any(void)
{
  rng ^= rng << 13;
  rng ^= rng >> 7;
  rng ^= rng << 17;
  return rng;
}

/* Against a sorted array. */
static void agrees_with_a_sorted_array(void **state)
{
  (void)state;
  static uint64_t held[LEVELS];
  uint32_t cnt = 0;
  for (int i = 0; i < 60000; i++)
  {
    uint64_t key = i % 3 == 0 ? any() >> (any() & 63) : 100000 + (any() & 0x3ff);
    uint32_t at = 0;
    while (at < cnt && held[at] < key)
      at++;
    bool there = at < cnt && held[at] == key;
    uint32_t found = wcx_ladder_find(&pools, &ladder, key);
    assert_int_equal(found != 0, there);
    if (there || cnt == LEVELS)
    {
      uint32_t victim = there ? found : wcx_ladder_find(&pools, &ladder, held[at = (uint32_t)(any() % cnt)]);
      wcx_ladder_remove(&pools, &ladder, victim);
      memmove(held + at, held + at + 1, (--cnt - at) * sizeof(held[0]));
    }
    else
    {
      insert(key);
      memmove(held + at + 1, held + at, (cnt++ - at) * sizeof(held[0]));
      held[at] = key;
    }
    if (i % 100 != 0)
      continue;
    wcx_ladder_verify(&pools, &ladder);
    uint32_t walk = ladder.best;
    for (uint32_t k = 0; k < cnt; k++, walk = wcx_ladder_next(&pools, walk))
      assert_int_equal(pools.levels[walk].key, held[k]);
    assert_int_equal(walk, 0);
  }
}

#define ladder_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      ladder_test(an_empty_ladder_finds_nothing),          ladder_test(one_level_needs_no_node),       ladder_test(neighbours_share_a_node),
      ladder_test(the_whole_range_fits_and_nodes_suffice), ladder_test(best_follows_removal_in_order), ladder_test(agrees_with_a_sorted_array),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
