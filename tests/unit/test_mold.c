/* MoldUDP64 packets (dataplane/mold.h): their bytes, and blocks that must fill them exactly. */
#include "dataplane/mold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_bytes_are_big_endian(void **state)
{
  (void)state;
  uint8_t packet[64];
  uint32_t len = wcx_mold_begin(packet, "ABCDEFGHIJ", 0x0102030405060708u, 0);
  len = wcx_mold_add(packet, len, "xyz", 3);
  const uint8_t wanted[] = {'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 3, 'x', 'y', 'z'};
  assert_int_equal(len, sizeof(wanted));
  assert_memory_equal(packet, wanted, sizeof(wanted));
}

static void test_blocks_must_fit_exactly(void **state)
{
  (void)state;
  uint8_t packet[128];
  uint32_t len = wcx_mold_begin(packet, NULL, 7, 0);
  len = wcx_mold_add(packet, len, "12345678", 8);
  len = wcx_mold_add(packet, len, "1234567890", 10);
  wcx_mold_t mold;
  assert_true(wcx_mold_parse(packet, len, &mold));
  assert_true(wcx_mold_no_session(&mold));
  assert_int_equal(mold.sequence, 7);
  assert_int_equal(mold.count, 2);
  assert_true(wcx_mold_sound(&mold, 8));
  assert_false(wcx_mold_sound(&mold, 9));
  for (uint32_t cut = 0; cut < len; cut++)
    assert_false(wcx_mold_parse(packet, cut, &mold) && wcx_mold_sound(&mold, 0));
  packet[len] = 0;
  assert_true(wcx_mold_parse(packet, len + 1, &mold));
  assert_false(wcx_mold_sound(&mold, 0)); /* a byte left over */
  packet[19] = 1;
  assert_true(wcx_mold_parse(packet, len, &mold));
  assert_false(wcx_mold_sound(&mold, 0)); /* a block left over */
  packet[19] = 3;
  assert_true(wcx_mold_parse(packet, len, &mold));
  assert_false(wcx_mold_sound(&mold, 0)); /* a block too few */
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bytes_are_big_endian),
      cmocka_unit_test(test_blocks_must_fit_exactly),
  };
  return cmocka_run_group_tests_name("mold", tests, NULL, NULL);
}
