/* A port of DPDK for a load generator: any device DPDK has a driver for, the stamps of its network card, what it lost.

   Owner:      the thread that polls, except wcx_port_open_named (set-up).
   Memory:     as in dataplane/port.h.
   Units:      monotonic ns.
   Bounds:     one port a process; of any device but af_xdp's interface one queue is received from.
   Errors:     wcx_port_open_named dies with a clear message and the fix.
   Pinned by:  tests/e2e/test_wire_port.py. */
#ifndef WCX_DATAPLANE_PORT_DPDK_H
#define WCX_DATAPLANE_PORT_DPDK_H

#include "dataplane/port.h"
#include "dataplane/port_clock.h"

/* name: af_xdp:INTERFACE, af_packet:INTERFACE, memif:client:/path or memif:server:/path, as the appliance names them; or anything else that DPDK does:
   "net_tap0,iface=t0", "0000:03:00.2". */
wcx_port_t *wcx_port_open_named(const char *name, uint32_t lcore);

/* Why nothing is stamped by the device; NULL: it is. */
const char *wcx_port_unstamped(const wcx_port_t *port);

/* Hold the device's clock against ours; a frame's stamp means nothing before two of these, and drifts away without more. Nothing when it does not stamp. */
void wcx_port_read_clock(wcx_port_t *port);

/* When the device received a frame; 0: it does not say. */
uint64_t wcx_port_came_ns(const wcx_port_t *port, const wcx_frame_t *frame);

/* Frames that the device received and had no room or buffer for, or found broken, and those it failed to send. */
uint64_t wcx_port_missed(const wcx_port_t *port);

#endif
