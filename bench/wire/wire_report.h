/* What a wire run found, told: a JSON line, a table, the histograms and samples of a run folder.

   Owner:      the main thread.
   Memory:     nothing is kept.
   Pinned by:  tests/bench/test_wire.py. */
#ifndef WCX_BENCH_WIRE_WIRE_REPORT_H
#define WCX_BENCH_WIRE_WIRE_REPORT_H

#include "bench/run_folder.h"
#include "bench/wire/ramp.h"

typedef struct wcx_wire_report
{
  const char *transport, *profile, *mix, *server, *port; /* port: kernel sockets, or the DPDK port */
  double per_s, seconds;                                 /* asked for; of a ramp: where it began, and 0 */
  uint32_t sessions, window;
  uint64_t seed;
  const wcx_wire_run_t *run;
  const wcx_open_loop_t *loop; /* NULL: a ramp */
  const wcx_ramp_t *ramp;      /* NULL: none */
  const char *fault;           /* NULL: the run is valid */
  double answered_per_s;
  double drift_p99; /* soak: corrected p99 of the last tenth of the run by that of the first; 0: not told */
  wcx_hdr_t corrected, uncorrected, late;
} wcx_wire_report_t;

void wcx_wire_report_json(FILE *file, const wcx_wire_report_t *report);
void wcx_wire_report_table(const wcx_wire_report_t *report);

/* Histograms and, of each window of a run's time, the corrected p99. began_ns: UTC of the first due time. */
void wcx_wire_report_keep(const wcx_wire_report_t *report, uint64_t began_ns, wcx_run_folder_t *folder);

#endif
