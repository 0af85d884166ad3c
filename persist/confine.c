#include "persist/confine.h"

#include "engine/base/check.h"

#include <errno.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void drop_capabilities(void)
{
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2] = {{0}};
  if (prctl(PR_SET_DUMPABLE, 0) != 0 || syscall(SYS_capset, &header, none) != 0)
    WCX_DIE("cannot drop capabilities: %s", strerrordesc_np(errno));
}

#ifdef __SANITIZE_ADDRESS__
void wcx_confine_sink(void)
{
  drop_capabilities();
}
#else
void wcx_confine_sink(void)
{
  static const int allowed[] = {/* connections, and what a resolver of names and a TLS library need */
                                SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
                                SCMP_SYS(shutdown), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(poll), SCMP_SYS(ppoll),
                                SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
                                SCMP_SYS(ioctl),
                                /* files: journal, snapshots, how to connect */
                                SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(close), SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev),
                                SCMP_SYS(lseek), SCMP_SYS(fstat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(getdents64), SCMP_SYS(access),
                                SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(getcwd), SCMP_SYS(fcntl), SCMP_SYS(fadvise64),
                                /* memory, clock, signals, the end */
                                SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(futex), SCMP_SYS(getrandom),
                                SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(sched_yield),
                                SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(gettid), SCMP_SYS(tgkill), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
                                SCMP_SYS(rt_sigpending), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(restart_syscall), SCMP_SYS(prlimit64), SCMP_SYS(exit), SCMP_SYS(exit_group)};
  drop_capabilities();
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
  int result = filter == NULL ? -ENOMEM : 0;
  for (size_t i = 0; result == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
    result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
  if (result == 0)
    result = seccomp_load(filter);
  if (result != 0)
    WCX_DIE("cannot restrict system calls: %s: the kernel needs CONFIG_SECCOMP_FILTER", strerrordesc_np(-result));
  seccomp_release(filter);
}
#endif
