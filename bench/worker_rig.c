#include "bench/worker_rig.h"

#include "engine/base/check.h"
#include "engine/base/env.h"
#include "engine/shm/journal_walk.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_NS UINT64_C(60000000000)
#define STEP_US 1000u

wcx_params_t *wcx_worker_rig_params(const char *dir, int poll_cpu, uint32_t segment_sz)
{
  wcx_params_t *params = calloc(1, sizeof(*params));
  WCX_CHECK(params != NULL, "out of memory");
  params->magic = WCX_PARAMS_MAGIC;
  params->version = WCX_PARAMS_VERSION;
  params->sz = sizeof(*params);
  params->ip = 0x0a4d0002u;
  params->order_udp_port = 7002;
  params->rerequest_udp_port = 7003;
  params->order_tcp_port = 7001;
  params->tcp_connections_max = 16;
  params->feed_heartbeat_ms = 1000;
  params->snapshot_packets_per_s = 10000;
  params->establish_per_source_per_s = 20;
  params->rerequest_per_source_per_s = 10000;
  params->cod_timeout_keepalives = 3;
  params->durability = WCX_DURABILITY_LEVEL_D1_LOCAL_FLUSH;
  params->journal_segment_sz = segment_sz;
  params->journal_segments_ahead = 3;
  params->shard_cnt = 1;
  if ((size_t)snprintf(params->state_dir, sizeof(params->state_dir), "%s", dir) >= sizeof(params->state_dir))
    WCX_DIE("%s: too long", dir);
  params->shards[0] = (wcx_params_shard_t){.shard = WCX_WORKER_RIG_SHARD,
                                           .lcore = (uint16_t)poll_cpu,
                                           .jring_slot_max = 65536,
                                           .orders_max = 100000,
                                           .levels_max = 20000,
                                           .instruments_max = 8,
                                           .accounts_max = 32,
                                           .sessions_max = 16,
                                           .outlog_sz = UINT64_C(256) << 20,
                                           .retain_session_msgs = 65536,
                                           .retain_feed_msgs = 65536,
                                           .group_a_ip = 0xef4d0001u,
                                           .group_b_ip = 0xef4d0002u,
                                           .group_a_port = 7101,
                                           .group_b_port = 7102,
                                           .snapshot_group_a_ip = 0xef4d0003u,
                                           .snapshot_group_b_ip = 0xef4d0004u,
                                           .snapshot_group_a_port = 7103,
                                           .snapshot_group_b_port = 7104,
                                           .snapshot_orders_max = 100000};
  return params;
}

void wcx_worker_rig_limits(wcx_params_t *params, const wcx_engine_limits_t *limits)
{
  wcx_params_shard_t *shard = &params->shards[0];
  shard->orders_max = limits->orders_max;
  shard->levels_max = limits->levels_max;
  shard->instruments_max = limits->instruments_max;
  shard->accounts_max = limits->accounts_max;
  shard->sessions_max = limits->sessions_max;
}

/* An executable that lies beside ours, on all CPUs: we are pinned to the one that it leaves. argv[0] is its name. */
static pid_t spawn(const char *const *argv)
{
  pid_t pid = fork();
  if (pid < 0)
    WCX_DIE("fork: %s", strerror(errno));
  if (pid > 0)
    return pid;
  char path[PATH_MAX];
  ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
  WCX_CHECK(len > 0, "/proc/self/exe: %s", strerror(errno));
  path[len] = 0;
  char *name = strrchr(path, '/') + 1;
  size_t room = sizeof(path) - (size_t)(name - path);
  if ((size_t)snprintf(name, room, "%s", argv[0]) >= room)
    WCX_DIE("%s: too long", path);
  cpu_set_t every;
  memset(&every, 0xff, sizeof(every));
  (void)sched_setaffinity(0, sizeof(every), &every);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  execv(path, (char *const *)(uintptr_t)argv);
  WCX_DIE("%s: %s (make build)", path, strerror(errno));
}

static uint32_t segments(const wcx_worker_rig_t *worker)
{
  uint32_t cnt = 0;
  DIR *list = opendir(worker->dir);
  for (struct dirent *entry = list == NULL ? NULL : readdir(list); entry != NULL; entry = readdir(list))
    cnt += strncmp(entry->d_name, "seg-", 4) == 0;
  if (list != NULL)
    closedir(list);
  return cnt;
}

void wcx_worker_rig_check(const wcx_worker_rig_t *worker)
{
  if (waitpid(worker->pid, NULL, WNOHANG) != 0 || atomic_load_explicit(&worker->shm->journal.halted, memory_order_relaxed) != 0)
    WCX_DIE("wcx-journal has ended; it said why");
  if (worker->replica_pid != 0 && (waitpid(worker->replica_pid, NULL, WNOHANG) != 0 || atomic_load_explicit(&worker->shm->replica.halted, memory_order_relaxed) != 0))
    WCX_DIE("wcx-replica has ended or halted; it said why");
  for (uint32_t kind = 0; kind < WCX_SINK_KINDS; kind++)
  {
    pid_t pid = worker->sink_pids[kind];
    if (pid != 0 && (waitpid(pid, NULL, WNOHANG) != 0 || atomic_load_explicit(&worker->shm->sinks[kind].stuck, memory_order_relaxed) != 0))
      WCX_DIE("a sink has ended or stands still; it said why");
  }
}

wcx_params_session_t wcx_worker_rig_session(uint32_t session_id, uint32_t account, uint16_t shard)
{
  return (wcx_params_session_t){.session_id = session_id,
                                .account = account,
                                .shard = shard,
                                .key_cnt = 1,
                                .throttle_per_s = 10000000,
                                .throttle_burst = 1000000,
                                .cancel_per_s = 10000000,
                                .cancel_burst = 1000000};
}

void wcx_worker_rig_start(wcx_worker_rig_t *worker, const wcx_params_t *params)
{
  *worker = (wcx_worker_rig_t){0};
  if (mkdir(params->state_dir, 0750) != 0)
    WCX_DIE("%s: %s (a new directory is wanted)", params->state_dir, strerror(errno));
  memcpy(worker->state_dir, params->state_dir, sizeof(worker->state_dir));
  if (!wcx_journal_dir(worker->dir, sizeof(worker->dir), params->state_dir, WCX_WORKER_RIG_SHARD))
    WCX_DIE("%s: too long", params->state_dir);
  snprintf(worker->region, sizeof(worker->region), "/dev/shm/wcx-bench-%d", (int)getpid());
  char err[512];
  if (!wcx_region_create(&worker->file, worker->region, params, err, sizeof(err)))
    WCX_DIE("%s", err);
  worker->shm = wcx_region_shard(worker->file.region, 0);
  WCX_CHECK(wcx_region_lock(&worker->file, WCX_REGION_LOCK_DATAPLANE), "the region is new");
  worker->pid = spawn((const char *const[]){"wcx-journal", "--region", worker->region, "--shard-idx", "0", NULL});
  uint64_t from_ns = wcx_env_mono_ns();
  while (atomic_load_explicit(&worker->shm->handshake.ready, memory_order_acquire) == 0 || segments(worker) < 1 + params->journal_segments_ahead)
  {
    wcx_worker_rig_check(worker);
    if (wcx_env_mono_ns() - from_ns > READY_NS)
      WCX_DIE("wcx-journal is not ready after %u s", (unsigned)(READY_NS / 1000000000u));
    usleep(STEP_US);
  }
}

void wcx_worker_rig_grant(wcx_worker_rig_t *worker)
{
  wcx_region_handshake_t *handshake = &worker->shm->handshake;
  uint64_t asked = atomic_load_explicit(&handshake->asked, memory_order_relaxed) + 1;
  atomic_store_explicit(&handshake->asked, asked, memory_order_release);
  (void)wcx_doorbell_ring(&worker->shm->jring.bell);
  while (atomic_load_explicit(&handshake->answered, memory_order_acquire) != asked) /* pairs with the worker's release */
  {
    wcx_worker_rig_check(worker);
    usleep(STEP_US);
  }
}

void wcx_worker_rig_replicate(wcx_worker_rig_t *worker, const char *every_inputs)
{
  worker->replica_pid = spawn(
      (const char *const[]){"wcx-replica", "--region", worker->region, "--shard-idx", "0", "--every-s", "86400", "--every-inputs", every_inputs, "--pace-mib-per-s", "0", NULL});
}

void wcx_worker_rig_sink(wcx_worker_rig_t *worker, enum wcx_sink_kind kind, const char *connection_file)
{
  static const char *const names[WCX_SINK_KINDS] = {"wcx-sink-pg", "wcx-sink-redis"};
  worker->sink_pids[kind] = spawn((const char *const[]){names[kind], "--region", worker->region, "--shard-idx", "0", "--connection-file", connection_file, NULL});
}

static void end(pid_t *pid)
{
  if (*pid == 0)
    return;
  (void)kill(*pid, SIGTERM);
  (void)waitpid(*pid, NULL, 0);
  *pid = 0;
}

void wcx_worker_rig_end(wcx_worker_rig_t *worker)
{
  for (uint32_t kind = 0; kind < WCX_SINK_KINDS; kind++)
    end(&worker->sink_pids[kind]);
  end(&worker->replica_pid);
  end(&worker->pid);
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *at)
{
  (void)stat;
  (void)kind;
  (void)at;
  return remove(path);
}

void wcx_worker_rig_stop(wcx_worker_rig_t *worker)
{
  wcx_worker_rig_end(worker);
  wcx_region_close(&worker->file);
  (void)unlink(worker->region);
  (void)nftw(worker->state_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT); /* the directory was new */
}
