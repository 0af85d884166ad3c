/* wcx-replica: the replica of one shard as a process. Waits for the shared region, takes its locks, and then turns: step, or sleep a little. */
#include "engine/base/check.h"
#include "engine/base/env.h"
#include "persist/replica.h"
#include "persist/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define IDLE_NS UINT64_C(50000000) /* each look at the end of the journal reads up to 512 KiB of the disk that orders wait for */
#define LOCK_TIMEOUT_NS UINT64_C(5000000000)
#define ALARM_AGAIN_NS UINT64_C(60000000000) /* a replica that has halted says so as long as nobody listens */
#define SECOND_NS UINT64_C(1000000000)
#define NICENESS 10 /* whatever else runs on its CPU comes first */

enum
{
  OPT_EVERY_S = 256,
  OPT_EVERY_INPUTS,
  OPT_KEEP,
  OPT_PACE,
  OPT_SINKS,
  OPT_HOLD,
};

typedef struct args
{
  wcx_worker_args_t worker;
  uint32_t every_s, every_inputs, keep, pace_mib, sinks, hold_inputs;
} args_t;

static error_t parse(int key, char *arg, struct argp_state *state)
{
  args_t *args = state->input;
  switch (key)
  {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &args->worker;
    return 0;
  case OPT_EVERY_S:
    args->every_s = wcx_worker_number("--every-s", arg, 1, 86400);
    return 0;
  case OPT_EVERY_INPUTS:
    args->every_inputs = wcx_worker_number("--every-inputs", arg, 1, 1000000000);
    return 0;
  case OPT_KEEP:
    args->keep = wcx_worker_number("--keep", arg, 2, WCX_REPLICA_KEEP_MAX);
    return 0;
  case OPT_PACE:
    args->pace_mib = wcx_worker_number("--pace-mib-per-s", arg, 0, 100000);
    return 0;
  case OPT_SINKS:
    args->sinks = wcx_worker_number("--sinks", arg, 0, (1u << WCX_SINK_KINDS) - 1);
    return 0;
  case OPT_HOLD:
    args->hold_inputs = wcx_worker_number("--hold-inputs", arg, 1, UINT32_MAX);
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
    WCX_DIE("no %zu MiB of memory: %s. Lower orders_max, levels_max or output_log_mib of the shard", sz >> 20, strerrordesc_np(errno));
  return mem;
}

static void open_disk(wcx_disk_t **disk, const char *dir)
{
  int result = wcx_disk_open(disk, dir, 0, 0, 0, LOCK_TIMEOUT_NS);
  if (result < 0)
    WCX_DIE("%s: %s", dir, result == -EWOULDBLOCK ? "another wcx-replica writes there" : strerrordesc_np(-result));
}

static void turn(wcx_replica_t *replica)
{
  enum wcx_replica_phase phase = WCX_REPLICA_WAIT;
  uint64_t alarmed_ns = 0;
  while (!wcx_worker_stopping())
  {
    uint64_t now_ns = wcx_env_mono_ns();
    uint32_t work = wcx_replica_step(replica, now_ns);
    if (replica->said[0] != 0)
      wcx_worker_say("alarm: %s", replica->said);
    replica->said[0] = 0;
    if (replica->phase == WCX_REPLICA_FOLLOW && phase == WCX_REPLICA_LOAD)
      wcx_worker_say("shard %u: begins at input %" PRIu64 ", %" PRIu64 " are durable", replica->limits.shard, wcx_engine_applied_seq(replica->engine), replica->resume.last_seq);
    phase = replica->phase;
    if (phase == WCX_REPLICA_HALTED && (alarmed_ns == 0 || now_ns - alarmed_ns > ALARM_AGAIN_NS))
    {
      alarmed_ns = now_ns;
      wcx_worker_say("alarm: halted: %s", replica->text);
    }
    if (work == 0)
      wcx_worker_pause_ns(IDLE_NS);
  }
}

int main(int argc, char **argv)
{
  static const struct argp_option options[] = {{"every-s", OPT_EVERY_S, "S", 0, "at most so many seconds between two snapshots (60)", 0},
                                               {"every-inputs", OPT_EVERY_INPUTS, "N", 0, "and so many inputs (500000)", 0},
                                               {"keep", OPT_KEEP, "N", 0, "snapshots kept, from 2 (2)", 0},
                                               {"pace-mib-per-s", OPT_PACE, "N", 0, "how fast one is written and read back; 0: as fast as it goes (256)", 0},
                                               {"sinks", OPT_SINKS, "MASK", 0, "that journal and snapshots are kept for: 1 PostgreSQL, 2 Redis, 3 both (0)", 0},
                                               {"hold-inputs", OPT_HOLD, "N", 0, "one that is further behind is waited for no longer (50000000)", 0},
                                               {0}};
  static const struct argp_child children[] = {{&wcx_worker_argp, 0, NULL, 0}, {0}};
  static const struct argp argp = {options, parse, NULL, "The replica of one shard: a second engine over the durable journal, which takes the snapshots.", children, NULL, NULL};
  args_t args = {.every_s = 60, .every_inputs = 500000, .keep = 2, .pace_mib = 256, .hold_inputs = 50000000};
  argp_parse(&argp, argc, argv, 0, NULL, &args);
  wcx_worker_init("wcx-replica");

  wcx_region_file_t file;
  wcx_worker_wait_region(&file, args.worker.region);
  const wcx_params_t *params = &file.region->params;
  const wcx_params_shard_t *shard = wcx_worker_shard(params, args.worker.shard_idx);
  if (!wcx_region_lock(&file, WCX_REGION_LOCK_REPLICA + args.worker.shard_idx))
    WCX_DIE("another wcx-replica runs for shard index %u of %s: only one may", args.worker.shard_idx, args.worker.region);
  wcx_worker_leave_poll_cpus(params);
  if (setpriority(PRIO_PROCESS, 0, NICENESS) != 0)
    wcx_worker_say("cannot lower its own priority: %s", strerrordesc_np(errno));
  prctl(PR_SET_NAME, "wcx-replica", 0, 0, 0);
  char journal_dir[512];
  char snapshot_dir[512];
  if (!wcx_journal_dir(journal_dir, sizeof(journal_dir), params->state_dir, shard->shard) || !wcx_snapshot_dir(snapshot_dir, sizeof(snapshot_dir), params->state_dir, shard->shard))
    WCX_DIE("state_dir is too long");
  wcx_disk_t *disk;
  open_disk(&disk, snapshot_dir);

  static wcx_replica_t replica;
  wcx_replica_config_t config = {.journal_dir = journal_dir,
                                 .snapshot_dir = snapshot_dir,
                                 .shared = wcx_region_shard(file.region, args.worker.shard_idx),
                                 .disk = disk,
                                 .shard = shard,
                                 .every_ns = args.every_s * SECOND_NS,
                                 .every_inputs = args.every_inputs,
                                 .keep = args.keep,
                                 .bytes_per_s = (uint64_t)args.pace_mib << 20,
                                 .sinks = args.sinks,
                                 .hold_inputs_max = args.hold_inputs};
  wcx_replica_init(&replica, &config, map_memory(wcx_replica_footprint(shard)));
  turn(&replica);
  wcx_replica_close(&replica);
  wcx_disk_close(disk);
  return 0;
}
