#include "dataplane/confine.h"

#include "engine/base/check.h"
#include "engine/shm/params.h"

#include <seccomp.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define EVENT_SZ 8u /* what is written to and read from an eventfd */

#ifdef __SANITIZE_ADDRESS__
void wcx_confine_poll_thread(uint32_t port_kind)
{
  (void)port_kind;
}
#else

static int allow_driver(scmp_filter_ctx filter, uint32_t port_kind)
{
  int result;
  switch (port_kind)
  {
  case WCX_PORT_AF_XDP:
  case WCX_PORT_AF_PACKET:
    result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 0);
    return result != 0 ? result : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(poll), 0);
  case WCX_PORT_MEMIF:
    result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(read), 1, SCMP_A2_64(SCMP_CMP_EQ, EVENT_SZ));
    return result != 0 ? result : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, SCMP_A2_64(SCMP_CMP_EQ, EVENT_SZ));
  default:
    return -EINVAL;
  }
}

void wcx_confine_poll_thread(uint32_t port_kind)
{
  static const int allowed[] = {SCMP_SYS(futex),          SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall), SCMP_SYS(exit),   SCMP_SYS(exit_group), SCMP_SYS(clock_gettime),
                                SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(getpid),          SCMP_SYS(gettid), SCMP_SYS(tgkill)};
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
  int result = filter == NULL ? -ENOMEM : 0;
  for (size_t i = 0; result == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
    result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
  if (result == 0)
    result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, SCMP_A0_64(SCMP_CMP_EQ, STDERR_FILENO));
  if (result == 0)
    result = allow_driver(filter, port_kind);
  if (result == 0)
    result = seccomp_load(filter);
  if (result != 0)
    WCX_DIE("cannot restrict the system calls of the poll thread: %s: the kernel needs CONFIG_SECCOMP_FILTER", strerror(-result));
  seccomp_release(filter);
}

#endif
