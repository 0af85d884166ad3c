/* A small map from a 32-bit id chosen by the operator (instrument, account, session) to its index: small ids are looked up directly, the others by open
   addressing. Never deletes.

   Owner:      the engine's thread.
   Memory:     wcx_idmap_entry_t[wcx_idmap_cap(max)], at most half full, so every probe ends; uint32_t[wcx_idmap_direct_cnt(max)]; both zeroed.
   Pinned by:  tests/unit/test_index.c. */
#ifndef WCX_ENGINE_IDMAP_H
#define WCX_ENGINE_IDMAP_H

#include <assert.h>
#include <stdint.h>

typedef struct wcx_idmap_entry
{
  uint32_t id;
  uint32_t idx_plus1; /* 0: empty */
} wcx_idmap_entry_t;
static_assert(sizeof(wcx_idmap_entry_t) == 8, "id map entry");

typedef struct wcx_idmap
{
  wcx_idmap_entry_t *entries;
  uint32_t *direct; /* by id: index + 1, 0: none */
  uint32_t mask;
  uint32_t direct_cnt;
} wcx_idmap_t;

#define WCX_IDX_NONE UINT32_MAX /* 0 - 1 */

/* Entries for up to `max` ids: a power of two, at least 2 x max. */
static inline uint64_t wcx_idmap_cap(uint32_t max)
{
  uint64_t cap = 8;
  while (cap < (uint64_t)max * 2)
    cap *= 2;
  return cap;
}

/* Ids below this are looked up directly. */
static inline uint32_t wcx_idmap_direct_cnt(uint32_t max)
{
  uint64_t cnt = wcx_idmap_cap(max) * 2;
  return cnt < 65536 ? (uint32_t)cnt : 65536;
}

static inline uint32_t wcx_idmap_home(const wcx_idmap_t *map, uint32_t id)
{
  return (uint32_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & map->mask;
}

/* Index of `id`, or WCX_IDX_NONE. */
static inline uint32_t wcx_idmap_find(const wcx_idmap_t *map, uint32_t id)
{
  if (__builtin_expect(id < map->direct_cnt, 1))
    return map->direct[id] - 1;
  for (uint32_t at = wcx_idmap_home(map, id);; at = (at + 1) & map->mask)
  {
    const wcx_idmap_entry_t *entry = &map->entries[at];
    if (entry->idx_plus1 == 0)
      return WCX_IDX_NONE;
    if (entry->id == id)
      return entry->idx_plus1 - 1;
  }
}

/* Add an id that is not there. */
static inline void wcx_idmap_add(wcx_idmap_t *map, uint32_t id, uint32_t idx)
{
  if (id < map->direct_cnt)
  {
    map->direct[id] = idx + 1;
    return;
  }
  uint32_t at = wcx_idmap_home(map, id);
  while (map->entries[at].idx_plus1 != 0)
    at = (at + 1) & map->mask;
  map->entries[at] = (wcx_idmap_entry_t){.id = id, .idx_plus1 = idx + 1};
}

#endif
