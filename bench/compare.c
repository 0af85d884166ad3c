#include "bench/compare.h"

#include "bench/cli.h"
#include "bench/paired_stats.h"
#include "bench/samples.h"
#include "engine/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS_MAX 4u

typedef struct options
{
  const char *paths[2];
  uint32_t blocks, passes, margin_permille;
  uint64_t ops;
  char profile;
  int cpu;
  bool json;
} options_t;

typedef struct values
{
  double a[WCX_PAIRED_MAX], b[WCX_PAIRED_MAX], again[WCX_PAIRED_MAX];
  uint32_t cnt;
} values_t;

static const char help[] = "wcx-bench compare A B: is B slower than A? Both programs (wcx-bench of two commits), measured in turn, or both run folders\n"
                           "  --blocks N         three new processes, so many times (20); as many again up to three times while the verdict is unclear\n"
                           "  --profile a|b|c    the flow (a), --ops N of it (3000)\n"
                           "  --passes N         of each of the three, in turn; the least counts (120)\n"
                           "  --margin N         permille that matter (20): B is slower when the 99 % interval leaves 1 out and the ratio is beyond\n"
                           "  --cpu N            run on this CPU\n"
                           "  --json             one line of JSON\n";

static int parse(options_t *options, int argc, char **argv)
{
  *options = (options_t){.blocks = 20, .passes = 120, .margin_permille = 20, .ops = 3000, .profile = 'a', .cpu = -1};
  const wcx_cli_option_t known[] = {{"blocks", WCX_CLI_U32, &options->blocks, WCX_PAIRED_MIN, WCX_PAIRED_MAX, 0},
                                    {"profile", WCX_CLI_PROFILE, &options->profile, 0, 0, 0},
                                    {"ops", WCX_CLI_U64, &options->ops, 1000, 100000000, 0},
                                    {"passes", WCX_CLI_U32, &options->passes, 1, 10000, 0},
                                    {"margin", WCX_CLI_U32, &options->margin_permille, 1, 500, 0},
                                    {"cpu", WCX_CLI_CPU, &options->cpu, 0, 0, 0},
                                    {"json", WCX_CLI_FLAG, &options->json, 0, 0, 0},
                                    {0}};
  bool named = argc >= 3 && argv[1][0] != '-' && argv[2][0] != '-';
  if (named)
  {
    options->paths[0] = argv[1];
    options->paths[1] = argv[2];
    argv[2] = argv[0]; /* what getopt takes for the name of the program */
    argc -= 2;
    argv += 2;
  }
  bool lacks_one = !named && argc > 1 && argv[1][0] != '-';
  int status = lacks_one ? 0 : wcx_cli_options("compare", help, known, argc, argv);
  if (status != 0 || named)
    return status;
  fputs("wcx-bench compare: name A and B first: two programs, or two run folders\n", stderr);
  return 2;
}

/* --- programs --------------------------------------------------------------------------------------------------------------------------- */

typedef struct child
{
  const char *program;
  pid_t pid;
  FILE *ask, *answers;
  double least_ns; /* an op, of the passes so far */
  char hash[17];   /* of what it traded */
} child_t;

static bool start(const options_t *options, child_t *child, const char *program)
{
  char profile[2] = {options->profile, 0};
  char ops[24], cpu[16];
  snprintf(ops, sizeof(ops), "%" PRIu64, options->ops);
  snprintf(cpu, sizeof(cpu), "%d", options->cpu);
  const char *args[] = {program, "engine", "--profile", profile, "--ops", ops, "--pass", "turns", options->cpu < 0 ? NULL : "--cpu", cpu, NULL};
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
    WCX_DIE("pipe: %s", strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  *child = (child_t){.program = program};
  int error = posix_spawn(&child->pid, program, &actions, NULL, (char *const *)args, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  child->ask = fdopen(in[1], "w");
  child->answers = fdopen(out[0], "r");
  if (error == 0)
    return true;
  fprintf(stderr, "wcx-bench compare: %s: %s\n", program, strerror(error));
  child->pid = 0;
  return false;
}

static bool take_turn(child_t *child)
{
  double ns;
  if (fputc('\n', child->ask) == EOF || fflush(child->ask) != 0 || fscanf(child->answers, "%lf %16[0-9a-f]", &ns, child->hash) != 2 || ns <= 0)
  {
    fprintf(stderr, "wcx-bench compare: %s engine --pass turns: failed, or answers something else\n", child->program);
    return false;
  }
  child->least_ns = child->least_ns == 0 || ns < child->least_ns ? ns : child->least_ns;
  return true;
}

static bool end(child_t *child)
{
  fclose(child->ask);
  fclose(child->answers);
  int status = 0;
  if (child->pid != 0)
    waitpid(child->pid, &status, 0);
  return status == 0;
}

/* Three new processes take turns, a pass each. Nobody ever follows itself, whose memory would still be in the caches, and over the blocks each follows either of the others
   as often, and starts first, second and third as often. */
static bool measure_block(const options_t *options, child_t children[3], uint32_t block)
{
  bool good = true;
  for (uint32_t i = 0; i < 3; i++)
  {
    uint32_t which = (block + i) % 3;
    good = start(options, &children[which], options->paths[which == 1]) && good;
  }
  for (uint32_t pass = 0; good && pass < options->passes; pass++)
    for (uint32_t i = 0; good && i < 3; i++)
      good = take_turn(&children[block % 2 == 0 ? i : 2 - i]);
  for (uint32_t i = 0; i < 3; i++)
    good = end(&children[i]) && good;
  if (!good || (strcmp(children[0].hash, children[1].hash) == 0 && strcmp(children[0].hash, children[2].hash) == 0))
    return good;
  fprintf(stderr, "wcx-bench compare: the two trade differently: trade_hash %s and %s\n", children[0].hash, children[1].hash);
  return false;
}

static bool measure_blocks(const options_t *options, values_t *values)
{
  uint32_t first = values->cnt;
  for (uint32_t block = first; block < first + options->blocks; block++)
  {
    child_t children[3];
    wcx_cli_bar((double)(block - first) / options->blocks, "block %u of %u", block + 1, first + options->blocks);
    if (!measure_block(options, children, block))
      return false;
    values->a[block] = children[0].least_ns;
    values->b[block] = children[1].least_ns;
    values->again[block] = children[2].least_ns;
  }
  wcx_cli_progress("%s", "");
  values->cnt = first + options->blocks;
  return true;
}

/* --- run folders ------------------------------------------------------------------------------------------------------------------------ */

static bool read_folders(const options_t *options, values_t *values)
{
  double *const into[2] = {values->a, values->b};
  uint32_t cnt[2];
  for (uint32_t i = 0; i < 2; i++)
  {
    if (!wcx_samples_read(options->paths[i], into[i], WCX_PAIRED_MAX, &cnt[i]) || cnt[i] < WCX_PAIRED_MIN)
    {
      fprintf(stderr, "wcx-bench compare: %s/samples.csv: cannot be read, or holds less than %u samples\n", options->paths[i], WCX_PAIRED_MIN);
      return false;
    }
  }
  values->cnt = cnt[0] < cnt[1] ? cnt[0] : cnt[1];
  return true;
}

/* A's odd samples against its even ones; none when there are too few. */
static bool own_noise(values_t *values, wcx_paired_t *noise)
{
  static double even[WCX_PAIRED_MAX / 2], odd[WCX_PAIRED_MAX / 2];
  uint32_t cnt = values->cnt / 2;
  if (cnt < WCX_PAIRED_MIN)
    return false;
  for (uint32_t i = 0; i < cnt; i++)
  {
    even[i] = values->a[2 * i];
    odd[i] = values->a[2 * i + 1];
  }
  *noise = wcx_paired_ratio(even, odd, cnt);
  return true;
}

typedef struct comparison
{
  wcx_paired_t paired, noise;
  bool has_noise;
  enum wcx_verdict verdict;
} comparison_t;

static comparison_t compare(const options_t *options, values_t *values, bool folders)
{
  comparison_t said = {.paired = wcx_paired_ratio(values->a, values->b, values->cnt), .has_noise = true};
  if (folders)
    said.has_noise = own_noise(values, &said.noise);
  else
    said.noise = wcx_paired_ratio(values->a, values->again, values->cnt);
  said.verdict = wcx_paired_verdict(&said.paired, said.has_noise ? &said.noise : NULL, options->margin_permille / 1e3);
  return said;
}

/* --- what is told ----------------------------------------------------------------------------------------------------------------------- */

static void tell(const options_t *options, values_t *values, const comparison_t *said, bool interleaved)
{
  const wcx_paired_t *paired = &said->paired;
  const wcx_paired_t *noise = said->has_noise ? &said->noise : NULL;
  double median_a = wcx_cli_median(values->a, values->cnt);
  double median_b = wcx_cli_median(values->b, values->cnt);
  const char *text = wcx_verdict_text(said->verdict);
  if (options->json)
  {
    printf("{\"verdict\":\"%s\",\"ratio\":%.4f,\"low\":%.4f,\"high\":%.4f,\"pairs\":%u,\"interleaved\":%s,\"margin\":%.3f,\"a_median\":%.2f,\"b_median\":%.2f", text, paired->ratio,
           paired->low, paired->high, paired->cnt, interleaved ? "true" : "false", options->margin_permille / 1e3, median_a, median_b);
    if (noise != NULL)
      printf(",\"noise_ratio\":%.4f,\"noise_low\":%.4f,\"noise_high\":%.4f", noise->ratio, noise->low, noise->high);
    puts("}");
    return;
  }
  printf("A       %10.2f   %s, median of %u\n", median_a, options->paths[0], paired->cnt);
  printf("B       %10.2f   %s\n", median_b, options->paths[1]);
  printf("B / A   %10.4f   99 %% of confidence: %.4f .. %.4f\n", paired->ratio, paired->low, paired->high);
  if (noise != NULL)
    printf("A / A   %10.4f   %.4f .. %.4f: the noise line\n", noise->ratio, noise->low, noise->high);
  printf("verdict %10s   at a margin of %.1f %%%s\n", text, options->margin_permille / 10.0,
         interleaved ? "" : "; not measured in turn: what the host did between the runs counts as a difference");
}

int wcx_compare_bench(int argc, char **argv)
{
  static values_t values;
  options_t options;
  int status = parse(&options, argc, argv);
  if (status != 0)
    return status;
  signal(SIGPIPE, SIG_IGN); /* a process that died is told by what it did not answer */
  struct stat stats[2];
  for (uint32_t i = 0; i < 2; i++)
  {
    if (stat(options.paths[i], &stats[i]) == 0)
      continue;
    fprintf(stderr, "wcx-bench compare: %s: %s\n", options.paths[i], strerror(errno));
    return WCX_CLI_FAILED;
  }
  bool folders = S_ISDIR(stats[0].st_mode);
  if (folders != S_ISDIR(stats[1].st_mode))
  {
    fputs("wcx-bench compare: one is a folder, the other a program\n", stderr);
    return 2;
  }
  comparison_t said = {0};
  if (folders && !read_folders(&options, &values))
    return WCX_CLI_FAILED;
  if (folders)
    said = compare(&options, &values, true);
  /* Unclear: more of the same, as far as that is likely to help. */
  for (uint32_t round = 0; !folders && (round == 0 || said.verdict == WCX_VERDICT_UNCLEAR) && round < ROUNDS_MAX && values.cnt + options.blocks <= WCX_PAIRED_MAX; round++)
  {
    if (!measure_blocks(&options, &values))
      return WCX_CLI_FAILED;
    said = compare(&options, &values, false);
  }
  tell(&options, &values, &said, !folders);
  return said.verdict == WCX_VERDICT_SLOWER ? WCX_CLI_BAD : said.verdict == WCX_VERDICT_UNCLEAR ? WCX_CLI_UNCLEAR : WCX_CLI_GOOD;
}
