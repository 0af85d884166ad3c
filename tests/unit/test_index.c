/* Tables from keys to places: the index of live orders (engine/index.h) and the map from IDs (engine/idmap.h). */
#include "engine/idmap.h"
#include "engine/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX 500u

static wcx_pool_t pool;
static wcx_index_t index_of;

static int setup(void **state)
{
  (void)state;
  pool = (wcx_pool_t){.max = MAX};
  pool.orders = aligned_alloc(64, (MAX + 1) * sizeof(wcx_order_t));
  memset(pool.orders, 0, (MAX + 1) * sizeof(wcx_order_t));
  uint64_t cap = wcx_index_cap(MAX);
  uint64_t spill_cap = wcx_index_spill_cap(MAX);
  index_of = (wcx_index_t){.entries = calloc(cap, sizeof(uint64_t)), .spill = calloc(spill_cap, sizeof(uint64_t)), .mask = cap - 1, .spill_mask = spill_cap - 1};
  wcx_index_set_key(&index_of, 0xabcdef);
  return 0;
}

static int teardown(void **state)
{
  (void)state;
  free(pool.orders);
  free(index_of.entries);
  free(index_of.spill);
  return 0;
}

static uint32_t add(uint32_t session, uint64_t cl_ord_id)
{
  uint32_t slot = wcx_pool_alloc(&pool);
  pool.orders[slot].session = session;
  pool.orders[slot].cl_ord_id = cl_ord_id;
  pool.orders[slot].level = 1;
  wcx_index_add(&index_of, session, cl_ord_id, slot);
  return slot;
}

static void drop(uint32_t slot)
{
  wcx_index_remove(&index_of, pool.orders[slot].session, pool.orders[slot].cl_ord_id, slot);
  wcx_pool_free(&pool, slot);
}

static uint32_t find(uint32_t session, uint64_t cl_ord_id)
{
  return wcx_index_find(&index_of, pool.orders, session, cl_ord_id);
}

static void keys_of_sessions_are_apart(void **state)
{
  (void)state;
  uint32_t a = add(1, 10);
  uint32_t b = add(2, 10);
  assert_int_equal(find(1, 10), a);
  assert_int_equal(find(2, 10), b);
  assert_int_equal(find(3, 10), 0);
  drop(a);
  assert_int_equal(find(1, 10), 0);
  assert_int_equal(find(2, 10), b);
}

static void ids_in_a_row_share_a_line(void **state)
{
  (void)state;
  for (uint64_t id = 800; id < 808; id++)
    assert_int_equal(wcx_index_home(&index_of, 5, id), wcx_index_home(&index_of, 5, 800) + (id - 800));
  assert_int_equal(wcx_index_home(&index_of, 5, 800) % 8, 0);
}

static void ids_of_a_block_share_a_page(void **state)
{
  (void)state;
  uint32_t page = wcx_index_home(&index_of, 5, WCX_INDEX_BLOCK) / WCX_INDEX_BLOCK;
  uint8_t taken[WCX_INDEX_BLOCK] = {0};
  for (uint64_t id = WCX_INDEX_BLOCK; id < 2 * WCX_INDEX_BLOCK; id++)
  {
    uint32_t home = wcx_index_home(&index_of, 5, id);
    assert_int_equal(home / WCX_INDEX_BLOCK, page);
    assert_int_equal(taken[home % WCX_INDEX_BLOCK]++, 0);
  }
  uint32_t same = 0; /* ids as far from each other as blocks: neither the page nor the place in it follows from the last one */
  for (uint64_t block = 2; block < 1000; block++)
  {
    same += wcx_index_home(&index_of, 5, block * WCX_INDEX_BLOCK) / WCX_INDEX_BLOCK == page;
    taken[wcx_index_home(&index_of, 5, block * WCX_INDEX_BLOCK) % WCX_INDEX_BLOCK]++;
  }
  assert_true(same < 3);
  for (uint32_t i = 0; i < WCX_INDEX_BLOCK; i++)
    assert_true(taken[i] < 60);
}

/* Pages are few in this table: most blocks meet another one there, id by id. */
static void blocks_on_one_page_make_no_runs(void **state)
{
  (void)state;
  uint32_t run = 0, longest = 0;
  for (uint32_t session = 1; session <= 5; session++)
    for (uint64_t id = 0; id < 100; id++)
      add(session, id);
  for (uint64_t at = 0; at <= index_of.spill_mask; at++)
  {
    run = index_of.spill[at] != 0 ? run + 1 : 0;
    longest = run > longest ? run : longest;
  }
  assert_true(index_of.spill_cnt > 50);
  assert_true(longest < 25);
  wcx_index_verify(&index_of, &pool);
}

static void removal_leaves_no_hole_in_a_full_table(void **state)
{
  (void)state;
  uint32_t slots[MAX];
  uint64_t next_id[4] = {0};
  uint64_t rng = 3;
  uint32_t cnt = 0;
  for (int i = 0; i < 100000; i++)
  {
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    if (cnt < MAX && (rng >> 33) % 100 < 55)
    {
      uint32_t session = (uint32_t)(rng >> 50) % 4;
      next_id[session] += 1 + ((rng >> 40) % 10 == 0 ? (rng >> 44) % 1000 : 0);
      slots[cnt++] = add(session, next_id[session]);
    }
    else if (cnt > 0)
    {
      uint32_t victim = (uint32_t)(rng >> 35) % cnt;
      drop(slots[victim]);
      slots[victim] = slots[--cnt];
    }
    if (i % 500 == 0)
      wcx_index_verify(&index_of, &pool);
  }
  while (cnt > 0)
    drop(slots[--cnt]);
  wcx_index_verify(&index_of, &pool);
}

static void the_key_moves_the_lines(void **state)
{
  (void)state;
  wcx_index_t other = index_of;
  wcx_index_set_key(&other, 0xabcdee);
  uint32_t same = 0;
  for (uint64_t id = 0; id < 512000; id += 512)
    same += wcx_index_home(&index_of, 1, id) == wcx_index_home(&other, 1, id);
  assert_true(same < 3);
}

static void a_map_finds_what_was_added(void **state)
{
  (void)state;
  wcx_idmap_t map = {.entries = calloc(wcx_idmap_cap(1000), sizeof(wcx_idmap_entry_t)),
                     .direct = calloc(wcx_idmap_direct_cnt(1000), sizeof(uint32_t)),
                     .mask = (uint32_t)wcx_idmap_cap(1000) - 1,
                     .direct_cnt = wcx_idmap_direct_cnt(1000)};
  for (uint32_t i = 0; i < 1000; i++)
    wcx_idmap_add(&map, i * 0x10001u, i);
  for (uint32_t i = 0; i < 1000; i++)
    assert_int_equal(wcx_idmap_find(&map, i * 0x10001u), i);
  assert_int_equal(wcx_idmap_find(&map, 5), WCX_IDX_NONE);
  assert_int_equal(wcx_idmap_find(&map, UINT32_MAX), WCX_IDX_NONE);
  free(map.entries);
  free(map.direct);
}

#define index_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      index_test(keys_of_sessions_are_apart),
      index_test(ids_in_a_row_share_a_line),
      index_test(ids_of_a_block_share_a_page),
      index_test(blocks_on_one_page_make_no_runs),
      index_test(removal_leaves_no_hole_in_a_full_table),
      index_test(the_key_moves_the_lines),
      index_test(a_map_finds_what_was_added),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
