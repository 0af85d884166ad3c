/* The plots and the page of a run's folder: verdict first, then figures, plots, percentiles, host, the folder's other files.

   Owner:      the main thread.
   Result:     false: a file cannot be written.
   Pinned by:  tests/bench/test_run_folder.py, tests/bench/long_report.py. */
#ifndef WCX_BENCH_REPORT_H
#define WCX_BENCH_REPORT_H

#include "bench/run_folder.h"

/* fault: why the run is invalid; NULL: it is valid. */
bool wcx_report_write(const wcx_run_folder_t *folder, const char *host, const char *commit, const char *result_json, const char *fault) __attribute__((warn_unused_result));

#endif
