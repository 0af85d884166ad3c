/* An engine, its snapshot, and the engine that is made from it. */
#include "engine/base/crc32c.h"
#include "engine/snapshot_table.h"
#include "tests/unit/engine_fixture.h"

#define DAY_NS UINT64_C(86400000000000)

static const wcx_engine_limits_t other_limits = {
    .shard = 1, .orders_max = 333, .levels_max = 111, .instruments_max = 77, .accounts_max = 99, .sessions_max = 55, .hash_key = UINT64_C(0xfeedfacecafebeef)};
/* Just enough for what is in the small and the rich world: their use is cheap to clear again and again. */
static const wcx_engine_limits_t tight_limits = {
    .shard = 1, .orders_max = 100, .levels_max = 50, .instruments_max = 4, .accounts_max = 12, .sessions_max = 12, .hash_key = UINT64_C(77)};

static wcx_snapshot_hdr_t header_of(const uint8_t *snapshot)
{
  wcx_snapshot_hdr_t hdr;
  memcpy(&hdr, snapshot, sizeof(hdr));
  return hdr;
}

static wcx_snapshot_entry_t entry_of(const uint8_t *snapshot, uint32_t i)
{
  wcx_snapshot_entry_t entry;
  memcpy(&entry, snapshot + sizeof(wcx_snapshot_hdr_t) + i * sizeof(entry), sizeof(entry));
  return entry;
}

static uint64_t head_sz(const uint8_t *snapshot)
{
  return sizeof(wcx_snapshot_hdr_t) + header_of(snapshot).section_cnt * sizeof(wcx_snapshot_entry_t);
}

/* Make all CRCs right, whatever the bytes are now; false when the sections do not lie within them. */
static bool mend(uint8_t *snapshot)
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

static void session_event(world_t *w, uint32_t session_id, bool opened, uint8_t cancel_orders)
{
  wcx_session_opened_t open = {.uuid = 1000 + session_id, .cod_timeout_window = 5000, .mold_session = "M001260101", .flags = 1, .transport = 2, .key_slot = session_id & 1};
  wcx_session_closed_t close = {.uuid = 1000 + session_id, .transport = 2, .cancel_orders = cancel_orders};
  if (opened)
    world_apply(w, WCX_TEMPLATE_SESSION_OPENED, session_id, 0, &open, sizeof(open));
  else
    world_apply(w, WCX_TEMPLATE_SESSION_CLOSED, session_id, 0, &close, sizeof(close));
}

/* Closed so much later than the input before, its orders to be canceled after so many ms. */
static void disconnect_at(world_t *w, uint32_t session_id, uint64_t later_ns, uint32_t window_ms)
{
  wcx_session_opened_t open = {.uuid = 2000 + session_id, .cod_timeout_window = window_ms, .flags = 1, .transport = 2};
  wcx_session_closed_t close = {.uuid = 2000 + session_id, .transport = 2, .cancel_orders = 2};
  uint64_t stamp_ns = wcx_engine_last_stamp_ns(w->engine) + later_ns;
  world_apply_at(w, stamp_ns - (later_ns > 1), WCX_TEMPLATE_SESSION_OPENED, session_id, 0, &open, sizeof(open));
  world_apply_at(w, stamp_ns + (later_ns == 1), WCX_TEMPLATE_SESSION_CLOSED, session_id, 0, &close, sizeof(close));
}

static void special(world_t *w, uint32_t session_id, uint8_t side, int64_t price, uint32_t kind)
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

static void enrich(world_t *w)
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

/* More commands, some of which make everything that waits happen. Step by step, so that two worlds can be compared. */
#define STEPS 60u
static void go_on(world_t *w, uint32_t step)
{
  wcx_tick_t tick = {0};
  uint32_t session = 1 + step % 5;
  uint64_t id = w->cl_ord_id[session];
  switch (step % 10)
  {
  case 0:
    order(w, session, BUY, 950 + step, 11);
    break;
  case 1:
    order(w, session, SELL, 900 + step, 25); /* trades, shows more of icebergs */
    break;
  case 2:
    cancel(w, session, id - step % 4);
    break;
  case 3:
    replace(w, session, id - step % 3, 940, 17);
    break;
  case 4:
    special(w, session, step % 20 == 4 ? BUY : SELL, step % 20 == 4 ? 930 : 99999, step / 10);
    break;
  case 5:
    world_apply_at(w, wcx_engine_last_stamp_ns(w->engine) + (step < 30 ? 2000000 : DAY_NS / 2), WCX_TEMPLATE_TICK, 0, 0, &tick, sizeof(tick));
    break;
  case 6:
    session_event(w, session, step % 20 == 6, (uint8_t)(step / 20 % 3));
    break;
  case 7:
    world_session(w, 80000 + step, 1);
    break;
  case 8:
    order_tif(w, 5, BUY, INT64_C(700000020000), 40, IOC); /* trades, and so reaches the stops */
    break;
  default:
    world_account(w, 10 + step / 10, WCX_ACCOUNT_STATUS_ACTIVE);
    break;
  }
}

static void expect_same_said(const world_t *a, const world_t *b)
{
  assert_int_equal(a->said_cnt, b->said_cnt);
  for (uint32_t i = 0; i < a->said_cnt; i++)
  {
    const uint8_t *entry_a = a->said[i].block - sizeof(wcx_message_header_t) - sizeof(wcx_out_entry_t);
    const uint8_t *entry_b = b->said[i].block - sizeof(wcx_message_header_t) - sizeof(wcx_out_entry_t);
    assert_memory_equal(entry_a, entry_b, ((const wcx_out_entry_t *)(const void *)entry_a)->entry_sz);
  }
}

/* --- round trips ------------------------------------------------------------------------------------------------------------------------- */

static void a_loaded_engine_goes_on_as_the_saved_one(void **state)
{
  world_t *w = *state;
  static world_t copy;
  uint32_t stops = 0;
  enrich(w);
  for (uint32_t cut = 0; cut <= STEPS; cut += 6)
  {
    uint64_t sz;
    uint8_t *snapshot = world_save(w, &sz);
    world_make(&copy, &tight_limits, 1 << 20);
    world_load(&copy, &other_limits, snapshot, sz);
    memcpy(copy.client_seq, w->client_seq, sizeof(copy.client_seq));
    memcpy(copy.cl_ord_id, w->cl_ord_id, sizeof(copy.cl_ord_id));
    wcx_engine_verify(copy.engine);
    for (uint32_t step = cut; step < STEPS; step++)
    {
      go_on(&copy, step);
      if (step >= cut + 6)
        continue;
      go_on(w, step);
      expect_same_said(w, &copy);
      wcx_digest_t a = wcx_engine_output_digest(w->engine);
      wcx_digest_t b = wcx_engine_output_digest(copy.engine);
      assert_memory_equal(&a, &b, sizeof(a));
      a = wcx_engine_state_digest(w->engine);
      b = wcx_engine_state_digest(copy.engine);
      assert_memory_equal(&a, &b, sizeof(a));
      assert_int_equal(wcx_engine_next_deadline_ns(w->engine), wcx_engine_next_deadline_ns(copy.engine));
      stops += w->engine->stop_cnt == 0;
    }
    world_free(&copy);
    free(snapshot);
  }
  assert_true(stops != 0);
}

static void saving_what_was_loaded_gives_the_same_bytes(void **state)
{
  world_t *w = *state;
  enrich(w);
  uint64_t sz, again_sz;
  uint8_t *snapshot = world_save(w, &sz);
  world_load(w, &other_limits, snapshot, sz);
  uint8_t *again = world_save(w, &again_sz);
  assert_int_equal(sz, again_sz);
  assert_memory_equal(snapshot, again, sz);
  free(snapshot);
  free(again);
}

/* An input triggers so many stops at most; the others are due whenever the engine goes on, this one or the loaded one. */
static void stops_that_are_left_over_are_kept(void **state)
{
  world_t *w = *state;
  static world_t copy;
  wcx_tick_t tick = {0};
  order(w, 1, BUY, 100, 1);
  for (uint32_t i = 0; i < 70; i++)
  {
    wcx_new_order_single_t stop = an_order(w->cl_ord_id[2] + 1, 2, SELL, 90, 1);
    stop.ord_type = WCX_ORD_TYPE_STOP_LIMIT;
    stop.stop_px = 100;
    send_order(w, 2, &stop);
  }
  order(w, 3, SELL, 100, 1);
  assert_int_equal(w->engine->stop_cnt, 6);
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  world_make(&copy, &other_limits, 1 << 20);
  world_load(&copy, &other_limits, snapshot, sz);
  assert_int_equal(wcx_engine_next_deadline_ns(copy.engine), wcx_engine_last_stamp_ns(w->engine));
  world_apply(w, WCX_TEMPLATE_TICK, 0, 0, &tick, sizeof(tick));
  world_apply(&copy, WCX_TEMPLATE_TICK, 0, 0, &tick, sizeof(tick));
  expect_same_said(w, &copy);
  assert_int_equal(copy.engine->stop_cnt, 0);
  world_free(&copy);
  free(snapshot);
}

static void an_empty_engine_has_a_snapshot(void **state)
{
  (void)state;
  static world_t w;
  world_make(&w, &world_limits, 1 << 16);
  uint64_t sz;
  uint8_t *snapshot = world_save(&w, &sz);
  world_load(&w, &tight_limits, snapshot, sz);
  assert_int_equal(wcx_engine_applied_seq(w.engine), 0);
  assert_int_equal(w.engine->capacity.max_orders, tight_limits.orders_max); /* of memory: nothing was journaled */
  world_populate(&w);
  world_free(&w);
  free(snapshot);
}

static void the_header_says_where_it_stands(void **state)
{
  world_t *w = *state;
  enrich(w);
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  wcx_snapshot_hdr_t hdr = header_of(snapshot);
  wcx_digest_t digest = wcx_engine_state_digest(w->engine);
  assert_string_equal(hdr.magic, WCX_SNAPSHOT_MAGIC);
  assert_int_equal(hdr.format, WCX_SNAPSHOT_FORMAT);
  assert_int_equal(hdr.shard, 1);
  assert_int_equal(hdr.sz, sz);
  assert_int_equal(hdr.seq, wcx_engine_applied_seq(w->engine));
  assert_int_equal(hdr.stamp_ns, wcx_engine_last_stamp_ns(w->engine));
  assert_memory_equal(&hdr.state_digest, &digest, sizeof(digest));
  free(snapshot);
}

static void too_small_a_buffer_is_left_alone(void **state)
{
  world_t *w = *state;
  uint64_t sz = wcx_engine_snapshot_sz(w->engine);
  uint8_t byte = 0x5a;
  assert_int_equal(wcx_engine_snapshot_save(w->engine, &byte, sz - 1), 0);
  assert_int_equal(byte, 0x5a);
}

/* --- nothing is forgotten ----------------------------------------------------------------------------------------------------------------- */

/* Every byte of the engine that is not padding belongs to exactly one field of the table. */
static void every_field_has_a_row(void **state)
{
  (void)state;
  static _Alignas(64) wcx_engine_t meant;
  static uint8_t rows[sizeof(wcx_engine_t)];
  memset(&meant, 0xff, sizeof(meant));
  __builtin_clear_padding(&meant);
  for (uint32_t i = 0; i < wcx_snapshot_field_cnt; i++)
    for (uint32_t at = 0; at < wcx_snapshot_fields[i].sz; at++)
      rows[wcx_snapshot_fields[i].off + at]++;
  for (size_t at = 0; at < sizeof(meant); at++)
  {
    if (rows[at] > 1)
      fail_msg("byte %zu of wcx_engine_t stands in %u rows of wcx_snapshot_fields", at, rows[at]);
    if (((const uint8_t *)&meant)[at] != 0 && rows[at] == 0)
      fail_msg("byte %zu of wcx_engine_t stands in no row of wcx_snapshot_fields", at);
  }
}

/* Every table of the arena is kept by exactly one section or is derived; together they are all of the memory. */
static void every_table_has_a_section(void **state)
{
  const world_t *w = *state;
  wcx_table_t tables[WCX_TABLES_MAX];
  uint32_t table_cnt = wcx_engine_tables(&world_limits, tables);
  uint64_t end = 0;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < table_cnt; i++)
  {
    assert_int_equal(tables[i].off, end);
    end = (tables[i].off + tables[i].cnt * tables[i].sz + 63) & ~UINT64_C(63);
    uint32_t sections = 0;
    for (uint32_t j = 0; j < wcx_snapshot_section_cnt; j++)
    {
      const uint8_t *base;
      memcpy(&base, (const uint8_t *)w->engine + wcx_snapshot_sections[j].base_off, sizeof(base));
      if (base != (const uint8_t *)w->engine + tables[i].off)
        continue;
      sections++;
      assert_int_equal(wcx_snapshot_sections[j].sz, tables[i].sz);
      assert_true(wcx_snapshot_sections[j].sz <= WCX_SNAPSHOT_ELEMENT_SZ_MAX);
    }
    if (sections != !tables[i].derived)
      fail_msg("table %u of the arena (%llu elements of %u bytes): %u sections, and lay_out says it is %s", i, (unsigned long long)tables[i].cnt, tables[i].sz, sections,
               tables[i].derived ? "derived" : "kept");
    kept += sections;
  }
  assert_int_equal(kept, wcx_snapshot_section_cnt);
  assert_int_equal(end, wcx_engine_footprint(&world_limits));
}

/* What is left out as transient says nothing between inputs, or stands here with those of which it is known that the next input sets them anew. */
static void what_is_transient_is_empty(void **state)
{
  static const char *const set_anew[] = {"receive_ns", "out", "notes_from", "last_print", "noted", "taker_slot", "trigger_cnt", "refresh_cnt", "rejects"};
  static const uint8_t zeros[64];
  world_t *w = *state;
  enrich(w);
  for (uint32_t i = 0; i < wcx_snapshot_field_cnt; i++)
  {
    const wcx_snapshot_field_t *field = &wcx_snapshot_fields[i];
    bool listed = field->kind != WCX_FIELD_TRANSIENT;
    for (uint32_t j = 0; j < sizeof(set_anew) / sizeof(set_anew[0]); j++)
      listed = listed || strcmp(field->name, set_anew[j]) == 0;
    if (!listed && (field->sz > sizeof(zeros) || memcmp((const uint8_t *)w->engine + field->off, zeros, field->sz) != 0))
      fail_msg("%s says something between inputs", field->name);
  }
}

static void sections_have_ids_of_their_own(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < wcx_snapshot_section_cnt; i++)
    for (uint32_t j = 0; j < i; j++)
      assert_int_not_equal(wcx_snapshot_sections[i].id, wcx_snapshot_sections[j].id);
}

/* Whatever the table says is kept, is the same afterwards; whatever the table does not say is unchanged by a load. */
static void what_is_kept_comes_back(void **state)
{
  world_t *w = *state;
  static world_t copy;
  enrich(w);
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  world_make(&copy, &other_limits, 1 << 16);
  world_load(&copy, &other_limits, snapshot, sz);
  for (uint32_t i = 0; i < wcx_snapshot_field_cnt; i++)
  {
    const wcx_snapshot_field_t *field = &wcx_snapshot_fields[i];
    bool settles = strcmp(field->name, "record_digest") == 0 || strcmp(field->name, "capacity") == 0;
    if (field->kind == WCX_FIELD_KEPT && !settles && memcmp((const uint8_t *)w->engine + field->off, (const uint8_t *)copy.engine + field->off, field->sz) != 0)
      fail_msg("%s does not come back", field->name);
  }
  uint32_t slot = 0;
  for (uint32_t i = 1; i <= w->engine->pool.bump; i++)
  {
    assert_memory_equal(&w->engine->pool.orders[i], &copy.engine->pool.orders[i], sizeof(wcx_order_t));
    if (w->engine->pool.orders[i].level != 0 && (w->engine->pool.orders[i].flags & WCX_ORDER_F_EXTRA) != 0)
    {
      assert_memory_equal(&w->engine->pool.extras[i], &copy.engine->pool.extras[i], offsetof(wcx_order_extra_t, timer_pos));
      slot = i;
    }
  }
  assert_int_not_equal(slot, 0);
  world_free(&copy);
  free(snapshot);
}

/* --- refusals ---------------------------------------------------------------------------------------------------------------------------- */

static void expect_refused(const wcx_engine_limits_t *limits, const uint8_t *snapshot, uint64_t sz, const char *why)
{
  static _Alignas(64) uint8_t mem[1 << 20];
  char error[256] = "";
  assert_true(wcx_engine_footprint(limits) <= sizeof(mem));
  assert_null(wcx_engine_snapshot_load(mem, sizeof(mem), limits, snapshot, sz, error, sizeof(error)));
  assert_string_not_equal(error, "");
  if (why != NULL && strstr(error, why) == NULL)
    fail_msg("refused with: %s\nexpected: %s", error, why);
}

static void other_formats_are_refused(void **state)
{
  world_t *w = *state;
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  const wcx_snapshot_hdr_t hdr = header_of(snapshot);
  wcx_snapshot_hdr_t bad = hdr;
  bad.magic[6] = 'Q';
  memcpy(snapshot, &bad, sizeof(bad));
  mend(snapshot);
  expect_refused(&tight_limits, snapshot, sz, "does not begin with WCXSNAP");
  bad = hdr;
  bad.byte_order = 0x04030201;
  memcpy(snapshot, &bad, sizeof(bad));
  mend(snapshot);
  expect_refused(&tight_limits, snapshot, sz, "byte order 04030201");
  bad = hdr;
  bad.format++;
  memcpy(snapshot, &bad, sizeof(bad));
  mend(snapshot);
  expect_refused(&tight_limits, snapshot, sz, "format 2, this build reads 1");
  bad = hdr;
  bad.section_cnt--;
  memcpy(snapshot, &bad, sizeof(bad));
  expect_refused(&tight_limits, snapshot, sz, "sections");
  bad = hdr;
  bad.seq++;
  memcpy(snapshot, &bad, sizeof(bad));
  mend(snapshot);
  expect_refused(&tight_limits, snapshot, sz, "the header says");
  bad = hdr;
  bad.state_digest.hi++;
  memcpy(snapshot, &bad, sizeof(bad));
  mend(snapshot);
  expect_refused(&tight_limits, snapshot, sz, "state digest");
  bad = hdr;
  bad.output_digest.lo++;
  memcpy(snapshot, &bad, sizeof(bad));
  mend(snapshot);
  expect_refused(&tight_limits, snapshot, sz, "output digest");
  memcpy(snapshot, &hdr, sizeof(hdr));
  mend(snapshot);
  world_load(w, &tight_limits, snapshot, sz);
  free(snapshot);
}

/* Another size of an element is another build's; more elements than bytes, other than are in use, or fields twice are nobody's. */
static void other_tables_are_refused(void **state)
{
  world_t *w = *state;
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  uint32_t cnt = header_of(snapshot).section_cnt;
  for (uint32_t i = 0; i < cnt; i++)
  {
    const wcx_snapshot_entry_t entry = entry_of(snapshot, i);
    uint8_t *at = snapshot + sizeof(wcx_snapshot_hdr_t) + i * sizeof(entry);
    wcx_snapshot_entry_t bad[] = {entry, entry, entry, entry, entry, entry};
    bad[0].id++;
    bad[1].sz++;
    bad[2].cnt = UINT64_MAX / entry.sz;
    bad[3].cnt++;
    bad[4].cnt--;
    bad[5].reserved = 1;
    for (uint32_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++)
    {
      memcpy(at, &bad[j], sizeof(entry));
      uint32_t zero = 0;
      memcpy(snapshot + offsetof(wcx_snapshot_hdr_t, crc), &zero, sizeof(zero));
      uint32_t crc = wcx_crc32c(0, snapshot, head_sz(snapshot));
      memcpy(snapshot + offsetof(wcx_snapshot_hdr_t, crc), &crc, sizeof(crc));
      expect_refused(&tight_limits, snapshot, sz, NULL);
      if (mend(snapshot))
        expect_refused(&tight_limits, snapshot, sz, NULL);
      memcpy(at, &entry, sizeof(entry));
    }
  }
  mend(snapshot);
  world_load(w, &tight_limits, snapshot, sz);
  free(snapshot);
}

static void too_small_a_memory_is_named(void **state)
{
  world_t *w = *state;
  enrich(w);
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  wcx_engine_limits_t limits = tight_limits;
  limits.orders_max = w->engine->pool.bump - 1;
  expect_refused(&limits, snapshot, sz, "orders_max gives room for");
  limits = tight_limits;
  limits.levels_max = (w->engine->ladders.level_bump - 1) / 2;
  expect_refused(&limits, snapshot, sz, "levels_max gives room for");
  limits = tight_limits;
  limits.instruments_max = 1;
  expect_refused(&limits, snapshot, sz, "instruments_max gives room for 1 of instruments: the snapshot uses 2");
  limits = tight_limits;
  limits.sessions_max = 9;
  expect_refused(&limits, snapshot, sz, "sessions_max gives room for 9 of sessions: the snapshot uses 10");
  limits = tight_limits;
  limits.accounts_max = 7;
  expect_refused(&limits, snapshot, sz, "accounts_max gives room for 7 of accounts: the snapshot uses 8");
  limits = tight_limits;
  limits.shard = 2;
  expect_refused(&limits, snapshot, sz, "shard is 2: the snapshot is of shard 1");
  limits = tight_limits;
  limits.orders_max = w->engine->pool.bump;
  world_load(w, &limits, snapshot, sz);
  free(snapshot);
}

static void too_small_a_memory_for_the_capacity_is_named(void **state)
{
  world_t *w = *state;
  wcx_capacity_t capacity = {.max_orders = 90, .max_instruments = 3, .max_accounts = 11, .max_sessions = 10, .max_levels = 40};
  world_apply(w, WCX_TEMPLATE_CAPACITY, 0, 0, &capacity, sizeof(capacity));
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  wcx_engine_limits_t limits = tight_limits;
  limits.orders_max = 89;
  expect_refused(&limits, snapshot, sz, "orders_max is 89: the snapshot's MaxOrders is 90");
  limits = tight_limits;
  limits.levels_max = 39;
  expect_refused(&limits, snapshot, sz, "levels_max is 39: the snapshot's MaxLevels is 40");
  limits = tight_limits;
  limits.instruments_max = 2;
  expect_refused(&limits, snapshot, sz, "instruments_max is 2");
  limits = tight_limits;
  limits.accounts_max = 10;
  expect_refused(&limits, snapshot, sz, "accounts_max is 10");
  limits = tight_limits;
  limits.sessions_max = 9;
  expect_refused(&limits, snapshot, sz, "sessions_max is 9");
  world_load(w, &tight_limits, snapshot, sz);
  assert_memory_equal(&w->engine->capacity, &capacity, sizeof(capacity));
  free(snapshot);
}

static void every_flipped_bit_is_refused(void **state)
{
  world_t *w = *state;
  enrich(w);
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  for (uint64_t at = 0; at < sz; at++)
    for (uint32_t bit = 0; bit < 8; bit++)
    {
      snapshot[at] ^= (uint8_t)(1u << bit);
      expect_refused(&tight_limits, snapshot, sz, NULL);
      snapshot[at] ^= (uint8_t)(1u << bit);
    }
  world_load(w, &tight_limits, snapshot, sz);
  free(snapshot);
}

/* From a copy that ends where the bytes end, so that AddressSanitizer sees a read behind it. */
static void every_other_length_is_refused(void **state)
{
  world_t *w = *state;
  enrich(w);
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  for (uint64_t cut = 0; cut < sz; cut++)
  {
    uint8_t *copy = malloc(cut + 1);
    memcpy(copy + 1, snapshot, cut); /* unaligned */
    expect_refused(&tight_limits, copy + 1, cut, NULL);
    if (cut >= sizeof(wcx_snapshot_hdr_t)) /* as if it had been meant to be so long */
    {
      memcpy(copy + 1 + offsetof(wcx_snapshot_hdr_t, sz), &cut, sizeof(cut));
      expect_refused(&tight_limits, copy + 1, cut, NULL);
    }
    free(copy);
  }
  uint8_t *longer = calloc(1, sz + 1);
  memcpy(longer, snapshot, sz);
  expect_refused(&tight_limits, longer, sz + 1, NULL);
  wcx_snapshot_hdr_t hdr = header_of(longer);
  hdr.sz++;
  memcpy(longer, &hdr, sizeof(hdr));
  mend(longer);
  expect_refused(&tight_limits, longer, sz + 1, "1 bytes follow the last section");
  free(longer);
  free(snapshot);
}

/* --- bytes made to look right ------------------------------------------------------------------------------------------------------------- */

static bool count_orders(void *ctx, uint64_t order_id, int64_t price, int64_t displayed_qty)
{
  (void)order_id, (void)price, (void)displayed_qty;
  return ++*(uint32_t *)ctx < 1000;
}

/* Whatever was believed, walks over it end. */
static void walk(const wcx_engine_t *engine)
{
  for (uint32_t i = 0; i < engine->instrument_cnt; i++)
    for (uint8_t side = BUY; side <= SELL; side++)
    {
      uint32_t cnt = 0;
      wcx_engine_book_orders(engine, engine->instruments[i].security_id, side, count_orders, &cnt);
      assert_true(cnt < 1000);
    }
  for (uint32_t i = 0; i < engine->session_cnt; i++)
  {
    uint32_t cnt = 0;
    for (uint32_t slot = engine->sessions[i].order_head; slot != 0; slot = engine->pool.links[slot].next)
      assert_true(++cnt <= engine->pool.bump);
  }
}

static void forged_bytes_do_no_harm(void **state)
{
  world_t *w = *state;
  enrich(w);
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  size_t mem_sz = wcx_engine_footprint(&tight_limits);
  void *mem = aligned_alloc(64, mem_sz);
  uint32_t loaded = 0;
  uint32_t tried = 0;
  static const uint8_t flips[] = {0x01, 0x20, 0x80, 0xff};
  for (uint64_t at = head_sz(snapshot); at < sz; at++)
    for (uint32_t i = 0; i < sizeof(flips); i++, tried++)
    {
      char error[256] = "";
      snapshot[at] ^= flips[i];
      mend(snapshot);
      const wcx_engine_t *engine = wcx_engine_snapshot_load(mem, mem_sz, &tight_limits, snapshot, sz, error, sizeof(error));
      if (engine != NULL)
        walk(engine);
      else
        assert_string_not_equal(error, "");
      loaded += engine != NULL;
      snapshot[at] ^= flips[i];
    }
  print_message("# %u forged snapshots, %u loaded\n", tried, loaded);
  assert_true(tried - loaded > 30000); /* not all: unused children of nodes and old contents of free slots matter to nobody */
  free(mem);
  free(snapshot);
}

/* Bytes of the first element with this index in the section with this id. */
static void *element_of(uint8_t *snapshot, uint32_t id, uint64_t idx)
{
  uint64_t off = head_sz(snapshot);
  for (uint32_t i = 0;; i++)
  {
    wcx_snapshot_entry_t entry = entry_of(snapshot, i);
    if (entry.id == id)
      return snapshot + off + idx * entry.sz;
    off += entry.cnt * entry.sz;
  }
}

static void *order_of(uint8_t *snapshot, uint32_t slot)
{
  return element_of(snapshot, WCX_SNAPSHOT_ORDERS, slot - 1);
}

static uint32_t *field_of(uint8_t *snapshot, const char *name)
{
  uint8_t *at = element_of(snapshot, WCX_SNAPSHOT_FIELDS, 0);
  for (uint32_t i = 0; i < wcx_snapshot_field_cnt; i++)
  {
    if (strcmp(wcx_snapshot_fields[i].name, name) == 0)
      return (uint32_t *)(void *)at;
    at += wcx_snapshot_fields[i].kind == WCX_FIELD_KEPT ? wcx_snapshot_fields[i].sz : 0;
  }
  fail_msg("no field %s", name);
  return NULL;
}

/* Change a number of a snapshot, expect the reason, change it back. `at` need not be aligned. */
#define FORGE(type, at, value, why)                                                                                                                                                \
  do                                                                                                                                                                               \
  {                                                                                                                                                                                \
    void *forge_at = (at);                                                                                                                                                         \
    type forged = (type)(value);                                                                                                                                                   \
    type honest;                                                                                                                                                                   \
    memcpy(&honest, forge_at, sizeof(honest));                                                                                                                                     \
    memcpy(forge_at, &forged, sizeof(forged));                                                                                                                                     \
    mend(snapshot);                                                                                                                                                                \
    expect_refused(&tight_limits, snapshot, sz, why);                                                                                                                              \
    memcpy(forge_at, &honest, sizeof(honest));                                                                                                                                     \
  } while (0)

#define IN(element, type, member) ((uint8_t *)(element) + offsetof(type, member))

/* Each kind of reference that leads elsewhere is refused for what it is, before anything follows it. */
static void a_reference_that_leads_elsewhere_is_named(void **state)
{
  world_t *w = *state;
  enrich(w);
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  const wcx_engine_t *e = w->engine;
  uint32_t best = e->instruments[0].side[0].best;
  uint32_t slot = e->ladders.levels[best].head;
  uint32_t listed = e->sessions[0].order_head;
  uint32_t node = e->ladders.levels[best].node;
  uint32_t free_slot = e->pool.free_head;
  uint32_t alone = e->sessions[6].order_head;
  FORGE(uint64_t, IN(order_of(snapshot, slot), wcx_order_t, order_id), e->pool.orders[slot].order_id + 1, "OrderID");
  FORGE(uint32_t, IN(order_of(snapshot, alone), wcx_order_t, level), e->ladders.level_bump + 1, "level 47 of 46");
  FORGE(uint32_t, IN(order_of(snapshot, alone), wcx_order_t, session), e->session_cnt, "session 10 of 10");
  FORGE(uint16_t, IN(order_of(snapshot, alone), wcx_order_t, instrument), e->instrument_cnt, "instrument 2 of 2");
  FORGE(uint32_t, IN(order_of(snapshot, alone), wcx_order_t, account), 12345, "account 12345");
  FORGE(uint8_t, IN(order_of(snapshot, alone), wcx_order_t, side), 3, "side 3");
  FORGE(int64_t, IN(order_of(snapshot, alone), wcx_order_t, leaves), 0, "leaves 0 of");
  FORGE(int64_t, IN(order_of(snapshot, alone), wcx_order_t, leaves), INT64_MAX, "leaves 9223372036854775807 of");
  FORGE(uint32_t, IN(order_of(snapshot, slot), wcx_order_t, next), e->pool.bump + 1, "which do not agree");
  FORGE(uint32_t, IN(order_of(snapshot, slot), wcx_order_t, next), slot, "which do not agree");
  FORGE(uint32_t, IN(order_of(snapshot, slot), wcx_order_t, prev), free_slot, "which do not agree");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_LINKS, listed - 1), wcx_order_links_t, next), e->pool.bump + 1, "listed between");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_LINKS, listed - 1), wcx_order_links_t, prev), listed, "listed between");
  FORGE(uint32_t, field_of(snapshot, "pool.live"), e->pool.live + 1, "counted");
  FORGE(uint32_t, field_of(snapshot, "pool.free_head"), e->pool.bump + 1, "free slot");
  FORGE(uint32_t, field_of(snapshot, "pool.free_head"), slot, "free slot");
  FORGE(uint32_t, field_of(snapshot, "pool.free_head"), 0, "below the free list lies");
  FORGE(uint32_t, IN(order_of(snapshot, free_slot), wcx_order_t, next), 0, "below the free list lies");
  FORGE(uint64_t, field_of(snapshot, "pool.free_hash"), e->pool.free_hash + 1, "hash");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_SESSIONS, 0), wcx_session_t, order_head), free_slot, "session 0: a list from slot");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_SESSIONS, 0), wcx_session_t, order_tail), e->pool.bump + 1, "session 0: a list from slot");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_SESSIONS, 0), wcx_session_t, order_head), e->sessions[1].order_head, "session 0: a list from slot");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_LEVELS, best - 1), wcx_level_t, head), 0, "is first in it");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_LEVELS, best - 1), wcx_level_t, head), free_slot, "a queue from");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_LEVELS, best - 1), wcx_level_t, tail), free_slot, "a queue from");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_LEVELS, best - 1), wcx_level_t, hidden_tail), slot, "a queue from");
  FORGE(uint64_t, IN(element_of(snapshot, WCX_SNAPSHOT_LEVELS, best - 1), wcx_level_t, key), 5, "key 5 at digit");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_LEVELS, best - 1), wcx_level_t, node), node + 1, "at digit");
  FORGE(uint8_t, IN(element_of(snapshot, WCX_SNAPSHOT_NODES, node - 1), wcx_ladder_node_t, shift), 63, "shift 63");
  FORGE(uint64_t, IN(element_of(snapshot, WCX_SNAPSHOT_NODES, node - 1), wcx_ladder_node_t, bitmap), UINT64_C(1) << 63, "children 8000000000000000");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_NODES, node - 1), wcx_ladder_node_t, parent), node, "at digit");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_INSTRUMENTS, 0), wcx_instrument_t, side[0].root), e->ladders.node_bump + 1, "node");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_INSTRUMENTS, 0), wcx_instrument_t, side[0].root), WCX_LADDER_LEVEL | (e->ladders.level_bump + 1), "level");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_INSTRUMENTS, 0), wcx_instrument_t, side[0].root), 0, "ladder with best level");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_INSTRUMENTS, 0), wcx_instrument_t, side[0].best), e->ladders.level_bump, "ladder with best level");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_INSTRUMENTS, 0), wcx_instrument_t, unseen_tail[0]), e->pool.bump + 1, "a queue from");
  FORGE(uint32_t, IN(element_of(snapshot, WCX_SNAPSHOT_INSTRUMENTS, 1), wcx_instrument_t, stops[0].root), e->instruments[0].stops[0].root, "live");
  FORGE(uint32_t, field_of(snapshot, "ladders.level_live"), e->ladders.level_live + 1, "and");
  FORGE(uint32_t, field_of(snapshot, "ladders.level_live"), e->ladders.level_live - 1, "live");
  FORGE(uint32_t, field_of(snapshot, "ladders.node_live"), e->ladders.node_live - 1, "live");
  FORGE(uint32_t, field_of(snapshot, "ladders.level_free"), e->ladders.level_bump + 1, "free levels");
  FORGE(uint32_t, field_of(snapshot, "ladders.level_free"), 0, "free levels");
  FORGE(uint32_t, field_of(snapshot, "ladders.node_free"), e->ladders.node_bump + 1, "free nodes");
  mend(snapshot);
  world_load(w, &tight_limits, snapshot, sz);
  free(snapshot);
}

/* A whole header and table, and nothing that they could speak of. */
static void a_head_without_fields_is_refused(void **state)
{
  world_t *w = *state;
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  uint64_t head = head_sz(snapshot);
  uint8_t *cut = malloc(head);
  wcx_snapshot_hdr_t hdr = header_of(snapshot);
  hdr.sz = head;
  memcpy(cut, snapshot, head);
  memcpy(cut, &hdr, sizeof(hdr));
  for (uint32_t i = 0; i < hdr.section_cnt; i++)
  {
    wcx_snapshot_entry_t entry = entry_of(cut, i);
    entry.cnt = 0;
    memcpy(cut + sizeof(hdr) + i * sizeof(entry), &entry, sizeof(entry));
  }
  assert_true(mend(cut));
  expect_refused(&tight_limits, cut, head, "fields: 0 elements");
  free(cut);
  free(snapshot);
}

/* Where each section's reference lies is tried with every slot there is, and some that there are not. */
static void forged_references_do_no_harm(void **state)
{
  world_t *w = *state;
  enrich(w);
  uint64_t sz;
  uint8_t *snapshot = world_save(w, &sz);
  size_t mem_sz = wcx_engine_footprint(&tight_limits);
  void *mem = aligned_alloc(64, mem_sz);
  uint64_t rng = 0x5eed;
  uint32_t refused = 0;
  for (uint32_t round = 0; round < 30000; round++)
  {
    uint8_t kept[4][4];
    uint64_t at[4];
    char error[256] = "";
    uint32_t cnt = 1 + round % 4;
    for (uint32_t i = 0; i < cnt; i++)
    {
      rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407;
      at[i] = head_sz(snapshot) + (rng >> 20) % ((sz - head_sz(snapshot)) / 4) * 4;
      uint32_t word = (uint32_t)(rng >> 40) % 110;
      word = word == 109 ? UINT32_MAX : word == 108 ? WCX_LADDER_LEVEL : word >= 100 ? WCX_LADDER_LEVEL | (word - 99) * 5 : word;
      memcpy(kept[i], snapshot + at[i], 4);
      memcpy(snapshot + at[i], &word, 4);
    }
    mend(snapshot);
    const wcx_engine_t *engine = wcx_engine_snapshot_load(mem, mem_sz, &tight_limits, snapshot, sz, error, sizeof(error));
    if (engine != NULL)
      walk(engine);
    refused += engine == NULL;
    for (uint32_t i = cnt; i-- > 0;)
      memcpy(snapshot + at[i], kept[i], 4);
  }
  print_message("# 30000 forged snapshots, %u refused\n", refused);
  assert_true(refused > 10000);
  free(mem);
  free(snapshot);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      world_test(a_loaded_engine_goes_on_as_the_saved_one),
      world_test(saving_what_was_loaded_gives_the_same_bytes),
      world_test(stops_that_are_left_over_are_kept),
      cmocka_unit_test(an_empty_engine_has_a_snapshot),
      world_test(the_header_says_where_it_stands),
      world_test(too_small_a_buffer_is_left_alone),
      cmocka_unit_test(every_field_has_a_row),
      world_test(every_table_has_a_section),
      world_test(what_is_transient_is_empty),
      cmocka_unit_test(sections_have_ids_of_their_own),
      world_test(what_is_kept_comes_back),
      world_test(other_formats_are_refused),
      world_test(other_tables_are_refused),
      world_test(too_small_a_memory_is_named),
      world_test(too_small_a_memory_for_the_capacity_is_named),
      world_test(every_flipped_bit_is_refused),
      world_test(every_other_length_is_refused),
      world_test(forged_bytes_do_no_harm),
      world_test(forged_references_do_no_harm),
      world_test(a_reference_that_leads_elsewhere_is_named),
      world_test(a_head_without_fields_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
