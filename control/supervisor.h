/* The supervisor: keeps one worker process per duty alive, and leaves alone what lives.

       missing --start--> starting --lock taken--> alive --exited--> missing
          ^                   '-------exited----------------------------'
          '-- what a dead predecessor left is found by its lock or its pid file and adopted: never a second one beside it

   A worker is alive while it holds the lock of its role in the region, or while the process its pid file names still runs its executable. What has exited
   is started again at once; after quick deaths (less than WCX_SUPERVISOR_QUICK_NS of life) with a pause that doubles up to WCX_SUPERVISOR_PAUSE_NS_MAX.
   What lives but does not answer (a stopped process) is alarmed and left alone: it still owns what it owns.

   Owner:     the one thread of wcx-controld, which blocks SIGCHLD and calls step when it arrives and every WCX_SUPERVISOR_PERIOD_NS.
   Memory:    the caller's; texts given to wcx_supervisor_add are copied.
   Bounds:    WCX_SUPERVISOR_WORKERS_MAX workers, WCX_SUPERVISOR_ARGS_MAX arguments of each.
   Pinned by: tests/unit/test_supervisor.c, tests/e2e/test_control.py. */
#ifndef WCX_CONTROL_SUPERVISOR_H
#define WCX_CONTROL_SUPERVISOR_H

#include "engine/shm/region_file.h"

#include <sys/types.h>

#define WCX_SUPERVISOR_WORKERS_MAX (5u * WCX_SHARDS_MAX + 2u)
#define WCX_SUPERVISOR_ARGS_MAX 16u
#define WCX_SUPERVISOR_PERIOD_NS UINT64_C(100000000)
#define WCX_SUPERVISOR_QUICK_NS UINT64_C(1000000000)
#define WCX_SUPERVISOR_PAUSE_NS_MAX UINT64_C(800000000) /* with the period: started again within a second */
#define WCX_SUPERVISOR_STOP_NS UINT64_C(5000000000)     /* what does not follow SIGTERM for so long is killed */

typedef struct wcx_worker
{
  char name[24];      /* for the log and the pid file */
  char exe[512];      /* absolute */
  char pid_file[320]; /* <control_dir>/<name>.pid */
  char *argv[WCX_SUPERVISOR_ARGS_MAX + 2];
  uint32_t role; /* its lock in the region */
  pid_t pid;     /* 0: none, or adopted without a pid file */
  bool child;    /* ours to reap; false: adopted */
  bool alive;    /* as of the last step */
  bool stopped;  /* alarmed */
  uint32_t quick_deaths;
  uint64_t started_ns;    /* monotonic */
  uint64_t not_before_ns; /* of the next start */
} wcx_worker_t;

typedef struct wcx_supervisor
{
  const wcx_region_file_t *region;
  uint32_t worker_cnt;
  wcx_worker_t workers[WCX_SUPERVISOR_WORKERS_MAX]; /* in order of start; stopped from the last to the first */
  uint64_t restarts;
} wcx_supervisor_t;

/* Add a worker: an executable beside our own, its arguments (NULL at the end; argv[0] is added). Set-up only. */
void wcx_supervisor_add(wcx_supervisor_t *supervisor, const char *name, const char *exe_name, uint32_t role, const char *control_dir, const char *const *args);

/* Reap, adopt, start, alarm. Returns the number of things that happened. */
uint32_t wcx_supervisor_step(wcx_supervisor_t *supervisor, uint64_t now_ns);

/* Stop every worker, last one first, each before the next; returns when all are gone. */
void wcx_supervisor_stop(wcx_supervisor_t *supervisor);

#endif
