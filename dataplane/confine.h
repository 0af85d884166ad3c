/* What the poll thread may still ask of the kernel once it serves: next to nothing, and anything else ends the process.

   Allowed for every port: the doorbell (futex), the return from a signal, the end of the process, a line on stderr and abort() for a failed check, and the
   clock, which is a system call only when the kernel's clock source is not the TSC. In addition what the driver itself calls:
     af_xdp, af_packet   sendto (transmit) and poll (a ring that asks for it)
     memif               read and write of 8 bytes (an event), when the other side does not poll

   Owner:      the poll thread, once, after set-up: later set-up on this thread is impossible. Other threads are not touched.
   Calls:      set-up only.
   Failures:   WCX_DIE when the kernel has no seccomp filters. A forbidden call kills the process with SIGSYS (audit log: type=1326).
   Pinned by:  tests/unit/test_confine.c, tests/e2e/test_quiet_loop.py. */
#ifndef WCX_DATAPLANE_CONFINE_H
#define WCX_DATAPLANE_CONFINE_H

#include <stdint.h>

/* port_kind: enum wcx_port_kind of the parameters. Under AddressSanitizer, whose library calls what it likes, nothing happens. */
void wcx_confine_poll_thread(uint32_t port_kind);

#endif
