/* What the kernel dropped at an interface, in or out.

   Owner:      the caller; no state.
   Result:     false: that process is gone, or its network namespace has no such interface.
   Pinned by:  tests/bench/test_wire.py, tests/e2e/test_wire_port.py. */
#ifndef WCX_BENCH_WIRE_NET_DROPS_H
#define WCX_BENCH_WIRE_NET_DROPS_H

#include <stdbool.h>
#include <stdint.h>

/* pid: a process in the interface's network namespace; 0: this one. */
bool wcx_net_drops(uint32_t pid, const char *interface, uint64_t *drops);

#endif
