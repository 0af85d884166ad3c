/* Frames of strangers: who never signed on, each from an address and a MAC of its own in the clients' subnet, through a raw socket.

   Owner:      one thread.
   Memory:     the caller's.
   Calls:      one system call a frame.
   Bounds:     frames of at most WCX_STRANGER_SZ_MAX bytes; WCX_STRANGER_ADDRESSES source addresses, from .100 on.
   Pinned by:  tests/e2e/test_bench_wire.py. */
#ifndef WCX_BENCH_STRANGER_H
#define WCX_BENCH_STRANGER_H

#include <stdbool.h>
#include <stdint.h>

#define WCX_STRANGER_SZ_MAX 256u
#define WCX_STRANGER_ADDRESSES 150u

typedef struct wcx_stranger
{
  int fd;
  uint32_t to_ip; /* host order */
  uint64_t random;
  uint8_t to_mac[6];
  uint8_t frame[WCX_STRANGER_SZ_MAX];
} wcx_stranger_t;

/* Dies when the interface, the MAC or the address is wrong, or raw sockets are not allowed. */
void wcx_stranger_open(wcx_stranger_t *stranger, const char *interface, const char *mac, const char *server);
void wcx_stranger_close(wcx_stranger_t *stranger);

/* Send the frame of this number: an order of a made-up session, an Establish with a made-up signature, or a first segment to the TCP port. False: the kernel had no room. */
bool wcx_stranger_send(wcx_stranger_t *stranger, uint64_t number);

#endif
