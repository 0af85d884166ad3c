/* Overrides of the journal (engine/shm/journal_override.h): what a page is, what a walk makes of it, and what it leaves alone. */
#include "engine/sbe.h"
#include "tests/unit/journal_fixture.h"

static wcx_journal_super_t super;

static wcx_journal_override_t override_of(uint64_t seq, wcx_digest_t hash)
{
  wcx_journal_override_t override = {.magic = WCX_JOURNAL_OVERRIDE_MAGIC,
                                     .version = WCX_JOURNAL_VERSION,
                                     .shard = SHARD,
                                     .seq = seq,
                                     .hash = hash,
                                     .reason = "why",
                                     .approvals = {{.operator_name = "a"}, {.operator_name = "b"}}};
  memcpy(override.journal_id, super.journal_id, sizeof(override.journal_id));
  return override;
}

static int set_up_journal(void **state)
{
  int result = set_up(state);
  super = journal->recovered.super;
  commit(50);
  return result;
}

static wcx_digest_t hash_of(uint64_t wanted)
{
  wcx_journal_walk_t walk;
  char err[512];
  uint64_t epoch;
  wcx_record_hdr_t hdr = {0};
  const uint8_t *body;
  wcx_digest_t hash = {0};
  assert_int_equal(wcx_journal_walk_open(&walk, DIR, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  while (wcx_journal_walk_next(&walk, &epoch, &hdr, &body) == 1)
    if (hdr.seq == wanted)
      hash = wcx_journal_record_hash(&hdr, body);
  wcx_journal_walk_close(&walk);
  return hash;
}

/* What the records of a walk with these overrides are: template of seq `seq`, and that all others are as they were. */
static uint16_t walk_with(const wcx_journal_overrides_t *overrides, uint64_t seq, wcx_digest_t *chain)
{
  wcx_journal_walk_t walk;
  char err[512];
  uint64_t epoch;
  wcx_record_hdr_t hdr = {0};
  const uint8_t *body;
  uint16_t template_id = 0;
  uint64_t next = 1;
  assert_int_equal(wcx_journal_walk_open(&walk, DIR, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  walk.overrides = *overrides;
  while (wcx_journal_walk_next(&walk, &epoch, &hdr, &body) == 1)
  {
    assert_int_equal(hdr.seq, next++);
    assert_int_equal(hdr.stamp_ns, hdr.seq); /* the stamp stays: time goes on */
    if (hdr.seq == seq)
      template_id = hdr.template_id;
    else
      assert_int_equal(hdr.body_sz, 1000);
    assert_int_equal((hdr.flags & WCX_RECORD_F_OVERRIDDEN) != 0, hdr.template_id == WCX_TEMPLATE_TICK);
  }
  assert_int_equal(next, 51);
  *chain = walk.chain.digest;
  wcx_journal_walk_close(&walk);
  return template_id;
}

static void exactly_that_input_becomes_a_tick(void **state)
{
  (void)state;
  wcx_journal_overrides_t none = {0};
  wcx_journal_overrides_t overrides = {0};
  wcx_digest_t chain, again;
  assert_int_equal(walk_with(&none, 20, &chain), 1);
  wcx_journal_override_t override = override_of(20, hash_of(20));
  wcx_journal_override_page(page, &override);
  assert_true(wcx_journal_overrides_take(&overrides, page, &super));
  assert_int_equal(walk_with(&overrides, 20, &again), WCX_TEMPLATE_TICK);
  assert_memory_equal(&chain, &again, sizeof(chain)); /* the chain is of the blocks, which nobody touches */
}

static void another_hash_changes_nothing(void **state)
{
  (void)state;
  wcx_journal_overrides_t overrides = {0};
  wcx_digest_t chain;
  wcx_journal_override_t override = override_of(20, hash_of(21));
  wcx_journal_override_page(page, &override);
  assert_true(wcx_journal_overrides_take(&overrides, page, &super));
  assert_int_equal(walk_with(&overrides, 20, &chain), 1);
  assert_int_equal(walk_with(&overrides, 21, &chain), 1);
}

static void every_bit_of_a_page_is_checked(void **state)
{
  (void)state;
  wcx_journal_override_t override = override_of(20, hash_of(20));
  wcx_journal_override_page(page, &override);
  for (uint32_t bit = 0; bit < WCX_JOURNAL_ALIGN * 8; bit++)
  {
    wcx_journal_overrides_t overrides = {0};
    page[bit / 8] ^= (uint8_t)(1u << bit % 8);
    assert_false(wcx_journal_overrides_take(&overrides, page, &super));
    page[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  wcx_journal_overrides_t overrides = {0};
  wcx_journal_super_t other = super;
  other.journal_id[3] ^= 1;
  assert_false(wcx_journal_overrides_take(&overrides, page, &other));
  for (uint32_t i = 0; i < WCX_JOURNAL_OVERRIDES_MAX; i++)
    assert_true(wcx_journal_overrides_take(&overrides, page, &super));
  assert_false(wcx_journal_overrides_take(&overrides, page, &super));
}

static int only_page(void *ctx, uint32_t page_no, uint8_t to[WCX_JOURNAL_ALIGN])
{
  (void)ctx;
  if (page_no > 0)
    return 0;
  memcpy(to, page, WCX_JOURNAL_ALIGN);
  return 1;
}

/* To apply what two persons have signed away is worse than not to start. */
static void a_page_that_does_not_serve_refuses_the_journal(void **state)
{
  (void)state;
  static _Alignas(4096) uint8_t buf[WCX_JOURNAL_WALK_BUF_SZ];
  wcx_journal_override_t override = override_of(20, hash_of(20));
  wcx_journal_override_page(page, &override);
  for (uint32_t damaged = 0; damaged < 2; damaged++)
  {
    wcx_journal_source_t source;
    wcx_journal_walk_t walk;
    char err[512] = "";
    page[100] ^= (uint8_t)damaged;
    assert_int_equal(wcx_journal_source_open(&source, DIR, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
    source.override_page = only_page;
    assert_int_equal(wcx_journal_walk_over(&walk, &source, buf, err, sizeof(err)), damaged ? WCX_JOURNAL_OPEN_BAD : WCX_JOURNAL_OPEN_OK);
    if (damaged)
      assert_non_null(strstr(err, "`overrides` does not serve"));
    else
      assert_int_equal(walk.overrides.cnt, 1);
    wcx_journal_walk_close(&walk);
  }
}

static void the_text_names_everything(void **state)
{
  (void)state;
  char a[WCX_JOURNAL_OVERRIDE_TEXT_SZ], b[WCX_JOURNAL_OVERRIDE_TEXT_SZ];
  wcx_journal_override_t override = override_of(20, (wcx_digest_t){.lo = 1, .hi = 2});
  size_t len = wcx_journal_override_text(a, &override);
  assert_int_equal(len, strlen(a));
  assert_non_null(strstr(a, "seq 20\nhash 00000000000000020000000000000001\nreason why\n"));
  wcx_journal_override_t changed[5];
  for (uint32_t i = 0; i < 5; i++)
    changed[i] = override;
  changed[0].seq++;
  changed[1].hash.lo++;
  changed[2].shard++;
  changed[3].journal_id[15]++;
  changed[4].reason[0]++;
  for (uint32_t i = 0; i < 5; i++)
  {
    wcx_journal_override_text(b, &changed[i]);
    assert_string_not_equal(a, b);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(exactly_that_input_becomes_a_tick, set_up_journal, tear_down),
      cmocka_unit_test_setup_teardown(another_hash_changes_nothing, set_up_journal, tear_down),
      cmocka_unit_test_setup_teardown(every_bit_of_a_page_is_checked, set_up_journal, tear_down),
      cmocka_unit_test_setup_teardown(a_page_that_does_not_serve_refuses_the_journal, set_up_journal, tear_down),
      cmocka_unit_test_setup_teardown(the_text_names_everything, set_up_journal, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
