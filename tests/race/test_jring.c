/* The journal ring between two threads: what the producer commits arrives whole, in order, exactly once, and is not overwritten before its release.
   The thread sanitizer judges the orders (make SANITIZER=thread). */
#include "engine/base/check.h"
#include "engine/shm/jring.h"
#include "engine/shm/release.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SLOTS 64u
#define RECORDS 200000u
#define SHARD 1u

typedef struct shared
{
  _Alignas(64) uint8_t ring[sizeof(wcx_jring_t) + SLOTS * sizeof(wcx_jring_slot_t)];
  wcx_release_t release;
} shared_t;

static shared_t shared;

static wcx_jring_t *shared_ring(void)
{
  return (wcx_jring_t *)(void *)shared.ring;
}

/* Body size and bytes of a record follow from its seq, so that either side knows them. */
static uint16_t body_sz_of(uint64_t seq)
{
  uint64_t mixed = seq * UINT64_C(0x9E3779B97F4A7C15) >> 32;
  return mixed % 8 == 0 ? (uint16_t)(mixed / 8 % (WCX_RECORD_BODY_SZ_MAX + 1)) : 80;
}

static void fill_body(uint8_t *body, uint64_t seq, uint16_t sz)
{
  for (uint16_t i = 0; i < sz; i++)
    body[i] = (uint8_t)(seq * 31 + i);
}

static void *produce(void *arg)
{
  uint64_t *end_pos = arg;
  wcx_jring_producer_t producer;
  wcx_jring_producer_init(&producer, shared_ring(), end_pos, 0);
  atomic_store_explicit(&shared.release.epoch, 1, memory_order_release); /* the ring is cleared: the consumer may look; pairs with the acquire in start_consumer */
  for (uint64_t seq = 1; seq <= RECORDS; seq++)
  {
    uint8_t body[WCX_RECORD_BODY_SZ_MAX];
    wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .template_id = 101, .shard = SHARD, .seq = seq, .stamp_ns = seq, .body_sz = body_sz_of(seq)};
    fill_body(body, seq, hdr.body_sz);
    while (wcx_jring_room(&producer, wcx_release_seq(atomic_load_explicit(&shared.release.release_word, memory_order_acquire))) < WCX_JRING_RECORD_SLOTS_MAX)
      sched_yield();
    wcx_jring_commit(&producer, &hdr, body);
    wcx_doorbell_ring(&shared_ring()->bell);
  }
  return NULL;
}

static void check_taken(const uint8_t *taken, uint32_t sz, uint64_t seq)
{
  uint8_t body[WCX_RECORD_BODY_SZ_MAX];
  wcx_record_hdr_t hdr;
  memcpy(&hdr, taken, sizeof(hdr));
  fill_body(body, seq, body_sz_of(seq));
  WCX_CHECK(hdr.seq == seq && hdr.body_sz == body_sz_of(seq) && sz == wcx_record_sz(hdr.body_sz), "seq %llu body_sz %u sz %u", (unsigned long long)hdr.seq, hdr.body_sz, sz);
  WCX_CHECK(memcmp(taken + 64, body, hdr.body_sz) == 0, "body of seq %llu", (unsigned long long)seq);
}

static void release(uint64_t seq)
{
  /* pairs with the acquire in produce: the slots may be written again */
  atomic_store_explicit(&shared.release.release_word, wcx_release_pack(1, seq), memory_order_release);
}

static void start_consumer(wcx_jring_consumer_t *consumer, uint64_t next_seq)
{
  while (atomic_load_explicit(&shared.release.epoch, memory_order_acquire) != 1)
    sched_yield();
  *consumer = (wcx_jring_consumer_t){.ring = shared_ring()};
  WCX_CHECK(wcx_jring_find(consumer, next_seq), "seq %llu is lost", (unsigned long long)next_seq);
}

/* Takes everything; releases in batches; every `restart_every` records a new consumer finds its place from the last released record on. */
static void consume(uint64_t restart_every)
{
  wcx_jring_consumer_t consumer;
  wcx_doorbell_t *bell = &shared_ring()->bell;
  uint64_t released = 0;
  start_consumer(&consumer, 1);
  while (released < RECORDS)
  {
    uint8_t taken[WCX_RECORD_SZ_MAX];
    uint32_t sz;
    uint64_t seq = consumer.next_seq;
    int result = wcx_jring_take(&consumer, SHARD, taken, &sz);
    WCX_CHECK(result != WCX_JRING_CORRUPT, "seq %llu", (unsigned long long)seq);
    if (result == WCX_JRING_RECORD)
    {
      check_taken(taken, sz, seq);
      if (seq % 7 == 0 || seq == RECORDS)
        release(released = seq);
      if (restart_every != 0 && seq % restart_every == 0)
        start_consumer(&consumer, released + 1);
      continue;
    }
    release(released = seq - 1);
    wcx_doorbell_prepare(bell);
    if (atomic_load_explicit(&wcx_jring_at(shared_ring(), consumer.pos)->commit, memory_order_acquire) == consumer.next_seq)
      wcx_doorbell_cancel(bell);
    else
      wcx_doorbell_wait(bell, 1000000);
  }
}

static void run(uint64_t restart_every)
{
  pthread_t thread;
  uint64_t *end_pos = calloc(SLOTS, sizeof(uint64_t));
  assert_non_null(end_pos);
  memset(&shared, 0, sizeof(shared));
  shared_ring()->slot_max = SLOTS;
  assert_int_equal(pthread_create(&thread, NULL, produce, end_pos), 0);
  consume(restart_every);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_true(shared_ring()->bell.wake_cnt <= shared_ring()->bell.sleep_cnt);
  free(end_pos);
}

static void everything_arrives_in_order_and_whole(void **state)
{
  (void)state;
  run(0);
}

static void a_new_consumer_finds_its_place_while_the_producer_runs(void **state)
{
  (void)state;
  run(1001);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(everything_arrives_in_order_and_whole),
      cmocka_unit_test(a_new_consumer_finds_its_place_while_the_producer_runs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
