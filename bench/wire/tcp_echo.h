/* The server of `wcx-rtt tcp-echo`: answers each request over the kernel's TCP, polled without sleeping; what a round trip over TCP is compared with.

   Owner:      the only thread of its process; never returns.
   Memory:     on the stack.
   Units:      sizes in bytes.
   Result:     for every `request_sz` bytes `answer_sz` bytes that begin with the first 8 of the request.
   Bounds:     one connection at a time; sizes from 8 to WCX_TCP_ECHO_SZ_MAX. Dies when the address cannot be listened on.
   Pinned by:  tests/bench/test_rtt.py. */
#ifndef WCX_BENCH_TCP_ECHO_H
#define WCX_BENCH_TCP_ECHO_H

#include <stddef.h>
#include <stdint.h>

#define WCX_TCP_ECHO_SZ_MAX 1024u

_Noreturn void wcx_tcp_echo_serve(const char *ip, uint16_t port, size_t request_sz, size_t answer_sz);

#endif
