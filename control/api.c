#include "control/api.h"

#include "engine/base/check.h"
#include "engine/base/env.h"
#include "engine/base/int128.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define LOOP_STALL_NS UINT64_C(2000000000) /* a poll loop that has not turned for so long does not answer */

static uint64_t load(const _Atomic uint64_t *word)
{
  return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)word, memory_order_acquire); /* pairs with the writers' release, see release.h and region.h */
}

static const char *phase_name(uint64_t phase)
{
  switch (phase)
  {
  case WCX_DATAPLANE_STARTING:
    return "Starting";
  case WCX_DATAPLANE_WAITING_JOURNAL:
    return "WaitingForJournal";
  case WCX_DATAPLANE_REPLAYING:
    return "Replaying";
  case WCX_DATAPLANE_SERVING:
    return "Serving";
  default:
    return "None";
  }
}

/* One row a process: name, whether it holds its lock, and whether orders wait for it. */
typedef struct process_up
{
  char name[32];
  bool up;
  bool needed; /* to serve orders */
} process_up_t;

#define PROCESSES_MAX (4u + 5u * WCX_SHARDS_MAX)

/* Which of them the configuration wants is not known here: those that live, or have lived. */
static uint32_t list_sinks(const wcx_region_file_t *file, uint32_t shard_idx, process_up_t *rows, uint32_t cnt)
{
  static const char *const names[WCX_SINK_KINDS] = {"wcx-sink-pg", "wcx-sink-redis"};
  for (uint32_t kind = 0; kind < WCX_SINK_KINDS; kind++)
  {
    const wcx_region_sink_t *words = &wcx_region_shard(file->region, shard_idx)->sinks[kind];
    bool up = wcx_region_alive(file, WCX_REGION_LOCK_SINK + kind * WCX_SHARDS_MAX + shard_idx);
    if (!up && load(&words->seq) == 0 && load(&words->failing) == 0)
      continue;
    snprintf(rows[cnt].name, sizeof(rows[cnt].name), "%s-%u", names[kind], shard_idx);
    rows[cnt++].up = up;
  }
  return cnt;
}

static uint32_t list_processes(const wcx_region_file_t *file, process_up_t rows[PROCESSES_MAX])
{
  static const struct
  {
    const char *name;
    uint32_t role;
  } fixed[] = {{"wcx-controld", WCX_REGION_LOCK_CONTROLD}, {"wcx-dataplane", WCX_REGION_LOCK_DATAPLANE}, {"wcx-auth", WCX_REGION_LOCK_AUTH}};
  uint32_t cnt = 0;
  memset(rows, 0, PROCESSES_MAX * sizeof(rows[0]));
  for (; cnt < 3; cnt++)
  {
    snprintf(rows[cnt].name, sizeof(rows[cnt].name), "%s", fixed[cnt].name);
    rows[cnt].up = wcx_region_alive(file, fixed[cnt].role);
    rows[cnt].needed = true;
  }
  snprintf(rows[cnt].name, sizeof(rows[cnt].name), "wcx-api");
  rows[cnt].needed = true;
  rows[cnt++].up = true; /* it is us */
  if (file->region->params.durability == WCX_DURABILITY_LEVEL_D0_NONE)
    return cnt;
  for (uint32_t i = 0; i < file->region->shard_cnt; i++)
  {
    snprintf(rows[cnt].name, sizeof(rows[cnt].name), "wcx-journal-%u", i);
    rows[cnt].needed = true;
    rows[cnt++].up = wcx_region_alive(file, WCX_REGION_LOCK_JOURNAL + i);
    snprintf(rows[cnt].name, sizeof(rows[cnt].name), "wcx-keeper-%u", i);
    rows[cnt++].up = wcx_region_alive(file, WCX_REGION_LOCK_KEEPER + i);
    snprintf(rows[cnt].name, sizeof(rows[cnt].name), "wcx-replica-%u", i);
    rows[cnt++].up = wcx_region_alive(file, WCX_REGION_LOCK_REPLICA + i);
    cnt = list_sinks(file, i, rows, cnt);
  }
  return cnt;
}

const char *wcx_api_not_ready(const wcx_region_file_t *file)
{
  process_up_t rows[PROCESSES_MAX];
  static _Thread_local char text[64];
  uint32_t cnt = list_processes(file, rows);
  for (uint32_t i = 0; i < cnt; i++)
    if (rows[i].needed && !rows[i].up)
    {
      snprintf(text, sizeof(text), "%s is not running", rows[i].name);
      return text;
    }
  uint64_t now_ns = wcx_env_mono_ns();
  for (uint32_t i = 0; i < file->region->shard_cnt; i++)
  {
    const wcx_region_shard_t *shard = wcx_region_shard(file->region, i);
    uint64_t loop_ns = load(&shard->dataplane.loop_ns);
    if (load(&shard->dataplane.phase) != WCX_DATAPLANE_SERVING)
      return "the data plane is not serving yet";
    if (now_ns > loop_ns && now_ns - loop_ns > LOOP_STALL_NS)
      return "the poll loop does not turn: is wcx-dataplane stopped?";
    if (load(&shard->journal.halted) != 0)
      return "the journal has halted after an error: see the log of wcx-journal";
  }
  return NULL;
}

/* --- status ------------------------------------------------------------------------------------ */

static json_t *status_of_shard(const wcx_region_t *region, uint32_t idx)
{
  const wcx_region_shard_t *shard = wcx_region_shard((wcx_region_t *)(uintptr_t)region, idx);
  uint64_t release_word = load(&shard->release.release_word);
  json_t *out = json_object();
  json_object_set_new(out, "Shard", json_integer(region->params.shards[idx].shard));
  json_object_set_new(out, "Phase", json_string(phase_name(load(&shard->dataplane.phase))));
  const struct
  {
    const char *name;
    uint64_t value;
  } rows[] = {
      {"AppliedSeq", load(&shard->dataplane.applied_seq)},
      {"FlushedSeq", load(&shard->release.flushed_seq)},
      {"ReleaseSeq", wcx_release_seq(release_word)},
      {"Epoch", load(&shard->release.epoch)},
      {"Incarnation", load(&shard->handshake.incarnation)},
      {"LiveBindings", load(&shard->dataplane.live_bindings)},
      {"OrdersLive", load(&shard->dataplane.orders_live)},
      {"JournalBlocks", load(&shard->journal.blocks)},
      {"JournalRecords", load(&shard->journal.records)},
      {"JournalSegment", load(&shard->journal.segment)},
      {"CommitNs", load(&shard->journal.commit_ns_last)},
      {"JournalHalted", load(&shard->journal.halted)},
      {"StartedNs", load(&shard->dataplane.started_ns)},
      {"FirstSegment", load(&shard->segments.first_segment)},
      {"ClosedSegment", load(&shard->segments.closed_segment)},
      {"ArchivedSegment", load(&shard->keeper.archived_segment)},
      {"ShippedSeq", load(&shard->keeper.shipped_seq)},
      {"ArchiveFailing", load(&shard->keeper.failing)},
      {"ScrubPasses", load(&shard->keeper.scrub_passes)},
      {"SegmentsDamaged", load(&shard->keeper.damaged)},
      {"SegmentsRepaired", load(&shard->keeper.repaired)},
      {"SegmentsFree", load(&shard->journal.segments_free)},
      {"ReplicaSeq", load(&shard->replica.applied_seq)},
      {"DigestSeq", load(&shard->replica.digest_seq)},
      {"SnapshotSeq", load(&shard->replica.snapshot_seq)},
      {"Snapshots", load(&shard->replica.snapshots)},
      {"SnapshotNs", load(&shard->replica.snapshot_ns)},
      {"ReplicaHalted", load(&shard->replica.halted)},
      {"TakeAnswered", load(&shard->replica.take_answered)},
      {"KeepSegment", load(&shard->replica.keep_segment)},
      {"PostgresqlSeq", load(&shard->sinks[WCX_SINK_PG].seq)},
      {"PostgresqlHeldSeq", load(&shard->sinks[WCX_SINK_PG].held_seq)},
      {"PostgresqlFailing", load(&shard->sinks[WCX_SINK_PG].failing)},
      {"PostgresqlStuck", load(&shard->sinks[WCX_SINK_PG].stuck)},
      {"RedisSeq", load(&shard->sinks[WCX_SINK_REDIS].seq)},
      {"RedisFailing", load(&shard->sinks[WCX_SINK_REDIS].failing)},
      {"EndUnwitnessed", load(&shard->segments.unwitnessed)},
      {"VouchedSeq", load(&shard->segments.vouched_seq)},
      {"ClockJumps", load(&shard->clock.jumps)},
      {"ClockAheadNs", load(&shard->clock.ahead_ns)},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
    json_object_set_new(out, rows[i].name, json_integer((json_int_t)rows[i].value));
  return out;
}

static json_t *status(const wcx_region_file_t *file)
{
  const wcx_region_t *region = file->region;
  json_t *processes = json_object();
  process_up_t rows[PROCESSES_MAX];
  uint32_t cnt = list_processes(file, rows);
  for (uint32_t i = 0; i < cnt; i++)
    json_object_set_new(processes, rows[i].name, json_string(rows[i].up ? "Up" : "Down"));
  json_t *shards = json_array();
  for (uint32_t i = 0; i < region->shard_cnt; i++)
    json_array_append_new(shards, status_of_shard(region, i));
  const char *not_ready = wcx_api_not_ready(file);
  char level[4];
  snprintf(level, sizeof(level), "D%u", region->params.durability % 10);
  return json_pack("{s:{s:b,s:s,s:s,s:s,s:o,s:o}}", "Status", "Ready", not_ready == NULL, "NotReady", not_ready == NULL ? "" : not_ready, "Durability", level, "StateDir",
                   region->params.state_dir, "Processes", processes, "Shards", shards);
}

/* Ask the replica for a snapshot of what is durable now. Who wants to know when it is there watches TakeAnswered of the status. */
static json_t *take_snapshot(const wcx_region_file_t *file, const json_t *asked)
{
  const json_t *shard = json_object_get(asked, "Shard");
  for (uint32_t i = 0; i < file->region->shard_cnt; i++)
  {
    if (!json_is_integer(shard) || json_integer_value(shard) != file->region->params.shards[i].shard)
      continue;
    wcx_region_replica_t *replica = &wcx_region_shard((wcx_region_t *)(uintptr_t)file->region, i)->replica;
    if (!wcx_region_alive(file, WCX_REGION_LOCK_REPLICA + i))
      return json_pack("{s:{s:s}}", "Error", "Text", "wcx-replica of this shard is not running");
    if (load(&replica->halted) != 0)
      return json_pack("{s:{s:s}}", "Error", "Text", "the replica of this shard has halted: see the log of wcx-replica");
    uint64_t number = atomic_fetch_add_explicit(&replica->take_asked, 1, memory_order_acq_rel) + 1; /* pairs with the replica's acquire */
    return json_pack("{s:{s:O,s:I}}", "SnapshotAsked", "Shard", shard, "Asked", (json_int_t)number);
  }
  return json_pack("{s:{s:s}}", "Error", "Text", "there is no such shard: ask {\"SnapshotTake\":{\"Shard\":1}}");
}

/* Follow UTC although it has jumped. The jump is named, so that a confirmation does not meet another one. */
static json_t *confirm_clock(const wcx_region_file_t *file, const json_t *asked)
{
  const json_t *shard = json_object_get(asked, "Shard");
  const json_t *jump = json_object_get(asked, "Jump");
  for (uint32_t i = 0; i < file->region->shard_cnt; i++)
  {
    if (!json_is_integer(shard) || json_integer_value(shard) != file->region->params.shards[i].shard)
      continue;
    wcx_region_clock_t *clock = &wcx_region_shard((wcx_region_t *)(uintptr_t)file->region, i)->clock;
    uint64_t jumps = load(&clock->jumps);
    if (load(&clock->ahead_ns) == 0 || !json_is_integer(jump) || (uint64_t)json_integer_value(jump) != jumps)
      return json_pack("{s:{s:s}}", "Error", "Text", "that jump of UTC is not held back now: see ClockJumps and ClockAheadNs of the status");
    atomic_store_explicit(&clock->confirmed, jumps, memory_order_relaxed);
    return json_pack("{s:{s:O,s:O}}", "ClockConfirmed", "Shard", shard, "Jump", jump);
  }
  return json_pack("{s:{s:s}}", "Error", "Text", "there is no such shard: ask {\"ClockConfirm\":{\"Shard\":1,\"Jump\":1}}");
}

/* --- stages ------------------------------------------------------------------------------------ */

static const struct
{
  const char *name;
  const char *help;
} stage_rows[WCX_STAGE_CNT] = {
#define WCX_STAGE(name, help) {#name, help},
#include "engine/shm/stages.def"
#undef WCX_STAGE
};

/* The buckets as they are now, and how many that makes: a writer may be between a bucket and the count. */
static uint64_t copy_buckets(const wcx_stage_hist_t *hist, uint64_t buckets[WCX_STAGE_BUCKETS])
{
  uint64_t cnt = 0;
  for (uint32_t i = 0; i < WCX_STAGE_BUCKETS; i++)
  {
    buckets[i] = load(&hist->buckets[i]);
    cnt += buckets[i];
  }
  return cnt;
}

/* As wcx_hist_percentile: rounded up to the end of the bucket. */
static uint64_t stage_percentile(const uint64_t buckets[WCX_STAGE_BUCKETS], uint64_t cnt, uint64_t max, uint32_t ppm)
{
  uint64_t rank = (uint64_t)(((wcx_u128_t)cnt * ppm + 999999) / 1000000);
  uint64_t seen = 0;
  for (uint32_t i = 0; i < WCX_STAGE_BUCKETS - 1 && cnt > 0; i++)
  {
    seen += buckets[i];
    if (seen >= rank && seen > 0)
      return wcx_stage_bucket_end(i) < max ? wcx_stage_bucket_end(i) : max;
  }
  return max;
}

static json_t *stage_of(const wcx_stage_hist_t *hist, uint32_t stage)
{
  uint64_t buckets[WCX_STAGE_BUCKETS];
  uint64_t max = load(&hist->max);
  uint64_t cnt = copy_buckets(hist, buckets);
  return json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:s}", "Stage", stage_rows[stage].name, "Count", (json_int_t)cnt, "MeanNs", (json_int_t)(cnt > 0 ? load(&hist->sum) / cnt : 0),
                   "P50Ns", (json_int_t)stage_percentile(buckets, cnt, max, 500000), "P99Ns", (json_int_t)stage_percentile(buckets, cnt, max, 990000), "P999Ns",
                   (json_int_t)stage_percentile(buckets, cnt, max, 999000), "MaxNs", (json_int_t)max, "Text", stage_rows[stage].help);
}

/* How long the requests that were followed stayed in each stage of the data plane, since the region was made. */
static json_t *stages(const wcx_region_file_t *file)
{
  json_t *shards = json_array();
  for (uint32_t i = 0; i < file->region->shard_cnt; i++)
  {
    const wcx_stages_t *shm = &wcx_region_shard((wcx_region_t *)(uintptr_t)file->region, i)->stages;
    json_t *rows = json_array();
    for (uint32_t stage = 0; stage < WCX_STAGE_CNT; stage++)
      json_array_append_new(rows, stage_of(&shm->hists[stage], stage));
    json_array_append_new(shards, json_pack("{s:I,s:o}", "Shard", (json_int_t)file->region->params.shards[i].shard, "Stages", rows));
  }
  return json_pack("{s:{s:o}}", "Stages", "Shards", shards);
}

char *wcx_api_answer(const wcx_region_file_t *file, const char *request)
{
  json_error_t error;
  json_t *asked = json_loads(request, JSON_REJECT_DUPLICATES, &error);
  json_t *answer;
  if (asked == NULL)
    answer = json_pack("{s:{s:s}}", "Error", "Text", "not a line of JSON: ask {\"Status\":{}}");
  else if (json_object_size(asked) == 1 && json_is_object(json_object_get(asked, "Status")))
    answer = status(file);
  else if (json_object_size(asked) == 1 && json_is_object(json_object_get(asked, "Stages")))
    answer = stages(file);
  else if (json_object_size(asked) == 1 && json_is_object(json_object_get(asked, "SnapshotTake")))
    answer = take_snapshot(file, json_object_get(asked, "SnapshotTake"));
  else if (json_object_size(asked) == 1 && json_is_object(json_object_get(asked, "ClockConfirm")))
    answer = confirm_clock(file, json_object_get(asked, "ClockConfirm"));
  else
    answer = json_pack("{s:{s:s}}", "Error", "Text",
                       "unknown request: ask {\"Status\":{}}, {\"Stages\":{}}, {\"SnapshotTake\":{\"Shard\":1}} or {\"ClockConfirm\":{\"Shard\":1,\"Jump\":1}}");
  json_decref(asked);
  char *text = answer == NULL ? NULL : json_dumps(answer, JSON_COMPACT);
  json_decref(answer);
  char *line = NULL;
  WCX_CHECK(text != NULL && asprintf(&line, "%s\n", text) > 0, "no memory for an answer");
  free(text);
  return line;
}

/* --- metrics ----------------------------------------------------------------------------------- */

static void head(FILE *out, const char *name, const char *type, const char *help)
{
  fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_counters(FILE *out, const wcx_region_t *region)
{
  static const struct
  {
    const char *name;
    const char *help;
    size_t off;
  } rows[] = {
#define WCX_STAT(name, help) {"wcx_" #name "_total", help, offsetof(wcx_stats_t, name)},
#include "engine/shm/stats.def"
#undef WCX_STAT
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
  {
    head(out, rows[i].name, "counter", rows[i].help);
    for (uint32_t k = 0; k < region->shard_cnt; k++)
    {
      const wcx_region_shard_t *shard = wcx_region_shard((wcx_region_t *)(uintptr_t)region, k);
      const _Atomic uint64_t *counter = (const _Atomic uint64_t *)(const void *)((const uint8_t *)&shard->stats + rows[i].off);
      fprintf(out, "%s{shard=\"%u\"} %" PRIu64 "\n", rows[i].name, region->params.shards[k].shard, load(counter));
    }
  }
}

static void write_rejects(FILE *out, const wcx_region_t *region)
{
  head(out, "wcx_rejects_total", "counter", "Orders, cancels, replaces and sides of quotes that the engine refused; a start counts again what it replays");
  for (uint32_t i = 0; i < region->shard_cnt; i++)
    for (enum wcx_reject reject = WCX_REJECT_NONE + 1; reject < WCX_REJECT_CNT; reject++)
      fprintf(out, "wcx_rejects_total{shard=\"%u\",reason=\"%s\"} %" PRIu64 "\n", region->params.shards[i].shard, wcx_reject_name(reject),
              load(&wcx_region_shard((wcx_region_t *)(uintptr_t)region, i)->rejects.cnt[reject]));
}

static void write_gauges(FILE *out, const wcx_region_t *region)
{
  static const struct
  {
    const char *name;
    const char *type;
    const char *help;
    size_t off;
  } rows[] = {
      {"wcx_flushed_seq", "gauge", "Last input that is durable", offsetof(wcx_region_shard_t, release.flushed_seq)},
      {"wcx_applied_seq", "gauge", "Last input the engine has applied", offsetof(wcx_region_shard_t, dataplane.applied_seq)},
      {"wcx_epoch", "gauge", "Lineage of the writer", offsetof(wcx_region_shard_t, release.epoch)},
      {"wcx_live_bindings", "gauge", "Sessions signed on", offsetof(wcx_region_shard_t, dataplane.live_bindings)},
      {"wcx_orders_live", "gauge", "Orders in the books", offsetof(wcx_region_shard_t, dataplane.orders_live)},
      {"wcx_pressure", "gauge", "1 clear, 2 no new risk, 3 cancels only, 4 full", offsetof(wcx_region_shard_t, dataplane.pressure)},
      {"wcx_dataplane_phase", "gauge", "1 starting, 2 waiting for the journal, 3 replaying, 4 serving", offsetof(wcx_region_shard_t, dataplane.phase)},
      {"wcx_clock_ahead_ns", "gauge", "How far UTC has jumped ahead and is not followed yet", offsetof(wcx_region_shard_t, clock.ahead_ns)},
      {"wcx_journal_blocks_total", "counter", "Blocks written by this worker", offsetof(wcx_region_shard_t, journal.blocks)},
      {"wcx_journal_records_total", "counter", "Records written by this worker", offsetof(wcx_region_shard_t, journal.records)},
      {"wcx_journal_bytes_total", "counter", "Bytes written by this worker", offsetof(wcx_region_shard_t, journal.bytes)},
      {"wcx_journal_segments_ahead", "gauge", "Segments written in advance", offsetof(wcx_region_shard_t, journal.segments_ahead)},
      {"wcx_journal_commit_ns", "gauge", "Submit to completion of the last block", offsetof(wcx_region_shard_t, journal.commit_ns_last)},
      {"wcx_journal_halted", "gauge", "1: stopped releasing after an error", offsetof(wcx_region_shard_t, journal.halted)},
      {"wcx_journal_segments_free", "gauge", "Segments that can still be written; below 2 only cancels are taken", offsetof(wcx_region_shard_t, journal.segments_free)},
      {"wcx_journal_first_segment", "gauge", "Oldest segment kept", offsetof(wcx_region_shard_t, segments.first_segment)},
      {"wcx_journal_closed_segment", "gauge", "Newest segment that is full and durable", offsetof(wcx_region_shard_t, segments.closed_segment)},
      {"wcx_journal_slow_writes_total", "counter", "Writes of this worker that took longer than 250 ms", offsetof(wcx_region_shard_t, segments.slow_writes)},
      {"wcx_journal_waiting_ns", "gauge", "Age of the oldest write in flight", offsetof(wcx_region_shard_t, segments.waiting_ns)},
      {"wcx_journal_end_unwitnessed", "gauge", "1: when this worker started nobody could say whether something was behind the end of the journal",
       offsetof(wcx_region_shard_t, segments.unwitnessed)},
      {"wcx_journal_vouched_seq", "gauge", "Last input that something vouched for when this worker started", offsetof(wcx_region_shard_t, segments.vouched_seq)},
      {"wcx_archive_segment", "gauge", "Newest segment in the archive that was read back", offsetof(wcx_region_shard_t, keeper.archived_segment)},
      {"wcx_archive_seq", "gauge", "Last input in the archive", offsetof(wcx_region_shard_t, keeper.shipped_seq)},
      {"wcx_archive_failing", "gauge", "1: the last attempt to archive failed", offsetof(wcx_region_shard_t, keeper.failing)},
      {"wcx_scrub_passes_total", "counter", "Times that this keeper has read all closed segments", offsetof(wcx_region_shard_t, keeper.scrub_passes)},
      {"wcx_segments_damaged", "gauge", "Segments of journal and archive that are damaged and not repaired", offsetof(wcx_region_shard_t, keeper.damaged)},
      {"wcx_superblock_copies_damaged", "gauge", "Copies of the superblock that the next start of the journal worker writes anew",
       offsetof(wcx_region_shard_t, keeper.super_damaged)},
      {"wcx_segments_repaired_total", "counter", "Segments that this keeper has repaired from the archive", offsetof(wcx_region_shard_t, keeper.repaired)},
      {"wcx_replica_applied_seq", "gauge", "Last durable input the replica has applied", offsetof(wcx_region_shard_t, replica.applied_seq)},
      {"wcx_replica_digest_seq", "gauge", "Last input at which the digests of replica and live engine were equal", offsetof(wcx_region_shard_t, replica.digest_seq)},
      {"wcx_replica_halted", "gauge", "1: digests differ, or the journal cannot be followed", offsetof(wcx_region_shard_t, replica.halted)},
      {"wcx_snapshot_seq", "gauge", "Last input in the newest snapshot", offsetof(wcx_region_shard_t, replica.snapshot_seq)},
      {"wcx_snapshots_total", "counter", "Snapshots taken by this replica", offsetof(wcx_region_shard_t, replica.snapshots)},
      {"wcx_snapshot_duration_ns", "gauge", "Time that the newest snapshot took", offsetof(wcx_region_shard_t, replica.snapshot_ns)},
      {"wcx_snapshot_keep_segment", "gauge", "Oldest segment of the journal that the kept snapshots need, 0: all", offsetof(wcx_region_shard_t, replica.keep_segment)},
      {"wcx_sink_pg_seq", "gauge", "Last input whose rows are committed in PostgreSQL", offsetof(wcx_region_shard_t, sinks[WCX_SINK_PG].seq)},
      {"wcx_sink_pg_held_seq", "gauge", "Last input whose rows no crash of PostgreSQL takes back; what lies behind is kept for it, 0: all",
       offsetof(wcx_region_shard_t, sinks[WCX_SINK_PG].held_seq)},
      {"wcx_sink_pg_rows_total", "counter", "Rows that this sink has written", offsetof(wcx_region_shard_t, sinks[WCX_SINK_PG].rows)},
      {"wcx_sink_pg_batches_total", "counter", "Batches that this sink has committed", offsetof(wcx_region_shard_t, sinks[WCX_SINK_PG].batches)},
      {"wcx_sink_pg_stale_total", "counter", "Commits refused because the mark in PostgreSQL stood elsewhere", offsetof(wcx_region_shard_t, sinks[WCX_SINK_PG].stale)},
      {"wcx_sink_pg_failing", "gauge", "1: PostgreSQL cannot be reached, or the last statement failed", offsetof(wcx_region_shard_t, sinks[WCX_SINK_PG].failing)},
      {"wcx_sink_pg_stuck", "gauge", "1: the journal does not serve PostgreSQL from where it is", offsetof(wcx_region_shard_t, sinks[WCX_SINK_PG].stuck)},
      {"wcx_sink_redis_seq", "gauge", "Last input that Redis knows of", offsetof(wcx_region_shard_t, sinks[WCX_SINK_REDIS].seq)},
      {"wcx_sink_redis_rows_total", "counter", "Trades that this sink has written", offsetof(wcx_region_shard_t, sinks[WCX_SINK_REDIS].rows)},
      {"wcx_sink_redis_batches_total", "counter", "Batches that this sink has committed", offsetof(wcx_region_shard_t, sinks[WCX_SINK_REDIS].batches)},
      {"wcx_sink_redis_stale_total", "counter", "Commits refused because the mark in Redis stood elsewhere", offsetof(wcx_region_shard_t, sinks[WCX_SINK_REDIS].stale)},
      {"wcx_sink_redis_failing", "gauge", "1: Redis cannot be reached, or the last command failed", offsetof(wcx_region_shard_t, sinks[WCX_SINK_REDIS].failing)},
      {"wcx_journal_incarnation", "gauge", "Starts of the journal worker", offsetof(wcx_region_shard_t, handshake.incarnation)},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
  {
    head(out, rows[i].name, rows[i].type, rows[i].help);
    for (uint32_t k = 0; k < region->shard_cnt; k++)
    {
      const uint8_t *shard = (const uint8_t *)wcx_region_shard((wcx_region_t *)(uintptr_t)region, k);
      fprintf(out, "%s{shard=\"%u\"} %" PRIu64 "\n", rows[i].name, region->params.shards[k].shard, load((const _Atomic uint64_t *)(const void *)(shard + rows[i].off)));
    }
  }
  head(out, "wcx_release_seq", "gauge", "Last input whose outputs may leave");
  for (uint32_t k = 0; k < region->shard_cnt; k++)
  {
    const wcx_region_shard_t *shard = wcx_region_shard((wcx_region_t *)(uintptr_t)region, k);
    fprintf(out, "wcx_release_seq{shard=\"%u\"} %" PRIu64 "\n", region->params.shards[k].shard, wcx_release_seq(load(&shard->release.release_word)));
  }
  head(out, "wcx_durability_level", "gauge", "0 none, 1 local flush, 2 majority memory, 3 majority flush");
  fprintf(out, "wcx_durability_level %u\n", region->params.durability);
}

/* Steps of a factor of two: the buckets between two of them fall together. `le` is what the last of them counts at most, exactly. */
static void write_stage(FILE *out, uint32_t shard, const wcx_stage_hist_t *hist, uint32_t stage)
{
  uint64_t buckets[WCX_STAGE_BUCKETS];
  uint64_t sum = load(&hist->sum);
  uint64_t cnt = copy_buckets(hist, buckets);
  uint64_t seen = 0;
  for (uint32_t i = 0; i < WCX_STAGE_BUCKETS - 1; i++)
  {
    seen += buckets[i];
    uint64_t end = wcx_stage_bucket_end(i);
    if (end >= 31 && (end & (end + 1)) == 0)
      fprintf(out, "wcx_stage_ns_bucket{shard=\"%u\",stage=\"%s\",le=\"%" PRIu64 "\"} %" PRIu64 "\n", shard, stage_rows[stage].name, end, seen);
  }
  fprintf(out, "wcx_stage_ns_bucket{shard=\"%u\",stage=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", shard, stage_rows[stage].name, cnt);
  fprintf(out, "wcx_stage_ns_sum{shard=\"%u\",stage=\"%s\"} %" PRIu64 "\n", shard, stage_rows[stage].name, sum);
  fprintf(out, "wcx_stage_ns_count{shard=\"%u\",stage=\"%s\"} %" PRIu64 "\n", shard, stage_rows[stage].name, cnt);
}

static void write_stages(FILE *out, const wcx_region_t *region)
{
  head(out, "wcx_stage_ns", "histogram", "Time that requests which were followed spent in each stage of the data plane");
  for (uint32_t i = 0; i < region->shard_cnt; i++)
    for (uint32_t stage = 0; stage < WCX_STAGE_CNT; stage++)
      write_stage(out, region->params.shards[i].shard, &wcx_region_shard((wcx_region_t *)(uintptr_t)region, i)->stages.hists[stage], stage);
}

char *wcx_api_metrics(const wcx_region_file_t *file)
{
  char *text = NULL;
  size_t sz = 0;
  FILE *out = open_memstream(&text, &sz);
  WCX_CHECK(out != NULL, "no memory for the metrics");
  write_counters(out, file->region);
  write_rejects(out, file->region);
  write_gauges(out, file->region);
  write_stages(out, file->region);
  process_up_t rows[PROCESSES_MAX];
  uint32_t cnt = list_processes(file, rows);
  head(out, "wcx_process_up", "gauge", "1: the process holds its lock in the region");
  for (uint32_t i = 0; i < cnt; i++)
    fprintf(out, "wcx_process_up{process=\"%s\"} %d\n", rows[i].name, rows[i].up);
  head(out, "wcx_ready", "gauge", "1: orders can be served");
  fprintf(out, "wcx_ready %d\n", wcx_api_not_ready(file) == NULL);
  fclose(out);
  return text;
}
