/* A confined thread does what the loop needs and dies of anything else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/confine.h"
#include "engine/shm/params.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How a confined child ends that does this: its exit status, or the signal with 1000 added. */
static int fate_of(uint32_t port_kind, void (*what)(void))
{
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
  {
    wcx_confine_poll_thread(port_kind);
    what();
    _exit(0);
  }
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void serves(void)
{
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  (void)poll(NULL, 0, 0);
  (void)sendto(-1, NULL, 0, 0, NULL, 0);
}

static void opens(void)
{
  (void)open("/dev/null", O_RDONLY);
}

static void asks_for_a_socket(void)
{
  (void)socket(AF_INET, SOCK_STREAM, 0);
}

static void writes_elsewhere(void)
{
  (void)!write(STDOUT_FILENO, "", 0);
}

static void forks(void)
{
  (void)fork();
}

#ifdef __SANITIZE_ADDRESS__
#define KILLED 0 /* its run-time library makes calls of its own, so nothing is confined then */
#else
#define KILLED (1000 + SIGSYS)
#endif

static void only_what_is_needed(void **state)
{
  (void)state;
  void (*const forbidden[])(void) = {opens, asks_for_a_socket, writes_elsewhere, forks};
  assert_int_equal(fate_of(WCX_PORT_AF_XDP, serves), 0);
  assert_int_equal(fate_of(WCX_PORT_AF_PACKET, serves), 0);
  assert_int_equal(fate_of(WCX_PORT_MEMIF, serves), KILLED); /* this driver polls nothing */
  for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
    assert_int_equal(fate_of(WCX_PORT_AF_XDP, forbidden[i]), KILLED);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(only_what_is_needed)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
