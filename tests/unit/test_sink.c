/* A sink over a store in memory that fails as databases do: before the commit, after it with the answer lost, with a mark that somebody else has moved. Every input is told
   exactly once and in order, whatever snapshot a feed begins with; and what the replica keeps for sinks. */
#include "tests/unit/replica_fixture.h"

#include "persist/sink.h"

#define INPUTS_MAX 100000u

const char wcx_store_process[] = "test-sink";
const uint32_t wcx_store_kind = WCX_SINK_PG;
const bool wcx_store_rebuilds = false;

enum fate
{
  FINE,
  LOST,       /* rolled back */
  UNANSWERED, /* committed, and the connection gone */
  FATES,
};

/* The database and, in front of it, the batch of the one connection. */
struct wcx_store
{
  bool marked;
  wcx_store_mark_t mark;
  uint64_t hashes[INPUTS_MAX]; /* of what input i said; 0: no row */
  uint32_t writes[INPUTS_MAX];
  uint64_t batch[INPUTS_MAX];
  uint64_t batch_from, batch_cnt;
  uint32_t fails_in; /* commits until one has `fate`; 0: none */
  enum fate fate;
  uint32_t connects, stale;
  char text[WCX_STORE_TEXT_SZ];
};

static struct wcx_store database;

int wcx_store_mark(wcx_store_t *store, wcx_store_mark_t *mark)
{
  store->connects++;
  if (store->marked)
    *mark = store->mark;
  return store->marked ? WCX_STORE_DONE : WCX_STORE_STALE;
}

int wcx_store_begin(wcx_store_t *store, const wcx_store_mark_t *mark, const wcx_engine_t *engine)
{
  (void)engine;
  store->marked = true;
  store->mark = *mark;
  return WCX_STORE_DONE;
}

static uint64_t hash_of(const wcx_record_hdr_t *hdr, const wcx_outlog_t *log)
{
  wcx_digest_t digest = wcx_digest_of(1, hdr, sizeof(*hdr));
  for (uint64_t pos = wcx_outlog_settle(log, 0, log->write_pos); pos < log->write_pos; pos = wcx_outlog_settle(log, pos, log->write_pos))
  {
    const wcx_out_entry_t *entry = wcx_outlog_at(log, pos);
    wcx_digest_update(&digest, entry, sizeof(*entry) + entry->len);
    pos += entry->entry_sz;
  }
  return digest.lo | 1;
}

void wcx_store_add(wcx_store_t *store, const wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, const wcx_outlog_t *log)
{
  (void)body;
  assert_int_equal(wcx_engine_applied_seq(engine), hdr->seq);
  if (store->batch_cnt == 0)
    store->batch_from = hdr->seq;
  assert_int_equal(hdr->seq, store->batch_from + store->batch_cnt);
  store->batch[store->batch_cnt++] = hash_of(hdr, log);
}

uint64_t wcx_store_rows(const wcx_store_t *store)
{
  return store->batch_cnt;
}

void wcx_store_drop(wcx_store_t *store)
{
  store->batch_cnt = 0;
}

int wcx_store_commit(wcx_store_t *store, wcx_store_mark_t *mark, const wcx_store_mark_t *to, const wcx_engine_t *engine)
{
  (void)engine;
  uint64_t cnt = store->batch_cnt;
  store->batch_cnt = 0;
  bool now = store->fails_in != 0 && --store->fails_in == 0;
  if (now && store->fate == LOST)
    return WCX_STORE_FAILED;
  if (mark->seq != store->mark.seq || memcmp(mark->journal_id, store->mark.journal_id, 16) != 0 || to->epoch < store->mark.epoch)
  {
    store->stale++;
    return WCX_STORE_STALE;
  }
  assert_int_equal(store->batch_from, mark->seq + 1);
  assert_int_equal(to->seq, mark->seq + cnt);
  for (uint64_t i = 0; i < cnt; i++)
  {
    store->hashes[store->batch_from + i] = store->batch[i];
    store->writes[store->batch_from + i]++;
  }
  store->mark = *to;
  if (now && store->fate == UNANSWERED)
    return WCX_STORE_FAILED;
  *mark = *to;
  return WCX_STORE_DONE;
}

int wcx_store_settled(wcx_store_t *store, const wcx_store_mark_t *mark, uint64_t *seq)
{
  (void)store;
  *seq = mark->seq;
  return WCX_STORE_DONE;
}

const char *wcx_store_text(const wcx_store_t *store)
{
  return store->text;
}

/* --- a world with a sink --------------------------------------------------------------------------------- */

typedef struct fed
{
  wcx_sink_t sink;
  void *mem;
  char journal_dir[80], snapshot_dir[120];
  uint64_t now_ns;
} fed_t;

static void tune(wcx_params_t *params)
{
  snprintf(params->state_dir, sizeof(params->state_dir), "%s", state_dir);
  params->establish_per_source_per_s = 100000;
  params->shards[0].orders_max = 100;
  params->shards[0].levels_max = 100;
  params->shards[0].outlog_sz = 2u << 20;
}

static client_t begin(world_t *w)
{
  remove_snapshots();
  world_new(w, tune);
  memset(&database, 0, sizeof(database));
  client_t client = client_of(1);
  client_sign_on(w, &client);
  return client;
}

static void fed_open(fed_t *fed, const world_t *w)
{
  const wcx_params_shard_t *shard = &w->region->params.shards[0];
  assert_true(wcx_journal_dir(fed->journal_dir, sizeof(fed->journal_dir), state_dir, 1));
  assert_true(wcx_snapshot_dir(fed->snapshot_dir, sizeof(fed->snapshot_dir), state_dir, 1));
  fed->mem = aligned_alloc(4096, (wcx_feed_footprint(shard) + 4095) & ~(size_t)4095);
  fed->now_ns = w->mono_ns;
  wcx_feed_config_t config = {.journal_dir = fed->journal_dir, .snapshot_dir = fed->snapshot_dir, .shared = w->shm, .shard = shard};
  wcx_sink_init(&fed->sink, &config, fed->mem, &database, &w->shm->sinks[WCX_SINK_PG]);
}

static void fed_close(fed_t *fed)
{
  wcx_sink_close(&fed->sink);
  free(fed->mem);
}

/* Until it has nothing to do, pauses included, or does the same again and again. */
static void fed_turn(fed_t *fed)
{
  uint32_t idle = 0;
  for (uint32_t i = 0; i < 500 && idle < 4; i++, fed->now_ns += WCX_SINK_RETRY_NS)
    idle = wcx_sink_step(&fed->sink, fed->now_ns) == 0 ? idle + 1 : 0;
}

/* The engine of a feed that begins at the first input says the same. */
static void assert_told(const world_t *w, uint32_t writes)
{
  static uint64_t hashes[INPUTS_MAX];
  memcpy(hashes, database.hashes, sizeof(hashes));
  assert_int_equal(database.mark.seq, w->durable_seq);
  for (uint64_t seq = 1; seq <= w->durable_seq; seq++)
    assert_int_equal(database.writes[seq], writes);
  static struct wcx_store kept;
  kept = database;
  memset(&database, 0, sizeof(database));
  fed_t fed;
  fed_open(&fed, w);
  fed_turn(&fed);
  assert_int_equal(database.mark.seq, w->durable_seq);
  assert_memory_equal(hashes, database.hashes, sizeof(hashes));
  fed_close(&fed);
  database = kept;
}

static void test_told_once(void **state)
{
  (void)state;
  world_t w;
  client_t client = begin(&w);
  beside_t beside;
  beside_open(&beside, &w, 1000000);
  fed_t fed;
  fed_open(&fed, &w);
  uint64_t dice = 7;
  for (uint32_t round = 0; round < 60; round++)
  {
    trade_some(&w, &client, 20);
    dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
    database.fails_in = (dice >> 40) % 2;
    database.fate = (enum fate)((dice >> 44) % FATES);
    if (round % 5 == 4)
      beside_take(&beside, &w);
    if (round % 7 == 6) /* killed: another process begins */
    {
      fed_close(&fed);
      database.batch_cnt = 0;
      fed_open(&fed, &w);
    }
    fed_turn(&fed);
  }
  assert_true(database.connects > 20);
  assert_int_equal(database.stale, 0);
  assert_told(&w, 1);
  assert_int_equal(atomic_load(&w.shm->sinks[WCX_SINK_PG].seq), w.durable_seq);
  assert_int_equal(atomic_load(&w.shm->sinks[WCX_SINK_PG].held_seq), w.durable_seq);
  fed_close(&fed);
  beside_close(&beside);
  world_close(&w);
}

static void test_never_past_the_release(void **state)
{
  (void)state;
  world_t w;
  client_t client = begin(&w);
  fed_t fed;
  fed_open(&fed, &w);
  w.hold = true;
  uint64_t released = wcx_release_seq(atomic_load(&w.shm->release.release_word));
  trade_some(&w, &client, 100);
  assert_true(w.durable_seq > released + 50);
  fed_turn(&fed);
  assert_int_equal(database.mark.seq, released);
  w.hold = false;
  world_turns(&w, 4);
  fed_turn(&fed);
  assert_told(&w, 1);
  fed_close(&fed);
  world_close(&w);
}

/* A database that was put back, and one that another sink has written to. */
static void test_the_database_says_where(void **state)
{
  (void)state;
  world_t w;
  client_t client = begin(&w);
  beside_t beside;
  beside_open(&beside, &w, 1000000);
  fed_t fed;
  fed_open(&fed, &w);
  trade_some(&w, &client, 100);
  fed_turn(&fed);
  wcx_store_mark_t early = database.mark;
  trade_some(&w, &client, 100);
  beside_take(&beside, &w);
  fed_turn(&fed);
  uint64_t late = database.mark.seq;
  database.mark = early;
  trade_some(&w, &client, 100);
  fed_turn(&fed);
  assert_int_equal(database.stale, 1);
  assert_int_equal(atomic_load(&w.shm->sinks[WCX_SINK_PG].stale), 1);
  for (uint64_t seq = 1; seq <= w.durable_seq; seq++)
    assert_int_equal(database.writes[seq], seq > early.seq && seq <= late ? 2 : 1);
  assert_int_equal(database.mark.seq, w.durable_seq);

  trade_some(&w, &client, 100);
  database.mark.seq += 40; /* these were written by somebody else */
  uint64_t theirs = database.mark.seq;
  fed_turn(&fed);
  assert_int_equal(database.stale, 2);
  assert_int_equal(database.writes[theirs], 0);
  assert_int_equal(database.writes[theirs + 1], 1);
  assert_int_equal(database.mark.seq, w.durable_seq);

  database.mark.epoch += 1;
  trade_some(&w, &client, 10);
  fed_turn(&fed);
  assert_true(database.stale > 2);
  assert_int_equal(database.writes[w.durable_seq], 0);
  fed_close(&fed);
  beside_close(&beside);
  world_close(&w);
}

static void test_another_journal(void **state)
{
  (void)state;
  world_t w;
  client_t client = begin(&w);
  fed_t fed;
  trade_some(&w, &client, 50);
  database.marked = true;
  memcpy(database.mark.journal_id, "somebody else's!", 16);
  database.mark.seq = 10;
  fed_open(&fed, &w);
  fed_turn(&fed);
  assert_int_equal(atomic_load(&w.shm->sinks[WCX_SINK_PG].stuck), 1);
  assert_non_null(strstr(fed.sink.last_said, "another journal"));
  assert_int_equal(database.mark.seq, 10);
  memcpy(database.mark.journal_id, "a test's journal", 16);
  database.mark.seq = w.durable_seq + 1; /* a journal that was put back */
  fed_turn(&fed);
  assert_int_equal(atomic_load(&w.shm->sinks[WCX_SINK_PG].stuck), 1);
  database.mark.seq = 10;
  fed_turn(&fed);
  assert_int_equal(atomic_load(&w.shm->sinks[WCX_SINK_PG].stuck), 0);
  assert_int_equal(database.mark.seq, w.durable_seq);
  assert_int_equal(database.writes[10], 0);
  assert_int_equal(database.writes[11], 1);
  fed_close(&fed);
  world_close(&w);
}

/* --- what the replica keeps for it -------------------------------------------------------------------------- */

static uint32_t snapshots(uint64_t *oldest)
{
  char dir[512];
  snapshot_path(dir, "");
  DIR *list = opendir(dir);
  uint32_t cnt = 0;
  *oldest = UINT64_MAX;
  for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list))
  {
    uint64_t seq;
    if (!wcx_snapshot_file_seq(entry->d_name, &seq))
      continue;
    cnt++;
    *oldest = seq < *oldest ? seq : *oldest;
  }
  closedir(list);
  return cnt;
}

static void take_more(beside_t *beside, world_t *w, client_t *client, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
  {
    trade_some(w, client, 20);
    beside_take(beside, w);
  }
}

static void test_what_is_kept_for_it(void **state)
{
  (void)state;
  world_t w;
  client_t client = begin(&w);
  beside_t beside;
  beside_open(&beside, &w, 1000000);
  beside.replica.config.sinks = 1u << WCX_SINK_PG;
  beside.replica.config.hold_inputs_max = 1000;
  wcx_region_sink_t *words = &w.shm->sinks[WCX_SINK_PG];
  wcx_region_replica_t *replica = &w.shm->replica;
  uint64_t oldest;
  take_more(&beside, &w, &client, 4);
  assert_int_equal(snapshots(&oldest), 4); /* where the sink is is not known: none may go */
  assert_int_equal(atomic_load(&replica->keep_segment), 0);

  atomic_store(&words->held_seq, oldest + 1);
  uint64_t held = oldest;
  take_more(&beside, &w, &client, 3);
  assert_int_equal(snapshots(&oldest), 3);
  assert_int_equal(oldest, held);
  assert_int_equal(atomic_load(&replica->keep_segment), 1);

  atomic_store(&words->held_seq, 1); /* below all of them: from the first input on */
  take_more(&beside, &w, &client, 1);
  assert_int_equal(atomic_load(&replica->keep_segment), 0);

  atomic_store(&words->held_seq, w.durable_seq);
  take_more(&beside, &w, &client, 2);
  assert_int_equal(snapshots(&oldest), 3); /* the one that it begins with, when the two newest are above it */
  take_more(&beside, &w, &client, 1);
  held = oldest;

  beside_close(&beside); /* the next one knows what the one before has kept */
  beside_open(&beside, &w, 1000000);
  beside.replica.config.sinks = 1u << WCX_SINK_PG;
  beside.replica.config.hold_inputs_max = 1000;
  take_more(&beside, &w, &client, 3);
  assert_int_equal(snapshots(&oldest), 3);
  assert_int_equal(oldest, held);
  beside_close(&beside);
  world_close(&w);
}

static void test_too_far_behind(void **state)
{
  (void)state;
  world_t w;
  client_t client = begin(&w);
  beside_t beside;
  beside_open(&beside, &w, 1000000);
  beside.replica.config.sinks = 1u << WCX_SINK_PG | 1u << WCX_SINK_REDIS;
  beside.replica.config.hold_inputs_max = 120;
  uint64_t oldest;
  take_more(&beside, &w, &client, 2);
  atomic_store(&w.shm->sinks[WCX_SINK_REDIS].held_seq, w.durable_seq);
  uint64_t wanted = w.durable_seq;
  take_more(&beside, &w, &client, 3);
  assert_int_equal(atomic_load(&w.shm->replica.keep_segment), 0);
  trade_some(&w, &client, 40);
  (void)atomic_fetch_add(&w.shm->replica.take_asked, 1);
  beside_turn(&beside, w.mono_ns);
  assert_non_null(strstr(beside.replica.said, "PostgreSQL"));
  beside.replica.said[0] = '\0';
  assert_int_equal(snapshots(&oldest), 3);
  assert_int_equal(oldest, wanted); /* Redis is waited for still */
  assert_int_equal(atomic_load(&w.shm->replica.keep_segment), 1);
  atomic_store(&w.shm->sinks[WCX_SINK_REDIS].held_seq, w.durable_seq);
  take_more(&beside, &w, &client, 1);
  assert_int_equal(snapshots(&oldest), 2);
  beside_close(&beside);
  world_close(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_told_once),       cmocka_unit_test(test_never_past_the_release), cmocka_unit_test(test_the_database_says_where),
      cmocka_unit_test(test_another_journal), cmocka_unit_test(test_what_is_kept_for_it),    cmocka_unit_test(test_too_far_behind),
  };
  return cmocka_run_group_tests_name("sink", tests, make_state_dir, remove_state_dir);
}
