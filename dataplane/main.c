/* wcx-dataplane: waits for the region and its parameters, opens the port while a thread of its own brings back the history, runs the loop of one shard on its core until SIGTERM.

       main      region, lock ---> port, TCP (most of it waiting) ---.
       restore                '-> memory, epoch, snapshot, replay ----'-> poll thread: genesis, day, sessions, then it serves */
#include "dataplane/confine.h"
#include "dataplane/loop.h"
#include "dataplane/memory.h"
#include "engine/base/check.h"
#include "engine/base/env.h"
#include "engine/shm/region_file.h"

#include <argp.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_STEP_US 50000u
#define SAY_EVERY_NS UINT64_C(3000000000)
#define LOCK_PATIENCE_NS UINT64_C(10000000000)

static _Atomic int stop_asked;

typedef struct options
{
  const char *region;
  uint32_t shard_idx;
} options_t;

typedef struct run
{
  const options_t *options;
  wcx_region_file_t *file;
  const wcx_params_t *params;
  wcx_loop_t *loop;
} run_t;

typedef bool until_t(const wcx_loop_t *loop);

static void on_stop(int sig)
{
  (void)sig;
  atomic_store_explicit(&stop_asked, 1, memory_order_relaxed);
}

static bool stopping(void)
{
  return atomic_load_explicit(&stop_asked, memory_order_relaxed) != 0;
}

static void install_signals(void)
{
  struct sigaction action = {.sa_handler = on_stop};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  signal(SIGPIPE, SIG_IGN);
}

/* Say what is waited for, at most every few seconds; the first time after one period, so that an ordinary start is silent. */
static void say_waiting(uint64_t *said_ns, const char *what)
{
  uint64_t now_ns = wcx_env_mono_ns();
  if (*said_ns == 0)
    *said_ns = now_ns;
  if (now_ns - *said_ns < SAY_EVERY_NS)
    return;
  *said_ns = now_ns;
  fprintf(stderr, "wcx-dataplane: waiting for %s\n", what);
}

static const char *region_state(int result)
{
  switch (result)
  {
  case WCX_REGION_MISSING:
    return "not made yet: is wcx-controld running?";
  case WCX_REGION_OTHER_BOOT:
    return "of an earlier boot, wcx-controld must replace it";
  default:
    return "wcx-controld has not completed its parameters";
  }
}

/* Open the region once it is there and complete. False when asked to stop. */
static bool await_region(const options_t *options, wcx_region_file_t *file)
{
  uint64_t said_ns = 0;
  while (!stopping())
  {
    char err[512] = "";
    int result = wcx_region_open(file, options->region, true, err, sizeof(err));
    if (result == WCX_REGION_BAD)
      WCX_DIE("%s", err);
    if (result == WCX_REGION_OK)
    {
      if (atomic_load_explicit(&file->region->params_ready, memory_order_acquire) == 1) /* pairs with the release of wcx-controld */
        return true;
      wcx_region_close(file);
    }
    snprintf(err, sizeof(err), "%s: %s", options->region, region_state(result));
    say_waiting(&said_ns, err);
    usleep(WAIT_STEP_US);
  }
  return false;
}

static bool await_lock(wcx_region_file_t *file)
{
  uint64_t said_ns = 0;
  uint64_t from_ns = wcx_env_mono_ns();
  while (!stopping())
  {
    if (wcx_region_lock(file, WCX_REGION_LOCK_DATAPLANE))
      return true;
    if (wcx_env_mono_ns() - from_ns > LOCK_PATIENCE_NS)
      WCX_DIE("another wcx-dataplane holds this region: stop it first");
    say_waiting(&said_ns, "another wcx-dataplane to end");
    usleep(WAIT_STEP_US);
  }
  return false;
}

/* Whether the file at `path` is still the one we have mapped. */
static bool region_is_current(const char *path, const wcx_region_file_t *file)
{
  struct stat there;
  struct stat ours;
  return stat(path, &there) == 0 && fstat(file->fd, &ours) == 0 && there.st_ino == ours.st_ino && there.st_dev == ours.st_dev;
}

/* Turns of a loop that does not serve yet: patient, and aware that the region may be replaced under it. False when asked to stop. */
static bool run_until(const run_t *run, until_t *until)
{
  uint64_t said_ns = 0;
  uint32_t idle = 0;
  while (!until(run->loop))
  {
    if (stopping())
      return false;
    if (wcx_loop_step(run->loop, wcx_env_mono_ns(), wcx_env_utc_ns()) > 0)
      continue;
    if (++idle % 64 == 0 && !region_is_current(run->options->region, run->file))
      WCX_DIE("the shared region %s was made anew while this process waited: start it again", run->options->region);
    say_waiting(&said_ns, wcx_loop_waiting_for(run->loop));
    usleep(500);
  }
  return true;
}

static void name_thread(const run_t *run, const char *what)
{
  char name[16];
  snprintf(name, sizeof(name), "wcx-%s-%u", what, run->params->shards[run->options->shard_idx].shard);
  prctl(PR_SET_NAME, name);
}

/* On the poll core, which nobody polls yet: what is touched here first lies near it. */
static void *restore(void *arg)
{
  run_t *run = arg;
  const wcx_params_t *params = run->params;
  uint32_t shard_idx = run->options->shard_idx;
  name_thread(run, "load");
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(params->shards[shard_idx].lcore, &cpus);
  (void)pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus); /* wcx_port_open says why it cannot be had */
  size_t sz = wcx_loop_footprint(params, shard_idx);
  wcx_loop_config_t config = {.region = run->file->region, .shard_idx = shard_idx, .mem_sz = sz, .watch_faults = true};
  config.mem = wcx_memory_map(run->options->region, shard_idx, sz, params->hugepages != 0);
  wcx_env_random(&config.hash_key, sizeof(config.hash_key));
  atomic_store_explicit(&wcx_region_shard(run->file->region, shard_idx)->dataplane.started_ns, wcx_env_utc_ns(), memory_order_relaxed);
  run->loop = wcx_loop_new(&config);
  (void)run_until(run, wcx_loop_replayed);
  return NULL;
}

static void run_loop(void *arg)
{
  run_t *run = arg;
  if (gettid() != getpid())
    name_thread(run, "shard");
  if (!run_until(run, wcx_loop_serving))
    return;
  const wcx_engine_t *engine = wcx_loop_engine(run->loop);
  printf("wcx-dataplane: shard %u serves on %s: %llu inputs in its history, %llu of them from a snapshot, %u live orders\n", run->params->shards[run->options->shard_idx].shard,
         run->params->port_device, (unsigned long long)wcx_engine_applied_seq(engine), (unsigned long long)wcx_loop_snapshot_seq(run->loop), wcx_engine_orders_live(engine));
  fflush(stdout);
  wcx_confine_poll_thread(run->params->port_kind);
  while (!stopping())
    (void)wcx_loop_step(run->loop, wcx_env_mono_ns(), wcx_env_utc_ns());
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
  options_t *options = state->input;
  switch (key)
  {
  case 'r':
    options->region = arg;
    return 0;
  case 's':
  {
    char *end;
    unsigned long idx = strtoul(arg, &end, 10);
    if (*arg == '\0' || *end != '\0' || idx >= WCX_SHARDS_MAX)
      argp_error(state, "--shard-idx %s: 0..%u", arg, WCX_SHARDS_MAX - 1);
    options->shard_idx = (uint32_t)idx;
    return 0;
  }
  case ARGP_KEY_END:
    if (options->region == NULL)
      argp_error(state, "--region is needed");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

int main(int argc, char **argv)
{
  static const struct argp_option described[] = {
      {"region", 'r', "PATH", 0, "the shared region, as wcx-controld makes it", 0}, {"shard-idx", 's', "N", 0, "which shard of the configuration, from 0 (default 0)", 0}, {0}};
  static const struct argp argp = {.options = described, .parser = parse_option, .doc = "The trading loop of one shard: frames in, frames out."};
  options_t options = {0};
  argp_parse(&argp, argc, argv, 0, NULL, &options);
  install_signals();

  wcx_region_file_t file;
  if (!await_region(&options, &file) || !await_lock(&file))
    return 0;
  const wcx_params_t *params = &file.region->params;
  const char *error = wcx_loop_params_error(params, options.shard_idx);
  if (error != NULL)
    WCX_DIE("--shard-idx %u: %s. Correct the configuration and start wcx-controld again", options.shard_idx, error);
  run_t run = {.options = &options, .file = &file, .params = params};
  pthread_t restorer;
  int status = pthread_create(&restorer, NULL, restore, &run);
  if (status != 0)
    WCX_DIE("no thread for the replay: %s", strerror(status));
  wcx_port_t *port = wcx_port_open(params->port_kind, params->port_device, params->shards[options.shard_idx].lcore, params->hugepages != 0);
  wcx_tcp_config_t tcp_config = wcx_loop_tcp_config(params);
  wcx_env_random(tcp_config.key, sizeof(tcp_config.key));
  wcx_tcp_t *tcp = wcx_tcp_open(&tcp_config);
  pthread_join(restorer, NULL);
  wcx_loop_plug(run.loop, port, tcp);
  wcx_port_run(port, run_loop, &run);
  wcx_tcp_close(tcp);
  wcx_port_close(port);
  wcx_region_close(&file);
  return 0;
}
