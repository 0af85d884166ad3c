#include "bench/floor.h"

#include "engine/base/check.h"
#include "engine/base/env.h"

#include <string.h>

#define PASSES 5

typedef struct floor_order
{
  uint32_t qty;
  uint32_t px; /* index of its level */
  uint32_t next;
  uint32_t owner;
} floor_order_t;
static_assert(sizeof(floor_order_t) == 16, "floor order");

typedef struct floor_level
{
  uint32_t head;
  uint32_t tail;
  uint64_t qty;
} floor_level_t;
static_assert(sizeof(floor_level_t) == 16, "floor level");

typedef struct tables
{
  floor_order_t *orders;
  floor_level_t *levels;
  uint64_t *hash;
  uint64_t hash_mask;
  uint64_t order_cnt; /* of the table */
  uint64_t level_cnt;
  uint32_t slot_last; /* hash: last slot given out */
  int64_t px_min;
} tables_t;

static inline void append(tables_t *tables, uint32_t slot, const wcx_flow_record_t *record)
{
  floor_order_t *order = &tables->orders[slot];
  order->px = (uint32_t)(record->px - tables->px_min);
  order->next = 0;
  floor_level_t *level = &tables->levels[order->px];
  if (level->tail != 0)
    tables->orders[level->tail].next = slot;
  else
    level->head = slot;
  level->tail = slot;
  level->qty += order->qty;
}

static inline void apply(tables_t *tables, uint32_t slot, const wcx_flow_record_t *record)
{
  floor_order_t *order = &tables->orders[slot];
  if (record->op == WCX_FLOW_NEW)
  {
    order->qty = record->qty;
    order->owner = (uint32_t)record->aux;
    append(tables, slot, record);
    return;
  }
  tables->levels[order->px].qty -= order->qty;
  if (record->op == WCX_FLOW_MOVE)
    append(tables, slot, record);
  else
    order->qty = 0;
}

static inline uint64_t mix(uint64_t x)
{
  x ^= x >> 33;
  x *= UINT64_C(0xff51afd7ed558ccd);
  x ^= x >> 33;
  return x;
}

static inline uint32_t resolve(tables_t *tables, const wcx_flow_record_t *record)
{
  uint64_t at = mix(record->id) & tables->hash_mask;
  while (tables->hash[at] != 0 && tables->hash[at] >> 32 != record->id)
    at = (at + 1) & tables->hash_mask;
  if (record->op == WCX_FLOW_NEW)
    tables->hash[at] = record->id << 32 | ++tables->slot_last;
  return (uint32_t)tables->hash[at];
}

static __attribute__((noinline)) void pass_touch(tables_t *tables, const wcx_flow_record_t *records, uint64_t cnt)
{
  for (uint64_t i = 0; i < cnt; i++)
    apply(tables, (uint32_t)records[i].id, &records[i]);
}

static __attribute__((noinline)) void pass_hash(tables_t *tables, const wcx_flow_record_t *records, uint64_t cnt)
{
  for (uint64_t i = 0; i < cnt; i++)
    apply(tables, resolve(tables, &records[i]), &records[i]);
}

static void *table(uint64_t cnt, size_t sz)
{
  void *mem = malloc(cnt * sz);
  if (mem == NULL)
    WCX_DIE("the floors need %llu bytes for a table: use a flow with fewer ids or prices", (unsigned long long)(cnt * sz));
  return mem;
}

static uint64_t total_qty(const tables_t *tables)
{
  uint64_t total = 0;
  for (uint64_t i = 0; i < tables->level_cnt; i++)
    total += tables->levels[i].qty;
  return total;
}

/* The least of five passes, in ns per timed record; the tables stay as the last one left them. */
static double least(tables_t *tables, const wcx_flow_t *flow, uint64_t setup_cnt, void (*pass)(tables_t *, const wcx_flow_record_t *, uint64_t))
{
  uint64_t best_ns = UINT64_MAX;
  for (int i = 0; i < PASSES; i++)
  {
    memset(tables->orders, 0, tables->order_cnt * sizeof(*tables->orders));
    memset(tables->levels, 0, tables->level_cnt * sizeof(*tables->levels));
    if (tables->hash != NULL)
      memset(tables->hash, 0, (tables->hash_mask + 1) * sizeof(*tables->hash));
    tables->slot_last = 0;
    pass(tables, flow->records, setup_cnt);
    uint64_t from_ns = wcx_env_mono_ns();
    pass(tables, flow->records + setup_cnt, flow->cnt - setup_cnt);
    uint64_t took_ns = wcx_env_mono_ns() - from_ns;
    best_ns = took_ns < best_ns ? took_ns : best_ns;
  }
  return (double)best_ns / (double)(flow->cnt - setup_cnt);
}

wcx_floor_t wcx_floor_measure(const wcx_flow_t *flow, uint64_t setup_cnt)
{
  WCX_CHECK(setup_cnt < flow->cnt, "set-up %llu of %llu records", (unsigned long long)setup_cnt, (unsigned long long)flow->cnt);
  tables_t tables = {.px_min = flow->px_min, .order_cnt = flow->id_max + 1, .level_cnt = (uint64_t)(flow->px_max - flow->px_min) + 1};
  tables.orders = table(tables.order_cnt, sizeof(*tables.orders));
  tables.levels = table(tables.level_cnt, sizeof(*tables.levels));
  wcx_floor_t floor = {.touch_ns = least(&tables, flow, setup_cnt, pass_touch)};
  floor.total_qty = total_qty(&tables);

  uint64_t hash_cnt = 1;
  while (hash_cnt < 2 * flow->id_max)
    hash_cnt *= 2;
  tables.hash = table(hash_cnt, sizeof(*tables.hash));
  tables.hash_mask = hash_cnt - 1;
  floor.hash_ns = least(&tables, flow, setup_cnt, pass_hash);
  uint64_t again = total_qty(&tables);
  WCX_CHECK(again == floor.total_qty, "levels hold %llu by touch, %llu by hash", (unsigned long long)floor.total_qty, (unsigned long long)again);
  free(tables.hash);
  free(tables.levels);
  free(tables.orders);
  return floor;
}
