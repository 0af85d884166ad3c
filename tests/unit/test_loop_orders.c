/* The words that the data plane shares with the journal worker: read with acquire, written with release behind what they speak of. */
#include "tests/unit/order_notes.h"

#include "dataplane/input.c"
#include "dataplane/loop.c"
#include "dataplane/start.c"

#include "tests/unit/loop_fixture.h"

static wcx_loop_t *looked_at; /* its inputs are looked at when the engine gets them; NULL: nobody's */
static uint32_t committed, noted;

void __real_wcx_engine_apply(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, wcx_outlog_t *out);
void __wrap_wcx_engine_apply(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, wcx_outlog_t *out);

void __wrap_wcx_engine_apply(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, wcx_outlog_t *out)
{
  if (looked_at != NULL && wcx_loop_replayed(looked_at))
  {
    wcx_jring_t *ring = &looked_at->shm->jring;
    bool there = false;
    for (uint32_t i = 0; i < ring->slot_max && !there; i++)
      there = atomic_load(&wcx_jring_at(ring, i)->commit) == hdr->seq;
    assert_true(there);
    committed++;
  }
  else if (looked_at != NULL)
  {
    assert_int_equal(atomic_load(&looked_at->start.poison.applying), hdr->seq);
    noted++;
  }
  __real_wcx_engine_apply(engine, hdr, body, out);
}

/* An input that ends the program is in the ring by then, and in a replay it is the one that is counted. */
static void inputs_are_committed_or_noted_before_they_are_applied(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  looked_at = w.loop;
  committed = noted = 0;
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  world_turns(&w, 3);
  assert_int_equal(committed, 2);
  world_crash(&w);
  looked_at = w.loop;
  world_start(&w);
  assert_true(noted > 10);
  assert_int_equal(committed, 3); /* what the restart closes */
  looked_at = NULL;
  world_close(&w);
}

static void release_word_is_read_with_acquire(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
  notes_forget();
  world_turns(&w, 3);
  assert_true(note_always(&w.shm->release.release_word, false, memory_order_acquire));
  world_close(&w);
}

/* What the worker says beside its answer is read behind it; and the ring is cleared when nobody commits to it any more. */
static void question_and_answer_are_ordered(void **state)
{
  (void)state;
  world_t w;
  notes_forget();
  world_new(&w, NULL);
  wcx_region_handshake_t *handshake = &w.shm->handshake;
  assert_true(note_always(&handshake->asked, true, memory_order_release));
  assert_true(note_always(&handshake->answered, false, memory_order_acquire));
  assert_true(note_last(&handshake->answered, false) < note_first(&handshake->granted_epoch, false));
  assert_true(note_last(&handshake->answered, false) < note_first(&handshake->cut_seq, false));
  assert_true(note_last(&handshake->answered, false) < note_first(&wcx_jring_at(&w.shm->jring, 0)->commit, true));
  assert_int_equal(notes[note_last(&w.shm->dataplane.phase, true) % NOTES_MAX].order, memory_order_release); /* that it serves */
  world_close(&w);
}

static void marks_are_counted_with_release(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  for (uint32_t i = 0; atomic_load(&w.shm->marks.cnt) == 0; i++)
  {
    client_send_order(&w, &client, 1, WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_IOC);
    if (i % 16 != 15)
      continue;
    notes_forget();
    world_turns(&w, 2);
    world_drain(&w);
  }
  assert_true(note_always(&w.shm->marks.cnt, true, memory_order_release));
  world_close(&w);
}

/* Gaps that come while even what is kept of the log for them is full: each is told once there is room, before what follows it, and none twice. */
static void every_gap_is_told(void **state)
{
  (void)state;
  world_t w;
  world_new(&w, NULL);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  w.hold = true;
  wcx_tick_t tick = {.transact_time = w.utc_ns};
  uint64_t seq = wcx_loop_define(w.loop, WCX_TEMPLATE_TICK, &tick, sizeof(tick));
  assert_int_not_equal(seq, 0);
  while (wcx_outlog_room(&w.loop->log) > 2000) /* for nobody, and held like all that depends on the tick */
  {
    wcx_out_entry_t *entry = wcx_outlog_append(&w.loop->log, 1400);
    entry->stream = WCX_STREAM_UNSEQUENCED;
    entry->stream_id = UINT32_MAX;
    entry->input_seq = seq;
  }
  uint64_t from = client.next_seq;
  for (uint32_t i = 0; i < 50; i++)
  {
    client.next_seq += 3;
    client_send_at(&w, &client, client.next_seq, 0, NULL, 0);
  }
  world_turns(&w, 50);
  assert_true(atomic_load(&w.shm->stats.backpressure_turns) > 0);
  w.hold = false;
  uint64_t told = 0;
  for (uint32_t i = 0; i < 1000 && from + told < client.next_seq; i++)
  {
    wcx_not_applied_t not_applied;
    world_turn(&w);
    while (world_expect(&w, &client, WCX_TEMPLATE_NOT_APPLIED, &not_applied, sizeof(not_applied)))
    {
      assert_int_equal(not_applied.from_seq_no, from + told);
      told += not_applied.count;
    }
  }
  assert_int_equal(from + told, client.next_seq);
  world_close(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(inputs_are_committed_or_noted_before_they_are_applied),
      cmocka_unit_test(release_word_is_read_with_acquire),
      cmocka_unit_test(question_and_answer_are_ordered),
      cmocka_unit_test(marks_are_counted_with_release),
      cmocka_unit_test(every_gap_is_told),
  };
  return cmocka_run_group_tests_name("loop_orders", tests, NULL, NULL);
}
