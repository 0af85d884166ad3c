#include "bench/cli.h"

#include "bench/json_text.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define OPTIONS_MAX 32
#define BAR_WIDTH 30
#define BAR_EVERY_NS UINT64_C(100000000)

static char config[8192] = "{}";
static uint64_t bar_from_ns; /* 0: none is drawn */
static uint64_t bar_at_ns;

bool wcx_cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
  char *end;
  errno = 0;
  *value = strtoull(text, &end, 10);
  return errno == 0 && end != text && *end == 0 && *text != '-' && *value >= min && *value <= max;
}

int wcx_cli_wrong(const char *command, const char *name, const char *text, const char *wanted)
{
  fprintf(stderr, "wcx-bench %s: --%s%s%s%s %s\n", command, name, text[0] != '\0' ? " " : "", text, text[0] != '\0' ? ":" : "", wanted);
  return WCX_CLI_USAGE;
}

static int take_number(const char *command, const wcx_cli_option_t *option, const char *text, uint64_t *value)
{
  if (wcx_cli_number(text, option->min, option->max, value) && (option->step == 0 || *value % option->step == 0))
    return 0;
  char wanted[96];
  if (option->step != 0)
    snprintf(wanted, sizeof(wanted), "not a multiple of %" PRIu64 " within %" PRIu64 "..%" PRIu64, option->step, option->min, option->max);
  else
    snprintf(wanted, sizeof(wanted), "outside %" PRIu64 "..%" PRIu64, option->min, option->max);
  return wcx_cli_wrong(command, option->name, text, wanted);
}

static int take(const char *command, const wcx_cli_option_t *option, const char *text)
{
  uint64_t value;
  switch (option->kind)
  {
  case WCX_CLI_FLAG:
    *(bool *)option->value = true;
    return 0;
  case WCX_CLI_TEXT:
    *(const char **)option->value = text;
    return 0;
  case WCX_CLI_U64:
    return take_number(command, option, text, option->value);
  case WCX_CLI_U32:
    if (take_number(command, option, text, &value) != 0)
      return 2;
    *(uint32_t *)option->value = (uint32_t)value;
    return 0;
  case WCX_CLI_CPU:
    if (!wcx_cli_number(text, 0, CPU_SETSIZE - 1, &value))
      return wcx_cli_wrong(command, option->name, text, "not a CPU");
    *(int *)option->value = (int)value;
    return 0;
  case WCX_CLI_PROFILE:
    if (text[0] < 'a' || text[0] > 'c' || text[1] != 0)
      return wcx_cli_wrong(command, option->name, text, "is none of a, b, c");
    *(char *)option->value = text[0];
    return 0;
  }
  return WCX_CLI_USAGE;
}

static void put_option(FILE *file, const wcx_cli_option_t *option)
{
  switch (option->kind)
  {
  case WCX_CLI_FLAG:
    fputs(*(const bool *)option->value ? "true" : "false", file);
    break;
  case WCX_CLI_TEXT:
    if (*(const char *const *)option->value == NULL)
      fputs("null", file);
    else
      wcx_json_text(file, *(const char *const *)option->value);
    break;
  case WCX_CLI_U64:
    fprintf(file, "%" PRIu64, *(const uint64_t *)option->value);
    break;
  case WCX_CLI_U32:
    fprintf(file, "%u", *(const uint32_t *)option->value);
    break;
  case WCX_CLI_CPU:
    fprintf(file, *(const int *)option->value < 0 ? "null" : "%d", *(const int *)option->value);
    break;
  case WCX_CLI_PROFILE:
    wcx_json_text(file, (char[]){*(const char *)option->value, 0});
    break;
  }
}

static void keep_config(const wcx_cli_option_t *options)
{
  FILE *file = fmemopen(config, sizeof(config), "w");
  WCX_CHECK(file != NULL, "out of memory");
  for (int i = 0; options[i].name != NULL; i++)
  {
    fprintf(file, "%c\"%s\":", i == 0 ? '{' : ',', options[i].name);
    put_option(file, &options[i]);
  }
  fputc('}', file);
  WCX_CHECK(ftell(file) < (long)sizeof(config) && fclose(file) == 0, "a command line that is too long");
}

const char *wcx_cli_config(void)
{
  return config;
}

int wcx_cli_options(const char *command, const char *help, const wcx_cli_option_t *options, int argc, char **argv)
{
  struct option known[OPTIONS_MAX + 2] = {{"help", no_argument, NULL, 'h'}};
  for (int i = 0; options[i].name != NULL; i++)
  {
    WCX_CHECK(i < OPTIONS_MAX, "%s has more than %d options", command, OPTIONS_MAX);
    known[i + 1] = (struct option){options[i].name, options[i].kind == WCX_CLI_FLAG ? no_argument : required_argument, NULL, 0};
  }
  int at = 0;
  for (int c; (c = getopt_long(argc, argv, "", known, &at)) != -1;)
  {
    if (c == 'h')
    {
      fputs(help, stdout);
      exit(0);
    }
    if (c != 0 || take(command, &options[at - 1], optarg) != 0)
      return 2;
  }
  keep_config(options);
  if (optind == argc)
    return 0;
  fprintf(stderr, "wcx-bench %s: %s: nothing beside options\n", command, argv[optind]);
  return WCX_CLI_USAGE;
}

void wcx_cli_pin(int cpu)
{
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)cpu, &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0)
    WCX_DIE("--cpu %d: %s", cpu, strerror(errno));
}

wcx_cli_cpu_t wcx_cli_cpu(pid_t pid)
{
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid, (int)pid);
  wcx_cli_cpu_t cpu = {0};
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return cpu;
  if (fscanf(file, "%" SCNu64 " %" SCNu64, &cpu.on_ns, &cpu.waited_ns) != 2)
    cpu = (wcx_cli_cpu_t){0};
  fclose(file);
  return cpu;
}

void wcx_cli_progress(const char *fmt, ...)
{
  bar_from_ns = 0;
  if (isatty(STDERR_FILENO) == 0)
    return;
  va_list args;
  va_start(args, fmt);
  fputs("\r\033[K", stderr);
  vfprintf(stderr, fmt, args);
  va_end(args);
  fflush(stderr);
}

void wcx_cli_bar(double part, const char *fmt, ...)
{
  static const char bar[BAR_WIDTH + 1] = "##############################";
  uint64_t now_ns = wcx_env_mono_ns();
  if (isatty(STDERR_FILENO) == 0 || (bar_from_ns != 0 && now_ns - bar_at_ns < BAR_EVERY_NS))
    return;
  bar_from_ns = bar_from_ns == 0 ? now_ns : bar_from_ns;
  bar_at_ns = now_ns;
  double shown = part < 0 ? 0 : part > 1 ? 1 : part;
  fprintf(stderr, "\r\033[K[%-*.*s] %3.0f %%  %4.0f s  ", BAR_WIDTH, (int)(shown * BAR_WIDTH), bar, shown * 100, (double)(now_ns - bar_from_ns) / 1e9);
  va_list args;
  va_start(args, fmt);
  vfprintf(stderr, fmt, args);
  va_end(args);
  fflush(stderr);
}

static void cpu_model(char *text, size_t text_sz)
{
  snprintf(text, text_sz, "unknown CPU");
  FILE *file = fopen("/proc/cpuinfo", "r");
  if (file == NULL)
    return;
  char line[256];
  while (fgets(line, sizeof(line), file) != NULL)
  {
    if (strncmp(line, "model name", 10) != 0 || strchr(line, ':') == NULL)
      continue;
    snprintf(text, text_sz, "%s", strchr(line, ':') + 2);
    text[strcspn(text, "\n\"\\")] = 0;
    break;
  }
  fclose(file);
}

void wcx_cli_host(char *text, size_t text_sz)
{
  char cpu[128];
  struct utsname os;
  cpu_model(cpu, sizeof(cpu));
  uname(&os);
  double load = 0;
  if (getloadavg(&load, 1) != 1)
    load = -1;
  long pages = sysconf(_SC_PHYS_PAGES);
  uint64_t gib = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) >> 30;
  snprintf(text, text_sz, "%s, %ld CPUs, %llu GiB, %s %s, load %.1f", cpu, sysconf(_SC_NPROCESSORS_ONLN), (unsigned long long)gib, os.sysname, os.release, load);
}

static int compare(const void *a, const void *b)
{
  double x = *(const double *)a;
  double y = *(const double *)b;
  return (x > y) - (x < y);
}

double wcx_cli_median(double *values, size_t cnt)
{
  qsort(values, cnt, sizeof(values[0]), compare);
  return values[cnt / 2];
}
