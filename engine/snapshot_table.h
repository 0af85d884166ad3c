/* What a snapshot is made of: the engine's fields and the arena's tables, each with a row here or with a reason to be left out. Internal to engine/snapshot*.c and its tests.

   To add a table to the arena: take() it in lay_out (engine.c) and give it a row in wcx_snapshot_sections and its counters rows in wcx_snapshot_fields; or, when it follows
   from others, take_derived() it and rebuild it in wcx_snapshot_rebuild. References in it are checked in snapshot_check.c. tests/unit/test_snapshot.c fails until all of
   this agrees.

   Owner:      none, constant tables and functions of the engine's thread.
   Pinned by:  tests/unit/test_snapshot*.c. */
#ifndef WCX_ENGINE_SNAPSHOT_TABLE_H
#define WCX_ENGINE_SNAPSHOT_TABLE_H

#include "engine/snapshot.h"
#include "engine/state.h"

/* Never reused for something else. */
enum wcx_snapshot_id
{
  WCX_SNAPSHOT_FIELDS = 1, /* of the engine: one element */
  WCX_SNAPSHOT_ORDERS = 2,
  WCX_SNAPSHOT_LINKS = 3,
  WCX_SNAPSHOT_EXTRAS = 4,
  WCX_SNAPSHOT_LEVELS = 5,
  WCX_SNAPSHOT_NODES = 6,
  WCX_SNAPSHOT_INSTRUMENTS = 7,
  WCX_SNAPSHOT_SESSIONS = 8,
  WCX_SNAPSHOT_ACCOUNTS = 9,
  WCX_SNAPSHOT_ASSETS = 10,
  WCX_SNAPSHOT_FEE_TIERS = 11,
  WCX_SNAPSHOT_BALANCES = 12,
  WCX_SNAPSHOT_MMP_GROUPS = 13,
  WCX_SNAPSHOT_BREAKS = 14,
  WCX_SNAPSHOT_ENTITLEMENTS = 15,
};

enum wcx_field_kind
{
  WCX_FIELD_KEPT = 1,
  WCX_FIELD_DERIVED = 2,   /* pointers, sizes of memory, and what wcx_snapshot_rebuild finds out */
  WCX_FIELD_TRANSIENT = 3, /* means nothing between inputs, or is no state */
};

typedef struct wcx_snapshot_field
{
  const char *name;
  uint32_t off; /* in wcx_engine_t */
  uint32_t sz;
  enum wcx_field_kind kind;
} wcx_snapshot_field_t;

/* A table of the arena. Elements first .. first + used(engine) - 1 are in use, and kept if `has` says so (NULL: all). `used` and `has` read fields and sections that
   stand before this one. */
typedef struct wcx_snapshot_section
{
  uint32_t id;
  uint32_t sz;
  const char *name;
  const char *limit; /* of wcx_engine_limits_t: what gives it room */
  uint32_t base_off; /* in wcx_engine_t: the pointer to the table */
  uint32_t first;    /* 1: slot 0 is nobody */
  uint64_t (*used)(const wcx_engine_t *engine);
  bool (*has)(const wcx_engine_t *engine, uint64_t idx);
  void (*clean)(uint64_t idx, void *element); /* take out of a copy what is not kept of it; NULL: nothing */
} wcx_snapshot_section_t;

extern const wcx_snapshot_field_t wcx_snapshot_fields[];
extern const uint32_t wcx_snapshot_field_cnt;
extern const wcx_snapshot_section_t wcx_snapshot_sections[];
extern const uint32_t wcx_snapshot_section_cnt;
#define WCX_SNAPSHOT_SECTIONS_MAX 32u
#define WCX_SNAPSHOT_ELEMENT_SZ_MAX 4096u /* of a section with has or clean */

/* Id maps, then what else is derived: the first before, the second after wcx_snapshot_sound. */
void wcx_snapshot_rebuild_maps(wcx_engine_t *engine);
void wcx_snapshot_rebuild(wcx_engine_t *engine);

/* snapshot_check.c: whether every reference of a loaded state stays inside its table and every walk over it ends. Id maps are there. False: `error` says what does not. */
bool wcx_snapshot_sound(const wcx_engine_t *engine, char *error, size_t error_sz);

#endif
