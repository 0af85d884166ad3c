/* A snapshot file: good as it was taken; every truncation, flipped bit and swapped page is noticed, and bytes that nobody has checked are walked without harm. */
#include "tests/unit/replica_fixture.h"

#include "engine/base/crc32c.h"
#include "engine/window.h"

static uint8_t *bytes; /* of one file, at its exact size */
static uint64_t file_sz;

static void tune(wcx_params_t *params)
{
  snprintf(params->state_dir, sizeof(params->state_dir), "%s", state_dir);
  params->shards[0].orders_max = 100;
  params->shards[0].levels_max = 100;
  params->shards[0].outlog_sz = 2u << 20;
}

static void read_file(uint64_t seq)
{
  char name[WCX_SNAPSHOT_FILE_NAME_SZ];
  char path[512];
  wcx_snapshot_file_name(name, seq);
  snapshot_path(path, name);
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  assert_int_equal(fseek(file, 0, SEEK_END), 0);
  file_sz = (uint64_t)ftell(file);
  rewind(file);
  bytes = malloc(file_sz);
  assert_int_equal(fread(bytes, 1, file_sz, file), file_sz);
  fclose(file);
}

static int take_one(void **state)
{
  if (make_state_dir(state) != 0)
    return 1;
  world_t w;
  world_new(&w, tune);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  for (uint32_t i = 0; i < 60; i++)
  {
    client_send_order(&w, &client, 1, i % 2 ? WCX_SIDE_BUY : WCX_SIDE_SELL, 100 + i % 5, 1 + i % 3, WCX_TIME_IN_FORCE_GTC);
    world_turns(&w, 2);
  }
  beside_t beside;
  beside_open(&beside, &w, 1000000);
  beside_take(&beside, &w);
  read_file(w.durable_seq);
  beside_close(&beside);
  world_close(&w);
  return 0;
}

static int give_back(void **state)
{
  free(bytes);
  return remove_state_dir(state);
}

static bool good(const uint8_t *at, uint64_t sz)
{
  wcx_snapshot_file_t hdr;
  char err[160] = "";
  bool is = wcx_snapshot_check(at, sz, &hdr, err, sizeof(err));
  assert_true(is || err[0] != 0);
  return is;
}

static void test_good(void **state)
{
  (void)state;
  wcx_snapshot_file_t hdr;
  char err[160];
  assert_true(wcx_snapshot_check(bytes, file_sz, &hdr, err, sizeof(err)));
  assert_int_equal(hdr.shard, 1);
  assert_int_equal(hdr.anchor.next_seq, hdr.seq + 1);
  assert_int_equal(hdr.genesis_seq, 12);
  assert_int_equal(hdr.stream_cnt, 1);
  assert_true(hdr.window_sz > 4096);
  assert_int_equal(hdr.tail_pos, 0);
  assert_int_equal(hdr.day_cnt, 2); /* before the first, and the first */
  assert_int_equal(hdr.roll_cnt, 1);
  assert_true(wcx_window_sound(bytes + wcx_snapshot_window_off(&hdr), hdr.window_sz, 0, hdr.log_cap, hdr.seq));
  assert_false(wcx_window_sound(bytes + wcx_snapshot_window_off(&hdr), hdr.window_sz, 0, hdr.log_cap, hdr.seq - 1)); /* of inputs that are not in it */
}

/* At its exact size in memory, so that a sanitizer sees a read beyond it. */
static void test_every_truncation(void **state)
{
  (void)state;
  for (uint64_t sz = 0; sz < file_sz; sz += sz % 4096 == 4095 || sz % 4096 == 0 || sz < 4096 ? 1 : 4095 - sz % 4096)
  {
    uint8_t *cut = malloc(sz == 0 ? 1 : sz);
    memcpy(cut, bytes, sz);
    assert_false(good(cut, sz));
    free(cut);
  }
  uint8_t *more = calloc(1, file_sz + 4096);
  memcpy(more, bytes, file_sz);
  assert_false(good(more, file_sz + 4096));
  free(more);
}

static void test_every_byte_flipped(void **state)
{
  (void)state;
  for (uint64_t i = 0; i < file_sz; i++)
    for (uint32_t bit = i < 4096 ? 0 : i % 8; bit < 8; bit += i < 4096 ? 1 : 8)
    {
      bytes[i] ^= (uint8_t)(1u << bit);
      assert_false(good(bytes, file_sz));
      bytes[i] ^= (uint8_t)(1u << bit);
    }
  assert_true(good(bytes, file_sz));
}

static void test_swapped_pages(void **state)
{
  (void)state;
  uint8_t page[4096];
  for (uint64_t a = 0; a < file_sz; a += 4096)
    for (uint64_t b = a + 4096; b < file_sz; b += 4096)
    {
      if (memcmp(bytes + a, bytes + b, 4096) == 0)
        continue;
      memcpy(page, bytes + a, 4096);
      memcpy(bytes + a, bytes + b, 4096);
      memcpy(bytes + b, page, 4096);
      assert_false(good(bytes, file_sz));
      memcpy(bytes + b, bytes + a, 4096);
      memcpy(bytes + a, page, 4096);
    }
  assert_true(good(bytes, file_sz));
}

/* A header whose checksum is right and whose words are not. */
static bool header_good(const wcx_snapshot_file_t *hdr, uint64_t sz)
{
  uint8_t page[4096] = {0};
  wcx_snapshot_file_t mended = *hdr;
  wcx_snapshot_file_t read;
  char err[160];
  mended.crc32c = wcx_snapshot_file_crc(&mended);
  memcpy(page, &mended, sizeof(mended));
  return wcx_snapshot_check_header(page, sz, &read, err, sizeof(err));
}

static void test_contradictions(void **state)
{
  (void)state;
  wcx_snapshot_file_t was;
  memcpy(&was, bytes, sizeof(was));
  assert_true(header_good(&was, file_sz));
  assert_false(header_good(&was, file_sz + 4096));
#define REFUSED(edit)                                                                                                                                                              \
  do                                                                                                                                                                               \
  {                                                                                                                                                                                \
    wcx_snapshot_file_t hdr = was;                                                                                                                                                 \
    edit;                                                                                                                                                                          \
    assert_false(header_good(&hdr, file_sz));                                                                                                                                      \
  } while (0)
  REFUSED(hdr.magic++);
  REFUSED(hdr.version++);
  REFUSED(hdr.reserved16 = 1);
  REFUSED(hdr.shard = 0);
  REFUSED(hdr.seq++);
  REFUSED(hdr.anchor.next_seq = 0);
  REFUSED(hdr.genesis_seq = hdr.seq + 1);
  REFUSED(hdr.engine_sz = 0);
  REFUSED(hdr.engine_sz = UINT64_MAX);
  REFUSED(hdr.engine_sz += 4096);
  REFUSED(hdr.stream_cnt = UINT64_MAX / sizeof(wcx_snapshot_stream_t) + 2); /* wraps to 1 */
  REFUSED(hdr.window_sz = UINT64_MAX - 4094);
  REFUSED(hdr.window_sz -= 16);
  REFUSED(hdr.log_cap--);
  REFUSED(hdr.log_cap = 32768);
  REFUSED(hdr.head_pos += 16);
  REFUSED(hdr.tail_pos += 8; hdr.head_pos += 8);
  REFUSED(hdr.tail_pos = hdr.head_pos + 16);
  REFUSED(hdr.tail_feed_number = 0);
  REFUSED(hdr.day_cnt = 0);
  REFUSED(hdr.day_cnt = WCX_SNAPSHOT_FILE_DAYS_MAX + 1);
  REFUSED(hdr.days[1].from_seq = hdr.seq + 1);
  REFUSED(hdr.days[0].from_seq = hdr.days[1].from_seq);
  REFUSED(hdr.roll_cnt = WCX_SNAPSHOT_FILE_ROLLS_MAX + 1);
  REFUSED(hdr.roll_cnt = 0);
  REFUSED(hdr.rolls[0] = 0);
  REFUSED(hdr.rolls[0]++);
  REFUSED(hdr.tail_day_seq = hdr.seq);
#undef REFUSED
}

/* What a walk believes of bytes that nobody has checked. */
static void test_forged_windows(void **state)
{
  (void)state;
  wcx_snapshot_file_t hdr;
  memcpy(&hdr, bytes, sizeof(hdr));
  const uint8_t *window = bytes + wcx_snapshot_window_off(&hdr);
  uint8_t *forged = malloc(hdr.window_sz);
  uint32_t refused = 0;
  for (uint64_t at = 0; at < hdr.window_sz && at < 16384; at++)
    for (uint32_t i = 0; i < 3; i++)
    {
      static const uint8_t bits[3] = {1, 0x80, 0xff};
      memcpy(forged, window, hdr.window_sz);
      forged[at] ^= bits[i];
      refused += !wcx_window_sound(forged, hdr.window_sz, hdr.tail_pos, hdr.log_cap, hdr.seq);
    }
  assert_true(refused > 100);
  for (uint64_t sz = 1; sz < hdr.window_sz && sz < 4096; sz++) /* cut within an entry */
  {
    uint8_t *cut = malloc(sz);
    memcpy(cut, window, sz);
    bool sound = wcx_window_sound(cut, sz, hdr.tail_pos, hdr.log_cap, hdr.seq);
    assert_true(!sound || sz % 16 == 0);
    free(cut);
  }
  /* an entry that would lie across the end of the ring */
  assert_false(wcx_window_sound(window, hdr.window_sz, hdr.log_cap - 16, hdr.log_cap, hdr.seq));
  free(forged);
}

static void test_names(void **state)
{
  (void)state;
  char name[WCX_SNAPSHOT_FILE_NAME_SZ];
  uint64_t seq;
  static const uint64_t seqs[] = {0, 1, 0xabc, UINT64_MAX};
  for (uint32_t i = 0; i < 4; i++)
  {
    wcx_snapshot_file_name(name, seqs[i]);
    assert_true(wcx_snapshot_file_seq(name, &seq));
    assert_int_equal(seq, seqs[i]);
  }
  assert_string_equal(name, "snap-ffffffffffffffff.wcs");
  static const char *const others[] = {
      "", "lock", "taking.tmp", "snap-1.wcs", "snap-0000000000000abC.wcs", "snap-0000000000000abc.wcs~", "snap-0x00000000000abc.wcs", "snap-0000000000000abc"};
  for (uint32_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
    assert_false(wcx_snapshot_file_seq(others[i], &seq));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_good),          cmocka_unit_test(test_every_truncation), cmocka_unit_test(test_every_byte_flipped),
      cmocka_unit_test(test_swapped_pages), cmocka_unit_test(test_contradictions),   cmocka_unit_test(test_forged_windows),
      cmocka_unit_test(test_names),
  };
  return cmocka_run_group_tests_name("snapshot_file", tests, take_one, give_back);
}
