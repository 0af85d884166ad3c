/* Market-maker protection: groups of a session's orders that fall together when too much of them trades in a rolling window of journaled time. RULES.md section 11.

                  config, reset                          fill: a limit is reached
       open <---------------------- frozen     open ------------------------------> frozen until stamp + FreezeNanos, or until a reset
         ^---------- time ------------'        open --client's mass cancel locks--> frozen until a reset

   A frozen group counts its fills and does not trigger, so it triggers at most once in an input.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Memory:     wcx_mmp_group_t[4 x sessions_max], in order of first configuration, and an open-addressing map to them, at most half full, zeroed. Groups are never
               deleted.
   Units:      quantities and notionals as in the fills; sums that do not fit 64 bits say 2^64 - 1.
   Bounds:     a group remembers WCX_MMP_FILLS fills, older ones merged; checking a fill is O(what has left the window), a trigger O(the session's orders).
   Invariants: stamps of a window never fall; sums are those of the window; wcx_mmp_verify states them all.
   Digest:     one record a group, one an entry of its window: who counts what is state, where it lies in the ring is not.
   Pinned by:  tests/unit/test_mmp.c, tests/golden/mmp*.play, tests/diff. */
#ifndef WCX_ENGINE_MMP_H
#define WCX_ENGINE_MMP_H

#include "engine/match.h"

#define WCX_MMP_FILLS 64u
#define WCX_MMP_GROUPS_PER_SESSION 4u /* on average: a session may have more when others have fewer */

/* A fill in a window, or what older ones were merged into. */
typedef struct wcx_mmp_entry
{
  uint64_t stamp_ns;
  uint64_t qty;
  uint64_t notional;
  uint64_t fill_cnt;
} wcx_mmp_entry_t;
static_assert(sizeof(wcx_mmp_entry_t) == 32, "window entry");

typedef struct wcx_mmp_group
{
  /* as configured */
  _Alignas(64) int64_t max_qty; /* WCX_I64_NULL: no limit */
  int64_t max_notional;         /* the same */
  uint64_t window_ns;
  uint64_t freeze_ns; /* 0: until a reset */
  uint32_t max_cnt;   /* 0: no limit */
  uint32_t session;   /* index */
  uint32_t next;      /* index + 1 of the session's next group */
  uint16_t group;
  uint8_t first; /* oldest entry of the window */
  uint8_t entry_cnt;
  uint64_t frozen_until_ns; /* WCX_U64_NULL: until a reset; open from this stamp on */
  uint64_t fill_cnt;        /* sums over the window */
  wcx_u128_t qty;
  wcx_u128_t notional;
  wcx_digest_t hash; /* of what is configured and frozen, as in the state's sum */
  uint8_t pad[16];
  wcx_mmp_entry_t entries[WCX_MMP_FILLS]; /* ring */
} wcx_mmp_group_t;
static_assert(offsetof(wcx_mmp_group_t, frozen_until_ns) == 48, "group: first line");
static_assert(offsetof(wcx_mmp_group_t, qty) == 64, "group: second line");
static_assert(offsetof(wcx_mmp_group_t, entries) == 128, "group: window");
static_assert(sizeof(wcx_mmp_group_t) == 128 + WCX_MMP_FILLS * sizeof(wcx_mmp_entry_t), "group: two lines and its window");

/* Whether new orders of this group are refused now. */
bool wcx_mmp_frozen(const wcx_engine_t *engine, const wcx_session_t *session, uint16_t group);
/* Whether any group of the session is. O(its groups). */
bool wcx_mmp_any_frozen(const wcx_engine_t *engine, const wcx_session_t *session);

/* A fill of an order of this group: count it and, when that is too much, cancel the group: MmpEvent, then the orders, the taker's remainder last if it is one. The fill's
   reports have been said; every listed order stands somewhere, but for the one in engine->taker_slot. taker: NULL in an uncross. */
void wcx_mmp_fill(wcx_engine_t *engine, wcx_session_t *session, uint16_t group, const wcx_fill_t *fill, wcx_taker_t *taker);

/* MmpConfigRequest, MmpResetRequest: answered by MmpEvent or BusinessMessageReject. */
void wcx_mmp_configure(wcx_engine_t *engine, wcx_session_t *session, const wcx_mmp_config_request_t *request);
void wcx_mmp_reset_request(wcx_engine_t *engine, wcx_session_t *session, const wcx_mmp_reset_request_t *request);

/* Clear and open a configured group, freeze it until it is reset: MmpEvent. Of any other nothing happens; false. */
bool wcx_mmp_reset(wcx_engine_t *engine, wcx_session_t *session, uint16_t group);
void wcx_mmp_freeze(wcx_engine_t *engine, wcx_session_t *session, uint16_t group);

/* Groups that were loaded are found again. */
void wcx_mmp_rebuild_map(wcx_engine_t *engine);

/* Bytes of memory by kind, for the arena. */
uint32_t wcx_mmp_groups_max(const wcx_engine_limits_t *limits);
uint64_t wcx_mmp_map_cap(const wcx_engine_limits_t *limits);

/* The groups' part of the state digest, from scratch. O(groups). */
wcx_digest_t wcx_mmp_digest(const wcx_engine_t *engine);

/* Abort if an invariant is broken. O(groups): tests. */
void wcx_mmp_verify(const wcx_engine_t *engine);

#endif
