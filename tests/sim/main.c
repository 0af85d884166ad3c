/* wcx-sim: crash cycles of the whole appliance, from seeds.

       wcx-sim run --seeds A..B [--json]       every seed 1 to 10 crash cycles, spread over all CPUs
       wcx-sim run --seed S [--trace]          one seed again, byte for byte the same
       wcx-sim exhaust --seeds A..B [--json]   of each seed a short workload, crashed at every call of the environment in every way,
                                               and once more at every call of the recovery

   cycles_per_s is of one core: cycles divided by the CPU seconds of all processes. Exit status 0 when nothing was lost, 1 when something was,
   2 for a wrong command line. */
#include "tests/sim/env_sim.h"
#include "tests/sim/jobs.h"

#include <argp.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define FAILURES_TOLD 20u
#define EXHAUST_TURNS 40u
#define EXHAUST_AGAIN_EVERY 32u

typedef struct options
{
  const char *program;
  const char *command;
  uint64_t first;
  uint64_t last;
  uint32_t jobs;
  bool json;
  bool trace;
} options_t;

#define OPT_SEED 1
#define OPT_JSON 2

static const struct argp_option option_table[] = {{"seeds", 's', "A..B", 0, "seeds A to B, both included (1..20)", 0},
                                                  {"seed", OPT_SEED, "S", 0, "one seed", 0},
                                                  {"jobs", 'j', "N", 0, "processes; default: one per CPU", 0},
                                                  {"json", OPT_JSON, NULL, 0, "the result as one JSON object; goes on after a seed that failed", 0},
                                                  {"trace", 't', NULL, 0, "print the plan, every crash and the judgement (one process)", 0},
                                                  {0}};

static void parse_seeds(struct argp_state *state, options_t *options, const char *arg)
{
  char *end = NULL;
  options->first = strtoull(arg, &end, 10);
  if (*arg < '0' || *arg > '9' || end[0] != '.' || end[1] != '.')
    argp_error(state, "--seeds %s: write it as A..B, for example 1..200", arg);
  const char *second = end + 2;
  options->last = strtoull(second, &end, 10);
  if (*second < '0' || *second > '9' || *end != '\0' || options->last < options->first)
    argp_error(state, "--seeds %s: the second seed must be a number not below the first", arg);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
  options_t *options = state->input;
  char *end = NULL;
  switch (key)
  {
  case 's':
    parse_seeds(state, options, arg);
    return 0;
  case OPT_SEED:
    options->first = options->last = strtoull(arg, &end, 10);
    if (*arg < '0' || *arg > '9' || *end != '\0')
      argp_error(state, "--seed %s is not a number", arg);
    return 0;
  case 'j':
    options->jobs = (uint32_t)strtoul(arg, &end, 10);
    if (end == arg || *end != '\0' || options->jobs < 1 || options->jobs > WCX_JOBS_MAX)
      argp_error(state, "--jobs %s: 1 to %u", arg, WCX_JOBS_MAX);
    return 0;
  case OPT_JSON:
    options->json = true;
    return 0;
  case 't':
    options->trace = true;
    return 0;
  case ARGP_KEY_ARG:
    if (state->arg_num > 0 || (strcmp(arg, "run") != 0 && strcmp(arg, "exhaust") != 0))
      argp_error(state, "'%s' is not a command; there are: run, exhaust", arg);
    options->command = arg;
    return 0;
  case ARGP_KEY_END:
    if (options->command == NULL)
      argp_error(state, "say what to do: run or exhaust");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static void run_seed(wcx_world_t *world, uint64_t seed, void *ctx)
{
  (void)ctx;
  wcx_world_run(world, seed);
}

/* A crash that may leave a name or a flush half done. */
static bool at_metadata(const char *name)
{
  return strstr(name, "rename") != NULL || strstr(name, "sync") != NULL || strstr(name, "remove") != NULL;
}

/* Every call of the workload times every kind of crash. Behind every 32nd crash, every call of the recovery, the kinds taking turns; behind a death of the worker
   at a name or a flush, the power at every call of what follows: what its successor relied on must be on the disk. */
static void exhaust_seed(wcx_world_t *world, uint64_t seed, void *ctx)
{
  (void)ctx;
  uint32_t last = wcx_plan_of(seed).snapshot_every > 0 ? WCX_CRASH_MAX : WCX_CRASH_POWER;
  for (uint32_t kind = WCX_CRASH_DATAPLANE; kind <= last; kind++)
    for (uint64_t nth = 1; wcx_world_crash_at(world, seed, EXHAUST_TURNS, nth, (enum wcx_crash)kind, 0, WCX_CRASH_POWER); nth++)
    {
      bool metadata = kind == WCX_CRASH_JOURNAL && at_metadata(wcx_sim_crash_name());
      if (!metadata && (nth + seed) % EXHAUST_AGAIN_EVERY != 0)
        continue;
      for (uint64_t again = 1;; again++)
      {
        enum wcx_crash again_kind = metadata ? WCX_CRASH_POWER : (enum wcx_crash)(1 + (again + nth) % last);
        if (!wcx_world_crash_at(world, seed, EXHAUST_TURNS, nth, (enum wcx_crash)kind, again, again_kind))
          break;
      }
    }
}

static void say_failed(uint64_t seed, int signal, const wcx_world_counts_t *counts, void *ctx)
{
  const options_t *options = ctx;
  fprintf(stderr, "seed %llu: ", (unsigned long long)seed);
  if (counts == NULL)
    fprintf(stderr, "ended by %s", sigdescr_np(signal));
  else
    fprintf(stderr, "lost %llu phantom %llu duplicated %llu divergences %llu%s", (unsigned long long)counts->lost, (unsigned long long)counts->phantom,
            (unsigned long long)counts->duplicated, (unsigned long long)counts->divergences, counts->stuck > 0 ? ", never came to rest" : "");
  fprintf(stderr, "; again: %s %s --seed %llu --trace\n", options->program, options->command, (unsigned long long)seed);
}

static void print(const options_t *options, const wcx_jobs_result_t *result)
{
  const wcx_world_counts_t *c = &result->counts;
  const struct
  {
    const char *name;
    uint64_t value;
  } numbers[] = {{"seeds", options->last - options->first + 1},
                 {"cycles", c->cycles},
                 {"in_flight", c->in_flight},
                 {"crashes", c->crashes[1] + c->crashes[2] + c->crashes[3] + c->crashes[4] + c->crashes[5]},
                 {"power_losses", c->crashes[WCX_CRASH_POWER]},
                 {"snapshots", c->snapshots},
                 {"disk_failures", c->disk_failures},
                 {"requests", c->requests},
                 {"told", c->told},
                 {"calls", c->points},
                 {"lost", c->lost},
                 {"phantom", c->phantom},
                 {"duplicated", c->duplicated},
                 {"divergences", c->divergences},
                 {"stuck", c->stuck},
                 {"failed", result->failed}};
  for (uint32_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
    printf(options->json ? "%s\"%s\":%llu" : "%s%s %llu", i == 0 ? options->json ? "{" : "" : options->json ? "," : " ", numbers[i].name, (unsigned long long)numbers[i].value);
  if (!options->trace)
    printf(options->json ? ",\"jobs\":%u,\"seconds\":%.1f,\"cpu_seconds\":%.1f,\"cycles_per_s\":%.0f" : " jobs %u seconds %.1f cpu_seconds %.1f cycles_per_s %.0f", result->jobs,
           result->wall_s, result->cpu_s, (double)c->cycles / (result->cpu_s > 0 ? result->cpu_s : 1));
  printf(options->json ? "}\n" : "\n");
}

int main(int argc, char **argv)
{
  options_t options = {.program = argv[0], .first = 1, .last = 20};
  argp_err_exit_status = 2;
  const struct argp argp = {.options = option_table,
                            .parser = parse,
                            .args_doc = "run|exhaust",
                            .doc = "Crash cycles of the whole appliance on a simulated wire, disk and clock.\v"
                                   "run: each seed draws its crashes. exhaust: a short workload of each seed, crashed at every call of the environment and of the recovery.\n"
                                   "Exit status: 0 nothing was lost, phantom, doubled or different; 1 a seed failed, with the command that repeats it; 2 a wrong command line."};
  argp_parse(&argp, argc, argv, 0, NULL, &options);

  mallopt(M_MMAP_THRESHOLD, 2 << 20); /* the clients' tables of requests are large and hardly touched: fresh pages are cheaper than zeroed ones */
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  wcx_jobs_t jobs = {.first = options.first,
                     .last = options.last,
                     .jobs = options.trace ? 1 : options.jobs,
                     .failures_max = options.json ? FAILURES_TOLD : 1,
                     .trace = options.trace,
                     .run = strcmp(options.command, "run") == 0 ? run_seed : exhaust_seed,
                     .failed = say_failed,
                     .ctx = &options};
  wcx_jobs_result_t result = wcx_jobs_run(&jobs);
  print(&options, &result);
  return result.failed > 0 ? 1 : 0;
}
