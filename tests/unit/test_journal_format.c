/* Blocks as bytes and their validity (rules 3 to 5 of engine/shm/journal_format.h): every bit, every field, every record, and the chain. What a walk makes of
   blocks that are not valid is shown by test_journal_walk.c. */
#include "tests/unit/hand_journal.h"

#include "persist/block.h"

static enum wcx_journal_state check(const wcx_journal_chain_t *before, const uint8_t *at)
{
  wcx_journal_block_t block;
  return wcx_journal_check_block(before, at, SEGMENT_SZ - 4096, &block);
}

static void every_bit_of_a_block_counts(void **state)
{
  (void)state;
  wcx_journal_chain_t before = chain;
  uint8_t *at = put(3, 0);
  assert_int_equal(check(&before, at), WCX_JOURNAL_VALID);
  for (uint32_t i = 0; i < 4096 * 8; i++)
  {
    at[i / 8] ^= (uint8_t)(1u << (i % 8));
    assert_int_equal(check(&before, at), WCX_JOURNAL_INVALID);
    at[i / 8] ^= (uint8_t)(1u << (i % 8));
  }
  assert_int_equal(check(&before, at), WCX_JOURNAL_VALID);
}

/* Each check of a block stands for itself: who repairs the crc is found by the digest, who repairs both by the chain. */
static void repaired_checks_do_not_help(void **state)
{
  (void)state;
  wcx_journal_chain_t before = chain;
  uint8_t *at = put(3, 0);
  wcx_journal_block_t block;
  memcpy(&block, at, sizeof(block));
  uint8_t *body = at + sizeof(block);
  body[64] ^= 1; /* of the first record */
  block.crc32c = wcx_journal_block_crc(&block, body);
  memcpy(at, &block, sizeof(block));
  assert_int_equal(check(&before, at), WCX_JOURNAL_INVALID);
  block.body_digest = wcx_journal_body_digest(body, block.body_sz);
  block.crc32c = wcx_journal_block_crc(&block, body);
  memcpy(at, &block, sizeof(block));
  assert_int_equal(check(&before, at), WCX_JOURNAL_VALID); /* a history of its own, until the next block names another one */
  uint8_t *next = put(1, 0);
  wcx_journal_chain_t after = before;
  wcx_journal_chain_advance(&after, &block);
  assert_int_equal(check(&after, next), WCX_JOURNAL_WHOLE);
}

/* Make the sums of a changed block hold again. */
static void reseal(uint8_t *at)
{
  wcx_journal_block_t block;
  memcpy(&block, at, sizeof(block));
  if (block.body_sz <= WCX_JOURNAL_BLOCK_SZ_MAX - sizeof(block))
    block.body_digest = wcx_journal_body_digest(at + sizeof(block), block.body_sz);
  else
    block.body_sz = 0; /* no sum goes so far */
  block.crc32c = wcx_journal_block_crc(&block, at + sizeof(block));
  memcpy(at, &block, sizeof(block));
}

/* Each bit of [from, from + sz) turned in turn, and the sums repaired: what the block is then. */
static void expect_resealed(const wcx_journal_chain_t *before, const uint8_t *block, uint32_t from, size_t sz, bool counts)
{
  _Alignas(8) static uint8_t copy[WCX_JOURNAL_BLOCK_SZ_MAX];
  for (uint32_t i = 0; i < sz * 8; i++)
  {
    memcpy(copy, block, sizeof(copy));
    copy[from + i / 8] ^= (uint8_t)(1u << (i % 8));
    reseal(copy);
    if ((check(before, copy) == WCX_JOURNAL_VALID) == counts)
      fail_msg("byte %u, bit %u", from + i / 8, i % 8);
  }
}

#define EXPECT_RESEALED(type, field, base, counts) expect_resealed(&before, at, (base) + (uint32_t)offsetof(type, field), sizeof(((type *)0)->field), counts)

/* The sums say nothing of what a block means: that is looked at, field by field. */
static void sums_that_hold_prove_nothing(void **state)
{
  (void)state;
  put(1, 0);
  wcx_journal_chain_t before = chain;
  const uint8_t *at = put(3, 0);
  EXPECT_RESEALED(wcx_journal_block_t, magic, 0, true);
  EXPECT_RESEALED(wcx_journal_block_t, version, 0, true);
  EXPECT_RESEALED(wcx_journal_block_t, kind, 0, true);
  EXPECT_RESEALED(wcx_journal_block_t, shard, 0, true);
  EXPECT_RESEALED(wcx_journal_block_t, block_no, 0, true);
  EXPECT_RESEALED(wcx_journal_block_t, first_seq, 0, true);
  EXPECT_RESEALED(wcx_journal_block_t, count, 0, true);
  EXPECT_RESEALED(wcx_journal_block_t, body_sz, 0, true);
  EXPECT_RESEALED(wcx_journal_block_t, prev_digest, 0, true);
  EXPECT_RESEALED(wcx_journal_block_t, reserved, 0, true);
  EXPECT_RESEALED(wcx_journal_block_t, reserved32, 0, true);
  EXPECT_RESEALED(wcx_journal_block_t, committed_hint, 0, false); /* these say what they like */
  EXPECT_RESEALED(wcx_journal_block_t, in_flight_max, 0, false);
  EXPECT_RESEALED(wcx_journal_block_t, written_ns, 0, false);
  for (uint32_t record = 0; record < 3; record++)
  {
    uint32_t base = (uint32_t)sizeof(wcx_journal_block_t) + record * 144;
    EXPECT_RESEALED(wcx_record_hdr_t, format, base, true);
    EXPECT_RESEALED(wcx_record_hdr_t, shard, base, true);
    EXPECT_RESEALED(wcx_record_hdr_t, seq, base, true);
    EXPECT_RESEALED(wcx_record_hdr_t, reserved0, base, true);
    EXPECT_RESEALED(wcx_record_hdr_t, reserved1, base, true);
    EXPECT_RESEALED(wcx_record_hdr_t, receive_ns, base, false);
    expect_resealed(&before, at, base + 64, 80, false);
  }
}

/* Stamps rise and padding is zero, in every record of a block. */
static void records_of_a_block_are_looked_at(void **state)
{
  (void)state;
  _Alignas(4096) static uint8_t buf[WCX_JOURNAL_BLOCK_SZ_MAX];
  wcx_journal_chain_t before = chain;
  for (uint32_t wrong = 0; wrong < 6; wrong++)
  {
    chain = before;
    wcx_block_t block;
    wcx_block_begin(&block, buf, sizeof(buf));
    for (uint32_t i = 0; i < 3; i++)
    {
      wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT,
                              .shard = SHARD,
                              .seq = chain.next_seq + i,
                              .stamp_ns = wrong == 1 && i == 1   ? 1000
                                          : wrong == 2 && i == 2 ? 1000
                                                                 : 1000 + i};
      hdr.body_sz = 77;
      memcpy(wcx_block_tail(&block), &hdr, sizeof(hdr));
      memset(wcx_block_tail(&block) + 64, 0, 80);
      memset(wcx_block_tail(&block) + 64, 0x5a, 77);
      if (wrong >= 3)
        wcx_block_tail(&block)[64 + 77 + i] = wrong - 3 == i ? 1 : 0;
      wcx_block_add(&block, 144);
    }
    wcx_block_words_t words = {.kind = WCX_JOURNAL_DATA, .epoch = 2, .in_flight_max = 4};
    (void)wcx_block_seal(&block, &chain, &words);
    assert_int_equal(check(&before, buf), wrong == 0 ? WCX_JOURNAL_VALID : WCX_JOURNAL_INVALID);
  }
}

/* The digest that the next block names is of every bit of this one's header, and the first one's of every bit of the journal's identity. */
static void the_chain_covers_every_bit(void **state)
{
  (void)state;
  uint8_t *at = put(3, 0);
  wcx_journal_block_t block;
  memcpy(&block, at, sizeof(block));
  wcx_digest_t said = wcx_journal_block_digest(&block);
  for (uint32_t i = 0; i < offsetof(wcx_journal_block_t, crc32c) * 8; i++)
  {
    at[i / 8] ^= (uint8_t)(1u << (i % 8));
    memcpy(&block, at, sizeof(block));
    at[i / 8] ^= (uint8_t)(1u << (i % 8));
    wcx_digest_t other = wcx_journal_block_digest(&block);
    assert_true(other.lo != said.lo && other.hi != said.hi);
  }
  uint8_t journal_id[16] = {0};
  said = wcx_journal_chain_start(journal_id);
  for (uint32_t i = 0; i < sizeof(journal_id) * 8; i++)
  {
    journal_id[i / 8] ^= (uint8_t)(1u << (i % 8));
    wcx_digest_t other = wcx_journal_chain_start(journal_id);
    journal_id[i / 8] ^= (uint8_t)(1u << (i % 8));
    assert_true(other.lo != said.lo && other.hi != said.hi);
  }
}

static void every_sector_torn(void **state)
{
  (void)state;
  wcx_journal_chain_t before = chain;
  uint8_t *at = put(200, 0);
  uint32_t sz = (uint32_t)place;
  uint8_t *whole = malloc(sz);
  memcpy(whole, at, sz);
  for (uint32_t off = 0; off < sz; off += 512)
  {
    memset(at + off, 0, 512);
    if (memcmp(at + off, whole + off, 512) != 0)
      assert_int_not_equal(check(&before, at), WCX_JOURNAL_VALID);
    memcpy(at + off, whole + off, 512);
  }
  free(whole);
}

static void only_the_chain_is_valid(void **state)
{
  (void)state;
  wcx_journal_chain_t before = chain;
  uint8_t *at = put(3, 0);
  assert_int_equal(check(&chain, at), WCX_JOURNAL_WHOLE); /* again, after itself */
  wcx_journal_chain_t other = before;
  other.digest.lo ^= 1;
  assert_int_equal(check(&other, at), WCX_JOURNAL_WHOLE);
  other = before;
  other.epoch = 3; /* epochs never fall */
  assert_int_equal(check(&other, at), WCX_JOURNAL_WHOLE);
  other = before;
  other.shard = SHARD + 1;
  assert_int_equal(check(&other, at), WCX_JOURNAL_INVALID);
}

static void recovery_says_the_cut(void **state)
{
  (void)state;
  put(2, 0);
  wcx_journal_chain_t before = chain;
  _Alignas(4096) static uint8_t buf[WCX_JOURNAL_BLOCK_SZ_MAX];
  wcx_block_words_t words = {.kind = WCX_JOURNAL_RECOVERY, .epoch = 9, .in_flight_max = 4};
  assert_int_equal(wcx_block_recovery(buf, &chain, &words, 77), 4096);
  assert_int_equal(check(&before, buf), WCX_JOURNAL_VALID);
  wcx_journal_recovery_t recovery;
  memcpy(&recovery, buf + sizeof(wcx_journal_block_t), sizeof(recovery));
  assert_int_equal(recovery.cut_seq, 2);
  assert_int_equal(recovery.incarnation, 77);
  assert_int_equal(chain.next_seq, 3);
  assert_int_equal(chain.epoch, 9);
  const uint8_t *at = buf;
  uint32_t base = (uint32_t)sizeof(wcx_journal_block_t);
  EXPECT_RESEALED(wcx_journal_recovery_t, epoch, base, true);
  EXPECT_RESEALED(wcx_journal_recovery_t, cut_seq, base, true);
  EXPECT_RESEALED(wcx_journal_recovery_t, cut_digest, base, true);
  EXPECT_RESEALED(wcx_journal_recovery_t, incarnation, base, false);
  EXPECT_RESEALED(wcx_journal_block_t, count, 0, true);
}

static void random_bytes_are_harmless(void **state)
{
  (void)state;
  wcx_journal_chain_t before = chain;
  uint8_t *at = put(20, 0);
  uint32_t seed = 12345;
  for (uint32_t i = 0; i < 20000; i++)
  {
    uint8_t saved[128];
    memcpy(saved, at, sizeof(saved));
    for (uint32_t n = 0; n < 4; n++)
    {
      seed = seed * 1664525u + 1013904223u;
      at[16 + (seed >> 8) % 112] = (uint8_t)(seed >> 24);
    }
    wcx_journal_block_t block;
    memcpy(&block, at, sizeof(block));
    block.crc32c = block.block_sz <= 65536 && block.body_sz <= 65536 - sizeof(block) ? wcx_journal_block_crc(&block, at + sizeof(block)) : 0; /* get past the crc */
    memcpy(at, &block, sizeof(block));
    enum wcx_journal_state found = check(&before, at);
    assert_true(found == WCX_JOURNAL_VALID || found == WCX_JOURNAL_WHOLE || found == WCX_JOURNAL_INVALID);
    memcpy(at, saved, sizeof(saved));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(every_bit_of_a_block_counts, make_journal, free_journal),
      cmocka_unit_test_setup_teardown(repaired_checks_do_not_help, make_journal, free_journal),
      cmocka_unit_test_setup_teardown(sums_that_hold_prove_nothing, make_journal, free_journal),
      cmocka_unit_test_setup_teardown(records_of_a_block_are_looked_at, make_journal, free_journal),
      cmocka_unit_test_setup_teardown(the_chain_covers_every_bit, make_journal, free_journal),
      cmocka_unit_test_setup_teardown(every_sector_torn, make_journal, free_journal),
      cmocka_unit_test_setup_teardown(only_the_chain_is_valid, make_journal, free_journal),
      cmocka_unit_test_setup_teardown(recovery_says_the_cut, make_journal, free_journal),
      cmocka_unit_test_setup_teardown(random_bytes_are_harmless, make_journal, free_journal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
