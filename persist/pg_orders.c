#include "persist/pg_orders.h"

#include "engine/base/check.h"

#include <stdlib.h>
#include <string.h>

#define ORDERS_FIRST 4096u

static size_t slot_of(const wcx_pg_orders_t *orders, uint64_t order_id)
{
  size_t slot = (size_t)(order_id * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (orders->slot_cnt - 1);
  while (orders->slots[slot] != 0 && orders->base[orders->slots[slot] - 1].order_id != order_id)
    slot = (slot + 1) & (orders->slot_cnt - 1);
  return slot;
}

static void grow(wcx_pg_orders_t *orders)
{
  orders->cap = orders->cap == 0 ? ORDERS_FIRST : orders->cap * 2;
  orders->slot_cnt = orders->cap * 2;
  free(orders->slots);
  orders->base = realloc(orders->base, orders->cap * sizeof(orders->base[0]));
  orders->slots = calloc(orders->slot_cnt, sizeof(orders->slots[0]));
  WCX_CHECK(orders->base != NULL && orders->slots != NULL, "no memory for %zu orders", orders->cap);
  for (size_t i = 0; i < orders->cnt; i++)
    orders->slots[slot_of(orders, orders->base[i].order_id)] = (uint32_t)i + 1;
}

wcx_pg_order_t *wcx_pg_orders_at(wcx_pg_orders_t *orders, uint64_t order_id)
{
  if (orders->cnt == orders->cap)
    grow(orders);
  size_t slot = slot_of(orders, order_id);
  if (orders->slots[slot] == 0)
  {
    orders->base[orders->cnt] = (wcx_pg_order_t){.order_id = order_id};
    orders->slots[slot] = (uint32_t)++orders->cnt;
  }
  return &orders->base[orders->slots[slot] - 1];
}

void wcx_pg_orders_clear(wcx_pg_orders_t *orders)
{
  if (orders->cnt > 0)
    memset(orders->slots, 0, orders->slot_cnt * sizeof(orders->slots[0]));
  orders->cnt = 0;
}

void wcx_pg_orders_free(wcx_pg_orders_t *orders)
{
  free(orders->base);
  free(orders->slots);
  *orders = (wcx_pg_orders_t){0};
}
