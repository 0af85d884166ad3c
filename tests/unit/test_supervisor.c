/* The supervisor (control/supervisor.h) over processes of this very program: what is started, when it is started again, what is adopted, left alone and stopped.

   Time is the argument of wcx_supervisor_step; only dying takes the time it takes. */
#include "control/supervisor.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)
#define LIMIT_MS 20000
#define ROLE WCX_REGION_LOCK_JOURNAL

static char root[] = "build/test-supervisor-XXXXXX";
static char region_path[64], order_path[64];
static const char *own_name;
static wcx_region_file_t region;
static wcx_supervisor_t supervisor;
static uint64_t now_ns;

/* --- the worker: what this program is when it is started with arguments ------------------------------ */

static const char *worker_name;

static void on_term(int number)
{
  (void)number;
  int fd = open(order_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  ssize_t put = write(fd, worker_name, strlen(worker_name));
  (void)put;
  _exit(0);
}

/* MODE REGION ORDER NAME ROLE */
static int be_a_worker(char **argv)
{
  wcx_region_file_t file;
  char err[512];
  snprintf(order_path, sizeof(order_path), "%s", argv[3]);
  worker_name = argv[4];
  if (strcmp(argv[1], "dies") == 0)
    return 3;
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
  signal(SIGTERM, strcmp(argv[1], "stubborn") == 0 ? SIG_IGN : on_term);
  if (wcx_region_open(&file, argv[2], true, err, sizeof(err)) != WCX_REGION_OK || !wcx_region_lock(&file, (uint32_t)atoi(argv[5])))
    return 4;
  for (;;)
    pause();
}

/* --- the world --------------------------------------------------------------------------------------- */

/* What was copied of their arguments lives in wcx-controld as long as it does. */
static void forget_workers(void)
{
  for (uint32_t i = 0; i < supervisor.worker_cnt; i++)
    for (char **arg = supervisor.workers[i].argv + 1; *arg != NULL; arg++)
      free(*arg);
  supervisor.worker_cnt = 0;
}

static int set_up(void **state)
{
  (void)state;
  static wcx_params_t params = {.magic = WCX_PARAMS_MAGIC, .version = WCX_PARAMS_VERSION, .sz = sizeof(params), .shard_cnt = 1};
  char err[512];
  snprintf(root, sizeof(root), "build/test-supervisor-XXXXXX");
  assert_non_null(mkdtemp(root));
  snprintf(region_path, sizeof(region_path), "%s/region", root);
  snprintf(order_path, sizeof(order_path), "%s/order", root);
  params.shards[0].shard = 1;
  params.shards[0].jring_slot_max = 64;
  if (!wcx_region_create(&region, region_path, &params, err, sizeof(err)))
    fail_msg("%s", err);
  supervisor = (wcx_supervisor_t){.region = &region};
  now_ns = 1000000 * MS;
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  wcx_supervisor_stop(&supervisor);
  forget_workers();
  wcx_region_close(&region);
  char command[128];
  snprintf(command, sizeof(command), "rm -r %s", root);
  return system(command);
}

static void add(const char *name, const char *mode, uint32_t role)
{
  char number[12];
  snprintf(number, sizeof(number), "%u", role);
  const char *args[] = {mode, region_path, order_path, name, number, NULL};
  wcx_supervisor_add(&supervisor, name, own_name, role, root, args);
}

static wcx_worker_t *worker(uint32_t i)
{
  return &supervisor.workers[i];
}

static void pause_ms(long ms)
{
  struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * (long)MS};
  nanosleep(&pause, NULL);
}

static void wait_alive(uint32_t role, bool alive)
{
  for (uint32_t i = 0; i < LIMIT_MS && wcx_region_alive(&region, role) != alive; i++)
    pause_ms(1);
  assert_int_equal(wcx_region_alive(&region, role), alive);
}

/* Until a child has died; it stays to be reaped. */
static void wait_dead(pid_t pid)
{
  siginfo_t info = {0};
  assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static pid_t pid_in_file(uint32_t i)
{
  int pid = 0;
  for (uint32_t tries = 0; tries < LIMIT_MS && pid == 0; tries++, pause_ms(1)) /* the child writes it itself */
  {
    FILE *file = fopen(worker(i)->pid_file, "re");
    if (file == NULL)
      continue;
    if (fscanf(file, "%d", &pid) != 1)
      pid = 0;
    fclose(file);
  }
  return pid;
}

static uint32_t step(void)
{
  return wcx_supervisor_step(&supervisor, now_ns);
}

/* A process that is no worker, and whom nobody misses: the numbers of pids come again. */
static pid_t stranger(void)
{
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
  {
    execl("/bin/sleep", "sleep", "60", NULL);
    _exit(127);
  }
  char link[40], exe[512];
  snprintf(link, sizeof(link), "/proc/%d/exe", pid);
  ssize_t len;
  do /* until then it is a copy of this program */
  {
    pause_ms(1);
    len = readlink(link, exe, sizeof(exe) - 1);
    exe[len > 0 ? len : 0] = '\0';
  } while (strstr(exe, own_name) != NULL);
  return pid;
}

static void name_in_file(const wcx_worker_t *of, pid_t pid)
{
  FILE *file = fopen(of->pid_file, "we");
  assert_non_null(file);
  fprintf(file, "%d\n", pid);
  assert_int_equal(fclose(file), 0);
}

/* A process that nobody of the supervisor's has started: its own executable, its own lock. */
static pid_t start_beside(const wcx_worker_t *of, bool pid_file)
{
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
  {
    execv(of->exe, of->argv);
    _exit(127);
  }
  wait_alive(of->role, true);
  if (pid_file)
    name_in_file(of, pid);
  return pid;
}

/* --- the tests --------------------------------------------------------------------------------------- */

static void started_in_order_and_stopped_from_the_last(void **state)
{
  (void)state;
  add("a", "lives", ROLE);
  add("b", "lives", ROLE + 1);
  add("c", "lives", ROLE + 2);
  assert_int_equal(step(), 3);
  for (uint32_t i = 0; i < 3; i++)
  {
    wait_alive(ROLE + i, true);
    assert_true(worker(i)->alive && worker(i)->child);
    assert_int_equal(pid_in_file(i), worker(i)->pid);
  }
  assert_true(worker(0)->pid != worker(1)->pid && worker(1)->pid != worker(2)->pid);
  assert_int_equal(step(), 0); /* nothing happens to what lives */
  wcx_supervisor_stop(&supervisor);
  char order[8] = {0};
  FILE *file = fopen(order_path, "re");
  assert_non_null(file);
  assert_int_equal(fread(order, 1, sizeof(order) - 1, file), 3);
  fclose(file);
  assert_string_equal(order, "cba");
  for (uint32_t i = 0; i < 3; i++)
  {
    assert_false(worker(i)->alive);
    assert_int_equal(access(worker(i)->pid_file, F_OK), -1);
    assert_false(wcx_region_alive(&region, ROLE + i));
  }
}

static void one_that_dies_is_started_again_at_once(void **state)
{
  (void)state;
  add("a", "lives", ROLE);
  step();
  wait_alive(ROLE, true);
  for (uint32_t i = 1; i <= 3; i++) /* also the third time: it has lived long enough each time */
  {
    pid_t before = worker(0)->pid;
    now_ns += WCX_SUPERVISOR_QUICK_NS;
    kill(before, SIGKILL);
    wait_dead(before);
    assert_int_equal(step(), 2); /* it has exited, and it is started */
    assert_true(worker(0)->alive && worker(0)->pid != before);
    assert_int_equal(supervisor.restarts, i);
    assert_int_equal(worker(0)->quick_deaths, 0);
    wait_alive(ROLE, true);
  }
}

/* 0, 100, 200, 400, 800, 800 ... ms: never more than WCX_SUPERVISOR_PAUSE_NS_MAX, and never sooner than said. */
static void one_that_dies_at_once_earns_pauses(void **state)
{
  (void)state;
  static const uint64_t pauses_ms[] = {0, 100, 200, 400, 800, 800, 800, 800};
  add("a", "dies", ROLE);
  step();
  for (size_t i = 0; i < sizeof(pauses_ms) / sizeof(pauses_ms[0]); i++)
  {
    pid_t before = worker(0)->pid;
    wait_dead(before);
    now_ns += 5 * MS;
    uint64_t died_ns = now_ns;
    step();
    if (pauses_ms[i] == 0)
      assert_true(worker(0)->alive && worker(0)->pid != before);
    else
    {
      assert_false(worker(0)->alive);
      now_ns = died_ns + pauses_ms[i] * MS - 1;
      assert_int_equal(step(), 0);
      assert_false(worker(0)->alive);
      now_ns = died_ns + pauses_ms[i] * MS;
      assert_int_equal(step(), 1);
      assert_true(worker(0)->alive);
    }
    assert_int_equal(supervisor.restarts, i + 1);
  }
  wait_dead(worker(0)->pid);
  now_ns += 5 * MS;
  step();
  forget_workers();
}

/* One that lived has its bad luck forgiven: the next quick death is a first one. */
static void a_long_life_forgives(void **state)
{
  (void)state;
  add("a", "lives", ROLE);
  step();
  for (uint32_t i = 0; i < 4; i++)
  {
    wait_alive(ROLE, true);
    pid_t before = worker(0)->pid;
    now_ns += i == 2 ? WCX_SUPERVISOR_QUICK_NS : MS;
    kill(before, SIGKILL);
    wait_dead(before);
    step();
    now_ns = now_ns > worker(0)->not_before_ns ? now_ns : worker(0)->not_before_ns;
    step();
    static const uint32_t wanted[] = {1, 2, 0, 1};
    assert_int_equal(worker(0)->quick_deaths, wanted[i]);
    assert_true(worker(0)->alive);
  }
  wait_alive(ROLE, true);
}

static void what_a_dead_predecessor_left_is_adopted(void **state)
{
  (void)state;
  add("a", "lives", ROLE);
  pid_t left = start_beside(worker(0), true);
  assert_int_equal(step(), 1);
  assert_true(worker(0)->alive && !worker(0)->child);
  assert_int_equal(worker(0)->pid, left);
  assert_int_equal(step(), 0);
  kill(left, SIGKILL);
  wait_dead(left);
  wait_alive(ROLE, false);
  assert_int_equal(step(), 2);
  assert_true(worker(0)->alive && worker(0)->child && worker(0)->pid != left);
  assert_int_equal(waitpid(left, NULL, 0), left);
  wait_alive(ROLE, true);
}

/* The lock is what counts: without a pid file, and with one that names somebody else. */
static void what_holds_the_lock_is_never_doubled(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < 2; i++)
  {
    forget_workers();
    add("a", "lives", ROLE + i);
    pid_t left = start_beside(worker(0), false);
    pid_t other = stranger();
    if (i == 1)
      name_in_file(worker(0), other);
    step();
    assert_true(worker(0)->alive);
    assert_int_equal(worker(0)->pid, 0);
    now_ns += 10 * WCX_SUPERVISOR_QUICK_NS;
    assert_int_equal(step(), 0);
    kill(left, SIGKILL);
    assert_int_equal(waitpid(left, NULL, 0), left);
    wait_alive(ROLE + i, false);
    step();
    assert_true(worker(0)->alive && worker(0)->child);
    wait_alive(ROLE + i, true);
    wcx_supervisor_stop(&supervisor);
    kill(other, SIGKILL);
    assert_int_equal(waitpid(other, NULL, 0), other);
  }
}

static void a_number_in_a_file_proves_nothing(void **state)
{
  (void)state;
  add("a", "lives", ROLE);
  pid_t other = stranger();
  name_in_file(worker(0), other);
  step();
  assert_true(worker(0)->child && worker(0)->pid != other);
  wait_alive(ROLE, true);
  kill(other, SIGKILL);
  assert_int_equal(waitpid(other, NULL, 0), other);
}

/* It still owns what it owns: a second one beside it would be worse than none. */
static void what_is_stopped_is_left_alone(void **state)
{
  (void)state;
  add("a", "lives", ROLE);
  step();
  wait_alive(ROLE, true);
  pid_t pid = worker(0)->pid;
  siginfo_t info;
  kill(pid, SIGSTOP);
  assert_int_equal(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT), 0);
  assert_int_equal(step(), 1);
  assert_true(worker(0)->stopped);
  now_ns += 100 * WCX_SUPERVISOR_QUICK_NS;
  assert_int_equal(step(), 0); /* said once */
  assert_true(worker(0)->alive && worker(0)->pid == pid);
  assert_int_equal(supervisor.restarts, 0);
  kill(pid, SIGCONT);
  assert_int_equal(waitid(P_PID, (id_t)pid, &info, WCONTINUED), 0);
  assert_int_equal(step(), 1);
  assert_false(worker(0)->stopped);
}

static void one_cannot_hold_up_another(void **state)
{
  (void)state;
  add("a", "dies", ROLE);
  add("b", "lives", ROLE + 1);
  step();
  wait_alive(ROLE + 1, true);
  pid_t b = worker(1)->pid;
  for (uint32_t i = 0; i < 4; i++)
  {
    if (worker(0)->alive)
      wait_dead(worker(0)->pid);
    now_ns += WCX_SUPERVISOR_PAUSE_NS_MAX;
    step();
  }
  assert_int_equal(worker(1)->pid, b);
  assert_true(worker(1)->alive);
  kill(b, SIGKILL);
  wait_dead(b);
  step();
  assert_true(worker(1)->alive && worker(1)->pid != b); /* its own deaths count, not those of others */
  wait_alive(ROLE + 1, true);
}

static void what_does_not_follow_is_killed(void **state)
{
  (void)state;
  add("a", "stubborn", ROLE);
  step();
  wait_alive(ROLE, true);
  struct timespec from, to;
  clock_gettime(CLOCK_MONOTONIC, &from);
  wcx_supervisor_stop(&supervisor);
  clock_gettime(CLOCK_MONOTONIC, &to);
  assert_false(wcx_region_alive(&region, ROLE));
  assert_in_range((uint64_t)(to.tv_sec - from.tv_sec) * 1000, WCX_SUPERVISOR_STOP_NS / MS - 1000, WCX_SUPERVISOR_STOP_NS / MS + 15000);
}

int main(int argc, char **argv)
{
  if (argc == 6)
    return be_a_worker(argv);
  own_name = strrchr(argv[0], '/') != NULL ? strrchr(argv[0], '/') + 1 : argv[0];
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(started_in_order_and_stopped_from_the_last, set_up, tear_down),
      cmocka_unit_test_setup_teardown(one_that_dies_is_started_again_at_once, set_up, tear_down),
      cmocka_unit_test_setup_teardown(one_that_dies_at_once_earns_pauses, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_long_life_forgives, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_a_dead_predecessor_left_is_adopted, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_holds_the_lock_is_never_doubled, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_number_in_a_file_proves_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_is_stopped_is_left_alone, set_up, tear_down),
      cmocka_unit_test_setup_teardown(one_cannot_hold_up_another, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_does_not_follow_is_killed, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
