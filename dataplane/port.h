/* A network port as the poll loop sees it: bursts of frames, nothing else. A link-time seam: production and benchmarks link dataplane/port_dpdk.c
   (the only file that includes rte_*), the simulator and the unit tests dataplane/port_sim.c.

   Owner:    the loop's thread, except wcx_port_open and wcx_port_close (set-up).
   Memory:   a frame is one contiguous buffer of the port's own pool, room WCX_FRAME_SZ_MAX. rx gives frames to the caller, who must give each back with
             wcx_port_free or send it; tx takes what it sends.
   Calls:    no allocation; no system call besides what a veth driver makes itself.
   Errors:   rx and tx return counts, never fail; a frame the port cannot take stays the caller's.
   Bounds:   lcore 0..1023 (simulated: not looked at); rx gives at most `max` frames, tx takes at most `cnt`.
   Pinned by: tests/unit/test_port_sim.c, tests/e2e/test_port.py. */
#ifndef WCX_DATAPLANE_PORT_H
#define WCX_DATAPLANE_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WCX_FRAME_SZ_MAX 1514u /* Ethernet header and 1,500 bytes, one segment */
#define WCX_PORT_BURST_MAX 32u

typedef struct wcx_port wcx_port_t;

typedef struct wcx_frame
{
  uint8_t *data;
  uint32_t len; /* bytes; the caller sets it before tx */
  uint32_t pad;
  void *handle; /* the port's own: do not touch */
} wcx_frame_t;

/* kind and device as in wcx_params_t; the simulated port takes its device name as the name of a wire. Dies with a clear message and the fix. */
wcx_port_t *wcx_port_open(uint32_t kind, const char *device, uint32_t lcore, bool hugepages);
void wcx_port_close(wcx_port_t *port);
void wcx_port_mac(const wcx_port_t *port, uint8_t mac[6]);

/* Run `fn(arg)` on the port's poll core and return when it returns (DPDK: a pinned lcore, once per process; simulated: in this thread). */
void wcx_port_run(wcx_port_t *port, void (*fn)(void *arg), void *arg);

uint32_t wcx_port_rx(wcx_port_t *port, wcx_frame_t *frames, uint32_t max);
bool wcx_port_alloc(wcx_port_t *port, wcx_frame_t *frame);
void wcx_port_free(wcx_port_t *port, wcx_frame_t *frame);
/* Frames [0, returned) are sent and no longer the caller's. */
uint32_t wcx_port_tx(wcx_port_t *port, wcx_frame_t *frames, uint32_t cnt);

#endif
