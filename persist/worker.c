#include "persist/worker.h"

#include "engine/base/check.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define WAIT_REGION_NS 50000000u

static _Atomic int stop;
static const char *worker_name = "wcx";

static void on_signal(int number)
{
  (void)number;
  atomic_store_explicit(&stop, 1, memory_order_relaxed);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
  wcx_worker_args_t *args = state->input;
  switch (key)
  {
  case 'r':
    args->region = arg;
    return 0;
  case 's':
    args->shard_idx = wcx_worker_number("--shard-idx", arg, 0, WCX_SHARDS_MAX - 1);
    args->shard_given = true;
    return 0;
  case ARGP_KEY_END:
    if (args->region == NULL || !args->shard_given)
      argp_error(state, "--region and --shard-idx are needed");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option options[] = {{"region", 'r', "PATH", 0, "the shared region", 0}, {"shard-idx", 's', "N", 0, "which shard of the region, from 0", 0}, {0}};
const struct argp wcx_worker_argp = {.options = options, .parser = parse};

void wcx_worker_init(const char *name)
{
  worker_name = name;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    WCX_DIE("cannot give up privileges: %s", strerrordesc_np(errno));
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
}

void wcx_worker_say(const char *fmt, ...)
{
  va_list list;
  va_start(list, fmt);
  fprintf(stderr, "%s: ", worker_name);
  vfprintf(stderr, fmt, list);
  fputc('\n', stderr);
  va_end(list);
}

bool wcx_worker_stopping(void)
{
  return atomic_load_explicit(&stop, memory_order_relaxed) != 0;
}

void wcx_worker_pause_ns(uint64_t ns)
{
  struct timespec pause = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
  nanosleep(&pause, NULL);
}

void wcx_worker_wait_region(wcx_region_file_t *file, const char *path)
{
  char err[512];
  int said = -1;
  for (;;)
  {
    int result = wcx_region_open(file, path, true, err, sizeof(err));
    if (result == WCX_REGION_OK)
      return;
    if (result == WCX_REGION_BAD)
      WCX_DIE("%s", err);
    if (result != said)
      wcx_worker_say("waiting for %s: %s", path, result == WCX_REGION_MISSING ? "not made yet, is wcx-controld running?" : "it is of another boot, wcx-controld will replace it");
    said = result;
    wcx_worker_pause_ns(WAIT_REGION_NS);
    if (wcx_worker_stopping())
      exit(0);
  }
}

const wcx_params_shard_t *wcx_worker_shard(const wcx_params_t *params, uint32_t shard_idx)
{
  if (shard_idx >= params->shard_cnt)
    WCX_DIE("--shard-idx %u: the configuration has %u shards", shard_idx, params->shard_cnt);
  if (params->durability == WCX_DURABILITY_LEVEL_D0_NONE)
    WCX_DIE("durability D0 keeps no journal: do not start %s, or set durability to D1", worker_name);
  return &params->shards[shard_idx];
}

void wcx_worker_leave_poll_cpus(const wcx_params_t *params)
{
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
    return;
  for (uint32_t i = 0; i < params->shard_cnt; i++)
    if (params->shards[i].lcore < CPU_SETSIZE)
      CPU_CLR(params->shards[i].lcore, &cpus);
  if (CPU_COUNT(&cpus) > 0 && sched_setaffinity(0, sizeof(cpus), &cpus) != 0)
    wcx_worker_say("cannot keep off the CPUs of the poll loops: %s", strerrordesc_np(errno));
}

uint32_t wcx_worker_number(const char *option, const char *text, uint32_t min, uint32_t max)
{
  char *end;
  errno = 0;
  unsigned long value = strtoul(text, &end, 10);
  if (errno != 0 || *end != '\0' || end == text || text[0] == '-' || value < min || value > max)
    WCX_DIE("%s %s: must be a whole number from %u to %u", option, text, min, max);
  return (uint32_t)value;
}
