/* A start from a snapshot is a start from the first input: the same engine, the same numbers, and the same messages to be asked for again, wherever in the
   history the snapshot was taken.

   A loop trades; a replica follows the same journal and takes snapshots of it. Now and then both starts are made beside each other and compared whole; now and
   then the loop dies and starts as it does in production, from the newest snapshot. Logs are small, so that windows begin in the middle of the history; days
   roll, so that numbers start again. */
#include "tests/unit/replica_fixture.h"

#include "dataplane/start.h"
#include "engine/limits.h"

#include <string.h>

#define LOOP_LOG_SZ (2u << 20) /* of the loop that trades: the least that its parameters allow */
#define LOG_SZ (512u << 10)    /* of the starts that are compared, and of the replica: so that it is written round and round */
#define RETAIN_SESSION 1024u
#define RETAIN_FEED 4096u
#define CLIENTS 4u
#define INSTRUMENTS 2u
#define PARTS 8u /* of a start's memory */

static uint64_t prng;

static uint64_t draw(void)
{
  prng += UINT64_C(0x9e3779b97f4a7c15);
  return wcx_digest_fold(prng ^ WCX_DIGEST_K1, prng ^ WCX_DIGEST_K2);
}

static uint64_t below(uint64_t bound)
{
  return draw() % bound;
}

static void tune(wcx_params_t *params)
{
  snprintf(params->state_dir, sizeof(params->state_dir), "%s", state_dir);
  params->establish_per_source_per_s = 100000;
  wcx_params_shard_t *shard = &params->shards[0];
  shard->orders_max = 100;
  shard->levels_max = 100;
  shard->outlog_sz = LOOP_LOG_SZ;
  shard->retain_session_msgs = RETAIN_SESSION;
  shard->retain_feed_msgs = RETAIN_FEED;
  params->accounts[0].firm = params->accounts[1].firm = 7;
  params->sessions[0].drop_copy = WCX_DROP_SESSION;
  params->sessions[1].drop_copy = WCX_DROP_FIRM;
  params->sessions[2].drop_copy = WCX_DROP_ACCOUNT;
}

/* --- one start, all of it but the loop around ----------------------------------------------------------- */

typedef struct side
{
  wcx_outlog_t log;
  wcx_input_t input;
  wcx_sessions_t sessions;
  wcx_links_t links;
  wcx_drop_copy_t drop;
  wcx_feed_t feed;
  wcx_gate_t gate;
  wcx_start_t start;
  void *mem[PARTS];
} side_t;

static void *part(side_t *side, uint32_t i, size_t sz)
{
  side->mem[i] = aligned_alloc(4096, (sz + 4095) & ~(size_t)4095);
  assert_non_null(side->mem[i]);
  memset(side->mem[i], 0xa5, sz);
  return side->mem[i];
}

/* Start over the world's journal as it is now. `from`: the state directory as this start sees it. */
static void side_start(side_t *side, const world_t *w, const char *from, uint64_t outlog_sz)
{
  memset(side, 0, sizeof(*side));
  static wcx_params_t params; /* `from` stays with the start */
  params = w->region->params;
  snprintf(params.state_dir, sizeof(params.state_dir), "%s", from);
  const wcx_params_shard_t *shard = &params.shards[0];
  wcx_engine_limits_t limits = wcx_engine_limits_of(shard, draw());
  side->start = (wcx_start_t){.input = &side->input, .gate = &side->gate, .feed = &side->feed, .params = &params, .shard = shard, .phase = WCX_START_ASK, .limits = limits};
  side->start.engine_sz = wcx_engine_footprint(&limits);
  side->start.engine_mem = part(side, 0, side->start.engine_sz);
  wcx_region_shard_t *shm = part(side, 7, wcx_region_shard_footprint(shard->jring_slot_max));
  memset(shm, 0, wcx_region_shard_footprint(shard->jring_slot_max));
  shm->jring.slot_max = shard->jring_slot_max;
  side->input = (wcx_input_t){.engine = wcx_engine_new(side->start.engine_mem, side->start.engine_sz, &limits), .log = &side->log, .shm = shm, .shard = 1, .journaled = 1};
  wcx_outlog_init(&side->log, part(side, 1, outlog_sz), outlog_sz);
  wcx_sessions_init(&side->sessions, part(side, 2, wcx_sessions_footprint(16, 16, RETAIN_SESSION)), 16, 16, RETAIN_SESSION, limits.hash_key);
  wcx_drop_copy_init(&side->drop, part(side, 3, wcx_drop_copy_footprint(&params, shard)), &params, shard, side->input.engine, &side->log);
  uint64_t *positions = part(side, 4, RETAIN_FEED * sizeof(uint64_t));
  memset(positions, 0, RETAIN_FEED * sizeof(uint64_t));
  side->feed = (wcx_feed_t){.next_released = 1, .retain = {.positions = positions, .max = RETAIN_FEED}};
  side->start.walk_buf = part(side, 5, WCX_JOURNAL_WALK_BUF_SZ);
  side->start.end_pos = part(side, 6, shard->jring_slot_max * sizeof(uint64_t));
  side->links.sessions = &side->sessions;
  side->gate = (wcx_gate_t){.log = &side->log, .sessions = &side->sessions, .links = &side->links, .drop = &side->drop, .feed = &side->feed};

  wcx_region_handshake_t *handshake = &side->input.shm->handshake; /* a region of its own: the loop that runs goes on */
  assert_int_equal(wcx_start_step(&side->start), 1);
  atomic_store(&handshake->answered, side->start.asked);
  atomic_store(&handshake->granted_epoch, w->epoch);
  atomic_store(&handshake->cut_seq, w->durable_seq);
  for (uint32_t i = 0; i < 1000000 && side->start.phase < WCX_START_GENESIS; i++)
    (void)wcx_start_step(&side->start);
  assert_int_equal(side->start.phase, WCX_START_GENESIS);
  assert_int_equal(side->input.applied_seq, w->durable_seq);
}

static void side_free(side_t *side)
{
  for (uint32_t i = 0; i < PARTS; i++)
    free(side->mem[i]);
}

/* --- equal in all that can be seen ----------------------------------------------------------------------- */

static void assert_same_entry(const wcx_out_entry_t *a, const wcx_out_entry_t *b)
{
  assert_true((a == NULL) == (b == NULL));
  if (a != NULL)
    assert_memory_equal(a, b, sizeof(*a) + a->len);
}

/* As rerequest.c looks a message of the feed up. */
static const wcx_out_entry_t *feed_message(side_t *side, const wcx_feed_day_t *day, uint64_t number)
{
  const wcx_out_entry_t *entry = wcx_retain_get(&side->feed.retain, &side->log, WCX_STREAM_FEED, 1, number);
  return entry != NULL && wcx_feed_day_of(&side->feed, entry->input_seq) == day ? entry : NULL;
}

static const wcx_feed_day_t *feed_day(const side_t *side, uint32_t back)
{
  return back < side->feed.day_cnt && back < WCX_FEED_DAYS_MAX ? &side->feed.days[(side->feed.day_cnt - 1 - back) % WCX_FEED_DAYS_MAX] : NULL;
}

static void assert_same_feed(side_t *a, side_t *b)
{
  assert_int_equal(a->feed.next_released, b->feed.next_released);
  assert_int_equal(a->feed.passed_seq, b->feed.passed_seq);
  assert_int_equal(a->feed.passed_day_seq, b->feed.passed_day_seq);
  for (uint32_t back = 0; back < WCX_FEED_DAYS_MAX; back++)
  {
    const wcx_feed_day_t *of_a = feed_day(a, back);
    const wcx_feed_day_t *of_b = feed_day(b, back);
    assert_true((of_a == NULL) == (of_b == NULL));
    if (of_a == NULL)
      continue;
    assert_memory_equal(of_a->session, of_b->session, sizeof(of_a->session));
    assert_int_equal(of_a->from_seq, of_b->from_seq);
    uint64_t end = back == 0 ? a->feed.next_released : of_a->next_number;
    if (back > 0)
      assert_int_equal(of_a->next_number, of_b->next_number);
    for (uint64_t number = end > RETAIN_FEED ? end - RETAIN_FEED : 1; number < end; number++)
      assert_same_entry(feed_message(a, of_a, number), feed_message(b, of_b, number));
  }
}

/* Returns how many messages of sessions can still be asked for. */
static uint64_t assert_same_sessions(side_t *a, side_t *b)
{
  uint64_t kept = 0;
  assert_int_equal(a->sessions.session_cnt, b->sessions.session_cnt);
  for (uint32_t i = 0; i < a->sessions.session_cnt; i++)
  {
    const wcx_session_t *of_a = &a->sessions.sessions[i];
    const wcx_session_t *of_b = &b->sessions.sessions[i];
    assert_int_equal(of_a->session_id, of_b->session_id);
    assert_int_equal(of_a->next_released, of_b->next_released);
    for (uint64_t number = 1; number < of_a->next_released; number++)
    {
      const wcx_out_entry_t *entry = wcx_retain_get(&of_a->retain, &a->log, WCX_STREAM_SESSION, of_a->session_id, number);
      assert_same_entry(entry, wcx_retain_get(&of_b->retain, &b->log, WCX_STREAM_SESSION, of_a->session_id, number));
      kept += entry != NULL;
    }
  }
  return kept;
}

static void assert_same_drop_copies(side_t *a, side_t *b)
{
  assert_int_equal(a->drop.stream_cnt, 3);
  for (uint32_t i = 0; i < a->drop.stream_cnt; i++)
  {
    assert_int_equal(a->drop.streams[i].next, b->drop.streams[i].next);
    for (uint64_t number = 1; number < a->drop.streams[i].next; number++)
      assert_same_entry(wcx_drop_copy_get(&a->drop, i, number), wcx_drop_copy_get(&b->drop, i, number));
  }
}

static uint64_t assert_same_sides(side_t *a, side_t *b)
{
  wcx_digest_t digests[4] = {wcx_engine_output_digest(a->input.engine), wcx_engine_output_digest(b->input.engine), wcx_engine_state_digest(a->input.engine),
                             wcx_engine_state_digest(b->input.engine)};
  assert_memory_equal(&digests[0], &digests[1], sizeof(digests[0]));
  assert_memory_equal(&digests[2], &digests[3], sizeof(digests[2]));
  assert_int_equal(wcx_engine_applied_seq(a->input.engine), wcx_engine_applied_seq(b->input.engine));
  assert_int_equal(a->input.last_stamp_ns, b->input.last_stamp_ns);
  assert_int_equal(a->start.genesis_seq, b->start.genesis_seq);
  assert_int_equal(a->links.day_seq, b->links.day_seq);
  wcx_engine_verify(b->input.engine);
  assert_same_feed(a, b);
  assert_same_drop_copies(a, b);
  return assert_same_sessions(a, b);
}

/* --- what happens ----------------------------------------------------------------------------------------- */

static void trade(world_t *w, client_t *clients, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
  {
    client_t *client = &clients[below(CLIENTS)];
    if (below(8) == 0)
    {
      wcx_order_cancel_request_t cancel = {.cl_ord_id = ++client->cl_ord_id, .orig_cl_ord_id = client->cl_ord_id > 1 ? 1 + below(client->cl_ord_id - 1) : 1};
      cancel.security_id = 1 + (uint32_t)below(INSTRUMENTS);
      cancel.order_id = WCX_U64_NULL;
      client_send(w, client, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, &cancel, sizeof(cancel));
    }
    else
    {
      client_send_order(w, client, 1 + (uint32_t)below(INSTRUMENTS), below(2) ? WCX_SIDE_BUY : WCX_SIDE_SELL, 100 + (int64_t)below(7), 1 + (int64_t)below(9),
                        below(4) ? WCX_TIME_IN_FORCE_GTC : WCX_TIME_IN_FORCE_IOC);
    }
    if (i % 16 == 15)
    {
      world_turns(w, 2);
      world_drain(w);
    }
  }
  world_turns(w, 8);
  world_drain(w);
}

static void begin(world_t *w, client_t *clients)
{
  world_open(w, world_region(1, tune), 0);
  world_start(w);
  for (uint32_t i = 0; i < CLIENTS; i++)
  {
    clients[i] = client_of(i + 1);
    if (below(4) != 0)
      client_sign_on(w, &clients[i]);
  }
}

static void sign_on_all(world_t *w, client_t *clients)
{
  for (uint32_t i = 0; i < CLIENTS; i++)
  {
    world_turns(w, 4);
    client_sign_on(w, &clients[i]);
  }
  world_drain(w);
}

/* A world that trades, from a seed, and a replica beside it, which takes a snapshot every so many inputs; 0: as the seed has it. */
static void open_history(world_t *w, client_t *clients, beside_t *beside, uint64_t seed, uint64_t every)
{
  prng = seed;
  beside_log_sz = LOG_SZ;
  remove_snapshots();
  begin(w, clients);
  beside_open(beside, w, every != 0 ? every : 50 + below(700));
}

static void close_history(world_t *w, beside_t *beside)
{
  beside_close(beside);
  world_close(w);
}

/* The start from the first input and the one from the newest snapshot; and the end of both. */
static void start_both(side_t *whole, side_t *fast, const world_t *w)
{
  side_start(whole, w, "nowhere", LOG_SZ);
  side_start(fast, w, state_dir, LOG_SZ);
}

static void free_both(side_t *whole, side_t *fast)
{
  side_free(fast);
  side_free(whole);
}

static void test_both_starts_are_equal(void **state)
{
  (void)state;
  uint64_t kept = 0;
  uint32_t from_snapshot = 0;
  uint32_t cut_windows = 0;
  uint32_t at_the_end = 0;
  uint32_t digests = 0;
  for (uint64_t seed = 1; seed <= 12; seed++)
  {
    world_t w;
    client_t clients[CLIENTS];
    beside_t beside;
    open_history(&w, clients, &beside, seed, 0);
    for (uint32_t round = 0; round < 12; round++)
    {
      sign_on_all(&w, clients);
      trade(&w, clients, (uint32_t)below(1200));
      for (uint64_t days = below(3) == 0 ? 1 + below(6) : 0; days > 0; days--) /* more than the feed remembers, some without a trade */
      {
        w.utc_ns += UINT64_C(86400000000000);
        world_turns(&w, 4);
        if (below(2))
          trade(&w, clients, (uint32_t)below(60));
      }
      world_drain(&w);
      if (below(4) != 0)
        beside_catch_up(&beside, w.mono_ns);
      digests += atomic_load(&w.shm->replica.digest_seq) > 0;
      if (below(3) == 0)
        trade(&w, clients, (uint32_t)below(300));
      if (below(4) == 0)
      {
        world_crash(&w);
        world_start(&w);
        world_drain(&w);
      }
      if (below(5) == 0)
        beside_take(&beside, &w);
      if (below(5) == 0)
      {
        beside_close(&beside);
        beside_open(&beside, &w, 50 + below(700));
      }
      side_t whole;
      side_t fast;
      start_both(&whole, &fast, &w);
      kept += assert_same_sides(&whole, &fast);
      from_snapshot += fast.start.snapshot_seq > 0;
      cut_windows += fast.start.resume.hdr.tail_pos > 0;
      at_the_end += fast.start.snapshot_seq == fast.start.cut_seq;
      assert_int_equal(whole.start.snapshot_seq, 0);
      assert_int_equal(whole.log.write_pos - fast.log.write_pos, 0);
      free_both(&whole, &fast);
    }
    close_history(&w, &beside);
  }
  print_message("%u starts from a snapshot, %u with a window that begins in the middle, %u without anything behind it, %llu messages compared\n", from_snapshot, cut_windows,
                at_the_end, (unsigned long long)kept);
  assert_true(cut_windows > 50);
  assert_true(from_snapshot > 100);
  assert_true(at_the_end > 5);
  assert_true(digests > 50);
  assert_true(kept > 100000);
}

/* A log of another size holds what fits of the same messages. */
static void test_another_log(void **state)
{
  (void)state;
  world_t w;
  client_t clients[CLIENTS];
  beside_t beside;
  open_history(&w, clients, &beside, 99, 1000);
  sign_on_all(&w, clients);
  trade(&w, clients, 8000);
  beside_catch_up(&beside, w.mono_ns);
  trade(&w, clients, 10);
  for (uint64_t sz = LOG_SZ / 4; sz <= 2 * LOG_SZ; sz *= 8)
  {
    side_t whole;
    side_t fast;
    side_start(&whole, &w, "nowhere", 8 * LOG_SZ); /* has forgotten nothing */
    side_start(&fast, &w, state_dir, sz);
    assert_true(fast.start.snapshot_seq > 0);
    uint64_t kept = 0;
    for (uint32_t i = 0; i < fast.sessions.session_cnt; i++)
    {
      const wcx_session_t *session = &fast.sessions.sessions[i];
      assert_int_equal(session->next_released, whole.sessions.sessions[i].next_released);
      for (uint64_t number = 1; number < session->next_released; number++)
      {
        const wcx_out_entry_t *entry = wcx_retain_get(&session->retain, &fast.log, WCX_STREAM_SESSION, session->session_id, number);
        if (entry != NULL)
          assert_same_entry(wcx_retain_get(&whole.sessions.sessions[i].retain, &whole.log, WCX_STREAM_SESSION, session->session_id, number), entry);
        kept += entry != NULL;
      }
    }
    assert_true(kept > 500);
    for (uint32_t i = 0; i < fast.drop.stream_cnt; i++)
      assert_int_equal(fast.drop.streams[i].next, whole.drop.streams[i].next);
    for (uint32_t i = 0; i < fast.drop.stream_cnt; i++)
      for (uint64_t number = 1; number < fast.drop.streams[i].next; number++)
        if (wcx_drop_copy_get(&fast.drop, i, number) != NULL)
          assert_same_entry(wcx_drop_copy_get(&whole.drop, i, number), wcx_drop_copy_get(&fast.drop, i, number));
    free_both(&whole, &fast);
  }
  close_history(&w, &beside);
}

/* The newest snapshot with another number in one message of that stream, its check values made to fit; its seq. */
static uint64_t forge_number(uint8_t stream)
{
  char dir[512], path[512], newest[300] = "";
  snapshot_path(dir, "");
  struct dirent **names = NULL;
  int cnt = scandir(dir, &names, NULL, alphasort);
  for (int i = 0; i < cnt; i++)
  {
    uint64_t seq;
    if (wcx_snapshot_file_seq(names[i]->d_name, &seq))
      snprintf(newest, sizeof(newest), "%s", names[i]->d_name);
    free(names[i]);
  }
  free(names);
  snapshot_path(path, newest);
  FILE *file = fopen(path, "r+e");
  assert_non_null(file);
  assert_int_equal(fseek(file, 0, SEEK_END), 0);
  size_t sz = (size_t)ftell(file);
  uint8_t *bytes = malloc(sz);
  assert_non_null(bytes);
  rewind(file);
  assert_int_equal(fread(bytes, sz, 1, file), 1);
  wcx_snapshot_file_t hdr;
  memcpy(&hdr, bytes, sizeof(hdr));
  uint8_t *window = bytes + wcx_snapshot_window_off(&hdr);
  wcx_out_entry_t entry;
  uint32_t met = 0;
  for (uint64_t off = 0; off < hdr.window_sz && met < 10; off += entry.entry_sz)
  {
    memcpy(&entry, window + off, 8);
    if (entry.stream != stream)
      continue;
    memcpy(&entry, window + off, sizeof(entry));
    if (++met < 10) /* in the middle: nothing else tells what it should be */
      continue;
    entry.number++;
    memcpy(window + off, &entry, sizeof(entry));
  }
  assert_int_equal(met, 10);
  hdr.window_crc = wcx_crc32c(0, window, hdr.window_sz);
  hdr.crc32c = wcx_snapshot_file_crc(&hdr);
  memcpy(bytes, &hdr, sizeof(hdr));
  rewind(file);
  assert_int_equal(fwrite(bytes, sz, 1, file), 1);
  assert_int_equal(fclose(file), 0);
  free(bytes);
  return hdr.seq;
}

/* A window whose messages are not numbered one after another is not used: a re-request would be answered with another message than the one that left. */
static void test_numbers_without_a_gap(void **state)
{
  (void)state;
  static const uint8_t streams[] = {WCX_STREAM_FEED, WCX_STREAM_SESSION};
  for (uint32_t i = 0; i < 2; i++)
  {
    world_t w;
    client_t clients[CLIENTS];
    beside_t beside;
    open_history(&w, clients, &beside, 7, 1000);
    sign_on_all(&w, clients);
    trade(&w, clients, 3000);
    beside_catch_up(&beside, w.mono_ns);
    uint64_t forged = forge_number(streams[i]);
    side_t whole;
    side_t fast;
    start_both(&whole, &fast, &w);
    assert_true(fast.start.snapshot_seq < forged);
    (void)assert_same_sides(&whole, &fast);
    free_both(&whole, &fast);
    close_history(&w, &beside);
  }
}

/* More days than a window names: it begins later, and nothing else differs. */
static void test_many_days(void **state)
{
  (void)state;
  world_t w;
  client_t clients[CLIENTS];
  beside_t beside;
  open_history(&w, clients, &beside, 7, 100);
  sign_on_all(&w, clients);
  for (uint32_t day = 0; day < WCX_SNAPSHOT_FILE_ROLLS_MAX + 20; day++)
  {
    w.utc_ns += UINT64_C(86400000000000);
    world_turns(&w, 4);
    trade(&w, clients, 3);
  }
  beside_catch_up(&beside, w.mono_ns);
  assert_int_equal(beside.replica.retained.roll_cnt, WCX_SNAPSHOT_FILE_ROLLS_MAX);
  assert_true(beside.replica.retained.tail > 0);
  side_t whole;
  side_t fast;
  start_both(&whole, &fast, &w);
  assert_true(fast.start.snapshot_seq > 0);
  assert_same_feed(&whole, &fast);
  assert_same_drop_copies(&whole, &fast);
  for (uint32_t i = 0; i < CLIENTS; i++)
    assert_int_equal(whole.sessions.sessions[i].next_released, fast.sessions.sessions[i].next_released);
  free_both(&whole, &fast);
  close_history(&w, &beside);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_both_starts_are_equal),
      cmocka_unit_test(test_another_log),
      cmocka_unit_test(test_numbers_without_a_gap),
      cmocka_unit_test(test_many_days),
  };
  return cmocka_run_group_tests_name("loop_snapshot", tests, make_state_dir, remove_state_dir);
}
