/* The output log (engine/outlog.h): entries, the end of the ring, room and what is retained. */
#include "engine/outlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CAP 65536u

static void *log_mem;

static int setup(void **state)
{
  static wcx_outlog_t log;
  log_mem = aligned_alloc(64, CAP);
  memset(log_mem, 0xee, CAP);
  wcx_outlog_init(&log, log_mem, CAP);
  *state = &log;
  return 0;
}

static int teardown(void **state)
{
  (void)state;
  free(log_mem);
  return 0;
}

static wcx_out_entry_t *put(wcx_outlog_t *log, uint32_t len, uint64_t number)
{
  wcx_out_entry_t *entry = wcx_outlog_append(log, len);
  entry->stream = WCX_STREAM_FEED;
  entry->number = number;
  memset(wcx_out_message(entry), (int)(number & 0x7f), len);
  return entry;
}

static void entry_is_padded_to_eight(void **state)
{
  wcx_outlog_t *log = *state;
  wcx_out_entry_t *entry = put(log, 13, 1);
  assert_int_equal(entry->entry_sz, 48);
  assert_int_equal(entry->len, 13);
  assert_int_equal(log->write_pos, 48);
  assert_ptr_equal(wcx_outlog_at(log, 0), entry);
}

static void entries_never_wrap_and_walks_skip_the_rest(void **state)
{
  wcx_outlog_t *log = *state;
  uint64_t number = 0;
  uint64_t pos = 0;
  uint64_t seen = 0;
  for (int i = 0; i < 5000; i++)
  {
    uint32_t len = 8 + (uint32_t)(i * 37 % 1393);
    wcx_out_entry_t *entry = put(log, len, ++number);
    assert_true((uint8_t *)entry + entry->entry_sz <= (uint8_t *)log_mem + CAP);
    pos = wcx_outlog_settle(log, pos, log->write_pos);
    const wcx_out_entry_t *read = wcx_outlog_at(log, pos);
    assert_int_equal(read->number, ++seen);
    assert_int_equal(read->len, len);
    assert_int_equal(wcx_out_message(wcx_outlog_at(log, pos))[len - 1], number & 0x7f);
    pos += read->entry_sz;
    assert_int_equal(wcx_outlog_settle(log, pos, log->write_pos), log->write_pos);
    log->sent_pos = log->write_pos;
  }
  assert_true(log->write_pos > 10 * CAP);
}

static void room_promises_no_more_than_append_takes(void **state)
{
  wcx_outlog_t *log = *state;
  uint64_t number = 0;
  for (int round = 0; round < 200; round++)
  {
    uint64_t room = wcx_outlog_room(log);
    while (room >= wcx_outlog_entry_sz(1400))
    {
      put(log, 1400, ++number); /* a check failure would abort */
      room -= wcx_outlog_entry_sz(1400);
    }
    log->sent_pos = log->write_pos - (uint64_t)(round * 64 % 4096);
  }
  assert_true(number > 1000);
}

static void retained_ends_one_ring_back(void **state)
{
  wcx_outlog_t *log = *state;
  put(log, 24, 1);
  assert_true(wcx_outlog_retained(log, 0));
  assert_false(wcx_outlog_retained(log, log->write_pos));
  while (log->write_pos <= CAP)
  {
    log->sent_pos = log->write_pos;
    put(log, 1000, 2);
  }
  assert_false(wcx_outlog_retained(log, 0));
  assert_true(wcx_outlog_retained(log, log->write_pos - CAP));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(entry_is_padded_to_eight, setup, teardown),
      cmocka_unit_test_setup_teardown(entries_never_wrap_and_walks_skip_the_rest, setup, teardown),
      cmocka_unit_test_setup_teardown(room_promises_no_more_than_append_takes, setup, teardown),
      cmocka_unit_test_setup_teardown(retained_ends_one_ring_back, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
