#include "engine/out_digest.h"
#include "engine/record_hash.h"
#include "tests/unit/engine_fixture.h"

static bool same(wcx_digest_t a, wcx_digest_t b)
{
  return a.lo == b.lo && a.hi == b.hi;
}

/* The same few inputs in any engine. */
static void play(world_t *w, int64_t last_price)
{
  uint64_t id = order(w, 1, BUY, 100, 5);
  order(w, 2, SELL, 100, 2);
  replace(w, 1, id, 99, 9);
  order(w, 2, SELL, last_price, 2);
  cancel(w, 2, 99);
}

static void state_digest_follows_every_change(void **state)
{
  world_t *w = *state;
  wcx_digest_t before = wcx_engine_state_digest(w->engine);
  play(w, 200);
  wcx_digest_t after = wcx_engine_state_digest(w->engine);
  assert_false(same(before, after));
  assert_true(same(after, wcx_engine_state_digest_full(w->engine)));
}

static void another_price_is_another_digest(void **state)
{
  world_t *w = *state;
  world_t other;
  world_make(&other, &world_limits, 1 << 20);
  world_populate(&other);
  assert_true(same(wcx_engine_state_digest(w->engine), wcx_engine_state_digest(other.engine)));
  play(w, 200);
  play(&other, 201);
  assert_false(same(wcx_engine_state_digest(w->engine), wcx_engine_state_digest(other.engine)));
  assert_false(same(wcx_engine_output_digest(w->engine), wcx_engine_output_digest(other.engine)));
  world_free(&other);
}

/* Digests stand in journals and are compared between builds: these values may only change with a format number. */
static void digests_are_golden(void **state)
{
  world_t *w = *state;
  play(w, 200);
  wcx_digest_t state_digest = wcx_engine_state_digest(w->engine);
  wcx_digest_t output = wcx_engine_output_digest(w->engine);
  assert_int_equal(state_digest.lo, UINT64_C(0xacc4d4d0944920c2));
  assert_int_equal(state_digest.hi, UINT64_C(0x5734e1bc8ff577d8));
  assert_int_equal(output.lo, UINT64_C(0x7ba76283714741b3));
  assert_int_equal(output.hi, UINT64_C(0xfb1a4007517d9cd5));
}

static void every_word_counts(void **state)
{
  (void)state;
  uint64_t words[8] = {0};
  wcx_digest_t zero = wcx_words8_hash(words);
  for (uint32_t i = 0; i < 8; i++)
    for (uint32_t bit = 0; bit < 64; bit++)
    {
      words[i] = UINT64_C(1) << bit;
      wcx_digest_t hash = wcx_words8_hash(words);
      assert_true(hash.lo != zero.lo && hash.hi != zero.hi);
      words[i] = 0;
    }
}

/* Whatever its lane and wherever it stands in its block. */
static void every_byte_of_an_input_counts(void **state)
{
  (void)state;
  for (uint32_t sz = 32; sz <= 208; sz += 16)
    for (uint32_t phase = 0; phase < 4; phase++)
    {
      uint8_t bytes[208] = {0};
      wcx_out_digest_t zero = {0};
      wcx_out_digest_absorb(&zero, bytes, sz, phase);
      wcx_digest_t all_zero = wcx_out_digest_value(&zero);
      for (uint32_t i = 0; i < sz; i++)
      {
        bytes[i] ^= 1;
        wcx_out_digest_t digest = {0};
        wcx_out_digest_absorb(&digest, bytes, sz, phase);
        wcx_digest_t value = wcx_out_digest_value(&digest);
        assert_true(value.lo != all_zero.lo && value.hi != all_zero.hi);
        bytes[i] ^= 1;
      }
    }
}

/* The same entries give the same digest wherever a SKIP stands between them. */
static void skips_do_not_count(void **state)
{
  (void)state;
  static _Alignas(16) uint8_t mem[65536];
  wcx_digest_t value[2];
  for (int with_skip = 0; with_skip < 2; with_skip++)
  {
    wcx_outlog_t log;
    wcx_outlog_init(&log, mem, sizeof(mem));
    log.write_pos = log.sent_pos = with_skip ? sizeof(mem) - 112 : 0;
    uint64_t from = log.write_pos;
    for (uint32_t i = 0; i < 3; i++)
    {
      wcx_out_entry_t *entry = wcx_outlog_append(&log, 40 + 16 * i);
      memset(entry + 1, (int)i + 1, 48 + 16 * i);
    }
    wcx_out_digest_t digest = {0};
    wcx_out_digest_input(&digest, &log, from, log.write_pos);
    value[with_skip] = wcx_out_digest_value(&digest);
  }
  assert_true(same(value[0], value[1]));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      world_test(state_digest_follows_every_change), world_test(another_price_is_another_digest),     world_test(digests_are_golden),
      cmocka_unit_test(every_word_counts),           cmocka_unit_test(every_byte_of_an_input_counts), cmocka_unit_test(skips_do_not_count),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
