#include "bench/digests.h"

#include "bench/cli.h"
#include "bench/pump.h"
#include "bench/records.h"
#include "engine/base/env.h"
#include "engine/shm/journal_walk.h"
#include "engine/snapshot.h"

#include <inttypes.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#define INPUTS_DEFAULT UINT64_C(100000000)
#define CHUNK 1000000u /* requests of one flow, its set-up not counted */
#define BURST 32u
#define LOG_SZ (UINT64_C(256) << 20)
#define REPLICA_LAG 262144u /* half of the marks that a replica finds again */
#define REPLICA_NS UINT64_C(60000000000)
#define SNAPSHOT_INPUTS "5000000" /* the appliance takes more of them; the replica stands still meanwhile */
#define ORDERS_MAX 262144u        /* a flow's own bound is below 200,000 */
#define LEVELS_MAX 131072u

typedef struct options
{
  const char *dir;
  uint64_t inputs, seed, restart_every, segment_mib;
  int cpu;
  bool json;
} options_t;

typedef struct digests
{
  wcx_engine_limits_t limits;
  wcx_digest_mark_t *marks; /* of the live engine; mark i of input (i + 1) * WCX_DIGEST_MARK_EVERY */
  uint64_t mark_max;
  uint64_t inputs;
  wcx_digest_t output, state; /* at the end */
  double live_s, replay_s, restarts_s;
  uint64_t replica_seq; /* of the last mark that the replica compared */
  uint64_t snapshots;   /* that it took */
  uint64_t restarts;
} digests_t;

static const char help[] = "wcx-bench digests: live, replica and replay come to the same digests\n"
                           "  --dir DIR            a new directory for journal and snapshots (needed)\n"
                           "  --inputs N           at least so many (100000000)\n"
                           "  --restart-every N    replay once more, the engine going on from its own snapshot every N inputs (0: not)\n"
                           "  --seed S             of the first flow (1)\n"
                           "  --segment-mib N      size of the journal's segments (256)\n"
                           "  --cpu N              the poll loop's CPU (0)\n"
                           "  --json               one line of JSON\n";

/* --- the command line ------------------------------------------------------------------------------------------------------------------- */

static int parse(options_t *options, int argc, char **argv)
{
  *options = (options_t){.inputs = INPUTS_DEFAULT, .seed = 1, .segment_mib = 256};
  const wcx_cli_option_t known[] = {{"dir", WCX_CLI_TEXT, &options->dir, 0, 0, 0},
                                    {"inputs", WCX_CLI_U64, &options->inputs, 1, UINT64_C(10000000000), 0},
                                    {"restart-every", WCX_CLI_U64, &options->restart_every, 0, UINT64_MAX, 0},
                                    {"seed", WCX_CLI_U64, &options->seed, 0, UINT32_MAX, 0},
                                    {"segment-mib", WCX_CLI_U64, &options->segment_mib, 1, 1024, 0},
                                    {"cpu", WCX_CLI_CPU, &options->cpu, 0, 0, 0},
                                    {"json", WCX_CLI_FLAG, &options->json, 0, 0, 0},
                                    {0}};
  int status = wcx_cli_options("digests", help, known, argc, argv);
  return status != 0 || options->dir != NULL ? status : wcx_cli_wrong("digests", "dir", "", "is needed");
}

/* --- live and replica ------------------------------------------------------------------------------------------------------------------- */

/* Everything the session has resting. */
static uint64_t cancel_all(wcx_pump_t *pump, uint64_t cl_ord_id)
{
  _Alignas(8) uint8_t record[WCX_RECORD_SZ_MAX] = {0};
  wcx_order_mass_cancel_request_t request = {.cl_ord_id = cl_ord_id,
                                             .security_id = WCX_U32_NULL,
                                             .account = WCX_U32_NULL,
                                             .mass_cancel_request_type = WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_SESSION,
                                             .side = WCX_SIDE_FILTER_BOTH};
  pump->rig.seq = pump->producer.next_seq - 1;
  (void)wcx_rig_encode(&pump->rig, record, WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, 1, cl_ord_id, &request, sizeof(request));
  return wcx_pump_run(pump, record, 1);
}

static void run_flows(digests_t *digests, const options_t *options, wcx_pump_t *pump)
{
  uint64_t cl_ord_id = 0;
  uint64_t ns = 0;
  uint64_t chunk = options->inputs < CHUNK ? options->inputs : CHUNK;
  for (uint32_t i = 0; pump->producer.next_seq <= options->inputs; i++)
  {
    wcx_cli_progress("live: %.1f of %.1f million", (double)pump->producer.next_seq / 1e6, (double)options->inputs / 1e6);
    wcx_records_t records;
    wcx_records_make(&records, i % 2 == 0 ? 'a' : 'b', chunk, options->seed + i);
    if (i == 0)
      ns += wcx_pump_run(pump, records.mem, records.definition_cnt);
    wcx_records_move(&records, pump->producer.next_seq - 1, cl_ord_id);
    ns += wcx_pump_run(pump, records.requests, records.request_cnt);
    cl_ord_id += records.request_cnt + 1;
    ns += cancel_all(pump, cl_ord_id);
    WCX_CHECK(wcx_engine_orders_live(pump->rig.engine) == 0, "%u orders rest", wcx_engine_orders_live(pump->rig.engine));
    wcx_records_free(&records);
  }
  digests->live_s = (double)ns / 1e9;
  digests->inputs = pump->producer.next_seq - 1;
  digests->output = wcx_engine_output_digest(pump->rig.engine);
  digests->state = wcx_engine_state_digest(pump->rig.engine);
}

static void await_replica(digests_t *digests, const wcx_worker_rig_t *worker)
{
  const wcx_region_replica_t *replica = &worker->shm->replica;
  uint64_t last = digests->inputs / WCX_DIGEST_MARK_EVERY * WCX_DIGEST_MARK_EVERY;
  uint64_t from_ns = wcx_env_mono_ns();
  while (atomic_load_explicit(&replica->digest_seq, memory_order_relaxed) != last || atomic_load_explicit(&replica->applied_seq, memory_order_relaxed) != digests->inputs)
  {
    wcx_worker_rig_check(worker);
    if (wcx_env_mono_ns() - from_ns > REPLICA_NS)
      WCX_DIE("the replica has compared up to input %" PRIu64 " of %" PRIu64, atomic_load(&replica->digest_seq), digests->inputs);
    usleep(1000);
  }
  digests->replica_seq = last;
  digests->snapshots = atomic_load_explicit(&replica->snapshots, memory_order_relaxed);
}

static void run_live(digests_t *digests, const options_t *options, wcx_worker_rig_t *worker)
{
  wcx_pump_t *pump = calloc(1, sizeof(*pump));
  WCX_CHECK(pump != NULL, "out of memory");
  wcx_pump_open(pump, worker, &digests->limits);
  pump->replica_lag = REPLICA_LAG;
  pump->kept = digests->marks;
  pump->kept_max = digests->mark_max;
  run_flows(digests, options, pump);
  await_replica(digests, worker);
  wcx_pump_close(pump);
  free(pump);
}

/* --- replay ----------------------------------------------------------------------------------------------------------------------------- */

typedef struct replay
{
  const digests_t *digests;
  wcx_rig_t rig;
  wcx_engine_t *engine; /* the rig's, until a restart */
  void *other_mem;      /* the next restart's */
  uint8_t *snapshot;
  uint64_t snapshot_sz;
  uint64_t restart_every; /* 0: never */
  uint64_t restarts;
} replay_t;

static void check(const char *what, uint64_t seq, wcx_digest_t ours, uint64_t live_lo, uint64_t live_hi)
{
  if (ours.lo != live_lo || ours.hi != live_hi)
    WCX_DIE("at input %" PRIu64 " the %s digest of the replay is %016" PRIx64 "%016" PRIx64 ", live it was %016" PRIx64 "%016" PRIx64, seq, what, ours.hi, ours.lo, live_hi,
            live_lo);
}

static void restart(replay_t *replay)
{
  uint64_t sz = wcx_engine_snapshot_sz(replay->engine);
  WCX_CHECK(sz <= replay->snapshot_sz, "a snapshot of %" PRIu64 " bytes", sz);
  (void)wcx_engine_snapshot_save(replay->engine, replay->snapshot, sz);
  char error[256];
  void *mem = replay->other_mem;
  replay->other_mem = replay->engine == replay->rig.engine ? replay->rig.engine_mem : (void *)replay->engine;
  replay->engine = wcx_engine_snapshot_load(mem, replay->rig.engine_sz, &replay->rig.limits, replay->snapshot, sz, error, sizeof(error));
  if (replay->engine == NULL)
    WCX_DIE("a snapshot is refused: %s", error);
  replay->restarts++;
}

static inline void apply(replay_t *replay, const wcx_record_hdr_t *hdr)
{
  wcx_outlog_t *log = &replay->rig.log;
  wcx_engine_apply(replay->engine, hdr, hdr + 1, log);
  log->sent_pos = log->write_pos;
  if (hdr->seq % WCX_DIGEST_MARK_EVERY == 0)
  {
    const wcx_digest_mark_t *mark = &replay->digests->marks[hdr->seq / WCX_DIGEST_MARK_EVERY - 1];
    WCX_CHECK(mark->seq == hdr->seq, "mark of input %" PRIu64 " at %" PRIu64, mark->seq, hdr->seq);
    check("output", hdr->seq, wcx_engine_output_digest(replay->engine), mark->output_lo, mark->output_hi);
    check("state", hdr->seq, wcx_engine_state_digest(replay->engine), mark->state_lo, mark->state_hi);
  }
  if (replay->restart_every != 0 && hdr->seq % replay->restart_every == 0)
    restart(replay);
}

static void walk(replay_t *replay, const char *dir)
{
  wcx_journal_source_t source;
  wcx_journal_walk_t walk;
  char err[WCX_JOURNAL_TEXT_SZ];
  uint8_t *buf = aligned_alloc(WCX_JOURNAL_ALIGN, WCX_JOURNAL_WALK_BUF_SZ);
  WCX_CHECK(buf != NULL, "out of memory");
  if (wcx_journal_source_open(&source, dir, err, sizeof(err)) != WCX_JOURNAL_OPEN_OK || wcx_journal_walk_over(&walk, &source, buf, err, sizeof(err)) != WCX_JOURNAL_OPEN_OK)
    WCX_DIE("%s", err);
  const wcx_record_hdr_t *hdrs[BURST];
  uint64_t epoch;
  int got;
  while ((got = wcx_journal_walk_burst(&walk, &epoch, hdrs, BURST)) > 0)
  {
    wcx_engine_input_t inputs[BURST];
    for (int i = 0; i < got; i++)
      inputs[i] = (wcx_engine_input_t){.hdr = hdrs[i], .body = hdrs[i] + 1};
    wcx_engine_prefetch(replay->engine, inputs, (uint32_t)got);
    for (int i = 0; i < got; i++)
      apply(replay, hdrs[i]);
  }
  if (got < 0)
    WCX_DIE("%s", walk.text);
  source.close(source.ctx);
  free(buf);
}

/* Returns seconds. */
static double run_replay(digests_t *digests, const char *journal_dir, uint64_t restart_every)
{
  wcx_cli_progress("%s", restart_every == 0 ? "replay" : "restarts");
  replay_t replay = {.digests = digests, .restart_every = restart_every};
  wcx_rig_init(&replay.rig, &digests->limits, LOG_SZ);
  wcx_rig_restart(&replay.rig);
  replay.engine = replay.rig.engine;
  replay.other_mem = wcx_rig_map(replay.rig.engine_sz);
  replay.snapshot_sz = replay.rig.engine_sz;
  replay.snapshot = wcx_rig_map(replay.snapshot_sz);
  uint64_t from_ns = wcx_env_mono_ns();
  walk(&replay, journal_dir);
  double took_s = (double)(wcx_env_mono_ns() - from_ns) / 1e9;
  uint64_t applied = wcx_engine_applied_seq(replay.engine);
  if (applied != digests->inputs)
    WCX_DIE("the journal ends at input %" PRIu64 ", the live engine at %" PRIu64, applied, digests->inputs);
  check("output", applied, wcx_engine_output_digest(replay.engine), digests->output.lo, digests->output.hi);
  check("state", applied, wcx_engine_state_digest(replay.engine), digests->state.lo, digests->state.hi);
  digests->restarts += replay.restarts;
  void *spare = replay.other_mem == replay.rig.engine_mem ? (void *)replay.engine : replay.other_mem;
  munmap(spare, replay.rig.engine_sz);
  munmap(replay.snapshot, replay.snapshot_sz);
  wcx_rig_free(&replay.rig);
  wcx_cli_progress("%s", "");
  return took_s;
}

/* --- the command ------------------------------------------------------------------------------------------------------------------------ */

static void print(const options_t *options, const digests_t *digests)
{
  char host[256];
  wcx_cli_host(host, sizeof(host));
  double cnt = (double)digests->inputs;
  if (options->json)
  {
    printf("{\"host\":\"%s\",\"seed\":%" PRIu64 ",\"inputs\":%" PRIu64 ",\"marks\":%" PRIu64 ",\"output_digest\":\"%016" PRIx64 "%016" PRIx64 "\",\"state_digest\":\"%016" PRIx64
           "%016" PRIx64 "\"",
           host, options->seed, digests->inputs, digests->inputs / WCX_DIGEST_MARK_EVERY, digests->output.hi, digests->output.lo, digests->state.hi, digests->state.lo);
    printf(",\"live_s\":%.2f,\"live_per_s\":%.0f,\"replica_seq\":%" PRIu64 ",\"snapshots\":%" PRIu64 ",\"replay_s\":%.2f,\"replay_per_s\":%.0f,\"restarts\":%" PRIu64
           ",\"restarts_s\":%.2f}\n",
           digests->live_s, cnt / digests->live_s, digests->replica_seq, digests->snapshots, digests->replay_s, cnt / digests->replay_s, digests->restarts, digests->restarts_s);
    return;
  }
  printf("%s\n%" PRIu64 " inputs; output digest %016" PRIx64 "%016" PRIx64 ", state digest %016" PRIx64 "%016" PRIx64 ", equal in all of these:\n", host, digests->inputs,
         digests->output.hi, digests->output.lo, digests->state.hi, digests->state.lo);
  printf("live      %9.1f s   %6.2f million/s, durable\n", digests->live_s, cnt / digests->live_s / 1e6);
  printf("replica   meanwhile; %" PRIu64 " marks up to input %" PRIu64 " compared, %" PRIu64 " snapshots\n", digests->replica_seq / WCX_DIGEST_MARK_EVERY, digests->replica_seq,
         digests->snapshots);
  printf("replay    %9.1f s   %6.2f million/s, from disk; %" PRIu64 " marks compared\n", digests->replay_s, cnt / digests->replay_s / 1e6, digests->inputs / WCX_DIGEST_MARK_EVERY);
  if (options->restart_every != 0)
    printf("restarts  %9.1f s   %" PRIu64 " of them, one every %" PRIu64 " inputs\n", digests->restarts_s, digests->restarts, options->restart_every);
}

int wcx_digests_bench(int argc, char **argv)
{
  options_t options;
  int status = parse(&options, argc, argv);
  if (status != 0)
    return status;
  wcx_cli_pin(options.cpu);
  digests_t digests = {.limits = {.shard = WCX_RIG_SHARD, .orders_max = ORDERS_MAX, .levels_max = LEVELS_MAX, .instruments_max = 1, .accounts_max = 1000, .sessions_max = 1},
                       .mark_max = options.inputs / WCX_DIGEST_MARK_EVERY + 2 * CHUNK / WCX_DIGEST_MARK_EVERY};
  digests.marks = calloc(digests.mark_max, sizeof(*digests.marks));
  WCX_CHECK(digests.marks != NULL, "out of memory");
  wcx_params_t *params = wcx_worker_rig_params(options.dir, options.cpu, (uint32_t)options.segment_mib << 20);
  wcx_worker_rig_limits(params, &digests.limits);
  wcx_worker_rig_t worker;
  wcx_worker_rig_start(&worker, params);
  wcx_worker_rig_grant(&worker);
  wcx_worker_rig_replicate(&worker, SNAPSHOT_INPUTS);
  run_live(&digests, &options, &worker);
  wcx_worker_rig_end(&worker);
  digests.replay_s = run_replay(&digests, worker.dir, 0);
  if (options.restart_every != 0)
    digests.restarts_s = run_replay(&digests, worker.dir, options.restart_every);
  print(&options, &digests);
  wcx_worker_rig_stop(&worker);
  free(params);
  free(digests.marks);
  return 0;
}
