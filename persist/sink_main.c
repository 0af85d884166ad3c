/* wcx-sink-pg and wcx-sink-redis: the sink of one shard as a process; which database is decided by the store that is linked. Waits for the shared region, takes its lock,
   gives up what it does not need, and then turns: step, or sleep a little. The only processes that hold sockets of databases. */
#include "engine/base/check.h"
#include "engine/base/env.h"
#include "persist/confine.h"
#include "persist/sink.h"
#include "persist/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define IDLE_NS UINT64_C(20000000)
#define NICENESS 10 /* whatever else runs on its CPU comes first */

typedef struct args
{
  wcx_worker_args_t worker;
  const char *connection_file;
} args_t;

static error_t parse(int key, char *arg, struct argp_state *state)
{
  args_t *args = state->input;
  switch (key)
  {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &args->worker;
    return 0;
  case 'c':
    args->connection_file = arg;
    return 0;
  case ARGP_KEY_END:
    if (args->connection_file == NULL)
      argp_error(state, "--connection-file is needed");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

/* Ordinary pages, taken as they are touched: what the limits allow is rarely there. */
static void *map_memory(size_t sz)
{
  void *mem = mmap(NULL, sz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mem == MAP_FAILED)
    WCX_DIE("no %zu MiB of memory: %s. Lower orders_max or levels_max of the shard", sz >> 20, strerrordesc_np(errno));
  return mem;
}

static void turn(wcx_sink_t *sink)
{
  enum wcx_sink_phase phase = WCX_SINK_ASK;
  while (!wcx_worker_stopping())
  {
    uint32_t work = wcx_sink_step(sink, wcx_env_mono_ns());
    if (sink->said[0] != '\0')
      wcx_worker_say("alarm: %s", sink->said);
    sink->said[0] = '\0';
    if (sink->phase == WCX_SINK_FOLLOW && phase != WCX_SINK_FOLLOW)
      wcx_worker_say("the database is at input %" PRIu64 ", going on from there", sink->mark.seq);
    phase = sink->phase;
    if (work == 0)
      wcx_worker_pause_ns(IDLE_NS);
  }
}

int main(int argc, char **argv)
{
  static const struct argp_option options[] = {{"connection-file", 'c', "FILE", 0, "how to connect, password included; read at each connection, mode 0600", 0}, {0}};
  static const struct argp_child children[] = {{&wcx_worker_argp, 0, NULL, 0}, {0}};
  static const struct argp argp = {options, parse, NULL, "The sink of one shard: what the durable journal says, into a database.", children, NULL, NULL};
  args_t args = {0};
  argp_parse(&argp, argc, argv, 0, NULL, &args);
  wcx_worker_init(wcx_store_process);
  signal(SIGPIPE, SIG_IGN);

  wcx_region_file_t file;
  wcx_worker_wait_region(&file, args.worker.region);
  const wcx_params_t *params = &file.region->params;
  const wcx_params_shard_t *shard = wcx_worker_shard(params, args.worker.shard_idx);
  if (!wcx_region_lock(&file, WCX_REGION_LOCK_SINK + wcx_store_kind * WCX_SHARDS_MAX + args.worker.shard_idx))
    WCX_DIE("another %s runs for shard index %u of %s: only one may", wcx_store_process, args.worker.shard_idx, args.worker.region);
  wcx_worker_leave_poll_cpus(params);
  if (setpriority(PRIO_PROCESS, 0, NICENESS) != 0)
    wcx_worker_say("cannot lower its own priority: %s", strerrordesc_np(errno));
  prctl(PR_SET_NAME, wcx_store_process, 0, 0, 0);
  char journal_dir[512];
  char snapshot_dir[512];
  if (!wcx_journal_dir(journal_dir, sizeof(journal_dir), params->state_dir, shard->shard) || !wcx_snapshot_dir(snapshot_dir, sizeof(snapshot_dir), params->state_dir, shard->shard))
    WCX_DIE("state_dir is too long");

  static wcx_sink_t sink;
  wcx_region_shard_t *shared = wcx_region_shard(file.region, args.worker.shard_idx);
  wcx_feed_config_t config = {.journal_dir = journal_dir, .snapshot_dir = snapshot_dir, .shared = shared, .shard = shard};
  wcx_store_t *store = wcx_store_new(args.connection_file, shard->shard);
  WCX_CHECK(store != NULL, "no memory");
  wcx_sink_init(&sink, &config, map_memory(wcx_feed_footprint(shard)), store, &shared->sinks[wcx_store_kind]);
  wcx_confine_sink();
  turn(&sink);
  wcx_sink_close(&sink);
  wcx_store_free(store);
  return 0;
}
