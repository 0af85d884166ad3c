/* engine/shm: journal ring, release words, auth ring, parameter block, region file. */
#include "engine/shm/region_file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SLOTS 64u
#define SHARD 3u

/* --- journal ring ---------------------------------------------------------------------------------------------------------------------- */

static _Alignas(64) uint8_t ring_mem[sizeof(wcx_jring_t) + SLOTS * sizeof(wcx_jring_slot_t)];
static uint64_t end_pos[SLOTS];
static wcx_jring_t *ring = (wcx_jring_t *)(void *)ring_mem;
static wcx_jring_producer_t producer;
static wcx_jring_consumer_t consumer;
static uint8_t taken[WCX_RECORD_SZ_MAX];

static int ring_at_seq(uint64_t released_seq)
{
  memset(ring_mem, 0xee, sizeof(ring_mem));
  ring->slot_max = SLOTS;
  wcx_jring_producer_init(&producer, ring, end_pos, released_seq);
  consumer = (wcx_jring_consumer_t){.ring = ring, .next_seq = released_seq + 1};
  return 0;
}

static void fresh_ring(void)
{
  ring_at_seq(0);
}

/* Record seq has a body of body_sz bytes, each (uint8_t)(seq + place). */
static void commit(uint16_t body_sz)
{
  uint8_t body[WCX_RECORD_BODY_SZ_MAX];
  wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .template_id = 101, .shard = SHARD, .seq = producer.next_seq, .stamp_ns = producer.next_seq, .body_sz = body_sz};
  for (unsigned i = 0; i < body_sz; i++)
    body[i] = (uint8_t)(hdr.seq + i);
  wcx_jring_commit(&producer, &hdr, body);
}

static void take_and_check(uint64_t seq, uint16_t body_sz)
{
  uint32_t sz = 0;
  memset(taken, 0xdd, sizeof(taken));
  assert_int_equal(wcx_jring_take(&consumer, SHARD, taken, &sz), WCX_JRING_RECORD);
  wcx_record_hdr_t hdr;
  memcpy(&hdr, taken, sizeof(hdr));
  assert_int_equal(hdr.seq, seq);
  assert_int_equal(hdr.body_sz, body_sz);
  assert_int_equal(sz, wcx_record_sz(body_sz));
  for (unsigned i = 0; i < body_sz; i++)
    assert_int_equal(taken[64 + i], (uint8_t)(seq + i));
  for (unsigned i = 64u + body_sz; i < sz; i++)
    assert_int_equal(taken[i], 0);
}

static void assert_empty(void)
{
  uint32_t sz;
  wcx_jring_consumer_t before = consumer;
  assert_int_equal(wcx_jring_take(&consumer, SHARD, taken, &sz), WCX_JRING_EMPTY);
  assert_true(consumer.pos == before.pos && consumer.next_seq == before.next_seq);
}

static void ring_carries_every_size(void **state)
{
  (void)state;
  fresh_ring();
  assert_empty();
  uint64_t seq = 0;
  for (uint16_t body_sz = 0; body_sz <= WCX_RECORD_BODY_SZ_MAX; body_sz++)
  {
    assert_true(wcx_jring_room(&producer, seq) >= WCX_JRING_RECORD_SLOTS_MAX);
    commit(body_sz);
    take_and_check(++seq, body_sz);
    assert_empty();
  }
}

static void ring_never_wraps_a_record(void **state)
{
  (void)state;
  for (unsigned before = 0; before < SLOTS; before++)
  {
    fresh_ring();
    for (unsigned i = 0; i < before; i++)
    {
      commit(80);
      take_and_check(i + 1, 80);
      wcx_jring_room(&producer, i + 1);
    }
    commit(WCX_RECORD_BODY_SZ_MAX); /* 6 slots */
    uint64_t want = before + 6 <= SLOTS ? before + 6 : SLOTS + 6;
    assert_true(producer.pos == want);
    take_and_check(before + 1, WCX_RECORD_BODY_SZ_MAX);
    assert_true(consumer.pos == want);
    commit(0);
    take_and_check(before + 2, 0);
  }
}

static void ring_shows_nothing_before_the_first_slot_is_committed(void **state)
{
  (void)state;
  fresh_ring();
  commit(WCX_RECORD_BODY_SZ_MAX);
  wcx_jring_slot_t *first = wcx_jring_at(ring, 0);
  first->commit = 0;
  assert_empty();
  first->commit = 1;
  take_and_check(1, WCX_RECORD_BODY_SZ_MAX);
}

/* The producer is looked at in the middle of a record: the second page of the body cannot be read until it is touched. */
static uint8_t *second_page;
static _Atomic uint64_t seen_commit; /* by a handler */

static void look_at_the_ring(int number)
{
  (void)number;
  seen_commit = atomic_load(&wcx_jring_at(ring, 0)->commit);
  if (mprotect(second_page, 4096, PROT_READ | PROT_WRITE) != 0)
    _exit(9);
}

static void ring_commits_the_first_slot_last(void **state)
{
  (void)state;
  uint8_t *pages = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(pages != MAP_FAILED);
  second_page = pages + 4096;
  struct sigaction look = {.sa_handler = look_at_the_ring}, before;
  for (uint16_t in_first = 8; in_first < 1000; in_first += 240) /* of the body: less than the first slot takes, and more */
  {
    fresh_ring();
    wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .template_id = 101, .shard = SHARD, .seq = producer.next_seq, .stamp_ns = 1, .body_sz = 1000};
    seen_commit = UINT64_MAX;
    assert_int_equal(mprotect(second_page, 4096, PROT_NONE), 0);
    assert_int_equal(sigaction(SIGSEGV, &look, &before), 0);
    wcx_jring_commit(&producer, &hdr, second_page - in_first);
    assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
    assert_int_equal(seen_commit, 0);
    assert_int_equal(atomic_load(&wcx_jring_at(ring, 0)->commit), hdr.seq);
  }
  munmap(pages, 2 * 4096);
}

static void ring_does_not_take_a_stale_slot_for_the_next(void **state)
{
  (void)state;
  fresh_ring();
  for (uint64_t seq = 1; seq <= 3 * SLOTS; seq++)
  {
    commit(80);
    take_and_check(seq, 80);
    assert_empty();
    wcx_jring_room(&producer, seq);
  }
}

static void room_follows_the_release_word_alone(void **state)
{
  (void)state;
  fresh_ring();
  assert_int_equal(wcx_jring_room(&producer, 0), SLOTS);
  commit(80);
  commit(WCX_RECORD_BODY_SZ_MAX);
  commit(80);
  assert_int_equal(wcx_jring_room(&producer, 0), SLOTS - 8);
  take_and_check(1, 80);
  take_and_check(2, WCX_RECORD_BODY_SZ_MAX);
  assert_int_equal(wcx_jring_room(&producer, 0), SLOTS - 8); /* taken is not released */
  assert_int_equal(wcx_jring_room(&producer, 1), SLOTS - 7);
  assert_int_equal(wcx_jring_room(&producer, 2), SLOTS - 1);
  assert_int_equal(wcx_jring_room(&producer, 1), SLOTS - 1); /* an older reading takes nothing back */
  assert_int_equal(wcx_jring_room(&producer, 99), SLOTS);    /* nor does one from a foreign future give too much */
}

static void room_counts_what_a_skip_cost(void **state)
{
  (void)state;
  fresh_ring();
  for (uint64_t seq = 1; seq <= SLOTS - 2; seq++)
  {
    commit(80);
    assert_int_equal(wcx_jring_room(&producer, seq), SLOTS);
  }
  commit(WCX_RECORD_BODY_SZ_MAX);
  assert_int_equal(wcx_jring_room(&producer, SLOTS - 2), SLOTS - 8);
  assert_int_equal(wcx_jring_room(&producer, SLOTS - 1), SLOTS);
}

static void find_gives_the_place_of_any_record_still_there(void **state)
{
  (void)state;
  fresh_ring();
  for (uint64_t seq = 1; seq <= 200; seq++)
  {
    commit(seq % 5 == 0 ? WCX_RECORD_BODY_SZ_MAX : 80);
    wcx_jring_room(&producer, seq > 10 ? seq - 10 : 0);
    for (uint64_t from = seq > 10 ? seq - 10 : 1; from <= seq; from++)
    {
      assert_true(wcx_jring_find(&consumer, from));
      for (uint64_t next = from; next <= seq; next++)
        take_and_check(next, next % 5 == 0 ? WCX_RECORD_BODY_SZ_MAX : 80);
      assert_empty();
    }
    assert_true(wcx_jring_find(&consumer, seq + 1));
    assert_empty();
  }
}

static void find_waits_where_the_producer_goes_on(void **state)
{
  (void)state;
  for (uint64_t cnt = 0; cnt <= 2 * SLOTS; cnt++)
  {
    ring_at_seq(1000);
    for (uint64_t i = 1; i <= cnt; i++)
    {
      commit(80);
      wcx_jring_room(&producer, 1000 + i);
    }
    assert_true(wcx_jring_find(&consumer, 1000 + cnt + 1));
    assert_empty();
    commit(WCX_RECORD_BODY_SZ_MAX);
    take_and_check(1000 + cnt + 1, WCX_RECORD_BODY_SZ_MAX);
  }
}

static void find_says_when_records_are_lost(void **state)
{
  (void)state;
  ring_at_seq(1000);
  commit(80);
  commit(80);
  assert_false(wcx_jring_find(&consumer, 1000)); /* the oldest there is 1001 */
  commit(80);
  wcx_jring_at(ring, 1)->commit = 0;
  assert_false(wcx_jring_find(&consumer, 1002)); /* a hole */
}

/* What a broken producer may leave: each is told, nothing is consumed, nothing is read outside the slots. */
static void assert_corrupt(void)
{
  uint32_t sz;
  wcx_jring_consumer_t before = consumer;
  assert_int_equal(wcx_jring_take(&consumer, SHARD, taken, &sz), WCX_JRING_CORRUPT);
  assert_true(consumer.pos == before.pos && consumer.next_seq == before.next_seq);
}

static wcx_jring_slot_t *sound_record(void)
{
  fresh_ring();
  commit(300);
  return wcx_jring_at(ring, 0);
}

static void corrupt_slots_are_told(void **state)
{
  (void)state;
  static const uint32_t sizes[] = {0, 63, 64, 300, 65, WCX_RECORD_SZ_MAX + 8, UINT32_MAX};
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
  {
    sound_record()->sz = sizes[i];
    assert_corrupt();
  }
  static const uint32_t slot_cnts[] = {0, 1, 3, UINT32_MAX};
  for (size_t i = 0; i < sizeof(slot_cnts) / sizeof(slot_cnts[0]); i++)
  {
    sound_record()->slot_cnt = slot_cnts[i];
    assert_corrupt();
  }
  sound_record();
  wcx_jring_at(ring, 1)->commit = WCX_JRING_CONTINUED | 2;
  assert_corrupt();
}

/* All its slots are there and agree: only the size says that it would write behind what the consumer has room for. */
static void a_record_that_is_too_long_is_told(void **state)
{
  (void)state;
  static struct
  {
    uint8_t record[WCX_RECORD_SZ_MAX];
    uint8_t behind[4096];
  } out;
  uint32_t sz = WCX_RECORD_SZ_MAX + 1024;
  wcx_jring_slot_t *first = sound_record();
  first->sz = sz;
  first->slot_cnt = wcx_jring_slots_of(sz);
  for (uint32_t i = 1; i < first->slot_cnt; i++)
    wcx_jring_at(ring, i)->commit = WCX_JRING_CONTINUED | 1;
  memset(&out, 0x5a, sizeof(out));
  assert_int_equal(wcx_jring_take(&consumer, SHARD, out.record, &sz), WCX_JRING_CORRUPT);
  for (size_t i = 0; i < sizeof(out.behind); i++)
    assert_int_equal(out.behind[i], 0x5a);
}

static void corrupt_headers_are_told(void **state)
{
  (void)state;
  static const size_t offs[] = {offsetof(wcx_record_hdr_t, format),  offsetof(wcx_record_hdr_t, seq),       offsetof(wcx_record_hdr_t, shard),
                                offsetof(wcx_record_hdr_t, body_sz), offsetof(wcx_record_hdr_t, reserved0), offsetof(wcx_record_hdr_t, reserved1)};
  for (size_t i = 0; i < sizeof(offs) / sizeof(offs[0]); i++)
  {
    sound_record()->bytes[offs[i]] ^= 0x80;
    assert_corrupt();
  }
  sound_record();
  take_and_check(1, 300);
}

static void a_record_that_claims_to_cross_the_end_is_told(void **state)
{
  (void)state;
  fresh_ring();
  for (uint64_t seq = 1; seq < SLOTS; seq++)
  {
    commit(80);
    take_and_check(seq, 80);
    wcx_jring_room(&producer, seq);
  }
  commit(80);
  wcx_jring_slot_t *last = wcx_jring_at(ring, SLOTS - 1);
  last->sz = WCX_RECORD_SZ_MAX;
  last->slot_cnt = 6;
  assert_corrupt();
}

/* --- release words --------------------------------------------------------------------------------------------------------------------- */

static void release_word_carries_seq_and_low_epoch(void **state)
{
  (void)state;
  uint64_t word = wcx_release_pack(0x12345, WCX_RELEASE_SEQ_MAX);
  assert_true(wcx_release_seq(word) == WCX_RELEASE_SEQ_MAX);
  assert_int_equal(wcx_release_epoch16(word), 0x2345);
  word = wcx_release_pack(1, 0);
  assert_true(wcx_release_seq(word) == 0 && wcx_release_epoch16(word) == 1);
  assert_true(wcx_release_pack(7, 100) < wcx_release_pack(7, 101));
}

/* --- auth ring ------------------------------------------------------------------------------------------------------------------------- */

static wcx_auth_half_t half;

static void auth_ring_keeps_order_and_refuses_when_full(void **state)
{
  (void)state;
  memset(&half, 0, sizeof(half));
  wcx_auth_slot_t slot = {0}, got = {0};
  assert_false(wcx_auth_pop(&half, &got));
  for (unsigned round = 0; round < 3; round++)
  {
    for (unsigned i = 0; i < WCX_AUTH_RING_MAX; i++)
    {
      slot.nonce = round * 1000 + i;
      slot.establish.uuid = ~slot.nonce;
      assert_true(wcx_auth_push(&half, &slot));
    }
    assert_false(wcx_auth_push(&half, &slot));
    for (unsigned i = 0; i < WCX_AUTH_RING_MAX - (round == 1 ? 100 : 0); i++)
    {
      assert_true(wcx_auth_pop(&half, &got));
      assert_true(got.nonce == round * 1000 + i && got.establish.uuid == ~got.nonce);
    }
    while (wcx_auth_pop(&half, &got))
      assert_int_equal(round, 1);
  }
}

static void auth_ring_goes_on_after_a_restart_of_either_side(void **state)
{
  (void)state;
  memset(&half, 0, sizeof(half));
  wcx_auth_slot_t slot = {.nonce = 1}, got = {0};
  assert_true(wcx_auth_push(&half, &slot));
  slot.nonce = 2;
  assert_true(wcx_auth_push(&half, &slot));
  assert_true(wcx_auth_pop(&half, &got));
  wcx_auth_half_t *mapped_again = &half; /* all state is in the shared half: there is nothing else to restore */
  assert_true(wcx_auth_pop(mapped_again, &got));
  assert_int_equal(got.nonce, 2);
  assert_false(wcx_auth_pop(mapped_again, &got));
}

/* --- region file ----------------------------------------------------------------------------------------------------------------------- */

static char dir[64];
static char path[96];
static wcx_params_t params;
static char err[512];

static int make_folder(void **state)
{
  (void)state;
  snprintf(dir, sizeof(dir), "/tmp/wcx-shm-XXXXXX");
  if (mkdtemp(dir) == NULL)
    return -1;
  snprintf(path, sizeof(path), "%s/region", dir);
  memset(&params, 0, sizeof(params));
  params.magic = WCX_PARAMS_MAGIC;
  params.version = WCX_PARAMS_VERSION;
  params.sz = sizeof(params);
  params.shard_cnt = 2;
  params.shards[0] = (wcx_params_shard_t){.shard = 1, .jring_slot_max = 64};
  params.shards[1] = (wcx_params_shard_t){.shard = 2, .jring_slot_max = 16384};
  snprintf(params.state_dir, sizeof(params.state_dir), "/somewhere");
  return 0;
}

static int remove_folder(void **state)
{
  (void)state;
  char temp[112];
  snprintf(temp, sizeof(temp), "%s.new", path);
  unlink(temp);
  unlink(path);
  return rmdir(dir);
}

static void region_is_made_whole(void **state)
{
  (void)state;
  wcx_region_file_t file, again;
  assert_true(wcx_region_create(&file, path, &params, err, sizeof(err)));
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0660);
  assert_int_equal(st.st_size, file.sz);
  assert_int_equal(wcx_region_open(&again, path, true, err, sizeof(err)), WCX_REGION_OK);
  uint8_t boot_id[16];
  wcx_region_boot_id(boot_id);
  assert_memory_equal(again.region->boot_id, boot_id, 16);
  assert_string_equal(again.region->params.state_dir, "/somewhere");
  assert_int_equal(again.region->params_ready, 1);
  for (uint32_t i = 0; i < 2; i++)
  {
    wcx_region_shard_t *shard = wcx_region_shard(again.region, i);
    assert_int_equal(again.region->shard_off[i] % WCX_REGION_ALIGN, 0);
    assert_int_equal(shard->jring.slot_max, params.shards[i].jring_slot_max);
    assert_int_equal(shard->release.release_word, 0);
    assert_true((uint8_t *)wcx_jring_at(&shard->jring, shard->jring.slot_max - 1) + sizeof(wcx_jring_slot_t) <= (uint8_t *)again.region + again.sz);
  }
  assert_true(again.region->shard_off[0] + wcx_region_shard_footprint(64) <= again.region->shard_off[1]);
  wcx_region_shard(file.region, 1)->release.flushed_seq = 77; /* one memory, two mappings */
  assert_int_equal(wcx_region_shard(again.region, 1)->release.flushed_seq, 77);
  wcx_region_close(&again);
  wcx_region_close(&file);
}

static void region_made_anew_leaves_the_old_mapping_alone(void **state)
{
  (void)state;
  wcx_region_file_t old, anew;
  uint8_t region_id[16];
  assert_true(wcx_region_create(&old, path, &params, err, sizeof(err)));
  memcpy(region_id, old.region->region_id, 16);
  assert_true(wcx_region_create(&anew, path, &params, err, sizeof(err)));
  assert_memory_equal(old.region->region_id, region_id, 16);
  assert_memory_not_equal(anew.region->region_id, region_id, 16);
  wcx_region_close(&old);
  wcx_region_close(&anew);
}

static void region_open_says_what_is_wrong(void **state)
{
  (void)state;
  wcx_region_file_t file, bad;
  unlink(path);
  assert_int_equal(wcx_region_open(&bad, path, true, err, sizeof(err)), WCX_REGION_MISSING);
  assert_int_equal(bad.fd, -1);

  assert_true(wcx_region_create(&file, path, &params, err, sizeof(err)));
  for (uint32_t i = 0; i < 16; i++)
  {
    file.region->boot_id[i] ^= 1;
    assert_int_equal(wcx_region_open(&bad, path, true, err, sizeof(err)), WCX_REGION_OTHER_BOOT);
    file.region->boot_id[i] ^= 1;
  }
  uint8_t *const flips[] = {(uint8_t *)&file.region->magic,
                            (uint8_t *)&file.region->layout,
                            (uint8_t *)&file.region->sz,
                            (uint8_t *)&file.region->shard_off[1],
                            (uint8_t *)&file.region->params_ready,
                            (uint8_t *)&file.region->params.state_dir[200],
                            (uint8_t *)&file.region->params.version,
                            (uint8_t *)&wcx_region_shard(file.region, 0)->jring.slot_max};
  for (size_t i = 0; i < sizeof(flips) / sizeof(flips[0]); i++)
  {
    *flips[i] ^= 0x10;
    assert_int_equal(wcx_region_open(&bad, path, true, err, sizeof(err)), WCX_REGION_BAD);
    assert_int_equal(bad.fd, -1);
    *flips[i] ^= 0x10;
  }
  atomic_store(&file.region->params_ready, 0); /* its maker died */
  assert_int_equal(wcx_region_open(&bad, path, true, err, sizeof(err)), WCX_REGION_BAD);
  atomic_store(&file.region->params_ready, 1);
  file.region->params.digest.lo ^= 1;
  assert_int_equal(wcx_region_open(&bad, path, true, err, sizeof(err)), WCX_REGION_BAD);
  file.region->params.digest.lo ^= 1;
  assert_int_equal(wcx_region_open(&bad, path, false, err, sizeof(err)), WCX_REGION_OK);
  wcx_region_close(&bad);
  wcx_region_close(&file);
  assert_int_equal(truncate(path, 100), 0);
  assert_int_equal(wcx_region_open(&bad, path, true, err, sizeof(err)), WCX_REGION_BAD);
}

static void region_create_refuses_parameters_that_cannot_be(void **state)
{
  (void)state;
  wcx_region_file_t file;
  wcx_params_t sound = params;
  unlink(path);
  params.shards[1].jring_slot_max = 65;
  assert_false(wcx_region_create(&file, path, &params, err, sizeof(err)));
  params = sound;
  params.shard_cnt = 0;
  assert_false(wcx_region_create(&file, path, &params, err, sizeof(err)));
  params.shard_cnt = WCX_SHARDS_MAX + 1;
  assert_false(wcx_region_create(&file, path, &params, err, sizeof(err)));
  params = sound;
  params.sz--;
  assert_false(wcx_region_create(&file, path, &params, err, sizeof(err)));
  params = sound;
  assert_false(wcx_region_create(&file, "/nowhere/at/all/region", &params, err, sizeof(err)));
  assert_non_null(strstr(err, "/nowhere/at/all"));
  assert_int_equal(access(path, F_OK), -1);
}

static void region_is_made_by_one_at_a_time(void **state)
{
  (void)state;
  char temp[112];
  snprintf(temp, sizeof(temp), "%s.new", path);
  unlink(path);
  int fd = open(temp, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
  assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
  wcx_region_file_t file;
  assert_false(wcx_region_create(&file, path, &params, err, sizeof(err)));
  assert_non_null(strstr(err, "another process"));
  close(fd); /* a maker that died leaves its file and no lock */
  assert_true(wcx_region_create(&file, path, &params, err, sizeof(err)));
  wcx_region_close(&file);
}

/* Another maker gives its region the name between our opening of its temporary file and our lock, and a third one begins a file of its own. */
static const char *renamed_from;

int __real_fcntl(int fd, int command, void *arg);
int __wrap_fcntl(int fd, int command, void *arg);

int __wrap_fcntl(int fd, int command, void *arg)
{
  if (renamed_from != NULL && command == F_OFD_SETLK && (rename(renamed_from, path) != 0 || close(open(renamed_from, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) != 0))
    abort();
  return __real_fcntl(fd, command, arg);
}

static void region_of_another_maker_is_not_touched(void **state)
{
  (void)state;
  char temp[112];
  snprintf(temp, sizeof(temp), "%s.new", path);
  wcx_region_file_t theirs, file;
  assert_true(wcx_region_create(&theirs, path, &params, err, sizeof(err)));
  assert_int_equal(rename(path, temp), 0);
  wcx_region_close(&theirs); /* and its lock with it */
  renamed_from = temp;
  assert_false(wcx_region_create(&file, path, &params, err, sizeof(err)));
  renamed_from = NULL;
  assert_int_equal(wcx_region_open(&theirs, path, true, err, sizeof(err)), WCX_REGION_OK);
  wcx_region_close(&theirs);
}

/* Another process that holds the locks of two roles until it is told to die. */
static pid_t holder(int *tell)
{
  int ready[2], die[2];
  assert_true(pipe(ready) == 0 && pipe(die) == 0);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
  {
    wcx_region_file_t file;
    char byte = 0;
    close(die[1]);
    bool got = wcx_region_open(&file, path, true, err, sizeof(err)) == WCX_REGION_OK && wcx_region_lock(&file, WCX_REGION_LOCK_DATAPLANE) &&
               wcx_region_lock(&file, WCX_REGION_LOCK_JOURNAL + 1);
    if (got && write(ready[1], "x", 1) == 1)
      (void)!read(die[0], &byte, 1);
    _exit(0);
  }
  char byte;
  close(ready[1]);
  close(die[0]);
  assert_int_equal(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  *tell = die[1];
  return pid;
}

static void locks_are_seen_by_others_and_end_with_their_process(void **state)
{
  (void)state;
  wcx_region_file_t file;
  assert_true(wcx_region_create(&file, path, &params, err, sizeof(err)));
  assert_false(wcx_region_alive(&file, WCX_REGION_LOCK_DATAPLANE));
  int tell;
  pid_t pid = holder(&tell);
  assert_true(wcx_region_alive(&file, WCX_REGION_LOCK_DATAPLANE));
  assert_true(wcx_region_alive(&file, WCX_REGION_LOCK_JOURNAL + 1));
  assert_false(wcx_region_alive(&file, WCX_REGION_LOCK_JOURNAL));
  assert_false(wcx_region_alive(&file, WCX_REGION_LOCK_AUTH));
  assert_false(wcx_region_lock(&file, WCX_REGION_LOCK_DATAPLANE));
  assert_true(wcx_region_lock(&file, WCX_REGION_LOCK_AUTH));
  assert_true(wcx_region_lock(&file, WCX_REGION_LOCK_AUTH)); /* one's own lock is no obstacle */
  close(tell);
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  assert_false(wcx_region_alive(&file, WCX_REGION_LOCK_DATAPLANE));
  assert_true(wcx_region_lock(&file, WCX_REGION_LOCK_DATAPLANE));
  wcx_region_close(&file);
}

static void a_reader_sees_locks_too(void **state)
{
  (void)state;
  wcx_region_file_t file, reader;
  assert_true(wcx_region_create(&file, path, &params, err, sizeof(err)));
  assert_int_equal(wcx_region_open(&reader, path, false, err, sizeof(err)), WCX_REGION_OK);
  assert_false(wcx_region_alive(&reader, WCX_REGION_LOCK_CONTROLD));
  assert_true(wcx_region_lock(&file, WCX_REGION_LOCK_CONTROLD));
  assert_true(wcx_region_alive(&reader, WCX_REGION_LOCK_CONTROLD));
  wcx_region_close(&reader); /* a look at the region ends no lock of the same process */
  assert_int_equal(wcx_region_open(&reader, path, false, err, sizeof(err)), WCX_REGION_OK);
  assert_true(wcx_region_alive(&reader, WCX_REGION_LOCK_CONTROLD));
  wcx_region_close(&file);
  assert_false(wcx_region_alive(&reader, WCX_REGION_LOCK_CONTROLD));
  wcx_region_close(&reader);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ring_carries_every_size),
      cmocka_unit_test(ring_never_wraps_a_record),
      cmocka_unit_test(ring_shows_nothing_before_the_first_slot_is_committed),
      cmocka_unit_test(ring_commits_the_first_slot_last),
      cmocka_unit_test(ring_does_not_take_a_stale_slot_for_the_next),
      cmocka_unit_test(room_follows_the_release_word_alone),
      cmocka_unit_test(room_counts_what_a_skip_cost),
      cmocka_unit_test(find_gives_the_place_of_any_record_still_there),
      cmocka_unit_test(find_waits_where_the_producer_goes_on),
      cmocka_unit_test(find_says_when_records_are_lost),
      cmocka_unit_test(corrupt_slots_are_told),
      cmocka_unit_test(a_record_that_is_too_long_is_told),
      cmocka_unit_test(corrupt_headers_are_told),
      cmocka_unit_test(a_record_that_claims_to_cross_the_end_is_told),
      cmocka_unit_test(release_word_carries_seq_and_low_epoch),
      cmocka_unit_test(auth_ring_keeps_order_and_refuses_when_full),
      cmocka_unit_test(auth_ring_goes_on_after_a_restart_of_either_side),
      cmocka_unit_test(region_is_made_whole),
      cmocka_unit_test(region_made_anew_leaves_the_old_mapping_alone),
      cmocka_unit_test(region_open_says_what_is_wrong),
      cmocka_unit_test(region_create_refuses_parameters_that_cannot_be),
      cmocka_unit_test(region_is_made_by_one_at_a_time),
      cmocka_unit_test(region_of_another_maker_is_not_touched),
      cmocka_unit_test(locks_are_seen_by_others_and_end_with_their_process),
      cmocka_unit_test(a_reader_sees_locks_too),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
