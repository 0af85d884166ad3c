/* kill -9 of wcx-journal below wcx-controld, real processes over the real disk: how long until acks resume, whatever the journal's length.

   This program is the data plane: it commits a steady flow to the ring of a region that wcx-controld made, kills the worker and takes the time until the
   release word moves on (the first ack leaves): the supervisor's notice, the start, the recovery and the first commit. Asserted are that every restart
   succeeds and that nothing is missing at the end; the times are printed (DURABILITY: median at most 100 ms).

     WCX_SEGMENTS=64       segments to write before the kills      WCX_SEGMENT_MIB=1    size of each
     WCX_RESTARTS=20       kills                                   WCX_RATE=20000       records a second around the kills
     WCX_ANCHORS=0         remove the file `anchors` before each start */
#include "engine/base/env.h"
#include "engine/shm/journal_walk.h"
#include "engine/shm/region_file.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define BODY_SZ 80u
#define BURST 32u
#define LIMIT_NS UINT64_C(60000000000)
#define RESTARTS_MAX 1000u

static char dir[64];
static char region_path[128];
static wcx_region_file_t file;
static wcx_region_shard_t *shared;
static wcx_jring_producer_t producer;
static uint64_t *end_pos;
static uint32_t shard;
static pid_t daemon_pid;

static uint64_t env_number(const char *name, uint64_t otherwise)
{
  const char *text = getenv(name);
  return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static uint64_t release_seq(void)
{
  return wcx_release_seq(atomic_load_explicit(&shared->release.release_word, memory_order_acquire));
}

static void pause_ns(long ns)
{
  struct timespec pause = {.tv_nsec = ns};
  nanosleep(&pause, NULL);
}

static void set_key(char *out, size_t sz, const char *key, const char *path)
{
  assert_true((size_t)snprintf(out, sz, "%s=%s%s", key, dir, path) < sz);
}

static void start_daemon(uint64_t segment_mib)
{
  snprintf(dir, sizeof(dir), "build/test-restart-XXXXXX");
  assert_non_null(mkdtemp(dir));
  snprintf(region_path, sizeof(region_path), "%s/region", dir);
  char run_dir[160];
  char region[32];
  char mib[64];
  set_key(run_dir, sizeof(run_dir), "paths.run_dir", "");
  snprintf(region, sizeof(region), "paths.region=region"); /* relative to run_dir */
  snprintf(mib, sizeof(mib), "durability.journal_segment_mib=%" PRIu64, segment_mib);
  char port[64];
  snprintf(port, sizeof(port), "http.listen_tcp_port=%d", 20000 + getpid() % 10000);
  daemon_pid = fork();
  if (daemon_pid == 0)
  {
    execl("build/bin/wcx-controld", "wcx-controld", "--config", "configs/wcx.yaml", "--set", run_dir, "--set", region, "--set", mib, "--set", port, (char *)NULL);
    _exit(127);
  }
  char err[512];
  uint64_t from_ns = wcx_env_mono_ns();
  while (wcx_region_open(&file, region_path, true, err, sizeof(err)) != WCX_REGION_OK)
  {
    assert_true(wcx_env_mono_ns() - from_ns < LIMIT_NS);
    pause_ns(1000000);
  }
  shared = wcx_region_shard(file.region, 0);
  shard = file.region->params.shards[0].shard;
  end_pos = calloc(file.region->params.shards[0].jring_slot_max, sizeof(*end_pos));
  assert_non_null(end_pos);
}

static void kill_worker(void)
{
  char path[160];
  snprintf(path, sizeof(path), "%s/control/wcx-journal-0.pid", dir);
  FILE *pid_file = fopen(path, "re");
  assert_non_null(pid_file);
  int pid = 0;
  assert_int_equal(fscanf(pid_file, "%d", &pid), 1);
  fclose(pid_file);
  assert_int_equal(kill(pid, SIGKILL), 0);
}

static void start_producer(void)
{
  uint64_t asked = atomic_fetch_add(&shared->handshake.asked, 1) + 1;
  for (uint64_t from_ns = wcx_env_mono_ns(); atomic_load(&shared->handshake.answered) != asked; pause_ns(100000))
    assert_true(wcx_env_mono_ns() - from_ns < LIMIT_NS);
  wcx_jring_producer_init(&producer, &shared->jring, end_pos, atomic_load(&shared->handshake.cut_seq));
}

static bool commit_one(void)
{
  static const uint8_t body[BODY_SZ];
  if (wcx_jring_room(&producer, release_seq()) < WCX_JRING_RECORD_SLOTS_MAX)
    return false;
  wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .template_id = 1, .shard = (uint16_t)shard, .seq = producer.next_seq, .stamp_ns = producer.next_seq, .body_sz = BODY_SZ};
  wcx_jring_commit(&producer, &hdr, body);
  return true;
}

/* Commit at `rate` a second (0: as fast as there is room) until `done` says so. Returns when it did. */
static uint64_t play_until(bool (*done)(uint64_t wanted), uint64_t wanted, uint64_t rate)
{
  uint64_t from_ns = wcx_env_mono_ns();
  uint64_t now_ns = from_ns;
  for (uint64_t sent = 0; !done(wanted); now_ns = wcx_env_mono_ns())
  {
    uint64_t due = rate == 0 ? sent + BURST : (now_ns - from_ns) * rate / 1000000000u;
    uint64_t before = sent;
    while (sent < due && commit_one())
      sent++;
    if (sent > before)
      wcx_doorbell_ring(&shared->jring.bell);
    else
      pause_ns(20000);
    if (now_ns - from_ns > LIMIT_NS)
      fail_msg("waited in vain: released %" PRIu64 ", committed %" PRIu64, release_seq(), producer.next_seq - 1);
  }
  return wcx_env_mono_ns();
}

static bool segment_reached(uint64_t wanted)
{
  return atomic_load(&shared->journal.segment) >= wanted;
}

static bool incarnation_reached(uint64_t wanted)
{
  return atomic_load(&shared->handshake.incarnation) >= wanted;
}

static bool released_beyond(uint64_t wanted)
{
  return release_seq() > wanted;
}

static int compare(const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *)a;
  uint64_t y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static void acks_resume(void **state)
{
  (void)state;
  uint64_t segments = env_number("WCX_SEGMENTS", 64);
  uint64_t restarts = env_number("WCX_RESTARTS", 20);
  uint64_t segment_mib = env_number("WCX_SEGMENT_MIB", 1);
  bool anchors = env_number("WCX_ANCHORS", 1) != 0;
  assert_true(restarts > 0 && restarts <= RESTARTS_MAX);
  start_daemon(segment_mib);
  start_producer();
  play_until(segment_reached, segments, 0);
  uint64_t rate = env_number("WCX_RATE", 20000);
  static uint64_t took_ns[RESTARTS_MAX];
  char path[160];
  for (uint64_t i = 0; i < restarts; i++)
  {
    play_until(released_beyond, producer.next_seq + rate + rate / 4, rate); /* a life of more than a second: a quick death earns a pause */
    snprintf(path, sizeof(path), "%s/state/journal/shard-%05u/anchors", dir, shard);
    if (!anchors)
      unlink(path);
    uint64_t incarnation = atomic_load(&shared->handshake.incarnation);
    uint64_t from_ns = wcx_env_mono_ns();
    kill_worker();
    play_until(incarnation_reached, incarnation + 1, rate);
    took_ns[i] = play_until(released_beyond, release_seq(), rate) - from_ns;
  }
  qsort(took_ns, restarts, sizeof(took_ns[0]), compare);
  print_message("# kill -9 of wcx-journal -> acks resume, %" PRIu64 " times over %" PRIu64 " segments of %" PRIu64 " MiB%s: median %.1f ms, max %.1f ms\n", restarts,
                atomic_load(&shared->journal.segment), segment_mib, anchors ? "" : ", without anchors", (double)took_ns[restarts / 2] / 1e6, (double)took_ns[restarts - 1] / 1e6);
  kill(daemon_pid, SIGTERM);
  int status;
  assert_int_equal(waitpid(daemon_pid, &status, 0), daemon_pid);
  daemon_pid = 0;
  assert_int_equal(status, 0);

  wcx_journal_walk_t walk;
  char err[512];
  snprintf(path, sizeof(path), "%s/state/journal/shard-%05u", dir, shard);
  assert_int_equal(wcx_journal_walk_open(&walk, path, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  wcx_journal_block_t block;
  const uint8_t *body;
  int result;
  do
    result = wcx_journal_walk_next_block(&walk, &block, &body);
  while (result == 1);
  assert_int_equal(result, 0);
  assert_int_equal(walk.end.last_seq, producer.next_seq - 1); /* what was committed when SIGTERM came is there, too */
  assert_int_equal(walk.incarnation, restarts + 1);
  wcx_journal_walk_close(&walk);
}

static int tear_down(void **state)
{
  (void)state;
  if (daemon_pid > 0)
  {
    kill(daemon_pid, SIGTERM); /* takes its workers along */
    waitpid(daemon_pid, NULL, 0);
  }
  wcx_region_close(&file);
  free(end_pos);
  char command[128];
  snprintf(command, sizeof(command), "rm -rf %s", dir);
  return system(command);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(acks_resume, tear_down)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
