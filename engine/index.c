#include "engine/index.h"

#include "engine/base/check.h"

#include <stdbool.h>

void wcx_index_verify(const wcx_index_t *index, const wcx_pool_t *pool)
{
  uint64_t entry_cnt = 0;
  for (uint64_t at = 0; at <= index->mask; at++)
    entry_cnt += index->entries[at] != 0;
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
