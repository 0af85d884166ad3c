/* The noise floor of a core: a loop that does nothing but read the TSC, and every time it was kept from that for longer than WCX_NOISE_GAP_NS.

   What no program on this core can get below: interrupts, the scheduler, the hypervisor.

   Owner:      the calling thread, which runs on that CPU meanwhile and where it did before afterwards.
   Units:      ns.
   Result:     false: the CPU is not to be had.
   Pinned by:  tests/unit/test_preflight.c. */
#ifndef WCX_BENCH_NOISE_H
#define WCX_BENCH_NOISE_H

#include "bench/hdr.h"

#include <stdbool.h>

#define WCX_NOISE_GAP_NS 500u

typedef struct wcx_noise
{
  wcx_hdr_t gaps;
  uint64_t measured_ns;
  uint64_t away_ns; /* in all gaps */
} wcx_noise_t;

bool wcx_noise_measure(wcx_noise_t *noise, int cpu, uint32_t ms);

#endif
