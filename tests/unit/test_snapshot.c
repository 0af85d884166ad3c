/* An engine, its snapshot, and the engine that is made from it. */
#include "tests/unit/snapshot_fixture.h"

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
  static const char *const set_anew[] = {"receive_ns",      "client_seq", "out",        "notes_from",  "notes_last",  "last_print", "digested_pos",
                                         "digested_blocks", "noted",      "taker_slot", "trigger_cnt", "refresh_cnt", "rejects"};
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
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
