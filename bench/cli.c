#include "bench/cli.h"

#include "engine/base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

bool wcx_cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
  char *end;
  errno = 0;
  *value = strtoull(text, &end, 10);
  return errno == 0 && end != text && *end == 0 && *text != '-' && *value >= min && *value <= max;
}

int wcx_cli_wrong(const char *command, const char *name, const char *text, const char *wanted)
{
  fprintf(stderr, "wcx-bench %s: --%s %s: %s\n", command, name, text, wanted);
  return 2;
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
  if (isatty(STDERR_FILENO) == 0)
    return;
  va_list args;
  va_start(args, fmt);
  fputs("\r\033[K", stderr);
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
