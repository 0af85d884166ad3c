#include "control/supervisor.h"

#include "control/log.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void wcx_supervisor_add(wcx_supervisor_t *supervisor, const char *name, const char *exe_name, uint32_t role, const char *control_dir, const char *const *args)
{
  WCX_CHECK(supervisor->worker_cnt < WCX_SUPERVISOR_WORKERS_MAX, "%u workers", supervisor->worker_cnt);
  wcx_worker_t *worker = &supervisor->workers[supervisor->worker_cnt++];
  *worker = (wcx_worker_t){.role = role};
  snprintf(worker->name, sizeof(worker->name), "%s", name);
  snprintf(worker->pid_file, sizeof(worker->pid_file), "%s/%s.pid", control_dir, name);
  char self[400];
  ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
  if (len <= 0)
    WCX_DIE("cannot find where wcx-controld lies: %s; is /proc mounted?", strerror(errno));
  self[len] = '\0';
  *strrchr(self, '/') = '\0';
  snprintf(worker->exe, sizeof(worker->exe), "%s/%s", self, exe_name);
  if (access(worker->exe, X_OK) != 0)
    WCX_DIE("cannot run %s: %s; it must lie beside wcx-controld (make build)", worker->exe, strerror(errno));
  uint32_t arg_cnt = 0;
  worker->argv[arg_cnt++] = worker->exe;
  for (; *args != NULL; args++)
  {
    WCX_CHECK(arg_cnt <= WCX_SUPERVISOR_ARGS_MAX, "%s: too many arguments", name);
    worker->argv[arg_cnt] = strdup(*args);
    WCX_CHECK(worker->argv[arg_cnt++] != NULL, "no memory");
  }
}

/* --- looking at processes ---------------------------------------------------------------------- */

/* State letter of /proc/PID/stat, 0 when there is no such process. */
static char process_state(pid_t pid)
{
  char path[40];
  snprintf(path, sizeof(path), "/proc/%d/stat", pid);
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return 0;
  char text[256];
  size_t got = fread(text, 1, sizeof(text) - 1, file);
  fclose(file);
  text[got] = '\0';
  const char *paren = strrchr(text, ')');
  return paren != NULL && paren[1] == ' ' ? paren[2] : 0;
}

/* Whether the process runs this executable (or the file it was before a rebuild). A number in a pid file alone proves nothing. */
static bool runs(pid_t pid, const char *exe)
{
  char link[40];
  char target[600];
  snprintf(link, sizeof(link), "/proc/%d/exe", pid);
  ssize_t len = readlink(link, target, sizeof(target) - 1);
  if (len <= 0)
    return false;
  target[len] = '\0';
  char *deleted = strstr(target, " (deleted)");
  if (deleted != NULL)
    *deleted = '\0';
  return strcmp(target, exe) == 0 && process_state(pid) != 'Z';
}

static pid_t read_pid_file(const wcx_worker_t *worker)
{
  FILE *file = fopen(worker->pid_file, "re");
  if (file == NULL)
    return 0;
  int pid = 0;
  if (fscanf(file, "%d", &pid) != 1 || pid < 2)
    pid = 0;
  fclose(file);
  return pid;
}

static void write_pid_file(const char *path, pid_t pid)
{
  char text[16];
  int len = snprintf(text, sizeof(text), "%d\n", pid);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0)
    return; /* the lock in the region is what counts; the file only helps to find the process */
  ssize_t written = write(fd, text, (size_t)len);
  (void)written;
  close(fd);
}

/* --- one worker -------------------------------------------------------------------------------- */

static void start(wcx_worker_t *worker, uint64_t now_ns)
{
  worker->started_ns = now_ns;
  pid_t pid = fork();
  if (pid < 0)
  {
    wcx_log_alarm("cannot start", "%s: fork: %s", worker->name, strerror(errno));
    worker->not_before_ns = now_ns + WCX_SUPERVISOR_PAUSE_NS_MAX;
    return;
  }
  if (pid == 0)
  {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    write_pid_file(worker->pid_file, getpid()); /* by the child itself: there is no moment in which it runs and no file names it */
    execv(worker->exe, worker->argv);
    _exit(127);
  }
  worker->pid = pid;
  worker->child = true;
  worker->alive = true;
  worker->stopped = false;
  wcx_log_info("worker started", "%s, pid %d", worker->name, pid);
}

static void note_exit(wcx_worker_t *worker, uint64_t now_ns, const char *how, int value)
{
  bool quick = now_ns - worker->started_ns < WCX_SUPERVISOR_QUICK_NS;
  uint64_t pause_ns = 0;
  if (quick && worker->child)
  {
    worker->quick_deaths += worker->quick_deaths < 6;
    pause_ns = (UINT64_C(25000000) << worker->quick_deaths);
    pause_ns = pause_ns > WCX_SUPERVISOR_PAUSE_NS_MAX ? WCX_SUPERVISOR_PAUSE_NS_MAX : pause_ns;
  }
  else
    worker->quick_deaths = 0;
  /* the first quick death may be bad luck (killed while it started); only repeated ones earn a pause */
  worker->not_before_ns = worker->quick_deaths > 1 ? now_ns + pause_ns : now_ns;
  wcx_log_alarm("worker exited", "%s, pid %d, %s %d, after %llu ms", worker->name, worker->pid, how, value, (unsigned long long)((now_ns - worker->started_ns) / 1000000u));
  worker->pid = 0;
  worker->child = false;
  worker->alive = false;
}

/* Whether the worker has exited since the last step. */
static bool look(wcx_worker_t *worker, const wcx_region_file_t *region, uint64_t now_ns)
{
  if (worker->child)
  {
    int status = 0;
    if (waitpid(worker->pid, &status, WNOHANG) != worker->pid)
      return false;
    note_exit(worker, now_ns, WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return true;
  }
  if (worker->pid != 0 && runs(worker->pid, worker->exe))
    return false;
  if (wcx_region_alive(region, worker->role))
    return false;
  note_exit(worker, now_ns, "adopted,", 0);
  return true;
}

static bool adopt(wcx_worker_t *worker, const wcx_region_file_t *region, uint64_t now_ns)
{
  pid_t pid = read_pid_file(worker);
  bool named = pid != 0 && runs(pid, worker->exe);
  if (!named && !wcx_region_alive(region, worker->role))
    return false;
  worker->pid = named ? pid : 0;
  worker->child = false;
  worker->alive = true;
  worker->started_ns = now_ns;
  wcx_log_info("worker adopted", "%s, pid %d", worker->name, worker->pid);
  return true;
}

static bool watch_stopped(wcx_worker_t *worker)
{
  bool stopped = worker->pid != 0 && process_state(worker->pid) == 'T';
  if (stopped == worker->stopped)
    return false;
  worker->stopped = stopped;
  if (stopped)
    wcx_log_alarm("worker stopped", "%s, pid %d is alive but stopped: left alone; continue it with kill -CONT %d", worker->name, worker->pid, worker->pid);
  else
    wcx_log_info("worker continued", "%s, pid %d", worker->name, worker->pid);
  return true;
}

uint32_t wcx_supervisor_step(wcx_supervisor_t *supervisor, uint64_t now_ns)
{
  uint32_t happened = 0;
  for (uint32_t i = 0; i < supervisor->worker_cnt; i++)
  {
    wcx_worker_t *worker = &supervisor->workers[i];
    if (worker->alive)
    {
      if (look(worker, supervisor->region, now_ns))
      {
        supervisor->restarts++;
        happened++;
      }
      else
        happened += watch_stopped(worker);
    }
    if (worker->alive || now_ns < worker->not_before_ns)
      continue;
    if (!adopt(worker, supervisor->region, now_ns))
      start(worker, now_ns);
    happened++;
  }
  return happened;
}

/* --- the end ----------------------------------------------------------------------------------- */

static bool gone(wcx_worker_t *worker, const wcx_region_file_t *region)
{
  if (worker->child)
    return waitpid(worker->pid, NULL, WNOHANG) != 0;
  if (worker->pid != 0)
    return !runs(worker->pid, worker->exe);
  return !wcx_region_alive(region, worker->role);
}

static void stop_one(wcx_worker_t *worker, const wcx_region_file_t *region)
{
  if (!worker->alive)
    return;
  if (worker->pid == 0)
  {
    wcx_log_alarm("worker left", "%s runs, but no pid file names it: end it by hand", worker->name);
    return;
  }
  kill(worker->pid, SIGTERM);
  kill(worker->pid, SIGCONT);
  uint64_t from_ns = wcx_env_mono_ns();
  while (!gone(worker, region))
  {
    if (wcx_env_mono_ns() - from_ns > WCX_SUPERVISOR_STOP_NS)
    {
      wcx_log_alarm("worker killed", "%s, pid %d did not follow SIGTERM", worker->name, worker->pid);
      kill(worker->pid, SIGKILL);
      from_ns = wcx_env_mono_ns();
    }
    struct timespec pause = {.tv_nsec = 5000000};
    nanosleep(&pause, NULL);
  }
  worker->alive = false;
  unlink(worker->pid_file);
  wcx_log_info("worker stopped", "%s", worker->name);
}

void wcx_supervisor_stop(wcx_supervisor_t *supervisor)
{
  for (uint32_t i = supervisor->worker_cnt; i > 0; i--)
    stop_one(&supervisor->workers[i - 1], supervisor->region);
}
