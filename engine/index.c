#include "engine/index.h"

#include "engine/base/check.h"

void wcx_index_spill_add(wcx_index_t *index, uint32_t home, uint32_t slot)
{
  uint64_t at = wcx_index_spill_home(index, home);
  while (index->spill[at] != 0)
    at = (at + 1) & index->spill_mask;
  index->spill[at] = wcx_index_entry(home, slot);
  index->spill_cnt++;
}

void wcx_index_spill_remove(wcx_index_t *index, uint32_t home, uint32_t slot)
{
  uint64_t wanted = wcx_index_entry(home, slot);
  uint64_t hole = wcx_index_spill_home(index, home);
  while (index->spill[hole] != wanted)
    hole = (hole + 1) & index->spill_mask;
  for (uint64_t at = (hole + 1) & index->spill_mask; index->spill[at] != 0; at = (at + 1) & index->spill_mask)
  {
    uint64_t entry = index->spill[at];
    /* it may fill the hole when its home does not lie behind the hole */
    if (((at - wcx_index_spill_home(index, (uint32_t)(entry >> 32))) & index->spill_mask) >= ((at - hole) & index->spill_mask))
    {
      index->spill[hole] = entry;
      hole = at;
    }
  }
  index->spill[hole] = 0;
  index->spill_cnt--;
}

void wcx_index_verify(const wcx_index_t *index, const wcx_pool_t *pool)
{
  uint64_t entry_cnt = 0;
  for (uint64_t at = 0; at <= index->mask; at++)
    entry_cnt += index->entries[at] != 0;
  uint64_t spill_cnt = 0;
  for (uint64_t at = 0; at <= index->spill_mask; at++)
    spill_cnt += index->spill[at] != 0;
  WCX_CHECK(spill_cnt == index->spill_cnt, "second table of the index holds %llu, counted %llu", (unsigned long long)spill_cnt, (unsigned long long)index->spill_cnt);
  entry_cnt += spill_cnt;
  uint64_t resting_cnt = 0;
  for (uint32_t slot = 1; slot <= pool->bump; slot++)
  {
    const wcx_order_t *order = &pool->orders[slot];
    if (order->level == 0)
      continue;
    resting_cnt++;
    bool quote = (order->flags & WCX_ORDER_F_QUOTE) != 0;
    uint32_t found = quote ? wcx_index_find_quote(index, pool, order->session, order->side, pool->extras[slot].quote_key)
                           : wcx_index_find(index, pool->orders, order->session, order->cl_ord_id);
    WCX_CHECK(found == slot, "session %u ClOrdID %llu is slot %u, index says %u", order->session, (unsigned long long)order->cl_ord_id, slot, found);
  }
  WCX_CHECK(entry_cnt == resting_cnt, "index holds %llu, resting %llu", (unsigned long long)entry_cnt, (unsigned long long)resting_cnt);
}
