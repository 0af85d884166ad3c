/* The digests of state, output and input: each changes with every word it covers, and some are written out here. */
#include "engine/out_digest.h"
#include "engine/record_hash.h"
#include "engine/state.h"
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

/* --- nothing of the state is left out ----------------------------------------------------------- */

#define SPAN(type, field)                                                                                                                                                          \
  {                                                                                                                                                                                \
#field, offsetof(type, field), sizeof(((type *)0)->field)                                                                                                                      \
  }

typedef struct span
{
  const char *name;
  size_t off;
  size_t sz;
} span_t;

static wcx_digest_t session_hash(const void *at)
{
  return wcx_session_hash(at, 1);
}

static wcx_digest_t instrument_hash(const void *at)
{
  return wcx_instrument_hash(at, 1);
}

static wcx_digest_t account_hash(const void *at)
{
  return wcx_account_hash(at, 1);
}

static wcx_digest_t engine_hash(const void *at)
{
  return wcx_engine_state_digest(at);
}

/* A bit of each byte of each field is turned: the hash must be another. */
static void expect_all_to_count(void *at, const span_t *spans, size_t cnt, wcx_digest_t (*hash_of)(const void *at))
{
  wcx_digest_t before = hash_of(at);
  for (size_t i = 0; i < cnt; i++)
    for (size_t byte = 0; byte < spans[i].sz; byte++)
    {
      uint8_t *turned = (uint8_t *)at + spans[i].off + byte;
      *turned ^= 1;
      wcx_digest_t after = hash_of(at);
      *turned ^= 1;
      if (same(after, before))
        fail_msg("byte %zu of %s does not count", byte, spans[i].name);
    }
  assert_true(same(hash_of(at), before));
}

static void every_field_of_a_session_counts(void **state)
{
  world_t *w = *state;
  static const span_t spans[] = {SPAN(wcx_session_t, next_client_seq),
                                 SPAN(wcx_session_t, next_server_seq),
                                 SPAN(wcx_session_t, last_cl_ord_id),
                                 SPAN(wcx_session_t, session_id),
                                 SPAN(wcx_session_t, account),
                                 SPAN(wcx_session_t, open_orders),
                                 SPAN(wcx_session_t, open_mask),
                                 SPAN(wcx_session_t, cod),
                                 SPAN(wcx_session_t, lock),
                                 SPAN(wcx_session_t, cod_arm),
                                 SPAN(wcx_session_t, cod_deadline_ns),
                                 SPAN(wcx_session_t, uuid),
                                 SPAN(wcx_session_t, key_uuid),
                                 SPAN(wcx_session_t, cod_window_ms),
                                 SPAN(wcx_session_t, mold_session)};
  play(w, 200);
  wcx_session_t session = w->engine->sessions[0];
  expect_all_to_count(&session, spans, sizeof(spans) / sizeof(spans[0]), session_hash);
}

static void every_field_of_an_instrument_counts(void **state)
{
  world_t *w = *state;
  static const span_t spans[] = {
      SPAN(wcx_instrument_t, status),     SPAN(wcx_instrument_t, used),      SPAN(wcx_instrument_t, px_low),          SPAN(wcx_instrument_t, px_high),
      SPAN(wcx_instrument_t, range),      SPAN(wcx_instrument_t, pause_ns),  SPAN(wcx_instrument_t, auction_ns),      SPAN(wcx_instrument_t, resume_ns),
      SPAN(wcx_instrument_t, resume_arm), SPAN(wcx_instrument_t, told_px),   SPAN(wcx_instrument_t, told_paired_qty), SPAN(wcx_instrument_t, told_imbalance_qty),
      SPAN(wcx_instrument_t, told_side),  SPAN(wcx_instrument_t, definition)};
  play(w, 200);
  wcx_instrument_t instrument = w->engine->instruments[0];
  expect_all_to_count(&instrument, spans, sizeof(spans) / sizeof(spans[0]), instrument_hash);
}

static void every_field_of_an_account_counts(void **state)
{
  world_t *w = *state;
  static const span_t spans[] = {SPAN(wcx_account_t, definition),      SPAN(wcx_account_t, used),         SPAN(wcx_account_t, lock), SPAN(wcx_account_t, risk),
                                 SPAN(wcx_account_t, max_open_orders), SPAN(wcx_account_t, max_order_qty)};
  wcx_account_t account = w->engine->accounts[0];
  expect_all_to_count(&account, spans, sizeof(spans) / sizeof(spans[0]), account_hash);
}

static void every_scalar_counts(void **state)
{
  world_t *w = *state;
  static const span_t spans[] = {SPAN(wcx_engine_t, seq),
                                 SPAN(wcx_engine_t, stamp_ns),
                                 SPAN(wcx_engine_t, exec_id),
                                 SPAN(wcx_engine_t, match_id),
                                 SPAN(wcx_engine_t, match_event_id),
                                 SPAN(wcx_engine_t, feed_number),
                                 SPAN(wcx_engine_t, display_no),
                                 SPAN(wcx_engine_t, place_no),
                                 SPAN(wcx_engine_t, timers.arm),
                                 SPAN(wcx_engine_t, pool.free_hash),
                                 SPAN(wcx_engine_t, pool.free_head),
                                 SPAN(wcx_engine_t, pool.bump),
                                 SPAN(wcx_engine_t, pool.live),
                                 SPAN(wcx_engine_t, break_cnt),
                                 SPAN(wcx_engine_t, stops_due),
                                 SPAN(wcx_engine_t, trade_date),
                                 SPAN(wcx_engine_t, capacity),
                                 SPAN(wcx_engine_t, order_digest),
                                 SPAN(wcx_engine_t, record_digest)};
  play(w, 200);
  w->engine->capacity_journaled = 1; /* before that it is a size of memory */
  expect_all_to_count(w->engine, spans, sizeof(spans) / sizeof(spans[0]), engine_hash);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      world_test(state_digest_follows_every_change),   world_test(another_price_is_another_digest),  world_test(digests_are_golden),  world_test(every_field_of_a_session_counts),
      world_test(every_field_of_an_instrument_counts), world_test(every_field_of_an_account_counts), world_test(every_scalar_counts), cmocka_unit_test(every_word_counts),
      cmocka_unit_test(every_byte_of_an_input_counts), cmocka_unit_test(skips_do_not_count),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
