/* wcx-sim: crash cycles of the whole appliance, from seeds.

       wcx-sim run --seeds A..B [--json]     every seed 1 to 10 crash cycles
       wcx-sim run --seed S [--trace]        one seed again, byte for byte the same

   Exit status 0 when nothing was lost, 1 when something was, 2 for a wrong command line. */
#include "tests/sim/world.h"

#include <argp.h>
#include <stdlib.h>
#include <time.h>

typedef struct options
{
  uint64_t first;
  uint64_t last;
  bool json;
  bool trace;
  bool run;
} options_t;

static const struct argp_option option_table[] = {{"seeds", 's', "A..B", 0, "seeds A to B, both included", 0},
                                                  {"seed", 'o', "S", 0, "one seed", 0},
                                                  {"json", 'j', NULL, 0, "the result as one JSON object", 0},
                                                  {"trace", 't', NULL, 0, "print every crash and judgement", 0},
                                                  {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
  options_t *options = state->input;
  char *end = NULL;
  switch (key)
  {
  case 's':
    options->first = strtoull(arg, &end, 10);
    if (end == arg || end[0] != '.' || end[1] != '.')
      argp_error(state, "--seeds %s: write it as A..B, for example 1..200", arg);
    options->last = strtoull(end + 2, &end, 10);
    if (*end != '\0' || options->last < options->first)
      argp_error(state, "--seeds %s: the second seed must be a number not below the first", arg);
    return 0;
  case 'o':
    options->first = options->last = strtoull(arg, &end, 10);
    if (end == arg || *end != '\0')
      argp_error(state, "--seed %s is not a number", arg);
    return 0;
  case 'j':
    options->json = true;
    return 0;
  case 't':
    options->trace = true;
    return 0;
  case ARGP_KEY_ARG:
    if (state->arg_num > 0 || strcmp(arg, "run") != 0)
      argp_error(state, "'%s' is not a command; there is: run", arg);
    options->run = true;
    return 0;
  case ARGP_KEY_END:
    if (!options->run)
      argp_error(state, "say what to do: run");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static double cpu_seconds(void)
{
  struct timespec ts;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
  options_t options = {.first = 1, .last = 20};
  argp_err_exit_status = 2;
  const struct argp argp = {.options = option_table, .parser = parse, .args_doc = "run", .doc = "Crash cycles of the whole appliance on a simulated wire, disk and clock."};
  argp_parse(&argp, argc, argv, 0, NULL, &options);

  static wcx_world_t world;
  wcx_world_init(&world);
  world.trace = options.trace;
  uint64_t cycles = 0, lost = 0, phantom = 0, duplicated = 0, divergences = 0, told = 0, failed = 0;
  double begun = cpu_seconds();
  for (uint64_t seed = options.first; seed <= options.last; seed++)
  {
    uint32_t of_seed = 1 + (uint32_t)(seed * 7 % 10);
    uint64_t stuck = world.stuck;
    wcx_oracle_reset(&world.oracle);
    wcx_world_run(&world, seed, of_seed);
    const wcx_oracle_t *oracle = &world.oracle;
    cycles += of_seed;
    told += oracle->told_cnt;
    lost += oracle->lost;
    phantom += oracle->phantom;
    duplicated += oracle->duplicated;
    divergences += oracle->divergences;
    if (oracle->lost + oracle->phantom + oracle->duplicated + oracle->divergences > 0 || world.stuck > stuck)
    {
      failed++;
      fprintf(stderr, "seed %llu: lost %llu phantom %llu duplicated %llu divergences %llu%s; again: %s run --seed %llu --trace\n", (unsigned long long)seed,
              (unsigned long long)oracle->lost, (unsigned long long)oracle->phantom, (unsigned long long)oracle->duplicated, (unsigned long long)oracle->divergences,
              world.stuck > stuck ? ", never came to rest" : "", argv[0], (unsigned long long)seed);
      if (!options.json)
        break;
    }
  }
  double took = cpu_seconds() - begun;
  printf(options.json ? "{\"seeds\":%llu,\"cycles\":%llu,\"requests\":%llu,\"told\":%llu,\"lost\":%llu,\"phantom\":%llu,\"duplicated\":%llu,\"divergences\":%llu,\"stuck\":%llu"
                      : "seeds %llu cycles %llu requests %llu told %llu lost %llu phantom %llu duplicated %llu divergences %llu stuck %llu",
         (unsigned long long)(options.last - options.first + 1), (unsigned long long)cycles, (unsigned long long)world.requests, (unsigned long long)told, (unsigned long long)lost,
         (unsigned long long)phantom, (unsigned long long)duplicated, (unsigned long long)divergences, (unsigned long long)world.stuck);
  if (options.trace)
    printf("%s\n", options.json ? "}" : "");
  else
    printf(options.json ? ",\"cycles_per_s\":%.0f}\n" : " cycles/s %.0f\n", (double)cycles / (took > 0 ? took : 1));
  wcx_world_free(&world);
  return failed > 0 ? 1 : 0;
}
