#include "bench/digests.h"

#include "bench/pump.h"
#include "bench/records.h"
#include "bench/run_folder.h"
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
#define BAR_INPUTS 16384u
#define POINTS 200u /* of a line over all inputs, and as many again for inputs beyond those asked for */

typedef struct options
{
  const char *dir;
  uint64_t inputs, seed, restart_every, segment_mib;
  wcx_run_asked_t asked;
} options_t;

/* How fast it went, stretch by stretch. */
typedef struct pace
{
  uint64_t every;   /* inputs of a stretch, at least */
  uint64_t seq, ns; /* where the last one ended */
  uint32_t cnt;
  double inputs[2 * POINTS], per_s[2 * POINTS];
} pace_t;

typedef struct digests
{
  const options_t *options;
  wcx_run_folder_t *run;
  wcx_engine_limits_t limits;
  wcx_digest_mark_t *marks; /* of the live engine; mark i of input (i + 1) * WCX_DIGEST_MARK_EVERY */
  uint64_t mark_max;
  uint64_t inputs;
  wcx_digest_t output, state; /* at the end */
  double live_s, replay_s, restarts_s;
  uint64_t replica_seq; /* of the last mark that the replica compared */
  uint64_t snapshots;   /* that it took */
  uint64_t restarts;
  pace_t live, replay;
} digests_t;

static const char help[] = "wcx-bench digests: live, replica and replay come to the same digests\n"
                           "  --dir DIR            a new directory for journal and snapshots (needed)\n"
                           "  --inputs N           at least so many (100000000)\n"
                           "  --restart-every N    replay once more, the engine going on from its own snapshot every N inputs (0: not)\n"
                           "  --seed S             of the first flow (1)\n"
                           "  --segment-mib N      size of the journal's segments (256)\n"
                           "  --cpu N              the poll loop's CPU (0)\n" WCX_RUN_ASKED_HELP;

/* --- the command line ------------------------------------------------------------------------------------------------------------------- */

static int parse(options_t *options, int argc, char **argv)
{
  *options = (options_t){.inputs = INPUTS_DEFAULT, .seed = 1, .segment_mib = 256};
  const wcx_cli_option_t known[] = {{"dir", WCX_CLI_TEXT, &options->dir, 0, 0, 0},
                                    {"inputs", WCX_CLI_U64, &options->inputs, 1, UINT64_C(10000000000), 0},
                                    {"restart-every", WCX_CLI_U64, &options->restart_every, 0, UINT64_MAX, 0},
                                    {"seed", WCX_CLI_U64, &options->seed, 0, UINT32_MAX, 0},
                                    {"segment-mib", WCX_CLI_U64, &options->segment_mib, 1, 1024, 0},
                                    WCX_RUN_ASKED(&options->asked),
                                    {0}};
  int status = wcx_cli_options("digests", help, known, argc, argv);
  return status != 0 || options->dir != NULL ? status : wcx_cli_wrong("digests", "dir", "", "is needed");
}

static void note_pace(pace_t *pace, uint64_t seq, uint64_t ns)
{
  if (seq - pace->seq < pace->every || pace->cnt == 2 * POINTS)
    return;
  pace->inputs[pace->cnt] = (double)seq;
  pace->per_s[pace->cnt++] = (double)(seq - pace->seq) * 1e9 / (double)(ns - pace->ns);
  pace->seq = seq;
  pace->ns = ns;
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
    wcx_cli_bar((double)pump->producer.next_seq / (double)options->inputs, "live: %.1f of %.1f million", (double)pump->producer.next_seq / 1e6, (double)options->inputs / 1e6);
    wcx_records_t records;
    wcx_records_make(&records, i % 2 == 0 ? 'a' : 'b', chunk, options->seed + i);
    if (i == 0)
      ns += wcx_pump_run(pump, records.mem, records.definition_cnt);
    wcx_records_move(&records, pump->producer.next_seq - 1, cl_ord_id);
    ns += wcx_pump_run(pump, records.requests, records.request_cnt);
    cl_ord_id += records.request_cnt + 1;
    ns += cancel_all(pump, cl_ord_id);
    note_pace(&digests->live, pump->producer.next_seq - 1, ns);
    wcx_run_folder_sample(digests->run, (double)ns / (double)(pump->producer.next_seq - 1));
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
  digests_t *digests;
  uint64_t from_ns;
  uint64_t told; /* input that the bar was drawn at */
  bool differs;
  wcx_rig_t rig;
  wcx_engine_t *engine; /* the rig's, until a restart */
  void *other_mem;      /* the next restart's */
  uint8_t *snapshot;
  uint64_t snapshot_sz;
  uint64_t restart_every; /* 0: never */
  uint64_t restarts;
} replay_t;

/* The first difference makes the run invalid; behind it everything differs. */
static void check(replay_t *replay, const char *what, uint64_t seq, wcx_digest_t ours, uint64_t live_lo, uint64_t live_hi)
{
  if (replay->differs || (ours.lo == live_lo && ours.hi == live_hi))
    return;
  replay->differs = true;
  wcx_run_fault(replay->digests->run, "at input %" PRIu64 " the %s digest of the replay is %016" PRIx64 "%016" PRIx64 ", live it was %016" PRIx64 "%016" PRIx64, seq, what, ours.hi,
                ours.lo, live_hi, live_lo);
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
    check(replay, "output", hdr->seq, wcx_engine_output_digest(replay->engine), mark->output_lo, mark->output_hi);
    check(replay, "state", hdr->seq, wcx_engine_state_digest(replay->engine), mark->state_lo, mark->state_hi);
  }
  if (replay->restart_every != 0 && hdr->seq % replay->restart_every == 0)
    restart(replay);
}

static inline void note_walk(replay_t *replay, uint64_t seq)
{
  digests_t *digests = replay->digests;
  if (seq - replay->told < BAR_INPUTS)
    return;
  replay->told = seq;
  wcx_cli_bar((double)seq / (double)digests->inputs, "%s: %.1f of %.1f million", replay->restart_every == 0 ? "replay" : "restarts", (double)seq / 1e6,
              (double)digests->inputs / 1e6);
  if (replay->restart_every == 0)
    note_pace(&digests->replay, seq, wcx_env_mono_ns() - replay->from_ns);
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
  int got = 0;
  while (!replay->differs && (got = wcx_journal_walk_burst(&walk, &epoch, hdrs, BURST)) > 0)
  {
    wcx_engine_input_t inputs[BURST];
    for (int i = 0; i < got; i++)
      inputs[i] = (wcx_engine_input_t){.hdr = hdrs[i], .body = hdrs[i] + 1};
    wcx_engine_prefetch(replay->engine, inputs, (uint32_t)got);
    for (int i = 0; i < got; i++)
      apply(replay, hdrs[i]);
    note_walk(replay, hdrs[got - 1]->seq);
  }
  if (got < 0)
    WCX_DIE("%s", walk.text);
  source.close(source.ctx);
  free(buf);
}

/* Returns seconds. */
static double run_replay(digests_t *digests, const char *journal_dir, uint64_t restart_every)
{
  wcx_cli_progress("%s", "");
  replay_t replay = {.digests = digests, .restart_every = restart_every};
  wcx_rig_init(&replay.rig, &digests->limits, LOG_SZ);
  wcx_rig_restart(&replay.rig);
  replay.engine = replay.rig.engine;
  replay.other_mem = wcx_rig_map(replay.rig.engine_sz);
  replay.snapshot_sz = replay.rig.engine_sz;
  replay.snapshot = wcx_rig_map(replay.snapshot_sz);
  replay.from_ns = wcx_env_mono_ns();
  walk(&replay, journal_dir);
  double took_s = (double)(wcx_env_mono_ns() - replay.from_ns) / 1e9;
  uint64_t applied = wcx_engine_applied_seq(replay.engine);
  if (applied != digests->inputs && !replay.differs)
    wcx_run_fault(digests->run, "the journal ends at input %" PRIu64 ", the live engine at %" PRIu64, applied, digests->inputs);
  check(&replay, "output", applied, wcx_engine_output_digest(replay.engine), digests->output.lo, digests->output.hi);
  check(&replay, "state", applied, wcx_engine_state_digest(replay.engine), digests->state.lo, digests->state.hi);
  digests->restarts += replay.restarts;
  void *spare = replay.other_mem == replay.rig.engine_mem ? (void *)replay.engine : replay.other_mem;
  munmap(spare, replay.rig.engine_sz);
  munmap(replay.snapshot, replay.snapshot_sz);
  wcx_rig_free(&replay.rig);
  return took_s;
}

/* --- the command ------------------------------------------------------------------------------------------------------------------------ */

static void tell_json(FILE *file, const void *found)
{
  const digests_t *digests = found;
  double cnt = (double)digests->inputs;
  fprintf(file,
          ",\"seed\":%" PRIu64 ",\"inputs\":%" PRIu64 ",\"marks\":%" PRIu64 ",\"output_digest\":\"%016" PRIx64 "%016" PRIx64 "\",\"state_digest\":\"%016" PRIx64 "%016" PRIx64 "\"",
          digests->options->seed, digests->inputs, digests->inputs / WCX_DIGEST_MARK_EVERY, digests->output.hi, digests->output.lo, digests->state.hi, digests->state.lo);
  fprintf(file,
          ",\"live_s\":%.2f,\"live_per_s\":%.0f,\"replica_seq\":%" PRIu64 ",\"snapshots\":%" PRIu64 ",\"replay_s\":%.2f,\"replay_per_s\":%.0f,\"restarts\":%" PRIu64
          ",\"restarts_s\":%.2f",
          digests->live_s, cnt / digests->live_s, digests->replica_seq, digests->snapshots, digests->replay_s, cnt / digests->replay_s, digests->restarts, digests->restarts_s);
}

static void tell_table(FILE *file, const void *found)
{
  const digests_t *digests = found;
  double cnt = (double)digests->inputs;
  fprintf(file, "%" PRIu64 " inputs; output digest %016" PRIx64 "%016" PRIx64 ", state digest %016" PRIx64 "%016" PRIx64 "%s\n", digests->inputs, digests->output.hi,
          digests->output.lo, digests->state.hi, digests->state.lo, digests->run->fault[0] == 0 ? ", equal in all of these:" : " of the live engine");
  fprintf(file, "live      %9.1f s   %6.2f million/s, durable\n", digests->live_s, cnt / digests->live_s / 1e6);
  fprintf(file, "replica   meanwhile; %" PRIu64 " marks up to input %" PRIu64 " compared, %" PRIu64 " snapshots\n", digests->replica_seq / WCX_DIGEST_MARK_EVERY,
          digests->replica_seq, digests->snapshots);
  fprintf(file, "replay    %9.1f s   %6.2f million/s, from disk; %" PRIu64 " marks compared\n", digests->replay_s, cnt / digests->replay_s / 1e6,
          digests->inputs / WCX_DIGEST_MARK_EVERY);
  if (digests->options->restart_every != 0)
    fprintf(file, "restarts  %9.1f s   %" PRIu64 " of them, one every %" PRIu64 " inputs\n", digests->restarts_s, digests->restarts, digests->options->restart_every);
}

static void keep(const digests_t *digests)
{
  char what[96], beside[96];
  double cnt = (double)digests->inputs;
  wcx_run_folder_t *run = digests->run;
  snprintf(beside, sizeof(beside), "%" PRIu64 " inputs in %.1f s, durable", digests->inputs, digests->live_s);
  wcx_run_folder_value(run, "live engine and journal", cnt / digests->live_s / 1e6, " million/s", WCX_WANTED_NOTHING, 0, beside);
  snprintf(beside, sizeof(beside), "meanwhile, %" PRIu64 " snapshots", digests->snapshots);
  wcx_run_folder_value(run, "marks that the replica compared", (double)(digests->replica_seq / WCX_DIGEST_MARK_EVERY), "", WCX_WANTED_AT_LEAST,
                       (double)(digests->inputs / WCX_DIGEST_MARK_EVERY), beside);
  snprintf(beside, sizeof(beside), "%.1f s, from disk, every mark compared", digests->replay_s);
  wcx_run_folder_value(run, "replay", cnt / digests->replay_s / 1e6, " million/s", WCX_WANTED_NOTHING, 0, beside);
  snprintf(what, sizeof(what), "restarts, one every %" PRIu64 " inputs", digests->options->restart_every);
  if (digests->options->restart_every != 0)
    wcx_run_folder_value(run, what, (double)digests->restarts, "", WCX_WANTED_NOTHING, 0, NULL);
  wcx_chart_t chart = {.title = "Inputs a second",
                       .x_label = "inputs",
                       .y_label = "inputs a second",
                       .x_scale = WCX_CHART_LINEAR,
                       .y_scale = WCX_CHART_LINEAR,
                       .x_unit = WCX_CHART_NUMBER,
                       .y_unit = WCX_CHART_NUMBER};
  const pace_t *paces[] = {&digests->live, &digests->replay};
  static const char *const names[] = {"live, durable, replica beside it", "replay from disk"};
  for (uint32_t i = 0; i < 2; i++)
    if (paces[i]->cnt > 0)
      chart.series[chart.series_cnt++] = (wcx_chart_series_t){.name = names[i], .x = paces[i]->inputs, .y = paces[i]->per_s, .cnt = paces[i]->cnt, .color = i};
  if (chart.series_cnt > 0)
    wcx_run_folder_chart(run, "pace", &chart);
}

int wcx_digests_bench(int argc, char **argv)
{
  static wcx_run_folder_t run;
  options_t options;
  int status = parse(&options, argc, argv);
  if (status != 0)
    return status;
  if (!wcx_run_begin(&run, &options.asked, "digests", argc, argv, "ns an input so far, live"))
    return WCX_CLI_BAD;
  digests_t digests = {.options = &options,
                       .run = &run,
                       .limits = {.shard = WCX_RIG_SHARD, .orders_max = ORDERS_MAX, .levels_max = LEVELS_MAX, .instruments_max = 1, .accounts_max = 1000, .sessions_max = 1},
                       .mark_max = options.inputs / WCX_DIGEST_MARK_EVERY + 2 * CHUNK / WCX_DIGEST_MARK_EVERY,
                       .live = {.every = options.inputs / POINTS},
                       .replay = {.every = options.inputs / POINTS}};
  digests.marks = calloc(digests.mark_max, sizeof(*digests.marks));
  WCX_CHECK(digests.marks != NULL, "out of memory");
  wcx_params_t *params = wcx_worker_rig_params(options.dir, options.asked.cpu, (uint32_t)options.segment_mib << 20);
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
  keep(&digests);
  status = wcx_run_end(&run, &options.asked, tell_json, tell_table, &digests);
  wcx_worker_rig_stop(&worker);
  free(params);
  free(digests.marks);
  return status;
}
