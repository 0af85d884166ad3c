/* The simulated wire: order kept, faults counted, frames copied, a dead port loses what is sent to it. */
#include "dataplane/port_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_both_ways_in_order(void **state)
{
  (void)state;
  wcx_wire_t *wire = wcx_wire_get("a");
  uint8_t frame[64] = {0};
  assert_false(wcx_wire_send(wire, frame, 20)); /* no port */
  wcx_port_t *port = wcx_port_open(1, "a", 0, false);
  for (uint8_t i = 0; i < 100; i++)
  {
    frame[0] = i;
    assert_true(wcx_wire_send(wire, frame, 20u + i % 3));
  }
  wcx_frame_t got[WCX_PORT_BURST_MAX];
  uint8_t next = 0;
  for (uint32_t cnt; (cnt = wcx_port_rx(port, got, WCX_PORT_BURST_MAX)) > 0;)
  {
    for (uint32_t i = 0; i < cnt; i++, next++)
    {
      assert_int_equal(got[i].data[0], next);
      assert_int_equal(got[i].len, 20u + next % 3);
    }
    assert_int_equal(wcx_port_tx(port, got, cnt), cnt);
  }
  assert_int_equal(next, 100);
  assert_int_equal(wcx_wire_pending(wire), 100);
  for (uint8_t i = 0; i < 100; i++)
  {
    uint8_t back[WCX_FRAME_SZ_MAX];
    assert_int_equal(wcx_wire_recv(wire, back), 20u + i % 3);
    assert_int_equal(back[0], i);
  }
  wcx_port_close(port);
  assert_int_equal(wcx_wire_counts(wire).to_port_lost, 1);
  wcx_wire_drop(wire);
}

/* Frames 0..n-1 through a wire with these faults; returns how many came, and how many of them before their turn. */
static uint32_t through(const wcx_wire_faults_t *faults, uint32_t n, uint32_t *misplaced)
{
  wcx_wire_t *wire = wcx_wire_get("b");
  wcx_port_t *port = wcx_port_open(1, "b", 0, false);
  wcx_wire_set_faults(wire, faults);
  for (uint32_t i = 0; i < n; i++)
  {
    uint8_t frame[20] = {0};
    memcpy(frame, &i, 4);
    (void)wcx_wire_send(wire, frame, sizeof(frame));
  }
  wcx_frame_t got;
  uint32_t cnt = 0;
  uint32_t last = 0;
  *misplaced = 0;
  while (wcx_port_rx(port, &got, 1) == 1)
  {
    uint32_t id;
    memcpy(&id, got.data, 4);
    *misplaced += cnt > 0 && id < last;
    last = id;
    cnt++;
    wcx_port_free(port, &got);
  }
  wcx_port_close(port);
  wcx_wire_drop(wire);
  return cnt;
}

static void test_faults(void **state)
{
  (void)state;
  uint32_t misplaced;
  assert_int_equal(through(&(wcx_wire_faults_t){.seed = 1}, 4000, &misplaced), 4000);
  assert_int_equal(misplaced, 0);
  uint32_t cnt = through(&(wcx_wire_faults_t){.seed = 1, .to_port_loss = 6554}, 4000, &misplaced);
  assert_in_range(cnt, 3400, 3800);
  assert_int_equal(misplaced, 0);
  assert_int_equal(through(&(wcx_wire_faults_t){.seed = 1, .to_port_loss = 6554}, 4000, &misplaced), cnt); /* repeatable */
  assert_in_range(through(&(wcx_wire_faults_t){.seed = 2, .to_port_dup = 6554}, 4000, &misplaced), 4200, 4600);
  assert_int_equal(through(&(wcx_wire_faults_t){.seed = 3, .to_port_reorder = 6554}, 4000, &misplaced), 4000);
  assert_in_range(misplaced, 200, 600);
}

static uint32_t bits_of(const uint8_t *bytes, uint32_t sz)
{
  uint32_t bits = 0;
  for (uint32_t i = 0; i < sz; i++)
    bits += (uint32_t)__builtin_popcount(bytes[i]);
  return bits;
}

/* Every frame is zeros; what comes has one bit set or none, and over time every bit of the frame is hit. */
static void test_corruption(void **state)
{
  (void)state;
  wcx_wire_t *wire = wcx_wire_get("c");
  wcx_port_t *port = wcx_port_open(1, "c", 0, false);
  wcx_wire_set_faults(wire, &(wcx_wire_faults_t){.seed = 4, .to_port_corrupt = 32768, .from_port_corrupt = 65536});
  uint8_t seen[20] = {0};
  uint32_t turned = 0;
  uint8_t zeros[20] = {0};
  uint8_t back[WCX_FRAME_SZ_MAX];
  for (uint32_t i = 0; i < 4000; i++)
  {
    wcx_frame_t got;
    assert_true(wcx_wire_send(wire, zeros, sizeof(zeros)));
    assert_int_equal(wcx_port_rx(port, &got, 1), 1);
    uint32_t bits = bits_of(got.data, sizeof(zeros));
    assert_in_range(bits, 0, 1);
    turned += bits;
    for (uint32_t n = 0; n < sizeof(seen); n++)
      seen[n] |= got.data[n];
    memset(got.data, 0, sizeof(zeros));
    assert_int_equal(wcx_port_tx(port, &got, 1), 1);
    assert_int_equal(wcx_wire_recv(wire, back), sizeof(zeros));
    assert_int_equal(bits_of(back, sizeof(zeros)), 1);
  }
  assert_in_range(turned, 1800, 2200);
  assert_int_equal(bits_of(seen, sizeof(seen)), 160);
  assert_int_equal(wcx_wire_counts(wire).corrupted, turned + 4000);
  wcx_port_close(port);
  wcx_wire_drop(wire);
}

static void test_late_frames_come_once(void **state)
{
  (void)state;
  uint32_t misplaced;
  uint32_t cnt = through(&(wcx_wire_faults_t){.seed = 5, .to_port_late = 3277}, 4000, &misplaced);
  assert_in_range(cnt, 4000 - 64, 3999); /* some are still kept back */
  assert_in_range(misplaced, 50, 400);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_both_ways_in_order), cmocka_unit_test(test_faults), cmocka_unit_test(test_corruption),
                                     cmocka_unit_test(test_late_frames_come_once)};
  return cmocka_run_group_tests_name("port_sim", tests, NULL, NULL);
}
