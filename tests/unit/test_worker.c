/* What the workers of persist/ have in common (persist/worker.h). */
#include "persist/worker.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int exit_of(int (*fn)(void))
{
  pid_t pid = fork();
  if (pid == 0)
    _exit(fn());
  int status = 0;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static int privileges(void)
{
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0)
    return 7; /* the question would mean nothing */
  wcx_worker_init("worker");
  return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 1 : 0;
}

static void a_worker_gains_no_privileges(void **state)
{
  (void)state;
  assert_int_equal(exit_of(privileges), 1);
}

static int stops(void)
{
  wcx_worker_init("worker");
  bool before = wcx_worker_stopping();
  raise(SIGTERM);
  return !before && wcx_worker_stopping() ? 1 : 0;
}

/* So that what is in flight is finished and the tail is synced. */
static void a_worker_ends_by_itself(void **state)
{
  (void)state;
  assert_int_equal(exit_of(stops), 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_worker_gains_no_privileges), cmocka_unit_test(a_worker_ends_by_itself)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
