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
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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
    alarm(5); /* there is a call that waits for ever */
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

static void reads_what_is_no_event(void)
{
  uint8_t bytes[16];
  (void)!read(-1, bytes, sizeof(bytes));
}

static void writes_what_is_no_event(void)
{
  static const uint8_t bytes[16];
  (void)!write(-1, bytes, sizeof(bytes));
}

static void rings_an_event(void)
{
  uint64_t event = 1;
  (void)!read(-1, &event, sizeof(event));
  (void)!write(-1, &event, sizeof(event));
}

static void events_are_all_that_memif_reads(void **state)
{
  (void)state;
  assert_int_equal(fate_of(WCX_PORT_MEMIF, rings_an_event), 0);
  assert_int_equal(fate_of(WCX_PORT_MEMIF, reads_what_is_no_event), KILLED);
  assert_int_equal(fate_of(WCX_PORT_MEMIF, writes_what_is_no_event), KILLED);
  assert_int_equal(fate_of(WCX_PORT_AF_XDP, rings_an_event), KILLED);
}

#ifndef __SANITIZE_ADDRESS__
#define NUMBERS_MAX 512 /* of system calls; behind the last there is none */

static long number;

static void calls_it(void)
{
  (void)syscall(number, -1L, -1L, -1L, -1L, -1L, -1L);
}

/* Every number that the loop and its driver do not need; with arguments that nothing accepts. */
static void all_else_is_forbidden(void **state)
{
  (void)state;
  static const long needed[] = {SYS_futex,          SYS_rt_sigreturn, SYS_restart_syscall, SYS_exit,   SYS_exit_group, SYS_clock_gettime,
                                SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_getpid,          SYS_gettid, SYS_tgkill};
  static const uint32_t kinds[] = {WCX_PORT_AF_XDP, WCX_PORT_AF_PACKET, WCX_PORT_MEMIF};
  for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++)
    for (number = 0; number < NUMBERS_MAX; number++)
    {
      bool may = number == 335 || number == 336; /* the returns of the kernel's own probes, which no filter sees */
      may = may || (kinds[kind] != WCX_PORT_MEMIF && (number == SYS_sendto || number == SYS_poll));
      for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        may = may || number == needed[i];
      if (!may && fate_of(kinds[kind], calls_it) != KILLED)
        fail_msg("system call %ld is allowed", number);
    }
}
#endif

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(only_what_is_needed),
      cmocka_unit_test(events_are_all_that_memif_reads),
#ifndef __SANITIZE_ADDRESS__
      cmocka_unit_test(all_else_is_forbidden),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
