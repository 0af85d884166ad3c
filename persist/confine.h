/* What a sink may still ask of the kernel once it is set up: sockets, files, memory, clock, sleep. No program is started, no privilege is left, nothing is traced, mounted
   or loaded; anything else ends the process.

   Owner:     the main thread, once, after set-up and before the first connection. Threads made later inherit it.
   Failures:  WCX_DIE when the kernel has no seccomp filters. A forbidden call kills the process with SIGSYS (audit log: type=1326).
   Pinned by: tests/e2e/test_sinks.py. */
#ifndef WCX_PERSIST_CONFINE_H
#define WCX_PERSIST_CONFINE_H

/* Under AddressSanitizer, whose library calls what it likes, only capabilities go. */
void wcx_confine_sink(void);

#endif
