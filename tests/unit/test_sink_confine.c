/* A confined sink has no capability, and no system call but those of connections, of reading files and of memory (persist/confine.c). */
#include "persist/confine.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* How a confined child ends that does this: its exit status, or the signal with 1000 added. */
static int fate_of(int (*what)(void))
{
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
  {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) /* as wcx_worker_init does */
      _exit(98);
    alarm(5);
    wcx_confine_sink();
    _exit(what());
  }
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int has_no_capability(void)
{
  char line[256];
  FILE *file = fopen("/proc/self/status", "re");
  if (file == NULL)
    return 97;
  int none = 0;
  while (fgets(line, sizeof(line), file) != NULL)
    none += strcmp(line, "CapPrm:\t0000000000000000\n") == 0 || strcmp(line, "CapEff:\t0000000000000000\n") == 0 || strcmp(line, "CapInh:\t0000000000000000\n") == 0;
  return none;
}

static void capabilities_are_gone(void **state)
{
  (void)state;
  assert_int_equal(fate_of(has_no_capability), 3);
}

#ifndef __SANITIZE_ADDRESS__ /* its run-time library makes calls of its own, so nothing is confined then */
#define NUMBERS_MAX 512      /* of system calls; behind the last there is none */

static const long needed[] = {SYS_socket,
                              SYS_connect,
                              SYS_bind,
                              SYS_getsockname,
                              SYS_getpeername,
                              SYS_getsockopt,
                              SYS_setsockopt,
                              SYS_shutdown,
                              SYS_sendto,
                              SYS_sendmsg,
                              SYS_sendmmsg,
                              SYS_recvfrom,
                              SYS_recvmsg,
                              SYS_poll,
                              SYS_ppoll,
                              SYS_select,
                              SYS_pselect6,
                              SYS_uname,
                              SYS_sysinfo,
                              SYS_getuid,
                              SYS_geteuid,
                              SYS_getgid,
                              SYS_getegid,
                              SYS_ioctl,
                              SYS_openat,
                              SYS_open,
                              SYS_close,
                              SYS_read,
                              SYS_pread64,
                              SYS_readv,
                              SYS_write,
                              SYS_writev,
                              SYS_lseek,
                              SYS_fstat,
                              SYS_stat,
                              SYS_lstat,
                              SYS_newfstatat,
                              SYS_statx,
                              SYS_getdents64,
                              SYS_access,
                              SYS_faccessat,
                              SYS_faccessat2,
                              SYS_readlink,
                              SYS_getcwd,
                              SYS_fcntl,
                              SYS_fadvise64,
                              SYS_mmap,
                              SYS_munmap,
                              SYS_mremap,
                              SYS_mprotect,
                              SYS_madvise,
                              SYS_brk,
                              SYS_futex,
                              SYS_getrandom,
                              SYS_clock_gettime,
                              SYS_gettimeofday,
                              SYS_time,
                              SYS_nanosleep,
                              SYS_clock_nanosleep,
                              SYS_sched_yield,
                              SYS_getpid,
                              SYS_getppid,
                              SYS_gettid,
                              SYS_tgkill,
                              SYS_rt_sigaction,
                              SYS_rt_sigprocmask,
                              SYS_rt_sigreturn,
                              SYS_rt_sigpending,
                              SYS_rt_sigtimedwait,
                              SYS_restart_syscall,
                              SYS_prlimit64,
                              SYS_exit,
                              SYS_exit_group};

static long number;

static int calls_it(void)
{
  (void)syscall(number, -1L, -1L, -1L, -1L, -1L, -1L);
  return 0;
}

/* No other program, no other process, no file made, named or removed, no socket that listens: every number that is not needed, with arguments that nothing accepts. */
static void all_else_is_forbidden(void **state)
{
  (void)state;
  for (number = 0; number < NUMBERS_MAX; number++)
  {
    bool may = number == 335 || number == 336; /* the returns of the kernel's own probes, which no filter sees */
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
      may = may || number == needed[i];
    if (!may && fate_of(calls_it) != 1000 + SIGSYS)
      fail_msg("system call %ld is allowed", number);
  }
}
#endif

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(capabilities_are_gone),
#ifndef __SANITIZE_ADDRESS__
      cmocka_unit_test(all_else_is_forbidden),
#endif
  };
  return cmocka_run_group_tests_name("sink_confine", tests, NULL, NULL);
}
