/* The pool of orders (engine/pool.h), and division by a constant that is exact at its edges (engine/divider.h). */
#include "engine/divider.h"
#include "engine/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void make(wcx_pool_t *pool, uint32_t max)
{
  *pool = (wcx_pool_t){.max = max};
  pool->orders = aligned_alloc(64, (max + 1) * sizeof(wcx_order_t));
  memset(pool->orders, 0, (max + 1) * sizeof(wcx_order_t));
}

static void slots_are_given_lifo_then_by_mark(void **state)
{
  (void)state;
  wcx_pool_t pool;
  make(&pool, 4);
  assert_int_equal(wcx_pool_alloc(&pool), 1);
  assert_int_equal(wcx_pool_alloc(&pool), 2);
  assert_int_equal(wcx_pool_alloc(&pool), 3);
  wcx_pool_free(&pool, 1);
  wcx_pool_free(&pool, 3);
  assert_int_equal(wcx_pool_alloc(&pool), 3);
  assert_int_equal(wcx_pool_alloc(&pool), 1);
  assert_int_equal(wcx_pool_alloc(&pool), 4);
  assert_int_equal(wcx_pool_alloc(&pool), 0);
  assert_int_equal(pool.live, 4);
  free(pool.orders);
}

static void slots_do_not_depend_on_the_size(void **state)
{
  (void)state;
  wcx_pool_t small;
  wcx_pool_t large;
  make(&small, 100);
  make(&large, 5000);
  uint32_t held[100];
  uint32_t cnt = 0;
  uint64_t rng = 7;
  for (int i = 0; i < 10000; i++)
  {
    rng = rng * 6364136223846793005u + 1;
    if (cnt < 100 && (cnt == 0 || (rng >> 40) % 2 == 0))
    {
      held[cnt] = wcx_pool_alloc(&small);
      assert_int_equal(held[cnt], wcx_pool_alloc(&large));
      assert_int_equal(small.orders[held[cnt]].order_id, large.orders[held[cnt]].order_id);
      cnt++;
    }
    else
    {
      uint32_t victim = (uint32_t)(rng >> 41) % cnt;
      wcx_pool_free(&small, held[victim]);
      wcx_pool_free(&large, held[victim]);
      held[victim] = held[--cnt];
    }
    assert_int_equal(small.free_hash, large.free_hash);
  }
  free(small.orders);
  free(large.orders);
}

static void only_the_live_generation_is_found(void **state)
{
  (void)state;
  wcx_pool_t pool;
  make(&pool, 4);
  uint32_t slot = wcx_pool_alloc(&pool);
  pool.orders[slot].level = 9;
  uint64_t first = pool.orders[slot].order_id;
  assert_int_equal(first, UINT64_C(1) << 24 | slot);
  assert_int_equal(wcx_pool_find(&pool, first), slot);
  assert_int_equal(wcx_pool_find(&pool, first + (1 << 24)), 0);
  assert_int_equal(wcx_pool_find(&pool, slot), 0);
  assert_int_equal(wcx_pool_find(&pool, 0), 0);
  assert_int_equal(wcx_pool_find(&pool, UINT64_MAX), 0);
  assert_int_equal(wcx_pool_find(&pool, UINT64_C(1) << 24 | 2), 0); /* a slot never used */
  wcx_pool_free(&pool, slot);
  assert_int_equal(wcx_pool_find(&pool, first), 0);
  pool.orders[wcx_pool_alloc(&pool)].level = 9;
  assert_int_equal(wcx_pool_find(&pool, first), 0);
  assert_int_equal(wcx_pool_find(&pool, first + (1 << 24)), slot);
  free(pool.orders);
}

static void an_exhausted_slot_is_retired(void **state)
{
  (void)state;
  wcx_pool_t pool;
  make(&pool, 2);
  uint32_t slot = wcx_pool_alloc(&pool);
  pool.orders[slot].order_id = WCX_ORDER_GENERATION_MAX << WCX_ORDER_SLOT_BITS | slot;
  wcx_pool_free(&pool, slot);
  assert_int_equal(pool.live, 0);
  assert_int_equal(wcx_pool_alloc(&pool), 2);
  assert_int_equal(wcx_pool_alloc(&pool), 0);
  free(pool.orders);
}

static void division_is_exact_at_the_edges(void **state)
{
  (void)state;
  static const uint64_t edge[] = {1, 2, 3, 5, 7, 10, 63, 64, 100, 999999937, UINT64_C(1) << 32, (UINT64_C(1) << 62) - 1, UINT64_C(1) << 62, INT64_MAX - 1, INT64_MAX};
  for (size_t d = 0; d < sizeof(edge) / sizeof(edge[0]); d++)
  {
    wcx_divider_t by = wcx_divider(edge[d]);
    uint64_t rng = 1;
    for (int i = 0; i < 20000; i++)
    {
      rng = rng * 6364136223846793005u + 1442695040888963407u;
      uint64_t value = i < 15 ? edge[i] : i < 30 ? edge[i - 15] - 1 : i % 2 == 0 ? rng >> (1 + i % 60) : (rng >> 1) / edge[d] * edge[d] - (uint64_t)(i % 3 == 0);
      value &= INT64_MAX;
      uint64_t rest;
      uint64_t quotient = wcx_divide(&by, value, &rest);
      assert_int_equal(quotient, value / edge[d]);
      assert_int_equal(rest, value % edge[d]);
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(slots_are_given_lifo_then_by_mark), cmocka_unit_test(slots_do_not_depend_on_the_size), cmocka_unit_test(only_the_live_generation_is_found),
      cmocka_unit_test(an_exhausted_slot_is_retired),      cmocka_unit_test(division_is_exact_at_the_edges),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
