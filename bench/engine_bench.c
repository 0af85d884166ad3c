#include "bench/engine_bench.h"

#include "bench/engine_run.h"
#include "bench/floor.h"
#include "bench/json_text.h"
#include "bench/profile.h"
#include "bench/run_folder.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPS_DEFAULT UINT64_C(5000000)
#define BURST_DEFAULT 32u
#define PASSES_DEFAULT 5u
#define PASSES_MAX 101u
#define FLOOR_PASSES 3u /* as long as so many of the engine, on the bar */

typedef struct options
{
  const char *flow_path, *save_path;
  char profile;
  uint64_t ops, seed, setup_cnt;
  uint32_t burst, passes;
  enum wcx_credit credit;
  bool throughput_only, turns_only;
  wcx_run_asked_t asked;
} options_t;

/* What is wanted of a made flow next to the floor of the same run. */
typedef struct wanted
{
  double ratio_hash, p99_ns;
} wanted_t;
static const wanted_t wanted[] = {{0.85, 250}, {1.65, 300}, {0.6, 600}}; /* a, b, c */

typedef struct report
{
  const options_t *options;
  wcx_floor_t floor;
  bool has_floor, has_percentiles;
  uint32_t passes;
  double least_ns, median_ns; /* per op */
  double said_ns;             /* with has_floor */
  double p50_ns, p99_ns, p999_ns, max_ns;
  wcx_run_result_t run;
} report_t;

static const char help[] = "wcx-bench engine: a flow through the engine, beside the floors of the same run\n"
                           "  --flow FILE        32-byte records (bench/flow.h)\n"
                           "  --setup N          records of the file applied before the clock starts (0)\n"
                           "  --profile a|b|c    a made flow (bench/profile.h): --ops N (5000000), --seed S (1)\n"
                           "  --save FILE        write the made flow, set-up records first, and say how many those are\n"
                           "  --burst N          records prefetched together, 1..1024 (32)\n"
                           "  --passes N         timed passes, the least counts; the median is told too (5)\n"
                           "  --pass throughput  one timed pass and nothing else: no floors, no percentiles\n"
                           "  --pass turns       a pass for every line on standard input: \"ns per op, trade_hash\" is answered\n"
                           "  --credit unlimited|checked  of every account (unlimited; checked: with balances that cover them)\n"
                           "  --cpu N            run on this CPU\n" WCX_RUN_ASKED_HELP;

/* --- the command line ------------------------------------------------------------------------------------------------------------------- */

static int parse(options_t *options, int argc, char **argv)
{
  *options = (options_t){.ops = OPS_DEFAULT, .seed = 1, .burst = BURST_DEFAULT, .passes = PASSES_DEFAULT, .credit = WCX_CREDIT_UNLIMITED, .asked = {.cpu = -1}};
  const char *pass = "";
  const char *credit = "unlimited";
  const wcx_cli_option_t known[] = {{"flow", WCX_CLI_TEXT, &options->flow_path, 0, 0, 0},
                                    {"setup", WCX_CLI_U64, &options->setup_cnt, 0, UINT64_MAX - 1, 0},
                                    {"profile", WCX_CLI_PROFILE, &options->profile, 0, 0, 0},
                                    {"ops", WCX_CLI_U64, &options->ops, 1, 100000000, 0},
                                    {"seed", WCX_CLI_U64, &options->seed, 0, UINT64_MAX, 0},
                                    {"save", WCX_CLI_TEXT, &options->save_path, 0, 0, 0},
                                    {"burst", WCX_CLI_U32, &options->burst, 1, WCX_RUN_BURST_MAX, 0},
                                    {"passes", WCX_CLI_U32, &options->passes, 1, PASSES_MAX, 0},
                                    {"pass", WCX_CLI_TEXT, &pass, 0, 0, 0},
                                    {"credit", WCX_CLI_TEXT, &credit, 0, 0, 0},
                                    WCX_RUN_ASKED(&options->asked),
                                    {0}};
  int status = wcx_cli_options("engine", help, known, argc, argv);
  if (status != 0)
    return status;
  options->throughput_only = strcmp(pass, "throughput") == 0;
  options->turns_only = strcmp(pass, "turns") == 0;
  if (pass[0] != 0 && !options->throughput_only && !options->turns_only)
    return wcx_cli_wrong("engine", "pass", pass, "only throughput or turns can be asked for alone");
  options->credit = strcmp(credit, "checked") == 0 ? WCX_CREDIT_CHECKED : WCX_CREDIT_UNLIMITED;
  if (options->credit != WCX_CREDIT_CHECKED && strcmp(credit, "unlimited") != 0)
    return wcx_cli_wrong("engine", "credit", credit, "is neither unlimited nor checked");
  if ((options->flow_path != NULL) != (options->profile != 0))
    return 0;
  fputs("wcx-bench engine: give either --flow FILE or --profile a|b|c\n", stderr);
  return 2;
}

/* --- what is told ----------------------------------------------------------------------------------------------------------------------- */

static void tell_json(FILE *file, const void *found)
{
  const report_t *report = found;
  const options_t *options = report->options;
  const wcx_run_result_t *run = &report->run;
  char source[2] = {options->profile, 0};
  fprintf(file, ",\"%s\":", options->profile != 0 ? "profile" : "flow");
  wcx_json_text(file, options->profile != 0 ? source : options->flow_path);
  if (options->profile != 0)
    fprintf(file, ",\"seed\":%" PRIu64, options->seed);
  fprintf(file, ",\"credit\":\"%s\"", options->credit == WCX_CREDIT_CHECKED ? "checked" : "unlimited");
  fprintf(file, ",\"setup\":%" PRIu64 ",\"burst\":%u,\"passes\":%u,\"ops\":%" PRIu64 ",\"ns_per_op\":%.2f,\"median_ns_per_op\":%.2f", options->setup_cnt, options->burst,
          report->passes, run->ops, report->least_ns, report->median_ns);
  if (report->has_percentiles)
    fprintf(file, ",\"p50_ns\":%.0f,\"p99_ns\":%.0f,\"p999_ns\":%.0f,\"max_ns\":%.0f", report->p50_ns, report->p99_ns, report->p999_ns, report->max_ns);
  fprintf(file, ",\"events\":%" PRIu64 ",\"rejects\":%" PRIu64 ",\"trades\":%" PRIu64 ",\"volume\":%" PRIu64 ",\"trade_hash\":\"%016" PRIx64 "\"", run->events, run->rejects,
          run->trades, run->volume, run->trade_hash);
  fprintf(file, ",\"best_bid\":%" PRId64 ",\"best_ask\":%" PRId64 ",\"live_orders\":%u", run->best_bid, run->best_ask, run->live_orders);
  fprintf(file, ",\"output_digest\":\"%016" PRIx64 "%016" PRIx64 "\",\"state_digest\":\"%016" PRIx64 "%016" PRIx64 "\"", run->output_digest.hi, run->output_digest.lo,
          run->state_digest.hi, run->state_digest.lo);
  if (report->has_floor)
    fprintf(file, ",\"floor_touch_ns\":%.2f,\"floor_hash_ns\":%.2f,\"floor_said_ns\":%.2f,\"ratio_hash\":%.3f,\"median_ratio_hash\":%.3f", report->floor.touch_ns,
            report->floor.hash_ns, report->said_ns, report->least_ns / report->floor.hash_ns, report->median_ns / report->floor.hash_ns);
}

static void tell_table(FILE *file, const void *found)
{
  const report_t *report = found;
  const options_t *options = report->options;
  const wcx_run_result_t *run = &report->run;
  fprintf(file, "ops          %12" PRIu64 "   (%" PRIu64 " before the clock, bursts of %u)\n", run->ops, options->setup_cnt, options->burst);
  fprintf(file, "ns per op    %12.2f   least of %u passes, median %.2f\n", report->least_ns, report->passes, report->median_ns);
  if (report->has_floor)
  {
    fprintf(file, "floor touch  %12.2f   x %.2f\n", report->floor.touch_ns, report->least_ns / report->floor.touch_ns);
    fprintf(file, "floor hash   %12.2f   x %.2f\n", report->floor.hash_ns, report->least_ns / report->floor.hash_ns);
    fprintf(file, "recording and saying alone %8.2f, with floor hash x %.2f\n", report->said_ns, report->least_ns / (report->said_ns + report->floor.hash_ns));
  }
  if (report->has_percentiles)
    fprintf(file, "p50 p99 p999 %12.0f   %.0f   %.0f ns, max %.0f\n", report->p50_ns, report->p99_ns, report->p999_ns, report->max_ns);
  fprintf(file, "events       %12" PRIu64 "   %" PRIu64 " rejects\n", run->events, run->rejects);
  fprintf(file, "trades       %12" PRIu64 "   volume %" PRIu64 ", hash %016" PRIx64 "\n", run->trades, run->volume, run->trade_hash);
  fprintf(file, "book         %12u   orders, bid %" PRId64 ", ask %" PRId64 "\n", run->live_orders, run->best_bid, run->best_ask);
}

static void keep_value(const report_t *report, wcx_run_folder_t *run, const char *what, double value, const char *unit, double bound, const char *beside)
{
  char name[96] = "";
  bool made = report->options->profile != 0;
  if (made)
    snprintf(name, sizeof(name), "profile %c, ", report->options->profile);
  snprintf(name + strlen(name), sizeof(name) - strlen(name), "%s", what);
  wcx_run_folder_value(run, name, value, unit, made && bound > 0 ? WCX_WANTED_AT_MOST : WCX_WANTED_NOTHING, bound, beside);
}

static void keep(const report_t *report, wcx_run_folder_t *run)
{
  static const wanted_t nothing;
  const wanted_t *of = report->options->profile != 0 ? &wanted[report->options->profile - 'a'] : &nothing;
  char beside[96];
  snprintf(beside, sizeof(beside), "least of %u passes; median %.2f ns", report->passes, report->median_ns);
  keep_value(report, run, "an input", report->least_ns, " ns", 0, beside);
  if (report->has_floor)
  {
    snprintf(beside, sizeof(beside), "that floor in this run: %.1f ns", report->floor.hash_ns);
    keep_value(report, run, "beside the hash floor", report->least_ns / report->floor.hash_ns, " x", of->ratio_hash, beside);
    snprintf(beside, sizeof(beside), "encoding the records, and writing and reading what is said: %.1f ns", report->said_ns);
    keep_value(report, run, "beside the hash floor and that", report->least_ns / (report->said_ns + report->floor.hash_ns), " x", 0, beside);
    snprintf(beside, sizeof(beside), "that floor in this run: %.1f ns", report->floor.touch_ns);
    keep_value(report, run, "beside the touch floor", report->least_ns / report->floor.touch_ns, " x", 0, beside);
  }
  if (!report->has_percentiles)
    return;
  keep_value(report, run, "p50", report->p50_ns, " ns", 0, NULL);
  keep_value(report, run, "p99", report->p99_ns, " ns", of->p99_ns, NULL);
  keep_value(report, run, "p99.9", report->p999_ns, " ns", 0, NULL);
}

/* --- measuring -------------------------------------------------------------------------------------------------------------------------- */

static void measure_throughput(wcx_run_t *run, const options_t *options, report_t *report, wcx_run_folder_t *folder)
{
  double per_op[PASSES_MAX];
  report->passes = options->throughput_only ? 1 : options->passes;
  for (uint32_t i = 0; i < report->passes; i++)
  {
    wcx_cli_bar((double)(FLOOR_PASSES + i) / (FLOOR_PASSES + report->passes + 1), "pass %u of %u", i + 1, report->passes);
    report->run = wcx_run_pass(run, options->setup_cnt, options->burst, NULL);
    per_op[i] = (double)report->run.elapsed_ns / (double)report->run.ops;
    wcx_run_folder_sample(folder, per_op[i]);
  }
  report->median_ns = wcx_cli_median(per_op, report->passes);
  report->least_ns = per_op[0]; /* sorted now */
}

static void measure_percentiles(wcx_run_t *run, const options_t *options, report_t *report, wcx_run_folder_t *folder)
{
  static wcx_hist_t ticks;
  wcx_cli_bar((double)(FLOOR_PASSES + report->passes) / (FLOOR_PASSES + report->passes + 1), "percentiles");
  uint64_t from_ns = wcx_env_utc_ns();
  wcx_run_result_t again = wcx_run_pass(run, options->setup_cnt, options->burst, &ticks);
  if (again.trade_hash != report->run.trade_hash)
    wcx_run_fault(folder, "trade_hash %016" PRIx64 ", then %016" PRIx64 " of the same flow", report->run.trade_hash, again.trade_hash);
  report->has_percentiles = true;
  report->p50_ns = (double)wcx_hist_percentile(&ticks, 500000) * again.ns_per_tick;
  report->p99_ns = (double)wcx_hist_percentile(&ticks, 990000) * again.ns_per_tick;
  report->p999_ns = (double)wcx_hist_percentile(&ticks, 999000) * again.ns_per_tick;
  report->max_ns = (double)ticks.max * again.ns_per_tick;
  wcx_run_folder_ticks(folder, "apply", from_ns, wcx_env_utc_ns(), &ticks, again.ns_per_tick);
}

/* Who lets several engines take turns asks for one pass at a time. */
static void take_turns(wcx_run_t *run, const options_t *options)
{
  for (int c; (c = getchar()) != EOF;)
  {
    if (c != '\n')
      continue;
    wcx_run_result_t result = wcx_run_pass(run, options->setup_cnt, options->burst, NULL);
    printf("%.3f %016" PRIx64 "\n", (double)result.elapsed_ns / (double)result.ops, result.trade_hash);
    fflush(stdout);
  }
}

static int get_flow(options_t *options, wcx_flow_t *flow)
{
  char error[512];
  if (options->profile == 0)
  {
    if (wcx_flow_load(flow, options->flow_path, error, sizeof(error)) != 0)
    {
      fprintf(stderr, "wcx-bench engine: %s\n", error);
      return 1;
    }
  }
  else if (wcx_profile_generate(flow, &options->setup_cnt, options->profile, options->ops, options->seed) != 0)
    return 2;
  if (options->setup_cnt >= flow->cnt)
  {
    fprintf(stderr, "wcx-bench engine: --setup %" PRIu64 " leaves nothing of %" PRIu64 " records\n", options->setup_cnt, flow->cnt);
    return 2;
  }
  if (options->save_path == NULL)
    return 0;
  if (wcx_flow_save(flow, options->save_path) != 0)
  {
    fprintf(stderr, "wcx-bench engine: %s: %s\n", options->save_path, strerror(errno));
    return 1;
  }
  fprintf(stderr, "%s: %" PRIu64 " records, --setup %" PRIu64 "\n", options->save_path, flow->cnt, options->setup_cnt);
  return 0;
}

int wcx_engine_bench(int argc, char **argv)
{
  static wcx_run_folder_t folder;
  options_t options;
  int status = parse(&options, argc, argv);
  if (status != 0)
    return status;
  if (options.asked.cpu >= 0)
    wcx_cli_pin(options.asked.cpu);
  if (options.turns_only)
    options.asked.out_path = NULL;
  wcx_cli_bar(0, "the flow is made");
  wcx_flow_t flow;
  status = get_flow(&options, &flow);
  if (status != 0)
    return status;
  if (!wcx_run_begin(&folder, &options.asked, "engine", argc, argv, "ns per input, of each pass"))
    return WCX_CLI_BAD;
  report_t report = {.options = &options, .has_floor = !options.throughput_only && !options.turns_only};
  wcx_cli_bar(0, "floors");
  if (report.has_floor)
    report.floor = wcx_floor_measure(&flow, options.setup_cnt);
  wcx_run_t *run = wcx_run_new(&flow, options.credit);
  if (options.turns_only)
    take_turns(run, &options);
  else
    measure_throughput(run, &options, &report, &folder);
  if (report.has_floor)
  {
    measure_percentiles(run, &options, &report, &folder);
    report.said_ns = wcx_run_said_ns(run, options.setup_cnt, options.burst, options.passes);
  }
  keep(&report, &folder);
  status = options.turns_only ? WCX_CLI_GOOD : wcx_run_end(&folder, &options.asked, tell_json, tell_table, &report);
  wcx_run_free(run);
  wcx_flow_free(&flow);
  return status;
}
