/* The words that the journal worker shares with the data plane: each is written with release behind what it speaks of, and read with acquire;
   and what happens between two looks at them. */
#include "tests/unit/order_notes.h"

#include "persist/drain.c"
#include "persist/journal.c"

#include "engine/shm/auth_ring.h"
#include "tests/unit/journal_fixture.h"

#define BODY_SZ 1003u /* five slots; 107 bytes of body in the last, and 5 of padding */

static const wcx_jring_slot_t *first_slot; /* of the record that is being committed */
static uint32_t looked;

static void look_at_the_record(const volatile void *at, bool store)
{
  if (at != &first_slot->commit || !store)
    return;
  const wcx_jring_slot_t *last_slot = first_slot + 4;
  looked++;
  assert_int_equal(first_slot->slot_cnt, 5);
  assert_int_equal(first_slot->sz, wcx_record_sz(BODY_SZ));
  assert_int_equal(last_slot->bytes[106], page[BODY_SZ - 1]);
  assert_memory_equal(last_slot->bytes + 107, "\0\0\0\0", 5);
}

static void ring_commits_what_is_whole(void **state)
{
  (void)state;
  uint8_t taken[WCX_RECORD_SZ_MAX];
  memset(page, 0x5a, sizeof(page));
  memset(&shared->jring + 1, 0xee, SLOT_MAX * sizeof(wcx_jring_slot_t));
  for (uint32_t i = 0; i < 2 * SLOT_MAX / 5; i++) /* past the end of the ring, too */
  {
    wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .template_id = 1, .shard = SHARD, .seq = producer.next_seq, .stamp_ns = 1, .body_sz = BODY_SZ};
    wcx_jring_consumer_t consumer = {.ring = &shared->jring, .pos = producer.pos, .next_seq = hdr.seq};
    uint32_t sz;
    uint32_t to_end = SLOT_MAX - (uint32_t)(producer.pos % SLOT_MAX);
    first_slot = wcx_jring_at(&shared->jring, producer.pos + (to_end < 5 ? to_end : 0));
    notes_forget();
    note_look = look_at_the_record;
    wcx_jring_commit(&producer, &hdr, page);
    note_look = NULL;
    assert_int_equal(looked, i + 1);
    assert_true(note_always(&first_slot->commit, true, memory_order_release));
    assert_int_equal(note_first(&first_slot->commit, true), note_cnt - 1); /* the last of all */
    notes_forget();
    assert_int_equal(wcx_jring_take(&consumer, SHARD, taken, &sz), WCX_JRING_RECORD);
    assert_true(note_always(&first_slot->commit, false, memory_order_acquire));
    producer.released_pos = producer.pos;
  }
}

static void auth_ring_hands_over_with_release_and_acquire(void **state)
{
  (void)state;
  wcx_auth_half_t *half = &shared->auth.dataplane_auth;
  wcx_auth_slot_t slot = {.nonce = 1};
  notes_forget();
  assert_true(wcx_auth_push(half, &slot));
  assert_true(note_always(&half->head, true, memory_order_release));
  assert_true(note_always(&half->tail, false, memory_order_acquire));
  notes_forget();
  assert_true(wcx_auth_pop(half, &slot));
  assert_true(note_always(&half->head, false, memory_order_acquire));
  assert_true(note_always(&half->tail, true, memory_order_release));
}

/* Whatever is released, and in whichever order blocks are done: the three words, the release word last. */
static void release_words_are_written_with_release(void **state)
{
  (void)state;
  wcx_release_t *release = &shared->release;
  notes_forget();
  commit(3);
  assert_int_equal(wcx_release_seq(atomic_load(&release->release_word)), 3);
  assert_true(note_always(&release->flushed_seq, true, memory_order_release));
  assert_true(note_always(&release->replicated_seq, true, memory_order_release));
  assert_true(note_always(&release->epoch, true, memory_order_release));
  assert_true(note_always(&release->release_word, true, memory_order_release));
  assert_true(note_first(&release->flushed_seq, true) < note_first(&release->release_word, true));
  assert_true(note_first(&release->epoch, true) < note_first(&release->release_word, true));
  assert_true(note_always(&shared->segments.durable_block, true, memory_order_release)); /* for the keeper */
}

/* What a data plane that starts reads behind the answer stands there before it; its question is read before the ring is looked at. */
static void answer_comes_last_and_with_release(void **state)
{
  (void)state;
  wcx_region_handshake_t *handshake = &shared->handshake;
  commit(3);
  atomic_fetch_add(&handshake->asked, 1);
  notes_forget();
  wcx_journal_step(journal, 0);
  assert_true(note_always(&handshake->asked, false, memory_order_acquire));
  assert_true(note_last(&handshake->asked, false) < note_first(&wcx_jring_at(&shared->jring, journal->consumer.pos)->commit, false));
  settle();
  assert_int_equal(atomic_load(&handshake->answered), 1);
  assert_true(note_always(&handshake->answered, true, memory_order_release));
  uint64_t answered = note_first(&handshake->answered, true);
  assert_true(note_first(&handshake->cut_seq, true) < answered);
  assert_true(note_first(&handshake->granted_epoch, true) < answered);
  assert_true(note_first(&shared->release.release_word, true) < answered);
}

/* Words of this boot that decide whether a worker may start, and the one that says that it has. */
static void a_start_reads_with_acquire_and_is_ready_with_release(void **state)
{
  (void)state;
  commit(3);
  wcx_sim_disk_kill(DIR);
  notes_forget();
  open_journal();
  assert_true(note_always(&shared->release.epoch, false, memory_order_acquire));
  assert_int_equal(notes[note_first(&shared->release.release_word, false) % NOTES_MAX].order, memory_order_acquire);
  assert_true(note_always(&shared->handshake.ready, true, memory_order_release));
  assert_true(note_first(&shared->release.release_word, true) < note_first(&shared->handshake.ready, true));
}

static const wcx_jring_slot_t *scanned; /* when the search comes here, the producer commits two records: one behind its back, one before it */

static void commit_behind_the_search(const volatile void *at, bool store)
{
  if (at != &scanned->commit || store)
    return;
  note_look = NULL;
  for (uint32_t i = 0; i < 2; i++)
  {
    wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .template_id = 1, .shard = SHARD, .seq = producer.next_seq, .stamp_ns = 1, .body_sz = BODY_SZ};
    wcx_jring_commit(&producer, &hdr, page);
  }
}

/* A record above the one that is searched for, and that one not seen: the producer lives, nothing is lost. */
static void a_search_looks_twice(void **state)
{
  (void)state;
  commit(7);
  wcx_jring_consumer_t consumer = {.ring = &shared->jring};
  scanned = wcx_jring_at(&shared->jring, producer.pos + 1);
  note_look = commit_behind_the_search;
  assert_true(wcx_jring_find(&consumer, 8));
  assert_null(note_look);
  uint8_t taken[WCX_RECORD_SZ_MAX];
  uint32_t sz;
  assert_int_equal(wcx_jring_take(&consumer, SHARD, taken, &sz), WCX_JRING_RECORD);
  assert_int_equal(wcx_jring_take(&consumer, SHARD, taken, &sz), WCX_JRING_RECORD);
}

static uint32_t waits;

void __wrap_wcx_doorbell_wait(wcx_doorbell_t *bell, uint64_t timeout_ns);

void __wrap_wcx_doorbell_wait(wcx_doorbell_t *bell, uint64_t timeout_ns)
{
  (void)timeout_ns;
  waits++;
  wcx_doorbell_cancel(bell);
}

/* What was committed before the worker said that it sleeps rang no bell. */
static void a_worker_looks_again_before_it_sleeps(void **state)
{
  (void)state;
  commit(3);
  waits = 0;
  wcx_journal_idle_wait(journal);
  assert_int_equal(waits, 1);
  wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .template_id = 1, .shard = SHARD, .seq = producer.next_seq, .stamp_ns = producer.next_seq, .body_sz = BODY_SZ};
  memset(page, 0, sizeof(page));
  wcx_jring_commit(&producer, &hdr, page);
  wcx_journal_idle_wait(journal);
  assert_int_equal(waits, 1);
  assert_int_equal(atomic_load(&shared->jring.bell.asleep), 0);
  settle();
  atomic_fetch_add(&shared->handshake.asked, 1);
  wcx_journal_idle_wait(journal);
  assert_int_equal(waits, 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(ring_commits_what_is_whole, set_up, tear_down),
      cmocka_unit_test_setup_teardown(auth_ring_hands_over_with_release_and_acquire, set_up, tear_down),
      cmocka_unit_test_setup_teardown(release_words_are_written_with_release, set_up, tear_down),
      cmocka_unit_test_setup_teardown(answer_comes_last_and_with_release, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_start_reads_with_acquire_and_is_ready_with_release, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_search_looks_twice, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_worker_looks_again_before_it_sleeps, set_up, tear_down),
  };
  return cmocka_run_group_tests_name("journal_orders", tests, NULL, NULL);
}
