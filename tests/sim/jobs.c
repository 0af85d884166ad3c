#include "tests/sim/jobs.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct shared
{
  _Atomic uint64_t next;
  _Atomic uint64_t failed;
  struct
  {
    _Alignas(64) uint64_t item; /* in work */
    wcx_world_counts_t counts;  /* of finished items */
  } worker[WCX_JOBS_MAX];
} shared_t;

static double seconds_of(struct timespec ts)
{
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double wall_seconds(void)
{
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return seconds_of(ts);
}

static double cpu_seconds(int who)
{
  struct rusage used;
  getrusage(who, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static uint32_t cpus(void)
{
  cpu_set_t set;
  CPU_ZERO(&set);
  int cnt = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
  return cnt < 1 ? 1 : (uint32_t)cnt;
}

static void add(wcx_world_counts_t *to, const wcx_world_counts_t *from)
{
  static_assert(sizeof(*to) % sizeof(uint64_t) == 0, "numbers only");
  uint64_t *sums = (uint64_t *)(void *)to;
  const uint64_t *more = (const uint64_t *)(const void *)from;
  for (size_t i = 0; i < sizeof(*to) / sizeof(uint64_t); i++)
    sums[i] += more[i];
}

static bool bad(const wcx_world_counts_t *counts)
{
  return counts->lost + counts->phantom + counts->duplicated + counts->divergences + counts->stuck > 0;
}

static void work(const wcx_jobs_t *jobs, shared_t *shared, uint32_t idx)
{
  static wcx_world_t world;
  wcx_world_init(&world);
  world.trace = jobs->trace;
  while (atomic_load(&shared->failed) < jobs->failures_max)
  {
    uint64_t item = atomic_fetch_add(&shared->next, 1);
    if (item > jobs->last)
      break;
    shared->worker[idx].item = item;
    world.counts = (wcx_world_counts_t){0};
    jobs->run(&world, item, jobs->ctx);
    add(&shared->worker[idx].counts, &world.counts);
    if (!bad(&world.counts))
      continue;
    atomic_fetch_add(&shared->failed, 1);
    jobs->failed(item, 0, &world.counts, jobs->ctx);
  }
  wcx_world_free(&world);
}

static pid_t start(const wcx_jobs_t *jobs, shared_t *shared, uint32_t idx)
{
  fflush(NULL);
  pid_t pid = fork();
  WCX_CHECK(pid >= 0, "cannot fork");
  if (pid > 0)
    return pid;
  work(jobs, shared, idx);
  exit(0);
}

/* A worker that dies takes its world along: another one goes on behind the seed it died of. */
static void run_workers(const wcx_jobs_t *jobs, shared_t *shared, uint32_t cnt)
{
  pid_t pids[WCX_JOBS_MAX];
  for (uint32_t i = 0; i < cnt; i++)
    pids[i] = start(jobs, shared, i);
  for (uint32_t alive = cnt; alive > 0;)
  {
    int status;
    pid_t pid = wait(&status);
    uint32_t idx = 0;
    while (idx < cnt && pids[idx] != pid)
      idx++;
    WCX_CHECK(idx < cnt, "a child that nobody knows");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    {
      alive--;
      continue;
    }
    atomic_fetch_add(&shared->failed, 1);
    jobs->failed(shared->worker[idx].item, WIFSIGNALED(status) ? WTERMSIG(status) : SIGABRT, NULL, jobs->ctx);
    pids[idx] = start(jobs, shared, idx);
  }
}

wcx_jobs_result_t wcx_jobs_run(const wcx_jobs_t *jobs)
{
  shared_t *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  WCX_CHECK(shared != MAP_FAILED, "no memory");
  atomic_store(&shared->next, jobs->first);
  uint64_t items = jobs->last - jobs->first + 1;
  wcx_jobs_result_t result = {.jobs = jobs->jobs != 0 ? jobs->jobs : cpus()};
  if (result.jobs > items)
    result.jobs = (uint32_t)items;
  if (result.jobs > WCX_JOBS_MAX)
    result.jobs = WCX_JOBS_MAX;
  double begun = wall_seconds();
  double used = cpu_seconds(RUSAGE_CHILDREN);
  run_workers(jobs, shared, result.jobs);
  result.cpu_s = cpu_seconds(RUSAGE_CHILDREN) - used;
  result.wall_s = wall_seconds() - begun;
  for (uint32_t i = 0; i < result.jobs; i++)
    add(&result.counts, &shared->worker[i].counts);
  result.failed = atomic_load(&shared->failed);
  munmap(shared, sizeof(*shared));
  return result;
}
