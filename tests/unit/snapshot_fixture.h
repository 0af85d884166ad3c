/* A state that has some of everything, and snapshots that are not what they should be. */
#ifndef WCX_TESTS_SNAPSHOT_FIXTURE_H
#define WCX_TESTS_SNAPSHOT_FIXTURE_H

#include "engine/base/crc32c.h"
#include "engine/snapshot_table.h"
#include "tests/unit/engine_fixture.h"

#define DAY_NS UINT64_C(86400000000000)

static const wcx_engine_limits_t other_limits = {
    .shard = 1, .orders_max = 333, .levels_max = 111, .instruments_max = 77, .accounts_max = 99, .sessions_max = 55, .hash_key = UINT64_C(0xfeedfacecafebeef)};
/* Just enough for what is in the small and the rich world: their use is cheap to clear again and again. */
static const wcx_engine_limits_t tight_limits = {
    .shard = 1, .orders_max = 100, .levels_max = 50, .instruments_max = 4, .accounts_max = 12, .sessions_max = 12, .hash_key = UINT64_C(77)};

static inline wcx_snapshot_hdr_t header_of(const uint8_t *snapshot)
{
  wcx_snapshot_hdr_t hdr;
  memcpy(&hdr, snapshot, sizeof(hdr));
  return hdr;
}

static inline wcx_snapshot_entry_t entry_of(const uint8_t *snapshot, uint32_t i)
{
  wcx_snapshot_entry_t entry;
  memcpy(&entry, snapshot + sizeof(wcx_snapshot_hdr_t) + i * sizeof(entry), sizeof(entry));
  return entry;
}

static inline uint64_t head_sz(const uint8_t *snapshot)
{
  return sizeof(wcx_snapshot_hdr_t) + header_of(snapshot).section_cnt * sizeof(wcx_snapshot_entry_t);
}

/* Make all CRCs right, whatever the bytes are now; false when the sections do not lie within them. */
static inline bool mend(uint8_t *snapshot)
{
  wcx_snapshot_hdr_t hdr = header_of(snapshot);
  uint64_t off = head_sz(snapshot);
  for (uint32_t i = 0; i < hdr.section_cnt; i++)
  {
    wcx_snapshot_entry_t entry = entry_of(snapshot, i);
    if (entry.sz == 0 || entry.cnt > (hdr.sz - off) / entry.sz)
      return false;
    entry.crc = wcx_crc32c(0, snapshot + off, entry.cnt * entry.sz);
    off += entry.cnt * entry.sz;
    memcpy(snapshot + sizeof(hdr) + i * sizeof(entry), &entry, sizeof(entry));
  }
  hdr.crc = 0;
  memcpy(snapshot, &hdr, sizeof(hdr));
  hdr.crc = wcx_crc32c(0, snapshot, head_sz(snapshot));
  memcpy(snapshot, &hdr, sizeof(hdr));
  return true;
}

/* --- a state that has some of everything ------------------------------------------------------------------------------------------------- */

static inline void session_event(world_t *w, uint32_t session_id, bool opened, uint8_t cancel_orders)
{
  wcx_session_opened_t open = {.uuid = 1000 + session_id, .cod_timeout_window = 5000, .mold_session = "M001260101", .flags = 1, .transport = 2, .key_slot = session_id & 1};
  wcx_session_closed_t close = {.uuid = 1000 + session_id, .transport = 2, .cancel_orders = cancel_orders};
  if (opened)
    world_apply(w, WCX_TEMPLATE_SESSION_OPENED, session_id, 0, &open, sizeof(open));
  else
    world_apply(w, WCX_TEMPLATE_SESSION_CLOSED, session_id, 0, &close, sizeof(close));
}

/* Closed so much later than the input before, its orders to be canceled after so many ms. */
static inline void disconnect_at(world_t *w, uint32_t session_id, uint64_t later_ns, uint32_t window_ms)
{
  wcx_session_opened_t open = {.uuid = 2000 + session_id, .cod_timeout_window = window_ms, .flags = 1, .transport = 2};
  wcx_session_closed_t close = {.uuid = 2000 + session_id, .transport = 2, .cancel_orders = 2};
  uint64_t stamp_ns = wcx_engine_last_stamp_ns(w->engine) + later_ns;
  world_apply_at(w, stamp_ns - (later_ns > 1), WCX_TEMPLATE_SESSION_OPENED, session_id, 0, &open, sizeof(open));
  world_apply_at(w, stamp_ns + (later_ns == 1), WCX_TEMPLATE_SESSION_CLOSED, session_id, 0, &close, sizeof(close));
}

static inline void special(world_t *w, uint32_t session_id, uint8_t side, int64_t price, uint32_t kind)
{
  wcx_new_order_single_t request = an_order(w->cl_ord_id[session_id] + 1, session_id, side, price, 20);
  request.self_match_prevention_inst = WCX_SELF_MATCH_PREVENTION_INST_CANCEL_OLDEST;
  switch (kind)
  {
  case 0:
    request.display_qty = 4;
    break;
  case 1:
    request.exec_inst = WCX_EXEC_INST_HIDDEN;
    break;
  case 2:
    request.ord_type = WCX_ORD_TYPE_STOP_LIMIT;
    request.stop_px = side == BUY ? INT64_C(700000009000) : 50; /* just below the lowest offer */
    break;
  case 3:
    request.time_in_force = WCX_TIME_IN_FORCE_DAY;
    break;
  case 4:
    request.time_in_force = WCX_TIME_IN_FORCE_GTD;
    request.expire_time = wcx_engine_last_stamp_ns(w->engine) + 5000000 + (uint64_t)price;
    break;
  case 5:
    request.time_in_force = WCX_TIME_IN_FORCE_AT_THE_OPENING;
    break;
  default:
    request.time_in_force = WCX_TIME_IN_FORCE_AT_THE_CLOSE;
    break;
  }
  send_order(w, session_id, &request);
}

static inline void enrich(world_t *w)
{
  static const int64_t bases[] = {1000, 1000, 1000, 90000, 5000000, INT64_C(700000000000)};
  wcx_security_definition_t second = an_instrument(40000);
  wcx_day_roll_t day = {.trade_date = 20260101};
  wcx_kill_switch_t kill = {.account = 8, .locked = 1};
  world_define(w, &second);
  world_apply(w, WCX_TEMPLATE_DAY_ROLL, 0, 0, &day, sizeof(day));
  world_session(w, 70000, WCX_U32_NULL);
  for (uint32_t session = 1; session <= 6; session++)
    session_event(w, session, true, 0);
  for (uint32_t i = 0; i < 6; i++)
    for (uint32_t session = 1; session <= 4; session++)
    {
      order(w, session, BUY, bases[i] - 10 * session - i, 30 + i);
      order(w, session, SELL, bases[5] + 10 * bases[i] + session, 30 + i);
    }
  for (uint32_t i = 0; i < 7; i++)
    special(w, 1 + i % 6, i % 2 == 0 ? BUY : SELL, i % 2 == 0 ? 900 + i : bases[5] * 20 + i, i);
  order(w, 5, SELL, bases[5] - 20, 30); /* trades: a last price, an order filled in part */
  for (uint32_t session = 1; session <= 4; session++)
    for (uint64_t id = 1; id <= 5; id += 2 + session % 2)
      cancel(w, session, id);
  order(w, 2, BUY, 777, 3); /* reuses a slot */
  replace(w, 2, w->cl_ord_id[2], 778, 9);
  for (uint32_t i = 0; i < 3; i++)
    special(w, 1 + i, BUY, 905, 3); /* equal deadlines, armed from higher slots to lower ones */
  for (uint32_t i = 0; i < 5; i++)
    special(w, 1 + i, BUY, 350 - 60 * i, 4); /* each before those armed earlier */
  order(w, 7, BUY, 123, 1);                  /* alone in its session and at its price */
  special(w, 6, SELL, bases[5] + 500, 0);
  order_tif(w, 1, BUY, bases[5] + 500, 4, IOC); /* takes what the iceberg shows: a refresh */
  for (uint32_t session = 1; session <= 4; session++)
    cancel(w, session, 7 + session);
  disconnect_at(w, 4, 1, 3);
  disconnect_at(w, 3, UINT64_C(1000000), 2); /* the same deadline */
  disconnect_at(w, 5, 1, 1);
  world_apply(w, WCX_TEMPLATE_KILL_SWITCH, 0, 0, &kill, sizeof(kill));
  assert_true(w->engine->pool.free_head != 0 && w->engine->ladders.node_live > 2 && w->engine->ladders.level_free != 0 && w->engine->timers.cnt == 13);
  assert_true(w->engine->special_total == 3 && w->engine->display_no == 1 && w->engine->stop_cnt == 1 && w->engine->dirty_cnt != 0 && w->engine->instruments[0].last_px != 0);
}

/* --- refusals ---------------------------------------------------------------------------------------------------------------------------- */

static inline void expect_refused(const wcx_engine_limits_t *limits, const uint8_t *snapshot, uint64_t sz, const char *why)
{
  static _Alignas(64) uint8_t mem[1 << 20];
  char error[256] = "";
  assert_true(wcx_engine_footprint(limits) <= sizeof(mem));
  assert_null(wcx_engine_snapshot_load(mem, sizeof(mem), limits, snapshot, sz, error, sizeof(error)));
  assert_string_not_equal(error, "");
  if (why != NULL && strstr(error, why) == NULL)
    fail_msg("refused with: %s\nexpected: %s", error, why);
}

#endif
