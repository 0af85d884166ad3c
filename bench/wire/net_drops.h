/* What the kernel of this network namespace dropped: of one interface, and of all UDP sockets for want of room.

   Owner:      the caller; no state.
   Result:     false: /proc/self/net does not tell.
   Pinned by:  tests/bench/test_wire.py. */
#ifndef WCX_BENCH_WIRE_NET_DROPS_H
#define WCX_BENCH_WIRE_NET_DROPS_H

#include <stdbool.h>
#include <stdint.h>

/* interface "": of every one. */
bool wcx_net_drops(const char *interface, uint64_t *drops);

#endif
