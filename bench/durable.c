#include "bench/durable.h"

#include "bench/bare_write.h"
#include "bench/paced.h"
#include "bench/pump.h"
#include "bench/records.h"
#include "bench/run_folder.h"
#include "engine/base/env.h"

#include <inttypes.h>
#include <sched.h>
#include <unistd.h>

#define SNAPSHOT_INPUTS "500000"
#define OPS_DEFAULT UINT64_C(2000000)
#define RUNS_DEFAULT 5u
#define ROUNDS_DEFAULT 10u
#define ROUNDS_MAX 1001u
#define PER_S_DEFAULT 100000u
#define ROUND_REQUESTS 50000u
#define ROUND_WRITES 1500u
#define WARM_REQUESTS 20000u
#define WANTED_PER_S 1000000.0
#define WANTED_P50 1.3
#define WANTED_P99 2.0

typedef struct options
{
  const char *dir;
  const char *postgresql, *redis; /* how their sinks connect; NULL: none */
  bool replica;
  char profile;
  uint64_t ops, seed, per_s, segment_mib;
  uint32_t runs, rounds;
  int writer_cpu; /* -1: any */
  wcx_run_asked_t asked;
} options_t;

/* How far each had come when the last request was durable: whether a figure is one of processes that follow. */
enum seqs
{
  JOURNAL_SEQ,
  REPLICA_SEQ,
  POSTGRESQL_SEQ,
  REDIS_SEQ,
  SEQS,
};

typedef struct throughput
{
  double per_s[ROUNDS_MAX]; /* of each run, sorted when all are done */
  double bytes_per_s;       /* of the best run, as all below; blocks written */
  double records_per_block;
  double stalled;   /* share of the time in which the loop had no room in the ring */
  double worker_ns; /* CPU of the worker's thread, a record */
  double waited[2]; /* share of the time in which the loop and the worker waited for a CPU that others had */
  uint64_t seqs[SEQS];
} throughput_t;

typedef struct acks
{
  wcx_hist_t ack, write, queued;
  double p50[ROUNDS_MAX], p99[ROUNDS_MAX]; /* ratio of each round to the bare writes before and after it */
  wcx_ack_found_t found;
  double waited[2]; /* as above, over all rounds */
  uint64_t refused_cnt;
  uint64_t seqs[SEQS];
} acks_t;

static const char help[] = "wcx-bench durable: what durability costs, throughput and acks\n"
                           "  --dir DIR          a new directory on the disk to be measured (needed)\n"
                           "  --profile a|b|c    a made flow (bench/profile.h): --ops N (2000000), --seed S (1)\n"
                           "  --runs N           of throughput (5; 0: none)\n"
                           "  --rounds N         of acks and of bare writes (10; 0: none)\n"
                           "  --per-s N          requests a second of the acks' schedule (100000)\n"
                           "  --segment-mib N    size of the journal's segments, three of them ahead (256)\n"
                           "  --cpu N            the poll loop's CPU (0)\n"
                           "  --replica          wcx-replica beside it, a snapshot every 500,000 inputs\n"
                           "  --postgresql FILE  wcx-sink-pg beside it, FILE says how it connects; the database must be empty, so with one run or only rounds\n"
                           "  --redis FILE       the same with wcx-sink-redis\n" WCX_RUN_ASKED_HELP;

/* --- the command line ------------------------------------------------------------------------------------------------------------------- */

static int parse(options_t *options, int argc, char **argv)
{
  *options = (options_t){.profile = 'a', .ops = OPS_DEFAULT, .seed = 1, .runs = RUNS_DEFAULT, .rounds = ROUNDS_DEFAULT, .per_s = PER_S_DEFAULT, .segment_mib = 256};
  const wcx_cli_option_t known[] = {{"dir", WCX_CLI_TEXT, &options->dir, 0, 0, 0},
                                    {"profile", WCX_CLI_PROFILE, &options->profile, 0, 0, 0},
                                    {"ops", WCX_CLI_U64, &options->ops, 1, 10000000, 0},
                                    {"seed", WCX_CLI_U64, &options->seed, 0, UINT64_MAX, 0},
                                    {"runs", WCX_CLI_U32, &options->runs, 0, ROUNDS_MAX, 0},
                                    {"rounds", WCX_CLI_U32, &options->rounds, 0, ROUNDS_MAX, 0},
                                    {"per-s", WCX_CLI_U64, &options->per_s, 1, 10000000, 0},
                                    {"segment-mib", WCX_CLI_U64, &options->segment_mib, 1, 1024, 0},
                                    {"replica", WCX_CLI_FLAG, &options->replica, 0, 0, 0},
                                    {"postgresql", WCX_CLI_TEXT, &options->postgresql, 0, 0, 0},
                                    {"redis", WCX_CLI_TEXT, &options->redis, 0, 0, 0},
                                    WCX_RUN_ASKED(&options->asked),
                                    {0}};
  int status = wcx_cli_options("durable", help, known, argc, argv);
  if (status == 0 && options->dir == NULL)
    return wcx_cli_wrong("durable", "dir", "", "is needed");
  if (status == 0 && options->postgresql != NULL && options->runs + (options->rounds > 0) > 1)
    return wcx_cli_wrong("durable", "postgresql", options->postgresql, "goes with --runs 1 --rounds 0, or with --runs 0: each run is a journal of its own");
  return status;
}

/* --- throughput ------------------------------------------------------------------------------------------------------------------------- */

static bool is_best(const throughput_t *result, uint32_t run)
{
  for (uint32_t i = 0; i < run; i++)
    if (result->per_s[i] > result->per_s[run])
      return false;
  return true;
}

/* Whether anybody else was there: a figure of a disturbed run says little. */
typedef struct watch
{
  pid_t pids[2]; /* loop, worker */
  wcx_cli_cpu_t before[2];
  uint64_t from_ns;
} watch_t;

static watch_t watch_begin(const wcx_worker_rig_t *worker)
{
  watch_t watch = {.pids = {getpid(), worker->pid}, .from_ns = wcx_env_mono_ns()};
  for (int i = 0; i < 2; i++)
    watch.before[i] = wcx_cli_cpu(watch.pids[i]);
  return watch;
}

static void watch_end(const watch_t *watch, double waited[2])
{
  for (int i = 0; i < 2; i++)
    waited[i] = (double)(wcx_cli_cpu(watch->pids[i]).waited_ns - watch->before[i].waited_ns) / (double)(wcx_env_mono_ns() - watch->from_ns);
}

/* The definitions are not on the clock. */
static void time_requests(throughput_t *result, uint32_t run, const wcx_records_t *records, wcx_pump_t *pump)
{
  const wcx_worker_rig_t *worker = pump->worker;
  const wcx_region_journal_stats_t *stats = &worker->shm->journal;
  (void)wcx_pump_run(pump, records->mem, records->definition_cnt);
  watch_t watch = watch_begin(worker);
  uint64_t blocks = atomic_load(&stats->blocks);
  uint64_t bytes = atomic_load(&stats->bytes);
  double took_ns = (double)wcx_pump_run(pump, records->requests, records->request_cnt);
  double cnt = (double)records->request_cnt;
  result->per_s[run] = cnt * 1e9 / took_ns;
  if (!is_best(result, run))
    return;
  watch_end(&watch, result->waited);
  result->bytes_per_s = (double)(atomic_load(&stats->bytes) - bytes) * 1e9 / took_ns;
  result->records_per_block = cnt / (double)(atomic_load(&stats->blocks) - blocks);
  result->stalled = (double)pump->stalled_ns / took_ns;
  result->worker_ns = (double)(wcx_cli_cpu(worker->pid).on_ns - watch.before[1].on_ns) / cnt;
}

/* The processes that follow the journal. */
static void start_beside(wcx_worker_rig_t *worker, const options_t *options)
{
  if (options->replica)
    wcx_worker_rig_replicate(worker, SNAPSHOT_INPUTS);
  if (options->postgresql != NULL)
    wcx_worker_rig_sink(worker, WCX_SINK_PG, options->postgresql);
  if (options->redis != NULL)
    wcx_worker_rig_sink(worker, WCX_SINK_REDIS, options->redis);
}

static void note_seqs(const wcx_worker_rig_t *worker, uint64_t seqs[SEQS])
{
  wcx_worker_rig_check(worker);
  seqs[JOURNAL_SEQ] = wcx_release_seq(atomic_load(&worker->shm->release.release_word));
  seqs[REPLICA_SEQ] = atomic_load(&worker->shm->replica.applied_seq);
  seqs[POSTGRESQL_SEQ] = atomic_load(&worker->shm->sinks[WCX_SINK_PG].seq);
  seqs[REDIS_SEQ] = atomic_load(&worker->shm->sinks[WCX_SINK_REDIS].seq);
}

static void run_once(throughput_t *result, uint32_t run, const options_t *options, const wcx_records_t *records)
{
  wcx_params_t *params = wcx_worker_rig_params(options->dir, options->asked.cpu, (uint32_t)options->segment_mib << 20);
  wcx_worker_rig_limits(params, &records->limits);
  wcx_worker_rig_t worker;
  wcx_worker_rig_start(&worker, params);
  wcx_worker_rig_grant(&worker);
  start_beside(&worker, options);
  wcx_pump_t *pump = calloc(1, sizeof(*pump));
  WCX_CHECK(pump != NULL, "out of memory");
  wcx_pump_open(pump, &worker, &records->limits);
  time_requests(result, run, records, pump);
  note_seqs(&worker, result->seqs);
  wcx_worker_rig_stop(&worker);
  wcx_pump_close(pump);
  free(pump);
  free(params);
}

static void measure_throughput(throughput_t *result, const options_t *options)
{
  wcx_records_t records;
  wcx_records_make(&records, options->profile, options->ops, options->seed);
  for (uint32_t run = 0; run < options->runs; run++)
  {
    wcx_cli_bar((double)run / options->runs, "throughput: %u of %u", run + 1, options->runs);
    run_once(result, run, options, &records);
  }
  wcx_cli_progress("%s", "");
  (void)wcx_cli_median(result->per_s, options->runs);
  wcx_records_free(&records);
}

/* --- acks ------------------------------------------------------------------------------------------------------------------------------- */

static int writer_cpu(int poll_cpu)
{
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
    return -1;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (cpu != poll_cpu && CPU_ISSET((size_t)cpu, &cpus))
      return cpu;
  return -1;
}

static void bare_round(wcx_paced_t *paced, wcx_bare_t *bare, wcx_hist_t *hist, wcx_hist_t *queued)
{
  memset(hist, 0, sizeof(*hist));
  wcx_bare_round(bare, ROUND_WRITES, hist, queued);
  wcx_paced_rest(paced, &bare->done);
}

static double ratio(const wcx_hist_t *ack, const wcx_hist_t *write, uint32_t ppm)
{
  return (double)wcx_hist_percentile(ack, ppm) / (double)wcx_hist_percentile(write, ppm);
}

enum hists
{
  BEFORE, /* bare writes */
  ACK,
  AFTER,
  HISTS,
};

static void keep_round(wcx_run_folder_t *folder, const wcx_hist_t *hists, const uint64_t from_ns[2], double p50_ratio)
{
  wcx_run_folder_ticks(folder, "ack", from_ns[0], from_ns[1], &hists[ACK], 1);
  wcx_run_folder_ticks(folder, "write", from_ns[1], wcx_env_utc_ns(), &hists[AFTER], 1);
  wcx_run_folder_sample(folder, p50_ratio);
}

static void run_rounds(acks_t *acks, const options_t *options, wcx_paced_t *paced, wcx_bare_t *bare, wcx_run_folder_t *folder)
{
  wcx_hist_t *hists = calloc(HISTS, sizeof(*hists));
  WCX_CHECK(hists != NULL, "out of memory");
  wcx_paced_round(paced, WARM_REQUESTS, (double)options->per_s, NULL);
  bare_round(paced, bare, &hists[BEFORE], &acks->queued);
  watch_t watch = watch_begin(paced->worker);
  for (uint32_t i = 0; i < options->rounds; i++)
  {
    wcx_cli_bar((double)i / options->rounds, "acks: %u of %u", i + 1, options->rounds);
    memset(&hists[ACK], 0, sizeof(hists[ACK]));
    uint64_t from_ns[2] = {wcx_env_utc_ns()};
    wcx_paced_round(paced, ROUND_REQUESTS, (double)options->per_s, &hists[ACK]);
    from_ns[1] = wcx_env_utc_ns();
    bare_round(paced, bare, &hists[AFTER], &acks->queued);
    wcx_hist_merge(&acks->ack, &hists[ACK]);
    wcx_hist_merge(&acks->write, &hists[AFTER]);
    wcx_hist_merge(&hists[BEFORE], &hists[AFTER]);
    acks->p50[i] = ratio(&hists[ACK], &hists[BEFORE], 500000);
    acks->p99[i] = ratio(&hists[ACK], &hists[BEFORE], 990000);
    keep_round(folder, hists, from_ns, acks->p50[i]);
    hists[BEFORE] = hists[AFTER];
  }
  watch_end(&watch, acks->waited);
  wcx_cli_progress("%s", "");
  free(hists);
}

static void measure_acks(acks_t *acks, const options_t *options, wcx_run_folder_t *folder)
{
  wcx_records_t records;
  wcx_records_make(&records, options->profile, WARM_REQUESTS + (uint64_t)options->rounds * ROUND_REQUESTS, options->seed);
  wcx_params_t *params = wcx_worker_rig_params(options->dir, options->asked.cpu, (uint32_t)options->segment_mib << 20);
  wcx_paced_params(params, records.limits.orders_max, records.limits.levels_max);
  wcx_worker_rig_t worker;
  wcx_worker_rig_start(&worker, params);
  start_beside(&worker, options);
  wcx_bare_t bare;
  wcx_bare_start(&bare, options->dir, options->writer_cpu);
  wcx_ack_trace_t trace;
  wcx_ack_trace_open(&trace, records.request_cnt);
  wcx_paced_t paced;
  wcx_paced_open(&paced, &worker, records.requests, ROUND_REQUESTS, &trace);
  run_rounds(acks, options, &paced, &bare, folder);
  acks->refused_cnt = paced.refused_cnt;
  note_seqs(&worker, acks->seqs);
  wcx_ack_trace_read(&trace, worker.dir, WCX_PACED_SESSION_ID, &acks->found);
  wcx_ack_trace_close(&trace);
  wcx_paced_close(&paced);
  wcx_bare_stop(&bare);
  wcx_worker_rig_stop(&worker);
  free(params);
  wcx_records_free(&records);
  (void)wcx_cli_median(acks->p50, options->rounds);
  (void)wcx_cli_median(acks->p99, options->rounds);
}

/* --- the command ------------------------------------------------------------------------------------------------------------------------ */

static bool beside(const options_t *options)
{
  return options->replica || options->postgresql != NULL || options->redis != NULL;
}

static const struct
{
  const char *key;
  const char *text;
} stages[WCX_ACK_STAGES] = {[WCX_ACK_RECEIVED] = {"received", "until the loop has it"},
                            [WCX_ACK_SEALED] = {"sealed", "until its block is sealed"},
                            [WCX_ACK_WRITTEN] = {"written", "its block's write"},
                            [WCX_ACK_RELEASED] = {"released", "else, until the loop sees it released"},
                            [WCX_ACK_ANSWERED] = {"answered", "until the answer is off the wire"}};

typedef struct found
{
  const options_t *options;
  const throughput_t *throughput;
  const acks_t *acks;
} found_t;

static void tell_json(FILE *file, const void *ctx)
{
  const found_t *found = ctx;
  const options_t *options = found->options;
  const throughput_t *throughput = found->throughput;
  const acks_t *acks = found->acks;
  fprintf(file, ",\"profile\":\"%c\",\"ops\":%" PRIu64 ",\"runs\":%u,\"rounds\":%u,\"wanted_per_s\":%.0f,\"wanted_p50\":%.1f,\"wanted_p99\":%.1f", options->profile, options->ops,
          options->runs, options->rounds, WANTED_PER_S, WANTED_P50, WANTED_P99);
  if (options->runs > 0)
    fprintf(
        file,
        ",\"best_per_s\":%.0f,\"median_per_s\":%.0f,\"worst_per_s\":%.0f,\"bytes_per_s\":%.0f,\"records_per_block\":%.1f,\"stalled\":%.3f,\"worker_ns\":%.1f,\"loop_waited\":%.3f"
        ",\"worker_waited\":%.3f",
        throughput->per_s[options->runs - 1], throughput->per_s[options->runs / 2], throughput->per_s[0], throughput->bytes_per_s, throughput->records_per_block,
        throughput->stalled, throughput->worker_ns, throughput->waited[0], throughput->waited[1]);
  if (options->rounds > 0)
  {
    static const struct
    {
      const char *name;
      uint32_t ppm;
    } points[] = {{"p50", 500000}, {"p99", 990000}, {"p999", 999000}, {"max", 1000000}};
    fprintf(file, ",\"per_s\":%" PRIu64 ",\"requests\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"acks_loop_waited\":%.3f,\"acks_worker_waited\":%.3f", options->per_s, acks->ack.cnt,
            acks->refused_cnt, acks->waited[0], acks->waited[1]);
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
      fprintf(file, ",\"ack_%s_ns\":%" PRIu64 ",\"write_%s_ns\":%" PRIu64, points[i].name, wcx_hist_percentile(&acks->ack, points[i].ppm), points[i].name,
              wcx_hist_percentile(&acks->write, points[i].ppm));
    for (size_t i = 0; i < 2; i++)
    {
      const double *of_rounds = i == 0 ? acks->p50 : acks->p99;
      fprintf(file, ",\"%s_ratio\":%.3f,\"%s_ratio_least\":%.3f,\"%s_ratio_median\":%.3f,\"%s_ratio_most\":%.3f", points[i].name, ratio(&acks->ack, &acks->write, points[i].ppm),
              points[i].name, of_rounds[0], points[i].name, of_rounds[options->rounds / 2], points[i].name, of_rounds[options->rounds - 1]);
    }
    for (size_t i = 0; i < 2; i++)
      fprintf(file, ",\"queued_%s_ns\":%" PRIu64, points[i].name, wcx_hist_percentile(&acks->queued, points[i].ppm));
    for (size_t i = 0; i < WCX_ACK_STAGES; i++)
      fprintf(file, ",\"stage_%s_ns\":%.0f,\"slowest_%s_ns\":%.0f", stages[i].key, acks->found.mean_ns[i], stages[i].key, acks->found.slow_ns[i]);
    fprintf(file, ",\"ack_mean_ns\":%" PRIu64 ",\"traced\":%" PRIu64 ",\"traced_blocks\":%" PRIu64 ",\"traced_block_bytes\":%" PRIu64, acks->ack.sum / acks->ack.cnt,
            acks->found.request_cnt, acks->found.block_cnt, acks->found.block_bytes);
  }
  if (beside(options))
  {
    const uint64_t *seqs = options->rounds > 0 ? acks->seqs : throughput->seqs;
    fprintf(file, ",\"replica\":%s,\"postgresql\":%s,\"redis\":%s,\"journal_seq\":%" PRIu64 ",\"replica_seq\":%" PRIu64 ",\"postgresql_seq\":%" PRIu64 ",\"redis_seq\":%" PRIu64,
            options->replica ? "true" : "false", options->postgresql != NULL ? "true" : "false", options->redis != NULL ? "true" : "false", seqs[JOURNAL_SEQ], seqs[REPLICA_SEQ],
            seqs[POSTGRESQL_SEQ], seqs[REDIS_SEQ]);
  }
}

static void print_seqs(FILE *file, const options_t *options, const uint64_t seqs[SEQS])
{
  if (beside(options))
    fprintf(file, "at the end: journal %" PRIu64 ", replica %" PRIu64 ", PostgreSQL %" PRIu64 ", Redis %" PRIu64 "\n", seqs[JOURNAL_SEQ], seqs[REPLICA_SEQ], seqs[POSTGRESQL_SEQ],
            seqs[REDIS_SEQ]);
}

static void print_waited(FILE *file, const double waited[2])
{
  fprintf(file, "waiting for a CPU that others had: loop %.1f %%, worker %.1f %% of the time\n", waited[0] * 100, waited[1] * 100);
}

static void print_percentile(FILE *file, const acks_t *acks, const char *name, uint32_t ppm)
{
  fprintf(file, "%-6s ack %9.1f us   write %9.1f us   %.2f x\n", name, (double)wcx_hist_percentile(&acks->ack, ppm) / 1e3, (double)wcx_hist_percentile(&acks->write, ppm) / 1e3,
          ratio(&acks->ack, &acks->write, ppm));
}

/* Where the time goes, on average and of the slowest hundredth, and what no journal with one write in flight could save. */
static void print_stages(FILE *file, const acks_t *acks)
{
  const wcx_ack_found_t *found = &acks->found;
  double write_ns = (double)wcx_hist_percentile(&acks->write, 500000);
  fprintf(file, "%-40s %10s %12s %20s\n", "", "mean us", "x write p50", "slowest 1 %, mean us");
  double sum[2] = {0};
  for (uint32_t i = 0; i < WCX_ACK_STAGES; i++)
  {
    fprintf(file, "%-40s %10.1f %12.2f %20.1f\n", stages[i].text, found->mean_ns[i] / 1e3, found->mean_ns[i] / write_ns, found->slow_ns[i] / 1e3);
    sum[0] += found->mean_ns[i];
    sum[1] += found->slow_ns[i];
  }
  fprintf(file, "%-40s %10.1f %12.2f %20.1f\n", "all", sum[0] / 1e3, sum[0] / write_ns, sum[1] / 1e3);
  fprintf(file, "%.1f requests and %.1f KiB a block\n", (double)found->request_cnt / (double)found->block_cnt, (double)found->block_bytes / (double)found->block_cnt / 1024);
  fprintf(file, "whoever comes while a bare write is under way and rides with the next: p50 %.1f us, %.2f x; p99 %.1f us, %.2f x; the acks are %.2f and %.2f x that\n",
          (double)wcx_hist_percentile(&acks->queued, 500000) / 1e3, ratio(&acks->queued, &acks->write, 500000), (double)wcx_hist_percentile(&acks->queued, 990000) / 1e3,
          ratio(&acks->queued, &acks->write, 990000), ratio(&acks->ack, &acks->queued, 500000), ratio(&acks->ack, &acks->queued, 990000));
}

static void print_rounds(FILE *file, const double *of_rounds, uint32_t rounds, const char *name, double wanted)
{
  double median = of_rounds[rounds / 2];
  fprintf(file, "%s of rounds: %.2f .. %.2f .. %.2f x (least, middle, most; wanted %.1f)   %s\n", name, of_rounds[0], median, of_rounds[rounds - 1], wanted,
          median <= wanted ? "held" : "not held");
}

static void tell_table(FILE *file, const void *ctx)
{
  const found_t *found = ctx;
  const options_t *options = found->options;
  const throughput_t *throughput = found->throughput;
  const acks_t *acks = found->acks;
  if (options->runs > 0)
  {
    double median = throughput->per_s[options->runs / 2];
    fprintf(file, "throughput, profile %c, %" PRIu64 " requests: %.2f .. %.2f .. %.2f million/s (worst, middle, best of %u; wanted %.1f)   %s\n", options->profile, options->ops,
            throughput->per_s[0] / 1e6, median / 1e6, throughput->per_s[options->runs - 1] / 1e6, options->runs, WANTED_PER_S / 1e6, median >= WANTED_PER_S ? "held" : "not held");
    fprintf(file, "best: %.0f MB/s, %.0f records a block, no room in the ring %.0f %% of the time; worker %.0f ns of CPU a record\n", throughput->bytes_per_s / 1e6,
            throughput->records_per_block, throughput->stalled * 100, throughput->worker_ns);
    print_waited(file, throughput->waited);
    print_seqs(file, options, throughput->seqs);
  }
  if (options->rounds == 0)
    return;
  fprintf(file, "acks at %" PRIu64 " requests/s, %" PRIu64 " of them, %" PRIu64 " refused; %" PRIu64 " bare 4 KiB durable writes\n", options->per_s, acks->ack.cnt,
          acks->refused_cnt, acks->write.cnt);
  print_waited(file, acks->waited);
  print_seqs(file, options, acks->seqs);
  print_percentile(file, acks, "p50", 500000);
  print_percentile(file, acks, "p99", 990000);
  print_percentile(file, acks, "p99.9", 999000);
  print_rounds(file, acks->p50, options->rounds, "p50", WANTED_P50);
  print_rounds(file, acks->p99, options->rounds, "p99", WANTED_P99);
  print_stages(file, acks);
}

static void keep(const found_t *found, wcx_run_folder_t *run)
{
  const throughput_t *throughput = found->throughput;
  const acks_t *acks = found->acks;
  uint32_t runs = found->options->runs, rounds = found->options->rounds;
  char what[96], beside[128];
  if (runs > 0)
  {
    snprintf(beside, sizeof(beside), "%.2f .. %.2f in %u runs; %.0f records a block, %.0f MB/s", throughput->per_s[0] / 1e6, throughput->per_s[runs - 1] / 1e6, runs,
             throughput->records_per_block, throughput->bytes_per_s / 1e6);
    wcx_run_folder_value(run, "journal and engine, middle run", throughput->per_s[runs / 2] / 1e6, " million/s", WCX_WANTED_AT_LEAST, WANTED_PER_S / 1e6, beside);
  }
  static const struct
  {
    const char *name;
    uint32_t ppm;
    double wanted;
  } points[] = {{"p50", 500000, WANTED_P50}, {"p99", 990000, WANTED_P99}};
  for (uint32_t i = 0; i < 2 && rounds > 0; i++)
  {
    const double *of_rounds = i == 0 ? acks->p50 : acks->p99;
    snprintf(what, sizeof(what), "%s of acks at %" PRIu64 " requests/s, beside bare 4 KiB durable writes", points[i].name, found->options->per_s);
    snprintf(beside, sizeof(beside), "%.2f .. %.2f in %u rounds; %.1f us, the write %.1f", of_rounds[0], of_rounds[rounds - 1], rounds,
             (double)wcx_hist_percentile(&acks->ack, points[i].ppm) / 1e3, (double)wcx_hist_percentile(&acks->write, points[i].ppm) / 1e3);
    wcx_run_folder_value(run, what, of_rounds[rounds / 2], " x", WCX_WANTED_AT_MOST, points[i].wanted, beside);
  }
}

int wcx_durable_bench(int argc, char **argv)
{
  static wcx_run_folder_t run;
  options_t options;
  int status = parse(&options, argc, argv);
  if (status != 0)
    return status;
  options.writer_cpu = writer_cpu(options.asked.cpu);
  if (!wcx_run_begin(&run, &options.asked, "durable", argc, argv, "p50 of a round's acks / of the bare writes around it"))
    return WCX_CLI_BAD;
  throughput_t *throughput = calloc(1, sizeof(*throughput));
  acks_t *acks = calloc(1, sizeof(*acks));
  WCX_CHECK(throughput != NULL && acks != NULL, "out of memory");
  if (options.runs > 0)
    measure_throughput(throughput, &options);
  if (options.rounds > 0)
    measure_acks(acks, &options, &run);
  found_t found = {&options, throughput, acks};
  keep(&found, &run);
  status = wcx_run_end(&run, &options.asked, tell_json, tell_table, &found);
  free(throughput);
  free(acks);
  return status;
}
