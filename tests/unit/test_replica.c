/* The replica: never past what is released, snapshots when they are due, two kept, a bad one passed over, a divergence that stops it. */
#include "tests/unit/replica_fixture.h"
#include "tests/unit/sync_fixture.h"

#include <sys/wait.h>

static void tune(wcx_params_t *params)
{
  snprintf(params->state_dir, sizeof(params->state_dir), "%s", state_dir);
  params->establish_per_source_per_s = 100000;
  params->shards[0].orders_max = 100;
  params->shards[0].levels_max = 100;
  params->shards[0].outlog_sz = 2u << 20;
}

static void tune_elsewhere(wcx_params_t *params)
{
  tune(params);
  snprintf(params->state_dir, sizeof(params->state_dir), "nowhere");
}

static client_t begin(world_t *w)
{
  remove_snapshots();
  world_new(w, tune);
  client_t client = client_of(1);
  client_sign_on(w, &client);
  return client;
}

/* A world with some orders and a replica that has been asked for a snapshot, and has done nothing yet. */
static void ask_for_a_snapshot(world_t *w, beside_t *beside)
{
  client_t client = begin(w);
  beside_open(beside, w, 1000000);
  trade_some(w, &client, 50);
  (void)atomic_fetch_add(&w->shm->replica.take_asked, 1);
}

/* Files in the snapshots' directory, ascending; returns how many are snapshots. */
static uint32_t list_snapshots(uint64_t seqs[8])
{
  char dir[512];
  snapshot_path(dir, "");
  DIR *list = opendir(dir);
  uint32_t cnt = 0;
  for (struct dirent *entry = list != NULL ? readdir(list) : NULL; entry != NULL; entry = readdir(list))
  {
    uint64_t seq;
    if (!wcx_snapshot_file_seq(entry->d_name, &seq))
      continue;
    assert_true(cnt < 8);
    uint32_t at = cnt++;
    for (; at > 0 && seqs[at - 1] > seq; at--)
      seqs[at] = seqs[at - 1];
    seqs[at] = seq;
  }
  closedir(list);
  return cnt;
}

static void damage_file(const char *name, long off)
{
  char path[512];
  snapshot_path(path, name);
  FILE *file = fopen(path, "r+b");
  assert_non_null(file);
  assert_int_equal(fseek(file, off, SEEK_SET), 0);
  int byte = fgetc(file);
  assert_int_equal(fseek(file, off, SEEK_SET), 0);
  assert_true(fputc(byte ^ 4, file) != EOF);
  assert_int_equal(fclose(file), 0);
}

static void damage(uint64_t seq, long off)
{
  char name[WCX_SNAPSHOT_FILE_NAME_SZ];
  wcx_snapshot_file_name(name, seq);
  damage_file(name, off);
}

static void assert_engine_is_live(const beside_t *beside, const world_t *w)
{
  wcx_digest_t ours[2] = {wcx_engine_output_digest(beside->replica.engine), wcx_engine_state_digest_full(beside->replica.engine)};
  wcx_digest_t live[2] = {wcx_engine_output_digest(wcx_loop_engine(w->loop)), wcx_engine_state_digest_full(wcx_loop_engine(w->loop))};
  assert_memory_equal(ours, live, sizeof(ours));
}

/* What is durable and not released yet is not applied: it may never leave. */
static void test_never_past_the_release(void **state)
{
  (void)state;
  world_t w;
  client_t client = begin(&w);
  beside_t beside;
  beside_open(&beside, &w, 10);
  w.hold = true;
  uint64_t released = wcx_release_seq(atomic_load(&w.shm->release.release_word));
  trade_some(&w, &client, 100);
  assert_true(w.durable_seq > released + 50);
  beside_catch_up(&beside, w.mono_ns);
  assert_int_equal(atomic_load(&w.shm->replica.applied_seq), released);
  assert_int_equal(wcx_engine_applied_seq(beside.replica.engine), released);
  assert_true(atomic_load(&w.shm->replica.snapshot_seq) <= released);
  w.hold = false;
  world_turns(&w, 4);
  beside_catch_up(&beside, w.mono_ns);
  assert_int_equal(atomic_load(&w.shm->replica.applied_seq), w.durable_seq);
  assert_engine_is_live(&beside, &w);
  beside_close(&beside);
  world_close(&w);
}

static void test_waits_for_the_worker(void **state)
{
  (void)state;
  world_t w;
  (void)begin(&w);
  atomic_store(&w.shm->handshake.ready, 0);
  beside_t beside;
  beside_open(&beside, &w, 10);
  beside_catch_up(&beside, w.mono_ns);
  assert_int_equal(beside.replica.phase, WCX_REPLICA_WAIT);
  atomic_store(&w.shm->handshake.ready, 1);
  beside_catch_up(&beside, w.mono_ns);
  assert_int_equal(atomic_load(&w.shm->replica.applied_seq), w.durable_seq);
  beside_close(&beside);
  world_close(&w);
}

/* By inputs, by time, and on demand; two are kept, and what the older of them needs of the journal is said once there are two. */
static void test_when_they_are_due(void **state)
{
  (void)state;
  world_t w;
  client_t client = begin(&w);
  beside_t beside;
  uint64_t seqs[8];
  beside_open(&beside, &w, 200);
  beside.replica.config.every_ns = UINT64_C(60000000000);
  beside_catch_up(&beside, w.mono_ns);
  assert_int_equal(list_snapshots(seqs), 0);
  trade_some(&w, &client, 150);
  beside_catch_up(&beside, w.mono_ns);
  assert_int_equal(list_snapshots(seqs), 0);
  beside_catch_up(&beside, w.mono_ns + UINT64_C(59000000000));
  assert_int_equal(list_snapshots(seqs), 0);
  beside_catch_up(&beside, w.mono_ns + UINT64_C(61000000000));
  assert_int_equal(list_snapshots(seqs), 1);
  assert_int_equal(seqs[0], w.durable_seq);
  assert_int_equal(atomic_load(&w.shm->replica.keep_segment), 0);
  beside_catch_up(&beside, w.mono_ns + UINT64_C(200000000000)); /* nothing new: nothing to take */
  assert_int_equal(list_snapshots(seqs), 1);
  trade_some(&w, &client, 199);
  beside_catch_up(&beside, w.mono_ns);
  assert_int_equal(list_snapshots(seqs), 1);
  trade_some(&w, &client, 1);
  beside_catch_up(&beside, w.mono_ns);
  assert_int_equal(list_snapshots(seqs), 2);
  assert_int_equal(seqs[1], w.durable_seq);
  assert_int_equal(atomic_load(&w.shm->replica.keep_segment), 1);
  assert_int_equal(atomic_load(&w.shm->replica.snapshots), 2);
  trade_some(&w, &client, 5);
  uint64_t second = seqs[1];
  beside_take(&beside, &w);
  assert_int_equal(list_snapshots(seqs), 2);
  assert_int_equal(seqs[0], second);
  assert_int_equal(seqs[1], w.durable_seq);
  beside_take(&beside, &w); /* asked again: that one is there */
  assert_int_equal(atomic_load(&w.shm->replica.snapshots), 3);
  beside_close(&beside);

  /* another process knows them again */
  beside_open(&beside, &w, 200);
  assert_int_equal(atomic_load(&w.shm->replica.keep_segment), 0);
  beside_catch_up(&beside, w.mono_ns);
  assert_int_equal(atomic_load(&w.shm->replica.keep_segment), 1);
  assert_int_equal(atomic_load(&w.shm->replica.snapshot_seq), seqs[1]);
  beside_close(&beside);
  world_close(&w);
}

/* Death at every step of taking one: the names in the directory are always whole snapshots, and the next process goes on. */
static void test_death_while_taking(void **state)
{
  (void)state;
  world_t w;
  client_t client = begin(&w);
  beside_t beside;
  uint64_t seqs[8];
  beside_open(&beside, &w, 1000000);
  trade_some(&w, &client, 40);
  beside_take(&beside, &w);
  beside_close(&beside);
  uint32_t deaths = 0;
  for (uint32_t steps = 1; steps < 40; steps++)
  {
    trade_some(&w, &client, 3);
    beside_open(&beside, &w, 1000000);
    beside_catch_up(&beside, w.mono_ns);
    (void)atomic_fetch_add(&w.shm->replica.take_asked, 1);
    for (uint32_t i = 0; i < steps; i++)
      (void)wcx_replica_step(&beside.replica, w.mono_ns);
    deaths += beside.replica.phase == WCX_REPLICA_TAKE;
    bool named = atomic_load(&w.shm->replica.snapshot_seq) == w.durable_seq;
    beside_close(&beside);
    assert_true(list_snapshots(seqs) <= 2);
    beside_open(&beside, &w, 1000000);
    beside_catch_up(&beside, w.mono_ns); /* no alarm: every one is good */
    assert_engine_is_live(&beside, &w);
    if (named)
      assert_int_equal(atomic_load(&w.shm->replica.snapshot_seq), w.durable_seq);
    beside_take(&beside, &w);
    beside_close(&beside);
  }
  assert_true(deaths >= 5);
  world_close(&w);
}

/* The newest damaged, then both: the replica says so and goes on from the one before or from the first input, and so does the data plane. */
static void test_damaged_ones(void **state)
{
  (void)state;
  world_t w;
  client_t client = begin(&w);
  beside_t beside;
  uint64_t seqs[8];
  beside_open(&beside, &w, 1000000);
  trade_some(&w, &client, 100);
  beside_take(&beside, &w);
  trade_some(&w, &client, 100);
  beside_take(&beside, &w);
  beside_close(&beside);
  assert_int_equal(list_snapshots(seqs), 2);
  for (int32_t bad = 1; bad >= 0; bad--)
  {
    damage(seqs[bad], 4096 + 100);
    beside_open(&beside, &w, 1000000);
    for (uint32_t i = 0; i < 10 && beside.replica.said[0] == 0; i++)
      (void)wcx_replica_step(&beside.replica, w.mono_ns);
    assert_non_null(strstr(beside.replica.said, "CRC32C"));
    beside_turn(&beside, w.mono_ns);
    assert_string_equal(beside.replica.text, "");
    assert_engine_is_live(&beside, &w);
    assert_int_equal(atomic_load(&w.shm->replica.keep_segment), 0); /* one alone is not enough to delete anything */
    assert_int_equal(atomic_load(&w.shm->replica.snapshot_seq), bad == 1 ? seqs[0] : 0);
    beside_close(&beside);
    wcx_digest_t before = wcx_engine_output_digest(wcx_loop_engine(w.loop));
    uint64_t seq = wcx_engine_applied_seq(wcx_loop_engine(w.loop));
    world_crash(&w);
    while (wcx_engine_applied_seq(wcx_loop_engine(w.loop)) < seq)
      world_turn(&w);
    wcx_digest_t after = wcx_engine_output_digest(wcx_loop_engine(w.loop));
    assert_memory_equal(&before, &after, sizeof(before));
    world_start(&w);
    client_sign_on(&w, &client);
  }
  /* the damaged ones go when enough good ones are newer */
  beside_open(&beside, &w, 1000000);
  beside_turn(&beside, w.mono_ns);
  beside.replica.said[0] = 0;
  beside_take(&beside, &w);
  assert_int_equal(list_snapshots(seqs), 3);
  trade_some(&w, &client, 10);
  beside_take(&beside, &w);
  assert_int_equal(list_snapshots(seqs), 2);
  assert_int_equal(atomic_load(&w.shm->replica.keep_segment), 1);
  beside_close(&beside);
  world_close(&w);
}

/* A history with one snapshot, and then another one, which has the same journal_id in this fixture and is shorter. */
static client_t begin_anew(world_t *w)
{
  client_t client = begin(w);
  beside_t beside;
  beside_open(&beside, w, 1000000);
  trade_some(w, &client, 100);
  beside_take(&beside, w);
  beside_close(&beside);
  world_close(w);
  world_new(w, tune_elsewhere); /* which its own start must not see yet */
  tune(&w->region->params);
  client = client_of(2);
  client_sign_on(w, &client);
  return client;
}

/* What a data plane says that starts over the world's journal and ends while it does. */
static void refused_start(world_t *w, char *said, size_t said_sz)
{
  int fds[2];
  assert_int_equal(pipe(fds), 0);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
  {
    dup2(fds[1], 2);
    world_crash(w);
    world_start(w);
    _exit(0);
  }
  close(fds[1]);
  ssize_t got = 0;
  size_t at = 0;
  while (at < said_sz - 1 && (got = read(fds[0], said + at, said_sz - 1 - at)) > 0)
    at += (size_t)got;
  said[at] = 0;
  close(fds[0]);
  int status = 0;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 1);
}

/* A sound snapshot that the journal does not reach: what it holds was released, so nobody goes on from less. One that is not sound proves nothing. */
static void test_a_snapshot_beyond_the_journal(void **state)
{
  (void)state;
  world_t w;
  beside_t beside;
  uint64_t seqs[8];
  char said[1024];
  client_t client = begin_anew(&w);
  assert_int_equal(list_snapshots(seqs), 1);
  assert_true(seqs[0] > w.durable_seq);
  beside_open(&beside, &w, 1);
  trade_some(&w, &client, 10);
  assert_true(seqs[0] > w.durable_seq);
  beside_turn(&beside, w.mono_ns);
  assert_int_equal(beside.replica.phase, WCX_REPLICA_HALTED);
  assert_non_null(strstr(beside.replica.text, "acknowledged inputs are missing"));
  assert_int_equal(atomic_load(&w.shm->replica.halted), 1);
  assert_int_equal(list_snapshots(seqs), 1);
  beside_close(&beside);
  refused_start(&w, said, sizeof(said));
  assert_non_null(strstr(said, "acknowledged inputs are missing"));
  damage(seqs[0], 60); /* in the header */
  beside_open(&beside, &w, 1000000);
  (void)wcx_replica_step(&beside.replica, w.mono_ns);
  (void)wcx_replica_step(&beside.replica, w.mono_ns);
  assert_non_null(strstr(beside.replica.said, "newer than the journal"));
  beside_turn(&beside, w.mono_ns);
  assert_engine_is_live(&beside, &w);
  beside_close(&beside);
  world_crash(&w);
  world_start(&w);
  world_close(&w);
}

/* A snapshot that is sound and of a journal that went on differently. */
static void test_snapshots_of_another_history(void **state)
{
  (void)state;
  world_t w;
  beside_t beside;
  client_t client = begin_anew(&w);
  trade_some(&w, &client, 300);
  beside_open(&beside, &w, 1000000);
  for (uint32_t n = 0; n < 10 && beside.replica.said[0] == 0; n++)
    (void)wcx_replica_step(&beside.replica, w.mono_ns);
  assert_non_null(strstr(beside.replica.said, "does not go on from it"));
  beside_turn(&beside, w.mono_ns);
  assert_engine_is_live(&beside, &w);
  beside_close(&beside);
  world_crash(&w);
  world_start(&w);
  world_close(&w);
}

/* A sound one that the journal does not go on from is no second one: a start could not begin with it if the newest were lost. */
static void test_an_older_one_of_another_history(void **state)
{
  (void)state;
  world_t w;
  beside_t beside;
  uint64_t seqs[8];
  client_t client = begin_anew(&w);
  trade_some(&w, &client, 300);
  beside_open(&beside, &w, 1000000);
  beside_turn(&beside, w.mono_ns);
  beside.replica.said[0] = 0;
  beside_take(&beside, &w);
  beside_close(&beside);
  assert_int_equal(list_snapshots(seqs), 2);
  beside_open(&beside, &w, 1000000);
  beside_turn(&beside, w.mono_ns);
  assert_non_null(strstr(beside.replica.said, "does not go on from it"));
  assert_int_equal(atomic_load(&w.shm->replica.snapshot_seq), seqs[1]);
  assert_int_equal(atomic_load(&w.shm->replica.keep_segment), 0);
  beside.replica.said[0] = 0;
  trade_some(&w, &client, 10);
  beside_take(&beside, &w);
  assert_int_equal(atomic_load(&w.shm->replica.keep_segment), 1);
  uint64_t second = seqs[1];
  assert_int_equal(list_snapshots(seqs), 2);
  assert_int_equal(seqs[0], second);
  beside_close(&beside);
  world_close(&w);
}

static void test_divergence_halts(void **state)
{
  (void)state;
  world_t w;
  client_t client = begin(&w);
  beside_t beside;
  beside_open(&beside, &w, 100);
  trade_some(&w, &client, 1200);
  beside_catch_up(&beside, w.mono_ns);
  assert_int_equal(atomic_load(&w.shm->replica.digest_seq), 1024);
  assert_int_equal(atomic_load(&w.shm->replica.halted), 0);
  trade_some(&w, &client, 1000);
  assert_int_equal(atomic_load(&w.shm->marks.cnt), 2);
  w.shm->marks.marks[1].state_hi ^= 1; /* the live engine is not what the journal says */
  beside_turn(&beside, w.mono_ns);
  assert_int_equal(beside.replica.phase, WCX_REPLICA_HALTED);
  assert_int_equal(atomic_load(&w.shm->replica.halted), 1);
  assert_non_null(strstr(beside.replica.text, "2048"));
  assert_int_equal(atomic_load(&w.shm->replica.digest_seq), 1024);
  uint64_t taken = atomic_load(&w.shm->replica.snapshots);
  trade_some(&w, &client, 300);
  (void)atomic_fetch_add(&w.shm->replica.take_asked, 1);
  beside_turn(&beside, w.mono_ns + UINT64_C(100000000000));
  assert_int_equal(atomic_load(&w.shm->replica.snapshots), taken); /* and takes none of what is in doubt */
  beside_close(&beside);
  world_close(&w);
}

static void test_a_damaged_journal_halts(void **state)
{
  (void)state;
  world_t w;
  client_t client = begin(&w);
  beside_t beside;
  beside_open(&beside, &w, 1000000);
  trade_some(&w, &client, 50);
  beside_catch_up(&beside, w.mono_ns);
  uint64_t off = w.journal_off;
  trade_some(&w, &client, 50);
  w.journal[off + 300] ^= 1;
  beside_turn(&beside, w.mono_ns);
  assert_int_equal(beside.replica.phase, WCX_REPLICA_FOLLOW); /* it might be a read that came too early */
  beside_turn(&beside, w.mono_ns + UINT64_C(1100000000));
  assert_int_equal(beside.replica.phase, WCX_REPLICA_HALTED);
  assert_non_null(strstr(beside.replica.text, "is durable"));
  assert_int_equal(atomic_load(&w.shm->replica.halted), 1);
  beside_close(&beside);
  w.journal[off + 300] ^= 1;
  world_close(&w);
}

/* Who can write the journal's directory cannot sign: an override that wcx-controld has not found signed is not applied, and nothing else is meanwhile. */
static void test_unsigned_overrides_are_waited_for(void **state)
{
  (void)state;
  static uint8_t page[WCX_JOURNAL_ALIGN];
  world_t w;
  beside_t beside;
  uint64_t seqs[8];
  client_t client = begin(&w);
  trade_some(&w, &client, 50);
  beside_open(&beside, &w, 1000000);
  beside_take(&beside, &w);
  beside_close(&beside);
  trade_some(&w, &client, 50);

  wcx_journal_super_t super;
  wcx_journal_overrides_t overrides = {0};
  memcpy(&super, w.journal, sizeof(super));
  wcx_journal_override_t override = {
      .magic = WCX_JOURNAL_OVERRIDE_MAGIC, .version = WCX_JOURNAL_VERSION, .shard = super.shard, .seq = w.durable_seq, .hash = {.lo = 1}, .reason = "why"};
  memcpy(override.journal_id, super.journal_id, sizeof(override.journal_id));
  wcx_journal_override_page(page, &override);
  assert_true(wcx_journal_overrides_take(&overrides, page, &super));
  w.override_page = page;

  for (uint32_t from_snapshot = 0; from_snapshot < 2; from_snapshot++)
  {
    if (from_snapshot == 0)
      remove_snapshots();
    atomic_store(&w.shm->quarantine.overrides_lo, overrides.digest.lo ^ 1);
    atomic_store(&w.shm->quarantine.overrides_hi, overrides.digest.hi);
    beside_open(&beside, &w, 1000000);
    beside_turn(&beside, w.mono_ns);
    assert_int_equal(beside.replica.phase, WCX_REPLICA_WAIT);
    assert_non_null(strstr(beside.replica.said, "has not found good"));
    assert_int_equal(atomic_load(&w.shm->replica.applied_seq), 0);
    assert_int_equal(atomic_load(&w.shm->replica.snapshot_seq), 0);
    beside.replica.said[0] = 0;
    atomic_store(&w.shm->quarantine.overrides_lo, overrides.digest.lo);
    beside_catch_up(&beside, w.mono_ns + UINT64_C(5000000000));
    assert_int_equal(beside.replica.phase, WCX_REPLICA_FOLLOW);
    assert_engine_is_live(&beside, &w);
    beside_take(&beside, &w);
    assert_int_equal(list_snapshots(seqs), 1 + from_snapshot);
    beside_close(&beside);
    trade_some(&w, &client, 10);
  }
  w.override_page = NULL;
  world_close(&w);
}

/* A snapshot that cannot be written is said and tried again later; what was there stays. */
static void test_no_place_for_it(void **state)
{
  (void)state;
  world_t w;
  client_t client = begin(&w);
  beside_t beside;
  uint64_t seqs[8];
  beside_open(&beside, &w, 1000000);
  trade_some(&w, &client, 50);
  beside_take(&beside, &w);
  trade_some(&w, &client, 50);
  char path[512];
  snapshot_path(path, WCX_SNAPSHOT_FILE_TEMP);
  assert_int_equal(mkdir(path, 0700), 0); /* stands where the file wants to be */
  (void)atomic_fetch_add(&w.shm->replica.take_asked, 1);
  for (uint32_t i = 0; i < 100 && beside.replica.said[0] == 0; i++)
    (void)wcx_replica_step(&beside.replica, w.mono_ns);
  assert_non_null(strstr(beside.replica.said, "was not taken"));
  assert_int_equal(beside.replica.phase, WCX_REPLICA_FOLLOW);
  beside.replica.said[0] = 0;
  trade_some(&w, &client, 50);
  beside_catch_up(&beside, w.mono_ns); /* not at once again, and the journal is followed */
  assert_int_equal(atomic_load(&w.shm->replica.applied_seq), w.durable_seq);
  assert_int_equal(list_snapshots(seqs), 1);
  assert_int_equal(rmdir(path), 0);
  beside_catch_up(&beside, w.mono_ns + UINT64_C(6000000000));
  assert_int_equal(list_snapshots(seqs), 2);
  assert_int_equal(atomic_load(&w.shm->replica.take_answered), atomic_load(&w.shm->replica.take_asked));
  beside_close(&beside);
  world_close(&w);
}

/* A name that may vanish with the power is none: the journal must not be shortened because of it. */
static void test_its_name_is_durable(void **state)
{
  (void)state;
  world_t w;
  client_t client = begin(&w);
  beside_t beside;
  beside_open(&beside, &w, 1000000);
  trade_some(&w, &client, 50);
  beside_take(&beside, &w);
  uint64_t seq = atomic_load(&w.shm->replica.snapshot_seq);
  trade_some(&w, &client, 50);
  (void)atomic_fetch_add(&w.shm->replica.take_asked, 1);
  fails_directory = true;
  for (uint32_t i = 0; i < 1000 && beside.replica.said[0] == 0 && fails_directory; i++)
    (void)wcx_replica_step(&beside.replica, w.mono_ns);
  assert_false(fails_directory);
  assert_non_null(strstr(beside.replica.said, "cannot give it its name"));
  assert_int_equal(atomic_load(&w.shm->replica.snapshot_seq), seq);
  assert_int_equal(atomic_load(&w.shm->replica.keep_segment), 0);
  beside.replica.said[0] = 0;
  beside_catch_up(&beside, w.mono_ns + UINT64_C(6000000000));
  assert_true(atomic_load(&w.shm->replica.snapshot_seq) > seq);
  beside_close(&beside);
  world_close(&w);
}

/* What an earlier attempt left is longer: a snapshot is its own bytes and no others, or no start could begin with it. */
static void test_what_was_left_is_no_part_of_it(void **state)
{
  (void)state;
  world_t w;
  client_t client = begin(&w);
  beside_t beside;
  char path[512];
  beside_open(&beside, &w, 1000000);
  trade_some(&w, &client, 50);
  beside_catch_up(&beside, w.mono_ns);
  snapshot_path(path, WCX_SNAPSHOT_FILE_TEMP);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(ftruncate(fileno(file), 64 << 20), 0);
  assert_int_equal(fclose(file), 0);
  beside_take(&beside, &w);
  uint64_t seq = atomic_load(&w.shm->replica.snapshot_seq);
  beside_close(&beside);
  beside_open(&beside, &w, 1000000);
  beside_catch_up(&beside, w.mono_ns);
  assert_int_equal(beside.replica.kept_cnt, 1);
  assert_int_equal(beside.replica.kept[0].seq, seq);
  beside_close(&beside);
  world_close(&w);
}

static void change_stamp(uint64_t seq, int64_t by_ns)
{
  char name[WCX_SNAPSHOT_FILE_NAME_SZ], path[512];
  wcx_snapshot_file_t hdr;
  wcx_snapshot_file_name(name, seq);
  snapshot_path(path, name);
  FILE *file = fopen(path, "r+b");
  assert_non_null(file);
  assert_int_equal(fread(&hdr, sizeof(hdr), 1, file), 1);
  hdr.stamp_ns += (uint64_t)by_ns;
  hdr.crc32c = wcx_snapshot_file_crc(&hdr);
  rewind(file);
  assert_int_equal(fwrite(&hdr, sizeof(hdr), 1, file), 1);
  assert_int_equal(fclose(file), 0);
}

static void expect_refused(const world_t *w, const char *why)
{
  beside_t beside;
  beside_open(&beside, w, 1000000);
  for (uint32_t i = 0; i < 10 && beside.replica.said[0] == 0; i++)
    (void)wcx_replica_step(&beside.replica, w->mono_ns);
  if (strstr(beside.replica.said, why) == NULL)
    fail_msg("said '%s'", beside.replica.said);
  beside_close(&beside);
}

/* Sums that hold do not make a snapshot one of the input that its name says, nor its header one of its engine: stamps would go back. */
static void test_name_header_and_engine_agree(void **state)
{
  (void)state;
  world_t w;
  client_t client = begin(&w);
  beside_t beside;
  beside_open(&beside, &w, 1000000);
  trade_some(&w, &client, 50);
  beside_take(&beside, &w);
  beside_close(&beside);
  uint64_t seq = atomic_load(&w.shm->replica.snapshot_seq);
  char name[WCX_SNAPSHOT_FILE_NAME_SZ], path[512], other[512];
  wcx_snapshot_file_name(name, seq);
  snapshot_path(path, name);
  wcx_snapshot_file_name(name, seq - 1);
  snapshot_path(other, name);
  assert_int_equal(rename(path, other), 0);
  expect_refused(&w, "it is of shard 1, seq");
  assert_int_equal(rename(other, path), 0);
  change_stamp(seq, -1);
  expect_refused(&w, "are not those in its header");
  change_stamp(seq, 1);
  beside_open(&beside, &w, 1000000);
  beside_catch_up(&beside, w.mono_ns);
  assert_int_equal(beside.replica.kept[0].seq, seq);
  beside_close(&beside);
  world_close(&w);
}

/* Until a taking that was asked for has been written and is read back. */
static void step_until_read(world_t *w, beside_t *beside)
{
  for (uint32_t i = 0; i < 1000 && beside->replica.take.phase != WCX_TAKE_READ; i++)
    (void)wcx_replica_step(&beside->replica, w->mono_ns);
  assert_int_equal(beside->replica.take.phase, WCX_TAKE_READ);
}

/* The header that is there is sound, and not the one that was written. */
static void change_header(const beside_t *beside)
{
  char path[512];
  snapshot_path(path, WCX_SNAPSHOT_FILE_TEMP);
  wcx_snapshot_file_t hdr = beside->replica.take.hdr;
  hdr.taken_ns++;
  hdr.crc32c = wcx_snapshot_file_crc(&hdr);
  FILE *file = fopen(path, "r+b");
  assert_non_null(file);
  assert_int_equal(fwrite(&hdr, sizeof(hdr), 1, file), 1);
  assert_int_equal(fclose(file), 0);
}

/* What the disk gives back is not what was written, wherever: it gets no name, and the next attempt is another file. */
static void test_it_is_read_back(void **state)
{
  (void)state;
  world_t w;
  beside_t beside;
  uint64_t seqs[8];
  ask_for_a_snapshot(&w, &beside);
  for (uint32_t part = 0; part < 5; part++)
  {
    step_until_read(&w, &beside);
    const wcx_snapshot_file_t *hdr = &beside.replica.take.hdr;
    assert_true(hdr->stream_cnt > 0 && hdr->window_sz > 1000);
    const uint64_t offs[] = {8, wcx_snapshot_engine_off() + 1000, wcx_snapshot_streams_off(hdr) + 8, wcx_snapshot_window_off(hdr) + 1000};
    if (part < 4)
      damage_file(WCX_SNAPSHOT_FILE_TEMP, (long)offs[part]);
    else
      change_header(&beside);
    for (uint32_t i = 0; i < 1000 && beside.replica.said[0] == 0; i++)
      (void)wcx_replica_step(&beside.replica, w.mono_ns);
    assert_non_null(strstr(beside.replica.said, "read back differently"));
    assert_int_equal(list_snapshots(seqs), 0);
    assert_int_equal(atomic_load(&w.shm->replica.snapshot_seq), 0);
    beside.replica.said[0] = 0;
    w.mono_ns += UINT64_C(6000000000);
  }
  beside_catch_up(&beside, w.mono_ns);
  assert_int_equal(list_snapshots(seqs), 1);
  beside_close(&beside);
  world_close(&w);
}

/* Nor does one that could not be made durable. */
static void test_it_is_durable_before_its_name(void **state)
{
  (void)state;
  world_t w;
  beside_t beside;
  uint64_t seqs[8];
  ask_for_a_snapshot(&w, &beside);
  fails_file = true;
  for (uint32_t i = 0; i < 1000 && beside.replica.said[0] == 0 && list_snapshots(seqs) == 0; i++)
    (void)wcx_replica_step(&beside.replica, w.mono_ns);
  assert_false(fails_file);
  assert_non_null(strstr(beside.replica.said, "cannot make it durable"));
  assert_int_equal(list_snapshots(seqs), 0);
  beside.replica.said[0] = 0;
  beside_catch_up(&beside, w.mono_ns + UINT64_C(6000000000));
  assert_int_equal(list_snapshots(seqs), 1);
  beside_close(&beside);
  world_close(&w);
}

/* Slowly, when a pace is set: a step that comes too early does nothing. */
static void test_pace(void **state)
{
  (void)state;
  world_t w;
  beside_t beside;
  ask_for_a_snapshot(&w, &beside);
  beside.replica.take.place.bytes_per_s = 1u << 20;
  uint64_t from_ns = w.mono_ns;
  uint64_t now_ns = from_ns;
  for (uint32_t i = 0; i < 100000 && atomic_load(&w.shm->replica.snapshots) == 0; i++, now_ns += 1000000)
    (void)wcx_replica_step(&beside.replica, now_ns);
  assert_int_equal(atomic_load(&w.shm->replica.snapshots), 1);
  double seconds = (double)(now_ns - from_ns) / 1e9;
  double expected = (double)beside.replica.take.hdr.sz / (1u << 20);
  assert_true(seconds > 0.9 * expected && seconds < 2.5 * expected + 0.2);
  assert_true(atomic_load(&w.shm->replica.snapshot_ns) > 0);
  beside_close(&beside);
  world_close(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_never_past_the_release),
      cmocka_unit_test(test_waits_for_the_worker),
      cmocka_unit_test(test_when_they_are_due),
      cmocka_unit_test(test_death_while_taking),
      cmocka_unit_test(test_damaged_ones),
      cmocka_unit_test(test_a_snapshot_beyond_the_journal),
      cmocka_unit_test(test_snapshots_of_another_history),
      cmocka_unit_test(test_an_older_one_of_another_history),
      cmocka_unit_test(test_divergence_halts),
      cmocka_unit_test(test_a_damaged_journal_halts),
      cmocka_unit_test(test_unsigned_overrides_are_waited_for),
      cmocka_unit_test(test_no_place_for_it),
      cmocka_unit_test(test_its_name_is_durable),
      cmocka_unit_test(test_what_was_left_is_no_part_of_it),
      cmocka_unit_test(test_name_header_and_engine_agree),
      cmocka_unit_test(test_it_is_read_back),
      cmocka_unit_test(test_it_is_durable_before_its_name),
      cmocka_unit_test(test_pace),
  };
  return cmocka_run_group_tests_name("replica", tests, make_state_dir, remove_state_dir);
}
