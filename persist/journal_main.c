/* wcx-journal: the journal worker of one shard as a process. Waits for the shared region, takes its locks, recovers, and then turns: step, or sleep. */
#include "engine/base/check.h"
#include "engine/base/env.h"
#include "engine/shm/region_file.h"
#include "engine/shm/snapshot_file.h"
#include "persist/journal.h"
#include "persist/worker.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define LOCK_TIMEOUT_NS 5000000000u
#define PREPARE_IDLE_NS 10000000u
#define PREPARE_PACE_NS 1000000u /* between two chunks while segments are in stock */
#define PREPARE_RETRY_NS 1000000000u
#define HOUSEKEEPING_NS 1000000000u
#define DISK_STALL_NS 1000000000u
#define STOP_NS 2000000000u /* at most, for what is committed when SIGTERM comes */

static _Atomic int finished; /* the last block is durable: no more segments are needed */
static wcx_journal_t journal;

static const wcx_params_shard_t *check_params(const wcx_params_t *params, uint32_t shard_idx)
{
  const wcx_params_shard_t *shard = wcx_worker_shard(params, shard_idx);
  if (params->durability != WCX_DURABILITY_LEVEL_D1_LOCAL_FLUSH)
    WCX_DIE("durability D2 and D3 (several machines) are not built yet: set durability to D1");
  if (params->journal_segment_sz < (256u << 10) || params->journal_segment_sz % WCX_JOURNAL_ALIGN != 0)
    WCX_DIE("journal segment size %u: must be a multiple of 4096 and at least 262144", params->journal_segment_sz);
  if (params->journal_segments_ahead == 0)
    WCX_DIE("journal segments ahead: must be at least 1");
  return shard;
}

/* Segments are made here, away from the commit path, slowly while there is stock and at full speed when there is none. */
static void *prepare(void *unused)
{
  (void)unused;
  bool failed = false;
  int anchors_error = 0;
  int retention_error = 0;
  while (atomic_load_explicit(&finished, memory_order_relaxed) == 0)
  {
    int result = wcx_journal_prepare_step(&journal);
    if (anchors_error == 0 && (anchors_error = atomic_load_explicit(&journal.anchors.error, memory_order_relaxed)) < 0)
      wcx_worker_say("alarm: cannot keep anchors: %s; the next start reads more of the journal", strerrordesc_np(-anchors_error));
    if (retention_error == 0 && (retention_error = atomic_load_explicit(&journal.retention.error, memory_order_relaxed)) < 0)
      wcx_worker_say("alarm: cannot remove old segments: %s; not tried again before the next start", strerrordesc_np(-retention_error));
    if (result < 0 && !failed)
      wcx_worker_say("alarm: cannot prepare the next segment: %s; trying again every second", strerrordesc_np(-result));
    if (result < 0)
      failed = true;
    else if (journal.prep.phase == WCX_SEGMENT_IDLE)
      failed = false;
    uint64_t prepared = atomic_load_explicit(&journal.prep.prepared, memory_order_relaxed);
    uint64_t wanted = atomic_load_explicit(&journal.prep.wanted, memory_order_relaxed);
    bool stock = wanted < prepared + journal.config.segments_ahead;
    if (result < 0)
      wcx_worker_pause_ns(PREPARE_RETRY_NS);
    else if (result == 0)
      wcx_worker_pause_ns(PREPARE_IDLE_NS);
    else if (stock)
      wcx_worker_pause_ns(PREPARE_PACE_NS);
  }
  return NULL;
}

static void watch_space(bool *low)
{
  uint64_t free_cnt = wcx_journal_segments_free(&journal);
  if (free_cnt < 2 && !*low)
    wcx_worker_say("alarm: room for %" PRIu64 " more segments in %s: make room, at none the worker halts", free_cnt, journal.config.dir);
  *low = free_cnt < 2;
  atomic_store_explicit(&journal.shared->journal.segments_free, free_cnt, memory_order_relaxed); /* below 2 the data plane takes cancels only */
}

/* A slow disk is no error: acks wait, the ring fills, the data plane's ladder takes load off. Only people can do something about it. */
static void watch_disk(bool *slow, uint64_t now_ns)
{
  uint64_t waiting_ns = wcx_journal_waiting_ns(&journal, now_ns);
  if (waiting_ns > DISK_STALL_NS && !*slow)
    wcx_worker_say("alarm: a write to %s waits for %" PRIu64 " ms: the disk is slow or stuck; acks wait with it", journal.config.dir, waiting_ns / 1000000u);
  if (waiting_ns <= DISK_STALL_NS && *slow)
    wcx_worker_say("the disk of %s answers again", journal.config.dir);
  *slow = waiting_ns > DISK_STALL_NS;
  atomic_store_explicit(&journal.shared->segments.waiting_ns, waiting_ns, memory_order_relaxed);
}

static int turn(void)
{
  bool low = false;
  bool slow = false;
  uint64_t housekeeping_ns = 0;
  uint64_t stop_ns = 0;
  while (!journal.halted)
  {
    uint64_t now_ns = wcx_env_mono_ns();
    uint32_t work = wcx_journal_step(&journal, now_ns);
    if (wcx_worker_stopping())
    {
      stop_ns = stop_ns == 0 ? now_ns + STOP_NS : stop_ns;
      if (wcx_journal_idle(&journal) || now_ns > stop_ns)
        return 0;
    }
    if (now_ns - housekeeping_ns > HOUSEKEEPING_NS)
    {
      housekeeping_ns = now_ns;
      watch_space(&low);
      watch_disk(&slow, now_ns);
    }
    if (work == 0)
      wcx_journal_idle_wait(&journal);
  }
  wcx_worker_say("halted: %s", journal.text);
  return 1;
}

/* After an orderly end every record is vouched for, and that there is no other. */
static void vouch_for_end(void)
{
  int result = wcx_journal_vouch_end(&journal);
  if (result < 0)
    wcx_worker_say("the end of the journal has no anchor (%s): the next boot will find it unwitnessed", strerrordesc_np(-result));
}

static void say_begin(const wcx_params_shard_t *shard)
{
  const wcx_recovered_t *recovered = &journal.recovered;
  wcx_worker_say("shard %u: seq %" PRIu64 ", %" PRIu64 " blocks read from segment %" PRIu64 " on, epoch %" PRIu64 ", incarnation %" PRIu64 "%s", shard->shard, journal.flushed_seq,
                 recovered->blocks, recovered->from_segment_no, journal.epoch, journal.incarnation, recovered->cut ? ", torn end cut" : "");
  if (recovered->obeyed)
    wcx_worker_say("alarm: shard %u: the journal was cut behind seq %" PRIu64 " by a decision of two operators (wcxctl journal verify); what was cut away is kept beside it",
                   shard->shard, journal.flushed_seq);
  if (recovered->super_damaged)
    wcx_worker_say("alarm: damage: copies of the superblock were not as written; all are written anew");
  if (journal.unwitnessed)
    wcx_worker_say("alarm: shard %u: the end of the journal is unwitnessed: the last stop was not orderly and nothing remembers it. Up to seq %" PRIu64
                   " something vouches for, seq %" PRIu64
                   " is the last that is there; whether later ones were acknowledged no reader can tell: compare with the archive or a member's acks",
                   shard->shard, recovered->vouched_seq, journal.flushed_seq);
}

int main(int argc, char **argv)
{
  const struct argp argp = {
      .options = wcx_worker_argp.options, .parser = wcx_worker_argp.parser, .doc = "The journal worker of one shard: makes the inputs in the ring durable and opens the gate."};
  wcx_worker_args_t args = {0};
  argp_parse(&argp, argc, argv, 0, NULL, &args);
  wcx_worker_init("wcx-journal");

  wcx_region_file_t file;
  wcx_worker_wait_region(&file, args.region);
  const wcx_params_t *params = &file.region->params;
  const wcx_params_shard_t *shard = check_params(params, args.shard_idx);
  if (!wcx_region_lock(&file, WCX_REGION_LOCK_JOURNAL + args.shard_idx))
    WCX_DIE("another wcx-journal runs for shard index %u of %s: only one may", args.shard_idx, args.region);
  wcx_worker_leave_poll_cpus(params);
  char dir[512];
  char snapshot_dir[512];
  if (!wcx_journal_dir(dir, sizeof(dir), params->state_dir, shard->shard) || !wcx_snapshot_dir(snapshot_dir, sizeof(snapshot_dir), params->state_dir, shard->shard))
    WCX_DIE("state_dir is too long");

  wcx_journal_config_t config = {.dir = dir,
                                 .snapshot_dir = snapshot_dir,
                                 .shard = shard->shard,
                                 .segment_sz = params->journal_segment_sz,
                                 .segments_ahead = params->journal_segments_ahead,
                                 .lock_timeout_ns = LOCK_TIMEOUT_NS,
                                 .eager_lanes = 1};
  if (wcx_journal_open(&journal, &config, wcx_region_shard(file.region, args.shard_idx)) < 0)
    WCX_DIE("%s: %s", dir, journal.text);
  say_begin(shard);

  pthread_t preparer;
  int error = pthread_create(&preparer, NULL, prepare, NULL);
  if (error != 0)
    WCX_DIE("cannot start the preparing thread: %s", strerrordesc_np(error));
  pthread_setname_np(preparer, "wcx-jrn-prepare");
  prctl(PR_SET_NAME, "wcx-journal", 0, 0, 0);
  prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);

  if (turn() != 0)
    return 1; /* closes nothing in an orderly way: the successor recovers by reading */
  atomic_store_explicit(&finished, 1, memory_order_relaxed);
  pthread_join(preparer, NULL);
  vouch_for_end();
  wcx_journal_close(&journal);
  return 0;
}
